"""The downloader against servers that fail in every way we know of.

However a server fails, either the file is in the cache whole and verified, or there is one clear
error, nothing under a final name, and what has arrived is kept for the next run.
"""

from __future__ import annotations

import email.utils
import errno
import fcntl
import gzip
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError, SourceError
from ensembl_annotations.fetch import mirrors as mirrors_module
from ensembl_annotations.fetch.cache import find_place, prune_cache
from ensembl_annotations.fetch.download import (
    FetchedFile,
    StoppedError,
    fetch_file,
    remaining_bytes,
)
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.mirrors import MAX_RETRY_AFTER_SEC, RETRIES, read_text
from ensembl_annotations.fetch.verify import bsd_sum
from tests.support.fault_server import FaultServer, Step, fault_server
from tests.support.messages import heard
from tests.support.nginx import free_port, nginx
from tests.support.vcf import small_disk, snapshot

FOLDER = "release-116/variation/vcf/homo_sapiens"
NAME = "homo_sapiens-chr21.vcf.gz"
PATH = f"/{FOLDER}/{NAME}"
CONTENT = gzip.compress(random.Random(7).randbytes(1_000_123), 1, mtime=0)
SIZE = len(CONTENT)
OTHER = gzip.compress(random.Random(8).randbytes(1_000_123), 1, mtime=0)
assert len(OTHER) == SIZE


