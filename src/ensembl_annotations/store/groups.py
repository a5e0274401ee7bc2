"""The alleles of a chromosome, here or elsewhere, read by row groups: no more bytes than a query needs.

The footer is compared with ``datapackage.json``, and the checksum of each page that is read is verified, so
what was altered on the way or on the server is an error.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from itertools import accumulate

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.common.errors import EnsemblAnnotationsError, ReferenceStoreError
from ensembl_annotations.common.pool import in_order
from ensembl_annotations.common.problems import Problem
from ensembl_annotations.store.describe import Resource, StoreKind
from ensembl_annotations.store.remote import Files

_REQUESTS = 4
"""So many are under way at a time."""


class RowGroups:
    """The row groups of a parquet file.

    Parameters
    ----------
    files : Files
        Where it is.
    name : str
    num_bytes : int
        Its size.
    footer_sha256 : str
        Of its footer.
    packed_footer : callable, optional
        Returns the footer as `pack_footer` gives it, shorter to fetch than the end of the file; or None.
    """

    def __init__(
        self,
        files: Files,
        name: str,
        num_bytes: int,
        footer_sha256: str,
        packed_footer: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self._files, self._name, self._num_bytes = files, name, num_bytes
        self._footer_sha256, self._packed_footer = footer_sha256, packed_footer

    @classmethod
    def of(
        cls, files: Files, item: Resource, packed_footer: Callable[[], bytes | None] = lambda: None
    ) -> RowGroups:
        """Return those of a file that ``datapackage.json`` describes."""
        name = item.path.name
        return cls(files, name, item.num_bytes, item.footer_sha256, packed_footer)

    @property
    def where(self) -> str:
        return self._files.where(self._name)

    @cached_property
    def footer(self) -> bytes:
        """The footer, with its length and the magic number behind it.

        Raises
        ------
        ReferenceStoreError
            Where it is another one than described.
        """
        found = self._unpacked()
        if found is None:
            with self._opened() as handle:
                handle.seek(max(self._num_bytes - 8, 0))
                end: bytes = handle.read()
                length = min(int.from_bytes(end[:4], "little"), max(self._num_bytes - 8, 0))
                handle.seek(self._num_bytes - 8 - length)
                found = handle.read(length) + end
        if hashlib.sha256(found).hexdigest() != self._footer_sha256:
            raise self._altered(str(Problem(self._name, StoreKind.FOOTER)))
        return found

    def _unpacked(self) -> bytes | None:
        """Return the footer that was given packed; None where there is none, or it is not this file's."""
        if (packed := self._packed_footer()) is None:
            return None
        with suppress(lzma.LZMAError):
            # No more than there can be, whatever was packed.
            found = lzma.LZMADecompressor().decompress(packed, self._num_bytes)
            if hashlib.sha256(found).hexdigest() == self._footer_sha256:
                return found
        return None

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        return pq.read_metadata(pa.BufferReader(b"PAR1" + self.footer))

    def __len__(self) -> int:
        count: int = self.metadata.num_row_groups
        return count

    @cached_property
    def _ends(self) -> list[int]:
        counts = (self.metadata.row_group(group).num_rows for group in range(len(self)))
        return list(accumulate(counts, initial=0))

    def span(self, group: int) -> tuple[int, int]:
        """Return the first row of a row group, counted through the file, and how many it has."""
        first, end = self._ends[group : group + 2]
        return first, end - first

    def bounds(self, column: str) -> pl.DataFrame:
        """Return ``low`` and ``high`` of a column, a row per row group, from its statistics."""
        number = self.metadata.schema.names.index(column)
        statistics = [
            self.metadata.row_group(group).column(number).statistics for group in range(len(self))
        ]
        found = [(item.min, item.max) for item in statistics]
        return pl.DataFrame(found, {"low": pl.Int64, "high": pl.Int64}, orient="row")

    def read(
        self, groups: Sequence[int], columns: Collection[str], *, encoded: Collection[str] = ()
    ) -> pa.Table:
        """Return these row groups, those `encoded` with a dictionary; one request, where they are neighbours.

        Raises
        ------
        ReferenceStoreError
            Where a page is not what its checksum says, or can't be read.
        """
        try:
            with self._opened() as handle:
                file = pq.ParquetFile(
                    handle,
                    metadata=self.metadata,
                    pre_buffer=True,
                    page_checksum_verification=True,
                    read_dictionary=list(encoded),
                )
                return file.read_row_groups(list(groups), list(columns), use_threads=False)
        except EnsemblAnnotationsError:
            raise
        except OSError as error:
            raise self._altered(f"can't be read ({error})") from error

    def frames(
        self,
        groups: Sequence[int],
        columns: Collection[str],
        *,
        per_request: int = 4,
        ahead: int = _REQUESTS,
    ) -> Iterator[pl.DataFrame]:
        """Yield row groups in this order, some at a time, while the next ones are read."""
        parts = [
            groups[begin : begin + per_request] for begin in range(0, len(groups), per_request)
        ]
        read = partial(self.read, columns=columns)
        with ThreadPoolExecutor(_REQUESTS, thread_name_prefix="read") as pool:
            yield from map(_frame, in_order(pool, read, parts, ahead))

    def _opened(self) -> pa.NativeFile:
        handle = self._files.open(self._name, self._num_bytes)
        if (found := handle.size()) != self._num_bytes:
            raise self._altered(str(Problem(self._name, StoreKind.SIZE, found, self._num_bytes)))
        return handle

    def _altered(self, what: str) -> ReferenceStoreError:
        return ReferenceStoreError(
            f"{self.where}: {what}.",
            hint="It is altered, or another one than described: verify the store where it is.",
        )


def _frame(table: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def pack_footer(footer: bytes) -> bytes:
    """Return a footer in a fifth of its bytes."""
    return lzma.compress(footer, preset=1)
