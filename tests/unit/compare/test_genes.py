"""What changed between the genes of two stores: each change is of one kind, and told by its ID."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.compare.compare import describe_comparison
from ensembl_annotations.compare.genes import WHAT, compare_genes
from ensembl_annotations.project.comparison import compare_stores
from ensembl_annotations.store.describe import ReferenceStore
from tests.support.genes import Model, gff3
from tests.support.mirror import write_mirror

SEQUENCE = "ACGT" * 50
T1, T2, T3 = (f"ENST9000000000{number}" for number in (1, 2, 3))
MANE, PLUS, CANONICAL = ";tag=MANE_Select", ";tag=MANE_Plus_Clinical", ";tag=Ensembl_canonical"
ONE = Model(T1, [(11, 40), (61, 90)], [(11, 40), (61, 63)], contig="21", more=MANE)
TWO = replace(ONE, transcript=T2, more="")
OTHER = Model(T3, [(101, 120)], contig="21", gene="ENSG90000000002", biotype="lncRNA")


def store(folder: Path, *models: Model, old: str = "", new: str = "") -> ReferenceStore:
    text = gff3(models, {"21": len(SEQUENCE)}).replace(old, new) if old else gff3(models, {})
    rows = [(5, "rs5", "A", "G", "TSA=SNV")]
    base = write_mirror(folder / "pub", {"21": rows}, {"21": SEQUENCE}, {"21": text})
    fetch_ensembl(folder / "store", mirrors=str(base), release=116)
    return ReferenceStore(folder / "store")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([ONE], [ONE], []),
        ([ONE, TWO], [replace(ONE, more=""), replace(TWO, more=MANE)], [("mane_select", T1, T2)]),
        ([ONE], [replace(ONE, more="")], [("mane_select", T1, None)]),
        ([ONE], [replace(ONE, more=MANE + ",Ensembl_canonical")], [("canonical", None, T1)]),
        ([ONE, TWO], [ONE, replace(TWO, more=PLUS)], [("mane_plus_clinical", None, T2)]),
        ([ONE, TWO], [ONE], [("retired_transcript", "protein_coding", None)]),
        ([ONE], [ONE, OTHER], [("new_gene", None, "lncRNA"), ("new_transcript", None, "lncRNA")]),
        ([ONE, OTHER], [ONE], [("retired_gene", "lncRNA", None), ("retired_transcript", "lncRNA", None)]),
        ([ONE], [replace(ONE, exons=[(11, 40), (61, 95)])],
         [("model", "21:11-90, 2 exons, CDS 11-63", "21:11-95, 2 exons, CDS 11-63")]),
        ([ONE], [replace(ONE, biotype="TEC")], [("biotype", "protein_coding", "TEC")]),
    ],
)  # fmt: skip
def test_a_change_has_one_kind(
    before: list[Model], after: list[Model], expected: list[tuple[str, ...]], tmp_path: Path
) -> None:
    one, other = store(tmp_path / "a", *before), store(tmp_path / "b", *after)
    found = compare_genes(one, other, None)
    assert found is not None
    assert [(row["what"], row["from"], row["to"]) for row in found["changes"]] == expected
    assert found["num_transcripts"] == [len(before), len(after)]
    assert sum(found["counts"].values()) == found["num_changes"] == len(expected)
    assert tuple(found["counts"]) == WHAT


def test_the_name_and_the_version_are_told(tmp_path: Path) -> None:
    one, other = store(tmp_path / "a", ONE), store(tmp_path / "b", ONE, old="DEMO1", new="DEMO7")
    found = compare_genes(one, other, None)
    assert found is not None
    assert [(row["what"], row["from"], row["to"]) for row in found["changes"]] == [
        ("renamed_gene", "DEMO1", "DEMO7")
    ]
    newer = store(tmp_path / "c", ONE, old=f"transcript_id={T1};version=1", new="version=2")
    changed = compare_genes(one, newer, None)
    assert changed is not None
    assert changed["counts"]["version"] == changed["num_changes"] == 1


def test_changes_are_told_with_those_of_alleles(tmp_path: Path) -> None:
    store(tmp_path / "a", ONE, TWO)
    store(tmp_path / "b", replace(ONE, more=""), replace(TWO, more=MANE), OTHER)
    result = compare_stores(tmp_path / "a" / "store", tmp_path / "b" / "store", limit=1)
    text = "\n".join(describe_comparison(result))
    assert "Genes: 2 → 3 transcripts, 3 changes." in text
    assert "1 of 3, picked transcripts first:" in text
    assert f"21          DEMO1  ENSG90000000001  mane select  {T1}  {T2}" in text


def test_without_genes_on_both_sides_there_is_nothing_to_compare(tmp_path: Path) -> None:
    one = store(tmp_path / "a", ONE)
    base = tmp_path / "a" / "pub"
    fetch_ensembl(tmp_path / "plain", mirrors=str(base), release=116, genes=False)
    assert compare_genes(one, ReferenceStore(tmp_path / "plain"), None) is None
