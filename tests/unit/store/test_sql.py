"""The view of DuckDB is the table of polars."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ensembl_annotations import scan_reference
from ensembl_annotations.store.sql import view_sql
from tests.support.store import snv, write_store
from tests.support.vcf import invoke


def test_the_view_has_what_scan_reference_has(mini_store: Path) -> None:
    expected = scan_reference(mini_store).collect()
    with duckdb.connect() as database:
        database.execute(view_sql(mini_store))
        found = database.sql("SELECT * FROM ensembl").pl()
    assert found.columns == expected.columns
    assert found.cast(expected.schema).equals(expected)
    assert expected["af"].null_count() < len(expected)


@pytest.mark.parametrize("maf", ["0.3", "1e-05", "0.4999999", "0", "1", "0.000199681"])
def test_the_frequency_of_the_other_allele_is_exact(maf: str, tmp_path: Path) -> None:
    rows = {"21": [snv(5, "G>T", 1, maf=maf, maf_of=2), snv(6, "G>T", 2, maf=maf, maf_of=1)]}
    store = write_store(tmp_path / "it's", rows)
    with duckdb.connect() as database:
        database.execute(view_sql(store))
        found = [row[0] for row in database.sql("SELECT af FROM ensembl ORDER BY pos").fetchall()]
    assert found == scan_reference(store).collect()["af"].to_list()


def test_the_command_prints_it(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {"21": [snv(5, "G>T", 1)], "MT": [snv(1, "T>G", 3)]})
    printed = invoke("sql", store).succeeded().stdout
    with duckdb.connect() as database:
        database.execute(printed)
        assert database.sql("SELECT chrom, id FROM ensembl").fetchall() == [
            ("21", "rs1"), ("MT", "rs3"),
        ]  # fmt: skip
