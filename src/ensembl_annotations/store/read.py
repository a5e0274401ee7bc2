"""The files of a reference store, opened for look-ups: by the kernel, each once, when first needed."""

from __future__ import annotations

import errno
import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from ensembl_annotations._kernel import BadFile, Genes, Sequence2Bit, Table
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.metrics import stamp_of
from ensembl_annotations.common.pool import num_threads
from ensembl_annotations.common.problems import Problem
from ensembl_annotations.store.describe import (
    FILE_NAME,
    RESTORE_HINT,
    ReferenceStore,
    Resource,
    open_resource,
    problem_of,
    problem_of_error,
)

_IDLE_SEC = 60
# Some systems let a process have 256 files open; a human reference has 75, others one for each of many scaffolds.
_MOST_KEPT = 100
# The kernel reads a footer in a millisecond. So many of them are worth a start of threads.
_FEW = 4


class Reference:
    """Look-ups in a reference store; close it, or use it with `with`.

    Parameters
    ----------
    store : ReferenceStore
        Checked, here or before.

    Notes
    -----
    A file stays open: a store that is replaced meanwhile is not mixed with the new one. Written to where it is, it is
    another one: ask `check_unchanged` before what was looked up is used. Any number of VCFs can be
    annotated with one reference, several at a time.
    """

    def __init__(self, store: ReferenceStore) -> None:
        self.store = store
        self._checked: set[str] = set()
        self._stamp: tuple[int, ...] | None = None
        self._opened: dict[int, Table | Sequence2Bit | Genes] = {}
        # Of the files that a process may have open, half are for all else.
        self._most_kept = min(_MOST_KEPT, os.sysconf("SC_OPEN_MAX") // 2)
        self._files: dict[int, tuple[BinaryIO, tuple[int, ...] | None]] = {}
        self._unused: set[int] = set()
        self._handles = ExitStack()
        self.close_files = self._handles.close
        self._lock = threading.Lock()

    def __enter__(self) -> Reference:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.clear()
        self._files.clear()
        self._unused.clear()
        self.close_files()

    def check(self, chromosomes: Sequence[str] | None = None) -> None:
        """Check the files of chromosomes as `ReferenceStore.check` does, those of each once; they stay open."""
        wanted = {item.chromosome for item in self.store.resources_of(chromosomes)}
        with self._lock:
            if names := wanted - self._checked:
                self.store.check(sorted(names), self._problems_of)
                self._checked |= names

    def _problems_of(self, items: list[Resource]) -> list[Problem | None]:
        if len(items) < _FEW:
            return list(map(self._problem_of, items))
        with ThreadPoolExecutor(num_threads(), thread_name_prefix="check") as pool:
            return list(pool.map(self._problem_of, items))

    def _problem_of(self, item: Resource) -> Problem | None:
        if len(self._opened) >= self._most_kept:
            return problem_of(item)
        try:
            found = self._opened_file(item)
        except OSError as error:
            return problem_of_error(item, error)
        return found if isinstance(found, Problem) else None

    def is_current(self) -> bool:
        """Tell whether the folder still has this store: the same ``datapackage.json``, and no open file written to."""
        if self._altered():
            return False
        path = self.store.folder / FILE_NAME
        stamp = stamp_of(path)
        if stamp is None or stamp == self._stamp:
            return stamp is not None
        try:
            is_same = sha256_of(path) == self.store.digest
        except OSError:
            return False
        self._stamp = stamp if is_same else None
        return is_same

    def check_current(self) -> None:
        """Refuse to go on where `is_current` does not hold.

        Raises
        ------
        ReferenceStoreError
        """
        self.check_unchanged()
        if not self.is_current():
            raise ReferenceStoreError(
                f"{self.store.folder}: was replaced while the store was in use: {FILE_NAME} is another, or gone.",
                hint="Run the command again; what it made before is of the former store.",
            )

    def check_unchanged(self) -> None:
        """Refuse what was looked up where an open file was written to meanwhile; raises as `table`.

        A page of another release may fit in the place of one, and its checksum is right.
        """
        if item := self._altered():
            raise _replaced(item, "it was written to")

    def _altered(self) -> Resource | None:
        with self._lock:
            for number, (handle, stamp) in self._files.items():
                if stamp_of(handle.fileno()) != stamp:
                    return self.store.resources[number]
        return None

    @cached_property
    def symbols(self) -> dict[str, str]:
        """The symbols of genes, by their IDs; of those that have one."""
        # What reads tables is imported where it is asked for.
        from ensembl_annotations.store.symbols import symbols_of

        return symbols_of(self.store)

    def has(self, chromosome: str) -> bool:
        """Tell whether the store describes a file of this chromosome."""
        return self.store.resource(chromosome) is not None

    def table(self, chromosome: str) -> Table | None:
        """Return the published alleles of a chromosome; None where there are none.

        Raises
        ------
        ReferenceStoreError
            Where the file is not what it was when the store was checked.
        """
        found = self._open(chromosome, "alleles")
        assert not isinstance(found, Sequence2Bit | Genes)
        return found

    def sequence(self, chromosome: str) -> Sequence2Bit | None:
        """Return the sequence of a chromosome; None where the store has none; raises as `table`."""
        found = self._open(chromosome, "sequence")
        assert not isinstance(found, Table | Genes)
        return found

    def genes(self, chromosome: str) -> Genes | None:
        """Return the transcripts of a chromosome; None where the store has none; raises as `table`."""
        found = self._open(chromosome, "genes")
        assert not isinstance(found, Table | Sequence2Bit)
        return found

    def _open(self, chromosome: str, role: str) -> Table | Sequence2Bit | Genes | None:
        item = self.store.resource(chromosome, role)
        if item is None:
            return None
        with self._lock:
            found = self._opened_file(item)
            self._unused.discard(self.store.resources.index(item))
        if isinstance(found, Problem):
            raise _replaced(item, found)
        return found

    def _opened_file(self, item: Resource) -> Table | Sequence2Bit | Genes | Problem:
        number = self.store.resources.index(item)
        if opened := self._opened.get(number):
            return opened
        handle = self._handle_of(item)
        stamp = stamp_of(handle.fileno())
        if hasattr(os, "posix_fadvise"):
            # The kernel asks for what it needs; read ahead, an exome's variants would read most of the store.
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        found = open_resource(handle, item, number)
        if isinstance(found, Problem):
            handle.close()
            return found
        self._opened[number] = found
        self._files[number] = self._handles.enter_context(handle), stamp
        self._unused.add(number)
        return found

    def _handle_of(self, item: Resource) -> BinaryIO:
        """Open a file; where too many are open, close those that were only checked: they are checked again."""
        try:
            return item.path.open("rb")
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
        with suppress(KeyError):
            while True:
                number = self._unused.pop()
                del self._opened[number]
                self._files.pop(number)[0].close()
        return item.path.open("rb")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the kernel finds wrong with a file into an error of ours."""
        try:
            yield
        except BadFile as error:
            raise ReferenceStoreError(
                f"{self.store.resources[error.number].path}: can't be read ({error.why}).",
                hint="The reference is altered: run 'ensembl-annotations verify' on its folder, "
                "then 'ensembl-annotations repair' or 'dvc repro fetch_ensembl'.",
            ) from error


def _replaced(item: Resource, why: object) -> ReferenceStoreError:
    return ReferenceStoreError(
        f"{item.path}: was replaced while the store was in use: {why}.",
        hint="Run the command again. " + RESTORE_HINT,
    )


@contextmanager
def opened_reference(reference: Path | Reference) -> Iterator[Reference]:
    """Open a store by its folder, or give one that is open already, if the folder still has it.

    Raises
    ------
    ReferenceStoreError
    """
    if isinstance(reference, Reference):
        reference.check_current()
        yield reference
    else:
        with Reference(ReferenceStore(reference)) as opened:
            yield opened


class _Kept:
    """The reference of the tasks that a process gets one by one; closed when none has come for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reference: Reference | None = None
        self._used = 0.0

    def get(self, folder: Path) -> Reference:
        with self._lock:
            self._used = time.monotonic()
            kept = self._reference
            if kept is None or kept.store.folder != folder or not kept.is_current():
                if kept is None:
                    self._watch()
                self._reference = kept = Reference(ReferenceStore(folder))
                # When the last task that has it ends.
                weakref.finalize(kept, kept.close_files)
            return kept

    def _watch(self) -> None:
        timer = threading.Timer(_IDLE_SEC, self._close_if_idle)
        timer.daemon = True
        timer.start()

    def _close_if_idle(self) -> None:
        with self._lock:
            if time.monotonic() >= self._used + _IDLE_SEC:
                self._reference = None
            else:
                self._watch()


_KEPT = _Kept()


def kept_reference(folder: Path) -> Reference:
    """Return the reference of a folder, for tasks of another process: opened once, and again where it was replaced.

    A file that stays open keeps a store that was replaced on the disk, and on NFS its folder: so it is closed again.
    """
    return _KEPT.get(folder)
