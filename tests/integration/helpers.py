from __future__ import annotations

import compileall
import hashlib
import json
import os
import py_compile
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ensembl_annotations._kernel import build
from ensembl_annotations.common.atomic import atomic_path
from tests.support.warm import REAL_PROGRAMS, programs

REPO = Path(__file__).resolve().parents[2]
LIBRARY = REPO / "src" / "ensembl_annotations" / "_kernel" / build.LIBRARY
STORE = "data/ensembl_annotations"
ANNOTATED = "data/annotated/sample"
REPORTED = "data/reports/sample"
SAMPLE_VCF = "data/vcf/sample.vcf.gz"
DEMO = {
    "ensembl": {
        "source": "mini",
        "release": 116,
        "species": "homo_sapiens",
        "assembly": "GRCh38",
        "chromosomes": "all",
        "fasta": True,
        "genes": True,
        "max_bad_percent": 1,
    },
    "annotate": {
        "level": 1,
        "overwrite_tags": False,
        "assembly": None,
        "match": "allele",
        "tags": "all",
        "id": "append",
        "index": "tbi",
        "transcripts": "pick",
        "genotypes": False,
    },
    "samples": {"sample": {"vcf": SAMPLE_VCF}},
}


@dataclass(frozen=True)
class Done:
    """A command that has ended; `output` is what it printed on both streams."""

    code: int
    output: str

    @property
    def ran(self) -> list[str]:
        return re.findall(r"^Running stage '([^']+)'", self.output, re.MULTILINE)

    def json(self) -> Any:
        return json.loads(self.output)


@dataclass(frozen=True)
class Project:
    """A clone of the repository, and the environment in which its commands run."""

    root: Path
    environment: Mapping[str, str]

    def path(self, relative: str) -> Path:
        return self.root / relative

    def run(self, *command: str | Path, code: int | None = 0, **variables: str) -> Done:
        """Run a command and check its exit code, unless `code` is None."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.root,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert code is None or done.returncode == code, f"{command}\n{done.stdout}"
        return Done(done.returncode, done.stdout)

    def git(self, *arguments: str | Path) -> str:
        return self.run("git", *arguments).output

    def dvc(self, *arguments: str | Path, code: int | None = 0, **variables: str) -> Done:
        return self.run("dvc", *arguments, code=code, **variables)

    def tool(self, *arguments: str | Path, code: int | None = 0, **variables: str) -> Done:
        """Run our command, of the source in this project."""
        source = str(self.root / "src")
        return self.run(
            "ensembl-annotations", *arguments, code=code, PYTHONPATH=source, **variables
        )

    def repro(self, *arguments: str, **variables: str) -> list[str]:
        """Run `dvc repro` and return the stages that it ran, not those that it restored."""
        return self.dvc("repro", *arguments, code=0, **variables).ran

    def materialize(self, *arguments: str, code: int = 0, **variables: str) -> Done:
        return self.tool("materialize", *arguments, code=code, **variables)

    def commit(self) -> Done:
        self.git("add", "--all")
        return self.run("git", "commit", "--quiet", "--allow-empty", "--message", "A change")

    def changed(self) -> list[str]:
        """Return what git sees as changed or new."""
        return self.git("status", "--porcelain", "--untracked-files=all").splitlines()

    def params(self) -> dict[str, Any]:
        content = YAML().load(self.path("params.yaml"))
        assert isinstance(content, dict)
        return content

    def write_params(self, content: Mapping[str, Any]) -> None:
        YAML().dump(content, self.path("params.yaml"))

    def set_param(self, name: str, value: object) -> None:
        content = self.params()
        place = content
        *folders, last = name.split(".")
        for folder in folders:
            place = place[folder]
        place[last] = value
        self.write_params(content)

    def digests(self, relative: str) -> dict[str, str]:
        """Return the digest of every file of a folder."""
        return digests(self.path(relative))

    def metrics(self, name: str) -> dict[str, Any]:
        """Return the figures of a file: the headline, and the details behind it."""
        content = json.loads(self.path(f"metrics/{name}.json").read_bytes())
        assert isinstance(content, dict)
        (details,) = content.pop("details", [{}])
        assert not details.keys() & content.keys()
        return content | details

    def run_records(self) -> dict[str, int]:
        """Return when each file of figures of a run was written: a script that ran wrote one."""
        folder = self.path("metrics/run")
        return {
            str(path.relative_to(folder)): path.stat().st_mtime_ns
            for path in folder.rglob("*.json")
        }

    def copy(self, root: Path) -> Project:
        """Copy everything, DVC's cache too; nothing is shared with this project, not even inodes."""
        command = ["cp", "-a", "--no-preserve=links", self.root, root]
        subprocess.run(command, check=True)
        return Project(root, self.environment)

    def clone(self, root: Path) -> Project:
        """Clone what is committed: no data, no cache, no configuration of this machine."""
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        self.git("clone", "--quiet", *identity, self.root, root)
        # Python looks at their hash of the source: they save the compiling only.
        for compiled in self.path("src").rglob("__pycache__"):
            target = root / compiled.relative_to(self.root)
            if target.parent.is_dir():
                shutil.copytree(compiled, target)
        project = Project(root, self.environment)
        project.add_kernel(self.root)
        return project

    def add_kernel(self, source: Path) -> None:
        """Add the compiled kernel of another checkout, which `make` would compile."""
        library = LIBRARY.relative_to(REPO)
        shutil.copy2(source / library, self.root / library)

    def add_environment(self) -> None:
        """Add a `.venv` whose programs are forked, and else is the one that the tests run in."""
        self.path(".venv").symlink_to(programs().parent)

    def with_real_programs(self) -> Project:
        """Return the same, where every process is started by Python itself: see `warm`."""
        path = os.pathsep.join([str(REAL_PROGRAMS), self.environment["PATH"]])
        return Project(self.root, {**self.environment, "PATH": path})


