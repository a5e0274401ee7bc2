"""What a killed run leaves behind is removed; what another run is writing never is."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ensembl_annotations.common import atomic
from ensembl_annotations.common.atomic import (
    Outputs,
    atomic_path,
    prepare_to_write,
    remove_leftovers,
)
from ensembl_annotations.common.errors import EnsemblAnnotationsError

WRITE = """
import sys
from pathlib import Path
from ensembl_annotations.common.atomic import Outputs
with Outputs() as outputs:
    print(outputs.temporary(Path(sys.argv[1])), flush=True)
    sys.stdin.read()
"""


@contextmanager
def writing(final: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that writes a file until its input ends."""
    command = [sys.executable, "-c", WRITE, str(final)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        path.write_text("half a genome")
        yield process, path


def left_behind(final: Path) -> Path:
    with writing(final) as (process, path):
        process.kill()
    assert path.exists()
    return path


@pytest.mark.parametrize("other", ["a.vcf.gz", "b.vcf.gz"])
def test_what_a_killed_run_left_goes_when_anything_is_written_there(
    other: str, tmp_path: Path
) -> None:
    path = left_behind(tmp_path / "a.vcf.gz")
    with atomic_path(tmp_path / other) as temporary:
        assert not path.exists()
        temporary.write_text("whole")
    assert [item.name for item in tmp_path.iterdir()] == [other]


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    final = tmp_path / "a.vcf.gz"
    dead = left_behind(final)
    with writing(final) as (process, path):
        assert remove_leftovers([tmp_path]) in ([], [dead])
        with atomic_path(final) as temporary:
            temporary.write_text("from here")
        assert path.exists()
        assert not dead.exists()
        assert final.read_text() == "from here"
        process.communicate("")
    assert process.returncode == 0
    assert final.read_text() == "half a genome"
    assert list(tmp_path.iterdir()) == [final]


def test_what_this_process_is_writing_stays(tmp_path: Path) -> None:
    with Outputs() as outputs:
        path = outputs.temporary(tmp_path / "a")
        path.write_text("a")
        assert remove_leftovers([tmp_path]) == []
        outputs.write_text(tmp_path / "b", "b")
        assert path.exists()
    assert {item.name for item in tmp_path.iterdir()} == {"a", "b"}


def test_a_stopped_process_is_a_living_one(tmp_path: Path) -> None:
    with writing(tmp_path / "a") as (process, path):
        process.send_signal(signal.SIGSTOP)
        assert remove_leftovers([tmp_path]) == []
        assert path.exists()
        process.send_signal(signal.SIGCONT)
        process.kill()


def test_what_another_machine_wrote_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On NFS with local locks, nobody here knows whether it is being written.
    path = left_behind(tmp_path / "a")
    monkeypatch.setattr(atomic, "_machine", lambda: "00000000")
    assert remove_leftovers([tmp_path]) == []
    assert path.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    ours = left_behind(tmp_path / "a")
    ending = ours.name.removeprefix(".a.")
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in (f"a.{ending}", ".a.tmp", ".a.12345678.tmp", f".a.{ending}~", f".{ending}"):
        (tmp_path / name).write_text("mine")
    (tmp_path / f".link.{ending}").symlink_to(mine)
    (tmp_path / f".folder.{ending}").mkdir()
    os.mkfifo(tmp_path / f".pipe.{ending}")
    before = {path.name for path in tmp_path.iterdir()}
    assert remove_leftovers([tmp_path, tmp_path / "none"]) == [ours]
    assert {path.name for path in tmp_path.iterdir()} == before - {ours.name}
    assert mine.read_text() == "mine"


def test_files_are_made_while_others_look_for_leftovers(tmp_path: Path) -> None:
    """A file that is not locked yet may be taken for a leftover; the run must not lose it."""
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            remove_leftovers([tmp_path])

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(100):
            with atomic_path(tmp_path / "a") as temporary, temporary.open("r+") as handle:
                handle.write(f"{number}")
            assert (tmp_path / "a").read_text() == f"{number}"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_without_locks_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with Outputs() as outputs:
        path = outputs.temporary(tmp_path / "a")
        path.write_text("a")
        outputs.write_text(tmp_path / "b", "b")
        assert path.exists()
    assert {item.name for item in tmp_path.iterdir()} == {"a", "b"}


def test_files_appear_together(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("old")
    with Outputs() as outputs:
        outputs.temporary(tmp_path / "new" / "a").write_text("a")
        outputs.write_json(tmp_path / "b.json", {"z": 1, "a": "ü"})
        outputs.write_text(tmp_path / "gone", "x")
        outputs.forget(tmp_path / "gone")
        outputs.remove_stale(old)
        assert old.exists()
        seen = [path for path in tmp_path.rglob("*") if not path.name.startswith(".")]
        assert seen == [tmp_path / "new", old] or seen == [old, tmp_path / "new"]
    assert (tmp_path / "new" / "a").read_text() == "a"
    assert (tmp_path / "b.json").read_text() == '{\n  "z": 1,\n  "a": "ü"\n}\n'
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b.json", "new"]


def test_a_folder_is_searched_for_leftovers_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[Path] = []
    monkeypatch.setattr(atomic, "remove_leftovers", searched.extend)
    with Outputs() as outputs:
        for name in ("a", "b", "c/a", "c/b", "d"):
            outputs.temporary(tmp_path / name)
    assert searched == [tmp_path, tmp_path / "c"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("old")
    with pytest.raises(KeyError), Outputs() as outputs:
        outputs.write_text(kept, "new")
        outputs.remove_stale(kept)
        raise KeyError("x")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "old")]


def test_an_error_of_the_system_is_explained(tmp_path: Path) -> None:
    full = pytest.raises(EnsemblAnnotationsError, match=r"a: the disk is full")
    with full as caught, atomic_path(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.code == "disk_full"
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_replaced_is_refused_before_it_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "pipe", "a pipe or a device")):
        with pytest.raises(EnsemblAnnotationsError, match=f"is {kind}; expected a file"):
            prepare_to_write(path)
    prepare_to_write(tmp_path / "x" / "y" / "z")
    assert (tmp_path / "x" / "y").is_dir()
