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

from ensembl_annotations.annotate.read import FORMAT, SAMPLE, Batch, Header
from ensembl_annotations.annotate.values import decided_frequency
from ensembl_annotations.common.alleles import NOT_COMPARABLE
from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.errors import UsageError
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
_PARTS = (("k", "known"), ("n", "novel"))
_CUBE = ("chrom", "window", "known", "kind", "transition")


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
class Carried:
    """A variant with a pathogenic term, as the page lists it."""

    place: str
    change: str
    ids: tuple[str, ...]
    terms: str
    frequency: str
    genotype: str


@dataclass(frozen=True)
class Part:
    """What a piece of the VCF adds to the summary."""

    cube: pl.DataFrame
    frequencies: Counter[str]
    terms: Counter[str]
    other_terms: Counter[str]
    num_listed: int
    listed: list[Carried]


@dataclass
class Summary:
    """Counts of a whole run; their size depends on the genome's length, not on the number of records."""

    frequencies: Counter[str] = field(default_factory=Counter)
    terms: Counter[str] = field(default_factory=Counter)
    other_terms: Counter[str] = field(default_factory=Counter)
    num_listed: int = 0
    listed: list[Carried] = field(default_factory=list)
    _cubes: list[pl.DataFrame] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Add what the next piece of the input has."""
        self.frequencies += part.frequencies
        self.terms += part.terms
        self.other_terms += part.other_terms
        self.num_listed += part.num_listed
        self.listed += part.listed[: MOST_LISTED - len(self.listed)]
        self._cubes.append(part.cube)
        if len(self._cubes) > 64:
            self._cubes = [self.cube()]

    def cube(self) -> pl.DataFrame:
        """Return ``count`` by `_CUBE`: contig, window, whether known, kind, whether a transition."""
        if not self._cubes:
            return pl.DataFrame(
                schema={
                    "chrom": pl.String,
                    "window": pl.Int64,
                    "known": pl.Boolean,
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
    cube = (
        alleles.lazy()
        .select(
            "chrom",
            window=(pl.col("pos").cast(pl.Int64) - 1).clip(0) // WINDOW,
            known=pl.col("reason").is_null(),
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
    frequencies[_UNDECIDED] = by_id["query"].n_unique() - len(shares)
    clinical = by_id.filter(pl.col("clin").is_not_null())
    terms, others = _terms(clinical, "allele_clin"), _terms(clinical, "clin")
    others = Counter({name: count - terms[name] for name, count in others.items()})
    wanted = clinical.filter(_is_pathogenic("allele_clin"))["query"].unique(maintain_order=True)
    listed = [
        _carried(batch, alleles, by_id, query) for query in wanted.head(MOST_LISTED).to_list()
    ]
    return Part(cube, frequencies, terms, +others, len(wanted), listed)


def _label(low: float, high: float) -> str:
    return f"{100 * low:g} to {100 * high:g} %"


_LABELS = [_label(*pair) for pair in zip((0.0, *_FREQUENCIES), _FREQUENCIES, strict=False)]
_UNDECIDED = "not published, or undecided"


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


def _carried(batch: Batch, alleles: pl.DataFrame, by_id: pl.DataFrame, query: int) -> Carried:
    allele = alleles.row(query, named=True)
    ids = by_id.filter(pl.col("query") == query)
    terms = ids["allele_clin"].drop_nulls().str.split("|").explode(empty_as_null=False)
    frequency = decided_frequency(ids)["af"]
    return Carried(
        f"{allele['chrom']}:{allele['pos']}",
        f"{_short(allele['ref'])} > {_short(allele['alt'])}",
        tuple(ids["id"].drop_nulls()),
        ", ".join(terms.unique(maintain_order=True)),
        frequency[0] if len(frequency) else "",
        _genotype(batch, allele["row"], allele["alt_index"] + 1),
    )


def _short(bases: str) -> str:
    return bases if len(bases) <= _MOST_SHOWN else f"{bases[:_MOST_SHOWN]}… ({len(bases)} bp)"


def _genotype(batch: Batch, row: int, allele: int) -> str:
    """Return GT of the one sample, or how many samples have the allele."""
    if int(batch.lines.num_fields[row]) <= SAMPLE:
        return "no sample"
    (begin,), (end,) = batch.lines.bounds(FORMAT, pl.Series([row]).to_numpy())
    fields = batch.lines.data[begin:end].split(b":")
    if b"GT" not in fields:
        return "no GT"
    place = fields.index(b"GT")
    calls = batch.lines.data[end + 1 : batch.lines.end[row]].rstrip(b"\r").split(b"\t")
    found = [
        (call.split(b":")[place : place + 1] or [b"."])[0].decode("utf-8", "replace")
        for call in calls
    ]
    have = [str(allele) in re.split(r"[/|]", call) for call in found]
    if len(found) == 1:
        return found[0] if have[0] else f"{found[0]} (not carried)"
    return f"{number(sum(have))} of {number(len(have))} samples"


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
        num_known=number(metrics["num_exact"] + metrics["num_shifted"]),
        charts=_charts(summary, header, cube, metrics),
        ratios=_ratios(cube),
        listed=summary.listed,
        num_listed=summary.num_listed,
        num_uncertain=sum(summary.other_terms[name] for name in PATHOGENIC),
        most_listed=MOST_LISTED,
        variation=f"{base}/{provenance['Species'].capitalize()}/Variation/Explore?v=",
        number=number,
    )


def _charts(
    summary: Summary, header: Header, cube: pl.DataFrame, metrics: Mapping[str, Any]
) -> dict[str, Chart]:
    found = [("exact", metrics["num_exact"]), ("shifted", metrics["num_shifted"])]
    matches = [(name, (count, 0)) for name, count in found]
    matches += [
        (name.replace("_", " "), (0, metrics[f"num_{name}"]))
        for name in REASONS
        if metrics[f"num_{name}"]
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
            "ALTs that are an Ensembl variant, by how they match, and the others by the reason.",
            matches,
            (("k", "matched"), ("n", "unmatched")),
            "match or reason",
        ),
        "kinds": bars(
            "kinds",
            "Kinds of variant",
            "ALTs by kind; known ones are in Ensembl, novel ones are not, or could not be looked up.",
            [(name, kinds[name]) for name in _KINDS if name in kinds],
            _PARTS,
            "kind",
        ),
        "frequencies": _frequency_chart(summary),
        "terms": bars(
            "terms",
            "Clinical significance",
            "ALTs by clinical significance term: certain to be of this ALT, or given for an ID that "
            "may mean another allele.",
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
        [(label, (summary.frequencies[label],)) for label in (*_LABELS, _UNDECIDED)],
        (("k", "ALTs"),),
        "frequency",
    )


def _contig_chart(contigs: Mapping[str, tuple[int, int]]) -> Chart:
    """Return the number of known and novel ALTs of each contig."""
    shown = [*contigs.items()][:_MOST_STRIPS]
    rest = [*contigs.items()][_MOST_STRIPS:]
    if rest:
        both = tuple(sum(counts[side] for _, counts in rest) for side in (0, 1))
        shown.append((f"{len(rest)} other contigs", (both[0], both[1])))
    return bars(
        "contigs", "Variants by contig", "ALTs of each contig, known and novel.", shown, _PARTS, "contig"
    )  # fmt: skip


def _counts(cube: pl.DataFrame, name: str) -> dict[str, tuple[int, int]]:
    summed = cube.group_by(name, "known", maintain_order=True).agg(pl.col("count").sum())
    found: dict[str, tuple[int, int]] = {}
    for key, known, count in summed.iter_rows():
        before = found.get(key, (0, 0))
        found[key] = (before[0] + count, before[1]) if known else (before[0], before[1] + count)
    return found


def _ratios(cube: pl.DataFrame) -> list[tuple[str, str, str, str]]:
    """Return transitions, transversions and their ratio, of known and of novel SNVs."""
    snvs = cube.filter(pl.col("transition").is_not_null())
    rows = []
    for name, known in (("known", True), ("novel", False)):
        of_kind = snvs.filter(pl.col("known") == known)
        ti = int(of_kind.filter("transition")["count"].sum())
        tv = int(of_kind.filter(~pl.col("transition"))["count"].sum())
        rows.append((name, number(ti), number(tv), f"{ti / tv:.2f}" if tv else "–"))
    return rows


def _genome(header: Header, cube: pl.DataFrame) -> Chart:
    lengths = header.contigs()
    summed = cube.group_by("chrom", "window", "known", maintain_order=True).agg(
        pl.col("count").sum()
    )
    rows = []
    for name in list(dict.fromkeys(summed["chrom"].to_list()))[:_MOST_STRIPS]:
        cells: dict[int, list[int]] = {}
        of_contig = summed.filter(pl.col("chrom") == name).sort("window")
        for _, window, known, count in of_contig.iter_rows():
            cells.setdefault(window, [0, 0])[0 if known else 1] += count
        length = -(-(lengths.get(name) or 0) // WINDOW)
        size = max(length, max(cells, default=0) + 1)
        rows.append((name, size, [(window, *both) for window, both in cells.items()]))
    return strips(
        "genome",
        "Along the genome",
        f"ALTs per {WINDOW // 1_000_000} million bases: known above each line, novel below.",
        [(name, size, [(a, b, c) for a, b, c in cells]) for name, size, cells in rows],
        _PARTS,
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
        "annotated_percent": ("In Ensembl", "ALTs that are an Ensembl variant", "{:,.1f}"),
        "num_shifted": ("Shifted", "of them, spelled elsewhere in their repeat", "{:,.0f}"),
        "num_site_unknown": ("Site unknown", REASONS["site_unknown"], "{:,.0f}"),
        "num_allele_differs": ("Other allele", REASONS["allele_differs"], "{:,.0f}"),
        "num_ref_mismatch": ("REF differs", REASONS["ref_mismatch"], "{:,.0f}"),
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
