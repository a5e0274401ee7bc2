"""Read a published VCF in pieces, in bounded memory."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.vcf.bgzf import GZIP_ERRORS, open_gzip

READ_BYTES = 4 << 20
PIECE_BYTES = 12 << 20
"""Text that is converted at once, about: so much that what a call costs does not show."""

MAX_LINE_BYTES = 64 << 20
MAX_EXPANSION = 200
"""How many bytes a compressed byte may become; Ensembl's files expand six- to twelve-fold."""

_ALWAYS_ALLOWED_BYTES = 64 << 20


@dataclass(frozen=True)
class Piece:
    """Whole lines of a VCF.

    Attributes
    ----------
    data : bytes
        The lines, each ended by a newline.
    first_line : int
        1-based number of the first one in the file.
    """

    data: bytes
    first_line: int


class _HashingReader(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._raw.readinto(buffer)
        self._digest.update(memoryview(buffer)[:size])
        return size

    def tell(self) -> int:
        return self._raw.tell()

    def sha256(self) -> str:
        """Return the SHA-256 of the whole file."""
        while self.read(READ_BYTES):
            pass
        return self._digest.hexdigest()


class _Expanded(io.RawIOBase):
    """The decompressed bytes of a published file; at the end it is compared with what was verified."""

    def __init__(
        self, file: io.FileIO, name: str, progress: Callable[[int], object], sha256: str | None
    ) -> None:
        self._raw = _HashingReader(file)
        self._expanded = cast(io.BufferedIOBase, open_gzip(cast(BinaryIO, self._raw)))
        self._name, self._progress, self._sha256 = name, progress, sha256
        self._limit = max(_ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * os.fstat(file.fileno()).st_size)
        self._total = self._reported = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._expanded.readinto(buffer)
        self._total += size
        if self._total > self._limit:
            raise SourceError(
                f"{self._name}: expands to more than {MAX_EXPANSION} times its size; refused.",
                hint="The file is not one of Ensembl's; check the mirror.",
            )
        self._progress(self._raw.tell() - self._reported)
        self._reported = self._raw.tell()
        if not size and self._sha256 not in (None, self._raw.sha256()):
            raise SourceError(
                f"{self._name}: was changed in the download cache while it was converted.",
                hint="Run the command again.",
            )
        return size


@contextmanager
def open_expanded(
    path: Path,
    name: str,
    progress: Callable[[int], object] = lambda _: None,
    sha256: str | None = None,
) -> Iterator[BinaryIO]:
    """Open a published file for reading, decompressed.

    Parameters
    ----------
    path : Path
        The gzip file.
    name : str
        Its name, for messages.
    progress : callable
        Called with the number of compressed bytes read since the last call.
    sha256 : str, optional
        Of the file that was verified; default: not compared.

    Raises
    ------
    SourceError
        Where the gzip data are cut, corrupt, or expand beyond reason; at the end, where the file
        is not the one that was verified.
    """
    try:
        with path.open("rb", buffering=0) as file:
            text = _Expanded(file, name, progress, sha256)
            yield cast(BinaryIO, io.BufferedReader(text, READ_BYTES))
    except GZIP_ERRORS as error:
        raise SourceError(
            f"{name}: the gzip data are cut or corrupt ({error}).",
            hint="Run the command again with --force to fetch it again.",
        ) from error


def read_header(text: BinaryIO, name: str) -> list[str]:
    """Return the header lines.

    Raises
    ------
    SourceError
        Where the ``#CHROM`` line is missing.
    """
    lines: list[bytes] = []
    while not lines or not lines[-1].startswith(b"#CHROM"):
        lines.append(text.readline(MAX_LINE_BYTES))
        if not lines[-1].startswith(b"#") or sum(map(len, lines)) > MAX_LINE_BYTES:
            raise SourceError(f"{name}: no #CHROM line; expected a VCF.")
    return [line.decode("utf-8", "replace").rstrip("\r\n") for line in lines]


def cut_pieces(text: BinaryIO, first_line: int, name: str) -> Iterator[Piece]:
    """Yield pieces of `PIECE_BYTES`, to the line's end; how the bytes were read does not matter.

    Raises
    ------
    SourceError
        Where a line is longer than any of Ensembl's can be.
    """
    while data := text.read(PIECE_BYTES):
        if not data.endswith(b"\n"):
            data += text.readline(MAX_LINE_BYTES)
        num_lines = _count_lines(data)
        if not data.endswith(b"\n"):
            if len(data) - data.rfind(b"\n") > MAX_LINE_BYTES:
                raise SourceError(
                    f"{name}, line {first_line + num_lines}: is longer than "
                    f"{MAX_LINE_BYTES >> 20} MiB; expected a record.",
                    hint="The file is not one of Ensembl's; check the mirror.",
                )
            data += b"\n"
        yield Piece(data, first_line)
        first_line += num_lines


def _count_lines(data: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))
