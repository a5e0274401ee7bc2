"""The compiled part: how it is built and loaded, and its smallest functions."""

from __future__ import annotations

import ctypes
import os
import random
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ensembl_annotations import _kernel
from ensembl_annotations._kernel import KernelError, build, contig_runs, crc32
from ensembl_annotations._kernel.build import BuildError
from tests.support.compiler import copying_compiler, quick_compiler


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
    sizes = [
        ctypes.sizeof(item)
        for item in (_kernel._Options, _kernel.Result, _kernel._Problem, _kernel._Columns)
    ]
    assert [library.kernel_size(number) for number in range(4)] == sizes


def test_a_library_that_is_missing_or_of_another_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kernel._library.cache_clear()
    monkeypatch.setattr(_kernel, "FOLDER", tmp_path)
    monkeypatch.setenv("CC", "false")
    with pytest.raises(KernelError, match=r"can't be compiled.* Run 'make'"):
        crc32(b"")
    (tmp_path / build.LIBRARY).write_text(f"no library, of {build.sources_digest()}")
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
    monkeypatch.setenv("CC", copying_compiler(tmp_path))
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr(_kernel, "FOLDER", tmp_path / "copy")
    assert crc32(b"x") == zlib.crc32(b"x")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == [build.LIBRARY]
    monkeypatch.undo()
    _kernel._library.cache_clear()


def test_a_library_of_other_sources_is_made_again(tmp_path: Path) -> None:
    """With the same ABI, and newer than the sources: neither tells."""
    package = tmp_path / "ensembl_annotations"
    shutil.copytree(Path(_kernel.__file__).parents[1], package)
    source, library = package / "_kernel" / "crc32.c", package / "_kernel" / build.LIBRARY
    code = "from ensembl_annotations._kernel import crc32; print(crc32(b'x'))"

    def run(**variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(tmp_path), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    run()
    before = library.stat()
    assert run(CC="false") == f"{zlib.crc32(b'x')}\n"
    assert library.stat().st_mtime_ns == before.st_mtime_ns
    edited, count = re.subn(
        r"(?s)(uint32_t crc32_of\([^)]*\) \{)", r"\1 if (n) return 7;", source.read_text()
    )
    assert count == 1
    source.write_text(edited)
    os.utime(source, ns=(0, 0))
    assert "can't be compiled" in run(CC="false")
    assert run(CC=quick_compiler(tmp_path)) == "7\n"
    for path in source.parent.glob("*.[ch]"):
        path.unlink()
    # As in a wheel: there is nothing to compare with.
    assert run(CC="false") == "7\n"


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
