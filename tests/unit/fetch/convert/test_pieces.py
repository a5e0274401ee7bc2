"""How a published VCF is cut into pieces."""

from __future__ import annotations

import io
import itertools
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.fetch.convert.pieces import cut_pieces


def in_chunks(text: bytes, sizes: list[int]) -> BinaryIO:
    """Return a file that is read in chunks of these sizes, in turn."""

    class Chunks(io.RawIOBase):
        rest, turns = text, itertools.cycle(sizes)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            chunk = self.rest[: min(next(self.turns), len(buffer))]
            self.rest = self.rest[len(chunk) :]
            buffer[: len(chunk)] = chunk
            return len(chunk)

    return cast(BinaryIO, io.BufferedReader(Chunks(), 7))


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", group)
        cut = list(cut_pieces(in_chunks(text, sizes), 11, "x"))
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
    good = (b"x" * 90 + b"\n") * 5
    assert len(list(cut_pieces(io.BytesIO(good), 7, "x"))) == 1
    assert len(list(cut_pieces(io.BytesIO(good + b"x" * 99), 7, "x"))) == 1
    for group in (1, 480, 10_000):
        monkeypatch.setattr(pieces, "PIECE_BYTES", group)
        with pytest.raises(SourceError, match="line 12: is longer"):
            list(cut_pieces(io.BytesIO(good + b"x" * 120), 7, "x"))
