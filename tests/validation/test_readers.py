"""Other programs read the same rows from the store's files and the table as polars does, and htsjdk the VCF by its index."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pysam
import pytest

from ensembl_annotations import annotate_vcf
from tests.support.vcf import SAMPLE, build_store

ANALYSIS = Path(__file__).parents[2] / "docs" / "analysis.md"
CHROMOSOMES = ("21", "22", "MT")
ALLELES = "*-chr??.parquet"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("readers"), CHROMOSOMES)


def test_values_of_every_kind_are_there_to_be_told_apart(store: Path) -> None:
    whole = pl.concat(pl.read_parquet(path) for path in store.glob(ALLELES))
    for name in ("maf", "clin", "mac"):
        assert whole[name].is_null().any() and whole[name].is_not_null().any(), name


@pytest.mark.parametrize("chromosome", CHROMOSOMES)
def test_pandas_and_duckdb_read_what_polars_reads(store: Path, chromosome: str) -> None:
    agree_on(store / f"homo_sapiens-chr{chromosome}.parquet")


def agree_on(path: Path) -> None:
    table = pl.read_parquet(path)
    expected = table.rows()
    assert expected
    read = pd.read_parquet(path, dtype_backend="pyarrow")
    assert [*read.columns] == table.columns
    assert pa.Table.from_pandas(read).to_pylist() == table.to_dicts()
    found = duckdb.sql(f"SELECT * FROM '{path}'")
    assert found.columns == table.columns
    assert found.fetchall() == expected


def test_they_read_the_annotated_table(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    annotate_vcf(SAMPLE, store, out_parquet=path, genotypes=True, columns="info")
    agree_on(path)
    asked = "chrom = 'chr22' AND pos > 17000000 AND list_contains(ens_match, 'exact')"
    rows = (
        pl.scan_parquet(path)
        .filter(pl.sql_expr(asked.replace("list_contains", "array_contains")))
        .collect()
    )
    assert rows.rows() == duckdb.sql(f"SELECT * FROM '{path}' WHERE {asked}").fetchall() != []


JARS = Path("/usr/share/java")
PROGRAM = """
import htsjdk.variant.variantcontext.VariantContext;
import htsjdk.variant.vcf.VCFFileReader;
import java.io.File;
import java.util.Iterator;

public class Read {
    public static void main(String[] arguments) {
        VCFFileReader reader = new VCFFileReader(new File(arguments[0]), true);
        for (int at = 1; at < arguments.length; at += 3) {
            int first = Integer.parseInt(arguments[at + 1]), last = Integer.parseInt(arguments[at + 2]);
            Iterator<VariantContext> found = reader.query(arguments[at], first, last);
            while (found.hasNext()) {
                VariantContext record = found.next();
                String ids = String.join(",", record.getAttributeAsStringList("ENS_ID", ""));
                System.out.println(record.getContig() + "\\t" + record.getStart() + "\\t" + record.getID() + "\\t" + ids);
            }
        }
    }
}
"""


def test_htsjdk_finds_records_and_tags_by_the_tbi(store: Path, tmp_path: Path) -> None:
    if shutil.which("javac") is None or not (JARS / "htsjdk.jar").exists():
        pytest.skip("no htsjdk (Debian: libhtsjdk-java), or no Java compiler")
    vcf = tmp_path / "a.vcf.gz"
    annotate_vcf(SAMPLE, store, out_vcf=vcf)
    regions = [("chr21", 1, 40_000_000), ("chr22", 10_000_100, 10_000_250), ("chrM", 1, 16_569)]
    (tmp_path / "Read.java").write_text(PROGRAM)
    command = ["java", "-cp", f"{JARS}/htsjdk.jar:{JARS}/*", tmp_path / "Read.java", vcf]
    for region in regions:
        command += map(str, region)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pysam.VariantFile(str(vcf)) as file:
        expected = [
            (
                record.chrom,
                str(record.pos),
                record.id or ".",
                ",".join(item or "." for item in record.info.get("ENS_ID", ())),
            )
            for name, first, last in regions
            for record in file.fetch(name, first - 1, last)
        ]
    found = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    assert found == expected and len(found) > 15
    assert any("," in ids for *_, ids in found)
