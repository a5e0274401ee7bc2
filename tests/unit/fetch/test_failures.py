"""Why a request failed, and whether another attempt may help."""

from __future__ import annotations

import socket
import ssl

import pytest
import requests
from urllib3.exceptions import ProtocolError, ProxyError, ReadTimeoutError

from ensembl_annotations.common.errors import NotPublishedError, SourceError
from ensembl_annotations.fetch.failures import (
    TransientError,
    check_status,
    describe_failure,
    explain_failure,
)

URL = "https://example.org/a"


def wrapped(cause: BaseException) -> Exception:
    """Wrap a cause as deep as urllib3 and requests do."""
    return requests.ConnectionError(ProtocolError("Connection aborted.", cause))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (wrapped(ConnectionRefusedError(111, "x")), "connection refused"),
        (wrapped(ConnectionResetError(104, "x")), "the connection was reset"),
        (wrapped(socket.gaierror(-2, "x")), "the host's name can't be resolved"),
        (wrapped(TimeoutError()), "nothing arrived in time"),
        (requests.ReadTimeout(ReadTimeoutError(None, "", "")), "nothing arrived in time"),  # type: ignore[arg-type]
        (requests.exceptions.ProxyError(ProxyError("x", ConnectionRefusedError())),
         "the proxy: connection refused"),
        (wrapped(ValueError("odd")), "odd"),
    ],
)  # fmt: skip
def test_the_cause_is_found_however_deep_it_is(error: Exception, text: str) -> None:
    assert describe_failure(error) == text
    found = explain_failure(error, URL)
    assert isinstance(found, TransientError)
    assert found.is_dns == ("name" in text)


def test_a_certificate_is_not_mended_by_another_attempt() -> None:
    bad, cut = ssl.SSLError(1, "bad"), ssl.SSLEOFError(8, "EOF")
    bad.reason = cut.reason = "WHY"
    found = explain_failure(requests.exceptions.SSLError(bad), URL)
    assert isinstance(found, SourceError)
    assert (found.code, "REQUESTS_CA_BUNDLE" in str(found.hint)) == ("tls", True)
    # A handshake that is cut off is the connection's fault.
    assert isinstance(explain_failure(requests.exceptions.SSLError(cut), URL), TransientError)


def test_an_error_that_is_none_of_the_connection() -> None:
    found = explain_failure(requests.exceptions.InvalidSchema("odd"), URL)
    assert isinstance(found, SourceError)
    assert URL in found.message


@pytest.mark.parametrize("status", [200, 206, 416])
def test_answers_that_are_used(status: int) -> None:
    answer = requests.Response()
    answer.status_code = status
    check_status(answer, URL)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotPublishedError),
        (403, SourceError),
        (301, SourceError),
        (408, TransientError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
    ],
)
def test_answers_that_are_not(status: int, kind: type[Exception]) -> None:
    answer = requests.Response()
    answer.status_code, answer.reason = status, "Why"
    answer.headers["Retry-After"] = "7"
    with pytest.raises(kind, match=str(status)) as caught:
        check_status(answer, URL)
    assert type(caught.value) is kind
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after == "7"
