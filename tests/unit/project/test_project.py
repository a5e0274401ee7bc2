"""The repository, opened."""

from __future__ import annotations

from pathlib import Path

from ensembl_annotations.project.paths import STORE
from ensembl_annotations.project.project import Project
from tests.unit.project.test_lock import lock_of

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src"


def test_a_project_is_found_from_a_folder_inside(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    found = Project.open(inside)
    assert found.root == tmp_path
    assert Project.open(found) is found
    assert Project.open(str(tmp_path)) == found
    assert found.resolved() is found


def test_a_folder_of_no_project_is_opened_as_it_is(tmp_path: Path) -> None:
    found = Project.open(tmp_path)
    assert (found.root, list(found.lock)) == (tmp_path, [])


def test_parameters_are_read_once_and_the_lock_each_time(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text("utf-8")
    (tmp_path / "params.yaml").write_text(text)
    project = Project.open(tmp_path)
    before = project.params
    (tmp_path / "params.yaml").write_text("")
    assert project.params is before
    (tmp_path / "dvc.lock").write_bytes(lock_of("a"))
    assert project.lock.digest_of(STORE) == "a"
    (tmp_path / "dvc.lock").write_bytes(lock_of("b"))
    assert project.lock.digest_of(STORE) == "b"


def test_a_sample_called_no_is_a_name_as_for_dvc(tmp_path: Path) -> None:
    """YAML 1.1, which PyYAML reads, takes it for False."""
    text = (ROOT / "params.yaml").read_text("utf-8")
    assert "\n  sample: " in text
    (tmp_path / "params.yaml").write_text(text.replace("\n  sample: ", "\n  no: "))
    assert list(Project.open(tmp_path).params.samples) == ["no"]
