"""The page of an entry with many samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.report.report import write_report
from ensembl_annotations.report.samples import far_from_others
from ensembl_annotations.variants.outcomes import REASONS

_COUNTS = ("records", "alleles", "compared", "exact", "shifted", "par", "id_conflicts", *REASONS)


def row(sample: str, **figures: Any) -> dict[str, Any]:
    counts = {f"num_{name}": 0 for name in _COUNTS}
    named = {"sample": sample, "num_known": 0, "transitions": 0, "transversions": 0}
    return {**counts, **named, "annotated_percent": 90.0, **figures}


def entry(*rows: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "release": 116,
        "release_date": None,
        "assembly": "GRCh38",
        "source": "ensembl",
        "reference_sha256": "0" * 64,
        "options": {},
        "samples": list(rows),
        "failures": [],
        "contigs": {"chr1": [3, 1, 0]},
        "frequencies": {},
        **parts,
    }


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


def test_the_report_of_many(tmp_path: Path) -> None:
    odd = "<b>&\x1b"
    failure = {"sample": "bad", "line": 7, "message": odd, "hint": "Mend it."}
    rows = [row(f"s{at}", num_records=100, num_compared=10) for at in range(10)]
    rows += [row("odd", num_records=5, num_compared=10, transitions=600, transversions=300)]
    tally = tmp_path / "tally.json"
    tally.write_text(json.dumps(entry(*rows, failures=[failure])))
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
    tally.write_text(json.dumps(entry(failures=[failure], contigs={})))
    write_report(tally, tmp_path / "out", "me")
    assert "is empty" in (tmp_path / "out/summary.html").read_text("utf-8")
    tally.write_text(json.dumps(entry({"sample": "me"})))
    with pytest.raises(InputError, match="not a tally: samples"):
        write_report(tally, tmp_path / "out", "me")
