"""The summary of a run: what a person sees first, made from counts that are kept while it annotates."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ensembl_annotations.annotate.compared import NOT_IN_ENSEMBL, not_compared, num_known
from ensembl_annotations.annotate.read import FILTER, FORMAT, SAMPLE, Batch, Header
from ensembl_annotations.annotate.values import decided_frequency
from ensembl_annotations.common.alleles import NOT_COMPARABLE
from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.contigs import CHROMOSOMES, HUMAN
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.provenance import ALL_CHROMOSOMES
from ensembl_annotations.common.schema import REASONS
from ensembl_annotations.pages.charts import Chart, bars, number, strips
from ensembl_annotations.pages.page import render

WINDOW = 1_000_000
MOST_LISTED = 200
"""Variants with a pathogenic term that the page lists; the table has all."""

PATHOGENIC = ("pathogenic", "likely_pathogenic")
_MOST_STRIPS = 60
_MOST_SHOWN = 40
# Codes are 4 * REF + ALT in the order ACGT: A>G, C>T, G>A, T>C.
_TRANSITIONS = (2, 7, 8, 13)
_FREQUENCIES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
_KINDS = ("SNV", "insertion", "deletion", "MNV", "indel", "not a sequence")
_MULTIQC = "_mqc.json"
_PLOTS = ("contigs.svg", "frequencies.svg")
_KNOWN, _NOVEL, _OTHER = range(3)
_PARTS = (("k", "in Ensembl"), ("n", "not in Ensembl"), ("o", "not comparable"))
_CUBE = ("chrom", "window", "status", "kind", "transition")
# Beside a pathogenic one, terms of somebody who concluded otherwise.
_OTHERWISE = ("benign", "likely_benign", "uncertain_significance")
# Of fewer SNVs the ratio says nothing.
_MIN_SNVS = 300
DEMONSTRATION = "mini"
"""The source in ``params.yaml`` whose values are incomplete and in places invented."""


@dataclass(frozen=True)
class Reports:
    """What a run tells beside its results, and where that goes.

    Attributes
    ----------
    page : Path or None
        The summary, HTML.
    multiqc : Path or None
        A section for MultiQC; its name is the sample's and ``_mqc.json``.
    plots : Path or None
        A folder for ``contigs.svg`` and ``frequencies.svg``.
    """

    page: Path | None = None
    multiqc: Path | None = None
    plots: Path | None = None

    @property
    def paths(self) -> list[Path | None]:
        """All files."""
        plots = [self.plots / name for name in _PLOTS] if self.plots is not None else []
        return [self.page, self.multiqc, *plots]

    def check(self) -> None:
        """Refuse a name that MultiQC would not look at.

        Raises
        ------
        UsageError
        """
        if self.multiqc is not None and not self.multiqc.name.endswith(_MULTIQC):
            raise UsageError(
                f"--multiqc: expected a name that ends in {_MULTIQC}, found {self.multiqc.name!r}."
            )

    @property
    def wanted(self) -> bool:
        return any(path is not None for path in self.paths)

    def write(self, outputs: Outputs, summary: Summary, run: AnnotationRun) -> None:
        """Write what is wanted, to appear with the other outputs."""
        if self.page is not None:
            outputs.write_text(self.page, summary_page(summary, run))
        if self.multiqc is not None:
            sample = self.multiqc.name.removesuffix(_MULTIQC)
            outputs.write_text(self.multiqc, multiqc_section(sample, run.metrics))
        if self.plots is not None:
            counts = _counts(summary.cube(), "chrom")
            charts = (_contig_chart(counts), _frequency_chart(summary))
            for name, chart in zip(_PLOTS, charts, strict=True):
                outputs.write_text(self.plots / name, chart.file())


@dataclass(frozen=True)
class AnnotationRun:
    """What a summary says of the run it is of.

    Attributes
    ----------
    vcf : str
        Name of the VCF, to show.
    header : Header
        The VCF's.
    metrics : dict
        The counts, as in ``metrics/annotate/<sample>.json``.
    provenance : dict
        As in the output's header.
    notes : sequence of str
        What the run said.
    """

    vcf: str
    header: Header
    metrics: Mapping[str, Any]
    provenance: Mapping[str, str]
    notes: Sequence[str]


@dataclass(frozen=True)
class Listed:
    """A variant with a pathogenic term, as the page lists it."""

    place: str
    change: str
    ids: tuple[str, ...]
    terms: str
    frequency: str
    filter: str
    genotype: str


@dataclass
class Pathogenic:
    """ALTs with a pathogenic term: how many, by what the genotypes say, and the first of them.

    `genotypes` counts ``carried`` (by any sample), ``not carried``, ``not called`` and ``no genotype``;
    `num_filtered` those that count on the page (carried, or without a genotype) but whose record
    did not pass the caller's filters.
    """

    genotypes: Counter[str] = field(default_factory=Counter)
    listed: list[Listed] = field(default_factory=list)
    num_filtered: int = 0

    @property
    def num_alts(self) -> int:
        return self.genotypes.total()

    @property
    def num_shown(self) -> int:
        """How many the top of the page counts: carried ones, or all where there are no genotypes."""
        return self.genotypes["carried"] + self.genotypes["no genotype"]

    @property
    def by_genotype(self) -> str:
        """The counts in words."""
        names = (*_STATES, "no genotype")
        return ", ".join(
            f"{number(self.genotypes[name])} {name}" for name in names if self.genotypes[name]
        )

    def add(self, other: Pathogenic) -> None:
        """Add those of the next piece."""
        self.genotypes += other.genotypes
        self.num_filtered += other.num_filtered
        self.listed += other.listed[: MOST_LISTED - len(self.listed)]


@dataclass(frozen=True)
class Part:
    """What a piece of the VCF adds to the summary."""

    cube: pl.DataFrame
    frequencies: Counter[str]
    terms: Counter[str]
    other_terms: Counter[str]
    certain: Pathogenic
    uncertain: Pathogenic


@dataclass
class Summary:
    """Counts of a whole run; their size depends on the genome's length, not on the number of records."""

    frequencies: Counter[str] = field(default_factory=Counter)
    terms: Counter[str] = field(default_factory=Counter)
    other_terms: Counter[str] = field(default_factory=Counter)
    certain: Pathogenic = field(default_factory=Pathogenic)
    uncertain: Pathogenic = field(default_factory=Pathogenic)
    _cubes: list[pl.DataFrame] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Add what the next piece of the input has."""
        self.frequencies += part.frequencies
        self.terms += part.terms
        self.other_terms += part.other_terms
        self.certain.add(part.certain)
        self.uncertain.add(part.uncertain)
        self._cubes.append(part.cube)
        if len(self._cubes) > 64:
            self._cubes = [self.cube()]

    def cube(self) -> pl.DataFrame:
        """Return ``count`` of ALTs by `_CUBE`: contig, window, status, kind, whether a transition."""
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
        return (
            pl.concat(self._cubes).group_by(_CUBE, maintain_order=True).agg(pl.col("count").sum())
        )


def part_of(batch: Batch, alleles: pl.DataFrame, by_id: pl.DataFrame) -> Part:
    """Count what a piece adds.

    Parameters
    ----------
    batch : Batch
        The records.
    alleles : DataFrame
        From `find_matches`: one row per (record, ALT).
    by_id : DataFrame
        From `per_id`: one row per (ALT, ID).
    """
    deleted, inserted = (pl.col(name).str.len_bytes() for name in ("deleted", "inserted"))
    kind = (
        pl.when(pl.col("code") < NOT_COMPARABLE)
        .then(pl.lit("SNV"))
        .when((deleted == 0) & (inserted == 0))
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
        .then(_KNOWN)
        .when(reason.is_in(NOT_IN_ENSEMBL))
        .then(_NOVEL)
        .otherwise(_OTHER)
    )
    cube = (
        alleles.lazy()
        .filter(reason.is_null() | (reason != "no_alt"))
        .select(
            "chrom",
            window=(pl.col("pos").cast(pl.Int64) - 1).clip(0) // WINDOW,
            status=status,
            kind=kind,
            transition=pl.when(pl.col("code") < NOT_COMPARABLE).then(
                pl.col("code").is_in(_TRANSITIONS)
            ),
        )
        .group_by(_CUBE, maintain_order=True)
        .agg(count=pl.len().cast(pl.Int64))
        .collect()
    )
    shares = decided_frequency(by_id)["af"].cast(pl.Float64).to_numpy()
    counts = np.bincount(np.searchsorted(_FREQUENCIES[:-1], shares), minlength=len(_LABELS))
    frequencies = Counter(dict(zip(_LABELS, counts.tolist(), strict=True)))
    num_published = by_id.filter("has_frequency")["query"].n_unique()
    frequencies[_UNDECIDED] = num_published - len(shares)
    frequencies[_UNPUBLISHED] = by_id["query"].n_unique() - num_published
    clinical = by_id.filter(pl.col("clin").is_not_null())
    terms, others = _terms(clinical, "allele_clin"), _terms(clinical, "clin")
    others = Counter({name: count - terms[name] for name, count in others.items()})
    certain = clinical.filter(_is_pathogenic("allele_clin"))["query"].unique(maintain_order=True)
    either = clinical.filter(_is_pathogenic("clin"))["query"].unique(maintain_order=True)
    uncertain = either.filter(~either.is_in(certain.implode()))
    return Part(
        cube,
        frequencies,
        terms,
        +others,
        _pathogenic(batch, alleles, by_id, certain, "allele_clin"),
        _pathogenic(batch, alleles, by_id, uncertain, "clin"),
    )


def _label(low: float, high: float) -> str:
    return f"over {100 * low:g} to {100 * high:g} %" if low else f"0 to {100 * high:g} %"


_LABELS = [_label(*pair) for pair in zip((0.0, *_FREQUENCIES), _FREQUENCIES, strict=False)]
_UNDECIDED = "published, ALT uncertain"
_UNPUBLISHED = "not published"


def _is_pathogenic(name: str) -> pl.Expr:
    return (
        pl.col(name)
        .fill_null("")
        .str.split("|")
        .list.eval(pl.element().is_in(PATHOGENIC))
        .list.any()
    )


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
    batch: Batch, alleles: pl.DataFrame, by_id: pl.DataFrame, queries: pl.Series, column: str
) -> Pathogenic:
    """Count ALTs by their genotypes, and list the first of them with the terms of a column."""
    found = Pathogenic()
    picked = alleles.select("row", "alt_index")[queries]
    for query, (row, index) in zip(queries.to_list(), picked.iter_rows(), strict=True):
        state, genotype = _genotype(batch, row, index + 1)
        found.genotypes[state] += 1
        if state in ("carried", "no genotype"):
            found.num_filtered += _filter_of(batch, row) not in ("PASS", ".")
        if len(found.listed) < MOST_LISTED:
            found.listed.append(_listed(batch, alleles, by_id, query, column, genotype))
    return found


def _listed(
    batch: Batch,
    alleles: pl.DataFrame,
    by_id: pl.DataFrame,
    query: int,
    column: str,
    genotype: str,
) -> Listed:
    allele = alleles.row(query, named=True)
    ids = by_id.filter(pl.col("query") == query)
    terms = ids[column].drop_nulls().str.split("|").explode(empty_as_null=False)
    given = terms.unique(maintain_order=True).to_list()
    is_contested = any(term in given for term in PATHOGENIC) and any(
        term in given for term in _OTHERWISE
    )
    return Listed(
        f"{allele['chrom']}:{allele['pos']}" + (" (looked up on X and Y)" if allele["par"] else ""),
        f"{_short(allele['ref'])} > {_short(allele['alt'])}",
        tuple(ids["id"].drop_nulls()),
        ", ".join(given).replace("_", " ") + (" (opinions differ)" if is_contested else ""),
        _frequency(ids),
        _short(_filter_of(batch, allele["row"])),
        genotype,
    )


def _frequency(ids: pl.DataFrame) -> str:
    """Return the frequency of an ALT, or why there is none, from the rows of its IDs."""
    decided = decided_frequency(ids)["af"]
    if len(decided):
        return str(decided[0])
    return _UNDECIDED if ids["has_frequency"].any() else _UNPUBLISHED


def _filter_of(batch: Batch, row: int) -> str:
    (begin,), (end,) = batch.lines.bounds(FILTER, np.array([row]))
    return batch.lines.data[begin:end].decode("utf-8", "replace")


def _short(bases: str) -> str:
    return bases if len(bases) <= _MOST_SHOWN else f"{bases[:_MOST_SHOWN]}… ({len(bases)} bp)"


def _genotype(batch: Batch, row: int, allele: int) -> tuple[str, str]:
    """Return whether an allele is carried, as counted by `Pathogenic`; and GT, or the samples."""
    if int(batch.lines.num_fields[row]) <= SAMPLE:
        return "no genotype", "no sample"
    (begin,), (end,) = batch.lines.bounds(FORMAT, np.array([row]))
    fields = batch.lines.data[begin:end].split(b":")
    if b"GT" not in fields:
        return "no genotype", "no GT"
    place = fields.index(b"GT")
    calls = batch.lines.data[end + 1 : batch.lines.end[row]].rstrip(b"\r").split(b"\t")
    found = [
        (call.split(b":")[place : place + 1] or [b"."])[0].decode("utf-8", "replace")
        for call in calls
    ]
    states = [_state(re.split(r"[/|]", call), str(allele)) for call in found]
    state = min(states, key=_STATES.index)
    if len(found) == 1:
        note = f"this is ALT {allele}" if re.search(r"[2-9]|\d\d", found[0]) else ""
        note = note if state == "carried" else state
        return state, f"{found[0]} ({note})" if note else found[0]
    uncalled = states.count("not called")
    more = f", {number(uncalled)} not called" if uncalled else ""
    return state, f"{number(states.count('carried'))} of {number(len(states))} samples{more}"


_STATES = ("carried", "not called", "not carried")


def _state(alleles: Sequence[str], allele: str) -> str:
    """Say of a call whether it has an allele; a missing one may be it."""
    if allele in alleles:
        return "carried"
    return "not called" if {"", "."} & {*alleles} else "not carried"


def summary_page(summary: Summary, run: AnnotationRun) -> str:
    """Return the page of a run, one file of HTML."""
    metrics, header, provenance = run.metrics, run.header, run.provenance
    cube = summary.cube()
    samples = header.samples
    base = (
        "https://grch37.ensembl.org"
        if metrics["assembly"] == "GRCh37"
        else "https://www.ensembl.org"
    )
    return render(
        "annotate/summary.html.j2",
        name=run.vcf,
        metrics=metrics,
        provenance=provenance,
        samples=samples[0] if len(samples) == 1 else f"{number(len(samples))} samples",
        notes=run.notes,
        compared=_compared(metrics),
        not_looked_up=_not_looked_up(provenance),
        charts=_charts(summary, header, cube, metrics),
        ratios=_ratios(cube),
        is_demonstration=provenance["Source"] == DEMONSTRATION,
        certain=summary.certain,
        uncertain=summary.uncertain,
        variation=f"{base}/{provenance['Species'].capitalize()}/Variation/Explore?v=",
        number=number,
    )


def _compared(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return how many ALTs are in Ensembl, of how many that could be compared at all, in percent."""
    num_compared = metrics["num_compared"]
    share = f"{metrics['annotated_percent']:.1f} %" if num_compared else "none"
    return {
        "known": number(num_known(metrics)),
        "all": number(num_compared),
        "share": share,
        "rest": not_compared(metrics).replace("_", " "),
    }


