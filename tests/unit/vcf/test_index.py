"""Which index a file can have, and where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.vcf.index import (
    check_index_kind,
    index_of,
    possible_indexes,
    why_no_tbi,
)

VCF = Path("x/a.vcf.gz")


def test_an_index_is_beside_its_file() -> None:
    assert index_of(VCF, "csi") == Path("x/a.vcf.gz.csi")
    assert index_of(VCF, "none") is None
    assert possible_indexes(VCF) == [Path("x/a.vcf.gz.tbi"), Path("x/a.vcf.gz.csi")]


def test_kinds_that_there_are() -> None:
    for kind in ("tbi", "csi", "none"):
        check_index_kind(kind)
    with pytest.raises(UsageError, match="expected tbi, csi, none, found 'bai'"):
        check_index_kind("bai")


def test_what_can_have_no_tbi() -> None:
    assert why_no_tbi(VCF, 2**29) is None
    assert why_no_tbi(VCF, 2**29 + 1) == (
        "a record reaches position 536870913, a .tbi holds positions up to 2^29 (536870912)"
    )
    assert why_no_tbi(Path("a.bcf"), 5) == "a BCF has no .tbi"
