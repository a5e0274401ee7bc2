"""The pipeline under DVC: what runs when, what is restored, and what never leaves the machine."""

from __future__ import annotations

import gzip
import json
import os
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ensembl_annotations._kernel import crc32
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.project.comparison import compare_stores
from ensembl_annotations.project.materialize import materialize
from tests.integration.helpers import (
    ANNOTATED,
    DEMO,
    REPO,
    REPORTED,
    SAMPLE_VCF,
    STORE,
    Done,
    Project,
    digests,
)
from tests.support.compiler import quick_compiler
from tests.support.warm import programs
from tests.unit.test_docs import noted_modules, of_rooms, walk

MANIFEST, FETCH, ANNOTATE, REPORT = (
    "ensembl_manifest",
    "fetch_ensembl",
    "annotate@sample",
    "report@sample",
)
OTHER, OTHER_REPORT = "annotate@other", "report@other"
MIRROR = "data/mini_ensembl"
CORRUPTED = f"{MIRROR}/release-116/variation/vcf/homo_sapiens/homo_sapiens-chr7.vcf.gz"
REMOTE = ".refcache"
OTHER_VCF = "data/vcf/other.vcf.gz"
UP_TO_DATE = "Data and pipelines are up to date.\n"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def corrupt(project: Project) -> None:
    """Change one byte of the mirror: the size stays, the checksum does not."""
    content = bytearray(project.path(CORRUPTED).read_bytes())
    content[len(content) // 2] ^= 0xFF
    project.path(CORRUPTED).write_bytes(content)


def unpacked(content: bytes) -> bytes:
    """Return the bytes and, where they are compressed, what is in them."""
    return content + gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Give this process the environment of a project, for the Python interface."""

    def enter(project: Project, **variables: str) -> Path:
        wanted = {**project.environment, **variables}
        monkeypatch.setattr(sys, "executable", str(programs() / "python3"))
        for name in set(os.environ) - set(wanted):
            if not name.startswith("PYTEST_"):
                monkeypatch.delenv(name)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        return project.root

    return enter


# What is committed


def test_committed_lock_is_current_without_any_data(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    done = clone.dvc("repro", "--dry", "--allow-missing", code=None)
    advice = "dvc.lock is not of these parameters and versions: run 'make' and commit it"
    assert (done.code, done.ran) == (0, []), f"{advice}\n{done.output}"


def test_fresh_clone_makes_the_data(first_run: tuple[Project, Done]) -> None:
    project, done = first_run
    assert done.ran[-3:] == [FETCH, ANNOTATE, REPORT]
    assert len(project.digests(STORE)) == 33
    assert sorted(project.digests(ANNOTATED)) == [
        "annotated.parquet",
        "annotated.vcf.gz",
        "annotated.vcf.gz.tbi",
        "tally.json",
    ]
    assert sorted(project.digests(REPORTED)) == [
        "contigs.svg",
        "frequencies.svg",
        "sample_mqc.json",
        "summary.html",
    ]
    assert project.metrics("run/fetch_ensembl")["status"] == "downloaded"
    assert project.metrics("run/annotate/sample")["status"] == "annotated"


def test_fresh_clone_makes_what_is_committed(
    seed: Project, demo: Project, first_run: tuple[Project, Done]
) -> None:
    if demo is not seed:
        pytest.skip("params.yaml is not the demonstration's: its results are not committed")
    assert first_run[0].changed() == []


def test_second_run_has_nothing_to_do(project: Project) -> None:
    assert project.repro() == []
    assert project.changed() == []


# What runs again


def test_level_reruns_annotate_only(project: Project) -> None:
    project.set_param("annotate.level", 6)
    assert project.repro() == [ANNOTATE]
    assert project.repro() == []


def test_release_in_params_reruns_everything(
    reproduced_pair: Project, earlier_pair: tuple[Project, Done]
) -> None:
    project, done = earlier_pair
    assert done.ran[:2] == [MANIFEST, FETCH]
    assert sorted(done.ran[2:]) == [OTHER, ANNOTATE, OTHER_REPORT, REPORT]
    assert project.metrics("fetch_ensembl")["release"] == 115
    assert project.metrics("annotate/sample")["release"] == 115
    assert project.digests("data/manifests") == reproduced_pair.digests("data/manifests")


def test_release_of_an_experiment_reruns_everything(part: Project) -> None:
    done = part.dvc("exp", "run", "--set-param", "ensembl.release=115")
    assert done.ran == [MANIFEST, FETCH, ANNOTATE, REPORT]
    assert part.params()["ensembl"]["release"] == 115
    assert part.metrics("annotate/sample")["release"] == 115
    assert part.repro() == []


def test_an_experiment_in_a_folder_of_its_own_gets_vcfs_that_git_ignores(
    pair: Project, tmp_path: Path
) -> None:
    pair.add_environment()
    # What is made already needs no compiler there.
    pair.set_param("annotate.level", 6)
    assert pair.repro(ANNOTATE) == [ANNOTATE]
    pair.git("checkout", "--quiet", ".")
    pair.dvc("checkout")
    # As in a shell in which no environment is active.
    outside = {"PATH": os.defpath, "CC": quick_compiler(tmp_path)}
    experiment = [".venv/bin/dvc", "exp", "run", "--temp", "--set-param", "annotate.level=6"]
    lacking = pair.run(*experiment, code=None, **outside)
    assert lacking.code != 0
    assert re.search(f"No such file or directory: '.*/{OTHER_VCF}'", lacking.output)
    # The kernel of the copy is compiled by programs that have none yet.
    pair.path(".venv").unlink()
    pair.path(".venv").symlink_to(REPO / ".venv")
    done = pair.run(*experiment, "--copy-paths", OTHER_VCF, **outside)
    assert done.ran == [OTHER]
    assert "Stage 'annotate@sample' is cached" in done.output
    refs = pair.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    assert len(refs) == 1
    assert OTHER_VCF not in pair.git("ls-tree", "-r", "--name-only", refs[0]).splitlines()
    assert not [*pair.path(".dvc/tmp").rglob("*.vcf*")]
    assert pair.changed() == []


def test_how_files_are_obtained_reruns_nothing(project: Project, tmp_path: Path) -> None:
    project.set_param("run.force_download", True)
    project.set_param("run.sources.mini", {"elsewhere": str(tmp_path / "missing")})
    project.set_param("run.sources.another", {"main": "https://example.org/pub"})
    project.set_param("run.memory_mb", 400)
    assert project.repro() == []


def test_times_of_files_rerun_nothing(project: Project) -> None:
    for path in project.root.rglob("*"):
        if path.is_file() and not {".git", ".dvc"} & set(path.parts):
            os.utime(path, (2_000_000_000, 2_000_000_000))
    assert project.repro() == []


def test_code_reruns_nothing(project: Project) -> None:
    """A comment, or code: a line in a module of each room, a script, a template, a test."""
    package = project.path("src/ensembl_annotations")
    rooms = sorted(path.parent for path in package.glob("*/__init__.py"))
    first = [max(room.glob("*.py"), key=lambda path: path.stat().st_size) for room in rooms]
    assert len(first) == 10
    for path in [*first, *package.glob("*.py"), *project.path("scripts").glob("*.py")]:
        append(path, "\n# A comment\n_UNUSED = 1\n")
    append(project.path("src/ensembl_annotations/report/page.css"), "\n/* A comment */\n")
    append(project.path("tests/integration/test_dvc.py"), "\n# A comment\n")
    assert project.dvc("status").output == UP_TO_DATE
    assert project.repro() == []


@pytest.mark.parametrize(
    ("version", "stale"),
    [
        ("STORE_VERSION", FETCH),
        ("ENGINE_VERSION", ANNOTATE),
        ("REPORT_VERSION", REPORT),
    ],
)
def test_a_raised_version_makes_its_stage_stale(part: Project, version: str, stale: str) -> None:
    path = part.path("src/ensembl_annotations/versions.py")
    text = path.read_text("utf-8")
    raised = re.sub(rf"(?m)^({version}) = (\d+)$", r"\1 = 1\2", text)
    assert raised != text
    path.write_text(raised, "utf-8")
    assert list(part.dvc("status", "--json").json()) == [stale]
    follows = [FETCH, ANNOTATE, REPORT]
    assert part.repro() == follows[follows.index(stale) :]
    assert part.dvc("status").output == UP_TO_DATE


def test_new_vcf_reruns_its_sample_only(pair: Project) -> None:
    vcf = pair.path(OTHER_VCF)
    lines = gzip.decompress(vcf.read_bytes()).splitlines(keepends=True)
    vcf.write_bytes(gzip.compress(b"".join(lines[:-1]), mtime=0))
    before = pair.digests(ANNOTATED)
    assert pair.repro() == [OTHER, OTHER_REPORT]
    assert pair.digests(ANNOTATED) == before


# What is restored


def test_former_release_is_restored_without_running_anything(
    reproduced_pair: Project, earlier_pair: tuple[Project, Done], tmp_path: Path
) -> None:
    project = earlier_pair[0].copy(tmp_path / "project")
    assert project.digests(STORE) != reproduced_pair.digests(STORE)
    assert project.digests(ANNOTATED) != reproduced_pair.digests(ANNOTATED)
    records = project.run_records()
    assert len(records) == 3
    shutil.rmtree(project.path(MIRROR))  # whoever asked the mirror would fail
    project.set_param("ensembl.release", 116)
    assert {FETCH, ANNOTATE, REPORT, OTHER, OTHER_REPORT}.isdisjoint(project.repro())
    assert project.run_records() == records
    assert project.digests(STORE) == reproduced_pair.digests(STORE)
    for folder in ("data/annotated", "data/reports"):
        assert project.digests(folder) == reproduced_pair.digests(folder)
    for name in ("fetch_ensembl", "annotate/sample", "annotate/other"):
        assert project.metrics(name) == reproduced_pair.metrics(name)
    assert project.path("dvc.lock").read_bytes() == reproduced_pair.path("dvc.lock").read_bytes()


def test_removed_results_come_back_from_the_cache(project: Project) -> None:
    before, records = project.digests("data"), project.run_records()
    for folder in (STORE, ANNOTATED, REPORTED):
        for command in ("repro", "checkout"):
            shutil.rmtree(project.path(folder))
            assert project.dvc(command).ran == []
            assert project.digests("data") == before
            assert project.run_records() == records


def test_the_cache_takes_no_disk_of_its_own(first_run: tuple[Project, Done]) -> None:
    """The plan of disk space counts the store once where DVC's cache is on the same disk."""
    for folder in (STORE, ANNOTATED, REPORTED):
        digests = first_run[0].digests(folder)
        for name, digest in digests.items():
            # Of files with the same content only one is linked.
            if list(digests.values()).count(digest) == 1:
                assert first_run[0].path(f"{folder}/{name}").stat().st_nlink == 2, name


# What others get, and what they never get


@pytest.fixture(scope="session")
def published(
    earlier_pair: tuple[Project, Done], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Project, Path]:
    """A project with commits of two releases, pushed in two ways, a clone of it, and the remote."""
    folder = tmp_path_factory.mktemp("published")
    project = earlier_pair[0].copy(folder / "project")
    project.dvc("push")
    remote = project.path(REMOTE)
    colleague = project.clone(folder / "colleague")
    for each in (project, colleague):
        each.dvc("remote", "modify", "--local", "refcache", "url", str(remote))
    project.dvc("push", "--all-commits")
    shutil.copy(project.path(OTHER_VCF), colleague.path(OTHER_VCF))
    return project, colleague, remote


def test_push_keeps_the_remote_out_of_git(published: tuple[Project, Project, Path]) -> None:
    assert published[0].changed() == []


def test_pushed_reference_is_the_same_in_another_clone(
    published: tuple[Project, Project, Path], tmp_path: Path
) -> None:
    project, colleague, _ = published
    clone = colleague.copy(tmp_path / "clone")
    clone.dvc("pull", "fetch_ensembl")
    assert clone.digests(STORE) == project.digests(STORE)
    assert not clone.path("data/annotated").exists()


def test_repro_pull_runs_annotate_only(
    published: tuple[Project, Project, Path], tmp_path: Path
) -> None:
    project, colleague, _ = published
    clone = colleague.copy(tmp_path / "clone")
    shutil.rmtree(clone.path(MIRROR))
    assert sorted(clone.repro("--pull")) == [OTHER, ANNOTATE, OTHER_REPORT, REPORT]
    for folder in ("data/annotated", "data/reports"):
        assert clone.digests(folder) == project.digests(folder)
    assert [line for line in clone.changed() if MIRROR not in line] == []


def test_remote_holds_both_stores_and_nothing_else(
    published: tuple[Project, Project, Path], reproduced: Project
) -> None:
    project, _, remote = published
    held = {path.parent.name + path.name for path in remote.rglob("*") if path.is_file()}
    stores = set(project.digests(STORE).values()) | set(reproduced.digests(STORE).values())
    assert stores <= held
    lists = held - stores
    assert len(lists) == 2
    assert all(name.endswith(".dir") for name in lists)


def test_remote_holds_nothing_of_a_person(
    published: tuple[Project, Project, Path], reproduced_pair: Project
) -> None:
    project, _, remote = published
    held = digests(remote)
    assert held
    private = set[str]()
    for each in (project, reproduced_pair):
        private |= set(each.digests("data/annotated").values())
        private |= set(each.digests("data/reports").values())
        private |= set(each.digests("data/vcf").values())
        private |= set(re.findall(r"[0-9a-f]{32}", each.path("dvc.lock").read_text("utf-8"))) & {
            name.removesuffix(".dir")
            for folder in ("data/annotated/", "data/reports/", "data/vcf/")
            for name in _locked(each, folder)
        }
    # Of two releases and two samples four files and their folder, and four of the report; the VCFs.
    assert len(private) == 2 * 2 * (5 + 4) + 2
    names = {name.replace("/", "") for name in held}
    words = (b"annotated.vcf", b"annotated.parquet", b"data/vcf", b"annotate@", b"/other", b"demo")
    for digest in private:
        assert digest not in held.values()
        assert not [name for name in names if digest in name]
    for name in held:
        content = unpacked((remote / name).read_bytes())
        assert not [word for word in words if word in content], name
        assert b"#CHROM\tPOS" not in content, name


def _locked(project: Project, start: str) -> list[str]:
    """Return the digests that dvc.lock has for the paths that start like this."""
    text = project.path("dvc.lock").read_text("utf-8")
    pattern = rf"path: {re.escape(start)}\S+\n\s+hash: md5\n\s+md5: (\S+)"
    return re.findall(pattern, text)


def test_vcfs_of_samples_are_ignored_by_git(pair: Project) -> None:
    assert pair.git("check-ignore", OTHER_VCF) == f"{OTHER_VCF}\n"
    assert OTHER_VCF not in pair.git("ls-files")
    assert SAMPLE_VCF in pair.git("ls-files")


# materialize


def test_materialize_reports_what_it_did_and_then_that_all_is_cached(
    demo: Project, tmp_path: Path, in_process: Callable[..., Path]
) -> None:
    project = demo.clone(tmp_path / "clone")
    root = in_process(project, ENSEMBL_ANNOTATIONS_CACHE=str(tmp_path / "downloads"))
    results = materialize(project=root)
    assert list(results) == ["ensembl_annotations", ANNOTATE.replace("annotate", "annotated_vcf")]
    reference, annotated = results.values()
    assert (reference["status"], annotated["status"]) == ("downloaded", "annotated")
    assert (reference["num_downloaded"], reference["release"]) == (30, 116)
    assert reference["downloaded_bytes"] > 0
    for name in ("fetch_ensembl", "annotate/sample"):
        path = project.path(f"metrics/run/{name}.json")
        path.write_text(json.dumps(project.metrics(f"run/{name}") | {"finished_at": "earlier"}))
    content = {name: project.metrics(name) for name in ("fetch_ensembl", "annotate/sample")}
    for result in materialize(project=root).values():
        assert result["status"] == "cached"
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["finished_at"])
        assert result["duration_sec"] == 0
    assert project.metrics("run/fetch_ensembl")["num_downloaded"] == 0
    assert project.metrics("run/fetch_ensembl")["status"] == "cached"
    assert project.metrics("run/annotate/sample")["status"] == "cached"
    assert content == {name: project.metrics(name) for name in content}


