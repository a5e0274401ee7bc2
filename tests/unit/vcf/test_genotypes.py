"""Genotypes of all samples, against splitting each line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf import genotypes
from ensembl_annotations.vcf.batch import batch_of
from ensembl_annotations.vcf.genotypes import genotype_lists
from ensembl_annotations.vcf.read import VcfReader

calls = st.sampled_from(
    ["0/1", "1|0", ".", "", "./.", "0/1:3", ".:7", "10/12", "0/1/2/3/4/5:9", "1:2:3", "ü", "0|1:"]
)
formats = st.sampled_from(["GT", "GT:DP", "DP:GT", "DP", "GTX:GT", "GT:DP:AD"])


def lists_of(folder: Path, lines: list[str], rows: list[int] | None = None) -> list[object]:
    """Read the lines as a VCF with as many samples as the first has."""
    samples = "\t".join(f"S{number}" for number in range(lines[0].count("\t") - 8))
    columns = f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}".rstrip("\t")
    path = folder / "x.vcf"
    text = "".join(f"{line}\n" for line in ["##fileformat=VCFv4.2", columns, *lines])
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with VcfReader(path) as reader:
        (piece,) = reader.pieces()
        batch = batch_of(piece, reader.path)
    return genotype_lists(
        batch, np.array(rows if rows is not None else range(len(lines)))
    ).to_pylist()


def expected(line: str) -> list[str | None] | None:
    _, _, _, _, _, _, _, _, keys, *samples = line.rstrip("\r").split("\t")
    if "GT" not in keys.split(":"):
        return None
    place = keys.split(":").index("GT")
    values = [[*sample.split(":"), *["."] * 9][place] for sample in samples]
    return [None if value in (".", "") else value for value in values]


def line_of(format_: str, samples: list[str]) -> str:
    return "\t".join(["1", "5", ".", "A", "C", ".", ".", ".", format_, *samples])


@settings(max_examples=150)
@given(st.data(), st.integers(1, 4), st.booleans(), st.sampled_from([1, 1 << 20]))
def test_genotypes_are_those_of_the_lines(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    num_samples: int,
    returns: bool,
    chunk: int,
) -> None:
    samples = st.lists(calls, min_size=num_samples, max_size=num_samples)
    record = st.builds(line_of, formats, samples).map(lambda text: text + "\r" * returns)
    lines = data.draw(st.lists(record, min_size=1, max_size=6))
    rows = data.draw(st.sets(st.integers(0, len(lines) - 1))) or {0}
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(genotypes, "_CHUNK_BYTES", chunk)
        assert lists_of(folder, lines) == [expected(line) for line in lines]
        assert lists_of(folder, lines, sorted(rows)) == [
            expected(lines[row]) for row in sorted(rows)
        ]


@pytest.mark.parametrize("call", ["\udcff", "0/1:\udcff", "0/1\0"])
def test_bytes_that_are_no_text(call: str, tmp_path: Path) -> None:
    lines = [line_of("GT:XX", ["0/1:a"]), line_of("GT:XX", [call])]
    if call.startswith("0/1"):
        assert lists_of(tmp_path, lines) == [["0/1"], [call.partition(":")[0]]]
    else:
        with pytest.raises(InputError, match="line 4: GT is not UTF-8"):
            lists_of(tmp_path, lines)
