"""Remove what samples that are no longer in the parameters left behind."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.hashes import md5_of
from ensembl_annotations.common.words import listed
from ensembl_annotations.project.file_list import cached_listing, cached_path
from ensembl_annotations.project.folders import list_folder, name_files, refuse_foreign
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
                f"would be lost: DVC's cache does not have what {LOCK} says there is. Remove it yourself if "
                "nobody needs it."
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
        Data that are not those of the entry, or that DVC's cache does not have; figures, which git has,
        that are not those of the entry.
    """
    paths, cache = paths_of(asset_of(sample)), project.dvc.cache
    locked = {
        path: out["md5"]
        for stage in (ANNOTATE, REPORT)
        for path, out in project.lock.outs(f"{stage}@{sample}").items()
    }
    listing = cached_listing(cache, locked.get(paths.folder.as_posix(), "")) or {}
    locked |= {(paths.folder / name).as_posix(): md5 for name, md5 in listing.items()}
    found = {
        (folder / name).as_posix(): md5
        for folder in (paths.folder, REPORTS / sample)
        for name, md5 in list_folder(project.root / folder).items()
    }
    lost = [
        path
        for path, md5 in found.items()
        if locked.get(path) != md5 or cache is None or not cached_path(cache, md5).exists()
    ]
    metrics, figures = paths.metrics.as_posix(), project.root / paths.metrics
    return lost + [metrics] * (figures.is_file() and locked.get(metrics) != md5_of(figures))


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
