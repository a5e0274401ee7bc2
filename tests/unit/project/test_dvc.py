"""Who can read DVC's cache, what it is asked, and what is put back where a stage fails."""

from __future__ import annotations

import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.project import dvc as tested
from ensembl_annotations.project.dvc import Dvc, _who_reads
from ensembl_annotations.project.lock import read_lock
from tests.support.messages import heard


@pytest.mark.parametrize(
    ("modes", "who"),
    [
        ((0o755, 0o755), "everybody"),
        # Who may pass can open a file whose name is known.
        ((0o755, 0o711), "everybody"),
        ((0o755, 0o700), None),
        # Nobody gets through a folder around it that is closed.
        ((0o700, 0o755), None),
        ((0o755, 0o744), None),
    ],
)
def test_who_reads_a_folder(
    modes: tuple[int, int], who: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around, cache = tmp_path / "around", tmp_path / "around/cache"
    cache.mkdir(parents=True)
    # Those above are the machine's; what matters here begins at `around`.
    for path in tmp_path.parents:
        assert path.is_dir()
    _open_above(monkeypatch, around)
    for path, mode in ((cache, modes[1]), (around, modes[0])):
        path.chmod(mode)
    assert _who_reads(cache) == who


def test_a_group_reads_where_it_is_not_the_user_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open_above(monkeypatch, tmp_path)
    tmp_path.chmod(0o750)
    monkeypatch.setattr(tested, "_is_own_group", lambda _: False)
    assert _who_reads(tmp_path) == "its group"
    monkeypatch.setattr(tested, "_is_own_group", lambda _: True)
    assert _who_reads(tmp_path) is None


def _open_above(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let every folder above one be open to all."""
    real = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        found = real(path, **options)
        if folder.is_relative_to(path) and path != folder:
            return SimpleNamespace(st_mode=0o40755, st_uid=found.st_uid, st_gid=found.st_gid)
        return found

    monkeypatch.setattr(Path, "stat", stat)


def with_settings(root: Path, **settings: str) -> Dvc:
    found: Any = Dvc(root)
    found._cache_settings = settings
    opened: Dvc = found
    return opened


def test_a_cache_that_others_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "_who_reads", lambda _: "everybody")
    root, outside = tmp_path / "a/.dvc/tmp/exps/x", tmp_path / "outside"
    # In the repository, or in the one that an experiment lies in, it is as private as that is.
    with_settings(root).refuse_shared_cache()
    with_settings(root, dir=str(tmp_path / "a/.dvc/cache")).refuse_shared_cache()
    with pytest.raises(UsageError, match="can be read by everybody"):
        with_settings(root, dir=str(outside)).refuse_shared_cache()
    with pytest.raises(UsageError, match="shared by a group"):
        with_settings(root, shared="group").refuse_shared_cache()
    monkeypatch.setattr(tested, "_who_reads", lambda _: None)
    with_settings(root, dir=str(outside)).refuse_shared_cache()


@pytest.mark.parametrize("printed", ["", "[]", "ERROR: broken", '{"a": '])
def test_a_status_that_is_none_is_an_error(
    printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = SimpleNamespace(stdout=printed, stderr="why\nnot")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(EnsemblAnnotationsError, match="'dvc status' failed: why not"):
        Dvc(tmp_path).status()
    done.stdout = '{"a": ["changed command"]}'
    assert Dvc(tmp_path).status() == {"a": ["changed command"]}


class Kept:
    """A repository with an output that is cached, `data`, and one that is not, `figures.json`."""

    def __init__(self, root: Path) -> None:
        self.root, self.dvc = root, Dvc(root)
        self.data, self.figures = root / "data/x", root / "figures.json"
        self.data.parent.mkdir()
        self.data.write_text("data")
        self.figures.write_text("figures")
        outs = [
            SimpleNamespace(fs_path=str(path), use_cache=cached, persist=False)
            for path, cached in ((self.data.parent, True), (self.figures, False))
        ]
        found: Any = self.dvc
        index = SimpleNamespace(index=SimpleNamespace(outs=outs, stages=[]))
        found.opened = lambda: nullcontext(index)
        self.asked: list[tuple[str, ...]] = []
        found.run = lambda *arguments: self.asked.append(arguments) or 0
        self.said: list[str] = []

    def fail(self, error: BaseException, *removed: Path) -> None:
        with pytest.raises(type(error)), heard(self.said.append), self.dvc.kept_outputs():
            for path in removed:
                path.unlink()
            raise error


def test_what_a_stage_that_fails_removed_is_put_back(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.fail(EnsemblAnnotationsError("x"), kept.data, kept.figures)
    assert kept.figures.read_text() == "figures"
    assert kept.asked == [("checkout", "--quiet", "--force", str(kept.data.parent))]
    assert kept.said == ["Put back as it was before: data"]


def test_what_is_there_is_not_put_back(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    with kept.dvc.kept_outputs():
        kept.figures.write_text("new")
    kept.fail(EnsemblAnnotationsError("x"))
    assert (kept.figures.read_text(), kept.asked) == ("new", [])


def test_a_run_that_is_interrupted_ends_at_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.fail(KeyboardInterrupt(), kept.data, kept.figures)
    assert kept.figures.read_text() == "figures"
    assert kept.asked == []


def test_what_dvc_s_files_say_is_read_once_until_one_changes(tmp_path: Path) -> None:
    dvc: Any = Dvc(tmp_path)
    added = SimpleNamespace(path=str(tmp_path / "added.dvc"))
    dvc.opened = lambda: nullcontext(SimpleNamespace(index=SimpleNamespace(stages=[added])))
    for name in ("dvc.yaml", "dvc.lock", "params.yaml", "added.dvc"):
        before = dvc.index
        assert dvc.index is before
        (tmp_path / name).write_text("x")
        assert dvc.index is not before


def test_stages_are_forgotten_and_the_others_stay(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages:\n  a:\n    cmd: x\n  b:\n    cmd: y\n")
    Dvc(tmp_path).forget_stages(["a", "none"])
    assert list(read_lock(lock.read_bytes())) == ["b"]
    assert "schema: '2.0'" in lock.read_text()
