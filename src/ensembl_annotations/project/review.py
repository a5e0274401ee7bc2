"""The review of a branch: what it does to the pipeline, as Markdown, from git alone.

The code that reviews is that of this checkout; of the branch nothing runs (`commit_copy`), no remote is asked,
and whatever is printed of it is text, not Markdown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import Any

from ruamel.yaml import YAML

from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    UsageError,
    explained_os_errors,
)
from ensembl_annotations.common.words import markdown, markdown_table, one_line
from ensembl_annotations.compare.compare import describe_comparison
from ensembl_annotations.project.commit_copy import copied_commit, refuse_unsafe
from ensembl_annotations.project.comparison import compare_stores
from ensembl_annotations.project.figures import changed_figures
from ensembl_annotations.project.git import Version, run_git
from ensembl_annotations.project.lock import read_lock
from ensembl_annotations.project.overview import review_lock
from ensembl_annotations.project.params import refuse_aliases
from ensembl_annotations.project.paths import LOCK, PARAMS_FILE, STORE
from ensembl_annotations.project.privacy import pushed_results
from ensembl_annotations.project.project import Project

MOST_CHARS = 59_000
"""GitHub refuses a comment of more than 65,536."""

_MOST_SECTION_CHARS = 8_000
_FENCE = "```"
_NO_CHANGE = ["No change."]
_DIGITS = 12
_SETTINGS = (Path(".dvc/config"), Path(".dvc/config.local"))
_SPECIAL = {"120000": "a symbolic link", "160000": "a submodule"}
_CHANGES = {"A": "new", "D": "removed", "M": "changed", "T": "of another kind"}
_MOST_CHANGES = 20


@dataclass(frozen=True)
class Review:
    """A review: all of it, in Markdown, and whether a part failed or says that something is wrong."""

    text: str
    is_good: bool


def review_branch(
    base: str = "main", branch: str = "HEAD", *, project: Project | Path | str = Path()
) -> Review:
    """Say what the commits of a branch change since it left another one.

    Parameters
    ----------
    base : str
        The branch to compare with.
    branch : str
        The branch to review; it need not be checked out, and nothing of it is run.
    project : Project, Path or str
        The repository; default the current folder.

    Raises
    ------
    UsageError
        Where there is no such branch, or the two have no commit in common.
    """
    here = Project.open(project)
    head = _commit(here, branch, "BRANCH")
    said = run_git(here.root, "merge-base", _commit(here, base, "BASE"), head)
    if said.returncode:
        raise UsageError(
            f"{base} and {branch} have no commit in common.",
            hint="'git fetch --unshallow' gets more history.",
        )
    old = said.stdout.decode("ascii").strip()
    name = "HEAD" if branch == "HEAD" else head[:_DIGITS]
    title = f"{head[:_DIGITS]} against {base} (at {old[:_DIGITS]})"
    with copied_commit(here, old) as before, copied_commit(here, head) as after:
        writer = _Writer(here, before, after, old, head)
        lines = [f"## Pipeline: {markdown(title)}", ""]
        if branch == "HEAD" and _has_changes(here):
            lines += ["Changes that are not committed are not in here.", ""]
        lines += writer.lock()
        for heading, make in writer.sections(name):
            lines += ["", f"### {heading}", "", *writer.made(make)]
    return Review("\n".join(lines) + "\n", writer.is_good)


def write_review(review: Review, whole: Path) -> None:
    """Write all of a review to a file."""
    with explained_os_errors("writing the review"), Outputs() as outputs:
        outputs.write_text(whole, review.text)


class _Writer:
    """The parts of a review, and whether all is good so far."""

    def __init__(self, here: Project, before: Project, after: Project, old: str, head: str) -> None:
        self._here, self._before, self._after = here, before, after
        self._old, self._head = old, head
        self.is_good, self._is_safe = True, True

    def sections(self, name: str) -> list[tuple[str, Callable[[], list[str]]]]:
        """Return the headings, and what makes the lines below each."""
        of_dvc = [
            ("Parameters", lambda: self._params(name)),
            ("Metrics", lambda: self._figures(name)),
            ("Data", lambda: self._data(name)),
            ("Lineage", self._lineage),
            ("Reference", self._reference),
        ]
        first = ("What runs and where data go", self._runs)
        return [first, *(of_dvc if self._is_safe else of_dvc[2:3])]

    def made(self, make: Callable[[], list[str]]) -> list[str]:
        """Return the lines of a part, or why it could not be made."""
        try:
            return make()
        # DVC, git, YAML: each has errors of its own, and the other parts are to be seen.
        except Exception as error:
            self.is_good = False
            return ["**Could not be made:**", *self._told(error)]

    def lock(self) -> list[str]:
        """Say whether ``dvc.lock`` is current, and refuse what must not be merged."""
        try:
            refuse_unsafe(self._after)
        except UsageError as error:
            self.is_good = self._is_safe = False
            return ["**Refused, and not looked at any further:**", *self._told(error)]
        except Exception:
            # What is wrong with it is said below.
            self.is_good = False
        try:
            lines = review_lock(self._after, self._here).split("\n")
            if pushed := pushed_results(self._after):
                lines += [
                    "",
                    "**Results of samples would be pushed** (`push: false` is missing):",
                    "",
                ]
                lines += [f"- {markdown(path)}" for path in pushed]
        except Exception as error:
            self.is_good = False
            return ["**Whether `dvc.lock` is current could not be told:**", *self._told(error)]
        self.is_good &= not any(line.startswith("**") for line in lines)
        return lines

    def _told(self, error: Exception) -> list[str]:
        """Return what an error says, as a quotation; files by their paths in the repository."""
        text = str(error) or type(error).__name__
        for copy in (self._after, self._before):
            text = text.replace(f"{copy.root}{os.sep}", "").replace(str(copy.root), ".")
        return [f"> {markdown(line)}" for line in text.splitlines() if line.strip()]

    def _runs(self) -> list[str]:
        """Return the changed files that may run or decide what runs, and the settings in them."""
        files = self._changed_files()
        lines = markdown_table(("file", "change"), files) if files else []
        rows: list[tuple[str, str, str, str]] = []
        configs = [self._both(path, _read_settings) for path in _SETTINGS]
        rows += [
            row
            for path, sides in zip(_SETTINGS, configs, strict=True)
            for row in _rows(path, sides)
        ]
        for name, _ in files:
            path = Path(name)
            if path.name == "dvc.yaml" or path.suffix == ".dvc":
                rows += _rows(path, self._both(path, _read_yaml))
        if rows:
            lines += ["", "What is written there (remotes, `push`, commands):", ""]
            lines += markdown_table(("file", "setting", "before", "after"), rows)
        return lines or _NO_CHANGE

    def _changed_files(self) -> list[tuple[str, str]]:
        """Return changed files with what became of them, but for data, figures and documentation."""
        options = ("-r", "-z", "--no-renames", "--relative", self._old, self._head)
        said = run_git(self._here.root, "diff-tree", *options).stdout
        parts = os.fsdecode(said).split("\0")[:-1]
        found = []
        for about, name in zip(parts[::2], parts[1::2], strict=True):
            _, mode, _, _, letter = about.split(" ")
            change = _CHANGES.get(letter, letter)
            if mode in _SPECIAL:
                found.append((name, f"{change}: {_SPECIAL[mode]}"))
            elif not _is_content(PurePosixPath(name)):
                found.append((name, change))
        return found

    def _both(
        self, path: Path, read: Callable[[str], Any]
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        with self._here.git.opened() as git:
            old, new = (
                (git.read(Version(commit, None, None), path) or b"").decode("utf-8", "replace")
                for commit in (self._old, self._head)
            )
        return _values(old, read), _values(new, read)

    def _params(self, name: str) -> list[str]:
        old, new = _read_params(self._before), _read_params(self._after)
        rows = [
            (*key, old.get(key, "-"), new.get(key, "-"))
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
        header = ("path", "parameter", self._old[:_DIGITS], name)
        return markdown_table(header, rows) if rows else _NO_CHANGE

    def _figures(self, name: str) -> list[str]:
        lines = changed_figures(self._here, self._old[:_DIGITS], self._head[:_DIGITS])
        return lines if len(lines) > 2 else _NO_CHANGE

    def _data(self, name: str) -> list[str]:
        """Return what ``dvc.lock`` has of other data than before: it is seen where nobody has the data."""
        old, new = (self._digests(commit) for commit in (self._old, self._head))
        rows = [
            (path, *_cut(old.get(path, "-"), new.get(path, "-")))
            for path in sorted(old.keys() | new.keys())
            if old.get(path) != new.get(path)
        ]
        header = ("path", f"MD5 at {self._old[:_DIGITS]}", f"at {name}")
        return markdown_table(header, rows) if rows else _NO_CHANGE

    def _digests(self, commit: str) -> dict[str, str]:
        with self._here.git.opened() as git:
            lock = read_lock(git.read(Version(commit, None, None), LOCK) or b"{}", LOCK)
        return {
            path: about["md5"]
            for entries in (lock.deps, lock.outs)
            for stage in lock
            for path, about in entries(stage).items()
            if path.startswith("data/")
        }

    def _lineage(self) -> list[str]:
        graph = self._after.dvc.index.graph
        stages = sorted((_name_of(stage), stage) for stage in graph)
        numbers = {stage: number for number, (_, stage) in enumerate(stages, 1)}
        arrows = sorted((numbers[made], numbers[of]) for of, made in graph.edges)
        nodes = [f'\tnode{number}["{_label(name)}"]' for number, (name, _) in enumerate(stages, 1)]
        edges = [f"\tnode{made}-->node{of}" for made, of in arrows]
        return [f"{_FENCE}mermaid", "flowchart TD", *nodes, *edges, _FENCE]

    def _reference(self) -> list[str]:
        """Return how the reference changed, where DVC's cache has both; no sample: that is for its owner."""
        old, new = (
            self._digests(commit).get(STORE.as_posix()) for commit in (self._old, self._head)
        )
        # The same files need not be read, which takes minutes for a whole release.
        if old and old == new:
            return _NO_CHANGE
        try:
            result = compare_stores(
                self._old[:_DIGITS], "HEAD", limit=_MOST_CHANGES, project=self._after
            )
        except EnsemblAnnotationsError as error:
            changed = "**The reference changed and could not be compared:**"
            why = self._told(error)
            if error.code == "missing_data":
                why = [
                    "> Not both are in DVC's cache here. A review asks no remote; 'ensembl-annotations compare' does."
                ]
            return ["Not compared:" if old == new else changed, *why]
        return describe_comparison(result, "markdown")


