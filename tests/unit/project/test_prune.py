"""What is removed of samples that are gone, and what is left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.project.file_list import cached_path
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.prune import prune_samples
from tests.support.messages import heard

FILES = (
    "data/annotated/{}/tally.json",
    "data/reports/{}/summary.html",
    "metrics/annotate/{}.json",
    "metrics/run/annotate/{}.json",
    "logs/annotate@{}.jsonl",
)


MD5 = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
LISTING = json.dumps([{"md5": MD5, "relpath": "tally.json"}])
FOLDER = f"{hashlib.md5(LISTING.encode(), usedforsecurity=False).hexdigest()}.dir"


class Pruned:
    """A folder in which samples were made, and what pruning does in it."""

    def __init__(self, root: Path, kept: Iterable[str], made: Iterable[str]) -> None:
        self.root = root
        self.forgotten: list[str] = []
        self.said: list[str] = []
        dvc = SimpleNamespace(cache=root / "cache", forget_stages=self.forgotten.extend)
        params = SimpleNamespace(samples=dict.fromkeys(kept))
        self._project = Project(root)
        # What it reads and opens otherwise.
        vars(self._project).update(params=params, dvc=dvc)
        for digest, content in ((MD5, "x"), (FOLDER, LISTING)):
            cached = cached_path(root / "cache", digest)
            cached.parent.mkdir(parents=True, exist_ok=True)
            cached.write_text(content)
        self.lock(*(f"{stage}@{name}" for name in made for stage in ("annotate", "report")))
        for name in (*kept, *made):
            self.make(*(path.format(name) for path in FILES))

    def lock(self, *stages: str) -> None:
        outs = {name: {"outs": self._outs(name)} for name in stages}
        content = {"stages": {"fetch_ensembl": {}, **outs}}
        (self.root / "dvc.lock").write_text(yaml.safe_dump(content))

    def _outs(self, stage: str) -> list[dict[str, str]]:
        kind, _, name = stage.partition("@")
        folder, page, metrics, *_ = (path.format(name) for path in FILES)
        annotated = {str(Path(folder).parent): FOLDER, metrics: MD5}
        made = {page: MD5} if kind == "report" else annotated
        return [{"path": path, "md5": md5} for path, md5 in made.items()]

    def make(self, *paths: str) -> None:
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text("x")

    def run(self) -> list[str]:
        with heard() as said:
            removed = prune_samples(self._project)
        self.said += said
        return removed

    def of(self, name: str) -> list[str]:
        """Return the files of a sample that are left."""
        return [path for path in FILES if (self.root / path.format(name)).exists()]


def test_a_sample_that_is_gone_leaves_nothing(tmp_path: Path) -> None:
    pruned = Pruned(tmp_path, kept=["a"], made=["a", "b", "c"])
    assert pruned.run() == ["b", "c"]
    assert (pruned.of("a"), pruned.of("b"), pruned.of("c")) == (list(FILES), [], [])
    assert not (tmp_path / "data/annotated/b").exists()
    assert pruned.forgotten == ["annotate@b", "report@b", "annotate@c", "report@c"]
    assert [line.split("'")[1] for line in pruned.said] == ["b", "c"]


def test_nothing_to_prune(tmp_path: Path) -> None:
    pruned = Pruned(tmp_path, kept=["a"], made=["a"])
    assert (pruned.run(), pruned.said, pruned.forgotten) == ([], [], [])
    (tmp_path / "dvc.lock").unlink()
    assert (pruned.run(), pruned.of("a")) == ([], list(FILES))


def test_what_the_pipeline_did_not_make_is_left_and_told(tmp_path: Path) -> None:
    pruned = Pruned(tmp_path, kept=[], made=[])
    pruned.make("data/annotated/mine/a.txt", "metrics/annotate/mine.json")
    assert pruned.run() == []
    assert (tmp_path / "data/annotated/mine/a.txt").exists()
    assert pruned.said == ["Note: data/annotated/mine is of no sample in params.yaml; it is left."]


@pytest.mark.parametrize("folder", ["annotated", "reports"])
def test_files_of_others_stop_it_before_anything_is_removed(folder: str, tmp_path: Path) -> None:
    pruned = Pruned(tmp_path, kept=[], made=["a", "b"])
    (tmp_path / f"data/{folder}/b/notes.txt").write_text("by hand")
    with pytest.raises(EnsemblAnnotationsError, match=r"notes\.txt"):
        pruned.run()
    assert pruned.of("a") == pruned.of("b") == list(FILES)
    assert pruned.forgotten == []


@pytest.mark.parametrize("path", ["data/annotated/b/tally.json", "metrics/annotate/b.json"])
def test_what_only_the_workspace_has_is_left_whatever_the_lock_says(
    path: str, tmp_path: Path
) -> None:
    """Its entry is of a bad merge, or of somebody who wants files removed."""
    pruned = Pruned(tmp_path, kept=[], made=["a", "b"])
    (tmp_path / path).write_text("by hand")
    assert pruned.run() == ["a"]
    assert (pruned.of("a"), pruned.of("b")) == ([], list(FILES))
    assert pruned.forgotten == ["annotate@a", "report@a", "annotate@b", "report@b"]
    assert f"sample 'b', which is not in params.yaml: {path} would be lost" in pruned.said[1]


def test_what_the_lock_does_not_name_is_left_though_the_cache_has_it(tmp_path: Path) -> None:
    pruned = Pruned(tmp_path, kept=[], made=["b"])
    pruned.lock("annotate@b")
    assert pruned.run() == []
    assert pruned.of("b") == list(FILES)
    assert "data/reports/b/summary.html would be lost" in pruned.said[0]


@pytest.mark.parametrize("name", ["annotate@..", "annotate@", "annotate@a/../..", "annotate@/etc"])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    pruned = Pruned(tmp_path, kept=[], made=["a"])
    pruned.lock("annotate@a", name)
    with pytest.raises(UsageError, match="is not the stage of a sample"):
        pruned.run()
    assert pruned.of("a") == list(FILES)


def test_figures_of_runs_that_made_nothing_go_too(tmp_path: Path) -> None:
    """Of a sample whose runs failed, and whose folder is empty."""
    pruned = Pruned(tmp_path, kept=["a"], made=["a"])
    for name in ("failed", "has"):
        pruned.make(f"metrics/run/annotate/{name}.json", f"logs/annotate@{name}.jsonl")
    pruned.make("data/annotated/has/x")
    (tmp_path / "data/annotated/failed").mkdir()
    assert pruned.run() == []
    assert (pruned.of("failed"), pruned.of("a")) == ([], list(FILES))
    assert not (tmp_path / "data/annotated/failed").exists()
    assert len(pruned.of("has")) == 2
