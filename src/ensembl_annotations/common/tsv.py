"""Tables as tab-separated text that a spreadsheet opens, and runs nothing of.

Lists are joined by commas, as VEP's tab output has them; a comma in an item is ``%2C``. ``-`` is null, of
an item too; an empty list is nothing at all. The fields of a struct are joined by ``|`` and their lists by ``&``, as
VEP's entries have them, a ``|`` in a field is ``%7C``; a field that is null is nothing, and an item of its list that is null is ``.``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

_NULL = "-"


def tsv_header(names: Sequence[str]) -> str:
    """Return the line of the columns' names."""
    return "\t".join(names) + "\n"


def tsv_rows(frame: pl.DataFrame) -> str:
    """Return the lines of the rows."""
    texts = frame.select(_text(name, dtype) for name, dtype in frame.schema.items())
    return texts.write_csv(include_header=False, separator="	", quote_style="never")


def text_of(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column as text, null where it is; nothing in it is escaped for a spreadsheet."""
    if not isinstance(dtype, pl.List):
        return pl.col(name).cast(pl.String)
    item = _item(dtype.inner).str.replace_all(",", "%2C", literal=True)
    return pl.col(name).list.eval(item.fill_null(_NULL)).list.join(",")


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    text = text_of(name, dtype)
    if dtype.is_numeric():
        return text.fill_null(_NULL)
    # What begins so is a formula to a spreadsheet, full-width signs in some languages; a quotation mark opens a
    # field that ends at the next one, in another column or row. Nothing in a field may end it.
    flat = text.str.replace_all(r"[\t\r\n]", " ")
    risky = flat.str.contains(r'^\s*["=+@\x{FF1D}\x{FF0B}\x{FF20}\x{FF0D}-]') & (flat != _NULL)
    return pl.when(risky).then(pl.lit("'") + flat).otherwise(flat).fill_null(_NULL).alias(name)


def _item(dtype: Any) -> pl.Expr:
    """Return the text of an item of a list."""
    item = pl.element()
    if not isinstance(dtype, pl.Struct):
        return item.cast(pl.String)
    fields = [
        item.struct.field(field.name)
        .list.eval(pl.element().cast(pl.String).fill_null("."))
        .list.join("&")
        if isinstance(field.dtype, pl.List)
        else item.struct.field(field.name).cast(pl.String)
        for field in dtype.fields
    ]
    texts = [field.fill_null("").str.replace_all("|", "%7C", literal=True) for field in fields]
    return pl.concat_str(texts, separator="|")
