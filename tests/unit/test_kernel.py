"""The compiled part: how it is built and loaded, and its smallest functions."""

from __future__ import annotations

import ctypes
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ensembl_annotations import _kernel
from ensembl_annotations._kernel import KernelError, build, contig_runs, crc32
from ensembl_annotations._kernel.build import BuildError


def test_checksums_are_those_of_zlib_at_every_length() -> None:
    data = random.Random(1).randbytes(70_000)
    for length in (*range(300), 4095, 4096, 65_537, len(data)):
        assert crc32(data[:length]) == zlib.crc32(data[:length]), length


def test_runs_of_a_contig_end_where_its_name_does() -> None:
    text = b"chr1\t1\nchr1\t9\nchr11\t1\nchr1\t2\n"
    assert contig_runs(text) == [(b"chr1", 2), (b"chr11", 1), (b"chr1", 1)]
    assert contig_runs(b"") == []


def test_the_structures_are_as_large_as_those_of_the_library() -> None:
    """A field that one side lacks moves all that follow."""
    library = ctypes.CDLL(str(build.FOLDER / build.LIBRARY))
    sizes = [ctypes.sizeof(item) for item in (_kernel._Options, _kernel.Result, _kernel._Problem)]
    assert [library.kernel_size(number) for number in range(3)] == sizes


def test_a_library_that_is_missing_or_of_another_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kernel._library.cache_clear()
    monkeypatch.setattr(_kernel, "FOLDER", tmp_path)
    monkeypatch.setenv("CC", "false")
    with pytest.raises(KernelError, match=r"can't be compiled.* Run 'make'"):
        crc32(b"")
    (tmp_path / build.LIBRARY).write_bytes(b"no library")
    with pytest.raises(KernelError, match=r"can't be loaded.* Run 'make'"):
        crc32(b"")
    monkeypatch.undo()
    monkeypatch.setattr(_kernel, "ABI", 0)
    with pytest.raises(KernelError, match=r"is of version .*, expected 0"):
        crc32(b"")
    monkeypatch.undo()
    assert crc32(b"") == 0


def test_a_library_that_nobody_made_is_compiled_at_the_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Experiments run in a copy of what is in git."""
    _kernel._library.cache_clear()
    monkeypatch.setattr(_kernel, "FOLDER", tmp_path)
    assert crc32(b"x") == zlib.crc32(b"x")
    assert [path.name for path in tmp_path.iterdir()] == [build.LIBRARY]
    monkeypatch.undo()
    _kernel._library.cache_clear()


def test_without_a_compiler_the_build_says_what_to_do(tmp_path: Path) -> None:
    program = Path(build.__file__)
    run = subprocess.run(
        [sys.executable, "-S", "-E", str(program)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "No C compiler" in run.stderr


def test_a_compiler_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(BuildError, match="can't be compiled"):
        build.build(tmp_path / "out")
    assert [*(tmp_path / "out").iterdir()] == []
