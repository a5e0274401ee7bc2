"""A shared reference: push, pull, and every way in which that can go wrong, against real servers."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from zc.lockfile import LockFile

from ensembl_annotations import lookup
from ensembl_annotations.project.dvc import Dvc
from tests.integration.helpers import ANNOTATED, REPORTED, STORE, Done, Project
from tests.support.nginx import nginx
from tests.support.seaweed import S3Server, find_weed, s3_server
from tests.support.sshd import sshd


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if find_weed() is None:
        pytest.skip("weed (SeaweedFS) is not installed: no S3 server")
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        server.files().mkdir("shared")
        yield server


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Project:
    """A project whose reference has few chromosomes, but more files than are pushed at a time."""
    found: Project = request.getfixturevalue(getattr(request, "param", "light"))
    assert len(found.digests(STORE)) > 8
    return found


# Of a file that takes its time, and has no room on a small disk.
with_a_long_sequence = pytest.mark.parametrize("project", ["part"], indirect=True)


@dataclass
class Remote:
    """A place to share by, and what looks into it."""

    kind: str
    url: str
    variables: dict[str, str]
    folder: Path | None = None
    server: S3Server | None = None

    def configure(self, project: Project) -> None:
        # As `dvc remote modify` does, which takes longer.
        path = project.path(".dvc/config")
        config = ConfigParser(interpolation=None)
        config.read(path, "utf-8")
        section = config["'remote \"refcache\"'"]
        section["url"] = self.url
        if self.server is not None:
            section["endpointurl"] = self.server.url
        with path.open("w", encoding="utf-8") as file:
            config.write(file)
        project.commit()

    def objects(self) -> dict[str, bytes]:
        """Return everything that is there, by path."""
        if self.folder is not None:
            paths = (path for path in self.folder.rglob("*") if path.is_file())
            return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}
        assert self.server is not None
        files, base = self.server.files(), self.url.removeprefix("s3://")
        if not files.exists(base):
            return {}
        paths = files.find(base)
        # All side by side; of a single path it would return the content alone.
        contents = files.cat(paths) if len(paths) > 1 else {path: files.cat(path) for path in paths}
        return {path.removeprefix(f"{base}/"): content for path, content in contents.items()}

    def write(self, path: str, content: bytes) -> None:
        if self.folder is not None:
            target = self.folder / path
            target.unlink()
            target.write_bytes(content)
        else:
            assert self.server is not None
            self.server.files().pipe(f"{self.url.removeprefix('s3://')}/{path}", content)

    def create(self, path: str, content: bytes) -> None:
        if self.folder is not None:
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).touch()
        self.write(path, content)

    def remove(self, path: str) -> None:
        if self.folder is not None:
            (self.folder / path).unlink()
        else:
            assert self.server is not None
            self.server.files().rm_file(f"{self.url.removeprefix('s3://')}/{path}")


# The kinds differ in how a file is looked for, read and written, which DVC's file systems do, and in four checks
# that have tests of their own: a pipe, a full disk, a bucket that is not there, an answer of HTTP that is none.
# All else is decided by one code for every kind, for which a folder is enough.
every_kind = pytest.mark.parametrize("remote", ["path", "s3"], indirect=True)


@pytest.fixture
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    """A folder; with `every_kind`, a bucket, too."""
    if getattr(request, "param", "path") == "path":
        folder = tmp_path / "remote"
        return Remote("path", str(folder), {}, folder=folder)
    server: S3Server = request.getfixturevalue("s3")
    return Remote("s3", f"s3://shared/{tmp_path.name}", keys("writer"), server=server)


def keys(name: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": f"{name}-secret"}


def tool(project: Project, *arguments: str | Path, code: int = 0, **variables: str) -> Done:
    return project.tool(*arguments, code=code, **variables)


@pytest.fixture
def writer(project: Project, remote: Remote) -> Project:
    """A project with data whose remote is the one of the test."""
    remote.configure(project)
    return project


def reader(writer: Project, tmp_path: Path, name: str = "reader") -> Project:
    return writer.clone(tmp_path / name)


def object_of(project: Project, name: str) -> str:
    """Return where a remote has a file of the store."""
    for relative, digest in project.digests(STORE).items():
        if relative == name:
            return f"files/md5/{digest[:2]}/{digest[2:]}"
    raise KeyError(name)


# With a sequence and genes.
CHR_MT = "homo_sapiens-chrMT.parquet"
DAV_MODULE = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")


@every_kind
def test_what_is_published_is_pulled_verified_and_used(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    first = tool(writer, "publish", **remote.variables)
    assert f"{len(writer.digests(STORE))} files" in first.output
    again = tool(writer, "publish", **remote.variables)
    assert " 0 pushed" in again.output
    clone = reader(writer, tmp_path)
    clone.dvc("pull", "fetch_ensembl", **remote.variables)
    assert clone.digests(STORE) == writer.digests(STORE)
    assert "verified" in tool(clone, "verify", STORE).output
    # Annotated with, and nothing downloaded.
    assert clone.repro(**remote.variables) == ["annotate@sample", "report@sample"]
    assert clone.digests(ANNOTATED) == writer.digests(ANNOTATED)
    assert clone.changed() == []


def test_what_is_published_can_be_read_in_place(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one command more than sharing takes: an ID is looked up by an index that is of this reference."""
    writer = project
    Remote("path", str(tmp_path / "remote"), {}, folder=tmp_path / "remote").configure(writer)
    # Another one is here than is published.
    writer.path(f"{STORE}/alleles.schema.json").unlink()
    target = tmp_path / "www" / "116"
    done = tool(writer, "publish", "--in-place", target)
    assert f"to be read in place: {target} and its index" in done.output
    assert not [path for path in writer.path("data").iterdir() if path.name.endswith("in-place")]
    with nginx(tmp_path / "nginx", target.parent) as server:
        found = lookup("rs9000000232", f"{server.url}/116")
        assert found["pos"].to_list() == [5000441]
        assert any("ids.parquet" in row[3] for row in server.requests())
    refused = tool(writer, "publish", "--in-place", "data/ensembl_annotations", code=2)
    assert "is the reference of this repository" in refused.output
    refused = tool(writer, "publish", "--in-place", "https://example.org/116", code=2)
    assert "no files are written there" in refused.output


