"""What the annotated table must have, made from the oracle's matches with joins of polars."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.alleles import NOT_COMPARABLE
from ensembl_annotations.variants.outcomes import CSQ_FIELDS
from ensembl_annotations.variants.schema import result_schema
from ensembl_annotations.vcf.read import BATCH_BYTES, VcfReader
from tests.support.oracle import matched
from tests.support.oracle.batch import batch_of
from tests.support.oracle.fields import carried_copies, typed_records
from tests.support.oracle.lookup import Contigs
from tests.support.oracle.read import Reference
from tests.support.oracle.values import typed_columns


def expected_table(
    vcf: Path,
    store: Path,
    *,
    with_sites: bool = False,
    chromosomes: tuple[str, ...] | None = None,
) -> pl.DataFrame:
    """Return the rows of the table that `annotate` must write with a store without genes."""
    opened, parts = ReferenceStore(store), []
    reference = Reference(opened)
    with VcfReader(vcf) as reader:
        requested = None if chromosomes is None else frozenset(chromosomes)
        contigs = Contigs(opened, reader.header.contigs(), requested)
        num_samples = len(reader.header.samples)
        schema = result_schema(with_genotype=num_samples == 1)
        # In long pieces, however short those of the engine are: see `expected`.
        reader.batch_bytes = BATCH_BYTES
        for piece in reader.pieces():
            batch = batch_of(piece, reader.path)
            by_id, alleles = matched(batch, contigs, reference, with_sites=with_sites)
            table = (
                alleles.with_columns(
                    pl.col("row").cast(pl.UInt32),
                    record=pl.col("row").cast(pl.Int64) + batch.first_record,
                    alt=pl.when(pl.col("alt") != ".").then("alt"),
                    ens_key=pl.when(
                        (pl.col("code") != NOT_COMPARABLE)
                        & (pl.col("contig_reason") != "contig_refused").fill_null(True)
                    ).then(
                        pl.concat_str(
                            "contig", pl.col("start") + 1, "deleted", "inserted", separator="-"
                        )
                    ),
                    ens_par=pl.col("par"),
                    ens_reason=pl.col("reason"),
                )
                .join(typed_records(batch, num_samples), "row", "left", maintain_order="left")
                .join(typed_columns(by_id), "query", "left", maintain_order="left")
            )
            parts.append(_carried(table) if num_samples == 1 else table)
    whole = pl.concat(part.select(schema.names) for part in parts)
    typed = pl.from_arrow(whole.to_arrow().cast(schema))
    assert isinstance(typed, pl.DataFrame)
    return typed


def _carried(table: pl.DataFrame) -> pl.DataFrame:
    """Add ``dosage`` and ``zygosity`` of each ALT."""
    pairs = [
        carried_copies(gt, index + 1) if alt is not None else (None, None)
        for gt, index, alt in table.select("gt", "alt_index", "alt").iter_rows()
    ]
    schema = {"dosage": pl.Int32, "zygosity": pl.String}
    return table.hstack(pl.DataFrame(pairs, schema, orient="row"))


def expected_entries(csq: str) -> list[dict[str, object]]:
    """Return the entries of an ENS_CSQ as the table has them."""
    entries = []
    for entry in csq.split(","):
        values = [value.replace("%3D", "=") or None for value in entry.split("|")]
        fields: dict[str, object] = dict(zip(map(str.lower, CSQ_FIELDS), values, strict=True))
        fields["consequence"] = str(fields["consequence"]).split("&")
        entries.append(fields)
    return entries
