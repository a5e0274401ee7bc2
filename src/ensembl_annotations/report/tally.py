"""The tally of an annotation run, ``tally.json``, as a report reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ValidationError, field_validator

from ensembl_annotations.annotate.tally import CUBE, STATES
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.common.json_files import parse_object
from ensembl_annotations.variants.outcomes import REASONS

_COUNTS = ("records", "alleles", "compared", "exact", "shifted", "par", "id_conflicts", *REASONS)
_METRICS = {"release", "assembly", "annotated_percent", *(f"num_{name}" for name in _COUNTS)}
_ROW = {"sample", "num_known", "transitions", "transversions", "annotated_percent"}
_ROW |= {f"num_{name}" for name in _COUNTS}
_PROVENANCE = {
    *(
        "Release",
        "Source",
        "Species",
        "Assembly",
        "Chromosomes",
        "ReferenceSHA256",
        "Match",
        "Engine",
    ),
}
_CUBE = {
    "chrom": pl.String,
    "window": pl.Int64,
    "status": pl.Int32,
    "kind": pl.String,
    "transition": pl.Boolean,
    "count": pl.Int64,
}


class Listed(BaseModel):
    """A variant with a pathogenic term, as the page lists it."""

    place: str
    change: str
    ids: list[str]
    terms: str
    frequency: str
    filter: str
    genotype: str
    gene: str = ""
    hgvs: str = ""
    impact: str = ""


class Pathogenic(BaseModel):
    """ALTs with a pathogenic term: how many by genotype, and the list of them, carried ones first."""

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


class Gene(BaseModel):
    """A gene: how many ALTs have their most severe consequence in it, of high and of moderate impact."""

    gene: str
    symbol: str
    high: int
    moderate: int


class Consequences(BaseModel):
    """What ALTs do to genes: ALTs by their most severe term, the first of `num_genes` genes, and where none is known."""

    terms: dict[str, int]
    genes: list[Gene]
    num_genes: int
    unknown_on: list[str]


class Tally(BaseModel):
    """What `annotate_vcf` counted; `tally_text` says what each part is."""

    vcf: str
    samples: list[str]
    contig_lengths: dict[str, int]
    metrics: dict[str, Any]
    release_date: str | None
    provenance: dict[str, str]
    notes: list[str]
    cube: dict[str, list[Any]]
    frequencies: dict[str, int]
    terms: dict[str, int]
    other_terms: dict[str, int]
    certain: Pathogenic
    uncertain: Pathogenic
    consequences: Consequences | None = None

    @field_validator("metrics")
    @classmethod
    def _has_metrics(cls, metrics: dict[str, Any]) -> dict[str, Any]:
        return _with_all(_METRICS, metrics)

    @field_validator("provenance")
    @classmethod
    def _has_provenance(cls, provenance: dict[str, str]) -> dict[str, str]:
        return _with_all(_PROVENANCE, provenance)

    @field_validator("cube")
    @classmethod
    def _is_table(cls, cube: dict[str, list[Any]]) -> dict[str, list[Any]]:
        try:
            pl.DataFrame(_with_all(set(_CUBE), cube), schema=_CUBE)
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise ValueError(f"no table of counts: {error}") from error
        return cube

    @property
    def frame(self) -> pl.DataFrame:
        """The counts of ALTs, ``count``, by `CUBE`: contig, window, status, kind, transition or not."""
        return pl.DataFrame(self.cube, schema=_CUBE).select(*CUBE, "count")


class FailedSample(BaseModel):
    """A sample of an entry whose VCF can't be used."""

    sample: str
    line: int | None
    message: str
    hint: str


class EntryTally(BaseModel):
    """What is told of all samples of an entry; `entry_tally` says what each part is."""

    release: int
    release_date: str | None
    assembly: str
    source: str
    reference_sha256: str
    options: dict[str, Any]
    samples: list[dict[str, Any]]
    failures: list[FailedSample]
    contigs: dict[str, tuple[int, int, int]]
    frequencies: dict[str, int]

    @field_validator("samples")
    @classmethod
    def _has_counts(cls, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [_with_all(_ROW, row) for row in samples]


def _with_all(names: set[str], found: dict[str, Any]) -> dict[str, Any]:
    if missing := sorted(names - found.keys()):
        raise ValueError(f"without {', '.join(missing)}")
    return found


def read_tally(path: Path) -> Tally | EntryTally:
    """Read the tally of a run, or that of an entry of many VCFs or of one that can't be used.

    Raises
    ------
    InputError
        Where it is none.
    """
    content = path.read_bytes()
    kind = EntryTally if "failures" in parse_object(content) else Tally
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path}: not a tally: {where}: {first['msg']}.",
            hint="Give the tally.json that 'annotate --tally' wrote.",
        ) from error
