"""Where a run that was killed may have left temporary files: looked through by every command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ensembl_annotations.project.paths import WRITTEN, find_root


def output_folders(folder: Path) -> Iterator[Path]:
    """Yield the folder and, where it is in a repository of DVC, those that the pipeline writes to."""
    yield folder
    if (root := find_root(folder.resolve())) is None:
        return
    yield root
    for name in WRITTEN:
        for parent, _, _ in os.walk(root / name):
            yield Path(parent)
