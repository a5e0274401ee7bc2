from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations.variants.alleles import (
    FIRST_HASH,
    NOT_COMPARABLE,
    allele_code,
    one_minus,
    with_allele_keys,
)
from tests.support.allele_keys import allele_key

bases = st.text("ACGT", min_size=1, max_size=8)
few = st.text("AC", min_size=1, max_size=6)
sequences = st.text("ACGT", min_size=30, max_size=60)


def apply(sequence: str, start: int, deleted: str, inserted: str) -> str:
    assert sequence[start : start + len(deleted)] == deleted
    return sequence[:start] + inserted + sequence[start + len(deleted) :]


@settings(max_examples=1000)
@given(sequences, st.integers(0, 20), st.integers(1, 8), bases)
def test_the_key_makes_the_same_sequence(sequence: str, begin: int, length: int, alt: str) -> None:
    ref = sequence[begin : begin + length]
    start, deleted, inserted = allele_key(begin + 1, ref, alt)
    assert apply(sequence, start, deleted, inserted) == apply(sequence, begin, ref, alt)
    if deleted and inserted:
        assert deleted[0] != inserted[0]
        assert deleted[-1] != inserted[-1]


@settings(max_examples=1000)
@given(few, few, few)
def test_padding_behind_changes_nothing(ref: str, alt: str, padding: str) -> None:
    assert allele_key(50, ref, alt) == allele_key(50, ref + padding, alt + padding)


@settings(max_examples=1000)
@given(few, few, few)
def test_padding_before_changes_nothing_unless_the_indel_can_slide_into_it(
    ref: str, alt: str, padding: str
) -> None:
    start, deleted, inserted = allele_key(50, ref, alt)
    pure = deleted if not inserted else inserted if not deleted else ""
    if ref != alt and start == 49 and not (pure and padding[-1] == pure[-1]):
        assert allele_key(50 - len(padding), padding + ref, padding + alt) == (
            start,
            deleted,
            inserted,
        )


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**31 - 2),
            st.text("ACGTNacgtnRX*<>.", min_size=0, max_size=5),
            st.text("ACGTNacgtnRX*<>.", min_size=0, max_size=5),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_a_table_of_alleles_has_the_keys_of_its_rows(rows: list[tuple[int, str, str]]) -> None:
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
