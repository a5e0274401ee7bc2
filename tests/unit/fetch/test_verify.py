"""Whether a downloaded file is what was published."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.verify import bsd_sum, find_problem
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_bgzf

# What 'sum' of coreutils prints.
SUMS = {b"": (0, 0), b"a": (97, 1), b"hello\n": (36979, 1), bytes(range(256)) * 9: (4608, 3)}


@pytest.mark.parametrize("content", SUMS)
@pytest.mark.parametrize("has_tool", [True, False])
def test_the_sum_is_that_of_coreutils(
    content: bytes, has_tool: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    if not has_tool:
        monkeypatch.setenv("PATH", "")
    assert bsd_sum(path) == SUMS[content]


@pytest.mark.skipif(shutil.which("sum") is None, reason="coreutils' sum is not installed")
def test_the_oracle_is_right(tmp_path: Path) -> None:
    for content, (checksum, blocks) in SUMS.items():
        done = subprocess.run(["sum", "-r"], input=content, capture_output=True, check=True)
        assert tuple(map(int, done.stdout.split()[:2])) == (checksum, blocks)


def test_what_differs_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"

    def problem(content: bytes, checksum: int = 0, blocks: int = 0) -> str | None:
        path.write_bytes(content)
        found = bsd_sum(path)
        return find_problem(
            path, PublishedFile("a.gz", "1", found[0] + checksum, found[1] + blocks)
        )

    assert problem(compress_bgzf(b"a")) is None
    assert problem(gzip.compress(b"a")) is None
    assert "size differs: CHECKSUMS says 2 KiB, the file has 1" in str(problem(b"a", blocks=1))
    assert "checksum differs" in str(problem(compress_bgzf(b"a"), checksum=1))
    assert problem(b"<html>") == "not a gzip file"
    assert problem(b"") == "not a gzip file"
    cut = compress_bgzf(b"a")[: -len(EOF_BLOCK)]
    assert problem(cut) == "truncated: the BGZF end-of-file block is missing"
