"""Bring assets up to date through DVC, and say what happened."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ensembl_annotations.common.atomic import atomic_path, write_json
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    InputError,
    UsageError,
    nearest,
)
from ensembl_annotations.common.metrics import LOGS, RUN_LOG, log_run, now_utc, stamp_of
from ensembl_annotations.project.git import find_project
from ensembl_annotations.project.params import PARAMS_FILE, SAMPLE_NAME, Params, load_params
from ensembl_annotations.report.report import PAGE

FORCE_VARIABLE = "ENSEMBL_ANNOTATIONS_FORCE"
STORE = Path("data/ensembl_annotations")
ANNOTATED = Path("data/annotated")
REPORTS = Path("data/reports")
METRICS = Path("metrics")
LOCK = Path("dvc.lock")
ASSETS = {"ensembl_annotations": "fetch_ensembl", "annotated_vcf": "annotate"}
"""Assets, in the order of the lineage, and the stages that make them."""
REFERENCE, SAMPLES = ASSETS
REPORT = "report"
"""The stage that makes the report of a sample, from what `annotate` made."""

# A stage removes what it has not finished.
_PATIENCE_SEC = 10

_NOTHING_DONE = {
    "num_cached": 0,
    "num_resumed": 0,
    "num_downloaded": 0,
    "downloaded_bytes": 0,
    "download_duration_sec": 0.0,
    "download_cpu_percent": 0.0,
}
_NO_TIME = {"duration_sec": 0.0, "cpu_percent": 0.0, "peak_memory_mb": 0.0}
NOTHING_RAN = {**_NOTHING_DONE, **_NO_TIME}
"""Figures of a run where DVC had nothing to run."""


def materialize(
    assets: Sequence[str] | str | None = None,
    *,
    force: bool = False,
    project: Path | str = Path(),
    log: Callable[[str], object] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Bring assets and what they need up to date, and return their metadata and status.

    Parameters
    ----------
    assets : sequence of str, or str, optional
        ``ensembl_annotations``, ``annotated_vcf``; default both.
    force : bool
        Download the reference again and run the named assets' stages even if nothing changed.
    project : Path or str
        The repository; default the current folder.
    log : callable
        Called with a line of text per step.

    Returns
    -------
    dict of str to dict
        By asset (``annotated_vcf`` by sample, as ``annotated_vcf@sample``): its folder, the figures of the
        content, then those of the run, `status` among them: ``downloaded``, ``annotated``, or
        ``cached`` where nothing was downloaded, or DVC had nothing to run.

    Raises
    ------
    EnsemblAnnotationsError
        Where a stage fails; its own message has been printed.
    UsageError
        For an unknown asset, outside a repository, or for wrong parameters.

    Examples
    --------
    >>> made = materialize("ensembl_annotations")
    >>> made["ensembl_annotations"]["release"]
    116
    """
    project = find_project(project).resolve()
    params = load_params(project / PARAMS_FILE)
    wanted = [assets] if isinstance(assets, str) else list(ASSETS) if assets is None else assets
    names = _asset_names(wanted, params)
    # It uses what is here.
    from ensembl_annotations.project.folders import refuse_foreign

    _check_samples(project, params, names)
    places = asset_places(params, names)
    for place in places:
        refuse_foreign(project, place.path)
    before = {place: stamp_of(project / place.run) for place in places}
    stages = [stage_of(name) for name in names]
    if not (force and REFERENCE in names):
        _restore_reference(project, log)
    if force and REFERENCE not in names:
        # What is forced must not be made from the reference of another commit.
        _dvc_repro(project, [ASSETS[REFERENCE]], {}, log)
    if force:
        _dvc_repro(project, ["--force", "--single-item", *stages], {FORCE_VARIABLE: "1"}, log)
    if names:
        _dvc_repro(project, [_goal_of(name) for name in names], {}, log)
        _check_kept(project)
    # Only now: a run that fails takes nothing away.
    prune_samples(project, params.samples, log)
    results = {}
    for place in places:
        run = project / place.run
        if stamp_of(run) == before[place]:
            write_json(run, _cached_figures(project, place))
            content = _read(project / place.metrics)
            log_run(project / RUN_LOG, place.name, _read(run), content, project / place.path)
        results[place.name] = {
            "path": str(place.path),
            **_read(project / place.metrics),
            **_read(run),
        }
    return results


