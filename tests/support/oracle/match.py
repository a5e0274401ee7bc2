"""Which Ensembl variants each ALT is, and why not where it is none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl

from ensembl_annotations.variants.alleles import (
    FIRST_HASH,
    NOT_COMPARABLE,
    with_allele_keys,
)
from tests.support.oracle.batch import ALT, CHROM, REF, Batch
from tests.support.oracle.lookup import Contigs, lookups, par_of
from tests.support.oracle.read import Reference, Wanted, same_bases
from tests.support.oracle.shift import find_shifted, indels_of
from tests.support.oracle.sites import find_sites, site_ids
from tests.support.published import PUBLISHED, no_published

_KEY = ("start", "code")
_MAX_LOOKUP_POS = 2**31 - 2**8
# Of an ALT that is looked up on two contigs, the first of these is told. That a site is unknown
# can be said only where both were looked at.
_WHY = pl.Enum(["allele_differs", "ref_mismatch", "contig_absent", "site_unknown"])


def split_alleles(batch: Batch, contigs: Contigs) -> pl.DataFrame:
    """Return one row per (record, ALT) of a batch, keyed, with the reasons known so far.

    Returns
    -------
    DataFrame
        ``query`` (row number), ``row`` (record within the batch), ``alt_index``, ``chrom``,
        ``pos``, ``ref``, ``alt`` as in the input, the allele key, ``contig``, ``contig_reason``
        (why nothing on it is looked up), ``par``, ``reason`` (null where the ALT is to be looked
        up).
    """
    records = pl.DataFrame(
        {
            "chrom": batch.text(CHROM),
            "pos": pl.Series(batch.pos),
            "ref": batch.text(REF),
            "alts": batch.text(ALT),
        }
    ).with_row_index("row")
    records = records.join(
        contigs.table(records["chrom"]), on="chrom", how="left", maintain_order="left"
    )
    alleles = records.with_columns(alt=pl.col("alts").str.split(",")).drop("alts")
    alleles = alleles.with_columns(
        alt_index=pl.int_ranges(0, pl.col("alt").list.len(), dtype=pl.Int32)
    )
    alleles = with_allele_keys(alleles.explode("alt", "alt_index"))
    upper_ref, upper_alt = pl.col("ref").str.to_uppercase(), pl.col("alt").str.to_uppercase()
    alleles = alleles.with_columns(
        reason=pl.when(pl.col("alt") == ".")
        .then(pl.lit("no_alt"))
        .when(upper_ref == upper_alt)
        .then(pl.lit("same_as_ref"))
        .when(pl.col("code") == NOT_COMPARABLE)
        .then(pl.lit("symbolic"))
        .when(pl.col("contig_reason").is_not_null())
        .then(pl.col("contig_reason"))
        .when((pl.col("pos") < 1) | (pl.col("start") > _MAX_LOOKUP_POS))
        .then(pl.lit("bad_position"))
        .otherwise(None)
    )
    numbered = contigs.with_par(alleles).with_row_index("query")
    # Builds of polars differ in the type of a row number.
    return numbered.with_columns(pl.col("query").cast(pl.UInt32))


def find_matches(alleles: pl.DataFrame, reference: Reference) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Match keyed ALTs against the reference.

    Parameters
    ----------
    alleles : DataFrame
        From `split_alleles`.
    reference : Reference

    Returns
    -------
    hits : DataFrame
        ``query``, the store's columns, ``shifted``: one row per matching ALT of a published
        record.
    alleles : DataFrame
        The input with `reason` filled in for every ALT without a hit, ``shifted`` (whether all
        hits are) and ``ens_site_id`` (list of String, what else is published at the site, the same
        for all ALTs of a record; null where there is none).

    Notes
    -----
    An exact match is an equal key, a shifted one an insertion or deletion slid in its repeat.
    For both, REFs agree wherever their spans overlap, and the query's whole REF agrees with the
    sequence where the store has it. What is looked up on two contigs has the hits of both.
    """
    hits, reasons, sites = [_no_hits()], [_reasons([], "site_unknown")], []
    wanted = alleles.filter(pl.col("reason").is_null())
    wanted = pl.concat([wanted, _without_key(alleles, wanted)])
    places = lookups(wanted, par_of(reference.store))
    for contig in places["lookup"].unique(maintain_order=True).to_list():
        queries = places.filter(pl.col("lookup") == contig).select(
            "query",
            "row",
            "code",
            "deleted",
            "inserted",
            "least",
            "most",
            start=pl.col("start") + pl.col("shift"),
            pos=pl.when("clip").then(pl.col("start") + 1).otherwise("pos") + pl.col("shift"),
            ref=pl.when("clip").then("deleted").otherwise(pl.col("ref").str.to_uppercase()),
        )
        if not reference.has(contig):
            reasons.append(_reasons(queries["query"], "contig_absent"))
            continue
        queries, wrong = _check_sequence(queries, contig, reference)
        keyed = queries.filter(pl.col("code") != NOT_COMPARABLE)
        indels = indels_of(keyed)
        rows = _read(queries, indels, contig, reference)
        found = pl.concat([_exact(keyed, rows), _shifted(indels, rows)])
        left = keyed.join(found.select("query"), on="query", how="anti", maintain_order="left")
        hits.append(found)
        reasons += [wrong, _explain(left, rows)]
        sites.append(find_sites(queries, rows, refs_agree))
    all_hits = pl.concat(hits)
    best = pl.concat(reasons).sort("why").unique("query", keep="first")
    best = best.join(all_hits, on="query", how="anti").cast({"why": pl.String})
    alleles = alleles.join(best, on="query", how="left", maintain_order="left").with_columns(
        reason=pl.coalesce("reason", "why"),
        shifted=_only_shifted(len(alleles), all_hits),
    )
    return all_hits, alleles.drop("why").hstack([site_ids(alleles, all_hits, sites)])


