"""Published GFF3 to the transcripts of the store, each held against the sequence and its peptide.

A *feature* is a line. What exons name as their parent is a transcript, and what that names is its gene,
whatever their types are called: the types change from release to release. Only ``exon`` and ``CDS`` are
read by their name. Lines of other types, and attributes that are not known, are counted.

A line that can't be read is an error. A transcript that contradicts itself or the sequence is quarantined
whole: half a model would give wrong consequences. From here the rows go to `store/genes.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby, islice, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import numpy as np
import polars as pl
import pyarrow as pa

from ensembl_annotations._kernel import Sequence2Bit
from ensembl_annotations.common.errors import SourceError, WrongAssemblyError
from ensembl_annotations.common.text import arrow_numbers
from ensembl_annotations.common.words import listed
from ensembl_annotations.fetch.convert.convert import MAX_BAD_PERCENT, BadRow
from ensembl_annotations.fetch.convert.peptides import (
    Comparison,
    Peptide,
    compare_peptide,
    peptide_of,
)
from ensembl_annotations.fetch.convert.pieces import cut_pieces, open_expanded
from ensembl_annotations.variants.schema import GENES, GENES_SCHEMA, Column

_NUM_FIELDS = 9
_LAST_PLACE = 2**31 - 1
_ID = re.compile(r"(?:^|;)ID=([^;]*)")
_PARENT = re.compile(r"(?:^|;)Parent=([^;]*)")
_REGION = re.compile(r"##sequence-region\s+(\S+)\s+(\d+)\s+(\d+)\s*")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_MITOCHONDRION = "MT"
_BIOTYPES = {"mRNA": "protein_coding"}
"""From a transcript's type, where its line has no biotype."""
_MIN_TRANSCRIPTS_FOR_SHARE = 1_000
_BATCH_ROWS = 4096
_KNOWN_ATTRIBUTES = frozenset(
    [
        "ID",
        "Parent",
        "Name",
        "Alias",
        "Is_circular",
        "biotype",
        "description",
        "gene_id",
        "transcript_id",
        "version",
        "tag",
        "ccdsid",
        "transcript_support_level",
        "logic_name",
        "external_name",
        "havana_gene",
        "havana_transcript",
        "havana_version",
        "projection_parent_gene",
        "projection_parent_transcript",
        "source",
    ]
)

Place = tuple[int, int]
"""First and last base, 1-based."""

SequenceOf = Callable[[str], Sequence2Bit | None]
"""From a contig to its sequence; None where the store has none."""


class _Unusable(Exception):
    """Why a transcript can't be used."""


@dataclass
class GenesFound:
    """What was found in published gene models.

    Attributes
    ----------
    peptides : Counter of str
        Transcripts by what their peptide says: the values of the column ``peptide``.
    num_transcripts, num_genes : int
        In the store.
    num_without_sequence : int
        Transcripts on contigs that the store has no sequence of; they are not in the store.
    other_types : Counter of str
        Lines of types that are not read, by type.
    unknown_attributes : Counter of str
        Attributes of genes and transcripts that are not known.
    reasons : Counter of str
        Quarantined transcripts by reason.
    first_bad : BadRow, optional
    """

    peptides: Counter[str] = field(default_factory=Counter)
    num_transcripts: int = 0
    num_genes: int = 0
    num_without_sequence: int = 0
    other_types: Counter[str] = field(default_factory=Counter)
    unknown_attributes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    first_bad: BadRow | None = None

    def notes(self) -> Iterator[str]:
        """Yield what is worth knowing of them."""
        counts = {
            "transcripts are on contigs without a sequence, and left out": self.num_without_sequence,
            "published peptides differ from the sequence: no amino-acid change is told there": self.peptides["edited"],
            "transcripts have a CDS, and no published peptide to check it with": self.peptides["unchecked"],
            "transcripts contradict themselves or the sequence, and are quarantined": self.reasons.total(),
        }  # fmt: skip
        for text, count in counts.items():
            if count:
                yield f"{count} {text}"
        if self.unknown_attributes:
            yield f"unknown attributes: {listed(sorted(self.unknown_attributes), 8)}"


@dataclass(slots=True)
class _Feature:
    """A line of a gene, a transcript or something else that has an ID, and its number."""

    number: int
    line: str
    fields: list[str]
    attributes: dict[str, str]


