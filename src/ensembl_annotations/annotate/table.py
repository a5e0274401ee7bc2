"""Write the annotated table: one row per (record, ALT), typed, in input order."""

from __future__ import annotations

import base64
import json
from bisect import bisect_left
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations._kernel import Columns
from ensembl_annotations.annotate.rows import numbered, table_of
from ensembl_annotations.annotate.text import METADATA_KEY
from ensembl_annotations.variants.schema import REQUESTED, result_schema
from ensembl_annotations.vcf.read import Piece

if TYPE_CHECKING:
    from ensembl_annotations.common.text import Offsets
    from ensembl_annotations.vcf.batch import Batch

ROW_GROUP_ROWS = 131_072
# What rises along the file is written as differences; what hardly any row shares with another, as it is.
_RISING = ("record", "pos")
_PLAIN = (
    "qual", "id", "info", "ens_key", "ens_id.list.element", "ens_site_id.list.element", "ens_hgvsc",
    "ens_csq.list.element.hgvsc",
)  # fmt: skip
# Texts that readers skip row groups by, as they do by numbers; of others the range says nothing.
_RANGED = ("chrom", "ens_key")
_ROW_GROUP_CALLS = 8_000_000
_MIN_ROW_GROUP_ROWS = 256

ROW_GROUP_BYTES = 64 << 20
"""Longer texts and lists end a row group, which is in memory until it is written; most have 15 MB."""


class TableWriter:
    """Write the annotated table as parquet.

    Parameters
    ----------
    path : Path
    provenance : dict
        Kept as JSON in the file's metadata.
    samples : list of str
        The VCF's samples; one alone gets columns of its own.
    genes : bool
        Whether to have the consequences for transcripts.
    genotypes : bool
        Whether to have the genotypes of all samples as a list; the samples' names are then in
        the file's metadata.
    requested : collection of str
        Names of `REQUESTED`: more columns; with ``calls`` the samples' names are there, too.

    Notes
    -----
    The file depends on the rows and the number of samples only, not on how rows are added.
    """

    def __init__(
        self,
        path: Path,
        provenance: dict[str, str],
        samples: list[str],
        *,
        genotypes: bool,
        genes: bool = False,
        requested: Collection[str] = (),
    ) -> None:
        shown = result_schema(
            with_genotype=len(samples) == 1,
            with_genotypes=genotypes,
            with_genes=genes,
            requested=requested,
        )
        self.schema = numbered(shown)
        self._waiting: list[pa.Table] = []
        self._num_rows = self._num_bytes = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="table")
        self._written: Future[None] = self._pool.submit(lambda: None)
        self._row_group_rows = ROW_GROUP_ROWS
        # Calls take several times as much while they are written.
        self._row_group_bytes = ROW_GROUP_BYTES // (4 if "calls" in requested else 1)
        metadata = {METADATA_KEY: json.dumps(provenance)}
        if genotypes or "calls" in requested:
            metadata["samples"] = json.dumps(samples)
            rows = max(_ROW_GROUP_CALLS // max(len(samples), 1), _MIN_ROW_GROUP_ROWS)
            self._row_group_rows = min(ROW_GROUP_ROWS, rows)
        self._writer = pq.ParquetWriter(
            path,
            self.schema,
            store_schema=False,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in _leaves(self.schema) if name not in _RISING + _PLAIN],
            column_encoding=dict.fromkeys(_RISING, "DELTA_BINARY_PACKED"),
            write_statistics=[
                item.name
                for item in self.schema
                if item.name in _RANGED or pa.types.is_primitive(item.type)
            ],
            write_page_checksum=True,
            memory_pool=_memory(),
        )
        # As pyarrow keeps a schema: words are given by their number, but are texts to who reads them.
        kept = base64.b64encode(shown.with_metadata(metadata).serialize()).decode()
        self._writer.add_key_value_metadata({**metadata, "ARROW:schema": kept})

    def add(self, table: pa.Table) -> None:
        """Add rows; see `rows_of`."""
        rest = table
        while (end := self._end_of_group(rest)) <= len(rest):
            # Combined, so that a part does not keep all of the table in memory.
            self._waiting.append(rest.slice(0, end).combine_chunks())
            self._write()
            rest = rest.slice(end)
        if not len(rest):
            return
        self._waiting.append(rest.combine_chunks() if len(rest) < len(table) else rest)
        self._num_rows += len(rest)
        self._num_bytes += num_bytes(rest)

    def _end_of_group(self, table: pa.Table) -> int:
        """Return with how many of these rows the row group is full; where it is not, more than there are."""
        room = self._row_group_bytes - self._num_bytes
        full = len(table) + 1
        if num_bytes(table) >= room:
            rows = range(1, full)
            full = rows[bisect_left(rows, room, key=lambda count: num_bytes(table.slice(0, count)))]
        return min(full, self._row_group_rows - self._num_rows)

    def _write(self) -> None:
        """Have what waits written as a row group, while the next one collects."""
        self._written.result()
        self._written = self._pool.submit(self._write_group, self._waiting)
        self._waiting, self._num_rows, self._num_bytes = [], 0, 0

    def _write_group(self, waiting: list[pa.Table]) -> None:
        # In one piece: where a dictionary is full is seen at the end of a batch, and each part begins one.
        table = pa.concat_tables(waiting).combine_chunks(_memory())
        # Their memory goes to the next pieces.
        waiting.clear()
        self._writer.write_table(table, row_group_size=self._row_group_rows)

    def finish(self) -> None:
        if self._waiting:
            self._write()
        self._written.result()
        self._pool.shutdown()
        self._writer.close()

    def abandon(self) -> None:
        self._pool.shutdown()
        self._writer.close()


