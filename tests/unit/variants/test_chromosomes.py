"""Which chromosomes a user asks for."""

from __future__ import annotations

from typing import Any

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.variants.chromosomes import listed_chromosomes, parse_chromosomes


def test_names_and_all() -> None:
    assert parse_chromosomes("21, 22,X,GL000009.2") == ["21", "22", "X", "GL000009.2"]
    assert parse_chromosomes(" all ") is None
    assert listed_chromosomes(None) is listed_chromosomes("all") is None
    assert listed_chromosomes(("21", "X")) == listed_chromosomes("21,X") == ["21", "X"]


@pytest.mark.parametrize("text", ["", "21,,22", "21,all/", "../21", ".", "21 22", "-1", "a\nb"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError, match="is not a chromosome name"):
        parse_chromosomes(text)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [([21], "found 21"), ([], "the list is empty"), (["1", "1"], "names one twice"),
     ("1,1", "names one twice")],
)  # fmt: skip
def test_lists_that_are_wrong(wanted: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        listed_chromosomes(wanted)
