from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.annotate.read import VcfReader
from ensembl_annotations.fetch import store
from tests.conformance.reference import RECORDS, SEQUENCES
from tests.support.mirror import write_mirror


@dataclass(frozen=True)
class Stores:
    """Reference stores of the same records, by assembly and whether the sequence is there."""

    grch38: Path
    grch37: Path
    without_sequence: Path


@pytest.fixture(
    scope="session", params=["whole", "pieces"], ids=["one-batch", "a-line-a-batch-a-row-a-group"]
)
def stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stores]:
    """Build the stores; once as usual, once with every batch and row group as small as can be."""
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.mktemp("conformance")
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        if request.param == "pieces":
            patch.setattr(store, "ROW_GROUP_ROWS", 1)
            patch.setattr(VcfReader, "batch_bytes", 1)
        write_mirror(base / "mirror", RECORDS, SEQUENCES)
        write_mirror(base / "mirror", RECORDS, assembly="GRCh37")
        made = Stores(base / "grch38", base / "grch37", base / "without_sequence")
        mirrors = [str(base / "mirror")]
        fetch_ensembl(
            made.grch38, mirrors=mirrors, release=116, fasta=True, chromosomes=["21", "22"]
        )
        fetch_ensembl(made.grch37, mirrors=mirrors, release=116, assembly="GRCh37")
        fetch_ensembl(made.without_sequence, mirrors=mirrors, release=116)
        yield made
