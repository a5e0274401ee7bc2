"""The transcripts of a chromosome as a parquet file: written, and read as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from ensembl_annotations.store.describe import FileIdentity, ReferenceStore
from ensembl_annotations.store.write import parquet_writer
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes
from ensembl_annotations.variants.schema import GENES, GENES_SCHEMA

ROW_GROUP_ROWS = 4096
"""Transcripts of a row group: annotating reads those that a piece of a VCF reaches."""


def write_genes(folder: Path, identity: FileIdentity, transcripts: pa.Table) -> Path:
    """Write the transcripts of a chromosome, with the columns `GENES`, and return the file's path."""
    with parquet_writer(folder, identity, GENES) as writer:
        # Cast one by one: the dictionaries of a row group have only what occurs in it.
        for begin in range(0, len(transcripts), ROW_GROUP_ROWS):
            rows = transcripts.slice(begin, ROW_GROUP_ROWS).combine_chunks()
            writer.write_table(rows.cast(writer.schema))
    return folder / identity.file_name


def scan_genes(folder: Path | str, chromosomes: Sequence[str] | str | None = None) -> pl.LazyFrame:
    """Read the transcripts of a reference store as one table, lazily.

    Parameters
    ----------
    folder : Path or str
        The store.
    chromosomes : sequence of str, or str, optional
        Names, as a list or as a text such as ``21,22``, ``chr22`` and accessions too; default all
        that have genes.

    Returns
    -------
    LazyFrame
        The columns `GENES`, one row per transcript, sorted by place within a chromosome.

    Raises
    ------
    ReferenceStoreError
        Where the store, or a file that is asked for, is missing, or its size, footer or label is
        not as described.
    UsageError
        Where it has no genes of such a chromosome.
    """
    store = ReferenceStore(folder)
    names = store.chromosomes_with("genes")
    if (wanted := listed_chromosomes(chromosomes)) is not None:
        names = resolve_chromosomes(wanted, names, store.species, store.assembly)
    store.check(names)
    files = [item for name in names if (item := store.resource(name, "genes"))]
    empty = pl.from_arrow(GENES_SCHEMA.empty_table())
    assert isinstance(empty, pl.DataFrame)
    return pl.concat([empty.lazy(), *(pl.scan_parquet(item.path, glob=False) for item in files)])
