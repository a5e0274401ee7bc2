"""What a header and REF bases say of the assembly, and which VCFs are refused."""

from __future__ import annotations

from typing import Any

import pytest

from ensembl_annotations.annotate.guard import (
    Compared,
    Evidence,
    Verdict,
    check_bases,
    check_header,
    check_observed,
    report_exchanged,
)
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf.read import Header

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
# The lengths of chr21 in the assembly reports of NCBI.
GRCH38 = "##contig=<ID=chr21,length=46709983>"
GRCH37 = "##contig=<ID=chr21,length=48129895>"
NOTHING = Verdict()
AGREES = Verdict(agrees=True)
AGAINST = Verdict(against=(Evidence("GRCh37", "a line", 0),))


def header(*lines: str) -> Header:
    return Header([f"{line}\n".encode() for line in ("##fileformat=VCFv4.2", *lines, COLUMNS)])


def check(*lines: str, species: str = "homo_sapiens", assembly: str = "GRCh38") -> Verdict:
    return check_header(header(*lines), species, assembly, None, "x.vcf")


@pytest.mark.parametrize(
    "line",
    [
        GRCH38,
        "##contig=<ID=NC_000021.9>",
        "##reference=file:///data/hg38.fa",
        "##assembly=GRCh38",
        "##contig=<ID=21,assembly=hg38>",
        "##contig=<ID=unplaced>\n##contig=<ID=1,length=248956422>",
    ],
)
def test_a_header_that_speaks_for_the_assembly(line: str) -> None:
    lines = line.split("\n")
    assert check(*lines) == AGREES
    with pytest.raises(InputError, match=r"the reference is GRCh37.*header says GRCh38") as caught:
        check(*lines, assembly="GRCh37")
    assert caught.value.code == "wrong_build"


@pytest.mark.parametrize(
    "line",
    [
        "##source=hg19",
        "##contig=<ID=chr21>",
        "##contig=<ID=chr21,length=0>",
        "##contig=<ID=chr21,length=2147483647>",
        # The same sequence on both.
        "##contig=<ID=chrM,length=16569>",
        "##reference=genome.fa",
    ],
)
def test_a_header_that_says_nothing(line: str) -> None:
    assert check(line) == NOTHING


def test_a_length_outweighs_a_name_and_a_name_a_folder() -> None:
    name37 = "##reference=hg19.fa"
    found = check(name37, GRCH38)
    assert (found.agrees, [item.assembly for item in found.against]) == (True, ["GRCh37"])
    with pytest.raises(InputError, match="length 48129895"):
        check("##reference=hg38.fa", GRCH37)
    found = check("##reference=/data/hg19/hg38.fa")
    assert (found.agrees, found.against) == (True, ())
    # A folder alone, which may be anybody's, refuses nothing and agrees with nothing for certain.
    found = check("##reference=/data/hg19/genome.fa")
    assert (found.agrees, [item.assembly for item in found.against]) == (False, ["GRCh37"])


def test_a_header_that_contradicts_itself_does_not_decide() -> None:
    other = "##contig=<ID=chr1,length=249250621>"
    for lines in ((GRCH38, other), (other, GRCH38)):
        assert check(*lines).agrees is False


def test_other_species_and_assemblies_are_not_known() -> None:
    assert check(GRCH37, species="mus_musculus", assembly="GRCm39") == NOTHING
    assert check(GRCH37, assembly="other") == NOTHING


@pytest.mark.parametrize("claimed", ["GRCh38", "hg38", None])
def test_the_user_may_say_the_same(claimed: str | None) -> None:
    assert check_header(header(), "homo_sapiens", "GRCh38", claimed, "x.vcf") == NOTHING
    with pytest.raises(InputError, match="is said to be hg19, the reference is GRCh38"):
        check_header(header(GRCH38), "homo_sapiens", "GRCh38", "hg19", "x.vcf")


# --- REF bases -----------------------------------------------------------------------------------