def _not_looked_up(provenance: Mapping[str, str]) -> list[str]:
    """Return the human chromosomes that the run did not look at; of other species none is known."""
    if provenance["Species"] != HUMAN or provenance["Chromosomes"] == ALL_CHROMOSOMES:
        return []
    asked = set(provenance["Chromosomes"].split("|"))
    return [name for name in CHROMOSOMES if name not in asked]


def _charts(
    summary: Summary, header: Header, cube: pl.DataFrame, metrics: Mapping[str, Any]
) -> dict[str, Chart]:
    found = [("exact", metrics["num_exact"]), ("shifted", metrics["num_shifted"])]
    matches = [(name, (count, 0)) for name, count in found]
    matches += [
        (name.replace("_", " "), (0, metrics[f"num_{name}"]))
        for name in REASONS
        if name != "no_alt" and metrics[f"num_{name}"]
    ]
    kinds = _counts(cube, "kind")
    contigs = _counts(cube, "chrom")
    terms = sorted(
        {*summary.terms, *summary.other_terms},
        key=lambda name: (-summary.terms[name], -summary.other_terms[name], name),
    )
    return {
        "matches": bars(
            "matches",
            "Matched, and why not",
            "ALTs that are an Ensembl variant, by how they match, and the others by the reason."
            + (
                f" Records without an ALT: {number(none)}."
                if (none := metrics["num_no_alt"])
                else ""
            ),
            matches,
            (("k", "matched"), ("n", "unmatched")),
            "match or reason",
        ),
        "kinds": bars(
            "kinds",
            "Kinds of variant",
            "ALTs of the VCF, carried or not, by kind; not comparable are those without a sequence, or on contigs "
            "that were not looked up.",
            [(name, kinds[name]) for name in _KINDS if name in kinds],
            _PARTS,
            "kind",
        ),
        "frequencies": _frequency_chart(summary),
        "terms": bars(
            "terms",
            "Clinical significance",
            "ALTs of the VCF, carried or not, by clinical significance term: certain to be of this ALT, "
            "or given for an ID that may mean another allele.",
            [
                (name.replace("_", " "), (summary.terms[name], summary.other_terms[name]))
                for name in terms
            ],
            (("k", "of this ALT"), ("n", "of the ID, allele uncertain")),
            "term",
        ),
        "contigs": _contig_chart(contigs),
        "genome": _genome(header, cube),
    }


