"""What counts as the same variant: one test per case, on small authored sequences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from ensembl_annotations import annotate_vcf
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_bgzf
from tests.conformance.conftest import Stores
from tests.support.results import COLUMNS, GRCH37, GRCH38, annotate_text, plain
from tests.support.vcf import check_metrics

EXACT = None


@dataclass(frozen=True)
class Case:
    """A query and its answer.

    `ids` is what ENS_ID must be (None: the tag is absent), `match` what ENS_MATCH must be;
    `reasons` why each ALT has no match (None: it has one). `bare` is the answer of a store
    without the sequence, where it is another one: ENS_ID, ENS_MATCH and the one ALT's reason.
    """

    number: str
    record: str
    ids: str | None
    reasons: list[str | None]
    match: str | None
    bare: tuple[str | None, str | None, str | None] | None


def case(
    number: str,
    query: str,
    ids: str | None,
    *reasons: str | None,
    chrom: str = "21",
    match: str | None = None,
    bare: tuple[str | None, str | None, str | None] | None = None,
) -> Case:
    pos, alleles = query.split()
    ref, alts = alleles.split(">", 1)
    if match is None and ids is not None:
        match = re.sub(r"[^,&.]+", "exact", ids)
    return Case(number, f"{chrom} {pos} . {ref} {alts} . . .", ids, list(reasons), match, bare)


def shifted(
    number: str, query: str, ids: str, bare: tuple[str | None, str | None, str | None]
) -> Case:
    """Return a case whose answer needs to know how far Ensembl's indel slides."""
    return case(number, query, ids, None, match="shifted", bare=bare)


UNKNOWN = (None, None, "site_unknown")

ON_21 = [
    case("1", "101 CA>C", "rs1", EXACT),
    case("2", "101 CAAAAAT>CAAAAT", "rs1", EXACT),
    shifted("3", "104 AA>A", "rs1", bare=UNKNOWN),
    shifted("4", "106 AT>T", "rs1", bare=UNKNOWN),
    case("5", "101 C>CA", "rs2", EXACT),
    shifted("6", "106 A>AA", "rs2", bare=UNKNOWN),
    case("7", "101 CAA>C", None, "allele_differs"),
    case("8", "201 GCA>G", "rs3", EXACT),
    shifted("9", "204 CAC>C", "rs3", bare=UNKNOWN),
    shifted("10", "203 ACA>A", "rs3", bare=UNKNOWN),
    case("11", "300 A>G", "rs4", EXACT),
    case("12", "300 A>C", None, "allele_differs"),
    case("13", "300 A>C,G", ".,rs4", "allele_differs", EXACT),
    case("14", "310 A>T,C", "rs5,rs5", EXACT, EXACT),
    case("15", "310 A>G,T", ".,rs5", "allele_differs", EXACT),
    case("17", "320 A>G", "rs6&rs7", EXACT),
    case("18", "300 a>g", "rs4", EXACT),
    case("19", "300 AC>GC", "rs4", EXACT),
    case("20", "299 TA>TG", "rs4", EXACT),
    case("21", "300 AC>GT", None, "allele_differs"),
    case("22", "300 A>*", None, "symbolic"),
    case("23", "300 A>G,*", "rs4,.", EXACT, "symbolic"),
    case("24", "300 A><NON_REF>", None, "symbolic"),
    case("25", "300 A>G,<NON_REF>", "rs4,.", EXACT, "symbolic"),
    case("26", "300 A>.", None, "no_alt"),
    case("27", "300 A><DEL>", None, "symbolic"),
    case("28", "300 A>R", None, "allele_differs"),
    case("29", "300 A>A", None, "same_as_ref"),
    case("30", "400 A>G", None, "ref_mismatch"),
    case("31", "500 A>G", None, "allele_differs"),
    case("31, N itself", "500 A>N", None, "symbolic"),
    case("31, N inserted", "101 C>CN", None, "symbolic"),
    case("31, N beside another ALT", "300 A>N,G", ".,rs4", "symbolic", EXACT),
    case("32", "450 AT>A", "rs8", EXACT),
    case("33", "450 A>AT", "rs8", EXACT),
    case("34", "450 AT>A,ATT", "rs8,rs8", EXACT, EXACT),
    case("35", "472 A>T", "rs11", EXACT),
    case("36", "300 A>G", "rs4", EXACT, chrom="chr21"),
    shifted("46", "107 T>AT", "rs2", bare=UNKNOWN),
    case(
        "47",
        "104 AA>A",
        "rs1&rs47",
        EXACT,
        chrom="22",
        match="shifted&exact",
        bare=("rs47", "exact", None),
    ),
    # Without the sequence, nothing is known of a base that no published REF covers.
    case("48", "101 G>GA", None, "ref_mismatch", bare=("rs2", "exact", None)),
    case("49", "3106 CN>C", "rs49", EXACT, chrom="MT"),
    case("50a", "1 GA>A", "rs50", EXACT, chrom="22"),
    case("50b", "1 G>AG", "rs51", EXACT, chrom="22"),
    case("51", "0 N>A", None, "bad_position"),
    case("52a", "300 A><*>", None, "symbolic"),
    case("52b", "300 A>X", None, "symbolic"),
    case("53a", f"300 A>G,{','.join('A' * n for n in range(2, 301))}", None, EXACT),
    case("53b", f"300 A>A{'C' * 10_000}", None, "allele_differs"),
    case("55", f"{2**29 + 5} A>G", None, "ref_mismatch", bare=UNKNOWN),
    case("breakend", "300 A>A[chr2:321681[", None, "symbolic"),
]


