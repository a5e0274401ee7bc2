"""IDs as small sets, and which of them a store has."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ensembl_annotations.compare.ranges import collect_ids

ids = st.one_of(
    st.integers(1, 6).map(lambda number: (number, "")),
    st.sampled_from("ab").map(lambda name: (0, name)),
)
lists = st.lists(ids, max_size=12)


def frame(rows: list[tuple[int, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, {"rs": pl.UInt32, "name": pl.String}, orient="row")


@given(st.lists(lists, max_size=3), st.booleans(), lists)
def test_ids_are_those_of_all_frames(
    parts: list[list[tuple[int, str]]], repeated: bool, asked: list[tuple[int, str]]
) -> None:
    found = collect_ids((frame(rows) for rows in parts), repeated=repeated)
    every = [item for rows in parts for item in rows]
    wanted = {item for item in every if every.count(item) > repeated}
    assert found.numbers.tolist() == sorted(number for number, _ in wanted if number)
    assert found.names == {name for number, name in wanted if not number}
    assert found.has(frame(asked)).to_list() == [item in wanted for item in asked]
