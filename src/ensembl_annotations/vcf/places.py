"""Make a CSI or TBI index while the VCF is written: from the places of records, not by reading it again.

A *spot* is records that follow one another in one bin: which run they are of, the bin, and where
their text begins and ends. A *rise* is a window that no record before reaches: the run, the
window, and where the first record that reaches it begins. The kernel finds both.

Source of both formats: the SAM/BAM and tabix specifications, and CSIv1, of hts-specs.
"""

import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate, groupby
from operator import itemgetter
from typing import NamedTuple

from ensembl_annotations.vcf.bgzf import BLOCK_BYTES, BgzfWriter, compress_bgzf
from ensembl_annotations.vcf.order import Run

_SHIFT = 14
DEPTH = 6
"""How many levels of bins a CSI has below the first; a TBI has one less."""

_TBI_WINDOWS = 1 << 15
_VCF_COLUMNS = struct.pack("<6i", 2, 1, 2, 0, ord("#"), 0)
# A bin whose records take less of the file than about a block is not worth an entry of its own.
_MIN_BIN_BYTES = 1 << 14

Spot = tuple[int, int, int, int]
Rise = tuple[int, int, int]


class Places(NamedTuple):
    """Where the records of a piece are in its text, in order; runs are counted from 0."""

    runs: Sequence[Run]
    spots: Iterable[Spot]
    rises: Iterable[Rise]


def _first_bin(level: int) -> int:
    return ((1 << 3 * level) - 1) // 7


def _level(number: int) -> int:
    # The last level whose first bin is no later: 8 ** level <= 7 * number + 1.
    return ((7 * number + 1).bit_length() - 1) // 3


def _bin_of_tbi(number: int) -> int:
    """Return which bin of a TBI is a bin of a CSI: its tree is the first branch of the CSI's."""
    level = _level(number)
    return number - _first_bin(level) + _first_bin(level - 1) if level else 0


class TabixIndex:
    """Collects the places of records, in order, and returns the index of a sorted file.

    Notes
    -----
    The places are those of a CSI: which kind of index a file can have is known at its end.
    """

    def __init__(self) -> None:
        # Flat, for a file may have 500,000 contigs: numbers of contig, bin, begin and end of each spot,
        # and of contig, window and begin of each rise, as `Places` has them, in the whole text.
        self._names, self._last_name = bytearray(), ""
        self._num_records, self._spots, self._rises = array("q"), array("q"), array("q")

    def add(self, places: Places, base: int) -> None:
        """Add the records of a text that begins at `base` of the uncompressed file."""
        contigs = [self._contig(run) for run in places.runs]
        spots, rises = self._spots, self._rises
        for number, bin_number, begin, end in places.spots:
            if spots and (spots[-4], spots[-3]) == (contigs[number], bin_number):
                spots[-1] = base + end
            else:
                spots.extend((contigs[number], bin_number, base + begin, base + end))
        for number, window, begin in places.rises:
            if not rises or rises[-3] != contigs[number] or window > rises[-2]:
                rises.extend((contigs[number], window, base + begin))

    def _contig(self, run: Run) -> int:
        """Count the records of a run and return the number of its contig; contigs stay together."""
        if not self._num_records or run.name != self._last_name:
            self._names += run.name.encode() + b"\0"
            self._last_name = run.name
            self._num_records.append(0)
        self._num_records[-1] += run.num_records
        return len(self._num_records) - 1

    def content(self, written: BgzfWriter, kind: str) -> bytes:
        """Return the index file of what was written: a ``csi``, or ``tbi``."""
        about = _VCF_COLUMNS + struct.pack("<i", len(self._names)) + self._names
        count = struct.pack("<i", len(self._num_records))
        if kind == "csi":
            head = b"CSI\1" + struct.pack("<3i", _SHIFT, DEPTH, len(about)) + about + count
        else:
            head = b"TBI\1" + count + about
        addresses = array("q", accumulate(written.block_sizes, initial=0))

        def virtual(place: int) -> int:
            # Where the input's last line had no newline, the output's has none.
            block, within = divmod(min(place, written.num_bytes), BLOCK_BYTES)
            return addresses[block] << 16 | within

        body = bytearray(head)
        rises = groupby(_rows(self._rises, 3), itemgetter(0))
        for (number, spots), (_, raised) in zip(
            groupby(_rows(self._spots, 4), itemgetter(0)), rises, strict=True
        ):
            for part in _entries(self._num_records[number], [*spots], [*raised], virtual, kind):
                body += part
        return compress_bgzf(bytes(body + struct.pack("<Q", 0)))


def _entries(
    num_records: int,
    spots: list[tuple[int, ...]],
    rises: list[tuple[int, ...]],
    virtual: Callable[[int], int],
    kind: str,
) -> Iterator[bytes]:
    """Yield what an index has of a contig; `virtual` returns BGZF's offset of a place in the text."""
    is_csi = kind == "csi"
    depth = DEPTH if is_csi else DEPTH - 1
    bins: dict[int, list[tuple[int, int]]] = {}
    for _, number, begin, end in spots:
        chunks = bins.setdefault(number if is_csi else _bin_of_tbi(number), [])
        chunks.append((virtual(begin), virtual(end)))
    first, last = virtual(spots[0][2]), virtual(spots[-1][3])
    _lift(bins)
    windows, begins = [item[1] for item in rises], [virtual(item[2]) for item in rises]
    yield struct.pack("<i", len(bins) + 1)
    yield _head(_first_bin(depth + 1) + 1, 0, 2, kind)
    yield struct.pack("<4Q", first, last, num_records, 0)
    for number in sorted(bins):
        level = _level(number)
        window = number - _first_bin(level) << 3 * (depth - level)
        chunks = _merged(sorted(bins[number]))
        yield _head(number, begins[bisect_left(windows, window)], len(chunks), kind)
        yield struct.pack(f"<{2 * len(chunks)}Q", *(edge for chunk in chunks for edge in chunk))
    if not is_csi:
        ends = [min(window + 1, _TBI_WINDOWS) for window in windows]
        yield struct.pack("<i", ends[-1])
        # A window has the place of the first record that reaches it, or one behind.
        for begin, end, lowest in zip([0, *ends], ends, begins, strict=False):
            yield struct.pack("<Q", lowest) * (end - begin)


def _head(number: int, lowest: int, num_chunks: int, kind: str) -> bytes:
    if kind == "csi":
        return struct.pack("<IQi", number, lowest, num_chunks)
    return struct.pack("<Ii", number, num_chunks)


def _rows(numbers: "array[int]", width: int) -> Iterator[tuple[int, ...]]:
    """Yield the numbers in rows of so many."""
    return zip(*[iter(numbers)] * width, strict=True)


def _lift(bins: dict[int, list[tuple[int, int]]]) -> None:
    """Put the chunks of small bins into the bin above."""
    # From the highest number on: deeper bins come before those above them.
    waiting = [-number for number in bins]
    heapify(waiting)
    while waiting and (number := -heappop(waiting)):
        chunks = bins[number]
        # They don't overlap: the last to begin is the last to end.
        if max(chunks)[1] >> 16 >= (min(chunks)[0] >> 16) + _MIN_BIN_BYTES:
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
