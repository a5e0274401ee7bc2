"""Write the annotated VCF: its header, and the text that the kernel makes of its records."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from ensembl_annotations.common.errors import InputError, UsageError
from ensembl_annotations.variants.outcomes import GENE_TAGS, TAG_IDS, TAGS, tag_header_line
from ensembl_annotations.vcf.bgzf import BgzfWriter
from ensembl_annotations.vcf.header import structured_header_line
from ensembl_annotations.vcf.places import Places, TabixIndex
from ensembl_annotations.vcf.read import Header, header_fields

METADATA_KEY = "ensembl_annotations"
"""The key of the JSON in a parquet file's metadata, and the name of the VCF header line."""

ALL_CHROMOSOMES = "all"
"""Stands in the header for the chromosomes looked up, where there are too many to name."""


class Additions(NamedTuple):
    """What is added to a VCF.

    Attributes
    ----------
    tags : tuple of str
        The chosen tags; only these are looked for in the input. Others of ours that it has, from
        an earlier run, are passed through like everything else.
    id_mode : str
        One of `ID_MODES`.
    overwrite : bool
        Replace the chosen tags where the input has them.
    transcripts : str
        One of `TRANSCRIPT_MODES`.
    """

    tags: tuple[str, ...] = TAG_IDS
    id_mode: str = "append"
    overwrite: bool = False
    transcripts: str = "pick"

    def without_genes(self) -> Self:
        """Return what a reference without genes can add.

        Raises
        ------
        UsageError
            Where that is no tag.
        """
        kept = tuple(tag for tag in self.tags if tag not in GENE_TAGS)
        if not kept:
            raise UsageError(
                f"tags: expected a reference with genes for {', '.join(self.tags)}; found one without.",
                hint="Make the reference with genes (--genes; ensembl.genes in params.yaml), or "
                "choose other tags.",
            )
        return self._replace(tags=kept)


def check_header_tags(header: Header, path: Path, tags: tuple[str, ...]) -> None:
    """Refuse a VCF that already declares one of the chosen tags.

    Raises
    ------
    InputError
        Naming the tags.
    """
    declared = header.info_ids()
    if clash := [tag for tag in tags if tag in declared]:
        raise InputError(
            f"{path}: the header already defines {', '.join(clash)}.",
            hint="Use the original VCF, or replace these tags with --overwrite-tags "
            "(annotate.overwrite_tags in params.yaml).",
            code="tag_clash",
        )


def header_bytes(
    header: Header,
    provenance: dict[str, str],
    additions: Additions,
    *,
    contig_lines: Sequence[bytes] = (),
) -> bytes:
    """Return the output's header: the input's lines, ours directly before ``#CHROM``."""
    kept, tags = header.lines[:-1], {*additions.tags}
    if additions.overwrite:
        # What made tags that stay is still told by the line of that run.
        stay = header.info_ids() & ({*TAG_IDS} - tags)
        kept = [line for line in kept if not _is_replaced(line, tags, with_source=not stay)]
    ours = [tag_header_line(tag) for tag in TAGS if tag.id in tags]
    # htslib keeps one line of an ID only, the first.
    runs = 1 + sum(line.startswith(f"##{METADATA_KEY}=".encode()) for line in kept)
    number = {"ID": f"{provenance['ID']}.{runs}"} if runs > 1 else {}
    ours.append(structured_header_line(METADATA_KEY, {**provenance, **number}))
    added = [line.encode() + header.line_end for line in ours]
    return b"".join([*kept, *contig_lines, *added, header.lines[-1]])


def _is_replaced(line: bytes, tags: set[str], *, with_source: bool) -> bool:
    if name := header_fields(line, b"INFO").get(b"ID"):
        return name.decode("utf-8", "replace") in tags
    return with_source and line.startswith(f"##{METADATA_KEY}=".encode())


class PlainWriter:
    """Takes text as it is, where a `BgzfWriter` compresses it."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle

    def write(self, data: bytes | memoryview) -> None:
        self._handle.write(data)

    def finish(self) -> None:
        self._handle.flush()

    def abandon(self) -> None:
        """Do nothing: there is no thread to stop."""


class VcfWriter:
    """Write the annotated VCF, as text or as BGZF.

    Parameters
    ----------
    out : BgzfWriter or PlainWriter
    index : TabixIndex, optional
        Gets the places of the records; only of BGZF.
    """

    def __init__(self, out: BgzfWriter | PlainWriter, index: TabixIndex | None = None) -> None:
        self._out = out
        self._held = b""
        self._index = index

    def write(self, text: bytes | memoryview, places: Places | None = None) -> None:
        if self._index is not None and places is not None:
            assert isinstance(self._out, BgzfWriter)
            self._index.add(places, self._out.num_bytes + len(self._held))
        # The last byte waits: where the input has no newline at its end, neither has the output.
        view = memoryview(text)
        if view:
            self._out.write(self._held)
            self._out.write(view[:-1])
            self._held = bytes(view[-1:])

    def finish(self, *, without_last_byte: bool) -> None:
        if not without_last_byte:
            self._out.write(self._held)
        self._out.finish()

    def abandon(self) -> None:
        self._out.abandon()

    def write_index(self, path: Path, kind: str) -> bool:
        """Write the index of what was written; of a BCF, htslib may find a value it can't index."""
        assert self._index is not None and isinstance(self._out, BgzfWriter)
        path.write_bytes(self._index.content(self._out, kind))
        return True
