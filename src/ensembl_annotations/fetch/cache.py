"""The download cache: where each published file lies, what is there, and how it is tidied."""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs
from filelock import BaseFileLock, FileLock, Timeout

from ensembl_annotations.common.atomic import TEMPORARY
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    SourceError,
    explain_os_error,
)
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.json_files import read_as
from ensembl_annotations.common.progress import format_bytes
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.verify import BLOCK_BYTES

_LOG = logging.getLogger(__name__)

CACHE_VARIABLE = "ENSEMBL_ANNOTATIONS_CACHE"
QUARANTINE = "quarantine"
MANIFESTS = "manifests"
VERIFIED, PARTIAL, QUARANTINED, MANIFEST = "verified", "partial", "quarantined", "manifest"
# The cache may share its folder with others' files: only what is named as ours is ours.
_PLACE = re.compile(r"(?:.*/)?release-\d+/(?:variation/vcf|fasta)/\w+(?:/dna)?/\d{5}-\d+")
_QUARANTINED = re.compile(r".+\.gz\.part-[0-9a-f]{12}|.+\.gz-[0-9a-f]{12}")
_POLL_SEC = 0.2


def download_cache() -> Path:
    """Return the folder of the download cache: $ENSEMBL_ANNOTATIONS_CACHE, or the user's."""
    configured = os.environ.get(CACHE_VARIABLE)
    return Path(configured) if configured else platformdirs.user_cache_path("ensembl-annotations")


