"""Compilers for tests that ask whether and when the kernel is compiled, not how fast it then is."""

from __future__ import annotations

import shlex
from pathlib import Path

from ensembl_annotations._kernel.build import FOLDER, LIBRARY, compiler


def quick_compiler(folder: Path) -> str:
    """Return a value for ``CC``: the compiler that is used here, in a quarter of its time."""
    # The last -O counts.
    return _program(folder / "quick-cc", f'exec {shlex.join(compiler())} "$@" -O0')


def copying_compiler(folder: Path) -> str:
    """Return a value for ``CC`` that compiles nothing: it copies the library that was made of these sources."""
    made = shlex.quote(str(FOLDER / LIBRARY))
    return _program(folder / "copying-cc", f'while [ "$1" != -o ]; do shift; done; cp {made} "$2"')


def _program(path: Path, command: str) -> str:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)
    return str(path)
