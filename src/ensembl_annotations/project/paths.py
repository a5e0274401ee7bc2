"""Where the pipeline keeps what, relative to the repository, and what assets and stages are called.

An *asset* is what a user asks for; a *stage* of ``dvc.yaml`` makes it. Of a sample's stages and assets
each has the sample's name behind an ``@``. Imported by every command: nothing heavy is imported here.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.metrics import LOGS

LOCK = Path("dvc.lock")
PARAMS_FILE = "params.yaml"
STORE = Path("data/ensembl_annotations")
ANNOTATED = Path("data/annotated")
REPORTS = Path("data/reports")
CATALOG = Path("catalog.html")
METRICS = Path("metrics")
WRITTEN = (Path("data"), METRICS)
"""What the pipeline writes to."""
RECORDS = (PARAMS_FILE, "dvc.yaml", LOCK.as_posix(), "data/manifests", METRICS.as_posix())
"""What says in git how the results were made."""

ASSETS = {"ensembl_annotations": "fetch_ensembl", "annotated_vcf": "annotate"}
"""Assets, in the order of the lineage, and the stages that make them."""
REFERENCE, SAMPLES = ASSETS
FETCH, ANNOTATE = ASSETS.values()
MANIFEST = "ensembl_manifest"
"""The stage before `fetch_ensembl`: notes what is published, and checks what is wanted."""
REPORT = "report"
"""The stage that makes the report of a sample, from what `annotate` made."""

TABLE = "annotated.parquet"
TALLY = "tally.json"
SCHEDULER_VARIABLE = "ENSEMBL_ANNOTATIONS_SCHEDULER"
"""Names Dask's scheduler; for stages, which DVC starts, too. It is no parameter: no result depends on it."""

# No longer than a file's name may be with what is added to it.
SAMPLE_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,199}")


class AssetPaths(NamedTuple):
    """Where an asset is, the figures of its content, those of its last run, and its stage's log."""

    asset: str
    stage: str
    folder: Path
    metrics: Path
    run: Path
    log: Path


def paths_of(asset: str) -> AssetPaths:
    """Return the paths of the reference, or of a sample's asset, ``annotated_vcf@NAME``."""
    stage, sample = stage_of(asset), sample_of(asset)
    figures = Path(f"{ANNOTATE}/{sample}.json" if sample else f"{stage}.json")
    return AssetPaths(
        asset,
        stage,
        ANNOTATED / sample if sample else STORE,
        METRICS / figures,
        METRICS / "run" / figures,
        LOGS / f"{stage}.jsonl",
    )


def sample_of(asset: str) -> str:
    """Return the sample of an asset or a stage; empty where it is of none."""
    return asset.partition("@")[2]


def running_sample() -> str:
    """Return the sample of the stage that DVC runs this process for.

    Raises
    ------
    UsageError
        Where it is none that a sample may have, or where DVC does not run this process.

    Notes
    -----
    DVC names the stage in the environment. Were it in the stage's command, the shell would run what is
    in a name: DVC does not quote it.
    """
    stage = os.environ.get("DVC_STAGE")
    if stage is None:
        raise UsageError(
            "This is the program of a stage, and DVC names no stage.",
            hint="Run it with 'dvc repro annotate@NAME', or 'dvc repro report@NAME'.",
        )
    sample = sample_of(stage)
    if not SAMPLE_NAME.fullmatch(sample):
        raise UsageError(
            f"{PARAMS_FILE}: samples: expected a name of letters, digits, - and _, which begins "
            f"with a letter or digit, 200 at most; found {sample!a}.",
            hint="If you did not write it, ask who did: it may be an attack.",
        )
    return sample


def asset_of(sample: str) -> str:
    """Return the asset of a sample."""
    return f"{SAMPLES}@{sample}"


def all_assets(samples: Iterable[str]) -> list[str]:
    """Return the reference and each sample's asset, in the order of the lineage."""
    return [REFERENCE, *map(asset_of, samples)]


def stage_of(asset: str) -> str:
    """Return the stage of dvc.yaml that makes an asset; a sample's where one is named."""
    name, at, sample = asset.partition("@")
    return f"{ASSETS[name]}{at}{sample}"


def goal_of(asset: str) -> str:
    """Return the last stage that an asset needs: of samples the report, which brings the asset along."""
    name, at, sample = asset.partition("@")
    return f"{REPORT}{at}{sample}" if name == SAMPLES else stage_of(asset)


def find_root(folder: Path) -> Path | None:
    """Return the repository of DVC that a folder is in: the folder itself, or the nearest above."""
    if (folder / ".dvc").is_dir():
        return folder
    return next((root for root in folder.resolve().parents if (root / ".dvc").is_dir()), None)


def named_scheduler() -> str | None:
    """Return Dask's scheduler for the stages of this run; None where this machine does the work."""
    return os.environ.get(SCHEDULER_VARIABLE) or None
