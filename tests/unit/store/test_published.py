"""What Ensembl published, in the words and types of the annotated table."""

from __future__ import annotations

from pathlib import Path

from ensembl_annotations.store.scan import scan_reference
from tests.support.store import snv, write_store

TERMS = {"clin": "benign|pathogenic", "evidence": "ESP", "source": "dbSNP|ClinVar"}


def test_values_are_typed_for_people(tmp_path: Path) -> None:
    rows = {
        "21": [
            snv(5, "G>T", 1, maf="0.3", maf_of=1, ma="T", mac=3, clin_certain=True, **TERMS),
            snv(6, "G>T", 2, maf="0.3", maf_of=2, ma="G", **TERMS),
            snv(7, "G>T", 3, maf="1e-05", maf_of=0, num_alts=2, other="A=1;B"),
            {"start": 9, "code": 0, "rs": 0, "ref": "C", "alt": "<DEL>", "name": "n"},
            {"start": 10, "code": 0, "rs": 0, "ref": "C", "alt": "<DEL>"},
        ]
    }
    found = scan_reference(write_store(tmp_path / "store", rows)).collect()
    assert found["id"].to_list() == ["rs1", "rs2", "rs3", "n", None]
    assert found["maf"].to_list() == [0.3, 0.3, 1e-05, None, None]
    # Not 0.7000000000000001: as the annotated table has it.
    assert found["af"].to_list() == [0.3, 0.7, None, None, None]
    assert found["clin"].to_list() == [["benign", "pathogenic"], [], [], [], []]
    assert found["rsclin"].to_list() == [["benign", "pathogenic"]] * 2 + [[]] * 3
    assert found["source"].to_list() == [["dbSNP", "ClinVar"]] * 2 + [[]] * 3
    assert found["evidence"].to_list() == [["ESP"]] * 2 + [[]] * 3
    assert found["other"].to_list() == [[], [], ["A=1", "B"], [], []]
    assert found["multi"].to_list() == [False, False, True, False, False]
    assert found["mac"].to_list() == [3, None, None, None, None]