def test_one_chromosome_is_pulled_alone(writer: Project, remote: Remote, tmp_path: Path) -> None:
    tool(writer, "publish", **remote.variables)
    clone = reader(writer, tmp_path)
    alleles = ["datapackage.json", CHR_MT]
    sequence, genes = (CHR_MT.replace("parquet", kind) for kind in ("2bit", "genes.parquet"))
    annotate = [
        "annotate", "--vcf", "data/vcf/sample.vcf.gz", "--reference", STORE,
        "--chromosomes", "MT", "--out-vcf", tmp_path / "o.vcf.gz",
    ]  # fmt: skip
    clone.dvc("pull", *(f"{STORE}/{name}" for name in alleles), **remote.variables)
    assert sorted(clone.digests(STORE)) == sorted(alleles)
    # Without its sequence and its genes, less would be said of a variant, and nobody told.
    refused = tool(clone, *annotate, code=1)
    assert f"{sequence} is missing; {genes} is missing" in refused.output
    assert "ensembl-annotations pull" in refused.output
    assert not (tmp_path / "o.vcf.gz").exists()
    clone.dvc("pull", f"{STORE}/{sequence}", f"{STORE}/{genes}", **remote.variables)
    assert sorted(clone.digests(STORE)) == sorted([*alleles, sequence, genes])
    assert "annotated" in tool(clone, *annotate).output
    assert "3 files verified" in tool(clone, "verify", STORE, "--chromosomes", "MT").output
    whole = tool(clone, "verify", STORE, code=1)
    assert "ensembl-annotations pull" in whole.output
    assert "--chromosomes" in whole.output
    assert (
        "chromosomes: 77: not among the available chromosomes"
        in tool(clone, "verify", STORE, "--chromosomes", "77", code=2).output
    )


@every_kind
def test_another_project_gets_it_by_name(writer: Project, remote: Remote, tmp_path: Path) -> None:
    tool(writer, "publish", **remote.variables)
    writer.git("tag", "--annotate", "--message", "116", "ensembl_annotations@v116.0.0")
    other = Project(tmp_path / "other", writer.environment)
    other.root.mkdir()
    other.dvc(
        "artifacts", "get", str(writer.root), "ensembl_annotations", "-o", "mine",
        **remote.variables,
    )  # fmt: skip
    assert other.digests("mine") == writer.digests(STORE)


