"""What of DVC's lines is printed."""

from __future__ import annotations

import logging
import os

import pytest

from ensembl_annotations.common.logs import QUIET_VARIABLE
from ensembl_annotations.project.dvc_program import MOST_STAGES, _Brief


def test_stages_that_run_are_named_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(QUIET_VARIABLE, raising=False)
    brief = _Brief()

    def printed(text: str, *arguments: str) -> str | None:
        record = logging.LogRecord("dvc.stage", logging.INFO, "", 1, text, arguments, None)
        return record.getMessage() if brief.filter(record) else None

    assert printed("Stage '%s' didn't change, skipping", "report@a") is None
    assert printed("%s %s", ">", "scripts/python scripts/annotate.py") is None
    assert printed("Updating lock file '%s'", "dvc.lock") is None
    assert printed("") is None
    assert printed("Stage '%s' is cached - skipping run", "annotate@a")
    lines = [printed("Running stage '%s':", f"annotate@s{at}") for at in range(300)]
    assert lines[:2] == ["Running stage 'annotate@s0':", "Running stage 'annotate@s1':"]
    assert lines[MOST_STAGES:] == ["… and more stages", *[None] * (299 - MOST_STAGES)]
    # These say nothing of what happens, either.
    assert os.environ.pop(QUIET_VARIABLE) == "1"
