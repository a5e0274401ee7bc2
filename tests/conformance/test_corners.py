"""Corners of the rules: what lies at an edge, and what published rows can look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.fetch.convert import pieces
from tests.support.mirror import Row, write_mirror
from tests.support.results import GRCH38, annotate_text

ONE: list[Row] = [
    (100, "rs1", "", "A", "dbSNP_156;MA=A;MAF=0.1"),
    (110, "rs2", "a", "G", "dbSNP_156;CLIN_pathogenic;MA=A;MAF=0.1"),
    (120, "rs3", "A", "G", "dbSNP_156;MA=A;MAF=0.1"),
    (120, "rs3", "A", "G", "dbSNP_156;CLIN_benign"),
    (130, "rs4", "A", "G", "dbSNP_156;E_;E_Freq;CLIN_benign;CLIN_a|b"),
    (140, "rs5", "A", "G", f"dbSNP_156;MAC={'9' * 5000}"),
    (150, "rs6", "A", "G", "dbSNP_157"),
]
X: list[Row] = [
    (10001, "rs12", "C", "T", "dbSNP_156"),
    (1_000_000, "rs10", "A", "G", "dbSNP_156"),
    (1_000_010, "rs13", "G", "GAT", "dbSNP_156"),
    (2_781_479, "rs11", "A", "G", "dbSNP_156"),
]


def build(
    base: Path, records: dict[str, list[Row]], sequences: dict[str, str] | None = None
) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        write_mirror(base / "mirror", records, sequences)
        fetch_ensembl(
            base / "store",
            mirrors=[str(base / "mirror")],
            release=116,
            fasta=sequences is not None,
            genes=False,
        )
    return base / "store"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("corners"), {"1": ONE, "X": X, "Y": []})


def test_lower_case_ref_is_the_minor_allele(whole: Path, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, whole, ["1 110 . A G . . ."])
    assert found.ours()["ENS_AF"] == "0.9"
    assert "ENS_CLIN" not in found.ours()


def test_terms_are_certain_only_if_every_record_of_the_id_says_so(
    whole: Path, tmp_path: Path
) -> None:
    found = annotate_text(tmp_path, whole, ["1 120 . A G . . ."])
    assert found.ours()["ENS_RSCLIN"] == "rs3|benign"
    assert not {"ENS_CLIN", "ENS_MAF"} & set(found.ours())


def test_no_entry_is_lost(whole: Path, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, whole, ["1 130 . A G . . .", "1 150 . A G . . ."])
    assert found.ours()["ENS_EVIDENCE"] == "rs4|unnamed_entry|Freq"
    assert found.ours()["ENS_CLIN"] == "benign"
    package = (whole / "datapackage.json").read_text()
    assert all(f'"{key}": 1' in package for key in ("CLIN_a|b", "MAC", "dbSNP_157"))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("2781479 . A G", "rs11"),
        ("2781479 . AC GC", "rs11"),
        ("10001 . C T", "rs12"),
        ("10000 . NC NT", "rs12"),
    ],
)
def test_a_key_in_the_par_counts_whatever_its_padding(
    query: str, ids: str, whole: Path, tmp_path: Path
) -> None:
    found = annotate_text(tmp_path, whole, [f"chrY {query} . . ."])
    assert found.ours()["ENS_ID"] == ids
    assert found.ours()["ENS_PAR"] == "True"


@pytest.mark.parametrize(("anchor", "reason"), [("G", None), ("C", "ref_mismatch")])
def test_padding_inside_the_par_is_checked(
    anchor: str, reason: str | None, whole: Path, tmp_path: Path
) -> None:
    found = annotate_text(tmp_path, whole, [f"chrY 1000010 . {anchor} {anchor}AT . . ."])
    assert found.tags().get("ENS_ID") == (None if reason else "rs13")
    assert found.reasons() == [reason]


def test_an_alt_with_n_never_matches_on_either_side(tmp_path: Path) -> None:
    rows: list[Row] = [
        (10, "CM1", "A", "N", "HGMD-PUBLIC_20204"),
        (20, "CM2", "A", "AN", "HGMD-PUBLIC_20204"),
        (30, "CM3", "AC", "NC", "HGMD-PUBLIC_20204"),
        (40, "rs4", "NA", "NG", "dbSNP_156"),
        (50, "rs5", "CN", "C", "dbSNP_156"),
    ]
    made = build(tmp_path, {"1": rows})
    queries = [
        "10 . A N",
        "10 . A n",
        "20 . A AN",
        "30 . AC NC",
        "30 . A N",
        "41 . A G",
        "50 . CN C",
    ]
    found = annotate_text(tmp_path, made, [f"1 {query} . . ." for query in queries])
    assert [row[2] for row in found.records] == [".", ".", ".", ".", ".", "rs4", "rs5"]
    assert found.table["ens_reason"].to_list() == ["symbolic"] * 5 + [None, None]
    sites = annotate_text(
        tmp_path, made, ["1 10 . A G . . .", "1 20 . A AC . . ."], match="position"
    )
    assert [sites.tags(index)["ENS_SITE_ID"] for index in (0, 1)] == ["CM1", "CM2"]
    assert sites.table["ens_reason"].to_list() == ["allele_differs"] * 2


def test_only_what_is_looked_up_is_flagged(whole: Path, tmp_path: Path) -> None:
    queries = ["chrY 1000000 . A <DEL> . . .", "chrY 1000000 . A . . . ."]
    found = annotate_text(tmp_path, whole, queries)
    assert found.table["ens_par"].to_list() == [False, False]
    assert found.metrics["num_par"] == 0
    found = annotate_text(tmp_path, whole, ["chrY 1000000 . A G . . ."], chromosomes=["X"])
    assert (found.ours(), found.reasons()) == ({}, ["not_requested"])


def test_the_par_without_x_is_absent_and_said_so(tmp_path: Path) -> None:
    made = build(tmp_path, {"Y": [(3_000_000, "rs99", "A", "G", "dbSNP_156")]})
    found = annotate_text(tmp_path, made, ["chrY 1000000 . A G . . ."])
    assert (found.ours(), found.reasons()) == ({"ENS_PAR": "True"}, ["contig_absent"])
    assert any("chrY were looked up on Y alone" in message for message in found.messages)


def test_a_key_that_can_not_be_looked_up_is_kept(whole: Path, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, whole, ["1 2147483646 . ACGTA ACGTC . . ."])
    assert found.reasons() == ["bad_position"]


def test_a_repeat_that_leaves_the_par(tmp_path: Path) -> None:
    # 20 A around the last base of the region, at 2,781,479; the same on X only.
    last = 2_781_479
    sequence = "N" * (last - 10) + "A" * 20 + "N" * 100
    rows: list[Row] = [
        (last - 5, "rs1", "AA", "A", "dbSNP_156"),
        (last + 3, "rs2", "AA", "A", "dbSNP_156"),
    ]
    made = build(tmp_path, {"X": rows}, {"X": sequence})
    inside = f"{last - 8} . AA A . . ."
    found = annotate_text(tmp_path, made, [f"chrX {inside}", f"chrY {inside}"])
    assert [found.tags(index)["ENS_ID"] for index in (0, 1)] == ["rs1&rs2", "rs1"]
    assert [found.tags(index)["ENS_MATCH"] for index in (0, 1)] == ["shifted&shifted", "shifted"]


def test_one_id_is_named_once_with_its_best_class(tmp_path: Path) -> None:
    rows: list[Row] = [
        (2, "rs1", "AA", "A", "dbSNP_156"),
        (4, "rs1", "AA", "A", "dbSNP_156"),
        (3, "rs2", "AA", "A", "dbSNP_156"),
    ]
    made = build(tmp_path, {"1": rows}, {"1": "CAAAAAAT"})
    found = annotate_text(tmp_path, made, ["1 4 . AA A . . .", "1 6 . AA A . . ."])
    assert [found.tags(index)["ENS_ID"] for index in (0, 1)] == ["rs1&rs2"] * 2
    assert [found.tags(index)["ENS_MATCH"] for index in (0, 1)] == [
        "exact&shifted",
        "shifted&shifted",
    ]
    assert found.table["ens_match"].to_list() == [["exact", "shifted"], ["shifted", "shifted"]]
    assert (found.metrics["num_exact"], found.metrics["num_shifted"]) == (1, 1)


@pytest.mark.parametrize("with_sequence", [True, False])
def test_the_header_says_which_classes_there_can_be(with_sequence: bool, tmp_path: Path) -> None:
    rows: list[Row] = [(2, "rs1", "A", "G", "dbSNP_156")]
    made = build(tmp_path, {"1": rows}, {"1": "CAAT"} if with_sequence else None)
    found = annotate_text(tmp_path, made, ["1 2 . A G . . ."])
    classes = '"exact,shifted"' if with_sequence else "exact"
    assert f",Match={classes}," in next(line for line in found.header if "Match=" in line)


def test_an_id_inside_a_description_does_not_hide_a_tag(whole: Path, tmp_path: Path) -> None:
    line = '##INFO=<ID=ENS_ID,Number=A,Type=String,Description="old,ID=foo">'
    with pytest.raises(InputError, match="ENS_ID"):
        annotate_text(tmp_path, whole, ["1 110 . A G . . ."], [*GRCH38, line])


@pytest.mark.parametrize(
    "line",
    [
        "##contig=<ID=1, length=249250621>",
        '##contig=<ID="chr1",length="249250621">',
        "##reference=Homo_sapiens_assembly19.fasta",
    ],
)
def test_other_forms_of_a_header_tell_the_build(line: str, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GRCh37"):
        annotate_text(tmp_path, whole, ["1 110 . A G . . ."], ["##fileformat=VCFv4.2", line])


def test_the_store_does_not_depend_on_how_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 120)
    rows: list[Row] = [
        (pos, f"rs{pos}", "AC", "A,G,ACC", "dbSNP_156;MA=G;MAF=0.2") for pos in range(1, 120)
    ]
    first = build(tmp_path / "a", {"1": rows})
    for read_bytes in (300, 5000):
        monkeypatch.setattr(pieces, "READ_BYTES", read_bytes)
        second = build(tmp_path / str(read_bytes), {"1": rows})
        for path in first.iterdir():
            assert (second / path.name).read_bytes() == path.read_bytes()
