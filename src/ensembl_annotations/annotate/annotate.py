"""Make the asset `annotated_vcf`: read, match, write."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from ensembl_annotations.annotate.guard import check_bases, check_header
from ensembl_annotations.annotate.match import (
    Contigs,
    compare_bases,
    find_matches,
    is_in_order,
    report_unresolved,
    split_alleles,
)
from ensembl_annotations.annotate.read import CHROM, Batch, VcfReader
from ensembl_annotations.annotate.reference import Reference
from ensembl_annotations.annotate.values import per_id, record_tags
from ensembl_annotations.annotate.write_parquet import TableWriter
from ensembl_annotations.annotate.write_vcf import (
    VcfWriter,
    annotated_text,
    check_header_tags,
    check_record_tags,
    count_id_conflicts,
    header_bytes,
    index_of,
    without_our_tags,
    write_index,
)
from ensembl_annotations.common.atomic import Outputs, prepare_to_write
from ensembl_annotations.common.datapackage import ReferenceStore
from ensembl_annotations.common.errors import UsageError, explained_os_errors
from ensembl_annotations.common.metrics import recorded_run
from ensembl_annotations.common.provenance import ENGINE_VERSION
from ensembl_annotations.common.schema import REASONS

Log = Callable[[str], object]


@dataclass
class Tally:
    """Counts of a run, functions of the inputs only."""

    num_records: int = 0
    num_alleles: int = 0
    num_exact: int = 0
    num_par: int = 0
    num_id_conflicts: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def as_metrics(self, store: ReferenceStore) -> dict[str, Any]:
        """Return the figures of ``metrics/annotate/<sample>.json``."""
        share = 100 * self.num_exact / self.num_alleles if self.num_alleles else 0.0
        return {
            "release": int(store.release),
            "assembly": store.assembly,
            "reference_sha256": store.digest,
            "num_records": self.num_records,
            "num_alleles": self.num_alleles,
            "num_exact": self.num_exact,
            **{f"num_{reason}": self.reasons[reason] for reason in REASONS},
            "num_par": self.num_par,
            "num_id_conflicts": self.num_id_conflicts,
            "annotated_percent": round(share, 3),
        }


@dataclass
class _Job:
    """What one run works with."""

    reader: VcfReader
    reference: Reference
    contigs: Contigs
    overwrite: bool
    tally: Tally = field(default_factory=Tally)
    in_order: bool = True
    _seen: list[str] = field(default_factory=list)
    _last_pos: int = -1

    def batches(self) -> Iterator[Batch]:
        for batch in self.reader.batches():
            if self.overwrite:
                yield without_our_tags(batch)
            else:
                check_record_tags(batch, self.reader.path)
                yield batch

    def alleles(self, batch: Batch) -> pl.DataFrame:
        return split_alleles(self.reader, batch, self.contigs)

    def annotate(self, batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Return the alleles, the matches per ID, and the changes per record of a batch."""
        hits, alleles = find_matches(self.alleles(batch), self.reference)
        by_id = per_id(hits)
        changes = record_tags(alleles, by_id)
        self._count(batch, alleles, changes)
        return alleles, by_id, changes

    def _count(self, batch: Batch, alleles: pl.DataFrame, changes: pl.DataFrame) -> None:
        tally = self.tally
        tally.num_records += len(batch.lines)
        tally.num_alleles += int((alleles["alt"] != ".").sum())
        tally.num_exact += int(alleles["reason"].is_null().sum())
        tally.num_par += int(alleles.filter("par")["row"].n_unique())
        for reason, count in alleles["reason"].drop_nulls().value_counts().iter_rows():
            tally.reasons[reason] += count
        tally.num_id_conflicts += count_id_conflicts(batch, changes)
        if self.in_order:
            positions = self.reader.positions(batch)
            self.in_order, self._last_pos = is_in_order(
                batch.text(CHROM), positions, self._seen, self._last_pos
            )


def annotate_vcf(
    vcf: Path,
    reference: Path,
    *,
    out_vcf: Path | None = None,
    out_parquet: Path | None = None,
    metrics: Path | None = None,
    run_metrics: Path | None = None,
    assembly: str | None = None,
    chromosomes: Sequence[str] | None = None,
    level: int = 1,
    overwrite_tags: bool = False,
    log: Log = lambda _: None,
) -> dict[str, Any]:
    """Annotate a VCF with a reference store.

    Parameters
    ----------
    vcf : Path
        Plain, gzip or BGZF.
    reference : Path
        Folder of the store.
    out_vcf : Path, optional
        The annotated VCF (BGZF); a ``.csi`` index is written beside it where it is sorted.
    out_parquet : Path, optional
        The annotated table, one row per (record, ALT).
    metrics, run_metrics : Path, optional
        JSON files for the counts, and for the figures of this run.
    assembly : str, optional
        Assembly of the VCF where its header does not say.
    chromosomes : sequence of str, optional
        Look up only these.
    level : int
        Compression level of the VCF, 1 to 9.
    overwrite_tags : bool
        Replace our tags where the input has them.
    log : callable
        Called with what the user should know, a line each.

    Returns
    -------
    dict
        The counts, and the figures of the run under ``run``.

    Raises
    ------
    EnsemblAnnotationsError
        With nothing written under a final name.
    """
    if out_vcf is None and out_parquet is None:
        raise UsageError("Nothing to write: give --out-vcf, --out-parquet or both.")
    if not 1 <= level <= 9:
        raise UsageError(f"--level: expected 1 to 9, found {level}.")
    with explained_os_errors("annotating"):
        index = index_of(out_vcf) if out_vcf is not None else None
        _check_paths(vcf, reference, out_vcf, index, out_parquet, metrics, run_metrics)
        with recorded_run(run_metrics, {"cache_path": str(reference.resolve())}) as run:
            store = ReferenceStore(reference)
            store.check(_needed(store, chromosomes))
            job = _open(vcf, store, assembly, chromosomes, overwrite_tags, log)
            provenance = _provenance(store, chromosomes, overwrite_tags)
            with Outputs() as outputs:
                _write(job, outputs, out_vcf, out_parquet, provenance, level, log)
                content = job.tally.as_metrics(store)
                if metrics is not None:
                    outputs.write_json(metrics, content)
            report_unresolved(job.contigs, log)
            run["status"] = "annotated"
    return {**content, "run": run}


