"""The kernel's columns, as Arrow's."""

from __future__ import annotations

import gc
import itertools
import re

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensembl_annotations import _kernel
from ensembl_annotations._kernel import (
    COLUMNS,
    NUM_CSQ_FIELDS,
    BadLine,
    Contig,
    Settings,
    Spare,
    annotated,
)
from ensembl_annotations.annotate.rows import array_of, table_of
from ensembl_annotations.variants.outcomes import CSQ_FIELDS, REASONS
from ensembl_annotations.variants.schema import REQUESTED, result_schema

ABSENT = Contig(reason=list(REASONS).index("contig_absent"))
SCHEMA = result_schema(with_genotype=True)


def text_of(*lines: str, ref: str = "A", alts: str = "C") -> bytes:
    """Return lines of ID, QUAL, FILTER, FORMAT and a call."""
    rows = []
    for line in lines:
        id_, qual, filter_, *rest = line.split(" ")
        rows.append("\t".join(["1", "5", id_, ref, alts, qual, filter_, ".", *rest]))
    return "\n".join([*rows, ""]).encode("utf-8", "surrogateescape")


def typed(*lines: str, alts: str = "C") -> pl.DataFrame:
    """Return the table of lines, of which the first is record 100."""
    settings = Settings(10, columns=SCHEMA.names, first_record=100)
    with annotated(text_of(*lines, alts=alts), settings, [ABSENT], [0]) as result:
        columns = result.columns
    found = pl.from_arrow(table_of(columns, SCHEMA))
    assert isinstance(found, pl.DataFrame)
    return found


def test_every_column_of_the_table_is_one_of_the_kernel_or_requested() -> None:
    schema = result_schema(
        with_genotype=True, with_genotypes=True, with_genes=True, requested=REQUESTED
    )
    assert {*schema.names} - {*COLUMNS} == {*REQUESTED}
    assert len(CSQ_FIELDS) == NUM_CSQ_FIELDS


def test_an_array_keeps_the_memory_of_its_piece() -> None:
    settings, spare = Settings(10, columns=["id", "ref"]), Spare()

    def ids_of(name: str) -> pa.Array:
        text = text_of(*[f"{name} . . GT 0"] * 5000)
        with annotated(text, settings, [ABSENT], [0], None, spare) as result:
            return array_of(result.columns, "id", pa.string())

    first = ids_of("one")
    for _ in range(5):
        assert ids_of("two")[0].as_py() == "two"
        gc.collect()
    # Each of the five in the memory of the one before.
    assert len(spare.columns) == 1
    assert first.to_pylist() == ["one"] * 5000


def test_a_text_stays_as_long_as_a_part_of_it_is_there() -> None:
    spare = Spare()

    def text_with(name: str) -> memoryview:
        text = text_of(*[f"{name} . . GT 0"] * 5000)
        with annotated(text, Settings(10), [ABSENT], [0], None, spare) as result:
            return result.text

    first = text_with("one")[-50:]
    wanted = bytes(first)
    assert b"one" in wanted
    for _ in range(5):
        assert b"one" not in bytes(text_with("two"))
        gc.collect()
    # Each of the five in the memory of the one before.
    assert len(spare.texts) == 1
    assert first == wanted
    del first
    assert len(spare.texts) == 2


def test_what_was_not_asked_for_is_not_made() -> None:
    with annotated(text_of("a . . GT 0"), Settings(10, columns=["id"]), [ABSENT], [0]) as result:
        made = [name for name, item in result.columns.columns.items() if item.num_values]
        assert made == ["id"]
    with annotated(text_of("a . . GT 0"), Settings(10), [ABSENT], [0]) as result:
        assert not hasattr(result, "columns")


def test_a_column_without_room_names_the_line() -> None:
    settings = Settings(10, columns=["pos", "ref"], most_column=100)
    lines = [". . . GT 0"] * 4
    with annotated(text_of(*lines, ref="A" * 25), settings, [ABSENT], [0]) as result:
        assert len(array_of(result.columns, "ref", pa.string())) == 4
    with (
        pytest.raises(BadLine) as error,
        annotated(text_of(*lines, ref="A" * 26), settings, [ABSENT], [0]),
    ):
        pass
    found = error.value
    assert (found.what, found.line, COLUMNS[found.detail]) == (_kernel.LONG_COLUMN, 3, "ref")


def test_a_dot_is_null() -> None:
    found = typed(". . . GT 0", "rs1;x 1e2 PASS GT 0", "a 5 q10;s GT 0")
    assert found.select("record", "id", "qual", "filter").rows() == [
        (100, None, None, None),
        (101, "rs1;x", 100.0, "PASS"),
        (102, "a", 5.0, "q10;s"),
    ]


def doubles(texts: list[str]) -> tuple[list[float | None], bool]:
    """Return QUALs as the table has them, and whether all of them are read by the kernel."""
    text = text_of(*(f". {item} . GT 0" for item in texts))
    with annotated(text, Settings(10, columns=["qual"]), [ABSENT], [0]) as result:
        column = array_of(result.columns, "qual", pa.float64())
        return column.to_pylist(), not result.columns.columns["qual"].are_texts


