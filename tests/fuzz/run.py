"""Build the fuzzer with sanitizers, make its inputs, and run it: ``python -m tests.fuzz.run SECONDS``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ensembl_annotations import _kernel, fetch_ensembl
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.store import genes, write
from ensembl_annotations.store.describe import FileIdentity
from tests.support.consequences import ORIGIN, random_transcripts, transcript_table
from tests.support.mirror import write_mirror
from tests.support.pinned import odd_queries, odd_release

FOLDER = Path(__file__).parent
KERNEL = Path(_kernel.__file__).parent
FLAGS = ["-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DFUZZING"]  # fmt: skip


def build(folder: Path) -> Path:
    """Compile the fuzzer and return its path."""
    out = folder / "fuzz"
    sources = [str(FOLDER / "fuzz.c"), *map(str, sorted(KERNEL.glob("*.c")))]
    subprocess.run(["gcc", *FLAGS, f"-I{KERNEL}", "-o", str(out), *sources], check=True)
    return out


def make_inputs(folder: Path) -> list[str]:
    """Return a file of alleles in many row groups and pages, its sequence, and records."""
    records, sequences = odd_release()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder / "cache"))
        patch.setattr(pieces, "PIECE_BYTES", 20_000)
        patch.setattr(write, "ROW_GROUP_ROWS", 200)
        patch.setattr(write, "PAGE_ROWS", 50)
        write_mirror(folder / "mirror", records, sequences)
        store = folder / "store"
        fetch_ensembl(
            store, mirrors=folder / "mirror", release=116, max_bad_percent=50.0, fasta=True
        )
    lines = [
        line
        for line in odd_queries(records, sequences, ["S1"]).splitlines()
        if line.startswith("chr2\t")
    ]
    query = folder / "query.txt"
    query.write_text("\n".join([*lines[:150], ""]))
    return [str(store / f"homo_sapiens-chr2.{end}") for end in ("parquet", "2bit")] + [str(query)]


def make_genes(folder: Path) -> Path:
    """Return a file of transcripts on the same sequence, in many row groups and pages."""
    rows = random_transcripts("2", len(odd_release()[1]["2"]), 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(genes, "ROW_GROUP_ROWS", 20)
        patch.setattr(write, "PAGE_ROWS", 8)
        return genes.write_genes(
            folder, FileIdentity.of(ORIGIN, "2", "genes"), transcript_table(rows)
        )


def main() -> None:
    """Fuzz for a time, with another seed at each run; what crashed it stays."""
    seed = str(int(time.time()))
    crash = Path(tempfile.mkdtemp(prefix="fuzz-"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [str(build(folder)), sys.argv[1], seed, *make_inputs(folder), str(crash)]
        command.append(str(make_genes(folder)))
        print(f"fuzzing for {sys.argv[1]} s with seed {seed}", flush=True)
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        if code := subprocess.run(command, check=False, env=environment).returncode:
            sys.exit(f"The fuzzer ended with {code}; the inputs are in {crash}.")


if __name__ == "__main__":
    main()
