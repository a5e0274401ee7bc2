"""What else a mirror has, told from its folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.listing import (
    describe_releases,
    explain_missing,
    has_release,
    list_folders,
    list_releases,
)
from tests.support.mirror import write_mirror

ROW = (5, "rs5", "A", "G", "TSA=SNV")


@pytest.mark.parametrize(
    ("releases", "text"),
    [
        ([116], "release 116"),
        ([115, 116], "releases 115, 116"),
        ([93, 94, 95, 116], "releases 93 to 95, 116"),
        (list(range(1, 40, 2)), "releases 25, 27, 29, 31, 33, 35, 37, 39"),
    ],
)
def test_releases_in_words(releases: list[int], text: str) -> None:
    assert describe_releases(releases) == text


def test_a_folder_that_is_a_mirror(tmp_path: Path) -> None:
    for release in (114, 115, 116):
        write_mirror(tmp_path, {"1": [ROW]}, release=release)
    (tmp_path / "release-9.txt").touch()
    layout = Layout("homo_sapiens", "GRCh38", 116)
    assert list_folders(str(tmp_path), "") == ["release-114", "release-115", "release-116"]
    assert list_folders(str(tmp_path), "none") == []
    assert list_releases(str(tmp_path), layout) == [114, 115, 116]
    assert has_release(str(tmp_path), layout)
    assert not has_release(str(tmp_path), layout.at_release(113))


def test_what_is_missing_is_explained_by_what_is_there(tmp_path: Path) -> None:
    write_mirror(tmp_path, {"1": [ROW]}, release=115)
    write_mirror(tmp_path, {"1": [ROW]}, release=116, assembly="GRCh37")

    def explained(species: str, assembly: str, release: int) -> str:
        return explain_missing([str(tmp_path)], Layout(species, assembly, release))

    text = explained("homo_sapiens", "GRCh38", 116)
    assert "has release 116 for GRCh37" in text
    assert "has for GRCh38 release 115" in text
    assert "Did you mean 'homo_sapiens'?" in explained("homo_sapien", "GRCh38", 115)
    assert "the species homo_sapiens" in explained("zebra", "x", 115)
