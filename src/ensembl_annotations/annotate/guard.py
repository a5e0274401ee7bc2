"""Refuse a VCF of another assembly before anything is written.

*Evidence* is something in a header that speaks for an assembly. Lengths and accessions of contigs
outweigh names; a name in the folders of a path is a hint only. Whatever the header says, REF bases
are compared in the first part of the file: they have the last word.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ensembl_annotations.annotate.engine import Engine
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.common.words import listed
from ensembl_annotations.variants.contigs import (
    HUMAN,
    LENGTHS,
    PRIMARY,
    assemblies_named,
    assemblies_of_length,
    assembly_of_accession,
    canonical_assembly,
    contig_aliases,
)
from ensembl_annotations.vcf.read import AHEAD_BYTES, Header

MIN_COMPARED = 20
MIN_AGREEMENT = 0.9
ENOUGH_COMPARED = 2000
ENOUGH_ASKED = 20_000
"""So many bases are asked for, at most, where the header speaks for the assembly and bases are unknown."""

MAX_SWAPPED = 0.01
AGREED_AHEAD_BYTES = AHEAD_BYTES // 4
"""How much text is looked at where the header speaks for the reference's assembly."""

_HINT, _NAME, _CONTIG = range(3)

Log = Callable[[str], object]


class Evidence(NamedTuple):
    """Something in a header that speaks for an assembly.

    Attributes
    ----------
    assembly : str
    why : str
        The header line, or the part that says so.
    strength : int
        Evidence outweighs what is weaker.
    """

    assembly: str
    why: str
    strength: int


class Verdict(NamedTuple):
    """What a header says of the reference's assembly.

    Attributes
    ----------
    agrees : bool
        The strongest evidence is for it; else the header says nothing, or contradicts itself.
    against : tuple of Evidence
        For another assembly, strongest first.
    """

    agrees: bool = False
    against: tuple[Evidence, ...] = ()


def header_evidence(header: Header) -> list[Evidence]:
    """Collect what a header says of the human assembly: contig lengths, accessions, names.

    Notes
    -----
    A length that no known assembly has is no evidence: some programs write the last position, 0
    or 2147483647.
    """
    found = []
    aliases = contig_aliases(HUMAN, "GRCh38") | contig_aliases(HUMAN, "GRCh37")
    for contig, length in header.contigs().items():
        if assembly := assembly_of_accession(contig):
            found.append(Evidence(assembly, f"##contig {contig}", _CONTIG))
        name = aliases.get(contig)
        if name in PRIMARY and length is not None:
            why = f"##contig {contig} has length {length}"
            found += [Evidence(item, why, _CONTIG) for item in assemblies_of_length(name, length)]
    for line in header.lines:
        text = line.decode("utf-8", "replace").strip()
        if re.match(r"##(reference|assembly)=", text):
            found += _named(text.partition("=")[2], text[:100])
        elif text.startswith("##contig=") and (match := re.search(r"[<,]assembly=([^,>]+)", text)):
            found += _named(match[1], text[:100])
    return found


def _named(path: str, why: str) -> list[Evidence]:
    """Return what a path or a name says; its folders, which may be anybody's, are a hint only."""
    folder, _, name = path.rstrip("/\\").replace("\\", "/").rpartition("/")
    if assemblies := assemblies_named(name):
        return [Evidence(item, why, _NAME) for item in assemblies]
    return [Evidence(item, why, _HINT) for item in assemblies_named(folder)]


