"""Rows that were not understood are kept as text; a file is described by its content."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ensembl_annotations.fetch.download import FetchedFile
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.package import DataFile, Quarantine, Source
from ensembl_annotations.vcf.bgzf import has_eof_block
from tests.support.store import snv, write_store

HEADER = "file\tline\treason\ttext\n"


def quarantined(folder: Path, order: list[str]) -> Path:
    folder.mkdir()
    quarantine = Quarantine(folder)
    for name in sorted(order):
        with quarantine.of(name) as part:
            part.add((7, "odd", f"{name}\tb\\c\r"))
            part.add((9, "cut", "é"))
    quarantine.join(order, folder / "all.gz")
    return folder / "all.gz"


def test_rows_are_one_line_each_in_the_order_of_the_files(tmp_path: Path) -> None:
    path = quarantined(tmp_path / "a", ["y", "x"])
    assert gzip.decompress(path.read_bytes()).decode() == HEADER + (
        "y\t7\todd\ty\\tb\\\\c\\r\ny\t9\tcut\té\nx\t7\todd\tx\\tb\\\\c\\r\nx\t9\tcut\té\n"
    )
    assert has_eof_block(path)
    assert list(path.parent.iterdir()) == [path]


def test_without_a_row_there_is_the_header(tmp_path: Path) -> None:
    path = quarantined(tmp_path / "a", [])
    assert gzip.decompress(path.read_bytes()).decode() == HEADER


def test_a_file_is_described_by_its_content(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "store", {"X": [snv(5, "A>C", 1), snv(6, "A>C", 2)]})
    path = folder / "homo_sapiens-chrX.parquet"
    published = PublishedFile("x.vcf.gz", "X", 42, 9)
    fetched: Any = SimpleNamespace(relative="a/x.vcf.gz", num_bytes=9000, sha256="0a")
    source = Source.of(published, cast(FetchedFile, fetched))
    assert source.checksum == "00042 9"
    found = DataFile.of(path, "X", "alleles", 2, source)
    assert (found.name, found.path) == ("homo-sapiens-chrx", path.name)
    assert found.hash == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert (found.bytes, found.rows) == (path.stat().st_size, 2)
    assert (found.format, found.mediatype) == ("parquet", "application/vnd.apache.parquet")
    conversion: Any = SimpleNamespace(frequencies={"X": Counter(), "Y": Counter(certain=3)})
    found.add_frequencies(conversion)
    assert found.frequencies is not None
    assert set(found.frequencies.values()) == {0}


def test_a_sequence_is_described_as_what_it_is(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "store", {"X": [snv(5, "A>C", 1)]}, {"X": b"ACGTN"})
    source = Source(path="a/x.fa.gz", checksum="1 2", bytes=3, sha256="0a")
    found = DataFile.of(folder / "homo_sapiens-chrX.2bit", "X", "sequence", 5, source)
    assert (found.name, found.format, found.rows) == ("homo-sapiens-chrx.2bit", "2bit", 5)
    assert found.mediatype == "application/octet-stream"
