"""Annotated data frames: as `annotate_vcf` annotates a file."""

from __future__ import annotations

import importlib
from datetime import date
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
        # A deletion without the base before it: of which base is not said.
        ("alt", ["A", "-", "A"], "row 1.*alt: expected one ALT.*base before.*found '-'"),
        ("ref", ["A", "A", "-"], "row 2.*ref: expected bases.*base before.*found '-'"),
        ("chrom", [21.0, 1.5, 3.0], r"row 1.*chrom.*found 1\.5"),
        ("chrom", [True, True, False], "frame: chrom: expected text, found Boolean"),
        ("pos", [True, True, False], "frame: pos: expected whole numbers, found Boolean"),
        ("pos", [date(2020, 1, 1)] * 3, "frame: pos: expected whole numbers, found Date"),
    ],
)
def test_a_value_that_can_t_be_used_is_named(
    column: str, values: list[Any], message: str, store: Path
) -> None:
    with pytest.raises(InputError, match=message):
        annotate_frame(pl.DataFrame(ROWS | {column: values}, strict=False), store)


@pytest.mark.parametrize(
    "chrom", [[21.0] * 3, [21, "21", 21.0], pl.Series([21, 21, 21], dtype=pl.Decimal(4, 1))]
)
def test_numbers_are_names_whatever_pandas_made_of_them(chrom: Any, store: Path) -> None:
    """A missing value makes whole numbers fractions, and a file read in parts has both numbers and text."""
    pandas = importlib.import_module("pandas")
    rows = {"chrom": chrom, "pos": [5.0, 5.0, 5.0], "ref": ["G"] * 3, "alt": ["T"] * 3}
    found = annotate_frame(pandas.DataFrame(rows), store)
    assert [list(ids) for ids in found["ens_id"]] == [["rs1"]] * 3
    if not isinstance(chrom, list) or isinstance(chrom[0], float):
        assert annotate_frame(pl.DataFrame(rows), store)["ens_id"].to_list() == [["rs1"]] * 3


@pytest.mark.parametrize("frame", [pl.LazyFrame(ROWS), pl.DataFrame(ROWS)["pos"], ROWS, [ROWS], "rows.csv", pl.DataFrame(ROWS).to_arrow(), None])  # fmt: skip
def test_what_is_no_data_frame_is_told(frame: Any, store: Path) -> None:
    with pytest.raises(
        UsageError, match=f"expected a data frame of polars or pandas, found {type(frame).__name__}"
    ):
        annotate_frame(frame, store)


def test_columns_of_one_name_are_told(store: Path) -> None:
    pandas = importlib.import_module("pandas")
    rows = pandas.DataFrame(ROWS)
    with pytest.raises(UsageError, match="has several columns pos"):
        annotate_frame(pandas.concat([rows, rows[["pos"]]], axis=1), store)


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
