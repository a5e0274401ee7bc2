"""Build the asset `ensembl_annotations`: download, verify, convert, describe."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ensembl_annotations.common.atomic import prepare_to_write, write_json
from ensembl_annotations.common.datapackage import FILE_NAME, ReferenceStore, footer_sha256
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    SourceError,
    explain_os_error,
    explained_os_errors,
)
from ensembl_annotations.common.metrics import ResourceMeter, recorded_run
from ensembl_annotations.common.provenance import sha256_of
from ensembl_annotations.common.schema import STORE_VERSION
from ensembl_annotations.fetch.convert import Conversion, convert_vcf
from ensembl_annotations.fetch.download import FetchedFile, fetch_file
from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.manifest import Manifest, PublishedFile, load_manifest, read_manifest
from ensembl_annotations.fetch.sequence import convert_fasta
from ensembl_annotations.fetch.store import StoreWriter, schema_description

QUARANTINE = "quarantine.tsv.gz"
JOBS = 4


@dataclass(frozen=True)
class _Wanted:
    """A file to fetch, and the folder it is in."""

    folder: str
    file: PublishedFile


def fetch_ensembl(
    out: Path,
    *,
    mirrors: Sequence[str],
    release: int,
    species: str = "homo_sapiens",
    assembly: str = "GRCh38",
    chromosomes: Sequence[str] | None = None,
    source: str = "unnamed",
    fasta: bool = False,
    force: bool = False,
    manifest: Path | None = None,
    metrics: Path | None = None,
    run_metrics: Path | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Download, verify and convert a release's variation files into a reference store.

    Parameters
    ----------
    out : Path
        The store's folder; replaced whole when everything has succeeded.
    mirrors : sequence of str
        Bases of the same tree (URLs or folders), tried in order.
    release, species, assembly : int, str, str
        As in Ensembl's paths.
    chromosomes : sequence of str, optional
        Ensembl's names; default all that are published.
    source : str
        The name of where the data come from, kept in the store.
    fasta : bool
        Fetch the sequence too.
    force : bool
        Download again what the cache holds.
    manifest : Path, optional
        What is published; default: ask the mirror.
    metrics, run_metrics : Path, optional
        JSON files for the figures of the content and of this run.
    progress : callable
        Called with a line of text per file.

    Returns
    -------
    dict
        The figures of the content, and those of the run under ``run``.

    Raises
    ------
    EnsemblAnnotationsError
        With nothing changed at `out`.
    """
    layout = Layout(species, assembly, release)
    with explained_os_errors("fetching"):
        for path in (metrics, run_metrics):
            if path is not None:
                prepare_to_write(path)
        with recorded_run(run_metrics, {"cache_path": str(out.resolve())}) as run:
            published = (
                load_manifest(manifest)
                if manifest
                else read_manifest(mirrors, layout, with_fasta=fasta)
            )
            content, downloads = _build(
                out, mirrors, published, chromosomes, source, fasta, force, progress
            )
            if metrics is not None:
                write_json(metrics, content)
            run |= downloads
    return {**content, "run": run}


def _build(
    out: Path,
    mirrors: Sequence[str],
    manifest: Manifest,
    chromosomes: Sequence[str] | None,
    source: str,
    fasta: bool,
    force: bool,
    progress: Callable[[str], object],
) -> tuple[dict[str, Any], dict[str, Any]]:
    files = manifest.choose(chromosomes)
    wanted = [_Wanted(manifest.layout.vcf_folder, file) for file in files]
    if fasta:
        folder = manifest.layout.fasta_folder
        wanted += [_Wanted(folder, manifest.sequence_of(file.chromosome)) for file in files]
    with ResourceMeter() as meter:
        fetched = _download_all(mirrors, wanted, force)
    downloaded = [item for item in fetched if item.status == "downloaded"]
    downloads = {
        "status": "downloaded" if downloaded else "cached",
        "num_downloaded": len(downloaded),
        "downloaded_bytes": sum(item.num_bytes for item in downloaded),
        "download_duration_sec": round(meter.duration_sec, 3),
        "download_cpu_percent": round(meter.cpu_percent, 1),
    }
    with _new_folder(out) as folder_path:
        content = _convert_all(folder_path, manifest, wanted, fetched, source, progress)
    return content, downloads


def _download_all(
    mirrors: Sequence[str], wanted: Sequence[_Wanted], force: bool
) -> list[FetchedFile]:
    def fetch(item: _Wanted) -> FetchedFile:
        return fetch_file(mirrors, item.folder, item.file, force=force)

    with ThreadPoolExecutor(JOBS, thread_name_prefix="download") as pool:
        futures = [pool.submit(fetch, item) for item in wanted]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes `out`'s place when the block ends without an error."""
    out = out.resolve()
    if out == Path.cwd() or out in Path.cwd().parents:
        raise EnsemblAnnotationsError(
            f"{out}: is the folder you are in; it would be replaced.",
            hint="Choose another folder with --out, or go elsewhere.",
        )
    if problem := _not_ours(out):
        raise EnsemblAnnotationsError(
            f"{out}: exists and {problem}; it would be replaced.",
            hint="Choose a new folder with --out.",
        )
    folder: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        folder.chmod(0o755)
        yield folder
        # The old store goes aside first, so that at no time both are gone.
        old = folder.with_name(f"{folder.name}.old")
        if out.exists():
            out.rename(old)
        try:
            folder.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise explain_os_error(error, out, "writing the reference store") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _not_ours(out: Path) -> str | None:
    """Say why a path must not be replaced, or None where it is free, empty, or a store."""
    if not out.exists():
        return None
    if not out.is_dir():
        return "is not a reference store"
    names = {path.name for path in out.iterdir()}
    if not names:
        return None
    try:
        content = json.loads((out / FILE_NAME).read_bytes())
        described = {item["path"] for item in content["resources"]}
        content["store_version"]
    except (OSError, ValueError, KeyError, TypeError):
        return "is not a reference store"
    foreign = sorted(names - described - {FILE_NAME, QUARANTINE})
    return f"has files of others ({', '.join(foreign[:3])})" if foreign else None


