"""The benchmarks run end to end, on little data: they compare answers before they time, and find them equal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.compiler import quick_compiler

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bcftools", "tabix", "bgzip"))), reason="needs bcftools and tabix"
)


def run(name: str, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "CC": quick_compiler(tmp_path)}
    subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", "--records", "4000", "--rounds", "1",
         "--queries", "q1m", "--results", tmp_path, *arguments],
        check=True, env=environment, capture_output=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads((tmp_path / f"{name}.json").read_bytes())
    return found


def test_annotate_is_compared_with_bcftools_and_the_floor(tmp_path: Path) -> None:
    found = run("annotate", tmp_path, "--no-growth", "--tools", "bcftools,floor")
    rows = found["queries"]["q1m"]["median"]
    assert {"ours", "ours, level 6", "bcftools, BCF", "bcftools, BCF, level 6", "floor"} <= {*rows}
    # The floor compresses our own records, without an index, and does less than any engine.
    ours, floor = rows["ours"], rows["floor"]
    assert 0.9 * ours["output_bytes"] < floor["output_bytes"] < ours["output_bytes"]
    assert floor["cpu_sec"] < ours["cpu_sec"]
    assert ours["agree"] == ours["common"] > 100
    assert any("level 6" in item["target"] for item in found["targets"])


def test_growth_annotates_one_vcf_on_two_stores(tmp_path: Path) -> None:
    found = run("growth", tmp_path, "--depth", "4")
    shallow, deep = found["stores"].values()
    assert deep["rows"] == pytest.approx(4 * shallow["rows"], rel=0.001)
    query = found["queries"]["q1m"]
    assert {*query["median"]} == {*query["agreement"]} == {"1", "4"}
    one, four = query["agreement"].values()
    assert one["annotated"] < four["annotated"]
    assert query["ratio"]["read_mb"] > 1
