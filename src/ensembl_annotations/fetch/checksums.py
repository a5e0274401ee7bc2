"""Read Ensembl's CHECKSUMS; names and numbers in it are data, and are refused where absurd."""

from __future__ import annotations

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.common.words import find_name_problem

MAX_CHECKSUM = 0xFFFF
MAX_BLOCKS = 1 << 30
"""1 TiB in KiB: forty times all of human's variation, and less than would overflow anything."""


def parse_checksums(text: str, where: str) -> dict[str, tuple[int, int]]:
    """Read a CHECKSUMS file: name to (checksum, blocks).

    Parameters
    ----------
    text : str
        A line per file, ``<sum> <blocks> <name>``, as ``sum`` prints it.
    where : str
        Its path, for messages.

    Raises
    ------
    SourceError
        Where the last line has no end (the list may be cut), a line is none of these, a name holds a path, a checksum has over 16 bits, or a name
        is there twice with different numbers.
    """
    if text and not text.endswith("\n"):
        number, last = text.count("\n") + 1, text.rpartition("\n")[2]
        raise SourceError(
            f"{where}, line {number}: expected '<checksum> <blocks> <name>' and a line end, found "
            f"{last[:80]!r}: the list may be cut.",
            hint="Try again, or another mirror; this may be an error page.",
        )
    table: dict[str, tuple[int, int]] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        checksum, blocks, name = [*line.split(None, 2), "", ""][:3]
        if not (_is_number(checksum, 5) and _is_number(blocks, 12) and name):
            raise SourceError(
                f"{where}, line {number}: expected '<checksum> <blocks> <name>', found {line[:80]!r}.",
                hint="Check the mirror's address; this may be an error page.",
            )
        name, entry = name.rstrip().removeprefix("./"), (int(checksum), int(blocks))
        if problem := find_name_problem(name):
            raise SourceError(f"{where}, line {number}: the name {name[:80]!r} {problem}; refused.")
        if entry[0] > MAX_CHECKSUM:
            raise SourceError(
                f"{where}, line {number}: expected a checksum of 16 bits, at most {MAX_CHECKSUM}; "
                f"found {entry[0]}.",
                hint="The mirror's list is damaged, or of another kind; try another mirror.",
            )
        if table.get(name, entry) != entry:
            before = table[name]
            raise SourceError(
                f"{where}, lines {lines[name]} and {number}: {name!r} is there twice, with "
                f"{before[0]:05d} {before[1]} and with {entry[0]:05d} {entry[1]}.",
                hint="The mirror may be in the middle of an update; try again later.",
            )
        table[name] = entry
        lines.setdefault(name, number)
    return table


def _is_number(text: str, most_digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most_digits


def find_size_problem(blocks: int) -> str | None:
    """Say why a file to be fetched can't have this many 1 KiB blocks, or None where it can."""
    if blocks < 1:
        return "0 KiB: an empty file, not a gzip file"
    if blocks > MAX_BLOCKS:
        return f"{blocks} KiB: expected less than {MAX_BLOCKS} KiB (1 TiB)"
    return None
