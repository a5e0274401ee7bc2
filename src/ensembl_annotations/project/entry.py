"""An entry of ``samples`` in ``params.yaml``: a VCF, or many of them in a folder or in a sheet.

A *sheet* is a CSV file with the columns ``sample`` and ``vcf``; a path in it is relative to the sheet's folder. In
a folder, a VCF is what has the name of one, and its sample's name is the file's without ``.vcf.gz`` and the like.
All that is wrong with an entry is told at once.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import re
import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.words import listed, printable
from ensembl_annotations.project.git import run_git
from ensembl_annotations.project.paths import SAMPLE_NAME
from ensembl_annotations.vcf.forms import ENDS

_LOG = logging.getLogger(__name__)

SHEET_COLUMNS = ("sample", "vcf")
_SHEET_END = ".csv"
_MOST_TOLD = 20
_NO_TABLE = (
    "Mend the sheet: a table in UTF-8 with commas or semicolons ('CSV UTF-8' in programs for spreadsheets), "
    "whose first line is sample,vcf."
)
_WRONG_LINES = "Mend these lines; a path in the sheet is relative to the folder of the sheet."
_WRONG_FILES = "Rename or move what is named, or list the VCFs in a sheet: a file .csv with the columns sample,vcf."
_INDEX_ENDS = (".csi", ".tbi", ".gzi")
_NAME = "letters, digits, - and _, a letter or digit first, 200 at most"


@dataclass(frozen=True)
class NamedVcf:
    """A VCF of an entry.

    Attributes
    ----------
    sample : str
        The name of its results' folder; empty for the VCF of an entry of one.
    vcf : Path
        As the parameters or the sheet name it, from the repository or the root of the file system.
    where : str
        What names it, for messages.
    """

    sample: str
    vcf: Path
    where: str


@dataclass(frozen=True)
class Entry:
    """What an entry holds.

    Attributes
    ----------
    path : str
        As in ``params.yaml``.
    vcfs : list of NamedVcf
        In the order of their names.
    is_many : bool
        Whether it is a folder or a sheet, which may hold one or none.
    ignored : list of str
        What lies in a folder and has not the name of a VCF or of an index.
    """

    path: str
    vcfs: list[NamedVcf]
    is_many: bool
    ignored: list[str] = field(default_factory=list)


def is_sheet(path: str) -> bool:
    """Say whether a path of ``params.yaml`` names a sheet."""
    return path.lower().endswith(_SHEET_END)


def is_many(root: Path, path: str) -> bool:
    """Say whether a path of ``params.yaml`` names a sheet or a folder."""
    return is_sheet(path) or (root / path).is_dir()


def read_entry(root: Path, path: str) -> Entry:
    """Return what an entry holds.

    Parameters
    ----------
    root : Path
        The repository.
    path : str
        As in ``params.yaml``.

    Raises
    ------
    UsageError
        Naming all that is wrong: in a sheet with the lines.
    """
    if is_sheet(path):
        vcfs, problems = _of_sheet(root, path)
        hint = _WRONG_LINES if vcfs else _NO_TABLE
        _refuse(path, [*problems, *_problems(root, vcfs)], hint)
        return Entry(path, _sorted(vcfs), True)
    if (root / path).is_dir():
        vcfs, ignored = _of_folder(root, path)
        problems = _problems(root, vcfs)
        if not vcfs:
            problems.append(f"holds no VCF: expected names that end in {', '.join(ENDS)}")
        _refuse(path, problems, _WRONG_FILES)
        return Entry(path, _sorted(vcfs), True, ignored)
    return Entry(path, [NamedVcf("", Path(path), path)], False)


def _refuse(path: str, problems: list[str], hint: str) -> None:
    if problems:
        more = [f"{number} more like these"] if (number := len(problems) - _MOST_TOLD) > 0 else []
        told = [f"{path}: {problem}." for problem in [*problems[:_MOST_TOLD], *more]]
        raise UsageError("\n".join(told), hint=hint)


def _sorted(vcfs: Iterable[NamedVcf]) -> list[NamedVcf]:
    return sorted(vcfs, key=lambda item: item.sample)


def _of_folder(root: Path, path: str) -> tuple[list[NamedVcf], list[str]]:
    vcfs, ignored = [], []
    for name in sorted(file.name for file in (root / path).iterdir()):
        end = next((end for end in ENDS if name.lower().endswith(end)), None)
        if name.startswith(".") or name.lower().endswith(_INDEX_ENDS):
            continue
        if end is None or (root / path / name).is_dir():
            ignored.append(name)
        else:
            vcfs.append(NamedVcf(name[: -len(end)], Path(path) / name, printable(name)))
    return vcfs, ignored


def _of_sheet(root: Path, path: str) -> tuple[list[NamedVcf], list[str]]:
    """Return the VCFs of a sheet, and what is wrong with it as a table."""
    try:
        # Programs for spreadsheets put a mark of the byte order first.
        text = (root / path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return [], ["no such file; expected a sheet with the columns sample,vcf"]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return [], [f"line {line}: is no text in UTF-8 (byte {error.object[error.start]:#x})"]
    except OSError as error:
        return [], [f"can't be read ({error.strerror}); expected a sheet"]
    # They separate by semicolons where numbers have commas.
    header = "".join(text.splitlines()[:1])
    separator = ";" if ";" in header and "," not in header else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        if [names.count(name) for name in SHEET_COLUMNS] != [1, 1]:
            found = printable(header[:80])
            return [], [f"line 1: expected the columns sample,vcf; found {found!r}"]
        # For a row that was emptied they write separators alone.
        rows = [
            (reader.line_num, row)
            for row in reader
            if any("".join(value or ()).strip() for value in row.values())
        ]
    except csv.Error as error:
        return [], [
            f"line {reader.line_num + 1}: is no CSV ({error}); is a quotation mark left open"
        ]
    vcfs, problems = [], [] if rows else ["holds no sample"]
    for line, row in rows:
        values = {name: (row[name] or "").strip() for name in SHEET_COLUMNS}
        empty = [name for name, value in values.items() if not value]
        if empty or None in row:
            wrong = f"no {' and no '.join(empty)}" if empty else "more values than columns"
            problems.append(f"line {line}: expected sample,vcf; found {wrong}")
            continue
        vcf = Path(os.path.normpath(Path(path).parent / values["vcf"]))
        vcfs.append(NamedVcf(values["sample"], vcf, f"line {line}"))
    return vcfs, problems


def _problems(root: Path, vcfs: Iterable[NamedVcf]) -> list[str]:
    """Return which names can't be used, or are there twice, and which files are missing or there twice."""
    problems: list[str] = []
    names: dict[str, NamedVcf] = {}
    files: dict[str, NamedVcf] = {}
    for item in vcfs:
        if not SAMPLE_NAME.fullmatch(item.sample):
            problems.append(
                f"{item.where}: expected a sample's name of {_NAME}; found {printable(item.sample)!r}"
            )
        first = names.setdefault(item.sample.lower(), item)
        if first is not item:
            # On some file systems one folder would be the other's.
            problems.append(
                f"{item.where}: sample {printable(item.sample)} is {first.where} too"
                + ("" if first.sample == item.sample else f", as {printable(first.sample)}")
            )
        if kind := _no_file(root / item.vcf):
            problems.append(f"{item.where}: {printable(item.vcf)}: {kind}; expected a VCF")
            continue
        first = files.setdefault(os.path.realpath(root / item.vcf), item)
        if first is not item:
            problems.append(f"{item.where}: {printable(item.vcf)} is the VCF of {first.where} too")
    return problems


