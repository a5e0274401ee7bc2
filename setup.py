"""Compile the kernel when a wheel or an editable install is made; all else is in pyproject.toml."""

import runpy
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

KERNEL = Path("src", "ensembl_annotations", "_kernel")
# By its path: the package's own imports are not there yet.
BUILD = runpy.run_path(str(KERNEL / "build.py"))


class BuildPy(build_py):
    """Put the library beside the modules: in the sources for an editable install."""

    def run(self) -> None:
        super().run()
        in_wheel = Path(self.build_lib, *KERNEL.parts[1:])
        BUILD["build"](KERNEL if self.editable_mode else in_wheel)


class BdistWheel(bdist_wheel):
    """Name the wheel after the platform, and after no version of Python, which the library does not know."""

    def get_tag(self) -> tuple[str, str, str]:
        return BUILD["wheel_tag"]()


class Compiled(Distribution):
    """A distribution that is not the same on all platforms."""

    def has_ext_modules(self) -> bool:
        return True


setup(distclass=Compiled, cmdclass={"build_py": BuildPy, "bdist_wheel": BdistWheel})