def _check_paths(vcf: Path, reference: Path, *outputs: Path | None) -> None:
    named = [path for path in outputs if path is not None]
    for path in named:
        if path.exists() and vcf.exists() and path.samefile(vcf):
            raise UsageError(
                f"{path}: is the input; it would be overwritten.", hint="Name another file."
            )
        if named.count(path) > 1 or [item.resolve() for item in named].count(path.resolve()) > 1:
            raise UsageError(f"{path}: named for two outputs.", hint="Name two files.")
        if reference.resolve() in path.resolve().parents:
            raise UsageError(
                f"{path}: is inside the reference store.", hint="Write to another folder."
            )
        prepare_to_write(path)


def _needed(store: ReferenceStore, chromosomes: Sequence[str] | None) -> list[str] | None:
    """Return the chromosomes whose files are read; the pseudo-autosomal regions of Y are on X."""
    if chromosomes is None:
        return None
    unknown = [name for name in chromosomes if name not in store.chromosomes]
    if unknown:
        raise UsageError(
            f"--chromosomes: {', '.join(unknown)}: not in the reference store {store.folder}.",
            hint=f"There are: {', '.join(store.chromosomes)}.",
        )
    return [*chromosomes, "X"] if "Y" in chromosomes and "X" not in chromosomes else [*chromosomes]


def _open(
    vcf: Path,
    store: ReferenceStore,
    assembly: str | None,
    chromosomes: Sequence[str] | None,
    overwrite: bool,
    log: Log,
) -> _Job:
    reader = VcfReader(vcf)
    if not overwrite:
        check_header_tags(reader.header, vcf)
    reference = Reference(store)
    requested = frozenset(chromosomes) if chromosomes is not None else None
    job = _Job(reader, reference, Contigs(reference, reader.header, requested), overwrite)
    if not check_header(reader.header, store.species, store.assembly, assembly, vcf):
        compared = (compare_bases(job.alleles(batch), reference) for batch in job.batches())
        check_bases(compared, store.assembly, assembly, vcf, log)
    return job


def _provenance(
    store: ReferenceStore, chromosomes: Sequence[str] | None, overwrite: bool
) -> dict[str, str]:
    return {
        "ID": "ensembl_annotations",
        "Engine": ENGINE_VERSION,
        "Source": store.source,
        "Release": store.release,
        "Species": store.species,
        "Assembly": store.assembly,
        "ReferenceSHA256": store.digest,
        "Match": "exact",
        "Chromosomes": "|".join(chromosomes) if chromosomes is not None else "all",
        "OverwriteTags": "yes" if overwrite else "no",
    }


def _write(
    job: _Job,
    outputs: Outputs,
    out_vcf: Path | None,
    out_parquet: Path | None,
    provenance: dict[str, str],
    level: int,
    log: Log,
) -> None:
    with ExitStack() as stack:
        writer = table = temporary = None
        if out_vcf is not None:
            temporary = outputs.temporary(out_vcf)
            handle = stack.enter_context(temporary.open("wb"))
            writer = VcfWriter(handle, level=level, threads=os.cpu_count() or 1)
            stack.callback(writer.abandon)
            release = provenance["Release"]
            writer.write(
                header_bytes(job.reader.header, release, provenance, overwrite=job.overwrite)
            )
        if out_parquet is not None:
            with_genotype = len(job.reader.header.samples) == 1
            table = TableWriter(
                outputs.temporary(out_parquet), provenance, with_genotype=with_genotype
            )
            stack.callback(table.abandon)
        for batch in job.batches():
            alleles, by_id, changes = job.annotate(batch)
            if table is not None:
                table.add(batch, alleles, by_id)
            if writer is not None:
                writer.write(memoryview(annotated_text(batch, changes)))
        if table is not None:
            table.finish()
        if writer is not None:
            writer.finish(without_last_byte=job.reader.ends_without_newline)
    if out_vcf is not None and temporary is not None:
        _index(job, outputs, temporary, out_vcf, log)


def _index(job: _Job, outputs: Outputs, temporary: Path, out_vcf: Path, log: Log) -> None:
    index = index_of(out_vcf)
    if not job.in_order:
        outputs.remove_stale(index)
        log(
            f"{job.reader.path}: not sorted by contig and position; the order is kept and no index is written."
        )
        return
    if not write_index(temporary, outputs.temporary(index)):
        outputs.forget(index)
        outputs.remove_stale(index)
        log(f"{out_vcf}: htslib can't index it (an END out of range?); no index is written.")
