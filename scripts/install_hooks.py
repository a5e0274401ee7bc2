"""Install git's hooks with pre-commit, which keeps a hook that is there already and runs it first."""

import subprocess
import sys

from pre_commit.main import main

prefix = subprocess.run(
    ["git", "rev-parse", "--show-prefix"], stdout=subprocess.PIPE, text=True, check=True
).stdout.rstrip("\n")
# pre-commit writes the path of its Python into a hook, from where git starts it at the top of the
# repository. This one works in each checkout (worktree) with its own .venv, and says so if there is none.
sys.executable = f"{prefix}scripts/pre-commit"
sys.exit(main(["install"]))
