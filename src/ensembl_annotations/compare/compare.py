"""What changed between two reference stores: per allele and ID, for the alleles of a sample, and in genes."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.atomic import atomic_path
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.logs import is_watched
from ensembl_annotations.common.words import aligned, markdown
from ensembl_annotations.compare.carried import carried_alleles
from ensembl_annotations.compare.entries import (
    ALLELE,
    ENTRY,
    SPILL_SCHEMA,
    Counts,
    Vocabulary,
    find_changes,
)
from ensembl_annotations.compare.genes import compare_genes
from ensembl_annotations.compare.ranges import Ids, collect_ids, ids_in, read_ranges
from ensembl_annotations.store.describe import ReferenceStore

_LOG = logging.getLogger(__name__)

CHANGES_SCHEMA = pa.schema(
    [
        pa.field("chrom", pa.string(), False),
        pa.field("pos", pa.int64(), False),
        pa.field("ref", pa.string(), False),
        pa.field("alt", pa.string(), False),
        pa.field("id", pa.string(), False),
        pa.field("what", pa.string(), False),
        pa.field("field", pa.string(), False),
        pa.field("from", pa.string()),
        pa.field("to", pa.string()),
        pa.field("difference", pa.float64()),
    ]
)
LISTED = (
    "new", "allele_gained", "retired", "merged", "split", "allele_lost", "reclassified", "frequency",
)  # fmt: skip
"""The categories of which every change is a row."""

_ID = ("rs", "name")
_WHAT, _PATHOGENIC = pl.col("what"), pl.col("from", "to").str.contains("(?i)pathogenic")
_RANK = [
    pl.when(what="reclassified")
    .then(pl.when(pl.any_horizontal(_PATHOGENIC.fill_null(False))).then(0).otherwise(1))
    .when(_WHAT.is_in(["retired", "merged", "split", "allele_lost"]))
    .then(2)
    .when(what="frequency")
    .then(3)
    .otherwise(4),
    -pl.col("difference").fill_null(0.0),
]
"""The order in which changes matter to who reads only some."""


class NamedStore(NamedTuple):
    """A reference store, and what the user calls it."""

    name: str
    store: ReferenceStore


def compare(
    a: NamedStore,
    b: NamedStore,
    *,
    sample: Path | None = None,
    out_parquet: Path | None = None,
    limit: int | None = 20,
) -> dict[str, Any]:
    """Compare two reference stores, and say what changed from the first to the second.

    Parameters
    ----------
    a, b : NamedStore
    sample : Path, optional
        An annotated table, a VCF or a BCF: only alleles that it carries are counted and listed.
    out_parquet, limit
        As of `compare_stores`, which says what is returned, too.

    Raises
    ------
    UsageError
        Where species or assembly differ.
    InputError
        Where the sample's file can't be used.

    Notes
    -----
    An *entry* is an allele with an ID: chromosome, allele key (deleted and inserted bases where
    the code is a hash) and ID. Rows of a store that are the same entry are one: its clinical terms
    are those of all its rows, its frequencies all that they have. An ALT that can't match, such as
    one not given, is an allele of its own for each REF, ALT and ID. *Nowhere* means on no
    chromosome of the store, common or not. Each entry of A is exactly one of

    - ``unchanged``: in B, with the same values; order of terms and trailing zeros don't matter;
    - changed: in B, and ``reclassified`` (its clinical terms differ), ``frequency`` (`af`, or else
      `maf`, differs as a number), both of these (``reclassified_and_frequency``, counted in either),
      or ``other`` (neither, but the spelling, type, evidence, source, MA, MAC, ancestral allele …
      differ; counted only; how far it can slide is not compared);
    - ``split``: not in B, but the allele is, with other IDs. The ID is in B still, and one of those
      others is nowhere in A; or the ID is nowhere in B, and of several alleles that it lost to
      others, no single ID of B carries all;
    - ``merged``: not in B, but the allele is, with other IDs; the ID is nowhere in B; no split;
    - ``retired``: not in B, nor is the allele; the ID is nowhere in B;
    - ``allele_lost``: not in B, the ID is at other alleles of B; no split (`to` has the IDs that
      the allele has in B).

    Each entry of B that is not in A is exactly one of ``successor`` (of a split or merged ID at this
    allele; counted only: it stands in the row of that ID), ``new`` (the ID is nowhere in A) and
    ``allele_gained`` (the ID is at other alleles of A).

    A row of changes: ``chrom`` (string), ``pos`` (int64, 1-based), ``ref``, ``alt`` (string; as
    published in B, or else in A), ``id`` (string; where two IDs are meant, A's), ``what`` (string,
    one of `LISTED`), ``field`` (string: ``id``, ``clin``, ``af`` or ``maf``), ``from``, ``to`` (string,
    null for nothing; IDs joined by ``&``, terms by ``|``, several frequencies by ``,``),
    ``difference`` (double, absolute; null unless both are one number). Sorted by chromosome as in
    A, then by allele key.

    Memory does not depend on the size of the stores, but for 4 bytes per rsID of an entry that is in
    one of them only.
    """
    store_a, store_b = a.store, b.store
    _check_comparable(store_a, store_b)
    with ExitStack() as stack:
        common = [name for name in store_a.chromosomes if name in store_b.chromosomes]
        carried = None if sample is None else carried_alleles(sample, store_a)
        temporary = Path(stack.enter_context(TemporaryDirectory(prefix="ensembl-annotations-")))
        counts = Counts()
        spill = temporary / "changes.parquet"
        with pq.ParquetWriter(spill, SPILL_SCHEMA, compression="lz4") as writer:
            for name in common:
                # Whoever waits at a terminal wants to see it; nobody wants it in a log.
                level = logging.INFO if is_watched() else logging.DEBUG
                _LOG.log(level, f"Comparing chromosome {name}")
                mine = (
                    None if carried is None else carried.by_chromosome.get(name, carried_nothing())
                )
                for one, other in read_ranges(store_a, store_b, name):
                    changes = find_changes(name, Vocabulary(one, other), mine, counts)
                    if len(changes):
                        writer.write_table(changes.to_arrow().cast(SPILL_SCHEMA))
        sides = [_described(side, common) for side in (a, b)]
        for side, rows, entries in zip(sides, counts.num_rows, counts.num_entries, strict=True):
            assert rows == side["num_rows"]
            side["num_entries"] = entries
        target = out_parquet if out_parquet is not None else temporary / "result.parquet"
        schema = CHANGES_SCHEMA.with_metadata({"ensembl_annotations": json.dumps(sides)})
        found: Counter[str] = Counter()
        first: pl.DataFrame | None = None
        with atomic_path(target) as path, pq.ParquetWriter(path, schema, compression="zstd") as out:
            for frame in _settled(spill, store_a, store_b):
                found.update(dict(frame["what"].value_counts().iter_rows()))
                listed = frame.filter(pl.col("what").is_in(LISTED)).select(CHANGES_SCHEMA.names)
                first = listed if first is None else pl.concat([first, listed])
                first = (
                    first if limit is None else first.sort(_RANK, maintain_order=True).head(limit)
                )
                out.write_table(listed.to_arrow().cast(schema))
    return {
        "a": sides[0],
        "b": sides[1],
        "species": store_a.species,
        "assembly": store_a.assembly,
        "chromosomes": common,
        "only_in_a": [name for name in store_a.chromosomes if name not in common],
        "only_in_b": [name for name in store_b.chromosomes if name not in common],
        "sample": sample is not None,
        "num_alleles_of_sample": carried.num_alleles if carried else 0,
        "counts": _reconciled(found, counts),
        "num_changes": sum(found[what] for what in LISTED),
        "changes": [] if first is None else first.to_dicts(),
        "genes": None if sample is not None else compare_genes(store_a, store_b, limit),
    }


def carried_nothing() -> pl.DataFrame:
    """Return no alleles, in the form of `Carried`."""
    return pl.DataFrame(schema={"start": pl.Int32, "code": pl.UInt32, "allele": pl.String})


def _check_comparable(a: ReferenceStore, b: ReferenceStore) -> None:
    for name in ("species", "assembly"):
        found = getattr(a, name), getattr(b, name)
        if found[0] != found[1]:
            raise UsageError(
                f"The stores differ in {name}: {found[0]} and {found[1]}.",
                hint=f"Compare two stores of the same {name}.",
            )


def _described(side: NamedStore, common: list[str]) -> dict[str, Any]:
    name, store = side
    alleles = [item for item in store.resources if item.role == "alleles"]
    return {
        "name": name,
        "source": store.source,
        "release": int(store.release),
        "reference_sha256": store.digest,
        "num_rows": sum(item.rows for item in alleles if item.chromosome in common),
    }


def _reconciled(found: Counter[str], counts: Counts) -> dict[str, int]:
    """Return the counts by category, having checked that they add up to the entries."""
    entries_a, entries_b = counts.num_entries
    removed = sum(found[what] for what in ("retired", "merged", "split", "allele_lost"))
    added = sum(found[what] for what in ("new", "allele_gained", "successor"))
    assert entries_a - removed == entries_b - added
    changed = found["reclassified"] + found["frequency"] - counts.num_both + counts.num_other
    unchanged = entries_a - removed - changed
    assert unchanged >= 0
    return {
        "unchanged": unchanged,
        **{what: found[what] for what in ("reclassified", "frequency")},
        "reclassified_and_frequency": counts.num_both,
        "other": counts.num_other,
        **{what: found[what] for what in ("retired", "merged", "split", "allele_lost")},
        **{what: found[what] for what in ("new", "allele_gained", "successor")},
    }


def _settled(
    spill: Path, store_a: ReferenceStore, store_b: ReferenceStore
) -> Iterator[pl.DataFrame]:
    """Yield all changes with their final category: what IDs are elsewhere is known only now."""
    kept = ids_in(store_b, collect_ids(_spilled(spill, "removed", _ID)))
    known = ids_in(store_a, collect_ids(_spilled(spill, "added", _ID)))
    scattered = _scattered_ids(spill, kept)
    for frame in _spilled(spill, None, SPILL_SCHEMA.names):
        rest = frame.filter(~pl.col("what").is_in(["removed", "added"]))
        gained, lost = frame.filter(what="added"), frame.filter(what="removed")
        gained = gained.with_columns(known=known.has(gained))
        fresh = gained.filter(~pl.col("known")).select(ALLELE).unique()
        lost = _marked(lost, fresh, "fresh").with_columns(
            kept=kept.has(lost), scattered=scattered.has(lost)
        )
        lost = lost.with_columns(what=_LOST)
        heirs = lost.filter(pl.col("what").is_in(["merged", "split"])).select(ALLELE).unique()
        gained = _marked(gained, heirs, "heir").with_columns(what=_GAINED)
        parts = [part.select(frame.columns) for part in (rest, lost, gained)]
        settled = pl.concat(parts).filter("mine").sort(*ENTRY, "what")
        yield settled.with_columns(
            id=pl.when(pl.col("rs") > 0).then(pl.format("rs{}", "rs")).otherwise("name")
        )


_LOST = (
    pl.when(pl.col("to").is_null())
    .then(pl.when("kept").then(pl.lit("allele_lost")).otherwise(pl.lit("retired")))
    .when("kept")
    .then(pl.when("fresh").then(pl.lit("split")).otherwise(pl.lit("allele_lost")))
    .otherwise(pl.when("scattered").then(pl.lit("split")).otherwise(pl.lit("merged")))
)
_GAINED = (
    pl.when("heir")
    .then(pl.lit("successor"))
    .otherwise(pl.when("known").then(pl.lit("allele_gained")).otherwise(pl.lit("new")))
)


def _spilled(spill: Path, what: str | None, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the changes of one kind, or all, by the range they were found in."""
    with pq.ParquetFile(spill) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[*columns, *(["what"] if what else [])])
            frame = pl.from_arrow(table)
            assert isinstance(frame, pl.DataFrame)
            yield frame.filter(what=what).drop("what") if what else frame


