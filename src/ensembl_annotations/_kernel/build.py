"""Compile the kernel's library, with the system's C compiler or with the one that ziglang brings.

Run as a program it compiles beside the sources, as an editable install needs it:
``python src/ensembl_annotations/_kernel/build.py``. It imports nothing of the package, which need not
be installed yet, and what only compiling needs where it is needed: every run asks `is_current`.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path

FOLDER = Path(__file__).parent
LIBRARY = "libkernel.dylib" if sys.platform == "darwin" else "libkernel.so"
# No -march: a cluster's nodes differ. What processors differ in is chosen when it runs.
_FLAGS = ["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-DNDEBUG"]
# Of 2012: older than any Linux that the pinned packages have wheels for.
_ZIG_GLIBC = "2.17"


class BuildError(Exception):
    """There is no compiler, or it fails."""


def compiler() -> list[str]:
    """Return the command of a C compiler.

    Raises
    ------
    BuildError
        Where there is none; says how to get one.
    """
    import importlib.util
    import platform
    import shlex
    import shutil

    if named := os.environ.get("CC"):
        return shlex.split(named)
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError(
            "No C compiler: expected cc on the PATH, or the package ziglang. Install a compiler "
            "(Debian: apt-get install gcc libc6-dev), or run 'make', which brings ziglang."
        )
    zig = [sys.executable, "-m", "ziglang", "cc"]
    if sys.platform != "linux":
        return zig
    return [*zig, "-target", f"{platform.machine()}-linux-gnu.{_ZIG_GLIBC}", "-mcpu=baseline"]


def sources_digest() -> str | None:
    """Return the SHA-256 of what a library is made from; None where the sources are not here, as in a wheel."""
    # Not by a pattern of each: that takes longer than to read them.
    found = FOLDER.iterdir()
    paths = sorted(path for path in found if path.name.endswith((".c", ".h", "build.py")))
    if not any(path.suffix == ".c" for path in paths):
        return None
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def is_current(library: Path) -> bool:
    """Tell whether a library is there that was made from the sources that are here."""
    digest = sources_digest()
    return library.exists() and (digest is None or digest.encode() in library.read_bytes())


def build(folder: Path = FOLDER) -> Path:
    """Compile the library into a folder and return its path; a half-written one is never seen.

    Raises
    ------
    BuildError
        Where the compiler fails, which says why.
    """
    import shlex
    import subprocess

    target = folder / LIBRARY
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{LIBRARY}.{os.getpid()}.{threading.get_ident()}.tmp"
    sources = sorted(str(path) for path in FOLDER.glob("*.c"))
    made_from = f'-DSOURCES="{sources_digest()}"'
    command = [*compiler(), *_FLAGS, made_from, "-o", str(temporary), *sources]
    try:
        if subprocess.run(command, check=False).returncode:
            raise BuildError(
                f"The kernel can't be compiled; the command was: {shlex.join(command)}"
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def wheel_tag() -> tuple[str, str, str]:
    """Return the tag of a wheel: any Python 3, for this platform alone."""
    import sysconfig

    name = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return "py3", "none", name


if __name__ == "__main__":
    try:
        build()
    except BuildError as error:
        sys.exit(str(error))
