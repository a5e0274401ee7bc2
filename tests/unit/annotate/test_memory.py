"""Pieces that fit into a budget of memory."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ensembl_annotations.annotate.memory import (
    DEFAULT_MEMORY_MB,
    MAX_BATCH_BYTES,
    MIN_MEMORY_MB,
    plan_pieces,
)
from ensembl_annotations.vcf.read import BATCH_BYTES


@pytest.mark.parametrize("table", [False, True])
def test_more_memory_never_makes_pieces_smaller(table: bool) -> None:
    plans = [plan_pieces(size, table=table) for size in range(MIN_MEMORY_MB, 40_000, 100)]
    assert all(one.workers <= other.workers for one, other in pairwise(plans))
    assert plans[-1].max_batch_bytes == (MAX_BATCH_BYTES if table else BATCH_BYTES)


def test_the_more_is_told_of_transcripts_the_shorter_are_the_pieces() -> None:
    for memory_mb in (MIN_MEMORY_MB, DEFAULT_MEMORY_MB):
        told = (None, "pick", "gene", "all")
        sizes = [
            plan_pieces(memory_mb, table=True, transcripts=item).max_batch_bytes for item in told
        ]
        assert sizes == sorted(sizes, reverse=True) and len({*sizes}) == len(told)


def test_a_table_needs_shorter_lines() -> None:
    for memory_mb in (MIN_MEMORY_MB, DEFAULT_MEMORY_MB):
        with_it = plan_pieces(memory_mb, table=True)
        without = plan_pieces(memory_mb)
        assert with_it.limits.line_bytes < without.limits.line_bytes
    least = plan_pieces(MIN_MEMORY_MB, table=True)
    assert least.workers == 1
    assert least.max_batch_bytes < BATCH_BYTES


@pytest.mark.parametrize("memory_mb", [400, 800, 1500, 4000])
def test_a_line_as_long_as_it_may_be_keeps_the_budget(memory_mb: int) -> None:
    """By the peaks that were measured: MB of a run of short lines, and bytes a byte of AD, or of the text."""
    assert 256 + 40 * plan_pieces(memory_mb, table=True).limits.line_bytes / 1e6 <= memory_mb
    assert 100 + 4.5 * plan_pieces(memory_mb).limits.line_bytes / 1e6 <= memory_mb


def test_calls_need_smaller_pieces_and_shorter_lines() -> None:
    with_them = plan_pieces(DEFAULT_MEMORY_MB, table=True, calls=True)
    without = plan_pieces(DEFAULT_MEMORY_MB, table=True)
    assert with_them.max_batch_bytes <= without.max_batch_bytes / 2
    assert with_them.limits.line_bytes <= without.limits.line_bytes / 2