def _marked(frame: pl.DataFrame, alleles: pl.DataFrame, mark: str) -> pl.DataFrame:
    """Add a column that says which rows are of these alleles."""
    marks = alleles.with_columns(pl.lit(True).alias(mark))
    return frame.join(marks, on=ALLELE, how="left", maintain_order="left").with_columns(
        pl.col(mark).fill_null(False)
    )


def _scattered_ids(spill: Path, kept: Ids) -> Ids:
    """Return the IDs that are nowhere in B, and whose lost alleles no single ID of B carries all."""

    def gone() -> Iterator[pl.DataFrame]:
        for frame in _spilled(spill, "removed", [*_ID, "to"]):
            yield frame.filter(pl.col("to").is_not_null() & ~kept.has(frame))

    # Of these IDs only more than the number is kept in memory.
    several = collect_ids(gone(), repeated=True)
    empty = pl.DataFrame(schema={"rs": pl.UInt32, "name": pl.String, "to": pl.String})
    lost = pl.concat([empty, *(frame.filter(several.has(frame)) for frame in gone())])
    lost = lost.with_columns(pl.len().over(_ID).alias("count"), pl.col("to").str.split("&"))
    shared = lost.explode("to").filter(pl.len().over(*_ID, "to") == pl.col("count"))
    return collect_ids([lost.join(shared, on=_ID, how="anti")])


