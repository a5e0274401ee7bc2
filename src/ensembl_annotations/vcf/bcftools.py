"""Run pysam's bundled bcftools in a process of its own, connected by pipes."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, BinaryIO, cast

from ensembl_annotations.common.errors import PassingInputError
from ensembl_annotations.common.words import one_line

# A process of its own: in ours, bcftools would write to our stdout, and end us where it fails.
_REFUSED = 3
_CODE = f"""
import sys, pysam, pysam.bcftools
try:
    getattr(pysam.bcftools, sys.argv[1])(*sys.argv[2:], catch_stdout=False)
except pysam.SamtoolsError as error:
    print(error, file=sys.stderr)
    sys.exit({_REFUSED})
"""
_SAID_BYTES = 4000


class Bcftools:
    """A bcftools command that reads from a pipe.

    Parameters
    ----------
    arguments : sequence of str
        The command and its arguments.
    stdout : BinaryIO, optional
        An open file for what it writes; without one, `output` is a pipe to read from.

    Attributes
    ----------
    input, output : BinaryIO
        The pipe to it, and the one from it.
    """

    def __init__(self, arguments: Sequence[str], stdout: BinaryIO | None = None) -> None:
        # Most runs read and write no BCF.
        import subprocess
        import tempfile

        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: a pysam.py of the current folder, which may be anybody's, is not imported.
            [sys.executable, "-P", "-c", _CODE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=self._said,
        )
        self.input = cast(BinaryIO, self._process.stdin)
        self.output = cast(BinaryIO, self._process.stdout)

    def failure(self) -> str | None:
        """Wait until it ends; return what it said where it failed, else None.

        Raises
        ------
        PassingInputError
            Where a signal ended it, or Python, such as for lack of memory: that says nothing of a file.
        """
        code = self._process.wait()
        if not code:
            return None
        if code < 0:
            raise PassingInputError(
                f"bcftools was ended by signal {-code}.",
                hint="Run it again; if it was for lack of memory, with more of it.",
                code="killed",
            )
        self._said.seek(0)
        text = self._said.read(_SAID_BYTES).decode("utf-8", "replace")
        if code != _REFUSED:
            raise PassingInputError(
                f"bcftools could not be run: {one_line(text)[-500:] or f'exit code {code}'}",
                hint="Run it again; if it was for lack of memory, with more of it.",
                code="no_bcftools",
            )
        lines = [line for line in text.splitlines() if re.match(r"\[[EW]::", line)]
        found = re.search(r"stderr=(?:Error: )?(.*?)(?:\\n)?'?\s*$", text)
        said = "; ".join(dict.fromkeys([*lines[:2], *lines[-1:]])) or (found[1] if found else text)
        return f"bcftools: {one_line(said)[:500]}"

    def __enter__(self) -> Bcftools:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it if it still runs."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
