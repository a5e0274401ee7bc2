"""What the name of an annotated VCF says of its form."""

from __future__ import annotations

from pathlib import Path

STDOUT = Path("-")
TEXT, BGZF, BCF = "text", "BGZF", "BCF"

ENDS = {".vcf.gz": BGZF, ".vcf.bgz": BGZF, ".vcf": TEXT, ".bcf": BCF}
"""By the end of the name, in any case of letters."""


def form_of(out: Path) -> str | None:
    """Return the form that the name of an annotated VCF asks for; None for no such name."""
    if out == STDOUT:
        return BGZF
    name = out.name.lower()
    return next((form for end, form in ENDS.items() if name.endswith(end)), None)
