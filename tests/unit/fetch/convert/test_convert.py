"""The conversion of files of Ensembl: infos, what is set aside, order and contigs, and sequences."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.fetch.convert.convert import Conversion, convert_vcf
from ensembl_annotations.fetch.convert.info import InfoParser, parse_texts
from ensembl_annotations.store import write as store
from ensembl_annotations.store.describe import Origin
from ensembl_annotations.store.write import StoreWriter
from ensembl_annotations.variants.schema import ALLELES, ALLELES_SCHEMA
from ensembl_annotations.vcf.bgzf import compress_bgzf
from tests.support.mirror import HEADER
from tests.support.published import as_published

ORIGIN = Origin("homo_sapiens", "GRCh38", 116)

# --- Records -------------------------------------------------------------------------------------

Record = tuple[int, str, str, str, str]
"""POS, ID, REF, ALT, INFO."""

FLAGS = [
    "dbSNP_156", "HGMD-PUBLIC_20204", "dbSNP_155", "E_Freq", "E_gnomAD", "CLIN_pathogenic",
    "CLIN_benign", "", "E_", "CLIN_", "XYZ", "unknown_1", ".",
]  # fmt: skip
VALUES = [
    "TSA=SNV", "TSA=", "MA=A", "MA=c", "MA=G", "MA=T", "MA=-", "MA=AC", "MA=", "MAF=0.25", "MAF=0",
    "MAF=0.0001", "MAF=1e-05", "MAF=high", "MAF=", "MAF=.5", "MAF=1.5", "MAC=7", "MAC=007", "MAC=",
    "MAC=4294967296", "MAC=1\u0663", "MAF=0.\u0665", "AA=A", "AA=", "AA=ACA", "XYZ=1", "VE=x|1|y", "MA=A|B", "a|b",
]  # fmt: skip


def text_of(rows: list[Record], contig: str = "21") -> str:
    return "".join(
        f"{contig}\t{pos}\t{name}\t{ref}\t{alt}\t.\t.\t{info}\n"
        for pos, name, ref, alt, info in rows
    )


def convert(
    folder: Path, text: str, chromosome: str = "21", *, header: str = HEADER, **options: Any
) -> tuple[pl.DataFrame, Conversion, list[Any]]:
    """Convert the records of a file; return what the store has, and what was set aside."""
    path = folder / "x.vcf.gz"
    path.write_bytes(compress_bgzf((header + text).encode("utf-8", "surrogateescape"), 1))
    writers = StoreWriter(folder, ORIGIN, "x.vcf.gz")
    if chromosome != "all":
        writers.open(chromosome)
    bad: list[Any] = []
    done = convert_vcf(path, "x.vcf.gz", chromosome, writers, quarantine=bad.append, **options)
    writers.finish()
    frames = []
    for name, writer in writers.chromosomes.items():
        alleles = pl.read_parquet(writer.path)
        assert alleles["chrom"].unique().to_list() in ([name], [])
        frames.append(as_published(alleles).with_columns(chrom=pl.lit(name)))
    return pl.concat(frames), done, bad


@pytest.mark.parametrize("together", [1, 2, 20])
def test_infos_are_parsed_alike_together_and_alone(together: int, random_seed: int) -> None:
    """All of at most two entries, and many of more."""
    dice, entries = random.Random(random_seed), [*FLAGS, *VALUES]
    texts = {";".join(few) or "." for count in (0, 1, 2) for few in product(entries, repeat=count)}
    texts |= {";".join(dice.choices(entries, k=dice.randint(3, 8))) for _ in range(2000)}
    parsers = InfoParser(), InfoParser()
    for parser in parsers:
        parser.read_header(HEADER.splitlines())
    shuffled = dice.sample(sorted(texts), len(texts))[: 200 * together]
    for begin in range(0, len(shuffled), together):
        some = shuffled[begin : begin + together]
        table = parse_texts(parsers[0], pl.Series(some))
        assert table.rows() == [
            tuple(getattr(parsers[1].parse(text), name) for name in table.columns) for text in some
        ]


def test_quality_and_filter_are_kept(tmp_path: Path) -> None:
    rows = ["21\t5\trs1\tA\tG\t50\t.\tTSA=SNV\n", "21\t6\trs2\tA\tG\t.\tq10\tTSA=SNV\n"]
    found, _, _ = convert(tmp_path, "".join(rows))
    assert found["other"].to_list() == ["QUAL=50", "FILTER=q10"]
    assert found["tsa"].to_list() == ["SNV", "SNV"]


def test_line_ends_of_windows_are_no_part_of_info(tmp_path: Path) -> None:
    rows: list[Record] = [(5, "rs5", "A", "G", "TSA=SNV;AA=A"), (6, "rs6", "A", "G", ".")]
    found, done, bad = convert(tmp_path, text_of(rows).replace("\n", "\r\n"))
    assert found.select("aa", "other").rows() == [("A", None), (None, None)]
    assert (done.num_records, bad, done.unknown) == (2, [], Counter())


def test_a_file_without_one_usable_row_is_an_error(tmp_path: Path) -> None:
    rows: list[Record] = [(5, "rs5", "A", "G", "TSA=SNV")]
    with pytest.raises(SourceError, match="1 of 1 records can't be used"):
        convert(tmp_path, text_of(rows, "chr21"))


def test_more_alts_than_can_be_numbered_are_set_aside(tmp_path: Path) -> None:
    rows: list[Record] = [
        (5, "rs5", "A", ",".join(["G"] * (2**20 + 1)), "TSA=SNV"),
        (6, "rs6", "A", ",".join(["G"] * 5000), "TSA=SNV"),
    ]
    found, _, bad = convert(tmp_path, text_of(rows))
    assert [row[1] for row in bad] == ["over 1048576 ALTs"]
    assert found["alt_index"].to_list() == list(range(5000))


def test_equal_keys_far_apart_are_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that comes late with the very key position that was written last."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", 1)
    rows: list[Record] = [
        (10, "rs1", "T", "A", "TSA=SNV"),
        (30, "rs2", "A", "C", "TSA=SNV"),
        (10, "rs3", "A", "C", "TSA=SNV"),
    ]
    found, _, _ = convert(tmp_path, text_of(rows))
    assert found["rs"].to_list() == [3, 1, 2]


def test_a_column_keeps_its_dictionary_however_long_its_texts_are(tmp_path: Path) -> None:
    """Readers look up rows by it, and know no other encoding of texts."""
    rows: list[Record] = [
        (pos, f"CM{pos}", "A" + "C" * (3000 + pos), "A", "TSA=deletion") for pos in range(1, 1200)
    ]
    rows += [(pos, f"rs{pos}", "A", "G", "TSA=SNV") for pos in range(1200, 21_000)]
    found, _, _ = convert(tmp_path, text_of(rows))
    path = tmp_path / "homo_sapiens-chr21.parquet"
    about = pq.read_metadata(path)
    assert pq.read_schema(path).remove_metadata() == ALLELES_SCHEMA
    group = about.row_group(0)
    for index, column in enumerate(ALLELES):
        encodings = {*group.column(index).encodings}
        assert ("RLE_DICTIONARY" in encodings) == column.dictionary, column.name
    assert found["ref"].to_list()[0] == "A" + "C" * 3001


@pytest.mark.parametrize("rest", ["\t\t\t", ".\t\t\t", "\t.\t\t", "\t\t.\t", ".\t.\t"])
def test_empty_columns_at_the_end_of_a_file(rest: str, tmp_path: Path) -> None:
    fields = rest.split("\t")[-3:]
    for end in ("", "\n"):
        text = "21\t5\trs1\tA\tC\t" + "\t".join(fields) + end
        found, done, bad = convert(tmp_path, text)
        assert (len(found), done.num_records, bad) == (1, 1, [])
        parts = [
            f"{name}={value}"
            for name, value in zip(("QUAL", "FILTER"), fields, strict=False)
            if value != "."
        ]
        assert found["other"].to_list() == [";".join(parts) or None]


def test_a_long_ref_with_many_alts_is_not_copied(tmp_path: Path) -> None:
    ref = "A" + "CG" * 20_000
    alts = ",".join("A" + "T" * count for count in range(300))
    rows: list[Record] = [(5, "rs5", ref, alts, "TSA=indel")]
    tracemalloc.start()
    found, _, _ = convert(tmp_path, text_of(rows))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["ref"].unique().to_list() == [ref]
    # Numpy's arrays are traced; 300 copies would take 12 MB, and their indices 16 times that.
    assert peak < 40_000_000


# --- Order and contigs ---------------------------------------------------------------------------


def test_a_file_that_is_not_in_order_is_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 100)
    monkeypatch.setattr(store, "ROW_GROUP_ROWS", 4)
    draw = np.random.default_rng(1)
    rows: list[Record] = [
        (int(pos), f"rs{index + 1}", "AC", "A,ACC,GC", "TSA=indel")
        for index, pos in enumerate(draw.integers(1, 300, 100))
    ]
    found, done, _ = convert(tmp_path, text_of(rows))
    keys = found.select("start", "code").rows()
    assert keys == sorted(keys)
    assert done.num_records == 100
    assert Counter(found.select("pos", "rs", "alt").rows()) == Counter(
        (pos, int(name[2:]), alt)
        for pos, name, _, all_alts, _ in rows
        for alt in all_alts.split(",")
    )


def test_contigs_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 120)
    rows: list[Record] = [(pos, f"rs{pos}", "A", "C", "TSA=SNV") for pos in range(1, 8)]
    text = text_of(rows, "1") + text_of(rows, "II") + text_of(rows[:1], "scaffold_3.1")
    found, _, _ = convert(tmp_path, text, "all")
    assert found.group_by("chrom", maintain_order=True).len().rows() == [
        ("1", 7), ("II", 7), ("scaffold_3.1", 1),
    ]  # fmt: skip


def test_a_contig_that_comes_back_is_an_error(tmp_path: Path) -> None:
    row: list[Record] = [(5, "rs5", "A", "C", "TSA=SNV")]
    text = text_of(row, "1") + text_of(row, "2") + text_of(row, "1")
    with pytest.raises(SourceError, match="records of 1 stand in several places"):
        convert(tmp_path, text, "all")


# --- Files that are none --------------------------------------------------------------------------


def bomb() -> bytes:
    return gzip.compress(HEADER.encode() + b"21\t1\trs1\tA\tG\t.\t.\t" + b"x" * (80 << 20) + b"\n")


def long_line() -> bytes:
    draw = np.random.default_rng(1)
    return gzip.compress(HEADER.encode() + draw.integers(11, 99, 2 << 20, np.uint8).tobytes(), 1)


@pytest.mark.parametrize(
    ("make", "words"), [(bomb, "expands to more than"), (long_line, "line 7: is longer than")]
)
def test_what_is_no_file_of_ensembl_is_refused(
    make: Callable[[], bytes], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "MAX_LINE_BYTES", (1 if make is long_line else 999) << 20)
    (tmp_path / "x.vcf.gz").write_bytes(make())
    store = StoreWriter(tmp_path, ORIGIN, "x")
    with pytest.raises(SourceError, match=words):
        convert_vcf(tmp_path / "x.vcf.gz", "x.vcf.gz", "all", store)


# --- Sequences -----------------------------------------------------------------------------------


def test_roll_and_refs_of_a_file(tmp_path: Path) -> None:
    sequence = np.frombuffer(b"CAAAAATGCACACAGNNNNN", np.uint8)
    rows: list[Record] = [
        (1, "rs1", "CA", "C", "TSA=deletion"),
        (3, "rs2", "A", "AA", "TSA=insertion"),
        (7, "rs3", "G", "T", "TSA=SNV"),
        (8, "rs4", "GCA", "G", "TSA=deletion"),
        (8, "rs5", "TCA", "T", "TSA=deletion"),
        (8, "rs6", "G", "A", "TSA=SNV"),
        (15, "rs7", "GN", "G", "TSA=deletion"),
        (19, "rs8", "NNN", "N", "TSA=deletion"),
    ]
    found, done, _ = convert(tmp_path, text_of(rows), sequence_of=lambda _: sequence)
    rolls = {row[0]: row[1:] for row in found.select("rs", "roll_left", "roll_right").rows()}
    assert rolls == {
        1: (0, 4), 2: (1, 4), 3: (None, None), 4: (0, 4), 5: (None, None), 6: (None, None),
        7: (0, 0), 8: (None, None),
    }  # fmt: skip
    assert done.num_ref_differs == 3
    # The last one leaves the contig, which says enough.
    assert done.refs_compared == {"21": 8}
    without, _, _ = convert(tmp_path, text_of(rows))
    assert without["roll_left"].null_count() == len(rows)
