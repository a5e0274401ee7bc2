"""What `make` does for a team: nothing is removed for a mistake, and others' samples are left to them."""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

import pytest

from ensembl_annotations.project import project as opened
from ensembl_annotations.project.dvc import Dvc
from ensembl_annotations.project.privacy import refuse_pushed_results
from ensembl_annotations.project.remote import SharedReference
from tests.integration.helpers import SAMPLE_VCF, STORE, Done, Project, digests

MANIFEST, FETCH = "ensembl_manifest", "fetch_ensembl"
ANNOTATE, REPORT = "annotate@sample", "report@sample"
OTHER, OTHER_REPORT = "annotate@other", "report@other"
OTHER_VCF = "data/vcf/other.vcf.gz"
HINTS = ("To track the changes", "autostage", "dvc push")


def everything(project: Project) -> dict[str, dict[str, str]]:
    """Return the digests of all that the pipeline made, but for what a run did."""
    made = {name: project.digests(name) for name in (STORE, "data/annotated", "data/reports")}
    figures = project.digests("metrics")
    return {**made, "metrics": {path: figures[path] for path in figures if path[:4] != "run/"}}


def stages(project: Project) -> dict[str, str]:
    """Return the text of each stage's entry in dvc.lock."""
    parts = re.split(r"(?m)^  (\S+):\n", project.path("dvc.lock").read_text("utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def cut(content: bytes) -> bytes:
    """Return a VCF whose header is whole, and whose last record is not."""
    return gzip.compress(gzip.decompress(content) + b"chr22\t5000", mtime=0)


# Nothing is removed for a mistake


@pytest.mark.parametrize("command", ["materialize", "force", "repro"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("chromosomes", "chr77", "ensembl.chromosomes: chr77: not among the available chromosomes"),
        (
            "fasta",
            False,
            "ensembl.genes: needs the sequence: expected fasta: true, or genes: false",
        ),
        ("max_bad_percent", "1 %", "ensembl.max_bad_percent: expected a number, found '1 %'"),
    ],
)
def test_the_reference_stays_where_another_can_not_be_made(
    project: Project, command: str, name: str, value: object, message: str
) -> None:
    before = everything(project)
    project.set_param(f"ensembl.{name}", value)
    if command == "repro":
        done = project.dvc("repro", code=255)
        assert done.ran == [MANIFEST]
    else:
        done = project.materialize(*(["--force"] if command == "force" else []), code=None)
        assert done.code in (1, 2)
        assert "$ dvc" not in done.output
    assert re.search(rf"params\.yaml: line \d+: {re.escape(message)}", done.output)
    assert "Traceback" not in done.output
    assert everything(project) == before
    assert project.changed() == [" M params.yaml"]


def test_a_release_that_is_not_published_takes_nothing_away(project: Project) -> None:
    before = everything(project)
    project.set_param("ensembl.release", 777)
    for arguments in ([], ["--force", "ensembl_annotations"]):
        done = project.materialize(*arguments, code=1)
        assert done.ran == [MANIFEST]
        assert everything(project) == before


def test_all_samples_that_can_not_be_used_are_named_at_once(project: Project) -> None:
    for name in ("a", "b", "c"):
        project.set_param(f"samples.{name}", {"vcf": f"data/vcf/{name}.vcf"})
    project.path("data/vcf/b.vcf").write_bytes(b"##fileformat=VCFv4.2\n")
    done = project.materialize(code=1)
    for name, what in (("a", "no such file"), ("b", ".*#CHROM"), ("c", "no such file")):
        assert re.search(f"Sample {name} of params.yaml: data/vcf/{name}.vcf: {what}", done.output)
    assert "Without these samples: " in done.output
    assert "$ dvc" not in done.output


def test_what_a_failing_stage_made_before_is_put_back(pair: Project) -> None:
    before = everything(pair)
    pair.path("data/mini_ensembl/release-116/variation/vcf/homo_sapiens").rename(pair.path("away"))
    downloads = {"ENSEMBL_ANNOTATIONS_CACHE": str(pair.path("no-downloads"))}
    failed = pair.materialize("--force", "ensembl_annotations", code=1, **downloads)
    assert failed.ran[-1] == FETCH
    assert "Put back as it was before: data/ensembl_annotations\n" in failed.output
    assert everything(pair) == before
    pair.path("away").rename(pair.path("data/mini_ensembl/release-116/variation/vcf/homo_sapiens"))
    # What passes is no result of a sample either: here, a program that another one ends.
    pair.path("scripts/annotate.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    pair.set_param("annotate.level", 2)
    killed = pair.materialize(code=1)
    assert sorted(killed.ran) == [OTHER, ANNOTATE]
    assert "Put back as it was before: data/annotated/" in killed.output
    assert everything(pair) == before


def test_a_vcf_that_can_not_be_used_is_a_result_and_stops_no_other(pair: Project) -> None:
    before, vcf = everything(pair), pair.path(OTHER_VCF)
    intact = vcf.read_bytes()
    vcf.write_bytes(cut(intact))
    cut_line = gzip.decompress(intact).count(b"\n") + 1
    pair.set_param("annotate.level", 2)
    done = pair.materialize(code=1)
    assert sorted(done.ran) == [OTHER, ANNOTATE, OTHER_REPORT]
    last = f"Error: 1 annotated, 1 failed: other (line {cut_line}: expected 10 columns"
    assert last in done.output
    assert sorted(pair.digests("data/annotated/other")) == ["failures.tsv", "tally.json"]
    (_, row) = pair.path("data/annotated/other/failures.tsv").read_text("utf-8").splitlines()
    assert row.startswith(
        f"other\t{cut_line}\texpected 10 columns as in the #CHROM line, found 2.\tCorrect"
    )
    figures = pair.metrics("annotate/other")
    assert (figures["num_failed"], figures["num_records"], figures["release"]) == (1, 0, 116)
    assert "can't be used" in pair.path("data/reports/other/summary.html").read_text("utf-8")
    # Nothing is tried again, and it is still said.
    again = pair.materialize(code=1)
    assert (again.ran, last in again.output) == ([], True)
    # What was made before comes back.
    vcf.write_bytes(intact)
    pair.set_param("annotate.level", 1)
    assert pair.materialize().ran == []
    assert everything(pair) == before
    assert pair.changed() == []


def test_what_a_failing_stage_never_made_is_not_looked_for(demo: Project, tmp_path: Path) -> None:
    clone = demo.clone(tmp_path / "clone")
    clone.path("data/mini_ensembl/release-116").rename(clone.path("away"))
    downloads = {"ENSEMBL_ANNOTATIONS_CACHE": str(tmp_path / "no-downloads")}
    done = clone.materialize(code=1, **downloads)
    assert done.ran[-1] == FETCH
    assert "Put back" not in done.output
    assert clone.path("metrics/fetch_ensembl.json").exists()


def test_a_vcf_that_changes_before_dvc_takes_its_digest(project: Project) -> None:
    """It has been read to its end, and is another when ``dvc.lock`` is written."""
    vcf, other = project.path(SAMPLE_VCF), project.path("data/vcf/later.vcf.gz")
    text = gzip.decompress(vcf.read_bytes())
    other.write_bytes(gzip.compress(text.replace(b"\nchr2\t", b"\nchr3\t"), mtime=0))
    project.set_param("annotate.level", 2)
    with project.path("scripts/annotate.py").open("a") as script:
        script.write(
            f'\nfrom pathlib import Path\nif Path("{other}").exists():\n    Path("{other}").replace("{vcf}")\n'
        )
    done = project.materialize(code=1)
    assert done.ran[0] == "annotate@sample"
    assert f"{SAMPLE_VCF}: changed while the pipeline ran" in done.output
    assert "annotate@sample" not in stages(project)
    # Nor does DVC restore it.
    assert project.repro("annotate@sample") == ["annotate@sample"]


def test_nothing_is_written_behind_a_link(project: Project, tmp_path: Path) -> None:
    for name in ("data/annotated", "logs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        project.path(name).rename(tmp_path / name)
        project.path(name).symlink_to(tmp_path / name)
    before = digests(tmp_path / "data"), digests(tmp_path / "logs")
    project.set_param("annotate.level", 2)
    done = project.materialize(code=1)
    assert "data/annotated -> " in done.output
    assert (digests(tmp_path / "data"), digests(tmp_path / "logs")) == before
    done = project.dvc("repro", "annotate@sample", code=255)
    assert "data/annotated -> " in done.output
    # DVC has removed what it has a copy of; the stage has written nothing.
    assert (digests(tmp_path / "data"), digests(tmp_path / "logs")) == ({}, before[1])


# A VCF that is not on this machine is somebody else's


def review(project: Project, base: str, code: int = 0) -> str:
    return project.tool("review", base, code=code).output.partition("###")[0]


def told(done: Done) -> list[str]:
    return [line for line in done.output.splitlines() if "VCF not here" in line]


@pytest.mark.parametrize("assets", [[], ["annotated_vcf"]])
def test_samples_of_others_are_left_to_them(pair: Project, assets: list[str]) -> None:
    pair.path(OTHER_VCF).unlink()
    unchanged = pair.materialize(*assets)
    assert (unchanged.ran, told(unchanged)) == ([], [])
    assert pair.changed() == []
    before, locked = everything(pair), stages(pair)
    pair.set_param("annotate.level", 2)
    done = pair.materialize(*assets)
    assert done.ran == [ANNOTATE]
    assert told(done) == ["stale, VCF not here: other"]
    assert "annotated_vcf@sample: annotated" in done.output
    assert "annotated_vcf@other" not in done.output
    after = everything(pair)
    theirs = lambda made: {  # noqa: E731
        path: digest for part in made.values() for path, digest in part.items() if "other" in path
    }
    assert theirs(after) == theirs(before)
    assert len(theirs(after)) == 9
    changed = {name for name, entry in stages(pair).items() if entry != locked[name]}
    assert changed == {ANNOTATE}
    pair.commit()
    said = review(pair, "HEAD~1")
    assert "`dvc.lock` is current.\n\nNote: stale, VCF not here: other." in said


def test_a_sample_of_others_that_is_asked_for_is_an_error(pair: Project) -> None:
    pair.path(OTHER_VCF).unlink()
    done = pair.materialize("annotated_vcf@sample", "annotated_vcf@other", code=1)
    assert f"Sample other of params.yaml: {OTHER_VCF}: no such file; expected a VCF." in done.output
    assert "$ dvc" not in done.output


def test_a_clone_without_any_vcf_gets_the_reference(pair: Project, tmp_path: Path) -> None:
    pair.set_param("samples", {"other": {"vcf": OTHER_VCF}})
    pair.materialize()
    pair.commit()
    clone = pair.clone(tmp_path / "clone")
    locked = stages(clone)
    done = clone.materialize()
    assert done.ran[-1] == FETCH
    assert told(done) == []
    assert stages(clone) == locked
    assert len(clone.digests(STORE)) == 33
    assert clone.changed() == []
    # DVC alone, where nothing else has changed.
    assert clone.dvc("repro", "--allow-missing").ran == []
    assert review(clone, "HEAD").endswith("`dvc.lock` is current.\n\n")


def test_a_vcf_outside_of_the_repository_is_somebody_s_too(
    project: Project, tmp_path: Path
) -> None:
    vcf = tmp_path / "vcfs" / "other.vcf.gz"
    vcf.parent.mkdir()
    vcf.write_bytes(project.path("data/vcf/sample.vcf.gz").read_bytes())
    project.set_param("samples.other", {"vcf": str(vcf)})
    project.materialize()
    project.commit()
    vcf.unlink()
    assert told(project.materialize()) == []
    assert "`dvc.lock` is current.\n\n" in review(project, "HEAD")
    # Another path is of nobody: it is a mistake of who wrote it.
    project.set_param("samples.other", {"vcf": f"{vcf}.typo"})
    assert "Sample other of params.yaml" in project.materialize(code=1).output


# What is left to do, and to keep


def test_make_says_what_to_commit(part: Project) -> None:
    nothing = part.materialize()
    assert "git add" not in nothing.output
    part.set_param("ensembl.release", 115)
    done = part.materialize()
    assert not [hint for hint in HINTS if hint in done.output]
    command = done.output.splitlines()[-1].strip()
    assert command.startswith("git add -- ")
    part.run(*command.split())
    staged = part.git("diff", "--cached", "--name-only").splitlines()
    assert (
        staged
        == [
            "dvc.lock",
            "metrics/annotate/sample.json",
            "metrics/fetch_ensembl.json",
            "params.yaml",
        ]
        or "data/manifests/mini-homo_sapiens-GRCh38-115.json" in staged
    )
    assert [line for line in part.changed() if line[1] != " "] == []
    # What is gone has to be committed, too.
    part.commit()
    part.set_param("samples", {})
    last = part.materialize().output.splitlines()[-1]
    assert last == "  git add -- dvc.lock metrics/annotate/sample.json params.yaml"
    part.run(*last.split())


def test_figures_of_runs_go_with_their_sample(project: Project) -> None:
    project.set_param("samples.bad", {"vcf": "data/vcf/bad.vcf.gz"})
    whole = project.path("data/vcf/sample.vcf.gz").read_bytes()
    project.path("data/vcf/bad.vcf.gz").write_bytes(cut(whole))
    project.materialize(code=1)
    run, log = (
        project.path("metrics/run/annotate/bad.json"),
        project.path("logs/annotate@bad.jsonl"),
    )
    assert json.loads(run.read_bytes())["status"] == "failed"
    assert log.exists()
    content = project.params()
    del content["samples"]["bad"]
    project.write_params(content)
    assert "data/annotated/bad" not in project.materialize().output
    assert not run.exists()
    assert not log.exists()
    assert project.path("metrics/run/annotate/sample.json").exists()


def test_what_looks_at_dvc_s_files_resolves_them_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than all else of a run that has nothing to do."""
    opens, times = Dvc.opened, []
    monkeypatch.setattr(Dvc, "opened", lambda dvc: times.append(1) or opens(dvc))
    here = opened.Project.open(project.root).resolved()
    refuse_pushed_results(here)
    assert SharedReference(here).is_here
    with here.dvc.kept_outputs():
        pass
    assert here.dvc.missing_from_cache() == []
    assert len(times) == 1


def test_a_run_with_nothing_to_do_imports_little(project: Project) -> None:
    """A tenth of its time each: what makes DVC's graph of stages, asks mirrors, or reads the index."""
    project.materialize()
    code = (
        "import sys\nfrom ensembl_annotations.cli import main\n"
        "main(['materialize'], standalone_mode=False)\n"
        "print('loaded', [name for name in sys.argv[1:] if name in sys.modules])\n"
    )
    done = project.with_real_programs().run(
        sys.executable,
        "-c",
        code,
        "networkx",
        "requests",
        "ensembl_annotations.store.index",
        PYTHONPATH="src",
    )
    assert done.ran == []
    assert "loaded []" in done.output
