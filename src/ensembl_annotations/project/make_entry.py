"""Make the results of an entry: what the stage ``annotate`` does, for a VCF or for many.

A VCF that can't be used is a result, too: DVC records nothing of a stage that fails, so it would be tried again
each time, and keep others waiting. It stands in ``failures.tsv`` and is counted in the figures.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ensembl_annotations.annotate.annotate import annotate_vcf
from ensembl_annotations.annotate.failures import FAILURES, failure_of, failures_text
from ensembl_annotations.annotate.many import (
    RESULTS,
    TABLE,
    TALLY,
    VCF,
    Outcome,
    Task,
    annotate_many,
    entry_figures,
    entry_tally,
)
from ensembl_annotations.common.atomic import Outputs, write_json
from ensembl_annotations.common.errors import (
    InputError,
    PassingInputError,
    UsageError,
    explained_os_errors,
)
from ensembl_annotations.common.json_files import read_object
from ensembl_annotations.common.logs import few_printed
from ensembl_annotations.common.metrics import recorded_run, stamp_of
from ensembl_annotations.common.words import listed
from ensembl_annotations.project.entry import (
    NamedVcf,
    check_sheet,
    ignored_note,
    is_many,
    read_entry,
)
from ensembl_annotations.project.figures import fold_details
from ensembl_annotations.project.kept import KeptResults, key_of
from ensembl_annotations.project.leftovers import folder_of_share
from ensembl_annotations.project.paths import STORE, AssetPaths, named_scheduler, sample_of
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.receipts import RECEIPT, made_from, made_with
from ensembl_annotations.store.describe import ReferenceStore

_LOG = logging.getLogger(__name__)

_TELL_EVERY_SEC = 30
_MOST_PRINTED = 2


def make_entry(project: Project, paths: AssetPaths) -> dict[str, Any]:
    """Annotate the VCFs of an entry, and write figures, tally and what failed.

    Parameters
    ----------
    project : Project
        Its root is the current folder.
    paths : AssetPaths
        Of the entry's asset.

    Returns
    -------
    dict
        All figures of the content, and those of the run under ``run``.

    Raises
    ------
    EnsemblAnnotationsError
        For what is wrong with something else than a VCF; then nothing is recorded.
    """
    path = project.params.samples[sample_of(paths.asset)].vcf
    # `make` has warned before.
    check_sheet(project.root, path, warn=False)
    entry = read_entry(project.root, path)
    if not entry.is_many:
        return _make_one(project, paths, entry.vcfs[0].vcf)
    if note := ignored_note(entry):
        _LOG.info(note)
    run: dict[str, Any] = {"cache_path": str(STORE.resolve())}
    with recorded_run(paths.run, run), few_printed(_MOST_PRINTED, paths.log):
        outcomes = _make_many(project, paths.folder, entry.vcfs)
        figures = _write(project, paths, outcomes)
        run["status"] = "annotated"
    return {**figures, "run": run}


def make_shard(project: Project, path: Path, number: int, count: int) -> list[Outcome]:
    """Annotate a share of the VCFs of a sheet or folder, and keep the results for the stage to find.

    Parameters
    ----------
    project : Project
        Its root is the current folder.
    path : Path
        The sheet or folder, as an entry of ``params.yaml`` names it.
    number, count : int
        Which share, from 1 on, of how many.

    Raises
    ------
    EnsemblAnnotationsError
        Where no entry has the path, or as `make_entry`.
    """
    named = {os.path.realpath(item.vcf): item.vcf for item in project.params.samples.values()}
    relative = named.get(os.path.realpath(path))
    if relative is None or not is_many(project.root, relative):
        raise UsageError(
            f"--shard: {path}: expected a sheet or folder of 'samples' in params.yaml, found none with this path.",
            hint="Add it there: its results are those of an entry.",
        )
    check_sheet(project.root, relative)
    entry = read_entry(project.root, relative)
    with folder_of_share(project.root) as folder:
        return _make_many(project, folder, entry.vcfs[number - 1 :: count])


def _options(project: Project) -> dict[str, Any]:
    options = project.params.annotate.model_dump()
    options["id_column"] = options.pop("id")
    return options


# --- One


def _make_one(project: Project, paths: AssetPaths, vcf: Path) -> dict[str, Any]:
    out, before = paths.folder, stamp_of(vcf)
    try:
        made = annotate_vcf(
            vcf,
            STORE,
            out_vcf=out / VCF,
            out_parquet=out / TABLE,
            tally=out / TALLY,
            metrics=paths.metrics,
            run_metrics=paths.run,
            memory_mb=project.params.run.memory_mb,
            scheduler=named_scheduler(),
            **_options(project),
        )
    except InputError as error:
        failed = Outcome(sample_of(paths.asset), None, failure_of(error, vcf, before))
        _tell_failure(failed)
        figures = _write(project, paths, [failed])
        run = read_object(paths.run)
        return {**figures, "run": run}
    fold_details(paths)
    return made


# --- Many


def _make_many(project: Project, folder: Path, vcfs: Sequence[NamedVcf]) -> list[Outcome]:
    """Return what became of each VCF, by name; what DVC's cache has is not made again."""
    done: dict[str, Outcome] = {}
    with project.dvc.opened() as repo:
        assert project.dvc.cache is not None
        kept = KeptResults(repo, project.dvc.cache)
        tasks: list[Task] = []
        stamps: dict[str, object] = {}
        receipts: dict[str, dict[str, Any]] = {}
        same = made_with(project)
        with explained_os_errors("reading"):
            for item in vcfs:
                stamps[item.sample] = stamp_of(item.vcf)
                receipts[item.sample] = made_from(kept, item.vcf) | same
                task = Task(item.sample, item.vcf, folder / item.sample)
                note = kept.find(key_of(receipts[item.sample]))
                if note is not None:
                    kept.restore(note, task.folder)
                # By its receipt, whose digest is checked: a note may have been edited.
                found = read_object(task.folder / RECEIPT)
                if note is None or not receipts[item.sample].items() <= found.items():
                    tasks.append(task)
                    continue
                for name in {*RESULTS} - {*note["files"]}:
                    (task.folder / name).unlink(missing_ok=True)
                done[item.sample] = Outcome.from_json(item.sample, found)
        if done:
            _LOG.info(f"{len(done)} of {len(vcfs)} samples are unchanged")
        told, changed = time.monotonic(), []
        options, memory_mb = _options(project), project.params.run.memory_mb
        for task, outcome in annotate_many(tasks, STORE, options, memory_mb, named_scheduler()):
            if stamp_of(task.vcf) != stamps[task.sample]:
                # It is not of the file that the receipt names.
                changed.append(task.vcf)
                continue
            receipt, content = receipts[task.sample], outcome.as_json()
            write_json(task.folder / RECEIPT, receipt | content)
            kept.keep(key_of(receipt), task.folder, (*RESULTS, RECEIPT), content)
            done[task.sample] = outcome
            if time.monotonic() > told + _TELL_EVERY_SEC:
                told = time.monotonic()
                _LOG.info(f"{len(done)} of {len(vcfs)} samples are done")
    if changed:
        raise PassingInputError(
            f"{listed(changed)}: changed while others were annotated.",
            hint="Run it again when the files are complete: it makes these only.",
            code="changed",
        )
    for outcome in (made := [done[sample] for sample in receipts]):
        _tell_failure(outcome)
    return made


def _tell_failure(outcome: Outcome) -> None:
    if outcome.failure is not None:
        _LOG.error(f"{outcome.sample}: {outcome.failure} {outcome.failure.hint}")


def _write(project: Project, paths: AssetPaths, outcomes: list[Outcome]) -> dict[str, Any]:
    """Write what tells of a whole entry, and return its figures."""
    store = ReferenceStore(STORE)
    figures = entry_figures(outcomes, store)
    tally = entry_tally(outcomes, store, project.params.annotate.model_dump())
    with explained_os_errors("writing the results"), Outputs() as outputs:
        outputs.write_json(paths.metrics, figures)
        outputs.write_text(paths.folder / TALLY, tally)
        if failed := {item.sample: item.failure for item in outcomes if item.failure}:
            outputs.write_text(paths.folder / FAILURES, failures_text(failed))
    fold_details(paths)
    return figures
