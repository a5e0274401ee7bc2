"""Write the annotated VCF: every byte of the input, plus our header lines, tags and IDs."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa

from ensembl_annotations.annotate.read import ID, INFO, INFO_ID, Batch, Header
from ensembl_annotations.common.bgzf import BgzfWriter
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.common.provenance import METADATA_KEY, structured_header_line
from ensembl_annotations.common.schema import TAG_IDS, TAGS, tag_header_line
from ensembl_annotations.common.text import Offsets, arrow_int64, scan_lines

_OURS = re.compile(rb"(?:^|;)(" + "|".join(TAG_IDS).encode() + rb")(?==|;|$)")
_RS = re.compile(rb"(?:^|;)(rs\d+)(?=;|$)")
_MARK = b"ENS_"
_INDEX_ROOM_BYTES = 1 << 18


def check_header_tags(header: Header, path: Path) -> None:
    """Refuse a VCF that already declares one of our tags.

    Raises
    ------
    InputError
        Naming the tags.
    """
    clash = [tag for tag in TAG_IDS if tag in header.info_ids()]
    if clash:
        raise InputError(
            f"{path}: the header already defines {', '.join(clash)}.",
            hint="Use the original VCF, or replace these tags with --overwrite-tags "
            "(annotate.overwrite_tags in params.yaml).",
            code="tag_clash",
        )


def check_record_tags(batch: Batch, path: Path) -> None:
    """Refuse records that carry one of our tags without declaring it.

    Raises
    ------
    InputError
        Naming the first line.
    """
    if _MARK not in batch.lines.data:
        return
    begin, end = batch.lines.bounds(INFO)
    for row, (low, high) in enumerate(
        zip(begin.tolist(), batch.without_return(end).tolist(), strict=True)
    ):
        if match := _OURS.search(batch.lines.data[low:high]):
            raise InputError(
                f"{path}: line {batch.first_line + row}: INFO already has {match[1].decode()}.",
                hint="Use the original VCF, or replace these tags with --overwrite-tags "
                "(annotate.overwrite_tags in params.yaml).",
                code="tag_clash",
            )


def without_our_tags(batch: Batch) -> Batch:
    """Return a batch with our tags taken out of INFO."""
    data = batch.lines.data
    if _MARK not in data:
        return batch
    begin, end = batch.lines.bounds(INFO)
    pieces, done = [], 0
    for low, high in zip(begin.tolist(), batch.without_return(end).tolist(), strict=True):
        info = data[low:high]
        if _OURS.search(info):
            kept = [
                entry for entry in info.split(b";") if not _OURS.fullmatch(entry.partition(b"=")[0])
            ]
            pieces += [data[done:low], b";".join(kept) or b"."]
            done = high
    pieces.append(data[done:])
    return replace(batch, lines=scan_lines(b"".join(pieces)))


def header_bytes(
    header: Header, release: str, provenance: dict[str, str], *, overwrite: bool
) -> bytes:
    """Return the output's header: the input's lines, ours directly before ``#CHROM``."""
    kept = header.lines[:-1]
    if overwrite:
        kept = [line for line in kept if not _is_our_line(line)]
    ours = [tag_header_line(tag, release) for tag in TAGS]
    ours.append(structured_header_line(METADATA_KEY, provenance))
    added = [line.encode() + header.line_end for line in ours]
    return b"".join([*kept, *added, header.lines[-1]])


def _is_our_line(line: bytes) -> bool:
    match = re.match(INFO_ID, line)
    if match:
        return match[1].decode("utf-8", "replace") in TAG_IDS
    return line.startswith(f"##{METADATA_KEY}=".encode())


