"""A sequence comes back, whatever pieces it comes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.store.describe import FileIdentity
from ensembl_annotations.store.sequence import SequenceWriter, load_sequence

IDENTITY = FileIdentity("homo_sapiens", "GRCh38", 116, "21", "sequence")


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 8, 9, 40, 20_000])
@pytest.mark.parametrize("step", [7, 100, 16_384])
def test_a_sequence_comes_back(length: int, step: int, tmp_path: Path) -> None:
    bases = (b"ACGTNNTGCA" * 2000)[:length]
    writer = SequenceWriter(tmp_path, IDENTITY)
    for begin in range(0, length, step):
        writer.add(bases[begin : begin + step])
    assert (writer.finish(), writer.num_other) == (length, 0)
    assert load_sequence(tmp_path / IDENTITY.file_name).tobytes() == bases


def test_other_letters_are_n_and_counted(tmp_path: Path) -> None:
    writer = SequenceWriter(tmp_path, IDENTITY)
    writer.add(b"ACRNNY")
    writer.add(b"MGT")
    assert (writer.finish(), writer.num_other) == (9, 3)
    assert load_sequence(tmp_path / IDENTITY.file_name).tobytes() == b"ACNNNNNGT"
