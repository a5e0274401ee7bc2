"""``match: position``: what is at the site with another allele, in a tag of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.common.errors import UsageError
from tests.conformance.conftest import Stores
from tests.support.mirror import Row, write_mirror
from tests.support.results import Annotated, annotate_text

RECORDS: dict[str, list[Row]] = {
    "1": [
        (100, "rs3", "A", "G", "dbSNP_156"),
        (100, "rs20", "A", "C", "dbSNP_156"),
        (100, "CM1", "A", ".", "HGMD-PUBLIC_20204"),
        (100, "a,b", "A", "T", "dbSNP_156"),
        (99, "rs4", "CA", "CAT", "dbSNP_156"),
        (98, "rs5", "TCA", "TCG,T", "dbSNP_156"),
        (200, "rs6", "C" + "A" * 40 + "G", "C" + "A" * 40 + "T", "dbSNP_156"),
        (300, "rs7", "C", "G", "dbSNP_156"),
    ],
    "X": [(1_000_000, "rs10", "A", "G", "dbSNP_156")],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("sites")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        write_mirror(base / "mirror", RECORDS)
        fetch_ensembl(base / "store", mirrors=[str(base / "mirror")], release=116)
    return base / "store"


def at_position(tmp_path: Path, store: Path, *records: str) -> Annotated:
    return annotate_text(tmp_path, store, records, match="position")


@pytest.mark.parametrize(
    ("query", "ids", "site"),
    [
        # rs5's first ALT has its key here; rs4's is behind the base.
        ("1 100 . A G", "rs3&rs5", "rs20,CM1,a%2Cb"),
        ("1 100 . A C,G", "rs20,rs3&rs5", "CM1,a%2Cb"),
        ("1 100 . A AG", None, "rs3,rs4,rs20,CM1,a%2Cb"),
        ("1 98 . TC TG", None, "rs5"),
        # Published at this POS, its key far behind.
        ("1 200 . C T", None, "rs6"),
        ("1 300 . C G", "rs7", None),
        # The REF is not that of the site.
        ("1 300 . A G", None, None),
        ("1 400 . A G", None, None),
        *((f"1 100 . {ref} {alt}", None, "rs3,rs5,rs20,CM1,a%2Cb")
          for ref, alt in [("A", "."), ("A", "<DEL>"), ("a", "<NON_REF>"), ("N", "<*>"), ("A", "N"),
                           ("A", "*"), ("A", "A"), ("A", "]2:5]A")]),
        ("1 100 . C <NON_REF>", None, None),
        ("1 100 . A G,<NON_REF>", "rs3&rs5,.", "rs20,CM1,a%2Cb"),
        ("2 100 . A <NON_REF>", None, None),
        ("1 0 . N <NON_REF>", None, None),
        ("Y 1000000 . A .", None, "rs10"),
        ("2 100 . A G", None, None),
        ("Y 1000000 . A T", None, "rs10"),
    ],
)  # fmt: skip
def test_site(query: str, ids: str | None, site: str | None, store: Path, tmp_path: Path) -> None:
    found = at_position(tmp_path, store, f"{query} . . DP=1")
    assert found.tags().get("ENS_ID") == ids
    assert found.tags().get("ENS_SITE_ID") == site
    if ids is None:
        assert found.records[0][2] == "."
    listed = None if site is None else site.replace("%2C", ";").split(",")
    for value in found.table["ens_site_id"].to_list():
        assert value == (None if listed is None else [item.replace(";", ",") for item in listed])


def test_an_own_id_and_every_other_byte_stay(store: Path, tmp_path: Path) -> None:
    found = at_position(tmp_path, store, "1 200 mine C T . . .", "1 200 . C T . . .")
    assert [row[2] for row in found.records] == ["mine", "."]
    assert {row[7] for row in found.records} == {"ENS_SITE_ID=rs6"}


def test_only_what_was_asked_for_differs(store: Path, tmp_path: Path) -> None:
    queries = ["1 100 . A G,T . . .", "1 100 . A AG . . .", "1 300 . A G . . ."]
    asked = at_position(tmp_path, store, *queries)
    plain = annotate_text(tmp_path, store, queries)
    assert plain.table["ens_site_id"].null_count() == len(plain.table)
    assert plain.table.drop("ens_site_id").equals(asked.table.drop("ens_site_id"))
    figures = [{**item.metrics, "run": None} for item in (asked, plain)]
    assert figures[0] == figures[1]
    assert not any("ENS_SITE_ID" in row[7] for row in plain.records)
    lines = [next(line for line in item.header if "SiteIDs=" in line) for item in (asked, plain)]
    assert lines[0].replace("SiteIDs=yes", "SiteIDs=no") == lines[1]


def test_what_is_shifted_is_no_other_allele(stores: Stores, tmp_path: Path) -> None:
    found = at_position(tmp_path, stores.grch38, "22 104 . AA A . . .")
    assert found.tags()["ENS_ID"] == "rs1&rs47"
    assert "ENS_SITE_ID" not in found.tags()
    found = at_position(tmp_path, stores.without_sequence, "21 102 . A C . . .")
    assert found.tags()["ENS_SITE_ID"] == "rs1,rs2"


def test_an_unknown_mode_is_named(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="allele or position"):
        annotate_text(tmp_path, store, ["1 100 . A G . . ."], match="site")


def test_a_record_without_an_alt_gets_no_other_tag(store: Path, tmp_path: Path) -> None:
    """A person who is REF/REF at a site of pharmacogenes, and the first base of a GVCF's block."""
    found = at_position(tmp_path, store, "1 300 . C . . . .", "1 300 . C <NON_REF> . . END=310")
    assert [row[7] for row in found.records] == ["ENS_SITE_ID=rs7", "END=310;ENS_SITE_ID=rs7"]
    assert found.table["ens_par"].to_list() == [False, False]
    assert (found.metrics["num_no_alt"], found.metrics["num_symbolic"]) == (1, 1)


def test_the_sites_of_x_and_y_are_united(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
        snv = "dbSNP_156"
        rows: dict[str, list[Row]] = {
            "X": [(1_000_000, "rs10", "A", "G", snv), (1_000_000, "rs12", "A", "C", snv)],
            "Y": [(1_000_000, "rs10", "A", "G", snv), (1_000_000, "rs11", "A", "C", snv)],
        }
        write_mirror(tmp_path / "mirror", rows)
        made = tmp_path / "both"
        fetch_ensembl(made, mirrors=[str(tmp_path / "mirror")], release=116)
    found = at_position(tmp_path, made, *(f"Y 1000000 . A {alt} . . ." for alt in ("G", "T", ".")))
    assert [found.tags(index).get("ENS_SITE_ID") for index in range(3)] == [
        "rs11,rs12",
        "rs10,rs11,rs12",
        "rs10,rs11,rs12",
    ]
