"""What differs between two stores in a range, and what only looks different."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from ensembl_annotations.compare.entries import SPILL_SCHEMA, Counts, Vocabulary, find_changes
from ensembl_annotations.compare.ranges import Range
from ensembl_annotations.store.published import allele_frequency
from ensembl_annotations.variants.schema import MAF_OF_ALT, MAF_UNKNOWN
from tests.support.store import Allele, rows_of, snv

Change = tuple[str, str, str | None, str | None]
"""What, field, from, to."""


def range_of(alleles: Sequence[Allele]) -> Range:
    if not alleles:
        empty = range_of([snv(1, "A>C", 1)])
        return Range(empty.alleles.clear(), empty.details.clear(), 0)
    rows = rows_of([{"maf_of": MAF_OF_ALT, **allele} for allele in alleles])
    table = pl.DataFrame(
        {"start": rows.start, "code": rows.code, "rs": rows.rs, "detail": rows.detail},
        {"start": pl.Int32, "code": pl.UInt32, "rs": pl.UInt32, "detail": pl.Int64},
    )
    details = rows.details.drop("roll_left", "roll_right")
    return Range(table, details.with_columns(allele_frequency()), 0)


def changes(
    a: Sequence[Allele], b: Sequence[Allele], mine: list[tuple[int, int, str]] | None = None
) -> tuple[pl.DataFrame, Counts]:
    counts = Counts()
    schema = {"start": pl.Int32, "code": pl.UInt32, "allele": pl.String}
    carried = None if mine is None else pl.DataFrame(mine, schema, orient="row")
    both = Vocabulary(range_of(a), range_of(b))
    found = find_changes("21", both, carried, counts)
    assert found.columns == SPILL_SCHEMA.names
    return found, counts


def listed(found: pl.DataFrame) -> list[Change]:
    rows: list[Change] = found.select("what", "field", "from", "to").rows()
    return sorted(rows, key=str)


def test_what_is_the_same_is_counted_and_not_listed() -> None:
    rows = [snv(5, "A>C", 1), snv(5, "A>C", 2), snv(9, "G>T", 3, clin="benign", maf="0.1")]
    found, counts = changes(rows, rows)
    assert len(found) == 0
    assert (counts.num_rows, counts.num_entries) == ([3, 3], [3, 3])
    assert (counts.num_both, counts.num_other) == (0, 0)


def test_an_entry_of_one_store_only_is_removed_or_added() -> None:
    a = [snv(5, "A>C", 1), snv(9, "G>T", 7)]
    b = [snv(5, "A>C", 20), snv(5, "A>C", 3), snv(5, "A>C", 0, name="n"), snv(8, "G>T", 7)]
    found, counts = changes(a, b)
    assert listed(found) == [
        ("added", "id", None, "n"),
        ("added", "id", None, "rs20"),
        ("added", "id", None, "rs3"),
        ("added", "id", None, "rs7"),
        # What B has at the same allele: rs by number, then names. There is no other at POS 9.
        ("removed", "id", "rs1", "rs3&rs20&n"),
        ("removed", "id", "rs7", None),
    ]
    assert (counts.num_rows, counts.num_entries) == ([2, 4], [2, 4])
    assert found["chrom"].unique().to_list() == ["21"]
    assert found["mine"].all()
    first = found.filter(pl.col("from") == "rs1").row(0, named=True)
    assert (first["pos"], first["ref"], first["alt"]) == (5, "A", "C")


def test_one_store_may_have_nothing_here() -> None:
    found, counts = changes([], [snv(5, "A>C", 1)])
    assert listed(found) == [("added", "id", None, "rs1")]
    assert counts.num_entries == [0, 1]
    assert listed(changes([snv(5, "A>C", 1)], [])[0]) == [("removed", "id", "rs1", None)]


def test_the_order_of_terms_is_no_reclassification() -> None:
    def of(first: str | None, second: str | None) -> list[Change]:
        return listed(changes([snv(5, "A>C", 1, clin=first)], [snv(5, "A>C", 1, clin=second)])[0])

    assert of("benign|pathogenic", "pathogenic|benign|benign") == of(None, "") == []
    assert of("pathogenic", "benign|pathogenic") == [
        ("reclassified", "clin", "pathogenic", "benign|pathogenic")
    ]
    assert of(None, "benign") == [("reclassified", "clin", None, "benign")]
    assert of("benign", None) == [("reclassified", "clin", "benign", None)]


def test_a_frequency_is_a_number_not_a_text() -> None:
    def of(first: dict[str, Any], second: dict[str, Any]) -> pl.DataFrame:
        return changes([snv(5, "A>C", 1, **first)], [snv(5, "A>C", 1, **second)])[0]

    unknown = {"maf_of": MAF_UNKNOWN}
    assert len(of({"maf": "1e-1"}, {"maf": "0.10"})) == 0
    moved = of({"maf": "0.1"}, {"maf": "0.35"})
    # The ALT's own goes before the minor allele's.
    assert listed(moved) == [("frequency", "af", "0.1", "0.35")]
    assert round(moved["difference"].item(), 9) == 0.25
    assert listed(of({"maf": "0.1"} | unknown, {"maf": "0.2"} | unknown)) == [
        ("frequency", "maf", "0.1", "0.2")
    ]
    gone = of({"maf": "0.1"} | unknown, {})
    assert (listed(gone), gone["difference"].item()) == ([("frequency", "maf", "0.1", None)], None)
    assert listed(of({"maf": "odd"} | unknown, {"maf": "0.1"} | unknown)) == [
        ("frequency", "maf", "odd", "0.1")
    ]


def test_clinical_terms_and_frequency_may_both_change() -> None:
    found, counts = changes(
        [snv(5, "A>C", 1, clin="benign", maf="0.1", ma="A")], [snv(5, "A>C", 1, maf="0.2", ma="C")]
    )
    assert [change[0] for change in listed(found)] == ["frequency", "reclassified"]
    assert (counts.num_both, counts.num_other) == (1, 0)
    for name in ("clin", "maf"):
        # What is listed is not counted as other again.
        _, counts = changes([snv(5, "A>C", 1, ma="A")], [snv(5, "A>C", 1, ma="C", **{name: "0.2"})])
        assert (counts.num_both, counts.num_other) == (0, 0)


def test_other_values_are_counted_not_listed() -> None:
    def num_other(first: dict[str, Any], second: dict[str, Any]) -> int:
        found, counts = changes([snv(5, "A>C", 1, **first)], [snv(5, "A>C", 1, **second)])
        assert len(found) == 0
        return counts.num_other

    for name in ("evidence", "source"):
        assert num_other({name: "a|b"}, {name: "b|a"}) == 0
        assert num_other({name: "a|b"}, {name: "a"}) == 1
    for name in ("ma", "aa", "tsa", "other"):
        assert num_other({name: "x"}, {name: "y"}) == num_other({name: "x"}, {}) == 1
    assert num_other({"mac": 1}, {"mac": 2}) == num_other({"num_alts": 1}, {"num_alts": 2}) == 1


def indel(ref: str, alt: str, rs: int, **details: Any) -> Allele:
    return {"start": 9, "code": 99, "rs": rs, "ref": ref, "alt": alt, "offset": 1, **details}


def test_another_spelling_of_an_allele_is_the_same_allele() -> None:
    found, counts = changes([indel("CA", "C", 1)], [indel("GCA", "GC", 1, offset=2)])
    assert (len(found), counts.num_other) == (0, 1)


def test_equal_codes_are_not_equal_alleles() -> None:
    """A code of an indel is a hash: two alleles can share it."""
    found, _ = changes([indel("CA", "C", 1)], [indel("CT", "C", 1), indel("CT", "C", 2)])
    assert listed(found) == [
        ("added", "id", None, "rs1"),
        ("added", "id", None, "rs2"),
        ("removed", "id", "rs1", None),
    ]


def test_what_cannot_be_compared_names_no_other_id() -> None:
    def odd(rs: int) -> Allele:
        return {"start": 9, "code": 16, "rs": rs, "ref": "C", "alt": "<DEL>"}

    found, _ = changes([odd(1)], [odd(2)])
    assert listed(found) == [("added", "id", None, "rs2"), ("removed", "id", "rs1", None)]
    assert found["alt"].to_list() == ["<DEL>"] * 2


def test_rows_of_the_same_entry_are_one() -> None:
    twice = [snv(5, "A>C", 1, clin="benign"), snv(5, "A>C", 1, clin="pathogenic", maf="0.1")]
    once = [snv(5, "A>C", 1, clin="pathogenic|benign", maf="0.1")]
    found, counts = changes(twice, once)
    assert len(found) == 0
    assert (counts.num_rows, counts.num_entries) == ([2, 1], [1, 1])
    more = listed(changes(twice, [snv(5, "A>C", 1, clin="benign", maf="0.1")])[0])
    assert more == [("reclassified", "clin", "benign|pathogenic", "benign")]


def test_of_a_sample_only_its_alleles_are_counted() -> None:
    a = [snv(5, "A>C", 1, clin="benign"), snv(5, "A>G", 2, clin="benign"), indel("CA", "C", 3)]
    b = [snv(5, "A>C", 1), snv(5, "A>G", 2), indel("CT", "C", 4)]
    mine = [(4, 1, ""), (9, 99, "A>"), (50, 1, "")]
    found, counts = changes(a, b, mine)
    assert (counts.num_rows, counts.num_entries) == ([3, 3], [2, 1])
    # Of entries of one store only the others are there too: they decide what became of an ID.
    kept = {(row["what"], row["from"] or row["to"]): row["mine"] for row in found.to_dicts()}
    assert kept == {
        ("reclassified", "benign"): True,
        ("removed", "rs3"): True,
        ("added", "rs4"): False,
    }
