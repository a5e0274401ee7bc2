"""Read from the reference store only the row groups that a query touches."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.text import arrow_int64
from ensembl_annotations.store.describe import (
    RESTORE_HINT,
    ReferenceStore,
    Resource,
    footer_sha256_of,
)
from ensembl_annotations.store.published import as_published, no_published
from ensembl_annotations.variants.schema import DETAILS_SCHEMA, ROLES

Integers = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]

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
    """One parquet file of the store, read by row group."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        # Opened once: a store that is replaced meanwhile must not be mixed with the new one.
        self._handle = pa.OSFile(str(resource.path), "rb")
        if footer_sha256_of(self._handle) != resource.footer_sha256:
            raise ReferenceStoreError(
                f"{resource.path}: was replaced while the store was in use.",
                hint="Run the command again; nothing was written.",
            )
        self._metadata = pq.read_metadata(self._handle)
        if mislabelled := resource.identity.problem(self._metadata.metadata):
            raise ReferenceStoreError(f"{resource.path}: {mislabelled}.", hint=RESTORE_HINT)
        # A reader of one's own for each thread: pyarrow's must not be shared.
        self._local = threading.local()
        self.rows = np.array(
            [
                self._metadata.row_group(index).num_rows
                for index in range(self._metadata.num_row_groups)
            ],
            np.int64,
        )

    @property
    def _file(self) -> pq.ParquetFile:
        file = getattr(self._local, "file", None)
        if file is None:
            # Texts stay dictionary-encoded until the few rows that are needed are picked.
            columns = ROLES[self._resource.role]
            file = self._local.file = pq.ParquetFile(
                self._handle,
                metadata=self._metadata,
                page_checksum_verification=True,
                read_dictionary=[column.name for column in columns if column.dictionary],
            )
        return file

    def bounds(self, name: str) -> tuple[Integers, Integers]:
        """Return the smallest and largest value of a column in each row group; -1 for none."""
        metadata = self._metadata
        column = metadata.schema.names.index(name)
        statistics = [
            metadata.row_group(index).column(column).statistics for index in range(len(self.rows))
        ]
        known = [item if item is not None and item.has_min_max else None for item in statistics]
        return (
            np.array([-1 if item is None else item.min for item in known], np.int64),
            np.array([-1 if item is None else item.max for item in known], np.int64),
        )

    def read(self, group: int, columns: list[str] | None = None) -> pa.Table:
        """Return a row group, its texts dictionary-encoded."""
        with self.explained():
            # Pieces are worked on in parallel; threads for the columns of one cost more than they give.
            table = self._file.read_row_group(group, columns, use_threads=False)
            if len(table) != self.rows[group]:
                raise ValueError("rows are missing")
            return table

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what reading an altered file can raise into an error of ours."""
        try:
            yield
        except (OSError, pa.ArrowException, ValueError, TypeError, IndexError) as error:
            raise ReferenceStoreError(
                f"{self._resource.path}: can't be read ({error}).",
                hint="The reference is altered: run 'ensembl-annotations verify' on its folder, "
                "then 'ensembl-annotations repair' or 'dvc repro fetch_ensembl'.",
            ) from error


class _Groups:
    """The row groups of a file that is sorted by ``start``."""

    def __init__(self, table: _Table) -> None:
        self.table = table
        self.low, self.high = table.bounds("start")

    def touched(self, starts: Integers) -> Flags:
        """Tell which row groups can hold any of the ascending `starts`."""
        return _any_within(starts, self.low, self.high)

    def read(self, group: int, starts: Integers) -> pa.Table:
        """Return the rows of a row group whose `start` is among the ascending `starts`."""
        table = self.table.read(group)
        with self.table.explained():
            found = _is_among(table["start"].to_numpy(), starts)
            return table.take(arrow_int64(np.flatnonzero(found)))


def _any_within(ascending: Integers, low: Integers, high: Integers) -> Flags:
    """Tell for each interval, bounds included, whether any value lies in it."""
    found: Flags = np.searchsorted(ascending, low, "left") < np.searchsorted(
        ascending, high, "right"
    )
    return found


def _is_among(values: Integers, ascending: Integers) -> Flags:
    """Tell which values are among the ascending ones."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: Flags = ascending[place] == values
    return found


