"""The order of records: runs on one contig, and whether contigs stay together and POS ascends."""

from typing import NamedTuple


class Run(NamedTuple):
    """Records that follow one another on a contig."""

    name: str
    num_records: int
    first_pos: int
    last_pos: int
    ascending: bool


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
