"""Write the annotated table: one row per (record, ALT), typed, in input order."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.annotate.label import METADATA_KEY
from ensembl_annotations.annotate.rows import known_frequencies
from ensembl_annotations.variants.schema import GENOTYPES, result_schema
from ensembl_annotations.vcf.batch import Batch
from ensembl_annotations.vcf.genotypes import carried_copies, genotype_lists

ROW_GROUP_ROWS = 131_072
_PLAIN = ("record", "pos", "qual", "ens_key")
_ROW_GROUP_CALLS = 8_000_000
_MIN_ROW_GROUP_ROWS = 256
_GTS = GENOTYPES[0].name

ROW_GROUP_BYTES = 64 << 20
"""Longer texts and lists end a row group, which is in memory until it is written; most have 15 MB."""


class TableWriter:
    """Write the annotated table as parquet.

    Parameters
    ----------
    path : Path
    provenance : dict
        Kept as JSON in the file's metadata.
    samples : list of str
        The VCF's samples; one alone gets columns of its own.
    genes : bool
        Whether to have the consequences for transcripts.
    genotypes : bool
        Whether to have the genotypes of all samples as a list; the samples' names are then in
        the file's metadata.
    requested : collection of str
        Names of `REQUESTED`: more columns; with ``calls`` the samples' names are there, too.

    Notes
    -----
    The file depends on the rows and the number of samples only, not on how rows are added.
    """

    def __init__(
        self,
        path: Path,
        provenance: dict[str, str],
        samples: list[str],
        *,
        genotypes: bool,
        genes: bool = False,
        requested: Collection[str] = (),
    ) -> None:
        self.schema = result_schema(
            with_genotype=len(samples) == 1,
            with_genotypes=genotypes,
            with_genes=genes,
            requested=requested,
        )
        self._waiting: list[pa.Table] = []
        self._num_rows = self._num_bytes = 0
        self._row_group_rows = ROW_GROUP_ROWS
        # Calls take several times as much while they are written.
        self._row_group_bytes = ROW_GROUP_BYTES // (4 if "calls" in requested else 1)
        metadata = {METADATA_KEY: json.dumps(provenance)}
        if genotypes or "calls" in requested:
            metadata["samples"] = json.dumps(samples)
            rows = max(_ROW_GROUP_CALLS // max(len(samples), 1), _MIN_ROW_GROUP_ROWS)
            self._row_group_rows = min(ROW_GROUP_ROWS, rows)
        self._writer = pq.ParquetWriter(
            path,
            self.schema.with_metadata(metadata),
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in _leaves(self.schema) if name not in _PLAIN],
            write_page_checksum=True,
        )

    def add(self, table: pa.Table) -> None:
        """Add rows; see `typed_table`."""
        ends = np.cumsum(row_bytes(table))
        begin = done = 0
        while begin < len(table):
            last = int(np.searchsorted(ends, done + self._row_group_bytes - self._num_bytes))
            end = min(begin + self._row_group_rows - self._num_rows, last + 1)
            part = table.slice(begin, end - begin)
            # Combined, so that a part does not keep all of the table in memory.
            self._waiting.append(part.combine_chunks() if len(part) < len(table) else part)
            if end > len(table):
                self._num_rows += len(part)
                self._num_bytes += int(ends[-1]) - done
                return
            self._write()
            begin, done = end, int(ends[end - 1])

    def _write(self) -> None:
        """Write what waits as a row group."""
        # In one piece: where a dictionary is full is seen at the end of a batch, and each part begins one.
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting, self._num_rows, self._num_bytes = [], 0, 0
        self._writer.write_table(table, row_group_size=self._row_group_rows)

    def finish(self) -> None:
        if self._waiting:
            self._write()
        self._writer.close()

    def abandon(self) -> None:
        self._writer.close()


def row_bytes(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return how many bytes the texts and lists of each row have; of structs, with a number or two of each text."""
    sizes = np.zeros(len(table), np.int64)
    for column in table.columns:
        begin = 0
        for chunk in column.chunks:
            if len(chunk) and not pa.types.is_primitive(chunk.type):
                sizes[begin : begin + len(chunk)] += np.diff(_byte_offsets(chunk))
            begin += len(chunk)
    return sizes


