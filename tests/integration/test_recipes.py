"""The blocks of docs/analysis.md run, and what they find is what a plain loop finds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from ensembl_annotations import annotate_vcf
from ensembl_annotations.project.entry import read_entry
from ensembl_annotations.store.sql import view_sql
from tests.support.vcf import REPO, SAMPLE, build_store
from tests.support.warm import REAL_PROGRAMS, programs

PAGE = (REPO / "docs" / "analysis.md").read_text("utf-8")
BLOCK = re.compile(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks() -> list[tuple[str, str, str]]:
    """Return heading, language and text of each block, in order."""
    found, heading = [], ""
    for match in BLOCK.finditer(PAGE):
        heading = match[1] or heading
        if match[2]:
            found.append((heading, match[2], match[3]))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recipes")
    store = build_store(root, [*map(str, range(1, 23)), "X", "Y", "MT"])
    (root / "data").mkdir()
    shutil.move(store, root / "data" / "ensembl_annotations")
    (root / "data" / "vcf").mkdir()
    shutil.copy(SAMPLE, root / "data" / "vcf" / "p01.vcf.gz")
    out = root / "data" / "annotated" / "p01"
    annotate_vcf(
        SAMPLE,
        root / "data" / "ensembl_annotations",
        out_vcf=out / "annotated.vcf.gz",
        out_parquet=out / "annotated.parquet",
    )
    return root


@pytest.fixture(scope="module")
def table(folder: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(folder / "data/annotated/p01/annotated.parquet").to_dicts()


def run(language: str, text: str, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """Run a block as a reader would, and return what it gives."""
    patch.chdir(folder)
    if language == "python":
        names: dict[str, Any] = {}
        exec(compile(text, "docs/analysis.md", "exec"), names)
        found = [
            value for value in names.values() if isinstance(value, pl.DataFrame | pd.DataFrame)
        ]
        return found[-1]
    if language == "sql":
        with duckdb.connect() as database:
            database.execute(view_sql("data/ensembl_annotations"))
            return database.sql(text).pl()
    path = os.pathsep.join([str(programs()), str(REAL_PROGRAMS), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", text], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("heading", "language", "text"),
    [block for block in blocks() if block[1] != "console"],
    ids=lambda value: value.split("\n")[0][:40],
)
def test_a_block_runs(
    heading: str, language: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text.startswith("bcftools") and shutil.which("bcftools") is None:
        pytest.skip("no bcftools")
    found = run(language, text, folder, monkeypatch)
    # The demonstration has not the region, and the file of SQL is no output.
    assert len(found) or any(word in text for word in ("lookup", "> ensembl.sql", "--out-"))


def found_by(heading: str, folder: Path, patch: pytest.MonkeyPatch) -> list[Any]:
    return [run(language, text, folder, patch) for at, language, text in blocks() if at == heading]


def keys(rows: pl.DataFrame) -> set[tuple[Any, ...]]:
    return set(rows.select("chrom", "pos", "ref", "alt").rows())


def picked(table: list[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> set[Any]:
    return {(row["chrom"], row["pos"], row["ref"], row["alt"]) for row in table if wanted(row)}


def test_who_carries_it_is_by_dosage(
    folder: Path, table: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    carried, _, carriers = found_by("Who carries it", folder, monkeypatch)
    expected = [row for row in table if (row["dosage"] or 0) > 0]
    assert keys(carried) == picked(expected, lambda row: True) and len(expected) > 50
    assert set(carriers["ens_key"]) == {row["ens_key"] for row in expected}


def test_pathogenic_is_a_whole_term(
    folder: Path, table: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_polars, in_pandas, in_sql, in_text = found_by("Find a clinical term", folder, monkeypatch)
    expected = picked(table, lambda row: "pathogenic" in (row["ens_rsclin"] or []))
    assert keys(pl.from_pandas(in_pandas[["chrom", "pos", "ref", "alt"]])) == expected
    assert keys(in_sql) == expected
    certain = picked(table, lambda row: "pathogenic" in (row["ens_clin"] or []))
    assert keys(in_sql.filter("certain")) == certain and certain < expected
    likely = picked(
        table,
        lambda row: (
            row["dosage"] != 0
            and bool({"pathogenic", "likely_pathogenic"} & set(row["ens_rsclin"] or []))
        ),
    )
    assert keys(in_polars) == likely
    records = {(chrom, pos) for chrom, pos, _, _ in expected}
    lines = [line.split("\t") for line in in_text.splitlines()]
    assert {(line[0], int(line[1])) for line in lines} == records


def test_rare_or_unknown_leaves_out_only_what_is_known_to_be_common(
    folder: Path, table: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_polars, in_sql, in_text = found_by("Rare, or of unknown frequency", folder, monkeypatch)
    expected = picked(table, lambda row: row["ens_af"] is None or row["ens_af"] <= 0.01)
    assert keys(in_polars) == keys(in_sql) == expected
    assert set(in_polars["why"]) == {
        "rare", "not in Ensembl", "not compared", "not_published", "undecided",
    }  # fmt: skip
    records = {(chrom, pos) for chrom, pos, _, _ in expected}
    lines = [line.split("\t") for line in in_text.splitlines()]
    assert {(line[0], int(line[1])) for line in lines} == records


def test_the_join_has_a_row_for_each_matched_id(
    folder: Path, table: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, joined = found_by("The reference as a table", folder, monkeypatch)
    ids = {name for row in table for name in row["ens_id"] or []}
    assert set(joined["id"]) == ids


def test_the_example_runs(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("mini_ensembl", "vcf"):
        (tmp_path / "data" / name).symlink_to(REPO / "data" / name)
    done = subprocess.run(
        [sys.executable, REPO / "examples" / "explore.py"],
        cwd=tmp_path,
        env={**os.environ, "ENSEMBL_ANNOTATIONS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "rs9000000232" in done.stdout and "pathogenic" in done.stdout
    assert "Frequencies; without one" in (tmp_path / "explore/frequencies.html").read_text("utf-8")


def vcfs_of_snakefile(sheet: Path) -> dict[str, str]:
    """Return the VCFs that the Snakefile takes from a sheet: what is plain Python in it is run."""
    code, _, _ = (REPO / "examples/snakemake/Snakefile").read_text("utf-8").partition("wildcard_")
    names: dict[str, Any] = {"config": {"sheet": str(sheet)}}
    exec(code, names)
    vcfs: dict[str, str] = names["VCFS"]
    return vcfs


def test_snakemake_takes_a_sheet_as_an_entry_does(tmp_path: Path) -> None:
    sheet = tmp_path / "data/s.csv"
    for name in ("vcfs/a b.vcf", "c.vcf"):
        (sheet.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (sheet.parent / name).touch()
    sheet.write_text(f"\ufeffsample,vcf\na,vcfs/a b.vcf\nc,{sheet.parent}/c.vcf\n")
    expected = {item.sample: str(item.vcf) for item in read_entry(tmp_path, str(sheet)).vcfs}
    assert vcfs_of_snakefile(sheet) == expected
    # One of both would be left out.
    sheet.write_text("sample,vcf\na,vcfs/a b.vcf\na,c.vcf\n")
    with pytest.raises(ValueError, match="a row for each sample"):
        vcfs_of_snakefile(sheet)


def test_git_ignores_what_the_examples_write() -> None:
    genomes = ["annotated/s1.parquet", "annotated/s1/annotated.tally.json", "work/ab/c/x.parquet"]
    names = [*genomes, ".snakemake/log/x", ".nextflow/x", ".nextflow.log"]
    command = ["git", "check-ignore", "--no-index", *names]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.stdout.split() == names
    for name in ("examples/snakemake/Snakefile", "examples/nextflow/main.nf"):
        assert "annotated/" in (REPO / name).read_text("utf-8")


def test_an_array_job_without_its_argument_says_so() -> None:
    command = ["sh", REPO / "examples/slurm/array.sh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "expected the sheet or folder of an entry of params.yaml" in done.stderr
