"""Where a release's files are below a mirror's base."""

from __future__ import annotations

from dataclasses import dataclass

from ensembl_annotations.common.contigs import CHROMOSOMES, HUMAN

CHECKSUMS = "CHECKSUMS"


@dataclass(frozen=True)
class Layout:
    """The paths of one species, assembly and release, relative to a mirror's base.

    Notes
    -----
    GRCh37 has its own branch since release 81; human variation is split by chromosome since
    release 93, other species are one file. Source: the tree of the Ensembl FTP site.
    """

    species: str
    assembly: str
    release: int

    @property
    def _root(self) -> str:
        branch = "grch37/" if self.assembly == "GRCh37" else ""
        return f"{branch}release-{self.release}"

    @property
    def vcf_folder(self) -> str:
        return f"{self._root}/variation/vcf/{self.species}"

    @property
    def fasta_folder(self) -> str:
        return f"{self._root}/fasta/{self.species}/dna"

    @property
    def is_split(self) -> bool:
        """Whether there is one file per chromosome."""
        return self.species == HUMAN

    def chromosome_of(self, file_name: str) -> str | None:
        """Return which chromosome a file of `vcf_folder` holds; None where it is not one of ours.

        A species in one file has the chromosome ``all``.
        """
        if not self.is_split:
            return "all" if file_name == f"{self.species}.vcf.gz" else None
        prefix, suffix = f"{self.species}-chr", ".vcf.gz"
        if not (file_name.startswith(prefix) and file_name.endswith(suffix)):
            return None
        name = file_name[len(prefix) : -len(suffix)]
        return name if name in CHROMOSOMES else None

    def fasta_name(self, chromosome: str) -> str:
        return f"{self.species.capitalize()}.{self.assembly}.dna.chromosome.{chromosome}.fa.gz"
