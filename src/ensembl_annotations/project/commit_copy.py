"""The files of a commit in a folder of its own, for DVC to look at.

Somebody else may have written the commit. So nothing of it runs, and what decides where data go and who is asked
for them is not taken from it: no configuration of DVC or git, no hook, filter, link or submodule.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from unittest.mock import patch

from ruamel.yaml.error import YAMLError

from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.common.words import listed, printable
from ensembl_annotations.project.git import run_git
from ensembl_annotations.project.params import refuse_aliases
from ensembl_annotations.project.project import Project

_CONFIG = """[core]
    analytics = false
    check_update = false
[cache]
    dir = "{cache}"
"""
_YAML = (".yaml", ".yml", ".dvc", ".lock")
_NEVER = {".git", ".dvc", "..", ".", ""}


class UnsafeCommitError(UsageError):
    """A commit has what DVC must not even look at."""

    default_code = "unsafe"


@contextmanager
def copied_commit(here: Project, commit: str) -> Iterator[Project]:
    """Yield a repository with the files of a commit, as long as the block runs.

    Parameters
    ----------
    here : Project
        The repository on this machine; its cache of DVC is read.
    commit : str
        The whole digest.

    Notes
    -----
    DVC knows no remote there, so that none can be asked, and none of the user's settings, which may have keys.
    """
    with TemporaryDirectory(prefix="ensembl-annotations-") as temporary:
        top = Path(temporary).resolve() / "copy"
        root = top / here.git.prefix
        root.mkdir(parents=True)
        _git(top, "init", "--quiet", "--template=")
        objects = os.fsdecode(_git(here.root, "rev-parse", "--git-path", "objects")).strip()
        info = top / ".git/objects/info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_text(f"{(here.root / objects).resolve()}\n", "utf-8")
        _git(top, "update-ref", "--no-deref", "HEAD", commit)
        for name, content in here.git.files(commit):
            _write(root, PurePosixPath(name), content)
        (root / ".dvc").mkdir()
        cache = (here.dvc.cache or here.root / ".dvc/cache").resolve()
        (root / ".dvc/config").write_text(_CONFIG.format(cache=cache), "utf-8")
        own = {
            f"DVC_{kind}_DIR": f"{temporary}/{kind}"
            for kind in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")
        }
        with patch.dict(os.environ, own):
            yield Project(root)


def refuse_unsafe(copy: Project) -> None:
    """Refuse a commit in which DVC would ask a server, or where a few lines mean more than memory holds.

    Raises
    ------
    UnsafeCommitError
    """
    for path in sorted(copy.root.rglob("*")):
        if path.suffix in _YAML and path.is_file():
            try:
                # What is no YAML or no text DVC can't read either, and says so.
                with suppress(YAMLError, UnicodeDecodeError):
                    refuse_aliases(path.read_text("utf-8"), path.relative_to(copy.root))
            except UsageError as error:
                raise UnsafeCommitError(error.message, hint=error.hint) from error
    # Here, since they take long to import.
    from dvc.dependency import Dependency, ParamsDependency
    from dvc.output import Output

    # Other kinds read a database, another repository, or a server.
    foreign = [
        printable(item.def_path)
        for stage in copy.dvc.index.stages
        for item in (*stage.deps, *stage.outs)
        if type(item) not in (Dependency, ParamsDependency, Output) or item.protocol != "local"
    ]
    if foreign:
        raise UnsafeCommitError(
            f"dvc.yaml: expected files of this machine, found {listed(foreign)}.",
            hint="DVC would ask who has it, with your keys: look at it by hand.",
        )


def _write(root: Path, name: PurePosixPath, content: bytes) -> None:
    if not _NEVER & {part.casefold() for part in name.parts}:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _git(folder: Path, *arguments: str) -> bytes:
    said = run_git(folder, *arguments)
    if said.returncode:
        raise EnsemblAnnotationsError(
            f"'git {arguments[0]}' failed: {said.stderr.decode('utf-8', 'replace').strip()}"
        )
    return said.stdout
