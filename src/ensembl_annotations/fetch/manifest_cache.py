"""Keep what a server said it publishes, so that what is downloaded can be used without it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.common.json_files import read_as
from ensembl_annotations.fetch.download import download_cache
from ensembl_annotations.fetch.layouts import ROLES, Layout
from ensembl_annotations.fetch.manifest import Manifest, read_manifest
from ensembl_annotations.fetch.mirrors import folder_of

_LOG = logging.getLogger(__name__)

FOLDER = "manifests"
_VERSION = 2


@dataclass(frozen=True)
class _Answer:
    """What mirrors said that they publish, and to which question."""

    key: str
    manifest: Manifest


def cached_manifest(
    mirrors: Sequence[str],
    layout: Layout,
    *,
    with_fasta: bool = False,
    with_genes: bool = False,
    force: bool = False,
) -> Manifest:
    """Return what mirrors publish, from the download cache where they were asked before.

    Parameters
    ----------
    mirrors : sequence of str
        As for `read_manifest`. A folder is always read afresh.
    layout : Layout
    with_fasta, with_genes : bool
        Record the sequences too, and the gene models.
    force : bool
        Ask the server even so, and keep the new answer.

    Raises
    ------
    SourceError
        As `read_manifest`.

    Notes
    -----
    An answer is kept for exactly these mirrors in this order; another base's is never used. What
    is kept but can't be read is asked for again, and a cache that can't be written to is no error.
    """
    if not mirrors or any(folder_of(mirror) is not None for mirror in mirrors):
        return read_manifest(mirrors, layout, with_fasta=with_fasta, with_genes=with_genes)
    layout.check()
    key = _key(mirrors, layout, with_fasta, with_genes)
    path = download_cache() / FOLDER / f"{key[:16]}.json"
    kept = None if force else read_as(_Answer, path)
    if kept is not None and kept.key == key and kept.manifest.layout == layout:
        _LOG.debug("%s: what the mirrors publish, as they said before", path)
        return kept.manifest
    manifest = read_manifest(mirrors, layout, with_fasta=with_fasta, with_genes=with_genes)
    is_one_of_many = len(mirrors) > 1 and with_genes and not manifest.gff3
    if (with_fasta and not manifest.fasta) or is_one_of_many:
        return manifest  # the mirror that has the sequences, or genes, may be down for the moment
    if manifest.missing:
        return manifest  # a list that may be cut, or of a release that is not all there yet
    with suppress(EnsemblAnnotationsError, OSError):
        write_json(path, asdict(_Answer(key, manifest)))
    return manifest


def _key(mirrors: Sequence[str], layout: Layout, with_fasta: bool, with_genes: bool) -> str:
    """Return a SHA-256, and no address: that may hold a password."""
    bases = [mirror.rstrip("/") for mirror in mirrors]
    folders = [layout.folder_of(role) for role in ROLES]
    what = [_VERSION, bases, *folders, layout.assembly, with_fasta, with_genes]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
