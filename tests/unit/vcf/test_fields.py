"""Columns of records as typed values."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ensembl_annotations.vcf.batch import batch_of
from ensembl_annotations.vcf.fields import typed_records
from ensembl_annotations.vcf.read import VcfReader
from ensembl_annotations.vcf.untyped import Untyped, add_untyped


def typed(folder: Path, *lines: str, samples: int = 1) -> pl.DataFrame:
    """Read lines of ID, QUAL, FILTER and, with samples, FORMAT and calls."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if samples:
        columns += ["FORMAT", *(f"S{number}" for number in range(samples))]
    rows = []
    for line in lines:
        id_, qual, filter_, *rest = line.split(" ")
        rows.append("\t".join(["1", "5", id_, "A", "C", qual, filter_, ".", *rest]))
    path = folder / "x.vcf"
    text = "\n".join(["##fileformat=VCFv4.2", "\t".join(columns), *rows, ""])
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with VcfReader(path) as reader:
        (piece,) = reader.pieces()
        return typed_records(batch_of(piece, reader.path), samples)


def test_a_dot_is_null(tmp_path: Path) -> None:
    found = typed(tmp_path, ". . .", "rs1;x 1e2 PASS", "a 5 q10;s", samples=0)
    assert found.to_dicts() == [
        {"row": 0, "id": None, "qual": None, "filter": None},
        {"row": 1, "id": "rs1;x", "qual": 100.0, "filter": "PASS"},
        {"row": 2, "id": "a", "qual": 5.0, "filter": "q10;s"},
    ]


def test_the_call_of_one_sample(tmp_path: Path) -> None:
    found = typed(
        tmp_path,
        ". . . GT:AD:DP:GQ 0/1:3,4:7:50.5",
        ". . . DP:GT 8:1|1",
        ". . . GT:AD:DP .:.,4:.",
        ". . . GT:DP 0/1",
        ". . . XX 1",
    )
    assert found.select("gt", "dp", "gq", "ad").rows() == [
        ("0/1", 7, 50.5, [3, 4]),
        ("1|1", 8, None, None),
        (None, None, None, [None, 4]),
        ("0/1", None, None, None),
        (None, None, None, None),
    ]


def test_what_is_not_of_its_type_is_null_and_told(tmp_path: Path) -> None:
    found = typed(
        tmp_path,
        ". . . DP:GQ:AD 7:1:1,2",
        ". . . DP:GQ:AD many:x:1,b",
        ". . . DP:GQ:AD 99999999999:2:3",
    )
    assert found["dp"].to_list() == [7, None, None]
    assert found["ad"].to_list() == [[1, 2], [1, None], [3]]


def test_later_parts_add_to_the_first() -> None:
    found = {"DP": Untyped(1, 4, "a")}
    add_untyped(found, {"DP": Untyped(2, 9, "b"), "GQ": Untyped(3, 8, "c")})
    assert found == {"DP": Untyped(3, 4, "a"), "GQ": Untyped(3, 8, "c")}
    text = found["DP"].describe("DP")
    assert text.startswith("DP is not a whole number of 32 bits in 3 records")
    assert "line 4, 'a'" in text


def test_several_samples_have_no_columns_of_calls(tmp_path: Path) -> None:
    found = typed(tmp_path, ". . . GT 0/1 1/1", samples=2)
    assert found.columns == ["row", "id", "qual", "filter"]


def test_other_values_may_be_any_bytes(tmp_path: Path) -> None:
    assert typed(tmp_path, ". . . GT:XX 0/1:\udcff")["gt"].to_list() == ["0/1"]
