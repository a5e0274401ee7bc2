"""The genotypes of all samples, as one list per record."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.common.text import Offsets, arrow_int64, scan_lines
from ensembl_annotations.vcf.batch import Batch
from ensembl_annotations.vcf.read import FORMAT, SAMPLE

LIST = pa.list_(pa.string())

_CHUNK_BYTES = 4 << 20
_WORD_BYTES = 8
_COLONS = np.uint64(0x3A3A3A3A3A3A3A3A)
_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)

Words = npt.NDArray[np.uint64]


def genotype_lists(batch: Batch, rows: Offsets) -> pa.ChunkedArray:
    """Return GT of every sample of records `rows` (ascending), as they are written.

    Returns
    -------
    ChunkedArray of list of string
        An element is null where GT is ``.`` or missing; a list where FORMAT has no GT.

    Raises
    ------
    InputError
        Where a GT is not UTF-8, naming the line.
    """
    count = len(batch.lines)
    if int(batch.lines.num_fields[0]) <= SAMPLE:
        return pa.chunked_array([pa.nulls(len(rows), LIST)])
    formats = batch.text(FORMAT)
    leading = ((formats == "GT") | formats.str.starts_with("GT:")).to_numpy()
    chunks = [
        _chunk(batch, first, last, simple=bool(leading[first:last].all()))
        for first, last in chunks_of(batch)
    ]
    lists = pa.chunked_array(chunks, LIST)
    one_row_each = len(rows) == count and bool((rows == np.arange(count)).all())
    return lists if one_row_each else lists.take(arrow_int64(rows))


def chunks_of(batch: Batch) -> Iterator[tuple[int, int]]:
    """Yield first and last (not included) of few enough records that work on them stays small."""
    ends = batch.lines.end + 1
    first = done = 0
    while first < len(ends):
        last = max(int(np.searchsorted(ends, done + _CHUNK_BYTES, "right")), first + 1)
        yield first, last
        first, done = last, int(ends[last - 1])


def _chunk(batch: Batch, first: int, last: int, *, simple: bool) -> pa.ListArray:
    text = batch.lines.data[int(batch.lines.begin[first]) : int(batch.lines.end[last - 1]) + 1]
    calls = _words(text, last - first) if simple and b"\0" not in text else None
    strings = _strings(calls) if calls is not None else None
    if strings is None:
        return _one_by_one(batch, text, first)
    offsets = np.arange(last - first + 1, dtype=np.int64) * (len(strings) // (last - first))
    return pa.ListArray.from_arrays(arrow_int64(offsets).cast(pa.int32()), strings)


def _words(text: bytes, count: int) -> Words | None:
    """Return every GT, the first part of a call, as a word; None where one is longer than that."""
    separators = scan_lines(text).separators.reshape(count, -1)
    begin, end = separators[:, SAMPLE - 1 : -1] + 1, separators[:, SAMPLE:].copy()
    codes = np.frombuffer(text, np.uint8)
    end[:, -1] -= codes[end[:, -1] - 1] == ord("\r")
    length = np.minimum(end - begin, _WORD_BYTES).ravel().astype(np.uint64)
    padded = np.ndarray((len(text),), "<u8", text + bytes(_WORD_BYTES), strides=(1,))
    words = padded[begin.ravel()]
    differ = words ^ _COLONS
    marks = (differ - _ONES) & ~differ & _HIGH_BITS
    # The lowest bit that is set stands for the first colon; below it, the bytes before.
    before_colon = np.where(
        marks == 0, _ALL, ((marks & (~marks + np.uint64(1))) >> np.uint64(7)) - np.uint64(1)
    )
    within = np.where(
        length == _WORD_BYTES, _ALL, (np.uint64(1) << (length * np.uint64(8))) - np.uint64(1)
    )
    if bool(((marks == 0) & ((end - begin).ravel() > _WORD_BYTES)).any()):
        return None
    found: Words = np.minimum(before_colon, within)
    found &= words
    return found


def _strings(words: Words) -> pa.StringArray | None:
    """Return words as text; None where one is not UTF-8."""
    content = np.ascontiguousarray(words)
    array = pa.Array.from_buffers(pa.uint64(), len(content), [None, pa.py_buffer(content)])
    encoded = array.dictionary_encode()
    try:
        texts = [
            int(word).to_bytes(_WORD_BYTES, "little").rstrip(b"\0").decode("utf-8")
            for word in encoded.dictionary.to_pylist()
        ]
    except UnicodeDecodeError:
        return None
    values = pl.Series([None if text in (".", "") else text for text in texts], dtype=pl.String)
    return pc.take(values.to_arrow().cast(pa.string()), encoded.indices)


def _one_by_one(batch: Batch, text: bytes, first: int) -> pa.ListArray:
    lists: list[list[str | None] | None] = []
    for row, line in enumerate(text.split(b"\n")[:-1]):
        fields = line.removesuffix(b"\r").split(b"\t")
        keys = fields[FORMAT].split(b":")
        if b"GT" not in keys:
            lists.append(None)
            continue
        place = keys.index(b"GT")
        values = [field.split(b":") for field in fields[SAMPLE:]]
        calls = [value[place] if place < len(value) else b"." for value in values]
        try:
            lists.append([call.decode() if call not in (b".", b"") else None for call in calls])
        except UnicodeDecodeError as error:
            raise InputError(
                f"{batch.path}: line {batch.first_line + first + row}: GT is not UTF-8.",
                hint="Correct the file's encoding.",
            ) from error
    array = pl.Series(lists, dtype=pl.List(pl.String)).to_arrow()
    return array.cast(LIST)
