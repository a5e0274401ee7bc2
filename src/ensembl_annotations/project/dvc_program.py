"""The program `dvc`, without its advice on git and `dvc push`.

Run in a process of its own by `dvc.py`. What is to be committed `materialize` says itself; annotated
genomes are never pushed, and the reference by `publish`.
"""

import logging
import sys
from typing import Any

from dvc.cli import main
from dvc.ui import ui

_PUSH = "Use `dvc push`"

_write = ui.write


def _write_all_but_advice(*objects: Any, **options: Any) -> None:
    if not (objects and str(objects[0]).startswith(_PUSH)):
        _write(*objects, **options)


if __name__ == "__main__":
    logging.getLogger("dvc.repo.scm_context").setLevel(logging.WARNING)
    ui.write = _write_all_but_advice
    sys.exit(main())
