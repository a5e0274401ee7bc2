"""The catalogue of assets: true to git and DVC, the same every time, legible, standing alone."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser

from ensembl_annotations.project.overview import catalog_page
from ensembl_annotations.project.project import Project as Opened
from tests.integration.helpers import ANNOTATED, REPORTED, SAMPLE_VCF, STORE, Done, Project
from tests.support.browser import browser, check_page, opened

REFERENCE, SAMPLE = "ensembl_annotations", "annotated_vcf@sample"
VCF_HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def page(earlier_pair: tuple[Project, Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a clone with two samples, at its second release."""
    out = tmp_path_factory.mktemp("catalog") / "catalog.html"
    write(earlier_pair[0], out)
    return out


def write(project: Project, out: Path, code: int = 0) -> Done:
    return project.tool("catalog", "--out", out, code=code)


def states(text: str) -> dict[str, str]:
    """Return the state of each asset, as the page has it beside the name."""
    found = {}
    for part in text.split("<section")[1:]:
        for name in (REFERENCE, SAMPLE, "annotated_vcf@other"):
            if f'id="{name.replace("@", "-")}"' in part.partition(">")[0]:
                found[name] = part.partition("<strong")[2].partition(">")[2].partition("<")[0]
    return found


def test_the_page_stands_alone_and_is_accessible(page: Path, chromium: Browser) -> None:
    check_page(chromium, page)


def test_it_has_what_git_and_the_metrics_have(
    page: Path, chromium: Browser, earlier_pair: tuple[Project, Done]
) -> None:
    project = earlier_pair[0]
    figures = {**project.metrics("fetch_ensembl"), **project.metrics("run/fetch_ensembl")}
    with opened(chromium, page) as shown:
        text = shown.page.locator(f"#{REFERENCE}").inner_text()
        for name in (
            "cache_path", "num_files", "total_size_gb", "download_duration_sec",
            "download_cpu_percent", "status",
        ):  # fmt: skip
            assert name in text
            assert str(figures[name]) in text
        assert project.git("log", "-1", "--format=%h", "--", "dvc.lock").strip() in text
        assert shown.page.locator(f"#{REFERENCE} figure").count() == 2
        lineage = shown.page.locator("#lineage").first.inner_text()
        assert "Ensembl 115" in lineage
        # From the picture to the asset.
        shown.page.locator(f"#lineage a[href='#{REFERENCE}']").first.click()
        assert shown.page.url.endswith(f"#{REFERENCE}")


def test_samples_stand_side_by_side_with_links_to_their_pages(
    page: Path, chromium: Browser, earlier_pair: tuple[Project, Done]
) -> None:
    project = earlier_pair[0]
    with opened(chromium, page) as shown:
        rows = shown.page.locator("#samples tbody tr")
        assert rows.count() == 2
        for place, name in enumerate(("sample", "other")):
            cells = rows.nth(place).locator("td").all_inner_texts()
            assert cells[:5] == [name, "up to date", "1", "115", "GRCh38"]
            lines = gzip.decompress(
                project.path(f"data/annotated/{name}/annotated.vcf.gz").read_bytes()
            ).splitlines()
            assert f"ReferenceSHA256={cells[5]}".encode() in b"".join(lines)
            records = [line.split(b"\t") for line in lines if not line.startswith(b"#")]
            alts = sum(len(record[4].split(b",")) for record in records if record[4] != b".")
            assert cells[6:8] == [str(len(records)), str(alts)]
            link = rows.nth(place).locator("a").first.get_attribute("href")
            assert link is not None
            report = project.path(f"data/reports/{name}/summary.html")
            assert (page.parent / unquote(link)).resolve() == report.resolve()
        assert shown.page.locator("#samples .warn").count() == 0


def test_samples_without_counts_are_named(project: Project, tmp_path: Path) -> None:
    project.set_param("samples.p02", {"vcf": SAMPLE_VCF})
    tally = project.path(f"{ANNOTATED}/tally.json")
    tally.unlink()
    tally.write_text("{}")
    out = tmp_path / "catalog.html"
    write(project, out)
    named = dict(
        re.findall(r'<li><strong class="warn">(.*?)</strong>: (.*?)</li>', out.read_text())
    )
    assert set(named) == {"sample", "p02"}
    assert "data/annotated/p02/tally.json is not on this machine" in named["p02"]
    assert "ensembl-annotations materialize annotated_vcf@p02" in named["p02"]
    assert f"{ANNOTATED}/tally.json: not a tally" in named["sample"]
    # The page of one is there all the same; of the other there is none to lead to.
    assert ">sample</a></td>" in out.read_text()
    assert ">p02</td>" in out.read_text()


