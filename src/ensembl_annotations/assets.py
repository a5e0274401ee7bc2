"""The pipeline's assets for Dagster's UI. DVC stays what decides: a run here is a `dvc repro`.

All that Dagster is told of an asset comes from ``dvc.lock``: its data version is the digest there, and the
versions of what it was made from are those there. `ensembl_parameters` and `annotate_parameters` stand for
what DVC compares beside data: parameters, the manifest, the versions of results. So "stale" means what
`dvc status` means, and code makes nothing stale.

A sample is a partition; a run without a partition makes all samples. The sensor `follow_dvc` looks every few
seconds at what is changed outside the UI: ``params.yaml``, and what `make` has made.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dvc.dependency.param import ParamsDependency

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.json_files import read_object
from ensembl_annotations.common.logs import forwarded_messages
from ensembl_annotations.common.metrics import RUN_LOG, stamp_of
from ensembl_annotations.project.history import current_figures
from ensembl_annotations.project.materialize import materialize, refuse_failed
from ensembl_annotations.project.paths import (
    LOCK,
    PARAMS_FILE,
    REFERENCE,
    SAMPLES,
    STORE,
    TALLY,
    all_assets,
    asset_of,
    goal_of,
    paths_of,
    sample_of,
    stage_of,
)
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.verification import verify_reference
from ensembl_annotations.store.describe import ReferenceStore

_VCF = "sample_vcf"
_PARAMETERS = {REFERENCE: "ensembl_parameters", SAMPLES: "annotate_parameters"}

# The tags of an event by which Dagster tells what is stale.
_DATA_VERSION, _CODE_VERSION = "dagster/data_version", "dagster/code_version"
_INPUT_VERSION, _INPUT_EVENT = "dagster/input_data_version", "dagster/input_event_pointer"

_LOOK_EVERY_SEC = 5
_LOOKED_AT = (
    PARAMS_FILE,
    LOCK.as_posix(),
    RUN_LOG.as_posix(),
    "data/manifests",
    "src/ensembl_annotations/versions.py",
)
# Dagster gives a look a minute; what is left is for the next one.
_MOST_EVENTS = 100
_MOST_ROWS = 500
_IN_PROGRESS = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class _Samples(dg.DynamicPartitionsDefinition):
    """The samples: the UI lists those that `follow_dvc` noted, a run takes those of ``params.yaml``."""

    def has_partition_key(self, partition_key: str, *_: Any, **__: Any) -> bool:
        return partition_key in Project.open().params.samples


_Context = dg.AssetExecutionContext | dg.OpExecutionContext
_PARTITIONS = "samples"
_samples = _Samples(name=_PARTITIONS)


class FetchConfig(dg.Config):
    """How to run `ensembl_annotations`: `force_download` downloads again what the cache holds."""

    force_download: bool = False


# --- What an asset is made from


def _stages(asset: str) -> list[str]:
    """Return the stages of an asset: a sample's report is made with it."""
    return list(dict.fromkeys((stage_of(asset), goal_of(asset))))


def _sources(asset: str) -> dict[str, str]:
    """Return the data that the stages of an asset read, and the asset that each is: none for its own."""
    samples, sample = Project.open().params.samples, sample_of(asset)
    tally = paths_of(asset).folder / TALLY
    vcf = {samples[sample].vcf: _VCF} if sample in samples else {}
    return {STORE.as_posix(): REFERENCE, tally.as_posix(): "", **vcf}


