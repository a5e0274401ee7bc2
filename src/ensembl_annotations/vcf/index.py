"""The index beside an annotated VCF or BCF."""

from __future__ import annotations

from pathlib import Path

from ensembl_annotations.common.errors import InputError, UsageError
from ensembl_annotations.vcf.forms import BCF, form_of

INDEX_KINDS = ("csi", "tbi", "none")
MAX_TBI_POS = 2**29


def index_of(out: Path, kind: str) -> Path | None:
    """Return where the index goes, if there is to be one."""
    return out.with_name(f"{out.name}.{kind}") if kind != "none" else None


def possible_indexes(out: Path) -> list[Path]:
    """Return where an index of this file can be: a tool takes any of them for the file's."""
    return [out.with_name(f"{out.name}.{kind}") for kind in INDEX_KINDS if kind != "none"]


def check_index_kind(out: Path, kind: str) -> None:
    """Refuse an index that a file can't have.

    Raises
    ------
    UsageError
    """
    if kind not in INDEX_KINDS:
        raise UsageError(f"--index: expected {', '.join(INDEX_KINDS)}, found {kind!r}.")
    if kind == "tbi" and form_of(out) == BCF:
        raise UsageError(f"{out}: a BCF has no .tbi index.", hint="Use --index csi.")


def check_position(last: int, kind: str, vcf: Path) -> None:
    """Refuse a position that the index can't hold.

    Raises
    ------
    InputError
    """
    if kind == "tbi" and last > MAX_TBI_POS:
        raise InputError(
            f"{vcf}: has a record that reaches position {last}; a .tbi index holds positions "
            f"up to 2^29 ({MAX_TBI_POS}).",
            hint="Use --index csi.",
        )
