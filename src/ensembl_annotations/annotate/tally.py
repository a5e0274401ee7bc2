"""What is counted while a VCF is annotated, and the file it is kept in, ``tally.json``.

The *tally* has all that a report of the run needs: the counts of the metrics, those of the charts by contig,
window, kind and status, and the variants with a pathogenic term, by name. Its size depends on the
genome's length, not on the number of records. It says as much of a person as the VCF does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ensembl_annotations._kernel import Cell, Columns
from ensembl_annotations.annotate.rows import NUMBERED, array_of, numbered
from ensembl_annotations.common.json_files import compact_json
from ensembl_annotations.variants.outcomes import IMPACTS, TERMS
from ensembl_annotations.variants.schema import ANNOTATION, CONSEQUENCE, GENOTYPE, RESULT
from ensembl_annotations.vcf.called import called_alleles
from ensembl_annotations.vcf.read import FILTER, FORMAT, SAMPLE, Header, Piece

Number = TypeVar("Number", bound=np.generic)

WINDOW = 1_000_000
"""Bases of a window along a contig, as the kernel counts."""

MOST_LISTED = 10_000
"""Variants with a pathogenic term that are listed: far more than a person has; the table has all."""

MOST_GENES = 100
"""Genes with consequences of high or moderate impact that are listed."""

PATHOGENIC = ("pathogenic", "likely_pathogenic")
KNOWN, NOVEL, OTHER = range(3)
"""Status of an ALT: in Ensembl, not in Ensembl, or not comparable."""

KINDS = ("not a sequence", "insertion", "deletion", "SNV", "MNV", "indel")
"""Kinds of ALTs, as the kernel numbers them."""

CUBE = ("chrom", "window", "status", "kind", "transition")
Cube = dict[tuple[str, int, int, str, bool | None], int]
"""Number of ALTs by `CUBE`: contig, window, status, kind, whether a transition; in the order of the VCF."""

COLUMNS = (
    "alt_index", "chrom", "pos", "ref", "alt", "ens_id", "ens_af", "ens_af_why", "ens_clin", "ens_rsclin", "ens_par",
    "ens_gene", "ens_symbol", "ens_impact", "ens_hgvsc", "ens_hgvsp", "ens_worst", "line", "af_text",
)  # fmt: skip
"""What `part_of` counts from, of the kernel's columns."""

_TYPES = {item.name: item.dtype for item in (*RESULT, *GENOTYPE, *ANNOTATION, *CONSEQUENCE)}
_SHOWN = numbered(
    pa.schema(
        [(name, _TYPES[name]) for name in COLUMNS if name in _TYPES and name != "ens_af"]
        + [("af_text", pa.string()), ("line", pa.int64())]
    )
)
_LISTS = pa.list_(pa.string())
_MOST_SHOWN = 40
_MOST_CHANGE = 80
_FREQUENCIES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
# Beside a pathogenic one, terms of somebody who concluded otherwise.
_CONTRARY = ("benign", "likely_benign", "uncertain_significance")


@dataclass(frozen=True)
class Listed:
    """A variant with a pathogenic term, as the page lists it.

    `rank` orders the list, and is not in the file: by the genotype, then pathogenic before likely pathogenic.
    `gene`, `hgvs` and `impact` are those of the picked transcript; empty where the ALT was not called.
    """

    rank: tuple[int, bool]
    place: str
    change: str
    ids: tuple[str, ...]
    terms: str
    frequency: str
    filter: str
    genotype: str
    gene: str = ""
    hgvs: str = ""
    impact: str = ""


