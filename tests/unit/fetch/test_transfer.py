"""A file that grows from answers that may not belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import requests

from ensembl_annotations.common.errors import SizeError
from ensembl_annotations.fetch.cache import Place
from ensembl_annotations.fetch.failures import TransientError
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.transfer import HttpTransfer, Origin, Part

SERVER, URL = "http://a.org", "http://a.org/x.gz"
ETAG = '"v1"'


class Grown:
    """A part of a file of 2 KiB with so many bytes, and what it reports."""

    def __init__(self, folder: Path, num_bytes: int = 0, origin: Origin | None = None) -> None:
        self.place = Place(folder / "x.gz")
        self.reported: list[int] = []
        if num_bytes:
            self.place.part.write_bytes(b"x" * num_bytes)
        self.part = Part(self.place, PublishedFile("x.gz", "21", 0, 2), self.reported.append)
        if origin is not None:
            self.part.describe(origin)
        self.transfer: Any = HttpTransfer(SERVER, "x.gz", self.part, None)


def answer(**headers: str) -> requests.Response:
    found = requests.Response()
    found.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return found


@pytest.mark.parametrize(
    ("num_bytes", "total", "expected"),
    [
        (1024, None, False),
        (1025, None, True),
        (2048, None, True),
        # What the server says is exact, CHECKSUMS is not.
        (1025, 1500, False),
        (1500, 1500, True),
        # A total that CHECKSUMS refutes counts for nothing.
        (1500, 5000, True),
    ],
)
def test_it_is_complete_where_its_size_says_so(
    num_bytes: int, total: int | None, expected: bool, tmp_path: Path
) -> None:
    assert Grown(tmp_path, num_bytes, Origin(URL, ETAG, total)).part.is_complete() == expected


def test_no_byte_too_many_is_kept(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    with pytest.raises(SizeError, match="more than the 2 KiB"):
        grown.part.append([b"x" * 2048, b"x"], None)
    assert not grown.place.part.exists()
    assert (sum(grown.reported), grown.part.received_bytes) == (0, 2049)


def test_an_empty_part_is_not_left_behind(tmp_path: Path) -> None:
    grown = Grown(tmp_path, origin=Origin(URL, ETAG, 1500))
    grown.part.append([], None)
    grown.part.tidy()
    assert list(tmp_path.iterdir()) == []
    grown.part.append([b"x"], None)
    grown.part.tidy()
    assert grown.place.part.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, {"Range": "bytes=100-", "If-Range": ETAG}),
        # Another server can't know that version.
        ("http://b.org/x.gz", {"Range": "bytes=100-"}),
    ],
)
def test_the_rest_is_asked_for_on_a_condition(
    url: str, expected: dict[str, str], tmp_path: Path
) -> None:
    grown = Grown(tmp_path, 100, Origin(url, ETAG, 1500))
    assert grown.transfer._range_headers() == expected
    fresh = Grown(tmp_path / "new")
    assert fresh.transfer._range_headers() == {}


GOOD = {"Content_Range": "bytes 100-1499/1500", "ETag": ETAG}


@pytest.mark.parametrize(
    ("url", "headers", "reason"),
    [
        (URL, {**GOOD, "Content_Range": "bytes 99-1499/1500"}, "other bytes than those from 100"),
        (URL, {"ETag": ETAG}, "other bytes than those from 100"),
        (URL, {**GOOD, "Content_Range": "bytes 100-1599/1600"}, "1600 bytes, it had 1500"),
        (URL, {**GOOD, "ETag": '"v2"'}, "changed on the server"),
        (URL, GOOD, ""),
        (URL, {**GOOD, "Content_Range": "bytes 100-1499/*"}, ""),
        # Of another server only the sizes can be compared.
        ("http://b.org/x.gz", {**GOOD, "ETag": '"v2"'}, ""),
    ],
)
def test_only_what_continues_the_part_is_put_behind_it(
    url: str, headers: dict[str, str], reason: str, tmp_path: Path
) -> None:
    grown = Grown(tmp_path, 100, Origin(url, ETAG, 1500))
    if reason:
        with pytest.raises(TransientError, match=reason):
            grown.transfer._go_on(answer(**headers))
        assert not grown.place.part.exists() and not grown.place.origin.exists()
    else:
        grown.transfer._go_on(answer(**headers))
        assert grown.part.num_bytes == 100 and grown.part.is_pieced
        assert grown.part.origin == Origin(URL, headers["ETag"], 1500)


@pytest.mark.parametrize(
    ("headers", "decode"),
    [
        ({"Content_Length": "1500"}, False),
        # Labelled, but as it is: the size fits.
        ({"Content_Length": "1500", "Content_Encoding": "gzip"}, False),
        ({"Content_Length": "700", "Content_Encoding": "gzip"}, True),
        ({"Content_Encoding": "gzip"}, True),
    ],
)
def test_a_whole_file_replaces_the_part(
    headers: dict[str, str], decode: bool, tmp_path: Path
) -> None:
    grown = Grown(tmp_path, 100, Origin(URL, '"v0"', 1500))
    assert grown.transfer._start(answer(ETag=ETAG, **headers)) == decode
    assert not grown.place.part.exists()
    # Of a body that is decoded, neither size nor version is that of the file.
    assert grown.part.origin == Origin(URL, *((None, None) if decode else (ETAG, 1500)))


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Content_Length": "5000"}, SizeError),
        ({"Content_Type": "text/html; charset=utf-8"}, TransientError),
    ],
)
def test_what_is_not_the_file_takes_nothing_away(
    headers: dict[str, str], error: type[Exception], tmp_path: Path
) -> None:
    grown = Grown(tmp_path, 100, Origin(URL, ETAG, 1500))
    with pytest.raises(error):
        grown.transfer._start(answer(**headers))
    assert grown.place.part.stat().st_size == 100
    assert grown.part.origin == Origin(URL, ETAG, 1500)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ETag": ETAG, "Last_Modified": "Monday"}, ETAG),
        # A weak ETag is no promise of the same bytes.
        ({"ETag": 'W/"v1"', "Last_Modified": "Monday"}, "Monday"),
        ({}, None),
    ],
)
def test_a_strong_etag_tells_versions_apart(
    headers: dict[str, str], expected: str | None, tmp_path: Path
) -> None:
    grown = Grown(tmp_path)
    grown.transfer._start(answer(Content_Length="1500", **headers))
    assert cast(Origin, grown.part.origin).validator == expected
