"""Make a CSI or TBI index while the VCF is written: from the places of records, not by reading it again.

Source of both formats: the SAM/BAM and tabix specifications, and CSIv1, of hts-specs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ensembl_annotations.annotate.match import Run
from ensembl_annotations.annotate.read import FORMAT, INFO, REF, SAMPLE, Batch
from ensembl_annotations.common.bgzf import BLOCK_BYTES, BgzfWriter, compress_bgzf
from ensembl_annotations.common.text import Offsets

_SHIFT = 14
_CSI_DEPTH, _TBI_DEPTH = 6, 5
_ENDS = re.compile(rb"[\t;](END|SVLEN)=([-+0-9.,]*[0-9])")
_DIGITS = re.compile(rb"[0-9]+")
_LEN = re.compile(rb"[\t:]LEN[:\t\r\n]")
_VCF_COLUMNS = struct.pack("<6i", 2, 1, 2, 0, ord("#"), 0)
_MOST_DIGITS = 18
# A bin whose records take less of the file than about a block is not worth an entry of its own.
_MIN_BIN_BYTES = 1 << 14


@dataclass(frozen=True)
class Places:
    """Where records that follow one another on a contig are; offsets count uncompressed bytes.

    Attributes
    ----------
    run : Run
        The records.
    bins, begin, end : int64 arrays
        Runs of records in one bin, and where they are in the text.
    last, at : int64 arrays
        Ascending: the last window that any record up to here reaches, and where the first that
        does so begins.
    """

    run: Run
    bins: Offsets
    begin: Offsets
    end: Offsets
    last: Offsets
    at: Offsets

    def moved(self, base: int) -> Places:
        return replace(self, begin=self.begin + base, end=self.end + base, at=self.at + base)


def _depth(kind: str) -> int:
    return _CSI_DEPTH if kind == "csi" else _TBI_DEPTH


def _first_bin(level: int) -> int:
    return ((1 << 3 * level) - 1) // 7


def places_of(batch: Batch, runs: list[Run], text: pa.Buffer, kind: str) -> list[Places]:
    """Return where the records of a batch are in its annotated text, for each run on one contig.

    Notes
    -----
    A record is entered as long as REF, END, SVLEN or LEN make it, whichever reaches farthest:
    programs differ in what they take for a record's end, and each leaves out by its own rule
    what an index offers too much.
    """
    newlines = _newlines(text)
    begin_of = np.concatenate([[0], newlines[:-1] + 1])
    first = np.maximum(batch.pos - 1, 0)
    limit = 1 << _SHIFT + 3 * _depth(kind)
    last = np.minimum(_ends(batch, first), limit) - 1
    found, row = [], 0
    for run in runs:
        part = slice(row, row + run.num_records)
        row += run.num_records
        bins = _bins(first[part], last[part], _depth(kind))
        changes = np.flatnonzero(np.diff(bins)) + 1
        heads = np.concatenate([[0], changes])
        tails = np.concatenate([changes, [len(bins)]]) - 1
        reached = np.maximum.accumulate(last[part] >> _SHIFT)
        rises = np.concatenate([[0], np.flatnonzero(np.diff(reached)) + 1])
        found.append(
            Places(
                run,
                bins[heads],
                begin_of[part][heads],
                newlines[part][tails] + 1,
                reached[rises],
                begin_of[part][rises],
            )
        )
    return found


def _newlines(text: pa.Buffer) -> Offsets:
    codes = np.frombuffer(text, np.uint8)
    step = 1 << 18
    found: Offsets = np.concatenate(
        [np.flatnonzero(codes[at : at + step] == 10) + at for at in range(0, len(codes), step)]
    )
    return found


def _bins(first: Offsets, last: Offsets, depth: int) -> Offsets:
    """Return the smallest bin that holds both, 0-based positions."""
    bins = np.zeros(len(first), np.int64)
    for level in range(1, depth + 1):
        shift = _SHIFT + 3 * (depth - level)
        low = first >> shift
        np.copyto(bins, _first_bin(level) + low, where=low == last >> shift)
    return bins


def _ends(batch: Batch, first: Offsets) -> Offsets:
    """Return the 0-based end (exclusive) of each record: the farthest that any program takes."""
    begin, end = batch.lines.bounds(REF)
    ends: Offsets = first + np.maximum(end - begin, 1)
    data = batch.lines.data
    # Most files have neither, and looking for two letters is the quickest.
    if b"EN" not in data:
        return ends
    if b"END=" in data or b"SVLEN=" in data:
        info, info_end = batch.lines.bounds(INFO)
        for match in _ENDS.finditer(data):
            row = int(np.searchsorted(info, match.start() + 1, "right")) - 1
            if row >= 0 and match.end() <= info_end[row]:
                number = max(int(item[:_MOST_DIGITS]) for item in _DIGITS.findall(match[2]))
                end_of = number if match[1] == b"END" else first[row] + number + 1
                ends[row] = max(ends[row], end_of)
    if len(batch.lines) and int(batch.lines.num_fields[0]) > SAMPLE and b"LEN" in data:
        for row, number in _lengths(batch):
            ends[row] = max(ends[row], first[row] + number)
    return ends


def _lengths(batch: Batch) -> Iterator[tuple[int, int]]:
    """Yield the record and length of the samples' LEN (VCF 4.5: how far a <*> reaches)."""
    data = batch.lines.data
    begin, end = batch.lines.bounds(FORMAT)
    for match in _LEN.finditer(data):
        row = int(np.searchsorted(begin, match.start() + 1, "right")) - 1
        if row < 0 or match.end() - 1 > end[row]:
            continue
        place = data[begin[row] : end[row]].split(b":").index(b"LEN")
        for sample in data[end[row] + 1 : batch.lines.end[row]].rstrip(b"\r").split(b"\t"):
            value = sample.split(b":")[place : place + 1]
            if value and value[0].isdigit():
                yield row, int(value[0][:_MOST_DIGITS])


