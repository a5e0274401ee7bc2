"""Published records at a record's site that are none of its ALTs: ``ENS_SITE_ID``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from tests.support.oracle.values import encode, joined_entries, with_ids

NAME, SITE_TAG = "ens_site_id", "ENS_SITE_ID"


def find_sites(
    queries: pl.DataFrame, rows: pl.DataFrame, refs_agree: Callable[[pl.DataFrame], pl.Series]
) -> pl.DataFrame:
    """Return what is published at the sites of queries.

    Parameters
    ----------
    queries : DataFrame
        ``row, start, pos, ref``.
    rows : DataFrame
        The columns `PUBLISHED`.
    refs_agree : callable
        Tells for each pair whether the REFs agree where they overlap.

    Returns
    -------
    DataFrame
        ``row``, ``rs``, ``name``.

    Notes
    -----
    The same site is the same POS as published, or a key that starts at the same place.
    """
    asked = queries.select("row", "start", "pos", "ref").unique(maintain_order=True)
    found = rows.select("start", "rs", "name", pos_found="pos", ref_found="ref")
    by_start = asked.join(found, on="start")
    by_pos = asked.join(found.drop("start"), left_on="pos", right_on="pos_found")
    by_pos = by_pos.with_columns(pos_found="pos").select(by_start.columns)
    pairs = pl.concat([by_start, by_pos])
    return pairs.filter(refs_agree(pairs)).select("row", "rs", "name")


def site_ids(alleles: pl.DataFrame, hits: pl.DataFrame, sites: Sequence[pl.DataFrame]) -> pl.Series:
    """Return for each ALT the IDs at its record's site that match no ALT of the record.

    Parameters
    ----------
    alleles : DataFrame
        ``query``, ``row``.
    hits : DataFrame
        ``query``, ``rs``, ``name``.
    sites : sequence of DataFrame
        From `find_sites`; none where sites are not asked for.

    Returns
    -------
    Series
        ``ens_site_id``, list of String, null where there is none.
    """
    if not sites:
        return pl.Series(NAME, [None] * len(alleles), dtype=pl.List(pl.String))
    matched = hits.select("query", "rs", "name").join(
        alleles.select("query", "row"), on="query", how="left"
    )
    key = ["row", "rs", "name"]
    others = (
        pl.concat(sites)
        .unique()
        .join(matched.select(key), on=key, how="anti", nulls_equal=True)
        .pipe(with_ids, "row")
        .group_by("row", maintain_order=True)
        .agg(pl.col("id").alias(NAME))
    )
    return alleles.select("row").join(others, on="row", how="left", maintain_order="left")[NAME]


def with_site_tags(changes: pl.DataFrame, alleles: pl.DataFrame) -> pl.DataFrame:
    """Add ``ENS_SITE_ID`` to the changes of a batch.

    Parameters
    ----------
    changes : DataFrame
        From `record_tags`: ``row``, ``tags``, ``ids``.
    alleles : DataFrame
        ``row``, ``ens_site_id``.
    """
    listed = alleles.select("row", NAME).drop_nulls().unique("row", keep="first")
    if listed.is_empty():
        return changes
    terms = listed.explode(NAME, empty_as_null=False)
    tags = (
        terms.with_columns(encode(terms[NAME]))
        .group_by("row", maintain_order=True)
        .agg(site=pl.lit(f"{SITE_TAG}=") + pl.col(NAME).str.join(","))
    )
    both = changes.join(tags, on="row", how="full", coalesce=True).sort("row")
    return both.select(
        "row",
        tags=joined_entries(pl.col("tags"), pl.col("site")),
        ids=pl.col("ids").fill_null(""),
    )
