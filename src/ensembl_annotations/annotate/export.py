"""Write the annotated table for tools of text, as tab-separated values, and for spreadsheets, as .xlsx."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from ensembl_annotations.annotate.text import PlainWriter
from ensembl_annotations.common.atomic import Outputs, atomic_path
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.common.tsv import text_of, tsv_header, tsv_rows
from ensembl_annotations.vcf.bgzf import BgzfWriter

_BATCH_ROWS = 16_384
MOST_ROWS = 1_048_575
"""So many a sheet has below the names of the columns."""
MOST_LETTERS = 32_767
"""So many a cell has, counted in UTF-16."""
_MOST_EXACT = 1 << 53


def write_tsv(parquet: Path, out: Path) -> None:
    """Write a table as text; as BGZF where the name ends in ``.gz``, which gzip reads, too.

    Parameters
    ----------
    parquet : Path
        An annotated table.
    out : Path
        Gets its final name when it is whole.
    """
    with Outputs() as outputs, ExitStack() as stack:
        handle = stack.enter_context(outputs.temporary(out).open("wb"))
        is_packed = out.name.lower().endswith(".gz")
        writer = BgzfWriter(handle) if is_packed else PlainWriter(handle)
        stack.callback(writer.abandon)
        file = stack.enter_context(pq.ParquetFile(parquet))
        writer.write(tsv_header(file.schema_arrow.names).encode())
        for batch in file.iter_batches(_BATCH_ROWS):
            rows = pl.from_arrow(batch)
            assert isinstance(rows, pl.DataFrame)
            writer.write(tsv_rows(rows).encode())
        writer.finish()


def check_xlsx() -> None:
    """Refuse to begin without the library that writes .xlsx.

    Raises
    ------
    UsageError
    """
    try:
        import xlsxwriter  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--out-xlsx: expected the package XlsxWriter, found none.",
            hint="Install the extra xlsx: pip install 'ensembl-annotations[xlsx]'; or use --out-tsv.",
        ) from error


def write_xlsx(parquet: Path, out: Path) -> None:
    """Write a table as .xlsx: numbers are numbers, all else is text, which no spreadsheet reads as anything else.

    Parameters
    ----------
    parquet : Path
        An annotated table.
    out : Path
        Gets its final name when it is whole.

    Raises
    ------
    EnsemblAnnotationsError
        Where a sheet has no room for the rows, or a cell none for a text.
    """
    import xlsxwriter

    with pq.ParquetFile(parquet) as file, atomic_path(out) as temporary:
        if (count := file.metadata.num_rows) > MOST_ROWS:
            raise EnsemblAnnotationsError(
                f"{out}: the table has {count:,} rows; a spreadsheet has room for {MOST_ROWS:,}.",
                hint="Use --out-parquet or --out-tsv, or annotate fewer records.",
            )
        # Each row is written before the next: memory does not grow with them.
        book = xlsxwriter.Workbook(str(temporary), {"constant_memory": True})
        try:
            sheet = book.add_worksheet("annotated")
            names = file.schema_arrow.names
            for column, name in enumerate(names):
                sheet.write_string(0, column, name)
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, count, len(names) - 1)
            row = 0
            for batch in file.iter_batches(_BATCH_ROWS):
                rows = pl.from_arrow(batch)
                assert isinstance(rows, pl.DataFrame)
                for values in _cells(rows).iter_rows():
                    row += 1
                    _write_row(sheet, row, values, names, out)
        finally:
            book.close()


def _cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Return numbers and flags as they are, all else as text."""
    return rows.select(
        pl.col(name)
        if dtype.is_numeric() or dtype == pl.Boolean
        else text_of(name, dtype).alias(name)
        for name, dtype in rows.schema.items()
    )


def _write_row(sheet: Any, row: int, values: tuple[Any, ...], names: list[str], out: Path) -> None:
    for column, value in enumerate(values):
        if value is None:
            continue
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, int | float) and abs(value) < _MOST_EXACT:
            sheet.write_number(row, column, value)
        elif sheet.write_string(row, column, str(value)):
            raise EnsemblAnnotationsError(
                f"{out}: row {row}: {names[column]} has {len(str(value)):,} letters; a cell has room for "
                f"{MOST_LETTERS:,}.",
                hint="Use --out-parquet or --out-tsv.",
            )
