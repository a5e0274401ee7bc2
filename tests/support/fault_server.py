"""A web server on loopback that fails as it is told, request by request."""

from __future__ import annotations

import email.utils
import gzip
import os
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

PIECE_BYTES = 1 << 14
MODIFIED = email.utils.formatdate(1_700_000_000, usegmt=True)


@dataclass(frozen=True)
class Step:
    """How one request is answered; by default as a good server does.

    Attributes
    ----------
    status : int
        An answer of that status instead of the file; 0 for the file.
    headers : mapping
        More headers, or others; an empty value leaves a header out.
    content : bytes
        Sent instead of the file's.
    ranges : bool
        Heed the Range header.
    ignores_if_range : bool
        Give the range, whatever the condition says.
    knows_if_range : bool
        Otherwise a request with a condition gets the whole file.
    begin : int
        Where the answer to a Range request begins, instead of where it should.
    most : int
        Give no more of a range than so many bytes.
    has_length : bool
        Say how long the body is.
    promised : int
        Say that the body is that much longer than it is.
    chunked : bool
        Send the body in chunks, which need no length.
    raw : bytes
        Sent instead of an HTTP answer.
    again : bytes
        Sent after `raw` again and again, `trickle` seconds apart.
    compress : bool
        Compress the body, and say so.
    stop_after : int
        Break off after that many bytes of the body.
    how : str
        To break off: ``close``, ``reset`` (a TCP reset) or ``stall`` (keep silent).
    trickle : float
        Send what would come after `stop_after` byte by byte, so many seconds apart.
    endless : bool
        After the body, go on with zeros.
    wait_for : threading.Event
        Send nothing before it is set.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    ranges: bool = True
    ignores_if_range: bool = False
    knows_if_range: bool = True
    begin: int | None = None
    most: int | None = None
    has_length: bool = True
    promised: int = 0
    chunked: bool = False
    raw: bytes | None = None
    again: bytes = b""
    compress: bool = False
    stop_after: int | None = None
    how: str = "close"
    trickle: float = 0.0
    endless: bool = False
    wait_for: threading.Event | None = None


@dataclass(frozen=True)
class Request:
    """What a client asked for: the request line's target, and the headers."""

    target: str
    headers: Mapping[str, str]

    @property
    def begin(self) -> int:
        """The first byte that was asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))
        assert match is not None
        return int(match[1])


class FaultServer:
    """A running server: its address, its files, what it is to do, and what it has done.

    Attributes
    ----------
    url : str
    files : dict
        Path to content.
    steps : deque of Step
        For the next requests, in order.
    default : Step
        For the requests after those.
    always : dict
        Path to the Step for it, before all others.
    requests : list of Request
    sent : Counter
        Bytes of bodies that went out, by path.
    """

    def __init__(self, files: Mapping[str, bytes], steps: tuple[Step, ...], default: Step) -> None:
        self.url = ""
        self.files = dict(files)
        self.steps = deque(steps)
        self.default = default
        self.always: dict[str, Step] = {}
        self.requests: list[Request] = []
        self.sent: Counter[str] = Counter()
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def next_step(self, request: Request, path: str) -> Step:
        with self._lock:
            self.requests.append(request)
            if path in self.always:
                return self.always[path]
            return self.steps.popleft() if self.steps else self.default

    def count(self, path: str, num_bytes: int) -> None:
        with self._lock:
            self.sent[path] += num_bytes


@contextmanager
def fault_server(
    files: Mapping[str, bytes],
    *steps: Step,
    default: Step | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[FaultServer]:
    """Serve `files` (path to content).

    Parameters
    ----------
    steps : Step
        For the first requests, in order.
    default : Step, optional
        For all after those.
    certificate : (Path, Path), optional
        Speak TLS, with this certificate and key.
    """
    state = FaultServer(files, steps, default or Step())

    class Handler(_Handler):
        server_state = state

    server = _Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "http" if certificate is None else "https"
    state.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    # A short poll, because closing waits for it.
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Clients that break off, or refuse the certificate, are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server_state: FaultServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        state = self.server_state
        path = unquote(urlsplit(self.path).path)
        step = state.next_step(Request(self.path, dict(self.headers.items())), path)
        if step.wait_for is not None:
            step.wait_for.wait(60)
        if step.raw is not None:
            self.wfile.write(step.raw)
            while step.again:
                self.wfile.write(step.again)
                time.sleep(step.trickle)
            return
        if path not in state.files or step.status:
            self._send_head(step.status or 404, {"Content-Length": "0"}, step)
            return
        whole = state.files[path] if step.content is None else step.content
        etag = step.headers.get("ETag", f'"{len(whole)}-{hash(whole) & 0xFFFF:x}"')
        begin = self._wanted(step, etag)
        body, headers = whole, {"ETag": etag, "Last-Modified": MODIFIED}
        if begin is not None and begin >= len(whole):
            headers |= {"Content-Range": f"bytes */{len(whole)}", "Content-Length": "0"}
            self._send_head(416, headers, step)
            return
        if begin is not None:
            begin = begin if step.begin is None else step.begin
            body = whole[begin : self._wanted_end()][: step.most]
            headers["Content-Range"] = f"bytes {begin}-{begin + len(body) - 1}/{len(whole)}"
        if step.compress:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        if step.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif step.has_length:
            headers["Content-Length"] = str(len(body) + step.promised)
        self._send_head(200 if begin is None else 206, headers, step)
        self._send_body(body, path, step)

    def _wanted(self, step: Step, etag: str) -> int | None:
        """Return where the wanted range begins; None for the whole file."""
        match = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if match is None or not step.ranges or (condition and not step.knows_if_range):
            return None
        if condition not in (None, etag, MODIFIED) and not step.ignores_if_range:
            return None
        return int(match[1])

    def _wanted_end(self) -> int | None:
        """Return where the wanted range ends, the last byte included; None for the end of the file."""
        last = self.headers["Range"].rpartition("-")[2]
        return int(last) + 1 if last else None

    def _send_head(self, status: int, headers: dict[str, str], step: Step) -> None:
        self.send_response(status)
        for name, value in {**headers, **step.headers, "Connection": "close"}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def _send_body(self, body: bytes, path: str, step: Step) -> None:
        rest = b"" if step.stop_after is None else body[step.stop_after :]
        body = body if step.stop_after is None else body[: step.stop_after]
        for place in range(0, len(body), PIECE_BYTES):
            piece = body[place : place + PIECE_BYTES]
            if step.chunked:
                self.wfile.write(f"{len(piece):x}\r\n".encode())
            self._send(piece, path)
            if step.chunked:
                self.wfile.write(b"\r\n")
        if step.chunked and step.stop_after is None:
            self.wfile.write(b"0\r\n\r\n")
        for byte in rest if step.trickle else b"":
            self._send(bytes([byte]), path)
            time.sleep(step.trickle)
        while step.endless:
            self._send(bytes(PIECE_BYTES), path)
        if step.stop_after is not None and step.how == "reset":
            # Closed with nothing to linger for: the kernel sends a reset, not an end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        elif step.stop_after is not None and step.how == "stall":
            self._keep_silent()

    def _send(self, piece: bytes, path: str) -> None:
        # Counted first: once it is written, the client may be done and the test look.
        self.server_state.count(path, len(piece))
        self.wfile.write(piece)

    def _keep_silent(self) -> None:
        """Wait until the client or the test gives up."""
        while not self.server_state.closing.is_set():
            if select.select([self.connection], [], [], 0.05)[0]:
                return
