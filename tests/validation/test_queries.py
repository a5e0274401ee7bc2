"""Random queries of the reference as a table find what polars finds in the whole table in memory."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations.store.scan import scan_reference
from tests.unit.store.test_scan import NUM_ROWS, write_large

C = pl.col


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> pl.LazyFrame:
    return scan_reference(write_large(tmp_path_factory.mktemp("large") / "store"))


@pytest.fixture(scope="module")
def whole(scanned: pl.LazyFrame) -> pl.DataFrame:
    return scanned.collect()


CONDITIONS: list[Callable[[int], pl.Expr]] = [
    lambda n: C("pos") == n,
    lambda n: n < C("pos"),
    lambda n: C("pos").is_between(n, n + 50),
    lambda n: C("pos").is_between(n, n + 50, closed="none"),
    lambda n: C("pos").is_in([n, n + 7, 2**40]),
    lambda n: C("pos") * 2**20 == n * 2**20,
    lambda n: (C("pos") == n) | (C("rs") == n),
    lambda n: ~(C("pos") > n),
    lambda n: C("pos") != n,
    lambda n: C("pos") > C("rs"),
    lambda n: C("pos") == 2**33 + n,
    lambda n: C("rs") == n,
    lambda n: C("rs").is_in([n, n + 1]),
    lambda n: C("rs") > n,
    lambda n: C("rs") == 0,
    lambda n: C("id") == f"rs{n}",
    lambda n: pl.lit(f"COSV{n}") == C("id"),
    lambda n: C("id").is_in([f"rs{n}", f"COSV{n + 1}", "none", f"rs0{n}", f"RS{n}"]),
    lambda n: C("id").is_in([f"rs{at}" for at in range(n, n + 60)]),
    lambda n: C("id") == "",
    lambda n: C("id") != f"rs{n}",
    lambda n: C("id") > f"rs{n}",
    lambda n: C("id").eq_missing(pl.lit(None, pl.String)),
    lambda n: C("id").is_in(["rs1", None], nulls_equal=True),
    lambda n: C("id").str.ends_with(str(n)),
    lambda n: C("chrom") == "2",
    lambda n: C("chrom").is_in(["X", "1"]),
    lambda n: C("chrom") != "X",
    lambda n: C("chrom") == C("ref"),
    lambda n: C("chrom") == "9",
    lambda n: C("ref") == "A",
    lambda n: C("af").is_null(),
    lambda n: pl.lit(True),
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3),
    st.integers(1, NUM_ROWS + 20),
    st.sampled_from([None, ["pos"], ["id", "clin"]]),
    st.sampled_from([None, 1, 150]),
)
def test_a_query_finds_what_a_query_of_all_finds(
    scanned: pl.LazyFrame,
    whole: pl.DataFrame,
    conditions: list[Callable[[int], pl.Expr]],
    number: int,
    columns: list[str] | None,
    most: int | None,
) -> None:
    """The judge is polars itself, on the whole table in memory."""
    filters = [make(number) for make in conditions]
    given_, expected = scanned.filter(*filters), whole.filter(*filters)
    if columns is not None:
        given_, expected = given_.select(columns), expected.select(columns)
    if most is not None:
        given_, expected = given_.head(most), expected.head(most)
    assert given_.collect().equals(expected)
    assert given_.collect(engine="streaming").equals(expected)
