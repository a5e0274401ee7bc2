"""Ask a mirror for a file: https, http, or a folder."""

from __future__ import annotations

import io
import logging
import math
import random
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util import Retry

from ensembl_annotations.common.addresses import without_credentials
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    NotPublishedError,
    SourceError,
    explain_os_error,
)
from ensembl_annotations.fetch.failures import (
    LateError,
    TransientError,
    check_status,
    describe_failure,
    explain_failure,
)

_LOG = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 18
TIMEOUT_SEC = (15.0, 60.0)
"""For connecting, and for the next bytes to arrive."""
HEAD_SEC = 60.0
"""For the whole head of an answer."""
SLOW_SEC, SLOW_BYTES = 120.0, 120 * 1024
TEXT_SEC = 120.0
"""For the whole of a list or a page."""
RETRIES = 8
TEXT_RETRIES = 3
DNS_RETRIES = 2
MAX_RETRY_AFTER_SEC = 600
_MAX_TEXT_BYTES = 16 << 20
_USER_AGENT = f"ensembl-annotations {requests.utils.default_user_agent()}"
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class StoppedError(EnsemblAnnotationsError):
    """The caller asked for the download to stop."""

    def __init__(self) -> None:
        super().__init__(
            "The download was stopped; what has arrived is kept.",
            hint="Run the command again to go on from there.",
            code="stopped",
        )


def stop_if_asked(stop: threading.Event | None) -> None:
    """Raise StoppedError where `stop` is set."""
    if stop is not None and stop.is_set():
        raise StoppedError


def pause(seconds: float, stop: threading.Event | None) -> None:
    """Wait; `stop` ends it at once."""
    if (stop or threading.Event()).wait(seconds):
        raise StoppedError


# --- Addresses -----------------------------------------------------------------------------------


def folder_of(mirror: str) -> Path | None:
    """Return the folder of a mirror that is one (a path, or a ``file`` URL); None for http.

    Raises
    ------
    SourceError
        Where it is no address that can be used.
    """
    shown = without_credentials(mirror)
    try:
        parts = urlsplit(mirror)
    except ValueError as error:
        raise SourceError(
            f"{shown}: not an address ({error}).", hint="Check `run.sources`, or --base-url."
        ) from error
    if not mirror.strip():
        raise SourceError(
            "The address of a mirror is empty.", hint="Check `run.sources`, or --base-url."
        )
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if "://" in mirror:
        raise SourceError(
            f"{shown}: {parts.scheme} is not understood; expected https, http, file or a folder.",
            hint="Check `run.sources`, or --base-url.",
        )
    return Path(mirror)


def url_of(mirror: str, relative: str) -> str:
    """Return the address of a file of an http mirror; its name is data, so it is quoted."""
    return f"{mirror.rstrip('/')}/{quote(relative)}"


# --- Trying again --------------------------------------------------------------------------------


