"""Every spelling of a variant is found, and nothing that makes another haplotype.

Random variants in random, repeat-rich sequences are published and asked for in random spellings.
What the answer must be is told by an oracle of its own: the haplotype, the whole sequence with the
change in it, compared as text. An N is unknown: as a haplotype's base it equals only itself.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl
import pytest

from ensembl_annotations import annotate_vcf, fetch_ensembl, lookup
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.store import write as store
from ensembl_annotations.vcf.read import VcfReader
from tests.support.mirror import Row, write_mirror
from tests.support.results import COLUMNS, GRCH38

NUM_SPELLINGS = 100_000
NUM_ALONE = 250
CONTIGS = ("1", "2", "21", "X")
MIN_CONTIG_BP = 70_000

Key = tuple[str, int, str, str]
Matches = dict[int, str]
"""Class by rs number."""


@dataclass(frozen=True)
class Block:
    """A stretch of a contig between two unknown bases, or at an end of it.

    Attributes
    ----------
    begin : int
        0-based, in the contig.
    bases : str
        With a sign of its own for each N.
    """

    contig: str
    begin: int
    bases: str


@dataclass(frozen=True)
class Edit:
    """A change of a block: its bases from `begin` to `end` are replaced."""

    block: Block
    begin: int
    end: int
    inserted: str

    @property
    def haplotype(self) -> str:
        return self.block.bases[: self.begin] + self.inserted + self.block.bases[self.end :]


@dataclass(frozen=True)
class Spelling:
    """An edit as written, REF and ALT in upper case."""

    contig: str
    pos: int
    ref: str
    alt: str

    @cached_property
    def key(self) -> Key:
        pos, ref, alt = self.pos, self.ref, self.alt
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while ref and alt and ref[0] == alt[0]:
            pos, ref, alt = pos + 1, ref[1:], alt[1:]
        return self.contig, pos, ref, alt

    def agrees(self, other: Spelling) -> bool:
        """Tell whether the REFs are equal where they overlap; an N is not compared."""
        begin = max(self.pos, other.pos)
        one, two = self.ref[begin - self.pos :], other.ref[begin - other.pos :]
        # Most are equal, which takes no look at each base.
        return one.startswith(two) or two.startswith(one) or _differ_by_unknown(one, two)


@dataclass
class World:
    """Sequences, what is published, and what is asked."""

    draw: random.Random
    contigs: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    by_haplotype: dict[tuple[str, int, str], list[tuple[int, Spelling]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    by_key: dict[Key, list[tuple[int, Spelling]]] = field(default_factory=lambda: defaultdict(list))
    num_records: int = 0

    # --- Sequences

    def bases(self) -> str:
        """Return bases with many repeats, and now and then an unknown one."""
        draw, length = self.draw, self.draw.randint(60, 160)
        parts: list[str] = []
        while sum(map(len, parts)) < length:
            luck = draw.random()
            if luck < 0.55:
                size = draw.choice((1, 1, 1, 2, 2, 3, 4, 5, 7, 12, 25))
                parts.append(_some(draw, "ACGT", size) * draw.randint(2, 12 if size < 5 else 4))
            elif luck < 0.75:
                parts.append(_some(draw, "AC", draw.randint(4, 25)))
            elif luck < 0.95:
                parts.append(_some(draw, "ACGT", draw.randint(2, 20)))
            else:
                parts.append("N")
        return "".join(parts).strip("N")

    def blocks(self, contig: str) -> list[Block]:
        """Make a contig: blocks with N between them, none at its ends."""
        texts = [self.bases()]
        while sum(map(len, texts)) < MIN_CONTIG_BP:
            texts += ["N" * self.draw.choice((1, 1, 2, 30)), self.bases()]
        self.contigs[contig] = "".join(texts)
        found, begin = [], 0
        for text in texts:
            if text.strip("N"):
                signs = [chr(0x100 + at) if base == "N" else base for at, base in enumerate(text)]
                found.append(Block(contig, begin, "".join(signs)))
            begin += len(text)
        return found

    # --- Variants

    def edit(self, block: Block) -> Edit:
        """Draw a variant: an indel of the repeat, or anything else."""
        draw, bases = self.draw, block.bases
        at = draw.randrange(len(bases))
        size = draw.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 8, 12, 24))
        luck = draw.random()
        if draw.random() < 0.05:
            at = draw.choice((0, max(0, len(bases) - size)))
        if luck < 0.3:
            return Edit(block, at, min(len(bases), at + size), "")
        if luck < 0.6:
            copy = bases[at : at + size]
            inserted = copy if draw.random() < 0.7 and copy.isascii() else _some(draw, "ACGT", size)
            return Edit(block, at, at, inserted)
        size = 1 if luck < 0.75 else min(size, 5)
        end = min(len(bases), at + size)
        length = end - at if luck < 0.85 else draw.randint(1, 4)
        return Edit(block, at, end, _some(draw, "ACGT", length))

    def near_misses(self, edit: Edit) -> Iterator[Edit]:
        """Yield what looks like an indel slid in its repeat, and may be another haplotype."""
        draw, bases = self.draw, edit.block.bases
        places = placements(edit)
        first, last = places[0].begin, places[-1].begin
        unit = edit.inserted or bases[edit.begin : edit.end]
        change = len(unit)
        beyond = [at for at in (first - 1, last + 1) if 0 <= at <= len(bases)]
        somewhere = [draw.randint(max(0, first - 1), min(len(bases), last + 1)) for _ in range(2)]
        for at in beyond + somewhere:
            if edit.inserted:
                turn = (at - edit.begin) % change
                yield Edit(edit.block, at, at, unit[turn:] + unit[:turn])
                yield Edit(edit.block, at, at, unit)
                yield Edit(edit.block, at, at, unit[::-1])
                yield Edit(edit.block, at, at, unit + unit[:1])
            elif at + change <= len(bases):
                yield Edit(edit.block, at, at + change, "")
                if at + change < len(bases):
                    yield Edit(edit.block, at, at + change + 1, "")

    def spell(self, edits: list[Edit]) -> list[Spelling]:
        """Write edits of one block as the ALTs of one record, each somewhere in its repeat."""
        draw, begin = self.draw, edits[0].block.begin
        contig, text = edits[0].block.contig, self.contigs[edits[0].block.contig]
        chosen = [draw.choice(placements(edit)) for edit in edits]
        low = begin + min(edit.begin for edit in chosen)
        high = begin + max(edit.end for edit in chosen)
        most = draw.choice((0, 1, 1, 1, 3, 3, 12, 40))
        left, right = draw.randint(0, most), draw.randint(0, most)
        if not left and not right and any(_is_indel(edit) for edit in chosen):
            # Without a base beside it an indel has no spelling; at a contig's begin it is behind.
            left, right = (1, 0) if low else (0, 1)
        low, high = max(0, low - left), min(len(text), high + right)
        if not all(map(_keeps_unknown, chosen)):
            # Beside another N the text would not say which of the two goes.
            low, high = max(low, begin), min(high, begin + len(edits[0].block.bases))
        written = []
        for edit in chosen:
            before, after = text[low : begin + edit.begin], text[begin + edit.end : high]
            alt = before + edit.inserted + after
            written.append(Spelling(contig, low + 1, text[low:high], alt))
        if any(not item.ref or not item.alt for item in written):
            return self.spell(edits)
        return written

    def with_wrong_base(self, spelling: Spelling) -> Spelling | None:
        """Return a spelling with a base of its padding changed in REF and ALT; None without."""
        _, pos, deleted, _ = spelling.key
        before, behind = pos - spelling.pos, len(deleted)
        places = [
            at
            for at, base in enumerate(spelling.ref)
            if (at < before or at >= before + behind) and base != "N"
        ]
        if not places:
            return None
        at = self.draw.choice(places)
        other = self.draw.choice([base for base in "ACGT" if base != spelling.ref[at]])
        alt_at = at if at < before else at + len(spelling.alt) - len(spelling.ref)
        ref = spelling.ref[:at] + other + spelling.ref[at + 1 :]
        alt = spelling.alt[:alt_at] + other + spelling.alt[alt_at + 1 :]
        wrong = Spelling(spelling.contig, spelling.pos, ref, alt)
        return wrong if wrong.key == spelling.key else None

    # --- Records

    def publish(self, edits: list[Edit]) -> None:
        """Publish edits of a block as one record."""
        spellings = self.spell(edits)
        wrong = self.with_wrong_base(spellings[0]) if len(edits) == 1 else None
        is_wrong = wrong is not None and self.draw.random() < 0.03
        if is_wrong and wrong is not None:
            spellings = [wrong]
        self.num_records += 1
        first = spellings[0]
        alts = ",".join(self.cased(item.alt) for item in spellings)
        row = (first.pos, f"rs{self.num_records}", self.cased(first.ref), alts, "dbSNP_156")
        self.rows[first.contig].append(row)
        for edit, spelling in zip(edits, spellings, strict=True):
            self.by_key[spelling.key].append((self.num_records, spelling))
            if not is_wrong:
                place = (edit.block.contig, edit.block.begin, edit.haplotype)
                self.by_haplotype[place].append((self.num_records, spelling))

    def cased(self, text: str) -> str:
        return text.lower() if self.draw.random() < 0.05 else text

    # --- The oracle

    def exact(self, spelling: Spelling) -> Matches:
        """Return what has the same key, and no REF that says otherwise."""
        return {rs: "exact" for rs, other in self.by_key[spelling.key] if spelling.agrees(other)}

    def both(self, edit: Edit, spelling: Spelling) -> tuple[Matches, Matches]:
        """Return what makes the same haplotype, and by the key how it is written; and what is `exact`."""
        place = (edit.block.contig, edit.block.begin, edit.haplotype)
        same = {
            rs: "exact" if other.key == spelling.key else "shifted"
            for rs, other in self.by_haplotype[place]
        }
        exact = self.exact(spelling)
        return same | exact, exact


def _some(draw: random.Random, letters: str, count: int) -> str:
    return "".join(draw.choices(letters, k=count))


def _differ_by_unknown(one: str, two: str) -> bool:
    return all(base == other or "N" in (base, other) for base, other in zip(one, two, strict=False))


def _keeps_unknown(edit: Edit) -> bool:
    return edit.block.bases[edit.begin : edit.end].isascii()


def _is_clear(edit: Edit) -> bool:
    """Tell whether the text says which bases go: not where one N of several does."""
    return _keeps_unknown(edit) or sum(not sign.isascii() for sign in edit.block.bases) == 1


def _is_indel(edit: Edit) -> bool:
    return edit.begin == edit.end or not edit.inserted


_PLACEMENTS: dict[Edit, list[Edit]] = {}


def placements(edit: Edit) -> list[Edit]:
    """Return every insertion or deletion that makes the haplotype; of others only itself."""
    if edit not in _PLACEMENTS:
        _PLACEMENTS[edit] = _placements(edit)
    return _PLACEMENTS[edit]


def _placements(edit: Edit) -> list[Edit]:
    if not _is_indel(edit):
        return [edit]
    bases, haplotype = edit.block.bases, edit.haplotype
    added, removed = len(edit.inserted), edit.end - edit.begin
    # The change stands where all before it is equal, and all behind it.
    most = _num_equal(bases, haplotype)
    least = len(bases) - removed - _num_equal(bases[::-1], haplotype[::-1])
    return [
        Edit(edit.block, at, at + removed, haplotype[at : at + added])
        for at in range(max(0, least), min(most, len(bases) - removed) + 1)
    ]


def _num_equal(one: str, two: str) -> int:
    """Return how many bases are equal before the first that differs."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((at for at, (base, other) in pairs if base != other), min(len(one), len(two)))


