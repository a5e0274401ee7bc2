"""Records of a FASTA file, in pieces of its text."""

from __future__ import annotations

import io

import pytest

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch.convert import fasta


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 100])
def test_records_are_the_same_in_pieces_of_any_size(
    piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fasta, "READ_BYTES", piece_bytes)
    found: dict[str, bytes] = {}
    for title, bases in fasta._read_records(
        io.BytesIO(b">a x\nacGT\r\nn\n>b\r\n>c\nTT\nr"), "f.fa"
    ):
        name = title.name if title else [*found][-1]
        found[name] = found.get(name, b"") + bases
    assert found == {"a": b"ACGTN", "b": b"", "c": b"TTR"}


def test_a_header_begins_its_line() -> None:
    with pytest.raises(SourceError, match=r"f.fa: not a FASTA file: b'>' is no letter"):
        list(fasta._read_records(io.BytesIO(b">a\nAC>b\nGT\n"), "f.fa"))