@dataclass(slots=True)
class _Parts:
    """What the lines of a transcript's exons and CDS say; `number` and `line` are the first one's."""

    number: int
    line: str
    strands: set[str] = field(default_factory=set)
    exons: list[Place] = field(default_factory=list)
    cds: list[tuple[int, int, str]] = field(default_factory=list)
    cds_attributes: str = ""


class _Block:
    """Features of one contig that may name each other: up to ``###``, or to the contig's end."""

    def __init__(self, contig: str) -> None:
        self.contig = contig
        self.features: dict[str, _Feature] = {}
        self.twice: set[str] = set()
        self.parts: dict[str, _Parts] = {}
        self.other_types: Counter[str] = Counter()

    def add(self, number: int, line: str, fields: list[str], where: str) -> None:
        """Add a line that has all its fields."""
        kind, attributes = fields[2], fields[8]
        if kind in ("exon", "CDS"):
            self._add_part(number, line, fields, where)
            return
        match = _ID.search(attributes)
        name = unquote(match[1]) if match else ""
        if not name or name in self.features:
            self.other_types[kind] += 1
            self.twice.add(name)
        else:
            self.features[name] = _Feature(number, line, fields, _attributes(attributes))

    def _add_part(self, number: int, line: str, fields: list[str], where: str) -> None:
        kind, attributes = fields[2], fields[8]
        parents = _PARENT.search(attributes)
        if parents is None:
            raise _unreadable(where, f"{kind} with a Parent", attributes)
        start, end = int(fields[3]), int(fields[4])
        for parent in map(unquote, parents[1].split(",")):
            parts = self.parts.get(parent)
            if parts is None:
                parts = self.parts[parent] = _Parts(number, line)
            parts.strands.add(fields[6])
            if kind == "exon":
                parts.exons.append((start, end))
            else:
                parts.cds.append((start, end, fields[7]))
                parts.cds_attributes = attributes


def _attributes(text: str) -> dict[str, str]:
    entries = (entry.partition("=") for entry in text.split(";") if entry)
    return {key.strip(): unquote(value) for key, _, value in entries}


