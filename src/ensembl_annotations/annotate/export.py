"""Write the annotated table as tab-separated text, for spreadsheets and for tools of text."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from ensembl_annotations.annotate.text import PlainWriter
from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.tsv import tsv_header, tsv_rows
from ensembl_annotations.vcf.bgzf import BgzfWriter

_BATCH_ROWS = 16_384


def write_tsv(parquet: Path, out: Path) -> None:
    """Write a table as text; as BGZF where the name ends in ``.gz``, which gzip reads, too.

    Parameters
    ----------
    parquet : Path
        An annotated table.
    out : Path
        Gets its final name when it is whole.
    """
    with Outputs() as outputs, ExitStack() as stack:
        handle = stack.enter_context(outputs.temporary(out).open("wb"))
        is_packed = out.name.lower().endswith(".gz")
        writer = BgzfWriter(handle) if is_packed else PlainWriter(handle)
        stack.callback(writer.abandon)
        file = stack.enter_context(pq.ParquetFile(parquet))
        writer.write(tsv_header(file.schema_arrow.names).encode())
        for batch in file.iter_batches(_BATCH_ROWS):
            rows = pl.from_arrow(batch)
            assert isinstance(rows, pl.DataFrame)
            writer.write(tsv_rows(rows).encode())
        writer.finish()
