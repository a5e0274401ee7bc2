"""Annotate the rows of a data frame: an ALT each, in any order, with or without chr.

The rows become lines of a VCF in memory, for the same kernel that annotates files; nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa

from ensembl_annotations._kernel import Columns, Settings, annotated, contig_runs
from ensembl_annotations.annotate.guard import Compared, check_observed
from ensembl_annotations.annotate.lookup import Contigs, Places
from ensembl_annotations.annotate.rows import table_of
from ensembl_annotations.common.errors import InputError, UsageError
from ensembl_annotations.common.words import listed
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.read import Reference
from ensembl_annotations.variants.schema import ANNOTATION, CONSEQUENCE
from ensembl_annotations.variants.tags import check_transcripts
from ensembl_annotations.vcf.read import BATCH_RECORDS, MAX_POS, Piece

Frame = TypeVar("Frame")
"""A polars or pandas data frame: pandas is no dependency, only whoever has one has it."""

_WANTED = ("chrom", "pos", "ref", "alt")
_TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_NUM_COLUMNS = 8
_NAME = Path("the frame")


def annotate_frame(frame: Frame, reference: Path | str, *, transcripts: str = "pick") -> Frame:
    """Annotate the rows of a polars or pandas data frame.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        With the columns ``chrom`` (text or whole numbers), ``pos`` (1-based), ``ref`` and ``alt`` (one ALT, as a
        VCF has it; null or ``.`` where there is none). Other columns are kept.
    reference : Path or str
        Folder of the store.
    transcripts : str
        Which transcripts ``ens_csq`` lists for each ALT: ``pick``, one; ``gene``, one of each gene; ``all``.

    Returns
    -------
    DataFrame
        Of the same kind and in the same order, with the columns ``ens_…`` of the annotated table added: those of
        consequences too, of the picked transcript, if the reference has genes, with the most severe one of any
        transcript (``ens_worst``). Each row is a record of its
        own, by which ``allele`` in ``ens_csq`` is named.

    Raises
    ------
    InputError
        Naming the first row (from 0) with a value that can't be used, or a column of another type; or where the
        REFs tell of another assembly.
    ReferenceStoreError
    UsageError
        Where a column is missing, or one that is added is there already.

    Examples
    --------
    >>> import polars as pl
    >>> rows = pl.DataFrame({"chrom": ["chr21"], "pos": [5000441], "ref": ["T"], "alt": ["C"]})
    >>> annotate_frame(rows, "data/ensembl_annotations").select("ens_id", "ens_af").rows()
    [(['rs9000000232'], 0.21)]
    """
    check_transcripts(transcripts)
    given = _polars(frame)
    with opened(reference, given["chrom"].unique().to_list()) as places:
        schema = _schema(places.contigs.store)
        _check_new(schema.names, list(frame.columns))  # type: ignore[attr-defined]
        found = annotated_rows(given, places, schema.names, transcripts)
        parts = [table_of(part, schema) for part in found]
    added = pl.from_arrow(pa.concat_tables([schema.empty_table(), *parts]))
    assert isinstance(added, pl.DataFrame)
    joined: Frame = _joined(frame, added)
    return joined


def _schema(store: ReferenceStore) -> pa.Schema:
    """Return what is added with a store."""
    genes = CONSEQUENCE if store.chromosomes_with("genes") else ()
    return pa.schema([column.field for column in (*ANNOTATION, *genes)])


def _joined(frame: Any, added: pl.DataFrame) -> Any:
    """Return a frame with columns added, of its own kind."""
    if isinstance(frame, pl.DataFrame):
        return frame.hstack(added)
    import pandas as pd

    return pd.concat([frame, added.to_pandas().set_index(frame.index)], axis=1)


@contextmanager
def opened(reference: Path | str, chroms: Sequence[str]) -> Iterator[Places]:
    """Open what of a store the look-up on these contigs needs."""
    store = ReferenceStore(reference)
    contigs = Contigs(store, {})
    resolved = {name for chrom in chroms for name, why in [contigs.resolve(chrom)] if why is None}
    if "Y" in resolved:
        resolved.add("X")
    with Reference(store) as looked_up, looked_up.explained():
        if names := sorted(resolved & {item.chromosome for item in store.resources}):
            looked_up.check(names)
        yield Places(contigs, looked_up)
        looked_up.check_unchanged()


def annotated_rows(
    rows: pl.DataFrame, places: Places, columns: Sequence[str], transcripts: str
) -> Iterator[Columns]:
    """Yield columns of rows as `checked_rows` returns them, some thousands at a time."""
    bases = Compared()
    settings = Settings(
        _NUM_COLUMNS, regions=places.regions, columns=columns, transcripts=transcripts
    )
    for first, part in enumerate(rows.iter_slices(BATCH_RECORDS)):
        lines = part.select(pl.format("{}\t{}\t.\t{}\t{}\t.\t.\t.\n", *_WANTED).str.join(""))
        piece = Piece(lines.item().encode(), 0, 1)
        contigs, numbers = places.of([name for name, _ in contig_runs(piece.data)])
        numbered = settings._replace(first_record=first * BATCH_RECORDS)
        with annotated(piece.data, numbered, contigs, numbers) as result:
            bases = bases.plus(Compared(*result.compared.counts))
            check_observed(bases, places.contigs.store.assembly, _NAME)
            yield result.columns


def _polars(frame: Any) -> pl.DataFrame:
    """Return the columns that are looked up, as text and numbers, checked."""
    if not isinstance(frame, pl.DataFrame) and not _is_pandas(frame):
        hint = "Collect it first." if isinstance(frame, pl.LazyFrame) else "Make one of it first."
        raise UsageError(
            f"frame: expected a data frame of polars or pandas, found {type(frame).__name__}.",
            hint=hint,
        )
    names = list(frame.columns)
    if missing := [name for name in _WANTED if name not in names]:
        raise UsageError(
            f"frame: expected the columns {', '.join(_WANTED)}; {', '.join(missing)} is missing.",
            hint=f"Rename the columns; there are: {', '.join(map(str, names))}.",
        )
    if twice := [name for name in _WANTED if names.count(name) > 1]:
        raise UsageError(
            f"frame: has several columns {', '.join(twice)}.", hint="Keep one of each name."
        )
    if isinstance(frame, pl.DataFrame):
        return checked_rows(frame.select(_WANTED))
    return checked_rows(pl.DataFrame([_series(name, frame[name]) for name in _WANTED]))


def _is_pandas(frame: Any) -> bool:
    """Tell whether it is a data frame of pandas: who has one has imported pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(frame, pandas.DataFrame)


