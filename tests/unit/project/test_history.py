"""Which states of an asset are materializations, and which figures are theirs."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.hashes import md5_of_bytes
from ensembl_annotations.project.git import Version
from ensembl_annotations.project.history import Materialization, read_history
from ensembl_annotations.project.project import Project

REFERENCE, SAMPLE = "ensembl_annotations", "annotated_vcf@a"
STORE = "data/ensembl_annotations"


class Past:
    """A repository whose commits are given as files, newest first; a day lies between two."""

    def __init__(self, root: Path, *commits: dict[str, bytes]) -> None:
        self.root = self.project = root
        self.is_shallow = False
        self._commits = {f"c{len(commits) - at}": files for at, files in enumerate(commits)}
        self._versions = [
            Version(name, f"2026-01-{int(name[1:]) + 10}T00:00:00Z", "me") for name in self._commits
        ]

    def log(self, *_: str) -> list[Version]:
        return self._versions

    def opened(self) -> Any:
        return nullcontext()

    def read(self, version: Version, path: Path) -> bytes | None:
        return self._commits.get(version.commit, {}).get(path.as_posix())

    def history(
        self, asset: str | None = None, **options: Any
    ) -> tuple[list[Materialization], str]:
        project = _Opened(self.root)
        object.__setattr__(project, "git", self)
        history = read_history(asset, project=project, **options)
        return history.materializations, "\n".join(history.notes)


class _Opened(Project):
    git: Any = None
    """In the place of git itself."""


def commit(digest: str, figures: dict[str, Any], *, noted: bool = True, **ensembl: Any) -> Any:
    """Return the files of a commit in which the reference has this digest and these figures."""
    content = json.dumps(figures).encode()
    metrics = "metrics/fetch_ensembl.json"
    md5 = md5_of_bytes(content) if noted else "other"
    outs = [{"path": STORE, "md5": digest, "nfiles": 3, "size": 30}, {"path": metrics, "md5": md5}]
    stages = {"fetch_ensembl": {"outs": outs, "params": {"params.yaml": {"ensembl": ensembl}}}}
    return {"dvc.lock": yaml.safe_dump({"stages": stages}).encode(), metrics: content}


def log(root: Path, *runs: dict[str, Any]) -> None:
    (root / "logs").mkdir()
    lines = [
        json.dumps({"asset": REFERENCE, "num_files": 3, "size_bytes": 30, **run}) for run in runs
    ]
    (root / "logs/runs.jsonl").write_text("\n".join(lines))


FIGURES = {"release": 116, "num_alleles": 7}


def test_a_new_digest_is_a_materialization(tmp_path: Path) -> None:
    past = Past(
        tmp_path,
        commit("two.dir", FIGURES | {"release": 117}, source="ensembl"),
        commit("one.dir", FIGURES),
        commit("one.dir", FIGURES, source="mini"),
    )
    newest, oldest = past.history()[0]
    assert (newest.commit, newest.digest, newest.release, newest.source) == (
        "c3", "two.dir", 117, "ensembl",
    )  # fmt: skip
    assert (oldest.commit, oldest.num_rows, oldest.num_files, oldest.size_bytes) == ("c1", 7, 3, 30)
    assert [item.commit for item in past.history(limit=1)[0]] == ["c3"]
    # Only the demonstration that somebody else made is left out.
    kept, notes = past.history(demonstration=False)
    assert [item.commit for item in kept] == ["c3"]
    assert "1 of the demonstration" in notes


def test_figures_that_the_lock_does_not_name_are_not_taken(tmp_path: Path) -> None:
    (item,) = Past(tmp_path, commit("one.dir", FIGURES, noted=False)).history()[0]
    assert (item.digest, item.release, item.num_rows) == ("one.dir", None, None)


@pytest.mark.parametrize(
    ("run", "is_its_own"),
    [
        ({"finished_at": "2026-01-11T12:00:00Z"}, True),
        # Before the materialization before; and of other content, though the files are as many.
        ({"finished_at": "2026-01-10T12:00:00Z"}, False),
        ({"finished_at": "2026-01-11T12:00:00Z", "content": {"release": 115}}, False),
        ({"finished_at": "2026-01-11T12:00:00Z", "size_bytes": 31}, False),
        ({"finished_at": "2026-01-11 12:00"}, False),
    ],
)
def test_a_run_is_that_of_its_content_and_time(
    run: dict[str, Any], is_its_own: bool, tmp_path: Path
) -> None:
    past = Past(tmp_path, commit("two.dir", FIGURES), commit("one.dir", {"release": 115}))
    log(tmp_path, {"content": FIGURES, "status": "downloaded", "duration_sec": 9.5, **run})
    newest, oldest = past.history()[0]
    assert (newest.status, newest.duration_sec) == (
        ("downloaded", 9.5) if is_its_own else (None, None)
    )
    assert oldest.status is None


def test_a_run_that_had_nothing_to_do_did_not_make_it(tmp_path: Path) -> None:
    of = {"content": FIGURES}
    log(
        tmp_path,
        {**of, "status": "downloaded", "duration_sec": 9.5, "finished_at": "2026-01-10T00:00:00Z"},
        {**of, "status": "cached", "duration_sec": 0.0, "finished_at": "2026-01-10T12:00:00Z"},
        {**of, "status": "failed", "duration_sec": 3.0, "finished_at": "2026-01-12T00:00:00Z"},
    )
    (item,), notes = Past(tmp_path, commit("one.dir", FIGURES)).history()
    assert (item.status, item.duration_sec) == ("downloaded", 9.5)
    assert f"{REFERENCE}: its last run here failed, at 2026-01-12T00:00:00Z." in notes


def test_what_came_after_the_commit_is_told_and_not_taken_for_it(tmp_path: Path) -> None:
    made = {"status": "downloaded", "duration_sec": 2.0, "finished_at": "2026-01-12T00:00:00Z"}
    log(tmp_path, {"content": FIGURES, **made})
    (item,), notes = Past(tmp_path, commit("one.dir", FIGURES)).history()
    assert (item.status, item.run["status"]) == (None, "downloaded")
    assert "came to this machine at 2026-01-12T00:00:00Z (downloaded, 2.0 s)" in notes


def test_a_broken_lock_is_skipped_and_told(tmp_path: Path) -> None:
    past = Past(tmp_path, commit("one.dir", {}), {"dvc.lock": b"<<<<"}, commit("one.dir", {}))
    found, notes = past.history()
    assert [item.commit for item in found] == ["c1"]
    assert "dvc.lock of c2 is not valid YAML" in notes
    with pytest.raises(UsageError, match=r"no dvc\.lock, now or in the history"):
        Past(tmp_path, {}).history()


def test_a_stage_that_was_missing_is_told(tmp_path: Path) -> None:
    past = Past(tmp_path, commit("two.dir", {}), {"dvc.lock": b"stages: {}"}, commit("one.dir", {}))
    found, notes = past.history()
    assert [item.digest for item in found] == ["two.dir", "one.dir"]
    assert f"{REFERENCE}: not in dvc.lock of c2" in notes


@pytest.mark.parametrize("asset", ["x", f"{REFERENCE}@a", "annotated_vcf@", SAMPLE])
def test_an_unknown_asset_is_refused(asset: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{asset}"):
        Past(tmp_path, commit("one.dir", {})).history(asset)
