"""The index of a reference store: which row groups have an ID, and the footers of the files, packed.

It is a folder beside the store, of the same name with ``.index`` behind it, so that the store, and the
digest that names it, stay as they are. ``index.json`` says of which store it is. ``ids.parquet`` has a
row per *key* and row group, sorted by key: the number of an rsID, the CRC-32 of another ID. Keys may
coincide, so whatever the index finds is looked for in the rows. Row groups are counted through the
files of the chromosomes, in the order of ``index.json``.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.problems import Problem
from ensembl_annotations.store.describe import (
    ReferenceStore,
    StoreKind,
    footer_sha256,
)
from ensembl_annotations.store.groups import RowGroups, pack_footer
from ensembl_annotations.store.remote import Files, files_at
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes

FILE_NAME = "index.json"
IDS = "ids.parquet"
_FOOTER = ".footer.xz"

_SCHEMA = pa.schema([pa.field("key", pa.uint32(), False), pa.field("group", pa.uint32(), False)])
_ROW_GROUP_ROWS = 1 << 17
_PART_BITS = 25
"""Keys are sorted in parts of so many, which fit into memory."""

Keys = npt.NDArray[np.uint64]


def index_folder(store: Path | str) -> str:
    """Return the path or address of a store's index."""
    return f"{str(store).rstrip('/')}.index"


def is_rs(name: str) -> bool:
    """Tell whether an ID is an rs number as the store keeps it."""
    digits = name[2:]
    return (
        name.startswith("rs")
        and digits.isascii()
        and digits.isdigit()
        and len(digits) <= 10
        and not digits.startswith("0")
        and int(digits) < 1 << 32
    )


def key_of(name: str) -> int:
    """Return the key of an ID."""
    return int(name[2:]) if is_rs(name) else zlib.crc32(name.encode())


# --- Writing -------------------------------------------------------------------------------------


def write_index(
    folder: Path | str, chromosomes: Sequence[str] | str | None = None
) -> dict[str, int]:
    """Write the index of a reference store, beside it.

    Parameters
    ----------
    folder : Path or str
        The store.
    chromosomes : sequence of str, or str, optional
        Only these; default all. On others, IDs are looked for without the index.

    Returns
    -------
    dict
        ``num_ids``: how many pairs of ID and row group; ``num_bytes`` of the index.

    Raises
    ------
    ReferenceStoreError
        Where a file is missing or altered; an older index stays then.

    Examples
    --------
    >>> write_index("data/ensembl_annotations")["num_ids"] > 0
    True
    """
    store = ReferenceStore(folder)
    names = store.chromosomes
    if (wanted := listed_chromosomes(chromosomes)) is not None:
        names = resolve_chromosomes(wanted, names, store.species, store.assembly)
    store.check(names)
    items = [item for name in names if (item := store.resource(name)) is not None]
    out, files = Path(index_folder(folder)), files_at(folder)
    with Outputs() as outputs:
        first: dict[str, int] = {}
        with _Parts(outputs, out) as parts:
            count = 0
            for item in items:
                groups = RowGroups.of(files, item)
                first[item.chromosome] = count
                parts.add(groups, count)
                count += len(groups)
                _write_footer(outputs, out, item.path.name, groups.footer)
            ids = outputs.temporary(out / IDS)
            num_ids = parts.write(ids)
        content = {
            "reference_sha256": store.digest,
            "first_row_group": first,
            "num_row_groups": count,
            "ids": {
                "path": IDS,
                "bytes": ids.stat().st_size,
                "hash": f"sha256:{sha256_of(ids)}",
                "footer_sha256": footer_sha256(ids),
            },
        }
        footer = RowGroups(files_at(out), ids.name, ids.stat().st_size, footer_sha256(ids)).footer
        _write_footer(outputs, out, IDS, footer)
        outputs.write_json(out / FILE_NAME, content)
        named = {
            FILE_NAME,
            IDS,
            *(f"{item.path.name}{_FOOTER}" for item in items),
            f"{IDS}{_FOOTER}",
        }
        for path in out.glob(f"*{_FOOTER}"):
            if path.name not in named:
                outputs.remove_stale(path)
    return {"num_ids": num_ids, "num_bytes": sum((out / name).stat().st_size for name in named)}


def _write_footer(outputs: Outputs, out: Path, name: str, footer: bytes) -> None:
    outputs.temporary(out / f"{name}{_FOOTER}").write_bytes(pack_footer(footer))


