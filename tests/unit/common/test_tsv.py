"""Tab-separated text: read back by polars, and nothing in it is a formula."""

from __future__ import annotations

import csv

import polars as pl
import pytest

from ensembl_annotations.common.tsv import tsv_header, tsv_rows


def test_values_can_be_read_back() -> None:
    frame = pl.DataFrame(
        {
            "number": [1, None, -3],
            "share": [0.1, 1e-05, None],
            "flag": [True, None, False],
            "text": ["a", None, 'b "c"'],
            "list": [["x", "y"], [], None],
            "some": [[1, None], None, []],
            "comma": [["a,b", "c"], [None], ["%"]],
        }
    )
    text = (tsv_header(frame.columns) + tsv_rows(frame)).encode()
    found = pl.read_csv(text, separator="\t", quote_char=None, null_values="-")
    assert found.select("number", "share", "flag", "text").equals(frame[["number", "share", "flag", "text"]])  # fmt: skip
    lists = [line.split("\t")[4:] for line in text.decode().splitlines()]
    assert lists == [
        ["list", "some", "comma"],
        ["x,y", "1,-", "a%2Cb,c"],
        ["", "-", "-"],
        ["-", "", "%"],
    ]


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+1",
        "-cmd",
        "@x",
        " =1",
        "\t=1",
        "\r=1",
        "\n=1",
        "=",
        "a\t=1",
        "a\n=1",
        '"=1"',
        '"',
        "\uff1d1",
        "\uff20x",
    ],
)
def test_no_field_is_a_formula(value: str) -> None:
    for column in ([value], [[value, "x"]]):
        line = tsv_rows(pl.DataFrame({"value": column, "next": ["end"]}))
        first, last = line.rstrip("\n").split("\t")
        assert last == "end" and "\n" not in first and "\r" not in first
        assert first.lstrip()[0] not in "=+-@\uff1d\uff0b\uff0d\uff20"
        # What reads quotation marks, as a spreadsheet and pandas do, finds the same fields.
        assert next(csv.reader([line], delimiter="\t")) == [first, "end"]


def test_numbers_below_zero_stay_numbers() -> None:
    assert tsv_rows(pl.DataFrame({"a": [-1], "b": [-0.5]})) == "-1\t-0.5\n"
