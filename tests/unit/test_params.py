from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from ensembl_annotations import cli
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.params import AnnotateParams, load_params
from ensembl_annotations.variants import schema

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text("utf-8")


def test_the_committed_parameters_are_valid() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.ensembl.wanted is None
    assert params.mirrors == ["data/mini_ensembl"]
    official = ["https://ftp.ensembl.org/pub", "https://ftp.ebi.ac.uk/pub/ensembl"]
    assert list(params.sources["ensembl"].values()) == official


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "release: 116",
            "relase: 116",
            "ensembl.relase: no such parameter. Did you mean 'release'?",
        ),
        ("level: 1", "levle: 1", "Did you mean 'level'?"),
        ("force_download:", "force_downlod:", "Did you mean 'force_download'?"),
        ("{vcf: data", "{vfc: data", "Did you mean 'vcf'?"),
        ("release: 116", "release: latest", "ensembl.release: "),
        ("release: 116", 'release: "116"', "ensembl.release: "),
        ("level: 1", "level: 10", "annotate.level: "),
        ("match: allele", "match: site", "annotate.match: Input should be 'allele' or 'position'"),
        ("  sample:", "  a/b:", "samples.a/b"),
        ("source: mini", "source: mimi", "Did you mean 'mini'?"),
        ("source: mini", "source: ../mini", "ensembl.source: "),
        ("source: mini", 'source: "mini\\nx"', r"ensembl.source: String should match pattern"),
        ("assembly: GRCh38", "assembly: ..", "ensembl.assembly: "),
        ("chromosomes: all", "chromosomes: 21,../x", "'../x' is not a chromosome name"),
        ("chromosomes: all", "chromosomes: 21,21", "names one twice"),
        ("ensembl:  ", "ensembl: [", "not valid YAML"),
        (TEXT, "", "expected"),
        (TEXT, "7", "expected"),
    ],
)
def test_a_wrong_parameter_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_params(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value) or "chromosome" in str(caught.value)


def test_the_modes_are_the_same_everywhere() -> None:
    field = AnnotateParams.model_fields["match"]
    assert get_args(field.annotation) == cli.MATCH_MODES == schema.MATCH_MODES
    field = AnnotateParams.model_fields["id"]
    assert get_args(field.annotation) == cli.ID_MODES == schema.ID_MODES


def test_no_parameters_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_params(tmp_path / "params.yaml")


def test_chromosomes_that_are_a_list_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("chromosomes: all", "chromosomes: [21, 22]"))
    with pytest.raises(UsageError) as caught:
        load_params(path)
    assert caught.value.message == (
        f"{path}: ensembl.chromosomes: expected 'all', or names separated by commas, "
        "such as 21,22,X (found [21, 22])."
    )


def test_chromosomes_can_be_one_number(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("chromosomes: all", "chromosomes: 21"))
    assert load_params(path).ensembl.wanted == ["21"]
