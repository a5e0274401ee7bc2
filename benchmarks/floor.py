"""The floor of `annotate`: start, decompress the query, unpack the store's keys, compress the answer.

No line is parsed and nothing is joined: what is left is work that no engine on these files, with these libraries,
can avoid. The answer is ready as text, and so are the numbers of the row groups that have a position of the
query; `Workshop.floor_input` makes both. No index is made.

    floor.py QUERY TABLE LIBRARY GROUPS ANSWER OUT
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from isal import igzip

from ensembl_annotations.vcf.bgzf import BLOCK_BYTES, EOF_BLOCK, compress_blocks

THREADS = 2
LEVEL = 1
GROUP_BLOCKS = 16
# More than the kernel's structure of that name has.
PROBLEM_BYTES = 1024


def block_groups(data: bytes) -> list[tuple[int, int]]:
    """Return where groups of BGZF blocks begin and end."""
    edges, at, number = [0], 0, 0
    while at < len(data):
        # The first extra field of a BGZF block holds its size less one.
        at += struct.unpack_from("<H", data, at + 16)[0] + 1
        number += 1
        if number % GROUP_BLOCKS == 0:
            edges.append(at)
    if edges[-1] != len(data):
        edges.append(len(data))
    return list(pairwise(edges))


class Keys:
    """The keys of a store's file, unpacked a row group at a time."""

    def __init__(self, library: Path, table: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        opened = self._library.kernel_open_table
        opened.restype = ctypes.c_void_p
        self._handle = table.open("rb")  # as long as the process
        size = self._handle.seek(-8, os.SEEK_END) + 8
        (footer_bytes,) = struct.unpack("<I", self._handle.read(4))
        self._handle.seek(size - 8 - footer_bytes)
        footer = self._handle.read(footer_bytes)
        self._table = ctypes.c_void_p(
            opened(
                self._handle.fileno(), 0, ctypes.c_int64(size), footer, ctypes.c_int64(len(footer)),
                ctypes.create_string_buffer(PROBLEM_BYTES),
            )
        )  # fmt: skip
        if not self._table:
            sys.exit(f"{table}: can't be opened by the kernel.")

    def unpack(self, group: int) -> None:
        problem = ctypes.create_string_buffer(PROBLEM_BYTES)
        if self._library.floor_unpack(self._table, group, problem):
            raise SystemExit(f"Row group {group}: its keys can't be unpacked.")


def main(query: Path, table: Path, library: Path, groups: Path, answer: Path, out: Path) -> None:
    keys = Keys(library, table)
    data = query.read_bytes()
    numbers = [int(number) for number in groups.read_text().split()]
    with answer.open("rb") as handle:
        text = memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    step = GROUP_BLOCKS * BLOCK_BYTES
    with ThreadPoolExecutor(THREADS) as pool, out.open("wb") as handle:
        inflated = pool.map(
            lambda edge: len(igzip.decompress(data[slice(*edge)])), block_groups(data)
        )
        unpacked = pool.map(keys.unpack, numbers)
        packed = pool.map(
            lambda at: compress_blocks(text[at : at + step], LEVEL), range(0, len(text), step)
        )
        sum(inflated)
        list(unpacked)
        for blocks in packed:
            handle.writelines(blocks)
        handle.write(EOF_BLOCK)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
