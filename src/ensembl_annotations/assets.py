"""The pipeline's assets for Dagster's UI. DVC stays what decides: a run here is a `dvc repro`.

Start it with ``make ui``. A materialization's data version is the digest that DVC gave it, and an
asset's code version the digest of what else DVC would compare: the parameters and versions of its stages,
and the manifest. So "stale" means what `dvc status` means, and code alone makes nothing stale.
"""

import hashlib
import json
from typing import Any

import dagster as dg
from dvc.dependency.param import ParamsDependency

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.project.materialize import materialize
from ensembl_annotations.project.paths import (
    REFERENCE,
    SAMPLES,
    STORE,
    asset_of,
    goal_of,
    paths_of,
    stage_of,
)
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.verification import verify_reference
from ensembl_annotations.store.describe import ReferenceStore

_PROJECT = Project.open()
_PARAMS = _PROJECT.params
_partitions = dg.StaticPartitionsDefinition(list(_PARAMS.samples))


class FetchConfig(dg.Config):
    """How to run `ensembl_annotations`: `force_download` downloads again what the cache holds."""

    force_download: bool = False


def _read_for(stage_name: str) -> dict[str, Any]:
    """Return the digests of the files, the parameters and the versions that DVC would read for a stage."""
    with _PROJECT.dvc.opened() as repo:
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
    name = asset_of(next(iter(_PARAMS.samples))) if asset == SAMPLES else asset
    # A sample's report is made with it.
    stages = dict.fromkeys((stage_of(name), goal_of(name)))
    data = {STORE.as_posix(), *(sample.vcf for sample in _PARAMS.samples.values())}
    data.add((paths_of(name).folder / "tally.json").as_posix())
    read = [
        {path: value for path, value in _read_for(stage).items() if path not in data}
        for stage in stages
    ]
    return hashlib.sha256(json.dumps(read, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _materialized(asset: str, *, force: bool = False) -> dg.MaterializeResult[Any]:
    figures = materialize([asset], force=force, log=dg.get_dagster_logger().info)[asset]
    digest = _PROJECT.lock.digest_of(paths_of(asset).folder)
    assert digest is not None
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
    return _materialized(REFERENCE, force=config.force_download)


@dg.observable_source_asset(partitions_def=_partitions)
def sample_vcf() -> dg.DataVersionsByPartition:
    """Observe the VCFs in params.yaml: which have changed."""
    found = {
        name: _read_for(stage_of(asset_of(name))).get(sample.vcf)
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
    return _materialized(asset_of(context.partition_key))


@dg.asset_check(asset=ensembl_annotations)
def every_file_is_as_described() -> dg.AssetCheckResult:
    """Hash every file of the reference store against its datapackage.json and dvc.lock."""
    try:
        store = ReferenceStore(STORE)
        problems, _ = verify_reference(store)
    except EnsemblAnnotationsError as error:
        return dg.AssetCheckResult(passed=False, metadata={"problems": str(error)})
    about = {"problems": "; ".join(map(str, problems)) or "none", "reference_sha256": store.digest}
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
