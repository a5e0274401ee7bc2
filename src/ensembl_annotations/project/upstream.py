"""Compare what a source publishes now with what is noted, and look for newer releases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ensembl_annotations.common.addresses import without_credentials
from ensembl_annotations.common.errors import NotPublishedError, SourceError
from ensembl_annotations.fetch.layouts import ROLES, Layout
from ensembl_annotations.fetch.listing import (
    NUM_NEIGHBOURS,
    describe_releases,
    list_releases,
    probe,
)
from ensembl_annotations.fetch.manifest import (
    Manifest,
    PublishedFile,
    Refusal,
    describe_files,
    load_manifest_of,
    manifest_path,
    no_answer,
    read_list,
    reason_of,
    save_manifest,
)
from ensembl_annotations.project.project import Project

CHANGED, NEW, GONE = "changed", "new", "gone"


@dataclass(frozen=True)
class Change:
    """A file that is published otherwise than noted.

    Attributes
    ----------
    kind : str
        ``changed``, ``new`` or ``gone``.
    name : str
        The file's.
    before, after : PublishedFile or None
        As noted, and as published now.
    """

    kind: str
    name: str
    before: PublishedFile | None
    after: PublishedFile | None

    def __str__(self) -> str:
        numbers = [
            f"{file.checksum:05d} {file.blocks} KiB" for file in (self.before, self.after) if file
        ]
        return f"{self.kind}: {self.name}: {' -> '.join(numbers)}"


@dataclass(frozen=True)
class MirrorAnswer:
    """What one mirror says now.

    Attributes
    ----------
    mirror : str
        Its address, without user and password.
    manifest : Manifest or None
        What it publishes; None where it gave no list.
    problem : str or None
        Why it gave none.
    changes : tuple of Change
        In what it differs from the noted manifest; empty where nothing is noted.
    """

    mirror: str
    manifest: Manifest | None
    problem: str | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class UpstreamReport:
    """What a source publishes now, beside what is noted.

    Attributes
    ----------
    path : Path
        The manifest's.
    release : int
        The pinned one.
    was_noted : bool
        Whether there was a manifest.
    latest : Manifest
        What the best mirror that answers publishes.
    changes : tuple of Change
        From what is noted to `latest`.
    answers : tuple of MirrorAnswer
        Of every mirror, best first.
    newer : tuple of int
        Later releases that have this species, ascending.
    is_updated : bool
        Whether the manifest was written.
    """

    path: Path
    release: int
    was_noted: bool
    latest: Manifest
    changes: tuple[Change, ...]
    answers: tuple[MirrorAnswer, ...]
    newer: tuple[int, ...]
    is_updated: bool


def check_upstream(project: Project, *, update: bool = False) -> UpstreamReport:
    """Ask every mirror of the source in ``params.yaml`` what it publishes now.

    Parameters
    ----------
    project : Project
    update : bool
        Write the best mirror's answer to the manifest, where it differs.

    Raises
    ------
    UsageError
        Where the parameters are wrong.
    SourceError
        With every mirror's reason, where none answers; where the manifest can't be read.
    """
    params = project.params
    wanted = params.ensembl
    layout = Layout(wanted.species, wanted.assembly, wanted.release)
    layout.check()
    path = project.root / manifest_path(wanted.source, layout)
    noted = load_manifest_of(layout, path) if path.exists() else None
    answers, problems = _ask_all(params.mirrors, layout)
    if not answers:
        raise no_answer(problems, layout)
    latest = _combine(layout, list(answers.values()))
    changes = find_changes(noted, latest) if noted else ()
    if is_updated := update and latest != noted:
        save_manifest(latest, path)
    reasons = dict(problems)
    return UpstreamReport(
        path=path,
        release=layout.release,
        was_noted=noted is not None,
        latest=latest,
        changes=changes,
        answers=tuple(
            _describe_answer(mirror, answers.get(mirror), reasons.get(mirror), latest, noted)
            for mirror in params.mirrors
        ),
        newer=find_newer(list(answers), layout),
        is_updated=is_updated,
    )


_Lists = dict[str, tuple[PublishedFile, ...]]
"""What one mirror lists, by kind; a kind that it has no list of, which may be for want of space, is missing."""


def _manifest(layout: Layout, lists: _Lists) -> Manifest:
    files = [lists.get(role, ()) for role in ROLES]
    return Manifest(layout.species, layout.assembly, layout.release, *files)


def _ask_all(mirrors: Sequence[str], layout: Layout) -> tuple[dict[str, _Lists], list[Refusal]]:
    answers: dict[str, _Lists] = {}
    problems: list[Refusal] = []
    for mirror in mirrors:
        try:
            answers[mirror] = _lists_of(mirror, layout)
        except SourceError as error:
            problems.append((mirror, error))
    return answers, problems


def _lists_of(mirror: str, layout: Layout) -> _Lists:
    """Return what a mirror lists; of a release without variation files, at least sequences."""
    lists: _Lists = {}
    absent: dict[str, NotPublishedError] = {}
    for role in ROLES:
        try:
            lists[role] = read_list(mirror, layout, role, lists.get("vcf", ()))
        except NotPublishedError as error:
            absent[role] = error
    if "fasta" in absent:
        layout.confirm_assembly((), layout.fasta_folder)
    if not lists.get("vcf") and not lists.get("fasta"):
        raise absent["vcf"]
    return lists


def _combine(layout: Layout, answers: Sequence[_Lists]) -> Manifest:
    """Return what `read_manifest` would: of each kind, the first list there is."""
    return _manifest(
        layout, {role: files for lists in reversed(answers) for role, files in lists.items()}
    )


def _describe_answer(
    mirror: str,
    lists: _Lists | None,
    error: SourceError | None,
    latest: Manifest,
    noted: Manifest | None,
) -> MirrorAnswer:
    shown = without_credentials(mirror)
    if lists is None:
        return MirrorAnswer(shown, None, reason_of(mirror, error) if error else None)
    listed = {role: getattr(latest, role) for role in ROLES} | lists
    manifest = _manifest(latest.layout, listed)
    return MirrorAnswer(
        shown, manifest, changes=find_changes(noted, manifest) if noted is not None else ()
    )


def find_changes(before: Manifest, after: Manifest) -> tuple[Change, ...]:
    """Return every file that differs, variation first, in the order of the manifests."""
    changes = []
    for role in ROLES:
        old = {file.name: file for file in getattr(before, role) or ()}
        new = {file.name: file for file in getattr(after, role) or ()}
        for name in [*new, *(name for name in old if name not in new)]:
            was, now = old.get(name), new.get(name)
            if was != now:
                kind = CHANGED if was and now else NEW if now else GONE
                changes.append(Change(kind, name, was, now))
    return tuple(changes)


def find_newer(mirrors: Sequence[str], layout: Layout) -> tuple[int, ...]:
    """Return the later releases in which mirrors have this species, ascending.

    Notes
    -----
    From a mirror's listing where it gives one; a release's folder may be there before its
    variation is, so each is asked for, the latest three. Without a listing, the next three.
    """
    newer: set[int] = set()
    for mirror in mirrors:
        listed = list_releases(mirror, layout)
        numbers = (
            [number for number in listed if number > layout.release][-NUM_NEIGHBOURS:]
            if listed
            else range(layout.release + 1, layout.release + 1 + NUM_NEIGHBOURS)
        )
        found = probe(mirror, [layout.at_release(number) for number in numbers])
        newer |= {item.release for item in found}
    return tuple(sorted(newer))


# --- In words ------------------------------------------------------------------------------------


def describe_upstream(report: UpstreamReport) -> list[str]:
    """Return lines of text that say what was found and what to do next."""
    lines = _describe_mirrors(report)
    num_files = describe_files(report.latest)
    advice = "Run 'ensembl-annotations check-upstream --update' to note it."
    if report.is_updated:
        advice = "Review it with 'git diff', then run 'make'."
    if not report.was_noted:
        state = "written" if report.is_updated else "no such manifest"
        lines.append(f"{report.path}: {state}; published now: {num_files}.")
    elif not report.changes:
        lines.append(f"{report.path}: unchanged: {num_files}, published as noted.")
        advice = ""
    else:
        state = "rewritten" if report.is_updated else "differs from what is published now"
        lines.append(f"{report.path}: {state}: {_count(report.changes)}.")
        lines += [f"  {change}" for change in report.changes]
    lines += [advice] if advice else []
    return [*lines, *_describe_newer(report)]


def _describe_mirrors(report: UpstreamReport) -> list[str]:
    """Say which mirror says what, where that is not the same."""
    answered = [answer.manifest for answer in report.answers if answer.manifest is not None]
    lines = [f"No answer: {item.problem}" for item in report.answers if item.problem]
    if all(manifest == answered[0] for manifest in answered):
        names = [item.mirror for item in report.answers if item.manifest is not None]
        return [*lines, f"Answered by {', '.join(names)}."]
    lines.append("The mirrors do not agree; the first that answered is taken:")
    against = "what is noted" if report.was_noted else "the first answer"
    for answer in report.answers:
        if answer.manifest is None:
            continue
        changes = answer.changes
        if not report.was_noted:
            changes = find_changes(report.latest, answer.manifest)
        found = f"{_count(changes)} against {against}" if changes else f"as {against}"
        lines.append(f"  {answer.mirror}: {found}")
        lines += [f"    {change}" for change in changes]
    return lines


def _count(changes: Sequence[Change]) -> str:
    kinds = [change.kind for change in changes]
    parts = [f"{kinds.count(kind)} {kind}" for kind in (CHANGED, NEW, GONE) if kind in kinds]
    return ", ".join(parts)


def _describe_newer(report: UpstreamReport) -> list[str]:
    if not report.newer:
        return [f"No release after {report.release} was found."]
    return [
        f"Newer: {describe_releases(report.newer)}. To move on, set ensembl.release to "
        f"{report.newer[-1]} in params.yaml and run 'make'."
    ]
