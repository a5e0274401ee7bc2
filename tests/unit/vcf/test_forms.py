"""What an output's name asks for, and which index it can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.vcf.forms import BCF, BGZF, STDOUT, TEXT, form_of


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.vcf.gz", BGZF),
        ("a.VCF.BGZ", BGZF),
        ("a.vcf", TEXT),
        ("a.bcf", BCF),
        ("vcf", None),
        ("a.vcf.zip", None),
        ("a.txt", None),
        ("a.gz", None),
    ],
)
def test_the_form_of_a_name(name: str, form: str | None) -> None:
    assert form_of(Path("a.bcf") / name) == form


def test_standard_output_is_bgzf() -> None:
    assert form_of(STDOUT) == BGZF