def _frequency_chart(summary: Summary) -> Chart:
    """Return the spectrum of the ALTs' frequencies, of those that are known."""
    return bars(
        "frequencies",
        "Frequency of the ALT",
        "Known ALTs by the frequency that Ensembl's minor allele gives them, where it decides.",
        [(label, (summary.frequencies[label],)) for label in (*_LABELS, _UNDECIDED, _UNPUBLISHED)],
        (("k", "ALTs"),),
        "frequency",
    )


def _contig_chart(contigs: Mapping[str, Counts]) -> Chart:
    """Return the number of ALTs of each contig, by status."""
    shown = [*contigs.items()][:_MOST_STRIPS]
    rest = [*contigs.items()][_MOST_STRIPS:]
    if rest:
        known, novel, other = (sum(counts[side] for _, counts in rest) for side in range(3))
        shown.append((f"{len(rest)} other contigs", (known, novel, other)))
    return bars("contigs", "Variants by contig", "ALTs of each contig.", shown, _PARTS, "contig")


Counts = tuple[int, int, int]
"""ALTs by status."""


def _counts(cube: pl.DataFrame, name: str) -> dict[str, Counts]:
    summed = cube.group_by(name, "status", maintain_order=True).agg(pl.col("count").sum())
    found: dict[str, list[int]] = {}
    for key, status, count in summed.iter_rows():
        found.setdefault(key, [0, 0, 0])[status] += count
    return {key: (known, novel, other) for key, (known, novel, other) in found.items()}


