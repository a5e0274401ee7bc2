from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.integration.helpers import (
    DEMO,
    SAMPLE_VCF,
    Done,
    Project,
    commit_working_tree,
    isolated_environment,
)


def made_once(root: Path, make: Callable[[], Done]) -> Done:
    """Return what `make` returns, who makes `root`: called in the first of the test processes."""
    said = root.with_name(f"{root.name}.txt")
    with FileLock(f"{root}.lock"):
        if not said.exists():
            said.write_text(make().output, "utf-8")
    return Done(0, said.read_text("utf-8"))


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the folder of the projects that only are read: one for all test processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "projects"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def seed(projects: Path) -> Project:
    """The checkout that is tested, committed as it is."""
    project = Project(projects / "seed", isolated_environment(projects))
    made_once(project.root, lambda: commit_working_tree(project))
    return project


@pytest.fixture(scope="session")
def demo(seed: Project) -> Project:
    """The same with the demonstration's parameters, should the user have others."""
    params = seed.params()
    for name in ("ensembl", "annotate"):
        assert params[name].keys() == DEMO[name].keys(), "DEMO has not all parameters"
    if all(params[name] == value for name, value in DEMO.items()):
        return seed
    project = Project(seed.root.with_name("demo"), seed.environment)

    def make() -> Done:
        seed.clone(project.root)
        project.write_params({**params, **DEMO})
        return project.commit()

    made_once(project.root, make)
    return project


@pytest.fixture(scope="session")
def first_run(demo: Project) -> tuple[Project, Done]:
    """A fresh clone in which `dvc repro` ran once, and what that printed. Only to be read."""
    project = Project(demo.root.with_name("first"), demo.environment)
    return project, made_once(project.root, lambda: demo.clone(project.root).dvc("repro"))


@pytest.fixture(scope="session")
def reproduced(first_run: tuple[Project, Done]) -> Project:
    """A clone with data, its state committed. Only to be read; tests take `project`."""
    project = Project(first_run[0].root.with_name("reproduced"), first_run[0].environment)
    made_once(project.root, lambda: first_run[0].copy(project.root).commit())
    return project


def reproduced_with(demo: Project, name: str, chromosomes: str) -> Project:
    """Return a clone with the data of some chromosomes, its state committed."""
    project = Project(demo.root.with_name(name), demo.environment)

    def make() -> Done:
        demo.clone(project.root).set_param("ensembl.chromosomes", chromosomes)
        project.repro()
        return project.commit()

    made_once(project.root, make)
    return project


@pytest.fixture(scope="session")
def reproduced_part(demo: Project) -> Project:
    """The same with a reference of few chromosomes. Only to be read; tests take `part`."""
    return reproduced_with(demo, "part", "7,20,21,22,MT")


@pytest.fixture(scope="session")
def reproduced_light(demo: Project) -> Project:
    """The same without the one long sequence, which is most of its bytes. Only to be read; tests take `light`."""
    return reproduced_with(demo, "light", "7,20,21,X,MT")


@pytest.fixture(scope="session")
def reproduced_pair(reproduced: Project) -> Project:
    """The same with a second sample, `other`. Only to be read; tests take `pair`."""
    project = Project(reproduced.root.with_name("pair"), reproduced.environment)

    def make() -> Done:
        reproduced.copy(project.root)
        text = gzip.decompress(project.path(SAMPLE_VCF).read_bytes())
        lines = [line for line in text.splitlines(keepends=True) if not line.startswith(b"chr2\t")]
        project.path("data/vcf/other.vcf.gz").write_bytes(gzip.compress(b"".join(lines), mtime=0))
        project.set_param("samples.other", {"vcf": "data/vcf/other.vcf.gz"})
        assert project.repro() == ["annotate@other", "report@other"]
        return project.commit()

    made_once(project.root, make)
    return project


@pytest.fixture(scope="session")
def earlier_pair(reproduced_pair: Project) -> tuple[Project, Done]:
    """The same at release 115, and what `dvc repro` printed for it. Only to be read."""
    project = Project(reproduced_pair.root.with_name("earlier"), reproduced_pair.environment)

    def make() -> Done:
        reproduced_pair.copy(project.root)
        project.set_param("ensembl.release", 115)
        done = project.dvc("repro")
        project.commit()
        return done

    return project, made_once(project.root, make)


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A reproduced clone of one's own."""
    return reproduced.copy(tmp_path / "project")


@pytest.fixture
def part(reproduced_part: Project, tmp_path: Path) -> Project:
    """A reproduced clone of one's own whose reference is made in a fraction of the time."""
    return reproduced_part.copy(tmp_path / "part")


@pytest.fixture
def light(reproduced_light: Project, tmp_path: Path) -> Project:
    """A reproduced clone of one's own with short files only."""
    return reproduced_light.copy(tmp_path / "part")


@pytest.fixture
def pair(reproduced_pair: Project, tmp_path: Path) -> Project:
    """A reproduced clone of one's own, with the samples `sample` and `other`."""
    return reproduced_pair.copy(tmp_path / "pair")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
