"""The reference as one table: what a query reads of it, and that it reads no less."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

import ensembl_annotations.store.scan as scan
from ensembl_annotations.common.errors import ReferenceStoreError, UsageError
from ensembl_annotations.store.index import write_index
from ensembl_annotations.store.scan import scan_files, scan_reference
from ensembl_annotations.variants.schema import READ
from tests.support.store import snv, write_store

C = pl.col


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = {
        "21": [
            snv(5, "G>T", 1),
            {"start": 9, "code": 5, "rs": 2, "ref": "CA", "alt": "C", "offset": 1},
            {"start": 9, "code": 0, "rs": 0, "ref": "C", "alt": "<DEL>", "name": "n"},
        ],
        "MT": [snv(1, "T>G", 3)],
    }
    return write_store(tmp_path / "store", rows)


def test_every_ref_alt_pos_and_id_is_filled_in(folder: Path) -> None:
    found = scan_reference(folder).collect()
    assert found.columns == [column.name for column in READ]
    assert found.select("chrom", "pos", "ref", "alt", "id").rows() == [
        ("21", 5, "G", "T", "rs1"),
        ("21", 9, "CA", "C", "rs2"),
        ("21", 10, "C", "<DEL>", "n"),
        ("MT", 1, "T", "G", "rs3"),
    ]


def test_chromosomes_are_in_the_order_asked_for_and_by_any_name(folder: Path) -> None:
    found = scan_reference(folder, "chrM,21").collect()["chrom"].to_list()
    assert found == ["MT", "21", "21", "21"]
    with pytest.raises(UsageError, match="X: not among"):
        scan_reference(folder, ["X"])


def test_only_files_that_are_asked_for_are_checked(folder: Path) -> None:
    (folder / "homo_sapiens-chr21.parquet").unlink()
    assert len(scan_reference(folder, "MT").collect()) == 1
    with pytest.raises(ReferenceStoreError, match=r"chr21\.parquet is missing"):
        scan_reference(folder)


@pytest.mark.parametrize("with_index", [False, True])
def test_a_store_that_was_replaced_since_is_not_read_as_the_one_that_was_opened(
    with_index: bool, folder: Path, tmp_path: Path
) -> None:
    if with_index:
        write_index(folder)
    alleles = scan_reference(folder)
    assert alleles.filter(id="rs3").collect().height == 1
    rows = {"21": [snv(5, "G>T", 1)], "MT": [snv(1, "T>G", 3), snv(2, "T>G", 4)]}
    other = write_store(tmp_path / "other", rows)
    shutil.copy(other / "homo_sapiens-chrMT.parquet", folder)
    for query in (
        alleles,
        alleles.filter(pos=1),
        alleles.filter(id="rs3"),
        alleles.select(pl.len()),
    ):
        with pytest.raises(ReferenceStoreError, match=r"not complete: homo_sapiens-chrMT\.parquet"):
            query.collect()
    assert alleles.filter(chrom="21").collect().height == 3


def test_the_types_are_declared(folder: Path) -> None:
    alleles = scan_reference(folder)
    assert alleles.collect().schema == alleles.collect_schema()
    assert alleles.filter(pos=77).collect().schema == alleles.collect_schema()


# --- What is read --------------------------------------------------------------------------------

# No more than the row groups and pages need: each query reads them.
NUM_ROWS = 700

LARGE = {
    name: [
        snv(pos, "A>C" if pos % 2 else "G>T", (pos * 7919 + shift) % 701 if pos % 5 else 0, **more)
        for pos in range(1, num_rows + 1)
        for more in ({"name": f"COSV{pos}"} if pos % 5 == 0 else {},)
    ]
    for name, shift, num_rows in (("1", 0, NUM_ROWS), ("2", 5, 300), ("X", 9, 100))
}


def write_large(folder: Path) -> Path:
    """Write a store of `LARGE`, whose files have several row groups of several pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ensembl_annotations.store.write.ROW_GROUP_ROWS", 100)
        patch.setattr("ensembl_annotations.store.write.PAGE_ROWS", 20)
        return write_store(folder, LARGE)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large") / "store")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return, as they come, the files that queries look at."""
    paths: list[Path] = []

    def note(path: Path, parts: list[pl.Expr]) -> pl.LazyFrame:
        paths.append(path)
        return rows(path, parts)

    rows = scan._rows
    monkeypatch.setattr(scan, "_rows", note)
    return paths


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (C("chrom") == "2", ["2"]),
        (C("chrom").is_in(["2", "9"]) & (C("pos") == 5), ["2"]),
        (C("chrom").str.starts_with("X"), ["X"]),
        (C("pos") == 5, ["1", "2", "X"]),
    ],
)
def test_only_files_of_the_wanted_chromosomes_are_read(
    condition: pl.Expr, expected: list[str], large: Path, read: list[Path], tmp_path: Path
) -> None:
    # A store of its own: polars may still read for a query of another test that needs no more rows.
    own = shutil.copytree(large, tmp_path / "own")
    scan_reference(own).filter(condition).collect()
    found = [path.stem for path in read if path.parent == own]
    assert found == [f"homo_sapiens-chr{name}" for name in expected]


def test_of_many_ids_no_list_is_made(large: Path) -> None:
    """A condition such as `rs` above 0 holds for nearly all rows."""
    path = large / "homo_sapiens-chr1.parquet"
    assert len(scan._found(path, [C("rs") > 0])) == scan._MOST_SLICES + 1
    assert len(scan_files({"1": path}).filter(C("rs") > 0).collect()) == NUM_ROWS * 4 / 5


@pytest.mark.parametrize(
    "condition",
    [
        C("pos") == 555,
        C("pos").is_between(520, 560),
        C("pos").is_in([555, 556]),
        C("id") == "COSV555",
        C("rs") == 7919 * 556 % 701,
        C("id") == f"rs{7919 * 556 % 701}",
    ],
    ids=str,
)
def test_other_row_groups_are_not_read(large: Path, condition: pl.Expr, tmp_path: Path) -> None:
    """Pages of other row groups are overwritten: who read them would fail, or find nothing."""
    path = large / "homo_sapiens-chr1.parquet"
    expected = scan_files({"1": path}).filter(condition).collect()
    assert 1 <= len(expected) <= 41
    damaged = damage(path, tmp_path / "x.parquet", keep=range(500, 600))
    assert scan_files({"1": damaged}).filter(condition).collect().equals(expected)


def damage(path: Path, to: Path, *, keep: range) -> Path:
    """Copy a file; of row groups with no row in `keep`, all but the columns of IDs is overwritten."""
    import pyarrow.parquet as pq

    data, first = bytearray(path.read_bytes()), 0
    meta = pq.read_metadata(path)
    for number in range(meta.num_row_groups):
        group = meta.row_group(number)
        if first >= keep.stop or first + group.num_rows <= keep.start:
            for at in range(group.num_columns):
                chunk = group.column(at)
                if chunk.path_in_schema not in ("rs", "name"):
                    begin = chunk.dictionary_page_offset or chunk.data_page_offset
                    data[begin : begin + chunk.total_compressed_size] = bytes(
                        chunk.total_compressed_size
                    )
        first += group.num_rows
    to.write_bytes(data)
    return to
