"""Read two stores side by side, by ranges of `start`, in memory that their size does not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.published import allele_frequency
from ensembl_annotations.store.write import parted
from ensembl_annotations.variants.alleles import with_allele_keys
from ensembl_annotations.variants.schema import ALLELES_SCHEMA

# How far an indel slides depends on whether the sequence was fetched, not on the release.
_COLUMNS = [name for name in ALLELES_SCHEMA.names if not name.startswith("roll_")]


@dataclass(frozen=True)
class Range:
    """Alleles with all starts of a range, and their details.

    Attributes
    ----------
    alleles : DataFrame
        ``start, code, rs, detail``; `code` is that of `with_allele_keys`.
    details : DataFrame
        What alleles share: ``ref, alt`` (null where the code has them), ``offset``, ``af`` and all other
        columns of the store. `detail` is a row of them, counted from `first` on.
    first : int
    """

    alleles: pl.DataFrame
    details: pl.DataFrame
    first: int


class _Side:
    """The alleles of a chromosome of one store that were read and not given away yet."""

    def __init__(self, store: ReferenceStore, chromosome: str) -> None:
        resource = store.resource(chromosome)
        assert resource is not None
        self._file = _open(resource.path)
        self._next = 0
        self._kept = _nothing()

    @property
    def has_more(self) -> bool:
        return self._next < int(self._file.num_row_groups)

    @property
    def last_start(self) -> int:
        """The last start that was read; more rows with it may follow."""
        return int(self._kept.alleles["start"][-1]) if len(self._kept.alleles) else -1

    def read(self) -> None:
        """Read the next row group."""
        kept = self._kept
        more = _parted(_read(self._file, self._next, _COLUMNS), kept.first + len(kept.details))
        alleles, details = (
            pl.concat([getattr(item, name) for item in (kept, more)])
            for name in ("alleles", "details")
        )
        self._kept = Range(alleles, details, kept.first)
        self._next += 1

    def take(self, before: int | None) -> Range:
        """Give away what starts before a place; all for None."""
        alleles, details, first = self._kept.alleles, self._kept.details, self._kept.first
        count = len(alleles)
        if before is not None:
            count = int(alleles["start"].search_sorted(before, "left"))
        rest = alleles[count:]
        # Details of a row group follow those of the one before: none of these is needed again.
        needed = int(rest["detail"].min()) if len(rest) else first + len(details)  # type: ignore[arg-type]
        self._kept = Range(rest, details[needed - first :], needed)
        return Range(alleles[:count], details, first)


@cache
def _nothing() -> Range:
    return _parted(_frame(ALLELES_SCHEMA.empty_table().select(_COLUMNS)), 0)


def _parted(rows: pl.DataFrame, first: int) -> Range:
    """Return rows of a file with what they share apart, numbered from `first` on."""
    found = parted(rows)
    spelled = found.details.select(
        pos=pl.lit(1), ref=pl.col("ref").fill_null(""), alt=pl.col("alt").fill_null("")
    )
    keys = with_allele_keys(spelled)["code"].gather(found.detail)
    code = rows["code"].cast(pl.UInt32)
    alleles = rows.select(
        "start",
        pl.when(code % 5 != 0).then(code).otherwise(keys).alias("code"),
        "rs",
        detail=pl.Series(found.detail + first, dtype=pl.Int64),
    )
    return Range(alleles, found.details.with_columns(allele_frequency()), first)


def read_ranges(
    a: ReferenceStore, b: ReferenceStore, chromosome: str
) -> Iterator[tuple[Range, Range]]:
    """Yield the alleles of a chromosome in both stores, in pieces that cover the same starts.

    Raises
    ------
    ReferenceStoreError
        Where a file can't be read.
    """
    sides = [_Side(store, chromosome) for store in (a, b)]
    while behind := [side for side in sides if side.has_more]:
        min(behind, key=lambda side: side.last_start).read()
        open_sides = [side for side in sides if side.has_more]
        before = min((side.last_start for side in open_sides), default=None)
        one, other = (side.take(before) for side in sides)
        if len(one.alleles) or len(other.alleles):
            yield one, other


@dataclass(frozen=True)
class Ids:
    """A set of IDs, small for its number: 4 bytes per rsID.

    Attributes
    ----------
    numbers : uint32 array
        Of the rsIDs; ascending, each once.
    names : set of str
        The others.
    """

    numbers: npt.NDArray[np.uint32]
    names: set[str]

    def has(self, frame: pl.DataFrame) -> pl.Series:
        """Tell of each row, by ``rs`` and ``name``, whether its ID is among these."""
        numbers = frame["rs"].to_numpy()
        found = np.zeros(len(frame), bool)
        if len(self.numbers):
            found = self.numbers[_places(self.numbers, numbers)] == numbers
        if self.names:
            named = frame.select((pl.col("rs") == 0) & pl.col("name").is_in(self.names))
            found = found | named.to_series().to_numpy()
        return pl.Series(found)


def collect_ids(frames: Iterable[pl.DataFrame], *, repeated: bool = False) -> Ids:
    """Return the IDs of frames with ``rs`` and ``name``; only those of several rows on request."""
    parts = [np.zeros(0, np.uint32)]
    names: Counter[str] = Counter()
    for frame in frames:
        parts.append(frame.filter(pl.col("rs") > 0)["rs"].to_numpy())
        names.update(frame.filter(pl.col("rs") == 0)["name"])
    least = 2 if repeated else 1
    numbers = np.sort(np.concatenate(parts))
    # The first of its kind, and the same as the one behind it where that is asked for.
    chosen = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
    if repeated:
        chosen &= np.append(numbers[1:] == numbers[:-1], False)[: len(numbers)]
    return Ids(numbers[chosen], {name for name, count in names.items() if count >= least})


def ids_in(store: ReferenceStore, ids: Ids) -> Ids:
    """Return which IDs a store has, on any chromosome."""
    found = np.zeros(len(ids.numbers), bool)
    wanted, names = pl.Series(list(ids.names), dtype=pl.String), set[str]()
    for item in store.resources:
        if item.role != "alleles" or not (len(ids.numbers) or len(wanted)):
            continue
        file = _open(item.path)
        for group in range(file.num_row_groups):
            rows = _read(file, group, ["rs", "name"])
            if len(ids.numbers):
                values = np.unique(rows["rs"].to_numpy())
                places = _places(ids.numbers, values)
                found[places[ids.numbers[places] == values]] = True
            if len(wanted):
                named = rows["name"].drop_nulls().unique()
                names.update(named.filter(named.is_in(wanted.implode())))
    return Ids(ids.numbers[found], names)


def _places(
    numbers: npt.NDArray[np.uint32], values: npt.NDArray[np.uint32]
) -> npt.NDArray[np.intp]:
    """Return where values would be in numbers, of which there is at least one."""
    return np.minimum(np.searchsorted(numbers, values), len(numbers) - 1)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise ReferenceStoreError(
            f"{path}: can't be read ({error}).",
            hint="Check the store with 'ensembl-annotations verify', or make it again.",
        ) from error


class _File(pq.ParquetFile):  # type: ignore[misc]
    """A parquet file that knows its path."""

    path: Path


def _open(path: Path) -> _File:
    with _explained(path):
        file = _File(path, page_checksum_verification=True)
        file.path = path
        return file


def _read(file: _File, group: int, columns: list[str]) -> pl.DataFrame:
    with _explained(file.path):
        return _frame(file.read_row_group(group, columns=columns, use_threads=False))


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
