"""Figures and logs of runs that end well, and of those that do not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.logs import PACKAGE
from ensembl_annotations.common.metrics import (
    ResourceMeter,
    log_run,
    logged_run,
    recorded_run,
    stamp_of,
)

USAGE = {"duration_sec", "cpu_percent", "peak_memory_mb", "finished_at"}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_meter_measures_time_and_memory() -> None:
    with ResourceMeter() as meter:
        held = bytearray(60_000_000)
        time.sleep(0.15)
    del held
    found = meter.as_metrics()
    assert found["duration_sec"] >= 0.15
    assert found["peak_memory_mb"] > 60
    assert ResourceMeter().cpu_percent == 0


def test_a_meter_knows_the_memory_of_a_block_without_a_sample() -> None:
    with ResourceMeter() as meter:
        pass
    assert 1e6 < meter.peak_bytes < 1e12
    assert meter.cpu_sec >= 0


def test_a_run_has_failed_until_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with recorded_run(path, {"a": 1}) as figures:
        figures["status"] = "done"
    content = json.loads(path.read_bytes())
    assert (content["a"], content["status"]) == (1, "done")
    assert set(content) >= USAGE
    with pytest.raises(KeyError), recorded_run(path, {}) as figures:
        figures["status"] = "done"
        raise KeyError("x")
    assert json.loads(path.read_bytes())["status"] == "failed"


def test_figures_that_can_not_be_written_do_not_hide_the_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), recorded_run(tmp_path, {}):
        raise KeyError("x")
    with pytest.raises(EnsemblAnnotationsError, match="is a folder"), recorded_run(tmp_path, {}):
        pass


def test_the_log_of_runs_has_a_line_for_each(tmp_path: Path) -> None:
    log, out = tmp_path / "logs" / "runs.jsonl", tmp_path / "out"
    (out / "b").mkdir(parents=True)
    (out / "a").write_bytes(b"123")
    (out / "b" / "c").write_bytes(b"4567")
    log_run(log, "x", {"status": "done"}, {"n": 5}, out)
    log_run(log, "x", {"status": "failed"}, None, out)
    assert lines(log) == [
        {"asset": "x", "status": "done", "num_files": 2, "size_bytes": 7, "content": {"n": 5}},
        {"asset": "x", "status": "failed"},
    ]


def test_a_line_that_was_cut_does_not_take_the_next_one_along(tmp_path: Path) -> None:
    log = tmp_path / "runs.jsonl"
    log.write_text('{"asset": "cu')
    log_run(log, "x", {}, None, tmp_path)
    assert log.read_text() == '{"asset": "cu\n{"asset": "x"}\n'


def test_no_run_fails_for_its_log(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log_run(tmp_path / "file" / "runs.jsonl", "x", {}, {}, tmp_path)


def test_a_stage_logs_what_it_says_and_what_ended_it(tmp_path: Path) -> None:
    def run(error: BaseException | None) -> None:
        with logged_run("a", "s", tmp_path / "out", tmp_path / "m", tmp_path / "r", tmp_path):
            PACKAGE.warning(" careful \n")
            if error is not None:
                raise error

    run(None)
    ends = (
        (EnsemblAnnotationsError("bad", hint="do", code="c"), {"code": "c", "hint": "do"}),
        (KeyboardInterrupt(), {"code": "interrupted"}),
        (ValueError("oops"), {"code": "crash"}),
    )
    for error, expected in ends:
        with pytest.raises(type(error)):
            run(error)
        last = lines(tmp_path / "s.jsonl")[-1]
        assert (last["level"], last | expected) == ("error", last)
    assert "Traceback" in last["message"]
    said = lines(tmp_path / "s.jsonl")[:2]
    assert [(line["level"], line["message"]) for line in said] == [
        ("info", "Started."),
        ("warning", "careful"),
    ]
    statuses = [line.get("status") for line in lines(tmp_path / "runs.jsonl")]
    assert statuses == [None, "failed", "failed", "failed"]


def test_a_stamp_changes_when_a_file_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert stamp_of(path) is None
    path.write_text("1")
    before = stamp_of(path)
    assert before == stamp_of(path) is not None
    path.unlink()
    (tmp_path / "other").touch()
    path.write_text("1")
    assert stamp_of(path) != before
