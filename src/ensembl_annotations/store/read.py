"""The files of a reference store, opened for look-ups: by the kernel, each once, when first needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ensembl_annotations._kernel import BadFile, Genes, Sequence2Bit, Table
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.problems import Problem
from ensembl_annotations.store.describe import RESTORE_HINT, ReferenceStore, open_resource


class Reference:
    """Look-ups in a reference store; close it, or use it with `with`.

    Parameters
    ----------
    store : ReferenceStore
        Checked.

    Notes
    -----
    A file stays open: a store that is replaced meanwhile is not mixed with the new one.
    """

    def __init__(self, store: ReferenceStore) -> None:
        self.store = store
        self._opened: dict[int, Table | Sequence2Bit | Genes] = {}
        self._handles = ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Reference:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.clear()
        self._handles.close()

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
        number = self.store.resources.index(item)
        with self._lock:
            if number not in self._opened:
                handle = self._handles.enter_context(item.path.open("rb"))
                found = open_resource(handle, item, number)
                if isinstance(found, Problem):
                    raise ReferenceStoreError(
                        f"{item.path}: was replaced while the store was in use: {found}.",
                        hint="Run the command again; nothing was written. " + RESTORE_HINT,
                    )
                self._opened[number] = found
            return self._opened[number]

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
