"""A store of which a single bit is flipped gives the same answer, or is refused: never another answer."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations._kernel import (
    BadFile,
    Contig,
    Sequence2Bit,
    Settings,
    Table,
    annotated,
    contig_runs,
)
from ensembl_annotations.common.problems import Problem
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.store import write
from ensembl_annotations.store.describe import ReferenceStore, Resource, open_resource
from tests.support.mirror import write_mirror
from tests.support.pinned import odd_queries, odd_release

CHROMOSOME = "2"
NUM_FLIPS = 3000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ReferenceStore:
    base = tmp_path_factory.mktemp("flips")
    records, sequences = odd_release()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        # Several row groups of several pages.
        patch.setattr(pieces, "PIECE_BYTES", 30_000)
        patch.setattr(write, "ROW_GROUP_ROWS", 400)
        patch.setattr(write, "PAGE_ROWS", 100)
        write_mirror(base / "mirror", records, sequences)
        fetch_ensembl(
            base / "store",
            mirrors=base / "mirror",
            release=116,
            max_bad_percent=50.0,
            fasta=True,
        )
    return ReferenceStore(base / "store")


@pytest.fixture(scope="module")
def queries() -> bytes:
    records, sequences = odd_release()
    lines = odd_queries(records, sequences, ["S1"]).splitlines()
    return "\n".join([*(line for line in lines if line.startswith("chr2\t")), ""]).encode()


def answer(items: dict[str, Resource], queries: bytes) -> bytes | str:
    """Return the annotated text, or why a file was refused."""
    opened: dict[str, Table | Sequence2Bit] = {}
    with (
        items["alleles"].path.open("rb") as alleles,
        items["sequence"].path.open("rb") as sequence,
    ):
        for role, handle in (("alleles", alleles), ("sequence", sequence)):
            found = open_resource(handle, items[role], 0)
            if isinstance(found, Problem):
                return str(found)
            opened[role] = found
        contig = Contig(opened["alleles"].handle, None, opened["sequence"].handle, None, -1, 0)
        settings = Settings(10, tags=(1 << 15) - 1, with_sites=True, index_depth=6)
        places = [0] * len(contig_runs(queries))
        try:
            with annotated(queries, settings, [contig], places) as result:
                return bytes(result.text)
        except BadFile as error:
            return error.why


def flips(size: int, seed: int) -> Iterator[int]:
    yield from random.Random(seed).sample(range(8 * size), min(NUM_FLIPS, 8 * size))


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """Flip a bit where it is: to write the whole file anew takes as long as all else."""

    def flip() -> None:
        with path.open("r+b", buffering=0) as file:
            byte = os.pread(file.fileno(), 1, bit // 8)[0]
            os.pwrite(file.fileno(), bytes([byte ^ 1 << bit % 8]), bit // 8)

    flip()
    try:
        yield
    finally:
        flip()


@pytest.mark.parametrize("role", ["alleles", "sequence"])
def test_a_flipped_bit_is_found_or_does_not_matter(
    role: str, store: ReferenceStore, queries: bytes
) -> None:
    found = {name: store.resource(CHROMOSOME, name) for name in ("alleles", "sequence")}
    items = {name: item for name, item in found.items() if item is not None}
    path = items[role].path
    seed = time.time_ns()
    right, data = answer(items, queries), path.read_bytes()
    assert isinstance(right, bytes)
    assert right.count(b"ENS_ID=") > 500
    seen: Counter[str] = Counter()
    for bit in flips(len(data), seed):
        with flipped(path, bit):
            got = answer(items, queries)
        seen["refused" if isinstance(got, str) else "same" if got == right else "other"] += 1
        assert isinstance(got, str) or got == right, f"bit {bit} of {path.name} (seed {seed})"
    assert path.read_bytes() == data
    # Of the alleles, not every column is read.
    assert seen["refused"] > 0.5 * seen.total()


@pytest.mark.parametrize("role", ["alleles", "sequence"])
def test_a_file_that_is_cut_while_it_is_open_is_an_error(
    role: str, store: ReferenceStore, queries: bytes, tmp_path: Path
) -> None:
    """It is read, not mapped: a mapped file that is cut ends the process."""
    item = store.resource(CHROMOSOME, role)
    assert item is not None
    path = tmp_path / item.path.name
    path.write_bytes(item.path.read_bytes())
    with path.open("rb") as handle:
        opened = open_resource(handle, item, 7)
        assert not isinstance(opened, Problem)
        path.write_bytes(b"")
        with pytest.raises(BadFile, match="cut or replaced") as raised:
            if isinstance(opened, Sequence2Bit):
                opened.bases(100, 10)
            else:
                contig = Contig(opened.handle, None, None, None, -1, 0)
                with annotated(queries, Settings(10), [contig], [0] * len(contig_runs(queries))):
                    pass
        assert raised.value.number == 7
