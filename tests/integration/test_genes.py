"""Genes are fetched, verified and kept with the rest; what is wrong with them leaves no store."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.fetch import Layout, listing
from ensembl_annotations.store.genes import scan_genes
from tests.support.genes import Model, gff3, peptide_fasta
from tests.support.mirror import Row, write_folder, write_mirror
from tests.support.vcf import invoke, snapshot

RELEASE = 116
LAYOUT = Layout("homo_sapiens", "GRCh38", RELEASE)
GFF3 = "Homo_sapiens.GRCh38.116.chromosome.21.gff3.gz"
PEPTIDES = "Homo_sapiens.GRCh38.pep.all.fa.gz"
ROWS: list[Row] = [(5, "rs5", "A", "G", "TSA=SNV")]
# ATG AAA TGG GAC TAA from 13 on, over an intron.
SEQUENCE = "ACGTACGTCC" + "GGATGAAATG" + "GTAAGTTTAG" + "GGACTAACCCCCCC" + "C" * 56
ONE, TWO = "ENST90000000001", "ENST90000000002"
CODING = Model(ONE, [(11, 20), (31, 44)], [(13, 20), (31, 37)], ["0", "1"], contig="21")
OTHER = Model(TWO, [(50, 60)], contig="21", gene="ENSG90000000002", biotype="lncRNA")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))


def publish(base: Path, *models: Model, lengths: dict[str, int] | None = None) -> Path:
    text = gff3(models, lengths or {"21": len(SEQUENCE)})
    peptides = peptide_fasta({ONE: "MKWD"}).replace("DEMO:1:", "GRCh38:21:")
    return write_mirror(base, {"21": ROWS}, {"21": SEQUENCE}, {"21": text}, peptides=peptides)


def fetched(base: Path, out: Path, **options: Any) -> dict[str, Any]:
    return fetch_ensembl(out, mirrors=[str(base)], release=RELEASE, **options)


def package_of(store: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((store / "datapackage.json").read_bytes())
    return content


def test_genes_are_kept_described_and_verified(tmp_path: Path) -> None:
    base, out = publish(tmp_path / "pub", CODING, OTHER), tmp_path / "store"
    figures = fetched(base, out)
    assert (figures["num_genes"], figures["num_transcripts"]) == (2, 2)
    assert (figures["num_peptides_edited"], figures["num_peptides_unchecked"]) == (0, 0)
    assert "exact_only_on" not in figures
    package = package_of(out)
    assert package["genes"]["peptides"] == {"agrees": 1, "none": 1}
    (entry,) = (item for item in package["resources"] if item["role"] == "genes")
    schema = json.loads((out / entry["schema"]).read_bytes())
    assert [field["name"] for field in schema["fields"]][:2] == ["chrom", "start"]
    assert (entry["path"], entry["num_rows"]) == ("homo_sapiens-chr21.genes.parquet", 2)
    assert [Path(source["path"]).name for source in entry["sources"]] == [GFF3, PEPTIDES]
    assert scan_genes(out, "chr21").collect()["transcript_id"].to_list() == [ONE, TWO]
    invoke("verify", out).succeeded()


@pytest.mark.parametrize("change", ["cut", "altered", "removed"])
def test_a_file_of_genes_that_is_not_what_it_was_is_found(change: str, tmp_path: Path) -> None:
    out = tmp_path / "store"
    fetched(publish(tmp_path / "pub", CODING), out)
    path = out / "homo_sapiens-chr21.genes.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    {"cut": lambda: path.write_bytes(bytes(content[:-9])), "removed": path.unlink,
     "altered": lambda: path.write_bytes(bytes(content))}[change]()  # fmt: skip
    invoke("verify", out).failed(path.name)


@pytest.mark.parametrize("jobs", [1, 16])
def test_the_store_does_not_depend_on_what_arrives_first(jobs: int, tmp_path: Path) -> None:
    base = publish(tmp_path / "pub", CODING, OTHER)
    for name, number in (("a", 4), ("b", jobs)):
        fetched(base, tmp_path / name, jobs=number, force=True)
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_genes_need_the_sequence(tmp_path: Path) -> None:
    base, out = publish(tmp_path / "pub", CODING), tmp_path / "store"
    with pytest.raises(UsageError, match="genes: need the sequence"):
        fetched(base, out, fasta=False)
    arguments = ["fetch", "--base-url", base, "--release", RELEASE, "--out", out]
    invoke(*arguments, "--no-fasta").failed("--no-genes", code=2)
    invoke(*arguments, "--no-fasta", "--dry-run").failed("--no-genes", code=2)
    invoke(*arguments, "--no-fasta", "--no-genes").succeeded()
    assert {item["role"] for item in package_of(out)["resources"]} == {"alleles"}
    invoke(*arguments, "--no-genes").succeeded()
    assert {item["role"] for item in package_of(out)["resources"]} == {"alleles", "sequence"}


def test_what_can_not_be_used_is_quarantined_and_said(tmp_path: Path) -> None:
    broken = replace(OTHER, exons=[(50, 60), (55, 70)])
    base, out = publish(tmp_path / "pub", CODING, broken), tmp_path / "store"
    arguments = ["fetch", "--base-url", base, "--release", RELEASE, "--out", out]
    done = invoke(*arguments).succeeded()
    assert "1 transcripts contradict themselves or the sequence, and are quarantined" in done.stderr
    assert package_of(out)["quarantine"]["reasons"] == {"its exons overlap": 1}
    text = gzip.decompress((out / "quarantine.tsv.gz").read_bytes()).decode().splitlines()[1]
    assert text.startswith(f"{GFF3}\t")
    assert f"transcript_id={TWO}" in text


def test_a_peptide_that_differs_is_counted(tmp_path: Path) -> None:
    base, out = publish(tmp_path / "pub", CODING), tmp_path / "store"
    peptides = peptide_fasta({ONE: "MRWD"}).replace("DEMO:1:", "GRCh38:21:")
    write_folder(base / LAYOUT.peptide_folder, {PEPTIDES: gzip.compress(peptides.encode())})
    assert fetched(base, out)["num_peptides_edited"] == 1
    assert scan_genes(out).collect()["peptide"].to_list() == ["edited"]


@pytest.mark.parametrize(
    ("folder", "left_out", "roles"),
    [
        (
            LAYOUT.gff3_folder,
            "no genes on 21: no gene models are published",
            {"alleles", "sequence"},
        ),
        (LAYOUT.peptide_folder, "no peptides are published", {"alleles", "sequence", "genes"}),
        (LAYOUT.fasta_folder, "exact only on 21: no sequence is published", {"alleles"}),
    ],
)
def test_what_is_not_published_is_left_out_and_said(
    folder: str, left_out: str, roles: set[str], tmp_path: Path
) -> None:
    base, out = publish(tmp_path / "pub", CODING), tmp_path / "store"
    (base / folder / "CHECKSUMS").unlink()
    arguments = ["fetch", "--base-url", base, "--release", RELEASE, "--out", out]
    assert left_out in invoke(*arguments).succeeded().stderr
    assert {item["role"] for item in package_of(out)["resources"]} == roles
    invoke("verify", out).succeeded()


def test_variation_that_is_not_there_is_left_out_and_said(tmp_path: Path) -> None:
    base, out = publish(tmp_path / "pub", CODING), tmp_path / "store"
    shutil.rmtree(base / LAYOUT.vcf_folder)
    arguments = ["fetch", "--base-url", base, "--release", RELEASE, "--out", out]
    assert "no variation is published there" in invoke(*arguments).succeeded().stderr
    assert {item["role"] for item in package_of(out)["resources"]} == {"sequence", "genes"}
    invoke("verify", out).succeeded()


def test_variation_without_its_list_is_an_error(tmp_path: Path) -> None:
    """As where a mirror is being filled: the files are there, CHECKSUMS is not yet."""
    base, out = publish(tmp_path / "pub", CODING), tmp_path / "store"
    (base / LAYOUT.vcf_folder / "CHECKSUMS").unlink()
    arguments = ["fetch", "--base-url", base, "--release", RELEASE, "--out", out]
    invoke(*arguments).failed("CHECKSUMS", "homo_sapiens in release 116, without CHECKSUMS")
    assert not out.exists()


@pytest.mark.parametrize("name", ["homo_sapiens.vcf.gz", "homo_sapiens-chr1.vcf.gz"])
def test_a_mirror_without_listings_is_asked_for_the_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "list_folders", lambda *_: [])
    assert not listing.has_variation(str(tmp_path), LAYOUT)
    path = tmp_path / LAYOUT.vcf_folder / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert listing.has_variation(str(tmp_path), LAYOUT)


def put(folder: str, name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Publish other bytes, with a checksum that fits them."""

    def publish_it(base: Path) -> None:
        path = base / folder / name
        write_folder(base / folder, {name: change(path.read_bytes())})

    return publish_it


