"""Write the reference store: parquet per chromosome, byte for byte the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.common.text import arrow_numbers, numpy_numbers
from ensembl_annotations.store.describe import FileIdentity, Origin
from ensembl_annotations.variants.schema import (
    ALLELES,
    DETAILS,
    PAGE_ROWS,
    ROW_GROUP_ROWS,
    Column,
)

Numbers = npt.NDArray[np.int64]


@dataclass
class Rows:
    """Alleles of one contig, sorted by (start, code, rs), and what they share.

    Attributes
    ----------
    start, code, rs : int64 or uint32 arrays
        As in the file.
    detail : int64 array
        The row in `details`, numbered in order of appearance.
    details : DataFrame
        The columns `DETAILS`.
    last_pos : int
        The largest POS (1-based) of the records.
    """

    start: Numbers
    code: Numbers
    rs: npt.NDArray[np.integer[Any]]
    detail: Numbers
    details: pl.DataFrame
    last_pos: int

    def __len__(self) -> int:
        return len(self.start)

    def part(self, begin: int, end: int) -> Rows:
        """Return rows `begin` to `end`, with the details they need."""
        detail = self.detail[begin:end]
        is_used = np.zeros(len(self.details), bool)
        is_used[detail] = True
        return Rows(
            self.start[begin:end],
            self.code[begin:end],
            self.rs[begin:end],
            (np.cumsum(is_used) - 1)[detail],
            self.details if is_used.all() else self.details.filter(is_used),
            self.last_pos,
        )

    def behind(self, earlier: Rows) -> Rows:
        """Return these rows merged with earlier ones, of which few reach into these."""
        head = int(np.searchsorted(self.start, int(earlier.start[-1]), "right"))
        start = np.concatenate([earlier.start, self.start])
        code = np.concatenate([earlier.code, self.code])
        rs = np.concatenate([earlier.rs, self.rs])
        detail = np.concatenate([earlier.detail, self.detail + len(earlier.details)])
        few = slice(0, len(earlier) + head)
        order = np.lexsort((rs[few], code[few], start[few]))
        for values in (start, code, rs, detail):
            values[few] = values[few][order]
        details = pl.concat([earlier.details, self.details])
        return Rows(start, code, rs, detail, details, max(self.last_pos, earlier.last_pos))


def _schema(columns: Sequence[Column] = ALLELES) -> pa.Schema:
    """Return the columns as they are handed to the writer: texts as numbers of a dictionary."""
    return pa.schema(
        [
            pa.field(column.name, pa.dictionary(pa.int32(), pa.string()), column.nullable)
            if pa.types.is_string(column.dtype)
            else column.field
            for column in columns
        ]
    )


def parquet_writer(
    folder: Path, identity: FileIdentity, columns: Sequence[Column] = ALLELES
) -> pq.ParquetWriter:
    """Open a store's parquet file: encodings as its columns say, checksums, what it is in the footer."""
    writer = pq.ParquetWriter(
        folder / identity.file_name,
        _schema(columns),
        compression={column.path: column.codec for column in columns},
        use_dictionary=[column.path for column in columns if column.dictionary],
        column_encoding={
            column.path: "PLAIN" if column.dtype == pa.bool_() else column.encoding
            for column in columns
            if not column.dictionary
        },
        write_statistics=[column.path for column in columns if column.statistics],
        max_rows_per_page=PAGE_ROWS,
        # However long its texts are, a column that has a dictionary keeps it: readers count on it.
        dictionary_pagesize_limit=_NO_LIMIT,
        write_page_checksum=True,
        store_schema=False,
    )
    writer.add_key_value_metadata(identity.as_metadata())
    return writer


_NO_LIMIT = 1 << 30
_BASES = ["A", "C", "G", "T"]


