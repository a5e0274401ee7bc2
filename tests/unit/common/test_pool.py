"""Work on many items at a time, and results in their order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ensembl_annotations.common.pool import in_order


def test_results_come_in_order_and_items_are_read_no_further_than_ahead() -> None:
    read: list[int] = []
    first = threading.Event()

    def items() -> Iterator[int]:
        for item in range(9):
            read.append(item)
            yield item

    def work(item: int) -> int:
        # The first ends last.
        assert item or first.wait(10)
        first.set() if item == 2 else None
        return item * item

    with ThreadPoolExecutor(3) as pool:
        results = in_order(pool, work, items(), ahead=3)
        assert next(results) == 0
        assert read == [0, 1, 2, 3]
        assert list(results) == [1, 4, 9, 16, 25, 36, 49, 64]


def test_what_has_not_begun_never_begins_after_an_error() -> None:
    begun: list[int] = []
    is_told = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("the first")
        assert is_told.wait(10)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="the first"):
            next(in_order(pool, work, range(100), ahead=5))
        is_told.set()
    # The second may have begun before the first one's error was seen.
    assert len(begun) <= 2


def test_what_has_not_begun_never_begins_after_the_results_are_given_up() -> None:
    begun: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        results = in_order(pool, begun.append, range(5), ahead=0)
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert begun == [0]
