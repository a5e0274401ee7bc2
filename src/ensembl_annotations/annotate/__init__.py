"""The stage `annotate`."""

from ensembl_annotations.annotate.annotate import annotate_vcf

__all__ = ["annotate_vcf"]