def _without_key(alleles: pl.DataFrame, keyed: pl.DataFrame) -> pl.DataFrame:
    """Return one row per record that has a place in the reference, but no ALT to look up there."""
    has_place = pl.col("contig_reason").is_null() & pl.col("pos").is_between(1, _MAX_LOOKUP_POS)
    others = alleles.filter(has_place & (pl.col("code") == NOT_COMPARABLE))
    return others.join(keyed, on="row", how="anti").unique("row", maintain_order=True)


@cache
def _no_hits() -> pl.DataFrame:
    return (
        no_published()
        .insert_column(0, pl.Series("query", [], dtype=pl.UInt32))
        .with_columns(pl.col("code").cast(pl.UInt32), shifted=pl.lit(False))
    )


def _only_shifted(num_alleles: int, hits: pl.DataFrame) -> pl.Series:
    """Tell which ALTs have hits, and shifted ones only."""
    found = np.zeros((2, num_alleles), bool)
    found[hits["shifted"].cast(pl.Int8).to_numpy(), hits["query"].to_numpy()] = True
    return pl.Series(found[1] & ~found[0])


def _reasons(queries: pl.Series | list[int], why: str) -> pl.DataFrame:
    return pl.DataFrame({"query": queries}, schema={"query": pl.UInt32}).with_columns(
        why=pl.lit(why, _WHY)
    )


def _check_sequence(
    queries: pl.DataFrame, contig: str, reference: Reference
) -> tuple[pl.DataFrame, pl.DataFrame]:
    if not reference.has_sequence(contig):
        return queries, _reasons([], "ref_mismatch")
    good = reference.agrees(contig, queries["pos"] - 1, queries["ref"])
    return queries.filter(good), _reasons(queries.filter(~good)["query"], "ref_mismatch")


def _read(
    queries: pl.DataFrame,
    indels: pl.DataFrame,
    contig: str,
    reference: Reference,
) -> pl.DataFrame:
    """Return the published rows that queries can match, or that are at the same site."""
    starts = pl.concat([queries["start"], queries["pos"] - 1, queries["pos"]])
    wanted = Wanted.of(starts, indels.select("start", "change"), queries["pos"])
    rows = reference.rows(contig, wanted)
    return rows.with_columns(with_allele_keys(rows.select("pos", "ref", "alt"))["code"])