def _starts_among(start: Integers, ascending: Integers) -> Flags:
    """Tell which of the ascending `start` are among other ascending values, few of which are near."""
    if not len(start):
        return np.zeros(0, bool)
    first, last = np.searchsorted(ascending, start[[0, -1]] + [0, 1])
    near = ascending[first:last]
    marks = np.zeros(len(start) + 1, np.int32)
    np.add.at(marks, np.searchsorted(start, near, "left"), 1)
    np.add.at(marks, np.searchsorted(start, near, "right"), -1)
    among: Flags = np.cumsum(marks[:-1]) > 0
    return among


def _can_slide(start: Integers, which: Integers, details: pa.Table, indels: Integers) -> Flags:
    """Tell which alleles can slide to the start of an indel with the same change of length."""
    left, right = (pc.fill_null(details[name], 0).to_numpy() for name in _ROLLS)
    ref, alt = (
        pc.fill_null(pc.binary_length(details[name].cast(pa.string())), 0).to_numpy()
        for name in ("ref", "alt")
    )
    change = (alt.astype(np.int64) - ref) * _LENGTH_FACTOR
    rows = np.flatnonzero(((left > 0) | (right > 0))[which])
    detail = which[rows]
    place = change[detail] + start[rows]
    found = np.zeros(len(start), bool)
    found[rows] = _any_within(indels, place - left[detail], place + right[detail])
    return found


_ROLLS = ("roll_left", "roll_right")


class _Chromosome:
    """The alleles of a chromosome and their details."""

    def __init__(self, alleles: Resource, details: Resource) -> None:
        self._alleles = _Groups(_Table(alleles))
        self._details = _Table(details)
        # Row group n of the details belongs to row group n of the alleles.
        self._first_detail = np.concatenate([[0], np.cumsum(self._details.rows)])
        self._left, self._right = (self._details.bounds(name)[1] for name in _ROLLS)

    @cached_property
    def _largest_offset(self) -> Integers:
        """How far a key starts behind its POS at most, by row group: read only where asked for."""
        groups = range(len(self._details.rows))
        offsets = [self._details.read(group, ["offset"])["offset"] for group in groups]
        return np.array([pc.max(column).as_py() or 0 for column in offsets], np.int64)

    def rows(self, wanted: Wanted, pool: Executor) -> list[pa.Table]:
        """Return the rows that are wanted: alleles and their details, by row group.

        Notes
        -----
        How far the indels of a row group slide at most tells which row groups can reach a
        place; one with a huge repeat is read for more queries, its neighbours are not.
        """
        low, high = self._alleles.low, self._alleles.high
        touched = self._alleles.touched(wanted.starts)
        slid = (self._left > 0) | (self._right > 0)
        slid &= _any_within(wanted.indel_starts, low - self._left, high + self._right)
        placed = np.zeros(len(low), bool)
        if len(wanted.positions):
            placed = _any_within(wanted.positions - 1, low - self._largest_offset, high)
        groups = np.flatnonzero(touched | slid | placed)
        tables = pool.map(
            lambda group: self._read(group, wanted, bool(slid[group]), bool(placed[group])),
            groups.tolist(),
        )
        return [table for table in tables if len(table)]

    def _read(self, group: int, wanted: Wanted, slid: bool, placed: bool) -> pa.Table:
        alleles = self._alleles.table.read(group)
        with self._alleles.table.explained():
            start = alleles["start"].to_numpy()
            chosen = _starts_among(start, wanted.starts)
            if not (slid or placed or chosen.any()):
                return alleles.slice(0, 0)
        details = self._details.read(group)
        with self._details.explained():
            which = alleles["detail"].to_numpy() - self._first_detail[group]
            if slid:
                chosen |= _can_slide(start, which, details, wanted.indels)
            if placed:
                pos = start + 1 - details["offset"].to_numpy()[which]
                chosen |= _is_among(pos, wanted.positions)
            rows = np.flatnonzero(chosen)
            found = alleles.drop_columns(["detail"]).take(arrow_int64(rows))
            details = details.take(arrow_int64(which[rows])).cast(DETAILS_SCHEMA)
            return pa.Table.from_arrays(
                [*found.columns, *details.columns],
                names=[*found.column_names, *details.column_names],
            )


