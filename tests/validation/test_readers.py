"""Other programs read the same rows from the store's files as polars does."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from tests.support.vcf import build_store

ANALYSIS = Path(__file__).parents[2] / "docs" / "analysis.md"
CHROMOSOMES = ("21", "22", "MT")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("readers"), CHROMOSOMES)


def test_values_of_every_kind_are_there_to_be_told_apart(store: Path) -> None:
    whole = pl.concat(pl.read_parquet(path) for path in store.glob("*.parquet"))
    for name in ("maf", "clin", "mac"):
        assert whole[name].is_null().any() and whole[name].is_not_null().any(), name


@pytest.mark.parametrize("chromosome", CHROMOSOMES)
def test_pandas_and_duckdb_read_what_polars_reads(store: Path, chromosome: str) -> None:
    path = store / f"homo_sapiens-chr{chromosome}.parquet"
    table = pl.read_parquet(path)
    expected = table.rows()
    assert expected
    read = pd.read_parquet(path, dtype_backend="pyarrow")
    assert [*read.columns] == table.columns
    values = read.astype(object)
    assert [*values.where(values.notna(), None).itertuples(index=False, name=None)] == expected
    found = duckdb.sql(f"SELECT * FROM '{path}'")
    assert found.columns == table.columns
    assert found.fetchall() == expected


def test_the_statement_in_the_documentation(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (statement,) = re.findall(r"```sql\n(.*?)```", ANALYSIS.read_text("utf-8"), re.DOTALL)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ensembl_annotations").symlink_to(store)
    monkeypatch.chdir(tmp_path)
    whole = pl.concat(pl.read_parquet(path) for path in sorted(store.glob("*.parquet")))
    # The one of the example is not in the demonstration.
    number = whole.filter(pl.col("clin").is_not_null())["rs"][0]
    statement, count = re.subn(r"\brs = \d+", f"rs = {number}", statement)
    assert count == 1
    expected = whole.filter(pl.col("rs") == number).select("pos", "ref", "alt", "clin").rows()
    assert expected
    assert sorted(duckdb.sql(statement).fetchall()) == sorted(expected)