def _series(name: str, values: Any) -> pl.Series:
    """Return a column of pandas; one of mixed values, such as 1 and ``X``, as text."""
    if values.dtype == object:
        texts = [
            None if gone else _plain(value)
            for value, gone in zip(values, values.isna(), strict=True)
        ]
        return pl.Series(name, texts, pl.String)
    return pl.Series(name, values)


def _plain(value: Any) -> str:
    """Return a value as text, a whole number without decimal places."""
    is_number = isinstance(value, Real | Decimal) and not isinstance(value, bool)
    return str(int(value)) if is_number and value % 1 == 0 else str(value)


def _check_new(added: Sequence[str], names: Sequence[str]) -> None:
    if there := [name for name in added if name in names]:
        raise UsageError(f"frame: has {listed(there)} already.", hint="Drop these columns first.")


def checked_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``chrom``, ``pos``, ``ref``, ``alt`` as text and numbers.

    Raises
    ------
    InputError
        Naming the first row with a value that can't be used.
    """
    typed = rows.select(
        _name(rows["chrom"]),
        _whole(rows["pos"]),
        _text(rows["ref"]),
        _text(rows["alt"]).fill_null("."),
    )
    is_good = {
        "chrom": pl.col("chrom").str.contains(r"^[^\s]+$"),
        "pos": pl.col("pos").is_between(0, MAX_POS),
        "ref": pl.col("ref").str.contains(r"^[^\s,]+$") & (pl.col("ref") != "-"),
        "alt": pl.col("alt").str.contains(r"^[^\s,]+$") & (pl.col("alt") != "-"),
    }
    expected = {
        "chrom": "a name without white space",
        "pos": f"a whole number up to {MAX_POS}",
        "ref": "bases, with the base before an insertion or deletion",
        "alt": "one ALT, without commas, with the base before an insertion or deletion",
    }
    for name, condition in is_good.items():
        bad = typed.select((~condition).fill_null(True).arg_true())[name]
        if len(bad):
            row = int(bad[0])
            raise InputError(
                f"frame: row {row} (from 0): {name}: expected {expected[name]}, "
                f"found {rows[name][row]!r}.",
                hint="Correct the row, or leave it out.",
            )
    return typed


def _name(column: pl.Series) -> pl.Series:
    """Return names: numbers that pandas made fractions of, as beside a missing value, as the whole ones they were."""
    if column.dtype.is_float() or column.dtype.is_decimal():
        return _whole(column).cast(pl.String)
    return _text(column)


def _text(column: pl.Series) -> pl.Series:
    if not (column.dtype in _TEXTS or column.dtype.is_integer() or column.is_null().all()):
        raise _wrong_type(column, "text")
    return column.cast(pl.String)


def _whole(column: pl.Series) -> pl.Series:
    """Return whole numbers, null where it is none."""
    if not (column.dtype in _TEXTS or column.dtype.is_numeric()):
        raise _wrong_type(column, "whole numbers")
    values = column.cast(pl.String) if column.dtype in _TEXTS else column
    whole = values.cast(pl.Int64, strict=False)
    return whole if values.dtype == pl.String else whole.set(whole != values, None)


def _wrong_type(column: pl.Series, expected: str) -> InputError:
    return InputError(
        f"frame: {column.name}: expected {expected}, found {column.dtype}.",
        hint="Convert the column.",
    )
