"""Consequences of single ALTs for the transcripts of a genome that a test has in memory or as files."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from ensembl_annotations import _kernel
from ensembl_annotations._kernel import MATCHED, Contig, Genes, Room, Sequence2Bit, Settings
from ensembl_annotations.fetch.convert.fasta import convert_fasta
from ensembl_annotations.fetch.convert.gff3 import GenesFound, transcripts_of
from ensembl_annotations.fetch.convert.peptides import read_peptides
from ensembl_annotations.store.describe import FileIdentity, Origin, bare_parts
from ensembl_annotations.store.genes import write_genes
from ensembl_annotations.store.sequence import SequenceWriter, opened_sequence
from ensembl_annotations.variants.outcomes import CSQ_FIELDS, TAG_IDS
from ensembl_annotations.variants.schema import GENES_SCHEMA

ORIGIN = Origin("homo_synthetica", "SYN11", 116)
TRUTH = Path(__file__).parents[1] / "data" / "consequences"

Alt = tuple[str, int, str, str]
"""chrom, pos, ref, alt."""

SCORED = (
    "chrom", "pos", "ref", "alt", "gene", "transcript", "biotype", "consequence", "impact", "exon", "intron",
    "cdna_position", "cds_position", "protein_position", "amino_acids", "codons", "distance", "flags", "hgvsc", "hgvsp",
    "pick",
)  # fmt: skip
"""Columns of the calls, as a comparison with VEP has them."""

_TAGS = sum(1 << TAG_IDS.index(tag) for tag in ("ENS_CSQ", "ENS_WORST"))


def transcript(contig: str, exons: Sequence[tuple[int, int]], **more: Any) -> dict[str, Any]:
    """Return a row of `GENES`: a transcript without a CDS, unless more is said."""
    row = dict.fromkeys(GENES_SCHEMA.names)
    row |= {
        "chrom": contig,
        "start": exons[0][0],
        "end": exons[-1][1],
        "strand": 1,
        "transcript_id": "ENST90000000001",
        "transcript_version": 1,
        "gene_id": "ENSG90000000001",
        "symbol": "DEMO1",
        "gene_biotype": "lncRNA",
        "biotype": "lncRNA",
        "exon_starts": [start for start, _ in exons],
        "exon_ends": [end for _, end in exons],
        **dict.fromkeys(("canonical", "mane_select", "mane_plus_clinical"), False),
        **dict.fromkeys(("cds_start_nf", "cds_end_nf"), False),
        "selenocysteines": [],
        "peptide": "none",
    }
    if "cds_start" in more:
        coding = {"biotype": "protein_coding", "protein_id": "ENSP90000000001", "cds_phase": 0}
        row |= {**coding, "protein_version": 1, "peptide": "agrees"}
    return row | more


def transcript_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Return transcripts in the order of the store."""
    order = sorted(rows, key=lambda row: (row["start"], row["end"], row["transcript_id"]))
    return pa.Table.from_pylist(order, GENES_SCHEMA)


def random_transcripts(contig: str, length: int, count: int) -> list[dict[str, Any]]:
    """Return transcripts of any shape on a contig."""
    draw = random.Random(count)
    rows = []
    for number in range(count):
        begin = draw.randrange(1, length - 40)
        width = draw.randrange(20, min(length - begin, 4000))
        edges = sorted(draw.sample(range(begin, begin + width), 2 * draw.randrange(1, 8)))
        exons = list(zip(edges[::2], edges[1::2], strict=True))
        more: dict[str, Any] = {
            "strand": draw.choice((1, -1)),
            "transcript_id": f"ENST{number:011}",
        }
        if draw.random() < 0.7:
            inside = [place for start, end in exons for place in range(start, end + 1)]
            low, high = sorted(draw.choices(inside, k=2))
            more |= {"cds_start": low, "cds_end": high, "cds_phase": draw.randrange(3)}
            more |= {
                "cds_start_nf": draw.random() < 0.3,
                "selenocysteines": draw.sample(range(1, 50), draw.randrange(3)),
            }
        rows.append(transcript(contig, exons, **more))
    return rows


