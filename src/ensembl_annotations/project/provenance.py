"""From a result back to what it was made from, the commit it is in, and how to make it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ensembl_annotations.annotate.label import Label, read_label
from ensembl_annotations.annotate.text import ALL_CHROMOSOMES
from ensembl_annotations.common.errors import ReferenceStoreError, UsageError
from ensembl_annotations.common.problems import Problem
from ensembl_annotations.common.words import listed, printable
from ensembl_annotations.project.commands import annotate_command, fetch_command, stage_commands
from ensembl_annotations.project.file_list import cached_listing
from ensembl_annotations.project.folders import digest_of, list_folder
from ensembl_annotations.project.git import WORKSPACE
from ensembl_annotations.project.history import History, Materialization, read_history
from ensembl_annotations.project.paths import (
    ANNOTATED,
    FETCH,
    REFERENCE,
    SAMPLES,
    STORE,
    asset_of,
    stage_of,
)
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.verification import verify_reference
from ensembl_annotations.store.describe import FILE_NAME, ReferenceStore
from ensembl_annotations.versions import ENGINE_VERSION

OK, DIFFERS, NOT_KNOWN = "ok", "DIFFERS", "not known"

_FIELDS = {
    "Engine": "engine", "Source": "source", "Release": "release", "Species": "species",
    "Assembly": "assembly", "ReferenceSHA256": "reference_sha256", "Match": "match",
    "ExactOnly": "exact_only",
    "SiteIDs": "site_ids", "Chromosomes": "chromosomes", "OverwriteTags": "overwrite_tags",
    "Tags": "tags", "IDColumn": "id_column", "Transcripts": "transcripts",
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """What was checked, the result (``ok``, ``DIFFERS`` or ``not known``), and why."""

    name: str
    result: str
    reason: str


@dataclass
class Provenance:
    """What a file was made from.

    Attributes
    ----------
    file, kind : str
        The file; ``VCF``, ``BCF``, ``parquet`` or ``reference store``.
    made_from : dict of str to str
        What it says: ``reference_sha256``, ``release``, ``species``, ``assembly``, ``source``,
        and of an annotated file ``engine`` and the parameters that matter.
    reference_path, reference_commit : str, optional
        Where the reference is, and the commit that brought it to this branch.
    sources : list of dict
        The published files: ``path``, ``checksum``, ``bytes``, ``sha256``; only where the
        reference is there.
    asset, commit : str, optional
        The asset that this very file is, or is part of, and the commit whose ``dvc.lock`` has it.
    commands : list of str
        What makes it again, in the repository's folder.
    checks : list of Check
        Only where they were asked for.
    notes : list of str
        What could not be found out, and why.
    """

    file: str
    kind: str
    made_from: dict[str, str]
    reference_path: str | None = None
    reference_commit: str | None = None
    sources: list[dict[str, Any]] = field(default_factory=list)
    asset: str | None = None
    commit: str | None = None
    commands: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        return any(check.result == DIFFERS for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return asdict(self)


def trace_provenance(
    file: Path | str, *, verify: bool = False, project: Project | Path | str = Path()
) -> Provenance:
    """Return what a result was made from, the commit it is in, and how to make it again.

    Parameters
    ----------
    file : Path or str
        An annotated VCF, BCF (``-`` for standard input) or parquet file, or a reference store:
        its folder or its ``datapackage.json``.
    verify : bool
        Check what can be: the file's end, the reference's files, ``dvc.lock``.
    project : Project, Path or str
        The repository; default the current folder. Without one, less is known.

    Returns
    -------
    Provenance

    Raises
    ------
    InputError
        Where the file is none of these, does not say what it was made from, or is corrupt.
    ReferenceStoreError
        Where it is a folder that is not a reference store.

    Examples
    --------
    >>> found = trace_provenance("data/annotated/sample/annotated.vcf.gz")
    >>> found.asset, found.made_from["release"]
    ('annotated_vcf@sample', '116')
    """
    file, project = Path(file), Project.open(project)
    folder = file.parent if file.name == FILE_NAME else file
    trace = _StoreTrace(folder, project) if folder.is_dir() else _FileTrace(file, project)
    trace.find()
    if verify:
        trace.found.checks = list(trace.checks())
    return trace.found


class _Trace:
    """What the project knows; `found` is filled in."""

    def __init__(self, project: Project, found: Provenance) -> None:
        self.project, self.found = project, found
        self.digest = found.made_from.get("reference_sha256")
        self.store: ReferenceStore | None = None
        self.history = History()
        try:
            self.history = read_history(project=project)
        except UsageError as error:
            found.notes.append(f"Nothing is known of commits: {error.message}")

    def known(self, name: str) -> list[Materialization]:
        """Return the materializations of an asset, of ``annotated_vcf`` those of all samples."""
        return [
            item
            for item in self.history.materializations
            if name in (item.asset, item.asset.partition("@")[0])
        ]

    def of_reference(self) -> Materialization | None:
        """Return the newest materialization of the reference with the file's digest."""
        same = [item for item in self.known(REFERENCE) if item.reference_sha256 == self.digest]
        return same[0] if same and self.digest else None

    def find_reference(self) -> None:
        if self.store is not None:
            self.found.reference_path = str(self.store.folder)
            named = {
                str(source.get("path")): source
                for resource in self.store.package["resources"]
                for source in _entries(resource.get("sources"))
            }
            self.found.sources = [named[path] for path in sorted(named)]
        if item := self.of_reference():
            self.found.reference_commit = item.commit

    def reference_commands(self) -> list[str]:
        """Return what makes the reference at its place, or else in the folder ``reference``."""
        commit = self.found.reference_commit
        if commit is None:
            return [fetch_command(self.found.made_from, self.store, self.project)]
        return stage_commands(commit, FETCH)

    def listing(self, item: Materialization) -> dict[str, str] | None:
        """Return the MD5 of its files by path, where DVC's cache has the list of them."""
        return cached_listing(self.project.dvc.cache, item.digest)


