"""What the package says while a block runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ensembl_annotations.common.logs import PACKAGE


class _Listener(logging.Handler):
    def __init__(self, hear: Callable[[str], object]) -> None:
        super().__init__(logging.INFO)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record.getMessage())


@contextmanager
def heard(hear: Callable[[str], object] | None = None) -> Iterator[list[str]]:
    """Collect what is said at INFO and above, or hand it to a function as it is said."""
    messages: list[str] = []
    listener, before = _Listener(hear or messages.append), PACKAGE.level
    PACKAGE.addHandler(listener)
    PACKAGE.setLevel(logging.INFO)
    try:
        yield messages
    finally:
        PACKAGE.removeHandler(listener)
        PACKAGE.setLevel(before)
