"""Write the reference store: parquet per chromosome, byte for byte the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
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
from ensembl_annotations.store.describe import FileIdentity, Origin
from ensembl_annotations.variants.schema import (
    ALLELES_SCHEMA,
    DETAILS_SCHEMA,
    ROLES,
    ROW_GROUP_ROWS,
)

Numbers = npt.NDArray[np.int64]


@dataclass
class Rows:
    """Alleles of one contig, sorted by (start, code), and their details.

    Attributes
    ----------
    start, code, rs : int64 or uint32 arrays
        As in the alleles file.
    detail : int64 array
        The row in `details`, numbered in order of appearance.
    details : DataFrame
        The columns of the details file.
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
        order = np.lexsort((code[few], start[few]))
        for values in (start, code, rs, detail):
            values[few] = values[few][order]
        details = pl.concat([earlier.details, self.details])
        return Rows(start, code, rs, detail, details, max(self.last_pos, earlier.last_pos))


def parquet_writer(folder: Path, identity: FileIdentity) -> pq.ParquetWriter:
    """Open a store's parquet file: encodings as its columns say, checksums, what it is in the footer."""
    columns = ROLES[identity.role]
    writer = pq.ParquetWriter(
        folder / identity.file_name,
        pa.schema([column.field for column in columns]),
        compression={column.name: column.codec for column in columns},
        use_dictionary=[column.name for column in columns if column.dictionary],
        column_encoding={
            column.name: column.encoding for column in columns if not column.dictionary
        },
        write_statistics=[column.name for column in columns if column.statistics],
        write_page_checksum=True,
        store_schema=False,
    )
    writer.add_key_value_metadata(identity.as_metadata())
    return writer


class ChromosomeWriter:
    """Write the alleles file and the details file of one chromosome, piece by piece.

    Notes
    -----
    Rows come in order of POS, as published. A piece waits for the next one, to which it leaves the
    rows that a later record can precede. Should a file turn out not to be in order, it is sorted as a whole at the end.
    """

    def __init__(self, folder: Path, origin: Origin, chromosome: str) -> None:
        self._folder = folder
        self._identities = {
            role: FileIdentity.of(origin, chromosome, role) for role in ("alleles", "details")
        }
        self.paths = {
            role: folder / identity.file_name for role, identity in self._identities.items()
        }
        self._open()
        self._waiting: Rows | None = None
        self._written_to = -2
        self._num_details = 0
        self._in_order = True

    def _open(self) -> None:
        self._writers = {
            role: parquet_writer(self._folder, identity)
            for role, identity in self._identities.items()
        }

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
        alleles = pa.table(
            {
                "start": rows.start.astype(np.int32),
                "code": rows.code.astype(np.uint32),
                "rs": rows.rs.astype(np.uint32),
                "detail": (rows.detail + self._num_details).astype(np.int32),
            },
            schema=ALLELES_SCHEMA,
        )
        details = (
            rows.details.select(DETAILS_SCHEMA.names)
            .to_arrow(compat_level=pl.CompatLevel.newest())
            .cast(DETAILS_SCHEMA)
        )
        self._num_details += len(details)
        for role, table in (("alleles", alleles), ("details", details)):
            self._writers[role].write_table(table, row_group_size=len(table))

    def finish(self) -> None:
        """Write what waits and close the files."""
        if self._waiting is not None:
            self._write(self._waiting, len(self._waiting))
        self.abandon()
        if not self._in_order:
            self._sort()

    def abandon(self) -> None:
        """Close the files without finishing them."""
        for writer in self._writers.values():
            writer.close()

    def _sort(self) -> None:
        alleles = pl.read_parquet(self.paths["alleles"], glob=False, use_statistics=False)
        details = pl.read_parquet(self.paths["details"], glob=False, use_statistics=False)
        alleles = alleles.sort("start", "code", maintain_order=True)
        whole = Rows(
            **{name: alleles[name].to_numpy().astype(np.int64) for name in ALLELES_SCHEMA.names},
            details=details,
            last_pos=0,
        )
        self._open()
        self._num_details = 0
        self._write(whole, len(whole))
        self.abandon()


class StoreWriter:
    """Write a store's parquet files into a folder, two per chromosome met."""

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
        """Begin a chromosome; one without rows still gets its files."""
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

    def files(self) -> Iterator[tuple[str, str, Path]]:
        """Yield chromosome, role and path of every file."""
        for chromosome, writer in self.chromosomes.items():
            for role, path in writer.paths.items():
                yield chromosome, role, path


def schema_description(role: str) -> list[dict[str, Any]]:
    """Return the columns of a kind of file as ``datapackage.json`` lists them."""
    return [
        {
            "name": column.name,
            "type": str(column.dtype),
            "nullable": column.nullable,
            **({"unit": column.unit} if column.unit else {}),
            "description": column.description,
            "source": column.source,
        }
        for column in ROLES[role]
    ]
