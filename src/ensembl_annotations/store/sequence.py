"""The sequence of a chromosome in the store: written in rows of a fixed number of bases, read as an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.store.describe import FileIdentity
from ensembl_annotations.store.write import parquet_writer
from ensembl_annotations.variants.roll import Bases
from ensembl_annotations.variants.schema import SEQUENCE_ROW_BASES, SEQUENCE_SCHEMA

_ROWS_PER_GROUP = 64


class SequenceWriter:
    """Write one sequence to parquet, in rows of a fixed number of bases."""

    def __init__(self, folder: Path, identity: FileIdentity) -> None:
        self._writer = parquet_writer(folder, identity)
        self._start = 0
        self._rest = bytearray()

    def add(self, bases: bytes) -> None:
        self._rest += bases
        group = _ROWS_PER_GROUP * SEQUENCE_ROW_BASES
        while len(self._rest) >= group:
            self._write(bytes(self._rest[:group]))
            del self._rest[:group]

    def _write(self, bases: bytes) -> None:
        text = bases.decode("ascii")
        begins = range(0, len(text), SEQUENCE_ROW_BASES)
        table = pa.table(
            {
                "start": [self._start + begin for begin in begins],
                "bases": [text[begin : begin + SEQUENCE_ROW_BASES] for begin in begins],
            },
            schema=SEQUENCE_SCHEMA,
        )
        self._writer.write_table(table, row_group_size=_ROWS_PER_GROUP)
        self._start += len(text)

    def finish(self) -> int:
        """Close the file and return how many bases it has."""
        if self._rest:
            self._write(bytes(self._rest))
        self._writer.close()
        return self._start


def load_sequence(path: Path) -> Bases:
    """Return a sequence file's bases as one array, a byte a base."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        last = file.metadata.num_row_groups - 1
        if last < 0:
            return np.zeros(0, np.uint8)
        tail = file.read_row_group(last)
        length = tail["start"][-1].as_py() + len(tail["bases"][-1].as_py())
        sequence = np.empty(length, np.uint8)
        for group in range(last + 1):
            table = file.read_row_group(group)
            for start, bases in zip(table["start"].to_pylist(), table["bases"], strict=True):
                buffer = bases.as_buffer()
                sequence[start : start + len(buffer)] = np.frombuffer(buffer, np.uint8)
    return sequence