@pytest.mark.parametrize("size", range(1, 7))
def test_short_decimals_are_the_nearest_doubles(size: int) -> None:
    """An oracle is Python, which reads digits of any number; all texts of a few letters that are numbers."""
    spelt = map("".join, itertools.product("019.-e", repeat=size))
    texts = [text for text in spelt if re.fullmatch(r"-?(\d+\.?\d*|\.\d+)(e-?\d)?", text)]
    found, are_read = doubles(texts)
    assert are_read
    assert [*map(repr, found)] == [repr(float(text)) for text in texts]


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(-22, 22))
def test_what_one_rounding_gives_is_read_by_the_kernel(digits: int, power: int) -> None:
    found, are_read = doubles([f"{digits}e{power}"])
    assert (found, are_read) == ([float(f"{digits}e{power}")], True)


@given(st.lists(st.floats().map(repr) | st.decimals(-1, 1, places=17).map(str), min_size=1))
def test_other_numbers_are_the_nearest_doubles_too(texts: list[str]) -> None:
    found, _ = doubles(["0.5", *texts])
    assert [*map(repr, found)] == [repr(float(text)) for text in ["0.5", *texts]]
    assert not doubles(["0.5", "0.30000000000000004"])[1]


def test_a_gq_with_many_digits_leaves_the_rest_of_the_call_as_it_is() -> None:
    many = "0.30000000000000004"
    found = typed(". . . GT:AD:GQ 0/1:3,4:7", f". . . GT:AD:GQ 1/1:5,6:{many}", ". . . GT:GQ 0/0:x")
    assert found.select("gt", "ad", "gq", "dosage", "zygosity").rows() == [
        ("0/1", [3, 4], 7.0, 1, "het"),
        ("1/1", [5, 6], float(many), 2, "hom"),
        ("0/0", None, None, 0, "absent"),
    ]


def test_the_columns_of_the_call_end_at_a_line_that_one_has_no_room_for() -> None:
    lines = [". . . GT:AD 0/1:3,4"] * 3 + [f". . . GT:AD 0/1:{','.join('12345')}"]
    settings = Settings(10, columns=["gt"], most_column=10)
    with pytest.raises(BadLine) as error, annotated(text_of(*lines), settings, [ABSENT], [0]):
        pass
    assert (error.value.line, COLUMNS[error.value.detail]) == (3, "gt")
    settings = settings._replace(most_column=12)
    with annotated(text_of(*lines), settings, [ABSENT], [0]) as result:
        assert array_of(result.columns, "gt", pa.string()).to_pylist() == ["0/1"] * 4
    lines[3] = f". . . GT:AD 0/1:{','.join('1234567')}"
    with pytest.raises(BadLine) as error, annotated(text_of(*lines), settings, [ABSENT], [0]):
        pass
    assert (error.value.line, COLUMNS[error.value.detail]) == (3, "ad")


def test_the_call_of_one_sample() -> None:
    found = typed(
        ". . . GT:AD:DP:GQ 0/1:3,4:7:50.5",
        ". . . DP:GT 8:1|1",
        ". . . GT:AD:DP .:.,4:.",
        ". . . GT:DP 0/1",
        ". . . XX 1",
    )
    assert found.select("gt", "dp", "gq", "ad").rows() == [
        ("0/1", 7, 50.5, [3, 4]),
        ("1|1", 8, None, None),
        (None, None, None, [None, 4]),
        ("0/1", None, None, None),
        (None, None, None, None),
    ]


def test_what_is_not_of_its_type_is_null_and_told() -> None:
    found = typed(
        ". . . DP:GQ:AD 7:1:1,2",
        ". . . DP:GQ:AD many:x:1,b",
        ". . . DP:GQ:AD 99999999999:2:3",
    )
    assert found["dp"].to_list() == [7, None, None]
    assert found["ad"].to_list() == [[1, 2], [1, None], [3]]


def test_other_values_may_be_any_bytes() -> None:
    assert typed(". . . GT:XX 0/1:\udcff")["gt"].to_list() == ["0/1"]


@pytest.mark.parametrize(
    ("genotype", "allele", "expected"),
    [
        ("0/1", 1, (1, "het")),
        ("1|1", 1, (2, "hom")),
        ("1/1/1", 1, (3, "hom")),
        ("1", 1, (1, "hemi")),
        ("0", 1, (0, "absent")),
        ("0|0", 1, (0, "absent")),
        ("1/2", 2, (1, "het")),
        ("2|2", 1, (0, "absent")),
        ("10/1", 1, (1, "het")),
        ("10/10", 1, (0, "absent")),
        ("./1", 1, (1, None)),
        ("./1", 2, (None, None)),
        ("./.", 1, (None, None)),
        (".", 1, (None, None)),
        ("./0", 1, (None, None)),
        ("|1", 1, (1, "hemi")),
        ("/0|1", 1, (1, "het")),
        # One mark at most; numbers, not texts; what is no number is as if it were missing.
        ("//1", 1, (1, None)),
        ("01/1", 1, (2, "hom")),
        ("x/1", 1, (1, None)),
        ("1/-1", 2, (None, None)),
        ("", 1, (None, None)),
        (None, 1, (None, None)),
    ],
)
def test_copies_of_an_allele(
    genotype: str | None, allele: int, expected: tuple[int | None, str | None]
) -> None:
    format, call = ("GT", genotype) if genotype is not None else ("DP", "1")
    alts = ",".join(["G"] * allele)
    found = typed(f". . . {format} {call}", alts=alts).select("dosage", "zygosity")
    assert found.row(-1) == expected
