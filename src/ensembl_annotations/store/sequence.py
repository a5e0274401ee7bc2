"""The sequence of a chromosome as a .2bit file, which other programs read too: written, and read whole.

A base takes two bits; what is not A, C, G or T is N, kept as runs. Behind the bases, where no other
program looks, stands the CRC-32 of each 4,096 bytes of them: what is looked up is checked, whatever
is not read.

Source: https://genome.ucsc.edu/FAQ/FAQformat.html#format7
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ensembl_annotations._kernel import Sequence2Bit
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.store.describe import (
    BLOCK_BYTES,
    RESTORE_HINT,
    TWOBIT_MAGIC,
    FileIdentity,
    bare_parts,
)
from ensembl_annotations.variants.roll import Bases

_BASES = b"TCAG"
# Of each letter its code; of those that have none, whose lowest two bits are 0, N and others.
_N, _OTHER = 4, 8
_CODE = bytes(
    _BASES.find(letter) if letter in _BASES else _N if letter == ord("N") else _OTHER
    for letter in range(256)
)
# The four letters of each byte of a file, as one number.
_FOUR = np.array(
    [[_BASES[byte >> shift & 3] for shift in (6, 4, 2, 0)] for byte in range(256)], np.uint8
).view(np.uint32)[:, 0]


class SequenceWriter:
    """Write one sequence.

    Attributes
    ----------
    num_other : int
        Letters so far that are neither A, C, G, T nor N, and become N.
    """

    def __init__(self, folder: Path, identity: FileIdentity) -> None:
        self._path = folder / identity.file_name
        self._name = identity.chromosome.encode()
        self._packed = bytearray()
        self._rest = np.zeros(0, np.uint8)
        self._gaps: list[tuple[int, int]] = []
        self._length = 0
        self.num_other = 0

    def add(self, bases: bytes) -> None:
        """Add upper-case letters."""
        codes = np.frombuffer(bases.translate(_CODE), np.uint8)
        is_gap = codes >= _N
        if is_gap.any():
            self.num_other += int(np.count_nonzero(codes == _OTHER))
            self._add_gaps(is_gap)
        self._length += len(codes)
        codes = np.concatenate([self._rest, codes & 3])
        whole = len(codes) - len(codes) % 4
        self._packed += _packed(codes[:whole])
        self._rest = codes[whole:]

    def _add_gaps(self, is_gap: npt.NDArray[np.bool_]) -> None:
        """Note where gaps of the next letters begin and end."""
        edges = np.flatnonzero(np.diff(is_gap, prepend=False, append=False)) + self._length
        for begin, end in edges.reshape(-1, 2).tolist():
            if self._gaps and self._gaps[-1][1] == begin:
                begin = self._gaps.pop()[0]
            self._gaps.append((begin, end))

    def finish(self) -> int:
        """Write the file and return how many bases it has."""
        padding = np.zeros(-len(self._rest) % 4, np.uint8)
        self._packed += _packed(np.concatenate([self._rest, padding]))
        begins = np.array([begin for begin, _ in self._gaps], "<u4")
        lengths = np.array([end - begin for begin, end in self._gaps], "<u4")
        place = 16 + 1 + len(self._name) + 4
        with self._path.open("wb") as out:
            out.write(struct.pack("<4IB", TWOBIT_MAGIC, 0, 1, 0, len(self._name)) + self._name)
            out.write(struct.pack("<3I", place, self._length, len(self._gaps)))
            out.write(begins.tobytes() + lengths.tobytes())
            out.write(struct.pack("<2I", 0, 0))
            out.write(self._packed)
            view = memoryview(self._packed)
            for begin in range(0, len(view), BLOCK_BYTES):
                out.write(struct.pack("<I", zlib.crc32(view[begin : begin + BLOCK_BYTES])))
        return self._length


def _packed(codes: npt.NDArray[np.uint8]) -> bytes:
    """Return codes of two bits, four in a byte: the highest one of their word multiplied."""
    side_by_side = np.uint32(1 << 30 | 1 << 20 | 1 << 10 | 1)
    return (codes.view("<u4") * side_by_side >> np.uint32(24)).astype(np.uint8).tobytes()


@contextmanager
def opened_sequence(path: Path) -> Iterator[Sequence2Bit]:
    """Open a sequence for look-ups of a few bases; what is looked up is checked."""
    with path.open("rb") as handle:
        yield Sequence2Bit(handle.fileno(), 0, *bare_parts(handle))


def load_sequence(path: Path) -> Bases:
    """Return a sequence's bases as one array, a letter a byte.

    Raises
    ------
    ReferenceStoreError
        Where the file is altered.
    """
    with path.open("rb") as handle:
        try:
            head, tail = bare_parts(handle)
        except ValueError as error:
            raise _altered(path, str(error)) from error
        handle.seek(len(head))
        data = handle.read()
    packed = data[: len(data) - len(tail)]
    found = [
        zlib.crc32(packed[begin : begin + BLOCK_BYTES])
        for begin in range(0, len(packed), BLOCK_BYTES)
    ]
    if struct.pack(f"<{len(found)}I", *found) != tail:
        raise _altered(path, "its checksums do not fit")
    at = 16 + 1 + head[16] + 4
    length, num_gaps = struct.unpack_from("<2I", head, at)
    bases = _FOUR[np.frombuffer(packed, np.uint8)].view(np.uint8)[:length]
    edges = np.frombuffer(head, "<u4", 2 * num_gaps, at + 8).reshape(2, -1)
    for begin, count in edges.T.tolist():
        bases[begin : begin + count] = ord("N")
    return bases


def _altered(path: Path, why: str) -> ReferenceStoreError:
    return ReferenceStoreError(f"{path}: can't be read: {why}.", hint=RESTORE_HINT)