def _asset_names(assets: Iterable[str], params: Params) -> list[str]:
    """Return the assets in the order of the lineage; without samples, there is the reference only."""
    known = [*ASSETS, *(f"{SAMPLES}@{sample}" for sample in params.samples)]
    wanted = set(assets)
    for name in sorted(wanted - set(known)):
        raise UsageError(f"{name!r} is not an asset.{nearest(name, known)}")
    if SAMPLES in wanted:
        wanted -= {name for name in known if name.startswith(f"{SAMPLES}@")}
        if not params.samples:
            wanted = {REFERENCE}
    return [name for name in known if name in wanted]


def _check_samples(project: Path, params: Params, names: Iterable[str]) -> None:
    """Look at the VCFs' headers before a reference is downloaded for them, which may take hours.

    Raises
    ------
    InputError
        Where one is missing, is no VCF, or says that it is of another assembly.
    """
    from ensembl_annotations.annotate.guard import check_header
    from ensembl_annotations.vcf.read import VcfReader

    wanted = set(names)
    for sample, about in params.samples.items():
        if not wanted & {SAMPLES, f"{SAMPLES}@{sample}"}:
            continue
        vcf = project / about.vcf
        if not vcf.exists() and vcf in _outputs(project):
            continue
        try:
            if vcf.exists() and not vcf.is_file():
                raise InputError(f"{about.vcf}: is no file; expected a VCF.", hint="Give a file.")
            with VcfReader(vcf) as reader:
                check_header(
                    reader.header,
                    params.ensembl.species,
                    params.ensembl.assembly,
                    params.annotate.assembly,
                    about.vcf,
                )
        except EnsemblAnnotationsError as error:
            told = error.message.replace(f"{project}{os.sep}", "")
            error.message = f"Sample {sample} of {PARAMS_FILE}: {told}"
            others = f"'ensembl-annotations materialize {REFERENCE}', or {SAMPLES}@NAME"
            error.hint = f"{error.hint or ''} Without this sample: {others}.".strip()
            raise


def _outputs(project: Path) -> set[Path]:
    """Return what stages make, those that the user added too; nothing where DVC can't tell."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with suppress(DvcException), Repo(str(project)) as repo:
        return {Path(out.fs_path) for out in repo.index.outs}
    return set()


def stage_of(asset: str) -> str:
    """Return the stage of dvc.yaml that makes an asset; a sample's where one is named."""
    name, at, sample = asset.partition("@")
    return f"{ASSETS[name]}{at}{sample}"


def _goal_of(asset: str) -> str:
    """Return the last stage that an asset needs: of samples the report, which brings the asset along."""
    name, at, sample = asset.partition("@")
    return f"{REPORT}{at}{sample}" if name == SAMPLES else stage_of(asset)


def report_page(asset: str) -> Path | None:
    """Return where the page of a sample's asset is, ``annotated_vcf@NAME``; None for another."""
    name, _, sample = asset.partition("@")
    return REPORTS / sample / PAGE if name == SAMPLES and sample else None


def fetch_options(params: Params, project: Path = Path()) -> dict[str, Any]:
    """Return the arguments of `fetch_ensembl` and `plan_fetch` that the parameters decide."""
    from ensembl_annotations.fetch import Layout, manifest_path

    wanted = params.ensembl
    layout = Layout(wanted.species, wanted.assembly, wanted.release)
    return {
        "out": project / STORE,
        "mirrors": [_in_project(mirror, project) for mirror in params.mirrors],
        "release": wanted.release,
        "species": wanted.species,
        "assembly": wanted.assembly,
        "chromosomes": wanted.wanted,
        "fasta": wanted.fasta,
        "manifest": project / manifest_path(wanted.source, layout),
        "dvc_cache": dvc_cache(project),
    }


def _in_project(mirror: str, project: Path) -> str:
    return mirror if "://" in mirror else str(project / mirror)


def dvc_cache(project: Path) -> Path | None:
    """Return where DVC keeps its copies; None outside a repository of DVC."""
    from dvc.config import Config
    from dvc.exceptions import DvcException

    folder = project / ".dvc"
    try:
        configured = Config(str(folder)).get("cache", {}).get("dir")
    except DvcException:
        return None
    return Path(configured) if configured else folder / "cache"


def plan_materialize(*, force: bool = False, project: Path | str = Path()) -> list[str]:
    """Return as lines of text what making `ensembl_annotations` anew would download, and need.

    Raises
    ------
    EnsemblAnnotationsError
        Where it could not be done: not published, no answer, or no room.

    Examples
    --------
    >>> plan_materialize()[0].partition(":")[0]
    'homo_sapiens GRCh38 release 116'
    """
    from ensembl_annotations.fetch import plan_fetch

    project = find_project(project).resolve()
    options = fetch_options(load_params(project / PARAMS_FILE), project)
    if not options["manifest"].exists():
        options["manifest"] = None
    return plan_fetch(**options, force=force)


