"""The header and the INFO column of release 116."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from genome import Array, pick, weighted

_NUM_1000G_ALLELES = 5008

_QUALITY = "https://www.ensembl.org/info/genome/variation/prediction/variant_quality.html"
_PHENOTYPE = "https://www.ensembl.org/info/genome/variation/phenotype/phenotype_annotation.html"
_EVIDENCE = {
    "E_Multiple_observations": 0.08,
    "E_Freq": 0.0,
    "E_Hapmap": 0.003,
    "E_Phenotype_or_Disease": 0.003,
    "E_1000G": 0.0,
    "E_ESP": 0.002,
    "E_Cited": 0.002,
    "E_ExAC": 0.01,
    "E_TOPMed": 0.75,
    "E_gnomAD": 0.62,
}
"""Evidence flags in the order rows have them, and how often; two of them follow from others."""

_CLINICAL = {
    "CLIN_uncertain_significance": 0.45,
    "CLIN_likely_benign": 0.2,
    "CLIN_benign": 0.08,
    "CLIN_likely_benign;CLIN_benign": 0.1,
    "CLIN_pathogenic": 0.05,
    "CLIN_likely_pathogenic": 0.03,
    "CLIN_likely_pathogenic;CLIN_pathogenic": 0.02,
    "CLIN_uncertain_significance;CLIN_likely_benign": 0.04,
    "CLIN_not_provided": 0.01,
    "CLIN_risk_factor": 0.005,
    "CLIN_association": 0.005,
    "CLIN_drug_response": 0.003,
    "CLIN_protective": 0.002,
    "CLIN_confers_sensitivity": 0.002,
    "CLIN_histocompatibility": 0.001,
    "CLIN_other": 0.002,
}
"""Combinations of clinical flags among the rows that have any."""

_SOURCES = {
    "ClinVar_202509": "Variants of clinical significance imported from ClinVar",
    "HGMD-PUBLIC_20204": "Variants from HGMD-PUBLIC dataset December 2020",
    "COSMIC_102": "Somatic mutations found in human cancers from the COSMIC catalogue",
    "dbSNP_156": "Variants (including SNPs and indels) imported from dbSNP",
}


def _header_lines() -> Iterator[str]:
    def info(key: str, number: int, kind: str, text: str) -> str:
        return f'##INFO=<ID={key},Number={number},Type={kind},Description="{text}">'

    yield "##fileformat=VCFv4.1"
    yield "##source=ensembl;version=116;url=https://e116.ensembl.org/homo_sapiens"
    yield "##reference=https://ftp.ensembl.org/pub/release-116/fasta/homo_sapiens/dna/"
    for key, text in _SOURCES.items():
        yield info(key, 0, "Flag", text)
    text = "Type of sequence alteration. Child of term sequence_alteration as defined by the sequence ontology project."
    yield info("TSA", 1, "String", text)
    names = {"E_Freq": "Frequency", "E_1000G": "1000Genomes", "E_Hapmap": "HapMap"}
    for key in _EVIDENCE:
        text = f"{names.get(key, key[2:])}.{_QUALITY}#evidence_status"
        yield info(key, 0, "Flag", text)
    for key in _CLINICAL:
        if ";" not in key:
            text = f"{key[5:].replace('_', ' ')}.{_PHENOTYPE}#clin_significance"
            yield info(key, 0, "Flag", text)
    yield info("MA", 1, "String", "Minor Allele")
    yield info("MAF", 1, "Float", "Minor Allele Frequency")
    yield info("MAC", 1, "Integer", "Minor Alelele Count")
    yield info("AA", 1, "String", "Ancestral Allele")
    yield "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


HEADER = "\n".join(_header_lines()) + "\n"


def _evidence_table() -> list[str]:
    names = list(_EVIDENCE)
    return [
        "".join(f";{name}" for bit, name in enumerate(names) if mask >> bit & 1)
        for mask in range(1 << len(names))
    ]


_EVIDENCE_TEXT = _evidence_table()
_CLINICAL_TEXT = ["", *(f";{flags}" for flags in _CLINICAL)]
_FREQUENCY_TEXT = [
    f";MAF={count / _NUM_1000G_ALLELES:.4f};MAC={count}"
    for count in range(_NUM_1000G_ALLELES // 2 + 1)
]


def make_info(draw: np.random.Generator, records: pl.DataFrame) -> pl.Series:
    """Make the INFO column of a batch."""
    count = len(records)
    usable = records["usable"].to_numpy()
    curated = (records["source"] != "dbSNP_156").to_numpy()
    measured = (draw.random(count) < 0.08) & usable & ~curated
    clinical = np.where(
        draw.random(count) < 0.005, 1 + weighted(draw, list(_CLINICAL.values()), count), 0
    )
    bits = {
        name: draw.random(count, dtype=np.float32) < share
        for name, share in _EVIDENCE.items()
        if share
    }
    for name in ("E_TOPMed", "E_gnomAD", "E_ExAC", "E_ESP", "E_Hapmap"):
        bits[name] &= ~curated
    bits["E_1000G"] = measured
    bits["E_Freq"] = measured | bits["E_TOPMed"] | bits["E_gnomAD"] | bits["E_ExAC"]
    bits["E_Phenotype_or_Disease"] |= (clinical > 0) | curated
    mask = sum(bits[name].astype(np.int64) << bit for bit, name in enumerate(_EVIDENCE))
    unnamed = (draw.random(count) < 0.0002).astype(np.int64)
    known = usable & ~curated & (draw.random(count) < np.where(records["snv"], 0.8, 0.5))
    parts = {
        "source": records["source"],
        "tsa": records["tsa"],
        "evidence": pick(_EVIDENCE_TEXT, np.asarray(mask)),
        "clinical": pick(_CLINICAL_TEXT, clinical),
        "unnamed": pick(["", ";"], unnamed),
        "frequency": _frequency(draw, records, measured),
        "ancestral": records["ancestral"],
        "known": pl.Series(known),
    }
    return (
        pl.DataFrame(parts)
        .select(
            pl.concat_str(
                pl.col("source") + ";TSA=",
                "tsa",
                "evidence",
                "clinical",
                "unnamed",
                "frequency",
                pl.when("known").then(";AA=" + pl.col("ancestral")).otherwise(pl.lit("")),
            ).alias("info")
        )
        .to_series()
    )


def _frequency(draw: np.random.Generator, records: pl.DataFrame, measured: Array) -> pl.Series:
    """Make ``;MA=…;MAF=…;MAC=…`` of the records that have a frequency; MA is REF in some."""
    rows = np.flatnonzero(measured)
    some = records[rows].select("ref", "minor")
    # Two in five of the alleles in a population are seen once.
    top = _NUM_1000G_ALLELES // 2
    times = np.floor((top + 1) ** (draw.random(len(rows)) ** 2.5)).astype(np.int64)
    common = pl.Series((times > 50) & (draw.random(len(rows)) < 0.3))
    text = ";MA=" + some["ref"].zip_with(common, some["minor"]) + pick(_FREQUENCY_TEXT, times)
    codes = np.zeros(len(records), np.uint32)
    codes[rows] = np.arange(1, len(rows) + 1)
    return pl.concat([pl.Series([""]), text.rename("")]).gather(codes)
