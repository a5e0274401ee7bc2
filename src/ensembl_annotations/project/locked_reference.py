"""Refuse to annotate with a reference that is not the one of ``dvc.lock``; asked before every run in a repository."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.hashes import md5_of_bytes, sha256_of
from ensembl_annotations.common.json_files import parse_object
from ensembl_annotations.project.figures import all_figures
from ensembl_annotations.project.paths import FETCH, LOCK, REFERENCE, STORE, paths_of
from ensembl_annotations.project.project import Project
from ensembl_annotations.store.describe import FILE_NAME


def refuse_other_reference(folder: Path, project: Project) -> None:
    """Refuse to use the project's reference where it is not the one that ``dvc.lock`` names.

    Parameters
    ----------
    folder : Path
        A store. One that is not the project's is not looked at.
    project : Project

    Raises
    ------
    ReferenceStoreError

    Notes
    -----
    Only small files are read: ``dvc.lock`` has the MD5 of the stage's figures, these have the SHA-256 of
    ``datapackage.json``, and that has those of the footers, which are compared where they are read.
    """
    if not _is_same(folder, project.root / STORE):
        return
    figures = paths_of(REFERENCE).metrics
    locked = project.lock.outs(FETCH).get(figures.as_posix())
    if locked is None:
        return
    content = b""
    with suppress(OSError):
        content = (project.root / figures).read_bytes()
    if md5_of_bytes(content) != locked["md5"]:
        raise ReferenceStoreError(
            f"{figures}: is not as {LOCK} has it: MD5 {locked['md5']}. So which reference is to be "
            "used can't be told.",
            hint=f"'git checkout {figures} {LOCK}' takes both as they were; or run 'make'.",
            code="other_reference",
        )
    expected = all_figures(parse_object(content)).get("reference_sha256")
    if (found := sha256_of(project.root / STORE / FILE_NAME)) != expected:
        raise ReferenceStoreError(
            f"{STORE}: is not the reference that {LOCK} names: the SHA-256 of its {FILE_NAME} is "
            f"{found}, expected {expected}.",
            hint="Run 'make' to have the one that is named, or 'ensembl-annotations repair' where files "
            "were altered. To use this one as it is, move it to a folder outside the repository.",
            code="other_reference",
        )


def _is_same(one: Path, other: Path) -> bool:
    return (one / FILE_NAME).exists() and other.exists() and one.samefile(other)