@pytest.mark.parametrize("with_sequence", [True, False], ids=["with-sequence", "without"])
@pytest.mark.parametrize("item", ON_21, ids=[item.number for item in ON_21])
def test_case(item: Case, with_sequence: bool, stores: Stores, tmp_path: Path) -> None:
    store = stores.grch38 if with_sequence else stores.without_sequence
    if item.record.startswith("MT"):
        store = stores.without_sequence
    found = annotate_text(tmp_path, store, [item.record])
    ids, match, reasons = item.ids, item.match, item.reasons
    if item.bare and not with_sequence:
        ids, match, reasons = item.bare[0], item.bare[1], [item.bare[2]]
    if item.number == "53a":
        assert found.slots("ENS_ID") == ["rs4", *["."] * 299]
        assert found.reasons()[0] is None
    else:
        assert (found.tags().get("ENS_ID"), found.tags().get("ENS_MATCH")) == (ids, match)
        assert found.reasons() == reasons
    check_metrics(found.metrics)
    expected = plain(item.record).split("\t")
    assert [expected[column] for column in (0, 1, 3, 4, 5, 6)] == [
        found.records[0][column] for column in (0, 1, 3, 4, 5, 6)
    ]
    if ids is None and item.number != "53a":
        assert found.records == [expected]


def test_14_per_alt_values_follow_the_alt(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["21 310 . A T,C . . ."])
    assert found.slots("ENS_AF") == ["0.1", "."]
    assert found.slots("ENS_MULTI") == ["1", "1"]


def test_16_two_lines_each_use_an_alt(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["21 310 . A C . . .", "21 310 . A T . . ."])
    assert [found.slots("ENS_ID", index) for index in (0, 1)] == [["rs5"], ["rs5"]]
    assert found.slots("ENS_AF", 0) is None
    assert found.slots("ENS_AF", 1) == ["0.1"]


def test_30_without_the_sequence_the_record_tells(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.without_sequence, ["21 400 . A G . . ."])
    assert found.reasons() == ["ref_mismatch"]


def test_padding_that_contradicts_the_published_ref_is_no_match(
    stores: Stores, tmp_path: Path
) -> None:
    # 450 ATTC>ATC deletes a T at 452; GT>G at 450 deletes the same T behind a wrong base.
    found = annotate_text(tmp_path, stores.without_sequence, ["21 450 . GT G . . ."])
    assert found.ours() == {}
    assert found.reasons() == ["ref_mismatch"]