def install_hooks(project: Project, code: int = 0) -> Done:
    """Run `make hooks` with the environment that the tests run in, instead of one made anew."""
    if not project.path(".venv").exists():
        project.add_environment()
    return project.run("make", "--old-file=.venv/.ready", "hooks", code=code)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def isolated_environment(folder: Path) -> dict[str, str]:
    """Return variables that keep the user's git, DVC and caches out of a test."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "ENSEMBL_ANNOTATIONS_", "GIT_", "PYTHON", "XDG_"))
    }
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    with atomic_path(home / ".gitconfig") as temporary:
        temporary.write_text(
            "[user]\n\tname = Tester\n\temail = tester@example.org\n"
            "[init]\n\tdefaultBranch = main\n[safe]\n\tdirectory = *\n",
            "utf-8",
        )
    return {
        **kept,
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder / "dvc"),
        "ENSEMBL_ANNOTATIONS_CACHE": str(folder / "downloads"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(home),
        "PATH": os.pathsep.join([str(programs()), str(REAL_PROGRAMS), os.environ["PATH"]]),
    }


def commit_working_tree(project: Project) -> Done:
    """Make the project of the checkout that is tested, its uncommitted edits too, committed."""
    project.root.mkdir(parents=True)
    listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in Project(REPO, project.environment).git(*listed).split("\0"):
        source = REPO / name
        if name and source.is_file():
            target = project.path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    project.git("init", "--quiet")
    project.git("config", "user.name", "Tester")
    project.git("config", "user.email", "tester@example.org")
    project.git("add", "--all", "--force")
    done = project.commit()
    # One file to copy instead of hundreds, in each of the copies.
    project.git("repack", "-a", "-d", "--quiet")
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(project.path("src"), quiet=1, invalidation_mode=mode)
    project.add_kernel(REPO)
    return done
