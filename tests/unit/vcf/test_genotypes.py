"""Genotypes of all samples, against splitting each line."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf import genotypes
from ensembl_annotations.vcf.batch import batch_of
from ensembl_annotations.vcf.genotypes import genotype_lists
from ensembl_annotations.vcf.read import VcfReader

CALLS = [
    "0/1", "1|0", ".", "", "./.", "0/1:3", ".:7", "10/12", "0/1/2/3/4/5:9", "1:2:3", "ü", "0|1:",
]  # fmt: skip
FORMATS = ["GT", "GT:DP", "DP:GT", "DP", "GTX:GT", "GT:DP:AD"]


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


@pytest.mark.parametrize("returns", ["", "\r"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("chunk", "most"), [(1, 100), (1 << 20, None)], ids=["in-pieces", "whole"])
@pytest.mark.parametrize("num_samples", [1, 2, 3, 4])
def test_genotypes_are_those_of_the_lines(
    num_samples: int,
    chunk: int,
    most: int | None,
    returns: str,
    random_seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All pairs of calls; of more, as many lines."""
    monkeypatch.setattr(genotypes, "_CHUNK_BYTES", chunk)
    dice = random.Random(random_seed)
    pairs = [[*pair, *dice.choices(CALLS, k=2)][:num_samples] for pair in product(CALLS, CALLS)]
    lines = [line_of(format_, pair) + returns for format_ in FORMATS for pair in pairs]
    dice.shuffle(lines)
    # A piece takes a millisecond.
    lines = lines[:most]
    assert lists_of(tmp_path, lines) == [expected(line) for line in lines]
    for count in (1, 10, len(lines) // 2):
        rows = sorted(dice.sample(range(len(lines)), count))
        assert lists_of(tmp_path, lines, rows) == [expected(lines[row]) for row in rows]


@pytest.mark.parametrize("call", ["\udcff", "0/1:\udcff", "0/1\0"])
def test_bytes_that_are_no_text(call: str, tmp_path: Path) -> None:
    lines = [line_of("GT:XX", ["0/1:a"]), line_of("GT:XX", [call])]
    if call.startswith("0/1"):
        assert lists_of(tmp_path, lines) == [["0/1"], [call.partition(":")[0]]]
    else:
        with pytest.raises(InputError, match="line 4: GT is not UTF-8"):
            lists_of(tmp_path, lines)
