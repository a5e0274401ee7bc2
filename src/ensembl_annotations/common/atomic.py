"""Files appear under their final names whole, or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ensembl_annotations.common.errors import EnsemblAnnotationsError, explain_os_error


def path_of(path: Path | str | None) -> Path | None:
    """Return a path that a caller gave, or did not, as one."""
    return None if path is None else Path(path)


class Outputs:
    """A set of files that get their final names together, when all are complete.

    Use as a context manager: `temporary` gives the path to write to; leaving the block
    flushes every file to disk and renames it, leaving it by an error removes them all.

    Raises
    ------
    EnsemblAnnotationsError
        Where a folder can't be made or written to, or the disk is full.
    """

    def __init__(self) -> None:
        self._files: list[tuple[Path, Path]] = []
        self._stale: list[Path] = []

    def temporary(self, final: Path) -> Path:
        """Return the path to write `final`'s content to: hidden, in the same folder."""
        prepare_to_write(final)
        path = final.with_name(f".{final.name}.{secrets.token_hex(4)}.tmp")
        self._files.append((path, final))
        return path

    def write_json(self, final: Path, content: Any) -> None:
        """Write `content` as JSON, to appear with the other files."""
        self.temporary(final).write_text(_json_text(content), "utf-8")

    def write_text(self, final: Path, content: str) -> None:
        """Write text, to appear with the other files."""
        self.temporary(final).write_text(content, "utf-8")

    def forget(self, final: Path) -> None:
        """Give up a file after all."""
        for item in [item for item in self._files if item[1] == final]:
            item[0].unlink(missing_ok=True)
            self._files.remove(item)

    def remove_stale(self, path: Path) -> None:
        """Remove `path`, which the new files replace by nothing, just before they appear."""
        self._stale.append(path)

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> None:
        try:
            if kind is None:
                self._commit()
            elif isinstance(error, OSError) and not isinstance(error, EnsemblAnnotationsError):
                place = self._files[-1][1] if self._files else Path()
                raise explain_os_error(error, place, "writing the output") from error
        finally:
            for path, _ in self._files:
                path.unlink(missing_ok=True)

    def _commit(self) -> None:
        try:
            for path, _ in self._files:
                _flush(path)
            for path in self._stale:
                path.unlink(missing_ok=True)
            for path, final in self._files:
                path.replace(final)
            for folder in {final.parent for _, final in self._files}:
                _flush(folder)
        except OSError as error:
            raise explain_os_error(error, self._files[-1][1], "writing the output") from error


def prepare_to_write(path: Path) -> None:
    """Make the folder of a file that is to be written, and refuse what can't be replaced.

    Raises
    ------
    EnsemblAnnotationsError
        Where the folder can't be made, or `path` is a folder, a pipe or a device.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        exists, regular = path.exists(), path.is_file()
    except OSError as error:
        raise explain_os_error(error, path, "making the folder") from error
    if exists and not regular:
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise EnsemblAnnotationsError(
            f"{path}: is {kind}; expected a file to write.", hint="Give a file name."
        )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `final` when the block ends without an error."""
    with Outputs() as outputs:
        yield outputs.temporary(final)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, keys in the given order, one per line, newline at the end."""
    with atomic_path(path) as temporary:
        temporary.write_text(_json_text(content), "utf-8")


def _json_text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
