"""The alleles that a genotype names."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[0-9]{1,9}")


def called_alleles(genotype: str) -> list[int | None]:
    """Return the number of each allele of a GT; None for one that is missing, or no number.

    Notes
    -----
    Source: the VCF specification 4.5. From 4.4 on, a mark of phasing may stand before the first allele, too.

    Examples
    --------
    >>> called_alleles("0|1"), called_alleles("/1/."), called_alleles("2")
    ([0, 1], [1, None], [2])
    """
    called = re.split(r"[/|]", genotype[1:] if genotype[:1] in ("/", "|") else genotype)
    return [int(text) if _NUMBER.fullmatch(text) else None for text in called]
