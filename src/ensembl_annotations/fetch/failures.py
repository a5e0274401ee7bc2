"""Why a request failed, in a few words; and whether another attempt may mend it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http.client import IncompleteRead, RemoteDisconnected

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    ProxyError,
    ReadTimeoutError,
)

from ensembl_annotations.common.errors import NotPublishedError, SourceError


class TransientError(Exception):
    """A failure that may be gone at the next attempt; never leaves this package.

    Parameters
    ----------
    reason : str
        What happened, without the address.
    retry_after : str, optional
        The header of that name, where the server sent one.
    is_dns : bool
        The host's name was not found, which is a typo more often than a fault.
    """

    def __init__(self, reason: str, *, retry_after: str | None = None, is_dns: bool = False):
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.is_dns = is_dns


class LateError(TimeoutError):
    """An answer goes on, and has not come to its end in time."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it wraps: requests and urllib3 hide the cause in several places."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        item = pending.pop(0)
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            hidden = (getattr(item, name, None) for name in ("reason", "original_error"))
            pending += [*item.args, *hidden, item.__cause__, item.__context__]


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((NameResolutionError, socket.gaierror), "the host's name can't be resolved"),
    ((ConnectionRefusedError,), "connection refused"),
    ((ConnectTimeoutError,), "no connection in time"),
    ((LateError,), "the answer did not end in time"),
    ((ReadTimeoutError, TimeoutError), "nothing arrived in time"),
    ((ConnectionResetError, BrokenPipeError), "the connection was reset"),
    ((RemoteDisconnected, IncompleteRead), "the connection ended early"),
)


def describe_failure(error: BaseException) -> str:
    """Say in a few words why a request failed."""
    causes = list(_causes(error))
    where = "the proxy: " if any(isinstance(item, ProxyError) for item in causes) else ""
    for item in causes:
        if isinstance(item, ssl.SSLCertVerificationError):
            return f"{where}the TLS certificate can't be verified ({item.verify_message})"
        if isinstance(item, ssl.SSLError):
            return f"{where}TLS failed ({item.reason or item})"
    for kinds, text in _REASONS:
        if any(isinstance(item, kinds) for item in causes):
            return f"{where}{text}"
    return f"{where}{str(causes[-1])[:200] or type(causes[-1]).__name__}"


def explain_failure(error: Exception, url: str) -> SourceError | TransientError:
    """Tell a failure that another attempt may mend from one that it won't."""
    causes = list(_causes(error))
    reason = describe_failure(error)
    tls = [item for item in causes if isinstance(item, ssl.SSLError)]
    # A handshake that is cut off looks like TLS but is the connection's fault.
    if tls and not any(isinstance(item, ssl.SSLEOFError | ConnectionError) for item in causes):
        return SourceError(
            f"{url}: {reason}.",
            hint="Where your network has its own authority, name its certificates in "
            "$REQUESTS_CA_BUNDLE.",
            code="tls",
        )
    if any(isinstance(item, LocationParseError) for item in causes):
        return SourceError(f"{url}: not an address ({reason}).", hint="Check --base-url.")
    passing = (requests.ConnectionError, requests.Timeout, HTTPError)
    if isinstance(error, passing):
        dns = any(isinstance(item, NameResolutionError | socket.gaierror) for item in causes)
        return TransientError(reason, is_dns=dns)
    return SourceError(
        f"{url}: can't be asked ({reason}).", hint="Check `run.sources`, or --base-url."
    )


def check_status(answer: requests.Response, url: str) -> None:
    """Raise where an answer is none of 200, 206 and 416.

    Raises
    ------
    TransientError
    SourceError
    """
    status = answer.status_code
    if status in (200, 206, 416):
        return
    if status == requests.codes.not_found:
        raise NotPublishedError(
            f"{url}: not found (HTTP 404).", hint="Check the release, species and assembly."
        )
    text = f"HTTP {status} {answer.reason or ''}".rstrip()
    if status in (408, 425, 429) or status >= 500:
        raise TransientError(text, retry_after=answer.headers.get("Retry-After"))
    raise SourceError(f"{url}: {text}.", hint="Check the mirror's address.", code="refused")
