"""Which assets are meant, and what is looked at before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError, InputError, UsageError
from ensembl_annotations.common.logs import now_utc
from ensembl_annotations.project import materialize as tested
from ensembl_annotations.project.materialize import (
    _asset_names,
    _plan,
    _record,
    _run,
    describe_made,
    refuse_failed,
)
from ensembl_annotations.project.paths import paths_of

REFERENCE, SAMPLES = "ensembl_annotations", "annotated_vcf"
HEADER = "##fileformat=VCFv4.2\n{}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def params(*samples: str) -> Any:
    vcfs = {name: SimpleNamespace(vcf=f"data/vcf/{name}.vcf") for name in samples}
    return SimpleNamespace(
        samples=vcfs,
        ensembl=SimpleNamespace(species="homo_sapiens", assembly="GRCh38"),
        annotate=SimpleNamespace(assembly=None),
    )


@pytest.mark.parametrize(
    ("asked", "elsewhere", "expected"),
    [
        ([REFERENCE], [], [REFERENCE]),
        # In the order of the lineage, and a sample with all of them is not named once more.
        ([f"{SAMPLES}@b", SAMPLES, REFERENCE], [], [REFERENCE, SAMPLES]),
        ([f"{SAMPLES}@b", f"{SAMPLES}@a"], [], [f"{SAMPLES}@a", f"{SAMPLES}@b"]),
        # Those of others are left to them, unless they are asked for by name.
        ([SAMPLES], ["a"], [f"{SAMPLES}@b"]),
        ([REFERENCE, SAMPLES], ["a", "b"], [REFERENCE]),
        ([SAMPLES], ["a", "b"], [REFERENCE]),
        ([f"{SAMPLES}@a"], ["a"], [f"{SAMPLES}@a"]),
        ([], [], []),
    ],
)
def test_what_is_asked_for(asked: list[str], elsewhere: list[str], expected: list[str]) -> None:
    assert _asset_names(asked, params("a", "b"), elsewhere) == expected


def test_without_samples_there_is_the_reference() -> None:
    assert _asset_names([SAMPLES], params(), []) == [REFERENCE]


@pytest.mark.parametrize("name", ["annotated_vcf@c", "annotate@a", ""])
def test_what_is_no_asset_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is not an asset"):
        _asset_names([REFERENCE, name], params("a", "b"), [])


class Planned:
    """A project with the samples `a` and `b`, and what DVC would be asked."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.params = root, params("a", "b")
        self.elsewhere: list[str] = []
        self.made: set[Path] = set()
        self.ran: list[tuple[str, ...]] = []
        self.code = 0
        self.refused = False
        self.dvc = SimpleNamespace(
            cache=None,
            refuse_shared_cache=self._refuse,
            outputs=lambda: self.made,
            run=lambda *arguments, **_: self.ran.append(arguments) or self.code,
            kept_outputs=self._kept,
            missing_from_cache=list,
        )
        manifest = {"manifest": root / "none.json"}
        monkeypatch.setattr(tested, "fetch_options", lambda _: manifest)
        monkeypatch.setattr(tested, "refuse_pushed_results", lambda _: None)
        for name in ("a", "b"):
            self.write(name, HEADER.format(""))

    def samples_elsewhere(self) -> list[str]:
        return self.elsewhere

    def _refuse(self) -> None:
        if self.refused:
            raise UsageError("shared")

    @contextmanager
    def _kept(self) -> Iterator[None]:
        yield

    def write(self, sample: str, text: str) -> None:
        path = self.root / self.params.samples[sample].vcf
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def plan(self, assets: Any = None, *, force: bool = False) -> Any:
        project: Any = self
        return _plan(project, assets, force)


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    return Planned(tmp_path, monkeypatch)


def told(request: Any) -> list[str]:
    return [paths.asset for paths in request.told]


def test_the_reference_is_told_of_always_and_samples_as_asked(planned: Planned) -> None:
    both = [f"{SAMPLES}@a", f"{SAMPLES}@b"]
    everything = planned.plan()
    assert (everything.assets, told(everything)) == ([REFERENCE, SAMPLES], [REFERENCE, *both])
    assert everything.is_for_all(planned.params)
    one = planned.plan(f"{SAMPLES}@b")
    assert (one.assets, told(one)) == ([f"{SAMPLES}@b"], [REFERENCE, f"{SAMPLES}@b"])
    assert not one.is_for_all(planned.params)
    assert not planned.plan([]).is_for_all(planned.params)
    planned.elsewhere = ["a"]
    left = planned.plan(SAMPLES)
    assert (told(left), left.elsewhere) == ([REFERENCE, f"{SAMPLES}@b"], ["a"])


def test_all_that_is_wrong_with_samples_is_told_before_a_download(planned: Planned) -> None:
    planned.write("a", HEADER.format("##contig=<ID=1,length=249250621>\n"))
    # Where another can be used, its stage says so, and the others are made.
    planned.plan()
    with pytest.raises(InputError, match=r"Sample a of params\.yaml: .* GRCh37"):
        planned.plan(f"{SAMPLES}@a")
    (planned.root / "data/vcf/b.vcf").unlink()
    with pytest.raises(InputError) as caught:
        planned.plan()
    assert [line.partition(":")[0] for line in caught.value.message.splitlines()] == [
        "Sample b of params.yaml", "Sample a of params.yaml",
    ]  # fmt: skip
    assert str(planned.root) not in caught.value.message
    assert f"materialize {REFERENCE}'" in str(caught.value.hint)
    # Nothing is wrong with what is not asked for, nor with what a stage makes.
    planned.plan(REFERENCE)
    planned.made = {planned.root / "data/vcf/b.vcf"}
    planned.plan(f"{SAMPLES}@b")


