"""What an address means, how long to wait for a server, and where a redirect may lead."""

from __future__ import annotations

import io
import threading
from email.utils import formatdate
from pathlib import Path
from time import time
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from ensembl_annotations.common.errors import NotPublishedError, SourceError
from ensembl_annotations.fetch import mirrors
from ensembl_annotations.fetch.failures import TransientError
from ensembl_annotations.fetch.mirrors import (
    Attempts,
    MirrorSession,
    StoppedError,
    folder_of,
    open_mirror,
    pause,
    read_pieces,
    read_text,
    stop_if_asked,
    url_of,
    without_credentials,
)

# --- Addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mirror", "folder"),
    [
        ("https://example.org/pub", None),
        ("HTTP://example.org", None),
        ("file:///data/my%20mirror", Path("/data/my mirror")),
        ("data/mini%20ensembl", Path("data/mini%20ensembl")),
        ("/data", Path("/data")),
    ],
)
def test_a_mirror_is_a_server_or_a_folder(mirror: str, folder: Path | None) -> None:
    assert folder_of(mirror) == folder


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("", "address of a mirror is empty"),
        ("  ", "address of a mirror is empty"),
        ("ftp://me:secret@example.org/pub", "ftp is not understood"),
        ("https://me:secret@[example.org/pub", "not an address"),
    ],
)
def test_what_is_no_address_is_refused_without_its_password(mirror: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        folder_of(mirror)
    assert "secret" not in str(caught.value)
    assert "--base-url" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@example.org:8443/pub?q=1", "https://example.org:8443/pub?q=1"),
        ("https://me:at@in@example.org/a@b", "https://example.org/a@b"),
        ("https://example.org/pub", "https://example.org/pub"),
        ("https://me:secret@[example.org/a@b", "https://[example.org/a@b"),
    ],
)
def test_user_and_password_are_not_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize("base", ["https://example.org/pub", "https://example.org/pub/"])
def test_a_name_is_quoted(base: str) -> None:
    assert url_of(base, "a/b c?d#e%f") == "https://example.org/pub/a/b%20c%3Fd%23e%25f"


# --- Trying again --------------------------------------------------------------------------------


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that were waited for, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(mirrors, "pause", lambda seconds, _: waited.append(seconds))
    return waited


def count_attempts(attempts: Attempts, error: TransientError) -> int:
    """Return at which failure one is told to give up."""
    for number in range(1, 50):
        try:
            attempts.wait_after(error)
        except SourceError as given_up:
            assert given_up.code == "unreachable"
            assert f"({number} attempts)" in given_up.message
            return number
    raise AssertionError("it never gave up")


@pytest.mark.parametrize("retries", [0, 3, 8])
def test_after_the_last_retry_it_gives_up(retries: int, pauses: list[float]) -> None:
    assert count_attempts(Attempts("u", retries=retries), TransientError("why")) == retries + 1
    assert len(pauses) == retries
    assert all(0 < seconds <= 61 for seconds in pauses)
    # Exponential: 0.5 s, doubled each time, and up to 1 s more by chance.
    assert all(pause >= 0.5 * 2**number for number, pause in enumerate(pauses[1:5], 1))


def test_a_connection_that_gets_on_is_counted_anew(pauses: list[float]) -> None:
    attempts = Attempts("u", retries=2)
    for _ in range(5):
        attempts.wait_after(TransientError("cut"))
        attempts.progressed()
    assert len(pauses) == 5
    assert count_attempts(attempts, TransientError("cut")) == 3


@pytest.mark.parametrize(
    ("retries", "has_progressed", "expected"), [(8, False, 3), (1, False, 2), (8, True, 9)]
)
def test_a_name_that_is_not_known_is_a_typo_more_often_than_a_fault(
    retries: int, has_progressed: bool, expected: int, pauses: list[float]
) -> None:
    attempts = Attempts("u", retries=retries)
    if has_progressed:
        attempts.progressed()
    assert count_attempts(attempts, TransientError("no such name", is_dns=True)) == expected
    assert len(pauses) == expected - 1


def test_the_server_says_how_long_to_wait(pauses: list[float]) -> None:
    attempts = Attempts("u")
    attempts.wait_after(TransientError("busy", retry_after="600"))
    attempts.wait_after(TransientError("busy", retry_after=formatdate(time() + 100, usegmt=True)))
    attempts.wait_after(TransientError("busy", retry_after=formatdate(time() - 100, usegmt=True)))
    assert pauses == [600, pytest.approx(100, abs=3), 0]


def test_more_patience_than_ten_minutes_is_not_had(pauses: list[float]) -> None:
    with pytest.raises(SourceError, match="come back in 601 s, more than the 600 s") as caught:
        Attempts("u").wait_after(TransientError("busy", retry_after="601"))
    assert (caught.value.code, pauses) == ("unreachable", [])


@pytest.mark.parametrize("text", ["soon", "", "9" * 5000])
def test_a_wish_that_is_none_is_left_out(text: str, pauses: list[float]) -> None:
    Attempts("u").wait_after(TransientError("busy", retry_after=text))
    assert 0.1 <= pauses[0] <= 1.5


