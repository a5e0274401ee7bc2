"""Names by HGVS of changes in random genes, applied: the genome and the protein that they describe are the ALT's."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from tests.support.consequences import Alt, Genome, transcript
from tests.support.genes import reverse_complement
from tests.support.names import describes, edit_of, proteins_of, spliced_of

STOPS = ("TAA", "TAG", "TGA")
CODONS = [codon for codon in map("".join, product("ACGT", repeat=3)) if codon not in STOPS]
INTRON_BASES = 40


def text(draw: random.Random, *lengths: int) -> str:
    return "".join(draw.choices("ACGT", k=draw.choice(lengths)))


def gene(draw: random.Random) -> tuple[str, dict[str, Any], list[str]]:
    """Return a contig, its transcript with a whole CDS on up to three exons, and the few codons that repeat in it."""
    few = draw.sample(CODONS, draw.choice((2, 4, 8, 61)))
    before, behind = text(draw, 0, 1, 5, 20), text(draw, 0, 1, 2, 7, 30)
    coding = "ATG" + "".join(draw.choices(few, k=draw.randint(3, 40))) + draw.choice(STOPS)
    spliced = before + coding + behind
    cuts = sorted(draw.sample(range(1, len(spliced)), draw.randrange(3)))
    bases, exons, places = "AC" * 20, list[tuple[int, int]](), list[int]()
    for start, end in pairwise([0, *cuts, len(spliced)]):
        bases += f"GT{text(draw, INTRON_BASES)}AG" if start else ""
        exons.append((len(bases) + 1, len(bases) + end - start))
        places += range(exons[-1][0], exons[-1][1] + 1)
        bases += spliced[start:end]
    bases += "GT" * 20
    ends = places[len(before)], places[len(before) + len(coding) - 1]
    strand = draw.choice((1, -1))
    if strand < 0:
        bases = reverse_complement(bases)
        turned = [(len(bases) + 1 - end, len(bases) + 1 - start) for start, end in (*exons, ends)]
        exons, ends = turned[-2::-1], turned[-1]
    return bases, transcript("1", exons, strand=strand, cds_start=ends[0], cds_end=ends[1]), few


def change(draw: random.Random, bases: str, row: dict[str, Any], few: list[str]) -> Alt:
    """Return an ALT: bases replaced, a copy or codons inserted, a deletion, or all of it."""
    pos = draw.randint(row["start"], row["end"])
    first, rest = bases[pos - 1], bases[pos : pos + draw.randint(0, 12)]
    alts = [
        (first + rest[:4], text(draw, len(rest[:4]) + 1)),
        (first, first + rest),
        (first, first + "".join(draw.choices([*few, "TAA"], k=4))[: draw.randint(1, 9)]),
        (first + rest, first),
        (first + rest[:6], text(draw, *range(1, 9))),
    ]
    return "1", pos, *draw.choice([(ref, alt) for ref, alt in alts if ref != alt])


def test_names_describe_changes_of_random_genes(tmp_path: Path) -> None:
    draw, told = random.Random(7), Counter[str]()
    for number in range(60):
        bases, row, few = gene(draw)
        alts = [change(draw, bases, row, few) for _ in range(80)]
        one = spliced_of(row)
        (tmp_path / str(number)).mkdir()
        with Genome(tmp_path / str(number)) as genome:
            genome.add("1", bases, [row])
            found = genome.calls(alts)
        for (_, pos, ref, alt), (call,) in zip(alts, found, strict=True):
            name, protein = (call[key].partition(":")[2] for key in ("hgvsc", "hgvsp"))
            if not name:
                continue
            begin, end, new = edit_of(one, name, bases)
            made = bases[: begin - 1] + new + bases[end:]
            assert made == bases[: pos - 1] + alt + bases[pos - 1 + len(ref) :], (pos, name)
            told["changes"] += 1
            pair = proteins_of(one, (begin, end, new), bases, []) if protein else None
            if pair:
                assert describes(protein.replace("%3D", "="), *pair), (pos, name, protein)
                told["proteins"] += 1
    assert told["changes"] > 4000 and told["proteins"] > 2000, told
