"""Every example in a public docstring runs, offline, in a clone that has its data."""

from __future__ import annotations

import doctest
import inspect
import sys

import pytest

import ensembl_annotations
from tests.integration.helpers import Project
from tests.support.warm import programs


@pytest.fixture(scope="module")
def clone(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return reproduced.copy(tmp_path_factory.mktemp("examples") / "project")


PUBLIC = [
    name
    for name in ensembl_annotations.__all__
    if inspect.isfunction(getattr(ensembl_annotations, name))
]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_of_a_public_function(
    name: str, clone: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.root)
    monkeypatch.setattr(sys, "executable", str(programs() / "python3"))
    for key, value in clone.environment.items():
        monkeypatch.setenv(key, value)
    function = getattr(ensembl_annotations, name)
    names = vars(sys.modules[function.__module__])
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, globs=dict(names))
    assert example.examples
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    assert runner.run(example, out=said.append).failed == 0, "".join(said)