def _read_now(stage: str, is_wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Return what DVC reads for a stage now, by path: digests, parameters and versions."""
    with Project.open().dvc.opened() as repo:
        (found,) = repo.stage.load_all(name=stage)
        return {
            item.def_path: item.read_params()
            if isinstance(item, ParamsDependency)
            else item.get_hash().value
            for item in found.deps
            if item.exists and is_wanted(item.def_path)
        }


def _parameters_now(asset: str) -> str:
    """Return the digest of what DVC reads for an asset now, beside data."""
    sources = _sources(asset)
    return _digest([_read_now(stage, lambda path: path not in sources) for stage in _stages(asset)])


def _made_from(asset: str) -> dict[str, str]:
    """Return the versions of what ``dvc.lock`` has as read for an asset, by the asset that each is."""
    lock, sources = Project.open().lock, _sources(asset)
    found: dict[str, str] = {}
    rest = []
    for stage in _stages(asset):
        read = {path: dep["md5"] for path, dep in lock.deps(stage).items()} | lock.params(stage)
        found |= {sources[path]: version for path, version in read.items() if sources.get(path)}
        rest.append({path: value for path, value in read.items() if path not in sources})
    return {**found, _PARAMETERS[asset.partition("@")[0]]: _digest(rest)}


def _digest(read: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(read, sort_keys=True, default=str).encode()).hexdigest()[:16]


# --- What Dagster is told


def _figures(asset: str, ran: Mapping[str, Any]) -> dict[str, Any]:
    """Return an asset's figures after a run: if there was nothing to do, those of the run that made it."""
    about = {"status": ran["status"]} if not ran["duration_sec"] else ran
    return {**current_figures(asset), **about}


def _event(
    instance: dg.DagsterInstance, asset: str, figures: Mapping[str, Any]
) -> dg.AssetMaterialization:
    """Return what Dagster keeps of an asset as ``dvc.lock`` has it."""
    paths = paths_of(asset)
    name, _, sample = asset.partition("@")
    digest = Project.open().lock.digest_of(paths.folder)
    assert digest is not None
    # Code is not compared.
    tags = {_DATA_VERSION: digest, _CODE_VERSION: "dvc"}
    for source, version in _made_from(asset).items():
        tags[f"{_INPUT_VERSION}/{source}"] = version
        # Of what has partitions, Dagster compares what was observed after that event.
        is_vcf = source == _VCF
        event = _observe(instance, sample, version) if is_vcf else "NULL"
        tags[f"{_INPUT_EVENT}/{source}"] = event
    # What was done is what one looks for first.
    shown = {"status": "cached", "path": str(paths.folder), **figures}
    if asset == REFERENCE:
        shown["cache_path"] = str(STORE.absolute())
    return dg.AssetMaterialization(
        name,
        partition=sample or None,
        metadata={
            key: dg.MetadataValue.path(value) if key in ("path", "cache_path") else value
            for key, value in shown.items()
        }
        | _sample_table(paths.folder / TALLY),
        tags=tags,
    )


def _sample_table(tally: Path) -> dict[str, dg.TableMetadataValue]:
    """Return the samples of an entry of many as a table, failed ones first; nothing for another tally."""
    content = read_object(tally)
    if "failures" not in content:
        return {}
    failed = [
        {
            "sample": item["sample"],
            "state": "failed",
            "records": "",
            "percent": "",
            "why": item["message"],
        }
        for item in content["failures"]
    ]
    made = [
        {"sample": row["sample"], "state": "annotated", "records": str(row["num_records"]),
         "percent": str(row["annotated_percent"]), "why": ""}
        for row in sorted(content["samples"], key=lambda row: row["annotated_percent"])
    ]  # fmt: skip
    records = [dg.TableRecord(row) for row in [*failed, *made][:_MOST_ROWS]]
    return {"samples": dg.MetadataValue.table(records)} if records else {}


def _observe(instance: dg.DagsterInstance, sample: str, version: str) -> str:
    """Note the version of a sample's VCF, unless it is the last one noted; return the event."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(_VCF), asset_partitions=[sample])
    last = instance.fetch_observations(wanted, limit=1).records
    if not last or (last[0].event_log_entry.tags or {}).get(_DATA_VERSION) != version:
        tags = {_DATA_VERSION: version}
        instance.report_runless_asset_event(dg.AssetObservation(_VCF, partition=sample, tags=tags))
        last = instance.fetch_observations(wanted, limit=1).records
    return str(last[0].storage_id)


def _last_tags(instance: dg.DagsterInstance, asset: str) -> Mapping[str, str]:
    """Return the tags of an asset's last materialization that Dagster knows."""
    name, _, sample = asset.partition("@")
    wanted = dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[sample] if sample else None)
    last = instance.fetch_materializations(wanted, limit=1).records
    return (last[0].event_log_entry.tags or {}) if last else {}


# --- The assets


ensembl_parameters = dg.AssetSpec(
    _PARAMETERS[REFERENCE],
    description="`ensembl` in params.yaml, the manifest, and the version of the reference store.",
)
annotate_parameters = dg.AssetSpec(
    _PARAMETERS[SAMPLES],
    description="`annotate` in params.yaml, and the versions of annotations and reports.",
)


@dg.observable_source_asset(name=_VCF, partitions_def=_samples)
def sample_vcf() -> dg.DataVersionsByPartition:
    """Observe the VCFs in params.yaml: which have changed."""
    found = {
        name: _read_now(stage_of(asset_of(name)), sample.vcf.__eq__).get(sample.vcf)
        for name, sample in Project.open().params.samples.items()
    }
    return dg.DataVersionsByPartition({name: digest for name, digest in found.items() if digest})


@dg.asset(
    name=REFERENCE,
    description="The verified Ensembl reference of the pinned release, as parquet.",
    deps=[ensembl_parameters],
    kinds={"dvc", "parquet"},
)
def ensembl_annotations(
    context: dg.AssetExecutionContext, config: FetchConfig
) -> dg.MaterializeResult[Any]:
    """Bring the reference up to date."""
    event = _fetched(context, config)
    return dg.MaterializeResult(metadata=event.metadata, tags=event.tags)


