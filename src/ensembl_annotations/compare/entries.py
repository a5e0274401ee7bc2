"""The entries of a range, an allele with an ID each, and what differs between two stores in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from ensembl_annotations.compare.ranges import Range
from ensembl_annotations.variants.alleles import FIRST_HASH, NOT_COMPARABLE, with_allele_keys

ALLELE = ("start", "code", "allele")
"""What makes an allele of a chromosome; `allele` is empty where the code says it."""

ENTRY = (*ALLELE, "rs", "name")
"""What makes an entry; `rs` is 0 or `name` is empty."""

SPILL_SCHEMA = pa.schema(
    [
        ("chrom", pa.string()),
        ("start", pa.int32()),
        ("code", pa.uint32()),
        ("allele", pa.string()),
        ("rs", pa.uint32()),
        ("name", pa.string()),
        ("pos", pa.int64()),
        ("ref", pa.string()),
        ("alt", pa.string()),
        ("mine", pa.bool_()),
        ("what", pa.string()),
        ("field", pa.string()),
        ("from", pa.string()),
        ("to", pa.string()),
        ("difference", pa.float64()),
    ]
)
"""Changes before it is known which IDs are elsewhere: an entry of one store only is `removed` or `added`."""

_KEY = ["start", "code", "rs", "identity"]
_OTHER = (
    "ref", "alt", "offset", "alt_index", "num_alts", "tsa", "evidence", "clin_certain", "source",
    "ma", "mac", "aa", "other",
)  # fmt: skip


@dataclass
class Counts:
    """What was counted: rows and entries of A and of B, and changes that are not listed."""

    num_rows: list[int] = field(default_factory=lambda: [0, 0])
    num_entries: list[int] = field(default_factory=lambda: [0, 0])
    num_both: int = 0
    num_other: int = 0


class Vocabulary:
    """The details of two ranges in comparable form, and their alleles as numbers that refer to it.

    Attributes
    ----------
    words : DataFrame
        Of each row of the details of either: ``offset, ref, alt, allele, name, clin, af, maf``, and
        ``identity`` (the same for the same `allele` and `name`), ``rest`` (for the same other
        values) and ``content`` (for the same `clin`, `af`, `maf` and `rest`).
    rows : list of DataFrame
        Of A and of B, a row per row of the alleles: ``start, code, rs, word`` (row of `words`),
        ``identity, content``.
    """

    def __init__(self, a: Range, b: Range) -> None:
        words = _comparable(pl.concat([a.details, b.details]))
        words = words.with_columns(
            identity=_numbers(words, ("allele", "name")), rest=_numbers(words, _OTHER)
        )
        self.words = words.with_columns(content=_numbers(words, ("clin", "af", "maf", "rest")))
        self.rows = []
        for part, begin in ((a, 0), (b, len(a.details))):
            word = part.alleles["detail"] - part.first + begin
            self.rows.append(
                part.alleles.select(
                    "start",
                    "code",
                    "rs",
                    word=word,
                    identity=self.words["identity"].gather(word),
                    content=self.words["content"].gather(word),
                )
            )


def _numbers(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.Series:
    """Return numbers that are equal where these columns are."""
    groups = frame.select(columns).with_row_index("row").group_by(columns).agg("row")
    return groups.with_row_index("number").explode("row").sort("row")["number"]


def _comparable(details: pl.DataFrame) -> pl.DataFrame:
    spelled = details.select(
        pos=pl.lit(1), ref=pl.col("ref").fill_null(""), alt=pl.col("alt").fill_null("")
    )
    keys = with_allele_keys(spelled)
    published = pl.concat_str(pl.col("ref"), pl.lit(" "), pl.col("alt")).str.to_uppercase()
    # What is written with one base has none here: its code says it, as that of other SNVs does.
    written = details["ref"].is_not_null() | details["alt"].is_not_null()
    allele = keys.select(
        pl.when(written & (pl.col("code") >= FIRST_HASH))
        .then(pl.concat_str("deleted", pl.lit(">"), "inserted"))
        .when(written & (pl.col("code") == NOT_COMPARABLE))
        .then(published)
        .otherwise(pl.lit(""))
    ).to_series()
    terms = pl.col("clin").str.split("|").list.unique().list.sort().list.join("|")
    return details.with_columns(
        *(
            pl.col(name).str.split("|").list.sort().list.join("|")
            for name in ("evidence", "source")
        ),
        *(_number_text(name) for name in ("af", "maf")),
        allele=allele,
        name=pl.col("name").fill_null(""),
        clin=pl.when(pl.col("clin") != "").then(terms),
    )


def _number_text(name: str) -> pl.Expr:
    """Return numbers in one spelling, and other text as it is."""
    return pl.coalesce(pl.col(name).cast(pl.Float64, strict=False).cast(pl.String), name)


def find_changes(
    chromosome: str, both: Vocabulary, mine: pl.DataFrame | None, counts: Counts
) -> pl.DataFrame:
    """Return what differs in a range, and count.

    Parameters
    ----------
    chromosome : str
        Ensembl's name.
    both : Vocabulary
        Of the ranges of A and B.
    mine : DataFrame or None
        Count and list these alleles only: of `Carried`, sorted. Entries of one store only are all
        there, those of other alleles with a false ``mine``: they decide what became of an ID.
    counts : Counts
        Added to.

    Returns
    -------
    DataFrame
        The columns of `SPILL_SCHEMA`.
    """
    if mine is not None:
        mine = _near(mine, both.rows)
    for side, rows in enumerate(both.rows):
        counts.num_rows[side] += len(rows)
        own = rows if mine is None else _own(rows, both.words, mine)
        counts.num_entries[side] += own.select(pl.struct(_KEY).n_unique()).item() if len(own) else 0
    values = [*_KEY, "content"]
    one, other = both.rows
    places = pl.concat(
        [
            rows.join(against, on=values, how="anti").select("start", "code")
            for rows, against in ((one, other), (other, one))
        ]
    ).unique()
    if not len(places):
        return _no_changes()
    entries = [
        _entries(rows.join(places, on=["start", "code"], how="semi"), both.words)
        for rows in both.rows
    ]
    here, there = entries
    paired = here.join(there, on=_KEY, how="inner", suffix="_b")
    removed = here.join(there, on=_KEY, how="anti")
    added = there.join(here, on=_KEY, how="anti")
    if mine is not None:
        paired = paired.join(mine, on=ALLELE, how="semi")
    parts = [*_changed(paired, counts), *_one_sided(removed, added, there)]
    found = pl.concat(parts, how="diagonal").with_columns(_base("ref", 4), _base("alt", 1))
    marks = pl.lit(True).alias("mine")
    found = (
        found.with_columns(marks)
        if mine is None
        else found.join(mine.with_columns(marks), on=ALLELE, how="left")
    )
    return found.with_columns(pl.col("mine").fill_null(False), chrom=pl.lit(chromosome)).select(
        SPILL_SCHEMA.names
    )


def _no_changes() -> pl.DataFrame:
    return pl.DataFrame(SPILL_SCHEMA.empty_table())


def _near(mine: pl.DataFrame, rows: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the alleles, sorted by start, that lie where these rows do."""
    ends = [int(part["start"][place]) for part in rows if len(part) for place in (0, -1)]
    starts = mine["start"]
    return mine[starts.search_sorted(min(ends), "left") : starts.search_sorted(max(ends), "right")]