def _flat(rows: Rows, chromosome: str) -> pa.Table:
    """Return the rows as the file has them.

    Notes
    -----
    Of each text the writer gets numbers and a dictionary, which is the row group's own: it has only
    what occurs in it.
    """
    is_snv = rows.code % 5 != 0
    columns = {
        "chrom": pa.DictionaryArray.from_arrays(
            _numbers(np.zeros(len(rows))), _texts([chromosome])
        ),
        "start": _numbers(rows.start),
        "pos": _numbers(rows.start + 1 - numpy_numbers(_column(rows, "offset"))),
        "code": arrow_numbers(rows.code.astype(np.uint8)),
        "rs": arrow_numbers(rows.rs.astype(np.uint32)),
    }
    for name, base in (("ref", rows.code // 4), ("alt", rows.code % 4)):
        encoded = _encoded(rows, name)
        number = np.where(is_snv, base, numpy_numbers(encoded.indices) + len(_BASES))
        words = pa.concat_arrays([_texts(_BASES), encoded.dictionary]).dictionary_encode()
        columns[name] = _compact(numpy_numbers(words.indices)[number], words.dictionary)
    for column in ALLELES:
        if column.name not in columns:
            as_kept = _encoded if pa.types.is_string(column.dtype) else _column
            columns[column.name] = as_kept(rows, column.name)
    schema = _schema()
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _numbers(values: npt.NDArray[np.generic]) -> pa.Array:
    return arrow_numbers(values.astype(np.int32))


def _texts(values: list[str]) -> pa.Array:
    return pl.Series(values).to_arrow().cast(pa.string())


def _details(rows: Rows, name: str) -> pa.Array:
    column = rows.details[name].to_arrow(compat_level=pl.CompatLevel.newest())
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def _column(rows: Rows, name: str) -> pa.Array:
    return _details(rows, name).take(_numbers(rows.detail))


def _encoded(rows: Rows, name: str) -> pa.DictionaryArray:
    encoded = _details(rows, name).dictionary_encode()
    indices = encoded.indices.take(_numbers(rows.detail))
    return pa.DictionaryArray.from_arrays(indices, encoded.dictionary)


def _compact(number: Numbers, words: pa.Array) -> pa.DictionaryArray:
    """Return words by number, those that don't occur left out."""
    used, place = np.unique(number, return_inverse=True)
    return pa.DictionaryArray.from_arrays(_numbers(place), words.take(_numbers(used)))


class ChromosomeWriter:
    """Write the file of one chromosome, piece by piece.

    Notes
    -----
    Rows come in order of POS, as published. A piece waits for the next one, to which it leaves the
    rows that a later record can precede. Should a file turn out not to be in order, it is sorted as a whole at the end.
    """

    def __init__(self, folder: Path, origin: Origin, chromosome: str) -> None:
        self._folder = folder
        self._identity = FileIdentity.of(origin, chromosome, "alleles")
        self.path = folder / self._identity.file_name
        self._writer = parquet_writer(folder, self._identity)
        self._waiting: Rows | None = None
        self._written_to = -2
        self._in_order = True
        self.num_rows = 0

    def add(self, rows: Rows) -> None:
        """Add the rows of the next piece."""
        carried = None
        if self._waiting is not None:
            waiting = self._waiting
            settled = int(np.searchsorted(waiting.start, waiting.last_pos - 1))
            if settled:
                self._write(waiting, settled)
            if settled < len(waiting):
                carried = waiting.part(settled, len(waiting))
        self._in_order = self._in_order and int(rows.start[0]) > self._written_to
        self._waiting = rows.behind(carried) if carried is not None else rows

    def _write(self, rows: Rows, count: int) -> None:
        """Write the first `count` rows."""
        self._written_to = int(rows.start[count - 1])
        num_groups = max(1, round(count / ROW_GROUP_ROWS))
        for begin, end in pairwise(count * index // num_groups for index in range(num_groups + 1)):
            self._write_group(rows.part(begin, end))

    def _write_group(self, rows: Rows) -> None:
        table = _flat(rows, self._identity.chromosome)
        self._writer.write_table(table, row_group_size=len(table))
        self.num_rows += len(table)

    def finish(self) -> None:
        """Write what waits and close the file."""
        if self._waiting is not None:
            self._write(self._waiting, len(self._waiting))
        self.abandon()
        if not self._in_order:
            self._sort()

    def abandon(self) -> None:
        """Close the file without finishing it."""
        self._writer.close()

    def _sort(self) -> None:
        whole = pl.read_parquet(self.path, glob=False, use_statistics=False)
        rows = parted(whole.sort("start", "code", "rs", maintain_order=True))
        self._writer = parquet_writer(self._folder, self._identity)
        self.num_rows = 0
        self._write(rows, len(rows))
        self.abandon()


def parted(alleles: pl.DataFrame) -> Rows:
    """Return rows of a file with what they share apart.

    Parameters
    ----------
    alleles : DataFrame
        The columns `ALLELES`, or those but `roll_left` and `roll_right`.
    """
    is_snv = pl.col("code") % 5 != 0
    shared = alleles.select(
        *(name for name in DETAILS if name in alleles.columns and name not in ("ref", "alt")),
        pl.when(~is_snv).then("ref").alias("ref"),
        pl.when(~is_snv).then("alt").alias("alt"),
        offset=pl.col("start") + 1 - pl.col("pos"),
    )
    groups = shared.with_row_index("row").group_by(shared.columns, maintain_order=True).agg("row")
    members = groups.with_row_index("number").select("number", "row").explode("row").sort("row")
    return Rows(
        **{name: alleles[name].to_numpy().astype(np.int64) for name in ("start", "code", "rs")},
        detail=members["number"].to_numpy().astype(np.int64),
        details=groups.drop("row"),
        last_pos=0,
    )


class StoreWriter:
    """Write a store's parquet files into a folder, one per chromosome met."""

    def __init__(self, folder: Path, origin: Origin, name: str) -> None:
        self.folder = folder
        self.origin = origin
        self.chromosomes: dict[str, ChromosomeWriter] = {}
        self._name = name
        self._open: str | None = None

    def add(self, chromosome: str, rows: Rows) -> None:
        """Add rows of one chromosome; a chromosome's rows come one after the other.

        Raises
        ------
        SourceError
            Where a chromosome comes back after another one.
        """
        if chromosome != self._open:
            self.open(chromosome)
        self.chromosomes[chromosome].add(rows)

    def open(self, chromosome: str) -> None:
        """Begin a chromosome; one without rows still gets its file."""
        if chromosome in self.chromosomes:
            raise SourceError(
                f"{self._name}: records of {chromosome} stand in several places; expected one "
                "contig after the other.",
                hint="The file's format may have changed; report it.",
            )
        self.finish()
        self.chromosomes[chromosome] = ChromosomeWriter(self.folder, self.origin, chromosome)
        self._open = chromosome

    def finish(self) -> None:
        """Finish the chromosome that is open."""
        if self._open is not None:
            self.chromosomes[self._open].finish()
            self._open = None

    def abandon(self) -> None:
        if self._open is not None:
            self.chromosomes[self._open].abandon()

    def files(self) -> Iterator[tuple[str, Path, int]]:
        """Yield chromosome, path and number of rows of every file."""
        for chromosome, writer in self.chromosomes.items():
            yield chromosome, writer.path, writer.num_rows


def schema_description(columns: Sequence[Column] = ALLELES) -> list[dict[str, Any]]:
    """Return the columns as ``datapackage.json`` lists them: as Frictionless Table Schema has fields."""
    return [
        {
            "name": column.name,
            "type": _table_schema_type(column.dtype),
            "arrow_type": str(column.dtype),
            "constraints": {"required": not column.nullable},
            **({"unit": column.unit} if column.unit else {}),
            "description": column.description,
            "source": column.source,
        }
        for column in columns
    ]


def _table_schema_type(dtype: pa.DataType) -> str:
    if pa.types.is_list(dtype):
        return "array"
    if pa.types.is_boolean(dtype):
        return "boolean"
    if pa.types.is_string(dtype):
        return "string"
    return "integer" if pa.types.is_integer(dtype) else "number"
