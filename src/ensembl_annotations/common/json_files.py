"""JSON that others may have cut or edited: an object or a data class, or nothing."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Content = TypeVar("Content")


def parse_object(content: bytes | str) -> dict[str, Any]:
    """Return a JSON object; an empty one where the content is none."""
    with suppress(ValueError, RecursionError):
        found = json.loads(content)
        if isinstance(found, dict):
            return found
    return {}


def compact_json(content: Any) -> str:
    """Return JSON without blanks, in one line, with the letters that there are."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one where there is no file, or it holds none."""
    with suppress(OSError):
        return parse_object(path.read_bytes())
    return {}


def parse_as(kind: type[Content], content: bytes) -> Content:
    """Return JSON as a data class, whose types and limits pydantic checks.

    Raises
    ------
    ValueError
        Where it is none; of one line.
    """
    from pydantic import ValidationError

    try:
        adapter: TypeAdapter[Content] = _adapter(kind)  # type: ignore[arg-type]
        return adapter.validate_json(content, strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place}: {reason}" if place else reason) from error


def read_as(kind: type[Content], path: Path) -> Content | None:
    """Return the data class in a JSON file; None where there is no file, or it holds another."""
    with suppress(OSError, ValueError):
        return parse_as(kind, path.read_bytes())
    return None


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    # Importing it takes a tenth of a second, and many commands read no data class.
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
