"""The stages `ensembl_manifest` and `fetch_ensembl`."""

from ensembl_annotations.fetch.fetch import fetch_ensembl, plan_fetch
from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.manifest import ensure_manifest, manifest_path

__all__ = ["Layout", "ensure_manifest", "fetch_ensembl", "manifest_path", "plan_fetch"]
