"""Annotate VCFs with a verified, versioned Ensembl reference."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensembl_annotations.annotate import annotate_vcf
    from ensembl_annotations.annotate.frame import annotate_frame
    from ensembl_annotations.annotate.query import lookup
    from ensembl_annotations.common.errors import (
        EnsemblAnnotationsError,
        InputError,
        ReferenceStoreError,
        SourceError,
        UsageError,
    )
    from ensembl_annotations.fetch import fetch_ensembl, plan_fetch
    from ensembl_annotations.project.comparison import compare_stores
    from ensembl_annotations.project.history import read_history
    from ensembl_annotations.project.materialize import materialize, plan_materialize
    from ensembl_annotations.project.overview import write_catalog
    from ensembl_annotations.project.provenance import trace_provenance
    from ensembl_annotations.report.report import write_report
    from ensembl_annotations.store.index import write_index
    from ensembl_annotations.store.scan import scan_reference

    __version__: str

__all__ = [
    "EnsemblAnnotationsError",
    "InputError",
    "ReferenceStoreError",
    "SourceError",
    "UsageError",
    "__version__",
    "annotate_frame",
    "annotate_vcf",
    "compare_stores",
    "fetch_ensembl",
    "lookup",
    "materialize",
    "plan_fetch",
    "plan_materialize",
    "read_history",
    "scan_reference",
    "trace_provenance",
    "write_catalog",
    "write_index",
    "write_report",
]

# Imported when first used: a stage or command starts with what it needs only.
_MODULES = {
    "EnsemblAnnotationsError": "ensembl_annotations.common.errors",
    "InputError": "ensembl_annotations.common.errors",
    "ReferenceStoreError": "ensembl_annotations.common.errors",
    "SourceError": "ensembl_annotations.common.errors",
    "UsageError": "ensembl_annotations.common.errors",
    "annotate_frame": "ensembl_annotations.annotate.frame",
    "annotate_vcf": "ensembl_annotations.annotate",
    "compare_stores": "ensembl_annotations.project.comparison",
    "fetch_ensembl": "ensembl_annotations.fetch",
    "lookup": "ensembl_annotations.annotate.query",
    "materialize": "ensembl_annotations.project.materialize",
    "plan_materialize": "ensembl_annotations.project.materialize",
    "plan_fetch": "ensembl_annotations.fetch",
    "read_history": "ensembl_annotations.project.history",
    "scan_reference": "ensembl_annotations.store.scan",
    "trace_provenance": "ensembl_annotations.project.provenance",
    "write_catalog": "ensembl_annotations.project.overview",
    "write_index": "ensembl_annotations.store.index",
    "write_report": "ensembl_annotations.report.report",
}


# Who uses the library decides whether its messages are printed.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __dir__() -> list[str]:
    # For Tab: what is not imported yet, too.
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("ensembl-annotations")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
