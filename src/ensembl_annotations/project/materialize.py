"""Bring assets up to date through DVC, and say what happened: plan, restore, run, record.

*Plan*: which assets are meant, and whether their inputs and folders are fit. *Restore*: have the
reference that ``dvc.lock`` names, where DVC's cache or the remote has it. *Run*: ``dvc repro``, which runs
what is out of date. *Record*: note what ran, and what had nothing to do, and renew
the catalogue.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembl_annotations.annotate.failures import FAILURES, read_failures
from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    InputError,
    PassingInputError,
    UsageError,
    nearest,
)
from ensembl_annotations.common.json_files import read_object
from ensembl_annotations.common.logs import now_utc
from ensembl_annotations.common.metrics import RUN_LOG, log_run, stamp_of
from ensembl_annotations.common.progress import format_bytes
from ensembl_annotations.common.words import listed, one_line
from ensembl_annotations.project.entry import (
    Entry,
    check_sheet,
    is_many,
    is_sheet,
    read_entry,
)
from ensembl_annotations.project.figures import HEADLINES, read_figures
from ensembl_annotations.project.file_list import ForgedListError
from ensembl_annotations.project.folders import refuse_foreign, refuse_links
from ensembl_annotations.project.git import changed_files
from ensembl_annotations.project.leftovers import remove_left_shares
from ensembl_annotations.project.lock import read_lock
from ensembl_annotations.project.paths import (
    ANNOTATE,
    ASSETS,
    CATALOG,
    FETCH,
    LOCK,
    MANIFEST,
    PARAMS_FILE,
    RECORDS,
    REFERENCE,
    REPORTS,
    SAMPLES,
    STORE,
    AssetPaths,
    all_assets,
    asset_of,
    goal_of,
    paths_of,
    sample_of,
    stage_of,
)
from ensembl_annotations.project.privacy import refuse_pushed_results
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.prune import prune_samples
from ensembl_annotations.project.receipts import unlike_receipts
from ensembl_annotations.project.remote import SharedReference
from ensembl_annotations.project.turns import one_at_a_time, wait_for_dvc
from ensembl_annotations.report.page import PAGE
from ensembl_annotations.store.describe import FILE_NAME
from ensembl_annotations.versions import STORE_VERSION

if TYPE_CHECKING:
    from ensembl_annotations.fetch.plan import Plan as FetchPlan
    from ensembl_annotations.project.overview import State
    from ensembl_annotations.project.params import Params

_LOG = logging.getLogger(__name__)

FORCE_VARIABLE = "ENSEMBL_ANNOTATIONS_FORCE"

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

# Of what `describe_made` prints: more entries are told of in a line each, and of those not all.
_MOST_IN_FULL, _MOST_IN_SHORT, _MOST_FAILED, _MOST_OF_A_MESSAGE = 1, 10, 8, 120
_SHOWN = (
    "path", *HEADLINES[ANNOTATE], "num_samples", "num_failed", "duration_sec", "peak_memory_mb",
)  # fmt: skip
_REFERENCE_SHOWN = (
    "path", *HEADLINES[FETCH], "assembly", "num_files", "total_size_gb", "cache_path",
)  # fmt: skip


def materialize(
    assets: Sequence[str] | str | None = None,
    *,
    force: bool = False,
    project: Project | Path | str = Path(),
) -> dict[str, dict[str, Any]]:
    """Bring assets and what they need up to date, and return their metadata and status.

    Parameters
    ----------
    assets : sequence of str, or str, optional
        ``ensembl_annotations``, ``annotated_vcf``; default both.
    force : bool
        Download the reference again and run the named assets' stages even if nothing changed.
    project : Project, Path or str
        The repository; default the current folder.

    Returns
    -------
    dict of str to dict
        By asset (``annotated_vcf`` by sample, as ``annotated_vcf@sample``; samples whose VCF is
        somebody else's are left out): its folder, the figures of the content, then those of the run,
        `status` among them: ``downloaded``, ``annotated``, or
        ``cached`` where nothing was downloaded, or DVC had nothing to run. VCFs that can't be used are
        counted in `num_failed`, and nothing is raised for them; `refuse_failed` does.

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
    project = Project.open(project).resolved()
    refuse_links(project)
    with one_at_a_time(project.root, "materialize"):
        wait_for_dvc(project.root)
        return _materialize(project, assets, force)


def _materialize(
    project: Project, assets: Sequence[str] | str | None, force: bool
) -> dict[str, dict[str, Any]]:
    request = _plan(project, assets, force)
    remove_left_shares(project.root)
    _restore(project, request)
    if request.assets and not request.downloads:
        _refuse_download_for_layout(project)
    try:
        with _unchanged_vcfs(project, request):
            _run(project, request)
        # Only now: a run that fails takes nothing away.
        prune_samples(project)
        _tell_stale(project, request.elsewhere)
        made = {paths.asset: _record(project, paths, at) for paths, at in request.told.items()}
    except EnsemblAnnotationsError:
        # What was made before the failure is there to be seen.
        _renew_catalog(project, None)
        raise
    # Where all was asked for, DVC has just found all up to date.
    _renew_catalog(project, {} if request.is_for_all(project.params) else None)
    return made


# --- Plan


@dataclass(frozen=True)
class _Request:
    """What was asked for.

    Attributes
    ----------
    assets : list of str
        In the order of the lineage; ``annotated_vcf`` stands for all samples.
    force : bool
        Make them again even if nothing changed.
    told : dict of AssetPaths to object
        The assets that the result tells of, the reference always; with the stamp that the figures of
        their last run have before this one.
    elsewhere : list of str
        Samples of all that are left to those who have their VCFs.
    """

    assets: list[str]
    force: bool
    told: dict[AssetPaths, object]
    elsewhere: list[str]

    @property
    def downloads(self) -> bool:
        """Whether the reference is to be downloaded again."""
        return self.force and REFERENCE in self.assets

    def is_for_all(self, params: Params) -> bool:
        """Tell whether every asset of the parameters was asked for."""
        return bool(self.assets) and len(self.told) == len(all_assets(params.samples))


def _plan(project: Project, assets: Sequence[str] | str | None, force: bool) -> _Request:
    """Return what is asked for, after a look at what it is made from and where it goes."""
    if (lock := project.root / LOCK).exists():
        read_lock(lock.read_bytes(), LOCK)
    wanted = [assets] if isinstance(assets, str) else list(ASSETS) if assets is None else assets
    elsewhere = project.samples_elsewhere() if SAMPLES in wanted else []
    names = _asset_names(wanted, project.params, elsewhere)
    samples = [name for name in project.params.samples if {SAMPLES, asset_of(name)} & set(names)]
    if fetch_options(project)["manifest"].exists():
        check_published(project)
    if samples:
        project.dvc.refuse_shared_cache()
        refuse_pushed_results(project)
    _check_samples(project, samples)
    told = [paths_of(name) for name in all_assets(samples)]
    refuse_links(
        project, *(paths.folder for paths in told), *(REPORTS / sample for sample in samples)
    )
    for paths in told:
        refuse_foreign(project, paths.folder)
    stamps: dict[AssetPaths, object] = {paths: stamp_of(project.root / paths.run) for paths in told}
    return _Request(names, force, stamps, elsewhere)


def _asset_names(assets: Iterable[str], params: Params, elsewhere: Collection[str]) -> list[str]:
    """Return the assets in the order of the lineage; without samples, there is the reference only.

    Where some of all samples are somebody else's, those that are here have to be named.
    """
    known = [*ASSETS, *map(asset_of, params.samples)]
    wanted = set(assets)
    for name in sorted(wanted - set(known)):
        raise UsageError(f"{name!r} is not an asset.{nearest(name, known)}")
    if SAMPLES in wanted:
        wanted -= set(map(asset_of, params.samples))
        if elsewhere or not params.samples:
            here = set(params.samples) - set(elsewhere)
            wanted = (wanted - {SAMPLES}) | set(map(asset_of, here)) or {REFERENCE}
    return [name for name in known if name in wanted]


def _check_samples(project: Project, samples: Iterable[str]) -> None:
    """Look at sheets, folders and headers before a reference is downloaded for them, which may take hours.

    Raises
    ------
    EnsemblAnnotationsError
        Where any VCF is missing, or a sheet or folder is wrong, or no VCF at all can be used; all are named.
    """
    params, made = project.params, None
    wrong: list[EnsemblAnnotationsError] = []
    unusable: list[EnsemblAnnotationsError] = []
    num_usable = 0
    for sample in samples:
        path = params.samples[sample].vcf
        if not os.access(project.root / path, os.F_OK):
            made = project.dvc.outputs() if made is None else made
            if project.root / path in made:
                num_usable += 1
                continue
        try:
            check_sheet(project.root, path)
            error = _check_headers(project, read_entry(project.root, path))
        except EnsemblAnnotationsError as found:
            wrong.append(_about_sample(project, sample, found))
        else:
            # One that can't be used is told of by its stage, and stops no other.
            num_usable += error is None
            unusable += [_about_sample(project, sample, error)] if error else []
    if num_usable and not wrong:
        for told in unusable:
            _LOG.warning(f"{told} It will fail; the others are annotated.")
        return
    if errors := [*wrong, *unusable]:
        first, hints = errors[0], dict.fromkeys(error.hint for error in errors if error.hint)
        others = f"'ensembl-annotations materialize {REFERENCE}', or {SAMPLES}@NAME"
        without = "this sample" if len(errors) == 1 else "these samples"
        first.message = "\n".join(error.message for error in errors)
        first.hint = " ".join([*hints, f"Without {without}: {others}."])
        raise first


def _about_sample(
    project: Project, sample: str, error: EnsemblAnnotationsError
) -> EnsemblAnnotationsError:
    told = error.message.replace(f"{project.root}{os.sep}", "")
    error.message = f"Sample {sample} of {PARAMS_FILE}: {told}"
    return error


def _check_headers(project: Project, entry: Entry) -> InputError | None:
    """Return why no VCF of an entry can be used by its header; None as soon as one can.

    Raises
    ------
    EnsemblAnnotationsError
        Where there is no file.
    """
    # Here, since they take long to import.
    from ensembl_annotations.annotate.guard import check_header
    from ensembl_annotations.vcf.read import VcfReader

    params, first = project.params, None
    for item in entry.vcfs:
        vcf = project.root / item.vcf
        is_here = vcf.is_file()
        try:
            if not is_here and os.access(vcf, os.F_OK):
                raise InputError(f"{item.vcf}: is no file; expected a VCF.", hint="Give a file.")
            with VcfReader(vcf) as reader:
                check_header(
                    reader.header,
                    params.ensembl.species,
                    params.ensembl.assembly,
                    params.annotate.assembly,
                    str(item.vcf),
                )
        except InputError as error:
            if not is_here:
                raise
            first = first or error
        else:
            return None
    if first and entry.is_many:
        first.message = (
            f"none of its {len(entry.vcfs)} VCFs can be used; of the first: {first.message}"
        )
    return first


# --- Restore


def _restore(project: Project, request: _Request) -> None:
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
    if request.downloads or not project.lock.outs(FETCH):
        return
    otherwise = (
        f" To make the reference from what Ensembl published instead, run 'dvc repro {FETCH}'."
    )
    try:
        shared = SharedReference(project)
        shared.refuse_altered_list()
        if not shared.is_current or (shared.is_cached and shared.is_here):
            return
        command = "checkout" if shared.is_cached else "pull" if shared.is_published else None
        if command:
            shared.prepare_dvc()
    except (UsageError, ForgedListError):
        # Files that an attacker placed are no reason to take another way.
        raise
    except EnsemblAnnotationsError as error:
        error.hint = f"{error.hint or ''}{otherwise}".strip()
        raise
    # What lies in its folder instead is of another commit, or damaged.
    if command and _dvc(project, command, "--force", FETCH):
        raise EnsemblAnnotationsError(
            f"'dvc {command}' of the reference failed; what went wrong is printed above.",
            hint=f"'ensembl-annotations repair' finds what is damaged.{otherwise}",
        )


# --- Run


def _run(project: Project, request: _Request) -> None:
    """Run what is out of date, and what is forced."""
    if request.force:
        # What is forced must not be made from the reference, or the list, of another commit.
        _repro(project, MANIFEST if REFERENCE in request.assets else FETCH)
        stages = [stage_of(name) for name in request.assets]
        _repro(project, "--force", "--single-item", *stages, **{FORCE_VARIABLE: "1"})
    if request.assets:
        # What fails of one entry keeps no other waiting.
        keep_going = ["--keep-going"] if len(request.told) > 1 else []
        _repro(project, *keep_going, *map(goal_of, request.assets))
        _run_changed_sheets(project, request)
        _refuse_not_cached(project)


def _run_changed_sheets(project: Project, request: _Request) -> None:
    """Run again what was made of other VCFs than a sheet names: DVC sees the sheet only.

    Raises
    ------
    InputError
        Where a VCF of many changed during the run; what was made of it does not count.
    """
    samples = project.params.samples
    sheets = [
        sample
        for paths in request.told
        if (sample := sample_of(paths.asset)) and is_sheet(samples[sample].vcf)
    ]
    if sheets and (changed := unlike_receipts(project, sheets)):
        assets = [asset_of(sample) for sample in changed]
        _LOG.info(f"VCFs of sheets have changed: {listed(chain(*changed.values()))}")
        _repro(project, "--force", "--single-item", *map(stage_of, assets))
        _repro(project, *map(goal_of, assets))
    ran = [
        sample
        for paths, before in request.told.items()
        if (sample := sample_of(paths.asset))
        and is_many(project.root, samples[sample].vcf)
        and stamp_of(project.root / paths.run) != before
    ]
    if ran and (changed := unlike_receipts(project, ran)):
        project.dvc.forget_runs(stage_of(asset_of(sample)) for sample in changed)
        raise _changed_meanwhile(listed(chain(*changed.values())))


@contextmanager
def _unchanged_vcfs(project: Project, request: _Request) -> Iterator[None]:
    """Forget what was made of entries' only VCFs that change during the run, and refuse them.

    Notes
    -----
    The stage compares the file up to its end; DVC takes the file's digest for ``dvc.lock`` after that.
    """
    vcfs = {
        paths.stage: project.params.samples[sample].vcf
        for paths in request.told
        if (sample := sample_of(paths.asset))
        and not is_many(project.root, project.params.samples[sample].vcf)
    }

    def look() -> dict[str, tuple[object, object]]:
        lock = project.lock
        return {
            stage: (stamp_of(project.root / vcf), (lock.deps(stage), lock.outs(stage)))
            for stage, vcf in vcfs.items()
        }

    before = look()
    try:
        yield
    finally:
        changed = [
            stage
            for stage, now in look().items()
            if all(new != old for new, old in zip(now, before[stage], strict=True))
        ]
        made = project.dvc.outputs() if changed else set()
        if changed := [stage for stage in changed if project.root / vcfs[stage] not in made]:
            project.dvc.forget_runs(changed)
            raise _changed_meanwhile(listed(vcfs[stage] for stage in changed))


def _changed_meanwhile(vcfs: str) -> PassingInputError:
    return PassingInputError(
        f"{vcfs}: changed while the pipeline ran; what was made of it does not count.",
        hint="Run it again when the file is complete.",
        code="changed",
    )


def _repro(project: Project, *arguments: str, **variables: str) -> None:
    with project.dvc.kept_outputs():
        if code := _dvc(project, "repro", *arguments, **variables):
            raise EnsemblAnnotationsError(
                f"'dvc repro {' '.join(arguments)}' failed (exit code {code}); "
                "what went wrong is printed above."
            )


def _dvc(project: Project, *arguments: str, **variables: str) -> int:
    _LOG.info(f"$ dvc {' '.join(arguments)}")
    return project.dvc.run(*arguments, **variables)


def _refuse_not_cached(project: Project) -> None:
    if missing := project.dvc.missing_from_cache():
        raise EnsemblAnnotationsError(
            f"DVC did not keep {listed(missing)} in its cache; its disk may be full (see above).",
            hint="Free space, then run 'dvc commit --force' and this again. Until then nobody can pull it.",
            code="not_cached",
        )


# --- Record


def _record(project: Project, paths: AssetPaths, before: object) -> dict[str, Any]:
    """Return an asset's figures, those of the run last; where nothing ran, that is noted and logged."""
    run, content = project.root / paths.run, read_figures(project, paths)
    if stamp_of(run) == before:
        fetched = _NOTHING_DONE if paths.asset == REFERENCE else {}
        figures = {
            "status": "cached",
            "cache_path": str(project.root / STORE),
            **fetched,
            **_NO_TIME,
        }
        write_json(run, figures | {"finished_at": now_utc()})
        folder = project.root / paths.folder
        log_run(project.root / RUN_LOG, paths.asset, read_object(run), content, folder)
    return {"path": str(paths.folder), **content, **read_object(run)}


def _renew_catalog(project: Project, states: Mapping[str, State] | None) -> None:
    """Write the page of all assets. What is made is made: that the page can't be is only told."""
    # Here, since it takes long to import.
    from ensembl_annotations.project.overview import write_catalog

    try:
        write_catalog(project.root / CATALOG, project, states=states)
    except EnsemblAnnotationsError as error:
        _LOG.info(f"Note: {CATALOG} is not renewed: {error.message}")


def _tell_stale(project: Project, elsewhere: Sequence[str]) -> None:
    """Say which samples of others are not as the parameters and the reference of now make them."""
    if not elsewhere:
        return
    # Here, since it takes long to import.
    from ensembl_annotations.project.overview import stale_samples

    if stale := stale_samples(project, elsewhere):
        _LOG.info(f"stale, VCF not here: {', '.join(stale)}")


# --- What making the reference takes


def check_published(project: Project) -> None:
    """Refuse chromosomes that the manifest does not list, and genes that it does not know of.

    To be called before DVC runs `fetch_ensembl`: it removes the reference first.

    Raises
    ------
    EnsemblAnnotationsError
        Naming what is not published, and what is.
    """
    try:
        _reference_plan(project)
    except EnsemblAnnotationsError as error:
        # Here, since it takes long to import.
        from ensembl_annotations.project.params import place_of

        name = "chromosomes" if isinstance(error, UsageError) else "genes"
        where = place_of(project.root / PARAMS_FILE, "ensembl", name)
        error.message = f"{where}: {error.message.removeprefix(f'{name}: ')}"
        raise


def _refuse_download_for_layout(project: Project) -> None:
    """Refuse to download what is here in another layout, unless the parameters say so.

    From the download cache, or a mirror that is a folder, it is made again without a question.
    """
    wanted, store = project.params.ensembl, read_object(project.root / STORE / FILE_NAME)
    same = {"species": wanted.species, "assembly": wanted.assembly, "release": wanted.release}
    found = store.get("store_version", STORE_VERSION)
    if found == STORE_VERSION or any(store.get(key) != value for key, value in same.items()):
        return
    # Here, since it takes long to import.
    from ensembl_annotations.fetch.cache import CACHE_VARIABLE
    from ensembl_annotations.fetch.mirrors import folder_of

    options = fetch_options(project)
    is_remote = any(folder_of(mirror) is None for mirror in options["mirrors"])
    if project.params.run.force_download or not is_remote or not options["manifest"].exists():
        return
    plan = _reference_plan(project)
    if not plan.num_missing:
        return
    raise EnsemblAnnotationsError(
        f"{STORE}: the layout of this reference has version {found}, this program reads "
        f"{STORE_VERSION}, so it has to be made again; for that, {plan.num_missing} of "
        f"{len(plan.wanted)} files ({format_bytes(plan.remaining_bytes)}) would have to be downloaded, "
        "which the download cache lacks. Nothing was changed.",
        hint=f"To download what is missing, run '.venv/bin/dvc repro {FETCH}', then this again. Or "
        "have the reference published ('ensembl-annotations publish') from where it was made again, or "
        f"name a download cache that has the files with ${CACHE_VARIABLE}. 'ensembl-annotations "
        "materialize --dry-run' shows the plan; --force downloads all files again.",
        code="would_download",
    )


def _reference_plan(project: Project) -> FetchPlan:
    """Return what making the reference takes, by the manifest that is here."""
    # Here, since it takes long to import.
    from ensembl_annotations.fetch import Layout
    from ensembl_annotations.fetch.manifest import load_manifest_of
    from ensembl_annotations.fetch.plan import make_plan

    options, wanted = fetch_options(project), project.params.ensembl
    layout = Layout(wanted.species, wanted.assembly, wanted.release)
    manifest = load_manifest_of(layout, options["manifest"])
    return make_plan(
        manifest,
        options["out"],
        chromosomes=wanted.wanted,
        fasta=wanted.fasta,
        genes=wanted.genes,
    )


def fetch_options(project: Project) -> dict[str, Any]:
    """Return the arguments of `fetch_ensembl` and `plan_fetch` that the parameters decide."""
    # Here, since it takes long to import.
    from ensembl_annotations.fetch import Layout, manifest_path

    wanted = project.params.ensembl
    layout = Layout(wanted.species, wanted.assembly, wanted.release)
    return {
        "out": project.root / STORE,
        "mirrors": [_in_project(mirror, project) for mirror in project.params.mirrors],
        "release": wanted.release,
        "species": wanted.species,
        "assembly": wanted.assembly,
        "chromosomes": wanted.wanted,
        "fasta": wanted.fasta,
        "genes": wanted.genes,
        "manifest": project.root / manifest_path(wanted.source, layout),
        "dvc_cache": project.dvc.cache,
    }


def _in_project(mirror: str, project: Project) -> str:
    return mirror if "://" in mirror else str(project.root / mirror)


def plan_materialize(*, force: bool = False, project: Project | Path | str = Path()) -> list[str]:
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
    # Here, since it takes long to import.
    from ensembl_annotations.fetch import plan_fetch

    options = fetch_options(Project.open(project).resolved())
    if not options["manifest"].exists():
        options["manifest"] = None
    return plan_fetch(**options, force=force)


def record_command(project: Project | Path | str = Path()) -> str | None:
    """Return the command that adds to git what says how the results were made; None if nothing changed."""
    root = Project.open(project).root
    files = changed_files(root, RECORDS)
    paths = [os.path.relpath(root / name) for name in files]
    return shlex.join(["git", "add", "--", *paths]) if files else None


def describe_made(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return as lines of text what `materialize` did, in few of them whatever the number of entries.

    Parameters
    ----------
    results : mapping
        As `materialize` returns them.
    """
    entries = [name for name in results if sample_of(name)]
    if len(entries) <= _MOST_IN_FULL:
        return [line for name in results for line in _in_full(name, results[name])]
    # What ran comes first.
    entries.sort(key=lambda name: results[name]["status"] == "cached")
    shown, others = entries[:_MOST_IN_SHORT], entries[_MOST_IN_SHORT:]
    lines = _in_full(REFERENCE, results[REFERENCE])
    lines += ["", *(f"{name}: {_in_short(results[name])}" for name in shown)]
    if others:
        statuses = Counter(results[name]["status"] for name in others)
        counts = ", ".join(f"{count} {status}" for status, count in statuses.items())
        lines.append(f"and {len(others)} more entries: {counts}")
    return lines


def _in_full(asset: str, result: Mapping[str, Any]) -> list[str]:
    lines = ["", f"{asset}: {result['status']}"]
    sample = sample_of(asset)
    if sample and (page := REPORTS / sample / PAGE).exists():
        lines.append(f"  page: {page}")
    for key, value in result.items():
        # What did not happen is no news; all counts are in `metrics/`.
        is_cached = result["status"] == "cached"
        is_nothing = is_cached and key in NOTHING_RAN and not value
        is_shown = key in _SHOWN if sample else key in _REFERENCE_SHOWN or not is_cached
        if key != "status" and not is_nothing and is_shown:
            lines.append(f"  {key}: {value}")
    return lines


def _in_short(result: Mapping[str, Any]) -> str:
    failed = f", {number} failed" if (number := result.get("num_failed")) else ""
    return (
        f"{result['status']}{failed}, {result.get('num_records')} records, "
        f"{result.get('annotated_percent')} % of compared in Ensembl"
    )


def refuse_failed(
    results: Mapping[str, Mapping[str, Any]], project: Project | Path | str = Path()
) -> None:
    """Raise where any VCF could not be used: what is made of the others is there.

    Raises
    ------
    EnsemblAnnotationsError
        With the number of those that are annotated, and each that failed with the reason.
    """
    root = Project.open(project).root
    entries = [name for name in results if results[name].get("num_failed")]
    if not entries:
        return
    failed = [
        f"{_name_in(sample_of(name), sample)} ({one_line(what)[:_MOST_OF_A_MESSAGE]})"
        for name in entries
        for sample, what in read_failures(root / str(results[name]["path"]))
    ]
    num_all = sum(
        result.get("num_samples", 1) for name, result in results.items() if sample_of(name)
    )
    num_failed = sum(results[name]["num_failed"] for name in entries)
    where = listed(f"{results[name]['path']}/{FAILURES}" for name in entries)
    raise EnsemblAnnotationsError(
        f"{num_all - num_failed} annotated, {num_failed} failed: {listed(failed, _MOST_FAILED)}",
        hint=f"All are in {where}. Correct or replace these VCFs, or take them out, and run this again: it "
        "annotates what has changed.",
        code="failed_vcfs",
    )  # fmt: skip


def _name_in(entry: str, sample: str) -> str:
    return entry if sample == entry else f"{entry}/{sample}"