def _convert_all(
    folder: Path,
    manifest: Manifest,
    wanted: Sequence[_Wanted],
    fetched: Sequence[FetchedFile],
    source: str,
    progress: Callable[[str], object],
) -> dict[str, Any]:
    conversions: dict[str, Conversion] = {}
    resources: list[dict[str, Any]] = []
    for item, file in zip(wanted, fetched, strict=True):
        if item.folder != manifest.layout.vcf_folder:
            resources.append(_convert_sequence(folder, manifest, item, file))
            continue
        store = StoreWriter(folder, manifest.species)
        try:
            if item.file.chromosome != "all":
                store.open(item.file.chromosome)
            conversion = convert_vcf(file.path, item.file.name, item.file.chromosome, store)
        except BaseException:
            store.abandon()
            raise
        store.finish()
        conversions[item.file.name] = conversion
        for chromosome, writer in store.chromosomes.items():
            resources.append(_resource(writer.path, chromosome, "alleles", [_source(item, file)]))
        progress(
            f"{item.file.name}: {file.status}, {file.num_bytes / 1e6:.2f} MB, {conversion.num_records} records"
        )
    _write_quarantine(folder / QUARANTINE, conversions)
    package = _package(manifest, source, resources, conversions)
    write_json(folder / FILE_NAME, package)
    problems = ReferenceStore(folder).verify()
    if problems:
        raise SourceError(f"The store just written does not verify: {'; '.join(problems)}.")
    return _content_metrics(folder, package)


def _convert_sequence(
    folder: Path, manifest: Manifest, item: _Wanted, file: FetchedFile
) -> dict[str, Any]:
    chromosome = item.file.chromosome
    path = folder / f"{manifest.species}-chr{chromosome}.sequence.parquet"
    convert_fasta(file.path, item.file.name, chromosome, path)
    return _resource(path, chromosome, "sequence", [_source(item, file)])


def _source(item: _Wanted, file: FetchedFile) -> dict[str, Any]:
    return {
        "path": file.relative,
        "checksum": f"{item.file.checksum:05d} {item.file.blocks}",
        "bytes": file.num_bytes,
        "sha256": file.sha256,
    }


def _resource(
    path: Path, chromosome: str, role: str, sources: list[dict[str, Any]]
) -> dict[str, Any]:
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


def _write_quarantine(path: Path, conversions: dict[str, Conversion]) -> None:
    text = io.BytesIO()
    with gzip.GzipFile(fileobj=text, mode="wb", mtime=0) as out:
        out.write(b"file\tline\treason\ttext\n")
        for name, conversion in conversions.items():
            for number, reason, row in conversion.quarantined:
                escaped = row.replace("\\", "\\\\").replace("\t", "\\t")
                out.write(f"{name}\t{number}\t{reason}\t{escaped}\n".encode())
    path.write_bytes(text.getvalue())


def _package(
    manifest: Manifest,
    source: str,
    resources: list[dict[str, Any]],
    conversions: dict[str, Conversion],
) -> dict[str, Any]:
    unknown: Counter[str] = Counter()
    versions: dict[str, str] = {}
    for conversion in conversions.values():
        unknown += conversion.unknown
        versions |= conversion.source_versions
    species, assembly, release = manifest.species, manifest.assembly, manifest.release
    return {
        "profile": "data-package",
        "name": f"ensembl-annotations-{species}-{assembly}-{release}".lower().replace("_", "-"),
        "title": f"Ensembl variation of {species} on {assembly}, release {release}, per allele",
        "store_version": STORE_VERSION,
        "source": source,
        "release": release,
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
        "num_quarantined": sum(len(item.quarantined) for item in conversions.values()),
        "num_unnamed_entries": sum(item.num_unnamed for item in conversions.values()),
        "unknown_info_keys": dict(sorted(unknown.items())),
        "schema": {"fields": schema_description()},
        "resources": resources,
    }


def _content_metrics(folder: Path, package: dict[str, Any]) -> dict[str, Any]:
    alleles = [item for item in package["resources"] if item["role"] == "alleles"]
    return {
        "release": package["release"],
        "assembly": package["assembly"],
        "species": package["species"],
        "num_files": len(alleles),
        "num_variants": package["num_variants"],
        "num_alleles": sum(item["rows"] for item in alleles),
        "num_quarantined": package["num_quarantined"],
        "num_unnamed_entries": package["num_unnamed_entries"],
        "total_size_gb": round(sum(item["bytes"] for item in package["resources"]) / 1e9, 6),
        "reference_sha256": sha256_of(folder / FILE_NAME),
    }
