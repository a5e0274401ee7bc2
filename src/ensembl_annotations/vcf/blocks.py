"""Parts of a BGZF file that are read independently: whole blocks, and whole lines of their text.

A *part* goes from the begin of a block to that of a later one. To a part belong the lines that begin behind a
line end within it: so each line belongs to one part, the one behind the last line end to the part before. Where
blocks begin is guessed from their headers, and is no matter of trust: who reads a part from its begin, which the
one before has arrived at, arrives at its end or refuses the file.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import deflate

from ensembl_annotations.vcf.bgzf import is_bgzf

_MAX_BLOCK_BYTES = 1 << 16
_HEAD = re.compile(rb"\x1f\x8b\x08\x04.{6}\x06\x00BC\x02\x00..", re.DOTALL)
_HEAD_BYTES = 18
# Blocks that tell how well a file packs: 4 MB of text.
_LOOKED_AT = 64
_EXTRA_AT, _SIZE_AT, _BODY_AT = 10, 16, 12


class Blocks(NamedTuple):
    """A part of a BGZF file.

    Attributes
    ----------
    begin, end : int
        Bytes of the file: where its first block begins, and the first of the next part.
    skip : int or None
        How much of the text, from the first block on, lies before the first line that belongs to it; None: up to
        the first line end.
    done : int
        How much of the text behind that was read before.
    """

    begin: int
    end: int
    skip: int | None = None
    done: int = 0


class CutError(zlib.error):
    """What should be a block is none."""


def read_block(handle: BinaryIO) -> tuple[bytes, int]:
    """Return the text of the next block and its bytes in the file; nothing, and 0, at the end of the file.

    Raises
    ------
    zlib.error, EOFError
        Where the block is corrupt or cut.
    """
    head = handle.read(_HEAD_BYTES)
    if not head:
        return b"", 0
    if not is_bgzf(head):
        raise CutError(f"expected a BGZF block, found {head[:4].hex()}")
    (extra,) = struct.unpack_from("<H", head, _EXTRA_AT)
    size = struct.unpack_from("<H", head, _SIZE_AT)[0] + 1
    block = head + handle.read(size - len(head))
    if len(block) < size:
        raise EOFError("a block ends before its end")
    check, num_bytes = struct.unpack_from("<II", block, size - 8)
    try:
        text = bytes(deflate.deflate_decompress(block[_BODY_AT + extra : -8], num_bytes))
    except deflate.DeflateError as error:
        raise CutError(str(error)) from error
    if len(text) != num_bytes or deflate.crc32(text) != check:
        raise CutError("the checksum of a block differs")
    return text, size


class PartText(io.RawIOBase):
    """The text of the lines that belong to a part, as a stream; see `read_block` for what reading can raise."""

    def __init__(self, handle: BinaryIO, part: Blocks) -> None:
        self._rest = memoryview(b"")
        self._texts = _dropped(_lines(handle, part), part.done)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            text = next(self._texts, None)
            if text is None:
                return 0
            self._rest = memoryview(text)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _lines(handle: BinaryIO, part: Blocks) -> Iterator[bytes]:
    """Yield the text of a part's lines, block by block."""
    at, skip = part.begin, part.skip
    handle.seek(at)
    is_searching = skip is None
    while at < part.end:
        text, size = read_block(handle)
        at += size
        if not size:
            break
        if is_searching:
            behind = text.find(b"\n") + 1
            if not behind:
                continue
            is_searching, text = False, text[behind:]
        elif skip:
            text, skip = text[skip:], max(skip - len(text), 0)
        yield text
    if at != part.end:
        raise CutError(f"expected a block to end at byte {part.end}, found {at}")
    # The line behind the last line end belongs to this part, too.
    size = 0 if is_searching else 1
    while size:
        text, size = read_block(handle)
        behind = text.find(b"\n") + 1
        yield text[:behind] if behind else text
        if behind:
            return


def _dropped(texts: Iterator[bytes], count: int) -> Iterator[bytes]:
    for text in texts:
        yield text[count:]
        count = max(count - len(text), 0)


def first_record(path: Path, header_bytes: int) -> tuple[int, int]:
    """Return the block in which the text behind a header begins, and how much of its text the header has."""
    with path.open("rb") as handle:
        at, left = 0, header_bytes
        while True:
            text, size = read_block(handle)
            # A header may end with its block.
            if not size or left < len(text):
                return at, left
            left -= len(text)
            at += size


def cut_parts(path: Path, header_bytes: int, text_bytes: int) -> list[Blocks]:
    """Return the parts of a BGZF file behind its header, of about so much text each.

    How much text the file has is taken from its first blocks.
    """
    begin, skip = first_record(path, header_bytes)
    num_bytes = path.stat().st_size
    begins = [begin]
    with path.open("rb") as handle:
        part_bytes = max(int(text_bytes * _share_packed(handle, begin)), 1)
        while (wanted := begins[-1] + part_bytes) < num_bytes:
            begins.append(_next_block(handle, wanted, num_bytes))
    ends = [*begins[1:], num_bytes]
    return [
        Blocks(begin, end, None if number else skip)
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
        if begin < end
    ]


def _share_packed(handle: BinaryIO, begin: int) -> float:
    """Return how large some blocks are as they are packed, as a share of their text."""
    handle.seek(begin)
    blocks = [read_block(handle) for _ in range(_LOOKED_AT)]
    return sum(size for _, size in blocks) / max(sum(len(text) for text, _ in blocks), 1)


def _next_block(handle: BinaryIO, at: int, num_bytes: int) -> int:
    """Return where a block begins at or behind a byte; the end of the file where none is found."""
    handle.seek(at)
    data = handle.read(3 * _MAX_BLOCK_BYTES)
    for match in _HEAD.finditer(data):
        behind = match.start() + struct.unpack_from("<H", data, match.start() + _SIZE_AT)[0] + 1
        if at + behind == num_bytes or _HEAD.match(data, behind):
            return at + match.start()
    return num_bytes
