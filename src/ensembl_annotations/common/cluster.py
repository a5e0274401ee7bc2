"""Work on the machines of a Dask cluster, and take the results in the items' order, as `in_order` does with threads.

The *head* is the process that asks; a *worker* is a process of the cluster. Both see the same files under the same
paths, and have the same packages: each task carries what the head sees, and a worker that sees anything else refuses
it. So a result can't depend on who made it. Dask sees to it that what a lost worker had is done by another.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError, explain_os_error
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.json_files import read_object
from ensembl_annotations.common.logs import Told, collected_warnings, tell
from ensembl_annotations.common.metrics import stamp_of
from ensembl_annotations.common.pool import limited_threads

Answer = TypeVar("Answer")

MIN_TASK_MB = 400
PART_BYTES = 12 << 20
"""Text of a VCF that a worker annotates as one task: with fewer, longer ones the last workers are waited for."""

_CONNECT_SEC = 20
_WORKERS_SEC = 120
# Of a worker's limit: from 60 % on Dask moves results to the disk, at 80 % it waits, at 95 % it ends the worker.
_SHARE = 0.55
_FOLDER = Path(__file__).parents[1]
# What the bytes of results depend on, beside this package.
_LIBRARIES = ("deflate", "numpy", "polars", "pyarrow")


class ClusterError(EnsemblAnnotationsError):
    """The cluster can't be used; nothing is wrong with the data."""

    default_code = "cluster"


class Task(Protocol):
    """What a worker gets to work on: it has to see these files as the head does."""

    @property
    def files(self) -> tuple[Path, ...]: ...


class _Seen(NamedTuple):
    """What the head sees, and a worker has to see."""

    packages: Mapping[str, str]
    contents: Mapping[Path, str]
    files: Mapping[Path, tuple[int, int] | None]


@contextmanager
def opened_cluster(scheduler: str | None, *contents: Path) -> Iterator[Cluster | None]:
    """Connect to the cluster of a scheduler; to none without one.

    Parameters
    ----------
    scheduler : str or None
        ``tcp://HOST:PORT``, or the path of a scheduler's file.
    contents : Path
        Files whose content has to be the same for all.

    Raises
    ------
    ClusterError
        Where there is no answer, or no worker.
    """
    if not scheduler:
        yield None
        return
    cluster = Cluster(scheduler, contents)
    try:
        yield cluster
    finally:
        cluster.shutdown()


