"""Ensembl's VCF to the reference store's parquet: one row per ALT, sorted, nothing dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from ensembl_annotations.common.alleles import allele_frequencies, one_minus, with_allele_keys
from ensembl_annotations.common.bgzf import GZIP_ERRORS, open_gzip
from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.common.schema import UNNAMED_ENTRY
from ensembl_annotations.common.text import Lines, Offsets, scan_lines, take_text
from ensembl_annotations.fetch.info import Info, InfoParser, unknown_keys
from ensembl_annotations.fetch.store import StoreWriter

BATCH_BYTES = 16 << 20
NUM_COLUMNS = 8
MAX_BAD_SHARE = 0.01
MIN_RECORDS_FOR_SHARE = 1000

_CHROM, _POS, _ID, _REF, _ALT, _QUAL, _FILTER, _INFO = range(NUM_COLUMNS)
# Keys begin behind POS by up to the length of REF; they must fit 32 bits.
_MAX_POS = 2**31 - 2**26


@dataclass
class Conversion:
    """What was found while converting one file.

    Attributes
    ----------
    num_records : int
        Records kept.
    num_unnamed : int
        Empty INFO entries.
    unknown : Counter
        Keys that went to the overflow column, and how often.
    quarantined : list of (int, str, str)
        Line number, reason and text of every row that was not understood.
    source_versions : dict
        Database to version.
    """

    num_records: int = 0
    num_unnamed: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    quarantined: list[tuple[int, str, str]] = field(default_factory=list)
    source_versions: dict[str, str] = field(default_factory=dict)


def convert_vcf(path: Path, name: str, chromosome: str, store: StoreWriter) -> Conversion:
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

    Raises
    ------
    SourceError
        Where the file is cut or is not a VCF, or over 1 % of at least 1,000 records are bad.
    """
    result = Conversion()
    parser = InfoParser()
    line_number = 0
    for header, batch in read_batches(path, name):
        if header:
            parser.read_header(header)
            line_number += len(header)
        lines = scan_lines(batch)
        kept = _well_formed(lines, line_number, chromosome, result)
        if len(kept):
            for contig, alleles in _records(lines, kept, parser, result):
                store.add(contig, alleles)
        line_number += len(lines)
    total = result.num_records + len(result.quarantined)
    if total >= MIN_RECORDS_FOR_SHARE and len(result.quarantined) > MAX_BAD_SHARE * total:
        number, reason, _ = result.quarantined[0]
        raise SourceError(
            f"{name}: {len(result.quarantined)} of {total} records can't be used, more than 1 %; "
            f"the first is line {number}: {reason}.",
            hint="The file's format may have changed; report it with that line.",
        )
    result.source_versions = parser.source_versions
    return result


def read_batches(path: Path, name: str) -> Iterator[tuple[list[str], bytes]]:
    """Yield (header lines, whole record lines); the header comes with the first batch only.

    Raises
    ------
    SourceError
        Where the gzip data are cut or corrupt, or the ``#CHROM`` line is missing.
    """
    header: list[str] | None = None
    rest = b""
    try:
        with open_gzip(path) as handle:
            while piece := handle.read(BATCH_BYTES):
                data = rest + piece
                end = data.rfind(b"\n") + 1
                data, rest = data[:end], data[end:]
                if header is None:
                    found = _split_header(data)
                    if found is None:
                        rest = data + rest
                        continue
                    header, data = found
                    yield header, data
                elif data:
                    yield [], data
    except GZIP_ERRORS as error:
        raise SourceError(
            f"{name}: the gzip data are cut or corrupt ({error}).",
            hint="Run the command again with --force to fetch it again.",
        ) from error
    if header is None:
        found = _split_header(rest + b"\n")
        if found is None:
            raise SourceError(f"{name}: no #CHROM line; expected a VCF.")
        header, rest = found
        yield header, rest
    elif rest:
        yield [], rest + b"\n"


