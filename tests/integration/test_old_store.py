"""A reference that a former version of the program made: what every command does with it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ensembl_annotations.versions import STORE_VERSION
from tests.integration.helpers import SAMPLE_VCF, STORE, Project
from tests.support.nginx import nginx

MIRROR = "data/mini_ensembl"
NEW = int(f"1{STORE_VERSION}")
FETCH = "fetch_ensembl"
NUM_FILES = 10


@pytest.fixture
def old(part: Project) -> Project:
    """A project whose store is of the layout before that of its program."""
    path = part.path("src/ensembl_annotations/versions.py")
    text = path.read_text("utf-8")
    path.write_text(
        re.sub(rf"(?m)^STORE_VERSION = {STORE_VERSION}$", f"STORE_VERSION = {NEW}", text), "utf-8"
    )
    return part


def version_of(project: Project) -> int:
    text = project.path(f"{STORE}/datapackage.json").read_text("utf-8")
    return int(re.findall(r'"store_version": (\d+)', text)[0])


def test_what_the_download_cache_lacks_is_not_downloaded_unasked(
    old: Project, tmp_path: Path
) -> None:
    before, empty = old.digests(STORE), str(tmp_path / "downloads")
    with nginx(tmp_path / "nginx", old.path(MIRROR)) as server:
        old.set_param("run.sources.mini", {"main": server.url})
        done = old.materialize(code=1, ENSEMBL_ANNOTATIONS_CACHE=empty)
        planned = old.materialize("--dry-run", ENSEMBL_ANNOTATIONS_CACHE=empty).output
        size = re.findall(rf"to download: {NUM_FILES} files, (\S+ \S+)\n", planned)[0]
        assert f"has version {STORE_VERSION}, this program reads {NEW}" in done.output
        assert f"{NUM_FILES} of {NUM_FILES} files ({size})" in done.output
        assert server.requests() == []
        assert old.digests(STORE) == before
        # What the message names.
        old.repro(FETCH, ENSEMBL_ANNOTATIONS_CACHE=empty)
        assert version_of(old) == NEW
        assert server.bytes_sent(".vcf.gz") > 0
        old.materialize(ENSEMBL_ANNOTATIONS_CACHE=empty)


@pytest.mark.parametrize("how", ["cached", "forced", "parameter", "folder", "removed"])
def test_it_is_made_again_where_nothing_is_to_be_asked(
    old: Project, tmp_path: Path, how: str
) -> None:
    cache = {} if how == "cached" else {"ENSEMBL_ANNOTATIONS_CACHE": str(tmp_path / "downloads")}
    with nginx(tmp_path / "nginx", old.path(MIRROR)) as server:
        if how != "folder":
            old.set_param("run.sources.mini", {"main": server.url})
        old.set_param("run.force_download", how == "parameter")
        if how == "removed":
            shutil.rmtree(old.path(STORE))
        arguments = ["--force", "ensembl_annotations"] if how == "forced" else []
        old.materialize(*arguments, **cache)
        assert version_of(old) == NEW
        assert (server.requests() == []) == (how in ("cached", "folder"))


@pytest.mark.parametrize(
    "command",
    [
        ["verify", STORE],
        ["annotate", "--vcf", SAMPLE_VCF, "--out-vcf", "-", "--reference", STORE],
    ],
    ids=["verify", "annotate"],
)
def test_commands_that_read_it_say_what_to_do(old: Project, command: list[str]) -> None:
    done = old.tool(*command, code=1)
    assert (
        f"{STORE}/datapackage.json: the store's layout has version {STORE_VERSION}" in done.output
    )
    assert "To make it again run 'make'" in done.output
    assert "Traceback" not in done.output


def test_a_revision_with_it_can_not_be_compared_but_is_named(old: Project, tmp_path: Path) -> None:
    old.materialize()
    done = old.tool("compare", "HEAD", STORE, code=1)
    assert f"HEAD: {STORE}/datapackage.json: the store's layout has version" in done.output
    assert "'ensembl-annotations fetch --out FOLDER'" in done.output
    # The hint is no empty promise.
    old.tool(
        *("fetch", "--base-url", MIRROR, "--release", "116", "--source", "mini"),
        *("--chromosomes", old.params()["ensembl"]["chromosomes"], "--out", tmp_path / "again"),
    )
    old.tool("compare", tmp_path / "again", STORE)


def test_an_old_commit_s_data_come_with_its_program(old: Project) -> None:
    before = old.digests(STORE)
    old.materialize()
    old.commit()
    old.git("checkout", "--quiet", "HEAD~1")
    old.dvc("checkout", FETCH)
    assert old.digests(STORE) == before
    old.tool("verify", STORE)
    # With the program of now, what was checked out is made again.
    old.git("checkout", "--quiet", "-")
    old.materialize()
    assert version_of(old) == NEW
