"""``dvc.lock``: what each stage read and wrote, by path, with the MD5 by which DVC knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.words import one_line


class BrokenLockError(UsageError):
    """A ``dvc.lock`` is not one."""


class DvcLock:
    """The stages of a ``dvc.lock``.

    Parameters
    ----------
    stages : mapping of str to object
        As the file has them. An entry that is not as DVC writes it counts as missing.
    """

    def __init__(self, stages: Mapping[str, Any]) -> None:
        self._stages = stages

    def __iter__(self) -> Iterator[str]:
        return iter(self._stages)

    def outs(self, stage: str) -> dict[str, dict[str, Any]]:
        """Return what a stage wrote, by path: ``md5``, and of a folder ``nfiles`` and ``size``."""
        return self._entries(stage, "outs")

    def deps(self, stage: str) -> dict[str, dict[str, Any]]:
        """Return what a stage read, by path: ``md5``."""
        return self._entries(stage, "deps")

    def params(self, stage: str) -> dict[str, dict[str, Any]]:
        """Return the parameters that a stage was made with, by file and name."""
        content = self._stages.get(stage)
        files = content.get("params") if isinstance(content, dict) else None
        return {
            str(file): values
            for file, values in (files if isinstance(files, dict) else {}).items()
            if isinstance(values, dict)
        }

    def digest_of(self, path: Path) -> str | None:
        """Return the MD5 of what a stage wrote; None where no stage wrote it."""
        name = path.as_posix()
        found = (self.outs(stage).get(name) for stage in self)
        return next((out["md5"] for out in found if out), None)

    def _entries(self, stage: str, kind: str) -> dict[str, dict[str, Any]]:
        content = self._stages.get(stage)
        entries = content.get(kind) if isinstance(content, dict) else None
        return {
            entry["path"]: entry
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict)
            and isinstance(entry.get("path"), str)
            and isinstance(entry.get("md5"), str)
        }


def read_lock(content: bytes, name: Path | str = "dvc.lock") -> DvcLock:
    """Return a ``dvc.lock`` from its bytes.

    Raises
    ------
    BrokenLockError
        Where it is not one; `name` is what the message calls it.
    """
    # Here, since it takes a tenth of the start to import.
    import yaml

    try:
        found = _parse(content)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BrokenLockError(
            f"{name}: not valid YAML: {one_line(error)}",
            hint="After a merge conflict run 'ensembl-annotations merge'; otherwise take it as it was: "
            "'git checkout dvc.lock'.",
        ) from error
    stages = (found.get("stages") or {}) if isinstance(found, dict) else None
    if not isinstance(stages, dict):
        raise BrokenLockError(
            f"{name}: not a dvc.lock.", hint="Take it as it was: 'git checkout dvc.lock'."
        )
    return DvcLock({str(stage): about for stage, about in stages.items()})


# A command asks for the same one again and again; of thousands of samples it takes seconds to parse.
@lru_cache(maxsize=2)
def _parse(content: bytes) -> Any:
    import yaml

    # libyaml's, ten times as fast, where PyYAML was built with it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(content.decode("utf-8"), loader)