def test_materialize_command_brings_only_what_is_asked_for(project: Project) -> None:
    project.set_param("annotate.level", 6)
    done = project.materialize("ensembl_annotations")
    assert done.ran == []
    assert "annotated_vcf" not in done.output
    done = project.materialize()
    assert done.ran == [ANNOTATE]
    assert "\nensembl_annotations: cached\n" in done.output
    assert "\n  num_variants: 408\n" in done.output
    assert "\nannotated_vcf@sample: annotated\n" in done.output


def test_materialize_removes_what_a_former_sample_left(pair: Project, reproduced: Project) -> None:
    pair.materialize()
    assert pair.path("metrics/run/annotate/other.json").exists()
    params = pair.params()
    del params["samples"]["other"]
    pair.write_params(params)
    done = pair.materialize()
    assert done.ran == []
    assert "Removed what sample 'other' left behind" in done.output
    assert not pair.path("data/annotated/other").exists()
    assert not pair.path("metrics/annotate/other.json").exists()
    assert not pair.path("metrics/run/annotate/other.json").exists()
    assert not pair.path("data/reports/other").exists()
    assert pair.path("dvc.lock").read_bytes() == reproduced.path("dvc.lock").read_bytes()
    assert pair.digests(ANNOTATED) == reproduced.digests(ANNOTATED)
    assert pair.path(OTHER_VCF).exists()


