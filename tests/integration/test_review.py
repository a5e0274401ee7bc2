"""The review of a change."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from pathlib import Path
from types import TracebackType

import pytest
import yaml

from ensembl_annotations.common.words import markdown
from ensembl_annotations.project.lock import read_lock
from tests.integration.helpers import STORE, Done, Project


class Listener:
    """A server that notes that it was asked, and answers nothing."""

    def __enter__(self) -> Listener:
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _accept(self) -> None:
        try:
            while True:
                connection, address = self._socket.accept()
                self.asked.append(str(address))
                connection.close()
        except OSError:
            return


def review(project: Project, base: str, code: int = 0, whole: Path | None = None) -> Done:
    return project.tool("review", base, *(["--whole", whole] if whole else []), code=code)


def test_another_release_is_reviewed(part: Project, tmp_path: Path) -> None:
    part.set_param("ensembl.release", 115)
    part.commit()
    stale = review(part, "HEAD~1", code=1)
    assert "`dvc.lock` is not current" in stale.output
    assert "fetch_ensembl" in stale.output
    part.repro()
    part.commit()
    done = review(part, "HEAD~2")
    assert "`dvc.lock` is current" in done.output
    assert "ensembl.release" in done.output
    assert "| 115 " in done.output
    rows = re.findall(
        r"(?m)^\| metrics/annotate/sample.json \| (\w+) \| (\S+) \| (\S+) \|$", done.output
    )
    assert "num_exact" in {name for name, *_ in rows}
    assert all(before != after for _, before, after in rows)
    assert "flowchart" in done.output
    reference = done.output.partition("### Reference")[2]
    assert "retired" in reference
    assert "Not compared" not in reference
    # Without any data the rest is there.
    clone = part.clone(tmp_path / "clone")
    bare = review(clone, "HEAD~2")
    assert "`dvc.lock` is current" in bare.output
    assert "num_exact" in bare.output
    assert "> Not both are in DVC's cache here." in bare.output
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
    # Nor are digests compared by what is shown of them.
    lock.write_text(lock.read_text().replace(f"{'0' * 32}.dir", f"{'0' * 31}1.dir"))
    clone.commit()
    forged = review(clone, "HEAD~1")
    assert f"| data/annotated/sample | {'0' * 32}.dir | {'0' * 31}1.dir |" in forged.output


REVIEW_LOCK = """
import sys
from ensembl_annotations.project.overview import review_lock
from ensembl_annotations.project.project import Project
print(review_lock(Project.open(sys.argv[1]), Project.open()))
"""


def test_why_the_lock_is_not_current(project: Project, tmp_path: Path) -> None:
    def told() -> str:
        """Return what the review says first; the other parts are not made for each change."""
        project.commit()
        clone = project.clone(tmp_path / project.git("rev-parse", "HEAD").strip())
        source = str(project.root / "src")
        said = project.run("python3", "-c", REVIEW_LOCK, clone.root, PYTHONPATH=source).output
        project.git("reset", "--quiet", "--hard", "HEAD~1")
        return said

    project.path("metrics/annotate/sample.json").unlink()
    project.commit()
    whole = review(project, "HEAD~1", code=1).output.partition("###")[0]
    assert "- `annotate@sample`: metrics/annotate/sample.json: deleted\n" in whole
    project.git("reset", "--quiet", "--hard", "HEAD~1")
    versions = project.path("src/ensembl_annotations/versions.py")
    text = versions.read_text("utf-8")
    for name, stage in (("STORE", "fetch_ensembl"), ("ENGINE", "annotate@sample"),
                        ("REPORT", "report@sample")):  # fmt: skip
        versions.write_text(text.replace(f"\n{name}_VERSION = ", f"\n{name}_VERSION = 1"), "utf-8")
        said = told()
        assert (
            f"- `{stage}`: {name}_VERSION in {versions.relative_to(project.root)}: modified\n"
            in said
        )
        assert said.count("\n- ") == 1
    project.set_param("samples", {})
    assert "- `annotate@sample`: in dvc.lock only\n" in told()
    lock = project.path("dvc.lock").read_text("utf-8")
    digest = re.search(
        r"fetch_ensembl:[\s\S]*?path: data/ensembl_annotations\n\s+hash: md5\n\s+md5: (\w+)", lock
    )
    assert digest
    begin, end = digest.span(1)
    project.path("dvc.lock").write_text(f"{lock[:begin]}{'0' * 32}{lock[end:]}")
    assert "made from another data/ensembl_annotations than dvc.lock has" in told()


def test_a_branch_with_shell_text_for_a_name_is_refused(project: Project) -> None:
    project.set_param("samples", {"a;touch OWNED": {"vcf": "data/vcf/sample.vcf.gz"}})
    project.commit()
    said = review(project, "HEAD~1", code=1)
    assert "expected a name of letters, digits, - and _" in said.output
    assert not project.path("OWNED").exists()


def test_a_raised_version_is_reviewed_and_code_is_no_reason(project: Project) -> None:
    code = project.path("src/ensembl_annotations/annotate/engine.py")
    code.write_text(code.read_text("utf-8") + "\n# More\n")
    project.commit()
    done = review(project, "HEAD~1").output
    assert "`dvc.lock` is current" in done
    assert done.count("No change.") == 4
    versions = project.path("src/ensembl_annotations/versions.py")
    text = versions.read_text("utf-8")
    raised = re.sub(r"(?m)^(REPORT_VERSION) = (\d+)$", r"\1 = 1\2", text)
    versions.write_text(raised, "utf-8")
    assert project.repro() == ["report@sample"]
    project.commit()
    done = review(project, "HEAD~1").output
    assert "`dvc.lock` is current" in done
    assert re.search(
        r"\| src/ensembl_annotations/versions.py \| REPORT_VERSION \| (\d+) \| 1\1 \|", done
    )


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
    mixed = review(project, "base").output
    assert "not committed" in mixed
    assert "| 4 " not in mixed
    # A part that can't be made is neither silent nor "no change".
    project.path("params.yaml").write_text("annotate: [")
    project.commit()
    broken = review(project, "base", code=1).output
    assert "**Could not be made:**" in broken
    assert "> " in broken


def test_data_of_another_commit_do_not_matter(
    earlier_pair: tuple[Project, Done], tmp_path: Path
) -> None:
    project = earlier_pair[0].copy(tmp_path / "earlier")
    project.git("checkout", "--quiet", "HEAD~1")
    done = review(project, "HEAD~1")
    assert "`dvc.lock` is current" in done.output


def test_nothing_changed(project: Project) -> None:
    done = review(project, "HEAD")
    assert done.output.count("No change.") == 5


def test_a_review_of_many_entries_fits_into_a_comment(project: Project, tmp_path: Path) -> None:
    """A hundred and forty samples that somebody else annotated, first with one release, then with another."""
    names = [f"p{number:03}" for number in range(140)]
    project.set_param("samples", {name: {"vcf": f"data/vcf/{name}.vcf.gz"} for name in names})
    lock = yaml.safe_load(project.path("dvc.lock").read_text())
    text = project.path("metrics/annotate/sample.json").read_text()
    stages = {
        kind: json.dumps(lock["stages"].pop(f"{kind}@sample")) for kind in ("annotate", "report")
    }
    for percent in (10, 20):
        for name in names:
            figures = re.sub(r'("(?:num_\w+|annotated_percent)": )', rf"\g<1>{percent}", text)
            path = project.path(f"metrics/annotate/{name}.json")
            path.write_text(figures)
            for kind, stage in stages.items():
                entry = json.loads(re.sub(r"\bsample\b", name, stage))
                for out in entry["outs"]:
                    if out["path"] == f"metrics/annotate/{name}.json":
                        out |= {
                            "md5": hashlib.md5(figures.encode()).hexdigest(),
                            "size": len(figures),
                        }
                    elif out["path"] == f"data/annotated/{name}":
                        out["md5"] = f"{percent:032}.dir"
                for dep in entry["deps"]:
                    if dep["path"].startswith(f"data/annotated/{name}/"):
                        dep["md5"] = f"{percent:032}"
                lock["stages"][f"{kind}@{name}"] = entry
        # The dumper in C: it takes a tenth of the time.
        written = yaml.dump(lock, Dumper=yaml.CSafeDumper, sort_keys=False)
        project.path("dvc.lock").write_text(written)
        project.commit()
    num_figures = len(re.findall(r'"(?:num_\w+|annotated_percent)": ', text))
    whole = tmp_path / "whole.md"
    done = review(project, "HEAD~1", whole=whole)
    assert len(done.output) < 60_000 < len(whole.read_text("utf-8"))
    assert "`dvc.lock` is current" in done.output
    metrics = done.output.partition("### Metrics")[2].partition("###")[0]
    assert metrics.count(told := f"{num_figures} figures; annotated_percent 10") > 30
    assert "lines more are in the whole review" in metrics
    # Not half a picture, and the parts after it.
    assert done.output.count("```") == 0
    assert "### Reference" in done.output
    # Each is in the whole review.
    for name in names:
        assert f"- metrics/annotate/{name}.json: {told}" in whole.read_text("utf-8")


def test_an_unknown_base(project: Project) -> None:
    assert "no such revision" in review(project, "nosuch", code=2).output


@pytest.fixture
def bare(demo: Project, tmp_path: Path) -> Project:
    """A clone without data: nothing had to be made."""
    return demo.clone(tmp_path / "bare")


HOSTILE_SAMPLE = "evil\x1b[31m\u202e|`<script>\n# H"


def test_a_stranger_s_branch_is_reviewed_without_a_checkout(bare: Project) -> None:
    """Whatever of it could run, ask a server or be taken for Markdown: nothing does."""
    ran = bare.root.with_name("ran")
    code = f"open({str(ran)!r}, 'w')\n"
    with Listener() as server:
        bare.git("checkout", "--quiet", "-b", "theirs")
        for name in ("src/sitecustomize.py", "src/ensembl_annotations/versions.py", "dvc.py"):
            path = bare.path(name)
            path.write_text(code + (path.read_text("utf-8") if path.exists() else ""), "utf-8")
        bare.path("GNUmakefile").write_text(f"review:\n\ttouch {ran}\n", "utf-8")
        bare.path("run.sh").symlink_to("/bin/sh")
        bare.path("docs/.gitattributes").write_text("*.md filter=evil\n", "utf-8")
        config = bare.path(".dvc/config")
        config.write_text(
            config.read_text("utf-8")
            .replace("../.refcache", server.url)
            .replace("[core]\n", f"[core]\n    site_cache_dir = {ran}\n")
            .replace("[cache]\n", f"[cache]\n    dir = {ran}\n"),
            "utf-8",
        )
        bare.path(".dvc/config.local").write_text(f"['remote \"new\"']\n    url = {server.url}\n")
        text = bare.path("dvc.yaml").read_text("utf-8")
        bare.path("dvc.yaml").write_text(
            text.replace("cmd: scripts/python scripts/report.py", f"cmd: touch {ran}", 1), "utf-8"
        )
        lock = bare.path("dvc.lock").read_text("utf-8")
        digest = read_lock(lock.encode()).digest_of(Path(STORE))
        # What is not in the cache would have to come from the remote.
        bare.path("dvc.lock").write_text(lock.replace(str(digest), f"{'1' * 32}.dir"), "utf-8")
        bare.git("add", "--all", "--force", ".dvc/config.local")
        bare.commit()
        bare.git("checkout", "--quiet", "main")
        bare.git("config", "filter.evil.smudge", f"touch {ran}")
        hook = bare.path(".git/hooks/post-checkout")
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
        status = bare.changed()
        said = bare.tool("review", "main", "--branch", "theirs", code=1).output
    assert server.asked == []
    assert not ran.exists()
    assert bare.changed() == status
    runs = said.partition("### What runs")[2].partition("###")[0]
    for row in (
        "| GNUmakefile | new |",
        "| src/sitecustomize.py | new |",
        "| run.sh | new: a symbolic link |",
        "| docs/.gitattributes | new |",
        f"| .dvc/config | remote.refcache.url | ../.refcache | {server.url.replace('://', '&#58;//')} |",
        f"| .dvc/config.local | remote.new.url | - | {server.url.replace('://', '&#58;//')} |",
        f"| dvc.yaml | stages.report.do.cmd | scripts/python scripts/report.py | touch {ran} |",
    ):
        assert row in runs
    assert "**The reference changed and could not be compared:**" in said


def commit_branch(bare: Project, **texts: str) -> str:
    bare.git("checkout", "--quiet", "-b", "theirs")
    for name, text in texts.items():
        bare.path(name).write_text(text, "utf-8")
    bare.commit()
    bare.git("checkout", "--quiet", "main")
    return bare.tool("review", "main", "--branch", "theirs", code=1).output


def test_what_a_branch_calls_things_is_text(bare: Project) -> None:
    figures = json.loads(bare.path("metrics/annotate/sample.json").read_text("utf-8"))
    figures["details"][0][HOSTILE_SAMPLE] = HOSTILE_SAMPLE
    entry = json.dumps({HOSTILE_SAMPLE: {"cmd": "x"}})
    params = bare.path("params.yaml").read_text("utf-8")
    said = commit_branch(
        bare,
        **{
            "params.yaml": f"{params}  {json.dumps(HOSTILE_SAMPLE)}: {{vcf: x}}\n",
            "dvc.lock": json.dumps(yaml.safe_load(bare.path("dvc.lock").read_text("utf-8")) | {})[
                :-2
            ]
            + f", {entry[1:-1]}}}}}",
            "metrics/annotate/sample.json": json.dumps(figures),
        },
    )
    assert not {letter for letter in said if not letter.isprintable() and letter not in "\n\t"}
    assert "\n# H" not in said
    # As text of Markdown, or as Mermaid has it.
    assert "<script>" not in said.replace(r"\<script\>", "")
    assert "UsageError" not in said
    assert f"> params.yaml: line {len(params.splitlines()) + 1}: samples." in said
    assert "/tmp/" not in said
    assert f"| metrics/annotate/sample.json | {markdown(HOSTILE_SAMPLE)} | - |" in said


def test_a_branch_that_would_push_a_genome_is_refused(bare: Project) -> None:
    text = bare.path("dvc.yaml").read_text("utf-8")
    keep = "a person's genome, never pushed\n            push: false\n"
    pushing = text.replace(keep, keep.replace("push: false", "push: true"), 1)
    copied = """
  copy:
    cmd: cp -r data/annotated/sample data/copy
    deps: [data/annotated/sample]
    outs: [data/copy]

artifacts:"""
    said = commit_branch(bare, **{"dvc.yaml": pushing.replace("\nartifacts:", copied)})
    assert "**Results of samples would be pushed**" in said
    for path in ("data/annotated/sample", "data/copy"):
        assert f"- {path}\n" in said
    assert ".push | False | True |" in said
    bare.git("checkout", "--quiet", "theirs")
    done = bare.materialize(code=2)
    assert "missing at data/annotated/sample, data/copy." in done.output
    assert done.ran == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("x.dvc", "deps: [{path: 'URL/x'}]\nouts: [{path: x}]\n"),
        ("x.dvc", "deps: [{path: x, repo: {url: 'URL/r.git'}}]\nouts: [{path: x}]\n"),
        ("params.yaml", "a: &a [x]\nb: [*a, *a]\n"),
    ],
)
def test_what_dvc_must_not_look_at_is_refused(bare: Project, file: str, text: str) -> None:
    with Listener() as server:
        said = commit_branch(bare, **{file: text.replace("URL", server.url)})
    assert server.asked == []
    assert "**Refused, and not looked at any further:**" in said
    assert "### Data" in said
    assert "### Parameters" not in said
