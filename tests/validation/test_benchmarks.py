"""The benchmarks run end to end, on little data: they compare answers before they time, and find them equal."""

from __future__ import annotations

import gzip
import json
import os
import re
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


def test_consequences_annotates_with_and_without_genes(tmp_path: Path) -> None:
    found = run(
        "consequences", tmp_path, "--records", "30000", "--genome", "--genome-queries", "q1m",
        "--work", str(tmp_path / "work"),
    )  # fmt: skip
    one, genome = found["queries"].values()
    assert one["counts"]["rows"] > one["counts"]["picked_rows"] > 100
    for key, count in one["counts"].items():
        assert genome["counts"][key] == pytest.approx(24 * count, rel=0.001)
    for query in found["queries"].values():
        assert {*query["median"]} == {"without", "pick", "all"}
        assert query["rows_per_more_cpu_sec"] > query["rows_per_cpu_sec"] > 0
    assert {item["target"].partition(":")[0] for item in found["targets"]} == {*found["queries"]}


def test_consequences_refuses_answers_that_differ(tmp_path: Path) -> None:
    entry = "ENS_CSQ=G|intron_variant|MODIFIER|DEMO1|ENSG1|Transcript|ENST1"
    worst = "ENS_WORST=intron_variant&ENSG1&ENST1"
    answers = {
        "without": ".",
        "pick": f"{entry};{worst}",
        "all": f"{entry},{entry[8:].replace('ENST1', 'ENST2')};{worst}",
    }

    changes: list[dict[str, str]] = [
        {},
        {"without": "ENS_RS=rs1"},
        {"pick": f"{entry};ENS_WORST=missense_variant"},
        {"pick": f"{entry.replace('ENST1', 'ENST3')};{worst}"},
    ]
    for number, changed in enumerate(changes):
        (tmp_path / f"{number}").mkdir()
        for label, info in {**answers, **changed}.items():
            line = f"1\t5\t.\tA\tG\t.\t.\t{info}\n"
            path = tmp_path / f"{number}" / f"{label}.vcf.gz"
            path.write_bytes(gzip.compress(line.encode()))
    # Each is checked, whatever came of those before.
    code = (
        "import sys, pathlib, consequences\n"
        "for folder in sys.argv[1:]:\n"
        "    try: print(consequences.check(pathlib.Path(folder)))\n"
        "    except SystemExit as error: print(error.code, end='\\n\\n')\n"
    )
    folders = [tmp_path / f"{number}" for number in range(len(changes))]
    told = subprocess.run(
        [sys.executable, "-c", code, *folders], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    right, *refused = re.split(r"\n(?=/)", told)
    assert "'rows': 2" in right
    assert [
        text.startswith(f"{folder}, record 1: other answers with genes than without")
        for folder, text in zip(folders[1:], refused, strict=True)
    ] == [True] * 3
