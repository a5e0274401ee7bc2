"""Names, lengths and pseudo-autosomal regions of contigs."""

from __future__ import annotations

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.variants.contigs import (
    CHROMOSOMES,
    LENGTHS,
    PAR,
    assemblies_named,
    assemblies_of_length,
    assembly_of_accession,
    canonical_assembly,
    contig_aliases,
    length_of,
    resolve_chromosomes,
    resolve_contig,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hg38", ["GRCh38"]),
        ("/refs/Homo_sapiens.GRCh38.dna.fa.gz", ["GRCh38"]),
        ("human_g1k_v37.fasta", ["GRCh37"]),
        ("GCA_000001405.15", ["GRCh38"]),
        ("GCF_000001405.13", ["GRCh37"]),
        ("chm13v2.0", ["T2T-CHM13"]),
        ("NCBI36", ["NCBI36"]),
        ("hg19_to_hg38.chain", ["GRCh38", "GRCh37"]),
        ("b380", ["GRCh38"]),
        ("sub38", []),
        ("", []),
    ],
)
def test_assemblies_that_a_name_names(text: str, expected: list[str]) -> None:
    assert assemblies_named(text) == expected
    assert canonical_assembly(text) == (expected[0] if len(expected) == 1 else text)


@pytest.mark.parametrize(
    ("assembly", "name", "contig"),
    [
        ("GRCh38", "chr21", "21"),
        ("GRCh38", "chrM", "MT"),
        ("GRCh38", "NC_000021.9", "21"),
        ("GRCh38", "CM000683.2", "21"),
        ("GRCh37", "NC_000021.8", "21"),
        ("GRCh37", "NC_000021.9", "NC_000021.9"),
        ("GRCh38", "NC_012920.1", "MT"),
        ("GRCh38", "23", "23"),
        ("GRCh38", "chrUn_KI270302v1", "chrUn_KI270302v1"),
        ("T2T-CHM13", "NC_060948.1", "Y"),
    ],
)
def test_spellings_of_a_contig(assembly: str, name: str, contig: str) -> None:
    assert resolve_contig(name, contig_aliases("homo_sapiens", assembly)) == contig


def test_another_species_has_no_table() -> None:
    assert contig_aliases("mus_musculus", "GRCm39") == {}
    assert resolve_contig("chr1", {}) == "1"
    assert resolve_contig("1", {}) == "1"


def test_chromosomes_are_found_in_any_case_and_once() -> None:
    def resolve(*names: str) -> list[str]:
        return resolve_chromosomes(names, CHROMOSOMES, "homo_sapiens", "GRCh38")

    assert resolve("CHR22", "chromosome 1", "nc_000022.11", "m") == ["22", "1", "MT"]
    for name, message in (
        ("NC_000022.10", "is an accession of GRCh37"),
        ("23", "PLINK writes 23 for X"),
        ("chr21x", "Did you mean '21'"),
    ):
        with pytest.raises(UsageError, match=message):
            resolve(name)
    names = resolve_chromosomes(["a", "A"], ["A", "a"], "mus_musculus", "x")
    assert names == ["a", "A"]


def test_lengths_tell_assemblies_apart() -> None:
    for assembly, lengths in LENGTHS.items():
        assert len(lengths) == 24
        for contig, length in lengths.items():
            assert assembly in assemblies_of_length(contig, length)
            assert length_of("homo_sapiens", assembly, contig) == length
        assert [assembly] == assemblies_of_length("1", lengths["1"])
    assert length_of("homo_sapiens", "GRCh38", "MT") == 16569
    assert length_of("mus_musculus", "GRCm39", "1") is None
    assert assembly_of_accession("NC_000001.10") == "GRCh37"
    assert assembly_of_accession("NC_000001.9") is None


@pytest.mark.parametrize("assembly", PAR)
def test_regions_of_y_lie_on_x(assembly: str) -> None:
    first, second = PAR[assembly]
    lengths = LENGTHS[assembly]
    # Both contigs end with 10,000 N behind the second region.
    assert (second.last, second.last + second.shift) == (lengths["Y"], lengths["X"]) or (
        second.last + 10_000,
        second.last + second.shift + 10_000,
    ) == (lengths["Y"], lengths["X"])
    assert first.last < second.first
    assert first.first == 10_001
