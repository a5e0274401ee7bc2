"""What `compare` says while it runs."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from ensembl_annotations import compare_stores, fetch_ensembl
from ensembl_annotations.common.logs import NORMAL, QUIET, VERBOSE, printed_messages
from tests.support.mirror import write_mirror


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "verbosity", "is_said"),
    [
        (Terminal(), NORMAL, True),
        (Terminal(), QUIET, False),
        (io.StringIO(), NORMAL, False),
        (io.StringIO(), VERBOSE, True),
    ],
)
def test_each_chromosome_is_said_to_whoever_waits(
    stream: io.StringIO,
    verbosity: int,
    is_said: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    write_mirror(tmp_path / "mirror", {"1": [(10, "rs1", "A", "G", "dbSNP_156;TSA=SNV")]})
    store = tmp_path / "store"
    fetch_ensembl(store, mirrors=tmp_path / "mirror", release=116)
    with redirect_stderr(stream), printed_messages(verbosity):
        compare_stores(store, store, project=tmp_path)
    assert ("Comparing chromosome 1" in stream.getvalue()) is is_said
