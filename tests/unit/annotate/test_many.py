"""Many VCFs in one process: each is a task of its own, whatever becomes of the others."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.annotate import many
from ensembl_annotations.annotate.failures import FAILURES, Failure, failures_text, read_failures
from ensembl_annotations.annotate.many import (
    RESULTS,
    Outcome,
    Task,
    annotate_many,
    annotate_sample,
    entry_figures,
    entry_tally,
)
from ensembl_annotations.annotate.memory import num_together
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    PassingInputError,
    ReferenceStoreError,
)
from ensembl_annotations.store import describe, read
from ensembl_annotations.store.describe import ReferenceStore
from tests.support.vcf import CALL, build_store, plain_vcf, record

OPTIONS: dict[str, Any] = {"level": 1, "tags": "all", "id_column": "append", "genotypes": False}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("reference"), ["22"], fasta=False, genes=False)


def records(count: int) -> bytes:
    lines = [record(pos=10000401 + 10 * step, calls=[CALL]) for step in range(count)]
    return plain_vcf(*lines, samples=["S1"])


def tasks_of(folder: Path, out: str, **vcfs: bytes) -> list[Task]:
    for name, content in vcfs.items():
        (folder / f"{name}.vcf").write_bytes(content)
    return [Task(name, folder / f"{name}.vcf", folder / out / name) for name in vcfs]


def digests(task: Task) -> dict[str, str]:
    return {
        name: hashlib.md5((task.folder / name).read_bytes()).hexdigest()
        for name in RESULTS
        if (task.folder / name).exists()
    }


def outcomes(tasks: list[Task], store: Path, memory_mb: int = 1500) -> dict[str, Outcome]:
    return {task.sample: done for task, done in annotate_many(tasks, store, OPTIONS, memory_mb)}


def test_one_that_can_not_be_used_fails_alone(store: Path, tmp_path: Path) -> None:
    bad = records(3) + b"chr22\tx\t.\tA\tG\t.\t.\t.\tGT\t0/1\n"
    tasks = tasks_of(tmp_path, "out", a=records(5), b=bad, c=b"", d=records(7))
    done = outcomes(tasks, store)
    assert [name for name in "abcd" if done[name].figures] == ["a", "d"]
    assert done["b"].failure == Failure(
        "POS: expected a whole number up to 2147483647, found 'x'.", "Correct the line.", 12
    )
    assert done["c"].failure == Failure("is empty; expected a VCF.", "", None)
    assert [len(digests(task)) for task in tasks] == [4, 0, 0, 4]
    # What was there of a former VCF goes.
    tasks[0].vcf.write_bytes(bad)
    assert outcomes(tasks[:1], store)["a"].failure is not None
    assert digests(tasks[0]) == {}


def test_results_depend_on_nothing_else(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcfs = {name: records(20 + number) for number, name in enumerate("abcdef")}
    first = tasks_of(tmp_path, "first", **vcfs)
    done = outcomes(first, store)
    # In another order, with other workers and memory, and large ones alone.
    monkeypatch.setattr(many, "LARGE_BYTES", (first[2].vcf.stat().st_size))
    second = tasks_of(tmp_path, "second", **dict(reversed(vcfs.items())))
    assert outcomes(second, store, 400) == done
    assert [digests(task) for task in first] == [digests(task) for task in reversed(second)]
    figures = [done[name] for name in vcfs]
    opened = ReferenceStore(store)
    assert entry_figures(figures, opened)["num_records"] == sum(20 + number for number in range(6))
    rows = json.loads(entry_tally(figures, opened, {}))["samples"]
    assert [row["num_records"] for row in rows] == [20 + number for number in range(6)]


def test_the_store_is_opened_once_for_all(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    original = describe.open_resource

    def counted(handle: Any, item: Any, number: int) -> Any:
        opened.append(item.path.name)
        return original(handle, item, number)

    monkeypatch.setattr(describe, "open_resource", counted)
    monkeypatch.setattr(read, "open_resource", counted)
    outcomes(tasks_of(tmp_path, "one", a=records(5)), store)
    first = sorted(opened)
    assert first
    opened.clear()
    outcomes(tasks_of(tmp_path, "all", **dict.fromkeys("abcdef", records(5))), store)
    assert sorted(opened) == first


def test_a_store_that_is_replaced_between_two_vcfs_ends_the_run(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own"))
    other = build_store(tmp_path / "other", ["21"], fasta=False, genes=False)
    tasks = tasks_of(tmp_path, "out", **dict.fromkeys("abcdef", records(5)))
    # One at a time.
    done = annotate_many(tasks, own, OPTIONS, 400)
    assert next(done)[1].figures is not None
    # Written again it is the same store.
    (own / "datapackage.json").write_bytes((store / "datapackage.json").read_bytes())
    assert next(done)[1].figures is not None
    own.rename(tmp_path / "former")
    other.rename(own)
    with pytest.raises(ReferenceStoreError, match="was replaced while the store was in use"):
        list(done)
    # In whose place there is none, too; after the last one as well.
    only = annotate_many(tasks[:1], own, OPTIONS, 400)
    assert next(only)[1].figures is not None
    own.rename(tmp_path / "gone")
    with pytest.raises(ReferenceStoreError, match=r"datapackage\.json is another, or gone"):
        next(only)


def test_a_tally_names_the_file_without_its_folder(store: Path, tmp_path: Path) -> None:
    (task,) = tasks_of(tmp_path, "out", a=records(3).replace(b"##contig", b"#one\n##contig", 1))
    assert isinstance(annotate_sample(task, store, OPTIONS, 400), Outcome)
    notes = json.loads((task.folder / "tally.json").read_bytes())["notes"]
    assert notes[0].startswith("a.vcf: line 2: begins with one '#'")
    assert str(tmp_path) not in "".join(notes)


def test_a_vcf_for_which_there_is_no_memory_is_tried_alone_and_is_no_failure(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A line that 400 MB have no room for, and 1500 have.
    long = record(calls=[CALL], info=f"X={'A' * 1_500_000}")
    tasks = tasks_of(tmp_path, "out", a=records(3), b=plain_vcf(long, samples=["S1"]))
    assert outcomes(tasks, store)["b"].figures is not None
    before = digests(tasks[1])
    made: dict[str, Outcome] = {}
    with pytest.raises(PassingInputError, match=r"b\.vcf: line 9: bytes of the line") as caught:
        for task, done in annotate_many(tasks, store, OPTIONS, 400):
            made[task.sample] = done
    assert caught.value.code == "too_large"
    # The others are made, and of it nothing is taken away.
    assert [*made] == ["a"]
    assert digests(tasks[1]) == before


def test_a_vcf_that_is_another_by_now_is_no_failure(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = tasks_of(tmp_path, "out", a=b"##fileformat=VCFv4.2\nhalf")
    original = many.annotate_vcf

    def copied_meanwhile(vcf: Path, *arguments: Any, **options: Any) -> dict[str, Any]:
        try:
            return original(vcf, *arguments, **options)
        finally:
            vcf.write_bytes(records(3))

    monkeypatch.setattr(many, "annotate_vcf", copied_meanwhile)
    assert isinstance(annotate_sample(task, store, OPTIONS, 400), PassingInputError)
    # When the copy is complete, it is annotated.
    assert outcomes([task], store)["a"].figures is not None


def test_what_is_wrong_with_something_else_ends_the_run(store: Path, tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "out", a=records(3))
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(EnsemblAnnotationsError):
        outcomes(tasks, store)
    (tmp_path / "out").unlink()
    with pytest.raises(EnsemblAnnotationsError, match="no such folder"):
        outcomes(tasks, tmp_path / "no store")


def test_as_many_at_a_time_as_memory_and_cores_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert [num_together(memory_mb) for memory_mb in (400, 460, 1500)] == [1, 2, 16]
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert num_together(1500) == 1


def test_failures_are_read_as_they_were_written(tmp_path: Path) -> None:
    failures = {"a": Failure("a\ttab\nand \x1b", "Mend it.", 7), "b": Failure("is empty", "", None)}
    (tmp_path / FAILURES).write_text(failures_text(failures), "utf-8")
    assert read_failures(tmp_path) == [("a", r"line 7: a\ttab\nand \u001b"), ("b", "is empty")]
    assert read_failures(tmp_path / "none") == []
