"""Compare references that are named by a folder or a git revision, for a sample of the repository."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ensembl_annotations.common.atomic import path_of
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.compare.compare import NamedStore, compare
from ensembl_annotations.project.paths import ANNOTATED, TABLE
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.revisions import open_store


def compare_stores(
    a: Path | str,
    b: Path | str,
    *,
    sample: Path | str | None = None,
    out_parquet: Path | str | None = None,
    limit: int | None = 20,
    project: Project | Path | str = Path(),
) -> dict[str, Any]:
    """Compare two reference stores, and say what changed from the first to the second.

    Parameters
    ----------
    a, b : Path or str
        Each a folder with a store, or a git revision of the repository in `project`.
    sample : Path or str, optional
        Count and list only alleles that this sample carries: a sample of the repository, or the
        path of an annotated table, a VCF or a BCF.
    out_parquet : Path or str, optional
        Write a row per change here; see Notes.
    limit : int or None
        Changes to return, the most telling ones first: clinical terms, with those that name
        *pathogenic* before others, then lost IDs, then frequencies by their difference, then new
        IDs. None for all, by position.
    project : Project, Path or str
        The repository.

    Returns
    -------
    dict
        ``a`` and ``b`` (name, source, release, ``reference_sha256``, ``num_rows`` of the common
        chromosomes, ``num_entries``), ``species``, ``assembly``, ``chromosomes`` (those compared),
        ``only_in_a`` and ``only_in_b`` (chromosomes), ``sample`` (whether there is one),
        ``num_alleles_of_sample``, ``counts`` by category, ``changes`` (the columns below) and
        ``num_changes`` (all, listed or not), ``genes`` (what `compare_genes` returns; None for a
        sample).

    Raises
    ------
    UsageError
        Where an argument is neither a folder nor a revision, or species or assembly differ.
    ReferenceStoreError
        Where a store is not complete, or the data of a revision are nowhere.
    InputError
        Where the sample's file can't be used.

    Notes
    -----
    `ensembl_annotations.compare.compare.compare` defines the categories and the columns of a change.

    Examples
    --------
    >>> from ensembl_annotations import fetch_ensembl
    >>> before = fetch_ensembl(
    ...     "before", mirrors="data/mini_ensembl", release=115, chromosomes="21"
    ... )
    >>> result = compare_stores("before", "data/ensembl_annotations", limit=1)
    >>> result["chromosomes"], result["num_changes"] > len(result["changes"])
    (['21'], True)
    """
    project = Project.open(project)
    with ExitStack() as stack:
        sides = [
            NamedStore(name, stack.enter_context(open_store(name, project)))
            for name in (str(a), str(b))
        ]
        return compare(
            *sides,
            sample=None if sample is None else _sample_file(str(sample), project),
            out_parquet=path_of(out_parquet),
            limit=limit,
        )


def _sample_file(sample: str, project: Project) -> Path:
    """Return the table of a sample of the repository, or the file of that name."""
    path = project.root / ANNOTATED / sample / TABLE
    if not path.is_file():
        path = Path(sample)
    if not path.is_file():
        raise UsageError(
            f"{sample}: neither a sample with {ANNOTATED}/<sample>/{TABLE} nor a file.",
            hint="Run 'make' to annotate it, or give the path of a VCF or of an annotated table.",
        )
    return path
