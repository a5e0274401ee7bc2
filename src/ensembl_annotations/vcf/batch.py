"""Record lines cut into fields, as arrays: for the columns of a table and the genotypes of a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.common.text import Lines, Offsets, parse_digits, scan_heads, take_text
from ensembl_annotations.vcf.read import INFO, NAMES, POS, SAMPLE, Piece, is_utf8


@dataclass
class Batch:
    """Whole record lines.

    Attributes
    ----------
    path : Path
        The file, for messages.
    lines : Lines
        The text and where its fields are.
    first_record : int
        0-based number of the first record in the file.
    first_line : int
        1-based number of the first line in the file.
    pos : int64 array
        POS of each record.
    """

    path: Path
    lines: Lines
    first_record: int
    first_line: int
    pos: Offsets

    def text(self, column: int) -> pl.Series:
        """Return a column as text.

        Raises
        ------
        InputError
            Where it is not UTF-8.
        """
        begin, end = self.lines.bounds(column)
        if column >= INFO:
            end = self.without_return(end)
        try:
            return take_text(self.lines.data, begin, end)
        except UnicodeDecodeError as error:
            slices = zip(begin.tolist(), end.tolist(), strict=True)
            values = [self.lines.data[low:high] for low, high in slices]
            row = next(row for row, value in enumerate(values) if not is_utf8(value))
            raise InputError(
                f"{self.path}: line {self.first_line + row}: {NAMES[column]} is not UTF-8: {values[row][:40]!r}.",
                hint="Correct the file's encoding.",
            ) from error

    def info(self) -> pl.Series:
        r"""Return INFO as text, which may be any bytes: those that are no UTF-8 are written as ``\xff``."""
        begin, end = self.lines.bounds(INFO)
        end = self.without_return(end)
        try:
            return take_text(self.lines.data, begin, end)
        except UnicodeDecodeError:
            slices = zip(begin.tolist(), end.tolist(), strict=True)
            text = (
                self.lines.data[low:high].decode("utf-8", "backslashreplace")
                for low, high in slices
            )
            return pl.Series(list(text), dtype=pl.String)

    def without_return(self, end: Offsets) -> Offsets:
        """Return field ends with the carriage return of a CRLF line end left out."""
        codes = np.frombuffer(self.lines.data, np.uint8)
        returns = (codes[end] == 10) & (codes[np.maximum(end - 1, 0)] == 13)
        ends: Offsets = end - returns
        return ends


def batch_of(piece: Piece, path: Path) -> Batch:
    """Find the fields of a piece whose lines are known to be records."""
    lines = scan_heads(piece.data, SAMPLE)
    pos, _ = parse_digits(np.frombuffer(lines.data, np.uint8), *lines.bounds(POS))
    return Batch(path, lines, piece.first_record, piece.first_line, pos)
