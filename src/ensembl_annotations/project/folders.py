"""Folders as DVC knows them, and whether one is what ``dvc.lock`` names."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from ensembl_annotations.common.errors import EnsemblAnnotationsError, ReferenceStoreError
from ensembl_annotations.common.hashes import md5_of, sha256_of
from ensembl_annotations.project.file_list import ALTERED_LIST, altered_list, find_strays
from ensembl_annotations.project.git import locked_paths, read_lock
from ensembl_annotations.project.history import shown
from ensembl_annotations.project.materialize import (
    ASSETS,
    LOCK,
    METRICS,
    REFERENCE,
    REPORTS,
    STORE,
    dvc_cache,
)
from ensembl_annotations.store.describe import FILE_NAME, QUARANTINE, ReferenceStore
from ensembl_annotations.variants.chromosomes import listed_chromosomes

_MOST_LINES = 12
# What stages write, complete or not.
_IN_STORE = re.compile(
    r"\.[^/]*\.tmp|[a-z0-9]+_[a-z0-9_]+-chr[^/]+\.parquet|datapackage\.json|quarantine\.tsv\.gz"
)
_IN_REPORT = r"\.[^/]*\.tmp|summary\.html|{sample}_mqc\.json"
# Older commits had the page and the section for MultiQC in the sample's folder.
_IN_SAMPLE = rf"{_IN_REPORT}|annotated\.(vcf\.gz(\.csi|\.tbi)?|parquet)|tally\.json"
_PLOTS = r"|(contigs|frequencies)\.svg"
# Nobody's loss.
_UNSEEN = (".DS_Store", "*.pyc")
# As in .dvcignore: DVC does not hash them.
_NOISE = (*_UNSEEN, "*.swp", "*~", ".*.tmp")
_DIGEST = re.compile(r"[0-9a-f]{32}\.dir")
_STRAY = f"was put there by a list of files that is not the one of {LOCK}"
_STRAY_HINT = (
    "Whoever can write to the remote had DVC write it, and it may have been run: look at it before "
    "you remove it ('git status', 'git checkout'), ask who that was, then run 'ensembl-annotations "
    "repair'."
)


def name_files(folder: Path, noise: Collection[str] = _NOISE) -> list[str]:
    """Return every file in a folder, by its path there, but noise: what ``.dvcignore`` leaves out."""
    return sorted(
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder)
        for name in names
        if not any(fnmatch(name, pattern) for pattern in noise)
    )


def list_folder(folder: Path) -> dict[str, str]:
    """Return the MD5 of every file in a folder, by its path there; links are followed.

    What is no file that can be read, such as a pipe or a dead link, has none: an empty text.
    """
    return {
        name: md5_of(folder / name) if (folder / name).is_file() else ""
        for name in name_files(folder)
    }


def digest_of(listed: Mapping[str, str]) -> str:
    """Return the MD5 by which DVC knows a folder, from those of its files."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()  # type: ignore[no-untyped-call]
    for path, md5 in listed.items():
        tree.add(tuple(path.split("/")), None, HashInfo("md5", md5))
    tree.digest()
    return str(tree.hash_info.value)


