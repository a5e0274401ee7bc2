"""Write the reference store: parquet per chromosome, byte for byte the same on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.schema import (
    ROW_GROUP_ROWS,
    SEQUENCE,
    SEQUENCE_SCHEMA,
    STORE,
    STORE_SCHEMA,
    Column,
)

_KEY = ["start", "code"]


def parquet_writer(path: Path, schema: pa.Schema, columns: tuple[Column, ...]) -> pq.ParquetWriter:
    """Open a parquet file with the encodings of a column table and checksums on every page."""
    plain = {"pos": "DELTA_BINARY_PACKED", "start": "DELTA_BINARY_PACKED"}
    return pq.ParquetWriter(
        path,
        schema,
        compression={column.name: column.codec for column in columns},
        use_dictionary=[column.name for column in columns if column.dictionary],
        column_encoding={
            column.name: plain.get(column.name, "PLAIN")
            for column in columns
            if not column.dictionary
        },
        write_statistics=["start"],
        write_page_checksum=True,
        store_schema=False,
    )


class ChromosomeWriter:
    """Write the rows of one chromosome, sorted by key, in row groups of a fixed size.

    Notes
    -----
    Rows may come in any order; where they are in order of POS, as published, only those whose
    key could still be preceded wait in memory. Row groups do not depend on how the rows were
    batched.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_rows = 0
        self._writer = parquet_writer(path, STORE_SCHEMA, STORE)
        self._waiting: pl.DataFrame | None = None
        self._written_to = -1
        self._in_order = True

    def add(self, alleles: pl.DataFrame) -> None:
        rows = alleles.select(STORE_SCHEMA.names)
        self._in_order = self._in_order and _least(rows) > self._written_to
        settled_below = int(rows["pos"][-1]) - 1
        merged = rows if self._waiting is None else pl.concat([self._waiting, rows])
        merged = merged.sort(_KEY, maintain_order=True)
        settled = int((merged["start"] < settled_below).sum())
        whole = settled - settled % ROW_GROUP_ROWS
        if whole:
            self._write(merged[:whole])
        self._waiting = merged[whole:]

    def _write(self, rows: pl.DataFrame) -> None:
        self._written_to = int(rows["start"][-1])
        self.num_rows += len(rows)
        self._writer.write_table(_to_arrow(rows), row_group_size=ROW_GROUP_ROWS)

    def finish(self) -> None:
        """Write what waits and close the file."""
        if self._waiting is not None and len(self._waiting):
            self._write(self._waiting)
        self._writer.close()
        if not self._in_order:
            self._sort_file()

    def abandon(self) -> None:
        """Close the file without finishing it."""
        self._writer.close()

    def _sort_file(self) -> None:
        rows = pl.read_parquet(self.path, use_statistics=False).sort(_KEY, maintain_order=True)
        with parquet_writer(self.path, STORE_SCHEMA, STORE) as writer:
            writer.write_table(_to_arrow(rows), row_group_size=ROW_GROUP_ROWS)


def _least(rows: pl.DataFrame) -> int:
    least = rows["start"].min()
    return least if isinstance(least, int) else 0


def _to_arrow(rows: pl.DataFrame) -> pa.Table:
    return rows.to_arrow().cast(STORE_SCHEMA)


class StoreWriter:
    """Write a store's parquet files into a folder, one per chromosome met."""

    def __init__(self, folder: Path, species: str) -> None:
        self.folder = folder
        self.species = species
        self.chromosomes: dict[str, ChromosomeWriter] = {}

    def add(self, chromosome: str, alleles: pl.DataFrame) -> None:
        """Add rows of one chromosome."""
        self.open(chromosome).add(alleles)

    def open(self, chromosome: str) -> ChromosomeWriter:
        """Return the chromosome's writer; a chromosome without rows still gets a file."""
        writer = self.chromosomes.get(chromosome)
        if writer is None:
            writer = ChromosomeWriter(self.folder / f"{self.species}-chr{chromosome}.parquet")
            self.chromosomes[chromosome] = writer
        return writer

    def finish(self) -> None:
        for writer in self.chromosomes.values():
            writer.finish()

    def abandon(self) -> None:
        for writer in self.chromosomes.values():
            writer.abandon()


def write_sequence(path: Path, rows: list[tuple[int, str]]) -> int:
    """Write a chromosome's sequence and return the number of rows."""
    table = pa.Table.from_pylist(
        [{"start": start, "bases": bases} for start, bases in rows], schema=SEQUENCE_SCHEMA
    )
    with parquet_writer(path, SEQUENCE_SCHEMA, SEQUENCE) as writer:
        writer.write_table(table, row_group_size=64)
    return int(table.num_rows)


def schema_description() -> list[dict[str, Any]]:
    """Return the columns as ``datapackage.json`` lists them."""
    return [
        {
            "name": column.name,
            "type": str(column.dtype),
            "nullable": column.nullable,
            **({"unit": column.unit} if column.unit else {}),
            "description": column.description,
            "source": column.source,
        }
        for column in STORE
    ]
