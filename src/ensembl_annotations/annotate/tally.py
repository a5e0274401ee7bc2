"""What is counted while a VCF is annotated, and the file it is kept in, ``tally.json``.

The *tally* has all that a report of the run needs: the counts of the metrics, those of the charts by contig,
window, kind and status, and the variants with a pathogenic term, by name. Its size depends on the
genome's length, not on the number of records. It says as much of a person as the VCF does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from ensembl_annotations.annotate.compared import NOT_IN_ENSEMBL
from ensembl_annotations.annotate.rows import consequence_rows, known_frequencies
from ensembl_annotations.common.json_files import compact_json
from ensembl_annotations.variants.outcomes import IMPACTS, TERMS
from ensembl_annotations.vcf.batch import Batch
from ensembl_annotations.vcf.read import FILTER, FORMAT, SAMPLE, Header

WINDOW = 1_000_000
"""Bases of a window along a contig."""

MOST_LISTED = 10_000
"""Variants with a pathogenic term that are listed: far more than a person has; the table has all."""

MOST_GENES = 100
"""Genes with consequences of high or moderate impact that are listed."""

PATHOGENIC = ("pathogenic", "likely_pathogenic")
KNOWN, NOVEL, OTHER = range(3)
"""Status of an ALT: in Ensembl, not in Ensembl, or not comparable."""

CUBE = ("chrom", "window", "status", "kind", "transition")
_MOST_SHOWN = 40
_MOST_CHANGE = 80
# Codes are 4 * REF + ALT in the order ACGT: A>G, C>T, G>A, T>C.
_TRANSITIONS = (2, 7, 8, 13)
_FREQUENCIES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
# Beside a pathogenic one, terms of somebody who concluded otherwise.
_CONTRARY = ("benign", "likely_benign", "uncertain_significance")


@dataclass(frozen=True)
class Listed:
    """A variant with a pathogenic term, as the page lists it.

    `rank` orders the list, and is not in the file: by the genotype, then pathogenic before likely pathogenic.
    `gene`, `hgvs` and `impact` are those of the picked transcript; empty where the ALT was not called.
    """

    rank: tuple[int, bool]
    place: str
    change: str
    ids: tuple[str, ...]
    terms: str
    frequency: str
    filter: str
    genotype: str
    gene: str = ""
    hgvs: str = ""
    impact: str = ""


@dataclass
class Pathogenic:
    """ALTs with a pathogenic term: how many, by what the genotypes say, and the list of them by rank.

    `genotypes` counts ``carried`` (by any sample), ``not carried``, ``not called`` and ``no genotype``;
    `num_filtered` those that count on the page (carried, or without a genotype) but whose record
    did not pass the caller's filters.
    """

    genotypes: Counter[str] = field(default_factory=Counter)
    listed: list[Listed] = field(default_factory=list)
    num_filtered: int = 0

    def add(self, other: Pathogenic) -> None:
        """Add those of the next piece."""
        self.genotypes += other.genotypes
        self.num_filtered += other.num_filtered
        if other.listed:
            # The sort is stable: of one rank they stay in the order of the VCF.
            listed = sorted((*self.listed, *other.listed), key=lambda item: item.rank)
            self.listed = listed[:MOST_LISTED]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return {
            "genotypes": _ordered(self.genotypes),
            "listed": [
                {name: value for name, value in asdict(item).items() if name != "rank"}
                for item in self.listed
            ],
            "num_filtered": self.num_filtered,
        }


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Return counts by name: which was counted first depends on threads, and on the pieces of the VCF."""
    return dict(sorted(counts.items()))


@dataclass(frozen=True)
class Part:
    """What a piece of the VCF adds to the tally."""

    cube: pl.DataFrame
    frequencies: Counter[str]
    terms: Counter[str]
    other_terms: Counter[str]
    certain: Pathogenic
    uncertain: Pathogenic
    genes: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass
