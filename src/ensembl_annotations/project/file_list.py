"""DVC's list of a folder's files, by which DVC writes: what it may name, and what a forged one wrote.

A list is a JSON array of objects with ``relpath`` and ``md5``. It is kept like a file, under its own MD5
with ``.dir`` behind it, which is what ``dvc.lock`` has for the folder. DVC (3.67) takes a list from a
remote without comparing that MD5, with ``verify = true`` too, and writes each file to the folder joined
with its relpath: one with ``..`` lies anywhere. So a list is checked before DVC sees it. Once the right
one is in DVC's cache, DVC takes that one and not the remote's.

Source: dvc_data 3.18, ``index.py``: ``_load_from_storage`` asks the cache, then the remote, and
``_load_from_object_storage`` believes what it reads.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.hashes import md5_of, md5_of_bytes
from ensembl_annotations.common.problems import Kind, Problem
from ensembl_annotations.common.words import listed, printable
from ensembl_annotations.project.paths import LOCK
from ensembl_annotations.store.describe import COMMON_FILES, FILE_NAME

if TYPE_CHECKING:
    from dvc.repo import Repo

# What a store can hold; which of these it does, its datapackage.json says.
_STORE_NAME = re.compile(r"[a-z0-9]+_[a-z0-9_]+-chr[A-Za-z0-9][\w.-]*\.(?:parquet|2bit)")
_MD5 = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{32}\.dir")

_ASK_THE_WRITER = (
    "Nothing of it was used. Tell whoever writes to the remote: a list that names other files than "
    "the store's is an attack or a mistake."
)


class ForgedListError(EnsemblAnnotationsError):
    """A list of files that no stage of ours wrote: somebody placed it, or edited ``dvc.lock``."""

    def __init__(self, message: str, *, hint: str = _ASK_THE_WRITER) -> None:
        super().__init__(message, hint=hint, code="forged_list")


class ListKind(Kind):
    """What can be wrong with a list of files, and where one led."""

    ALTERED = (
        f"DVC's list of files ({{name}}) is altered: its MD5 is {{found}}, {LOCK} has {{expected}}"
    )
    STRAY = f"{{name}} was put there by a list of files that is not the one of {LOCK}"


STRAY_HINT = (
    "Whoever can write to the remote had DVC write it, and it may have been run: look at it before "
    "you remove it ('git status', 'git checkout'), ask who that was, then run 'ensembl-annotations "
    "repair'."
)


def cached_path(cache: Path, digest: str) -> Path:
    """Return where DVC's cache in the folder `cache` has, or would have, what has an MD5."""
    return cache / "files" / "md5" / digest[:2] / digest[2:]


def is_digest(text: str) -> bool:
    """Say whether a text is an MD5 of a list, as ``dvc.lock`` has it for a folder."""
    return _DIGEST.fullmatch(text) is not None


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
    with suppress(OSError):
        content = path.read_bytes()
        if md5_of_bytes(content) == digest.removesuffix(".dir"):
            return _parsed(content)
    return None


def _parsed(content: bytes) -> dict[str, str] | None:
    """Return the MD5 by relpath; None where the content is no list of files."""
    try:
        return {str(entry["relpath"]): str(entry["md5"]) for entry in json.loads(content)}
    except (ValueError, KeyError, TypeError):
        return None


def cached_listing(cache: Path | None, digest: str) -> dict[str, str] | None:
    """Return the MD5 of a folder's files, where the cache of DVC in the folder `cache` has the list."""
    if cache is None or not is_digest(digest):
        return None
    return read_listing(cached_path(cache, digest), digest)


def check_names(listing: Mapping[str, str], name: str) -> None:
    """Refuse a list that names what no reference store holds.

    Parameters
    ----------
    listing : mapping of str to str
        The MD5 of each file by its relpath.
    name : str
        What the list is of, for the message.

    Raises
    ------
    ForgedListError
    """
    if strange := [path for path in listing if not _is_store_name(path)]:
        raise ForgedListError(
            f"{name}: the list of files names {listed(map(printable, strange))}; expected only "
            f"{', '.join(COMMON_FILES)} and <species>-chr<name>.parquet or .2bit."
        )
    if malformed := [path for path, md5 in listing.items() if not _MD5.fullmatch(md5)]:
        raise ForgedListError(
            f"{name}: the list of files has no MD5 of 32 hexadecimal digits for "
            f"{listed(malformed)}."
        )


