"""Where ALTs are looked up: `annotate` and ``compare --sample`` must agree on every corner."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ensembl_annotations import annotate_vcf, compare_stores, fetch_ensembl
from ensembl_annotations.common.errors import InputError, UsageError
from ensembl_annotations.variants.contigs import (
    LENGTHS,
    PAR,
    PRIMARY,
    assemblies_of_length,
    resolve_chromosomes,
)
from tests.support.mirror import Row, write_mirror
from tests.support.results import annotate_text

D = "dbSNP_156;TSA=SNV"
OFFSETS = {"GRCh38": (0, 98813480), "GRCh37": (50000, 95896994)}


def build(
    folder: Path,
    records: dict[str, list[Row]],
    assembly: str = "GRCh38",
    sequences: dict[str, str] | None = None,
) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder / "cache"))
        write_mirror(folder / "mirror", records, sequences, assembly=assembly)
        fetch_ensembl(
            folder / "store",
            mirrors=[str(folder / "mirror")],
            release=116,
            assembly=assembly,
            fasta=sequences is not None,
            genes=False,
        )
    return folder / "store"


def corner_records(assembly: str) -> dict[str, list[Row]]:
    """Return variants around every end of the PARs, each with an ID of its own, on X and on Y.

    rs1… are on X alone, rs1001… on Y alone, rs2001… on both.
    """
    x: list[Row] = []
    y: list[Row] = []
    number = 0
    for region, shift in zip(PAR[assembly], OFFSETS[assembly], strict=True):
        for pos in (region.first - 1, region.first, region.last, region.last + 1):
            for ref, alt in (("A", "G"), ("A", "T"), ("AC", "A"), ("A", "AT"), ("C", "A")):
                number += 1
                x.append((pos + shift, f"rs{number}", ref, alt, D))
                y.append((pos, f"rs{number + 1000}", ref, alt, D))
                if ref == "A":
                    x.append((pos + shift, f"rs{number + 2000}", ref, alt, D))
                    y.append((pos, f"rs{number + 2000}", ref, alt, D))
    mt: list[Row] = [(100, "rs9001", "A", "G", D), (3106, "rs9002", "CN", "C", D)]
    return {"X": x, "Y": y, "MT": mt, "21": [(300, "rs9003", "A", "G", D)]}


def corner_queries(assembly: str) -> list[str]:
    lines = []
    for region in PAR[assembly]:
        for pos in (
            range(region.first - 3, region.first + 2),
            range(region.last - 2, region.last + 3),
        ):
            for at in pos:
                alleles = (
                    "A G",
                    "A T",
                    "AC A",
                    "AC GC",
                    "NA N",
                    "NA NG",
                    "CA CG",
                    "A AT",
                    "A N",
                    "G GT",
                    "GC G",
                )
                lines += [
                    f"chrY {at} . {pair} . . ." for pair in (*alleles, "C A", "a g", "A <DEL>")
                ]
    lines += [f"chrM {pair} . . ." for pair in ("100 . A G", "3106 . CN C", "3106 . C CN")]
    lines += ["X 1000 . A G . . .", "chr21 300 . A G . . ."]
    # So many good REFs that the wrong ones are not another assembly's.
    return [*lines, *["21 300 . A G . . ."] * 200]


@pytest.mark.parametrize("mt_length", [16569, 16571, None])
@pytest.mark.parametrize("assembly", ["GRCh38", "GRCh37"])
def test_annotate_and_compare_find_the_same(
    assembly: str, mt_length: int | None, tmp_path: Path
) -> None:
    """Of the second store every term differs: what the sample carries is listed, and nothing else."""
    records = corner_records(assembly)
    store = build(tmp_path / "a", records, assembly)
    later = {
        name: [(*row[:4], f"{row[4]};CLIN_benign") for row in rows]  # type: ignore[misc]
        for name, rows in records.items()
    }
    other = build(tmp_path / "b", later, assembly)
    declared = "" if mt_length is None else f",length={mt_length}"
    head = [
        "##fileformat=VCFv4.2",
        f"##contig=<ID=chr1,length={LENGTHS[assembly]['1']}>",
        f"##contig=<ID=chrM{declared}>",
    ]
    found = annotate_text(tmp_path, store, corner_queries(assembly), head)
    exact = found.table.filter(pl.col("ens_id").is_not_null())
    ids = set(exact["ens_id"].explode())
    is_mt = mt_length == 16569 or (mt_length is None and assembly == "GRCh38")
    assert ("rs9001" in ids, "rs9002" in ids) == (is_mt, is_mt)
    assert {"rs3", "rs1003", "rs9003"} <= ids
    counts = set()
    for sample in (tmp_path / "in.vcf", tmp_path / "out.parquet"):
        result = compare_stores(str(store), str(other), sample=str(sample), limit=None)
        assert {change["id"] for change in result["changes"]} == ids
        assert {change["what"] for change in result["changes"]} == {"reclassified"}
        counts.add(result["num_alleles_of_sample"])
    assert len(counts) == 1


def test_the_ends_of_the_par_by_hand(tmp_path: Path) -> None:
    """What is deleted, inserted or exchanged counts, not POS; on each contig its own row."""
    changes = [
        # Deleted is the PAR's first base; the base behind its last one; its last base.
        (10000, "NA", "N", True),
        (2_781_479, "AC", "A", False),
        (2_781_478, "AC", "A", True),
        (56_887_902, "NA", "N", True),
        (57_217_415, "AC", "A", False),
        (10000, "A", "G", False),
        (10001, "A", "G", True),
    ]
    rows: dict[str, list[Row]] = {"X": [], "Y": []}
    expected = []
    for number, (pos, ref, alt, inside) in enumerate(changes, 1):
        shift = 98_813_480 if pos > 50_000_000 else 0
        rows["X"].append((pos + shift, f"rs{number}", ref, alt, D))
        rows["Y"].append((pos, f"rs{number + 100}", ref, alt, D))
        expected.append({f"rs{number + 100}", *([f"rs{number}"] if inside else [])})
    store = build(tmp_path / "a", rows)
    later = {
        name: [(*row[:4], f"{D};CLIN_benign") for row in listed] for name, listed in rows.items()
    }
    other = build(tmp_path / "b", later)
    queries = [f"chrY {pos} . {ref} {alt} . . ." for pos, ref, alt, _ in changes]
    found = annotate_text(tmp_path, store, queries)
    assert [set(row[2].split(";")) for row in found.records] == expected
    for sample in (tmp_path / "in.vcf", tmp_path / "out.parquet"):
        result = compare_stores(str(store), str(other), sample=str(sample), limit=None)
        assert {change["id"] for change in result["changes"]} == set().union(*expected)
        assert result["num_alleles_of_sample"] == len(changes)


@pytest.mark.parametrize("assembly", ["GRCh38", "GRCh37"])
@pytest.mark.parametrize("region", [0, 1])
def test_x_and_y_are_united(assembly: str, region: int, tmp_path: Path) -> None:
    pos, shift = PAR[assembly][region].first + 1000, OFFSETS[assembly][region]
    frequent = "dbSNP_156;MA=G;MAF=0.1"
    x: list[Row] = [
        (pos + shift, "rs1", "A", "G", f"{frequent};E_Freq"),
        (pos + shift, "rs2", "A", "G", D),
    ]
    y: list[Row] = [(pos, "rs1", "A", "G", f"{frequent};CLIN_benign"), (pos, "rs3", "A", "G", D)]
    store = build(tmp_path / "a", {"X": x, "Y": y}, assembly)
    head = ["##fileformat=VCFv4.2", f"##contig=<ID=chr1,length={LENGTHS[assembly]['1']}>"]
    queries = [
        f"chrY {pos} . A G . . .",
        f"chrX {pos + shift} . A G . . .",
        f"chrY {pos} . A C,G . . .",
    ]
    found = annotate_text(tmp_path, store, queries, head)
    assert [row[2] for row in found.records] == ["rs1;rs2;rs3", "rs1;rs2", "rs1;rs2;rs3"]
    assert found.ours() == {
        "ENS_ID": "rs1&rs2&rs3",
        "ENS_MATCH": "exact&exact&exact",
        "ENS_MULTI": "0&0&0",
        "ENS_CLIN": "benign&.&.",
        "ENS_AF": "0.1",
        "ENS_MA": "rs1|G",
        "ENS_MAF": "rs1|G|0.1",
        "ENS_EVIDENCE": "rs1|Freq",
        "ENS_RSCLIN": "rs1|benign",
        "ENS_SOURCE": "rs1|dbSNP,rs2|dbSNP,rs3|dbSNP",
        "ENS_TSA": "rs2|SNV,rs3|SNV",
        "ENS_PAR": "True",
    }
    assert found.slots("ENS_ID", 2) == [".", "rs1&rs2&rs3"]
    assert found.reasons(2) == ["allele_differs", None]
    assert (found.metrics["num_exact"], found.metrics["num_par"]) == (3, 2)


@pytest.mark.parametrize(
    ("records", "answers"),
    [
        # At 1000 X has another allele, at 1100 another REF, at 1200 nothing, at 1300 the allele.
        ("XY", ["allele_differs", "ref_mismatch", "site_unknown", None, None, None]),
        ("X", ["allele_differs", "ref_mismatch", "contig_absent", None, "contig_absent", "contig_absent"]),
        ("Y", ["contig_absent", "contig_absent", "contig_absent", "contig_absent", None, None]),
    ],
)  # fmt: skip
def test_the_best_reason_of_x_and_y(
    records: str, answers: list[str | None], tmp_path: Path
) -> None:
    rows: dict[str, list[Row]] = {
        "X": [
            (101_000, "rs1", "A", "T", D),
            (101_100, "rs2", "C", "T", D),
            (101_300, "rs3", "A", "G", D),
        ],
        "Y": [(101_400, "rs4", "A", "G", D), (3_000_000, "rs5", "A", "G", D)],
    }
    store = build(tmp_path / "a", {name: rows[name] for name in records})
    places = [101_000, 101_100, 101_200, 101_300, 101_400, 3_000_000]
    found = annotate_text(tmp_path, store, [f"chrY {pos} . A G . . ." for pos in places])
    assert found.table["ens_reason"].to_list() == answers
    assert found.table["ens_par"].to_list() == [True] * 5 + [False]
    said = [message for message in found.messages if "chrY" in message]
    if records == "XY":
        assert said == []
    else:
        assert any(f"chrY were looked up on {records} alone" in message for message in said)
        absent = any(message.startswith("Contigs not in the reference") for message in said)
        assert absent == (records == "X")


def test_each_contig_has_its_own_sequence(tmp_path: Path) -> None:
    """Y's sequence is masked in some releases; where it is there, it counts on Y, and X's on X."""
    last = PAR["GRCh38"][0].last
    masked = "N" * last + "TTTACG"
    x = "N" * (last - 10) + "CAAAAAAAAA" + "AACC"
    rows: list[Row] = [(last - 3, "rs1", "AA", "A", D)]
    y_rows: list[Row] = [(last + 3, "rs2", "T", "G", D)]
    store = build(tmp_path / "a", {"X": rows, "Y": y_rows}, sequences={"X": x, "Y": masked})
    found = annotate_text(
        tmp_path,
        store,
        [f"chrY {last - 6} . AA A . . .", f"chrY {last - 6} . TA T . . .",
         f"chrY {last - 1} . AAT AA . . .", f"chrY {last + 3} . T G . . .",
         f"chrY {last + 3} . A G . . ."],
    )  # fmt: skip
    assert [row[2] for row in found.records] == ["rs1", ".", ".", "rs2", "."]
    assert found.tags(0)["ENS_MATCH"] == "shifted"
    assert found.reasons(1) == ["ref_mismatch"]
    assert found.reasons(4) == ["ref_mismatch"]


def test_a_repeat_that_enters_the_par_from_the_left(tmp_path: Path) -> None:
    """PAR1 of GRCh37 begins at 60,001 of X: what lies before it there is not on Y."""
    sequence = "N" * 59_990 + "A" * 20 + "CCCC"
    rows: list[Row] = [(59_993, "rs1", "AA", "A", D), (60_003, "rs2", "AA", "A", D)]
    store = build(tmp_path / "a", {"X": rows}, "GRCh37", {"X": sequence})
    head = ["##fileformat=VCFv4.2", f"##contig=<ID=chr1,length={LENGTHS['GRCh37']['1']}>"]
    found = annotate_text(tmp_path, store, ["X 60005 . AA A . . .", "Y 10005 . AA A . . ."], head)
    assert [found.tags(index)["ENS_ID"] for index in (0, 1)] == ["rs1&rs2", "rs2"]


def test_the_sequence_tells_the_build_where_nothing_is_published(tmp_path: Path) -> None:
    sequence = "ACGT" * 100
    store = build(tmp_path / "a", {"21": [(3, "rs1", "G", "A", D)]}, sequences={"21": sequence})
    right = [f"21 {pos} . {sequence[pos - 1]} {sequence[pos]} . . ." for pos in range(20, 50)]
    head = ["##fileformat=VCFv4.2"]
    found = annotate_text(tmp_path, store, right, head)
    assert any("30 of 30 REF bases agree" in message for message in found.messages)
    shifted = [f"21 {pos} . {sequence[pos]} {sequence[pos - 1]} . . ." for pos in range(20, 50)]
    with pytest.raises(
        InputError, match=r"0 of 30 REF bases.*30 of 30 SNVs would agree with REF and ALT"
    ):
        annotate_text(tmp_path, store, shifted)


def test_two_refs_published_at_one_position(tmp_path: Path) -> None:
    """Ensembl has a few rows whose REF is not the sequence's: one that agrees is enough."""
    rows = [(pos, f"rs{pos}{ref}", ref, "A", D) for pos in range(1, 31) for ref in "CG"]
    store = build(tmp_path / "a", {"21": rows})
    found = annotate_text(tmp_path, store, [f"21 {pos} . C T . . ." for pos in range(1, 31)])
    assert not any("REF" in message for message in found.messages)


