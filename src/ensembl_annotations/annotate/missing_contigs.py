"""Contigs of the reference that a VCF's header lacks, as the VCF spells them: a BCF has to name them."""

from __future__ import annotations

from collections.abc import Iterable

from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.contigs import HUMAN, LENGTHS, MT_LENGTH, contig_aliases
from ensembl_annotations.vcf.read import Header

_MT_STYLES = {"": "MT", "chr": "chrM", "NC_": "NC_012920.1", "CM": "J01415.2"}


def missing_contigs(
    header: Header, met: Iterable[str], store: ReferenceStore
) -> dict[str, int | None]:
    """Return the reference's contigs that a header lacks, as it and the first records spell them.

    Parameters
    ----------
    header : Header
    met : iterable of str
        Contigs of the first records.
    store : ReferenceStore

    Returns
    -------
    dict of str to int or None
        Names and lengths, None where unknown.
    """
    aliases = contig_aliases(store.species, store.assembly)
    lengths: dict[str, int] = {}
    if store.species == HUMAN:
        lengths = {**LENGTHS.get(store.assembly, {}), "MT": MT_LENGTH}
    declared = header.contigs()
    named = {**declared, **dict.fromkeys(met)}
    known = set(store.chromosomes)
    styles = {
        _style(name)
        for name in named
        if (name in aliases if aliases else name.removeprefix("chr") in known)
    }
    found: dict[str, int | None] = {}
    for style in sorted(styles):
        for contig in store.chromosomes:
            name = _spelled(contig, style, aliases)
            if name is not None and name not in declared:
                found[name] = lengths.get(contig)
    return found


def _style(name: str) -> str:
    return next((style for style in ("chr", "NC_", "CM") if name.startswith(style)), "")


def _spelled(contig: str, style: str, aliases: dict[str, str]) -> str | None:
    if not aliases:
        return style + contig if style in ("", "chr") else None
    if contig == "MT":
        return _MT_STYLES[style]
    return next(
        (name for name, of in aliases.items() if of == contig and _style(name) == style), None
    )
