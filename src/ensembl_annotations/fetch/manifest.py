"""The manifest: what a source has published for a release. Small, in git, reviewed as a diff."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from ensembl_annotations.common.addresses import without_credentials
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
from ensembl_annotations.fetch.layouts import ALL, CHECKSUMS, GENE_ROLES, Layout
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
    """What is published of a species, assembly and release.

    Attributes
    ----------
    vcf, fasta : tuple of PublishedFile
        Variants and sequences.
    gff3, peptides : tuple of PublishedFile, optional
        Gene models, and the peptides that they are checked with; None where nobody asked for them,
        as in a manifest of before they were used.
    """

    species: str
    assembly: str
    release: int
    vcf: _Files
    fasta: _Files
    gff3: _Files | None = None
    peptides: _Files | None = None

    def __post_init__(self) -> None:
        if not self.vcf and not self.fasta:
            raise ValueError("no variation file and no sequence is listed")

    @property
    def layout(self) -> Layout:
        return Layout(self.species, self.assembly, self.release)

    @property
    def missing(self) -> list[str]:
        """Human chromosomes of which no variation is published, although others have some."""
        listed = {file.chromosome for file in self.vcf}
        if self.species != HUMAN or ALL in listed or not listed:
            return []
        return [name for name in CHROMOSOMES if name not in listed]

    def choose(self, chromosomes: Sequence[str] | None) -> list[str]:
        """Return the names of these chromosomes, of all that are published by default.

        Raises
        ------
        UsageError
            Where one is not published, or the species is one file.

        Notes
        -----
        What has variation files is published; of a release without them, what has sequences.
        """
        files = self.vcf or self.fasta
        by_name = {file.chromosome: file for file in files}
        if chromosomes is None:
            return list(by_name)
        if ALL in by_name and (missing := [name for name in chromosomes if name != ALL]):
            raise UsageError(
                f"chromosomes: {', '.join(missing)} can't be fetched alone; {self.species} "
                f"{self.assembly} release {self.release} is published as one file, "
                f"{by_name[ALL].name}.",
                hint=f"Set chromosomes to '{ALL}'.",
            )
        try:
            return resolve_chromosomes(chromosomes, list(by_name), self.species, self.assembly)
        except UsageError as error:
            if not self.vcf:
                error.hint = f"{error.hint or ''} No variation is published, these have sequences."
            raise

    def files_of(self, role: str, chromosomes: Sequence[str]) -> list[PublishedFile]:
        """Return the published files of a kind that tell of these chromosomes.

        Parameters
        ----------
        role : str
            One of `ROLES`.
        chromosomes : sequence of str
            As `choose` returns them.

        Raises
        ------
        SourceError
            Where nobody asked for this kind.
        """
        files: tuple[PublishedFile, ...] | None = getattr(self, role)
        if files is None:
            raise SourceError(
                f"The manifest of {self.species} {self.assembly} release {self.release} was made "
                "before gene models were used: it does not say which are published.",
                hint="Run 'ensembl-annotations check-upstream --update' to note them, or set "
                "ensembl.genes to false.",
            )
        wanted = {ALL, *chromosomes}
        return [file for file in files if ALL in chromosomes or file.chromosome in wanted]


# --- Asking mirrors ------------------------------------------------------------------------------

Refusal = tuple[str, SourceError]
"""A mirror, and why it gave no list."""


def read_manifest(
    mirrors: Sequence[str], layout: Layout, *, with_fasta: bool = True, with_genes: bool = True
) -> Manifest:
    """Ask the mirrors, in order, what is published.

    Parameters
    ----------
    mirrors : sequence of str
        Bases of the same tree; of each kind of file, the first that gives a usable list decides.
    layout : Layout
    with_fasta, with_genes : bool
        Record the sequences too, and gene models with their peptides; it is no error where there
        are none. A release without variation files is asked for its sequences in any case.

    Raises
    ------
    UsageError
        Where species, assembly and release can't go together; no mirror is asked.
    SourceError
        With every mirror's reason, where none gives a list with a file of this species (of variation, only
        where one shows that it has some, or none says that there is none); with the code ``not_found`` where one says that there is no such release or species.
    """
    layout.check()
    vcf, vcf_problems = _first_answer(mirrors, lambda mirror: read_list(mirror, layout, "vcf"))
    is_clear = all(isinstance(error, NotPublishedError) for _, error in vcf_problems)
    if vcf is None and not (vcf_problems and is_clear):
        raise no_answer(vcf_problems, layout)
    files, with_fasta = vcf or (), with_fasta or vcf is None
    fasta: tuple[PublishedFile, ...] | None = ()
    if with_fasta or not layout.path_names_assembly:
        fasta, problems = _first_answer(
            mirrors, lambda mirror: read_list(mirror, layout, "fasta", files)
        )
        if fasta is None:
            error = no_answer(problems)
            if vcf is None and isinstance(error, NotPublishedError):
                raise no_answer(vcf_problems, layout)
            is_absent = isinstance(error, NotPublishedError)
            if isinstance(error, WrongAssemblyError) or (with_fasta and not is_absent):
                raise error
            layout.confirm_assembly((), layout.fasta_folder)
    recorded = fasta if with_fasta and fasta else ()
    # Here, since what speaks to mirrors takes long to import, and most runs ask none.
    from ensembl_annotations.fetch.listing import has_variation

    # No list of variation is an answer only where there is no variation.
    is_lost = vcf is None and any(has_variation(mirror, layout) for mirror, _ in vcf_problems)
    if is_lost or not (files or recorded):
        raise no_answer(vcf_problems, layout)
    genes = [_optional_list(mirrors, layout, role) for role in GENE_ROLES if with_genes]
    return Manifest(layout.species, layout.assembly, layout.release, files, recorded, *genes)


def _optional_list(mirrors: Sequence[str], layout: Layout, role: str) -> tuple[PublishedFile, ...]:
    """Return what the first mirror that has a list of these files lists; nothing where none has."""
    files, problems = _first_answer(mirrors, lambda mirror: read_list(mirror, layout, role))
    if files is None and not isinstance(error := no_answer(problems), NotPublishedError):
        raise error
    return files or ()


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
        from ensembl_annotations.fetch.listing import explain_missing

        missing = [mirror for mirror, error in problems if isinstance(error, NotPublishedError)]
        hint = "Check the release, species and assembly. " + explain_missing(missing, layout)
    return type(clearest)(message, hint=hint.strip() if hint else None, code=clearest.code)


def reason_of(mirror: str, error: SourceError) -> str:
    """Return why a mirror gave no list, on one line that names the mirror."""
    shown = without_credentials(mirror)
    text = one_line(error.message)
    return text if shown.rstrip("/") in text else f"{shown}: {text}"


def read_list(
    mirror: str, layout: Layout, role: str, vcfs: Sequence[PublishedFile] = ()
) -> tuple[PublishedFile, ...]:
    """Return the files of a kind that a mirror lists, by chromosome.

    Parameters
    ----------
    mirror : str
    layout : Layout
    role : str
        One of `ROLES`.
    vcfs : sequence of PublishedFile
        The variation files for which sequences are wanted; default all sequences.

    Raises
    ------
    SourceError
        Where it gives no list, or one of variation without a file of this species; with the code
        ``assembly`` where sequences are another assembly's.
    """
    from ensembl_annotations.fetch.mirrors import read_text

    where = f"{layout.folder_of(role)}/{CHECKSUMS}"
    table = parse_checksums(read_text(mirror, where), where)
    if role == "fasta":
        layout.confirm_assembly(table, where)
        return _published(layout.choose_fastas(table, [file.chromosome for file in vcfs]), table)
    choose = {
        "vcf": layout.choose_vcfs,
        "gff3": layout.choose_gff3s,
        "peptides": layout.choose_peptides,
    }
    names = choose[role](table)
    if role == "vcf" and not names:
        raise SourceError(
            f"{where}: lists no variation file of {layout.species}.",
            hint="Check ensembl.species, ensembl.assembly and ensembl.release.",
        )
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


def describe_files(manifest: Manifest) -> str:
    """Return how many files of each kind are published."""
    return (
        f"{len(manifest.vcf)} variation files, {len(manifest.fasta)} sequences, "
        f"{len(manifest.gff3 or ())} files of genes"
    )


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
