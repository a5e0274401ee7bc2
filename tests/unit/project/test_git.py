"""Files of commits, without a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.git import (
    WORKSPACE,
    Repository,
    Version,
    _date,
    changed_files,
    run_git,
)


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=Zoë", "-c", "user.email=z@example.org", "-c", "commit.gpgsign=no"]
    command = ["git", *settings, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a project in a folder of it, and two commits of a file."""
    root = tmp_path_factory.mktemp("git")
    git(root, "init", "-q")
    project = root / "a project"
    project.mkdir()
    for content in ("one\n", "two\n\nlines"):
        (project / "räd").write_text(content)
        git(root, "add", "-A")
        date = "2024-02-29T23:30:00-01:00"
        git(root, "commit", "-q", "-m", content, f"--date={date}")
    (project / "räd").write_text("now")
    (project / "new").write_text("")
    return root


def test_a_file_is_read_as_it_was(root: Path) -> None:
    repository = Repository(root / "a project")
    newest, oldest = repository.log()
    here = Version(WORKSPACE, None, None)
    with repository.opened():
        # One after the other through one process: each answer ends where it should.
        for _ in range(2):
            assert repository.read(oldest, Path("räd")) == b"one\n"
            assert repository.read(newest, Path("gone")) is None
            assert repository.read(newest, Path("räd")) == b"two\n\nlines"
            assert repository.read(here, Path("räd")) == b"now"
            assert repository.read(here, Path("gone")) is None
            assert repository.read(Version("0" * 40, None, None), Path("räd")) is None


def test_commits_are_newest_first_with_who_and_when(root: Path) -> None:
    newest, oldest = Repository(root / "a project").log("--", "räd")
    short = git(root, "log", "--format=%h").split()
    assert [newest.commit, oldest.commit] == short
    assert newest.author == "Zoë"
    assert newest.date is not None and newest.date.endswith("Z")
    assert Repository(root).log("--", "gone") == []


def test_a_date_is_in_utc_and_one_that_is_none_is_no_error() -> None:
    assert _date("1709253000") == "2024-03-01T00:30:00Z"
    assert _date("0") == "1970-01-01T00:00:00Z"
    assert [_date(text) for text in ("", "soon", "9" * 30)] == [None, None, None]


def test_what_git_add_would_take(root: Path, tmp_path: Path) -> None:
    assert changed_files(root / "a project", ["."]) == ["new", "räd"]
    assert changed_files(root / "a project", ["new", "gone"]) == ["new"]
    assert changed_files(tmp_path, ["."]) == []


def test_no_repository_and_no_git_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="git can't read a repository here"):
        Repository(tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="git can't be run"):
        run_git(tmp_path, "status")


def test_a_branch_without_a_commit_has_no_log(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert Repository(tmp_path).log() == []
    assert not Repository(tmp_path).is_shallow
