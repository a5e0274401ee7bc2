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

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.project.history import shown
from ensembl_annotations.store.describe import FILE_NAME, QUARANTINE

if TYPE_CHECKING:
    from dvc.repo import Repo

# What a store can hold; which of these it does, its datapackage.json says.
_STORE_NAME = re.compile(r"[a-z0-9]+_[a-z0-9_]+-chr[A-Za-z0-9][\w.-]*\.parquet")
ALTERED_LIST = "DVC's list of files"
_MD5 = re.compile(r"[0-9a-f]{32}")

_ASK_THE_WRITER = (
    "Nothing of it was used. Tell whoever writes to the remote: a list that names other files than "
    "the store's is an attack or a mistake."
)


def check_names(listed: Mapping[str, str], name: str) -> None:
    """Refuse a list that names what no reference store holds.

    Parameters
    ----------
    listed : mapping of str to str
        The MD5 of each file by its relpath.
    name : str
        What the list is of, for the message.

    Raises
    ------
    EnsemblAnnotationsError
    """
    strange = [path for path in listed if not _is_store_name(path)]
    if strange:
        raise EnsemblAnnotationsError(
            f"{name}: the list of files names {_first_of(map(shown, strange))}; expected only "
            f"{FILE_NAME}, {QUARANTINE} and <species>-chr<name>[.<role>].parquet.",
            hint=_ASK_THE_WRITER,
            code="forged_list",
        )
    if malformed := [path for path, md5 in listed.items() if not _MD5.fullmatch(md5)]:
        raise EnsemblAnnotationsError(
            f"{name}: the list of files has no MD5 of 32 hexadecimal digits for "
            f"{_first_of(malformed)}.",
            hint=_ASK_THE_WRITER,
            code="forged_list",
        )


def _first_of(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 3} more" if listed[3:] else ""
    return f"{', '.join(listed[:3])}{more}"


def _is_store_name(path: str) -> bool:
    return path in (FILE_NAME, QUARANTINE) or _STORE_NAME.fullmatch(path) is not None


def check_described(listed: Mapping[str, str], package: Path, name: str) -> None:
    """Refuse a list whose names are not those that the store's ``datapackage.json`` describes.

    Parameters
    ----------
    listed, name
        As in `check_names`.
    package : Path
        The ``datapackage.json`` that the list names, of any version, its MD5 compared.

    Raises
    ------
    EnsemblAnnotationsError
    """
    try:
        described = {entry["path"] for entry in json.loads(package.read_bytes())["resources"]}
        described |= {FILE_NAME, QUARANTINE}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnsemblAnnotationsError(
            f"{name}: its {FILE_NAME} is not a description of a reference store ({error!r}).",
            hint=_ASK_THE_WRITER,
            code="forged_list",
        ) from error
    if more := sorted(listed.keys() - described):
        raise EnsemblAnnotationsError(
            f"{name}: the list of files names {_first_of(more)}, which its {FILE_NAME} does not.",
            hint=_ASK_THE_WRITER,
            code="forged_list",
        )


def altered_list(path: Path, digest: str) -> str | None:
    """Say in what a list in DVC's cache is not the one of a digest; None where it is, or is missing."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 == digest.removesuffix(".dir"):
        return None
    return f"{ALTERED_LIST} ({path}) is altered: its MD5 is {md5}, dvc.lock has {digest}"


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
    try:
        entries = json.loads(listing.read_bytes())
        named = {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {
        _joined(folder, path.split("/")): md5
        for path, md5 in named.items()
        if _leads_outside(path.split("/"))
    }


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
    try:
        # No pipe: that would be waited for.
        if not path.is_file():
            return False
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False))
    except OSError:
        return False
    return found.hexdigest() == md5
