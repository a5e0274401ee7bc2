"""Pieces of a VCF through the kernel: what it is asked, and what is wrong with a line that it refuses."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ensembl_annotations import _kernel
from ensembl_annotations._kernel import BadLine, Contig, Result, Room, Settings, Spare, contig_runs
from ensembl_annotations.annotate.lookup import Contigs, Places
from ensembl_annotations.annotate.text import Additions
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.store.read import Reference
from ensembl_annotations.variants.outcomes import TAG_IDS
from ensembl_annotations.vcf.read import (
    ALT,
    MAX_ALTS,
    MAX_POS,
    NAMES,
    POS,
    QUAL,
    REF,
    SAMPLE,
    Piece,
    VcfReader,
)

_ALTS_HINT = "Correct the line: more are not read by other programs either, whatever the memory."
_TOLD_HINT = (
    "Tell those of fewer transcripts with --transcripts gene or pick (annotate.transcripts in params.yaml), or "
    "give more memory with --memory-mb (memory_mb in params.yaml)."
)
_COLUMN_HINT = "Split the record's ALTs (bcftools norm -m-), or do without the table."
_ENCODING_HINT = "Correct the file's encoding."


class MuchTold(Exception):
    """The consequences of a piece need more memory than they may; those of so many first lines do not."""

    def __init__(self, num_lines: int) -> None:
        super().__init__(num_lines)
        self.num_lines = num_lines


class Engine:
    """Annotates the pieces of a VCF, on any number of threads.

    Parameters
    ----------
    reader : VcfReader
    reference : Reference
    contigs : Contigs
        Of the VCF, in the reference.
    additions : Additions, optional
        What is added.
    with_sites : bool
        Find what else is published at a record's site.
    check_records : bool
        Refuse lines that have the chosen tags already, or a QUAL that is no number.
    max_absent : int
        Refuse a VCF with more contigs that are not in the reference: what is known of each is kept to the end.
    most_told_bytes, most_told_alone : int
        Of the consequences of a piece, and of a line that is one.
    """

    def __init__(
        self,
        reader: VcfReader,
        reference: Reference,
        contigs: Contigs,
        additions: Additions | None = None,
        *,
        with_sites: bool = False,
        check_records: bool = True,
        max_absent: int = sys.maxsize,
        most_told_bytes: int = sys.maxsize,
        most_told_alone: int = sys.maxsize,
    ) -> None:
        self.reader, self.reference, self.contigs = reader, reference, contigs
        self._places, self.max_absent = Places(contigs, reference), max_absent
        additions = additions or Additions()
        self._settings = Settings(
            len(reader.header.columns),
            tags=sum(1 << TAG_IDS.index(tag) for tag in additions.tags),
            id_mode=additions.id_mode,
            overwrite=additions.overwrite,
            check_records=check_records,
            with_sites=with_sites,
            regions=self._places.regions,
            most_allele_bytes=reader.limits.allele_bytes,
            most_alts=MAX_ALTS,
            transcripts=additions.transcripts,
        )
        self._most_told = {False: most_told_bytes, True: most_told_alone}
        # As many as pieces are in work at a time.
        self._rooms: deque[Room] = deque()
        self._spare = Spare()

    @contextmanager
    def annotated(
        self,
        piece: Piece,
        *,
        columns: Sequence[str] = (),
        check_calls: bool = False,
        index_depth: int = 0,
    ) -> Iterator[Result]:
        """Annotate a piece; what is given is there as long as the block runs.

        Parameters
        ----------
        piece : Piece
        columns : sequence of str
            Which the kernel makes.
        check_calls : bool
            Count values that can't be typed in all samples, not only where there is one.
        index_depth : int

        Raises
        ------
        InputError
            Naming the first line that can't be used.
        MuchTold
            Where it is to be annotated in parts.
        ReferenceStoreError
            Where a file of the reference is altered.
        """
        settings = self._settings._replace(
            columns=columns,
            check_calls=check_calls,
            first_record=piece.first_record,
            index_depth=index_depth,
            most_told_bytes=self._most_told[piece.is_line],
        )
        contigs, places = self._contigs_of(piece)
        try:
            room = self._rooms.pop()
        except IndexError:
            room = Room()
        with (
            self._explained(piece),
            _kernel.annotated(piece.data, settings, contigs, places, room, self._spare) as result,
        ):
            yield result
        self._rooms.append(room)

    def compared(self, piece: Piece, enough: int) -> tuple[int, ...]:
        """Compare REFs with the reference, until enough could be; raises as `annotated`.

        Returns
        -------
        tuple of int
            What `Compared` of the guard has.
        """
        contigs, places = self._contigs_of(piece)
        with self._explained(piece):
            return _kernel.compared(piece.data, self._settings, contigs, places, enough)

    def _contigs_of(self, piece: Piece) -> tuple[list[Contig], list[int]]:
        if (found := len(self.contigs.unresolved)) > self.max_absent:
            raise InputError(
                f"{self.reader.path}: line {piece.first_line}: contigs that are not in the reference: "
                f"expected at most {self.max_absent:,}, found {found:,} before this line.",
                hint="Give more memory with --memory-mb (memory_mb in params.yaml), or a VCF of the "
                "reference's contigs only.",
                code="too_large",
            )
        return self._places.of([name for name, _ in contig_runs(piece.data)])

    @contextmanager
    def _explained(self, piece: Piece) -> Iterator[None]:
        try:
            with self.reference.explained():
                yield
        except BadLine as error:
            if error.what == _kernel.MUCH_TOLD and not piece.is_line:
                raise MuchTold(error.line) from None
            raise self._refused(piece, error) from None

    def _refused(self, piece: Piece, error: BadLine) -> InputError:
        """Say what is wrong with a line."""
        number = piece.first_line + error.line
        where = f"{self.reader.path}: line {number}"
        line = piece.data.split(b"\n", error.line + 1)[error.line]
        fields = line.split(b"\t")
        if error.what == _kernel.BAD_COLUMNS:
            return InputError(
                f"{where}: expected {len(self.reader.header.columns)} columns as in the #CHROM line, "
                f"found {len(fields)}.",
                hint="Correct or remove the line; columns are separated by tabs.",
            )
        if error.what == _kernel.LONG_ALLELES:
            size, most = len(fields[REF]) + 1 + len(fields[ALT]), self.reader.limits.allele_bytes
            return self.reader.refuse(number, "bytes of REF and ALT", most, f"{size:,}")
        if error.what == _kernel.MANY_ALTS:
            found = fields[ALT].count(b",") + 1
            return self.reader.refuse(
                number, "ALTs", MAX_ALTS, f"{found:,}", _ALTS_HINT, is_passing=False
            )
        if error.what == _kernel.MUCH_TOLD:
            most = self._most_told[True]
            return self.reader.refuse(number, "bytes of consequences", most, "more", _TOLD_HINT)
        if error.what == _kernel.LONG_COLUMN:
            name = _kernel.COLUMNS[error.detail]
            what = f"bytes or items of the table's column {name}, for all ALTs of the piece up to this line"
            return self.reader.refuse(
                number, what, self._settings.most_column, "more", _COLUMN_HINT
            )
        if error.what == _kernel.HAS_TAG:
            return InputError(
                f"{where}: INFO already has {TAG_IDS[error.detail]}.",
                hint="Use the original VCF, or replace these tags with --overwrite-tags "
                "(annotate.overwrite_tags in params.yaml).",
                code="tag_clash",
            )
        if error.what == _kernel.NOT_UTF8 and error.detail == SAMPLE:
            return InputError(f"{where}: GT is not UTF-8: {line[-40:]!r}.", hint=_ENCODING_HINT)
        value = fields[error.detail].rstrip(b"\r")[:40]
        if error.what == _kernel.NOT_UTF8:
            name = NAMES[error.detail]
            return InputError(f"{where}: {name} is not UTF-8: {value!r}.", hint=_ENCODING_HINT)
        expected = {
            POS: f"POS: expected a whole number up to {MAX_POS}",
            QUAL: "QUAL: expected a number or '.'",
        }[error.detail]
        shown = value.decode("utf-8", "replace")
        return InputError(f"{where}: {expected}, found {shown!r}.", hint="Correct the line.")
