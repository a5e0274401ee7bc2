"""The index made while writing gives the answers of the index that htslib makes of the file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ensembl_annotations.vcf.bgzf as bgzf
from ensembl_annotations import _kernel
from ensembl_annotations.annotate.annotate import _places, _runs
from ensembl_annotations.annotate.text import VcfWriter
from ensembl_annotations.vcf import places as tabix
from ensembl_annotations.vcf.places import DEPTH, TabixIndex
from ensembl_annotations.vcf.read import VcfReader

pytestmark = pytest.mark.skipif(
    shutil.which("bcftools") is None, reason="bcftools is not installed (Debian package bcftools)"
)

HEADER = "\n".join(
    [
        "##fileformat=VCFv4.5",
        '##INFO=<ID=END,Number=1,Type=Integer,Description="End">',
        '##INFO=<ID=SVLEN,Number=A,Type=Integer,Description="Length">',
        '##INFO=<ID=P,Number=1,Type=String,Description="Padding">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=LEN,Number=1,Type=Integer,Description="Length">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS",
    ]
)
FAR = {"tbi": 2**29 - 3_000_000, "csi": 2**31 - 3_000_000}
CONTIGS = ("1", "chrX", "a:b", "HLA-A*01:01")


def line(contig: str, pos: int, kind: str, length: int, padding: int) -> str:
    ref, alt, info, sample = "A", "C", [f"P={'x' * padding}"], "GT\t0/1"
    if kind == "ref":
        ref, alt = "A" * (1 + length % 300), "A"
    elif kind == "end":
        alt = "<DEL>"
        info.append(f"END={pos + length}")
    elif kind == "svlen":
        alt = "<DEL>,<DUP>"
        info.insert(0, f"SVLEN=-7,{length}")
    elif kind == "len":
        alt, sample = "<*>", f"GT:LEN\t0/0:{length}"
    return "\t".join([contig, str(pos), ".", ref, alt, ".", ".", ";".join(info), sample])


@st.composite
def files(draw: st.DrawFn, kind: str) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Return the lines of a sorted file, and regions to ask for."""
    lines, marks = [], []
    for contig in draw(st.lists(st.sampled_from(CONTIGS), unique=True, min_size=1)):
        start = draw(st.sampled_from([0, 1, 16_380, 131_070, 5_000_000, FAR[kind]]))
        steps = draw(
            st.lists(
                st.tuples(
                    st.sampled_from([0, 1, 3, 200, 16_384, 70_000, 1_000_000]),
                    st.sampled_from(["snv", "snv", "ref", "end", "svlen", "len"]),
                    st.sampled_from([1, 50, 16_384, 17_000, 140_000, 2_000_000]),
                    st.sampled_from([0, 10, 700]),
                ),
                min_size=1,
                max_size=60,
            )
        )
        pos = start
        for step, *rest in steps:
            pos = min(pos + step, FAR[kind] + 900_000)
            lines.append(line(contig, pos, *rest))
            marks.append((contig, pos))
    asked = st.tuples(
        st.sampled_from(marks),
        st.sampled_from([-1_000_000, -20_000, -16_384, -300, -1, 0, 1, 16_384]),
        st.sampled_from([1, 2, 500, 16_384, 3_000_000]),
    )
    regions = [
        (contig, max(pos - 1 + shift, 0), max(pos - 1 + shift, 0) + length)
        for (contig, pos), shift, length in draw(st.lists(asked, min_size=1, max_size=12))
    ]
    return lines, regions


