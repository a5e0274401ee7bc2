from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

# MultiQC brings polars' build for old processors, which polars would then prefer: test what users run.
os.environ.setdefault("POLARS_PREFER_PKG", "32")

# In memory, where there is room: projects have many small files, for which disks may take ten times as long.
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 4 << 30


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return min(shutil.disk_usage(folder).free, psutil.virtual_memory().available) > _ROOM_BYTES


if _has_room(_MEMORY):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# Each collection goes through all that was imported and all tests: a quarter of the time that finding them takes.
gc.set_threshold(50_000, 20, 50)

# A busy machine is slow, not wrong.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


def pytest_collection_finish() -> None:
    """Leave the libraries and the tests out of later collections."""
    gc.freeze()


@pytest.fixture(scope="session")
def random_seed(request: pytest.FixtureRequest) -> int:
    """Return hypothesis' seed (``make test SEED=``), or another one at every run."""
    given = str(request.config.getoption("hypothesis_seed", None))
    return int(given) if given.isdecimal() else int(time.time())


@pytest.fixture(scope="session")
def mini_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The store of the embedded mirror, for all tests of this process: who changes one takes a copy."""
    # The tests of a module that needs none are spared what this imports.
    from tests.support.vcf import build_store, snapshot

    store = build_store(tmp_path_factory.mktemp("mini"))
    before = snapshot(store)
    yield store
    assert snapshot(store) == before, "a test has changed the store that all share"
