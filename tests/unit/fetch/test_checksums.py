"""Ensembl's CHECKSUMS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import (
    SourceError,
)
from ensembl_annotations.fetch.checksums import MAX_BLOCKS, parse_checksums
from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.manifest import (
    read_manifest,
)

HUMAN = Layout("homo_sapiens", "GRCh38", 116)


def test_lines_are_read_as_sum_prints_them() -> None:
    text = "29888 168645\thomo_sapiens-chr21.vcf.gz\r\n\n00007     1 ./README\n  5 0 a name.txt\n"
    assert parse_checksums(text, "x") == {
        "homo_sapiens-chr21.vcf.gz": (29888, 168645),
        "README": (7, 1),
        "a name.txt": (5, 0),
    }


def test_a_line_that_is_there_twice_is_one() -> None:
    assert parse_checksums("1 2 a\n1 2 a\n", "x") == {"a": (1, 2)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2 a\n3 4 b\n1 3 a\n", ("lines 1 and 3", "00001 2", "00001 3")),
        ("65536 2 a\n", ("line 1", "16 bits", "65536")),
        ("1 1234567890123 a\n", ("line 1", "expected")),
        ("\u0661 2 a\n", ("line 1", "expected")),
        ("-1 2 a\n", ("line 1", "expected")),
        ("1 2\n", ("line 1", "expected")),
        ("1 2 a\x1bb\n", ("line 1", "control character")),
        ("1 2 a\u2028b\n", ("line 1", "control character")),
    ],
)
def test_what_is_no_list_is_refused(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SourceError) as caught:
        parse_checksums(text, "some/CHECKSUMS")
    for word in ("some/CHECKSUMS", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize("line", ["{}x", "1{}x", "1 2{}\x1b", "1 2 a{}b\x1b", "1 2 a{}\x1b{}"])
def test_many_blanks_take_no_time(line: str) -> None:
    began = time.process_time()
    with pytest.raises(SourceError):
        parse_checksums(line.replace("{}", " " * 100_000) + "\n", "some/CHECKSUMS")
    assert time.process_time() - began < 2


@pytest.mark.parametrize(("blocks", "word"), [(0, "empty"), (MAX_BLOCKS + 1, "1 TiB")])
def test_sizes_that_can_not_be(blocks: int, word: str, tmp_path: Path) -> None:
    folder = tmp_path / HUMAN.vcf_folder
    folder.mkdir(parents=True)
    other = f"00000 {blocks} homo_sapiens_somatic.vcf.gz\n"
    (folder / "CHECKSUMS").write_text(f"{other}1 {blocks} homo_sapiens-chr1.vcf.gz\n")
    with pytest.raises(SourceError, match=f"homo_sapiens-chr1.vcf.gz: CHECKSUMS says .*{word}"):
        read_manifest([str(tmp_path)], HUMAN)
    (folder / "CHECKSUMS").write_text(f"{other}1 {MAX_BLOCKS} homo_sapiens-chr1.vcf.gz\n")
    assert len(read_manifest([str(tmp_path)], HUMAN).vcf) == 1
