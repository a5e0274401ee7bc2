"""Files appear under their final names whole, or not at all.

Until then a file has a temporary name: hidden, in the folder of the final one, with the machine that
writes it and a random number. It is locked while its run lives; the system takes the lock from a
process that ends, however it ends. So what a killed run left behind is told from what another run is
writing, and is removed by the next run that writes there.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    explain_os_error,
    explained_os_errors,
)

TEMPORARY = r"\.(?P<final>.+)\.(?P<machine>[0-9a-f]{8})(?P<random>[0-9a-f]{8})\.tmp"
"""What the name of a file that is being written looks like."""

_ESCAPED = "backslashreplace"
"""For names of files that are no UTF-8; what it gives is an escape in JSON, too."""

_MACHINE_FILES = ("/etc/machine-id", "/proc/sys/kernel/random/boot_id")


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
        self._locks: list[int] = []
        self._stale: list[Path] = []

    def temporary(self, final: Path) -> Path:
        """Return the path to write `final`'s content to: an empty file, hidden, in the same folder.

        It must be opened for writing as it is: a new file in its place would have no lock.
        """
        prepare_to_write(final)
        if all(final.parent != other.parent for _, other in self._files):
            remove_leftovers([final.parent])
        with explained_os_errors("writing the output", final):
            path, lock = _make_locked(final)
        self._locks.append(lock)
        self._files.append((path, final))
        return path

    def write_json(self, final: Path, content: Any) -> None:
        """Write `content` as JSON, to appear with the other files."""
        self.temporary(final).write_text(_json_text(content), "utf-8", _ESCAPED)

    def write_text(self, final: Path, content: str) -> None:
        """Write text, to appear with the other files."""
        self.temporary(final).write_text(content, "utf-8", _ESCAPED)

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
                raise explain_os_error(error, self._last_path, "writing the output") from error
        finally:
            for path, _ in self._files:
                path.unlink(missing_ok=True)
            for lock in self._locks:
                os.close(lock)

    @property
    def _last_path(self) -> Path:
        return self._files[-1][1] if self._files else Path()

    def _commit(self) -> None:
        with explained_os_errors("writing the output", self._last_path):
            for path, _ in self._files:
                flush(path)
            for path in self._stale:
                path.unlink(missing_ok=True)
            for path, final in self._files:
                path.replace(final)
            for folder in {final.parent for _, final in self._files}:
                flush(folder)


def prepare_to_write(path: Path) -> None:
    """Make the folder of a file that is to be written, and refuse what can't be replaced.

    Raises
    ------
    EnsemblAnnotationsError
        Where the folder can't be made, or `path` is a folder, a pipe or a device.
    """
    with explained_os_errors("making the folder", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        exists, regular = path.exists(), path.is_file()
    if exists and not regular:
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise EnsemblAnnotationsError(
            f"{path}: is {kind}; expected a file to write.", hint="Give a file name."
        )


def _make_locked(final: Path) -> tuple[Path, int]:
    """Make a temporary file for `final` and lock it; return its path and the open file."""
    while True:
        path = final.with_name(f".{final.name}.{_machine()}{os.urandom(4).hex()}.tmp")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            is_ours = _try_lock(lock) and path.exists()
        except OSError:
            # A file system without locks: there nothing counts as left behind.
            is_ours = True
        if is_ours:
            return path, lock
        # Another run looked whether it was left behind before it was locked, and removes it.
        os.close(lock)


def _try_lock(handle: int) -> bool:
    # What filelock's `lock_descriptor` does, which would take a tenth of the start to import.
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK):
            raise
        return False
    return True


@cache
def _machine() -> str:
    """Return eight hexadecimal digits for this machine.

    A lock may be unknown to other machines that share the folder (NFS with local locks), so each
    removes only what it left itself. Containers without an ID of their own have that of the running
    system, whose locks they share.
    """
    for name in _MACHINE_FILES:
        with suppress(OSError):
            if text := Path(name).read_bytes().strip():
                return hashlib.sha256(text).hexdigest()[:8]
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:8]


def remove_leftovers(folders: Iterable[Path]) -> list[Path]:
    """Remove the temporary files in these folders that killed runs on this machine left behind.

    Returns
    -------
    list of Path
        What was removed. A file that is being written stays, and so does one that is not ours.
    """
    removed = []
    for folder in folders:
        with suppress(OSError):
            # Most of a folder's files need not become paths.
            names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(".tmp")]
            removed += [folder / name for name in names if _remove_leftover(folder / name)]
    return removed


def _remove_leftover(path: Path) -> bool:
    named = re.fullmatch(TEMPORARY, path.name)
    if named is None or named["machine"] != _machine():
        return False
    try:
        # Writable: NFS gives such a lock to nobody else.
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
        if not is_file or not _try_lock(handle):
            return False
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def flush(path: Path) -> None:
    """Make sure that a file, or what a folder lists, is on the disk."""
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
        temporary.write_text(_json_text(content), "utf-8", _ESCAPED)


def _json_text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
