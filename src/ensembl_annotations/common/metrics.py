"""Figures of a run: seconds, processor, memory. Kept apart from figures of the content."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import EnsemblAnnotationsError

SAMPLE_SEC = 0.05
# Where the system does not list a process's children, psutil reads every process to find them.
_CHILDREN_EVERY = 10


class ResourceMeter:
    """Measure wall time, processor time and peak memory of this process and its children.

    Use as a context manager. Memory is the sum of the resident sets, sampled every 50 ms, so a
    shorter peak can be missed; children are looked for every half second.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._children: list[psutil.Process] = []
        self._num_samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_bytes = 0
        self.duration_sec = self.cpu_sec = 0.0

    def __enter__(self) -> ResourceMeter:
        self._began = time.perf_counter()
        self._cpu_before = self._cpu_sec()
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sample()
        self._stop.set()
        self._thread.join()
        self.duration_sec = time.perf_counter() - self._began
        self.cpu_sec = self._cpu_sec() - self._cpu_before

    @property
    def cpu_percent(self) -> float:
        """Processor time over wall time; 100 is one core kept busy."""
        return 100 * self.cpu_sec / self.duration_sec if self.duration_sec else 0.0

    def _cpu_sec(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)

    def _sample(self) -> None:
        if self._num_samples % _CHILDREN_EVERY == 0:
            self._children = self._process.children(recursive=True)
        self._num_samples += 1
        total = 0
        for process in [self._process, *self._children]:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        self.peak_bytes = max(self.peak_bytes, total)

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SEC):
            self._sample()

    def as_metrics(self) -> dict[str, float]:
        """Return duration_sec, cpu_percent, peak_memory_mb (10^6 bytes), rounded."""
        return {
            "duration_sec": round(self.duration_sec, 3),
            "cpu_percent": round(self.cpu_percent, 1),
            "peak_memory_mb": round(self.peak_bytes / 1e6, 1),
        }


def now_utc() -> str:
    """Return the time now, ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def recorded_run(path: Path | None, figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Measure a block and write its figures, whether it ends well or not.

    Parameters
    ----------
    path : Path or None
        Where the figures go (JSON); nowhere for None.
    figures : dict
        What is known already; the block adds to it. `status` is ``failed`` until it says
        otherwise; `finished_at` and those of `ResourceMeter` are added at the end.

    Raises
    ------
    EnsemblAnnotationsError
        Where the figures can't be written, unless the block's own error is more important.
    """
    figures["status"] = "failed"
    meter = ResourceMeter()
    try:
        with meter:
            yield figures
    except BaseException:
        figures |= meter.as_metrics() | {"status": "failed", "finished_at": now_utc()}
        if path is not None:
            with suppress(EnsemblAnnotationsError):
                write_json(path, figures)
        raise
    figures |= meter.as_metrics() | {"finished_at": now_utc()}
    if path is not None:
        write_json(path, figures)