def write(
    folder: Path, lines: list[str], kind: str, batch_bytes: int, *, newline: bool = True
) -> Path:
    """Write a file through our reader, writer and index."""
    source = folder / "in.vcf"
    source.write_text("\n".join([HEADER, *lines]) + ("\n" if newline else ""))
    out = folder / "out.vcf.gz"
    with out.open("wb") as handle, VcfReader(source) as reader:
        reader.batch_bytes = batch_bytes
        writer = VcfWriter(bgzf.BgzfWriter(handle, threads=1), TabixIndex())
        writer.write(b"".join(reader.header.lines))
        for piece in reader.pieces():
            # On contigs that the reference lacks: nothing is added.
            absent = [0] * len(_kernel.contig_runs(piece.data))
            settings = _kernel.Settings(10, index_depth=DEPTH)
            contigs = [_kernel.Contig(reason=3)]
            with _kernel.annotated(piece.data, settings, contigs, absent) as result:
                writer.write(piece.data, _places(result, _runs(result, piece)))
        writer.finish(without_last_byte=reader.ends_without_newline)
    writer.write_index(folder / f"out.vcf.gz.{kind}", kind)
    return out


def answers(path: Path, index: Path, regions: list[tuple[str, int, int]]) -> list[list[str]]:
    with pysam.TabixFile(str(path), index=str(index)) as file:
        return [list(file.fetch(*region)) for region in regions]


@pytest.mark.parametrize("kind", ["csi", "tbi"])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_it_finds_what_the_index_of_htslib_finds(kind: str, data: st.DataObject) -> None:
    lines, regions = data.draw(files(kind))
    batch_bytes = data.draw(st.sampled_from([1, 300, 5_000, 1_000_000]))
    newline = data.draw(st.booleans())
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        # Small blocks and bins, so that a small file has many.
        block = data.draw(st.sampled_from([100, 777, 65_280]))
        for module in (bgzf, tabix):
            patch.setattr(module, "BLOCK_BYTES", block)
        patch.setattr(bgzf, "_GROUP_BYTES", 2 * block)
        patch.setattr(tabix, "_MIN_BIN_BYTES", data.draw(st.sampled_from([0, 60, 1 << 14])))
        out = write(Path(name), lines, kind, batch_bytes, newline=newline)
        other = Path(name) / f"htslib.{kind}"
        pysam.tabix_index(
            str(out), preset="vcf", csi=kind == "csi", force=True, keep_original=True,
            index=str(other),
        )  # fmt: skip
        ours = answers(out, Path(f"{out}.{kind}"), regions)
        assert ours == answers(out, other, regions)
        counted = subprocess.run(
            ["bcftools", "index", "-s", str(out)], capture_output=True, text=True, check=True
        ).stdout
    names = list(dict.fromkeys(item.partition("\t")[0] for item in lines))
    expected = {name: sum(item.startswith(f"{name}\t") for item in lines) for name in names}
    found = {row.split("\t")[0]: int(row.split("\t")[2]) for row in counted.splitlines()}
    assert found == expected


@pytest.mark.parametrize("kind", ["csi", "tbi"])
@pytest.mark.parametrize("end", [2**29 + 7, 2**32 + 1, 99_999_999_999, 10**30])
def test_an_end_out_of_range_reaches_as_far_as_an_index_can(
    kind: str, end: int, tmp_path: Path
) -> None:
    first = f"1\t1000\t.\tA\t<DEL>\t.\t.\tEND={end}\tGT\t0/1"
    lines = [
        first,
        *(line("1", pos, "snv", 1, 600) for pos in range(2_000, 400_000_000, 2_000_000)),
    ]
    out = write(tmp_path, lines, kind, 10_000)
    # htslib takes at most 2^63 for an END, and a larger one for the largest.
    near, far, before = answers(
        out,
        Path(f"{out}.{kind}"),
        [("1", 1_000, 1_900), ("1", 300_000_000, 300_000_500), ("1", 5, 7)],
    )
    assert first in near
    assert first in far
    assert before == []


@pytest.mark.parametrize("kind", ["csi", "tbi"])
def test_a_file_without_records_has_an_index_without_contigs(kind: str, tmp_path: Path) -> None:
    out = write(tmp_path, [], kind, 1000)
    with pysam.TabixFile(str(out), index=f"{out}.{kind}") as file:
        assert list(file.contigs) == []
