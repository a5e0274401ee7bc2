"""Read a VCF as bytes: its header lines, and batches of whole record lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from ensembl_annotations.common.bgzf import GZIP_ERRORS, has_eof_block, is_bgzf, open_gzip
from ensembl_annotations.common.errors import InputError, explain_os_error
from ensembl_annotations.common.text import Lines, Offsets, scan_lines, take_text

BATCH_BYTES = 4 << 20
MAX_POS = 2**31 - 1
CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO, FORMAT, SAMPLE = range(10)
NAMES = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "the sample")
INFO_ID = rb'##INFO=<(?:[^"]*,)?ID=([^,>]+)'
_MAX_HEADER_BYTES = 256 << 20


@dataclass
class Header:
    """A VCF header.

    Attributes
    ----------
    lines : list of bytes
        Every line, ``#CHROM`` last, each with its own line end.
    columns : list of str
        The names on the ``#CHROM`` line.
    """

    lines: list[bytes]
    columns: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = self.lines[-1].decode("utf-8", "replace").rstrip("\r\n").split("\t")

    @property
    def line_end(self) -> bytes:
        # Not the last line: it may have none.
        return b"\r\n" if self.lines[0].endswith(b"\r\n") else b"\n"

    @property
    def samples(self) -> list[str]:
        return self.columns[9:]

    def contigs(self) -> dict[str, int | None]:
        """Return the declared contigs and their lengths."""
        found: dict[str, int | None] = {}
        for line in self.lines:
            match = re.match(rb'##contig=<(?:[^"]*,)?\s*ID="?([^",>]+)', line)
            if match:
                length = re.search(rb'[<,]\s*length="?(\d+)', line)
                found[match[1].decode("utf-8", "replace")] = int(length[1][:18]) if length else None
        return found

    def info_ids(self) -> set[str]:
        """Return the declared INFO keys."""
        matches = (re.match(INFO_ID, line) for line in self.lines)
        return {match[1].decode("utf-8", "replace") for match in matches if match}


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
    """

    path: Path
    lines: Lines
    first_record: int
    first_line: int

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
            row = next(row for row, value in enumerate(values) if not _is_utf8(value))
            raise InputError(
                f"{self.path}: line {self.first_line + row}: {NAMES[column]} is not UTF-8: {values[row][:40]!r}.",
                hint="Correct the file's encoding.",
            ) from error

    def without_return(self, end: Offsets) -> Offsets:
        """Return field ends with the carriage return of a CRLF line end left out."""
        codes = np.frombuffer(self.lines.data, np.uint8)
        returns = (codes[end] == 10) & (codes[np.maximum(end - 1, 0)] == 13)
        ends: Offsets = end - returns
        return ends