def _split_header(data: bytes) -> tuple[list[str], bytes] | None:
    begin = 0
    while data[begin : begin + 1] == b"#":
        end = data.find(b"\n", begin) + 1
        if data.startswith(b"#CHROM", begin):
            return data[:end].decode("utf-8", "replace").splitlines(), data[end:]
        begin = end
    return None


def _well_formed(lines: Lines, line_number: int, chromosome: str, result: Conversion) -> Offsets:
    """Return the rows that have the right columns and values; quarantine the others."""
    bad: dict[int, str] = {}
    fields = lines.num_fields
    for row in np.flatnonzero(fields != NUM_COLUMNS).tolist():
        bad[row] = f"{fields[row]} columns, expected {NUM_COLUMNS}"
    if not lines.data.isascii():
        _find_undecodable(lines, bad)
    kept = _without(len(lines), bad)
    if len(kept):
        frame = pl.DataFrame(
            {
                "row": kept,
                "chrom": _column(lines, kept, _CHROM),
                "pos": _column(lines, kept, _POS),
                "id": _column(lines, kept, _ID),
            }
        )
        checks = {
            "the CHROM is another chromosome's": (pl.col("chrom") != chromosome)
            & (chromosome != "all"),
            "the CHROM is not a plain name": ~pl.col("chrom").str.contains(r"^[A-Za-z0-9][\w.-]*$"),
            "POS is not a number": pl.col("pos").str.contains(r"^\d{1,10}$").not_()
            | (pl.col("pos").cast(pl.Int64, strict=False).fill_null(_MAX_POS + 1) > _MAX_POS),
            "no ID": pl.col("id").is_in(["", "."]),
        }
        for reason, check in checks.items():
            for row in frame.filter(check)["row"].to_list():
                bad.setdefault(row, reason)
        kept = _without(len(lines), bad)
    for row in sorted(bad):
        text = lines.data[lines.begin[row] : lines.end[row]].decode("utf-8", "replace")
        result.quarantined.append((line_number + row + 1, bad[row], text))
    return kept


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


def _records(
    lines: Lines,
    rows: Offsets,
    parser: InfoParser,
    result: Conversion,
) -> Iterator[tuple[str, pl.DataFrame]]:
    records = pl.DataFrame(
        {
            "chrom": _column(lines, rows, _CHROM),
            "pos": _column(lines, rows, _POS).cast(pl.Int32),
            "id": _column(lines, rows, _ID),
            "ref": _column(lines, rows, _REF),
            "alts": _column(lines, rows, _ALT),
            "qual": _column(lines, rows, _QUAL),
            "filter": _column(lines, rows, _FILTER),
            "info": _column(lines, rows, _INFO).str.strip_chars_end("\r"),
        }
    )
    result.num_records += len(records)
    records = records.hstack(_parsed_info(_with_quality(records), parser, result))
    records = records.hstack(split_ids(records["id"]))
    for contig in records["chrom"].unique(maintain_order=True).to_list():
        yield contig, per_allele(records.filter(pl.col("chrom") == contig))


def _with_quality(records: pl.DataFrame) -> pl.Series:
    """Return INFO with QUAL and FILTER appended where they say something, which is never."""
    if (records["qual"] == ".").all() and (records["filter"] == ".").all():
        return records["info"]
    return records.select(
        pl.concat_str(
            "info",
            pl.when(pl.col("qual") == ".").then(pl.lit("")).otherwise(";QUAL=" + pl.col("qual")),
            pl.when(pl.col("filter") == ".")
            .then(pl.lit(""))
            .otherwise(";FILTER=" + pl.col("filter")),
        )
    ).to_series()


