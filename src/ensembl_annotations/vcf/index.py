"""The index beside an annotated VCF or BCF."""

from __future__ import annotations

from pathlib import Path

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.vcf.forms import BCF, form_of

INDEX_KINDS = ("tbi", "csi", "none")
MAX_TBI_POS = 2**29


def index_of(out: Path, kind: str) -> Path | None:
    """Return where the index goes, if there is to be one."""
    return out.with_name(f"{out.name}.{kind}") if kind != "none" else None


def possible_indexes(out: Path) -> list[Path]:
    """Return where an index of this file can be: a tool takes any of them for the file's."""
    return [out.with_name(f"{out.name}.{kind}") for kind in INDEX_KINDS if kind != "none"]


def check_index_kind(kind: str) -> None:
    """Refuse an index that there is not.

    Raises
    ------
    UsageError
    """
    if kind not in INDEX_KINDS:
        raise UsageError(f"--index: expected {', '.join(INDEX_KINDS)}, found {kind!r}.")


def why_no_tbi(out: Path, last: int) -> str | None:
    """Say why a file can't have a .tbi, so that it gets a .csi; None where it can.

    Parameters
    ----------
    out : Path
    last : int
        The last position that a record reaches.
    """
    if form_of(out) == BCF:
        return "a BCF has no .tbi"
    if last > MAX_TBI_POS:
        return (
            f"a record reaches position {last}, a .tbi holds positions up to 2^29 ({MAX_TBI_POS})"
        )
    return None
