"""Which chromosomes a user asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ensembl_annotations.common.errors import UsageError


def parse_chromosomes(text: str) -> list[str] | None:
    """Split ``21,22,X`` into names; ``all`` is None.

    Raises
    ------
    UsageError
        Where a name is empty, repeated, or could leave the folder.
    """
    names = [name.strip() for name in text.split(",")]
    if names == ["all"]:
        return None
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._]*", name):
            raise UsageError(
                f"chromosomes: {name!r} is not a chromosome name.",
                hint="Give 'all', or Ensembl's names separated by commas, such as 21,22,X,MT.",
            )
    _refuse_repeats(names)
    return names


def listed_chromosomes(wanted: Sequence[str] | str | None) -> list[str] | None:
    """Return the names that an argument asks for; a text means what it means on the command line.

    Parameters
    ----------
    wanted : sequence of str, or str, optional
        Names, or one text of them as `parse_chromosomes` takes it; None for all.

    Raises
    ------
    UsageError
        Where none is named, one is named twice, or a text is wrong.
    """
    if wanted is None or isinstance(wanted, str):
        return None if wanted is None else parse_chromosomes(wanted)
    names = list(wanted)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise UsageError(
            f"chromosomes: expected names as text, found {wrong[0]!r}.",
            hint="Give a text such as '21,22,X', or a list such as ['21', '22', 'X'].",
        )
    if not names:
        raise UsageError("chromosomes: the list is empty.", hint="Name one, or give None for all.")
    _refuse_repeats(names)
    return names


def _refuse_repeats(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise UsageError(f"chromosomes: {','.join(names)!r} names one twice.")
