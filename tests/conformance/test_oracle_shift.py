"""Indels that are the same at another place of their repeat, by the haplotypes that they make."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ensembl_annotations.variants.alleles import with_allele_keys
from tests.support.oracle.shift import find_shifted, indels_of

Indel = tuple[int, str, str]
"""0-based start, deleted, inserted."""


def haplotype(sequence: str, indel: Indel) -> str:
    start, deleted, inserted = indel
    assert sequence[start:].startswith(deleted)
    return sequence[:start] + inserted + sequence[start + len(deleted) :]


def moved(sequence: str, indel: Indel, step: int) -> Indel | None:
    """Return the indel that makes the same haplotype `step` bases further on, if there is one."""
    start, deleted, inserted = indel
    place = start + step
    if not 0 <= place <= len(sequence) - len(deleted):
        return None
    made = haplotype(sequence, indel)
    other = (
        (place, sequence[place : place + len(deleted)], "")
        if deleted
        else (place, "", made[place : place + len(inserted)])
    )
    return other if haplotype(sequence, other) == made else None


def reach(sequence: str, indel: Indel, sign: int) -> int:
    steps = 0
    while moved(sequence, indel, sign * (steps + 1)) is not None:
        steps += 1
    return steps


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Indel]]:
    sequence = draw(st.text("AC", min_size=4, max_size=14))
    found: set[Indel] = set()
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(1, len(sequence) - 1))
        size = draw(st.integers(1, 3))
        if draw(st.booleans()):
            found.add((start, sequence[start : start + size], ""))
        else:
            found.add((start, "", draw(st.text("AC", min_size=size, max_size=size))))
    return sequence, sorted(found)


@given(cases())
def test_pairs_are_those_that_make_the_same_haplotype(case: tuple[str, list[Indel]]) -> None:
    sequence, written = case
    published = pl.DataFrame(
        [
            (start, sequence[start - 1] + deleted, sequence[start - 1] + inserted)
            for start, deleted, inserted in written
        ],
        ["pos", "ref", "alt"],
        orient="row",
    )
    asked = indels_of(with_allele_keys(published))
    assert len(asked) == len(written)
    indels: list[Indel] = asked.select("start", "deleted", "inserted").rows()
    rows = published.with_columns(
        roll_left=pl.Series([reach(sequence, indel, -1) for indel in indels]),
        roll_right=pl.Series([reach(sequence, indel, 1) for indel in indels]),
    )
    found = find_shifted(asked, rows).select("indel", "row").rows()
    expected = {
        (number, row)
        for number, one in enumerate(indels)
        for row, other in enumerate(indels)
        if one != other
        and (one[1] == "") == (other[1] == "")
        and haplotype(sequence, one) == haplotype(sequence, other)
    }
    assert sorted(found) == sorted(expected)


def test_only_insertions_and_deletions_are_indels() -> None:
    frame = pl.DataFrame({"deleted": ["A", "", "AC", ""], "inserted": ["C", "A", "", ""]})
    assert indels_of(frame)["change"].to_list() == [1, -2]
