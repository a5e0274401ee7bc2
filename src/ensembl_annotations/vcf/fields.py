"""The columns of records as typed values, and what can't be typed.

They are read whatever is written: a file is accepted or refused, and counted, the same with and
without a table. A *call* is what a sample's column holds in one record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.common.text import take_text
from ensembl_annotations.variants.schema import GENOTYPE
from ensembl_annotations.vcf.read import (
    FILTER,
    FORMAT,
    ID,
    QUAL,
    SAMPLE,
    Batch,
    is_utf8,
)

_TYPES = {
    "DP": "a whole number of 32 bits",
    "GQ": "a number",
    "AD": "a list of whole numbers of 32 bits",
}
"""What a value has to be, by FORMAT key."""


@dataclass(frozen=True)
class Untyped:
    """Calls whose value of a FORMAT key is not of its column's type: how many, and the first.

    Attributes
    ----------
    num_calls : int
    line : int
        1-based number of the first one's line.
    value : str
        The first one's value.
    """

    num_calls: int
    line: int
    value: str

    def describe(self, key: str) -> str:
        """Return a line for the user."""
        return (
            f"{key} is not {_TYPES[key]} in {self.num_calls:,} records, and null in a table; the "
            f"first: line {self.line}, {self.value[:40]!r}."
        )


@dataclass(frozen=True)
class Records:
    """The typed columns of a batch.

    Attributes
    ----------
    table : DataFrame
        ``row`` (UInt32), ``id`` (String), ``qual`` (Float64), ``filter`` (String), each null for
        ``.``; of a VCF with one sample ``gt`` (String), ``dp`` (Int32), ``gq`` (Float64), ``ad``
        (List of Int32), null where FORMAT lacks them, where they are ``.``, and in `untyped`.
    untyped : mapping of str to Untyped
        By FORMAT key.
    """

    table: pl.DataFrame
    untyped: Mapping[str, Untyped]


def add_untyped(found: dict[str, Untyped], later: Mapping[str, Untyped]) -> None:
    """Add what a later part of the file has."""
    for key, item in later.items():
        first = found.get(key, replace(item, num_calls=0))
        found[key] = replace(first, num_calls=first.num_calls + item.num_calls)


def check_text(batch: Batch, num_samples: int) -> None:
    """Refuse records where what a table has as text is not UTF-8: ID, QUAL, FILTER, FORMAT, GT.

    Raises
    ------
    InputError
        Naming the first line. INFO and other values of samples may be any bytes.
    """
    data = batch.lines.data
    if data.isascii():
        return
    for column in (ID, QUAL, FILTER, *([FORMAT] if num_samples else [])):
        batch.text(column)
    if not num_samples:
        return
    bounds = zip(batch.lines.begin.tolist(), batch.lines.end.tolist(), strict=True)
    for row, (begin, end) in enumerate(bounds):
        line = data[begin:end]
        if not is_utf8(line) and (bad := _bad_genotype(line)) is not None:
            raise InputError(
                f"{batch.path}: line {batch.first_line + row}: GT is not UTF-8: {bad[:40]!r}.",
                hint="Correct the file's encoding.",
            )


def _bad_genotype(line: bytes) -> bytes | None:
    fields = line.split(b"\t")
    keys = fields[FORMAT].split(b":")
    if b"GT" not in keys:
        return None
    place = keys.index(b"GT")
    genotypes = (call.split(b":")[place : place + 1] for call in fields[SAMPLE:])
    return next((item for found in genotypes for item in found if not is_utf8(item)), None)


def typed_records(batch: Batch, num_samples: int) -> Records:
    """Return the typed columns of a batch that `check_text` has passed.

    Raises
    ------
    InputError
        Where QUAL is no number, naming the first line.
    """
    table = _record_columns(batch)
    if num_samples != 1:
        return Records(table, {})
    calls, untyped = _call_columns(batch)
    return Records(table.hstack(calls), untyped)


def _record_columns(batch: Batch) -> pl.DataFrame:
    texts = pl.DataFrame(
        {"id": batch.text(ID), "qual_text": batch.text(QUAL), "filter": batch.text(FILTER)}
    ).with_row_index("row")
    number = pl.col("qual_text").cast(pl.Float64, strict=False)
    bad = texts.filter(number.is_null() & (pl.col("qual_text") != "."))
    if len(bad):
        row, found = bad["row"][0], bad["qual_text"][0]
        raise InputError(
            f"{batch.path}: line {batch.first_line + row}: QUAL: expected a number or '.', found {found[:40]!r}.",
            hint="Correct the line.",
        )
    return texts.select(
        "row",
        pl.when(pl.col("id") != ".").then("id"),
        qual=number,
        filter=pl.when(pl.col("filter") != ".").then("filter"),
    )


def _call_columns(batch: Batch) -> tuple[pl.DataFrame, dict[str, Untyped]]:
    formats, values = batch.text(FORMAT), _calls(batch).str.split(":")
    places: dict[str, list[str]] = {text: text.split(":") for text in formats.unique()}
    frame = pl.DataFrame({"format": formats, "values": values})

    def field(key: str) -> pl.Expr:
        table = {text: keys.index(key) for text, keys in places.items() if key in keys}
        if not table:
            return pl.lit(None, pl.String)
        place = pl.col("format").replace_strict(table, default=None, return_dtype=pl.Int64)
        text = pl.col("values").list.get(place, null_on_oob=True)
        return pl.when(text != ".").then(text)

    keys = {"gt": field("GT"), "dp": field("DP"), "gq": field("GQ"), "ad": field("AD")}
    texts = frame.with_columns(**keys).select(*keys)
    depths = pl.col("ad").str.split(",")
    depth, written = pl.element().cast(pl.Int32, strict=False), pl.element() != "."
    columns = texts.select(
        gt="gt",
        dp=pl.col("dp").cast(pl.Int32, strict=False),
        gq=pl.col("gq").cast(pl.Float64, strict=False),
        ad=depths.list.eval(depth),
    )
    assert columns.columns == [column.name for column in GENOTYPE]
    bad = {name: texts[name].is_not_null() & columns[name].is_null() for name in ("dp", "gq")}
    if columns["ad"].drop_nulls().explode(empty_as_null=False).null_count():
        bad["ad"] = texts.select(depths.list.eval(depth.is_null() & written).list.any())["ad"]
    untyped = {}
    for name, marks in bad.items():
        rows = marks.fill_null(False).arg_true()
        if len(rows):
            line = batch.first_line + rows[0]
            untyped[name.upper()] = Untyped(len(rows), line, texts[name][rows[0]])
    return columns, untyped


def _calls(batch: Batch) -> pl.Series:
    """Return the column of the one sample; bytes that are no text are marked as such."""
    begin, end = batch.lines.bounds(SAMPLE)
    end = batch.without_return(end)
    try:
        return take_text(batch.lines.data, begin, end)
    except UnicodeDecodeError:
        bounds = zip(begin.tolist(), end.tolist(), strict=True)
        calls = [batch.lines.data[low:high].decode("utf-8", "replace") for low, high in bounds]
        return pl.Series(calls, dtype=pl.String)
