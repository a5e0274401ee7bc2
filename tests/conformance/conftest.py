from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.vcf.read import VcfReader
from tests.conformance.reference import RECORDS, SEQUENCES
from tests.support.mirror import write_mirror


@dataclass(frozen=True)
class Stores:
    """Reference stores of the same records, by assembly and whether the sequence is there."""

    grch38: Path
    grch37: Path
    without_sequence: Path


@pytest.fixture(scope="session", params=[False, True], ids=["whole", "in-pieces"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Stores, bool]:
    """Build the stores; once as usual, once with a row group per row."""
    in_pieces: bool = request.param
    base = tmp_path_factory.mktemp("conformance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        if in_pieces:
            patch.setattr(pieces, "PIECE_BYTES", 1)
        write_mirror(base / "mirror", RECORDS, SEQUENCES)
        write_mirror(base / "mirror", RECORDS, assembly="GRCh37")
        made = Stores(base / "grch38", base / "grch37", base / "without_sequence")
        mirrors = [str(base / "mirror")]
        fetch_ensembl(
            made.grch38, mirrors=mirrors, release=116, fasta=True, chromosomes=["21", "22"]
        )
        fetch_ensembl(made.grch37, mirrors=mirrors, release=116, assembly="GRCh37")
        fetch_ensembl(made.without_sequence, mirrors=mirrors, release=116, fasta=False, genes=False)
    return made, in_pieces


@pytest.fixture
def stores(built: tuple[Stores, bool], monkeypatch: pytest.MonkeyPatch) -> Stores:
    """Give the stores; where they are in pieces, each test reads a line a batch."""
    made, in_pieces = built
    if in_pieces:
        monkeypatch.setattr(VcfReader, "batch_bytes", 1)
    return made
