"""DVC in a repository: run its commands, and ask it what it knows."""

from __future__ import annotations

import grp
import json
import logging
import os
import pwd
import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ensembl_annotations.common.atomic import atomic_path
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.common.metrics import stamp_of
from ensembl_annotations.common.words import listed, one_line
from ensembl_annotations.project.paths import LOCK, PARAMS_FILE

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.repo.index import Index

_LOG = logging.getLogger(__name__)

# A stage removes what it has not finished.
_PATIENCE_SEC = 10


class Dvc:
    """DVC in one repository; its packages are imported where they are used, since that takes a second.

    Parameters
    ----------
    root : Path
        The repository.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index: tuple[dict[Path, object], Index] | None = None

    def run(self, *arguments: str, **variables: str) -> int:
        """Run a command of DVC; what it prints is seen. Returns its exit code.

        Parameters
        ----------
        *arguments : str
            The command and its arguments.
        **variables : str
            More variables for its environment.
        """
        # DVC runs a stage's command in a shell; it must find the Python that runs this.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**os.environ, "PATH": path, **variables}
        process = subprocess.Popen(_command(*arguments), cwd=self._root, env=environment)
        try:
            return process.wait()
        except BaseException:
            _stop(process.pid)
            raise

    @contextmanager
    def kept_outputs(self) -> Iterator[None]:
        """Put back what DVC removes for a stage that then fails.

        Notes
        -----
        DVC removes a stage's outputs before it runs the stage. Files that its cache does not have, such
        as figures, are small: they are kept here. Data are checked out of the cache, but not where the
        user interrupts the run: that has to end at once.
        """
        from dvc.exceptions import DvcException

        before: dict[Path, set[str]] = {}
        small: dict[Path, bytes] = {}
        # What is wrong with its files DVC says itself when it runs.
        with suppress(DvcException):
            for out in self.index.outs:
                path = Path(out.fs_path)
                if out.use_cache:
                    before[path] = _names(path)
                elif path.is_file() and not out.persist:
                    small[path] = path.read_bytes()
        try:
            yield
        except BaseException as error:
            for path, content in small.items():
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with atomic_path(path) as temporary:
                        temporary.write_bytes(content)
            lost = [str(path) for path, names in before.items() if names - _names(path)]
            if lost and isinstance(error, EnsemblAnnotationsError):
                shown = listed(os.path.relpath(path, self._root) for path in lost)
                code = self.run("checkout", "--quiet", "--force", *lost)
                _LOG.info(
                    f"{'Could not put back' if code else 'Put back'} as it was before: {shown}"
                )
            raise

    def status(self) -> dict[str, Any]:
        """Return what ``dvc status`` says, by stage; stages that are up to date are not in it.

        Raises
        ------
        EnsemblAnnotationsError
            Where DVC can't tell, with what it says.
        """
        command = _command("status", "--json")
        done = subprocess.run(command, cwd=self._root, capture_output=True, text=True, check=False)
        with suppress(ValueError):
            changed = json.loads(done.stdout)
            if isinstance(changed, dict):
                return changed
        raise EnsemblAnnotationsError(f"'dvc status' failed: {one_line(done.stderr)[-500:]}")

    def opened(self) -> Repo:
        """Return DVC's own view of the repository, to be used as a context manager.

        Raises
        ------
        EnsemblAnnotationsError
            Where DVC's databases can't be written, or are damaged.
        """
        from dvc.config import Config
        from dvc.dirs import site_cache_dir
        from dvc.repo import Repo

        try:
            return Repo(str(self._root))
        except sqlite3.Error as error:
            folder = site_cache_dir(Config(str(self._root / ".dvc"))["core"].get("site_cache_dir"))
            raise EnsemblAnnotationsError(
                f"{folder}: DVC's notes on this repository can't be used: {error}.",
                hint="If the disk is full, or a limit of the shell (ulimit -f) too small, mend that; "
                "otherwise remove the folder: DVC makes it again.",
                code="dvc_notes",
            ) from error

    @property
    def index(self) -> Index:
        """What the files of DVC say: stages, what they read and make; read again if a file has changed.

        It keeps its repository, which opens its databases again where it is asked for what they have.
        """
        if self._index is None or any(stamp_of(path) != at for path, at in self._index[0].items()):
            files = (self._root / name for name in ("dvc.yaml", LOCK, PARAMS_FILE))
            stamps: dict[Path, object] = {path: stamp_of(path) for path in files}
            with self.opened() as repo:
                index = repo.index
            own = {Path(stage.path) for stage in index.stages}
            self._index = {path: stamp_of(path) for path in own} | stamps, index
        return self._index[1]

    @cached_property
    def _cache_settings(self) -> dict[str, Any] | None:
        from dvc.config import Config
        from dvc.exceptions import DvcException

        try:
            return dict(Config(str(self._root.resolve() / ".dvc")).get("cache", {}))
        except DvcException:
            return None

    @property
    def cache(self) -> Path | None:
        """Where DVC keeps its copies; None outside a repository of DVC."""
        if self._cache_settings is None:
            return None
        return Path(self._cache_settings.get("dir") or self._root / ".dvc" / "cache")

    def refuse_shared_cache(self) -> None:
        """Refuse to annotate where others can read DVC's cache, which gets the annotated genome.

        Raises
        ------
        UsageError
            Where a group shares it, or where it is outside of the repository and open to others.
        """
        if (self._cache_settings or {}).get("shared") == "group":
            raise UsageError(
                "DVC's cache is shared by a group (cache.shared); annotated genomes would be in it.",
                hint="Share the reference by a remote in a folder instead; see docs/sharing.md.",
            )
        cache, root = (self.cache or self._root).resolve(), self._root.resolve()
        # An experiment in a folder of its own, below .dvc, has the cache of the repository that is around.
        is_around = cache.parent.name == ".dvc" and root.is_relative_to(cache.parent)
        is_own = cache.is_relative_to(root) or is_around
        if not is_own and (who := _who_reads(cache)):
            raise UsageError(
                f"DVC's cache (cache.dir, {cache}) can be read by {who}; annotated genomes would be in it.",
                hint=f"Close it ('chmod 700 {shlex.quote(str(cache))}'), or keep it in the repository "
                "('dvc cache dir --unset', with --local or --global if it was set so); see docs/sharing.md.",
            )

    def outputs(self) -> set[Path]:
        """Return what stages make, those that the user added too; nothing where DVC can't tell."""
        from dvc.exceptions import DvcException

        with suppress(DvcException):
            return {Path(out.fs_path) for out in self.index.outs}
        return set()

    def missing_from_cache(self) -> list[str]:
        """Return what is in ``dvc.lock`` and in the workspace, but was not kept in DVC's cache.

        Returns
        -------
        list of str
            Paths of outputs, or of files in them.

        Notes
        -----
        Where the disk of its cache is full, DVC prints errors, writes ``dvc.lock`` and ends with 0.
        """
        missing = []
        for out in self.index.outs:
            if not out.use_cache or not out.hash_info.value or not Path(out.fs_path).exists():
                continue
            if not Path(out.cache.oid_to_path(out.hash_info.value)).is_file():
                missing.append(str(out))
                continue
            entries = out.get_obj() if out.hash_info.isdir else ()
            missing += [
                f"{out}/{'/'.join(key)}"
                for key, _, info in entries
                if not Path(out.cache.oid_to_path(info.value)).is_file()
            ]
        return sorted(missing)

    def forget_runs(self, names: Iterable[str]) -> None:
        """Have stages run again: neither ``dvc.lock`` nor the run cache keeps what they were made from.

        Notes
        -----
        DVC (3.67) has no command for it; it restores from the run cache what ``dvc.lock`` lacks.
        """
        from dvc.stage.cache import _get_cache_hash
        from dvc.stage.serialize import to_single_stage_lockfile

        names = set(names)
        with self.opened() as repo:
            for stage in (stage for stage in repo.index.stages if stage.addressing in names):
                key = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
                if (folder := Path(repo.stage_cache._get_cache_dir(key))).exists():
                    shutil.rmtree(folder)
        self.forget_stages(names)

    def forget_stages(self, names: Iterable[str]) -> None:
        """Take stages that are no longer in ``dvc.yaml`` out of ``dvc.lock``."""
        # What DVC has for it needs the stage to be in dvc.yaml still.
        from dvc.utils.serialize import modify_yaml

        with atomic_path(self._root / LOCK) as temporary:
            shutil.copyfile(self._root / LOCK, temporary)
            with modify_yaml(temporary) as content:
                for name in names:
                    content["stages"].pop(name, None)


