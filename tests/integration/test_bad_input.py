"""What annotate does with input it can't use, odd input it can, and trouble on the way.

Every error is one clear message, exit code 1 or 2, and no file that was not there before.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembl_annotations import _kernel, annotate_vcf, fetch_ensembl, scan_reference
from ensembl_annotations.annotate import guard
from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.store import read as store_read
from ensembl_annotations.store.describe import ReferenceStore, footer_sha256
from ensembl_annotations.variants.outcomes import TAG_IDS
from ensembl_annotations.vcf import read
from ensembl_annotations.vcf.bgzf import EOF_BLOCK
from ensembl_annotations.vcf.read import VcfReader
from ensembl_annotations.versions import STORE_VERSION
from tests.support import flips
from tests.support.vcf import (
    CALL,
    CHROMOSOMES,
    KNOWN,
    MIRROR,
    OLD_OUTPUTS,
    SECOND,
    UNKNOWN,
    Outcome,
    accepted,
    annotate_arguments,
    bgzf,
    check_lossless,
    check_outputs,
    command,
    decompressed,
    header,
    invoke,
    many_snvs,
    plain_vcf,
    record,
    reference_snvs,
    refused,
    run,
    sample_text,
    small_disk,
    snapshot,
    split,
    written,
)

ONE = ("S1",)
DEPTH = '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">'
FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))


@pytest.fixture(scope="module")
def store(mini_store: Path) -> Path:
    return mini_store


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may damage."""
    return Path(shutil.copytree(store, tmp_path / "own"))


# --- Files that are no VCF, or not a whole one ---------------------------------------------------

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(range(256))
LONG = plain_vcf(*(record(pos=10000401 + step) for step in range(20_000)))


def without_line(content: bytes, start: bytes) -> bytes:
    return b"".join(line for line in content.splitlines(True) if not line.startswith(start))


def corrupted(content: bytes, offset: int) -> bytes:
    return content[:offset] + bytes([content[offset] ^ 0x10]) + content[offset + 1 :]


CRUSHED = bgzf(LONG)
ZIPPED = gzip.compress(LONG, mtime=0)

