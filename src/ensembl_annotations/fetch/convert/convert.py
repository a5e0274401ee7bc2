"""Ensembl's VCF to the reference store's rows: one per ALT, nothing dropped.

A piece of the file is converted independently of all others, on any core. Most records are SNVs
written with single bases: those are handled as arrays of bytes and become a code. The rest go
through the general path of allele keys.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.common.pool import in_order
from ensembl_annotations.common.text import (
    Lines,
    Offsets,
    arrow_numbers,
    encode_slices,
    numpy_numbers,
    parse_digits,
    scan_lines,
    take_text,
)
from ensembl_annotations.common.words import listed
from ensembl_annotations.fetch.convert.info import InfoParser, parse_texts, unknown_keys
from ensembl_annotations.fetch.convert.pieces import Piece, cut_pieces, open_expanded, read_header
from ensembl_annotations.store.write import Rows, StoreWriter
from ensembl_annotations.variants.alleles import (
    BASE_CODE,
    Keys,
    Spans,
    equal_spans,
    gather_bytes,
    joined_texts,
    key_spans,
    stored_codes,
    take_spans,
    upper_case,
)
from ensembl_annotations.variants.minor_allele import minor_alleles
from ensembl_annotations.variants.outcomes import UNNAMED_ENTRY
from ensembl_annotations.variants.roll import Bases, compare_refs, refs_fit, roll_indels
from ensembl_annotations.variants.schema import MAF_OF_ALT, MAF_OF_OTHER, MAF_OF_REF, MAF_UNKNOWN

NUM_COLUMNS = 8
MIN_RECORDS_FOR_SHARE = 1000
# As many REFs tell an assembly, as for a user's VCF: of another one, or of noise, three in four differ.
MIN_REFS = 20
MAX_DIFFERING_PERCENT_OF_FEW = 10.0
MAX_MASKED_PERCENT = 10.0
# Ensembl has N for the bases that Y shares with X.
_WITH_GAPS = ("Y",)
MAX_BAD_PERCENT = 1.0

_CHROM, _POS, _ID, _REF, _ALT, _QUAL, _FILTER, _INFO = range(NUM_COLUMNS)
# Keys begin behind POS by up to the length of REF; they must fit 32 bits.
_MAX_POS = 2**31 - 2**26
_ANY_CASE_CODE = BASE_CODE.copy()
_ANY_CASE_CODE[list(b"acgt")] = range(4)
_COMMA, _DOT = ord(","), ord(".")
_RS = int.from_bytes(b"rs", "little")
_MOST_PLAIN_ALTS = 3
# With more, memory grows, and time little: a third of the work, to read and write, is one thread's.
_NUM_WORKERS = 2
_MOST_ALTS = 2**20
_MOST_COMBINED = 2**63
_NUM_RULES = 4

FREQUENCIES = ("undecided", "decided", "decided_by_sequence")
"""Whether it is known whose a record's frequency is; the last is not part of the one before."""

BadRow = tuple[int, str, str]
"""Line number, reason and text of a row that was not understood."""

SequenceOf = Callable[[str], Bases | None]
"""From a contig to its sequence; None where it was not fetched."""


@dataclass
class Conversion:
    """What was found while converting one file, or a piece of it.

    Attributes
    ----------
    num_records : int
        Records kept.
    num_unnamed : int
        Empty INFO entries.
    refs_compared, refs_differing, refs_masked : Counter
        By contig with a sequence: records whose REF could be compared, those that disagree, and those
        where the sequence has no base.
    unknown : Counter
        Keys that went to the overflow column, and how often.
    reasons : Counter
        Rows that were not understood, by reason.
    first_bad : BadRow or None
        The first of them.
    frequencies : dict of str to Counter
        For each contig, the records with a frequency by whether it is known whose it is:
        ``undecided``, ``decided``, ``decided_by_sequence``.
    source_versions : dict
        Database to version.
    date : str or None
        When Ensembl made the file (ISO 8601), where its header says so.
    """

    num_records: int = 0
    num_unnamed: int = 0
    refs_compared: Counter[str] = field(default_factory=Counter)
    refs_differing: Counter[str] = field(default_factory=Counter)
    refs_masked: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    first_bad: BadRow | None = None
    frequencies: dict[str, Counter[str]] = field(default_factory=dict)
    source_versions: dict[str, str] = field(default_factory=dict)
    date: str | None = None

    @property
    def num_quarantined(self) -> int:
        return self.reasons.total()

    @property
    def num_ref_differs(self) -> int:
        return self.refs_differing.total()

    def add(self, piece: Conversion) -> None:
        """Add what was found in the next piece."""
        self.num_records += piece.num_records
        self.num_unnamed += piece.num_unnamed
        # By `update`, which keeps what is zero.
        self.refs_compared.update(piece.refs_compared)
        self.refs_differing.update(piece.refs_differing)
        self.refs_masked.update(piece.refs_masked)
        self.unknown += piece.unknown
        for contig, frequencies in piece.frequencies.items():
            self.frequencies.setdefault(contig, Counter()).update(frequencies)

    def notes(self) -> list[str]:
        """Return what a user should know, as lines of text."""
        lines = []
        if self.reasons:
            lines.append(f"rows set aside in quarantine.tsv.gz: {_counts(self.reasons)}")
        if self.unknown:
            lines.append(f"unknown INFO entries, kept in `other`: {_counts(self.unknown)}")
        if self.num_ref_differs:
            lines.append(f"records whose REF is not the sequence's: {self.num_ref_differs}")
        untold = [name for name, count in self.refs_compared.items() if count < MIN_REFS]
        if untold:
            lines.append(
                f"sequences with too few REFs to tell whether they are right (under {MIN_REFS}): "
                f"{listed(untold)}"
            )
        return lines


