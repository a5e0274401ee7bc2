"""Ensembl's INFO column: one parse per distinct text, every entry kept."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

import polars as pl

from ensembl_annotations.variants.alleles import is_frequency
from ensembl_annotations.variants.minor_allele import FIRST_RELEASE_CUT
from ensembl_annotations.variants.outcomes import UNNAMED_ENTRY

_VERSIONED = re.compile(r"(?P<name>.+?)_(?P<version>\d[\w.]*)")
_MAX_COUNT = 2**31
_APART = ("MA", "MAF", "MAC", "AA")
"""Keys whose values differ from record to record; without them few texts are left."""

_MAX_SHAPES = 1 << 17


@dataclass(frozen=True, slots=True)
class Info:
    """The entries of one INFO text, as the store keeps them."""

    tsa: str | None
    evidence: str | None
    clin: str | None
    source: str | None
    ma: str | None
    maf: str | None
    mac: int | None
    aa: str | None
    other: str | None


_COLUMNS = [item.name for item in fields(Info)]
_WITHOUT_APART = [name for name in _COLUMNS if name.upper() not in _APART]


@dataclass
class InfoParser:
    """Parse INFO texts of one file.

    Attributes
    ----------
    source_flags : dict of str to str
        The file's source flags (``dbSNP_156``) and their names without version (``dbSNP``).
    source_versions : dict of str to str
        Version of each database, from the header.
    release : int or None
        Ensembl's release, from the header.
    date : str or None
        When Ensembl made the file (ISO 8601), from the header.
    """

    source_flags: dict[str, str] = field(default_factory=dict)
    source_versions: dict[str, str] = field(default_factory=dict)
    release: int | None = None
    date: str | None = None
    _shapes: pl.DataFrame = field(
        default_factory=lambda: _table([], _WITHOUT_APART).with_columns(
            shape=pl.lit(None, pl.String), fits=pl.lit(None, pl.Boolean)
        )
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read_header(self, lines: Iterable[str]) -> None:
        """Learn the release, its date, and the source flags: those neither of evidence nor clinical.

        Notes
        -----
        A source flag ends with its version; a declared flag without one is kept as an
        unknown entry. In a record, an undeclared flag of a known database and another
        version is a source flag too, and is kept as it is among the unknown entries.
        """
        for line in lines:
            if source := re.match(r"##source=ensembl;version=([0-9]{1,9})\b", line):
                self.release = int(source[1])
            if date := re.match(r"##fileDate=([0-9]{4})-?([0-9]{2})-?([0-9]{2})\s*$", line):
                self.date = "-".join(date.groups())
            match = re.match(r"##INFO=<ID=(?P<id>[^,]+),Number=0,Type=Flag", line)
            if match and not match["id"].startswith(("E_", "CLIN_")):
                self._learn(match["id"])

    @property
    def may_be_uncut(self) -> bool:
        """Whether the file may have alleles that were not cut; see `minor_alleles`."""
        return self.release is None or self.release < FIRST_RELEASE_CUT

    def _learn(self, flag: str) -> str | None:
        match = _VERSIONED.fullmatch(flag)
        if match is None:
            return None
        self.source_flags[flag] = match["name"]
        self.source_versions[match["name"]] = match["version"]
        return match["name"]

    def parse(self, text: str) -> Info:
        """Parse one INFO text; what is not understood goes to `other`, nothing is dropped."""
        evidence: list[str] = []
        clin: list[str] = []
        source: list[str] = []
        other: list[str] = []
        values: dict[str, str] = {}
        for entry in text.split(";") if text != "." else ():
            key, equals, value = entry.partition("=")
            if not entry or entry in ("E_", "CLIN_"):
                evidence.append(UNNAMED_ENTRY)
            elif equals and key not in values and _is_valid(key, value):
                values[key] = value
            elif equals or "|" in entry:
                other.append(entry)
            elif entry.startswith("E_"):
                evidence.append(entry[2:])
            elif entry.startswith("CLIN_"):
                clin.append(entry[5:])
            elif name := self._source_name(entry):
                source.append(name)
                if entry not in self.source_flags:
                    other.append(entry)
            else:
                other.append(entry)
        return Info(
            values.get("TSA"),
            "|".join(evidence) or None,
            "|".join(clin) or None,
            "|".join(source) or None,
            values.get("MA"),
            values.get("MAF"),
            int(values["MAC"]) if "MAC" in values else None,
            values.get("AA"),
            ";".join(other) or None,
        )

    def shape_table(self, texts: pl.Series) -> pl.DataFrame:
        """Parse texts whose values of MA, MAF, MAC and AA were cut out, each form once.

        Returns
        -------
        DataFrame
            ``shape``, the fields of `Info` but for those values, ``fits``: whether they can be
            added. A row for each of the texts at least.
        """
        with self._lock:
            table = self._shapes
            new = texts.to_frame("shape").unique(maintain_order=True)
            if len(table):
                new = new.join(table, on="shape", how="anti", maintain_order="left")
            if len(new):
                table = pl.concat([table, self._parse_shapes(new["shape"])])
                if len(table) <= _MAX_SHAPES:
                    self._shapes = table
        return table

    def _parse_shapes(self, texts: pl.Series) -> pl.DataFrame:
        infos, fits = [], []
        for text in texts:
            entries = text.split(";")
            apart = [entry for entry in entries if entry[-1:] == "=" and entry[:-1] in _APART]
            rest = ";".join(entry for entry in entries if entry not in apart)
            nothing_left = len(apart) == len(entries)
            infos.append(self.parse("." if nothing_left else rest))
            fits.append(len(set(apart)) == len(apart) and not (apart and rest == "."))
        return _table(infos, _WITHOUT_APART).with_columns(
            shape=texts, fits=pl.Series(fits, dtype=pl.Boolean)
        )

    def _source_name(self, flag: str) -> str | None:
        if name := self.source_flags.get(flag):
            return name
        match = _VERSIONED.fullmatch(flag)
        known = match is not None and match["name"] in self.source_flags.values()
        return match["name"] if match and known else None


def _is_valid(key: str, value: str) -> bool:
    if key in ("TSA", "MA", "AA"):
        return bool(value)
    if key == "MAF":
        return is_frequency(value)
    if key == "MAC":
        return (
            len(value) <= 10
            and value.isascii()
            and value.isdigit()
            and str(int(value)) == value
            and int(value) < _MAX_COUNT
        )
    return False


def parse_texts(parser: InfoParser, texts: pl.Series) -> pl.DataFrame:
    """Parse distinct INFO texts, as `InfoParser.parse` would one by one.

    Parameters
    ----------
    parser : InfoParser
        After its header was read.
    texts : Series
        String.

    Returns
    -------
    DataFrame
        The fields of `Info`, one row per text: String, ``mac`` Int32.

    Notes
    -----
    The values of MA, MAF, MAC and AA are cut out first. What is left repeats, so it is parsed
    once per form and remembered; texts in which a cut-out value is odd are parsed whole.
    """
    cut = texts.to_frame("text").select(
        shape=pl.col("text").str.replace_all(_VALUES_APART, "${1}${2}="),
        **{name: pl.col("text").str.extract(rf"(?:^|;){name}=([^;]*)") for name in _APART},
    )
    table = parser.shape_table(cut["shape"])
    parsed = cut.join(table, on="shape", how="left", maintain_order="left").select(
        *_WITHOUT_APART,
        "fits",
        ma="MA",
        maf="MAF",
        mac=pl.col("MAC").cast(pl.Int32, strict=False),
        aa="AA",
        odd=(pl.col("MA") == "")
        | (pl.col("AA") == "")
        | ~pl.col("MAF").str.contains(_PLAIN_FREQUENCY)
        | ~pl.col("MAC").str.contains(_PLAIN_COUNT),
    )
    whole = parsed.select(~pl.col("fits") | pl.col("odd").fill_null(False)).to_series()
    parsed = parsed.select(*_COLUMNS)
    if whole.any():
        rows = whole.arg_true()
        odd = _table([parser.parse(text) for text in texts.gather(rows)], _COLUMNS)
        parsed = (
            pl.concat(
                [
                    parsed.with_row_index("row").filter(~whole),
                    odd.with_columns(row=rows).select("row", *_COLUMNS),
                ]
            )
            .sort("row")
            .drop("row")
        )
    return parsed


_VALUES_APART = rf"(^|;)({'|'.join(_APART)})=[^;]*"
# Narrower than what `_is_valid` allows: what is left out here is only parsed more slowly.
_PLAIN_FREQUENCY = r"^(?:0(?:\.[0-9]{1,12})?|1|1\.0{1,12})$"
_PLAIN_COUNT = r"^(?:0|[1-9][0-9]{0,8})$"


def _table(parsed: list[Info], names: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            name: pl.Series(
                name,
                [getattr(item, name) for item in parsed],
                dtype=pl.Int32 if name == "mac" else pl.String,
            )
            for name in names
        }
    )


def unknown_keys(other: str) -> Counter[str]:
    """Count the keys of an overflow text."""
    return Counter(entry.partition("=")[0] for entry in other.split(";"))