def test_a_stop_ends_a_pause_at_once() -> None:
    stop = threading.Event()
    stop_if_asked(None)
    stop_if_asked(stop)
    stop.set()
    for wait in (lambda: stop_if_asked(stop), lambda: pause(600, stop)):
        with pytest.raises(StoppedError):
            wait()


# --- Redirects -----------------------------------------------------------------------------------


def redirect(old: str, new: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer.url = 302, old
    answer.headers["Location"] = new
    answer.raw = io.BytesIO()
    return answer


@pytest.mark.parametrize(
    ("old", "new", "is_followed"),
    [
        ("http://a.org/x", "http://b.org/x", True),
        ("http://a.org/x", "https://b.org/x", True),
        ("https://a.org/x", "https://b.org/x", True),
        ("https://a.org/x", "/y", True),
        ("https://a.org/x", "//b.org/x", True),
        ("https://a.org/x", "http://a.org/x", False),
        ("https://a.org/x", "file:///etc/passwd", False),
        ("http://a.org/x", "ftp://a.org/x", False),
    ],
)
def test_a_redirect_does_not_leave_https(old: str, new: str, is_followed: bool) -> None:
    session, answer = MirrorSession(), redirect(old, new)
    if is_followed:
        assert session.get_redirect_target(answer) == new
        return
    with pytest.raises(SourceError, match="expected an address with https") as caught:
        session.get_redirect_target(answer)
    assert caught.value.code == "redirect"


def test_an_answer_that_is_no_redirect_leads_nowhere() -> None:
    answer = redirect("https://a.org/x", "http://b.org")
    answer.status_code = 200
    assert MirrorSession().get_redirect_target(answer) is None


@pytest.mark.parametrize(
    ("new", "is_kept"),
    [
        ("https://a.org/y", True),
        ("https://b.org/x", False),
        ("https://a.org:8443/x", False),
        ("http://a.org/x", False),
    ],
)
def test_a_password_goes_to_no_other_server(new: str, is_kept: bool) -> None:
    request = requests.Request("GET", "https://a.org/x", headers={"Authorization": "Basic x"})
    answer = redirect("https://a.org/x", new)
    answer.request = request.prepare()
    following = answer.request.copy()
    following.url = new
    following.headers["Cookie"] = "a=b"
    MirrorSession().rebuild_auth(following, answer)
    assert ("Authorization" in following.headers) == is_kept
    assert "Cookie" not in following.headers


# --- Reading -------------------------------------------------------------------------------------


class Trickle:
    """A body of some pieces, each of which takes some seconds."""

    def __init__(self, clock: list[float], pieces: list[tuple[float, bytes]]) -> None:
        self._clock, self._pieces = clock, pieces

    def read1(self, size: int, *, decode_content: bool) -> bytes:
        seconds, piece = self._pieces.pop(0) if self._pieces else (0.0, b"")
        self._clock[0] += seconds
        return piece


def trickled(monkeypatch: pytest.MonkeyPatch, pieces: list[tuple[float, bytes]]) -> list[bytes]:
    clock = [0.0]
    monkeypatch.setattr(mirrors.time, "monotonic", lambda: clock[0])
    answer: Any = SimpleNamespace(raw=Trickle(clock, pieces))
    return list(read_pieces(answer))


def test_a_connection_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    block = bytes(120 * 1024)
    slow = [(60.0, b"a"), (60.0, b"b")]
    assert trickled(monkeypatch, slow.copy()) == [b"a", b"b"]
    with pytest.raises(TransientError, match=r"only 3 bytes arrived in 121 s"):
        trickled(monkeypatch, [*slow, (1.0, b"c")])
    # 120 KiB in the time are enough, once; then they are counted anew.
    assert len(trickled(monkeypatch, [(60.0, block), (61.0, b"a"), (60.0, b"b")])) == 3
    with pytest.raises(TransientError, match="only 2 bytes"):
        trickled(monkeypatch, [(121.0, block), (60.0, b"a"), (61.0, b"b")])


def test_a_folder_is_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 300_000)
    with open_mirror(str(tmp_path), "a") as pieces:
        found = list(pieces)
    assert (len(found), b"".join(found)) == (2, b"x" * 300_000)
    with pytest.raises(NotPublishedError, match="b: not found"), open_mirror(str(tmp_path), "b"):
        pass
    gone = str(tmp_path / "gone")
    with pytest.raises(SourceError, match="no such folder") as caught, open_mirror(gone, "a"):
        pass
    assert caught.value.code != "not_found"


def test_what_a_reader_raises_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(PermissionError), open_mirror(str(tmp_path), "a"):
        raise PermissionError


def test_a_text_is_small_and_need_not_be_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "_MAX_TEXT_BYTES", 4)
    (tmp_path / "a").write_bytes(b"ab\xffd")
    assert read_text(str(tmp_path), "a") == "ab\ufffdd"
    (tmp_path / "a").write_bytes(b"abcde")
    with pytest.raises(SourceError, match="a: over 16 MiB"):
        read_text(str(tmp_path), "a")
