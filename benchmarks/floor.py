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
COLUMNS = ("start", "code", "rs", "tsa", "ma", "maf", "mac")


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
            names = footer(path).schema.to_arrow_schema().names
            if missing := sorted({*COLUMNS} - {*names}):
                sys.exit(f"{path}: no column {missing[0]!r}: the store's layout has changed.")
            groups = needed(path, places)
            list(pool.map(partial(read_group, path, columns=list(COLUMNS)), groups))
        with out.open("wb") as handle:
            for blocks in pool.map(lambda text: compress_blocks(text, level), texts):
                handle.writelines(blocks)
            handle.write(EOF_BLOCK)


if __name__ == "__main__":
    main()
