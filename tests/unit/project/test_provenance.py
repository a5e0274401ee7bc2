"""What is proven of a file, and what is not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ensembl_annotations.common.problems import Problem
from ensembl_annotations.project.history import History
from ensembl_annotations.project.provenance import (
    DIFFERS,
    NOT_KNOWN,
    OK,
    Check,
    Provenance,
    _end_check,
    _files_check,
    _FileTrace,
    _inside,
    describe_provenance,
)
from ensembl_annotations.store.describe import StoreKind
from ensembl_annotations.versions import ENGINE_VERSION


def made(commit: str, digest: str, **more: Any) -> Any:
    about = {"asset": "annotated_vcf@a", "reference_sha256": None, "inputs": {}, **more}
    return SimpleNamespace(commit=commit, digest=digest, **about)


def trace(
    root: Path,
    *materializations: Any,
    lists: dict[str, dict[str, str]] | None = None,
    says: dict[str, str] | None = None,
    path: str = "data/annotated/a/annotated.vcf.gz",
) -> Any:
    """Return the trace of a file with the MD5 ``mine``, where DVC's cache has these lists of files."""
    found: Any = object.__new__(_FileTrace)
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    found.project = SimpleNamespace(root=root)
    found.label = SimpleNamespace(path=file, md5="mine", kind="VCF")
    found.history = History(list(materializations))
    found.found = Provenance(str(file), "VCF", says or {})
    found.digest, found.store = (says or {}).get("reference_sha256"), None
    found.listing = lambda item: (lists or {}).get(item.digest)
    found.place = found._place()
    return found


NAME = "annotated.vcf.gz"


def test_a_file_is_part_of_the_newest_that_lists_it(tmp_path: Path) -> None:
    three, two, one = (made(f"c{number}", f"{number}.dir") for number in (3, 2, 1))
    lists = {"3.dir": {NAME: "other"}, "2.dir": {NAME: "mine"}, "1.dir": {NAME: "mine"}}
    found = trace(tmp_path, three, two, one, lists=lists)
    assert found.place is two
    assert found.found.notes == []
    unknown = trace(tmp_path, three, two, lists={"3.dir": {NAME: "other"}})
    assert unknown.place is None
    assert "no list of files for 1 materializations" in unknown.found.notes[0]


@pytest.mark.parametrize(
    ("lists", "commit", "result", "reason"),
    [
        ({"2.dir": {NAME: "mine"}}, "c2", OK, "annotated_vcf@a of c2"),
        ({"2.dir": {NAME: "other"}}, "c2", DIFFERS, "annotated_vcf@a of c2"),
        # Of an older commit: it is what that has, and not altered.
        ({"2.dir": {NAME: "other"}, "1.dir": {NAME: "mine"}}, "c2", OK, "'dvc checkout' brings"),
        # Whoever alters a file can write a lock, too.
        ({"2.dir": {NAME: "mine"}}, "workspace", NOT_KNOWN, "not committed"),
        # Another file of the folder has this content: its name counts.
        ({"2.dir": {NAME: "other", "tally.json": "mine"}}, "c2", DIFFERS, "of c2"),
        ({}, "c2", DIFFERS, "is not as in annotated_vcf@a of c2"),
    ],
)
def test_the_content_is_proven_by_a_commit_only(
    lists: dict[str, dict[str, str]], commit: str, result: str, reason: str, tmp_path: Path
) -> None:
    check = trace(
        tmp_path, made(commit, "2.dir"), made("c1", "1.dir"), lists=lists
    )._content_check()
    assert (check.name, check.result) == ("dvc.lock", result)
    assert reason in check.reason


def test_a_file_elsewhere_is_known_by_its_content(tmp_path: Path) -> None:
    of, lists = made("c1", "1.dir"), {"1.dir": {NAME: "mine"}}
    assert trace(tmp_path, of, lists=lists, path="copy.vcf.gz")._content_check().result == OK
    assert trace(tmp_path, of, path="copy.vcf.gz")._content_check().result == NOT_KNOWN


def test_what_the_header_says_is_compared_with_the_reference(tmp_path: Path) -> None:
    about = {"release": "116", "species": "homo_sapiens", "assembly": "GRCh38", "source": "ensembl"}
    store: Any = SimpleNamespace(**about, chromosomes=["21", "X"])

    def checked(**changed: str) -> Check:
        found: Check = trace(tmp_path, says=about | changed)._header_check(store)
        return found

    assert checked(chromosomes="21|X") == Check("header", OK, "as the reference")
    assert checked(chromosomes="all").result == OK
    for name, value in about.items():
        assert checked(**{name: "x"}).reason == f"{name} is {value}, the header says x"
    assert checked(chromosomes="21|22").reason == "the reference has no chromosome 22"


@pytest.mark.parametrize(
    ("is_complete", "damage", "result"),
    [
        (True, "", OK),
        (False, "", DIFFERS),
        (None, "", NOT_KNOWN),
        (True, "bad block", DIFFERS),
        (None, "bad block", DIFFERS),
    ],
)
def test_the_end_of_a_file(is_complete: bool | None, damage: str, result: str) -> None:
    label: Any = SimpleNamespace(kind="VCF", is_complete=is_complete, damage=lambda: damage)
    assert _end_check(label).result == result


def test_files_of_the_reference_differ_where_there_is_a_problem() -> None:
    assert _files_check([], "x").result == OK
    check = _files_check([Problem("a", StoreKind.MISSING), Problem("b", StoreKind.MISSING)], "x")
    assert check == Check("reference files", DIFFERS, "a is missing; b is missing")


def test_a_link_into_the_cache_is_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/x").write_bytes(b"")
    folder = tmp_path / "data/annotated"
    folder.mkdir(parents=True)
    (folder / "a.vcf").symlink_to(tmp_path / "cache/x")
    assert _inside(folder / "a.vcf", tmp_path / "data") == Path("annotated/a.vcf")
    assert _inside(folder / "../../cache/x", tmp_path / "data") is None


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([OK, OK], "Verified: all of it."),
        ([OK, NOT_KNOWN], "Nothing wrong was found, but it is not proven: b not known."),
        ([DIFFERS, NOT_KNOWN], "It is NOT as it should be: a."),
    ],
)
def test_what_is_not_known_is_not_proven(results: list[str], verdict: str) -> None:
    checks = [Check(name, result, "") for name, result in zip("ab", results, strict=True)]
    found = Provenance("x", "VCF", {}, checks=checks)
    assert describe_provenance(found)[-1] == verdict
    assert found.differs == (DIFFERS in results)


def test_another_engine_is_said() -> None:
    def line(engine: int) -> str:
        told = describe_provenance(Provenance("x", "VCF", {"engine": str(engine)}))
        return next(line for line in told if line.startswith("engine"))

    assert "check out a commit" in line(ENGINE_VERSION + 1)
    assert line(ENGINE_VERSION).endswith(str(ENGINE_VERSION))
