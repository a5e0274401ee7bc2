"""Values of a sample that are not of their type."""

from __future__ import annotations

from ensembl_annotations.vcf.untyped import Untyped, all_untyped


def test_later_parts_add_to_the_first() -> None:
    first = {"DP": Untyped(1, 4, "a")}
    found = all_untyped(first, {"DP": Untyped(2, 9, "b"), "GQ": Untyped(3, 8, "c")})
    assert first == {"DP": Untyped(1, 4, "a")}
    assert found == {"DP": Untyped(3, 4, "a"), "GQ": Untyped(3, 8, "c")}
    text = found["DP"].describe("DP")
    assert text.startswith("DP is not a whole number of 32 bits in 3 records")
    assert "line 4, 'a'" in text
