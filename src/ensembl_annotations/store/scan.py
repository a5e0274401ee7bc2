"""The reference store as one table, of which no more is read than a query needs.

A *part* of a query's filter is one of the conditions that are joined by ``and``. What says which
chromosomes are wanted chooses files. What says which IDs are wanted is asked of the store's index, or, if
there is none, of the columns ``rs`` and ``name`` alone, before the rows are read. What compares ``pos``
with numbers is answered by the statistics of row groups. Whatever is chosen so, the whole filter is
applied to it once more. Files on this machine are read by polars; those elsewhere, and IDs that the index
finds, by row groups.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from operator import eq, ge, gt, le, lt, ne
from pathlib import Path
from typing import Literal, get_args

import polars as pl
from polars.io.plugins import register_io_source

from ensembl_annotations.store.describe import ReferenceStore, Resource
from ensembl_annotations.store.groups import RowGroups
from ensembl_annotations.store.index import Index, disagreement, is_rs, key_of, open_index
from ensembl_annotations.store.published import read_columns, read_schema
from ensembl_annotations.store.remote import Files, described_store, files_at, is_remote
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes

_ROW = "row_of_file"
_MOST_SLICES = 16
"""So many matches are read row by row; of more, the row groups are filtered."""
_MOST_IDS = 20
"""So many for each chromosome are looked up in the index; for more, columns of IDs are faster."""
_COMPARISONS = (eq, ne, lt, le, gt, ge)
_Closed = Literal["both", "left", "right", "none"]

_IN_TURN = {"per_request": 1, "ahead": 0}

Frame = pl.DataFrame | pl.LazyFrame


def scan_reference(
    folder: Path | str, chromosomes: Sequence[str] | str | None = None
) -> pl.LazyFrame:
    """Read a reference store as one table, lazily.

    Parameters
    ----------
    folder : Path or str
        The store; also an address, ``https://…`` or ``s3://…``, of a folder with its files, which are read
        in place. If it has an index (`write_index`), an ID is looked up by it.
    chromosomes : sequence of str, or str, optional
        Names, as a list or as a text such as ``21,22``, ``chr22`` and accessions too; default all.

    Returns
    -------
    LazyFrame
        The columns `READ`: one row per ALT of each published record, sorted by allele key within a
        chromosome. A filter on ``chrom``, ``pos``, ``id`` or ``rs`` reads only what it needs, and so do
        a choice of columns and `head`.

    Raises
    ------
    ReferenceStoreError
        Where the store, or a file that is asked for, is missing, or its size, footer or label is
        not as described, or its index is not of this store. Data are not hashed here: `verify` does that.
    UsageError
        Where it has no such chromosome.

    Examples
    --------
    >>> import polars as pl
    >>> alleles = scan_reference("data/ensembl_annotations", "21,22")
    >>> alleles.select(pl.col("chrom").unique(maintain_order=True)).collect()["chrom"].to_list()
    ['21', '22']
    """
    return scan_store(folder, described_store(folder), chromosomes)


def scan_store(
    folder: Path | str, store: ReferenceStore, chromosomes: Sequence[str] | str | None = None
) -> pl.LazyFrame:
    """Read a reference store as `scan_reference` does, of which it is known already what it says of itself."""
    names = store.chromosomes
    if (wanted := listed_chromosomes(chromosomes)) is not None:
        names = resolve_chromosomes(wanted, names, store.species, store.assembly)
    resources = [item for name in names if (item := store.resource(name)) is not None]
    index, files = open_index(folder, store), files_at(folder)
    if is_remote(folder):
        tables = {item.chromosome: _far(files, item, index) for item in resources}
        return scan_files(tables, index, tables)
    store.check(names)
    tables = {item.chromosome: RowGroups.of(files, item) for item in resources}
    paths = {item.chromosome: item.path for item in resources}
    return scan_files(paths, index, tables, check=store.check)


def _far(files: Files, item: Resource, index: Index | None) -> RowGroups:
    if index is None:
        return RowGroups.of(files, item)
    return RowGroups.of(files, item, partial(index.packed_footer, item.path.name))


def scan_files(
    files: Mapping[str, Path | RowGroups],
    index: Index | None = None,
    tables: Mapping[str, RowGroups] | None = None,
    check: Callable[[Sequence[str]], None] = lambda names: None,
) -> pl.LazyFrame:
    """Return the files of these chromosomes as one table, in this order.

    Parameters
    ----------
    files : mapping
        A file by chromosome: one on this machine by its path.
    index : Index, optional
        Of their IDs.
    tables : mapping, optional
        The same files by row groups, for what the index finds.
    check : callable, optional
        Called by each query with the chromosomes that it reads: the files may have been replaced since.
    """

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        parts = [] if predicate is None else parts_of(predicate)
        wanted = None
        if with_columns is not None:
            wanted = {
                *with_columns,
                *(predicate.meta.root_names() if predicate is not None else ()),
            }
        names = _chosen(list(files), parts)
        if names:
            check(names)
        found = (
            _indexed(
                {name: (files[name], (tables or {})[name]) for name in names}, parts, wanted, index
            )
            if index
            else {}
        )
        left = n_rows
        for name in names:
            in_turn = n_rows is not None
            for frame in found.get(name) or _frames(files[name], parts, wanted, in_turn=in_turn):
                rows = frame.lazy().select(read_columns(wanted))
                if predicate is not None:
                    rows = rows.filter(predicate)
                if with_columns is not None:
                    rows = rows.select(with_columns)
                if left is not None:
                    rows = rows.head(left)
                for batch in rows.collect_batches(maintain_order=True, chunk_size=batch_size):
                    yield batch
                    left = None if left is None else left - len(batch)
                if left == 0:
                    return

    return register_io_source(read, schema=read_schema(), is_pure=True)


def parts_of(predicate: pl.Expr) -> list[pl.Expr]:
    """Return the conditions that are joined by ``and``."""
    inputs = predicate.meta.pop()
    if len(inputs) != 2 or not predicate.meta.eq(inputs[1] & inputs[0]):
        return [predicate]
    return [*parts_of(inputs[1]), *parts_of(inputs[0])]


def _chosen(names: list[str], parts: Sequence[pl.Expr]) -> list[str]:
    """Return the chromosomes that can meet the conditions."""
    table = pl.DataFrame({"chrom": names}, schema={"chrom": pl.String})
    about = [part for part in parts if set(part.meta.root_names()) == {"chrom"}]
    return table.filter(*about)["chrom"].to_list() if about else names


def _indexed(
    files: Mapping[str, tuple[Path | RowGroups, RowGroups]],
    parts: Sequence[pl.Expr],
    wanted: Collection[str] | None,
    index: Index,
) -> dict[str, Iterator[Frame]]:
    """Return the rows that have the IDs of a condition, by chromosome, of the chromosomes that are indexed.

    None are returned where no condition names IDs, or one names too many.
    """
    keys = next((keys for part in parts if (keys := _keys_of(part)) is not None), None)
    if keys is None or len(keys) > _MOST_IDS * len(files):
        return {}
    found = index.find(keys)
    columns, conditions = {*_file_columns(wanted), "rs", "name"}, _by_ids(parts)
    return {
        name: _near(file, table, found.get(name, {}), conditions)
        if isinstance(file, Path)
        else map(partial(_filtered, conditions), _with_keys(table, found.get(name, {}), columns))
        for name, (file, table) in files.items()
        if name in index.chromosomes
    }


def _filtered(conditions: Sequence[pl.Expr], frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(*conditions)


def _near(
    path: Path,
    table: RowGroups,
    found: Mapping[int, Sequence[int]],
    conditions: Sequence[pl.Expr],
) -> Iterator[Frame]:
    """Yield the rows of a file on this machine: only their IDs are read by row groups, which decodes them whole."""
    rows, chosen = pl.scan_parquet(path, glob=False, low_memory=True), []
    for group, ids in zip(sorted(found), _with_keys(table, found, ["rs", "name"]), strict=True):
        hits = ids.select(pl.all_horizontal(conditions).arg_true()).to_series().to_list()
        first, count = table.span(group)
        if len(hits) > _MOST_SLICES:
            chosen.append(rows.slice(first, count).filter(*conditions))
        else:
            chosen += [rows.slice(first + hit, 1) for hit in hits]
    if chosen:
        yield pl.concat(chosen)


def _with_keys(
    table: RowGroups, found: Mapping[int, Sequence[int]], columns: Collection[str]
) -> Iterator[pl.DataFrame]:
    """Yield row groups; each has the IDs with these keys, or the index is wrong."""
    groups = sorted(found)
    if groups and groups[-1] >= len(table):
        raise disagreement(table.where, found[groups[-1]])
    for group, frame in zip(groups, table.frames(groups, columns, per_request=1), strict=True):
        rs, keys = frame["rs"], found[group]
        missing = set(keys) - set(rs.filter(rs.is_in(keys)).to_list())
        if missing and (missing := missing - set(map(key_of, frame["name"].drop_nulls().unique()))):
            raise disagreement(table.where, sorted(missing))
        yield frame


def _frames(
    file: Path | RowGroups,
    parts: Sequence[pl.Expr],
    wanted: Collection[str] | None,
    *,
    in_turn: bool,
) -> Iterator[Frame]:
    """Yield the rows of a file that can meet the conditions, and perhaps others."""
    if isinstance(file, Path):
        yield _rows(file, parts)
        return
    at, keys = [part for part in parts if _is_simple(part, "pos")], _by_ids(parts)
    groups = _with_pos(file, at)
    if keys:
        names = sorted({name for key in keys for name in key.meta.root_names()})
        ids = file.frames(groups, names, per_request=1)
        groups = [
            group for group, frame in zip(groups, ids, strict=True) if len(frame.filter(*keys))
        ]
    columns = {*_file_columns(wanted), *(("rs", "name") if keys else ()), *(("pos",) if at else ())}
    frames = file.frames(groups, columns, **_IN_TURN) if in_turn else file.frames(groups, columns)
    yield from (frame.filter(*keys, *at) if keys or at else frame for frame in frames)


def _file_columns(wanted: Collection[str] | None) -> list[str]:
    """Return the columns of a file that the columns `READ`, all or some, are made of."""
    return sorted({name for item in read_columns(wanted) for name in item.meta.root_names()})


def _with_pos(file: RowGroups, parts: Sequence[pl.Expr]) -> list[int]:
    """Return the row groups that can have a position that is wanted.

    Notes
    -----
    Whether a position is wanted changes only at a number that it is compared with. So the bounds of a row
    group, and the positions at and beside those numbers, tell of all that are between.
    """
    bounds = file.bounds("pos")
    compared = [(part, numbers) for part in parts if (numbers := _numbers_of(part)) is not None]
    below = [
        numbers.cast(pl.Float64).floor().cast(pl.Int64, strict=False) for _, numbers in compared
    ]
    beside = [numbers + step for numbers in below for step in (-1, 0, 1, 2)]
    points = (
        pl.concat([bounds["low"], bounds["high"], *beside]).drop_nulls().alias("pos").to_frame()
    )
    good = points.filter(*(part for part, _ in compared))["pos"].sort()
    first, last = good.search_sorted(bounds["low"]), good.search_sorted(bounds["high"], "right")
    return (first < last).arg_true().to_list()


def _numbers_of(part: pl.Expr) -> pl.Series | None:
    """Return the numbers that a condition compares ``pos`` with; None where it is another one."""
    column = pl.col("pos")
    values = [item for item in part.meta.pop() if not item.meta.root_names()]
    if len(values) > 2:
        return None
    if len(values) == 2:
        same = any(
            part.meta.eq(column.is_between(lower, upper, closed))
            for lower, upper in (values, values[::-1])
            for closed in get_args(_Closed)
        )
    else:
        (value,) = values
        same = part.meta.eq(column.is_in(value)) or any(
            part.meta.eq(compare(column, value)) or part.meta.eq(compare(value, column))
            for compare in _COMPARISONS
        )
    if not same:
        return None
    numbers = pl.concat([_listed(value).cast(pl.Float64) for value in values])
    return numbers.drop_nulls()


def _listed(value: pl.Expr) -> pl.Series:
    """Return the values of a literal, or of a list of them."""
    found = pl.select(value).to_series()
    return found.explode() if isinstance(found.dtype, pl.List) else found


def _rows(path: Path | str, parts: Sequence[pl.Expr]) -> pl.LazyFrame:
    """Return the rows of a file that can meet the conditions, and perhaps others."""
    rows = pl.scan_parquet(path, glob=False, low_memory=True)
    at = [part for part in parts if _is_simple(part, "pos")]
    keys = _by_ids(parts)
    if keys:
        found = _found(path, keys)
        if not found:
            return rows.head(0)
        if len(found) <= _MOST_SLICES:
            return pl.concat([rows.slice(row, 1) for row in found])
    return rows.filter(*keys, *at) if keys or at else rows


def _found(path: Path | str, keys: Sequence[pl.Expr]) -> list[int]:
    """Return which rows of a file have the IDs, `_MOST_SLICES` and one more at most: only columns of IDs are read."""
    columns = {name for key in keys for name in key.meta.root_names()}
    ids = pl.scan_parquet(path, glob=False, row_index_name=_ROW).select(_ROW, *sorted(columns))
    return ids.filter(*keys).select(_ROW).head(_MOST_SLICES + 1).collect()[_ROW].to_list()


def _is_simple(part: pl.Expr, name: str) -> bool:
    """Tell whether a condition compares a column with values: it means the same for the type in the file."""
    inputs = part.meta.pop()
    columns = [item for item in inputs if item.meta.root_names()]
    return len(inputs) > 1 and len(columns) == 1 and columns[0].meta.eq(pl.col(name))


def _by_ids(parts: Sequence[pl.Expr]) -> list[pl.Expr]:
    """Return the conditions on IDs, as those on the columns of a file."""
    numbers = [part for part in parts if _is_simple(part, "rs")]
    names = [_values_of(part, "id") for part in parts]
    return numbers + [_ids_are(found.to_list()) for found in names if found is not None]


def _values_of(part: pl.Expr, name: str) -> pl.Series | None:
    """Return the values that a condition wants of a column; None where it does not name them."""
    if not _is_simple(part, name):
        return None
    inputs = part.meta.pop()
    if len(inputs) != 2:
        return None
    column = pl.col(name)
    (value,) = (item for item in inputs if item.meta.root_names() == [])
    is_equal = part.meta.eq(column == value) or part.meta.eq(value == column)
    if not is_equal and not part.meta.eq(column.is_in(value)):
        return None
    return _listed(value).drop_nulls()


def _keys_of(part: pl.Expr) -> list[int] | None:
    """Return the keys of the IDs that a condition names; None where it names none."""
    if (names := _values_of(part, "id")) is not None:
        return [key_of(name) for name in names]
    numbers = _values_of(part, "rs")
    if numbers is None or not numbers.dtype.is_integer() or 0 in numbers:
        return None
    return [number for number in numbers if 0 < number < 1 << 32]


def _ids_are(names: Sequence[str]) -> pl.Expr:
    """Return the condition that a row of a file has one of these IDs."""
    numbers = [int(name[2:]) for name in names if is_rs(name)]
    others = [name for name in names if not is_rs(name)]
    conditions = []
    if numbers:
        conditions.append(pl.col("rs").is_in(numbers))
    if others:
        conditions.append(pl.col("name").is_in(others))
    return pl.any_horizontal(conditions) if conditions else pl.lit(False)