def wrong_checksum(folder: str) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        path = base / folder / "CHECKSUMS"
        number, rest = path.read_text().split(maxsplit=1)
        path.write_text(f"{(int(number) + 1) % 65536:05d} {rest}")

    return change


def cut(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data))[:-9]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (wrong_checksum(LAYOUT.gff3_folder), (GFF3, "checksum differs")),
        (wrong_checksum(LAYOUT.peptide_folder), (PEPTIDES, "checksum differs")),
        (put(LAYOUT.gff3_folder, GFF3, cut), (GFF3, "cut or corrupt")),
        (put(LAYOUT.peptide_folder, PEPTIDES, cut), (PEPTIDES, "cut or corrupt")),
        (lambda base: (base / LAYOUT.gff3_folder / GFF3).unlink(), (GFF3, "not found")),
        (lambda base: (base / LAYOUT.peptide_folder / PEPTIDES).unlink(), (PEPTIDES, "not found")),
        (put(LAYOUT.gff3_folder, GFF3, lambda _: gzip.compress(b"<html>\n")), (GFF3, "line 1: exp")),
        (lambda base: publish(base, CODING, lengths={"21": 99}), (GFF3, "line 2: 21 has 99 bases; expected 100")),
        (lambda base: publish(base, replace(CODING, contig="22")), (GFF3, "expected a feature of 21, found '22'")),
    ],
)  # fmt: skip
def test_a_file_that_is_listed_and_fails_is_an_error(
    damage: Callable[[Path], object], words: tuple[str, ...], tmp_path: Path
) -> None:
    base, out = publish(tmp_path / "pub", CODING, OTHER), tmp_path / "store"
    fetched(base, out)
    before = snapshot(out)
    damage(base)
    with pytest.raises(EnsemblAnnotationsError) as caught:
        fetched(base, out, force=True)
    assert all(word in str(caught.value) for word in words), caught.value
    assert snapshot(out) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".store")]


