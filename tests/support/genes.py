"""Gene models in Ensembl's GFF3, authored by a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Place = tuple[int, int]


@dataclass(frozen=True)
class Model:
    """A transcript, and of its gene what a line of GFF3 says; `phases` are those of the pieces of the CDS."""

    transcript: str
    exons: Sequence[Place]
    cds: Sequence[Place] = ()
    phases: Sequence[str] = ()
    strand: str = "+"
    contig: str = "1"
    gene: str = "ENSG90000000001"
    kind: str = "mRNA"
    biotype: str = "protein_coding"
    more: str = ""

    def lines(self) -> list[str]:
        """Return the lines of the transcript, exons and CDS."""
        parent = f"Parent=transcript:{self.transcript}"
        start, end = min(self.exons)[0], max(self.exons)[1]
        about = f"biotype={self.biotype};transcript_id={self.transcript};version=1{self.more}"
        protein = self.transcript.replace("ENST", "ENSP")
        phases = self.phases or ["0"] * len(self.cds)
        cds = [
            self._line("CDS", *place, f"ID=CDS:{protein};{parent};protein_id={protein}", phase)
            for place, phase in zip(self.cds, phases, strict=True)
        ]
        return [
            self._line(
                self.kind,
                start,
                end,
                f"ID=transcript:{self.transcript};Parent=gene:{self.gene};{about}",
            ),
            *(self._line("exon", *place, f"{parent};rank=1") for place in self.exons),
            *cds,
        ]

    def gene_line(self, symbol: str) -> str:
        start, end = min(self.exons)[0], max(self.exons)[1]
        about = f"biotype={self.biotype};gene_id={self.gene};version=3"
        return self._line("gene", start, end, f"ID=gene:{self.gene};Name={symbol};{about}")

    def _line(self, kind: str, start: int, end: int, attributes: str, phase: str = ".") -> str:
        fields = [self.contig, "demo", kind, start, end, ".", self.strand, phase, attributes]
        return "\t".join(map(str, fields))


def gff3(models: Iterable[Model], lengths: Mapping[str, int]) -> str:
    """Return GFF3: a gene of its own for each ID of one, the symbol DEMO1, DEMO2 …"""
    lines = ["##gff-version 3"]
    lines += [f"##sequence-region   {name} 1 {length}" for name, length in lengths.items()]
    genes: dict[str, list[Model]] = {}
    for model in models:
        genes.setdefault(model.gene, []).append(model)
    for number, members in enumerate(genes.values(), 1):
        widest = max(members, key=lambda model: max(model.exons)[1] - min(model.exons)[0])
        lines.append(widest.gene_line(f"DEMO{number}"))
        lines += [line for model in members for line in model.lines()]
        lines.append("###")
    return "\n".join(lines) + "\n"


def peptide_fasta(peptides: Mapping[str, str]) -> str:
    """Return peptides as Ensembl writes them, by the transcript's ID."""
    return "".join(
        f">{name.replace('ENST', 'ENSP')}.5 pep chromosome:DEMO:1:1:9:1 gene:ENSG90000000001.3 "
        f"transcript:{name}.1 gene_biotype:protein_coding\n{residues}\n"
        for name, residues in peptides.items()
    )


def reverse_complement(bases: str) -> str:
    return bases.translate(str.maketrans("ACGT", "TGCA"))[::-1]
