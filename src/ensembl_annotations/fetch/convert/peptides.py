"""Published peptides, and how the translated CDS of a transcript compares with them.

GFF3 does not say that the ends of a CDS are not known, that a stop codon is read as selenocysteine, or
that the RNA is edited: the peptide that Ensembl publishes does. Where the two differ for a reason that
is not one of the first two, nobody can tell from the sequence which amino acid a base changes.

Source: NCBI's genetic codes 1 and 2; Ensembl's peptides have no final stop and no last codon that is cut,
and begin with M where the first codon is a start codon by its code, or where Ensembl says that translation
begins there (`initial_met`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch.convert.pieces import cut_pieces, open_expanded

_LOCATION = re.compile(r"[^:\s]+:[^:\s]*:(?P<contig>[^:\s]+):\d+:\d+:-?1")
_VERSION = re.compile(r"\.(\d+)$")
_RESIDUES = re.compile(r"[A-Z*]*")


@dataclass(frozen=True)
class Peptide:
    """A published peptide: its transcript as the header names it, the protein's ID and version, residues."""

    transcript: str
    protein_id: str
    protein_version: int | None
    residues: str


def _split_version(name: str) -> tuple[str, int | None]:
    """Return an ID and its version: ``ENST00000000001.2`` is ``ENST00000000001`` and 2."""
    match = _VERSION.search(name)
    return (name[: match.start()], int(match[1])) if match else (name, None)


def read_peptides(
    path: Path,
    name: str,
    chromosome: str,
    *,
    sha256: str | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, Peptide]:
    """Return the peptides of a chromosome's transcripts, by the transcript's ID.

    Parameters
    ----------
    path, name : Path, str
        The gzip file, and its name for messages.
    chromosome : str
        Whose peptides are kept; ``all`` for every one.
    sha256, progress
        As for `open_expanded`.

    Returns
    -------
    dict of str to Peptide
        By the ID as the header has it, and by the ID without its version.

    Raises
    ------
    SourceError
        Where the file is cut, or is no FASTA file of peptides.
    """
    found: dict[str, Peptide] = {}
    header, residues = "", list[str]()
    with open_expanded(path, name, progress, sha256) as text:
        for piece in cut_pieces(text, 1, name):
            for number, line in enumerate(piece.data.decode("utf-8", "replace").splitlines()):
                if line.startswith(">"):
                    _keep(found, header, residues, chromosome)
                    header, residues = line[1:], []
                elif not header or not _RESIDUES.fullmatch(line):
                    raise SourceError(
                        f"{name}, line {piece.first_line + number}: expected a FASTA record of "
                        f"a peptide, found {line[:60]!r}.",
                        hint="The file's format may have changed; report it with that line.",
                    )
                else:
                    residues.append(line)
    _keep(found, header, residues, chromosome)
    return found


def _keep(found: dict[str, Peptide], header: str, residues: list[str], chromosome: str) -> None:
    words = header.split()
    transcript = next((word[11:] for word in words if word.startswith("transcript:")), "")
    located = next((match for word in words if (match := _LOCATION.fullmatch(word))), None)
    is_elsewhere = located is not None and chromosome not in ("all", located["contig"])
    if not transcript or is_elsewhere:
        return
    peptide = Peptide(transcript, *_split_version(words[0]), "".join(residues))
    found[transcript] = peptide
    found.setdefault(_split_version(transcript)[0], peptide)


def peptide_of(
    peptides: Mapping[str, Peptide], transcript: str, version: int | None
) -> Peptide | None:
    """Return the peptide of a transcript, None where none of this version is published."""
    whole = transcript if version is None else f"{transcript}.{version}"
    peptide = peptides.get(whole) or peptides.get(transcript)
    # IDs of some species have a point, and no version behind it.
    is_its = peptide and (version is None or peptide.transcript in (whole, transcript))
    return peptide if is_its else None


# --- Translation ---------------------------------------------------------------------------------

_ORDER = ["".join(codon) for codon in product("TCAG", repeat=3)]
_STANDARD = dict(
    zip(_ORDER, "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG", strict=True)
)
_MITOCHONDRIAL = _STANDARD | {"TGA": "W", "ATA": "M", "AGA": "*", "AGG": "*"}
_MITOCHONDRIAL_STARTS = ("ATA", "ATC", "ATG", "ATT", "GTG")