def _ratios(cube: pl.DataFrame) -> list[tuple[str, str, str, str]]:
    """Return transitions, transversions and their ratio, of SNVs in Ensembl and of others."""
    snvs = cube.filter(pl.col("transition").is_not_null())
    rows = []
    for status in (_KNOWN, _NOVEL):
        name, of_kind = _PARTS[status][1], snvs.filter(pl.col("status") == status)
        ti = int(of_kind.filter("transition")["count"].sum())
        tv = int(of_kind.filter(~pl.col("transition"))["count"].sum())
        ratio = f"{ti / tv:.2f}" if ti + tv >= _MIN_SNVS and tv else "too few"
        rows.append((name, number(ti), number(tv), ratio))
    return rows


def _genome(header: Header, cube: pl.DataFrame) -> Chart:
    lengths = header.contigs()
    summed = (
        cube.filter(pl.col("status") != _OTHER)
        .group_by("chrom", "window", "status", maintain_order=True)
        .agg(pl.col("count").sum())
    )
    rows = []
    for name in list(dict.fromkeys(summed["chrom"].to_list()))[:_MOST_STRIPS]:
        cells: dict[int, list[int]] = {}
        of_contig = summed.filter(pl.col("chrom") == name).sort("window")
        for _, window, status, count in of_contig.iter_rows():
            cells.setdefault(window, [0, 0])[status] += count
        length = -(-(lengths.get(name) or 0) // WINDOW)
        size = max(length, max(cells, default=0) + 1)
        rows.append((name, size, [(window, *both) for window, both in cells.items()]))
    return strips(
        "genome",
        "Along the genome",
        f"ALTs per {WINDOW // 1_000_000} million bases: in Ensembl above each line, not in Ensembl "
        f"below. The tallest is {number(int(summed['count'].max() or 0))}.",  # type: ignore[arg-type]
        [(name, size, [(a, b, c) for a, b, c in cells]) for name, size, cells in rows],
        _PARTS[:_OTHER],
    )


def multiqc_section(sample: str, metrics: Mapping[str, Any]) -> str:
    """Return a ``*_mqc.json``: a row of MultiQC's table for a sample.

    Notes
    -----
    MultiQC's custom content: reports of one ``id`` become one table.
    """
    shown = {
        "num_records": ("Records", "Records in the VCF", "{:,.0f}"),
        "num_alleles": ("ALTs", "ALT alleles", "{:,.0f}"),
        "num_compared": ("Compared", "ALTs that could be compared", "{:,.0f}"),
        "annotated_percent": ("In Ensembl", "of those that could be compared, an Ensembl variant", "{:,.1f}"),
        "num_shifted": ("Shifted", "of them, spelled elsewhere in their repeat", "{:,.0f}"),
        "num_site_unknown": ("Site unknown", REASONS["site_unknown"], "{:,.0f}"),
        "num_allele_differs": ("Other allele", REASONS["allele_differs"], "{:,.0f}"),
        "num_ref_mismatch": ("REF differs", REASONS["ref_mismatch"], "{:,.0f}"),
        "num_contig_absent": ("No contig", REASONS["contig_absent"], "{:,.0f}"),
        "num_not_requested": ("Not requested", REASONS["not_requested"], "{:,.0f}"),
        "num_contig_refused": ("Refused contig", REASONS["contig_refused"], "{:,.0f}"),
        "num_symbolic": ("Symbolic", REASONS["symbolic"], "{:,.0f}"),
        "num_same_as_ref": ("ALT is REF", REASONS["same_as_ref"], "{:,.0f}"),
        "num_bad_position": ("No position", REASONS["bad_position"], "{:,.0f}"),
        "num_id_conflicts": ("Other rsID", "Records whose own rsID is none of the matched", "{:,.0f}"),
    }  # fmt: skip
    return (
        json.dumps(
            {
                "id": "ensembl_annotations",
                "section_name": "Ensembl annotations",
                "description": f"Variants looked up in Ensembl release {metrics['release']} "
                f"({metrics['assembly']}).",
                "plot_type": "table",
                "pconfig": {"id": "ensembl_annotations_table", "title": "Ensembl annotations"},
                "headers": {
                    name: {
                        "title": title,
                        "description": text,
                        "format": form,
                        **(
                            {"suffix": " %", "max": 100, "min": 0}
                            if name.endswith("percent")
                            else {}
                        ),
                    }
                    for name, (title, text, form) in shown.items()
                },
                "data": {sample: {name: metrics[name] for name in shown}},
            },
            indent=2,
        )
        + "\n"
    )