def test_lengths_tell_the_assembly() -> None:
    """No two assemblies share a length, and a sum of all tells a digit that was mistyped.

    Source of the sums: the total of the assembled chromosomes, from other tables than ours.
    """
    for name in PRIMARY:
        lengths = [LENGTHS[assembly][name] for assembly in LENGTHS]
        assert len(set(lengths)) == len(lengths)
        for assembly in LENGTHS:
            assert assemblies_of_length(name, LENGTHS[assembly][name]) == [assembly]
    sums = {assembly: sum(lengths.values()) for assembly, lengths in LENGTHS.items()}
    assert sums == {
        "GRCh38": 3_088_269_832,
        "GRCh37": 3_095_677_412,
        "NCBI36": 3_080_419_480,
        "T2T-CHM13": 3_117_275_501,
    }


HUMAN38 = ("homo_sapiens", "GRCh38")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["21", "chr22", "Chr22"], ["21", "22"]),
        (["NC_000022.11", "nc_000021.9", "CM000685.2"], ["22", "21", "X"]),
        (["M", "x"], ["MT", "X"]),
        (["chrM"], ["MT"]),
        (["chromosome 21"], ["21"]),
    ],
)
def test_chromosomes_are_what_they_are_named(names: list[str], expected: list[str]) -> None:
    assert resolve_chromosomes(names, ["21", "22", "X", "MT"], *HUMAN38) == expected


