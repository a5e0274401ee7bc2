"""Run the annotator on authored records and read back what it says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ensembl_annotations import annotate_vcf
from ensembl_annotations.variants.outcomes import TAG_IDS
from tests.support.messages import heard

GRCH38 = ["##fileformat=VCFv4.2", "##contig=<ID=chr1,length=248956422>"]
GRCH37 = ["##fileformat=VCFv4.2", "##contig=<ID=chr1,length=249250621>"]
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


@dataclass
class Annotated:
    """An annotated VCF in memory."""

    header: list[str]
    records: list[list[str]]
    table: pl.DataFrame
    metrics: dict[str, Any]
    messages: list[str]

    def info(self, index: int = 0) -> dict[str, str]:
        """Return the INFO of a record as a dictionary; a flag has the value ``True``."""
        entries = self.records[index][7].split(";")
        return {
            key: value if equals else "True"
            for key, equals, value in (entry.partition("=") for entry in entries)
        }

    def tags(self, index: int = 0) -> dict[str, str]:
        """Return `info` less the tags that say ``.`` of every ALT."""
        return {key: value for key, value in self.info(index).items() if {*value} - {*".,"}}

    def ours(self, index: int = 0) -> dict[str, str]:
        """Return our tags of a record."""
        return {key: value for key, value in self.tags(index).items() if key in TAG_IDS}

    def slots(self, tag: str, index: int = 0) -> list[str] | None:
        value = self.tags(index).get(tag)
        return None if value is None else value.split(",")

    def reasons(self, index: int = 0) -> list[str | None]:
        return self.table.filter(pl.col("record") == index)["ens_reason"].to_list()


def annotate_text(
    folder: Path,
    store: Path,
    records: Sequence[str],
    header: Sequence[str] = GRCH38,
    **options: Any,
) -> Annotated:
    """Annotate records given as text: whole lines, fields separated by white space."""
    rows = ["\t".join(record.split()) for record in records]
    columns = COLUMNS
    if rows and rows[0].count("\t") > 7:
        names = [f"S{index}" for index in range(rows[0].count("\t") - 8)]
        columns = "\t".join([COLUMNS, "FORMAT", *names])
    source = folder / "in.vcf"
    source.write_text("\n".join([*header, columns, *rows, ""]))
    with heard() as messages:
        metrics = annotate_vcf(
            source,
            store,
            out_vcf=folder / "out.vcf.gz",
            out_parquet=folder / "out.parquet",
            **options,
        )
    lines = gzip.decompress((folder / "out.vcf.gz").read_bytes()).decode().splitlines()
    head = [line for line in lines if line.startswith("#")]
    body = [line.split("\t") for line in lines if not line.startswith("#")]
    table = pl.read_parquet(folder / "out.parquet")
    assert json.dumps(metrics)
    return Annotated(head, body, table, metrics, messages)


def plain(record: str) -> str:
    """Return a record with its fields separated by tabs."""
    return "\t".join(record.split())