def read_listing(path: Path, digest: str) -> dict[str, str] | None:
    """Return the MD5 of a folder's files from DVC's list of them.

    Parameters
    ----------
    path : Path
        The list in DVC's cache.
    digest : str
        The MD5 of the folder.

    Returns
    -------
    dict of str to str or None
        By path in the folder; None where the list is missing, or is not the one of that digest.
    """
    try:
        content = path.read_bytes()
        entries = json.loads(content)
        listed = {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return listed if md5 == digest.removesuffix(".dir") else None


def cached_listing(cache: Path | None, digest: str) -> dict[str, str] | None:
    """Return the MD5 of a folder's files, where the cache of DVC in the folder `cache` has the list."""
    if cache is None or not _DIGEST.fullmatch(digest):
        return None
    return read_listing(_list_path(cache, digest), digest)


def _list_path(cache: Path, digest: str) -> Path:
    return cache / "files" / "md5" / digest[:2] / digest[2:]


def refuse_foreign(project: Path, path: Path) -> None:
    """Refuse an output's folder with files of someone else's: DVC removes them with the output.

    Parameters
    ----------
    project, path : Path
        The repository, and the folder of the output in it.

    Raises
    ------
    EnsemblAnnotationsError
        Naming them. What another commit's output has is in DVC's cache, and is none of them.
    """
    folder = project / path
    cache = dvc_cache(project)
    ours = _IN_STORE if path == STORE else _of_sample(path)
    foreign = [
        name
        for name in name_files(folder, _UNSEEN)
        if not ours.fullmatch(name) and not _is_cached(folder / name, cache)
    ]
    if foreign:
        more = f" and {len(foreign) - 3} more" if foreign[3:] else ""
        raise EnsemblAnnotationsError(
            f"{path}: {shown(', '.join(foreign[:3]))}{more}: not made by the pipeline, and would be "
            "removed, since DVC replaces the folder as a whole.",
            hint="Move what is yours to another folder, then run this again.",
            code="foreign_files",
        )


def _of_sample(path: Path) -> re.Pattern[str]:
    pattern = _IN_REPORT + _PLOTS if path.parent == REPORTS else _IN_SAMPLE
    return re.compile(pattern.replace("{sample}", re.escape(path.name)))


def _is_cached(path: Path, cache: Path | None) -> bool:
    if cache is None or not path.is_file():
        return False
    md5 = md5_of(path)
    return (cache / "files" / "md5" / md5[:2] / md5[2:]).exists()


def refuse_other_reference(folder: Path, project: Path = Path()) -> None:
    """Refuse to use the project's reference where it is not the one that ``dvc.lock`` names.

    Parameters
    ----------
    folder : Path
        A store. One that is not the project's is not looked at.
    project : Path
        The repository.

    Raises
    ------
    ReferenceStoreError

    Notes
    -----
    Only small files are read: ``dvc.lock`` has the MD5 of the stage's figures, these have the SHA-256 of
    ``datapackage.json``, and that has those of the footers, which are compared where they are read.
    """
    if not (project / LOCK).exists() or not _is_same(folder, project / STORE):
        return
    stage = (read_lock((project / LOCK).read_bytes()) or {}).get(ASSETS[REFERENCE])
    figures = METRICS / f"{ASSETS[REFERENCE]}.json"
    locked = locked_paths(stage, "outs").get(figures.as_posix())
    if locked is None:
        return
    try:
        content = (project / figures).read_bytes()
        expected = str(json.loads(content)["reference_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        content, expected = b"", ""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != locked["md5"]:
        raise ReferenceStoreError(
            f"{figures}: is not as {LOCK} has it: MD5 {locked['md5']}. So which reference is to be "
            "used can't be told.",
            hint=f"'git checkout {figures} {LOCK}' takes both as they were; or run 'make'.",
            code="other_reference",
        )
    if (found := sha256_of(project / STORE / FILE_NAME)) != expected:
        raise ReferenceStoreError(
            f"{STORE}: is not the reference that {LOCK} names: the SHA-256 of its {FILE_NAME} is "
            f"{found}, expected {expected}.",
            hint="Run 'make' to have the one that is named, or 'ensembl-annotations repair' where files "
            "were altered. To use this one as it is, move it to a folder outside the repository.",
            code="other_reference",
        )


def _is_same(one: Path, other: Path) -> bool:
    return (one / FILE_NAME).exists() and other.exists() and one.samefile(other)


def verify_reference(
    store: ReferenceStore, chromosomes: Sequence[str] | str | None = None
) -> tuple[list[str], str]:
    """Read a reference store whole, and compare it with all that is known of it.

    Parameters
    ----------
    store : ReferenceStore
        Where it is the one of a repository, it is compared with that ``dvc.lock``, too.
    chromosomes : sequence of str, or str, optional
        Only the files of these; default all, and that there are no others.

    Returns
    -------
    problems : list of str
        One line for each file.
    compared : str
        What it was compared with, and why not with ``dvc.lock`` where it should have been.
    """
    chosen = listed_chromosomes(chromosomes)
    problems = store.verify(chosen)
    wanted = {item.path.name for item in store.resources_of(chosen)}
    wanted |= {FILE_NAME} if chosen is not None else {FILE_NAME, QUARANTINE}
    # Links are kept: the folder may be one to a larger disk.
    folder = Path(os.path.abspath(store.folder))  # noqa: PTH100
    root = folder.parents[len(STORE.parts) - 1] if len(folder.parts) > len(STORE.parts) else folder
    digest = _locked_digest(root) if root / STORE == folder else None
    listed = cached_listing(dvc_cache(root), digest) if digest else None
    named = {problem.partition(" ")[0].rstrip(":") for problem in problems}
    of_list = _list_problems(root, digest) if digest else []
    if listed is not None:
        if chosen is not None:
            listed = {name: md5 for name, md5 in listed.items() if name in wanted}
        names = wanted if chosen is not None else name_files(folder)
        there = {name: md5_of(folder / name) for name in names if (folder / name).is_file()}
        there |= {
            name: "" for name in names if os.path.lexists(folder / name) and name not in there
        }
        problems += [
            problem
            for name in sorted(listed.keys() | there.keys())
            if name not in named and (problem := _difference(name, there, listed))
        ]
        return of_list + problems, f"{FILE_NAME} and {LOCK}"
    if chosen is None:
        foreign = sorted(set(name_files(folder)) - wanted - named)
        problems += [f"{shown(name)} does not belong there" for name in foreign]
    if digest is None:
        is_project = root / STORE == folder and (root / ".dvc").is_dir()
        return (
            problems,
            f"{FILE_NAME} only, since {LOCK} has no reference" if is_project else FILE_NAME,
        )
    if chosen is not None:
        return (
            of_list + problems,
            f"{FILE_NAME} only, since DVC's cache has no list of what {LOCK} names",
        )
    if not problems and (found := digest_of(list_folder(folder))) != digest:
        problems = [f"{STORE} has the MD5 {found}, {LOCK} has {digest}"]
    return of_list + problems, f"{FILE_NAME} and {LOCK}"


def _list_problems(root: Path, digest: str) -> list[str]:
    """Say what a list of files that is not the one of ``dvc.lock`` is, and what DVC wrote by it."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    cache = dvc_cache(root)
    if cache is None or not _DIGEST.fullmatch(digest):
        return []
    listing = _list_path(cache, digest)
    altered = altered_list(listing, digest)
    strays: list[Path] = []
    # Where DVC can't open its own folders it has written nothing either.
    with suppress(DvcException, OSError), Repo(str(root)) as repo:
        strays = find_strays(repo, root / STORE, listing)
    placed = [f"{shown(_relative(path, root))} {_STRAY}" for path in strays]
    return placed + ([altered] if altered else [])


def describe_strays(strays: Collection[Path], root: Path) -> tuple[list[str], str]:
    """Return lines of text on files that a forged list had DVC write, and what to do next."""
    lines = [f"{shown(_relative(path, root))} {_STRAY}." for path in strays]
    return lines, _STRAY_HINT


def _relative(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def describe_problems(problems: list[str]) -> tuple[list[str], str]:
    """Return the first problems of `verify_reference` as lines of text, and what to do next."""
    lines = problems[:_MOST_LINES]
    if problems[_MOST_LINES:]:
        lines.append(f"and {len(problems) - _MOST_LINES} more")
    if any(problem.endswith(_STRAY) for problem in problems):
        hint = _STRAY_HINT
    elif all(problem.endswith("is missing") for problem in problems):
        hint = (
            "Run 'ensembl-annotations pull' to get them from the remote, or 'dvc repro fetch_ensembl' "
            "to make them. Where you pulled some chromosomes only, name them with --chromosomes."
        )
    elif all(_is_of_another_commit(problem) for problem in problems):
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


def _is_of_another_commit(problem: str) -> bool:
    is_list = problem.startswith(ALTERED_LIST)
    return (LOCK.name in problem and not is_list) or problem.endswith("is missing")


def _difference(name: str, there: Mapping[str, str], listed: Mapping[str, str]) -> str | None:
    if name not in listed:
        return f"{shown(name)} does not belong there: {LOCK} has no such file"
    if name not in there:
        return f"{name} is missing"
    if there[name] != listed[name]:
        return f"{name}: MD5 is {there[name] or 'not known'}, {LOCK} has {listed[name]}"
    return None


def _locked_digest(root: Path) -> str | None:
    try:
        stages = read_lock((root / LOCK).read_bytes()) or {}
    except OSError:
        return None
    for stage in stages.values():
        if out := locked_paths(stage, "outs").get(STORE.as_posix()):
            return str(out["md5"])
    return None