def test_make_renews_it(project: Project, tmp_path: Path) -> None:
    made, asked = project.path("catalog.html"), tmp_path / "catalog.html"

    def check() -> dict[str, str]:
        """Hold what `make` wrote to what the command writes when it asks DVC."""
        write(project, project.path("asked.html"))
        project.path("asked.html").rename(asked)
        assert made.read_bytes() == asked.read_bytes()
        return states(made.read_text())

    done = project.materialize()
    assert done.output.endswith("side by side: catalog.html\n")
    assert check() == {REFERENCE: "up to date", SAMPLE: "up to date"}
    assert project.changed() == []
    # Where not all was asked for, the rest may be stale.
    project.set_param("annotate.level", 6)
    project.materialize(REFERENCE)
    assert check() == {REFERENCE: "up to date", SAMPLE: "stale"}
    # A VCF that can't be used is a result, which is up to date; what else there is is made.
    project.path("data/vcf/p02.vcf").write_text(f"{VCF_HEAD}chr1\tx\t.\tA\tC\t.\t.\t.\n")
    project.set_param("samples.p02", {"vcf": "data/vcf/p02.vcf"})
    project.materialize(code=1)
    assert '1, <strong class="warn">1 failed</strong>' in made.read_text()
    assert "line 3: POS: expected a whole number" in made.read_text()
    assert check() == {REFERENCE: "up to date", SAMPLE: "up to date"}
    # After a failure of another kind it has what was made before that.
    project.path("scripts/annotate.py").write_text("raise SystemExit(1)\n")
    project.set_param("samples.p03", {"vcf": SAMPLE_VCF})
    project.materialize(code=1)
    assert "data/annotated/p03/tally.json is not on this machine" in made.read_text()


def test_a_page_that_can_not_be_written_fails_no_run(project: Project) -> None:
    project.path("catalog.html").mkdir()
    done = project.materialize()
    assert "Note: catalog.html is not renewed: " in done.output
    assert "\nannotated_vcf@sample: cached\n" in done.output


def test_it_is_the_same_every_time_and_elsewhere(
    page: Path, earlier_pair: tuple[Project, Done], tmp_path: Path
) -> None:
    again = tmp_path / "again.html"
    write(earlier_pair[0], again)
    assert again.read_bytes() == page.read_bytes()


def test_figures_are_those_of_the_run_that_made_it(part: Project, tmp_path: Path) -> None:
    out = tmp_path / "catalog.html"
    write(part, out)
    # One materialization is no line.
    assert "<svg" in out.read_text("utf-8") and "<h3>Size</h3>" not in out.read_text("utf-8")
    part.set_param("ensembl.release", 115)
    part.materialize()
    part.commit()
    made = part.metrics("run/fetch_ensembl")
    assert made["download_duration_sec"] > 0
    part.materialize()
    last = part.metrics("run/fetch_ensembl")
    assert (last["status"], last["download_duration_sec"]) == ("cached", 0)
    write(part, out)
    facts = dict(
        re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", out.read_text().partition("Parameters")[0])
    )
    for name in ("cache_path", "download_duration_sec", "download_cpu_percent", "status"):
        assert facts[name] == str(made[name])
    assert facts["last run"] == f"cached, finished at {last['finished_at']}"


def test_states(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "catalog.html"

    def now() -> dict[str, str]:
        write(project, out)
        return states(out.read_text())

    assert now() == {REFERENCE: "up to date", SAMPLE: "up to date"}
    # The report is made with its sample.
    page = project.path(f"{REPORTED}/summary.html")
    page.rename(tmp_path / "page")
    assert now() == {REFERENCE: "up to date", SAMPLE: "stale"}
    assert f"{REPORTED}/summary.html: deleted" in out.read_text()
    (tmp_path / "page").rename(page)
    versions = project.path("src/ensembl_annotations/versions.py")
    text = versions.read_text("utf-8")
    for name, stale in (("STORE", REFERENCE), ("ENGINE", SAMPLE), ("REPORT", SAMPLE)):
        versions.write_text(text.replace(f"\n{name}_VERSION = ", f"\n{name}_VERSION = 1"), "utf-8")
        assert [asset for asset, state in now().items() if state == "stale"] == [stale]
        assert f"{name}_VERSION in src/ensembl_annotations/versions.py: modified" in out.read_text()
    versions.write_text(f"{text}\n# A comment\n", "utf-8")
    assert now() == {REFERENCE: "up to date", SAMPLE: "up to date"}
    project.set_param("annotate.level", 2)
    assert now() == {REFERENCE: "up to date", SAMPLE: "stale"}
    assert "annotate in params.yaml: modified" in out.read_text()
    path = next(project.path(ANNOTATED).glob("*.parquet"))
    path.unlink()
    path.write_bytes(b"x")
    assert now()[SAMPLE] == "altered"
    shutil.rmtree(project.path(STORE))
    assert now()[REFERENCE] == "missing"
    clone = project.clone(tmp_path / "clone")
    write(clone, out)
    assert states(out.read_text()) == {REFERENCE: "missing", SAMPLE: "missing"}
    assert "not known on this machine" in out.read_text()


def test_names_can_not_become_markup(part: Project) -> None:
    part.set_param("ensembl.release", 115)
    part.repro()
    part.git("add", "--all")
    part.run("git", "commit", "--quiet", "-m", "A change", GIT_AUTHOR_NAME="R&D me")
    assert "<td>R&amp;D me</td>" in catalog_page(Opened(part.root), part.root)


def test_errors_leave_no_page(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "catalog.html"
    project.path("dvc.lock").write_text("<<<<<<< ours\n")
    failed = write(project, out, code=1)
    assert "Traceback" not in failed.output
    assert not out.exists()
    alone = Project(tmp_path / "alone", project.environment)
    alone.root.mkdir()
    assert "params.yaml" in write(alone, out, code=2).output