@dataclass
class Pathogenic:
    """ALTs with a pathogenic term: how many, by what the genotypes say, and the list of them by rank.

    `genotypes` counts ``carried`` (by any sample), ``not carried``, ``not called`` and ``no genotype``;
    `num_filtered` those that count on the page (carried, or without a genotype) but whose record
    did not pass the caller's filters.
    """

    genotypes: Counter[str] = field(default_factory=Counter)
    listed: list[Listed] = field(default_factory=list)
    num_filtered: int = 0

    def add(self, other: Pathogenic) -> None:
        """Add those of the next piece."""
        self.genotypes += other.genotypes
        self.num_filtered += other.num_filtered
        if other.listed:
            # The sort is stable: of one rank they stay in the order of the VCF.
            listed = sorted((*self.listed, *other.listed), key=lambda item: item.rank)
            self.listed = listed[:MOST_LISTED]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return {
            "genotypes": _ordered(self.genotypes),
            "listed": [
                {name: value for name, value in asdict(item).items() if name != "rank"}
                for item in self.listed
            ],
            "num_filtered": self.num_filtered,
        }


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Return counts by name: which was counted first depends on threads, and on the pieces of the VCF."""
    return dict(sorted(counts.items()))


@dataclass(frozen=True)
class Part:
    """What a piece of the VCF adds to the tally."""

    cube: Cube
    frequencies: Counter[str]
    terms: Counter[str]
    other_terms: Counter[str]
    certain: Pathogenic
    uncertain: Pathogenic
    genes: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass
class Findings:
    """Counts of a whole run; their size depends on the genome's length, not on the number of records.

    `genes` counts ALTs by gene and impact, `HIGH` or `MODERATE`, of their most severe consequence.
    """

    frequencies: Counter[str] = field(default_factory=Counter)
    terms: Counter[str] = field(default_factory=Counter)
    other_terms: Counter[str] = field(default_factory=Counter)
    certain: Pathogenic = field(default_factory=Pathogenic)
    uncertain: Pathogenic = field(default_factory=Pathogenic)
    genes: Counter[tuple[str, str]] = field(default_factory=Counter)
    cube: Cube = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Add what the next piece of the input has."""
        self.frequencies += part.frequencies
        self.terms += part.terms
        self.other_terms += part.other_terms
        self.certain.add(part.certain)
        self.uncertain.add(part.uncertain)
        self.genes.update(part.genes)
        for key, count in part.cube.items():
            self.cube[key] = self.cube.get(key, 0) + count


def part_of(columns: Columns, piece: Piece, chroms: Sequence[str]) -> Part:
    """Count what a piece adds.

    Parameters
    ----------
    columns : Columns
        Of the piece: at least `COLUMNS`.
    piece : Piece
    chroms : sequence of str
        CHROM of each run.
    """
    of_alt, of_id = _listed_terms(columns, "ens_clin"), _listed_terms(columns, "ens_rsclin")
    terms, others = (Counter(chain.from_iterable(item.values())) for item in (of_alt, of_id))
    others.subtract(terms)
    certain = {row: given for row, given in of_alt.items() if not {*PATHOGENIC}.isdisjoint(given)}
    uncertain = {
        row: given
        for row, given in of_id.items()
        if row not in certain and not {*PATHOGENIC}.isdisjoint(given)
    }
    return Part(
        cube_of(columns.cells, chroms),
        _frequencies(columns),
        terms,
        +others,
        _pathogenic(columns, piece, certain),
        _pathogenic(columns, piece, uncertain),
        _genes(array_of(columns, "ens_worst", pa.string())),
    )


def cube_of(cells: Sequence[Cell], chroms: Sequence[str]) -> Cube:
    """Sum the kernel's counts: a window that comes again has several."""
    cube: Cube = {}
    for cell in cells:
        is_transition = None if cell.transition < 0 else cell.transition > 0
        key = (chroms[cell.run], cell.window, cell.status, KINDS[cell.kind], is_transition)
        cube[key] = cube.get(key, 0) + cell.count
    return cube


def _listed_terms(columns: Columns, name: str) -> dict[int, list[str]]:
    """Return the terms of the ALTs that have any, by row."""
    lists = array_of(columns, name, _LISTS)
    values = lists.values.to_pylist()
    offsets = np.frombuffer(lists.buffers()[1], np.int32)
    rows = np.flatnonzero(np.diff(offsets))
    bounds = zip(rows.tolist(), offsets[rows].tolist(), offsets[rows + 1].tolist(), strict=True)
    return {row: values[begin:end] for row, begin, end in bounds}


def _frequencies(columns: Columns) -> Counter[str]:
    """Count ALTs that match by the class of their frequency, or by why it is not known."""
    shares = _known(array_of(columns, "ens_af", pa.float64()), np.float64)
    up_to = [np.count_nonzero(shares <= bound) for bound in _FREQUENCIES[:-1]]
    counts = np.diff([0, *up_to, len(shares)])
    found = Counter(dict(zip(FREQUENCY_CLASSES, counts.tolist(), strict=True)))
    why = array_of(columns, "ens_af_why", NUMBERED)
    numbers = np.bincount(_known(why.indices, np.int8), minlength=len(why.dictionary))
    told = dict(zip(why.dictionary.to_pylist(), numbers.tolist(), strict=True))
    return found + Counter({UNDECIDED: told["undecided"], UNPUBLISHED: told["not_published"]})


