"""Is a downloaded file what Ensembl published? Checksum, size, and a proper end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.vcf.bgzf import has_eof_block, is_bgzf

BLOCK_BYTES = 1024


def bsd_sum(path: Path) -> tuple[int, int]:
    """Return the 16-bit BSD checksum and the size in 1 KiB blocks, rounded up.

    Notes
    -----
    This is what ``sum`` prints and what Ensembl's CHECKSUMS hold. coreutils does it where it
    is installed; the fallback gives the same numbers, slower.
    """
    if tool := shutil.which("sum"):
        with path.open("rb") as handle:
            done = subprocess.run([tool, "-r"], stdin=handle, capture_output=True, check=False)
        fields = done.stdout.split()
        if done.returncode == 0 and len(fields) >= 2 and fields[0].isdigit():
            return int(fields[0]), -(-path.stat().st_size // BLOCK_BYTES)
    return _bsd_sum_python(path)


def _bsd_sum_python(path: Path) -> tuple[int, int]:
    total = size = 0
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            size += len(chunk)
            for byte in chunk:
                total = ((total >> 1) + ((total & 1) << 15) + byte) & 0xFFFF
    return total, -(-size // BLOCK_BYTES)


def find_problem(path: Path, published: PublishedFile) -> str | None:
    """Say in what a file differs from what was published, or None where it does not."""
    size = path.stat().st_size
    blocks = -(-size // BLOCK_BYTES)
    if blocks != published.blocks:
        return f"size differs: CHECKSUMS says {published.blocks} KiB, the file has {blocks}"
    checksum, _ = bsd_sum(path)
    if checksum != published.checksum:
        return (
            f"checksum differs: CHECKSUMS says {published.checksum:05d} {published.blocks}, "
            f"the file has {checksum:05d} {blocks}"
        )
    with path.open("rb") as handle:
        head = handle.read(18)
    if head[:2] != b"\x1f\x8b":
        return "not a gzip file"
    if is_bgzf(head) and not has_eof_block(path):
        return "truncated: the BGZF end-of-file block is missing"
    return None
