"""Whose frequency MAF is, record by record."""

from __future__ import annotations

import pytest

from ensembl_annotations.variants.minor_allele import minor_alleles
from tests.support.minor_allele import Published, possible_minors, publish


@pytest.mark.parametrize(
    ("database", "minor", "published", "candidates"),
    [
        # Where both alleles of a variant are published as one line, nobody can tell them apart.
        ("TTT/TT", "TT", "TT>T MA=TT", {0, 1}),
        ("TTT/TT", "TTT", "TT>T MA=TT", {0, 1}),
        ("CACAC/CAC", "CAC", "CAC>C MA=CAC", {0, 1}),
        ("CACAC/CAC", "CACAC", "CAC>C MA=CAC", {0, 1}),
        ("TT/T", "TT", "TT>T MA=TT", {0, 1}),
        ("TTTT/TTTTT", "TTTTT", "T>TT MA=TTTTT", {1}),
        ("TTTTT/TTTT", "TTTT", "TT>T MA=TTTT", {1}),
        ("-/A", "A", "G>GA MA=A", {1}),
        ("AT/-", "-", "GAT>G MA=-", {1}),
        ("A/G", "A", "A>G MA=A", {0}),
        ("A/G/T", "T", "A>G,T MA=T", {2}),
        ("AT/GC", "GC", "AT>GC MA=GC", {1}),
        # TTTT/TTT/TTTTTT, or T/-/TTT behind a T.
        ("TTTT/TTT/TTTTTT", "TTT", "TT>T,TTTT MA=TTT", {1, 2}),
        ("CGCGCGCGC/CGCGCGC", "CGCGCGC", "CGC>C MA=CGCGCGC", {1}),
    ],
)
def test_what_a_published_line_can_have_been(
    database: str, minor: str, published: str, candidates: set[int]
) -> None:
    alleles = database.split("/")
    ref, alts, ma = publish(alleles, alleles.index(minor), "G")
    assert f"{ref}>{','.join(alts)} MA={ma}" == published
    assert possible_minors(ref, alts, ma, None) == candidates
    assert minor_alleles(ref, alts, ma) == sorted(candidates)


@pytest.mark.parametrize(
    ("record", "following", "expected"),
    [
        (("TT", ["T"], "TT"), "GA", [0]),
        (("TT", ["T"], "TT"), "TG", [0, 1]),
        (("TT", ["T"], "TT"), "NG", [0, 1]),
        (("TT", ["T"], "TT"), "", [0]),
        (("CAC", ["C"], "CAC"), "ACG", [0, 1]),
        (("CAC", ["C"], "CAC"), "AGG", [0]),
        (("TA", ["T", "TAA"], "TAAG"), "GCAT", [2]),
        (("TA", ["T", "TAA"], "TAAG"), "AAGC", [1]),
        # A symbolic allele tells nothing: all that can be, may be.
        (("AC", ["A", "<DEL>"], "C"), None, []),
        (("AC", ["ACC", "N."], "CC"), None, [1]),
        (("AC", ["A", "<DEL>"], "AC"), None, [0, 1]),
        (("A", ["<.>"], "G"), None, []),
    ],
)
def test_the_sequence_decides_what_it_can(
    record: Published, following: str | None, expected: list[int]
) -> None:
    assert minor_alleles(*record, following) == expected
