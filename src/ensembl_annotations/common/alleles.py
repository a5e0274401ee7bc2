"""The allele key: what makes two spellings the same variant, and whose frequency a MAF is.

A key is ``(start, deleted, inserted)`` on a contig: `start` is 0-based and between bases,
`deleted` and `inserted` are upper-case and at most one of them is empty. The common suffix
goes first, then the common prefix, each as far as it goes; so a record written with more or
fewer padding bases, or an ALT out of a multi-allelic record, has the same key.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from decimal import Context, Decimal

import polars as pl

NOT_COMPARABLE = 16
"""The code of an ALT that can't match: symbolic, ``*``, missing, a breakend, REF itself."""

FIRST_HASH = 32
"""Codes from here on are hashes; equal codes there still need equal alleles."""

IUPAC = "ACGTUNRYSWKMBDHV"
_BASES = "ACGT"
_NUMBER = r"(?a:\d+\.?\d*|\.\d+)(?:[eE][-+]?(?a:\d{1,3}))?"
_LITERAL = f"^[{IUPAC}]+$"


def allele_key(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the key of one REF and ALT.

    Parameters
    ----------
    pos : int
        1-based POS as written.
    ref, alt : str
        Alleles as written, any case.

    Returns
    -------
    tuple of (int, str, str)
        ``start`` (0-based, inter-base), ``deleted``, ``inserted``.
    """
    ref, alt = ref.upper(), alt.upper()
    shorter = min(len(ref), len(alt))
    suffix = 0
    while suffix < shorter and ref[-1 - suffix] == alt[-1 - suffix]:
        suffix += 1
    ref, alt = ref[: len(ref) - suffix], alt[: len(alt) - suffix]
    shorter = min(len(ref), len(alt))
    prefix = 0
    while prefix < shorter and ref[prefix] == alt[prefix]:
        prefix += 1
    return pos - 1 + prefix, ref[prefix:], alt[prefix:]


def allele_code(deleted: str, inserted: str) -> int:
    """Return the 32-bit code of a key's alleles: exact for an SNV, else a CRC-32 hash."""
    if len(deleted) == 1 and len(inserted) == 1 and deleted in _BASES and inserted in _BASES:
        return _BASES.index(deleted) * 4 + _BASES.index(inserted)
    return max(zlib.crc32(f"{deleted}>{inserted}".encode()), FIRST_HASH)


def is_comparable(ref: pl.Expr, alt: pl.Expr) -> pl.Expr:
    """Tell which alleles are literal sequences that differ (upper-case input)."""
    return ref.str.contains(_LITERAL) & alt.str.contains(_LITERAL) & (ref != alt)


def with_allele_keys(alleles: pl.DataFrame) -> pl.DataFrame:
    """Add the allele key to a table with one row per ALT.

    Parameters
    ----------
    alleles : DataFrame
        Columns ``pos`` (int, 1-based), ``ref`` and ``alt`` (String, any case).

    Returns
    -------
    DataFrame
        The same rows in the same order, with ``start`` (Int64), ``deleted``, ``inserted``
        (String) and ``code`` (UInt32). Where the ALT is not comparable, `start` is POS - 1,
        the alleles are empty and the code is `NOT_COMPARABLE`.
    """
    upper = alleles.select(
        pl.col("pos").cast(pl.Int64),
        pl.col("ref").str.to_uppercase(),
        pl.col("alt").str.to_uppercase(),
    ).with_row_index("row")
    first, second = pl.col("ref"), pl.col("alt")
    single = (first.str.len_bytes() == 1) & (second.str.len_bytes() == 1)
    number = dict(zip(_BASES, range(4), strict=True))
    keyed = upper.with_columns(
        start=pl.col("pos") - 1,
        code=pl.when(
            single & first.is_in(list(_BASES)) & second.is_in(list(_BASES)) & (first != second)
        )
        .then(
            first.replace_strict(number, default=0, return_dtype=pl.UInt32) * 4
            + second.replace_strict(number, default=0, return_dtype=pl.UInt32)
        )
        .otherwise(None),
    )
    snv = keyed.filter(pl.col("code").is_not_null()).select(
        "row", "start", deleted="ref", inserted="alt", code="code"
    )
    rest = keyed.filter(pl.col("code").is_null())
    if rest.is_empty():
        done = snv
    else:
        literal = rest.select(is_comparable(first, second)).to_series()
        done = pl.concat([snv, _trim(rest.filter(literal)), _without_key(rest.filter(~literal))])
        done = done.sort("row")
    return alleles.with_columns(
        done["start"], done["deleted"], done["inserted"], done["code"].cast(pl.UInt32)
    )


def _trim(rows: pl.DataFrame) -> pl.DataFrame:
    short = (pl.col("ref").str.len_bytes() == 1) | (pl.col("alt").str.len_bytes() == 1)
    easy = rows.select(short).to_series()
    trimmed = pl.concat([_trim_against_one_base(rows.filter(easy)), _trim_any(rows.filter(~easy))])
    pairs = trimmed.select(text=pl.col("deleted") + ">" + pl.col("inserted"))["text"]
    distinct = pairs.unique()
    if distinct.is_empty():
        return trimmed.with_columns(code=pl.lit(None, pl.UInt32))
    codes = [allele_code(*text.split(">")) for text in distinct]
    return trimmed.with_columns(code=pairs.replace_strict(distinct, codes, return_dtype=pl.UInt32))


def _trim_against_one_base(rows: pl.DataFrame) -> pl.DataFrame:
    """Trim alleles of which one is a single base: it ends the other, begins it, or neither."""
    insertion = pl.col("ref").str.len_bytes() == 1
    one = pl.when(insertion).then("ref").otherwise("alt")
    other = pl.when(insertion).then("alt").otherwise("ref")
    ends, begins = other.str.ends_with(one), other.str.starts_with(one)
    left = (
        pl.when(ends)
        .then(other.str.head(other.str.len_chars() - 1))
        .when(begins)
        .then(other.str.slice(1))
    )
    return rows.select(
        "row",
        start=pl.col("start") + (begins & ~ends).cast(pl.Int64),
        deleted=pl.when(left.is_null())
        .then("ref")
        .when(insertion)
        .then(pl.lit(""))
        .otherwise(left),
        inserted=pl.when(left.is_null())
        .then("alt")
        .when(insertion)
        .then(left)
        .otherwise(pl.lit("")),
    )


def _trim_any(rows: pl.DataFrame) -> pl.DataFrame:
    keys = [
        allele_key(pos, ref, alt)
        for pos, ref, alt in zip(rows["pos"], rows["ref"], rows["alt"], strict=True)
    ]
    return pl.DataFrame(
        {
            "row": rows["row"],
            "start": pl.Series([key[0] for key in keys], dtype=pl.Int64),
            "deleted": pl.Series([key[1] for key in keys], dtype=pl.String),
            "inserted": pl.Series([key[2] for key in keys], dtype=pl.String),
        }
    )


def _without_key(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "row",
        "start",
        deleted=pl.lit(""),
        inserted=pl.lit(""),
        code=pl.lit(NOT_COMPARABLE, dtype=pl.UInt32),
    )


def one_minus(frequency: str) -> str:
    """Return 1 - `frequency` in decimal arithmetic, as text without an exponent."""
    # Wide enough for the smallest exponent that `is_frequency` lets through.
    return format(Context(prec=1100).subtract(Decimal(1), Decimal(frequency)), "f")


def is_frequency(text: str) -> bool:
    """Tell whether `text` is a number from 0 to 1."""
    return bool(re.fullmatch(_NUMBER, text)) and 0 <= Decimal(text) <= 1


def minor_allele_fits(ref: str, alts: Sequence[str], minor: str) -> tuple[bool, list[bool]]:
    """Tell which alleles of a record, as published, its minor allele can be.

    Returns
    -------
    tuple of (bool, list of bool)
        Whether REF fits, and whether each ALT fits.

    Notes
    -----
    Ensembl writes MA as the anchored REF where REF is the minor allele, and otherwise as the
    ALT without the anchor base it shares with REF (``-`` when nothing is left). An anchor base
    is there only where the alleles differ in length.
    """
    ref, alts, minor = ref.upper(), [alt.upper() for alt in alts], minor.upper()
    anchored = any(len(alt) != len(ref) for alt in alts)

    def published(alt: str) -> str:
        if anchored and ref and alt[:1] == ref[:1]:
            return alt[1:] or "-"
        return alt

    return minor == ref, [minor == published(alt) for alt in alts]


def allele_frequencies(
    ref: str, alts: Sequence[str], minor: str | None, frequency: str | None
) -> list[str | None]:
    """Return each ALT's frequency where the minor allele decides it, else None.

    Parameters
    ----------
    ref, alts : str, sequence of str
        The record's alleles as published.
    minor, frequency : str or None
        MA and MAF as published.

    Notes
    -----
    Exactly one allele must fit MA. If it is an ALT, that ALT has MAF; if it is REF and there
    is one ALT, that has 1 - MAF; in every other case nothing is known.
    """
    unknown: list[str | None] = [None] * len(alts)
    if minor is None or frequency is None:
        return unknown
    ref_fits, alt_fits = minor_allele_fits(ref, alts, minor)
    if ref_fits + sum(alt_fits) != 1:
        return unknown
    if ref_fits:
        return [one_minus(frequency)] if len(alts) == 1 else unknown
    return [frequency if fits else None for fits in alt_fits]