@dataclass
class Asked:
    """A query VCF and its answers, one per ALT: with and without the sequence."""

    lines: list[tuple[str, int, str]] = field(default_factory=list)
    answers: dict[str, tuple[list[Matches], list[Matches]]] = field(default_factory=dict)
    answers_of_key: dict[str, tuple[Matches, Matches]] = field(default_factory=dict)
    """By ``ens_key``, of alleles whose REF is right; bases beside it are not told by a key."""
    num_spellings: int = 0
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def make_world(seed: int) -> tuple[World, Asked]:
    """Draw sequences, publish variants, and spell what is asked until there is enough."""
    _PLACEMENTS.clear()
    world = World(random.Random(seed))
    draw = world.draw
    sets = []
    for contig in CONTIGS:
        for block in world.blocks(contig):
            drawn = filter(_is_clear, (world.edit(block) for _ in range(9)))
            distinct = {edit.haplotype: edit for edit in drawn}
            distinct.pop(block.bases, None)
            edits = list(distinct.values())
            draw.shuffle(edits)
            known = edits[: draw.randint(0, len(edits))]
            for edit in known:
                for _ in range(draw.choice((1, 1, 1, 1, 2, 3))):
                    others = draw.sample(known, min(len(known), draw.choice((1, 1, 1, 2, 3))))
                    world.publish([edit, *(item for item in others if item is not edit)])
            misses = [
                miss
                for edit in known
                if _is_indel(edit)
                for miss in world.near_misses(edit)
                if miss.haplotype not in (block.bases, *distinct) and _is_clear(miss)
            ]
            sets.append((known, edits, misses))
    asked = Asked()
    while asked.num_spellings < NUM_SPELLINGS:
        for known, edits, misses in sets:
            for edit in edits:
                _ask(world, asked, [edit])
            if len(edits) > 1:
                _ask(world, asked, draw.sample(edits, draw.randint(2, min(4, len(edits)))))
            if known:
                _ask(world, asked, [draw.choice(known)], wrong=True)
            for miss in draw.sample(misses, min(3, len(misses))):
                _ask(world, asked, [miss])
    return world, asked