class Findings:
    """Counts of a whole run; their size depends on the genome's length, not on the number of records.

    `genes` counts ALTs by gene and impact, `HIGH` or `MODERATE`, of their most severe consequence.
    """

    frequencies: Counter[str] = field(default_factory=Counter)
    terms: Counter[str] = field(default_factory=Counter)
    other_terms: Counter[str] = field(default_factory=Counter)
    certain: Pathogenic = field(default_factory=Pathogenic)
    uncertain: Pathogenic = field(default_factory=Pathogenic)
    genes: Counter[tuple[str, str]] = field(default_factory=Counter)
    _cubes: list[pl.DataFrame] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Add what the next piece of the input has."""
        self.frequencies += part.frequencies
        self.terms += part.terms
        self.other_terms += part.other_terms
        self.certain.add(part.certain)
        self.uncertain.add(part.uncertain)
        self.genes.update(part.genes)
        self._cubes.append(part.cube)
        if len(self._cubes) > 64:
            self._cubes = [self.cube()]

    def cube(self) -> pl.DataFrame:
        """Return ``count`` of ALTs by `CUBE`: contig, window, status, kind, whether a transition."""
        if not self._cubes:
            return pl.DataFrame(
                schema={
                    "chrom": pl.String,
                    "window": pl.Int64,
                    "status": pl.Int32,
                    "kind": pl.String,
                    "transition": pl.Boolean,
                    "count": pl.Int64,
                }
            )
        return pl.concat(self._cubes).group_by(CUBE, maintain_order=True).agg(pl.col("count").sum())


def part_of(batch: Batch, alleles: pl.DataFrame, ids: pl.DataFrame, told: pl.DataFrame) -> Part:
    """Count what a piece adds.

    Parameters
    ----------
    batch : Batch
        The records.
    alleles : DataFrame
        From `allele_rows`: one row per (record, ALT).
    ids : DataFrame
        From `id_rows`: one row per (ALT, ID).
    told : DataFrame
        From `told_rows`: one row per ALT that was called for transcripts.
    """
    deleted, inserted, code = pl.col("deleted"), pl.col("inserted"), pl.col("code")
    is_snv = code % 5 != 0
    kind = (
        pl.when((deleted == 0) & (inserted == 0))
        .then(pl.lit("not a sequence"))
        .when(deleted == 0)
        .then(pl.lit("insertion"))
        .when(inserted == 0)
        .then(pl.lit("deletion"))
        .when((deleted == 1) & (inserted == 1))
        .then(pl.lit("SNV"))
        .when(deleted == inserted)
        .then(pl.lit("MNV"))
        .otherwise(pl.lit("indel"))
    )
    reason = pl.col("reason")
    status = (
        pl.when(reason.is_null())
        .then(KNOWN)
        .when(reason.is_in(NOT_IN_ENSEMBL))
        .then(NOVEL)
        .otherwise(OTHER)
    )
    cube = (
        alleles.lazy()
        .filter(reason.is_null() | (reason != "no_alt"))
        .select(
            "chrom",
            window=(pl.col("pos").cast(pl.Int64) - 1).clip(0) // WINDOW,
            status=status,
            kind=kind,
            transition=pl.when(is_snv).then(code.is_in(_TRANSITIONS)),
        )
        .group_by(CUBE, maintain_order=True)
        .agg(count=pl.len().cast(pl.Int64))
        .collect()
    )
    shares = known_frequencies(ids)["af"].cast(pl.Float64).to_numpy()
    counts = np.bincount(
        np.searchsorted(_FREQUENCIES[:-1], shares), minlength=len(FREQUENCY_CLASSES)
    )
    frequencies = Counter(dict(zip(FREQUENCY_CLASSES, counts.tolist(), strict=True)))
    num_published = ids.filter("has_frequency")["query"].n_unique()
    frequencies[UNDECIDED] = num_published - len(shares)
    frequencies[UNPUBLISHED] = ids["query"].n_unique() - num_published
    clinical = ids.filter(pl.col("clin").is_not_null())
    terms, others = _terms(clinical, "allele_clin"), _terms(clinical, "clin")
    others = Counter({name: count - terms[name] for name, count in others.items()})
    certain = clinical.filter(_has_term("allele_clin", PATHOGENIC))["query"].unique(
        maintain_order=True
    )
    either = clinical.filter(_has_term("clin", PATHOGENIC))["query"].unique(maintain_order=True)
    uncertain = either.filter(~either.is_in(certain.implode()))
    return Part(
        cube,
        frequencies,
        terms,
        +others,
        _pathogenic(batch, alleles, ids, told, certain, "allele_clin"),
        _pathogenic(batch, alleles, ids, told, uncertain, "clin"),
        _genes(told),
    )


def _genes(told: pl.DataFrame) -> Counter[tuple[str, str]]:
    """Count ALTs by the gene and the impact of their most severe consequence, where it is a listed one."""
    worst = pl.col("ens_worst").str.splitn("&", 3).struct
    counts = (
        told.select(
            impact=worst.field("field_0").replace_strict(TERMS), gene=worst.field("field_1")
        )
        .filter(pl.col("impact").is_in(IMPACTS[:2]))
        .group_by("gene", "impact")
        .len()
    )
    return Counter({(gene, impact): count for gene, impact, count in counts.iter_rows()})


def gene_list(counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Return the genes with the most ALTs of high impact, then of moderate impact, with both numbers.

    Parameters
    ----------
    counts : mapping of (str, str) to int
        As `Findings` has them.
    """
    high, moderate = IMPACTS[:2]
    rows = [
        (-counts.get((gene, high), 0), -counts.get((gene, moderate), 0), gene)
        for gene in {gene for gene, _ in counts}
    ]
    return [{"gene": gene, "high": -a, "moderate": -b} for a, b, gene in sorted(rows)[:MOST_GENES]]


