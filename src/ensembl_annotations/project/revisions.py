"""Open a reference store by its folder, or as it was at a git revision, without a checkout."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    ReferenceStoreError,
    UsageError,
)
from ensembl_annotations.common.hashes import md5_of
from ensembl_annotations.common.words import one_line
from ensembl_annotations.project.file_list import (
    altered_list,
    check_described,
    check_names,
    read_listing,
)
from ensembl_annotations.project.git import run_git
from ensembl_annotations.project.lock import BrokenLockError, read_lock
from ensembl_annotations.project.paths import LOCK, STORE
from ensembl_annotations.project.project import Project
from ensembl_annotations.store.describe import FILE_NAME, OTHER_LAYOUT, ReferenceStore


@contextmanager
def open_store(name: str, project: Project) -> Iterator[ReferenceStore]:
    """Open a reference store while the block runs; its files are checked by size and footer.

    Parameters
    ----------
    name : str
        A folder with a store; else a git revision of the project, whose
        ``data/ensembl_annotations`` is looked up in ``dvc.lock``.
    project : Project

    Yields
    ------
    ReferenceStore
        Of a revision: a temporary folder of links to objects in DVC's cache. What is missing
        there is fetched from the remote into the cache; the workspace is never touched.

    Raises
    ------
    UsageError
        Where `name` is neither a folder nor a revision.
    ReferenceStoreError
        Where the store is not complete, or the revision's data are neither in the cache nor in
        the remote.
    """
    if not name:
        raise UsageError(
            "An empty name: expected a folder with a reference store, or a git revision.",
            hint="Give a folder, or a branch, tag or commit.",
        )
    folder = Path(name)
    commit = None if (folder / FILE_NAME).exists() else _commit(name, project)
    if commit is None:
        if not folder.is_dir():
            raise UsageError(
                f"{name}: neither a folder with a reference store nor a git revision here.",
                hint="Give a folder, or a branch, tag or commit, in the folder of the repository.",
            )
        store = ReferenceStore(folder)
        store.check()
        yield store
        return
    with TemporaryDirectory(prefix="ensembl-annotations-") as temporary:
        links = Path(temporary)
        for path, cached in _cached_files(name, commit, project.resolved()).items():
            (links / path).symlink_to(cached)
        yield _store_of(name, links)


def _store_of(name: str, links: Path) -> ReferenceStore:
    """Open the store of a revision by links to its files."""
    try:
        store = ReferenceStore(links)
        store.check()
    except ReferenceStoreError as error:
        # The folder of links is gone when the message is read.
        error.message = error.message.replace(f"{links}", f"{name}: {STORE}")
        if error.code == OTHER_LAYOUT:
            error.hint = (
                "Give a folder instead, in which this program made the release of that revision: "
                "'ensembl-annotations fetch --out FOLDER'. Or use the program of that revision."
            )
        raise
    return store


def _commit(name: str, project: Project) -> str | None:
    """Return the commit of a revision; None where there is none, no repository, or no git."""
    options = ("--verify", "--quiet", "--end-of-options")
    with suppress(UsageError):
        said = run_git(project.root, "rev-parse", *options, f"{name}^{{commit}}")
        return said.stdout.decode("ascii").strip() or None
    return None


def _cached_files(name: str, commit: str, project: Project) -> dict[str, Path]:
    """Return the files of the store at a commit, by name, in DVC's cache."""
    digest = _locked_digest(name, commit, project)
    missing = ReferenceStoreError(
        f"{name}: {STORE} of this revision is neither in DVC's cache nor in the remote",
        hint="Check the remote's address and your credentials (see docs/sharing.md); or have it "
        "published from where it was made ('ensembl-annotations publish'), or check the revision "
        "out in another clone and make it again with 'dvc repro fetch_ensembl'.",
        code="missing_data",
    )
    logger = logging.getLogger("dvc")
    level = logger.level
    try:
        # What DVC would warn of is said once, by the error.
        logger.setLevel(logging.CRITICAL)
        with project.dvc.opened() as repo:
            entries = read_listing(Path(repo.cache.local.oid_to_path(digest)), digest)
            if entries is None:
                entries = _pulled_list(repo, digest, name)
            check_names(entries, f"{name}: {STORE}")
            paths = {path: Path(repo.cache.local.oid_to_path(md5)) for path, md5 in entries.items()}
            if absent := [entries[path] for path, cached in paths.items() if not cached.is_file()]:
                _pull(repo, absent)
    except EnsemblAnnotationsError:
        raise
    except Exception as error:
        # No remote, no network, no credentials: each library has errors of its own, and which it
        # was is in the message.
        why = one_line(error) or type(error).__name__
        missing.message = (
            f"{name}: {STORE} of this revision is not in DVC's cache, and could not be had from the "
            f"remote: {why}"
        )
        raise missing from error
    finally:
        logger.setLevel(level)
    if not paths or not all(cached.is_file() for cached in paths.values()):
        missing.message += "."
        raise missing
    # All else is checked against it when it is read.
    package = paths.get(FILE_NAME)
    if package is not None and md5_of(package) != entries[FILE_NAME]:
        raise ReferenceStoreError(
            f"{name}: {FILE_NAME} of this revision is altered in DVC's cache ({package}).",
            hint="Remove that file, then run this again: it is fetched from the remote.",
            code="altered",
        )
    check_described(entries, package or Path(), f"{name}: {STORE}")
    return paths


