"""What a BCF can't hold is refused, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.vcf.bcf import check_bytes, check_contigs, contig_lines

VCF = Path("x.vcf")


def test_a_contig_is_declared_with_its_length_if_it_is_known() -> None:
    assert contig_lines({"1": 7, "a": None, "b": 0}, b"\r\n") == [
        b"##contig=<ID=1,length=7>\r\n",
        b"##contig=<ID=a>\r\n",
        b"##contig=<ID=b,length=0>\r\n",
    ]


def test_a_contig_that_is_not_declared_is_refused() -> None:
    check_contigs(["1", "1", "2"], {"1", "2"}, VCF)
    with pytest.raises(InputError, match=r"x\.vcf: contig '3' has no ##contig line") as caught:
        check_contigs(["1", "3"], {"1", "2"}, VCF)
    assert "##contig=<ID=3>" in str(caught.value.hint)


@pytest.mark.parametrize(("text", "line"), [(b"\0", 5), (b"a\nb\0\n\0", 6), (b"\n\n\0", 7)])
def test_a_nul_byte_is_refused_with_its_line(text: bytes, line: int) -> None:
    check_bytes(b"a\nb\n", 5, VCF)
    with pytest.raises(InputError, match=f"line {line}: holds a NUL byte"):
        check_bytes(text, 5, VCF)