class _Parts:
    """Pairs of key and row group, kept in files by the first bits of the key until all are there."""

    def __init__(self, outputs: Outputs, out: Path) -> None:
        self._outputs, self._out = outputs, out
        self._handles: dict[int, tuple[Path, BinaryIO]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for number in self._handles:
            self._outputs.forget(self._final(number))

    def _final(self, number: int) -> Path:
        return self._out / f"part{number}"

    def add(self, groups: RowGroups, first: int) -> None:
        """Add the IDs of a file whose row groups are numbered from `first` on."""
        for group in range(len(groups)):
            keys = _keys(groups.read([group], ["rs", "name"], encoded=["name"]))
            pairs = keys << np.uint64(32) | np.uint64(first + group)
            part_of = (keys >> np.uint64(_PART_BITS)).astype(np.int64)
            starts = np.flatnonzero(np.diff(part_of, prepend=-1))
            for begin, end in pairwise([*starts, len(keys)]):
                pairs[begin:end].tofile(self._handle(int(part_of[begin])))

    def _handle(self, number: int) -> BinaryIO:
        if number not in self._handles:
            path = self._outputs.temporary(self._final(number))
            self._handles[number] = path, self._stack.enter_context(path.open("wb"))
        return self._handles[number][1]

    def write(self, path: Path) -> int:
        """Write all of them, sorted; return how many there are."""
        count = 0
        with pq.ParquetWriter(
            path,
            _SCHEMA,
            compression={"key": "none", "group": "zstd"},
            use_dictionary=["group"],
            column_encoding={"key": "DELTA_BINARY_PACKED"},
            write_statistics=["key"],
            write_page_checksum=True,
            store_schema=False,
        ) as writer:
            for number in sorted(self._handles):
                part, handle = self._handles[number]
                handle.close()
                pairs = np.fromfile(part, np.uint64)
                pairs.sort()
                columns = [(pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)]
                writer.write_table(pa.table(columns, schema=_SCHEMA), _ROW_GROUP_ROWS)
                count += len(pairs)
        return count


def _keys(ids: pa.Table) -> Keys:
    """Return the keys of the IDs of a row group, ascending, each once."""
    numbers = np.unique(ids.column("rs").to_numpy())
    names = {name for part in ids.column("name").chunks for name in part.dictionary.to_pylist()}
    others = np.array([key_of(name) for name in names], np.uint64)
    return np.unique(np.concatenate([numbers[numbers > 0].astype(np.uint64), others]))


# --- Reading -------------------------------------------------------------------------------------


class Index:
    """The index of a store, opened for look-ups.

    Parameters
    ----------
    files : Files
        Where it is.
    content : dict
        Of its ``index.json``.
    """

    def __init__(self, files: Files, content: dict[str, Any]) -> None:
        self._files = files
        self._first = {name: int(first) for name, first in content["first_row_group"].items()}
        ids = content["ids"]
        self._num_bytes, self._hash, self._footer = (
            int(ids["bytes"]),
            ids["hash"],
            ids["footer_sha256"],
        )
        self._groups: RowGroups | None = None

    @property
    def chromosomes(self) -> Collection[str]:
        """The chromosomes that it is of."""
        return self._first.keys()

    def packed_footer(self, name: str) -> bytes | None:
        """Return the footer of a file, packed."""
        return self._files.read(f"{name}{_FOOTER}")

    def find(self, keys: Iterable[int]) -> dict[str, dict[int, list[int]]]:
        """Return the keys of each row group that has some, by chromosome.

        Raises
        ------
        ReferenceStoreError
            Where the index is altered.
        """
        ids = self._opened()
        bounds, wanted = ids.bounds("key"), sorted(set(keys))
        reached = {
            group
            for key in wanted
            for group in range(
                int(bounds["high"].search_sorted(key)),
                int(bounds["low"].search_sorted(key, "right")),
            )
        }
        found: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        names, first = list(self._first), np.array(list(self._first.values()))
        for frame in ids.frames(sorted(reached), ["key", "group"]):
            for key, group in frame.filter(pl.col("key").is_in(wanted)).iter_rows():
                number = int(np.searchsorted(first, group, "right")) - 1
                found[names[number]][group - int(first[number])].append(key)
        return found

    def _opened(self) -> RowGroups:
        if self._groups is None:
            self._groups = RowGroups(
                self._files,
                IDS,
                self._num_bytes,
                self._footer,
                partial(self.packed_footer, IDS),
            )
        return self._groups

    def problems(self) -> list[Problem]:
        """Hash what no description of the store has, and return what is wrong."""
        content = self._files.read(IDS)
        if content is None:
            return [Problem(self._files.where(IDS), StoreKind.MISSING)]
        found, expected = f"sha256:{hashlib.sha256(content).hexdigest()}", self._hash
        if found == expected:
            return []
        return [Problem(self._files.where(IDS), StoreKind.SHA256, found, expected)]


def open_index(folder: Path | str, store: ReferenceStore) -> Index | None:
    """Return the index of a store; None where it has none.

    Raises
    ------
    ReferenceStoreError
        Where what is there is no index, or that of another store.
    """
    files = files_at(index_folder(folder))
    content = files.read(FILE_NAME)
    if content is None:
        return None
    where = files.where(FILE_NAME)
    try:
        described = json.loads(content)
        index, digest = Index(files, described), described["reference_sha256"]
    except (
        ArithmeticError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise _unusable(f"{where}: is no index of a reference store ({error!r})") from error
    if digest != store.digest:
        raise _unusable(
            f"{where}: is the index of another reference: expected {store.digest} (the SHA-256 of "
            f"datapackage.json), found {str(digest)[:64]}"
        )
    return index


def _unusable(fact: str) -> ReferenceStoreError:
    return ReferenceStoreError(
        f"{fact}.",
        hint="Make it again with 'ensembl-annotations index' ('publish --in-place' on a server), or remove its "
        "folder: without it an ID takes longer.",
    )


def disagreement(where: str, keys: Sequence[int]) -> ReferenceStoreError:
    """Return the error for an index that has IDs where the store has not."""
    return _unusable(
        f"{where}: does not have the IDs (such as {keys[0]}) that its index says it has"
    )
