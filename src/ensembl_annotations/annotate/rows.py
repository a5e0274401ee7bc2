"""The columns that the kernel makes of a piece as Arrow's: for the table, the tally, frames, look-ups and compare.

Only words that are asked for as text and numbers with a point are copied: else an array keeps the kernel's memory of its piece.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import pyarrow as pa

from ensembl_annotations._kernel import Column, Columns
from ensembl_annotations.variants.outcomes import REASONS

_WORDS = {
    "zygosity": ("het", "hom", "hemi", "absent"),
    "ens_match": ("exact", "shifted"),
    "ens_af_why": ("not_published", "undecided"),
    "ens_reason": tuple(REASONS),
}
"""Words that the kernel gives as their number."""

NUMBERED = pa.dictionary(pa.int8(), pa.string())
"""The type of a column of such words that keeps the numbers."""


def numbered(schema: pa.Schema) -> pa.Schema:
    """Return a schema in which the words that the kernel gives as their number are `NUMBERED`."""
    for name in {*_WORDS} & {*schema.names}:
        item = schema.field(name)
        dtype = pa.list_(NUMBERED) if pa.types.is_list(item.type) else NUMBERED
        schema = schema.set(schema.get_field_index(name), item.with_type(dtype))
    return schema


def table_of(columns: Columns, schema: pa.Schema) -> pa.Table:
    """Return columns as a table of one row per (record, ALT), in order.

    Parameters
    ----------
    columns : Columns
        All of the schema's.
    schema : Schema
        Columns of the annotated table with their types; or others of the kernel's `COLUMNS`.
    """
    return pa.table([array_of(columns, item.name, item.type) for item in schema], schema=schema)


def array_of(columns: Columns, name: str, dtype: pa.DataType) -> pa.Array:
    """Return one column."""
    found = columns.columns[name]
    if not pa.types.is_list(dtype):
        return _values(columns, found, dtype, _WORDS.get(name))
    kind = dtype.value_type
    items = (
        _entries(columns, found.num_values, kind)
        if pa.types.is_struct(kind)
        else _values(columns, found, kind, _WORDS.get(name))
    )
    return _list(columns, found, dtype, items)


def _list(columns: Columns, found: Column, dtype: pa.DataType, items: pa.Array) -> pa.Array:
    valid = _buffer(columns, found, "valid") if found.num_nulls else None
    buffers = [valid, _buffer(columns, found, "offset")]
    return pa.Array.from_buffers(dtype, found.num_rows, buffers, found.num_nulls, children=[items])


def _entries(columns: Columns, count: int, kind: pa.StructType) -> pa.Array:
    """Return the entries of ENS_CSQ, a struct of their fields each."""
    fields = [
        _list(columns, found, item.type, _values(columns, found, item.type.value_type))
        if pa.types.is_list(item.type)
        else _values(columns, found, item.type)
        for item, found in zip(kind, columns.csq, strict=True)
    ]
    return pa.Array.from_buffers(kind, count, [None], 0, children=fields)


def _values(
    columns: Columns, found: Column, dtype: pa.DataType, words: Sequence[str] | None = None
) -> pa.Array:
    kept = pa.int8() if words else pa.string() if found.are_texts else dtype
    valid = _buffer(columns, found, "value_valid") if found.num_value_nulls else None
    buffers = [valid, _buffer(columns, found, "bytes")]
    if kept == pa.string():
        buffers.insert(1, _buffer(columns, found, "value_offset"))
    values = pa.Array.from_buffers(kept, found.num_values, buffers, found.num_value_nulls)
    if words:
        texts = _texts(words)
        return (
            pa.DictionaryArray.from_arrays(values, texts)
            if dtype == NUMBERED
            else texts.take(values)
        )
    return values if kept == dtype else values.cast(dtype)


@cache
def _texts(words: Sequence[str]) -> pa.StringArray:
    """Return texts as an array (``pa.array`` would import pandas where it is installed)."""
    encoded = [word.encode() for word in words]
    offsets = array("i", accumulate(map(len, encoded), initial=0))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def _buffer(columns: Columns, found: Column, name: str) -> pa.Buffer:
    memory = getattr(found, name)
    return pa.foreign_buffer(memory.begin or 0, memory.num_bytes, columns)
