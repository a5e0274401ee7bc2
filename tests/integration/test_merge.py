"""Two people change the pipeline: git's merge driver, the command for what it leaves, and CONTRIBUTING's recipe."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.hashes import md5_of_bytes
from ensembl_annotations.project.lock import DvcLock, read_lock
from ensembl_annotations.project.merge import ConflictError, merge_conflicts
from tests.integration.helpers import REPO, SAMPLE_VCF, Done, Project, isolated_environment

KEPT = (
    ".gitattributes",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
    "scripts/merge-driver",
    "src/ensembl_annotations/project/merge_keys.py",
    "src/ensembl_annotations/versions.py",
)
FIGURES = "metrics/annotate/sample.json"
PARAMS, LOCK = "params.yaml", "dvc.lock"
COPY = ".git/ensembl-annotations/merge_keys.py"
STAGE = """  {name}:
    cmd: make it
    deps:
    - path: {dep}
      hash: md5
      md5: {read}
    params:
      params.yaml:
{params}    outs:
    - path: {out}
      hash: md5
      md5: {made}
"""


def digest(text: str) -> str:
    return md5_of_bytes(text.encode())


def figures(made: str) -> str:
    return json.dumps({"figures of": made}) + "\n"


def entries(sample: str, release: int, vcf: str, match: str = "allele") -> str:
    """Return the entries of a sample in dvc.lock, made from a release and a VCF."""
    made = f"{sample} {release} {vcf} {match}"
    metrics = f"    - path: metrics/annotate/{sample}.json\n      hash: md5\n      md5: {digest(figures(made))}\n"
    annotate = STAGE.format(
        name=f"annotate@{sample}",
        dep="data/ensembl_annotations",
        read=digest(f"store {release}"),
        params=f"        annotate.match: {match}\n",
        out=f"data/annotated/{sample}",
        made=digest(made),
    ).replace(
        "    params:",
        f"    - path: data/vcf/{sample}.vcf.gz\n      hash: md5\n      md5: {digest(vcf)}\n    params:",
    )
    report = STAGE.format(
        name=f"report@{sample}",
        dep=f"data/annotated/{sample}/tally.json",
        read=digest(f"tally {made}"),
        params="",
        out=f"data/reports/{sample}/summary.html",
        made=digest(f"page {made}"),
    ).replace("    params:\n      params.yaml:\n", "")
    return annotate + metrics + report


def lock_of(release: int, *samples: str) -> str:
    fetch = STAGE.format(
        name="fetch_ensembl",
        dep=f"data/manifests/{release}.json",
        read=digest(f"manifest {release}"),
        params=f"        ensembl.release: {release}\n",
        out="data/ensembl_annotations",
        made=digest(f"store {release}"),
    )
    return f"schema: '2.0'\nstages:\n{fetch}{''.join(samples)}"


class Small(Project):
    """A repository with what is merged, on the branch `ours`, from which `theirs` leaves."""

    def change(self, branch: str, **files: Callable[[str], str] | str | None) -> None:
        """Commit changes to a branch: texts by path, functions of the text, or None for a removal."""
        self.git("checkout", "--quiet", branch)
        for name, new in files.items():
            path = self.path(name)
            if new is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new if isinstance(new, str) else new(path.read_text("utf-8")), "utf-8")
        self.commit()

    def both(self, ours: dict[str, object], theirs: dict[str, object]) -> None:
        self.change("theirs", **theirs)  # type: ignore[arg-type]
        self.change("ours", **ours)  # type: ignore[arg-type]

    def merge(self, code: int) -> str:
        return self.run("git", "merge", "--quiet", "theirs", code=code).output

    def text(self, name: str) -> str:
        return self.path(name).read_text("utf-8")

    def lock(self) -> DvcLock:
        return read_lock(self.path(LOCK).read_bytes())

    def unmerged(self) -> set[str]:
        return {line.split("\t")[1] for line in self.git("ls-files", "--unmerged").splitlines()}


def small(folder: Path, environment: Path, prefix: str = "") -> Small:
    project = Small(folder, isolated_environment(environment))
    for name in KEPT:
        project.path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPO / name, project.path(name))
    project.path(".dvc").mkdir()
    project.path(".venv").symlink_to(REPO / ".venv")
    project.path(LOCK).write_text(lock_of(116, entries("sample", 116, "v1")), "utf-8")
    project.path(FIGURES).parent.mkdir(parents=True)
    project.path(FIGURES).write_text(figures("sample 116 v1 allele"), "utf-8")
    project.path("data/vcf").mkdir(parents=True)
    project.path(SAMPLE_VCF).write_bytes(b"")
    if not prefix:
        project.git("init", "--quiet")
    project.commit()
    project.git("branch", "--quiet", "ours")
    project.git("branch", "--quiet", "theirs")
    project.git("checkout", "--quiet", "ours")
    return project


@pytest.fixture
def plain(tmp_path: Path) -> Small:
    """Without the merge driver."""
    return small(tmp_path / "project", tmp_path)


@pytest.fixture
def driven(plain: Small) -> Small:
    """With the merge driver, as `make` sets it up."""
    plain.run("sh", "scripts/merge-driver")
    return plain


def add(sample: str) -> Callable[[str], str]:
    return lambda text: f"{text}  {sample}: {{vcf: data/vcf/{sample}.vcf.gz}}   # of {sample}\n"


def release(number: int) -> Callable[[str], str]:
    return lambda text: text.replace("release: 116 ", f"release: {number} ")


def new_sample(sample: str) -> dict[str, object]:
    return {
        PARAMS: add(sample),
        LOCK: lambda text: text + entries(sample, 116, "v1"),
        f"metrics/annotate/{sample}.json": figures(f"{sample} 116 v1 allele"),
    }


def new_release(number: int) -> dict[str, object]:
    return {
        PARAMS: release(number),
        LOCK: lock_of(number, entries("sample", number, "v1")),
        FIGURES: figures(f"sample {number} v1 allele"),
    }


# The driver


@pytest.mark.parametrize("way", ["merge", "rebase", "cherry-pick"])
def test_two_new_samples_are_no_conflict(driven: Small, way: str) -> None:
    driven.both(new_sample("a"), new_sample("b"))
    driven.git(way, "theirs")
    assert driven.changed() == []
    assert list(driven.params()["samples"]) in (["sample", "a", "b"], ["sample", "b", "a"])
    assert "   # of a\n" in driven.text(PARAMS)
    assert "   # of b\n" in driven.text(PARAMS)
    lock = driven.lock()
    assert set(lock) == {
        "fetch_ensembl",
        *(f"{stage}@{name}" for stage in ("annotate", "report") for name in ("sample", "a", "b")),
    }
    alone = read_lock(
        lock_of(116, *(entries(name, 116, "v1") for name in ("sample", "a", "b"))).encode()
    )
    assert all(
        (lock.outs(stage), lock.deps(stage)) == (alone.outs(stage), alone.deps(stage))
        for stage in alone
    )


def take_the_environment(project: Small) -> None:
    project.path(".venv").unlink()


def break_the_copy(project: Small) -> None:
    project.path(COPY).write_text("x: y: z", "utf-8")


def kill_it(project: Small) -> None:
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    project.path(COPY).write_text(kill, "utf-8")


def remove_the_copy(project: Small) -> None:
    project.path(COPY).unlink()


@pytest.mark.parametrize("fail", [take_the_environment, break_the_copy, kill_it, remove_the_copy])
def test_where_the_driver_fails_both_sides_are_marked(
    driven: Small, fail: Callable[[Small], None]
) -> None:
    driven.both(new_sample("a"), new_sample("b"))
    fail(driven)
    driven.merge(code=1)
    assert driven.unmerged() == {PARAMS, LOCK}
    for name in (PARAMS, LOCK):
        text = driven.text(name)
        assert re.search(
            "(?s)<<<<<<< ours\n.*a.vcf.gz.*=======\n.*b.vcf.gz.*>>>>>>> theirs\n", text
        )
        for side in ("ours", "theirs"):
            assert set(driven.git("show", f"{side}:{name}").splitlines()) <= set(text.splitlines())


@pytest.mark.parametrize("fail", [None, take_the_environment])
def test_a_result_is_never_mixed_with_another(
    driven: Small, fail: Callable[[Small], None] | None
) -> None:
    """One side made it of another VCF, the other with another match: not one line did both change."""
    driven.both(
        {LOCK: lambda text: text.replace(digest("v1"), digest("v2"))},
        {LOCK: lambda text: text.replace("annotate.match: allele", "annotate.match: position")},
    )
    if fail:
        fail(driven)
    driven.merge(code=1)
    assert driven.unmerged() == {LOCK}
    marked = re.findall("(?s)<<<<<<< ours\n(.*?)=======\n(.*?)>>>>>>> theirs\n", driven.text(LOCK))
    assert any(digest("v2") in mine and digest("v1") in other for mine, other in marked)
    assert any("match: allele" in mine and "match: position" in other for mine, other in marked)


def test_a_clone_without_the_driver_has_a_normal_conflict(plain: Small) -> None:
    plain.both(new_sample("a"), new_sample("b"))
    plain.merge(code=1)
    assert "<<<<<<< HEAD\n" in plain.text(PARAMS)


def test_what_is_checked_out_is_not_run(plain: Small) -> None:
    plain.path(".venv").unlink()
    plain.run(sys.executable, "-m", "venv", "--without-pip", ".venv")
    packages = next(plain.path(".venv").glob("lib/*/site-packages"))
    (packages / "yaml").symlink_to(Path(yaml.__file__).parent)
    # As `pip install -e .` has it.
    (packages / "editable.pth").write_text(str(plain.path("src")), "utf-8")
    plain.run("sh", "scripts/merge-driver")
    code = f"open({str(plain.root.with_name('ran'))!r}, 'w')\n"
    modules = ("yaml", "sitecustomize", "src/yaml", "src/sitecustomize")
    plain.both(new_sample("a"), {**new_sample("b"), **{f"{name}.py": code for name in modules}})
    plain.git("checkout", "--quiet", "theirs")
    plain.git("rm", "--quiet", "-r", "scripts", "src/ensembl_annotations/project")
    plain.commit()
    plain.git("checkout", "--quiet", "ours")
    plain.git("rebase", "--quiet", "theirs")
    assert plain.path("src/sitecustomize.py").exists()
    assert not plain.root.with_name("ran").exists()
    assert set(plain.params()["samples"]) == {"sample", "a", "b"}


def test_a_folder_of_any_name_has_the_driver(tmp_path: Path) -> None:
    project = small(tmp_path / "O'Hara's %A $HOME", tmp_path)
    for _ in range(2):
        project.run("sh", "scripts/merge-driver")
    project.both(new_sample("a"), new_sample("b"))
    project.merge(code=0)
    assert list(project.params()["samples"]) == ["sample", "a", "b"]


def test_a_worktree_and_a_project_in_a_folder_have_the_driver(tmp_path: Path) -> None:
    top = Project(tmp_path / "top", isolated_environment(tmp_path))
    top.root.mkdir()
    top.git("init", "--quiet")
    project = small(top.path("inside"), tmp_path, prefix="inside")
    project.run("sh", "scripts/merge-driver")
    project.both(new_sample("a"), new_sample("b"))
    project.git("worktree", "add", "--quiet", "--detach", tmp_path / "tree", "ours")
    tree = Project(tmp_path / "tree", top.environment)
    tree.git("merge", "--quiet", "theirs")
    inside = Project(tree.path("inside"), top.environment)
    assert list(inside.params()["samples"]) == ["sample", "a", "b"]


def test_outside_git_nothing_is_set_up(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", isolated_environment(tmp_path))
    project.path("scripts").mkdir(parents=True)
    shutil.copy2(REPO / "scripts/merge-driver", project.path("scripts"))
    assert project.run("sh", "scripts/merge-driver").output == ""


def test_figures_are_never_mixed(plain: Small) -> None:
    lines = [f'  "n{number}": 0' for number in range(20)]

    def text(changed: int) -> str:
        new = [
            line.replace(" 0", " 1") if number == changed else line
            for number, line in enumerate(lines)
        ]
        return "{\n" + ",\n".join(new) + "\n}\n"

    plain.change("ours", **{FIGURES: text(99)})
    plain.git("branch", "--force", "theirs", "ours")
    plain.both({FIGURES: text(1)}, {FIGURES: text(18)})
    plain.merge(code=1)
    assert plain.text(FIGURES) == text(1)


# The command


def test_new_samples_are_merged_by_the_command(plain: Small) -> None:
    plain.both(new_sample("a"), new_sample("b"))
    plain.merge(code=1)
    said = merge_conflicts(plain.root)
    assert said[:2] == ["params.yaml: merged by key.", "dvc.lock: merged by stage."]
    assert plain.unmerged() == set()
    assert list(plain.params()["samples"]) == ["sample", "a", "b"]
    assert {"report@a", "annotate@b"} < set(plain.lock())
    plain.git("commit", "--quiet", "--no-edit")
    assert plain.changed() == []


@pytest.mark.parametrize("chosen", [117, 115])
@pytest.mark.parametrize("has_driver", [True, False])
def test_results_follow_the_parameter_that_is_chosen(
    plain: Small, chosen: int, has_driver: bool
) -> None:
    if has_driver:
        plain.run("sh", "scripts/merge-driver")
    plain.both(new_release(117), new_release(115))
    plain.merge(code=1)
    for _ in range(2):
        with pytest.raises(
            ConflictError, match=r"both sides changed ensembl\.release; all else is merged"
        ):
            merge_conflicts(plain.root)
    marked = re.search("(?s)<<<<<<< ours\n(.*)=======\n(.*)>>>>>>> theirs\n", plain.text(PARAMS))
    assert marked
    assert [len(side.splitlines()) for side in marked.groups()] == [1, 1]
    assert plain.unmerged() == {PARAMS, LOCK, FIGURES}
    plain.path(PARAMS).write_text(
        plain.text(PARAMS).replace(marked[0], marked[1 if chosen == 117 else 2]), "utf-8"
    )
    said = "\n".join(merge_conflicts(plain.root))
    side = "ours" if chosen == 117 else "theirs"
    assert f"kept as {side} has it, made with the merged parameters" in said
    assert plain.text(LOCK) == lock_of(chosen, entries("sample", chosen, "v1"))
    assert plain.text(FIGURES) == figures(f"sample {chosen} v1 allele")
    assert plain.unmerged() == set()


def test_what_fits_no_side_is_left_out(plain: Small) -> None:
    plain.both(new_release(117), new_release(115))
    plain.merge(code=1)
    plain.path(PARAMS).write_text(plain.git("show", "ours~1:params.yaml"), "utf-8")
    said = "\n".join(merge_conflicts(plain.root))
    assert "annotate@sample" in said
    assert "left out, so that 'make' makes it again" in said
    # As DVC reads it: a section without a value is an error.
    assert plain.text(LOCK) == "schema: '2.0'\nstages: {}\n"
    assert f"{FIGURES}: of one side, until 'make' makes it again." in said


def new_vcf(content: str) -> dict[str, object]:
    return {
        LOCK: lock_of(116, entries("sample", 116, content)),
        FIGURES: figures(f"sample 116 {content} allele"),
    }


@pytest.mark.parametrize("is_here", [True, False])
def test_a_sample_that_both_made_of_other_vcfs_is_made_again_where_its_vcf_is(
    plain: Small, is_here: bool
) -> None:
    plain.both(new_vcf("v2"), new_vcf("v3"))
    if not is_here:
        plain.change("ours", **{SAMPLE_VCF: None})
    plain.merge(code=1)
    said = "\n".join(merge_conflicts(plain.root))
    kept = [entries("sample", 116, "v2")]
    if is_here:
        assert "annotate@sample, report@sample: left out, so that 'make' makes it again" in said
    else:
        assert "annotate@sample: kept as ours has it, until 'make' runs where the VCF is" in said
    assert plain.text(LOCK) == lock_of(116, *([] if is_here else kept))
    assert plain.text(FIGURES) == figures("sample 116 v2 allele")


def test_a_sample_that_one_removes_and_the_other_makes_again_is_gone(plain: Small) -> None:
    plain.both(
        {
            PARAMS: lambda text: text.replace("samples: ", "samples: {}").partition("  sample:")[0],
            LOCK: lock_of(116),
            FIGURES: None,
        },
        new_vcf("v2"),
    )
    plain.merge(code=1)
    assert plain.unmerged() == {LOCK, FIGURES}
    said = "\n".join(merge_conflicts(plain.root))
    assert "left out, since params.yaml does not have the sample" in said
    assert plain.text(LOCK) == lock_of(116)
    assert not plain.path(FIGURES).exists()
    assert plain.unmerged() == set()


def test_what_decides_between_results_is_resolved_first(plain: Small) -> None:
    plain.both(
        {"dvc.yaml": lambda text: text + "# ours\n", **new_vcf("v2")},
        {"dvc.yaml": lambda text: text + "# theirs\n", **new_vcf("v3")},
    )
    plain.merge(code=1)
    before = plain.text(LOCK)
    with pytest.raises(ConflictError, match=r"dvc\.yaml: in conflict still"):
        merge_conflicts(plain.root)
    assert plain.text(LOCK) == before
    assert plain.unmerged() == {"dvc.yaml", LOCK, FIGURES}


def test_what_was_resolved_by_hand_stays(plain: Small) -> None:
    plain.both(new_sample("a"), new_sample("b"))
    plain.merge(code=1)
    by_hand = plain.git("show", "theirs:params.yaml").replace("level: 1 ", "level: 7 ")
    plain.path(PARAMS).write_text(by_hand, "utf-8")
    assert "params.yaml: has no conflict left; staged as it is." in merge_conflicts(plain.root)
    assert plain.text(PARAMS) == by_hand


def test_what_is_half_resolved_is_not_replaced(plain: Small) -> None:
    plain.both(new_sample("a"), new_sample("b"))
    plain.merge(code=1)
    text = plain.text(PARAMS).replace("level: 1 ", "level: 7 ")
    plain.path(PARAMS).write_text(text, "utf-8")
    line = next(i for i, item in enumerate(text.splitlines(), 1) if "level: 7" in item)
    with pytest.raises(ConflictError, match=rf"params\.yaml: line {line} is of no side"):
        merge_conflicts(plain.root)
    assert plain.text(PARAMS) == text


def test_a_file_that_one_side_removed_is_not_guessed(plain: Small) -> None:
    plain.both({LOCK: None}, new_vcf("v2"))
    plain.merge(code=1)
    with pytest.raises(ConflictError, match=r"dvc\.lock: ours removed it"):
        merge_conflicts(plain.root)
    assert plain.unmerged() == {LOCK}


def test_parameters_that_are_wrong_together_are_named(plain: Small) -> None:
    wrong = {PARAMS: lambda text: add("a")(text).replace("source: mini ", "source: other ")}
    plain.both(wrong, new_sample("b"))
    plain.merge(code=1)
    with pytest.raises(UsageError, match=r"params\.yaml: line \d+: ensembl\.source: 'other'"):
        merge_conflicts(plain.root)
    assert list(plain.params()["samples"]) == ["sample", "a", "b"]


def test_other_files_stay_in_conflict(plain: Small) -> None:
    plain.both({"x.md": "ours\n", **new_sample("a")}, {"x.md": "theirs\n", **new_sample("b")})
    plain.merge(code=1)
    assert merge_conflicts(plain.root)[-1] == "Still in conflict: x.md."
    assert plain.unmerged() == {"x.md"}


def test_without_a_conflict_there_is_nothing_to_do(plain: Small) -> None:
    assert merge_conflicts(plain.root) == ["No conflict in params.yaml, dvc.lock or metrics/."]


# As CONTRIBUTING says


def recipe(heading: str, way: str) -> list[str]:
    """Return the commands below a heading of CONTRIBUTING; at a rebase the alternatives, `# or: …`."""
    section = (REPO / "CONTRIBUTING.md").read_text("utf-8").partition(f"### {heading}\n")[2]
    lines = section.partition("```sh\n")[2].partition("```")[0].splitlines()
    commands = [line.partition("#")[::2] for line in lines]
    return [
        other.removeprefix(" or: ")
        if way == "rebase" and other.startswith(" or: ")
        else command.strip()
        for command, other in commands
        if command.strip()
    ]


def follow(project: Project, command: str, code: int | None = 0) -> Done:
    """Run a line of a recipe, `make` with the environment that the tests run in."""
    command = re.sub("^make( env)?$", r"make --old-file=.venv/.ready\1", command)
    return project.run("sh", "-c", command, code=code, GIT_EDITOR="true")


def contribute(project: Project, sample: str) -> None:
    """Add a sample, as a person does, and commit what `make` says."""
    shutil.copy2(project.path(SAMPLE_VCF), project.path(f"data/vcf/{sample}.vcf.gz"))
    params = project.path(PARAMS)
    params.write_text(add(sample)(params.read_text("utf-8")), "utf-8")
    follow(project, "make")
    project.commit()


@pytest.fixture(scope="session")
def two_people(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clones, `first` and `second`, each with a sample of its own and a VCF that the other has not; only to be copied."""
    folder = tmp_path_factory.mktemp("people")
    for name, sample in (("first", "a"), ("second", "b")):
        project = reproduced.copy(folder / name)
        project.add_environment()
        contribute(project, sample)
    return folder


