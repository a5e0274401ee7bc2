"""Which files are tallies, and what a report reads of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.common.errors import InputError
from ensembl_annotations.report.tally import Pathogenic, Tally, read_tally
from tests.support.tallies import NO_VARIANTS, tally_of

CELLS = [("chr1", 0, 0, "SNV", True, 3), ("chr1", 7, 2, "indel", None, 4)]


def read(folder: Path, content: dict[str, Any] | bytes) -> Tally:
    path = folder / "tally.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_tally(path)


def test_the_counts_are_a_table(tmp_path: Path) -> None:
    found = read(tmp_path, tally_of(*CELLS)).frame
    assert found.columns == ["chrom", "window", "status", "kind", "transition", "count"]
    assert found.rows() == CELLS
    assert read(tmp_path, tally_of()).frame.rows() == []


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("vcf", 7, "vcf: Input should be a valid string"),
        ("metrics", None, "metrics"),
        ("certain", {}, r"certain\.genotypes: Field required"),
        ("certain", NO_VARIANTS | {"listed": [{}]}, r"certain\.listed\.0\.place"),
        ("cube", {"chrom": ["1"]}, "cube: .*without count, kind, status, transition, window"),
        ("cube", tally_of(*CELLS)["cube"] | {"count": [1]}, "cube: .*no table of counts"),
        ("cube", tally_of(*CELLS)["cube"] | {"count": ["a", "b"]}, "cube: .*no table of counts"),
        ("terms", {"benign": "many"}, r"terms\.benign"),
    ],
)
def test_what_is_no_tally_is_one_error(
    part: str, value: object, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"tally.json: not a tally: {message}") as caught:
        read(tmp_path, tally_of(*CELLS) | {part: value})
    assert "annotate --tally" in str(caught.value.hint)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"vcf": "me'])
def test_a_file_that_is_cut_or_another_is_one_error(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tally\.json: not a tally: the file"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("part", "name"), [("metrics", "num_site_unknown"), ("provenance", "Source")]
)
def test_a_figure_that_the_page_needs_must_be_there(part: str, name: str, tmp_path: Path) -> None:
    content = tally_of()
    del content[part][name]
    with pytest.raises(InputError, match=f"{part}: .*without {name}"):
        read(tmp_path, content)


def test_the_top_of_the_page_counts_carried_variants_and_those_without_genotypes() -> None:
    genotypes = {"not carried": 5, "no genotype": 2, "carried": 1, "not called": 0}
    found = Pathogenic(genotypes=genotypes, listed=[], num_filtered=0)
    assert (found.num_shown, found.num_alts) == (3, 8)
    assert found.by_genotype == [("carried", 1), ("not carried", 5), ("no genotype", 2)]
    assert found.of("odd") == 0
