"""JSON objects that may be cut or edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.common.json_files import parse_object, read_object


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_an_empty_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert (parse_object(content), read_object(path)) == ({}, {})
    assert read_object(tmp_path / "none") == read_object(tmp_path) == {}
    path.write_text('{"a": [1]}')
    assert read_object(path) == {"a": [1]}
