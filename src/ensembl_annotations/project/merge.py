"""Resolve git's conflicts in what the pipeline keeps in git: parameters, ``dvc.lock``, figures.

A *side* is ours or theirs, as git has them (at a rebase, theirs are the commits that are moved). What both
sides changed, differently, is decided here only for results, which can be made again; of parameters it stays
a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.hashes import md5_of_bytes
from ensembl_annotations.common.words import listed
from ensembl_annotations.project.git import run_git
from ensembl_annotations.project.lock import DvcLock, read_lock
from ensembl_annotations.project.merge_keys import (
    LOCK_DEPTH,
    SIDES,
    Merged,
    NotByKeyError,
    merge_keys,
    named,
)
from ensembl_annotations.project.params import load_params
from ensembl_annotations.project.paths import (
    ANNOTATE,
    LOCK,
    METRICS,
    PARAMS_FILE,
    REPORT,
    sample_of,
)
from ensembl_annotations.project.project import Project

_MARKS = ("<<<<<<< ", "||||||| ", "=======\n", ">>>>>>> ")
_BOTH = ("ours", "theirs")
_MISSING = object()


class ConflictError(EnsemblAnnotationsError):
    """Something is left for a person to decide."""

    default_code = "conflict"


@dataclass(frozen=True)
class _Conflict:
    """A file in conflict: its bytes by side, None for a side that has no such file."""

    path: str
    sides: Mapping[str, bytes | None]

    def content(self, side: str) -> bytes:
        """Return the file of ours or theirs.

        Raises
        ------
        ConflictError
            Where that side removed it.
        """
        content = self.sides[side]
        if content is None:
            raise ConflictError(
                f"{self.path}: {side} removed it.",
                hint=f"'git add {self.path}' keeps what the other side has; then run this again.",
            )
        return content

    def texts(self) -> tuple[str, str, str]:
        """Return the texts of base (empty where there was none), ours and theirs."""
        contents = (self.sides["base"] or b"", self.content("ours"), self.content("theirs"))
        try:
            base, ours, theirs = (content.decode("utf-8") for content in contents)
        except UnicodeDecodeError as error:
            raise ConflictError(
                f"{self.path}: not UTF-8: {error}.", hint="Resolve it by hand."
            ) from error
        return base, ours, theirs


def merge_conflicts(project: Project | Path | str = Path()) -> list[str]:
    """Merge what git left in conflict: ``params.yaml`` by key, ``dvc.lock`` by stage, figures.

    What is resolved is staged, as by ``git add``; a file that was resolved by hand is staged as it is.

    Returns
    -------
    list of str
        What was done, a line each.

    Raises
    ------
    ConflictError
        Where both sides changed a parameter, or another file has to be resolved first.
    UsageError
        Where there is no repository of git, or the merged parameters are wrong.
    """
    project = Project.open(project)
    conflicts = _conflicts(project)
    lines = []
    if params := conflicts.pop(PARAMS_FILE, None):
        lines.append(_merge_params(project, params))
    results = [conflicts.pop(name) for name in [*conflicts] if _is_result(name)]
    if results:
        lines += _merge_results(project, results, conflicts)
    if not lines:
        lines.append(f"No conflict in {PARAMS_FILE}, {LOCK} or {METRICS}/.")
    if conflicts:
        lines.append(f"Still in conflict: {listed(sorted(conflicts), 10)}.")
    return lines


def _is_result(name: str) -> bool:
    return name == str(LOCK) or (name.endswith(".json") and METRICS in Path(name).parents)


def _conflicts(project: Project) -> dict[str, _Conflict]:
    """Return the files of the project that git has in conflict, by path."""
    said = run_git(project.git.project, "ls-files", "--unmerged", "-z").stdout
    found: dict[str, dict[str, bytes | None]] = {}
    for line in said.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        about, _, path = line.partition("\t")
        _, blob, stage = about.split(" ")
        sides = found.setdefault(path, dict.fromkeys(SIDES))
        sides[SIDES[int(stage) - 1]] = run_git(project.root, "cat-file", "blob", blob).stdout
    return {path: _Conflict(path, sides) for path, sides in found.items()}


def _stage(project: Project, paths: Iterable[Path | str]) -> None:
    said = run_git(
        project.root, "--literal-pathspecs", "add", "--all", "--", *(str(path) for path in paths)
    )
    if said.returncode:
        raise EnsemblAnnotationsError(
            f"'git add' failed: {said.stderr.decode('utf-8', 'replace').strip()}"
        )


# --- Parameters


def _merge_params(project: Project, conflict: _Conflict) -> str:
    path = project.root / PARAMS_FILE
    if _is_resolved(path, conflict):
        load_params(path)
        _stage(project, [PARAMS_FILE])
        return f"{PARAMS_FILE}: has no conflict left; staged as it is."
    try:
        merged = merge_keys(*conflict.texts())
    except NotByKeyError as error:
        raise ConflictError(
            f"{PARAMS_FILE}: can't be merged by key: it {error}.",
            hint=f"Resolve it by hand, then run this again. {_anew(PARAMS_FILE)}",
        ) from error
    if merged.conflicts:
        with Outputs() as outputs:
            outputs.write_text(path, merged.marked())
        raise ConflictError(
            f"{PARAMS_FILE}: both sides changed {named(merged.conflicts)}; all else is merged.",
            hint=f"Choose between the lines that are marked in {path}, then run this again.",
        )
    with Outputs() as outputs:
        outputs.write_text(path, merged.text("ours"))
    load_params(path)
    _stage(project, [PARAMS_FILE])
    return f"{PARAMS_FILE}: merged by key."


def _anew(name: Path | str) -> str:
    return f"'git checkout --merge {name}' brings its conflict back as it was."


def _is_resolved(path: Path, conflict: _Conflict) -> bool:
    """Tell whether a file has no marks of a conflict left.

    Raises
    ------
    ConflictError
        Where it has, but was edited: what was written there would be lost.
    """
    known = {line for text in conflict.texts() for line in _lines(text)}
    lines = _lines(path.read_bytes().decode("utf-8", "replace"))
    edited = [line for line in lines if not line.startswith(_MARKS)]
    if edited == lines:
        return True
    if unknown := set(edited) - known:
        raise ConflictError(
            f"{path}: line {lines.index(min(unknown, key=lines.index)) + 1} is of no side, and there are "
            "marks of the conflict left.",
            hint=f"Finish it by hand, then run this again. {_anew(path.name)}",
        )
    return False


def _lines(text: str) -> list[str]:
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")]


# --- Results


def _merge_results(
    project: Project, results: list[_Conflict], others: Mapping[str, _Conflict]
) -> list[str]:
    """Merge ``dvc.lock`` and the figures; return what was done, a line each."""
    path = project.root / LOCK
    conflict = next((item for item in results if item.path == str(LOCK)), None)
    locks, lines, content = {}, [], path.read_bytes()
    if conflict and _is_resolved(path, conflict):
        lines.append(f"{LOCK}: has no conflict left; staged as it is. {_anew(LOCK)}")
    elif conflict:
        locks = {side: read_lock(conflict.content(side), f"{LOCK} of {side}") for side in _BOTH}
        merged = _merged_lock(conflict)
        _refuse_undecided(locks.values(), others)
        choices = _Choices(project, merged, locks)
        content = choices.text.encode("utf-8")
        lines += [f"{LOCK}: merged by stage.", *choices.lines]
    lock = read_lock(content, path)
    makers = {
        out: stage for each in (*locks.values(), lock) for stage in each for out in each.outs(stage)
    }
    with Outputs() as outputs:
        if content != path.read_bytes():
            outputs.temporary(path).write_bytes(content)
        for item in results:
            if item is not conflict:
                lines.append(_merge_figures(project, item, lock, makers, outputs))
    _stage(project, (item.path for item in results))
    return [*lines, "Now run 'make', stage what it wrote, and commit or 'git rebase --continue'."]


def _merged_lock(conflict: _Conflict) -> Merged:
    try:
        merged = merge_keys(*conflict.texts(), depth=LOCK_DEPTH)
        if all(len(key) == LOCK_DEPTH for key in merged.conflicts):
            return merged
        problem = f"has {named(merged.conflicts)} on both sides"
    except NotByKeyError as error:
        problem = str(error)
    raise ConflictError(
        f"{LOCK}: can't be merged by stage: it {problem}.",
        hint=f"Take one side with 'git checkout --ours {LOCK}', then run this again, and 'make'.",
    )


def _refuse_undecided(locks: Iterable[DvcLock], others: Mapping[str, _Conflict]) -> None:
    """Refuse to choose between results while what decides between them is in conflict itself."""
    deciding = {file for lock in locks for stage in lock for file in lock.params(stage)}
    if open_ones := sorted(others.keys() & {*deciding, "dvc.yaml"}):
        raise ConflictError(
            f"{listed(open_ones)}: in conflict still, and decides which results of {LOCK} are kept.",
            hint="Resolve it, stage it with 'git add', then run this again.",
        )


class _Choices:
    """Which side's entry of a stage is kept, where both sides made it, differently.

    It is the only one that was made with the merged parameters, from what the merged ``dvc.lock`` has.
    Where that is so of both sides, or of none, the entry is left out, and ``make`` makes the stage again; that
    of a sample whose VCF is not here is kept as ours.
    """

    def __init__(self, project: Project, merged: Merged, locks: Mapping[str, DvcLock]) -> None:
        self._root, self._locks, self._samples = project.root, locks, project.params.samples
        self._clean = read_lock(merged.text("ours").encode("utf-8"))
        self._chosen: dict[str, tuple[str | None, str]] = {}
        self._stages = {key[-1] for key in merged.conflicts}
        self._makers = {
            side: {out: stage for stage in lock for out in lock.outs(stage)}
            for side, lock in locks.items()
        }
        self._values = cache(lambda name: _load_values(self._root / name))
        chosen = {key: self._side_of(key[-1]) for key in merged.conflicts}
        text = merged.text("ours", chosen)
        # DVC takes no section without a value.
        has_stages = bool([*read_lock(text.encode("utf-8"))])
        self.text = text if has_stages else text.replace("stages:\n", "stages: {}\n")

    @property
    def lines(self) -> list[str]:
        """What was chosen, a line for each reason."""
        reasons = dict.fromkeys(self._chosen.values())
        return [
            f"{LOCK}: both sides changed "
            f"{listed((stage for stage, choice in self._chosen.items() if choice == reason), 10)}: "
            f"{reason[1]}."
            for reason in reasons
        ]

    def _side_of(self, stage: str) -> str | None:
        if stage not in self._chosen:
            self._chosen[stage] = self._choose(stage)
        return self._chosen[stage][0]

    def _choose(self, stage: str) -> tuple[str | None, str]:
        """Return the side whose entry is kept, None to leave it out, and why."""
        sample = sample_of(stage) if is_of_sample(stage) else None
        if sample and sample not in self._samples:
            return None, f"left out, since {PARAMS_FILE} does not have the sample"
        sides = [side for side in _BOTH if stage in self._locks[side]]
        fitting = [side for side in sides if self._fits(side, stage)]
        if len(fitting) == 1:
            return fitting[0], f"kept as {fitting[0]} has it, made with the merged parameters"
        if sample and not (self._root / self._samples[sample].vcf).exists():
            # Without the entry `make` would ask for the VCF.
            return sides[0], f"kept as {sides[0]} has it, until 'make' runs where the VCF is"
        return None, "left out, so that 'make' makes it again"

    def _fits(self, side: str, stage: str) -> bool:
        """Tell whether a side made a stage with the merged parameters, from what the merged lock has."""
        has_params = all(
            _value_of(self._values(file), name) == value
            for file, values in self._locks[side].params(stage).items()
            for name, value in values.items()
        )
        return has_params and all(
            self._is_kept(side, before) for before in self._before(side, stage)
        )

    def _is_kept(self, side: str, stage: str) -> bool:
        if stage in self._stages:
            return self._side_of(stage) == side
        return self._clean.outs(stage) == self._locks[side].outs(stage)

    def _before(self, side: str, stage: str) -> set[str]:
        """Return the stages that made what a stage read, or the folder in which that is."""
        makers = self._makers[side]
        return {
            makers[str(path)]
            for dep in self._locks[side].deps(stage)
            for path in (PurePosixPath(dep), *PurePosixPath(dep).parents)
            if str(path) in makers
        }


def is_of_sample(stage: str) -> bool:
    """Tell whether a stage is of a sample, ``annotate@NAME`` or ``report@NAME``."""
    return stage.partition("@")[0] in (ANNOTATE, REPORT)


def _load_values(path: Path) -> Any:
    """Return the parameters of a file as DVC reads them; nothing where it can't."""
    # Here, since it takes long to import.
    from dvc.exceptions import DvcException
    from dvc.fs import LocalFileSystem
    from dvc.utils.serialize import load_path

    with suppress(DvcException, OSError):
        return load_path(str(path), LocalFileSystem())
    return {}


