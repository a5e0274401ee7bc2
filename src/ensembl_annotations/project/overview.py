"""The catalogue: every asset on one page, from git, DVC, and the tallies of samples.

The samples stand side by side in one table, each with a link to its page; below, each asset has its state,
history and lineage.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ensembl_annotations.annotate.compared import num_known
from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.errors import InputError, explained_os_errors
from ensembl_annotations.common.json_files import read_object
from ensembl_annotations.common.words import markdown, markdown_code
from ensembl_annotations.project.figures import read_figures
from ensembl_annotations.project.history import Materialization, read_history
from ensembl_annotations.project.params import Params
from ensembl_annotations.project.paths import (
    ASSETS,
    LOCK,
    REFERENCE,
    REPORT,
    REPORTS,
    SAMPLES,
    TALLY,
    all_assets,
    asset_of,
    paths_of,
    sample_of,
    stage_of,
)
from ensembl_annotations.project.project import Project
from ensembl_annotations.report.charts import Chart, Node, line, lineage, number
from ensembl_annotations.report.page import PAGE, render
from ensembl_annotations.report.tally import EntryTally, read_tally

UP_TO_DATE, STALE, MISSING, ALTERED = "up to date", "stale", "missing", "altered"
_NOT_KNOWN = "not known on this machine"
_MOST_REASONS = 8
_MOST_SAMPLES = 12
_METADATA = (
    "cache_path", "num_files", "total_size_gb", "download_duration_sec", "download_cpu_percent",
    "status",
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """Whether an asset is what git says.

    Attributes
    ----------
    name : str
        ``up to date``, ``stale`` (an input or version changed, or the report is not the current one),
        ``missing`` (not on this machine) or ``altered`` (not what was made).
    reasons : list of str
        What changed.
    """

    name: str
    reasons: list[str]


@dataclass(frozen=True)
class Asset:
    """What the page says of an asset."""

    name: str
    path: str
    state: State
    metadata: list[tuple[str, str]]
    params: list[tuple[str, str]]
    commands: list[str]
    materializations: list[Materialization]
    charts: list[Chart]

    @property
    def anchor(self) -> str:
        return self.name.replace("@", "-")


@dataclass(frozen=True)
class Sample:
    """A row of the table of samples.

    Attributes
    ----------
    name : str
    asset : Asset
    page : str, optional
        Address of its page, where that is on this machine.
    metrics : dict, optional
        What was counted, of an entry of many in all, where its ``tally.json`` is on this machine.
    of_many : EntryTally, optional
        What is told of each sample of an entry of many.
    problem : str
        Why there are no counts.
    """

    name: str
    asset: Asset
    page: str | None
    metrics: dict[str, Any] | None
    of_many: EntryTally | None
    problem: str


def read_states(project: Project) -> dict[str, State]:
    """Return the state of every asset whose stage DVC finds changed; others are up to date.

    Raises
    ------
    EnsemblAnnotationsError
        Where DVC can't tell, with what it says.
    """
    stages = {stage: asset for asset, stage in ASSETS.items()}
    found, reports = {}, {}
    for stage, changes in project.dvc.status().items():
        name, at, sample = stage.partition("@")
        if name in stages:
            found[f"{stages[name]}{at}{sample}"] = _state(changes)
        elif name == REPORT:
            reports[asset_of(sample)] = State(STALE, _state(changes).reasons)
    # Materializing a sample makes its report, too; that follows from what is said of the sample itself.
    return {**reports, **found}


def stale_stages(project: Project) -> dict[str, list[str]]:
    """Return the stages whose entry in ``dvc.lock`` is not what would be made now, each with the reasons.

    Parameters
    ----------
    project : Project
        A clone without data may be given. That data, or somebody's VCF, are not there is no reason.

    Raises
    ------
    EnsemblAnnotationsError
        Where DVC can't tell, with what it says.
    """
    vcfs = {sample.vcf for sample in project.params.samples.values()}
    found: dict[str, list[str]] = {}
    for stage, changes in project.dvc.status().items():
        kept = [
            {
                kind: {path: how for path, how in items.items() if not _is_data(path, how, vcfs)}
                if isinstance(items, Mapping)
                else items
                for kind, items in change.items()
            }
            if isinstance(change, Mapping)
            else change
            for change in changes
        ]
        reasons = _state(
            [change for change in kept if not isinstance(change, Mapping) or any(change.values())]
        ).reasons
        if reasons:
            found[stage] = reasons[:_MOST_REASONS]
    stages = {getattr(stage, "name", None) for stage in project.dvc.index.stages}
    lock = project.lock
    made = {path: out["md5"] for stage in lock for path, out in lock.outs(stage).items()}
    for stage in lock:
        if stage not in stages:
            found.setdefault(stage, []).append(f"in {LOCK} only")
        for path, dep in lock.deps(stage).items():
            if made.get(path, dep["md5"]) != dep["md5"]:
                found.setdefault(stage, []).append(f"made from another {path} than {LOCK} has")
    return found


def stale_samples(project: Project, samples: Iterable[str]) -> list[str]:
    """Return which of the samples have an entry in ``dvc.lock`` that is not what would be made now."""
    stale = set(map(sample_of, stale_stages(project)))
    return [sample for sample in samples if sample in stale]


def review_lock(commit: Project, here: Project) -> str:
    """Say in Markdown whether the ``dvc.lock`` of a commit is current; if not, in bold, and why.

    Parameters
    ----------
    commit : Project
        A copy of the commit without data.
    here : Project
        The repository on this machine: samples whose VCFs are not here are somebody else's to make.
    """
    stale, others = stale_stages(commit), set(commit.samples_elsewhere(here.root))
    wrong = {stage: reasons for stage, reasons in stale.items() if sample_of(stage) not in others}
    lines = ["`dvc.lock` is current."]
    if wrong:
        lines = ["**`dvc.lock` is not current**: run `make` and commit it."]
        lines += [
            f"- {markdown_code(stage)}: {markdown(reason)}"
            for stage, reasons in wrong.items()
            for reason in reasons
        ]
    if left := sorted(others & set(map(sample_of, stale))):
        lines += ["", f"Note: stale, VCF not here: {', '.join(left)}. `make` of those who have it."]
    return "\n".join(lines)


def _is_data(path: str, how: object, vcfs: Collection[str]) -> bool:
    return how in ("deleted", "not in cache") and (path.startswith("data/") or path in vcfs)


def _state(changes: Sequence[Any]) -> State:
    outs: dict[str, str] = {}
    reasons: list[str] = []
    for change in changes:
        if not isinstance(change, Mapping):
            reasons.append(str(change))
            continue
        for kind, items in change.items():
            if kind == "changed outs":
                outs |= items
            elif isinstance(items, Mapping):
                reasons += [_reason(path, how) for path, how in items.items()]
            else:
                reasons.append(kind)
    here = [f"{path}: {how}" for path, how in outs.items()]
    if any(how in ("deleted", "not in cache") for how in outs.values()):
        name = MISSING
    elif outs:
        name = ALTERED
    else:
        name = STALE
    return State(name, [*here, *reasons])


def _reason(path: str, how: object) -> str:
    if isinstance(how, Mapping):
        return ", ".join(f"{name} in {path}: {what}" for name, what in how.items())
    return f"{path}: {how}"


def catalog_page(project: Project, folder: Path, states: Mapping[str, State] | None = None) -> str:
    """Return the page: HTML in one file, the same for the same repository, data, figures and folder.

    Parameters
    ----------
    project : Project
    folder : Path
        Where the page will be, from which it has links to the samples' pages.
    states : mapping of str to State, optional
        As of `read_states`, where they are known already.

    Raises
    ------
    UsageError
        Outside a repository, or for wrong parameters.
    EnsemblAnnotationsError
        Where DVC can't tell what is up to date.
    """
    params = project.params
    history = read_history(demonstration=False, project=project)
    if states is None:
        states = read_states(project)
    assets = []
    for name in all_assets(params.samples):
        paths = paths_of(name)
        mine = [item for item in history.materializations if item.asset == name]
        figures, last = read_figures(project, paths), read_object(project.root / paths.run)
        assets.append(
            Asset(
                name,
                str(paths.folder),
                states.get(name, State(UP_TO_DATE, [])),
                _metadata(name, figures, last, mine),
                _params(name, params),
                _commands(name),
                mine,
                _charts(name, mine),
            )
        )
    samples = [_sample(project, asset, folder) for asset in assets if sample_of(asset.name)]
    return render(
        "report/catalog.html.j2",
        assets=assets,
        samples=samples,
        of_many={REFERENCE: None} | {sample.asset.name: sample.of_many for sample in samples},
        lineage=_lineage(params, assets),
        notes=history.notes,
        most_reasons=_MOST_REASONS,
        number=number,
        num_known=num_known,
    )


def write_catalog(
    out: Path | str,
    project: Project | Path | str = Path(),
    *,
    states: Mapping[str, State] | None = None,
) -> None:
    """Write the page of `catalog_page` to a file; nothing where that fails.

    Parameters
    ----------
    out : Path or str
        The file to write.
    project : Project, Path or str
        The repository; default the current folder.
    states : mapping of str to State, optional
        What DVC found changed, where it has been asked already.

    Raises
    ------
    EnsemblAnnotationsError
        As `catalog_page`, or where the file can't be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> write_catalog("catalog.html")
    >>> "ensembl_annotations" in Path("catalog.html").read_text("utf-8")
    True
    """
    out = Path(out)
    page = catalog_page(Project.open(project).resolved(), out.resolve().parent, states)
    with explained_os_errors("writing the catalogue"), Outputs() as outputs:
        outputs.write_text(out, page)


def _sample(project: Project, asset: Asset, folder: Path) -> Sample:
    name = sample_of(asset.name)
    page, problem = project.root / REPORTS / name / PAGE, ""
    file, of_many, metrics = project.root / asset.path / TALLY, None, None
    try:
        tally = read_tally(file)
        if isinstance(tally, EntryTally):
            of_many, metrics = tally, read_figures(project, paths_of(asset.name)) or None
        else:
            metrics = tally.metrics
    except FileNotFoundError:
        problem = f"{asset.path}/{TALLY} is not on this machine."
    except (InputError, OSError) as error:
        problem = str(error).replace(f"{project.root}{os.sep}", "")
    address = quote(Path(os.path.relpath(page, folder)).as_posix()) if page.exists() else None
    return Sample(name, asset, address, metrics, of_many, problem)


def _metadata(
    asset: str,
    figures: Mapping[str, Any],
    last: Mapping[str, Any],
    materializations: Sequence[Materialization],
) -> list[tuple[str, str]]:
    """Return the figures of the content and of the run that made it, and what the last run did.

    Where the run that made it is not known here, those of the last run.
    """
    made = (materializations[0].run if materializations else {}) or last
    both = {**figures, **made}
    first = _METADATA if asset == REFERENCE else ("status",)
    names = [*first, *(name for name in both if name not in first)]
    rows = [(name, str(both.get(name, _NOT_KNOWN))) for name in names]
    if last and last.get("finished_at") != made.get("finished_at"):
        rows.insert(0, ("last run", f"{last.get('status')}, finished at {last.get('finished_at')}"))
    return rows


def _params(asset: str, params: Params) -> list[tuple[str, str]]:
    if asset == REFERENCE:
        found = {f"ensembl.{name}": value for name, value in params.ensembl.model_dump().items()}
    else:
        sample = sample_of(asset)
        found = {f"samples.{sample}.vcf": params.samples[sample].vcf}
        found |= {f"annotate.{name}": value for name, value in params.annotate.model_dump().items()}
    return [(name, "" if value is None else str(value)) for name, value in found.items()]


def _commands(asset: str) -> list[str]:
    return [f"ensembl-annotations materialize {asset}", f"dvc repro {stage_of(asset)}"]


def _charts(asset: str, materializations: Sequence[Materialization]) -> list[Chart]:
    anchor = asset.replace("@", "-")
    oldest_first = materializations[::-1]
    rows = "alleles" if asset == REFERENCE else "records"
    sizes = [
        (item.commit, item.size_bytes, f"{number(item.size_bytes)} bytes")
        for item in oldest_first
        if item.size_bytes is not None
    ]
    counts = [
        (item.commit, item.num_rows, f"{number(item.num_rows)} {rows}")
        for item in oldest_first
        if item.num_rows is not None
    ]
    return [
        line(f"{anchor}-size", "Size", "Bytes of each materialization, oldest first.", sizes, "size"),
        line(
            f"{anchor}-rows",
            rows.capitalize(),
            f"Number of {rows} of each materialization, oldest first.",
            counts,
            rows,
        ),
    ]  # fmt: skip


def _lineage(params: Params, assets: Sequence[Asset]) -> Chart:
    wanted = params.ensembl
    source = Node(
        f"Ensembl {wanted.release}", f"{wanted.source}, {wanted.species}, {wanted.assembly}", 0
    )
    nodes, edges = [source], []
    reference, *samples = assets
    nodes.append(Node(reference.name, reference.state.name, 1, f"#{reference.anchor}"))
    edges.append((0, 1))
    for asset in samples[:_MOST_SAMPLES]:
        sample = sample_of(asset.name)
        nodes.append(Node(f"VCF of {sample}", Path(params.samples[sample].vcf).name, 1))
        nodes.append(Node(asset.name, asset.state.name, 2, f"#{asset.anchor}"))
        edges += [(len(nodes) - 2, len(nodes) - 1), (1, len(nodes) - 1)]
    left = len(samples) - _MOST_SAMPLES
    if left > 0:
        nodes.append(Node(f"{number(left)} more {SAMPLES}", "see below", 2))
        edges.append((1, len(nodes) - 1))
    return lineage(
        "lineage", "Lineage", "What each asset is made from; the state of each.", nodes, edges
    )
