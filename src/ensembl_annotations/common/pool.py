"""Work on many items at a time, and take the results in the items' order; how many at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LIMIT: ContextVar[int | None] = ContextVar("threads", default=None)


def num_threads() -> int:
    """Return how many threads are to be kept busy: as many as there are cores, or what `limited_threads` says."""
    return _LIMIT.get() or os.cpu_count() or 1


@contextmanager
def limited_threads(number: int) -> Iterator[None]:
    """Have the block, in this thread, use so many threads: others use the cores, too."""
    token = _LIMIT.set(number)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def in_order(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Yield what `work` makes of each item, in the items' order.

    Parameters
    ----------
    pool : Executor
        What runs `work`; the caller ends it.
    work : callable
        Called with one item, independently of all others.
    items : iterable
        Read by the caller's thread, only as far ahead as there is room.
    ahead : int
        How many results may be under way or waiting besides the one that is taken next, so memory
        does not depend on the number of items.

    Raises
    ------
    BaseException
        Of `work`, when its item's turn has come; what has not begun by then never begins.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