def _is_store_name(path: str) -> bool:
    return path in COMMON_FILES or _STORE_NAME.fullmatch(path) is not None


def check_described(listing: Mapping[str, str], package: Path, name: str) -> None:
    """Refuse a list whose names are not those that the store's ``datapackage.json`` describes.

    Parameters
    ----------
    listing, name
        As in `check_names`.
    package : Path
        The ``datapackage.json`` that the list names, of any version, its MD5 compared.

    Raises
    ------
    ForgedListError
    """
    try:
        described = {entry["path"] for entry in json.loads(package.read_bytes())["resources"]}
        described |= {*COMMON_FILES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ForgedListError(
            f"{name}: its {FILE_NAME} is not a description of a reference store ({error!r})."
        ) from error
    if more := sorted(listing.keys() - described):
        raise ForgedListError(
            f"{name}: the list of files names {listed(more)}, which its {FILE_NAME} does not."
        )


def altered_list(path: Path, digest: str) -> Problem | None:
    """Say in what a list in DVC's cache is not the one of a digest; None where it is, or is missing."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    md5 = md5_of_bytes(content)
    if md5 == digest.removesuffix(".dir"):
        return None
    return Problem(str(path), ListKind.ALTERED, md5, digest)


def find_strays(repo: Repo, folder: Path, listing: Path) -> list[Path]:
    """Return the files that a forged list had DVC write outside the folders of its outputs.

    Parameters
    ----------
    repo : Repo
        Of DVC.
    folder : Path
        The reference's.
    listing : Path
        Its list in DVC's cache, forged or not.

    Returns
    -------
    list of Path
        Those that are there with the content that the list gave them.

    Notes
    -----
    DVC does not keep a forged list in its cache (with ``verify = true``), but its index of what it
    wrote has the names, until DVC fetches something else.
    """
    named = {**_listed_outside(folder, listing), **_indexed_outside(repo)}
    return sorted(path for path, md5 in named.items() if _has_content(path, md5))


def _listed_outside(folder: Path, listing: Path) -> dict[Path, str]:
    with suppress(OSError):
        return {
            _joined(folder, path.split("/")): md5
            for path, md5 in (_parsed(listing.read_bytes()) or {}).items()
            if _leads_outside(path.split("/"))
        }
    return {}


def _indexed_outside(repo: Repo) -> dict[Path, str]:
    return {_joined(Path(repo.root_dir), parts): md5 for parts, md5 in _indexed_files(repo)}


def _indexed_files(repo: Repo) -> Iterator[tuple[tuple[str, ...], str]]:
    for key in repo.data_index.iterkeys():
        # The others are of remotes, not of folders.
        kind, _, workspace, *parts = (*key, "", "", "")[: max(3, len(key))]
        if (kind, workspace) != ("tree", "repo") or not _leads_outside(parts):
            continue
        # DVC's index does not find again what has an empty part; nothing was written by it.
        with suppress(KeyError):
            entry = repo.data_index[key]
            if entry.hash_info and entry.hash_info.value:
                yield tuple(parts), str(entry.hash_info.value)


def _leads_outside(parts: Iterable[str]) -> bool:
    return any(part in ("", ".", "..") or "\\" in part for part in parts)


def _joined(folder: Path, parts: Iterable[str]) -> Path:
    return Path(os.path.normpath(os.path.join(folder, *parts)))  # noqa: PTH118


def _has_content(path: Path, md5: str) -> bool:
    """Say whether a file is there with this content; a link is followed."""
    with suppress(OSError):
        # No pipe: that would be waited for.
        return path.is_file() and md5_of(path) == md5
    return False
