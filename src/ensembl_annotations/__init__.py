"""Annotate VCFs with a verified, versioned Ensembl reference."""

from ensembl_annotations.annotate import annotate_vcf
from ensembl_annotations.catalog.materialize import materialize
from ensembl_annotations.fetch import fetch_ensembl

__all__ = ["annotate_vcf", "fetch_ensembl", "materialize"]
