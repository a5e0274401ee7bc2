"""Which chromosomes a user asks for."""

from __future__ import annotations

import re

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
    if len(set(names)) < len(names):
        raise UsageError(f"chromosomes: {text!r} names one twice.")
    return names
