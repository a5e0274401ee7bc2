"""Parts of a BGZF file: each line belongs to one of them, wherever it is cut."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_blocks
from ensembl_annotations.vcf.blocks import Blocks
from ensembl_annotations.vcf.read import VcfReader

HEADER = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def packed(text: bytes, sizes: list[int]) -> bytes:
    """Return BGZF whose blocks have these sizes, in turn."""
    blocks, begin = [], 0
    while begin < len(text):
        size = sizes[len(blocks) % len(sizes)]
        # An empty block may stand anywhere.
        blocks += [EOF_BLOCK] if not size else compress_blocks(text[begin : begin + size], 1)
        begin += size
    return b"".join([*blocks, EOF_BLOCK])


def text_of(path: Path, part: Blocks) -> tuple[bytes, bool]:
    with VcfReader(path) as reader:
        reader.only(part)
        text = b"".join(piece.data for piece in reader.pieces())
        return text, reader.ends_without_newline


@pytest.mark.parametrize("end", [b"\n", b"", b"\r\n"])
@pytest.mark.parametrize("seed", range(4))
def test_parts_have_each_line_once_and_in_order(tmp_path: Path, seed: int, end: bytes) -> None:
    source = random.Random(seed)
    lines = [
        b"22\t%d\t.\tA\tC\t.\t.\tX=%s" % (pos, b"x" * source.choice([1, 9, 300, 9000]))
        for pos in range(1, 400)
    ]
    header = HEADER.replace(b"#CHROM", b"##more=%s\n#CHROM" % (b"y" * 5000))
    records = b"\n".join(lines) + end
    path = tmp_path / "in.vcf.gz"
    sizes = [source.choice([1, 50, 2000, 0, 65280]) for _ in range(50)]
    path.write_bytes(packed(header + records, sizes))
    for text_bytes in (1, 1000, 100_000, 1 << 40):
        with VcfReader(path) as reader:
            parts = reader.parts_of(text_bytes)
        assert parts[-1].end == path.stat().st_size
        texts = [text_of(path, part) for part in parts]
        assert b"".join(text for text, _ in texts) == records + (b"" if end else b"\n")
        assert any(without for _, without in texts) == (not end)
        # What is left of a part is read where it was left.
        rest = Blocks(parts[0].begin, parts[0].end, parts[0].skip, done=7)
        assert text_of(path, rest)[0] == texts[0][0][7:]


def test_a_line_end_at_the_end_of_a_block_and_a_line_of_many_parts(tmp_path: Path) -> None:
    lines = [b"22\t1\tx\n", b"22\t2\t" + b"y" * 500 + b"\n", b"22\t3\tz\n"]
    path = tmp_path / "in.vcf.gz"
    blocks = [HEADER, lines[0], *(lines[1][at : at + 50] for at in range(0, 506, 50)), lines[2]]
    data = [b"".join(compress_blocks(block, 1)) for block in blocks]
    path.write_bytes(b"".join([*data, EOF_BLOCK]))
    begins = [sum(map(len, data[:number])) for number in range(1, len(data) + 1)]
    ends = [*begins[1:], path.stat().st_size]
    found = [
        text_of(path, Blocks(begin, end, None if number else 0))[0]
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]
    assert [item for item in found if item] == [lines[0] + lines[1], lines[2]]


def test_what_is_no_block_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.vcf.gz"
    path.write_bytes(packed(HEADER + b"22\t1\t.\tA\tC\t.\t.\t.\n" * 99, [300]))
    with VcfReader(path) as reader:
        parts = reader.parts_of(1)
    for wrong in (
        Blocks(parts[1].begin + 1, parts[1].end),
        Blocks(parts[1].begin, parts[1].end - 1),
    ):
        with pytest.raises(InputError, match="cut or corrupt"):
            text_of(path, wrong)
    content = bytearray(path.read_bytes())
    content[parts[2].begin + 30] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="cut or corrupt"):
        text_of(path, parts[2])


def test_parts_have_about_the_text_that_is_asked_for(tmp_path: Path) -> None:
    source, path = random.Random(1), tmp_path / "in.vcf.gz"
    lines = [
        b"22\t%d\t.\tA\tC\t.\t.\tX=%d\n" % (pos, source.random() * 1e9) for pos in range(200_000)
    ]
    path.write_bytes(packed(HEADER + b"".join(lines), [65280]))
    with VcfReader(path) as reader:
        parts = reader.parts_of(1_000_000)
    sizes = [len(text_of(path, part)[0]) for part in parts]
    assert all(800_000 < size < 1_200_000 for size in sizes[:-1]), sizes
