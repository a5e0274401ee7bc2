"""The columns of records as typed values, as the annotated table has them."""

from __future__ import annotations

import re

import polars as pl

from ensembl_annotations.common.text import take_text
from ensembl_annotations.variants.schema import GENOTYPE
from tests.support.oracle.batch import FILTER, FORMAT, ID, QUAL, SAMPLE, Batch


def typed_records(batch: Batch, num_samples: int) -> pl.DataFrame:
    """Return the typed columns of a batch.

    Returns
    -------
    DataFrame
        ``row`` (UInt32), ``id`` (String), ``qual`` (Float64), ``filter`` (String), each null for
        ``.``; of a VCF with one sample ``gt`` (String), ``dp`` (Int32), ``gq`` (Float64), ``ad``
        (List of Int32), null where FORMAT lacks them, where they are ``.``, and where they are not of
        that type.
    """
    texts = {"id": batch.text(ID), "qual": batch.text(QUAL), "filter": batch.text(FILTER)}
    table = (
        pl.DataFrame(texts)
        .with_row_index("row")
        .select(
            pl.col("row").cast(pl.UInt32),
            pl.when(pl.col("id") != ".").then("id"),
            pl.col("qual").cast(pl.Float64, strict=False),
            pl.when(pl.col("filter") != ".").then("filter"),
        )
    )
    return table.hstack(_call_columns(batch)) if num_samples == 1 else table


def _call_columns(batch: Batch) -> pl.DataFrame:
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
    columns = (
        frame.with_columns(**keys)
        .select(*keys)
        .select(
            gt="gt",
            dp=pl.col("dp").cast(pl.Int32, strict=False),
            gq=pl.col("gq").cast(pl.Float64, strict=False),
            ad=pl.col("ad").str.split(",").list.eval(pl.element().cast(pl.Int32, strict=False)),
        )
    )
    assert columns.columns == [column.name for column in GENOTYPE][: len(columns.columns)]
    return columns


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


def carried_copies(genotype: str | None, allele: int) -> tuple[int | None, str | None]:
    """Return how often a GT has an allele, and its zygosity, as docs/output.md has them.

    Notes
    -----
    Source: the VCF specification 4.5: alleles are numbers or ``.``, each but the first behind its mark of
    phasing (``/`` or ``|``); that of the first may stand before it.
    """
    if genotype is None:
        return None, None
    marked = genotype if genotype[:1] in ("/", "|") else f"/{genotype}"
    called = [text for _, text in re.findall(r"([/|])([^/|]*)", marked)]
    numbers = [int(text) if text.isdecimal() else None for text in called]
    copies = sum(number == allele for number in numbers)
    if None in numbers:
        return (copies if copies else None), None
    zygosity = "het" if 0 < copies < len(numbers) else "absent" if not copies else "hom"
    return copies, "hemi" if numbers == [allele] else zygosity
