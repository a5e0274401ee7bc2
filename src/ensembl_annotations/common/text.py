"""Tab-separated text as arrays: find the fields of many lines at once, without copies.

Bytes stay bytes. What has to be text (alleles, names) is decoded, the rest never is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Offsets = npt.NDArray[np.int64]
Bytes = bytes | npt.NDArray[np.uint8]

_TAB, _NEWLINE = 9, 10
_STEP = 1 << 18
_LONG_LINE_BYTES = 2000


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
        The position of every tab and newline, and the index of each line's first. From
        `scan_heads`, of a line's tabs only the first few.
    counts : int64 array, optional
        Number of fields of each line, where not every separator is known.
    """

    data: bytes
    begin: Offsets
    end: Offsets
    separators: Offsets
    first_separator: Offsets
    counts: Offsets | None = None
    _width: int | None = None
    _columns: Offsets = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def num_fields(self) -> Offsets:
        """Number of fields of each line."""
        if self.counts is not None:
            return self.counts
        following = np.append(self.first_separator[1:], len(self.separators))
        return following - self.first_separator

    def bounds(self, column: int, rows: Offsets | None = None) -> tuple[Offsets, Offsets]:
        """Return begin and end of a field in each line (of `rows`), which must have it."""
        if rows is None or len(rows) == len(self):
            width = len(self.separators) // max(len(self), 1)
            if len(self.separators) == width * len(self) and self._is_uniform(width):
                end = self._columns[column]
                return (self.begin if column == 0 else self._columns[column - 1] + 1), end
        first = self.first_separator if rows is None else self.first_separator[rows]
        line_begin = self.begin if rows is None else self.begin[rows]
        end = self.separators[first + column]
        begin = line_begin if column == 0 else self.separators[first + column - 1] + 1
        return begin, end

    def _is_uniform(self, width: int) -> bool:
        """Tell whether every line has `width` fields."""
        if self._width is None:
            uniform = bool((self.first_separator == width * np.arange(len(self))).all())
            self._width = width if uniform else 0
            if uniform:
                table = self.separators.reshape(len(self), width)
                self._columns = np.ascontiguousarray(table.T)
        return self._width == width


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


def scan_heads(data: bytes, num_tabs: int) -> Lines:
    """Find the lines of a buffer, and the first fields of each: at least `num_tabs` tabs.

    Notes
    -----
    Where lines are long, tabs behind those are only counted.
    """
    first_line = data.find(b"\n") + 1
    if first_line < _LONG_LINE_BYTES:
        return scan_lines(data)
    codes = np.frombuffer(data, np.uint8)
    end = np.concatenate(
        [
            np.flatnonzero(codes[begin : begin + _STEP] == _NEWLINE) + begin
            for begin in range(0, len(codes), _STEP)
        ]
    )
    begin = np.concatenate([[0], end[:-1] + 1]).astype(np.int64)
    separators: list[int] = []
    first, counts = np.empty(len(end), np.int64), np.empty(len(end), np.int64)
    for row, (low, high) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        first[row] = len(separators)
        place = low
        for _ in range(num_tabs):
            place = data.find(b"\t", place, high) + 1
            if not place:
                break
            separators.append(place - 1)
        found = len(separators) - first[row]
        counts[row] = found + 1 + (np.count_nonzero(codes[place:high] == _TAB) if place else 0)
        separators.append(high)
    return Lines(data, begin, end, np.array(separators, np.int64), first, counts)


def take_binary(data: Bytes, begin: Offsets, end: Offsets) -> pa.LargeBinaryArray:
    """Return the slices of a buffer, which must not overlap and must ascend, as an array."""
    return _slices_and_gaps(data, begin, end).take(arrow_int64(np.arange(len(begin)) * 2))


