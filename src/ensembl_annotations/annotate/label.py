"""What an annotated file says of itself: its header line, or the parquet file's metadata."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from ensembl_annotations.annotate.text import METADATA_KEY
from ensembl_annotations.common.errors import InputError, explain_os_error
from ensembl_annotations.common.hashes import md5_of, new_md5
from ensembl_annotations.common.words import one_line
from ensembl_annotations.store.describe import FILE_NAME
from ensembl_annotations.variants.outcomes import TABLE_COLUMNS
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, GZIP_ERRORS, has_eof_block, is_bgzf
from ensembl_annotations.vcf.bgzf import open_gzip as open_compressed
from ensembl_annotations.vcf.header import parse_structured_line

STDIN = Path("-")
_HEAD_BYTES = 18
_STEP_BYTES = 1 << 20
# A header has no longer line, and no BCF a longer header; what seems to is something else.
_MOST_BYTES = 1 << 28


@dataclass
class Label:
    """What a file says it was made from.

    Attributes
    ----------
    path : Path
        The file; ``-`` for standard input.
    kind : str
        ``VCF``, ``BCF`` or ``parquet``.
    fields : dict of str to str
        The fields of our header line.
    is_complete : bool or None
        Whether its end is there; None where a file of its kind has no mark at its end.
    with_genotypes : bool
        Whether it is a table with the genotypes of all samples.
    columns : tuple of str
        What a table has because it was asked for.
    read_md5, problem : str or None
        Of a stream, which can be read only once: its MD5, and what is wrong with its checksums.
    """

    path: Path
    kind: str
    fields: dict[str, str]
    is_complete: bool | None
    with_genotypes: bool = False
    columns: tuple[str, ...] = ()
    read_md5: str | None = None
    problem: str | None = None

    @cached_property
    def md5(self) -> str:
        """MD5 of the whole file, as DVC has it; of a stream it was taken while reading."""
        if self.read_md5 is not None:
            return self.read_md5
        return md5_of(self.path)

    def damage(self) -> str | None:
        """Read the whole file, where it is one, and say what is wrong with its checksums, if any.

        Notes
        -----
        Each block of BGZF has a CRC-32, as has each page of our parquet files. A stream was read
        when it was looked at.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self.read_md5 is not None:
            return self.problem
        try:
            if self.kind == "parquet":
                with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                    for _ in file.iter_batches():
                        pass
            elif self.is_complete is not None:
                with open_compressed(self.path) as text:
                    return _drain(text)
        except (pa.ArrowException, OSError) as error:
            return f"the data are corrupt ({one_line(error)})"
        return None