def spoil(content: bytes) -> bytes:
    return content[:500] + bytes([content[500] ^ 1]) + content[501:]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> PublishedFile:
    path = tmp_path_factory.mktemp("published") / NAME
    path.write_bytes(CONTENT)
    return PublishedFile(NAME, "21", *bsd_sum(path))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which are noted and not made."""
    made: list[float] = []

    def pause(seconds: float, stop: threading.Event | None) -> None:
        made.append(seconds)
        if stop is not None and stop.is_set():
            raise StoppedError

    monkeypatch.setattr(mirrors_module, "pause", pause)
    return made


def fetch(mirrors: str | Sequence[str], published: PublishedFile, **options: Any) -> FetchedFile:
    """Fetch the file; assert that it is whole, that nothing else is left, and the figures."""
    planned = remaining_bytes(FOLDER, published, force=options.get("force", False))
    reported: list[int] = []
    found = fetch_file(
        [mirrors] if isinstance(mirrors, str) else mirrors,
        FOLDER,
        published,
        progress=reported.append,
        **options,
    )
    assert sum(reported) == planned
    assert found.path.read_bytes() == CONTENT
    assert found.relative == PATH[1:]
    assert (found.sha256, found.num_bytes) == (hashlib.sha256(CONTENT).hexdigest(), SIZE)
    beside = {path.name for path in found.path.parent.iterdir()}
    assert beside <= {NAME, f"{NAME}.json", f".{NAME}.lock"}
    assert remaining_bytes(FOLDER, published) == 0
    return found


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def refuse(
    mirrors: str | Sequence[str], published: PublishedFile, *words: str, **options: Any
) -> EnsemblAnnotationsError:
    """Assert that fetching ends in an error of ours, and nothing has its final name."""
    place = find_place(FOLDER, published)
    before = size_of(place.part)
    reported: list[int] = []
    options = {"progress": reported.append, **options}
    with pytest.raises(EnsemblAnnotationsError) as caught:
        fetch_file([mirrors] if isinstance(mirrors, str) else mirrors, FOLDER, published, **options)
    for word in words:
        assert word in caught.value.message, caught.value.message
    assert not place.path.exists()
    assert not place.receipt.exists()
    if reported and caught.value.code != "disk_full":
        assert sum(reported) == size_of(place.part) - before
    return caught.value


def server(*steps: Step, **options: Any) -> Any:
    return fault_server({PATH: CONTENT}, *steps, **options)


def leave_part(published: PublishedFile, mirror: FaultServer, num_bytes: int) -> Path:
    """Let a run be stopped when `num_bytes` have arrived; return the part."""
    mirror.steps.appendleft(Step(stop_after=num_bytes, how="stall"))
    stop = threading.Event()
    arrived = 0

    def count(num: int) -> None:
        nonlocal arrived
        arrived += num
        if arrived == num_bytes:
            stop.set()

    with pytest.raises(StoppedError):
        fetch_file([mirror.url], FOLDER, published, progress=count, stop=stop)
    mirror.requests.clear()
    mirror.sent.clear()
    part = find_place(FOLDER, published).part
    assert part.read_bytes() == CONTENT[:num_bytes]
    assert remaining_bytes(FOLDER, published) == published.blocks * 1024 - num_bytes
    return part


# --- Faults that pass ----------------------------------------------------------------------------

HALF = SIZE // 2

PASSING: dict[str, tuple[list[Step], int, int]] = {
    # name: (what the server does first, requests in all, bytes downloaded in all)
    "no fault": ([], 1, SIZE),
    "the connection is closed": ([Step(stop_after=HALF)], 2, SIZE),
    "the connection is closed before the first byte": ([Step(stop_after=0)], 2, SIZE),
    "closed again and again": ([Step(stop_after=SIZE // 51)] * 50, 51, SIZE),
    "less is promised than comes": ([Step(promised=-5)], 2, 2 * SIZE - 5),
    "more is promised than comes": ([Step(promised=2)], 3, 2 * SIZE),
    "HTTP 500 twice": ([Step(status=500)] * 2, 3, SIZE),
    "HTTP 503, 502, 504, 408, 425": (
        [Step(status=status) for status in (503, 502, 504, 408, 425)],
        6,
        SIZE,
    ),
    "HTTP 429": ([Step(status=429, headers={"Retry-After": "7"})], 2, SIZE),
    "no length": ([Step(has_length=False)], 1, SIZE),
    "no length, closed": ([Step(has_length=False, stop_after=HALF)], 2, SIZE),
    "no validator": ([Step(stop_after=HALF, headers={"ETag": "", "Last-Modified": ""})], 2, SIZE),
    "a weak ETag": ([Step(stop_after=HALF, headers={"ETag": 'W/"1"'})], 2, SIZE),
    "Range is ignored": (
        [Step(stop_after=HALF), Step(ranges=False), Step(ranges=False)],
        3,
        HALF + SIZE,
    ),
    "If-Range is not known": (
        [Step(stop_after=HALF), *[Step(knows_if_range=False)] * 2],
        3,
        SIZE,
    ),
    "chunked": ([Step(chunked=True)], 1, SIZE),
    "chunked, closed": ([Step(chunked=True, stop_after=HALF)], 2, SIZE),
    "chunked, closed in a chunk": (
        [Step(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n" + CONTENT[:5])],
        2,
        SIZE,
    ),
    "not HTTP": ([Step(raw=b"SSH-2.0-OpenSSH_9\r\n")], 2, SIZE),
    "half a header": ([Step(raw=b"HTTP/1.1 200 OK\r\nContent-Le")], 2, -1),
    "an absurd length": (
        [Step(raw=b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\nConnection: close\r\n\r\n")],
        2,
        SIZE,
    ),
    "the file changed meanwhile": (
        [Step(stop_after=HALF, content=OTHER), Step()],
        2,
        HALF + SIZE,
    ),
    "the file changed, If-Range is ignored": (
        [Step(stop_after=HALF, content=OTHER), Step(ignores_if_range=True)],
        3,
        HALF + SIZE,
    ),
    "the file changed, nothing tells": (
        [
            Step(stop_after=HALF, content=OTHER, headers={"ETag": '"same"'}),
            Step(headers={"ETag": '"same"'}),
        ],
        3,
        2 * SIZE,
    ),
    "another range than wanted": ([Step(stop_after=HALF), Step(begin=HALF - 9)], 3, HALF + SIZE),
    "a range without Content-Range": (
        [Step(stop_after=HALF), Step(headers={"Content-Range": ""})],
        3,
        HALF + SIZE,
    ),
    "HTTP 416": ([Step(stop_after=HALF), Step(status=416)], 3, HALF + SIZE),
    "short ranges": ([Step(stop_after=HALF), *[Step(most=SIZE // 8)] * 3], 5, SIZE),
    "labelled as encoded": ([Step(headers={"Content-Encoding": "gzip"})], 1, SIZE),
    "compressed once more": ([Step(compress=True)], 1, SIZE),
    "compressed once more, no length": ([Step(compress=True, has_length=False)], 1, SIZE),
    "compressed once more, closed": ([Step(compress=True, stop_after=HALF), Step()], 2, -1),
    "moved": ([Step(status=302, headers={"Location": f"{PATH}"})], 2, SIZE),
    "a byte wrong, once": ([Step(content=spoil(CONTENT))], 2, 2 * SIZE),
    "cut by a byte, once, and no length": ([Step(content=CONTENT[:-1], has_length=False)], 2, -1),
}


# Only what came in one piece is evidence against the mirror.
KEPT_IN_QUARANTINE = {
    "less is promised than comes",
    "a byte wrong, once",
    "cut by a byte, once, and no length",
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes(name: str, published: PublishedFile, cache: Path) -> None:
    steps, num_requests, num_bytes = PASSING[name]
    with server(*steps) as mirror:
        found = fetch(mirror.url, published)
        assert found.status == "downloaded"
        assert len(mirror.requests) == num_requests
        if num_bytes >= 0:
            assert found.downloaded_bytes == num_bytes
    assert (cache / "quarantine").exists() == (name in KEPT_IN_QUARANTINE)
    assert fetch("/nowhere", published).status == "cached"


def test_a_reset_in_the_middle(published: PublishedFile) -> None:
    """What the kernel had not handed over yet is lost, nothing else is asked for again."""
    with server(*[Step(stop_after=HALF, how="reset")] * 3) as mirror:
        found = fetch(mirror.url, published)
        assert found.downloaded_bytes == SIZE
        begins = [request.begin for request in mirror.requests]
        assert begins == sorted(begins)


def test_silence_ends_in_another_attempt(
    published: PublishedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors_module, "TIMEOUT_SEC", (5.0, 0.5))
    with server(Step(stop_after=HALF, how="stall"), Step(stop_after=0, how="stall")) as mirror:
        assert fetch(mirror.url, published).downloaded_bytes == SIZE
        assert [request.begin for request in mirror.requests] == [0, HALF, HALF]


def test_a_trickle_ends_in_another_attempt(
    published: PublishedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never silent, and yet as good as dead: another connection is tried."""
    monkeypatch.setattr(mirrors_module, "SLOW_SEC", 0.2)
    monkeypatch.setattr(mirrors_module, "SLOW_BYTES", 1000)
    with server(Step(stop_after=0, trickle=0.005)) as mirror:
        found = fetch(mirror.url, published)
        assert found.downloaded_bytes == SIZE
        assert len(mirror.requests) == 2
        assert 0 < mirror.requests[1].begin < SIZE


