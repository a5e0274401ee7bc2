"""What Ensembl published, a row per ALT, from the store's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.alleles import one_minus
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes
from ensembl_annotations.variants.schema import ALLELES_SCHEMA, MAF_OF_ALT, MAF_OF_REF, PUBLISHED

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def allele_frequency() -> pl.Expr:
    """Return ``af``, the frequency of the ALT where it is known, from ``maf`` and ``maf_of``."""
    rest = pl.when(pl.col("maf_of") == MAF_OF_REF).then("maf")
    complement = rest.map_batches(_complements, return_dtype=pl.String, is_elementwise=True)
    own = pl.when(pl.col("maf_of") == MAF_OF_ALT).then("maf")
    return own.otherwise(complement).alias("af")


def _complements(frequencies: pl.Series) -> pl.Series:
    known = frequencies.drop_nulls().unique()
    return frequencies.replace_strict(
        known, [one_minus(text) for text in known], default=None, return_dtype=pl.String
    )


def as_published(alleles: Frame) -> Frame:
    """Return the columns `PUBLISHED` of rows of a store's file; ``start`` and ``pos`` are Int64.

    Parameters
    ----------
    alleles : DataFrame or LazyFrame
        The columns `ALLELES`.
    """
    places = pl.col("start", "pos").cast(pl.Int64)
    return alleles.with_columns(places, allele_frequency()).select(PUBLISHED)


def no_published() -> pl.DataFrame:
    """Return an empty frame with the columns `PUBLISHED`."""
    alleles = pl.from_arrow(ALLELES_SCHEMA.empty_table())
    assert isinstance(alleles, pl.DataFrame)
    return as_published(alleles)


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
        alleles = store.resource(name)
        assert alleles is not None
        published = as_published(pl.scan_parquet(alleles.path, glob=False))
        parts.append(published.select(pl.lit(name).alias("chrom"), pl.all()))
    return pl.concat(parts)
