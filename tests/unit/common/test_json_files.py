"""JSON objects that may be cut or edited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from ensembl_annotations.common.json_files import parse_as, parse_object, read_as, read_object


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_an_empty_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert (parse_object(content), read_object(path)) == ({}, {})
    assert read_object(tmp_path / "none") == read_object(tmp_path) == {}
    path.write_text('{"a": [1]}')
    assert read_object(path) == {"a": [1]}


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
