"""The compiled part: a piece of a VCF and open files of a store in, annotated text out.

The library is plain C behind ctypes: the interpreter is free for other threads while it works, and it
keeps nothing between calls but what was opened, and the memory of a `Room` or a `Spare`. Here are its structures, as ``kernel.h`` has them, and
a class or function for each of its own. Which contig is what, headers, errors' sentences, compression
and threads are Python's.
"""

import ctypes as c
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from ensembl_annotations._kernel import build
from ensembl_annotations._kernel.build import FOLDER, LIBRARY, BuildError
from ensembl_annotations.common.errors import EnsemblAnnotationsError

ABI = 6
"""Of kernel.h; a library of another one is not used."""

COMPARED = ("num", "num_agree", "num_swapped", "num_asked", "num_others", "num_others_agree")
"""What is counted of REFs."""

NOT_COMPARABLE, DELETION, INSERTION, OTHER = 0, 5, 10, 15
"""Codes of alleles that are no SNV; that of an SNV is 4 * REF + ALT in the order ACGT."""

MATCHED = -1
"""Stands for no reason."""

(
    BAD_COLUMNS,
    BAD_POS,
    NOT_UTF8,
    BAD_QUAL,
    HAS_TAG,
    LONG_ALLELES,
    MANY_ALTS,
    MUCH_TOLD,
    LONG_COLUMN,
) = range(9)
"""What can be wrong with a line."""

NUM_TAGS = 17
ID_MODES = ("append", "replace", "keep")
TRANSCRIPTS = ("pick", "gene", "all")
UNTYPED_KEYS = ("DP", "GQ", "AD")
COLUMNS = (
    "record", "alt_index", "chrom", "pos", "id", "ref", "alt", "qual", "filter",
    "gt", "dp", "gq", "ad", "dosage", "zygosity",
    "ens_key", "ens_id", "ens_match", "ens_multi", "ens_tsa", "ens_ma", "ens_maf", "ens_mac", "ens_aa", "ens_af", "ens_af_why",
    "ens_clin", "ens_rsclin", "ens_evidence", "ens_source", "ens_par", "ens_reason", "ens_site_id",
    "ens_gene", "ens_symbol", "ens_transcript", "ens_consequence", "ens_impact", "ens_hgvsc", "ens_hgvsp", "ens_worst",
    "id_allele_clin", "id_clin", "id_evidence", "id_source", "line", "af_text", "gts", "ens_csq",
)  # fmt: skip
"""What can be asked for of each ALT: the columns of the annotated table, but `calls` and `info`; of each ID its terms, joined by |;
where the record's line begins in the piece; and the frequency as it is published."""

NUM_CSQ_FIELDS = 23

_NUM_REASONS = 10
_NUM_TERMS = 30
_ALL_GOOD, _BAD_INPUT, _BAD_STORE = range(3)


class KernelError(EnsemblAnnotationsError):
    """The library can't be made or loaded, or is not the one of these sources."""

    default_code = "kernel"


class BadLine(Exception):
    """A line of a piece can't be used.

    Attributes
    ----------
    line : int
        From 0 within the piece.
    what : int
        Which of the checks.
    detail : int
        The column, or the number of the tag.
    """

    def __init__(self, line: int, what: int, detail: int) -> None:
        super().__init__(line, what, detail)
        self.line, self.what, self.detail = line, what, detail


class BadFile(Exception):
    """A file of a store is altered or can't be read.

    Attributes
    ----------
    number : int
        The one it was opened with.
    why : str
    """

    def __init__(self, number: int, why: str) -> None:
        super().__init__(number, why)
        self.number, self.why = number, why


class _Problem(c.Structure):
    _fields_ = [
        ("kind", c.c_int32),
        ("what", c.c_int32),
        ("detail", c.c_int32),
        ("file", c.c_int32),
        ("line", c.c_int64),
        ("text", c.c_char * 160),
    ]

    def raise_it(self) -> None:
        if self.kind == _BAD_INPUT:
            raise BadLine(self.line, self.what, self.detail)
        raise BadFile(self.file, self.text.decode())


class Region(c.Structure):
    """A region that lies on Y and on X: first and last base (1-based), and what to add for X."""

    _fields_ = [("first", c.c_int64), ("last", c.c_int64), ("shift", c.c_int64)]


