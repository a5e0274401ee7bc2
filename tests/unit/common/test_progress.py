from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from ensembl_annotations.common import progress as progress_module
from ensembl_annotations.common.logs import NORMAL, PACKAGE, QUIET, printed_messages
from ensembl_annotations.common.progress import Progress, format_bytes, format_duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def printed(stream: io.StringIO, verbosity: int = NORMAL) -> Iterator[None]:
    """Have messages printed to a stream in place of stderr."""
    with redirect_stderr(stream), printed_messages(verbosity):
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0.0 kB"),
        (999_999, "1000.0 kB"),
        (1_000_000, "1.00 MB"),
        (173_400_000, "173.40 MB"),
        (25_000_000_000, "25.00 GB"),
        (-2_000_000, "-2.00 MB"),
    ],
)
def test_sizes(num_bytes: int, text: str) -> None:
    assert format_bytes(num_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (7200, "2 h 0 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_line_says_how_far_it_is(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = Progress(interval_sec=1000)
    with printed(stream), progress.running(4_000_000_000, 2_000_000):
        progress.downloaded(1_000_000_000)
        clock[0] = 10.0
        progress.report()
        progress.downloaded(-500_000_000)
        progress.converted(2_000_000)
        clock[0] = 20.0
        progress.report()
    assert stream.getvalue().splitlines() == [
        "download 1.00 GB of 4.00 GB (25.0 %), 100.00 MB/s, 30 s left; "
        "convert 0.0 kB of 2.00 MB (0.0 %), 0.0 kB/s, waiting",
        "download 500.00 MB of 4.00 GB (12.5 %), 25.00 MB/s, 2 min left; "
        "convert 2.00 MB of 2.00 MB (100.0 %)",
    ]


def test_the_rate_is_that_of_late(clock: list[float]) -> None:
    """After a fast beginning and a long silence, the line does not promise the early rate."""
    stream = io.StringIO()
    progress = Progress(interval_sec=1000)
    with printed(stream), progress.running(1_000_000_000, 0):
        progress.downloaded(500_000_000)
        for second in range(1, 20):
            clock[0] = float(second)
            progress.report()
    assert stream.getvalue().splitlines()[-1].endswith("0.0 kB/s, waiting")


def test_lines_come_by_themselves() -> None:
    stream = io.StringIO()
    written = threading.Event()
    write = stream.write

    def note(text: str) -> int:
        written.set()
        return write(text)

    stream.write = note  # type: ignore[method-assign]
    with printed(stream), Progress(interval_sec=0.01).running(10, 10):
        assert written.wait(20)
    assert "download" in stream.getvalue()


def test_nothing_is_said_where_there_is_nothing_to_do() -> None:
    stream = io.StringIO()
    progress = Progress(interval_sec=0.001)
    with printed(stream):
        progress.downloaded(5)
        progress.report()
        with progress.running(0, 0):
            progress.downloaded(5)
            progress.converted(5)
            progress.report()
        PACKAGE.info("done")
    assert stream.getvalue() == "done\n"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet(stream: io.StringIO) -> None:
    progress = Progress(interval_sec=0.001)
    with printed(stream, QUIET), progress.running(10, 10):
        PACKAGE.info("something")
        progress.downloaded(5)
        progress.report()
    assert stream.getvalue() == ""


def test_bars_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = Progress(interval_sec=0.001)
    with printed(stream), progress.running(4_000_000_000, 2_000_000):
        progress.downloaded(3_000_000_000)
        progress.downloaded(-1_000_000_000)
        PACKAGE.info("a line of its own")
        progress.converted(2_000_000)
    text = stream.getvalue()
    assert "download" in text
    assert "convert" in text
    assert "2.00G/4.00G" in text
    assert "a line of its own\n" in text
    with printed(stream):
        PACKAGE.info("afterwards")
    assert stream.getvalue().endswith("afterwards\n")


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    progress = Progress(interval_sec=1000)
    with printed(stream), progress.running(4_000_000_000, 0):
        progress.report()
    assert "\r" not in stream.getvalue()
    assert stream.getvalue().startswith("download 0.0 kB of 4.00 GB")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_many_threads(stream: io.StringIO, clock: list[float]) -> None:
    progress = Progress(interval_sec=1000)
    with printed(stream), progress.running(8 * 3000, 8 * 3000):

        def work() -> None:
            for _ in range(1000):
                progress.downloaded(3)
                progress.converted(3)
            PACKAGE.info("done")

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        progress.report()
    assert stream.getvalue().count("done\n") == 8
    assert "download 24.0 kB of 24.0 kB (100.0 %)" in stream.getvalue()


def test_an_error_ends_the_bars() -> None:
    stream = Terminal()
    progress = Progress()
    with printed(stream), pytest.raises(KeyError), progress.running(10, 0):
        raise KeyError
    with printed(stream):
        PACKAGE.info("still there")
    assert stream.getvalue().endswith("still there\n")
