"""Whole runs of fetch: planned, interrupted, repeated, side by side."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations import fetch_ensembl, plan_fetch, scan_reference
from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.fetch import fetch as fetch_module
from ensembl_annotations.store.folder import new_folder
from tests.support.fault_server import Step, fault_server
from tests.support.mirror import Row, with_refs, write_mirror
from tests.support.nginx import Nginx, nginx
from tests.support.vcf import MIRROR, RELEASE, command, forked, invoke, run, small_disk, snapshot

CHROMOSOMES = ("20", "21", "22")
CHR21 = "homo_sapiens-chr21.vcf.gz"


def some_rows(count: int, seed: int) -> list[Row]:
    draw = random.Random(seed)
    return [
        (
            10 * index + 1,
            f"rs{draw.randrange(1, 2**31)}",
            *draw.choice([("A", "G"), ("C", "T,G"), ("AC", "A"), ("A", "ATT")]),
            f"dbSNP_156;TSA=SNV;MA=G;MAF=0.{draw.randrange(10_000):04d}",
        )
        for index in range(count)
    ]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with three chromosomes of some size, with sequences."""
    rows = {name: some_rows(20_000, index) for index, name in enumerate(CHROMOSOMES)}
    draw = random.Random(9)
    sequences = {
        name: with_refs("".join(draw.choices("ACGT", k=250_000)), rows[name])
        for name in CHROMOSOMES
    }
    return write_mirror(tmp_path_factory.mktemp("release") / "pub", rows, sequences)


@pytest.fixture
def server(release: Path, tmp_path: Path) -> Iterator[Nginx]:
    with nginx(tmp_path / "nginx", release) as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path / "cache"


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the release's three chromosomes for all of human."""
    monkeypatch.setattr("ensembl_annotations.fetch.manifest.CHROMOSOMES", CHROMOSOMES)


def fetch(base: str | Path, out: Path, *options: object) -> list[object]:
    return ["fetch", "--base-url", base, "--release", RELEASE, "--out", out, *options]


