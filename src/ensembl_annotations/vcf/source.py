"""The text of a VCF or BCF, whatever holds it, read once from its beginning to its end."""

from __future__ import annotations

import io
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    InputError,
    PassingInputError,
    explain_os_error,
)
from ensembl_annotations.common.metrics import stamp_of
from ensembl_annotations.vcf.bcftools import Bcftools
from ensembl_annotations.vcf.bgzf import (
    EOF_BLOCK,
    GZIP_ERRORS,
    has_eof_block,
    is_bgzf,
    open_gzip,
)

if TYPE_CHECKING:
    from ensembl_annotations.vcf.blocks import Blocks

STDIN = Path("-")
_HEAD_BYTES = 18
_STEP_BYTES = 1 << 20
_MOST_STEPS_CHECKED = 64
_PATIENCE_SEC = 2


class Source:
    """A VCF (plain, gzip or BGZF) or a BCF, from a file, a pipe, or standard input for ``-``.

    Parameters
    ----------
    path : Path
    part : Blocks, optional
        Give only the lines of this part of a BGZF file.

    Attributes
    ----------
    name : Path
        For messages.

    Raises
    ------
    InputError
        On opening or while reading: where it can't be read, or is cut or corrupt.

    Notes
    -----
    What a file is, its first bytes tell, not its name. That a BGZF file is complete is known
    on opening for a regular file, else at its end.
    """

    def __init__(self, path: Path, part: Blocks | None = None) -> None:
        self.name = Path("standard input") if path == STDIN else path
        self._open = ExitStack()
        self._bcf: Bcftools | None = None
        self._feeder: threading.Thread | None = None
        self._feeder_error: EnsemblAnnotationsError | None = None
        self._is_bgzf = self._is_packed = False
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        try:
            with self._explained():
                self._text = self._opened(path) if part is None else self._opened_part(part)
        except BaseException:
            self.close()
            raise

    def fail(self, message: str, hint: str | None = None) -> InputError:
        return InputError(f"{self.name}: {message}", hint=hint)

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        with self._explained():
            data = self._text.read(size)
            if len(data) < size:
                self._end()
            return data

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line; empty at the end."""
        with self._explained():
            line = self._text.readline(limit)
            if not line.endswith(b"\n") and len(line) != limit:
                # Before anybody takes the cut line of a bcftools that was killed for what the VCF has.
                self._end()
            return line

    @property
    def num_read(self) -> int:
        """Bytes read so far, as they are packed."""
        return self._raw.num_read

    def check_unchanged(self) -> None:
        """Refuse a file that is no longer what was opened; streams can't be looked at again.

        Raises
        ------
        PassingInputError
            Where it was written to, replaced or removed meanwhile: what was read is not what it has.
        """
        if self._stamp is not None and stamp_of(self._path) != self._stamp:
            raise PassingInputError(
                f"{self.name}: changed while it was read: expected the file as it was opened, found "
                "another size, time or file there.",
                hint="Run it again when the file is complete; nothing was written under a final name.",
                code="changed",
            )

    def check_packed(self) -> None:
        """Unpack more of a gzip file: behind a wrong byte there is nonsense long before the checksum.

        Raises
        ------
        InputError
            Where it is cut or corrupt.
        """
        if not self._is_packed or self._stamp is None or self._bcf is not None:
            return
        with self._explained():
            for _ in range(_MOST_STEPS_CHECKED):
                if not self._text.read(_STEP_BYTES):
                    break

    def close(self) -> None:
        if self._bcf is not None and self._feeder is not None:
            self._bcf.close()
            # Where it waits for a pipe that nobody writes to, it ends with this process.
            self._feeder.join(_PATIENCE_SEC)
        self._open.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except GZIP_ERRORS as error:
            raise self.fail(
                f"the gzip data are cut or corrupt ({error}).",
                "Copy or make the file again; nothing was written.",
            ) from error
        except FileNotFoundError as error:
            raise self.fail("no such file; expected a VCF.", "Check the path.") from error
        except OSError as error:
            raise explain_os_error(error, self.name, "reading") from error

    def _opened(self, path: Path) -> BinaryIO:
        if path != STDIN and path.is_dir():
            raise self.fail("is a folder; expected a VCF file.")
        if path == STDIN and (sys.stdin is None or sys.stdin.isatty()):
            found = "closed" if sys.stdin is None else "a terminal"
            raise self.fail(f"is {found}; expected a VCF.", "Give a file or a pipe.")
        handle = sys.stdin.buffer if path == STDIN else self._open.enter_context(path.open("rb"))
        if path != STDIN and stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            self._stamp = stamp_of(handle.fileno())
        head = handle.read(_HEAD_BYTES)
        if not head:
            raise self.fail("is empty; expected a VCF.")
        self._is_bgzf = is_bgzf(head)
        if self._is_bgzf and path != STDIN and path.is_file() and not has_eof_block(path):
            raise self._cut_short()
        self._raw = _Watched(cast(io.BufferedReader, handle), head)
        text = cast(BinaryIO, io.BufferedReader(self._raw, _STEP_BYTES))
        self._is_packed = head[:2] == b"\x1f\x8b"
        if self._is_packed:
            text = self._open.enter_context(open_gzip(text))
        begin = text.peek(3)[:3]  # type: ignore[attr-defined]
        return self._converted(text) if begin == b"BCF" else text

    def _opened_part(self, part: Blocks) -> BinaryIO:
        # Here, since only the workers of a cluster read parts.
        from ensembl_annotations.vcf.blocks import PartText

        handle = self._open.enter_context(self._path.open("rb", _STEP_BYTES))
        self._stamp = stamp_of(handle.fileno())
        return cast(BinaryIO, io.BufferedReader(PartText(handle, part), _STEP_BYTES))

    @property
    def can_be_cut(self) -> bool:
        """Tell whether parts of it can be read independently: of a BGZF file, not of a stream or a BCF."""
        return self._is_bgzf and self._bcf is None and self._stamp is not None

    def parts(self, header_bytes: int, text_bytes: int) -> list[Blocks]:
        """Return its parts of about so much text; see `cut_parts`."""
        from ensembl_annotations.vcf.blocks import cut_parts

        with self._explained():
            return cut_parts(self._path, header_bytes, text_bytes)

    def _converted(self, bcf: BinaryIO) -> BinaryIO:
        """Return the text of a BCF, decompressed already, as bcftools writes it."""
        self._bcf = self._open.enter_context(Bcftools(["view", "--no-version", "-Ov", "-"]))
        self._feeder = threading.Thread(target=self._feed, args=(bcf, self._bcf.input), daemon=True)
        self._feeder.start()
        return self._bcf.output

    def _feed(self, source: BinaryIO, target: BinaryIO) -> None:
        try:
            with self._explained():
                while data := source.read(_STEP_BYTES):
                    try:
                        target.write(data)
                    except (OSError, ValueError):
                        return  # It has failed, and says why, or we have.
                self._check_complete()
        except EnsemblAnnotationsError as error:
            self._feeder_error = error
        except ValueError:
            return  # Closed, because we have failed.
        finally:
            with suppress(OSError):
                target.close()

    def _end(self) -> None:
        """Check at the end of the text that this is the end of the whole file."""
        if self._bcf is None or self._feeder is None:
            self._check_complete()
            return
        failure = self._bcf.failure()
        self._feeder.join()
        if self._feeder_error is not None:
            raise self._feeder_error
        if failure is not None:
            raise self.fail(f"the BCF can't be read ({failure}).", "Copy or make the file again.")

    def _check_complete(self) -> None:
        if self._is_bgzf and self._raw.tail != EOF_BLOCK:
            raise self._cut_short()

    def _cut_short(self) -> InputError:
        return self.fail(
            "is cut short: the BGZF end-of-file block is missing.",
            "Copy or make the file again; nothing was written.",
        )


class _Watched(io.RawIOBase):
    """A stream whose first bytes were read already, and whose last ones are kept."""

    def __init__(self, handle: io.BufferedReader, head: bytes) -> None:
        self._handle, self._head = handle, head
        self.tail = b""
        self.num_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        # What a pipe has, not all that is asked for: a signal is seen between two reads only.
        data = self._head[: len(buffer)] or self._handle.read1(len(buffer))
        self._head = self._head[len(data) :] if self._head else b""
        buffer[: len(data)] = data
        self.num_read += len(data)
        if data:
            self.tail = (self.tail + data[-len(EOF_BLOCK) :])[-len(EOF_BLOCK) :]
        return len(data)
