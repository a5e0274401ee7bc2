"""Write the annotated VCF: every byte of the input, plus our header lines, tags and IDs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ensembl_annotations.common.text import Offsets, arrow_int64, scan_heads
from ensembl_annotations.variants.outcomes import TAG_IDS
from tests.support.oracle.batch import ID, INFO, SAMPLE, Batch

_RS = re.compile(rb"rs\d+")
# VCF joins IDs by ; but some callers and databases write commas.
_BETWEEN_IDS = re.compile(rb"[;,\s]")
_MARK = b"ENS_"


@dataclass(frozen=True)
class Additions:
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
    """

    tags: tuple[str, ...] = TAG_IDS
    id_mode: str = "append"
    overwrite: bool = False


@cache
def _entry_pattern(tags: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(rb"(?:^|;)(" + "|".join(tags).encode() + rb")(?==|;|$)")


def without_tags(batch: Batch, tags: tuple[str, ...]) -> Batch:
    """Return a batch with the chosen tags taken out of INFO."""
    data = batch.lines.data
    if _MARK not in data:
        return batch
    ours = _entry_pattern(tags)
    begin, end = batch.lines.bounds(INFO)
    pieces, done = [], 0
    for low, high in zip(begin.tolist(), batch.without_return(end).tolist(), strict=True):
        info = data[low:high]
        if ours.search(info):
            kept = [
                entry for entry in info.split(b";") if not ours.fullmatch(entry.partition(b"=")[0])
            ]
            pieces += [data[done:low], b";".join(kept) or b"."]
            done = high
    pieces.append(data[done:])
    return replace(batch, lines=scan_heads(b"".join(pieces), SAMPLE))


def annotated_text(batch: Batch, changes: pl.DataFrame, id_mode: str = "append") -> pa.Buffer:
    """Return the text of a batch with new IDs and tags in place.

    Parameters
    ----------
    batch : Batch
    changes : DataFrame
        ``row`` (ascending), ``tags`` (String, null for none), ``ids`` (String, joined by ``;``).
    id_mode : str
        One of `ID_MODES`.

    Notes
    -----
    The output is cut from the input's bytes: of a record that gets something, up to ID, the new
    ID, up to the end of INFO, the new tags; nothing else can differ.
    """
    if changes.is_empty():
        return pa.py_buffer(batch.lines.data)
    rows = changes["row"].to_numpy().astype(np.int64)
    id_begin, id_end = batch.lines.bounds(ID, rows)
    info_begin, info_end = batch.lines.bounds(INFO, rows)
    info_end = batch.without_return(info_end)
    if id_mode == "keep":
        id_begin, new_ids = id_end, pa.array([b""] * len(rows), pa.large_binary())
    else:
        new_ids = _new_ids(
            batch, changes["ids"], id_begin, id_end, is_replaced=id_mode == "replace"
        )
    new_info, cut = _new_info(batch, changes["tags"], info_begin, info_end)
    count = len(rows)
    cuts = np.stack([id_begin, id_end, cut, info_end], axis=1).ravel()
    text, offsets = _joined(batch.lines.data, cuts, [new_ids, new_info])
    order = np.empty((count, 4), np.int64)
    order[:, 0] = 4 * np.arange(count)
    order[:, 1] = 4 * count + 1 + np.arange(count)
    order[:, 2] = 4 * np.arange(count) + 2
    order[:, 3] = 5 * count + 1 + np.arange(count)
    pieces = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    )
    return pieces.take(arrow_int64(np.append(order.ravel(), 4 * count))).buffers()[2]


def _joined(data: bytes, cuts: Offsets, added: list[pa.Array]) -> tuple[bytes, Offsets]:
    """Return one buffer of the data and the added texts, and where its pieces begin and end."""
    texts, offsets = [memoryview(data)], [np.array([0]), cuts, np.array([len(data)])]
    end = len(data)
    for array in added:
        _, bounds, content = array.buffers()
        ends = np.frombuffer(bounds, np.int64, len(array) + 1, array.offset * 8)
        if content is not None:
            texts.append(memoryview(content)[int(ends[0]) : int(ends[-1])])
        offsets.append(ends[1:] - ends[0] + end)
        end += int(ends[-1] - ends[0])
    return b"".join(texts), np.concatenate(offsets)


def _new_ids(
    batch: Batch, ids: pl.Series, begin: Offsets, end: Offsets, *, is_replaced: bool
) -> pa.Array:
    """Return the ID column of records: what was there, unless it is replaced, then what is new."""
    new = ids.to_arrow().cast(pa.large_binary())
    data = np.frombuffer(batch.lines.data, np.uint8)
    has_own = (ids == "").to_numpy()
    if not is_replaced:
        has_own = has_own | ~((end == begin) | ((end == begin + 1) & (data[begin] == ord("."))))
    if not has_own.any():
        return new
    whole = []
    rows = np.flatnonzero(has_own)
    for low, high, found in zip(
        begin[rows].tolist(), end[rows].tolist(), ids.gather(rows).to_list(), strict=True
    ):
        own = batch.lines.data[low:high]
        kept = {*_own_ids(own), b""}
        added = [name for name in found.encode().split(b";") if name.lower() not in kept]
        whole.append(b";".join([own, *added]))
    return pc.replace_with_mask(new, pa.array(has_own), pa.array(whole, pa.large_binary()))


def _own_ids(column: bytes) -> list[bytes]:
    """Return the IDs of an input's ID column, in lower case: ``RS82`` is rs82."""
    return _BETWEEN_IDS.split(column.lower())


def _new_info(
    batch: Batch, tags: pl.Series, begin: Offsets, end: Offsets
) -> tuple[pa.Array, Offsets]:
    """Return what to put behind each INFO, and where: an INFO of ``.`` is replaced."""
    data = np.frombuffer(batch.lines.data, np.uint8)
    last = data[np.maximum(end - 1, 0)]
    is_dot = (end == begin + 1) & (last == ord(".")) & tags.is_not_null().to_numpy()
    bare = (end == begin) | is_dot | (last == ord(";"))
    joint = pl.DataFrame({"tags": tags, "bare": bare}).select(
        pl.when("bare").then("tags").otherwise(";" + pl.col("tags")).fill_null("")
    )
    return joint.to_series().to_arrow().cast(pa.large_binary()), np.where(is_dot, begin, end)


def count_id_conflicts(batch: Batch, changes: pl.DataFrame) -> int:
    """Count records with matches whose own ID column has an rs that is none of them."""
    data = np.frombuffer(batch.lines.data, np.uint8)
    begin, end = batch.lines.bounds(ID, changes["row"].to_numpy().astype(np.int64))
    conflicts, ids = 0, changes["ids"].to_list()
    for place in np.flatnonzero((end > begin + 1) | (data[begin] != ord("."))).tolist():
        own = _own_ids(batch.lines.data[begin[place] : end[place]])
        found = {*ids[place].lower().encode().split(b";")} - {b""}
        conflicts += bool(found) and any(_RS.fullmatch(name) and name not in found for name in own)
    return conflicts
