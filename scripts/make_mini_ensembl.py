"""Write the demonstration mirror of Ensembl's variation data and its sample VCF.

The rows are authored in ``mini_ensembl.tsv`` and ``mini_genes.tsv``, next to this script. The output
depends on these tables and on the locked libdeflate alone: two runs, on any machine, write the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby, pairwise, product, takewhile
from pathlib import Path

import click
import deflate

from ensembl_annotations.vcf.bgzf import compress_bgzf

TABLE = Path(__file__).with_name("mini_ensembl.tsv")
GENES = Path(__file__).with_name("mini_genes.tsv")

LENGTHS = {
    "1": 248956422,
    "2": 242193529,
    "3": 198295559,
    "4": 190214555,
    "5": 181538259,
    "6": 170805979,
    "7": 159345973,
    "8": 145138636,
    "9": 138394717,
    "10": 133797422,
    "11": 135086622,
    "12": 133275309,
    "13": 114364328,
    "14": 107043718,
    "15": 101991189,
    "16": 90338345,
    "17": 83257441,
    "18": 80373285,
    "19": 58617616,
    "20": 64444167,
    "21": 46709983,
    "22": 50818468,
    "X": 156040895,
    "Y": 57227415,
    "MT": 16569,
}
"""GRCh38 contig lengths, in the order of the files. Source: GCA_000001405.15."""

FASTA_LENGTHS = {
    "GRCh38": {"22": LENGTHS["22"], "MT": LENGTHS["MT"]},
    "GRCh37": {"22": 51304566, "MT": 16569},
}

UNPLACED = ("chrUn_KI270302v1", 2274)

EVIDENCE = [
    "ExAC",
    "Freq",
    "1000G",
    "Hapmap",
    "Multiple_observations",
    "gnomAD",
    "Phenotype_or_Disease",
    "TOPMed",
    "Cited",
    "ESP",
]
CLINICAL = [
    "risk_factor",
    "other",
    "likely_pathogenic",
    "protective",
    "confers_sensitivity",
    "pathogenic",
    "drug_response",
    "histocompatibility",
    "likely_benign",
    "benign",
    "uncertain_significance",
    "not_provided",
    "association",
]
QUIRKS = {
    "empty_entry",
    "iupac",
    "empty_alt",
    "bad_pos",
    "unknown_key",
    "spaced_source",
    "no_alleles",
}

PHASE3_CHROMOSOMES = 5008
"""Two for each of the 2504 people of 1000 Genomes phase 3, from whom MAF is counted."""

LEVEL = 9

SOURCE_TEXT = {
    "dbSNP": "Variants (including SNPs and indels) imported from dbSNP",
    "ClinVar": "Variants of clinical significance imported from ClinVar",
    "COSMIC": "Somatic mutations found in human cancers from the COSMIC catalogue",
    "HGMD-PUBLIC": "Variants from HGMD-PUBLIC dataset December 2020",
    "Demo Panel": "Authored source whose key holds a space",
}
QUALITY_URL = (
    "https://www.ensembl.org/info/genome/variation/prediction/variant_quality.html#evidence_status"
)
CLINICAL_URL = (
    "https://www.ensembl.org/info/genome/variation/phenotype/phenotype_annotation.html"
    "#clin_significance"
)

README = """\
# A demonstration mirror of Ensembl's variation data

The tree has Ensembl's own layout (`release-115`, `release-116`, `grch37/release-116`), so that the
whole pipeline runs without network. It is a few hundred authored rows, not a copy of Ensembl's
files, and **must never be used to interpret anybody's variants**.

- Positions and alleles are those of real variants, unless the `note` of the row in
  `scripts/mini_ensembl.tsv` says otherwise. Some are noted as unverified.
- Frequencies, evidence, sources and clinical terms are incomplete, and some frequencies were
  written from memory. An empty value says nothing about the variant.
- IDs from rs9000000001 up, CM9999nn and COSV999999nn are authored. Most of their positions lie in
  gaps of the assembly, where no real variant can be.
- Some differences between releases 115 and 116 are invented on purpose, to show a comparison of
  releases; the note of each such row says so. GRCh37 exists for release 116 only.
- Some rows are odd or broken on purpose, as Ensembl's are (column `quirk`).
- The FASTA files are N but for the bases that the tables know. They have the real lengths.
- The genes (DEMO1 to DEMO14, IDs from ENSG90000000001) are invented, with their bases and proteins: on
  chromosome 22 in a gap of both assemblies, and on MT. No gene of these names exists.

`data/vcf/sample.vcf.gz` is authored too: its genotypes belong to nobody.

To change it, edit `scripts/mini_ensembl.tsv` or `scripts/mini_genes.tsv` and run `python scripts/make_mini_ensembl.py`. The
script checks the tables and always writes the same bytes.
"""


@dataclass(frozen=True)
class Release:
    """One published release: where it lies and what its headers say."""

    number: int
    assembly: str
    date: str
    site: str
    versions: dict[str, str]

    @property
    def root(self) -> str:
        """Return the folder of the release below the mirror's root."""
        prefix = "grch37/" if self.assembly == "GRCh37" else ""
        return f"{prefix}release-{self.number}"


