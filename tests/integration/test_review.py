"""The review of a change."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import yaml

from tests.integration.helpers import Done, Project
from tests.support.warm import programs


def review(project: Project, base: str, code: int = 0, whole: Path | None = None) -> Done:
    if not project.path(".venv").exists():
        project.path(".venv").mkdir()
        project.path(".venv/bin").symlink_to(programs())
    return project.run("sh", "scripts/review.sh", base, *([whole] if whole else []), code=code)


def test_another_release_is_reviewed(project: Project, tmp_path: Path) -> None:
    project.set_param("ensembl.release", 115)
    project.commit()
    stale = review(project, "HEAD~1", code=1)
    assert "`dvc.lock` is not current" in stale.output
    assert "fetch_ensembl" in stale.output
    project.repro()
    project.commit()
    done = review(project, "HEAD~2")
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
    clone = project.clone(tmp_path / "clone")
    bare = review(clone, "HEAD~2")
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
    assert done.count("No change.") == 3
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
    assert done.output.count("No change.") == 3


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
        project.path("dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
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
