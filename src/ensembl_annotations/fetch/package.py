"""Describe a reference store: ``datapackage.json``, the quarantine, the figures of the content."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.fetch.convert.convert import FREQUENCIES, BadRow, Conversion
from ensembl_annotations.fetch.download import FetchedFile
from ensembl_annotations.fetch.manifest import Manifest, PublishedFile
from ensembl_annotations.store.describe import FILE_NAME, QUARANTINE, footer_sha256
from ensembl_annotations.store.write import schema_description
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_blocks
from ensembl_annotations.versions import STORE_VERSION

_LEVEL = 6
_FLUSH_BYTES = 1 << 20
_HEADER = b"file\tline\treason\ttext\n"


class Quarantine:
    """Rows that were not understood, kept as text in a file per published file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def of(self, name: str) -> Iterator[Quarantine]:
        """Collect the rows of one published file."""
        self._name, self._text = name, bytearray()
        with self._part(name).open("wb") as out:
            self._out = out
            yield self
            self._flush()

    def add(self, row: BadRow) -> None:
        number, reason, text = row
        escaped = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\r", "\\r")
        self._text += f"{self._name}\t{number}\t{reason}\t{escaped}\n".encode()
        if len(self._text) > _FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        # Not the standard library's gzip: its bytes depend on the version of Python and zlib.
        self._out.writelines(compress_blocks(bytes(self._text), _LEVEL))
        self._text.clear()

    def _part(self, name: str) -> Path:
        return self._folder / f"{QUARANTINE}.{name}"

    def join(self, names: Iterable[str], path: Path) -> None:
        """Put the parts together, in this order."""
        with path.open("wb") as out:
            out.writelines(compress_blocks(_HEADER, _LEVEL))
            for name in names:
                with self._part(name).open("rb") as part:
                    shutil.copyfileobj(part, out)
                self._part(name).unlink()
            out.write(EOF_BLOCK)


def describe_source(file: PublishedFile, fetched: FetchedFile) -> dict[str, Any]:
    """Return what a store's file was made from."""
    return {
        "path": fetched.relative,
        "checksum": f"{file.checksum:05d} {file.blocks}",
        "bytes": fetched.num_bytes,
        "sha256": fetched.sha256,
    }


def describe_file(
    path: Path, chromosome: str, role: str, sources: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the entry of a parquet file under ``resources``."""
    return {
        "name": path.name.removesuffix(".parquet").lower().replace("_", "-"),
        "path": path.name,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "role": role,
        "chromosome": chromosome,
        "bytes": path.stat().st_size,
        "hash": f"sha256:{sha256_of(path)}",
        "footer_sha256": footer_sha256(path),
        "rows": pq.read_metadata(path).num_rows,
        "sources": sources,
    }


def describe_frequencies(conversion: Conversion, contig: str) -> dict[str, int]:
    """Return of how many records it is known whose frequency MAF is, without and by the sequence."""
    counts = conversion.frequencies.get(contig, Counter())
    return {state: counts[state] for state in FREQUENCIES}


def describe_store(
    folder: Path,
    manifest: Manifest,
    source: str,
    resources: list[dict[str, Any]],
    conversions: Mapping[str, Conversion],
    *,
    fasta: bool,
) -> dict[str, Any]:
    """Return the content of ``datapackage.json``."""
    unknown: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    versions: dict[str, str] = {}
    for conversion in conversions.values():
        unknown += conversion.unknown
        reasons += conversion.reasons
        versions |= conversion.source_versions
    species, assembly, release = manifest.species, manifest.assembly, manifest.release
    quarantine = folder / QUARANTINE
    return {
        "profile": "data-package",
        "name": f"ensembl-annotations-{species}-{assembly}-{release}".lower().replace("_", "-"),
        "title": f"Ensembl variation of {species} on {assembly}, release {release}, per allele",
        "store_version": STORE_VERSION,
        "source": source,
        "release": release,
        # The youngest file's: they are made one after the other.
        "release_date": max(
            (item.date for item in conversions.values() if item.date), default=None
        ),
        "assembly": assembly,
        "species": species,
        "licenses": [
            {
                "name": "ensembl-data",
                "title": "Ensembl's data are free to use without restriction; the databases they "
                "come from may ask for citation",
                "path": "https://www.ensembl.org/info/about/legal/disclaimer.html",
            }
        ],
        "source_versions": dict(sorted(versions.items())),
        "num_variants": sum(item.num_records for item in conversions.values()),
        "num_unnamed_entries": sum(item.num_unnamed for item in conversions.values()),
        **(
            {"num_ref_differs": sum(item.num_ref_differs for item in conversions.values())}
            if fasta
            else {}
        ),
        "unknown_info_keys": dict(sorted(unknown.items())),
        "quarantine": {
            "path": QUARANTINE,
            "bytes": quarantine.stat().st_size,
            "hash": f"sha256:{sha256_of(quarantine)}",
            "rows": reasons.total(),
            "reasons": dict(sorted(reasons.items())),
        },
        "schemas": {
            role: {"fields": schema_description(role)}
            for role in ("alleles", "details", *(["sequence"] if fasta else []))
        },
        "resources": resources,
    }


def content_metrics(folder: Path, package: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of ``metrics/fetch_ensembl.json``: functions of the content only."""
    resources = package["resources"]
    return {
        "release": package["release"],
        "assembly": package["assembly"],
        "species": package["species"],
        "num_files": len(resources),
        "num_variants": package["num_variants"],
        "num_alleles": sum(item["rows"] for item in resources if item["role"] == "alleles"),
        "num_quarantined": package["quarantine"]["rows"],
        "num_unnamed_entries": package["num_unnamed_entries"],
        "num_unknown_info_keys": sum(package["unknown_info_keys"].values()),
        **{key: package[key] for key in ("num_ref_differs",) if key in package},
        "total_size_gb": round(sum(item["bytes"] for item in resources) / 1e9, 6),
        "reference_sha256": sha256_of(folder / FILE_NAME),
    }
