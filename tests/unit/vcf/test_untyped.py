"""Values of a sample that are not of their type."""

from __future__ import annotations

from ensembl_annotations.vcf.untyped import Untyped, add_untyped


def test_later_parts_add_to_the_first() -> None:
    found = {"DP": Untyped(1, 4, "a")}
    add_untyped(found, {"DP": Untyped(2, 9, "b"), "GQ": Untyped(3, 8, "c")})
    assert found == {"DP": Untyped(3, 4, "a"), "GQ": Untyped(3, 8, "c")}
    text = found["DP"].describe("DP")
    assert text.startswith("DP is not a whole number of 32 bits in 3 records")
    assert "line 4, 'a'" in text
