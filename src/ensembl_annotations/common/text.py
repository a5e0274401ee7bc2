"""Tab-separated text as arrays: find the fields of many lines at once, without copies.

Bytes stay bytes. What has to be text (alleles, names) is decoded, the rest never is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Offsets = npt.NDArray[np.int64]

_TAB, _NEWLINE = 9, 10
_STEP = 1 << 18


@dataclass
class Lines:
    """The lines of a buffer.

    Attributes
    ----------
    data : bytes
        Whole lines, each ended by a newline.
    begin, end : int64 array
        Where each line begins, and where its content ends (before the newline).
    first_separator, separators : int64 arrays
        The position of every tab and newline, and the index of each line's first.
    """

    data: bytes
    begin: Offsets
    end: Offsets
    separators: Offsets
    first_separator: Offsets

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def num_fields(self) -> Offsets:
        """Number of fields of each line."""
        following = np.append(self.first_separator[1:], len(self.separators))
        return following - self.first_separator

    def bounds(self, column: int, rows: Offsets | None = None) -> tuple[Offsets, Offsets]:
        """Return begin and end of a field in each line (of `rows`), which must have it."""
        first = self.first_separator if rows is None else self.first_separator[rows]
        line_begin = self.begin if rows is None else self.begin[rows]
        end = self.separators[first + column]
        begin = line_begin if column == 0 else self.separators[first + column - 1] + 1
        return begin, end


def scan_lines(data: bytes) -> Lines:
    """Find the lines and fields of a buffer whose last byte is a newline."""
    codes = np.frombuffer(data, np.uint8)
    found = []
    for begin in range(0, len(codes), _STEP):
        piece = codes[begin : begin + _STEP]
        # Tab and newline are neighbours, and what is below them wraps around.
        found.append(np.flatnonzero(piece - np.uint8(_TAB) <= _NEWLINE - _TAB) + begin)
    separators = np.concatenate(found) if found else np.zeros(0, np.int64)
    newline = np.flatnonzero(codes[separators] == _NEWLINE)
    end = separators[newline]
    begin_of = np.concatenate([[0], end[:-1] + 1]).astype(np.int64) if len(end) else end
    first = np.concatenate([[0], newline[:-1] + 1]).astype(np.int64) if len(end) else newline
    return Lines(data, begin_of, end, separators, first)


def take_binary(data: bytes, begin: Offsets, end: Offsets) -> pa.LargeBinaryArray:
    """Return the slices of a buffer, which must not overlap and must ascend, as an array."""
    offsets = np.empty(2 * len(begin) + 1, np.int64)
    offsets[0:-1:2], offsets[1::2], offsets[-1] = begin, end, len(data)
    pieces = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    return pieces.take(arrow_int64(np.arange(len(begin)) * 2))


def take_text(data: bytes, begin: Offsets, end: Offsets) -> pl.Series:
    """Return slices of a buffer as a String series.

    Raises
    ------
    UnicodeDecodeError
        Where a slice is not UTF-8.
    """
    try:
        array = take_binary(data, begin, end).cast(pa.large_string())
    except pa.ArrowInvalid:
        for low, high in zip(begin.tolist(), end.tolist(), strict=True):
            data[low:high].decode("utf-8")
        raise
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def arrow_int64(values: npt.NDArray[np.generic]) -> pa.Int64Array:
    """Wrap a numpy array as Arrow int64 (``pa.array`` would import pandas where it is installed)."""
    content = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(content), [None, pa.py_buffer(content)])
