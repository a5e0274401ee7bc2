"""DVC in a repository: run its commands, and ask it what it knows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ensembl_annotations.common.atomic import atomic_path
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.common.words import one_line
from ensembl_annotations.project.paths import LOCK

if TYPE_CHECKING:
    from dvc.repo import Repo

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
        """Return DVC's own view of the repository, to be used as a context manager."""
        from dvc.repo import Repo

        return Repo(str(self._root))

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
        """Refuse to annotate where DVC's cache, which gets the annotated genome, is shared by a group.

        Raises
        ------
        UsageError
        """
        if (self._cache_settings or {}).get("shared") == "group":
            raise UsageError(
                "DVC's cache is shared by a group (cache.shared); annotated genomes would be in it.",
                hint="Share the reference by a remote in a folder instead; see docs/sharing.md.",
            )

    def outputs(self) -> set[Path]:
        """Return what stages make, those that the user added too; nothing where DVC can't tell."""
        from dvc.exceptions import DvcException

        with suppress(DvcException), self.opened() as repo:
            return {Path(out.fs_path) for out in repo.index.outs}
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
        with self.opened() as repo:
            for out in repo.index.outs:
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

    def forget_stages(self, names: Iterable[str]) -> None:
        """Take stages that are no longer in ``dvc.yaml`` out of ``dvc.lock``."""
        # What DVC has for it needs the stage to be in dvc.yaml still.
        from dvc.utils.serialize import modify_yaml

        with atomic_path(self._root / LOCK) as temporary:
            shutil.copyfile(self._root / LOCK, temporary)
            with modify_yaml(temporary) as content:
                for name in names:
                    content["stages"].pop(name, None)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def _stop(dvc: int) -> None:
    """End DVC by ending its stage, which would write on if DVC alone were ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(dvc)
        stage = process.children(recursive=True)
        for child in stage or [process]:
            with suppress(psutil.NoSuchProcess):
                child.terminate()
        _, alive = psutil.wait_procs([*stage, process], timeout=_PATIENCE_SEC)
        for child in alive:
            with suppress(psutil.NoSuchProcess):
                child.kill()