@dg.asset(
    name=SAMPLES,
    description="A sample's VCF with Ensembl's annotations, and the same as parquet.",
    deps=[ensembl_annotations, annotate_parameters, sample_vcf],
    partitions_def=_samples,
    kinds={"dvc", "vcf"},
    # Its events are one per sample.
    output_required=False,
)
def annotated_vcf(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
    """Bring samples' annotations up to date, and the reference before them."""
    is_chosen = context.has_partition_key or context.has_partition_key_range
    wanted = map(asset_of, context.partition_keys) if is_chosen else [SAMPLES]
    yield from _annotated(context, wanted)


def _fetched(context: _Context, config: FetchConfig) -> dg.AssetMaterialization:
    with forwarded_messages(context.log):
        ran = materialize([REFERENCE], force=config.force_download)[REFERENCE]
    return _event(context.instance, REFERENCE, _figures(REFERENCE, ran))


def _annotated(context: _Context, wanted: Iterable[str]) -> Iterator[dg.AssetMaterialization]:
    with forwarded_messages(context.log):
        made = materialize(list(wanted))
    for asset, ran in made.items():
        if asset != REFERENCE:
            yield _event(context.instance, asset, _figures(asset, ran))
    # What was made of the others is told; the run is red, as `make` ends with an error.
    try:
        refuse_failed(made)
    except EnsemblAnnotationsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


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


# --- The job, and what follows DVC


@dg.op(out=dg.Out(dg.Nothing))
def fetch_reference(context: dg.OpExecutionContext, config: FetchConfig) -> Iterator[Any]:
    """Bring the reference up to date."""
    yield _fetched(context, config)
    yield dg.Output(None)


@dg.op(ins={"reference": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def annotate_samples(context: dg.OpExecutionContext) -> Iterator[Any]:
    """Bring the annotations of all samples up to date."""
    yield from _annotated(context, [SAMPLES])
    yield dg.Output(None)


# No job of assets: to these Dagster gives no Launchpad, and no run without a partition.
@dg.job
def annotate_vcf_with_ensembl_job() -> None:
    """Bring the reference up to date, then annotate all samples with it."""
    annotate_samples(fetch_reference())


@dg.sensor(minimum_interval_seconds=_LOOK_EVERY_SEC, default_status=dg.DefaultSensorStatus.RUNNING)
def follow_dvc(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Take the partitions from params.yaml, and note what was made outside the UI."""
    instance, project = context.instance, Project.open()
    samples = project.params.samples
    assets = all_assets(samples)
    seen = _stamp(project, assets)
    if seen == context.cursor:
        return dg.SkipReason("Nothing has changed.")
    # Those of samples are the same for all.
    events = [
        dg.AssetMaterialization(name, tags={_DATA_VERSION: version})
        for asset, name in zip(assets, _PARAMETERS.values(), strict=False)
        if (version := _parameters_now(asset)) != _last_tags(instance, name).get(_DATA_VERSION)
    ]
    if samples:
        instance.add_dynamic_partitions(_PARTITIONS, list(samples))
    for name in set(instance.get_dynamic_partitions(_PARTITIONS)).difference(samples):
        instance.delete_dynamic_partition(_PARTITIONS, name)
    # A run tells of what it makes itself.
    is_busy = instance.get_runs_count(dg.RunsFilter(statuses=_IN_PROGRESS)) > 0
    new = [] if is_busy else [asset for asset in assets if _is_new(instance, project, asset)]
    figures = {asset: current_figures(asset) for asset in new[:_MOST_EVENTS]}
    made = [_event(instance, asset, found) for asset, found in figures.items() if found]
    return dg.SensorResult(
        asset_events=[*events, *made],
        # Where a folder is not what DVC has of it yet, it looks again.
        cursor="" if is_busy or len(made) < len(new) else seen,
    )


def _is_new(instance: dg.DagsterInstance, project: Project, asset: str) -> bool:
    """Say whether ``dvc.lock`` has another asset than Dagster, and something of it is here.

    The same content is another asset if it was made from other inputs: else it would stay stale.
    """
    paths = paths_of(asset)
    out = project.lock.outs(paths.stage).get(paths.folder.as_posix())
    if not out or not (project.root / paths.folder).exists():
        return False
    made_from = {f"{_INPUT_VERSION}/{name}": now for name, now in _made_from(asset).items()}
    wanted = {_DATA_VERSION: out["md5"], **made_from}
    return not wanted.items() <= _last_tags(instance, asset).items()


def _stamp(project: Project, assets: Sequence[str]) -> str:
    """Return what changes with what `follow_dvc` looks at."""
    paths = [*_LOOKED_AT, *(paths_of(asset).folder.as_posix() for asset in assets)]
    return _digest([[path, stamp_of(project.root / path)] for path in paths])


defs = dg.Definitions(
    assets=[
        ensembl_parameters,
        annotate_parameters,
        sample_vcf,
        ensembl_annotations,
        annotated_vcf,
    ],
    asset_checks=[every_file_is_as_described],
    jobs=[annotate_vcf_with_ensembl_job],
    sensors=[follow_dvc],
    # DVC runs one stage at a time: a process for each asset would only import all of it once more.
    executor=dg.in_process_executor,
)
