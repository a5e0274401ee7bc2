"""ALTs and their IDs as tables, from what the kernel returns of a piece: for the table, the tally, and compare.

The tables are copies: the kernel's memory is free again when they are made.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ensembl_annotations._kernel import MATCHED, TEXTS, Result, TextColumn, view
from ensembl_annotations.variants.outcomes import CSQ_FIELDS, REASONS
from ensembl_annotations.vcf.batch import Batch
from ensembl_annotations.vcf.read import ALT, CHROM, REF

_REASONS = pl.Series([*REASONS, None], dtype=pl.String)


def allele_rows(batch: Batch, result: Result) -> pl.DataFrame:
    """Return one row per (record, ALT) of a piece, in order.

    Returns
    -------
    DataFrame
        ``query`` (row number), ``row`` (record within the batch), ``alt_index``, ``chrom``, ``pos``,
        ``ref``, ``alt`` as in the input, ``code`` (as in a store), ``deleted`` and ``inserted`` (number
        of bases of the allele key), ``par``, ``shifted``, ``reason`` (null where it matches) and
        ``ens_site_id`` (list of String, null where there is none or it was not asked for).
    """
    count = result.num_rows
    row = _numbers(result.record, count, np.int32)
    reason = _numbers(result.reason_of, count, np.int8)
    records = pl.DataFrame(
        {
            "chrom": batch.text(CHROM),
            "pos": pl.Series(batch.pos),
            "ref": batch.text(REF),
        }
    )
    alts = batch.text(ALT).str.split(",").explode(empty_as_null=False)
    return (
        records[row]
        .with_columns(
            row=pl.Series(row).cast(pl.UInt32),
            alt_index=pl.Series(_numbers(result.index, count, np.int32)),
            alt=alts,
            code=pl.Series(_numbers(result.code_of, count, np.int8)),
            deleted=pl.Series(_numbers(result.deleted, count, np.int32)),
            inserted=pl.Series(_numbers(result.inserted, count, np.int32)),
            par=pl.Series(_numbers(result.is_par, count, np.uint8)).cast(pl.Boolean),
            shifted=pl.Series(_numbers(result.is_shifted, count, np.uint8)).cast(pl.Boolean),
            reason=_REASONS.gather(pl.Series(np.where(reason == MATCHED, len(REASONS), reason))),
        )
        .join(_sites(result), on="row", how="left", maintain_order="left")
        .with_row_index("query")
        .with_columns(pl.col("query").cast(pl.UInt32))
    )


def _sites(result: Result) -> pl.DataFrame:
    """Return ``row`` and ``ens_site_id`` of the records that have any."""
    count = result.num_sites
    found = pl.DataFrame(
        {
            "row": pl.Series(_numbers(result.site_record, count, np.int32)).cast(pl.UInt32),
            "ens_site_id": _texts(result.site_id, count),
        }
    )
    return found.group_by("row", maintain_order=True).agg("ens_site_id")


def id_rows(result: Result) -> pl.DataFrame:
    """Return one row per ALT and matched ID, in the order of ALT and ID.

    Returns
    -------
    DataFrame
        ``query`` (as in `allele_rows`), ``id``, ``multi``, ``match``, the texts of the ID (``clin``,
        ``evidence`` and ``source`` joined by |; ``allele_clin`` where they are certain to be the
        ALT's), ``mac``, ``has_frequency``, and ``af``: the ALT's frequency, the same for all its IDs.
    """
    count = result.num_items
    mac = pl.Series(_numbers(result.item_mac, count, np.int32))
    shifted = pl.Series(_numbers(result.item_shifted, count, np.uint8)).cast(pl.Boolean)
    return pl.DataFrame(
        {
            "query": pl.Series(_numbers(result.item_allele, count, np.int32)).cast(pl.UInt32),
            "multi": pl.Series(_numbers(result.item_multi, count, np.uint8)).cast(pl.Boolean),
            "has_frequency": pl.Series(_numbers(result.item_frequency, count, np.uint8)).cast(
                pl.Boolean
            ),
            "mac": mac.set(mac < 0, None),
            "match": pl.select(
                pl.when(shifted).then(pl.lit("shifted")).otherwise(pl.lit("exact"))
            ).to_series(),
            **{
                name: _texts(column, count)
                for name, column in zip(TEXTS, result.item_text, strict=True)
            },
        }
    )


def told_rows(result: Result) -> pl.DataFrame:
    """Return ``query`` (as in `allele_rows`) and the texts ``csq`` and ``ens_worst`` of the ALTs that were called."""
    count = result.num_told
    told = pl.DataFrame(
        {"csq": _texts(result.csq, count), "ens_worst": _texts(result.worst, count)}
    ).with_row_index("query")
    return told.with_columns(pl.col("query").cast(pl.UInt32)).drop_nulls()


def consequence_rows(told: pl.DataFrame) -> pl.DataFrame:
    """Return one row per ALT that was called for transcripts, in order.

    Parameters
    ----------
    told : DataFrame
        From `told_rows`.

    Returns
    -------
    DataFrame
        ``query`` (as in `allele_rows`), ``ens_worst``, ``ens_csq`` (a list of structs with the fields of
        `CSQ_FIELDS` in lower case, all of them String, but ``consequence`` a list; null where a field is
        empty), and of the picked entry ``ens_gene``, ``ens_symbol``, ``ens_transcript``,
        ``ens_consequence``, ``ens_impact``, ``ens_hgvsc``, ``ens_hgvsp``.
    """
    names = [name.lower() for name in CSQ_FIELDS]
    entries = (
        told.select("query", entry=pl.col("csq").str.split(","))
        .explode("entry", empty_as_null=False)
        .with_columns(
            pl.col("entry").str.split_exact("|", len(names) - 1).struct.rename_fields(names)
        )
        .unnest("entry")
        .with_columns(
            pl.when(pl.col(names) != "")
            .then(pl.col(names).str.replace_all("%3D", "=", literal=True))
            .name.keep()
        )
        .with_columns(pl.col("consequence").str.split("&"))
    )
    picked = entries.filter(pl.col("pick") == "1").select(
        "query",
        ens_gene="gene",
        ens_symbol="symbol",
        ens_transcript="feature",
        ens_consequence="consequence",
        ens_impact="impact",
        ens_hgvsc="hgvsc",
        ens_hgvsp="hgvsp",
    )
    listed = entries.group_by("query", maintain_order=True).agg(ens_csq=pl.struct(names))
    return (
        told.select("query", "ens_worst")
        .join(picked, on="query", how="left", maintain_order="left")
        .join(listed, on="query", how="left", maintain_order="left")
    )


def known_frequencies(ids: pl.DataFrame) -> pl.DataFrame:
    """Return ``query, af`` of the ALTs whose frequency is known, from `id_rows`."""
    return ids.select("query", "af").drop_nulls().unique("query", keep="first", maintain_order=True)


def _numbers(address: int | None, count: int, kind: type[np.integer]) -> npt.NDArray[np.integer]:
    data = bytes(view(address, count * np.dtype(kind).itemsize))
    return np.frombuffer(data, kind)


def _texts(column: TextColumn, count: int) -> pl.Series:
    offsets = bytes(view(column.offset, 8 * (count + 1)))
    size = int.from_bytes(offsets[-8:], "little")
    valid, data = (
        pa.py_buffer(bytes(view(address, num_bytes)))
        for address, num_bytes in ((column.valid, (count + 7) // 8), (column.bytes, size))
    )
    array = pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets), data, valid)
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series
