"""Symbols of genes, for the tally: read without what whole tables of genes need."""

from __future__ import annotations

import pyarrow.parquet as pq

from ensembl_annotations.store.describe import ReferenceStore

_COLUMNS = ["gene_id", "symbol"]


def symbols_of(store: ReferenceStore) -> dict[str, str]:
    """Return the symbols of genes, by their IDs; of those that have one."""
    found: dict[str, str] = {}
    for path in (item.path for item in store.resources if item.role == "genes"):
        with pq.ParquetFile(path) as file:
            table = file.read(_COLUMNS)
        pairs = zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True)
        found |= {gene: symbol for gene, symbol in pairs if symbol is not None}
    return found
