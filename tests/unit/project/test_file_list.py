"""What DVC's list of a reference's files may name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import EnsemblAnnotationsError
from ensembl_annotations.project.file_list import altered_list, check_described, check_names

MD5 = "0123456789abcdef0123456789abcdef"
OURS = (
    "datapackage.json", "quarantine.tsv.gz", "homo_sapiens-chr1.parquet",
    "homo_sapiens-chr1.2bit", "mus_musculus_akrj-chrKI270_1.1.2bit", "alleles.schema.json", "genes.schema.json",
)  # fmt: skip


def test_the_names_of_a_store_are_taken() -> None:
    check_names(dict.fromkeys(OURS, MD5), "data/x")


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "../../src/sitecustomize.py", "/etc/cron.d/x", "~/.profile",
        "sub/homo_sapiens-chr1.parquet", "../homo_sapiens-chr1.parquet", "/homo_sapiens-chr1.parquet",
        "homo_sapiens-chr1.parquet/..", "homo_sapiens-chr../x.parquet", "homo_sapiens-chr1.parquet\n",
        "homo_sapiens-chr..\\..\\x.parquet", "C:\\x.parquet", "datapackage.json/x", "Datapackage.json",
        "homo_sapiens-chr1.parquet\0", ".git", "sitecustomize.py", "homo_sapiens-chr1.py",
        "sequence.schema.json", "x/alleles.schema.json",
    ],
)  # fmt: skip
def test_no_other_name_is(name: str) -> None:
    with pytest.raises(EnsemblAnnotationsError, match="data/x: the list of files names"):
        check_names({**dict.fromkeys(OURS, MD5), name: MD5}, "data/x")


@pytest.mark.parametrize("md5", ["", "../..", MD5[:-1], MD5.upper(), f"{MD5}.dir", "g" * 32])
def test_an_md5_is_one(md5: str) -> None:
    with pytest.raises(EnsemblAnnotationsError, match=r"no MD5 .* for datapackage\.json"):
        check_names({**dict.fromkeys(OURS, MD5), "datapackage.json": md5}, "data/x")


def test_what_the_description_does_not_name_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "package"
    listed = dict.fromkeys(OURS[:3], MD5)
    package.write_text(json.dumps({"resources": [{"path": OURS[2]}]}))
    check_described(listed, package, "data/x")
    with pytest.raises(EnsemblAnnotationsError, match=f"names {OURS[3]}, which"):
        check_described({**listed, OURS[3]: MD5}, package, "data/x")
    for content in (b"", b"[]", b"null", b'{"resources": [5]}', b"\xff"):
        package.write_bytes(content)
        with pytest.raises(EnsemblAnnotationsError, match="not a description"):
            check_described(listed, package, "data/x")


def test_an_altered_list_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "list"
    digest = "d751713988987e9331980363e24189ce.dir"  # of "[]"
    assert altered_list(path, digest) is None
    path.write_bytes(b"[]")
    assert altered_list(path, digest) is None
    path.write_bytes(b"[ ]")
    assert "is altered: its MD5 is" in str(altered_list(path, digest))
