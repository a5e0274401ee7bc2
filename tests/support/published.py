"""What a store's files have, as it is kept: for oracles, which read none of it as the program does."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import polars as pl

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.published import allele_frequency
from ensembl_annotations.variants.schema import ALLELES_SCHEMA

PUBLISHED = (
    "start", "code", "pos", "ref", "alt", "rs", "name", "alt_index", "num_alts", "tsa", "evidence", "clin",
    "clin_certain", "source", "ma", "maf", "mac", "aa", "af", "roll_left", "roll_right", "other",
)  # fmt: skip
"""Columns of a store as it is read: `af` is the frequency of the ALT, where it is known."""

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def as_published(alleles: Frame) -> Frame:
    """Return the columns `PUBLISHED` of rows of a store's file; ``start`` and ``pos`` are Int64."""
    places = pl.col("start", "pos").cast(pl.Int64)
    return alleles.with_columns(places, allele_frequency()).select(PUBLISHED)


def no_published() -> pl.DataFrame:
    """Return an empty frame with the columns `PUBLISHED`."""
    alleles = pl.from_arrow(ALLELES_SCHEMA.empty_table())
    assert isinstance(alleles, pl.DataFrame)
    return as_published(alleles)


def published(folder: Path) -> pl.DataFrame:
    """Return all rows of a store: ``chrom``, then the columns `PUBLISHED`."""
    parts = []
    for item in ReferenceStore(folder).resources:
        if item.role == "alleles":
            rows = as_published(pl.read_parquet(item.path, glob=False, use_statistics=False))
            parts.append(rows.select(pl.lit(item.chromosome).alias("chrom"), pl.all()))
    return pl.concat(parts)
