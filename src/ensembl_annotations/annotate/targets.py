"""What a run writes, and where: names are checked before, indexes made after."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from ensembl_annotations.annotate.text import PlainWriter, VcfWriter
from ensembl_annotations.common.atomic import Outputs, prepare_to_write
from ensembl_annotations.common.errors import UsageError, check_name, explain_os_error
from ensembl_annotations.common.pool import num_threads
from ensembl_annotations.vcf.bcf import BcfWriter
from ensembl_annotations.vcf.bgzf import BgzfWriter
from ensembl_annotations.vcf.forms import BCF, ENDS, STDOUT, TEXT, form_of
from ensembl_annotations.vcf.index import (
    check_index_kind,
    index_of,
    possible_indexes,
    why_no_tbi,
)
from ensembl_annotations.vcf.places import TabixIndex

_LOG = logging.getLogger(__name__)


TextWriter = VcfWriter | BcfWriter
"""Takes the text of a VCF."""


class Targets:
    """The annotated VCF (or BCF, or standard output for ``-``) and table of a run."""

    def __init__(
        self,
        vcf: Path | None,
        parquet: Path | None,
        index: str,
        level: int,
        genotypes: bool,
        columns: tuple[str, ...] = (),
    ) -> None:
        self.vcf, self.parquet, self.index, self.level = vcf, parquet, index, level
        self.genotypes, self.columns = genotypes, columns

    @property
    def is_bcf(self) -> bool:
        return self.vcf is not None and form_of(self.vcf) == BCF

    @property
    def index_kind(self) -> str:
        """The kind of index beside the annotated VCF: none of a stream or of plain text."""
        has_one = self.file is not None and form_of(self.file) != TEXT
        return self.index if has_one else "none"

    @property
    def file(self) -> Path | None:
        """The annotated VCF where it is a file."""
        return None if self.vcf == STDOUT else self.vcf

    @property
    def makes_index(self) -> bool:
        """Whether an index is made while writing: of a VCF that is a file."""
        return not self.is_bcf and self.index_kind != "none"

    def check(self, vcf: Path, reference: Path, *figures: Path | None) -> None:
        """Refuse names that can't be written to, or that are something else already.

        Raises
        ------
        EnsemblAnnotationsError
        """
        if self.vcf is None and self.parquet is None:
            raise UsageError("Nothing to write: give --out-vcf, --out-parquet or both.")
        if not 1 <= self.level <= 9:
            raise UsageError(f"--level: expected 1 to 9, found {self.level}.")
        if self.genotypes and self.parquet is None:
            raise UsageError(
                "--genotypes: expected --out-parquet too; genotypes are a column of the table."
            )
        if self.columns and self.parquet is None:
            raise UsageError(
                "--columns: expected --out-parquet too; they are columns of the table."
            )
        if self.parquet is not None:
            check_name(self.parquet)
        if self.parquet == STDOUT or STDOUT in figures:
            raise UsageError("Only --out-vcf can be '-', standard output.")
        if self.vcf is not None and form_of(self.vcf) is None:
            raise UsageError(
                f"--out-vcf {self.vcf}: expected a name that ends in {', '.join(ENDS)}, or '-'.",
                hint="The end of the name says what is written: text, BGZF, or BCF.",
            )
        if self.vcf == STDOUT and (sys.stdout is None or sys.stdout.isatty()):
            found = "closed" if sys.stdout is None else "a terminal"
            raise UsageError(f"--out-vcf -: standard output is {found}; expected a pipe or file.")
        check_index_kind(self.index)
        indexes = possible_indexes(self.file) if self.file is not None else []
        _check_paths(vcf, reference, self.file, *indexes, self.parquet, *figures)

    def open(self, outputs: Outputs, stack: ExitStack) -> tuple[TextWriter, Path | None]:
        """Return what takes the annotated VCF's text, and the temporary file it goes to."""
        assert self.vcf is not None
        writer: TextWriter
        if self.vcf == STDOUT:
            temporary = None
            writer = VcfWriter(self._packed(cast(BinaryIO, _Stdout())))
        else:
            temporary = outputs.temporary(self.vcf)
            if self.is_bcf:
                writer = BcfWriter(temporary, self.vcf, level=self.level)
            else:
                handle = stack.enter_context(temporary.open("wb"))
                is_text = form_of(self.vcf) == TEXT
                index = TabixIndex() if self.makes_index else None
                writer = VcfWriter(PlainWriter(handle) if is_text else self._packed(handle), index)
        stack.callback(writer.abandon)
        return writer, temporary

    def _packed(self, handle: BinaryIO) -> BgzfWriter:
        return BgzfWriter(handle, level=self.level, threads=num_threads())

    def write_index(
        self,
        vcf: Path,
        writer: TextWriter,
        outputs: Outputs,
        log: Callable[[str], object],
        *,
        is_sorted: bool,
        last_base: int,
    ) -> None:
        """Index the annotated file where it is sorted; no index of an older one stays."""
        assert self.vcf is not None
        kind = self.index_kind
        if kind == "tbi" and is_sorted and (why := why_no_tbi(self.vcf, last_base)):
            _LOG.info(f"{self.vcf}: its index is a .csi: {why}.")
            kind = "csi"
        index = index_of(self.vcf, kind)
        made = False
        if index is not None and not is_sorted:
            log(
                f"{vcf}: not sorted by contig and position; the order is kept and no index is written."
            )
        elif index is not None:
            made = writer.write_index(outputs.temporary(index), kind)
            if not made:
                outputs.forget(index)
                log(
                    f"{self.vcf}: htslib can't index it (an END out of range?); no index is written."
                )
        for stale in possible_indexes(self.vcf):
            if not made or stale != index:
                outputs.remove_stale(stale)


class _Stdout:
    """Standard output, unbuffered: what is written has been handed over, or is an error."""

    def write(self, data: bytes) -> int:
        try:
            number = sys.stdout.fileno()
        except (OSError, ValueError):
            # Not a real one, as in a test or notebook.
            return sys.stdout.buffer.write(data)
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(number, left) :]
        except OSError as error:
            raise explain_os_error(error, "standard output", "writing") from error
        return len(data)


def _check_paths(vcf: Path, reference: Path, *outputs: Path | None) -> None:
    named = [path for path in outputs if path is not None]
    resolved, store = [path.resolve() for path in named], reference.resolve()
    for path, target in zip(named, resolved, strict=True):
        if path.exists() and vcf.exists() and path.samefile(vcf):
            raise UsageError(
                f"{path}: is the input; it would be overwritten.", hint="Name another file."
            )
        if resolved.count(target) > 1:
            raise UsageError(f"{path}: named for two outputs.", hint="Name two files.")
        if store in target.parents:
            raise UsageError(
                f"{path}: is inside the reference store.", hint="Write to another folder."
            )
        prepare_to_write(path)
