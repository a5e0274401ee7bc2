"""Whether records are sorted, however they are cut into batches."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from ensembl_annotations.vcf.order import Run, SortOrder

records = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=12)


def runs_of(rows: list[tuple[str, int]]) -> list[Run]:
    found = []
    for name, part in groupby(rows, lambda row: row[0]):
        positions = [pos for _, pos in part]
        is_ascending = positions == sorted(positions)
        found.append(Run(name, len(positions), positions[0], positions[-1], is_ascending))
    return found


@given(st.lists(records, min_size=1, max_size=4))
def test_a_file_is_sorted_where_contigs_stay_together_and_positions_ascend(
    batches: list[list[tuple[str, int]]],
) -> None:
    order = SortOrder()
    for batch in batches:
        order.add(runs_of(batch))
    rows = [row for batch in batches for row in batch]
    groups = [(name, [pos for _, pos in found]) for name, found in groupby(rows, lambda r: r[0])]
    names = [name for name, _ in groups]
    together = len(set(names)) == len(names)
    assert order.is_sorted == (together and all(pos == sorted(pos) for _, pos in groups))
