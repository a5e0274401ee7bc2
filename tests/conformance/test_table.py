"""Every value of the annotated table is what the oracle makes, which shares neither look-up nor columns with the kernel."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from ensembl_annotations import annotate_vcf
from ensembl_annotations.variants.schema import CONSEQUENCE
from ensembl_annotations.vcf.read import VcfReader
from tests.support.oracle.table import expected_entries, expected_table
from tests.support.store import snv, write_store
from tests.support.vcf import SAMPLE

OPTIONS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "sites": {"match": "position"},
    "on X alone": {"chromosomes": ["X", "Y"]},
}


def read(path: Path) -> pl.DataFrame:
    table = pl.from_arrow(pq.read_table(path))
    assert isinstance(table, pl.DataFrame)
    return table


def check(vcf: Path, store: Path, folder: Path, **options: Any) -> pl.DataFrame:
    """Annotate, compare the table with the oracle's, and return it."""
    out = folder / "out.parquet"
    annotate_vcf(vcf, store, out_parquet=out, assembly="GRCh38", **options)
    found = read(out)
    wanted = expected_table(
        vcf,
        store,
        with_sites=options.get("match") == "position",
        chromosomes=options.get("chromosomes"),
    )
    assert found.schema == wanted.schema
    for name in wanted.columns:
        # Here a NaN is equal to itself, and an empty list is not null.
        assert found[name].equals(wanted[name]), name
    return found


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("number", range(3), ids=["one-sample", "no-sample-crlf", "three-samples"])
def test_every_oddity(name: str, number: int, odd: Path, tmp_path: Path) -> None:
    found = check(odd / f"{number}.vcf", odd / "store", tmp_path, **OPTIONS[name])
    assert name == "on X alone" or found["ens_id"].count() > 100
    assert name != "sites" or found["ens_site_id"].count() > 100


# How rows are looked up line by line is tested for each store with VCFs; a table is only put together of them.
@pytest.mark.parametrize("odd", ["in-pieces"], indirect=True)
def test_every_oddity_line_by_line(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VcfReader, "batch_bytes", 1)
    check(odd / "0.vcf", odd / "store", tmp_path)


# --- What users write ----------------------------------------------------------------------------

NUMBERS = [
    ".", "0", "5", "+5", "-0", "007", "5.", ".5", "-5.25", "1e-3", "1E5", "3.14159265358979311600", "1e999", "1e-999",
    "123456789012345678901234567890.5", "inf", "+Inf", "-infinity", "nan", "2147483647", "-2147483648", "4.9e-324",
]  # fmt: skip
ODD = [
    "",
    "x",
    "2147483648",
    "99999999999",
    "1,2",
    "1e",
    "--1",
    "1.2.3",
    " 5",
    "0x10",
    "_1",
    "1_0",
    "\udcff",
]
GENOTYPES = [
    "0/1", "1|1", "1", "0", "0|0", "1/2", "2|2", "10/1", "10/10", "./1", "./.", ".", "./0", "|1", "/0|1", "", "1/", "//1", "01/1", "0/1/1/2",
]  # fmt: skip
LISTS = ["3,4", ".,4", "5", ".", "", ",", "1,b", "1,,3", "99999999999,1", "-1,+2"]
TEXTS = [".", "", "rs1;x", "é", "PASS", "q10;s"]


def call(dice: random.Random) -> tuple[str, str]:
    """Return a FORMAT, some keys twice or missing, and a call, some values left out at its end."""
    keys = dice.sample(["GT", "DP", "GQ", "AD", "XX", "DP"], dice.randint(1, 5))
    values = {"GT": GENOTYPES, "AD": LISTS, "DP": NUMBERS + ODD, "GQ": NUMBERS + ODD, "XX": ODD}
    written = [dice.choice(values[key]) for key in keys]
    return ":".join(keys), ":".join(written[: dice.randint(1, len(keys))])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_store(folder / "store", {"21": [snv(4, "T>G", 7, maf="0.25", maf_of=1, ma="G")]})
    return folder


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("count", [1, 2, 20, 400])
def test_what_users_write(
    count: int, end: str, random_seed: int, small: Path, tmp_path: Path
) -> None:
    dice, lines = random.Random(random_seed), []
    for _ in range(count):
        alts = ",".join(dice.choice(["A", "C", "G", ".", "<DEL>", "GT"]) for _ in range(dice.choice([1, 1, 2, 12])))  # fmt: skip
        fields = ["21", "4", dice.choice(TEXTS), "T", alts, dice.choice(NUMBERS), dice.choice(TEXTS), ".", *call(dice)]  # fmt: skip
        lines.append("\t".join(fields))
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
    vcf = tmp_path / "in.vcf"
    vcf.write_bytes((head + end.join([*lines, ""])).encode("utf-8", "surrogateescape"))
    check(vcf, small / "store", tmp_path)


# --- Consequences --------------------------------------------------------------------------------


@pytest.mark.parametrize("transcripts", ["pick", "all"])
def test_consequences_are_those_of_the_annotated_vcf(
    transcripts: str, mini_store: Path, tmp_path: Path
) -> None:
    annotate_vcf(
        SAMPLE,
        mini_store,
        out_vcf=tmp_path / "o.vcf",
        out_parquet=tmp_path / "o.parquet",
        transcripts=transcripts,
    )
    table = read(tmp_path / "o.parquet")
    lines = [line for line in (tmp_path / "o.vcf").read_text().splitlines() if line[0] != "#"]
    rows = table.partition_by("record", maintain_order=True)
    picked = 0
    for line, alts in zip(lines, rows, strict=True):
        info = dict(item.split("=", 1) for item in line.split("\t")[7].split(";") if "=" in item)
        told = [entry for entries in alts["ens_csq"].drop_nulls() for entry in entries]
        assert told == (expected_entries(info["ENS_CSQ"]) if "ENS_CSQ" in info else [])
        worst = [None if text == "." else text for text in info.get("ENS_WORST", ".").split(",")]
        assert alts["ens_worst"].to_list() == (worst if "ENS_WORST" in info else [None] * len(alts))
        for row in alts.iter_rows(named=True):
            (pick,) = [entry for entry in row["ens_csq"] or [] if entry["pick"] == "1"] or [None]
            picked += pick is not None
            names = {"gene": "gene", "symbol": "symbol", "transcript": "feature"}
            for column in CONSEQUENCE[:7]:
                name = column.name.removeprefix("ens_")
                assert row[column.name] == (pick and pick[names.get(name, name)])
    assert picked > 50 and table["ens_hgvsp"].str.contains("=").any()