def test_forced_materialize_downloads_again_and_changes_nothing(
    project: Project, in_process: Callable[..., Path]
) -> None:
    before, lock = project.digests(STORE), project.path("dvc.lock").read_bytes()
    results = materialize(["ensembl_annotations"], force=True, project=in_process(project))
    assert list(results) == ["ensembl_annotations"]
    assert results["ensembl_annotations"]["status"] == "downloaded"
    assert results["ensembl_annotations"]["num_downloaded"] == 30
    assert project.digests(STORE) == before
    assert project.path("dvc.lock").read_bytes() == lock
    assert project.changed() == []


def test_unknown_asset_is_a_usage_error(reproduced: Project) -> None:
    with pytest.raises(UsageError, match=r"'annotated' is not an asset.*annotated_vcf"):
        materialize(["annotated"], project=reproduced.root)
    done = reproduced.materialize("annotated", code=2)
    assert "annotated_vcf" in done.output
    assert "Traceback" not in done.output


def test_a_sample_that_can_not_be_used_stops_before_anything_is_downloaded(
    part: Project,
) -> None:
    part.set_param("ensembl.release", 115)
    part.set_param("samples", {"me": {"vcf": "data/vcf/me.vcf"}})
    for content, message in (
        (None, "no such file; expected a VCF"),
        (b"##fileformat=VCFv4.2\n", "#CHROM"),
        (
            b"##fileformat=VCFv4.2\n##contig=<ID=chr22,length=51304566>\n"
            b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
            "the reference is GRCh38, the VCF's header says GRCh37",
        ),
    ):
        if content is not None:
            part.path("data/vcf/me.vcf").write_bytes(content)
        done = part.materialize(code=1)
        assert "Sample me of params.yaml: data/vcf/me.vcf: " in done.output.replace(
            f"{part.root}/", ""
        )
        assert message in done.output
        assert "$ dvc" not in done.output
        assert part.metrics("fetch_ensembl")["release"] == 116
    # Its own business only.
    assert part.materialize("ensembl_annotations").ran[-1] == FETCH