def _ask(world: World, asked: Asked, edits: list[Edit], *, wrong: bool = False) -> None:
    spellings = world.spell(edits)
    if wrong:
        changed = world.with_wrong_base(spellings[0])
        if changed is None:
            return
        spellings = [changed]
    pairs = list(zip(edits, spellings, strict=True))
    answers = [({}, world.exact(item)) if wrong else world.both(edit, item) for edit, item in pairs]
    with_sequence, without = map(list, zip(*answers, strict=True))
    if not wrong:
        for edit, item in pairs:
            name = "-".join(map(str, item.key))
            if name not in asked.answers_of_key:
                asked.answers_of_key[name] = world.both(edit, Spelling(*item.key))
    alts = [world.cased(item.alt) for item in spellings]
    if world.draw.random() < 0.05:
        alts.append(world.draw.choice(("*", "<NON_REF>", "<DEL>", "<*>")))
        with_sequence.append({})
        without.append({})
    first = spellings[0]
    name = f"q{len(asked.lines)}"
    chrom = world.draw.choice(("", "chr")) + first.contig
    line = f"{chrom}\t{first.pos}\t{name}\t{world.cased(first.ref)}\t{','.join(alts)}\t.\t.\t."
    asked.lines.append((first.contig, first.pos, line))
    asked.answers[name] = (with_sequence, without)
    asked.num_spellings += len(edits)
    for matches in with_sequence:
        asked.counts["wrong REF" if wrong else "_".join(sorted(set(matches.values())))] += 1


