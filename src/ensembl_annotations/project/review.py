"""What `make review` prints of a review: it fits into a comment of a pull request, whatever changed."""

from __future__ import annotations

import re

MOST_CHARS = 59_000
"""GitHub refuses a comment of more than 65,536."""

_MOST_SECTION_CHARS = 8_000
_FENCE = "```"


def shorten_review(text: str) -> str:
    """Return a review in Markdown with what fits of each section, and how many lines each lacks."""
    sections = re.split(r"(?m)^(?=### )", text)
    shown = ""
    for section in sections:
        shown += _shortened(section, min(_MOST_SECTION_CHARS, MOST_CHARS - len(shown)))
    return shown


def _shortened(section: str, most: int) -> str:
    if len(section) <= most:
        return section
    lines = section.splitlines(keepends=True)
    # Of the note, too.
    room = most - 200
    num_kept, num_chars = 0, 0
    while num_chars + len(lines[num_kept]) <= room:
        num_chars += len(lines[num_kept])
        num_kept += 1
    fences = [place for place, line in enumerate(lines[:num_kept]) if line.startswith(_FENCE)]
    if len(fences) % 2:
        # Half a picture is none.
        num_kept = fences[-1]
    note = (
        f"\n*{len(lines) - num_kept:,} lines more are in the whole review: an artifact of the run on GitHub, "
        "or `make review WHOLE=FILE`.*\n\n"
    )
    return "".join(lines[:num_kept]) + (note if room > 0 else "")
