"""The reference in a remote: what is found wrong with it, and what is kept of it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.hashes import md5_of_bytes
from ensembl_annotations.project import sharing
from ensembl_annotations.project.remote import (
    ListedFile,
    RemoteAlteredError,
    RemoteMissingError,
    SharedReference,
)


def shared(folder: Path) -> Any:
    """Return a reference whose cache and remote are folders, with files named by their MD5."""
    found: Any = object.__new__(SharedReference)
    for name in ("cache", "remote"):
        (folder / name).mkdir()
    found._cache = SimpleNamespace(oid_to_path=lambda md5: folder / "cache" / md5)
    found._odb = SimpleNamespace(
        fs=fsspec.filesystem("file"),
        path=str(folder / "remote"),
        oid_to_path=lambda md5: str(folder / "remote" / md5),
    )
    found.remote = "refcache"
    return found


def piece(content: bytes, *places: Path) -> ListedFile:
    """Return a file of the reference, written to these places as it should be."""
    md5 = md5_of_bytes(content)
    for place in places:
        (place / md5).write_bytes(content)
    return ListedFile(content.decode(), md5)


def test_a_file_is_missing_or_cut_or_as_it_should_be(tmp_path: Path) -> None:
    reference = shared(tmp_path)
    cache, remote = tmp_path / "cache", tmp_path / "remote"
    good, unknown = piece(b"good", cache, remote), piece(b"not cached", remote)
    missing, cut = piece(b"missing", cache), piece(b"cut", cache)
    (remote / cut.md5).write_bytes(b"c")
    found = reference.remote_problems([good, missing, unknown, cut])
    assert {item: str(problem) for item, problem in found.items()} == {
        missing: "missing: is missing in the remote",
        cut: "cut: is cut in the remote: 1 bytes, expected 3",
    }
    assert reference.remote_problems([]) == {}


def test_what_another_run_is_writing_again_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = shared(tmp_path)
    cache, remote = tmp_path / "cache", tmp_path / "remote"
    there, written, missing = piece(b"there", cache, remote), piece(b"w", cache), piece(b"m", cache)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            (remote / written.md5).write_bytes(b"w")

    monkeypatch.setattr(sharing.time, "sleep", wait)
    assert sharing._not_arrived(reference, [there, written]) == {}
    assert sharing._not_arrived(reference, [there, written]) == {}
    assert waits == [*sharing._LOOK_AGAIN_SEC]
    assert [*sharing._not_arrived(reference, [there, missing])] == [missing]


def test_the_first_request_is_alone(tmp_path: Path) -> None:
    """Each of several that begin together would make a client, which costs S3 a third of a second."""
    reference = shared(tmp_path)
    pieces = [piece(str(number).encode(), tmp_path / "remote") for number in range(20)]
    running, together = set[str](), list[int]()
    lock, others = threading.Lock(), threading.Event()

    def info(path: str) -> dict[str, Any]:
        with lock:
            running.add(path)
            together.append(len(running))
            if len(together) > 2:
                others.set()
        # The second waits for a third: that the others go side by side is seen too.
        others.wait(0.2 if len(together) == 1 else 10)
        with lock:
            running.remove(path)
        return {"type": "file", "size": 1}

    reference._odb.fs = SimpleNamespace(info=info)
    assert reference.remote_problems(pieces) == {}
    assert together[:3] == [1, 1, 2]


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    reference = shared(tmp_path)
    folder = piece(b"folder")
    (tmp_path / "remote" / folder.md5).mkdir()
    for ask in (reference.restore, lambda item: reference.altered_in_remote([item])):
        with pytest.raises(EnsemblAnnotationsError, match="is no file"):
            ask(folder)


def test_of_what_is_altered_there_nothing_is_kept(tmp_path: Path) -> None:
    reference = shared(tmp_path)
    cache, remote = tmp_path / "cache", tmp_path / "remote"
    altered, missing, good = piece(b"altered"), piece(b"missing"), piece(b"good", remote)
    (remote / altered.md5).write_bytes(b"changed")
    with pytest.raises(RemoteAlteredError, match=f"MD5 is {md5_of_bytes(b'changed')}, expected"):
        reference.restore(altered)
    with pytest.raises(RemoteMissingError):
        reference.restore(missing)
    assert list(cache.iterdir()) == []
    reference.restore(good)
    assert (cache / good.md5).read_bytes() == b"good"
    assert set(reference.altered_in_remote([good, altered])) == {altered}


@pytest.mark.parametrize(
    ("status", "is_missing"), [(404, True), (410, True), (403, False), (503, False), (None, False)]
)
def test_over_http_only_not_found_is_missing(
    status: int | None, is_missing: bool, tmp_path: Path
) -> None:
    """Of every failure fsspec makes the same error there, with the true one as its cause."""
    reference = shared(tmp_path)

    def info(path: str) -> None:
        cause = ConnectionError("no answer") if status is None else OSError(f"HTTP {status}")
        cause.status = status  # type: ignore[union-attr]
        raise FileNotFoundError(path) from cause

    reference._odb.fs = SimpleNamespace(protocol="http", info=info)
    if is_missing:
        assert len(reference.remote_problems([piece(b"x")])) == 1
    else:
        with pytest.raises(EnsemblAnnotationsError, match="Remote 'refcache': ") as caught:
            reference.remote_problems([piece(b"x")])
        assert "docs/sharing.md" in str(caught.value.hint)


def test_only_the_whole_file_is_adopted_and_only_a_damaged_one_dropped(tmp_path: Path) -> None:
    reference = shared(tmp_path)
    cache, store = tmp_path / "cache", tmp_path / "store"
    reference._root = tmp_path
    store.mkdir()
    item = piece(b"x.parquet")
    (store / item.name).write_bytes(b"altered")
    assert not reference.adopt(item, store)
    assert list(cache.iterdir()) == []
    (store / item.name).write_bytes(b"x.parquet")
    assert reference.adopt(item, store)
    reference.drop(item)
    assert (cache / item.md5).read_bytes() == b"x.parquet"
    (cache / item.md5).chmod(0o644)
    (cache / item.md5).write_bytes(b"altered")
    reference.drop(item)
    assert list(cache.iterdir()) == []
