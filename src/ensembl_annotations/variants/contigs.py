"""Contig names, lengths and pseudo-autosomal regions of the human assemblies.

Source: the assembly reports GCF_000001405.40 (GRCh38.p14), GCF_000001405.25 (GRCh37.p13),
GCF_000001405.12 (NCBI36) and GCF_009914755.1 (T2T-CHM13v2.0).
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ensembl_annotations.common.errors import UsageError

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
    "NCBI36": (
        247249719, 242951149, 199501827, 191273063, 180857866, 170899992, 158821424, 146274826,
        140273252, 135374737, 134452384, 132349534, 114142980, 106368585, 100338915, 88827254,
        78774742, 76117153, 63811651, 62435964, 46944323, 49691432, 154913754, 57772954,
    ),
    "T2T-CHM13": (
        248387328, 242696752, 201105948, 193574945, 182045439, 172126628, 160567428, 146259331,
        150617247, 134758134, 135127769, 133324548, 113566686, 101161492, 99753195, 96330374,
        84276897, 80542538, 61707364, 66210255, 45090682, 51324926, 154259566, 62460029,
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

_PLINK = {"23": "X", "24": "Y", "25": "X and Y (PARs)", "26": "MT"}

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
    table: dict[str, str] = {}
    if assembly == "T2T-CHM13":
        return {f"NC_{60925 + index:06d}.1": name for index, name in enumerate(PRIMARY)}
    if assembly not in ("GRCh38", "GRCh37"):
        return table
    older = assembly == "GRCh37"
    for index, name in enumerate(PRIMARY):
        table[f"NC_{index + 1:06d}.{_REFSEQ_VERSIONS[index] - older}"] = name
        table[f"CM{663 + index:06d}.{1 if older else 2}"] = name
    return table


def resolve_contig(name: str, aliases: Mapping[str, str]) -> str:
    """Return Ensembl's name of a contig; without a table, `name` less a ``chr``."""
    if aliases:
        return aliases.get(name, name)
    return name[3:] if name.startswith("chr") else name


def resolve_chromosomes(
    names: Sequence[str], available: Sequence[str], species: str, assembly: str
) -> list[str]:
    """Return Ensembl's names of chromosomes that a user names: ``chr22``, ``NC_000022.11``, ``M``.

    Parameters
    ----------
    names : sequence of str
        In any case.
    available : sequence of str
        Ensembl's names of those that there are.
    species, assembly : str

    Raises
    ------
    UsageError
        Where one is not available, with the one that is meant if that is clear.

    Notes
    -----
    Each is returned once, in the order given. Contigs may differ in case alone: a name that is
    available as it is given is taken first.
    """
    known = {name.lower(): of for name, of in contig_aliases(species, assembly).items()}
    known |= {name.lower(): name for name in available}
    found = {}
    for name in names:
        lower = name.lower()
        contig = name if name in available else known.get(lower) or known.get(_bare(lower), name)
        if contig not in available:
            raise UsageError(
                f"chromosomes: {name}: not among the available chromosomes of {species} {assembly}."
                f"{_meant(name, contig, available)}",
                hint=f"There are: {', '.join(available)}.",
            )
        found[contig] = True
    return list(found)


def _bare(name: str) -> str:
    return re.sub("^(chromosome|chrom|chr)[ _]?", "", name)


def _meant(name: str, contig: str, available: Sequence[str]) -> str:
    """Return the end of a message on a chromosome that is not available."""
    import difflib

    other = assembly_of_accession(name.upper())
    if other is not None:
        return f" {name} is an accession of {other}." if contig not in CHROMOSOMES else ""
    if contig in CHROMOSOMES:
        return ""
    if name in _PLINK:
        return f" PLINK writes {name} for {_PLINK[name]}: name that."
    known = {item.lower(): item for item in available}
    close = difflib.get_close_matches(_bare(name.lower()), known, n=1, cutoff=0.5)
    return f" Did you mean {known[close[0]]!r}?" if close else ""


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


class ParRegion(NamedTuple):
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
"""Ensembl has the variants of these parts of Y on X; releases from 110 on, on Y too."""