class Attempts:
    """How often a server is asked again, and how long to wait in between.

    Parameters
    ----------
    url : str
        For messages.
    retries : int
        Further attempts after a failure, with growing pauses.
    stop : threading.Event, optional
        Ends a pause.

    Notes
    -----
    The policy is urllib3's: exponential pauses with jitter, Retry-After as seconds or as a date.
    Its own sleeping can't be interrupted, so only its figures are used.
    """

    def __init__(
        self,
        url: str,
        *,
        retries: int = RETRIES,
        stop: threading.Event | None = None,
    ) -> None:
        self._url = url
        self._stop = stop
        self._policy = Retry(
            total=retries,
            backoff_factor=0.5,
            backoff_max=60,
            backoff_jitter=1.0,
            # Without a limit of its own, so that a longer wish is seen and not shortened.
            retry_after_max=2**31,
        )
        self._retry = self._policy
        self._has_progressed = False

    def progressed(self) -> None:
        """Start counting again: a connection that breaks often still gets there."""
        self._retry = self._policy
        self._has_progressed = True

    def wait_after(self, error: TransientError) -> None:
        """Pause after a failed attempt.

        Raises
        ------
        SourceError
            Where that was the last one, or the server asks for more patience than we have.
        StoppedError
        """
        if error.is_dns and not self._has_progressed:
            self._retry = self._retry.new(total=min(int(self._retry.total or 0), DNS_RETRIES))
        try:
            self._retry = self._retry.increment(method="GET", url=self._url, error=error)
        except MaxRetryError:
            count = len(self._retry.history) + 1
            raise SourceError(
                f"{self._url}: {error.reason} ({count} attempts).",
                hint="Check the connection and run the command again; what has arrived is kept.",
                code="unreachable",
            ) from error
        seconds = self._requested(error)
        if seconds is None:
            # Some jitter even at the first: downloads that broke together come back apart.
            seconds = self._retry.get_backoff_time() or random.uniform(0.1, 1.0)
        # A connection that breaks now and then is no news; one that stays broken is.
        is_news = len(self._retry.history) > 1 or error.retry_after
        text = f"{self._url}: {error.reason}; trying again in {seconds:.0f} s."
        _LOG.log(logging.INFO if is_news else logging.DEBUG, text)
        pause(seconds, self._stop)

    def _requested(self, error: TransientError) -> float | None:
        """Return for how many seconds the server asked to be left alone."""
        if error.retry_after is None:
            return None
        try:
            seconds = self._policy.parse_retry_after(error.retry_after)
        except (InvalidHeader, ValueError, OverflowError):
            return None
        if seconds > MAX_RETRY_AFTER_SEC:
            raise SourceError(
                f"{self._url}: {error.reason}; it asks to come back in {seconds:.0f} s, more than "
                f"the {MAX_RETRY_AFTER_SEC} s that are waited for.",
                hint="Run the command again later; what has arrived is kept.",
                code="unreachable",
            )
        return seconds


# --- Reading -------------------------------------------------------------------------------------