class TabixIndex:
    """Collects the places of records, in order, and returns the index of a sorted file.

    Parameters
    ----------
    kind : str
        ``csi`` or ``tbi``.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._contigs: dict[str, list[Places]] = {}

    def add(self, places: Iterable[Places], base: int) -> None:
        """Add the records of a text that begins at `base` of the uncompressed file."""
        for place in places:
            self._contigs.setdefault(place.run.name, []).append(place.moved(base))

    def content(self, written: BgzfWriter) -> bytes:
        """Return the index file of what was written."""
        addresses = np.concatenate([[0], np.cumsum(written.block_sizes)]).astype(np.int64)
        names = b"".join(name.encode() + b"\0" for name in self._contigs)
        about = _VCF_COLUMNS + struct.pack("<i", len(names)) + names
        count = struct.pack("<i", len(self._contigs))
        if self._kind == "csi":
            head = b"CSI\1" + struct.pack("<3i", _SHIFT, _CSI_DEPTH, len(about)) + about + count
        else:
            head = b"TBI\1" + count + about
        parts = [head]
        for contig in self._contigs.values():
            parts += self._contig(contig, addresses, written.num_bytes)
        return compress_bgzf(b"".join([*parts, struct.pack("<Q", 0)]))

    def _contig(self, contig: list[Places], addresses: Offsets, num_bytes: int) -> Iterator[bytes]:
        def virtual(offsets: Offsets) -> npt.NDArray[np.uint64]:
            # Where the input's last line had no newline, the output's has none.
            block, within = np.divmod(np.minimum(offsets, num_bytes), BLOCK_BYTES)
            found: npt.NDArray[np.uint64] = (addresses[block] << 16 | within).astype(np.uint64)
            return found

        def joined(name: str) -> Offsets:
            return np.concatenate([getattr(place, name) for place in contig])

        depth = _depth(self._kind)
        begin, end = virtual(joined("begin")), virtual(joined("end"))
        num_records = sum(place.run.num_records for place in contig)
        whole = struct.pack("<4Q", int(begin[0]), int(end[-1]), num_records, 0)
        reached, at = np.maximum.accumulate(joined("last")), virtual(joined("at"))
        bins, begin, end = _merged(*_lifted(joined("bins"), begin, end, depth))
        heads = np.flatnonzero(np.diff(bins, prepend=-1))
        counts = np.diff(heads, append=len(bins))
        chunks = np.stack([begin, end], axis=1)
        yield struct.pack("<i", len(heads) + 1)
        smallest = at[np.searchsorted(reached, _first_windows(bins[heads], depth))]
        about_all = _first_bin(depth + 1) + 1
        if self._kind == "csi":
            form = "<IQi"
            yield struct.pack(form, about_all, 0, 2) + whole
        else:
            form = "<Ii"
            yield struct.pack(form, about_all, 2) + whole
        for head, low, count in zip(
            heads.tolist(), smallest.tolist(), counts.tolist(), strict=True
        ):
            number = int(bins[head])
            values = (number, low, count) if self._kind == "csi" else (number, count)
            yield struct.pack(form, *values) + chunks[head : head + count].tobytes()
        if self._kind == "tbi":
            windows = at[np.searchsorted(reached, np.arange(int(reached[-1]) + 1))]
            yield struct.pack("<i", len(windows)) + windows.tobytes()


def _first_windows(bins: Offsets, depth: int) -> Offsets:
    """Return the first window (smallest bin's span) of each bin."""
    windows = np.zeros(len(bins), np.int64)
    for level in range(1, depth + 1):
        place = bins - _first_bin(level) << 3 * (depth - level)
        np.copyto(windows, place, where=bins >= _first_bin(level))
    return windows


_Chunks = tuple[Offsets, npt.NDArray[np.uint64], npt.NDArray[np.uint64]]


def _lifted(
    bins: Offsets, begin: npt.NDArray[np.uint64], end: npt.NDArray[np.uint64], depth: int
) -> _Chunks:
    """Return chunks sorted by bin and place, those of small bins in the bin above."""
    bins = bins.copy()
    for level in range(depth, 0, -1):
        low = _first_bin(level)
        at_level = np.flatnonzero((bins >= low) & (bins < _first_bin(level + 1)))
        _, which = np.unique(bins[at_level], return_inverse=True)
        if not len(which):
            continue
        first = np.full(int(which.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
        last = np.zeros(len(first), np.uint64)
        np.minimum.at(first, which, begin[at_level] >> np.uint64(16))
        np.maximum.at(last, which, end[at_level] >> np.uint64(16))
        small = at_level[(last - first < _MIN_BIN_BYTES)[which]]
        bins[small] = (bins[small] - 1) // 8
    order = np.lexsort((begin, bins))
    return bins[order], begin[order], end[order]


def _merged(bins: Offsets, begin: npt.NDArray[np.uint64], end: npt.NDArray[np.uint64]) -> _Chunks:
    """Return chunks where those of one bin that share a block, or follow one another, are one."""
    block_of_end = end[:-1] >> np.uint64(16)
    apart = (bins[1:] != bins[:-1]) | (begin[1:] >> np.uint64(16) > block_of_end)
    heads = np.concatenate([[0], np.flatnonzero(apart) + 1])
    tails = np.concatenate([heads[1:], [len(bins)]]) - 1
    return bins[heads], begin[heads], end[tails]
