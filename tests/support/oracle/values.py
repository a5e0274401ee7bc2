"""From matches to the values of an annotation: per ID, per ALT, per record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

import numpy as np
import polars as pl

from ensembl_annotations.variants.outcomes import TAG_IDS

# Reserved in VCF INFO (; = , % and white space) or by our own layout (& | :).
_SPECIAL = re.compile(r"[%,;=&|:\s]")
_SPECIAL_TERMS = re.compile(r"[%,;=&:\s]")


def encode(values: pl.Series, *, keep_bar: bool = False) -> pl.Series:
    """Percent-encode values; with `keep_bar`, each is a list of terms joined by ``|``.

    Notes
    -----
    Reserved are ``% , ; = & | :`` and white space, in every VCF version, because the layout of
    our tags uses some of them as separators.
    """
    special = _SPECIAL_TERMS if keep_bar else _SPECIAL
    odd = values.to_frame("value").filter(pl.col("value").str.contains(special.pattern))["value"]
    if odd.is_empty():
        return values
    table = {
        text: special.sub(lambda match: quote(match[0], safe=""), text) for text in odd.unique()
    }
    return values.replace(list(table), list(table.values()))


def with_ids(rows: pl.DataFrame, *groups: str) -> pl.DataFrame:
    """Add ``id``, and sort by `groups` and it: rs by ascending number, then others bytewise.

    Parameters
    ----------
    rows : DataFrame
        ``rs`` and ``name`` as in the store.
    groups : str
        Columns.
    """
    return (
        rows.with_columns(
            id=pl.when(pl.col("rs") > 0)
            .then("rs" + pl.col("rs").cast(pl.String))
            .otherwise(pl.col("name")),
            number=pl.when(pl.col("rs") > 0)
            .then(pl.col("rs").cast(pl.UInt64))
            .otherwise(pl.col("name").str.extract(r"^rs([1-9]\d*)$").cast(pl.UInt64, strict=False)),
        )
        .sort(*groups, "number", "id", nulls_last=True, maintain_order=True)
        .drop("number")
    )


def per_id(hits: pl.DataFrame) -> pl.DataFrame:
    """Return one row per (query, ID), in the order of query and ID.

    Parameters
    ----------
    hits : DataFrame
        ``query``, the store's columns, ``shifted``.

    Returns
    -------
    DataFrame
        ``query``, ``id`` (rs by ascending number, then others bytewise), ``match`` (the best
        class) and the values of the ID. Where several published records of one ID match an ALT,
        terms are united, they are the ALT's only if each record's are, one with several ALTs
        wins `multi`, and a value they disagree on is null. ``has_frequency`` tells whether any of
        them publishes one, decided or not.
    """
    named = with_ids(hits, "query").with_columns(
        multi=pl.col("num_alts") > 1,
        allele_clin=pl.when("clin_certain").then("clin"),
        has_frequency=pl.col("maf").is_not_null(),
    )
    key = ["query", "id"]
    # Whatever else is in the piece, a term is told once.
    named = named.group_by(key, maintain_order=True).agg(
        pl.col("shifted").all(),
        pl.col("multi").any(),
        pl.when(pl.col("clin_certain").all()).then(_united("clin")).alias("allele_clin"),
        *(_united(name) for name in ("clin", "evidence", "source")),
        *(_agreed(name) for name in ("tsa", "ma", "aa")),
        # A frequency means nothing without its minor allele.
        *(
            pl.when(pl.col("ma").n_unique() == 1).then(_agreed(name)).alias(name)
            for name in ("maf", "mac")
        ),
        pl.col("af"),
        pl.col("has_frequency").any(),
    )
    return named.select(
        *key,
        "multi",
        pl.when("shifted").then(pl.lit("shifted")).otherwise(pl.lit("exact")).alias("match"),
        "allele_clin",
        "clin",
        "evidence",
        "source",
        "tsa",
        "ma",
        "maf",
        "mac",
        "aa",
        "af",
        "has_frequency",
    )


def _united(name: str) -> pl.Expr:
    terms = pl.col(name).drop_nulls().str.split("|").list.explode(empty_as_null=False)
    joined = terms.unique(maintain_order=True).str.join("|")
    return pl.when(pl.col(name).is_not_null().any()).then(joined).alias(name)


def _agreed(name: str) -> pl.Expr:
    known = pl.col(name).drop_nulls()
    return pl.when(known.n_unique() == 1).then(known.first()).alias(name)


def decided_frequency(by_id: pl.DataFrame) -> pl.DataFrame:
    """Return ``query, af``: the frequency of the ALT where all that is known agrees."""
    known = (
        by_id.select("query", "af")
        .explode("af", empty_as_null=True)
        .drop_nulls("af")
        .with_columns(number=pl.col("af").cast(pl.Float64))
    )
    return (
        known.group_by("query", maintain_order=True)
        .agg(pl.col("af").first(), pl.col("number").n_unique().alias("answers"))
        .filter(pl.col("answers") == 1)
        .select("query", "af")
    )


def slot_items(by_id: pl.DataFrame) -> pl.DataFrame:
    """Return the items of the ``Number=A`` tags but ENS_AF: one row per (query, ID)."""
    return by_id.select(
        "query",
        ENS_ID=encode(by_id["id"]),
        ENS_MATCH=pl.col("match"),
        ENS_MULTI=pl.when("multi").then(pl.lit("1")).otherwise(pl.lit("0")),
        ENS_CLIN=encode(by_id["allele_clin"], keep_bar=True),
    )


def slots(by_id: pl.DataFrame) -> pl.DataFrame:
    """Return the per-ALT texts of the ``Number=A`` tags: one row per matched query."""
    joined = (
        slot_items(by_id)
        .group_by("query", maintain_order=True)
        .agg(
            pl.col("ENS_ID", "ENS_MATCH", "ENS_MULTI").str.join("&"),
            pl.when(pl.col("ENS_CLIN").is_not_null().any()).then(
                pl.col("ENS_CLIN").fill_null(".").str.join("&")
            ),
        )
    )
    frequency = decided_frequency(by_id).rename({"af": "ENS_AF"})
    return joined.join(frequency, on="query", how="left", maintain_order="left")


def entries(by_id: pl.DataFrame) -> pl.DataFrame:
    """Return the per-ID texts of the ``Number=.`` tags: one row per (query, ID), null for none."""
    ids = pl.col("id")
    encoded = by_id.select(
        "query",
        id=encode(by_id["id"]),
        **{name: encode(by_id[name]) for name in ("ma", "maf", "tsa", "aa")},
        **{name: encode(by_id[name], keep_bar=True) for name in ("evidence", "source", "clin")},
        mac=pl.col("mac").cast(pl.String),
    )
    minor = pl.col("ma").fill_null(".")
    return encoded.select(
        "query",
        ENS_MA=ids + "|" + pl.col("ma"),
        ENS_MAF=ids + "|" + minor + "|" + pl.col("maf"),
        ENS_MAC=ids + "|" + minor + "|" + pl.col("mac"),
        ENS_TSA=ids + "|" + pl.col("tsa"),
        ENS_AA=ids + "|" + pl.col("aa"),
        ENS_EVIDENCE=ids + "|" + pl.col("evidence"),
        ENS_SOURCE=ids + "|" + pl.col("source"),
        ENS_RSCLIN=ids + "|" + pl.col("clin"),
    )


PER_ALT = ("ENS_ID", "ENS_MATCH", "ENS_MULTI", "ENS_CLIN", "ENS_AF")
PER_ID = (
    "ENS_MA", "ENS_MAF", "ENS_MAC", "ENS_TSA", "ENS_AA", "ENS_EVIDENCE", "ENS_SOURCE", "ENS_RSCLIN",
)  # fmt: skip


def record_tags(
    alleles: pl.DataFrame, by_id: pl.DataFrame, chosen: Sequence[str] = TAG_IDS
) -> pl.DataFrame:
    """Return the INFO text and new IDs of every record that gets any.

    Parameters
    ----------
    alleles : DataFrame
        One row per (record, ALT), with ``query`` (its own number), ``row``, ``par``.
    by_id : DataFrame
        From `per_id`.
    chosen : sequence of str
        The tags to write.

    Returns
    -------
    DataFrame
        ``row`` (ascending), ``tags`` (``KEY=value`` joined by ``;``, null for none), ``ids``
        (encoded, joined by ``;``).

    Notes
    -----
    Most records have one ALT with one ID: those need no grouping.

    A record with a match has every tag of `PER_ALT`, ``.`` in each slot without a value: bcftools
    norm -m+ keeps a tag only if the first of the records that it joins has it.
    """
    row, query = alleles["row"].to_numpy(), by_id["query"].to_numpy()
    num_alts = np.bincount(row)
    num_ids = np.bincount(query, minlength=len(alleles))
    is_single = (num_alts[row] == 1) & (num_ids == 1)
    # Several published records of one ID may disagree on its frequency.
    is_single[query[by_id["af"].list.len().to_numpy() != 1]] = False
    single = by_id.filter(is_single[query])
    rest = ~is_single & (num_ids > 0) | alleles["par"].to_numpy() & ~is_single
    rest_rows = np.isin(row, row[rest]) if rest.any() else rest
    return pl.concat(
        [
            _single_tags(alleles, single, chosen),
            _grouped_tags(alleles.filter(rest_rows), by_id.filter(rest_rows[query]), chosen),
        ]
    ).sort("row")


def _single_tags(alleles: pl.DataFrame, by_id: pl.DataFrame, chosen: Sequence[str]) -> pl.DataFrame:
    """Return `record_tags` of records with one ALT that has one ID."""
    place = alleles.select("row", "par")[by_id["query"]]
    items = slot_items(by_id).drop("query")
    items = items.with_columns(ENS_AF=by_id["af"].list.first()).with_columns(
        pl.col("ENS_CLIN", "ENS_AF").fill_null(".")
    )
    frame = pl.concat([place, items, entries(by_id).drop("query")], how="horizontal")
    return frame.select("row", tags=_joined_tags(chosen), ids="ENS_ID")


def _joined_tags(chosen: Sequence[str]) -> pl.Expr:
    named = [name for name in (*PER_ALT, *PER_ID) if name in chosen]
    return joined_entries(
        *(pl.lit(f"{name}=") + pl.col(name) for name in named),
        pl.when(pl.col("par") & ("ENS_PAR" in chosen)).then(pl.lit("ENS_PAR")),
    )


def joined_entries(*entries: pl.Expr) -> pl.Expr:
    """Return entries of INFO joined by ``;``, those that are null left out; null for none."""
    joined = pl.concat_str(entries, separator=";", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _grouped_tags(
    alleles: pl.DataFrame, by_id: pl.DataFrame, chosen: Sequence[str]
) -> pl.DataFrame:
    """Return `record_tags` of any records."""
    table = alleles.select("query", "row", "par")
    table = table.join(slots(by_id), on="query", how="left", maintain_order="left")
    some = (pl.col("ENS_ID").is_not_null() | pl.col("par")).any().over("row")
    table = table.filter(some)
    per_alt = table.group_by("row", maintain_order=True).agg(
        *(
            pl.when(pl.col("ENS_ID").is_not_null().any())
            .then(pl.col(name).fill_null(".").str.join(","))
            .alias(name)
            for name in PER_ALT
        ),
        pl.col("par").any(),
        ids=pl.col("ENS_ID")
        .drop_nulls()
        .str.split("&")
        .list.explode(empty_as_null=False)
        .unique(maintain_order=True)
        .str.join(";"),
    )
    named = entries(by_id).join(table.select("query", "row"), on="query", maintain_order="left")
    per_record = named.group_by("row", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().any()).then(
            pl.col(name).drop_nulls().unique(maintain_order=True).str.join(",")
        )
        for name in PER_ID
    )
    whole = per_alt.join(per_record, on="row", how="left", maintain_order="left")
    return whole.select("row", tags=_joined_tags(chosen), ids="ids")


def typed_columns(by_id: pl.DataFrame) -> pl.DataFrame:
    """Return the ``ens_*`` columns of the annotated table: one row per matched query."""
    terms = {
        "ens_clin": "allele_clin",
        "ens_rsclin": "clin",
        "ens_evidence": "evidence",
        "ens_source": "source",
    }
    listed = by_id.group_by("query", maintain_order=True).agg(
        ens_id=pl.col("id"),
        ens_match=pl.col("match"),
        ens_multi=pl.col("multi"),
        ens_tsa=pl.col("tsa"),
        ens_ma=pl.col("ma"),
        ens_maf=pl.col("maf").cast(pl.Float64),
        ens_mac=pl.col("mac"),
        ens_aa=pl.col("aa"),
        **{
            name: pl.col(column)
            .drop_nulls()
            .str.split("|")
            .list.explode(empty_as_null=False)
            .unique(maintain_order=True)
            for name, column in terms.items()
        },
    )
    frequency = decided_frequency(by_id).select("query", ens_af=pl.col("af").cast(pl.Float64))
    published = by_id.group_by("query").agg(published=pl.col("has_frequency").any())
    why = pl.when("published").then(pl.lit("undecided")).otherwise(pl.lit("not_published"))
    return (
        listed.join(frequency, on="query", how="left", maintain_order="left")
        .join(published, on="query", how="left", maintain_order="left")
        .with_columns(ens_af_why=pl.when(pl.col("ens_af").is_null()).then(why))
    )