def _own(rows: pl.DataFrame, words: pl.DataFrame, mine: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of these alleles; few are spelled out."""
    rows = rows.join(mine, on=["start", "code"], how="semi")
    return rows.with_columns(allele=words["allele"].gather(rows["word"])).join(
        mine, on=ALLELE, how="semi"
    )


def _entries(rows: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Return a row per entry: ENTRY, `_KEY`, ``pos, ref, alt, clin, af, maf, rest``."""
    rows = rows.unique([*_KEY, "content"], keep="first", maintain_order=True)
    names = ["offset", "ref", "alt", "allele", "name", "clin", "af", "maf", "rest"]
    rows = pl.concat(
        [rows.drop("content"), words[rows["word"]].select(names)], how="horizontal"
    ).with_columns(
        pl.col("rest").cast(pl.String),
        pos=pl.col("start").cast(pl.Int64) + 1 - pl.col("offset"),
    )
    rows = rows.drop("offset", "word").with_columns(count=pl.len().over(_KEY))
    single = rows.filter(pl.col("count") == 1)
    # Rows of the same entry: few, and costly.
    several = rows.filter(pl.col("count") > 1).group_by(_KEY, maintain_order=True)
    merged = several.agg(
        pl.col("pos", "ref", "alt", "allele", "name").first(),
        pl.col("clin").drop_nulls().str.join("|").str.split("|"),
        *(
            pl.col(name).drop_nulls().unique().sort().str.join(",")
            for name in ("af", "maf", "rest")
        ),
    ).with_columns(
        pl.col("clin").list.unique().list.sort().list.join("|"),
    )
    empty = [pl.when(pl.col(name) != "").then(name) for name in ("clin", "af", "maf")]
    single = single.drop("count")
    return pl.concat([single, merged.with_columns(empty).select(single.columns)])


def _changed(paired: pl.DataFrame, counts: Counts) -> list[pl.DataFrame]:
    """Return the entries of both stores whose clinical terms, and whose frequencies, differ."""
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}_b")) for name in ("clin", "af", "maf")}
    moved = differs["af"] | differs["maf"]
    marks = paired.select(
        clin=differs["clin"], moved=moved, rest=pl.col("rest") != pl.col("rest_b")
    )
    counts.num_both += int((marks["clin"] & marks["moved"]).sum())
    counts.num_other += int((marks["rest"] & ~marks["clin"] & ~marks["moved"]).sum())
    # As B has published it.
    paired = paired.with_columns(pos="pos_b", ref="ref_b", alt="alt_b")
    names = [*ENTRY, "pos", "ref", "alt", "what", "field", "from", "to"]
    terms = paired.filter(differs["clin"]).with_columns(
        pl.lit("reclassified").alias("what"),
        pl.lit("clin").alias("field"),
        pl.col("clin").alias("from"),
        pl.col("clin_b").alias("to"),
    )
    is_af = differs["af"]
    moves = paired.filter(moved).with_columns(
        pl.lit("frequency").alias("what"),
        pl.when(is_af).then(pl.lit("af")).otherwise(pl.lit("maf")).alias("field"),
        pl.when(is_af).then("af").otherwise("maf").alias("from"),
        pl.when(is_af).then("af_b").otherwise("maf_b").alias("to"),
    )
    one, other = (pl.col(name).cast(pl.Float64, strict=False) for name in ("from", "to"))
    return [terms.select(names), moves.select(*names, difference=(one - other).abs())]


