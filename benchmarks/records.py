"""Published records: alleles as Ensembl writes them, and their IDs."""

from __future__ import annotations

import numpy as np
import polars as pl
from genome import (
    BATCH_RECORDS,
    CHANGED,
    CODE,
    GENOME,
    MARGIN_BP,
    Array,
    Chromosome,
    Tile,
    pick,
    slices,
    spread,
    strings,
    weighted,
)

DBSNP = "dbSNP_156"
OTHERS = 0.105
"""How many of dbSNP's records are no SNVs."""

_MAX_ROLL = 100
# rs numbers: a fixed shuffle of all numbers up to more than an int32 holds.
_RS_RANGE = 2_200_000_013
_RS_STEP = 1_364_030_587
_RS_PER_CHROMOSOME = 88_000_000


def _alt_table() -> list[str]:
    """Return the seven ALT columns of an SNV for each REF, in Ensembl's alphabetical order."""
    table = []
    for ref in "ACGT":
        transition = {"A": "G", "G": "A", "C": "T", "T": "C"}[ref]
        one, two = (letter for letter in "ACGT" if letter not in (ref, transition))
        sets = [transition, one, two, transition + one, transition + two, one + two]
        table += [",".join(sorted(letters)) for letters in [*sets, transition + one + two]]
    return table


_SNV_ALTS = _alt_table()
_SNV_WEIGHTS = [0.875 * 0.67, 0.875 * 0.165, 0.875 * 0.165, 0.04, 0.04, 0.02, 0.025]


def make_snvs(draw: np.random.Generator, tile: Tile, count: int) -> pl.DataFrame:
    """Make SNVs, at most one record per position, an eighth of them multi-allelic.

    Returns
    -------
    DataFrame
        ``at`` (0-based in the tile), ``ref, alt, tsa``, ``minor`` (an ALT as MA names it),
        ``ancestral``; like all the functions that make alleles.
    """
    at = draw.permutation(len(tile.bases))[:count]
    ref = CODE[tile.bases[at]]
    alts = weighted(draw, _SNV_WEIGHTS, count)
    alt = pick(_SNV_ALTS, ref * len(_SNV_WEIGHTS) + alts)
    first = pick([text[0] for text in _SNV_ALTS], ref * len(_SNV_WEIGHTS) + alts)
    refs = pick(list("ACGT"), ref)
    derived = pl.Series(draw.random(count) < 0.06)
    return make_alleles(at, refs, alt, "SNV", first, first.zip_with(derived, refs))


def make_alleles(
    at: Array,
    ref: pl.Series,
    alt: pl.Series,
    tsa: str | pl.Series,
    minor: pl.Series,
    ancestral: pl.Series,
) -> pl.DataFrame:
    columns = {"at": at.astype(np.int64), "ref": ref, "alt": alt}
    return pl.DataFrame(columns).with_columns(
        tsa=pl.lit(tsa), minor=minor, ancestral=ancestral, snv=pl.lit(isinstance(tsa, str) and tsa == "SNV")
    )  # fmt: skip


def _roll(bases: Array, at: Array, units: Array, begin: Array, length: Array, way: int) -> Array:
    """Return by how many bases a change can be moved to the left (-1) or right (1).

    `at` is the base right of where the unit stands (for -1 of where it begins).
    """
    moved = np.zeros(len(at), np.int64)
    active = np.arange(len(at))
    for step in range(_MAX_ROLL):
        place = at[active] + (step if way > 0 else -1 - step)
        inside = (place > 0) & (place < len(bases) - 1)
        active, place = active[inside], place[inside]
        turn = (step if way > 0 else -1 - step) % length[active]
        active = active[bases[place] == units[begin[active] + turn]]
        if not len(active):
            break
        moved[active] += 1
    return moved


