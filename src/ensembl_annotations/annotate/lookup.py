"""On which contig of the reference the ALTs of each CHROM are looked up.

A *contig* is named as Ensembl does (``21``, ``MT``), whatever the VCF calls it. What lies in a
pseudo-autosomal region (PAR) of Y is the same sequence as on X: it is looked up on both, since
only releases from 110 on have variants on both. `annotate` and ``compare --sample`` ask here,
and nowhere else.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence

from ensembl_annotations._kernel import MATCHED, Contig, Region
from ensembl_annotations.common.words import listed
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.read import Reference
from ensembl_annotations.variants.contigs import (
    HUMAN,
    MT_LENGTH,
    PAR,
    ParRegion,
    assembly_of_accession,
    contig_aliases,
    resolve_contig,
)
from ensembl_annotations.variants.outcomes import REASONS


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

    def __init__(
        self,
        store: ReferenceStore,
        lengths: Mapping[str, int | None],
        requested: frozenset[str] | None = None,
    ) -> None:
        self.store, self.lengths, self.requested = store, lengths, requested
        self.unresolved: dict[str, str] = {}
        self.par_alone: dict[str, str] = {}
        self._aliases = contig_aliases(self.store.species, self.store.assembly)
        self._available = frozenset(self.store.chromosomes)
        self._with_genes = frozenset(self.store.chromosomes_with("genes"))
        self._par = par_of(self.store)

    def resolve(self, name: str) -> tuple[str, str | None]:
        """Return what Ensembl calls a CHROM, and why it is not looked up (None where it is)."""
        contig = resolve_contig(name, self._aliases)
        reason = self._reason(name, contig)
        if reason is not None:
            self.unresolved.setdefault(name, reason)
        return contig, reason

    def name_of(self, name: str) -> str:
        """Return what Ensembl calls a CHROM, looked up or not."""
        return resolve_contig(name, self._aliases)

    def _reason(self, name: str, contig: str) -> str | None:
        if contig == "MT" and self._aliases and not self._is_mitochondrial(name):
            return "contig_refused"
        if self.requested is not None and contig not in self.requested:
            return "not_requested"
        if contig in self._available or contig in self._with_genes:
            return None
        # Of Y, the pseudo-autosomal regions can be looked up all the same.
        return None if contig == "Y" and self._par and "X" in self._available else "contig_absent"

    def _is_mitochondrial(self, name: str) -> bool:
        length = self.lengths.get(name)
        if length is not None:
            return length == MT_LENGTH
        return not (self.store.assembly == "GRCh37" and name in ("chrM", "M"))

    def without_calls(self) -> list[str]:
        """Return the chromosomes that are looked up, but have no genes, or no sequence to tell what changes."""
        called = self._with_genes.intersection(self.store.chromosomes_with("sequence"))
        names = annotated_chromosomes(self.store)
        asked = names if self.requested is None else self.requested
        return [name for name in names if name in asked and name not in called]

    def note_regions(self, name: str, *, in_region: bool, elsewhere: bool) -> None:
        """Note that ALTs on Y that were looked up lie in its pseudo-autosomal regions, or elsewhere.

        Where the reference has one of X and Y only, the regions were looked up there alone, and the
        rest of Y perhaps nowhere.
        """
        there = self._available & {"X", "Y"}
        if not self._par or len(there) != 1:
            return
        if in_region:
            self.par_alone.setdefault(name, *there)
        if elsewhere and "Y" not in there:
            self.unresolved.setdefault(name, "contig_absent")


def annotated_chromosomes(store: ReferenceStore) -> list[str]:
    """Return the chromosomes with published alleles, then those that have genes only."""
    return list(dict.fromkeys([*store.chromosomes, *store.chromosomes_with("genes")]))


def par_of(store: ReferenceStore) -> tuple[ParRegion, ...]:
    """Return the pseudo-autosomal regions of a store's assembly; none for other species."""
    return PAR.get(store.assembly, ()) if store.species == HUMAN else ()


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


class Places:
    """What the contigs of pieces are in the reference, for the kernel.

    Parameters
    ----------
    contigs : Contigs
    reference : Reference
    """

    def __init__(self, contigs: Contigs, reference: Reference) -> None:
        self.contigs, self._reference = contigs, reference
        self.regions = [Region(item.first, item.last, item.shift) for item in par_of(contigs.store)]
        self._known: dict[bytes, Contig] = {}
        self._refused: dict[tuple[str, bytes | None], Contig] = {}
        self._lock = threading.Lock()

    def of(self, names: Sequence[bytes]) -> tuple[list[Contig], list[int]]:
        """Return the contigs of these CHROMs, each once, and which of them each is.

        Raises
        ------
        ReferenceStoreError
        """
        distinct = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return [self._contig(name) for name in distinct], [distinct[name] for name in names]

    def _contig(self, name: bytes) -> Contig:
        with self._lock:
            if name not in self._known:
                self._known[name] = self._opened(name)
            return self._known[name]

    def _opened(self, name: bytes) -> Contig:
        # What is no text is refused when its records are cut.
        contig, reason = self.contigs.resolve(name.decode("utf-8", "replace"))
        named = contig.encode() if contig.encode() != name else None
        if reason is not None:
            # One for all: a file may have any number of contigs.
            number = list(REASONS).index(reason)
            return self._refused.setdefault((reason, named), Contig(reason=number, name=named))
        on_x = "X" if contig == "Y" and self.regions else None
        handles = []
        with self._reference.explained():
            for chromosome in (contig, on_x):
                table = self._reference.table(chromosome) if chromosome else None
                sequence = self._reference.sequence(chromosome) if chromosome else None
                genes = self._reference.genes(chromosome) if chromosome else None
                handles.append([item and item.handle for item in (table, sequence, genes)])
        tables, sequences, genes = zip(*handles, strict=True)
        is_y, is_mt = on_x is not None, contig == "MT"
        return Contig(*tables, *sequences, MATCHED, is_y, *genes, is_mt, named)
