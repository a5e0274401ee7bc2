"""Read a published VCF in pieces of a fixed number of records, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensembl_annotations.common.bgzf import GZIP_ERRORS, open_gzip
from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.common.schema import ROW_GROUP_RECORDS

READ_BYTES = 4 << 20
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


@contextmanager
def expanded_bytes(
    path: Path, name: str, progress: Callable[[int], object] = lambda _: None
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

    Raises
    ------
    SourceError
        Where the gzip data are cut, corrupt, or expand beyond reason.
    """
    limit = max(_ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * path.stat().st_size)

    def read() -> Iterator[bytes]:
        total = reported = 0
        with path.open("rb") as raw, open_gzip(raw) as handle:
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

    try:
        yield read()
    except GZIP_ERRORS as error:
        raise SourceError(
            f"{name}: the gzip data are cut or corrupt ({error}).",
            hint="Run the command again with --force to fetch it again.",
        ) from error


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
    """Yield pieces of `ROW_GROUP_RECORDS` lines; how the bytes were read does not matter.

    Raises
    ------
    SourceError
        Where a line is longer than any of Ensembl's can be.
    """
    waiting: list[bytes] = []
    lines = waiting_bytes = 0

    def chunks() -> Iterator[bytes]:
        if first:
            yield first
        yield from rest

    for chunk in chunks():
        ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + 1
        begin = used = 0
        while lines + len(ends) - used >= ROW_GROUP_RECORDS:
            used += ROW_GROUP_RECORDS - lines
            end = int(ends[used - 1])
            waiting.append(chunk[begin:end])
            yield Piece(b"".join(waiting), first_line)
            first_line += ROW_GROUP_RECORDS
            waiting, lines, waiting_bytes, begin = [], 0, 0, end
        if begin < len(chunk):
            waiting.append(chunk[begin:])
            waiting_bytes += len(chunk) - begin
            lines += len(ends) - used
        if not lines and waiting_bytes > MAX_LINE_BYTES:
            raise SourceError(
                f"{name}, line {first_line}: is longer than {MAX_LINE_BYTES >> 20} MiB; "
                "expected a record.",
                hint="The file is not one of Ensembl's; check the mirror.",
            )
    data = b"".join(waiting)
    if data:
        yield Piece(data if data.endswith(b"\n") else data + b"\n", first_line)
