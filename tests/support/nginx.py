"""A real nginx on loopback that serves a folder."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_CONFIGURATION = """
{modules}
{user}
daemon off;
worker_processes 1;
pid {base}/nginx.pid;
error_log {base}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format sent '$status $body_bytes_sent $request_method $request_uri $http_range';
  access_log {base}/access.log sent;
  client_body_temp_path {base}/body;
  proxy_temp_path {base}/proxy;
  fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi;
  scgi_temp_path {base}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {root};
    {server}
  }}
}}
"""


_MARK = re.compile(" /[0-9a-f]{16} ")


@dataclass(frozen=True)
class Nginx:
    """A running server: its address, and what it was asked for."""

    url: str
    base: Path

    def requests(self) -> list[tuple[int, int, str, str, str]]:
        """Return (status, body bytes sent, method, path, Range header or ``-``) per request.

        A request is logged after its answer was sent. The only worker logs in order, so what was
        answered before stands in the log once a request of our own does.
        """
        mark = f"/{secrets.token_hex(8)}"
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(self.url + mark)
        limit = time.monotonic() + 20
        while mark not in (text := (self.base / "access.log").read_text()):
            assert time.monotonic() < limit
            time.sleep(0.01)
        rows = [line.split(" ", 4) for line in text.splitlines() if _MARK.search(line) is None]
        return [(int(row[0]), int(row[1]), row[2], row[3], row[4]) for row in rows]

    def bytes_sent(self, name: str) -> int:
        """Return how many bytes of files whose path ends with `name` went out."""
        return sum(row[1] for row in self.requests() if row[3].endswith(name))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def nginx(
    base: Path, root: Path, server: str = "", modules: Sequence[Path] = ()
) -> Iterator[Nginx]:
    """Serve `root`; skip the test where nginx is missing.

    Parameters
    ----------
    base : Path
        A folder for the server's own files, outside `root`.
    root : Path
        What is served at ``/``.
    server : str
        More directives for the ``server`` block, such as ``limit_rate`` or ``location``.
    modules : sequence of Path
        Dynamic modules to load.
    """
    program = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if program is None:
        pytest.skip("nginx is not installed")
    base.mkdir(parents=True, exist_ok=True)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    loaded = "".join(f"load_module {path};" for path in modules)
    (base / "nginx.conf").write_text(
        _CONFIGURATION.format(
            base=base, port=port, root=root, user=user, server=server, modules=loaded
        )
    )
    command = [program, "-p", str(base), "-c", str(base / "nginx.conf")]
    process = subprocess.Popen([*command, "-e", str(base / "error.log")], stderr=subprocess.PIPE)
    try:
        limit = time.monotonic() + 20
        while not _listens(port):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < limit
            time.sleep(0.02)
        yield Nginx(f"http://127.0.0.1:{port}", base)
    finally:
        process.terminate()
        process.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
