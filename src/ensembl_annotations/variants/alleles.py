"""The allele key: what makes two spellings the same variant, and whose frequency a MAF is.

A key is ``(start, deleted, inserted)`` on a contig: `start` is 0-based and between bases,
`deleted` and `inserted` are upper-case and at most one of them is empty. The common suffix
goes first, then the common prefix, each as far as it goes; so a record written with more or
fewer padding bases, or an ALT out of a multi-allelic record, has the same key.

An N in what is left of the ALT is no base but a placeholder (HGMD and COSMIC write so): such an
ALT has no key, as a symbolic one. N in REF, or as padding that REF has too, is taken literally.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Offsets = npt.NDArray[np.int64]

NOT_COMPARABLE = 16
"""The code of an ALT that can't match: symbolic, ``*``, missing, a breakend, N, REF itself."""

FIRST_HASH = 32
"""Codes from here on are hashes; equal codes there still need equal alleles."""

IUPAC = "ACGTUNRYSWKMBDHV"
_BASES = "ACGT"
BASE_CODE = np.full(256, 255, np.uint8)
"""By letter: 0 to 3 for A, C, G, T, else 255."""
BASE_CODE[list(_BASES.encode())] = range(4)
_NUMBER = r"(?a:\d+\.?\d*|\.\d+)(?:[eE][-+]?(?a:\d{1,3}))?"


def allele_code(deleted: str, inserted: str) -> int:
    """Return the 32-bit code of a key's alleles: exact for an SNV, else a CRC-32 hash."""
    if len(deleted) == 1 and len(inserted) == 1 and deleted in _BASES and inserted in _BASES:
        return _BASES.index(deleted) * 4 + _BASES.index(inserted)
    return max(zlib.crc32(f"{deleted}>{inserted}".encode()), FIRST_HASH)


@dataclass(frozen=True)
class Spans:
    """Slices of one buffer of bytes: where each begins, and how long it is (int64 arrays)."""

    begin: Offsets
    length: Offsets

    def where(self, mask: npt.NDArray[np.bool_]) -> Spans:
        """Return the same, empty where the mask is false."""
        return Spans(self.begin, np.where(mask, self.length, 0))

    def some(self, rows: Offsets) -> Spans:
        """Return those of these rows."""
        return Spans(self.begin[rows], self.length[rows])

    def of(self, text: npt.NDArray[np.uint8], row: int) -> bytes:
        """Return one slice."""
        begin = int(self.begin[row])
        return text[begin : begin + int(self.length[row])].tobytes()


@dataclass(frozen=True)
class Keys:
    """Allele keys of many alleles.

    Attributes
    ----------
    offset : int64 array
        How far each key starts behind POS - 1.
    deleted, inserted : Spans
        Of the buffer that was given.
    code : uint32 array
        `NOT_COMPARABLE` where there is no key; then the offset is 0 and both alleles are empty.
    """

    offset: Offsets
    deleted: Spans
    inserted: Spans
    code: npt.NDArray[np.uint32]


def spread(length: Offsets) -> tuple[Offsets, Offsets]:
    """Return for each byte of slices of these lengths which slice it is of, and its place in that."""
    owner = np.repeat(np.arange(len(length)), length)
    return owner, np.arange(len(owner)) - (np.cumsum(length) - length)[owner]


def equal_spans(
    text: npt.NDArray[np.uint8], spans: Spans, other_text: npt.NDArray[np.uint8], others: Spans
) -> npt.NDArray[np.bool_]:
    """Tell which slices of one buffer equal those of another."""
    same: npt.NDArray[np.bool_] = spans.length == others.length
    owner, place = spread(np.where(same, spans.length, 0))
    differs = text[spans.begin[owner] + place] != other_text[others.begin[owner] + place]
    same[owner[differs]] = False
    return same


