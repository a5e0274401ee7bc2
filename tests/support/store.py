"""Small reference stores, written row by row: no mirror, and nothing is converted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from ensembl_annotations.store.describe import FileIdentity, Origin, footer_sha256
from ensembl_annotations.store.genes import write_genes
from ensembl_annotations.store.sequence import SequenceWriter
from ensembl_annotations.store.write import ChromosomeWriter, Rows
from ensembl_annotations.variants.schema import ALLELES_SCHEMA, DETAILS
from ensembl_annotations.versions import STORE_VERSION

ORIGIN = Origin("homo_sapiens", "GRCh38", 116)
Allele = Mapping[str, Any]
"""``start, code, rs`` and, where they are not null, columns of the details."""

_DETAILS: dict[str, Any] = dict.fromkeys(DETAILS) | {
    "offset": 0,
    "alt_index": 0,
    "num_alts": 1,
    "clin_certain": False,
    "maf_of": 0,
}
_SCHEMA = pa.schema(
    [
        (name, pa.int32() if name == "offset" else ALLELES_SCHEMA.field(name).type)
        for name in DETAILS
    ]
)


def snv(pos: int, change: str, rs: int, **details: Any) -> Allele:
    """Return an SNV, such as ``A>C``, as the store has it."""
    ref, alt = ("ACGT".index(base) for base in change.split(">"))
    return {"start": pos - 1, "code": 4 * ref + alt, "rs": rs, **details}


def rows_of(alleles: Iterable[Allele], last_pos: int | None = None) -> Rows:
    """Return alleles as the rows of a piece, a row of details each."""
    listed = list(alleles)
    unknown = set[str]().union(*listed) - {"start", "code", "rs", *_DETAILS}
    assert not unknown, unknown
    keys = {name: np.array([item[name] for item in listed], np.int64) for name in ("start", "code")}
    details = [
        _DETAILS | {name: value for name, value in item.items() if name in _DETAILS}
        for item in listed
    ]
    return Rows(
        **keys,
        rs=np.array([item["rs"] for item in listed], np.uint32),
        detail=np.arange(len(listed)),
        details=pl.DataFrame(details, pl.DataFrame(_SCHEMA.empty_table()).schema),
        last_pos=max(item["start"] for item in listed) + 1 if last_pos is None else last_pos,
    )


def write_store(
    folder: Path,
    chromosomes: Mapping[str, Iterable[Allele]],
    sequences: Mapping[str, bytes] | None = None,
    *,
    genes: Mapping[str, pa.Table] | None = None,
    origin: Origin = ORIGIN,
) -> Path:
    """Write a store of these alleles, sorted as the store has them, of these sequences and transcripts."""
    folder.mkdir(parents=True)
    files: list[tuple[str, str, Path, int]] = []
    for chromosome, alleles in chromosomes.items():
        writer = ChromosomeWriter(folder, origin, chromosome)
        writer.add(rows_of(alleles))
        writer.finish()
        files.append((chromosome, "alleles", writer.path, writer.num_rows))
    for chromosome, bases in (sequences or {}).items():
        identity = FileIdentity.of(origin, chromosome, "sequence")
        sequence = SequenceWriter(folder, identity)
        sequence.add(bases)
        files.append((chromosome, "sequence", folder / identity.file_name, sequence.finish()))
    for chromosome, table in (genes or {}).items():
        path = write_genes(folder, FileIdentity.of(origin, chromosome, "genes"), table)
        files.append((chromosome, "genes", path, len(table)))
    (folder / "quarantine.tsv.gz").write_bytes(b"none")
    package = {
        "store_version": STORE_VERSION,
        "release": origin.release,
        "assembly": origin.assembly,
        "species": origin.species,
        "source": "test",
        "quarantine": {"hash": f"sha256:{hashlib.sha256(b'none').hexdigest()}"},
        "resources": [described(*file) for file in files],
    }
    (folder / "datapackage.json").write_text(json.dumps(package))
    return folder


def described(chromosome: str, role: str, path: Path, num_rows: int) -> dict[str, Any]:
    """Return what ``datapackage.json`` says of a file."""
    return {
        "path": path.name,
        "role": role,
        "chromosome": chromosome,
        "bytes": path.stat().st_size,
        "hash": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
        "footer_sha256": footer_sha256(path),
        "num_rows": num_rows,
    }