def test_of_a_folder_of_which_no_vcf_can_be_used_that_is_told(planned: Planned) -> None:
    for name in ("x", "y"):
        planned.write("a", HEADER.format("##contig=<ID=1,length=249250621>\n"))
        target = planned.root / f"data/vcf/folder/{name}.vcf"
        target.parent.mkdir(exist_ok=True)
        (planned.root / "data/vcf/a.vcf").rename(target)
    planned.params.samples["a"].vcf = "data/vcf/folder"
    with pytest.raises(
        InputError, match=r"none of its 2 VCFs can be used; of the first: .*x\.vcf: .* GRCh37"
    ):
        planned.plan(f"{SAMPLES}@a")
    (planned.root / "data/vcf/folder/z.vcf").write_text(HEADER.format(""))
    planned.plan(f"{SAMPLES}@a")


def test_genomes_are_not_made_where_others_would_read_them(planned: Planned) -> None:
    planned.refused = True
    planned.plan(REFERENCE)
    with pytest.raises(UsageError, match="shared"):
        planned.plan(f"{SAMPLES}@a")


def test_a_file_of_the_user_stops_it(planned: Planned) -> None:
    folder = planned.root / "data/annotated/a"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(EnsemblAnnotationsError, match=r"notes\.txt"):
        planned.plan()
    planned.plan(f"{SAMPLES}@b")


def commands(planned: Planned, *assets: str, force: bool = False) -> list[tuple[str, ...]]:
    project: Any = planned
    _run(project, planned.plan(list(assets), force=force))
    return planned.ran


def test_a_sample_brings_its_report_and_what_is_forced_comes_first(planned: Planned) -> None:
    assert commands(planned, f"{SAMPLES}@a") == [("repro", "--keep-going", "report@a")]
    planned.ran.clear()
    assert commands(planned, f"{SAMPLES}@a", force=True) == [
        ("repro", "fetch_ensembl"),
        ("repro", "--force", "--single-item", "annotate@a"),
        ("repro", "--keep-going", "report@a"),
    ]
    planned.ran.clear()
    assert commands(planned, REFERENCE, force=True)[0] == ("repro", "ensembl_manifest")
    planned.ran.clear()
    assert commands(planned) == []


def test_a_stage_that_fails_ends_it(planned: Planned) -> None:
    planned.code = 3
    with pytest.raises(EnsemblAnnotationsError, match=r"'dvc repro .*' failed \(exit code 3\)"):
        commands(planned, REFERENCE, force=True)
    assert len(planned.ran) == 1


def test_where_nothing_ran_that_is_recorded(planned: Planned) -> None:
    project: Any = planned
    paths = paths_of(REFERENCE)
    run = planned.root / paths.run
    run.parent.mkdir(parents=True)
    run.write_text('{"status": "downloaded", "duration_sec": 9.5}')
    before = planned.plan(REFERENCE).told[paths]
    found = _record(project, paths, before)
    assert (found["status"], found["duration_sec"], found["num_downloaded"]) == ("cached", 0.0, 0)
    assert found["finished_at"] <= now_utc()
    # Of a run that there was, nothing is changed.
    run.write_text('{"status": "downloaded", "duration_sec": 8.5, "more": 1}')
    assert _record(project, paths, before)["duration_sec"] == 8.5
    assert len((planned.root / "logs/runs.jsonl").read_text().splitlines()) == 1


def made(num_entries: int, status: str = "annotated") -> dict[str, Any]:
    reference = {"status": "cached", "path": "data/ensembl_annotations", "release": 116}
    figures = {"status": status, "num_records": 7, "annotated_percent": 90.0}
    entries = {
        f"{SAMPLES}@e{at}": {**figures, "path": f"data/annotated/e{at}"}
        for at in range(num_entries)
    }
    return {REFERENCE: reference, **entries}


def test_what_was_made_is_told_in_few_lines() -> None:
    few = describe_made(made(1))
    assert few[few.index(f"{SAMPLES}@e0: annotated") :] == [
        f"{SAMPLES}@e0: annotated",
        "  num_records: 7",
        "  annotated_percent: 90.0",
        "  path: data/annotated/e0",
    ]
    for number in (2, 300):
        assert len(describe_made(made(number))) <= 20
    results = made(300)
    results[f"{SAMPLES}@e0"]["status"] = "cached"
    *_, first, last = describe_made(results)[-11:]
    assert first.startswith(f"{SAMPLES}@e10: annotated, 7 records, 90.0 %")
    assert last == "and 290 more entries: 289 annotated, 1 cached"
    assert describe_made(made(300, "cached"))[-1] == "and 290 more entries: 290 cached"


def test_what_failed_is_told_at_the_end(tmp_path: Path) -> None:
    results = made(2)
    refuse_failed(results, tmp_path)
    results[f"{SAMPLES}@e0"] |= {"num_failed": 1, "num_samples": 1}
    results[f"{SAMPLES}@e1"] |= {"num_failed": 20, "num_samples": 300}
    for entry, names in (("e0", ["e0"]), ("e1", [f"s{at}" for at in range(20)])):
        folder = tmp_path / "data/annotated" / entry
        folder.mkdir(parents=True)
        rows = [f"{name}\t\t{'x' * 500}\t" for name in names]
        (folder / "failures.tsv").write_text("\n".join(["sample", *rows]) + "\n")
    with pytest.raises(EnsemblAnnotationsError) as caught:
        refuse_failed(results, tmp_path)
    told = caught.value.message
    assert told.startswith("280 annotated, 21 failed: e0 (xxx")
    assert "), e1/s0 (xxx" in told
    assert told.endswith("and 13 more")
    assert len(told) < 1500
