"""What git knows of materializations: histories made by hand, and one of the pipeline itself."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ensembl_annotations.cli import main
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.metrics import log_run
from ensembl_annotations.project.history import History, describe_history, read_history
from tests.integration.helpers import ANNOTATED, STORE, Project, isolated_environment

REFERENCE, SAMPLE = "ensembl_annotations", "annotated_vcf@p01"
PATHS = {
    "fetch_ensembl": (STORE, "metrics/fetch_ensembl.json"),
    "annotate@p01": ("data/annotated/p01", "metrics/annotate/p01.json"),
}
Content = dict[str, Any]


def digest(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def lock_text(stages: dict[str, str], metrics: dict[str, str]) -> str:
    """Return a lock whose outs have digests of these texts; sizes are the texts' lengths."""
    text = "schema: '2.0'\nstages:\n"
    for stage, made in stages.items():
        folder, path = PATHS[stage]
        text += f"  {stage}:\n    cmd: scripts/python\n    deps:\n    - path: data/vcf/p01.vcf.gz\n"
        text += f"      hash: md5\n      md5: {digest('vcf')}\n      size: 3\n    outs:\n"
        text += f"    - path: {folder}\n      hash: md5\n      md5: {digest(made)}.dir\n"
        text += f"      size: {len(made)}\n      nfiles: 3\n    - path: {path}\n      hash: md5\n"
        text += f"      md5: {digest(metrics[stage])}\n      size: {len(metrics[stage])}\n"
    return text


def figures(stage: str, made: str) -> Content:
    count = "num_alleles" if stage == "fetch_ensembl" else "num_records"
    return {"release": 116, "reference_sha256": made * 8, count: len(made)}