def test_any_species_without_variation_is_fetched_from_one_file(tmp_path: Path) -> None:
    """As Ensembl writes them: masked sequences by chromosome, the genes of all in one file."""
    layout = Layout("mus_demo", "DEMO7", RELEASE)
    base, out = tmp_path / "pub", tmp_path / "store"
    models = [replace(CODING, contig="1"), replace(OTHER, contig="2"), replace(OTHER, contig="9")]
    models[2] = replace(models[2], transcript="ENST90000000003", gene="ENSG90000000003")
    text = gff3(models, {"1": 100, "2": 100, "9": 100})
    for folder, files in {
        layout.fasta_folder: {
            f"Mus_demo.DEMO7.dna_sm.chromosome.{name}.fa.gz": f">{name} x\n{SEQUENCE.lower()}\n"
            for name in ("1", "2")
        },
        layout.gff3_folder: {"Mus_demo.DEMO7.116.chr.gff3.gz": text},
        layout.peptide_folder: {
            "Mus_demo.DEMO7.pep.all.fa.gz": peptide_fasta({ONE: "MKWD"}).replace("DEMO:", "DEMO7:")
        },
    }.items():
        write_folder(base / folder, {name: gzip.compress(files[name].encode()) for name in files})
    figures = fetched(base, out, species="mus_demo", assembly="DEMO7")
    assert (figures["num_variants"], figures["num_transcripts"]) == (0, 2)
    package = package_of(out)
    assert package["genes"]["num_without_sequence"] == 1
    assert package["genes"]["peptides"] == {"agrees": 1, "none": 1}
    names = [f"mus_demo-chr{name}.{end}" for name in "12" for end in ("2bit", "genes.parquet")]
    assert [item["path"] for item in package["resources"]] == names
    invoke("verify", out).succeeded()
    one = fetched(base, tmp_path / "one", species="mus_demo", assembly="DEMO7", chromosomes="1")
    assert one["num_transcripts"] == 1
