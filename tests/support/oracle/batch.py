"""Records as arrays, as the oracle reads them."""

from __future__ import annotations

from ensembl_annotations.vcf.batch import Batch, batch_of
from ensembl_annotations.vcf.read import (
    ALT,
    CHROM,
    FILTER,
    FORMAT,
    ID,
    INFO,
    QUAL,
    REF,
    SAMPLE,
    Header,
    is_utf8,
)

INFO_ID = rb'##INFO=<(?:[^"]*,)?ID=([^,>]+)'

__all__ = [
    "ALT",
    "CHROM",
    "FILTER",
    "FORMAT",
    "ID",
    "INFO",
    "INFO_ID",
    "QUAL",
    "REF",
    "SAMPLE",
    "Batch",
    "Header",
    "batch_of",
    "is_utf8",
]
