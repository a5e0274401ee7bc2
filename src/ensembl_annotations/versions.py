"""Versions of what the pipeline makes: a stage is stale when its version is raised, not when code changes.

Each is raised whenever the same inputs would give something else: other values, columns or layout. They are
not the package's version: a release that changes no result must not make every result look out of date.
"""

STORE_VERSION = 7
"""Of the reference store; a store of another version is not opened."""

ENGINE_VERSION = 8
"""Of annotation: the annotated VCF and table, and the tally."""

REPORT_VERSION = 5
"""Of the report of an entry: the page, the section for MultiQC, the pictures."""
