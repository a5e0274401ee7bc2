"""Files of commits, read from git: no checkout is needed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.words import one_line

WORKSPACE = "workspace"
"""Stands for a commit where what is in ``dvc.lock`` is not committed yet."""


@dataclass(frozen=True)
class Version:
    """A version of the repository: a commit's short hash, or `WORKSPACE`, its date (where known), author, parents."""

    commit: str
    date: str | None
    author: str | None
    parents: tuple[str, ...] = ()


class Repository:
    """Reads files of commits; one process of git serves them all.

    Parameters
    ----------
    project : Path
        A folder in a git repository; paths are relative to it.

    Attributes
    ----------
    prefix : str
        The path of that folder in the repository, with a slash at its end; empty for its top.

    Raises
    ------
    UsageError
        Where there is no repository, or no git.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        said = run_git(project, "rev-parse", "--show-prefix", "--is-shallow-repository")
        if said.returncode:
            raise UsageError(
                f"{project.resolve()}: git can't read a repository here "
                f"({one_line(said.stderr.decode('utf-8', 'replace'))}).",
                hint="Run this in the folder of the repository.",
            )
        self.prefix, shallow = said.stdout.decode("utf-8", "surrogateescape").split("\n")[:2]
        self.is_shallow = shallow == "true"

    def log(self, *arguments: str) -> list[Version]:
        """Return commits of the branch, or of a named one, as it went, newest first; none where it has none."""
        # The user's own settings must not add lines or leave some out.
        settings = ["-c", "log.showSignature=false", "-c", "log.follow=false"]
        shown = ["--first-parent", "--encoding=UTF-8", "--format=%h%x00%ct%x00%p%x00%an"]
        said = run_git(self.project, *settings, "log", *shown, *arguments)
        lines = said.stdout.decode("utf-8", "replace").split("\n") if not said.returncode else []
        found = []
        for line in lines:
            if line:
                commit, seconds, parents, author = line.split("\0", 3)
                found.append(Version(commit, _date(seconds), author, tuple(parents.split())))
        return found

    @contextmanager
    def opened(self) -> Iterator[Repository]:
        """Have git ready to give files."""
        with subprocess.Popen(
            ["git", "cat-file", "--batch"],
            cwd=self.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            self._ask = cast(IO[bytes], process.stdin)
            self._answer = cast(IO[bytes], process.stdout)
            yield self

    def read(self, version: Version, path: Path) -> bytes | None:
        """Return a file as of a version; None where there is none."""
        if version.commit == WORKSPACE:
            try:
                return (self.project / path).read_bytes()
            except OSError:
                return None
        name = f"{version.commit}:{self.prefix}{path.as_posix()}\n"
        return self._object(name.encode("utf-8", "surrogateescape"))

    def files(self, commit: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file of a commit; links and submodules are left out."""
        said = run_git(self.project, "ls-tree", "-r", "-z", commit)
        with self.opened():
            for line in said.stdout.split(b"\0")[:-1]:
                about, _, name = line.partition(b"\t")
                mode, _, digest = about.split(b" ")
                content = self._object(digest + b"\n") if mode.startswith(b"100") else None
                if content is not None:
                    yield os.fsdecode(name), content

    def _object(self, name: bytes) -> bytes | None:
        self._ask.write(name)
        self._ask.flush()
        size = self._answer.readline().rsplit(b" ", 1)[-1].strip()
        if not size.isdigit():
            return None
        content = self._answer.read(int(size))
        self._answer.read(1)
        return content


def changed_files(folder: Path, paths: Iterable[str]) -> list[str]:
    """Return what ``git add`` would take of some files and folders: changed, new and removed files.

    Parameters
    ----------
    folder : Path
    paths : iterable of str
        Relative to the folder, as the result; what git ignores is not in it. Empty outside a repository.
    """
    kinds = ("--modified", "--deleted", "--others", "--exclude-standard")
    said = run_git(folder, "ls-files", "-z", *kinds, "--", *paths)
    return sorted({os.fsdecode(name) for name in said.stdout.split(b"\0") if name})


def _date(seconds: str) -> str | None:
    """Return a commit's time in ISO 8601, UTC; None for what is no time a calendar has."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, whatever it answers.

    Raises
    ------
    UsageError
        Where it can't be run.
    """
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise UsageError(
            f"git can't be run in {folder} ({error.strerror}).", hint="Install git."
        ) from error
