"""The program `dvc`, without its advice on git and `dvc push`, and with few lines for many stages.

Run in a process of its own by `dvc.py`. What is to be committed `materialize` says itself; annotated
genomes are never pushed, and the reference by `publish`. Of stages those that run are named, up to a number.
"""

import logging
import os
import sys
from typing import Any

from dvc.cli import main
from dvc.ui import ui

from ensembl_annotations.common.logs import QUIET_VARIABLE

_PUSH = "Use `dvc push`"

MOST_STAGES = 8

_write = ui.write


def _write_all_but_advice(*objects: Any, **options: Any) -> None:
    if not (objects and str(objects[0]).startswith(_PUSH)):
        _write(*objects, **options)


class _Brief(logging.Filter):
    """Leaves out stages that did not change, their commands, and from some number on those that run."""

    num_running = 0

    def filter(self, record: logging.LogRecord) -> bool:
        text = str(record.msg)
        if text.startswith("Running stage "):
            self.num_running += 1
            if self.num_running == MOST_STAGES + 1:
                # What they say of what happens, too; what must be known is printed.
                os.environ[QUIET_VARIABLE] = "1"
                record.msg, record.args = "… and more stages", ()
            return self.num_running <= MOST_STAGES + 1
        return bool(text) and not (
            text.endswith("didn't change, skipping")
            or text.startswith(("%s %s", "Updating lock file", "Generating lock file"))
        )


if __name__ == "__main__":
    brief = _Brief()
    # A logger's filter sees only what is logged with its own name.
    for name in ("stage", "stage.run", "dvcfile", "repo.reproduce"):
        logging.getLogger(f"dvc.{name}").addFilter(brief)
    logging.getLogger("dvc.repo.scm_context").setLevel(logging.WARNING)
    ui.write = _write_all_but_advice
    sys.exit(main())
