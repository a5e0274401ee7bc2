"""BGZF as the SAM specification has it, read back by Python's own gzip."""

from __future__ import annotations

import gzip
import io
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensembl_annotations.vcf import bgzf
from ensembl_annotations.vcf.bgzf import (
    BLOCK_BYTES,
    EOF_BLOCK,
    GZIP_ERRORS,
    BgzfWriter,
    compress_bgzf,
    has_eof_block,
    is_bgzf,
    open_gzip,
)


def blocks_of(data: bytes) -> list[bytes]:
    """Cut a BGZF file into its blocks by the size that each has in its header."""
    blocks = []
    while data:
        (size,) = struct.unpack("<H", data[16:18])
        blocks.append(data[: size + 1])
        data = data[size + 1 :]
    return blocks


@pytest.mark.parametrize(
    "size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES]
)
def test_blocks_have_the_sizes_of_bgzip(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    packed = compress_bgzf(content)
    *blocks, last = blocks_of(packed)
    assert last == EOF_BLOCK
    assert all(is_bgzf(block) for block in blocks)
    full, rest = divmod(size, BLOCK_BYTES)
    sizes = [len(gzip.decompress(block)) for block in blocks]
    assert sizes == [BLOCK_BYTES] * full + [rest] * (rest > 0)
    assert gzip.decompress(packed) == content


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 12), st.integers(1, 3))
def test_what_is_written_in_parts_is_what_is_written_at_once(
    parts: list[bytes], level: int, threads: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bgzf, "BLOCK_BYTES", 64)
        patch.setattr(bgzf, "_GROUP_BYTES", 256)
        out = io.BytesIO()
        writer = BgzfWriter(out, level=level, threads=threads)
        for part in parts:
            writer.write(part)
        writer.finish()
        assert out.getvalue() == compress_bgzf(b"".join(parts), level)
    assert gzip.decompress(out.getvalue()) == b"".join(parts)
    assert writer.num_bytes == sum(map(len, parts))
    assert writer.block_sizes == [len(block) for block in blocks_of(out.getvalue())[:-1]]


def test_a_writer_that_is_abandoned_leaves_a_file_that_reads_as_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    with path.open("wb") as handle:
        writer = BgzfWriter(handle)
        writer.write(b"x" * 3 * bgzf._GROUP_BYTES)
        writer.abandon()
    assert not has_eof_block(path)


def test_an_end_of_file_block_is_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    for content, complete in (
        (EOF_BLOCK, True),
        (compress_bgzf(b"a"), True),
        (compress_bgzf(b"a")[:-1], False),
        (EOF_BLOCK + b"x", False),
        (EOF_BLOCK[1:], False),
        (b"", False),
    ):
        path.write_bytes(content)
        assert has_eof_block(path) is complete


def test_gzip_is_no_bgzf() -> None:
    assert not is_bgzf(gzip.compress(b"a"))
    assert not is_bgzf(EOF_BLOCK[:12])
    assert not is_bgzf(b"")


@pytest.mark.parametrize("damage", ["cut", "altered", "no gzip"])
def test_what_is_damaged_raises_an_error_that_is_named(damage: str, tmp_path: Path) -> None:
    content = gzip.compress(bytes(range(256)) * 50)
    path = tmp_path / "x.gz"
    path.write_bytes(
        {
            "cut": content[:-12],
            "altered": content[:-8] + bytes(4) + content[-4:],
            "no gzip": b"<!DOCTYPE html>",
        }[damage]
    )
    with pytest.raises(GZIP_ERRORS), open_gzip(path) as handle:
        handle.read()


def test_little_text_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail(self.name))
    target = io.BytesIO()
    writer = BgzfWriter(target)
    writer.write(b"line\n" * 20_000)
    writer.finish()
    assert gzip.decompress(target.getvalue()) == b"line\n" * 20_000
    assert sum(writer.block_sizes) + len(EOF_BLOCK) == len(target.getvalue())
