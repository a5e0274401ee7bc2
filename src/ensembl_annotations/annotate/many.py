"""Annotate many VCFs in one process: each is a task of its own, and one that can't be used fails alone.

An *outcome* is what became of a VCF: its figures, or the *failure* that says what is wrong with it. A fault that
says nothing about the VCF, such as a full disk, is no outcome: it ends the run, and the next one goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ensembl_annotations.annotate.annotate import annotate_vcf
from ensembl_annotations.annotate.compared import NOT_IN_ENSEMBL, num_known, share_known
from ensembl_annotations.annotate.counts import Tally
from ensembl_annotations.annotate.failures import Failure, failure_of
from ensembl_annotations.annotate.memory import MIN_MEMORY_MB, num_together
from ensembl_annotations.common.atomic import atomic_path
from ensembl_annotations.common.cluster import Cluster, opened_cluster
from ensembl_annotations.common.errors import InputError, PassingInputError
from ensembl_annotations.common.json_files import compact_json
from ensembl_annotations.common.logs import about
from ensembl_annotations.common.metrics import stamp_of
from ensembl_annotations.common.pool import in_order
from ensembl_annotations.store.describe import FILE_NAME, ReferenceStore
from ensembl_annotations.store.read import Reference, kept_reference, opened_reference

VCF, TABLE, TALLY = "annotated.vcf.gz", "annotated.parquet", "tally.json"
RESULTS = (VCF, f"{VCF}.tbi", f"{VCF}.csi", TABLE, TALLY)
"""The files of a sample; of the indexes it has one, or none where records are not in order."""

LARGE_BYTES = 4 << 20
"""A VCF of more bytes, as it is packed, is annotated alone, by all cores."""

_OF_STORE = ("release", "assembly", "reference_sha256")


@dataclass(frozen=True)
class Task:
    """A VCF to annotate, independently of all others.

    Attributes
    ----------
    sample : str
    vcf : Path
    folder : Path
        Where its results go.
    """

    sample: str
    vcf: Path
    folder: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """What another machine has to see, too."""
        return (self.vcf,)

    def absolute(self) -> Task:
        """Return the same for a process that has another current folder."""
        return Task(self.sample, self.vcf.absolute(), self.folder.absolute())


@dataclass(frozen=True)
class Outcome:
    """What became of the VCF of a sample: figures, or a failure.

    Attributes
    ----------
    sample : str
    figures : dict or None
        The counts of `annotate_vcf`, with ``transitions``, ``transversions``, ``contigs`` (ALTs by status) and
        ``frequencies``, for the report of many samples.
    failure : Failure or None
    """

    sample: str
    figures: dict[str, Any] | None
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can have it, without the sample's name."""
        if self.failure is not None:
            return {"failure": asdict(self.failure)}
        return {"figures": self.figures}

    @classmethod
    def from_json(cls, sample: str, content: Mapping[str, Any]) -> Outcome:
        """Return what `as_json` gave."""
        failure = content.get("failure")
        return cls(sample, content.get("figures"), Failure(**failure) if failure else None)


def annotate_sample(
    task: Task, reference: Path | Reference, options: Mapping[str, Any], memory_mb: int
) -> Outcome | PassingInputError:
    """Annotate one VCF.

    Parameters
    ----------
    task : Task
    reference : Path or Reference
        Folder of the store, or the store that is open for all of them.
    options : mapping
        Those of `annotate_vcf` that decide what a result is.
    memory_mb : int
        How much memory to use, in 10^6 bytes.

    Returns
    -------
    Outcome or PassingInputError
        The error where the VCF may be fine, but not now.

    Raises
    ------
    EnsemblAnnotationsError
        For what is wrong with something else than the VCF.
    """
    before = stamp_of(task.vcf)
    try:
        with about(task.sample):
            made = annotate_vcf(
                task.vcf,
                reference,
                out_vcf=task.folder / VCF,
                out_parquet=task.folder / TABLE,
                tally=task.folder / TALLY,
                memory_mb=memory_mb,
                **options,
            )
    except InputError as error:
        try:
            failure = failure_of(error, task.vcf, before)
        except PassingInputError as passing:
            return passing
        for name in RESULTS:
            (task.folder / name).unlink(missing_ok=True)
        return Outcome(task.sample, None, failure)
    made.pop("run")
    return Outcome(task.sample, made | _of_tally(task.folder / TALLY, task.vcf))


def annotate_there(
    task: Task, reference: Path, options: Mapping[str, Any], memory_mb: int
) -> Outcome | PassingInputError:
    """Do as `annotate_sample` in another process, which opens the store in a folder once for all its tasks."""
    return annotate_sample(task, kept_reference(reference), options, memory_mb)


def annotate_many(
    tasks: Sequence[Task],
    reference: Path,
    options: Mapping[str, Any],
    memory_mb: int,
    scheduler: str | None = None,
) -> Iterator[tuple[Task, Outcome]]:
    """Annotate VCFs, small ones together and large ones alone, and yield what became of each.

    On a cluster large ones are together, too, where there are enough for all its workers; of fewer, the
    workers annotate parts.

    Raises
    ------
    PassingInputError
        When all others are done, of those that can't be used now.
    EnsemblAnnotationsError
        As `annotate_sample`.
    """
    if tasks:
        with opened_reference(reference) as opened:
            yield from _annotate_all(tasks, opened, dict(options), memory_mb, scheduler)
            opened.check_current()


