"""Look up an ID, an allele or a region in the reference: what is published, or why nothing is found.

An allele is matched as `annotate` matches it: its IDs may be written elsewhere in a repeat, or lie on X
for an allele of Y, and its consequences are those of `annotate`. IDs and regions are read as published.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from ensembl_annotations.annotate.frame import annotated_rows, checked_rows, opened
from ensembl_annotations.annotate.rows import table_of
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.tsv import tsv_header, tsv_rows
from ensembl_annotations.common.words import aligned, printable
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.published import read_schema, terms
from ensembl_annotations.store.remote import described_store, is_remote
from ensembl_annotations.store.scan import scan_store
from ensembl_annotations.variants.contigs import resolve_chromosomes
from ensembl_annotations.variants.outcomes import REASONS, TERMS
from ensembl_annotations.variants.schema import ANNOTATION, CONSEQUENCE
from ensembl_annotations.variants.tags import check_transcripts
from ensembl_annotations.vcf.read import MAX_POS

NOT_FOUND = {
    "id_unknown": "no chromosome that was looked at has this ID: it is of another chromosome, withdrawn, merged into another ID, newer than the release, or mistyped",
    "region_empty": "Ensembl has no variant with a POS in this region",
    "contig_absent": REASONS["contig_absent"],
}
"""Why an ID or a region is not found; of an allele, one of `REASONS` is given."""

CONSEQUENCES: dict[str, Any] = {
    **dict.fromkeys(("gene", "symbol", "transcript"), pl.String),
    "consequence": pl.List(pl.String),
    **dict.fromkeys(("impact", "hgvsc", "hgvsp", "worst"), pl.String),
}
"""What is told of an allele's consequences: of each transcript that is asked for; ``worst`` is of all."""

_COLUMNS = (
    "chrom", "pos", "id", "ref", "alt", "match", "reason", "multi", "tsa", "af", "ma", "maf", "mac", "aa", "clin", "rsclin",
    "evidence", "source", *CONSEQUENCES,
)  # fmt: skip

_ALLELE = re.compile(
    r"([^\s:]+):(\d[\d,]*):([A-Za-z]+):(?!-$)([^\s:,]+)"
    # As `ens_key` has it: one side may be empty.
    r"|(\S+?)-(\d[\d,]*)-(?!-$)([A-Za-z]*)-([^\s,-]*)"
)
_SPDI = re.compile(r"N[A-Z]_\d+\.\d+:\d+:[^\s:]*:[^\s:]*")
_OTHER = re.compile(
    r".*[\s:;].*|.+-[\d,]+-.*|(?i:rs)\d+,.*|(?i:chr)?[\dXYMT]+_\d+_[ACGTNacgtn-]*[_/][ACGTNacgtn-]*|"
)
"""What is no ID: it has a colon, a blank or several IDs, or is like an allele."""
_REGION = re.compile(r"(?P<chrom>[^\s:]+):(?P<first>\d[\d,]*)(?:-(?P<last>\d[\d,]*))?")
_RS = re.compile(r"(?i)rs0*(\d+)")
_MOST_LETTERS = 24