def key_spans(text: npt.NDArray[np.uint8], ref: Spans, alt: Spans) -> Keys:
    """Return the allele keys of many alleles at once.

    Parameters
    ----------
    text : uint8 array
        Upper-case.
    ref, alt : Spans
        The REF and ALT of each allele, slices of `text`.
    """
    odd = np.concatenate([[0], np.cumsum(~_IS_LITERAL[text])])
    literal = (ref.length > 0) & (alt.length > 0)
    for spans in (ref, alt):
        literal &= odd[spans.begin + spans.length] == odd[spans.begin]
    shorter = np.where(literal, np.minimum(ref.length, alt.length), 0)
    ref_end, alt_end = ref.begin + ref.length - 1, alt.begin + alt.length - 1
    suffix = _count_equal(text, ref_end, alt_end, -1, shorter)
    prefix = _count_equal(text, ref.begin, alt.begin, 1, shorter - suffix)
    trimmed = prefix + suffix
    differs = literal & ((ref.length > trimmed) | (alt.length > trimmed))
    inserted = Spans(alt.begin + prefix, alt.length - trimmed).where(differs)
    unknown = np.concatenate([[0], np.cumsum(text == ord("N"))])
    differs &= unknown[inserted.begin + inserted.length] == unknown[inserted.begin]
    offset = np.where(differs, prefix, 0)
    deleted = Spans(ref.begin + offset, ref.length - trimmed).where(differs)
    inserted = inserted.where(differs)
    return Keys(offset, deleted, inserted, _codes(text, deleted, inserted, differs))


DELETION, INSERTION, OTHER = 5, 10, 15
"""Codes in a store that no SNV has, whose REF differs from its ALT; 0 stands for `NOT_COMPARABLE`."""


def stored_codes(text: npt.NDArray[np.uint8], keys: Keys, ref: Spans, alt: Spans) -> Offsets:
    """Return the codes of alleles as a store has them, in four bits.

    Parameters
    ----------
    text : uint8 array
        As published.
    keys : Keys
        Of `ref` and `alt`, slices of the text in upper case.

    Notes
    -----
    The code of an SNV says that REF and ALT are published as its two bases; one that is written
    otherwise is `OTHER`.
    """
    kinds = np.where(keys.deleted.length == 0, INSERTION, OTHER)
    kinds[keys.inserted.length == 0] = DELETION
    kinds[keys.code == NOT_COMPARABLE] = 0
    rows = np.flatnonzero((ref.length == 1) & (alt.length == 1) & (keys.code < NOT_COMPARABLE))
    first, second = BASE_CODE[text[ref.begin[rows]]], BASE_CODE[text[alt.begin[rows]]]
    rows = rows[(first < 4) & (second < 4)]
    kinds[rows] = keys.code[rows]
    codes: Offsets = kinds.astype(np.int64)
    return codes


def _count_equal(
    text: npt.NDArray[np.uint8], one: Offsets, other: Offsets, step: int, most: Offsets
) -> Offsets:
    """Count how many bytes agree from two places on, in the direction of `step`."""
    counts = np.zeros(len(one), np.int64)
    active = np.flatnonzero(most > 0)
    count = 0
    while len(active):
        same = text[one[active] + step * count] == text[other[active] + step * count]
        active = active[same]
        count += 1
        counts[active] = count
        active = active[most[active] > count]
    return counts


def _codes(
    text: npt.NDArray[np.uint8], deleted: Spans, inserted: Spans, differs: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint32]:
    codes = np.full(len(differs), NOT_COMPARABLE, np.uint32)
    single = differs & (deleted.length == 1) & (inserted.length == 1)
    rows = np.flatnonzero(single)
    first, second = BASE_CODE[text[deleted.begin[rows]]], BASE_CODE[text[inserted.begin[rows]]]
    known = (first < 4) & (second < 4)
    codes[rows[known]] = first[known] * 4 + second[known]
    single[rows[~known]] = False
    hashed = differs & ~single
    long = hashed & (deleted.length + inserted.length > _LONG)
    rows = np.flatnonzero(hashed & ~long)
    codes[rows] = np.maximum(_crc32(text, deleted.some(rows), inserted.some(rows)), FIRST_HASH)
    for row in np.flatnonzero(long).tolist():
        one, other = deleted.of(text, row), inserted.of(text, row)
        codes[row] = allele_code(one.decode("ascii"), other.decode("ascii"))
    return codes