class VcfReader:
    """Read a plain, gzip or BGZF VCF.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    header : Header
        Read on opening.
    ends_without_newline : bool
        Known after the last batch: the file's last line has no line end.

    Raises
    ------
    InputError
        On opening or while reading, naming the line where there is one.
    """

    batch_bytes = BATCH_BYTES

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends_without_newline = False
        self._compressed = self._probe()
        self.header = self._read_header()

    def _fail(self, message: str, hint: str | None = None) -> InputError:
        return InputError(f"{self.path}: {message}", hint=hint)

    def _probe(self) -> bool:
        if self.path.is_dir():
            raise self._fail("is a folder; expected a VCF file.")
        if self.path.exists() and not self.path.is_file():
            raise self._fail(
                "is not a regular file (a pipe or a device); expected a VCF file.",
                "Save it to a file first: it is read twice.",
            )
        try:
            with self.path.open("rb") as handle:
                head = handle.read(18)
        except FileNotFoundError as error:
            raise self._fail("no such file; expected a VCF.", "Check the path.") from error
        except OSError as error:
            raise explain_os_error(error, self.path, "reading") from error
        if not head:
            raise self._fail("is empty; expected a VCF.")
        if is_bgzf(head) and not has_eof_block(self.path):
            raise self._fail(
                "is cut short: the BGZF end-of-file block is missing.",
                "Copy or make the file again; nothing was written.",
            )
        return head[:2] == b"\x1f\x8b"

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with open_gzip(self.path) if self._compressed else self.path.open("rb") as file:
                yield file
        except GZIP_ERRORS as error:
            raise self._fail(
                f"the gzip data are cut or corrupt ({error}).",
                "Copy or make the file again; nothing was written.",
            ) from error

    def _read_header(self) -> Header:
        with self._open() as file:
            first = file.readline(1 << 20)
            if first.startswith(b"BCF"):
                raise self._fail(
                    "is a BCF; expected a VCF.", "Convert it with 'bcftools view -Oz'."
                )
            if not first.startswith(b"##fileformat=VCF"):
                raise self._fail(
                    f"line 1: expected '##fileformat=VCFv4.x', found {first[:40]!r}.",
                    "Give a VCF, plain or compressed with gzip or bgzip.",
                )
            lines, size = [first], len(first)
            while not lines[-1].startswith(b"#CHROM"):
                line = file.readline()
                size += len(line)
                if not line.startswith(b"#") or size > _MAX_HEADER_BYTES:
                    found = repr(line[:40]) if line else "the end of the file"
                    raise self._fail(
                        f"line {len(lines) + 1}: expected a header line or '#CHROM', found {found}.",
                        "The header must end with the #CHROM line.",
                    )
                lines.append(line)
        header = Header(lines)
        expected = ["#CHROM", *NAMES[1:8]]
        if header.columns[8:] == ["FORMAT"]:
            raise self._fail(
                f"line {len(lines)}: the columns end with FORMAT, expected at least one sample behind it.",
                "Remove the FORMAT column ('bcftools view -G').",
            )
        if header.columns[:8] != expected or len(header.columns) == 9:
            raise self._fail(
                f"line {len(lines)}: expected the columns {' '.join(expected)} separated by tabs, "
                f"found {' '.join(header.columns)[:80]!r}."
            )
        return header

    def batches(self) -> Iterator[Batch]:
        """Yield all records, in order, in batches of about `batch_bytes` of text."""
        record, line = 0, len(self.header.lines) + 1
        for data in self._record_text():
            lines = scan_lines(data)
            self._check(lines, line)
            yield Batch(self.path, lines, record, line)
            record += len(lines)
            line += len(lines)

    def _record_text(self) -> Iterator[bytes]:
        with self._open() as file:
            skip = sum(len(line) for line in self.header.lines)
            while skip:
                skip -= len(file.read(min(skip, 1 << 20)))
            rest: list[bytes] = []
            while piece := file.read(self.batch_bytes):
                end = piece.rfind(b"\n") + 1
                if end:
                    yield b"".join([*rest, piece[:end]])
                    rest = []
                if end < len(piece):
                    rest.append(piece[end:])
            if rest:
                self.ends_without_newline = True
                yield b"".join([*rest, b"\n"])

    def _check(self, lines: Lines, first_line: int) -> None:
        expected = len(self.header.columns)
        wrong = np.flatnonzero(lines.num_fields != expected)
        if len(wrong):
            row = int(wrong[0])
            raise self._fail(
                f"line {first_line + row}: expected {expected} columns as in the #CHROM line, "
                f"found {lines.num_fields[row]}.",
                "Correct or remove the line; columns are separated by tabs.",
            )
        begin, end = lines.bounds(POS)
        codes = np.frombuffer(lines.data, np.uint8)
        length = end - begin
        digit = (codes < 48) | (codes > 57)
        before = np.concatenate([[0], np.cumsum(digit, dtype=np.int32)])
        bad = (length < 1) | (length > 10) | (before[end] - before[begin] > 0)
        if bad.any():
            self._bad_pos(lines, first_line, int(np.flatnonzero(bad)[0]))

    def _bad_pos(self, lines: Lines, first_line: int, row: int) -> None:
        begin, end = lines.bounds(POS)
        found = lines.data[begin[row] : end[row]][:40].decode("utf-8", "replace")
        raise self._fail(
            f"line {first_line + row}: POS: expected a whole number up to {MAX_POS}, found {found!r}.",
            "Correct the line.",
        )

    def positions(self, batch: Batch) -> pl.Series:
        """Return POS of a batch, Int64.

        Raises
        ------
        InputError
            Where one is over 2^31 - 1.
        """
        positions = batch.text(POS).cast(pl.Int64)
        too_large = (positions > MAX_POS).arg_true()
        if len(too_large):
            self._bad_pos(batch.lines, batch.first_line, too_large[0])
        return positions


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
