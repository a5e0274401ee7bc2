"""What an output was made from, in a form that every output carries."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

ENGINE_VERSION = "3"
"""Raised whenever the same inputs would give another output. Not the package's version: a
release that changes no result must not make every result look out of date."""

METADATA_KEY = "ensembl_annotations"
"""The key of the JSON in a parquet file's metadata, and the name of the VCF header line."""

ALL_CHROMOSOMES = "all"
"""Stands in the header for the chromosomes looked up, where there are too many to name."""

_FIELD = re.compile(r'([^=,"<>]+)=("(?:[^"\\]|\\.)*"|[^,>]*)')


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def structured_header_line(key: str, fields: dict[str, str]) -> str:
    """Return ``##key=<A=b,C="d e">``, quoting values as VCF 4.3 asks."""
    return f"##{key}=<{','.join(_structured(fields))}>"


def _structured(fields: dict[str, str]) -> Iterator[str]:
    for name, value in fields.items():
        if name == "Description" or not value.replace("_", "").replace(".", "").isalnum():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            yield f'{name}="{escaped}"'
        else:
            yield f"{name}={value}"


def parse_structured_line(line: str) -> dict[str, str]:
    """Return the fields of ``##key=<A=b,C="d e">``; none for a line of another form."""
    _, opened, fields = line.rstrip().partition("=<")
    if not opened or not fields.endswith(">"):
        return {}
    return {name: _unquoted(value) for name, value in _FIELD.findall(fields[:-1])}


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