def _who_reads(folder: Path) -> str | None:
    """Say who else can open files in a folder whose names are known; None for nobody.

    Notes
    -----
    Whoever may pass through a folder can: DVC's files are readable to all.
    """
    groups = others = True
    # What is not there yet DVC makes as the umask says.
    umask = os.umask(0o077)
    os.umask(umask)
    for path in (folder, *folder.parents):
        try:
            status = path.stat()
        except FileNotFoundError:
            mode = ~umask
        else:
            mode = status.st_mode
            if path == folder and status.st_uid not in (os.getuid(), 0):
                return "its owner"
            if _is_own_group(status.st_gid):
                mode &= ~stat.S_IXGRP
        others = others and bool(mode & stat.S_IXOTH)
        groups = groups and bool(mode & (stat.S_IXGRP | stat.S_IXOTH))
    return "everybody" if others else "its group" if groups else None


def _is_own_group(number: int) -> bool:
    """Say whether a group is one that the system made for this user alone."""
    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}


def _names(path: Path) -> set[str]:
    """Return the files of an output, by their paths; of a file its own."""
    if path.is_file():
        return {str(path)}
    return {str(Path(parent, name)) for parent, _, names in os.walk(path) for name in names}


def _command(*arguments: str) -> list[str]:
    # -P: a module beside that program is called dvc, too.
    return [sys.executable, "-P", str(Path(__file__).with_name("dvc_program.py")), *arguments]


def _stop(dvc: int) -> None:
    """End DVC by ending its stage, which would write on if DVC alone were ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(dvc)
        stage = process.children(recursive=True)
        for child in stage or [process]:
            with suppress(psutil.NoSuchProcess):
                child.terminate()
        _, alive = psutil.wait_procs([*stage, process], timeout=_PATIENCE_SEC)
        # Another stage may have begun meanwhile.
        later = process.children(recursive=True) if process in alive else []
        for child in {*alive, *later}:
            with suppress(psutil.NoSuchProcess):
                child.kill()
