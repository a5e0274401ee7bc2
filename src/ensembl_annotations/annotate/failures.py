"""What is wrong with VCFs that can't be used: as data, and in ``failures.tsv``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ensembl_annotations.common.errors import InputError, PassingInputError
from ensembl_annotations.common.metrics import stamp_of
from ensembl_annotations.common.words import printable

FAILURES = "failures.tsv"
_COLUMNS = ("sample", "line", "message", "hint")
_LINE = re.compile(r"line (\d+): ")


@dataclass(frozen=True)
class Failure:
    """Why a VCF can't be used.

    Attributes
    ----------
    message : str
        Without the name of the file.
    hint : str
    line : int or None
        Of the VCF, 1-based.
    """

    message: str
    hint: str
    line: int | None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


def failure_of(error: InputError, vcf: Path, before: object) -> Failure:
    """Return what an error says about a VCF.

    Parameters
    ----------
    error : InputError
    vcf : Path
        As in the error's message, from which it is left out.
    before : object
        The stamp of the file before it was opened, as of `stamp_of`.

    Raises
    ------
    PassingInputError
        Where it says nothing about the VCF: the file is another by now, or the error passes.
    """
    if isinstance(error, PassingInputError):
        raise error
    if before is None or stamp_of(vcf) != before:
        raise PassingInputError(error.message, hint=error.hint, code="changed")
    message = error.message.removeprefix(f"{vcf}: ")
    line = _LINE.match(message)
    if line is None:
        return Failure(message, error.hint or "", None)
    return Failure(message[line.end() :], error.hint or "", int(line[1]))


def failures_text(failures: Mapping[str, Failure]) -> str:
    """Return the text of ``failures.tsv``, a row for each sample; what a value has of tabs and line ends is escaped."""
    rows = [
        (sample, failure.line or "", failure.message, failure.hint)
        for sample, failure in failures.items()
    ]
    return "".join("\t".join(map(printable, row)) + "\n" for row in (_COLUMNS, *rows))


def read_failures(folder: Path) -> list[tuple[str, str]]:
    """Return each sample of ``failures.tsv`` in a folder and what is wrong with it; nothing without that file."""
    try:
        lines = (folder / FAILURES).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines[1:]:
        sample, number, message, _ = line.split("\t")
        found.append((sample, f"line {number}: {message}" if number else message))
    return found
