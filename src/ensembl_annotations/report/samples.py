"""The page of an entry with many samples: one row each, those that differ from the others marked, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

from ensembl_annotations.report.charts import number
from ensembl_annotations.report.page import render
from ensembl_annotations.report.summary import MIN_SNVS, contig_chart, frequency_chart
from ensembl_annotations.report.tally import EntryTally
from ensembl_annotations.store.describe import DEMONSTRATION
from ensembl_annotations.versions import REPORT_VERSION

MIN_SAMPLES = 10
"""Of fewer samples nobody can say which is unlike the others."""
FAR = 5
"""A figure is far from the others if it differs from the median by more than so many times what is usual: the
median of all differences, but at least 1 % of the median."""
_LEAST_SHARE = 0.01
_COMPARED = {
    "num_records": "records",
    "annotated_percent": "% in Ensembl",
    "ti_tv": "Ti/Tv",
}


def samples_page(tally: EntryTally, name: str = "") -> str:
    """Return the page of an entry, one file of HTML.

    Parameters
    ----------
    tally : EntryTally
    name : str
        Of the entry.
    """
    rows = [{**row, "ti_tv": _ti_tv(row)} for row in tally.samples]
    return render(
        "report/samples.html.j2",
        title=name or "Samples",
        tool=f"ensembl-annotations {version('ensembl-annotations')}",
        report=REPORT_VERSION,
        tally=tally,
        rows=rows,
        far=far_from_others(rows),
        names=_COMPARED,
        min_samples=MIN_SAMPLES,
        most_differences=FAR,
        contigs=contig_chart(tally.contigs),
        frequencies=frequency_chart(tally.frequencies),
        is_demonstration=tally.source == DEMONSTRATION,
        number=number,
    )


def _ti_tv(row: Mapping[str, Any]) -> float | None:
    transitions, transversions = row["transitions"], row["transversions"]
    enough = transitions + transversions >= MIN_SNVS and transversions
    return transitions / transversions if enough else None


def far_from_others(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return by sample which of its figures are far from those of the others, as `FAR` says."""
    found: dict[str, list[str]] = {}
    for name in _COMPARED:
        values = {row["sample"]: row[name] for row in rows if row[name] is not None}
        if len(values) < MIN_SAMPLES:
            continue
        middle = median(values.values())
        usual = median(abs(value - middle) for value in values.values())
        most = FAR * max(usual, _LEAST_SHARE * abs(middle))
        for sample, value in values.items():
            if abs(value - middle) > most:
                found.setdefault(sample, []).append(name)
    return found
