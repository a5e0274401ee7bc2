"""The allele key as it is defined, one allele at a time: what the code for many at once is held against."""

from __future__ import annotations


def allele_key(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the key of one REF and ALT.

    Parameters
    ----------
    pos : int
        1-based POS as written.
    ref, alt : str
        Alleles as written, any case.

    Returns
    -------
    tuple of (int, str, str)
        ``start`` (0-based, inter-base), ``deleted``, ``inserted``.
    """
    ref, alt = ref.upper(), alt.upper()
    shorter = min(len(ref), len(alt))
    suffix = 0
    while suffix < shorter and ref[-1 - suffix] == alt[-1 - suffix]:
        suffix += 1
    ref, alt = ref[: len(ref) - suffix], alt[: len(alt) - suffix]
    shorter = min(len(ref), len(alt))
    prefix = 0
    while prefix < shorter and ref[prefix] == alt[prefix]:
        prefix += 1
    return pos - 1 + prefix, ref[prefix:], alt[prefix:]
