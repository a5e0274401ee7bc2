"""Time `fetch` against its floor and against `bcftools view -Ob`: same files, in one run.

A generated release is served by nginx on loopback. What is compared:

- ours: download, verification and conversion to the reference store, with an empty download cache;
- ours, warm: the same with all files in the download cache, which leaves the conversion;
- the floor: `curl` of the VCFs, four at a time;
- `bcftools view -Ob` of the VCFs, one after another, with one thread and with two.

The page cache is warm, and the answers are compared before anything is timed.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from generate import Release, open_release, write_release
from measure import (
    OURS,
    Measured,
    folder_bytes,
    interleaved,
    measure,
    medians,
    need,
    ratio,
    served,
    version_of,
)

RESULTS = Path(__file__).parent / "results"
COLD, WARM = "ours", "ours, warm"
COLD_FASTA, WARM_FASTA = "ours --fasta", "ours --fasta, warm"
FLOOR = "curl"
PEER, PEER_THREADS = "bcftools view -Ob", "bcftools view -Ob --threads 2"

MIN_SPEED_UP = 2.5
MAX_PEAK_MB = 800


def store_digest(folder: Path) -> dict[str, int]:
    """Return the counts of a reference store that a converted VCF must agree with.

    This is the only place that knows how a store is laid out.
    """
    package = json.loads((folder / "datapackage.json").read_text())
    rows = [item["num_rows"] for item in package["resources"] if item["role"] == "alleles"]
    return {"num_variants": package["num_variants"], "num_alleles": sum(rows)}


def bcf_digest(paths: Sequence[Path]) -> dict[str, int]:
    """Return the same counts of BCF files; a record without ALT counts as one allele."""
    records = commas = 0
    for path in paths:
        subprocess.run(["bcftools", "index", "-f", str(path)], check=True, capture_output=True)
        done = subprocess.run(
            ["bcftools", "index", "-n", str(path)], check=True, capture_output=True, text=True
        )
        records += int(done.stdout)
        query = ["bcftools", "query", "-f", "%ALT\n", str(path)]
        with subprocess.Popen(
            query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1 << 20
        ) as process:
            assert process.stdout is not None
            while piece := process.stdout.read(1 << 20):
                commas += piece.count(b",")
    return {"num_variants": records, "num_alleles": records + commas}


@dataclass(frozen=True)
class Bench:
    """The commands that are compared, and where they write."""

    release: Release
    url: str
    folder: Path
    with_fasta: bool

    def out(self, label: str) -> Path:
        return self.folder / label.replace(" ", "_")

    def cache(self, label: str) -> Path:
        warm = label in (WARM, WARM_FASTA)
        return self.folder / ("cache_warm" if warm else "cache_cold")

    def commands(self) -> dict[str, list[str]]:
        commands = {COLD: self._fetch(COLD), WARM: self._fetch(WARM)}
        if self.with_fasta:
            commands[COLD_FASTA] = self._fetch(COLD_FASTA, "--fasta")
            commands[WARM_FASTA] = self._fetch(WARM_FASTA, "--fasta")
        commands[FLOOR] = self._curl()
        commands[PEER] = self._bcftools(PEER)
        commands[PEER_THREADS] = self._bcftools(PEER_THREADS, "--threads", "2")
        return commands

    def removed_before(self) -> dict[str, list[Path]]:
        """Return what must be gone before each command, so that every round does all the work."""
        gone = {label: [self.out(label)] for label in self.commands()}
        for label in (COLD, COLD_FASTA):
            if label in gone:
                gone[label].append(self.cache(label))
        return gone

    def _fetch(self, label: str, *more: str) -> list[str]:
        cache = f"ENSEMBL_ANNOTATIONS_CACHE={self.cache(label)}"
        return ["env", cache, *OURS, "fetch", "--base-url", self.url, "--release", "116",
                "--out", str(self.out(label)), *more]  # fmt: skip

    def _curl(self) -> list[str]:
        urls = [
            f"{self.url}/{self.release.vcf(name).relative_to(self.release.folder)}"
            for name in self.release.chromosomes
        ]
        return ["curl", "--silent", "--fail", "--parallel", "--parallel-max", "4", "--create-dirs",
                "--output-dir", str(self.out(FLOOR)), "--remote-name-all", *urls]  # fmt: skip

    def bcf(self, label: str) -> list[Path]:
        return [self.out(label) / f"{name}.bcf" for name in self.release.chromosomes]

    def _bcftools(self, label: str, *more: str) -> list[str]:
        lines = [f"set -e; mkdir -p {shlex.quote(str(self.out(label)))}"]
        for name, target in zip(self.release.chromosomes, self.bcf(label), strict=True):
            source = str(self.release.vcf(name))
            lines.append(shlex.join(["bcftools", "view", *more, "-Ob", "-o", str(target), source]))
        return ["sh", "-c", "\n".join(lines)]


def compare(bench: Bench) -> dict[str, int]:
    """Run every command once and stop where the answers differ; this fills the warm cache too."""
    for command in bench.commands().values():
        measure(command)
    expected = bcf_digest(bench.bcf(PEER))
    for label in (COLD, WARM, *((COLD_FASTA, WARM_FASTA) if bench.with_fasta else ())):
        if (found := store_digest(bench.out(label))) != expected:
            sys.exit(f"{label} has {found}, bcftools has {expected}; nothing was timed.")
    return expected


def summarize(bench: Bench, timed: dict[str, list[Measured]]) -> dict[str, dict[str, float]]:
    """Return medians per command, with records/s, sizes, and the ratios to ours and the floor."""
    rows = medians(timed)
    records = sum(item.num_records for item in bench.release.chromosomes.values())
    release = bench.release
    vcf_bytes = sum(release.vcf(name).stat().st_size for name in release.chromosomes)
    for label, row in rows.items():
        bytes_in = vcf_bytes
        if label in (COLD_FASTA, WARM_FASTA):
            bytes_in += sum(release.fasta(name).stat().st_size for name in release.chromosomes)
        row["records_per_sec"] = records / row["wall_sec"]
        row["bytes_out_per_byte_in"] = folder_bytes(bench.out(label)) / bytes_in
        row["wall_to_ours_warm"] = ratio(timed, label, WARM)
        row["wall_to_floor"] = ratio(timed, label, FLOOR)
    return rows


def judge(rows: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Return what was aimed at, and whether this run got there."""
    speed_up = rows[PEER]["wall_to_ours_warm"]
    peak = max(row["peak_mb"] for label, row in rows.items() if label.startswith("ours"))
    return [
        {
            "target": f"conversion, times {PEER}",
            "wanted": f"at least {MIN_SPEED_UP}",
            "found": round(speed_up, 2),
            "hit": speed_up >= MIN_SPEED_UP,
        },
        {
            "target": "peak memory of fetch, MB",
            "wanted": f"at most {MAX_PEAK_MB}",
            "found": round(peak),
            "hit": peak <= MAX_PEAK_MB,
        },
    ]


