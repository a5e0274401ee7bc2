"""Messages: where the front doors send what the package's loggers say.

A module logs to `logging.getLogger(__name__)`, which prints nothing by itself. The level says who wants to see a
message: WARNING what must be known of the data, INFO what happens, DEBUG its details.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.words import printable, printable_lines

PACKAGE = logging.getLogger("ensembl_annotations")
QUIET, NORMAL, VERBOSE, LIBRARIES = -1, 0, 1, 2
"""How much is printed: warnings only; what happens; details; the details of libraries, too."""

Told = tuple[str, int, str, str]
"""The logger of a message, its level, the name before it and its text."""

_about: ContextVar[str] = ContextVar("about", default="")


@contextmanager
def about(name: str) -> Iterator[None]:
    """Put a name before what this thread says while the block runs, such as that of one of many samples."""
    token = _about.set(f"{name}: ")
    try:
        yield
    finally:
        _about.reset(token)


QUIET_VARIABLE = "ENSEMBL_ANNOTATIONS_QUIET"
"""Has a stage print warnings and errors only; all that it says is in its log."""

_LEVELS = {QUIET: logging.WARNING, NORMAL: logging.INFO}


class _Printer(logging.Handler):
    """Prints messages on stderr, above the bars that are there; details with time and module."""

    def emit(self, record: logging.LogRecord) -> None:
        text = printable_lines(_about.get() + record.getMessage())
        if record.levelno < logging.INFO:
            moment = time.strftime("%H:%M:%S", time.localtime(record.created))
            text = f"{moment} {record.name.removeprefix(f'{PACKAGE.name}.')}: {text}"
        # Where nobody has imported it, there are no bars.
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


@contextmanager
def printed_messages(verbosity: int = NORMAL) -> Iterator[None]:
    """Have messages printed on stderr while the block runs: `QUIET` to `LIBRARIES`."""
    root, printer = logging.getLogger(), _Printer()
    before = root.level, PACKAGE.level
    PACKAGE.setLevel(_LEVELS.get(verbosity, logging.DEBUG))
    if verbosity >= LIBRARIES:
        root.setLevel(logging.DEBUG)
    root.addHandler(printer)
    try:
        yield
    finally:
        root.removeHandler(printer)
        root.setLevel(before[0])
        PACKAGE.setLevel(before[1])


class _Few(logging.Filter):
    """Lets through so many warnings, and so many errors, and counts the others."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._lock = most, threading.Lock()
        self._seen: Counter[int] = Counter()
        self.num_left = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        with self._lock:
            self._seen[record.levelno] += 1
            is_left = self._seen[record.levelno] > self._most
            self.num_left += is_left
        return not is_left


@contextmanager
def few_printed(most: int, log: Path) -> Iterator[None]:
    """Print only the first warnings and errors of a block that may have thousands, and say where all are."""
    few = _Few(most)
    printers = [item for item in logging.getLogger().handlers if isinstance(item, _Printer)]
    for printer in printers:
        printer.addFilter(few)
    try:
        yield
    finally:
        for printer in printers:
            printer.removeFilter(few)
        if few.num_left:
            PACKAGE.warning(f"{few.num_left} more of these are in {log}")


class _Forwarder(logging.Handler):
    """Hands messages on to another logger, which has handlers of its own."""

    def __init__(self, target: logging.Logger) -> None:
        super().__init__(logging.INFO)
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        self._target.log(record.levelno, _about.get() + record.getMessage())


@contextmanager
def forwarded_messages(target: logging.Logger) -> Iterator[None]:
    """Have what happens told to another logger, such as that of a run in Dagster, while the block runs."""
    forwarder, before = _Forwarder(target), PACKAGE.level
    PACKAGE.setLevel(logging.INFO)
    PACKAGE.addHandler(forwarder)
    try:
        yield
    finally:
        PACKAGE.removeHandler(forwarder)
        PACKAGE.setLevel(before)


class _Collector(logging.Handler):
    """Keeps the warnings and errors of one thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.told: list[Told] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.told.append((record.name, record.levelno, _about.get(), record.getMessage()))


@contextmanager
def collected_warnings() -> Iterator[list[Told]]:
    """Collect what this thread warns of while the block runs, for `tell` in another process."""
    collector = _Collector()
    PACKAGE.addHandler(collector)
    try:
        yield collector.told
    finally:
        PACKAGE.removeHandler(collector)


def tell(told: list[Told]) -> None:
    """Say here what another process has collected."""
    for name, level, before, text in told:
        token = _about.set(before)
        logging.getLogger(name).log(level, text)
        _about.reset(token)


def is_watched() -> bool:
    """Tell whether what happens is printed on a terminal that can move its cursor."""
    is_printed = any(isinstance(item, _Printer) for item in logging.getLogger().handlers)
    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return is_printed and is_terminal and PACKAGE.isEnabledFor(logging.INFO)


def now_utc() -> str:
    """Return the time now, ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append a line of JSON to a log; it is one write, so runs at the same time do not mix theirs."""
    text = printable(json.dumps(line, ensure_ascii=False)).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(handle).st_size
        # A full disk may have cut the last line; this one must not become part of it.
        is_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, b"\n" + text if is_cut else text)
    finally:
        os.close(handle)


class _StageLog(logging.Handler):
    """Appends messages to a log, as lines of JSON; no run fails for its log."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        self.write(record.levelname.lower(), _about.get() + record.getMessage())

    def write(self, level: str, message: str, **more: str) -> None:
        line = {"time": now_utc(), "level": level, **more, "message": message.strip()}
        with suppress(OSError):
            append_line(self._path, line)

    def write_error(self, error: BaseException) -> None:
        if isinstance(error, EnsemblAnnotationsError):
            more = {"code": error.code} | ({"hint": error.hint} if error.hint else {})
            self.write("error", error.message, **more)
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            self.write("error", "Interrupted.", code="interrupted")
        else:
            self.write("error", "".join(traceback.format_exception(error)), code="crash")


@contextmanager
def logged_stage(path: Path) -> Iterator[None]:
    """Append what a stage says to a log, for machines: ``time``, ``level``, ``message`` in a line each.

    Notes
    -----
    Levels are ``info``, ``warning`` and ``error``. The error that ends the block has a ``code`` too, the stable
    word of `EnsemblAnnotationsError` or ``interrupted`` or ``crash``, and a ``hint`` where there is one.
    """
    log = _StageLog(path)
    log.write("info", "Started.")
    PACKAGE.addHandler(log)
    try:
        yield
    except BaseException as error:
        log.write_error(error)
        raise
    finally:
        PACKAGE.removeHandler(log)
