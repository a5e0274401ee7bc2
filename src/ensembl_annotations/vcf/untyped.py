"""Values of a sample that are not of the type of their FORMAT key's column.

They are counted whatever is written: a file is accepted or refused, and counted, the same with and
without a table. A *call* is what a sample's column holds in one record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_TYPES = {
    "DP": "a whole number of 32 bits",
    "GQ": "a number",
    "AD": "a list of whole numbers of 32 bits",
}
"""What a value has to be, by FORMAT key."""


class Untyped(NamedTuple):
    """Calls whose value of a FORMAT key is not of its column's type: how many, and the first.

    Attributes
    ----------
    num_calls : int
    line : int
        1-based number of the first one's line.
    value : str
        The first one's value.
    """

    num_calls: int
    line: int
    value: str

    def describe(self, key: str) -> str:
        """Return a line for the user."""
        return (
            f"{key} is not {_TYPES[key]} in {self.num_calls:,} records, and null in a table; the "
            f"first: line {self.line}, {self.value[:40]!r}."
        )


def add_untyped(found: dict[str, Untyped], later: Mapping[str, Untyped]) -> None:
    """Add what a later part of the file has."""
    for key, item in later.items():
        first = found.get(key, item._replace(num_calls=0))
        found[key] = first._replace(num_calls=first.num_calls + item.num_calls)