def show(rows: dict[str, dict[str, float]], targets: list[dict[str, Any]]) -> None:
    click.echo(f"{'':30} {'wall s':>8} {'cpu s':>8} {'peak MB':>8} {'M rec/s':>8} "
               f"{'out/in':>7} {'x ours, warm':>13} {'x curl':>7}")  # fmt: skip
    for label, row in rows.items():
        click.echo(
            f"{label:30} {row['wall_sec']:8.2f} {row['cpu_sec']:8.2f} {row['peak_mb']:8.0f} "
            f"{row['records_per_sec'] / 1e6:8.2f} {row['bytes_out_per_byte_in']:7.2f} "
            f"{row['wall_to_ours_warm']:13.2f} {row['wall_to_floor']:7.1f}"
        )
    click.echo()
    for row in targets:
        verdict = "hit" if row["hit"] else "MISS"
        click.echo(f"{verdict:4}  {row['target']}: {row['found']}, {row['wanted']}")


@click.command(help=__doc__)
@click.option("--records", default=1_000_000, show_default=True, help="Of each chromosome.")
@click.option("--chromosomes", default="20,21,22", show_default=True, help="Separated by commas.")
@click.option("--seed", default=1, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="Interleaved rounds.")
@click.option("--fasta", is_flag=True, help="Time `fetch --fasta` too.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A release that generate.py wrote; --records, --chromosomes and --seed do not matter then.",
)
def main(
    records: int, chromosomes: str, seed: int, rounds: int, fasta: bool, data: Path | None
) -> None:
    need("bcftools", "tabix", "curl", "nginx")
    with tempfile.TemporaryDirectory(prefix="bench-fetch-") as name:
        folder = Path(name)
        if data:
            release = open_release(data.resolve())
        else:
            release = write_release(
                folder / "mirror", chromosomes.split(","), records, seed, fasta=fasta
            )
        if fasta and not all(release.fasta(name).exists() for name in release.chromosomes):
            sys.exit(f"{data}: has no sequences; generate it with --fasta.")
        # Ensembl's header names no contigs; bcftools takes them from an index.
        for name in release.chromosomes:
            if not release.vcf(name).with_suffix(".gz.tbi").exists():
                subprocess.run(["tabix", "-p", "vcf", str(release.vcf(name))], check=True)
        with served(release.folder) as url:
            bench = Bench(release, url, folder, fasta)
            counts = compare(bench)
            timed = interleaved(bench.commands(), rounds, removed=bench.removed_before())
            rows = summarize(bench, timed)
    targets = judge(rows)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    click.echo(
        f"{counts['num_variants']} records and {counts['num_alleles']} alleles agree; "
        f"{len(release.chromosomes)} files, {cores} cores, medians of {rounds} rounds\n"
    )
    show(rows, targets)
    RESULTS.mkdir(exist_ok=True)
    content = {
        "cores": cores,
        "python": platform.python_version(),
        "bcftools": version_of("bcftools"),
        "chromosomes": {item.name: item.num_records for item in release.chromosomes.values()},
        "counts": counts,
        "targets": targets,
        "median": rows,
        "rounds": timed,
    }
    (RESULTS / "fetch.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
