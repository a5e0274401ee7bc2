"""Results of samples are never pushed: what ``dvc.yaml`` must say of them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.words import listed, printable
from ensembl_annotations.project.paths import ANNOTATE, REPORT
from ensembl_annotations.project.project import Project

if TYPE_CHECKING:
    from dvc.repo.index import Index
    from dvc.stage import Stage


def pushed_results(project: Project) -> list[str]:
    """Return the outputs that are made of a sample and that ``dvc push`` would send to a remote.

    Notes
    -----
    They are those of the stages ``annotate@`` and ``report@``, and of all stages that read what these made,
    as DVC resolves ``dvc.yaml``.
    """
    index = project.dvc.index
    pushing = [
        stage for stage in index.stages if any(out.use_cache and out.can_push for out in stage.outs)
    ]
    return sorted(
        {
            os.path.relpath(out.fs_path, project.root.resolve())
            for stage in pushing
            if _is_of_sample(stage, index)
            for out in stage.outs
            if out.use_cache and out.can_push
        }
    )


def _is_of_sample(stage: Stage, index: Index) -> bool:
    """Tell whether a stage is one of a sample, or reads what one of those made.

    DVC's graph has that, too, but what makes it takes a tenth of the start to import.
    """
    from dvc.fs import localfs

    outs, seen = index.outs_trie, [stage]
    for item in seen:
        if (getattr(item, "name", None) or "").partition("@")[0] in (ANNOTATE, REPORT):
            return True
        for dep in item.deps:
            path = localfs.parts(dep.fs_path)
            read = [node.value for node in outs.prefixes(path)]
            read += outs.values(prefix=path) if outs.has_subtrie(path) else []
            seen += [out.stage for out in read if out.stage not in seen]
    return False


def refuse_pushed_results(project: Project) -> None:
    """Refuse a ``dvc.yaml`` by which ``dvc push`` would send a person's genome to a remote.

    Raises
    ------
    UsageError
    """
    from dvc.exceptions import DvcException

    pushed: list[str] = []
    # What DVC can't read it says itself when it runs.
    with suppress(DvcException):
        pushed = pushed_results(project)
    if pushed:
        raise UsageError(
            f"dvc.yaml: expected 'push: false' at each output that is made of a sample; it is missing at "
            f"{printable(listed(pushed))}.",
            hint="Add it there. If you did not write that, ask who did: 'dvc push' would publish a genome.",
        )
