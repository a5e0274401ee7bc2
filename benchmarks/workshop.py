"""Make what the annotate benchmark reads: releases, stores, queries, and what other tools need."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import generate
import numpy as np
import peers
import pyarrow.parquet as pq
from generate import Release, add_genes, open_release, write_query, write_release
from measure import OURS, measure, remove

from ensembl_annotations._kernel import build

CHROMOSOME = "21"
FULL_RECORDS = 15_000_000


@dataclass(frozen=True)
class Query:
    """How many variants a query has where FULL_RECORDS are published."""

    name: str
    variants: int
    exome: bool = False
    samples: int = 1

    def count(self, records: int) -> int:
        return max(20, round(self.variants * records / FULL_RECORDS))


QUERIES = {
    item.name: item
    for item in (
        Query("q68k", 68_000),
        Query("qx340", 340, exome=True),
        Query("q1m", 1_000_000),
        Query("qcoh", 25_000, samples=200),
    )
}


def say(text: str) -> None:
    click.echo(text, err=True)


class Workshop:
    """Make what the commands read; what is there from an earlier run is kept."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = {**os.environ, "ENSEMBL_ANNOTATIONS_CACHE": str(folder / "cache")}

    def release(
        self, name: str, chromosomes: Sequence[str], records: int, seed: int, depth: int = 1
    ) -> Release:
        deep = f"-depth-{depth}" if depth > 1 else ""
        folder = self.folder / f"{name}-{seed}-{records}{deep}"
        if not (folder / generate.DESCRIPTION).exists():
            say(f"Generating {folder.name}")
            write_release(folder, chromosomes, records, seed, depth=depth)
        return open_release(folder)

    def with_genes(self, release: Release, density: float = 1) -> Release:
        """Return the release with its sequences and genes, in a folder beside it."""
        dense = f"-{density:g}" if density != 1 else ""
        folder = release.folder.with_name(f"{release.folder.name}-genes{dense}")
        if not (folder / generate.DESCRIPTION).exists():
            say(f"Generating {folder.name}")
            remove(folder)
            add_genes(release, folder, density)
        return open_release(folder)

    def store(
        self, release: Release, name: str, program: Sequence[str] = OURS, more: Sequence[str] = ()
    ) -> Path:
        """Convert a release; always anew, for the store's layout belongs to the code."""
        out = self.folder / name
        remove(out)
        say(f"Converting {name}")
        measure(
            [*program, "fetch", "--base-url", str(release.folder), "--release", "116", "--out", str(out),
             *more],
            self._environment,
        )  # fmt: skip
        return out

    def bcf(self, release: Release) -> Path:
        source, out = release.vcf(CHROMOSOME), self.folder / "source.bcf"
        if not source.with_suffix(".gz.tbi").exists():
            subprocess.run(["tabix", "-p", "vcf", str(source)], check=True)
        index = out.with_suffix(".bcf.csi")
        if not index.exists():
            say("Making a BCF of the release, for bcftools")
            threads = ["--threads", str(peers.THREADS)]
            for step in (["view", *threads, "-Ob", "-o", str(out), str(source)],
                         ["index", "-f", *threads, str(out)]):  # fmt: skip
                subprocess.run(["bcftools", *step], check=True, stderr=subprocess.DEVNULL)
        return out

    def fasta(self, release: Release) -> Path:
        out = self.folder / "sequence.fa.gz"
        if not out.exists():
            generate._write_fasta(out, release.chromosomes[CHROMOSOME])
        return out

    def archive(self, bcf: Path) -> Path | None:
        """Make echtvar's archive of the release."""
        if not peers.has("echtvar"):
            return None
        out = self.folder / "echtvar.zip"
        if not out.exists():
            settings, split = self.folder / "echtvar.json", self.folder / "source.split.bcf"
            settings.write_text(peers.echtvar_settings())
            _split(bcf, split)
            subprocess.run(["echtvar", "encode", str(out), str(settings), str(split)], check=True)
        return out

    def floor(self) -> Path:
        """Compile what the floor needs of the kernel."""
        out = self.folder / "libfloor.so"
        sources = [Path(__file__).parent / "floor.c", *sorted(build.FOLDER.glob("*.c"))]
        command = [*build.compiler(), *build._FLAGS, f"-I{build.FOLDER}", "-o", str(out)]
        subprocess.run([*command, *map(str, sources)], check=True)
        return out

    def floor_input(self, data: peers.Data, ours: Path) -> None:
        """Write what the floor is told: our answer as text, and the row groups that have one of the query's positions."""
        with data.answer.open("wb") as handle:
            subprocess.run(["bgzip", "-dc", str(ours)], stdout=handle, check=True)
        done = subprocess.run(
            ["bcftools", "query", "-f", "%POS\n", str(data.query)],
            stdout=subprocess.PIPE,
            check=True,
        )
        starts = np.array(done.stdout.split(), np.int64) - 1
        metadata = pq.read_metadata(data.table)
        column = metadata.schema.to_arrow_schema().get_field_index("start")
        spans = [
            metadata.row_group(group).column(column).statistics
            for group in range(metadata.num_row_groups)
        ]
        needed = [
            str(group)
            for group, span in enumerate(spans)
            if np.searchsorted(starts, span.min) < np.searchsorted(starts, span.max, "right")
        ]
        data.groups.write_text(" ".join(needed) + "\n")

    def query(self, release: Release, query: Query, count: int, name: str) -> Path:
        out = self.folder / f"{name}.vcf.gz"
        index = out.with_suffix(".gz.tbi")
        if not index.exists():
            say(f"Generating {name}: {count} variants")
            write_query(out, release.folder, CHROMOSOME, count, self.seed + 1, exome=query.exome,
                        samples=query.samples)  # fmt: skip
            subprocess.run(["tabix", "-f", "-p", "vcf", str(out)], check=True)
            if peers.has("echtvar"):
                _split(out, out.with_suffix("").with_suffix(".split.bcf"))
        return out

    def header_only(self, query: Path) -> Path:
        out = self.folder / "none.vcf.gz"
        subprocess.run(["bcftools", "view", "-h", "-Oz", "-o", str(out), str(query)], check=True)
        return out


def _split(source: Path, out: Path) -> None:
    command = ["bcftools", "norm", "-m-any", "-Ob", "-o", str(out), str(source)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
