from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import pytest

from ensembl_annotations import annotate_vcf, fetch_ensembl, write_report
from ensembl_annotations._kernel import crc32
from ensembl_annotations.cli import main
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.figures import all_figures
from ensembl_annotations.project.params import load_params

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ensembl_annotations"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/README.md")])
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")

MODULES = {
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    # A room's __init__.py says nothing; the package's is the public interface.
    if path.name != "__init__.py" or path.parent == PACKAGE
}
SHARED_ROOMS = ("common/", "variants/")
"""Used by all others: the walks don't name them."""


def test_documents_are_what_is_declared() -> None:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, content in module.documents().items():
        assert path.read_text("utf-8") == content, "run scripts/make_docs.py"


def test_every_figure_is_documented() -> None:
    text = "".join(
        (ROOT / "docs" / name).read_text("utf-8")
        for name in ("output.md", "matching.md", "genes.md")
    )
    for path in (ROOT / "metrics").glob("**/*.json"):
        for key in all_figures(json.loads(path.read_text("utf-8"))):
            name = key.removeprefix("num_")
            assert f"`{key}`" in text or f"`{name}`" in text, f"{path.name}: {key}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text("utf-8")), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8")))
    return [target for target in targets if not re.match(r"https?:", target)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    for page in ROOT.glob("docs/*.md"):
        assert page in linked, f"{page.name} is not in README.md's table of pages"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page: Path) -> None:
    # The changelog speaks of what was.
    if page.name == "CHANGELOG.md":
        return
    tests = {path.name for path in ROOT.glob("tests/**/*.py")}
    for name in re.findall(r"`([^`\s]+)`", without_code(page.read_text("utf-8"))):
        if re.match(r"(src|scripts|tests|benchmarks|docs|\.github)/[^<*]*$", name):
            assert (ROOT / name).exists(), f"{name}: no such file"
        elif re.fullmatch(r"test_\w+\.py", name):
            assert name in tests, f"{name}: no such test"


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield " ".join([*above, name]), command
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


def test_every_command_and_option_is_documented() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    for name, command in commands(main):
        section = re.search(rf"^## {name}$.*?(?=^## |\Z)", reference, flags=re.M | re.S)
        assert section is not None, f"docs/cli.md lacks {name}"
        assert command.help, f"{name} has no help"
        for item in command.params:
            if isinstance(item, click.Option):
                assert item.help, f"{name}: {item.opts[0]} has no help"
                assert all(option in section[0] for option in item.opts), f"{name}: {item.opts}"
        if not isinstance(command, click.Group):
            assert "Example:" in command.help, f"the help of {name} has no example"
            assert f"`ensembl-annotations {name}" in readme, f"README.md lacks {name}"


@pytest.mark.parametrize("section", ["ensembl", "annotate"])
def test_what_holds_for_a_parameter_that_is_left_out_is_documented(
    section: str, tmp_path: Path
) -> None:
    lines = (ROOT / "params.yaml").read_text("utf-8").splitlines()
    table = (ROOT / "docs" / "parameters.md").read_text("utf-8")
    for key, row in re.findall(rf"^\| `{section}\.(\w+)` \| (.+) \|$", table, flags=re.M):
        path = tmp_path / "params.yaml"
        path.write_text("\n".join(line for line in lines if not line.startswith(f"  {key}:")))
        if "if left out" in row:
            assert load_params(path) is not None
        else:
            with pytest.raises(UsageError, match=rf"{section}\.{key}: missing"):
                load_params(path)


def test_every_target_of_make_is_documented() -> None:
    targets = re.findall(r"^([a-z]+):[^#\n]*## ", (ROOT / "Makefile").read_text("utf-8"), re.M)
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for target in targets:
        assert re.search(rf"\bmake {target}\b", text) or target == "all", f"make {target}"


def rooms() -> dict[str, str]:
    """Return the part of the page on each room, by its heading."""
    text = ARCHITECTURE[ARCHITECTURE.index("## The rooms") : ARCHITECTURE.index("## Three walks")]
    heading, *parts = re.split(r"^### (.+)$", text, flags=re.M)
    assert heading
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_map_names_every_module_and_no_other() -> None:
    named = [
        room.strip("`") * room.startswith("`") + module
        for room, text in rooms().items()
        for module in re.findall(r"^\| `([^`]+\.py)` \| \S", text, flags=re.M)
    ]
    assert len(named) == len(set(named))
    missing, gone = sorted(MODULES - set(named)), sorted(set(named) - MODULES)
    assert not missing and not gone, f"docs/architecture.md lacks {missing}, and has {gone}"


def test_the_map_has_the_rooms_in_the_order_of_the_contract() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = [item for item in config["tool"]["importlinter"]["contracts"] if "layers" in item]
    layers = [name.strip() for floor in contract["layers"] for name in floor.split("|")]
    folders = [name.removeprefix("ensembl_annotations.") for name in layers]
    expected = [f"`{name}/`" for name in folders if (PACKAGE / name).is_dir()]
    assert [room for room in rooms() if room.startswith("`")] == expected


def walk(subject: str) -> tuple[set[str], int]:
    """Return the modules that a walk names, and the number in its heading."""
    found = re.search(
        rf"^### {subject}: (\d+) modules$(.*?)(?=^##)", ARCHITECTURE, flags=re.M | re.S
    )
    assert found is not None
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", found[2]))
    return {name for name in named if not name.startswith("scripts/")}, int(found[1])


@pytest.mark.parametrize("subject", ["A VCF", "A release", "A revision"])
def test_walks_name_modules_and_count_them(subject: str) -> None:
    named, number = walk(subject)
    assert named <= MODULES, f"no such modules: {sorted(named - MODULES)}"
    assert number == len(named), f"{subject}: the heading says {number}, the walk has {len(named)}"


@contextmanager
def noted_modules() -> Iterator[set[str]]:
    """Note of which modules functions are called, on this thread and on those that begin."""
    for name in MODULES - {"assets.py", "__init__.py"}:
        # What runs when a module is imported is no step of a walk.
        importlib.import_module(f"ensembl_annotations.{name.removesuffix('.py').replace('/', '.')}")
    called: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            called.add(frame.f_code.co_filename)

    modules: set[str] = set()
    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield modules
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
        names = {str(PACKAGE / name): name for name in MODULES}
        modules |= {names[path] for path in called if path in names}


def of_rooms(modules: set[str], *besides: str) -> set[str]:
    return {
        name for name in modules if "/" in name and not name.startswith((*SHARED_ROOMS, *besides))
    }


def test_the_walks_of_a_release_and_a_vcf_are_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    store, tally = tmp_path / "store", tmp_path / "tally.json"
    # Whether the library is of these sources is looked at once, by whoever is first.
    crc32(b"")
    with noted_modules() as fetched:
        fetch_ensembl(
            store, mirrors=ROOT / "data/mini_ensembl", release=116, chromosomes="22", fasta=True
        )
    with noted_modules() as annotated:
        annotate_vcf(
            ROOT / "data/vcf/sample.vcf.gz",
            store,
            out_vcf=tmp_path / "me.vcf.gz",
            out_parquet=tmp_path / "me.parquet",
            tally=tally,
        )
        write_report(tally, tmp_path / "report", "me")
    # The stage is a program of the project's, around these functions.
    assert of_rooms(annotated) == of_rooms(walk("A VCF")[0], "project/")
    # From a folder nothing is transferred.
    over_http = ("fetch/transfer.py", "fetch/failures.py")
    assert of_rooms(fetched, *over_http) == of_rooms(walk("A release")[0], "project/", *over_http)
