"""Other programs read what we write of consequences, and say the same where all must agree."""

from __future__ import annotations

import gzip
import itertools
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pysam
import pytest

from ensembl_annotations.variants.outcomes import TAGS, tag_header_line
from tests.support.consequences import TRUTH, Alt, Genome, opened_files, read_truth

pytestmark = pytest.mark.skipif(
    shutil.which("bcftools") is None, reason="bcftools is not installed (Debian package bcftools)"
)


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Genome]:
    files = (TRUTH / "genes.gff3.gz", TRUTH / "peptides.fa.gz")
    folder = tmp_path_factory.mktemp("genome")
    with opened_files(folder, [TRUTH / "sequences.fa.gz"], *files) as genome:
        yield genome


def write_vcf(path: Path, alts: list[Alt], infos: list[str]) -> None:
    lengths = {"1": 345_000, "2": 200_000, "MT": 9_219}
    head = ["##fileformat=VCFv4.2", *(tag_header_line(tag) for tag in TAGS)]
    head += [f"##contig=<ID={name},length={length}>" for name, length in lengths.items()]
    head.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    lines = [
        f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t{info}"
        for (chrom, pos, ref, alt), info in zip(alts, infos, strict=True)
    ]
    path.write_text("\n".join([*head, *lines, ""]))


def test_split_vep_reads_every_entry(synthetic: Genome, tmp_path: Path) -> None:
    alts = [*read_truth()]
    infos = [
        ";".join(f"{key}={value}" for key, value in info.items())
        for info in synthetic.annotated(alts)
    ]
    vcf = tmp_path / "annotated.vcf"
    write_vcf(vcf, alts, infos)
    fields = r"%POS\t%ALT\t%Consequence\t%Feature\t%Codons\t%HGVSp\t%PICK\n"
    plugins = subprocess.run(
        ["bcftools", "plugin", "-l"], capture_output=True, text=True, check=False
    )
    if "split-vep" not in plugins.stdout:
        pytest.skip("bcftools has no plugin split-vep")
    said = run("bcftools", "+split-vep", "-a", "ENS_CSQ", "-d", "-A", "tab", "-f", fields, vcf)
    names = ("consequence", "feature", "codons", "hgvsp", "pick")
    expected = [
        "\t".join([str(alt[1]), alt[3], *(entry[name] or "." for name in names)])
        for alt, entries in zip(alts, synthetic.calls(alts), strict=True)
        for entry in entries
    ]
    assert said.splitlines() == expected


def coding_snvs(folder: Path, bases: dict[str, str]) -> dict[Alt, set[str]]:
    """Return SNVs in the CDS of complete transcripts, off their splice sites, start and stop codons."""
    draw, found = random.Random(3), dict[Alt, set[str]]()
    rows = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("*.genes.parquet"))])
    for row in rows.iter_rows(named=True):
        exons = list(zip(row["exon_starts"], row["exon_ends"], strict=True))
        gaps = [b[0] - a[1] - 1 for a, b in itertools.pairwise(exons)]
        odd = row["cds_start_nf"] or row["cds_end_nf"] or row["selenocysteines"] or row["cds_phase"]
        if not row["cds_start"] or odd or row["chrom"] == "MT" or any(gap < 30 for gap in gaps):
            continue
        inside = [
            place
            for start, end in exons
            for place in range(start + 8, end - 7)
            if row["cds_start"] + 3 <= place <= row["cds_end"] - 3
        ]
        for place in draw.sample(inside, min(len(inside), 40)):
            ref = bases[row["chrom"]][place - 1].upper()
            if ref in "ACGT":
                alt = (
                    row["chrom"],
                    place,
                    ref,
                    draw.choice([base for base in "ACGT" if base != ref]),
                )
                found.setdefault(alt, set()).add(row["transcript_id"])
    return found


def test_coding_snvs_are_what_bcftools_csq_says(synthetic: Genome, tmp_path: Path) -> None:
    fasta, gff3 = tmp_path / "sequences.fa", tmp_path / "genes.gff3"
    fasta.write_bytes(gzip.decompress((TRUTH / "sequences.fa.gz").read_bytes()))
    gff3.write_bytes(gzip.decompress((TRUTH / "genes.gff3.gz").read_bytes()))
    with pysam.FastaFile(str(fasta)) as opened:
        snvs = coding_snvs(
            synthetic.folder, {name: opened.fetch(name) for name in opened.references}
        )
    alts = sorted(snvs, key=lambda alt: (alt[0], alt[1], alt[3]))
    assert len(alts) > 1000
    vcf = tmp_path / "snvs.vcf"
    write_vcf(vcf, alts, ["."] * len(alts))
    run("bcftools", "csq", "-l", "-f", fasta, "-g", gff3, "-o", tmp_path / "said.vcf", vcf)
    ours = synthetic.calls(alts)
    num_compared = 0
    with pysam.VariantFile(str(tmp_path / "said.vcf")) as records:
        for record, alt, entries in zip(records, alts, ours, strict=True):
            said = {}
            for item in record.info.get("BCSQ", ()):
                term, _, transcript = item.split("|")[:3]
                said[transcript] = {
                    f"{name}_variant" if name in ("missense", "synonymous") else name
                    for name in term.split("&")
                }
            for entry in entries:
                if entry["feature"] in snvs[alt] and entry["feature"] in said:
                    assert {*entry["consequence"].split("&")} - {"NMD_transcript_variant"} == said[
                        entry["feature"]
                    ], (alt, entry)
                    num_compared += 1
    assert num_compared > 1000
