"""A Dask cluster: a real scheduler and workers as processes, and the bytes of a local run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations import annotate_vcf
from ensembl_annotations.common.cluster import Cluster
from ensembl_annotations.vcf.bgzf import compress_bgzf
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
