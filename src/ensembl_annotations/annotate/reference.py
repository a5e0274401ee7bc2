"""Read from the reference store only the row groups that a query touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.datapackage import ReferenceStore, Resource
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.schema import SEQUENCE_ROW_BASES, STORE_SCHEMA

GROUPS_AT_ONCE = 8
Starts = npt.NDArray[np.int64]


class _Table:
    """One parquet file of the store, read by row group."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._file = pq.ParquetFile(resource.path, page_checksum_verification=True)
        metadata = self._file.metadata
        column = metadata.schema.names.index("start")
        statistics = [
            metadata.row_group(index).column(column).statistics
            for index in range(metadata.num_row_groups)
        ]
        self.low = np.array([item.min for item in statistics], np.int64)
        self.high = np.array([item.max for item in statistics], np.int64)

    def groups_with(self, starts: Starts) -> list[int]:
        """Return the row groups that can hold any of the ascending `starts`."""
        first = np.searchsorted(self.high, starts, "left")
        last = np.searchsorted(self.low, starts, "right") - 1
        touched = np.zeros(len(self.low) + 1, np.int64)
        some = first <= last
        np.add.at(touched, first[some], 1)
        np.add.at(touched, last[some] + 1, -1)
        return np.flatnonzero(np.cumsum(touched)[:-1]).tolist()

    def read(self, groups: Sequence[int], columns: Sequence[str]) -> pl.DataFrame:
        try:
            table = self._file.read_row_groups(list(groups), columns=list(columns))
        except (OSError, pa.ArrowInvalid) as error:
            raise ReferenceStoreError(
                f"{self._resource.path}: can't be read ({error}).",
                hint="The reference is altered: run 'ensembl-annotations verify' on its folder, "
                "then 'dvc repro fetch_ensembl' to make it again.",
            ) from error
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame


class Reference:
    """Look-ups in a reference store.

    Parameters
    ----------
    store : ReferenceStore
        Checked.
    """

    def __init__(self, store: ReferenceStore) -> None:
        self.store = store
        self._tables: dict[tuple[str, str], _Table | None] = {}

    def has(self, chromosome: str) -> bool:
        """Tell whether the store describes a file of this chromosome."""
        return self.store.resource(chromosome) is not None

    def _table(self, chromosome: str, role: str) -> _Table | None:
        key = chromosome, role
        if key not in self._tables:
            resource = self.store.resource(chromosome, role)
            self._tables[key] = _Table(resource) if resource else None
        return self._tables[key]

    def rows_at(self, chromosome: str, starts: pl.Series) -> pl.DataFrame:
        """Return all rows whose key starts at one of the positions.

        Parameters
        ----------
        chromosome : str
            Ensembl's name.
        starts : Series
            Int64, 0-based, any order.

        Returns
        -------
        DataFrame
            The store's columns, `start` as Int64, in the store's order.
        """
        pieces = [pl.from_arrow(STORE_SCHEMA.empty_table())]
        table = self._table(chromosome, "alleles")
        wanted = starts.unique().sort()
        if table is not None and len(wanted):
            pieces += list(self._filtered(table, wanted))
        rows = pl.concat([piece for piece in pieces if isinstance(piece, pl.DataFrame)])
        return rows.with_columns(pl.col("start", "pos").cast(pl.Int64))

    def _filtered(self, table: _Table, wanted: pl.Series) -> Iterator[pl.DataFrame]:
        groups = table.groups_with(wanted.to_numpy())
        keys = wanted.cast(pl.Int32).implode()
        for begin in range(0, len(groups), GROUPS_AT_ONCE):
            rows = table.read(groups[begin : begin + GROUPS_AT_ONCE], STORE_SCHEMA.names)
            yield rows.filter(pl.col("start").is_in(keys))

    def has_sequence(self, chromosome: str) -> bool:
        return self._table(chromosome, "sequence") is not None

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
        table = self._table(chromosome, "sequence")
        assert table is not None
        cached: dict[int, str] = {}

        def row(index: int) -> str:
            if index not in cached:
                if len(cached) > 64:
                    cached.clear()
                group = table.groups_with(np.array([index * SEQUENCE_ROW_BASES]))
                rows = table.read(group, ["start", "bases"])
                found = rows.filter(pl.col("start") == index * SEQUENCE_ROW_BASES)["bases"]
                cached[index] = found[0] if len(found) else ""
            return cached[index]

        def bases(start: int, length: int) -> str:
            first, last = start // SEQUENCE_ROW_BASES, (start + length - 1) // SEQUENCE_ROW_BASES
            text = "".join(row(index) for index in range(first, last + 1))
            begin = start - first * SEQUENCE_ROW_BASES
            return text[begin : begin + length]

        answers = []
        for start, ref in zip(starts, refs, strict=True):
            sequence = bases(start, len(ref))
            answers.append(len(sequence) == len(ref) and same_bases(ref, sequence))
        return pl.Series(answers, dtype=pl.Boolean)


def same_bases(one: str, other: str) -> bool:
    """Tell whether two sequences agree wherever both have A, C, G or T."""
    return one == other or all(
        a == b or a not in "ACGT" or b not in "ACGT" for a, b in zip(one, other, strict=True)
    )
