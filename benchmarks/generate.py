"""Seeded data in Ensembl's form: a release with one chromosome, and a genome to annotate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from ensembl_annotations.common.bgzf import BgzfWriter
from ensembl_annotations.fetch import Layout
from ensembl_annotations.fetch.verify import bsd_sum

CHROMOSOME = "21"
HEADER = f"""\
##fileformat=VCFv4.1
##source=ensembl;version=116;url=https://e116.ensembl.org/homo_sapiens
##INFO=<ID=dbSNP_156,Number=0,Type=Flag,Description="Variants imported from dbSNP">
##INFO=<ID=TSA,Number=1,Type=String,Description="Type of sequence alteration">
##INFO=<ID=E_Freq,Number=0,Type=Flag,Description="Frequency">
##INFO=<ID=E_TOPMed,Number=0,Type=Flag,Description="TOPMed">
##INFO=<ID=E_gnomAD,Number=0,Type=Flag,Description="gnomAD">
##INFO=<ID=MA,Number=1,Type=String,Description="Minor Allele">
##INFO=<ID=MAF,Number=1,Type=Float,Description="Minor Allele Frequency">
##INFO=<ID=MAC,Number=1,Type=Integer,Description="Minor Allele Count">
##contig=<ID={CHROMOSOME},length=46709983>
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO
"""
QUERY_HEADER = f"""\
##fileformat=VCFv4.2
##contig=<ID={CHROMOSOME},length=46709983>
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">
##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">
##INFO=<ID=MQ,Number=1,Type=Float,Description="Mapping quality">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depth per allele">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	S1
"""
BASES = np.array(list("ACGT"))
_BATCH = 1_000_000


def write_bgzf(path: Path, header: str, columns: pl.DataFrame) -> None:
    with path.open("wb") as handle:
        writer = BgzfWriter(handle, level=6)
        writer.write(header.encode())
        for begin in range(0, len(columns), _BATCH):
            lines = columns[begin : begin + _BATCH].select(pl.concat_str(pl.all(), separator="\t"))
            writer.write(("\n".join(lines.to_series().to_list()) + "\n").encode())
        writer.finish()


def reference_records(count: int, seed: int) -> pl.DataFrame:
    """Return published records: 88 % SNVs, 6 % with two ALTs, the rest short indels."""
    draw = np.random.default_rng(seed)
    pos = np.sort(draw.choice(np.arange(100, min(46_000_000, 4 * count)), count, replace=False))
    ref = draw.integers(0, 4, count)
    alt = (ref + draw.integers(1, 4, count)) % 4
    other = (alt + 1 + (alt + 1 == ref)) % 4
    other = np.where(other == ref, (other + 1) % 4, other)
    kind = draw.random(count)
    refs, alts = BASES[ref].astype(object), BASES[alt].astype(object)
    two = (kind >= 0.88) & (kind < 0.94)
    alts[two] = alts[two] + "," + BASES[other][two]
    insertion = (kind >= 0.94) & (kind < 0.97)
    alts[insertion] = refs[insertion] + alts[insertion] + BASES[other][insertion]
    deletion = kind >= 0.97
    alts[deletion] = refs[deletion]
    refs[deletion] = refs[deletion] + BASES[other][deletion]
    frame = pl.DataFrame(
        {
            "pos": pos,
            "id": draw.choice(np.arange(1, 20 * count), count, replace=False),
            "ref": pl.Series(refs.tolist()),
            "alt": pl.Series(alts.tolist()),
            "maf": np.round(draw.random(count) / 2, 4),
            "known": draw.random(count) < 0.08,
            "evidence": draw.integers(0, 4, count),
        }
    ).with_columns(snv=pl.col("ref").str.len_bytes() + pl.col("alt").str.len_bytes() == 2)
    minor = pl.col("maf").cast(pl.String)
    info = pl.concat_str(
        pl.lit("dbSNP_156;TSA="),
        pl.when(pl.col("ref").str.len_bytes() > 1)
        .then(pl.lit("deletion"))
        .when(pl.col("alt").str.contains(r"^\w,|^\w$"))
        .then(pl.lit("SNV"))
        .otherwise(pl.lit("insertion")),
        pl.lit(";E_Freq"),
        pl.when(pl.col("evidence") > 0).then(pl.lit(";E_TOPMed")).otherwise(pl.lit("")),
        pl.when(pl.col("evidence") > 2).then(pl.lit(";E_gnomAD")).otherwise(pl.lit("")),
        pl.when(pl.col("known") & pl.col("snv"))
        .then(
            pl.concat_str(
                pl.lit(";MA="),
                "alt",
                pl.lit(";MAF="),
                minor,
                pl.lit(";MAC="),
                (pl.col("maf") * 5008).cast(pl.Int64).cast(pl.String),
            )
        )
        .otherwise(pl.lit("")),
    )
    return frame.select(
        chrom=pl.lit(CHROMOSOME),
        pos=pl.col("pos").cast(pl.String),
        id="rs" + pl.col("id").cast(pl.String),
        ref="ref",
        alt="alt",
        qual=pl.lit("."),
        filter=pl.lit("."),
        info=info,
    )


def write_release(base: Path, records: pl.DataFrame) -> Path:
    """Write a mirror with one chromosome and return the path of its VCF."""
    folder = base / Layout("homo_sapiens", "GRCh38", 116).vcf_folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"homo_sapiens-chr{CHROMOSOME}.vcf.gz"
    write_bgzf(path, HEADER, records)
    checksum, blocks = bsd_sum(path)
    (folder / "CHECKSUMS").write_text(f"{checksum:05d} {blocks}\t{path.name}\n")
    return path


def write_query(path: Path, records: pl.DataFrame, count: int, seed: int) -> None:
    """Write a single-sample VCF: 95 % of its records are published ones, split per ALT."""
    draw = np.random.default_rng(seed)
    chosen = records[np.sort(draw.choice(len(records), count, replace=False))]
    chosen = chosen.with_columns(alt=pl.col("alt").str.split(",").list.first())
    miss = pl.Series(draw.random(count) < 0.05)
    swapped = pl.col("ref").replace_strict(
        {"A": "C", "C": "G", "G": "T", "T": "A"}, default=pl.col("alt")
    )
    depth = pl.Series(draw.integers(10, 60, count)).cast(pl.String)
    columns = chosen.select(
        "chrom",
        "pos",
        id=pl.lit("."),
        ref="ref",
        alt=pl.when(miss).then(swapped).otherwise("alt"),
        qual=pl.Series(draw.integers(100, 900, count)).cast(pl.String),
        filter=pl.lit("PASS"),
        info=pl.concat_str(pl.lit("AC=1;DP="), depth, pl.lit(";MQ=60.00")),
        format=pl.lit("GT:AD:DP:GQ"),
        sample=pl.concat_str(pl.lit("0/1:10,10:"), depth, pl.lit(":99")),
    )
    write_bgzf(path, QUERY_HEADER, columns)