@dataclass(frozen=True)
class Receipt:
    """What a file was when it passed verification: its SHA-256, and its size."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Place:
    """Where one published file lies in the cache, and the files that belong to it.

    Attributes
    ----------
    path : Path
        The file itself, once verified.
    """

    path: Path

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}{suffix}")

    @property
    def receipt(self) -> Path:
        """Where its receipt is written when it passes verification."""
        return self._beside(".json")

    @property
    def part(self) -> Path:
        """What has arrived so far."""
        return self._beside(".part")

    @property
    def origin(self) -> Path:
        """Where the part comes from."""
        return self._beside(".part.json")

    @property
    def lock(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    def read_receipt(self) -> Receipt | None:
        """Return the receipt where it, and a file of its size, are there; nothing is hashed."""
        receipt = read_as(Receipt, self.receipt)
        with suppress(OSError):
            return receipt if receipt and self.path.stat().st_size == receipt.bytes else None
        return None

    def find_verified(self) -> Receipt | None:
        """Return the receipt where the file is there and hashes to it."""
        receipt = self.read_receipt()
        with suppress(OSError):
            return receipt if receipt and sha256_of(self.path) == receipt.sha256 else None
        return None

    def files(self) -> list[Path]:
        """Return every file that is there for it, the lock aside, temporary ones included."""
        known = [self.path, self.receipt, self.part, self.origin]
        temporary = [
            path
            for path in self.path.parent.glob(".*.tmp")
            if any(path.name.startswith(f".{item.name}.") for item in known)
        ]
        return [path for path in [*known, *temporary] if path.is_file()]


def find_place(folder: str, published: PublishedFile) -> Place:
    """Return where a published file lies; nothing is made.

    Raises
    ------
    SourceError
        Where its folder or name would lead out of the cache.

    Notes
    -----
    The cache is addressed by path, checksum and size as published, so a file that Ensembl
    changes is another entry.
    """
    parts = PurePosixPath(folder).parts
    name = published.name
    if (
        not parts
        or any(part in ("/", "..") for part in parts)
        or name in ("", ".", "..")
        or re.search(r"[/\\\0]", name)
        or "\0" in folder
    ):
        raise SourceError(
            f"{folder}/{name}: leads out of the download cache; refused.",
            hint="Check the species, and the mirror's CHECKSUMS.",
        )
    place = f"{published.checksum:05d}-{published.blocks}"
    return Place(download_cache().joinpath(*parts, place, name))


def remaining_bytes(folder: str, published: PublishedFile, *, force: bool = False) -> int:
    """Return how many bytes of a published file are still to be downloaded, at most.

    Reads sizes only: nothing is hashed, nothing is written.

    Parameters
    ----------
    folder : str
        The file's folder below a mirror's base.
    published : PublishedFile
    force : bool
        As for `fetch_file`: what is verified counts as missing.
    """
    place = find_place(folder, published)
    if not force and place.read_receipt():
        return 0
    limit = published.blocks * BLOCK_BYTES
    try:
        return max(0, limit - place.part.stat().st_size)
    except OSError:
        return limit


def _acquire(lock: BaseFileLock, **options: Any) -> None:
    """Take a lock; see `BaseFileLock.acquire`."""
    try:
        lock.acquire(**options)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        raise EnsemblAnnotationsError(
            f"{lock.lock_file}: the file system has no locks ({error.strerror}), which the download "
            "cache needs: two runs could write one file.",
            hint=f"Set ${CACHE_VARIABLE} to a folder on another file system, such as a local disk.",
            code="no_locks",
        ) from error


@contextmanager
def locked(place: Place, *, stop: threading.Event | None = None) -> Iterator[None]:
    """Make a place's folder and hold its lock; `stop` ends the waiting for another run.

    Raises
    ------
    OSError
        Where the cache can't be written to.
    StoppedError
    """
    lock = FileLock(place.lock)
    while True:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            try:
                _acquire(lock, timeout=0)
            except Timeout:
                _LOG.info(f"{place.path.name}: another run is downloading it; waiting for that.")
                _acquire(
                    lock,
                    timeout=-1,
                    poll_interval=_POLL_SEC,
                    cancel_check=lambda: stop is not None and stop.is_set(),
                )
            break
        except Timeout as error:
            # Here, since it takes long to import.
            from ensembl_annotations.fetch.mirrors import StoppedError

            raise StoppedError from error
        except FileNotFoundError:
            continue  # `prune_cache` removed the folder in between
    try:
        yield
    finally:
        lock.release()


# --- Looking and tidying -------------------------------------------------------------------------


@dataclass(frozen=True)
class CacheEntry:
    """A file in the download cache.

    Attributes
    ----------
    path : str
        Below the cache's folder.
    num_bytes : int
        Its size.
    state : str
        ``verified`` (it passed, and has the size it had then), ``partial``, ``quarantined``, or
        ``manifest`` (what a server said it publishes).
    """

    path: str
    num_bytes: int
    state: str


@dataclass(frozen=True)
class Pruned:
    """What pruning removed (or would remove), and what it left because it is in use."""

    removed: tuple[CacheEntry, ...]
    in_use: tuple[CacheEntry, ...]

    @property
    def num_bytes(self) -> int:
        return sum(entry.num_bytes for entry in self.removed)


def list_cache() -> list[CacheEntry]:
    """Return what the download cache holds, by path; nothing where there is no cache."""
    cache = download_cache()
    entries = [entry for place in _places(cache) for entry in _entries(cache, place)]
    for path, state in _loose(cache):
        entries += _entry(cache, path, state)
    return entries


def describe_entries(entries: Iterable[CacheEntry]) -> list[str]:
    """Return a line per entry and one with the total."""
    entries = list(entries)
    width = max((len(str(entry.num_bytes)) for entry in entries), default=0)
    total = sum(entry.num_bytes for entry in entries)
    return [
        *(
            f"{entry.state:<11}  {entry.num_bytes:>{width}} bytes  {entry.path}"
            for entry in entries
        ),
        f"{len(entries)} files, {format_bytes(total)} ({total} bytes)",
    ]


def prune_cache(
    *, releases: Collection[int] = (), everything: bool = False, dry_run: bool = False
) -> Pruned:
    """Remove partial downloads and what is in quarantine; on request, verified files too.

    Parameters
    ----------
    releases : collection of int
        Remove the verified files of these releases.
    everything : bool
        Remove all verified files, and what is known of servers.
    dry_run : bool
        Only say what would be removed.

    Raises
    ------
    EnsemblAnnotationsError
        Where a file can't be removed.

    Notes
    -----
    Only files that are laid out like ours are touched, and none that another process has locked
    because it is downloading it.
    """
    cache = download_cache()
    removed: list[CacheEntry] = []
    in_use: list[CacheEntry] = []
    branches = {f"release-{number}" for number in releases}
    try:
        for place in _places(cache):
            whole = everything or not branches.isdisjoint(place.path.relative_to(cache).parts)
            with _try_lock(place, dry_run=dry_run) as is_ours:
                entries = [
                    entry for entry in _entries(cache, place) if whole or entry.state != VERIFIED
                ]
                if not is_ours:
                    in_use += entries
                    continue
                removed += entries
                if not dry_run:
                    _remove(cache, place, whole or place.read_receipt() is None)
        for path, state in _loose(cache):
            if state == MANIFEST and not everything:
                continue
            removed += _entry(cache, path, state)
            if not dry_run:
                path.unlink(missing_ok=True)
                _remove_empty(path.parent, cache)
    except OSError as error:
        raise explain_os_error(error, cache, "pruning the download cache") from error
    return Pruned(tuple(removed), tuple(in_use))


def _places(cache: Path) -> list[Place]:
    """Return the places of the cache: folders below a release's, named by a checksum and a size."""
    found = set()
    for folder, _, names in os.walk(cache):
        if _PLACE.fullmatch(Path(folder).relative_to(cache).as_posix()):
            found |= {Path(folder) / _name_of(name) for name in names}
    return [Place(path) for path in sorted(found)]