def check_header(
    header: Header, species: str, assembly: str, claimed: str | None, path: object
) -> Verdict:
    """Compare a header with the reference's assembly.

    Parameters
    ----------
    header : Header
    species, assembly : str
        The reference's.
    claimed : str or None
        The assembly the user says the VCF has.
    path : object
        The file, for messages.

    Raises
    ------
    InputError
        Where the header clearly speaks for another assembly, or the user does.
    """
    if claimed is not None and canonical_assembly(claimed) != canonical_assembly(assembly):
        raise InputError(
            f"{path}: is said to be {claimed}, the reference is {assembly}.",
            hint=f"Use a reference of {claimed}, or correct --assembly.",
            code="wrong_build",
        )
    if species != HUMAN or assembly not in LENGTHS:
        return Verdict()
    evidence = sorted(header_evidence(header), key=lambda item: -item.strength)
    against = tuple(item for item in evidence if item.assembly != assembly)
    strongest = evidence[0].strength if evidence else _HINT
    said = {item.assembly for item in evidence if item.strength == strongest}
    if strongest > _HINT and assembly not in said:
        why = listed((item.why for item in against), 1)
        mixed = " (other lines say otherwise)" if len(against) < len(evidence) else ""
        raise InputError(
            f"{path}: the reference is {assembly}, the VCF's header says "
            f"{against[0].assembly}: {why}{mixed}.",
            hint=f"Use a reference of {against[0].assembly}, or lift the VCF over to {assembly}; "
            "if it is lifted over already, mend that header line ('bcftools reheader').",
            code="wrong_build",
        )
    return Verdict(said == {assembly}, against)


class Compared(NamedTuple):
    """How the REFs of some records compare with the reference.

    Attributes
    ----------
    num : int
        Records with an SNV whose base in the reference is known.
    num_agree : int
        Those whose REF is that base.
    num_swapped : int
        Those whose REF is another, and an ALT is that base.
    num_asked : int
        Bases that were asked for, known or not.
    num_others, num_others_agree : int
        Of other records that are looked up: those where the reference's base at POS is known, and those
        whose REF begins with it.
    """

    num: int = 0
    num_agree: int = 0
    num_swapped: int = 0
    num_asked: int = 0
    num_others: int = 0
    num_others_agree: int = 0

    def plus(self, other: "Compared") -> "Compared":
        """Return the sums."""
        return Compared(*(one + more for one, more in zip(self, other, strict=True)))

    def decisive(self) -> "Compared":
        """Return what decides: SNVs, or where only all records are enough, all."""
        num = self.num + self.num_others
        if self.num >= MIN_COMPARED or num < MIN_COMPARED:
            return self
        return self._replace(num=num, num_agree=self.num_agree + self.num_others_agree)


def check_build(engine: Engine, claimed: str | None, log: Log) -> None:
    """Compare the header and the REFs of a VCF with the reference's assembly.

    Parameters
    ----------
    engine : Engine
        The first pieces of its reader are looked at; they are given again.
    claimed : str or None
        The assembly the user says the VCF has.
    log : callable
        Gets what the user should know.

    Raises
    ------
    InputError
        Where it is of another assembly, or that can't be told.
    """
    store, reader = engine.reference.store, engine.reader
    verdict = check_header(reader.header, store.species, store.assembly, claimed, reader.path)
    pieces = reader.look_ahead(AGREED_AHEAD_BYTES if verdict.agrees else None)
    compared = (
        Compared(*engine.compared(part, ENOUGH_COMPARED))
        for piece in pieces
        for part in reader.parts(piece)
    )
    check_bases(compared, verdict, store.assembly, claimed, reader.path, log)


def check_bases(
    comparisons: Iterable[Compared],
    verdict: Verdict,
    assembly: str,
    claimed: str | None,
    path: object,
    log: Log,
) -> None:
    """Decide by the REF bases of the VCF's SNVs, or where these are few of all records; 2000 are enough.

    Parameters
    ----------
    comparisons : iterable of Compared
        Of some records at a time.
    verdict : Verdict
        From `check_header`.
    assembly, claimed, path, log
        As in `check_header` and `check_build`.

    Raises
    ------
    InputError
        Under 90 % agreement of at least 20, whatever the header or the user says. Of fewer, if
        the header does not speak for the assembly: under 90 %, or where the user does not say it.
    """
    total = Compared()
    for more in comparisons:
        total = total.plus(more)
        if total.num + total.num_others >= ENOUGH_COMPARED or (
            verdict.agrees and total.num_asked >= ENOUGH_ASKED
        ):
            break
    found = total.decisive()
    is_good = found.num_agree >= MIN_AGREEMENT * found.num
    lines = f" Mend the header line: {verdict.against[0].why}." if verdict.against else ""
    agreement = f"{found.num_agree} of {found.num} REF bases agree"
    if found.num >= MIN_COMPARED and not is_good:
        raise _disagreement(found, assembly, path)
    if verdict.agrees:
        if not is_good:
            log(f"Warning: {path}: only {agreement} with the reference.{_exchanged(found)}")
        elif lines:
            log(f"{path}: the header says {verdict.against[0].assembly} too.{lines}")
    elif found.num >= MIN_COMPARED:
        log(f"{path}: {_header_says(verdict)}; {agreement}.{lines}")
    else:
        _check_few(found, verdict, assembly, claimed, path)
        told = f"taken as {claimed} as said ({agreement})"
        nothing = "no REF base could be compared with the reference"
        log(f"{path}: {_header_says(verdict)}; {told if found.num else nothing}.{lines}")