def _label(low: float, high: float) -> str:
    return f"over {100 * low:g} to {100 * high:g} %" if low else f"0 to {100 * high:g} %"


FREQUENCY_CLASSES = [
    _label(*pair) for pair in zip((0.0, *_FREQUENCIES), _FREQUENCIES, strict=False)
]
UNDECIDED = "published, ALT uncertain"
UNPUBLISHED = "not published"


def _has_term(name: str, terms: Sequence[str]) -> pl.Expr:
    given = pl.col(name).fill_null("").str.split("|")
    return given.list.eval(pl.element().is_in(terms)).list.any()


def _terms(rows: pl.DataFrame, name: str) -> Counter[str]:
    """Count for how many ALTs each term is given."""
    listed = (
        rows.select("query", term=pl.col(name).str.split("|"))
        .drop_nulls()
        .explode("term", empty_as_null=False)
        .unique()
    )
    return Counter(dict(listed["term"].value_counts().iter_rows()))


def _pathogenic(
    batch: Batch,
    alleles: pl.DataFrame,
    ids_of_all: pl.DataFrame,
    told: pl.DataFrame,
    queries: pl.Series,
    column: str,
) -> Pathogenic:
    """Count ALTs by their genotypes, and list the first of them by rank with the terms of a column."""
    found = Pathogenic()
    if not len(queries):
        return found
    picked = alleles.select("row", "alt_index")[queries]
    strongest = {*ids_of_all.filter(_has_term(column, PATHOGENIC[:1]))["query"]}
    ranked: list[tuple[tuple[int, bool], int, str]] = []
    for query, (row, index) in zip(queries.to_list(), picked.iter_rows(), strict=True):
        place, state, genotype = _genotype(batch, row, index + 1)
        found.genotypes[state] += 1
        if state in ("carried", "no genotype"):
            found.num_filtered += _filter_of(batch, row) not in ("PASS", ".")
        ranked.append(((place, query not in strongest), query, genotype))
    ranked = sorted(ranked, key=lambda item: item[0])[:MOST_LISTED]
    is_chosen = pl.col("query").is_in([query for _, query, _ in ranked])
    ids_of: dict[int, list[dict[str, Any]]] = {}
    for item in ids_of_all.filter(is_chosen).iter_rows(named=True):
        ids_of.setdefault(item["query"], []).append(item)
    called = {
        row["query"]: row for row in consequence_rows(told.filter(is_chosen)).iter_rows(named=True)
    }
    for rank, query, genotype in ranked:
        allele = alleles.row(query, named=True)
        listed = _listed(batch, allele, ids_of[query], column, rank, genotype)
        gene, hgvs, impact = _consequence(called.get(query))
        found.listed.append(replace(listed, gene=gene, hgvs=hgvs, impact=impact))
    return found


