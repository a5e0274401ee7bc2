"""Small tools that all rooms use."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from ensembl_annotations.common.errors import (
    ChecksumError,
    EnsemblAnnotationsError,
    NotPublishedError,
    SourceError,
    WrongAssemblyError,
)
from ensembl_annotations.common.hashes import digests_of, md5_of, md5_of_bytes, sha256_of
from ensembl_annotations.common.json_files import parse_as, parse_object, read_as, read_object
from ensembl_annotations.common.pool import in_order
from ensembl_annotations.common.words import listed, one_line, printable, printable_lines
from ensembl_annotations.fetch.download import _all_failed
from ensembl_annotations.fetch.manifest import no_answer
from ensembl_annotations.vcf.header import parse_structured_line, structured_header_line


@pytest.mark.parametrize(
    ("names", "separator", "expected"),
    [
        ([], ", ", ""),
        (["a"], ", ", "a"),
        (["a", "b", "c"], ", ", "a, b, c"),
        (["a", "b", "c", "d"], ", ", "a, b, c and 1 more"),
        (range(9), ", ", "0, 1, 2 and 6 more"),
        (["a", "b", "c", "d"], "; ", "a; b; c; and 1 more"),
    ],
)
def test_names_are_listed(names: list[object], separator: str, expected: str) -> None:
    assert listed(names, separator=separator) == expected


def test_what_a_name_could_do_to_a_terminal_is_escaped() -> None:
    odd = "a\x1b[2Jb\x9b\u202ec\n\udcff\U000e0001é"
    assert printable(odd) == r"a\u001b[2Jb\u009b\u202ec\n\udcff\udb40\udc01é"
    assert json.loads(printable(json.dumps([odd], ensure_ascii=False))) == [odd]
    assert printable_lines("a\x1b\nb") == "a\\u001b\nb"
    assert (printable(None), printable(0)) == ("-", "0")
    assert one_line(" two\n\tlines ") == "two lines"


def test_digests(tmp_path: Path) -> None:
    path, content = tmp_path / "file", b"bytes" * (1 << 20)
    path.write_bytes(content)
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    assert (md5_of(path), md5_of_bytes(content), sha256_of(path)) == (md5, md5, sha256)
    assert digests_of(io.BytesIO(content)) == (md5, sha256)


def test_results_come_in_order_and_items_are_read_no_further_than_ahead() -> None:
    read: list[int] = []
    first = threading.Event()

    def items() -> Iterator[int]:
        for item in range(9):
            read.append(item)
            yield item

    def work(item: int) -> int:
        # The first ends last.
        assert item or first.wait(10)
        first.set() if item == 2 else None
        return item * item

    with ThreadPoolExecutor(3) as pool:
        results = in_order(pool, work, items(), ahead=3)
        assert next(results) == 0
        assert read == [0, 1, 2, 3]
        assert list(results) == [1, 4, 9, 16, 25, 36, 49, 64]


def test_what_has_not_begun_never_begins_after_an_error() -> None:
    begun: list[int] = []
    is_told = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("the first")
        assert is_told.wait(10)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="the first"):
            next(in_order(pool, work, range(100), ahead=5))
        is_told.set()
    # The second may have begun before the first one's error was seen.
    assert len(begun) <= 2


def test_what_has_not_begun_never_begins_after_the_results_are_given_up() -> None:
    begun: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        results = in_order(pool, begun.append, range(5), ahead=0)
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert begun == [0]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_an_empty_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert (parse_object(content), read_object(path)) == ({}, {})
    assert read_object(tmp_path / "none") == read_object(tmp_path) == {}
    path.write_text('{"a": [1]}')
    assert read_object(path) == {"a": [1]}


def test_an_error_has_the_code_of_its_class_for_logs() -> None:
    assert (EnsemblAnnotationsError("a").code, SourceError("a").code) == ("failed", "bad_source")
    assert (NotPublishedError("a").code, SourceError("a", code="tls").code) == ("not_found", "tls")


def test_what_mirrors_say_is_the_clearest_of_their_errors() -> None:
    fault = SourceError("a fault", code="tls")
    absent, other = NotPublishedError("absent"), WrongAssemblyError("other")
    for errors, expected in (
        ([fault, absent], NotPublishedError),
        ([fault, absent, other], WrongAssemblyError),
        ([fault, SourceError("b")], SourceError),
    ):
        told = no_answer([(f"/{number}", error) for number, error in enumerate(errors)])
        assert type(told) is expected
    assert (told.code, told.message.count("\n")) == ("tls", 2)


def test_a_file_that_no_mirror_gives_has_the_class_of_the_reasons_where_they_are_one() -> None:
    a, b = ChecksumError("a"), ChecksumError("b")
    assert type(_all_failed("x", {"/1": a, "/2": b})) is ChecksumError
    told = _all_failed("x", {"/1": a, "/2": NotPublishedError("b")})
    assert (type(told), told.code) == (SourceError, "bad_source")


@dataclass(frozen=True)
class Noted:
    name: str
    size: Annotated[int, Field(ge=0)]


def test_a_data_class_is_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"name": "x", "size": 3}')
    assert read_as(Noted, path) == Noted("x", 3)
    assert read_as(Noted, tmp_path) is read_as(Noted, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"name": "x"}', "size: "),
        (b'{"name": "x", "size": "3"}', "size: "),
        (b'{"name": "x", "size": true}', "size: "),
        (b'{"name": "x", "size": -1}', "size: "),
        (b'{"name": "x", "size": 1, "more": 1}', "more: "),
        (b"[1]", ""),
        (b"[" * 100_000, "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
    ],
)
def test_json_that_is_no_such_data_class(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{reason}") as caught:
        parse_as(Noted, content)
    assert "\n" not in str(caught.value)
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert read_as(Noted, path) is None


def test_a_structured_line_is_read_in_linear_time() -> None:
    line = structured_header_line("x", {"A": "b", "C": 'd, "e"', "F": "g"})
    assert parse_structured_line(line) == {"A": "b", "C": 'd, "e"', "F": "g"}
    began = time.process_time()
    assert parse_structured_line(f"##x=<{'a' * 200_000}>") == {}
    assert time.process_time() - began < 2