def bases(*counts: Compared, verdict: Verdict = NOTHING, claimed: str | None = None) -> list[str]:
    said: list[str] = []
    check_bases(counts, verdict, "GRCh38", claimed, "x.vcf", said.append)
    return said


@pytest.mark.parametrize("verdict", [NOTHING, AGREES, AGAINST])
@pytest.mark.parametrize("claimed", [None, "GRCh38"])
def test_of_twenty_bases_nine_in_ten_must_agree(verdict: Verdict, claimed: str | None) -> None:
    bases(Compared(20, 18), verdict=verdict, claimed=claimed)
    with pytest.raises(InputError, match="only 17 of 20 REF bases") as caught:
        bases(Compared(20, 17), verdict=verdict, claimed=claimed)
    assert caught.value.code == "wrong_build"


def test_fewer_are_enough_where_header_and_user_say_so() -> None:
    few: Any = Compared(19, 19)
    assert bases(few, verdict=AGREES) == []
    assert "19 of 19 REF bases agree" in bases(few, claimed="GRCh38")[0]
    with pytest.raises(InputError, match="only 19 REF bases could be compared") as caught:
        bases(few)
    assert caught.value.code == "unknown_build"
    bad = Compared(19, 17)
    assert "only 17 of 19" in bases(bad, verdict=AGREES)[0]
    with pytest.raises(InputError, match="only 17 of 19"):
        bases(bad, claimed="GRCh38")


def test_where_nothing_could_be_compared() -> None:
    assert bases(verdict=AGREES) == []
    assert "no REF base could be compared" in bases()[0]
    for claimed in (None, "GRCh38"):
        with pytest.raises(InputError) as caught:
            bases(verdict=AGAINST, claimed=claimed)
        assert caught.value.code == "unknown_build"


def test_parts_are_summed_until_two_thousand() -> None:
    with pytest.raises(InputError, match="18 of 21"):
        bases(Compared(10, 10), Compared(11, 8))
    # What comes behind the first 2000 is looked at while annotating.
    bases(Compared(1999, 1999), Compared(1, 1), Compared(9000, 0))
    with pytest.raises(InputError):
        bases(Compared(1999, 1999), Compared(9000, 0))


def test_other_records_decide_where_snvs_are_few() -> None:
    others = Compared(num_others=30, num_others_agree=10)
    with pytest.raises(InputError, match="29 of 49"):
        bases(others.plus(Compared(19, 19)), verdict=AGREES)
    with pytest.raises(InputError, match="29 of 49"):
        check_observed(others.plus(Compared(19, 19)), "GRCh38", "x.vcf")
    assert bases(others.plus(Compared(20, 20)), verdict=AGREES) == []
    check_observed(others.plus(Compared(20, 20)), "GRCh38", "x.vcf")


def test_while_annotating_the_same_bound_holds() -> None:
    for good in (Compared(19, 0), Compared(20, 18), Compared()):
        check_observed(good, "GRCh38", "x.vcf")
    with pytest.raises(InputError, match="17 of 20"):
        check_observed(Compared(20, 17), "GRCh38", "x.vcf")


def test_an_exchange_of_ref_and_alt_is_told_from_another_assembly() -> None:
    for swapped, hint in ((3, "fixref"), (0, "of another assembly")):
        with pytest.raises(InputError) as caught:
            check_observed(Compared(20, 15, swapped), "GRCh38", "x.vcf")
        assert hint in str(caught.value.hint)


def test_more_than_one_in_a_hundred_exchanged_is_told() -> None:
    said: list[str] = []
    for found in (Compared(), Compared(100, 99, 1), Compared(1000, 990, 10)):
        report_exchanged(found, "x.vcf", said.append)
    assert said == []
    report_exchanged(Compared(100, 98, 2), "x.vcf", said.append)
    assert "2 of 100 SNVs would agree with REF and ALT exchanged" in said[0]
