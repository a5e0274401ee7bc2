"""Make a CSI or TBI index while the VCF is written: from the places of records, not by reading it again.

Source of both formats: the SAM/BAM and tabix specifications, and CSIv1, of hts-specs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ensembl_annotations.common.text import Offsets
from ensembl_annotations.vcf.bgzf import BLOCK_BYTES, BgzfWriter, compress_bgzf
from tests.support.oracle.batch import FORMAT, INFO, REF, SAMPLE, Batch
from tests.support.oracle.order import Run

_SHIFT = 14
_CSI_DEPTH, _TBI_DEPTH = 6, 5
_ENDS = re.compile(rb"[\t;](END|SVLEN)=([-+0-9.,]*[0-9])")
_DIGITS = re.compile(rb"[0-9]+")
_LEN = re.compile(rb"[\t:]LEN[:\t\r\n]")
_VCF_COLUMNS = struct.pack("<6i", 2, 1, 2, 0, ord("#"), 0)
_MOST_DIGITS = 18
# More than a CSI has windows of 2^14, and bins; the number of a contig stands above them.
_WINDOW_BITS = _BIN_BITS = 20
_WINDOW_MASK = (1 << _WINDOW_BITS) - 1
# A bin whose records take less of the file than about a block is not worth an entry of its own.
_MIN_BIN_BYTES = 1 << 14


@dataclass(frozen=True)
class Places:
    """Where the records of a batch are in its text, in order.

    Attributes
    ----------
    runs : list of Run
        The records, by contig; the other attributes are int64 arrays.
    chunk_run, bins, begin, end
        Records that follow one another in one bin: which run they are of, and their bytes.
    rise_run, last, at
        Ascending in each run: the last window that any record up to here reaches, and where the
        first that does so begins.
    """

    runs: list[Run]
    chunk_run: Offsets
    bins: Offsets
    begin: Offsets
    end: Offsets
    rise_run: Offsets
    last: Offsets
    at: Offsets


def _depth(kind: str) -> int:
    return _CSI_DEPTH if kind == "csi" else _TBI_DEPTH


def _first_bin(level: int) -> int:
    return ((1 << 3 * level) - 1) // 7


def places_of(batch: Batch, runs: list[Run], text: pa.Buffer, kind: str) -> Places:
    """Return where the records of a batch are in its annotated text.

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
    run_of = np.repeat(np.arange(len(runs)), [run.num_records for run in runs])
    bins = _bins(first, last, _depth(kind))
    heads = np.flatnonzero(np.diff(bins, prepend=-1) | np.diff(run_of, prepend=-1))
    tails = np.append(heads[1:], len(bins)) - 1
    # A later run's numbers are all larger: the maximum starts anew with each.
    reached = np.maximum.accumulate(run_of << _WINDOW_BITS | last >> _SHIFT)
    rises = np.flatnonzero(np.diff(reached, prepend=-1))
    return Places(
        runs,
        run_of[heads],
        bins[heads],
        begin_of[heads],
        newlines[tails] + 1,
        run_of[rises],
        reached[rises] & _WINDOW_MASK,
        begin_of[rises],
    )


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
        self._num_records: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._chunks: list[tuple[Offsets, ...]] = []
        self._rises: list[tuple[Offsets, ...]] = []

    def add(self, places: Places, base: int) -> None:
        """Add the records of a text that begins at `base` of the uncompressed file."""
        for run in places.runs:
            self._numbers.setdefault(run.name, len(self._numbers))
            self._num_records[run.name] = self._num_records.get(run.name, 0) + run.num_records
        numbers = np.array([self._numbers[run.name] for run in places.runs], np.int64)
        begin, end = places.begin + base, places.end + base
        self._chunks.append((numbers[places.chunk_run], places.bins, begin, end))
        self._rises.append((numbers[places.rise_run], places.last, places.at + base))

    def content(self, written: BgzfWriter) -> bytes:
        """Return the index file of what was written."""
        names = b"".join(name.encode() + b"\0" for name in self._numbers)
        about = _VCF_COLUMNS + struct.pack("<i", len(names)) + names
        count = struct.pack("<i", len(self._numbers))
        if self._kind == "csi":
            head = b"CSI\1" + struct.pack("<3i", _SHIFT, _CSI_DEPTH, len(about)) + about + count
        else:
            head = b"TBI\1" + count + about
        body = self._body(written) if self._numbers else ()
        return compress_bgzf(b"".join([head, *body, struct.pack("<Q", 0)]))

    def _body(self, written: BgzfWriter) -> Iterator[bytes]:
        """Yield the entries of each contig."""
        addresses = np.concatenate([[0], np.cumsum(written.block_sizes)]).astype(np.int64)

        def virtual(offsets: Offsets) -> Offsets:
            # Where the input's last line had no newline, the output's has none.
            block, within = np.divmod(np.minimum(offsets, written.num_bytes), BLOCK_BYTES)
            found: Offsets = addresses[block] << 16 | within
            return found

        depth, is_csi = _depth(self._kind), self._kind == "csi"
        contig, bins, begin, end = map(np.concatenate, zip(*self._chunks, strict=True))
        rise_contig, last, at = map(np.concatenate, zip(*self._rises, strict=True))
        reached = np.maximum.accumulate(rise_contig << _WINDOW_BITS | last)
        begin, end, at = virtual(begin), virtual(end), virtual(at)
        edges = np.searchsorted(contig, np.arange(len(self._numbers) + 1))
        whole = np.stack([begin[edges[:-1]], end[edges[1:] - 1]], axis=1).tolist()
        contig, bins, begin, end = _merged(*_lifted(contig, bins, begin, end, depth))
        heads = np.flatnonzero(np.diff(contig, prepend=-1) | np.diff(bins, prepend=-1))
        windows = contig[heads] << _WINDOW_BITS | _first_windows(bins[heads], depth)
        lowest = at[np.searchsorted(reached, windows)].tolist()
        sizes = np.diff(heads, append=len(bins)).tolist()
        num_bins = np.bincount(contig[heads], minlength=len(self._numbers)).tolist()
        numbers, places = bins[heads].tolist(), heads.tolist()
        chunks = np.stack([begin, end], axis=1)
        farthest = reached[np.searchsorted(rise_contig, np.arange(len(num_bins)), "right") - 1]
        about_all = _first_bin(depth + 1) + 1
        entry = 0
        for number, num_records in enumerate(self._num_records.values()):
            yield struct.pack("<i", num_bins[number] + 1)
            yield _bin_head(about_all, 0, 2, is_csi=is_csi)
            yield struct.pack("<4Q", *whole[number], num_records, 0)
            for item in range(entry, entry + num_bins[number]):
                place = places[item]
                yield _bin_head(numbers[item], lowest[item], sizes[item], is_csi=is_csi)
                yield chunks[place : place + sizes[item]].tobytes()
            entry += num_bins[number]
            if not is_csi:
                every = np.arange(number << _WINDOW_BITS, int(farthest[number]) + 1)
                yield struct.pack("<i", len(every)) + at[np.searchsorted(reached, every)].tobytes()


