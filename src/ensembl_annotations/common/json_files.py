"""JSON that others may have cut or edited: an object, or nothing."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any


def parse_object(content: bytes | str) -> dict[str, Any]:
    """Return a JSON object; an empty one where the content is none."""
    with suppress(ValueError, RecursionError):
        found = json.loads(content)
        if isinstance(found, dict):
            return found
    return {}


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one where there is no file, or it holds none."""
    with suppress(OSError):
        return parse_object(path.read_bytes())
    return {}
