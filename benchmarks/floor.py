"""The floor of `annotate`: decompress the query, decode the columns it needs, compress again.

No parsing and no join: what is left is work that no engine on these files can avoid.
"""

from __future__ import annotations

import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
from isal import igzip

from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_blocks

THREADS = 2
GROUP_BLOCKS = 64
ALLELES = ("start", "code", "rs", "detail")
DETAILS = ("tsa", "ma", "maf", "mac")


def block_groups(data: bytes) -> list[tuple[int, int]]:
    """Return where groups of BGZF blocks begin and end."""
    edges, at, number = [0], 0, 0
    while at < len(data):
        # The first extra field of a BGZF block holds its size less one.
        at += struct.unpack_from("<H", data, at + 16)[0] + 1
        number += 1
        if number % GROUP_BLOCKS == 0:
            edges.append(at)
    if edges[-1] != len(data):
        edges.append(len(data))
    return list(pairwise(edges))


def positions(text: bytes) -> Any:
    """Return the positions of about 20,000 records of a text: all, where they are short."""
    found = []
    step = max(1, len(text) // 20_000)
    for at in range(0, len(text), step):
        begin = text.find(b"\n", at) + 1
        fields = text[begin : begin + 40].split(b"\t", 2)
        if begin and len(fields) == 3 and fields[1].isdigit():
            found.append(int(fields[1]))
    return np.unique(found)


@cache
def footer(path: Path) -> pq.FileMetaData:
    return pq.read_metadata(path)


def read_group(path: Path, group: int, columns: list[str]) -> Any:
    # A reader each, for two threads cannot share one; the footer they can.
    with path.open("rb") as handle:
        return pq.ParquetFile(handle, metadata=footer(path), pre_buffer=True).read_row_group(
            group, columns=columns, use_threads=False
        )


def needed(path: Path, places: Any) -> list[int]:
    """Return the row groups whose span of positions holds one of the query's."""
    metadata = footer(path)
    column = metadata.schema.to_arrow_schema().get_field_index("start")
    kept = []
    for group in range(metadata.num_row_groups):
        span = metadata.row_group(group).column(column).statistics
        low, high = np.searchsorted(places, (span.min, span.max + 2))
        if high > low:
            kept.append(group)
    return kept


def decode(path: Path, group: int, columns: list[str]) -> tuple[int, int]:
    """Decode a row group; return the first and last row of the details it points to, or -1."""
    table = read_group(path, group, columns)
    rows = table["detail"].to_numpy() if "detail" in columns else np.empty(0, np.int32)
    rows = rows[rows >= 0]
    return (int(rows.min()), int(rows.max())) if len(rows) else (-1, -1)


def detail_groups(path: Path, spans: list[tuple[int, int]]) -> list[int]:
    """Return the row groups of the details that hold these spans of rows."""
    metadata = footer(path)
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    ends = np.cumsum(sizes)
    kept = set()
    for low, high in spans:
        if low >= 0:
            first, last = np.searchsorted(ends, (low, high), side="right").tolist()
            kept.update(range(first, last + 1))
    return sorted(kept)


@click.command(help=__doc__)
@click.argument("query", type=click.Path(path_type=Path, exists=True))
@click.argument("store", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--level", default=1, show_default=True)
def main(query: Path, store: Path, out: Path, level: int) -> None:
    data = query.read_bytes()
    with ThreadPoolExecutor(THREADS) as pool:
        texts = list(
            pool.map(lambda edge: igzip.decompress(data[slice(*edge)]), block_groups(data))
        )
        places = np.unique(np.concatenate([positions(text) for text in texts]))
        for path in sorted(store.glob("*.parquet")):
            if path.name.endswith(".details.parquet"):
                continue
            names = footer(path).schema.to_arrow_schema().names
            columns = [name for name in ALLELES if name in names]
            if "start" not in columns:
                sys.exit(f"{path}: no column 'start': the store's layout has changed.")
            groups = needed(path, places)
            spans = list(pool.map(partial(decode, path, columns=columns), groups))
            details = path.with_suffix(".details.parquet")
            if details.exists() and "detail" in columns:
                groups = detail_groups(details, spans)
                list(pool.map(partial(decode, details, columns=list(DETAILS)), groups))
        with out.open("wb") as handle:
            for blocks in pool.map(lambda text: compress_blocks(text, level), texts):
                handle.writelines(blocks)
            handle.write(EOF_BLOCK)


if __name__ == "__main__":
    main()