def _value_of(values: Any, name: str) -> Any:
    """Return a parameter by its name, such as ``ensembl.release``; `_MISSING` where there is none."""
    for part in name.split("."):
        values = values.get(part, _MISSING) if isinstance(values, Mapping) else _MISSING
    return values


def _merge_figures(
    project: Project,
    conflict: _Conflict,
    lock: DvcLock,
    makers: Mapping[str, str],
    outputs: Outputs,
) -> str:
    """Take the figures that the merged ``dvc.lock`` names, or any until ``make`` makes them again."""
    name, path = conflict.path, project.root / conflict.path
    stage = makers.get(name)
    if stage is None:
        raise ConflictError(
            f"{name}: in conflict, and {LOCK} has no stage that makes it.",
            hint="Resolve it, stage it with 'git add', then run this again.",
        )
    sides = [content for side in _BOTH if (content := conflict.sides[side]) is not None]
    locked = [content for content in sides if md5_of_bytes(content) == lock.digest_of(Path(name))]
    if not locked and is_of_sample(stage) and sample_of(stage) not in project.params.samples:
        outputs.remove_stale(path)
        return f"{name}: removed; its sample is not in {PARAMS_FILE}."
    outputs.temporary(path).write_bytes([*locked, *sides][0])
    if locked:
        return f"{name}: as {LOCK} has it."
    return f"{name}: of one side, until 'make' makes it again."
