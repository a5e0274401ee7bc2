"""The command line: its help, its figures, its exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import ensembl_annotations
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.progress import Progress
from ensembl_annotations.variants.outcomes import REASONS
from tests.support.vcf import (
    KNOWN,
    MIRROR,
    RELEASE,
    SAMPLE,
    annotate_arguments,
    build_store,
    check_metrics,
    invoke,
    plain_vcf,
    run,
    snapshot,
)

TOOL = Path(sys.executable).parent / "ensembl-annotations"
OPTIONS = {
    "fetch": {
        "--base-url": None,
        "--release": None,
        "--species": "homo_sapiens",
        "--assembly": "GRCh38",
        "--chromosomes": "all",
        "--out": None,
        "--fasta": None,
        "--metrics": None,
        "--run-metrics": None,
        "--force": None,
    },
    "annotate": {
        "--vcf": None,
        "--reference": None,
        "--out-vcf": None,
        "--out-parquet": None,
        "--metrics": None,
        "--run-metrics": None,
        "--assembly": None,
        "--chromosomes": "all",
        "--level": "1",
        "--overwrite-tags": None,
        "--tags": "all",
        "--id": "append",
    },
    "materialize": {"--force": None},
    "verify": {},
}
"""Every option of a command, and its default where it has one."""

REQUIRED = {
    "fetch": ("--base-url", "--release", "--out"),
    "annotate": ("--vcf", "--reference"),
    "verify": ("FOLDER",),
}
FETCH_KEYS = {
    "release": int,
    "assembly": str,
    "species": str,
    "num_files": int,
    "num_ref_differs": int,
    "exact_only_on": str,
    "num_genes": int,
    "num_transcripts": int,
    "num_peptides_edited": int,
    "num_peptides_unchecked": int,
    "num_variants": int,
    "num_alleles": int,
    "num_quarantined": int,
    "num_unnamed_entries": int,
    "num_unknown_info_keys": int,
    "total_size_gb": float,
    "reference_sha256": str,
}
USAGE_KEYS = {
    "duration_sec": float,
    "cpu_percent": float,
    "peak_memory_mb": float,
    "finished_at": str,
}
FETCH_RUN_KEYS = {
    "status": str,
    "cache_path": str,
    "download_duration_sec": float,
    "download_cpu_percent": float,
    "downloaded_bytes": int,
    **USAGE_KEYS,
}
ANNOTATE_KEYS = {
    "release": int,
    "assembly": str,
    "reference_sha256": str,
    "num_records": int,
    "num_alleles": int,
    "num_compared": int,
    "num_exact": int,
    "num_shifted": int,
    **{f"num_{reason}": int for reason in REASONS},
    "annotated_percent": float,
}
ANNOTATE_RUN_KEYS = {"status": str, "cache_path": str, **USAGE_KEYS}


@pytest.fixture(scope="module")
def store(mini_store: Path) -> Path:
    return mini_store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))


def figures(path: Path, keys: dict[str, type]) -> dict[str, Any]:
    """Return a file of figures: flat, and with every key of its type."""
    content: dict[str, Any] = json.loads(path.read_bytes())
    assert set(keys) <= set(content)
    for key, value in content.items():
        assert isinstance(value, str | int | float), key
        assert not isinstance(value, bool), key
    for key, kind in keys.items():
        assert isinstance(content[key], (int, float) if kind is float else kind), key
    return content


def check_usage(content: dict[str, Any]) -> None:
    """Assert that the figures of a run can be true."""
    assert content["duration_sec"] > 0
    assert content["cpu_percent"] >= 0
    assert content["peak_memory_mb"] > 10
    finished = datetime.strptime(content["finished_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert finished.year >= 2024
    assert Path(content["cache_path"]).is_absolute()


def fetch_arguments(out: Path, *options: object) -> list[object]:
    return [
        *("fetch", "--base-url", MIRROR, "--release", RELEASE, "--chromosomes", "21,22"),
        *("--out", out, "--metrics", out.parent / "metrics.json"),
        *("--run-metrics", out.parent / "run.json", *options),
    ]


# --- Help and version ----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(flag: str) -> None:
    outcome = invoke(flag).succeeded()
    for name in OPTIONS:
        assert re.search(rf"^  {name} ", outcome.stdout, re.MULTILINE)
    assert "Exit codes: 0 done, 1 failed, 2 wrong arguments" in outcome.stdout


@pytest.mark.parametrize("name", OPTIONS)
def test_help_of_a_command(name: str) -> None:
    text = invoke(name, "--help").succeeded().stdout
    entries = dict(re.findall(r"^  (?:-\w, )?(--[\w-]+)((?:.|\n(?!  -))*)", text, re.MULTILINE))
    assert set(OPTIONS[name]) <= set(entries)
    for option, default in OPTIONS[name].items():
        words = " ".join(entries[option].split())
        assert len(words) > 15, option
        if default is not None:
            assert f"[default: {default}" in words
        assert ("required]" in words) == (option in REQUIRED.get(name, ()))
    assert f"Example:\n    ensembl-annotations {name} " in text


@pytest.mark.parametrize("name", OPTIONS)
def test_the_example_uses_options_that_exist(name: str) -> None:
    text = invoke(name, "--help").succeeded().stdout
    example = text.partition("Example:")[2].partition("\n\n")[0]
    assert set(re.findall(r"--[\w-]+", example)) <= set(OPTIONS[name])


def test_version() -> None:
    outcome = run("--version").succeeded()
    assert outcome.stdout.split() == [
        "ensembl-annotations,",
        "version",
        version("ensembl-annotations"),
    ]


def test_the_library() -> None:
    code = "from ensembl_annotations import fetch_ensembl, annotate_vcf, materialize"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    for name in ensembl_annotations.__all__:
        assert getattr(ensembl_annotations, name).__doc__


# --- Usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("annotate", "--nothing"),
        ("annotate", "extra"),
        ("fetch", "--release", "x", "--base-url", "x", "--out", "x"),
        ("fetch", "--release", "0", "--base-url", "x", "--out", "x"),
    ],
    ids=" ".join,
)
def test_wrong_arguments(arguments: tuple[str, ...]) -> None:
    outcome = invoke(*arguments)
    assert outcome.crash is None
    assert outcome.code == 2
    assert "Usage: " in outcome.stderr
    assert "Error: " in outcome.stderr


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, found in REQUIRED.items() for option in found]
)
def test_a_required_option_is_named(name: str, option: str) -> None:
    given = [
        word
        for other in REQUIRED[name]
        if other != option
        for word in (other, "1" if other == "--release" else "x")
    ]
    outcome = invoke(name, *given)
    assert outcome.code == 2
    assert f"Missing {'option' if option.startswith('-') else 'argument'}" in outcome.stderr
    assert option in outcome.stderr


def test_results_go_to_standard_output_and_the_rest_does_not(tmp_path: Path, store: Path) -> None:
    outcome = run(*annotate_arguments(SAMPLE, store, tmp_path / "out")).succeeded()
    assert re.fullmatch(r"annotated: .*, in [\d.]+ s\n", outcome.stdout)
    assert "Contigs not in the reference" in outcome.stderr
    done = run(*fetch_arguments(tmp_path / "store")).succeeded()
    assert re.fullmatch(r"downloaded: homo_sapiens GRCh38 release 116, .*\n", done.stdout)
    assert "homo_sapiens-chr21.vcf.gz" in done.stderr


def test_a_failing_process_ends_with_its_exit_code(tmp_path: Path, store: Path) -> None:
    vcf = tmp_path / "in.vcf"
    vcf.write_text("hello\n")
    run(*annotate_arguments(vcf, store, tmp_path / "out")).failed("in.vcf", "line 1")
    run("annotate", "--vcf", vcf, "--reference", store).failed("--out-vcf", code=2)
    run("verify", tmp_path / "none").failed("none", "no such folder")
    run(*fetch_arguments(tmp_path / "store", "--chromosomes", "99")).failed("99", code=2)


# --- Figures -------------------------------------------------------------------------------------


def test_figures_of_fetch(tmp_path: Path) -> None:
    out = tmp_path / "store"
    invoke(*fetch_arguments(out)).succeeded()
    content = figures(tmp_path / "metrics.json", FETCH_KEYS)
    assert set(content) == set(FETCH_KEYS)
    assert (content["release"], content["assembly"]) == (RELEASE, "GRCh38")
    assert (content["species"], content["num_files"]) == ("homo_sapiens", 4)
    assert content["num_alleles"] >= content["num_variants"] > 50
    assert content["num_quarantined"] == 1
    assert content["reference_sha256"] == sha256_of(out / "datapackage.json")
    size = sum(path.stat().st_size for path in out.glob("homo_sapiens-chr*"))
    assert content["total_size_gb"] == pytest.approx(size / 1e9, abs=1e-6)
    ran = figures(tmp_path / "run.json", FETCH_RUN_KEYS)
    check_usage(ran)
    assert ran["status"] == "downloaded"
    assert ran["cache_path"] == str(out)
    assert ran["downloaded_bytes"] > 1000
    assert 0 < ran["download_duration_sec"] <= ran["duration_sec"]


def test_figures_of_fetch_depend_on_its_inputs_only(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        invoke(*fetch_arguments(tmp_path / name / "store")).succeeded()
    first, second = snapshot(tmp_path / "a"), snapshot(tmp_path / "b")
    first.pop("run.json"), second.pop("run.json")
    assert first == second
    ran = figures(tmp_path / "b" / "run.json", FETCH_RUN_KEYS)
    assert (ran["status"], ran["downloaded_bytes"]) == ("cached", 0)


def test_figures_of_annotate(tmp_path: Path, store: Path) -> None:
    invoke(*annotate_arguments(SAMPLE, store, tmp_path / "out")).succeeded()
    content = figures(tmp_path / "metrics.json", ANNOTATE_KEYS)
    check_metrics(content)
    assert content["reference_sha256"] == sha256_of(store / "datapackage.json")
    assert content["num_alleles"] >= content["num_records"] > 100
    assert 0 < content["num_exact"] < content["num_alleles"]
    assert content["num_no_alt"] == 1
    assert content["num_contig_absent"] > 0
    ran = figures(tmp_path / "run.json", ANNOTATE_RUN_KEYS)
    check_usage(ran)
    assert ran["status"] == "annotated"
    assert ran["cache_path"] == str(store)


def test_figures_of_annotate_depend_on_its_inputs_only(tmp_path: Path, store: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        options = ["--level", "9"] if name == "b" else []
        arguments = annotate_arguments(SAMPLE, store, tmp_path / name / "out", *options)
        invoke(*arguments).succeeded()
    first, second = snapshot(tmp_path / "a"), snapshot(tmp_path / "b")
    assert first["metrics.json"] == second["metrics.json"]
    assert first["out/out.parquet"] == second["out/out.parquet"]
    assert len(second["out/out.vcf.gz"]) < len(first["out/out.vcf.gz"])


@pytest.mark.parametrize("outputs", [("--out-vcf",), ("--out-parquet",)], ids=" ".join)
def test_one_output_alone_gives_the_same_figures(
    outputs: tuple[str, ...], tmp_path: Path, store: Path
) -> None:
    invoke(*annotate_arguments(SAMPLE, store, tmp_path / "out")).succeeded()
    arguments = ["annotate", "--vcf", SAMPLE, "--reference", store]
    kind = "out.vcf.gz" if outputs == ("--out-vcf",) else "out.parquet"
    invoke(*arguments, *outputs, tmp_path / kind, "--metrics", tmp_path / "one.json").succeeded()
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "metrics.json").read_bytes()
    assert (tmp_path / kind).read_bytes() == (tmp_path / "out" / kind).read_bytes()


def test_a_failing_run_says_so_in_its_figures(tmp_path: Path, store: Path) -> None:
    vcf = tmp_path / "in.vcf"
    vcf.write_bytes(plain_vcf(KNOWN, "broken\n"))
    invoke(*annotate_arguments(vcf, store, tmp_path / "out")).failed("in.vcf")
    ran = figures(tmp_path / "run.json", ANNOTATE_RUN_KEYS)
    check_usage(ran)
    assert ran["status"] == "failed"
    assert not (tmp_path / "metrics.json").exists()
    (tmp_path / "f").mkdir()
    invoke(*fetch_arguments(tmp_path / "f" / "store", "--release", "999")).failed("999")
    ran = figures(tmp_path / "f" / "run.json", {"status": str, "cache_path": str, **USAGE_KEYS})
    check_usage(ran)
    assert ran["status"] == "failed"
    assert sorted(snapshot(tmp_path / "f")) == ["run.json"]


# --- Verify --------------------------------------------------------------------------------------


def test_verify(tmp_path: Path, store: Path) -> None:
    outcome = invoke("verify", store).succeeded()
    assert re.search(r"\b10 files verified, release 116", outcome.stdout)


def test_verify_names_what_is_wrong(tmp_path: Path) -> None:
    own = build_store(tmp_path, ["21", "22", "MT"])
    altered, missing = own / "homo_sapiens-chr21.parquet", own / "homo_sapiens-chr22.parquet"
    data = bytearray(altered.read_bytes())
    data[60] ^= 1
    altered.write_bytes(data)
    missing.unlink()
    outcome = invoke("verify", own)
    outcome.failed("2 files are wrong", f"{altered.name}: SHA-256", f"{missing.name} is missing")
    assert "MT" not in outcome.stderr


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"null", b'{"resources": 5}'])
def test_verify_what_is_no_store(content: bytes | None, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    if content is not None:
        (tmp_path / "store" / "datapackage.json").write_bytes(content)
    invoke("verify", tmp_path / "store").failed("datapackage.json")


def test_an_unknown_asset_is_named_with_the_one_that_was_meant() -> None:
    invoke("materialize", "anotated_vcf").failed("'anotated_vcf'", "'annotated_vcf'", code=2)


def test_misspelt_commands_and_options_are_answered_with_the_right_one() -> None:
    invoke("anotate").failed("Did you mean 'annotate'?", code=2)
    invoke("annotate", "--refrence", "x").failed("Did you mean '--reference'?", code=2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mater", ["materialize"]),
        ("annotate --out-", ["--out-vcf", "--out-parquet", "--out-tsv", "--out-xlsx"]),
        ("materialize annotated", ["annotated_vcf", "annotated_vcf@sample"]),
        ("history ens", ["ensembl_annotations"]),
    ],
)
def test_commands_complete_in_the_shell(words: str, expected: list[str]) -> None:
    count = str(len(words.split()))
    found = subprocess.run(
        [TOOL],
        env={
            **os.environ,
            "_ENSEMBL_ANNOTATIONS_COMPLETE": "bash_complete",
            "COMP_WORDS": f"ensembl-annotations {words}",
            "COMP_CWORD": count,
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line.partition(",")[2] for line in found] == expected


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_gets_a_bar_and_no_colour(quiet: bool, tmp_path: Path, store: Path) -> None:
    command = [
        *(TOOL, "annotate", "--vcf", SAMPLE, "--reference", store),
        *("--out-vcf", tmp_path / "out.vcf.gz", *(["--quiet"] if quiet else [])),
    ]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen(
        [str(word) for word in command], stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # The end of a terminal.
            while part := os.read(ours, 1 << 16):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    assert (b"annotate:" in shown or b"annotate :" in shown) is not quiet
    assert b"Contigs not in the reference" in shown
    assert b"annotated: " in shown
    assert re.search(rb"\x1b\[[0-9;]*m", shown) is None


def test_progress_is_of_the_whole_file(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(Progress, "annotated", lambda _, num_bytes: counted.append(num_bytes))
    ensembl_annotations.annotate_vcf(SAMPLE, store, out_vcf=tmp_path / "out.vcf.gz")
    assert sum(counted) == SAMPLE.stat().st_size


def test_who_stops_reading_the_result_gets_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [TOOL, "cache", "list"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
