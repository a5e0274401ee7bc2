"""The benchmarks' releases: a deep one has what a shallow one has and more, on the same bases; genes fit them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.store.genes import scan_genes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DEPTH = 10
FASTA = "release-116/fasta/homo_sapiens/dna/Homo_sapiens.GRCh38.dna.chromosome.21.fa.gz"
VCF = "release-116/variation/vcf/homo_sapiens/homo_sapiens-chr21.vcf.gz"

Record = tuple[str, ...]
"""POS, ID, REF, ALT and the source."""


def generate(*commands: list[str | Path]) -> None:
    """Run commands of the generator, all in one process."""
    code = "import sys, generate\nfor words in sys.argv[1:]: generate.main(words.split('|'), standalone_mode=False)"
    words = ["|".join(map(str, command)) for command in commands]
    subprocess.run(
        [sys.executable, "-c", code, *words], cwd=BENCHMARKS, check=True, stdout=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A release of depth 1 and a deep one."""
    base = tmp_path_factory.mktemp("releases")
    found = {depth: base / f"depth-{depth}" for depth in (1, DEPTH)}
    size = ["release", "--records", "4000", "--fasta"]
    generate(*([*size, "--out", out, "--depth", f"{depth}"] for depth, out in found.items()))
    return found


def records_of(release: Path) -> list[Record]:
    lines = gzip.decompress((release / VCF).read_bytes()).decode().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(*row[1:5], row[7].partition(";")[0]) for row in rows]


def entries_of(records: list[Record]) -> set[Record]:
    return {(pos, name, ref, alt) for pos, name, ref, alts, _ in records for alt in alts.split(",")}


def num_alleles(records: list[Record]) -> int:
    return sum(alts.count(",") + 1 for _, _, _, alts, _ in records)


def test_a_deep_release_has_so_many_times_the_alleles(releases: dict[int, Path]) -> None:
    shallow, deep = records_of(releases[1]), records_of(releases[DEPTH])
    assert num_alleles(deep) == pytest.approx(DEPTH * num_alleles(shallow), rel=0.001)
    assert entries_of(shallow) <= entries_of(deep)
    positions = [int(pos) for pos, *_ in deep]
    assert positions == sorted(positions)
    assert (releases[1] / FASTA).read_bytes() == (releases[DEPTH] / FASTA).read_bytes()


def test_a_deep_release_grows_as_dbsnp_does(releases: dict[int, Path]) -> None:
    deep = records_of(releases[DEPTH])
    snvs = Counter(
        (pos, alts)
        for pos, _, ref, alts, source in deep
        if source == "dbSNP_156" and {len(text) for text in (ref, *alts.split(","))} == {1}
    )
    # More than one record of a position are other names for its alleles.
    alts_of = defaultdict(set)
    for pos, alts in snvs:
        alts_of[pos] |= {*alts.split(",")}
    assert all((pos, ",".join(sorted(alts))) in snvs for pos, alts in alts_of.items())
    assert max(Counter(pos for pos, _ in snvs.elements()).values()) <= 3
    names = Counter((pos, ref, alt) for pos, _, ref, alt in entries_of(deep))
    several = sum(number > 1 for number in names.values()) / len(names)
    assert 0.1 < several < 0.25


def test_a_query_is_the_same_whatever_the_depth(releases: dict[int, Path], tmp_path: Path) -> None:
    generate(
        *(
            ["query", "--release", release, "--out", tmp_path / f"{depth}", "--variants", "200"]
            for depth, release in releases.items()
        )
    )
    assert (tmp_path / "1").read_bytes() == (tmp_path / f"{DEPTH}").read_bytes()


def test_a_deep_release_is_converted_whole(
    releases: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    metrics = fetch_ensembl(tmp_path / "store", mirrors=releases[DEPTH], release=116)
    deep = records_of(releases[DEPTH])
    assert metrics["num_variants"] == len(deep)
    assert metrics["num_alleles"] == num_alleles(deep)
    assert metrics["num_quarantined"] == 0
    assert metrics["num_ref_differs"] == 0


def test_genes_are_those_of_a_human_release_in_kind_and_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    num_records = 100_000
    size = ["release", "--records", f"{num_records}"]
    generate(
        [*size, "--out", tmp_path / "bare", "--fasta"],
        [*size, "--out", tmp_path / "genes", "--genes"],
    )
    for path in (VCF, FASTA):
        assert (tmp_path / "bare" / path).read_bytes() == (tmp_path / "genes" / path).read_bytes()
    metrics = fetch_ensembl(tmp_path / "store", mirrors=tmp_path / "genes", release=116)
    assert metrics["num_quarantined"] == 0
    found = scan_genes(tmp_path / "store").collect()
    # 9,600 transcripts on 46.7 million bases; a record has 2.7 of them.
    assert len(found) == pytest.approx(9_600 * 2.7 * num_records / 46_700_000, abs=1)
    coding = found.filter(pl.col("cds_start").is_not_null())
    assert set(coding["peptide"]) == {"agrees"}
    assert 0.15 < len(coding) / len(found) < 0.6
    assert set(coding["strand"]) == {1, -1}
    assert set(coding["cds_phase"]) > {0}
    assert found["exon_starts"].list.len().mean() > 3
    canonical = found.filter("canonical")
    assert canonical["gene_id"].is_unique().all()
    assert set(canonical["gene_id"]) == set(found["gene_id"])
    whole = canonical.filter(pl.col("cds_start").is_not_null())
    assert not (whole["cds_start_nf"] | whole["cds_end_nf"]).any()


def test_genes_can_be_denser_than_a_human_releases(tmp_path: Path) -> None:
    """Some of this seed's are drawn behind the last of the bases, and anew."""
    options = ["--records", "20000", "--seed", "4", "--genes", "--density", "8"]
    generate(["release", "--out", tmp_path, *options])
    (path,) = tmp_path.rglob("*.gff3.gz")
    found = gzip.decompress(path.read_bytes()).count(b";transcript_id=")
    assert found == pytest.approx(8 * 9_600 * 2.7 * 20_000 / 46_700_000, abs=1)
