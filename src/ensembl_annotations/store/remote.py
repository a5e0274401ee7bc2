"""A reference store on a web server or in S3, described as one on disk; its files are read in place.

Only ``datapackage.json`` is read as a whole. Of the files polars asks for the ranges of bytes that a query
needs; it takes proxies, keys and the endpoint of S3 from the usual variables of the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.words import one_line
from ensembl_annotations.store.describe import FILE_NAME, ReferenceStore

_SCHEMES = ("https://", "http://", "s3://")
_TIMEOUT_SEC = 60


def is_remote(folder: Path | str) -> bool:
    """Tell whether a store is named by an address."""
    return str(folder).lower().startswith(_SCHEMES)


def remote_store(address: str) -> ReferenceStore:
    """Return what a store elsewhere says of itself; its files are not there.

    Raises
    ------
    ReferenceStoreError
        Where there is no store of this version.
    """
    where = f"{address.rstrip('/')}/{FILE_NAME}"
    with TemporaryDirectory(prefix="ensembl-annotations-") as folder:
        (Path(folder) / FILE_NAME).write_bytes(_read(where))
        try:
            return ReferenceStore(folder)
        except ReferenceStoreError as error:
            message = error.message.replace(str(Path(folder) / FILE_NAME), where)
            raise ReferenceStoreError(message, hint=error.hint, code=error.code) from error


def address_of(address: str, name: str) -> str:
    """Return where a file of a store is."""
    return f"{address.rstrip('/')}/{name if address.lower().startswith('s3:') else quote(name)}"


def _read(where: str) -> bytes:
    try:
        return _read_s3(where) if where.lower().startswith("s3:") else _read_http(where)
    except OSError as error:
        # requests' errors are of this kind, too.
        raise ReferenceStoreError(
            f"{where}: can't be read ({one_line(error)}); expected the description of a reference store.",
            hint="Give the address of the folder with the store's files.",
        ) from error


def _read_http(where: str) -> bytes:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(3, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        answer = session.get(where, timeout=_TIMEOUT_SEC)
        answer.raise_for_status()
        return answer.content


def _read_s3(where: str) -> bytes:
    from pyarrow import fs

    # As polars takes it; pyarrow looks at keys and region alone.
    system = fs.S3FileSystem(endpoint_override=os.environ.get("AWS_ENDPOINT_URL"))
    with system.open_input_stream(where[len("s3://") :]) as stream:
        content: bytes = stream.read()
    return content
