"""The reference in DVC's cache and in a remote: what DVC leaves unsaid is asked here, by name."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensembl_annotations.common.atomic import atomic_path
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.common.hashes import digests_of, md5_of
from ensembl_annotations.common.problems import Kind, Problem
from ensembl_annotations.common.progress import format_bytes
from ensembl_annotations.common.words import listed, one_line
from ensembl_annotations.project.file_list import (
    STRAY_HINT,
    ForgedListError,
    altered_list,
    check_described,
    check_names,
    find_strays,
    read_listing,
)
from ensembl_annotations.project.paths import FETCH, STORE
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.verification import stray_problems
from ensembl_annotations.store.describe import FILE_NAME, SCHEMAS, ReferenceStore
from ensembl_annotations.variants.contigs import resolve_chromosomes

_CHUNK_BYTES = 4 << 20
# So many requests wait for a remote at a time.
_JOBS = 8
_SPARE_BYTES = 64 << 20
_GONE = (404, 410)
# What DVC calls a remote that is a folder.
_FOLDERS = ("local", ("local", "file"))


class SharedKind(Kind):
    """What can be wrong with a file of the reference in DVC's cache, and in the remote."""

    NOT_CACHED = "{name}: is not in DVC's cache"
    ALTERED = "{name}: is altered in DVC's cache: MD5 is {found}, expected {expected}"
    SHA256 = "{name}: has another SHA-256 than datapackage.json says: {found}"
    MISSING_THERE = "{name}: is missing in the remote"
    CUT_THERE = "{name}: is cut in the remote: {found} bytes, expected {expected}"
    ALTERED_THERE = "{name}: is altered in the remote: MD5 is {found}, expected {expected}"


class RemoteMissingError(EnsemblAnnotationsError):
    """A file that the cache lacks is not in the remote either."""


class RemoteAlteredError(EnsemblAnnotationsError):
    """A file has other content in the remote; `problem` says which."""

    def __init__(self, message: str, problem: Problem) -> None:
        super().__init__(
            message,
            hint="Nothing of it was kept. Ask who publishes the remote to run "
            "'ensembl-annotations repair --content' there, and who else can write to it.",
            code="remote_altered",
        )
        self.problem = problem


@dataclass(frozen=True)
class ListedFile:
    """A file of the reference as DVC keeps it.

    Attributes
    ----------
    name : str
        Its name in the store; for the list of files itself, `LIST_NAME`.
    md5 : str
        As DVC writes it: the list's ends in ``.dir``.
    """

    name: str
    md5: str

    def is_in(self, path: Path) -> bool:
        """Say whether a file is there and has this content."""
        return path.is_file() and md5_of(path) == self.md5.removesuffix(".dir")


LIST_NAME = "the list of files"
Problems = dict[ListedFile, Problem]


