"""What changed between two stores: the category of each entry, and its row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.compare.compare import NamedStore, compare
from ensembl_annotations.store.describe import Origin, ReferenceStore
from tests.support.store import ORIGIN, Allele, snv, write_store

# In both stores, so that neither is empty.
BASE = snv(1, "A>C", 99)


def of_alt(frequency: str) -> dict[str, Any]:
    """Return a frequency that is the ALT's."""
    return {"maf": frequency, "maf_of": 1}


def named(folder: Path, *alleles: Allele, origin: Origin = ORIGIN) -> NamedStore:
    store = write_store(folder, {"21": [BASE, *alleles]}, origin=origin)
    return NamedStore(folder.name, ReferenceStore(store))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([(10, 1)], [(10, 1)], {"unchanged": 1}),
        ([(10, 1)], [], {"retired": 1}),
        ([], [(10, 1)], {"new": 1}),
        ([(20, 1)], [(10, 1), (20, 1)], {"allele_gained": 1, "unchanged": 1}),
        ([(10, 1), (20, 1)], [(20, 1)], {"allele_lost": 1, "unchanged": 1}),
        ([(10, 1)], [(10, 2)], {"merged": 1, "successor": 1}),
        # One ID of B carries both alleles, so they are still one.
        ([(10, 1), (20, 1)], [(10, 2), (20, 2)], {"merged": 2, "successor": 2}),
        ([(10, 1), (20, 1)], [(10, 2), (20, 3)], {"split": 2, "successor": 2}),
        ([(10, 1), (20, 1)], [(10, 2), (20, 1)], {"split": 1, "successor": 1, "unchanged": 1}),
        # The allele's other ID is no new one: nothing was parted.
        (
            [(10, 1), (20, 1), (30, 2)],
            [(10, 2), (20, 1), (30, 2)],
            {"allele_lost": 1, "allele_gained": 1, "unchanged": 2},
        ),
    ],
)
def test_an_id_that_moves_has_one_category(
    a: list[tuple[int, int]], b: list[tuple[int, int]], expected: dict[str, int], tmp_path: Path
) -> None:
    first, second = (
        named(tmp_path / name, *(snv(pos, "A>C", rs) for pos, rs in alleles))
        for name, alleles in (("a", a), ("b", b))
    )
    found = compare(first, second)
    counts = {name: count for name, count in found["counts"].items() if count}
    assert counts == expected | {"unchanged": expected.get("unchanged", 0) + 1}
    assert [found[side]["num_entries"] for side in "ab"] == [len(a) + 1, len(b) + 1]
    # Of successors and of what stays there are no rows.
    rows = sum(count for name, count in expected.items() if name not in ("successor", "unchanged"))
    assert found["num_changes"] == len(found["changes"]) == rows


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"clin": "benign"}, {"clin": "pathogenic"}, {"reclassified": 1}),
        (of_alt("0.1"), of_alt("0.25"), {"frequency": 1}),
        (of_alt("0.1"), of_alt("0.10"), {"unchanged": 1}),
        (
            {"clin": "benign", **of_alt("0.1")},
            {"clin": "pathogenic", **of_alt("0.25")},
            {"reclassified": 1, "frequency": 1, "reclassified_and_frequency": 1},
        ),
        ({"source": "one"}, {"source": "other"}, {"other": 1}),
    ],
)
def test_a_value_that_changes(
    before: dict[str, Any], after: dict[str, Any], expected: dict[str, int], tmp_path: Path
) -> None:
    found = compare(
        named(tmp_path / "a", snv(10, "A>C", 1, **before)),
        named(tmp_path / "b", snv(10, "A>C", 1, **after)),
    )
    counts = {name: count for name, count in found["counts"].items() if count}
    assert counts == expected | {"unchanged": expected.get("unchanged", 0) + 1}
    for row in found["changes"]:
        name = "maf" if row["field"] == "af" else row["field"]
        ends = (before[name], after[name])
        assert (row["chrom"], row["id"], row["from"], row["to"]) == ("21", "rs1", *ends)


def test_what_matters_to_a_patient_is_among_the_few_that_are_shown(tmp_path: Path) -> None:
    a = [snv(10, "A>C", 1), snv(20, "A>C", 2, clin="benign"), snv(30, "A>C", 3, clin="benign")]
    b = [snv(20, "A>C", 2, clin="other"), snv(30, "A>C", 3, clin="pathogenic"), snv(40, "A>C", 4)]
    found = compare(named(tmp_path / "a", *a), named(tmp_path / "b", *b), limit=3)
    assert [row["id"] for row in found["changes"]] == ["rs3", "rs2", "rs1"]
    assert found["num_changes"] == 4


def test_another_assembly_is_refused(tmp_path: Path) -> None:
    other = named(tmp_path / "b", origin=Origin("homo_sapiens", "GRCh37", 116))
    with pytest.raises(UsageError, match="differ in assembly: GRCh38 and GRCh37"):
        compare(named(tmp_path / "a"), other)
