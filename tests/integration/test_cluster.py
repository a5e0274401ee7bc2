"""A Dask cluster: a real scheduler and workers as processes, and the bytes of a local run."""

from __future__ import annotations

import gzip
import pickle
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ensembl_annotations
from ensembl_annotations import annotate_vcf
from ensembl_annotations.annotate import annotate as annotate_module
from ensembl_annotations.annotate.annotate import _Annotated
from ensembl_annotations.annotate.counts import Tally
from ensembl_annotations.annotate.guard import Compared
from ensembl_annotations.annotate.many import Task, annotate_many
from ensembl_annotations.common import cluster as cluster_module
from ensembl_annotations.common.cluster import (
    Cluster,
    ClusterError,
    _Seen,
    checked,
    opened_cluster,
    packages_here,
)
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.vcf.bgzf import compress_bgzf
from tests.integration.helpers import STORE, Project
from tests.support.cluster import DaskCluster, dask_cluster
from tests.support.vcf import CALL, build_store, plain_vcf, record, reference_snvs, snapshot


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("reference"), ["21", "22"])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), "one", "two") as started:
        yield started


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "part_bytes", 100_000)


def genome(*, more: str = "", count: int = 12_000) -> bytes:
    """Return a VCF of about 30 blocks: known and unknown ALTs, contigs that are absent, values of wrong types."""
    source = random.Random(5)
    known = {place[:2]: place for place in reference_snvs()}
    places = {("chr22", 20_000_000 + 7 * step): None for step in range(count)} | known
    lines = []
    for number, (chrom, pos) in enumerate(sorted(places)):
        _, _, ref, alt = known.get((chrom, pos), (chrom, pos, "N", "G"))
        info = "X=" + "y" * source.choice([1, 20, 200]) if number % 1500 else "X=" + "z" * 150_000
        call = "0/1:3,4:x:50" if number % 4000 == 7 else CALL
        lines.append(record(chrom, pos, ref, alt, info=info, calls=[call]))
    lines += [record("chrOther", 5 + step, "A", "C", calls=[CALL]) for step in range(50)]
    return compress_bgzf(plain_vcf(*lines, samples=["S1"]) + more.encode())


@pytest.fixture(scope="module")
def vcf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vcf") / "in.vcf.gz"
    path.write_bytes(genome())
    return path


def annotate(vcf: Path, store: Path, out: Path, scheduler: object = None, **more: Any) -> Any:
    made = annotate_vcf(
        vcf,
        store,
        out_vcf=out / "out.vcf.gz",
        out_parquet=out / "out.parquet",
        metrics=out / "metrics.json",
        tally=out / "tally.json",
        scheduler=str(scheduler) if scheduler else None,
        **more,
    )
    made.pop("run")
    return made


def made_alike(
    cluster: DaskCluster, vcf: Path, store: Path, folder: Path, **more: Any
) -> dict[str, bytes]:
    """Return the files of a run here, which are those of a run by the workers."""
    annotate(vcf, store, folder / "here", **more)
    annotate(vcf, store, folder / "out", cluster.file, **more)
    here = snapshot(folder / "here")
    assert snapshot(folder / "out") == here
    return here


