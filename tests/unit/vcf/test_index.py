"""Which index a file can have, and where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.common.errors import InputError, UsageError
from ensembl_annotations.vcf.index import (
    check_index_kind,
    check_position,
    index_of,
    possible_indexes,
)

VCF = Path("x/a.vcf.gz")


def test_an_index_is_beside_its_file() -> None:
    assert index_of(VCF, "csi") == Path("x/a.vcf.gz.csi")
    assert index_of(VCF, "none") is None
    assert possible_indexes(VCF) == [Path("x/a.vcf.gz.csi"), Path("x/a.vcf.gz.tbi")]


def test_kinds_that_a_file_can_not_have() -> None:
    for kind in ("csi", "tbi", "none"):
        check_index_kind(VCF, kind)
    with pytest.raises(UsageError, match="expected csi, tbi, none, found 'bai'"):
        check_index_kind(VCF, "bai")
    with pytest.raises(UsageError, match=r"a BCF has no \.tbi index"):
        check_index_kind(Path("a.bcf"), "tbi")


def test_a_position_beyond_tbi() -> None:
    check_position(2**29, "tbi", VCF)
    check_position(2**31, "csi", VCF)
    with pytest.raises(InputError, match=r"position 536870913.*536870912") as caught:
        check_position(2**29 + 1, "tbi", VCF)
    assert caught.value.hint == "Use --index csi."
