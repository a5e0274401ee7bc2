"""What is printed of a review: it fits, whatever it is of, and says what it lacks."""

from __future__ import annotations

import pytest

from ensembl_annotations.project.review import shorten_review

HEAD = "## Pipeline\n\n`dvc.lock` is current.\n\n"
NODE = "  node1 --> node2\n"
SHORT = "é\n"
ROW = "| metrics/annotate/p01.json | num_exact | 1 | 2 |\n"


def test_what_fits_is_printed_as_it_is() -> None:
    text = f"{HEAD}### Metrics\n\n{ROW * 20}\n### Lineage\n\n```mermaid\nflowchart TD\n```\n"
    assert shorten_review(text) == text


def test_whole_lines_are_left_out_and_counted() -> None:
    text = f"{HEAD}### Metrics\n\n{ROW * 1000}\n### Data\n\nNo change.\n"
    shown = shorten_review(text)
    kept = shown.count(ROW)
    assert 100 < kept < 1000
    # The empty line at its end is one of them.
    assert f"\n*{1001 - kept} lines more are in the whole review" in shown
    assert shown.endswith("### Data\n\nNo change.\n")


def test_half_a_picture_is_none() -> None:
    text = f"{HEAD}### Lineage\n\n```mermaid\n{NODE * 1000}```\n\n### Data\n\nx\n"
    shown = shorten_review(text)
    assert "```" not in shown
    assert "*1,003 lines more are" in shown
    assert shown.endswith("### Data\n\nx\n")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        f"### A\n{'y' * 100_000}\n",
        f"### A\n{SHORT * 5_000}" * 50,
        "### A\n" * 50_000,
        f"### A\n```\n{SHORT * 50_000}```\n" * 3,
    ],
    ids=["one line", "one long line", "many sections", "empty sections", "pictures"],
)
def test_it_fits_into_a_comment_whatever_it_is(text: str) -> None:
    assert len(shorten_review(text)) < 60_000
