"""Structured header lines come back as they were written."""

from __future__ import annotations

import time

import pysam
from hypothesis import given
from hypothesis import strategies as st

from ensembl_annotations.vcf.header import parse_structured_line, structured_header_line

keys = st.text("abcXYZ_", min_size=1, max_size=6)
values = st.text(st.characters(exclude_categories=["C", "Z"], max_codepoint=0x2FF), max_size=12)


@given(st.dictionaries(keys, values, min_size=1, max_size=5))
def test_what_is_written_is_read_back(fields: dict[str, str]) -> None:
    line = structured_header_line("key", fields)
    assert line.startswith("##key=<")
    assert parse_structured_line(line + "\r\n") == fields


def test_values_are_quoted_as_vcf_asks() -> None:
    fields = {"ID": "A_1", "Number": ".", "Description": "x", "Source": 'a "b" \\'}
    line = structured_header_line("INFO", fields)
    assert line == r'##INFO=<ID=A_1,Number=".",Description="x",Source="a \"b\" \\">'
    header = pysam.VariantHeader()
    header.add_line('##INFO=<ID=B,Number=1,Type=String,Description="x, y">')
    assert parse_structured_line(str(header).splitlines()[-2])["Description"] == "x, y"


def test_other_lines_have_no_fields() -> None:
    for line in ("##fileformat=VCFv4.2", "##x=<a=b", "#CHROM\tPOS", ""):
        assert parse_structured_line(line) == {}


def test_a_structured_line_is_read_in_linear_time() -> None:
    line = structured_header_line("x", {"A": "b", "C": 'd, "e"', "F": "g"})
    assert parse_structured_line(line) == {"A": "b", "C": 'd, "e"', "F": "g"}
    began = time.process_time()
    assert parse_structured_line(f"##x=<{'a' * 200_000}>") == {}
    assert time.process_time() - began < 2
