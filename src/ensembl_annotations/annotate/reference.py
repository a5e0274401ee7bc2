"""Read from the reference store only the row groups that a query touches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.datapackage import ReferenceStore, Resource
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.published import as_published, no_published
from ensembl_annotations.common.schema import DETAILS_SCHEMA, ROLES, SEQUENCE_ROW_BASES
from ensembl_annotations.common.text import arrow_int64


class _Table:
    """One parquet file of the store, read by row group."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._columns = ROLES[resource.role]
        # Texts stay dictionary-encoded until the few rows that are needed are picked.
        self._file = pq.ParquetFile(
            resource.path,
            page_checksum_verification=True,
            read_dictionary=[column.name for column in self._columns if column.dictionary],
        )
        self.rows = np.array(
            [
                self._file.metadata.row_group(index).num_rows
                for index in range(self._file.metadata.num_row_groups)
            ],
            np.int64,
        )

    def bounds(self, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the smallest and largest value of a column in each row group."""
        metadata = self._file.metadata
        column = metadata.schema.names.index(name)
        statistics = [
            metadata.row_group(index).column(column).statistics for index in range(len(self.rows))
        ]
        return (
            np.array([item.min for item in statistics], np.int64),
            np.array([item.max for item in statistics], np.int64),
        )

    def read(self, group: int) -> pa.Table:
        """Return a row group, its texts dictionary-encoded."""
        with self.explained():
            table = self._file.read_row_group(group)
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
                "then 'dvc repro fetch_ensembl' to make it again.",
            ) from error


class _Groups:
    """The row groups of a file that is sorted by ``start``."""

    def __init__(self, table: _Table) -> None:
        self.table = table
        self.low, self.high = table.bounds("start")

    def touched(self, starts: npt.NDArray[np.integer[Any]]) -> list[int]:
        """Return the row groups that can hold any of the ascending `starts`."""
        first = np.searchsorted(self.high, starts, "left")
        last = np.searchsorted(self.low, starts, "right") - 1
        touched = np.zeros(len(self.low) + 1, np.int64)
        some = first <= last
        np.add.at(touched, first[some], 1)
        np.add.at(touched, last[some] + 1, -1)
        return np.flatnonzero(np.cumsum(touched)[:-1]).tolist()

    def read(self, group: int, starts: npt.NDArray[np.integer[Any]]) -> pa.Table:
        """Return the rows of a row group whose `start` is among the ascending `starts`."""
        table = self.table.read(group)
        with self.table.explained():
            found = table["start"].to_numpy()
            place = np.minimum(np.searchsorted(starts, found), len(starts) - 1)
            return table.take(arrow_int64(np.flatnonzero(starts[place] == found)))


class _Chromosome:
    """The alleles of a chromosome and their details."""

    def __init__(self, alleles: Resource, details: Resource) -> None:
        self._alleles = _Groups(_Table(alleles))
        self._details = _Table(details)
        # Row group n of the details belongs to row group n of the alleles.
        self._first_detail = np.concatenate([[0], np.cumsum(self._details.rows)])

    def rows_at(self, starts: npt.NDArray[np.integer[Any]]) -> Iterator[pl.DataFrame]:
        """Yield the rows whose key starts at one of the ascending `starts`."""
        for group in self._alleles.touched(starts):
            found = self._alleles.read(group, starts)
            if not len(found):
                continue
            details = self._details.read(group)
            with self._details.explained():
                which = found["detail"].to_numpy() - self._first_detail[group]
                details = details.take(arrow_int64(which)).cast(DETAILS_SCHEMA)
                joined = pa.Table.from_arrays(
                    [*found.drop_columns(["detail"]).columns, *details.columns],
                    names=[*found.column_names[:-1], *details.column_names],
                )
            rows = pl.from_arrow(joined)
            assert isinstance(rows, pl.DataFrame)
            yield as_published(rows)


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
        self._sequences: dict[str, _Groups | None] = {}

    def has(self, chromosome: str) -> bool:
        """Tell whether the store describes a file of this chromosome."""
        return self.store.resource(chromosome) is not None

    def _chromosome(self, name: str) -> _Chromosome | None:
        if name not in self._chromosomes:
            alleles = self.store.resource(name)
            details = self.store.resource(name, "details")
            assert (alleles is None) == (details is None)
            self._chromosomes[name] = _Chromosome(alleles, details) if alleles and details else None
        return self._chromosomes[name]

    def _sequence(self, name: str) -> _Groups | None:
        if name not in self._sequences:
            resource = self.store.resource(name, "sequence")
            self._sequences[name] = _Groups(_Table(resource)) if resource else None
        return self._sequences[name]

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
            The columns `PUBLISHED`, in the store's order.
        """
        found = self._chromosome(chromosome)
        wanted = starts.unique().sort().cast(pl.Int32).to_numpy()
        if found is None or not len(wanted):
            return no_published()
        return pl.concat([no_published(), *found.rows_at(wanted)])

    def has_sequence(self, chromosome: str) -> bool:
        return self._sequence(chromosome) is not None

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
        table = self._sequence(chromosome)
        assert table is not None
        cached: dict[int, str] = {}

        def row(index: int) -> str:
            if index not in cached:
                if len(cached) > 64:
                    cached.clear()
                start = np.array([index * SEQUENCE_ROW_BASES], np.int32)
                groups = table.touched(start)
                found = table.read(groups[0], start)["bases"] if groups else []
                cached[index] = found[0].as_py() if len(found) else ""
            return cached[index]

        def bases(start: int, length: int) -> str:
            if not length:
                return ""
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
