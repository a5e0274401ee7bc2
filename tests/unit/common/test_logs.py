from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.logs import (
    LIBRARIES,
    NORMAL,
    PACKAGE,
    QUIET,
    VERBOSE,
    about,
    few_printed,
    forwarded_messages,
    logged_stage,
    printed_messages,
)

LIBRARY = logging.getLogger("urllib3.connectionpool")
MODULE = logging.getLogger("ensembl_annotations.fetch.mirrors")


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (QUIET, ["odd", "broken"]),
        (NORMAL, ["asked 100 % of it", "odd", "broken"]),
        (VERBOSE, ["fetch.mirrors: GET", "asked 100 % of it", "odd", "broken"]),
        (LIBRARIES, ["fetch.mirrors: GET", "asked 100 % of it", "odd", "connectionpool: new", "broken"]),
    ],
)  # fmt: skip
def test_what_is_printed(
    verbosity: int, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with printed_messages(verbosity):
        MODULE.debug("GET")
        MODULE.info("asked 100 % of it")
        MODULE.warning("odd")
        LIBRARY.debug("new")
        LIBRARY.warning("broken")
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == len(expected)
    # Details begin with the time; everything else is printed as it is.
    assert all(line.endswith(end) for line, end in zip(lines, expected, strict=True))
    assert [line for line in lines if not line[0].isdigit()] == [
        text for text in expected if ":" not in text
    ]


def test_afterwards_all_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    before = PACKAGE.level, logging.getLogger().level, list(logging.getLogger().handlers)
    with pytest.raises(KeyError), printed_messages(LIBRARIES):
        raise KeyError
    assert (PACKAGE.level, logging.getLogger().level, logging.getLogger().handlers) == (
        *before[:2],
        before[2],
    )
    PACKAGE.info("not printed")
    assert capsys.readouterr().err == ""


def test_a_library_prints_nothing_by_itself() -> None:
    code = (
        "import ensembl_annotations, logging; logging.getLogger('ensembl_annotations.x').error('!')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def read(path: Path) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert all(line.pop("time").endswith("Z") for line in lines)
    return lines


def test_the_log_of_a_stage(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "stage.jsonl"
    with printed_messages(), logged_stage(path):
        MODULE.debug("too much")
        MODULE.info("  a file \u00e4")
        MODULE.warning("odd")
        LIBRARY.warning("not ours")
    MODULE.warning("after the end")
    assert read(path) == [
        {"level": "info", "message": "Started."},
        {"level": "info", "message": "a file \u00e4"},
        {"level": "warning", "message": "odd"},
    ]


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (UsageError("wrong", hint="Do it."), {"code": "usage", "hint": "Do it.", "message": "wrong"}),
        (KeyboardInterrupt(), {"code": "interrupted", "message": "Interrupted."}),
        (SystemExit(143), {"code": "interrupted", "message": "Interrupted."}),
    ],
)  # fmt: skip
def test_the_error_that_ends_a_stage(
    error: BaseException, logged: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "stage.jsonl"
    # A line that a full disk has cut does not swallow the next one.
    path.write_text('{"time": "2026')
    with pytest.raises(type(error)), logged_stage(path):
        raise error
    path.write_text(path.read_text().partition("\n")[2])
    assert read(path)[1:] == [{"level": "error", **logged}]


def test_a_crash_is_logged_with_its_traceback(tmp_path: Path) -> None:
    path = tmp_path / "stage.jsonl"
    with pytest.raises(ZeroDivisionError), logged_stage(path):
        print(1 // 0)
    last = read(path)[-1]
    assert last["code"] == "crash"
    assert "ZeroDivisionError" in last["message"]
    assert "test_logs.py" in last["message"]


def test_no_run_fails_for_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with printed_messages(), logged_stage(tmp_path / "logs" / "stage.jsonl"):
        MODULE.info("goes on")


def test_what_happens_is_forwarded_while_the_block_runs() -> None:
    target, before = logging.Logger("target"), (PACKAGE.level, list(PACKAGE.handlers))
    records: list[tuple[int, str]] = []
    target.addFilter(lambda record: records.append((record.levelno, record.getMessage())))
    with forwarded_messages(target):
        MODULE.debug("GET")
        MODULE.info("100 % of it")
        MODULE.warning("odd")
    MODULE.warning("later")
    assert records == [(logging.INFO, "100 % of it"), (logging.WARNING, "odd")]
    assert (PACKAGE.level, PACKAGE.handlers) == before


def test_of_thousands_only_the_first_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.jsonl"
    with printed_messages(), logged_stage(log), few_printed(2, log):
        MODULE.info("begins")
        for number in range(5):
            with about(f"s{number}"):
                MODULE.warning("odd")
        MODULE.error("broken")
    printed = capsys.readouterr().err.splitlines()
    assert printed == ["begins", "s0: odd", "s1: odd", "broken", f"3 more of these are in {log}"]
    logged = [json.loads(line)["message"] for line in log.read_text().splitlines()]
    assert [message for message in logged if "odd" in message] == [f"s{at}: odd" for at in range(5)]