def _commit(here: Project, name: str, variable: str) -> str:
    options = ("--verify", "--quiet", "--end-of-options")
    said = run_git(here.root, "rev-parse", *options, f"{name}^{{commit}}")
    if said.returncode:
        raise UsageError(
            f"{name}: no such revision.", hint=f"Name another: make review {variable}=origin/main"
        )
    return said.stdout.decode("ascii").strip()


def _has_changes(here: Project) -> bool:
    return bool(run_git(here.root, "status", "--porcelain", "--untracked-files=no").stdout)


def _is_content(path: PurePosixPath) -> bool:
    """Tell whether a file neither runs nor decides what runs; of a file that is not known, it may."""
    is_known = path.parts[0] in ("data", "docs", "metrics") or path.suffix == ".md"
    is_known |= str(path) in (PARAMS_FILE, str(LOCK))
    return is_known and path.name not in ("dvc.yaml", ".gitattributes") and path.suffix != ".dvc"


def _rows(
    path: Path, sides: tuple[Mapping[str, str], Mapping[str, str]]
) -> list[tuple[str, str, str, str]]:
    old, new = sides
    return [
        (str(path), key, old.get(key, "-"), new.get(key, "-"))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _values(text: str, read: Callable[[str], Any]) -> dict[str, str]:
    """Return the values in a file by their names; where it can't be read, why."""
    try:
        return dict(_flat(read(text) or {}))
    # DVC and YAML have errors of their own.
    except Exception as error:
        return {"can't be read": one_line(error)}


def _read_settings(text: str) -> Any:
    # Here, since it takes long to import.
    from dvc.config import Config

    with NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return Config.load_file(file.name)


def _read_yaml(text: str) -> Any:
    refuse_aliases(text, "dvc.yaml")
    return YAML(typ="safe").load(text)


def _read_params(copy: Project) -> dict[tuple[str, str], str]:
    """Return the parameters of stages by file and name, as DVC reads them."""
    shown = copy.dvc.index.repo.params.show()
    files = shown.get("", {}).get("data", {})
    if failed := [about["error"] for about in files.values() if "error" in about]:
        raise failed[0]
    return {
        (path, key): value
        for path, about in files.items()
        for key, value in _flat(about.get("data", {}))
    }


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """Yield the values in mappings and lists by their names, joined by dots; an item of a list is its name."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, Mapping | list):
                yield from _flat(item, name)
            else:
                yield f"{name}.{item}", "is there"
    else:
        yield name, str(value)


def _cut(old: str, new: str) -> tuple[str, str]:
    """Return digests cut to so many digits that they differ."""
    return (old, new) if old[:_DIGITS] == new[:_DIGITS] else (old[:_DIGITS], new[:_DIGITS])


def _name_of(stage: Any) -> str:
    """Return what a stage is called; one that is not in the main ``dvc.yaml``, with its file."""
    names = [stage.path_in_repo, getattr(stage, "name", None)]
    return ":".join(name for name in names if name and name != "dvc.yaml")


def _label(name: str) -> str:
    """Return a name as Mermaid shows it."""
    return re.sub(r"[^\w@./ -]", lambda letter: f"#{ord(letter[0])};", name)


def shorten_review(text: str) -> str:
    """Return a review in Markdown with what fits of each section, and how many lines each lacks."""
    sections = re.split(r"(?m)^(?=### )", text)
    shown = ""
    for section in sections:
        shown += _shortened(section, min(_MOST_SECTION_CHARS, MOST_CHARS - len(shown)))
    return shown


def _shortened(section: str, most: int) -> str:
    if len(section) <= most:
        return section
    lines = section.splitlines(keepends=True)
    # Of the note, too.
    room = most - 200
    num_kept, num_chars = 0, 0
    while num_chars + len(lines[num_kept]) <= room:
        num_chars += len(lines[num_kept])
        num_kept += 1
    fences = [place for place, line in enumerate(lines[:num_kept]) if line.startswith(_FENCE)]
    if len(fences) % 2:
        # Half a picture is none.
        num_kept = fences[-1]
    note = (
        f"\n*{len(lines) - num_kept:,} lines more are in the whole review: an artifact of the run on GitHub, "
        "or `make review WHOLE=FILE`.*\n\n"
    )
    return "".join(lines[:num_kept]) + (note if room > 0 else "")
