"""Ensembl's INFO column: one parse per distinct text, every entry kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ensembl_annotations.common.alleles import is_frequency
from ensembl_annotations.common.schema import UNNAMED_ENTRY

_VERSIONED = re.compile(r"(?P<name>.+?)_(?P<version>\d[\w.]*)")
_MAX_COUNT = 2**31


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


@dataclass
class InfoParser:
    """Parse INFO texts of one file.

    Attributes
    ----------
    source_flags : dict of str to str
        The file's source flags (``dbSNP_156``) and their names without version (``dbSNP``).
    source_versions : dict of str to str
        Version of each database, from the header.
    """

    source_flags: dict[str, str] = field(default_factory=dict)
    source_versions: dict[str, str] = field(default_factory=dict)

    def read_header(self, lines: Iterable[str]) -> None:
        """Learn the source flags: declared flags that are neither evidence nor clinical.

        Notes
        -----
        A source flag ends with its version; a declared flag without one is kept as an
        unknown entry. In a record, an undeclared flag of a known database and another
        version is a source flag too, and is kept as it is among the unknown entries.
        """
        for line in lines:
            match = re.match(r"##INFO=<ID=(?P<id>[^,]+),Number=0,Type=Flag", line)
            if match and not match["id"].startswith(("E_", "CLIN_")):
                self._learn(match["id"])

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


def unknown_keys(other: str) -> Counter[str]:
    """Count the keys of an overflow text."""
    return Counter(entry.partition("=")[0] for entry in other.split(";"))
