"""The stages `ensembl_manifest` and `fetch_ensembl`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensembl_annotations.fetch.fetch import fetch_ensembl, plan_fetch
    from ensembl_annotations.fetch.layouts import Layout
    from ensembl_annotations.fetch.manifest import ensure_manifest, manifest_path

__all__ = ["Layout", "ensure_manifest", "fetch_ensembl", "manifest_path", "plan_fetch"]

# Imported when first used: `make` looks at a manifest, and mostly fetches nothing.
_MODULES = {
    "Layout": "layouts",
    "ensure_manifest": "manifest",
    "fetch_ensembl": "fetch",
    "manifest_path": "manifest",
    "plan_fetch": "fetch",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
