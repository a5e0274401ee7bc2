"""Other programs read what we write of consequences, and say the same where all must agree."""

from __future__ import annotations

import gzip
import itertools
import random
import shutil
import subprocess
from collections import Counter
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


def coding_changes(folder: Path, bases: dict[str, str]) -> dict[Alt, dict[str, str]]:
    """Return changes in the CDS of complete transcripts, off their splice sites, start and stop codons.

    They are bases replaced within a codon, insertions and deletions; with the transcripts, and of each the strand and
    whether it has several exons.
    """
    draw, found = random.Random(3), dict[Alt, dict[str, str]]()
    rows = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("*.genes.parquet"))])
    for row in rows.iter_rows(named=True):
        exons = list(zip(row["exon_starts"], row["exon_ends"], strict=True))
        gaps = [b[0] - a[1] - 1 for a, b in itertools.pairwise(exons)]
        odd = row["cds_start_nf"] or row["cds_end_nf"] or row["selenocysteines"] or row["cds_phase"]
        if not row["cds_start"] or odd or row["chrom"] == "MT" or any(gap < 30 for gap in gaps):
            continue
        coding = [
            place
            for start, end in exons
            for place in range(start, end + 1)
            if row["cds_start"] <= place <= row["cds_end"]
        ]
        inside = {at for start, end in exons for at in range(start + 8, end - 7)} & {*coding[3:-12]}
        shape = f"{row['strand']:+} {'several exons' if gaps else 'one exon'}"
        for number in draw.sample(range(len(coding)), min(len(coding), 80)):
            place, size = coding[number], draw.randint(1, 3)
            if not {*range(place, place + 4)} <= inside:
                continue
            sequence = bases[row["chrom"]][place - 1 : place + 3].upper()
            # A CDS is whole codons, so that they are the same from either end.
            ref = sequence[: min(size, 3 - number % 3)]
            alts = [
                (ref, "".join(draw.choice("ACGT".replace(base, "")) for base in ref)),
                (ref[0], ref[0] + "".join(draw.choices("ACGT", k=draw.choice((1, 2, 3, 6))))),
                (sequence[: size + 1], ref[0]),
            ]
            if sequence.strip("ACGT"):
                continue
            pair = draw.choices(alts, (4, 1, 1))[0]
            alt = (row["chrom"], place, *pair)
            found.setdefault(alt, {})[row["transcript_id"]] = shape
    return found


def test_coding_changes_are_what_bcftools_csq_says(synthetic: Genome, tmp_path: Path) -> None:
    """The terms of bases replaced within a codon; of insertions and deletions, whether the frame is shifted.

    Others differ: VEP tells an insertion by whether the residues beside it stay, and calls no frameshift where a stop
    follows the residue that was there; bcftools calls no stop behind a shift of the frame, or in a second codon.
    """
    fasta, gff3 = tmp_path / "sequences.fa", tmp_path / "genes.gff3"
    fasta.write_bytes(gzip.decompress((TRUTH / "sequences.fa.gz").read_bytes()))
    gff3.write_bytes(gzip.decompress((TRUTH / "genes.gff3.gz").read_bytes()))
    with pysam.FastaFile(str(fasta)) as opened:
        bases = {name: opened.fetch(name) for name in opened.references}
    changes = coding_changes(synthetic.folder, bases)
    alts = sorted(changes)
    vcf = tmp_path / "changes.vcf"
    write_vcf(vcf, alts, ["."] * len(alts))
    run("bcftools", "csq", "-l", "-f", fasta, "-g", gff3, "-o", tmp_path / "said.vcf", vcf)
    compared = Counter[str]()
    with pysam.VariantFile(str(tmp_path / "said.vcf")) as records:
        for record, alt, entries in zip(records, alts, synthetic.calls(alts), strict=True):
            said = {}
            for item in record.info.get("BCSQ", ()):
                term, _, transcript = item.split("|")[:3]
                said[transcript] = {
                    f"{name}_variant" if name in ("missense", "synonymous", "frameshift") else name
                    for name in term.split("&")
                }
            grows = len(alt[3]) - len(alt[2])
            kind = ("MNV" if len(alt[2]) > 1 else "SNV") if not grows else "indel"
            for entry in entries:
                if entry["feature"] not in changes[alt] or entry["feature"] not in said:
                    continue
                ours = {*entry["consequence"].split("&")} - {"NMD_transcript_variant"}
                theirs = said[entry["feature"]]
                if grows and "stop_retained_variant" in ours:
                    continue
                if grows:
                    ours, theirs = (terms & {"frameshift_variant"} for terms in (ours, theirs))
                assert ours == theirs, (alt, entry)
                compared[f"{kind} {changes[alt][entry['feature']]}"] += 1
    shapes = [f"{sign}1 {exons}" for sign in "+-" for exons in ("one exon", "several exons")]
    for kind, shape in itertools.product(("SNV", "MNV", "indel"), shapes):
        assert compared[f"{kind} {shape}"] >= 20, compared
    assert compared.total() > 1500, compared
