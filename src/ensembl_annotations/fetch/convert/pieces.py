"""Read a published VCF in pieces, in bounded memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Generator, Iterator
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


@contextmanager
def expanded_bytes(
    path: Path,
    name: str,
    progress: Callable[[int], object] = lambda _: None,
    sha256: str | None = None,
) -> Iterator[Iterator[bytes]]:
    """Give the decompressed bytes of a published file, in pieces.

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
    limit = max(_ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * path.stat().st_size)

    def read() -> Generator[bytes]:
        total = reported = 0
        with path.open("rb", buffering=0) as file:
            raw = _HashingReader(file)
            handle = open_gzip(cast(BinaryIO, raw))
            while piece := handle.read(READ_BYTES):
                total += len(piece)
                if total > limit:
                    raise SourceError(
                        f"{name}: expands to more than {MAX_EXPANSION} times its size; refused.",
                        hint="The file is not one of Ensembl's; check the mirror.",
                    )
                yield piece
                position = raw.tell()
                progress(position - reported)
                reported = position
            if sha256 is not None and raw.sha256() != sha256:
                raise SourceError(
                    f"{name}: was changed in the download cache while it was converted.",
                    hint="Run the command again.",
                )

    pieces = read()
    try:
        yield pieces
    except GZIP_ERRORS as error:
        raise SourceError(
            f"{name}: the gzip data are cut or corrupt ({error}).",
            hint="Run the command again with --force to fetch it again.",
        ) from error
    finally:
        pieces.close()


def read_header(pieces: Iterator[bytes], name: str) -> tuple[list[str], bytes]:
    """Return the header lines, and the bytes read behind them.

    Raises
    ------
    SourceError
        Where the ``#CHROM`` line is missing.
    """
    data = b""
    for piece in pieces:
        data += piece
        found = _split_header(data)
        if found is not None:
            return found
        if data[:1] != b"#" or len(data) > MAX_LINE_BYTES:
            break
    found = _split_header(data + b"\n")
    if found is None:
        raise SourceError(f"{name}: no #CHROM line; expected a VCF.")
    return found[0], b""


def _split_header(data: bytes) -> tuple[list[str], bytes] | None:
    begin = 0
    while data[begin : begin + 1] == b"#":
        end = data.find(b"\n", begin) + 1
        if end == 0:
            return None
        if data.startswith(b"#CHROM", begin):
            return data[:end].decode("utf-8", "replace").splitlines(), data[end:]
        begin = end
    return None


def cut_pieces(first: bytes, rest: Iterator[bytes], first_line: int, name: str) -> Iterator[Piece]:
    """Yield pieces of `PIECE_BYTES`, to the line's end; how the bytes were read does not matter.

    Raises
    ------
    SourceError
        Where a line is longer than any of Ensembl's can be.
    """
    waiting: list[bytes] = []
    num_bytes = open_bytes = 0

    def chunks() -> Iterator[bytes]:
        if first:
            yield first
        yield from rest

    for chunk in chunks():
        begin = 0
        while end := chunk.find(b"\n", begin + max(0, PIECE_BYTES - num_bytes - 1)) + 1:
            waiting.append(chunk[begin:end])
            data = b"".join(waiting)
            yield Piece(data, first_line)
            first_line += _count_lines(data)
            waiting, num_bytes, begin = [], 0, end
        waiting.append(chunk[begin:])
        num_bytes += len(chunk) - begin
        last = chunk.rfind(b"\n") + 1
        open_bytes = len(chunk) - last if last else open_bytes + len(chunk)
        if open_bytes > MAX_LINE_BYTES:
            raise SourceError(
                f"{name}, line {first_line + _count_lines(b''.join(waiting))}: is longer than "
                f"{MAX_LINE_BYTES >> 20} MiB; expected a record.",
                hint="The file is not one of Ensembl's; check the mirror.",
            )
    data = b"".join(waiting)
    if data:
        yield Piece(data if data.endswith(b"\n") else data + b"\n", first_line)


def _count_lines(data: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))
