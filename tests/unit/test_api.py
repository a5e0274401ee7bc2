"""What can be imported: its arguments' types, and that other packages see them."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import shutil
import subprocess
import sys
import sysconfig
import typing
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import ensembl_annotations
from ensembl_annotations import (
    annotate_vcf,
    compare_stores,
    fetch_ensembl,
    materialize,
    plan_fetch,
    scan_reference,
    write_report,
)
from ensembl_annotations._kernel import LIBRARY
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.verification import verify_reference
from ensembl_annotations.store.describe import ReferenceStore
from tests.support.compiler import copying_compiler
from tests.support.vcf import MIRROR, RELEASE, SAMPLE, build_store, invoke, snapshot

PUBLIC = {
    name: item
    for name in ensembl_annotations.__all__
    if inspect.isfunction(item := getattr(ensembl_annotations, name))
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("reference"), ["2", "21", "22", "MT"])


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "downloads"
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder))


def test_names_are_there_for_tab_before_they_are_imported() -> None:
    code = "import ensembl_annotations as e; print(*dir(e)); print('polars' in __import__('sys').modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    names, is_imported = done.stdout.splitlines()
    assert set(ensembl_annotations.__all__) <= set(names.split())
    assert is_imported == "False"


def test_the_version_is_the_package_s() -> None:
    assert ensembl_annotations.__version__ == importlib.metadata.version("ensembl-annotations")


def test_errors_can_be_caught_by_the_names_that_are_imported(tmp_path: Path) -> None:
    with pytest.raises(ensembl_annotations.ReferenceStoreError) as caught:
        scan_reference(tmp_path / "none")
    assert isinstance(caught.value, ensembl_annotations.EnsemblAnnotationsError)


# --- Paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLIC)
def test_what_takes_a_path_takes_a_text(name: str) -> None:
    function = PUBLIC[name]
    for key, hint in typing.get_type_hints(function).items():
        kinds = list(typing.get_args(hint)) or [hint]
        assert (Path in kinds) <= (str in kinds), key


@pytest.mark.parametrize("name", PUBLIC)
def test_no_argument_is_swallowed(name: str) -> None:
    kinds = {item.kind for item in inspect.signature(PUBLIC[name]).parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    with pytest.raises(TypeError, match="relase"):
        PUBLIC[name](relase=116)


def results(folder: Path, kind: Callable[[Path], Any]) -> dict[str, bytes]:
    """Fetch, annotate and compare with all paths given as `kind`."""
    folder.mkdir()
    store, other = folder / "store", folder / "other"
    fetch_ensembl(
        kind(store),
        mirrors=kind(MIRROR),
        release=RELEASE,
        chromosomes="21,22",
        metrics=kind(folder / "fetch.json"),
        run_metrics=kind(folder / "run" / "fetch.json"),
        dvc_cache=kind(folder / "dvc"),
    )
    fetch_ensembl(kind(other), mirrors=[kind(MIRROR)], release=115, chromosomes="21")
    plan_fetch(kind(folder / "no"), mirrors=kind(MIRROR), release=115, dvc_cache=kind(folder))
    annotate_vcf(
        kind(SAMPLE),
        kind(store),
        out_vcf=kind(folder / "o.vcf"),
        out_parquet=kind(folder / "o.parquet"),
        metrics=kind(folder / "annotate.json"),
        run_metrics=kind(folder / "run" / "annotate.json"),
        tally=kind(folder / "tally.json"),
    )
    write_report(kind(folder / "tally.json"), kind(folder / "report"), "o")
    compare_stores(
        kind(other),
        kind(store),
        sample=kind(folder / "o.parquet"),
        out_parquet=kind(folder / "changes.parquet"),
        project=kind(folder),
    )
    assert pq.read_metadata(folder / "changes.parquet").num_rows
    assert scan_reference(kind(store)).collect().height
    found = snapshot(folder)
    return {
        name: content
        for name, content in found.items()
        if not name.startswith("run/") and name != "changes.parquet"
    }


def test_a_path_and_a_text_give_the_same(tmp_path: Path) -> None:
    as_paths = results(tmp_path / "paths", Path)
    assert {"o.vcf", "tally.json", "report/contigs.svg", "report/o_mqc.json"} <= set(as_paths)
    assert results(tmp_path / "texts", str) == as_paths


# --- Chromosomes ---------------------------------------------------------------------------------

SPELT: list[Any] = ["21,22", " 21 , 22 ", ["21", "22"], ("21", "22")]


@pytest.mark.parametrize("wanted", SPELT, ids=repr)
def test_chromosomes_as_on_the_command_line(wanted: Any, tmp_path: Path, store: Path) -> None:
    """A text was once taken for a list of letters: 21 was 2 and 1."""
    annotate_vcf(SAMPLE, store, out_vcf=tmp_path / "a.vcf", chromosomes=wanted)
    arguments = ["annotate", "--vcf", SAMPLE, "--reference", store, "--chromosomes", "21,22"]
    invoke(*arguments, "--out-vcf", tmp_path / "b.vcf").succeeded()
    assert (tmp_path / "a.vcf").read_bytes() == (tmp_path / "b.vcf").read_bytes()
    assert 'Chromosomes="21|22"' in (tmp_path / "a.vcf").read_text()

    found = scan_reference(store, wanted).select("chrom").unique().collect()["chrom"]
    assert set(found) == {"21", "22"}

    only: dict[str, Any] = {"chromosomes": wanted, "fasta": False, "genes": False}
    figures = fetch_ensembl(tmp_path / "store", mirrors=MIRROR, release=RELEASE, **only)
    assert set(figures["files"]) == {f"homo_sapiens-chr{name}.vcf.gz" for name in ("21", "22")}
    lines = plan_fetch(tmp_path / "store", mirrors=MIRROR, release=RELEASE, **only)
    assert ": 2 files" in lines[0]


def test_verify_of_one_chromosome_looks_at_no_other(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "store")
    for name in ("2", "MT"):
        (tmp_path / "store" / f"homo_sapiens-chr{name}.parquet").write_bytes(b"")
    own = ReferenceStore(str(tmp_path / "store"))
    for wanted in SPELT:
        assert own.verify(wanted) == []
        assert verify_reference(own, wanted)[0] == []
        own.check(wanted)
    assert len(own.verify("all")) == len(own.verify()) == 2


@pytest.mark.parametrize("wanted", ["", "21,", "21,21", ["21", "21"], [], [21]], ids=repr)
def test_chromosomes_that_are_none(wanted: Any, tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    for call in (
        lambda: annotate_vcf(SAMPLE, store, out_vcf=out / "o.vcf", chromosomes=wanted),
        lambda: scan_reference(store, wanted),
        lambda: plan_fetch(out, mirrors=MIRROR, release=RELEASE, chromosomes=wanted),
        lambda: fetch_ensembl(out, mirrors=MIRROR, release=RELEASE, chromosomes=wanted),
        lambda: ReferenceStore(store).verify(wanted),
    ):
        with pytest.raises(UsageError, match="chromosomes"):
            call()
    assert not out.exists()


def test_all_is_all(tmp_path: Path, store: Path) -> None:
    annotate_vcf(SAMPLE, store, out_vcf=tmp_path / "a.vcf", chromosomes="all")
    annotate_vcf(SAMPLE, store, out_vcf=tmp_path / "b.vcf")
    assert (tmp_path / "a.vcf").read_bytes() == (tmp_path / "b.vcf").read_bytes()


def test_one_asset_as_a_text() -> None:
    with pytest.raises(UsageError, match="'anotated_vcf'"):
        materialize("anotated_vcf")


# --- The wheel -----------------------------------------------------------------------------------


def test_the_wheel_is_of_this_platform_and_works_elsewhere(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__", LIBRARY)
    shutil.copytree(root / "src", source / "src", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        env={**os.environ, "CC": copying_compiler(tmp_path)},
        cwd=source,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    (wheel,) = tmp_path.glob(f"*-py3-none-{platform}.whl")
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
        content.extractall(elsewhere)
    assert f"ensembl_annotations/_kernel/{LIBRARY}" in names
    code = "from ensembl_annotations._kernel import FOLDER, crc32; print(FOLDER, crc32(b''))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        # Without a compiler: what is in the wheel is used.
        env={**os.environ, "PYTHONPATH": str(elsewhere), "CC": "false"},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode() == f"{elsewhere}/ensembl_annotations/_kernel 0\n", (
        done.stderr.decode()
    )
    assert "ensembl_annotations/py.typed" in names
    expected = {
        path.relative_to(root / "src").as_posix()
        for path in (root / "src").rglob("*")
        if path.suffix in (".py", ".j2", ".css", ".typed")
    }
    assert expected <= names
