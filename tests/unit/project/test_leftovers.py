"""Where every command looks for what a killed run left."""

from __future__ import annotations

from pathlib import Path

from ensembl_annotations.project.leftovers import output_folders
from ensembl_annotations.project.paths import WRITTEN


def test_outside_a_project_it_is_the_folder(tmp_path: Path) -> None:
    assert list(output_folders(tmp_path)) == [tmp_path]


def test_in_a_project_it_is_every_folder_that_is_written_to(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    inside = tmp_path / "docs" / "a"
    inside.mkdir(parents=True)
    written = tmp_path / next(iter(WRITTEN)) / "deep" / "er"
    written.mkdir(parents=True)
    found = list(output_folders(inside))
    assert found[:2] == [inside, tmp_path]
    assert {written, written.parent} <= set(found)
    assert tmp_path / "docs" not in found
