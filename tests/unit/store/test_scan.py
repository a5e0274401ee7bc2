"""The reference as one table: what a query reads of it, and that it reads no less."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ensembl_annotations.store.write.ROW_GROUP_ROWS", 100)
        patch.setattr("ensembl_annotations.store.write.PAGE_ROWS", 20)
        return write_store(tmp_path_factory.mktemp("large") / "store", LARGE)


@pytest.fixture(scope="module")
def scanned(large: Path) -> pl.LazyFrame:
    return scan_reference(large)


@pytest.fixture(scope="module")
def whole(scanned: pl.LazyFrame) -> pl.DataFrame:
    return scanned.collect()


CONDITIONS: list[Callable[[int], pl.Expr]] = [
    lambda n: C("pos") == n,
    lambda n: n < C("pos"),
    lambda n: C("pos").is_between(n, n + 50),
    lambda n: C("pos").is_between(n, n + 50, closed="none"),
    lambda n: C("pos").is_in([n, n + 7, 2**40]),
    lambda n: C("pos") * 2**20 == n * 2**20,
    lambda n: (C("pos") == n) | (C("rs") == n),
    lambda n: ~(C("pos") > n),
    lambda n: C("pos") != n,
    lambda n: C("pos") > C("rs"),
    lambda n: C("pos") == 2**33 + n,
    lambda n: C("rs") == n,
    lambda n: C("rs").is_in([n, n + 1]),
    lambda n: C("rs") > n,
    lambda n: C("rs") == 0,
    lambda n: C("id") == f"rs{n}",
    lambda n: pl.lit(f"COSV{n}") == C("id"),
    lambda n: C("id").is_in([f"rs{n}", f"COSV{n + 1}", "none", f"rs0{n}", f"RS{n}"]),
    lambda n: C("id").is_in([f"rs{at}" for at in range(n, n + 60)]),
    lambda n: C("id") == "",
    lambda n: C("id") != f"rs{n}",
    lambda n: C("id") > f"rs{n}",
    lambda n: C("id").eq_missing(pl.lit(None, pl.String)),
    lambda n: C("id").is_in(["rs1", None], nulls_equal=True),
    lambda n: C("id").str.ends_with(str(n)),
    lambda n: C("chrom") == "2",
    lambda n: C("chrom").is_in(["X", "1"]),
    lambda n: C("chrom") != "X",
    lambda n: C("chrom") == C("ref"),
    lambda n: C("chrom") == "9",
    lambda n: C("ref") == "A",
    lambda n: C("af").is_null(),
    lambda n: pl.lit(True),
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3),
    st.integers(1, NUM_ROWS + 20),
    st.sampled_from([None, ["pos"], ["id", "clin"]]),
    st.sampled_from([None, 1, 150]),
)
def test_a_query_finds_what_a_query_of_all_finds(
    scanned: pl.LazyFrame,
    whole: pl.DataFrame,
    conditions: list[Callable[[int], pl.Expr]],
    number: int,
    columns: list[str] | None,
    most: int | None,
) -> None:
    """The judge is polars itself, on the whole table in memory."""
    filters = [make(number) for make in conditions]
    given_, expected = scanned.filter(*filters), whole.filter(*filters)
    if columns is not None:
        given_, expected = given_.select(columns), expected.select(columns)
    if most is not None:
        given_, expected = given_.head(most), expected.head(most)
    assert given_.collect().equals(expected)
    assert given_.collect(engine="streaming").equals(expected)


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
