from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.store import write
from ensembl_annotations.vcf.read import VcfReader
from tests.conformance.reference import RECORDS, SEQUENCES
from tests.support.mirror import write_mirror
from tests.support.pinned import odd_queries, odd_release


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


@pytest.fixture(scope="session", params=["whole", "in-pieces", "without-sequence"])
def odd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store of every oddity; in pieces with pages of 3 rows and row groups of 20."""
    base = tmp_path_factory.mktemp("odd")
    records, sequences = odd_release()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        if request.param == "in-pieces":
            patch.setattr(pieces, "PIECE_BYTES", 2000)
            patch.setattr(write, "ROW_GROUP_ROWS", 20)
            patch.setattr(write, "PAGE_ROWS", 3)
        write_mirror(base / "mirror", records, sequences)
        fetch_ensembl(
            base / "store",
            mirrors=base / "mirror",
            release=116,
            max_bad_percent=50.0,
            fasta=request.param != "without-sequence",
            genes=False,
        )
    for number, samples in enumerate((["S1"], [], ["S1", "S2", "S3"])):
        text = odd_queries(records, sequences, samples or ["S1"])
        if not samples:
            head, _, body = text.partition("#CHROM")
            lines = ["\t".join(line.split("\t")[:8]) for line in ("#CHROM" + body).splitlines()]
            text = head.replace("\n", "\r\n") + "\r\n".join(lines)
        (base / f"{number}.vcf").write_bytes(text.encode())
    return base
