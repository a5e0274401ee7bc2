"""Write the annotated table: one row per (record, ALT), typed, in input order."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations._kernel import Columns
from ensembl_annotations.annotate.label import METADATA_KEY
from ensembl_annotations.annotate.rows import table_of
from ensembl_annotations.variants.schema import GENOTYPES, REQUESTED, result_schema
from ensembl_annotations.vcf.read import Piece

if TYPE_CHECKING:
    from ensembl_annotations.common.text import Offsets
    from ensembl_annotations.vcf.batch import Batch

ROW_GROUP_ROWS = 131_072
_PLAIN = ("record", "pos", "qual", "ens_key")
_ROW_GROUP_CALLS = 8_000_000
_MIN_ROW_GROUP_ROWS = 256
_REQUESTED = (GENOTYPES[0].name, *REQUESTED)

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
        self.schema = result_schema(
            with_genotype=len(samples) == 1,
            with_genotypes=genotypes,
            with_genes=genes,
            requested=requested,
        )
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
            self.schema.with_metadata(metadata),
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in _leaves(self.schema) if name not in _PLAIN],
            write_page_checksum=True,
            memory_pool=_memory(),
        )

    def add(self, table: pa.Table) -> None:
        """Add rows; see `rows_of`."""
        ends = np.cumsum(row_bytes(table))
        begin = done = 0
        while begin < len(table):
            last = int(np.searchsorted(ends, done + self._row_group_bytes - self._num_bytes))
            end = min(begin + self._row_group_rows - self._num_rows, last + 1)
            part = table.slice(begin, end - begin)
            # Combined, so that a part does not keep all of the table in memory.
            self._waiting.append(part.combine_chunks() if len(part) < len(table) else part)
            if end > len(table):
                self._num_rows += len(part)
                self._num_bytes += int(ends[-1]) - done
                return
            self._write()
            begin, done = end, int(ends[end - 1])

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


def row_bytes(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return how many bytes the texts and lists of each row have; of structs, with a number or two of each text."""
    sizes = np.zeros(len(table), np.int64)
    for column in table.columns:
        begin = 0
        for chunk in column.chunks:
            if len(chunk) and not pa.types.is_primitive(chunk.type):
                sizes[begin : begin + len(chunk)] += np.diff(_byte_offsets(chunk))
            begin += len(chunk)
    return sizes


def _byte_offsets(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return where each value of a column of texts or lists begins, in bytes, and where the last ends."""
    if pa.types.is_struct(array.type):
        # Of many short texts, where each begins takes as much as they do; and its number in the writer's dictionary.
        num_fields: int = array.type.num_fields
        total = np.arange(len(array) + 1, dtype=np.int64) * 8 * num_fields
        for field in array.flatten():
            total += _byte_offsets(field)
        return total
    if pa.types.is_primitive(array.type):
        width: int = (array.type.bit_width + 7) // 8
        return np.arange(len(array) + 1, dtype=np.int64) * width
    codes = np.frombuffer(array.buffers()[1], np.int32)[array.offset :][: len(array) + 1]
    offsets = codes.astype(np.int64)
    if not pa.types.is_list(array.type):
        return offsets
    values = array.values
    inner = _byte_offsets(values) if len(values) else np.zeros(1, np.int64)
    found: npt.NDArray[np.int64] = inner[offsets]
    return found


def kernel_columns(schema: pa.Schema) -> list[str]:
    """Return which columns of the table the kernel makes."""
    return [name for name in schema.names if name not in _REQUESTED]


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
        if item.name in _REQUESTED:
            table = table.add_column(place, item, _made(item.name, batch, rows, numbers, samples))
    return table


def _made(
    name: str, batch: Batch, rows: Offsets, alt_index: Offsets, samples: Sequence[str]
) -> pa.ChunkedArray:
    """Return a column that the kernel does not make, of the ALTs of these records."""
    from ensembl_annotations.vcf.calls import call_lists
    from ensembl_annotations.vcf.genotypes import genotype_lists

    if name == "calls":
        return call_lists(batch, samples, rows, alt_index)
    if name == "info":
        info = batch.info()
        return pa.chunked_array(
            [info.set(info == ".", None).gather(rows).to_arrow().cast(pa.string())]
        )
    return genotype_lists(batch, rows)


def _leaves(schema: pa.Schema) -> list[str]:
    return [path for field in schema for path in _paths(field.name, field.type)]


def _paths(name: str, dtype: pa.DataType) -> list[str]:
    """Return the paths of a column's leaves, as parquet has them; flags have no dictionary."""
    if pa.types.is_list(dtype):
        return _paths(f"{name}.list.element", dtype.value_type)
    if pa.types.is_struct(dtype):
        return [path for field in dtype for path in _paths(f"{name}.{field.name}", field.type)]
    return [] if pa.types.is_boolean(dtype) else [name]