def _bin_head(number: int, lowest: int, num_chunks: int, *, is_csi: bool) -> bytes:
    if is_csi:
        return struct.pack("<IQi", number, lowest, num_chunks)
    return struct.pack("<Ii", number, num_chunks)


def _first_windows(bins: Offsets, depth: int) -> Offsets:
    """Return the first window (smallest bin's span) of each bin."""
    windows = np.zeros(len(bins), np.int64)
    for level in range(1, depth + 1):
        place = bins - _first_bin(level) << 3 * (depth - level)
        np.copyto(windows, place, where=bins >= _first_bin(level))
    return windows


_Chunks = tuple[Offsets, Offsets, Offsets, Offsets]


def _lifted(contig: Offsets, bins: Offsets, begin: Offsets, end: Offsets, depth: int) -> _Chunks:
    """Return chunks sorted by contig, bin and place, those of small bins in the bin above."""
    bins = bins.copy()
    for level in range(depth, 0, -1):
        low = _first_bin(level)
        at_level = np.flatnonzero((bins >= low) & (bins < _first_bin(level + 1)))
        if not len(at_level):
            continue
        key = contig[at_level] << _BIN_BITS | bins[at_level]
        _, which = np.unique(key, return_inverse=True)
        first = np.full(int(which.max()) + 1, np.iinfo(np.int64).max)
        last = np.zeros(len(first), np.int64)
        np.minimum.at(first, which, begin[at_level] >> 16)
        np.maximum.at(last, which, end[at_level] >> 16)
        small = at_level[(last - first < _MIN_BIN_BYTES)[which]]
        bins[small] = (bins[small] - 1) // 8
    order = np.lexsort((begin, bins, contig))
    return contig[order], bins[order], begin[order], end[order]


def _merged(contig: Offsets, bins: Offsets, begin: Offsets, end: Offsets) -> _Chunks:
    """Return chunks where those of one bin that share a block, or follow one another, are one."""
    apart = (contig[1:] != contig[:-1]) | (bins[1:] != bins[:-1])
    apart |= begin[1:] >> 16 > end[:-1] >> 16
    heads = np.concatenate([[0], np.flatnonzero(apart) + 1])
    tails = np.append(heads[1:], len(bins)) - 1
    return contig[heads], bins[heads], begin[heads], end[tails]
