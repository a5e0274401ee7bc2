"""Read a VCF as bytes: its header lines, and pieces of whole record lines."""

import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from ensembl_annotations._kernel import line_parts
from ensembl_annotations.common.errors import InputError, PassingInputError
from ensembl_annotations.vcf.source import Source

if TYPE_CHECKING:
    from ensembl_annotations.vcf.blocks import Blocks

BATCH_BYTES = 4 << 20
BATCH_RECORDS = 16_000
"""A piece has a fixed cost, tens of milliseconds: it is to be spread over so many records."""

MAX_BATCH_RECORDS = 2 * BATCH_RECORDS
"""A record takes 3 kB while it is in work, however short its line is."""

AHEAD_BYTES = 64 << 20
"""How much text may be looked at before it is annotated, and kept meanwhile."""

MAX_ALTS = 65_534
"""htslib counts the alleles of a record, REF among them, in 16 bits."""

_PART_BYTES = 100_000_000
_PER_ALT, PER_ALLELE_BYTE = 800, 20
"""Memory that an ALT, and a byte of REF or ALT, take while they are matched and written to a table; and
how much of that is in work at a time. Measured with a million ALTs, 640, and with REFs of 24 MB, 13."""

MAX_POS = 2**31 - 1
CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO, FORMAT, SAMPLE = range(10)
NAMES = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "the sample")
_FIELD = rb'[<,]\s*(\w+)=("(?:[^"\\]|\\.)*"?|[^",>]*)'
_MAX_FIRST_BYTES = 1 << 20


class Limits(NamedTuple):
    """What a VCF may have, so that no file takes all memory.

    Attributes
    ----------
    line_bytes : int
        A record's line.
    allele_bytes : int
        REF and ALT of a record, with the tab between them.
    header_bytes : int
        The header; each line counts `HEADER_LINE_BYTES` more than it has.
    hint : str
        What to do where there is more.
    """

    line_bytes: int = 128 << 20
    allele_bytes: int = 32 << 20
    header_bytes: int = 256 << 20
    hint: str = "Remove the line."


HEADER_LINE_BYTES = 50
_LIMITS = Limits()


class Header:
    """A VCF header.

    Attributes
    ----------
    lines : list of bytes
        Every line, ``#CHROM`` last, each with its own line end.
    columns : list of str
        The names on the ``#CHROM`` line.
    """

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self.columns = lines[-1].decode("utf-8", "replace").rstrip("\r\n").split("\t")

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
            fields = header_fields(line, b"contig")
            if name := fields.get(b"ID"):
                length = re.match(rb"\d{1,18}", fields.get(b"length", b""))
                found[name.decode("utf-8", "replace")] = int(length[0]) if length else None
        return found

    def warnings(self) -> list[str]:
        """Say what is odd in the header, and passed through, but read by few other programs."""
        found = [
            f"line {number}: begins with one '#', expected two: "
            f"{line[:40].decode('utf-8', 'replace').rstrip()!r}. It is kept; other programs may "
            "refuse the file: correct or remove the line."
            for number, line in enumerate(self.lines[:-1], 1)
            if not line.startswith(b"##")
        ]
        for name, count in Counter(self.samples).items():
            if count > 1:
                columns = [at for at, column in enumerate(self.columns, 1) if column == name]
                found.append(
                    f"line {len(self.lines)}: {count} samples have the name {name!r} (columns "
                    f"{', '.join(map(str, columns))}). All are kept; other programs may refuse the "
                    "file or confuse them: rename them in the #CHROM line."
                )
        return found

    def info_ids(self) -> set[str]:
        """Return the declared INFO keys."""
        ids = (header_fields(line, b"INFO").get(b"ID") for line in self.lines)
        return {name.decode("utf-8", "replace") for name in ids if name}


def header_fields(line: bytes, key: bytes) -> dict[bytes, bytes]:
    """Return the fields of a header line ``##key=<A=b,C="d e">``, unquoted; none of another line.

    Lines that other programs write a little wrong are read too: blanks behind commas, no closing bracket.
    """
    begin = b"##" + key + b"=<"
    if not line.startswith(begin):
        return {}
    found = re.findall(_FIELD, line[len(begin) - 1 :])
    return {name: value.strip(b'"') for name, value in found}