def lookup(
    query: str | Sequence[str],
    reference: Path | str = "data/ensembl_annotations",
    *,
    chromosomes: Sequence[str] | str | None = None,
    transcripts: str = "pick",
) -> pl.DataFrame:
    """Look up IDs, alleles or regions in a reference store.

    Parameters
    ----------
    query : str or sequence of str
        ``rs1801133`` or another ID; ``1:11796321:G:A`` or ``1-11796321-G-A``, an allele, also as ``ens_key``
        has it (``1-100-CG-``, ``1-100--A``); ``1:11796321`` or ``1:11796000-11797000``, a position or region
        (POS, 1-based, bounds included).
    reference : Path or str
        Folder of the store; for IDs and regions also an address as `scan_reference` takes it.
    chromosomes : sequence of str, or str, optional
        Look for IDs on these only; default all.
    transcripts : str
        Whose consequences are told of an allele: ``pick``, one transcript's; ``gene``, those of one of each
        gene; ``all``.

    Returns
    -------
    DataFrame
        A row for each ID found, of an allele for each ID and transcript: ``query``, ``chrom``, ``pos``, ``id``, ``ref``, ``alt``, ``match`` (``exact``
        or ``shifted``, of an allele), ``reason``, and values as `scan_reference` has them. Of an allele,
        ``pos``, ``ref`` and ``alt`` are as asked for, and ``af`` is null where its IDs disagree. ``gene``,
        ``symbol``, ``transcript``, ``consequence``, ``impact``, ``hgvsc``, ``hgvsp`` and ``worst`` are an
        allele's, known to Ensembl or not, if the reference has genes. A query that finds nothing has one
        row, with the ``reason``.

    Raises
    ------
    ReferenceStoreError
    UsageError
        Where a query is none of these.

    Examples
    --------
    >>> lookup("21:5000441:T:C").select("id", "af").rows()
    [('rs9000000232', 0.21)]
    >>> lookup("21:5000441:T:A")["reason"].item()
    'allele_differs'
    """
    check_transcripts(transcripts)
    queries = _texts(query)
    store = described_store(reference)
    alleles, regions, ids = {}, {}, {}
    for text in queries:
        if _SPDI.fullmatch(text.strip()):
            raise UsageError(
                f"query: {text!r}: is written as SPDI, which counts positions from 0; expected one counted from 1.",
                hint="Write - for each colon, and the position counted from 1.",
            )
        if found := _ALLELE.fullmatch(text.strip()):
            alleles[text] = [value for value in found.groups() if value is not None]
            if _number(alleles[text][1]) > MAX_POS:
                raise UsageError(f"query: {text!r}: expected a position up to {MAX_POS}.")
        elif found := _REGION.fullmatch(text.strip()):
            regions[text] = _region(store, **found.groupdict())
        elif not _OTHER.fullmatch(text.strip()):
            ids[text] = _id(text.strip())
        else:
            raise UsageError(
                f"query: {text!r}: expected an ID, an allele or a region.",
                hint="Give an ID such as rs1801133, an allele such as 1:11796321:G:A (without bases on one side: "
                "1-100-CG- or 1-100--A), or a region such as 1:11796000-11797000; each by itself.",
            )
    if alleles and is_remote(reference):
        raise UsageError(
            f"query: {next(iter(alleles))!r}: an allele is matched in a store on this machine only.",
            hint="Look up its position, or fetch or pull the store.",
        )
    parts = [_alleles(alleles, reference, transcripts)] if alleles else []
    scan = partial(scan_store, reference, store)
    parts += [_published(text, *place, scan) for text, place in regions.items()]
    parts += [_by_id(ids, scan(chromosomes))] if ids else []
    order = {text: number for number, text in enumerate(queries)}
    rows = pl.concat([_empty(), *parts])
    return rows.sort(pl.col("query").replace_strict(order), maintain_order=True)


def _texts(query: Any) -> list[str]:
    queries = [query] if isinstance(query, str) or not isinstance(query, Iterable) else list(query)
    if other := [item for item in queries if not isinstance(item, str)]:
        raise UsageError(
            f"query: expected text, or several, found {other[0]!r}.",
            hint="Write a number as an ID, such as rs1801133.",
        )
    return queries


def _empty() -> pl.DataFrame:
    schema = read_schema() | {"query": pl.String, "match": pl.String, "reason": pl.String}
    schema |= CONSEQUENCES
    return pl.DataFrame(schema={name: schema[name] for name in ("query", *_COLUMNS)})


def _nothing(text: str, reason: str) -> pl.DataFrame:
    return _filled(pl.DataFrame({"query": [text], "reason": [reason]}))


