"""Asking a source again: what has changed, what is newer, and when no server is asked at all."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.manifest import Manifest, ensure_manifest, read_manifest
from ensembl_annotations.fetch.manifest_cache import cached_manifest
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.upstream import check_upstream
from tests.support.mirror import Row, write_mirror
from tests.support.nginx import Nginx, free_port, nginx
from tests.support.vcf import REPO, Outcome, invoke, small_disk, snapshot

LAYOUT = Layout("homo_sapiens", "GRCh38", 116)
MANIFEST = Path("data/manifests/ensembl-homo_sapiens-GRCh38-116.json")
CHR21 = "homo_sapiens-chr21.vcf.gz"


def rows(*positions: int) -> list[Row]:
    return [(pos, f"rs{pos}", "A", "G", "dbSNP_156;TSA=SNV") for pos in positions]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A download cache of one's own, no proxy, and no waiting between attempts."""
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("ensembl_annotations.fetch.mirrors.pause", lambda *_: None)
    # The mirrors here are of a species with these; a list that lacks some is not kept.
    monkeypatch.setattr("ensembl_annotations.fetch.manifest.CHROMOSOMES", ("21", "22", "MT"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two mirrors of the same tree, `a` and `b`."""
    base = tmp_path / "root"
    records = {name: rows(5) for name in ("21", "22", "MT")}
    for name in "ab":
        write_mirror(base / name, records, {"21": "A" * 90, "MT": "C" * 90})
    return base


@pytest.fixture
def server(root: Path, tmp_path: Path) -> Iterator[Nginx]:
    with nginx(tmp_path / "nginx", root, "autoindex on; location /error/ { return 403; }") as run:
        yield run


def set_up(folder: Path, *mirrors: object) -> Path:
    """Write params.yaml of a project whose source `ensembl` has these mirrors."""
    folder.mkdir(exist_ok=True)
    content = YAML().load(REPO / "params.yaml")
    content["ensembl"] |= {"source": "ensembl", "release": 116, "assembly": "GRCh38"}
    content["ensembl"]["species"] = "homo_sapiens"
    content["run"]["sources"]["ensembl"] = {f"m{n}": str(item) for n, item in enumerate(mirrors)}
    YAML().dump(content, folder / "params.yaml")
    return folder


@pytest.fixture
def project(server: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on mirror `a` whose manifest is up to date; the current folder."""
    folder = set_up(tmp_path / "project", f"{server.url}/a")
    monkeypatch.chdir(folder)
    ensure_manifest([f"{server.url}/a"], LAYOUT, MANIFEST)
    (server.base / "access.log").write_text("")
    return folder


def check(*options: str) -> Outcome:
    return invoke("check-upstream", *options)


def listed(root: Path, mirror: str = "a", folder: str = LAYOUT.vcf_folder) -> Path:
    return root / mirror / folder / "CHECKSUMS"


def edit(path: Path, pattern: str, new: str) -> None:
    text = path.read_text()
    changed = re.sub(pattern, new, text, flags=re.MULTILINE)
    assert changed != text
    path.write_text(changed)


def change_chr21(root: Path, mirror: str = "a") -> None:
    edit(listed(root, mirror), rf"^\d+ +\d+\t({CHR21})$", r"00007 99\t\1")


# --- Unchanged, changed --------------------------------------------------------------------------


def test_unchanged(project: Path, server: Nginx) -> None:
    before = snapshot(project)
    outcome = check().succeeded()
    assert (
        f"{MANIFEST}: unchanged: 3 variation files, 2 sequences, 0 files of genes" in outcome.stdout
    )
    assert "No release after 116" in outcome.stdout
    assert snapshot(project) == before
    # Four lists, and the releases.
    assert len(server.requests()) == 5


def test_an_update_of_what_is_unchanged_writes_nothing(project: Path, root: Path) -> None:
    before, written = MANIFEST.read_bytes(), MANIFEST.stat()
    lines = listed(root).read_text().splitlines(keepends=True)
    listed(root).write_text("".join(reversed(lines)))
    assert "unchanged" in check("--update").succeeded().stdout
    assert MANIFEST.read_bytes() == before
    assert MANIFEST.stat().st_mtime_ns == written.st_mtime_ns
    MANIFEST.unlink()
    check("--update").succeeded()
    assert MANIFEST.read_bytes() == before


def test_git_sees_an_update_only_where_there_is_one(project: Path, root: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=project)
        return done.stdout

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Pin")
    check("--update").succeeded()
    assert git("status", "--porcelain") == ""
    change_chr21(root)
    check("--update").succeeded()
    numbers = [line for line in git("diff", "--unified=0").splitlines() if re.match("[-+] ", line)]
    assert len(numbers) == 4


def test_what_has_changed_is_said_file_by_file(project: Path, root: Path) -> None:
    noted = json.loads(MANIFEST.read_bytes())["vcf"][0]
    before = snapshot(project)
    change_chr21(root)
    edit(listed(root), r"^.*chr22.*\n", "")
    edit(listed(root), r"\Z", "00011 5\thomo_sapiens-chrX.vcf.gz\n00012 5\tREADME\n")
    edit(listed(root, folder=LAYOUT.fasta_folder), r"^\d+ ", "65535 ")
    outcome = check().succeeded()
    old = f"{noted['checksum']:05d} {noted['blocks']} KiB"
    for line in (
        f"{MANIFEST}: differs from what is published now: 3 changed, 1 new, 1 gone.",
        f"  changed: {CHR21}: {old} -> 00007 99 KiB",
        "  new: homo_sapiens-chrX.vcf.gz: 00011 5 KiB",
        "  gone: homo_sapiens-chr22.vcf.gz: ",
        "  changed: Homo_sapiens.GRCh38.dna.chromosome.21.fa.gz: ",
        "check-upstream --update",
    ):
        assert line in outcome.stdout
    assert "README" not in outcome.stdout
    assert snapshot(project) == before

    updated = check("--update").succeeded()
    assert "rewritten: 3 changed, 1 new, 1 gone." in updated.stdout
    assert "git diff" in updated.stdout
    assert "run 'make'" in updated.stdout
    content = json.loads(MANIFEST.read_bytes())
    assert content["vcf"][0] == noted | {"checksum": 7, "blocks": 99}
    assert [item["chromosome"] for item in content["vcf"]] == ["21", "X", "MT"]
    assert "unchanged" in check().succeeded().stdout


def test_sequences_that_are_no_longer_there(project: Path, root: Path) -> None:
    listed(root, folder=LAYOUT.fasta_folder).unlink()
    assert "2 gone" in check().succeeded().stdout


# --- No manifest ---------------------------------------------------------------------------------


def test_no_manifest(project: Path) -> None:
    good = MANIFEST.read_bytes()
    MANIFEST.unlink()
    outcome = check().succeeded()
    assert f"{MANIFEST}: no such manifest; published now: 3 variation files" in outcome.stdout
    assert "--update" in outcome.stdout
    assert not MANIFEST.exists()
    outcome = check("--update").succeeded()
    assert f"{MANIFEST}: written" in outcome.stdout
    assert MANIFEST.read_bytes() == good


@pytest.mark.parametrize("content", ["{", "{}", "null"])
@pytest.mark.parametrize("options", [(), ("--update",)])
def test_a_manifest_that_is_none(content: str, options: tuple[str, ...], project: Path) -> None:
    MANIFEST.write_text(content)
    check(*options).failed(str(MANIFEST), "not a manifest", "git checkout")
    assert MANIFEST.read_text() == content


def test_a_manifest_of_another_release(project: Path) -> None:
    edit(MANIFEST, '"release": 116', '"release": 115')
    check("--update").failed(str(MANIFEST), "is of homo_sapiens GRCh38 release 115")


def test_a_manifest_that_can_not_be_written(project: Path, root: Path) -> None:
    change_chr21(root)
    MANIFEST.unlink()
    MANIFEST.parent.rmdir()
    MANIFEST.parent.write_text("mine")
    check("--update").failed(str(MANIFEST.parent))


# --- Newer releases ------------------------------------------------------------------------------


def publish(root: Path, *releases: int) -> None:
    for release in releases:
        write_mirror(root / "a", {"21": rows(5)}, release=release)


@pytest.mark.parametrize("listing", [True, False], ids=["listing", "no listing"])
def test_newer_releases(
    listing: bool, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(root, 115, 117, 119)
    # A folder that is there, without our species yet.
    (root / "a" / "release-120" / "variation").mkdir(parents=True)
    with nginx(tmp_path / "n", root, f"autoindex {'on' if listing else 'off'};") as server:
        monkeypatch.chdir(set_up(tmp_path / "project", f"{server.url}/a"))
        outcome = check().succeeded()
        assert len(server.requests()) <= 4 + 1 + 3
    assert "Newer: releases 117, 119." in outcome.stdout
    assert "set ensembl.release to 119 in params.yaml" in outcome.stdout


def test_newer_releases_of_a_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(root, 117)
    monkeypatch.chdir(set_up(tmp_path / "project", root / "a"))
    outcome = check().succeeded()
    assert "Newer: release 117." in outcome.stdout


# --- Several mirrors -----------------------------------------------------------------------------


def test_mirrors_that_do_not_agree(project: Path, root: Path, server: Nginx) -> None:
    set_up(project, f"{server.url}/b", f"{server.url}/a")
    assert "agree" not in check().succeeded().stdout
    change_chr21(root, "b")
    outcome = check().succeeded()
    assert "The mirrors do not agree; the first that answered is taken" in outcome.stdout
    assert f"  {server.url}/b: 1 changed against what is noted\n    changed" in outcome.stdout
    assert f"  {server.url}/a: as what is noted" in outcome.stdout
    check("--update").succeeded()
    assert json.loads(MANIFEST.read_bytes())["vcf"][0]["checksum"] == 7
    outcome = check().succeeded()
    assert f"{server.url}/b: as what is noted" in outcome.stdout
    assert f"{server.url}/a: 1 changed" in outcome.stdout
    assert f"{MANIFEST}: unchanged" in outcome.stdout

    MANIFEST.unlink()
    outcome = check().succeeded()
    assert f"{server.url}/b: as the first answer" in outcome.stdout
    assert f"{server.url}/a: 1 changed against the first answer" in outcome.stdout


def test_a_mirror_without_sequences_does_not_remove_them(
    project: Path, root: Path, server: Nginx
) -> None:
    shutil.rmtree(root / "b" / LAYOUT.fasta_folder)
    set_up(project, f"{server.url}/b", f"{server.url}/a")
    outcome = check("--update").succeeded()
    assert "unchanged" in outcome.stdout
    assert "agree" not in outcome.stdout


def test_a_mirror_that_fails_is_named_and_the_next_one_answers(
    project: Path, root: Path, server: Nginx
) -> None:
    set_up(project, f"http://user:secret@127.0.0.1:{free_port()}/pub", f"{server.url}/a")
    outcome = check().succeeded()
    assert re.search(r"^No answer: http://127\S+: connection refused", outcome.stdout, re.M)
    assert "unchanged" in outcome.stdout
    assert "secret" not in outcome.stdout


def test_no_mirror_answers(project: Path, server: Nginx) -> None:
    before = snapshot(project / "data")
    set_up(project, f"http://127.0.0.1:{free_port()}/pub", f"{server.url}/error")
    outcome = check("--update")
    outcome.failed("None of 2 mirrors", "connection refused", "HTTP 403")
    assert snapshot(project / "data") == before


def test_a_release_that_is_withdrawn(project: Path, root: Path) -> None:
    publish(root, 117)
    shutil.rmtree(root / "a" / "release-116")
    check("--update").failed("not found (HTTP 404)", "has for GRCh38 release 117.")


# --- Parameters ----------------------------------------------------------------------------------


def test_no_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check().failed("params.yaml", "no such file", code=2)


def test_parameters_that_can_not_be(project: Path, server: Nginx) -> None:
    edit(project / "params.yaml", "assembly: GRCh38", "assembly: hg38")
    check().failed("hg38", "Did you mean 'GRCh38'", code=2)
    edit(project / "params.yaml", "release: 116", "release: latest")
    check().failed("ensembl.release", code=2)
    assert server.requests() == []


def test_the_library_takes_another_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = check_upstream(Project.open(project))
    assert report.path == project / MANIFEST
    assert (report.was_noted, report.is_updated, report.changes) == (True, False, ())


# --- The manifest that the download cache keeps --------------------------------------------------


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "manifests").iterdir()) if cache.exists() else []


def test_a_server_is_asked_once(server: Nginx, cache: Path) -> None:
    mirrors = [f"http://user:secret@{server.url.removeprefix('http://')}/a"]
    first = cached_manifest(mirrors, LAYOUT)
    asked = len(server.requests())
    assert asked == 1
    assert cached_manifest(mirrors, LAYOUT) == first
    assert cached_manifest([f"{mirrors[0]}/"], LAYOUT) == first
    assert len(server.requests()) == asked
    [path] = kept(cache)
    assert re.fullmatch(r"[0-9a-f]{16}\.json", path.name)
    assert "secret" not in path.read_text()


def test_forcing_asks_again_and_keeps_the_answer(root: Path, server: Nginx) -> None:
    mirrors = [f"{server.url}/a"]
    first = cached_manifest(mirrors, LAYOUT)
    change_chr21(root)
    assert cached_manifest(mirrors, LAYOUT) == first
    changed = cached_manifest(mirrors, LAYOUT, force=True)
    assert changed.vcf[0].blocks == 99
    assert cached_manifest(mirrors, LAYOUT) == changed


def test_another_question_is_not_answered_from_the_cache(root: Path, server: Nginx) -> None:
    change_chr21(root, "b")
    a, b = f"{server.url}/a", f"{server.url}/b"
    publish(root, 115)
    answers = [
        cached_manifest(mirrors, layout, with_fasta=with_fasta)
        for mirrors, layout, with_fasta in (
            ([a], LAYOUT, False),
            ([b], LAYOUT, False),
            ([a], LAYOUT, True),
            ([b, a], LAYOUT, False),
            ([a], Layout("homo_sapiens", "GRCh38", 115), False),
        )
    ]
    assert answers[0] != answers[1] == answers[3]
    assert (answers[0].fasta, len(answers[2].fasta)) == ((), 2)
    assert answers[4].release == 115
    with pytest.raises(SourceError, match="404"):
        cached_manifest([a], Layout("homo_sapiens", "GRCh37", 116))


RUIN: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda path: path.write_bytes(b"{"),
    "empty": lambda path: path.write_bytes(b""),
    "null": lambda path: path.write_text("null"),
    "a list": lambda path: path.write_text("[]"),
    "of another question": lambda path: edit(path, r'"key": "\w', '"key": "x'),
    "of another release": lambda path: edit(path, '"release": 116', '"release": 115'),
    "a name with a path": lambda path: edit(path, CHR21, "../x"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("name", RUIN)
def test_a_kept_manifest_that_is_ruined_is_read_again(
    name: str, server: Nginx, cache: Path
) -> None:
    mirrors = [f"{server.url}/a"]
    first = cached_manifest(mirrors, LAYOUT)
    RUIN[name](kept(cache)[0])
    assert cached_manifest(mirrors, LAYOUT) == first
    assert len(server.requests()) == 2
    if name != "a folder":
        assert cached_manifest(mirrors, LAYOUT) == first
        assert len(server.requests()) == 2


def test_a_folder_is_read_afresh(root: Path, server: Nginx, cache: Path) -> None:
    for mirrors in (
        [str(root / "a")],
        [f"file://{root}/a"],
        [f"{server.url}/error", str(root / "a")],
    ):
        before = cached_manifest(mirrors, LAYOUT)
        edit(listed(root), r"^\d+ ", f"{before.vcf[0].checksum ^ 1:05d} ")
        assert cached_manifest(mirrors, LAYOUT) != before
    assert kept(cache) == []


def test_a_cache_that_can_not_be_written_to(server: Nginx, cache: Path, tmp_path: Path) -> None:
    cache.write_text("mine")
    mirrors = [f"{server.url}/a"]
    expected = read_manifest(mirrors, LAYOUT, with_fasta=False, with_genes=False)
    assert cached_manifest(mirrors, LAYOUT) == expected
    assert cache.read_text() == "mine"


def test_a_cache_that_is_read_only(
    server: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = [f"{server.url}/a"]

    def ask() -> Manifest:
        return cached_manifest(mirrors, LAYOUT)

    with small_disk(tmp_path / "disk", 1 << 20) as place:
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(place / "cache"))
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        first = ask()
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        assert ask() == first
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        asked = len(server.requests())
        assert ask() == first
        assert len(server.requests()) == asked


def test_an_answer_that_is_an_error_is_not_kept(server: Nginx, root: Path, cache: Path) -> None:
    mirrors = [f"{server.url}/a"]
    good = listed(root).read_text()
    listed(root).write_text("<html>")
    with pytest.raises(SourceError):
        cached_manifest(mirrors, LAYOUT)
    listed(root).write_text(good)
    assert len(cached_manifest(mirrors, LAYOUT).vcf) == 3


def test_sequences_that_are_not_found_are_asked_for_again(server: Nginx, root: Path) -> None:
    mirrors = [f"{server.url}/a"]
    path = listed(root, folder=LAYOUT.fasta_folder)
    path.rename(path.with_name("hidden"))
    assert cached_manifest(mirrors, LAYOUT, with_fasta=True).fasta == ()
    path.with_name("hidden").rename(path)
    assert len(cached_manifest(mirrors, LAYOUT, with_fasta=True).fasta) == 2


def test_a_pinned_manifest_needs_no_server(project: Path, server: Nginx) -> None:
    manifest = ensure_manifest([f"{server.url}/a"], LAYOUT, MANIFEST)
    assert len(manifest.vcf) == 3
    assert server.requests() == []
