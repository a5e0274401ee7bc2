"""A Dask cluster of this machine: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_DASK = [sys.executable, "-m", "dask"]
_PATIENCE_SEC = 60


class DaskCluster:
    """A scheduler; `add_worker` starts workers of one thread, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.scheduler = self._start(
            "scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(self.file),
        )  # fmt: skip
        limit = time.monotonic() + _PATIENCE_SEC
        while not self.file.exists():
            assert time.monotonic() < limit, (folder / "scheduler.log").read_text()
            time.sleep(0.05)

    def add_worker(
        self, name: str, memory: str = "2GB", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        # Without a nanny: what is killed is the worker, and nobody starts it again.
        self.workers[name] = self._start(
            name, "worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-nanny",
            "--no-dashboard", "--memory-limit", memory, "--name", name, "--local-directory",
            str(self.folder / f"{name}.local"), environment=environment,
        )  # fmt: skip
        return self.workers[name]

    def _start(
        self, log: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{log}.log").open("wb") as handle:
            return subprocess.Popen(
                [*_DASK, *arguments],
                stdout=handle,
                stderr=handle,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
            )

    def end(self, *names: str) -> None:
        """End workers, by default all, and then the scheduler."""
        for name in names or list(self.workers):
            worker = self.workers.pop(name)
            worker.kill()
            worker.wait()
        if not names:
            self.scheduler.kill()
            self.scheduler.wait()


@contextmanager
def dask_cluster(folder: Path, *workers: str) -> Iterator[DaskCluster]:
    folder.mkdir(parents=True, exist_ok=True)
    cluster = DaskCluster(folder)
    try:
        for name in workers:
            cluster.add_worker(name)
        yield cluster
    finally:
        cluster.end()
