"""Columns of the table that are made beside the others: the allele key as text, and what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ensembl_annotations.variants.alleles import NOT_COMPARABLE, with_allele_keys
from ensembl_annotations.variants.outcomes import TABLE_COLUMNS
from ensembl_annotations.vcf.batch import Batch
from ensembl_annotations.vcf.read import INFO

KEY = "ens_key"
_ADDED = (KEY, *TABLE_COLUMNS)


def without_added(schema: pa.Schema) -> pa.Schema:
    """Return a table's schema without these columns."""
    return pa.schema([field for field in schema if field.name not in _ADDED])


def with_added(
    table: pa.Table,
    schema: pa.Schema,
    batch: Batch,
    samples: Sequence[str],
    name_of: Callable[[str], str],
) -> pa.Table:
    """Add those of a table's schema that `without_added` left out.

    Parameters
    ----------
    table : Table
        The other columns of a batch.
    schema : Schema
    batch : Batch
    samples : sequence of str
        The names of the VCF's samples.
    name_of : callable
        Returns what Ensembl calls a CHROM.
    """
    columns = {name: table.column(name) for name in table.column_names}
    rows = columns["record"].to_numpy().astype(np.int64) - batch.first_record
    if KEY in schema.names:
        columns[KEY] = _arrow(allele_keys(_frame(table), name_of))
    if "info" in schema.names:
        info = batch.text(INFO)
        columns["info"] = _arrow(info.set(info == ".", None)[rows])
    if "calls" in schema.names:
        # Few ask for them.
        from ensembl_annotations.vcf.calls import call_lists

        alt_index = columns["alt_index"].to_numpy().astype(np.int64)
        columns["calls"] = call_lists(batch, samples, rows, alt_index)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _frame(table: pa.Table) -> pl.DataFrame:
    rows = pl.from_arrow(table.select(["chrom", "pos", "ref", "alt", "ens_reason"]))
    assert isinstance(rows, pl.DataFrame)
    return rows


def _arrow(series: pl.Series) -> pa.Array:
    return series.to_arrow().cast(pa.string())


def allele_keys(rows: pl.DataFrame, name_of: Callable[[str], str]) -> pl.Series:
    """Return ``ens_key`` of each row: its allele key as text, ``1-11796321-G-A``.

    Parameters
    ----------
    rows : DataFrame
        ``chrom``, ``pos``, ``ref``, ``alt``, ``ens_reason``.
    name_of : callable
        Returns what Ensembl calls a CHROM.

    Notes
    -----
    POS is that of the first base that differs. Of an insertion the deleted bases are empty, of a deletion
    the inserted ones: with a base beside them, one allele would have several texts. It is null for an ALT that
    is no sequence, and on a contig that is another sequence than Ensembl's of that name.
    """
    names = rows["chrom"].unique()
    contig = pl.col("chrom").replace_strict(names, [name_of(name) for name in names])
    bases = "^[ACGTacgt]$"
    single = pl.col("ref").str.contains(bases) & pl.col("alt").str.contains(bases)
    upper = pl.col("ref").str.to_uppercase(), pl.col("alt").str.to_uppercase()
    is_snv = rows.select((single & (upper[0] != upper[1])).fill_null(False)).to_series()
    keys = rows.select(pl.concat_str(contig, "pos", *upper, separator="-")).to_series()
    others = rows.filter(~is_snv).with_columns(pl.col("alt").fill_null("."))
    keyed = with_allele_keys(others).select(
        pl.when(pl.col("code") != NOT_COMPARABLE).then(
            pl.concat_str(contig, pl.col("start") + 1, "deleted", "inserted", separator="-")
        )
    )
    keys = keys.scatter((~is_snv).arg_true(), keyed.to_series())
    refused = (rows["ens_reason"] == "contig_refused").fill_null(False)
    return keys.set(refused, None).alias(KEY)