class Genome:
    """Sequences and transcripts, opened for calls; close it, or use it with `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._opened: dict[str, tuple[Sequence2Bit, Genes | None]] = {}

    def __enter__(self) -> Genome:
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()

    def forget(self) -> None:
        """Close the files; they are opened again when they are needed."""
        self._opened.clear()
        self._stack.close()

    def add(self, contig: str, bases: str, transcripts: Sequence[dict[str, Any]]) -> None:
        """Add a contig whose transcripts have the columns `GENES`."""
        writer = SequenceWriter(self.folder, FileIdentity.of(ORIGIN, contig, "sequence"))
        writer.add(bases.upper().encode())
        writer.finish()
        identity = FileIdentity.of(ORIGIN, contig, "genes")
        write_genes(self.folder, identity, transcript_table(transcripts))

    def contig(self, name: str) -> Contig:
        sequence, genes = self._open(name)
        handle = genes and genes.handle
        return Contig(None, None, sequence.handle, None, MATCHED, False, handle, None, name == "MT")

    def _open(self, name: str) -> tuple[Sequence2Bit, Genes | None]:
        if name not in self._opened:
            path = self.folder / FileIdentity.of(ORIGIN, name, "sequence").file_name
            handle = self._stack.enter_context(path.open("rb"))
            sequence, genes = Sequence2Bit(handle.fileno(), 0, *bare_parts(handle)), None
            path = self.folder / FileIdentity.of(ORIGIN, name, "genes").file_name
            if path.exists():
                handle = self._stack.enter_context(path.open("rb"))
                footer = bare_parts(handle)[1]
                genes = Genes(handle.fileno(), 1, path.stat().st_size, footer[:-8])
            self._opened[name] = sequence, genes
        return self._opened[name]

    def annotated(
        self, alts: Sequence[Alt], transcripts: str = "all", room: Room | None = None
    ) -> list[dict[str, str]]:
        """Return INFO of a record for each ALT, in order."""
        lines = [f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t." for chrom, pos, ref, alt in alts]
        text = "".join(f"{line}\n" for line in lines).encode()
        names = [name.decode() for name, _ in _kernel.contig_runs(text)]
        distinct = list(dict.fromkeys(names))
        settings = Settings(8, tags=_TAGS, transcripts=transcripts)
        contigs = [self.contig(name) for name in distinct]
        with _kernel.annotated(
            text, settings, contigs, [distinct.index(name) for name in names], room
        ) as result:
            out = bytes(result.text).decode()
        infos = [line.split("\t")[7] for line in out.splitlines()]
        return [
            dict(item.split("=", 1) for item in info.split(";")) if info != "." else {}
            for info in infos
        ]

    def calls(self, alts: Sequence[Alt], transcripts: str = "all") -> list[list[dict[str, str]]]:
        """Return the entries of ENS_CSQ of each ALT alone, with the fields in lower case."""
        return [list(_entries(info)) for info in self.annotated(alts, transcripts)]


def _entries(info: dict[str, str]) -> Iterator[dict[str, str]]:
    names = [name.lower() for name in CSQ_FIELDS]
    for entry in info["ENS_CSQ"].split(",") if "ENS_CSQ" in info else ():
        yield dict(zip(names, entry.split("|"), strict=True))


def scored(alt: Alt, entry: dict[str, str]) -> dict[str, str]:
    """Return a call as a comparison with VEP has it: names without the sequence's, - for no transcript."""
    bare = {name: entry[name].partition(":")[2].replace("%3D", "=") for name in ("hgvsc", "hgvsp")}
    place = dict(zip(("chrom", "pos", "ref", "alt"), map(str, alt), strict=True))
    row = {**entry, **bare, **place, "transcript": entry["feature"]}
    named = {name: row[name] or "-" for name in ("gene", "transcript", "biotype")}
    return {name: (row | named)[name] for name in SCORED}


def write_scored(path: Path, genome: Genome, alts: Sequence[Alt]) -> None:
    """Write all calls as a table, for a comparison with what VEP says of each ALT alone and trimmed."""
    with path.open("w") as out:
        table = csv.DictWriter(out, SCORED, delimiter="\t", lineterminator="\n")
        table.writeheader()
        for alt, entries in zip(alts, genome.calls(alts), strict=True):
            table.writerows(scored(alt, entry) for entry in entries)


def opened_files(folder: Path, fasta: Iterable[Path], gff3: Path, peptides: Path) -> Genome:
    """Convert published files as `fetch` does, and open them."""
    with ExitStack() as stack:
        sequences = {
            name: stack.enter_context(opened_sequence(item.path))
            for path in fasta
            for name, item in convert_fasta(path, path.name, "all", folder, ORIGIN).items()
        }
        bad: list[Any] = []
        tables = transcripts_of(
            gff3,
            gff3.name,
            "all",
            sequence_of=sequences.get,
            peptides=read_peptides(peptides, peptides.name, "all"),
            quarantine=bad.append,
            found=GenesFound(),
        )
        for contig, table in tables:
            write_genes(folder, FileIdentity.of(ORIGIN, contig, "genes"), table)
        assert not bad, bad[:3]
    return Genome(folder)


def read_truth() -> dict[Alt, list[dict[str, str]]]:
    """Return what VEP says of each ALT, by ALT."""
    found: dict[Alt, list[dict[str, str]]] = {}
    with gzip.open(TRUTH / "truth.tsv.gz", "rt") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            alt = row["chrom"], int(row["pos"]), row["ref"], row["alt"]
            found.setdefault(alt, []).append(row)
    return found
