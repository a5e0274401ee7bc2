"""A sequence comes back, however it is cut into rows and row groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.store import sequence
from ensembl_annotations.store.describe import FileIdentity
from ensembl_annotations.store.sequence import SequenceWriter, load_sequence

IDENTITY = FileIdentity("homo_sapiens", "GRCh38", 116, "21", "sequence")


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 8, 9, 40])
@pytest.mark.parametrize("step", [1, 7, 100])
def test_a_sequence_comes_back(
    length: int, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequence, "SEQUENCE_ROW_BASES", 4)
    monkeypatch.setattr(sequence, "_ROWS_PER_GROUP", 2)
    bases = (b"ACGTN" * 8)[:length]
    writer = SequenceWriter(tmp_path, IDENTITY)
    for begin in range(0, length, step):
        writer.add(bases[begin : begin + step])
    assert writer.finish() == length
    assert load_sequence(tmp_path / IDENTITY.file_name).tobytes() == bases
