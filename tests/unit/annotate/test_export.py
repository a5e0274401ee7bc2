"""The annotated table as text: all of it, or nothing."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.annotate.export import write_tsv
from tests.support.vcf import SAMPLE, header, invoke, record, written


@pytest.fixture(scope="module")
def store(mini_store: Path) -> Path:
    return mini_store


@pytest.mark.parametrize("name", ["o.tsv", "o.tsv.gz"])
def test_the_text_is_the_table(name: str, tmp_path: Path, store: Path) -> None:
    options = ["annotate", "--vcf", SAMPLE, "--reference", store, "--out-tsv", tmp_path / name]
    invoke(*options, "--out-parquet", tmp_path / "o.parquet").succeeded()
    data = (tmp_path / name).read_bytes()
    text = gzip.decompress(data) if name.endswith("gz") else data
    table = pl.read_parquet(tmp_path / "o.parquet")
    found = text.decode().splitlines()
    assert found[0].split("\t") == table.columns
    assert len(found) == len(table) + 1
    for line, row in zip(found[1:], table.iter_rows(named=True), strict=True):
        values = dict(zip(table.columns, line.split("\t"), strict=True))
        assert values["pos"] == str(row["pos"])
        for key in ("ens_id", "ens_clin"):
            assert values[key] == ("-" if row[key] is None else ",".join(row[key]))
        assert values["ens_af"] == "-" if row["ens_af"] is None else float(values["ens_af"]) == row["ens_af"]  # fmt: skip
        assert values["zygosity"] == (row["zygosity"] or "-")


def test_the_text_alone_is_enough_and_no_table_stays(tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    options = ["annotate", "--vcf", SAMPLE, "--reference", store, "--out-tsv", out / "o.tsv"]
    invoke(*options).succeeded()
    assert [path.name for path in out.iterdir()] == ["o.tsv"]


def test_nothing_of_the_input_is_a_formula(tmp_path: Path, store: Path) -> None:
    lines = header() + record(id_="=1+1", filter_="@SUM(A1)") + record(pos=10000421, id_="+1")
    vcf = written(tmp_path, lines.encode())
    invoke(
        "annotate", "--vcf", vcf, "--reference", store, "--out-tsv", tmp_path / "o.tsv"
    ).succeeded()
    fields = [line.split("\t") for line in (tmp_path / "o.tsv").read_text("utf-8").splitlines()]
    at = fields[0].index("id")
    assert [row[at] for row in fields[1:]] == ["'=1+1", "'+1"]
    assert fields[1][fields[0].index("filter")] == "'@SUM(A1)"


def test_it_does_not_overwrite_the_input(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, (header() + record()).encode())
    options = ["annotate", "--vcf", vcf, "--reference", store]
    invoke(*options, "--out-tsv", vcf).failed("is the input", code=2)


def test_a_table_that_can_t_be_read_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(Exception, match="Parquet"):
        write_tsv(tmp_path / "a.parquet", tmp_path / "o.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_columns_say_what_they_are(tmp_path: Path, store: Path) -> None:
    options = ["annotate", "--vcf", SAMPLE, "--reference", store]
    invoke(*options, "--out-parquet", tmp_path / "o.parquet").succeeded()
    schema = pq.read_schema(tmp_path / "o.parquet")
    assert all(field.metadata[b"description"] for field in schema)
    assert b"ClinVar 202509" in schema.metadata[b"ensembl_annotations"]


def test_why_there_is_no_frequency(tmp_path: Path, store: Path) -> None:
    options = ["annotate", "--vcf", SAMPLE, "--reference", store]
    invoke(*options, "--out-parquet", tmp_path / "o.parquet").succeeded()
    table = pl.read_parquet(tmp_path / "o.parquet")
    for row in table.iter_rows(named=True):
        is_published = any(value is not None for value in row["ens_maf"] or [])
        expected = "undecided" if is_published else "not_published"
        if row["ens_id"] is None or row["ens_af"] is not None:
            expected = None
        assert row["ens_af_why"] == expected
    assert table["ens_af_why"].n_unique() == 3
