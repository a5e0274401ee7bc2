"""Folders as DVC knows them, and what lies in them that is not the pipeline's."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatch
from pathlib import Path

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.hashes import md5_of
from ensembl_annotations.common.metrics import LOGS
from ensembl_annotations.common.words import listed, printable
from ensembl_annotations.project.file_list import cached_path
from ensembl_annotations.project.git import run_git
from ensembl_annotations.project.paths import (
    ANNOTATE,
    ANNOTATED,
    LOCK,
    METRICS,
    REPORTS,
    SAMPLE_NAME,
    STORE,
)
from ensembl_annotations.project.project import Project

# What stages write, complete or not.
_IN_STORE = re.compile(
    r"\.[^/]*\.tmp|[a-z0-9]+_[a-z0-9_]+-chr[^/]+\.(?:parquet|2bit)|datapackage\.json"
    r"|(?:alleles|genes)\.schema\.json|quarantine\.tsv\.gz"
)
_IN_REPORT = r"\.[^/]*\.tmp|summary\.html|{sample}_mqc\.json"
# Older commits had the page and the section for MultiQC in the sample's folder.
_RESULTS = r"annotated\.(vcf\.gz(\.csi|\.tbi)?|parquet)|tally\.json|receipt\.json|\.[^/]*\.tmp"
# Of an entry of many, each sample has a folder.
_IN_SAMPLE = rf"{_IN_REPORT}|failures\.tsv|({SAMPLE_NAME.pattern}/)?({_RESULTS})"
_PLOTS = r"|(contigs|frequencies)\.svg"
# Nobody's loss.
_UNSEEN = (".DS_Store", "*.pyc")
# As in .dvcignore: DVC does not hash them.
_NOISE = (*_UNSEEN, "*.swp", "*~", ".*.tmp")

_CACHE = Path(".dvc/cache")
_APPENDED = (LOGS, Path(".dvc/tmp"))
_WRITTEN = (
    *_APPENDED,
    LOCK,
    Path("data/manifests"),
    STORE,
    ANNOTATED,
    REPORTS,
    METRICS / ANNOTATE,
    METRICS / "run" / ANNOTATE,
)


def name_files(folder: Path, noise: Collection[str] = _NOISE) -> list[str]:
    """Return every file in a folder, by its path there, but noise: what ``.dvcignore`` leaves out."""
    return sorted(
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder)
        for name in names
        if not any(fnmatch(name, pattern) for pattern in noise)
    )


def list_folder(folder: Path) -> dict[str, str]:
    """Return the MD5 of every file in a folder, by its path there; links are followed.

    What is no file that can be read, such as a pipe or a dead link, has none: an empty text.
    """
    return {
        name: md5_of(folder / name) if (folder / name).is_file() else ""
        for name in name_files(folder)
    }


def digest_of(listing: Mapping[str, str]) -> str:
    """Return the MD5 by which DVC knows a folder, from those of its files."""
    # Here, since few commands need it, and it takes long to import.
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()  # type: ignore[no-untyped-call]
    for path, md5 in listing.items():
        tree.add(tuple(path.split("/")), None, HashInfo("md5", md5))
    tree.digest()
    return str(tree.hash_info.value)


def refuse_foreign(project: Project, path: Path) -> None:
    """Refuse an output's folder with files of someone else's: DVC removes them with the output.

    Parameters
    ----------
    project : Project
    path : Path
        The folder of the output in it.

    Raises
    ------
    EnsemblAnnotationsError
        Naming them. What another commit's output has is in DVC's cache, and is none of them.
    """
    folder, cache = project.root / path, project.dvc.cache
    ours = _IN_STORE if path == STORE else _of_sample(path)
    foreign = [
        name
        for name in name_files(folder, _UNSEEN)
        if not ours.fullmatch(name) and not _is_cached(folder / name, cache)
    ]
    if foreign:
        raise EnsemblAnnotationsError(
            f"{path}: {listed(map(printable, foreign))}: not made by the pipeline, and would be "
            "removed, since DVC replaces the folder as a whole.",
            hint="Move what is yours to another folder, then run this again.",
            code="foreign_files",
        )


def refuse_links(project: Project, *folders: Path) -> None:
    """Refuse links in the places of what the pipeline writes: they lead genomes out of the repository.

    Parameters
    ----------
    project : Project
    *folders : Path
        Outputs in it that are to be written.

    Raises
    ------
    EnsemblAnnotationsError
        Before anything is written. A branch can bring links along.

    Notes
    -----
    DVC refuses an output behind a link, but after the stage has written there. DVC's cache may be a link
    to another disk, unless git has the link: then it is not this user's.
    """
    root = project.root
    written = {part for path in (*_WRITTEN, *folders) for part in (path, *path.parents)} - {Path()}
    # What is appended to, or written in place.
    written |= {file.relative_to(root) for name in _APPENDED for file in (root / name).glob("*")}
    links = [path for path in sorted(written) if (root / path).is_symlink()]
    if (root / _CACHE).is_symlink() and run_git(root, "ls-files", "--", str(_CACHE)).stdout:
        links.append(_CACHE)
    if links:
        shown = [f"{path} -> {printable((root / path).readlink())}" for path in links]
        raise EnsemblAnnotationsError(
            f"{listed(shown)}: expected a folder or file of the repository, found a link; results would "
            "be written outside of it.",
            hint="Remove the link, after a look at who made it ('git log -- PATH'). To use another disk, "
            "have the whole repository there, or DVC's cache ('dvc cache dir'); see docs/running.md.",
            code="link",
        )


def _of_sample(path: Path) -> re.Pattern[str]:
    pattern = _IN_REPORT + _PLOTS if path.parent == REPORTS else _IN_SAMPLE
    return re.compile(pattern.replace("{sample}", re.escape(path.name)))


def _is_cached(path: Path, cache: Path | None) -> bool:
    return cache is not None and path.is_file() and cached_path(cache, md5_of(path)).exists()
