"""What a fetch will do, said before it begins: files, bytes, and the disk they need."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.progress import format_bytes
from ensembl_annotations.fetch.download import download_cache, remaining_bytes
from ensembl_annotations.fetch.manifest import Manifest, PublishedFile
from ensembl_annotations.fetch.verify import BLOCK_BYTES

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
        ``vcf`` or ``fasta``.
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
    wanted : tuple of Wanted
        Every file, those that are cached too; a chromosome's sequence before its variants.
    remaining_bytes : int
        What is still to be downloaded.
    num_missing : int
        How many files that is.
    needs : tuple of Need
        The disk it takes.
    """

    manifest: Manifest
    wanted: tuple[Wanted, ...]
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
    fasta, force : bool
        Fetch the sequences too; download again what is cached.
    dvc_cache : Path, optional
        Where DVC will keep a copy; it takes room where that is another file system.
    """
    files = manifest.choose(chromosomes)
    wanted = []
    for file in files:
        if fasta:
            sequence = manifest.sequence_of(file.chromosome)
            wanted.append(Wanted(manifest.layout.fasta_folder, sequence, "fasta"))
        wanted.append(Wanted(manifest.layout.vcf_folder, file, "vcf"))
    missing = [remaining_bytes(item.folder, item.file, force=force) for item in wanted]
    store = int(STORE_SHARE * sum(item.num_bytes for item in wanted))
    needs = [Need("the download", download_cache(), sum(missing)), Need("the store", out, store)]
    if dvc_cache is not None and not _same_disk(dvc_cache, out):
        needs.append(Need("DVC's cache", dvc_cache, store))
    return Plan(
        manifest=manifest,
        wanted=tuple(wanted),
        remaining_bytes=sum(missing),
        num_missing=sum(1 for item in missing if item),
        needs=tuple(needs),
    )


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _same_disk(one: Path, other: Path) -> bool:
    return _existing(one).stat().st_dev == _existing(other).stat().st_dev
