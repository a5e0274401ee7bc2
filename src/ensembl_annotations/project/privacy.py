"""Results of samples are never pushed: what ``dvc.yaml`` must say of them."""

from __future__ import annotations

import os
from contextlib import suppress

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.words import listed, printable
from ensembl_annotations.project.paths import ANNOTATE, REPORT
from ensembl_annotations.project.project import Project


def pushed_results(project: Project) -> list[str]:
    """Return the outputs that are made of a sample and that ``dvc push`` would send to a remote.

    Notes
    -----
    They are those of the stages ``annotate@`` and ``report@``, and of all stages that read what these made,
    as DVC resolves ``dvc.yaml``.
    """
    # From a stage to those whose outputs it reads.
    graph = project.dvc.index.graph
    made = [
        stage
        for stage in graph
        if (getattr(stage, "name", None) or "").partition("@")[0] in (ANNOTATE, REPORT)
    ]
    for stage in made:
        made += [after for after in graph.predecessors(stage) if after not in made]
    return sorted(
        {
            os.path.relpath(out.fs_path, project.root.resolve())
            for stage in made
            for out in stage.outs
            if out.use_cache and out.can_push
        }
    )


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