def test_a_sample_may_be_made_by_a_stage_but_be_no_pipe(project: Project) -> None:
    project.set_param("samples.me", {"vcf": "data/made.vcf"})
    stages = project.path("dvc.yaml").read_text("utf-8")
    copied = (
        "  made:\n    cmd: zcat data/vcf/sample.vcf.gz > data/made.vcf\n    outs: [data/made.vcf]\n"
    )
    project.path("dvc.yaml").write_text(stages.replace("stages:\n", f"stages:\n{copied}", 1))
    assert "made" in project.materialize().ran
    # Nor is it somebody else's where it is missing.
    project.path("data/made.vcf").unlink()
    again = project.materialize()
    assert "VCF not here" not in again.output
    assert "annotated_vcf@me: cached" in again.output
    project.path("dvc.yaml").write_text(stages)
    project.path("data/made.vcf").unlink()
    os.mkfifo(project.path("data/made.vcf"))
    assert "is no file" in project.materialize(code=1).output


def test_a_run_that_fails_takes_nothing_away_and_is_logged(project: Project) -> None:
    before = project.digests(ANNOTATED)
    project.set_param("samples", {})
    project.set_param("ensembl.release", 777)
    project.materialize(code=1)
    assert project.digests(ANNOTATED) == before
    assert project.path("metrics/annotate/sample.json").exists()
    *_, last = stage_log(project, "ensembl_manifest")
    assert last["level"] == "error"
    assert "777" in last["message"]
    *_, ran = stage_log(project, "runs")
    assert (ran["asset"], ran["status"]) == ("ensembl_annotations", "failed")


