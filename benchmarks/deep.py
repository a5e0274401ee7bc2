"""A release that has grown: more alleles on the same bases.

All that depth 1 has stays, with its IDs. As in dbSNP, a position has one record of SNVs: it gains ALTs, up to
three, and positions without one get one. Other kinds gain alleles that are not there yet. What is missing then
are more names, of other sources mostly, for alleles that dbSNP has: few as long as bases have room for SNVs; at
depth 10, where none has, a sixth of the alleles has several.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from genome import BATCH_RECORDS, CODE, Chromosome, Tile, pick
from records import (
    DBSNP,
    OTHERS,
    draw_kinds,
    make_alleles,
    make_others,
    make_records,
    make_rs,
    name_again,
)

_ALLELE = ["at", "ref", "alt"]
_BASES = "ACGT"
# The ALT column for each set of bases, as a number of which each base is a bit.
_ALTS = [
    ",".join(base for bit, base in enumerate(_BASES) if bases >> bit & 1) for bases in range(16)
]
# By REF: the base that a transition makes of it, which is four times as frequent as either of the others.
_TRANSITION = np.array([2, 3, 0, 1])
_TRANSITION_RATE = 4


def make_deep_records(chromosome: Chromosome, batch: int, tile: Tile) -> pl.DataFrame:
    """Make a batch of records of the chromosome's depth, as `make_records` does those of depth 1."""
    records = make_records(chromosome, batch, tile)
    if chromosome.depth == 1:
        return records
    draw = chromosome.draw(batch, 3)
    # dbSNP's own record of a position comes before those that name its alleles again.
    is_site = pl.col("snv") & pl.col("at").is_first_distinct().over("snv")
    sites, rest = records.filter(is_site), records.filter(~is_site)
    alts = _more_snvs(draw, tile, sites, chromosome.depth * num_alleles(sites))
    grown = sites.drop("alt").join(alts, on="at", maintain_order="left").select(records.columns)
    num_others = int(OTHERS * chromosome.batch_records(batch)) * (chromosome.depth - 1)
    new_sites = alts.join(sites, on="at", how="anti", maintain_order="left")
    added = pl.concat([_make_sites(tile, new_sites), _more_others(draw, tile, rest, num_others)])
    # No batch makes as many records: one has an allele at least.
    first = (chromosome.num_batches + 2 * chromosome.depth * batch) * BATCH_RECORDS
    added = added.with_columns(
        source=pl.lit(DBSNP),
        id=make_rs(chromosome, first + draw.permutation(len(added))),
        usable=pl.lit(True),
    )
    known = pl.concat([grown, rest.filter("usable", pl.col("source") == DBSNP), added])
    missing = chromosome.depth * num_alleles(records) - num_alleles(pl.concat([grown, rest, added]))
    chosen = known[draw.integers(0, len(known), max(0, missing))]
    rs = make_rs(chromosome, first + len(added) + np.arange(len(chosen)))
    again = name_again(draw, chosen, rs)
    again = again.filter(_alts_each().cum_sum() <= missing)
    return pl.concat([grown, rest, added, again]).sort("at", maintain_order=True)


def _alts_each() -> pl.Expr:
    return pl.col("alt").str.count_matches(",", literal=True).cast(pl.Int64) + 1


def num_alleles(records: pl.DataFrame) -> int:
    """Return the number of ALTs, of which each is a row of a store."""
    return int(records.select(_alts_each().sum()).item())


def _more_snvs(
    draw: np.random.Generator, tile: Tile, sites: pl.DataFrame, wanted: int
) -> pl.DataFrame:
    """Return `at` and `alt` of all SNVs: those of `sites`, and others up to as many ALTs as wanted."""
    ref = CODE[tile.bases]
    every = np.arange(len(ref))
    # When an ALT is first seen: that of a transition sooner, and REF never.
    seen = draw.exponential(size=(len(ref), len(_BASES)))
    seen[every, _TRANSITION[ref]] /= _TRANSITION_RATE
    for code, base in enumerate(_BASES):
        seen[
            sites.filter(pl.col("alt").str.contains(base, literal=True))["at"].to_numpy(), code
        ] = 0
    seen[every, ref] = np.inf
    wanted = min(wanted, 3 * len(ref))
    is_there = seen <= np.partition(seen, wanted - 1, axis=None)[wanted - 1]
    bases = is_there @ (1 << np.arange(len(_BASES)))
    at = np.flatnonzero(bases)
    return pl.DataFrame({"at": at, "alt": pick(_ALTS, bases[at])})


def _make_sites(tile: Tile, alts: pl.DataFrame) -> pl.DataFrame:
    at = alts["at"].to_numpy()
    ref = pick(list(_BASES), CODE[tile.bases[at]])
    return make_alleles(at, ref, alts["alt"], "SNV", alts["alt"].str.slice(0, 1), ref)


def _more_others(
    draw: np.random.Generator, tile: Tile, there: pl.DataFrame, count: int
) -> pl.DataFrame:
    """Make `count` records of the other kinds, and return those that are not there yet, each once."""
    others = pl.concat(make_others(draw, tile, draw_kinds(draw, count)))
    others = others.unique(_ALLELE, keep="first", maintain_order=True)
    return others.join(there, on=_ALLELE, how="anti", maintain_order="left")
