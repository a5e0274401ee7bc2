"""The page of an annotation run, what a person sees first, and the section for MultiQC."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import polars as pl

from ensembl_annotations.annotate.compared import not_compared, num_known
from ensembl_annotations.annotate.tally import (
    FREQUENCY_CLASSES,
    KNOWN,
    NOVEL,
    OTHER,
    UNDECIDED,
    UNPUBLISHED,
    WINDOW,
)
from ensembl_annotations.annotate.text import ALL_CHROMOSOMES
from ensembl_annotations.common.words import listed
from ensembl_annotations.report.charts import Chart, bars, number, strips
from ensembl_annotations.report.page import render
from ensembl_annotations.report.tally import Tally
from ensembl_annotations.store.describe import DEMONSTRATION
from ensembl_annotations.variants.contigs import CHROMOSOMES, HUMAN
from ensembl_annotations.variants.outcomes import IMPACTS, REASONS, TERMS
from ensembl_annotations.versions import REPORT_VERSION

_MOST_STRIPS = 60
_MOST_NAMED = 30
_KINDS = ("SNV", "insertion", "deletion", "MNV", "indel", "not a sequence")
_PARTS = (("k", "in Ensembl"), ("n", "not in Ensembl"), ("o", "not comparable"))
# Of fewer SNVs the ratio says nothing.
MIN_SNVS = 300


def summary_page(tally: Tally, name: str = "") -> str:
    """Return the page of a run, one file of HTML.

    Parameters
    ----------
    tally : Tally
    name : str
        What the sample is called; default as in the VCF, which is named itself where it has not one sample.
    """
    metrics, provenance, samples = tally.metrics, tally.provenance, tally.samples
    base = (
        "https://grch37.ensembl.org"
        if metrics["assembly"] == "GRCh37"
        else "https://www.ensembl.org"
    )
    return render(
        "report/summary.html.j2",
        title=name or (samples[0] if len(samples) == 1 else tally.vcf),
        name=tally.vcf,
        tool=f"ensembl-annotations {version('ensembl-annotations')}",
        report=REPORT_VERSION,
        metrics=metrics,
        release_date=tally.release_date,
        provenance=provenance,
        samples=samples[0] if len(samples) == 1 else f"{number(len(samples))} samples",
        order=_order(len(samples)),
        notes=tally.notes,
        compared=_compared(metrics),
        not_looked_up=_not_looked_up(provenance),
        charts=_charts(tally),
        ratios=_ratios(tally.frame),
        is_demonstration=provenance["Source"] == DEMONSTRATION,
        certain=tally.certain,
        uncertain=tally.uncertain,
        genes=_genes(tally),
        variation=f"{base}/{provenance['Species'].capitalize()}/Variation/Explore?v=",
        number=number,
    )


def _genes(tally: Tally) -> dict[str, Any] | None:
    """Return what the page tells of genes; None where the reference has none."""
    found = tally.consequences
    if found is None:
        return None
    terms = [
        (term.replace("_", " "), impact, number(found.terms[term]))
        for term, impact in TERMS.items()
        if found.terms.get(term)
    ]
    impacts = Counter[str]()
    for term, count in found.terms.items():
        impacts[TERMS[term]] += count
    return {
        "terms": terms,
        "num_called": sum(impacts.values()),
        "impacts": impacts,
        "listed": [
            (f"{row.symbol} {row.gene}".strip(), number(row.high), number(row.moderate))
            for row in found.genes
        ],
        "num_more": found.num_genes - len(found.genes),
        "unknown_on": listed(found.unknown_on, _MOST_NAMED),
    }


def _order(num_samples: int) -> str:
    """Say how the lists of variants are sorted."""
    of_all = "pathogenic before likely pathogenic, then by place."
    if not num_samples:
        return of_all.capitalize()
    first = "Homozygous ones" if num_samples == 1 else "Those that any sample has homozygous"
    return f"{first} first, then {of_all}"


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


def _charts(tally: Tally) -> dict[str, Chart]:
    metrics, cube = tally.metrics, tally.frame
    found = [("exact", metrics["num_exact"]), ("shifted", metrics["num_shifted"])]
    matches = [(name, (count, 0)) for name, count in found]
    matches += [
        (name.replace("_", " "), (0, metrics[f"num_{name}"]))
        for name in REASONS
        if name != "no_alt" and metrics[f"num_{name}"]
    ]
    kinds = _counts(cube, "kind")
    terms = sorted(
        tally.terms.keys() | tally.other_terms.keys(),
        key=lambda name: (-tally.terms.get(name, 0), -tally.other_terms.get(name, 0), name),
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
        "frequencies": frequency_chart(tally.frequencies),
        "terms": bars(
            "terms",
            "Clinical significance",
            "ALTs of the VCF, carried or not, by clinical significance term: certain to be of this ALT, "
            "or given for an ID that may mean another allele.",
            [
                (name.replace("_", " "), (tally.terms.get(name, 0), tally.other_terms.get(name, 0)))
                for name in terms
            ],
            (("k", "of this ALT"), ("n", "of the ID, allele uncertain")),
            "term",
        ),
        "contigs": contig_chart(contig_counts(tally)),
        "genome": _genome(tally),
    }


def frequency_chart(frequencies: Mapping[str, int]) -> Chart:
    """Return the spectrum of the ALTs' frequencies, of those that are known."""
    return bars(
        "frequencies",
        "Frequency of the ALT",
        "Known ALTs by the frequency that Ensembl's minor allele gives them, where it decides.",
        [
            (label, (frequencies.get(label, 0),))
            for label in (*FREQUENCY_CLASSES, UNDECIDED, UNPUBLISHED)
        ],
        (("k", "ALTs"),),
        "frequency",
    )


def contig_counts(tally: Tally) -> dict[str, Counts]:
    """Return the number of ALTs of each contig, by status."""
    return _counts(tally.frame, "chrom")


def contig_chart(contigs: Mapping[str, Counts]) -> Chart:
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
    for status in (KNOWN, NOVEL):
        name, of_kind = _PARTS[status][1], snvs.filter(pl.col("status") == status)
        ti = int(of_kind.filter("transition")["count"].sum())
        tv = int(of_kind.filter(~pl.col("transition"))["count"].sum())
        ratio = f"{ti / tv:.2f}" if ti + tv >= MIN_SNVS and tv else "too few"
        rows.append((name, number(ti), number(tv), ratio))
    return rows


def _genome(tally: Tally) -> Chart:
    lengths = tally.contig_lengths
    summed = (
        tally.frame.filter(pl.col("status") != OTHER)
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
        _PARTS[:OTHER],
    )


def multiqc_section(
    rows: Mapping[str, Mapping[str, Any]], release: object, assembly: object
) -> str:
    """Return a ``*_mqc.json``: a row of MultiQC's table for each sample.

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
        **{
            f"num_{impact.lower()}_impact": (impact, f"ALTs whose most severe consequence is of {impact} impact", "{:,.0f}")
            for impact in IMPACTS
        },
    }  # fmt: skip
    # A reference without genes has no impacts.
    shown = {
        name: item for name, item in shown.items() if all(name in row for row in rows.values())
    }
    return (
        json.dumps(
            {
                "id": "ensembl_annotations",
                "section_name": "Ensembl annotations",
                "description": f"Variants looked up in Ensembl release {release} ({assembly}).",
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
                "data": {
                    sample: {name: metrics[name] for name in shown}
                    for sample, metrics in rows.items()
                },
            },
            indent=2,
        )
        + "\n"
    )
