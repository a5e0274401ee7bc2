"""The reference store as a view of DuckDB, with the columns of `scan_reference`."""

from __future__ import annotations

from pathlib import Path

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.schema import MAF_OF_ALT, MAF_OF_REF, READ

VIEW = "ensembl"


def _items(name: str, separator: str = "|") -> str:
    return f"coalesce(string_split({name}, '{separator}'), CAST([] AS VARCHAR[]))"


_COLUMNS = {
    "pos": "CAST(pos AS BIGINT)",
    "id": "CASE WHEN rs > 0 THEN 'rs' || rs ELSE name END",
    "multi": "num_alts > 1",
    "maf": "CAST(maf AS DOUBLE)",
    # As decimals: 1 - 0.3 of doubles is 0.7000000000000001 in some places and 0.7 in others.
    "af": f"CASE maf_of WHEN {MAF_OF_ALT} THEN CAST(maf AS DOUBLE) "
    f"WHEN {MAF_OF_REF} THEN CAST(1 - CAST(maf AS DECIMAL(38, 18)) AS DOUBLE) END",
    "clin": f"CASE WHEN clin_certain THEN {_items('clin')} ELSE CAST([] AS VARCHAR[]) END",
    "rsclin": _items("clin"),
    "evidence": _items("evidence"),
    "source": _items("source"),
    "other": _items("other", ";"),
    "start": 'CAST("start" AS BIGINT)',
}


def view_sql(folder: Path | str) -> str:
    """Return the statement that makes the view `VIEW` of a store.

    Parameters
    ----------
    folder : Path or str
        The store.

    Raises
    ------
    ReferenceStoreError
        Where a file is missing or altered.
    """
    store = ReferenceStore(folder)
    store.check(store.chromosomes)
    paths = [item.path.resolve() for item in store.resources if item.role == "alleles"]
    columns = [
        f"{_COLUMNS[item.name]} AS {_quoted(item.name)}"
        if item.name in _COLUMNS
        else _quoted(item.name)
        for item in READ
    ]
    files = ",\n  ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    listed = ",\n  ".join(columns)
    return (
        f"CREATE OR REPLACE VIEW {VIEW} AS\nSELECT\n  {listed}\nFROM read_parquet([\n  {files}\n]);"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'
