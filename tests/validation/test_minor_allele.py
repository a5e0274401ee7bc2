"""Whose frequency MAF is: random variants, published as Ensembl does it, and read back."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ensembl_annotations.variants.alleles import one_minus
from tests.support.minor_allele import Published, possible_minors, publish, publish_uncut
from tests.support.mirror import HEADER
from tests.unit.fetch.convert.test_convert import convert

NUM_VARIANTS = int(os.environ.get("ENSEMBL_ANNOTATIONS_TEST_VARIANTS", "5000"))
"""How many random variants each test takes; some have several ALTs."""

_GAP = 40


def repeats(rng: random.Random, length: int) -> str:
    """Return a sequence that is full of them."""
    text = ""
    while len(text) < length:
        unit = "".join(rng.choices("ACGT", k=rng.choice([1, 1, 1, 2, 2, 3])))
        text += unit * rng.choice([1, 1, 2, 3, 4, 6])
    return text[:length]


def variant(rng: random.Random, sequence: str, begin: int) -> list[str]:
    """Return alleles of a database at a place: repeats, minimal, or anything."""
    ref = sequence[begin : begin + rng.choice([0, 1, 1, 2, 3, 4, 6])]
    alleles = [ref]
    in_repeat = rng.random()
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        unit = (ref or sequence[begin])[: rng.choice([1, 1, 2])]
        forms = [ref + unit * rng.choice([1, 2, 3]), ref[len(unit) :], unit * rng.choice([1, 2, 3])]
        anything = "".join(rng.choices("ACGT", k=rng.choice([0, 1, 1, 2, 3])))
        alt = rng.choice(forms) if rng.random() < in_repeat else anything
        if alt not in alleles:
            alleles.append(alt)
    if len(alleles) == 1:
        alleles.append(ref + "A")
    return [allele or "-" for allele in alleles]


@pytest.mark.parametrize("program", [publish, publish_uncut])
@pytest.mark.parametrize("with_sequence", [True, False])
def test_a_frequency_is_never_another_alleles(
    tmp_path: Path,
    program: Callable[[list[str], int, str], Published],
    with_sequence: bool,
    random_seed: int,
) -> None:
    """No wrong number of either program, and an answer wherever today's leaves just one."""
    rng = random.Random(random_seed)
    sequence = "G" + repeats(rng, NUM_VARIANTS * _GAP + 100)
    lines, truths = [], {}
    for number in range(1, NUM_VARIANTS + 1):
        begin = number * _GAP + rng.randrange(8)
        alleles = variant(rng, sequence, begin)
        minor = rng.randrange(len(alleles))
        ref, alts, ma = program(alleles, minor, sequence[begin - 1])
        # Where the base before was put in front, the record begins there.
        begin -= program(alleles, 0, "?")[0].startswith("?")
        assert sequence[begin : begin + len(ref)] == ref
        lines.append(
            f"21\t{begin + 1}\trs{number}\t{ref}\t{','.join(alts)}\t.\t.\tMA={ma};MAF=0.25\n"
        )
        truths[number] = (ref, alts, ma, minor, sequence[begin + len(ref) : begin + len(ref) + 30])
    found, done, bad = convert(
        tmp_path,
        "".join(lines),
        header=HEADER.replace("116", "116" if program is publish else "90"),
        sequence_of=lambda _: np.frombuffer(sequence.encode(), np.uint8) if with_sequence else None,
    )
    assert not bad
    counts: Counter[str] = Counter()
    columns = ("rs", "alt_index", "af")
    for number, alt_index, af in found.select(columns).sort("rs", "alt_index").iter_rows():
        ref, alts, ma, minor, behind = truths[number]
        truth = (
            "0.25"
            if minor == alt_index + 1
            else one_minus("0.25")
            if not minor and len(alts) == 1
            else None
        )
        assert af in (None, truth), (ref, alts, ma)
        possible = possible_minors(ref, alts, ma, behind if with_sequence else None)
        if program is publish and possible == {minor}:
            assert af == truth, (ref, alts, ma)
        if alt_index == 0:
            counts["decided" if program is publish and len(possible) == 1 else "other"] += 1
    states = done.frequencies["21"]
    assert states.total() == NUM_VARIANTS
    if program is publish:
        assert states["decided"] + states["decided_by_sequence"] == counts["decided"]
        assert bool(states["decided_by_sequence"]) == with_sequence