class _Stream(io.RawIOBase):
    """A stream that can be looked into, and whose MD5 and last bytes are kept."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.head = self._ahead = handle.read(_HEAD_BYTES)
        self.tail = b""
        self.md5 = new_md5()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._ahead[: len(buffer)] or self._handle.read(len(buffer))
        self._ahead = self._ahead[len(data) :]
        buffer[: len(data)] = data
        self.md5.update(data)
        self.tail = (self.tail + data[-len(EOF_BLOCK) :])[-len(EOF_BLOCK) :]
        return len(data)


def read_label(path: Path) -> Label:
    """Return what an annotated file says it was made from.

    Parameters
    ----------
    path : Path
        A VCF (plain, gzip or BGZF), a BCF or a parquet file; ``-`` is standard input, which is
        read to its end. The first bytes tell which, not the name.

    Raises
    ------
    InputError
        Where it is none of these, does not say it, or is cut or corrupt before it does.
    """
    name = "standard input" if path == STDIN else str(path)
    try:
        with ExitStack() as stack:
            if path == STDIN and (sys.stdin is None or sys.stdin.isatty()):
                found = "closed" if sys.stdin is None else "a terminal"
                raise InputError(f"{name}: is {found}; expected a VCF.", hint="Give a file.")
            handle = sys.stdin.buffer if path == STDIN else stack.enter_context(path.open("rb"))
            stream = _Stream(cast(BinaryIO, handle))
            is_file = path != STDIN and path.is_file()
            if stream.head.startswith(b"PAR1"):
                return _parquet_label(path, name, is_file=is_file)
            label, text = _vcf_label(path, name, stream)
            if not is_file:
                label.problem = _drain(text)
                while stream.read(_STEP_BYTES):
                    pass
                label.read_md5 = stream.md5.hexdigest()
            if is_bgzf(stream.head):
                label.is_complete = has_eof_block(path) if is_file else stream.tail == EOF_BLOCK
            return label
    except GZIP_ERRORS as error:
        raise InputError(
            f"{name}: the gzip data are cut or corrupt ({error}), before a line "
            f"##{METADATA_KEY} was found."
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file.", hint="Check the path.") from error
    except OSError as error:
        raise explain_os_error(error, path, "reading") from error


def _drain(text: BinaryIO) -> str | None:
    """Read to the end, and say what is wrong with the checksums, if any."""
    try:
        while text.read(_STEP_BYTES):
            pass
    except GZIP_ERRORS as error:
        return f"the data are corrupt ({one_line(error)})"
    return None


def _vcf_label(path: Path, name: str, stream: _Stream) -> tuple[Label, BinaryIO]:
    text = cast(BinaryIO, io.BufferedReader(stream, _STEP_BYTES))
    if stream.head[:2] == b"\x1f\x8b":
        text = open_compressed(text)
    begin = text.read(5)
    kind = "BCF" if begin[:3] == b"BCF" else "VCF"
    lines = _bcf_lines(text) if kind == "BCF" else _vcf_lines(begin, text)
    if not next(lines, b"").startswith(b"##fileformat=VCF"):
        raise InputError(
            f"{name}: expected an annotated VCF, BCF or parquet file, or a reference store; "
            f"found {'nothing' if not stream.head else 'something else'}."
        )
    start = f"##{METADATA_KEY}=".encode()
    fields: dict[str, str] = {}
    for line in lines:
        if not line.startswith(b"##"):
            break
        if line.startswith(start):
            # The last one: an input that was annotated before, with other tags, brings its own.
            fields = parse_structured_line(line.decode("utf-8", "replace")) or fields
    if fields:
        return Label(path, kind, fields, None), text
    raise _no_label(name, f"no header line ##{METADATA_KEY}")


def _vcf_lines(begin: bytes, text: BinaryIO) -> Iterator[bytes]:
    line = begin + text.readline(_MOST_BYTES)
    while line:
        yield line
        line = text.readline(_MOST_BYTES)


def _bcf_lines(text: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a BCF's header. Source: VCF specification, section 6.2."""
    num_bytes = int.from_bytes(text.read(4), "little")
    yield from text.read(min(num_bytes, _MOST_BYTES)).split(b"\n")


def _parquet_label(path: Path, name: str, *, is_file: bool) -> Label:
    if not is_file:
        raise InputError(
            f"{name}: a parquet file can't be read from a pipe.", hint="Name the file."
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            content = json.loads((file.metadata.metadata or {}).get(METADATA_KEY.encode(), b"{}"))
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{name}: the parquet file is cut or corrupt: its footer can't be read "
            f"({one_line(error)}).",
            hint="Copy or make the file again.",
        ) from error
    except ValueError:
        content = {}
    # A store's files say under the same key what they are of, their role among it.
    if not isinstance(content, dict) or not content or "role" in content:
        raise _no_label(name, f"no metadata {METADATA_KEY} of an annotated table", path)
    fields = {str(key): str(value) for key, value in content.items()}
    columns = tuple(name for name in TABLE_COLUMNS if name in names)
    return Label(path, "parquet", fields, True, "gts" in names, columns)


def _no_label(name: str, lack: str, path: Path | None = None) -> InputError:
    if path is not None and path.with_name(FILE_NAME).is_file():
        return InputError(
            f"{name}: has {lack}; it is a file of a reference store.",
            hint=f"Give the folder: {path.parent}",
        )
    return InputError(
        f"{name}: has {lack}: not annotated by this program, or the line was removed."
    )
