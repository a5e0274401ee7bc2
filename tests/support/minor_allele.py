"""Whose frequency MAF is, by turning the publisher's program round: the oracle of the conversion.

`publish` is what Ensembl does with the alleles of its database, in two steps. `possible_minors`
publishes everything that can have given a record, and looks at which allele was the minor one.
No rule about MA is known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

Published = tuple[str, list[str], str]
"""REF, ALTs, MA."""


def publish(alleles: Sequence[str], minor: int, before: str) -> Published:
    """Return what Ensembl publishes of a variant.

    Parameters
    ----------
    alleles : sequence of str
        The database's, the reference's first; ``-`` for an empty one.
    minor : int
        Which of them is the minor one.
    before : str
        The base of the sequence before the first allele.
    """
    written = list(alleles)
    if len({len(text.replace("-", "")) for text in written}) > 1:
        while len({text[-1] for text in written}) == 1 and all(len(text) > 1 for text in written):
            written = [text[:-1] for text in written]
        if len({text[0] for text in written}) > 1:
            written = [before + text.replace("-", "") for text in written]
    return written[0], written[1:], written[0] if minor == 0 else alleles[minor]


def publish_uncut(alleles: Sequence[str], minor: int, before: str) -> Published:
    """Return what older releases have of it: nothing is cut, the base before is always put."""
    written = list(alleles)
    if len({len(text.replace("-", "")) for text in written}) > 1:
        written = [before + text.replace("-", "") for text in written]
    return written[0], written[1:], written[0] if minor == 0 else alleles[minor]


def possible_minors(ref: str, alts: Sequence[str], minor: str, behind: str | None) -> set[int]:
    """Return which alleles, 0 for REF, can have been the minor one, given what was published.

    Parameters
    ----------
    ref, alts, minor : str, sequence of str, str
        As published, in upper case.
    behind : str or None
        The sequence behind REF, long enough; None where it is not known.
    """
    published = (ref, list(alts), minor)
    return {
        index
        for alleles in _origins(ref, alts, minor)
        if behind is None or _is_spelled(alleles, ref, behind)
        for index in range(len(alleles))
        if publish(alleles, index, ref[:1]) == published
    }


def _origins(ref: str, alts: Sequence[str], minor: str) -> Iterator[list[str]]:
    """Yield alleles of a database that may have become these."""
    record = [ref, *alts]
    # What was cut off either ends MA, or is not told of by it and may as well be nothing.
    for suffix in {minor[place:] for place in range(len(minor) + 1)} - {"-"}:
        yield [text + suffix for text in record]
        yield [(text[1:] + suffix) or "-" for text in record]


def _is_spelled(alleles: Sequence[str], ref: str, behind: str) -> bool:
    """Tell whether the database's first allele is what the sequence has at the record's place."""
    is_behind_first = publish(alleles, 0, "?")[0].startswith("?")
    return (ref[is_behind_first:] + behind).startswith(alleles[0].replace("-", ""))


def allele_frequencies(
    ref: str, alts: Sequence[str], minor: str | None, frequency: str | None, behind: str | None
) -> list[str | None] | None:
    """Return each ALT's frequency where the minor allele decides it, else None in its place.

    Notes
    -----
    Of a record that can't have come about so, nothing is said: None as a whole.
    """
    unknown: list[str | None] = [None] * len(alts)
    if minor is None or frequency is None:
        return unknown
    if not all(text.isalpha() for text in (ref, *alts)):
        return None
    possible = possible_minors(ref.upper(), [alt.upper() for alt in alts], minor.upper(), behind)
    if not possible:
        return None
    if len(possible) > 1:
        return unknown
    (which,) = possible
    if which:
        return [frequency if index == which else None for index in range(1, len(alts) + 1)]
    return [format(1 - Decimal(frequency), "f")] if len(alts) == 1 else unknown
