"""Names and values in messages and tables."""

from __future__ import annotations

from collections.abc import Iterable


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
