"""Versions of ``dvc.lock`` and of what is committed with it, read from git."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ensembl_annotations.common.errors import UsageError

WORKSPACE = "workspace"
"""Stands for a commit where what is in ``dvc.lock`` is not committed yet."""

_LOCK_HEAD = re.compile(r"schema: '2\.0'\nstages:\n(?=  \S)")
_STAGE = re.compile(r"(?m)^(?=  \S)")


def find_project(folder: Path | str = Path()) -> Path:
    """Return the repository of DVC that a folder is in: the nearest one above; else the folder."""
    folder = Path(folder)
    here = folder.resolve()
    for root in here.parents if not (folder / ".dvc").is_dir() else ():
        if (root / ".dvc").is_dir():
            return root
    return folder


@dataclass(frozen=True)
class Version:
    """A version of ``dvc.lock``: a commit's short hash, or `WORKSPACE`, its date (where known) and author."""

    commit: str
    date: str | None
    author: str | None


class Repository:
    """Reads files of commits; one process of git serves them all.

    Parameters
    ----------
    project : Path
        A folder in a git repository; paths are relative to it.

    Raises
    ------
    UsageError
        Where there is no repository, or no git.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        said = self._git("rev-parse", "--show-prefix", "--is-shallow-repository")
        if said.returncode:
            raise UsageError(
                f"{project.resolve()}: git can't read a repository here "
                f"({' '.join(said.stderr.decode('utf-8', 'replace').split())}).",
                hint="Run this in the folder of the repository.",
            )
        self._prefix, shallow = said.stdout.decode("utf-8", "surrogateescape").split("\n")[:2]
        self.is_shallow = shallow == "true"

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", *arguments], cwd=self.project, capture_output=True, check=False
            )
        except OSError as error:
            raise UsageError(
                f"git can't be run in {self.project} ({error.strerror}).", hint="Install git."
            ) from error

    def log(self, *arguments: str) -> list[Version]:
        """Return commits of the branch as it went, newest first; none where it has none."""
        # The user's own settings must not add lines or leave some out.
        settings = ["-c", "log.showSignature=false", "-c", "log.follow=false"]
        shown = ["--first-parent", "--encoding=UTF-8", "--format=%h%x00%ct%x00%an"]
        said = self._git(*settings, "log", *shown, *arguments)
        lines = said.stdout.decode("utf-8", "replace").split("\n") if not said.returncode else []
        found = []
        for line in lines:
            commit, _, rest = line.partition("\0")
            seconds, _, author = rest.partition("\0")
            if commit:
                found.append(Version(commit, _date(seconds), author))
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
        name = f"{version.commit}:{self._prefix}{path.as_posix()}\n"
        self._ask.write(name.encode("utf-8", "surrogateescape"))
        self._ask.flush()
        size = self._answer.readline().rsplit(b" ", 1)[-1].strip()
        if not size.isdigit():
            return None
        content = self._answer.read(int(size))
        self._answer.read(1)
        return content


def _date(seconds: str) -> str | None:
    """Return a commit's time in ISO 8601, UTC; None for what is no time a calendar has."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def read_lock(content: bytes) -> dict[str, Any] | None:
    """Return the stages of a ``dvc.lock`` by name; None where it is not one."""
    text = content.decode("utf-8", "replace")
    head = _LOCK_HEAD.match(text)
    if head:
        # Most versions change few stages: each text of a stage is parsed once.
        parts = [_read_yaml(part) for part in _STAGE.split(text[head.end() :]) if part]
        if all(isinstance(part, dict) for part in parts):
            return {name: stage for part in parts for name, stage in part.items()}
    whole = _read_yaml(text)
    stages = whole.get("stages", {}) if isinstance(whole, dict) else None
    return (
        {str(name): stage for name, stage in stages.items()} if isinstance(stages, dict) else None
    )


@lru_cache(maxsize=4096)
def _read_yaml(text: str) -> Any:
    """Return the content of a text; None where it is not YAML. Not to be changed: it is kept."""
    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, ValueError, TypeError, RecursionError):
        return None


def locked_paths(stage: Any, kind: str) -> dict[str, dict[str, Any]]:
    """Return what a stage of a lock read (``deps``) or wrote (``outs``), by path."""
    entries = stage.get(kind) if isinstance(stage, dict) else None
    return {
        entry["path"]: entry
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and isinstance(entry.get("md5"), str)
    }