class SharedReference:
    """The reference of ``dvc.lock``: its files in DVC's cache and in a remote.

    Parameters
    ----------
    project : Project
        The remote is the one that its ``dvc.yaml`` names for the reference.

    Raises
    ------
    UsageError
        Outside a repository of DVC, for an unknown remote, and before the first run.
    """

    def __init__(self, project: Project) -> None:
        # Here, since DVC takes a second to import.
        from dvc.config import NoRemoteError, RemoteNotFoundError
        from dvc.exceptions import DvcException, NotDvcRepoError

        self.project = project.resolved()
        self._root = self.project.root
        try:
            index = self.project.dvc.index
            outs = {
                stage.name: stage.outs[0]
                for stage in index.stages
                if getattr(stage, "name", None) == FETCH
            }
        except NotDvcRepoError as error:
            raise UsageError(
                f"{self._root}: not a repository of DVC.", hint="Run it in a clone."
            ) from error
        except DvcException as error:
            raise UsageError(
                f"{self._root}: {one_line(error)}",
                hint="Mend the file; 'git diff' shows what is not committed, and 'git checkout "
                "dvc.lock' takes it as it was.",
            ) from error
        if FETCH not in outs or not outs[FETCH].hash_info.value:
            raise UsageError(
                f"{self._root / 'dvc.lock'}: has no reference yet.",
                hint="Run 'make', or 'dvc repro fetch_ensembl'.",
            )
        self._out, self._repo = outs[FETCH], index.repo
        self._cache = self._repo.cache.local
        self.remote = self._out.remote
        # What DVC takes an empty address for.
        if self._repo.config["remote"].get(self.remote, {}).get("url") == str(self._root):
            raise UsageError(
                f"Remote {self.remote!r}: its address is this repository's own folder.",
                hint=f"Give it another: dvc remote modify --local {self.remote} url ADDRESS",
            )
        try:
            self._odb = self._repo.cloud.get_remote_odb(self.remote)
        except (NoRemoteError, RemoteNotFoundError) as error:
            raise UsageError(f"Remote {self.remote!r}: {error}.") from error
        except Exception as error:
            raise _remote_error(self.remote, error) from error

    @property
    def url(self) -> str:
        """The remote's address, without credentials."""
        return str(self._odb.fs.unstrip_protocol(self._odb.path)).rpartition("@")[2]

    @property
    def list_piece(self) -> ListedFile:
        return ListedFile(LIST_NAME, str(self._out.hash_info.value))

    def pieces(self) -> list[ListedFile]:
        """Return the list's files, sorted by name; the list is in the cache then.

        Raises
        ------
        EnsemblAnnotationsError
            Where the list is neither in the cache nor in the remote, or damaged in both, or names
            what no store holds.
        """
        if not self._is_cached(self.list_piece):
            self.restore(self.list_piece)
        listing = read_listing(self.cached(self.list_piece), self.list_piece.md5)
        if listing is None:
            raise ForgedListError(
                f"{self._out}: what dvc.lock names is not a list of files.",
                hint="'git log dvc.lock' shows who changed it.",
            )
        check_names(listing, str(self._out))
        return [ListedFile(name, md5) for name, md5 in sorted(listing.items())]

    def check_described(self, pieces: list[ListedFile]) -> None:
        """Refuse a list that names more than its ``datapackage.json``, which is fetched where needed.

        Raises
        ------
        EnsemblAnnotationsError
        """
        digests = {piece.name: piece.md5 for piece in pieces}
        named = (piece for piece in pieces if piece.name == FILE_NAME)
        package = next(named, self.list_piece)
        if not self._is_cached(package):
            self.restore(package)
        check_described(digests, self.cached(package), str(self._out))

    def names_of(self, chromosomes: Sequence[str]) -> list[str]:
        """Return the names of the files of some chromosomes, and of those that describe them, when prepared.

        Raises
        ------
        UsageError
            Where the reference has no such chromosome.

        Notes
        -----
        ``chr22`` and accessions are understood.
        """
        package = next(piece for piece in self.pieces() if piece.name == FILE_NAME)
        content = json.loads(self.cached(package).read_bytes())
        entries = content["resources"]
        known = list(dict.fromkeys(entry["chromosome"] for entry in entries))
        wanted = resolve_chromosomes(chromosomes, known, content["species"], content["assembly"])
        named = [entry["path"] for entry in entries if entry["chromosome"] in wanted]
        return [FILE_NAME, *(SCHEMAS[role] for role in content.get("schemas", ())), *named]

    def prepare_dvc(self) -> None:
        """Have only the list that ``dvc.lock`` names where DVC looks, before DVC pulls or checks out.

        Raises
        ------
        EnsemblAnnotationsError
            As `pieces` and `check_described`.
        """
        pieces = self.pieces()
        self.check_described(pieces)
        self._refuse_pipes([piece for piece in pieces if not self.cached(piece).is_file()])
        # DVC would write by it before it looks at a list.
        self._repo.drop_data_index()

    def _refuse_pipes(self, pieces: list[ListedFile]) -> None:
        """Refuse what is no file in a remote that is a folder, before DVC reads it."""
        if self._odb.fs.protocol in _FOLDERS:
            self.remote_problems(pieces)

    def refuse_strays(self) -> None:
        """Refuse to go on where DVC wrote files outside its outputs, because of a forged list.

        Raises
        ------
        EnsemblAnnotationsError
            Naming the files that still are there.
        """
        listing = self.cached(self.list_piece)
        if strays := find_strays(self._repo, self._root / STORE, listing):
            lines = [f"{problem}." for problem in stray_problems(strays, self._root)]
            raise ForgedListError("\n".join(lines), hint=STRAY_HINT)

    def refuse_altered_list(self) -> None:
        """Refuse to go on with a list in DVC's cache that is not the one of ``dvc.lock``.

        Raises
        ------
        EnsemblAnnotationsError
        """
        self.refuse_strays()
        if problem := altered_list(self.cached(self.list_piece), self.list_piece.md5):
            raise EnsemblAnnotationsError(
                f"{problem}.",
                hint="Run 'ensembl-annotations repair', or remove that file and run this again.",
                code="altered",
            )

    @property
    def is_current(self) -> bool:
        """Say whether ``dvc.lock`` was made with the parameters, inputs and version that are here."""
        from dvc.lock import LockError

        stage = self._out.stage
        try:
            with self._repo.lock:
                return not (stage.changed_stage() or stage.changed_deps())
        except LockError as error:
            raise EnsemblAnnotationsError(
                f"{self._root}: another command of DVC is running here.",
                hint="Wait for it, then run this again.",
                code="locked",
            ) from error

    @property
    def is_cached(self) -> bool:
        """Say whether DVC's cache has all files; they are not read."""
        return not self._out.changed_cache()

    @property
    def is_here(self) -> bool:
        """Say whether the workspace has the reference, as far as DVC can tell without reading it."""
        return not self._out.workspace_status()

    @property
    def is_published(self) -> bool:
        """Say whether the remote has the list of files."""
        return not self.remote_problems([self.list_piece])

    # --- The cache

    def cached(self, piece: ListedFile) -> Path:
        """Return where the cache has, or would have, a piece."""
        return Path(self._cache.oid_to_path(piece.md5))

    def _is_cached(self, piece: ListedFile) -> bool:
        return piece.is_in(self.cached(piece))

    def local_problems(self, pieces: list[ListedFile]) -> Problems:
        """Return what is wrong with the cached pieces: read whole, against MD5 and SHA-256."""
        expected = self._expected(pieces)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda piece: self._local_problem(piece, expected), pieces)
            return {piece: problem for piece, problem in zip(pieces, found, strict=True) if problem}

    def _expected(self, pieces: list[ListedFile]) -> dict[str, str]:
        """Return the SHA-256 of each file, from the ``datapackage.json`` that is to be shared."""
        package = next((piece for piece in pieces if piece.name == FILE_NAME), None)
        if package is None or not self._is_cached(package):
            return {}
        with _named_folder(self.cached(package)) as folder:
            store = ReferenceStore(folder)
            return {item.path.name: item.sha256 for item in store.resources} | store.common

    def _local_problem(self, piece: ListedFile, expected: dict[str, str]) -> Problem | None:
        path = self.cached(piece)
        if not path.is_file():
            return Problem(piece.name, SharedKind.NOT_CACHED)
        with path.open("rb") as handle:
            md5, sha256 = digests_of(handle)
        if md5 != piece.md5.removesuffix(".dir"):
            return Problem(piece.name, SharedKind.ALTERED, md5, f"{piece.md5} ({path})")
        if sha256 != expected.get(piece.name, sha256):
            return Problem(piece.name, SharedKind.SHA256, sha256)
        return None

    def adopt(self, piece: ListedFile, folder: Path | None = None) -> bool:
        """Take a piece into the cache from a folder (the workspace's), where it is as it should be."""
        source, target = (folder or self._root / STORE) / piece.name, self.cached(piece)
        if not piece.is_in(source):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        target.chmod(0o444)
        return True

    def differs_in_workspace(self, piece: ListedFile) -> bool:
        """Say whether the workspace lacks a file, or has another than the cache."""
        path, cached = self._root / STORE / piece.name, self.cached(piece)
        # Mostly it is a link.
        is_link = path.is_file() and cached.is_file() and path.samefile(cached)
        return not is_link and not piece.is_in(path)

    def drop(self, piece: ListedFile) -> None:
        """Remove a damaged piece from the cache, and its link from the workspace."""
        for path in (self.cached(piece), self._root / STORE / piece.name):
            if path.is_file() and not piece.is_in(path):
                path.unlink()

    # --- The remote

    def _remote_path(self, piece: ListedFile) -> str:
        return str(self._odb.oid_to_path(piece.md5))

    def remote_problems(self, pieces: list[ListedFile]) -> Problems:
        """Return which pieces the remote lacks, or has in another size. Nothing is downloaded."""
        # The first alone: each of several that begin together would make a client, which takes S3 long.
        found = [self._remote_problem(piece) for piece in pieces[:1]]
        with ThreadPoolExecutor(_JOBS) as pool:
            found += pool.map(self._remote_problem, pieces[1:])
        return {piece: problem for piece, problem in zip(pieces, found, strict=True) if problem}

    def _remote_problem(self, piece: ListedFile) -> Problem | None:
        try:
            with self._explained():
                size = self._info(piece)["size"]
        except FileNotFoundError:
            return Problem(piece.name, SharedKind.MISSING_THERE)
        path = self.cached(piece)
        if path.is_file() and (expected := path.stat().st_size) != size:
            return Problem(piece.name, SharedKind.CUT_THERE, size, expected)
        return None

    def _info(self, piece: ListedFile) -> dict[str, Any]:
        """Return what the remote says of a piece, which is a file: who opens a pipe waits for ever."""
        info: dict[str, Any] = self._odb.fs.info(self._remote_path(piece))
        if info["type"] != "file":
            raise OSError(f"{self._remote_path(piece)}: is no file, but of type {info['type']!r}")
        return info

    def altered_in_remote(self, pieces: list[ListedFile]) -> Problems:
        """Return which pieces have other content in the remote; all of them are read."""
        found = {}
        for piece in pieces:
            with self._explained():
                self._info(piece)
                with self._odb.fs.open(self._remote_path(piece), "rb") as handle:
                    md5 = digests_of(handle)[0]
            if md5 != piece.md5.removesuffix(".dir"):
                found[piece] = Problem(piece.name, SharedKind.ALTERED_THERE, md5, piece.md5)
        return found

    def restore(self, piece: ListedFile) -> None:
        """Take a piece from the remote into the cache.

        Raises
        ------
        RemoteMissingError, RemoteAlteredError
            Where the remote lacks it, or has other content; nothing is kept then.
        """
        target = self.cached(piece)
        with self._explained(piece):
            self._info(piece)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            with (
                self._explained(piece),
                self._odb.fs.open(self._remote_path(piece), "rb") as source,
                temporary.open("wb") as copy,
            ):
                shutil.copyfileobj(source, copy, _CHUNK_BYTES)
            if not piece.is_in(temporary):
                md5 = md5_of(temporary)
                raise RemoteAlteredError(
                    f"{piece.name}: is altered in remote {self.remote!r}: MD5 is {md5}, expected "
                    f"{piece.md5}.",
                    Problem(piece.name, SharedKind.ALTERED_THERE, md5, piece.md5),
                )
        target.chmod(0o444)

    def _http_failure(self, error: FileNotFoundError) -> BaseException | None:
        """Return why a file can't be seen over HTTP, where that is not that it is missing.

        Every failure there is a FileNotFoundError (fsspec 2026), with the true one as its cause.
        """
        if self._odb.fs.protocol not in ("http", "https"):
            return None
        cause = error.__cause__
        is_missing = isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) in _GONE
        return None if is_missing else cause

    def push(self, pieces: list[ListedFile]) -> None:
        """Write pieces to the remote, over what it has; the list only where all others arrived.

        Raises
        ------
        EnsemblAnnotationsError
            Naming the pieces that did not arrive, and the first cause.

        Notes
        -----
        Not by ``dvc push``: that takes a remote that has the list for one that has all that is on it.
        """
        from dvc.fs.callbacks import TqdmCallback

        failed: dict[str, BaseException] = {}
        files = [piece for piece in pieces if piece != self.list_piece]
        with TqdmCallback(desc=f"Pushing to {self.url}", unit="file") as bar, self._explained():
            bar.set_size(len(pieces))
            for part in (files, [piece for piece in pieces if piece not in files]):
                if part and not failed:
                    self._odb.add(
                        [str(self.cached(piece)) for piece in part],
                        self._cache.fs,
                        [piece.md5 for piece in part],
                        check_exists=False,
                        on_error=failed.__setitem__,
                        callback=bar,
                        batch_size=_JOBS,
                        # It would read, and remove, what is there.
                        verify=False,
                    )
        if failed:
            names = [piece.name for piece in pieces if piece.md5 in failed]
            cause = _remote_error(self.remote, next(iter(failed.values())))
            raise EnsemblAnnotationsError(
                f"{listed(names)}: not pushed to {self.remote!r} ({self.url}). {cause.message}",
                hint=f"What has arrived stays there; publish again to go on. {cause.hint}",
                code="remote",
            )

    def check_room(self, num_bytes: int) -> None:
        """Refuse where a remote that is a folder can't hold so many bytes more.

        Raises
        ------
        EnsemblAnnotationsError
        """
        if self._odb.fs.protocol not in _FOLDERS:
            return
        folder = Path(self._odb.path)
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if free < num_bytes + _SPARE_BYTES:
            raise EnsemblAnnotationsError(
                f"Remote {self.remote!r} ({self.url}): needs {format_bytes(num_bytes)}, "
                f"{format_bytes(free)} are free.",
                hint="Make room there; nothing was pushed.",
                code="disk_full",
            )

    def check_bucket(self) -> None:
        """Refuse an S3 bucket that is not there: writing to it may only be said to be forbidden.

        Raises
        ------
        EnsemblAnnotationsError
        """
        if self._odb.fs.protocol != "s3":
            return
        bucket = str(self._odb.path).partition("/")[0]
        with self._explained():
            try:
                is_there = self._odb.fs.exists(bucket)
            except PermissionError:
                # Who may write need not be allowed to look.
                return
        if not is_there:
            raise EnsemblAnnotationsError(
                f"Remote {self.remote!r} ({self.url}): there is no bucket {bucket}.",
                hint="Make it, or correct the address: dvc remote modify refcache url ADDRESS",
                code="remote",
            )

    @contextmanager
    def _explained(self, piece: ListedFile | None = None) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if (cause := self._http_failure(error)) is not None:
                raise _remote_error(self.remote, cause) from error
            if piece is None:
                raise
            raise RemoteMissingError(
                f"{piece.name}: is neither in DVC's cache nor in remote {self.remote!r} "
                f"({self.url}).",
                code="remote_missing",
            ) from error
        except EnsemblAnnotationsError:
            raise
        except Exception as error:
            raise _remote_error(self.remote, error) from error


def _remote_error(remote: str, error: BaseException) -> EnsemblAnnotationsError:
    told = f"Remote {remote!r}: {one_line(error) or type(error).__name__}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        told = f"Remote {remote!r}: its disk is full ({error})"
    return EnsemblAnnotationsError(
        told,
        hint="Check its address and the credentials in the environment; see docs/sharing.md.",
        code="remote",
    )


@contextmanager
def _named_folder(path: Path) -> Iterator[Path]:
    """Give a folder in which a cached ``datapackage.json`` has its name."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copyfile(path, Path(name) / FILE_NAME)
        yield Path(name)
