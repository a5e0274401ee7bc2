"""The order of records: runs on one contig, and whether contigs stay together and POS ascends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl


class Run(NamedTuple):
    """Records that follow one another on a contig."""

    name: str
    num_records: int
    first_pos: int
    last_pos: int
    ascending: bool


def position_runs(chrom: pl.Series, pos: npt.NDArray[np.int64]) -> list[Run]:
    """Return the runs of records on one contig, in order."""
    runs = chrom.rle().struct.unnest()
    found = []
    begin = 0
    for length, name in zip(runs["len"].to_list(), runs["value"].to_list(), strict=True):
        part = pos[begin : begin + length]
        begin += length
        ascending = bool((np.diff(part) >= 0).all())
        found.append(Run(name, length, int(part[0]), int(part[-1]), ascending))
    return found


class SortOrder:
    """Whether a file's contigs stay together and its positions ascend."""

    def __init__(self) -> None:
        self.is_sorted = True
        self._seen: set[str] = set()
        self._last: tuple[str, int] = ("", -1)

    def add(self, runs: list[Run]) -> None:
        """Add the runs of the next records."""
        for name, _, first, last, ascending in runs:
            if name == self._last[0]:
                self.is_sorted &= first >= self._last[1]
            else:
                self.is_sorted &= name not in self._seen
                self._seen.add(name)
            self.is_sorted &= ascending
            self._last = (name, last)
