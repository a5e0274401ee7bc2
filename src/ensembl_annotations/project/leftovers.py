"""Where a run that was killed may have left temporary files, and folders of shares: looked for by those that follow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ensembl_annotations.common.atomic import Outputs, remove_leftovers
from ensembl_annotations.project.paths import WRITTEN, find_root

_SHARES = Path(".dvc/tmp")
_SHARE = "shard-"


def output_folders(folder: Path) -> Iterator[Path]:
    """Yield the folder and, where it is in a repository of DVC, those that the pipeline writes to."""
    yield folder
    if (root := find_root(folder.resolve())) is None:
        return
    yield root
    for name in WRITTEN:
        for parent, _, _ in os.walk(root / name):
            yield Path(parent)


@contextmanager
def folder_of_share(root: Path) -> Iterator[Path]:
    """Give a folder for the results of a share, beside DVC's cache, to which they are linked.

    Notes
    -----
    A file in it, locked while the run lives, tells it from what a killed run left behind.
    """
    # Here, since every command imports this module.
    from tempfile import TemporaryDirectory

    (root / _SHARES).mkdir(exist_ok=True)
    remove_left_shares(root)
    with TemporaryDirectory(dir=root / _SHARES, prefix=_SHARE) as name, Outputs() as outputs:
        folder = Path(name)
        outputs.temporary(folder / "share")
        yield folder
        outputs.forget(folder / "share")


def remove_left_shares(root: Path) -> None:
    """Remove the results that killed shares of this machine left behind: genomes that nobody knows of."""
    import shutil

    for folder in (root / _SHARES).glob(f"{_SHARE}*"):
        if remove_leftovers([folder]):
            shutil.rmtree(folder, ignore_errors=True)