def test_nothing_of_a_sample_reaches_a_remote(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    writer.set_param("samples.secretname", {"vcf": "data/vcf/secretname.vcf.gz"})
    shutil.copy(writer.path("data/vcf/sample.vcf.gz"), writer.path("data/vcf/secretname.vcf.gz"))
    writer.repro()
    # The only commit: those before have a relative remote, which DVC looks for at / here.
    before = writer.git("branch", "--format=%(refname:short)").split()
    writer.git("checkout", "--quiet", "--orphan", "alone")
    writer.commit()
    writer.git("branch", "--quiet", "-D", *before)
    writer.git("remote", "remove", "origin")
    tool(writer, "publish", **remote.variables)
    writer.dvc("push", code=None, **remote.variables)
    writer.dvc("push", "--all-commits", code=None, **remote.variables)
    writer.dvc("install")
    origin = tmp_path / "origin.git"
    writer.git("init", "--quiet", "--bare", origin)
    writer.run("git", "push", "--quiet", origin, "HEAD:main", code=None, **remote.variables)
    objects = remote.objects()
    assert objects
    mine = {*writer.digests(ANNOTATED).values(), *writer.digests("data/vcf").values()}
    for path, content in objects.items():
        assert "".join(path.split("/")[-2:]).removesuffix(".dir") not in mine
        for word in (b"secretname", b"sample.vcf", b"data/annotated", str(writer.root).encode()):
            assert word not in content, path


@with_a_long_sequence
@every_kind
def test_two_publish_at_once(writer: Project, remote: Remote, tmp_path: Path) -> None:
    other = writer.copy(tmp_path / "other")
    environment = {**writer.environment, **remote.variables}
    running = [
        subprocess.Popen(
            ["ensembl-annotations", "publish"],
            cwd=item.root,
            env={**environment, "PYTHONPATH": str(item.root / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for item in (writer, other)
    ]
    printed = [process.communicate()[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], printed
    clone = reader(writer, tmp_path)
    clone.dvc("pull", "fetch_ensembl", **remote.variables)
    assert clone.digests(STORE) == writer.digests(STORE)


def test_a_file_that_is_missing_there_is_pushed_again(writer: Project, remote: Remote) -> None:
    """DVC itself takes a remote that has the list of files for one that has them all."""
    tool(writer, "publish", **remote.variables)
    remote.remove(object_of(writer, CHR_MT))
    done = tool(writer, "publish", **remote.variables)
    assert "1 pushed" in done.output
    assert object_of(writer, CHR_MT) in remote.objects()


@every_kind
def test_a_file_that_is_cut_there_is_named_and_mended(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    tool(writer, "publish", **remote.variables)
    place = object_of(writer, CHR_MT)
    whole = remote.objects()[place]
    remote.write(place, whole[:-7])
    clone = reader(writer, tmp_path)
    clone.dvc("pull", "fetch_ensembl", code=None, **remote.variables)
    done = tool(writer, "repair", **remote.variables)
    assert f"{CHR_MT} (in the remote)" in done.output
    assert remote.objects()[place] == whole


@every_kind
def test_an_altered_file_there_is_named_and_mended(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    tool(writer, "publish", **remote.variables)
    place = object_of(writer, CHR_MT)
    whole = remote.objects()[place]
    remote.write(place, whole[:-7] + b"altered")
    # Who pulls gets an error of DVC without a name, and no such file; `repair` makes it anew.
    clone = reader(writer, tmp_path)
    pulled = clone.dvc("pull", "fetch_ensembl", code=None, **remote.variables)
    assert pulled.code != 0
    mended = tool(clone, "repair", **remote.variables)
    assert CHR_MT in mended.output
    # Not a whole release for one file.
    assert "Made again from what Ensembl published: chromosomes MT." in mended.output
    assert "Running stage" not in mended.output
    assert clone.digests(STORE) == writer.digests(STORE)
    assert remote.objects()[place] == whole
    # Who has it all finds it by reading the remote.
    remote.write(place, whole[:-7] + b"altered")
    assert "mended: none" in tool(writer, "repair", **remote.variables).output
    done = tool(writer, "repair", "--content", **remote.variables)
    assert f"{CHR_MT} (in the remote)" in done.output
    assert remote.objects()[place] == whole


def test_an_altered_file_here_is_not_pushed(writer: Project, remote: Remote) -> None:
    expected = writer.digests(STORE)
    digest = expected[CHR_MT]
    cached = writer.path(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}")
    content = cached.read_bytes()
    cached.chmod(0o644)
    cached.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused = tool(writer, "publish", code=1, **remote.variables)
    assert CHR_MT in refused.output
    assert "is altered" in refused.output
    assert remote.objects() == {}
    assert CHR_MT in tool(writer, "repair", **remote.variables).output
    assert writer.digests(STORE) == expected
    tool(writer, "publish", **remote.variables)


def test_nothing_is_published_before_the_first_run(demo: Project, tmp_path: Path) -> None:
    clone = demo.clone(tmp_path / "empty")
    done = tool(clone, "publish", code=1)
    assert "neither in DVC's cache nor in remote 'refcache'" in done.output
    assert "Traceback" not in done.output


def test_an_unknown_remote(project: Project) -> None:
    project.dvc("remote", "remove", "refcache")
    done = tool(project, "publish", code=2)
    assert "Remote 'refcache'" in done.output
    assert "Traceback" not in done.output


def test_what_is_missing_there_is_found_by_repair(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    unpublished = tool(writer, "repair", **remote.variables)
    assert "has none of these files" in unpublished.output
    assert remote.objects() == {}
    tool(writer, "publish", **remote.variables)
    whole = remote.objects()
    for name in (CHR_MT, "datapackage.json"):
        remote.remove(object_of(writer, name))
        done = tool(writer, "repair", **remote.variables)
        assert f"mended: {name} (in the remote)." in done.output
        assert remote.objects() == whole
    # A reader learns of it too, though it has all.
    clone = reader(writer, tmp_path)
    clone.dvc("pull", "fetch_ensembl", **remote.variables)
    remote.remove(object_of(writer, CHR_MT))
    assert CHR_MT in tool(clone, "repair", **remote.variables).output


@pytest.mark.parametrize("step", [["fetch", "fetch_ensembl"], ["pull", "fetch_ensembl"]])
def test_what_is_cached_is_not_made_again(
    writer: Project, remote: Remote, tmp_path: Path, step: list[str]
) -> None:
    """DVC takes it from its cache only where the record of the run that made it is there, too."""
    tool(writer, "publish", **remote.variables)
    writer.git("checkout", "--quiet", "-b", "earlier")
    writer.set_param("ensembl.release", 115)
    writer.repro()
    writer.commit()
    tool(writer, "publish", **remote.variables)
    clone = reader(writer, tmp_path)
    clone.dvc(*step, **remote.variables)
    clone.git("fetch", "--quiet", "origin", "earlier")
    clone.git("checkout", "--quiet", writer.git("rev-parse", "HEAD~1").strip())
    clone.dvc("pull", "fetch_ensembl", **remote.variables)
    clone.git("checkout", "--quiet", writer.git("rev-parse", "HEAD").strip())
    remote.configure(clone)
    done = tool(clone, "materialize", **remote.variables)
    assert "$ dvc checkout --force fetch_ensembl" in done.output
    assert done.ran == ["annotate@sample", "report@sample"]
    assert clone.digests(STORE) == writer.digests(STORE)


def test_what_is_not_the_pipeline_s_is_not_removed(writer: Project, remote: Remote) -> None:
    for folder in (STORE, ANNOTATED):
        mine = writer.path(f"{folder}/notes.txt")
        mine.write_text("mine")
        for command in ("materialize", "repair") if folder == STORE else ("materialize",):
            done = tool(writer, command, code=1, **remote.variables)
            assert f"{folder}/notes.txt" in done.output.replace(f"{folder}: ", f"{folder}/")
            assert "not made by the pipeline" in done.output
            assert mine.read_text() == "mine"
        mine.unlink()
    # Nor what only looks like it.
    for name in (
        f"{STORE}/rare-chr21.parquet", f"{ANNOTATED}/mine.parquet", f"{ANNOTATED}/a~",
        f"{ANNOTATED}/other_mqc.json",
    ):  # fmt: skip
        writer.path(name).write_text("mine")
        assert "not made by the pipeline" in tool(writer, "materialize", code=1).output
        writer.path(name).unlink()
    # Nor where the sample is no longer in the parameters.
    params = writer.path("params.yaml").read_bytes()
    writer.set_param("samples", {})
    lock = writer.path("dvc.lock").read_bytes()
    for folder in (ANNOTATED, REPORTED):
        mine = writer.path(f"{folder}/notes.txt")
        mine.write_text("mine")
        assert "not made by the pipeline" in tool(writer, "materialize", code=1).output
        assert mine.read_text() == "mine"
        assert writer.path("dvc.lock").read_bytes() == lock
        mine.unlink()
    writer.path("params.yaml").write_bytes(params)
    # What a killed run left behind is nobody's, and older commits had the report with the VCF.
    before = writer.digests(ANNOTATED)
    for name in (".annotated.vcf.gz.12345678.tmp", "summary.html", "sample_mqc.json"):
        writer.path(f"{ANNOTATED}/{name}").write_bytes(b"of an older commit")
    tool(writer, "materialize", **remote.variables)
    after = writer.digests(ANNOTATED)
    assert {name: md5 for name, md5 in after.items() if not name.endswith(".tmp")} == before


def test_an_altered_list_of_files(writer: Project, remote: Remote, tmp_path: Path) -> None:
    tool(writer, "publish", **remote.variables)
    lock = writer.path("dvc.lock").read_text("utf-8")
    found = re.search(rf"{STORE}\n\s+hash: md5\n\s+md5: (\w\w)(\w+\.dir)", lock)
    assert found
    name = f"{found[1]}/{found[2]}"
    place = next(path for path in remote.objects() if path.endswith(name))
    whole = remote.objects()[place]
    for command, local in (("publish", False), ("repair", False), ("repair", True)):
        remote.write(place, whole.replace(b"a", b"b", 1))
        if local:
            writer.path(f".dvc/cache/files/md5/{name}").unlink()
        done = tool(writer, command, **remote.variables)
        if command == "repair":
            assert "the list of files (in the remote)" in done.output
        assert remote.objects()[place] == whole
    clone = reader(writer, tmp_path)
    clone.dvc("pull", "fetch_ensembl", **remote.variables)
    path = clone.path(f".dvc/cache/files/md5/{name}")
    path.chmod(0o644)
    path.write_bytes(whole[:-5])
    assert "mended: the list of files." in tool(clone, "repair", **remote.variables).output
    assert path.read_bytes() == whole


def test_what_is_forced_is_made_from_the_reference_of_the_lock(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    tool(writer, "publish", **remote.variables)
    clone = reader(writer, tmp_path)
    done = tool(clone, "materialize", "annotated_vcf", "--force", **remote.variables)
    assert done.ran == ["annotate@sample", "report@sample"]
    assert clone.digests(ANNOTATED) == writer.digests(ANNOTATED)


def test_what_is_wrong_in_the_workspace_is_mended(writer: Project, remote: Remote) -> None:
    expected = writer.digests(STORE)
    path = writer.path(f"{STORE}/{CHR_MT}")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1])
    done = tool(writer, "repair", **remote.variables)
    assert "mended: none." in done.output
    assert "Put back in the workspace, as dvc.lock has them: 1 file." in done.output
    assert writer.digests(STORE) == expected


def test_a_remote_without_an_address(project: Project) -> None:
    project.dvc("remote", "modify", "--local", "refcache", "url", "")
    before = project.changed()
    done = tool(project, "publish", code=2)
    assert "Remote 'refcache': its address is this repository's own folder" in done.output
    assert project.changed() == before
    assert not project.path("files").exists()


def test_from_a_folder_inside(writer: Project, remote: Remote) -> None:
    for command in ("publish", "repair"):
        writer.run(
            "sh", "-c", f"cd docs && exec ensembl-annotations {command}",
            PYTHONPATH=str(writer.root / "src"), **remote.variables,
        )  # fmt: skip
    assert object_of(writer, CHR_MT) in remote.objects()


def test_a_push_that_fails_leaves_what_was_there(
    s3_writer: tuple[Project, Remote], tmp_path: Path
) -> None:
    writer, remote = s3_writer
    tool(writer, "publish", **keys("writer"))
    remote.remove(object_of(writer, CHR_MT))
    before = remote.objects()
    failed = tool(writer, "publish", code=1, **keys("reader"))
    assert f"{CHR_MT}: not pushed" in failed.output
    assert len(failed.output.splitlines()) < 6
    assert remote.objects() == before
    assert "1 pushed" in tool(writer, "publish", **keys("writer")).output


def test_repair_makes_no_other_release(writer: Project, remote: Remote) -> None:
    lock, expected = writer.path("dvc.lock").read_bytes(), writer.digests(STORE)
    digest = expected[CHR_MT]
    for path in (f"{STORE}/{CHR_MT}", f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"):
        writer.path(path).unlink()
    writer.set_param("ensembl.release", 115)
    refused = tool(writer, "repair", code=1, **remote.variables)
    assert "would give another one" in refused.output
    assert "Running stage" not in refused.output
    assert writer.path("dvc.lock").read_bytes() == lock
    writer.set_param("ensembl.release", 116)
    assert CHR_MT in tool(writer, "repair", **remote.variables).output
    assert writer.digests(STORE) == expected


def test_a_lock_of_another_command_is_explained(project: Project, tmp_path: Path) -> None:
    clone = reader(project, tmp_path)
    clone.dvc("status", code=None)
    with closing(LockFile(str(clone.path(".dvc/tmp/lock")))):
        failed = tool(clone, "materialize", "ensembl_annotations", code=1)
    assert "another command of DVC is running here" in failed.output
    assert "Traceback" not in failed.output


@every_kind
def test_a_new_clone_pulls_before_it_would_download(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    tool(writer, "publish", **remote.variables)
    clone = reader(writer, tmp_path)
    done = tool(clone, "materialize", "ensembl_annotations", **remote.variables)
    assert "$ dvc pull --force fetch_ensembl" in done.output
    assert "Running stage" not in done.output
    assert "ensembl_annotations: cached" in done.output
    assert clone.digests(STORE) == writer.digests(STORE)
    # Where the reference wanted is another one, or is not there, nothing is pulled.
    changed = reader(writer, tmp_path, "changed")
    changed.set_param("ensembl.chromosomes", 21)
    done = tool(changed, "materialize", "ensembl_annotations", **remote.variables)
    assert "dvc pull" not in done.output
    assert done.ran == ["ensembl_manifest", "fetch_ensembl"]
    for path in remote.objects():
        remote.remove(path)
    alone = reader(writer, tmp_path, "alone")
    done = tool(alone, "materialize", "ensembl_annotations", **remote.variables)
    assert "dvc pull" not in done.output
    assert alone.digests(STORE) == writer.digests(STORE)


# --- S3


@pytest.fixture
def s3_writer(project: Project, s3: S3Server, tmp_path: Path) -> tuple[Project, Remote]:
    found = Remote("s3", f"s3://shared/{tmp_path.name}", keys("writer"), server=s3)
    found.configure(project)
    return project, found


def test_who_may_only_read_can_pull_but_not_publish(
    s3_writer: tuple[Project, Remote], tmp_path: Path
) -> None:
    writer, remote = s3_writer
    refused = tool(writer, "publish", code=1, **keys("reader"))
    assert "Traceback" not in refused.output
    assert remote.objects() == {}
    tool(writer, "publish", **keys("writer"))
    clone = reader(writer, tmp_path)
    clone.dvc("pull", "fetch_ensembl", **keys("reader"))
    assert clone.digests(STORE) == writer.digests(STORE)


@pytest.mark.parametrize("variables", [keys("nobody"), {}], ids=["wrong", "none"])
def test_wrong_credentials(s3_writer: tuple[Project, Remote], variables: dict[str, str]) -> None:
    writer, remote = s3_writer
    refused = tool(writer, "publish", code=1, AWS_EC2_METADATA_DISABLED="true", **variables)
    assert "Remote 'refcache'" in refused.output or "remote 'refcache'" in refused.output
    assert "docs/sharing.md" in refused.output
    assert "Traceback" not in refused.output
    assert remote.objects() == {}
    # A release is not made again because of a wrong key.
    digest = writer.digests(STORE)[CHR_MT]
    for path in (f"{STORE}/{CHR_MT}", f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"):
        writer.path(path).unlink()
    refused = tool(writer, "repair", code=1, AWS_EC2_METADATA_DISABLED="true", **variables)
    assert f"{CHR_MT}: is not in DVC's cache" in refused.output
    assert "docs/sharing.md" in refused.output
    assert "dvc repro --force --single-item fetch_ensembl" in refused.output
    assert "Running stage" not in refused.output
    assert "Traceback" not in refused.output


def test_who_may_only_read_mends_its_own(s3_writer: tuple[Project, Remote], tmp_path: Path) -> None:
    writer, remote = s3_writer
    tool(writer, "publish", **keys("writer"))
    clone = reader(writer, tmp_path)
    clone.dvc("pull", "fetch_ensembl", **keys("reader"))
    remote.remove(object_of(writer, CHR_MT))
    refused = tool(clone, "repair", code=1, **keys("reader"))
    assert f"{CHR_MT}: is missing in the remote" in refused.output
    assert "The files here are whole" in refused.output
    assert "Ask who publishes" in refused.output
    assert clone.digests(STORE) == writer.digests(STORE)


def test_a_new_clone_with_a_wrong_key_downloads_nothing(
    s3_writer: tuple[Project, Remote], tmp_path: Path
) -> None:
    writer, remote = s3_writer
    tool(writer, "publish", **keys("writer"))
    clone = reader(writer, tmp_path)
    # A folder without files is no reference.
    clone.path(STORE).mkdir()
    failed = tool(clone, "materialize", code=1, **keys("nobody"))
    assert "docs/sharing.md" in failed.output
    assert "dvc repro fetch_ensembl" in failed.output
    assert "Running stage" not in failed.output
    # Nor where what is there is damaged.
    place = object_of(writer, CHR_MT)
    remote.write(place, remote.objects()[place][:-7] + b"altered")
    failed = tool(clone, "materialize", code=1, **keys("reader"))
    assert "ensembl-annotations repair" in failed.output
    assert "Running stage" not in failed.output
    tool(writer, "repair", "--content", **keys("writer"))
    done = tool(clone, "materialize", "ensembl_annotations", **keys("reader"))
    assert "Running stage" not in done.output
    assert clone.digests(STORE) == writer.digests(STORE)


def test_a_bucket_that_is_not_there(project: Project, s3: S3Server) -> None:
    Remote("s3", "s3://nosuchbucket/ref", {}, server=s3).configure(project)
    refused = tool(project, "publish", code=1, **keys("writer"))
    assert "there is no bucket nosuchbucket" in refused.output
    looked = tool(project, "repair", code=1, **keys("writer"))
    assert "there is no bucket nosuchbucket" in looked.output
    assert "Traceback (most recent" not in refused.output.split("ERROR")[0]


@with_a_long_sequence
def test_a_server_that_dies_meanwhile(
    project: Project, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if find_weed() is None:
        pytest.skip("weed (SeaweedFS) is not installed: no S3 server")
    with s3_server(tmp_path_factory.mktemp("dying")) as server:
        server.files().mkdir("dying")
        remote = Remote("s3", "s3://dying/ref", keys("writer"), server=server)
        remote.configure(project)
        environment: dict[str, Any] = {
            **project.environment, **remote.variables, "PYTHONPATH": str(project.root / "src"),
            "AWS_MAX_ATTEMPTS": "1",
        }  # fmt: skip
        running = subprocess.Popen(
            ["ensembl-annotations", "publish"], cwd=project.root, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        while running.poll() is None and not remote.objects():
            pass
        server.kill()
        printed = running.communicate()[0].decode()
        if running.returncode:
            assert "refcache" in printed
        server.start()
        tool(project, "publish", **remote.variables)
        clone = reader(project, tmp_path)
        clone.dvc("pull", "fetch_ensembl", **remote.variables)
        assert clone.digests(STORE) == project.digests(STORE)


# --- SFTP, WebDAV, HTTP


def check_push_and_pull(project: Project, tmp_path: Path, **variables: str) -> None:
    project.commit()
    done = tool(project, "publish", **variables)
    assert f", {len(project.digests(STORE))} pushed" in done.output
    assert " 0 pushed" in tool(project, "publish", **variables).output
    clone = reader(project, tmp_path)
    clone.dvc("pull", "fetch_ensembl", **variables)
    assert clone.digests(STORE) == project.digests(STORE)
    digest = project.digests(STORE)[CHR_MT]
    cached = clone.path(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}")
    cached.chmod(0o644)
    cached.write_bytes(b"altered")
    assert CHR_MT in tool(clone, "repair", **variables).output
    assert clone.digests(STORE) == project.digests(STORE)


def test_sftp(project: Project, tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd") as server:
        address = f"ssh://127.0.0.1:{server.port}{tmp_path / 'remote'}"
        project.dvc("remote", "modify", "refcache", "url", address)
        user = getpass.getuser()
        variables = {"USER": user, "LOGNAME": user}
        project.dvc("remote", "modify", "refcache", "keyfile", str(server.key))
        check_push_and_pull(project, tmp_path, **variables)


def test_webdav(project: Project, tmp_path: Path) -> None:
    if not DAV_MODULE.exists():
        pytest.skip("libnginx-mod-http-dav-ext is not installed: no WebDAV server")
    (tmp_path / "dav" / "reference").mkdir(parents=True)
    methods = """
    dav_methods PUT DELETE MKCOL COPY MOVE;
    dav_ext_methods PROPFIND OPTIONS;
    create_full_put_path on;
    client_max_body_size 0;
    """
    with nginx(tmp_path / "nginx", tmp_path / "dav", methods, modules=[DAV_MODULE]) as server:
        address = f"{server.url.replace('http', 'webdav', 1)}/reference"
        project.dvc("remote", "modify", "refcache", "url", address)
        check_push_and_pull(project, tmp_path)


def test_http(project: Project, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    methods = "dav_methods PUT DELETE; create_full_put_path on; client_max_body_size 0;"
    with nginx(tmp_path / "nginx", tmp_path / "web", methods) as server:
        project.dvc("remote", "modify", "refcache", "url", f"{server.url}/reference")
        project.dvc("remote", "modify", "refcache", "method", "PUT")
        check_push_and_pull(project, tmp_path)
        place = tmp_path / "web" / "reference" / object_of(project, CHR_MT)
        whole = place.read_bytes()
        place.unlink()
        assert "1 pushed" in tool(project, "publish").output
        place.write_bytes(whole[:-1] + b"x")
        assert f"{CHR_MT} (in the remote)" in tool(project, "repair", "--content").output
        assert place.read_bytes() == whole


@pytest.mark.parametrize("answer", ["return 503;", "return 401;", None])
def test_http_without_an_answer_is_no_missing_file(
    project: Project, tmp_path: Path, answer: str | None
) -> None:
    """Nothing is downloaded from Ensembl because a server of the team has a bad day."""
    (tmp_path / "web").mkdir()
    with nginx(tmp_path / "nginx", tmp_path / "web", answer or "") as server:
        address = server.url if answer else "http://127.0.0.1:1"
        project.dvc("remote", "modify", "refcache", "url", f"{address}/x")
        project.commit()
        clone = reader(project, tmp_path)
        for folder, arguments in (
            (project, ("publish",)),
            (project, ("repair",)),
            (clone, ("repair",)),
            (clone, ("materialize", "ensembl_annotations")),
        ):
            failed = tool(folder, *arguments, code=1)
            assert "remote 'refcache'" in failed.output.replace("Remote", "remote")
            assert "docs/sharing.md" in failed.output
            assert "Running stage" not in failed.output
            assert "Traceback" not in failed.output
    assert not clone.path(STORE).exists()


def test_a_cache_that_a_group_shares_gets_no_genome(project: Project) -> None:
    project.dvc("config", "--local", "cache.shared", "group")
    failed = project.dvc("repro", "--force", "--single-item", "annotate@sample", code=None)
    assert failed.code != 0
    assert "annotated genomes would be in it" in failed.output
    assert "Traceback" not in failed.output


@pytest.mark.parametrize(
    ("mode", "who"), [(0o755, "everybody"), (0o711, "everybody"), (0o700, None)]
)
def test_a_cache_that_others_can_read_gets_no_genome(
    project: Project, mode: int, who: str | None
) -> None:
    # Nobody else gets into the folders of tests.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        cache = Path(folder) / "cache"
        cache.mkdir(mode)
        cache.chmod(mode)
        project.dvc("cache", "dir", "--local", cache)
        before = project.digests(ANNOTATED)
        project.set_param("annotate.level", 2)
        done = project.materialize(code=2 if who else 0)
        assert (f"can be read by {who}; annotated genomes would be in it" in done.output) == bool(
            who
        )
        assert (project.digests(ANNOTATED) == before) == bool(who)
        assert any(cache.rglob("*")) != bool(who)


@pytest.mark.parametrize("what", ["list", "file"])
def test_a_pipe_in_a_remote_is_not_waited_for(project: Project, tmp_path: Path, what: str) -> None:
    url = tmp_path / "remote"
    project.dvc("remote", "modify", "refcache", "url", url)
    tool(project, "publish")
    project.commit()
    clone = project.clone(tmp_path / "clone")
    digest = project.digests(STORE)[CHR_MT]
    (path,) = [url / list_of(project)] if what == "list" else url.rglob(digest[2:])
    path.unlink()
    os.mkfifo(path)
    for command in (["pull"], ["materialize", "ensembl_annotations"], ["repair", "--content"]):
        failed = tool(clone, *command, code=1)
        assert "is no file" in failed.output
        assert str(path) in failed.output


# --- A forged list of files

PAYLOAD = b"import pathlib, sys\npathlib.Path(sys.prefix, 'was_run').touch()\n"


def list_of(project: Project) -> str:
    """Return where a remote, and DVC's cache, have the list of the reference's files."""
    lock = project.path("dvc.lock").read_text("utf-8")
    found = re.search(rf"{STORE}\n\s+hash: md5\n\s+md5: (\w\w)(\w+\.dir)", lock)
    assert found
    return f"files/md5/{found[1]}/{found[2]}"


def forge(writer: Project, remote: Remote, *names: str) -> None:
    """Do what somebody with write access to the remote can: add files to the list."""
    md5 = hashlib.md5(PAYLOAD).hexdigest()
    remote.create(f"files/md5/{md5[:2]}/{md5[2:]}", PAYLOAD)
    entries = json.loads(remote.objects()[list_of(writer)])
    entries += [{"md5": md5, "relpath": name} for name in names]
    remote.write(list_of(writer), json.dumps(entries).encode())


@pytest.mark.parametrize("command", [["materialize", "ensembl_annotations"], ["pull"]])
def test_a_forged_list_of_files_writes_nothing(
    writer: Project, remote: Remote, tmp_path: Path, command: list[str]
) -> None:
    tool(writer, "publish", **remote.variables)
    forge(writer, remote, "../../src/sitecustomize.py")
    clone = reader(writer, tmp_path)
    refused = tool(clone, *command, code=1, **remote.variables)
    assert "the list of files: is altered in remote 'refcache': MD5 is" in refused.output
    assert "Ask who publishes the remote" in refused.output
    assert "Traceback" not in refused.output
    assert "Running stage" not in refused.output
    assert clone.changed() == []
    assert not clone.path(STORE).exists()
    # The list that git names is not in the cache, and nothing of the other one is.
    assert not clone.path(f".dvc/cache/{list_of(writer)}").exists()


@pytest.fixture
def folder(project: Project, tmp_path: Path) -> Remote:
    """A remote that is a folder, to which the project is published."""
    found = Remote("path", str(tmp_path / "remote"), {}, folder=tmp_path / "remote")
    found.configure(project)
    tool(project, "publish")
    return found


def test_compare_and_repair_do_not_act_by_a_forged_list(
    project: Project, folder: Remote, tmp_path: Path
) -> None:
    whole = folder.objects()[list_of(project)]
    forge(project, folder, "../../src/sitecustomize.py")
    clone = reader(project, tmp_path)
    refused = tool(clone, "compare", "HEAD", "HEAD", code=1)
    assert "HEAD: the list of files is altered in the remote" in refused.output
    assert "Traceback" not in refused.output
    assert clone.changed() == []
    # Nothing is lost where the reference can't be made again.
    clone.set_param("run.sources.mini.embedded", str(tmp_path / "gone"))
    empty = str(tmp_path / "downloads")
    failed = tool(clone, "repair", code=1, ENSEMBL_ANNOTATIONS_CACHE=empty)
    assert "The reference could not be made again" in failed.output
    assert clone.changed() == [" M params.yaml"]
    clone.git("checkout", "--quiet", "params.yaml")
    done = tool(clone, "repair")
    assert "the list of files (in the remote)" in done.output
    assert folder.objects()[list_of(project)] == whole
    assert clone.changed() == []
    assert clone.digests(STORE) == project.digests(STORE)


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["../../src/sitecustomize.py"], "src/sitecustomize.py"),
        (["../../../outside.txt"], "../outside.txt"),
        # DVC's index does not find such a name again.
        (["../../src/sitecustomize.py", "a//b"], "src/sitecustomize.py"),
    ],
)
def test_verify_finds_what_a_plain_pull_wrote_elsewhere(
    project: Project, folder: Remote, tmp_path: Path, names: list[str], place: str
) -> None:
    """DVC itself believes the list; what it wrote is found afterwards."""
    forge(project, folder, *names)
    clone = reader(project, tmp_path / "of")
    clone.dvc("pull", "fetch_ensembl")
    assert clone.path(place).read_bytes() == PAYLOAD
    # The payload must not run: Python would look for it in the folder of the source.
    environment = {"PYTHONPATH": str(project.root / "src")}
    shown = str((clone.root / place).resolve()) if place.startswith("..") else place
    for command in (["verify", STORE], ["materialize"], ["repair"]):
        refused = clone.run("ensembl-annotations", *command, code=1, **environment)
        assert f"{shown} was put there by a list of files that is not the one of" in refused.output
        assert "look at it before you remove it" in refused.output
        assert "Traceback" not in refused.output
    clone.path(place).unlink()
    assert "verified" in clone.run("ensembl-annotations", "verify", STORE, **environment).output
    # What DVC remembers of the forged list is not acted by, when the right one is back.
    shutil.rmtree(clone.path(STORE))
    clone.run("ensembl-annotations", "repair", **environment)
    assert clone.digests(STORE) == project.digests(STORE)
    assert not clone.path(place).exists()
    assert clone.changed() == []


def test_a_forged_list_in_the_cache(project: Project) -> None:
    """Such as one that was fetched before DVC compared the content of what it fetches."""
    outside = project.path("conftest.py")
    outside.write_bytes(PAYLOAD)
    path = project.path(f".dvc/cache/{list_of(project)}")
    entries = json.loads(path.read_bytes())
    entries.append({"md5": hashlib.md5(PAYLOAD).hexdigest(), "relpath": "../../conftest.py"})
    path.chmod(0o644)
    path.write_text(json.dumps(entries))
    path.chmod(0o444)
    for command in (["verify", STORE], ["materialize"], ["repair"]):
        refused = tool(project, *command, code=1)
        assert "conftest.py was put there by a list of files that is not the one" in refused.output
    outside.unlink()
    for command in (["verify", STORE], ["publish"], ["pull"]):
        refused = tool(project, *command, code=1)
        assert f"DVC's list of files ({path}) is altered: its MD5 is" in refused.output
        assert "ensembl-annotations repair" in refused.output
    shutil.rmtree(project.path(STORE))
    assert "mended: the list of files." in tool(project, "repair").output
    assert not outside.exists()
    assert "verified" in tool(project, "verify", STORE).output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.txt", "names notes.txt; expected only datapackage.json"),
        ("homo_sapiens-chr77.parquet", "which its datapackage.json does not"),
    ],
)
def test_a_list_of_the_lock_names_only_what_a_store_has(
    project: Project, tmp_path: Path, name: str, words: str
) -> None:
    """Such as one that was published with a file of somebody's in the folder."""
    path = project.path(f".dvc/cache/{list_of(project)}")
    md5 = hashlib.md5(PAYLOAD).hexdigest()
    entries = [*json.loads(path.read_bytes()), {"md5": md5, "relpath": name}]
    text = json.dumps(sorted(entries, key=lambda entry: str(entry["relpath"]))).encode()
    digest = f"{hashlib.md5(text).hexdigest()}.dir"
    for target, content in ((digest, text), (md5, PAYLOAD)):
        place = project.path(f".dvc/cache/files/md5/{target[:2]}/{target[2:]}")
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
    lock = project.path("dvc.lock")
    before = "".join(list_of(project).split("/")[-2:])
    lock.write_text(lock.read_text("utf-8").replace(before, digest))
    remote = Remote("path", str(tmp_path / "remote"), {}, folder=tmp_path / "remote")
    remote.configure(project)
    project.dvc("push", "fetch_ensembl")
    clone = reader(project, tmp_path / "of")
    for folder, command in (
        (project, ["publish"]),
        (clone, ["pull"]),
        (clone, ["materialize"]),
        (clone, ["repair"]),
        (clone, ["compare", "HEAD", "HEAD"]),
    ):
        refused = tool(folder, *command, code=1)
        assert words in refused.output
        assert "Traceback" not in refused.output
        assert clone.changed() == []
    assert not clone.path(STORE).exists()


@every_kind
def test_some_chromosomes_are_pulled_checked(
    writer: Project, remote: Remote, tmp_path: Path
) -> None:
    tool(writer, "publish", **remote.variables)
    clone = reader(writer, tmp_path)
    done = tool(clone, "pull", "--chromosomes", "chr21,NC_012920.1", **remote.variables)
    # With the sequence and the genes of MT; 21 has none.
    assert "here: 7 files" in done.output
    expected = {
        name: md5
        for name, md5 in writer.digests(STORE).items()
        if name.endswith(".json") or "-chr21." in name or "-chrMT." in name
    }
    assert clone.digests(STORE) == expected
    assert "4 files verified" in tool(clone, "verify", STORE, "--chromosomes", "21,MT").output
    assert "chromosomes: 77: not among" in tool(clone, "pull", "--chromosomes", "77", code=2).output
    expected = writer.digests(STORE)
    assert f"here: {len(expected)} files" in tool(clone, "pull", **remote.variables).output
    assert clone.digests(STORE) == expected


# --- Full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("tmpfs can't be mounted here: no small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@with_a_long_sequence
def test_a_remote_without_room_is_refused_before(project: Project, small_disk: Path) -> None:
    project.dvc("remote", "modify", "refcache", "url", str(small_disk / "remote"))
    refused = tool(project, "publish", code=1)
    assert "are free" in refused.output
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("size", [80, 120])
def test_a_full_cache_is_an_error(
    size: int, demo: Project, small_disk: Path, tmp_path: Path
) -> None:
    clone = demo.clone(tmp_path / "clone")
    # Small files only: they fit by their sizes, but each takes whole blocks of the disk.
    for name in ("fasta", "genes"):
        clone.set_param(f"ensembl.{name}", False)
    clone.dvc("cache", "dir", "--local", str(small_disk / "cache"))
    clone.dvc("config", "--local", "cache.type", "copy")
    subprocess.run(["mount", "-o", f"remount,size={size}k", str(small_disk)], check=True)
    failed = clone.materialize("ensembl_annotations", code=1)
    assert "No space left" in failed.output
    assert f"Error: DVC did not keep {STORE}" in failed.output
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    clone.dvc("commit", "--force", code=None)
    clone.materialize()
    assert Dvc(clone.root).missing_from_cache() == []


def test_what_dvc_did_not_keep_is_named(project: Project) -> None:
    assert Dvc(project.root).missing_from_cache() == []
    digest = project.digests(STORE)[CHR_MT]
    project.path(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}").unlink()
    assert Dvc(project.root).missing_from_cache() == [f"{STORE}/{CHR_MT}"]
    assert CHR_MT in tool(project, "repair").output
    assert Dvc(project.root).missing_from_cache() == []
