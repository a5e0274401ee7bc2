"""Bring published files into the download cache, each verified, none twice."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ensembl_annotations.common.addresses import without_credentials
from ensembl_annotations.common.atomic import flush, write_json
from ensembl_annotations.common.errors import (
    ChecksumError,
    EnsemblAnnotationsError,
    SourceError,
    explain_os_error,
)
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.fetch.cache import (
    CACHE_VARIABLE,
    QUARANTINE,
    Place,
    Receipt,
    download_cache,
    find_place,
    locked,
    remaining_bytes,
)
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.mirrors import (
    StoppedError,
    folder_of,
    open_mirror,
    stop_if_asked,
)
from ensembl_annotations.fetch.transfer import HttpTransfer, Part
from ensembl_annotations.fetch.verify import find_problem

_LOG = logging.getLogger(__name__)

__all__ = ["FetchedFile", "StoppedError", "download_cache", "fetch_file", "remaining_bytes"]


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
        ``cached``, ``resumed`` (from what an earlier run left) or ``downloaded``.
    downloaded_bytes : int
        What came from mirrors in this run, discarded bytes included.
    """

    path: Path
    relative: str
    sha256: str
    num_bytes: int
    status: str
    downloaded_bytes: int = 0


def fetch_file(
    mirrors: Sequence[str],
    folder: str,
    published: PublishedFile,
    *,
    force: bool = False,
    progress: Callable[[int], object] = lambda _: None,
    stop: threading.Event | None = None,
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
        Called with the number of bytes of each piece, negative where bytes are discarded; in all
        as many as `remaining_bytes` said before.
    stop : threading.Event, optional
        Set it to end the download, the pauses and the waiting for another run.

    Raises
    ------
    SourceError
        Where no mirror gives a file that passes verification; with the code ``not_found`` only
        where all of them say that there is no such file.
    StoppedError
        Where `stop` was set; what has arrived is kept.
    EnsemblAnnotationsError
        Where the cache can't be written to, or its disk is full.

    Notes
    -----
    A cached file is hashed before it is used; that needs no lock and writes nothing, so the
    cache may be read-only. Two runs that want the same file share the work.
    """
    place = find_place(folder, published)
    relative = f"{folder}/{published.name}"
    stop_if_asked(stop)
    if not force and (receipt := place.find_verified()):
        _LOG.debug("%s: verified in the download cache", place.path)
        return FetchedFile(place.path, relative, receipt.sha256, receipt.bytes, "cached")
    planned = remaining_bytes(folder, published, force=force)
    try:
        with locked(place, stop=stop):
            part = Part(place, published, progress)
            # Again, now that nobody else can be at it: another run may have just finished it.
            cached = None if force else place.find_verified()
            receipt = cached or _Download(mirrors, relative, part, stop).run()
            part.settle(planned)
    except OSError as error:
        raise _explain(error, place) from error
    status = "cached" if cached else "resumed" if part.is_old else "downloaded"
    return FetchedFile(
        place.path, relative, receipt.sha256, receipt.bytes, status, part.received_bytes
    )


def _explain(error: OSError, place: Place) -> EnsemblAnnotationsError:
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return EnsemblAnnotationsError(
            f"{download_cache()}: the download cache can't be written to ({error.strerror}), so "
            f"{place.path.name} can't be downloaded.",
            hint=f"Set ${CACHE_VARIABLE} to a folder you can write to, or have whoever keeps this "
            "cache fetch the file.",
            code="permission",
        )
    return explain_os_error(error, place.path.parent, "filling the download cache")


@dataclass
class _Download:
    """One file's way into the cache, from the first mirror that gives it as it was published."""

    mirrors: Sequence[str]
    relative: str
    part: Part
    stop: threading.Event | None

    def run(self) -> Receipt:
        """Return the receipt of the file, which has its final name now."""
        try:
            if not self._is_already_complete():
                self._try_mirrors()
            return self._accept()
        finally:
            self.part.tidy()

    def _is_already_complete(self) -> bool:
        """Say whether an earlier run had all bytes but no time to verify them."""
        part = self.part
        if not (part.num_bytes and part.is_complete()):
            return False
        if problem := find_problem(part.place.part, part.published):
            _LOG.info(
                f"{self.part.published.name}: {problem} in what an earlier run left; starting over."
            )
            part.discard()
        return part.num_bytes > 0

    def _try_mirrors(self) -> None:
        mirrors = list(self.mirrors)
        if not mirrors:
            raise SourceError(
                "No mirror is given.", hint="Name one under `run.sources`, or with --base-url."
            )
        problems: dict[str, SourceError] = {}
        # Wrong content gets another chance: at the next mirror, or at the only one.
        for mirror in mirrors if len(mirrors) > 1 else mirrors * 2:
            try:
                return self._fill(mirror)
            except SourceError as error:
                problems[without_credentials(mirror)] = error
                if len(mirrors) == 1 and not isinstance(error, ChecksumError):
                    break
                _LOG.info(error.message)
        raise _all_failed(self.part.published.name, problems)

    def _fill(self, mirror: str) -> None:
        """Fill the part from one mirror, and verify it."""
        part = self.part
        for _ in range(2):
            if folder_of(mirror) is None:
                HttpTransfer(mirror, self.relative, part, self.stop).run()
            else:
                with open_mirror(mirror, self.relative) as pieces:
                    part.discard()
                    part.append(pieces, self.stop)
            problem = find_problem(part.place.part, part.published)
            if problem is None:
                return
            if not part.is_pieced:
                break
            # The fault may be the seam between two answers, so once more in one piece.
            _LOG.info(f"{self.part.published.name}: {problem}; fetching it again from the start.")
            part.discard()
        raise ChecksumError(
            f"{self.part.published.name}: {problem}. Moved to {self._quarantine()}.",
            hint="Run the command again to fetch it again; where that does not help, the mirror's "
            "file and its CHECKSUMS do not belong together: try another mirror.",
        )

    def _quarantine(self) -> Path:
        place = self.part.place
        target = (
            download_cache()
            / QUARANTINE
            / f"{self.part.published.name}-{sha256_of(place.part)[:12]}"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        place.part.replace(target)
        self.part.discard()
        return target

    def _accept(self) -> Receipt:
        """Give the verified part its final name, in an order that a crash can't spoil."""
        part, place = self.part, self.part.place
        receipt = Receipt(sha256_of(place.part), part.num_bytes)
        flush(place.part)
        # The receipt first: cut off here, the part is complete and only verified again.
        write_json(place.receipt, asdict(receipt))
        place.part.replace(place.path)
        place.origin.unlink(missing_ok=True)
        flush(place.path.parent)
        return receipt


def _all_failed(name: str, problems: Mapping[str, SourceError]) -> SourceError:
    """Return one error for what each mirror said."""
    errors = list(problems.values())
    if len(errors) == 1:
        return errors[0]
    lines = [
        error.message if mirror in error.message else f"{mirror}: {error.message}"
        for mirror, error in problems.items()
    ]
    codes, hints = ({getattr(error, key) for error in errors} for key in ("code", "hint"))
    # Of one code are those of one class.
    kind, code = (type(errors[0]), errors[0].code) if len(codes) == 1 else (SourceError, None)
    return kind(
        "\n  ".join([f"{name}: none of {len(errors)} mirrors gives it:", *lines]),
        hint=hints.pop()
        if len(hints) == 1
        else "Run the command again to fetch it again; what has arrived is kept.",
        code=code,
    )
