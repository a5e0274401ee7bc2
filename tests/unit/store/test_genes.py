"""Transcripts come back from their file, in the form that look-ups read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.store.describe import FileIdentity
from ensembl_annotations.store.genes import write_genes
from ensembl_annotations.variants.schema import GENES, GENES_SCHEMA

IDENTITY = FileIdentity("homo_sapiens", "GRCh38", 116, "22", "genes")


def transcripts() -> pa.Table:
    values = {
        pa.string(): "text",
        pa.bool_(): True,
        pa.list_(pa.field("element", pa.int32(), False)): [3, 70000],
    }
    row = {column.name: values.get(column.dtype, 1) for column in GENES}
    bare = {column.name: None if column.nullable else row[column.name] for column in GENES}
    return pa.Table.from_pylist([row, bare, row | {"selenocysteines": []}], GENES_SCHEMA)


def test_transcripts_come_back(tmp_path: Path) -> None:
    path = write_genes(tmp_path, IDENTITY, transcripts())
    assert path.name == "homo_sapiens-chr22.genes.parquet"
    assert pl.read_parquet(path).to_dicts() == transcripts().to_pylist()


def test_columns_are_kept_as_they_are_declared(tmp_path: Path) -> None:
    """Not compressed; lists PLAIN; what can be null, and texts, by a dictionary."""
    path = write_genes(tmp_path, IDENTITY, transcripts())
    group = pq.ParquetFile(path).metadata.row_group(0)
    kept = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert list(kept) == [column.path for column in GENES]
    assert {chunk.compression for chunk in kept.values()} == {"UNCOMPRESSED"}
    for column in GENES:
        has_dictionary = "RLE_DICTIONARY" in kept[column.path].encodings
        must = column.nullable or column.dtype == pa.string()
        assert has_dictionary == must, column.name
    told = {name for name, chunk in kept.items() if chunk.statistics}
    assert told == {"start", "end"}
