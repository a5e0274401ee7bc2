"""The pipeline's assets for Dagster's UI. DVC stays what decides: a run here is a `dvc repro`.

Start it with ``make ui``. A materialization's data version is the digest that DVC gave it, and an
asset's code version the digest of what else DVC would compare: the parameters and versions of its stages,
and the manifest. So "stale" means what `dvc status` means, and code alone makes nothing stale.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import dagster as dg
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.project.folders import verify_reference
from ensembl_annotations.project.git import locked_paths, read_lock
from ensembl_annotations.project.materialize import (
    ANNOTATED,
    LOCK,
    REFERENCE,
    REPORT,
    SAMPLES,
    STORE,
    materialize,
    stage_of,
)
from ensembl_annotations.project.params import PARAMS_FILE, load_params
from ensembl_annotations.store.describe import ReferenceStore

_PARAMS = load_params(Path(PARAMS_FILE))
_partitions = dg.StaticPartitionsDefinition(list(_PARAMS.samples))


class FetchConfig(dg.Config):
    """How to run `ensembl_annotations`: `force_download` downloads again what the cache holds."""

    force_download: bool = False


def _read_for(stage_name: str) -> dict[str, Any]:
    """Return the digests of the files, the parameters and the versions that DVC would read for a stage."""
    with Repo() as repo:
        (stage,) = repo.stage.load_all(name=stage_name)
        return {
            str(item): item.read_params()
            if isinstance(item, ParamsDependency)
            else item.get_hash().value
            for item in stage.deps
            if item.exists
        }


def _code_version(asset: str) -> str | None:
    """Return the digest of an asset's parameters, versions and manifest; other data are assets."""
    if asset == SAMPLES and not _PARAMS.samples:
        return None
    sample = next(iter(_PARAMS.samples), "")
    # A sample's report is made with it.
    names = (
        [stage_of(asset)]
        if asset == REFERENCE
        else [stage_of(f"{SAMPLES}@{sample}"), f"{REPORT}@{sample}"]
    )
    read = [_read_for(name) for name in names]
    data = {STORE.as_posix(), *(item.vcf for item in _PARAMS.samples.values())}
    data.add((ANNOTATED / sample / "tally.json").as_posix())
    kept = [{path: value for path, value in item.items() if path not in data} for item in read]
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _materialized(asset: str, path: Path, *, force: bool = False) -> dg.MaterializeResult[Any]:
    figures = materialize([asset], force=force, log=dg.get_dagster_logger().info)[asset]
    stages = read_lock(LOCK.read_bytes()) or {}
    digest = locked_paths(stages[stage_of(asset)], "outs")[path.as_posix()]["md5"]
    paths = ("path", "cache_path")
    return dg.MaterializeResult(
        # What was done is what one looks for first.
        metadata={
            name: dg.MetadataValue.path(value) if name in paths else value
            for name, value in {"status": None, **figures}.items()
        },
        data_version=dg.DataVersion(digest),
    )


@dg.asset(
    name=REFERENCE,
    description="The verified Ensembl reference of the pinned release, as parquet.",
    code_version=_code_version(REFERENCE),
    kinds={"dvc", "parquet"},
)
def ensembl_annotations(config: FetchConfig) -> dg.MaterializeResult[Any]:
    """Bring the reference up to date."""
    return _materialized(REFERENCE, STORE, force=config.force_download)


@dg.observable_source_asset(partitions_def=_partitions)
def sample_vcf() -> dg.DataVersionsByPartition:
    """Observe the VCFs in params.yaml: which have changed."""
    found = {
        name: _read_for(stage_of(f"{SAMPLES}@{name}")).get(sample.vcf)
        for name, sample in _PARAMS.samples.items()
    }
    return dg.DataVersionsByPartition({name: digest for name, digest in found.items() if digest})


@dg.asset(
    name=SAMPLES,
    description="A sample's VCF with Ensembl's annotations, and the same as parquet.",
    deps=[ensembl_annotations, sample_vcf],
    partitions_def=_partitions,
    code_version=_code_version(SAMPLES),
    kinds={"dvc", "vcf"},
)
def annotated_vcf(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Bring one sample's annotations up to date, and the reference before it."""
    sample = context.partition_key
    return _materialized(f"{SAMPLES}@{sample}", ANNOTATED / sample)


@dg.asset_check(asset=ensembl_annotations)
def every_file_is_as_described() -> dg.AssetCheckResult:
    """Hash every file of the reference store against its datapackage.json and dvc.lock."""
    try:
        store = ReferenceStore(STORE)
        problems, _ = verify_reference(store)
    except EnsemblAnnotationsError as error:
        return dg.AssetCheckResult(passed=False, metadata={"problems": str(error)})
    about = {"problems": "; ".join(problems) or "none", "reference_sha256": store.digest}
    return dg.AssetCheckResult(passed=not problems, metadata=about)


annotate_vcf_with_ensembl_job = dg.define_asset_job(
    "annotate_vcf_with_ensembl_job",
    # Names would be parsed, by a grammar that needs a newer antlr4 than DVC allows.
    selection=dg.AssetSelection.assets(ensembl_annotations, annotated_vcf),
    partitions_def=_partitions,
    description="Bring the reference up to date, then annotate a sample with it.",
)

defs = dg.Definitions(
    assets=[ensembl_annotations, sample_vcf, annotated_vcf],
    asset_checks=[every_file_is_as_described],
    jobs=[annotate_vcf_with_ensembl_job],
)
