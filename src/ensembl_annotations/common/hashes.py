"""Digests of files: SHA-256, which we write, and MD5, by which DVC knows a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 4 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal, as DVC writes it."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, new_md5).hexdigest()


def md5_of_bytes(content: bytes) -> str:
    """Return the MD5 of bytes, in hexadecimal."""
    return new_md5(content).hexdigest()


def digests_of(handle: IO[bytes]) -> tuple[str, str]:
    """Return MD5 and SHA-256 of what an open file has left, which is read once."""
    md5, sha256 = new_md5(), hashlib.sha256()
    while chunk := handle.read(_CHUNK_BYTES):
        md5.update(chunk)
        sha256.update(chunk)
    return md5.hexdigest(), sha256.hexdigest()


def new_md5(content: bytes = b"") -> hashlib._Hash:
    """Return an MD5 to be updated; it names content here and protects nothing."""
    return hashlib.md5(content, usedforsecurity=False)
