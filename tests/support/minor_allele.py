"""Whose frequency MAF is, one record at a time: the oracle of the conversion."""

from __future__ import annotations

from collections.abc import Sequence

from ensembl_annotations.common.alleles import one_minus


def minor_allele_fits(ref: str, alts: Sequence[str], minor: str) -> tuple[bool, list[bool]]:
    """Tell which alleles of a record, as published, its minor allele can be.

    Returns
    -------
    tuple of (bool, list of bool)
        Whether REF fits, and whether each ALT fits.

    Notes
    -----
    Ensembl writes MA as the anchored REF where REF is the minor allele, and otherwise as the
    ALT without the anchor base it shares with REF (``-`` when nothing is left). An anchor base
    is there only where the alleles differ in length.
    """
    ref, alts, minor = ref.upper(), [alt.upper() for alt in alts], minor.upper()
    anchored = any(len(alt) != len(ref) for alt in alts)

    def published(alt: str) -> str:
        if anchored and ref and alt[:1] == ref[:1]:
            return alt[1:] or "-"
        return alt

    return minor == ref, [minor == published(alt) for alt in alts]


def allele_frequencies(
    ref: str, alts: Sequence[str], minor: str | None, frequency: str | None
) -> list[str | None]:
    """Return each ALT's frequency where the minor allele decides it, else None.

    Parameters
    ----------
    ref, alts : str, sequence of str
        The record's alleles as published.
    minor, frequency : str or None
        MA and MAF as published.

    Notes
    -----
    Exactly one allele must fit MA. If it is an ALT, that ALT has MAF; if it is REF and there
    is one ALT, that has 1 - MAF; in every other case nothing is known.
    """
    unknown: list[str | None] = [None] * len(alts)
    if minor is None or frequency is None:
        return unknown
    ref_fits, alt_fits = minor_allele_fits(ref, alts, minor)
    if ref_fits + sum(alt_fits) != 1:
        return unknown
    if ref_fits:
        return [one_minus(frequency)] if len(alts) == 1 else unknown
    return [frequency if fits else None for fits in alt_fits]
