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


@settings(max_examples=1000)
@given(st.text("AC", min_size=1, max_size=40), st.data())
def test_roll_is_how_far_the_same_haplotype_can_be_written(
    sequence: str, data: st.DataObject
) -> None:
    sequence = data.draw(st.sampled_from([sequence, sequence[:5] + "N" + sequence[5:]]))
    start = data.draw(st.integers(0, len(sequence)))
    length = data.draw(st.integers(1, 6))
    deleted = sequence[start : start + length] if data.draw(st.booleans()) else ""
    inserted = "" if deleted else data.draw(st.text("AC", min_size=1, max_size=6))
    text, units = spans_of([deleted or inserted])
    left, right = roll_indels(
        np.frombuffer(sequence.encode(), np.uint8),
        np.array([start]),
        np.array([len(deleted)]),
        text,
        units,
    )
    if "N" not in deleted:
        assert right[0] == slides(sequence, start, deleted, inserted, 1)
        assert left[0] == slides(sequence, start, deleted, inserted, -1)


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