def test_a_sample_s_name_is_explained(project: Project) -> None:
    project.set_param("samples", {"p 01": {"vcf": "data/vcf/sample.vcf.gz"}})
    assert "expected a name of letters, digits, - and _" in project.materialize(code=2).output


@pytest.mark.parametrize(
    "name",
    ["a;touch OWNED", "$(touch OWNED)", "`touch OWNED`", "a|touch OWNED", "a&touch OWNED", "a>OWNED",
     "a\ntouch OWNED", "'a';touch OWNED;'", '"a";touch OWNED;"', "../../src", "../../../outside"],
)  # fmt: skip
def test_a_sample_s_name_is_no_shell_text_for_dvc_either(project: Project, name: str) -> None:
    outside = project.root.parent / "outside" / "mine"
    outside.parent.mkdir()
    outside.touch()
    project.set_param("samples", {name: {"vcf": "data/vcf/sample.vcf.gz"}})
    done = project.dvc("repro", code=255)
    assert "expected a name of letters, digits, - and _" in done.output or "overlap" in done.output
    assert not project.path("OWNED").exists()
    assert outside.exists()
    assert project.path("src/ensembl_annotations").is_dir()


def test_materialize_outside_a_project_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"params\.yaml: no such file"):
        materialize(project=tmp_path)


def test_materialize_works_without_samples(project: Project) -> None:
    project.set_param("samples", {})
    done = project.materialize()
    assert done.ran == []
    assert "ensembl_annotations: cached" in done.output
    assert "annotated_vcf" not in done.output.replace("annotated_vcf.", "")
    assert not project.path(ANNOTATED).exists()
    assert "annotate@" not in project.path("dvc.lock").read_text("utf-8")


def test_fresh_clone_without_samples_gets_the_reference(demo: Project, tmp_path: Path) -> None:
    clone = demo.clone(tmp_path / "clone")
    clone.set_param("samples", {})
    for assets in ([], ["annotated_vcf"]):
        assert "ensembl_annotations: cached\n" in clone.materialize(*assets).output
        assert len(clone.digests(STORE)) == 33
        shutil.rmtree(clone.path(STORE))


def test_conflict_in_the_lock_is_explained(reproduced: Project, tmp_path: Path) -> None:
    clone = reproduced.clone(tmp_path / "clone")
    lock = clone.path("dvc.lock")
    lock.write_text(f"<<<<<<< HEAD\n{lock.read_text('utf-8')}", "utf-8")
    done = clone.materialize(code=2)
    assert done.output.startswith("Error: dvc.lock: not valid YAML")
    assert "ensembl-annotations merge" in done.output


