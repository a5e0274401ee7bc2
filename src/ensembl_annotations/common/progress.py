"""How far a long run is."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from ensembl_annotations.common.logs import is_watched

if TYPE_CHECKING:
    from tqdm import tqdm

_LOG = logging.getLogger(__name__)

_NUM_SAMPLES = 10


class _Track:
    """One kind of work: how much there is, how much is done, and how fast it goes.

    The rate is that of the last few samples, so that it follows a connection that gets slower.
    """

    def __init__(self, name: str, total_bytes: int) -> None:
        self.name, self.total_bytes, self.done_bytes = name, total_bytes, 0
        self.bar: tqdm[NoReturn] | None = None
        self.samples: deque[tuple[float, int]] = deque(maxlen=_NUM_SAMPLES)

    def sample(self, now: float) -> None:
        self.samples.append((now, self.done_bytes))

    def text(self) -> str:
        """Return such as ``download 1.20 of 25.00 GB (4.8 %), 11.3 MB/s, 35 min left``."""
        total = max(self.total_bytes, 1)
        parts = [
            f"{self.name} {format_bytes(self.done_bytes)} of {format_bytes(self.total_bytes)} "
            f"({100 * self.done_bytes / total:.1f} %)"
        ]
        (first, before), (last, done) = self.samples[0], self.samples[-1]
        rate = (done - before) / (last - first) if last > first else 0.0
        left = self.total_bytes - self.done_bytes
        if left > 0:
            parts.append(f"{format_bytes(max(rate, 0))}/s")
            parts.append(f"{format_duration(left / rate)} left" if rate > 0 else "waiting")
        return ", ".join(parts)


def format_bytes(num_bytes: float) -> str:
    """Return a size in kB, MB (10^6) or GB (10^9)."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if abs(num_bytes) >= factor:
            return f"{num_bytes / factor:.2f} {unit}"
    return f"{num_bytes / 1e3:.1f} kB"


def format_duration(seconds: float) -> str:
    """Return a duration in seconds, minutes, or hours and minutes, rounded."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Show how far a run is: bars where messages go to a terminal, a message now and then elsewhere.

    It may be used by several threads at once. Where nobody wants to see what happens, nothing is shown.

    Parameters
    ----------
    interval_sec : float
        Between two messages.
    """

    def __init__(self, interval_sec: float = 30.0) -> None:
        self._interval_sec = interval_sec
        self._lock = threading.RLock()
        self._tracks: dict[str, _Track] = {}

    @contextmanager
    def running(
        self, download_bytes: int = 0, convert_bytes: int = 0, annotate_bytes: int = 0
    ) -> Iterator[None]:
        """Show progress while the block runs; a total of 0 means that there is no such work.

        Parameters
        ----------
        download_bytes, convert_bytes, annotate_bytes : int
            What is to be downloaded, converted and annotated, in all.
        """
        totals = {
            "download": download_bytes, "convert": convert_bytes, "annotate": annotate_bytes,
        }  # fmt: skip
        # Of what one thread of several does, nobody wants to see a bar of its own.
        has_bars = is_watched() and threading.current_thread() is threading.main_thread()
        with self._lock:
            self._tracks = {
                name: _Track(name, total) for name, total in totals.items() if total > 0
            }
            for track in self._tracks.values():
                track.sample(time.monotonic())
                if has_bars:
                    track.bar = self._bar(track)
        ended = threading.Event()
        reporter = threading.Thread(
            target=self._report_until, args=(ended,), name="progress", daemon=True
        )
        if self._tracks and not has_bars:
            reporter.start()
        try:
            yield
        finally:
            ended.set()
            if reporter.ident is not None:
                reporter.join()
            with self._lock:
                for track in self._tracks.values():
                    if track.bar is not None:
                        track.bar.close()
                self._tracks = {}

    def downloaded(self, num_bytes: int) -> None:
        """Count bytes that were downloaded; negative where they were discarded."""
        self._count("download", num_bytes)

    def converted(self, num_bytes: int) -> None:
        """Count bytes (of the compressed input) that were converted."""
        self._count("convert", num_bytes)

    def annotated(self, num_bytes: int) -> None:
        """Count bytes (of the VCF, as it is packed) that were annotated."""
        self._count("annotate", num_bytes)

    def report(self) -> None:
        """Say how far everything is."""
        with self._lock:
            now = time.monotonic()
            for track in self._tracks.values():
                track.sample(now)
            if self._tracks:
                _LOG.info("; ".join(track.text() for track in self._tracks.values()))

    def _count(self, name: str, num_bytes: int) -> None:
        with self._lock:
            track = self._tracks.get(name)
            if track is None:
                return
            track.done_bytes += num_bytes
            if track.bar is not None:
                track.bar.update(num_bytes)

    def _report_until(self, ended: threading.Event) -> None:
        while not ended.wait(self._interval_sec):
            self.report()

    def _bar(self, track: _Track) -> tqdm[NoReturn]:
        # It would take a tenth of the start of a command that has no bar.
        from tqdm import tqdm

        return tqdm(
            total=track.total_bytes,
            desc=f"{track.name:<8}",
            unit="B",
            unit_scale=True,
            dynamic_ncols=True,
            leave=False,
        )
