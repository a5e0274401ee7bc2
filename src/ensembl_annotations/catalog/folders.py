"""Folders as DVC knows them, and whether one is what ``dvc.lock`` names."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from ensembl_annotations.catalog.materialize import LOCK, STORE, dvc_cache
from ensembl_annotations.catalog.versions import locked_paths, read_lock
from ensembl_annotations.common.datapackage import FILE_NAME, ReferenceStore

_DIGEST = re.compile(r"[0-9a-f]{32}\.dir")


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal, as DVC writes it."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def list_folder(folder: Path) -> dict[str, str]:
    """Return the MD5 of every file in a folder, by its path there; links are followed."""
    paths = [Path(parent) / name for parent, _, names in os.walk(folder) for name in names]
    return {path.relative_to(folder).as_posix(): md5_of(path) for path in sorted(paths)}


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
    return read_listing(cache / "files" / "md5" / digest[:2] / digest[2:], digest)


def verify_reference(
    store: ReferenceStore, chromosomes: Collection[str] | None = None
) -> tuple[list[str], str]:
    """Read a reference store whole, and compare it with all that is known of it.

    Parameters
    ----------
    store : ReferenceStore
        Where it is the one of a repository, it is compared with that ``dvc.lock``, too.
    chromosomes : collection of str, optional
        Only the files of these; default all, and that there are no others.

    Returns
    -------
    problems : list of str
        One line for each file.
    compared : str
        The names of the files it was compared with.
    """
    problems = store.verify(None if chromosomes is None else list(chromosomes))
    folder = store.folder.resolve()
    root = folder.parents[len(STORE.parts) - 1] if len(folder.parts) > len(STORE.parts) else folder
    digest = _locked_digest(root) if root / STORE == folder else None
    if digest is None:
        return problems, FILE_NAME
    listed = cached_listing(dvc_cache(root), digest)
    if chromosomes is not None:
        if listed is None:
            return problems, FILE_NAME
        wanted = {item.path.name for item in store.resources_of(list(chromosomes))} | {FILE_NAME}
        listed = {name: md5 for name, md5 in listed.items() if name in wanted}
        there = {name: md5_of(folder / name) for name in wanted if (folder / name).exists()}
    else:
        there = list_folder(folder)
    if listed is None:
        if digest_of(there) != digest and not problems:
            problems = [f"{STORE} has the MD5 {digest_of(there)}, {LOCK} has {digest}"]
    else:
        named = {problem.partition(" ")[0].rstrip(":") for problem in problems}
        problems += [
            problem
            for name in sorted(listed.keys() | there.keys())
            if name not in named and (problem := _difference(name, there, listed))
        ]
    return problems, f"{FILE_NAME} and {LOCK}"


def _difference(name: str, there: Mapping[str, str], listed: Mapping[str, str]) -> str | None:
    if name not in listed:
        return f"{name} does not belong there: {LOCK} has no such file"
    if name not in there:
        return f"{name} is missing"
    if there[name] != listed[name]:
        return f"{name}: MD5 is {there[name]}, {LOCK} has {listed[name]}"
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
