"""Look-ups of IDs, alleles and regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ensembl_annotations import UsageError, annotate_frame, annotate_vcf, lookup, scan_reference
from ensembl_annotations.annotate.query import CONSEQUENCES, NOT_FOUND
from ensembl_annotations.variants.outcomes import REASONS
from tests.support.consequences import transcript, transcript_table
from tests.support.store import snv, write_store
from tests.support.vcf import SAMPLE, invoke

TERMS = {"clin": "benign|pathogenic", "clin_certain": True, "source": "dbSNP|ClinVar"}
SEQUENCE = b"ACGTACAAAAAT" + b"G" * 30


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {
        "21": [
            snv(4, "T>G", 1801133, maf="0.25", maf_of=1, ma="G", mac=9, **TERMS),
            snv(4, "T>G", 0, name="COSV7", clin="pathogenic"),
            # The deletion of an A of AAAAA, as its leftmost.
            {"start": 6, "code": 5, "rs": 5, "ref": "CA", "alt": "C", "offset": 1}
            | {"roll_left": 0, "roll_right": 4},
            snv(13, "G>T", 6, maf="0.5", maf_of=0, num_alts=2),
            {"start": 20, "code": 0, "rs": 0, "ref": "C", "alt": "HGMD_MUTATION", "name": "CM1"},
        ],
        "22": [snv(9, "A>C", 1801133)],
        # At both ends of the contig, and with the letter that is compared with none.
        "3": [
            {"start": 0, "code": 5, "rs": 8, "ref": "AC", "alt": "C"},
            {"start": 0, "code": 10, "rs": 9, "ref": "A", "alt": "TA"},
            {"start": 5, "code": 5, "rs": 12, "ref": "GAN", "alt": "G", "offset": 1},
            {"start": 7, "code": 5, "rs": 11, "ref": "NT", "alt": "N", "offset": 1},
            {"start": 8, "code": 10, "rs": 10, "ref": "T", "alt": "TG", "offset": 1},
        ],
    }
    sequences = {"21": SEQUENCE, "3": b"ACGTGANT"}
    return write_store(tmp_path_factory.mktemp("query") / "store", rows, sequences)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("rs1801133", [("rs1801133", "21", 4, None), ("rs1801133", "22", 9, None)]),
        ("RS01801133", [("rs1801133", "21", 4, None), ("rs1801133", "22", 9, None)]),
        ("COSV7", [("COSV7", "21", 4, None)]),
        ("CM1", [("CM1", "21", 21, None)]),
        ("21:4:T:G", [("rs1801133", "21", 4, "exact"), ("COSV7", "21", 4, "exact")]),
        ("chr21-4-T-G", [("rs1801133", "chr21", 4, "exact"), ("COSV7", "chr21", 4, "exact")]),
        ("21-0,004-t-g", [("rs1801133", "21", 4, "exact"), ("COSV7", "21", 4, "exact")]),
        # The keys of the table, and a whole deletion as gnomAD has it.
        ("21-7-A-", [("rs5", "21", 7, "exact")]),
        ("chr21-7-a-", [("rs5", "chr21", 7, "exact")]),
        ("NC_000021.9-11-A-", [("rs5", "NC_000021.9", 11, "shifted")]),
        ("21-6-CA-C", [("rs5", "21", 6, "exact")]),
        ("3-1-A-", [("rs8", "3", 1, "exact")]),
        ("3-1--T", [("rs9", "3", 1, "exact")]),
        ("3-6-AN-", [("rs12", "3", 6, "exact")]),
        ("3-8-T-", [("rs11", "3", 8, "exact")]),
        ("3-9--G", [("rs10", "3", 9, "exact")]),
        # Written elsewhere in its repeat: an ID that nobody finds by position.
        ("21:8:AA:A", [("rs5", "21", 8, "shifted")]),
        ("NC_000021.9:4", [("rs1801133", "21", 4, None), ("COSV7", "21", 4, None)]),
        ("chr21:5-13", [("rs5", "21", 6, None), ("rs6", "21", 13, None)]),
        (" 21:1,3-2,000 ", [("rs6", "21", 13, None), ("CM1", "21", 21, None)]),
    ],
)  # fmt: skip
def test_what_is_found(query: str, expected: list[tuple[Any, ...]], store: Path) -> None:
    found = lookup(query, store)
    assert found.select("id", "chrom", "pos", "match").rows() == expected
    assert set(found["query"]) == {query} and found["reason"].null_count() == len(found)


def test_values_are_those_of_the_table_of_the_reference(store: Path) -> None:
    everything = scan_reference(store).collect()
    for query in ("rs1801133", "21:1-100"):
        found = lookup(query, store)
        expected = everything.filter(
            pl.col("id") == query if query[0] == "r" else pl.col("chrom") == "21"
        )
        names = [name for name in found.columns if name in expected.columns]
        assert found.select(names).equals(expected.select(names))
    exact = lookup("21:4:T:G", store).select(names).head(1)
    assert exact.equals(everything.filter(id="rs1801133", chrom="21").select(names))


def test_alleles_match_as_annotate_matches_them(mini_store: Path, tmp_path: Path) -> None:
    annotate_vcf(SAMPLE, mini_store, out_parquet=tmp_path / "a.parquet")
    table = pl.read_parquet(tmp_path / "a.parquet").filter(pl.col("alt").str.contains("^[ACGT]+$"))
    keys = pl.format("{}:{}:{}:{}", "chrom", "pos", "ref", "alt").alias("query")
    expected = (
        table.select(keys, pl.col("ens_id").alias("id"), pl.col("ens_match").alias("match"), pl.col("ens_af").alias("af"), reason="ens_reason", **{name: f"ens_{name}" for name in CONSEQUENCES})
        .unique("query", maintain_order=True)
        .explode("id", "match")
    )  # fmt: skip
    assert len(expected) > 100 and expected["hgvsp"].count() > 5
    queries = expected["query"].unique(maintain_order=True).to_list()
    assert lookup(queries, mini_store).select(expected.columns).equals(expected)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("rs7", "id_unknown"),
        ("nothing", "id_unknown"),
        ("rs99999999999999999999", "id_unknown"),
        ("21:5", "region_empty"),
        ("21:900000000000000000000", "region_empty"),
        ("77:5", "contig_absent"),
        ("chr2l:5-9", "contig_absent"),
        ("21:4:T:A", "allele_differs"),
        ("21:33:G:A", "site_unknown"),
        ("21:33:A:C", "ref_mismatch"),
        ("X:33:A:C", "contig_absent"),
        ("21:4:T:<DEL>", "symbolic"),
        ("21:4:T:T", "same_as_ref"),
    ],
)
def test_why_nothing_is_found(query: str, reason: str, store: Path) -> None:
    found = lookup(query, store)
    assert found.select("query", "reason", "id").rows() == [(query, reason, None)]
    done = invoke("lookup", query, "--reference", store)
    assert f"{query}: not found: {reason}: {(NOT_FOUND | REASONS)[reason]}." in done.stdout
    assert done.succeeded()


@pytest.mark.parametrize(
    "query",
    ["", "1 2", "21:4:T", "21:5-4", "21:4:T:A,C", "a:b:c:d", "21:7:A:", "21:7::A", "21-7--", "21-7-A", "21-7-A-C,T",
     # A hyphen is no ALT, several IDs are not one, and an allele of another form is no unknown ID.
     "21:7:A:-", "rs5;rs6", "rs5,rs6", "21_4_T_G", "chr21_4_T/G", "X_4_-/A", "21:,", "21:,-5", "21:,:T:G"],
)  # fmt: skip
def test_what_is_no_query_is_told(query: str, store: Path) -> None:
    with pytest.raises(UsageError, match="query"):
        lookup(query, store)


@pytest.mark.parametrize("query", [5, None, ["rs5", 5], pl.Series([5])])
def test_what_is_no_text_is_told(query: Any, store: Path) -> None:
    with pytest.raises(UsageError, match=r"query: expected text, or several, found (5|None)"):
        lookup(query, store)


def test_a_position_that_no_record_can_have_is_told_with_its_query(store: Path) -> None:
    with pytest.raises(UsageError, match=r"query: '21:2147483648:A:G': expected a position up to"):
        lookup(["21:2147483647:A:G", "21:2147483648:A:G"], store)


def test_what_may_count_from_0_is_refused(store: Path) -> None:
    """As SPDI this deletes base 7, as an allele base 6 or none."""
    with pytest.raises(UsageError, match="SPDI, which counts positions from 0"):
        lookup("NC_000021.9:6:A:", store)
    with pytest.raises(UsageError, match="SPDI"):
        lookup("NC_000021.9:3:T:G", store)
    assert lookup("NC_000021.9-4-T-G", store)["id"].to_list() == ["rs1801133", "COSV7"]


def test_a_side_without_bases_is_told_as_it_was_asked(store: Path) -> None:
    found = lookup(["3-1-A-", "3-1--T"], store).select("pos", "ref", "alt").rows()
    assert found == [(1, "A", ""), (1, "", "T")]
    done = invoke("lookup", "3-1-A-", "3-1--T", "--reference", store).succeeded()
    assert [line.split()[2] for line in done.stdout.splitlines()] == ["change", "A>-", "->T"]


def test_ids_can_be_looked_for_on_some_chromosomes(store: Path) -> None:
    assert lookup("rs1801133", store, chromosomes="22")["chrom"].to_list() == ["22"]


def test_a_query_that_finds_nothing_hides_no_other(store: Path) -> None:
    found = lookup(["77:5", "rs5", "rs7"], store)
    assert found["reason"].to_list() == ["contig_absent", None, "id_unknown"]


def test_answers_are_in_the_order_of_the_queries(store: Path) -> None:
    queries = ["21:13", "rs7", "21:4:T:A", "rs5", "21:4:T:G"]
    found = lookup(queries, store)
    assert list(dict.fromkeys(found["query"])) == queries


def test_an_allele_is_told_with_its_consequence_known_or_not(tmp_path: Path) -> None:
    """A transcript that is only near is picked before one that is hit: both are told."""
    bases = "C" * 100 + "ATGGCCAAATGGTAA" + "C" * 5000
    hit = transcript("21", [(91, 130)], cds_start=101, cds_end=115, canonical=True)
    near = transcript("21", [(3000, 3100)], transcript_id="ENST90000000002", mane_select=True)
    expected = {
        "missense_variant (MODERATE); DEMO1; ENSG90000000001; ENST90000000001.1:c.10T>A; "
        "ENSP90000000001.1:p.Trp4Arg.": [hit],
        "upstream_gene_variant (MODIFIER); DEMO1; ENSG90000000001; ENST90000000002; most severe for another "
        "transcript: missense_variant (MODERATE) ENSG90000000001 ENST90000000001.": [hit, near],
    }
    for told, models in expected.items():
        genes, alleles = {"21": transcript_table(models)}, {"21": [snv(5, "C>A", 7)]}
        folder = tmp_path / str(len(models))
        store = write_store(folder, alleles, {"21": bases.encode()}, genes=genes)
        done = invoke("lookup", "21:110:T:A", "rs7", "--reference", store).succeeded()
        assert f"21:110:T:A: {told}" in done.stdout.splitlines()
        assert "21:110:T:A: not found: site_unknown" in done.stdout
    found = lookup(["21:110:T:A", "rs7"], store)
    assert found["worst"].to_list() == ["missense_variant&ENSG90000000001&ENST90000000001", None]
    found = lookup(["21:110:T:A", "rs7"], store, transcripts="all")
    assert found["transcript"].to_list() == ["ENST90000000001", "ENST90000000002", None]
    assert set(found["worst"][:2]) == {"missense_variant&ENSG90000000001&ENST90000000001"}
    done = invoke("lookup", "21:110:T:A", "--reference", store, "--transcripts", "all").succeeded()
    assert done.stdout.splitlines() == [
        "21:110:T:A: missense_variant (MODERATE); DEMO1; ENSG90000000001; ENST90000000001.1:c.10T>A; "
        "ENSP90000000001.1:p.Trp4Arg.",
        "21:110:T:A: upstream_gene_variant (MODIFIER); DEMO1; ENSG90000000001; ENST90000000002.",
        "21:110:T:A: not found: site_unknown: Ensembl has no variant at this site.",
    ]
    rows = pl.DataFrame({"chrom": ["21"], "pos": [110], "ref": ["T"], "alt": ["A"]})
    for mode, count in (("pick", 1), ("all", 2)):
        (row,) = annotate_frame(rows, store, transcripts=mode).iter_rows(named=True)
        assert len(row["ens_csq"]) == count
        assert row["ens_worst"] == "missense_variant&ENSG90000000001&ENST90000000001"
    with pytest.raises(UsageError, match="transcripts: expected pick, gene, all; found 'best'"):
        lookup("rs7", store, transcripts="best")


# --- The command ---------------------------------------------------------------------------------


def test_the_command_prints_a_table(store: Path) -> None:
    done = invoke("lookup", "21:4:T:G", "21:13", "rs7", "--reference", store)
    lines = done.succeeded().stdout.splitlines()
    assert [line.split()[:5] for line in lines[1:3]] == [
        ["rs1801133", "21:4", "T>G", "exact", "0.25"],
        ["COSV7", "21:4", "T>G", "exact", "0.25"],
    ]
    assert "uncertain (MAF 0.5)" in lines[3]
    assert lines[4].startswith("rs7: not found: id_unknown")


def test_the_command_prints_json_and_tsv_with_all_values(store: Path) -> None:
    expected = lookup(["21:4:T:G", "rs7"], store)
    options = ["21:4:T:G", "rs7", "--reference", store]
    done = invoke("lookup", "--json", *options).succeeded()
    assert json.loads(done.stdout) == expected.to_dicts()
    lines = invoke("lookup", "--tsv", *options).succeeded().stdout.splitlines()
    assert lines[0].split("\t") == expected.columns
    values = dict(zip(expected.columns, lines[1].split("\t"), strict=True))
    assert values["clin"] == "benign,pathogenic" and values["af"] == "0.25" and values["aa"] == "-"
