"""What is counted of each piece, and how pieces are summed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import polars as pl
import pytest

from ensembl_annotations.annotate import tally
from ensembl_annotations.annotate.counts import Tally
from ensembl_annotations.annotate.tally import (
    FREQUENCY_CLASSES,
    Findings,
    Listed,
    Part,
    Pathogenic,
    _consequence,
    _short,
    gene_list,
    part_of,
)
from ensembl_annotations.vcf.batch import Batch
from ensembl_annotations.vcf.untyped import Untyped

Id = tuple[int, str | None, bool, str | None, str | None]

# Nothing pathogenic: the records themselves are not looked at.
NO_BATCH = cast(Batch, cast(Any, None))


def part(
    alleles: list[tuple[int, int, str, str, str | None]],
    ids: Sequence[Id] = (),
) -> Part:
    """Count ALTs (POS, code, deleted, inserted, reason) and their IDs.

    An ID has its ALT, the ALT's frequency, whether one is published, its terms and those of this ALT.
    """
    rows = [("chr1", *allele) for allele in alleles]
    frame = pl.DataFrame(
        rows, ["chrom", "pos", "code", "deleted", "inserted", "reason"], orient="row"
    ).with_columns(
        pl.col("deleted", "inserted").str.len_bytes().cast(pl.Int32),
        pl.col("reason").cast(pl.String),
        row=pl.int_range(pl.len()),
        alt_index=pl.lit(0),
    )
    schema = {
        "query": pl.Int64,
        "af": pl.String,
        "has_frequency": pl.Boolean,
        "clin": pl.String,
        "allele_clin": pl.String,
    }
    told = pl.DataFrame(schema={"query": pl.UInt32, "csq": pl.String, "ens_worst": pl.String})
    return part_of(NO_BATCH, frame, pl.DataFrame(ids, schema, orient="row"), told)


@pytest.mark.parametrize(
    ("code", "deleted", "inserted", "kind", "is_transition"),
    [
        # 4 * REF + ALT in the order ACGT.
        (2, "A", "G", "SNV", True),
        (7, "C", "T", "SNV", True),
        (8, "G", "A", "SNV", True),
        (13, "T", "C", "SNV", True),
        (1, "A", "C", "SNV", False),
        (14, "T", "G", "SNV", False),
        (15, "R", "A", "SNV", None),
        (10, "", "A", "insertion", None),
        (5, "AC", "", "deletion", None),
        (15, "AC", "GT", "MNV", None),
        (15, "AC", "G", "indel", None),
        (0, "", "", "not a sequence", None),
    ],
)
def test_an_alt_is_of_one_kind(
    code: int, deleted: str, inserted: str, kind: str, is_transition: bool | None
) -> None:
    (row,) = part([(5, code, deleted, inserted, None)]).cube.to_dicts()
    assert (row["kind"], row["transition"], row["count"]) == (kind, is_transition, 1)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (None, 0),
        ("site_unknown", 1),
        ("allele_differs", 1),
        ("contig_absent", 2),
        ("symbolic", 2),
        ("not_requested", 2),
    ],
)
def test_a_status_follows_from_the_reason(reason: str | None, status: int) -> None:
    assert part([(5, 2, "A", "G", reason)]).cube["status"].to_list() == [status]


def test_a_record_without_an_alt_is_not_counted() -> None:
    assert len(part([(5, 0, "", "", "no_alt")]).cube) == 0


def test_a_window_has_a_million_bases_and_position_0_is_in_the_first() -> None:
    positions = [0, 1, 1_000_000, 1_000_001, 2_000_001]
    cube = part([(pos, 2, "A", "G", None) for pos in positions]).cube
    assert cube.select("window", "count").rows() == [(0, 3), (1, 1), (2, 1)]


def test_a_frequency_belongs_to_the_class_that_it_ends() -> None:
    assert FREQUENCY_CLASSES == [
        "0 to 0.01 %",
        "over 0.01 to 0.1 %",
        "over 0.1 to 1 %",
        "over 1 to 5 %",
        "over 5 to 10 %",
        "over 10 to 25 %",
        "over 25 to 50 %",
        "over 50 to 100 %",
    ]
    given = ["0", "0.0001", "0.00011", "0.05", "0.0501", "0.5", "0.51", "1"]
    ids: list[Id] = [(query, text, True, None, None) for query, text in enumerate(given)]
    found = part([(5, 2, "A", "G", None)] * len(given), ids).frequencies
    assert +found == Counter(
        {
            "0 to 0.01 %": 2,
            "over 0.01 to 0.1 %": 1,
            "over 1 to 5 %": 1,
            "over 5 to 10 %": 1,
            "over 25 to 50 %": 1,
            "over 50 to 100 %": 2,
        }
    )


def test_a_frequency_that_is_not_decided_is_told_from_none() -> None:
    ids: list[Id] = [
        (0, "0.1", True, None, None),
        (0, "0.1", True, None, None),
        (1, None, True, None, None),
        (2, None, True, None, None),
        (3, None, False, None, None),
        (3, None, False, None, None),
    ]
    found = +part([(5, 2, "A", "G", None)] * 4, ids).frequencies
    assert found == {"over 5 to 10 %": 1, "published, ALT uncertain": 2, "not published": 1}


def test_a_term_counts_once_for_an_alt_and_is_certain_or_not() -> None:
    ids: list[Id] = [
        (0, None, False, "benign|association", "benign"),
        (0, None, False, "benign", "benign"),
        (1, None, False, "benign", None),
    ]
    found = part([(5, 2, "A", "G", None)] * 2, ids)
    assert (found.terms, found.other_terms) == ({"benign": 1}, {"benign": 1, "association": 1})


@pytest.mark.parametrize(
    ("call", "allele", "state"),
    [
        (["0", "1"], "1", "carried"),
        (["."], "1", "not called"),
        ([".", "1"], "1", "carried"),
        ([".", "0"], "1", "not called"),
        ([""], "1", "not called"),
        (["0", "2"], "1", "not carried"),
        (["11", "0"], "1", "not carried"),
    ],
)
def test_a_call_that_is_missing_may_be_the_allele(call: list[str], allele: str, state: str) -> None:
    assert tally._STATE_OF[tally._place(call, allele)] == state


def test_long_bases_are_cut_with_their_length() -> None:
    assert _short("A" * 40) == "A" * 40
    assert _short("A" * 41) == "A" * 40 + "… (41 bp)"


# --- Sums ----------------------------------------------------------------------------------------


def variant(place: str) -> Listed:
    return Listed((0, False), place, "A > G", ("rs1",), "pathogenic", "0.1", "PASS", "0/1")


def test_the_first_variants_are_listed_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tally, "MOST_LISTED", 3)
    whole = Pathogenic()
    for places in ("ab", "cd", "e"):
        listed = [variant(place) for place in places]
        whole.add(Pathogenic(Counter(carried=len(places)), listed, 1))
    assert "".join(item.place for item in whole.listed) == "abc"
    assert (whole.genotypes, whole.num_filtered) == ({"carried": 5}, 3)


def test_genes_are_listed_by_impact_and_number_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    piece = part([(5, 2, "A", "G", None)])
    counts = {
        ("c", "MODERATE"): 9,
        ("b", "HIGH"): 1,
        ("a", "HIGH"): 2,
        ("d", "HIGH"): 1,
        ("d", "MODERATE"): 1,
    }
    findings = Findings()
    for _ in range(3):
        findings.add(replace(piece, genes=Counter(counts)))
    listed = gene_list(findings.genes)
    assert [(row["gene"], row["high"], row["moderate"]) for row in listed] == [
        ("a", 6, 0), ("d", 3, 3), ("b", 3, 0), ("c", 0, 27),
    ]  # fmt: skip
    monkeypatch.setattr(tally, "MOST_GENES", 2)
    assert gene_list(findings.genes) == listed[:2]


def test_a_long_change_is_cut_and_a_gene_without_symbol_has_its_id() -> None:
    called = {
        "ens_impact": "HIGH", "ens_worst": "stop_gained&G1&T1", "ens_hgvsp": None,
        "ens_hgvsc": "T1.1:c.1_2ins" + "A" * 500, "ens_symbol": None, "ens_gene": "G1",
    }  # fmt: skip
    gene, change, impact = _consequence(called)
    assert (gene, impact) == ("G1", "HIGH")
    assert change == ("T1.1:c.1_2ins" + "A" * 500)[:80] + "…"
    assert _consequence(None) == ("", "", "")


def test_pieces_are_summed_however_many_there_are() -> None:
    findings = Findings()
    piece = part([(5, 2, "A", "G", None), (5, 0, "", "", "symbolic")])
    for _ in range(200):
        findings.add(piece)
    assert findings.cube().rows() == [
        ("chr1", 0, 0, "SNV", True, 200),
        ("chr1", 0, 2, "not a sequence", None, 200),
    ]
    assert Findings().cube().columns == findings.cube().columns


def test_counts_of_parts_are_summed_and_the_first_odd_value_is_kept() -> None:
    whole = Tally()
    for line in (3, 9):
        untyped = {"DP": Untyped(2, line, f"at {line}")}
        whole.add(Tally(1, 2, 3, 4, 5, 6, Counter(symbolic=7), untyped))
    odd = {"DP": Untyped(4, 3, "at 3")}
    assert whole == Tally(2, 4, 6, 8, 10, 12, Counter(symbolic=14), odd)
