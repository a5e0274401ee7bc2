"""A chromosome's published FASTA to the store's sequence file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ensembl_annotations.common.bgzf import GZIP_ERRORS, open_gzip
from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.common.schema import SEQUENCE_ROW_BASES
from ensembl_annotations.fetch.store import write_sequence

_LETTERS = bytes(range(ord("A"), ord("Z") + 1))
_CHUNK_BYTES = 8 << 20


def convert_fasta(path: Path, name: str, chromosome: str, target: Path) -> int:
    """Write the sequence of a FASTA file with one record and return the number of rows.

    Raises
    ------
    SourceError
        Where the file is cut, or does not hold exactly the one sequence expected.
    """
    rows: list[tuple[int, str]] = []
    start = 0
    rest = b""
    try:
        for bases in _read_bases(path, name, chromosome):
            rest += bases
            whole = len(rest) - len(rest) % SEQUENCE_ROW_BASES
            for begin in range(0, whole, SEQUENCE_ROW_BASES):
                rows.append((start, rest[begin : begin + SEQUENCE_ROW_BASES].decode("ascii")))
                start += SEQUENCE_ROW_BASES
            rest = rest[whole:]
    except GZIP_ERRORS as error:
        raise SourceError(
            f"{name}: the gzip data are cut or corrupt ({error}).",
            hint="Run the command again with --force to fetch it again.",
        ) from error
    if rest:
        rows.append((start, rest.decode("ascii")))
    return write_sequence(target, rows)


def _read_bases(path: Path, name: str, chromosome: str) -> Iterator[bytes]:
    with open_gzip(path) as handle:
        head = handle.readline(1 << 16)
        if head[:1] != b">" or head[1:].split()[:1] != [chromosome.encode()]:
            raise SourceError(
                f"{name}, line 1: expected a FASTA record of {chromosome}, found {head[:60]!r}."
            )
        while piece := handle.read(_CHUNK_BYTES):
            if b">" in piece:
                raise SourceError(f"{name}: more than one sequence; expected {chromosome} only.")
            bases = piece.translate(None, b"\r\n").upper()
            if odd := bases.translate(None, _LETTERS):
                raise SourceError(f"{name}: not a FASTA file: {odd[:1]!r} is no letter.")
            yield bases