def _consequence(called: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Return gene, change and impact of an ALT, and what the pick hides: a greater impact elsewhere."""
    if called is None:
        return "", "", ""
    impact, (term, *place) = called["ens_impact"], called["ens_worst"].split("&")
    is_greater = IMPACTS.index(TERMS[term]) < IMPACTS.index(impact)
    hidden = f" ({TERMS[term]} in {place[-1]})" if is_greater else ""
    change = called["ens_hgvsp"] or called["ens_hgvsc"] or ""
    return (
        called["ens_symbol"] or called["ens_gene"] or "",
        change if len(change) <= _MOST_CHANGE else f"{change[:_MOST_CHANGE]}…",
        impact + hidden,
    )


def _listed(
    batch: Batch,
    allele: Mapping[str, Any],
    ids: Sequence[Mapping[str, Any]],
    column: str,
    rank: tuple[int, bool],
    genotype: str,
) -> Listed:
    texts = [item[column] for item in ids if item[column] is not None]
    given = list(dict.fromkeys(term for text in texts for term in text.split("|")))
    is_contested = any(term in given for term in PATHOGENIC) and any(
        term in given for term in _CONTRARY
    )
    return Listed(
        rank,
        f"{allele['chrom']}:{allele['pos']}" + (" (looked up on X and Y)" if allele["par"] else ""),
        f"{_short(allele['ref'])} > {_short(allele['alt'])}",
        tuple(item["id"] for item in ids if item["id"] is not None),
        ", ".join(given).replace("_", " ") + (" (opinions differ)" if is_contested else ""),
        _frequency(ids),
        _short(_filter_of(batch, allele["row"])),
        genotype,
    )


def _frequency(ids: Sequence[Mapping[str, Any]]) -> str:
    """Return the frequency of an ALT, or why there is none, from the rows of its IDs."""
    decided = next((item["af"] for item in ids if item["af"] is not None), None)
    if decided is not None:
        return str(decided)
    return UNDECIDED if any(item["has_frequency"] for item in ids) else UNPUBLISHED


def _filter_of(batch: Batch, row: int) -> str:
    (begin,), (end,) = batch.lines.bounds(FILTER, np.array([row]))
    return batch.lines.data[begin:end].decode("utf-8", "replace")


def _short(bases: str) -> str:
    return bases if len(bases) <= _MOST_SHOWN else f"{bases[:_MOST_SHOWN]}… ({len(bases)} bp)"


def _genotype(batch: Batch, row: int, allele: int) -> tuple[int, str, str]:
    """Return the place of an allele in the list, whether it is carried, as counted; and GT, or the samples."""
    if int(batch.lines.num_fields[row]) <= SAMPLE:
        return _NO_GENOTYPE, "no genotype", "no sample"
    (begin,), (end,) = batch.lines.bounds(FORMAT, np.array([row]))
    fields = batch.lines.data[begin:end].split(b":")
    if b"GT" not in fields:
        return _NO_GENOTYPE, "no genotype", "no GT"
    place = fields.index(b"GT")
    calls = batch.lines.data[end + 1 : batch.lines.end[row]].rstrip(b"\r").split(b"\t")
    found = [
        (call.split(b":")[place : place + 1] or [b"."])[0].decode("utf-8", "replace")
        for call in calls
    ]
    places = [_place(re.split(r"[/|]", call), str(allele)) for call in found]
    states = [_STATE_OF[place] for place in places]
    place = min(places)
    state = _STATE_OF[place]
    if len(found) == 1:
        note = f"this is ALT {allele}" if re.search(r"[2-9]|\d\d", found[0]) else ""
        note = note if state == "carried" else state
        return place, state, f"{found[0]} ({note})" if note else found[0]
    uncalled = states.count("not called")
    more = f", {uncalled} not called" if uncalled else ""
    return place, state, f"{states.count('carried')} of {len(states)} samples{more}"


STATES = ("carried", "not called", "not carried")
_HOMOZYGOUS, _HETEROZYGOUS, _NO_GENOTYPE, _NOT_CALLED, _NOT_CARRIED = range(5)
"""Places in the list: first what all alleles of somebody are, also where there is only one."""

_STATE_OF = {
    _HOMOZYGOUS: "carried",
    _HETEROZYGOUS: "carried",
    _NOT_CALLED: "not called",
    _NOT_CARRIED: "not carried",
}


def _place(alleles: Sequence[str], allele: str) -> int:
    """Return the place of a call in the list; a missing allele may be the one."""
    if allele in alleles:
        return _HOMOZYGOUS if {*alleles} == {allele} else _HETEROZYGOUS
    return _NOT_CALLED if {"", "."} & {*alleles} else _NOT_CARRIED


def tally_text(
    vcf: str,
    header: Header,
    metrics: Mapping[str, Any],
    release_date: str | None,
    provenance: Mapping[str, str],
    notes: Sequence[str],
    findings: Findings,
    consequences: Mapping[str, Any] | None = None,
) -> str:
    """Return the text of ``tally.json``.

    Parameters
    ----------
    vcf : str
        Name of the VCF.
    header : Header
        The VCF's.
    metrics : mapping
        The counts, as in ``metrics/annotate/<sample>.json``.
    release_date : str, optional
        When Ensembl made the release's files.
    provenance : mapping
        As in the output's header.
    notes : sequence of str
        What the run said.
    findings : Findings
    consequences : mapping, optional
        ``terms``, ALTs by their most severe term; ``genes``, as `gene_list` has them, with ``symbol``; ``num_genes``,
        of how many; ``unknown_on``, the chromosomes without calls. None where the reference has no genes.
    """
    cube = findings.cube()
    lengths = header.contigs()
    content = {
        "vcf": vcf,
        "samples": header.samples,
        "contig_lengths": {
            name: lengths[name]
            for name in cube["chrom"].unique(maintain_order=True)
            if lengths.get(name) is not None
        },
        "metrics": dict(metrics),
        "release_date": release_date,
        "provenance": dict(provenance),
        "notes": list(notes),
        "cube": cube.to_dict(as_series=False),
        "frequencies": _ordered(findings.frequencies),
        "terms": _ordered(findings.terms),
        "other_terms": _ordered(findings.other_terms),
        "certain": findings.certain.as_json(),
        "uncertain": findings.uncertain.as_json(),
        **({} if consequences is None else {"consequences": consequences}),
    }
    return compact_json(content)
