"""Random releases and VCFs in sequences of short repeats: every record and count is what the oracle makes."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.annotate import guard
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.store import write
from tests.conformance.test_oracle import check
from tests.support.mirror import Row, with_refs, write_mirror

IDS = ["rs1", "rs2", "rs20", "rs4294967296", "CM1", "x y", "a;b|c", "rs007"]
INFOS = [
    "dbSNP_156;TSA=SNV", "dbSNP_156;TSA=indel;MA=A;MAF=0.25;MAC=7", "HGMD-PUBLIC_20204;CLIN_pathogenic",
    "dbSNP_156;E_Freq;;CLIN_benign;AA=A", "dbSNP_156;MA=-;MAF=1e-05;CLIN_risk_factor;CLIN_benign",
    "dbSNP_156;MA=C;MAF=0.5000;MAC=0",
]  # fmt: skip


def world(seed: int) -> tuple[str, list[Row], list[str]]:
    """Return a sequence of short repeats, what is published on it, and queries."""
    dice = random.Random(seed)
    length = 120
    text = "".join(dice.choice(["A", "CA", "AAA", "GT", "N", "CACACA"]) for _ in range(length))
    text = text[:length]

    def allele(pos: int) -> tuple[str, str]:
        ref = text[pos - 1 : pos - 1 + dice.choice([1, 1, 1, 2, 3, 5])]
        kinds = [dice.choice("ACGT"), ref[:1], ref + ref, ref + dice.choice("ACGTN"), "N", "R", ref]
        return ref, dice.choice(kinds)

    rows: list[Row] = []
    for _ in range(dice.randint(1, 60)):
        pos = dice.randint(1, length - 6)
        ref, alt = allele(pos)
        alts = [alt] + [allele(pos)[1] for _ in range(dice.choice([0, 0, 0, 1, 2]))]
        if all(alts):
            rows.append((pos, dice.choice(IDS), ref, ",".join(alts), dice.choice(INFOS)))
    lines = []
    for _ in range(dice.randint(1, 60)):
        pos = dice.randint(1, length - 6)
        ref, alt = allele(pos)
        if dice.random() < 0.1:
            ref = dice.choice(["A", "CA", "TTT", ref.lower()])
        extra = dice.choice(["", "", f",{dice.choice('ACGT')}", ",*", ",<DEL>", ",A]7:1]"])
        user = dice.choice([".", ".", "mine", "rs1", "RS20,x", "rs5;mine"])
        info = dice.choice([".", "DP=3", "DP=3;", "", "END=90;SVLEN=-5"])
        lines.append(
            (pos, f"21\t{pos}\t{user}\t{ref or 'A'}\t{alt or '.'}{extra}\t.\tPASS\t{info}")
        )
    lines.sort(key=lambda item: item[0])
    return text, rows, [line for _, line in lines]


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(seed=st.integers(0, 2**32), with_sequence=st.booleans(), rows_of_page=st.integers(1, 9))
def test_random_worlds(
    seed: int,
    with_sequence: bool,
    rows_of_page: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    base = tmp_path_factory.mktemp("world")
    text, rows, lines = world(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        patch.setattr(write, "PAGE_ROWS", rows_of_page)
        patch.setattr(write, "ROW_GROUP_ROWS", 2 * rows_of_page)
        patch.setattr(pieces, "PIECE_BYTES", 300)
        rows = rows or [(1, "rs1", text[0], "G", INFOS[0])]
        write_mirror(base / "mirror", {"21": rows}, {"21": with_refs(text, [])})
        fetch_ensembl(
            base / "store",
            mirrors=base / "mirror",
            release=116,
            fasta=with_sequence,
            genes=False,
            max_bad_percent=99.0,
        )
    vcf = base / "in.vcf"
    header = "##fileformat=VCFv4.2\n##contig=<ID=21,length=46709983>\n"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    vcf.write_text("\n".join([header + columns, *lines, ""]))
    with pytest.MonkeyPatch.context() as patch:
        # One REF in ten is wrong, on purpose.
        patch.setattr(guard, "MIN_COMPARED", 1000)
        for options in ({}, {"match": "position", "id_column": "replace"}):
            check(vcf, base / "store", base, **options)