class _StoreTrace(_Trace):
    def __init__(self, folder: Path, project: Project) -> None:
        store = ReferenceStore(folder)
        says = {"reference_sha256": store.digest, "release": store.release}
        says |= {name: getattr(store, name) for name in ("species", "assembly", "source")}
        says["chromosomes"] = "|".join(store.chromosomes)
        super().__init__(project, Provenance(str(folder), "reference store", says))
        self.store = store

    def find(self) -> None:
        self.find_reference()
        if item := self.of_reference():
            self.found.asset, self.found.commit = item.asset, item.commit
        self.found.commands = self.reference_commands()

    def checks(self) -> Iterator[Check]:
        assert self.store is not None
        yield _files_check(*verify_reference(self.store))
        newest, item = self.known(REFERENCE)[:1], self.of_reference()
        if _inside(self.store.folder, self.project.root / STORE) is None or not newest:
            yield _lock_check(item)
        elif newest[0].reference_sha256 is None:
            yield Check("dvc.lock", NOT_KNOWN, "its figures of the reference are not there")
        else:
            yield _lock_check(newest[0], is_same=newest[0].reference_sha256 == self.digest)


class _FileTrace(_Trace):
    def __init__(self, file: Path, project: Project) -> None:
        self.label = read_label(file)
        said = self.label.fields
        says = {name: said[key] for key, name in _FIELDS.items() if key in said}
        super().__init__(project, Provenance(str(file), self.label.kind, says))
        self.place: Materialization | None = None
        self.problem = ""
        self.is_other = False
        try:
            store = ReferenceStore(project.root / STORE)
            self.store = store if store.digest == self.digest else None
            self.is_other = store.digest != self.digest
            self.problem = f"{STORE} is another: {store.digest}"
        except ReferenceStoreError as error:
            if (project.root / STORE / FILE_NAME).exists():
                self.problem = error.message

    def find(self) -> None:
        self.find_reference()
        if self.digest is None:
            self.found.notes.append("The header does not name its reference.")
        self.place = self._place()
        if self.place is not None:
            self.found.asset, self.found.commit = self.place.asset, self.place.commit
        self.found.commands = list(self._commands())

    def _place(self) -> Materialization | None:
        """Return the newest materialization that this very file is part of."""
        num_unknown = 0
        for item in self.known(SAMPLES):
            listing = self.listing(item)
            num_unknown += listing is None
            if listing and self.label.md5 in listing.values():
                return item
        if num_unknown:
            self.found.notes.append(
                f"DVC's cache has no list of files for {num_unknown} materializations: "
                "whether the file is of one of them is not known."
            )
        return None

    def _commands(self) -> Iterator[str]:
        if self.place is not None:
            stage = stage_of(self.place.asset)
            inputs = {path: md5 for path, md5 in self.place.inputs.items() if path != str(STORE)}
            needs = " and ".join(f"{path} with the MD5 {md5}" for path, md5 in inputs.items())
            yield from stage_commands(self.place.commit, stage, needs)
            return
        if self.store is None:
            yield from self.reference_commands()
        is_fetched = self.store is None and self.found.reference_commit is None
        yield annotate_command(self.label, self.store, "reference" if is_fetched else str(STORE))

    def checks(self) -> Iterator[Check]:
        yield _end_check(self.label)
        if self.store is None:
            why = self.problem or f"no reference store at {STORE}"
            newest = self.known(REFERENCE)[:1]
            # The workspace may be at another commit; it must not have another than that commit's.
            is_expected = bool(newest) and newest[0].reference_sha256 == self.digest
            differs = self.problem and self.digest and (is_expected or not self.is_other)
            yield Check("reference", DIFFERS if differs else NOT_KNOWN, why)
            yield Check("header", NOT_KNOWN, "its reference is not there")
            yield Check("reference files", NOT_KNOWN, "its reference is not there")
        else:
            yield Check("reference", OK, f"{STORE} is {self.digest}")
            yield self._header_check(self.store)
            # The header has the digest of the description, so that need not be compared with dvc.lock.
            used = self.chromosomes & set(self.store.chromosomes)
            # The pseudo-autosomal regions of Y are looked up on X too.
            used |= {"X"} if "Y" in used else set()
            is_all = not used or used == set(self.store.chromosomes)
            yield _files_check(self.store.verify(None if is_all else sorted(used)), FILE_NAME)
        yield self._content_check()

    @property
    def chromosomes(self) -> set[str]:
        """Those that the file was annotated with, where it names them."""
        named = set(self.found.made_from.get("chromosomes", "").split("|"))
        return named - {"", ALL_CHROMOSOMES}

    def _header_check(self, store: ReferenceStore) -> Check:
        """Compare what the header says with the reference; of the rest nothing is known here."""
        says = self.found.made_from
        wrong = [
            f"{name} is {getattr(store, name)}, the header says {says.get(name)}"
            for name in ("release", "species", "assembly", "source")
            if says.get(name) != getattr(store, name)
        ]
        if absent := sorted(self.chromosomes - set(store.chromosomes)):
            wrong.append(f"the reference has no chromosome {', '.join(absent)}")
        return Check("header", DIFFERS if wrong else OK, "; ".join(wrong) or "as the reference")

    def _content_check(self) -> Check:
        """Compare the whole file with what ``dvc.lock`` names: the only proof of its content."""
        inside = _inside(self.label.path, self.project.root / ANNOTATED)
        newest = self.known(asset_of(inside.parts[0]))[:1] if inside and inside.parts else []
        if inside is None or not newest:
            return _lock_check(self.place)
        if self.place is not None and self.place.digest != newest[0].digest:
            now = f"{_at(self.place)}; dvc.lock has another now: 'dvc checkout' brings that"
            return Check("dvc.lock", OK, now)
        listing, name = self.listing(newest[0]), "/".join(inside.parts[1:])
        if listing is not None:
            is_same = listing.get(name) == self.label.md5
            if self.place is not None and name not in listing:
                return _lock_check(self.place)
            return _lock_check(newest[0], is_same=is_same)
        # Without the list of files the folder can only be compared as a whole.
        folder = self.project.root / ANNOTATED / inside.parts[0]
        if digest_of(list_folder(folder)) == newest[0].digest:
            return _lock_check(newest[0])
        why = f"{folder} is not as in {_at(newest[0])}; this file or another of it differs"
        return Check("dvc.lock", DIFFERS, why)


