"""The ground of generated data: chromosomes, their bases, and tools for columns of text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from ensembl_annotations.variants.contigs import LENGTHS, MT_LENGTH

Array = np.ndarray[Any, np.dtype[Any]]

BATCH_RECORDS = 250_000
BP_PER_RECORD = 2.7
TELOMERE_BP = 10_000
# Changes start this far before the end of a tile, so that none reaches into the next one.
MARGIN_BP = 800

LETTERS = np.frombuffer(b"ACGT", np.uint8)
CODE = np.zeros(256, np.int64)
CODE[LETTERS] = range(4)
# Each base becomes another one; used where any difference will do.
CHANGED = np.arange(256, dtype=np.uint8)
CHANGED[LETTERS] = np.frombuffer(b"CGTA", np.uint8)
# 41 % of the human genome is G or C.
GENOME = np.frombuffer(b"A" * 59 + b"T" * 59 + b"C" * 41 + b"G" * 41, np.uint8)

_MIN_TILE_BP = 4_000
_LENGTHS = {**LENGTHS["GRCh38"], "MT": MT_LENGTH}


@dataclass(frozen=True)
class Chromosome:
    """What one chromosome of a generated release is made of.

    Attributes
    ----------
    name : str
    num_records : int
        Where `depth` is 1.
    seed : int
    depth : int
        How many times as many alleles are on the same bases; those of depth 1 are among them.
    """

    name: str
    num_records: int
    seed: int
    depth: int = 1

    @property
    def ordinal(self) -> int:
        return list(_LENGTHS).index(self.name)

    @property
    def num_batches(self) -> int:
        return max(1, -(-self.num_records // BATCH_RECORDS))

    def batch_records(self, batch: int) -> int:
        return min(BATCH_RECORDS, self.num_records - batch * BATCH_RECORDS)

    def tile_begin(self, batch: int) -> int:
        """Return where the batch's bases begin, 0-based; all tiles but the last have one size."""
        return TELOMERE_BP + batch * int(BATCH_RECORDS * BP_PER_RECORD)

    def tile_bp(self, batch: int) -> int:
        return max(_MIN_TILE_BP, int(self.batch_records(batch) * BP_PER_RECORD))

    @property
    def length_bp(self) -> int:
        """Return the real chromosome's length, or what the records need where that is more."""
        last = self.num_batches - 1
        needed = self.tile_begin(last) + self.tile_bp(last) + TELOMERE_BP
        return max(_LENGTHS[self.name], needed)

    def draw(self, batch: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.ordinal, batch, purpose])


@dataclass(frozen=True)
class Tile:
    """The bases under one batch of records, and the tandem repeats in them."""

    bases: Array
    repeat_begin: Array
    repeat_unit: Array


def make_tile(chromosome: Chromosome, batch: int) -> Tile:
    """Make the bases of a batch: random, with homopolymers and tandem repeats."""
    draw = chromosome.draw(batch, 0)
    size = chromosome.tile_bp(batch)
    bases = GENOME[draw.integers(0, len(GENOME), size, dtype=np.uint8)]
    begin = np.sort(draw.integers(1, size - MARGIN_BP, size // 130))
    begin = begin[np.diff(begin, prepend=-1000) > 90]
    unit = draw.choice(6, len(begin), p=[0.5, 0.25, 0.08, 0.1, 0.04, 0.03]) + 1
    span = np.minimum(unit * (2 + draw.geometric(0.25, len(begin))) + draw.integers(0, 3), 80)
    owner, step = spread(span)
    bases[begin[owner] + step] = bases[begin[owner] + step % unit[owner]]
    return Tile(bases, begin, unit)


def spread(length: Array) -> tuple[Array, Array]:
    """Return the index of its item, and the index within the item, of every letter."""
    owner = np.repeat(np.arange(len(length)), length)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
    return owner, step


def strings(letters: Array, length: Array) -> pl.Series:
    """Return strings of these lengths whose letters stand one after another."""
    offsets = np.zeros(len(length) + 1, np.int64)
    np.cumsum(length, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters))]
    array = pa.Array.from_buffers(pa.large_string(), len(length), buffers)
    return pl.Series(array, dtype=pl.String)


def slices(letters: Array, begin: Array, length: Array) -> pl.Series:
    owner, step = spread(length)
    return strings(letters[begin[owner] + step], length)


def pick(table: Sequence[str], codes: Array) -> pl.Series:
    return pl.Series(table, dtype=pl.String).gather(codes.astype(np.uint32))


def weighted(draw: np.random.Generator, weights: Sequence[float], count: int) -> Array:
    edges = np.cumsum(weights)
    return np.minimum(
        np.searchsorted(edges, draw.random(count) * edges[-1], side="right"), len(edges) - 1
    )


def tab_separated(columns: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    columns.write_csv(out, include_header=False, separator="\t", quote_style="never")
    return out.getvalue()
