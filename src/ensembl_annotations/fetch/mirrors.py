"""Read a published file from a mirror: https, http, or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ensembl_annotations.common.errors import SourceError, explain_os_error

CHUNK_BYTES = 1 << 20
_TIMEOUT_SEC = (15, 60)
_MAX_TEXT_BYTES = 16 << 20


@contextmanager
def open_mirror(mirror: str, relative: str) -> Iterator[Iterator[bytes]]:
    """Give the bytes of a mirror's file, in pieces.

    Parameters
    ----------
    mirror : str
        An ``http``, ``https`` or ``file`` URL, or the path of a folder.
    relative : str
        The file, below the mirror's base.

    Raises
    ------
    SourceError
        With the code ``not_found`` where the mirror answers but has no such file.
    """
    try:
        parts = urlsplit(mirror)
    except ValueError as error:
        raise SourceError(
            f"{mirror}: not an address ({error}).", hint="Check `sources`, or --base-url."
        ) from error
    if parts.scheme in ("http", "https"):
        with _open_http(f"{mirror.rstrip('/')}/{relative}") as pieces:
            yield pieces
    elif parts.scheme == "file":
        with _open_path(Path(unquote(parts.path)), relative) as pieces:
            yield pieces
    else:
        with _open_path(Path(mirror), relative) as pieces:
            yield pieces


@contextmanager
def _open_path(base: Path, relative: str) -> Iterator[Iterator[bytes]]:
    path = base / relative
    if not base.is_dir():
        raise SourceError(
            f"{base}: no such folder; expected a mirror of Ensembl's tree.",
            hint="Check `sources` in params.yaml, or --base-url.",
        )
    if not path.is_file():
        raise SourceError(
            f"{path}: not found.",
            hint="Check the release, species and assembly against what the mirror has.",
            code="not_found",
        )
    try:
        with path.open("rb") as handle:
            yield iter(lambda: handle.read(CHUNK_BYTES), b"")
    except OSError as error:
        if error.filename is None:
            raise
        raise explain_os_error(error, path, "reading") from error


@contextmanager
def _open_http(url: str) -> Iterator[Iterator[bytes]]:
    retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.mount("https://", HTTPAdapter(max_retries=retry))
        try:
            with session.get(
                url, stream=True, timeout=_TIMEOUT_SEC, headers={"Accept-Encoding": "identity"}
            ) as answer:
                if answer.status_code == requests.codes.not_found:
                    raise SourceError(
                        f"{url}: not found (HTTP 404).",
                        hint="Check the release, species and assembly.",
                        code="not_found",
                    )
                if not answer.ok:
                    raise SourceError(f"{url}: HTTP {answer.status_code} {answer.reason}.")
                yield _body(answer, url)
        except requests.RequestException as error:
            raise SourceError(
                f"{url}: can't be read ({error}).", hint="Check the connection and try again."
            ) from error


def _body(answer: requests.Response, url: str) -> Iterator[bytes]:
    expected = answer.headers.get("Content-Length")
    received = 0
    for piece in answer.iter_content(CHUNK_BYTES):
        received += len(piece)
        yield cast(bytes, piece)
    if expected is not None and received != int(expected):
        raise SourceError(f"{url}: the body has {received} bytes, {expected} were promised.")


def read_text(mirror: str, relative: str) -> str:
    """Return a small text file of a mirror.

    Raises
    ------
    SourceError
        As `open_mirror`, and where the file is over 16 MiB.
    """
    content = b""
    with open_mirror(mirror, relative) as pieces:
        for piece in pieces:
            content += piece
            if len(content) > _MAX_TEXT_BYTES:
                raise SourceError(f"{relative}: over 16 MiB, not a list of checksums.")
    return content.decode("utf-8", "replace")
