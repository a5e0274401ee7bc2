"""Tallies of runs, as ``tally.json`` has them."""

from __future__ import annotations

from typing import Any

from ensembl_annotations.variants.outcomes import REASONS

Cell = tuple[str, int, int, str, bool | None, int]
"""Contig, window, status (0 in Ensembl, 1 not, 2 not comparable), kind, whether a transition, count."""

_CUBE = ("chrom", "window", "status", "kind", "transition", "count")
_COUNTS = ("records", "alleles", "compared", "exact", "shifted", "par", "id_conflicts", *REASONS)
NO_VARIANTS: dict[str, Any] = {"genotypes": {}, "listed": [], "num_filtered": 0}


def tally_of(*cells: Cell, **parts: Any) -> dict[str, Any]:
    """Return a tally with these counts; `parts` replace others, those of ``metrics`` one by one."""
    metrics = {"release": 116, "assembly": "GRCh38", "annotated_percent": 0.0}
    metrics |= {f"num_{name}": 0 for name in _COUNTS}
    provenance = {
        "Release": "116",
        "Source": "ensembl",
        "Species": "homo_sapiens",
        "Assembly": "GRCh38",
        "Chromosomes": "all",
        "ReferenceSHA256": "0" * 64,
        "Match": "allele",
        "Engine": "1",
    }
    return {
        "vcf": "me.vcf.gz",
        "samples": ["me"],
        "contig_lengths": {},
        "release_date": "2026-04-04",
        "notes": [],
        "cube": {name: [cell[place] for cell in cells] for place, name in enumerate(_CUBE)},
        "frequencies": {},
        "terms": {},
        "other_terms": {},
        "certain": NO_VARIANTS,
        "uncertain": NO_VARIANTS,
        **parts,
        "metrics": metrics | parts.get("metrics", {}),
        "provenance": provenance | parts.get("provenance", {}),
    }


def sample_row(sample: str, **figures: Any) -> dict[str, Any]:
    """Return the row of a sample in the tally of an entry."""
    counts = {f"num_{name}": 0 for name in _COUNTS}
    named = {"sample": sample, "num_known": 0, "transitions": 0, "transversions": 0}
    return {**counts, **named, "annotated_percent": 90.0, **figures}


def entry_of(*rows: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """Return the tally of an entry with these rows."""
    return {
        "release": 116,
        "release_date": None,
        "assembly": "GRCh38",
        "source": "ensembl",
        "reference_sha256": "0" * 64,
        "options": {},
        "samples": list(rows),
        "failures": [],
        "contigs": {"chr1": [3, 1, 0]},
        "frequencies": {},
        **parts,
    }
