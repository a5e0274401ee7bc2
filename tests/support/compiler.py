"""A compiler for tests that ask whether and when the kernel is compiled, not how fast it then is."""

from __future__ import annotations

import shlex
from pathlib import Path

from ensembl_annotations._kernel.build import compiler


def quick_compiler(folder: Path) -> str:
    """Return a value for ``CC``: the compiler that is used here, in a quarter of its time."""
    path = folder / "quick-cc"
    # The last -O counts.
    path.write_text(f'#!/bin/sh\nexec {shlex.join(compiler())} "$@" -O0\n')
    path.chmod(0o755)
    return str(path)
