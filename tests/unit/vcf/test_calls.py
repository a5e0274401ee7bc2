"""Calls of all samples about each ALT, against splitting each line."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ensembl_annotations.vcf import calls as calls_module
from ensembl_annotations.vcf.batch import batch_of
from ensembl_annotations.vcf.calls import call_lists
from ensembl_annotations.vcf.read import VcfReader

WORDS = {
    "GT": ["0/1", "1|0", "./.", ".", "2/1", "0", "1/1/2", ""],
    "DP": ["7", ".", "x", "-3", "99999999999"],
    "GQ": ["20.5", "99", ".", "low"],
    "AD": ["3,4", "0,.,2", ".", "1", "a,2"],
    "LGT": ["0/1", "1|2", "./1", "0/3", "0/0", "."],
    "LAA": ["2", "1,2", ".", "2,1"],
    "LAD": ["5,6", "5,6,7", "5", "."],
    "XX": ["ü"],
}
FORMATS = [
    "GT", "GT:AD:DP:GQ", "DP", "XX:GT", "LGT:LAA:LAD", "LAA:LGT", "LGT", "LAD:LAA:DP", "LAA:GT:LGT:AD:LAD",
]  # fmt: skip


def calls_of(folder: Path, lines: list[str], samples: list[str]) -> list[Any]:
    """Read the lines as a VCF, and return the calls about each ALT."""
    head = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(samples)
    path = folder / "x.vcf"
    text = "".join(f"{line}\n" for line in ["##fileformat=VCFv4.5", head, *lines])
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with VcfReader(path) as reader:
        (piece,) = reader.pieces()
        batch = batch_of(piece, reader.path)
    alts = [line.split("\t")[4].split(",") for line in lines]
    rows = [row for row, found in enumerate(alts) for _ in found]
    index = [number for found in alts for number in range(len(found))]
    return call_lists(batch, samples, np.array(rows), np.array(index)).to_pylist()


def number(word: str | None, kind: type) -> Any:
    try:
        found = kind(word)
    except (ValueError, TypeError):
        return None
    return found if kind is float or abs(found) < 2**31 else None


def expected(sample: str, keys: list[str], text: str, allele: int, num_alts: int) -> dict[str, Any]:
    values = {
        key: word for key, word in zip(keys, text.split(":"), strict=False) if word not in (".", "")
    }
    local = [0, *map(int, values["LAA"].split(","))] if "LAA" in values else [0]
    gt = values.get("GT")
    if gt is None and "LGT" in values:
        mark = "|" if "|" in values["LGT"] else "/"
        parts = values["LGT"].split(mark)
        if all(part == "." or int(part) < len(local) for part in parts):
            gt = mark.join(part if part == "." else str(local[int(part)]) for part in parts)
    dosage = None
    if gt is not None:
        alleles = gt.replace("|", "/").split("/")
        dosage = alleles.count(str(allele))
        if not dosage and "." in alleles:
            dosage = None
    ad = values["AD"].split(",") if "AD" in values else None
    if ad is None and "LAD" in values:
        ad = ["."] * (num_alts + 1)
        for place, word in zip(local, values["LAD"].split(","), strict=False):
            ad[place] = word
    return {
        "sample": sample, "gt": gt, "dosage": dosage, "dp": number(values.get("DP"), int), "gq": number(values.get("GQ"), float),
        "ad": None if ad is None else [number(word, int) for word in ad],
    }  # fmt: skip


def every_call() -> Iterator[tuple[str, str]]:
    """Yield each FORMAT with each call, those with fewer values than keys too, as a VCF may have them."""
    for format_ in FORMATS:
        words = [WORDS[key] for key in format_.split(":")]
        for count in range(1, len(words) + 1):
            yield from ((format_, ":".join(call)) for call in product(*words[:count]))


def lines_of(dice: random.Random, chosen: list[tuple[str, str]], num_samples: int) -> list[str]:
    """Return records, in any order, that have all of these calls."""
    by_format: dict[str, list[str]] = defaultdict(list)
    for format_, call in chosen:
        by_format[format_].append(call)
    lines = []
    for format_, calls in by_format.items():
        calls += dice.choices(calls, k=-len(calls) % num_samples)
        for begin in range(0, len(calls), num_samples):
            alts, texts = dice.choice(["C,G", "C,G,T"]), calls[begin : begin + num_samples]
            lines.append("\t".join(["1", "5", ".", "A", alts, ".", ".", ".", format_, *texts]))
    dice.shuffle(lines)
    return lines


@pytest.mark.parametrize("returns", ["", "\r"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("chunk", "most"), [(1, 280), (1 << 20, None)], ids=["in-pieces", "whole"])
def test_calls_are_those_of_the_lines(
    chunk: int,
    most: int | None,
    returns: str,
    random_seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls_module, "_CHUNK_BYTES", chunk)
    dice, every = random.Random(random_seed), [*every_call()]
    dice.shuffle(every)
    # A piece takes a millisecond.
    every = every[:most]
    for num_samples in range(1, 5):
        lines = lines_of(dice, every[num_samples - 1 :: 4], num_samples)
        samples = [f"S{place}" for place in range(num_samples)]
        found = iter(calls_of(tmp_path, [line + returns for line in lines], samples))
        for line in lines:
            _, _, _, _, alts, _, _, _, keys, *texts = line.split("\t")
            num_alts = alts.count(",") + 1
            for allele in range(1, num_alts + 1):
                assert next(found) == [
                    expected(sample, keys.split(":"), text, allele, num_alts)
                    for sample, text in zip(samples, texts, strict=True)
                ], line
        assert next(found, None) is None


def test_bytes_that_are_no_text_are_marked(tmp_path: Path) -> None:
    line = "1\t5\t.\tA\tC\t.\t.\t.\tGT:XX\t0/1:\udcff"
    assert calls_of(tmp_path, [line], ["S"])[0][0]["gt"] == "0/1"


def test_a_vcf_without_samples_has_no_calls(tmp_path: Path) -> None:
    assert calls_of(tmp_path, ["1\t5\t.\tA\tC,G\t.\t.\t.\tGT"], []) == [[], []]