def check_observed(found: Compared, assembly: str, path: object) -> None:
    """Refuse a VCF of which, as it is annotated, too many REFs turn out to differ.

    Parameters
    ----------
    found : Compared
        From `observed_bases`, of all pieces so far.
    assembly, path
        As in `check_header`.

    Raises
    ------
    InputError
        Under 90 % agreement of at least 20.

    Notes
    -----
    The look ahead ends before the contigs that a store of a few chromosomes has, and sees only
    the first 2000 SNVs.
    """
    found = found.decisive()
    if found.num >= MIN_COMPARED and found.num_agree < MIN_AGREEMENT * found.num:
        raise _disagreement(found, assembly, path)


def report_exchanged(found: Compared, path: object, log: Log) -> None:
    """Warn where more than 1 % of the REFs of a whole VCF look exchanged with their ALT."""
    if found.num_swapped > MAX_SWAPPED * found.num:
        log(
            f"Warning: {path}:{_exchanged(found)} Such records are not annotated; "
            "'bcftools +fixref' mends them."
        )


def _check_few(
    found: Compared, verdict: Verdict, assembly: str, claimed: str | None, path: object
) -> None:
    """Refuse where neither header nor bases tell the assembly, unless the user and they do."""
    if found.num == 0 and not verdict.against:
        return
    if claimed is None:
        raise InputError(
            f"{path}: {_header_says(verdict)}, and only {found.num} REF bases could be "
            f"compared with the reference ({found.num_agree} agree); at least {MIN_COMPARED} were "
            "expected.",
            hint=f"If the VCF is of {assembly}, say so with --assembly {assembly} "
            "(annotate.assembly in params.yaml)"
            f"{', or mend that header line' if verdict.against else ''}.",
            code="unknown_build",
        )
    if found.num == 0:
        raise InputError(
            f"{path}: {_header_says(verdict)}, and no REF base could be compared with the "
            "reference.",
            hint=f"If the VCF is of {assembly}, mend that header line ('bcftools reheader').",
            code="unknown_build",
        )
    if found.num_agree < MIN_AGREEMENT * found.num:
        raise _disagreement(found, assembly, path)


def _header_says(verdict: Verdict) -> str:
    if not verdict.against:
        return "the header names no assembly"
    return f"the header says {verdict.against[0].assembly} in one place ({verdict.against[0].why})"


def _disagreement(found: Compared, assembly: str, path: object) -> InputError:
    is_swapped = found.num_agree + found.num_swapped >= MIN_AGREEMENT * found.num
    return InputError(
        f"{path}: the reference is {assembly}, but only {found.num_agree} of {found.num} REF bases "
        f"of the VCF agree with it; at least 90 % were expected.{_exchanged(found)}",
        hint="Correct REF with the reference's sequence ('bcftools +fixref')."
        if is_swapped
        else "The VCF is probably of another assembly, whatever its header says: use a reference "
        "of that one.",
        code="wrong_build",
    )


def _exchanged(found: Compared) -> str:
    """Return a sentence on REFs and ALTs that look exchanged; nothing where there are none."""
    if not found.num_swapped:
        return ""
    return (
        f" {found.num_swapped} of {found.num} SNVs would agree with REF and ALT exchanged, as PLINK and "
        "converters of chip data write them."
    )
