"""Programs that are forked do what Python started anew does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.warm import REAL_PROGRAMS, programs

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system is not Linux")

TELL = """
import json, os, sys
told = {
    "arguments": sys.argv, "folder": os.getcwd(), "path": sys.path[:2], "name": __name__,
    "variables": dict(os.environ), "input": sys.stdin.read(),
}
print(json.dumps(told))
print("said", file=sys.stderr)
sys.exit(len(sys.argv))
"""

SOURCE = Path(__file__).resolve().parents[2] / "src"
TELL_MODULES = """
import json, sys
from importlib.resources import files
from ensembl_annotations._kernel import build
from ensembl_annotations.common import words
own = {name: module for name, module in sys.modules.items() if name.startswith("ensembl_annotations")}
package = own["ensembl_annotations"]
places = [(0, files("ensembl_annotations")), (1, build.FOLDER), (0, package.__path__[0])]
places.append((0, package.__spec__.submodule_search_locations[0]))
for name in ("_kernel", "common.words"):
    module = own["ensembl_annotations." + name]
    places += [(2, place) for place in (module.__file__, module.__spec__.origin, module.__loader__.path)]
(folder,) = {"/".join(str(place).split("/")[:-depth or None]) for depth, place in places}
print(folder, hasattr(words, "EDITED"))
"""


def run(folder: Path, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "ODD": "\udce4\n", **variables},
        input="given",
        capture_output=True,
        text=True,
        check=False,
    )


def both(folder: Path, *arguments: str, **variables: str) -> list[tuple[int, Any, str]]:
    """Return exit code, what it told and what it said, of the forked Python and the real one."""
    found = []
    for python in (programs() / "python3", REAL_PROGRAMS / "python3"):
        done = run(folder, python, *arguments, **variables)
        told = json.loads(done.stdout) if done.stdout else None
        if told is not None:
            # Of Python, where there is no locale, and of the shell that the program begins with.
            for name in ("LC_CTYPE", "PWD"):
                told["variables"].pop(name, None)
        found.append((done.returncode, told, done.stderr))
    return found


@pytest.mark.parametrize("way", ["script", "safe script", "module", "joined", "text", "isolated"])
def test_a_program_is_run_as_python_runs_it(way: str, tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text(TELL)
    arguments = {
        "script": ["tell.py"],
        "safe script": ["-P", "tell.py"],
        "module": ["-m", "tell"],
        "joined": ["-P", "-mtell"],
        "text": ["-c", TELL],
        "isolated": ["-S", "-s", "tell.py"],
    }[way]
    path = str(tmp_path if way == "joined" else tmp_path / "first")
    forked, real = both(tmp_path, *arguments, "a b", "", PYTHONPATH=path)
    assert forked == real
    assert (forked[0], forked[1]["input"], forked[2]) == (3, "given", "said\n")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import sys; sys.exit('words')", 1),
        ("import sys; sys.exit(None)", 0),
        ("import os; os._exit(7)", 7),
        ("raise KeyError('x')", 1),
        ("import atexit, sys; atexit.register(print, 'end', file=sys.stderr)", 0),
    ],
)
def test_it_ends_as_python_ends(text: str, code: int, tmp_path: Path) -> None:
    forked, real = both(tmp_path, "-c", text)
    assert (forked[0], real[0]) == (code, code)
    assert forked[2].splitlines()[-1:] == real[2].splitlines()[-1:]


def test_the_code_is_that_of_pythonpath(tmp_path: Path) -> None:
    package = tmp_path / "src" / "ensembl_annotations"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "cli.py").write_text("def main():\n    print('of this folder')\n")
    source = str(tmp_path / "src")
    done = run(tmp_path, programs() / "ensembl-annotations", PYTHONPATH=source)
    assert done.stdout == "of this folder\n"
    (package / "cli.py").write_text("def main():\n    print('and edited')\n")
    done = run(tmp_path, programs() / "ensembl-annotations", PYTHONPATH=source)
    assert done.stdout == "and edited\n"


@pytest.mark.parametrize("change", [None, "edited", "removed"])
def test_the_modules_are_those_of_the_source_whether_or_not_they_are_the_same(
    change: str | None, tmp_path: Path
) -> None:
    """The server has imported this project's own: they must be, and look, as if imported from there."""
    source = tmp_path / "src"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    words = source / "ensembl_annotations" / "common" / "words.py"
    if change == "edited":
        words.write_text(words.read_text("utf-8") + "\nEDITED = True\n", "utf-8")
    elif change == "removed":
        words.unlink()
    said = []
    for python in (programs() / "python3", REAL_PROGRAMS / "python3"):
        done = run(tmp_path, python, "-c", TELL_MODULES, PYTHONPATH=str(source))
        said.append((done.returncode, done.stdout, done.stderr.splitlines()[-1:]))
    assert said[0] == said[1]
    code, told, _ = said[0]
    expected = f"{source}/ensembl_annotations {change == 'edited'}\n"
    assert (code, told) == ((1, "") if change == "removed" else (0, expected))


def test_what_is_started_is_forked_too_unless_a_library_would_not_see_its_variable(
    tmp_path: Path,
) -> None:
    text = "import sys; print('polars' in sys.modules, sys.executable)"
    here = str(programs() / "python3")
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {text!r}])"
    assert run(tmp_path, here, "-c", program).stdout == f"True {here}\n"
    real = run(tmp_path, here, "-c", program, POLARS_MAX_THREADS="1").stdout
    assert real == f"False {REAL_PROGRAMS / 'python3'}\n"


def test_what_else_it_is_started_with_is_passed_on() -> None:
    """Such as the pipe by which Dagster ends its processes."""
    reading, writing = os.pipe()
    text = f"import os; os.write({writing}, b'told')"
    subprocess.run([programs() / "python3", "-c", text], pass_fds=[writing], check=True)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"told"


def test_options_of_the_user_s_python_are_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As multiprocessing would, before `-c`; its processes would not start."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    # A server of its own.
    python = programs("colorsys") / "python3"
    text = "import subprocess; print(subprocess._args_from_interpreter_flags())"
    assert run(tmp_path, python, "-c", text).stdout == "[]\n"
