"""Random releases and VCFs in sequences of short repeats: every record and count is what the oracle makes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.annotate import guard
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.store import write
from tests.conformance.test_oracle import check
from tests.support.mirror import Row, write_mirror

IDS = ["rs1", "rs2", "rs20", "rs4294967296", "CM1", "x y", "a;b|c", "rs007"]
INFOS = [
    "dbSNP_156;TSA=SNV", "dbSNP_156;TSA=indel;MA=A;MAF=0.25;MAC=7", "HGMD-PUBLIC_20204;CLIN_pathogenic",
    "dbSNP_156;E_Freq;;CLIN_benign;AA=A", "dbSNP_156;MA=-;MAF=1e-05;CLIN_risk_factor;CLIN_benign",
    "dbSNP_156;MA=C;MAF=0.5000;MAC=0",
]  # fmt: skip


def world(contig: str, seed: str) -> tuple[str, list[Row], list[str]]:
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
    rows = rows or [(1, "rs1", text[0], "G", INFOS[0])]
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
            (pos, f"{contig}\t{pos}\t{user}\t{ref or 'A'}\t{alt or '.'}{extra}\t.\tPASS\t{info}")
        )
    lines.sort(key=lambda item: item[0])
    return text, rows, [line for _, line in lines]


# Four worlds a store: most of a store's time does not depend on how many it has.
CONTIGS = ("2", "7", "14", "21")


@pytest.mark.parametrize("with_sequence", [True, False], ids=["with-sequence", "without"])
@pytest.mark.parametrize("rows_of_page", range(1, 10))
def test_random_worlds(
    rows_of_page: int,
    with_sequence: bool,
    random_seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(write, "PAGE_ROWS", rows_of_page)
    monkeypatch.setattr(write, "ROW_GROUP_ROWS", 2 * rows_of_page)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 300)
    # A tenth of the REFs is wrong on purpose.
    monkeypatch.setattr(guard, "MIN_AGREEMENT", 0)
    worlds = {
        name: world(name, f"{random_seed} {rows_of_page} {with_sequence} {name}")
        for name in CONTIGS
    }
    texts = {name: text for name, (text, _, _) in worlds.items()}
    rows = {name: rows for name, (_, rows, _) in worlds.items()}
    write_mirror(tmp_path / "mirror", rows, texts)
    fetch_ensembl(
        tmp_path / "store",
        mirrors=tmp_path / "mirror",
        release=116,
        fasta=with_sequence,
        genes=False,
        max_bad_percent=99.0,
    )
    vcf = tmp_path / "in.vcf"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    lines = [line for _, _, lines in worlds.values() for line in lines]
    vcf.write_text("\n".join(["##fileformat=VCFv4.2", columns, *lines, ""]))
    for options in ({}, {"match": "position", "id_column": "replace"}):
        check(vcf, tmp_path / "store", tmp_path, **options)
