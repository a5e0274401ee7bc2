"""Columns of records as typed values, and what can't be typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf.fields import (
    Records,
    Untyped,
    add_untyped,
    check_text,
    typed_records,
)
from ensembl_annotations.vcf.read import VcfReader


def typed(folder: Path, *lines: str, samples: int = 1) -> Records:
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
        batch = reader.parse(piece)
    check_text(batch, samples)
    return typed_records(batch, samples)


def test_a_dot_is_null(tmp_path: Path) -> None:
    found = typed(tmp_path, ". . .", "rs1;x 1e2 PASS", "a 5 q10;s", samples=0)
    assert found.table.to_dicts() == [
        {"row": 0, "id": None, "qual": None, "filter": None},
        {"row": 1, "id": "rs1;x", "qual": 100.0, "filter": "PASS"},
        {"row": 2, "id": "a", "qual": 5.0, "filter": "q10;s"},
    ]
    assert found.untyped == {}


def test_quality_must_be_a_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 4: QUAL: expected a number or '\.', found 'high'"):
        typed(tmp_path, ". 5 .", ". high .", samples=0)


def test_the_call_of_one_sample(tmp_path: Path) -> None:
    found = typed(
        tmp_path,
        ". . . GT:AD:DP:GQ 0/1:3,4:7:50.5",
        ". . . DP:GT 8:1|1",
        ". . . GT:AD:DP .:.,4:.",
        ". . . GT:DP 0/1",
        ". . . XX 1",
    )
    assert found.table.select("gt", "dp", "gq", "ad").rows() == [
        ("0/1", 7, 50.5, [3, 4]),
        ("1|1", 8, None, None),
        (None, None, None, [None, 4]),
        ("0/1", None, None, None),
        (None, None, None, None),
    ]
    assert found.untyped == {}


def test_what_is_not_of_its_type_is_null_and_told(tmp_path: Path) -> None:
    found = typed(
        tmp_path,
        ". . . DP:GQ:AD 7:1:1,2",
        ". . . DP:GQ:AD many:x:1,b",
        ". . . DP:GQ:AD 99999999999:2:3",
    )
    assert found.table["dp"].to_list() == [7, None, None]
    assert found.table["ad"].to_list() == [[1, 2], [1, None], [3]]
    assert found.untyped == {
        "DP": Untyped(2, 4, "many"),
        "GQ": Untyped(1, 4, "x"),
        "AD": Untyped(1, 4, "1,b"),
    }
    text = found.untyped["DP"].describe("DP")
    assert text.startswith("DP is not a whole number of 32 bits in 2 records")
    assert "line 4, 'many'" in text


def test_later_parts_add_to_the_first() -> None:
    found = {"DP": Untyped(1, 4, "a")}
    add_untyped(found, {"DP": Untyped(2, 9, "b"), "GQ": Untyped(3, 8, "c")})
    assert found == {"DP": Untyped(3, 4, "a"), "GQ": Untyped(3, 8, "c")}


def test_several_samples_have_no_columns_of_calls(tmp_path: Path) -> None:
    found = typed(tmp_path, ". . . GT 0/1 1/1", samples=2)
    assert found.table.columns == ["row", "id", "qual", "filter"]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("\udcff . .", "ID"),
        (". . \udcff", "FILTER"),
        (". . . GT\udcff 0/1", "FORMAT"),
        (". . . GT \udcff", "GT"),
        (". . . DP:GT 1:\udcff", "GT"),
    ],
)
def test_text_that_is_none_is_refused_with_its_line(line: str, word: str, tmp_path: Path) -> None:
    samples = int("GT" in line)
    first = ". . . GT 0/1" if samples else ". . ."
    with pytest.raises(InputError, match=f"line 4: {word} is not UTF-8"):
        typed(tmp_path, first, line, samples=samples)


def test_other_values_may_be_any_bytes(tmp_path: Path) -> None:
    assert typed(tmp_path, ". . . GT:XX 0/1:\udcff").table["gt"].to_list() == ["0/1"]
