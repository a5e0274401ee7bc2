"""Which rows a query gets, of which row groups; and the bases of a sequence."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.store import sequence, write
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.read import Reference, Wanted, _any_within, _Table, same_bases
from tests.support.store import Allele, snv, write_store

BASES = b"ACGTNACGTACGTRA"


def indel(
    start: int, ref: str, alt: str, rs: int, left: int = 0, right: int = 0, offset: int = 0
) -> Allele:
    rolls = {"roll_left": left, "roll_right": right}
    return {"start": start, "code": 99, "rs": rs, "ref": ref, "alt": alt, "offset": offset, **rolls}


ROWS = [
    snv(5, "A>C", 1),
    snv(5, "A>G", 2),
    snv(9, "T>C", 3),
    indel(20, "CA", "C", 4, left=3, right=2, offset=1),
    indel(21, "C", "CA", 5, left=3, right=2),
    snv(31, "G>A", 6, ref="TG", alt="TA", offset=1),
    snv(40, "G>A", 7),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store whose row groups have two rows, and whose sequence has rows of three bases."""
    chromosomes = {"21": ROWS, "22": [snv(5, "A>C", 8)]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "ROW_GROUP_ROWS", 2)
        patch.setattr(sequence, "SEQUENCE_ROW_BASES", 3)
        patch.setattr(sequence, "_ROWS_PER_GROUP", 2)
        return write_store(tmp_path_factory.mktemp("read") / "store", chromosomes, {"21": BASES})


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    return Reference(ReferenceStore(folder))


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> ReferenceStore:
    """Return a copy that a test may alter."""
    return ReferenceStore(shutil.copytree(folder, tmp_path / "own"))


def rs(
    reference: Reference,
    starts: Iterable[int] = (),
    indels: Iterable[tuple[int, int]] = (),
    positions: Iterable[int] = (),
    chromosome: str = "21",
) -> list[int]:
    pairs = pl.DataFrame(list(indels), {"start": pl.Int64, "change": pl.Int64}, orient="row")
    wanted = Wanted.of(
        pl.Series(list(starts), dtype=pl.Int64), pairs, pl.Series(list(positions), dtype=pl.Int64)
    )
    numbers: list[int] = reference.rows(chromosome, wanted)["rs"].to_list()
    return numbers


def test_rows_are_those_whose_key_starts_there(reference: Reference) -> None:
    assert rs(reference, [8, 4, 4, 6]) == [1, 2, 3]
    assert rs(reference, [39]) == [7]
    assert rs(reference, range(100)) == [1, 2, 3, 4, 5, 6, 7]
    assert rs(reference, []) == rs(reference, [3, 5, 100]) == []


def test_another_chromosome_has_its_own(reference: Reference) -> None:
    assert rs(reference, [4], chromosome="22") == [8]
    assert rs(reference, [4], chromosome="X") == []
    assert (reference.has("22"), reference.has("X")) == (True, False)


@pytest.mark.parametrize(
    ("start", "change", "found"),
    [
        (17, -1, [4]),
        (16, -1, []),
        (22, -1, [4]),
        (23, -1, []),
        (18, 1, [5]),
        (23, 1, [5]),
        (24, 1, []),
        (20, 2, []),
        (20, -2, []),
    ],
)
def test_an_indel_is_found_as_far_as_it_slides(
    start: int, change: int, found: list[int], reference: Reference
) -> None:
    """As far as it can to the left and to the right, and by the same change of length only."""
    assert rs(reference, indels=[(start, change)]) == found


def test_a_row_that_is_wanted_twice_is_there_once(reference: Reference) -> None:
    assert rs(reference, [20, 4], [(20, -1), (21, 1)], [20]) == [1, 2, 4, 5]


def test_a_position_is_that_of_the_record(reference: Reference) -> None:
    """POS = start + 1 - offset: the padded ones begin before their keys."""
    assert rs(reference, positions=[20]) == [4]
    assert rs(reference, positions=[30]) == [6]
    assert rs(reference, positions=[21, 31]) == []
    assert rs(reference, positions=[5, 40]) == [1, 2, 7]


