"""Alleles and their details put together again: what Ensembl published, a row per ALT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes
from ensembl_annotations.variants.schema import ALLELES_SCHEMA, DETAILS_SCHEMA, PUBLISHED

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

_BASES = ["A", "C", "G", "T"]


def _base(number: pl.Expr) -> pl.Expr:
    return number.replace_strict(range(4), _BASES, default=None, return_dtype=pl.String)


def as_published(joined: Frame) -> Frame:
    """Fill in POS, REF and ALT of alleles that were joined with their details.

    Parameters
    ----------
    joined : DataFrame or LazyFrame
        The columns of the alleles file (`detail` is not needed) and of the details file.

    Returns
    -------
    DataFrame or LazyFrame
        The columns `PUBLISHED`; ``start`` and ``pos`` Int64.
    """
    code = pl.when(pl.col("code") < 16).then("code")
    return joined.with_columns(
        pl.col("start").cast(pl.Int64),
        pos=pl.col("start").cast(pl.Int64) + 1 - pl.col("offset"),
        ref=pl.col("ref").fill_null(_base(code // 4)),
        alt=pl.col("alt").fill_null(_base(code % 4)),
    ).select(PUBLISHED)


def no_published() -> pl.DataFrame:
    """Return an empty frame with the columns `PUBLISHED`."""
    alleles = pl.from_arrow(ALLELES_SCHEMA.empty_table())
    details = pl.from_arrow(DETAILS_SCHEMA.empty_table())
    assert isinstance(alleles, pl.DataFrame) and isinstance(details, pl.DataFrame)
    return as_published(pl.concat([alleles, details], how="horizontal"))


def scan_reference(
    folder: Path | str, chromosomes: Sequence[str] | str | None = None
) -> pl.LazyFrame:
    """Read a reference store as one table, lazily.

    Parameters
    ----------
    folder : Path or str
        The store.
    chromosomes : sequence of str, or str, optional
        Names, as a list or as a text such as ``21,22``, ``chr22`` and accessions too; default all.

    Returns
    -------
    LazyFrame
        ``chrom`` (String), then the columns `PUBLISHED`: one row per ALT of each published
        record, sorted by allele key within a chromosome.

    Raises
    ------
    ReferenceStoreError
        Where the store, or a file that is asked for, is missing, or its size, footer or label is
        not as described. Data are not hashed here: `verify` does that.
    UsageError
        Where it has no such chromosome.

    Examples
    --------
    >>> import polars as pl
    >>> alleles = scan_reference("data/ensembl_annotations", "21,22")
    >>> alleles.select(pl.col("chrom").unique(maintain_order=True)).collect()["chrom"].to_list()
    ['21', '22']
    """
    store = ReferenceStore(folder)
    names = store.chromosomes
    if (wanted := listed_chromosomes(chromosomes)) is not None:
        names = resolve_chromosomes(wanted, names, store.species, store.assembly)
    store.check(names)
    parts = [no_published().lazy().select(pl.lit(None, pl.String).alias("chrom"), pl.all())]
    for name in names:
        alleles, details = store.resource(name), store.resource(name, "details")
        assert alleles is not None and details is not None
        rows = pl.scan_parquet(details.path, glob=False, row_index_name="detail").with_columns(
            pl.col("detail").cast(pl.Int32)
        )
        joined = pl.scan_parquet(alleles.path, glob=False).join(
            rows, on="detail", how="left", maintain_order="left"
        )
        parts.append(as_published(joined).select(pl.lit(name).alias("chrom"), pl.all()))
    return pl.concat(parts)
