"""The reference store as one table, of which polars reads no more than a query needs.

A *part* of a query's filter is one of the conditions that are joined by ``and``. What says which
chromosomes are wanted chooses files. What says which IDs are wanted is asked of the columns ``rs`` and
``name`` alone, before the rows are read. What compares ``pos`` with numbers is answered by the statistics
of row groups, which polars looks at. Whatever is chosen so, the whole filter is applied to it once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.published import read_columns, read_schema
from ensembl_annotations.store.remote import address_of, is_remote, remote_store
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes

_ROW = "row_of_file"
_MOST_SLICES = 16
"""So many matches are read row by row; of more, the row groups are filtered."""


def scan_reference(
    folder: Path | str, chromosomes: Sequence[str] | str | None = None
) -> pl.LazyFrame:
    """Read a reference store as one table, lazily.

    Parameters
    ----------
    folder : Path or str
        The store; also an address, ``https://…`` or ``s3://…``, of a folder with its files, which are read
        in place and not checked.
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
        not as described. Data are not hashed here: `verify` does that.
    UsageError
        Where it has no such chromosome.

    Examples
    --------
    >>> import polars as pl
    >>> alleles = scan_reference("data/ensembl_annotations", "21,22")
    >>> alleles.select(pl.col("chrom").unique(maintain_order=True)).collect()["chrom"].to_list()
    ['21', '22']
    """
    store = described_store(folder)
    names = store.chromosomes
    if (wanted := listed_chromosomes(chromosomes)) is not None:
        names = resolve_chromosomes(wanted, names, store.species, store.assembly)
    resources = [item for name in names if (item := store.resource(name)) is not None]
    if is_remote(folder):
        return scan_files(
            {item.chromosome: address_of(str(folder), item.path.name) for item in resources}
        )
    store.check(names)
    return scan_files({item.chromosome: item.path for item in resources})


def described_store(folder: Path | str) -> ReferenceStore:
    """Return what a store, here or elsewhere, says of itself."""
    return remote_store(str(folder)) if is_remote(folder) else ReferenceStore(folder)


def scan_files(files: Mapping[str, Path | str]) -> pl.LazyFrame:
    """Return the files of these chromosomes as one table, in this order."""

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        parts = [] if predicate is None else parts_of(predicate)
        left = n_rows
        for name in _chosen(list(files), parts):
            rows = _rows(files[name], parts).select(read_columns())
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


def _rows(path: Path | str, parts: Sequence[pl.Expr]) -> pl.LazyFrame:
    """Return the rows of a file that can meet the conditions, and perhaps others."""
    rows = pl.scan_parquet(path, glob=False, low_memory=True)
    at = [part for part in parts if _is_simple(part, "pos")]
    keys = [part for part in parts if _is_simple(part, "rs")]
    keys += [key for part in parts if (key := _by_id(part)) is not None]
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


def _by_id(part: pl.Expr) -> pl.Expr | None:
    """Return a condition on ``id`` as one on the columns of a file, if it names IDs."""
    if not _is_simple(part, "id"):
        return None
    inputs = part.meta.pop()
    if len(inputs) != 2:
        return None
    column = pl.col("id")
    (value,) = (item for item in inputs if item.meta.root_names() == [])
    is_equal = part.meta.eq(column == value) or part.meta.eq(value == column)
    if not is_equal and not part.meta.eq(column.is_in(value)):
        return None
    found = pl.select(value).to_series()
    return ids_are((found.explode() if found.dtype == pl.List else found).drop_nulls().to_list())


def ids_are(names: Sequence[str]) -> pl.Expr:
    """Return the condition that a row of a file has one of these IDs."""
    numbers = [int(name[2:]) for name in names if is_rs(name)]
    others = [name for name in names if not is_rs(name)]
    conditions = []
    if numbers:
        conditions.append(pl.col("rs").is_in(numbers))
    if others:
        conditions.append(pl.col("name").is_in(others))
    return pl.any_horizontal(conditions) if conditions else pl.lit(False)


def is_rs(name: str) -> bool:
    """Tell whether an ID is an rs number as the store keeps it."""
    digits = name[2:]
    return (
        name.startswith("rs")
        and digits.isascii()
        and digits.isdigit()
        and len(digits) <= 10
        and not digits.startswith("0")
        and int(digits) < 1 << 32
    )
