"""How far an insertion or deletion can slide, and whether REFs fit the sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations.variants.alleles import (
    Spans,
)
from ensembl_annotations.variants.roll import compare_refs, refs_fit, roll_indels


def spans_of(texts: list[str]) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Spans]:
    lengths = np.array([len(text) for text in texts], np.int64)
    data = np.frombuffer(("".join(texts) + "#").encode(), np.uint8)
    return data, Spans(np.cumsum(lengths) - lengths, lengths)


def slides(sequence: str, start: int, deleted: str, inserted: str, step: int) -> int:
    """Count one by one how often an indel can move by a base and give the same haplotype."""
    unit, count = deleted or inserted, 0
    haplotype = sequence[:start] + inserted + sequence[start + len(deleted) :]
    while True:
        start += step
        passed = start + len(deleted) - 1 if step > 0 else start
        unit = unit[1:] + unit[:1] if step > 0 else unit[-1:] + unit[:-1]
        if start < 0 or start + len(deleted) > len(sequence) or sequence[passed] not in "ACGT":
            return count
        moved = unit if inserted else ""
        if deleted and sequence[start : start + len(deleted)] != unit:
            return count
        if sequence[:start] + moved + sequence[start + len(deleted) :] != haplotype:
            return count
        count += 1


@settings(max_examples=200)
@given(
    st.text("AC", min_size=1, max_size=40),
    st.booleans(),
    st.lists(st.text("AC", min_size=1, max_size=6), min_size=1, max_size=6, unique=True),
)
def test_roll_is_how_far_the_same_haplotype_can_be_written(
    sequence: str, has_unknown: bool, inserted: list[str]
) -> None:
    """Of every deletion of up to 6 bases, and of insertions everywhere."""
    if has_unknown:
        sequence = sequence[:5] + "N" + sequence[5:]
    indels = [
        (start, sequence[start : start + length], "")
        for length in range(1, 7)
        for start in range(len(sequence) + 1 - length)
    ] + [(start, "", text) for text in inserted for start in range(len(sequence) + 1)]
    indels = [item for item in indels if "N" not in item[1]]
    text, units = spans_of([deleted or inserted for _, deleted, inserted in indels])
    left, right = roll_indels(
        np.frombuffer(sequence.encode(), np.uint8),
        np.array([start for start, _, _ in indels]),
        np.array([len(deleted) for _, deleted, _ in indels]),
        text,
        units,
    )
    assert right.tolist() == [slides(sequence, *item, 1) for item in indels]
    assert left.tolist() == [slides(sequence, *item, -1) for item in indels]


@pytest.mark.parametrize("unit", ["A", "CA", "ACGTA" * 30, "AC" * 4000])
@pytest.mark.parametrize("copies", [1, 3, 40, 3000])
def test_a_long_repeat_is_followed_to_its_end(unit: str, copies: int) -> None:
    repeat = (unit * copies)[:200_000]
    sequence = np.frombuffer(f"G{repeat}GG".encode(), np.uint8)
    text, units = spans_of([unit, unit])
    ends = np.array([1, len(repeat) + 1 - len(unit)])
    left, right = roll_indels(sequence, ends, np.array([len(unit)] * 2), text, units)
    far = len(repeat) - len(unit)
    assert (left.tolist(), right.tolist()) == ([0, far], [far, 0])


def test_refs_are_compared_base_by_base() -> None:
    sequence = np.frombuffer(b"ACGTNACGT", np.uint8)
    refs = ["A", "ACGT", "TTA", "GT", "ACGTA", "N", "C", "RC"]
    text, spans = spans_of(refs)
    start = np.array([0, 0, 3, 7, 5, 0, 2, 5])
    assert refs_fit(sequence, start, text, spans).tolist() == [
        True, True, True, True, False, True, False, True,
    ]  # fmt: skip
    _, compared = compare_refs(sequence, start, text, spans)
    assert compared.tolist() == [True, True, True, True, True, False, True, True]
