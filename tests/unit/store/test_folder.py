"""A store is replaced as a whole, or stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.store.describe import FILE_NAME
from ensembl_annotations.store.folder import new_folder


def make(folder: Path, *names: str) -> None:
    """Write what counts as a store with these files."""
    for name in names:
        (folder / name).write_text(name)
    resources = [{"path": name} for name in names]
    (folder / FILE_NAME).write_text(json.dumps({"store_version": 1, "resources": resources}))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_the_new_one_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "store"
    for name in ("a", "b"):
        with new_folder(out) as folder:
            assert (folder.parent, list(folder.iterdir())) == (out.parent, [])
            make(folder, name)
        assert names(out.parent) == sorted([name, FILE_NAME, "store"])


def test_an_error_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "store"
    with new_folder(out) as folder:
        make(folder, "a")
    with pytest.raises(KeyError), new_folder(out) as folder:
        make(folder, "b")
        raise KeyError("x")
    assert names(tmp_path) == sorted(["a", FILE_NAME, "store"])


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_files_of_others_are_not_replaced(when: str, tmp_path: Path) -> None:
    out = tmp_path / "store"
    out.mkdir()
    make(out, "a")
    if when == "before":
        (out / "notes.txt").touch()
    refused = pytest.raises(EnsemblAnnotationsError, match=r"has files of others \(notes\.txt\)")
    with refused, new_folder(out) as folder:
        assert when == "meanwhile"
        make(folder, "b")
        (out / "notes.txt").touch()
    assert names(tmp_path) == sorted(["a", FILE_NAME, "notes.txt", "store"])


def test_the_current_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "store" / "inside"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    refused = pytest.raises(EnsemblAnnotationsError, match="is the folder you are in")
    with refused, new_folder(tmp_path / "store"):
        pass
