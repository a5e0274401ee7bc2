"""Whether a reference store is the one that ``dvc.lock`` names: what is wrong, and what to do next."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ensembl_annotations.common.hashes import md5_of
from ensembl_annotations.common.problems import Kind, Problem
from ensembl_annotations.project.file_list import (
    STRAY_HINT,
    ListKind,
    altered_list,
    cached_listing,
    cached_path,
    find_strays,
    is_digest,
)
from ensembl_annotations.project.folders import digest_of, list_folder, name_files
from ensembl_annotations.project.paths import LOCK, STORE
from ensembl_annotations.project.project import Project
from ensembl_annotations.store.describe import FILE_NAME, ReferenceStore, StoreKind
from ensembl_annotations.variants.chromosomes import listed_chromosomes

_MOST_LINES = 12


class LockKind(Kind):
    """In what a store can differ from ``dvc.lock``, or have more than its description names."""

    MD5 = f"{{name}}: MD5 is {{found}}, {LOCK} has {{expected}}"
    FOLDER = f"{{name}} has the MD5 {{found}}, {LOCK} has {{expected}}"
    NOT_LOCKED = f"{{name}} does not belong there: {LOCK} has no such file"
    FOREIGN = "{name} does not belong there"


_OF_ANOTHER_COMMIT = (LockKind.MD5, LockKind.FOLDER, LockKind.NOT_LOCKED, StoreKind.MISSING)


def verify_reference(
    store: ReferenceStore, chromosomes: Sequence[str] | str | None = None
) -> tuple[list[Problem], str]:
    """Read a reference store whole, and compare it with all that is known of it.

    Parameters
    ----------
    store : ReferenceStore
        Where it is the one of a repository, it is compared with that ``dvc.lock``, too.
    chromosomes : sequence of str, or str, optional
        Only the files of these; default all, and that there are no others.

    Returns
    -------
    problems : list of Problem
        One for each file.
    compared : str
        What it was compared with, and why not with ``dvc.lock`` where it should have been.
    """
    # Here, since it takes long to import, and most commands verify nothing.
    from ensembl_annotations.store.index import open_index

    chosen = listed_chromosomes(chromosomes)
    problems = store.verify(chosen)
    if index := open_index(store.folder, store):
        problems += index.problems()
    wanted = {item.path.name for item in store.resources_of(chosen)}
    wanted |= {FILE_NAME} if chosen is not None else {FILE_NAME, *store.common}
    # Links are kept: the folder may be one to a larger disk.
    folder = Path(os.path.abspath(store.folder))  # noqa: PTH100
    depth = len(STORE.parts)
    project = Project(folder.parents[depth - 1] if len(folder.parts) > depth else folder)
    is_project = project.root / STORE == folder
    digest = project.lock.digest_of(STORE) if is_project else None
    listing = cached_listing(project.dvc.cache, digest) if digest else None
    of_list = _list_problems(project, digest) if digest else []
    named = {problem.name for problem in problems}
    if listing is not None:
        if chosen is not None:
            listing = {name: md5 for name, md5 in listing.items() if name in wanted}
        there = _digests(folder, wanted if chosen is not None else name_files(folder))
        problems += [
            problem
            for name in sorted(listing.keys() | there.keys())
            if name not in named and (problem := _difference(name, there, listing))
        ]
        return of_list + problems, f"{FILE_NAME} and {LOCK}"
    if chosen is None:
        foreign = sorted(set(name_files(folder)) - wanted - named)
        problems += [Problem(name, LockKind.FOREIGN) for name in foreign]
    if digest is None:
        is_locked = is_project and (project.root / ".dvc").is_dir()
        without = f"{FILE_NAME} only, since {LOCK} has no reference"
        return problems, without if is_locked else FILE_NAME
    if chosen is not None:
        without = f"{FILE_NAME} only, since DVC's cache has no list of what {LOCK} names"
        return of_list + problems, without
    if not problems and (found := digest_of(list_folder(folder))) != digest:
        problems = [Problem(str(STORE), LockKind.FOLDER, found, digest)]
    return of_list + problems, f"{FILE_NAME} and {LOCK}"


def _digests(folder: Path, names: Collection[str]) -> dict[str, str]:
    """Return the MD5 of those that are there; of what is no file, an empty text."""
    return {
        name: md5_of(folder / name) if (folder / name).is_file() else ""
        for name in names
        if os.path.lexists(folder / name)
    }


def _list_problems(project: Project, digest: str) -> list[Problem]:
    """Say what a list of files that is not the one of ``dvc.lock`` is, and what DVC wrote by it."""
    # Here, since it takes a second to import.
    from dvc.exceptions import DvcException

    cache = project.dvc.cache
    if cache is None or not is_digest(digest):
        return []
    listing = cached_path(cache, digest)
    altered = altered_list(listing, digest)
    strays: list[Path] = []
    # Where DVC can't open its own folders it has written nothing either.
    with suppress(DvcException, OSError), project.dvc.opened() as repo:
        strays = find_strays(repo, project.root / STORE, listing)
    return stray_problems(strays, project.root) + ([altered] if altered else [])


def stray_problems(strays: Collection[Path], root: Path) -> list[Problem]:
    """Return what is wrong with files that a forged list had DVC write."""
    names = (path.relative_to(root) if path.is_relative_to(root) else path for path in strays)
    return [Problem(str(name), ListKind.STRAY) for name in names]


def _difference(name: str, there: Mapping[str, str], listing: Mapping[str, str]) -> Problem | None:
    if name not in listing:
        return Problem(name, LockKind.NOT_LOCKED)
    if name not in there:
        return Problem(name, StoreKind.MISSING)
    if there[name] != listing[name]:
        return Problem(name, LockKind.MD5, there[name] or "not known", listing[name])
    return None


def describe_problems(problems: Sequence[Problem]) -> tuple[list[str], str]:
    """Return the first problems of `verify_reference` as lines of text, and what to do next."""
    lines = [str(problem) for problem in problems[:_MOST_LINES]]
    if problems[_MOST_LINES:]:
        lines.append(f"and {len(problems) - _MOST_LINES} more")
    kinds = {problem.kind for problem in problems}
    if ListKind.STRAY in kinds:
        hint = STRAY_HINT
    elif kinds == {StoreKind.MISSING}:
        hint = (
            "Run 'ensembl-annotations pull' to get them from the remote, or 'dvc repro fetch_ensembl' "
            "to make them. Where you pulled some chromosomes only, name them with --chromosomes."
        )
    elif kinds.issubset(_OF_ANOTHER_COMMIT):
        hint = (
            f"It is whole, but not what {LOCK} names, such as another commit's: run 'dvc checkout "
            "fetch_ensembl', or 'ensembl-annotations pull', and move elsewhere what is yours."
        )
    else:
        hint = (
            "Run 'ensembl-annotations repair' to mend what is altered or missing, or 'dvc repro --force "
            "fetch_ensembl' to make it again; move elsewhere what does not belong there."
        )
    return lines, hint
