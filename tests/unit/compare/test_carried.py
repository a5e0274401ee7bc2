"""The alleles that a sample carries are those that its genotypes name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.compare.carried import carried_alleles
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.alleles import allele_code
from tests.support.mirror import Row, write_mirror

PAR_POS = 20_001
ROWS: dict[str, list[Row]] = {
    "21": [(10, "rs1", "A", "C", "TSA=SNV")],
    "X": [(PAR_POS, "rs2", "A", "C", "TSA=SNV")],
    "Y": [(PAR_POS, "rs2", "A", "C", "TSA=SNV")],
}
CODES = {alt: allele_code("A", alt) for alt in "CG"}
LENGTHS = {"chr21": 46709983, "chrX": 156040895, "chrY": 57227415}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ReferenceStore:
    base = tmp_path_factory.mktemp("carried")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        mirror = write_mirror(base / "mirror", ROWS)
        fetch_ensembl(base / "store", mirrors=[str(mirror)], release=116)
    return ReferenceStore(base / "store")


def carried(
    folder: Path, store: ReferenceStore, *records: str, samples: int = 1
) -> tuple[dict[str, list[tuple[int, int]]], int]:
    """Return (start, code) by chromosome, and how many alleles there are."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if samples:
        columns += ["FORMAT", *(f"S{number}" for number in range(samples))]
    contigs = [f"##contig=<ID={name},length={length}>" for name, length in LENGTHS.items()]
    rows = ["\t".join(record.split()) for record in records]
    path = folder / "in.vcf"
    path.write_text("\n".join(["##fileformat=VCFv4.2", *contigs, "\t".join(columns), *rows, ""]))
    found = carried_alleles(path, store)
    keys = {name: frame["start", "code"].rows() for name, frame in found.by_chromosome.items()}
    return keys, found.num_alleles


@pytest.mark.parametrize(
    ("calls", "named"),
    [
        ("GT 0/1", [1]),
        ("GT 1|2", [1, 2]),
        ("GT 2", [2]),
        ("GT 0/0", []),
        ("GT ./.", []),
        ("GT .", []),
        ("GT ./2", [2]),
        ("DP:GT 3:0/2", [2]),
        ("DP 3", [1, 2]),
        ("GT 11/12", []),
    ],
)
def test_a_genotype_names_alts(
    calls: str, named: list[int], tmp_path: Path, store: ReferenceStore
) -> None:
    alts = {1: "C", 2: "G"}
    keys, count = carried(tmp_path, store, f"chr21 10 . A C,G . . . {calls}")
    assert count == len(named)
    assert keys == ({"21": [(9, CODES[alts[number]]) for number in named]} if named else {})


def test_any_sample_will_do(tmp_path: Path, store: ReferenceStore) -> None:
    record = "chr21 10 . A C . . . GT 0/0 0/1"
    assert carried(tmp_path, store, record, samples=2) == ({"21": [(9, CODES["C"])]}, 1)


def test_without_samples_every_alt_is_carried_and_counted_once(
    tmp_path: Path, store: ReferenceStore
) -> None:
    records = ["chr21 10 . A C,G,<DEL>,* . . .", "chr21 10 . A C . . ."]
    expected = [(9, CODES["C"]), (9, CODES["G"])]
    assert carried(tmp_path, store, *records, samples=0) == ({"21": expected}, 2)


def test_a_pseudo_autosomal_region_is_under_x_and_y_and_counts_once(
    tmp_path: Path, store: ReferenceStore
) -> None:
    found = carried(tmp_path, store, f"chrY {PAR_POS} . A C . . . GT 1")
    key = (PAR_POS - 1, CODES["C"])
    assert found == ({"X": [key], "Y": [key]}, 1)
