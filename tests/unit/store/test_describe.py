"""Which stores are opened, and what is found wrong with their files."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.common.errors import ReferenceStoreError, UsageError
from ensembl_annotations.common.problems import Problem
from ensembl_annotations.store.describe import (
    FileIdentity,
    ReferenceStore,
    StoreKind,
    chromosome_of,
    footer_sha256,
)
from tests.support.store import ORIGIN, described, snv, write_store

ALLELES, SEQUENCE = "homo_sapiens-chr21.parquet", "homo_sapiens-chr21.2bit"
Package = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = {"21": [snv(10, "A>C", 1), snv(20, "A>C", 2)], "X": [snv(10, "A>G", 3)]}
    return write_store(tmp_path / "store", rows, {"21": b"ACGT"})


def edit(folder: Path, change: Callable[[Package], object]) -> None:
    path = folder / "datapackage.json"
    package = json.loads(path.read_text())
    change(package)
    path.write_text(json.dumps(package))


# --- Opening -------------------------------------------------------------------------------------


def test_a_store_says_what_it_has(folder: Path) -> None:
    store = ReferenceStore(folder)
    assert (store.species, store.assembly, store.release) == ("homo_sapiens", "GRCh38", "116")
    assert store.digest == hashlib.sha256((folder / "datapackage.json").read_bytes()).hexdigest()
    assert store.chromosomes == ["21", "X"]
    roles = [(item.chromosome, item.role) for item in store.resources_of(None)]
    assert roles == [("21", "alleles"), ("X", "alleles"), ("21", "sequence")]
    assert [item.role for item in store.resources_of("X")] == ["alleles"]
    assert store.resource("X", "sequence") is None
    found = store.resource("21")
    assert found is not None and (found.path, found.rows) == (folder / ALLELES, 2)


@pytest.mark.parametrize("names", ["", ["21", "21"], [21], []])
def test_chromosomes_are_named_as_everywhere(names: Any, folder: Path) -> None:
    with pytest.raises(UsageError, match="chromosomes"):
        ReferenceStore(folder).resources_of(names)


def test_no_store_is_said_to_be_none(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ReferenceStoreError, match="gone: no such folder"):
        ReferenceStore(tmp_path / "gone")
    (folder / "datapackage.json").unlink()
    with pytest.raises(ReferenceStoreError, match=r"datapackage\.json is missing"):
        ReferenceStore(folder)


def test_another_version_of_the_layout_is_refused(folder: Path) -> None:
    edit(folder, lambda package: package.update(store_version=999))
    with pytest.raises(ReferenceStoreError, match="layout has version 999, this program reads"):
        ReferenceStore(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda package: package.update(resources=[]), "it has no files"),
        (lambda package: package.update(resources=7), "TypeError"),
        (lambda package: package.update(release="next"), "invalid literal"),
        (lambda package: package.update(quarantine={}), "KeyError"),
        (lambda package: package.pop("species"), "species"),
        (lambda package: package["resources"][0].pop("num_rows"), "num_rows"),
        (lambda package: package["resources"][0].update(hash="md5:0"), "is md5, expected sha256"),
        (lambda package: package["resources"][0].update(role="hens"), "role 'hens'"),
        (lambda package: package["resources"][0].update(chromosome=21), "chromosome is 21"),
        (lambda package: package["resources"][0].update(chromosome="X"), "chrX.parquet should be"),
        (lambda package: package["resources"][0].update(path="../a.parquet"), "is listed as"),
        (lambda package: package.update(assembly="GRCh37", species="mus"), "is listed as mus-chr"),
    ],
)
def test_a_description_that_is_none_is_one_error(
    change: Callable[[Package], object], message: str, folder: Path
) -> None:
    edit(folder, change)
    with pytest.raises(ReferenceStoreError, match="not a description of a reference") as caught:
        ReferenceStore(folder)
    assert message in caught.value.message
    assert "ensembl-annotations pull" in str(caught.value.hint)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"store_version": NaN}']
)
def test_what_is_no_json_object_is_one_error(content: bytes, folder: Path) -> None:
    (folder / "datapackage.json").write_bytes(content)
    with pytest.raises(ReferenceStoreError):
        ReferenceStore(folder)


# --- What a file is of ---------------------------------------------------------------------------


def test_a_file_is_named_after_what_it_is_of() -> None:
    names = {role: FileIdentity.of(ORIGIN, "X", role).file_name for role in ("alleles", "sequence")}
    assert names == {
        "alleles": "homo_sapiens-chrX.parquet",
        "sequence": "homo_sapiens-chrX.2bit",
    }


def test_a_footer_says_the_same_or_contradicts() -> None:
    mine = FileIdentity.of(ORIGIN, "X", "alleles")
    assert mine.as_metadata() == {
        "ensembl_annotations": '{"assembly": "GRCh38", "chromosome": "X", "name": '
        '"homo_sapiens-chrX.parquet", "release": 116, "role": "alleles", "species": "homo_sapiens"}'
    }

    def problem(text: str) -> Problem | None:
        return mine.problem((b"", b"a footer" + text.encode() + b"and more"))

    text = mine.as_metadata()["ensembl_annotations"]
    assert problem(text) is None
    name = "homo_sapiens-chrX.parquet"
    other = problem(text.replace("116", "115").replace('me": "X"', 'me": "Y"'))
    assert other == Problem(
        name,
        StoreKind.MISLABELLED,
        "chromosome 'Y', release '115'",
        "chromosome 'X', release '116'",
    )
    unlabelled = Problem(name, StoreKind.UNLABELLED)
    for wrong in ("", "{", "[]", "7", text.replace('"role"', '"rule"')):
        assert problem(wrong) == unlabelled
    assert mine.problem((b"", b"")) == mine.problem((b"", b"x")) == unlabelled


def test_the_head_of_a_sequence_says_the_same_or_contradicts() -> None:
    mine = FileIdentity.of(ORIGIN, "X", "sequence")
    head = struct.pack("<4IB", 0x1A412743, 0, 1, 0, 1)
    assert mine.problem((head + b"X", b"")) is None
    found = mine.problem((head + b"Y", b""))
    assert found is not None and found.kind == StoreKind.MISLABELLED
    assert mine.problem((b"", b"")) is not None


def test_the_footer_is_the_end_of_the_file(tmp_path: Path) -> None:
    """Its length is in 4 bytes before the magic number."""
    path = tmp_path / "a.parquet"
    footer = b"metadata" + (8).to_bytes(4, "little") + b"PAR1"
    path.write_bytes(b"PAR1 data " + footer)
    assert footer_sha256(path) == hashlib.sha256(footer).hexdigest()
    # Cut, or of any length that is no footer's: no error, and another digest than described.
    for content in (b"", b"PAR1", b"\xff\xff\xff\xffPAR1"):
        path.write_bytes(content)
        assert footer_sha256(path) == hashlib.sha256(content).hexdigest()


# --- Checking ------------------------------------------------------------------------------------


def test_a_whole_store_has_no_problem(folder: Path) -> None:
    store = ReferenceStore(folder)
    store.check()
    assert store.verify() == store.verify("21,X") == []


def swap_a_byte(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (lambda path: path.unlink(), StoreKind.MISSING),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), StoreKind.SIZE),
        (lambda path: swap_a_byte(path, -20), StoreKind.FOOTER),
    ],
)
def test_what_is_harmed_is_found_by_its_footer(
    harm: Callable[[Path], object], kind: StoreKind, folder: Path
) -> None:
    store = ReferenceStore(folder)
    harm(folder / ALLELES)
    with pytest.raises(ReferenceStoreError, match=r"not complete: homo_sapiens-chr21\.parquet"):
        store.check()
    assert [(item.name, item.kind) for item in store.verify()] == [(ALLELES, kind)]
    # The other chromosome is as good as before.
    store.check(["X"])
    assert store.verify(["X"]) == []


def test_only_hashing_finds_an_altered_page(folder: Path) -> None:
    store = ReferenceStore(folder)
    resource = store.resource("21")
    assert resource is not None
    swap_a_byte(folder / ALLELES, 10)
    store.check()
    (problem,) = store.verify()
    assert (problem.kind, problem.expected) == (StoreKind.SHA256, resource.sha256)
    assert problem.found == hashlib.sha256((folder / ALLELES).read_bytes()).hexdigest()


def relabelled(folder: Path, name: str, table: pa.Table, identity: FileIdentity | None) -> None:
    """Write another file under a name, and describe it as it is."""
    metadata = None if identity is None else identity.as_metadata()
    pq.write_table(table.replace_schema_metadata(metadata), folder / name)

    def change(package: Package) -> None:
        for item in package["resources"]:
            if item["path"] == name:
                item |= described(item["chromosome"], item["role"], folder / name, table.num_rows)

    edit(folder, change)


def test_a_file_that_is_of_something_else_is_found(folder: Path) -> None:
    table = pq.read_table(folder / ALLELES)
    mine = FileIdentity.of(ORIGIN, "21", "alleles")

    def kinds() -> list[object]:
        return [problem.kind for problem in ReferenceStore(folder).verify()]

    relabelled(folder, ALLELES, table, mine)
    assert kinds() == []
    relabelled(folder, ALLELES, table, None)
    assert kinds() == [StoreKind.UNLABELLED]
    relabelled(folder, ALLELES, table, FileIdentity.of(ORIGIN, "X", "alleles"))
    assert kinds() == [StoreKind.MISLABELLED]
    relabelled(folder, ALLELES, table.select([1, 0, 2, 3]), mine)
    assert kinds() == [StoreKind.UNREADABLE]
    relabelled(folder, ALLELES, table, mine)
    edit(folder, lambda package: package["resources"][0].update(num_rows=3))
    assert kinds() == [StoreKind.ROWS]


def test_the_quarantine_is_verified_with_the_whole_store(folder: Path) -> None:
    store = ReferenceStore(folder)
    for harm, kind in (
        (lambda path: path.write_bytes(b"x"), StoreKind.SHA256),
        (lambda path: path.unlink(), StoreKind.MISSING),
    ):
        harm(folder / "quarantine.tsv.gz")
        assert [(item.name, item.kind) for item in store.verify()] == [("quarantine.tsv.gz", kind)]
        assert store.verify("21,X") == []


def test_of_many_problems_eight_are_named(tmp_path: Path) -> None:
    rows = {str(number): [snv(10, "A>C", number)] for number in range(1, 11)}
    store = ReferenceStore(write_store(tmp_path / "store", rows))
    for path in store.folder.glob("*.parquet"):
        path.unlink()
    with pytest.raises(ReferenceStoreError) as caught:
        store.check()
    assert caught.value.message.count("is missing") == 8
    assert "and 2 more" in caught.value.message


@pytest.mark.parametrize(
    ("name", "chromosome"),
    [
        ("homo_sapiens-chr22.parquet", "22"),
        ("homo_sapiens-chr22.2bit", "22"),
        ("homo_sapiens-chr22.genes.parquet", "22"),
        ("mus_musculus-chrGL456210.1.parquet", "GL456210.1"),
        ("mus_musculus-chrGL456210.1.genes.parquet", "GL456210.1"),
        ("datapackage.json", None),
    ],
)
def test_the_chromosome_of_a_file_is_told_by_its_name(name: str, chromosome: str | None) -> None:
    assert chromosome_of(name) == chromosome


@pytest.mark.parametrize(
    "address", ["https://host/store", "http://host/store/", "S3://bucket/store", "ftp://host/store"]
)
def test_an_address_is_no_folder(address: str) -> None:
    for folder in (address, Path(address)):
        with pytest.raises(
            ReferenceStoreError, match="store: expected a folder on this machine, found an address"
        ):
            ReferenceStore(folder)