def describe_comparison(result: dict[str, Any], form: str = "table") -> list[str]:
    """Return what `compare_stores` found as lines of text.

    Parameters
    ----------
    result : dict
        What `compare_stores` returned.
    form : {"table", "markdown", "json"}
        For a terminal; for a comment on a pull request; for programs.
    """
    if form == "json":
        return [json.dumps(result, indent=2, ensure_ascii=False)]
    as_markdown = form == "markdown"
    plain = markdown if as_markdown else str
    a, b = (
        f"{side['name']} ({side['source']}, release {side['release']}, "
        f"{side['reference_sha256'][:12]})"
        for side in (result["a"], result["b"])
    )
    what = f"{result['species']} {result['assembly']}: {a} → {b}"
    lines = [f"**{markdown(what)}**" if as_markdown else what, ""]
    if result["sample"]:
        carried = f"{result['num_alleles_of_sample']:,}"
        lines += [
            f"A person's data: of the sample's {carried} alleles only, each once: those that its genotypes have "
            "(all, where there are none), without what can't match.",
            "",
        ]
    if result["a"]["release"] > result["b"]["release"]:
        lines += ["Note: the second is of an earlier release than the first.", ""]
    for side in ("a", "b"):
        if names := result[f"only_in_{side}"]:
            lines += [plain(f"Only in {result[side]['name']}: chromosomes {', '.join(names)}."), ""]
    rows = [["alleles with an ID", result["a"]["name"], result["b"]["name"]]]
    rows.append(["all", *(f"{result[side]['num_entries']:,}" for side in ("a", "b"))])
    for name, count in result["counts"].items():
        cells = [
            "" if name in ("new", "allele_gained", "successor") else f"{count:,}",
            "" if name in ("retired", "merged", "split", "allele_lost") else f"{count:,}",
        ]
        rows.append([name.replace("_", " "), *cells])
    lines += _table(rows, as_markdown)
    if result["changes"]:
        shown, total = len(result["changes"]), result["num_changes"]
        all_of_them = "'ensembl-annotations compare --out-parquet FILE' writes all"
        rest = f", clinical terms first; {all_of_them}" if shown < total else ""
        lines += ["", f"{shown:,} of {total:,} changes{rest}:", ""]
        names = ["position", "REF", "ALT", "ID", "what", "from", "to"]
        lines += _table([names, *(_cells(change) for change in result["changes"])], as_markdown)
    if result["genes"]:
        lines += ["", *_describe_genes(result["genes"], as_markdown)]
    return lines


