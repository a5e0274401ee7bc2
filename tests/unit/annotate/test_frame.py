"""Annotated data frames: as `annotate_vcf` annotates a file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ensembl_annotations import (
    EnsemblAnnotationsError,
    InputError,
    UsageError,
    annotate_frame,
    annotate_vcf,
)
from ensembl_annotations.annotate import frame
from ensembl_annotations.variants.schema import ANNOTATION, CONSEQUENCE
from tests.support.store import snv, write_store
from tests.support.vcf import SAMPLE

ROWS: dict[str, list[Any]] = {
    "chrom": ["chr21", "21", "X"],
    "pos": [5, 9, 1],
    "ref": ["G", "C", "A"],
    "alt": ["T", "<DEL>", "C"],
    "mine": ["a", "b", "c"],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {"21": [snv(5, "G>T", 1, clin="benign", maf="0.1", maf_of=1)], "MT": [snv(1, "T>G", 3)]}
    return write_store(tmp_path_factory.mktemp("frame") / "store", rows)


def test_the_rows_of_a_vcf_are_annotated_as_the_vcf(
    mini_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, in parts, and with what can't be matched: the file's table is the judge."""
    monkeypatch.setattr(frame, "BATCH_RECORDS", 7)
    annotate_vcf(SAMPLE, mini_store, out_parquet=tmp_path / "a.parquet")
    table = pl.read_parquet(tmp_path / "a.parquet")
    assert len(table) > 100 and table["ens_reason"].n_unique() > 3
    shuffled = table.sample(fraction=1, shuffle=True, seed=3)
    found = annotate_frame(shuffled.select("chrom", "pos", "ref", "alt"), mini_store)
    names = [column.name for column in (*ANNOTATION, *CONSEQUENCE)]
    assert table["ens_hgvsp"].count() > 5
    # How an entry names its allele depends on the record's other ALTs.
    nameless = pl.element().struct.with_fields(allele=pl.lit(None))
    columns = [*names[:-1], pl.col("ens_csq").list.eval(nameless)]
    assert found.select(columns).equals(shuffled.select(columns))


@pytest.fixture(scope="module")
def pandas() -> Any:
    """Give pandas to what uses it: it takes long to import."""
    return importlib.import_module("pandas")


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_the_frame_comes_back_in_its_kind_and_order(library: str, store: Path) -> None:
    kind = importlib.import_module(library).DataFrame
    found = annotate_frame(kind(ROWS), store)
    assert isinstance(found, kind)
    assert list(found.columns) == [*ROWS, *(column.name for column in ANNOTATION)]
    assert list(found["mine"]) == ["a", "b", "c"]
    assert list(found["ens_id"][0]) == ["rs1"] and found["ens_af"][0] == 0.1
    assert list(found["ens_reason"])[1:] == ["symbolic", "contig_absent"]


def test_pandas_keeps_its_index(pandas: Any, store: Path) -> None:
    rows = pandas.DataFrame(ROWS, index=["x", "y", "x"])
    assert list(annotate_frame(rows, store).index) == ["x", "y", "x"]


def test_numbers_categories_and_missing_alts_are_taken(pandas: Any, store: Path) -> None:
    rows = pandas.DataFrame({"chrom": [21, 21], "pos": [5.0, 5.0], "ref": "G", "alt": ["T", None]})
    rows["ref"] = rows["ref"].astype("category")
    found = annotate_frame(rows, store)
    assert list(found["ens_id"][0]) == ["rs1"] and found["ens_reason"][1] == "no_alt"


def test_no_rows_give_no_rows(store: Path) -> None:
    assert annotate_frame(pl.DataFrame(ROWS).clear(), store).columns[-1] == ANNOTATION[-1].name


def test_only_the_chromosomes_of_the_rows_are_checked(tmp_path: Path, store: Path) -> None:
    other = write_store(tmp_path / "s", {"21": [snv(5, "G>T", 1)], "22": [snv(5, "G>T", 1)]})
    (other / "homo_sapiens-chr22.parquet").write_bytes(b"")
    rows = pl.DataFrame(ROWS)
    assert annotate_frame(rows, other)["ens_id"][0].to_list() == ["rs1"]
    (other / "homo_sapiens-chr21.parquet").write_bytes(b"")
    with pytest.raises(EnsemblAnnotationsError, match=r"chr21\.parquet has 0 bytes"):
        annotate_frame(rows, other)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("pos", [5, 1.5, 1], r"row 1 \(from 0\): pos: expected a whole number.*found 1\.5"),
        ("pos", [5, -1, 1], "row 1.*pos.*found -1"),
        ("pos", [2**31, 5, 1], "row 0.*pos.*found 2147483648"),
        ("pos", [5, 5, None], "row 2.*pos.*found None"),
        ("chrom", ["21", None, "1"], "row 1.*chrom.*found None"),
        ("chrom", ["21", "2 1", "1"], "row 1.*chrom"),
        ("ref", ["A", "A\tC", ""], r"row 1.*ref.*A\\tC"),
        ("ref", ["A", "A", ""], "row 2.*ref.*found ''"),
        ("alt", ["A,C", "A", "A"], "row 0.*alt: expected one ALT"),
        ("alt", ["A", "A\n21\t5", "A"], "row 1.*alt"),
    ],
)
def test_a_value_that_can_t_be_used_is_named(
    column: str, values: list[Any], message: str, store: Path
) -> None:
    with pytest.raises(InputError, match=message):
        annotate_frame(pl.DataFrame(ROWS | {column: values}, strict=False), store)


def test_columns_that_are_missing_or_there_already_are_named(store: Path) -> None:
    rows = pl.DataFrame(ROWS)
    with pytest.raises(UsageError, match=r"ref is missing.*there are: chrom, pos, REF, alt"):
        annotate_frame(rows.rename({"ref": "REF"}), store)
    with pytest.raises(UsageError, match=r"has ens_key, ens_id, ens_match and \d+ more already"):
        annotate_frame(annotate_frame(rows, store), store)


def test_rows_of_another_assembly_are_refused(tmp_path: Path) -> None:
    alleles = [snv(pos, "G>T", pos) for pos in range(1, 41)]
    other = write_store(tmp_path / "s", {"21": alleles})
    rows = pl.DataFrame({"chrom": "21", "pos": range(1, 41), "ref": "A", "alt": "T"})
    with pytest.raises(InputError, match="only 0 of 40 REF bases"):
        annotate_frame(rows, other)