def test_what_an_snv_leaves_out_is_filled_in(reference: Reference) -> None:
    nothing = pl.Series([], dtype=pl.Int64)
    found = reference.rows("21", Wanted.of(pl.Series([4, 20, 30]), None, nothing))
    assert found.select("pos", "ref", "alt").rows() == [
        *((5, "A", "C"), (5, "A", "G"), (20, "CA", "C"), (30, "TG", "TA")),
    ]


def test_only_row_groups_that_are_touched_are_read(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    whole = _Table.read

    def noted(table: _Table, group: int, columns: list[str] | None = None) -> object:
        read.append(group)
        return whole(table, group, columns)

    monkeypatch.setattr(_Table, "read", noted)
    # 7 rows in groups of about 2: of 1, 2, 2 and 2 rows.
    assert rs(reference, [39]) == [7]
    assert set(read) == {3}
    read.clear()
    assert rs(reference, [35, 100]) == []
    assert len(read) <= 1


@pytest.mark.parametrize(
    ("low", "high", "found"), [(1, 2, True), (3, 4, False), (5, 5, True), (6, 9, False)]
)
def test_the_bounds_of_an_interval_belong_to_it(low: int, high: int, found: bool) -> None:
    values = np.array([2, 5], np.int64)
    assert _any_within(values, np.array([low]), np.array([high])).tolist() == [found]


# --- Sequences -----------------------------------------------------------------------------------


def test_bases_are_those_of_the_sequence(reference: Reference) -> None:
    starts = pl.Series([-1, 0, 3, 4, 5, 13, 14, 15, 1000])
    expected = [None, "A", "T", None, "A", None, "A", None, None]
    assert reference.bases("21", starts).to_list() == expected
    assert reference.bases("22", starts).to_list() == [None] * 9
    assert (reference.has_sequence("21"), reference.has_sequence("22")) == (True, False)


@pytest.mark.parametrize(
    ("start", "ref", "agrees"),
    [
        (0, "ACGT", True),
        (0, "ACGA", False),
        (3, "TNAC", True),
        (3, "TGAC", True),
        (3, "TGAG", False),
        (5, "ACGTACGTAA", True),
        (5, "ACGTACGTA", True),
        (5, "ACGTACGAA", False),
        (5, "ACGTNCGTA", True),
        (14, "A", True),
        (14, "AA", False),
        (15, "A", False),
        (-1, "A", False),
        (7, "", True),
    ],
)
def test_a_ref_agrees_where_both_sides_have_bases(
    start: int, ref: str, agrees: bool, reference: Reference
) -> None:
    # Beside others, which must not decide it.
    starts, refs = pl.Series([0, start, 2]), pl.Series(["T", ref, "GT"])
    assert reference.agrees("21", starts, refs).to_list() == [False, agrees, True]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("AC", "AC", True),
        ("AC", "AG", False),
        ("AN", "AG", True),
        ("RC", "AC", True),
        ("", "", True),
    ],
)
def test_two_sequences_are_the_same_where_both_have_bases(one: str, other: str, same: bool) -> None:
    assert same_bases(one, other) == same_bases(other, one) == same


# --- Stores that change --------------------------------------------------------------------------


def test_a_file_that_was_replaced_is_refused(own: ReferenceStore) -> None:
    resource = own.resource("21")
    assert resource is not None
    other = own.resource("22")
    assert other is not None
    resource.path.write_bytes(other.path.read_bytes())
    with pytest.raises(ReferenceStoreError, match="was replaced while the store was in use"):
        rs(Reference(own), [4])


def test_an_altered_byte_is_an_error_or_alters_nothing(own: ReferenceStore) -> None:
    """Checksums are of what is in a page; what is beside it must not change a row."""
    resource = own.resource("22")
    assert resource is not None
    whole = resource.path.read_bytes()
    footer_bytes = int.from_bytes(whole[-8:-4], "little") + 8
    messages: set[str] = set()
    for place in range(4, len(whole) - footer_bytes, 7):
        altered = bytearray(whole)
        altered[place] ^= 0xFF
        resource.path.write_bytes(altered)
        try:
            assert rs(Reference(own), [4], chromosome="22") == [8], place
        except ReferenceStoreError as error:
            messages.add(str(error))
    assert all("chr22.parquet: can't be read" in message for message in messages)
    assert all("ensembl-annotations verify" in message for message in messages)
    assert any("CRC" in message for message in messages)
