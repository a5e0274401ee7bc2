"""Where the files of a reference store are: in a folder, on a web server, or in S3.

Of a file elsewhere only the ranges of bytes that are asked for are read. A web server is asked through
requests, which takes proxies and certificates from the usual variables of the environment; S3 through
pyarrow, which takes the keys from there. A request that fails is made again, as in a download.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import pyarrow as pa

from ensembl_annotations.common.addresses import without_credentials
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.words import one_line
from ensembl_annotations.store.describe import FILE_NAME, OTHER_LAYOUT, ReferenceStore

if TYPE_CHECKING:
    import requests

_SCHEMES = ("https://", "http://", "s3://")
_TIMEOUT_SEC = (15.0, 60.0)
_RETRIES = 5
_PAUSE_SEC = 0.2
_MAX_RETRY_AFTER_SEC = 60
_NO_SUCH_FILE = (403, 404, 410)
_HINT = "Check the address, the connection and your rights there, then run it again."


class Files(Protocol):
    """The files of a folder, wherever it is."""

    def read(self, name: str) -> bytes | None:
        """Return a small file; None where there is none."""

    def open(self, name: str, num_bytes: int) -> pa.NativeFile:
        """Open a file of so many bytes, of which ranges are read."""

    def where(self, name: str) -> str:
        """Return how a message names a file."""


def is_remote(folder: Path | str) -> bool:
    """Tell whether a store is named by an address."""
    return str(folder).lower().startswith(_SCHEMES)


def files_at(folder: Path | str) -> Files:
    """Return the files of a folder that a path or an address names."""
    if not is_remote(folder):
        return _LocalFiles(Path(folder))
    address = str(folder).rstrip("/")
    if "://" not in address:
        raise ReferenceStoreError(f"{folder}: expected the address of a folder.", hint=_HINT)
    return _S3Files(address) if address.lower().startswith("s3:") else _HttpFiles(address)


def described_store(folder: Path | str) -> ReferenceStore:
    """Return what a store, here or elsewhere, says of itself.

    Raises
    ------
    ReferenceStoreError
        Where there is no store of this version.
    """
    if not is_remote(folder):
        return ReferenceStore(folder)
    files = files_at(folder)
    where, content = files.where(FILE_NAME), files.read(FILE_NAME)
    if content is None:
        raise ReferenceStoreError(
            f"{where}: is not there, or not for you; expected the description of a reference store.",
            hint="Give the address of the folder with the store's files.",
        )
    with TemporaryDirectory(prefix="ensembl-annotations-") as copy:
        (Path(copy) / FILE_NAME).write_bytes(content)
        try:
            return ReferenceStore(copy)
        except ReferenceStoreError as error:
            message = error.message.replace(str(Path(copy) / FILE_NAME), where)
            hint = error.hint if error.code == OTHER_LAYOUT else _HINT
            raise ReferenceStoreError(message, hint=hint, code=error.code) from error


class _LocalFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.where(name), error) from error

    def open(self, name: str, num_bytes: int) -> pa.NativeFile:
        try:
            return pa.OSFile(str(self._folder / name))
        except OSError as error:
            raise _unreadable(self.where(name), error) from error

    def where(self, name: str) -> str:
        return str(self._folder / name)


def s3_system() -> Any:
    """Return S3, as the environment says where it is."""
    from pyarrow import fs

    # pyarrow looks at keys and region alone.
    return fs.S3FileSystem(endpoint_override=os.environ.get("AWS_ENDPOINT_URL"))


class _S3Files:
    def __init__(self, address: str) -> None:
        self._address = address

    @cached_property
    def _system(self) -> Any:
        return s3_system()

    def _path(self, name: str) -> str:
        return f"{self._address[len('s3://') :]}/{name}"

    def read(self, name: str) -> bytes | None:
        try:
            with self._system.open_input_stream(self._path(name)) as stream:
                content: bytes = stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            # Who may not list a bucket is told so, too, of what is not there.
            if "ACCESS_DENIED" in str(error):
                return None
            raise _unreadable(self.where(name), error) from error
        return content

    def open(self, name: str, num_bytes: int) -> pa.NativeFile:
        try:
            return self._system.open_input_file(self._path(name))
        except OSError as error:
            raise _unreadable(self.where(name), error) from error

    def where(self, name: str) -> str:
        return f"{self._address}/{name}"


class _HttpFiles:
    def __init__(self, address: str) -> None:
        self._address = address

    @cached_property
    def _session(self) -> requests.Session:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        retry = Retry(
            _RETRIES,
            # A port where nobody listens is a typo more often than a fault.
            connect=2,
            # A certificate that is not trusted will not be at the next attempt.
            other=0,
            backoff_factor=_PAUSE_SEC,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            retry_after_max=_MAX_RETRY_AFTER_SEC,
        )
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def read(self, name: str) -> bytes | None:
        return self._asked(name, {}, lambda answer: None)

    def open(self, name: str, num_bytes: int) -> pa.NativeFile:
        return pa.PythonFile(_HttpFile(self, name, num_bytes), mode="r")

    def where(self, name: str) -> str:
        return without_credentials(f"{self._address}/{quote(name)}")

    def read_range(self, name: str, begin: int, end: int, num_bytes: int) -> bytes:
        """Return some bytes of a file of `num_bytes`."""
        where, expected = self.where(name), f"bytes {begin}-{end - 1}/{num_bytes}"

        def check(answer: requests.Response) -> None:
            if answer.status_code == 200:
                raise ReferenceStoreError(
                    f"{where}: the server sends the whole file where a part is asked for; expected "
                    "HTTP 206 (Range).",
                    hint="Use a server that gives ranges, such as nginx or S3; or copy the store to this "
                    "machine.",
                )
            told = answer.headers.get("Content-Range", "").strip()
            if told != expected:
                raise ReferenceStoreError(
                    f"{where}: expected {expected}, as its description says; the server sends {told[:80]!r}.",
                    hint="It is another file than described: copy the store there anew.",
                )

        # Packed, a range would be another one.
        headers = {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
        content = self._asked(name, headers, check)
        if content is None:
            raise ReferenceStoreError(f"{where}: is not there, or not for you.", hint=_HINT)
        return content

    def _asked(
        self, name: str, headers: dict[str, str], check: Callable[[requests.Response], None]
    ) -> bytes | None:
        """Return the body of an answer that was checked; None where there is no such file.

        What fails before the body the session asks for again; a body that breaks off is asked for here.
        """
        where = self.where(name)
        for left in reversed(range(_RETRIES + 1)):
            try:
                answer = self._session.get(
                    f"{self._address}/{quote(name)}",
                    headers=headers,
                    stream=True,
                    timeout=_TIMEOUT_SEC,
                )
                with answer:
                    self._refuse_downgrade(answer)
                    if answer.status_code in _NO_SUCH_FILE:
                        return None
                    answer.raise_for_status()
                    check(answer)
                    try:
                        return answer.content
                    except OSError:
                        if not left:
                            raise
            except OSError as error:
                # requests' errors are of this kind.
                raise _unreadable(where, error) from error
            time.sleep(_PAUSE_SEC * 2 ** (_RETRIES - left))
        raise AssertionError

    def _refuse_downgrade(self, answer: requests.Response) -> None:
        """Refuse an answer that was redirected from https to http, where anybody could have written it."""
        if self._address.lower().startswith("https:") and not answer.url.startswith("https:"):
            raise ReferenceStoreError(
                f"{without_credentials(self._address)}: redirects to an address without https.",
                hint="Use the new address; nothing of it was used.",
            )


class _HttpFile(io.RawIOBase):
    """A file on a web server; each read is a request."""

    def __init__(self, files: _HttpFiles, name: str, num_bytes: int) -> None:
        self._files, self._name, self._num_bytes = files, name, num_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_CUR: self._at, os.SEEK_END: self._num_bytes}.get(whence, 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._num_bytes - self._at
        end = self._at + (left if size < 0 else min(size, left))
        if end <= self._at:
            return b""
        content = self._files.read_range(self._name, self._at, end, self._num_bytes)
        self._at = end
        return content


def _unreadable(where: str, error: OSError) -> ReferenceStoreError:
    # Errors of requests name the address as it was given.
    reason = re.sub(r"//[^/@\s]*@", "//", one_line(error))
    hint = _HINT
    if "CERTIFICATE" in reason:
        hint = "Where your network has its own authority, name its certificates in $REQUESTS_CA_BUNDLE."
    return ReferenceStoreError(f"{where}: can't be read ({reason}).", hint=hint)