@pytest.mark.parametrize(("length", "ids"), [(16569, "rs9"), (16571, None)])
def test_37_mitochondrion_by_length(
    length: int, ids: str | None, stores: Stores, tmp_path: Path
) -> None:
    header = [*GRCH38, f"##contig=<ID=chrM,length={length}>"]
    found = annotate_text(tmp_path, stores.without_sequence, ["chrM 100 . A G . . ."], header)
    assert found.tags().get("ENS_ID") == ids
    assert found.reasons() == [None if ids else "contig_refused"]
    assert any("chrM" in message for message in found.messages) == (ids is None)


@pytest.mark.parametrize(
    ("name", "ids"), [("chrM", None), ("M", None), ("MT", "rs9"), ("NC_012920.1", "rs9")]
)
def test_37_mitochondrion_without_length_on_grch37(
    name: str, ids: str | None, stores: Stores, tmp_path: Path
) -> None:
    found = annotate_text(tmp_path, stores.grch37, [f"{name} 100 . A G . . ."], GRCH37)
    assert found.tags().get("ENS_ID") == ids


@pytest.mark.parametrize("name", ["MT", "chrMT", "M", "chrM", "NC_012920.1", "J01415.2"])
def test_mitochondrion_names(name: str, stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.without_sequence, [f"{name} 100 . A G . . ."])
    assert (found.tags()["ENS_ID"], found.records[0][0]) == ("rs9", name)


@pytest.mark.parametrize(
    ("name", "ids"),
    [("21", "rs4"), ("chr21", "rs4"), ("NC_000021.9", "rs4"), ("CM000683.2", "rs4"),
     ("NC_000021.8", None), ("CM000683.1", None), ("Chr21", None), ("25", None)],
)  # fmt: skip
def test_contig_names(name: str, ids: str | None, stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.without_sequence, [f"{name} 300 . A G . . ."])
    assert found.tags().get("ENS_ID") == ids
    if ids is None:
        assert found.reasons() == ["contig_absent"]
        lines = [message for message in found.messages if message.startswith("Contigs ")]
        assert sum(name in line for line in lines) == 1


def test_21_and_chr21_in_one_file(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["21 300 . A G . . .", "chr21 300 . A G . . ."])
    assert [row[0] for row in found.records] == ["21", "chr21"]
    assert [found.slots("ENS_ID", index) for index in (0, 1)] == [["rs4"], ["rs4"]]


def test_38_y_par_is_looked_up_on_x(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.without_sequence, ["chrY 1000000 . A G . . ."])
    assert found.tags() == found.tags() | {"ENS_ID": "rs10", "ENS_PAR": "True"}
    assert found.records[0][:2] == ["chrY", "1000000"]
    assert found.table["ens_par"].to_list() == [True]


def test_56_y_par_of_grch37_is_shifted(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch37, ["Y 1000000 . A G . . ."], GRCH37)
    assert found.tags() == found.tags() | {"ENS_ID": "rs56", "ENS_PAR": "True"}


def test_y_outside_the_par_is_looked_up_on_y(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.without_sequence, ["chrY 3000000 . A G . . ."])
    assert found.ours()["ENS_ID"] == "rs99"
    assert "ENS_PAR" not in found.tags()


def test_39_unknown_contig_passes_through(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["chrUn_x 300 . A G . . ."])
    assert found.records == [["chrUn_x", "300", ".", "A", "G", ".", ".", "."]]
    assert found.metrics["num_contig_absent"] == 1


def test_40_the_same_line_twice(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["21 300 . A G . . ."] * 2)
    assert [row[2] for row in found.records] == ["rs4", "rs4"]


def test_41_own_id_is_kept(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["21 300 mine A G . . ."])
    assert found.records[0][2] == "mine;rs4"
    assert found.metrics["num_id_conflicts"] == 0


def test_59_conflicting_rs_is_kept_and_counted(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["21 300 rs9 A G . . ."])
    assert found.records[0][2] == "rs9;rs4"
    assert found.metrics["num_id_conflicts"] == 1