VERSIONS_115 = {
    "dbSNP": "dbSNP_156",
    "ClinVar": "ClinVar_202502",
    "COSMIC": "COSMIC_101",
    "HGMD-PUBLIC": "HGMD-PUBLIC_20204",
    "Demo Panel": "Demo Panel_1",
}
VERSIONS_116 = VERSIONS_115 | {"ClinVar": "ClinVar_202509", "COSMIC": "COSMIC_102"}
RELEASES = (
    Release(115, "GRCh38", "20250711", "https://e115.ensembl.org", VERSIONS_115),
    Release(116, "GRCh38", "20260404", "https://e116.ensembl.org", VERSIONS_116),
    Release(116, "GRCh37", "20260404", "https://grch37.ensembl.org", VERSIONS_116),
)


@dataclass(frozen=True)
class Row:
    """One line of the table: its number and every cell as text."""

    line: int
    chrom: str
    pos38: str
    pos37: str
    id: str
    ref: str
    alt: str
    ref37: str
    alt37: str
    ma: str
    maf: str
    aa: str
    clin: str
    evidence: str
    sources: str
    releases: str
    id115: str
    maf115: str
    clin115: str
    tsa: str
    extra: str
    bases: str
    quirk: str
    sample: str
    gene: str
    note: str

    @property
    def alts(self) -> list[str]:
        """Return the ALTs of GRCh38."""
        return self.alt.split(",")

    @property
    def authored(self) -> bool:
        """Tell whether the ID is one that stands for no real record."""
        return self.id.startswith(("rs9000000", "CM9999", "COSV999999"))


def read_table(path: Path) -> list[Row]:
    """Read and check the table; a malformed row is an error that names its line."""
    rows: list[Row] = []
    columns = [field.name for field in fields(Row)][1:]
    with path.open(encoding="utf-8", newline="") as handle:
        skipped = sum(1 for _ in takewhile(lambda line: line.startswith("#"), handle))
        handle.seek(0)
        for _ in range(skipped):
            next(handle)
        reader = csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        if next(reader) != columns:
            raise click.ClickException(f"{path.name}: the columns must be {', '.join(columns)}")
        for number, cells in enumerate(reader, skipped + 2):
            if len(cells) != len(columns):
                raise click.ClickException(
                    f"{path.name}, line {number}: {len(cells)} columns found, not {len(columns)}"
                )
            row = Row(number, *cells)
            for problem in problems(row):
                raise click.ClickException(f"{path.name}, line {number} ({row.id}): {problem}")
            rows.append(row)
    return rows


def problems(row: Row) -> Iterator[str]:
    """Yield what is wrong with a row, deliberate quirks left out."""
    if row.chrom not in LENGTHS:
        yield f"unknown chromosome {row.chrom!r}"
    yield from _position_problems(row)
    yield from _allele_problems(row)
    yield from _frequency_problems(row)
    yield from _term_problems(row)
    if row.authored and "authored" not in row.note:
        yield "an authored ID needs a note that says so"


def _position_problems(row: Row) -> Iterator[str]:
    """Yield what is wrong with the positions."""
    if row.quirk != "bad_pos" and not row.pos38.isdigit():
        yield f"pos38 {row.pos38!r} is not a number"
    elif row.quirk != "bad_pos" and not 0 < int(row.pos38) <= LENGTHS.get(row.chrom, 0):
        yield f"pos38 {row.pos38} lies outside chromosome {row.chrom}"
    if row.pos37 and not row.pos37.isdigit():
        yield f"pos37 {row.pos37!r} is not a number"
    if row.releases not in ("both", "115", "116"):
        yield f"releases {row.releases!r} is neither both, 115 nor 116"
    if row.quirk and row.quirk not in QUIRKS:
        yield f"unknown quirk {row.quirk!r}"


def _allele_problems(row: Row) -> Iterator[str]:
    """Yield what is wrong with the ID and the alleles."""
    if not row.id.startswith(("rs", "CM", "COSV")):
        yield "the ID is neither rs, CM nor COSV"
    if bool(row.ref37) != bool(row.alt37):
        yield "ref37 and alt37 go together"
    if row.bases and not re.fullmatch(r"\d+:[ACGT]+", row.bases):
        yield f"bases {row.bases!r} is not position:sequence"
    if row.sample and not re.fullmatch(r"\d+([/|]\d+)?", row.sample):
        yield f"sample {row.sample!r} is not a genotype"
    if row.quirk in ("iupac", "empty_alt", "no_alleles"):
        return
    for ref, alt in ((row.ref, row.alt), (row.ref37, row.alt37)):
        alleles = [ref, *alt.split(",")]
        if (ref or ref == row.ref) and not all(a and set(a) <= set("ACGT") for a in alleles):
            yield f"alleles {ref} {alt} are not A, C, G and T alone"
        elif ref and len(set(alleles)) < len(alleles):
            yield f"alleles {ref} {alt} repeat"


def _frequency_problems(row: Row) -> Iterator[str]:
    """Yield what is wrong with MA and MAF."""
    if bool(row.ma) != bool(row.maf) or (row.maf115 and not row.maf):
        yield "ma and maf go together"
    for value in filter(None, (row.maf, row.maf115)):
        if not re.fullmatch(r"0\.\d+", value) or Decimal(value) > Decimal("0.5"):
            yield f"MAF {value} is not a decimal between 0 and 0.5"
    snv = all(len(allele) == 1 for allele in (row.ref, *row.alts))
    fits = {row.ref, *(alt if snv else alt[1:] or "-" for alt in row.alts)}
    if row.ma and row.ma not in fits:
        yield f"MA {row.ma} is none of {', '.join(sorted(fits))}"


