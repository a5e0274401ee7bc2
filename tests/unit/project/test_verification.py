"""What is said of problems, and what to do next."""

from __future__ import annotations

import itertools

import pytest

from ensembl_annotations.common.problems import Kind, Problem
from ensembl_annotations.project.file_list import ListKind
from ensembl_annotations.project.remote import SharedKind
from ensembl_annotations.project.verification import LockKind, describe_problems
from ensembl_annotations.store.describe import StoreKind

KINDS = list(itertools.chain(StoreKind, LockKind, ListKind, SharedKind))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_problem_is_a_sentence_with_what_was_found(kind: Kind) -> None:
    text = str(Problem("a.parquet\x1b[2J", kind, "{found}", "{expected}"))
    assert r"a.parquet\u001b[2J" in text
    assert ("{found}" in text) == ("{found}" in kind.value)
    assert ("{expected}" in text) == ("{expected}" in kind.value)
    assert "None" not in text and not text.endswith(".")


@pytest.mark.parametrize(
    ("kinds", "hint"),
    [
        ([StoreKind.MISSING], "pull' to get them"),
        ([StoreKind.MISSING, LockKind.MD5], "not what dvc.lock names"),
        ([LockKind.NOT_LOCKED, LockKind.FOLDER], "not what dvc.lock names"),
        ([LockKind.MD5, StoreKind.SHA256], "repair' to mend"),
        ([LockKind.FOREIGN], "repair' to mend"),
        ([ListKind.ALTERED, LockKind.MD5], "repair' to mend"),
        ([StoreKind.MISSING, ListKind.STRAY], "it may have been run"),
    ],
)
# A file's name once decided what its problem was: sentences were taken apart.
@pytest.mark.parametrize("name", ["x", "dvc.lock.bak", "x is missing", "DVC's list of files"])
def test_what_to_do_next_follows_from_the_kind(kinds: list[Kind], hint: str, name: str) -> None:
    problems = [Problem(name, kind, "a", "b") for kind in kinds]
    lines, told = describe_problems(problems)
    assert lines == [str(problem) for problem in problems]
    assert hint in told


def test_of_many_problems_the_first_are_told() -> None:
    lines, _ = describe_problems([Problem(f"{n}", StoreKind.MISSING) for n in range(20)])
    assert lines[11:] == ["11 is missing", "and 8 more"]
