"""The page of an entry with many samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.report.report import write_report
from ensembl_annotations.report.samples import far_from_others
from tests.support.tallies import entry_of, sample_row


def far(values: list[float], name: str = "annotated_percent") -> dict[str, list[str]]:
    others = {"num_records": 100, "annotated_percent": 90.0, "ti_tv": None}
    return far_from_others(
        [{"sample": f"s{at}", **others, name: value} for at, value in enumerate(values)]
    )


def test_what_is_far_from_the_others() -> None:
    usual = [90.0, 91.0, 89.0, 90.5, 89.5, 90.2, 89.8, 91.5, 88.5, 90.1]
    assert far(usual) == {}
    assert far([*usual, 70.0]) == {"s10": ["annotated_percent"]}
    assert far([*usual, 2.1], "ti_tv") == {"s10": ["ti_tv"]}
    # Where all are equal, what is within 5 % is not far; of fewer than ten nothing is said.
    assert far([100] * 10 + [104], "num_records") == {}
    assert far([100] * 10 + [106], "num_records") == {"s10": ["num_records"]}
    assert far([90.0] * 8 + [10.0]) == {}
    assert far([2.0] * 9 + [0.5], "ti_tv") == {"s9": ["ti_tv"]}


def impacts(high: int, moderate: int = 40) -> dict[str, int]:
    return {"num_high_impact": high, "num_moderate_impact": moderate}


def test_few_of_an_impact_are_not_far_by_chance() -> None:
    # 0, 0, 1, 0, ... and 5: chance alone makes that; 6 it doesn't.
    assert far([0] * 9 + [1, 5], "num_high_impact") == {}
    assert far([0] * 9 + [1, 6], "num_high_impact") == {"s10": ["num_high_impact"]}
    # Of 100 usual ones up to 5 * 10 more.
    assert far([100] * 10 + [150], "num_moderate_impact") == {}
    assert far([100] * 10 + [49], "num_moderate_impact") == {"s10": ["num_moderate_impact"]}


def test_impacts_are_columns_where_there_are_genes(tmp_path: Path) -> None:
    def page(*rows: dict[str, Any]) -> str:
        (tmp_path / "tally.json").write_text(json.dumps(entry_of(*rows)))
        write_report(tmp_path / "tally.json", tmp_path / "out", "cohort")
        return (tmp_path / "out/summary.html").read_text("utf-8")

    rows = [sample_row(f"s{at}", **impacts(3)) for at in range(10)]
    with_genes = page(*rows, sample_row("odd", **impacts(300, 1234)))
    assert '<td class="num">300</td><td class="num">1\u202f234</td>' in with_genes
    assert '<strong class="warn">HIGH, MODERATE</strong>' in with_genes
    assert with_genes.index(">odd<") < with_genes.index(">s0<")
    assert "HIGH" not in page(*(sample_row(f"s{at}") for at in range(11)))


def test_a_page_of_300_is_small(tmp_path: Path) -> None:
    numbers = {"num_records": 4_500_000, "num_alleles": 4_600_000, "num_compared": 4_500_000}
    rows = [
        sample_row(f"sample-{at:05}", **numbers, **impacts(500 + at, 11_000)) for at in range(300)
    ]
    (tmp_path / "tally.json").write_text(json.dumps(entry_of(*rows)))
    write_report(tmp_path / "tally.json", tmp_path / "out", "cohort")
    assert (tmp_path / "out/summary.html").stat().st_size < 200_000


def test_the_report_of_many(tmp_path: Path) -> None:
    odd = "<b>&\x1b"
    failure = {"sample": "bad", "line": 7, "message": odd, "hint": "Mend it."}
    rows = [sample_row(f"s{at}", num_records=100, num_compared=10) for at in range(10)]
    rows += [sample_row("odd", num_records=5, num_compared=10, transitions=600, transversions=300)]
    tally = tmp_path / "tally.json"
    tally.write_text(json.dumps(entry_of(*rows, failures=[failure])))
    write_report(tally, tmp_path / "out", "cohort")
    page = (tmp_path / "out/summary.html").read_text("utf-8")
    assert "11 samples annotated" in page
    assert "1 of 12 VCFs can't be used" in page
    assert page.index(">odd<") < page.index(">s0<")
    assert ">records</strong>" in page
    assert ">2.00<" in page
    assert odd not in page
    section = json.loads((tmp_path / "out/cohort_mqc.json").read_bytes())
    assert [*section["data"]] == [found["sample"] for found in rows]
    assert "chr1" in (tmp_path / "out/contigs.svg").read_text("utf-8")


def test_the_report_of_none(tmp_path: Path) -> None:
    tally = tmp_path / "tally.json"
    failure = {"sample": "me", "line": None, "message": "is empty", "hint": ""}
    tally.write_text(json.dumps(entry_of(failures=[failure], contigs={})))
    write_report(tally, tmp_path / "out", "me")
    assert "is empty" in (tmp_path / "out/summary.html").read_text("utf-8")
    tally.write_text(json.dumps(entry_of({"sample": "me"})))
    with pytest.raises(InputError, match="not a tally: samples"):
        write_report(tally, tmp_path / "out", "me")