def _annotate_all(
    tasks: Sequence[Task],
    reference: Reference,
    options: dict[str, Any],
    memory_mb: int,
    scheduler: str | None,
) -> Iterator[tuple[Task, Outcome]]:
    folder = reference.store.folder.absolute()
    with opened_cluster(scheduler, folder / FILE_NAME) as cluster:
        large = [task for task in tasks if _size_of(task.vcf) > LARGE_BYTES]
        alone = large if cluster is None or len(large) < cluster.num_threads else []
        small = [task for task in tasks if task not in alone]
        if cluster is None:
            done = _together(small, reference, options, memory_mb)
        else:
            done = _by_others(cluster, small, folder, options)
        for task, outcome in zip(small, done, strict=True):
            if isinstance(outcome, Outcome):
                yield task, outcome
            else:
                # It may have been for the little memory of one among many.
                alone.append(task)
    failed: list[PassingInputError] = []
    for task in alone:
        outcome = annotate_sample(task, reference, options | {"scheduler": scheduler}, memory_mb)
        if isinstance(outcome, Outcome):
            yield task, outcome
        else:
            failed.append(outcome)
    if failed:
        failed[0].message = "\n".join(error.message for error in failed)
        raise failed[0]


def _together(
    tasks: Sequence[Task], reference: Reference, options: Mapping[str, Any], memory_mb: int
) -> Iterator[Outcome | PassingInputError]:
    together = min(num_together(memory_mb), max(len(tasks), 1))
    work = partial(annotate_sample, reference=reference, options=options, memory_mb=MIN_MEMORY_MB)
    with ThreadPoolExecutor(together, thread_name_prefix="sample") as pool:
        yield from in_order(pool, work, tasks, together)


def _by_others(
    cluster: Cluster, tasks: Sequence[Task], reference: Path, options: Mapping[str, Any]
) -> Iterator[Outcome | PassingInputError]:
    work = partial(
        annotate_there, reference=reference, options=options, memory_mb=cluster.memory_mb
    )
    yield from in_order(cluster, work, (task.absolute() for task in tasks), cluster.ahead)


def _size_of(vcf: Path) -> int:
    try:
        return vcf.stat().st_size
    except OSError:
        # That it is gone is told where it is opened.
        return 0


def _of_tally(path: Path, vcf: Path) -> dict[str, Any]:
    """Return what the report of many samples needs of a sample's tally.

    Its notes name the file without its folder: the same VCF has the same result, wherever it lies.
    """
    content = json.loads(path.read_bytes())
    notes = [note.replace(str(vcf), vcf.name) for note in content["notes"]]
    if notes != content["notes"]:
        with atomic_path(path) as temporary:
            temporary.write_text(compact_json(content | {"notes": notes}), "utf-8")
    cube = content["cube"]
    contigs: dict[str, list[int]] = {}
    changes: Counter[bool] = Counter()
    columns = (cube[name] for name in ("chrom", "status", "transition", "count"))
    for chrom, status, transition, count in zip(*columns, strict=True):
        contigs.setdefault(chrom, [0, 0, 0])[status] += count
        if transition is not None:
            changes[transition] += count
    return {
        "transitions": changes[True],
        "transversions": changes[False],
        "contigs": contigs,
        "frequencies": content["frequencies"],
    }


# --- What is told of all of them


def entry_figures(outcomes: Iterable[Outcome], store: ReferenceStore) -> dict[str, Any]:
    """Return the figures of ``metrics/``: the sums of all samples, without a name."""
    outcomes = list(outcomes)
    made = [outcome.figures for outcome in outcomes if outcome.figures is not None]
    sums = Counter({name: 0 for name in Tally().as_metrics(store) if name.startswith("num_")})
    for figures in made:
        sums.update({name: figures[name] for name in sums})
    known = num_known(sums)
    reasons = {name: sums[f"num_{name}"] for name in NOT_IN_ENSEMBL}
    num_compared, percent = share_known(known, reasons)
    return {
        **Tally().as_metrics(store),
        **sums,
        "num_compared": num_compared,
        "annotated_percent": percent,
        "num_samples": len(outcomes),
        "num_failed": len(outcomes) - len(made),
    }


def entry_tally(
    outcomes: Iterable[Outcome], store: ReferenceStore, options: Mapping[str, Any]
) -> str:
    """Return the text of the ``tally.json`` of an entry: a row for each sample, and the sums of the charts.

    Parameters
    ----------
    outcomes : iterable of Outcome
        In the order of the samples.
    store : ReferenceStore
    options : mapping
        As ``params.yaml`` has them.
    """
    outcomes = list(outcomes)
    contigs: dict[str, list[int]] = {}
    frequencies: Counter[str] = Counter()
    rows = []
    for outcome in outcomes:
        if outcome.figures is None:
            continue
        figures = dict(outcome.figures)
        for name, counts in figures.pop("contigs").items():
            before = contigs.get(name, [0, 0, 0])
            contigs[name] = [one + more for one, more in zip(before, counts, strict=True)]
        frequencies.update(figures.pop("frequencies"))
        for name in _OF_STORE:
            figures.pop(name)
        rows.append({"sample": outcome.sample, "num_known": num_known(figures), **figures})
    content = {
        "release": int(store.release),
        "release_date": store.release_date,
        "assembly": store.assembly,
        "source": store.source,
        "reference_sha256": store.digest,
        "options": dict(options),
        "samples": rows,
        "failures": [
            {"sample": outcome.sample, **asdict(outcome.failure)}
            for outcome in outcomes
            if outcome.failure is not None
        ],
        "contigs": contigs,
        "frequencies": dict(sorted(frequencies.items())),
    }
    return compact_json(content)