class _Sequence(_Groups):
    """The sequence of a chromosome."""

    def agrees(self, begin: Integers, text: npt.NDArray[np.uint8], bounds: Integers) -> Flags:
        """Tell which slices of a text, at `bounds`, agree with the bases from `begin` on.

        Notes
        -----
        Each row group is read once; of a text that goes on in the next one, that too.
        """
        length = np.diff(bounds)
        answers: Flags = length == 0
        group_of = np.searchsorted(self.low, begin, "right") - 1
        group_of[answers] = -1
        for group in np.unique(group_of[group_of >= 0]).tolist():
            chosen = group_of == group
            end = begin + length - self.low[group]
            bases = self._bases(group, int(end[chosen].max()))
            chosen &= end <= len(bases)
            owner = np.repeat(np.flatnonzero(chosen), length[chosen])
            place = np.arange(len(owner)) - np.searchsorted(owner, owner)
            found = bases[(begin - self.low[group])[owner] + place]
            asked = text[bounds[:-1][owner] + place]
            differs = (found != asked) & _IS_BASE[found] & _IS_BASE[asked]
            answers[chosen] = True
            answers[owner[differs]] = False
        return answers

    def bases_at(self, begin: Integers) -> npt.NDArray[np.uint8]:
        """Return the base at each position; 0 outside the sequence."""
        answers = np.zeros(len(begin), np.uint8)
        group_of = np.searchsorted(self.low, begin, "right") - 1
        for group in np.unique(group_of[group_of >= 0]).tolist():
            bases = self._bases(group, 1)
            rows = np.flatnonzero((group_of == group) & (begin - self.low[group] < len(bases)))
            answers[rows] = bases[begin[rows] - self.low[group]]
        return answers

    def _bases(self, group: int, count: int) -> npt.NDArray[np.uint8]:
        """Return the bases of a row group, and of those behind it until there are `count`."""
        parts: list[npt.NDArray[np.uint8]] = []
        size = 0
        while group < len(self.low) and (size < count or not parts):
            for chunk in self.table.read(group)["bases"].chunks:
                _, offsets, data = chunk.buffers()
                bounds = np.frombuffer(offsets, np.int32, len(chunk) + 1, chunk.offset * 4)
                parts.append(np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]])
                size += len(parts[-1])
            group += 1
        return np.concatenate(parts)


_BASES = {ord(base): base for base in "ACGT"}
_IS_BASE = np.zeros(256, bool)
_IS_BASE[list(_BASES)] = True


class Reference:
    """Look-ups in a reference store.

    Parameters
    ----------
    store : ReferenceStore
        Checked.
    """

    def __init__(self, store: ReferenceStore) -> None:
        self.store = store
        self._chromosomes: dict[str, _Chromosome | None] = {}
        self._sequences: dict[str, _Sequence | None] = {}
        self._lock = threading.Lock()
        # An exome is one piece, and touches half the row groups of a genome.
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="reference")

    def has(self, chromosome: str) -> bool:
        """Tell whether the store describes a file of this chromosome."""
        return self.store.resource(chromosome) is not None

    def _chromosome(self, name: str) -> _Chromosome | None:
        with self._lock:
            if name not in self._chromosomes:
                alleles = self.store.resource(name)
                details = self.store.resource(name, "details")
                assert (alleles is None) == (details is None)
                self._chromosomes[name] = (
                    _Chromosome(alleles, details) if alleles and details else None
                )
            return self._chromosomes[name]

    def _sequence(self, name: str) -> _Sequence | None:
        with self._lock:
            if name not in self._sequences:
                resource = self.store.resource(name, "sequence")
                self._sequences[name] = _Sequence(_Table(resource)) if resource else None
            return self._sequences[name]

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
        found = self._chromosome(chromosome)
        tables = [] if found is None else found.rows(wanted, self._pool)
        if not tables:
            return no_published()
        rows = pl.from_arrow(pa.concat_tables(tables).combine_chunks())
        assert isinstance(rows, pl.DataFrame)
        return as_published(rows)

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
        codes = pl.Series(sequence.bases_at(starts.to_numpy()))
        return codes.replace_strict(_BASES, default=None, return_dtype=pl.String)

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
        array = refs.to_arrow().cast(pa.large_binary())
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
        text = np.frombuffer(data if data is not None else b"", np.uint8)
        return pl.Series(sequence.agrees(starts.to_numpy(), text, bounds))


def same_bases(one: str, other: str) -> bool:
    """Tell whether two sequences agree wherever both have A, C, G or T."""
    return one == other or all(
        a == b or a not in "ACGT" or b not in "ACGT" for a, b in zip(one, other, strict=True)
    )
