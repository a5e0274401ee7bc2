"""Measure commands: wall and processor time, and the memory of the whole tree of processes."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil

SAMPLE_SEC = 0.01
OURS = [sys.executable, "-m", "ensembl_annotations.cli"]

# Children are found by reading every process of the machine, which at the rate of the samples would
# take a tenth of a core from what is measured.
_CHILDREN_EVERY = 20

Measured = dict[str, float]
"""``wall_sec``, ``cpu_sec``, ``peak_mb``, ``read_mb`` of one run of a command."""


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command and return what it and its children took.

    Returns
    -------
    dict
        ``wall_sec``; ``cpu_sec``, user and system; ``peak_mb``, the largest sum of resident sets
        (10^6 bytes), sampled every 10 ms; children are looked for every 200 ms. Pages that processes share are counted in each;
        ``read_mb``, what was read by system calls, from disk, page cache or pipe (not by memory
        maps); 0 where the system does not tell.

    Raises
    ------
    SystemExit
        Where the command fails, with its last words.
    """
    before = os.times()
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        peak = 0
        ended = threading.Event()

        def watch() -> None:
            nonlocal peak
            family: list[psutil.Process] = []
            for sample in count():
                if ended.wait(SAMPLE_SEC):
                    return
                if sample % _CHILDREN_EVERY == 0:
                    family = _family(process.pid)
                peak = max(peak, sum(map(_resident_bytes, family)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        read = _wait(process)
        wall = time.perf_counter() - began
        ended.set()
        watcher.join()
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)}\n{errors.read().decode()[-2000:]}")
    after = os.times()
    cpu = sum(
        getattr(after, name) - getattr(before, name)
        for name in ("children_user", "children_system")
    )
    return {"wall_sec": wall, "cpu_sec": cpu, "peak_mb": peak / 1e6, "read_mb": read / 1e6}


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process; return the bytes that it and the children it waited for have read."""
    read = 0
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        # Linux adds a child's counters to its parent's, and keeps them until the parent is waited
        # for.
        with suppress(OSError):
            counters = Path(f"/proc/{process.pid}/io").read_text().split()
            read = int(counters[counters.index("rchar:") + 1])
    process.wait()
    return read


def _family(root: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    with suppress(psutil.Error):
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    return []


def _resident_bytes(process: psutil.Process) -> int:
    # A process may end while it is looked at.
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def interleaved(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    environment: Mapping[str, str] | None = None,
    removed: Mapping[str, Sequence[Path]] | None = None,
) -> dict[str, list[Measured]]:
    """Run all commands in turn, `rounds` times; `removed` must be gone before each."""
    timed: dict[str, list[Measured]] = {label: [] for label in commands}
    for _ in range(rounds):
        for label, command in commands.items():
            for path in (removed or {}).get(label, ()):
                remove(path)
            timed[label].append(measure(command, environment))
    return timed


def medians(timed: Mapping[str, Sequence[Measured]]) -> dict[str, Measured]:
    return {
        label: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for label, rows in timed.items()
    }


def ratio(
    timed: Mapping[str, Sequence[Measured]], slow: str, fast: str, key: str = "wall_sec"
) -> float:
    """Return the median over the rounds of slow's time over fast's in the same round."""
    pairs = zip(timed[slow], timed[fast], strict=True)
    return statistics.median(one[key] / max(two[key], 0.005) for one, two in pairs)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def need(*programs: str) -> dict[str, str]:
    """Return the paths of programs, or stop with what is missing."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    found = {name: shutil.which(name, path=path) for name in programs}
    if missing := [name for name, where in found.items() if where is None]:
        sys.exit(
            f"Missing: {', '.join(missing)}. Install what the comparison needs; nothing was timed."
        )
    return {name: where for name, where in found.items() if where is not None}


def version_of(program: str, *arguments: str) -> str:
    """Return the first line a program prints about itself."""
    done = subprocess.run(
        [program, *(arguments or ("--version",))], capture_output=True, text=True, check=False
    )
    return (done.stdout or done.stderr).splitlines()[0]


_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {base}/nginx.pid;
error_log {base}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  sendfile on;
  client_body_temp_path {base}/body;
  proxy_temp_path {base}/proxy;
  fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi;
  scgi_temp_path {base}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a folder by an nginx on loopback; give its address."""
    program = need("nginx")["nginx"]
    with tempfile.TemporaryDirectory(prefix="nginx-") as name, socket.socket() as probe:
        base = Path(name)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = base / "nginx.conf"
        configuration.write_text(
            _NGINX.format(user=user, base=base, port=port, root=root.resolve())
        )
        process = subprocess.Popen(
            [program, "-p", name, "-c", str(configuration), "-e", str(base / "error.log")],
            stderr=subprocess.PIPE,
        )
        try:
            limit = time.monotonic() + 20
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > limit:
                    process.kill()
                    sys.exit(f"nginx does not start: {process.communicate()[1].decode()}")
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