class Piece(NamedTuple):
    """The text of whole record lines, not looked at yet.

    Attributes
    ----------
    data : bytes
        The lines.
    first_record, first_line : int
        0-based number of the first record in the file, and 1-based of the first line.
    parts : sequence of tuple of (int, int, int)
        Of a piece that was just read: how it may be parted, as `line_parts` has it.
    """

    data: bytes
    first_record: int
    first_line: int
    parts: Sequence[tuple[int, int, int]] = ()

    @property
    def is_line(self) -> bool:
        """Whether it is a single line."""
        return self.data.find(b"\n") == len(self.data) - 1

    def cut(self, num_lines: int) -> tuple["Piece", "Piece"]:
        """Return its first lines, and the rest."""
        rest = self.data.split(b"\n", num_lines)[-1]
        head = self._replace(data=self.data[: len(self.data) - len(rest)])
        return head, Piece(rest, self.first_record + num_lines, self.first_line + num_lines)


class VcfReader:
    """Read a VCF or BCF once, from its beginning to its end; close it, or use it with `with`.

    Parameters
    ----------
    path : Path
        The file, a pipe, or ``-`` for standard input.
    max_batch_bytes : int
        Pieces of long lines may become so large, to have `BATCH_RECORDS` records; less than
        `BATCH_BYTES` makes all pieces smaller.
    limits : Limits
        What is refused.

    Attributes
    ----------
    path : Path
        The file, for messages.
    header : Header
        Read on opening.
    limits : Limits
    ends_without_newline : bool
        Known after the last batch: the file's last line has no line end.

    Raises
    ------
    InputError
        On opening or while reading, naming the line where there is one.
    """

    batch_bytes = BATCH_BYTES

    def __init__(
        self, path: Path, max_batch_bytes: int = BATCH_BYTES, limits: Limits = _LIMITS
    ) -> None:
        self.limits = limits
        self._source = self._records = Source(path)
        self.path = self._source.name
        self.ends_without_newline = False
        self._growth = max_batch_bytes / BATCH_BYTES
        self._ahead: deque[Piece] = deque()
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise
        self._rest = self._read_pieces()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            # A line that can't be used may be what a damaged file was unpacked to.
            if kind is InputError:
                self._records.check_packed()
        finally:
            self.close()

    @property
    def num_read(self) -> int:
        """Bytes of the file read so far, as they are packed."""
        return self._source.num_read

    def check_unchanged(self) -> None:
        """Refuse a file that changed since it was opened; see `Source.check_unchanged`."""
        self._source.check_unchanged()

    def close(self) -> None:
        self._source.close()
        if self._records is not self._source:
            self._records.close()

    def parts_of(self, text_bytes: int) -> list["Blocks"]:
        """Return the parts of a file of about so much text each; none where it can't be cut."""
        if not self._source.can_be_cut:
            return []
        return self._source.parts(sum(map(len, self.header.lines)), text_bytes)

    def only(self, part: "Blocks", first_record: int = 0) -> None:
        """Give from now on the records of a part of the file, whose first one has this number."""
        self._records.close()
        self._ahead.clear()
        self.ends_without_newline = False
        self._records = Source(self.path, part)
        self._rest = self._read_pieces(first_record)

    def _fail(self, message: str, hint: str | None = None) -> InputError:
        return InputError(f"{self.path}: {message}", hint=hint)

    def refuse(
        self,
        line: int,
        what: str,
        limit: int,
        found: object,
        hint: str | None = None,
        *,
        is_passing: bool = True,
    ) -> InputError:
        """Return the error for a line that has more of something than it may; by default, of memory."""
        # What one run has no memory for, another may have.
        kind = PassingInputError if is_passing else InputError
        return kind(
            f"{self.path}: line {line}: {what}: expected at most {limit:,}, found {found}.",
            hint=hint or self.limits.hint,
            code="too_large",
        )

    def _read_header(self) -> Header:
        first = self._source.readline(_MAX_FIRST_BYTES)
        if not first.startswith(b"##fileformat=VCF"):
            raise self._fail(
                f"line 1: expected '##fileformat=VCFv4.x', found {first[:40]!r}.",
                "Give a VCF, plain or compressed with gzip or bgzip, or a BCF.",
            )
        if len(first) == _MAX_FIRST_BYTES and not first.endswith(b"\n"):
            raise self._fail(
                f"line 1: is longer than {_MAX_FIRST_BYTES} bytes.", "Correct the line."
            )
        lines, size, most = [first], len(first), self.limits.header_bytes
        while not lines[-1].startswith(b"#CHROM"):
            line = self._source.readline(most)
            size += len(line) + HEADER_LINE_BYTES
            if size > most:
                what = f"bytes of the header (and {HEADER_LINE_BYTES} per line)"
                raise self.refuse(len(lines) + 1, what, most, f"{size:,}, and it goes on")
            if not line.startswith(b"#"):
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

    def pieces(self) -> Iterator[Piece]:
        """Yield the text of all records, in order, each once.

        Notes
        -----
        Pieces have about `batch_bytes`; more, up to the limit, where lines are long, to have
        `BATCH_RECORDS`; fewer where they are so short that this would be `MAX_BATCH_RECORDS`.
        """
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._rest

    def look_ahead(self, max_bytes: int | None = None) -> Iterator[Piece]:
        """Yield the first pieces, which `pieces` gives again, up to `AHEAD_BYTES` or fewer."""
        max_bytes = AHEAD_BYTES if max_bytes is None else max_bytes
        yield from self._ahead
        kept = sum(len(piece.data) for piece in self._ahead)
        while kept < max_bytes and (piece := next(self._rest, None)) is not None:
            self._ahead.append(piece)
            kept += len(piece.data)
            yield piece

    def _read_pieces(self, record: int = 0) -> Iterator[Piece]:
        line = len(self.header.lines) + 1 + record
        # The first piece is small: how long lines are is not known yet.
        size = first = max(int(self.batch_bytes * min(self._growth, 1) / 16), 1)
        num_read = 0
        while data := self._records.read(size):
            if not data.endswith(b"\n"):
                most = self.limits.line_bytes
                data += self._records.readline(most)
                if len(data) > most and (found := len(data) - data.rfind(b"\n", 0, -1) - 1) > most:
                    number = line + data.count(b"\n", 0, -1)
                    raise self.refuse(number, "bytes of the line", most, f"{found:,} or more")
            if not data.endswith(b"\n"):
                self.ends_without_newline = True
                data += b"\n"
            parts = line_parts(data, per_alt=_PER_ALT, per_byte=PER_ALLELE_BYTE, most=_PART_BYTES)
            yield Piece(data, record, line, parts)
            count = sum(num_lines for _, num_lines, _ in parts)
            num_read += len(data)
            # No piece is much of a file: what threads work on at the end would be one piece otherwise.
            size = min(self._next_size(len(data) / count), max(first, num_read // 4))
            record += count
            line += count

    def _next_size(self, line_bytes: float) -> int:
        least = min(self.batch_bytes, line_bytes * MAX_BATCH_RECORDS)
        wanted = max(line_bytes * BATCH_RECORDS, least)
        limit = self.batch_bytes * self._growth
        return max(1, int(min(wanted * min(self._growth, 1), limit)))

    def parts(self, piece: Piece) -> Iterator[Piece]:
        """Yield a piece; in parts where it has a great many ALTs."""
        begin = number = 0
        for end, num_lines, _ in piece.parts:
            data = piece.data if len(piece.parts) == 1 else piece.data[begin:end]
            yield Piece(data, piece.first_record + number, piece.first_line + number)
            begin, number = end, number + num_lines

    def is_large(self, piece: Piece) -> bool:
        """Tell whether a piece takes so much memory that it is to be worked on alone, part by part."""
        if len(piece.data) > self.batch_bytes * (max(self._growth, 1) + 1):
            return True
        return sum(work for _, _, work in piece.parts) > _PART_BYTES


def is_utf8(value: bytes) -> bool:
    """Tell whether bytes are text."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