def annotated_text(batch: Batch, changes: pl.DataFrame) -> pa.Buffer:
    """Return the text of a batch with new IDs and tags in place.

    Parameters
    ----------
    batch : Batch
    changes : DataFrame
        ``row`` (ascending), ``tags`` (String), ``ids`` (list of String).

    Notes
    -----
    The output is cut from the input's bytes: up to ID, ID, up to INFO, INFO, the rest of the
    line; only ID and the end of INFO can differ.
    """
    if changes.is_empty():
        return pa.py_buffer(batch.lines.data)
    lines, data = batch.lines, batch.lines.data
    rows = changes["row"].to_numpy().astype(np.int64)
    id_begin, id_end = lines.bounds(ID)
    info_begin, info_end = lines.bounds(INFO)
    info_end = batch.without_return(info_end)
    new_ids = _new_ids(batch, rows, changes["ids"])
    new_info, replaced = _new_info(batch, rows, changes["tags"], info_begin, info_end)
    count = len(lines)
    cuts = np.stack([lines.begin, id_begin, id_end, info_begin, info_end], axis=1)
    offsets = np.concatenate([cuts.ravel(), [len(data)]])
    text, offsets = _append(data, offsets, [*new_ids, *new_info])
    order = np.arange(5 * count, dtype=np.int64).reshape(count, 5)
    order = np.insert(order, 4, -1, axis=1)
    order[rows, 1] = 5 * count + np.arange(len(rows))
    order[rows, 4] = 5 * count + len(rows) + np.arange(len(rows))
    order[rows[replaced], 3] = -1
    flat = order.ravel()
    pieces = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    )
    return pieces.take(arrow_int64(flat[flat >= 0])).buffers()[2]


def _append(data: bytes, offsets: Offsets, added: list[bytes]) -> tuple[bytes, Offsets]:
    lengths = np.fromiter((len(piece) for piece in added), np.int64, len(added))
    return b"".join([data, *added]), np.concatenate([offsets, len(data) + np.cumsum(lengths)])


def _new_ids(batch: Batch, rows: Offsets, ids: pl.Series) -> list[bytes]:
    begin, end = batch.lines.bounds(ID, rows)
    new = []
    for low, high, found in zip(begin.tolist(), end.tolist(), ids.to_list(), strict=True):
        old = batch.lines.data[low:high]
        if old == b"." and len(found) == 1:
            new.append(found[0].encode())
            continue
        kept = [] if old in (b".", b"") else old.split(b";")
        added = [item for item in (name.encode() for name in found) if item not in kept]
        new.append(b";".join([old, *added]) if kept else b";".join(added) or old)
    return new


def _new_info(
    batch: Batch, rows: Offsets, tags: pl.Series, info_begin: Offsets, info_end: Offsets
) -> tuple[list[bytes], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return what to put behind each INFO, and where INFO itself (``.``) is replaced."""
    data = batch.lines.data
    new, replaced = [], np.zeros(len(rows), bool)
    for place, (row, text) in enumerate(zip(rows.tolist(), tags.to_list(), strict=True)):
        info = data[info_begin[row] : info_end[row]]
        replaced[place] = info == b"."
        joint = b"" if info in (b".", b"") or info.endswith(b";") else b";"
        new.append(joint + text.encode())
    return new, replaced


def count_id_conflicts(batch: Batch, changes: pl.DataFrame) -> int:
    """Count records with matches whose own ID column has an rs that is none of them."""
    rows = changes["row"].to_numpy().astype(np.int64)
    begin, end = batch.lines.bounds(ID, rows)
    if b"rs" not in batch.lines.data:
        return 0
    conflicts = 0
    for low, high, found in zip(
        begin.tolist(), end.tolist(), changes["ids"].to_list(), strict=True
    ):
        text = batch.lines.data[low:high]
        own = _RS.findall(text) if b"rs" in text else []
        conflicts += bool(found) and any(item.decode() not in found for item in own)
    return conflicts


class VcfWriter:
    """Write the annotated VCF as BGZF.

    Parameters
    ----------
    handle : BinaryIO
    level : int
        1 (fast) to 9 (small).
    threads : int
    """

    def __init__(self, handle: BinaryIO, *, level: int, threads: int) -> None:
        self._out = BgzfWriter(handle, level=level, threads=threads)
        self._held = b""

    def write(self, text: bytes | memoryview) -> None:
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


def index_of(vcf: Path) -> Path:
    """Return where the index of a VCF goes."""
    return vcf.with_name(f"{vcf.name}.csi")


def write_index(vcf: Path, index: Path) -> bool:
    """Write the CSI index of a sorted BGZF VCF, and tell whether htslib could.

    Raises
    ------
    OSError
        Where the disk is full.
    """
    import pysam

    try:
        pysam.tabix_index(
            str(vcf), preset="vcf", csi=True, force=True, keep_original=True, index=str(index)
        )
    except (OSError, ValueError):
        # htslib does not say why; a full disk is an error, a value it can't index is not.
        with index.open("wb") as handle:
            handle.write(bytes(_INDEX_ROOM_BYTES))
            os.fsync(handle.fileno())
        return False
    return True