def _memory() -> pa.MemoryPool:
    """Return where row groups are made: Arrow's default gives memory back after each, and asks for it anew."""
    has_other = "jemalloc" in pa.supported_memory_backends()
    return pa.jemalloc_memory_pool() if has_other else pa.default_memory_pool()


def num_bytes(table: pa.Table) -> int:
    """Return how many bytes the texts and lists of rows have; of structs, with a number or two of each text."""
    return sum(
        _num_bytes(chunk)
        for column in table.columns
        if not pa.types.is_primitive(column.type)
        for chunk in column.chunks
    )


def _num_bytes(array: pa.Array) -> int:
    if pa.types.is_struct(array.type):
        # Of many short texts, where each begins takes as much as they do; and its number in the writer's dictionary.
        numbers: int = 8 * array.type.num_fields * len(array)
        return numbers + sum(map(_num_bytes, array.flatten()))
    if pa.types.is_dictionary(array.type):
        return _num_bytes(array.indices)
    if pa.types.is_primitive(array.type):
        width: int = (array.type.bit_width + 7) // 8
        return width * len(array)
    if not len(array):
        return 0
    offsets = memoryview(array.buffers()[1]).cast("i")
    begin, end = (int(offsets[array.offset + count]) for count in (0, len(array)))
    if pa.types.is_list(array.type):
        return _num_bytes(array.values.slice(begin, end - begin))
    return end - begin


def kernel_columns(schema: pa.Schema) -> list[str]:
    """Return which columns of the table the kernel makes."""
    return [name for name in schema.names if name not in REQUESTED]


def rows_of(
    columns: Columns, schema: pa.Schema, piece: Piece, path: Path, samples: Sequence[str]
) -> pa.Table:
    """Return the table's rows of a piece.

    Parameters
    ----------
    columns : Columns
        The `kernel_columns` of the schema.
    schema : Schema
        Of `TableWriter`.
    piece : Piece
    path : Path
        For messages.
    samples : sequence of str
        As `TableWriter` has them.
    """
    names = kernel_columns(schema)
    table = table_of(columns, pa.schema([schema.field(name) for name in names]))
    if len(names) == len(schema):
        return table
    from ensembl_annotations.vcf.batch import batch_of

    batch = batch_of(piece, path)
    record = np.frombuffer(table["record"].chunk(0).buffers()[1], np.int64)
    alt_index = np.frombuffer(table["alt_index"].chunk(0).buffers()[1], np.int32)
    rows, numbers = record - piece.first_record, alt_index.astype(np.int64)
    for place, item in enumerate(schema):
        if item.name in REQUESTED:
            table = table.add_column(place, item, _made(item.name, batch, rows, numbers, samples))
    return table


def _made(
    name: str, batch: Batch, rows: Offsets, alt_index: Offsets, samples: Sequence[str]
) -> pa.ChunkedArray:
    """Return a column that the kernel does not make, of the ALTs of these records."""
    from ensembl_annotations.vcf.calls import call_lists

    if name == "calls":
        return call_lists(batch, samples, rows, alt_index)
    info = batch.info()
    return pa.chunked_array([info.set(info == ".", None).gather(rows).to_arrow().cast(pa.string())])


def _leaves(schema: pa.Schema) -> list[str]:
    return [path for field in schema for path in _paths(field.name, field.type)]


def _paths(name: str, dtype: pa.DataType) -> list[str]:
    """Return the paths of a column's leaves, as parquet has them; flags have no dictionary."""
    if pa.types.is_list(dtype):
        return _paths(f"{name}.list.element", dtype.value_type)
    if pa.types.is_struct(dtype):
        return [path for field in dtype for path in _paths(f"{name}.{field.name}", field.type)]
    return [] if pa.types.is_boolean(dtype) else [name]
