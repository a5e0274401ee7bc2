"""Figures of an asset's content: a file has all of them, in either form; DVC shows the headline."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.project.figures import (
    HEADLINES,
    all_figures,
    changed_figures,
    fold_details,
    read_figures,
)
from ensembl_annotations.project.paths import ASSETS, REFERENCE, paths_of
from ensembl_annotations.project.project import Project

SAMPLE = "annotated_vcf@p01"


def figures_of(asset: str) -> dict[str, Any]:
    headline = HEADLINES[ASSETS[asset.partition("@")[0]]]
    return {"reference_sha256": "a" * 64, **dict.fromkeys(headline, 7), "num_par": 0}


@pytest.mark.parametrize("asset", [REFERENCE, SAMPLE])
def test_a_file_is_parted_and_read_as_a_whole(
    asset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths, figures = paths_of(asset), figures_of(asset)
    paths.metrics.parent.mkdir(parents=True)
    paths.metrics.write_text(json.dumps(figures))
    assert read_figures(Project(tmp_path), paths) == figures
    fold_details(paths)
    content = json.loads(paths.metrics.read_bytes())
    # What DVC makes a column of.
    columns = [name for name, value in content.items() if isinstance(value, int | float | str)]
    assert columns == list(HEADLINES[ASSETS[asset.partition("@")[0]]])
    assert content["details"] == [{"reference_sha256": "a" * 64, "num_par": 0}]
    assert read_figures(Project(tmp_path), paths) == figures


@pytest.mark.parametrize("details", [None, 1, "text", [], [1], {"a": 1}])
def test_details_that_are_none_are_passed_over(details: object) -> None:
    assert all_figures({"release": 116, "details": details}) == {"release": 116}


def test_no_name_is_in_two_headlines() -> None:
    names = [name for headline in HEADLINES.values() for name in headline]
    assert len(names) == len(set(names))


def test_figures_that_differ_between_commits(tmp_path: Path) -> None:
    """Of a file in the former form and one of this, each figure is compared with itself."""

    def commit(content: object) -> None:
        (tmp_path / "metrics").mkdir(exist_ok=True)
        (tmp_path / "metrics/fetch_ensembl.json").write_text(json.dumps(content))
        outs = "[{path: data/x, md5: abc}, {path: metrics/fetch_ensembl.json, md5: abc}]"
        (tmp_path / "dvc.lock").write_text(f"stages: {{fetch_ensembl: {{outs: {outs}}}}}")
        for arguments in (["add", "."], ["commit", "-qm", "A change"]):
            subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit({"release": 115, "num_files": 50, "num_variants": 9})
    commit({"release": 116, "details": [{"num_files": 50, "num_quarantined": 1}]})
    first, _, *table = changed_figures(Project(tmp_path), "HEAD~1", "HEAD")
    assert first == "- metrics/fetch_ensembl.json: 3 figures; num_variants 9 → -; release 115 → 116"
    assert table[2:] == [
        "| metrics/fetch_ensembl.json | num_quarantined | - | 1 |",
        "| metrics/fetch_ensembl.json | num_variants | 9 | - |",
        "| metrics/fetch_ensembl.json | release | 115 | 116 |",
    ]
    assert changed_figures(Project(tmp_path), "HEAD", "HEAD")[2:] == []
