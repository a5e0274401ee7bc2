"""Every record and count of `annotate` is what the oracle makes, which looks up nothing the same way."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations import annotate_vcf
from ensembl_annotations.variants.outcomes import TAG_IDS
from ensembl_annotations.vcf.read import VcfReader
from tests.support.oracle import expected

OPTIONS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "sites": {"match": "position"},
    "replaced IDs": {"id_column": "replace", "match": "position"},
    "kept IDs": {"id_column": "keep", "tags": "clinical,frequency"},
    "one tag": {"tags": "ENS_PAR"},
    "on X alone": {"chromosomes": ["X", "Y"]},
}


def check(vcf: Path, store: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """Annotate, compare with the oracle, and return the counts."""
    out = folder / "out.vcf.gz"
    figures = annotate_vcf(vcf, store, out_vcf=out, assembly="GRCh38", **options)
    text = gzip.decompress(out.read_bytes())
    records = text[text.index(b"\n", text.index(b"#CHROM")) + 1 :]
    tags = options.get("tags", "all")
    groups = {"clinical": ("ENS_CLIN", "ENS_RSCLIN"), "frequency": ("ENS_AF", "ENS_MA", "ENS_MAF", "ENS_MAC")}  # fmt: skip
    chosen = {name for item in tags.split(",") for name in groups.get(item, (item,))}
    wanted = expected(
        vcf,
        store,
        tags=TAG_IDS if tags == "all" else tuple(name for name in TAG_IDS if name in chosen),
        id_mode=options.get("id_column", "append"),
        overwrite=options.get("overwrite_tags", False),
        with_sites=options.get("match") == "position",
        chromosomes=options.get("chromosomes"),
    )
    for one, other in zip(records.split(b"\n"), wanted.text.split(b"\n"), strict=True):
        assert one == other
    assert {name: figures[name] for name in wanted.counts} == wanted.counts
    return figures


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("number", range(3), ids=["one-sample", "no-sample-crlf", "three-samples"])
def test_every_oddity(name: str, number: int, odd: Path, tmp_path: Path) -> None:
    figures = check(odd / f"{number}.vcf", odd / "store", tmp_path, **OPTIONS[name])
    assert name == "on X alone" or figures["num_exact"] > 100


def test_every_oddity_line_by_line(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked up together does not matter."""
    monkeypatch.setattr(VcfReader, "batch_bytes", 1)
    check(odd / "0.vcf", odd / "store", tmp_path, match="position")


def test_an_annotated_file_annotated_again(odd: Path, tmp_path: Path) -> None:
    once = tmp_path / "once.vcf"
    annotate_vcf(odd / "0.vcf", odd / "store", out_vcf=once, assembly="GRCh38")
    check(once, odd / "store", tmp_path, overwrite_tags=True)