def _inside(path: Path, folder: Path) -> Path | None:
    """Return the path relative to a folder; None outside. A link to DVC's cache is not followed."""
    try:
        return (path.parent.resolve() / path.name).relative_to(folder.resolve())
    except ValueError:
        return None


def _at(item: Materialization) -> str:
    return f"{item.asset} of {item.commit}"


def _lock_check(item: Materialization | None, *, is_same: bool = True) -> Check:
    if item is None:
        return Check("dvc.lock", NOT_KNOWN, "its content is in no commit that is known here")
    if is_same and item.commit == WORKSPACE:
        why = f"{_at(item)}: in a dvc.lock that is not committed, which proves nothing"
        return Check("dvc.lock", NOT_KNOWN, why)
    return Check("dvc.lock", OK if is_same else DIFFERS, _at(item))


def _entries(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _end_check(label: Label) -> Check:
    mark = "footer" if label.kind == "parquet" else "BGZF end-of-file block"
    if label.is_complete is False:
        return Check("complete", DIFFERS, f"the {mark} is missing: the file is cut short")
    if problem := label.damage():
        return Check("complete", DIFFERS, problem)
    if label.is_complete is None:
        return Check("complete", NOT_KNOWN, "the file is not BGZF and has no mark at its end")
    return Check("complete", OK, f"the {mark} is there")


def _files_check(problems: list[Problem], compared: str) -> Check:
    if problems:
        return Check("reference files", DIFFERS, listed(problems, separator="; "))
    return Check("reference files", OK, f"as in {compared}")


def describe_provenance(found: Provenance) -> list[str]:
    """Return the provenance as lines of text."""
    rows = {"file": found.file, "kind": found.kind, **found.made_from}
    if "engine" in rows and rows["engine"] != str(ENGINE_VERSION):
        rows["engine"] += f" (this program has {ENGINE_VERSION}: check out a commit with that one)"
    commit = found.reference_commit and f"commit {found.reference_commit}"
    commit = "not committed yet" if found.reference_commit == WORKSPACE else commit
    rows["reference is at"] = ", ".join(filter(None, [found.reference_path, commit])) or NOT_KNOWN
    rows["is"] = f"{found.asset} of {found.commit}" if found.asset else NOT_KNOWN
    width = max(map(len, rows))
    lines = [
        f"{name.replace('_', ' '):{width}}  {printable(value)}" for name, value in rows.items()
    ]
    if found.sources:
        lines.append("published files it is from (path, checksum, SHA-256):")
        lines += [
            f"  {item.get('path')}  {item.get('checksum')}  {item.get('sha256')}"
            for item in found.sources
        ]
    lines += ["to make it again:", *(f"  {printable(command)}" for command in found.commands)]
    lines += [f"{item.name}: {item.result} ({printable(item.reason)})" for item in found.checks]
    lines += _verdict(found.checks)
    return [*lines, *(f"Note: {printable(note)}" for note in found.notes)]


def _verdict(checks: list[Check]) -> list[str]:
    """Say in a line what the checks come to; what is not known is not proven."""
    if not checks:
        return []
    if wrong := [item.name for item in checks if item.result == DIFFERS]:
        return [f"It is NOT as it should be: {', '.join(wrong)}."]
    if unknown := [item.name for item in checks if item.result == NOT_KNOWN]:
        return [f"Nothing wrong was found, but it is not proven: {', '.join(unknown)} not known."]
    return ["Verified: all of it."]