def test_a_lock_can_not_name_what_is_removed(
    project: Project, tmp_path: Path, in_process: Callable[..., Path]
) -> None:
    victims = [tmp_path / "victim", project.path("victim"), project.path("data/annotated")]
    for folder in victims[:2]:
        folder.mkdir()
    root, lock = in_process(project), project.path("dvc.lock")
    text = lock.read_text()
    for sample in (str(victims[0]), "../../victim", "", "a/b"):
        lock.write_text(f"{text}  annotate@{sample}:\n    cmd: x\n")
        with pytest.raises(UsageError, match="is not the stage of a sample") as refused:
            materialize(project=root)
        assert "git checkout dvc.lock" in str(refused.value.hint)
        assert all(folder.is_dir() for folder in victims)


def test_what_is_no_lock_is_explained(project: Project) -> None:
    project.path("dvc.lock").write_text("schema: '2.0'\nstages:\n")
    done = project.materialize("ensembl_annotations", code=1)
    assert "Traceback" not in done.output
    assert "Error: 'dvc repro fetch_ensembl' failed" in done.output
    assert "dvc.lock' validation failed" in done.output
    # Nothing at all is what a kill leaves while DVC writes it.
    for text in ("x\n", "stages: [1]\n", ""):
        project.path("dvc.lock").write_text(text)
        done = project.materialize("ensembl_annotations", code=2)
        assert done.output.startswith("Error: dvc.lock: not a dvc.lock.\n")
        assert "git checkout dvc.lock" in done.output


def test_databases_of_dvc_that_can_not_be_used_are_explained(
    project: Project, tmp_path: Path
) -> None:
    folder = tmp_path / "dvc"
    project.dvc("status", code=None, DVC_SITE_CACHE_DIR=str(folder))
    for database in folder.rglob("*.db"):
        database.write_bytes(b"x" * 8192)
    done = project.materialize(code=1, DVC_SITE_CACHE_DIR=str(folder))
    assert "Traceback" not in done.output
    assert f"Error: {folder}: DVC's notes on this repository can't be used" in done.output
    assert "remove the folder" in done.output


def test_failing_download_loses_nothing(part: Project, tmp_path: Path) -> None:
    before, intact = part.digests(STORE), part.path(CORRUPTED).read_bytes()
    corrupt(part)
    done = part.materialize(
        "--force", code=1, ENSEMBL_ANNOTATIONS_CACHE=str(tmp_path / "downloads")
    )
    assert "homo_sapiens-chr7.vcf.gz: checksum differs" in done.output
    assert "Traceback" not in done.output
    run = part.metrics("run/fetch_ensembl")
    assert run["status"] == "failed"
    assert run["duration_sec"] > 0
    assert not list(part.path("data").glob(".ensembl_annotations*"))
    assert part.digests(STORE) == before
    part.path(CORRUPTED).write_bytes(intact)
    done = part.materialize(ENSEMBL_ANNOTATIONS_CACHE=str(tmp_path / "downloads"))
    assert part.digests(STORE) == before
    assert part.changed() == []
    assert part.metrics("run/fetch_ensembl")["status"] != "failed"