def _pulled_list(repo: Any, digest: str, name: str) -> dict[str, str]:
    """Return the list of files of a digest from the remote; nothing where the remote lacks it."""
    path = Path(repo.cache.local.oid_to_path(digest))
    _pull(repo, [digest])
    listed = read_listing(path, digest)
    # One that is read-only DVC takes for whole, and fetches no other.
    if problem := altered_list(path, digest):
        raise ReferenceStoreError(
            f"{name}: {problem}.",
            hint="Remove that file, then run this again: it is fetched from the remote.",
            code="altered",
        )
    odb = repo.cloud.get_remote_odb(_remote_of(repo))
    if listed is None and odb.exists(digest):
        raise ReferenceStoreError(
            f"{name}: the list of files is altered in the remote: its MD5 is not {digest}, which "
            f"{LOCK} of this revision has.",
            hint="Nothing of it was used. Ask who publishes the remote to run 'ensembl-annotations "
            "repair --content' there, and who else can write to it.",
            code="remote_altered",
        )
    return listed or {}


def _pull(repo: Any, digests: list[str]) -> None:
    """Copy objects from the remote that ``dvc.yaml`` names for the store into the cache."""
    from dvc_data.hashfile.hash_info import HashInfo

    # Not by `Repo.fetch` of the revision: that takes a remote's relative path from the root of the
    # file system (DVC 3.67).
    repo.cloud.pull([HashInfo("md5", digest) for digest in digests], remote=_remote_of(repo))


def _remote_of(repo: Any) -> str | None:
    from dvc.exceptions import OutputNotFoundError

    try:
        return cast(
            "str | None", repo.find_outs_by_path(str(Path(repo.root_dir) / STORE))[0].remote
        )
    except OutputNotFoundError:
        return None


def _locked_digest(name: str, commit: str, project: Project) -> str:
    """Return the digest of the store's folder in ``dvc.lock`` at a commit."""
    said = run_git(project.root, "show", f"{commit}:./{LOCK}")
    problem = f"{name}: {LOCK} of this revision has no {STORE}"
    try:
        if digest := read_lock(said.stdout).digest_of(STORE) if said.stdout else None:
            return digest
    except BrokenLockError as error:
        problem = f"{name}: its {LOCK} can't be read ({error.message.rstrip('.')})"
    raise EnsemblAnnotationsError(
        f"{problem}.", hint="Give a revision in which the pipeline ran.", code="no_data"
    )