def test_if_range_names_what_the_server_said(published: PublishedFile) -> None:
    """A strong ETag; a weak one does not do, then the date; nothing where there is neither."""
    half = {"stop_after": SIZE // 4}
    with server(
        Step(headers={"ETag": '"strong"'}, **half),
        Step(headers={"ETag": '"strong"'}, **half),
    ) as mirror:
        fetch(mirror.url, published)
        assert mirror.requests[1].headers["If-Range"] == '"strong"'
    with server(Step(headers={"ETag": 'W/"weak"'}, **half)) as mirror:
        fetch(mirror.url, published, force=True)
        assert "GMT" in mirror.requests[1].headers["If-Range"]
    with server(Step(headers={"ETag": "", "Last-Modified": ""}, **half)) as mirror:
        fetch(mirror.url, published, force=True)
        assert "If-Range" not in mirror.requests[1].headers
        assert mirror.requests[1].begin == SIZE // 4
        assert {request.headers["Accept-Encoding"] for request in mirror.requests} == {"identity"}


# --- Faults that stay ----------------------------------------------------------------------------

STAYING: dict[str, tuple[Step, tuple[str, ...], str, int]] = {
    # name: (what the server does, words, code, requests in all)
    "HTTP 404": (Step(status=404), ("not found", "404"), "not_found", 1),
    "HTTP 403": (Step(status=403), ("HTTP 403",), "refused", 1),
    "HTTP 500": (Step(status=500), ("HTTP 500", f"{RETRIES + 1} attempts"), "unreachable", 9),
    "HTTP 429": (Step(status=429), ("HTTP 429",), "unreachable", 9),
    "closed before the first byte": (Step(stop_after=0), ("ended early",), "unreachable", 9),
    "always starts over, and is closed": (
        Step(stop_after=HALF, ranges=False),
        ("ended early", "9 attempts"),
        "unreachable",
        9,
    ),
    "another size": (Step(content=OTHER * 2), ("size differs", "CHECKSUMS says"), "size", 1),
    "a page": (Step(content=b"<!DOCTYPE html>"), ("size differs", "(15 bytes)"), "size", 1),
    "endless": (Step(endless=True, has_length=False), ("more than the",), "size", 1),
    "an empty body": (Step(content=b"", has_length=False), ("size differs",), "unreachable", 9),
}


@pytest.mark.parametrize("name", STAYING)
def test_a_fault_that_stays(name: str, published: PublishedFile) -> None:
    step, words, code, num_requests = STAYING[name]
    with server(default=step) as mirror:
        error = refuse(mirror.url, published, *words)
        assert error.code == code
        assert error.hint
        assert len(mirror.requests) == num_requests


def test_nothing_beyond_the_published_size_is_written(published: PublishedFile) -> None:
    longest = 0

    def watch(_: int) -> None:
        nonlocal longest
        part = find_place(FOLDER, published).part
        longest = max(longest, size_of(part))

    with server(default=Step(endless=True, has_length=False)) as mirror:
        refuse(mirror.url, published, "more than", progress=watch)
    assert 0 < longest <= published.blocks * 1024
    assert not find_place(FOLDER, published).part.exists()


def test_a_body_of_another_size_is_not_read(published: PublishedFile) -> None:
    counted: list[int] = []
    with server(default=Step(content=CONTENT * 2)) as mirror:
        refuse(mirror.url, published, "size differs", progress=counted.append)
    assert counted == []


def test_a_part_survives_a_mirror_with_another_size(published: PublishedFile) -> None:
    with server() as good, server(default=Step(content=CONTENT * 2)) as bad:
        leave_part(published, good, HALF)
        found = fetch([bad.url, good.url], published)
        assert (found.status, found.downloaded_bytes) == ("resumed", SIZE - HALF)


def test_a_part_survives_a_page(published: PublishedFile) -> None:
    """A network that wants one to sign in answers everything with 200 and a page."""
    page = Step(content=b"<html>", has_length=False, headers={"Content-Type": "text/html"})
    with server() as mirror:
        leave_part(published, mirror, HALF)
        mirror.default = page
        assert refuse(mirror.url, published, "page").code == "unreachable"
        mirror.default = Step()
        found = fetch(mirror.url, published)
        assert (found.status, found.downloaded_bytes) == ("resumed", SIZE - HALF)


def test_wrong_bytes(published: PublishedFile, cache: Path) -> None:
    with server(default=Step(content=spoil(CONTENT))) as mirror:
        error = refuse(mirror.url, published)
        assert len(mirror.requests) == 2
    checksum = f"{published.checksum:05d} {published.blocks}"
    assert f"{NAME}: checksum differs: CHECKSUMS says {checksum}, the file has " in error.message
    assert error.code == "checksum"
    assert error.hint is not None and "again" in error.hint
    [kept] = (cache / "quarantine").iterdir()
    assert str(kept) in error.message
    assert kept.read_bytes() == spoil(CONTENT)
    assert not find_place(FOLDER, published).part.exists()


# --- Retry-After ---------------------------------------------------------------------------------


def test_retry_after_is_kept_to(published: PublishedFile, pauses: list[float]) -> None:
    date = email.utils.formatdate(time.time() + 300, usegmt=True)
    with (
        server(
            Step(status=429, headers={"Retry-After": "17"}),
            Step(status=503, headers={"Retry-After": date}),
            Step(status=429, headers={"Retry-After": "soon"}),
        ) as mirror,
        heard() as said,
    ):
        fetch(mirror.url, published)
    assert pauses[0] == 17
    assert "HTTP 429" in said[0] and "in 17 s" in said[0]
    assert 200 < pauses[1] <= 300
    assert pauses[2] < 60


def test_a_server_that_wants_too_much_patience(
    published: PublishedFile, pauses: list[float]
) -> None:
    step = Step(status=503, headers={"Retry-After": str(MAX_RETRY_AFTER_SEC + 1)})
    with server(default=step) as busy, server() as good:
        refuse(busy.url, published, "HTTP 503", f"come back in {MAX_RETRY_AFTER_SEC + 1} s")
        assert len(busy.requests) == 1
        fetch([busy.url, good.url], published)
    assert pauses == []


def test_pauses_grow(published: PublishedFile, pauses: list[float]) -> None:
    with server(default=Step(status=500)) as mirror:
        refuse(mirror.url, published)
    assert len(pauses) == RETRIES
    assert 0 < pauses[0] <= 1
    assert all(2 ** (place - 1) <= pauses[place] <= 60 for place in range(1, 7))
    assert max(pauses) <= 60


# --- Earlier runs --------------------------------------------------------------------------------


def test_a_stopped_run_is_resumed(published: PublishedFile) -> None:
    with server() as mirror:
        leave_part(published, mirror, HALF)
        found = fetch(mirror.url, published)
        assert (found.status, found.downloaded_bytes) == ("resumed", SIZE - HALF)
        [request] = mirror.requests
        assert request.begin == HALF
        assert "If-Range" in request.headers


def test_a_run_is_resumed_at_another_mirror(published: PublishedFile) -> None:
    """The other server's ETag is its own, so the size and the checksum decide."""
    with server() as first, server(default=Step(headers={"ETag": '"other"'})) as second:
        leave_part(published, first, HALF)
        found = fetch(second.url, published)
        assert (found.status, found.downloaded_bytes) == ("resumed", SIZE - HALF)
        assert "If-Range" not in second.requests[0].headers


def test_another_mirror_with_another_size(published: PublishedFile) -> None:
    """As many KiB, but not as many bytes: that can't be the rest, so it starts over there."""
    longer = CONTENT + b"x"
    assert -(-len(longer) // 1024) == published.blocks
    with server() as first, server(Step(content=longer)) as second:
        leave_part(published, first, HALF)
        found = fetch(second.url, published)
        assert [request.begin for request in second.requests] == [HALF, 0]
        assert (found.status, found.downloaded_bytes) == ("downloaded", SIZE)


def test_another_mirror_with_other_bytes(published: PublishedFile) -> None:
    """Of the same size, so nothing tells before the end: then it is fetched whole, once."""
    with server() as first, server(default=Step(content=OTHER)) as second:
        leave_part(published, first, HALF)
        refuse(second.url, published, "checksum differs")
        assert [request.begin for request in second.requests] == [HALF, 0, 0]
        assert fetch(first.url, published).status == "downloaded"


def test_a_complete_part_is_only_verified(published: PublishedFile) -> None:
    with server() as mirror:
        leave_part(published, mirror, HALF)
        place = find_place(FOLDER, published)
        with place.part.open("ab") as out:
            out.write(CONTENT[HALF:])
        found = fetch(mirror.url, published)
        assert (found.status, found.downloaded_bytes) == ("resumed", 0)
        assert mirror.requests == []


def test_a_receipt_without_its_file(published: PublishedFile) -> None:
    """A crash between the two: the part is complete, so it is only verified."""
    with server() as mirror:
        found = fetch(mirror.url, published)
        found.path.rename(find_place(FOLDER, published).part)
        again = fetch(mirror.url, published)
        assert (again.status, again.downloaded_bytes) == ("resumed", 0)
        assert len(mirror.requests) == 1


def test_a_crash_at_the_last_step(
    published: PublishedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is done before the file gets its name, it is not downloaded again."""

    replace = Path.replace

    def crash(self: Path, target: Path) -> Path:
        if target == find_place(FOLDER, published).path:
            raise KeyboardInterrupt
        return replace(self, target)

    with server() as mirror:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", crash)
            with pytest.raises(KeyboardInterrupt):
                fetch_file([mirror.url], FOLDER, published)
        again = fetch(mirror.url, published)
        assert (again.status, again.downloaded_bytes) == ("resumed", 0)
        assert len(mirror.requests) == 1


PARTS: dict[str, tuple[Callable[[Path], object], str, int]] = {
    # name: (what happens to the part, status, bytes downloaded)
    "cut by a crash": (lambda part: part.write_bytes(CONTENT[: HALF - 99]), "resumed", HALF + 99),
    "empty": (lambda part: part.write_bytes(b""), "downloaded", SIZE),
    "wrong bytes": (
        lambda part: part.write_bytes(spoil(CONTENT[:HALF])),
        "downloaded",
        2 * SIZE - HALF,
    ),
    "complete, wrong bytes": (lambda part: part.write_bytes(OTHER), "downloaded", SIZE),
    "too long": (lambda part: part.write_bytes(CONTENT + b"x"), "downloaded", SIZE),
    "without its origin": (
        lambda part: part.with_name(f"{part.name}.json").unlink(),
        "downloaded",
        SIZE,
    ),
    "with a broken origin": (
        lambda part: part.with_name(f"{part.name}.json").write_text('{"url": 5'),
        "downloaded",
        SIZE,
    ),
    "with an odd origin": (
        lambda part: part.with_name(f"{part.name}.json").write_text(
            '{"url": 5, "validator": [], "total": "x"}'
        ),
        "downloaded",
        SIZE,
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_an_old_part(name: str, published: PublishedFile) -> None:
    change, status, num_bytes = PARTS[name]
    with server() as mirror:
        change(leave_part(published, mirror, HALF + (SIZE % 2)))
        found = fetch(mirror.url, published)
        begins = [request.begin for request in mirror.requests]
        assert all(0 < begin <= HALF + 1 for begin in begins[:-1])
    expected = num_bytes - (SIZE % 2 if name == "wrong bytes" else 0)
    assert (found.status, found.downloaded_bytes) == (status, expected)


def test_force_downloads_again_and_keeps_the_old_until_then(published: PublishedFile) -> None:
    with server() as mirror:
        first = fetch(mirror.url, published)
        before = snapshot(first.path.parent)
        mirror.default = Step(status=403)
        with pytest.raises(SourceError):
            fetch_file([mirror.url], FOLDER, published, force=True)
        assert snapshot(first.path.parent) == before
        mirror.default = Step()
        found = fetch(mirror.url, published, force=True)
        assert (found.status, found.downloaded_bytes) == ("downloaded", SIZE)


def test_a_cached_file_that_was_spoilt(published: PublishedFile) -> None:
    with server() as mirror:
        first = fetch(mirror.url, published)
        first.path.write_bytes(spoil(CONTENT))
        found = fetch_file([mirror.url], FOLDER, published)
        assert found.status == "downloaded"
        assert found.path.read_bytes() == CONTENT


CHILD = """
import logging
import sys
import polars
from ensembl_annotations.fetch.download import fetch_file
from ensembl_annotations.fetch.manifest import PublishedFile
url, folder, name, checksum, blocks = sys.argv[1:]
published = PublishedFile(name, "21", int(checksum), int(blocks))
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
found = fetch_file([url], folder, published)
print(found.status, found.downloaded_bytes, found.sha256, flush=True)
"""


def start_child(url: str, published: PublishedFile) -> subprocess.Popen[str]:
    numbers = [str(published.checksum), str(published.blocks)]
    command = [sys.executable, "-c", CHILD, url, FOLDER, published.name, *numbers]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_killed_at_random_moments(published: PublishedFile) -> None:
    """Nothing that is on the disk is asked for again, and the result is the same."""
    moments = sorted(random.Random(3).sample(range(1, SIZE), 3))
    part = find_place(FOLDER, published).part
    with server() as mirror:
        arrived = 0
        for moment in moments:
            mirror.steps.append(Step(stop_after=moment - arrived, how="stall"))
            with start_child(mirror.url, published) as child:
                while size_of(part) < moment:
                    assert child.poll() is None
                    time.sleep(0.01)
                child.send_signal(signal.SIGKILL)
            arrived = part.stat().st_size
            assert part.read_bytes() == CONTENT[:moment]
        found = fetch(mirror.url, published)
        assert (found.status, found.downloaded_bytes) == ("resumed", SIZE - moments[-1])
        assert [request.begin for request in mirror.requests] == [0, *moments]
        assert mirror.sent[PATH] == SIZE


def test_two_processes_share_the_work(published: PublishedFile) -> None:
    go = threading.Event()
    with (
        server(Step(wait_for=go)) as mirror,
        start_child(mirror.url, published) as one,
        start_child(mirror.url, published) as two,
    ):
        lines: dict[int, list[str]] = {0: [], 1: []}

        def listen(number: int, child: subprocess.Popen[str]) -> None:
            assert child.stdout is not None
            # Whichever is second says that it waits; only then the first gets its bytes.
            for line in child.stdout:
                lines[number].append(line)
                if "another run is downloading it" in line:
                    go.set()

        threads = [threading.Thread(target=listen, args=item) for item in enumerate((one, two))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(found[-1].split()[0] for found in lines.values()) == ["cached", "downloaded"]
        assert len(mirror.requests) == 1
        assert mirror.sent[PATH] == SIZE


# --- Stopping ------------------------------------------------------------------------------------


def test_stopping_before_the_start(published: PublishedFile, cache: Path) -> None:
    stop = threading.Event()
    stop.set()
    with server() as mirror:
        assert refuse(mirror.url, published, stop=stop).code == "stopped"
        assert mirror.requests == []
    assert not cache.exists()


def test_stopping_between_attempts(published: PublishedFile) -> None:
    stop = threading.Event()
    with server(default=Step(status=500)) as mirror:
        with heard(lambda _: stop.set()):
            error = refuse(mirror.url, published, stop=stop)
        assert error.code == "stopped"
        assert len(mirror.requests) == 2


def test_stopping_while_another_run_has_the_file(published: PublishedFile) -> None:
    go, stop = threading.Event(), threading.Event()
    with server(Step(wait_for=go)) as mirror:
        first = threading.Thread(target=fetch, args=(mirror.url, published))
        first.start()
        while not mirror.requests:
            time.sleep(0.01)
        with heard(lambda _: stop.set()), pytest.raises(StoppedError):
            fetch_file([mirror.url], FOLDER, published, stop=stop)
        go.set()
        first.join()
        assert len(mirror.requests) == 1
    assert fetch("/nowhere", published).status == "cached"


def test_a_pause_ends_when_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(StoppedError):
        mirrors_module.pause(3600, stop)
    mirrors_module.pause(0.01, threading.Event())
    mirrors_module.pause(0.01, None)


@pytest.mark.parametrize("what", ["a pause", "silence"])
def test_interrupted_in_the_main_thread(what: str, published: PublishedFile) -> None:
    """Ctrl-C ends a long pause and a read that waits, although polars has its own handler."""
    busy = Step(status=503, headers={"Retry-After": str(MAX_RETRY_AFTER_SEC)})
    step = busy if what == "a pause" else Step(stop_after=HALF, how="stall")
    with server(default=step) as mirror, start_child(mirror.url, published) as child:
        part = find_place(FOLDER, published).part
        if what == "a pause":
            assert child.stdout is not None
            assert "trying again in 600 s" in child.stdout.readline()
        else:
            while size_of(part) < HALF:
                assert child.poll() is None
                time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) != 0
        assert part.exists() == (what == "silence")


# --- Several mirrors -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*STAYING, "wrong bytes"])
def test_the_next_mirror_is_tried(name: str, published: PublishedFile) -> None:
    step = Step(content=spoil(CONTENT)) if name == "wrong bytes" else STAYING[name][0]
    with server(default=step) as bad, server() as good, heard() as said:
        fetch([bad.url, good.url], published)
        assert len(good.requests) == 1
    assert said


def test_every_mirror_says_why(published: PublishedFile, tmp_path: Path) -> None:
    with server(default=Step(status=403)) as one, server(default=Step(status=404)) as two:
        mirrors = [one.url, two.url, str(tmp_path / "nowhere")]
        error = refuse(mirrors, published, "none of 3 mirrors")
        lines = error.message.splitlines()
        assert len(lines) == 4
        for line, mirror, word in zip(
            lines[1:], mirrors, ("403", "404", "no such folder"), strict=True
        ):
            assert mirror in line
            assert word in line
        assert error.code == "bad_source"
        assert refuse([two.url, two.url + "/x"], published).code == "not_found"


def test_no_mirror(published: PublishedFile) -> None:
    refuse([], published, "No mirror")


def test_a_password_is_not_shown_or_stored(published: PublishedFile, cache: Path) -> None:
    with server(default=Step(stop_after=HALF, ranges=False)) as mirror:
        url = mirror.url.replace("://", "://me:secret@")
        with heard() as said:
            error = refuse(url, published)
        assert "Authorization" in mirror.requests[0].headers
    stored = b"".join(snapshot(cache).values())
    assert b"secret" not in stored.replace(CONTENT[:HALF], b"")
    assert "secret" not in f"{error}{said}"


def test_a_folder_is_copied(published: PublishedFile, tmp_path: Path) -> None:
    path = tmp_path / "mirror" / PATH[1:]
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    found = fetch(str(tmp_path / "mirror"), published)
    assert (found.status, found.downloaded_bytes) == ("downloaded", SIZE)
    found = fetch((tmp_path / "mirror").as_uri(), published, force=True)
    assert found.status == "downloaded"


# --- The network ---------------------------------------------------------------------------------


def test_connection_refused(published: PublishedFile, pauses: list[float]) -> None:
    refuse(f"http://127.0.0.1:{free_port()}", published, "connection refused")
    assert len(pauses) == RETRIES


def test_a_host_that_does_not_exist(
    published: PublishedFile, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for a little: a typo is likelier than a fault of the name service."""

    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    refuse("http://ensembl.invalid", published, "ensembl.invalid", "name can't be resolved")
    assert len(pauses) == 2


def test_the_name_service_fails_in_the_middle(
    published: PublishedFile, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once bytes have come from a host its name is right, so this is the connection's fault."""
    real = socket.getaddrinfo
    with server(Step(stop_after=HALF)) as mirror:

        def getaddrinfo(*arguments: Any, **options: Any) -> Any:
            if mirror.requests and len(pauses) < 6:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return real(*arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        url = mirror.url.replace("127.0.0.1", "localhost")
        assert fetch(url, published).downloaded_bytes == SIZE


def test_tls(
    published: PublishedFile,
    certificate: tuple[Path, Path],
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An unknown authority is refused at once; $REQUESTS_CA_BUNDLE makes it known."""
    with server(Step(stop_after=HALF), certificate=certificate) as mirror:
        error = refuse(mirror.url, published, mirror.url, "certificate", "self-signed")
        assert error.hint is not None and "REQUESTS_CA_BUNDLE" in error.hint
        assert mirror.requests == []
        assert pauses == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        assert fetch(mirror.url, published).downloaded_bytes == SIZE
        # The certificate is for the address, not for this name.
        name = mirror.url.replace("127.0.0.1", "localhost")
        with pytest.raises(SourceError, match="certificate"):
            fetch_file([name], FOLDER, published, force=True)


def test_a_ca_bundle_that_is_not_there(
    published: PublishedFile, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with server(certificate=certificate) as mirror:
        refuse(mirror.url, published, "/nowhere/bundle.pem")


def test_tls_where_there_is_none(published: PublishedFile) -> None:
    with server() as mirror:
        refuse(mirror.url.replace("http:", "https:"), published, "TLS")


# --- Redirects -----------------------------------------------------------------------------------


def moved(target: str, status: int = 302, **headers: str) -> Step:
    return Step(status=status, headers={"Location": target, **headers})


def named(url: str, credentials: str = "") -> str:
    """Return a server's address with another name of its host, and user and password."""
    return url.replace("127.0.0.1", f"{credentials}localhost")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["another host", "another port", "a path", "no scheme"])
def test_a_redirect_is_followed(status: int, kind: str, published: PublishedFile) -> None:
    with server() as new, server() as old:
        target = {
            "another host": f"{named(new.url)}{PATH}",
            "another port": f"{new.url}{PATH}",
            "a path": f"/new{PATH}",
            "no scheme": f"{named(new.url).partition(':')[2]}{PATH}",
        }[kind]
        old.files[f"/new{PATH}"] = CONTENT
        old.always[PATH] = moved(target, status)
        assert fetch(old.url, published).downloaded_bytes == SIZE
        assert len(new.requests) == (kind != "a path")


def test_a_redirect_to_https_is_followed(
    published: PublishedFile, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with server(certificate=certificate) as new, server(default=moved(new.url + PATH)) as old:
        assert fetch(old.url, published).downloaded_bytes == SIZE


def test_the_rest_is_asked_for_where_a_redirect_leads(published: PublishedFile) -> None:
    with server(Step(stop_after=HALF)) as new, server(default=moved(new.url + PATH)) as old:
        assert fetch(old.url, published).downloaded_bytes == SIZE
        assert [request.begin for request in new.requests] == [0, HALF]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_redirect_from_https_to_http_is_refused(
    steps: int,
    published: PublishedFile,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither at once nor by way of another address of the first server."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with server() as new, server(certificate=certificate) as old:
        old.steps.extend([moved("/a")] * (steps - 1))
        old.default = moved(f"{new.url.replace('//', '//me:secret@')}{PATH}")
        error = refuse(old.url, published, f"{old.url}/", "redirects", new.url, "https")
        assert "secret" not in str(error)
        assert error.code == "redirect"
        assert len(old.requests) == steps and new.requests == []
        # Another mirror of the source is asked.
        fetch([old.url, new.url], published)


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x"])
def test_a_redirect_to_another_scheme_is_refused(target: str, published: PublishedFile) -> None:
    with server(default=moved(target)) as old:
        assert refuse(old.url, published, old.url, target[:6], "https").code == "redirect"
        with pytest.raises(SourceError, match="redirects"):
            read_text(old.url, "CHECKSUMS")


def test_a_redirect_that_never_ends(published: PublishedFile) -> None:
    with server(default=moved(PATH)) as old:
        refuse(old.url, published, old.url, "redirects")
        assert len(old.requests) < 100


@pytest.mark.parametrize("kind", ["another host", "another port"])
def test_a_redirect_takes_no_credentials_along(
    kind: str, published: PublishedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those of the address, not those of ``.netrc`` for the new host, no cookies of the old."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine localhost login me password netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    with server(Step(stop_after=HALF)) as new, server() as old:
        new_url = named(new.url) if kind == "another host" else new.url
        old.default = moved(
            f"{new_url.replace('//', '//me:location@')}{PATH}", **{"Set-Cookie": "k=v"}
        )
        found = fetch(old.url.replace("//", "//me:address@"), published)
        assert found.downloaded_bytes == SIZE
        assert len(new.requests) == 2
        for request in new.requests:
            assert not {"Authorization", "Cookie", "Proxy-Authorization"} & request.headers.keys()
        for request in old.requests:
            assert request.headers["Authorization"].startswith("Basic ")
            assert "Cookie" not in request.headers


def test_a_redirect_on_the_same_server_keeps_the_password(published: PublishedFile) -> None:
    with server() as old:
        old.files["/new"] = CONTENT
        old.always[PATH] = moved("/new")
        fetch(old.url.replace("//", "//me:address@"), published)
        first, second = (request.headers["Authorization"] for request in old.requests)
        assert first == second


def test_nginx_redirects_to_another_host(published: PublishedFile, tmp_path: Path) -> None:
    """As ftp.ensembl.org may send its readers to the mirror at EBI, all paths below another base."""
    root = tmp_path / "root"
    (root / "pub" / "ensembl" / FOLDER).mkdir(parents=True)
    (root / "pub" / "ensembl" / FOLDER / NAME).write_bytes(CONTENT)
    with nginx(tmp_path / "new", root) as new:
        target = f"{named(new.url)}/pub/ensembl/$1"
        away = f"location / {{ rewrite ^/pub/(.*)$ {target} permanent; }}"
        with nginx(tmp_path / "old", tmp_path, away) as old:
            assert fetch(f"{old.url}/pub", published).downloaded_bytes == SIZE
        assert new.bytes_sent(NAME) == SIZE


def test_a_proxy(published: PublishedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name does not exist: only the proxy can have answered."""
    with server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        fetch("http://ensembl.invalid", published)
        assert proxy.requests[0].target == f"http://ensembl.invalid{PATH}"


def test_a_proxy_that_does_not_answer(
    published: PublishedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    refuse("http://ensembl.invalid", published, "the proxy: connection refused")


def test_a_list_is_asked_for_a_few_times() -> None:
    with fault_server({"/CHECKSUMS": b"1 2 x\n"}, Step(status=503), Step(stop_after=2)) as mirror:
        assert read_text(mirror.url, "CHECKSUMS") == "1 2 x\n"
        assert len(mirror.requests) == 3
        mirror.default = Step(status=503)
        with pytest.raises(SourceError, match="HTTP 503"):
            read_text(mirror.url, "CHECKSUMS")
        with pytest.raises(SourceError) as caught:
            mirror.default = Step()
            read_text(mirror.url, "OTHER")
        assert caught.value.code == "not_found"


def test_a_list_that_never_ends() -> None:
    step = Step(endless=True, has_length=False)
    with (
        fault_server({"/CHECKSUMS": b""}, default=step) as mirror,
        pytest.raises(SourceError, match="16 MiB"),
    ):
        read_text(mirror.url, "CHECKSUMS")


# --- A real web server ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    base = tmp_path_factory.mktemp("web")
    path = base / "root" / PATH[1:]
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    root = base / "root"
    locations = f"""
    location /ranges/ {{ alias {root}/; }}
    location /plain/ {{ alias {root}/; max_ranges 0; }}
    location /slow/ {{ alias {root}/; limit_rate 4m; }}
    location /forbidden/ {{ deny all; }}
    location /error/ {{ return 500; }}
    location /busy/ {{ add_header Retry-After 5 always; return 429; }}
    location /zipped/ {{ alias {root}/; gzip on; gzip_types *; gzip_min_length 1; }}
    """
    with nginx(base / "server", root, locations) as running:
        yield running


def logged(web: Any, path: str, number: int) -> list[Any]:
    """Return what was asked for below a path; nginx writes its log after it has answered."""
    limit = time.monotonic() + 20
    while True:
        rows = [row for row in web.requests() if row[3].startswith(f"{path}/")]
        if len(rows) >= number or time.monotonic() > limit:
            return rows
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "status", "num_bytes"),
    [
        ("/ranges", "resumed", SIZE - HALF),
        ("/plain", "downloaded", SIZE),
        ("/slow", "resumed", SIZE - HALF),
    ],
)
def test_nginx_resumes(
    path: str, status: str, num_bytes: int, published: PublishedFile, web: Any
) -> None:
    """Stopped at some moment by us, then gone on with; `max_ranges 0` ignores Range."""
    with server() as elsewhere:
        leave_part(published, elsewhere, HALF)
    found = fetch(f"{web.url}{path}", published)
    assert (found.status, found.downloaded_bytes) == (status, num_bytes)
    [(code, sent, _, _, wanted)] = logged(web, path, 1)
    assert (code, sent) == (200 if path == "/plain" else 206, num_bytes)
    assert wanted == f"bytes={HALF}-"


def test_nginx_heeds_if_range(published: PublishedFile, web: Any) -> None:
    """Stopped at any moment, the same server gives the rest; a new ETag starts over."""
    stop = threading.Event()
    with pytest.raises(StoppedError):
        fetch_file([web.url], FOLDER, published, progress=lambda _: stop.set(), stop=stop)
    place = find_place(FOLDER, published)
    arrived = place.part.stat().st_size
    origin = place.origin.read_text()
    found = fetch(web.url, published)
    assert (found.status, found.downloaded_bytes) == ("resumed", SIZE - arrived)
    place.part.write_bytes(OTHER[:HALF])
    place.origin.write_text(origin.replace('"validator": "\\"', '"validator": "\\"x'))
    found = fetch(web.url, published, force=True)
    assert (found.status, found.downloaded_bytes) == ("downloaded", SIZE)


@pytest.mark.parametrize(
    ("path", "words", "code", "num_requests"),
    [
        ("/nowhere", ("404",), "not_found", 1),
        ("/forbidden", ("403",), "refused", 1),
        ("/error", ("500",), "unreachable", 9),
        ("/busy", ("429",), "unreachable", 9),
    ],
)
def test_nginx_says_no(
    path: str,
    words: tuple[str, ...],
    code: str,
    num_requests: int,
    published: PublishedFile,
    web: Any,
) -> None:
    assert refuse(f"{web.url}{path}", published, *words).code == code
    assert len(logged(web, path, num_requests)) == num_requests


def test_nginx_compresses_nothing_that_we_ask_for(published: PublishedFile, web: Any) -> None:
    assert fetch(f"{web.url}/zipped", published).downloaded_bytes == SIZE


# --- The disk ------------------------------------------------------------------------------------


def test_a_read_only_cache(
    published: PublishedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it is used without a lock; what is not needs one clear message."""
    with small_disk(tmp_path / "disk", 8 << 20) as place, server() as mirror:
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(place / "cache"))
        fetch(mirror.url, published)
        find_place(FOLDER, published).lock.unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        before = snapshot(place)
        assert fetch(mirror.url, published).status == "cached"
        other = PublishedFile("homo_sapiens-chr22.vcf.gz", "22", 1, 2)
        assert remaining_bytes(FOLDER, other) == 2048
        error = refuse(mirror.url, other, str(place / "cache"), other.name, "can't be written to")
        assert error.hint is not None and "$ENSEMBL_ANNOTATIONS_CACHE" in error.hint
        assert snapshot(place) == before


def test_the_disk_is_full(
    published: PublishedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part stays, and with more room the rest is downloaded."""
    with small_disk(tmp_path / "disk", 1 << 19) as place, server() as mirror, server() as second:
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(place))
        error = refuse([mirror.url, second.url], published, "disk is full")
        assert error.code == "disk_full"
        assert second.requests == []
        part = find_place(FOLDER, published).part
        arrived = part.stat().st_size
        assert arrived > 0
        assert CONTENT.startswith(part.read_bytes())
        subprocess.run(["mount", "-o", f"remount,size={4 << 20}", str(place)], check=True)
        found = fetch(mirror.url, published)
        assert (found.status, found.downloaded_bytes) == ("resumed", SIZE - arrived)


def test_a_disk_without_any_room(
    published: PublishedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 4096) as place, server() as mirror:
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(place))
        assert refuse(mirror.url, published, "disk is full").code == "disk_full"
        assert [path for path in place.rglob("*.part*")] == []


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (FOLDER, "../x"),
        (FOLDER, "/etc/x"),
        (FOLDER, ".."),
        (FOLDER, ""),
        (FOLDER, "a\\b"),
        (FOLDER, "a\0b"),
        ("../x", NAME),
        ("a/../../x", NAME),
        ("/etc", NAME),
        ("", NAME),
    ],
)
def test_a_name_that_leads_out(folder: str, name: str, tmp_path: Path, cache: Path) -> None:
    with server() as mirror:
        with pytest.raises(SourceError, match="leads out of the download cache"):
            fetch_file([mirror.url], folder, PublishedFile(name, "21", 1, 1))
        assert mirror.requests == []
    assert not cache.exists()


def test_an_odd_name_is_data(tmp_path: Path) -> None:
    name = "a #1?x=%41.vcf.gz"
    (tmp_path / "odd").write_bytes(CONTENT)
    odd = PublishedFile(name, "21", *bsd_sum(tmp_path / "odd"))
    with fault_server({f"/x/{name}": CONTENT}) as mirror:
        found = fetch_file([mirror.url], "x", odd)
        assert found.path.name == name
        assert found.path.read_bytes() == CONTENT


# --- Answers without end -------------------------------------------------------------------------

LENGTH = f"Content-Length: {SIZE}\r\n\r\n".encode()
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKS = HEAD + f"Transfer-Encoding: chunked\r\n\r\n{SIZE:x}\r\n".encode() + CONTENT + b"\r\n0\r\n"
ENDLESS = {
    "100 Continue": Step(raw=b"", again=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a dripped head": Step(raw=HEAD + b"X: ", again=b"x", trickle=0.01),
    "a dripped trailer": Step(raw=CHUNKS + b"X: ", again=b"x", trickle=0.01),
    "trailers": Step(raw=CHUNKS, again=b"X: y\r\n"),
    "a redirect with a body": Step(
        raw=b"HTTP/1.1 302 Found\r\nLocation: " + PATH.encode() + b"\r\n\r\n", again=b"x" * 65536
    ),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SEC", "SLOW_SEC", "TEXT_SEC"):
        monkeypatch.setattr(mirrors_module, name, 0.5)


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.usefixtures("impatient")
def test_an_answer_without_end_is_broken_off(name: str, published: PublishedFile) -> None:
    with server(ENDLESS[name]) as mirror:
        fetch(mirror.url, published)


@pytest.mark.parametrize("name", [name for name in ENDLESS if "redirect" not in name])
@pytest.mark.usefixtures("impatient")
def test_a_list_without_end_is_broken_off(name: str, published: PublishedFile) -> None:
    with server(default=ENDLESS[name]) as mirror, pytest.raises(SourceError, match="did not end"):
        read_text(mirror.url, PATH[1:])


@pytest.mark.usefixtures("impatient")
def test_a_list_that_drips_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors_module, "SLOW_BYTES", 0)
    drip = Step(raw=HEAD + LENGTH, again=b"1", trickle=0.01)
    with server(default=drip) as mirror, pytest.raises(SourceError, match="did not end"):
        read_text(mirror.url, PATH[1:])


# --- File systems without locks ------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_no_locks_name_the_setting(
    number: int, published: PublishedFile, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with server() as mirror:
        part = leave_part(published, mirror, HALF)
        find_place(FOLDER, published).lock.touch()
        monkeypatch.setattr(fcntl, "flock", flock)
        error = refuse(mirror.url, published, str(cache), "no locks", os.strerror(number))
        assert "$ENSEMBL_ANNOTATIONS_CACHE" in str(error.hint)
        with pytest.raises(EnsemblAnnotationsError, match="no locks"):
            prune_cache()
        assert part.stat().st_size == HALF
