"""What `annotate` must write, made another way: with tables of polars, all published rows at hand.

This was the engine before there was a kernel. It shares with it neither code nor the ways in which
rows are looked up, nor the store's codes: keys are made anew from REF and ALT as published.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.outcomes import TAG_IDS
from ensembl_annotations.vcf.read import BATCH_BYTES, VcfReader
from tests.support.oracle.batch import ALT, CHROM, REF, Batch, batch_of
from tests.support.oracle.lookup import Contigs
from tests.support.oracle.match import find_matches, split_alleles
from tests.support.oracle.read import Reference
from tests.support.oracle.sites import SITE_TAG, with_site_tags
from tests.support.oracle.text import (
    annotated_text,
    count_id_conflicts,
    without_tags,
)
from tests.support.oracle.values import per_id, record_tags


@dataclass
class Expected:
    """The records, and what is counted."""

    text: bytes = b""
    counts: Counter[str] = field(default_factory=Counter)


def expected(
    vcf: Path,
    store: Path,
    *,
    tags: tuple[str, ...] = TAG_IDS,
    id_mode: str = "append",
    overwrite: bool = False,
    with_sites: bool = False,
    chromosomes: tuple[str, ...] | None = None,
) -> Expected:
    """Return the records as `annotate` must write them."""
    found = Expected()
    opened = ReferenceStore(store)
    reference = Reference(opened)
    with VcfReader(vcf) as reader:
        requested = None if chromosomes is None else frozenset(chromosomes)
        contigs = Contigs(opened, reader.header.contigs(), requested)
        # In long pieces, however short those of the engine are: what is looked up together must not matter.
        reader.batch_bytes = BATCH_BYTES
        pieces = list(reader.pieces())
        for piece in pieces:
            batch = batch_of(piece, reader.path)
            if overwrite:
                batch = without_tags(batch, tags)
            by_id, alleles = matched(batch, contigs, reference, with_sites=with_sites)
            changes = record_tags(alleles, by_id, tags)
            if SITE_TAG in tags:
                changes = with_site_tags(changes, alleles)
            found.text += annotated_text(batch, changes, id_mode).to_pybytes()
            found.counts.update(_counts(alleles))
            found.counts["num_id_conflicts"] += count_id_conflicts(batch, changes)
        if reader.ends_without_newline:
            found.text = found.text[:-1]
    return found


_MATCHED: dict[tuple[object, ...], tuple[pl.DataFrame, pl.DataFrame]] = {}


def matched(
    batch: Batch, contigs: Contigs, reference: Reference, *, with_sites: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Match the ALTs of a batch: once for all files and options that change nothing of it."""
    key = (
        reference.store.digest,
        contigs.requested,
        tuple(contigs.lengths.items()),
        *(tuple(batch.text(column).to_list()) for column in (CHROM, REF, ALT)),
        tuple(batch.pos.tolist()),
    )
    if key not in _MATCHED:
        hits, alleles = find_matches(split_alleles(batch, contigs), reference)
        _MATCHED[key] = per_id(hits), alleles
    by_id, alleles = _MATCHED[key]
    if not with_sites:
        alleles = alleles.with_columns(
            pl.lit(None).cast(alleles["ens_site_id"].dtype).alias("ens_site_id")
        )
    return by_id, alleles


def _counts(alleles: pl.DataFrame) -> dict[str, int]:
    reasons = alleles["reason"].drop_nulls().value_counts()
    return {
        "num_alleles": int((alleles["alt"] != ".").sum()),
        "num_exact": int((alleles["reason"].is_null() & ~alleles["shifted"]).sum()),
        "num_shifted": int(alleles["shifted"].sum()),
        "num_par": int(alleles.filter("par")["row"].n_unique()),
        **{f"num_{name}": count for name, count in reasons.iter_rows()},
    }
