"""Names and values in messages and tables."""

from __future__ import annotations

from collections.abc import Iterable


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
    """Return a value for a terminal, ``-`` for None; what its letters could do there is taken out."""
    text = "-" if value is None else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def one_line(value: object) -> str:
    """Return a text, such as the message of a library's error, in one line."""
    return " ".join(str(value).split())
