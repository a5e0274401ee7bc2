"""Which store a name means: a folder's, or that of a revision of git."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    ReferenceStoreError,
    UsageError,
)
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.revisions import open_store
from tests.support.store import snv, write_store
from tests.unit.project.test_lock import lock_of


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=no"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class Repo:
    """What is asked of DVC: a cache in a folder, and a remote that lacks everything."""

    def __init__(self, cache: Path) -> None:
        self._cache, self.root_dir = cache, str(cache.parent)
        self.cache = SimpleNamespace(local=SimpleNamespace(oid_to_path=self.path_of))
        self.cloud = SimpleNamespace(pull=self._pull)

    def path_of(self, digest: str) -> str:
        return str(self._cache / digest)

    def _pull(self, *_: object, **__: object) -> None:
        raise OSError("no route\nto host")

    def find_outs_by_path(self, _: str) -> list[Any]:
        return [SimpleNamespace(remote=None)]


class Kept:
    """A repository whose branch ``v1`` has a store in DVC's cache, and ``v0`` none."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root, root / "cache"
        self.cache.mkdir()
        git(root, "init", "-q")
        git(root, "commit", "-q", "--allow-empty", "-m", "0")
        git(root, "tag", "v0")
        store = write_store(root / "made", {"21": [snv(5, "A>C", 1)]})
        self.listed = {path.name: md5(path.read_bytes()) for path in store.iterdir()}
        for path in store.iterdir():
            path.rename(self.cache / self.listed[path.name])
        store.rmdir()
        entries = [{"md5": digest, "relpath": name} for name, digest in sorted(self.listed.items())]
        content = json.dumps(entries).encode()
        digest = f"{md5(content)}.dir"
        self.listing = self.cache / digest
        self.listing.write_bytes(content)
        (root / "dvc.lock").write_bytes(lock_of(digest))
        git(root, "add", "dvc.lock")
        git(root, "commit", "-q", "-m", "1")
        git(root, "tag", "v1")

    @property
    def project(self) -> Project:
        @contextmanager
        def opened() -> Iterator[Repo]:
            yield Repo(self.cache)

        found = SimpleNamespace(root=self.root, dvc=SimpleNamespace(opened=opened))
        found.resolved = lambda: found
        return cast(Project, cast(Any, found))

    def chromosomes(self, name: str) -> list[str]:
        with open_store(name, self.project) as store:
            return store.chromosomes


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    (tmp_path / "repository").mkdir()
    return Kept(tmp_path / "repository")


def test_a_revision_is_read_from_the_cache_and_leaves_nothing(kept: Kept) -> None:
    before = sorted(kept.root.iterdir())
    with open_store("v1", kept.project) as store:
        folder = store.folder
        assert (store.chromosomes, folder.is_dir()) == (["21"], True)
    assert not folder.exists()
    assert kept.chromosomes("HEAD") == ["21"]
    assert sorted(kept.root.iterdir()) == before


def test_a_folder_goes_before_a_revision_of_its_name(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_store(tmp_path / "v1", {"X": [snv(5, "A>C", 1)]})
    assert kept.chromosomes("v1") == ["X"]
    # A folder without a store does not hide the revision.
    (tmp_path / "v1/datapackage.json").unlink()
    assert kept.chromosomes("v1") == ["21"]


@pytest.mark.parametrize("name", ["", "gone", "v1:dvc.lock", "--all", "-h"])
def test_what_is_neither_is_refused(name: str, kept: Kept) -> None:
    with pytest.raises(UsageError, match=r"An empty name|neither a folder .* nor a git revision"):
        kept.chromosomes(name)


def test_a_revision_in_which_nothing_ran_has_no_data(kept: Kept) -> None:
    with pytest.raises(EnsemblAnnotationsError, match=r"v0: dvc\.lock of this revision has no"):
        kept.chromosomes("v0")
    (kept.root / "dvc.lock").write_text("<<<<<<<")
    git(kept.root, "commit", "-qam", "2")
    with pytest.raises(
        EnsemblAnnotationsError, match=r"HEAD: its dvc\.lock can't be read"
    ) as caught:
        kept.chromosomes("HEAD")
    assert caught.value.code == "no_data"


def test_what_is_nowhere_is_said_on_one_line(kept: Kept) -> None:
    (kept.cache / kept.listed["homo_sapiens-chr21.parquet"]).unlink()
    with pytest.raises(
        ReferenceStoreError, match=r"not in DVC's cache.*no route to host"
    ) as caught:
        kept.chromosomes("v1")
    assert caught.value.code == "missing_data"
    assert "\n" not in caught.value.message
    kept.listing.unlink()
    with pytest.raises(ReferenceStoreError, match="not in DVC's cache"):
        kept.chromosomes("v1")


def test_a_description_that_is_altered_in_the_cache_is_refused(kept: Kept) -> None:
    path = kept.cache / kept.listed["datapackage.json"]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ReferenceStoreError, match="altered in DVC's cache") as caught:
        kept.chromosomes("v1")
    assert caught.value.code == "altered"


def test_an_altered_list_is_not_used(kept: Kept) -> None:
    kept.listing.write_bytes(kept.listing.read_bytes().replace(b"chr21", b"chr22"))
    with pytest.raises(ReferenceStoreError):
        kept.chromosomes("v1")
