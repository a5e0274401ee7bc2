"""Names of assets and stages, and where they are kept."""

from __future__ import annotations

from pathlib import Path

from ensembl_annotations.project.lock import read_lock
from ensembl_annotations.project.paths import ASSETS, REFERENCE, STORE, paths_of, stage_of

ROOT = Path(__file__).parents[3]


def test_the_paths_of_an_asset() -> None:
    paths = paths_of("annotated_vcf@p01")
    assert (paths.stage, paths.folder) == ("annotate@p01", Path("data/annotated/p01"))
    assert paths.metrics == Path("metrics/annotate/p01.json")
    assert paths.run == Path("metrics/run/annotate/p01.json")
    paths = paths_of(REFERENCE)
    assert (paths.stage, paths.folder, paths.run) == (
        "fetch_ensembl",
        STORE,
        Path("metrics/run/fetch_ensembl.json"),
    )
    stages = read_lock((ROOT / "dvc.lock").read_bytes())
    assert {stage_of(asset) for asset in ASSETS} <= {stage.partition("@")[0] for stage in stages}
