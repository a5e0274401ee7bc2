"""Why no mirror gave a file."""

from __future__ import annotations

from ensembl_annotations.common.errors import (
    ChecksumError,
    NotPublishedError,
    SourceError,
)
from ensembl_annotations.fetch.download import _all_failed


def test_a_file_that_no_mirror_gives_has_the_class_of_the_reasons_where_they_are_one() -> None:
    a, b = ChecksumError("a"), ChecksumError("b")
    assert type(_all_failed("x", {"/1": a, "/2": b})) is ChecksumError
    told = _all_failed("x", {"/1": a, "/2": NotPublishedError("b")})
    assert (type(told), told.code) == (SourceError, "bad_source")
