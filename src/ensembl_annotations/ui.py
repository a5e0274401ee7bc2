"""`dagster-ui`: starts Dagster's UI of the repository, for this machine only."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path

from ensembl_annotations.project.paths import find_root


def main() -> None:
    """Start the UI in the place of this process; its history is in ``.dagster``."""
    parser = ArgumentParser(prog="dagster-ui", description="Start the asset UI (Dagster).")
    parser.add_argument("-p", "--port", type=int, default=3000, help="default: 3000")
    port = parser.parse_args().port
    root = find_root(Path())
    if root is None:
        parser.error(f"{Path.cwd()} is in no repository of the pipeline; run it in a clone.")
    if find_spec("dagster_webserver") is None:
        parser.error("Dagster is not installed; run 'make ui' or 'uv run dagster-ui'.")
    os.chdir(root)
    # Its dagster.yaml lets one run at a time start, which DVC needs.
    os.environ["DAGSTER_HOME"] = str(Path.cwd() / ".dagster")
    print(f"The asset UI is at http://127.0.0.1:{port} in a moment; Ctrl-C ends it.", flush=True)
    dagster = ["dagster", "dev", "-m", "ensembl_annotations.assets", "-h", "127.0.0.1"]
    # The sensor would print two lines every few seconds.
    options = ["-p", str(port), "--log-level", "warning"]
    os.execv(sys.executable, [sys.executable, "-m", *dagster, *options])
