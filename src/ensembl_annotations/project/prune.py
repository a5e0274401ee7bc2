"""Remove what samples that are no longer in the parameters left behind."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.hashes import md5_of
from ensembl_annotations.common.words import listed
from ensembl_annotations.project.folders import is_cached, name_files, refuse_foreign
from ensembl_annotations.project.lock import read_lock
from ensembl_annotations.project.paths import (
    ANNOTATE,
    ANNOTATED,
    LOCK,
    METRICS,
    PARAMS_FILE,
    REPORT,
    REPORTS,
    SAMPLE_NAME,
    asset_of,
    paths_of,
    sample_of,
)
from ensembl_annotations.project.project import Project

_LOG = logging.getLogger(__name__)


def prune_samples(project: Project) -> list[str]:
    """Remove what samples that are no longer in the parameters left behind.

    Parameters
    ----------
    project : Project

    Returns
    -------
    list of str
        The removed samples.

    Notes
    -----
    Only samples that ``dvc.lock`` knows as made by the pipeline are removed: their folders,
    their figures, and their entries in ``dvc.lock``. Of a sample that has a file which is nowhere else
    the entries only: somebody else wrote it, or the entry. Figures of runs and logs go of others too, such
    as of a sample whose runs failed, or that somebody else has removed.
    """
    kept = set(project.params.samples)
    gone = [sample for sample in _made_samples(project) if sample not in kept]
    for sample in gone:
        for folder in (ANNOTATED, REPORTS):
            refuse_foreign(project, folder / sample)
    removed = []
    for sample in gone:
        if lost := _only_here(project, sample):
            _LOG.warning(
                f"Left what there is of sample {sample!r}, which is not in {PARAMS_FILE}: {listed(lost)} "
                "would be lost, since DVC's cache does not have it. Remove it yourself if nobody needs it."
            )
        else:
            _remove(project, sample)
            removed.append(sample)
    _forget_runs(project)
    for folder in sorted((project.root / ANNOTATED).glob("*/")):
        if folder.name not in {*kept, *gone}:
            _LOG.info(
                f"Note: {folder.relative_to(project.root)} is of no sample in {PARAMS_FILE}; "
                "it is left."
            )
    if gone:
        project.dvc.forget_stages(
            f"{stage}@{sample}" for sample in gone for stage in (ANNOTATE, REPORT)
        )
    return removed


def _remove(project: Project, sample: str) -> None:
    paths = paths_of(asset_of(sample))
    for folder in (paths.folder, REPORTS / sample):
        shutil.rmtree(project.root / folder, ignore_errors=True)
    for file in (paths.metrics, paths.run, paths.log):
        (project.root / file).unlink(missing_ok=True)
    _LOG.info(
        f"Removed what sample {sample!r} left behind; 'dvc gc -w' removes it from the cache too."
    )


def _only_here(project: Project, sample: str) -> list[str]:
    """Return the files of a sample that would be lost: an entry in ``dvc.lock`` makes no file ours.

    Returns
    -------
    list of str
        Data that DVC's cache does not have, and figures that are not those of the entry, which git has.
    """
    paths = paths_of(asset_of(sample))
    lost = [
        (folder / name).as_posix()
        for folder in (paths.folder, REPORTS / sample)
        for name in name_files(project.root / folder)
        if not is_cached(project.root / folder / name, project.dvc.cache)
    ]
    metrics, figures = paths.metrics.as_posix(), project.root / paths.metrics
    locked = project.lock.outs(paths.stage).get(metrics, {}).get("md5")
    return lost + [metrics] * (figures.is_file() and md5_of(figures) != locked)


def _forget_runs(project: Project) -> None:
    """Remove figures of runs, and logs, of samples that have neither parameters nor results here."""
    for file in (project.root / METRICS / "run" / ANNOTATE).glob("*.json"):
        paths = paths_of(asset_of(file.stem))
        folder = project.root / paths.folder
        if file.stem not in project.params.samples and not name_files(folder, ()):
            for path in (paths.run, paths.log):
                (project.root / path).unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()


def _made_samples(project: Project) -> list[str]:
    """Return the samples that ``dvc.lock`` has.

    Raises
    ------
    UsageError
        Where it is broken, or has what can't be a sample's name: it would become a path to remove.
    """
    path = project.root / LOCK
    if not path.exists():
        return []
    stages = [
        name for name in read_lock(path.read_bytes(), path) if name.startswith(f"{ANNOTATE}@")
    ]
    for name in stages:
        if not SAMPLE_NAME.fullmatch(sample_of(name)):
            raise UsageError(
                f"{path}: {name!r} is not the stage of a sample.",
                hint="Somebody has edited it: take it as it was, 'git checkout dvc.lock'.",
            )
    return [sample_of(name) for name in stages]
