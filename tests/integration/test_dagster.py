"""The asset UI: started for real, clicked in a browser; and the same assets from Python."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page, expect

from tests.integration.helpers import ANNOTATED, REPORTED, STORE, Project
from tests.support.browser import browser

REFERENCE, SAMPLES = "ensembl_annotations", "annotated_vcf"
_START_SEC = 90
_RUN_SEC = 120
_SHOWN_MS = 30_000


def environment(project: Project) -> dict[str, str]:
    return {
        **project.environment,
        "PYTHONPATH": str(project.root / "src"),
        "DAGSTER_HOME": str(project.path(".dagster")),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@contextmanager
def asset_ui(project: Project) -> Iterator[str]:
    """Start what `make ui` starts, and stop it with all it has started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    makefile = project.path("Makefile").read_text()
    (recipe,) = re.findall(r"^\t@(DAGSTER_HOME=.*)$", makefile, re.MULTILINE)
    words = recipe.partition("$(BIN)/")[2].replace("$(PORT)", str(port)).split()
    log = project.root.with_name("dagster.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / words[0]), *words[1:]],
            cwd=project.root, env=environment(project), stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + _START_SEC
        while process.poll() is None and time.monotonic() < until:
            try:
                requests.get(f"{url}/server_info", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.2)
        else:
            raise RuntimeError(f"no asset UI:\n{log.read_text()[-3000:]}")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def ask(url: str, query: str, **variables: Any) -> Any:
    answer = requests.post(
        f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60
    ).json()
    assert "errors" not in answer, answer
    return answer["data"]


def stale(url: str) -> dict[str, Any]:
    """Return what the UI says of each asset: its partition's state, where it has one."""
    query = """{ assetNodes { assetKey { path } staleStatus staleCauses { category reason } } }"""
    nodes = ask(url, query)["assetNodes"]
    return {node["assetKey"]["path"][0]: node["staleStatus"] for node in nodes}


def wait_for_runs(url: str, count: int) -> None:
    """Wait until so many runs have ended well."""
    query = "{ runsOrError { ... on Runs { results { status } } } }"
    until = time.monotonic() + _RUN_SEC
    while time.monotonic() < until:
        found = [run["status"] for run in ask(url, query)["runsOrError"]["results"]]
        assert "FAILURE" not in found
        if found.count("SUCCESS") == count:
            return
        time.sleep(0.3)
    raise AssertionError(f"no {count} runs after {_RUN_SEC} s")


def status_in(page: Page) -> Any:
    """Return the value beside `status` in the table of metadata."""
    return page.locator("tr", has=page.get_by_text("status", exact=True)).locator("td").last


def test_materialize_is_clicked_and_then_it_is_cached(demo: Project, tmp_path: Path) -> None:
    project = demo.clone(tmp_path / "clone")
    with browser() as chromium, asset_ui(project) as url:
        assert stale(url)[REFERENCE] == "MISSING"
        page = chromium.new_page(viewport={"width": 1300, "height": 900})
        seen: list[str] = []
        page.on("request", lambda request: seen.append(request.url))
        page.set_default_timeout(_SHOWN_MS)
        expect.set_options(timeout=_SHOWN_MS)
        page.goto(f"{url}/assets/{REFERENCE}")
        page.get_by_role("button", name="Materialize").first.click()
        wait_for_runs(url, 1)
        page.reload()
        figures = project.path("metrics/run/fetch_ensembl.json")
        first = json.loads(figures.read_text())
        assert first["duration_sec"] > 0
        expect(status_in(page)).to_have_text(first["status"])
        text = page.locator("body").inner_text()
        for name in (
            "cache_path", "num_files", "total_size_gb", "download_duration_sec",
            "download_cpu_percent",
        ):  # fmt: skip
            assert name in text
        assert str(project.path(STORE)) in text
        # Its lineage, and the job.
        for name in (SAMPLES, "annotate_vcf_with_ensembl_job"):
            expect(page.get_by_text(name, exact=True).first).to_be_visible()
        assert stale(url)[REFERENCE] == "FRESH"
        # Once more: there is nothing to do.
        page.get_by_role("button", name="Materialize").first.click()
        wait_for_runs(url, 2)
        page.reload()
        expect(status_in(page)).to_have_text("cached")
        second = json.loads(figures.read_text())
        assert (second["status"], second["duration_sec"]) == ("cached", 0)
        # A sample.
        page.goto(f"{url}/assets/{SAMPLES}")
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_role("button", name="All", exact=True).click()
        page.get_by_role("button", name=re.compile("^Launch")).click()
        wait_for_runs(url, 3)
        page.goto(f"{url}/assets/{SAMPLES}?view=partitions&partition=sample")
        expect(page.get_by_text("num_exact").first).to_be_visible()
        assert project.path(f"{REPORTED}/summary.html").is_file()
        page.goto(f"{url}/asset-groups")
        for name in (REFERENCE, SAMPLES, "sample_vcf"):
            expect(page.get_by_text(name, exact=True).first).to_be_visible()
        # Nothing leaves this machine.
        assert [
            address for address in seen if not address.startswith((url, "data:", "blob:"))
        ] == []
        # Another parameter, and the UI says so.
        project.set_param("ensembl.release", 115)
        reload = """mutation ($name: String!) {
          reloadRepositoryLocation(repositoryLocationName: $name) { __typename }
        }"""
        ask(url, reload, name="ensembl_annotations.assets")
        assert stale(url)[REFERENCE] == "STALE"
    assert project.changed() == [" M params.yaml"]


SCRIPT = """
import dagster as dg
from ensembl_annotations.assets import *
from ensembl_annotations import assets

def told(result):
    found = {}
    for event in result.get_asset_materialization_events():
        made = event.materialization
        version = made.tags["dagster/data_version"]
        found[event.asset_key.path[0]] = [made.metadata["status"].value, version]
    return found
"""


def run(project: Project, script: str) -> Any:
    """Run lines in the project's folder; return what the last one gives, as JSON."""
    *lines, last = script.strip().splitlines()
    text = "\n".join([SCRIPT, *lines, f"import json; print('\\n' + json.dumps({last}))"])
    done = project.run(sys.executable, "-c", text, **environment(project))
    return json.loads(done.output.splitlines()[-1])


def digest_of(project: Project, path: str) -> str:
    """Return DVC's digest of a folder."""
    text = project.path("dvc.lock").read_text().partition(f"- path: {path}\n")[2]
    return re.findall(r"md5: (\S+)", text)[0]


def test_assets_are_made_from_python(project: Project) -> None:
    versions = {
        REFERENCE: digest_of(project, STORE),
        SAMPLES: digest_of(project, ANNOTATED),
    }
    one = run(project, "told(dg.materialize([ensembl_annotations]))")
    assert one == {REFERENCE: ["cached", versions[REFERENCE]]}
    forced = run(
        project,
        "config = dg.RunConfig(ops={'ensembl_annotations': {'config': {'force_download': True}}})\n"
        "told(dg.materialize([ensembl_annotations], run_config=config))",
    )
    assert forced == {REFERENCE: ["downloaded", versions[REFERENCE]]}
    job = run(
        project,
        "job = assets.defs.resolve_job_def('annotate_vcf_with_ensembl_job')\n"
        "told(job.execute_in_process(partition_key='sample'))",
    )
    assert job == {name: ["cached", version] for name, version in versions.items()}
    # A sample whose VCF has changed is annotated again.
    vcf = project.path("data/vcf/sample.vcf.gz")
    changed = vcf.read_bytes()
    vcf.unlink()
    vcf.write_bytes(changed + changed)
    failed = project.run(
        sys.executable, "-c",
        f"{SCRIPT}\ndg.materialize([annotated_vcf], partition_key='sample', selection=[annotated_vcf])",
        code=1, **environment(project),
    )  # fmt: skip
    assert "dvc repro" in failed.output


def test_versions_and_parameters_make_an_asset_stale_and_code_does_not(project: Project) -> None:
    """As `dvc status` has it. A sample's report is made with it."""

    def code_versions() -> list[str]:
        return run(
            project, "[assets._code_version(name) for name in (assets.REFERENCE, assets.SAMPLES)]"
        )

    def changed(name: str, old: str, new: str) -> list[bool]:
        """Say of which asset a change, which is then taken back, makes another code version."""
        path = project.path(name)
        text = path.read_text("utf-8")
        assert text.count(old) == 1, name
        path.write_text(text.replace(old, new), "utf-8")
        after = code_versions()
        path.write_text(text, "utf-8")
        return [one != other for one, other in zip(before, after, strict=True)]

    before = code_versions()
    module = "src/ensembl_annotations/versions.py"
    assert changed(module, "\nSTORE_VERSION = ", "\nSTORE_VERSION = 1") == [True, False]
    assert changed(module, "\nENGINE_VERSION = ", "\nENGINE_VERSION = 1") == [False, True]
    assert changed(module, "\nREPORT_VERSION = ", "\nREPORT_VERSION = 1") == [False, True]
    assert changed("params.yaml", "level: 1 ", "level: 2 ") == [False, True]
    assert changed("params.yaml", "max_bad_percent: 1 ", "max_bad_percent: 2 ") == [True, False]
    matching = "src/ensembl_annotations/annotate/match.py"
    assert changed(matching, "from __future__", "# A comment\nfrom __future__") == [False, False]


def test_the_check_finds_an_altered_file(project: Project) -> None:
    check = (
        "result = dg.materialize([ensembl_annotations, every_file_is_as_described])\n"
        "[[item.passed, item.metadata['problems'].value] "
        "for item in result.get_asset_check_evaluations()]"
    )
    assert run(project, check) == [[True, "none"]]
    direct = "every_file_is_as_described().passed"
    path = next(project.path(STORE).glob("*chr22.parquet"))
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-9] + b"x" + content[-8:])
    assert run(project, direct) is False