def _term_problems(row: Row) -> Iterator[str]:
    """Yield what is wrong with terms, sources and the raw text."""
    evidence, empty = _split(row.evidence), row.quirk == "empty_entry"
    if set(evidence) - set(EVIDENCE) - ({""} if empty else set()):
        yield f"unknown evidence in {row.evidence!r}"
    if empty and "" not in evidence:
        yield "quirk empty_entry without an empty evidence value"
    if set(_split(row.clin)) - set(CLINICAL):
        yield f"unknown clinical term in {row.clin!r}"
    if row.clin115 != "-" and set(_split(row.clin115)) - set(CLINICAL):
        yield f"unknown clinical term in {row.clin115!r}"
    known = set(SOURCE_TEXT) - ({"Demo Panel"} if row.quirk != "spaced_source" else set())
    if not row.sources or set(_split(row.sources)) - known:
        yield f"unknown source in {row.sources!r}"
    if row.extra and row.quirk != "unknown_key":
        yield "raw INFO text needs the quirk unknown_key"


def _split(cell: str) -> list[str]:
    """Split a cell of joined terms; an empty cell has none."""
    return cell.split("|") if cell else []


def known_bases(rows: Iterable[Row], assembly: str) -> dict[str, dict[int, str]]:
    """Collect the reference bases the rows know, per chromosome; a contradiction is an error."""
    bases: dict[str, dict[int, tuple[str, str]]] = defaultdict(dict)
    for row in rows:
        for start, sequence in _stretches(row, assembly):
            for pos, base in enumerate(sequence, start):
                if base not in "ACGT":
                    continue
                other = bases[row.chrom].setdefault(pos, (base, row.id))
                if other[0] != base:
                    raise click.ClickException(
                        f"{TABLE.name}, line {row.line}: {row.id} says that {assembly} "
                        f"{row.chrom}:{pos} is {base}, {other[1]} says {other[0]}"
                    )
    return {
        chrom: {pos: base for pos, (base, _) in known.items()} for chrom, known in bases.items()
    }


def _stretches(row: Row, assembly: str) -> Iterator[tuple[int, str]]:
    """Yield start and sequence of what a row knows of the reference."""
    if row.quirk == "bad_pos" or (assembly == "GRCh37" and not row.pos37):
        return
    here = int(row.pos37 if assembly == "GRCh37" else row.pos38)
    yield here, (row.ref37 if assembly == "GRCh37" else "") or row.ref
    if row.bases:
        start, sequence = row.bases.split(":")
        yield int(start) - int(row.pos38) + here, sequence


def sequence_alteration(ref: str, alts: list[str]) -> str:
    """Return TSA: the class that all ALTs share, or a wider one."""
    if not all(allele and set(allele) <= set("ACGT") for allele in (ref, *alts)):
        return "sequence_alteration"
    kinds = {_kind(ref, alt) for alt in alts}
    if len(kinds) == 1:
        return kinds.pop()
    return "sequence_alteration" if kinds & {"SNV", "substitution"} else "indel"


def _kind(ref: str, alt: str) -> str:
    """Return the class of one REF and ALT."""
    if len(ref) == len(alt):
        return "SNV" if len(ref) == 1 else "substitution"
    if alt.startswith(ref):
        return "insertion"
    return "deletion" if ref.startswith(alt) else "indel"


