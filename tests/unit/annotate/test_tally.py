"""What is counted of each piece, and how pieces are summed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ensembl_annotations._kernel import Contig, Settings, annotated, contig_runs
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
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.read import Reference
from ensembl_annotations.variants.outcomes import REASONS
from ensembl_annotations.vcf.called import called_alleles
from ensembl_annotations.vcf.read import Piece
from ensembl_annotations.vcf.untyped import Untyped
from tests.support.store import snv, write_store


def part(
    alleles: Sequence[tuple[int, str, str]],
    store: Path | None = None,
    reason: str = "contig_absent",
) -> Part:
    """Count ALTs (POS, REF, ALT) of chr1, each in a record, with what a store has; without one all have a reason."""
    lines = "".join(f"chr1\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for pos, ref, alt in alleles)
    piece = Piece(lines.encode(), 0, 1)
    settings = Settings(8, columns=tally.COLUMNS)
    runs = [name.decode() for name, _ in contig_runs(piece.data)]
    if store is None:
        contig = Contig(reason=list(REASONS).index(reason))
        with annotated(piece.data, settings, [contig], [0]) as result:
            return part_of(result.columns, piece, runs)
    with Reference(ReferenceStore(store)) as reference:
        table = reference.table("1")
        assert table is not None
        contig = Contig(table=table.handle, reason=-1)
        with annotated(piece.data, settings, [contig], [0]) as result:
            return part_of(result.columns, piece, runs)


@pytest.mark.parametrize(
    ("ref", "alt", "kind", "is_transition"),
    [
        ("A", "G", "SNV", True),
        ("C", "T", "SNV", True),
        ("G", "A", "SNV", True),
        ("T", "C", "SNV", True),
        ("A", "C", "SNV", False),
        ("T", "G", "SNV", False),
        ("AT", "AG", "SNV", False),
        ("R", "A", "SNV", None),
        ("C", "CA", "insertion", None),
        ("CAC", "C", "deletion", None),
        ("AC", "GT", "MNV", None),
        ("AC", "G", "indel", None),
        ("A", "<DEL>", "not a sequence", None),
    ],
)
def test_an_alt_is_of_one_kind(ref: str, alt: str, kind: str, is_transition: bool | None) -> None:
    assert part([(5, ref, alt)]).cube == {("chr1", 0, 2, kind, is_transition): 1}


@pytest.mark.parametrize("reason", ["contig_absent", "contig_refused", "not_requested"])
def test_what_could_not_be_looked_up_is_not_compared(reason: str) -> None:
    assert {status for _, _, status, _, _ in part([(5, "A", "G")], reason=reason).cube} == {2}


def test_a_status_follows_from_the_reason(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {"1": [snv(5, "A>G", 1)]})
    found = [(5, "A", "G"), (5, "A", "C"), (9, "A", "G"), (5, "A", "<DEL>")]
    statuses = [next(iter(part([alt], store).cube))[2] for alt in found]
    assert statuses == [0, 1, 1, 2]


def test_a_record_without_an_alt_is_not_counted() -> None:
    assert part([(5, "A", ".")]).cube == {}


def test_a_window_has_a_million_bases_and_may_come_again() -> None:
    positions = [0, 1, 1_000_000, 1_000_001, 2_000_001, 7]
    cube = part([(pos, "A", "G") for pos in positions]).cube
    assert [(key[1], count) for key, count in cube.items()] == [(0, 4), (1, 1), (2, 1)]


def test_a_frequency_belongs_to_the_class_that_it_ends(tmp_path: Path) -> None:
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
    rows = [
        snv(5 + number, "A>G", 1, ma="G", maf=text, maf_of=1) for number, text in enumerate(given)
    ]
    store = write_store(tmp_path / "store", {"1": rows})
    found = part([(5 + number, "A", "G") for number in range(len(given))], store).frequencies
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


def test_a_frequency_that_is_not_decided_is_told_from_none(tmp_path: Path) -> None:
    known = {"ma": "G", "maf": "0.1"}
    rows = [
        snv(5, "A>G", 1, maf_of=1, **known),
        snv(5, "A>G", 2, maf_of=1, **known),
        snv(6, "A>G", 3, maf_of=0, **known),
        snv(7, "A>G", 4),
        snv(7, "A>G", 5),
    ]
    store = write_store(tmp_path / "store", {"1": rows})
    found = +part([(pos, "A", "G") for pos in range(5, 9)], store).frequencies
    assert found == {"over 5 to 10 %": 1, "published, ALT uncertain": 1, "not published": 1}


def test_a_term_counts_once_for_an_alt_and_is_certain_or_not(tmp_path: Path) -> None:
    rows = [
        snv(5, "A>G", 1, clin="benign|association", clin_certain=False),
        snv(5, "A>G", 2, clin="benign", clin_certain=True),
        snv(6, "A>G", 3, clin="benign", clin_certain=False),
    ]
    store = write_store(tmp_path / "store", {"1": rows})
    found = part([(5, "A", "G"), (6, "A", "G")], store)
    assert (found.terms, found.other_terms) == ({"benign": 1}, {"benign": 1, "association": 1})


@pytest.mark.parametrize(
    ("call", "state"),
    [
        ("0/1", "carried"),
        (".", "not called"),
        ("./1", "carried"),
        ("./0", "not called"),
        ("", "not called"),
        ("0/2", "not carried"),
        ("11/0", "not carried"),
        # From VCF 4.4 on, a mark may stand before the first allele.
        ("/0|0", "not carried"),
        ("|1", "carried"),
        ("/0/.", "not called"),
    ],
)
def test_a_call_that_is_missing_may_be_the_allele(call: str, state: str) -> None:
    assert tally._STATE_OF[tally._place(called_alleles(call), 1)] == state


def test_all_alleles_of_a_call_with_a_mark_before_them_are_the_allele() -> None:
    assert tally._place(called_alleles("/1/1"), 1) == tally._HOMOZYGOUS


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
    piece = part([(5, "A", "G")])
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
    assert _consequence({**called, "ens_worst": None}) == ("", "", "")


def test_pieces_are_summed_however_many_there_are() -> None:
    findings = Findings()
    piece = part([(5, "A", "G"), (5, "A", "<DEL>")])
    for _ in range(200):
        findings.add(piece)
    assert findings.cube == {
        ("chr1", 0, 2, "SNV", True): 200,
        ("chr1", 0, 2, "not a sequence", None): 200,
    }


def test_counts_of_parts_are_summed_and_the_first_odd_value_is_kept() -> None:
    whole = Tally()
    for line in (3, 9):
        untyped = {"DP": Untyped(2, line, f"at {line}")}
        whole = whole.plus(Tally(1, 2, 3, 4, 5, 6, Counter(symbolic=7), untyped))
    odd = {"DP": Untyped(4, 3, "at 3")}
    assert whole == Tally(2, 4, 6, 8, 10, 12, Counter(symbolic=14), odd)
