"""Figures of a run: seconds, processor, memory. Kept apart from figures of the content."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.json_files import read_object
from ensembl_annotations.common.logs import append_line, logged_stage, now_utc

if TYPE_CHECKING:
    import psutil

SAMPLE_SEC = 0.05
_FIRST_SAMPLE_SEC = 0.5
# Where the system does not list a process's children, psutil reads every process to find them.
_CHILDREN_EVERY = 10

LOGS = Path("logs")
RUN_LOG = LOGS / "runs.jsonl"
"""A line of JSON for each run on this machine; not in git."""


class ResourceMeter:
    """Measure wall time, processor time and peak memory of this process and its children.

    Use as a context manager. Memory is the sum of the resident sets, sampled every 50 ms from half a
    second on, so a shorter peak can be missed; children are looked for every half second. Of a block
    that ends before the first sample it is the largest that this process had so far.
    """

    def __init__(self) -> None:
        self._processes: list[psutil.Process] = []
        self._num_samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_bytes = 0
        self.duration_sec = self.cpu_sec = 0.0

    def __enter__(self) -> ResourceMeter:
        self._began = time.perf_counter()
        self._cpu_before = self._cpu_sec()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._num_samples:
            self._sample()
        else:
            self.peak_bytes = _peak_bytes()
        self.duration_sec = time.perf_counter() - self._began
        self.cpu_sec = self._cpu_sec() - self._cpu_before

    @property
    def cpu_percent(self) -> float:
        """Processor time over wall time; 100 is one core kept busy."""
        return 100 * self.cpu_sec / self.duration_sec if self.duration_sec else 0.0

    def _cpu_sec(self) -> float:
        return sum(os.times()[:4])

    def _sample(self) -> None:
        # Here, since a short run has ended before it would be imported.
        import psutil

        if self._num_samples % _CHILDREN_EVERY == 0:
            own = psutil.Process()
            self._processes = [own, *own.children(recursive=True)]
        self._num_samples += 1
        total = 0
        for process in self._processes:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        self.peak_bytes = max(self.peak_bytes, total)

    def _watch(self) -> None:
        wait_sec = _FIRST_SAMPLE_SEC
        while not self._stop.wait(wait_sec):
            self._sample()
            wait_sec = SAMPLE_SEC

    def as_metrics(self) -> dict[str, float]:
        """Return duration_sec, cpu_percent, peak_memory_mb (10^6 bytes), rounded."""
        return {
            "duration_sec": round(self.duration_sec, 3),
            "cpu_percent": round(self.cpu_percent, 1),
            "peak_memory_mb": round(self.peak_bytes / 1e6, 1),
        }


def _peak_bytes() -> int:
    """Return the largest resident set that this program had so far."""
    # getrusage would tell that of the program which forked this one, if that was larger.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes


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


def log_run(
    log: Path, asset: str, run: Mapping[str, Any], content: Mapping[str, Any] | None, out: Path
) -> None:
    """Append a line to the log of runs.

    Parameters
    ----------
    log : Path
        The log; it and its folder are made where they are missing.
    asset : str
        ``ensembl_annotations``, or ``annotated_vcf@sample``.
    run : mapping
        Figures of the run.
    content : mapping or None
        Figures of the content, by which what was made is recognised; None where the run failed.
    out : Path
        The asset's folder; the number of its files and their bytes are kept with `content`.
    """
    line: dict[str, Any] = {"asset": asset, **run}
    # What was made is made: no run fails for its log.
    with suppress(OSError):
        if content is not None:
            sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
            line |= {"num_files": len(sizes), "size_bytes": sum(sizes), "content": dict(content)}
        append_line(log, line)


@contextmanager
def logged_run(
    asset: str, stage: str, out: Path, metrics: Path, run_metrics: Path, logs: Path = LOGS
) -> Iterator[None]:
    """Log a block, which makes an asset, whether it ends well or not.

    Parameters
    ----------
    asset, out
        As of `log_run`.
    stage : str
        The stage of ``dvc.yaml``, which the log of its messages has its name from.
    metrics, run_metrics : Path
        The JSON files that the block writes: figures of the content, and those of `recorded_run`.
    logs : Path
        The folder of the logs: a line per run in ``runs.jsonl``, messages in ``<stage>.jsonl``.
    """
    before, began = stamp_of(run_metrics), time.perf_counter()
    try:
        with logged_stage(logs / f"{stage}.jsonl"):
            yield
    except BaseException:
        # Without figures of its own it failed before there was anything to measure.
        figures = {"duration_sec": round(time.perf_counter() - began, 3)}
        if stamp_of(run_metrics) != before:
            figures = read_object(run_metrics)
        failed = {"status": "failed", "finished_at": now_utc()}
        log_run(logs / RUN_LOG.name, asset, figures | failed, None, out)
        raise
    log_run(logs / RUN_LOG.name, asset, read_object(run_metrics), read_object(metrics), out)


def stamp_of(file: Path | int) -> tuple[int, ...] | None:
    """Return what changes when a file, by its path or number, is written or replaced; None without it.

    Notes
    -----
    Device, inode, size and time of the last change of the content. Not the ctime: it also changes where
    a backup links the file, or where its mode is set, and a run of hours would fail for it.
    """
    try:
        status = os.stat(file)  # noqa: PTH116 (a number is no path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
