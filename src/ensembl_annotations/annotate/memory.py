"""How large the pieces of a VCF may be, and how many are in work, within a budget of memory."""

import sys
from typing import NamedTuple

from ensembl_annotations.common.pool import num_threads
from ensembl_annotations.vcf.read import BATCH_BYTES, PER_ALLELE_BYTE, Limits

MIN_MEMORY_MB = 400
DEFAULT_MEMORY_MB = 1500
MAX_BATCH_BYTES = 32 << 20
"""With a table a piece has a fixed cost, but larger ones gain nothing: 16,000 records of 2,500 samples took
16.1 s of processor time in pieces of 4 MB, and 12.0, 12.3, 12.5 and 12.6 s in pieces of 16, 32, 64 and
128 MB. Without one they lose: 25,000 records of 200 samples took 1.83 s in pieces of 4 MB and 2.09 s in
those of 32 MB, for which the system has to find memory each time."""

# Measured as peaks of whole runs, rounded up. Beside the pieces: the program, the header, and what of the
# reference is unpacked; with a table the libraries for it, and the row group that is collected.
_FIXED_MB = 150
_TABLE_MB = 190
# A piece of 32,000 short records while it is in work.
_PIECE_MB = 40
_PIECE_MB_TABLE = 60
# A byte of long lines: 4.5 for the text and the new text; 13 of an ID, 17 of a GT and 40 of an AD that are
# values of a table.
_PER_BYTE = 5
_PER_BYTE_TABLE = 40
# A line alone: beside it, a part of a row group waits.
_PER_LINE_BYTE = 8
_PER_LINE_BYTE_TABLE = 45
# What a header and a contig that is not in the reference take.
_PER_HEADER_BYTE = 5
_PER_CONTIG = 1200
_LEAST_ALONE_MB = 60
# A byte of consequences: in the kernel, in the text and in the text that is written; in a table, with what
# it grows into, which is one struct of 23 texts for each.
_PER_TOLD_BYTE = 5
_PER_TOLD_BYTE_TABLE = 8
# With genes a record gets 200 bytes for each transcript that is told, twice while it is written, and a table
# has 23 texts of it: pieces are so many times shorter.
_SHORTER = {"pick": 2, "gene": 4, "all": 8}


# A call is a struct of 50 bytes, more than its text, and there once for each ALT.
_TIMES_WITH_CALLS = 3


class Plan(NamedTuple):
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
    most_told_bytes, most_told_alone : int
        Of the consequences of a piece, which is annotated in parts where it has more; and of a line, which is refused.
    """

    workers: int
    max_batch_bytes: int
    limits: Limits
    max_absent: int
    most_told_bytes: int
    most_told_alone: int


def num_together(memory_mb: int) -> int:
    """Return how many small VCFs, each with a table and within `MIN_MEMORY_MB`, may be annotated at a time.

    What the program and its libraries take they share.
    """
    room = memory_mb - _FIXED_MB - _TABLE_MB
    return max(1, min(num_threads(), room // (MIN_MEMORY_MB - _FIXED_MB - _TABLE_MB)))


def plan_pieces(
    memory_mb: int,
    *,
    table: bool = False,
    transcripts: str | None = None,
    calls: bool = False,
) -> Plan:
    """Return what fits into a budget (10^6 bytes).

    Parameters
    ----------
    memory_mb : int
    table : bool
        Whether the table is written, or the tally, which is made from the same rows.
    transcripts : str, optional
        Whose consequences are told; None where the reference has no genes.
    calls : bool
        Whether the table has the calls of all samples.
    """
    times = _TIMES_WITH_CALLS if calls else 1
    room = memory_mb - _FIXED_MB - _TABLE_MB * table
    piece_mb = _PIECE_MB_TABLE if table else _PIECE_MB
    threads = num_threads()
    # One more, since one waits for the next piece; not where others use all cores but one.
    workers = max(1, min(threads + (threads > 1), room // piece_mb))
    alone = max(room, _LEAST_ALONE_MB) * 1_000_000
    limits = Limits(
        alone // (times * (_PER_LINE_BYTE_TABLE if table else _PER_LINE_BYTE)),
        alone // PER_ALLELE_BYTE,
        alone // _PER_HEADER_BYTE,
        "Give more memory with --memory-mb (memory_mb in params.yaml), or correct the file.",
    )
    shorter = times * (_SHORTER[transcripts] if transcripts else 1)
    per_told = _PER_TOLD_BYTE_TABLE if table else _PER_TOLD_BYTE
    # Half for what is in work and waits, half for a line alone. Picks are bounded by what a line may have.
    told = alone // 2 // per_told
    told_alone = sys.maxsize if transcripts == "pick" else told
    told //= workers + 2
    if room < 2 * piece_mb:
        return Plan(1, BATCH_BYTES // 4 // shorter, limits, alone // _PER_CONTIG, told, told_alone)
    # Beside those in work, one is read and one written.
    per_byte = _PER_BYTE_TABLE if table else _PER_BYTE
    text = max(room - workers * piece_mb, 0) * 1_000_000 // (per_byte * (workers + 2))
    most = min(BATCH_BYTES + text, MAX_BATCH_BYTES) // shorter
    most = most if table else min(most, BATCH_BYTES)
    return Plan(workers, most, limits, alone // _PER_CONTIG, told, told_alone)