class _Timed(io.RawIOBase):
    """The bytes of a connection, up to a deadline (of `time.monotonic`)."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.deadline = time.monotonic() + HEAD_SEC

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self.deadline:
            raise LateError
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedAnswer(HTTPResponse):
    """An answer of which the head, and then each piece of the body, has to be here in time.

    Attributes
    ----------
    end : float
        The deadline for all of it.

    Notes
    -----
    The timeout of a connection begins anew with each byte. A head, what comes before it (``100
    Continue``) and what comes after the body may be sent byte by byte, or have no end.
    """

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.end = math.inf
        self._timed = _Timed(self.fp.detach())
        self.fp = io.BufferedReader(self._timed)

    def read1(self, n: int = -1) -> bytes:
        self._timed.deadline = min(time.monotonic() + SLOW_SEC, self.end)
        return super().read1(n)


class _TimedAdapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        kind = pool.ConnectionCls
        if kind.response_class is not _TimedAnswer:
            pool.ConnectionCls = type(kind.__name__, (kind,), {"response_class": _TimedAnswer})
        return pool


class MirrorSession(requests.Session):
    """Connections to a mirror: redirects are followed where that is safe.

    Notes
    -----
    A redirect leads to https, or from http to http. User and password are those of the mirror's
    address, and go to no other scheme, host or port; requests alone would also send those that
    ``.netrc`` has for the new host. Cookies are neither kept nor sent: a cookie does not know its
    port, so another server on the same host would get it.
    """

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _TimedAdapter())
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        # Its body may have no end, and requests would read it.
        resp.raw.close()
        old, new = urlsplit(resp.url).scheme, urlsplit(urljoin(resp.url, target)).scheme
        if new == "https" or new == old == "http":
            return target
        raise SourceError(
            f"{without_credentials(resp.url)}: redirects to "
            f"{without_credentials(target)[:200]!r}; expected an address with https.",
            hint="Nothing was requested from that address. Use the mirror's new address, or another mirror.",
            code="redirect",
        )

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        headers, old, new = prepared_request.headers, response.request.url, prepared_request.url
        headers.pop("Cookie", None)
        if self.should_strip_auth(old, new):  # type: ignore[no-untyped-call]
            headers.pop("Authorization", None)


@contextmanager
def open_http(
    session: MirrorSession, url: str, headers: Mapping[str, str] = _NO_HEADERS
) -> Iterator[requests.Response]:
    """Give the answer to one request, its body not read yet; status 200, 206 or 416.

    Raises
    ------
    TransientError
        Where asking again may help.
    SourceError
        Where it won't; with the code ``not_found`` for a 404.
    """
    shown = without_credentials(url)
    try:
        answer = session.get(
            url,
            stream=True,
            timeout=TIMEOUT_SEC,
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **headers},
        )
    except (OSError, HTTPError, ValueError) as error:
        raise explain_failure(error, shown) from error
    with answer:
        _LOG.debug("%s %s: HTTP %s", shown, dict(headers), answer.status_code)
        check_status(answer, shown)
        yield answer


def read_pieces(answer: requests.Response, *, decode: bool = False) -> Iterator[bytes]:
    """Yield a body's bytes as they arrive, each as soon as it is here.

    Parameters
    ----------
    answer : requests.Response
    decode : bool
        Undo the ``Content-Encoding``.

    Raises
    ------
    TransientError
        Where the connection breaks, or gives less than `SLOW_BYTES` in `SLOW_SEC`.
    """
    began, received = time.monotonic(), 0
    while True:
        try:
            piece: bytes = answer.raw.read1(CHUNK_BYTES, decode_content=decode)
        except (OSError, HTTPError) as error:
            raise TransientError(describe_failure(error)) from error
        if not piece:
            return
        yield piece
        # A connection that is half dead may trickle for days and never be silent; another one
        # usually does better.
        received += len(piece)
        if (now := time.monotonic()) - began > SLOW_SEC:
            if received < SLOW_BYTES:
                raise TransientError(f"only {received} bytes arrived in {now - began:.0f} s")
            began, received = now, 0


@contextmanager
def _open_path(base: Path, relative: str) -> Iterator[Iterator[bytes]]:
    path = base / relative
    if not base.is_dir():
        raise SourceError(
            f"{base}: no such folder; expected a mirror of Ensembl's tree.",
            hint="Check `run.sources` in params.yaml, or --base-url.",
        )
    if not path.is_file():
        raise NotPublishedError(
            f"{path}: not found.",
            hint="Check the release, species and assembly against what the mirror has.",
        )

    def pieces() -> Generator[bytes]:
        # Only reading is explained here: what the caller does with a piece fails on its own.
        try:
            with path.open("rb") as handle:
                while piece := handle.read(CHUNK_BYTES):
                    yield piece
        except OSError as error:
            explained = explain_os_error(error, path, "reading the mirror")
            raise SourceError(explained.message, hint=explained.hint) from error

    content = pieces()
    try:
        yield content
    finally:
        content.close()


@contextmanager
def _open(mirror: str, relative: str) -> Iterator[Iterator[bytes]]:
    base = folder_of(mirror)
    if base is not None:
        with _open_path(base, relative) as pieces:
            yield pieces
        return
    with (
        MirrorSession() as session,
        open_http(session, url_of(mirror, relative)) as answer,
    ):
        whole: Any = answer.raw._original_response
        whole.end = time.monotonic() + TEXT_SEC
        yield read_pieces(answer, decode=True)


@contextmanager
def open_mirror(mirror: str, relative: str) -> Iterator[Iterator[bytes]]:
    """Give the bytes of a mirror's file, in pieces; one attempt.

    Parameters
    ----------
    mirror : str
        An ``http``, ``https`` or ``file`` URL, or the path of a folder.
    relative : str
        The file, below the mirror's base.

    Raises
    ------
    SourceError
        With the code ``not_found`` where the mirror answers but has no such file.
    """
    try:
        with _open(mirror, relative) as pieces:
            yield pieces
    except TransientError as error:
        raise SourceError(
            f"{without_credentials(url_of(mirror, relative))}: {error.reason}.",
            hint="Check the connection and try again.",
            code="unreachable",
        ) from error


def read_text(mirror: str, relative: str, *, stop: threading.Event | None = None) -> str:
    """Return a small text file of a mirror; asks a server a few times.

    Raises
    ------
    SourceError
        As `open_mirror`, and where the file is over 16 MiB.
    """
    attempts = Attempts(
        without_credentials(url_of(mirror, relative)), retries=TEXT_RETRIES, stop=stop
    )
    while True:
        stop_if_asked(stop)
        try:
            return _read_text(mirror, relative)
        except TransientError as error:
            attempts.wait_after(error)


def _read_text(mirror: str, relative: str) -> str:
    content = bytearray()
    with _open(mirror, relative) as pieces:
        for piece in pieces:
            content += piece
            if len(content) > _MAX_TEXT_BYTES:
                raise SourceError(f"{relative}: over 16 MiB, not a list of checksums.")
    return content.decode("utf-8", "replace")
