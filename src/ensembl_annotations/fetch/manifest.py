"""The manifest: what a source has published for a release. Small, in git, reviewed as a diff."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import SourceError, UsageError
from ensembl_annotations.fetch.layouts import CHECKSUMS, Layout
from ensembl_annotations.fetch.mirrors import read_text


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

    name: str
    chromosome: str
    checksum: int
    blocks: int


@dataclass(frozen=True)
class Manifest:
    """What is published of a species, assembly and release."""

    species: str
    assembly: str
    release: int
    vcf: tuple[PublishedFile, ...]
    fasta: tuple[PublishedFile, ...]

    @property
    def layout(self) -> Layout:
        return Layout(self.species, self.assembly, self.release)

    def choose(self, chromosomes: Sequence[str] | None) -> list[PublishedFile]:
        """Return the variation files of these chromosomes, all of them by default.

        Raises
        ------
        UsageError
            Where one is not published.
        """
        if chromosomes is None:
            return list(self.vcf)
        by_name = {file.chromosome: file for file in self.vcf}
        missing = [name for name in chromosomes if name not in by_name]
        if missing:
            raise UsageError(
                f"chromosomes: {', '.join(missing)} not published for {self.species} "
                f"{self.assembly} release {self.release}.",
                hint=f"There are: {', '.join(by_name)}.",
            )
        return [by_name[name] for name in chromosomes]

    def sequence_of(self, chromosome: str) -> PublishedFile:
        """Return the FASTA of a chromosome.

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
            f"{self.assembly} release {self.release} (there: {known}).",
            hint="Set ensembl.fasta to false, or choose the chromosomes that have one.",
        )


def parse_checksums(text: str, where: str) -> dict[str, tuple[int, int]]:
    """Read a CHECKSUMS file: name to (checksum, blocks).

    Raises
    ------
    SourceError
        Where a line is not ``<sum> <blocks> <name>``, or a name holds a path.
    """
    table: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*(\d{1,5})\s+(\d{1,12})\s+(\S.*?)\s*", line)
        if match is None:
            raise SourceError(
                f"{where}, line {number}: expected '<checksum> <blocks> <name>', found {line[:80]!r}.",
                hint="Check the mirror's address; this may be an error page.",
            )
        name = match[3].removeprefix("./")
        if "/" in name or "\\" in name or name in (".", ".."):
            raise SourceError(f"{where}, line {number}: the name {name!r} holds a path; refused.")
        table[name] = (int(match[1]), int(match[2]))
    return table


def read_manifest(mirrors: Sequence[str], layout: Layout, *, with_fasta: bool = True) -> Manifest:
    """Ask the mirrors, in order, what is published.

    Parameters
    ----------
    mirrors : sequence of str
        Bases of the same tree; the first that gives a usable list decides.
    layout : Layout
    with_fasta : bool
        Ask for the sequences too; it is no error where there are none.

    Raises
    ------
    SourceError
        The last mirror's, where none gives a list with a file of this species.
    """
    files = _first_answer(mirrors, lambda mirror: _read_vcf(mirror, layout))
    fasta: tuple[PublishedFile, ...] = ()
    if with_fasta:
        names = [file.chromosome for file in files]
        try:
            fasta = _first_answer(mirrors, lambda mirror: _read_fasta(mirror, layout, names))
        except SourceError as error:
            if error.code != "not_found":
                raise
    return Manifest(layout.species, layout.assembly, layout.release, files, fasta)


def _first_answer(
    mirrors: Sequence[str], ask: Callable[[str], tuple[PublishedFile, ...]]
) -> tuple[PublishedFile, ...]:
    """Return the first mirror's answer; where all fail, a clear no goes before a fault."""
    problems = []
    for mirror in mirrors:
        try:
            return ask(mirror)
        except SourceError as error:
            problems.append(error)
    missing = [error for error in problems if error.code == "not_found"]
    raise [
        SourceError("No mirror is given.", hint="Name one under `sources`, or with --base-url."),
        *problems,
        *missing,
    ][-1]


def _read_vcf(mirror: str, layout: Layout) -> tuple[PublishedFile, ...]:
    where = f"{layout.vcf_folder}/{CHECKSUMS}"
    found = {
        chromosome: PublishedFile(name, chromosome, checksum, blocks)
        for name, (checksum, blocks) in parse_checksums(read_text(mirror, where), where).items()
        if (chromosome := layout.chromosome_of(name)) is not None
    }
    if not found:
        raise SourceError(
            f"{where}: lists no variation file of {layout.species}.",
            hint="Check ensembl.species, ensembl.assembly and ensembl.release.",
        )
    return tuple(found[name] for name in sorted(found, key=_natural))


def _read_fasta(
    mirror: str, layout: Layout, chromosomes: Sequence[str]
) -> tuple[PublishedFile, ...]:
    where = f"{layout.fasta_folder}/{CHECKSUMS}"
    table = parse_checksums(read_text(mirror, where), where)
    names = {layout.fasta_name(chromosome): chromosome for chromosome in chromosomes}
    return tuple(PublishedFile(name, names[name], *table[name]) for name in names if name in table)


def _natural(chromosome: str) -> tuple[int, str]:
    if chromosome.isdigit():
        return int(chromosome), ""
    named = {"X": 1000, "Y": 1001, "MT": 1002}
    return named.get(chromosome, 2000), chromosome


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
        content = json.loads(path.read_text("utf-8"))
        return Manifest(
            content["species"],
            content["assembly"],
            content["release"],
            tuple(PublishedFile(**entry) for entry in content["vcf"]),
            tuple(PublishedFile(**entry) for entry in content["fasta"]),
        )
    except FileNotFoundError as error:
        raise SourceError(
            f"{path}: no such manifest.", hint="Run 'dvc repro ensembl_manifest' to make it."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path}: not a manifest ({error!r}).",
            hint="Restore it with 'git checkout', or remove it and run 'dvc repro ensembl_manifest'.",
        ) from error


def ensure_manifest(mirrors: Sequence[str], layout: Layout, path: Path) -> Manifest:
    """Return the manifest at `path`, asking a mirror only where there is none yet.

    Raises
    ------
    SourceError
        Where the file is another release's, or no mirror answers.
    """
    if not path.exists():
        save_manifest(read_manifest(mirrors, layout), path)
    manifest = load_manifest(path)
    if manifest.layout != layout:
        raise SourceError(
            f"{path}: is of {manifest.species} {manifest.assembly} release {manifest.release}, "
            f"expected {layout.species} {layout.assembly} release {layout.release}.",
            hint="Remove it and run 'dvc repro ensembl_manifest'.",
        )
    return manifest
