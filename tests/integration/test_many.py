"""An entry of many VCFs: a folder or a sheet is one stage, and each sample is made when it has to be, and once."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pysam.bcftools
import pytest

from ensembl_annotations import annotate_vcf
from tests.integration.helpers import SAMPLE_VCF, STORE, Project

COHORT = "data/vcf/cohort"
OUT = "data/annotated/cohort"
ANNOTATE, REPORT = "annotate@cohort", "report@cohort"
RESULTS = ["annotated.parquet", "annotated.vcf.gz", "annotated.vcf.gz.tbi", "tally.json"]
BAD = b"chr22\tx\t.\tA\tG\t.\t.\t.\tGT\t0/1\n"


def vcf_text(project: Project, skipped: int, *more: bytes) -> bytes:
    """Return the example without one of its records, so that each file is another."""
    lines = gzip.decompress(project.path(SAMPLE_VCF).read_bytes()).splitlines(keepends=True)
    header = [line for line in lines if line.startswith(b"#")]
    records = lines[len(header) :]
    return b"".join([*header, *records[:skipped], *records[skipped + 1 :], *more])


def write_vcf(project: Project, path: str, skipped: int, *more: bytes) -> int:
    """Write that as a VCF, and return the number of its last line."""
    target, text = project.path(path), vcf_text(project, skipped, *more)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text, mtime=0))
    return text.count(b"\n")


def times(project: Project, *samples: str) -> dict[str, int]:
    """Return when each result was written: one that is only put back keeps its time."""
    return {
        f"{sample}/{name}": project.path(f"{OUT}/{sample}/{name}").stat().st_mtime_ns
        for sample in samples
        for name in RESULTS
    }


def receipt(project: Project, sample: str) -> Any:
    return json.loads(project.path(f"{OUT}/{sample}/receipt.json").read_bytes())


def folders(project: Project) -> list[str]:
    return sorted(path.name for path in project.path(OUT).iterdir())


@pytest.fixture
def cohort(project: Project) -> Project:
    """A project whose only entry is a folder of three VCFs, not annotated yet."""
    for number, name in enumerate(("a", "b", "c")):
        write_vcf(project, f"{COHORT}/{name}.vcf.gz", number)
    project.set_param("samples", {"cohort": {"vcf": COHORT}})
    return project


def test_a_folder_is_one_stage_and_only_what_changes_is_made_again(cohort: Project) -> None:
    # An index, a text, a BCF, and a VCF that can't be used.
    cohort.path(f"{COHORT}/a.vcf.gz.csi").write_bytes(b"an index")
    cohort.path(f"{COHORT}/notes.txt").write_text("not a VCF")
    plain = cohort.path("data/vcf/plain.vcf")
    plain.write_bytes(vcf_text(cohort, 3))
    bcf = str(cohort.path(f"{COHORT}/d.bcf"))
    pysam.bcftools.view("-Ob", "-o", bcf, str(plain), catch_stdout=False)
    bad_line = write_vcf(cohort, f"{COHORT}/e.vcf.gz", 4, BAD)
    done = cohort.dvc("repro", ANNOTATE, "report@cohort")
    assert done.ran == [ANNOTATE, REPORT]
    assert "the name is not that of a VCF (.vcf.gz, .vcf.bgz, .vcf, .bcf): notes.txt" in done.output
    assert folders(cohort) == ["a", "b", "c", "d", "e", "failures.tsv", "tally.json"]
    for sample in "abcd":
        assert sorted(cohort.digests(f"{OUT}/{sample}")) == [
            *RESULTS[:3],
            "receipt.json",
            "tally.json",
        ]
    assert sorted(cohort.digests(f"{OUT}/e")) == ["receipt.json"]
    failed = receipt(cohort, "e")["failure"]
    assert (failed["line"], failed["message"][:30]) == (bad_line, "POS: expected a whole number u")
    figures = cohort.metrics("annotate/cohort")
    assert (figures["num_samples"], figures["num_failed"]) == (5, 1)
    # As if each had been annotated alone, from its own figures to the sum of all.
    alone = cohort.path("data/alone")
    numbers = []
    for sample in "abc":
        vcf, folder = cohort.path(f"{COHORT}/{sample}.vcf.gz"), alone / sample
        numbers.append(
            annotate_vcf(
                vcf,
                cohort.path(STORE),
                out_vcf=folder / RESULTS[1],
                out_parquet=folder / RESULTS[0],
                tally=folder / RESULTS[3],
            )
        )
        expected = cohort.digests(f"data/alone/{sample}")
        found = cohort.digests(f"{OUT}/{sample}")
        assert {name: found[name] for name in RESULTS[:3]} == {
            name: expected[name] for name in RESULTS[:3]
        }
    whole = json.loads(cohort.path(f"{OUT}/tally.json").read_bytes())
    assert [row["sample"] for row in whole["samples"]] == ["a", "b", "c", "d"]
    assert figures["num_exact"] == sum(row["num_exact"] for row in whole["samples"])
    assert [row["num_exact"] for row in whole["samples"][:3]] == [
        found["num_exact"] for found in numbers
    ]
    shutil.rmtree(alone)
    # The page has all of them; what git gets has no name of theirs.
    page = cohort.path("data/reports/cohort/summary.html").read_text("utf-8")
    assert all(f">{sample}<" in page for sample in "abcde")
    rows = json.loads(cohort.path("data/reports/cohort/cohort_mqc.json").read_bytes())["data"]
    assert [*rows] == ["a", "b", "c", "d"]
    for name in ("dvc.lock", "metrics/annotate/cohort.json"):
        assert "/a" not in cohort.path(name).read_text("utf-8").replace("data/a", "").replace(
            "metrics/a", ""
        ).replace("scripts/a", "")
    # Nothing to do; then one more, one changed, one gone, one mended.
    assert cohort.repro(ANNOTATE) == []
    before = times(cohort, "a", "c", "d")
    write_vcf(cohort, f"{COHORT}/f.vcf.gz", 5)
    write_vcf(cohort, f"{COHORT}/e.vcf.gz", 4)
    changed = times(cohort, "b")
    write_vcf(cohort, f"{COHORT}/b.vcf.gz", 7)
    cohort.path(f"{COHORT}/a.vcf.gz").unlink()
    done = cohort.dvc("repro", ANNOTATE)
    assert "2 of 5 samples are unchanged" in done.output
    assert folders(cohort) == ["b", "c", "d", "e", "f", "tally.json"]
    assert {name: time for name, time in before.items() if name[0] != "a"} == times(
        cohort, "c", "d"
    )
    assert changed.items().isdisjoint(times(cohort, "b").items())
    assert cohort.metrics("annotate/cohort")["num_failed"] == 0


def test_make_says_what_failed_and_what_there_is_comes_back(cohort: Project) -> None:
    cohort.materialize()
    cohort.commit()
    first, old = cohort.digests("data/annotated"), times(cohort, "a", "b", "c")
    said = f"line {write_vcf(cohort, f'{COHORT}/b.vcf.gz', 1, BAD)}: POS: expected a whole number"
    for _ in range(2):
        done = cohort.materialize(code=1)
        assert f"Error: 2 annotated, 1 failed: cohort/b ({said}" in done.output
        assert f"All are in {OUT}/failures.tsv." in done.output
    assert done.ran == []
    assert len(done.output.splitlines()) <= 40
    page = cohort.path("catalog.html").read_text("utf-8")
    assert '<summary>3 samples, <strong class="warn">1 failed</strong></summary>' in page
    assert said in page
    cohort.commit()
    # An entry is a line of the history, whatever it holds; a sample's file is known as its own.
    lines = cohort.tool("history", "annotated_vcf@cohort").output.splitlines()
    assert len([line for line in lines if line.startswith("annotated_vcf@cohort ")]) == 2
    traced = cohort.tool("provenance", "--verify", f"{OUT}/a/annotated.vcf.gz").output
    assert "Verified: all of it." in traced
    assert "annotated_vcf@cohort of " in traced
    # Another parameter, and back; then the former VCF: all that was made is there.
    cohort.set_param("annotate.level", 2)
    cohort.materialize(code=1)
    write_vcf(cohort, f"{COHORT}/b.vcf.gz", 1)
    cohort.set_param("annotate.level", 1)
    assert cohort.materialize().ran == []
    assert cohort.digests("data/annotated") == first
    # By git, too; without what DVC notes of runs, by the notes on samples.
    shutil.rmtree(cohort.path(".dvc/cache/runs"))
    write_vcf(cohort, f"{COHORT}/d.vcf.gz", 9)
    cohort.materialize()
    cohort.path(f"{COHORT}/d.vcf.gz").unlink()
    shutil.rmtree(cohort.path(".dvc/cache/runs"))
    done = cohort.materialize()
    assert "3 of 3 samples are unchanged" in done.output
    assert cohort.digests("data/annotated") == first
    assert times(cohort, "a", "b", "c") == old
    # An object of DVC's cache that is altered is no result: it is made again.
    kept = cohort.path(f"{OUT}/a/annotated.vcf.gz").resolve()
    kept.chmod(0o644)
    kept.write_bytes(b"altered")
    shutil.rmtree(cohort.path(".dvc/cache/runs"))
    cohort.materialize()
    assert cohort.digests("data/annotated") == first
    # An entry that is gone leaves nothing.
    cohort.set_param("samples", {})
    cohort.materialize()
    assert not cohort.path(OUT).exists()
    assert not cohort.path("data/reports/cohort").exists()


def test_a_sheet_is_checked_by_receipts(cohort: Project, tmp_path: Path) -> None:
    sheet = tmp_path / "cohort" / "sheet.csv"
    sheet.parent.mkdir()
    cohort.path(COHORT).rename(sheet.parent / "vcfs")
    sheet.write_text(
        "\ufeffsample,sex,vcf\none,f,vcfs/a.vcf.gz\n"
        f"two,m,{sheet.parent}/vcfs/b.vcf.gz\nthree,,./vcfs/c.vcf.gz\n"
    )
    cohort.set_param("samples", {"cohort": {"vcf": str(sheet)}})
    cohort.materialize()
    assert folders(cohort) == ["one", "tally.json", "three", "two"]
    assert cohort.materialize().ran == []
    # A VCF that changes: DVC sees the sheet, `make` what is in it.
    cohort.commit()
    before = times(cohort, "one", "two", "three")
    text = gzip.decompress((sheet.parent / "vcfs/b.vcf.gz").read_bytes())
    (sheet.parent / "vcfs/b.vcf.gz").write_bytes(gzip.compress(text + BAD))
    assert cohort.repro() == []
    done = cohort.materialize(code=1)
    assert done.ran == [ANNOTATE, REPORT]
    assert "VCFs of sheets have changed" in done.output
    bad_line = (text + BAD).count(b"\n")
    assert f"2 annotated, 1 failed: cohort/two (line {bad_line}: POS" in done.output
    assert times(cohort, "one").items() <= before.items()
    # The same file under the same name is the same result, wherever it lies.
    (sheet.parent / "vcfs/b.vcf.gz").write_bytes(gzip.compress(text))
    (sheet.parent / "vcfs").rename(sheet.parent / "moved")
    sheet.write_text(sheet.read_text("utf-8-sig").replace("vcfs/", "moved/"))
    cohort.materialize()
    assert times(cohort, "one", "three").items() <= before.items()
    for name in ("dvc.lock", "metrics/annotate/cohort.json"):
        assert not [
            word for word in ("one", "two", "three") if word in cohort.path(name).read_text()
        ]
    # All that is wrong with it, at once, and before anything is removed.
    there = cohort.digests("data/annotated")
    sheet.write_text(
        "sample,vcf\none,moved/a.vcf.gz\nONE,moved/b.vcf.gz\nthree,nothing.vcf\n"
        "fo ur,moved/c.vcf.gz\n,moved/c.vcf.gz\nfive,moved/c.vcf.gz,x\nsix,moved/a.vcf.gz\n"
    )
    done = cohort.materialize(code=2)
    for problem in (
        "line 3: sample ONE is line 2 too, as one",
        "nothing.vcf: no such file; expected a VCF",
        "line 5: expected a sample's name of letters, digits, - and _, a letter or digit first, 200 at most; found 'fo ur'",
        "line 6: expected sample,vcf; found no sample",
        "line 7: expected sample,vcf; found more values than columns",
        "moved/a.vcf.gz is the VCF of line 2 too",
    ):
        assert problem in done.output
    assert "$ dvc" not in done.output
    assert cohort.digests("data/annotated") == there
    # Names of people's samples are not for git.
    shutil.copytree(sheet.parent / "moved", cohort.path("data/vcf/moved"))
    cohort.path("sheet.csv").write_text("sample,vcf\none,data/vcf/moved/a.vcf.gz\n")
    cohort.set_param("samples", {"cohort": {"vcf": "sheet.csv"}})
    assert cohort.materialize().output.count("git does not ignore this sheet") == 1
    cohort.git("add", "sheet.csv")
    assert "sheet.csv: git has this sheet" in cohort.materialize(code=2).output
    again = ("--force", "--single-item", ANNOTATE)
    assert "git has this sheet" in cohort.dvc("repro", *again, code=None).output


# --- Faults of the machine


def notes(project: Project) -> list[Path]:
    return sorted(project.path(".dvc/cache/ensembl-annotations").rglob("*.json"))


def test_a_note_that_was_edited_makes_no_result_of_another_sample(cohort: Project) -> None:
    cohort.materialize()
    before, figures = cohort.digests(OUT), cohort.path("metrics/annotate/cohort.json").read_bytes()
    first, second, third = notes(cohort)
    # One sample's files, and figures that nobody counted.
    shutil.copy(first, second)
    edited = json.loads(third.read_bytes())
    edited["figures"]["num_records"] += 7
    third.write_text(json.dumps(edited))
    done = cohort.dvc("repro", "--force", "--single-item", ANNOTATE)
    assert "2 of 3 samples are unchanged" in done.output
    assert cohort.path("metrics/annotate/cohort.json").read_bytes() == figures
    assert cohort.digests(OUT) == before


@pytest.fixture
def big(cohort: Project) -> Project:
    """The same, with a VCF that takes long, and comes last."""
    text = vcf_text(cohort, 0)
    last = text.splitlines(keepends=True)[-1]
    content = text + b"".join(last for _ in range(400_000))
    cohort.path(f"{COHORT}/z.vcf").write_bytes(content)
    return cohort.with_real_programs()


def begun(project: Project, num_notes: int, *command: str) -> subprocess.Popen[bytes]:
    """Return a run that has kept so many results, and writes another."""
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env={**project.environment, "PYTHONPATH": str(project.path("src"))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 120
    while len(notes(project)) < num_notes or not list(project.path(f"{OUT}/z").glob(".*.tmp")):
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.01)
    return process


def test_after_a_kill_only_what_is_left_is_made(big: Project, cohort: Project) -> None:
    write_vcf(big, f"{COHORT}/bad.vcf.gz", 5, BAD)
    process = begun(big, 4, sys.executable, "-m", "dvc", "repro", ANNOTATE)
    started = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for item in started:
        item.kill()
    process.wait()
    psutil.wait_procs(started, timeout=60)
    before = times(big, "a", "b", "c")
    assert not big.path(f"{OUT}/z/receipt.json").exists()
    # What tells of all of them is not there, though one is known to have failed.
    assert not [name for name in folders(big) if name in ("failures.tsv", "tally.json")]
    write_vcf(big, f"{COHORT}/z.vcf.gz", 9)
    big.path(f"{COHORT}/z.vcf").unlink()
    done = cohort.materialize(code=1)
    assert "4 of 5 samples are unchanged" in done.output
    assert "4 annotated, 1 failed: cohort/bad (" in done.output
    assert times(big, "a", "b", "c") == before
    assert not list(big.path("data").rglob(".*.tmp"))


def test_two_at_once_take_turns(big: Project, cohort: Project) -> None:
    first = begun(big, 3, sys.executable, "-m", "ensembl_annotations.cli", "materialize")
    second = cohort.materialize()
    assert first.wait(60) == 0
    assert f"Process {first.pid} is at work here (materialize); waiting for it" in second.output
    assert second.ran == []
    assert folders(big) == ["a", "b", "c", "tally.json", "z"]


def test_a_full_disk_is_no_result(cohort: Project) -> None:
    cohort.materialize()
    cohort.commit()
    before, noted = cohort.digests("data/annotated"), notes(cohort)
    write_vcf(cohort, f"{COHORT}/d.vcf.gz", 3)
    # As on a full disk, no file can become larger than a result is.
    limit = 3000
    script = cohort.path("scripts/annotate.py")
    text = script.read_text("utf-8")
    script.write_text(
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n{text}"
    )
    project = cohort.with_real_programs()
    done = project.materialize(code=1)
    assert "Error: 'dvc repro" in done.output
    assert "failed:" not in done.output
    assert cohort.digests("data/annotated") == before
    assert notes(cohort) == noted
    script.write_text(text)
    assert "3 of 4 samples are unchanged" in cohort.materialize().output


def test_a_vcf_that_changes_while_others_are_annotated(cohort: Project) -> None:
    """DVC takes the digest of the folder when all are done: what was made of the former file must not count."""
    other = cohort.path("data/vcf/other.vcf.gz")
    write_vcf(cohort, "data/vcf/other.vcf.gz", 8)
    script = cohort.path("scripts/annotate.py")
    text = script.read_text("utf-8")
    target = cohort.path(f"{COHORT}/b.vcf.gz")
    script.write_text(
        f'{text}\nfrom pathlib import Path\nPath("{other}").replace("{target}")\n', "utf-8"
    )
    done = cohort.materialize(code=1)
    assert f"{COHORT}/b.vcf.gz: changed while the pipeline ran" in done.output
    script.write_text(text)
    assert "2 of 3 samples are unchanged" in cohort.materialize().output
    assert receipt(cohort, "b")["vcf"]["md5"] == hashlib.md5(target.read_bytes()).hexdigest()


def test_what_is_made_of_another_file_is_not_kept(cohort: Project) -> None:
    """A VCF is replaced after its digest was taken, and before its turn comes."""
    other, target = cohort.path("data/vcf/other.vcf.gz"), cohort.path(f"{COHORT}/b.vcf.gz")
    intact = target.read_bytes()
    write_vcf(cohort, "data/vcf/other.vcf.gz", 8)
    script = cohort.path("scripts/annotate.py")
    text = script.read_text("utf-8")
    script.write_text(
        "from pathlib import Path\n"
        "from ensembl_annotations.project import make_entry as tested\n"
        "original = tested.annotate_many\n"
        "def replaced(*arguments):\n"
        f'    Path("{other}").replace("{target}")\n'
        "    return original(*arguments)\n"
        f"tested.annotate_many = replaced\n{text}"
    )
    done = cohort.materialize(code=1)
    assert f"{COHORT}/b.vcf.gz: changed while others were annotated" in done.output
    assert len(notes(cohort)) == 2
    script.write_text(text)
    # With the former file, nothing of the other comes back.
    target.write_bytes(intact)
    assert "2 of 3 samples are unchanged" in cohort.materialize().output
    found = gzip.decompress(cohort.path(f"{OUT}/b/annotated.vcf.gz").read_bytes())
    positions = [line.split(b"\t")[:2] for line in found.splitlines() if line[:1] != b"#"]
    expected = [line.split(b"\t")[:2] for line in gzip.decompress(intact).splitlines()]
    assert positions == [place for place in expected if place[0][:1] != b"#"]


def test_shares_of_an_array_job_are_what_the_stage_finds(cohort: Project) -> None:
    shard = ("annotate", "--vcf", COHORT, "--reference", STORE, "--shard")
    made = [cohort.tool(*shard, f"{number}/2").output for number in (1, 2)]
    assert "share 1 of 2: 2 annotated, 0 failed" in made[0]
    assert "share 2 of 2: 1 annotated, 0 failed" in made[1]
    assert not cohort.path(OUT).exists() and not [*cohort.path(".dvc/tmp").glob("shard-*")]
    done = cohort.dvc("repro", ANNOTATE)
    assert "3 of 3 samples are unchanged" in done.output
    assert folders(cohort) == ["a", "b", "c", "tally.json"]
    refused = cohort.tool(*shard, "1/2", "--tags", "id", code=2)
    assert "no option of a single VCF, found --tags" in refused.output
    refused = cohort.tool(
        "annotate", "--vcf", SAMPLE_VCF, "--reference", STORE, "--shard", "1/2", code=2
    )
    assert "expected a sheet or folder of 'samples'" in refused.output
