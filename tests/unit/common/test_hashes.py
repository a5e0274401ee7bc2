"""Digests of files, bytes and streams."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from ensembl_annotations.common.hashes import digests_of, md5_of, md5_of_bytes, sha256_of


def test_digests(tmp_path: Path) -> None:
    path, content = tmp_path / "file", b"bytes" * (1 << 20)
    path.write_bytes(content)
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    assert (md5_of(path), md5_of_bytes(content), sha256_of(path)) == (md5, md5, sha256)
    assert digests_of(io.BytesIO(content)) == (md5, sha256)