def _parsed_info(info: pl.Series, parser: InfoParser, result: Conversion) -> pl.DataFrame:
    distinct = info.to_frame("text").group_by("text", maintain_order=True).len("times")
    parsed = [parser.parse(text) for text in distinct["text"]]
    for entry, times in zip(parsed, distinct["times"], strict=True):
        if entry.other:
            for key, count in unknown_keys(entry.other).items():
                result.unknown[key] += count * times
        if entry.evidence and UNNAMED_ENTRY in entry.evidence:
            result.num_unnamed += entry.evidence.split("|").count(UNNAMED_ENTRY) * times
    names = Info.__slots__
    columns = {
        name: pl.Series(
            name,
            [getattr(entry, name) for entry in parsed],
            dtype=pl.Int32 if name == "mac" else pl.String,
        )
        for name in names
    }
    table = distinct.select("text").with_columns(**columns)
    return (
        info.to_frame("text").join(table, on="text", how="left", maintain_order="left").drop("text")
    )


def split_ids(ids: pl.Series) -> pl.DataFrame:
    """Split IDs into the number of an rsID (UInt32, else 0) and any other name (String, else null)."""
    number = ids.str.extract(r"^rs([1-9]\d{0,9})$").cast(pl.UInt32, strict=False)
    return pl.DataFrame(
        {
            "rs": number.fill_null(0),
            "name": ids.to_frame("id")
            .select(pl.when(number.is_null()).then(pl.col("id")))
            .to_series(),
        }
    )


def _upper(name: str) -> pl.Expr:
    return pl.col(name).str.to_uppercase()


def per_allele(records: pl.DataFrame) -> pl.DataFrame:
    """Split records into one row per ALT, with its key, frequency and clinical certainty.

    Parameters
    ----------
    records : DataFrame
        Of one contig; columns ``pos, ref, alts``, the INFO columns, ``rs, name``.

    Returns
    -------
    DataFrame
        The columns of the reference store, in the records' order.
    """
    alleles = (
        records.with_row_index("record")
        .with_columns(alt=pl.col("alts").str.split(","))
        .with_columns(num_alts=pl.col("alt").list.len().cast(pl.Int32))
        .with_columns(alt_index=pl.int_ranges(0, pl.col("num_alts"), dtype=pl.Int32))
        .explode("alt", "alt_index")
    )
    only = pl.col("num_alts") == 1
    minor_is_ref = _upper("ma").eq(_upper("ref")).fill_null(False)
    alleles = with_allele_keys(alleles).with_columns(clin_certain=only & ~minor_is_ref)
    return _with_frequency(alleles)


def _with_frequency(alleles: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("ma").is_not_null() & pl.col("maf").is_not_null()
    snv = (
        (pl.col("num_alts") == 1)
        & (pl.col("ref").str.len_bytes() == 1)
        & (pl.col("alt").str.len_bytes() == 1)
        & (_upper("ref") != _upper("alt"))
    )
    frequencies = alleles["maf"].drop_nulls().unique().to_list()
    complement = {text: one_minus(text) for text in frequencies}
    hard = alleles.filter(known & ~snv & (pl.col("alt_index") == 0)).select(
        "record", "ref", "alts", "ma", "maf"
    )
    decided: dict[str, list[int | str | None]] = {"record": [], "alt_index": [], "hard_af": []}
    for record, ref, alts, minor, frequency in hard.iter_rows():
        for index, value in enumerate(allele_frequencies(ref, alts.split(","), minor, frequency)):
            decided["record"].append(record)
            decided["alt_index"].append(index)
            decided["hard_af"].append(value)
    table = pl.DataFrame(
        decided, schema={"record": pl.UInt32, "alt_index": pl.Int32, "hard_af": pl.String}
    )
    return alleles.join(
        table, on=["record", "alt_index"], how="left", maintain_order="left"
    ).with_columns(
        af=pl.when(known & snv & (_upper("ma") == _upper("alt")))
        .then(pl.col("maf"))
        .when(known & snv & (_upper("ma") == _upper("ref")))
        .then(pl.col("maf").replace_strict(complement, default=None, return_dtype=pl.String))
        .otherwise(pl.col("hard_af"))
    )