def make_indels(
    draw: np.random.Generator, tile: Tile, count: int, *, deletion: bool
) -> pl.DataFrame:
    """Make deletions or insertions, written like Ensembl's.

    Notes
    -----
    dbSNP gives the alleles of an indel that can be moved over the whole stretch over which it can,
    and Ensembl trims them from the right: such a record begins at the stretch's first base and has
    no anchor (``CGC C`` with the ancestral allele ``CGCGCGCGC``). Any other is anchored at the
    base before. One in ten of the movable ones is anchored wherever it was found.
    """
    bases = tile.bases
    at = draw.integers(2, len(bases) - MARGIN_BP, count)
    length = np.minimum(draw.geometric(0.28, count), 60)
    length = np.where(draw.random(count) < 0.004, draw.integers(60, 600, count), length)
    # Half of the insertions duplicate what follows them.
    pool = GENOME[draw.integers(0, len(GENOME), 1 << 16, dtype=np.uint8)]
    units = np.concatenate([bases, pool])
    unrelated = (draw.random(count) < 0.5) & (not deletion)
    begin = np.where(unrelated, len(bases) + draw.integers(0, len(pool) - 600, count), at)
    gap = length if deletion else np.zeros(count, np.int64)
    left = _roll(bases, at, units, begin, length, -1)
    right = _roll(bases, at + gap, units, begin, length, 1)
    whole = (left + right > 0) & (draw.random(count) < 0.9)
    first = at - np.where(whole, left, 0)
    lead = np.where(whole, first, first - 1)

    several = (draw.random(count) < 0.15) & (length > 1)
    shorter = 1 + (draw.random(count) * (length - 1)).astype(np.int64)
    short = slices(bases, lead, np.ones(count, np.int64))
    if deletion:
        ref, alt = slices(bases, lead, length + 1), short
        more = slices(bases, lead, shorter + 1)
        alts = alt.zip_with(pl.Series(~several), alt + "," + more)
    else:
        owner, step = spread(length + 1)
        turn = np.where(whole, left - 1, 0)
        inserted = units[begin[owner] + (step - 1 - turn[owner]) % length[owner]]
        letters = np.where(step == 0, bases[lead[owner]], inserted)
        ref, alt = short, strings(letters, length + 1)
        less = alt.to_frame("alt").select(pl.col("alt").str.slice(0, pl.Series(shorter + 1)))
        alts = alt.zip_with(pl.Series(~several), less.to_series() + "," + alt)
    kind = "deletion" if deletion else "insertion"
    tsa = pick([kind, "indel"], (whole | several).astype(np.int64))
    unanchored = alt.to_frame("alt").select(pl.col("alt").str.slice(1).replace("", "-"))
    stretch = slices(bases, first, np.where(whole, left + right + gap, gap))
    stretch = stretch.replace("", "-")
    minor = alt.zip_with(pl.Series(whole), unanchored.to_series())
    return make_alleles(lead, ref, alts, tsa, minor, stretch)


def make_repeats(draw: np.random.Generator, tile: Tile, count: int) -> pl.DataFrame:
    """Make multi-allelic tandem repeats: a copy less, a copy more, sometimes two more."""
    chosen = draw.integers(0, len(tile.repeat_begin), count)
    at, unit = tile.repeat_begin[chosen], tile.repeat_unit[chosen]
    first = slices(tile.bases, at, np.ones(count, np.int64))
    copy = slices(tile.bases, at + 1, unit)
    more = first + copy + copy
    long = pl.Series(draw.random(count) < 0.3)
    alts = first + "," + more
    alts = (alts + "," + more + copy).zip_with(long, alts)
    tsa = pick(["tandem_repeat"], np.zeros(count))
    return make_alleles(at, first + copy, alts, tsa, first, first + copy)


def make_substitutions(draw: np.random.Generator, tile: Tile, count: int) -> pl.DataFrame:
    """Make changes of two or three bases into as many others, or into a single one."""
    at = draw.integers(2, len(tile.bases) - MARGIN_BP, count)
    length = draw.integers(2, 4, count)
    single = draw.random(count) < 0.3
    owner, step = spread(length)
    ref = tile.bases[at[owner] + step]
    same_size = strings(CHANGED[ref], length)
    # Any base that is neither the first nor the last of REF: nothing can be trimmed.
    ends = np.stack([CODE[tile.bases[at]], CODE[tile.bases[at + length - 1]]])
    free = np.zeros(count, np.int64)
    for code in range(4):
        free = np.where((ends != code).all(axis=0), code, free)
    alt = pick(list("ACGT"), free).zip_with(pl.Series(single), same_size)
    refs = strings(ref, length)
    tsa = pick(["substitution", "indel"], single.astype(np.int64))
    return make_alleles(at, refs, alt, tsa, alt, refs)


