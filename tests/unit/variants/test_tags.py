"""Tags chosen by name or group."""

from __future__ import annotations

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.variants.outcomes import TAG_GROUPS, TAG_IDS, TAGS
from ensembl_annotations.variants.tags import describe_tags, parse_tags


def test_all() -> None:
    assert parse_tags("all") == parse_tags(["all", "ENS_ID"]) == TAG_IDS
    assert describe_tags(TAG_IDS) == "all"


@pytest.mark.parametrize("group", TAG_GROUPS)
def test_a_group_is_its_tags(group: str) -> None:
    assert parse_tags(group) == tuple(tag.id for tag in TAGS if tag.group == group) != ()


def test_the_order_is_that_of_the_file_however_they_are_named() -> None:
    first, second = TAG_IDS[:2]
    chosen = parse_tags(f" {second} ,{first},,{second}")
    assert chosen == (first, second)
    assert describe_tags(chosen) == f"{first}|{second}"


@pytest.mark.parametrize("value", ["", " , ", []])
def test_none_is_an_error(value: str | list[str]) -> None:
    with pytest.raises(UsageError, match=r"expected .all.*found none"):
        parse_tags(value)


def test_what_is_neither_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'ENS_IDS' is no tag and no group.*ENS_ID") as caught:
        parse_tags("ENS_IDS,all")
    assert "clinical" in str(caught.value.hint)
