"""A store whose labels were changed: other chromosomes, another release. It is never annotated with."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.store.describe import ReferenceStore, footer_sha256
from tests.integration.helpers import SAMPLE_VCF, STORE, Project
from tests.support.vcf import MIRROR, plain_vcf, refused, written

FILE = re.compile(r"([a-z_]+)-chr([^.]+)(?:\.([a-z]+))?\.parquet")
Package = dict[str, Any]


@pytest.fixture(scope="module")
def store(mini_store: Path) -> Path:
    return mini_store


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(store, tmp_path / "own"))


def edit(store: Path, change: Callable[[Package], object]) -> None:
    path = store / "datapackage.json"
    package = json.loads(path.read_bytes())
    change(package)
    path.unlink()
    path.write_text(json.dumps(package))


def entry_of(package: Package, name: str) -> dict[str, Any]:
    return next(entry for entry in package["resources"] if entry["path"] == name)


def exchange_chromosomes(store: Path) -> None:
    other = {"21": "22", "22": "21"}

    def change(package: Package) -> None:
        for entry in package["resources"]:
            entry["chromosome"] = other.get(entry["chromosome"], entry["chromosome"])

    edit(store, change)


def exchange_files(store: Path) -> None:
    """Exchange the files themselves: names and all digests agree again."""
    names = [f"homo_sapiens-chr{number}.parquet" for number in (21, 22)]
    first, second = (store / name for name in names)
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])

    def change(package: Package) -> None:
        one, other = (entry_of(package, name) for name in names)
        for key in ("bytes", "hash", "footer_sha256", "num_rows"):
            one[key], other[key] = other[key], one[key]

    edit(store, change)


def exchange_roles(store: Path) -> None:
    def change(package: Package) -> None:
        for entry in package["resources"]:
            entry["role"] = "sequence"

    edit(store, change)


def relabel(**labels: object) -> Callable[[Path], None]:
    return lambda store: edit(store, lambda package: package.update(labels))


def without_a_label(store: Path) -> None:
    name = "homo_sapiens-chr22.parquet"
    pq.write_table(pq.read_table(store / name).replace_schema_metadata(None), store / name)
    describe_anew(store)


def sequence_of_another_assembly(store: Path) -> None:
    name, other = "homo_sapiens-chr22.2bit", store.with_name("other")
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as cache:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", cache)
        fetch_ensembl(other, mirrors=MIRROR, release=116, assembly="GRCh37", chromosomes="22")
    (store / name).unlink()
    shutil.copy(other / name, store)
    edit(store, lambda package: entry_of(package, name).update(num_rows=51304566))
    describe_anew(store)


def describe_anew(store: Path) -> None:
    """Have ``datapackage.json`` say what the files are now, as whoever altered them can."""

    def change(package: Package) -> None:
        for entry in package["resources"]:
            content = (store / entry["path"]).read_bytes()
            entry["bytes"] = len(content)
            entry["hash"] = f"sha256:{hashlib.sha256(content).hexdigest()}"
            entry["footer_sha256"] = footer_sha256(store / entry["path"])

    edit(store, change)


RELABELLED: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "chromosomes exchanged": (
        exchange_chromosomes,
        ("homo_sapiens-chr21.parquet is listed as homo_sapiens-chr22.parquet should be",),
    ),
    "files exchanged": (
        exchange_files,
        (
            "homo_sapiens-chr21.parquet is of chromosome '22'",
            "by its own footer, datapackage.json says chromosome '21'",
        ),
    ),
    "roles exchanged": (exchange_roles, ("is listed as",)),
    "another release": (
        relabel(release=117),
        ("is of release '116' by its own footer, datapackage.json says release '117'",),
    ),
    "another assembly": (
        relabel(assembly="GRCh37"),
        ("is of assembly 'GRCh38' by its own footer",),
    ),
    "a sequence of another assembly": (
        sequence_of_another_assembly,
        ("chr22.2bit is of assembly 'GRCh37' by its own footer, datapackage.json says",),
    ),
    "another species": (relabel(species="mus_musculus"), ("is listed as mus_musculus-chr",)),
    "no label": (without_a_label, ("does not say in its footer what it is of",)),
}


@pytest.mark.parametrize("name", RELABELLED)
def test_a_relabelled_store_is_refused(name: str, tmp_path: Path, own_store: Path) -> None:
    damage, words = RELABELLED[name]
    damage(own_store)
    refused(tmp_path, written(tmp_path, plain_vcf()), own_store, *words)


def test_a_file_says_what_it_is_of(store: Path) -> None:
    """The same on every machine: no schema of Arrow's, no time, no order of a dictionary."""
    package = json.loads((store / "datapackage.json").read_bytes())
    paths = sorted(store.glob("*.parquet"))
    assert paths
    for path in paths:
        named = FILE.fullmatch(path.name)
        assert named
        expected = (
            f'{{"assembly": "{package["assembly"]}", "chromosome": "{named[2]}", '
            f'"name": "{path.name}", "release": {package["release"]}, '
            f'"role": "{named[3] or "alleles"}", "species": "{named[1]}"}}'
        )
        found = pq.read_metadata(path).metadata
        assert found == {b"ensembl_annotations": expected.encode()}
    ReferenceStore(store).check()


def forge_release(store: Path) -> None:
    """Relabel a store wholly: footers, digests and description agree with each other."""
    for path in store.glob("*.parquet"):
        content = path.read_bytes()
        assert content.count(b'"release": 116') == 1
        path.unlink()
        path.write_bytes(content.replace(b'"release": 116', b'"release": 115'))
    edit(store, lambda package: package.update(release=115))
    describe_anew(store)
    ReferenceStore(store).check()


def test_a_project_annotates_with_the_reference_of_its_lock_only(
    project: Project, tmp_path: Path
) -> None:
    source = {"PYTHONPATH": str(project.root / "src")}
    arguments = ["--vcf", SAMPLE_VCF, "--out-vcf", str(tmp_path / "out.vcf.gz")]
    project.tool("annotate", "--reference", STORE, *arguments)
    forge_release(project.path(STORE))
    stage = ["repro", "--force", "--single-item", "annotate@sample"]
    for done in (
        project.dvc(*stage, code=None),
        project.tool("annotate", "--reference", STORE, *arguments, code=1),
        project.run(
            "sh", "-c", f"cd docs && exec ensembl-annotations annotate --reference ../{STORE} --vcf "
            f"../{SAMPLE_VCF} --out-vcf x.vcf.gz", code=1, **source,
        ),
        # From a folder that is in no repository.
        project.run(
            "sh", "-c", f"cd / && exec ensembl-annotations annotate --reference "
            f"{project.path(STORE)} --vcf {project.path(SAMPLE_VCF)} --out-vcf "
            f"{tmp_path / 'out.vcf.gz'}", code=1, **source,
        ),
    ):  # fmt: skip
        assert done.code != 0
        assert f"{STORE}: is not the reference that dvc.lock names: the SHA-256" in done.output
        assert "Traceback" not in done.output
    # With the figures altered to fit, too: dvc.lock has their MD5.
    figures = project.path("metrics/fetch_ensembl.json")
    content = json.loads(figures.read_bytes())
    content["details"][0]["reference_sha256"] = ReferenceStore(project.path(STORE)).digest
    figures.write_text(json.dumps(content))
    done = project.dvc(*stage, code=None)
    assert "metrics/fetch_ensembl.json: is not as dvc.lock has it" in done.output
    # Elsewhere it is the user's own affair.
    shutil.copytree(project.path(STORE), tmp_path / "mine")
    project.tool("annotate", "--reference", tmp_path / "mine", *arguments)
