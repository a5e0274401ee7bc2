"""Addresses of servers, as they may be shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def without_credentials(url: str) -> str:
    """Return an address as it may be shown and stored: no user, no password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"//[^/@]*@", "//", url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