@pytest.mark.parametrize("way", ["merge", "rebase"])
@pytest.mark.parametrize("has_driver", [True, False])
def test_two_people_each_add_a_sample(
    two_people: Path, reproduced: Project, tmp_path: Path, way: str, has_driver: bool
) -> None:
    shutil.copytree(two_people, tmp_path / "people", symlinks=True)
    first, second = (
        Project(tmp_path / "people" / name, reproduced.environment) for name in ("first", "second")
    )
    first.git("clone", "--quiet", "--bare", first.root, tmp_path / "shared.git")
    second.git("remote", "set-url", "origin", tmp_path / "shared.git")
    second.git("fetch", "--quiet", "origin")
    second.git("branch", "--quiet", "--set-upstream-to=origin/main")
    assert not second.path("data/vcf/a.vcf.gz").exists()
    pull, *rest = recipe("Two people each add a sample", way)
    assert rest == ["make", "git push"]
    if has_driver:
        follow(second, pull)
        assert follow(second, "make").ran == []
    else:
        second.git("config", "--local", "--unset", "merge.ensembl-annotations.driver")
        follow(second, pull, code=1)
        resolve = recipe("When `params.yaml` or `dvc.lock` conflicts", way)
        assert [done.ran for done in (follow(second, command) for command in resolve)] == [[]] * 5
    assert second.changed() == []
    follow(second, rest[-1])
    assert set(second.params()["samples"]) == {"sample", "a", "b"}
    # Everybody who clones it now has both, and nothing to make that can be made there.
    clone = second.clone(tmp_path / "clone")
    assert clone.dvc("repro", "--dry", "--allow-missing").ran == []
    assert [clone.metrics(f"annotate/{name}") for name in ("a", "b")] == [
        first.metrics("annotate/a"),
        second.metrics("annotate/b"),
    ]
