"""What several published records of one ID become: united, agreed on, or unknown."""

from __future__ import annotations

from typing import Any

import polars as pl

from tests.support.oracle.values import encode, per_id

HIT = {
    "query": 0, "rs": 5, "name": None, "shifted": False, "num_alts": 1, "clin_certain": True,
    "clin": None, "evidence": None, "source": None, "tsa": "SNV", "ma": None, "maf": None,
    "mac": None, "aa": None, "af": None,
}  # fmt: skip
TEXTS = ("name", "clin", "evidence", "source", "tsa", "ma", "maf", "aa", "af")
SCHEMA = {"rs": pl.UInt32, "mac": pl.Int32} | dict.fromkeys(TEXTS, pl.String)


def of(*hits: dict[str, Any]) -> list[dict[str, Any]]:
    frame = pl.DataFrame([{**HIT, **hit} for hit in hits], schema_overrides=SCHEMA)
    return per_id(frame).to_dicts()


def test_ids_are_in_the_order_of_their_numbers() -> None:
    names = [{"rs": 0, "name": "COSV1"}, {"rs": 10}, {"rs": 9}, {"rs": 0, "name": "rs5000000000"}]
    assert [row["id"] for row in of(*names)] == ["rs9", "rs10", "rs5000000000", "COSV1"]


def test_records_of_an_id_are_one() -> None:
    (row,) = of(
        {"clin": "a|b", "num_alts": 2, "shifted": True, "ma": "A", "maf": "0.1", "mac": 7},
        {"clin": "b|c", "clin_certain": False, "ma": "A", "maf": "0.2", "mac": 7},
    )
    assert (row["clin"], row["allele_clin"]) == ("a|b|c", None)
    assert (row["multi"], row["match"]) == (True, "exact")
    # They agree on the minor allele and its count, and not on its frequency.
    assert (row["ma"], row["maf"], row["mac"]) == ("A", None, 7)
    assert row["has_frequency"]


def test_a_frequency_means_nothing_without_its_allele() -> None:
    (row,) = of({"ma": "A", "maf": "0.1", "mac": 7}, {"ma": "C", "maf": "0.1", "mac": 7})
    assert (row["ma"], row["maf"], row["mac"], row["has_frequency"]) == (None, None, None, True)


def test_another_id_and_another_alt_are_their_own() -> None:
    rows = of({"clin": "a"}, {"query": 1, "clin": "b"}, {"rs": 6, "shifted": True})
    found = [(row["query"], row["id"], row["match"], row["allele_clin"]) for row in rows]
    assert found == [
        (0, "rs5", "exact", "a"),
        (0, "rs6", "shifted", None),
        (1, "rs5", "exact", "b"),
    ]


def test_separators_in_values_are_encoded() -> None:
    values = pl.Series(["a", "a;b=c,d&e|f:g h%", None])
    assert encode(values).to_list() == ["a", "a%3Bb%3Dc%2Cd%26e%7Cf%3Ag%20h%25", None]
    assert encode(values, keep_bar=True).to_list()[1] == "a%3Bb%3Dc%2Cd%26e|f%3Ag%20h%25"
