"""Turns of processes in a repository, and DVC's list of the files that its commands use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.project.turns import one_at_a_time, wait_for_dvc
from tests.support.messages import heard


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/config").touch()
    return tmp_path / ".dvc/tmp/rwlock"


def test_what_a_link_names_is_not_written_to(locks: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    locks.with_name("ensembl-annotations.x").symlink_to(target)
    refused = pytest.raises(EnsemblAnnotationsError, match=r"ensembl-annotations\.x")
    with refused, one_at_a_time(tmp_path, "x"):
        pass
    assert target.read_text() == "kept"


@pytest.mark.parametrize("content", [b"", b'{"read": {"a": [{"pi', b"[]", b"\xff", b'{"read": 1}'])
def test_locks_that_a_kill_left_half_written_are_removed(
    content: bytes, locks: Path, tmp_path: Path
) -> None:
    locks.write_bytes(content)
    with heard() as said:
        wait_for_dvc(tmp_path)
    assert not locks.exists()
    assert len(said) == 1
    assert said[0].startswith(".dvc/tmp/rwlock: is cut")


def test_locks_of_a_command_that_has_ended_are_left_to_dvc(locks: Path, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    content = json.dumps({"write": {"a": {"pid": ended.pid, "cmd": "dvc repro"}}})
    locks.write_text(content)
    wait_for_dvc(tmp_path)
    assert locks.read_text() == content


def test_broken_locks_stay_while_dvc_is_at_work(locks: Path, tmp_path: Path) -> None:
    locks.touch()
    folder = tmp_path / "data"
    folder.mkdir()
    command = [sys.executable, "-c", "input()", "dvc"]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE) as dvc, heard() as said:
        waiting = threading.Thread(target=wait_for_dvc, args=(tmp_path,))
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive()
        assert locks.exists()
        dvc.communicate(b"\n")
        waiting.join(30)
    assert not locks.exists()
    assert f"Process {dvc.pid} is at work here" in said[0]


def test_dvc_is_waited_for_between_two_stages(locks: Path, tmp_path: Path) -> None:
    """Then it holds no lock, and it may write dvc.lock at any moment."""
    locks.write_text("{}")
    command = [sys.executable, "-c", "input()", "dvc"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE) as dvc:
        waiting = threading.Thread(target=wait_for_dvc, args=(tmp_path,))
        waiting.start()
        waiting.join(1)
        is_waiting = waiting.is_alive()
        dvc.communicate(b"\n")
        waiting.join(30)
    assert is_waiting


def test_a_lock_that_dvc_is_writing_is_waited_for(locks: Path, tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_bytes(b"")
    waiting = threading.Thread(target=wait_for_dvc, args=(tmp_path,))
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive()
    lock.write_text("schema: '2.0'\nstages: {}\n")
    waiting.join(30)
    assert not waiting.is_alive()


def test_a_lock_that_was_left_cut_is_not_waited_for(locks: Path, tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text("<<<<<<< ours\n")
    os.utime(lock, (1, 1))
    waiting = threading.Thread(target=wait_for_dvc, args=(tmp_path,), daemon=True)
    waiting.start()
    waiting.join(3)
    assert not waiting.is_alive()