@pytest.fixture(scope="module")
def local(vcf: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("local")
    annotate(vcf, store, out)
    return snapshot(out)


def test_two_workers_give_the_bytes_of_a_local_run(
    cluster: DaskCluster, vcf: Path, store: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    assert len(local) == 5
    annotate(vcf, store, tmp_path / "out", cluster.file)
    assert snapshot(tmp_path / "out") == local


# Each differs from the defaults, so that a worker that doesn't get it gives other bytes.
OPTIONS: dict[str, Any] = {
    "transcripts": {"transcripts": "all"},
    "gene": {"transcripts": "gene", "tags": "consequence", "index": "csi"},
    "site": {"match": "position", "id_column": "replace", "genotypes": True},
    "keep": {"id_column": "keep", "tags": "frequency", "chromosomes": "22", "index": "none"},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_workers_get_all_that_decides_a_result(
    cluster: DaskCluster,
    vcf: Path,
    store: Path,
    local: dict[str, bytes],
    tmp_path: Path,
    name: str,
) -> None:
    here = made_alike(cluster, vcf, store, tmp_path, **OPTIONS[name])
    text = gzip.decompress(here["out.vcf.gz"])
    # What is asked for is there, and it is not what the defaults give.
    records = [line for line in text.splitlines() if not line.startswith(b"#")]
    assert name == "keep" or any(b"ENS_" in line for line in records)
    assert name not in ("transcripts", "gene") or any(b"ENS_CSQ=" in line for line in records)
    assert text != gzip.decompress(local["out.vcf.gz"])


def test_a_vcf_of_one_replaced_tag_is_annotated_again(
    cluster: DaskCluster, store: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    # Has all tags and IDs already.
    vcf = tmp_path / "in.vcf.gz"
    vcf.write_bytes(local["out.vcf.gz"])
    options = {"tags": "consequence", "overwrite_tags": True, "transcripts": "all"}
    made_alike(cluster, vcf, store, tmp_path, **options)


def tasks_of(folder: Path, *names: str) -> list[Task]:
    """Return tasks of VCFs of which each is another, and one is bad."""
    tasks = []
    for number, name in enumerate(names):
        # Their REFs are those of the sequence.
        snvs = sorted(reference_snvs())[number : number + 40]
        lines = [record(*snv[:4], calls=[CALL]) for snv in snvs]
        lines += [record(pos="x", calls=[CALL])] if name == "bad" else []
        path = folder / f"{name}.vcf.gz"
        path.write_bytes(compress_bgzf(plain_vcf(*lines, samples=["S1"])))
        tasks.append(Task(name, path, folder / name))
    return tasks


def test_small_vcfs_are_whole_tasks_and_a_bad_one_fails_alone(
    cluster: DaskCluster, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    monkeypatch.chdir(tmp_path)
    for scheduler in (None, str(cluster.file)):
        folder = Path(f"on-{scheduler is not None}")
        folder.mkdir()
        tasks = tasks_of(folder, "a", "b", "bad", "c", "d")
        done = list(annotate_many(tasks, store, {}, 1500, scheduler))
        assert [task for task, _ in done] == tasks
        found[folder] = (
            [outcome for _, outcome in done],
            snapshot(folder),
        )
    local, remote = found.values()
    assert remote == local
    assert [outcome.sample for outcome in local[0] if outcome.failure] == ["bad"]


def test_what_workers_warn_of_is_told_as_locally(
    cluster: DaskCluster, store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vcf = tmp_path / "a.vcf.gz"
    vcf.write_bytes(compress_bgzf(plain_vcf(record("chrUn_1"), record())))
    found = []
    for scheduler in (None, str(cluster.file)):
        caplog.clear()
        task = Task("a", vcf, tmp_path / f"on-{scheduler is not None}")
        task.folder.mkdir()
        list(annotate_many([task], store, {}, 1500, scheduler))
        found.append([(item.levelname, item.message) for item in caplog.records])
    assert found[1] == found[0]
    assert any("chrUn_1" in message for _, message in found[0])


def test_a_task_keeps_to_one_thread_of_its_worker(tmp_path: Path) -> None:
    vcf = tmp_path / "in.vcf"
    vcf.touch()

    def asked(_: Task) -> dict[str, int]:
        import polars as there

        from ensembl_annotations.annotate.memory import num_together, plan_pieces
        from ensembl_annotations.common.pool import num_threads

        return {
            "threads": num_threads(),
            "pieces": plan_pieces(10_000).workers,
            "together": num_together(10_000),
            "polars": there.thread_pool_size(),
        }

    # Cores that the machine has not, so that what is asked for is not what there is by chance.
    cores = tmp_path / "cores"
    cores.mkdir()
    (cores / "sitecustomize.py").write_text("import os\nos.cpu_count = lambda: 16\n")
    environment = {"PYTHONPATH": str(cores), "POLARS_MAX_THREADS": ""}
    with dask_cluster(tmp_path / "dask") as own:
        own.add_worker("one", environment=environment)
        with opened_cluster(str(own.file)) as cluster:
            assert cluster is not None
            found = cluster.submit(asked, Task("a", vcf, tmp_path)).result()
    assert found == {"threads": 1, "pieces": 1, "together": 1, "polars": 1}


def test_a_worker_opens_a_store_again_that_was_replaced(
    cluster: DaskCluster, store: Path, vcf: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(store, tmp_path / "own"))
    first = made_alike(cluster, vcf, own, tmp_path / "first")
    other = build_store(tmp_path / "other", ["21"])
    own.rename(tmp_path / "former")
    other.rename(own)
    assert made_alike(cluster, vcf, own, tmp_path / "second") != first


def test_a_text_is_sent_as_it_is() -> None:
    """A copy in a pickle, and another from it, took a fifth of all that a cluster takes for a large VCF."""
    text = b"chr21\t1\n" * 100_000
    made = _Annotated(text, None, Tally(), [], None, None, 1, Compared())
    buffers: list[pickle.PickleBuffer] = []
    small = pickle.dumps(made, protocol=5, buffer_callback=buffers.append)
    assert len(small) < 10_000
    assert [bytes(item) for item in buffers] == [text]
    assert pickle.loads(small, buffers=[item.raw() for item in buffers]) == made


def test_a_line_that_can_not_be_used_is_told_as_locally(
    cluster: DaskCluster, store: Path, tmp_path: Path
) -> None:
    vcf, messages = tmp_path / "bad.vcf.gz", []
    vcf.write_bytes(genome(more=record("chrOther", "x", calls=[CALL])))
    for scheduler in (None, cluster.file):
        with pytest.raises(InputError) as raised:
            annotate(vcf, store, tmp_path / "out", scheduler)
        messages.append(str(raised.value))
        assert snapshot(tmp_path / "out") == {}
    assert messages[0] == messages[1]
    line = gzip.decompress(vcf.read_bytes()).count(b"\n")
    assert f"line {line}: POS" in messages[0]


def test_a_part_that_expands_is_taken_in_steps_and_other_inputs_are_not_cut(
    cluster: DaskCluster,
    vcf: Path,
    store: Path,
    local: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Cluster, "part_bytes", 1 << 30)
    # A worker gives back 0.1 MB at a time, and a line that is longer.
    monkeypatch.setattr(annotate_module, "_ANSWER_SHARE", 10_000)
    annotate(vcf, store, tmp_path / "whole", cluster.file)
    assert snapshot(tmp_path / "whole") == local
    # Gzip, but no blocks.
    text = tmp_path / "in.vcf.gz"
    text.write_bytes(gzip.compress(gzip.decompress(vcf.read_bytes())))
    annotate(text, store, tmp_path / "gzip", cluster.file)
    # The tally has notes that name the file.
    other = snapshot(tmp_path / "gzip")
    assert other | {"tally.json": b""} == local | {"tally.json": b""}


@pytest.mark.parametrize("options", [{}, {"genes": False}, {"fasta": False, "genes": False}])
def test_a_release_is_converted_to_the_same_store(
    cluster: DaskCluster, tmp_path: Path, options: dict[str, Any]
) -> None:
    chromosomes = ["21", "22", "MT"]
    local = build_store(tmp_path / "local", chromosomes, **options)
    made = build_store(tmp_path / "made", chromosomes, scheduler=str(cluster.file), **options)
    assert snapshot(made) == snapshot(local)
    roles = {resource.role for resource in ReferenceStore(made).resources}
    expected = {"alleles", "sequence", "genes"} if not options else {"alleles", "sequence"}
    assert roles == (expected if options.get("fasta", True) else {"alleles"})
    assert ReferenceStore(made).digest == ReferenceStore(local).digest


def test_make_has_the_workers_annotate_an_entry(cluster: DaskCluster, project: Project) -> None:
    folder = project.path("data/vcf/cohort")
    folder.mkdir()
    tasks_of(folder, "a", "b")
    project.set_param("samples", {"cohort": {"vcf": "data/vcf/cohort"}})
    gone = project.materialize("--scheduler", "none.json", code=1)
    assert "none.json: expected tcp://HOST:PORT, or the file that a scheduler wrote" in gone.output
    made = project.materialize("--scheduler", str(cluster.file))
    assert "annotated: 2 samples, 80 records" in made.output
    alone = annotate_vcf(
        folder / "a.vcf.gz", project.path(STORE), out_vcf=project.path("data/alone/out.vcf.gz")
    )
    assert alone["num_records"] == 40
    assert (
        project.path("data/alone/out.vcf.gz").read_bytes()
        == project.path("data/annotated/cohort/a/annotated.vcf.gz").read_bytes()
    )
    # The scheduler is no parameter: without it nothing is to do.
    assert project.repro() == []


def wrong_package(folder: Path) -> dict[str, str]:
    """Return the environment of a worker whose package has other code."""
    copy = folder / "src" / "ensembl_annotations"
    shutil.copytree(Path(ensembl_annotations.__file__).parent, copy)
    (copy / "versions.py").open("a").write("# another\n")
    return {"PYTHONPATH": str(folder / "src")}


def test_a_worker_that_sees_another_package_store_or_vcf_is_named(
    cluster: DaskCluster, vcf: Path, store: Path, tmp_path: Path
) -> None:
    with dask_cluster(tmp_path / "other") as other:
        other.add_worker("strange", environment=wrong_package(tmp_path / "strange"))
        with pytest.raises(ClusterError, match=r"(?s)worker strange .*packages: .*as at the head"):
            annotate(vcf, store, tmp_path / "out", other.file)
    assert snapshot(tmp_path / "out") == {}
    seen = _Seen(packages_here(), {store / "gone.json": "1234"}, {})
    with pytest.raises(
        ClusterError, match=r"gone.json: expected 1234 as at the head, found no file"
    ):
        checked(seen, len, ())
    seen = _Seen(packages_here(), {}, {vcf: (5, 6)})
    with pytest.raises(ClusterError, match=r"expected 5 bytes of time 6 as at the head, found "):
        checked(seen, len, ())


def test_no_worker_and_too_little_memory_are_told(
    vcf: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask_cluster(tmp_path / "other") as other:
        monkeypatch.setattr(cluster_module, "_WORKERS_SEC", 0.5)
        with pytest.raises(ClusterError, match=r"expected a worker within 0.5 s, found none"):
            annotate(vcf, store, tmp_path / "out", other.file)
        monkeypatch.undo()
        other.add_worker("small", memory="600MB")
        with pytest.raises(
            ClusterError, match=r"memory for a task: expected at least 400 MB, found 330"
        ) as raised:
            annotate(vcf, store, tmp_path / "out", other.file)
        assert "'--memory-limit 728MB'" in str(raised.value)


def slow(monkeypatch: pytest.MonkeyPatch, event: threading.Event) -> None:
    """Have the head wait after the first piece, so that others can do something meanwhile."""
    whole = annotate_module.SortOrder.add

    def add(self: Any, runs: Any) -> None:
        if not event.is_set():
            event.set()
            time.sleep(1)
        whole(self, runs)

    monkeypatch.setattr(annotate_module.SortOrder, "add", add)


def test_a_killed_worker_changes_no_byte(
    cluster: DaskCluster,
    vcf: Path,
    store: Path,
    local: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = threading.Event()
    slow(monkeypatch, begun)

    def kill() -> None:
        begun.wait(60)
        cluster.end("one")

    killer = threading.Thread(target=kill)
    killer.start()
    annotate(vcf, store, tmp_path / "out", cluster.file)
    killer.join()
    assert list(cluster.workers) == ["two"]
    assert snapshot(tmp_path / "out") == local


def test_a_killed_scheduler_leaves_nothing_and_the_next_run_goes_on(
    cluster: DaskCluster,
    vcf: Path,
    store: Path,
    local: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The last test of this cluster.
    begun = threading.Event()
    slow(monkeypatch, begun)
    threading.Thread(target=lambda: begun.wait(60) and cluster.scheduler.kill()).start()
    with pytest.raises(ClusterError, match="connection to the scheduler was lost"):
        annotate(vcf, store, tmp_path / "out", cluster.file)
    assert snapshot(tmp_path / "out") == {}
    with pytest.raises(ClusterError, match="no answer"):
        annotate(vcf, store, tmp_path / "out", cluster.file)
    annotate(vcf, store, tmp_path / "out")
    assert snapshot(tmp_path / "out") == local


def test_what_is_no_scheduler_is_told(vcf: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"none.json: expected tcp://HOST:PORT, or the file"):
        annotate(vcf, store, tmp_path / "out", tmp_path / "none.json")
