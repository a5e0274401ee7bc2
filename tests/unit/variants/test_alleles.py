from __future__ import annotations

from itertools import combinations, product

import polars as pl

from ensembl_annotations.variants.alleles import (
    FIRST_HASH,
    NOT_COMPARABLE,
    allele_code,
    one_minus,
    with_allele_keys,
)
from tests.support.allele_keys import allele_key

WORDS = ["".join(letters) for size in range(1, 5) for letters in product("AC", repeat=size)]
"""Two letters make most repeats."""


def apply(sequence: str, start: int, deleted: str, inserted: str) -> str:
    assert sequence[start : start + len(deleted)] == deleted
    return sequence[:start] + inserted + sequence[start + len(deleted) :]


def test_the_key_makes_the_same_sequence() -> None:
    for sequence in map("".join, product("AC", repeat=7)):
        for begin, end in combinations(range(len(sequence) + 1), 2):
            ref = sequence[begin:end]
            for alt in WORDS:
                start, deleted, inserted = allele_key(begin + 1, ref, alt)
                assert apply(sequence, start, deleted, inserted) == apply(sequence, begin, ref, alt)
                if deleted and inserted:
                    assert deleted[0] != inserted[0]
                    assert deleted[-1] != inserted[-1]


def test_padding_behind_changes_nothing() -> None:
    for ref, alt in product(WORDS, repeat=2):
        key = allele_key(50, ref, alt)
        for padding in WORDS:
            assert allele_key(50, ref + padding, alt + padding) == key


def test_padding_before_changes_nothing_unless_the_indel_can_slide_into_it() -> None:
    for ref, alt in product(WORDS, repeat=2):
        start, deleted, inserted = key = allele_key(50, ref, alt)
        if ref == alt or start != 49:
            continue
        pure = deleted if not inserted else inserted if not deleted else ""
        for padding in WORDS:
            if not (pure and padding[-1] == pure[-1]):
                assert allele_key(50 - len(padding), padding + ref, padding + alt) == key


def test_a_table_of_alleles_has_the_keys_of_its_rows() -> None:
    short = ("".join(letters) for size in range(5) for letters in product("AcN", repeat=size))
    odd = ["<DEL>", "A.", "*A", "TTGTT", "GTRtt", "tX"]
    alleles = [*short, *"ACGTNacgtnRYSWKMBDHVUX*<>.", *odd]
    rows = [(1 + 7919 * at, *pair) for at, pair in enumerate(product(alleles, repeat=2))]
    rows[-1] = (2**31 - 2, *rows[-1][1:])
    table = with_allele_keys(pl.DataFrame(rows, schema=["pos", "ref", "alt"], orient="row"))
    literal = set("ACGTNRYSWKMBDHVU")
    for (pos, ref, alt), row in zip(rows, table.iter_rows(named=True), strict=True):
        upper = ref.upper(), alt.upper()
        key = allele_key(pos, ref, alt)
        is_literal = all(allele and set(allele) <= literal for allele in upper)
        if is_literal and upper[0] != upper[1] and "N" not in key[2]:
            assert (row["start"], row["deleted"], row["inserted"]) == key
            assert row["code"] == allele_code(*key[1:])
        else:
            assert row["code"] == NOT_COMPARABLE


def test_codes_of_snvs_are_exact_and_apart_from_hashes() -> None:
    codes = [allele_code(ref, alt) for ref in "ACGT" for alt in "ACGT"]
    assert codes == list(range(16))
    assert all(allele_code("A" * length, "") >= FIRST_HASH for length in range(1, 200))


def test_one_minus_is_decimal() -> None:
    assert [one_minus(text) for text in ("0.1418", "1e-04", "0.50", "0")] == [
        "0.8582",
        "0.9999",
        "0.50",
        "1",
    ]
