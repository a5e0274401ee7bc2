"""The reference of the conformance cases: sequences and records."""

from __future__ import annotations

from tests.support.mirror import Row

SNV = "dbSNP_156;TSA=SNV"
INDEL = "dbSNP_156;TSA=indel"


def sequence(length: int, known: dict[int, str]) -> str:
    """Return N with known bases at 1-based positions."""
    bases = ["N"] * length
    for position, text in known.items():
        bases[position - 1 : position - 1 + len(text)] = text
    return "".join(bases)


SEQUENCES = {
    "21": sequence(
        200_000,
        {
            1: "GA",
            100: "TC",
            102: "AAAAA",
            107: "T",
            201: "G",
            202: "CACACACA",
            210: "G",
            299: "TAC",
            310: "A",
            320: "A",
            400: "C",
            450: "ATTCG",
            470: "CAAG",
            500: "A",
        },
    ),
    "22": sequence(1000, {1: "GA", 101: "C", 102: "AAAAA", 107: "T"}),
}

RECORDS: dict[str, list[Row]] = {
    "21": [
        (102, "rs1", "AA", "A", INDEL),
        (102, "rs2", "A", "AA", INDEL),
        (202, "rs3", "CAC", "C", INDEL),
        (300, "rs4", "A", "G", SNV),
        (310, "rs5", "A", "C,T", f"{SNV};MA=T;MAF=0.1;MAC=501"),
        (320, "rs6", "A", "G", SNV),
        (320, "rs7", "A", "G", SNV),
        (450, "rs8", "ATTC", "A,ATC,ATTTC", INDEL),
        (470, "rs11", "CAAG", "CATG", "dbSNP_156;TSA=substitution"),
        (400, "rs12", "C", "G", SNV),
        (500, "hg1", "A", "N", "HGMD-PUBLIC_20204;TSA=sequence_alteration"),
    ],
    "22": [
        (1, "rs50", "GA", "A", INDEL),
        (1, "rs51", "G", "AG", INDEL),
        (102, "rs1", "AA", "A", INDEL),
        (104, "rs47", "AA", "A", INDEL),
    ],
    "X": [(1_000_000, "rs10", "A", "G", SNV), (1_050_000, "rs56", "A", "G", SNV)],
    "Y": [(3_000_000, "rs99", "A", "G", SNV)],
    "MT": [(100, "rs9", "A", "G", SNV), (3106, "rs49", "CN", "C", INDEL)],
}