def _one_sided(
    removed: pl.DataFrame, added: pl.DataFrame, there: pl.DataFrame
) -> list[pl.DataFrame]:
    """Return the entries of one store only; of those of A, `to` has the IDs that B has there."""
    name = pl.when(pl.col("rs") > 0).then(pl.format("rs{}", "rs")).otherwise("name")
    carriers = (
        there.filter(pl.col("code") != NOT_COMPARABLE)
        .join(removed, on=ALLELE, how="semi")
        .sort(pl.col("rs") == 0, "rs", "name")
        .group_by(ALLELE, maintain_order=True)
        .agg(name.str.join("&").alias("to"))
    )
    names = [*ENTRY, "pos", "ref", "alt", "what", "field", "from", "to"]
    lost = removed.join(carriers, on=ALLELE, how="left").with_columns(
        pl.lit("removed").alias("what"), pl.lit("id").alias("field"), name.alias("from")
    )
    gained = added.with_columns(
        pl.lit("added").alias("what"),
        pl.lit("id").alias("field"),
        pl.lit(None, pl.String).alias("from"),
        name.alias("to"),
    )
    return [lost.select(names), gained.select(names)]


def _base(name: str, divisor: int) -> pl.Expr:
    """Fill in the base of an SNV, which its code has; what was not given is empty."""
    number = pl.when(pl.col("code") < NOT_COMPARABLE).then(pl.col("code") // divisor % 4)
    bases = number.replace_strict(range(4), list("ACGT"), default=None, return_dtype=pl.String)
    return pl.coalesce(name, bases, pl.lit(""))
