"""What a check found wrong, as data: what follows from it is decided by its kind, never by its words."""

from enum import Enum
from typing import NamedTuple

from ensembl_annotations.common.words import printable


class Kind(Enum):
    """What can be wrong. Each room lists its own; a value is the sentence, with the problem's fields."""


class Problem(NamedTuple):
    """A thing that is not as it should be.

    Attributes
    ----------
    name : str
        Of the thing, such as a file's.
    kind : Kind
        What is wrong with it.
    found, expected : object
        What it has, and should have; None where the sentence does not name it.
    """

    name: str
    kind: Kind
    found: object = None
    expected: object = None

    def __str__(self) -> str:
        sentence: str = self.kind.value
        return sentence.format(name=printable(self.name), found=self.found, expected=self.expected)
