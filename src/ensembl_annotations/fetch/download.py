"""Bring published files into the download cache, each verified, none twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import SourceError, explain_os_error
from ensembl_annotations.common.provenance import sha256_of
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.mirrors import open_mirror
from ensembl_annotations.fetch.verify import BLOCK_BYTES, check_file

CACHE_VARIABLE = "ENSEMBL_ANNOTATIONS_CACHE"


@dataclass(frozen=True)
class FetchedFile:
    """A verified file in the download cache.

    Attributes
    ----------
    path : Path
        Where it is.
    relative : str
        Its path below a mirror's base.
    sha256 : str
        Of its bytes.
    num_bytes : int
        Its size.
    status : str
        ``downloaded`` or ``cached``.
    """

    path: Path
    relative: str
    sha256: str
    num_bytes: int
    status: str


def download_cache() -> Path:
    """Return the folder of the download cache: $ENSEMBL_ANNOTATIONS_CACHE, or the user's."""
    configured = os.environ.get(CACHE_VARIABLE)
    return Path(configured) if configured else platformdirs.user_cache_path("ensembl-annotations")


def fetch_file(
    mirrors: Sequence[str],
    folder: str,
    published: PublishedFile,
    *,
    force: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> FetchedFile:
    """Return a published file from the cache, downloading it where it is not there yet.

    Parameters
    ----------
    mirrors : sequence of str
        Tried in order.
    folder : str
        The file's folder below a mirror's base.
    published : PublishedFile
        What CHECKSUMS says of it.
    force : bool
        Download even what the cache holds.
    progress : callable
        Called with the number of bytes of each piece.

    Raises
    ------
    SourceError
        Where no mirror gives a file that passes verification.

    Notes
    -----
    The cache is addressed by path, checksum and size as published, so a file that Ensembl
    changes is another entry. A cached file is hashed before it is used.
    """
    relative = f"{folder}/{published.name}"
    place = download_cache() / folder / f"{published.checksum:05d}-{published.blocks}"
    path = place / published.name
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / f".{published.name}.lock"):
            if not force and (receipt := _cached(path)):
                return FetchedFile(path, relative, *receipt, "cached")
            sha256 = _download(mirrors, relative, published, path, progress)
            num_bytes = path.stat().st_size
            write_json(_receipt(path), {"sha256": sha256, "bytes": num_bytes})
            return FetchedFile(path, relative, sha256, num_bytes, "downloaded")
    except OSError as error:
        raise explain_os_error(error, place, "filling the download cache") from error


def _receipt(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _cached(path: Path) -> tuple[str, int] | None:
    try:
        content = json.loads(_receipt(path).read_bytes())
        expected, num_bytes = str(content["sha256"]), int(content["bytes"])
        intact = path.stat().st_size == num_bytes and sha256_of(path) == expected
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (expected, num_bytes) if intact else None


def _download(
    mirrors: Sequence[str],
    relative: str,
    published: PublishedFile,
    path: Path,
    progress: Callable[[int], object],
) -> str:
    problem: SourceError | None = None
    for mirror in mirrors:
        part = path.with_name(f"{path.name}.part")
        try:
            sha256 = _copy(mirror, relative, published, part, progress)
            check_file(part, published)
        except SourceError as error:
            problem = error
            if part.exists() and error.code == "checksum":
                _quarantine(part)
            continue
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
        return sha256
    raise problem or SourceError("No mirror is given.", hint="Name one under `sources`.")


def _copy(
    mirror: str,
    relative: str,
    published: PublishedFile,
    part: Path,
    progress: Callable[[int], object],
) -> str:
    digest = hashlib.sha256()
    limit = published.blocks * BLOCK_BYTES
    size = 0
    with open_mirror(mirror, relative) as pieces, part.open("wb") as out:
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise SourceError(
                    f"{relative}: more than the {published.blocks} KiB that CHECKSUMS says.",
                    code="checksum",
                )
            out.write(piece)
            digest.update(piece)
            progress(len(piece))
    return digest.hexdigest()


def _quarantine(part: Path) -> None:
    folder = download_cache() / "quarantine"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.move(part, folder / f"{part.name}-{sha256_of(part)[:12]}")
