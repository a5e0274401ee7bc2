"""Rows are written sorted, whatever pieces they come in, and values stay with their alleles."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.store import write
from ensembl_annotations.store.write import ChromosomeWriter, StoreWriter, schema_description
from tests.support.store import ORIGIN, Allele, rows_of, snv


def deletion(pos: int, offset: int, rs: int) -> Allele:
    """Return an allele whose key starts `offset` behind its POS."""
    key = {"start": pos - 1 + offset, "code": 5, "rs": rs, "offset": offset}
    return {**key, "ref": "A" * offset + "C", "alt": "A" * offset, "name": f"n{rs}"}


def written(folder: Path, *pieces: list[Allele], last: list[int | None] | None = None) -> list[int]:
    """Write pieces; return the rs in the order of the file, after checking what each has with it."""
    writer = ChromosomeWriter(folder, ORIGIN, "21")
    for piece, pos in zip(pieces, last or [None] * len(pieces), strict=True):
        writer.add(rows_of(piece, pos))
    writer.finish()
    alleles = pl.read_parquet(writer.path)
    expected = {item["rs"]: item for piece in pieces for item in piece}
    for row in alleles.iter_rows(named=True):
        item = expected[row["rs"]]
        assert {name: row[name] for name in ("start", "code", "name")} == {
            name: item.get(name) for name in ("start", "code", "name")
        }
        assert row["pos"] == item["start"] + 1 - item.get("offset", 0)
        assert row["ref"] == item.get("ref", "ACGT"[item["code"] // 4])
    keys = alleles.select("start", "code", "rs").rows()
    assert keys == sorted(keys)
    assert len(alleles) == writer.num_rows == sum(map(len, pieces))
    numbers: list[int] = alleles["rs"].to_list()
    return numbers


def test_pieces_follow_one_another(tmp_path: Path) -> None:
    pieces = [[snv(5, "A>C", 1), snv(5, "A>T", 2)], [snv(5, "G>A", 3)], [snv(9, "A>C", 4)]]
    assert written(tmp_path, *pieces) == [1, 2, 3, 4]


def test_a_later_record_may_go_before_rows_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of a padded deletion starts behind its POS, so records behind it may go before."""
    # Without sorting the file as a whole, which would mend any order.
    monkeypatch.delattr(ChromosomeWriter, "_sort")
    first = [snv(5, "A>C", 1), deletion(6, 3, 2)]
    pieces = [first, [snv(7, "A>C", 3), snv(9, "A>C", 4)], [snv(40, "A>C", 5)]]
    assert written(tmp_path, *pieces, last=[6, 9, None]) == [1, 3, 4, 2, 5]


def test_what_reaches_over_a_whole_piece(tmp_path: Path) -> None:
    pieces = [[deletion(5, 90, 1)], [snv(6, "A>C", 2)], [snv(7, "A>C", 3)], [snv(99, "A>C", 4)]]
    assert written(tmp_path, *pieces, last=[5, None, None, None]) == [2, 3, 1, 4]


def test_what_is_out_of_order_is_sorted_at_the_end(tmp_path: Path) -> None:
    pieces = [[snv(50, "A>C", 1)], [snv(60, "A>C", 2)], [snv(5, "A>T", 3)], [snv(5, "A>C", 4)]]
    assert written(tmp_path, *pieces) == [4, 3, 1, 2]


@pytest.mark.parametrize(
    ("count", "groups"), [(1, [1]), (5, [5]), (6, [3, 3]), (9, [4, 5]), (11, [3, 4, 4])]
)
def test_row_groups_are_about_as_large(
    count: int, groups: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "ROW_GROUP_ROWS", 4)
    written(tmp_path, [snv(number, "A>C", number) for number in range(1, count + 1)])
    for path in tmp_path.iterdir():
        metadata = pq.read_metadata(path)
        assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == groups


def test_a_part_has_the_details_that_it_needs() -> None:
    rows = rows_of([deletion(pos, 0, pos) for pos in (1, 2, 3, 4)])
    rows.detail[:] = [0, 2, 2, 1]
    part = rows.part(1, 3)
    assert part.detail.tolist() == [0, 0]
    assert part.details["name"].to_list() == ["n3"]
    again = rows.part(1, 4)
    assert again.detail.tolist() == [1, 1, 0]
    assert again.details["name"].to_list() == ["n2", "n3"]


def test_a_store_has_a_file_for_each_chromosome_met(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, ORIGIN, "a.vcf.gz")
    writer.add("21", rows_of([snv(5, "A>C", 1)]))
    writer.open("22")
    writer.add("X", rows_of([snv(5, "A>C", 2)]))
    with pytest.raises(SourceError, match=r"a\.vcf\.gz: records of 21 stand in several places"):
        writer.add("21", rows_of([snv(6, "A>C", 3)]))
    writer.finish()
    found = [(*file, pq.read_metadata(file[1]).num_rows) for file in writer.files()]
    assert found == [
        (name, tmp_path / f"homo_sapiens-chr{name}.parquet", rows, rows)
        for name, rows in (("21", 1), ("22", 0), ("X", 1))
    ]


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        written(tmp_path / name, [snv(5, "A>C", 1)], [snv(6, "A>C", 2)])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_column_is_described() -> None:
    found = {item["name"]: item for item in schema_description()}
    assert (found["start"]["type"], found["start"]["unit"]) == ("integer", "bp")
    assert found["start"]["arrow_type"] == "int32"
    assert found["clin_certain"]["type"] == "boolean"
    assert found["alt"]["constraints"] == {"required": True}
    assert found["maf"]["constraints"] == {"required": False}
    assert "unit" not in found["alt"]
