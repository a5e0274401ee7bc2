"""A real S3 server: SeaweedFS, on loopback, with keys of several rights."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

# An administrator's uploads make the buckets that are not there.
KEYS = {"admin": ["Admin"], "writer": ["Read", "Write", "List"], "reader": ["Read", "List"]}


def secret_of(key: str) -> str:
    return f"{key}-secret"


_START_SEC = 60


def find_weed() -> str | None:
    """Return the server's program, from the environment's PyPI package or the system."""
    own = Path(sys.executable).parent / "weed"
    return str(own) if own.exists() else shutil.which("weed")


@dataclass
class S3Server:
    """A server that can be stopped and started again; its files stay."""

    folder: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = find_weed()
        assert program is not None
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": secret_of(name)}],
                "actions": actions,
            }
            for name, actions in KEYS.items()
        ]
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": identities}))
        master, volume, filer, *grpc, s3 = _free_ports(8)
        self.port = self.port or s3
        command = [
            program, "server", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-master.port={master}", f"-master.port.grpc={grpc[0]}", f"-volume.port={volume}",
            f"-volume.port.grpc={grpc[1]}", "-filer", f"-filer.port={filer}",
            f"-filer.port.grpc={grpc[2]}", "-s3", f"-s3.port={self.port}", f"-s3.config={config}",
            f"-s3.port.grpc={grpc[3]}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.port.grpc={grpc[3]}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            "-volume.max=50", "-master.volumeSizeLimitMB=64", "-master.volumePreallocate=false",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + _START_SEC
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.2)
        raise RuntimeError(f"no S3 server:\n{(self.folder / 'log').read_text()[-2000:]}")

    def _answers(self) -> bool:
        with suppress(Exception):
            self.files().ls("", refresh=True)
            return True
        return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def files(self, key: str = "admin"):  # type: ignore[no-untyped-def]
        """Return the server's files as fsspec shows them: as they are now, no list is kept."""
        return _files(self.url, key)


@cache
def _files(url: str, key: str):  # type: ignore[no-untyped-def]
    """Return one for each server and key: a client takes half a second to make."""
    import s3fs

    return s3fs.S3FileSystem(
        key=key,
        secret=secret_of(key),
        endpoint_url=url,
        skip_instance_cache=True,
        use_listings_cache=False,
    )


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()
