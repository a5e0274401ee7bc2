"""The figures of a page: each chart's are those of the tally."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from ensembl_annotations.report.summary import (
    _charts,
    _compared,
    _genes,
    _not_looked_up,
    _ratios,
    contig_chart,
    contig_counts,
    frequency_chart,
    multiqc_section,
    summary_page,
)
from ensembl_annotations.report.tally import Tally
from tests.support.tallies import Cell, tally_of


def tally(*cells: Cell, **parts: Any) -> Tally:
    return Tally.model_validate(tally_of(*cells, **parts))


def test_each_contig_has_its_alts_by_status() -> None:
    cells: list[Cell] = [
        ("chr2", 0, 0, "SNV", True, 1),
        ("chr1", 0, 1, "SNV", False, 2),
        ("chr2", 5, 0, "indel", None, 4),
        ("chr2", 5, 2, "indel", None, 8),
    ]
    # In the order of the VCF.
    assert contig_chart(contig_counts(tally(*cells))).rows == [
        ["chr2", "5", "0", "8"],
        ["chr1", "0", "2", "0"],
    ]
    kinds = _charts(tally(*cells))["kinds"].rows
    assert kinds == [["SNV", "1", "2", "0"], ["indel", "4", "0", "8"]]


@pytest.mark.parametrize(("count", "rest"), [(60, None), (61, "1 other contigs"), (99, "39 other")])
def test_of_many_contigs_the_rest_is_one_row(count: int, rest: str | None) -> None:
    cells: list[Cell] = [(f"c{number}", 0, 0, "SNV", None, 2) for number in range(count)]
    rows = contig_chart(contig_counts(tally(*cells))).rows
    assert len(rows) == min(count, 61)
    if rest is not None:
        assert rows[-1][0].startswith(rest)
        assert rows[-1][1:] == [str(2 * (count - 60)), "0", "0"]


def test_control_characters_of_a_vcf_are_seen_and_not_obeyed() -> None:
    odd = "chr\x1b[31m\x07\u202e1"
    variant = {
        "place": f"{odd}:1", "change": "A>C", "terms": "pathogenic", "genotype": "het", "filter": odd,
        "frequency": "0.1", "ids": [odd],
    }  # fmt: skip
    found = {"genotypes": {"het": 1}, "listed": [variant], "num_filtered": 0}
    content = tally((odd, 0, 0, "SNV", True, 1234), vcf=odd, samples=[odd], certain=found)
    for text in (
        summary_page(content),
        summary_page(content, odd),
        contig_chart(contig_counts(content)).file(),
    ):
        assert not set("\x1b\x07\u202e") & set(text)
        assert r"chr\u001b[31m\u0007\u202e1" in text
        assert "1\u202f234" in text
    ElementTree.fromstring(contig_chart(contig_counts(content)).file())


def test_frequencies_are_all_there_in_their_order() -> None:
    found = {"over 50 to 100 %": 3, "not published": 2, "0 to 0.01 %": 1}
    rows = frequency_chart(found).rows
    labels = [label for label, _ in rows]
    assert labels[0] == "0 to 0.01 %"
    assert labels[-3:] == ["over 50 to 100 %", "published, ALT uncertain", "not published"]
    assert {label: count for label, count in rows if count != "0"} == {
        label: str(count) for label, count in found.items()
    }


def test_why_not_leaves_out_what_did_not_happen() -> None:
    metrics = {"num_exact": 5, "num_site_unknown": 2, "num_no_alt": 3}
    chart = _charts(tally(metrics=metrics))["matches"]
    assert chart.rows == [["exact", "5", "0"], ["shifted", "0", "0"], ["site unknown", "0", "2"]]
    assert "Records without an ALT: 3." in chart.text


def test_terms_are_sorted_by_how_certain_and_how_often() -> None:
    terms, others = {"benign": 1, "pathogenic": 2}, {"benign": 9, "association": 9, "a_b": 9}
    rows = _charts(tally(terms=terms, other_terms=others))["terms"].rows
    assert rows == [
        ["pathogenic", "2", "0"],
        ["benign", "1", "9"],
        ["a b", "0", "9"],
        ["association", "0", "9"],
    ]


def test_the_ratio_needs_300_snvs_and_a_transversion() -> None:
    def ratio(transitions: int, transversions: int) -> str:
        cells: list[Cell] = [
            ("1", 0, 0, "SNV", True, transitions),
            ("1", 0, 0, "SNV", False, transversions),
            ("1", 0, 0, "indel", None, 1000),
            ("1", 0, 2, "SNV", True, 1000),
        ]
        known, novel = _ratios(tally(*cells).frame)
        assert novel == ("not in Ensembl", "0", "0", "too few")
        assert known[:3] == ("in Ensembl", str(transitions), str(transversions))
        return known[3]

    assert [ratio(200, 100), ratio(199, 100), ratio(300, 0)] == ["2.00", "too few", "too few"]


def test_the_share_is_of_what_could_be_compared() -> None:
    metrics = {"num_exact": 2, "num_shifted": 1, "num_compared": 4, "annotated_percent": 75.0}
    found = _compared(tally(metrics=metrics).metrics)
    assert (found["known"], found["all"], found["share"]) == ("3", "4", "75.0 %")
    assert _compared(tally().metrics)["share"] == "none"


def test_what_was_not_looked_at_is_known_of_human_alone() -> None:
    def asked(chromosomes: str, species: str = "homo_sapiens") -> list[str]:
        return _not_looked_up({"Species": species, "Chromosomes": chromosomes})

    every = [*map(str, range(1, 23)), "X", "Y", "MT"]
    assert asked("all") == asked("|".join(every)) == []
    assert asked("|".join(every[2:])) == ["1", "2"]
    assert asked("1", "mus_musculus") == []


def test_the_genome_is_drawn_to_its_end_and_beyond() -> None:
    cells: list[Cell] = [("chr1", 4, 0, "SNV", True, 3), ("chr1", 4, 2, "SNV", True, 9)]
    lengths = {"chr1": 2_000_001}
    chart = _charts(tally(*cells, contig_lengths=lengths))["genome"]
    assert "The tallest is 3." in chart.text
    assert contig_chart(contig_counts(tally())).rows == []
    assert "The tallest is 0." in _charts(tally())["genome"].text


@pytest.mark.parametrize(
    ("assembly", "site"),
    [("GRCh38", "https://www.ensembl.org"), ("GRCh37", "https://grch37.ensembl.org")],
)
def test_ids_lead_to_the_site_of_the_assembly(assembly: str, site: str) -> None:
    listed = {
        "place": "chr1:5", "change": "A > C", "ids": ["rs1"], "terms": "pathogenic",
        "frequency": "0.1", "filter": "PASS", "genotype": "0/1",
    }  # fmt: skip
    certain = {"genotypes": {"carried": 1}, "listed": [listed], "num_filtered": 0}
    page = summary_page(tally(metrics={"assembly": assembly}, certain=certain))
    assert f"{site}/Homo_sapiens/Variation/Explore?v=rs1" in page


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], "240. Pathogenic before likely pathogenic"),
        (["a"], "240. Homozygous ones first, then pathogenic before likely"),
        (["a", "b"], "240. Those that any sample has homozygous first, then pathogenic"),
    ],
)
def test_the_order_is_that_of_the_samples_there(samples: list[str], said: str) -> None:
    listed = [
        {
            "place": "chr1:5", "change": "A > C", "ids": ["rs1"], "terms": "pathogenic",
            "frequency": "0.1", "filter": "PASS", "genotype": "0/1",
        }
    ] * 240  # fmt: skip
    certain = {"genotypes": {"carried": 240}, "listed": listed, "num_filtered": 0}
    assert said in summary_page(tally(samples=samples, certain=certain))


def test_text_of_the_vcf_is_no_html() -> None:
    nasty = "<script>alert(1)</script>"
    content = tally((nasty, 0, 0, "SNV", True, 1), vcf=nasty, samples=[nasty], notes=[nasty])
    page = summary_page(content)
    assert nasty not in page
    assert page.count("&lt;script&gt;alert(1)") >= 4


def test_multiqc_gets_one_row() -> None:
    metrics = tally(metrics={"num_records": 7, "annotated_percent": 50.0}).metrics
    found = json.loads(multiqc_section({"me": metrics}, 116, "GRCh38"))
    assert list(found["data"]) == ["me"]
    assert found["data"]["me"].keys() == found["headers"].keys()
    assert (found["data"]["me"]["num_records"], found["plot_type"]) == (7, "table")
    percent = found["headers"]["annotated_percent"]
    assert (percent["suffix"], percent["min"], percent["max"]) == (" %", 0, 100)
    assert "release 116 (GRCh38)" in found["description"]


CONSEQUENCES = {
    "terms": {"missense_variant": 1200, "stop_gained": 3, "intron_variant": 40},
    "genes": [{"gene": "G1", "symbol": "<ONE>", "high": 3, "moderate": 1}],
    "num_genes": 8,
    "unknown_on": ["20", "21"],
}


def test_genes_are_told_where_the_reference_has_them() -> None:
    found = tally(consequences=CONSEQUENCES, metrics={"num_alleles": 1300, "num_uncalled_ref": 17})
    told = _genes(found)
    assert told is not None
    # By severity, whatever their order in the file.
    assert told["terms"] == [
        ("stop gained", "HIGH", "3"),
        ("missense variant", "MODERATE", "1\u202f200"),
        ("intron variant", "MODIFIER", "40"),
    ]
    page = summary_page(found)
    assert "<b>3 + 1\u202f200</b>" in page
    assert "1\u202f243 of 1\u202f300 ALTs" in page
    assert "not known on 20, 21" in page and "the reference's (17)" in page
    assert "&lt;ONE&gt; G1" in page and "<ONE>" not in page
    assert "and 7 more" in page
    assert "hide a graver consequence" in page and "ENS_WORST" in page


def test_a_page_without_genes_says_that_there_are_none() -> None:
    page = summary_page(tally())
    assert "none in the reference" in page
    assert 'id="genes"' not in page and "gene, impact" not in page


def test_gene_change_and_impact_stand_beside_a_pathogenic_allele() -> None:
    listed = {
        "place": "chr1:5", "change": "A > C", "ids": ["rs1"], "terms": "pathogenic",
        "frequency": "0.1", "filter": "PASS", "genotype": "0/1",
    }  # fmt: skip
    called = {"gene": "DEMO1", "hgvs": "ENSP1.1:p.Trp4Arg", "impact": "LOW (HIGH in ENST2)"}
    certain = {"genotypes": {"carried": 2}, "listed": [listed | called, listed], "num_filtered": 0}
    metrics = {"num_uncalled_ref": 0}
    page = summary_page(tally(consequences=CONSEQUENCES, certain=certain, metrics=metrics))
    text = "".join(page.split("\n"))
    assert "A &gt; C<br>DEMO1<br>ENSP1.1:<wbr>p.Trp4Arg<br>LOW (HIGH in ENST2)" in text
    assert "A &gt; C<br>not called" in text


def test_multiqc_gets_counts_by_impact_where_there_are_genes() -> None:
    impacts = {f"num_{name}_impact": 5 for name in ("high", "moderate", "low", "modifier")}
    with_genes = json.loads(multiqc_section({"a": tally(metrics=impacts).metrics}, 116, "GRCh38"))
    without = json.loads(multiqc_section({"a": tally().metrics}, 116, "GRCh38"))
    assert with_genes["data"]["a"].items() >= impacts.items()
    assert with_genes["headers"].keys() - without["headers"].keys() == impacts.keys()
    assert with_genes["headers"]["num_high_impact"]["title"] == "HIGH"
