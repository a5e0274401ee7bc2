"""The page of an entry with many samples: one row each, those that differ from the others marked, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from math import sqrt
from statistics import median
from typing import Any

from ensembl_annotations.report.charts import number
from ensembl_annotations.report.page import render
from ensembl_annotations.report.summary import MIN_SNVS, contig_chart, frequency_chart
from ensembl_annotations.report.tally import EntryTally
from ensembl_annotations.store.describe import DEMONSTRATION
from ensembl_annotations.variants.outcomes import IMPACTS
from ensembl_annotations.versions import REPORT_VERSION

MIN_SAMPLES = 10
"""Of fewer samples nobody can say which is unlike the others."""
FAR = 5
"""A figure is far from the others if it differs from the median by more than so many times what is usual: the
median of all differences, but at least 1 % of the median; of a count of impacts, at least its square root, and 1."""
_LEAST_SHARE = 0.01
_IMPACTS = {f"num_{impact.lower()}_impact": impact for impact in IMPACTS[:2]}
_COMPARED = {
    "num_records": "records",
    "annotated_percent": "% in Ensembl",
    "ti_tv": "Ti/Tv",
    **_IMPACTS,
}
_COLUMNS = {
    "sample": "sample",
    "num_records": "records",
    "num_alleles": "ALTs",
    "num_compared": "compared",
    "num_known": "in Ensembl",
    "annotated_percent": "% of compared",
    "ti_tv": "Ti/Tv",
    "num_ref_mismatch": "REF differs",
    **_IMPACTS,
}
_FORMATS: dict[str, Callable[[Any], str]] = {
    "annotated_percent": "{:.1f}".format,
    "ti_tv": "{:.2f}".format,
    "sample": str,
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
    far = far_from_others(rows)
    rows = sorted(rows, key=lambda row: row["sample"] not in far)
    # A reference without genes has no impacts.
    columns = {key: title for key, title in _COLUMNS.items() if all(key in row for row in rows)}
    return render(
        "report/samples.html.j2",
        title=name or "Samples",
        tool=f"ensembl-annotations {version('ensembl-annotations')}",
        report=REPORT_VERSION,
        tally=tally,
        columns=columns,
        rows=[{key: _shown(row, key) for key in columns} for row in rows],
        ranks=_ranks(rows, columns),
        has_impacts=_IMPACTS.keys() <= columns.keys(),
        far=far,
        names=_COMPARED,
        min_samples=MIN_SAMPLES,
        most_differences=FAR,
        contigs=contig_chart(tally.contigs),
        frequencies=frequency_chart(tally.frequencies),
        is_demonstration=tally.source == DEMONSTRATION,
        number=number,
    )


def _value(row: Mapping[str, Any], key: str) -> Any:
    has_none = key == "annotated_percent" and not row["num_compared"]
    return None if has_none else row[key]


def _shown(row: Mapping[str, Any], key: str) -> str:
    value = _value(row, key)
    return "–" if value is None else _FORMATS.get(key, number)(value)


def _ranks(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> list[list[int]]:
    """Return the place of each row, from 1 on, if they are sorted by each of the columns; 0 where there is no value."""
    places: list[list[int]] = [[] for _ in rows]
    for key in columns:
        values = [_value(row, key) for row in rows]
        order = {value: at for at, value in enumerate(sorted({*values} - {None}), 1)}
        for place, value in zip(places, values, strict=True):
            place.append(order.get(value, 0))
    return places


def _ti_tv(row: Mapping[str, Any]) -> float | None:
    transitions, transversions = row["transitions"], row["transversions"]
    enough = transitions + transversions >= MIN_SNVS and transversions
    return transitions / transversions if enough else None


def far_from_others(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return by sample which of its figures are far from those of the others, as `FAR` says."""
    found: dict[str, list[str]] = {}
    for name in _COMPARED:
        values = {row["sample"]: row[name] for row in rows if row.get(name) is not None}
        if len(values) < MIN_SAMPLES:
            continue
        middle = median(values.values())
        usual = median(abs(value - middle) for value in values.values())
        # Few of a kind: chance alone makes such a difference.
        by_chance = max(1, sqrt(middle)) if name in _IMPACTS else 0
        most = FAR * max(usual, _LEAST_SHARE * abs(middle), by_chance)
        for sample, value in values.items():
            if abs(value - middle) > most:
                found.setdefault(sample, []).append(name)
    return found
