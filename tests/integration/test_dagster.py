"""The asset UI: started for real, clicked in a browser; and the same assets from Python."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.integration.helpers import REPORTED, SAMPLE_VCF, STORE, Project
from tests.support.browser import browser
from tests.support.compiler import quick_compiler
from tests.support.warm import programs

REFERENCE, SAMPLES = "ensembl_annotations", "annotated_vcf"
JOB = "annotate_vcf_with_ensembl_job"
PROMISED = (
    "cache_path", "num_files", "total_size_gb", "download_duration_sec", "download_cpu_percent",
    "status",
)  # fmt: skip
_START_SEC = 240
_RUN_SEC = 400
_SHOWN_MS = 60_000


# What Dagster's programs import, which takes each of them three seconds.
_DAGSTER = (
    "dagster", "dagster._cli.api", "dagster._cli.dev", "dagster._daemon.cli", "dagster._grpc.server",
    "dagster_webserver.cli",
)  # fmt: skip


def environment(project: Project) -> dict[str, str]:
    path = [programs(*_DAGSTER), Path(sys.executable).parent, os.environ["PATH"]]
    return {
        **project.environment,
        "PYTHONPATH": str(project.root / "src"),
        "DAGSTER_HOME": str(project.path(".dagster")),
        "PATH": os.pathsep.join(map(str, path)),
    }


@contextmanager
def asset_ui(project: Project, *before: str, **variables: str) -> Iterator[str]:
    """Start what `make ui` starts, or the same after words of another command; stop all it has started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    makefile = project.path("Makefile").read_text()
    (recipe,) = re.findall(r"^\t@\$\(BIN\)/(dagster-ui .*)$", makefile, re.MULTILINE)
    program, *options = recipe.replace("$(PORT)", str(port)).split()
    command = [*before, program] if before else [str(programs(*_DAGSTER) / program)]
    log = project.root.with_name("dagster.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options],
            cwd=project.root, env=variables or environment(project), stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + _START_SEC * (2 if before else 1)
        while process.poll() is None and time.monotonic() < until:
            try:
                requests.get(f"{url}/server_info", timeout=5)
                break
            except requests.RequestException:
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


def wait_for_runs(url: str, page: Page, count: int) -> None:
    """Wait until so many runs have ended well; meanwhile the browser draws nothing."""
    query = "{ runsOrError { ... on Runs { results { status } } } }"
    until = time.monotonic() + _RUN_SEC
    while time.monotonic() < until:
        found = [run["status"] for run in ask(url, query)["runsOrError"]["results"]]
        assert "FAILURE" not in found
        if len(found) == count and page.url != "about:blank":
            page.goto("about:blank")
        if found.count("SUCCESS") == count:
            return
        time.sleep(0.3)
    raise AssertionError(f"no {count} runs after {_RUN_SEC} s")


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what the sensor brings."""
    until = time.monotonic() + _RUN_SEC
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.5)


def partitions(url: str) -> tuple[list[str], int]:
    """Return the samples that the UI has, and how many of them are materialized."""
    query = f"""{{ assetNodeOrError(assetKey: {{path: ["{SAMPLES}"]}}) {{ ... on AssetNode {{
        partitionKeys partitionStats {{ numMaterialized }} }} }} }}"""
    node = ask(url, query)["assetNodeOrError"]
    return node["partitionKeys"], node["partitionStats"]["numMaterialized"]


def events(url: str, asset: str) -> list[dict[str, Any]]:
    """Return the materializations of an asset, newest first."""
    query = f"""{{ assetNodeOrError(assetKey: {{path: ["{asset}"]}}) {{ ... on AssetNode {{
        assetMaterializations {{ runId partition tags {{ key value }} }} }} }} }}"""
    found = ask(url, query)["assetNodeOrError"]["assetMaterializations"]
    return [
        event | {"tags": {tag["key"]: tag["value"] for tag in event["tags"]}} for event in found
    ]


def started_processes(url: str) -> set[str]:
    """Return which steps of runs were given a process of their own."""
    query = """{ runsOrError { ... on Runs { results { eventConnection { events { __typename
        ... on MessageEvent { eventType stepKey } } } } } } }"""
    runs = ask(url, query)["runsOrError"]["results"]
    return {
        event["stepKey"]
        for run in runs
        for event in run["eventConnection"]["events"]
        if event.get("eventType") == "STEP_WORKER_STARTING"
    }


def value_in(page: Page, name: str) -> Any:
    """Return the value beside a name in the table of metadata."""
    return page.locator("tr", has=page.get_by_text(name, exact=True)).locator("td").last


def test_the_ui_makes_what_is_clicked_and_follows_dvc(demo: Project, tmp_path: Path) -> None:
    """In one UI, which takes long to start, of a clone in which nothing is made yet."""
    project = demo.clone(tmp_path / "clone")
    with browser() as chromium, asset_ui(project) as url:
        page = chromium.new_page(viewport={"width": 1300, "height": 900})
        seen: list[str] = []
        page.on("request", lambda request: seen.append(request.url))
        page.set_default_timeout(_SHOWN_MS)
        expect.set_options(timeout=_SHOWN_MS)
        click_materialize(project, url, page)
        launch_job(project, url, page)
        # Nothing leaves this machine.
        assert [
            address for address in seen if not address.startswith((url, "data:", "blob:", "about:"))
        ] == []
        assert project.changed() == []
        page.close()
        change_outside(project, url)


def click_materialize(project: Project, url: str, page: Page) -> None:
    assert stale(url)[REFERENCE] == "MISSING"
    page.goto(f"{url}/assets/{REFERENCE}")
    page.get_by_role("button", name="Materialize").first.click()
    wait_for_runs(url, page, 1)
    page.goto(f"{url}/assets/{REFERENCE}")
    figures = project.path("metrics/run/fetch_ensembl.json")
    first = json.loads(figures.read_text())
    assert first["duration_sec"] > 0
    expect(value_in(page, "status")).to_have_text(first["status"])
    text = page.locator("body").inner_text()
    for name in PROMISED:
        assert name in text
    assert str(project.path(STORE)) in text
    # Its lineage.
    expect(page.get_by_text(SAMPLES, exact=True).first).to_be_visible()
    assert stale(url)[REFERENCE] == "FRESH"
    # Once more: there is nothing to do.
    page.get_by_role("button", name="Materialize").first.click()
    wait_for_runs(url, page, 2)
    page.goto(f"{url}/assets/{REFERENCE}")
    expect(value_in(page, "status")).to_have_text("cached")
    # With the figures of the run that made it.
    expect(value_in(page, "duration_sec")).to_have_text(str(first["duration_sec"]))
    second = json.loads(figures.read_text())
    assert (second["status"], second["duration_sec"]) == ("cached", 0)
    # A sample.
    page.goto(f"{url}/assets/{SAMPLES}")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name=re.compile("^Launch")).click()
    wait_for_runs(url, page, 3)
    page.goto(f"{url}/assets/{SAMPLES}?view=partitions&partition=sample")
    expect(page.get_by_text("num_exact").first).to_be_visible()
    assert project.path(f"{REPORTED}/summary.html").is_file()
    page.goto(f"{url}/asset-groups")
    for name in (REFERENCE, SAMPLES, "sample_vcf"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()


def launch_job(project: Project, url: str, page: Page) -> None:
    """Launch the job, without a partition, where all is made."""
    page.goto(f"{url}/jobs")
    page.get_by_text(JOB, exact=True).first.click()
    page.get_by_text("Launchpad", exact=True).first.click()
    page.get_by_role("button", name="Launch Run").click()
    wait_for_runs(url, page, 4)
    page.goto(f"{url}/runs")
    expect(page.get_by_text("Success").first).to_be_visible()
    assert not started_processes(url)
    made = events(url, SAMPLES)
    assert [event["partition"] for event in made] == ["sample", "sample"]
    assert len({event["runId"] for event in made} - {""}) == 2
    # Nothing ran: the page has the figures of the run that made it.
    ran = next(
        run
        for run in map(json.loads, project.path("logs/runs.jsonl").read_text().splitlines())
        if run["asset"] == f"{SAMPLES}@sample"
    )
    page.goto(f"{url}/assets/{SAMPLES}?view=partitions&partition=sample")
    for name, value in (("status", "cached"), ("duration_sec", str(ran["duration_sec"]))):
        row = page.locator("tr", has=page.get_by_text(name, exact=True))
        expect(row).to_contain_text(value)
    assert set(stale(url).values()) == {"FRESH"}


def change_outside(project: Project, url: str) -> None:
    """Give another sample and another parameter, and make both without the UI: it needs no reload."""
    vcf = project.path("data/vcf/third.vcf.gz")
    vcf.write_bytes(project.path(SAMPLE_VCF).read_bytes())
    project.set_param("samples", {"third": {"vcf": "data/vcf/third.vcf.gz"}})
    wait_until(lambda: partitions(url) == (["third"], 0))
    project.set_param("ensembl.max_bad_percent", 2)
    wait_until(lambda: stale(url)[REFERENCE] == "STALE")
    project.materialize()
    wait_until(lambda: partitions(url) == (["third"], 1))
    assert stale(url)[REFERENCE] == "FRESH"
    for name, folder in ((REFERENCE, STORE), (SAMPLES, "data/annotated/third")):
        event = events(url, name)[0]
        assert event["tags"]["dagster/data_version"] == digest_of(project, folder)
        assert event["runId"] == ""


SCRIPT = """
import dagster as dg
from ensembl_annotations.assets import *
from ensembl_annotations import assets

def told(result):
    found = []
    for event in result.get_asset_materialization_events():
        made = event.materialization
        metadata = {name: value.value for name, value in made.metadata.items()}
        version = made.tags["dagster/data_version"]
        found.append([event.asset_key.path[0], event.partition, version, metadata])
    return found
"""


def run(project: Project, script: str) -> Any:
    """Run lines in the project's folder; return what the last one gives, as JSON."""
    *lines, last = script.strip().splitlines()
    text = "\n".join([SCRIPT, *lines, f"import json; print('\\n' + json.dumps({last}))"])
    home = str(project.path(".dagster"))
    source = str(project.root / "src")
    python = programs(*_DAGSTER) / "python3"
    done = project.run(python, "-c", text, PYTHONPATH=source, DAGSTER_HOME=home)
    return json.loads(done.output.splitlines()[-1])


def digest_of(project: Project, path: str) -> str:
    """Return DVC's digest of a folder."""
    text = project.path("dvc.lock").read_text().partition(f"- path: {path}\n")[2]
    return re.findall(r"md5: (\S+)", text)[0]


def short(told: list[Any]) -> list[Any]:
    """Return asset, partition, version and status."""
    return [(*event[:3], event[3]["status"]) for event in told]


# In one process, since Dagster takes seconds to import.
MAKES = f"""
config = dg.RunConfig(ops={{'ensembl_annotations': {{'config': {{'force_download': True}}}}}})
both = [ensembl_annotations, annotated_vcf]
forced = told(dg.materialize([ensembl_annotations], run_config=config))
made = told(dg.materialize(both))
of_job = told(assets.defs.resolve_job_def({JOB!r}).execute_in_process())
one = told(dg.materialize(both, partition_key='other'))
try:
    refused = dg.materialize([annotated_vcf], partition_key='third').success
except dg.DagsterUnknownPartitionError as error:
    refused = str(error)

[forced, made, of_job, one, refused]
"""


def test_assets_are_made_from_python(pair: Project) -> None:
    reference = (REFERENCE, None, digest_of(pair, STORE))
    samples = [
        (SAMPLES, name, digest_of(pair, f"data/annotated/{name}")) for name in ("sample", "other")
    ]
    forced, made, of_job, one, refused = run(pair, MAKES)
    assert short(forced) == [(*reference, "downloaded")]
    # Without a partition all samples, as in the job; with one, that sample.
    cached = [(*event, "cached") for event in (reference, *samples)]
    assert short(made) == short(of_job) == cached
    assert short(one) == [cached[0], cached[2]]
    assert "Could not find a partition with key `third`" in refused
    # Nothing ran: these are the figures of the run that made it.
    figures = made[0][3]
    for name in PROMISED:
        assert figures[name] == forced[0][3][name] or name == "status"
    assert figures["duration_sec"] == forced[0][3]["duration_sec"] > 0
    assert figures["num_downloaded"] == forced[0][3]["num_downloaded"] > 0
    for event in made[1:]:
        log = pair.path("logs/runs.jsonl").read_text().splitlines()
        (ran, *_) = (
            item for item in map(json.loads, log) if item["asset"].endswith(f"@{event[1]}")
        )
        assert event[3]["duration_sec"] == ran["duration_sec"] > 0
        assert event[3]["finished_at"] == ran["finished_at"]


LOOKS = """
from pathlib import Path
params = Path("params.yaml")
text = params.read_text()
with dg.DagsterInstance.ephemeral() as instance:
    cursor, seen = None, []
    for content in (text, text, text.replace("other:", "third:"), text.replace("level: 1 ", "level: 2 ")):
        params.write_text(content) if content != params.read_text() else None
        look = follow_dvc(dg.build_sensor_context(instance=instance, cursor=cursor))
        events = [] if isinstance(look, dg.SkipReason) else look.asset_events
        for event in events: instance.report_runless_asset_event(event)
        cursor = getattr(look, "cursor", cursor)
        told = [[event.asset_key.path[0], event.partition] for event in events]
        seen.append([told, instance.get_dynamic_partitions("samples")])

seen
"""


def test_the_sensor_tells_of_what_others_change(pair: Project) -> None:
    made = [[REFERENCE, None], [SAMPLES, "sample"], [SAMPLES, "other"]]
    parameters = [["ensembl_parameters", None], ["annotate_parameters", None]]
    assert run(pair, LOOKS) == [
        [[*parameters, *made], ["sample", "other"]],
        [[], ["sample", "other"]],
        [[], ["sample", "third"]],
        [[["annotate_parameters", None]], ["sample", "other"]],
    ]


def test_a_stage_that_fails_fails_the_run(project: Project) -> None:
    vcf = project.path("data/vcf/sample.vcf.gz")
    changed = vcf.read_bytes()
    vcf.unlink()
    vcf.write_bytes(changed + changed)
    failed = project.run(
        "python3", "-c",
        f"{SCRIPT}\ndg.materialize([annotated_vcf], partition_key='sample', selection=[annotated_vcf])",
        code=1, **environment(project),
    )  # fmt: skip
    assert "dvc repro" in failed.output


CHANGES = {
    ("versions.py", "\nSTORE_VERSION = ", "\nSTORE_VERSION = 1"): [True, False],
    ("versions.py", "\nENGINE_VERSION = ", "\nENGINE_VERSION = 1"): [False, True],
    ("versions.py", "\nREPORT_VERSION = ", "\nREPORT_VERSION = 1"): [False, True],
    ("../../params.yaml", "level: 1 ", "level: 2 "): [False, True],
    ("../../params.yaml", "max_bad_percent: 1 ", "max_bad_percent: 2 "): [True, False],
    ("annotate/engine.py", "from __future__", "# A comment\nfrom __future__"): [False, False],
}
VERSIONS = f"""
from pathlib import Path
names = {[REFERENCE, f"{SAMPLES}@sample"]}
def now(): return [assets._parameters_now(name) for name in names]
def changed(name, old, new):
    path = Path("src/ensembl_annotations") / name
    text = path.read_text("utf-8")
    assert text.count(old) == 1, name
    path.write_text(text.replace(old, new), "utf-8")
    after = now()
    path.write_text(text, "utf-8")
    return [one != other for one, other in zip(before, after)]

before = now()
sources = ["ensembl_parameters", "annotate_parameters"]
locked = [assets._made_from(name)[source] for name, source in zip(names, sources)]
[before, locked, [changed(*change) for change in {list(CHANGES)}]]
"""


def test_versions_and_parameters_make_an_asset_stale_and_code_does_not(project: Project) -> None:
    """As `dvc status` has it: which asset gets another version by a change, then taken back."""
    before, locked, changed = run(project, VERSIONS)
    assert before == locked
    assert changed == list(CHANGES.values())


CHECKS = f"""
from pathlib import Path
result = dg.materialize([ensembl_annotations, every_file_is_as_described])
whole = [[item.passed, item.metadata['problems'].value] for item in result.get_asset_check_evaluations()]
path = next(Path({STORE!r}).glob("*chr22.parquet"))
content = path.read_bytes()
path.unlink()
path.write_bytes(content[:-9] + b"x" + content[-8:])
[whole, every_file_is_as_described().passed]
"""


def test_the_check_finds_an_altered_file(project: Project) -> None:
    assert run(project, CHECKS) == [[[True, "none"]], False]


# The settings of pip that name package servers, and uv's variables for them.
_OF_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def test_uv_starts_the_ui_in_a_new_clone(demo: Project, tmp_path: Path) -> None:
    """From the package servers that pip uses here; with a Python that is here."""
    pip = [sys.executable, "-m", "pip"]
    tools = tmp_path / "tools"
    install = [*pip, "install", "-q", "--target", str(tools), "uv"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip can't install uv: {done.stderr.strip()[-300:]}")
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True)
    settings = dict(re.findall(r"^\S*\.([a-z-]+)='(.*)'$", listed.stdout, re.MULTILINE))
    project = demo.clone(tmp_path / "clone")
    variables = {
        **project.environment,
        **{_OF_UV[name]: value for name, value in settings.items() if name in _OF_UV},
        # As pip does: from any of the servers.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "CC": quick_compiler(tmp_path),
    }
    uv = str(tools / "bin" / "uv")
    locked = project.run(uv, "lock", code=None, **variables)
    if re.search("Failed to fetch|error sending request", locked.output):
        pytest.skip(f"uv can't reach the package servers: {locked.output.strip()[-300:]}")
    with asset_ui(project, uv, "run", **variables) as url:
        assert stale(url)[REFERENCE] == "MISSING"
    assert project.path("uv.lock").is_file()
    assert project.path(".venv/bin/dagster-ui").is_file()
    assert project.changed() == []


OF_MANY = """
result = dg.materialize([ensembl_annotations, annotated_vcf], raise_on_error=False)
rows = [[list(record.data.values()) for record in value.records] for *_, metadata in told(result)
        if (value := metadata.get('samples'))]
[result.success, rows]
"""


def test_an_entry_of_many_has_a_table_and_what_failed_fails_the_run(project: Project) -> None:
    folder = project.path("data/vcf/cohort")
    folder.mkdir()
    text = gzip.decompress(project.path(SAMPLE_VCF).read_bytes())
    (folder / "a.vcf.gz").write_bytes(gzip.compress(text, mtime=0))
    (folder / "b.vcf.gz").write_bytes(gzip.compress(text + b"chr22\t5000", mtime=0))
    project.set_param("samples", {"cohort": {"vcf": "data/vcf/cohort"}})
    success, tables = run(project, OF_MANY)
    assert not success
    ((failed, made),) = tables
    assert (failed[:2], made[:2]) == (["b", "failed"], ["a", "annotated"])
    assert failed[-1].startswith("expected 10 columns")
    assert made[2] == str(len(re.findall(rb"^[^#]", text, re.MULTILINE)))
