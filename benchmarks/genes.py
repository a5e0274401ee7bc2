"""Gene models on generated bases: invented, as dense as those of a human release or more, on both strands.

A gene stays on the bases of its batch. Its first transcript, the canonical one, is laid out along the strand; a CDS
goes from an ATG to a stop codon, and exons between begin where their frame is open. Its other transcripts have some of
these exons, and what the CDS has there: those that begin or end within it are incomplete, as some published ones are.
Bases are never changed: variants and sequences stay those of a release without genes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from genome import CODE, Array, Chromosome, make_tile

Place = tuple[int, int]
"""Where something begins and ends along the strand; 0-based, the end is behind the last base."""

BP_PER_TRANSCRIPT = 46_700_000 / 9_600
_TRANSCRIPTS_PER_GENE = 8
_CODING_GENES = 0.5
_CODING_TRANSCRIPTS = 0.7
"""Of those of a coding gene that have some of its CDS: a third of all transcripts has a CDS then."""
_EXONS = {True: 12, False: 6}
"""Mean number of a canonical transcript, by whether it is coding; the others have fewer."""
_EXON_BP = 150
_INTRON_BP = 5_000
_UTR_BP = (150, 800)
_SEARCH_BP = 300
"""How much later than drawn an exon may begin, so that its frame is open."""
_LEAST_OPEN_BP = 90
_BP_PER_EXON = 2_000
"""Fewer exons than drawn where a batch has few bases."""
_LINE_RESIDUES = 60
# The residues of all codons, in the order of their bases: A, C, G, T.
_STANDARD = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF"
_MITOCHONDRIAL = "KNKNTTTT*S*SMIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSSWCWCLFLF"
_ATG = 0 * 16 + 3 * 4 + 2


class Strand:
    """The bases of a batch along one strand: their codons, and where each frame meets its next stop codon."""

    def __init__(self, codes: Array, residues: str) -> None:
        self.residues = np.frombuffer(residues.encode(), np.uint8)
        codons = codes[:-2] * 16 + codes[1:-1] * 4 + codes[2:]
        self.codes = codes
        self.size = len(codes)
        is_stop = self.residues[codons] == ord("*")
        self.begins_stop = np.isin(codes, np.flatnonzero(self.residues == ord("*")) // 16)
        # Where there is none, a frame is open up to the end.
        self.next_stop = np.where(is_stop, np.arange(len(codons)), self.size)
        for frame in range(3):
            one = self.next_stop[frame::3]
            one[:] = np.minimum.accumulate(one[::-1])[::-1]
        starts = np.flatnonzero(codons == _ATG)
        self.starts = starts[self.next_stop[starts] - starts >= _LEAST_OPEN_BP]

    def translate(self, places: list[Place], phase: int) -> str:
        """Return the residues of a CDS; X for a first codon that is cut, none for the last stop codon."""
        codes = np.concatenate([self.codes[begin:end] for begin, end in places])[phase:]
        whole = codes[: len(codes) - len(codes) % 3].reshape(-1, 3)
        text = self.residues[whole @ [16, 4, 1]].tobytes().decode()
        return "X" * (phase > 0) + text.removesuffix("*")


@dataclass(frozen=True)
class Transcript:
    """Exons along the strand, and where the CDS begins and ends; `phase` is that of its first base."""

    exons: list[Place]
    cds: Place | None = None
    phase: int = 0

    @property
    def coding(self) -> list[Place]:
        """What exons have of the CDS."""
        if self.cds is None:
            return []
        first, last = self.cds
        inside = [(max(begin, first), min(end, last)) for begin, end in self.exons]
        return [(begin, end) for begin, end in inside if begin < end]


def _lengths(draw: np.random.Generator, mean: float, count: int) -> Array:
    return 20 + draw.exponential(mean - 20, count).astype(np.int64)


def _canonical(draw: np.random.Generator, strand: Strand, *, is_coding: bool) -> Transcript:
    while True:
        count = int(min(1 + is_coding + draw.geometric(1 / _EXONS[is_coding]), 60))
        count = min(count, 1 + strand.size // _BP_PER_EXON)
        longest = strand.size / (3 * count)
        lengths = _lengths(draw, _EXON_BP, count).tolist()
        introns = _lengths(draw, min(_INTRON_BP, longest), count).tolist()
        at = int(draw.integers(0, strand.size))
        utrs = draw.exponential(_UTR_BP).astype(int).tolist()
        lay_out = _coding_layout if is_coding else _other_layout
        made = lay_out(strand, at, lengths, introns, utrs)
        # Drawn anew where it does not end on these bases.
        if made is not None and made.exons[-1][1] <= strand.size:
            return made


def _other_layout(
    strand: Strand, at: int, lengths: list[int], introns: list[int], utrs: list[int]
) -> Transcript | None:
    exons = []
    for length, intron in zip(lengths, introns, strict=True):
        exons.append((at, at + length))
        at += length + intron
    return Transcript(exons)


def _coding_layout(
    strand: Strand, at: int, lengths: list[int], introns: list[int], utrs: list[int]
) -> Transcript | None:
    which = np.searchsorted(strand.starts, at + utrs[0])
    if which == len(strand.starts):
        return None
    start = int(strand.starts[which])
    end = _trimmed(strand, start, start, min(lengths[0], strand.next_stop[start] + 2 - start))
    exons = [(start - utrs[0], end)]
    missing = (start - end) % 3
    for length, intron in zip(lengths[1:-1], introns, strict=False):
        # Of each place to begin at, how many bases are read before a stop codon.
        begins = np.arange(end + intron, min(end + intron + _SEARCH_BP, strand.size - 5))
        if not len(begins):
            return None
        frames = begins + missing
        open_bp = strand.next_stop[frames] + 2 - begins
        best = int(np.argmax(np.minimum(open_bp, length)))
        begin = int(begins[best])
        end = _trimmed(strand, begin, begin + missing, min(length, int(open_bp[best])))
        exons.append((begin, end))
        missing = (begin + missing - end) % 3
    begin = end + introns[-1]
    if begin + missing >= strand.size - 2:
        return None
    stop = int(strand.next_stop[begin + missing]) + 3
    return Transcript([*exons, (begin, stop + utrs[1])], (start, stop))


def _trimmed(strand: Strand, begin: int, frame: int, length: int) -> int:
    """Return where a coding exon ends: its last bases can't become a stop codon in the next one.

    Where a frame is open up to the end of the bases, it can be behind them: such a transcript is drawn anew.
    """
    end = int(begin + length)
    cut = (end - frame) % 3
    is_cut = end > frame and cut and end - cut < strand.size and strand.begins_stop[end - cut]
    return end - cut if is_cut else end


def _alternative(draw: np.random.Generator, whole: Transcript) -> Transcript:
    """Return another transcript of the gene: a run of its exons, without some of its ends that are not CDS."""
    count = len(whole.exons)
    first, last = (0, count - 1)
    if draw.random() < 0.6:
        first, last = sorted(draw.integers(0, count, 2).tolist())
    exons = whole.exons[first : last + 1]
    if whole.cds is None or draw.random() > _CODING_TRANSCRIPTS:
        kept = [exon for exon in exons if draw.random() < 0.8] or exons[:1]
        return Transcript(kept)
    start, stop = whole.cds
    begin, end = exons[0][0], exons[-1][1]
    # A run that begins or ends within the CDS has all of it there.
    begin = int(draw.integers(begin, max(begin, start) + 1))
    end = int(draw.integers(min(end, stop), end + 1))
    if len(exons) == 1:
        exons = [(begin, end)]
    else:
        exons = [(begin, exons[0][1]), *exons[1:-1], (exons[-1][0], end)]
    before = sum(end - begin for begin, end in whole.coding if begin < exons[0][0])
    found = Transcript(exons, (max(begin, start), min(end, stop)), -before % 3)
    # One that ends within a codon, and has nothing else, is not translated.
    return found if sum(e - b for b, e in found.coding) > 5 else replace(found, cds=None)


class Models:
    """The gene models of a batch: lines of GFF3, and the peptides of their transcripts."""

    def __init__(self, chromosome: Chromosome, batch: int, density: float = 1) -> None:
        self._chromosome, self._batch = chromosome, batch
        self._bp_per_transcript = BP_PER_TRANSCRIPT / density
        self._offset = chromosome.tile_begin(batch)
        codes = CODE[make_tile(chromosome, batch).bases]
        residues = _MITOCHONDRIAL if chromosome.name == "MT" else _STANDARD
        self._strands = {"+": Strand(codes, residues), "-": Strand(3 - codes[::-1], residues)}
        self._num_transcripts = 0
        self._num_genes = 0
        self.peptides: list[str] = []

    def genes(self) -> Iterator[list[str]]:
        """Yield the lines of each gene; its peptides are in `peptides` then."""
        draw = self._chromosome.draw(self._batch, 4)
        size = self._strands["+"].size
        missing = max(2, round(size / self._bp_per_transcript))
        while missing:
            count = min(missing, int(draw.geometric(1 / _TRANSCRIPTS_PER_GENE)))
            is_coding = draw.random() < _CODING_GENES
            sign = "+-"[draw.integers(2)]
            canonical = _canonical(draw, self._strands[sign], is_coding=is_coding)
            others = [_alternative(draw, canonical) for _ in range(count - 1)]
            yield self._lines(draw, sign, [canonical, *others])
            missing -= count

    def _lines(self, draw: np.random.Generator, sign: str, members: list[Transcript]) -> list[str]:
        self._num_genes += 1
        gene = f"ENSG{self._numbered(self._num_genes)}"
        symbol = f"DEMO{self._chromosome.name}-{self._batch + 1}-{self._num_genes}"
        is_coding = members[0].cds is not None
        biotype = "protein_coding" if is_coding else "lncRNA"
        whole = members[0].exons[0][0], members[0].exons[-1][1]
        about = f"ID=gene:{gene};Name={symbol};biotype={biotype};gene_id={gene};version=1"
        lines = [self._line(sign, "gene" if is_coding else "ncRNA_gene", whole, about)]
        for number, member in enumerate(members):
            level = int(draw.integers(1, 6))
            lines += self._transcript_lines(sign, gene, symbol, number, level, member)
        return [*lines, "###\n"]

    def _transcript_lines(
        self, sign: str, gene: str, symbol: str, number: int, level: int, member: Transcript
    ) -> list[str]:
        self._num_transcripts += 1
        digits = self._numbered(self._num_transcripts)
        transcript, protein = f"ENST{digits}", f"ENSP{digits}"
        coding = member.coding
        tag = "" if number else ",Ensembl_canonical" + ",MANE_Select" * bool(coding)
        biotype = "protein_coding" if coding else "retained_intron" if number else "lncRNA"
        whole = member.exons[0][0], member.exons[-1][1]
        parent = f"Parent=transcript:{transcript}"
        about = (
            f"ID=transcript:{transcript};Parent=gene:{gene};Name={symbol}-{201 + number};biotype={biotype};"
            f"tag=gencode_basic{tag};transcript_id={transcript};transcript_support_level={level};version=1"
        )
        lines = [self._line(sign, "mRNA" if coding else "lnc_RNA", whole, about)]
        lines += [
            self._line(sign, "exon", exon, f"{parent};rank={rank}")
            for rank, exon in enumerate(member.exons, 1)
        ]
        about = f"ID=CDS:{protein};{parent};protein_id={protein};version=1"
        phase = member.phase
        for begin, end in coding:
            lines.append(self._line(sign, "CDS", (begin, end), about, str(phase)))
            phase = (phase - (end - begin)) % 3
        if coding:
            start, end = self._ends(sign, whole)
            residues = self._strands[sign].translate(coding, member.phase)
            self.peptides.append(
                f">{protein}.1 pep chromosome:GRCh38:{self._chromosome.name}:{start}:{end}:{sign}1 gene:{gene}.1 "
                f"transcript:{transcript}.1 gene_biotype:protein_coding\n".replace(":+1", ":1")
            )
            self.peptides += [
                residues[at : at + _LINE_RESIDUES] + "\n"
                for at in range(0, len(residues), _LINE_RESIDUES)
            ]
        return lines

    def _numbered(self, number: int) -> str:
        return f"9{self._chromosome.ordinal:02}{self._batch:04}{number:04}"

    def _ends(self, sign: str, place: Place) -> Place:
        """Return the first and last base on the chromosome, 1-based."""
        begin, end = place
        if sign == "-":
            size = self._strands[sign].size
            begin, end = size - end, size - begin
        return self._offset + begin + 1, self._offset + end

    def _line(self, sign: str, kind: str, place: Place, about: str, phase: str = ".") -> str:
        start, end = self._ends(sign, place)
        return (
            f"{self._chromosome.name}\tdemo\t{kind}\t{start}\t{end}\t.\t{sign}\t{phase}\t{about}\n"
        )
