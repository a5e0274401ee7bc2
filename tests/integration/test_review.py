"""The review of a change, and the git hook that keeps genomes and secrets out of git."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.integration.helpers import REPO, Done, Project

VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def review(project: Project, base: str, code: int = 0) -> Done:
    if not project.path(".venv").exists():
        project.path(".venv").symlink_to(REPO / ".venv")
    return project.run("sh", "scripts/review.sh", base, code=code)


def test_another_release_is_reviewed(project: Project, tmp_path: Path) -> None:
    project.set_param("ensembl.release", 115)
    stale = review(project, "HEAD", code=1)
    assert "`dvc.lock` is not current" in stale.output
    assert "fetch_ensembl" in stale.output
    project.repro()
    project.commit()
    done = review(project, "HEAD~1")
    assert "`dvc.lock` is current" in done.output
    assert "ensembl.release" in done.output
    assert "| 115 " in done.output
    assert "num_exact" in done.output
    assert "flowchart" in done.output
    reference = done.output.partition("### Reference")[2]
    assert "retired" in reference
    assert "Not compared" not in reference
    # Without any data the rest is there.
    clone = project.clone(tmp_path / "clone")
    bare = review(clone, "HEAD~1")
    assert "`dvc.lock` is current" in bare.output
    assert "num_exact" in bare.output
    assert "> Error: " in bare.output
    assert "**The reference changed and could not be compared:**" in bare.output
    data = bare.output.partition("### Data")[2].partition("###")[0]
    for path in ("data/ensembl_annotations", "data/annotated/sample"):
        assert f"| {path} | " in data
    # A digest that nobody has is seen as well.
    lock = clone.path("dvc.lock")
    before = lock.read_text().partition("- path: data/annotated/sample\n")[2]
    digest = before.partition("md5: ")[2].partition("\n")[0]
    lock.write_text(lock.read_text().replace(digest, f"{'0' * 32}.dir"))
    clone.commit()
    forged = review(clone, "HEAD~1")
    assert f"| data/annotated/sample | {digest[:12]} | {'0' * 12} |" in forged.output


def test_the_review_is_of_what_the_branch_commits(project: Project) -> None:
    fork = project.git("rev-parse", "HEAD").strip()
    project.git("checkout", "--quiet", "-b", "mine")
    project.set_param("annotate.level", 2)
    project.repro()
    project.commit()
    # The base goes on meanwhile; the branch does not undo that.
    project.git("branch", "--force", "base", fork)
    project.git("checkout", "--quiet", "base")
    project.set_param("annotate.level", 3)
    project.commit()
    project.git("checkout", "--quiet", "mine")
    first = review(project, "base").output
    assert "| 2 " in first
    assert "| 3 " not in first
    assert review(project, "base").output == first
    # What is not committed is not in there, and that is said.
    project.set_param("annotate.level", 4)
    mixed = review(project, "base", code=1).output
    assert "not committed" in mixed
    assert "| 4 " not in mixed
    # A part that can't be made is neither silent nor "no change".
    project.path("params.yaml").write_text("annotate: [")
    project.commit()
    broken = review(project, "base", code=1).output
    assert "**Could not be made:**" in broken
    assert "> " in broken


def test_the_hook_goes_into_the_one_that_dvc_installs(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.dvc("install")
    for _ in range(2):
        clone.run("make", "hooks")
    hook = clone.path(".git/hooks/pre-commit").read_text()
    assert hook.count("sh scripts/pre-commit") == 1
    assert "dvc git-hook pre-commit" in hook
    clone.path("me.vcf").write_bytes(VCF)
    clone.git("add", "--force", "me.vcf")
    done = clone.run("git", "commit", "--message", "Mine", code=None)
    assert done.code != 0
    assert "me.vcf: looks like a person's genome" in done.output
    # Hooks that other repositories use too are left alone.
    clone.git("config", "core.hooksPath", "../hooks")
    assert "core.hooksPath" in clone.run("make", "hooks", code=2).output
    clone.git("config", "--unset", "core.hooksPath")
    # One that is in another language is left alone.
    clone.path(".git/hooks/pre-commit").write_text("#!/usr/bin/env python3\n")
    refused = clone.run("make", "hooks", code=2)
    assert "add a call of scripts/pre-commit" in refused.output
    assert clone.path(".git/hooks/pre-commit").read_text() == "#!/usr/bin/env python3\n"


def test_nothing_changed(project: Project) -> None:
    done = review(project, "HEAD")
    assert done.output.count("No change.") == 3


def test_an_unknown_base(project: Project) -> None:
    assert "no such revision" in review(project, "nosuch", code=2).output


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data/vcf/me.vcf.gz", b"x"),
        ("notes.txt", VCF),
        ("notes.txt", gzip.compress(VCF, mtime=0)),
        ("me.bam", b"x"),
        ("a name with spaces.vcf", VCF),
        (".dvc/config", b"[remote]\n    secret_access_key = abc\n"),
        ("key", b"-----BEGIN OPENSSH " + b"PRIVATE KEY-----\n"),
        ("run.sh", b"export AWS_ACCESS_KEY_ID=" + b"AKIA" + b"IOSFODNN7EXAMPLE\n"),
    ],
)
def test_genomes_and_secrets_are_not_committed(
    name: str, content: bytes, seed: Project, tmp_path: Path
) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.run("make", "hooks")
    clone.path("harmless.txt").write_bytes(b"nothing\n")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "Harmless")
    target = clone.path(name)
    target.write_bytes(content)
    clone.git("add", "--force", name)
    refused = clone.run("git", "commit", "--message", "A leak", code=1)
    assert f"Not committed: {name}" in refused.output


def test_the_repository_itself_passes_the_hook(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.run("make", "hooks")
    clone.git("checkout", "--quiet", "--orphan", "whole")
    clone.git("commit", "--quiet", "--message", "Everything")
