"""What changed between the genes of two reference stores: genes, transcripts, and the transcripts that are picked.

A *change* is of a gene, or of a transcript, by its ID without version. Of a gene it says which transcript
is MANE Select, MANE Plus Clinical or canonical, since by these one transcript of a gene is chosen.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.genes import scan_genes

PICKS = ("mane_select", "mane_plus_clinical", "canonical")
WHAT = (
    *PICKS, "retired_gene", "new_gene", "renamed_gene", "retired_transcript", "new_transcript", "model", "biotype",
    "peptide", "version",
)  # fmt: skip
"""The kinds of change, in the order in which they are told: a `model` is strand, exons and CDS."""

_MODEL = ("strand", "exon_starts", "exon_ends", "cds_start", "cds_end", "cds_phase")
_PEPTIDE = ("peptide", "cds_start_nf", "cds_end_nf", "selenocysteines")
_FIELDS = ("chrom", "gene_id", "symbol", "id", "what", "from", "to")


def compare_genes(a: ReferenceStore, b: ReferenceStore, limit: int | None) -> dict[str, Any] | None:
    """Compare the genes of two stores, on the chromosomes of which both have them.

    Parameters
    ----------
    a, b : ReferenceStore
    limit : int or None
        Changes to return, those of what is picked first; None for all.

    Returns
    -------
    dict or None
        ``chromosomes``, ``num_transcripts`` (of A and B), ``counts`` by the kinds `WHAT`,
        ``num_changes`` and ``changes``: rows of ``chrom``, ``gene_id``, ``symbol``, ``id`` (of what
        changed), ``what``, ``from`` and ``to``. None where they have genes of no common chromosome.
    """
    with_genes = b.chromosomes_with("genes")
    common = [name for name in a.chromosomes_with("genes") if name in with_genes]
    if not common:
        return None
    counts: Counter[str] = Counter()
    totals = [0, 0]
    first: pl.DataFrame | None = None
    for name in common:
        one, other = (_read(store, name) for store in (a, b))
        totals = [totals[0] + len(one), totals[1] + len(other)]
        found = pl.concat([*_gene_changes(one, other), *_transcript_changes(one, other)])
        counts.update(dict(found["what"].value_counts().iter_rows()))
        first = found if first is None else pl.concat([first, found])
        order = pl.col("what").replace_strict(list(WHAT), list(range(len(WHAT))))
        first = first.sort(order, maintain_order=True).head(len(first) if limit is None else limit)
    assert first is not None
    return {
        "chromosomes": common,
        "num_transcripts": totals,
        "counts": {what: counts[what] for what in WHAT},
        "num_changes": counts.total(),
        "changes": first.to_dicts(),
    }


def _read(store: ReferenceStore, name: str) -> pl.DataFrame:
    frame = scan_genes(store.folder, [name]).collect()
    text = pl.format(
        "{}:{}-{}, {} exons", "chrom", "start", "end", pl.col("exon_starts").list.len()
    )
    cds = pl.format(", CDS {}-{}", "cds_start", "cds_end").fill_null("")
    nf = [pl.when(flag).then(pl.lit(f" {flag}")).otherwise(pl.lit("")) for flag in _PEPTIDE[1:3]]
    return frame.with_columns(
        model_text=text + cds,
        peptide_text=pl.concat_str("peptide", *nf),
        biotype_text="biotype",
        version_text="transcript_version",
    )


def _joined(one: pl.DataFrame, other: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return both sides in one row each, B's columns behind ``b_``; ``chrom`` is null where a side has none."""
    named = other.rename({name: f"b_{name}" for name in other.columns if name != key})
    return one.join(named, on=key, how="full", coalesce=True, maintain_order="left_right")


def _changes(frame: pl.DataFrame, what: str, key: str, before: str, after: str) -> pl.DataFrame:
    """Return rows of one kind of change, in the form of the result."""
    return frame.select(
        pl.coalesce("chrom", "b_chrom").alias("chrom"),
        (pl.col("gene_id") if key == "gene_id" else pl.coalesce("b_gene_id", "gene_id")).alias(
            "gene_id"
        ),
        pl.coalesce("b_symbol", "symbol").alias("symbol"),
        pl.col(key).alias("id"),
        pl.lit(what).alias("what"),
        pl.col(before).cast(pl.String).alias("from"),
        pl.col(after).cast(pl.String).alias("to"),
    )


def _gene_changes(one: pl.DataFrame, other: pl.DataFrame) -> list[pl.DataFrame]:
    def genes(frame: pl.DataFrame) -> pl.DataFrame:
        picked = [
            pl.col("transcript_id").filter(pl.col(pick)).sort().str.join("&").replace("", None).alias(pick)
            for pick in PICKS
        ]  # fmt: skip
        first = pl.col("chrom", "symbol", "gene_biotype").first()
        return frame.group_by("gene_id", maintain_order=True).agg(first, *picked)

    both = _joined(genes(one), genes(other), "gene_id")
    new, retired, kept = _parted(both)
    found = [
        _changes(retired, "retired_gene", "gene_id", "gene_biotype", "b_gene_biotype"),
        _changes(new, "new_gene", "gene_id", "gene_biotype", "b_gene_biotype"),
    ]
    for name, what in {**{pick: pick for pick in PICKS}, "symbol": "renamed_gene"}.items():
        differs = kept.filter(pl.col(name).ne_missing(pl.col(f"b_{name}")))
        found.append(_changes(differs, what, "gene_id", name, f"b_{name}"))
    return found


def _transcript_changes(one: pl.DataFrame, other: pl.DataFrame) -> list[pl.DataFrame]:
    new, retired, kept = _parted(_joined(one, other, "transcript_id"))
    found = [
        _changes(retired, "retired_transcript", "transcript_id", "biotype", "b_biotype"),
        _changes(new, "new_transcript", "transcript_id", "biotype", "b_biotype"),
    ]
    kinds = {"model": _MODEL, "peptide": _PEPTIDE}
    kinds |= {"biotype": ("biotype",), "version": ("transcript_version",)}
    for what, columns in kinds.items():
        differs = pl.any_horizontal(
            pl.col(name).ne_missing(pl.col(f"b_{name}")) for name in columns
        )
        ends = f"{what}_text", f"b_{what}_text"
        found.append(_changes(kept.filter(differs), what, "transcript_id", *ends))
    return found


def _parted(both: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return what is in B only, what is in A only, and what is in both."""
    in_a, in_b = pl.col("chrom").is_not_null(), pl.col("b_chrom").is_not_null()
    return both.filter(~in_a), both.filter(~in_b), both.filter(in_a & in_b)