def _crc32(text: npt.NDArray[np.uint8], deleted: Spans, inserted: Spans) -> npt.NDArray[np.uint32]:
    """Return the CRC-32 of ``deleted>inserted``."""
    crc = np.full(len(deleted.begin), 0xFFFFFFFF, np.uint32)
    for spans in (deleted, inserted):
        if spans is inserted:
            crc = _CRC_TABLE[(crc ^ ord(">")) & 0xFF] ^ (crc >> 8)
        # Longest first, so that those which go on are always the first ones.
        order = np.argsort(-spans.length, kind="stable")
        begin, length, part = spans.begin[order], spans.length[order], crc[order]
        longest = int(length[0]) if len(length) else 0
        for place, count in enumerate(_num_longer(length, longest).tolist()):
            byte = text[begin[:count] + place]
            part[:count] = _CRC_TABLE[(part[:count] ^ byte) & 0xFF] ^ (part[:count] >> 8)
        crc[order] = part
    return crc ^ np.uint32(0xFFFFFFFF)


def _num_longer(descending: Offsets, longest: int) -> Offsets:
    """Return for 0, 1, … below `longest` how many lengths are greater."""
    return np.searchsorted(-descending, -np.arange(longest), "left")


def _crc_table() -> npt.NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1)
    return table


_CRC_TABLE = _crc_table()
# Few alleles are longer; each step over all of them costs the same.
_LONG = 32
_IS_LITERAL = np.zeros(256, bool)
_IS_LITERAL[list(IUPAC.encode())] = True


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
    text, (ref, alt) = joined_texts([alleles["ref"], alleles["alt"]])
    upper = upper_case(text)
    keys = key_spans(upper, ref, alt)
    return alleles.with_columns(
        start=alleles["pos"].cast(pl.Int64) - 1 + pl.Series(keys.offset),
        deleted=take_spans(upper, keys.deleted),
        inserted=take_spans(upper, keys.inserted),
        code=pl.Series(keys.code),
    )


def joined_texts(columns: Sequence[pl.Series]) -> tuple[npt.NDArray[np.uint8], list[Spans]]:
    """Return the texts of several columns as one buffer, and where each stands in it."""
    pieces, spans, begin = [], [], 0
    for column in columns:
        array = column.to_arrow().cast(pa.large_string())
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
        content = np.frombuffer(data if data is not None else b"", np.uint8)
        pieces.append(content)
        spans.append(Spans(bounds[:-1] + begin, np.diff(bounds)))
        begin += len(content)
    return np.concatenate(pieces), spans


def upper_case(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return ASCII text in upper case."""
    return np.where((text >= ord("a")) & (text <= ord("z")), text - 32, text)


def gather_bytes(text: npt.NDArray[np.uint8], spans: Spans) -> npt.NDArray[np.uint8]:
    """Return slices, which may overlap, one after the other."""
    before = np.cumsum(spans.length) - spans.length
    total = int(spans.length.sum())
    return np.take(text, np.repeat(spans.begin - before, spans.length) + np.arange(total))


def take_spans(text: npt.NDArray[np.uint8], spans: Spans) -> pl.Series:
    """Return slices, which may overlap, as a String series."""
    bounds = np.concatenate([[0], np.cumsum(spans.length)]).astype(np.int64)
    content = gather_bytes(text, spans)
    array = pa.LargeStringArray.from_buffers(
        len(spans.begin), pa.py_buffer(bounds), pa.py_buffer(content)
    )
    return pl.Series(array)


def one_minus(frequency: str) -> str:
    """Return 1 - `frequency` in decimal arithmetic, as text without an exponent."""
    # Wide enough for the smallest exponent that `is_frequency` lets through.
    return format(Context(prec=1100).subtract(Decimal(1), Decimal(frequency)), "f")


def is_frequency(text: str) -> bool:
    """Tell whether `text` is a number from 0 to 1."""
    return bool(re.fullmatch(_NUMBER, text)) and 0 <= Decimal(text) <= 1
