"""On which contig of the reference, and where, each ALT is looked up.

A *contig* is named as Ensembl does (``21``, ``MT``), whatever the VCF calls it. What lies in a
pseudo-autosomal region (PAR) of Y is the same sequence as on X: it is looked up on both, since
only releases from 110 on have variants on both. `annotate` and ``compare --sample`` ask here,
and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from ensembl_annotations.common.words import listed
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.contigs import (
    HUMAN,
    MT_LENGTH,
    PAR,
    ParRegion,
    assembly_of_accession,
    contig_aliases,
    resolve_contig,
)


@dataclass
class Contigs:
    """What each CHROM of the input is in the reference.

    Attributes
    ----------
    store : ReferenceStore
    lengths : mapping of str to int or None
        Of the contigs that the input declares.
    requested : set of str, optional
        Only these are to be looked up.
    unresolved : dict of str to str
        Contigs met that are not looked up, and why.
    par_alone : dict of str to str
        Names of Y met whose pseudo-autosomal regions are looked up on one contig only: which.
    """

    store: ReferenceStore
    lengths: Mapping[str, int | None]
    requested: frozenset[str] | None = None
    unresolved: dict[str, str] = field(default_factory=dict)
    par_alone: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._aliases = contig_aliases(self.store.species, self.store.assembly)
        self._available = frozenset(self.store.chromosomes)
        self._par = par_of(self.store)

    def table(self, names: pl.Series) -> pl.DataFrame:
        """Return ``chrom, contig, contig_reason`` for the distinct names of a batch."""
        distinct = names.unique(maintain_order=True)
        resolved = [self._resolve(name) for name in distinct]
        return pl.DataFrame(
            {
                "chrom": distinct,
                "contig": pl.Series([item[0] for item in resolved], dtype=pl.String),
                "contig_reason": pl.Series([item[1] for item in resolved], dtype=pl.String),
            }
        )

    def _resolve(self, name: str) -> tuple[str, str | None]:
        contig = resolve_contig(name, self._aliases)
        reason = self._reason(name, contig)
        if reason is not None:
            self.unresolved.setdefault(name, reason)
        return contig, reason

    def _reason(self, name: str, contig: str) -> str | None:
        if contig == "MT" and self._aliases and not self._is_mitochondrial(name):
            return "contig_refused"
        if self.requested is not None and contig not in self.requested:
            return "not_requested"
        if contig in self._available:
            return None
        # Of Y, the pseudo-autosomal regions can be looked up all the same.
        return None if contig == "Y" and self._par and "X" in self._available else "contig_absent"

    def _is_mitochondrial(self, name: str) -> bool:
        length = self.lengths.get(name)
        if length is not None:
            return length == MT_LENGTH
        return not (self.store.assembly == "GRCh37" and name in ("chrM", "M"))

    def with_par(self, alleles: pl.DataFrame) -> pl.DataFrame:
        """Add ``par``: whether an ALT that is to be looked up lies in a PAR of Y.

        Parameters
        ----------
        alleles : DataFrame
            The columns that `lookups` needs, ``chrom``, and ``reason``, null where the ALT is to
            be looked up.
        """
        inside = pl.any_horizontal(pl.lit(False), *(_is_inside(region) for region in self._par))
        alleles = alleles.with_columns(par=pl.col("reason").is_null() & inside)
        there = self._available & {"X", "Y"}
        if self._par and len(there) == 1:
            on_y = alleles.filter(pl.col("reason").is_null() & (pl.col("contig") == "Y"))
            for name, par in on_y.select("chrom", "par").unique().iter_rows():
                if par:
                    self.par_alone.setdefault(name, *there)
                elif "Y" not in there:
                    self.unresolved.setdefault(name, "contig_absent")
        return alleles


def par_of(store: ReferenceStore) -> tuple[ParRegion, ...]:
    """Return the pseudo-autosomal regions of a store's assembly; none for other species."""
    return PAR.get(store.assembly, ()) if store.species == HUMAN else ()


def lookups(alleles: pl.DataFrame, regions: tuple[ParRegion, ...]) -> pl.DataFrame:
    """Return one row per ALT and contig that it is to be looked up on.

    Parameters
    ----------
    alleles : DataFrame
        ``contig``, ``pos``, ``ref`` and the allele key.
    regions : tuple of ParRegion
        What lies in one of them is there twice: on Y as it is, and on X.

    Returns
    -------
    DataFrame
        The columns of `alleles`, ``lookup`` (the contig) and ``shift`` (bp to add to POS).

    Notes
    -----
    What counts is where the key lies, whatever the padding. Outside the region X differs from Y:
    ``clip`` is true where padding lies there, and ``least`` and ``most`` (null elsewhere) are the
    region's ends on X, 0-based and between bases, which a repeat may cross.
    """
    nowhere = pl.lit(None, pl.Int64)
    found = [
        alleles.with_columns(
            lookup=pl.col("contig"),
            shift=pl.lit(0, pl.Int64),
            clip=pl.lit(False),
            least=nowhere,
            most=nowhere,
        )
    ]
    for region in regions:
        whole = (pl.col("pos") >= region.first) & (
            pl.col("pos") + pl.col("ref").str.len_bytes() - 1 <= region.last
        )
        found.append(
            alleles.filter(_is_inside(region)).with_columns(
                lookup=pl.lit("X"),
                shift=pl.lit(region.shift, pl.Int64),
                clip=~whole,
                least=pl.lit(region.first - 1 + region.shift, pl.Int64),
                most=pl.lit(region.last + region.shift, pl.Int64),
            )
        )
    return pl.concat(found)


def _is_inside(region: ParRegion) -> pl.Expr:
    end = pl.col("start") + pl.max_horizontal(pl.col("deleted").str.len_bytes(), 1)
    return (pl.col("contig") == "Y") & (pl.col("start") >= region.first - 1) & (end <= region.last)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which chr2 comes before chr10."""
    # Text and digits take turns; digits by their length, since a name may have any number of them.
    return [
        (len(part.lstrip("0")), part.lstrip("0")) if index % 2 else (0, part)
        for index, part in enumerate(re.split(r"([0-9]+)", name))
    ]


def report_unresolved(contigs: Contigs, log: Callable[[str], object]) -> None:
    """Name once each kind of contig that was passed through without a look-up."""
    texts = {
        "contig_absent": "not in the reference",
        "contig_refused": f"named like MT, but not the {MT_LENGTH} bp sequence of the reference",
        "not_requested": "not among the chromosomes asked for",
    }
    for reason, text in texts.items():
        unresolved = (name for name, why in contigs.unresolved.items() if why == reason)
        names = sorted(unresolved, key=_natural)
        if names:
            shown = listed((_with_assembly(name, contigs) for name in names), 10)
            plink = any(re.fullmatch("2[3-6]", name) for name in names)
            hint = " (23 to 26 may be PLINK's X, Y, XY, MT: rename them)" if plink else ""
            log(f"Contigs {text}, passed through without annotation: {shown}{hint}.")
    for name, there in contigs.par_alone.items():
        log(
            f"The pseudo-autosomal regions of {name} were looked up on {there} alone: the reference "
            f"has no {'X' if there == 'Y' else 'Y'}."
        )


def _with_assembly(name: str, contigs: Contigs) -> str:
    """Add to an accession of another assembly which one that is."""
    assembly = assembly_of_accession(name)
    is_other = assembly is not None and assembly != contigs.store.assembly
    return f"{name} (an accession of {assembly})" if is_other else name
