from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.integration.helpers import (
    DEMO,
    SAMPLE_VCF,
    Done,
    Project,
    commit_working_tree,
    isolated_environment,
)


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The checkout that is tested, committed as it is."""
    folder = tmp_path_factory.mktemp("dvc")
    return commit_working_tree(folder / "seed", isolated_environment(folder))


@pytest.fixture(scope="session")
def demo(seed: Project) -> Project:
    """The same with the demonstration's parameters, should the user have others."""
    params = seed.params()
    if all(params[name] == value for name, value in DEMO.items()):
        return seed
    project = seed.clone(seed.root.with_name("demo"))
    project.write_params({**params, **DEMO})
    project.commit()
    return project


@pytest.fixture(scope="session")
def first_run(demo: Project) -> tuple[Project, Done]:
    """A fresh clone in which `dvc repro` ran once, and what that printed. Only to be read."""
    project = demo.clone(demo.root.with_name("first"))
    return project, project.dvc("repro")


@pytest.fixture(scope="session")
def reproduced(first_run: tuple[Project, Done]) -> Project:
    """A clone with data, its state committed. Only to be read; tests take `project`."""
    project = first_run[0].copy(first_run[0].root.with_name("reproduced"))
    project.commit()
    return project


@pytest.fixture(scope="session")
def reproduced_pair(reproduced: Project) -> Project:
    """The same with a second sample, `other`. Only to be read; tests take `pair`."""
    project = reproduced.copy(reproduced.root.with_name("pair"))
    text = gzip.decompress(project.path(SAMPLE_VCF).read_bytes())
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith(b"chr2\t")]
    project.path("data/vcf/other.vcf.gz").write_bytes(gzip.compress(b"".join(lines), mtime=0))
    project.set_param("samples.other", {"vcf": "data/vcf/other.vcf.gz"})
    assert project.repro() == ["annotate@other", "report@other"]
    project.commit()
    return project


@pytest.fixture(scope="session")
def earlier_pair(reproduced_pair: Project) -> tuple[Project, Done]:
    """The same at release 115, and what `dvc repro` printed for it. Only to be read."""
    project = reproduced_pair.copy(reproduced_pair.root.with_name("earlier"))
    project.set_param("ensembl.release", 115)
    done = project.dvc("repro")
    project.commit()
    return project, done


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A reproduced clone of one's own."""
    return reproduced.copy(tmp_path / "project")


@pytest.fixture
def pair(reproduced_pair: Project, tmp_path: Path) -> Project:
    """A reproduced clone of one's own, with the samples `sample` and `other`."""
    return reproduced_pair.copy(tmp_path / "pair")