def _describe_genes(genes: dict[str, Any], as_markdown: bool) -> list[str]:
    before, after = (f"{count:,}" for count in genes["num_transcripts"])
    lines = [f"Genes: {before} → {after} transcripts, {genes['num_changes']:,} changes."]
    if not genes["num_changes"]:
        return lines
    counted = [
        [what.replace("_", " "), f"{count:,}"] for what, count in genes["counts"].items() if count
    ]
    lines += ["", *_table([["what", "changes"], *counted], as_markdown)]
    if genes["changes"]:
        shown = f"{len(genes['changes']):,} of {genes['num_changes']:,}, picked transcripts first:"
        names = ["chromosome", "gene", "ID", "what", "from", "to"]
        rows = [
            [change["chrom"], change["symbol"] or change["gene_id"], change["id"],
             change["what"].replace("_", " "), change["from"] or "-", change["to"] or "-"]
            for change in genes["changes"]
        ]  # fmt: skip
        lines += ["", shown, "", *_table([names, *rows], as_markdown)]
    return lines


def _cells(change: dict[str, Any]) -> list[str]:
    what = change["what"].replace("_", " ")
    if change["field"] in ("af", "maf"):
        what += f" ({change['field']})"
    ends = (change[name] if change[name] is not None else "-" for name in ("from", "to"))
    return [
        f"{change['chrom']}:{change['pos']}",
        change["ref"],
        change["alt"],
        change["id"],
        what,
        *ends,
    ]


_WIDEST = 40


def _table(rows: list[list[str]], as_markdown: bool) -> list[str]:
    cut = [
        [text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…" for text in row]
        for row in rows
    ]
    if as_markdown:
        cut = [[markdown(text) for text in row] for row in cut]
        ruled = [cut[0], ["---"] * len(cut[0]), *cut[1:]]
        return [f"| {' | '.join(row)} |" for row in ruled]
    return aligned(cut)