UNREADABLE: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty": (b"", ("is empty",)),
    "text": (b"hello\nworld\n", ("line 1", "##fileformat=VCF", "hello")),
    "one newline": (b"\n", ("line 1", "##fileformat=VCF")),
    "PNG": (PNG, ("line 1", "##fileformat=VCF", "PNG")),
    "gzip of text": (gzip.compress(b"hello\n"), ("line 1", "##fileformat=VCF", "hello")),
    "gzip of nothing": (gzip.compress(b""), ("##fileformat=VCF",)),
    "BGZF of nothing": (EOF_BLOCK, ("##fileformat=VCF",)),
    "byte order mark": (b"\xef\xbb\xbf" + plain_vcf(), ("line 1", "##fileformat=VCF")),
    "UTF-16": (plain_vcf().decode().encode("utf-16"), ("line 1", "##fileformat=VCF")),
    "old Mac line ends": (plain_vcf().replace(b"\n", b"\r"), ("#CHROM",)),
    "BCF, not compressed": (b"BCF\x02\x02" + bytes(100), ("BCF", "can't be read")),
    "a first line of 1 MiB": (
        b"##fileformat=VCFv4.2".ljust(1 << 20, b"x") + plain_vcf().partition(b"\n")[2],
        ("line 1", "is longer than"),
    ),
    "two bytes of gzip": (b"\x1f\x8b", ("cut or corrupt",)),
    "gzip cut in the header": (ZIPPED[:12], ("cut or corrupt",)),
    "gzip cut in the middle": (ZIPPED[: len(ZIPPED) // 2], ("cut or corrupt",)),
    "gzip without its last byte": (ZIPPED[:-1], ("cut or corrupt",)),
    "gzip with a wrong byte": (corrupted(ZIPPED, len(ZIPPED) // 2), ("cut or corrupt",)),
    "gzip with a wrong CRC": (corrupted(ZIPPED, len(ZIPPED) - 7), ("cut or corrupt",)),
    "gzip and garbage": (gzip.compress(plain_vcf()) + b"garbage", ("cut or corrupt",)),
    "BGZF cut in a block": (CRUSHED[: len(CRUSHED) // 2], ("cut short", "end-of-file block")),
    "BGZF without its last block": (CRUSHED[: -len(EOF_BLOCK)], ("cut short", "end-of-file")),
    "BGZF cut in a block, then ended": (
        CRUSHED[: len(CRUSHED) // 2] + EOF_BLOCK,
        ("cut or corrupt",),
    ),
    "BGZF with a wrong byte": (corrupted(CRUSHED, len(CRUSHED) // 2), ("cut or corrupt",)),
    "BGZF with a wrong CRC": (
        corrupted(CRUSHED, len(CRUSHED) - len(EOF_BLOCK) - 6),
        ("cut or corrupt",),
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_whole_vcf(name: str, tmp_path: Path, store: Path) -> None:
    content, words = UNREADABLE[name]
    vcf = written(tmp_path, content)
    refused(tmp_path, vcf, store, str(vcf), *words)


def test_a_missing_file(tmp_path: Path, store: Path) -> None:
    refused(tmp_path, tmp_path / "none.vcf", store, "none.vcf", "no such file")


def test_a_folder(tmp_path: Path, store: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused(tmp_path, tmp_path / "folder", store, "is a folder")


def test_a_path_below_a_file(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    refused(tmp_path, vcf / "in.vcf", store, "in.vcf")


def test_a_file_name_that_is_too_long(tmp_path: Path, store: Path) -> None:
    name = tmp_path / ("x" * 300)
    invoke(*annotate_arguments(name, store, tmp_path / "out")).failed("x" * 300, "too long")


if os.geteuid() != 0:  # root may read everything

    def test_a_file_without_permission(tmp_path: Path, store: Path) -> None:
        vcf = written(tmp_path, plain_vcf())
        vcf.chmod(0)
        refused(tmp_path, vcf, store, "permission denied")


# --- Files that change while they are read -------------------------------------------------------


def append_record(vcf: Path) -> None:
    with vcf.open("ab") as handle:
        handle.write(UNKNOWN.encode())


def replace_by_another(vcf: Path) -> None:
    """A file of the same size and time."""
    other = vcf.with_name("other")
    other.write_bytes(vcf.read_bytes())
    os.utime(other, ns=(vcf.stat().st_atime_ns, vcf.stat().st_mtime_ns))
    other.replace(vcf)


def link_and_close(vcf: Path) -> None:
    """What a backup, or DVC, does to a file: its content stays."""
    vcf.with_name("backup").hardlink_to(vcf)
    vcf.chmod(0o400)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Give a function that has another one called once, when the first temporary file is there."""

    def when_begun(change: Callable[[], object]) -> None:
        temporary, pending = Outputs.temporary, [change]

        def then_changed(self: Outputs, final: Path) -> Path:
            path = temporary(self, final)
            while pending:
                pending.pop()()
            return path

        monkeypatch.setattr(Outputs, "temporary", then_changed)

    return when_begun


@pytest.mark.parametrize("change", [append_record, replace_by_another, Path.unlink])
@pytest.mark.parametrize("pack", [bytes, bgzf])
def test_a_vcf_that_changes_while_it_is_read(
    change: Callable[[Path], object],
    pack: Callable[[bytes], bytes],
    store: Path,
    tmp_path: Path,
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    vcf = written(tmp_path, pack(plain_vcf()))
    meanwhile(lambda: change(vcf))
    refused(tmp_path, vcf, store, "in.vcf: changed while it was read", "Run it again")


def test_a_vcf_that_only_gets_another_name_or_mode_while_it_is_read(
    store: Path, tmp_path: Path, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    vcf = written(tmp_path, plain_vcf())
    meanwhile(lambda: link_and_close(vcf))
    accepted(tmp_path, vcf, store)


# --- Headers and records -------------------------------------------------------------------------

COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
FIRST_RECORD = len(header().splitlines()) + 1

MALFORMED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "no #CHROM line": (
        without_line(plain_vcf(), b"#CHROM"),
        (f"line {FIRST_RECORD - 1}", "#CHROM", "chr22"),
    ),
    "nothing but the first line": (b"##fileformat=VCFv4.2\n", ("line 2", "#CHROM", "end of the")),
    "a header that stops": (
        header().rpartition("#CHROM")[0].encode(),
        ("#CHROM", "end of the file"),
    ),
    "an empty line in the header": (
        plain_vcf().replace(b"\n", b"\n\n", 1),
        ("line 2", "#CHROM"),
    ),
    "#CHROM with 9 columns": (
        plain_vcf().replace(COLUMNS, COLUMNS + b"\tFORMAT"),
        (f"line {FIRST_RECORD - 1}", "columns", "FORMAT"),
    ),
    "#CHROM with 7 columns": (
        plain_vcf().replace(COLUMNS, COLUMNS.replace(b"\tINFO", b"")),
        (f"line {FIRST_RECORD - 1}", "columns", "INFO"),
    ),
    "#CHROM with blanks": (
        plain_vcf().replace(COLUMNS, COLUMNS.replace(b"\t", b" ")),
        (f"line {FIRST_RECORD - 1}", "tabs"),
    ),
    "#CHROM with a name misspelt": (
        plain_vcf().replace(COLUMNS, COLUMNS.replace(b"POS", b"Pos")),
        (f"line {FIRST_RECORD - 1}", "Pos"),
    ),
    "too few columns": (
        plain_vcf(KNOWN, SECOND.replace("\tPASS", "")),
        (f"line {FIRST_RECORD + 1}", "expected 8 columns", "found 7"),
    ),
    "too many columns": (
        plain_vcf(KNOWN, SECOND.replace("\n", "\tGT\n")),
        (f"line {FIRST_RECORD + 1}", "expected 8 columns", "found 9"),
    ),
    "a sample too few": (
        plain_vcf(record(calls=[CALL, CALL]), record(calls=[CALL]), samples=["S1", "S2"]),
        (f"line {FIRST_RECORD + 1}", "expected 11 columns", "found 10"),
    ),
    "blanks for tabs": (
        plain_vcf(KNOWN, SECOND.replace("\t", " ")),
        (f"line {FIRST_RECORD + 1}", "expected 8 columns", "found 1", "tabs"),
    ),
    "a blank line": (
        plain_vcf(KNOWN, "\n", SECOND),
        (f"line {FIRST_RECORD + 1}", "expected 8 columns", "found 1"),
    ),
    "a blank line with CRLF": (
        plain_vcf(KNOWN, "\n", SECOND).replace(b"\n", b"\r\n"),
        (f"line {FIRST_RECORD + 1}", "expected 8 columns", "found 1"),
    ),
    "a comment between records": (
        plain_vcf(KNOWN, "# a comment\n", SECOND),
        (f"line {FIRST_RECORD + 1}", "expected 8 columns", "found 1"),
    ),
    "a second header": (
        plain_vcf() + plain_vcf(),
        (f"line {FIRST_RECORD + 3}", "expected 8 columns", "found 1"),
    ),
    "a line cut at the end": (
        plain_vcf()[:-12],
        (f"line {FIRST_RECORD + 2}", "expected 8 columns"),
    ),
}
BAD_POSITIONS = {
    "a word": "abc",
    "a digit and a letter": "10000531x",
    "negative": "-5",
    "empty": "",
    "missing": ".",
    "a fraction": "10.5",
    "an exponent": "1e6",
    "a sign": "+5",
    "blanks": " 5",
    "grouped digits": "1_000",
    "other digits": "١٢٣",
    "2^31": "2147483648",
    "far too large": "9" * 40,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_line(name: str, tmp_path: Path, store: Path) -> None:
    content, words = MALFORMED[name]
    vcf = written(tmp_path, content)
    refused(tmp_path, vcf, store, str(vcf), *words)


@pytest.mark.parametrize("name", BAD_POSITIONS)
@pytest.mark.parametrize("contigs", [True, False], ids=["build-known", "build-unknown"])
def test_a_bad_position(name: str, contigs: bool, tmp_path: Path, store: Path) -> None:
    pos = BAD_POSITIONS[name]
    content = plain_vcf(KNOWN, record(pos=pos), contigs=contigs)
    line = len(header(contigs=contigs).splitlines()) + 2
    refused(tmp_path, written(tmp_path, content), store, f"line {line}", "POS", pos[:10])


def test_a_position_that_is_too_large_is_told_the_limit(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(record(pos=2**31)))
    refused(tmp_path, vcf, store, f"line {FIRST_RECORD}", "2147483647")


@pytest.mark.parametrize("contigs", [True, False], ids=["build-known", "build-unknown"])
@pytest.mark.parametrize(
    ("column", "place"), [("CHROM", b"chr22"), ("REF", b"CCCA"), ("ALT", b"TTTA")]
)
def test_bytes_that_are_no_text_where_text_is_needed(
    column: str, place: bytes, contigs: bool, tmp_path: Path, store: Path
) -> None:
    bad = record(ref="CCCA", alt="TTTA")
    head, _, tail = plain_vcf(KNOWN, bad, contigs=contigs).rpartition(place)
    vcf = written(tmp_path, head + b"\xff\xfe" + tail)
    line = len(header(contigs=contigs).splitlines()) + 2
    refused(tmp_path, vcf, store, f"{vcf}: line {line}", column, "UTF-8")


def test_a_quality_that_is_no_number(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(KNOWN, record(qual="high")))
    refused(tmp_path, vcf, store, f"{vcf}: line {FIRST_RECORD + 1}", "QUAL", "high")


# --- Odd input that is fine ----------------------------------------------------------------------


def crlf(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


ODD: dict[str, bytes] = {
    "plain": plain_vcf(),
    "gzip": gzip.compress(plain_vcf()),
    "gzip in two parts": gzip.compress(plain_vcf(KNOWN)) + gzip.compress(SECOND.encode()),
    "BGZF": bgzf(plain_vcf()),
    "BGZF with an empty block inside": bgzf(plain_vcf(KNOWN)) + bgzf(SECOND.encode()),
    "CRLF": crlf(plain_vcf()),
    "CRLF and a sample": crlf(plain_vcf(record(calls=[CALL]), samples=ONE)),
    "CRLF without the last line end": crlf(plain_vcf())[:-2],
    "CRLF with half of the last line end": crlf(plain_vcf())[:-1],
    "CRLF in some lines": plain_vcf(KNOWN, SECOND.replace("\n", "\r\n"), UNKNOWN),
    "CRLF in the header only": crlf(header().encode()) + KNOWN.encode(),
    "INFO . and CRLF": crlf(plain_vcf(SECOND)),
    "no line end at the end": plain_vcf()[:-1],
    "no line end after INFO .": plain_vcf(SECOND)[:-1],
    "no record": header().encode(),
    "no record, with a sample": header(samples=ONE).encode(),
    "no record and no line end": header().encode()[:-1],
    "no record and CRLF": crlf(header().encode()),
    "position 0": plain_vcf(record(pos=0, ref="N", alt="A"), KNOWN),
    "position 2^31 - 1": plain_vcf(KNOWN, record(pos=2**31 - 1)),
    "position 2^31 - 1 and padded alleles": plain_vcf(
        KNOWN, record(pos=2**31 - 1, ref="AAT", alt="AAG")
    ),
    "position 2^31 - 2 and a deletion": plain_vcf(KNOWN, record(pos=2**31 - 2, ref="AAT", alt="A")),
    "position with zeros in front": plain_vcf(record(pos="0010000401")),
    "INFO ends with ;": plain_vcf(record(info="DP=7;")),
    "INFO empty": plain_vcf(record(info="")),
    "INFO with empty entries": plain_vcf(record(info=";;DP=7;;")),
    "INFO repeats a key": plain_vcf(record(info="DP=7;DP=8")),
    "INFO with a near miss of a tag": plain_vcf(record(info="ENS_IDS=1;XENS_ID=2;A=ENS_ID")),
    "ID repeats": plain_vcf(record(id_="rs9000000201;x;x")),
    "ID empty": plain_vcf(record(id_="")),
    "FORMAT without a known key": plain_vcf(
        *[record(format_="FT:XX", calls=["PASS:1"])] * 3, samples=ONE
    ),
    "FORMAT .": plain_vcf(*[record(format_=".", calls=["."])] * 3, samples=ONE),
    "calls shorter than FORMAT": plain_vcf(record(calls=["0/1"]), record(calls=["."]), samples=ONE),
    "calls that are no numbers": plain_vcf(record(calls=["0/1:a,b:c:d"]), samples=ONE),
    "calls with huge numbers": plain_vcf(
        record(calls=["0/1:99999999999,1:99999999999:1e999"]), samples=ONE
    ),
    "QUAL . and nan and inf": plain_vcf(
        *[record(qual=text) for text in (".", "nan", "inf", "1e9")]
    ),
    "contig names with odd bytes": plain_vcf(
        record(chrom="HLA-A*01:01:01:01"), record(chrom="chr 1"), record(chrom="é")
    ),
    "alleles that are no sequence": plain_vcf(
        *[
            record(alt=alt)
            for alt in ("<DEL>", "*", ".", "C", "C[chr1:5[", "<NON_REF>", "", "T,", "ß")
        ]
    ),
    "NUL in INFO": plain_vcf(record(info="A=\0")),
    "a header line that is no UTF-8": plain_vcf().replace(b"##contig", b"##x=\xff\n##contig", 1),
    "a sample name that is no UTF-8": plain_vcf(record(calls=[CALL]), samples=ONE).replace(
        b"S1", b"S\xff"
    ),
    "a very long line": plain_vcf(KNOWN, record(info="X=" + "A" * 5_000_000), SECOND),
    "a very long allele": plain_vcf(KNOWN, record(alt="C" + "ACGT" * 50_000), SECOND),
    "many alleles": plain_vcf(record(alt=",".join("ACGT" * 500))),
    "many samples": plain_vcf(
        *[record(calls=[CALL] * 3000)] * 20, samples=[f"S{number}" for number in range(3000)]
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_input_passes_byte_for_byte(name: str, tmp_path: Path, store: Path) -> None:
    content = ODD[name]
    done = accepted(tmp_path, written(tmp_path, content), store)
    assert done.text.endswith(b"\n") == decompressed(content).endswith(b"\n")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("INFO", b"DP=7", b"DP=7;X=\xff\xfe\x80"),
        ("a sample of two", b"0/1:3,4:7:50\n", b"0/1:3,4:7:\xff\xfe\n"),
        ("the header", b"##contig", b"##x=\xff\n##contig"),
    ],
)
def test_bytes_that_are_no_text_pass(
    name: str, old: bytes, new: bytes, tmp_path: Path, store: Path
) -> None:
    content = plain_vcf(record(calls=[CALL, CALL]), samples=["S1", "S2"]).replace(old, new, 1)
    assert new in accepted(tmp_path, written(tmp_path, content), store).text


def test_a_length_of_5000_digits_says_nothing(tmp_path: Path, store: Path) -> None:
    content = plain_vcf().replace(b"length=50818468", b"length=" + b"5" * 5000)
    accepted(tmp_path, written(tmp_path, content), store)


def test_header_only_gives_valid_outputs(tmp_path: Path, store: Path) -> None:
    done = accepted(tmp_path, written(tmp_path, header().encode()), store)
    assert done.metrics["num_records"] == done.metrics["num_alleles"] == 0
    assert done.metrics["annotated_percent"] == 0
    with pysam.VariantFile(str(done.out / "out.vcf.gz")) as vcf:
        assert list(vcf) == []
    assert pq.read_table(done.out / "out.parquet").num_rows == 0


SHUFFLED = {
    "positions descend": (UNKNOWN, KNOWN),
    "contigs alternate": (KNOWN, record(chrom="chr21", pos=5000401, ref="G", alt="A"), SECOND),
    "a contig comes back": (
        KNOWN,
        record(chrom="chrUn", pos=5),
        record(chrom="chrUn", pos=6),
        UNKNOWN,
    ),
}


@pytest.mark.parametrize("name", SHUFFLED)
def test_an_unsorted_vcf_keeps_its_order_and_gets_no_index(
    name: str, tmp_path: Path, store: Path
) -> None:
    vcf = written(tmp_path, plain_vcf(*SHUFFLED[name]))
    (tmp_path / "out").mkdir()
    for file, content in OLD_OUTPUTS.items():
        (tmp_path / "out" / file).write_bytes(content)
    done = accepted(tmp_path, vcf, store, in_order=False)
    assert "not sorted" in done.outcome.stderr
    assert "no index" in done.outcome.stderr
    assert [b"ENS_ID=" in line for line in done.records].count(True) >= 1


def test_the_index_of_a_sorted_vcf_finds_its_records(tmp_path: Path, store: Path) -> None:
    done = accepted(tmp_path, written(tmp_path, bgzf(sample_text())), store)
    out = str(done.out / "out.vcf.gz")
    with pysam.TabixFile(out, index=f"{out}.tbi") as tabix:
        found = [line for name in tabix.contigs for line in tabix.fetch(name)]
    assert [line.encode() + b"\n" for line in found] == done.records


@pytest.mark.parametrize("end", ["4294967297", "99999999999"])
def test_an_end_out_of_range_is_kept_and_indexed(end: str, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(record(info=f"END={end}")))
    accepted(tmp_path, vcf, store)


# --- The same whatever is written ----------------------------------------------------------------

OUTPUTS = {
    "VCF": ["o.vcf.gz"],
    "text": ["o.vcf"],
    "table": ["o.parquet"],
    "genotypes": ["o.parquet", "--genotypes"],
    "both": ["o.vcf.gz", "o.parquet"],
    "page": ["o.vcf.gz", "o.html", "o.json"],
    "BCF": ["o.bcf"],
    "columns": ["o.parquet", "--columns=info"],
}
OPTION_OF = {
    ".gz": "--out-vcf",
    ".vcf": "--out-vcf",
    ".bcf": "--out-vcf",
    ".parquet": "--out-parquet",
    ".html": "--summary",
    ".json": "--tally",
}
TYPES = (
    '##FILTER=<ID=q10,Description="x">',
    DEPTH,
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">',
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="x">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="x">',
)
LINE = len(header(*TYPES).splitlines()) + 2


def with_outputs(name: str, folder: Path, vcf: Path, store: Path) -> Outcome:
    """Annotate to some outputs, the figures in ``metrics.json``."""
    words = [
        word
        for item in OUTPUTS[name]
        for word in (
            [item] if item.startswith("--") else [OPTION_OF[Path(item).suffix], folder / item]
        )
    ]
    metrics = folder / "metrics.json"
    return invoke("annotate", "--vcf", vcf, "--reference", store, *words, "--metrics", metrics)


def two(call: str = CALL, **options: str) -> bytes:
    """Return a VCF of one sample, whose second record is as given."""
    lines = [record(calls=[CALL]), record(pos=10000421, ref="G", calls=[call], **options)]
    return plain_vcf(*lines, lines=TYPES, samples=ONE)


REFUSED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "QUAL is a word": (two(qual="high"), ("QUAL", "'high'")),
    "QUAL is empty": (two(qual=""), ("QUAL", "''")),
    "ID": (two(id_="a").replace(b"\ta\t", b"\t\xff\t"), ("ID", "UTF-8")),
    "QUAL": (two(qual="77").replace(b"77", b"7\xff"), ("QUAL", "UTF-8")),
    "FILTER": (two(filter_="q10").replace(b"\tq10\t", b"\tq\xff\t"), ("FILTER", "UTF-8")),
    "FORMAT": (two("0/1", format_="GT:X").replace(b"GT:X", b"GT:\xff"), ("FORMAT", "UTF-8")),
    "GT": (two("0/2:3").replace(b"0/2", b"0/\xff"), ("GT", "UTF-8")),
    "GT of many samples": (
        plain_vcf(
            *[record(calls=[CALL] * 2), record(calls=[CALL, "0/2"])],
            lines=TYPES,
            samples=["S1", "S2"],
        ).replace(b"0/2", b"0/\xff"),
        ("GT", "UTF-8"),
    ),
}


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_whatever_is_written(
    name: str, outputs: str, tmp_path: Path, store: Path
) -> None:
    content, words = REFUSED[name]
    vcf = written(tmp_path, content)
    outcome = with_outputs(outputs, tmp_path / "out", vcf, store)
    outcome.failed(f"{vcf}: line {LINE}: {words[0]}", *words)
    assert snapshot(tmp_path / "out") == {}


ACCEPTED: dict[str, tuple[bytes, dict[str, int]]] = {
    # name: (content, calls that can't be typed by key)
    "all is well": (two(), {}),
    "nothing is given": (two("."), {}),
    "calls shorter than FORMAT": (two("0/1"), {}),
    "some of AD is missing": (two("0/1:3,.:.:."), {}),
    "DP is a word": (two("0/1:3,4:x:50"), {"DP": 1}),
    "DP has a point": (two("0/1:3,4:7.5:50"), {"DP": 1}),
    "DP has 33 bits": (two("0/1:3,4:4294967296:50"), {"DP": 1}),
    "GQ is a word": (two("0/1:3,4:7:high"), {"GQ": 1}),
    "GQ is empty": (two("0/1:3,4:7:"), {"GQ": 1}),
    "AD is a word": (two("0/1:a:7:50"), {"AD": 1}),
    "AD has 33 bits": (two("0/1:3,4294967296:7:50"), {"AD": 1}),
    "all three": (two("0/1:a,b:c:d"), {"AD": 1, "DP": 1, "GQ": 1}),
    "bytes that are no text": (
        two("0/1:3,4:7:50").replace(b":7:50\n", b":7:\xff\n", 2),
        {"GQ": 2},
    ),
    "a word in one sample of two": (
        plain_vcf(
            record(calls=[CALL] * 2),
            record(calls=[CALL, "0/1:3,4:x:50"]),
            lines=TYPES,
            samples=["S1", "S2"],
        ),
        {},
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_file_is_accepted_and_counted_whatever_is_written(
    name: str, tmp_path: Path, store: Path
) -> None:
    """A BCF can't hold what its header says is a number; there bcftools decides."""
    content, untyped = ACCEPTED[name]
    vcf, metrics = written(tmp_path, content), set()
    for outputs in OUTPUTS:
        if outputs == "BCF" and (untyped or "word" in name):
            continue
        said = with_outputs(outputs, tmp_path / outputs, vcf, store).succeeded().stderr
        for key in ("DP", "GQ", "AD"):
            assert said.count(f"{vcf}: {key} is not ") == (key in untyped)
        metrics.add((tmp_path / outputs / "metrics.json").read_bytes())
    assert len(metrics) == 1
    assert json.loads(metrics.pop())["num_untyped_values"] == sum(untyped.values())
    nulls = pq.read_table(tmp_path / "both" / "o.parquet").to_pylist()
    if untyped:
        assert all(
            None in (nulls[1][key.lower()] if key == "AD" else [nulls[1][key.lower()]])
            for key in untyped
        )
    text = gzip.decompress((tmp_path / "both" / "o.vcf.gz").read_bytes())
    check_lossless(content, text)


def test_info_that_is_no_text_is_in_the_table_too(tmp_path: Path, store: Path) -> None:
    content = two(info="X=a;Y=\u00e9").replace(b"X=a", b"X=\xe9\xff")
    done = accepted(tmp_path, written(tmp_path, content), store, options=["--columns", "info"])
    table = pq.read_table(done.out / "out.parquet")
    assert table["info"].to_pylist() == ["DP=7", "X=\\xe9\\xff;Y=\u00e9"]


@pytest.mark.parametrize("keys", ["AD:DP", "LAD:LAA:DP"])
def test_calls_of_several_samples_that_can_not_be_typed_are_counted(
    keys: str, tmp_path: Path, store: Path
) -> None:
    calls = ["0/1:3,4:1:7", "0/1:3,x:1:7.5"] if "LAA" in keys else ["0/1:3,4:z", "0/1:3,x:7.5"]
    lines = [record(calls=[calls[0], calls[1]], format_=f"GT:{keys}")]
    vcf = written(tmp_path, plain_vcf(*lines, lines=TYPES, samples=["S1", "S2"]))
    assert accepted(tmp_path, vcf, store).metrics["num_untyped_values"] == 0
    shutil.rmtree(tmp_path / "out")
    done = accepted(tmp_path, vcf, store, options=["--columns", "calls"])
    assert done.metrics["num_untyped_values"] == 2
    assert "DP is not a whole number of 32 bits in 1 records" in done.outcome.stderr
    assert "AD is not a list" in done.outcome.stderr
    found = pq.read_table(done.out / "out.parquet")["calls"].to_pylist()[0]
    assert found[1]["dp"] is None and None in found[1]["ad"]


@pytest.mark.parametrize("batch_bytes", [1, 100_000])
def test_what_can_not_be_typed_is_counted_and_the_first_is_named(
    batch_bytes: int, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VcfReader, "batch_bytes", batch_bytes)
    calls = [CALL, "0/1:3,4:7:x", "0/1:3,4:y:50", "0/1:3,4:z:50", "0/1", CALL]
    lines = [record(pos=10000401 + row, calls=[call]) for row, call in enumerate(calls)]
    vcf = written(tmp_path, plain_vcf(*lines, lines=TYPES, samples=ONE))
    done = accepted(tmp_path, vcf, store)
    assert done.metrics["num_untyped_values"] == 3
    told = [line for line in done.outcome.stderr.splitlines() if " is not " in line]
    assert len(told) == 2
    assert "DP is not a whole number" in told[0] and "2 records" in told[0]
    assert f"line {LINE + 1}, 'y'" in told[0]
    assert "GQ is not a number" in told[1] and f"line {LINE}, 'x'" in told[1]


# --- Assemblies ----------------------------------------------------------------------------------

SNVS = reference_snvs()
OTHER_BASE = {"A": "C", "C": "G", "G": "T", "T": "A"}


def snv_lines(count: int, wrong: int = 0) -> list[str]:
    """Return records at published SNVs, the first `wrong` of them with another REF."""
    lines = []
    for number, (chrom, pos, ref, _) in enumerate(SNVS[:count]):
        base = OTHER_BASE[ref] if number < wrong else ref
        lines.append(record(chrom, pos, base, OTHER_BASE[base]))
    return lines


LENGTH_37, LENGTH_T2T = 51304566, 51324926


def one_length(length: int | str) -> list[str]:
    """Return a header line that declares nothing but chr22."""
    return [f"##contig=<ID=chr22,length={length}>"]


WRONG_BUILD: dict[str, tuple[bytes, tuple[str, ...]]] = {
    **{
        f"{assembly} contig length": (
            plain_vcf(lines=one_length(length), contigs=False),
            ("GRCh38", assembly, "chr22", str(length), "mend that header line"),
        )
        for assembly, length in {
            "GRCh37": LENGTH_37,
            "T2T-CHM13": LENGTH_T2T,
            "NCBI36": 49691432,
        }.items()
    },
    "##reference against contig lengths": (
        plain_vcf(lines=[*one_length(LENGTH_37), "##reference=GRCh38.fa"], contigs=False),
        ("GRCh37", "chr22", "other lines say otherwise"),
    ),
    "contig accession": (
        plain_vcf(lines=["##contig=<ID=NC_000022.10>"], contigs=False),
        ("GRCh37", "NC_000022.10"),
    ),
    "##contig assembly": (
        plain_vcf(lines=["##contig=<ID=chr22,assembly=hg19>"], contigs=False),
        ("GRCh37", "assembly=hg19"),
    ),
    **{
        f"##reference {name}": (
            plain_vcf(lines=[f"##reference={name}"], contigs=False),
            (assembly, "##reference"),
        )
        for name, assembly in {
            "file:///data/hs37d5.fa": "GRCh37",
            "human_g1k_v37.fasta": "GRCh37",
            "GRCh37": "GRCh37",
            "hg18.fa": "NCBI36",
            "chm13v2.0.fa": "T2T-CHM13",
        }.items()
    },
    "REF bases": (
        plain_vcf(*snv_lines(25, wrong=25), contigs=False),
        ("GRCh38", "0 of 25", "REF", "90 %"),
    ),
    "REF bases, 80 % right": (
        plain_vcf(*snv_lines(20, wrong=4), contigs=False),
        ("16 of 20", "REF", "90 %"),
    ),
    "a real VCF without contigs, other REFs": (
        plain_vcf(*snv_lines(len(SNVS), wrong=len(SNVS)), contigs=False),
        (f"0 of {len(SNVS)}",),
    ),
    "other REFs under a header that fits": (
        plain_vcf(*snv_lines(25, wrong=3), lines=["##reference=GRCh38.fa"]),
        ("22 of 25", "REF", "90 %", "whatever its header says"),
    ),
    "other REFs under a header that contradicts itself": (
        plain_vcf(*snv_lines(25, wrong=25), length=LENGTH_37),
        ("0 of 25", "REF", "90 %"),
    ),
}


@pytest.mark.parametrize("name", WRONG_BUILD)
@pytest.mark.parametrize("claimed", [False, True], ids=["unclaimed", "claimed"])
def test_the_wrong_assembly(name: str, claimed: bool, tmp_path: Path, store: Path) -> None:
    content, words = WRONG_BUILD[name]
    options = ["--assembly", "GRCh38"] if claimed else []
    vcf = written(tmp_path, content)
    refused(tmp_path, vcf, store, str(vcf), *words, options=options)


# Headers of the assembly that lie about it somewhere, or do not tell it.
ODD_HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "last position and one": ({"lines": one_length(50818400), "contigs": False}, "no assembly"),
    "length 2147483647": ({"lines": one_length(2147483647), "contigs": False}, "no assembly"),
    "length 0": ({"lines": one_length(0), "contigs": False}, "no assembly"),
    "off by one": ({"lines": one_length(LENGTH_37 + 1), "contigs": False}, "no assembly"),
    "lifted over": ({"lines": ["##reference=file:///data/hg19.fa"]}, "##reference=file:///data/hg19.fa"),
    "T2T in a path": (
        {"lines": ["##reference=file:///home/T2T_project/genome.fa"], "contigs": False},
        "T2T_project",
    ),
    "T2T in a path beside lengths": ({"lines": ["##reference=/home/T2T/genome.fa"]}, "T2T-CHM13 too"),
    "one length of another": ({"length": LENGTH_37}, f"chr22 has length {LENGTH_37}"),
    "two names": (
        {"lines": ["##reference=GRCh38.fa", "##assembly=hg19"], "contigs": False},
        "##assembly=hg19",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_an_odd_header_of_the_right_assembly(name: str, tmp_path: Path, store: Path) -> None:
    options, word = ODD_HEADERS[name]
    vcf = written(tmp_path, plain_vcf(*snv_lines(20, wrong=2), **options))
    assert word in accepted(tmp_path, vcf, store).outcome.stderr


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_an_odd_header_of_another_assembly(name: str, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(*snv_lines(20, wrong=3), **ODD_HEADERS[name][0]))
    refused(tmp_path, vcf, store, "17 of 20", options=["--assembly", "GRCh38"])


@pytest.mark.parametrize("name", ["one length of another", "two names", "T2T in a path"])
def test_few_bases_and_a_header_that_contradicts_itself(
    name: str, tmp_path: Path, store: Path
) -> None:
    """Who says the assembly is believed only if the few REFs that can be compared agree."""
    options, word = ODD_HEADERS[name]
    claim = ["--assembly", "GRCh38"]
    agreeing = written(tmp_path, plain_vcf(*snv_lines(3), **options), "a.vcf")
    refused(tmp_path, agreeing, store, word, "only 3", "mend that header line")
    wrong = written(tmp_path, plain_vcf(*snv_lines(3, wrong=1), **options), "b.vcf")
    refused(tmp_path, wrong, store, "2 of 3", options=claim)
    none = written(tmp_path, plain_vcf(UNKNOWN, **options), "c.vcf")
    refused(tmp_path, none, store, word, "no REF base could be compared", options=claim)
    shutil.rmtree(tmp_path / "out")
    assert word in accepted(tmp_path, agreeing, store, options=claim).outcome.stderr


def test_a_few_wrong_refs_under_a_good_header_are_said(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(*snv_lines(5, wrong=2)))
    said = accepted(tmp_path, vcf, store).outcome.stderr
    assert f"Warning: {vcf}: only 3 of 5 REF bases agree" in said


def swapped_lines(count: int, swapped: int) -> list[str]:
    """Return records at published SNVs, the first `swapped` of them with REF and ALT exchanged."""
    sites = [(chrom, pos, ref) for chrom, pos, ref, _ in SNVS[:count]]
    return [
        record(
            chrom, pos, *((OTHER_BASE[ref], ref) if number < swapped else (ref, OTHER_BASE[ref]))
        )
        for number, (chrom, pos, ref) in enumerate(sites)
    ]


@pytest.mark.parametrize("contigs", [True, False], ids=["build-known", "build-unknown"])
def test_exchanged_refs_and_alts_are_named(contigs: bool, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(*swapped_lines(25, 10), contigs=contigs))
    words = ("15 of 25", "10 of 25 SNVs would agree with REF and ALT exchanged", "bcftools +fixref")
    refused(tmp_path, vcf, store, *words, options=["--assembly", "GRCh38"])
    shutil.rmtree(tmp_path / "out")
    vcf = written(tmp_path, plain_vcf(*swapped_lines(25, 1), contigs=contigs))
    said = accepted(tmp_path, vcf, store).outcome.stderr
    assert f"Warning: {vcf}: 1 of 25 SNVs would agree with REF and ALT exchanged" in said
    vcf = written(tmp_path, plain_vcf(*swapped_lines(25, 0), contigs=contigs))
    assert "REF and ALT exchanged" not in accepted(tmp_path, vcf, store).outcome.stderr


def test_a_long_file_is_looked_at_in_its_first_part_only(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked at is annotated without being read again, and the rest is not looked at."""
    monkeypatch.setattr(guard, "ENOUGH_COMPARED", 40)
    monkeypatch.setattr(VcfReader, "batch_bytes", 4000)
    monkeypatch.setattr(read, "BATCH_RECORDS", 20)
    looked_at, annotated = [], []
    compare, annotate = _kernel.compared, _kernel.annotated

    def comparing(text: bytes, *options: Any) -> Any:
        looked_at.append(text)
        return compare(text, *options)

    def annotating(text: bytes, *options: Any) -> Any:
        annotated.append(text)
        return annotate(text, *options)

    monkeypatch.setattr(_kernel, "compared", comparing)
    monkeypatch.setattr(_kernel, "annotated", annotating)
    vcf = written(tmp_path, plain_vcf(*snv_lines(40), *snv_lines(len(SNVS)) * 20))
    done = accepted(tmp_path, vcf, store, in_order=False)
    assert len(annotated) > 5
    assert sum(text.count(b"\n") for text in looked_at) < 60
    assert {*looked_at} <= {*annotated}
    assert done.metrics["num_records"] == 40 + 20 * len(SNVS)


@pytest.mark.parametrize("contigs", [True, False], ids=["build-known", "build-unknown"])
def test_bases_behind_the_first_part_are_looked_at_too(
    contigs: bool, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a whole genome the first part may have no contig that the store has."""
    monkeypatch.setattr(guard, "AGREED_AHEAD_BYTES", 2000)
    monkeypatch.setattr(read, "AHEAD_BYTES", 2000)
    elsewhere = [record("chrUn_1", 1000 + pos) for pos in range(100)]
    vcf = written(tmp_path, plain_vcf(*elsewhere, *snv_lines(25, wrong=25), contigs=contigs))
    refused(tmp_path, vcf, store, "only 0 of 25 REF bases", "another assembly")
    shutil.rmtree(tmp_path / "out")
    vcf = written(tmp_path, plain_vcf(*elsewhere, *snv_lines(25, wrong=2), contigs=contigs))
    accepted(tmp_path, vcf, store)


def test_exchanged_refs_and_alts_behind_the_first_part_are_named(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "ENOUGH_COMPARED", 20)
    lines = snv_lines(len(SNVS))
    chrom, pos, ref, _ = SNVS[-1]
    lines[-1] = record(chrom, pos, OTHER_BASE[ref], ref)
    vcf = written(tmp_path, plain_vcf(*lines))
    said = accepted(tmp_path, vcf, store).outcome.stderr
    assert f"1 of {len(SNVS)} SNVs would agree with REF and ALT exchanged" in said
    assert "'bcftools +fixref'" in said


def test_ref_bases_tell_the_right_assembly(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(*snv_lines(20, wrong=2), contigs=False))
    said = accepted(tmp_path, vcf, store).outcome.stderr
    assert "names no assembly" in said
    assert "18 of 20" in said


@pytest.mark.parametrize("count", [1, 19])
def test_too_few_bases_to_tell(count: int, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(*snv_lines(count), contigs=False))
    refused(tmp_path, vcf, store, f"only {count}", "20", "--assembly GRCh38")
    refused(tmp_path, vcf, store, "GRCh37", "GRCh38", options=["--assembly", "GRCh37"])
    shutil.rmtree(tmp_path / "out")
    for name in ("GRCh38", "hg38"):
        done = accepted(tmp_path, vcf, store, options=["--assembly", name])
        assert name in done.outcome.stderr
        assert done.metrics["num_records"] == count


def test_no_base_to_compare(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(UNKNOWN, contigs=False))
    done = accepted(tmp_path, vcf, store)
    assert "no REF base could be compared" in done.outcome.stderr


LONGER: dict[str, Callable[[str], tuple[str, str]]] = {
    "insertions": lambda ref: (ref, f"{ref}TT"),
    "deletions": lambda ref: (f"{ref}N", ref),
    "padded SNVs": lambda ref: (f"{ref}N", f"{OTHER_BASE[ref]}N"),
}
"""REF and ALT of records without a plain SNV, by the reference's base."""


def longer_lines(what: str, count: int, wrong: int) -> list[str]:
    """Return records at published SNVs, the first `wrong` of them with another base in REF."""
    sites = [(chrom, pos, ref) for chrom, pos, ref, _ in SNVS[:count]]
    return [
        record(chrom, pos, *LONGER[what](OTHER_BASE[ref] if number < wrong else ref))
        for number, (chrom, pos, ref) in enumerate(sites)
    ]


@pytest.mark.parametrize("contigs", [True, False], ids=["build-known", "build-unknown"])
@pytest.mark.parametrize("what", LONGER)
def test_without_snvs_the_refs_of_others_decide(
    what: str, contigs: bool, tmp_path: Path, store: Path
) -> None:
    vcf = written(tmp_path, plain_vcf(*longer_lines(what, 20, 3), contigs=contigs))
    for options in ([], ["--assembly", "GRCh38"]):
        refused(tmp_path, vcf, store, "only 17 of 20 REF bases", options=options)
    shutil.rmtree(tmp_path / "out")
    accepted(
        tmp_path, written(tmp_path, plain_vcf(*longer_lines(what, 20, 2), contigs=contigs)), store
    )


def test_refs_of_symbolic_alts_are_compared_only_where_sites_are_asked_for(
    tmp_path: Path, store: Path
) -> None:
    """A structural variant gets nothing from the reference, and may have any letter for REF."""
    lines = [record(chrom, pos, OTHER_BASE[ref], "<DEL>") for chrom, pos, ref, _ in SNVS[:20]]
    vcf = written(tmp_path, plain_vcf(*lines))
    refused(tmp_path, vcf, store, "only 0 of 20 REF bases", options=["--match", "position"])
    shutil.rmtree(tmp_path / "out")
    accepted(tmp_path, vcf, store)


@pytest.mark.parametrize("name", ["GRCh37", "hg19", "b37", "T2T-CHM13", "rubbish"])
def test_another_assembly_than_the_reference_is_claimed(
    name: str, tmp_path: Path, store: Path
) -> None:
    vcf = written(tmp_path, plain_vcf())
    refused(tmp_path, vcf, store, name, "GRCh38", "--assembly", options=["--assembly", name])


# --- Reference stores ----------------------------------------------------------------------------

Damage = Callable[[Path], object]
CHR22 = "homo_sapiens-chr22.parquet"


def edit_package(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(store: Path) -> None:
        path = store / "datapackage.json"
        package = json.loads(path.read_bytes())
        change(package)
        path.write_text(json.dumps(package))

    return damage


def package_text(text: bytes) -> Damage:
    return lambda store: (store / "datapackage.json").write_bytes(text)


def package_is_a_folder(store: Path) -> None:
    (store / "datapackage.json").unlink()
    (store / "datapackage.json").mkdir()


def set_of_first(key: str, value: object) -> Damage:
    return edit_package(lambda package: package["resources"][0].update({key: value}))


def resize(change: Callable[[bytes], bytes]) -> Damage:
    return lambda store: (store / CHR22).write_bytes(change((store / CHR22).read_bytes()))


def other_columns(store: Path) -> None:
    """Rewrite a file without a column, and describe the new size."""
    table = pq.read_table(store / CHR22).drop_columns(["rs"])
    pq.write_table(table, store / CHR22)
    describe(store)


def other_rows(store: Path) -> None:
    table = pq.read_table(store / CHR22)
    pq.write_table(table.slice(1), store / CHR22)
    describe(store)


def describe(store: Path, name: str = CHR22) -> None:
    path = store / "datapackage.json"
    package = json.loads(path.read_bytes())
    for entry in package["resources"]:
        if entry["path"] == name:
            entry["bytes"] = (store / name).stat().st_size
            entry["footer_sha256"] = footer_sha256(store / name)
    path.write_text(json.dumps(package))


DAMAGED: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "no folder": (shutil.rmtree, ("no such folder",)),
    "no datapackage.json": (
        lambda store: (store / "datapackage.json").unlink(),
        ("datapackage.json", "missing"),
    ),
    "datapackage.json is a folder": (package_is_a_folder, ("datapackage.json",)),
    "invalid JSON": (package_text(b"{"), ("datapackage.json", "not a description")),
    "empty JSON": (package_text(b""), ("datapackage.json", "not a description")),
    "no JSON object": (package_text(b"[1, 2]"), ("datapackage.json", "not a description")),
    "JSON null": (package_text(b"null"), ("datapackage.json", "not a description")),
    "not UTF-8": (package_text(b"\xff\xfe\xff"), ("datapackage.json", "not a description")),
    "another package": (package_text(b'{"name": "x", "resources": []}'), ("not a description",)),
    "an older layout": (
        edit_package(lambda package: package.update(store_version=0)),
        ("version 0", str(STORE_VERSION)),
    ),
    "a newer layout": (
        edit_package(lambda package: package.update(store_version=99)),
        ("version 99", str(STORE_VERSION)),
    ),
    "a newer layout with other resources": (
        edit_package(lambda package: package.update(store_version=99, resources={"x": 1})),
        ("version 99", str(STORE_VERSION)),
    ),
    "the release is no number": (
        edit_package(lambda package: package.update(release="next")),
        ("datapackage.json",),
    ),
    "a resource without a hash": (
        edit_package(lambda package: package["resources"][0].pop("hash")),
        ("datapackage.json", "hash"),
    ),
    "a hash that is no text": (set_of_first("hash", 5), ("datapackage.json",)),
    "a hash of another kind": (set_of_first("hash", "md5:00"), ("datapackage.json", "md5")),
    "a source of two lines": (
        edit_package(lambda package: package.update(source="x\n##FILTER=<ID=q>")),
        ("source", "control character", "##FILTER"),
    ),
    "a species that leads elsewhere": (
        edit_package(lambda package: package.update(species="../homo_sapiens")),
        ("species", "'../homo_sapiens'", "path"),
    ),
    "a path that leaves the folder": (
        set_of_first("path", "../own/x.parquet"),
        ("datapackage.json", "../own/x.parquet"),
    ),
    "a file is missing": (lambda store: (store / CHR22).unlink(), (CHR22, "missing")),
    "a file is cut": (resize(lambda data: data[:-100]), (CHR22, "bytes, expected")),
    "a file is empty": (resize(lambda data: b""), (CHR22, "0 bytes")),
    "a file is longer": (resize(lambda data: data + b"x"), (CHR22, "bytes, expected")),
    "a file is something else": (resize(lambda data: b"x" * len(data)), (CHR22, "parquet")),
    "a file lacks a column": (other_columns, (CHR22, "columns")),
    "a file lacks a row": (other_rows, (CHR22, "rows")),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_store(name: str, tmp_path: Path, own_store: Path) -> None:
    damage, words = DAMAGED[name]
    damage(own_store)
    refused(tmp_path, written(tmp_path, plain_vcf()), own_store, *words)


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    refused(tmp_path, vcf, vcf, "reference store")


def test_the_chromosomes_that_are_there_can_be_used(tmp_path: Path, own_store: Path) -> None:
    (own_store / CHR22).unlink()
    there = record(chrom="chr21", pos=5000401, ref="G", alt="A")
    vcf = written(tmp_path, plain_vcf(there, KNOWN, SECOND))
    refused(tmp_path, vcf, own_store, CHR22, "missing", "--chromosomes")
    shutil.rmtree(tmp_path / "out")
    done = accepted(tmp_path, vcf, own_store, options=["--chromosomes", "1,21"])
    assert done.metrics["num_not_requested"] == 2
    assert done.metrics["num_exact"] == 1
    assert "chr22" in done.outcome.stderr
    (tmp_path / "metrics.json").unlink()
    refused(tmp_path, vcf, own_store, CHR22, options=["--chromosomes", "21,22"])


@pytest.mark.parametrize("contigs", [True, False], ids=["build-known", "build-unknown"])
def test_y_alone_does_not_need_the_file_of_x(
    contigs: bool, tmp_path: Path, own_store: Path
) -> None:
    """The pseudo-autosomal regions of Y are looked up on X too, which was not asked for."""
    (own_store / "homo_sapiens-chrX.parquet").unlink()
    lines = [record("chrY", 640851, "C", "T"), record("chrY", 12915617, "G", "T")]
    vcf = written(tmp_path, plain_vcf(*lines, contigs=contigs))
    options = ["--chromosomes", "Y", "--assembly", "GRCh38"]
    outcome = invoke(*annotate_arguments(vcf, own_store, tmp_path / "out", *options))
    outcome.failed("homo_sapiens-chrX.parquet", "missing")


def test_a_wrong_maximum_in_the_footer_hides_no_variant(tmp_path: Path, own_store: Path) -> None:
    """The statistics of `start` tell which row groups are read at all."""
    about = pq.read_metadata(own_store / CHR22)
    highest = about.row_group(0).column(about.schema.names.index("start")).statistics.max
    data = (own_store / CHR22).read_bytes()
    text = highest.to_bytes(4, "little")
    footer = flips.footer_begin(data)
    lower = data[:footer] + data[footer:].replace(text, (5).to_bytes(4, "little"))
    assert lower != data
    (own_store / CHR22).write_bytes(lower)
    refused(tmp_path, written(tmp_path, plain_vcf()), own_store, CHR22)


def test_a_flipped_bit_in_a_data_page_is_found(tmp_path: Path, own_store: Path) -> None:
    """The footer is intact, so that only the checksum of the page can tell."""
    about = pq.read_metadata(own_store / CHR22)
    place = about.row_group(0).column(about.schema.names.index("start")).data_page_offset
    resize(lambda data: corrupted(data, place + 60))(own_store)
    refused(tmp_path, written(tmp_path, plain_vcf()), own_store, CHR22, "can't be read", "verify")


@pytest.mark.parametrize("part", ["pages", "footer"])
def test_no_flipped_bit_gives_a_wrong_answer(part: str, tmp_path: Path, own_store: Path) -> None:
    """Every run ends with an error of ours, or with the same bytes as before."""
    vcf = written(tmp_path, sample_text())
    found = flips.survey(vcf, own_store, CHR22, part, count=100, seed=20)
    assert len(found["refused"]) > 40
    wrong = {kind: places for kind, places in found.items() if kind not in ("refused", "same")}
    assert wrong == {}


# --- Tags that are there already -----------------------------------------------------------------


def test_a_declared_tag_clashes(tmp_path: Path, store: Path) -> None:
    line = '##INFO=<ID=ENS_ID,Number=A,Type=String,Description="x">'
    vcf = written(tmp_path, plain_vcf(lines=[line]))
    refused(tmp_path, vcf, store, str(vcf), "header", "ENS_ID", "--overwrite-tags")


@pytest.mark.parametrize("tag", TAG_IDS)
@pytest.mark.parametrize("contigs", [True, False], ids=["build-known", "build-unknown"])
def test_an_undeclared_tag_clashes(tag: str, contigs: bool, tmp_path: Path, store: Path) -> None:
    info = f"DP=7;{tag}=1;X=1" if tag != "ENS_PAR" else tag
    vcf = written(tmp_path, plain_vcf(KNOWN, record(info=info), contigs=contigs))
    line = len(header(contigs=contigs).splitlines()) + 2
    refused(tmp_path, vcf, store, f"{vcf}: line {line}", tag, "--overwrite-tags")


def test_overwriting_tags_twice_gives_the_same_bytes(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, sample_text())
    first = accepted(tmp_path, vcf, store, options=["--overwrite-tags"])
    (tmp_path / "again").mkdir()
    arguments = annotate_arguments(
        first.out / "out.vcf.gz", store, tmp_path / "again" / "out", "--overwrite-tags"
    )
    outcome = invoke(*arguments).succeeded()
    assert outcome.stdout.split(", in ")[0] == first.outcome.stdout.split(", in ")[0]
    again = snapshot(tmp_path / "again" / "out")
    assert again["out.vcf.gz"] == (first.out / "out.vcf.gz").read_bytes()
    assert again["out.vcf.gz.tbi"] == (first.out / "out.vcf.gz.tbi").read_bytes()


def test_overwriting_tags_changes_nothing_but_the_note_of_it(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, sample_text())
    first = accepted(tmp_path, vcf, store)
    refused(tmp_path / "out", first.out / "out.vcf.gz", store, "already defines ENS_ID")
    out = tmp_path / "again.vcf.gz"
    invoke(
        *("annotate", "--vcf", first.out / "out.vcf.gz", "--reference", store),
        *("--out-vcf", out, "--overwrite-tags"),
    ).succeeded()
    text = gzip.decompress(out.read_bytes())
    assert text == first.text.replace(b"OverwriteTags=no", b"OverwriteTags=yes")


@pytest.mark.parametrize(
    ("info", "kept"),
    [
        ("ENS_ID=x", b"ENS_ID=rs9000000201"),
        ("ENS_PAR;DP=7", b"DP=7;ENS_ID=rs9000000201"),
        ("DP=7;ENS_AF=0.5;X=1", b"DP=7;X=1;ENS_ID=rs9000000201"),
        ("ENS_AF=1;ENS_IDS=2;ENS_MAF=3", b"ENS_IDS=2;ENS_ID=rs9000000201"),
    ],
)
def test_old_tags_are_replaced(info: str, kept: bytes, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(record(info=info)))
    out = tmp_path / "out.vcf.gz"
    arguments = ["annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out]
    invoke(*arguments, "--overwrite-tags").succeeded()
    [line] = split(gzip.decompress(out.read_bytes()))[1]
    assert line.split(b"\t")[7].startswith(kept + b";")
    assert line.count(b"ENS_ID=") == 1


# --- Limits --------------------------------------------------------------------------------------


def many(count: int, make: Callable[[int], str]) -> str:
    return "".join(map(make, range(count)))


LONG = "A" * 6_000_000
# Each is more than 400 MB of memory have room for, as text or as a few kB of gzip.
TOO_LARGE: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "INFO": (
        lambda: plain_vcf(KNOWN, record("22", 100, "A", "C", info=f"X={LONG}")),
        ("bytes of the line",),
    ),
    "gzip bomb": (
        lambda: gzip.compress(plain_vcf(KNOWN, record("22", 100, "A", "C", info=f"X={LONG * 20}"))),
        ("bytes of the line",),
    ),
    "INFO keys": (
        lambda: plain_vcf(
            KNOWN, record("22", 100, "A", "C", info=many(800_000, lambda at: f"K{at};") + "Z")
        ),
        ("bytes of the line",),
    ),
    "REF": (
        lambda: plain_vcf(KNOWN, record("22", 100, LONG[:2_100_000], "C")),
        ("bytes of the line",),
    ),
    "ALTs": (
        lambda: plain_vcf(KNOWN, record("22", 100, "A", ",".join(["C"] * 65_535))),
        ("ALTs", "65,534", "65,535"),
    ),
    "header line": (lambda: plain_vcf(KNOWN, lines=[f"##x={LONG * 3}"]), ("bytes of the header",)),
    "header lines": (
        lambda: plain_vcf(KNOWN, lines=[f"##contig=<ID=c{at}>" for at in range(250_000)]),
        ("bytes of the header", "50 per line"),
    ),
    "contigs": (
        lambda: plain_vcf(*(record(f"c{at}", 1, "A", "C") for at in range(100_000))),
        ("contigs that are not in the reference", "50,000"),
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_takes_more_memory_than_it_may(name: str, tmp_path: Path, store: Path) -> None:
    make, words = TOO_LARGE[name]
    vcf = written(tmp_path, make())
    options = ("--memory-mb", "400")
    outcome = refused(tmp_path, vcf, store, "line ", "at most", *words, options=options)
    # How many ALTs a record may have does not depend on memory.
    assert ("--memory-mb" in outcome.stderr) == (name != "ALTs")


def test_a_great_many_alts_are_annotated_a_part_at_a_time(tmp_path: Path, store: Path) -> None:
    bases = ["".join(bases) for bases in itertools.product("ACGT", repeat=8)][:65_534]
    # Behind so much that the lines are not read one by one.
    long = [record(pos=10000301 + at, info="A" * 1_000_000) for at in range(10)]
    many = [record(pos=10000402 + at, ref="A", alt=",".join(bases)) for at in range(4)]
    lines = [*long, KNOWN, *many, SECOND]
    text = plain_vcf(*lines)
    done = accepted(tmp_path, written(tmp_path, text), store, options=("--memory-mb", "400"))
    check_lossless(text, done.text)
    assert done.metrics["num_records"] == 16
    assert done.metrics["num_alleles"] == 12 + 4 * len(bases)
    assert json.loads((tmp_path / "run.json").read_bytes())["peak_memory_mb"] > 0
    with VcfReader(tmp_path / "in.vcf") as reader:
        pieces = list(reader.pieces())
        parts = [part for piece in pieces for part in reader.parts(piece)]
        assert any(map(reader.is_large, pieces))
    assert len(parts) > len(pieces)
    assert b"".join(part.data for part in parts) == "".join(lines).encode()
    ends = list(itertools.accumulate(part.data.count(b"\n") for part in parts))
    assert [part.first_record for part in parts] == [0, *ends[:-1]]


def test_the_time_grows_as_the_alts_do(tmp_path: Path, store: Path) -> None:
    """Not as their square: each ALT of a record was once compared with all of them."""
    bases = ["".join(bases) for bases in itertools.product("ACGT", repeat=8)][: 1 << 15]

    def seconds(num_records: int) -> float:
        lines = [record(alt=",".join(bases[at::num_records])) for at in range(num_records)]
        vcf = written(tmp_path, plain_vcf(*lines))
        begin = time.process_time()
        annotate_vcf(vcf, store, out_vcf=tmp_path / "out.vcf")
        return time.process_time() - begin

    assert seconds(1) < 6 * seconds(64)


# --- Names and standard streams ------------------------------------------------------------------

CLOSED = {
    "standard output": ("--out-vcf - >&-", 2, "standard output is closed; expected a pipe or file"),
    "standard input": ("--out-vcf out.vcf --vcf - <&-", 1, "standard input: is closed"),
    "output and input": ("--out-vcf out.vcf.gz --out-parquet out.parquet >&- <&-", 0, ""),
    "all": ("--out-vcf out.vcf.gz --out-parquet out.parquet >&- 2>&- <&-", 0, ""),
    "all, for a BCF": ("--out-vcf out.bcf >&- 2>&- <&-", 0, ""),
}


@pytest.mark.parametrize("name", CLOSED)
def test_standard_streams_that_are_closed(name: str, tmp_path: Path, store: Path) -> None:
    options, code, word = CLOSED[name]
    vcf = written(tmp_path, sample_text())
    start = shlex.join(command("annotate", "--vcf", vcf, "--reference", store))
    shell = ["sh", "-c", f"{start} {options}"]
    done = subprocess.run(shell, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    if code == 0:
        [path] = [*tmp_path.glob("out.bcf"), *tmp_path.glob("out.vcf.gz")]
        with pysam.VariantFile(str(path)) as file:
            assert len(list(file)) == len(split(sample_text())[1])


def test_a_name_that_is_not_utf_8(tmp_path: Path, store: Path) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    folder.mkdir()
    vcf, out = written(folder, plain_vcf(KNOWN)), folder / "out.vcf.gz"
    arguments: list[object] = ["annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out]
    figures = [*("--tally", folder / "tally.json", "--metrics", folder / "m.json")]
    invoke(*arguments, *figures, "--summary", folder / "page.html").succeeded()
    assert gzip.decompress(out.read_bytes()).count(b"ENS_ID=") == 1
    outcome = invoke(*arguments, "--out-parquet", folder / "out.parquet")
    outcome.failed(r"\udcff/out.parquet: the name is not UTF-8", "Rename", code=2)
    shutil.copytree(store, folder / "store")
    usage(invoke(*arguments, "--reference", folder / "store"), "not UTF-8")


@pytest.mark.parametrize("name", ["esc\x1b[2J.vcf", "csi\x9b2J.vcf", "turned\u202e.vcf"])
def test_what_a_terminal_heeds_is_never_printed(name: str, tmp_path: Path, store: Path) -> None:
    line = record("9\x1b[31m\x9b", 5, "A", "C")
    vcf = written(tmp_path, plain_vcf(line, lines=["##reference=hg19\x1b[2J"]), name)
    for options in (["--out-vcf", tmp_path / "o.vcf"], ["--out-vcf", tmp_path / f"{name}.bcf"]):
        outcome = invoke("annotate", "--vcf", vcf, "--reference", store, *options)
        printed = outcome.stdout + outcome.stderr
        assert "\\u" in printed
        assert printed.replace("\n", "").isprintable()
    outcome = invoke(*("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", "-", name))
    usage(outcome, "\\u")
    assert outcome.stderr.replace("\n", "").isprintable()


# --- Outputs -------------------------------------------------------------------------------------


def usage(outcome: Any, *words: str) -> None:
    """Assert a usage error, of ours or of the command line's parser."""
    assert outcome.crash is None
    assert outcome.code == 2, outcome.stderr
    assert "Traceback" not in outcome.stderr
    for word in words:
        assert word in outcome.stderr


def test_no_output(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    usage(
        invoke("annotate", "--vcf", vcf, "--reference", store), "--out-vcf", "--out-parquet", "both"
    )


@pytest.mark.parametrize("level", ["0", "10", "-1", "x", "1.5"])
def test_a_level_that_is_none(level: str, tmp_path: Path, store: Path) -> None:
    arguments = annotate_arguments(written(tmp_path, plain_vcf()), store, tmp_path / "out")
    usage(invoke(*arguments, "--level", level), "--level", level)
    assert not any((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("names", ["", "21,", "21,21", "../x", "21;22"])
def test_chromosomes_that_are_no_names(names: str, tmp_path: Path, store: Path) -> None:
    arguments = annotate_arguments(written(tmp_path, plain_vcf()), store, tmp_path / "out")
    usage(invoke(*arguments, "--chromosomes", names), "chromosomes")
    assert not any((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("names", ["99", "chr222", "21,2", "chr2", "NC_000022.10", "21,all"])
def test_a_chromosome_that_the_store_does_not_have(names: str, tmp_path: Path, store: Path) -> None:
    """A name that fits nothing would look up nothing, and look like a success."""
    arguments = annotate_arguments(written(tmp_path, plain_vcf()), store, tmp_path / "out")
    usage(
        invoke(*arguments, "--chromosomes", names),
        "chromosomes",
        names.rsplit(",", maxsplit=1)[-1],
        "22",
    )
    assert not any((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("23", "PLINK writes 23 for X"), ("222", "Did you mean '22'?"), ("chrXX", "Did you mean 'X'?"), ("2", "There are: 1, 21, 22"),
     ("nc_000022.10", "nc_000022.10 is an accession of GRCh37")],
)  # fmt: skip
def test_a_wrong_chromosome_is_told_the_right_one(
    name: str, words: str, tmp_path: Path, store: Path
) -> None:
    arguments = annotate_arguments(written(tmp_path, plain_vcf()), store, tmp_path / "out")
    usage(invoke(*arguments, "--chromosomes", name), words)
    usage(invoke("verify", store, "--chromosomes", name), words)
    with pytest.raises(UsageError, match=re.escape(words)):
        scan_reference(store, [name])


@pytest.mark.parametrize("name", ["22", "chr22", "Chr22", "CHR22", "NC_000022.11", "CM000684.2"])
def test_names_of_a_chromosome(name: str, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    done = accepted(tmp_path, vcf, store, options=["--chromosomes", f"{name},M"])
    assert done.metrics["num_exact"] == 2
    line = next(line for line in split(done.text)[0] if b"Chromosomes=" in line)
    assert b'Chromosomes="22|MT"' in line
    invoke("verify", store, "--chromosomes", name).succeeded()
    assert scan_reference(store, [name]).select("chrom").unique().collect().rows() == [("22",)]


NOTHING = {
    "contig_absent": ([record("chrUn_1"), record("NC_000022.10")], [], "2: the reference store has no"),
    "contig_refused": ([record("chrM", 100, "A", "G")], [], "another sequence"),
    "not_requested": ([KNOWN], ["--chromosomes", "1"], "outside the chromosomes"),
    "symbolic": ([record(alt="<DEL>"), record(alt="N")], [], "2: the ALT is not a sequence"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_a_vcf_of_which_nothing_could_be_looked_up(name: str, tmp_path: Path, store: Path) -> None:
    lines, options, words = NOTHING[name]
    content = plain_vcf(*lines).replace(b"length=16569", b"length=16571")
    said = accepted(tmp_path, written(tmp_path, content), store, options=options).outcome.stderr
    assert "Warning: " in said
    assert "nothing could be looked up" in said
    assert words in said
    if name == "contig_absent":
        assert "NC_000022.10 (an accession of GRCh37)" in said
    content = plain_vcf(*lines, record("chr1", 200_000_000, "A", "G"))
    said = accepted(tmp_path, written(tmp_path, content), store, options=options).outcome.stderr
    assert "nothing could be looked up" not in said


def link_to(target: Path, link: Path) -> Path:
    link.symlink_to(target)
    return link


def hard_link_to(target: Path, link: Path) -> Path:
    os.link(target, link)
    return link


@pytest.mark.parametrize("option", ["--out-vcf", "--out-parquet", "--metrics", "--run-metrics"])
@pytest.mark.parametrize(
    "spell",
    [
        lambda path: path,
        lambda path: path.parent / "x" / ".." / path.name,
        lambda path: link_to(path, path.parent / "link.vcf"),
        lambda path: hard_link_to(path, path.parent / "hard.vcf"),
    ],
    ids=["same", "dots", "symlink", "hard-link"],
)
def test_an_output_that_is_the_input(
    option: str, spell: Callable[[Path], Path], tmp_path: Path, store: Path
) -> None:
    (tmp_path / "x").mkdir()
    vcf = written(tmp_path, plain_vcf(), "in.vcf.gz")
    target = spell(vcf)
    before = snapshot(tmp_path)
    arguments = ["annotate", "--vcf", vcf, "--reference", store, option, target]
    if option.endswith("metrics"):
        arguments += ["--out-vcf", tmp_path / "out.vcf.gz"]
    outcome = invoke(*arguments)
    assert vcf.read_bytes() == plain_vcf()
    outcome.failed(target.name, "input", code=2)
    assert snapshot(tmp_path) == before


PAIRS = [
    ("--out-vcf", "--out-parquet"),
    ("--out-vcf", "--metrics"),
    ("--out-parquet", "--run-metrics"),
    ("--metrics", "--run-metrics"),
]


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
@pytest.mark.parametrize("dots", [False, True], ids=["same", "dots"])
def test_two_outputs_of_one_name(
    pair: tuple[str, str], dots: bool, tmp_path: Path, store: Path
) -> None:
    vcf = written(tmp_path, plain_vcf())
    out = tmp_path / "out"
    out.mkdir()
    other = out / ".." / "out" / "both.vcf" if dots else out / "both.vcf"
    arguments = ["annotate", "--vcf", vcf, "--reference", store, pair[0], out / "both.vcf"]
    arguments += [pair[1], other]
    if pair == ("--metrics", "--run-metrics"):
        arguments += ["--out-vcf", out / "out.vcf.gz"]
    invoke(*arguments).failed("both.vcf", code=2)
    assert snapshot(out) == {}


@pytest.mark.parametrize("option", ["--out-parquet", "--metrics", "--run-metrics"])
def test_an_output_that_is_the_index(option: str, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    out = tmp_path / "out.vcf.gz"
    arguments = ["annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out]
    outcome = invoke(*arguments, option, tmp_path / "out.vcf.gz.tbi")
    outcome.failed("out.vcf.gz.tbi", code=2)
    assert snapshot(tmp_path) == {"in.vcf": plain_vcf()}


@pytest.mark.parametrize("name", [CHR22, "datapackage.json"])
@pytest.mark.parametrize("option", ["--out-parquet", "--metrics", "--run-metrics"])
def test_an_output_that_is_a_file_of_the_reference(
    name: str, option: str, tmp_path: Path, own_store: Path
) -> None:
    vcf = written(tmp_path, plain_vcf())
    before = snapshot(own_store)
    arguments = ["annotate", "--vcf", vcf, "--reference", own_store]
    if option != "--out-parquet":
        arguments += ["--out-vcf", tmp_path / "out.vcf.gz"]
    outcome = invoke(*arguments, option, own_store / name)
    assert snapshot(own_store) == before
    outcome.failed(name, code=2)


@pytest.mark.parametrize("name", ["out.vcf.gz", "out.vcf.gz.tbi", "out.parquet"])
def test_an_output_that_is_a_folder(name: str, tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    (out / name).mkdir(parents=True)
    (out / name / "kept").write_text("kept")
    before = snapshot(out)
    vcf = written(tmp_path, plain_vcf())
    invoke(*annotate_arguments(vcf, store, out)).failed(name, "folder")
    assert snapshot(out) == before


@pytest.mark.parametrize("option", ["--metrics", "--run-metrics"])
@pytest.mark.parametrize("kind", ["a folder", "below a file"])
def test_figures_that_can_not_be_written(
    option: str, kind: str, tmp_path: Path, store: Path
) -> None:
    """Known before the work begins, so that no output appears in a run that fails."""
    vcf = written(tmp_path, plain_vcf())
    target = tmp_path / "folder" if kind == "a folder" else vcf / "figures.json"
    (tmp_path / "folder").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    arguments = ["annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out / "out.vcf.gz"]
    outcome = invoke(*arguments, option, target)
    words = ("is a folder", "Give a file name") if kind == "a folder" else ("in.vcf", "File exists")
    outcome.failed(*words)
    assert snapshot(out) == {}


def test_an_output_folder_is_made(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    out = tmp_path / "new" / "folder"
    invoke(*annotate_arguments(vcf, store, out)).succeeded()
    assert sorted(snapshot(out)) == ["out.parquet", "out.vcf.gz", "out.vcf.gz.tbi"]


def test_an_output_folder_below_a_file(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    arguments = ["annotate", "--vcf", vcf, "--reference", store]
    invoke(*arguments, "--out-vcf", vcf / "x" / "out.vcf.gz").failed("in.vcf", "making the folder")
    assert snapshot(tmp_path) == {"in.vcf": plain_vcf()}


def test_an_output_that_is_a_pipe_stays_one(tmp_path: Path, store: Path) -> None:
    """Renaming onto a device or a pipe would replace it: for root, /dev/stdout itself."""
    vcf = written(tmp_path, plain_vcf())
    pipe = tmp_path / "pipe.vcf.gz"
    os.mkfifo(pipe)
    invoke("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", pipe).failed("pipe", code=1)
    assert pipe.is_fifo()


if os.geteuid() != 0:  # root may write everywhere; it has the read-only file system below

    def test_a_folder_that_can_not_be_written_to(tmp_path: Path, store: Path) -> None:
        vcf = written(tmp_path, plain_vcf())
        out = tmp_path / "out"
        out.mkdir()
        out.chmod(0o555)
        invoke(*annotate_arguments(vcf, store, out)).failed("out", "permission denied")
        assert snapshot(out) == {}


def test_a_read_only_file_system(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        out = disk / "out"
        out.mkdir()
        (out / "out.vcf.gz").write_bytes(b"old")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        outcome = invoke(
            *("annotate", "--vcf", vcf, "--reference", store),
            *("--out-vcf", out / "out.vcf.gz", "--run-metrics", tmp_path / "run.json"),
        )
        assert snapshot(out) == {"out.vcf.gz": b"old"}
    outcome.failed("out", "permission denied")
    assert json.loads((tmp_path / "run.json").read_bytes())["status"] == "failed"


def test_no_room_left_at_any_point(tmp_path: Path, store: Path) -> None:
    """A page more of room at a time: all is there and whole, or nothing is."""
    vcf = written(tmp_path, sample_text())
    whole = snapshot(accepted(tmp_path, vcf, store).out)
    # Besides the bytes of the files: what each leaves of its last page, and two for folders.
    enough = sum(len(content) for content in whole.values()) // 4096 + len(whole) + 2
    codes = []
    for pages in range(2, enough + 1):
        with small_disk(tmp_path / f"room{pages}", pages * 4096) as disk:
            out = disk / "out"
            out.mkdir()
            outcome = invoke(
                *("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out / "out.vcf.gz"),
                *("--out-parquet", out / "out.parquet"),
            )
            found = snapshot(out)
        codes.append(outcome.code)
        if outcome.code:
            outcome.failed("disk")
            assert found == {}, f"{pages} pages"
        else:
            assert found == whole, f"{pages} pages"
    assert codes[0] == 1
    assert codes[-1] == 0


@pytest.mark.parametrize("limit", [100, 3000, 9000])
def test_a_limit_to_the_size_of_files(limit: int, tmp_path: Path, store: Path) -> None:
    """As a full disk, without a mount."""
    vcf = written(tmp_path, sample_text())
    out = tmp_path / "out"
    out.mkdir()
    outcome = run(
        *("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out / "out.vcf.gz"),
        *("--out-parquet", out / "out.parquet"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    outcome.failed("out", "too large")
    assert snapshot(out) == {}


# --- Runs that are stopped -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_vcf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.vcf"
    path.write_bytes(many_snvs(100_000))
    return path


@pytest.fixture(scope="module")
def complete(
    long_vcf: Path, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], float]:
    """What a run that is left alone writes, and how long it takes from its first file on."""
    folder = tmp_path_factory.mktemp("complete")
    process = start(long_vcf, store, folder / "out")
    began = time.monotonic()
    assert process.wait(60) == 0
    return snapshot(folder / "out"), time.monotonic() - began


def start(vcf: Path, store: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a run and wait until it has begun to write."""
    process = subprocess.Popen(
        command(*annotate_arguments(vcf, store, out)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    limit = time.monotonic() + 60
    while process.poll() is None and not (out.exists() and any(out.iterdir())):
        assert time.monotonic() < limit
        time.sleep(0.005)
    return process


@pytest.mark.parametrize("number", range(6))
def test_a_killed_run_leaves_no_incomplete_file(
    number: int,
    long_vcf: Path,
    store: Path,
    complete: tuple[dict[str, bytes], float],
    tmp_path: Path,
) -> None:
    whole, duration = complete
    process = start(long_vcf, store, tmp_path / "out")
    time.sleep(random.uniform(number, number + 1) / 6 * duration)
    process.kill()
    process.communicate()
    for name, content in snapshot(tmp_path / "out").items():
        assert name.endswith(".tmp") or content == whole[name], name


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGTERM, 143, b""), (signal.SIGHUP, 129, b""), (signal.SIGINT, 130, b"Interrupted")],
    ids=["SIGTERM", "SIGHUP", "SIGINT"],
)
def test_a_stopped_run_tidies_up(
    number: signal.Signals,
    code: int,
    word: bytes,
    long_vcf: Path,
    store: Path,
    complete: tuple[dict[str, bytes], float],
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    process = start(long_vcf, store, out)
    time.sleep(0.3 * complete[1])
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    # polars hands an interrupt on once more; where that meets a generator being closed, Python
    # can only print it.
    assert b"Traceback" not in said or b"Exception ignored in" in said
    assert word in said
    assert snapshot(out) == {}


# --- Random damage -------------------------------------------------------------------------------

FUZZED = plain_vcf(
    record(calls=[CALL]),
    record(pos=10000421, ref="G", alt="T,A", info=".", id_="rs1;x", calls=["1/2:0,3,4:7:50"]),
    record(pos=10000441, ref="CA", alt="AA,<DEL>", info="END=10000442", calls=[CALL]),
    record(chrom="chrX", pos=640851, calls=[CALL]),
    record(chrom="chrY", pos=640851, calls=["./."]),
    record(chrom="chrM", pos=3106, ref="CN", alt="C", calls=["1"], format_="GT"),
    samples=ONE,
)
# What is likely to mean something, beside bytes that mean nothing.
WORDS = (
    *(b"\t", b"\n", b"\r", b"\0", b"\xff", b" ", b";", b",", b".", b":", b"=", b"#", b"##", b"-"),
    *(b"ENS_ID=x", b"ENS_PAR", b"END=99999999999", b"END=1", b"2147483647", b"999999999999"),
    *(b"<*>", b"*", b"nan", b"1e999", b"##reference=hg19\n", b"##contig=<ID=chr22>\n", b"\xc3\x9f"),
    *(b"##contig=<ID=chr22,length=5>\n", b"GT", b"AD", b"chrY\t56960499\t", b"\xe2\x80\xa8"),
)
PLACES = st.integers(0, len(FUZZED) - 1)
MUTATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("insert"), PLACES, st.sampled_from(WORDS) | st.binary(min_size=1, max_size=4)
        ),
        st.tuples(st.just("replace"), PLACES, st.sampled_from(WORDS)),
        st.tuples(st.just("delete"), PLACES, st.binary(min_size=1, max_size=12)),
        st.tuples(st.just("flip"), PLACES, st.binary(min_size=1, max_size=1)),
        st.tuples(st.just("repeat line"), PLACES, st.just(b"")),
        st.tuples(st.just("drop line"), PLACES, st.just(b"")),
        st.tuples(st.just("drop contigs"), PLACES, st.just(b"")),
    ),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, mutations: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, value in mutations:
        place = min(place, len(data))
        begin, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place) + 1 or len(data)
        if kind == "insert":
            data = data[:place] + value + data[place:]
        elif kind == "replace":
            data = data[:place] + value + data[place + len(value) :]
        elif kind == "delete":
            data = data[:place] + data[place + len(value) :]
        elif kind == "flip":
            data = (
                data[:place]
                + bytes(byte ^ value[0] for byte in data[place : place + 1])
                + data[place + 1 :]
            )
        elif kind == "repeat line":
            data = data[:end] + data[begin:end] + data[end:]
        elif kind == "drop line":
            data = data[:begin] + data[end:]
        else:
            data = without_line(data, b"##contig")
    return data


@settings(
    max_examples=FUZZ_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(MUTATIONS, st.sampled_from([None, bgzf, gzip.compress]), st.booleans())
def test_a_damaged_vcf_is_refused_or_annotated_without_loss(
    store: Path,
    tmp_path: Path,
    mutations: list[tuple[str, int, bytes]],
    packed: Callable[[bytes], bytes] | None,
    with_table: bool,
) -> None:
    content = mutated(FUZZED, mutations)
    vcf = written(tmp_path, packed(content) if packed else content)
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    table = out / "out.parquet" if with_table else None
    try:
        result = annotate_vcf(vcf, store, out_vcf=out / "out.vcf.gz", out_parquet=table)
    except EnsemblAnnotationsError:
        assert not out.exists() or snapshot(out) == {}
    else:
        check_outputs(content, out / "out.vcf.gz", table, result)


@settings(
    max_examples=FUZZ_EXAMPLES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data(), st.sampled_from([bgzf, gzip.compress]))
def test_damaged_compression_is_refused_or_makes_no_difference(
    store: Path, tmp_path: Path, data: st.DataObject, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(FUZZED)
    bit = data.draw(st.integers(0, 8 * len(packed) - 1))
    cut = data.draw(st.none() | st.integers(1, len(packed) - 1))
    damaged = bytearray(packed[:cut])
    if bit // 8 < len(damaged):
        damaged[bit // 8] ^= 1 << bit % 8
    vcf = written(tmp_path, bytes(damaged))
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    try:
        result = annotate_vcf(vcf, store, out_vcf=out / "out.vcf.gz")
    except EnsemblAnnotationsError:
        assert not out.exists() or snapshot(out) == {}
    else:
        check_outputs(FUZZED, out / "out.vcf.gz", None, result)


@pytest.mark.parametrize("most_kept", [0, 100], ids=["opened later", "open"])
def test_a_store_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one(
    most_kept: int, tmp_path: Path, own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another release takes its place after it was checked: its files are open by then, or refused."""
    other, vcf = tmp_path / "other", written(tmp_path, plain_vcf())
    fetch_ensembl(other, mirrors=[str(MIRROR)], release=115, chromosomes=list(CHROMOSOMES))
    before = tmp_path / "before.vcf"
    annotate_vcf(vcf, own_store, out_vcf=before)
    check = ReferenceStore.check

    def then_replaced(self: ReferenceStore, *arguments: Any) -> None:
        check(self, *arguments)
        own_store.rename(tmp_path / "old")
        other.rename(own_store)

    monkeypatch.setattr(ReferenceStore, "check", then_replaced)
    monkeypatch.setattr(store_read, "_MOST_KEPT", most_kept)
    if not most_kept:
        refused(tmp_path, vcf, own_store, "was replaced while")
        return
    after = tmp_path / "after.vcf"
    annotate_vcf(vcf, own_store, out_vcf=after)
    assert after.read_bytes() == before.read_bytes()
