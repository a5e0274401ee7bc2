"""Python programs that start at once: forked from a process that has imported the libraries.

Importing DVC, polars and pyarrow takes a second, and a run of the pipeline starts five processes
that do. A *server* imports them once. The *programs* in its folder (`dvc`, `python3`, ...) hand
arguments, folder, variables and streams to it; it forks, and the new process does what Python
would have done.

The server imports this project's own modules, too. A program whose PYTHONPATH names another source, as
each project of a test has one, takes them for those only if each of their files is the same there.

What gets signals, has limits or is asked for its children needs the real programs.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

REAL_PROGRAMS = Path(sys.executable).parent

# What commands of DVC, the stages and our command line import, and S3's part of DVC. Not pygit2:
# it remembers the HOME of the process that imports it.
_LIBRARIES = """
aiobotocore.session annotated_types click configobj deflate detect_secrets.core.baseline
detect_secrets.core.scan difflib dulwich.ignore dulwich.trailers dulwich.worktree dvc._debug
dvc.cachemgr dvc.cli.parser dvc.data_cloud dvc.dependency dvc.dirs dvc.lock dvc.repo.artifacts
dvc.repo.brancher dvc.repo.commit dvc.repo.datasets dvc.repo.gc dvc.repo.graph dvc.repo.index
dvc.repo.metrics.show dvc.repo.open_repo dvc.repo.params dvc.repo.plots dvc.repo.push
dvc.repo.reproduce dvc.repo.stage dvc.repo.status dvc.repo.trie dvc.repo.worktree dvc.rwlock
dvc.stage.run dvc.stage.serialize dvc.ui.table dvc.utils.diff dvc.utils.strictyaml dvc_data.fs
dvc_data.hashfile.db.index dvc_data.hashfile.db.local dvc_data.hashfile.gc dvc_data.hashfile.state
dvc_data.hashfile.status dvc_data.index.checkout dvc_data.index.push dvc_render.plotly
dvc_render.vega dvc_render.vega_templates dvc_s3 filelock flatten_dict
fsspec.implementations.dirfs fsspec.implementations.memory isal jinja2 networkx numpy.ma
numpy.typing polars pre_commit.main psutil pyarrow.compute pyarrow.dataset pyarrow.parquet
pydantic.fields pydantic.main pydantic.plugin._loader pydantic.types pydoc pyparsing requests
rich.traceback ruamel.yaml s3fs tabulate unittest yaml
"""

# Of this project: the source, and what programs of it start with. The others are of Dagster and for DVC.
_PACKAGE = "ensembl_annotations"
_SOURCE = Path(__file__).resolve().parents[2] / "src"
_NOT_IMPORTED = ("assets.py", "dvc_program.py", "ui.py")
# What DVC reads of a project.
_FILES = """
.dvc/config .dvcignore .gitignore dvc.lock dvc.yaml params.yaml src/ensembl_annotations/versions.py
"""

_SIZE_BYTES = 8

# The programs; those of git's hooks, too.
_NAMES = (
    "dagster-ui", "detect-secrets", "dvc", "ensembl-annotations", "pre-commit", "python", "python3",
)  # fmt: skip
# Libraries read these variables when they are imported or first used: then the real program runs. So it does for
# options of Python that decide how it starts.
_PROGRAM = """\
#!/bin/sh
[ -z "${{OMP_NUM_THREADS-}}${{POLARS_FORCE_PKG-}}${{POLARS_MAX_THREADS-}}" ] || exec '{real}' "$@"
case {name}${{1-}} in python-[!Pcm]* | python3-[!Pcm]*) exec '{real}' "$@" ;; esac
exec '{client}' '{address}' '{name}' "$@"
"""


@cache
def programs(*libraries: str) -> Path:
    """Start the server of this process; return the folder of its programs, for PATH: the `bin` of an environment.

    One for each set of libraries that it imports in addition. The real programs, where the system is
    not Linux.
    """
    if not hasattr(os, "pidfd_open"):
        return REAL_PROGRAMS
    # The server imports the package from where this file is.
    from ensembl_annotations._kernel.build import compiler

    top = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, top, ignore_errors=True)
    (top / "lib").symlink_to(REAL_PROGRAMS.with_name("lib"))
    folder = top / "bin"
    folder.mkdir()
    address = folder / "socket"
    client = folder / "client"
    source = Path(__file__).with_name("warm_client.c")
    subprocess.run([*compiler(), "-O1", "-o", client, source], check=True)
    for name in _NAMES:
        text = _PROGRAM.format(real=REAL_PROGRAMS / name, client=client, address=address, name=name)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    # The server ends when its input does: with this process. It is a Python without the user's options
    # (PYTHONDONTWRITEBYTECODE, ...), which multiprocessing would hand on to these programs as arguments.
    server = subprocess.Popen(
        [sys.executable, __file__, address, *libraries],
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return folder


def _serve(address: str, *libraries: str) -> dict[str, Any] | None:
    """Fork for each request. Returns it in the new process, and None here at the end."""
    for name in (*_LIBRARIES.split(), *libraries):
        import_module(name)
    _import_own()
    _warm_up()
    _keep_descriptions()
    # It keeps its parser, which takes a third as long as a short command.
    import_module("dvc.cli.parser").get_main_parser()
    sys.path.pop(0)  # The folder of this file.
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # By the descriptor of a process: its number, and who waits for it.
    running: dict[int, tuple[int, socket.socket]] = {}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        print("ready", flush=True)
        while True:
            waiting = [connection for _, connection in running.values() if connection.fileno() >= 0]
            ready, _, _ = select.select([listening, sys.stdin, *running, *waiting], [], [])
            if sys.stdin in ready:
                return None
            for handle in running.keys() & set(ready):
                _tell_end(*running.pop(handle))
                os.close(handle)
            for child, connection in running.values():
                if connection in ready:
                    os.kill(child, signal.SIGTERM)  # Whoever waited for it is gone.
                    connection.close()
            if listening in ready:
                connection, _ = listening.accept()
                text, streams = _receive(connection)
                child = os.fork()
                if child == 0:
                    for kept in (listening, connection, *(other for _, other in running.values())):
                        kept.close()
                    for handle in running:
                        os.close(handle)
                    return _take_over(text, streams)
                for stream in streams:
                    os.close(stream)
                running[os.pidfd_open(child)] = child, connection


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return the text of a request, and its streams."""
    text, streams, _, _ = socket.recv_fds(connection, 1 << 16, 64)
    while len(text) < _SIZE_BYTES + int.from_bytes(text[:_SIZE_BYTES], "big"):
        more = connection.recv(1 << 16)
        if not more:  # Whoever asked is gone.
            break
        text += more
    return text, streams


