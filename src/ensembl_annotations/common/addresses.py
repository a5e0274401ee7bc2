"""Addresses of servers: recognised, and as they may be shown."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

_ADDRESS = r"[A-Za-z][A-Za-z0-9+.-]+:(/|$)"


def is_address(folder: Path | str) -> bool:
    """Tell whether what is given for a folder begins as an address; of ``//``, `Path` keeps one."""
    return re.match(_ADDRESS, str(folder)) is not None


def without_credentials(url: str) -> str:
    """Return an address as it may be shown and stored: no user, no password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"//[^/@]*@", "//", url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
