"""Names of outputs: what they ask for, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.annotate.targets import Targets
from ensembl_annotations.common.errors import EnsemblAnnotationsError

DEFAULTS: dict[str, Any] = {
    "vcf": None, "parquet": None, "index": "csi", "level": 1, "genotypes": False,
}  # fmt: skip


def targets(**changes: Any) -> Targets:
    return Targets(**(DEFAULTS | changes))


@pytest.mark.parametrize(
    ("name", "index", "kind", "while_writing"),
    [
        ("a.vcf.gz", "csi", "csi", True),
        ("a.vcf.gz", "tbi", "tbi", True),
        ("a.vcf.gz", "none", "none", False),
        ("a.bcf", "csi", "csi", False),
        ("a.vcf", "csi", "none", False),
        ("-", "csi", "none", False),
    ],
)
def test_which_index_there_is(name: str, index: str, kind: str, while_writing: bool) -> None:
    found = targets(vcf=Path(name), index=index)
    assert (found.index_kind, found.makes_index) == (kind, while_writing)
    assert found.is_bcf == (name == "a.bcf")
    assert (found.file is None) == (name == "-")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "Nothing to write"),
        ({"vcf": "o.vcf.gz", "level": 0}, "level: expected 1 to 9, found 0"),
        ({"vcf": "o.vcf.gz", "genotypes": True}, "genotypes: expected out_parquet too"),
        ({"parquet": "-"}, "Only out_vcf can be '-'"),
        ({"vcf": "o.txt"}, "expected a name that ends in .vcf.gz"),
        ({"vcf": "o.vcf.gz", "index": "bai"}, "index: expected tbi, csi, none"),
        ({"vcf": "in.vcf"}, "is the input"),
        ({"vcf": "link.vcf"}, "is the input"),
        ({"vcf": "o.vcf.gz", "parquet": "x/../o.vcf.gz"}, "named for two outputs"),
        ({"vcf": "o.vcf.gz", "parquet": "o.vcf.gz.csi"}, "named for two outputs"),
        ({"parquet": "store/o.parquet"}, "is inside the reference store"),
        ({"parquet": "store"}, "is a folder"),
    ],
)
def test_names_that_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.vcf").touch()
    Path("link.vcf").symlink_to("in.vcf")
    Path("store").mkdir()
    Path("x").mkdir()
    paths = {
        name: Path(value) if name in ("vcf", "parquet") else value
        for name, value in changes.items()
    }
    with pytest.raises(EnsemblAnnotationsError) as caught:
        targets(**paths).check(Path("in.vcf"), Path("store"))
    assert message in str(caught.value)


def test_names_that_are_taken(tmp_path: Path) -> None:
    found = targets(vcf=tmp_path / "new" / "o.vcf.gz", parquet=tmp_path / "o.parquet")
    found.check(tmp_path / "in.vcf", tmp_path / "store", tmp_path / "metrics.json", None)
    assert (tmp_path / "new").is_dir()
