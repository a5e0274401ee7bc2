"""What a run that writes a VCF only does not load."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from tests.support.store import snv, write_store

ROOT = Path(__file__).parents[2]
HEAVY = (
    "dask", "difflib", "distributed", "filelock", "jinja2", "numpy", "pandas", "polars", "pyarrow",
    "pydantic", "pysam", "requests", "secrets", "tempfile", "yaml",
)  # fmt: skip
# What defines much for what a short run does not do. A data class takes longer to define than such a run to use it.
OWN = tuple(
    f"ensembl_annotations.{name}" for name in ("annotate.label", "common.cluster", "vcf.blocks")
)
DEFINING = ("asyncio", "dataclasses", "pickle", *OWN)
# What a run of half a second imports for the samples of its memory, and what asks git or DVC.
SLOW = ("dvc", "psutil", "resource", "shutil", "socket", "sqlite3", "subprocess")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("start")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        fetch_ensembl(
            base / "store",
            mirrors=ROOT / "data/mini_ensembl",
            release=116,
            chromosomes="22",
            fasta=True,
        )
    return base / "store"


def loaded(
    store: Path,
    folder: Path,
    outputs: tuple[str, ...] = ("--out-vcf", "o.vcf.gz"),
    names: tuple[str, ...] = (*HEAVY, *SLOW),
) -> str:
    """Annotate in a folder, and return which of some modules were loaded; what stays is frozen."""
    program = (
        "import gc, sys\n"
        "from ensembl_annotations.cli import main\n"
        "from ensembl_annotations.common import metrics\n"
        "metrics._FIRST_SAMPLE_SEC = 600\n"
        "main(sys.argv[2:], standalone_mode=False)\n"
        "assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()\n"
        "assert gc.get_stats()[0]['collections'] < 30, gc.get_stats()\n"
        "print([name for name in sys.argv[1].split(',') if name in sys.modules])\n"
    )
    arguments = [
        "annotate", "--vcf", str(ROOT / "data/vcf/sample.vcf.gz"), "--reference", str(store),
        "--chromosomes", "22", *outputs,
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program, ",".join(names), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("form", [".vcf.gz", ".vcf"])
def test_only_what_a_vcf_needs_is_loaded(form: str, store: Path, tmp_path: Path) -> None:
    names = (*HEAVY, *SLOW, *DEFINING)
    assert loaded(store, tmp_path, ("--out-vcf", f"out{form}"), names) == "[]"


def test_in_a_repository_no_more_is_loaded(store: Path, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.lock").write_text("stages: {}\n")
    assert loaded(store, tmp_path) == "[]"


def test_what_dvc_lock_says_of_its_reference_takes_yaml_alone(store: Path, tmp_path: Path) -> None:
    for name in (".dvc", "data", "metrics"):
        (tmp_path / name).mkdir()
    own = tmp_path / "data/ensembl_annotations"
    own.symlink_to(store)
    digest = hashlib.sha256((store / "datapackage.json").read_bytes()).hexdigest()
    figures = json.dumps({"reference_sha256": digest}).encode()
    (tmp_path / "metrics/fetch_ensembl.json").write_bytes(figures)
    md5 = hashlib.md5(figures).hexdigest()
    out = {"path": "metrics/fetch_ensembl.json", "md5": md5}
    (tmp_path / "dvc.lock").write_text(json.dumps({"stages": {"fetch_ensembl": {"outs": [out]}}}))
    assert loaded(own, tmp_path) == "['yaml']"


def test_a_table_and_a_tally_do_without_polars(store: Path, tmp_path: Path) -> None:
    outputs = ("--out-vcf", "o.vcf.gz", "--out-parquet", "o.parquet", "--tally", "o.json")
    assert loaded(store, tmp_path, outputs, ("polars", "pandas", "pydantic")) == "[]"


def test_without_genes_they_do_without_arrows_functions(tmp_path: Path) -> None:
    bare = write_store(tmp_path / "bare", {"22": [snv(300, "A>G", 4)]})
    outputs = ("--out-parquet", "o.parquet", "--tally", "o.json")
    assert loaded(bare, tmp_path, outputs, ("pyarrow", "pyarrow.compute")) == "['pyarrow']"


def test_what_a_short_run_does_not_come_to_is_not_imported_before() -> None:
    program = (
        "import sys\n"
        "import ensembl_annotations.annotate.annotate, ensembl_annotations.cli\n"
        "print([name for name in sys.argv[1].split(',') if name in sys.modules])\n"
    )
    names = ",".join((*HEAVY, *SLOW, *DEFINING))
    done = subprocess.run(
        [sys.executable, "-c", program, names], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_types_of_named_tuples_are_not_compiled_at_each_start() -> None:
    """As texts they would be: a module that defines many does without ``from __future__ import annotations``."""
    program = (
        "import sys\n"
        "from typing import ForwardRef\n"
        "import ensembl_annotations.annotate.annotate, ensembl_annotations.cli\n"
        "own = [module for name, module in sys.modules.items() if 'ensembl_annotations' in name]\n"
        "tuples = {item for module in own for item in vars(module).values()\n"
        "          if isinstance(item, type) and issubclass(item, tuple) and hasattr(item, '_fields')}\n"
        "types = [type(kind) for item in tuples for kind in item.__annotations__.values()]\n"
        "print(len(tuples) > 15, types.count(ForwardRef) < len(types) / 4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True True\n", done.stderr


def test_a_conversion_does_without_pandas_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    program = (
        "import sys\n"
        "from ensembl_annotations.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print('pandas' in sys.modules)\n"
    )
    arguments = [
        "fetch", "--base-url", str(ROOT / "data/mini_ensembl"), "--release", "116", "--fasta",
        "--chromosomes", "22", "--out", str(tmp_path / "store"),
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "ENSEMBL_ANNOTATIONS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("query", ["22:1-60000000", "rs1", "22:5:A:C"])
def test_a_lookup_loads_no_other_data_frames(query: str, store: Path) -> None:
    """pyarrow imports pandas for some calls, which takes a quarter of a second."""
    program = (
        "import sys\n"
        "from ensembl_annotations import lookup\n"
        "assert len(lookup(*sys.argv[1:]))\n"
        "print([name for name in ('dvc', 'pandas', 'pydantic', 'requests') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", program, query, str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
