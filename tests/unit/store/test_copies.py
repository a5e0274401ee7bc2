"""A store copied to where it is read in place has its own index, and hides no other store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ensembl_annotations import EnsemblAnnotationsError, ReferenceStoreError, UsageError, lookup
from ensembl_annotations.project.verification import verify_reference
from ensembl_annotations.store.copies import copy_store
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.index import open_index
from tests.support.store import snv, write_store

ALLELES = {"21": [snv(4, "T>G", 7)], "22": [snv(9, "A>C", 8)]}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "store", ALLELES, {"21": b"ACGT" * 9})


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_copy_is_whole_and_indexed(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "www" / "116"
    done = copy_store(store, f"{target}/")
    copied = ReferenceStore(target)
    assert verify_reference(copied)[0] == []
    assert open_index(target, copied) is not None
    assert lookup(["rs7", "rs8"], target).equals(lookup(["rs7", "rs8"], store))
    assert done["num_files"] == len(content(target.parent))
    before = content(target.parent)
    copy_store(store, str(target))
    assert content(target.parent) == before


@pytest.mark.parametrize("harm", ["missing", "cut", "other"])
def test_a_copy_that_was_interrupted_is_completed(harm: str, store: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    copy_store(store, str(target))
    expected = content(target)
    (target / "datapackage.json").unlink()
    shutil.rmtree(f"{target}.index")
    path = target / "homo_sapiens-chr22.parquet"
    if harm == "missing":
        path.unlink()
    else:
        # Of another reference, of the same size; or cut.
        other = bytearray(path.read_bytes())
        other[-40] ^= 1
        path.write_bytes(other if harm == "other" else other[:-40])
    copy_store(store, str(target))
    assert content(target) == expected
    assert lookup("rs8", target)["pos"].to_list() == [9]


def test_another_reference_is_not_replaced(store: Path, tmp_path: Path) -> None:
    other = write_store(tmp_path / "other", {"21": [snv(4, "T>G", 9)]})
    copy_store(other, str(tmp_path / "copy"))
    before = content(tmp_path / "copy") | content(tmp_path / "copy.index")
    with pytest.raises(EnsemblAnnotationsError, match=r"copy/datapackage\.json: is of another ref"):
        copy_store(store, str(tmp_path / "copy"))
    assert content(tmp_path / "copy") | content(tmp_path / "copy.index") == before
    shutil.rmtree(tmp_path / "copy")
    with pytest.raises(ReferenceStoreError, match="is the index of another reference"):
        copy_store(store, str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def test_who_reads_meanwhile_finds_no_half_store(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    real = shutil.copyfile

    def fail_at_last(source: Path, to: Path) -> None:
        written.append(Path(source).name)
        if written[-1] == "datapackage.json":
            raise OSError(28, "No space left on device")
        real(source, to)

    monkeypatch.setattr(shutil, "copyfile", fail_at_last)
    with pytest.raises(EnsemblAnnotationsError, match=r"datapackage\.json: the disk is full"):
        copy_store(store, str(tmp_path / "copy"))
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert len(written) == len(names) + 1 == len(list(store.iterdir()))
    with pytest.raises(ReferenceStoreError, match="is missing"):
        lookup("rs7", tmp_path / "copy")


def test_a_web_server_takes_no_files(store: Path) -> None:
    with pytest.raises(UsageError, match="no files are written there"):
        copy_store(store, "https://example.org/x")
    assert json.loads((store / "datapackage.json").read_bytes())


@pytest.mark.parametrize("target", ["ftp://host/x", "gs://bucket/x", "S3://", "http:/x", "", "/", "store", "store/x", "link/x"])  # fmt: skip
def test_what_is_no_folder_of_its_own_is_refused(
    target: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(store)
    before = content(tmp_path)
    with pytest.raises(
        UsageError, match=r"no files are written there|outside of a reference store"
    ):
        copy_store(store, target)
    assert content(tmp_path) == before