class Contig(c.Structure):
    """What a CHROM of the input is in the reference; handles are of `Table`, `Sequence2Bit` and `Genes`.

    The name is what Ensembl calls it, where that is not CHROM itself.
    """

    _fields_ = [
        ("table", c.c_void_p),
        ("x_table", c.c_void_p),
        ("sequence", c.c_void_p),
        ("x_sequence", c.c_void_p),
        ("reason", c.c_int32),
        ("is_y", c.c_int32),
        ("genes", c.c_void_p),
        ("x_genes", c.c_void_p),
        ("is_mt", c.c_int32),
        ("name", c.c_char_p),
    ]


class _Options(c.Structure):
    _fields_ = [
        ("num_columns", c.c_int32),
        ("tags", c.c_uint32),
        ("id_mode", c.c_int32),
        ("overwrite", c.c_int32),
        ("check_records", c.c_int32),
        ("check_calls", c.c_int32),
        ("with_sites", c.c_int32),
        ("index_depth", c.c_int32),
        ("num_regions", c.c_int32),
        ("num_contigs", c.c_int32),
        ("transcripts", c.c_int32),
        ("region", Region * 2),
        ("contig", c.POINTER(Contig)),
        ("contig_of_run", c.POINTER(c.c_int32)),
        ("num_runs", c.c_int64),
        ("most_allele_bytes", c.c_int64),
        ("most_alts", c.c_int64),
        ("most_told_bytes", c.c_int64),
        ("columns", c.c_uint64),
        ("first_record", c.c_int64),
        ("most_column", c.c_int64),
    ]


class _Work(c.Structure):
    _fields_ = [(name, c.c_int64) for name in ("per_alt", "per_byte", "most")]


class _Part(c.Structure):
    _fields_ = [(name, c.c_int64) for name in ("end", "num_lines", "work")]


class _Run(c.Structure):
    _fields_ = [
        (name, c.c_int64)
        for name in (
            "begin",
            "length",
            "num_records",
            "first_pos",
            "last_pos",
            "is_ascending",
            "num_in_region",
            "num_elsewhere",
        )
    ]


class _Compared(c.Structure):
    _fields_ = [(name, c.c_int64) for name in COMPARED]

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(getattr(self, name) for name in COMPARED)


class _Out(c.Structure):
    _fields_ = [(name, c.c_void_p) for name in ("begin", "at", "end")]

    @property
    def num_bytes(self) -> int:
        return (self.at or 0) - (self.begin or 0)


class Column(c.Structure):
    """A column as ``columns.h`` has it: what buffers of Arrow hold."""

    _fields_ = [
        *((name, _Out) for name in ("valid", "offset", "value_valid", "value_offset", "bytes")),
        *(
            (name, c.c_int64)
            for name in ("num_rows", "num_nulls", "num_values", "num_value_nulls", "most")
        ),
        ("is_full", c.c_int32),
        ("are_texts", c.c_int32),
    ]


class Cell(c.Structure):
    """A number of ALTs of one kind in a window, as ``columns.h`` has it."""

    _fields_ = [
        *((name, c.c_int64) for name in ("window", "count")),
        ("run", c.c_int32),
        *((name, c.c_int8) for name in ("status", "kind", "transition")),
    ]


class _Columns(c.Structure):
    _fields_ = [
        ("column", Column * (len(COLUMNS) + NUM_CSQ_FIELDS)),
        ("cell", _Out),
        ("num_cells", c.c_int64),
    ]


class Spare:
    """Memory of texts and columns that are not in use any more, kept for the next ones."""

    def __init__(self) -> None:
        # The functions too: at the end of the program this module may be gone before.
        self._free_columns = _library().kernel_free_columns
        self._free_text = _library().kernel_free_text
        self.columns: deque[int] = deque()
        self.texts: deque[int] = deque()

    def __del__(self) -> None:
        for address in self.columns:
            self._free_columns(address)
        for address in self.texts:
            self._free_text(address)


class _Text:
    """The memory of a text, which is not used for others as long as this is there."""

    def __init__(self, spare: Spare) -> None:
        self._spare, self._rest = spare, _library().kernel_rest_text
        try:
            self.address = spare.texts.pop()
        except IndexError:
            self.address = _library().kernel_new_text()

    def view(self, address: int | None, num_bytes: int) -> memoryview:
        """Return bytes of it, which keep it, as do parts of them."""
        if not num_bytes or not address:
            return memoryview(b"")
        array = (c.c_char * num_bytes).from_address(address)
        array.kept = self  # type: ignore[attr-defined]
        return memoryview(array).cast("B")

    def __del__(self) -> None:
        self._rest(self.address)
        self._spare.texts.append(self.address)