def test_failing_annotation_loses_nothing(pair: Project) -> None:
    vcf = pair.path(OTHER_VCF)
    intact, before = vcf.read_bytes(), pair.digests("data/annotated")
    vcf.write_bytes(intact[: len(intact) // 2])
    done = pair.dvc("repro")
    assert done.ran == [OTHER, OTHER_REPORT]
    assert "other: the gzip data are cut or corrupt" in done.output
    assert "Traceback" not in done.output
    assert pair.metrics("run/annotate/other")["status"] == "failed"
    *_, said, last = stage_log(pair, OTHER)
    assert (said["level"], last["level"]) == ("error", "info")
    assert said["message"].startswith("other: the gzip data are cut")
    assert "1 failed" in last["message"]
    vcf.write_bytes(intact)
    assert pair.materialize().ran == []
    assert pair.digests("data/annotated") == before
    assert pair.changed() == []


def stage_log(project: Project, stage: str) -> list[dict[str, str]]:
    lines = project.path(f"logs/{stage}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_what_stages_say_is_logged_with_levels(project: Project) -> None:
    project.path("logs").rename(project.path("before"))
    done = project.materialize("--force")
    for stage, level in (("fetch_ensembl", "info"), ("annotate@sample", "warning")):
        said = stage_log(project, stage)
        assert said[0]["message"] == "Started."
        assert {line["level"] for line in said} == {"info", level}
        # What was printed is there.
        assert len(said) > 2
        assert all(line["message"] in done.output for line in said[1:])
    assert project.changed() == ["?? before/annotate@sample.jsonl", "?? before/fetch_ensembl.jsonl",
                                 "?? before/runs.jsonl"]  # fmt: skip


def test_failure_reaches_python_as_our_error(
    part: Project, tmp_path: Path, in_process: Callable[..., Path]
) -> None:
    corrupt(part)
    root = in_process(part, ENSEMBL_ANNOTATIONS_CACHE=str(tmp_path / "downloads"))
    with pytest.raises(EnsemblAnnotationsError, match=r"dvc repro.*failed") as caught:
        materialize(["ensembl_annotations"], force=True, project=root)
    assert caught.value.exit_code == 1


# Wrong parameters


WRONG_PARAMETERS = [
    ("ensembl.relese", 116, "ensembl.relese: no such parameter. Did you mean 'release'?"),
    ("annotate.levels", 1, "annotate.levels: no such parameter. Did you mean 'level'?"),
    ("memory_mb", 1, "memory_mb: no such parameter."),
    ("ensembl.source", "mimi", "Did you mean 'mini'?"),
    ("ensembl.release", "116", "ensembl.release: "),
    ("samples.../me", {"vcf": "me.vcf"}, "samples."),
]


def test_wrong_parameter_is_explained(
    project: Project, in_process: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    root, text = in_process(project), project.path("params.yaml").read_text("utf-8")
    for name, value, message in WRONG_PARAMETERS:
        project.path("params.yaml").write_text(text, "utf-8")
        content = project.params()
        folder, _, last = name.partition(".")
        (content[folder] if last else content)[last or folder] = value
        project.write_params(content)
        with pytest.raises(UsageError, match=re.escape(message)):
            materialize(project=root)
        assert "Running stage" not in capfd.readouterr().out


def test_renamed_parameter_is_explained(project: Project) -> None:
    content = project.params()
    content["ensembl"]["relese"] = content["ensembl"].pop("release")
    project.write_params(content)
    done = project.materialize(code=2)
    assert "ensembl.relese: no such parameter. Did you mean 'release'?" in done.output
    assert "ensembl.release: missing" in done.output
    assert "Traceback" not in done.output
    done = project.dvc("repro", code=None)
    assert done.code > 0
    assert "ensembl.release" in done.output
    assert "Traceback" not in done.output


def test_stage_explains_a_wrong_parameter(project: Project) -> None:
    before = project.digests("data")
    project.set_param("ensembl.relese", 116)
    done = project.dvc("repro", code=255)
    assert done.ran == [MANIFEST]
    assert "ensembl.relese: no such parameter. Did you mean 'release'?" in done.output
    assert "exited with 2" in done.output
    assert "Traceback" not in done.output
    project.write_params({**project.params(), **DEMO})
    assert project.repro() == []
    assert project.digests("data") == before


# DVC's own views


def test_metrics_show_has_the_headline_only(reproduced: Project) -> None:
    shown = reproduced.dvc("metrics", "show", "--json").json()[""]["data"]
    assert set(shown) == {"metrics/fetch_ensembl.json", "metrics/annotate/sample.json"}
    assert shown["metrics/annotate/sample.json"]["data"]["num_records"] == 171
    assert shown["metrics/fetch_ensembl.json"]["data"]["num_variants"] == 408
    for path, about in shown.items():
        figures = reproduced.metrics(path.removeprefix("metrics/").removesuffix(".json"))
        assert about["data"].items() < figures.items()
    # With one sample, the name of a figure is the name of its column.
    columns = reproduced.dvc("exp", "show", "--csv").output.partition("\n")[0].split(",")
    assert {"num_variants", "annotated_percent"} < set(columns)
    assert not [name for name in columns if name.startswith("metrics/")]


def test_metrics_show_fits_140_columns(project: Project) -> None:
    """Three samples, and counts as large as those of all published variants."""
    for name in ("p02", "person-2026-000123-tumor"):
        project.set_param(f"samples.{name}", {"vcf": "data/vcf/none.vcf.gz"})
        shutil.copy(
            project.path("metrics/annotate/sample.json"),
            project.path(f"metrics/annotate/{name}.json"),
        )
    for path in project.path("metrics").glob("**/*.json"):
        content = json.loads(path.read_text())
        counts = {name: 1_234_567_890 for name in content if name.startswith("num_")}
        path.write_text(json.dumps(content | counts))
    lines = project.dvc("metrics", "show").output.splitlines()
    assert len(lines) == 1 + 1 + 3
    assert max(map(len, lines)) <= 140


def test_metrics_diff_shows_changes_only(earlier_pair: tuple[Project, Done]) -> None:
    project = earlier_pair[0]
    assert project.dvc("metrics", "diff").output == ""
    changes = project.dvc("metrics", "diff", "HEAD~1", "HEAD").output.splitlines()[1:]
    rows = [line.split() for line in changes]
    names = ("other", "sample")
    assert {path for path, *_ in rows} == {
        "metrics/fetch_ensembl.json",
        *(f"metrics/annotate/{name}.json" for name in names),
    }
    assert all(before != after for *_, before, after, _ in rows)
    assert ["metrics/fetch_ensembl.json", "release", "116", "115", "-1"] in rows


def test_metrics_show_works_in_a_fresh_clone(demo: Project, tmp_path: Path) -> None:
    clone = demo.clone(tmp_path / "clone")
    assert "num_variants" in clone.dvc("metrics", "show").output


def test_dag_shows_the_lineage(reproduced: Project) -> None:
    lines = reproduced.dvc("dag", "--dot").output.replace('"', "").splitlines()
    lineage = [MANIFEST, FETCH, ANNOTATE, REPORT]
    assert {f"{one} -> {next_};" for one, next_ in pairwise(lineage)} <= set(lines)


def test_params_diff_shows_the_change(project: Project) -> None:
    project.set_param("ensembl.release", 115)
    shown = project.dvc("params", "diff", "--json").json()
    assert shown["params.yaml"] == {"ensembl.release": {"old": 116, "new": 115, "diff": -1}}


# What the results say, and what they are the same for


def texts(project: Project) -> Iterator[tuple[str, bytes]]:
    """Yield the content of every result that is kept, uncompressed."""
    roots = [project.path(name) for name in (STORE, "data/annotated", "data/reports")]
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix == ".parquet":
                table = pq.read_table(path)
                yield str(path), repr(table.to_pydict()).encode()
                yield str(path), repr(table.schema.metadata).encode()
            if path.is_file():
                yield str(path), unpacked(path.read_bytes())
    for path in [project.path("dvc.lock"), *project.path("metrics").rglob("*.json")]:
        if "run" not in path.relative_to(project.root).parts:
            yield str(path), path.read_bytes()


def test_results_do_not_name_folders_of_this_machine(reproduced: Project) -> None:
    folders = {
        str(reproduced.root.parent),
        str(REPO),
        reproduced.environment["HOME"],
        reproduced.environment["ENSEMBL_ANNOTATIONS_CACHE"],
    }
    contents = list(texts(reproduced))
    assert len(contents) == 33 + 27 * 2 + 4 + 2 + 4 + 1 + 2
    for name, content in contents:
        found = [folder for folder in folders if folder.encode() in content]
        assert not found, name


def test_other_mirror_gives_the_same_bytes(project: Project, tmp_path: Path) -> None:
    before = project.digests("data/ensembl_annotations")
    mirror = tmp_path / "a mirror"
    shutil.move(project.path(MIRROR), mirror)
    project.set_param("run.sources.mini", {"copy": str(mirror)})
    downloads = {"ENSEMBL_ANNOTATIONS_CACHE": str(tmp_path / "downloads")}
    ran = project.repro("--force", "--single-item", FETCH, **downloads)
    assert ran == [FETCH]
    assert project.metrics("run/fetch_ensembl")["num_downloaded"] == 30
    assert project.digests(STORE) == before


def test_forced_run_with_one_thread_gives_the_same_bytes(project: Project) -> None:
    before = project.digests("data")
    done = project.materialize("--force", POLARS_MAX_THREADS="1", OMP_NUM_THREADS="1")
    assert done.ran == [FETCH, ANNOTATE]
    assert project.digests("data") == before
    assert project.changed() == []


# The walks of docs/architecture.md


def of_project(modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith("project/")}


def test_the_walks_are_what_runs_in_a_project(
    earlier_pair: tuple[Project, Done],
    tmp_path: Path,
    in_process: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = earlier_pair[0].copy(tmp_path / "earlier")
    monkeypatch.chdir(in_process(project))

    def run_stages(*stages: str) -> set[str]:
        with noted_modules() as ran:
            for stage in stages:
                monkeypatch.setenv("DVC_STAGE", stage)
                runpy.run_path(f"scripts/{stage.partition('@')[0]}.py")
        return ran

    # Whether the library is of these sources is looked at once, by whoever is first.
    crc32(b"")
    annotated = run_stages(ANNOTATE, REPORT)
    assert of_rooms(annotated) == of_rooms(walk("A VCF")[0])
    later = project.git("rev-parse", "HEAD").strip()
    project.git("checkout", "--quiet", "HEAD~1", "--force")
    monkeypatch.delenv("DVC_STAGE")
    with noted_modules() as ran:
        materialize()
        compare_stores("HEAD", later)
        compare_stores("HEAD", later, sample="sample")
    # That one is another process.
    program = "project/dvc_program.py"
    assert of_rooms(ran, "_kernel/") | {program} == of_rooms(walk("A revision")[0])
    project.set_param("ensembl.chromosomes", "22")
    fetched = run_stages(MANIFEST, FETCH)
    assert of_project(fetched) == of_project(walk("A release")[0])