@pytest.mark.parametrize(
    ("own", "conflicts"),
    [
        ("rs4", 0),
        ("x;rs4", 0),
        ("rs4;x", 0),
        ("rs4,rs999", 1),
        ("rs999,rs4", 1),
        ("x,rs4;y", 0),
        ("RS4", 0),
        ("Rs4,x", 0),
    ],
)
def test_an_id_that_is_there_is_not_repeated(
    own: str, conflicts: int, stores: Stores, tmp_path: Path
) -> None:
    found = annotate_text(tmp_path, stores.grch38, [f"21 300 {own} A G . . ."])
    assert found.records[0][2] == own
    assert found.metrics["num_id_conflicts"] == conflicts


@pytest.mark.parametrize("own", ["rs44", "xrs4", "rs4x", "RS999"])
def test_an_id_that_only_looks_alike_is_another(own: str, stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, [f"21 300 {own} A G . . ."])
    assert found.records[0][2] == f"{own};rs4"
    assert found.metrics["num_id_conflicts"] == (own in ("rs44", "RS999"))


def test_42_other_build_is_refused(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GRCh37"):
        annotate_text(tmp_path, stores.grch38, ["21 300 . A G . . ."], GRCH37)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.vcf"]


def test_44_a_tag_that_is_there_is_refused(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ENS_AF"):
        annotate_text(tmp_path, stores.grch38, ["21 300 . A G . . ENS_AF=1"])
    found = annotate_text(
        tmp_path, stores.grch38, ["21 300 . A G . . ENS_AF=1"], overwrite_tags=True
    )
    assert "ENS_AF" not in found.tags()


def test_45_a_file_cut_short_is_refused(stores: Stores, tmp_path: Path) -> None:
    source, out = tmp_path / "in.vcf.gz", tmp_path / "out.vcf.gz"
    text = "\n".join([*GRCH38, COLUMNS, plain("21 300 . A G . . ."), ""])
    source.write_bytes(compress_bgzf(text.encode()).removesuffix(EOF_BLOCK))
    with pytest.raises(InputError, match="cut short"):
        annotate_vcf(source, stores.grch38, out_vcf=out)
    assert [path.name for path in tmp_path.iterdir()] == ["in.vcf.gz"]


def test_49_mitochondrial_n_is_literal(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(
        tmp_path, stores.without_sequence, ["MT 3106 . CN C . . .", "MT 3106 . CA C . . ."]
    )
    assert found.ours(0)["ENS_ID"] == "rs49"
    assert found.ours(1) == {}


def test_52_gvcf_block_passes_through(stores: Stores, tmp_path: Path) -> None:
    block = "21 300 . A <NON_REF> . . END=320 GT:DP 0/0:3"
    found = annotate_text(tmp_path, stores.grch38, [block])
    assert found.records == [block.split()]
    assert found.metrics["num_symbolic"] == 1


def test_54_interleaved_contigs_keep_their_order(stores: Stores, tmp_path: Path) -> None:
    queries = ["21 300 . A G . . .", "22 104 . AA A . . .", "21 310 . A C . . ."]
    found = annotate_text(tmp_path, stores.grch38, queries)
    assert [row[2] for row in found.records] == ["rs4", "rs1;rs47", "rs5"]
    assert not (tmp_path / "out.vcf.gz.tbi").exists()
    assert any("no index" in message for message in found.messages)


def test_57_genotypes_are_untouched(stores: Stores, tmp_path: Path) -> None:
    genotype = "GT:AD:DP:GQ 0|1|.:3,4:7:. ./.:.:.:. 1:0,9:9:99"
    found = annotate_text(tmp_path, stores.grch38, [f"21 300 . A G 5 PASS DP=3 {genotype}"])
    assert found.records[0][8:] == genotype.split()


def test_58_a_position_across_batches_and_row_groups(stores: Stores, tmp_path: Path) -> None:
    found = annotate_text(tmp_path, stores.grch38, ["21 320 . A G . . ."] * 50)
    assert {row[2] for row in found.records} == {"rs6;rs7"}
    assert found.slots("ENS_ID", 49) == ["rs6&rs7"]