def _byte_offsets(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return where each value of a column of texts or lists begins, in bytes, and where the last ends."""
    if pa.types.is_struct(array.type):
        # Of many short texts, where each begins takes as much as they do; and its number in the writer's dictionary.
        num_fields: int = array.type.num_fields
        total = np.arange(len(array) + 1, dtype=np.int64) * 8 * num_fields
        for field in array.flatten():
            total += _byte_offsets(field)
        return total
    if pa.types.is_primitive(array.type):
        width: int = (array.type.bit_width + 7) // 8
        return np.arange(len(array) + 1, dtype=np.int64) * width
    codes = np.frombuffer(array.buffers()[1], np.int32)[array.offset :][: len(array) + 1]
    offsets = codes.astype(np.int64)
    if not pa.types.is_list(array.type):
        return offsets
    values = array.values
    inner = _byte_offsets(values) if len(values) else np.zeros(1, np.int64)
    found: npt.NDArray[np.int64] = inner[offsets]
    return found


def typed_table(
    batch: Batch,
    records: pl.DataFrame,
    alleles: pl.DataFrame,
    ids: pl.DataFrame,
    schema: pa.Schema,
    consequences: pl.DataFrame | None = None,
) -> pa.Table:
    """Return the rows of a batch; see `Records`, `allele_rows`, `id_rows` and `consequence_rows` for the tables."""
    table = (
        alleles.with_columns(
            record=pl.col("row").cast(pl.Int64) + batch.first_record,
            alt=pl.when(pl.col("alt") != ".").then("alt"),
            ens_par=pl.col("par"),
            ens_reason=pl.col("reason"),
        )
        .join(records, on="row", how="left", maintain_order="left")
        .join(_typed_columns(ids), on="query", how="left", maintain_order="left")
    )
    if consequences is not None:
        table = table.join(consequences, on="query", how="left", maintain_order="left")
    if "gt" in records.columns:
        table = table.hstack(_carried(table))
    names = [name for name in schema.names if name != _GTS]
    whole = table.select(names).to_arrow().cast(pa.schema([schema.field(name) for name in names]))
    if _GTS not in schema.names:
        return whole
    lists = genotype_lists(batch, alleles["row"].to_numpy().astype(np.int64))
    return whole.add_column(schema.names.index(_GTS), schema.field(_GTS), lists)


def _typed_columns(ids: pl.DataFrame) -> pl.DataFrame:
    """Return the ``ens_*`` columns of the annotated table: one row per matched ALT."""
    terms = {
        "ens_clin": "allele_clin",
        "ens_rsclin": "clin",
        "ens_evidence": "evidence",
        "ens_source": "source",
    }
    listed = ids.group_by("query", maintain_order=True).agg(
        ens_id=pl.col("id"),
        ens_match=pl.col("match"),
        ens_multi=pl.col("multi"),
        ens_tsa=pl.col("tsa"),
        ens_ma=pl.col("ma"),
        ens_maf=pl.col("maf").cast(pl.Float64),
        ens_mac=pl.col("mac"),
        ens_aa=pl.col("aa"),
        **{
            name: pl.col(column)
            .drop_nulls()
            .str.split("|")
            .list.explode(empty_as_null=False)
            .unique(maintain_order=True)
            for name, column in terms.items()
        },
    )
    frequency = known_frequencies(ids).select("query", ens_af=pl.col("af").cast(pl.Float64))
    published = ids.group_by("query").agg(published=pl.col("has_frequency").any())
    why = pl.when("published").then(pl.lit("undecided")).otherwise(pl.lit("not_published"))
    return (
        listed.join(frequency, on="query", how="left", maintain_order="left")
        .join(published, on="query", how="left", maintain_order="left")
        .with_columns(ens_af_why=pl.when(pl.col("ens_af").is_null()).then(why))
    )


def _carried(alleles: pl.DataFrame) -> pl.DataFrame:
    """Return ``dosage`` and ``zygosity`` of each ``alt``, number ``alt_index``, in the genotype ``gt``."""
    pairs = alleles.select("gt", "alt_index").unique()
    found = [carried_copies(gt, index + 1) for gt, index in pairs.iter_rows()]
    schema = {"dosage": pl.Int32, "zygosity": pl.String}
    known = pairs.hstack(pl.DataFrame(found, schema, orient="row"))
    joined = alleles.join(
        known, ["gt", "alt_index"], "left", nulls_equal=True, maintain_order="left"
    )
    return joined.select(
        pl.when(pl.col("alt").is_not_null()).then(name).alias(name) for name in schema
    )


def _leaves(schema: pa.Schema) -> list[str]:
    return [path for field in schema for path in _paths(field.name, field.type)]


def _paths(name: str, dtype: pa.DataType) -> list[str]:
    """Return the paths of a column's leaves, as parquet has them; flags have no dictionary."""
    if pa.types.is_list(dtype):
        return _paths(f"{name}.list.element", dtype.value_type)
    if pa.types.is_struct(dtype):
        return [path for field in dtype for path in _paths(f"{name}.{field.name}", field.type)]
    return [] if pa.types.is_boolean(dtype) else [name]
