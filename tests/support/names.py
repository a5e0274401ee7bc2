"""Names by HGVS, applied: the genome and the protein that a name describes.

It shares nothing with the kernel: exons are written out base by base from the lines of GFF3, and a name is
taken at its word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tests.support.genes import reverse_complement

_CODONS = ["".join(codon) for codon in product("TCAG", repeat=3)]
_CODES = {
    False: "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    True: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSS**VVVVAAAADDEEGGGG",
}
_LETTERS = "ARNDCQEGHILKMFPSTWYVU*X"
_RESIDUES = re.findall(
    "...", "AlaArgAsnAspCysGlnGluGlyHisIleLeuLysMetPheProSerThrTrpTyrValSecTerXaa"
)
_LETTER_OF = dict(zip(_RESIDUES, _LETTERS, strict=True))
_CHANGE = re.compile(
    r"[cn]\.([-*+\d]+?)(?:_([-*+\d]+?))?(?:([ACGT])>([ACGT])|(del|dup|inv)|(ins|delins)([ACGT]+))"
)
_PROTEIN = re.compile(r"p\.(...)(\d+)(?:_(...)(\d+))?(.+)")


@dataclass
class Spliced:
    """A transcript.

    Attributes
    ----------
    places, index
        Of all bases in its direction, and the other way round.
    first, last
        The bases of its CDS, as indexes of `places`; nothing is between them where there is none.
    padding
        Bases that are missing before a CDS which begins within a codon.
    """

    contig: str
    strand: str
    exons: list[tuple[int, int]] = field(default_factory=list)
    cds: list[tuple[int, int, str]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    index: dict[int, int] = field(default_factory=dict)
    first: int = 0
    last: int = -1
    padding: int = 0

    def finish(self) -> None:
        self.places = sorted(
            (place for start, end in self.exons for place in range(start, end + 1)),
            reverse=self.strand == "-",
        )
        self.index = {place: number for number, place in enumerate(self.places)}
        if self.cds:
            pieces = sorted(self.cds, reverse=self.strand == "-")
            ends = [place for start, end, _ in pieces for place in (start, end)]
            self.first, self.last = sorted((self.index[min(ends)], self.index[max(ends)]))
            self.padding = -int(pieces[0][2]) % 3

    def oriented(self, bases: str) -> str:
        return bases if self.strand == "+" else reverse_complement(bases)


def read_spliced(gff3: str) -> dict[str, Spliced]:
    """Return the transcripts of GFF3 by their IDs."""
    found: dict[str, Spliced] = {}
    for line in gff3.splitlines():
        parent = re.search(r"\tParent=transcript:([^;]+)|;Parent=transcript:([^;]+)", line)
        fields = line.split("\t")
        if parent is None or fields[2] not in ("exon", "CDS"):
            continue
        one = found.setdefault(parent[1] or parent[2], Spliced(fields[0], fields[6]))
        start, end = int(fields[3]), int(fields[4])
        if fields[2] == "exon":
            one.exons.append((start, end))
        else:
            one.cds.append((start, end, fields[7]))
    for one in found.values():
        one.finish()
    return found


def spliced_of(row: dict[str, Any]) -> Spliced:
    """Return the transcript of a row of `GENES`."""
    exons = list(zip(row["exon_starts"], row["exon_ends"], strict=True))
    one = Spliced(row["chrom"], "+" if row["strand"] > 0 else "-", exons)
    if row["cds_start"]:
        inside = [(max(a, row["cds_start"]), min(b, row["cds_end"])) for a, b in exons]
        one.cds = [(a, b, str(row["cds_phase"])) for a, b in inside if a <= b]
    one.finish()
    return one


def edit_of(one: Spliced, name: str, sequence: str) -> tuple[int, int, str]:
    """Return what a name of a transcript's change replaces: first and last base, and by what."""
    match = _CHANGE.fullmatch(name)
    assert match, name
    begin, end, old, new, kind, how, inserted = match.groups()
    # A replaced base of a CDS that begins within a codon is counted with the bases that are missing.
    is_padded = old and name[0] == "c" and begin.isdecimal()
    places = [
        _place(one, text, name[0] == "c", one.padding if is_padded else 0)
        for text in (begin, end or begin)
    ]
    low, high = sorted(places)
    assert places == ([low, high] if one.strand == "+" else [high, low]), name
    there = sequence[low - 1 : high]
    if old:
        assert one.oriented(there) == old, name
        return low, high, one.oriented(new)
    if kind:
        return low, high, {"del": "", "dup": there * 2, "inv": reverse_complement(there)}[kind]
    if how == "delins":
        return low, high, one.oriented(inserted)
    assert high == low + 1, name
    return low, high, there[0] + one.oriented(inserted) + there[1]


