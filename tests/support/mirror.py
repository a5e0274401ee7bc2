"""Small mirrors of Ensembl's tree, authored by a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import deflate

from ensembl_annotations.fetch import Layout
from ensembl_annotations.fetch.verify import bsd_sum
from ensembl_annotations.vcf.bgzf import compress_bgzf

HEADER = """\
##fileformat=VCFv4.1
##source=ensembl;version=116;url=https://e116.ensembl.org/homo_sapiens
##INFO=<ID=dbSNP_156,Number=0,Type=Flag,Description="Variants imported from dbSNP">
##INFO=<ID=HGMD-PUBLIC_20204,Number=0,Type=Flag,Description="Variants from HGMD-PUBLIC">
##INFO=<ID=TSA,Number=1,Type=String,Description="Type of sequence alteration">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO
"""

Row = tuple[int, str, str, str, str]
"""POS, ID, REF, ALT, INFO."""


def write_mirror(
    base: Path,
    records: Mapping[str, Iterable[Row]],
    sequences: Mapping[str, str] | None = None,
    genes: Mapping[str, str] | None = None,
    *,
    peptides: str = "",
    release: int = 116,
    assembly: str = "GRCh38",
) -> Path:
    """Write a mirror with one VCF per chromosome, FASTA and GFF3 where they are given."""
    layout = Layout("homo_sapiens", assembly, release)
    files: dict[str, bytes] = {}
    for chromosome, rows in records.items():
        text = HEADER + "".join(
            f"{chromosome}\t{pos}\t{name}\t{ref}\t{alt}\t.\t.\t{info}\n"
            for pos, name, ref, alt, info in sorted(rows, key=lambda row: row[0])
        )
        files[f"homo_sapiens-chr{chromosome}.vcf.gz"] = compress_bgzf(text.encode())
    write_folder(base / layout.vcf_folder, files)
    fasta = {}
    for chromosome, sequence in (sequences or {}).items():
        lines = [sequence[begin : begin + 60] for begin in range(0, len(sequence), 60)]
        text = "\n".join([f">{chromosome} dna:chromosome", *lines, ""])
        fasta[layout.fasta_name(chromosome)] = bytes(deflate.gzip_compress(text.encode(), 1))
    if fasta:
        write_folder(base / layout.fasta_folder, fasta)
    stem = f"Homo_sapiens.{assembly}"
    if genes:
        models = {f"{stem}.{release}.chromosome.{name}.gff3.gz": genes[name] for name in genes}
        write_folder(base / layout.gff3_folder, {name: _gzip(models[name]) for name in models})
    if peptides:
        write_folder(base / layout.peptide_folder, {f"{stem}.pep.all.fa.gz": _gzip(peptides)})
    return base


def _gzip(text: str) -> bytes:
    return bytes(deflate.gzip_compress(text.encode(), 1))


def with_refs(sequence: str, rows: Iterable[Row]) -> str:
    """Return a sequence that has the REFs of all records."""
    bases = list(sequence)
    for pos, _, ref, _, _ in rows:
        bases[pos - 1 : pos - 1 + len(ref)] = ref
    return "".join(bases)


def write_one_file(
    base: Path,
    layout: Layout,
    records: Mapping[str, Iterable[Row]],
    *,
    name: str | None = None,
    genome: str | None = None,
) -> Path:
    """Write a mirror of a species in one file, `name`; with the kind of whole-genome FASTA given."""
    text = HEADER + "".join(
        f"{contig}\t{pos}\t{id_}\t{ref}\t{alt}\t.\t.\t{info}\n"
        for contig, rows in records.items()
        for pos, id_, ref, alt, info in rows
    )
    files = {name or f"{layout.species}.vcf.gz": compress_bgzf(text.encode())}
    write_folder(base / layout.vcf_folder, files)
    if genome is not None:
        lines = "".join(f">{contig} dna:chromosome\n{'N' * 60}\n" for contig in records)
        fasta = f"{layout.species.capitalize()}.{layout.assembly}.dna.{genome}.fa.gz"
        content = bytes(deflate.gzip_compress(lines.encode(), 1))
        write_folder(base / layout.fasta_folder, {fasta: content})
    return base


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files and the CHECKSUMS that fit them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        checksum, blocks = bsd_sum(folder / name)
        lines.append(f"{checksum:05d} {blocks:5d}\t{name}\n")
    (folder / "CHECKSUMS").write_text("".join(lines))