class Columns:
    """The columns of a piece, and its counts; their memory is not used for others as long as this is there.

    Attributes
    ----------
    columns : dict of str to Column
        By name; one that was not asked for is empty, but those of the one sample come together.
    csq : list of Column
        The fields of the entries in ``ens_csq``.
    cells : list of Cell
    """

    def __init__(self, spare: Spare) -> None:
        self._spare, self._rest = spare, _library().kernel_rest_columns
        try:
            self.address = self._spare.columns.pop()
        except IndexError:
            self.address = _library().kernel_new_columns()
        content = _Columns.from_address(self.address)
        self.columns = dict(zip(COLUMNS, content.column, strict=False))
        self.csq = content.column[len(COLUMNS) :]

    @property
    def cells(self) -> list[Cell]:
        content = _Columns.from_address(self.address)
        if not content.num_cells:
            return []
        return list((Cell * content.num_cells).from_address(content.cell.begin))

    def __del__(self) -> None:
        self._rest(self.address)
        self._spare.columns.append(self.address)


class Result(c.Structure):
    """An annotated piece, as ``kernel.h`` has it; see `annotated`."""

    _fields_ = [
        ("_text", c.c_void_p),
        ("_text_bytes", c.c_int64),
        ("run", c.POINTER(_Run)),
        ("num_runs", c.c_int64),
        ("spot", c.c_void_p),
        ("num_spots", c.c_int64),
        ("rise", c.c_void_p),
        ("num_rises", c.c_int64),
        ("last_base", c.c_int64),
        *(
            (name, c.c_int64)
            for name in (
                "num_records",
                "num_alleles",
                "num_exact",
                "num_shifted",
                "num_par",
                "num_conflicts",
            )
        ),
        ("reason", c.c_int64 * _NUM_REASONS),
        *(
            (name, c.c_int64 * len(UNTYPED_KEYS))
            for name in ("num_untyped", "untyped_line", "untyped_begin", "untyped_length")
        ),
        ("compared", _Compared),
        ("num_terms", c.c_int64 * _NUM_TERMS),
        ("num_ref_differs", c.c_int64),
    ]
    text: memoryview
    """The annotated lines; they stay as long as it, or a part of it, is there."""
    columns: Columns
    """Where any were asked for."""


