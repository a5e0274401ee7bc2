"""Runs that are killed in the middle: what stays, what git takes of it, and who removes it."""

from __future__ import annotations

import fcntl
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from ensembl_annotations.project.turns import one_at_a_time
from tests.integration.helpers import SAMPLE_VCF, Project, install_hooks
from tests.support.vcf import build_store, command, many_snvs

PATIENCE_SEC = 60
BIG = "data/annotated/big"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("reference"), ["22"])


def wait_for(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE_SEC
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def unfinished(folder: Path) -> list[Path]:
    return sorted(folder.rglob(".*.tmp"))


@contextmanager
def annotating(project: Project, store: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the checkout that has written half of its outputs and waits for more of its input."""
    arguments = ("--vcf", "-", "--reference", store, "--memory-mb", 400)
    outputs = ("--out-vcf", f"{name}.vcf.gz", "--out-parquet", f"{name}.parquet")
    environment = {**project.environment, "PYTHONPATH": str(project.path("src"))}
    with subprocess.Popen(
        command("annotate", *arguments, *outputs),
        cwd=project.root,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(many_snvs(200_000))
        wait_for(lambda: _is_half_written(project.root, name))
        try:
            yield process
        finally:
            process.kill()


def _is_half_written(folder: Path, name: str) -> bool:
    sizes = [path.stat().st_size for path in folder.glob(f".{name}.*.tmp")]
    return len(sizes) == 2 and min(sizes) >= 1000


def test_git_takes_nothing_of_a_killed_run(seed: Project, store: Path, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    install_hooks(clone)
    with annotating(clone, store, "mine") as process:
        process.kill()
        process.wait()
    left = unfinished(clone.root)
    assert len(left) == 2
    clone.git("add", "--all")
    assert clone.git("diff", "--cached", "--name-only") == ""
    # Nor where somebody insists, or gives it another name.
    for number, path in enumerate(left):
        clone.path(f"half{number}").write_bytes(path.read_bytes())
    clone.git("add", "--force", "half0", "half1", *left)
    done = clone.run("git", "commit", "--message", "A leak", code=1)
    assert "Not committed: half0: is a parquet file." in done.output
    assert "Not committed: half1: is a VCF." in done.output
    assert done.output.count(": is what a run that was killed left of a file.") == 2


def test_the_next_command_removes_what_is_left_but_not_what_is_written(
    seed: Project, store: Path, tmp_path: Path
) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.path("data/annotated/old").mkdir(parents=True)
    with annotating(clone, store, "dead") as process:
        process.kill()
        process.wait()
    dead = unfinished(clone.root)
    elsewhere = [clone.path(f"data/annotated/old/{path.name}") for path in dead]
    elsewhere[0].write_bytes(b"PAR1")
    with annotating(clone, store, "living") as process:
        # Its start was a command here.
        assert len(unfinished(clone.root)) == 2
        elsewhere[1].write_bytes(b"half")
        living = unfinished(clone.root)
        source = {"PYTHONPATH": str(clone.path("src"))}
        clone.run(*command("cache", "list"), **source)
        assert unfinished(clone.root) == [path for path in living if path.parent == clone.root]
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_SEC) == 0
    assert unfinished(clone.root) == []
    assert clone.path("living.vcf.gz").exists()


def code_of(program: str) -> tuple[int, str]:
    """Run a program of Python, and return its exit code and what it said."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, timeout=30, check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_signal_that_comes_while_an_object_is_freed_ends_the_program() -> None:
    """Python ignores what is raised there."""
    program = (
        "import os, signal, time\n"
        "from ensembl_annotations.cli import _catch_signals\n"
        "class Freed:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(0.1)\n"
        "_catch_signals()\n"
        "Freed()\n"
        "time.sleep(50)\n"
    )
    assert code_of(program)[0] == 143


def test_a_signal_that_another_thread_gets_ends_the_program() -> None:
    """The main thread waits for a pipe, and the system does not interrupt it."""
    program = (
        "import os, signal, threading, time\n"
        "from ensembl_annotations.cli import _catch_signals\n"
        "_catch_signals()\n"
        "threading.Thread(target=time.sleep, args=(50,), daemon=True).start()\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "os.read(os.pipe()[0], 1)\n"
    )
    assert code_of(program)[0] == 143


def test_a_program_that_can_not_tidy_up_is_killed() -> None:
    program = (
        "import os, signal, threading\n"
        "from ensembl_annotations import cli\n"
        "cli._TIDYING_SEC = 0.2\n"
        "cli._catch_signals()\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    threading.Event().wait(50)\n"
        "finally:\n"
        "    threading.Event().wait(50)\n"
    )
    code, said = code_of(program)
    assert code == -signal.SIGKILL
    assert "the next command removes what is left" in said


def test_a_second_signal_does_not_stop_the_tidying(
    seed: Project, store: Path, tmp_path: Path
) -> None:
    # Of a terminal that closes, the system tells, and the shell; 'make' and systemd send SIGTERM, too.
    clone = seed.clone(tmp_path / "clone")
    with annotating(clone, store, "mine") as process:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            process.send_signal(number)
        assert process.wait(PATIENCE_SEC) in (129, 130, 143)
    assert clone.git("status", "--porcelain", "--ignored", "*mine*", ".*mine*") == ""


def test_nohup_is_kept_to(seed: Project, store: Path, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with annotating(clone, store, "mine") as process:
            process.send_signal(signal.SIGHUP)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE_SEC) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert clone.path("mine.vcf.gz").exists()


# --- Under DVC -----------------------------------------------------------------------------------


@pytest.fixture
def big(project: Project) -> Project:
    """The project with a sample that takes long to annotate, and programs that can be killed."""
    project.path("data/vcf/big.vcf").write_bytes(many_snvs(200_000))
    project.set_param("samples", {"big": {"vcf": "data/vcf/big.vcf"}})
    return project.with_real_programs()


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return a process and all that it started, directly or not."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def check_gone(started: list[psutil.Process], project: Project) -> None:
    """Assert that all have ended and that no part of an output is there, before any other command."""
    _, alive = psutil.wait_procs(started, timeout=PATIENCE_SEC)
    assert alive == []
    left = [path for path in project.path("data").rglob("*") if "big/" in str(path)]
    assert left == []
    assert unfinished(project.root) == []


COMMANDS = {
    "materialize": command("materialize", "annotated_vcf@big"),
    "dvc repro": [sys.executable, "-m", "dvc", "repro", "annotate@big"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_that_closes(name: str, big: Project) -> None:
    master, terminal = pty.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        COMMANDS[name],
        cwd=big.root,
        env={**big.environment, "PYTHONPATH": str(big.path("src"))},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=own_terminal,  # noqa: PLW1509 (this process has one thread)
    )
    os.close(terminal)
    os.set_blocking(master, False)

    def has_begun() -> bool:
        assert process.poll() is None
        with suppress(BlockingIOError):
            os.read(master, 1 << 16)
        return bool(unfinished(big.path("data/annotated")))

    wait_for(has_begun)
    started = family(process)
    os.close(master)
    process.wait(PATIENCE_SEC)
    check_gone(started, big)


def test_materialize_that_is_ended_ends_its_stage(big: Project, project: Project) -> None:
    process = begun(big, COMMANDS["materialize"])
    started = family(process)
    process.terminate()
    assert process.wait(PATIENCE_SEC) == 143
    check_gone(started, big)
    # The demonstration's sample is annotated as ever.
    project.set_param("samples", {"sample": {"vcf": SAMPLE_VCF}})
    project.materialize()


def begun(big: Project, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Return a run whose stage has begun to write."""
    process = subprocess.Popen(
        arguments,
        cwd=big.root,
        env={**big.environment, "PYTHONPATH": str(big.path("src"))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: unfinished(big.path("data/annotated")))
    return process


@pytest.fixture
def with_make(big: Project) -> list[str]:
    (big.path(".venv/bin")).mkdir(parents=True)
    big.path(".venv/bin/ensembl-annotations").write_text(
        f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', "utf-8"
    )
    big.path(".venv/bin/ensembl-annotations").chmod(0o755)
    return ["make", "--old-file=.venv/.ready", "all"]


def test_make_that_is_ended_ends_all_that_it_started(big: Project, with_make: list[str]) -> None:
    process = begun(big, with_make)
    started = family(process)
    process.terminate()
    process.wait(PATIENCE_SEC)
    check_gone(started, big)


def seen_waiting(
    big: Project, arguments: list[str], text: str, resume: Callable[[], object]
) -> str:
    """Run a command, let others go on once it says that it waits, and return what it printed."""
    log = big.root.with_name("log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            arguments,
            cwd=big.root,
            env={**big.environment, "PYTHONPATH": str(big.path("src"))},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        wait_for(lambda: text in log.read_text("utf-8") or process.poll() is not None)
        assert text in log.read_text("utf-8")
        assert process.poll() is None
    finally:
        resume()
    code = process.wait(3 * PATIENCE_SEC)
    said = log.read_text("utf-8")
    assert code == 0, said
    return said


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("num_killed", range(3))
def test_make_waits_for_what_is_at_work(
    big: Project, with_make: list[str], num_killed: int
) -> None:
    """Of make and materialize as many are killed; the next one names the process that is left."""
    process = begun(big, with_make)
    # DVC starts a stage by a shell, which stays between the two where it is dash, not bash.
    chain = [item for item in family(process) if item.name() not in {"sh", "dash", "bash"}]
    assert len(chain) == 4
    chain[-1].suspend()
    for item in chain[:num_killed]:
        item.kill()
    holder = chain[max(num_killed, 1)]
    text = f"Process {holder.pid} is at work here"
    # Nothing of the next one is killed.
    shutil.rmtree(big.path(".venv"))
    big.add_environment()
    said = seen_waiting(big, with_make, text, chain[-1].resume)
    process.wait(PATIENCE_SEC)
    # Where nothing waits for orphans, a process that has ended stays as a zombie.
    wait_for(lambda: all(has_ended(item) for item in chain))
    assert big.path(f"{BIG}/annotated.vcf.gz").exists(), said


def test_a_stage_waits_for_one_whose_dvc_was_killed(big: Project) -> None:
    big.path("data/vcf/big.vcf").write_bytes(many_snvs(10))
    with ExitStack() as stack:
        stack.enter_context(one_at_a_time(big.root, "annotated_vcf@big"))
        text = f"Process {os.getpid()} is at work here (annotated_vcf@big)"
        seen_waiting(big, COMMANDS["dvc repro"], text, stack.close)
    assert big.path(f"{BIG}/annotated.vcf.gz").exists()


def test_a_stage_that_was_killed_is_run_again(big: Project, project: Project) -> None:
    process = begun(big, COMMANDS["dvc repro"])
    for item in family(process):
        item.kill()
    process.wait(PATIENCE_SEC)
    assert unfinished(big.path("data/annotated"))
    big.git("add", "--all")
    assert "tmp" not in big.git("diff", "--cached", "--name-only")
    big.path("data/vcf/big.vcf").write_bytes(many_snvs(10))
    project.materialize()
    assert unfinished(big.root) == []
    assert big.path(f"{BIG}/annotated.vcf.gz").exists()