def _tell_end(child: int, connection: socket.socket) -> None:
    _, status = os.waitpid(child, 0)
    with suppress(OSError), connection:
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _take_over(text: bytes, streams: list[int]) -> dict[str, Any]:
    """Return a request in the process that does it, with its streams."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fields = iter(text[_SIZE_BYTES:-1].split(b"\0"))
    request = {
        "umask": int(next(fields)),
        "folder": os.fsdecode(next(fields)),
        "streams": [int(next(fields)) for _ in range(int(next(fields)))],
        "arguments": [os.fsdecode(next(fields)) for _ in range(int(next(fields)))],
        "variables": dict(field.partition(b"=")[::2] for field in fields),
    }
    # Out of the way of the numbers that they get.
    moved = [fcntl.fcntl(stream, fcntl.F_DUPFD, 1000) for stream in streams]
    for stream in streams:
        os.close(stream)
    for stream, number in zip(moved, request["streams"], strict=True):
        os.dup2(stream, number)
        os.close(stream)
    return request


_own: dict[str, bytes] = {}
"""What the files of this project's modules had that the server has imported, by their paths in the source."""

_places: list[tuple[dict[str, Any], str, type, str]] = []
"""Where these modules, and what they were imported by, have paths in the source: inside it, and of which type."""


def _import_own() -> None:
    sys.path.insert(0, str(_SOURCE))
    for path in sorted((_SOURCE / _PACKAGE).rglob("*")):
        inner = path.relative_to(_SOURCE)
        if path.suffix in (".css", ".j2", ".py") and path.name not in _NOT_IMPORTED:
            _own[str(inner)] = path.read_bytes()
        if path.suffix == ".py" and str(inner) in _own:
            import_module(".".join(inner.with_suffix("").parts).removesuffix(".__init__"))
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{_PACKAGE}.")]:
        _find_places(sys.modules[name])
    page = import_module(f"{_PACKAGE}.report.page")
    # It keeps them compiled, which takes longer than to fill them in.
    for name in _own:
        if name.endswith(".j2"):
            page._environment().get_template(name.removeprefix(f"{_PACKAGE}/"))
    sys.path.pop(0)


