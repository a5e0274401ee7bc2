"""The match class `shifted`: one insertion or deletion, written at two places of its repeat."""

from __future__ import annotations

import numpy as np
import polars as pl

from ensembl_annotations.common.text import Offsets
from ensembl_annotations.variants.alleles import with_allele_keys

# The number of a class of indels, then a start: sorts by the one, then by the other.
_CLASS_FACTOR = 2**33


def indels_of(queries: pl.DataFrame) -> pl.DataFrame:
    """Return the queries that are a pure insertion or deletion, with their ``change`` of length.

    Parameters
    ----------
    queries : DataFrame
        ``deleted``, ``inserted`` and any other columns.
    """
    deleted, inserted = (pl.col(name).str.len_bytes() for name in ("deleted", "inserted"))
    return queries.filter((deleted == 0) != (inserted == 0)).with_columns(
        change=inserted.cast(pl.Int64) - deleted.cast(pl.Int64)
    )


def find_shifted(indels: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of indels of which one is the other, slid by at least one base.

    Parameters
    ----------
    indels : DataFrame
        From `indels_of`, with the key's ``start``.
    rows : DataFrame
        The columns `PUBLISHED`, ``roll_left`` and ``roll_right`` among them.

    Returns
    -------
    DataFrame
        ``indel`` and ``row``, the row numbers in the two tables, ``start``, ``end`` of the
        published key.

    Notes
    -----
    An indel slid by `j` bases has its sequence rotated left by `j`: the base that is due at a
    position, counted modulo the length, stays. So indels are sorted into classes by their
    sequence as read from a multiple of the length on, and within a class every published one
    takes the queries within its reach. The work grows with the pairs found, not with the indels
    that lie near each other.
    """
    sliding = (pl.col("roll_left") > 0) | (pl.col("roll_right") > 0)
    published = (
        rows.select("pos", "ref", "alt", "roll_left", "roll_right").with_row_index("row")
    ).filter(sliding)
    published = with_allele_keys(published)
    key = _sort_keys(pl.concat([_alleles(indels), _alleles(published)]))
    asked, given = key[: len(indels)], key[len(indels) :]
    order = np.argsort(asked, kind="stable")
    ascending = asked[order]
    first = np.searchsorted(ascending, given - published["roll_left"].to_numpy(), "left")
    last = np.searchsorted(ascending, given + published["roll_right"].to_numpy(), "right")
    pairs = _expanded(first, last)
    indel = order[pairs[:, 1]]
    moved = asked[indel] != given[pairs[:, 0]]
    length = pl.max_horizontal(pl.col("deleted").str.len_bytes(), 1)
    found: pl.DataFrame = published[pairs[moved, 0]].select(
        "row", "start", end=pl.col("start") + length, indel=pl.Series(indel[moved], dtype=pl.Int64)
    )
    return found


def _alleles(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("start", "deleted", "inserted")


def _sort_keys(indels: pl.DataFrame) -> Offsets:
    """Return the number of each indel's class and its start, as one number."""
    unit = pl.col("deleted") + pl.col("inserted")
    turn = (-pl.col("start")) % unit.str.len_bytes().cast(pl.Int64)
    kind = pl.when(pl.col("deleted") == "").then(pl.lit("+")).otherwise(pl.lit("-"))
    anchored = kind + unit.str.slice(turn) + unit.str.slice(0, turn)
    number = anchored.rank("dense").cast(pl.Int64)
    keys: Offsets = indels.select(number * _CLASS_FACTOR + pl.col("start")).to_series().to_numpy()
    return keys


def _expanded(first: Offsets, last: Offsets) -> Offsets:
    """Return (number of the range, place) for every place of the ranges."""
    length = last - first
    owner = np.repeat(np.arange(len(length)), length)
    place = np.arange(len(owner)) + (first - (np.cumsum(length) - length))[owner]
    return np.stack([owner, place], axis=1)
