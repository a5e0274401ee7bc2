"""Write the annotated VCF as BCF, through bcftools."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf.bcftools import Bcftools
from ensembl_annotations.vcf.bgzf import has_eof_block
from ensembl_annotations.vcf.places import Places

_ROOM_BYTES = 1 << 18


def contig_lines(contigs: dict[str, int | None], line_end: bytes) -> list[bytes]:
    """Return header lines."""
    return [
        f"##contig=<ID={name}{'' if length is None else f',length={length}'}>".encode() + line_end
        for name, length in contigs.items()
    ]


def check_contigs(names: Iterable[str], declared: set[str], vcf: Path) -> None:
    """Refuse a record on a contig that the header lacks.

    Raises
    ------
    InputError
        Naming the contig.
    """
    for name in names:
        if name not in declared:
            raise InputError(
                f"{vcf}: contig {name!r} has no ##contig line in the header, which a BCF needs.",
                hint=f"Add '##contig=<ID={name}>' to the header, or write a .vcf.gz.",
                code="no_contig_line",
            )


def check_bytes(text: bytes, first_line: int, vcf: Path) -> None:
    """Refuse a record with a NUL byte: in a BCF it would end there.

    Raises
    ------
    InputError
        Naming the line.
    """
    place = text.find(b"\0")
    if place >= 0:
        raise InputError(
            f"{vcf}: line {first_line + text.count(bytes([10]), 0, place)}: holds a NUL byte, which a BCF can't.",
            hint="Correct the line, or write a .vcf.gz.",
            code="nul_byte",
        )


class BcfWriter:
    """Write the annotated VCF's text as BCF; its text goes to bcftools as it is made.

    Parameters
    ----------
    path : Path
        The file to write.
    final : Path
        Its name for messages.
    level : int
        1 (fast) to 9 (small).

    Raises
    ------
    InputError
        Where bcftools can't make a BCF of it, with what bcftools says.
    """

    def __init__(self, path: Path, final: Path, *, level: int) -> None:
        self._path, self._final = path, final
        with path.open("wb") as handle:
            arguments = ["view", "--no-version", f"-Ob{level}", "--threads", "1", "-"]
            self._bcftools = Bcftools(arguments, handle)

    def write(self, text: bytes | memoryview, places: Places | None = None) -> None:
        try:
            self._bcftools.input.write(text)
        except BrokenPipeError as error:
            raise self._failed(self._bcftools.failure()) from error

    def finish(self, *, without_last_byte: bool) -> None:
        """Wait until the file is whole; it has no line ends, so the last byte means nothing."""
        try:
            self._bcftools.input.close()
        except BrokenPipeError as error:
            raise self._failed(self._bcftools.failure()) from error
        failure = self._bcftools.failure()
        if failure is not None or not has_eof_block(self._path):
            raise self._failed(failure)

    def abandon(self) -> None:
        self._bcftools.close()

    def write_index(self, path: Path, kind: str) -> bool:
        """Write the index, which can only be a .csi, and tell whether htslib could.

        Raises
        ------
        OSError
            Where the disk is full.
        """
        arguments = ["index", "--force", "--output", str(path), str(self._path)]
        with Bcftools(arguments) as bcftools:
            bcftools.input.close()
            if bcftools.failure() is None:
                return True
        # htslib does not say why; a full disk is an error, a value it can't index is not.
        with path.open("wb") as handle:
            handle.write(bytes(_ROOM_BYTES))
            os.fsync(handle.fileno())
        return False

    def _failed(self, failure: str | None) -> InputError:
        return InputError(
            f"{self._final}: can't be made as a BCF ({failure or 'bcftools stopped early'}).",
            hint="A BCF needs every INFO and FORMAT key, FILTER and contig declared in the header, and "
            "values of the declared types: correct the VCF, or write a .vcf.gz.",
            code="no_bcf",
        )
