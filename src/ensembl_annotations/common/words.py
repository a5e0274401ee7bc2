"""Names and values in messages and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

_ENTITIES = {"@": "&#64;", "://": "&#58;//"}
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""A source or an assembly: it becomes part of file names and of header lines."""


def find_name_problem(name: str) -> str | None:
    """Say why a name can't be a file's, or None where it can."""
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        return "holds a path"
    return None if name.isprintable() else "holds a control character"


def listed(names: Iterable[object], most: int = 3, separator: str = ", ") -> str:
    """Return the first names, and how many more there are: ``a, b, c and 2 more``."""
    texts = [str(name) for name in names]
    # A semicolon stays before "and": what it separates may have commas and "and" in it.
    more = f"{separator.rstrip(', ')} and {len(texts) - most} more" if texts[most:] else ""
    return separator.join(texts[:most]) + more


def printable(value: object) -> str:
    """Return a value on one line, ``-`` for None; letters that could do something there are escaped.

    Notes
    -----
    These are control characters, marks that turn the direction of text, and bytes of file names that
    are no UTF-8. They are escaped as in JSON, so that what is JSON stays JSON.
    """
    text = "-" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def printable_lines(text: str) -> str:
    """Return a text for a terminal: as `printable` does, but for its line ends."""
    return "\n".join(map(printable, text.split("\n")))


def markdown(value: object) -> str:
    """Return a value as text of a Markdown line or cell: on one line, printable, and nothing in it is Markdown.

    Notes
    -----
    GitHub renders it, with HTML, links and mentions of people. In a terminal it can be read, too.
    """
    text = re.sub(r"[\\`|<>\[\]*~&]", r"\\\g<0>", printable(value))
    return re.sub(r"(?<!\w)@|://", lambda found: _ENTITIES[found[0]], text)


def markdown_code(value: object) -> str:
    """Return a value as code in a line of Markdown, in which only a backtick could end it."""
    return f"`{printable(value).replace('`', chr(39))}`"


def markdown_table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """Return the lines of a table, each cell as `markdown` has it."""
    cells = [[markdown(cell) for cell in row] for row in (header, *rows)]
    return [f"| {' | '.join(row)} |" for row in (cells[0], ["---"] * len(cells[0]), *cells[1:])]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def one_line(value: object) -> str:
    """Return a text, such as the message of a library's error, in one line."""
    return " ".join(str(value).split())


def count_files(number: int) -> str:
    """Return a number of files as words: ``1 file``, ``2 files``."""
    return f"{number} file{'' if number == 1 else 's'}"
