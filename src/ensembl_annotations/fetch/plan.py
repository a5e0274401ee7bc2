"""What a fetch will do, said before it begins: files, bytes, and the disk they need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.progress import format_bytes
from ensembl_annotations.common.words import listed
from ensembl_annotations.fetch.cache import download_cache, remaining_bytes
from ensembl_annotations.fetch.layouts import ALL, GENE_ROLES, ROLES
from ensembl_annotations.fetch.manifest import Manifest, PublishedFile
from ensembl_annotations.fetch.verify import BLOCK_BYTES
from ensembl_annotations.variants.contigs import length_of

_MOST_NAMED = 30
STORE_SHARE = 1.1
"""Bytes of a store per byte downloaded, at most; 0.91 for variation, 0.96 for sequences, measured."""


@dataclass(frozen=True)
class Wanted:
    """A published file to fetch.

    Attributes
    ----------
    folder : str
        Its folder below a mirror's base.
    file : PublishedFile
    role : str
        One of `ROLES`.
    """

    folder: str
    file: PublishedFile
    role: str

    @property
    def num_bytes(self) -> int:
        """Its size as published, rounded up to whole blocks."""
        return self.file.blocks * BLOCK_BYTES


@dataclass(frozen=True)
class Need:
    """Bytes that a folder's file system must have room for."""

    what: str
    folder: Path
    num_bytes: int


@dataclass(frozen=True)
class Plan:
    """What a fetch will do.

    Attributes
    ----------
    manifest : Manifest
        What is published.
    chromosomes : tuple of str
        Those that are fetched, as they are published; ``all`` for a species in one file.
    wanted : tuple of Wanted
        Every file, those that are cached too; a chromosome's sequence before what needs it.
    left_out : tuple of str
        What was asked for and is not published, a line each.
    remaining_bytes : int
        What is still to be downloaded.
    num_missing : int
        How many files that is.
    needs : tuple of Need
        The disk it takes.
    """

    manifest: Manifest
    chromosomes: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    left_out: tuple[str, ...]
    remaining_bytes: int
    num_missing: int
    needs: tuple[Need, ...]

    def lines(self) -> list[str]:
        """Return the plan as lines of text."""
        total = sum(item.num_bytes for item in self.wanted)
        what = f"{self.manifest.species} {self.manifest.assembly} release {self.manifest.release}"
        lines = [
            f"{what}: {len(self.wanted)} files, {format_bytes(total)}; to download: "
            f"{self.num_missing} files, {format_bytes(self.remaining_bytes)}"
        ]
        if missing := self.manifest.missing:
            names = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
            lines.append(f"  not published there: {len(missing)} human chromosomes ({names})")
        lines += [f"  {text}" for text in self.left_out]
        for need in self.needs:
            free = format_bytes(_free_bytes(need.folder))
            lines.append(
                f"  disk for {need.what}: {format_bytes(need.num_bytes)} in {need.folder} ({free} free)"
            )
        return lines

    def check_disk(self) -> None:
        """Refuse what the disks can't hold.

        Raises
        ------
        EnsemblAnnotationsError
            With the code ``disk_full``, before anything was downloaded.
        """
        by_disk: dict[int, list[Need]] = {}
        for need in self.needs:
            by_disk.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
        for needs in by_disk.values():
            required = sum(need.num_bytes for need in needs)
            free = _free_bytes(needs[0].folder)
            if required > free:
                what = ", ".join(
                    f"{format_bytes(need.num_bytes)} for {need.what}" for need in needs
                )
                raise EnsemblAnnotationsError(
                    f"{needs[0].folder}: the disk is full or nearly so: {format_bytes(required)} are "
                    f"needed ({what}), {format_bytes(free)} are free. Nothing was downloaded.",
                    hint="Free some space, choose fewer chromosomes, or put the download cache "
                    "elsewhere with $ENSEMBL_ANNOTATIONS_CACHE.",
                    code="disk_full",
                )


