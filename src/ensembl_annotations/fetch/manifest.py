"""The manifest: what a source has published for a release. Small, in git, reviewed as a diff."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import (
    NotPublishedError,
    SourceError,
    UsageError,
    WrongAssemblyError,
)
from ensembl_annotations.common.json_files import parse_as
from ensembl_annotations.common.words import NAME, find_name_problem, one_line
from ensembl_annotations.fetch.checksums import (
    MAX_CHECKSUM,
    find_size_problem,
    parse_checksums,
)
from ensembl_annotations.fetch.layouts import ALL, CHECKSUMS, Layout
from ensembl_annotations.fetch.listing import explain_missing
from ensembl_annotations.fetch.mirrors import read_text, without_credentials
from ensembl_annotations.variants.contigs import CHROMOSOMES, HUMAN, resolve_chromosomes

FOLDER = Path("data/manifests")


def _checked_name(name: str) -> str:
    if problem := find_name_problem(name):
        raise ValueError(f"{name[:80]!r} {problem}")
    return name


def _checked_size(blocks: int) -> int:
    if problem := find_size_problem(blocks):
        raise ValueError(problem)
    return blocks


# In a manifest as in CHECKSUMS: they become paths.
_Name = Annotated[str, AfterValidator(_checked_name)]


@dataclass(frozen=True)
class PublishedFile:
    """A file as CHECKSUMS lists it.

    Attributes
    ----------
    name : str
        Its name, without a folder.
    chromosome : str
        Which chromosome it holds; ``all`` for a species in one file.
    checksum : int
        16-bit BSD checksum.
    blocks : int
        Size in 1 KiB blocks, rounded up.
    """

    name: _Name
    chromosome: _Name
    checksum: Annotated[int, Field(ge=0, le=MAX_CHECKSUM)]
    blocks: Annotated[int, AfterValidator(_checked_size)]


def _each_once(files: tuple[PublishedFile, ...]) -> tuple[PublishedFile, ...]:
    for values in ({file.name for file in files}, {file.chromosome for file in files}):
        if len(values) < len(files):
            raise ValueError("a file or a chromosome is listed twice")
    return files


_Files = Annotated[tuple[PublishedFile, ...], AfterValidator(_each_once)]


@dataclass(frozen=True)
class Manifest:
    """What is published of a species, assembly and release."""

    species: str
    assembly: str
    release: int
    vcf: Annotated[_Files, Field(min_length=1)]
    fasta: _Files

    @property
    def layout(self) -> Layout:
        return Layout(self.species, self.assembly, self.release)

    @property
    def missing(self) -> list[str]:
        """Human chromosomes that are not published, although others are."""
        listed = {file.chromosome for file in self.vcf}
        if self.species != HUMAN or ALL in listed:
            return []
        return [name for name in CHROMOSOMES if name not in listed]

    def choose(self, chromosomes: Sequence[str] | None) -> list[PublishedFile]:
        """Return the variation files of these chromosomes, all of them by default.

        Raises
        ------
        UsageError
            Where one is not published, or the species is one file.
        """
        if chromosomes is None:
            return list(self.vcf)
        by_name = {file.chromosome: file for file in self.vcf}
        if ALL in by_name and (missing := [name for name in chromosomes if name != ALL]):
            raise UsageError(
                f"chromosomes: {', '.join(missing)} can't be fetched alone; {self.species} "
                f"{self.assembly} release {self.release} is published as one file, "
                f"{by_name[ALL].name}.",
                hint=f"Set chromosomes to '{ALL}'.",
            )
        names = resolve_chromosomes(chromosomes, list(by_name), self.species, self.assembly)
        return [by_name[name] for name in names]

    def sequence_of(self, chromosome: str) -> PublishedFile:
        """Return the FASTA of a chromosome; of ``all``, the whole genome's.

        Raises
        ------
        SourceError
            Where none is published.
        """
        for file in self.fasta:
            if file.chromosome == chromosome:
                return file
        known = ", ".join(file.chromosome for file in self.fasta) or "none"
        raise SourceError(
            f"No FASTA of chromosome {chromosome} is published for {self.species} "
            f"{self.assembly} release {self.release} (published: {known}).",
            hint="Set ensembl.fasta to false, or choose the chromosomes that have one.",
        )


# --- Asking mirrors ------------------------------------------------------------------------------

Refusal = tuple[str, SourceError]
"""A mirror, and why it gave no list."""


def read_manifest(mirrors: Sequence[str], layout: Layout, *, with_fasta: bool = True) -> Manifest:
    """Ask the mirrors, in order, what is published.

    Parameters
    ----------
    mirrors : sequence of str
        Bases of the same tree; the first that gives a usable list decides.
    layout : Layout
    with_fasta : bool
        Record the sequences too; it is no error where there are none.

    Raises
    ------
    UsageError
        Where species, assembly and release can't go together; no mirror is asked.
    SourceError
        With every mirror's reason, where none gives a list with a file of this species; with the
        code ``not_found`` where one says that there is no such release or species.
    """
    layout.check()
    files, problems = _first_answer(mirrors, lambda mirror: read_vcf_list(mirror, layout))
    if files is None:
        raise no_answer(problems, layout)
    fasta: tuple[PublishedFile, ...] | None = ()
    if with_fasta or not layout.path_names_assembly:
        fasta, problems = _first_answer(
            mirrors, lambda mirror: read_fasta_list(mirror, layout, files)
        )
        if fasta is None:
            error = no_answer(problems)
            is_absent = isinstance(error, NotPublishedError)
            if isinstance(error, WrongAssemblyError) or (with_fasta and not is_absent):
                raise error
            layout.confirm_assembly((), layout.fasta_folder)
    recorded = fasta if with_fasta and fasta else ()
    return Manifest(layout.species, layout.assembly, layout.release, files, recorded)


def _first_answer(
    mirrors: Sequence[str], ask: Callable[[str], tuple[PublishedFile, ...]]
) -> tuple[tuple[PublishedFile, ...] | None, list[Refusal]]:
    problems: list[Refusal] = []
    for mirror in mirrors:
        try:
            return ask(mirror), problems
        except SourceError as error:
            problems.append((mirror, error))
    return None, problems


def no_answer(problems: Sequence[Refusal], layout: Layout | None = None) -> SourceError:
    """Return the error for mirrors that all gave no list: each one's reason, a line each.

    Parameters
    ----------
    problems : sequence of (str, SourceError)
        Mirrors, and why each gave none.
    layout : Layout, optional
        Where given, and the answer is that it is not there, the mirrors are asked what is.

    Notes
    -----
    A clear no goes before a fault: class and code are those of the clearest answer.
    """
    if not problems:
        return SourceError(
            "No mirror is given.", hint="Name one under `run.sources`, or --base-url."
        )
    kinds = (WrongAssemblyError, NotPublishedError, SourceError)
    clearest = next(error for kind in kinds for _, error in problems if isinstance(error, kind))
    message, hint = clearest.message, clearest.hint
    if len(problems) > 1:
        reasons = [f"  {reason_of(mirror, error)}" for mirror, error in problems]
        message = "\n".join([f"None of {len(problems)} mirrors gives the list of files:", *reasons])
    if layout is not None and isinstance(clearest, NotPublishedError):
        missing = [mirror for mirror, error in problems if isinstance(error, NotPublishedError)]
        hint = "Check the release, species and assembly. " + explain_missing(missing, layout)
    return type(clearest)(message, hint=hint.strip() if hint else None, code=clearest.code)


def reason_of(mirror: str, error: SourceError) -> str:
    """Return why a mirror gave no list, on one line that names the mirror."""
    shown = without_credentials(mirror)
    text = one_line(error.message)
    return text if shown.rstrip("/") in text else f"{shown}: {text}"


def read_vcf_list(mirror: str, layout: Layout) -> tuple[PublishedFile, ...]:
    """Return the variation files that a mirror lists, by chromosome.

    Raises
    ------
    SourceError
        Where it gives no list, or none with a file of this species.
    """
    where = f"{layout.vcf_folder}/{CHECKSUMS}"
    table = parse_checksums(read_text(mirror, where), where)
    names = layout.choose_vcfs(table)
    if not names:
        raise SourceError(
            f"{where}: lists no variation file of {layout.species}.",
            hint="Check ensembl.species, ensembl.assembly and ensembl.release.",
        )
    return _published(names, table)


def read_fasta_list(
    mirror: str, layout: Layout, vcfs: Sequence[PublishedFile]
) -> tuple[PublishedFile, ...]:
    """Return the sequences that a mirror lists for these variation files.

    Raises
    ------
    SourceError
        Where it gives no list; with the code ``assembly`` where they are another assembly's.
    """
    where = f"{layout.fasta_folder}/{CHECKSUMS}"
    table = parse_checksums(read_text(mirror, where), where)
    layout.confirm_assembly(table, where)
    names = layout.choose_fastas(table, [file.chromosome for file in vcfs])
    return _published(names, table)


def _published(
    names: Mapping[str, str], table: Mapping[str, tuple[int, int]]
) -> tuple[PublishedFile, ...]:
    """Return what is listed of these files, in order of their chromosomes."""
    files = []
    for chromosome in sorted(names, key=_natural):
        file = PublishedFile(names[chromosome], chromosome, *table[names[chromosome]])
        if problem := find_size_problem(file.blocks):
            raise SourceError(
                f"{file.name}: {CHECKSUMS} says {problem}.",
                hint="The mirror's list is damaged; try again later, or another mirror.",
            )
        files.append(file)
    return tuple(files)


def _natural(chromosome: str) -> tuple[int, str]:
    if re.fullmatch("[0-9]{1,4}", chromosome):
        return int(chromosome), ""
    named = {"X": 10000, "Y": 10001, "MT": 10002}
    return named.get(chromosome, 20000), chromosome


# --- The file ------------------------------------------------------------------------------------


def check_source(source: str) -> None:
    """Raise UsageError where a text is no name of a source."""
    if not re.fullmatch(NAME, source):
        raise UsageError(
            f"source: expected letters, digits, '.', '_' and '-', found {source[:80]!r}.",
            hint="It becomes part of a file's name and of a header line: choose another name.",
        )


def manifest_path(source: str, layout: Layout) -> Path:
    """Return where the pinned manifest of a source is, below the repository's folder."""
    check_source(source)
    return FOLDER / f"{source}-{layout.species}-{layout.assembly}-{layout.release}.json"


