"""Which Ensembl variants each ALT is, and why not where it is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ensembl_annotations.annotate.read import ALT, CHROM, REF, Batch, Header
from ensembl_annotations.annotate.reference import Reference, Wanted, same_bases
from ensembl_annotations.annotate.shift import find_shifted, indels_of
from ensembl_annotations.annotate.sites import find_sites, site_ids
from ensembl_annotations.common.alleles import (
    FIRST_HASH,
    NOT_COMPARABLE,
    is_comparable,
    with_allele_keys,
)
from ensembl_annotations.common.contigs import (
    HUMAN,
    MT_LENGTH,
    PAR,
    contig_aliases,
    resolve_contig,
)
from ensembl_annotations.common.published import no_published
from ensembl_annotations.common.schema import PUBLISHED

_KEY = ("start", "code")
_MAX_LOOKUP_POS = 2**31 - 2**8


@dataclass
class Contigs:
    """What each CHROM of the input is in the reference.

    Attributes
    ----------
    unresolved : dict of str to str
        Contigs met that are not looked up, and why.
    """

    reference: Reference
    header: Header
    requested: frozenset[str] | None = None
    unresolved: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        store = self.reference.store
        self._aliases = contig_aliases(store.species, store.assembly)
        self._lengths = self.header.contigs()
        self._par = PAR.get(store.assembly, ()) if store.species == HUMAN else ()

    def table(self, names: pl.Series) -> pl.DataFrame:
        """Return ``chrom, contig, contig_reason`` for the distinct names of a batch."""
        distinct = names.unique(maintain_order=True)
        resolved = [self._resolve(name) for name in distinct]
        return pl.DataFrame(
            {
                "chrom": distinct,
                "contig": pl.Series([item[0] for item in resolved], dtype=pl.String),
                "contig_reason": pl.Series([item[1] for item in resolved], dtype=pl.String),
            }
        )

    def _resolve(self, name: str) -> tuple[str, str | None]:
        contig = resolve_contig(name, self._aliases)
        reason = self._reason(name, contig)
        if reason is not None:
            self.unresolved.setdefault(name, reason)
        return contig, reason

    def _reason(self, name: str, contig: str) -> str | None:
        if contig == "MT" and self._aliases and not self._is_mitochondrial(name):
            return "contig_refused"
        if self.requested is not None and contig not in self.requested:
            return "not_requested"
        if self.reference.has(contig):
            return None
        return None if contig == "Y" and self._par and self.reference.has("X") else "contig_absent"

    def _is_mitochondrial(self, name: str) -> bool:
        length = self._lengths.get(name)
        if length is not None:
            return length == MT_LENGTH
        return not (self.reference.store.assembly == "GRCh37" and name in ("chrM", "M"))

    def with_lookup(self, alleles: pl.DataFrame) -> pl.DataFrame:
        """Add ``lookup`` (the contig to look up), ``shift`` (bp to add to POS), and ``par``.

        Notes
        -----
        What counts is where the key lies, whatever the padding. Only an ALT that is looked up
        is flagged; where the contig to look up is not in the store, the reason says so. Outside
        the pseudo-autosomal region X differs from Y: ``clip`` is true where padding lies there,
        and ``least`` and ``most`` (null elsewhere) are the region's ends on X, 0-based and
        between bases, which a repeat may cross.
        """
        alleles = alleles.with_columns(
            lookup=pl.col("contig"),
            shift=pl.lit(0, pl.Int64),
            par=pl.lit(False),
            clip=pl.lit(False),
            least=pl.lit(None, pl.Int64),
            most=pl.lit(None, pl.Int64),
        )
        last = pl.col("start") + pl.max_horizontal(pl.col("deleted").str.len_bytes(), 1)
        for region in self._par:
            inside = (
                (pl.col("contig") == "Y")
                & pl.col("reason").is_null()
                & (pl.col("start") >= region.first - 1)
                & (last <= region.last)
            )
            whole = (pl.col("pos") >= region.first) & (
                pl.col("pos") + pl.col("ref").str.len_bytes() - 1 <= region.last
            )
            alleles = alleles.with_columns(
                clip=pl.col("clip") | (inside & ~whole),
                lookup=pl.when(inside).then(pl.lit("X")).otherwise("lookup"),
                shift=pl.when(inside).then(pl.lit(region.shift, pl.Int64)).otherwise("shift"),
                par=pl.col("par") | inside,
                least=pl.when(inside).then(region.first - 1 + region.shift).otherwise("least"),
                most=pl.when(inside).then(region.last + region.shift).otherwise("most"),
            )
        if not self._par:
            return alleles
        absent = [name for name in ("X", "Y") if not self.reference.has(name)]
        lacking = pl.col("reason").is_null() & pl.col("lookup").is_in(absent)
        for name, wanted in alleles.filter(lacking).select("chrom", "lookup").unique().iter_rows():
            place = "the pseudo-autosomal regions, which are on X" if wanted == "X" else "the rest"
            self.unresolved.setdefault(f"{name} ({place})", "contig_absent")
        return alleles.with_columns(
            reason=pl.when(lacking).then(pl.lit("contig_absent")).otherwise("reason"),
            par=pl.col("par") & ~lacking,
        )


def split_alleles(batch: Batch, contigs: Contigs) -> pl.DataFrame:
    """Return one row per (record, ALT) of a batch, keyed, with the reasons known so far.

    Returns
    -------
    DataFrame
        ``query`` (row number), ``row`` (record within the batch), ``alt_index``, ``chrom``,
        ``pos``, ``ref``, ``alt`` as in the input, the allele key, ``lookup``, ``shift``,
        ``par``, ``reason`` (null where the ALT is to be looked up).
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
        .when(~is_comparable(upper_ref, upper_alt))
        .then(pl.lit("symbolic"))
        .when(pl.col("contig_reason").is_not_null())
        .then(pl.col("contig_reason"))
        .when((pl.col("pos") < 1) | (pl.col("start") > _MAX_LOOKUP_POS))
        .then(pl.lit("bad_position"))
        .otherwise(None)
    )
    numbered = contigs.with_lookup(alleles).with_row_index("query")
    # Builds of polars differ in the type of a row number.
    return numbered.with_columns(pl.col("query").cast(pl.UInt32))