@cache
def _residue_of(codon: str, *, is_mitochondrial: bool) -> str:
    """Return the residue of a codon; X where N leaves it open."""
    table = _MITOCHONDRIAL if is_mitochondrial else _STANDARD
    spelled = product(*("TCAG" if base == "N" else base for base in codon))
    residues = {table["".join(bases)] for bases in spelled}
    return residues.pop() if len(residues) == 1 else "X"


def translate(cds: str, phase: int, *, is_mitochondrial: bool) -> str:
    """Return the residues of whole codons; a first codon that is cut is one, too.

    Parameters
    ----------
    cds : str
        A, C, G, T and N, in the direction of the transcript.
    phase : int
        Bases before the first whole codon.
    is_mitochondrial : bool
        Translate by genetic code 2, that of vertebrate mitochondria.
    """
    padded = "N" * (-phase % 3) + cds
    whole = len(padded) - len(padded) % 3
    return "".join(
        _residue_of(padded[at : at + 3], is_mitochondrial=is_mitochondrial)
        for at in range(0, whole, 3)
    )


def _is_nearly_atg(codon: str) -> bool:
    return len(codon) == 3 and sum(map(str.__ne__, codon, "ATG")) <= 1


@dataclass(frozen=True)
class Comparison:
    """What the published peptide says of a CDS; the names are those of the store's columns."""

    peptide: str
    cds_start_nf: bool = False
    cds_end_nf: bool = False
    selenocysteines: tuple[int, ...] = ()


def compare_peptide(
    cds: str,
    phase: int,
    published: str | None,
    *,
    is_mitochondrial: bool,
    starts_transcript: bool,
    ends_transcript: bool,
    is_representative: bool,
) -> Comparison:
    """Compare a translated CDS with the published peptide.

    Parameters
    ----------
    cds, phase, is_mitochondrial
        As for `translate`.
    published : str, optional
        The residues; None where none are published.
    starts_transcript, ends_transcript : bool
        The first base of the CDS is the transcript's first; the last one its last.
    is_representative : bool
        It is the protein-coding transcript that stands for its gene, and so a whole one.

    Notes
    -----
    The start of a CDS is not known where its first codon is cut, or where the transcript begins with it and
    nothing shows that translation begins there. What shows it is a published M: by ATG, or by a codon that is no
    start codon by the code. In mitochondria, where transcripts have no UTR, any start codon shows it, whatever is
    published for it: Ensembl's peptide of human ND2, which begins with ATT, has I. Of a representative transcript,
    a codon that is ATG but for one base shows it too. Its end is not known where the transcript ends with it, and no stop codon
    does; in mitochondria ``T`` and ``TA`` become one when the RNA gets its tail.
    """
    if published is None:
        return Comparison("unchecked", cds_start_nf=phase != 0)
    own = translate(cds, phase, is_mitochondrial=is_mitochondrial)
    rest = cds[len(cds) - (len(cds) - phase) % 3 :]
    has_stop = own.endswith("*") and not rest
    own = own.removesuffix("*") if has_stop else own
    starts_with_m = published[:1] == "M" and not phase
    if starts_with_m and own:
        own = "M" + own[1:]
    pairs = list(zip(own, published, strict=False))
    selenocysteines = [place for place, pair in enumerate(pairs, 1) if pair == ("*", "U")]
    is_same = len(own) == len(published) and all(
        ours in (theirs, "X") or (ours, theirs) == ("*", "U") for ours, theirs in pairs
    )
    # CTG and TTG get their M wherever a CDS begins with them, whole or not.
    has_start = starts_with_m and (is_mitochondrial or cds[:3] not in ("CTG", "TTG"))
    if is_mitochondrial:
        has_start |= cds[:3] in _MITOCHONDRIAL_STARTS
    else:
        has_start |= is_representative and _is_nearly_atg(cds[:3])
    is_tailed = is_mitochondrial and rest in ("T", "TA")
    return Comparison(
        "agrees" if is_same else "edited",
        cds_start_nf=phase != 0 or (starts_transcript and not has_start),
        cds_end_nf=ends_transcript and not has_stop and not is_tailed,
        selenocysteines=tuple(selenocysteines) if is_same else (),
    )
