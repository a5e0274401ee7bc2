"""How large the pieces of a VCF may be, and how many are in work, within a budget of memory."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ensembl_annotations.vcf.read import BATCH_BYTES, PER_ALLELE_BYTE, Limits

MIN_MEMORY_MB = 400
DEFAULT_MEMORY_MB = 1500
MAX_BATCH_BYTES = 32 << 20
"""Larger pieces gain nothing: 16,000 records of 2,500 samples took 16.1 s of processor time in
pieces of 4 MB, and 12.0, 12.3, 12.5 and 12.6 s in pieces of 16, 32, 64 and 128 MB."""

# Measured as peaks of whole runs, rounded up: modules and a row group of the reference, the rows of
# a row group of the table, what a piece of 32,000 short records takes while it is in work, and
# what each byte of long lines does: the text, the text with its cuts, and the new text.
_FIXED_MB = 330
_TABLE_MB = 90
_PIECE_MB = 100
_PER_BYTE = 3
_PER_BYTE_GENOTYPES = 12
# What a line, a header and a contig that is not in the reference take, alone, at the worst.
_PER_LINE_BYTE = 12
_PER_HEADER_BYTE = 5
_PER_CONTIG = 1600
_LEAST_ALONE_MB = 60


@dataclass(frozen=True)
class Plan:
    """How a run is cut into pieces.

    Attributes
    ----------
    workers : int
        Pieces that are annotated at a time.
    max_batch_bytes : int
        Text of one piece.
    limits : Limits
        What a VCF may have.
    max_absent : int
        Contigs of a VCF that are not in the reference.
    """

    workers: int
    max_batch_bytes: int
    limits: Limits
    max_absent: int


def plan_pieces(memory_mb: int, *, table: bool = False, genotypes: bool = False) -> Plan:
    """Return what fits into a budget (10^6 bytes).

    Parameters
    ----------
    memory_mb : int
    table : bool
        Whether the table is written.
    genotypes : bool
        Whether it has the genotypes of all samples.
    """
    room = memory_mb - _FIXED_MB - _TABLE_MB * table
    workers = max(1, min((os.cpu_count() or 1) + 1, room // _PIECE_MB))
    alone = max(room, _LEAST_ALONE_MB) * 1_000_000
    limits = Limits(
        alone // _PER_LINE_BYTE,
        alone // PER_ALLELE_BYTE,
        alone // _PER_HEADER_BYTE,
        "Give more memory with --memory-mb (memory_mb in params.yaml), or correct the file.",
    )
    factor = _PER_BYTE_GENOTYPES if genotypes else _PER_BYTE
    if room < 2 * _PIECE_MB:
        return Plan(1, BATCH_BYTES // 4, limits, alone // _PER_CONTIG)
    # Beside those in work, one is read and one written.
    text = max(room - workers * _PIECE_MB, 0) * 1_000_000 // (factor * (workers + 2))
    most = min(BATCH_BYTES + text, MAX_BATCH_BYTES)
    return Plan(workers, most, limits, alone // _PER_CONTIG)
