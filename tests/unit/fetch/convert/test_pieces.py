"""How a published VCF is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.fetch.convert.pieces import cut_pieces


@settings(max_examples=200)
@given(
    st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"")), max_size=40),
    st.booleans(),
    st.lists(st.integers(1, 20), min_size=1, max_size=10),
    st.integers(1, 30),
)
def test_pieces_are_the_lines_however_they_are_read(
    lines: list[bytes], ended: bool, sizes: list[int], group: int
) -> None:
    text = b"\n".join(lines) + (b"\n" if ended else b"")
    chunks, begin = [], 0
    while begin < len(text):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(text[begin : begin + size])
        begin += size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", group)
        cut = list(cut_pieces(b"", iter(chunks), 11, "x"))
    whole = text if not text or text.endswith(b"\n") else text + b"\n"
    assert b"".join(piece.data for piece in cut) == whole
    # Up to the end of the line that holds the last of so many bytes.
    for piece in cut[:-1]:
        assert piece.data.rfind(b"\n", 0, -1) + 1 < group <= len(piece.data)
    counts = [piece.data.count(b"\n") for piece in cut]
    assert [piece.first_line for piece in cut] == [
        11 + sum(counts[:index]) for index in range(len(cut))
    ]


def test_a_line_is_not_too_long_only_where_it_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_LINE_BYTES", 100)
    good = [b"x" * 90 + b"\n"] * 5
    assert len(list(cut_pieces(b"", iter(good), 7, "x"))) == 1
    with pytest.raises(SourceError, match="line 12: is longer"):
        list(cut_pieces(b"", iter([*good, b"x" * 60, b"x" * 60]), 7, "x"))
