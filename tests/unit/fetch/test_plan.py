"""What a fetch says that it needs, and what it refuses before anything is downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.fetch import plan
from ensembl_annotations.fetch.manifest import Manifest, PublishedFile
from ensembl_annotations.fetch.plan import Need, Plan, make_plan

MIB = 1024
"""Blocks of 1 KiB."""


def published(names: dict[str, int], kind: str) -> tuple[PublishedFile, ...]:
    return tuple(PublishedFile(f"{name}.{kind}", name, 7, size) for name, size in names.items())


def manifest(
    fasta: dict[str, int] | None = None,
    gff3: dict[str, int] | None = None,
    peptides: dict[str, int] | None = None,
    vcf: dict[str, int] | None = None,
) -> Manifest:
    return Manifest(
        "homo_sapiens",
        "GRCh38",
        116,
        published({"21": 10 * MIB, "22": 20 * MIB} if vcf is None else vcf, "vcf.gz"),
        published(fasta or {}, "fa.gz"),
        published(gff3 or {}, "gff3.gz"),
        published(peptides or {}, "pep.fa.gz"),
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty download cache, on a disk with 1 GB."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder))
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    return folder


def test_everything_is_wanted_and_a_sequence_before_its_variants(tmp_path: Path) -> None:
    all_of = manifest({"21": 5 * MIB, "22": 6 * MIB})
    found = make_plan(all_of, tmp_path / "out", chromosomes=None, fasta=True, genes=False)
    names = ["21.fa.gz", "21.vcf.gz", "22.fa.gz", "22.vcf.gz"]
    assert [item.file.name for item in found.wanted] == names
    assert {item.role: item.folder for item in found.wanted} == {
        "fasta": "release-116/fasta/homo_sapiens/dna",
        "vcf": "release-116/variation/vcf/homo_sapiens",
    }
    assert (found.num_missing, found.remaining_bytes) == (4, 41 * 1024 * 1024)


def test_what_is_chosen_is_wanted_and_no_more(tmp_path: Path) -> None:
    found = make_plan(manifest(), tmp_path, chromosomes=["chr22"], fasta=False, genes=False)
    assert [item.file.name for item in found.wanted] == ["22.vcf.gz"]
    assert found.wanted[0].num_bytes == found.remaining_bytes == 20 * 1024 * 1024
    with pytest.raises(UsageError, match="23"):
        make_plan(manifest(), tmp_path, chromosomes=["23"], fasta=False, genes=False)


EVERYTHING = manifest({"21": 1, "22": 1}, {"21": 1, "22": 1}, {"all": 1})


@pytest.mark.parametrize(
    ("published", "names", "left_out"),
    [
        (EVERYTHING, "all.pep 21.fa 21.gff3 21.vcf 22.fa 22.gff3 22.vcf", []),
        (manifest({"all": 1}, {"all": 1}, {"all": 1}), "all.pep all.gff3 all.fa 21.vcf 22.vcf", []),
        (manifest({"21": 1}, {"21": 1, "22": 1}, {"all": 1}), "all.pep 21.fa 21.gff3 21.vcf 22.vcf",
         ["exact only on 22: no sequence is published"]),
        (manifest({}, {"21": 1}, {"all": 1}), "21.vcf 22.vcf", ["exact only on 21, 22: no sequ"]),
        (manifest({"21": 1, "22": 1}, {"22": 1}), "21.fa 21.vcf 22.fa 22.gff3 22.vcf",
         ["no genes on 21: no gene models", "no peptides are published"]),
        (manifest({"21": 1}, {"21": 1}, {"all": 1}, {}), "all.pep 21.fa 21.gff3",
         ["no variation is published there"]),
    ],
)  # fmt: skip
def test_what_is_not_published_is_left_out_and_said(
    published: Manifest, names: str, left_out: list[str], tmp_path: Path
) -> None:
    found = make_plan(published, tmp_path, chromosomes=None, fasta=True, genes=True)
    files = [item.file.name for item in found.wanted]
    assert sorted(files) == sorted(
        f"{name}.gz".replace(".pep.", ".pep.fa.") for name in names.split()
    )
    assert len(found.left_out) == len(left_out)
    for told, expected in zip(found.left_out, left_out, strict=True):
        assert told.startswith(expected)
        assert f"  {told}" in found.lines()


def test_the_store_takes_a_tenth_more_than_its_sources(tmp_path: Path, cache: Path) -> None:
    found = make_plan(manifest(), tmp_path / "out", chromosomes=["22"], fasta=False, genes=False)
    assert found.needs == (
        Need("the download", cache, 20_971_520),
        Need("the store", tmp_path / "out", 23_068_672),
    )


def test_what_dvc_keeps_counts_on_another_disk_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needs(disks: dict[str, int]) -> list[tuple[str, int]]:
        monkeypatch.setattr(plan, "_existing", lambda folder: Disk(disks[folder.name]))
        made = make_plan(
            manifest(),
            tmp_path / "out",
            chromosomes=["22"],
            fasta=False,
            genes=False,
            dvc_cache=tmp_path / "dvc",
        )
        return [(need.what, need.num_bytes) for need in made.needs]

    assert [what for what, _ in needs({"out": 1, "dvc": 1})] == ["the download", "the store"]
    assert needs({"out": 1, "dvc": 2})[2:] == [("DVC's cache", 23_068_672)]


class Disk:
    """A folder on a disk with this number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def stat(self) -> os.stat_result:
        return os.stat_result((0, 0, self._number, 0, 0, 0, 0, 0, 0, 0))


def plan_of(*needs: Need) -> Plan:
    return Plan(manifest(), (), (), (), 0, 0, needs)


def test_what_is_on_one_disk_is_summed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download, store = (
        Need(name, tmp_path / name / "deep", 500_000_000) for name in ("download", "store")
    )
    plan_of(download, store).check_disk()
    more = Need("DVC's cache", tmp_path / "dvc", 1)
    with pytest.raises(EnsemblAnnotationsError, match=r"1\.00 GB are needed") as caught:
        plan_of(download, store, more).check_disk()
    assert caught.value.code == "disk_full"
    assert "500.00 MB for download, 500.00 MB for store" in caught.value.message
    assert "Nothing was downloaded" in caught.value.message
    disks = {download.folder: 1, store.folder: 1, more.folder: 2}
    monkeypatch.setattr(plan, "_existing", lambda folder: Disk(disks[folder]))
    plan_of(download, store, more).check_disk()


def test_the_plan_as_text(tmp_path: Path) -> None:
    made = make_plan(manifest(), tmp_path / "out", chromosomes=["22"], fasta=False, genes=False)
    first, missing, *disks = made.lines()
    assert first == (
        "homo_sapiens GRCh38 release 116: 1 files, 20.97 MB; to download: 1 files, 20.97 MB"
    )
    # 25 human chromosomes, of which 21 and 22 are published.
    assert missing == "  not published there: 23 human chromosomes (1, 2, 3, 4, 5 …)"
    assert disks == [
        f"  disk for the download: 20.97 MB in {tmp_path}/cache (1.00 GB free)",
        f"  disk for the store: 23.07 MB in {tmp_path}/out (1.00 GB free)",
    ]