def draw_kinds(draw: np.random.Generator, count: int) -> list[int]:
    """Draw how many of `count` records are deletions, insertions, repeats and substitutions."""
    return np.bincount(weighted(draw, [0.5, 0.4, 0.07, 0.03], count), minlength=4).tolist()


def make_others(draw: np.random.Generator, tile: Tile, kinds: list[int]) -> list[pl.DataFrame]:
    """Make the records that are no SNVs, so many of each kind."""
    return [
        make_indels(draw, tile, kinds[0], deletion=True),
        make_indels(draw, tile, kinds[1], deletion=False),
        make_repeats(draw, tile, kinds[2]),
        make_substitutions(draw, tile, kinds[3]),
    ]


def make_rs(chromosome: Chromosome, order: Array) -> pl.Series:
    """Make the IDs of the records that have these numbers on their chromosome."""
    order = chromosome.ordinal * _RS_PER_CHROMOSOME + order
    number = 1_000_000 + order.astype(np.uint64) * np.uint64(_RS_STEP) % np.uint64(_RS_RANGE)
    return pl.select("rs" + pl.lit(pl.Series(number)).cast(pl.String)).to_series()


def make_records(chromosome: Chromosome, batch: int, tile: Tile) -> pl.DataFrame:
    """Make one batch of the records of depth 1, in order of position.

    Returns
    -------
    DataFrame
        ``at`` (0-based in the tile), ``ref, alt, tsa, minor, ancestral, snv``, ``source`` (a key
        of the header), ``id``, ``usable`` (whether REF and ALT are alleles).
    """
    draw = chromosome.draw(batch, 1)
    count = chromosome.batch_records(batch)
    num_copies = int(0.008 * count)
    num_main = count - num_copies
    num_other = int(OTHERS * num_main)
    kinds = draw_kinds(draw, num_other)
    records = pl.concat(
        [make_snvs(draw, tile, num_main - num_other), *make_others(draw, tile, kinds)]
    )
    rs = make_rs(chromosome, batch * BATCH_RECORDS + draw.permutation(count))
    records = records.with_columns(source=pl.lit(DBSNP), id=rs[:num_main], usable=pl.lit(True))
    if num_copies:
        copies = records[draw.integers(0, num_main, num_copies)]
        records = pl.concat([records, name_again(draw, copies, rs[num_main:])])
    return records.sort("at", maintain_order=True)


_CURATED = ("COSMIC_102", "HGMD-PUBLIC_20204", "ClinVar_202509", DBSNP)
# What stands in REF and ALT where a source does not give alleles; R stands for the record's REF.
_NO_ALLELES = (("N", "."), ("R", "."), ("R", "N"), ("R", "<.>"), ("R", "A."), ("R", "Y"))


def name_again(draw: np.random.Generator, records: pl.DataFrame, rs: pl.Series) -> pl.DataFrame:
    """Name alleles a second time, as COSMIC or HGMD do; half of them without usable alleles."""
    count = len(records)
    source = weighted(draw, [0.6, 0.3, 0.02, 0.08], count)
    number = pl.Series(draw.integers(100_000, 99_999_999, count)).cast(pl.String)
    prefix = pick(["COSV", "CM", "RCV00", "rs"], source)
    names = (prefix + number).zip_with(pl.Series(source < 3), rs)
    blind = (draw.random(count) < 0.5) & (source < 2)
    form = draw.integers(0, len(_NO_ALLELES), count)
    first = pl.col("ref").str.slice(0, 1)
    records = records.with_columns(
        source=pick(_CURATED, source),
        id=names,
        usable=pl.Series(~blind),
        new_ref=pick([ref for ref, _ in _NO_ALLELES], form),
        new_alt=pick([alt for _, alt in _NO_ALLELES], form),
    )
    lost = ~pl.col("usable")
    return records.with_columns(
        ref=pl.when(lost & (pl.col("new_ref") == "N"))
        .then(pl.lit("N"))
        .when(lost)
        .then(first)
        .otherwise("ref"),
        alt=pl.when(lost).then("new_alt").otherwise("alt"),
        tsa=pl.when(lost).then(pl.lit("sequence_alteration")).otherwise("tsa"),
        snv=pl.col("snv") & ~lost,
    ).drop("new_ref", "new_alt")
