"""Read from the reference store only the row groups that a query touches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.datapackage import ReferenceStore, Resource
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.schema import (
    SEQUENCE,
    SEQUENCE_ROW_BASES,
    SEQUENCE_SCHEMA,
    STORE,
    STORE_SCHEMA,
)
from ensembl_annotations.common.text import arrow_int64


class _Table:
    """One parquet file of the store, read by row group."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._schema = STORE_SCHEMA if resource.role == "alleles" else SEQUENCE_SCHEMA
        columns = STORE if resource.role == "alleles" else SEQUENCE
        # Texts stay dictionary-encoded until the few rows that are needed are picked.
        self._file = pq.ParquetFile(
            resource.path,
            page_checksum_verification=True,
            read_dictionary=[column.name for column in columns if column.dictionary],
        )
        metadata = self._file.metadata
        column = metadata.schema.names.index("start")
        statistics = [
            metadata.row_group(index).column(column).statistics
            for index in range(metadata.num_row_groups)
        ]
        self.low = np.array([item.min for item in statistics], np.int64)
        self.high = np.array([item.max for item in statistics], np.int64)

    def groups_with(self, starts: npt.NDArray[np.integer[Any]]) -> list[int]:
        """Return the row groups that can hold any of the ascending `starts`."""
        first = np.searchsorted(self.high, starts, "left")
        last = np.searchsorted(self.low, starts, "right") - 1
        touched = np.zeros(len(self.low) + 1, np.int64)
        some = first <= last
        np.add.at(touched, first[some], 1)
        np.add.at(touched, last[some] + 1, -1)
        return np.flatnonzero(np.cumsum(touched)[:-1]).tolist()

    def read(self, group: int, starts: pl.Series) -> pa.Table:
        """Return the rows of a row group whose `start` is among the ascending `starts`."""
        try:
            table = self._file.read_row_group(group)
            if len(table) != self._file.metadata.row_group(group).num_rows:
                raise ValueError("rows are missing")
            found = table["start"].to_numpy()
            wanted = starts.to_numpy()
            place = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
            rows = table.take(arrow_int64(np.flatnonzero(wanted[place] == found)))
            return rows.cast(self._schema)
        except (OSError, pa.ArrowException, ValueError, TypeError, IndexError) as error:
            raise ReferenceStoreError(
                f"{self._resource.path}: can't be read ({error}).",
                hint="The reference is altered: run 'ensembl-annotations verify' on its folder, "
                "then 'dvc repro fetch_ensembl' to make it again.",
            ) from error


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
        table = self._table(chromosome, "alleles")
        wanted = starts.unique().sort().cast(pl.Int32)
        pieces = [STORE_SCHEMA.empty_table()]
        if table is not None and len(wanted):
            groups = table.groups_with(wanted.to_numpy())
            pieces += [table.read(group, wanted) for group in groups]
        rows = pl.from_arrow(pa.concat_tables(pieces))
        assert isinstance(rows, pl.DataFrame)
        return rows.with_columns(pl.col("start", "pos").cast(pl.Int64))

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
                start = pl.Series([index * SEQUENCE_ROW_BASES], dtype=pl.Int32)
                groups = table.groups_with(start.to_numpy())
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