def _known(numbers: pa.Array, dtype: type[Number]) -> npt.NDArray[Number]:
    """Return the numbers that are not null (``to_numpy`` would import pandas where it is installed)."""
    valid, values = numbers.buffers()
    found = np.frombuffer(values or b"", dtype)[: len(numbers)]
    if valid is None:
        return found
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=len(numbers), bitorder="little")
    return found[bits.view(np.bool_)]


def _genes(worst: pa.StringArray) -> Counter[tuple[str, str]]:
    """Count ALTs by the gene and the impact of their most severe consequence, where it is a listed one."""
    found = Counter[tuple[str, str]]()
    if worst.null_count == len(worst):
        return found
    for text, count in (
        (item["values"], item["counts"]) for item in worst.value_counts().to_pylist()
    ):
        if text is None:
            continue
        term, *place = text.split("&")
        if TERMS[term] in IMPACTS[:2]:
            found[place[0], TERMS[term]] += count
    return found


def gene_list(counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Return the genes with the most ALTs of high impact, then of moderate impact, with both numbers.

    Parameters
    ----------
    counts : mapping of (str, str) to int
        As `Findings` has them.
    """
    high, moderate = IMPACTS[:2]
    rows = [
        (-counts.get((gene, high), 0), -counts.get((gene, moderate), 0), gene)
        for gene in {gene for gene, _ in counts}
    ]
    return [{"gene": gene, "high": -a, "moderate": -b} for a, b, gene in sorted(rows)[:MOST_GENES]]


def _label(low: float, high: float) -> str:
    return f"over {100 * low:g} to {100 * high:g} %" if low else f"0 to {100 * high:g} %"


FREQUENCY_CLASSES = [
    _label(*pair) for pair in zip((0.0, *_FREQUENCIES), _FREQUENCIES, strict=False)
]
UNDECIDED = "published, ALT uncertain"
UNPUBLISHED = "not published"


def _pathogenic(columns: Columns, piece: Piece, terms: Mapping[int, list[str]]) -> Pathogenic:
    """Count ALTs by their genotypes, and list the first of them by rank with their terms, given by row."""
    found = Pathogenic()
    if not terms:
        return found
    for allele, given in zip(_rows(columns, terms), terms.values(), strict=True):
        line = piece.data[allele["line"] : piece.data.index(b"\n", allele["line"])]
        fields = line.removesuffix(b"\r").split(b"\t")
        place, state, genotype = _genotype(fields, allele["alt_index"] + 1)
        status = fields[FILTER].decode("utf-8", "replace")
        found.genotypes[state] += 1
        if state in ("carried", "no genotype"):
            found.num_filtered += status not in ("PASS", ".")
        rank = (place, PATHOGENIC[0] not in given)
        found.listed.append(_listed(allele, given, rank, status, genotype))
    found.listed = sorted(found.listed, key=lambda item: item.rank)[:MOST_LISTED]
    return found


def _rows(columns: Columns, rows: Collection[int]) -> list[dict[str, Any]]:
    # Few, mostly: by ``take`` all of Arrow's functions would be imported.
    shown = [(item.name, array_of(columns, item.name, item.type)) for item in _SHOWN]
    return [{name: array[row].as_py() for name, array in shown} for row in rows]


def _consequence(called: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return gene, change and impact of an ALT, and what the pick hides: a greater impact elsewhere."""
    if called["ens_worst"] is None:
        return "", "", ""
    impact, (term, *place) = called["ens_impact"], called["ens_worst"].split("&")
    is_greater = IMPACTS.index(TERMS[term]) < IMPACTS.index(impact)
    hidden = f" ({TERMS[term]} in {place[-1]})" if is_greater else ""
    change = called["ens_hgvsp"] or called["ens_hgvsc"] or ""
    return (
        called["ens_symbol"] or called["ens_gene"] or "",
        change if len(change) <= _MOST_CHANGE else f"{change[:_MOST_CHANGE]}…",
        impact + hidden,
    )


def _listed(
    allele: Mapping[str, Any],
    given: Sequence[str],
    rank: tuple[int, bool],
    status: str,
    genotype: str,
) -> Listed:
    is_contested = any(term in given for term in PATHOGENIC) and any(
        term in given for term in _CONTRARY
    )
    return Listed(
        rank,
        f"{allele['chrom']}:{allele['pos']}"
        + (" (looked up on X and Y)" if allele["ens_par"] else ""),
        f"{_short(allele['ref'])} > {_short(allele['alt'])}",
        tuple(name for name in allele["ens_id"] if name is not None),
        ", ".join(given).replace("_", " ") + (" (opinions differ)" if is_contested else ""),
        allele["af_text"] or (UNDECIDED if allele["ens_af_why"] == "undecided" else UNPUBLISHED),
        _short(status),
        genotype,
        *_consequence(allele),
    )


def _short(bases: str) -> str:
    return bases if len(bases) <= _MOST_SHOWN else f"{bases[:_MOST_SHOWN]}… ({len(bases)} bp)"


def _genotype(fields: Sequence[bytes], allele: int) -> tuple[int, str, str]:
    """Return the place of an allele in the list, whether it is carried, as counted; and GT, or the samples."""
    if len(fields) <= SAMPLE:
        return _NO_GENOTYPE, "no genotype", "no sample"
    keys = fields[FORMAT].split(b":")
    if b"GT" not in keys:
        return _NO_GENOTYPE, "no genotype", "no GT"
    at = keys.index(b"GT")
    found = [
        (call.split(b":")[at : at + 1] or [b"."])[0].decode("utf-8", "replace")
        for call in fields[SAMPLE:]
    ]
    places = [_place(called_alleles(call), allele) for call in found]
    states = [_STATE_OF[place] for place in places]
    place = min(places)
    state = _STATE_OF[place]
    if len(found) == 1:
        note = f"this is ALT {allele}" if re.search(r"[2-9]|\d\d", found[0]) else ""
        note = note if state == "carried" else state
        return place, state, f"{found[0]} ({note})" if note else found[0]
    uncalled = states.count("not called")
    more = f", {uncalled} not called" if uncalled else ""
    return place, state, f"{states.count('carried')} of {len(states)} samples{more}"


STATES = ("carried", "not called", "not carried")
_HOMOZYGOUS, _HETEROZYGOUS, _NO_GENOTYPE, _NOT_CALLED, _NOT_CARRIED = range(5)
"""Places in the list: first what all alleles of somebody are, also where there is only one."""

_STATE_OF = {
    _HOMOZYGOUS: "carried",
    _HETEROZYGOUS: "carried",
    _NOT_CALLED: "not called",
    _NOT_CARRIED: "not carried",
}


def _place(alleles: Sequence[int | None], allele: int) -> int:
    """Return the place of a call in the list; a missing allele may be the one."""
    if allele in alleles:
        return _HOMOZYGOUS if {*alleles} == {allele} else _HETEROZYGOUS
    return _NOT_CALLED if None in alleles else _NOT_CARRIED


def tally_text(
    vcf: str,
    header: Header,
    metrics: Mapping[str, Any],
    release_date: str | None,
    provenance: Mapping[str, str],
    notes: Sequence[str],
    findings: Findings,
    consequences: Mapping[str, Any] | None = None,
) -> str:
    """Return the text of ``tally.json``.

    Parameters
    ----------
    vcf : str
        Name of the VCF.
    header : Header
        The VCF's.
    metrics : mapping
        The counts, as in ``metrics/annotate/<sample>.json``.
    release_date : str, optional
        When Ensembl made the release's files.
    provenance : mapping
        As in the output's header.
    notes : sequence of str
        What the run said.
    findings : Findings
    consequences : mapping, optional
        ``terms``, ALTs by their most severe term; ``genes``, as `gene_list` has them, with ``symbol``; ``num_genes``,
        of how many; ``unknown_on``, the chromosomes without calls. None where the reference has no genes.
    """
    lengths = header.contigs()
    content = {
        "vcf": vcf,
        "samples": header.samples,
        "contig_lengths": {
            name: lengths[name]
            for name in dict.fromkeys(chrom for chrom, *_ in findings.cube)
            if lengths.get(name) is not None
        },
        "metrics": dict(metrics),
        "release_date": release_date,
        "provenance": dict(provenance),
        "notes": list(notes),
        "cube": {
            **{name: [key[at] for key in findings.cube] for at, name in enumerate(CUBE)},
            "count": list(findings.cube.values()),
        },
        "frequencies": _ordered(findings.frequencies),
        "terms": _ordered(findings.terms),
        "other_terms": _ordered(findings.other_terms),
        "certain": findings.certain.as_json(),
        "uncertain": findings.uncertain.as_json(),
        **({} if consequences is None else {"consequences": consequences}),
    }
    return compact_json(content)
