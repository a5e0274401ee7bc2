"""Records of a FASTA file, whatever pieces it is read in."""

from __future__ import annotations

import io

import pytest

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch.convert import fasta


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000])
def test_letters_of_a_record_are_those_of_its_lines(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fasta, "READ_BYTES", size)
    text = b">1 of >2\r\nacgN\r\nGT\r\n>empty\n>2\nT\n\nRy"
    found: dict[str, bytes] = {}
    for title, bases in fasta._read_records(io.BytesIO(text), "x.fa"):
        name = title.name if title is not None else list(found)[-1]
        found[name] = found.get(name, b"") + bases
    assert found == {"1": b"ACGNGT", "empty": b"", "2": b"TRY"}


def test_a_header_begins_a_line() -> None:
    text = io.BytesIO(b">1\nAC>GT\nAC\n>2\nA\n")
    with pytest.raises(SourceError, match="b'>' is no letter"):
        list(fasta._read_records(text, "x.fa"))
