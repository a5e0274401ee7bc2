"""Published FASTA to the store's sequence files; what its header lines say is held against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ensembl_annotations.common.errors import SourceError, WrongAssemblyError
from ensembl_annotations.fetch.convert.pieces import READ_BYTES, open_expanded
from ensembl_annotations.store.describe import FileIdentity, Origin
from ensembl_annotations.store.sequence import SequenceWriter
from ensembl_annotations.variants.contigs import length_of

_LETTERS = bytes(range(ord("A"), ord("Z") + 1))
_UPPER = bytes(range(256)).upper()
# Whether it begins a line is asked of what is found: `^` would look at every letter of a sequence.
_HEADER = re.compile(rb">([^\r\n]*)\r?\n")
_MAX_HEADER_BYTES = 1 << 16
_LOCATION = re.compile(r"[^:\s]*:(?P<assembly>[^:\s]*):[^:\s]+:(?P<start>\d+):(?P<end>\d+):-?1")
_PATCH = re.compile(r"\.p\d+$")
_OTHER_MIRROR = "Try another mirror with --force; or fetch without the sequence."


@dataclass(frozen=True)
class _Title:
    """What the header line of a sequence says; without a location, nothing but its name."""

    name: str
    assembly: str = ""
    start: int = 0
    end: int = 0

    @classmethod
    def parse(cls, line: bytes) -> _Title:
        words = line.decode("ascii", "replace").split()
        name = words[0] if words else ""
        located = next((match for word in words[1:] if (match := _LOCATION.fullmatch(word))), None)
        if located is None:
            return cls(name)
        return cls(name, located["assembly"], int(located["start"]), int(located["end"]))

    def check_assembly(self, assembly: str, file: str) -> None:
        """Refuse a sequence that says that it is of another assembly.

        Raises
        ------
        SourceError
        """
        named, wanted = (_PATCH.sub("", text).casefold() for text in (self.assembly, assembly))
        if named not in ("", wanted):
            raise WrongAssemblyError(
                f"{file}: the header of {self.name} says that it is of {self.assembly}; expected "
                f"{assembly}.",
                hint=_OTHER_MIRROR,
            )

    def check_length(self, length: int, origin: Origin, file: str) -> None:
        """Refuse a sequence that has not the length it must have, if it says where it lies.

        Raises
        ------
        SourceError

        Notes
        -----
        Ensembl's Y of human is whole, with N in the pseudo-autosomal regions of some releases; its
        header then tells where the rest lies: ``Y:2781480:56887902``.
        """
        if not self.end:
            return
        known = length_of(origin.species, origin.assembly, self.name)
        if known is not None:
            fits, expected = length == known, f"{known:,}, as it has on {origin.assembly}"
        else:
            part = self.end - self.start + 1
            fits = length == part or (self.start > 1 and length >= self.end)
            expected = f"{part:,}, as its header says"
        if not fits:
            raise SourceError(
                f"{file}: the sequence {self.name} has {length:,} bases; expected {expected}.",
                hint=_OTHER_MIRROR,
                code="length",
            )


@dataclass(frozen=True)
class WrittenSequence:
    """A file of the store, its bases, and how many letters became N though they are neither N nor a base."""

    path: Path
    num_bases: int
    num_other: int


def convert_fasta(
    path: Path,
    name: str,
    chromosome: str,
    folder: Path,
    origin: Origin,
    *,
    sha256: str | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, WrittenSequence]:
    """Write the sequences of a FASTA file, each to a file of its own.

    Parameters
    ----------
    path, name : Path, str
        The gzip file, and its name for messages.
    chromosome : str
        The one sequence it must hold; ``all`` for any.
    folder, origin : Path, Origin
        Of the store; where the file says of what species and assembly it is, it must be of these.
    sha256 : str, optional
        Of the file that was verified; it is compared with what is read.
    progress : callable
        Called with the number of compressed bytes read since the last call.

    Returns
    -------
    dict of str to WrittenSequence
        By the sequence's name.

    Raises
    ------
    SourceError
        Where the file is cut, or does not hold exactly the sequences expected.
    """
    written: dict[str, WrittenSequence] = {}
    writer: SequenceWriter | None = None
    current = _Title("")
    with open_expanded(path, name, progress, sha256) as text:
        for title, bases in _read_records(text, name):
            if title is None and writer is None:
                raise SourceError(f"{name}, line 1: expected a FASTA record, found {bases[:60]!r}.")
            if title is not None:
                if writer is not None:
                    written[current.name] = _finish(writer, current, origin, folder, name)
                current = title
                _check_title(title.name, chromosome, written, name)
                title.check_assembly(origin.assembly, name)
                writer = SequenceWriter(folder, FileIdentity.of(origin, title.name, "sequence"))
            assert writer is not None
            writer.add(bases)
    if writer is None:
        raise SourceError(f"{name}, line 1: expected a FASTA record, found nothing.")
    written[current.name] = _finish(writer, current, origin, folder, name)
    return written


def _finish(
    writer: SequenceWriter, title: _Title, origin: Origin, folder: Path, name: str
) -> WrittenSequence:
    num_bases = writer.finish()
    title.check_length(num_bases, origin, name)
    path = folder / FileIdentity.of(origin, title.name, "sequence").file_name
    return WrittenSequence(path, num_bases, writer.num_other)


def _check_title(title: str, chromosome: str, written: Collection[str], name: str) -> None:
    if chromosome not in ("all", title):
        if written:
            raise SourceError(f"{name}: more than one sequence; expected {chromosome} only.")
        raise SourceError(
            f"{name}, line 1: expected a FASTA record of {chromosome}, found {title[:60]!r}."
        )
    if title in written or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", title):
        problem = "stands there twice" if title in written else "is not a plain name"
        raise SourceError(f"{name}: the sequence {title[:60]!r} {problem}.")


def _read_records(text: BinaryIO, name: str) -> Iterator[tuple[_Title | None, bytes]]:
    """Yield (title or None where the last sequence goes on, upper-case bases)."""
    rest = b""
    while piece := text.read(READ_BYTES):
        data = rest + piece
        # A header that is not whole yet waits for the next piece.
        last = data.rfind(b"\n") + 1
        whole = last if data.startswith(b">", last) else len(data)
        rest = data[whole:]
        if len(rest) > _MAX_HEADER_BYTES:
            raise SourceError(f"{name}: a header line is longer than {_MAX_HEADER_BYTES} bytes.")
        yield from _split_records(data[:whole], name)
    if rest:
        yield from _split_records(rest + b"\n", name)


def _split_records(data: bytes, name: str) -> Iterator[tuple[_Title | None, bytes]]:
    title: _Title | None = None
    begin = 0
    for match in _HEADER.finditer(data):
        if match.start() and data[match.start() - 1] != ord("\n"):
            continue
        if match.start() > begin or title is not None:
            yield title, _clean(data[begin : match.start()], name)
        title = _Title.parse(match[1])
        begin = match.end()
    if begin < len(data) or title is not None:
        yield title, _clean(data[begin:], name)


def _clean(text: bytes, name: str) -> bytes:
    bases = text.translate(_UPPER, b"\r\n")
    letters = np.frombuffer(bases, np.uint8)
    # As `isalpha` says, in a sixth of the time.
    if bases and (letters.min() < ord("A") or letters.max() > ord("Z")):
        odd = bases.translate(None, _LETTERS)
        raise SourceError(f"{name}: not a FASTA file: {odd[:1]!r} is no letter.")
    return bases
