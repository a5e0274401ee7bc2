"""The row groups of the annotated table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.annotate import table as table_module
from ensembl_annotations.annotate.table import TableWriter, row_bytes


def rows_of(writer: TableWriter, ids: list[str | None]) -> pa.Table:
    columns = {
        field.name: pa.nulls(len(ids), field.type)
        if field.nullable
        else pa.array([0] * len(ids)).cast(pa.string()).cast(field.type)
        if not pa.types.is_boolean(field.type)
        else pa.array([False] * len(ids))
        for field in writer.schema
    }
    return pa.table({**columns, "id": pa.array(ids, pa.string())}, schema=writer.schema)


def groups(path: Path, ids: list[str | None], step: int) -> list[int]:
    writer = TableWriter(path, {}, [], genotypes=False)
    whole = rows_of(writer, ids)
    for begin in range(0, len(ids), step):
        writer.add(whole.slice(begin, step))
    writer.finish()
    file = pq.ParquetFile(path)
    assert file.read()["id"].to_pylist() == ids
    return [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]


def test_long_texts_end_a_row_group_however_rows_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "ROW_GROUP_BYTES", 1000)
    monkeypatch.setattr(table_module, "ROW_GROUP_ROWS", 10)
    # 35 short rows, then 5 of 400 bytes, one longer than a row group, and 2 short ones.
    ids = [None, *["x"] * 34, *["y" * 400] * 5, "z" * 5000, "x", None]
    expected = [10, 10, 10, 8, 3, 2]
    assert sum(expected) == len(ids)
    for step in (1, 2, 3, 7, 11, 100):
        assert groups(tmp_path / f"{step}.parquet", ids, step) == expected, step


def test_the_bytes_do_not_depend_on_how_rows_are_added(tmp_path: Path) -> None:
    # More names than a dictionary has room for: the rest are plain, from the end of a batch on.
    def content(step: int) -> bytes:
        writer = TableWriter(tmp_path / "out.parquet", {}, [], genotypes=False)
        whole = rows_of(writer, [None] * 100_000)
        names = pa.array([[f"rs{number}"] for number in range(10**8, 10**8 + len(whole))])
        column = writer.schema.get_field_index("ens_id")
        whole = whole.set_column(column, writer.schema.field(column), names)
        for begin in range(0, len(whole), step):
            writer.add(whole.slice(begin, step))
        writer.finish()
        return (tmp_path / "out.parquet").read_bytes()

    assert content(15_001) == content(9_000) == content(100_000)


def test_texts_and_lists_count_as_they_are_and_slices_as_what_they_show() -> None:
    table = pa.table(
        {
            "pos": pa.array([1, 2, 3]),
            "id": pa.array(["abc", None, "ü"]),
            "terms": pa.array([["ab", None], None, []], pa.list_(pa.string())),
            "ad": pa.array([None, [1, 2], [3]], pa.list_(pa.int32())),
        }
    )
    assert row_bytes(table).tolist() == [5, 8, 6]
    assert row_bytes(table.slice(1)).tolist() == [8, 6]
    assert row_bytes(pa.concat_tables([table, table.slice(2)])).tolist() == [5, 8, 6, 6]
    assert row_bytes(table.slice(3)).tolist() == []


def test_texts_of_structs_count_with_their_places() -> None:
    entries = pa.array([[{"a": "xyz", "b": "q"}, {"a": "", "b": None}], []])
    assert row_bytes(pa.table({"entries": entries})).tolist() == [4 + 2 * 2 * 8, 0]