def test_chromosomes_of_other_species() -> None:
    available = ["1", "2L", "2l", "LG1", "MT"]
    names = ["Chr1", "2l", "lg1", "mt"]
    found = resolve_chromosomes(names, available, "danio_rerio", "GRCz11")
    assert found == ["1", "2l", "LG1", "MT"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NC_000022.10", "an accession of GRCh37"),
        ("NC_060946.1", "an accession of T2T-CHM13"),
        ("220", "Did you mean '22'"),
        ("1", "There are: 21, 22"),
    ],
)
def test_a_chromosome_that_is_not_available(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_chromosomes([name], ["21", "22"], *HUMAN38)
    assert words in str(caught.value)
    assert name in str(caught.value)


def test_an_accession_of_grch38_on_grch37(tmp_path: Path) -> None:
    store = build(tmp_path / "a", {"22": [(10, "rs1", "A", "G", D)]}, "GRCh37")
    found = annotate_text(
        tmp_path, store, ["NC_000022.11 10 . A G . . ."], ["##fileformat=VCFv4.2"]
    )
    assert any("NC_000022.11 (an accession of GRCh38)" in message for message in found.messages)


def test_y_alone_needs_no_x_in_the_store(tmp_path: Path) -> None:
    store = build(tmp_path / "a", {"Y": [(101_400, "rs4", "A", "G", D)]})
    vcf = tmp_path / "in.vcf"
    vcf.write_text("##fileformat=VCFv4.2\n##contig=<ID=Y,length=57227415>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nY\t101400\t.\tA\tG\t.\t.\t.\n")  # fmt: skip
    done = annotate_vcf(vcf, store, out_vcf=tmp_path / "o.vcf.gz", chromosomes=["chrY"])
    assert done["num_exact"] == 1


def test_bases_of_the_par_are_compared_with_those_of_x(tmp_path: Path) -> None:
    """Releases before 110 have nothing on Y there."""
    places = range(101_000, 101_025)
    x: list[Row] = [(pos, f"rs{pos}", "C", "T", D) for pos in places]
    store = build(tmp_path / "a", {"X": x, "Y": [(3_000_000, "rs5", "A", "G", D)]})
    with pytest.raises(InputError, match="0 of 25 REF bases"):
        annotate_text(tmp_path, store, [f"chrY {pos} . A G . . ." for pos in places])
