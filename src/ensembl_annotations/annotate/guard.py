"""Refuse a VCF of another assembly before anything is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ensembl_annotations.annotate.read import Header
from ensembl_annotations.common.contigs import (
    HUMAN,
    LENGTHS,
    PRIMARY,
    assemblies_named,
    assemblies_of_length,
    assembly_of_accession,
    canonical_assembly,
    contig_aliases,
)
from ensembl_annotations.common.errors import InputError

MIN_COMPARED = 20
MIN_AGREEMENT = 0.9
ENOUGH_COMPARED = 2000


@dataclass(frozen=True)
class Evidence:
    """Something in a header that speaks for an assembly."""

    assembly: str
    why: str


def header_evidence(header: Header) -> list[Evidence]:
    """Collect what a header says of the human assembly: contig lengths, names, accessions."""
    found = []
    aliases = contig_aliases(HUMAN, "GRCh38") | contig_aliases(HUMAN, "GRCh37")
    for contig, length in header.contigs().items():
        if assembly := assembly_of_accession(contig):
            found.append(Evidence(assembly, f"##contig {contig}"))
        name = aliases.get(contig)
        if name in PRIMARY and length is not None:
            assemblies = assemblies_of_length(name, length) or ["another assembly"]
            found += [
                Evidence(item, f"##contig {contig} has length {length}") for item in assemblies
            ]
    for line in header.lines:
        text = line.decode("utf-8", "replace").strip()
        if re.match(r"##(reference|assembly)=", text):
            found += [Evidence(item, text[:100]) for item in assemblies_named(text)]
        elif text.startswith("##contig=") and (match := re.search(r"[<,]assembly=([^,>]+)", text)):
            found += [Evidence(item, text[:100]) for item in assemblies_named(match[1])]
    return found


def check_header(
    header: Header, species: str, assembly: str, claimed: str | None, path: object
) -> bool:
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

    Returns
    -------
    bool
        True where the header speaks for the reference's assembly, False where it says nothing.

    Raises
    ------
    InputError
        Where anything speaks for another assembly.
    """
    if claimed is not None and canonical_assembly(claimed) != canonical_assembly(assembly):
        raise InputError(
            f"{path}: is said to be {claimed}, the reference is {assembly}.",
            hint=f"Use a reference of {claimed}, or correct --assembly.",
            code="wrong_build",
        )
    if species != HUMAN or assembly not in LENGTHS:
        return False
    evidence = header_evidence(header)
    against = [item for item in evidence if item.assembly != assembly]
    if against:
        more = f" and {len(against) - 1} more" if len(against) > 1 else ""
        mixed = " (other lines say otherwise)" if len(against) < len(evidence) else ""
        raise InputError(
            f"{path}: the reference is {assembly}, the VCF's header says "
            f"{against[0].assembly}: {against[0].why}{more}{mixed}.",
            hint=f"Use a reference of {against[0].assembly}, or lift the VCF over to {assembly}.",
            code="wrong_build",
        )
    return bool(evidence)


def check_bases(
    comparisons: Iterable[tuple[int, int]],
    assembly: str,
    claimed: str | None,
    path: object,
    log: Callable[[str], object],
) -> None:
    """Compare REF bases of the VCF's SNVs with the reference's, where the header is silent.

    Parameters
    ----------
    comparisons : iterable of (int, int)
        Of some SNVs at a time: how many co-located REFs were compared, and how many agree.
    assembly, claimed, path, log
        As in `check_header`; `log` gets what the user should know.

    Raises
    ------
    InputError
        Under 90 % agreement of at least 20; and, where no assembly is claimed, with 1 to 19.
    """
    compared = agreeing = 0
    for more_compared, more_agreeing in comparisons:
        compared += more_compared
        agreeing += more_agreeing
        if compared >= ENOUGH_COMPARED:
            break
    if compared >= MIN_COMPARED and agreeing < MIN_AGREEMENT * compared:
        raise InputError(
            f"{path}: the reference is {assembly}, but only {agreeing} of {compared} REF bases of "
            "the VCF's SNVs agree with it; at least 90 % were expected.",
            hint="The VCF is probably of another assembly: use a reference of that one.",
            code="wrong_build",
        )
    if compared >= MIN_COMPARED:
        log(f"{path}: the header names no assembly; {agreeing} of {compared} REF bases agree.")
    elif compared == 0:
        log(
            f"{path}: the header names no assembly and no REF base could be compared with the reference."
        )
    elif claimed is None:
        raise InputError(
            f"{path}: the header names no assembly, and only {compared} REF bases could be "
            f"compared with the reference ({agreeing} agree); at least {MIN_COMPARED} were expected.",
            hint=f"If the VCF is of {assembly}, say so with --assembly {assembly} "
            "(annotate.assembly in params.yaml).",
            code="unknown_build",
        )
    else:
        log(
            f"{path}: the header names no assembly; taken as {claimed} as said "
            f"({agreeing} of {compared} REF bases agree)."
        )
