"""Consequences of single ALTs for the transcripts of a genome that a test has in memory or as files."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from ensembl_annotations import _kernel
from ensembl_annotations._kernel import MATCHED, Contig, Genes, Sequence2Bit, Settings, view
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


class Genome:
    """Sequences and transcripts, opened for calls; close it, or use it with `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._opened: dict[str, tuple[Sequence2Bit, Genes | None]] = {}

    def __enter__(self) -> Genome:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.clear()
        self._stack.close()

    def add(self, contig: str, bases: str, transcripts: Sequence[dict[str, Any]]) -> None:
        """Add a contig whose transcripts have the columns `GENES`."""
        writer = SequenceWriter(self.folder, FileIdentity.of(ORIGIN, contig, "sequence"))
        writer.add(bases.upper().encode())
        writer.finish()
        rows = sorted(transcripts, key=lambda row: (row["start"], row["end"], row["transcript_id"]))
        table = pa.Table.from_pylist(rows, GENES_SCHEMA)
        write_genes(self.folder, FileIdentity.of(ORIGIN, contig, "genes"), table)

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

    def annotated(self, alts: Sequence[Alt], transcripts: str = "all") -> list[dict[str, str]]:
        """Return INFO of a record for each ALT, in order."""
        lines = [f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t." for chrom, pos, ref, alt in alts]
        text = "".join(f"{line}\n" for line in lines).encode()
        names = [name.decode() for name, _ in _kernel.contig_runs(text)]
        distinct = list(dict.fromkeys(names))
        settings = Settings(8, tags=_TAGS, transcripts=transcripts)
        contigs = [self.contig(name) for name in distinct]
        with _kernel.annotated(
            text, settings, contigs, [distinct.index(name) for name in names]
        ) as result:
            out = bytes(view(result.text, result.text_bytes)).decode()
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
