"""A real OpenSSH server on loopback, for SFTP, with a key of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.nginx import free_port

_CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {base}/host
PidFile {base}/pid
AuthorizedKeysFile {base}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Sshd:
    """A running server."""

    port: int
    key: Path


@contextmanager
def sshd(base: Path) -> Iterator[Sshd]:
    """Serve the whole file system to who has the key; skip the test where sshd is missing."""
    program = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if program is None:
        pytest.skip("sshd is not installed")
    base.mkdir(parents=True, exist_ok=True)
    port = free_port()
    for name in ("host", "client"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", base / name], check=True
        )
    (base / "config").write_text(_CONFIGURATION.format(base=base, port=port))
    if os.geteuid() == 0:
        # Where it drops its rights; Debian makes it when the service starts.
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [program, "-D", "-f", str(base / "config"), "-E", str(base / "log")]
    process = subprocess.Popen(command)
    try:
        limit = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None, (base / "log").read_text()
            assert time.monotonic() < limit
            time.sleep(0.05)
        yield Sshd(port, base / "client")
    finally:
        process.terminate()
        process.wait()