@pytest.fixture(scope="module")
def asked(random_seed: int, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Asked]:
    """Build both stores of a random world, and the VCF to annotate."""
    base = tmp_path_factory.mktemp("spellings")
    print(f"spellings: seed {random_seed} (SEED={random_seed} repeats it)")
    world, made = make_world(random_seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        write_mirror(base / "mirror", world.rows, world.contigs)
        names, mirrors = list(CONTIGS), [str(base / "mirror")]
        fetch_ensembl(
            base / "without",
            mirrors=mirrors,
            release=116,
            chromosomes=names,
            fasta=False,
            genes=False,
        )
        # Many row groups: an indel and what it can be slid to often lie in two of them, and a
        # long REF in three.
        patch.setattr(pieces, "PIECE_BYTES", 16_000)
        patch.setattr(store, "ROW_GROUP_ROWS", 40)
        patch.setattr(store, "PAGE_ROWS", 7)
        fetch_ensembl(base / "with", mirrors=mirrors, release=116, chromosomes=names, fasta=True)
    return base, made


def test_every_spelling_is_found_and_nothing_else(
    random_seed: int, asked: tuple[Path, Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = asked
    assert made.num_spellings >= NUM_SPELLINGS
    print(f"{made.num_spellings} spellings: {dict(made.counts)}")
    assert all(made.counts[name] > 1000 for name in ("", "exact", "shifted", "wrong REF"))
    with_sequence = {name: both[0] for name, both in made.answers.items()}
    without = {name: both[1] for name, both in made.answers.items()}
    lines = [line for _, _, line in sorted(made.lines, key=lambda item: item[:2])]
    _check(folder, "without", lines, without, random_seed)
    _check(folder, "with", lines, with_sequence, random_seed)
    # A line a batch: no row group that a query can be slid into is read for another one.
    monkeypatch.setattr(VcfReader, "batch_bytes", 1)
    some = [line for line in lines if "shifted" in with_sequence[_name(line)][0].values()]
    some = random.Random(random_seed).sample(some, NUM_ALONE)
    alone = {_name(line): with_sequence[_name(line)] for line in some}
    _check(folder, "with", some, alone, random_seed)


@pytest.mark.parametrize("store", ["with", "without"])
def test_what_the_table_has_as_key_is_looked_up_as_its_allele(
    store: str, random_seed: int, asked: tuple[Path, Asked]
) -> None:
    folder, made = asked
    _write(
        folder,
        [line for _, _, line in sorted(random.Random(random_seed).sample(made.lines, 9_000))],
    )
    annotate_vcf(folder / "in.vcf", folder / store, out_parquet=folder / "out.parquet")
    printed = set(pl.read_parquet(folder / "out.parquet")["ens_key"].drop_nulls())
    keys = sorted(printed & made.answers_of_key.keys())
    expected = {
        (key, f"rs{rs}", kind)
        for key in keys
        for rs, kind in made.answers_of_key[key][store == "without"].items()
    }
    assert sum(key.endswith("-") for key in keys) > 500 < sum("--" in key for key in keys)
    found = lookup(keys, folder / store).select("query", "id", "match")
    assert found["query"].unique(maintain_order=True).to_list() == keys
    different = expected ^ set(found.drop_nulls().rows())
    assert not different, (
        f"seed {random_seed}: {len(different)} differ, such as {sorted(different)[:5]}"
    )


def _write(folder: Path, lines: list[str]) -> None:
    (folder / "in.vcf").write_text("\n".join([*GRCH38, COLUMNS, *lines, ""]))


def _name(line: str) -> str:
    return line.split("\t")[2]


def _check(
    folder: Path, store: str, lines: list[str], answers: dict[str, list[Matches]], seed: int
) -> None:
    _write(folder, lines)
    metrics = annotate_vcf(
        folder / "in.vcf",
        folder / store,
        out_vcf=folder / "out.vcf.gz",
        out_parquet=folder / "out.parquet",
    )
    found = pl.read_parquet(
        folder / "out.parquet",
        columns=["id", "alt_index", "chrom", "pos", "ref", "alt", "ens_id", "ens_match"],
    )
    differing = []
    for name, index, *written, ids, classes in found.iter_rows():
        answer = answers[name][index]
        expected = [(f"rs{rs}", answer[rs]) for rs in sorted(answer)]
        if list(zip(ids or [], classes or [], strict=True)) != expected:
            differing.append((written, ids, classes, expected))
    assert not differing, f"seed {seed}: {len(differing)} differ, such as {differing[:5]}"
    every = [matches for item in answers.values() for matches in item]
    assert len(found) == len(every)
    exact = sum("exact" in matches.values() for matches in every)
    assert metrics["num_exact"] == exact
    assert metrics["num_shifted"] == sum(map(bool, every)) - exact
