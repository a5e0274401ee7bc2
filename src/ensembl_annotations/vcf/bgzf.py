"""Gzip and BGZF, the blocked gzip of bgzip and tabix: open, compress, write, check."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

import deflate
from isal import igzip, isal_zlib

BLOCK_BYTES = 65280
"""Uncompressed bytes per block, as bgzip writes them: a stored block still fits 64 KiB."""

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that marks a complete file. Source: SAM specification, section 4.1.2."""

GZIP_ERRORS = cast(
    tuple[type[Exception], ...],
    (EOFError, zlib.error, isal_zlib.IsalError, gzip.BadGzipFile),
)
"""What reading a gzip file that is cut or corrupt can raise."""

_HEADER = bytes.fromhex("1f8b08040000000000ff060042430200")
_GROUP_BYTES = BLOCK_BYTES * 16


def open_gzip(source: Path | BinaryIO) -> BinaryIO:
    """Open a gzip or BGZF file for reading; see `GZIP_ERRORS` for what that can raise."""
    return cast(BinaryIO, igzip.open(source, "rb"))  # type: ignore[no-untyped-call]


def compress_blocks(data: bytes | bytearray | memoryview, level: int) -> list[bytes]:
    """Compress `data` into BGZF blocks, without the end-of-file block.

    The bytes depend only on `data`, `level` and the libdeflate of the lock file, so two
    machines write the same file.
    """
    blocks = []
    view = memoryview(data)
    for begin in range(0, len(view), BLOCK_BYTES):
        block = view[begin : begin + BLOCK_BYTES]
        body = bytes(deflate.deflate_compress(block, level))
        size = struct.pack("<H", len(body) + 25)
        check = struct.pack("<II", deflate.crc32(block), len(block))
        blocks.append(b"".join((_HEADER, size, body, check)))
    return blocks


def compress_bgzf(data: bytes, level: int = 6) -> bytes:
    """Return `data` as a whole BGZF file, end-of-file block included."""
    return b"".join([*compress_blocks(data, level), EOF_BLOCK])


class BgzfWriter:
    """Write BGZF to an open binary file, compressing on several threads, in order.

    Parameters
    ----------
    handle : BinaryIO
        Where the blocks go; the caller closes it.
    level : int
        1 (fast) to 12 (small), libdeflate's levels.
    threads : int
        How many threads compress.

    Attributes
    ----------
    num_bytes : int
        How much was written, uncompressed.
    block_sizes : list of int
        The compressed size of each block so far; all but the last hold `BLOCK_BYTES`.

    Notes
    -----
    At most ``2 * threads`` groups of 1 MB wait at a time, so memory stays bounded. Call
    `finish` for the end-of-file block: a file without it reads as truncated, on purpose.
    """

    def __init__(self, handle: BinaryIO, *, level: int = 1, threads: int = 2) -> None:
        self._handle = handle
        self._level = level
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bgzf")
        self._waiting: deque[Future[list[bytes]]] = deque()
        self._limit = 2 * threads
        self._rest = bytearray()
        self.num_bytes = 0
        self.block_sizes: list[int] = []

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes that stay as they are until `finish`."""
        self.num_bytes += len(data)
        # Whole groups are compressed where they are, without a copy.
        view = memoryview(data)
        if self._rest:
            missing = _GROUP_BYTES - len(self._rest)
            self._rest += view[:missing]
            view = view[missing:]
            if len(self._rest) == _GROUP_BYTES:
                self._submit(self._rest)
                self._rest = bytearray()
        while len(view) >= _GROUP_BYTES:
            self._submit(view[:_GROUP_BYTES])
            view = view[_GROUP_BYTES:]
        self._rest += view

    def _submit(self, group: bytearray | memoryview) -> None:
        self._waiting.append(self._pool.submit(compress_blocks, group, self._level))
        while len(self._waiting) > self._limit:
            self._write_next()

    def _write_next(self) -> None:
        self._write(self._waiting.popleft().result())

    def _write(self, blocks: list[bytes]) -> None:
        self._handle.write(b"".join(blocks))
        self.block_sizes += map(len, blocks)

    def finish(self) -> None:
        """Write everything that waits, then the end-of-file block."""
        # Here, while others compress what is before: little text needs no thread.
        blocks = compress_blocks(self._rest, self._level)
        while self._waiting:
            self._write_next()
        self._write(blocks)
        self._handle.write(EOF_BLOCK)
        self._pool.shutdown()

    def abandon(self) -> None:
        """Stop the threads without finishing the file."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def is_bgzf(head: bytes) -> bool:
    """Tell from a file's first 18 bytes whether it is BGZF."""
    return head[:4] == b"\x1f\x8b\x08\x04" and head[12:16] == b"BC\x02\x00"


def has_eof_block(path: Path) -> bool:
    """Tell whether the file ends with the BGZF end-of-file block."""
    with path.open("rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        if size < len(EOF_BLOCK):
            return False
        handle.seek(size - len(EOF_BLOCK))
        return handle.read() == EOF_BLOCK
