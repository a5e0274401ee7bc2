"""Symbols of genes, for the tally: read without what whole tables of genes need."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.store.describe import ReferenceStore

_COLUMNS = ["gene_id", "symbol"]


def symbols_of(store: ReferenceStore, genes: Collection[str]) -> dict[str, str]:
    """Return the symbols of genes, by their IDs; of those that have one."""
    files = [item.path for item in store.resources if item.role == "genes"]
    wanted, found = {*genes}, dict[str, str]()
    for path in files if genes else ():
        with pq.ParquetFile(path) as file:
            table = file.read(_COLUMNS)
        names, symbols = (table[name].cast(pa.string()).to_pylist() for name in _COLUMNS)
        pairs = zip(names, symbols, strict=True)
        found |= {gene: symbol for gene, symbol in pairs if gene in wanted and symbol is not None}
    return found