def _exact(queries: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    # Only what tells them apart is joined; the many columns of the published rows come after.
    pairs = queries.select("query", "pos", "ref", "start", "deleted", "inserted", "code").join(
        rows.select(*_KEY, "ref", "pos", "alt").with_row_index("row"),
        on=_KEY,
        suffix="_found",
        maintain_order="left_right",
    )
    exact = pairs["code"] < NOT_COMPARABLE
    verified = pl.concat([pairs.filter(exact), _verify_alleles(pairs.filter(~exact))])
    return _hits(verified, rows, shifted=False)


def _shifted(indels: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    pairs = find_shifted(indels, rows)
    asked = indels.select("query", "pos", "ref", "least", "most")[pairs["indel"]]
    found = rows.select(pos_found="pos", ref_found="ref")[pairs["row"]]
    together = pl.concat([asked, found, pairs.select("row", "start", "end")], how="horizontal")
    outside = (pl.col("start") < pl.col("least")) | (pl.col("end") > pl.col("most"))
    return _hits(together.filter(~outside.fill_null(False)), rows, shifted=True)


def _hits(pairs: pl.DataFrame, rows: pl.DataFrame, *, shifted: bool) -> pl.DataFrame:
    """Return the hits among pairs of a query and a published row: those whose REFs agree."""
    agreed = pairs.select("query", "row").filter(refs_agree(pairs))
    return rows[agreed["row"]].select(agreed["query"], *PUBLISHED, shifted=pl.lit(shifted))


def _verify_alleles(pairs: pl.DataFrame) -> pl.DataFrame:
    """Keep the pairs whose alleles are equal, not only their hashes."""
    if pairs.is_empty():
        return pairs
    found = with_allele_keys(pairs.select(pos="pos_found", ref="ref_found", alt="alt"))
    equal = (pairs["deleted"] == found["deleted"]) & (pairs["inserted"] == found["inserted"])
    return pairs.filter(equal & (found["code"] >= FIRST_HASH))


def refs_agree(pairs: pl.DataFrame) -> pl.Series:
    """Tell for each (query, published record) whether their REFs agree where they overlap."""
    simple = pairs.select(
        (pl.col("ref").str.len_bytes() == 1)
        & (pl.col("pos") == pl.col("pos_found"))
        & (pl.col("ref") == pl.col("ref_found"))
    ).to_series()
    answers = simple.to_numpy().copy()
    rest = pairs.filter(~simple).select("pos", "ref", "pos_found", "ref_found")
    answers[~answers] = [_overlap_agrees(*row) for row in rest.iter_rows()]
    return pl.Series(answers, dtype=pl.Boolean)


# The same records are asked for with several options.
@cache
def _overlap_agrees(pos: int, ref: str, pos_found: int, ref_found: str) -> bool:
    begin = max(pos, pos_found)
    end = min(pos + len(ref), pos_found + len(ref_found))
    if begin >= end:
        return True
    return same_bases(
        ref[begin - pos : end - pos], ref_found[begin - pos_found : end - pos_found].upper()
    )


def _explain(queries: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Say why queries without a hit have none: REF differs, other allele, or unknown site."""
    place = pl.concat(
        [
            queries.select("query", "pos", "ref", at="start", key="start"),
            queries.select("query", "pos", "ref", at=pl.col("pos") - 1, key="start"),
            queries.select("query", "pos", "ref", at="pos", key="start"),
        ]
    ).unique(maintain_order=True)
    near = place.join(
        rows.select(at="start", pos_found="pos", ref_found="ref"), on="at", maintain_order="left"
    ).filter((pl.col("at") == pl.col("key")) | (pl.col("pos_found") == pl.col("pos")))
    agrees = refs_agree(near)
    mismatched = near.filter(~agrees)["query"].unique().implode()
    known = near["query"].unique().implode()
    return queries.select(
        "query",
        why=pl.when(pl.col("query").is_in(mismatched))
        .then(pl.lit("ref_mismatch"))
        .when(pl.col("query").is_in(known))
        .then(pl.lit("allele_differs"))
        .otherwise(pl.lit("site_unknown"))
        .cast(_WHY),
    )


class Compared(NamedTuple):
    """How the REFs of some records compare with the reference.

    Attributes
    ----------
    num : int
        Records with an SNV whose base in the reference is known.
    num_agree : int
        Those whose REF is that base.
    num_swapped : int
        Those whose REF is another, and an ALT is that base.
    num_asked : int
        SNVs whose base was asked for, known or not.
    """

    num: int = 0
    num_agree: int = 0
    num_swapped: int = 0
    num_asked: int = 0

    def plus(self, other: Compared) -> Compared:
        """Return the sums."""
        return Compared(*(one + more for one, more in zip(self, other, strict=True)))


def compare_bases(alleles: pl.DataFrame, reference: Reference) -> Iterator[Compared]:
    """Compare the one-base REFs of SNVs with the sequence, or else with co-located REFs.

    Parameters
    ----------
    alleles : DataFrame
        From `split_alleles`.
    reference : Reference

    Yields
    ------
    Compared
        Of a thousand SNVs at a time, since few are needed.
    """
    wanted = alleles.filter(
        pl.col("reason").is_null()
        & (pl.col("code") < NOT_COMPARABLE)
        & (pl.col("ref").str.len_bytes() == 1)
    )
    # On X rather than on Y, where the sequence is masked in older releases.
    there = pl.col("lookup").is_in(reference.store.chromosomes)
    places = lookups(wanted, par_of(reference.store)).filter(there)
    places = places.unique("query", keep="last", maintain_order=True)
    for contig in places["lookup"].unique(maintain_order=True).to_list():
        snvs = places.filter(pl.col("lookup") == contig).select(
            "row",
            pl.col("ref", "alt").str.to_uppercase(),
            start=pl.col("pos") - 1 + pl.col("shift"),
        )
        for some in snvs.iter_slices(1000):
            pairs = some.join(_known_bases(contig, some["start"], reference), on="start")
            records = pairs.group_by("row").agg(
                agrees=(pl.col("ref") == pl.col("base")).any(),
                swapped=(pl.col("alt") == pl.col("base")).any(),
            )
            swapped = records["swapped"] & ~records["agrees"]
            yield Compared(
                len(records), int(records["agrees"].sum()), int(swapped.sum()), len(some)
            )


def observed_bases(alleles: pl.DataFrame, reference: Reference) -> Compared:
    """Count what matching found out about the REFs of SNVs, without asking again.

    Parameters
    ----------
    alleles : DataFrame
        From `find_matches`.
    reference : Reference

    Notes
    -----
    A REF agrees where something is published at the place and does not contradict it, or where
    the sequence is known. Only of those that differ the bases are looked up, to see whether REF
    and ALT are exchanged.
    """
    with_sequence = [name for name in alleles["contig"].unique() if reference.has_sequence(name)]
    agrees = (
        pl.col("reason").is_null()
        | (pl.col("reason") == "allele_differs")
        | ((pl.col("reason") == "site_unknown") & pl.col("contig").is_in(with_sequence))
    )
    differs = pl.col("reason") == "ref_mismatch"
    is_snv = (pl.col("code") < NOT_COMPARABLE) & (pl.col("ref").str.len_bytes() == 1)
    snvs = alleles.filter(is_snv & (agrees | differs))
    odd = snvs.filter(differs)
    num_records, num_odd = snvs["row"].n_unique(), odd["row"].n_unique()
    if not num_odd:
        return Compared(num_records, num_records)
    asked = Compared()
    for some in compare_bases(odd.with_columns(reason=pl.lit(None, pl.String)), reference):
        asked = asked.plus(some)
    # Where several REFs are published, one that agrees is enough.
    return Compared(num_records, num_records - num_odd + asked.num_agree, asked.num_swapped)


def _known_bases(contig: str, starts: pl.Series, reference: Reference) -> pl.DataFrame:
    """Return ``start, base``: the sequence's base, or else every one-base REF published there."""
    starts = starts.unique()
    known = pl.DataFrame({"start": starts, "base": reference.bases(contig, starts)}).drop_nulls()
    rest = starts.filter(~starts.is_in(known["start"].implode()))
    rows = reference.rows(contig, Wanted.of(rest)).filter(
        pl.col("ref").str.contains("^[ACGT]$") & (pl.col("pos") - 1 == pl.col("start"))
    )
    published = rows.select(pl.col("start").cast(pl.Int64), base="ref").unique()
    return pl.concat([known, published])
