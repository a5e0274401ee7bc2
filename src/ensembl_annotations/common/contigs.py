"""Contig names, lengths and pseudo-autosomal regions of the human assemblies.

Source: the assembly reports GCF_000001405.40 (GRCh38.p14) and GCF_000001405.25 (GRCh37.p13).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

HUMAN = "homo_sapiens"
PRIMARY = (*(str(number) for number in range(1, 23)), "X", "Y")
CHROMOSOMES = (*PRIMARY, "MT")

MT_LENGTH = 16569
"""The revised Cambridge sequence, which GRCh37 and GRCh38 of Ensembl use; hg19's chrM has 16571."""

_LENGTHS = {
    "GRCh38": (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636,
        138394717, 133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345,
        83257441, 80373285, 58617616, 64444167, 46709983, 50818468, 156040895, 57227415,
    ),
    "GRCh37": (
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022,
        141213431, 135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753,
        81195210, 78077248, 59128983, 63025520, 48129895, 51304566, 155270560, 59373566,
    ),
}  # fmt: skip
LENGTHS: dict[str, dict[str, int]] = {
    assembly: dict(zip(PRIMARY, lengths, strict=True)) for assembly, lengths in _LENGTHS.items()
}
"""Length in bases of every primary contig but MT, by assembly."""

# RefSeq versions on GRCh38; each is one lower on GRCh37.
_REFSEQ_VERSIONS = (
    11, 12, 12, 12, 10, 12, 14, 11, 12, 11, 10, 12, 11, 9, 10, 10, 11, 10, 10, 11, 9, 11, 11, 10,
)  # fmt: skip

_ASSEMBLY_WORDS = {
    "GRCh38": r"grch38|hg38|hs38|b38|assembly38|gca_000001405\.(?:1[5-9]|2\d)|gcf_000001405\.(?:2[6-9]|[34]\d)",
    "GRCh37": r"grch37|hg19|hs37|b37|assembly19|g1k_v37|gca_000001405\.(?:1|14)(?!\d)|gcf_000001405\.(?:13|25)",
    "T2T-CHM13": r"chm13|t2t|(?<![a-z])hs1(?!\d)",
    "NCBI36": r"hg18|ncbi36|b36",
}


def canonical_assembly(name: str) -> str:
    """Return Ensembl's spelling of a human assembly's name (``hg38`` is ``GRCh38``)."""
    named = assemblies_named(name)
    return named[0] if len(named) == 1 else name


def assemblies_named(text: str) -> list[str]:
    """Return the human assemblies that `text` (a path, a name) names."""
    lowered = text.lower()
    return [
        assembly
        for assembly, words in _ASSEMBLY_WORDS.items()
        if re.search(rf"(?<![a-z0-9])(?:human_|homo_sapiens_)?(?:{words})", lowered)
    ]


def contig_aliases(species: str, assembly: str) -> dict[str, str]:
    """Return every accepted spelling of a contig and Ensembl's name for it.

    Notes
    -----
    Accessions are versioned: ``NC_000021.9`` is GRCh38 and ``NC_000021.8`` GRCh37, so only the
    assembly's own are in the table. PLINK's numbers 23 to 26 are not.
    """
    if species != HUMAN:
        return {}
    aliases = {"M": "MT", "MT": "MT", "chrM": "MT", "chrMT": "MT", "NC_012920.1": "MT"}
    aliases["J01415.2"] = "MT"
    for name in PRIMARY:
        aliases[name] = aliases[f"chr{name}"] = name
    for accession, name in _accessions(assembly).items():
        aliases[accession] = name
    return aliases


@cache
def _accessions(assembly: str) -> dict[str, str]:
    if assembly not in LENGTHS:
        return {}
    older = assembly == "GRCh37"
    table = {}
    for index, name in enumerate(PRIMARY):
        table[f"NC_{index + 1:06d}.{_REFSEQ_VERSIONS[index] - older}"] = name
        table[f"CM{663 + index:06d}.{1 if older else 2}"] = name
    return table


def resolve_contig(name: str, aliases: Mapping[str, str]) -> str:
    """Return Ensembl's name of a contig; without a table, `name` less a ``chr``."""
    if aliases:
        return aliases.get(name, name)
    return name[3:] if name.startswith("chr") else name


def assembly_of_accession(name: str) -> str | None:
    """Return the assembly that a versioned primary accession belongs to, if it is one."""
    for assembly in LENGTHS:
        if name in _accessions(assembly):
            return assembly
    return None


def assemblies_of_length(contig: str, length: int) -> list[str]:
    """Return the assemblies on which the primary contig has this length."""
    return [name for name, lengths in LENGTHS.items() if lengths.get(contig) == length]


def length_of(species: str, assembly: str, contig: str) -> int | None:
    """Return the length in bases of a primary contig or MT, if it is known."""
    if species != HUMAN or assembly not in LENGTHS:
        return None
    return MT_LENGTH if contig == "MT" else LENGTHS[assembly].get(contig)


@dataclass(frozen=True)
class ParRegion:
    """A pseudo-autosomal region of Y and where it lies on X.

    Attributes
    ----------
    first, last : int
        1-based, inclusive, on Y.
    shift : int
        What to add to a Y position to get the X position, in bp.
    """

    first: int
    last: int
    shift: int


PAR: dict[str, tuple[ParRegion, ...]] = {
    "GRCh38": (ParRegion(10001, 2781479, 0), ParRegion(56887903, 57217415, 98813480)),
    "GRCh37": (ParRegion(10001, 2649520, 50000), ParRegion(59034050, 59363566, 95896994)),
}
"""Ensembl has no variants on these parts of Y; they are on X."""
