"""What Ensembl published, put together from a store's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.common.errors import ReferenceStoreError, UsageError
from ensembl_annotations.store.published import no_published, scan_reference
from ensembl_annotations.variants.schema import PUBLISHED
from tests.support.store import snv, write_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = {
        "21": [
            snv(5, "G>T", 1),
            {"start": 9, "code": 5, "rs": 2, "ref": "CA", "alt": "C", "offset": 1},
            {"start": 9, "code": 0, "rs": 0, "ref": "C", "alt": "<DEL>", "name": "n"},
        ],
        "MT": [snv(1, "T>G", 3)],
    }
    return write_store(tmp_path / "store", rows)


def test_every_ref_alt_and_pos_is_filled_in(folder: Path) -> None:
    found = scan_reference(folder).collect()
    assert found.columns == ["chrom", *PUBLISHED]
    names = ["chrom", "pos", "ref", "alt", "rs", "name"]
    assert found.select(names).rows() == [
        ("21", 5, "G", "T", 1, None),
        ("21", 9, "CA", "C", 2, None),
        ("21", 10, "C", "<DEL>", 0, "n"),
        ("MT", 1, "T", "G", 3, None),
    ]


def test_chromosomes_are_in_the_order_asked_for_and_by_any_name(folder: Path) -> None:
    found = scan_reference(folder, "chrM,21").collect()["chrom"].to_list()
    assert found == ["MT", "21", "21", "21"]
    with pytest.raises(UsageError, match="X: not among"):
        scan_reference(folder, ["X"])


def test_only_files_that_are_asked_for_are_checked(folder: Path) -> None:
    (folder / "homo_sapiens-chr21.parquet").unlink()
    assert len(scan_reference(folder, "MT").collect()) == 1
    with pytest.raises(ReferenceStoreError, match=r"chr21\.parquet is missing"):
        scan_reference(folder)


def test_nothing_published_has_the_same_columns(folder: Path) -> None:
    empty = no_published()
    assert len(empty) == 0
    assert scan_reference(folder).collect().drop("chrom").schema == empty.schema
