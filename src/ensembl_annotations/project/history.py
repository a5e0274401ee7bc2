"""Every materialization of an asset, from git: when, by whom, of what, how large."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.common.hashes import md5_of_bytes
from ensembl_annotations.common.json_files import parse_object
from ensembl_annotations.common.metrics import RUN_LOG
from ensembl_annotations.common.words import aligned, printable
from ensembl_annotations.project.figures import all_figures
from ensembl_annotations.project.git import WORKSPACE, Repository, Version
from ensembl_annotations.project.lock import BrokenLockError, DvcLock, read_lock
from ensembl_annotations.project.paths import (
    ANNOTATE,
    ASSETS,
    FETCH,
    LOCK,
    PARAMS_FILE,
    REFERENCE,
    SAMPLE_NAME,
    SAMPLES,
    STORE,
    AssetPaths,
    asset_of,
    paths_of,
)
from ensembl_annotations.project.project import Project
from ensembl_annotations.store.describe import DEMONSTRATION

_SAMPLE_STAGE = re.compile(rf"{ANNOTATE}@({SAMPLE_NAME.pattern})")
_COLUMNS = [
    "asset", "date", "commit", "author", "source", "release", "assembly", "chromosomes", "digest", "reference",
    "files", "bytes", "rows", "status", "seconds",
]  # fmt: skip
# What a line of the log has beside the figures of the run.
_OF_CONTENT = ("asset", "content", "num_files", "size_bytes")
_MOST_CHROMOSOMES = 16
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class Materialization:
    """A state of an asset that differs from the one before; None is what is not known.

    Attributes
    ----------
    asset : str
        ``ensembl_annotations``, or ``annotated_vcf@sample``.
    commit : str
        Short hash of the commit that brought it to the branch; ``workspace`` for none yet.
    date, author : str, optional
        When it was committed (ISO 8601, UTC), and who wrote the commit.
    release : int, optional
        Ensembl release.
    source, assembly, chromosomes : str, optional
        As ``params.yaml`` had them for the reference, of a sample for the one that it was annotated with.
    digest : str
        MD5 by which DVC knows the folder.
    reference_sha256 : str, optional
        SHA-256 of the ``datapackage.json`` of the reference.
    num_files, size_bytes : int, optional
        Of the folder.
    num_rows : int, optional
        Alleles of the reference, or records of the VCF.
    status, duration_sec : str and float, optional
        Of the run on this machine that made it.
    run : dict
        The figures of that run, or else of the one that made the same here later; empty for none.
    inputs : dict of str to str
        MD5 of the data it was made from, by path.
    """

    asset: str
    commit: str
    date: str | None
    author: str | None
    release: int | None
    source: str | None
    assembly: str | None
    chromosomes: str | None
    digest: str
    reference_sha256: str | None
    num_files: int | None
    size_bytes: int | None
    num_rows: int | None
    status: str | None
    duration_sec: float | None
    run: dict[str, Any]
    inputs: dict[str, str]


@dataclass
class History:
    """Materializations, newest first, and what the user should know of them, a line each."""

    materializations: list[Materialization] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return asdict(self)


def read_history(
    asset: str | None = None,
    *,
    limit: int | None = None,
    demonstration: bool = True,
    project: Project | Path | str = Path(),
) -> History:
    """Return every materialization of an asset that git knows, newest first.

    Parameters
    ----------
    asset : str, optional
        ``ensembl_annotations``, ``annotated_vcf`` (all samples) or ``annotated_vcf@SAMPLE``;
        default all.
    limit : int, optional
        Only so many, the newest.
    demonstration : bool
        Also those of the demonstration (source ``mini``) that are committed and whose run was not on this
        machine: a new clone comes with those of its maintainers.
    project : Project, Path or str
        The repository; default the current folder.

    Returns
    -------
    History

    Raises
    ------
    UsageError
        Outside a git repository, without any ``dvc.lock``, or for an unknown asset.

    Notes
    -----
    A materialization is a change of the digest that ``dvc.lock`` has for the asset, along the
    first parents of the current branch; where a merge brought it, it is told of the commit that it is from.
    No data are needed, and DVC is not asked. Figures of a
    commit are taken only where they are those that its ``dvc.lock`` names. Of the log of runs a
    line is taken only where its figures, files and bytes are the same, and it ended between the
    materialization before and this one's commit.

    Examples
    --------
    >>> history = read_history("ensembl_annotations", limit=1)
    >>> [item.release for item in history.materializations]
    [116]
    """
    name, _, sample = (asset or "").partition("@")
    if asset is not None and (
        name not in ASSETS or ("@" in asset and (name != SAMPLES or not sample))
    ):
        raise UsageError(f"{asset!r} is not an asset.", hint=f"There are: {', '.join(ASSETS)}.")
    repository, history = Project.open(project).git, History()
    runs = _read_runs(repository.project / RUN_LOG)
    versions = [Version(WORKSPACE, None, None), *repository.log("--", LOCK.as_posix())]
    with repository.opened():
        ranks = {version.commit: rank for rank, version in enumerate(versions)}
        found = _follow(repository, versions, ranks, runs, history.notes)
    names = sorted(found, key=lambda name: (name != REFERENCE, name))
    chosen = [item for item in names if asset in (None, item, item.partition("@")[0])]
    if "@" in (asset or "") and not chosen:
        raise UsageError(f"{asset}: no dvc.lock has it.", hint=f"There are: {', '.join(names)}.")
    for item in chosen:
        history.materializations += found[item].materializations
        history.notes += found[item].notes()
        # Of two in one second the one that was logged later.
        logged = sorted(runs.get(item, ()), key=lambda run: str(run["finished_at"]))
        if logged and logged[-1]["status"] == "failed":
            history.notes.append(
                f"{item}: its last run here failed, at {logged[-1]['finished_at']}."
            )
    if not demonstration:
        history.materializations = _without_demonstration(history)
    # By place in history: dates of commits are what clocks said. Of one commit, the newest run on top, else
    # in the order of the lineage.
    history.materializations.sort(
        key=lambda item: str(item.run.get("finished_at", "")), reverse=True
    )
    history.materializations.sort(key=lambda item: ranks[item.commit])
    history.materializations = history.materializations[:limit]
    if repository.is_shallow:
        end = [version.commit for version in repository.log("--max-parents=0")[-1:]]
        history.notes.append(
            f"This clone is shallow: history ends at {''.join(end)}, and what is there may be "
            "older. 'git fetch --unshallow' gets the rest."
        )
    return history


def current_figures(asset: str, project: Project | Path | str = Path()) -> dict[str, Any]:
    """Return the figures of an asset that is here as ``dvc.lock`` names it, and of the run that made it.

    Parameters
    ----------
    asset : str
        ``ensembl_annotations`` or ``annotated_vcf@SAMPLE``.
    project : Project, Path or str
        The repository; default the current folder.

    Returns
    -------
    dict
        Empty where it is not here: by the MD5 of its figures, the number of its files and their bytes.
        Without figures of a run where no run on this machine made it.
    """
    project, paths = Project.open(project), paths_of(asset)
    outs = project.lock.outs(paths.stage)
    out = outs.get(paths.folder.as_posix(), {})
    try:
        content = (project.root / paths.metrics).read_bytes()
        files = [path for path in (project.root / paths.folder).rglob("*") if path.is_file()]
        found = (len(files), sum(path.stat().st_size for path in files))
    except OSError:
        return {}
    noted = outs.get(paths.metrics.as_posix(), {}).get("md5")
    if md5_of_bytes(content) != noted or found != (out.get("nfiles"), out.get("size")):
        return {}
    figures = all_figures(parse_object(content))
    made = [
        run
        for run in _read_runs(project.root / RUN_LOG).get(asset, ())
        if run["duration_sec"] > 0 and _has_made(run, figures, *found)
    ]
    return figures | _of_run(max(made, key=lambda run: str(run["finished_at"]), default={}))


def _has_made(
    run: Mapping[str, Any], figures: Mapping[str, Any], num_files: int | None, size: int | None
) -> bool:
    """Say whether a line of the log is of a run that ended with this content."""
    return bool(figures) and (run.get("content"), run.get("num_files"), run.get("size_bytes")) == (
        figures, num_files, size,
    )  # fmt: skip


def _of_run(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name not in _OF_CONTENT}


def _without_demonstration(history: History) -> list[Materialization]:
    """Return the others, and note how many were left out."""
    kept = [
        item
        for item in history.materializations
        if item.source != DEMONSTRATION or item.run or item.commit == WORKSPACE
    ]
    if left := len(history.materializations) - len(kept):
        history.notes.append(
            f"{left} of the demonstration that were not made on this machine are left out; "
            "'ensembl-annotations history --all' has them."
        )
    return kept


@dataclass
class _Followed:
    """An asset on its way through the versions, from the oldest; `materializations` newest first."""

    paths: AssetPaths
    materializations: list[Materialization] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    again: dict[str, Any] | None = None

    def notes(self) -> list[str]:
        """Say where its stage was missing after it had been there, and what ran here since."""
        found = []
        if self.without:
            more = f" and {len(self.without) - 1} older" if self.without[1:] else ""
            found.append(
                f"{self.paths.asset}: not in dvc.lock of {self.without[-1]}{more}; skipped."
            )
        if self.again:
            found.append(
                f"{self.paths.asset}: the newest came to this machine at {self.again['finished_at']} "
                f"({self.again['status']}, {self.again['duration_sec']} s)."
            )
        return found


def _follow(
    repository: Repository,
    versions: Sequence[Version],
    ranks: dict[str, int],
    runs: Mapping[str, list[dict[str, Any]]],
    notes: list[str],
) -> dict[str, _Followed]:
    """Follow each asset; a commit of another branch gets into `ranks`, the order of versions, with its merge."""
    found: dict[str, _Followed] = {REFERENCE: _Followed(paths_of(REFERENCE))}
    is_there = False
    # By the digest of the reference, the parameters it was made with.
    origins: dict[str, dict[str, Any]] = {}
    for version in reversed(versions):
        content = repository.read(version, LOCK)
        if content is None:
            notes.insert(0, f"dvc.lock of {version.commit} is missing; skipped.")
            continue
        is_there = True
        try:
            lock = read_lock(content)
        except BrokenLockError:
            notes.insert(0, f"dvc.lock of {version.commit} is not valid YAML of DVC; skipped.")
            continue
        for sample in filter(None, map(_SAMPLE_STAGE.fullmatch, lock)):
            asset = asset_of(sample[1])
            found.setdefault(asset, _Followed(paths_of(asset)))
        if reference := lock.outs(FETCH).get(STORE.as_posix()):
            wanted = lock.params(FETCH).get(PARAMS_FILE, {}).get("ensembl")
            origins[reference["md5"]] = wanted if isinstance(wanted, dict) else {}
        for item in found.values():
            out = lock.outs(item.paths.stage).get(str(item.paths.folder))
            past = item.materializations
            if out is None:
                item.without += [version.commit] if past else []
            elif not past or past[0].digest != out["md5"]:
                made = _merged_from(repository, version, item.paths, out["md5"])
                ranks.setdefault(made.commit, ranks[version.commit])
                figures = _figures(repository, version, item.paths, lock)
                past.insert(0, _materialization(item, made, lock, figures, runs, origins))
    if not is_there:
        raise UsageError(
            f"{repository.project.resolve()}: no {LOCK}, now or in the history of this branch.",
            hint="Run this in the folder of the repository; 'make' makes what there is to see.",
        )
    return found


def _merged_from(
    repository: Repository, version: Version, paths: AssetPaths, digest: str
) -> Version:
    """Return the commit of another branch that a merge took an asset from; else the version itself."""
    for parent in version.parents[1:]:
        first = None
        for other in repository.log(parent, "--", LOCK.as_posix()):
            try:
                lock = read_lock(repository.read(other, LOCK) or b"")
            except BrokenLockError:
                break
            if lock.outs(paths.stage).get(str(paths.folder), {}).get("md5") != digest:
                break
            first = other
        if first:
            return _merged_from(repository, first, paths, digest)
    return version


def _materialization(
    item: _Followed,
    version: Version,
    lock: DvcLock,
    figures: dict[str, Any],
    runs: Mapping[str, list[dict[str, Any]]],
    origins: Mapping[str, dict[str, Any]],
) -> Materialization:
    asset, stage = item.paths.asset, item.paths.stage
    out = lock.outs(stage)[str(item.paths.folder)]
    reference = out if asset == REFERENCE else lock.deps(stage).get(STORE.as_posix(), {})
    origin = origins.get(reference.get("md5", ""), {})
    num_files, size = _number(out.get("nfiles")), _number(out.get("size"))
    sha256 = figures.get("reference_sha256")
    since = (item.materializations[0].date if item.materializations else None) or ""
    same = [
        run
        for run in runs.get(asset, ())
        if since < run["finished_at"] and _has_made(run, figures, num_files, size)
    ]
    # What found nothing to do took no time: it did not make it, if anything else did.
    made = [run for run in same if run["finished_at"] <= (version.date or "9")]
    run = max(made, key=lambda run: (run["duration_sec"] > 0, run["finished_at"]), default={})
    # What ran after the commit made the same here, but is not what was committed.
    again = max(same, key=lambda run: (run["duration_sec"] > 0, run["finished_at"]), default={})
    item.again = None if made else again or None
    return Materialization(
        asset=asset,
        commit=version.commit,
        date=version.date,
        author=version.author,
        release=_number(figures.get("release")),
        source=_text(origin.get("source")),
        assembly=_text(origin.get("assembly")),
        chromosomes=_text(origin.get("chromosomes")),
        digest=out["md5"],
        reference_sha256=sha256 if isinstance(sha256, str) else None,
        num_files=num_files,
        size_bytes=size,
        num_rows=_number(figures.get("num_alleles" if asset == REFERENCE else "num_records")),
        status=run.get("status"),
        duration_sec=run.get("duration_sec"),
        run=_of_run(run or again),
        inputs={
            path: dep["md5"]
            for path, dep in lock.deps(stage).items()
            if not path.startswith(("src/", "scripts/"))
        },
    )


def _figures(
    repository: Repository, version: Version, paths: AssetPaths, lock: DvcLock
) -> dict[str, Any]:
    """Return the figures of the content, where they are those that the stage wrote."""
    content = repository.read(version, paths.metrics)
    noted = lock.outs(paths.stage).get(paths.metrics.as_posix())
    if content is None or noted is None or md5_of_bytes(content) != noted["md5"]:
        return {}
    return all_figures(parse_object(content))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _read_runs(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the lines of the log of runs that say all that is needed, by asset."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        lines = []
    runs: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        run = parse_object(line)
        if (
            isinstance(run.get("asset"), str)
            and isinstance(run.get("status"), str)
            and isinstance(run.get("duration_sec"), int | float)
            and _TIME.fullmatch(str(run.get("finished_at")))
        ):
            if isinstance(content := run.get("content"), dict):
                run["content"] = all_figures(content)
            runs.setdefault(run["asset"], []).append(run)
    return runs


def _cut(chromosomes: str | None) -> str | None:
    """Return them as a column of the table has room for them."""
    if chromosomes is None or len(chromosomes) <= _MOST_CHROMOSOMES:
        return chromosomes
    return f"{chromosomes[: _MOST_CHROMOSOMES - 1]}…"


def describe_history(history: History) -> list[str]:
    """Return a table of the materializations as lines of text; digests are cut to 12 digits."""
    if not history.materializations:
        return ["There is no materialization to show."]
    table = [_COLUMNS]
    for item in history.materializations:
        values = (
            *(
                item.asset,
                item.date,
                item.commit,
                item.author,
                item.source,
                item.release,
                item.assembly,
            ),
            *(_cut(item.chromosomes), item.digest[:12], (item.reference_sha256 or "-")[:12]),
            *(item.num_files, item.size_bytes, item.num_rows, item.status, item.duration_sec),
        )
        table.append([printable(value) for value in values])
    return aligned(table)