def encode_slices(data: Bytes, begin: Offsets, end: Offsets) -> tuple[Offsets, pa.Array]:
    """Return for each slice the number of its content, and the contents in order of appearance.

    Parameters
    ----------
    data, begin, end : bytes or uint8 array, int64 arrays
        As of `take_binary`; the slices are not copied.

    Returns
    -------
    tuple of (int64 array, LargeBinaryArray)
    """
    encoded = _slices_and_gaps(data, begin, end).dictionary_encode()
    codes = np.frombuffer(encoded.indices.buffers()[1], np.int32, 2 * len(begin))
    return codes[::2].astype(np.int64), encoded.dictionary


def _slices_and_gaps(data: Bytes, begin: Offsets, end: Offsets) -> pa.LargeBinaryArray:
    """Return the slices, and after each, as a null, what stands between it and the next one."""
    offsets = np.empty(2 * len(begin) + 1, np.int64)
    offsets[0:-1:2], offsets[1::2], offsets[-1] = begin, end, len(data)
    every_other = np.full(len(begin) // 4 + 1, 0b01010101, np.uint8)
    buffers = [pa.py_buffer(every_other), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


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
    return pl.Series(array)


def parse_digits(
    data: npt.NDArray[np.uint8], begin: Offsets, end: Offsets
) -> tuple[Offsets, npt.NDArray[np.bool_]]:
    """Return the numbers that stand in slices of 1 to 10 digits, and which slices are that.

    Parameters
    ----------
    data : uint8 array
        At least 8 bytes.
    begin, end : int64 arrays
        The slices.

    Notes
    -----
    Eight digits are read as one 64-bit word; leading zeros are allowed.
    """
    words = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
    length = end - begin
    valid = (length - 1).view(np.uint64) < 10
    # The last eight bytes of the number; of a shorter one, all of it, moved to the word's end.
    place = np.maximum(begin, end - 8)
    outside = np.flatnonzero((place >= len(words)) | (length < 1))
    place[outside] = 0
    missing = ((place + 8 - end) << 3).view(np.uint64)
    missing[outside] = 0
    digits = words[place]
    digits ^= _ASCII_ZEROS
    digits <<= missing
    valid &= ((digits | (digits + _UP_TO_NINE)) & _HIGH_BITS) == 0
    digits *= np.uint64(2561)
    digits >>= np.uint64(8)
    digits &= np.uint64(0x00FF00FF00FF00FF)
    digits *= np.uint64(6553601)
    digits >>= np.uint64(16)
    digits &= np.uint64(0x0000FFFF0000FFFF)
    digits *= np.uint64(42949672960001)
    digits >>= np.uint64(32)
    numbers = digits.view(np.int64)
    for place_value, distance in ((10**8, 9), (10**9, 10)):
        has_digit = length >= distance
        if has_digit.any():
            digit = data[np.maximum(end - distance, 0)] - np.uint8(ord("0"))
            digit *= has_digit
            valid &= digit <= 9
            numbers += digit * np.int64(place_value)
    for row in outside.tolist():
        text = data[begin[row] : max(begin[row], end[row])].tobytes()
        valid[row] = text.isdigit() and len(text) <= 10
        numbers[row] = int(text) if valid[row] else 0
    return numbers, valid


_ASCII_ZEROS = np.uint64(0x3030303030303030)
_UP_TO_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)


def arrow_numbers(values: npt.NDArray[np.generic]) -> pa.Array:
    """Wrap an array of numbers as Arrow (``pa.array`` would import pandas where it is installed)."""
    content = np.ascontiguousarray(values)
    kind = pa.from_numpy_dtype(content.dtype)
    return pa.Array.from_buffers(kind, len(content), [None, pa.py_buffer(content)])


def numpy_numbers(array: pa.Array) -> npt.NDArray[Any]:
    """Return the numbers of an Arrow array, any number for a null (its ``to_numpy`` would import pandas, too)."""
    kind = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def arrow_int64(values: npt.NDArray[np.generic]) -> pa.Int64Array:
    """Wrap an array of numbers as Arrow int64."""
    return arrow_numbers(values.astype(np.int64, copy=False))
