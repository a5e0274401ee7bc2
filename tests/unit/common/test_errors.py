"""Error classes and their codes."""

from __future__ import annotations

from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    NotPublishedError,
    SourceError,
)


def test_an_error_has_the_code_of_its_class_for_logs() -> None:
    assert (EnsemblAnnotationsError("a").code, SourceError("a").code) == ("failed", "bad_source")
    assert (NotPublishedError("a").code, SourceError("a", code="tls").code) == ("not_found", "tls")
