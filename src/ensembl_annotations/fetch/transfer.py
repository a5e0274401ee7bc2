"""Let a file grow on disk from the answers of a server that may break off at any time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import requests

from ensembl_annotations.common.addresses import without_credentials
from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import SizeError
from ensembl_annotations.common.json_files import read_as
from ensembl_annotations.fetch.cache import Place
from ensembl_annotations.fetch.failures import TransientError
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.mirrors import (
    Attempts,
    MirrorSession,
    open_http,
    read_pieces,
    stop_if_asked,
    url_of,
)
from ensembl_annotations.fetch.verify import BLOCK_BYTES


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a part come from, kept beside it.

    Attributes
    ----------
    url : str
        The address of the latest answer, without credentials.
    validator : str, optional
        Its strong ETag, else its Last-Modified: what tells whether the file is still the same.
    total : int, optional
        The size of the whole file, where the server said.
    """

    url: str
    validator: str | None
    total: int | None


class Part:
    """The file a download grows in.

    Attributes
    ----------
    num_bytes : int
        Its size. After a crash nothing more is known of its bytes; verification decides.
    received_bytes : int
        What came from mirrors in this run, whether it was kept or not.
    is_old : bool
        It holds bytes that an earlier run left.
    is_pieced : bool
        It was put together from more than one answer, so a wrong checksum may be our seam.
    """

    def __init__(
        self, place: Place, published: PublishedFile, progress: Callable[[int], object]
    ) -> None:
        self.place = place
        self.published = published
        self.limit = published.blocks * BLOCK_BYTES
        self.received_bytes = 0
        self._progress = progress
        self._reported = 0
        self.num_bytes = place.part.stat().st_size if place.part.exists() else 0
        self.is_old = self.is_pieced = self.num_bytes > 0

    @property
    def origin(self) -> Origin | None:
        """What is known of where the bytes come from; None where nothing is."""
        found = read_as(Origin, self.place.origin)
        fits = found is not None and (found.total is None or self.fits(found.total))
        return found if fits else None

    def fits(self, num_bytes: int) -> bool:
        """Say whether a file of this size is what CHECKSUMS says."""
        return -(-num_bytes // BLOCK_BYTES) == self.published.blocks

    def is_complete(self) -> bool:
        """Say whether all bytes are here, as far as the size tells."""
        if not self.num_bytes:
            return self.published.blocks == 0 and self.place.part.exists()
        origin = self.origin
        if origin is not None and origin.total is not None:
            return self.num_bytes == origin.total
        return self.fits(self.num_bytes)

    def discard(self) -> None:
        """Start over: what is here, and what is known of it, goes."""
        self.place.part.unlink(missing_ok=True)
        self.place.origin.unlink(missing_ok=True)
        self._report(-self.num_bytes)
        self.num_bytes = 0
        self.is_old = self.is_pieced = False

    def describe(self, origin: Origin) -> None:
        """Note where the next bytes come from, before any of them is written."""
        if self.origin != origin:
            write_json(self.place.origin, asdict(origin))

    def append(self, pieces: Iterable[bytes], stop: threading.Event | None) -> None:
        """Add bytes at the end, each piece out of our hands before the next is asked for.

        Raises
        ------
        SourceError
            Where there are more than CHECKSUMS says; none of those is written.
        StoppedError
        """
        with self.place.part.open("ab") as out:
            for piece in pieces:
                self.received_bytes += len(piece)
                if self.num_bytes + len(piece) > self.limit:
                    self.discard()
                    raise SizeError(
                        f"{self.published.name}: more than the {self.published.blocks} KiB that "
                        "CHECKSUMS says.",
                        hint="The mirror has another file than its CHECKSUMS says; try another.",
                    )
                out.write(piece)
                out.flush()
                self.num_bytes += len(piece)
                self._report(len(piece))
                stop_if_asked(stop)

    def settle(self, planned: int) -> None:
        """Report what is missing to `planned`, so that progress ends where the plan did."""
        self._report(planned - self._reported)

    def _report(self, num_bytes: int) -> None:
        if num_bytes:
            self._reported += num_bytes
            self._progress(num_bytes)

    def tidy(self) -> None:
        """Leave nothing behind where nothing has arrived."""
        if not self.place.part.exists() or not self.place.part.stat().st_size:
            self.place.part.unlink(missing_ok=True)
            self.place.origin.unlink(missing_ok=True)


class HttpTransfer:
    """The download of one file from one server, through as many answers as it takes.

    Parameters
    ----------
    mirror, relative : str
        The server's base, and the file below it.
    part : Part
        Where the bytes go; what is in it already is not asked for again.
    stop : threading.Event, optional
        Ends the transfer within one piece.

    Notes
    -----
    The server that gave the bytes so far is asked for the rest on the condition that its file is
    still the same (If-Range). Another server can't know that; there the size has to agree.
    """

    def __init__(
        self, mirror: str, relative: str, part: Part, stop: threading.Event | None
    ) -> None:
        self._url = url_of(mirror, relative)
        self._shown = without_credentials(self._url)
        self._part = part
        self._stop = stop
        self._is_conditional = True

    def run(self) -> None:
        """Fill the part.

        Raises
        ------
        SourceError
            Where this server can't give the file.
        StoppedError
        """
        part = self._part
        attempts = Attempts(self._shown, stop=self._stop)
        furthest = part.num_bytes
        with MirrorSession() as session:
            while not part.is_complete():
                stop_if_asked(self._stop)
                try:
                    self._attempt(session)
                except TransientError as error:
                    # More than ever before: a server that always starts over gets nowhere.
                    if part.num_bytes > furthest:
                        furthest = part.num_bytes
                        attempts.progressed()
                    attempts.wait_after(error)

    def _attempt(self, session: MirrorSession) -> None:
        part = self._part
        origin = part.origin
        if part.num_bytes and (origin is None or part.num_bytes > (origin.total or part.limit)):
            part.discard()
        headers = self._range_headers()
        with open_http(session, self._url, headers) as answer:
            if answer.status_code == 416:
                self._refuse_seam("the server has no bytes from there on")
            if answer.status_code == 206:
                self._go_on(answer)
                decode = False
            else:
                if "If-Range" in headers and not _has_changed(answer, headers["If-Range"]):
                    # The same file, and yet all of it: some servers give a range, but know no
                    # condition. Without one, Content-Range and ETag still say if it fits.
                    self._is_conditional = False
                    raise TransientError("the whole file was sent instead of the rest")
                decode = self._start(answer)
            part.append(read_pieces(answer, decode=decode), self._stop)
        if not part.is_complete():
            raise TransientError(
                f"the connection ended after {part.num_bytes} bytes (CHECKSUMS says "
                f"{part.published.blocks} KiB: size differs)"
            )

    def _range_headers(self) -> dict[str, str]:
        part, origin = self._part, self._part.origin
        if not part.num_bytes or origin is None:
            return {}
        headers = {"Range": f"bytes={part.num_bytes}-"}
        if self._is_conditional and origin.url == self._shown and origin.validator:
            headers["If-Range"] = origin.validator
        return headers

    def _refuse_seam(self, reason: str) -> None:
        """Start over, as another attempt: what is here and what comes do not belong together."""
        self._part.discard()
        raise TransientError(f"{reason}; starting over")

    def _go_on(self, answer: requests.Response) -> None:
        """Check that an answer to a Range request continues what is here."""
        part, old = self._part, self._part.origin
        begin, total = _content_range(answer)
        self._check_size(total)
        if begin != part.num_bytes:
            self._refuse_seam(f"it sends other bytes than those from {part.num_bytes} on")
        if old is not None and part.num_bytes:
            if total is not None and old.total is not None and total != old.total:
                self._refuse_seam(f"the file has {total} bytes, it had {old.total}")
            if old.url == self._shown and _has_changed(answer, old.validator):
                self._refuse_seam("the file has changed on the server")
            total = total or old.total
            part.is_pieced = True
        part.describe(Origin(self._shown, _validator(answer), total))

    def _start(self, answer: requests.Response) -> bool:
        """Prepare for the whole file; say whether the body is to be decoded."""
        part = self._part
        total = _content_length(answer)
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        # We asked for none. Some servers label a .gz file with it, but send it as it is; then the
        # size fits. Others do compress it once more; of those, the size says nothing.
        decode = encoding not in ("identity", "") and (total is None or not part.fits(total))
        if decode:
            total = None
        self._check_size(total)
        if total is None and answer.headers.get("Content-Type", "").startswith("text/html"):
            # Such as where a network wants one to sign in; what is here must not go for that.
            raise TransientError("a page (text/html) was sent instead of the file")
        part.discard()
        part.describe(Origin(self._shown, None if decode else _validator(answer), total))
        return decode

    def _check_size(self, total: int | None) -> None:
        if total is not None and not self._part.fits(total):
            blocks = self._part.published.blocks
            raise SizeError(
                f"{self._shown}: size differs: CHECKSUMS says {blocks} KiB, the server announces "
                f"{-(-total // BLOCK_BYTES)} ({total} bytes).",
                hint="The mirror has another file than its CHECKSUMS says; try another.",
            )


def _content_range(answer: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte's place and the whole size, each None where it is not said."""
    text = answer.headers.get("Content-Range", "")
    match = re.fullmatch(r"\s*bytes\s+(\d{1,18})-\d+/(\d{1,18}|\*)\s*", text)
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _content_length(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "").strip()
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None


def _validator(answer: requests.Response) -> str | None:
    etag = answer.headers.get("ETag", "").strip()
    if re.fullmatch(r'"[^"]*"', etag):
        return etag
    return answer.headers.get("Last-Modified")


def _has_changed(answer: requests.Response, validator: str | None) -> bool:
    """Say whether an answer is of another file than the one with this validator."""
    if validator is None:
        return False
    name = "ETag" if validator.startswith('"') else "Last-Modified"
    return bool(answer.headers.get(name, validator) != validator)
