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

from ensembl_annotations.common.words import printable

_LOG = logging.getLogger(__name__)

_FOLDER = Path(".dvc/tmp")
_POLL_SEC = 0.5


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
    folder.mkdir(exist_ok=True)
    handle = os.open(folder / f"ensembl-annotations.{what}", os.O_RDWR | os.O_CREAT, 0o666)
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

    DVC itself (3.67) fails where another of its commands works on the same files.
    """
    told: set[int] = set()
    while users := _users_of_dvc(root / _FOLDER / "rwlock"):
        for pid in users.keys() - told:
            _tell(pid, users[pid])
        told |= users.keys()
        time.sleep(_POLL_SEC)


def _users_of_dvc(file: Path) -> dict[int, str]:
    """Return the commands of DVC that live and hold a lock, by their process."""
    found = {}
    # It may be just written.
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        content = json.loads(file.read_bytes())
        readers = [info for infos in content.get("read", {}).values() for info in infos]
        for info in [*content.get("write", {}).values(), *readers]:
            # The number of one that was killed may be another program's by now.
            with suppress(psutil.Error):
                if any("dvc" in part for part in psutil.Process(info["pid"]).cmdline()):
                    found[info["pid"]] = info["cmd"]
    found.pop(os.getpid(), None)
    return found


def _tell(pid: object, what: str) -> None:
    _LOG.warning(
        "Process %s is at work here (%s); waiting for it. To end it: kill %s",
        pid,
        printable(what),
        pid,
    )
