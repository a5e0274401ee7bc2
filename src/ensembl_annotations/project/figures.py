"""Figures of an asset's content, in ``metrics/``: the *headline*, and the others as *details*.

DVC's views of metrics have a column for each figure of a file, as wide as its name, but none for a list. So a
file has the headline first, and then the details, as a list of one object: all is in one file, whose MD5
``dvc.lock`` has. In files from before there were details, all figures stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.json_files import parse_object, read_object
from ensembl_annotations.common.words import markdown, markdown_table
from ensembl_annotations.project.lock import read_lock
from ensembl_annotations.project.paths import ANNOTATE, FETCH, LOCK, METRICS, AssetPaths
from ensembl_annotations.project.project import Project

# These fit into 140 characters, with samples' names of 24. No name is in both: `dvc exp show` puts the
# path of the file before a name that several files have.
HEADLINES = {
    FETCH: ("release", "num_variants"),
    ANNOTATE: ("num_records", "num_alleles", "num_compared", "annotated_percent"),
}
"""Names of the figures that have a column, by stage."""

_DETAILS = "details"


def fold_details(paths: AssetPaths) -> None:
    """Part the figures of ``metrics/``, as a stage has just written them, into headline and details."""
    figures = read_object(paths.metrics)
    headline = {name: figures.pop(name) for name in HEADLINES[paths.stage.partition("@")[0]]}
    write_json(paths.metrics, {**headline, _DETAILS: [figures]})


def all_figures(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return all figures of a file of ``metrics/`` side by side, those of former commits too."""
    details = content.get(_DETAILS)
    parts = [content, *(details if isinstance(details, list) else [])]
    found = {
        name: value for part in parts if isinstance(part, Mapping) for name, value in part.items()
    }
    found.pop(_DETAILS, None)
    return found


def changed_figures(project: Project, old: str, new: str) -> list[str]:
    """Return in Markdown which figures differ between two commits: a line for each file, then a table of all.

    The line has how many differ, and what became of the headline.
    """
    before, after = (_figures_at(project, commit) for commit in (old, new))
    changed: dict[str, list[tuple[str, str, str]]] = {}
    for path, name in sorted(before.keys() | after.keys()):
        one, other = (str(side.get((path, name), "-")) for side in (before, after))
        if one != other:
            changed.setdefault(path, []).append((name, one, other))
    headline = {name for names in HEADLINES.values() for name in names}
    lines = []
    for path, figures in changed.items():
        told = [f"{name} {one} → {other}" for name, one, other in figures if name in headline]
        lines.append(f"- {markdown('; '.join([f'{path}: {len(figures)} figures', *told]))}")
    rows = [(path, *figure) for path, figures in changed.items() for figure in figures]
    return [*lines, *([""] if lines else []), *markdown_table(("path", "figure", old, new), rows)]


def _figures_at(project: Project, commit: str) -> dict[tuple[str, str], Any]:
    """Return the figures of a commit, by the path of their file and their name."""
    # Here, since of git not every command that knows figures needs anything.
    from ensembl_annotations.project.git import Version

    version = Version(commit, None, None)
    with project.git.opened() as repository:
        lock = read_lock(repository.read(version, LOCK) or b"{}")
        paths = [
            path for stage in lock for path in lock.outs(stage) if METRICS in Path(path).parents
        ]
        return {
            (path, name): value
            for path in paths
            for name, value in all_figures(
                parse_object(repository.read(version, Path(path)) or b"")
            ).items()
        }


def read_figures(project: Project, paths: AssetPaths) -> dict[str, Any]:
    """Return all figures of an asset's content; nothing where they are not there."""
    return all_figures(read_object(project.root / paths.metrics))
