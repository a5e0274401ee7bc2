"""The project, its lock, and what is said of problems."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from ensembl_annotations.common.problems import Kind, Problem
from ensembl_annotations.project import lock
from ensembl_annotations.project.file_list import ListKind
from ensembl_annotations.project.lock import BrokenLockError, read_lock
from ensembl_annotations.project.paths import ASSETS, REFERENCE, STORE, paths_of, stage_of
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.remote import SharedKind
from ensembl_annotations.project.verification import LockKind, describe_problems
from ensembl_annotations.store.describe import StoreKind

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

# --- The project ---------------------------------------------------------------------------------


def test_a_project_is_found_from_a_folder_inside(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    found = Project.open(inside)
    assert found.root == tmp_path
    assert Project.open(found) is found
    assert Project.open(str(tmp_path)) == found == found.resolved()


def test_a_folder_of_no_project_is_opened_as_it_is(tmp_path: Path) -> None:
    found = Project.open(tmp_path)
    assert (found.root, list(found.lock)) == (tmp_path, [])


def test_parameters_are_read_once_and_the_lock_each_time(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text("utf-8")
    (tmp_path / "params.yaml").write_text(text)
    project = Project.open(tmp_path)
    before = project.params
    (tmp_path / "params.yaml").write_text("")
    assert project.params is before
    (tmp_path / "dvc.lock").write_bytes(lock_of("a"))
    assert project.lock.digest_of(STORE) == "a"
    (tmp_path / "dvc.lock").write_bytes(lock_of("b"))
    assert project.lock.digest_of(STORE) == "b"


def test_a_sample_called_no_is_a_name_as_for_dvc(tmp_path: Path) -> None:
    """YAML 1.1, which PyYAML reads, takes it for False."""
    text = (ROOT / "params.yaml").read_text("utf-8")
    assert "\n  sample: " in text
    (tmp_path / "params.yaml").write_text(text.replace("\n  sample: ", "\n  no: "))
    assert list(Project.open(tmp_path).params.samples) == ["no"]


def test_the_paths_of_an_asset() -> None:
    paths = paths_of("annotated_vcf@p01")
    assert (paths.stage, paths.folder) == ("annotate@p01", Path("data/annotated/p01"))
    assert paths.metrics == Path("metrics/annotate/p01.json")
    assert paths.run == Path("metrics/run/annotate/p01.json")
    paths = paths_of(REFERENCE)
    assert (paths.stage, paths.folder, paths.run) == (
        "fetch_ensembl",
        STORE,
        Path("metrics/run/fetch_ensembl.json"),
    )
    stages = read_lock((ROOT / "dvc.lock").read_bytes())
    assert {stage_of(asset) for asset in ASSETS} <= {stage.partition("@")[0] for stage in stages}


# --- dvc.lock ------------------------------------------------------------------------------------


def lock_of(md5: str) -> bytes:
    outs = [{"path": str(STORE), "md5": md5, "nfiles": 3}]
    return yaml.safe_dump({"schema": "2.0", "stages": {"fetch_ensembl": {"outs": outs}}}).encode()


def test_the_lock_is_read_by_libyaml() -> None:
    assert lock._LOADER is yaml.CSafeLoader


def test_what_is_not_as_dvc_writes_it_counts_as_missing() -> None:
    found = read_lock(b"""
stages:
  a: {outs: [{path: x, md5: 0a}, {path: y}, {md5: 0b}, {path: 7, md5: 0c}, {path: z, md5: 7}, 5]}
  b: {outs: {path: x, md5: 0d}, deps: [{path: x, md5: 0a}]}
  c: [outs]
  5:
""")
    assert list(found) == ["a", "b", "c", "5"]
    assert found.outs("a") == {"x": {"path": "x", "md5": "0a"}}
    assert (found.outs("b"), found.outs("c"), found.outs("5"), found.outs("no")) == ({}, {}, {}, {})
    assert found.deps("b")["x"]["md5"] == "0a"
    assert (found.digest_of(Path("x")), found.digest_of(Path("y"))) == ("0a", None)


def test_a_lock_without_stages_has_none() -> None:
    for content in (b"schema: '2.0'\n", b"stages:\n", b"stages: {}"):
        assert list(read_lock(content)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a dvc.lock"),
        (b"text", "not a dvc.lock"),
        (b"stages: [1]", "not a dvc.lock"),
        (b"<<<<<<< HEAD\nstages: {}\n", "not valid YAML"),
        (b"stages: {a: \xff}", "not valid YAML"),
        (b"stages: {a: \x00}", "not valid YAML"),
        (b"[" * 5000, "not valid YAML"),
    ],
)
def test_a_broken_lock_is_one_error(content: bytes, message: str) -> None:
    with pytest.raises(BrokenLockError, match=f"here/dvc.lock: {message}") as caught:
        read_lock(content, "here/dvc.lock")
    assert "git checkout" in str(caught.value.hint)
    is_yaml = not message.startswith("not valid YAML")
    assert is_yaml or "run 'ensembl-annotations merge'" in str(caught.value.hint)
    assert "\n" not in caught.value.message


# --- Problems ------------------------------------------------------------------------------------

KINDS = list(itertools.chain(StoreKind, LockKind, ListKind, SharedKind))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_problem_is_a_sentence_with_what_was_found(kind: Kind) -> None:
    text = str(Problem("a.parquet\x1b[2J", kind, "{found}", "{expected}"))
    assert "a.parquet?[2J" in text
    assert ("{found}" in text) == ("{found}" in kind.value)
    assert ("{expected}" in text) == ("{expected}" in kind.value)
    assert "None" not in text and not text.endswith(".")


@pytest.mark.parametrize(
    ("kinds", "hint"),
    [
        ([StoreKind.MISSING], "pull' to get them"),
        ([StoreKind.MISSING, LockKind.MD5], "not what dvc.lock names"),
        ([LockKind.NOT_LOCKED, LockKind.FOLDER], "not what dvc.lock names"),
        ([LockKind.MD5, StoreKind.SHA256], "repair' to mend"),
        ([LockKind.FOREIGN], "repair' to mend"),
        ([ListKind.ALTERED, LockKind.MD5], "repair' to mend"),
        ([StoreKind.MISSING, ListKind.STRAY], "it may have been run"),
    ],
)
# A file's name once decided what its problem was: sentences were taken apart.
@pytest.mark.parametrize("name", ["x", "dvc.lock.bak", "x is missing", "DVC's list of files"])
def test_what_to_do_next_follows_from_the_kind(kinds: list[Kind], hint: str, name: str) -> None:
    problems = [Problem(name, kind, "a", "b") for kind in kinds]
    lines, told = describe_problems(problems)
    assert lines == [str(problem) for problem in problems]
    assert hint in told


def test_of_many_problems_the_first_are_told() -> None:
    lines, _ = describe_problems([Problem(f"{n}", StoreKind.MISSING) for n in range(20)])
    assert lines[11:] == ["11 is missing", "and 8 more"]


# --- Imports -------------------------------------------------------------------------------------


def imports(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a module imports, inside functions too."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        item
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for item in node.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in for_types:
            if node.module.startswith("ensembl_annotations."):
                yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


def test_no_modules_import_one_another_in_a_circle() -> None:
    """Nor by an import inside a function, which a circle would need."""
    paths = {
        path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", "."): path
        for path in SOURCE.glob("ensembl_annotations/*/**/*.py")
        if path.name != "__init__.py"
    }
    graph = {name: set(imports(path)) & paths.keys() for name, path in paths.items()}
    assert list(TopologicalSorter(graph).static_order())
