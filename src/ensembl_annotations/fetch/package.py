"""Describe a reference store: ``datapackage.json``, the quarantine, the figures of the content."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.words import listed
from ensembl_annotations.fetch.convert.convert import FREQUENCIES, BadRow, Conversion
from ensembl_annotations.fetch.convert.gff3 import GenesFound
from ensembl_annotations.fetch.download import FetchedFile
from ensembl_annotations.fetch.manifest import Manifest, PublishedFile
from ensembl_annotations.store.describe import (
    FILE_NAME,
    QUARANTINE,
    SCHEMAS,
    footer_sha256,
)
from ensembl_annotations.store.write import schema_description
from ensembl_annotations.variants.schema import ALLELES, GENES, Column
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_blocks
from ensembl_annotations.versions import STORE_VERSION

_LEVEL = 6
_FLUSH_BYTES = 1 << 20
_MOST_NAMED = 30
_ENSEMBL = "https://www.ensembl.org"
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


class Source(BaseModel):
    """A published file: its path below a mirror's base, and what CHECKSUMS says of it."""

    title: str
    path: str
    checksum: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, file: PublishedFile, fetched: FetchedFile) -> Source:
        return cls(
            title=Path(fetched.relative).name,
            path=fetched.relative,
            checksum=f"{file.checksum:05d} {file.blocks}",
            bytes=fetched.num_bytes,
            sha256=fetched.sha256,
        )


class DataFile(BaseModel):
    """A file of the store; the rows of a sequence are its bases, those of genes transcripts.

    Alleles have `frequencies`, records by how far theirs is known; a sequence has `num_other_letters`, which
    became N though they are neither N nor a base.
    """

    name: str
    path: str
    format: str
    mediatype: str
    role: str
    chromosome: str
    bytes: int
    hash: str
    footer_sha256: str
    # Readers of the standard would count the rows of what has `rows`.
    rows: int = Field(serialization_alias="num_rows")
    sources: list[Source]
    frequencies: dict[str, int] | None = None
    num_other_letters: int | None = None

    @property
    def published_name(self) -> str:
        """The name of the published file that it was converted from."""
        return Path(self.sources[0].path).name

    @classmethod
    def of(
        cls, path: Path, chromosome: str, role: str, num_rows: int, *sources: Source
    ) -> DataFile:
        is_sequence = role == "sequence"
        return cls(
            name=re.sub("[^a-z0-9.]", "-", path.name.removesuffix(".parquet").lower()),
            path=path.name,
            format="2bit" if is_sequence else "parquet",
            mediatype=f"application/{'octet-stream' if is_sequence else 'vnd.apache.parquet'}",
            role=role,
            chromosome=chromosome,
            bytes=path.stat().st_size,
            hash=f"sha256:{sha256_of(path)}",
            footer_sha256=footer_sha256(path),
            rows=num_rows,
            sources=list(sources),
        )

    def add_frequencies(self, conversion: Conversion) -> None:
        """Note of how many records it is known whose frequency MAF is, without and by the sequence."""
        counts = conversion.frequencies.get(self.chromosome, Counter())
        self.frequencies = {state: counts[state] for state in FREQUENCIES}


class QuarantinedRows(BaseModel):
    """The file of the rows that were not understood."""

    path: str = QUARANTINE
    bytes: int
    hash: str
    rows: int
    reasons: dict[str, int]


class SchemaFile(BaseModel):
    """The file with the columns of all files of a role: in ``datapackage.json`` they would be repeated for each."""

    path: str
    bytes: int
    hash: str

    @classmethod
    def write(cls, folder: Path, role: str, columns: Sequence[Column]) -> SchemaFile:
        path = folder / SCHEMAS[role]
        write_json(path, {"fields": schema_description(columns)})
        return cls(path=path.name, bytes=path.stat().st_size, hash=f"sha256:{sha256_of(path)}")


class Genes(BaseModel):
    """What was found in the published gene models; see `GenesFound`."""

    num_genes: int
    num_transcripts: int
    num_without_sequence: int
    peptides: dict[str, int]
    other_types: dict[str, int]
    unknown_attributes: dict[str, int]

    @classmethod
    def of(cls, found: Sequence[GenesFound]) -> Genes:
        def total(name: str) -> dict[str, int]:
            counts = sum((getattr(item, name) for item in found), Counter[str]())
            return dict(sorted(counts.items()))

        return cls(
            num_genes=sum(item.num_genes for item in found),
            num_transcripts=sum(item.num_transcripts for item in found),
            num_without_sequence=sum(item.num_without_sequence for item in found),
            peptides=total("peptides"),
            other_types=total("other_types"),
            unknown_attributes=total("unknown_attributes"),
        )


class License(BaseModel):
    """Under which terms the data may be used."""

    name: str = "other"
    title: str = "Ensembl's data are free to use without restriction; the databases they come from may ask for citation"
    path: str = "https://www.ensembl.org/info/about/legal/disclaimer.html"


