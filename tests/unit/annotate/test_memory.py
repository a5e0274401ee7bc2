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
@pytest.mark.parametrize("genotypes", [False, True])
def test_more_memory_never_makes_pieces_smaller(table: bool, genotypes: bool) -> None:
    plans = [
        plan_pieces(size, table=table, genotypes=genotypes)
        for size in range(MIN_MEMORY_MB, 40_000, 100)
    ]
    assert all(one.workers <= other.workers for one, other in pairwise(plans))
    assert plans[0].workers == 1
    assert plans[0].max_batch_bytes < BATCH_BYTES
    assert plans[-1].max_batch_bytes == MAX_BATCH_BYTES


def test_genotypes_need_smaller_pieces() -> None:
    with_them = plan_pieces(DEFAULT_MEMORY_MB, table=True, genotypes=True)
    without = plan_pieces(DEFAULT_MEMORY_MB, table=True)
    assert BATCH_BYTES <= with_them.max_batch_bytes < without.max_batch_bytes