def _filled(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with all columns: null where they have none of it."""
    return pl.concat(
        [_empty(), rows.select(set(_empty().columns) & set(rows.columns))], how="diagonal"
    )


def _number(text: str) -> int:
    return int(text.replace(",", "")[:18] or 0)


def _region(
    store: ReferenceStore, chrom: str, first: str, last: str | None
) -> tuple[str | None, int, int]:
    """Return chromosome (None where the store has no such) and bounds of a region."""
    begin, end = _number(first), _number(last or first)
    if begin > end:
        raise UsageError(f"query: {chrom}:{first}-{last}: its end is before its begin.")
    try:
        (name,) = resolve_chromosomes([chrom], store.chromosomes, store.species, store.assembly)
    except UsageError:
        return None, begin, end
    return name, begin, end


def _id(text: str) -> str:
    found = _RS.fullmatch(text)
    return f"rs{found[1]}" if found else text


def _published(
    text: str,
    chromosome: str | None,
    first: int,
    last: int,
    scan: Callable[[Sequence[str]], pl.LazyFrame],
) -> pl.DataFrame:
    if chromosome is None:
        return _nothing(text, "contig_absent")
    rows = scan([chromosome]).filter(pl.col("pos").is_between(first, last)).collect()
    return (
        _filled(rows.with_columns(query=pl.lit(text)))
        if len(rows)
        else _nothing(text, "region_empty")
    )


def _by_id(ids: dict[str, str], alleles: pl.LazyFrame) -> pl.DataFrame:
    rows = alleles.filter(pl.col("id").is_in(list(set(ids.values())))).collect()
    found = dict(rows.partition_by("id", as_dict=True, maintain_order=True))
    parts = [
        _filled(found[name,].with_columns(query=pl.lit(text)))
        if (name,) in found
        else _nothing(text, "id_unknown")
        for text, name in ids.items()
    ]
    return pl.concat(parts)


def _alleles(
    alleles: dict[str, list[str]], reference: Path | str, transcripts: str
) -> pl.DataFrame:
    """Return the IDs of each allele, as the kernel matches them, and its transcripts."""
    named = pl.DataFrame(list(alleles.values()), ["chrom", "pos", "ref", "alt"], orient="row")
    named = named.with_columns(pl.col("pos").str.replace_all(",", ""))
    rows = checked_rows(_padded(named))
    with opened(reference, rows["chrom"].to_list()) as places:
        found = annotated_rows(rows, places, _MATCHED.names, transcripts)
        parts = [table_of(part, _MATCHED) for part in found]
    found_all = pl.from_arrow(pa.concat_tables(parts))
    assert isinstance(found_all, pl.DataFrame)
    by_id = _by_matched_id(found_all)
    asked = named.with_columns(pl.col("pos").cast(pl.Int64), query=pl.Series(list(alleles)))
    asked = asked[by_id["record"]]
    return _filled(asked.hstack(by_id.drop("record")))


def _padded(named: pl.DataFrame) -> pl.DataFrame:
    """Return alleles as a VCF has them, with a base on both sides.

    Notes
    -----
    What is added before, or at the contig's begin behind, is a letter that is compared with no base. It must
    not be the one that the bases end with: that would be cut off first.
    """
    pos, ref, alt = pl.col("pos").cast(pl.Int64, strict=False), pl.col("ref"), pl.col("alt")
    is_bare = (ref == "") | (alt == "")
    before = is_bare & (pos > 1)
    ends_with_n = (ref + alt).str.to_uppercase().str.ends_with("N")
    letter = pl.when(is_bare).then(pl.when(ends_with_n).then(pl.lit("R")).otherwise(pl.lit("N")))
    head = pl.when(before).then(letter).otherwise(pl.lit(""))
    tail = pl.when(is_bare & ~before).then(letter).otherwise(pl.lit(""))
    return named.with_columns(
        pl.when(before).then((pos - 1).cast(pl.String)).otherwise("pos").alias("pos"),
        (head + ref + tail).alias("ref"),
        (head + alt + tail).alias("alt"),
    )


_PER_ID = {
    "id": "ens_id", "match": "ens_match", "multi": "ens_multi", "tsa": "ens_tsa", "ma": "ens_ma", "maf": "ens_maf",
    "mac": "ens_mac", "aa": "ens_aa", "clin": "id_allele_clin", "rsclin": "id_clin", "evidence": "id_evidence",
    "source": "id_source",
}  # fmt: skip
_TERMS = ("clin", "rsclin", "evidence", "source")
_TOLD_FIELDS = {
    name: "feature" if name == "transcript" else name for name in CONSEQUENCES if name != "worst"
}
_PER_ALLELE = {name: f"ens_{name}" for name in ("reason", "af", "worst", "csq")}
_TYPES = {item.name: item.dtype for item in (*ANNOTATION, *CONSEQUENCE)}
_MATCHED = pa.schema(
    [("record", pa.int64())]
    + [
        (name, _TYPES.get(name, pa.list_(pa.string())))
        for name in (*_PER_ID.values(), *_PER_ALLELE.values())
    ]
)
"""What is asked of the kernel: of each ID, its terms are joined by |."""


def _by_matched_id(found: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each allele, ID that it matches and transcript told of, typed as `scan_reference` has them."""
    renamed = found.rename({column: name for name, column in (_PER_ID | _PER_ALLELE).items()})
    by_id = renamed.explode(*_PER_ID, empty_as_null=True).explode("csq", empty_as_null=True)
    matched, told = pl.when(pl.col("reason").is_null()), pl.col("csq").struct
    return by_id.with_columns(
        *(matched.then(terms(name)).alias(name) for name in _TERMS),
        *(told.field(field).alias(name) for name, field in _TOLD_FIELDS.items()),
    ).drop("csq")


def describe_lookup(found: pl.DataFrame, form: str = "table") -> list[str]:
    """Return what `lookup` found as lines of text.

    Parameters
    ----------
    found : DataFrame
    form : {"table", "json", "tsv"}
        For a terminal, with the values that are asked for most; for programs, with all.
    """
    if form == "json":
        return json.dumps(found.to_dicts(), indent=2, ensure_ascii=False).split("\n")
    if form == "tsv":
        return (tsv_header(found.columns) + tsv_rows(found)).rstrip("\n").split("\n")
    known = found.filter(pl.col("reason").is_null())
    # Of an allele there is a row for each transcript.
    ids = known.unique(["query", "chrom", "pos", "id", "ref", "alt"], maintain_order=True)
    rows = [_cells(row) for row in ids.iter_rows(named=True)]
    lines = aligned([_HEAD, *rows]) if rows else []
    why = NOT_FOUND | REASONS
    why_not = found.filter(pl.col("reason").is_not_null())["query", "reason"]
    missing = why_not.unique(maintain_order=True).rows()
    lines += _told(found)
    return lines + [f"{text}: not found: {reason}: {why[reason]}." for text, reason in missing]


def _told(found: pl.DataFrame) -> list[str]:
    """Return a line for each transcript that an allele was called for."""
    called = found.filter(pl.col("worst").is_not_null())
    called = called.unique(["query", "transcript"], maintain_order=True)
    told = {text: {*rows["consequence"].explode()} for (text,), rows in called.group_by("query")}
    lines = []
    for row in called.iter_rows(named=True):
        names = (row["symbol"], row["gene"], row["hgvsc"] or row["transcript"], row["hgvsp"])
        parts = [
            f"{', '.join(row['consequence'])} ({row['impact']})",
            *(printable(name) for name in names if name),
        ]
        term, *place = row["worst"].split("&")
        if term not in told[row["query"]]:
            parts.append(
                f"most severe for another transcript: {term} ({TERMS[term]}) {' '.join(place)}"
            )
        lines.append(f"{row['query']}: {'; '.join(parts)}.")
    return lines


_HEAD = ["id", "place", "change", "match", "frequency", "clinical terms of the ID", "certain to be the ALT's"]  # fmt: skip


def _cells(row: dict[str, Any]) -> list[str]:
    frequency = row["af"]
    if frequency is None:
        frequency = "not published" if row["maf"] is None else f"uncertain (MAF {row['maf']:g})"
    cells = (
        row["id"],
        f"{row['chrom']}:{row['pos']}",
        f"{_short(row['ref'])}>{_short(row['alt'])}",
        row["match"],
        frequency,
        ", ".join(row["rsclin"]) or None,
        ", ".join(row["clin"]) or None,
    )
    return [printable(cell) for cell in cells]


def _short(bases: str) -> str:
    if not bases:
        return "-"
    if len(bases) <= _MOST_LETTERS:
        return bases
    return f"{bases[:_MOST_LETTERS]}… ({len(bases)} bases)"
