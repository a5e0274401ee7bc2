"""Frequencies, clinical terms and the layout of the tags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.variants.outcomes import GENE_TAGS, TAGS
from tests.support.mirror import Row, write_mirror
from tests.support.results import GRCH37, GRCH38, Annotated, annotate_text

PER_ALT = [tag.id for tag in TAGS if tag.number == "A" and tag.id not in GENE_TAGS]

RECORDS: list[Row] = [
    (102, "rs2", "A", "AA", "dbSNP_156;TSA=insertion;MA=A;MAF=0.2"),
    (200, "rs20", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.1418;MAC=710;CLIN_pathogenic"),
    (210, "rs21", "A", "G", "dbSNP_156;TSA=SNV;MA=A;MAF=0.1418;MAC=710;CLIN_risk_factor"),
    (220, "rs22", "A", "G", "dbSNP_156;TSA=SNV;MA=T;MAF=0.1;CLIN_benign;CLIN_pathogenic"),
    (230, "rs23", "A", "C,G", "dbSNP_156;TSA=SNV;MA=A;MAF=0.3;CLIN_pathogenic"),
    (240, "rs24", "TA", "T", "dbSNP_156;TSA=deletion;MA=TA;MAF=0.4000"),
    (250, "rs25", "TA", "T", "dbSNP_156;TSA=deletion;MA=-;MAF=0.04"),
    (260, "rs26", "A", "ATC", "dbSNP_156;TSA=insertion;MA=TC;MAF=0.05"),
    (270, "rs27", "A", "G", "dbSNP_156;TSA=SNV;E_gnomAD;;AA=A"),
    (280, "rs28", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.1"),
    (280, "rs29", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.10"),
    (280, "COSV1", "A", "G", "TSA=SNV"),
    (290, "rs30", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.1"),
    (290, "rs31", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.3;CLIN_benign"),
    (300, "rs32", "A", "G", "dbSNP_156;TSA=SNV;CLIN_odd%term,x:2"),
    (310, "rs9", "A", "G", "TSA=SNV"),
    (310, "rs10", "A", "G", "TSA=SNV"),
    (310, "CM9", "A", "G", "TSA=SNV"),
    (310, "rs4294967299", "A", "G", "TSA=SNV"),
    (320, "rs33", "A", "G", "dbSNP_156;TSA=SNV;XYZ=1;MAF=high;MAC=007"),
    (330, "CM1", "A", ".", "HGMD-PUBLIC_20204"),
    (340, "rs35", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.000199681"),
    (341, "rs36", "A", "G", "dbSNP_156;TSA=SNV;MA=A;MAF=0.000199681"),
    (450, "rs8", "ATTC", "A,ATC,ATTTC", "dbSNP_156;TSA=indel;MA=-;MAF=0.03"),
    (460, "rs81", "ATTC", "A,ATC,ATTTC", "dbSNP_156;TSA=indel;MA=TC;MAF=0.03"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("values")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        write_mirror(base / "mirror", {"21": RECORDS})
        fetch_ensembl(base / "store", mirrors=[str(base / "mirror")], release=116)
        leiden = (169519049, "rs6025", "T", "C", "dbSNP_156;TSA=SNV;MA=T;MAF=0.006;CLIN_pathogenic")
        write_mirror(base / "mirror", {"1": [leiden]}, assembly="GRCh37")
        fetch_ensembl(
            base / "store37", mirrors=[str(base / "mirror")], release=116, assembly="GRCh37"
        )
    return base


def annotate(folder: Path, tmp_path: Path, *queries: str) -> Annotated:
    return annotate_text(tmp_path, folder / "store", [f"21 {query} . . ." for query in queries])


@pytest.mark.parametrize(
    ("query", "frequency"),
    [
        ("102 . A AA", None),
        ("200 . A G", "0.1418"),
        ("210 . A G", "0.8582"),
        ("220 . A G", None),
        ("230 . A C", None),
        # The reference of TA/T, or the deletion of TAA/TA.
        ("240 . TA T", None),
        ("250 . TA T", "0.04"),
        ("260 . A ATC", "0.05"),
        ("280 . A G", "0.1"),
        ("290 . A G", None),
        ("340 . A G", "0.000199681"),
        ("341 . A G", "0.999800319"),
        ("450 . ATTC A", "0.03"),
        ("450 . ATTC ATC", None),
        ("460 . ATTC ATC", "0.03"),
        ("460 . ATTC A", None),
    ],
)
def test_frequency_is_of_the_allele_that_ma_decides(
    query: str, frequency: str | None, folder: Path, tmp_path: Path
) -> None:
    found = annotate(folder, tmp_path, query)
    assert found.tags().get("ENS_AF") == frequency
    assert found.table["ens_af"].to_list() == [float(frequency) if frequency else None]


@pytest.mark.parametrize(
    ("query", "certain", "of_the_id"),
    [
        ("200 . A G", "pathogenic", "rs20|pathogenic"),
        ("210 . A G", None, "rs21|risk_factor"),
        ("220 . A G", "benign|pathogenic", "rs22|benign|pathogenic"),
        ("230 . A C", None, "rs23|pathogenic"),
        ("290 . A G", ".&benign", "rs31|benign"),
        ("300 . A G", "odd%25term%2Cx%3A2", "rs32|odd%25term%2Cx%3A2"),
    ],
)
def test_clinical_terms_are_an_alleles_only_where_certain(
    query: str, certain: str | None, of_the_id: str, folder: Path, tmp_path: Path
) -> None:
    found = annotate(folder, tmp_path, query)
    assert found.tags().get("ENS_CLIN") == certain
    assert found.tags().get("ENS_RSCLIN") == of_the_id


def test_60_leiden_on_grch37(folder: Path, tmp_path: Path) -> None:
    query = "1 169519049 . T C . . ."
    found = annotate_text(tmp_path, folder / "store37", [query], GRCH37)
    assert found.tags()["ENS_RSCLIN"] == "rs6025|pathogenic"
    assert "ENS_CLIN" not in found.tags()
    assert found.tags()["ENS_AF"] == "0.994"


def test_43_an_empty_entry_is_named_and_is_no_clinical_term(folder: Path, tmp_path: Path) -> None:
    found = annotate(folder, tmp_path, "270 . A G")
    assert found.tags()["ENS_EVIDENCE"] == "rs27|gnomAD|unnamed_entry"
    assert found.tags()["ENS_AA"] == "rs27|A"
    assert not {"ENS_CLIN", "ENS_RSCLIN"} & set(found.tags())


def test_ids_are_in_order_of_number_then_bytes(folder: Path, tmp_path: Path) -> None:
    found = annotate(folder, tmp_path, "310 . A G")
    assert found.tags()["ENS_ID"] == "rs9&rs10&rs4294967299&CM9"
    assert found.tags()["ENS_MATCH"] == "exact&exact&exact&exact"
    assert found.records[0][2] == "rs9;rs10;rs4294967299;CM9"


def test_values_follow_their_ids(folder: Path, tmp_path: Path) -> None:
    found = annotate(folder, tmp_path, "290 . A G")
    assert found.tags()["ENS_MAF"] == "rs30|G|0.1,rs31|G|0.3"
    row = found.table.row(0, named=True)
    assert row["ens_id"] == ["rs30", "rs31"]
    assert row["ens_maf"] == [0.1, 0.3]
    assert row["ens_clin"] == ["benign"]


def test_info_is_extended_not_rewritten(folder: Path, tmp_path: Path) -> None:
    infos = [".", "DP=3", "DP=3;", "X;;Y=%3B"]
    queries = [f"21 200 . A G 1e2 q10;q20 {info}" for info in infos]
    found = annotate_text(tmp_path, folder / "store", queries)
    ours = found.records[0][7]
    assert ours.startswith("ENS_ID=rs20;")
    texts = [row[7] for row in found.records]
    assert texts == [ours, f"DP=3;{ours}", f"DP=3;{ours}", f"X;;Y=%3B;{ours}"]
    assert {tuple(row[5:7]) for row in found.records} == {("1e2", "q10;q20")}


def test_a_tag_without_a_value_is_left_out(folder: Path, tmp_path: Path) -> None:
    found = annotate(folder, tmp_path, "310 . A G", "999 . A G", "330 . A G")
    assert set(found.ours(0)) == {"ENS_ID", "ENS_MATCH", "ENS_MULTI", "ENS_TSA"}
    assert found.records[1][7] == found.records[2][7] == "."
    assert found.reasons(2) == ["allele_differs"]


@pytest.mark.parametrize(
    ("query", "clin", "frequency"),
    [
        ("310 . A G", ".", "."),
        ("200 . A G", "pathogenic", "0.1418"),
        ("200 . A T,G,*", ".,pathogenic,.", ".,0.1418,."),
        ("230 . A C,G", ".,.", ".,."),
        ("290 . A C,G", ".,.&benign", ".,."),
    ],
)
def test_a_matched_record_has_every_tag_of_its_alts(
    query: str, clin: str, frequency: str, folder: Path, tmp_path: Path
) -> None:
    found = annotate(folder, tmp_path, query).info()
    assert (found["ENS_CLIN"], found["ENS_AF"]) == (clin, frequency)
    num_alts = query.count(",") + 1
    assert all(len(found[name].split(",")) == num_alts for name in PER_ALT)


def test_values_that_are_not_numbers_are_kept_aside(folder: Path, tmp_path: Path) -> None:
    found = annotate(folder, tmp_path, "320 . A G")
    assert not {"ENS_MAF", "ENS_MAC", "ENS_AF"} & set(found.tags())
    package = (folder / "store" / "datapackage.json").read_text()
    assert '"XYZ": 1' in package
    assert '"MAF": 1' in package


def test_the_output_says_what_it_was_made_from(folder: Path, tmp_path: Path) -> None:
    found = annotate(folder, tmp_path, "200 . A G")
    line = next(line for line in found.header if line.startswith("##ensembl_annotations="))
    assert found.metrics["reference_sha256"] in line
    assert "Release=116" in line
    assert found.header[-1].startswith("#CHROM")
    assert found.header[: len(GRCH38)] == GRCH38


INDELS: list[Row] = [
    (11, "rs1", "TT", "T", "MA=TT;MAF=0.001;CLIN_pathogenic"),
    (21, "rs2", "TT", "T", "MA=TT;MAF=0.001;CLIN_pathogenic"),
    (31, "rs3", "T", "TT", "MA=TTTTT;MAF=0.2;CLIN_benign"),
    (41, "rs4", "TT", "T,TTTT", "MA=TTTT;MAF=0.2"),
    (51, "rs5", "GAT", "G", "MA=-;MAF=0.3;CLIN_benign"),
    (60, "rs6", "A", "G", "MA=A;MAF=0.4"),
]


@pytest.mark.parametrize(
    ("query", "with_sequence", "without"),
    [
        # Behind rs1 is a T: TTT/TT with either allele minor. Behind rs2 is none: TT/T, the reference.
        ("11 . TT T", None, None),
        ("21 . TT T", "0.999", None),
        ("31 . T TT", "0.2", "0.2"),
        # Without the sequence TTTTTT/TTTTT/TTTTTTTT is possible as well.
        ("41 . TT T,TTTT", ".,0.2", None),
        ("51 . GAT G", "0.3", "0.3"),
        ("60 . A G", "0.6", "0.6"),
    ],
)
def test_the_sequence_decides_frequencies(
    query: str,
    with_sequence: str | None,
    without: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    sequence = list("GC" * 40)
    for begin, text in (
        (11, "TTTG"),
        (21, "TTG"),
        (31, "TTTTG"),
        (41, "TTG"),
        (51, "GATC"),
        (60, "A"),
    ):
        sequence[begin - 1 : begin - 1 + len(text)] = text
    write_mirror(tmp_path / "mirror", {"21": INDELS}, {"21": "".join(sequence)})
    found = []
    for fasta in (True, False):
        store = tmp_path / f"store{fasta}"
        fetch_ensembl(
            store, mirrors=[str(tmp_path / "mirror")], release=116, fasta=fasta, genes=False
        )
        tags = annotate_text(tmp_path, store, [f"21 {query} . . ."]).tags()
        found.append(tags.get("ENS_AF"))
        if query.startswith(("11", "21")):
            assert "ENS_CLIN" not in tags and tags["ENS_RSCLIN"].endswith("|pathogenic")
        package = json.loads((store / "datapackage.json").read_text())
        (counts,) = (
            entry["frequencies"] for entry in package["resources"] if entry["role"] == "alleles"
        )
        decided = {"undecided": 1, "decided": 3, "decided_by_sequence": 2}
        assert counts == (
            decided if fasta else {"undecided": 3, "decided": 3, "decided_by_sequence": 0}
        )
    assert found == [with_sequence, without]