def _name_of(name: str) -> str:
    """Return the published file's name to which a file belongs."""
    if match := re.fullmatch(rf"\.(?P<locked>.+)\.lock|{TEMPORARY}", name):
        name = match["locked"] or match["final"]
    return re.sub(r"(\.part)?(\.json)?$", "", name)


def _entries(cache: Path, place: Place) -> list[CacheEntry]:
    state = VERIFIED if place.read_receipt() else PARTIAL
    return [*_entry(cache, place.path, state), *_entry(cache, place.part, PARTIAL)]


def _entry(cache: Path, path: Path, state: str) -> list[CacheEntry]:
    """Return the entry of a file; none where it is gone, perhaps just now."""
    try:
        num_bytes = path.stat().st_size
    except FileNotFoundError:
        return []
    return [CacheEntry(path.relative_to(cache).as_posix(), num_bytes, state)]


def _loose(cache: Path) -> list[tuple[Path, str]]:
    """Return the files that belong to no place, with their state."""
    manifests = (cache / MANIFESTS).glob("*.json")
    found = [(path, MANIFEST) for path in manifests if re.fullmatch("[0-9a-f]{16}", path.stem)]
    found += [
        (path, QUARANTINED)
        for path in (cache / QUARANTINE).glob("*-*")
        if path.is_file() and _QUARANTINED.fullmatch(path.name)
    ]
    return sorted(found)


@contextmanager
def _try_lock(place: Place, *, dry_run: bool) -> Iterator[bool]:
    """Hold the place's lock where nobody else does; say whether nobody else does."""
    lock = FileLock(place.lock)
    is_free = True
    # Whoever downloads has made the file, so none need be made to find out.
    if place.lock.exists():
        try:
            _acquire(lock, timeout=0)
        except Timeout:
            is_free = False
        except OSError:
            # In a read-only cache nothing is downloaded, and nothing can be removed either.
            if not dry_run:
                raise
    try:
        yield is_free
    finally:
        lock.release()


def _remove(cache: Path, place: Place, whole: bool) -> None:
    kept = set() if whole else {place.path, place.receipt}
    for path in place.files():
        if path not in kept:
            path.unlink(missing_ok=True)
    # Those who wait for the lock notice that its file is gone, and make another.
    place.lock.unlink(missing_ok=True)
    _remove_empty(place.path.parent, cache)


def _remove_empty(folder: Path, cache: Path) -> None:
    with suppress(OSError):
        while folder != cache:
            folder.rmdir()
            folder = folder.parent
