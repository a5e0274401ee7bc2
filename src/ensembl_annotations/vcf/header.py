"""Structured header lines, ``##key=<A=b,C="d e">``: written, and read back."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FIELD = r'(?:^|,)([^=,"<>]+)=("(?:[^"\\]|\\.)*"|[^,>]*)'


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
    return {name: _unquoted(value) for name, value in re.findall(_FIELD, fields[:-1])}


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
