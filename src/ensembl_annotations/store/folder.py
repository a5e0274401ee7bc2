"""Replace a reference store as a whole: the old one stays until the new one is complete."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from ensembl_annotations.common.atomic import flush
from ensembl_annotations.common.errors import EnsemblAnnotationsError, explained_os_errors
from ensembl_annotations.store.describe import COMMON_FILES, FILE_NAME


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes `out`'s place when the block ends without an error.

    Raises
    ------
    EnsemblAnnotationsError
        Where `out` holds something that is not a reference store, or can't be written.

    Notes
    -----
    The folder is locked while it is in use, so what a killed run left behind is told from what
    another run is writing, and removed.
    """
    out = out.resolve()
    _refuse_foreign(out)
    with explained_os_errors("writing the reference store", out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder, lock = _make_locked(out)
    try:
        with explained_os_errors("writing the reference store", out):
            yield folder
            for path in [*folder.iterdir(), folder]:
                flush(path)
            with _parent_locked(out):
                # Again: what came here since the run began is not ours either.
                _refuse_foreign(out)
                _swap(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _refuse_foreign(out: Path) -> None:
    """Raise where replacing `out` would remove what is not a reference store."""
    if out == Path.cwd() or out in Path.cwd().parents:
        raise EnsemblAnnotationsError(
            f"{out}: is the folder you are in; it would be replaced.",
            hint="Choose another folder with --out, or run the command in another folder.",
        )
    if problem := _not_ours(out):
        raise EnsemblAnnotationsError(
            f"{out}: exists and {problem}; it would be replaced.",
            hint="Choose a new folder with --out.",
        )


def _is_store(folder: Path) -> bool:
    return any(folder.iterdir()) and _not_ours(folder) is None


def _not_ours(out: Path) -> str | None:
    """Say why a path must not be replaced, or None where it is free, empty, or a store."""
    if not out.exists():
        return None
    if not out.is_dir():
        return "is not a reference store"
    names = {path.name for path in out.iterdir()}
    if not names:
        return None
    try:
        content = json.loads((out / FILE_NAME).read_bytes())
        described = {item["path"] for item in content["resources"]}
        content["store_version"]
    except (OSError, ValueError, KeyError, TypeError):
        return "is not a reference store"
    foreign = sorted(names - described - {*COMMON_FILES})
    return f"has files of others ({', '.join(foreign[:3])})" if foreign else None


@contextmanager
def _parent_locked(out: Path) -> Iterator[None]:
    """Keep other runs from making, removing and renaming folders beside `out`."""
    handle = os.open(out.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no such locks
            lock_descriptor(handle)
        yield
    finally:
        os.close(handle)


def _make_locked(out: Path) -> tuple[Path, int]:
    with _parent_locked(out):
        _remove_left_behind(out)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}{_MARK}", dir=out.parent))
        folder.chmod(0o755)
        lock = os.open(folder, os.O_RDONLY)
        with suppress(OSError):
            lock_descriptor(lock, blocking=False)
        return folder, lock


# In the names of our own folders, so that no other hidden folder is taken for one.
_MARK = ".ensembl-annotations-"


def _remove_left_behind(out: Path) -> None:
    ours = re.compile(rf"\.{re.escape(out.name)}{re.escape(_MARK)}\w{{8}}(\.old)?")
    for path in list(out.parent.iterdir()):
        if not ours.fullmatch(path.name) or not path.is_dir() or path.is_symlink():
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            if not lock_descriptor(handle, blocking=False):
                continue
        except OSError:
            continue
        finally:
            os.close(handle)
        if path.name.endswith(".old") and not out.exists() and _is_store(path):
            # Killed between the two renames: the store that was there goes back.
            path.rename(out)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _swap(folder: Path, out: Path) -> None:
    """Put the folder in `out`'s place; the old store goes aside first."""
    old = folder.with_name(f"{folder.name}.old")
    if out.exists():
        out.rename(old)
    try:
        folder.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
