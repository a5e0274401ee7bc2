"""Where a run that was killed may have left temporary files: looked through by every command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Where the pipeline writes; see dvc.yaml. Imported by each command, so nothing heavy is here.
_WRITTEN = ("data", "metrics")


def output_folders(folder: Path) -> Iterator[Path]:
    """Yield the folder and, where it is in a repository of DVC, those that the pipeline writes to."""
    yield folder
    here = folder.resolve()
    project = next((root for root in (here, *here.parents) if (root / ".dvc").is_dir()), None)
    if project is None:
        return
    yield project
    for name in _WRITTEN:
        for parent, _, _ in os.walk(project / name):
            yield Path(parent)