def _counts(counter: Counter[str], most: int = 5) -> str:
    return listed((f"{key} ({count})" for key, count in counter.most_common()), most)


@dataclass
class _Converted:
    """A converted piece."""

    rows: list[tuple[str, Rows]] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    found: Conversion = field(default_factory=Conversion)


def convert_vcf(
    path: Path,
    name: str,
    chromosome: str,
    store: StoreWriter,
    *,
    quarantine: Callable[[BadRow], object] = lambda _: None,
    sequence_of: SequenceOf = lambda _: None,
    max_bad_percent: float = MAX_BAD_PERCENT,
    sha256: str | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Conversion:
    """Write the records of one published VCF to the store.

    Parameters
    ----------
    path : Path
        The gzip file.
    name : str
        Its name, for messages.
    chromosome : str
        The chromosome it must hold; ``all`` for any.
    store : StoreWriter
        Where the rows go.
    quarantine : callable
        Called with every row that is not understood, in the file's order.
    sequence_of : callable
        Gives the sequence of a contig, for `roll_left`, `roll_right` and the check of REF.
    max_bad_percent : float
        The largest share of bad rows, from 1,000 rows on; some must be good in any case. And of REFs
        that disagree with the sequence; of 20 to 999, a tenth.
    sha256 : str, optional
        Of the file that was verified; it is compared with what is read.
    progress : callable
        Called with the number of compressed bytes read since the last call.

    Raises
    ------
    SourceError
        Where the file is cut or is not a VCF, or too many records are bad.

    Notes
    -----
    A few pieces wait at a time, so memory does not depend on the file's size.
    """
    result = Conversion()
    parser = InfoParser()
    # One more than there are cores: what holds the interpreter leaves a core free for another.
    with (
        open_expanded(path, name, progress, sha256) as text,
        ThreadPoolExecutor(_NUM_WORKERS, thread_name_prefix="convert") as pool,
    ):
        header = read_header(text, name)
        parser.read_header(header)
        convert = partial(_convert, chromosome=chromosome, parser=parser, sequence_of=sequence_of)
        parts = cut_pieces(text, len(header) + 1, name)
        for done in in_order(pool, convert, parts, _NUM_WORKERS):
            result.add(done.found)
            for row in done.bad:
                result.reasons[row[1]] += 1
                result.first_bad = result.first_bad or row
                quarantine(row)
            for contig, rows in done.rows:
                store.add(contig, rows)
    _refuse_bad(result, name, max_bad_percent)
    _refuse_differing(result, name, max_bad_percent)
    result.source_versions, result.date = parser.source_versions, parser.date
    return result


def _refuse_bad(result: Conversion, name: str, max_bad_percent: float) -> None:
    bad = result.num_quarantined
    total = result.num_records + bad
    if result.first_bad is None:
        return
    too_many = total >= MIN_RECORDS_FOR_SHARE and bad * 100 > max_bad_percent * total
    if too_many or not result.num_records:
        number, reason, _ = result.first_bad
        raise SourceError(
            f"{name}: {bad} of {total} records can't be used, more than {max_bad_percent:g} %; "
            f"the first is line {number}: {reason}.",
            hint="The file's format may have changed; report it with that line.",
        )


def _refuse_differing(result: Conversion, name: str, max_bad_percent: float) -> None:
    """Refuse a sequence with which too many REFs disagree, all of a file's and each, or that lacks their bases."""
    compared, differing = result.refs_compared, result.refs_differing
    counts = [(f"the sequence of {contig}", n, differing[contig]) for contig, n in compared.items()]
    if len(counts) > 1:
        counts.append(("the sequences", compared.total(), differing.total()))
    for what, num_compared, num_differing in counts:
        most = max_bad_percent
        if num_compared < MIN_RECORDS_FOR_SHARE:
            most = max(most, MAX_DIFFERING_PERCENT_OF_FEW)
        if num_compared >= MIN_REFS and num_differing * 100 > most * num_compared:
            raise SourceError(
                f"{name}: {num_differing:,} of {num_compared:,} REFs are not what {what} has, more "
                f"than {most:g} %: one of the two is damaged or of another assembly.",
                hint="Try another mirror with --force; or fetch without the sequence.",
                code="sequence",
            )
    whole = [contig for contig in compared if contig not in _WITH_GAPS]
    num_masked = sum(result.refs_masked[contig] for contig in whole)
    num_refs = num_masked + sum(compared[contig] for contig in whole)
    most = max(max_bad_percent, MAX_MASKED_PERCENT)
    if num_refs >= MIN_REFS and num_masked * 100 > most * num_refs:
        raise SourceError(
            f"{name}: {num_masked:,} of {num_refs:,} REFs lie where the sequence has no base, more than "
            f"{most:g} %: it is masked or cut.",
            hint="Try another mirror with --force; or fetch without the sequence.",
            code="sequence",
        )


def _convert(
    piece: Piece, chromosome: str, parser: InfoParser, sequence_of: SequenceOf
) -> _Converted:
    done = _Converted()
    lines = scan_lines(piece.data)
    kept, pos = _well_formed(lines, piece.first_line, chromosome, done)
    done.found.num_records = len(kept)
    if not len(kept):
        return done
    codes, infos = _parsed_info(lines, kept, parser, done)
    begin = 0
    for length, contig in _runs(lines, kept, chromosome):
        part = slice(begin, begin + length)
        begin += length
        records = _Records(lines, kept[part], pos[part], codes[part], infos, parser.may_be_uncut)
        sequence = sequence_of(contig)
        done.rows.append((contig, _rows(records, sequence)))
        done.found.frequencies.setdefault(contig, Counter()).update(records.count_frequencies())
        if sequence is not None:
            num_compared, num_differing, num_masked = _compare_refs(records, sequence)
            done.found.refs_compared.update({contig: num_compared})
            done.found.refs_differing.update({contig: num_differing})
            done.found.refs_masked.update({contig: num_masked})
    return done


def _runs(lines: Lines, rows: Offsets, chromosome: str) -> Iterator[tuple[int, str]]:
    """Yield how many records follow one another on a contig, and its name."""
    if chromosome != "all":
        yield len(rows), chromosome
        return
    runs = _column(lines, rows, _CHROM).rle().struct.unnest()
    yield from zip(runs["len"].to_list(), runs["value"].to_list(), strict=True)


def _well_formed(
    lines: Lines, first_line: int, chromosome: str, done: _Converted
) -> tuple[Offsets, Offsets]:
    """Return the usable rows and their POS; set the others aside."""
    bad: dict[int, str] = {}
    fields = lines.num_fields
    for row in np.flatnonzero(fields != NUM_COLUMNS).tolist():
        bad[row] = f"{fields[row]} columns, expected {NUM_COLUMNS}"
    if not lines.data.isascii():
        _find_undecodable(lines, bad)
    kept = _without(len(lines), bad)
    data = np.frombuffer(lines.data, np.uint8)
    pos, is_number = (
        parse_digits(data, *lines.bounds(_POS, kept)) if len(kept) else (kept, kept > 0)
    )
    begin, end = lines.bounds(_ID, kept)
    checks = {
        **_check_contigs(lines, kept, chromosome),
        "POS is not a number": ~is_number | (pos > _MAX_POS),
        "no ID": (end == begin) | ((end == begin + 1) & (data[begin] == _DOT)),
        f"over {_MOST_ALTS} ALTs": _has_too_many_alts(lines, kept),
    }
    for reason, wrong in checks.items():
        for row in kept[wrong].tolist():
            bad.setdefault(row, reason)
    for row in sorted(bad):
        text = lines.data[lines.begin[row] : lines.end[row]].decode("utf-8", "replace")
        done.bad.append((first_line + row, bad[row], text))
    good = ~np.logical_or.reduce(list(checks.values()))
    return kept[good], pos[good]


def _has_too_many_alts(lines: Lines, rows: Offsets) -> npt.NDArray[np.bool_]:
    begin, end = lines.bounds(_ALT, rows)
    wrong = np.zeros(len(rows), bool)
    for row in np.flatnonzero(end - begin > _MOST_ALTS).tolist():
        wrong[row] = lines.data.count(b",", int(begin[row]), int(end[row])) >= _MOST_ALTS
    return wrong


def _check_contigs(
    lines: Lines, rows: Offsets, chromosome: str
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which rows' CHROM is not what it must be, by reason."""
    begin, end = lines.bounds(_CHROM, rows)
    if chromosome == "all":
        names = take_text(lines.data, begin, end)
        plain = [name for name in names.unique() if re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)]
        return {"the CHROM is not a plain name": ~names.is_in(plain).to_numpy()}
    data = np.frombuffer(lines.data, np.uint8)
    wrong = end - begin != len(chromosome)
    for place, letter in enumerate(chromosome.encode()):
        wrong |= data[np.minimum(begin + place, len(data) - 1)] != letter
    return {"the CHROM is another chromosome's": wrong}


def _find_undecodable(lines: Lines, bad: dict[int, str]) -> None:
    for row, (begin, end) in enumerate(zip(lines.begin.tolist(), lines.end.tolist(), strict=True)):
        try:
            lines.data[begin:end].decode("utf-8")
        except UnicodeDecodeError:
            bad.setdefault(row, "not UTF-8")


def _without(count: int, bad: dict[int, str]) -> Offsets:
    mask = np.ones(count, bool)
    mask[list(bad)] = False
    return np.flatnonzero(mask)


def _column(lines: Lines, rows: Offsets, index: int) -> pl.Series:
    return take_text(lines.data, *lines.bounds(index, rows))


def _parsed_info(
    lines: Lines, rows: Offsets, parser: InfoParser, done: _Converted
) -> tuple[Offsets, pl.DataFrame]:
    """Return for each row the number of its INFO, and the parsed INFOs by that number."""
    begin, end = lines.bounds(_INFO, rows)
    data = np.frombuffer(lines.data, np.uint8)
    end = end - ((end > begin) & (data[end - 1] == ord("\r")))
    codes, distinct = encode_slices(lines.data, begin, end)
    texts = pl.Series(distinct.cast(pa.large_string()))
    if not _says_no_quality(lines, rows):
        whole = _with_quality(lines, rows, texts.gather(codes))
        texts = whole.unique(maintain_order=True)
        codes = texts.to_frame("text").with_row_index("code").join(
            whole.to_frame("text"), on="text", how="right", maintain_order="right"
        )["code"].to_numpy().astype(np.int64)  # fmt: skip
    infos = parse_texts(parser, texts)
    times = np.bincount(codes, minlength=len(texts))
    for row in infos["other"].is_not_null().arg_true():
        for key, count in unknown_keys(infos["other"][row]).items():
            done.found.unknown[key] += count * int(times[row])
    evidence = infos["evidence"]
    unnamed = evidence.str.count_matches(UNNAMED_ENTRY, literal=True).fill_null(0).to_numpy()
    done.found.num_unnamed += int((unnamed * times).sum())
    return codes, infos


def _says_no_quality(lines: Lines, rows: Offsets) -> bool:
    """Tell whether QUAL and FILTER are a dot in every row."""
    words = np.ndarray((len(lines.data) - 3,), "<u4", lines.data, strides=(1,))
    begin, _ = lines.bounds(_QUAL, rows)
    # With both and INFO empty, the last line of a piece ends before a word does.
    if not len(begin) or begin[-1] >= len(words):
        return False
    return bool((words[begin] == int.from_bytes(b".\t.\t", "little")).all())


def _with_quality(lines: Lines, rows: Offsets, info: pl.Series) -> pl.Series:
    """Return INFO with QUAL and FILTER appended where they say something, which is never."""
    frame = pl.DataFrame(
        {
            "info": info,
            "QUAL": _column(lines, rows, _QUAL),
            "FILTER": _column(lines, rows, _FILTER),
        }
    )
    parts = [
        pl.when(pl.col(name) != ".").then(f"{name}=" + pl.col(name)) for name in ("QUAL", "FILTER")
    ]
    own = pl.when(pl.col("info") != ".").then("info")
    whole = pl.concat_str(own, *parts, separator=";", ignore_nulls=True)
    return frame.select(pl.when(whole == "").then("info").otherwise(whole)).to_series()


@dataclass
class _Records:
    """Usable records of one contig, as arrays.

    Attributes
    ----------
    lines : Lines
        The piece.
    rows : int64 array
        The lines.
    pos : int64 array
        POS.
    info : int64 array
        The number of each record's INFO in `infos`.
    infos : DataFrame
        From `parse_texts`.
    may_be_uncut : bool
        See `minor_alleles`.
    frequency : uint8 array
        Whether each record's frequency is known to be an allele's, a place in `FREQUENCIES`;
        255 where it has none, or was not looked at.
    """

    lines: Lines
    rows: Offsets
    pos: Offsets
    info: Offsets
    infos: pl.DataFrame
    may_be_uncut: bool

    def __post_init__(self) -> None:
        self.data = np.frombuffer(self.lines.data, np.uint8)
        self.ref = self.lines.bounds(_REF, self.rows)
        self.alt = self.lines.bounds(_ALT, self.rows)
        self.minor = _minor_codes(self.infos)[self.info]
        frequent = (self.infos["ma"].is_not_null() & self.infos["maf"].is_not_null()).to_numpy()
        self.has_frequency = frequent[self.info]
        self.frequency = np.full(len(self.rows), 255, np.uint8)

    def count_frequencies(self) -> Counter[str]:
        """Count the records with a frequency, by whether it is known whose it is."""
        counts = np.bincount(self.frequency, minlength=len(FREQUENCIES)).tolist()
        return Counter(dict(zip(FREQUENCIES, counts, strict=False)))


_NO_MINOR, _LONG_MINOR = 254, 255


def _minor_codes(infos: pl.DataFrame) -> npt.NDArray[np.uint8]:
    """Return MA as a base's code; `_NO_MINOR` where there is none, `_LONG_MINOR` for others."""
    one = infos["ma"].str.len_bytes() == 1
    codes = np.full(len(infos), _LONG_MINOR, np.uint8)
    codes[infos["ma"].is_null().to_numpy()] = _NO_MINOR
    where = one.fill_null(False).arg_true()
    if len(where):
        letters = np.frombuffer("".join(infos["ma"].gather(where)).encode(), np.uint8)
        codes[where.to_numpy()] = _ANY_CASE_CODE[letters]
    return codes


@dataclass
class _Alleles:
    """Alleles of records, as int64 arrays of one length.

    Attributes
    ----------
    place : array
        Which record, and which of its ALTs: record * 2^20 + index.
    key : array
        start * 16 + code.
    variant : array
        From `_variants`.
    spelled : array
        Which spelling it has; 0, the one of nulls, where `code` tells REF and ALT.
    """

    place: Offsets
    key: Offsets
    variant: Offsets
    spelled: Offsets


def _variants(
    num_alts: Offsets, alt_index: Offsets, rule: Offsets, certain: npt.NDArray[np.bool_]
) -> Offsets:
    """Put together in one number: ALTs of the record, index of this one, rule, certain or not."""
    return ((num_alts * _MOST_ALTS + alt_index) * _NUM_RULES + rule) * 2 + certain


def _rows(records: _Records, sequence: Bases | None) -> Rows:
    parts, plain = _plain_snvs(records)
    others, spelling = _spelled(records, np.flatnonzero(~plain), sequence)
    parts.append(others)
    place, key, variant, spelled = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("place", "key", "variant", "spelled")
    )
    # Published order first, then by key: the sort is stable, so equal keys stay in that order.
    order = np.argsort(place, kind="stable")
    order = order[np.argsort(key[order], kind="stable")]
    rs = _rs_numbers(records)
    # Few keys are equal: of those, by rs.
    ties = np.flatnonzero(np.diff(key[order], prepend=-1, append=-1) == 0)
    tied = np.union1d(ties, ties - 1)
    few = order[tied]
    order[tied] = few[np.lexsort((rs[place[few] // _MOST_ALTS], key[few]))]
    alleles = _Alleles(place[order], key[order], variant[order], spelled[order])
    return _with_details(records, alleles, spelling, rs)


def _plain_snvs(records: _Records) -> tuple[list[_Alleles], npt.NDArray[np.bool_]]:
    """Return the alleles of records that have single bases only, and which records those are."""
    data = records.data
    first, width = records.alt[0], records.alt[1] - records.alt[0]
    ref = np.where(records.ref[1] - records.ref[0] == 1, BASE_CODE[data[records.ref[0]]], 255)
    start = records.pos - 1
    plain = np.zeros(len(ref), bool)
    parts = []
    for count in range(1, _MOST_PLAIN_ALTS + 1):
        rows = np.flatnonzero((ref < 4) & (width == 2 * count - 1))
        place = first[rows, None] + 2 * np.arange(count)
        alts = BASE_CODE[data[place]]
        good = ((alts < 4) & (alts != ref[rows, None])).all(axis=1)
        good &= (data[place[:, 1:] - 1] == _COMMA).all(axis=1)
        rows, alts = rows[good], alts[good].astype(np.int64)
        plain[rows] = True
        minor, refs = records.minor[rows], ref[rows].astype(np.int64)
        fits = alts == minor[:, None]
        is_one = fits.sum(axis=1) + (minor == refs) == 1
        frequent = records.has_frequency[rows]
        records.frequency[rows[frequent]] = is_one[frequent]
        decided = is_one & frequent
        rule = np.where(decided[:, None], np.where(fits, MAF_OF_ALT, MAF_OF_OTHER), MAF_UNKNOWN)
        certain = np.zeros(alts.shape, bool)
        if count == 1:
            rule[decided & (minor == refs)] = MAF_OF_REF
            certain[:, 0] = minor != refs
        index = np.arange(count)
        parts.append(
            _Alleles(
                place=(rows[:, None] * _MOST_ALTS + index).ravel(),
                key=((start[rows] * 16 + refs * 4)[:, None] + alts).ravel(),
                variant=_variants(np.array(count), index, rule, certain).ravel(),
                spelled=np.zeros(alts.size, np.int64),
            )
        )
    return parts, plain


def _spelled(
    records: _Records, rows: Offsets, sequence: Bases | None
) -> tuple[_Alleles, pl.DataFrame]:
    """Return all other alleles, and the spellings.

    Returns
    -------
    tuple of (_Alleles, DataFrame)
        The spellings: ``ref, alt, offset, roll_left, roll_right``, the first one of nulls.
    """
    begin, end = records.ref[0][rows], records.alt[1][rows]
    # REF, a tab, and the ALTs of one record after the other.
    text = gather_bytes(records.data, Spans(begin, end - begin))
    ends = np.cumsum(end - begin)
    first = ends - (end - begin)
    ref = Spans(first, records.ref[1][rows] - begin)
    record, alt = _split_alts(text, first + (records.alt[0][rows] - begin), ends)
    num_alts = np.bincount(record, minlength=len(rows))
    alt_index = np.arange(len(record)) - np.repeat(np.cumsum(num_alts) - num_alts, num_alts)
    upper = upper_case(text)
    refs = take_spans(text, ref)
    ref_of = ref.some(record)
    keys = key_spans(upper, ref_of, alt)
    pos = records.pos[rows]
    alts = take_spans(text, alt)
    minor = _decide_minors(records, rows, sequence)
    rule = np.where(minor[record] < 0, MAF_UNKNOWN, MAF_OF_OTHER)
    rule[minor[record] == alt_index + 1] = MAF_OF_ALT
    rule[((minor == 0) & (num_alts == 1))[record]] = MAF_OF_REF
    minor_is_ref = _minor_is_ref(records, rows, upper, ref)
    rolls = _rolls(upper, keys, ref_of, pos[record] - 1, sequence)
    number, some = _distinct_spellings(text, ref, alt, record, rolls)
    alleles = _Alleles(
        place=rows[record] * _MOST_ALTS + alt_index,
        key=(pos[record] - 1 + keys.offset) * 16 + stored_codes(text, keys, ref_of, alt),
        variant=_variants(
            num_alts[record], alt_index, rule, ((num_alts == 1) & ~minor_is_ref)[record]
        ),
        spelled=number + 1,
    )
    spelling = pl.DataFrame(
        {
            "ref": refs.gather(record[some]),
            "alt": alts.gather(some),
            "offset": keys.offset[some].astype(np.int32),
            "roll_left": rolls[0, some],
            "roll_right": rolls[1, some],
        }
    ).with_columns(
        pl.when(pl.col(name) >= 0).then(name).alias(name) for name in ("roll_left", "roll_right")
    )
    nothing = {name: [0] if name == "offset" else [None] for name in spelling.columns}
    return alleles, pl.concat([pl.DataFrame(nothing, spelling.schema), spelling])


def _distinct_spellings(
    text: npt.NDArray[np.uint8],
    ref: Spans,
    alt: Spans,
    record: Offsets,
    rolls: npt.NDArray[np.int32],
) -> tuple[Offsets, Offsets]:
    """Return for each allele the number of its spelling, and where each spelling is first."""
    ref_number, refs = encode_slices(text, ref.begin, ref.begin + ref.length)
    alt_number, alts = encode_slices(text, alt.begin, alt.begin + alt.length)
    number, found = _encode(
        _combined(
            (ref_number[record], len(refs)),
            (alt_number, len(alts)),
            *((side + 1, int(side.max(initial=-1)) + 2) for side in rolls.astype(np.int64)),
        )
    )
    return number, _first_places(number, len(found))


def _split_alts(text: npt.NDArray[np.uint8], begin: Offsets, end: Offsets) -> tuple[Offsets, Spans]:
    """Return for every ALT, in order, which record's it is, and where it stands."""
    commas = np.flatnonzero(text == _COMMA)
    owner = np.searchsorted(end, commas, "right")
    # A comma in a REF is no separator.
    inside = commas >= begin[owner]
    commas, owner = commas[inside], owner[inside]
    record = np.concatenate([np.arange(len(begin)), owner])
    first = np.concatenate([begin, commas + 1])
    order = np.argsort(first, kind="stable")
    record, first = record[order], first[order]
    last = end[record]
    goes_on = np.flatnonzero(record[1:] == record[:-1])
    last[goes_on] = first[goes_on + 1] - 1
    return record, Spans(first, last - first)


def _decide_minors(records: _Records, rows: Offsets, sequence: Bases | None) -> Offsets:
    """Return which allele is the minor one, 0 for REF; -1 where unknown, or without a frequency."""
    minor = np.full(len(rows), -1, np.int64)
    frequent = np.flatnonzero(records.has_frequency[rows])
    data, texts = records.lines.data, records.infos["ma"].gather(records.info[rows[frequent]])
    for index, row, text in zip(frequent.tolist(), rows[frequent].tolist(), texts, strict=True):
        begin, end = int(records.ref[0][row]), int(records.ref[1][row])
        ref = data[begin:end].decode().upper()
        alts = data[int(records.alt[0][row]) : int(records.alt[1][row])].decode().upper().split(",")
        first = int(records.pos[row]) - 1
        candidates = partial(
            minor_alleles, ref, alts, text.upper(), may_be_uncut=records.may_be_uncut
        )
        found, state = candidates(), 1
        if len(found) > 1 and sequence is not None and _is_there(ref, sequence, first):
            behind = first + len(ref)
            found, state = candidates(bytes(sequence[behind : behind + len(text)]).decode()), 2
        records.frequency[row] = state if len(found) == 1 else 0
        if len(found) == 1:
            minor[index] = found[0]
    return minor


def _is_there(ref: str, sequence: Bases, first: int) -> bool:
    """Tell whether the sequence has exactly these bases at this place."""
    return first >= 0 and bytes(sequence[first : first + len(ref)]) == ref.encode()


def _minor_is_ref(
    records: _Records, rows: Offsets, text: npt.NDArray[np.uint8], ref: Spans
) -> npt.NDArray[np.bool_]:
    """Tell of which records MA is REF; their ALT may or may not be the minor allele, too."""
    distinct, (spans,) = joined_texts([records.infos["ma"].fill_null("")])
    minor = spans.some(records.info[rows])
    return (minor.length > 0) & equal_spans(text, ref, upper_case(distinct), minor)


def _rolls(
    text: npt.NDArray[np.uint8],
    keys: Keys,
    ref: Spans,
    begin: Offsets,
    sequence: Bases | None,
) -> npt.NDArray[np.int32]:
    """Return how far insertions and deletions slide, left and right; -1 for others.

    It is -1 where REF differs from the sequence, too.
    """
    count = len(begin)
    values = np.full((2, count), -1, np.int32)
    if sequence is not None:
        one_sided = (keys.deleted.length == 0) != (keys.inserted.length == 0)
        rows = np.flatnonzero(one_sided)
        rows = rows[refs_fit(sequence, begin[rows], text, ref.some(rows))]
        deleted, inserted = keys.deleted.some(rows), keys.inserted.some(rows)
        is_deletion = deleted.length > 0
        unit = Spans(
            np.where(is_deletion, deleted.begin, inserted.begin), deleted.length + inserted.length
        )
        start = begin[rows] + keys.offset[rows]
        values[:, rows] = roll_indels(sequence, start, deleted.length, text, unit)
    return values


def _compare_refs(records: _Records, sequence: Bases) -> tuple[int, int, int]:
    """Count the records whose REF can be compared with the sequence, that differ, and that can't be compared."""
    begin, end = records.ref
    length = end - begin
    text = upper_case(gather_bytes(records.data, Spans(begin, length)))
    refs = Spans(np.cumsum(length) - length, length)
    odd = np.concatenate([[0], np.cumsum((text < ord("A")) | (text > ord("Z")))])
    literal = np.flatnonzero((odd[refs.begin + length] == odd[refs.begin]) & (length > 0))
    start = records.pos[literal] - 1
    fits, compared = compare_refs(sequence, start, text, refs.some(literal))
    return int(compared.sum()), int((~fits).sum()), int((~compared).sum())


def _rs_numbers(records: _Records) -> npt.NDArray[np.uint32]:
    """Return the number of each rsID, 0 for any other ID (``rs007`` and ``rs4294967296`` too)."""
    data = records.data
    begin, end = records.lines.bounds(_ID, records.rows)
    numbers, valid = parse_digits(data, begin + 2, end)
    pairs = np.ndarray((len(data) - 1,), "<u2", data, strides=(1,))
    valid &= (pairs[begin] == _RS) & (data[begin + 2] != ord("0")) & (numbers < 2**32)
    numbers[~valid] = 0
    return numbers.astype(np.uint32)


def _with_details(
    records: _Records,
    alleles: _Alleles,
    spelling: pl.DataFrame,
    numbers: npt.NDArray[np.uint32],
) -> Rows:
    """Put together rows and their details: a detail for each combination of values that occurs.

    Parameters
    ----------
    records : _Records
    alleles : _Alleles
        In the order of the rows.
    spelling : DataFrame
        From `_spelled`.
    numbers : uint32 array
        From `_rs_numbers`.
    """
    record = alleles.place // _MOST_ALTS
    rs = numbers[record]
    name, names = _names(records, record, rs == 0)
    info = records.info[record]
    variant, variants = _encode(alleles.variant)
    detail, found = _encode(
        _combined(
            (info, len(records.infos)),
            (variant, len(variants)),
            (alleles.spelled, len(spelling)),
            (name, len(names)),
        )
    )
    first = _first_places(detail, len(found))
    flags = alleles.variant[first]
    certain, flags = flags & 1, flags >> 1
    counts, rule = np.divmod(flags, _NUM_RULES)
    details = _gather(records.infos, info[first]).hstack(_gather(spelling, alleles.spelled[first]))
    return Rows(
        start=alleles.key >> 4,
        code=alleles.key & 15,
        rs=rs,
        detail=detail,
        details=details.with_columns(
            name=names.gather(_row_numbers(name[first])),
            alt_index=pl.Series(counts % _MOST_ALTS, dtype=pl.Int32),
            num_alts=pl.Series(counts // _MOST_ALTS, dtype=pl.Int32),
            clin_certain=pl.Series(certain.astype(bool)),
            maf_of=pl.Series(rule, dtype=pl.UInt8),
        ),
        last_pos=int(records.pos.max()),
    )


def _names(
    records: _Records, record: Offsets, wanted: npt.NDArray[np.bool_]
) -> tuple[Offsets, pl.Series]:
    """Return the number of each allele's ID where wanted, and the IDs, the last one null."""
    distinct = np.unique(record[wanted])
    begin, end = records.lines.bounds(_ID, records.rows[distinct])
    codes, names = encode_slices(records.lines.data, begin, end)
    number = np.full(len(record), len(names), np.int64)
    number[wanted] = codes[np.searchsorted(distinct, record[wanted])]
    texts = pl.Series("name", names.cast(pa.large_string()), dtype=pl.String)
    return number, texts.extend(pl.Series([None], dtype=pl.String))


def _gather(frame: pl.DataFrame, rows: Offsets) -> pl.DataFrame:
    return frame.select(pl.all().gather(_row_numbers(rows)))


def _row_numbers(rows: Offsets) -> pl.Series:
    return pl.Series(rows.astype(np.uint32))


def _combined(*columns: tuple[Offsets, int]) -> Offsets:
    """Return one number for each combination of numbers, of which each is below its count."""
    combined, total = columns[0]
    for values, count in columns[1:]:
        if total * count > _MOST_COMBINED:
            combined, found = _encode(combined)
            total = len(found)
        combined = combined * count + values
        total *= count
    return combined


def _first_places(numbers: Offsets, count: int) -> Offsets:
    """Return where each number from 0 on stands first."""
    places = np.empty(count, np.int64)
    places[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return places


def _encode(values: Offsets) -> tuple[Offsets, Offsets]:
    """Return the number of each value, in order of appearance, and the distinct values."""
    encoded = arrow_numbers(values).dictionary_encode()
    numbers = numpy_numbers(encoded.indices).astype(np.int64)
    return numbers, numpy_numbers(encoded.dictionary).astype(np.int64)
