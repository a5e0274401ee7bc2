"""Folders as DVC knows them, and which files in them are somebody else's."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.project.folders import (
    digest_of,
    list_folder,
    name_files,
    refuse_foreign,
    refuse_links,
)
from ensembl_annotations.project.git import run_git
from ensembl_annotations.project.project import Project


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_files_are_named_by_their_paths_without_noise(tmp_path: Path) -> None:
    noise = [".DS_Store", "b/x.pyc", ".a.swp", "a~", ".a.0.tmp"]
    touch(tmp_path, "b/c", "a", "tmp", "a.tmp", *noise)
    assert name_files(tmp_path) == ["a", "a.tmp", "b/c", "tmp"]
    assert name_files(tmp_path, ()) == sorted(["a", "a.tmp", "b/c", "tmp", *noise])
    assert name_files(tmp_path / "gone") == []


def test_what_is_no_file_has_no_md5(tmp_path: Path) -> None:
    touch(tmp_path, "a")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "dead").symlink_to("gone")
    os.mkfifo(tmp_path / "pipe")
    digest = md5(b"a")
    assert list_folder(tmp_path) == {"a": digest, "dead": "", "link": digest, "pipe": ""}


def test_a_folder_has_the_digest_that_dvc_gives_it() -> None:
    """The MD5 of a JSON list of MD5 and path, sorted by path."""
    listing = {"b": md5(b"1"), "a/c": md5(b"2")}
    text = json.dumps([{"md5": listing[path], "relpath": path} for path in ("a/c", "b")])
    assert digest_of(listing) == f"{md5(text.encode())}.dir"
    assert digest_of(dict(reversed(listing.items()))) == digest_of(listing)


def project_of(root: Path, cache: Path | None = None) -> Project:
    return cast(Any, SimpleNamespace(root=root, dvc=SimpleNamespace(cache=cache)))


STORE = "data/ensembl_annotations"
SAMPLE = "data/annotated/me"
REPORT = "data/reports/me"


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        (
            STORE,
            [
                "datapackage.json",
                "genes.schema.json",
                "quarantine.tsv.gz",
                "mus_musculus-chrX.details.parquet",
            ],
        ),
        (STORE, [".datapackage.json.7.tmp", ".DS_Store"]),
        (SAMPLE, ["annotated.vcf.gz", "annotated.vcf.gz.csi", "annotated.vcf.gz.tbi"]),
        (SAMPLE, ["annotated.parquet", "tally.json", "summary.html", "me_mqc.json"]),
        (SAMPLE, ["failures.tsv", "a/annotated.vcf.gz", "a/receipt.json", "b-2/tally.json"]),
        (REPORT, ["summary.html", "me_mqc.json", "contigs.svg", "frequencies.svg"]),
    ],
)
def test_what_stages_write_is_ours(folder: str, names: list[str], tmp_path: Path) -> None:
    touch(tmp_path / folder, *names)
    refuse_foreign(project_of(tmp_path), Path(folder))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (STORE, "notes.txt"),
        (STORE, "annotated.vcf.gz"),
        (STORE, "sub/datapackage.json"),
        (STORE, "mus_musculus-chr1/x.parquet"),
        (STORE, "datapackage.json~"),
        (SAMPLE, "contigs.svg"),
        (SAMPLE, "you_mqc.json"),
        (SAMPLE, "annotated.vcf"),
        (SAMPLE, "a/notes.txt"),
        (SAMPLE, "a/b/tally.json"),
        (SAMPLE, ".a/tally.json"),
        (REPORT, "annotated.vcf.gz"),
        (REPORT, "tally.json"),
    ],
)
def test_what_they_do_not_write_is_not(folder: str, name: str, tmp_path: Path) -> None:
    touch(tmp_path / folder, name, "summary.html")
    with pytest.raises(EnsemblAnnotationsError, match=name) as caught:
        refuse_foreign(project_of(tmp_path), Path(folder))
    assert caught.value.code == "foreign_files"
    assert (tmp_path / folder / name).exists()


def test_a_sample_is_not_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path / "data/reports/m.", "me_mqc.json")
    with pytest.raises(EnsemblAnnotationsError, match="me_mqc"):
        refuse_foreign(project_of(tmp_path), Path("data/reports/m."))


def test_what_dvc_has_a_copy_of_is_nobodys_loss(tmp_path: Path) -> None:
    touch(tmp_path / SAMPLE, "older.name")
    digest = md5(b"older.name")
    cache = tmp_path / "cache"
    touch(cache, f"files/md5/{digest[:2]}/{digest[2:]}")
    refuse_foreign(project_of(tmp_path, cache), Path(SAMPLE))
    (tmp_path / SAMPLE / "older.name").write_text("changed")
    with pytest.raises(EnsemblAnnotationsError, match=r"older\.name"):
        refuse_foreign(project_of(tmp_path, cache), Path(SAMPLE))


LINKS = [
    *("data", "data/annotated", SAMPLE, "data/reports", REPORT, STORE, "metrics", "metrics/run"),
    *("logs", "logs/runs.jsonl", "dvc.lock", ".dvc/tmp", ".dvc/tmp/rwlock"),
]


@pytest.mark.parametrize("name", LINKS)
def test_links_that_lead_out_of_the_repository(name: str, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (root / name).parent.mkdir(parents=True)
    refuse_links(project_of(root), Path(SAMPLE), Path(REPORT))
    (root / name).symlink_to(outside)
    with pytest.raises(EnsemblAnnotationsError, match=f"^{name} -> {outside}: ") as caught:
        refuse_links(project_of(root), Path(SAMPLE), Path(REPORT))
    assert caught.value.code == "link"
    assert list(outside.iterdir()) == []


def test_a_cache_on_another_disk_is_refused_only_if_git_has_the_link(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/cache").symlink_to(tmp_path.parent)
    refuse_links(project_of(tmp_path))
    run_git(tmp_path, "init", "--quiet")
    refuse_links(project_of(tmp_path))
    run_git(tmp_path, "add", ".dvc/cache")
    with pytest.raises(EnsemblAnnotationsError, match="dvc/cache -> "):
        refuse_links(project_of(tmp_path))
