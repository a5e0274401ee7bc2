"""The calls of all samples about each ALT, as one list per row of the table.

Local alleles (VCF 4.5, as of merged callers) are resolved: LGT and LAD are of the alleles REF and those
that LAA lists, so GT and AD of the record follow from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ensembl_annotations.common.text import Offsets, take_text
from ensembl_annotations.variants.schema import REQUESTED
from ensembl_annotations.vcf.batch import Batch
from ensembl_annotations.vcf.called import called_alleles
from ensembl_annotations.vcf.read import ALT, FORMAT, SAMPLE

CALLS = REQUESTED["calls"].dtype
CALL = CALLS.value_type

_CHUNK_BYTES = 4 << 20
_KEYS = ("GT", "DP", "GQ", "AD", "LGT", "LAA", "LAD")


def call_lists(
    batch: Batch, samples: Sequence[str], rows: Offsets, alt_index: Offsets
) -> pa.ChunkedArray:
    """Return the calls of every sample about some ALTs.

    Parameters
    ----------
    batch : Batch
    samples : sequence of str
        The names of the columns.
    rows, alt_index : int64 arrays
        The record of each ALT (ascending), and its 0-based place there.

    Returns
    -------
    ChunkedArray of `CALLS`
        In the order of the samples; values are null as those of the columns of one sample are.
    """
    if not samples:
        return pa.chunked_array([pa.array([[]] * len(rows), CALLS)])
    parts = [pa.array([], CALLS)]
    for first, last in _chunks_of(batch):
        low, high = np.searchsorted(rows, [first, last])
        if low < high:
            calls = _calls(batch, first, last, len(samples))
            parts.append(_lists(calls, samples, rows[low:high] - first, alt_index[low:high]))
    return pa.chunked_array(parts)


def _chunks_of(batch: Batch) -> Iterator[tuple[int, int]]:
    """Yield first and last (not included) of few enough records that work on them stays small."""
    ends = batch.lines.end + 1
    first = done = 0
    while first < len(ends):
        last = max(int(np.searchsorted(ends, done + _CHUNK_BYTES, "right")), first + 1)
        yield first, last
        first, done = last, int(ends[last - 1])


def _calls(batch: Batch, first: int, last: int, num_samples: int) -> pl.DataFrame:
    """Return ``gt, dp, gq, ad`` of each call of some records."""
    formats = batch.text(FORMAT)[first:last]
    begin = batch.lines.bounds(SAMPLE)[0][first:last]
    end = batch.without_return(batch.lines.end)[first:last]
    try:
        text = take_text(batch.lines.data, begin, end)
    except UnicodeDecodeError:
        bounds = zip(begin.tolist(), end.tolist(), strict=True)
        lines = [batch.lines.data[low:high].decode("utf-8", "replace") for low, high in bounds]
        text = pl.Series(lines, dtype=pl.String)
    num_alts = batch.text(ALT)[first:last].str.count_matches(",", literal=True) + 1
    frame = pl.DataFrame({"format": formats, "values": text.str.split("\t"), "alts": num_alts})
    long = frame.explode("values", empty_as_null=False)
    assert len(long) == num_samples * (last - first)
    places = {text: text.split(":") for text in formats.unique()}
    found = long.select("alts", pl.col("values").str.split(":"), "format").select(
        "alts", **{key: _field(key, places) for key in _KEYS}
    )
    if any(found[key].null_count() < len(found) for key in ("LGT", "LAD")):
        found = _resolved(found)
    return found.select(
        gt="GT",
        dp=pl.col("DP").cast(pl.Int32, strict=False),
        gq=pl.col("GQ").cast(pl.Float64, strict=False),
        ad=pl.col("AD").str.split(",").cast(pl.List(pl.Int32), strict=False),
    )


def _field(key: str, places: dict[str, list[str]]) -> pl.Expr:
    """Return the values of a key of FORMAT, null for ``.``."""
    table = {text: keys.index(key) for text, keys in places.items() if key in keys}
    if not table:
        return pl.lit(None, pl.String)
    place = pl.col("format").replace_strict(table, default=None, return_dtype=pl.Int64)
    text = pl.col("values").list.get(place, null_on_oob=True)
    return pl.when(text.is_in([".", ""]).not_()).then(text)


def _resolved(found: pl.DataFrame) -> pl.DataFrame:
    """Fill in GT and AD from those of local alleles."""
    columns = ["LGT", "LAD", "LAA", "alts"]
    distinct = found.select(columns).unique()
    made = pl.DataFrame(
        [
            (_global_gt(gt, laa), _global_ad(ad, laa, alts))
            for gt, ad, laa, alts in distinct.iter_rows()
        ],
        {"own_gt": pl.String, "own_ad": pl.String},
        orient="row",
    )
    joined = found.join(
        distinct.hstack(made), columns, "left", nulls_equal=True, maintain_order="left"
    )
    return joined.with_columns(GT=pl.coalesce("GT", "own_gt"), AD=pl.coalesce("AD", "own_ad"))


def _local(laa: str | None) -> list[str]:
    """Return the number in the record of each local allele, REF's first."""
    return ["0", *(laa.split(",") if laa else ())]


def _global_gt(lgt: str | None, laa: str | None) -> str | None:
    """Return GT of LGT; None where LAA lacks an allele of it."""
    if lgt is None:
        return None
    names = _local(laa)
    numbers = [int(number) for number in re.findall(r"\d+", lgt)]
    if any(number >= len(names) for number in numbers):
        return None
    return re.sub(r"\d+", lambda found: names[int(found[0])], lgt)


def _global_ad(lad: str | None, laa: str | None, alts: int) -> str | None:
    """Return AD of LAD, with a missing value for alleles that are not local."""
    if lad is None:
        return None
    depths = dict(zip(_local(laa), lad.split(","), strict=False))
    return ",".join(depths.get(str(number), ".") for number in range(alts + 1))


def _dosage(gt: str | None, allele: int) -> int | None:
    """Return how often a GT has an allele; None where a missing allele leaves it open."""
    if gt is None:
        return None
    called = called_alleles(gt)
    return called.count(allele) or (None if None in called else 0)


def _lists(
    calls: pl.DataFrame, samples: Sequence[str], rows: Offsets, alt_index: Offsets
) -> pa.ListArray:
    count = len(samples)
    taken = calls[(rows[:, None] * count + np.arange(count)).ravel()]
    wanted = taken.select("gt").with_columns(allele=pl.Series(np.repeat(alt_index + 1, count)))
    pairs = wanted.unique()
    copies = [_dosage(gt, allele) for gt, allele in pairs.iter_rows()]
    known = pairs.with_columns(dosage=pl.Series(copies, dtype=pl.Int32))
    dosage = wanted.join(known, ["gt", "allele"], "left", nulls_equal=True, maintain_order="left")
    names = pl.Series("sample", list(samples))[np.tile(np.arange(count), len(rows))]
    whole = taken.with_columns(names, dosage["dosage"])
    fields = whole.select(field.name for field in CALL).to_arrow().cast(pa.schema(list(CALL)))
    values = pa.StructArray.from_arrays(
        [column.combine_chunks() for column in fields.columns], fields=list(CALL)
    )
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * count)
    return pa.ListArray.from_arrays(offsets, values, type=CALLS)
