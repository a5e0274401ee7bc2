"""Take turns: one run at a time in a repository, and one process at a time for a stage.

A *run* is what `materialize` does; the processes of DVC and of a stage that it starts live on if it is killed
by kill -9. Whoever comes next waits for them, and says for which.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import lock_descriptor

from ensembl_annotations.common.errors import explained_os_errors
from ensembl_annotations.common.words import printable
from ensembl_annotations.project.lock import BrokenLockError, read_lock
from ensembl_annotations.project.paths import LOCK

_LOG = logging.getLogger(__name__)

_FOLDER = Path(".dvc/tmp")
_LOCKS = _FOLDER / "rwlock"
"""Which command of DVC reads or writes which files."""
_PROGRAMS = ("dvc", "dvc_program.py")
_POLL_SEC = 0.5
# A dvc.lock that stays cut for longer is nobody's work in progress.
_WRITING_SEC = 5


@contextmanager
def one_at_a_time(root: Path, what: str) -> Iterator[None]:
    """Wait for another process that does the same in this repository, then keep others waiting.

    Parameters
    ----------
    root : Path
        The repository; outside of one nothing is waited for.
    what : str
        What is done: ``materialize``, or a stage.

    Notes
    -----
    The system takes the lock from a process that ends, however it ends.
    """
    folder = root / _FOLDER
    if not folder.parent.is_dir():
        yield
        return
    path = folder / f"ensembl-annotations.{what}"
    with explained_os_errors("taking turns", path):
        folder.mkdir(exist_ok=True)
        # It is written to: not what a link names.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        with suppress(OSError):  # some network file systems have no such locks
            if not lock_descriptor(handle, blocking=False):
                _tell(os.pread(handle, 20, 0).decode("ascii", "replace") or "?", what)
                lock_descriptor(handle)
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def wait_for_dvc(root: Path) -> None:
    """Wait for commands of DVC that are at work in the repository, such as one whose run was killed.

    DVC itself (3.67) fails where another of its commands works on the same files. It also fails, for ever,
    where one was killed while it wrote the list of those files: a list that is broken is removed.
    """
    told: set[int] = set()
    while users := _users_of_dvc(root):
        for pid in users.keys() - told:
            _tell(pid, users[pid])
        told |= users.keys()
        time.sleep(_POLL_SEC)
    if _locks_of_dvc(root) is None:
        _remove_broken_locks(root)
    while _is_being_written(root / LOCK):
        time.sleep(_POLL_SEC)


def _is_being_written(lock: Path) -> bool:
    """Tell whether ``dvc.lock`` is cut, and young: DVC (3.67) writes it in place, when it has given its locks back."""
    if not _is_young(lock):
        return False
    try:
        read_lock(lock.read_bytes())
    except BrokenLockError:
        return True
    except OSError:
        return False
    return False


def _is_young(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime <= _WRITING_SEC
    return False


def _users_of_dvc(root: Path) -> dict[int, str]:
    """Return the commands of DVC that live and hold a lock, or may do so, by their process."""
    locks = _locks_of_dvc(root)
    if locks is None:
        return _commands_of_dvc(root)
    found = {}
    for pid, command in locks.items():
        # The number of one that was killed may be another program's by now.
        with suppress(psutil.Error):
            if any("dvc" in part for part in psutil.Process(pid).cmdline()):
                found[pid] = command
    found.pop(os.getpid(), None)
    # Between two stages, and while it writes dvc.lock, a command holds none.
    if not found and _is_young(root / _LOCKS):
        return _commands_of_dvc(root)
    return found


def _locks_of_dvc(root: Path) -> dict[int, str] | None:
    """Return the commands in DVC's list of files in use, by their process; None where it is broken."""
    try:
        content = (root / _LOCKS).read_bytes()
    except OSError:
        return {}
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        locks = json.loads(content)
        readers = [info for infos in locks.get("read", {}).values() for info in infos]
        infos = [*locks.get("write", {}).values(), *readers]
        return {int(info["pid"]): str(info["cmd"]) for info in infos}
    return None


def _commands_of_dvc(root: Path) -> dict[int, str]:
    """Return all commands of DVC that run in the repository, by their process."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            is_dvc = any(Path(part).name in _PROGRAMS for part in command)
            if is_dvc and Path(process.cwd()).is_relative_to(root.resolve()):
                found[process.pid] = " ".join(command)
    return found


def _remove_broken_locks(root: Path) -> None:
    """Remove DVC's list of files in use where it is broken still when nobody writes it."""
    # Here, since few runs need it, and it takes long to import.
    from dvc.config import Config
    from dvc.exceptions import DvcException
    from dvc.lock import make_lock

    file, folder = root / _LOCKS, str(root / _FOLDER)
    # What keeps others from writing DVC removes, or says, when it runs.
    with suppress(DvcException):
        is_hardlink = Config(str(root / ".dvc"))["core"].get("hardlink_lock", False)
        with make_lock(f"{file}.lock", tmp_dir=folder, hardlink_lock=is_hardlink):
            if _locks_of_dvc(root) is None:
                file.unlink()
                _LOG.warning(
                    "%s: is cut, since DVC was killed while it wrote it; removed.",
                    _LOCKS,
                )


def _tell(pid: object, what: str) -> None:
    _LOG.warning(
        "Process %s is at work here (%s); waiting for it. To end it: kill %s",
        pid,
        printable(what),
        pid,
    )
