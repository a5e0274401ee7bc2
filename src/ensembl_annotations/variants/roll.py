"""How far an insertion or deletion can slide in its sequence, and whether REFs fit it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ensembl_annotations.variants.alleles import BASE_CODE, Spans, spread

Bases = npt.NDArray[np.uint8]
"""A chromosome's sequence, one upper-case letter a byte."""

Counts = npt.NDArray[np.int64]

IS_BASE = BASE_CODE < 4
"""By letter: whether it is A, C, G or T."""

# Most indels slide a few bases: those are done together, the few others one by one.
_STEPS_TOGETHER = 32
_WINDOW = 4096


def roll_indels(
    sequence: Bases, start: Counts, deleted: Counts, text: Bases, units: Spans
) -> tuple[Counts, Counts]:
    """Return how far each insertion or deletion can slide to the left and to the right.

    Parameters
    ----------
    sequence : uint8 array
        The contig.
    start : int64 array
        Start of each allele key, 0-based, inter-base.
    deleted : int64 array
        Number of deleted bases; 0 for an insertion.
    text : uint8 array
        Upper-case.
    units : Spans
        The deleted or inserted bases, not empty: slices of `text`.

    Returns
    -------
    tuple of int64 arrays
        Bases to the left, bases to the right.

    Notes
    -----
    Sliding by one to the right moves the first base of the unit behind its end, which gives the
    same haplotype where the next base of the sequence equals it. It stops at the ends of the
    contig and at every base that is not A, C, G or T.
    """
    left = _slide(sequence, start - 1, -1, text, units)
    return left, _slide(sequence, start + deleted, 1, text, units)


def _slide(sequence: Bases, first: Counts, step: int, text: Bases, units: Spans) -> Counts:
    """Count how many bases from `first` on, in the direction of `step`, repeat the unit.

    To the left, the unit is read from its end.
    """
    begin = units.begin if step > 0 else units.begin + units.length - 1
    result = np.zeros(len(first), np.int64)
    active = np.arange(len(first))
    for count in range(_STEPS_TOGETHER):
        place = first[active] + step * count
        active, place = _inside(active, place, len(sequence))
        base = sequence[place]
        same = base == text[begin[active] + step * (count % units.length[active])]
        active = active[same & IS_BASE[base]]
        if not len(active):
            return result
        result[active] = count + 1
    for index in active.tolist():
        low = int(units.begin[index])
        unit = text[low : low + int(units.length[index])][::step]
        result[index] = _slide_one(sequence, int(first[index]), step, unit)
    return result


def _inside(active: Counts, place: Counts, length: int) -> tuple[Counts, Counts]:
    inside = (place >= 0) & (place < length)
    return active[inside], place[inside]


def _slide_one(sequence: Bases, first: int, step: int, unit: Bases) -> int:
    # Whole units, so that every window begins with the unit's first base.
    window = np.tile(unit, max(1, _WINDOW // len(unit)))
    count = 0
    while True:
        place = first + step * count
        if step > 0:
            found = sequence[place : place + len(window)]
        else:
            found = sequence[max(0, place + 1 - len(window)) : max(0, place + 1)][::-1]
        differs = np.flatnonzero((found != window[: len(found)]) | ~IS_BASE[found])
        if len(differs):
            return count + int(differs[0])
        count += len(found)
        if len(found) < len(window):
            return count


def refs_fit(sequence: Bases, start: Counts, text: Bases, refs: Spans) -> npt.NDArray[np.bool_]:
    """Tell which REFs agree with the sequence, as `compare_refs` does."""
    return compare_refs(sequence, start, text, refs)[0]


def compare_refs(
    sequence: Bases, start: Counts, text: Bases, refs: Spans
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell which REFs agree with the sequence wherever both have A, C, G or T, and which have any.

    Parameters
    ----------
    sequence : uint8 array
        The contig.
    start : int64 array
        0-based position of each REF's first base.
    text : uint8 array
        Upper-case.
    refs : Spans
        The REFs, slices of `text`; one that leaves the contig does not fit.

    Returns
    -------
    tuple of bool arrays
        Which fit; and which could be compared: where both have such a base anywhere, or REF leaves
        the contig.
    """
    fits = (start >= 0) & (start + refs.length <= len(sequence))
    length = np.where(fits, refs.length, 0)
    owner, place = spread(length)
    found, ref = sequence[start[owner] + place], text[refs.begin[owner] + place]
    both = IS_BASE[found] & IS_BASE[ref]
    compared = ~fits
    compared[owner[both]] = True
    fits[owner[(found != ref) & both]] = False
    return fits, compared
