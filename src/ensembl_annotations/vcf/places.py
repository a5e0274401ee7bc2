"""Make a CSI or TBI index while the VCF is written: from the places of records, not by reading it again.

A *spot* is records that follow one another in one bin: which run they are of, the bin, and where
their text begins and ends. A *rise* is a window that no record before reaches: the run, the
window, and where the first record that reaches it begins. The kernel finds both.

Source of both formats: the SAM/BAM and tabix specifications, and CSIv1, of hts-specs.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import accumulate
from typing import Protocol

from ensembl_annotations.vcf.bgzf import BLOCK_BYTES, BgzfWriter, compress_bgzf
from ensembl_annotations.vcf.order import Run

_SHIFT = 14
_CSI_DEPTH, _TBI_DEPTH = 6, 5
_VCF_COLUMNS = struct.pack("<6i", 2, 1, 2, 0, ord("#"), 0)
# A bin whose records take less of the file than about a block is not worth an entry of its own.
_MIN_BIN_BYTES = 1 << 14

Spot = tuple[int, int, int, int]
Rise = tuple[int, int, int]


@dataclass(frozen=True)
class Places:
    """Where the records of a piece are in its text, in order; runs are counted from 0."""

    runs: Sequence[Run]
    spots: Iterable[Spot]
    rises: Iterable[Rise]


@dataclass(slots=True)
class _Contig:
    """Where the records of a contig are in the whole text; in order, as what `Places` has."""

    num_records: int = 0
    spots: list[tuple[int, int, int]] = field(default_factory=list)
    windows: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)


def depth_of(kind: str) -> int:
    """Return how many levels of bins an index has below the first."""
    return _CSI_DEPTH if kind == "csi" else _TBI_DEPTH


def _first_bin(level: int) -> int:
    return ((1 << 3 * level) - 1) // 7


class TabixIndex:
    """Collects the places of records, in order, and returns the index of a sorted file.

    Parameters
    ----------
    kind : str
        ``csi`` or ``tbi``.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._contigs: dict[str, _Contig] = {}

    def add(self, places: Places, base: int) -> None:
        """Add the records of a text that begins at `base` of the uncompressed file."""
        contigs = [self._contigs.setdefault(run.name, _Contig()) for run in places.runs]
        for run, contig in zip(places.runs, contigs, strict=True):
            contig.num_records += run.num_records
        for number, bin_number, begin, end in places.spots:
            spots = contigs[number].spots
            if spots and spots[-1][0] == bin_number:
                spots[-1] = (bin_number, spots[-1][1], base + end)
            else:
                spots.append((bin_number, base + begin, base + end))
        for number, window, begin in places.rises:
            contig = contigs[number]
            if not contig.windows or window > contig.windows[-1]:
                contig.windows.append(window)
                contig.begins.append(base + begin)

    def content(self, written: BgzfWriter) -> bytes:
        """Return the index file of what was written."""
        names = b"".join(name.encode() + b"\0" for name in self._contigs)
        about = _VCF_COLUMNS + struct.pack("<i", len(names)) + names
        count = struct.pack("<i", len(self._contigs))
        if self._kind == "csi":
            head = b"CSI\1" + struct.pack("<3i", _SHIFT, _CSI_DEPTH, len(about)) + about + count
        else:
            head = b"TBI\1" + count + about
        addresses = [0, *accumulate(written.block_sizes)]

        def virtual(place: int) -> int:
            # Where the input's last line had no newline, the output's has none.
            block, within = divmod(min(place, written.num_bytes), BLOCK_BYTES)
            return addresses[block] << 16 | within

        body = [
            part for contig in self._contigs.values() for part in self._entries(contig, virtual)
        ]
        return compress_bgzf(b"".join([head, *body, struct.pack("<Q", 0)]))

    def _entries(self, contig: _Contig, virtual: _Virtual) -> Iterator[bytes]:
        depth = depth_of(self._kind)
        bins: dict[int, list[tuple[int, int]]] = {}
        for number, begin, end in contig.spots:
            bins.setdefault(number, []).append((virtual(begin), virtual(end)))
        first, last = bins[contig.spots[0][0]][0][0], bins[contig.spots[-1][0]][-1][1]
        _lift(bins)
        begins = [virtual(begin) for begin in contig.begins]
        yield struct.pack("<i", len(bins) + 1)
        yield self._head(_first_bin(depth + 1) + 1, 0, 2)
        yield struct.pack("<4Q", first, last, contig.num_records, 0)
        for number in sorted(bins):
            level = next(item for item in range(depth, -1, -1) if number >= _first_bin(item))
            window = number - _first_bin(level) << 3 * (depth - level)
            chunks = _merged(sorted(bins[number]))
            yield self._head(number, begins[bisect_left(contig.windows, window)], len(chunks))
            yield struct.pack(f"<{2 * len(chunks)}Q", *(edge for chunk in chunks for edge in chunk))
        if self._kind == "tbi":
            every = range(contig.windows[-1] + 1)
            lowest = [begins[bisect_left(contig.windows, window)] for window in every]
            yield struct.pack(f"<i{len(lowest)}Q", len(lowest), *lowest)

    def _head(self, number: int, lowest: int, num_chunks: int) -> bytes:
        if self._kind == "csi":
            return struct.pack("<IQi", number, lowest, num_chunks)
        return struct.pack("<Ii", number, num_chunks)


class _Virtual(Protocol):
    """From a place in the text to BGZF's virtual offset."""

    def __call__(self, place: int, /) -> int: ...


def _lift(bins: dict[int, list[tuple[int, int]]]) -> None:
    """Put the chunks of small bins into the bin above."""
    # From the highest number on: deeper bins come before those above them.
    waiting = [-number for number in bins]
    heapify(waiting)
    while waiting and (number := -heappop(waiting)):
        chunks = bins[number]
        first = min(chunks)[0] >> 16
        if max(end for _, end in chunks) >> 16 >= first + _MIN_BIN_BYTES:
            continue
        above = (number - 1) // 8
        if above not in bins:
            bins[above] = []
            heappush(waiting, -above)
        bins[above] += bins.pop(number)


def _merged(chunks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return chunks where those that share a block, or follow one another, are one."""
    found = chunks[:1]
    for begin, end in chunks[1:]:
        if begin >> 16 > found[-1][1] >> 16:
            found.append((begin, end))
        else:
            found[-1] = (found[-1][0], end)
    return found
