"""Looking at the download cache, and tidying it."""

from __future__ import annotations

import fcntl
import gzip
import json
import subprocess
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from ensembl_annotations.fetch.cache import CacheEntry, find_place, list_cache, prune_cache
from ensembl_annotations.fetch.download import FetchedFile, fetch_file, remaining_bytes
from ensembl_annotations.fetch.manifest import PublishedFile
from ensembl_annotations.fetch.verify import bsd_sum
from tests.support.messages import heard
from tests.support.vcf import invoke, small_disk, snapshot

CONTENT = gzip.compress(b"x" * 5000)
FOLDER = "release-{}/variation/vcf/homo_sapiens"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetched(tmp_path: Path, name: str, release: int = 116) -> FetchedFile:
    path = tmp_path / "mirror" / FOLDER.format(release) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    published = PublishedFile(name, "21", *bsd_sum(path))
    return fetch_file([str(tmp_path / "mirror")], FOLDER.format(release), published)


def left(tmp_path: Path, name: str, release: int = 116) -> Path:
    """Leave a part, as an interrupted run does."""
    published = PublishedFile(name, "22", 1, 5)
    place = find_place(FOLDER.format(release), published)
    place.path.parent.mkdir(parents=True)
    place.part.write_bytes(b"x" * 77)
    place.origin.write_text("{}")
    place.lock.touch()
    (place.path.parent / f".{name}.json.0123456789abcdef.tmp").touch()
    return place.part


@pytest.fixture
def filled(tmp_path: Path, cache: Path) -> dict[str, CacheEntry]:
    """A cache with something of everything; what `list_cache` has to say of it."""
    old, new = fetched(tmp_path, "a.vcf.gz", 115), fetched(tmp_path, "a.vcf.gz", 116)
    cut = fetched(tmp_path, "cut.vcf.gz", 116)
    cut.path.write_bytes(b"x")
    part = left(tmp_path, "b.vcf.gz")
    (cache / "quarantine").mkdir()
    bad = cache / "quarantine" / "c.vcf.gz-0123456789ab"
    bad.write_bytes(b"bad")
    manifest = cache / "manifests" / "0123456789abcdef.json"
    manifest.parent.mkdir()
    manifest.write_text("{}")
    # Files of others, should the folder be shared with something else.
    (cache / "notes.txt").write_text("mine")
    (cache / "release-115" / "notes.txt").write_text("mine")

    def entry(path: Path, size: int, state: str) -> CacheEntry:
        return CacheEntry(path.relative_to(cache).as_posix(), size, state)

    return {
        "old": entry(old.path, len(CONTENT), "verified"),
        "new": entry(new.path, len(CONTENT), "verified"),
        "cut": entry(cut.path, 1, "partial"),
        "part": entry(part, 77, "partial"),
        "bad": entry(bad, 3, "quarantined"),
        "manifest": entry(manifest, 2, "manifest"),
    }


def others_are_kept(cache: Path) -> bool:
    texts = [cache / "notes.txt", cache / "release-115" / "notes.txt"]
    return all(path.read_text() == "mine" for path in texts)


def test_no_cache(cache: Path) -> None:
    assert list_cache() == []
    assert prune_cache(everything=True).removed == ()
    assert "0 files" in invoke("cache", "list").succeeded().stdout
    invoke("cache", "prune").succeeded()
    assert not cache.exists()
    cache.mkdir()
    assert list_cache() == []
    assert cache.is_dir()


def test_list(filled: dict[str, CacheEntry], cache: Path) -> None:
    before = snapshot(cache)
    assert sorted(list_cache(), key=repr) == sorted(filled.values(), key=repr)
    outcome = invoke("cache", "list").succeeded()
    lines = outcome.stdout.splitlines()
    for entry in filled.values():
        [line] = [line for line in lines if line.endswith(entry.path)]
        assert entry.state in line
        assert f"{entry.num_bytes} bytes" in line
    assert f"6 files, 0.2 kB ({sum(entry.num_bytes for entry in filled.values())} bytes)" in lines
    assert lines[-1].endswith(str(cache))
    assert snapshot(cache) == before