def _no_file(path: Path) -> str | None:
    try:
        return None if stat.S_ISREG(path.stat().st_mode) else "is no file"
    except (FileNotFoundError, ValueError):
        return "no such file"
    except OSError as error:
        return f"can't be looked at ({error.strerror})"


def check_sheet(root: Path, path: str, *, warn: bool = True) -> None:
    """Refuse a sheet that git has, and warn of one that it would take: whoever gets a clone reads its names.

    Parameters
    ----------
    root : Path
        The repository.
    path : str
        As in ``params.yaml``.
    warn : bool
        False where it was warned of before.

    Raises
    ------
    UsageError
    """
    if not is_sheet(path):
        return
    # What a link names: that file has the names of samples.
    file, top = Path(os.path.realpath(root / path)), Path(os.path.realpath(root))
    file = file.relative_to(top) if file.is_relative_to(top) else file
    listing = ("ls-files", "-t", "--cached", "--others", "--exclude-standard", "--", str(file))
    done = run_git(root, "--literal-pathspecs", *listing)
    if done.returncode or not done.stdout:
        return
    if not done.stdout.startswith(b"? "):
        raise UsageError(
            f"{path}: git has this sheet, which names people's samples and files; whoever gets a clone reads them.",
            hint=f"Take it out ('git rm --cached {shlex.quote(str(file))}'; former commits have it still), and keep "
            "it in data/vcf, which git ignores, or outside of the repository.",
        )
    if not warn:
        return
    line = "/" + re.sub(r"([\\*?\[ ])", r"\\\1", file.name)
    _LOG.warning(
        f"{path}: git does not ignore this sheet, which names people's samples and files: the next 'git add -A' takes "
        f"it. Write the line {line} into {file.parent / '.gitignore'}, or move it to data/vcf, which git ignores."
    )


def ignored_note(entry: Entry) -> str | None:
    """Return a line that says what of a folder is not annotated; None where there is nothing."""
    if not entry.ignored:
        return None
    return (
        f"Note: {entry.path}: ignored, since the name is not that of a VCF ({', '.join(ENDS)}): "
        f"{listed(map(printable, entry.ignored))}"
    )
