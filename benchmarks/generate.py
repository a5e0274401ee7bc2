"""Seeded data in Ensembl's form: a release of any size, and genomes to annotate with it.

Every batch of records is a function of (seed, chromosome, number of the batch) alone, so a
chromosome of any size is written in bounded memory, and a query is drawn from a release by making
its records again instead of reading them.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
from deep import make_deep_records
from genes import Models
from genome import TELOMERE_BP, Array, Chromosome, make_tile, tab_separated
from info import HEADER, make_info
from queries import write_calls

from ensembl_annotations.fetch import Layout
from ensembl_annotations.fetch.verify import bsd_sum
from ensembl_annotations.vcf.bgzf import BgzfWriter

RECIPE = 1
"""Counts up with every change of what a seed gives."""

DESCRIPTION = "generated.json"
LAYOUT = Layout("homo_sapiens", "GRCh38", 116)
LINE_BASES = 60


@dataclass(frozen=True)
class Release:
    """A generated release on disk.

    Attributes
    ----------
    folder : Path
        The base of the tree, what a mirror's address names.
    chromosomes : dict of str to Chromosome
    """

    folder: Path
    chromosomes: dict[str, Chromosome]

    def vcf(self, chromosome: str) -> Path:
        return self.folder / LAYOUT.vcf_folder / f"homo_sapiens-chr{chromosome}.vcf.gz"

    def fasta(self, chromosome: str) -> Path:
        return self.folder / LAYOUT.fasta_folder / LAYOUT.fasta_name(chromosome)

    def gff3(self, chromosome: str) -> Path:
        name = f"Homo_sapiens.GRCh38.{LAYOUT.release}.chromosome.{chromosome}.gff3.gz"
        return self.folder / LAYOUT.gff3_folder / name

    @property
    def peptides(self) -> Path:
        return self.folder / LAYOUT.peptide_folder / "Homo_sapiens.GRCh38.pep.all.fa.gz"


def open_release(folder: Path) -> Release:
    """Return the release that `write_release` wrote into a folder.

    Raises
    ------
    SystemExit
        Where there is none, or it is of another version of this file.
    """
    try:
        content = json.loads((folder / DESCRIPTION).read_text())
    except FileNotFoundError:
        sys.exit(f"{folder}: no {DESCRIPTION}; write a release there first.")
    if content["recipe"] != RECIPE:
        sys.exit(f"{folder}: written by an older version of this script; remove it.")
    made = [Chromosome(**item) for item in content["chromosomes"]]
    return Release(folder, {item.name: item for item in made})


def write_release(
    out: Path,
    chromosomes: Sequence[str],
    num_records: int,
    seed: int,
    *,
    fasta: bool = False,
    genes: bool = False,
    density: float = 1,
    num_bad: int = 0,
    depth: int = 1,
) -> Release:
    """Write a mirror of a release: the same bytes for the same arguments.

    Parameters
    ----------
    out : Path
        The base of the tree.
    chromosomes : sequence of str
        Ensembl's names.
    num_records : int
        Records of each chromosome, without the malformed ones, where `depth` is 1.
    seed : int
    fasta : bool
        Write the sequences too.
    genes : bool
        Write gene models and peptides too, and the sequences.
    density : float
        How many times as dense as a human release's these are.
    num_bad : int
        Malformed rows of each chromosome.
    depth : int
        How many times as many alleles are published on the same bases.
    """
    made = [Chromosome(name, num_records, seed, depth) for name in chromosomes]
    release = Release(out, {item.name: item for item in made})
    for item in made:
        path = release.vcf(item.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_vcf(path, item, num_bad)
    _write_checksums([release.vcf(item.name) for item in made])
    if fasta or genes:
        _write_fastas(release)
    if genes:
        _write_genes(release, density)
    content = {"recipe": RECIPE, "chromosomes": [_described(item) for item in made]}
    (out / DESCRIPTION).write_text(json.dumps(content, indent=2) + "\n")
    return release


def add_genes(release: Release, out: Path, density: float = 1) -> Release:
    """Write the release with sequences and genes into another folder, where its variants are a link."""
    found = Release(out, release.chromosomes)
    variants = out / LAYOUT.vcf_folder
    variants.parent.mkdir(parents=True)
    variants.symlink_to((release.folder / LAYOUT.vcf_folder).resolve())
    _write_fastas(found)
    _write_genes(found, density)
    shutil.copy(release.folder / DESCRIPTION, out)
    return found


def _described(chromosome: Chromosome) -> dict[str, Any]:
    """Return what `open_release` makes the chromosome of; depth 1 is said by silence, as it always was."""
    return {key: value for key, value in asdict(chromosome).items() if (key, value) != ("depth", 1)}


def _write_vcf(path: Path, chromosome: Chromosome, num_bad: int) -> None:
    batches = chromosome.num_batches
    with path.open("wb") as handle:
        writer = BgzfWriter(handle, level=6)
        writer.write(HEADER.encode())
        for batch in range(batches):
            records = make_deep_records(chromosome, batch, make_tile(chromosome, batch))
            info = make_info(chromosome.draw(batch, 2), records)
            first_base = chromosome.tile_begin(batch) + 1
            columns = records.select(
                pl.lit(chromosome.name),
                pl.col("at") + first_base,
                "id",
                "ref",
                "alt",
                pl.lit(".").alias("qual"),
                pl.lit(".").alias("filter"),
                info,
            )
            writer.write(tab_separated(columns))
            begin, end = (num_bad * number // batches for number in (batch, batch + 1))
            pos = int(columns["at"][-1])
            writer.write(b"".join(_bad_row(chromosome.name, pos, n) for n in range(begin, end)))
        writer.finish()


def _bad_row(chromosome: str, pos: int, number: int) -> bytes:
    rows = (
        f"{chromosome}\t{pos}\trs1\tA\tG\t.\t.\n".encode(),
        f"{chromosome}\t{pos}x\trs1\tA\tG\t.\t.\tdbSNP_156;TSA=SNV\n".encode(),
        f"{chromosome}\t{pos}\t.\tA\tG\t.\t.\tdbSNP_156;TSA=SNV\n".encode(),
        f"HG{chromosome}\t{pos}\trs1\tA\tG\t.\t.\tdbSNP_156;TSA=SNV\n".encode(),
        f"{chromosome}\t{pos}\trs1\tA\tG\t.\t.\tdbSNP_156;TSA=SNV;AA=".encode() + b"\xff\n",
    )
    return rows[number % len(rows)]


def _write_fastas(release: Release) -> None:
    for item in release.chromosomes.values():
        path = release.fasta(item.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_fasta(path, item)
    _write_checksums([release.fasta(name) for name in release.chromosomes])


def _write_genes(release: Release, density: float) -> None:
    """Write the gene models of each chromosome, and the peptides of all."""
    paths = [release.gff3(name) for name in release.chromosomes]
    for folder in (paths[0].parent, release.peptides.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with release.peptides.open("wb") as handle:
        peptides = BgzfWriter(handle, level=6)
        for path, item in zip(paths, release.chromosomes.values(), strict=True):
            _write_models(path, item, density, peptides)
        peptides.finish()
    _write_checksums(paths)
    _write_checksums([release.peptides])


def _write_models(path: Path, chromosome: Chromosome, density: float, peptides: BgzfWriter) -> None:
    with path.open("wb") as handle:
        writer = BgzfWriter(handle, level=6)
        region = f"##sequence-region   {chromosome.name} 1 {chromosome.length_bp}\n"
        writer.write(f"##gff-version 3\n{region}".encode())
        for batch in range(chromosome.num_batches):
            models = Models(chromosome, batch, density)
            for lines in models.genes():
                writer.write("".join(lines).encode())
            peptides.write("".join(models.peptides).encode())
        writer.finish()


def _write_fasta(path: Path, chromosome: Chromosome) -> None:
    length = chromosome.length_bp
    title = (
        f">{chromosome.name} dna:chromosome chromosome:GRCh38:{chromosome.name}:1:{length}:1 REF\n"
    )
    with path.open("wb") as handle:
        writer = BgzfWriter(handle, level=6)
        writer.write(title.encode())
        rest = np.empty(0, np.uint8)
        for bases in _sequence(chromosome):
            rest = np.concatenate([rest, bases])
            whole = len(rest) - len(rest) % LINE_BASES
            _write_lines(writer, rest[:whole])
            rest = rest[whole:]
        if len(rest):
            writer.write(rest.tobytes() + b"\n")
        writer.finish()


def _sequence(chromosome: Chromosome) -> Iterator[Array]:
    """Yield a chromosome's bases in pieces: a telomere, the tiles, and N up to its real length."""
    piece = np.full(6_000_000, ord("N"), np.uint8)
    yield piece[:TELOMERE_BP]
    written = TELOMERE_BP
    for batch in range(chromosome.num_batches):
        bases = make_tile(chromosome, batch).bases
        yield bases
        written += len(bases)
    for begin in range(written, chromosome.length_bp, len(piece)):
        yield piece[: chromosome.length_bp - begin]