def make_plan(
    manifest: Manifest,
    out: Path,
    *,
    chromosomes: Sequence[str] | None,
    fasta: bool,
    genes: bool,
    force: bool = False,
    dvc_cache: Path | None = None,
) -> Plan:
    """Return what fetching these chromosomes would do; nothing is written or asked for.

    Parameters
    ----------
    manifest : Manifest
    out : Path
        The store's folder.
    chromosomes : sequence of str, optional
        Default all that are published.
    fasta, genes, force : bool
        Fetch the sequences too, where they are published; and the gene models, where the sequences
        are; download again what is cached.
    dvc_cache : Path, optional
        Where DVC will keep a copy; it takes room where that is another file system.
    """
    names = manifest.choose(chromosomes)
    files = _files(manifest, names, fasta=fasta, genes=genes)
    place = {name: number for number, name in enumerate([ALL, *names])}
    wanted = sorted(
        (
            Wanted(manifest.layout.folder_of(role), file, role)
            for role in reversed(ROLES)
            for file in files.get(role, ())
        ),
        key=lambda item: place.get(item.file.chromosome, len(place)),
    )
    missing = [remaining_bytes(item.folder, item.file, force=force) for item in wanted]
    store = int(STORE_SHARE * sum(_stored_bytes(manifest, item) for item in wanted))
    needs = [Need("the download", download_cache(), sum(missing)), Need("the store", out, store)]
    if dvc_cache is not None and not _same_disk(dvc_cache, out):
        needs.append(Need("DVC's cache", dvc_cache, store))
    return Plan(
        manifest=manifest,
        chromosomes=tuple(names),
        wanted=tuple(wanted),
        left_out=tuple(_left_out(names, files)),
        remaining_bytes=sum(missing),
        num_missing=sum(1 for item in missing if item),
        needs=tuple(needs),
    )


def _stored_bytes(manifest: Manifest, item: Wanted) -> int:
    """Return about how many bytes a file has in the store.

    A sequence has two bits for each base there, also where it is published as a run of N, which is packed
    to almost nothing.
    """
    bases = length_of(manifest.species, manifest.assembly, item.file.chromosome)
    return max(item.num_bytes, (bases or 0) // 4 if item.role == "fasta" else 0)


def _files(
    manifest: Manifest, names: Sequence[str], *, fasta: bool, genes: bool
) -> dict[str, list[PublishedFile]]:
    """Return the files of each kind that is asked for; gene models only where sequences are."""
    files = {"vcf": manifest.files_of("vcf", names)}
    if fasta:
        files["fasta"] = manifest.files_of("fasta", names)
    if genes:
        files |= {role: manifest.files_of(role, names) for role in GENE_ROLES}
        files["gff3"] = [
            item for item in files["gff3"] if _names_of(files, "fasta", item.chromosome)
        ]
        if not files["gff3"]:
            files["peptides"] = []
    return files


def _names_of(files: Mapping[str, Sequence[PublishedFile]], role: str, *names: str) -> list[str]:
    """Return those of the chromosomes of which there are files of a kind."""
    there = {file.chromosome for file in files[role]}
    return [name for name in names if there & {name, ALL} or (name == ALL and there)]


def _left_out(names: Sequence[str], files: Mapping[str, Sequence[PublishedFile]]) -> Iterator[str]:
    """Say what was asked for and is not published."""
    if not files["vcf"]:
        yield "no variation is published there: the store has no variants"
    with_sequence = _names_of(files, "fasta", *names) if "fasta" in files else [*names]
    if exact := [name for name in names if name not in with_sequence]:
        also = ", and genes are left out" if "gff3" in files else ""
        yield (
            f"exact only on {listed(exact, _MOST_NAMED)}: no sequence is published, so insertions "
            f"and deletions are found where Ensembl writes them{also}"
        )
    if "gff3" not in files:
        return
    with_genes = _names_of(files, "gff3", *with_sequence)
    if without := [name for name in with_sequence if name not in with_genes]:
        yield f"no genes on {listed(without, _MOST_NAMED)}: no gene models are published"
    if with_genes and not files["peptides"]:
        yield "no peptides are published: nothing tells which proteins differ from the sequence"


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _same_disk(one: Path, other: Path) -> bool:
    return _existing(one).stat().st_dev == _existing(other).stat().st_dev