def save_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest, one file a line, in a fixed order."""
    write_json(path, asdict(manifest))


def load_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    SourceError
        Where it is missing or is not one.
    """
    try:
        return parse_as(Manifest, path.read_bytes())
    except FileNotFoundError as error:
        raise SourceError(
            f"{path}: no such manifest.", hint="Run 'dvc repro ensembl_manifest' to make it."
        ) from error
    except ValueError as error:
        raise SourceError(
            f"{path}: not a manifest ({error}).",
            hint="Restore it with 'git checkout', or remove it and run 'dvc repro ensembl_manifest'.",
        ) from error


def ensure_manifest(mirrors: Sequence[str], layout: Layout, path: Path | str) -> Manifest:
    """Return the manifest at `path`, asking a mirror only where there is none yet.

    Raises
    ------
    SourceError
        Where the file is another release's, or no mirror answers.
    """
    path = Path(path)
    if not path.exists():
        save_manifest(read_manifest(mirrors, layout), path)
    return load_manifest_of(layout, path)


def load_manifest_of(layout: Layout, path: Path) -> Manifest:
    """Read the manifest of this species, assembly and release.

    Raises
    ------
    SourceError
        Where the file is missing, is no manifest, or is another release's.
    """
    manifest = load_manifest(path)
    if manifest.layout != layout:
        raise SourceError(
            f"{path}: is of {manifest.species} {manifest.assembly} release {manifest.release}, "
            f"expected {layout.species} {layout.assembly} release {layout.release}.",
            hint="Remove it and run 'dvc repro ensembl_manifest'.",
        )
    return manifest
