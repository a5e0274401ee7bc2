"""A report is written as a whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import InputError, UsageError
from ensembl_annotations.report.report import write_page, write_report
from tests.support.tallies import tally_of


@pytest.fixture
def tally(tmp_path: Path) -> Path:
    path = tmp_path / "tally.json"
    path.write_text(json.dumps(tally_of(("chr1", 0, 0, "SNV", True, 3))))
    return path


def test_a_report_has_a_page_a_section_and_two_pictures(tally: Path, tmp_path: Path) -> None:
    write_report(tally, tmp_path / "out" / "deep", "me")
    names = sorted(path.name for path in (tmp_path / "out/deep").iterdir())
    assert names == ["contigs.svg", "frequencies.svg", "me_mqc.json", "summary.html"]
    write_page(tally, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_bytes()
    assert page == (tmp_path / "out/deep/summary.html").read_bytes()


@pytest.mark.parametrize("name", ["", ".", "a/b", "/a", "a/"])
def test_a_name_is_part_of_a_files_name(name: str, tally: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name: expected"):
        write_report(tally, tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


def test_without_a_tally_what_is_there_stays(tally: Path, tmp_path: Path) -> None:
    write_report(tally, tmp_path / "out", "me")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    tally.write_text("{}")
    with pytest.raises(InputError):
        write_report(tally, tmp_path / "out", "me")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