def transcripts_of(
    path: Path,
    name: str,
    chromosome: str,
    *,
    sequence_of: SequenceOf,
    peptides: Mapping[str, Peptide],
    quarantine: Callable[[BadRow], object] = lambda _: None,
    found: GenesFound | None = None,
    max_bad_percent: float = MAX_BAD_PERCENT,
    sha256: str | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the transcripts of each contig of a published GFF3 file.

    Parameters
    ----------
    path, name : Path, str
        The gzip file, and its name for messages.
    chromosome : str
        The chromosome it must hold; ``all`` for any.
    sequence_of : callable
        Gives the sequence of a contig, None where there is none: its transcripts are counted only.
    peptides : mapping of str to Peptide
        As `read_peptides` returns them.
    quarantine : callable
        Called with every transcript that can't be used.
    found : GenesFound, optional
        Is filled in.
    max_bad_percent : float
        The largest share of transcripts that may be unusable, from 1,000 on; some must be usable in
        any case.
    sha256, progress
        As for `open_expanded`.

    Yields
    ------
    tuple of (str, Table)
        A contig, and its rows with the columns `GENES`, sorted by start, end and transcript_id.

    Raises
    ------
    SourceError
        Where the file is cut or is not GFF3, or too many transcripts are bad.
    WrongAssemblyError
        Where it says that a contig has another length than the sequence.

    Notes
    -----
    The rows of one contig at a time are in memory, and one block of lines.
    """
    found = GenesFound() if found is None else found
    with open_expanded(path, name, progress, sha256) as text:
        blocks = _read_blocks(text, name, chromosome, sequence_of)
        for contig, members in groupby(blocks, attrgetter("contig")):
            sequence = sequence_of(contig)
            if sequence is None:
                found.num_without_sequence += sum(len(block.parts) for block in members)
                continue
            rows = (_rows_of(block, sequence, peptides, found, quarantine) for block in members)
            table = _sorted_table(chain.from_iterable(rows), name)
            if len(table):
                yield contig, table
    _refuse_bad(found, name, max_bad_percent)


def _refuse_bad(found: GenesFound, name: str, max_bad_percent: float) -> None:
    bad = found.reasons.total()
    total = found.num_transcripts + bad
    if found.first_bad is None:
        return
    too_many = total >= _MIN_TRANSCRIPTS_FOR_SHARE and bad * 100 > max_bad_percent * total
    if too_many or not found.num_transcripts:
        number, reason, _ = found.first_bad
        raise SourceError(
            f"{name}: {bad} of {total} transcripts can't be used, more than {max_bad_percent:g} %; "
            f"the first is line {number}: {reason}.",
            hint="The file may be damaged, or its format may have changed; report it with that line.",
        )


# --- Lines ---------------------------------------------------------------------------------------


def _unreadable(where: str, expected: str, found: str) -> SourceError:
    return SourceError(
        f"{where}: expected {expected}, found {found[:60]!r}.",
        hint="The file may be damaged, or its format may have changed; report it with that line.",
    )


def _read_blocks(
    text: BinaryIO, name: str, chromosome: str, sequence_of: SequenceOf
) -> Iterator[_Block]:
    block: _Block | None = None
    begun: set[str] = set()
    for number, line in _read_lines(text, name):
        where = f"{name}, line {number}"
        if number == 1 and not re.match(r"##gff-version\s+3", line):
            raise _unreadable(where, "##gff-version 3", line)
        if line.startswith("#") or not line:
            _check_region(line, where, sequence_of)
            if block is not None and line.startswith("###"):
                yield block
                block = _Block(block.contig)
            continue
        fields = _checked_fields(line, where, chromosome)
        if block is None or fields[0] != block.contig:
            if fields[0] in begun:
                raise SourceError(
                    f"{where}: features of {fields[0]} stand in several places; expected one "
                    "contig after the other.",
                    hint="The file's format may have changed; report it with that line.",
                )
            begun.add(fields[0])
            if block is not None:
                yield block
            block = _Block(fields[0])
        block.add(number, line, fields, where)
    if block is None:
        raise SourceError(f"{name}: has no features; expected GFF3 with gene models.")
    yield block


def _read_lines(text: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line, up to a part of sequences."""
    for piece in cut_pieces(text, 1, name):
        lines = piece.data.decode("utf-8", "replace").removesuffix("\n").split("\n")
        for number, line in enumerate(lines, piece.first_line):
            if line.startswith("##FASTA"):
                return
            yield number, line.removesuffix("\r")


def _check_region(line: str, where: str, sequence_of: SequenceOf) -> None:
    """Refuse a contig that has not the length of the sequence.

    Notes
    -----
    Ensembl's Y of human is told from behind its first pseudo-autosomal region to the second one.
    """
    match = _REGION.fullmatch(line)
    sequence = sequence_of(match[1]) if match else None
    if match is None or sequence is None:
        return
    start, end, length = int(match[2]), int(match[3]), sequence.num_bases
    if end != length and (start == 1 or end > length):
        raise WrongAssemblyError(
            f"{where}: {match[1]} has {end:,} bases; expected {length:,}, as its sequence has.",
            hint="The gene models are of another assembly, or the sequence is: try another mirror "
            "with --force, or fetch without genes.",
        )


def _checked_fields(line: str, where: str, chromosome: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) != _NUM_FIELDS:
        raise _unreadable(where, f"{_NUM_FIELDS} fields", line)
    if chromosome not in ("all", fields[0]):
        raise _unreadable(where, f"a feature of {chromosome}", fields[0])
    is_place = fields[3].isdecimal() and fields[4].isdecimal()
    if not is_place or not 0 < int(fields[3]) <= int(fields[4]) <= _LAST_PLACE:
        raise _unreadable(where, "start and end, 1-based", " ".join(fields[3:5]))
    return fields


# --- Transcripts ---------------------------------------------------------------------------------


def _rows_of(
    block: _Block,
    sequence: Sequence2Bit,
    peptides: Mapping[str, Peptide],
    found: GenesFound,
    quarantine: Callable[[BadRow], object],
) -> list[dict[str, Any]]:
    rows, used = [], dict[str, _Feature]()
    names = dict.fromkeys([*block.parts, *filter(_is_transcript, block.features)])
    for name in names:
        try:
            feature, gene = _with_gene(block, name)
            rows.append(_row_of(block, name, feature, gene, sequence, peptides))
        except _Unusable as problem:
            first = block.features.get(name) or block.parts[name]
            bad = (first.number, str(problem), first.line)
            found.reasons[str(problem)] += 1
            found.first_bad = found.first_bad or bad
            quarantine(bad)
            continue
        used[name] = feature
        used[feature.attributes["Parent"]] = gene
    for feature in used.values():
        found.unknown_attributes.update(feature.attributes.keys() - _KNOWN_ATTRIBUTES)
    found.other_types += block.other_types
    found.other_types.update(
        feature.fields[2]
        for name, feature in block.features.items()
        if name not in used and name not in names
    )
    _share_starts(rows)
    found.peptides.update(row["peptide"] for row in rows)
    found.num_transcripts += len(rows)
    found.num_genes += len(used) - len(rows)
    return rows


def _share_starts(rows: list[dict[str, Any]]) -> None:
    """Note that a start is known where another transcript of the gene has it, and there it is known."""
    whole = [row for row in rows if row["peptide"] == "agrees" and row["cds_phase"] == 0]
    starts = [
        (row["gene_id"], row["cds_start" if row["strand"] > 0 else "cds_end"]) for row in whole
    ]
    known = {start for row, start in zip(whole, starts, strict=True) if not row["cds_start_nf"]}
    for row, start in zip(whole, starts, strict=True):
        row["cds_start_nf"] = start not in known


def _with_gene(block: _Block, name: str) -> tuple[_Feature, _Feature]:
    """Return the features of a transcript and of its gene."""
    feature = block.features.get(name)
    if feature is None:
        raise _Unusable("its parent is missing")
    if name in block.twice:
        raise _Unusable("its ID stands there twice")
    parent = feature.attributes.get("Parent", "")
    gene = block.features.get(parent)
    if gene is None:
        raise _Unusable("it has several genes" if "," in parent else "its gene is missing")
    return feature, gene


def _is_transcript(name: str) -> bool:
    """Tell whether an ID is that of a transcript, as Ensembl writes them."""
    return name.startswith("transcript:")


def _row_of(
    block: _Block,
    name: str,
    feature: _Feature,
    gene: _Feature,
    sequence: Sequence2Bit,
    peptides: Mapping[str, Peptide],
) -> dict[str, Any]:
    """Return the columns `GENES` of a transcript; raise _Unusable where it contradicts itself."""
    strand = feature.fields[6]
    if strand not in ("+", "-"):
        raise _Unusable("it has no strand")
    parts = block.parts.get(name)
    exons = _checked_exons(feature, parts, sequence.num_bases)
    own, of_gene = feature.attributes, gene.attributes
    tags = own.get("tag", "").split(",")
    level = re.match(r"[1-5](?!\d)", own.get("transcript_support_level", ""))
    row: dict[str, Any] = {
        "chrom": block.contig,
        "start": exons[0][0],
        "end": exons[-1][1],
        "strand": 1 if strand == "+" else -1,
        "transcript_id": own.get("transcript_id") or _bare(name),
        "transcript_version": _version_of(own),
        "gene_id": of_gene.get("gene_id") or _bare(own["Parent"]),
        "gene_version": _version_of(of_gene),
        "symbol": of_gene.get("Name") or of_gene.get("external_name") or None,
        "gene_biotype": of_gene.get("biotype") or gene.fields[2],
        "biotype": own.get("biotype") or _BIOTYPES.get(feature.fields[2], feature.fields[2]),
        "exon_starts": [start for start, _ in exons],
        "exon_ends": [end for _, end in exons],
        "canonical": "Ensembl_canonical" in tags,
        "mane_select": "MANE_Select" in tags,
        "mane_plus_clinical": "MANE_Plus_Clinical" in tags,
        "tsl": int(level[0]) if level else None,
        "ccds": own.get("ccdsid") or None,
        "tags": own.get("tag") or None,
    }
    if parts is None or not parts.cds:
        return row | vars(Comparison("none"))
    return row | _coding_columns(row, exons, parts, sequence, peptides)


def _checked_exons(feature: _Feature, parts: _Parts | None, num_bases: int) -> list[Place]:
    """Return the exons of a transcript in ascending order."""
    exons = sorted(parts.exons) if parts else []
    if parts is None or not exons:
        raise _Unusable("it has no exons")
    if parts.strands != {feature.fields[6]}:
        raise _Unusable("its parts are on another strand")
    if exons[-1][1] > num_bases:
        raise _Unusable("it ends behind the end of its contig")
    if any(before[1] >= behind[0] for before, behind in pairwise(exons)):
        raise _Unusable("its exons overlap")
    if (exons[0][0], exons[-1][1]) != tuple(map(int, feature.fields[3:5])):
        raise _Unusable("its exons do not begin and end where it does")
    return exons


def _coding_columns(
    row: Mapping[str, Any],
    exons: list[Place],
    parts: _Parts,
    sequence: Sequence2Bit,
    peptides: Mapping[str, Peptide],
) -> dict[str, Any]:
    """Return the columns of a transcript with a CDS that say something of it."""
    pieces = sorted(parts.cds)
    start, end = pieces[0][0], pieces[-1][1]
    inside = [(max(first, start), min(last, end)) for first, last in exons]
    if [(first, last) for first, last in inside if first <= last] != [item[:2] for item in pieces]:
        raise _Unusable("its CDS is not what its exons have between the ends of the CDS")
    is_forward = row["strand"] == 1
    phase = pieces[0 if is_forward else -1][2]
    if phase not in ("0", "1", "2"):
        raise _Unusable("its CDS has no phase")
    bases = "".join(
        sequence.bases(first - 1, last - first + 1).decode() for first, last, _ in pieces
    )
    reaches = (start == row["start"], end == row["end"])
    peptide = peptide_of(peptides, row["transcript_id"], row["transcript_version"])
    compared = compare_peptide(
        bases if is_forward else bases.translate(_COMPLEMENT)[::-1],
        int(phase),
        peptide.residues if peptide else None,
        is_mitochondrial=row["chrom"] == _MITOCHONDRION,
        starts_transcript=reaches[0 if is_forward else 1],
        ends_transcript=reaches[1 if is_forward else 0],
        is_representative=row["biotype"] == "protein_coding"
        and (row["canonical"] or row["mane_select"]),
    )
    protein = _attributes(parts.cds_attributes)
    protein_id = protein.get("protein_id") or _bare(protein.get("ID", ""))
    version = _version_of(protein)
    if peptide and version is None and protein_id in ("", peptide.protein_id):
        protein_id, version = peptide.protein_id, peptide.protein_version
    return {
        "protein_id": protein_id or None,
        "protein_version": version,
        "cds_start": start,
        "cds_end": end,
        "cds_phase": int(phase),
        **vars(compared),
    }


def _bare(name: str) -> str:
    """Return an ID without what Ensembl puts before it: ``gene:``, ``transcript:``, ``CDS:``."""
    return name.rpartition(":")[2]


def _version_of(attributes: Mapping[str, str]) -> int | None:
    version = attributes.get("version", "")
    return int(version) if re.fullmatch(r"\d{1,9}", version) else None


def _column(column: Column, values: list[Any]) -> pa.Array:
    """Return values as Arrow (``pa.array`` would import pandas where it is installed)."""
    if not pa.types.is_list(column.dtype):
        return pl.Series(values).to_arrow().cast(column.dtype)
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    items = np.fromiter(chain.from_iterable(values), np.int32, int(ends[-1]))
    return pa.ListArray.from_arrays(arrow_numbers(ends), arrow_numbers(items), type=column.dtype)


def _sorted_table(rows: Iterator[dict[str, Any]], name: str) -> pa.Table:
    tables = [pa.Table.from_batches([], GENES_SCHEMA)]
    while batch := list(islice(rows, _BATCH_ROWS)):
        columns = [_column(item, [row.get(item.name) for row in batch]) for item in GENES]
        tables.append(pa.table(columns, schema=GENES_SCHEMA))
    table = pa.concat_tables(tables)
    if len(table["transcript_id"].unique()) < len(table):
        ((twice, _),) = Counter(table["transcript_id"].to_pylist()).most_common(1)
        raise SourceError(
            f"{name}: the transcript {twice} stands there twice, in two genes.",
            hint="The file may be damaged; try another mirror with --force.",
        )
    return table.sort_by([(key, "ascending") for key in ("start", "end", "transcript_id")])
