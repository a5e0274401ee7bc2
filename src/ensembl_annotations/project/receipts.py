"""Receipts: beside each result of many, what it was made from and what became of it, in ``receipt.json``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ensembl_annotations.common.errors import explained_os_errors
from ensembl_annotations.common.json_files import read_object
from ensembl_annotations.project.entry import read_entry
from ensembl_annotations.project.kept import KeptResults
from ensembl_annotations.project.paths import STORE, asset_of, paths_of
from ensembl_annotations.project.project import Project
from ensembl_annotations.versions import ENGINE_VERSION

RECEIPT = "receipt.json"


def made_with(project: Project) -> dict[str, Any]:
    """Return what all results of now are made with, beside a VCF; nothing of it depends on the machine."""
    return {
        "reference": project.lock.digest_of(STORE),
        "engine": ENGINE_VERSION,
        "options": project.params.annotate.model_dump(),
    }


def made_from(kept: KeptResults, vcf: Path) -> dict[str, Any]:
    """Return what names a VCF in a receipt: its folder does not."""
    return {"vcf": {"name": vcf.name, "md5": kept.digest_of(vcf)}}


def unlike_receipts(project: Project, names: Iterable[str]) -> dict[str, list[Path]]:
    """Return the VCFs that are not those which the receipts tell of, by entry.

    Parameters
    ----------
    project : Project
    names : iterable of str
        Entries of many VCFs, whose results are here.
    """
    found: dict[str, list[Path]] = {}
    with project.dvc.opened() as repo, explained_os_errors("reading"):
        assert project.dvc.cache is not None
        kept = KeptResults(repo, project.dvc.cache)
        for name in names:
            folder = project.root / paths_of(asset_of(name)).folder
            unlike = [
                item.vcf
                for item in read_entry(project.root, project.params.samples[name].vcf).vcfs
                if not made_from(kept, project.root / item.vcf).items()
                <= read_object(folder / item.sample / RECEIPT).items()
            ]
            if unlike:
                found[name] = unlike
    return found
