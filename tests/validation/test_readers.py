"""Other programs read the same rows from the store's files as polars does."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from tests.support.vcf import build_store

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