class Pipeline:
    """A repository with locks and metrics, and no data."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.project = Project(root, environment)
        self.minutes = 0
        root.mkdir()
        self.git("init", "--quiet")

    def git(self, *arguments: str, **variables: str) -> str:
        return self.project.run("git", *arguments, **variables).output

    def write(self, **stages: str) -> None:
        """Write what is locked: `reference` and `sample`, each a text."""
        names = {"reference": "fetch_ensembl", "sample": "annotate@p01"}
        made = {names[name]: text for name, text in stages.items()}
        metrics = {stage: json.dumps(figures(stage, text)) for stage, text in made.items()}
        for stage, text in metrics.items():
            path = self.project.path(PATHS[stage][1])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.project.path("dvc.lock").write_text(lock_text(made, metrics))

    def commit(self, author: str = "Tester") -> str:
        """Commit all, a minute after the commit before; return the short hash."""
        self.minutes += 1
        date = f"2026-01-02T03:{self.minutes:02}:00+01:00"
        self.git("add", "--all")
        options = ["commit", "--quiet", "--allow-empty", "--author", f"{author} <a@example.org>"]
        self.git(*options, "-m", "A change", GIT_COMMITTER_DATE=date, GIT_AUTHOR_DATE=date)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "--short", "HEAD").strip()

    def log(self, asset: str, minute: float, **changes: Any) -> None:
        """Log a run that ended at a minute."""
        stage = "fetch_ensembl" if asset == REFERENCE else "annotate@p01"
        made = changes.pop("made")
        content = None if changes.get("status") == "failed" else figures(stage, made)
        line = {"asset": asset, "status": "annotated", "duration_sec": 1.5, "num_files": 3}
        line |= {"size_bytes": len(made), "content": content}
        seconds = int(minute % 1 * 60)
        line["finished_at"] = f"2026-01-02T02:{int(minute):02}:{seconds:02}Z"
        path = self.project.path("logs/runs.jsonl")
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as handle:
            handle.write(json.dumps(line | changes) + "\n")

    def read(self, asset: str | None = None, **options: Any) -> History:
        return read_history(asset, project=self.project.root, **options)


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    environment = isolated_environment(tmp_path)
    for name in ("HOME", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, environment[name])
    pipeline = Pipeline(tmp_path / "repository", environment)
    pipeline.project.path(".gitignore").write_text("/logs\n")
    return pipeline


def test_materializations_are_changes_of_the_digest_newest_first(pipeline: Pipeline) -> None:
    pipeline.write(reference="one")
    first = pipeline.commit()
    pipeline.write(reference="one", sample="alpha")
    second = pipeline.commit("Ada Ünïcode")
    text = pipeline.project.path("dvc.lock").read_text()
    pipeline.project.path("dvc.lock").write_text(text.replace("scripts/python", "python"))
    pipeline.commit()
    pipeline.write(reference="second", sample="alpha")
    fourth = pipeline.commit()
    pipeline.write(reference="one", sample="alpha")
    fifth = pipeline.commit()
    found = pipeline.read()
    assert found.notes == []
    assert [(item.asset, item.commit) for item in found.materializations] == [
        (REFERENCE, fifth),
        (REFERENCE, fourth),
        (SAMPLE, second),
        (REFERENCE, first),
    ]
    sample = found.materializations[2]
    assert (sample.date, sample.author) == ("2026-01-02T02:02:00Z", "Ada Ünïcode")
    assert (sample.digest, sample.size_bytes) == (f"{digest('alpha')}.dir", 5)
    assert (sample.num_files, sample.num_rows, sample.release) == (3, 5, 116)
    assert sample.reference_sha256 == "alpha" * 8
    assert sample.inputs == {"data/vcf/p01.vcf.gz": digest("vcf")}
    assert (sample.status, sample.duration_sec) == (None, None)
    assert pipeline.read(limit=2).materializations == found.materializations[:2]
    for asset in ("annotated_vcf", SAMPLE):
        assert pipeline.read(asset).materializations == [sample]
    assert len(pipeline.read(REFERENCE).materializations) == 3


def test_changes_of_one_commit_are_in_the_order_of_the_lineage(pipeline: Pipeline) -> None:
    pipeline.write(sample="alpha", reference="one")
    pipeline.commit()
    assert [item.asset for item in pipeline.read().materializations] == [REFERENCE, SAMPLE]


def test_of_one_commit_the_newest_run_is_on_top(pipeline: Pipeline) -> None:
    pipeline.log(REFERENCE, 0.2, made="one")
    pipeline.log(SAMPLE, 0.5, made="alpha")
    pipeline.write(sample="alpha", reference="one")
    pipeline.commit()
    assert [item.asset for item in pipeline.read().materializations] == [SAMPLE, REFERENCE]


def with_params(pipeline: Pipeline, **ensembl: str) -> None:
    """Put into the lock what the reference was fetched with, and that the sample was annotated with it."""
    lock = pipeline.project.path("dvc.lock")
    text = lock.read_text()
    params = "".join(f"          {name}: {value}\n" for name, value in ensembl.items())
    params = f"    params:\n      params.yaml:\n        ensembl:\n{params}"
    text = text.replace("    outs:\n", f"{params}    outs:\n", 1)
    made = text.partition(f"- path: {STORE}\n      hash: md5\n      md5: ")[2].partition("\n")[0]
    head, found, tail = text.partition("  annotate@p01:\n")
    dep = f"    deps:\n    - path: {STORE}\n      hash: md5\n      md5: {made}\n"
    lock.write_text(head + found + tail.replace("    deps:\n", dep, 1))


def test_each_has_its_source_assembly_and_chromosomes(pipeline: Pipeline) -> None:
    pipeline.write(reference="one", sample="alpha")
    with_params(pipeline, source="ensembl", assembly="GRCh37", chromosomes="21,22,X,MT,1,2,3,4,5")
    pipeline.commit()
    pipeline.write(reference="second", sample="alpha")
    with_params(pipeline, source="ours", assembly="GRCh38", chromosomes="all")
    # The sample is still the one of before.
    lock = pipeline.project.path("dvc.lock")
    lock.write_text(
        f"{digest('one')}.dir".join(lock.read_text().rsplit(f"{digest('second')}.dir", 1))
    )
    pipeline.commit()
    pipeline.write(reference="second", sample="betas")
    pipeline.commit()
    found = pipeline.read().materializations
    assert [(item.asset, item.source, item.assembly, item.chromosomes) for item in found] == [
        # Its lock does not say what it was annotated with.
        (SAMPLE, None, None, None),
        (REFERENCE, "ours", "GRCh38", "all"),
        (REFERENCE, "ensembl", "GRCh37", "21,22,X,MT,1,2,3,4,5"),
        (SAMPLE, "ensembl", "GRCh37", "21,22,X,MT,1,2,3,4,5"),
    ]
    table = describe_history(pipeline.read(REFERENCE))
    assert table[0].split()[4:8] == ["source", "release", "assembly", "chromosomes"]
    assert table[2].split()[4:8] == ["ensembl", "116", "GRCh37", "21,22,X,MT,1,2,…"]


def test_the_demonstration_of_others_is_shown_on_demand(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = {"source": "mini", "assembly": "GRCh38", "chromosomes": "all"}
    for made in ("one", "two"):
        pipeline.write(reference=made, sample="alpha")
        with_params(pipeline, **demo)
        pipeline.commit()
    clone = Pipeline.__new__(Pipeline)
    pipeline.git("clone", "--quiet", str(pipeline.project.root), str(tmp_path / "clone"))
    clone.project, clone.minutes = Project(tmp_path / "clone", pipeline.project.environment), 5
    done = run(clone, monkeypatch=monkeypatch)
    assert done.stdout == "There is no materialization to show.\n"
    assert "3 of the demonstration that were not made on this machine are left out" in done.stderr
    whole = run(clone, "--all", monkeypatch=monkeypatch)
    assert len(whole.stdout.splitlines()) == 4
    assert whole.stderr == ""
    # What is made here is shown: the same as theirs, one that is not committed, and every real one.
    clone.log(REFERENCE, 7, made="two")
    clone.write(reference="two", sample="betas")
    with_params(clone, **demo)
    assert [item.commit for item in clone.read(demonstration=False).materializations] == [
        "workspace", pipeline.head(),
    ]  # fmt: skip
    clone.write(reference="three", sample="betas")
    with_params(clone, source="ensembl", assembly="GRCh38", chromosomes="all")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "-m", "Ours")
    found = clone.read(demonstration=False).materializations
    assert [(item.asset, item.source) for item in found] == [
        (REFERENCE, "ensembl"), (SAMPLE, "ensembl"), (REFERENCE, "mini"),
    ]  # fmt: skip


def test_what_is_not_committed_is_the_workspace_and_on_top(pipeline: Pipeline) -> None:
    pipeline.write(reference="one")
    first = pipeline.commit()
    pipeline.write(reference="second")
    newest, oldest = pipeline.read().materializations
    assert (newest.commit, newest.date, newest.author) == ("workspace", None, None)
    assert (newest.num_rows, oldest.num_rows) == (6, 3)
    assert oldest.commit == first


def test_a_repository_without_commits_has_a_workspace(pipeline: Pipeline) -> None:
    pipeline.write(reference="one")
    assert [item.commit for item in pipeline.read().materializations] == ["workspace"]


def test_what_a_merge_brings_is_told_of_the_commit_that_made_it(pipeline: Pipeline) -> None:
    """Once, of its author and time, however many merges it came through."""
    pipeline.write(reference="one")
    first = pipeline.commit()
    main_branch = pipeline.git("branch", "--show-current").strip()
    pipeline.git("checkout", "--quiet", "-b", "side")
    for made in ("two", "three"):
        pipeline.write(reference=made)
        side = pipeline.commit(author="Other")
    pipeline.project.path("README").write_text("later\n")
    pipeline.commit()
    pipeline.git("checkout", "--quiet", "-b", "between", first)
    pipeline.git("merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    pipeline.git("checkout", "--quiet", main_branch)
    pipeline.project.path("LICENSE").write_text("other\n")
    pipeline.commit()
    date = {"GIT_COMMITTER_DATE": "2026-01-02T03:30:00Z", "GIT_AUTHOR_DATE": "2026-01-02T03:30:00Z"}
    pipeline.git("merge", "--quiet", "--no-ff", "-m", "Merge", "between", **date)
    found = pipeline.read().materializations
    assert [(item.commit, item.author) for item in found] == [(side, "Other"), (first, "Tester")]
    assert found[0].date == "2026-01-02T02:03:00Z"


@pytest.mark.parametrize(
    "broken",
    [
        "<<<<<<< HEAD\n{}=======\n>>>>>>> other\n",
        "{}<<<<<<< HEAD\n",
        "schema: '2.0'\nstages: [1, 2]\n",
        "just text",
        "",
        "\x00\x01",
        "schema: '2.0'\nstages:\n  fetch_ensembl: [}}\n",
    ],
)
def test_a_broken_lock_is_skipped_with_a_note(pipeline: Pipeline, broken: str) -> None:
    pipeline.write(reference="one")
    first = pipeline.commit()
    lock = pipeline.project.path("dvc.lock")
    lock.write_text(broken.replace("{}", lock.read_text()))
    second = pipeline.commit()
    pipeline.write(reference="two")
    third = pipeline.commit()
    found = pipeline.read()
    assert [item.commit for item in found.materializations] == [third, first]
    assert found.notes == [f"dvc.lock of {second} is not valid YAML of DVC; skipped."]


def test_a_lock_of_another_layout_is_read_too(pipeline: Pipeline) -> None:
    pipeline.write(reference="one")
    lock = pipeline.project.path("dvc.lock")
    lock.write_text("# edited\n" + lock.read_text())
    commit = pipeline.commit()
    assert [item.commit for item in pipeline.read().materializations] == [commit]


def test_a_removed_stage_and_a_removed_lock_are_notes(pipeline: Pipeline) -> None:
    pipeline.write(reference="one", sample="alpha")
    first = pipeline.commit()
    pipeline.write(reference="one")
    second = pipeline.commit()
    pipeline.project.path("dvc.lock").unlink()
    third = pipeline.commit()
    pipeline.write(reference="one", sample="beta")
    fourth = pipeline.commit()
    found = pipeline.read(SAMPLE)
    assert [item.commit for item in found.materializations] == [fourth, first]
    assert found.notes == [
        f"dvc.lock of {third} is missing; skipped.",
        f"{SAMPLE}: not in dvc.lock of {second}; skipped.",
    ]


def test_figures_that_are_not_those_of_the_lock_are_not_taken(pipeline: Pipeline) -> None:
    pipeline.write(reference="one")
    pipeline.project.path("metrics/fetch_ensembl.json").write_text('{"num_alleles": 9}')
    pipeline.commit()
    item = pipeline.read().materializations[0]
    assert (item.num_rows, item.release, item.reference_sha256) == (None, None, None)
    assert item.size_bytes == 3


def test_figures_are_found_in_commits_before_and_since_there_are_details(
    pipeline: Pipeline,
) -> None:
    path, lock = PATHS["fetch_ensembl"][1], pipeline.project.path("dvc.lock")
    pipeline.log(REFERENCE, 0.5, made="one", status="first")
    pipeline.write(reference="one")
    before = pipeline.commit()  # at minute 1
    pipeline.write(reference="second")
    details = figures("fetch_ensembl", "second")
    text = json.dumps({"release": details.pop("release"), "details": [details]})
    # Logged by a run of before, and by one of now.
    pipeline.log(REFERENCE, 1.5, made="second", status="then")
    pipeline.log(REFERENCE, 1.6, made="second", status="now", content=json.loads(text))
    stale = digest(pipeline.project.path(path).read_text())
    pipeline.project.path(path).write_text(text)
    lock.write_text(lock.read_text().replace(stale, digest(text)))
    since = pipeline.commit()
    found = pipeline.read()
    assert found.notes == []
    assert [
        (item.commit, item.release, item.num_rows, item.reference_sha256, item.status)
        for item in found.materializations
    ] == [(since, 116, 6, "second" * 8, "now"), (before, 116, 3, "one" * 8, "first")]


def test_a_run_is_taken_only_where_all_is_the_same(pipeline: Pipeline) -> None:
    pipeline.log(SAMPLE, 0.2, made="alpha", duration_sec=7.5)
    pipeline.log(SAMPLE, 0.4, made="alpha", status="cached", duration_sec=0.0)
    pipeline.log(REFERENCE, 0.5, made="one", size_bytes=4)
    pipeline.log(SAMPLE, 0.5, made="betas", status="wrong")
    pipeline.write(reference="one", sample="alpha")
    pipeline.commit()  # at minute 1
    pipeline.log(SAMPLE, 1.5, made="gamma", status="cached", duration_sec=0.0)
    pipeline.write(reference="one", sample="gamma")
    pipeline.commit()
    pipeline.log(SAMPLE, 5, made="alpha", duration_sec=2.0, status="later")
    first, reference = pipeline.read().materializations[1:]
    assert (first.asset, reference.asset) == (SAMPLE, REFERENCE)
    assert (first.status, first.duration_sec) == ("annotated", 7.5)
    assert (reference.status, reference.duration_sec) == (None, None)
    assert pipeline.read(SAMPLE).materializations[0].status == "cached"


def test_a_run_of_an_earlier_time_is_not_taken_for_what_came_back(pipeline: Pipeline) -> None:
    pipeline.log(REFERENCE, 0.5, made="one", status="downloaded")
    for made in ("one", "two", "one"):
        pipeline.write(reference=made)
        pipeline.commit()
    statuses = [item.status for item in pipeline.read().materializations]
    assert statuses == [None, None, "downloaded"]


def test_a_failed_last_run_is_a_note(pipeline: Pipeline) -> None:
    pipeline.write(reference="one")
    pipeline.commit()
    pipeline.log(REFERENCE, 0.5, made="one")
    pipeline.log(REFERENCE, 9, made="one", status="failed")
    assert pipeline.read().notes == [
        f"{REFERENCE}: its last run here failed, at 2026-01-02T02:09:00Z."
    ]


def test_broken_lines_of_the_log_are_ignored(pipeline: Pipeline) -> None:
    pipeline.write(reference="one")
    pipeline.commit()
    path = pipeline.project.path("logs/runs.jsonl")
    path.parent.mkdir()
    path.write_bytes(
        b'{"asset": "ensembl\n\xff\xfe\n[1]\nnull\n{"asset": []}\n' + b"[" * 100_000 + b"\n"
    )
    pipeline.log(REFERENCE, 0.5, made="one", finished_at=None)
    pipeline.log(REFERENCE, 0.5, made="one", duration_sec="long")
    pipeline.log(REFERENCE, 0.5, made="one", status="downloaded")
    assert pipeline.read().materializations[0].status == "downloaded"


def test_a_shallow_clone_says_where_history_ends(pipeline: Pipeline, tmp_path: Path) -> None:
    for made in ("one", "two", "three"):
        pipeline.write(reference=made)
        commit = pipeline.commit()
    clone = tmp_path / "clone"
    pipeline.git("clone", "--quiet", "--depth", "1", f"file://{pipeline.project.root}", str(clone))
    found = read_history(project=clone)
    assert [item.commit for item in found.materializations] == [commit]
    assert [note for note in found.notes if f"shallow: history ends at {commit}" in note]


def test_a_repository_inside_another_folder_is_read(pipeline: Pipeline) -> None:
    root = pipeline.project.root
    pipeline.write(reference="one")
    inner = root / "a folder"
    inner.mkdir()
    for name in ("dvc.lock", "metrics"):
        (root / name).rename(inner / name)
    pipeline.commit()
    found = read_history(project=inner).materializations
    assert [item.num_rows for item in found] == [3]


def test_outside_a_repository_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"git can't read a repository here"):
        read_history(project=tmp_path)
    with pytest.raises(UsageError, match=r"git can't be run"):
        read_history(project=tmp_path / "none")


def test_without_git_is_a_usage_error(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match=r"git can't be run.*Install git"):
        pipeline.read()


def test_without_any_lock_is_a_usage_error(pipeline: Pipeline) -> None:
    pipeline.commit()
    with pytest.raises(UsageError, match=r"no dvc\.lock, now or in the history"):
        pipeline.read()


@pytest.mark.parametrize(
    "asset", ["annotated", "", "annotated_vcf@", "annotated_vcf@p02", "ensembl_annotations@x"]
)
def test_an_unknown_asset_is_a_usage_error(pipeline: Pipeline, asset: str) -> None:
    pipeline.write(reference="one", sample="alpha")
    pipeline.commit()
    with pytest.raises(UsageError, match=r"There are: ensembl_annotations"):
        pipeline.read(asset)


@pytest.mark.parametrize("seconds", ["253402300800", "-5", "99999999999999999"])
def test_a_date_that_no_calendar_has_is_not_known(pipeline: Pipeline, seconds: str) -> None:
    pipeline.write(reference="a")
    pipeline.commit()
    tree = pipeline.git("rev-parse", "HEAD^{tree}").strip()
    text = f"tree {tree}\nauthor A <a@b> {seconds} +0000\ncommitter A <a@b> {seconds} +0000\n\nx\n"
    path = pipeline.project.root.with_name("commit")
    path.write_text(text)
    commit = pipeline.git("hash-object", "-t", "commit", "--literally", "-w", str(path)).strip()
    pipeline.git("update-ref", "HEAD", commit)
    (item,) = read_history(project=pipeline.project.root).materializations
    # There are versions of git that give a time before 1970.
    assert item.date in ((None, "1969-12-31T23:59:55Z") if seconds == "-5" else (None,))


def test_a_thousand_commits_take_seconds(pipeline: Pipeline) -> None:
    stream = []
    for number in range(1000):
        made = {"fetch_ensembl": f"{number // 3}", "annotate@p01": f"{number}"}
        metrics = {stage: json.dumps(figures(stage, text)) for stage, text in made.items()}
        files = {"dvc.lock": lock_text(made, metrics)}
        files |= {PATHS[stage][1]: text for stage, text in metrics.items()}
        stream.append(f"commit refs/heads/many\ncommitter T <t@x> {10**9 + number} +0000\ndata 0\n")
        for path, text in files.items():
            stream.append(f"M 644 inline {path}\ndata {len(text)}\n{text}\n")
    path = pipeline.project.path("stream")
    path.write_text("".join(stream))
    pipeline.project.run("sh", "-c", "git fast-import --quiet < stream")
    pipeline.git("checkout", "--quiet", "many")
    began = time.perf_counter()
    found = pipeline.read()
    assert len(found.materializations) == 1334
    assert found.notes == []
    assert time.perf_counter() - began < 30


# The command


def run(pipeline: Pipeline, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(pipeline.project.root)
    return CliRunner().invoke(main, ["history", *arguments])


def test_the_table_is_for_people(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.log(REFERENCE, 0.5, made="one", status="downloaded", duration_sec=12.25)
    pipeline.write(reference="one")
    commit = pipeline.commit("An\x1b[31mother")
    pipeline.write(reference="second")
    done = run(pipeline, monkeypatch=monkeypatch)
    assert done.exit_code == 0
    head, newest, oldest = (line.split() for line in done.stdout.splitlines())
    assert head[:4] == ["asset", "date", "commit", "author"]
    assert head[4:9] == ["source", "release", "assembly", "chromosomes", "digest"]
    assert newest[1:4] == ["-", "workspace", "-"]
    assert oldest == [
        *(REFERENCE, "2026-01-02T02:01:00Z", commit, r"An\u001b[31mother", "-", "116"),
        *("-", "-", digest("one")[:12]),
        *(("one" * 8)[:12], "3", "3", "3", "downloaded", "12.25"),
    ]
    assert run(pipeline, monkeypatch=monkeypatch).stdout == done.stdout


def test_json_has_everything(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.write(reference="one", sample="alpha")
    pipeline.commit()
    done = run(pipeline, "annotated_vcf", "--json", "--limit", "1", monkeypatch=monkeypatch)
    content = json.loads(done.stdout)
    assert set(content) == {"materializations", "notes"}
    assert content["materializations"][0]["asset"] == SAMPLE
    assert content["materializations"][0]["digest"] == f"{digest('alpha')}.dir"


def test_errors_of_the_command_have_exit_code_2(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.write(reference="one")
    assert run(pipeline, "nothing", monkeypatch=monkeypatch).exit_code == 2
    assert run(pipeline, "--limit", "0", monkeypatch=monkeypatch).exit_code == 2


def test_nothing_is_said_in_words(pipeline: Pipeline) -> None:
    pipeline.write()
    assert describe_history(pipeline.read()) == ["There is no materialization to show."]


# The log of runs


def test_lines_of_runs_at_a_time_do_not_mix(tmp_path: Path) -> None:
    log, out = tmp_path / "logs" / "runs.jsonl", tmp_path / "out"
    out.mkdir()
    content = {"text": "x" * 20_000}
    threads = [
        threading.Thread(
            target=lambda: [
                log_run(log, REFERENCE, {"status": "ok"}, content, out) for _ in range(20)
            ]
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who sees a line that another has not finished ends it: an empty line can come of that.
    lines = [line for line in log.read_text().splitlines() if line]
    assert len(lines) == 160
    assert all(json.loads(line)["content"] == content for line in lines)


def test_a_cut_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    log = tmp_path / "runs.jsonl"
    log.write_text('{"asset": "ens')
    log_run(log, REFERENCE, {"status": "failed"}, None, tmp_path)
    assert json.loads(log.read_text().splitlines()[1]) == {"asset": REFERENCE, "status": "failed"}


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    log_run(tmp_path / "logs" / "runs.jsonl", REFERENCE, {}, {}, tmp_path)


def runs(project: Project) -> list[Content]:
    return [json.loads(line) for line in project.path("logs/runs.jsonl").read_bytes().splitlines()]


def test_pipeline_logs_its_runs_and_history_finds_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runs(project)
    assert [run["asset"] for run in first] == [REFERENCE, "annotated_vcf@sample"]
    assert [run["status"] for run in first] == ["downloaded", "annotated"]
    (details,) = first[0]["content"].pop("details")
    assert first[0]["content"] | details == project.metrics("fetch_ensembl")
    assert all(run["peak_memory_mb"] > 0 and run["duration_sec"] > 0 for run in first)
    assert project.changed() == []
    project.set_param("annotate.level", 6)
    assert project.materialize().ran == ["annotate@sample"]
    logged = runs(project)[2:]
    assert [(run["asset"], run["status"]) for run in logged] == [
        ("annotated_vcf@sample", "annotated"),
        (REFERENCE, "cached"),
    ]
    vcf = project.path("data/vcf/sample.vcf.gz")
    newest = read_history("annotated_vcf@sample", project=project.root).materializations[0]
    assert (newest.commit, newest.status) == ("workspace", "annotated")
    assert newest.duration_sec == logged[0]["duration_sec"]
    assert newest.num_files == len(list(project.path(ANNOTATED).iterdir()))
    project.commit()
    committed = read_history("annotated_vcf@sample", project=project.root).materializations[0]
    assert (committed.status, committed.author) == ("annotated", "Tester")
    failed = "annotated_vcf@sample: its last run here failed"
    # A VCF that can't be used is a result, with figures.
    vcf.write_bytes(vcf.read_bytes()[:500])
    project.dvc("repro")
    assert runs(project)[-1]["status"] == "failed"
    assert runs(project)[-1]["content"]["details"][0]["num_failed"] == 1
    assert [note for note in read_history(project=project.root).notes if note.startswith(failed)]
    # Where the stage itself fails there are none.
    project.path("data/vcf/sheet.csv").write_text("sample,vcf\na,none.vcf\n")
    project.set_param("samples.sample", {"vcf": "data/vcf/sheet.csv"})
    project.dvc("repro", code=255)
    assert runs(project)[-1]["status"] == "failed"
    assert "content" not in runs(project)[-1]
    assert [note for note in read_history(project=project.root).notes if note.startswith(failed)]


def test_history_needs_no_data(reproduced: Project, tmp_path: Path) -> None:
    clone = reproduced.clone(tmp_path / "clone")
    items = read_history(project=clone.root).materializations
    assert {item.asset for item in items} == {REFERENCE, "annotated_vcf@sample"}
    assert all(item.num_rows and item.reference_sha256 for item in items)
    assert not clone.path(STORE).exists()