def _find_places(module: ModuleType) -> None:
    spec, own = module.__spec__, str(_SOURCE)
    assert spec is not None
    for place in (vars(module), vars(spec), vars(spec.loader)):
        for name, value in place.items():
            if name in ("__path__", "submodule_search_locations") and value:
                (folder,) = value
                _places.append((place, name, list, folder.removeprefix(own)))
            elif isinstance(value, str | Path) and str(value).startswith(own):
                _places.append((place, name, type(value), str(value).removeprefix(own)))


def _warm_up() -> None:
    """Have what DVC compiles when it first looks at a project, schemas and patterns, kept in the server."""
    with tempfile.TemporaryDirectory() as folder:
        for name in _FILES.split():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_SOURCE.parent / name, Path(folder, name))
        import_module("dulwich.repo").Repo.init(folder).close()
        # Its programs get their own variables.
        os.environ.update(
            {f"DVC_{kind}_DIR": folder for kind in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
        )
        # What is wrong in these files the tests say.
        with suppress(Exception):
            assert import_module(f"{_PACKAGE}.project.dvc").Dvc(Path(folder)).index.graph


def _keep_descriptions() -> None:
    """Have what the client of S3 reads of the services that there are read once, in the server."""
    loaders = import_module("botocore.loaders")
    loaders.create_loader = cache(loaders.create_loader)
    session = import_module("botocore.session").Session()
    session.set_credentials("none", "none")
    session.create_client("s3", region_name="us-east-1").close()


def _take_own() -> None:
    """Have this project's modules be those of the source that `sys.path` names."""
    found = PathFinder.find_spec(_PACKAGE)
    source = str(Path(found.origin).parents[1]) if found and found.origin else ""
    try:
        is_same = all(_content(f"{source}/{name}") == text for name, text in _own.items())
    except OSError:
        is_same = False
    if is_same:
        for place, name, kind, inner in _places:
            place[name] = [source + inner] if kind is list else kind(source + inner)
    else:
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{_PACKAGE}.")]:
            del sys.modules[name]


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (which takes twice as long)
        return file.readall()


def _run(request: dict[str, Any]) -> None:
    """Do what Python does that was started with these arguments."""
    os.environ.clear()
    for key, value in request["variables"].items():
        os.environ[os.fsdecode(key)] = os.fsdecode(value)
    os.chdir(request["folder"])
    os.umask(request["umask"])
    sys.executable = str(Path(sys.argv[1]).with_name("python3"))
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    name, *arguments = request["arguments"]
    if name == "dvc":
        arguments = ["-m", "dvc", *arguments]
    elif not name.startswith("python"):
        arguments = [str(REAL_PROGRAMS / name), *arguments]
    # With -P the folder of what is run is not looked into for modules.
    is_safe = arguments[0] == "-P"
    first, *rest = arguments = arguments[is_safe:]
    if first[:2] in ("-m", "-c") and first[2:]:  # As in -mpre_commit.
        first, *rest = first[:2], first[2:], *rest
    if not is_safe:
        folders = {"-m": request["folder"], "-c": ""}
        sys.path.insert(0, folders.get(first, str(Path(first).resolve().parent)))
    _take_own()
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        runpy.run_path(first, run_name="__main__")


def _exit_code(request: dict[str, Any]) -> int:
    """Run it to its end, as Python does; only its memory is left to the system."""
    code: object = 0
    try:
        _run(request)
    except SystemExit as end:
        code = end.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0)  # type: ignore[call-overload]


if __name__ == "__main__":
    wanted = _serve(*sys.argv[1:])
    if wanted is not None:
        os._exit(_exit_code(wanted) & 0xFF)