class Cluster(Executor):
    """Runs tasks on the workers of a cluster; see `opened_cluster`.

    Attributes
    ----------
    memory_mb : int
        What a task may use on each of the workers, in 10^6 bytes.
    num_threads : int
        Tasks that are worked on at a time.
    ahead : int
        Tasks that may be under way or waiting, so that no worker has to wait for the head.
    part_bytes : int
        Text of a VCF for a task.
    """

    part_bytes = PART_BYTES

    def __init__(self, scheduler: str, contents: tuple[Path, ...]) -> None:
        self._scheduler = scheduler
        self._client = _connected(scheduler)
        self._packages = packages_here()
        self._contents = {path.absolute(): sha256_of(path) for path in contents}
        try:
            self._look_at_workers()
        except BaseException:
            self.shutdown()
            raise

    def _look_at_workers(self) -> None:
        with self._explained():
            try:
                self._client.wait_for_workers(1, timeout=_WORKERS_SEC)
            except TimeoutError:
                raise ClusterError(
                    f"{self._scheduler}: expected a worker within {_WORKERS_SEC} s, found none.",
                    hint="Start workers ('dask worker'), or look into their logs.",
                ) from None
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        self.num_threads = sum(worker["nthreads"] for worker in workers.values())
        self.ahead = 2 * self.num_threads
        shares = {
            name: int(_SHARE * worker["memory_limit"] / worker["nthreads"] / 1_000_000)
            for name, worker in workers.items()
            # 0 is no limit.
            if worker["memory_limit"]
        }
        least = min(shares, key=shares.__getitem__, default=None)
        self.memory_mb = shares[least] if least is not None else MIN_TASK_MB
        if self.memory_mb < MIN_TASK_MB:
            needed = int(MIN_TASK_MB / _SHARE) + 1
            raise ClusterError(
                f"worker {least}: memory for a task: expected at least {MIN_TASK_MB} MB, found {self.memory_mb}.",
                hint=f"Start workers with '--memory-limit {needed}MB' for each of their threads, or more.",
            )

    def submit(self, fn: Callable[..., Answer], /, *args: Any, **kwargs: Any) -> Future[Answer]:
        """Have a worker call `fn` with a `Task`."""
        (task,) = args
        files = {path: _size_and_time(path) for path in task.files}
        seen = _Seen(self._packages, self._contents, files)
        with self._explained():
            return _Remote(self, self._client.submit(checked, seen, fn, task, pure=False))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, which goes on."""
        # Where the scheduler is gone there is nobody to take leave of.
        with suppress(Exception):
            self._client.close(timeout=1)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from distributed import KilledWorker

        try:
            yield
        except EnsemblAnnotationsError:
            raise
        except KilledWorker as error:
            raise ClusterError(
                f"{self._scheduler}: a task was given up, since the worker ended each time: {error}",
                hint="Look into the workers' logs; most often a worker has too little memory.",
            ) from error
        except (CancelledError, OSError) as error:
            raise ClusterError(
                f"{self._scheduler}: the connection to the scheduler was lost ({error}).",
                hint="Start the cluster again, then run the same command; nothing was written under a final name.",
            ) from error
        except Exception as error:
            raise ClusterError(
                f"{self._scheduler}: a worker failed ({type(error).__name__}: {error}).",
                hint="Look into the workers' logs. All have to be started from the environment of the head: "
                f"{_described(self._packages)}.",
            ) from error


class _Remote(Future[Answer]):
    """What a worker makes; it stays there until it is asked for."""

    def __init__(self, cluster: Cluster, future: Any) -> None:
        super().__init__()
        self._cluster, self._future = cluster, future

    def result(self, timeout: float | None = None) -> Answer:
        with self._cluster._explained():
            answer, told = self._future.result(timeout)
        self._future.release()
        tell(told)
        return cast(Answer, answer)

    def cancel(self) -> bool:
        with suppress(Exception):
            self._future.cancel()
        return True


def _connected(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--scheduler: expected the package dask.distributed, found none.",
            hint="Install the extra cluster: pip install 'ensembl-annotations[cluster]'.",
        ) from error
    # What it says of a lost connection is said by us.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    address = scheduler if "://" in scheduler else read_object(Path(scheduler)).get("address")
    if not address:
        raise ClusterError(
            f"--scheduler {scheduler}: expected tcp://HOST:PORT, or the file that a scheduler wrote; found no "
            "address in it.",
            hint="Start 'dask scheduler --scheduler-file FILE' first, where all machines see the file.",
        )
    connect: Callable[..., Any] = Client
    try:
        return connect(address, timeout=_CONNECT_SEC, set_as_default=False, direct_to_workers=True)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{scheduler}: expected Dask's scheduler at {address}, found no answer ({error}).",
            hint="Start it, or correct --scheduler; without one the work is done on this machine.",
        ) from error


# --- On a worker


def checked(seen: _Seen, work: Callable[[Any], Answer], task: Any) -> tuple[Answer, list[Told]]:
    """Do a task, if this worker sees what the head sees; return what it gives, and what was warned of."""
    _compare("packages", seen.packages, packages_here())
    _limit_polars()
    for path, digest in seen.contents.items():
        _compare(str(path), digest, _digest_of(path, stamp_of(path)))
    for path, found in seen.files.items():
        _compare(str(path), found, _size_and_time(path))
    try:
        # As many tasks as the worker has threads are under way.
        with limited_threads(1), collected_warnings() as told:
            return work(task), told
    except OSError as error:
        explained = explain_os_error(error, "", "working")
        explained.message = f"worker {_worker_name()}: {explained.message}"
        raise explained from error


def _limit_polars() -> None:
    """Have polars, if nothing has imported it yet, start as many threads as the worker has, not as the machine has cores."""
    from distributed import get_worker

    with suppress(ValueError):
        if not os.environ.get("POLARS_MAX_THREADS"):
            os.environ["POLARS_MAX_THREADS"] = str(get_worker().state.nthreads)


def _compare(what: str, expected: object, found: object) -> None:
    if expected == found:
        return
    raise ClusterError(
        f"worker {_worker_name()}: {what}: expected {_described(expected)} as at the head, found "
        f"{_described(found)}.",
        hint="Start all workers from the environment of the head; VCFs and store have to be on a file system that "
        "all machines have under the same path.",
    )


def _described(item: object) -> str:
    if item is None:
        return "no file"
    if isinstance(item, Mapping):
        return ", ".join(f"{name} {value}" for name, value in item.items())
    if isinstance(item, tuple):
        return f"{item[0]:,} bytes of time {item[1]}"
    return str(item)[:12]


def _worker_name() -> str:
    import socket

    from distributed import get_worker

    with suppress(ValueError):
        worker = get_worker()
        return f"{worker.name} ({worker.address} on {socket.gethostname()})"
    return socket.gethostname()


def _size_and_time(path: Path) -> tuple[int, int] | None:
    """Return what two machines see alike of a file; None without it."""
    stamp = stamp_of(path)
    return None if stamp is None else (stamp[2], stamp[3])


@cache
def _digest_of(path: Path, stamp: tuple[int, ...] | None) -> str | None:
    return None if stamp is None else sha256_of(path)


@cache
def packages_here() -> dict[str, str]:
    """Return the versions of what results depend on; of this package a digest of its code, too."""
    import platform
    from importlib.metadata import version

    digest = hashlib.sha256()
    paths = sorted(path for end in ("*.py", "*.c", "*.h") for path in _FOLDER.rglob(end))
    for path in paths:
        digest.update(f"{path.relative_to(_FOLDER)}\n".encode() + path.read_bytes())
    own = f"{version('ensembl-annotations')} ({digest.hexdigest()[:12]})"
    return {
        "ensembl-annotations": own,
        "Python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in _LIBRARIES},
    }
