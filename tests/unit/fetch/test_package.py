"""Rows that were not understood are kept as text; a file is described by its content."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.fetch.download import FetchedFile
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.package import DataFile, DataPackage, Quarantine, Source
from ensembl_annotations.store.describe import ReferenceStore, StoreKind
from ensembl_annotations.vcf.bgzf import has_eof_block
from tests.support.nginx import Nginx, nginx
from tests.support.store import snv, write_store
from tests.support.vcf import build_store

HEADER = "file\tline\treason\ttext\n"


def quarantined(folder: Path, order: list[str]) -> Path:
    folder.mkdir()
    quarantine = Quarantine(folder)
    for name in sorted(order):
        with quarantine.of(name) as part:
            part.add((7, "odd", f"{name}\tb\\c\r"))
            part.add((9, "cut", "é"))
    quarantine.join(order, folder / "all.gz")
    return folder / "all.gz"


def test_rows_are_one_line_each_in_the_order_of_the_files(tmp_path: Path) -> None:
    path = quarantined(tmp_path / "a", ["y", "x"])
    assert gzip.decompress(path.read_bytes()).decode() == HEADER + (
        "y\t7\todd\ty\\tb\\\\c\\r\ny\t9\tcut\té\nx\t7\todd\tx\\tb\\\\c\\r\nx\t9\tcut\té\n"
    )
    assert has_eof_block(path)
    assert list(path.parent.iterdir()) == [path]


def test_without_a_row_there_is_the_header(tmp_path: Path) -> None:
    path = quarantined(tmp_path / "a", [])
    assert gzip.decompress(path.read_bytes()).decode() == HEADER


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromosomes = ["22", "MT"]
    return build_store(tmp_path_factory.mktemp("package"), chromosomes, fasta=True)


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx"), store) as running:
        yield running


@pytest.mark.parametrize("where", ["path", "inside", "server"])
def test_frictionless_finds_the_columns_of_each_file(
    where: str, store: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import frictionless

    place = f"{store}/"
    if where == "inside":
        monkeypatch.chdir(store)
        place = ""
    if where == "server":
        place = f"{request.getfixturevalue('server').url}/"
    report = frictionless.validate(f"{place}datapackage.json")
    assert report.valid, report.to_summary()
    for item in frictionless.Package(f"{place}datapackage.json").resources:
        path = store / str(item.path)
        columns = pq.read_schema(path).names if path.suffix == ".parquet" else []
        assert item.schema.field_names == columns


def test_frictionless_accepts_the_package(store: Path, tmp_path: Path) -> None:
    """And checks bytes and hash of each file: what is altered is not valid."""
    import frictionless

    report = frictionless.validate(str(store / "datapackage.json"))
    assert report.valid, report.to_summary()
    assert [task.place for task in report.tasks] == [
        f"homo_sapiens-chr{name}.{end}"
        for name in ("22", "MT")
        for end in ("parquet", "2bit", "genes.parquet")
    ]
    shutil.copytree(store, tmp_path / "store")
    path = tmp_path / "store" / "homo_sapiens-chrMT.2bit"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    report = frictionless.validate(str(tmp_path / "store" / "datapackage.json"))
    assert [task.place for task in report.tasks if not task.valid] == [path.name]


def test_each_file_has_its_columns(store: Path) -> None:
    package = json.loads((store / "datapackage.json").read_bytes())
    kinds = {"string": pa.types.is_string, "integer": pa.types.is_integer, "boolean": pa.types.is_boolean, "array": pa.types.is_list}  # fmt: skip
    for item in package["resources"]:
        assert ("schema" in item) == (item["role"] != "sequence")
        if "schema" in item:
            columns = pq.read_schema(store / item["path"])
            fields = json.loads((store / item["schema"]).read_bytes())["fields"]
            assert [field["name"] for field in fields] == columns.names
            for field in fields:
                column = columns.field(field["name"])
                assert kinds[field["type"]](column.type)
                assert field["constraints"]["required"] == (not column.nullable)
                assert field["arrow_type"] == str(column.type) and field["description"]


def test_a_description_of_many_files_is_short(store: Path) -> None:
    """Whoever looks up a position from afar reads all of it."""
    package = json.loads((store / "datapackage.json").read_bytes())
    assert max(len(json.dumps(item, indent=2)) for item in package["resources"]) < 2_000


def test_the_columns_are_verified(store: Path, tmp_path: Path) -> None:
    own = shutil.copytree(store, tmp_path / "store")
    (own / "alleles.schema.json").write_text("{}")
    (own / "genes.schema.json").unlink()
    found = [(item.name, item.kind) for item in ReferenceStore(own).verify()]
    assert found == [
        ("alleles.schema.json", StoreKind.SHA256),
        ("genes.schema.json", StoreKind.MISSING),
    ]


def test_the_package_says_from_whom_it_is(store: Path) -> None:
    package = json.loads((store / "datapackage.json").read_bytes())
    assert package["version"] == "116"
    assert package["licenses"][0]["name"] == "other"
    assert {"title": "dbSNP", "version": "156"} in package["sources"]
    assert package["sources"][0]["title"] == "Ensembl, release 116"
    assert [item["role"] for item in package["contributors"]] == ["author", "wrangler"]
    for item in package["resources"]:
        assert [source["title"] for source in item["sources"]] == [
            Path(source["path"]).name for source in item["sources"]
        ]


def test_names_of_files_that_differ_in_case_alone_are_two(store: Path) -> None:
    """Frictionless knows lower-case names only, and refuses one that is there twice."""
    path = store / "homo_sapiens-chrMT.parquet"
    source = Source(title="x", path="a/x", checksum="1 1", bytes=3, sha256="0a")
    files = [DataFile.of(path, name, "alleles", 1, source) for name in ("scA", "sca", "B")]
    for item in files:
        item.name = item.chromosome.lower()
    package = DataPackage.model_construct(
        title="t", release=1, source_versions={}, schemas={}, resources=files
    )
    assert [item["name"] for item in package.as_standard()["resources"]] == ["sca", "sca-2", "b"]


def test_a_file_is_described_by_its_content(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "store", {"X": [snv(5, "A>C", 1), snv(6, "A>C", 2)]})
    path = folder / "homo_sapiens-chrX.parquet"
    published = PublishedFile("x.vcf.gz", "X", 42, 9)
    fetched: Any = SimpleNamespace(relative="a/x.vcf.gz", num_bytes=9000, sha256="0a")
    source = Source.of(published, cast(FetchedFile, fetched))
    assert source.checksum == "00042 9"
    found = DataFile.of(path, "X", "alleles", 2, source)
    assert (found.name, found.path) == ("homo-sapiens-chrx", path.name)
    assert found.hash == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert (found.bytes, found.rows) == (path.stat().st_size, 2)
    assert (found.format, found.mediatype) == ("parquet", "application/vnd.apache.parquet")
    conversion: Any = SimpleNamespace(frequencies={"X": Counter(), "Y": Counter(certain=3)})
    found.add_frequencies(conversion)
    assert found.frequencies is not None
    assert set(found.frequencies.values()) == {0}


def test_a_sequence_is_described_as_what_it_is(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "store", {"X": [snv(5, "A>C", 1)]}, {"X": b"ACGTN"})
    source = Source(title="x.fa.gz", path="a/x.fa.gz", checksum="1 2", bytes=3, sha256="0a")
    found = DataFile.of(folder / "homo_sapiens-chrX.2bit", "X", "sequence", 5, source)
    assert (found.name, found.format, found.rows) == ("homo-sapiens-chrx.2bit", "2bit", 5)
    assert found.mediatype == "application/octet-stream"
