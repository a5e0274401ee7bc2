"""Commands that make a result again: they say everything that is not the default, and quote it."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ensembl_annotations.annotate.label import Label
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.commands import annotate_command, fetch_command, stage_commands
from ensembl_annotations.project.project import Project
from ensembl_annotations.store.describe import ReferenceStore


def test_a_commit_is_checked_out_and_the_workspace_is_not() -> None:
    commands = stage_commands("abc123", "annotate@me", "a.vcf")
    assert commands[:2] == ["git checkout abc123", "make env"]
    assert commands[-1] == ".venv/bin/dvc repro annotate@me  # needs a.vcf"
    here = stage_commands("workspace", "fetch_ensembl")
    assert (here[0], here[-1]) == ("make env", ".venv/bin/dvc repro fetch_ensembl")


class NoParams:
    """A project whose parameters can't be read."""

    @property
    def params(self) -> Any:
        raise UsageError("no")


def project(sources: dict[str, dict[str, str]] | None) -> Project:
    run = SimpleNamespace(sources=sources)
    found = NoParams() if sources is None else SimpleNamespace(params=SimpleNamespace(run=run))
    return cast(Project, cast(Any, found))


def store(*roles: str, chromosomes: tuple[str, ...] = ("21",)) -> ReferenceStore:
    resources = [SimpleNamespace(role=role) for role in roles]
    found: Any = SimpleNamespace(resources=resources, chromosomes=list(chromosomes))
    return cast(ReferenceStore, found)


SAYS = {
    "release": "116", "species": "homo_sapiens", "assembly": "GRCh38", "source": "ensembl",
    "chromosomes": "21|X",
}  # fmt: skip


def options(command: str) -> dict[str, str]:
    words = shlex.split(command)[2:]
    found: dict[str, str] = {}
    for word, value in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--"):
            found[word] = "" if value.startswith("--") else value
    return found


def test_a_reference_is_fetched_from_the_source_it_names() -> None:
    known = {"ensembl": {"main": "https://a b/", "other": "https://c"}}
    found = options(fetch_command(SAYS, None, project(known)))
    assert found == {
        "--base-url": "https://a b/",
        "--release": "116",
        "--species": "homo_sapiens",
        "--assembly": "GRCh38",
        "--source": "ensembl",
        "--chromosomes": "21,X",
        "--no-genes": "",
        "--no-fasta": "",
        "--out": "reference",
    }


@pytest.mark.parametrize("sources", [None, {}, {"ensembl": {}}])
def test_what_is_not_known_is_left_to_the_user(sources: dict[str, dict[str, str]] | None) -> None:
    found = options(fetch_command({}, None, project(sources)))
    assert (found["--base-url"], found["--release"]) == ("BASE_OF_THE_SOURCE", "RELEASE")
    assert found["--chromosomes"] == "all"


def test_the_store_tells_of_the_sequence_better_than_the_matches() -> None:
    def with_fasta(match: str, reference: ReferenceStore | None) -> bool:
        return "--fasta" in options(fetch_command(SAYS | {"match": match}, reference, project({})))

    assert with_fasta("exact,shifted", None)
    assert not with_fasta("exact", None)
    assert not with_fasta("exact,shifted", store("alleles"))
    assert with_fasta("exact", store("alleles", "sequence"))
    with_genes = fetch_command(SAYS, store("alleles", "sequence", "genes"), project({}))
    assert {"--genes", "--fasta"} <= options(with_genes).keys()
    assert "--no-genes" in options(fetch_command(SAYS, store("alleles"), project({})))


def label(
    path: str,
    kind: str = "VCF",
    *,
    with_genotypes: bool = False,
    columns: tuple[str, ...] = (),
    **fields: str,
) -> Label:
    return Label(Path(path), kind, fields, True, with_genotypes, columns)


def annotated(made: Label, reference: ReferenceStore | None = None) -> dict[str, str]:
    return options(annotate_command(made, reference, "my reference"))


PLAIN = {"--vcf": "INPUT.vcf.gz", "--reference": "my reference", "--out-vcf": "annotated.vcf.gz"}


def test_defaults_are_not_said() -> None:
    assert annotated(label("gone")) == PLAIN
    says = {"SiteIDs": "no", "Chromosomes": "all", "Tags": "all", "IDColumn": "append"}
    assert annotated(label("gone", OverwriteTags="no", **says)) == PLAIN


def test_all_else_is() -> None:
    says = {"SiteIDs": "yes", "Chromosomes": "21|X", "Tags": "id|clinical", "IDColumn": "keep"}
    made = label(
        "gone", "BCF", OverwriteTags="yes", with_genotypes=True, columns=("info", "calls"), **says
    )
    assert annotated(made) == PLAIN | {
        "--out-vcf": "annotated.bcf",
        "--match": "position",
        "--chromosomes": "21,X",
        "--overwrite-tags": "",
        "--tags": "id,clinical",
        "--id": "keep",
        "--genotypes": "",
        "--columns": "info,calls",
    }


def test_chromosomes_are_said_where_the_store_has_others() -> None:
    made = label("gone", Chromosomes="21|X")
    assert "--chromosomes" not in annotated(made, store(chromosomes=("21", "X")))
    assert annotated(made, store(chromosomes=("21", "22", "X")))["--chromosomes"] == "21,X"


@pytest.mark.parametrize(
    ("name", "kind", "option", "expected"),
    [
        ("my file.vcf.gz", "VCF", "--out-vcf", "my file.vcf.gz"),
        ("odd.txt", "VCF", "--out-vcf", "annotated.vcf.gz"),
        ("odd.txt", "parquet", "--out-parquet", "odd.txt"),
        ("a.bcf", "BCF", "--out-vcf", "a.bcf"),
    ],
)
def test_a_file_that_is_there_keeps_its_name_if_it_fits(
    name: str, kind: str, option: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"")
    assert annotated(label(str(tmp_path / name), kind))[option] == expected
