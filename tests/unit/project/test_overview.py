"""What DVC found changed, in the words of assets; and whether `dvc.lock` is current."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ensembl_annotations.project.lock import DvcLock
from ensembl_annotations.project.overview import (
    State,
    read_states,
    review_lock,
    stale_samples,
    stale_stages,
)
from ensembl_annotations.project.project import Project

VCF = "data/vcf/a.vcf.gz"
VERSIONS = "src/ensembl_annotations/versions.py"


HERE = Path("here")


def project(
    status: dict[str, Any],
    lock: dict[str, Any] | None = None,
    stages: Iterable[str] = (),
    elsewhere: Iterable[str] = (),
) -> Project:
    """Return a project of which DVC says this."""
    index = SimpleNamespace(stages=[SimpleNamespace(name=name) for name in stages])
    found: Any = SimpleNamespace(
        dvc=SimpleNamespace(status=lambda: status, index=index),
        params=SimpleNamespace(samples={"a": SimpleNamespace(vcf=VCF)}),
        lock=DvcLock(lock or {}),
        root=HERE,
        # Of which samples it depends on where VCFs are looked for.
        samples_elsewhere=lambda here: list(elsewhere) if here == HERE else [],
    )
    return cast(Project, found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{"changed deps": {VCF: "modified"}}], State("stale", [f"{VCF}: modified"])),
        (
            [{"changed deps": {VERSIONS: {"ENGINE_VERSION": "modified"}}}],
            State("stale", [f"ENGINE_VERSION in {VERSIONS}: modified"]),
        ),
        (["changed command"], State("stale", ["changed command"])),
        ([{"changed outs": {"data/x": "modified"}}], State("altered", ["data/x: modified"])),
        (
            ["changed command", {"changed outs": {"data/x": "not in cache"}}],
            State("missing", ["data/x: not in cache", "changed command"]),
        ),
        (
            [{"changed outs": {"data/x": "modified", "metrics/x": "deleted"}}],
            State("missing", ["data/x: modified", "metrics/x: deleted"]),
        ),
    ],
)
def test_the_state_of_an_asset(changes: list[Any], expected: State) -> None:
    assert read_states(project({"annotate@a": changes})) == {"annotated_vcf@a": expected}


def test_a_report_makes_its_sample_stale_unless_more_is_said_of_that() -> None:
    gone = [{"changed outs": {"data/reports/a": "deleted"}}]
    altered = [{"changed outs": {"data/annotated/b": "modified"}}]
    found = read_states(project({"report@a": gone, "report@b": gone, "annotate@b": altered}))
    assert {name: state.name for name, state in found.items()} == {
        "annotated_vcf@a": "stale",
        "annotated_vcf@b": "altered",
    }
    # What only prepares is no asset.
    assert read_states(project({"ensembl_manifest": ["changed command"]})) == {}


def test_data_that_are_not_here_make_no_lock_stale() -> None:
    absent = {"data/annotated/a": "deleted", "data/b": "not in cache"}
    status = {"annotate@a": [{"changed deps": {VCF: "deleted"}}, {"changed outs": absent}]}
    assert stale_stages(project(status)) == {}
    # Figures are in git, and altered data are another lock.
    told = {"metrics/annotate/a.json": "deleted", VCF: "modified"}
    status["annotate@a"].append({"changed outs": told})
    assert stale_stages(project(status)) == {
        "annotate@a": [f"{path}: {how}" for path, how in told.items()]
    }


def entry(md5: str, dep: str) -> dict[str, Any]:
    return {
        "outs": [{"path": "data/store", "md5": md5}],
        "deps": [{"path": "data/store", "md5": dep}, {"path": "data/of nobody", "md5": "x"}],
    }


def test_a_lock_that_contradicts_itself_is_stale() -> None:
    assert stale_stages(project({}, {"a": entry("1", "1")}, ["a"])) == {}
    assert stale_stages(project({}, {"a": entry("1", "2")}, ["a"])) == {
        "a": ["made from another data/store than dvc.lock has"]
    }
    assert stale_stages(project({}, {"a": {}}, ["b"])) == {"a": ["in dvc.lock only"]}


def test_samples_of_others_do_not_make_a_review_fail() -> None:
    stale = {stage: ["changed command"] for stage in ("annotate@a", "annotate@b", "report@b")}
    commit = project(stale, elsewhere=["b", "c"])
    assert review_lock(project({}), project({})) == "`dvc.lock` is current."
    assert review_lock(commit, project({})).splitlines() == [
        "**`dvc.lock` is not current**: run `make` and commit it.",
        "- `annotate@a`: changed command",
        "",
        "Note: stale, VCF not here: b. `make` of those who have it.",
    ]
    others = project(stale, elsewhere="ab")
    assert review_lock(others, project({})).startswith("`dvc.lock` is current.\n")
    assert stale_samples(commit, ["c", "b"]) == ["b"]