def _place(one: Spliced, text: str, is_coding: bool, missing: int) -> int:
    match = re.fullmatch(r"([-*]?)(\d+)([+-]\d+)?", text)
    assert match, text
    number = int(match[2])
    if not is_coding:
        index = number - 1
    elif match[1]:
        index = one.first - number if match[1] == "-" else one.last + number
    else:
        index = one.first + number - 1 - missing
    offset = int(match[3] or 0)
    return one.places[index] + (offset if one.strand == "+" else -offset)


def proteins_of(
    one: Spliced, edit: tuple[int, int, str], sequence: str, specials: list[int]
) -> tuple[str, str] | None:
    """Return the protein, and that of the changed transcript up to its stop; None where introns are changed."""
    low, high, new = edit
    indexes = sorted(one.index[place] for place in range(low, high + 1) if place in one.index)
    if len(indexes) != high - low + 1 or indexes[0] < one.first:
        return None
    bases = one.oriented("".join(sequence[place - 1] for place in sorted(one.places)))
    edited = bases[: indexes[0]] + one.oriented(new) + bases[indexes[-1] + 1 :]
    is_mt, padding = one.contig == "MT", "N" * one.padding
    old = _translated(padding + bases[one.first : one.last + 1], is_mt)
    changed = _translated(padding + edited[one.first :], is_mt)
    grows = len(edited) - len(bases)
    at = (indexes[0] - one.first + one.padding) // 3
    for special in specials:
        old = f"{old[: special - 1]}U{old[special:]}"
        there = special - 1 + (grows // 3 if special > at else 0)
        if (special <= at or grows % 3 == 0) and changed[there : there + 1] == "*":
            changed = f"{changed[:there]}U{changed[there + 1 :]}"
    return old, _up_to_stop(changed)


def _translated(bases: str, is_mt: bool) -> str:
    code = dict(zip(_CODONS, _CODES[is_mt], strict=True))
    return "".join(
        code.get(bases[at : at + 3], "X") for at in range(0, len(bases) - len(bases) % 3, 3)
    )


def _up_to_stop(residues: str) -> str:
    return residues.partition("*")[0] + "*" * ("*" in residues)


def describes(name: str, old: str, new: str) -> bool:
    """Tell whether a p. name makes the new protein of the old one; ``p.Met1?`` says nothing of it."""
    match = _PROTEIN.fullmatch(name)
    assert match, name
    begin, end, kind = int(match[2]), int(match[4] or match[2]), match[5]
    ends = [(match[1], begin), *([(match[3], end)] if match[3] else [])]
    if any(old[number - 1 : number] != _LETTER_OF[residue] for residue, number in ends):
        return False
    if kind == "?":
        return begin == 1
    if kind == "=":
        return _up_to_stop(old) == new
    counted = re.fullmatch(r"(...)(fs|ext)Ter(\d+|\?)", kind)
    if counted:
        first, how, count = counted.groups()
        stop = new.index("*") + 1 if "*" in new else None
        said = None if count == "?" else int(count) + end - (how == "fs")
        is_there = first == "del" or new[begin - 1 : begin] == _LETTER_OF[first]
        return is_there and new[: begin - 1] == old[: begin - 1] and stop == said
    front, within, behind = old[: begin - 1], old[begin - 1 : end], old[end:]
    inserted = "".join(_LETTER_OF[item] for item in re.findall("[A-Z]..", kind))
    if kind.startswith("ins"):
        made = front + within[0] + inserted + within[1:] + behind
    else:
        made = front + {"del": "", "dup": within * 2}.get(kind, inserted) + behind
    return _up_to_stop(made) == new or ("*" not in made and new.startswith(made))