def allele_count(maf: str) -> int:
    """Return the MAC that belongs to a MAF."""
    count = Decimal(maf) * PHASE3_CHROMOSOMES
    return int(count.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def info(row: Row, release: Release) -> str:
    """Return the INFO column of a row in a release."""
    old = release.number == 115
    maf = row.maf115 if old and row.maf115 else row.maf
    clin = row.clin115 if old and row.clin115 else row.clin
    entries = [release.versions[source] for source in _split(row.sources)]
    entries.append(f"TSA={row.tsa or sequence_alteration(row.ref, row.alts)}")
    entries += [f"E_{term}" if term else "" for term in _split(row.evidence)]
    entries += [f"CLIN_{term}" for term in _split(clin) if term != "-"]
    if row.ma:
        entries += [f"MA={row.ma}", f"MAF={maf}", f"MAC={allele_count(maf)}"]
    if row.aa:
        entries.append(f"AA={row.aa}")
    if row.extra:
        entries.append(row.extra)
    return ";".join(entries)


def record(row: Row, release: Release) -> tuple[int, str]:
    """Return the sort position and the line of a row in a release."""
    pos, ref, alt = row.pos38, row.ref, row.alt
    if release.assembly == "GRCh37":
        pos, ref, alt = row.pos37, row.ref37 or row.ref, row.alt37 or row.alt
    name = row.id115 if release.number == 115 and row.id115 else row.id
    columns = [row.chrom, pos, name, ref, alt, ".", ".", info(row, release)]
    return int("".join(takewhile(str.isdigit, pos))), "\t".join(columns)


def published(row: Row, release: Release) -> bool:
    """Tell whether a release has the row."""
    on_assembly = release.assembly == "GRCh38" or bool(row.pos37)
    return on_assembly and row.releases in ("both", str(release.number))


def header(release: Release, chrom: str, sources: set[str]) -> list[str]:
    """Return the header lines of a file; the order of the INFO keys differs between files."""
    folder = f"https://ftp.ensembl.org/pub/{release.root}/fasta/homo_sapiens/dna/"
    flag = '##INFO=<ID={},Number=0,Type=Flag,Description="{}">'
    names = [name for name in SOURCE_TEXT if name != "Demo Panel" or name in sources]
    keys = [flag.format(release.versions[name], SOURCE_TEXT[name]) for name in names]
    keys += [flag.format(f"E_{term}", f"{_words(term)}.{QUALITY_URL}") for term in EVIDENCE]
    keys += [
        flag.format(f"CLIN_{term}", f"{term.replace('_', ' ')}.{CLINICAL_URL}") for term in CLINICAL
    ]
    keys += [
        '##INFO=<ID=TSA,Number=1,Type=String,Description="Type of sequence alteration. Child of '
        'term sequence_alteration as defined by the sequence ontology project.">',
        '##INFO=<ID=MA,Number=1,Type=String,Description="Minor Allele">',
        '##INFO=<ID=MAF,Number=1,Type=Float,Description="Minor Allele Frequency">',
        '##INFO=<ID=MAC,Number=1,Type=Integer,Description="Minor Alelele Count">',
        '##INFO=<ID=AA,Number=1,Type=String,Description="Ancestral Allele">',
    ]
    salt = f"{release.root}/{chrom}/"
    keys.sort(key=lambda key: hashlib.sha256((salt + key).encode()).digest())
    return [
        "##fileformat=VCFv4.1",
        f"##fileDate={release.date}",
        f"##source=ensembl;version={release.number};url={release.site}/homo_sapiens",
        f"##reference={folder}",
        *keys,
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
    ]


def _words(term: str) -> str:
    """Return how Ensembl's header words an evidence term."""
    return {"Freq": "Frequency", "1000G": "1000Genomes", "Hapmap": "HapMap"}.get(term, term)


def variation_file(rows: list[Row], release: Release, chrom: str) -> bytes:
    """Return one BGZF VCF of a release."""
    chosen = [row for row in rows if row.chrom == chrom and published(row, release)]
    if not chosen:
        raise click.ClickException(f"{TABLE.name}: no row for {chrom} in {release.root}")
    records = sorted((record(row, release) for row in chosen), key=lambda item: item[0])
    sources = {source for row in chosen for source in _split(row.sources)}
    lines = [*header(release, chrom, sources), *(line for _, line in records)]
    return compress_bgzf(("\n".join(lines) + "\n").encode(), LEVEL)


# --- Invented genes ---

AMINO_ACIDS = dict(
    zip(
        map("".join, product("TCAG", repeat=3)),
        "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        strict=True,
    )
)
MITOCHONDRIAL = {"TGA": "W", "ATA": "M", "AGA": "*", "AGG": "*"}
GENE_MARGIN = 40
"""Bases before and behind a gene that are known, too."""

GRCH37_GENES = 87
"""The release whose gene models Ensembl still publishes for GRCh37."""


@dataclass(frozen=True)
class Transcript:
    """One line of the table of genes: every cell as text."""

    gene: str
    chrom: str
    strand: str
    gene_biotype: str
    transcript: str
    biotype: str
    exons: str
    cds: str
    phase: str
    tags: str
    tags115: str
    tsl: str
    ccds: str
    releases: str
    version: str
    note: str

    @property
    def gene_id(self) -> str:
        """Return the ID of the gene."""
        return f"ENSG9{int(self.gene.removeprefix('DEMO')):010d}"

    @property
    def id(self) -> str:
        """Return the ID of the transcript."""
        return f"ENST9{int(self.transcript):010d}"

    @property
    def protein_id(self) -> str:
        """Return the ID of the protein."""
        return f"ENSP9{int(self.transcript):010d}"

    @property
    def places(self) -> list[tuple[int, int]]:
        """Return the exons, ascending."""
        return [ends(text) for text in self.exons.split(",")]

    @property
    def coding(self) -> list[tuple[int, int]]:
        """Return what of the exons is CDS."""
        if not self.cds:
            return []
        first, last = ends(self.cds)
        inside = [(max(start, first), min(end, last)) for start, end in self.places]
        return [(start, end) for start, end in inside if start <= end]

    def version_in(self, release: Release) -> str:
        """Return the version in a release."""
        return self.version.split("/")[-1 if release.number == 115 else 0]

    def in_order(self, places: list[tuple[int, int]]) -> list[int]:
        """Return positions in the direction of the transcript."""
        found = [pos for start, end in places for pos in range(start, end + 1)]
        return found if self.strand == "+" else found[::-1]


def ends(text: str) -> tuple[int, int]:
    """Return both ends of a range."""
    start, end = text.split("-")
    return int(start), int(end)


def read_genes(path: Path) -> list[Transcript]:
    """Read the table of genes."""
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [Transcript(**row) for row in csv.DictReader(lines, delimiter="\t")]


def drawn(what: str, choices: str | list[str]) -> str:
    """Return one of the choices, always the same for a text."""
    return choices[int.from_bytes(hashlib.sha256(what.encode()).digest()[:4], "big") % len(choices)]


def complement(base: str) -> str:
    """Return the base of the other strand."""
    return base.translate(str.maketrans("ACGT", "TGCA"))


def gene_bases(transcripts: list[Transcript]) -> dict[str, dict[int, str]]:
    """Return the bases of the genes, per chromosome; the first transcript of a gene decides them."""
    bases: dict[str, dict[int, str]] = defaultdict(dict)
    seen: set[str] = set()
    for item in transcripts:
        if item.gene in seen:
            continue
        seen.add(item.gene)
        known = bases[item.chrom]
        for pos in range(item.places[0][0] - GENE_MARGIN, item.places[-1][1] + GENE_MARGIN + 1):
            known.setdefault(pos, drawn(f"{item.chrom}:{pos}", "ACGT"))
        for before, behind in pairwise(item.places):
            intron = item.in_order([(before[1] + 1, behind[0] - 1)])
            _write(known, item, [*intron[:2], *intron[-2:]], "GTAG")
        _write(known, item, item.in_order(item.coding), coding_sequence(item))
    return bases


def _write(known: dict[int, str], item: Transcript, places: list[int], bases: str) -> None:
    """Write bases in the direction of a transcript."""
    for pos, base in zip(places, bases, strict=True):
        known[pos] = base if item.strand == "+" else complement(base)


def coding_sequence(item: Transcript) -> str:
    """Return codons without a stop but for the last one, as long as the CDS."""
    length = len(item.in_order(item.coding))
    if not length:
        return ""
    codons = [codon for codon, residue in AMINO_ACIDS.items() if residue != "*"]
    if item.chrom == "MT":
        codons = [codon for codon in codons if MITOCHONDRIAL.get(codon) != "*"]
    chosen = [drawn(f"{item.gene}/{number}", codons) for number in range(1, length // 3 + 1)]
    chosen[0] = "ATG"
    if place := special(item, "selenocysteine"):
        chosen[place - 1] = "TGA"
    text = "".join(chosen)
    return text + "TAA"[: length % 3] if length % 3 else text[:-3] + "TAA"


def special(item: Transcript, what: str) -> int:
    """Return the place in the protein that a note names; 0 for none."""
    match = re.search(rf"{what} at (\d+)", item.note)
    return int(match[1]) if match else 0


def protein(item: Transcript, known: dict[int, str]) -> str:
    """Return the peptide as Ensembl publishes it; a stop inside is an error of the table."""
    bases = [known[pos] for pos in item.in_order(item.coding)]
    text = "".join(bases if item.strand == "+" else map(complement, bases))
    table = AMINO_ACIDS | (MITOCHONDRIAL if item.chrom == "MT" else {})
    phase = int(item.phase)
    whole = [text[at : at + 3] for at in range(phase, len(text) - 2, 3)]
    residues = ["X"] * bool(phase) + [table[codon] for codon in whole]
    for what, residue in (("selenocysteine", "U"), ("RNA editing", "R")):
        if place := special(item, what):
            residues[place - 1] = residue
    found = "".join(residues).removesuffix("*")
    if "*" in found:
        raise click.ClickException(f"{GENES.name}: {item.id} has a stop inside its CDS")
    return found


def gff3_file(transcripts: list[Transcript], release: Release, chrom: str) -> bytes:
    """Return the gzipped gene models of a chromosome."""
    length = FASTA_LENGTHS[release.assembly][chrom]
    lines = [
        "##gff-version 3",
        f"##sequence-region   {chrom} 1 {length}",
        f"#!genome-version {release.assembly}",
        "#!authored demonstration, no gene of these names exists",
    ]
    for _, members in groupby(
        (item for item in transcripts if item.chrom == chrom), key=lambda item: item.gene
    ):
        lines += [*gene_lines(list(members), release), "###"]
    return bytes(deflate.gzip_compress(("\n".join(lines) + "\n").encode(), LEVEL))


def gene_lines(members: list[Transcript], release: Release) -> Iterator[str]:
    """Yield the lines of a gene."""
    first = members[0]
    kind = "gene" if first.gene_biotype == "protein_coding" else "ncRNA_gene"
    kind = "pseudogene" if "pseudogene" in first.gene_biotype else kind
    start = min(item.places[0][0] for item in members)
    end = max(item.places[-1][1] for item in members)
    about = f"Name={first.gene};biotype={first.gene_biotype};description=invented gene"
    yield _feature(
        first,
        kind,
        start,
        end,
        f"ID=gene:{first.gene_id};{about};gene_id={first.gene_id};version=1",
    )
    for item in members:
        yield from transcript_lines(item, release)


def transcript_lines(item: Transcript, release: Release) -> Iterator[str]:
    """Yield the lines of a transcript, its exons and its CDS."""
    types = {
        "lncRNA": "lnc_RNA",
        "Mt_tRNA": "tRNA",
        "processed_pseudogene": "pseudogenic_transcript",
    }
    kind = types.get(item.biotype, "mRNA" if item.cds else item.biotype)
    tags = item.tags115 if release.number == 115 and item.tags115 else item.tags
    named = {
        "ID": f"transcript:{item.id}",
        "Parent": f"gene:{item.gene_id}",
        "Name": f"{item.gene}-{int(item.transcript) + 200}",
        "biotype": item.biotype,
        "ccdsid": item.ccds,
        "tag": tags,
        "transcript_id": item.id,
        "transcript_support_level": item.tsl,
        "version": item.version_in(release),
    }
    about = ";".join(f"{key}={value}" for key, value in named.items() if value)
    yield _feature(item, kind, item.places[0][0], item.places[-1][1], about)
    for start, end in item.places:
        yield _feature(item, "exon", start, end, f"Parent=transcript:{item.id}")
    done = -int(item.phase or 0)
    for start, end in item.coding if item.strand == "+" else item.coding[::-1]:
        name = f"ID=CDS:{item.protein_id};Parent=transcript:{item.id};protein_id={item.protein_id}"
        yield _feature(item, "CDS", start, end, f"{name};version=1", str(-done % 3))
        done += end - start + 1


def _feature(
    item: Transcript, kind: str, start: int, end: int, attributes: str, phase: str = "."
) -> str:
    columns = [item.chrom, "demo", kind, start, end, ".", item.strand, phase, attributes]
    return "\t".join(map(str, columns))


def peptide_file(
    transcripts: list[Transcript], release: Release, known: dict[str, dict[int, str]]
) -> bytes:
    """Return the gzipped peptides of all chromosomes."""
    lines = []
    for item in (item for item in transcripts if item.cds):
        strand = "1" if item.strand == "+" else "-1"
        place = f"{item.chrom}:{item.places[0][0]}:{item.places[-1][1]}:{strand}"
        title = (
            f">{item.protein_id}.1 pep chromosome:{release.assembly}:{place} "
            f"gene:{item.gene_id}.1 transcript:{item.id}.{item.version_in(release)} "
            f"gene_biotype:{item.gene_biotype} transcript_biotype:{item.biotype} "
            f"gene_symbol:{item.gene} description:invented gene"
        )
        text = protein(item, known[item.chrom])
        lines += [title, *(text[at : at + 60] for at in range(0, len(text), 60))]
    return bytes(deflate.gzip_compress(("\n".join(lines) + "\n").encode(), LEVEL))


def gene_folders(
    transcripts: list[Transcript], release: Release, known: dict[str, dict[int, str]]
) -> dict[str, dict[str, bytes]]:
    """Return the files of genes of a release, by their folders."""
    chosen = [item for item in transcripts if item.releases in ("both", str(release.number))]
    number = GRCH37_GENES if release.assembly == "GRCh37" else release.number
    start = f"Homo_sapiens.{release.assembly}"
    models = {
        f"{start}.{number}.chromosome.{chrom}.gff3.gz": gff3_file(chosen, release, chrom)
        for chrom in FASTA_LENGTHS[release.assembly]
    }
    peptides = {f"{start}.pep.all.fa.gz": peptide_file(chosen, release, known)}
    return {"gff3/homo_sapiens": models, "fasta/homo_sapiens/pep": peptides}


def fasta_file(chrom: str, assembly: str, known: dict[int, str]) -> bytes:
    """Return one gzipped FASTA: N, but for the known bases, 60 to a line."""
    length = FASTA_LENGTHS[assembly][chrom]
    whole, rest = divmod(length, 60)
    sequence = bytearray((b"N" * 60 + b"\n") * whole + (b"N" * rest + b"\n" if rest else b""))
    for pos, base in known.items():
        sequence[pos - 1 + (pos - 1) // 60] = ord(base)
    title = f">{chrom} dna:chromosome chromosome:{assembly}:{chrom}:1:{length}:1 REF\n"
    return bytes(deflate.gzip_compress(title.encode() + sequence, LEVEL))


def fasta_files(
    rows: list[Row], genes: dict[str, dict[int, str]], assembly: str
) -> dict[str, bytes]:
    """Return the FASTA files of an assembly by their names."""
    bases = known_bases(rows, assembly)
    for chrom, known in genes.items():
        for pos in known.keys() & bases[chrom].keys():
            if known[pos] != bases[chrom][pos]:
                raise click.ClickException(
                    f"{TABLE.name}: {assembly} {chrom}:{pos} is {known[pos]} in a gene; a row says "
                    f"{bases[chrom][pos]}"
                )
        bases[chrom] |= known
    return {
        f"Homo_sapiens.{assembly}.dna.chromosome.{chrom}.fa.gz": fasta_file(
            chrom, assembly, bases.get(chrom, {})
        )
        for chrom in FASTA_LENGTHS[assembly]
    }


def bsd_sum(data: bytes) -> int:
    """Return the 16-bit checksum that ``sum -r`` prints."""
    total = 0
    for byte in data:
        total = ((total >> 1) + ((total & 1) << 15) + byte) & 0xFFFF
    return total


def checksums(files: dict[str, bytes]) -> bytes:
    """Return CHECKSUMS: what ``sum`` prints for each file, a tab and its name."""
    lines = (
        f"{bsd_sum(data):05d} {-(-len(data) // 1024):5d}\t{name}\n" for name, data in files.items()
    )
    return "".join(lines).encode()


def mirror(rows: list[Row], transcripts: list[Transcript]) -> dict[str, bytes]:
    """Return every file of the mirror by its path."""
    tree = {"README.md": README.encode()}
    genes = gene_bases(transcripts)
    sequences = {assembly: fasta_files(rows, genes, assembly) for assembly in FASTA_LENGTHS}
    for release in RELEASES:
        folders = {
            "variation/vcf/homo_sapiens": {
                f"homo_sapiens-chr{chrom}.vcf.gz": variation_file(rows, release, chrom)
                for chrom in LENGTHS
            },
            "fasta/homo_sapiens/dna": sequences[release.assembly],
            **gene_folders(transcripts, release, genes),
        }
        for folder, files in folders.items():
            for name, data in (files | {"CHECKSUMS": checksums(files)}).items():
                tree[f"{release.root}/{folder}/{name}"] = data
    return tree


SPECIAL = """\
# contig pos id ref alt info genotype: what is tried
chr1 1000012 . C CGCCACGG DP GT:0/1         # rs1469404497 left-aligned, at POS - 1
chr1 1000094 . TCG T DP;AF GT:0/1           # rs1014128468 left-aligned, at POS - 1
chr1 1000095 . CGC C DP GT:0/1              # rs1014128468 as Ensembl spells it
chr1 1000095 . C A,G DP;AF GT:1/2           # both ALTs known
chr1 1000095 . C G,T DP;AF GT:1/2           # one ALT known
chr1 1000095 . C CTTT . GT:0/1              # no ALT known at a known site
chr1 5411 . A T DP GT:0/1                   # only in 115, another allele
chr1 11794419 . t g DP GT:0/1               # lower case alleles
chr1 97450058 . A G DP GT:0/1               # REF differs from the reference's
chr1 97515787 . A C,* DP;AF GT:1/2          # a known ALT beside an overlapping deletion
chr1 97515839 . T * DP GT:1/1               # an overlapping deletion alone
chr1 97573863 . C A DP GT:0/1               # other allele at a known site
chr2 100000000 . A G DP;AF GT:0/1           # unknown site
chr2 100000100 . GT G . GT:0/1              # unknown site, deletion
chr2 233760233 . C CAT DP GT:0/1            # one insertion, in 115 under two IDs
chr3 50000000 . T <DEL> SVTYPE=DEL;END=50001200 GT:0/1   # symbolic
chr4 1804392 . G A,<NON_REF> DP GT:0/1      # a known ALT beside a block allele
chr4 1804393 . N <NON_REF> END=1804460 GT:0/0            # a block of a GVCF
chr4 99318162 rs1229984 T C DP;AF GT:1/1    # the ID is there already
chr5 112839514 my_variant T A DP GT:0/1     # an ID of the user's
chr5 132660272 mine;other A G DP GT:0/1     # two IDs of the user's
chr5 148826877 . A C DP GT:0/1              # REF differs from the reference's
chr6 396321 . C . DP GT:0/0                 # no ALT
chr6 18130687 . T C,A DP;AF GT:1/2          # one of two ALTs known
chr6 18138969 . C A DP GT:0/1               # no ALT known, the record has two others
chr7 117587799 . AGT CAT DP GT:0/1          # substitution of two bases, known singly
chr7 117587799 . AG AA DP GT:0/1            # rs121908755 with a base of context before
chr7 117587805 . GG AG DP GT:0/1            # rs121909013 with a base of context behind
chr10 94942234 . G A,T DP;AF GT:1/2         # both ALTs known
chr10 94942309 . G C . GT:0/1               # other allele at a known site
chr12 25245350 . C A,G,T DP;AF GT:0/3       # all three ALTs known
chr13 48037782 . A AGGAGTC DP GT:0/1        # an insertion without Ensembl's context
chr15 28120473 . C T DP GT:0/1              # unknown site beside a known one
chr17 7675088 . C T DP GT:0/1               # known, beside a record without alleles
chr19 44908684 rs9999999999 T C DP GT:0/1   # an rs that conflicts with the match
chr22 10000101 . CA C DP GT:0/1             # rs9000000101 at the other end of its run
chr22 10000101 . C CA DP GT:0/1             # rs9000000102 left-aligned
chr22 10000201 . GCA G DP GT:0/1            # rs9000000103 at the other end of its repeat
chr22 10000206 . CAC C DP GT:0/1            # rs9000000103 as Ensembl spells it
chr22 10000383 . A T DP GT:0/1              # rs9000000112 without its context
chr22 10099965 . A G DP GT:0/1              # upstream of DEMO1
chr22 10100120 . G A DP GT:0/1              # DEMO1: first base of an intron
chr22 10100560 . C A,T DP;AF GT:1/2         # DEMO1: two amino acids at the first base of an exon
chr22 10100580 . GAAG G DP GT:0/1           # DEMO1: loses an amino acid
chr22 10100584 . CA C DP GT:0/1             # DEMO1: shifts the frame
chr22 10105383 . G A DP GT:0/1              # DEMO2: a new stop; in the MANE Plus Clinical transcript, an intron
chr22 10110031 . T C DP GT:0/1              # DEMO3: loses the start codon
chr22 10110268 . A C DP GT:0/1              # DEMO3: loses the stop codon
chr22 10115472 . G A DP GT:0/1              # DEMO4: in an intron of 16 bases
chr22 10125012 . C T DP GT:0/1              # DEMO6: not coding
chr22 10130100 . G C DP GT:0/1              # DEMO7: selenocysteine
chr22 10140283 . G A DP GT:0/1              # DEMO9: its peptide is edited
chr22 10146034 . T G DP GT:0/1              # DEMO10: another amino acid, reverse strand
chr22 28695868 . AG A,AGG DP;AF GT:1/2      # one of two ALTs known
chrX 2781480 . A G . GT:1                   # unknown site, first base after PAR1
chrX 154546046 . ATGA A DP GT:1             # rs137852338 without its long context
chrY 640851 . C T DP GT:0/1                 # PAR1: to be looked up on X
chrY 56960499 . A G DP GT:0/1               # PAR2: on X at another position
chrY 12915617 . G A DP GT:1                 # other allele at a known site
chrM 310 . T TC DP GT:1                     # rs9000000323 at the other end of its run
chrM 2103 . C T DP GT:1                     # DEMO13: another amino acid, by the mitochondrial code
chrM 2245 . A G DP GT:1                     # DEMO14: not coding
chrM 3106 . CN C DP GT:1                    # an N in REF, to be taken literally
chrUn_KI270302v1 1000 . A G DP;AF GT:0/1    # a contig that the reference lacks
"""


@dataclass(frozen=True)
class Call:
    """One record of the sample VCF."""

    contig: str
    pos: int
    id: str
    ref: str
    alt: str
    info: str
    genotype: str

    @property
    def digest(self) -> bytes:
        """Return bytes from which depths and qualities are drawn."""
        text = f"{self.contig}:{self.pos}:{self.ref}:{self.alt}:{self.id}"
        return hashlib.sha256(text.encode()).digest()


def sample_calls(rows: list[Row]) -> list[Call]:
    """Return the records of the sample: the marked rows of the table and the special cases."""
    calls = []
    for row in rows:
        if row.sample:
            contig = "chrM" if row.chrom == "MT" else f"chr{row.chrom}"
            tags = ("DP", "DP;AF", ".")[int(row.pos38) % 3]
            calls.append(Call(contig, int(row.pos38), ".", row.ref, row.alt, tags, row.sample))
    for line in SPECIAL.splitlines()[1:]:
        contig, pos, name, ref, alt, tags, genotype = line.partition("#")[0].split()
        calls.append(Call(contig, int(pos), name, ref, alt, tags, genotype.removeprefix("GT:")))
    order = {contig: rank for rank, contig in enumerate(sample_contigs())}
    return sorted(calls, key=lambda call: (order[call.contig], call.pos))


def sample_contigs() -> dict[str, int]:
    """Return the contigs of the sample VCF and their lengths."""
    named = {"chrM" if c == "MT" else f"chr{c}": length for c, length in LENGTHS.items()}
    return named | dict([UNPLACED])


def sample_line(call: Call) -> str:
    """Return the line of a call, with authored depths and qualities."""
    alts = [] if call.alt == "." else call.alt.split(",")
    alleles = call.genotype.replace("|", "/").split("/")
    depth = 24 + call.digest[0] % 24
    shares = [alleles.count(str(index)) for index in range(len(alts) + 1)]
    depths = [depth * share // len(alleles) for share in shares]
    depths[int(alleles[-1])] += depth - sum(depths)
    quality = 60 + call.digest[1] % 40
    values = {
        "DP": f"DP={depth}",
        "AF": "AF=" + ",".join(f"{share / len(alleles):g}" for share in shares[1:]),
    }
    tags = ";".join(values.get(tag, tag) for tag in call.info.split(";"))
    data = f"{call.genotype}:{','.join(map(str, depths))}:{depth}:{quality}"
    columns = [call.contig, str(call.pos), call.id, call.ref, call.alt]
    status = "low_depth" if depth < 27 else "PASS"
    return "\t".join([*columns, str(quality * 10), status, tags, "GT:AD:DP:GQ", data])


def sample_file(rows: list[Row]) -> bytes:
    """Return the sample VCF as BGZF."""
    lines = [
        "##fileformat=VCFv4.2",
        "##source=authored demonstration, the genotypes of nobody",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##FILTER=<ID=low_depth,Description="Fewer than 27 reads">',
        '##ALT=<ID=DEL,Description="Deletion">',
        '##ALT=<ID=NON_REF,Description="Any allele other than REF">',
        '##INFO=<ID=DP,Number=1,Type=Integer,Description="Read depth">',
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency in the sample">',
        '##INFO=<ID=END,Number=1,Type=Integer,Description="Last position of the record">',
        '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type of structural variant">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Read depth per allele">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Read depth">',
        '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">',
        *(f"##contig=<ID={name},length={size}>" for name, size in sample_contigs().items()),
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tdemo",
        *map(sample_line, sample_calls(rows)),
    ]
    return compress_bgzf(("\n".join(lines) + "\n").encode(), LEVEL)


def write_tree(out: Path, tree: dict[str, bytes]) -> None:
    """Write the files below `out`; other files in the releases' folders are removed."""
    for name, data in tree.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for folder in sorted({release.root.split("/")[0] for release in RELEASES}):
        for path in sorted((out / folder).rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(out).as_posix() not in tree:
                path.unlink()


@click.command(help=__doc__)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/mini_ensembl"),
    show_default=True,
    help="Where the mirror goes.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/vcf"),
    show_default=True,
    help="Where sample.vcf.gz goes.",
)
def main(out: Path, samples: Path) -> None:
    """Write the mirror and the sample VCF."""
    rows = read_table(TABLE)
    tree = mirror(rows, read_genes(GENES))
    sample = sample_file(rows)
    write_tree(out, tree)
    samples.mkdir(parents=True, exist_ok=True)
    (samples / "sample.vcf.gz").write_bytes(sample)
    size = sum(map(len, tree.values()))
    click.echo(f"{out}: {len(tree)} files, {size} bytes, from {len(rows)} rows")


if __name__ == "__main__":
    main()
