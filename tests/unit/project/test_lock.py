"""What is read of dvc.lock."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ensembl_annotations.project.lock import BrokenLockError, read_lock
from ensembl_annotations.project.paths import STORE


def lock_of(md5: str) -> bytes:
    outs = [{"path": str(STORE), "md5": md5, "nfiles": 3}]
    return yaml.safe_dump({"schema": "2.0", "stages": {"fetch_ensembl": {"outs": outs}}}).encode()


def test_the_lock_is_read_by_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    loaders = []

    def load(_text: str, loader: type) -> dict[str, object]:
        loaders.append(loader)
        return {}

    monkeypatch.setattr(yaml, "load", load)
    read_lock(b"")
    assert loaders == [yaml.CSafeLoader]


def test_the_same_lock_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, times = yaml.load, []
    monkeypatch.setattr(yaml, "load", lambda *given: times.append(1) or loads(*given))
    for md5 in ("1a", "1a", "1b", "1a"):
        assert read_lock(lock_of(md5)).digest_of(STORE) == md5
    assert len(times) == 2
    for _ in range(2):
        with pytest.raises(BrokenLockError):
            read_lock(b"stages: [")


def test_what_is_not_as_dvc_writes_it_counts_as_missing() -> None:
    found = read_lock(b"""
stages:
  a: {outs: [{path: x, md5: 0a}, {path: y}, {md5: 0b}, {path: 7, md5: 0c}, {path: z, md5: 7}, 5]}
  b: {outs: {path: x, md5: 0d}, deps: [{path: x, md5: 0a}]}
  c: [outs]
  5:
""")
    assert list(found) == ["a", "b", "c", "5"]
    assert found.outs("a") == {"x": {"path": "x", "md5": "0a"}}
    assert (found.outs("b"), found.outs("c"), found.outs("5"), found.outs("no")) == ({}, {}, {}, {})
    assert found.deps("b")["x"]["md5"] == "0a"
    assert (found.digest_of(Path("x")), found.digest_of(Path("y"))) == ("0a", None)


def test_a_lock_without_stages_has_none() -> None:
    for content in (b"schema: '2.0'\n", b"stages:\n", b"stages: {}"):
        assert list(read_lock(content)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a dvc.lock"),
        (b"text", "not a dvc.lock"),
        (b"stages: [1]", "not a dvc.lock"),
        (b"<<<<<<< HEAD\nstages: {}\n", "not valid YAML"),
        (b"stages: {a: \xff}", "not valid YAML"),
        (b"stages: {a: \x00}", "not valid YAML"),
        (b"[" * 5000, "not valid YAML"),
    ],
)
def test_a_broken_lock_is_one_error(content: bytes, message: str) -> None:
    with pytest.raises(BrokenLockError, match=f"here/dvc.lock: {message}") as caught:
        read_lock(content, "here/dvc.lock")
    assert "git checkout" in str(caught.value.hint)
    is_yaml = not message.startswith("not valid YAML")
    assert is_yaml or "run 'ensembl-annotations merge'" in str(caught.value.hint)
    assert "\n" not in caught.value.message