class DataPackage(BaseModel):
    """``datapackage.json``, as it is written.

    `num_ref_differs` is there only where a sequence was fetched, `genes` only where gene models were, and
    `release_date` only where Ensembl's files have one. `exact_only_on` are the chromosomes with variants and
    without a sequence.
    """

    profile: str = "data-package"
    name: str
    title: str
    store_version: int = STORE_VERSION
    source: str
    release: int
    release_date: str | None
    assembly: str
    species: str
    licenses: list[License] = [License()]
    source_versions: dict[str, str]
    num_variants: int
    num_unnamed_entries: int
    num_ref_differs: int | None
    unknown_info_keys: dict[str, int]
    exact_only_on: list[str]
    genes: Genes | None
    quarantine: QuarantinedRows
    schemas: dict[str, SchemaFile]
    resources: list[DataFile]

    @classmethod
    def of(
        cls,
        folder: Path,
        manifest: Manifest,
        source: str,
        resources: list[DataFile],
        conversions: Sequence[Conversion],
        genes: Sequence[GenesFound] = (),
    ) -> DataPackage:
        unknown: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        versions: dict[str, str] = {}
        for conversion in conversions:
            unknown += conversion.unknown
            reasons += conversion.reasons
            versions |= conversion.source_versions
        for found in genes:
            reasons += found.reasons
        species, assembly, release = manifest.species, manifest.assembly, manifest.release
        quarantine = folder / QUARANTINE
        with_sequence = {item.chromosome for item in resources if item.role == "sequence"}
        kinds = [*(["variation"] if manifest.vcf else []), *(["genes"] if genes else [])]
        roles = {item.role for item in resources}
        return cls(
            name=f"ensembl-annotations-{species}-{assembly}-{release}".lower().replace("_", "-"),
            title=f"Ensembl {' and '.join(kinds)} of {species} on {assembly}, release {release}",
            source=source,
            release=release,
            # The youngest file's: they are made one after the other.
            release_date=max((item.date for item in conversions if item.date), default=None),
            assembly=assembly,
            species=species,
            source_versions=dict(sorted(versions.items())),
            num_variants=sum(item.num_records for item in conversions),
            num_unnamed_entries=sum(item.num_unnamed for item in conversions),
            num_ref_differs=sum(item.num_ref_differs for item in conversions)
            if with_sequence
            else None,
            unknown_info_keys=dict(sorted(unknown.items())),
            exact_only_on=[
                item.chromosome
                for item in resources
                if item.role == "alleles" and item.chromosome not in with_sequence
            ],
            genes=Genes.of(genes) if genes else None,
            quarantine=QuarantinedRows(
                bytes=quarantine.stat().st_size,
                hash=f"sha256:{sha256_of(quarantine)}",
                rows=reasons.total(),
                reasons=dict(sorted(reasons.items())),
            ),
            schemas={
                role: SchemaFile.write(folder, role, columns)
                for role, columns in {"alleles": ALLELES, "genes": GENES}.items()
                if role in roles
            },
            resources=resources,
        )

    def as_standard(self) -> dict[str, Any]:
        """Return it as a Frictionless Data Package, which refers to the columns from each file.

        Notes
        -----
        `type` says which of Frictionless' checks fit: bytes and hash. As a table it would read parquet by
        pandas, to which a whole number that is null is none.
        """
        content = self.model_dump(exclude_none=True, by_alias=True)
        names = Counter[str]()
        for item in content["resources"]:
            names[item["name"]] += 1
            # Names of contigs may differ in case alone.
            if (number := names[item["name"]]) > 1:
                item["name"] += f"-{number}"
            item["type"] = "file"
            if item["role"] in content["schemas"]:
                item["schema"] = content["schemas"][item["role"]]["path"]
        databases = [
            {"title": name, "version": version} for name, version in self.source_versions.items()
        ]
        return {
            **content,
            "description": f"{self.title}. Made by ensembl-annotations from what Ensembl published; "
            "docs/output.md of that program explains the files and columns.",
            "version": str(self.release),
            "sources": [
                {"title": f"Ensembl, release {self.release}", "path": _ENSEMBL},
                *databases,
            ],
            "contributors": [
                {"title": "Ensembl", "path": _ENSEMBL, "role": "author"},
                {"title": "ensembl-annotations", "role": "wrangler"},
            ],
        }

    def write(self, folder: Path) -> dict[str, Any]:
        """Write it; return the figures of ``metrics/fetch_ensembl.json``: functions of the content only."""
        write_json(folder / FILE_NAME, self.as_standard())
        figures = {
            "release": self.release,
            "assembly": self.assembly,
            "species": self.species,
            "num_files": len(self.resources),
            "num_variants": self.num_variants,
            "num_alleles": sum(item.rows for item in self.resources if item.role == "alleles"),
            "num_quarantined": self.quarantine.rows,
            "num_unnamed_entries": self.num_unnamed_entries,
            "num_unknown_info_keys": sum(self.unknown_info_keys.values()),
            "num_ref_differs": self.num_ref_differs,
            "exact_only_on": listed(self.exact_only_on, _MOST_NAMED) or None,
            **self._gene_figures(),
            "total_size_gb": round(sum(item.bytes for item in self.resources) / 1e9, 6),
            "reference_sha256": sha256_of(folder / FILE_NAME),
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _gene_figures(self) -> dict[str, Any]:
        if self.genes is None:
            return {}
        return {
            "num_genes": self.genes.num_genes,
            "num_transcripts": self.genes.num_transcripts,
            "num_peptides_edited": self.genes.peptides.get("edited", 0),
            "num_peptides_unchecked": self.genes.peptides.get("unchecked", 0),
        }
