"""What Ensembl published, in the words and types of the annotated table, from a store's files."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
import pyarrow as pa

from ensembl_annotations.variants.alleles import one_minus
from ensembl_annotations.variants.schema import MAF_OF_ALT, MAF_OF_REF, READ


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


def terms(name: str, separator: str = "|") -> pl.Expr:
    """Return a column of joined texts as lists: null is an empty one, as nothing is published."""
    return pl.col(name).str.split(separator).fill_null(_NONE)


_NONE = pl.lit([], pl.List(pl.String))

_COLUMNS: dict[str, pl.Expr] = {
    "pos": pl.col("pos").cast(pl.Int64),
    "id": pl.when(pl.col("rs") > 0).then(pl.format("rs{}", "rs")).otherwise("name"),
    "multi": pl.col("num_alts") > 1,
    "maf": pl.col("maf").cast(pl.Float64),
    "af": allele_frequency().cast(pl.Float64),
    "clin": pl.when("clin_certain").then(terms("clin")).otherwise(_NONE),
    "rsclin": terms("clin"),
    "evidence": terms("evidence"),
    "source": terms("source"),
    "other": terms("other", ";"),
    "start": pl.col("start").cast(pl.Int64),
}


def read_columns(names: Collection[str] | None = None) -> list[pl.Expr]:
    """Return the columns `READ`, all or some, of those of a store's file."""
    return [
        _COLUMNS.get(column.name, pl.col(column.name)).alias(column.name)
        for column in READ
        if names is None or column.name in names
    ]


def read_schema() -> pl.Schema:
    """Return the columns `READ` with their types."""
    # Not by an empty table: to make one, pyarrow imports pandas.
    return pl.Schema(pa.schema([column.field for column in READ]))