@dataclass(frozen=True)
class Place:
    """Where an asset is, the figures of its content, and those of its last run."""

    name: str
    path: Path
    metrics: Path
    run: Path


def asset_places(params: Params, names: Iterable[str] = ASSETS) -> list[Place]:
    """Return the places of the reference, and of the samples that are named, or of all."""
    wanted = set(names)
    stage = ASSETS[REFERENCE]
    places = [Place(REFERENCE, STORE, METRICS / f"{stage}.json", METRICS / "run" / f"{stage}.json")]
    stage = ASSETS[SAMPLES]
    for sample in params.samples:
        if wanted & {SAMPLES, f"{SAMPLES}@{sample}"}:
            figures = Path(stage) / f"{sample}.json"
            places.append(
                Place(
                    f"{SAMPLES}@{sample}",
                    ANNOTATED / sample,
                    METRICS / figures,
                    METRICS / "run" / figures,
                )
            )
    return places


def _cached_figures(project: Path, place: Place) -> dict[str, Any]:
    fetched = _NOTHING_DONE if place.name == "ensembl_annotations" else {}
    return {
        "status": "cached",
        "cache_path": str(project / STORE),
        **fetched,
        **_NO_TIME,
        "finished_at": now_utc(),
    }


def _read(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def _dvc_repro(
    project: Path, arguments: list[str], variables: dict[str, str], log: Callable[[str], object]
) -> None:
    if code := _dvc(project, ["repro", *arguments], variables, log):
        raise EnsemblAnnotationsError(
            f"'dvc repro {' '.join(arguments)}' failed (exit code {code}); "
            "what went wrong is printed above."
        )


def _dvc(
    project: Path, arguments: list[str], variables: dict[str, str], log: Callable[[str], object]
) -> int:
    log(f"$ dvc {' '.join(arguments)}")
    # DVC runs a stage's command in a shell; it must find the Python that runs this.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = {**os.environ, "PATH": path, **variables}
    process = subprocess.Popen(command, cwd=project, env=environment)
    try:
        return process.wait()
    except BaseException:
        _stop(process.pid)
        raise


def _stop(dvc: int) -> None:
    """End DVC by ending its stage, which would write on if DVC alone were ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(dvc)
        stage = process.children(recursive=True)
        for child in stage or [process]:
            with suppress(psutil.NoSuchProcess):
                child.terminate()
        _, alive = psutil.wait_procs([*stage, process], timeout=_PATIENCE_SEC)
        for child in alive:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def _restore_reference(project: Path, log: Callable[[str], object]) -> None:
    """Have the reference of ``dvc.lock`` here, where DVC's cache or the remote has the one wanted.

    Raises
    ------
    EnsemblAnnotationsError
        Where the remote does not answer or can't be used: a release is not downloaded because of it.

    Notes
    -----
    ``dvc repro`` takes it from there only where the record of the run that made it is here, too, which
    is so on the machine of that run only.
    """
    if not (project / LOCK).exists():
        return
    # It uses what is here.
    from ensembl_annotations.project.remote import SharedReference, has_reference

    if not has_reference(project):
        return
    otherwise = (
        f" To make the reference from what Ensembl published instead, run 'dvc repro "
        f"{ASSETS[REFERENCE]}'."
    )
    try:
        shared = SharedReference(project)
        shared.refuse_altered_list()
        if not shared.is_current or (shared.is_cached and shared.is_here):
            return
        command = "checkout" if shared.is_cached else "pull" if shared.is_published else None
        if command:
            shared.prepare_dvc()
    except UsageError:
        raise
    except EnsemblAnnotationsError as error:
        # Files that an attacker placed are no reason to take another way.
        if error.code != "forged_list":
            error.hint = f"{error.hint or ''}{otherwise}".strip()
        raise
    # What lies in its folder instead is of another commit, or damaged.
    if command and _dvc(project, [command, "--force", ASSETS[REFERENCE]], {}, log):
        raise EnsemblAnnotationsError(
            f"'dvc {command}' of the reference failed; what went wrong is printed above.",
            hint=f"'ensembl-annotations repair' finds what is damaged.{otherwise}",
        )


def refuse_shared_cache(project: Path = Path()) -> None:
    """Refuse to annotate where DVC's cache, which gets the annotated genome, is shared by a group.

    Raises
    ------
    UsageError
    """
    from dvc.config import Config
    from dvc.exceptions import DvcException

    with suppress(DvcException):
        if Config(str(project.resolve() / ".dvc")).get("cache", {}).get("shared") == "group":
            raise UsageError(
                "DVC's cache is shared by a group (cache.shared); annotated genomes would be in it.",
                hint="Share the reference by a remote in a folder instead; see docs/sharing.md.",
            )


def missing_from_cache(project: Path) -> list[str]:
    """Return what is in ``dvc.lock`` and in the workspace, but was not kept in DVC's cache.

    Returns
    -------
    list of str
        Paths of outputs, or of files in them.

    Notes
    -----
    Where the disk of its cache is full, DVC prints errors, writes ``dvc.lock`` and ends with 0.
    """
    from dvc.repo import Repo

    missing = []
    with Repo(str(project)) as repo:
        for out in repo.index.outs:
            if not out.use_cache or not out.hash_info.value or not Path(out.fs_path).exists():
                continue
            if not Path(out.cache.oid_to_path(out.hash_info.value)).is_file():
                missing.append(str(out))
                continue
            entries = out.get_obj() if out.hash_info.isdir else ()
            missing += [
                f"{out}/{'/'.join(key)}"
                for key, _, info in entries
                if not Path(out.cache.oid_to_path(info.value)).is_file()
            ]
    return sorted(missing)


def _check_kept(project: Path) -> None:
    if missing := missing_from_cache(project):
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
        raise EnsemblAnnotationsError(
            f"DVC did not keep {shown} in its cache; its disk may be full (see above).",
            hint="Free space, then run 'dvc commit --force' and this again. Until then nobody can pull it.",
            code="not_cached",
        )


def prune_samples(project: Path, samples: Iterable[str], log: Callable[[str], object]) -> list[str]:
    """Remove what samples that are no longer in the parameters left behind.

    Parameters
    ----------
    project : Path
        The repository.
    samples : iterable of str
        The samples that stay.
    log : callable
        Called with a line per removed sample.

    Returns
    -------
    list of str
        The removed samples.

    Notes
    -----
    Only samples that ``dvc.lock`` knows as made by the pipeline are removed: their folder,
    their figures, and their entry in ``dvc.lock``.
    """
    lock = project / LOCK
    if not lock.exists():
        return []
    yaml = YAML()
    try:
        content = yaml.load(lock.read_text("utf-8")) or {}
    except (YAMLError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{lock}: not valid YAML: {' '.join(str(error).split())}",
            hint="After a merge conflict take one side with 'git checkout --ours dvc.lock', "
            "then run this again.",
        ) from error
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict):
        if isinstance(content, dict) and stages is None:
            return []
        raise UsageError(
            f"{lock}: not a dvc.lock.", hint="Take it as it was: 'git checkout dvc.lock'."
        )
    made = []
    for name in stages:
        if str(name).startswith("annotate@"):
            sample = str(name).partition("@")[2]
            if not SAMPLE_NAME.fullmatch(sample):
                # It would become a path to remove.
                raise UsageError(
                    f"{lock}: {name!r} is not the stage of a sample.",
                    hint="Somebody has edited it: take it as it was, 'git checkout dvc.lock'.",
                )
            made.append(sample)
    # It uses what is here.
    from ensembl_annotations.project.folders import refuse_foreign

    removed = [sample for sample in made if sample not in set(samples)]
    for sample in removed:
        for folder in (ANNOTATED, REPORTS):
            refuse_foreign(project, folder / sample)
    for sample in removed:
        for folder in (ANNOTATED, REPORTS):
            shutil.rmtree(project / folder / sample, ignore_errors=True)
        for folder in (METRICS / "annotate", METRICS / "run" / "annotate"):
            (project / folder / f"{sample}.json").unlink(missing_ok=True)
        (project / LOGS / f"annotate@{sample}.jsonl").unlink(missing_ok=True)
        for stage in (ASSETS[SAMPLES], REPORT):
            stages.pop(f"{stage}@{sample}", None)
        log(
            f"Removed what sample {sample!r} left behind; 'dvc gc -w' removes it from the cache too."
        )
    for folder in sorted((project / ANNOTATED).glob("*/")):
        if folder.name not in {*samples, *removed}:
            log(
                f"Note: {folder.relative_to(project)} is of no sample in {PARAMS_FILE}; it is left."
            )
    if removed:
        with atomic_path(lock) as temporary, temporary.open("w", encoding="utf-8") as handle:
            yaml.dump(content, handle)
    return removed
