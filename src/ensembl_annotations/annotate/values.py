"""From matches to the values of an annotation: per ID, per ALT, per record."""

from __future__ import annotations

import re
from urllib.parse import quote

import polars as pl

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


def per_id(hits: pl.DataFrame) -> pl.DataFrame:
    """Return one row per (query, ID), in the order of query and ID.

    Parameters
    ----------
    hits : DataFrame
        ``query`` and the store's columns.

    Returns
    -------
    DataFrame
        ``query``, ``id`` (rs by ascending number, then others bytewise) and the values of the
        ID. Where several published records of one ID match an ALT, terms are united, they are
        the ALT's only if each record's are, one with several ALTs wins `multi`, and a value they
        disagree on is null.
    """
    named = hits.with_columns(
        id=pl.when(pl.col("rs") > 0)
        .then("rs" + pl.col("rs").cast(pl.String))
        .otherwise(pl.col("name")),
        multi=pl.col("num_alts") > 1,
        allele_clin=pl.when("clin_certain").then("clin"),
        number=pl.when(pl.col("rs") > 0)
        .then(pl.col("rs").cast(pl.UInt64))
        .otherwise(pl.col("name").str.extract(r"^rs([1-9]\d*)$").cast(pl.UInt64, strict=False)),
    ).sort("query", "number", "id", nulls_last=True, maintain_order=True)
    key = ["query", "id"]
    if named.select(key).is_duplicated().any():
        named = named.group_by(key, maintain_order=True).agg(
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
        )
    else:
        named = named.with_columns(af=pl.concat_list("af"))
    return named.select(
        *key,
        "multi",
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


def slots(by_id: pl.DataFrame) -> pl.DataFrame:
    """Return the per-ALT texts of the ``Number=A`` tags: one row per matched query."""
    items = by_id.select(
        "query",
        ENS_ID=encode(by_id["id"]),
        ENS_MATCH=pl.lit("exact"),
        ENS_MULTI=pl.col("multi").cast(pl.Int8).cast(pl.String),
        ENS_CLIN=encode(by_id["allele_clin"], keep_bar=True),
    )
    joined = items.group_by("query", maintain_order=True).agg(
        pl.col("ENS_ID", "ENS_MATCH", "ENS_MULTI").str.join("&"),
        pl.when(pl.col("ENS_CLIN").is_not_null().any()).then(
            pl.col("ENS_CLIN").fill_null(".").str.join("&")
        ),
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


def record_tags(alleles: pl.DataFrame, by_id: pl.DataFrame) -> pl.DataFrame:
    """Return the INFO text and new IDs of every record that gets any.

    Parameters
    ----------
    alleles : DataFrame
        One row per (record, ALT), with ``query, row, par, reason``.
    by_id : DataFrame
        From `per_id`.

    Returns
    -------
    DataFrame
        ``row``, ``tags`` (``KEY=value`` joined by ``;``), ``ids`` (list of String, encoded).
    """
    table = alleles.select("query", "row", "par")
    table = table.join(slots(by_id), on="query", how="left", maintain_order="left")
    some = (pl.col("ENS_ID").is_not_null() | pl.col("par")).any().over("row")
    table = table.filter(some)
    per_alt = table.group_by("row", maintain_order=True).agg(
        *(
            pl.when(pl.col(name).is_not_null().any()).then(
                pl.col(name).fill_null(".").str.join(",")
            )
            for name in PER_ALT
        ),
        pl.col("par").any(),
        ids=pl.col("ENS_ID")
        .drop_nulls()
        .str.split("&")
        .list.explode(empty_as_null=False)
        .unique(maintain_order=True),
    )
    named = entries(by_id).join(table.select("query", "row"), on="query", maintain_order="left")
    per_record = named.group_by("row", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().any()).then(
            pl.col(name).drop_nulls().unique(maintain_order=True).str.join(",")
        )
        for name in PER_ID
    )
    whole = per_alt.join(per_record, on="row", how="left", maintain_order="left")
    tags = pl.concat_str(
        [*(pl.lit(f"{name}=") + pl.col(name) for name in (*PER_ALT, *PER_ID)),
         pl.when("par").then(pl.lit("ENS_PAR"))],
        separator=";",
        ignore_nulls=True,
    )  # fmt: skip
    return whole.select("row", "ids", tags=tags)


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
        ens_match=pl.lit("exact").repeat_by(pl.len()).explode(empty_as_null=True),
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
    return listed.join(frequency, on="query", how="left", maintain_order="left")
