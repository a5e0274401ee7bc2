"""The tally of an annotation run, ``tally.json``, as a report reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ValidationError

from ensembl_annotations.annotate.tally import CUBE, STATES
from ensembl_annotations.common.errors import InputError


class Listed(BaseModel):
    """A variant with a pathogenic term, as the page lists it."""

    place: str
    change: str
    ids: list[str]
    terms: str
    frequency: str
    filter: str
    genotype: str


class Pathogenic(BaseModel):
    """ALTs with a pathogenic term: how many by genotype, and the first of them."""

    genotypes: dict[str, int]
    listed: list[Listed]
    num_filtered: int

    def of(self, state: str) -> int:
        """Return how many have this genotype, one of `STATES` or ``no genotype``."""
        return self.genotypes.get(state, 0)

    @property
    def num_alts(self) -> int:
        return sum(self.genotypes.values())

    @property
    def num_shown(self) -> int:
        """How many the top of the page counts: carried ones, or all where there are no genotypes."""
        return self.of("carried") + self.of("no genotype")

    @property
    def by_genotype(self) -> list[tuple[str, int]]:
        """The counts that are not 0."""
        return [(name, self.of(name)) for name in (*STATES, "no genotype") if self.of(name)]


class Tally(BaseModel):
    """What `annotate_vcf` counted; `tally_text` says what each part is."""

    vcf: str
    samples: list[str]
    contig_lengths: dict[str, int]
    metrics: dict[str, Any]
    provenance: dict[str, str]
    notes: list[str]
    cube: dict[str, list[Any]]
    frequencies: dict[str, int]
    terms: dict[str, int]
    other_terms: dict[str, int]
    certain: Pathogenic
    uncertain: Pathogenic

    @property
    def frame(self) -> pl.DataFrame:
        """The counts of ALTs, ``count``, by `CUBE`: contig, window, status, kind, transition or not."""
        return pl.DataFrame(
            self.cube,
            schema={
                "chrom": pl.String,
                "window": pl.Int64,
                "status": pl.Int32,
                "kind": pl.String,
                "transition": pl.Boolean,
                "count": pl.Int64,
            },
        ).select(*CUBE, "count")


def read_tally(path: Path) -> Tally:
    """Read a tally.

    Raises
    ------
    InputError
        Where it is none.
    """
    try:
        return Tally.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path}: not a tally: {where}: {first['msg']}.",
            hint="Give the tally.json that 'annotate --tally' wrote.",
        ) from error
