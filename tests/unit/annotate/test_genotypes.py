"""Genotypes of all samples, against splitting each line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations import _kernel
from ensembl_annotations._kernel import COLUMNS, BadLine, Contig, Settings, annotated
from ensembl_annotations.annotate.rows import array_of
from ensembl_annotations.variants.outcomes import REASONS
from ensembl_annotations.variants.schema import GENOTYPES
from ensembl_annotations.vcf.read import SAMPLE

ABSENT = Contig(reason=list(REASONS).index("contig_absent"))
calls = st.sampled_from(
    ["0/1", "1|0", ".", "", "./.", "0/1:3", ".:7", "10/12", "0/1/2/3/4/5:9", "1:2:3", "ü", "0|1:"]
)
formats = st.sampled_from(["GT", "GT:DP", "DP:GT", "DP", "GTX:GT", "GT:DP:AD"])


def lists_of(lines: list[str], most_column: int = 1 << 20) -> list[object]:
    """Return the column of lines with as many samples as the first has."""
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    asked = Settings(lines[0].count("\t") + 1, columns=["gts"], most_column=most_column)
    with annotated(text, asked, [ABSENT], [0]) as result:
        found: list[object] = array_of(result.columns, "gts", GENOTYPES[0].dtype).to_pylist()
    return found


def expected(line: str) -> list[str | None] | None:
    _, _, _, _, _, _, _, _, keys, *samples = line.rstrip("\r").split("\t")
    if "GT" not in keys.split(":"):
        return None
    place = keys.split(":").index("GT")
    values = [[*sample.split(":"), *["."] * 9][place] for sample in samples]
    return [None if value in (".", "") else value for value in values]


def line_of(format_: str, samples: list[str], alts: str = "C") -> str:
    return "\t".join(["1", "5", ".", "A", alts, ".", ".", ".", format_, *samples])


@settings(max_examples=150)
@given(st.data(), st.integers(1, 4), st.booleans())
def test_genotypes_are_those_of_the_lines(
    data: st.DataObject, num_samples: int, returns: bool
) -> None:
    samples = st.lists(calls, min_size=num_samples, max_size=num_samples)
    alts = st.sampled_from([".", "C", "C,G", "C,G,T"])
    record = st.builds(line_of, formats, samples, alts).map(lambda text: text + "\r" * returns)
    lines = data.draw(st.lists(record, min_size=1, max_size=6))
    rows = [line for line in lines for _ in line.split("\t")[4].split(",")]
    assert lists_of(lines) == [expected(line) for line in rows]


@pytest.mark.parametrize("call", ["\udcff", "0/1:\udcff", "0/1\0"])
def test_bytes_that_are_no_text(call: str) -> None:
    lines = [line_of("GT:XX", ["0/1:a"]), line_of("GT:XX", [call])]
    if call.startswith("0/1"):
        assert lists_of(lines) == [["0/1"], [call.partition(":")[0]]]
    else:
        with pytest.raises(BadLine) as error:
            lists_of(lines)
        found = error.value
        assert (found.what, found.line, found.detail) == (_kernel.NOT_UTF8, 1, SAMPLE)


def test_without_samples_there_is_no_list() -> None:
    assert lists_of([line_of("GT", [])]) == [None]
    assert lists_of([line_of("GT", []).removesuffix("\tGT")] * 2) == [None] * 2


def test_more_genotypes_than_a_column_has_room_for_name_the_line() -> None:
    lines = [line_of("GT", ["0/1"] * 4)] * 3
    assert len(lists_of(lines, 36)) == 3
    with pytest.raises(BadLine) as error:
        lists_of(lines, 35)
    found = error.value
    assert (found.what, found.line, COLUMNS[found.detail]) == (_kernel.LONG_COLUMN, 2, "gts")
