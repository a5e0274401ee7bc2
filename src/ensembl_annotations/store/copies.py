"""Copy a reference store, as files and with its index, to where it is read in place: a folder, or S3.

What describes is written last. So whoever reads meanwhile finds no store, or no index yet.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from ensembl_annotations.common.addresses import is_address
from ensembl_annotations.common.atomic import atomic_path
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    ReferenceStoreError,
    UsageError,
)
from ensembl_annotations.common.words import one_line
from ensembl_annotations.store import index
from ensembl_annotations.store.describe import FILE_NAME, ReferenceStore, Resource
from ensembl_annotations.store.groups import RowGroups
from ensembl_annotations.store.remote import Files, files_at, is_remote, s3_system

_COPY_BYTES = 1 << 24


def copy_store(folder: Path, target: str) -> dict[str, int]:
    """Copy a store to `target`, and an index of it beside that, which is made here.

    Parameters
    ----------
    folder : Path
        The store, whole; its index is written beside it.
    target : str
        A folder, or ``s3://…``; new, or with this store or a part of it.

    Returns
    -------
    dict
        ``num_files``, ``num_bytes``: of store and index.

    Raises
    ------
    EnsemblAnnotationsError
        Where the target has another reference or its index, or can't be written. `UsageError` for a
        web server, which takes no files.
    """
    store, target = ReferenceStore(folder), target.rstrip("/")
    _check_target(folder, target)
    there = files_at(target)
    _refuse_another(there, store)
    index.open_index(target, store)
    index.write_index(folder)
    kept = {item.path.name for item in store.resources if _is_there(there, item)}
    num_files = num_bytes = 0
    for source, to, last in (
        (folder, target, FILE_NAME),
        (Path(index.index_folder(folder)), index.index_folder(target), index.FILE_NAME),
    ):
        for path in sorted(source.iterdir(), key=lambda path: (path.name == last, path.name)):
            if path.name not in kept:
                _copy(path, to)
            num_files, num_bytes = num_files + 1, num_bytes + path.stat().st_size
    return {"num_files": num_files, "num_bytes": num_bytes}


def _check_target(folder: Path, target: str) -> None:
    if is_address(target) and not (is_remote(target) and target.lower().startswith("s3:")):
        raise UsageError(
            f"{target}: no files are written there; expected a folder, or s3://….",
            hint="Give a folder, and copy it and its index to the server, side by side.",
        )
    if is_remote(target):
        return
    path = Path(target).resolve()
    is_inside = any((parent / FILE_NAME).exists() for parent in path.parents)
    if not target or path == folder.resolve() or is_inside:
        raise UsageError(
            f"{target or 'the target'}: expected a folder outside of a reference store.",
            hint="Give a folder of its own.",
        )


def _refuse_another(there: Files, store: ReferenceStore) -> None:
    content = there.read(FILE_NAME)
    if content is not None and hashlib.sha256(content).hexdigest() != store.digest:
        raise EnsemblAnnotationsError(
            f"{there.where(FILE_NAME)}: is of another reference, which somebody may be reading; nothing was "
            "changed.",
            hint="Give each reference a folder of its own, or remove the other one and its index.",
        )


def _is_there(there: Files, item: Resource) -> bool:
    """Tell whether a former copy brought a file: its footer is that of these rows."""
    if item.role == "sequence":
        return False
    try:
        return len(RowGroups.of(there, item).footer) > 0
    except ReferenceStoreError:
        return False


def _copy(path: Path, folder: str) -> None:
    """Copy a file into a folder, whole or not at all."""
    try:
        if is_remote(folder):
            _upload(path, f"{folder[len('s3://') :]}/{path.name}")
        else:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with atomic_path(Path(folder) / path.name) as temporary:
                shutil.copyfile(path, temporary)
    except OSError as error:
        raise EnsemblAnnotationsError(
            f"{folder}/{path.name}: can't be written ({one_line(error)}).",
            hint="Free space or check your rights there, then run it again: what has arrived is kept.",
        ) from error


def _upload(path: Path, name: str) -> None:
    """Give an object in S3 a file's content, whole or not at all."""
    system, part = s3_system(), f"{name}.part"
    # What is written becomes an object though the writing breaks off.
    with path.open("rb") as source, system.open_output_stream(part) as out:
        shutil.copyfileobj(source, out, _COPY_BYTES)
    system.copy_file(part, name)
    # Who may not remove objects leaves it there; it is no file of a store.
    with suppress(OSError):
        system.delete_file(part)
