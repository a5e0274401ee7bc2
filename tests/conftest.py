from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# MultiQC brings polars' build for old processors, which polars would then prefer: test what users run.
os.environ.setdefault("POLARS_PREFER_PKG", "32")

# A busy machine is slow, not wrong.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def mini_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The store of the embedded mirror, for all tests of this process: who changes one takes a copy."""
    # The tests of a module that needs none are spared what this imports.
    from tests.support.vcf import build_store, snapshot

    store = build_store(tmp_path_factory.mktemp("mini"))
    before = snapshot(store)
    yield store
    assert snapshot(store) == before, "a test has changed the store that all share"