def find_matches(
    alleles: pl.DataFrame, reference: Reference, *, with_sites: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Match keyed ALTs against the reference.

    Parameters
    ----------
    alleles : DataFrame
        From `split_alleles`.
    reference : Reference
    with_sites : bool
        Find what else is published at each record's site.

    Returns
    -------
    hits : DataFrame
        ``query``, the store's columns, ``shifted``: one row per matching ALT of a published
        record.
    alleles : DataFrame
        The input with `reason` filled in for every ALT without a hit, ``shifted`` (whether all
        hits are) and ``ens_site_id`` (list of String, the same for all ALTs of a record; null
        where there is none, or not asked for).

    Notes
    -----
    An exact match is an equal key, a shifted one an insertion or deletion slid in its repeat.
    For both, REFs agree wherever their spans overlap, and the query's whole REF agrees with the
    sequence where the store has it.
    """
    hits, reasons, sites = [_no_hits()], [_reasons([], [])], []
    wanted = alleles.filter(pl.col("reason").is_null())
    for contig in wanted["lookup"].unique(maintain_order=True).to_list():
        queries = wanted.filter(pl.col("lookup") == contig).select(
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
        queries, wrong = _check_sequence(queries, contig, reference)
        indels = indels_of(queries)
        rows = _read(queries, indels, contig, reference, with_sites=with_sites)
        found = pl.concat([_exact(queries, rows), _shifted(indels, rows)])
        left = queries.join(found.select("query"), on="query", how="anti", maintain_order="left")
        hits.append(found)
        reasons += [wrong, _explain(left, rows)]
        if with_sites:
            sites.append(find_sites(queries, rows, refs_agree))
    all_hits = pl.concat(hits)
    alleles = alleles.join(
        pl.concat(reasons), on="query", how="left", maintain_order="left"
    ).with_columns(
        reason=pl.coalesce("reason", "why"),
        shifted=_only_shifted(len(alleles), all_hits),
    )
    return all_hits, alleles.drop("why").hstack([site_ids(alleles, all_hits, sites)])


def _no_hits() -> pl.DataFrame:
    return (
        no_published()
        .insert_column(0, pl.Series("query", [], dtype=pl.UInt32))
        .with_columns(shifted=pl.lit(False))
    )


def _only_shifted(num_alleles: int, hits: pl.DataFrame) -> pl.Series:
    """Tell which ALTs have hits, and shifted ones only."""
    found = np.zeros((2, num_alleles), bool)
    found[hits["shifted"].cast(pl.Int8).to_numpy(), hits["query"].to_numpy()] = True
    return pl.Series(found[1] & ~found[0])


def _reasons(queries: list[int], why: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"query": queries, "why": why}, schema={"query": pl.UInt32, "why": pl.String}
    )


def _check_sequence(
    queries: pl.DataFrame, contig: str, reference: Reference
) -> tuple[pl.DataFrame, pl.DataFrame]:
    if not reference.has_sequence(contig):
        return queries, _reasons([], [])
    good = reference.agrees(contig, queries["pos"] - 1, queries["ref"])
    wrong = queries.filter(~good)["query"].to_list()
    return queries.filter(good), _reasons(wrong, ["ref_mismatch"] * len(wrong))


def _read(
    queries: pl.DataFrame,
    indels: pl.DataFrame,
    contig: str,
    reference: Reference,
    *,
    with_sites: bool,
) -> pl.DataFrame:
    """Return the published rows that queries can match, or that are at the same site."""
    starts = pl.concat([queries["start"], queries["pos"] - 1, queries["pos"]])
    positions = queries["pos"] if with_sites else None
    return reference.rows(contig, Wanted.of(starts, indels.select("start", "change"), positions))


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
        .otherwise(pl.lit("site_unknown")),
    )


def compare_bases(alleles: pl.DataFrame, reference: Reference) -> Iterator[tuple[int, int]]:
    """Count how many one-base REFs of SNVs have a co-located one-base REF, and how many agree.

    Yields
    ------
    tuple of (int, int)
        Of a thousand SNVs at a time, since few are needed.
    """
    wanted = alleles.filter(
        pl.col("reason").is_null()
        & (pl.col("code") < NOT_COMPARABLE)
        & (pl.col("ref").str.len_bytes() == 1)
    ).unique("row", keep="first", maintain_order=True)
    for contig in wanted["lookup"].unique(maintain_order=True).to_list():
        queries = wanted.filter(pl.col("lookup") == contig).select(
            ref=pl.col("ref").str.to_uppercase(), start=pl.col("pos") - 1 + pl.col("shift")
        )
        for some in queries.iter_slices(1000):
            rows = reference.rows(contig, Wanted.of(some["start"]))
            bases = rows.filter(
                pl.col("ref").str.contains("^[ACGT]$") & (pl.col("pos") - 1 == pl.col("start"))
            ).unique(["start", "ref"], maintain_order=True)
            pairs = some.join(bases.select("start", found="ref"), on="start")
            yield len(pairs), int((pairs["ref"] == pairs["found"]).sum())


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which chr2 comes before chr10."""
    # Text and digits take turns; digits by their length, since a name may have any number of them.
    return [
        (len(part.lstrip("0")), part.lstrip("0")) if index % 2 else (0, part)
        for index, part in enumerate(re.split(r"([0-9]+)", name))
    ]


def report_unresolved(contigs: Contigs, log: Callable[[str], object]) -> None:
    """Name once each kind of contig that was passed through without a look-up."""
    texts = {
        "contig_absent": "not in the reference",
        "contig_refused": f"named like MT, but not the {MT_LENGTH} bp sequence of the reference",
        "not_requested": "not among the chromosomes asked for",
    }
    for reason, text in texts.items():
        unresolved = (name for name, why in contigs.unresolved.items() if why == reason)
        names = sorted(unresolved, key=_natural)
        if names:
            shown = ", ".join(names[:10]) + (
                f" and {len(names) - 10} more" if len(names) > 10 else ""
            )
            plink = any(re.fullmatch("2[3-6]", name) for name in names)
            hint = " (23 to 26 may be PLINK's X, Y, XY, MT: rename them)" if plink else ""
            log(f"Contigs {text}, passed through without annotation: {shown}{hint}.")


class Run(NamedTuple):
    """Records that follow one another on a contig."""

    name: str
    num_records: int
    first_pos: int
    last_pos: int
    ascending: bool


def position_runs(chrom: pl.Series, pos: npt.NDArray[np.int64]) -> list[Run]:
    """Return the runs of records on one contig, in order."""
    runs = chrom.rle().struct.unnest()
    found = []
    begin = 0
    for length, name in zip(runs["len"].to_list(), runs["value"].to_list(), strict=True):
        part = pos[begin : begin + length]
        begin += length
        ascending = bool((np.diff(part) >= 0).all())
        found.append(Run(name, length, int(part[0]), int(part[-1]), ascending))
    return found


class SortOrder:
    """Whether a file's contigs stay together and its positions ascend."""

    def __init__(self) -> None:
        self.is_sorted = True
        self._seen: set[str] = set()
        self._last: tuple[str, int] = ("", -1)

    def add(self, runs: list[Run]) -> None:
        """Add the runs of the next records."""
        for name, _, first, last, ascending in runs:
            if name == self._last[0]:
                self.is_sorted &= first >= self._last[1]
            else:
                self.is_sorted &= name not in self._seen
                self._seen.add(name)
            self.is_sorted &= ascending
            self._last = (name, last)
