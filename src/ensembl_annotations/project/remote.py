"""The reference in DVC's cache and in a remote: what DVC leaves unsaid is asked here, by name."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ensembl_annotations.common.atomic import atomic_path
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    UsageError,
)
from ensembl_annotations.common.progress import format_bytes
from ensembl_annotations.project.file_list import (
    altered_list,
    check_described,
    check_names,
    find_strays,
)
from ensembl_annotations.project.folders import describe_strays, read_listing
from ensembl_annotations.project.git import locked_paths, read_lock
from ensembl_annotations.project.materialize import LOCK, STORE
from ensembl_annotations.store.describe import FILE_NAME, QUARANTINE, ReferenceStore
from ensembl_annotations.variants.contigs import resolve_chromosomes

STAGE = "fetch_ensembl"

_CHUNK_BYTES = 4 << 20
# So many requests wait for a remote at a time.
_JOBS = 8
_SPARE_BYTES = 64 << 20
_GONE = (404, 410)


@dataclass(frozen=True)
class Piece:
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


LIST_NAME = "the list of files"


def has_reference(project: Path) -> bool:
    """Say whether ``dvc.lock`` names a reference at all."""
    try:
        stages = read_lock((project / LOCK).read_bytes())
    except OSError:
        return False
    return bool(stages and locked_paths(stages.get(STAGE), "outs"))


class SharedReference:
    """The reference of ``dvc.lock``: its files in DVC's cache and in a remote.

    Parameters
    ----------
    project : Path
        The repository. The remote is the one that its ``dvc.yaml`` names for the reference.

    Raises
    ------
    UsageError
        Outside a repository of DVC, for an unknown remote, and before the first run.
    """

    def __init__(self, project: Path) -> None:
        from dvc.config import NoRemoteError, RemoteNotFoundError
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.repo import Repo

        self.project = project.resolve()
        try:
            # From a folder inside, too.
            self._repo = Repo(str(self.project))
            self.project = Path(self._repo.root_dir)
            outs = {
                stage.name: stage.outs[0]
                for stage in self._repo.index.stages
                if getattr(stage, "name", None) == STAGE
            }
        except NotDvcRepoError as error:
            raise UsageError(
                f"{self.project}: not a repository of DVC.", hint="Run it in a clone."
            ) from error
        except DvcException as error:
            raise UsageError(
                f"{self.project}: {' '.join(str(error).split())}",
                hint="Mend the file; 'git diff' shows what is not committed, and 'git checkout "
                "dvc.lock' takes it as it was.",
            ) from error
        if STAGE not in outs or not outs[STAGE].hash_info.value:
            raise UsageError(
                f"{self.project / 'dvc.lock'}: has no reference yet.",
                hint="Run 'make', or 'dvc repro fetch_ensembl'.",
            )
        self._out = outs[STAGE]
        self._cache = self._repo.cache.local
        self.remote = self._out.remote
        # What DVC takes an empty address for.
        if self._repo.config["remote"].get(self.remote, {}).get("url") == str(self.project):
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
    def list_piece(self) -> Piece:
        return Piece(LIST_NAME, str(self._out.hash_info.value))

    def pieces(self) -> list[Piece]:
        """Return the list's files, sorted by name; the list is in the cache then.

        Raises
        ------
        EnsemblAnnotationsError
            Where the list is neither in the cache nor in the remote, or damaged in both, or names
            what no store holds.
        """
        if not self._is_cached(self.list_piece):
            self.restore(self.list_piece)
        listed = read_listing(self.cached(self.list_piece), self.list_piece.md5)
        if listed is None:
            raise EnsemblAnnotationsError(
                f"{self._out}: what dvc.lock names is not a list of files.",
                hint="'git log dvc.lock' shows who changed it.",
                code="forged_list",
            )
        check_names(listed, str(self._out))
        return [Piece(name, md5) for name, md5 in sorted(listed.items())]

    def check_described(self, pieces: list[Piece]) -> None:
        """Refuse a list that names more than its ``datapackage.json``, which is fetched where needed.

        Raises
        ------
        EnsemblAnnotationsError
        """
        listed = {piece.name: piece for piece in pieces}
        package = listed.get(FILE_NAME, self.list_piece)
        if not self._is_cached(package):
            self.restore(package)
        digests = {name: piece.md5 for name, piece in listed.items()}
        check_described(digests, self.cached(package), str(self._out))

    def names_of(self, chromosomes: Sequence[str]) -> list[str]:
        """Return the names of the files of some chromosomes, and of ``datapackage.json``, when prepared.

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
        return [FILE_NAME, *named]

    def prepare_dvc(self) -> None:
        """Have only the list that ``dvc.lock`` names where DVC looks, before DVC pulls or checks out.

        Raises
        ------
        EnsemblAnnotationsError
            As `pieces` and `check_described`.
        """
        self.check_described(self.pieces())
        # DVC would write by it before it looks at a list.
        self._repo.drop_data_index()

    def refuse_strays(self) -> None:
        """Refuse to go on where DVC wrote files outside its outputs, because of a forged list.

        Raises
        ------
        EnsemblAnnotationsError
            Naming the files that still are there.
        """
        folder = self.project / STORE
        if strays := find_strays(self._repo, folder, self.cached(self.list_piece)):
            lines, hint = describe_strays(strays, self.project)
            raise EnsemblAnnotationsError("\n".join(lines), hint=hint, code="forged_list")

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
                f"{self.project}: another command of DVC is running here.",
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

    def cached(self, piece: Piece) -> Path:
        """Return where the cache has, or would have, a piece."""
        return Path(self._cache.oid_to_path(piece.md5))

    def _is_cached(self, piece: Piece) -> bool:
        path = self.cached(piece)
        return path.is_file() and _digests(path)[0] == piece.md5.removesuffix(".dir")

    def local_problems(self, pieces: list[Piece]) -> dict[Piece, str]:
        """Return what is wrong with the cached pieces: read whole, against MD5 and SHA-256."""
        expected = self._expected(pieces)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda piece: self._local_problem(piece, expected), pieces)
            return {piece: problem for piece, problem in zip(pieces, found, strict=True) if problem}

    def _expected(self, pieces: list[Piece]) -> dict[str, str]:
        """Return the SHA-256 of each file, from the ``datapackage.json`` that is to be shared."""
        package = next((piece for piece in pieces if piece.name == FILE_NAME), None)
        if package is None or not self._is_cached(package):
            return {}
        with _named_folder(self.cached(package)) as folder:
            store = ReferenceStore(folder)
            found = {item.path.name: item.sha256 for item in store.resources}
            return {
                **found,
                QUARANTINE: store.package["quarantine"]["hash"].removeprefix("sha256:"),
            }

    def _local_problem(self, piece: Piece, expected: dict[str, str]) -> str | None:
        path = self.cached(piece)
        if not path.is_file():
            return "is not in DVC's cache"
        md5, sha256 = _digests(path)
        if md5 != piece.md5.removesuffix(".dir"):
            return f"is altered in DVC's cache: MD5 is {md5}, expected {piece.md5} ({path})"
        if sha256 != expected.get(piece.name, sha256):
            return f"has another SHA-256 than {FILE_NAME} says: {sha256}"
        return None

    def adopt(self, piece: Piece, folder: Path | None = None) -> bool:
        """Take a piece into the cache from a folder (the workspace's), where it is as it should be."""
        source, target = (folder or self.project / STORE) / piece.name, self.cached(piece)
        if not source.is_file() or _digests(source)[0] != piece.md5:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        target.chmod(0o444)
        return True

    def differs_in_workspace(self, piece: Piece) -> bool:
        """Say whether the workspace lacks a file, or has another than the cache."""
        path, cached = self.project / STORE / piece.name, self.cached(piece)
        if not path.is_file():
            return True
        # Mostly it is a link.
        is_link = cached.is_file() and path.samefile(cached)
        return not is_link and _digests(path)[0] != piece.md5

    def drop(self, piece: Piece) -> None:
        """Remove a damaged piece from the cache, and its link from the workspace."""
        for path in (self.cached(piece), self.project / STORE / piece.name):
            if path.is_file() and _digests(path)[0] != piece.md5.removesuffix(".dir"):
                path.unlink()

    # --- The remote

    def _remote_path(self, piece: Piece) -> str:
        return str(self._odb.oid_to_path(piece.md5))

    def remote_problems(self, pieces: list[Piece]) -> dict[Piece, str]:
        """Return which pieces the remote lacks, or has in another size. Nothing is downloaded."""
        with ThreadPoolExecutor(_JOBS) as pool:
            found = list(pool.map(self._remote_problem, pieces))
        return {piece: problem for piece, problem in zip(pieces, found, strict=True) if problem}

    def _remote_problem(self, piece: Piece) -> str | None:
        try:
            with self._explained():
                size = self._odb.fs.info(self._remote_path(piece))["size"]
        except FileNotFoundError:
            return "is missing in the remote"
        path = self.cached(piece)
        if path.is_file() and path.stat().st_size != size:
            return f"is cut in the remote: {size} bytes, expected {path.stat().st_size}"
        return None

    def altered_in_remote(self, pieces: list[Piece]) -> dict[Piece, str]:
        """Return which pieces have other content in the remote; all of them are read."""
        found = {}
        for piece in pieces:
            with self._explained(), self._odb.fs.open(self._remote_path(piece), "rb") as handle:
                md5 = _digests_of(handle)[0]
            if md5 != piece.md5.removesuffix(".dir"):
                found[piece] = f"is altered in the remote: MD5 is {md5}, expected {piece.md5}"
        return found

    def restore(self, piece: Piece) -> None:
        """Take a piece from the remote into the cache.

        Raises
        ------
        EnsemblAnnotationsError
            Where the remote lacks it, or has other content; nothing is kept then.
        """
        target = self.cached(piece)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            with (
                self._explained(piece),
                self._odb.fs.open(self._remote_path(piece), "rb") as source,
                temporary.open("wb") as copy,
            ):
                shutil.copyfileobj(source, copy, _CHUNK_BYTES)
            md5 = _digests(temporary)[0]
            if md5 != piece.md5.removesuffix(".dir"):
                raise EnsemblAnnotationsError(
                    f"{piece.name}: is altered in remote {self.remote!r}: MD5 is {md5}, expected "
                    f"{piece.md5}.",
                    hint="Nothing of it was kept. Ask who publishes the remote to run "
                    "'ensembl-annotations repair --content' there, and who else can write to it.",
                    code="remote_altered",
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

    def push(self, pieces: list[Piece]) -> None:
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
            more = f" and {len(names) - 3} more" if names[3:] else ""
            cause = _remote_error(self.remote, next(iter(failed.values())))
            raise EnsemblAnnotationsError(
                f"{', '.join(names[:3])}{more}: not pushed to {self.remote!r} ({self.url}). "
                f"{cause.message}",
                hint=f"What has arrived stays there; publish again to go on. {cause.hint}",
                code="remote",
            )

    def check_room(self, num_bytes: int) -> None:
        """Refuse where a remote that is a folder can't hold so many bytes more.

        Raises
        ------
        EnsemblAnnotationsError
        """
        if self._odb.fs.protocol not in ("local", ("local", "file")):
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
    def _explained(self, piece: Piece | None = None) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if (cause := self._http_failure(error)) is not None:
                raise _remote_error(self.remote, cause) from error
            if piece is None:
                raise
            raise EnsemblAnnotationsError(
                f"{piece.name}: is neither in DVC's cache nor in remote {self.remote!r} "
                f"({self.url}).",
                code="remote_missing",
            ) from error
        except EnsemblAnnotationsError:
            raise
        except Exception as error:
            raise _remote_error(self.remote, error) from error

    def dvc(self, *arguments: str) -> int:
        """Run a command of DVC in the project; what it prints is seen. Returns its exit code."""
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=self.project, check=False).returncode


def _remote_error(remote: str, error: BaseException) -> EnsemblAnnotationsError:
    told = f"Remote {remote!r}: {' '.join(str(error).split()) or type(error).__name__}"
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


def _digests(path: Path) -> tuple[str, str]:
    with path.open("rb") as handle:
        return _digests_of(handle)


def _digests_of(handle: BinaryIO) -> tuple[str, str]:
    """Return MD5 and SHA-256 of what a file has left."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    while chunk := handle.read(_CHUNK_BYTES):
        md5.update(chunk)
        sha256.update(chunk)
    return md5.hexdigest(), sha256.hexdigest()
