"""Error classes and their codes."""

from __future__ import annotations

import errno
import os

import pytest

from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    NotPublishedError,
    SourceError,
    UsageError,
    explain_os_error,
)


def test_an_error_has_the_code_of_its_class_for_logs() -> None:
    assert (EnsemblAnnotationsError("a").code, SourceError("a").code) == ("failed", "bad_source")
    assert (NotPublishedError("a").code, SourceError("a", code="tls").code) == ("not_found", "tls")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("--memory-mb: expected at least 400.", "memory_mb: expected at least 400."),
        ("--id: expected append", "id_column: expected append"),
        ("Give --out-vcf, --out-parquet or both.", "Give out_vcf, out_parquet or both."),
        ("Run 'ensembl-annotations cache prune --all'.", "Run 'ensembl-annotations cache prune --all'."),
        ("It can't: --level: found 'x'.", "It can't: level: found 'x'."),
        ("a--b and a -- b stay", "a--b and a -- b stay"),
    ],
)  # fmt: skip
def test_python_is_told_of_arguments_and_the_terminal_of_options(
    message: str, expected: str
) -> None:
    error = UsageError(message, hint=message)
    assert str(error) == f"{expected} {expected}"
    assert (error.message, error.hint) == (message, message)


def test_too_many_open_files_have_a_way_out() -> None:
    error = explain_os_error(OSError(errno.EMFILE, os.strerror(errno.EMFILE), "a"), "b", "reading")
    assert str(error).startswith("a: Too many open files (while reading). Let more files be open")
