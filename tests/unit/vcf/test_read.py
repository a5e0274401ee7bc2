"""Header lines and pieces of whole record lines, as bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensembl_annotations._kernel import line_parts
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf.batch import batch_of
from ensembl_annotations.vcf.read import VcfReader

FIRST = b"##fileformat=VCFv4.2\n"
COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
ROWS = [b"1\t%d\t.\tA\t%s\t.\t.\t.\n" % (number, b"C" * number) for number in range(1, 40)]


def written(folder: Path, *parts: bytes) -> Path:
    path = folder / "x.vcf"
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_pieces_are_the_whole_lines(
    size: int, end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VcfReader, "batch_bytes", size)
    text = b"".join(ROWS).removesuffix(b"\n") + end
    with VcfReader(written(tmp_path, FIRST, COLUMNS, text)) as reader:
        seen = list(reader.look_ahead(200))
        pieces = list(reader.pieces())
        assert reader.ends_without_newline == (end == b"")
    assert pieces[: len(seen)] == seen
    assert b"".join(piece.data for piece in pieces) == b"".join(ROWS)
    record = 0
    for piece in pieces:
        assert (piece.first_record, piece.first_line) == (record, record + 3)
        batch = batch_of(piece, reader.path)
        assert batch.pos.tolist() == list(range(record + 1, record + 1 + len(batch.lines)))
        record += len(batch.lines)
    assert (len(pieces) > 5) == (size < 1 << 20)


def test_no_piece_is_much_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads have something to do up to the end, and long files have large pieces all the same."""
    monkeypatch.setattr(VcfReader, "batch_bytes", 16_000)
    rows = [b"1\t%d\t.\tA\tC\t.\t.\t.\n" % number for number in range(1, 20_001)]
    with VcfReader(written(tmp_path, FIRST, COLUMNS, *rows)) as reader:
        sizes = [len(piece.data) for piece in reader.pieces()]
    line_bytes = len(rows[-1])
    for number, size in enumerate(sizes):
        assert size <= max(1000, sum(sizes[:number]) // 4) + line_bytes, number
    assert max(sizes) >= 16_000


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([b""], "is empty; expected a VCF"),
        ([b"<html>"], "line 1: expected '##fileformat"),
        ([FIRST], "line 2: expected a header line or '#CHROM', found the end of the file"),
        ([FIRST, ROWS[0]], "line 2: expected a header line or '#CHROM', found"),
        ([FIRST, COLUMNS.replace(b"\t", b" ")], "line 2: expected the columns #CHROM POS"),
        ([FIRST, COLUMNS[:-1], b"\tFORMAT\n"], "line 2: the columns end with FORMAT"),
    ],
)
def test_what_is_no_header(parts: list[bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        VcfReader(written(tmp_path, *parts))


def test_what_a_header_declares(tmp_path: Path) -> None:
    lines = (
        b"##contig=<ID=chr1,length=100>\n",
        b'##contig=<ID="chr 2",length="7">\n',
        b"##contig=<ID=chr3>\n",
        b'##contig=<Description="of 2 parts, ID=no, length=3", ID=chr4,length=5>\n',
        b'##INFO=<ID=DP,Number=1,Type=Integer,Description="a,ID=XX">\n',
        b'##INFO=<Description="a \\"b\\",ID=XX",ID=AD>\n',
        b"#odd\n",
    )
    columns = COLUMNS.replace(b"\n", b"\tFORMAT\ta\tb\ta\n")
    with VcfReader(written(tmp_path, FIRST, *lines, columns)) as reader:
        header = reader.header
    assert header.contigs() == {"chr1": 100, "chr 2": 7, "chr3": None, "chr4": 5}
    assert header.info_ids() == {"DP", "AD"}
    assert header.samples == ["a", "b", "a"]
    odd, twice = header.warnings()
    assert odd.startswith("line 8: begins with one '#'")
    assert "2 samples have the name 'a' (columns 10, 12)" in twice


def test_line_ends_of_windows(tmp_path: Path) -> None:
    text = (FIRST + COLUMNS + ROWS[0]).replace(b"\n", b"\r\n")
    with VcfReader(written(tmp_path, text)) as reader:
        (piece,) = reader.pieces()
        assert reader.header.line_end == b"\r\n"
        assert batch_of(piece, reader.path).text(7).to_list() == ["."]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=20),
    st.integers(1, 3000),
)
def test_parts_are_the_whole_lines_and_none_takes_more_than_it_may(
    sizes: list[tuple[int, int]], most: int
) -> None:
    """Commas elsewhere don't count; a single line may take more."""
    lines = [
        b"1\t5\ta,b\t%s\t%s\t.\t.\tX=1,2,3\n" % (b"A" * bases, b",".join([b"C"] * alts))
        for bases, alts in sizes
    ]
    work = [100 * alts + 10 * (bases + 1 + 2 * alts - 1) for bases, alts in sizes]
    found = line_parts(b"".join(lines), per_alt=100, per_byte=10, most=most)
    begin = 0
    for place, (end, count, taken) in enumerate(found):
        assert end == sum(map(len, lines[: begin + count]))
        assert taken == sum(work[begin : begin + count])
        assert count == 1 or taken <= most
        begin += count
        # The next line did not fit.
        assert place == len(found) - 1 or taken + work[begin] > most
    assert begin == len(lines)


@pytest.mark.parametrize("line", [b"", b"1\t5", b"1\t5\t.\tA\tC", b"\n\t\n"])
def test_what_is_no_record_is_parted_too(line: bytes) -> None:
    found = line_parts(line, per_alt=100, per_byte=10, most=1)
    assert [end for end, _, _ in found][-1:] == ([len(line)] if line else [])
    assert sum(count for _, count, _ in found) == len(line.splitlines())