def _write_lines(writer: BgzfWriter, bases: Array) -> None:
    lines = np.full((len(bases) // LINE_BASES, LINE_BASES + 1), ord("\n"), np.uint8)
    lines[:, :-1] = bases.reshape(-1, LINE_BASES)
    writer.write(lines.tobytes())


def _write_checksums(paths: Sequence[Path]) -> None:
    lines = []
    for path in paths:
        checksum, blocks = bsd_sum(path)
        lines.append(f"{checksum:05d} {blocks:5d}\t{path.name}\n")
    (paths[0].parent / "CHECKSUMS").write_text("".join(lines))


def write_query(
    path: Path,
    release_dir: Path,
    chromosome: str,
    count: int,
    seed: int,
    *,
    exome: bool = False,
    samples: int = 1,
) -> None:
    """Write a VCF as GATK would: 95 % of its records are published alleles.

    Parameters
    ----------
    path : Path
        The file; BGZF.
    release_dir : Path
        A release written by `write_release`.
    chromosome : str
        Which of its chromosomes.
    count : int
        Records.
    seed : int
    exome : bool
        Records in clusters of exons of 150 bp, four records each, rather than spread evenly.
    samples : int
        Columns of genotypes.

    Notes
    -----
    Alleles are spelled as callers do, minimal and left-aligned, which is not how Ensembl spells
    an indel in a repeat; one record in 200 carries a base more than it needs. A position is drawn
    once. The depth of the release does not matter: what depth 1 has is published at any.
    """
    plan = open_release(release_dir).chromosomes[chromosome]
    write_calls(path, plan, count, seed, exome=exome, samples=samples)


@click.group()
def main() -> None:
    """Generate seeded data in Ensembl's form."""


@main.command("release")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Base of the tree.")
@click.option("--chromosomes", default="21", show_default=True, help="Separated by commas.")
@click.option(
    "--records", default=1_000_000, show_default=True, help="Of each chromosome, at depth 1."
)
@click.option("--seed", default=1, show_default=True)
@click.option("--fasta", is_flag=True, help="Write the sequences too.")
@click.option("--genes", is_flag=True, help="Write gene models, peptides and the sequences too.")
@click.option("--density", default=1.0, show_default=True,
              help="How many times as dense as a human release's the gene models are.")  # fmt: skip
@click.option("--depth", default=1, show_default=True,
              help="How many times as many alleles are on the same bases.")  # fmt: skip
@click.option("--bad", default=0, show_default=True, help="Malformed rows of each chromosome.")
def release_command(
    out: Path, chromosomes: str, records: int, seed: int, fasta: bool, genes: bool, density: float,
    depth: int, bad: int,
) -> None:  # fmt: skip
    """Write a mirror of a release."""
    began = time.perf_counter()
    names = chromosomes.split(",")
    release = write_release(
        out,
        names,
        records,
        seed,
        fasta=fasta,
        genes=genes,
        density=density,
        num_bad=bad,
        depth=depth,
    )
    took = time.perf_counter() - began
    size = sum(release.vcf(name).stat().st_size for name in names)
    click.echo(f"{size / 1e6:.1f} MB of VCF in {took:.1f} s: {size / took / 1e6:.1f} MB/s")


@main.command("query")
@click.option("--release", type=click.Path(path_type=Path), required=True, help="A release's base.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .vcf.gz.")
@click.option("--chromosome", default="21", show_default=True)
@click.option("--variants", default=20_000, show_default=True)
@click.option("--seed", default=2, show_default=True)
@click.option("--exome", is_flag=True, help="In clusters, as an exome has them.")
@click.option("--samples", default=1, show_default=True)
def query_command(
    release: Path, out: Path, chromosome: str, variants: int, seed: int, exome: bool, samples: int
) -> None:
    """Write a VCF to annotate, drawn from a release."""
    write_query(out, release, chromosome, variants, seed, exome=exome, samples=samples)


if __name__ == "__main__":
    main()
