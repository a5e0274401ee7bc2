"""Names and values in messages."""

from __future__ import annotations

import json

import pytest

from ensembl_annotations.common.words import listed, markdown, one_line, printable, printable_lines


@pytest.mark.parametrize(
    ("names", "separator", "expected"),
    [
        ([], ", ", ""),
        (["a"], ", ", "a"),
        (["a", "b", "c"], ", ", "a, b, c"),
        (["a", "b", "c", "d"], ", ", "a, b, c and 1 more"),
        (range(9), ", ", "0, 1, 2 and 6 more"),
        (["a", "b", "c", "d"], "; ", "a; b; c; and 1 more"),
    ],
)
def test_names_are_listed(names: list[object], separator: str, expected: str) -> None:
    assert listed(names, separator=separator) == expected


def test_what_a_name_could_do_to_a_terminal_is_escaped() -> None:
    odd = "a\x1b[2Jb\x9b\u202ec\n\udcff\U000e0001é"
    assert printable(odd) == r"a\u001b[2Jb\u009b\u202ec\n\udcff\udb40\udc01é"
    assert json.loads(printable(json.dumps([odd], ensure_ascii=False))) == [odd]
    assert printable_lines("a\x1b\nb") == "a\\u001b\nb"
    assert (printable(None), printable(0)) == ("-", "0")
    assert one_line(" two\n\tlines ") == "two lines"


def test_nothing_in_a_value_is_markdown() -> None:
    assert (
        markdown("evil\x1b[31m\u202e|`<script>\n# H")
        == r"evil\\u001b\[31m\\u202e\|\`\<script\>\\n# H"
    )
    assert markdown("![x](https://evil) @all a\\|b") == r"!\[x\](https&#58;//evil) &#64;all a\\\|b"
    for plain in ("annotate@sample", "metrics/annotate/p_01.json", "1.5", "-"):
        assert markdown(plain) == plain
