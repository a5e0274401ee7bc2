"""Whose frequency MAF is: which alleles of a published record its minor allele (MA) can be.

Ensembl's database holds the alleles of a variant as a list, REF first. The program that writes the
published VCFs changes them where they differ in length: it cuts them on the right, base by base,
while all end in the same base and none is down to one, which takes a common *suffix* off. What is
left are the *cores*. Where these don't all begin with the same base, it puts the base before in
front of each. MA is then the record's REF where the minor allele is REF, and otherwise the
database's allele, uncut and without the base in front, ``-`` for nothing. Until release 96 or so
nothing was cut and the base before was put in front of all such alleles.

So MA says less than it seems to: ``TT>T MA=TT`` is the deletion of ``TTT/TT``, the reference of
``TT/T``, and the reference of ``TTT/TT`` too. Each way in which a record can have come about is a
*reading* of it.

Source: add_global_maf of Ensembl's GVF dump, add_gmaf of its gvf2vcf.pl, to_VCF_record of its
VariationFeature.pm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

FIRST_RELEASE_CUT = 100
"""From this release on, alleles are cut on the right for certain."""

_NOTHING = "-"

Fits = Callable[[str], bool]
"""Tells whether these bases can be the suffix that was cut off."""


def minor_alleles(
    ref: str,
    alts: Sequence[str],
    minor: str,
    following: str | None = None,
    *,
    may_be_uncut: bool = False,
) -> list[int]:
    """Return which alleles of a record the minor allele can be: 0 for REF, 1 for the first ALT.

    Parameters
    ----------
    ref, alts : str, sequence of str
        The record's alleles as published, in upper case.
    minor : str
        MA as published, in upper case.
    following : str, optional
        The bases of the sequence behind REF, as many as `minor` has where there are so many.
        Where they are not known, every suffix is possible.
    may_be_uncut : bool
        The file may be of a release that did not cut alleles.

    Returns
    -------
    list of int
        Ascending. Only where it is one allele is it known whose frequency MAF is.

    Examples
    --------
    >>> minor_alleles("GAT", ["G"], "-")
    [1]
    >>> minor_alleles("TT", ["T"], "TT")
    [0, 1]
    >>> minor_alleles("TT", ["T"], "TT", following="GG")
    [0]
    """
    alleles = (ref, *alts)
    if len({len(allele) for allele in alleles}) == 1 and all(map(str.isalpha, alleles)):
        return [index for index, allele in enumerate(alleles) if allele == minor]
    if len(alts) == 1 and minor != ref:
        # One of the two it must be: the minor allele is one of the database's list.
        return [1] if alts[0].isalpha() else []

    def follows(suffix: str) -> bool:
        return following is None or _agrees(suffix, following)

    found = {0} if minor == ref else set()
    for cores, fits in _readings(alleles, follows, may_be_uncut):
        for index, core in enumerate(cores[1:], 1):
            if minor.startswith(core) and fits(minor[len(core) :]):
                found.add(index)
    return sorted(found)


def _readings(
    alleles: Sequence[str], follows: Fits, may_be_uncut: bool
) -> Iterator[tuple[list[str], Fits]]:
    """Yield the cores of each reading of a record, and which suffixes it allows."""
    whole, behind_first = list(alleles), [allele[1:] or _NOTHING for allele in alleles]
    if not all(map(str.isalpha, alleles)):
        # Of a symbolic allele nothing is known, nor whether the others were cut.
        yield whole, follows
        yield behind_first, follows
        return
    share_first = len({allele[0] for allele in alleles}) == 1
    if share_first and _is_cut(whole):
        yield whole, follows
    if share_first and _is_cut(behind_first) and len({core[0] for core in behind_first}) > 1:
        yield behind_first, _is_nothing if _NOTHING in behind_first else follows
    if may_be_uncut:
        yield behind_first, _is_nothing


def _is_cut(cores: Sequence[str]) -> bool:
    """Tell whether nothing more would be cut off on the right."""
    return min(map(len, cores)) == 1 or len({core[-1] for core in cores}) > 1


def _is_nothing(suffix: str) -> bool:
    return suffix == ""


def _agrees(suffix: str, following: str) -> bool:
    """Tell whether the sequence can go on with `suffix`; an N of it says nothing."""
    return len(suffix) <= len(following) and all(
        known in (base, "N") for base, known in zip(suffix, following, strict=False)
    )
