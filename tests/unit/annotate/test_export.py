"""The annotated table as text: all of it, or nothing."""

from __future__ import annotations

import gzip
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from ensembl_annotations import EnsemblAnnotationsError
from ensembl_annotations.annotate import export
from ensembl_annotations.annotate.export import write_tsv, write_xlsx
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


# --- Spreadsheets --------------------------------------------------------------------------------

RISKY = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "'=1", "SEPT1", "MARCH1", "1-Mar", "1/1", "0/1",
    "1|2", "007", "1E5", "12345678901234567890", "http://x.y/z", "mailto:a@b", "TRUE", "#N/A", "", " x ", "a\nb", "ü🧬", "_x0041_", "<&>",
]  # fmt: skip


def sheet_of(path: Path) -> list[tuple[Any, ...]]:
    import openpyxl

    book = openpyxl.load_workbook(path)
    return [tuple((cell.value, cell.data_type) for cell in row) for row in book.active.iter_rows()]


def test_no_text_becomes_anything_else_in_a_spreadsheet(tmp_path: Path) -> None:
    """openpyxl reads the kind of each cell: s is text, f would be a formula, d a date, n a number."""
    from openpyxl.utils.escape import unescape

    frame = pl.DataFrame({"text": RISKY, "list": [[text, None] for text in RISKY]})
    frame.write_parquet(tmp_path / "t.parquet")
    write_xlsx(tmp_path / "t.parquet", tmp_path / "t.xlsx")
    head, *rows = sheet_of(tmp_path / "t.xlsx")
    assert [value for value, _ in head] == ["text", "list"]
    for text, ((value, kind), (joined, list_kind)) in zip(RISKY, rows, strict=True):
        # What Excel would take for an escape is escaped itself.
        assert (unescape(value or ""), kind) == (text, "s")
        assert list_kind == "s" and joined.endswith(",-")
    assert (
        "<f" not in zipfile.ZipFile(tmp_path / "t.xlsx").read("xl/worksheets/sheet1.xml").decode()
    )
    assert not any("hyperlink" in name for name in zipfile.ZipFile(tmp_path / "t.xlsx").namelist())


def test_numbers_and_flags_are_numbers_and_flags(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"a": [1, -2, None, 2**53 - 1, 2**53 + 1], "b": [0.1, 1e-300, None, -0.0, 1.5], "c": [True, False, None, True, True]}
    )  # fmt: skip
    frame.write_parquet(tmp_path / "t.parquet")
    write_xlsx(tmp_path / "t.parquet", tmp_path / "t.xlsx")
    _, *rows = sheet_of(tmp_path / "t.xlsx")
    found = [tuple(value for value, _ in row) for row in rows]
    expected = frame.rows()
    # No longer exact as a number.
    expected[-1] = (str(2**53 + 1), 1.5, True)
    assert found == expected


def test_the_sheet_is_the_table(tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    options = ["annotate", "--vcf", SAMPLE, "--reference", store, "--out-xlsx", out / "o.xlsx"]
    invoke(*options).succeeded()
    assert [path.name for path in out.iterdir()] == ["o.xlsx"]
    invoke(*options, "--out-parquet", tmp_path / "o.parquet").succeeded()
    table = pl.read_parquet(tmp_path / "o.parquet")
    head, *rows = sheet_of(out / "o.xlsx")
    assert [value for value, _ in head] == table.columns and len(rows) == len(table)
    for row, expected in zip(rows, table.iter_rows(named=True), strict=True):
        values = {name: value for name, (value, _) in zip(table.columns, row, strict=True)}
        for name in ("pos", "chrom", "gt", "ens_af", "ens_key", "dosage", "ens_par"):
            assert values[name] == expected[name]
        assert values["ens_id"] == (
            None if expected["ens_id"] is None else ",".join(expected["ens_id"])
        )


def test_what_has_no_room_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "t.xlsx"
    pl.DataFrame({"ref": ["A", "A" * 32_768]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(EnsemblAnnotationsError, match=r"row 2: ref has 32,768 letters.*32,767"):
        write_xlsx(tmp_path / "t.parquet", out)
    monkeypatch.setattr(export, "MOST_ROWS", 1)
    with pytest.raises(
        EnsemblAnnotationsError, match=r"the table has 2 rows.*room for 1\b.*out_tsv"
    ):
        write_xlsx(tmp_path / "t.parquet", out)
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_missing_library_is_told_before_anything_is_done(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    done = invoke(
        "annotate", "--vcf", SAMPLE, "--reference", store, "--out-xlsx", tmp_path / "o.xlsx", "--out-vcf", tmp_path / "o.vcf"
    )  # fmt: skip
    assert done.code == 2 and "pip install 'ensembl-annotations[xlsx]'" in done.stderr
    assert not [*tmp_path.iterdir()]