@pytest.fixture(scope="module")
def undisturbed(release: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The store that a run makes when nothing happens to it."""
    base = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        fetch_ensembl(base / "store", mirrors=[str(release)], release=RELEASE, fasta=True)
    return snapshot(base / "store")


# --- The plan ------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_happen_and_does_nothing(server: Nginx, tmp_path: Path) -> None:
    out = tmp_path / "place" / "store"
    first = invoke(*fetch(server.url, out, "--fasta", "--dry-run")).succeeded().stdout
    assert "6 files" in first
    assert "to download: 6 files" in first
    assert "disk for the download" in first
    assert "disk for the store" in first
    assert not out.parent.exists()
    assert server.bytes_sent(".gz") == 0
    invoke(*fetch(server.url, out, "--fasta")).succeeded()
    again = invoke(*fetch(server.url, out, "--fasta", "--dry-run")).succeeded().stdout
    assert "to download: 0 files" in again
    forced = invoke(*fetch(server.url, out, "--fasta", "--dry-run", "--force")).succeeded().stdout
    assert "to download: 6 files" in forced


def test_the_plan_is_said_before_the_download(server: Nginx, tmp_path: Path) -> None:
    said = invoke(*fetch(server.url, tmp_path / "store")).succeeded().stderr
    assert said.index("to download: 6 files") < said.index("downloaded, ")
    quiet = invoke(*fetch(server.url, tmp_path / "store", "--quiet")).succeeded()
    assert quiet.stderr == ""
    assert quiet.stdout.startswith("cached: ")


def test_details_are_printed_on_request(server: Nginx, tmp_path: Path) -> None:
    base = server.url.replace("://", "://me:secret@")
    details = invoke(*fetch(base, tmp_path / "store", "-v")).succeeded().stderr
    assert re.search(r"^\d\d:\d\d:\d\d fetch\.mirrors: \S+/CHECKSUMS .*HTTP 200$", details, re.M)
    assert "urllib3" not in details
    all_of_them = invoke(*fetch(base, tmp_path / "store", "--force", "-vv")).succeeded().stderr
    assert "urllib3.connectionpool: " in all_of_them
    assert "secret" not in details + all_of_them
    again = invoke(*fetch(server.url, tmp_path / "store", "-v")).succeeded().stderr
    assert "verified in the download cache" in again
    both = invoke(*fetch(server.url, tmp_path / "store", "-v", "--quiet"))
    assert both.code == 2
    both.failed("--quiet and --verbose", code=2)


@pytest.mark.parametrize("place", ["download", "store", "DVC's cache"])
def test_a_disk_that_can_not_hold_it_is_refused_first(
    place: str, server: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", 300_000) as small:
        folders = {"download": tmp_path / "cache", "store": tmp_path / "s", "DVC's cache": None}
        folders[place] = small / "x"
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folders["download"]))
        store = folders["store"]
        assert store is not None
        for function in (fetch_ensembl, plan_fetch):
            with pytest.raises(EnsemblAnnotationsError, match="disk is full or nearly so") as found:
                function(
                    store, mirrors=[server.url], release=RELEASE, dvc_cache=folders["DVC's cache"]
                )
            assert found.value.code == "disk_full"
            assert place in str(found.value)
    assert server.bytes_sent(".gz") == 0
    assert not (tmp_path / "s").exists()


# --- Status --------------------------------------------------------------------------------------


def test_every_file_has_a_status_and_the_run_is_cached_only_if_all_are(
    server: Nginx, tmp_path: Path, cache: Path
) -> None:
    def fetched(*options: str) -> dict[str, Any]:
        wanted = list(options) or None
        out, mirrors = tmp_path / "s", [server.url]
        kinds = {"fasta": False, "genes": False}
        return fetch_ensembl(out, mirrors=mirrors, release=RELEASE, chromosomes=wanted, **kinds)

    one = fetched("21")
    assert one["files"] == {CHR21: "downloaded"}
    three = fetched()
    assert three["files"][CHR21] == "cached"
    assert sorted(three["files"].values()) == ["cached", "downloaded", "downloaded"]
    assert three["run"]["status"] == "downloaded"
    assert (three["run"]["num_cached"], three["run"]["num_downloaded"]) == (1, 2)
    sent = server.bytes_sent(".gz")
    assert three["run"]["downloaded_bytes"] + one["run"]["downloaded_bytes"] == sent
    all_cached = fetched()
    assert all_cached["run"]["status"] == "cached"
    assert set(all_cached["files"].values()) == {"cached"}
    [path] = cache.rglob(CHR21)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert fetched()["run"]["status"] == "downloaded"


@pytest.mark.usefixtures("complete")
def test_offline_with_everything_cached(release: Path, tmp_path: Path) -> None:
    with nginx(tmp_path / "nginx", release) as running:
        first = fetch_ensembl(tmp_path / "a", mirrors=[running.url], release=RELEASE, fasta=True)
    again = fetch_ensembl(tmp_path / "b", mirrors=[running.url], release=RELEASE, fasta=True)
    assert again["run"]["status"] == "cached"
    assert first["reference_sha256"] == again["reference_sha256"]


@pytest.mark.parametrize("jobs", [1, 3, 16])
def test_the_store_does_not_depend_on_what_arrives_first(
    jobs: int, server: Nginx, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    fetch_ensembl(tmp_path / "s", mirrors=[server.url], release=RELEASE, fasta=True, jobs=jobs)
    assert snapshot(tmp_path / "s") == undisturbed


def test_files_are_converted_while_others_still_arrive(release: Path, tmp_path: Path) -> None:
    """The first file's records are said before the last file has been sent."""
    slow = f"location ~ chr22.vcf.gz$ {{ limit_rate {100_000}; }}"
    with nginx(tmp_path / "nginx", release, slow) as server:
        process = subprocess.Popen(
            forked(*fetch(server.url, tmp_path / "store", "--no-genes", "--no-fasta")),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        line = next(line for line in lines if "20000 records" in line)
        # nginx logs a request when it has ended.
        assert server.bytes_sent("chr22.vcf.gz") == 0
        assert "chr22" not in line
        process.communicate()
        assert process.returncode == 0


# --- Interrupted ---------------------------------------------------------------------------------


def left_beside(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.glob(f".{out.name}.*"))


def test_killed_at_random_moments_then_run_again(
    release: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    """Ten kills, then a run: the same bytes, and no byte that was verified came twice."""
    out = tmp_path / "place" / "store"
    arguments = fetch("", out, "--fasta", "--jobs", "2")
    draw = random.Random(4)
    killed = 0
    with nginx(tmp_path / "nginx", release, "limit_rate 400k;") as server:
        arguments[2] = server.url
        while killed < 10:
            process = subprocess.Popen(
                command(*arguments), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            try:
                process.wait(0.3 + 1.2 * draw.random())
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            killed += 1
            assert not out.exists() or snapshot(out) == undisturbed
        # What was verified before the last run is not asked for again.
        verified = {
            path.name for path in (tmp_path / "cache").rglob("*.gz") if receipt(path).exists()
        }
        before = len(server.requests())
        run(*arguments).succeeded()
        asked = {Path(row[3]).name for row in server.requests()[before:]}
        assert asked.isdisjoint(verified)
        total = sum(path.stat().st_size for path in release.rglob("*.gz"))
        # A killed client leaves behind what was still in the sockets: sent, but never received.
        assert server.bytes_sent(".gz") < total + killed * 2 * 4_000_000
    assert snapshot(out) == undisturbed
    assert left_beside(out) == []


def receipt(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def test_two_runs_at_once_share_the_work(
    release: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    out = tmp_path / "place" / "store"
    with nginx(tmp_path / "nginx", release, "limit_rate 600k;") as server:
        processes = [
            subprocess.Popen(
                forked(*fetch(server.url, place, "--fasta")), stderr=subprocess.PIPE, text=True
            )
            for place in (out, out, tmp_path / "other" / "store")
        ]
        for process in processes:
            _, said = process.communicate(timeout=100)
            assert process.returncode == 0, said
        total = sum(path.stat().st_size for path in release.rglob("*.gz"))
        assert server.bytes_sent(".gz") == total
    assert snapshot(out) == snapshot(tmp_path / "other" / "store") == undisturbed
    assert left_beside(out) == []


def test_interrupted_by_the_user(release: Path, tmp_path: Path) -> None:
    with nginx(tmp_path / "nginx", release, "limit_rate 100k;") as server:
        process = subprocess.Popen(
            command(*fetch(server.url, tmp_path / "store", "--no-genes", "--no-fasta")),
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: list((tmp_path / "cache").rglob("*.part")) != [])
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not (tmp_path / "store").exists()
    assert left_beside(tmp_path / "store") == []


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_what_a_killed_run_left_is_removed_and_what_another_writes_is_not(tmp_path: Path) -> None:
    out = tmp_path / "store"
    left = tmp_path / ".store.ensembl-annotations-abcd_123"
    left.mkdir()
    (left / "half.parquet").write_bytes(b"half")
    others = [".store.bak", ".store.d", ".store.old", ".store.ensembl-annotations-abcd_1234"]
    for name in others:
        (tmp_path / name).mkdir()
    with new_folder(out) as first:
        assert not left.exists()
        assert all((tmp_path / name).exists() for name in others)
        (first / "a").write_bytes(b"a")
        with pytest.raises(RuntimeError), new_folder(out) as second:
            assert first.exists() and second != first
            raise RuntimeError
        assert first.exists() and not second.exists()
        # A store needs its description to be replaced later on.
        (first / "datapackage.json").write_text('{"resources": [], "store_version": 2}')
    assert snapshot(out).keys() == {"a", "datapackage.json"}


def test_killed_between_the_two_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old store went aside and nothing took its place: the next run puts it back."""
    out = tmp_path / "store"
    with new_folder(out) as folder:
        (folder / "datapackage.json").write_text('{"resources": [], "store_version": 2}')
    old = tmp_path / ".store.ensembl-annotations-abcd_123.old"
    out.rename(old)
    with pytest.raises(RuntimeError), new_folder(out):
        assert out.exists() and not old.exists()
        raise RuntimeError
    assert snapshot(out).keys() == {"datapackage.json"}


def test_what_comes_to_the_folder_during_a_run_is_not_removed(tmp_path: Path) -> None:
    out = tmp_path / "store"
    out.mkdir()
    with pytest.raises(EnsemblAnnotationsError, match="not a reference store"), new_folder(out):
        (out / "notes.txt").write_text("mine")
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["[1]", "*", "a b"])
def test_names_with_special_characters(name: str, tmp_path: Path) -> None:
    """They are no patterns: neither for what is removed, nor for what is read."""
    (tmp_path / ".hidden.folder").mkdir()
    for chromosome, out in (("MT", tmp_path / f"ref{name}"), ("21", tmp_path / "ref1")):
        fetch_ensembl(out, mirrors=str(MIRROR), release=RELEASE, chromosomes=[chromosome])
        fetch_ensembl(out, mirrors=str(MIRROR), release=RELEASE, chromosomes=[chromosome])
    assert (tmp_path / ".hidden.folder").exists()
    found = scan_reference(str(tmp_path / f"ref{name}")).select("chrom").unique().collect()
    assert found.rows() == [("MT",)]


@pytest.mark.parametrize("inside", ["cache", "--metrics", "--run-metrics"])
def test_nothing_else_may_lie_in_the_folder(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "store"
    options = [inside, out / "x"] if inside != "cache" else []
    if inside == "cache":
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(out / "x"))
    outcome = invoke(*fetch(MIRROR, out, *options))
    outcome.failed("is inside the store's folder", code=2)
    assert not out.exists()


def test_a_file_that_changes_before_it_is_converted(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is converted is what was verified."""
    convert = fetch_module.convert_vcf

    def replaced(path: Path, *arguments: Any, **options: Any) -> Any:
        [other] = [found for found in cache.rglob("homo_sapiens-chr22.vcf.gz") if found != path]
        shutil.copyfile(other, path)
        return convert(path, *arguments, **options)

    fetch_ensembl(tmp_path / "a", mirrors=str(MIRROR), release=RELEASE, chromosomes=["22"])
    monkeypatch.setattr(fetch_module, "convert_vcf", replaced)
    rows: list[Row] = [(5, "rs5", "A", "G", "TSA=SNV")]
    base = write_mirror(tmp_path / "pub", {"22": rows})
    with pytest.raises(EnsemblAnnotationsError, match="was changed in the download cache"):
        fetch_ensembl(tmp_path / "b", mirrors=str(base), release=RELEASE)
    assert not (tmp_path / "b").exists()


def test_a_stalled_server_does_not_keep_an_interrupted_run(release: Path, tmp_path: Path) -> None:
    files = {
        f"/{path.relative_to(release).as_posix()}": path.read_bytes()
        for path in release.rglob("*")
        if path.is_file()
    }
    with fault_server(files, default=Step(stop_after=1000, how="stall")) as server:
        for name in files:
            if name.endswith("CHECKSUMS"):
                server.always[name] = Step()
        process = subprocess.Popen(
            command(*fetch(server.url, tmp_path / "store", "--no-genes", "--no-fasta")),
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: len(list((tmp_path / "cache").rglob("*.part"))) == len(CHROMOSOMES))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode == 130


# --- Lists ---------------------------------------------------------------------------------------


def test_a_release_of_which_chromosomes_are_missing_is_said_and_asked_for_again(
    server: Nginx, tmp_path: Path
) -> None:
    said = invoke(*fetch(server.url, tmp_path / "store", "--dry-run")).succeeded().stdout
    assert "not published there: 22 human chromosomes (1, 2, 3, 4, 5 …)" in said
    before = len(server.requests())
    invoke(*fetch(server.url, tmp_path / "store", "--dry-run")).succeeded()
    assert len(server.requests()) > before


def test_a_manifest_of_another_release_is_refused(tmp_path: Path) -> None:
    manifest = MIRROR.parent / "manifests" / "mini-homo_sapiens-GRCh38-115.json"
    with pytest.raises(EnsemblAnnotationsError, match="115"):
        fetch_ensembl(tmp_path / "s", mirrors=str(MIRROR), release=116, manifest=manifest)


def test_replaced_files_are_explained(release: Path, tmp_path: Path) -> None:
    """The list that is kept is of before; only --force asks for it again."""
    base = tmp_path / "pub"
    whole = [*map(str, range(1, 23)), "X", "Y", "MT"]
    rows: dict[str, list[Row]] = {name: [(5, "rs5", "A", "G", "TSA=SNV")] for name in whole}
    write_mirror(base, rows)
    out = tmp_path / "store"
    with nginx(tmp_path / "nginx", base) as server:
        only = ("--no-genes", "--no-fasta", "--chromosomes")
        invoke(*fetch(server.url, out, *only, "21")).succeeded()
        write_mirror(base, {name: some_rows(50, 1) for name in whole})
        invoke(*fetch(server.url, out, *only, "22")).failed("--force asks it again")
        invoke(*fetch(server.url, out, *only, "22", "--force")).succeeded()


# --- Sequences -----------------------------------------------------------------------------------


def test_with_sequences_indels_have_rolls_and_without_they_have_none(tmp_path: Path) -> None:
    rows: list[Row] = [
        (101, "rs1", "CA", "C", "TSA=deletion"),
        (102, "rs2", "A", "AA", "TSA=insertion"),
        (107, "rs3", "G", "A", "TSA=SNV"),
    ]
    sequence = "G" * 100 + "CAAAAAT" + "G" * 50
    base = write_mirror(tmp_path / "pub", {"21": rows}, {"21": sequence})
    made = {}
    for fasta in (True, False):
        out = tmp_path / f"store-{fasta}"
        result = fetch_ensembl(out, mirrors=[str(base)], release=RELEASE, fasta=fasta, genes=fasta)
        made[fasta] = scan_reference(out).select("rs", "roll_left", "roll_right").collect().rows()
        assert result.get("num_ref_differs") == (1 if fasta else None)
        package = json.loads((out / "datapackage.json").read_bytes())
        sequences = [item for item in package["resources"] if item["role"] == "sequence"]
        assert [item["num_rows"] for item in sequences] == [len(sequence)] * fasta
    assert sorted(made[True]) == [(1, 0, 4), (2, 0, 5), (3, None, None)]
    assert sorted(made[False]) == [(1, None, None), (2, None, None), (3, None, None)]


def test_the_embedded_mirror_has_no_sequence_of_21(tmp_path: Path) -> None:
    done = invoke(*fetch(MIRROR, tmp_path / "s", "--chromosomes", "21,22")).succeeded()
    assert "exact only on 21: no sequence is published" in done.stderr
    assert ", 16 transcripts, " in done.stdout


def test_scan_reference_refuses_a_store_that_is_not_complete(tmp_path: Path) -> None:
    out = tmp_path / "s"
    fetch_ensembl(out, mirrors=[str(MIRROR)], release=RELEASE, chromosomes=["21", "22"])
    shutil.copyfile(out / "homo_sapiens-chr21.parquet", out / "homo_sapiens-chr22.parquet")
    with pytest.raises(EnsemblAnnotationsError, match=r"homo_sapiens-chr22.parquet has \d+ bytes"):
        scan_reference(out)
    assert scan_reference(out, ["21"]).collect().height > 0