def test_remaining_bytes_needs_no_cache(cache: Path) -> None:
    assert remaining_bytes("x", PublishedFile("a", "21", 1, 3)) == 3072
    assert not cache.exists()


PRUNED: dict[str, tuple[list[str], set[str]]] = {
    "by default": ([], {"cut", "part", "bad"}),
    "a release": (["--release", "115"], {"old", "cut", "part", "bad"}),
    "two releases": (
        ["--release", "115", "--release", "116"],
        {"old", "new", "cut", "part", "bad"},
    ),
    "an unknown release": (["--release", "11"], {"cut", "part", "bad"}),
    "all": (["--all"], {"old", "new", "cut", "part", "bad", "manifest"}),
}


@pytest.mark.parametrize("name", PRUNED)
def test_prune(name: str, filled: dict[str, CacheEntry], cache: Path) -> None:
    options, gone = PRUNED[name]
    before = snapshot(cache)
    said = invoke("cache", "prune", *options, "--dry-run").succeeded().stdout
    assert snapshot(cache) == before
    outcome = invoke("cache", "prune", *options).succeeded()
    num_bytes = sum(filled[key].num_bytes for key in gone)
    for text, verb in ((said, "Would be removed"), (outcome.stdout, "Removed")):
        assert verb in text
        assert f"{num_bytes} bytes" in text
        for key, entry in filled.items():
            assert (entry.path in text) == (key in gone)
    assert {entry.path for entry in list_cache()} == {
        entry.path for key, entry in filled.items() if key not in gone
    }
    for entry in list_cache():
        if entry.state == "manifest":
            continue
        receipt = (cache / entry.path).with_name("a.vcf.gz.json")
        assert json.loads(receipt.read_bytes())["bytes"] == len(CONTENT)
    assert others_are_kept(cache)
    assert not [path for path in cache.rglob("*b.vcf.gz*")]
    again = invoke("cache", "prune", *options).succeeded()
    assert "0 bytes" in again.stdout


def test_everything_leaves_no_empty_folder(tmp_path: Path, cache: Path) -> None:
    fetched(tmp_path, "a.vcf.gz")
    left(tmp_path, "b.vcf.gz")
    prune_cache(everything=True)
    assert snapshot(cache) == {}


def test_what_another_process_has_locked_is_kept(
    filled: dict[str, CacheEntry], cache: Path
) -> None:
    part = cache / filled["part"].path
    before = snapshot(part.parent)
    with FileLock(part.with_name(".b.vcf.gz.lock")):
        outcome = invoke("cache", "prune", "--all").succeeded()
        assert snapshot(part.parent) == before
    assert "in use" in outcome.stdout
    assert [entry.path for entry in list_cache()] == [filled["part"].path]
    invoke("cache", "prune").succeeded()
    assert list_cache() == []


def test_pruning_while_another_waits_for_the_lock(tmp_path: Path) -> None:
    """It finds the lock's folder gone, and makes it anew."""
    found = fetched(tmp_path, "a.vcf.gz")
    folder = found.path.parent
    published = PublishedFile("a.vcf.gz", "21", *map(int, folder.name.split("-")))
    found.path.unlink()
    lock = (folder / ".a.vcf.gz.lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    said: list[str] = []

    class Stop(threading.Event):
        """Asked between two looks at the lock; that is when everything disappears."""

        def is_set(self) -> bool:
            if said and not lock.closed:
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
                lock.close()
            return False

    with heard(said.append):
        again = fetch_file([str(tmp_path / "mirror")], FOLDER.format(116), published, stop=Stop())
    assert lock.closed
    assert again.path.read_bytes() == CONTENT


def test_a_cache_that_can_not_be_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(disk))
        left(tmp_path, "b.vcf.gz")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        invoke("cache", "list").succeeded()
        invoke("cache", "prune", "--dry-run").succeeded()
        invoke("cache", "prune").failed("permission denied")
