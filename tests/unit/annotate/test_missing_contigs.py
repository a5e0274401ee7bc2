"""The contigs that a BCF's header has to name, spelled as the VCF spells its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ensembl_annotations.annotate.missing_contigs import missing_contigs
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.vcf.read import Header


def store(*chromosomes: str, species: str = "homo_sapiens") -> ReferenceStore:
    content = {"species": species, "assembly": "GRCh38", "chromosomes": list(chromosomes)}
    return cast(ReferenceStore, cast(Any, SimpleNamespace(**content)))


def missing(
    declared: list[str], met: list[str], reference: ReferenceStore
) -> dict[str, int | None]:
    lines = [f"##contig=<ID={name}>\n".encode() for name in declared]
    return missing_contigs(Header([*lines, b"#CHROM\tPOS\n"]), met, reference)


# Source of the lengths: the assembly report GCF_000001405.40.
@pytest.mark.parametrize(
    ("declared", "met", "expected"),
    [
        (["chr21"], [], {"chrX": 156040895, "chrM": 16569}),
        ([], ["21"], {"21": 46709983, "X": 156040895, "MT": 16569}),
        ([], ["NC_000021.9"], {"NC_000021.9": 46709983, "NC_000023.11": 156040895, "NC_012920.1": 16569}),
        (["21", "X", "MT"], ["21"], {}),
        (["unplaced"], ["chrUn_1"], {}),
        ([], [], {}),
    ],
)  # fmt: skip
def test_names_are_in_the_style_of_the_vcf(
    declared: list[str], met: list[str], expected: dict[str, int]
) -> None:
    assert missing(declared, met, store("21", "X", "MT")) == expected


def test_two_styles_get_both() -> None:
    assert list(missing(["chr21"], ["X"], store("21", "X"))) == ["21", "X", "chrX"]


def test_of_another_species_the_length_is_not_known() -> None:
    mouse = store("1", "19", species="mus_musculus")
    assert missing([], ["chr1"], mouse) == {"chr1": None, "chr19": None}
    assert missing([], ["1"], mouse) == {"1": None, "19": None}
    assert missing([], ["7"], mouse) == {}
