"""Published rows and bases for the oracle: whole files, read by polars and numpy."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ensembl_annotations.store.describe import (
    ReferenceStore,
    Resource,
)
from ensembl_annotations.store.sequence import load_sequence
from ensembl_annotations.variants.alleles import joined_texts
from ensembl_annotations.variants.roll import Bases, compare_refs
from tests.support.published import as_published, no_published

Integers = npt.NDArray[np.integer[Any]]

# A key of an indel's change of length, then its start: sorts by the one, then by the other.
_LENGTH_FACTOR = 2**33


@dataclass(frozen=True)
class Wanted:
    """Which published rows to read; all arrays ascend.

    Attributes
    ----------
    starts : int array
        0-based: rows whose key starts there.
    indel_starts : int array
        0-based: rows of indels that can slide there, of a change of length as in `indels`.
    indels : int64 array
        The indels' change of length and start, as one number.
    positions : int array
        1-based: rows published at this POS.
    """

    starts: Integers
    indel_starts: Integers
    indels: Integers
    positions: Integers

    @classmethod
    def of(
        cls,
        starts: pl.Series,
        indels: pl.DataFrame | None = None,
        positions: pl.Series | None = None,
    ) -> Wanted:
        """Sort what is wanted: `indels` has the columns ``start`` and ``change`` (of length)."""
        nothing = np.zeros(0, np.int64)
        at = change = nothing
        if indels is not None:
            at, change = indels["start"].to_numpy(), indels["change"].to_numpy().astype(np.int64)
        return cls(
            starts=starts.unique().sort().cast(pl.Int32).to_numpy(),
            indel_starts=np.unique(at),
            indels=np.unique(change * _LENGTH_FACTOR + at),
            positions=nothing if positions is None else positions.unique().sort().to_numpy(),
        )


class _Table:
    """The alleles of a chromosome, read whole."""

    def __init__(self, resource: Resource) -> None:
        self._rows = pl.read_parquet(resource.path, glob=False, use_statistics=False)

    def rows(self, wanted: Wanted) -> list[pl.DataFrame]:
        """Return the rows that are wanted."""
        rows = self._rows
        change = pl.col("alt").str.len_bytes().cast(pl.Int64) - pl.col("ref").str.len_bytes()
        keys = rows.select(
            "start",
            "pos",
            first=change * _LENGTH_FACTOR + pl.col("start") - pl.col("roll_left").fill_null(0),
            last=change * _LENGTH_FACTOR + pl.col("start") + pl.col("roll_right").fill_null(0),
            slides=(pl.col("roll_left") > 0) | (pl.col("roll_right") > 0),
        )
        chosen = _any_within(wanted.starts, keys["start"].to_numpy(), keys["start"].to_numpy())
        chosen |= _any_within(wanted.positions, keys["pos"].to_numpy(), keys["pos"].to_numpy())
        near = _any_within(wanted.indels, keys["first"].to_numpy(), keys["last"].to_numpy())
        return [rows.filter(pl.Series(chosen) | pl.Series(near) & keys["slides"].fill_null(False))]


def _any_within(ascending: Integers, low: Integers, high: Integers) -> npt.NDArray[np.bool_]:
    """Tell for each interval, bounds included, whether any value lies in it."""
    first, last = np.searchsorted(ascending, low, "left"), np.searchsorted(ascending, high, "right")
    found: npt.NDArray[np.bool_] = first < last
    return found


class Reference:
    """Look-ups in a reference store.

    Parameters
    ----------
    store : ReferenceStore
        Checked.
    """

    def __init__(self, store: ReferenceStore) -> None:
        self.store = store
        self._tables: dict[str, _Table | None] = {}
        self._sequences: dict[str, Bases | None] = {}
        self._lock = threading.Lock()

    def has(self, chromosome: str) -> bool:
        """Tell whether the store describes a file of this chromosome."""
        return self.store.resource(chromosome) is not None

    def rows(self, chromosome: str, wanted: Wanted) -> pl.DataFrame:
        """Return the published rows that are wanted, each once.

        Parameters
        ----------
        chromosome : str
            Ensembl's name.
        wanted : Wanted

        Returns
        -------
        DataFrame
            The columns `PUBLISHED`, in the store's order.
        """
        with self._lock:
            if chromosome not in self._tables:
                resource = self.store.resource(chromosome)
                self._tables[chromosome] = _Table(resource) if resource else None
            table = self._tables[chromosome]
        parts = [] if table is None else table.rows(wanted)
        return as_published(pl.concat(parts)) if parts else no_published()

    def _sequence(self, chromosome: str) -> Bases | None:
        with self._lock:
            if chromosome not in self._sequences:
                resource = self.store.resource(chromosome, "sequence")
                self._sequences[chromosome] = load_sequence(resource.path) if resource else None
            return self._sequences[chromosome]

    def has_sequence(self, chromosome: str) -> bool:
        return self._sequence(chromosome) is not None

    def bases(self, chromosome: str, starts: pl.Series) -> pl.Series:
        """Return the sequence's base at each 0-based start (Int64), as String.

        Notes
        -----
        Null where it is not A, C, G or T, and everywhere if the store has no sequence.
        """
        sequence = self._sequence(chromosome)
        if sequence is None:
            return pl.Series([None] * len(starts), dtype=pl.String)
        begin = starts.to_numpy()
        inside = (begin >= 0) & (begin < len(sequence))
        codes = np.zeros(len(begin), np.uint8)
        codes[inside] = sequence[begin[inside]]
        return pl.Series(codes).replace_strict(_BASES, default=None, return_dtype=pl.String)

    def agrees(self, chromosome: str, starts: pl.Series, refs: pl.Series) -> pl.Series:
        """Tell which REFs agree with the sequence.

        Parameters
        ----------
        chromosome : str
            One that has a sequence.
        starts, refs : Series
            0-based begin (Int64) and upper-case bases (String) of each REF.

        Returns
        -------
        Series
            Boolean. Bases that are not A, C, G or T on either side are not compared; a REF
            that leaves the sequence does not agree.
        """
        sequence = self._sequence(chromosome)
        assert sequence is not None
        text, (spans,) = joined_texts([refs])
        fits, _ = compare_refs(sequence, starts.to_numpy(), text, spans)
        return pl.Series(fits | (spans.length == 0))


_BASES = {ord(base): base for base in "ACGT"}


def same_bases(one: str, other: str) -> bool:
    """Tell whether two sequences agree wherever both have A, C, G or T."""
    return one == other or all(
        a == b or a not in "ACGT" or b not in "ACGT" for a, b in zip(one, other, strict=True)
    )
