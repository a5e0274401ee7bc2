"""Where a release's files are below a mirror's base.

The rest of the loader asks the layout for folders, and which of the names that a mirror lists are
ours; it knows no path itself. A new layout is a class with the same public members, which `Manifest.layout`
learns to choose. Folders have no slash at either end; ``""`` is the mirror's base.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ensembl_annotations.common.errors import UsageError, WrongAssemblyError
from ensembl_annotations.common.words import NAME
from ensembl_annotations.variants.contigs import CHROMOSOMES, HUMAN, canonical_assembly

CHECKSUMS = "CHECKSUMS"
ALL = "all"
"""The chromosome of a file that holds every chromosome."""

GENE_ROLES = ("gff3", "peptides")
ROLES = ("vcf", "fasta", *GENE_ROLES)
"""The kinds of published file: variants, sequences, gene models, and what these are checked with."""

HUMAN_ASSEMBLIES = ("GRCh37", "GRCh38")
_FIRST_GRCH38 = 76
"""From this release on the main tree's human is GRCh38, and GRCh37 has a branch of its own."""


@dataclass(frozen=True)
class Layout:
    """The tree of Ensembl's FTP site, and of each division of Ensembl Genomes: by release.

    Notes
    -----
    Which files there are is decided from the names that are listed, not from the release: human
    is one file up to release 92, one per chromosome since; file names are capitalised up to
    release 90; other species are one file. A base may have a path (``…/pub/plants``). Human
    GRCh37 is in the main tree up to release 75, since 81 in a branch of its own. FASTA names of
    releases before 76 hold the release and are not understood.
    """

    species: str
    assembly: str
    release: int

    @property
    def releases_folder(self) -> str:
        """The folder that holds a folder per release."""
        branch = self.assembly == "GRCh37" and self.release >= _FIRST_GRCH38
        return "grch37" if branch else ""

    @property
    def _root(self) -> str:
        return f"{self.releases_folder}/release-{self.release}".lstrip("/")

    @property
    def species_folder(self) -> str:
        """The folder that holds a folder of variation files per species."""
        return f"{self._root}/variation/vcf"

    @property
    def vcf_folder(self) -> str:
        """The folder of the variation files and of their list."""
        return f"{self.species_folder}/{self.species}"

    @property
    def fasta_folder(self) -> str:
        """The folder of the sequences and of their list."""
        return f"{self._root}/fasta/{self.species}/dna"

    @property
    def gff3_folder(self) -> str:
        """The folder of the gene models and of their list."""
        return f"{self._root}/gff3/{self.species}"

    @property
    def peptide_folder(self) -> str:
        """The folder of the peptides and of their list."""
        return f"{self._root}/fasta/{self.species}/pep"

    def folder_of(self, role: str) -> str:
        """Return the folder of a kind of published file, and of their list: one of `ROLES`."""
        folders = self.vcf_folder, self.fasta_folder, self.gff3_folder, self.peptide_folder
        return dict(zip(ROLES, folders, strict=True))[role]

    def check(self) -> None:
        """Raise UsageError where species, assembly and release can't go together."""
        if not re.fullmatch(r"[a-z0-9_]+", self.species):
            close = self.species.strip().lower().replace(" ", "_")
            raise UsageError(
                f"species: {self.species!r} is not a name as in Ensembl's paths; expected lower "
                "case and underscores, such as homo_sapiens.",
                hint=f"Did you mean {close!r}?" if re.fullmatch(r"[a-z0-9_]+", close) else None,
            )
        if not re.fullmatch(NAME, self.assembly):
            raise UsageError(f"assembly: {self.assembly!r} is not an assembly's name.")
        if self.species == HUMAN:
            self._check_human()

    def _check_human(self) -> None:
        """Refuse what would be looked for in the tree of another assembly."""
        if self.assembly not in HUMAN_ASSEMBLIES:
            named = canonical_assembly(self.assembly)
            close = difflib.get_close_matches(named, HUMAN_ASSEMBLIES, n=1)
            raise UsageError(
                f"assembly: {self.assembly!r} is no human assembly; expected "
                f"{' or '.join(HUMAN_ASSEMBLIES)}.",
                hint=f"Did you mean {close[0]!r}?" if close else None,
            )
        if self._is_grch38 and self.release < _FIRST_GRCH38:
            raise UsageError(
                f"Release {self.release} has no GRCh38; human is on GRCh38 since release "
                f"{_FIRST_GRCH38}.",
                hint="Choose a later release, or assembly GRCh37.",
            )

    @property
    def _is_grch38(self) -> bool:
        return self.species == HUMAN and self.assembly == "GRCh38"

    def choose_vcfs(self, names: Collection[str]) -> dict[str, str]:
        """Return chromosome to file name, of those listed in `vcf_folder` that are ours."""
        spelling = "|".join(map(re.escape, (self.species, self.species.capitalize())))
        found: dict[str, str] = {}
        # Lower case sorts last, and so wins where a mirror kept both spellings.
        for name in sorted(names):
            match = re.fullmatch(
                rf"(?:{spelling})(?:-chr([A-Za-z0-9][A-Za-z0-9._]*))?\.vcf\.gz", name
            )
            if match is None:
                continue
            chromosome = match[1] or ALL
            if self.species != HUMAN or chromosome in (*CHROMOSOMES, ALL):
                found[chromosome] = name
        whole = found.pop(ALL, None)
        # Where both forms are there, they hold the same records.
        return found if found or whole is None else {ALL: whole}

    @property
    def usual_vcfs(self) -> tuple[str, ...]:
        """Names of variation files, one of which most releases have."""
        return tuple(f"{self.species}{part}.vcf.gz" for part in ("", "-chr1", "-chr21"))

    def fasta_name(self, chromosome: str) -> str:
        """Return the name of a chromosome's sequence; of ``all``, the first that is looked for."""
        return self._fasta_names(chromosome)[0]

    def _fasta_names(self, chromosome: str) -> list[str]:
        """Return the names of a sequence, best first: masked in lower case, it has the same bases."""
        kinds = ("primary_assembly", "toplevel")
        wanted = kinds if chromosome == ALL else (f"chromosome.{chromosome}",)
        return [
            f"{self._stem}.{masking}.{kind}.fa.gz"
            for masking in ("dna", "dna_sm")
            for kind in wanted
        ]

    @property
    def _stem(self) -> str:
        return f"{self.species.capitalize()}.{self.assembly}"

    @property
    def path_names_assembly(self) -> bool:
        """Whether files that are found are certainly of this assembly."""
        return self.species == HUMAN

    def confirm_assembly(self, names: Collection[str], where: str) -> None:
        """Raise SourceError where the names listed in `fasta_folder` are of another assembly."""
        there = self._assemblies_named(names)
        is_humans = self.species != HUMAN and self.assembly in HUMAN_ASSEMBLIES
        # Up to release 75 a release's number follows the name.
        ours = {self.assembly, f"{self.assembly}.{self.release}"}
        if there & ours or not (there or is_humans):
            return
        raise WrongAssemblyError(
            f"{where}: the sequences are of {', '.join(sorted(there))}; expected {self.assembly}."
            if there
            else f"{self.assembly} is an assembly of human, not of {self.species}.",
            hint="Name the assembly that the release has, or choose another release.",
        )

    def choose_fastas(self, names: Collection[str], chromosomes: Sequence[str]) -> dict[str, str]:
        """Return chromosome to file name, of those listed in `fasta_folder` that are ours.

        Without chromosomes (the release has no variation files), all that are listed, or else the whole
        genome in one file.
        """
        wanted = chromosomes or [*self._chromosomes_of(names, r"dna(?:_sm)?", "fa"), ALL]
        found = {}
        for chromosome in wanted:
            listed = [name for name in self._fasta_names(chromosome) if name in names]
            if listed:
                found[chromosome] = listed[0]
        if len(found) > 1 and not chromosomes:
            found.pop(ALL, None)
        return found

    def choose_gff3s(self, names: Collection[str]) -> dict[str, str]:
        """Return chromosome to file name, of those listed in `gff3_folder` that are ours.

        Notes
        -----
        The release in a name may be older: GRCh37's gene models are those of release 87.
        """
        found = self._chromosomes_of(names, r"\d+", "gff3")
        for kind in (r"\.chr", ""):
            spelling = re.compile(rf"{re.escape(self._stem)}(?:\.(\d+))?{kind}\.gff3\.gz")
            listed = [match for name in names if (match := spelling.fullmatch(name))]
            if listed and not found:
                found = {ALL: max(listed, key=lambda match: int(match[1] or 0))[0]}
        return found

    def choose_peptides(self, names: Collection[str]) -> dict[str, str]:
        """Return the file with all peptides, of those listed in `peptide_folder`."""
        name = f"{self._stem}.pep.all.fa.gz"
        return {ALL: name} if name in names else {}

    def _chromosomes_of(self, names: Collection[str], word: str, ending: str) -> dict[str, str]:
        """Return chromosome to file name; `word` stands between the assembly and the chromosome."""
        spelling = re.compile(
            rf"{re.escape(self._stem)}(?:\.{word})?\.chromosome\.([A-Za-z0-9][\w.-]*)\.{ending}\.gz"
        )
        found = {match[1]: name for name in sorted(names) if (match := spelling.fullmatch(name))}
        return {
            key: name for key, name in found.items() if self.species != HUMAN or key in CHROMOSOMES
        }

    def _assemblies_named(self, names: Iterable[str]) -> set[str]:
        prefix = re.escape(self.species.capitalize())
        return {
            match[1]
            for name in names
            if (match := re.match(rf"{prefix}\.(.+?)\.dna(?:_rm|_sm)?\.", name))
        }

    def release_of(self, folder_name: str) -> int | None:
        """Return which release a folder of `releases_folder` is; None where it is none."""
        match = re.fullmatch(r"release-([0-9]{1,4})", folder_name)
        if match is None or (self._is_grch38 and int(match[1]) < _FIRST_GRCH38):
            return None
        return int(match[1])

    def at_release(self, release: int) -> Self:
        """Return the same for another release."""
        return replace(self, release=release)

    def other_assemblies(self) -> list[Self]:
        """Return the same for the species' other assemblies, where those are known."""
        if self.species != HUMAN or self.release < _FIRST_GRCH38:
            return []
        return [replace(self, assembly="GRCh38" if self.assembly == "GRCh37" else "GRCh37")]