@cache
def _library() -> Any:
    path = FOLDER / LIBRARY
    hint = "Run 'make', which compiles it."
    try:
        if not build.is_current(path):
            # Sources in which nobody ran make since they changed: a pull, or an experiment's copy.
            build.build(FOLDER)
        library = c.CDLL(str(path))
    except (OSError, BuildError) as error:
        raise KernelError(f"{path}: can't be loaded ({error}).", hint=hint) from error
    if (found := library.kernel_abi()) != ABI:
        raise KernelError(f"{path}: is of version {found}, expected {ABI}.", hint=hint)
    options, problem = c.POINTER(_Options), c.POINTER(_Problem)
    text = (c.c_char_p, c.c_int64)
    signatures = {
        "kernel_crc32": (c.c_uint32, *text),
        "kernel_open_table": (c.c_void_p, c.c_int, c.c_int32, c.c_int64, *text, problem),
        "kernel_close_table": (None, c.c_void_p),
        "kernel_num_rows": (c.c_int64, c.c_void_p),
        "kernel_open_genes": (c.c_void_p, c.c_int, c.c_int32, c.c_int64, *text, problem),
        "kernel_close_genes": (None, c.c_void_p),
        "kernel_num_transcripts": (c.c_int64, c.c_void_p),
        "kernel_term": (c.c_char_p, c.c_int),
        "kernel_num_bases": (c.c_int64, c.c_void_p),
        "kernel_open_sequence": (c.c_void_p, c.c_int, c.c_int32, *text, *text, problem),
        "kernel_close_sequence": (None, c.c_void_p),
        "kernel_bases": (c.c_int, c.c_void_p, c.c_int64, c.c_int64, c.c_char_p, problem),
        "kernel_runs": (c.c_int64, *text, c.POINTER(c.POINTER(_Run))),
        "kernel_free_runs": (None, c.POINTER(_Run)),
        "kernel_parts": (c.c_int64, *text, c.POINTER(_Work), c.POINTER(c.POINTER(_Part))),
        "kernel_free_parts": (None, c.POINTER(_Part)),
        "kernel_new_room": (c.c_void_p,),
        "kernel_free_room": (None, c.c_void_p),
        "kernel_rest_room": (None, c.c_void_p),
        "kernel_new_text": (c.c_void_p,),
        "kernel_free_text": (None, c.c_void_p),
        "kernel_rest_text": (None, c.c_void_p),
        "kernel_new_columns": (c.c_void_p,),
        "kernel_free_columns": (None, c.c_void_p),
        "kernel_rest_columns": (None, c.c_void_p),
        "kernel_annotate": (
            c.c_int,
            c.c_void_p,
            *text,
            options,
            c.c_void_p,
            c.c_void_p,
            c.POINTER(Result),
            problem,
        ),
        "kernel_compare": (c.c_int, *text, options, c.c_int64, c.POINTER(_Compared), problem),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def terms() -> list[str]:
    """Return the terms of consequences, by severity."""
    return [_library().kernel_term(number).decode() for number in range(_NUM_TERMS)]


def crc32(data: bytes) -> int:
    """Return the CRC-32 of bytes."""
    return int(_library().kernel_crc32(data, len(data)))


class Table:
    """An open file of published alleles; the footer was checked before."""

    def __init__(self, fd: int, number: int, file_bytes: int, footer: bytes) -> None:
        problem = _Problem()
        self.handle = _library().kernel_open_table(
            fd, number, file_bytes, footer, len(footer), problem
        )
        if not self.handle:
            problem.raise_it()

    @property
    def num_rows(self) -> int:
        return int(_library().kernel_num_rows(self.handle))

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            _library().kernel_close_table(self.handle)


class Genes:
    """An open file of transcripts; the footer was checked before."""

    def __init__(self, fd: int, number: int, file_bytes: int, footer: bytes) -> None:
        problem = _Problem()
        self.handle = _library().kernel_open_genes(
            fd, number, file_bytes, footer, len(footer), problem
        )
        if not self.handle:
            problem.raise_it()

    @property
    def num_rows(self) -> int:
        return int(_library().kernel_num_transcripts(self.handle))

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            _library().kernel_close_genes(self.handle)


class Sequence2Bit:
    """An open sequence; what its checksums leave bare was checked before."""

    def __init__(self, fd: int, number: int, head: bytes, tail: bytes) -> None:
        problem = _Problem()
        self.handle = _library().kernel_open_sequence(
            fd, number, head, len(head), tail, len(tail), problem
        )
        if not self.handle:
            problem.raise_it()

    @property
    def num_bases(self) -> int:
        return int(_library().kernel_num_bases(self.handle))

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            _library().kernel_close_sequence(self.handle)

    def bases(self, begin: int, count: int) -> bytes:
        """Return bases from a 0-based place on; N where there are none."""
        problem, out = _Problem(), c.create_string_buffer(max(count, 1))
        if _library().kernel_bases(self.handle, begin, count, out, problem):
            problem.raise_it()
        return out.raw[:count]


class Settings(NamedTuple):
    """What is asked of all pieces of a run.

    Attributes
    ----------
    num_columns : int
        Of the VCF.
    tags : int
        A bit for each chosen tag, in the order of the schema.
    id_mode : str
    overwrite, check_records, check_calls, with_sites : bool
        Take the chosen tags out of the input; refuse lines with them, or with a QUAL that is no
        number; count values that can't be typed, of several samples too; find what else is at a site.
    index_depth : int
        Of the index that is made; 0 for none.
    regions : sequence of Region
    most_allele_bytes, most_alts : int
        Of a record; more is refused. The bytes are those of REF and ALT, with the tab between them.
    most_told_bytes : int
        Of the consequences of all lines together; more is refused, and the line is where they are too many.
    transcripts : str
        Whose consequences are told: one of `TRANSCRIPTS`.
    columns : sequence of str
        Which of the `COLUMNS` are made.
    first_record : int
        Number of the first record in the file.
    most_column : int
        Bytes of text, and items, that a column may have: Arrow has no room for more.
    """

    num_columns: int
    tags: int = 0
    id_mode: str = "append"
    overwrite: bool = False
    check_records: bool = True
    check_calls: bool = False
    with_sites: bool = False
    index_depth: int = 0
    regions: Sequence[Region] = ()
    most_allele_bytes: int = 1 << 62
    most_alts: int = 1 << 62
    most_told_bytes: int = 1 << 62
    transcripts: str = "pick"
    columns: Sequence[str] = ()
    first_record: int = 0
    most_column: int = (1 << 31) - 1


def contig_runs(text: bytes) -> list[tuple[bytes, int]]:
    """Return CHROM and number of the records that follow one another on a contig, in order."""
    runs = c.POINTER(_Run)()
    count = _library().kernel_runs(text, len(text), runs)
    try:
        return [(text[run.begin : run.begin + run.length], run.num_records) for run in runs[:count]]
    finally:
        _library().kernel_free_runs(runs)


def line_parts(
    text: bytes, *, per_alt: int, per_byte: int, most: int
) -> list[tuple[int, int, int]]:
    """Part whole lines so that none takes more memory than it may, unless it is a single line.

    Parameters
    ----------
    text : bytes
    per_alt, per_byte : int
        Memory that an ALT, and a byte of REF or ALT, take.
    most : int
        How much of that a part may take.

    Returns
    -------
    list of tuple of (int, int, int)
        Of each part: where it ends in the text, how many lines it has, the memory it takes.
    """
    parts = c.POINTER(_Part)()
    work = _Work(per_alt, per_byte, most)
    count = _library().kernel_parts(text, len(text), work, parts)
    try:
        return [(part.end, part.num_lines, part.work) for part in parts[:count]]
    finally:
        _library().kernel_free_parts(parts)


def _options(settings: Settings, contigs: Sequence[Contig], places: Sequence[int]) -> _Options:
    return _Options(
        settings.num_columns,
        settings.tags,
        ID_MODES.index(settings.id_mode),
        settings.overwrite,
        settings.check_records,
        settings.check_calls,
        settings.with_sites,
        settings.index_depth,
        len(settings.regions),
        len(contigs),
        TRANSCRIPTS.index(settings.transcripts),
        (Region * 2)(*settings.regions),
        (Contig * len(contigs))(*contigs),
        (c.c_int32 * len(places))(*places),
        len(places),
        settings.most_allele_bytes,
        settings.most_alts,
        settings.most_told_bytes,
        sum(1 << COLUMNS.index(name) for name in settings.columns),
        settings.first_record,
        settings.most_column,
    )


class Room:
    """Memory that a piece is annotated in, kept for the next one."""

    def __init__(self) -> None:
        # The function too: at the end of the program this module may be gone before.
        self._free, self.handle = _library().kernel_free_room, _library().kernel_new_room()

    def __del__(self) -> None:
        self._free(self.handle)


@contextmanager
def annotated(
    text: bytes,
    settings: Settings,
    contigs: Sequence[Contig],
    places: Sequence[int],
    room: Room | None = None,
    spare: Spare | None = None,
) -> Iterator[Result]:
    """Annotate whole lines; what is not its text or columns is there as long as the block runs.

    Parameters
    ----------
    text : bytes
        Ends with a newline.
    settings : Settings
    contigs : sequence of Contig
    places : sequence of int
        For each of the `contig_runs`, which of the contigs it is.
    room : Room, optional
        One that is not in use for another piece.
    spare : Spare, optional
        Memory for the text and columns.

    Raises
    ------
    BadLine, BadFile
    """
    room, spare = room or Room(), spare or Spare()
    result, problem, made = Result(), _Problem(), _Text(spare)
    options = _options(settings, contigs, places)
    columns = None
    if settings.columns:
        columns = result.columns = Columns(spare)
    if _library().kernel_annotate(
        room.handle,
        text,
        len(text),
        options,
        columns and columns.address,
        made.address,
        result,
        problem,
    ):
        problem.raise_it()
    result.text = made.view(result._text, result._text_bytes)
    try:
        yield result
    finally:
        _library().kernel_rest_room(room.handle)


def compared(
    text: bytes,
    settings: Settings,
    contigs: Sequence[Contig],
    places: Sequence[int],
    enough: int,
) -> tuple[int, ...]:
    """Compare REFs with the reference until enough could be; return `COMPARED`, see `kernel.h`.

    Raises
    ------
    BadLine, BadFile
    """
    found, problem = _Compared(), _Problem()
    if _library().kernel_compare(
        text, len(text), _options(settings, contigs, places), enough, found, problem
    ):
        problem.raise_it()
    return found.counts


def view(address: int | None, num_bytes: int) -> memoryview:
    """Return the bytes at an address; the caller sees to it that they stay there."""
    if not num_bytes or not address:
        return memoryview(b"")
    return memoryview((c.c_char * num_bytes).from_address(address)).cast("B")


def numbers(address: int | None, count: int) -> list[int]:
    """Return the 64-bit numbers at an address."""
    return view(address, 8 * count).cast("q").tolist()
