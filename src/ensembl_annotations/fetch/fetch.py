"""Build the asset `ensembl_annotations`: download, verify, convert, describe."""

from __future__ import annotations

import logging
import queue
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ensembl_annotations._kernel import Sequence2Bit
from ensembl_annotations.common.atomic import path_of, prepare_to_write, write_json
from ensembl_annotations.common.cluster import Cluster, opened_cluster
from ensembl_annotations.common.errors import (
    ChecksumError,
    NotPublishedError,
    SizeError,
    UsageError,
    check_name,
    explained_os_errors,
)
from ensembl_annotations.common.metrics import recorded_run
from ensembl_annotations.common.progress import Progress, format_bytes
from ensembl_annotations.fetch.convert.convert import MAX_BAD_PERCENT, Conversion, convert_vcf
from ensembl_annotations.fetch.convert.fasta import convert_fasta
from ensembl_annotations.fetch.convert.gff3 import GenesFound, SequenceOf, transcripts_of
from ensembl_annotations.fetch.convert.peptides import Peptide, read_peptides
from ensembl_annotations.fetch.download import FetchedFile, download_cache, fetch_file
from ensembl_annotations.fetch.layouts import ALL, Layout
from ensembl_annotations.fetch.manifest import Manifest, check_source, load_manifest_of
from ensembl_annotations.fetch.manifest_cache import cached_manifest
from ensembl_annotations.fetch.package import DataFile, DataPackage, Quarantine, Source
from ensembl_annotations.fetch.plan import Plan, Wanted, make_plan
from ensembl_annotations.store.describe import (
    QUARANTINE,
    ROLES,
    FileIdentity,
    Origin,
    ReferenceStore,
)
from ensembl_annotations.store.folder import new_folder
from ensembl_annotations.store.genes import write_genes
from ensembl_annotations.store.sequence import load_sequence, opened_sequence
from ensembl_annotations.store.write import StoreWriter
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.roll import Bases

_LOG = logging.getLogger(__name__)

JOBS = 4
_PATIENCE_SEC = 2.0
_OWN = ".worker-"


def fetch_ensembl(
    out: Path | str,
    *,
    mirrors: Sequence[Path | str] | Path | str,
    release: int,
    species: str = "homo_sapiens",
    assembly: str = "GRCh38",
    chromosomes: Sequence[str] | str | None = None,
    source: str = "unnamed",
    fasta: bool = True,
    genes: bool = True,
    force: bool = False,
    jobs: int = JOBS,
    max_bad_percent: float = MAX_BAD_PERCENT,
    manifest: Path | str | None = None,
    metrics: Path | str | None = None,
    run_metrics: Path | str | None = None,
    dvc_cache: Path | str | None = None,
    scheduler: str | None = None,
) -> dict[str, Any]:
    """Download, verify and convert a release's variants, sequences and genes into a reference store.

    Parameters
    ----------
    out : Path or str
        The store's folder; replaced whole when everything has succeeded.
    mirrors : sequence of str or Path, or one
        Bases of the same tree (URLs or folders), tried in order.
    release, species, assembly : int, str, str
        As in Ensembl's paths.
    chromosomes : sequence of str, or str, optional
        Ensembl's names, as a list or as a text such as ``21,22``; default all that are published.
    source : str
        The name of where the data come from, kept in the store.
    fasta : bool
        Fetch the sequences too, where they are published: REF is checked against them, and how far
        indels slide is kept.
    genes : bool
        Fetch the gene models too, where they and the sequences are published.
    force : bool
        Download again what the cache holds.
    jobs : int
        How many files are downloaded at a time.
    max_bad_percent : float
        The largest share of rows of a file that may be unusable, from 1,000 rows on; and of REFs that
        may differ from the sequence (of 20 to 999: a tenth).
    manifest : Path or str, optional
        What is published; default: ask the mirrors.
    metrics, run_metrics : Path or str, optional
        JSON files for the figures of the content and of this run.
    dvc_cache : Path or str, optional
        Where DVC will keep a copy of the store, for the plan of disk space.
    scheduler : str, optional
        Dask's scheduler, ``tcp://HOST:PORT`` or its file, whose workers convert the chromosomes; the store
        is the same. All have to see the store's folder and the download cache.

    Returns
    -------
    dict
        The figures of the content; those of the run under ``run``; the status of each published
        file (``cached``, ``resumed``, ``downloaded``) under ``files``.

    Raises
    ------
    EnsemblAnnotationsError
        With nothing changed at `out`.

    Notes
    -----
    A file is converted as soon as it, and what it needs (its chromosome's sequence; the peptides) are
    verified, while others are still downloading.

    Examples
    --------
    >>> figures = fetch_ensembl(
    ...     "reference", mirrors="data/mini_ensembl", release=116, chromosomes="21,22"
    ... )
    >>> sorted(name for name in figures["files"] if name.endswith(".vcf.gz"))
    ['homo_sapiens-chr21.vcf.gz', 'homo_sapiens-chr22.vcf.gz']
    """
    out, mirrors, chromosomes = Path(out), _as_list(mirrors), listed_chromosomes(chromosomes)
    metrics, run_metrics = path_of(metrics), path_of(run_metrics)
    check_source(source)
    check_name(out.resolve())
    layout = Layout(species, assembly, release)
    progress = Progress()
    with explained_os_errors("fetching"):
        for path in (metrics, run_metrics):
            if path is not None:
                _refuse_inside(out, path, "would be removed with the old store")
                prepare_to_write(path)
        _refuse_inside(out, download_cache(), "holds the downloads")
        with recorded_run(run_metrics, {"cache_path": str(out.resolve())}) as run:
            plan = _plan(
                out,
                layout,
                mirrors,
                manifest,
                chromosomes,
                fasta=fasta,
                genes=genes,
                force=force,
                dvc_cache=dvc_cache,
            )
            for line in plan.lines():
                _LOG.info(line)
            if not plan.manifest.vcf:
                _LOG.warning(f"{layout.vcf_folder}: not published; the reference has no variants.")
            plan.check_disk()
            job = _Job(plan.manifest, plan, source, max_bad_percent, progress)
            downloads = _Downloads(mirrors, plan, force, jobs, progress)
            try:
                with opened_cluster(scheduler) as cluster, new_folder(out) as folder:
                    content = job.build(folder, downloads, cluster)
            except (ChecksumError, SizeError, NotPublishedError) as error:
                if manifest is None:
                    error.hint = (
                        f"{error.hint or ''} If the server has replaced files since it was first "
                        "asked, --force asks it again."
                    ).strip()
                raise
            finally:
                run |= downloads.figures()
            if metrics is not None:
                write_json(metrics, content)
    files = {item.file.name: fetched.status for item, fetched in downloads.done}
    return {**content, "run": run, "files": files}


def plan_fetch(
    out: Path | str,
    *,
    mirrors: Sequence[Path | str] | Path | str,
    release: int,
    species: str = "homo_sapiens",
    assembly: str = "GRCh38",
    chromosomes: Sequence[str] | str | None = None,
    fasta: bool = True,
    genes: bool = True,
    force: bool = False,
    manifest: Path | str | None = None,
    dvc_cache: Path | str | None = None,
) -> list[str]:
    """Return as lines of text what `fetch_ensembl` would do with the same arguments.

    What a plan does not depend on is no argument here: `source`, `jobs`, `max_bad_percent` …

    Raises
    ------
    EnsemblAnnotationsError
        Where it could not be done: not published, no answer, or no room.

    Examples
    --------
    >>> lines = plan_fetch(
    ...     "reference", mirrors="data/mini_ensembl", release=116, chromosomes="21,22"
    ... )
    >>> lines[0].partition(",")[0]
    'homo_sapiens GRCh38 release 116: 5 files'
    """
    out, mirrors, chromosomes = Path(out), _as_list(mirrors), listed_chromosomes(chromosomes)
    layout = Layout(species, assembly, release)
    plan = _plan(
        out,
        layout,
        mirrors,
        manifest,
        chromosomes,
        fasta=fasta,
        genes=genes,
        force=force,
        dvc_cache=dvc_cache,
    )
    plan.check_disk()
    return plan.lines()


def _refuse_inside(out: Path, path: Path, why: str) -> None:
    if out.resolve() in (path.resolve(), *path.resolve().parents):
        raise UsageError(
            f"{path}: is inside the store's folder {out}, and {why}.", hint="Choose another place."
        )


def _as_list(mirrors: Sequence[Path | str] | Path | str) -> list[str]:
    named = [mirrors] if isinstance(mirrors, Path | str) else mirrors
    return [str(mirror) for mirror in named]


def _plan(
    out: Path,
    layout: Layout,
    mirrors: Sequence[str],
    manifest: Path | str | None,
    chromosomes: Sequence[str] | None,
    *,
    fasta: bool,
    genes: bool,
    force: bool,
    dvc_cache: Path | str | None,
) -> Plan:
    if genes and not fasta:
        raise UsageError(
            "genes: need the sequence, which fasta: false leaves out.",
            hint="Fetch both (--fasta --genes), or leave the genes out too (--no-genes).",
        )
    published = (
        load_manifest_of(layout, Path(manifest))
        if manifest is not None
        else cached_manifest(mirrors, layout, with_fasta=fasta, with_genes=genes, force=force)
    )
    return make_plan(
        published,
        out,
        chromosomes=chromosomes,
        fasta=fasta,
        genes=genes,
        force=force,
        dvc_cache=path_of(dvc_cache),
    )


class _Downloads:
    """Download the files of a plan on several threads, and hand each over when it is verified."""

    def __init__(
        self, mirrors: Sequence[str], plan: Plan, force: bool, jobs: int, progress: Progress
    ) -> None:
        self._mirrors, self._force, self._progress = mirrors, force, progress
        self._jobs = min(jobs, len(plan.wanted))
        self._todo: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        for item in plan.wanted:
            self._todo.put(item)
        self._num_wanted = len(plan.wanted)
        self._ready: queue.SimpleQueue[tuple[Wanted, FetchedFile | BaseException]] = (
            queue.SimpleQueue()
        )
        self._stop = threading.Event()
        self._cpu_sec = 0.0
        self._lock = threading.Lock()
        self._began = self._ended = time.perf_counter()
        self.done: list[tuple[Wanted, FetchedFile]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Download while the block runs; leaving it by an error stops everything."""
        self._began = self._ended = time.perf_counter()
        # Daemons: an interrupted program ends without waiting for a connection that stalls.
        threads = [
            threading.Thread(target=self._work, name=f"download-{index}", daemon=True)
            for index in range(self._jobs)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            limit = time.monotonic() + _PATIENCE_SEC
            for thread in threads:
                thread.join(max(0.0, limit - time.monotonic()))

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                item = self._todo.get_nowait()
            except queue.Empty:
                return
            began = time.thread_time()
            try:
                result: FetchedFile | BaseException = fetch_file(
                    self._mirrors,
                    item.folder,
                    item.file,
                    force=self._force,
                    progress=self._progress.downloaded,
                    stop=self._stop,
                )
            except BaseException as error:
                result = error
            with self._lock:
                self._cpu_sec += time.thread_time() - began
                self._ended = time.perf_counter()
            self._ready.put((item, result))

    def verified(self) -> Iterator[tuple[Wanted, FetchedFile]]:
        """Yield the files in the order in which they are verified.

        Raises
        ------
        EnsemblAnnotationsError
            The first that occurred.
        """
        for _ in range(self._num_wanted):
            item, result = self._next()
            if isinstance(result, BaseException):
                raise result
            self.done.append((item, result))
            yield item, result

    def _next(self) -> tuple[Wanted, FetchedFile | BaseException]:
        while True:
            # Ctrl-C ends a wait with a limit at once; with polars loaded, one without may go on.
            with suppress(queue.Empty):
                return self._ready.get(timeout=1)

    def figures(self) -> dict[str, Any]:
        """Return the figures of the run; CPU is that of the threads that download."""
        files = [fetched for _, fetched in self.done]
        statuses = [file.status for file in files]
        duration = self._ended - self._began
        return {
            "status": "cached" if set(statuses) <= {"cached"} else "downloaded",
            **{f"num_{name}": statuses.count(name) for name in ("cached", "resumed", "downloaded")},
            "downloaded_bytes": sum(file.downloaded_bytes for file in files),
            "download_duration_sec": round(duration, 3),
            "download_cpu_percent": round(100 * self._cpu_sec / duration, 1) if duration else 0.0,
        }


@dataclass
class _Job:
    """The conversion of what arrives into a store."""

    manifest: Manifest
    plan: Plan
    source: str
    max_bad_percent: float
    progress: Progress
    conversions: dict[str, Conversion] = field(default_factory=dict)
    genes: dict[str, GenesFound] = field(default_factory=dict)
    resources: list[DataFile] = field(default_factory=list)

    def build(self, folder: Path, downloads: _Downloads, cluster: Cluster | None) -> dict[str, Any]:
        """Fill the folder and return the figures of the content."""
        quarantine = Quarantine(folder)
        total = sum(item.num_bytes for item in self.plan.wanted)
        with self.progress.running(self.plan.remaining_bytes, total), downloads.running():
            if cluster is None:
                self._convert(folder, downloads.verified(), quarantine)
            else:
                self._convert_by_others(cluster, folder, downloads)
        return self._describe(folder, quarantine)

    def _convert(
        self, folder: Path, files: Iterable[tuple[Wanted, FetchedFile]], quarantine: Quarantine
    ) -> None:
        """Convert the files of the plan as they arrive, each behind those that it needs."""
        sequences = _Sequences()
        waiting: list[tuple[Wanted, FetchedFile]] = []
        there: dict[Wanted, FetchedFile] = {}
        for item, fetched in files:
            if item.role == "fasta":
                self._convert_sequence(folder, item, fetched, sequences)
            elif item.role != "peptides":
                waiting.append((item, fetched))
            there[item] = fetched
            ready = [pair for pair in waiting if self._needs(pair[0]) <= there.keys()]
            waiting = [pair for pair in waiting if pair not in ready]
            for pair in ready:
                if pair[0].role == "vcf":
                    self._convert_variants(folder, *pair, sequences, quarantine)
                else:
                    self._convert_genes(folder, *pair, sequences, there, quarantine)

    def _convert_by_others(self, cluster: Cluster, folder: Path, downloads: _Downloads) -> None:
        """Have workers convert what belongs together, as soon as its files are here."""
        groups = self._groups()
        there: dict[Wanted, FetchedFile] = {}
        answers = []
        for item, fetched in downloads.verified():
            there[item] = replace(fetched, path=fetched.path.absolute())
            for group in [group for group in groups if group <= there.keys()]:
                groups.remove(group)
                # In the plan's order, whatever arrived first.
                wanted = tuple(item for item in self.plan.wanted if item in group)
                task = _Group(
                    folder.absolute(),
                    replace(self.plan, wanted=wanted),
                    [there[item] for item in wanted],
                )
                work = partial(
                    convert_group, source=self.source, max_bad_percent=self.max_bad_percent
                )
                answers.append((task, cluster.submit(work, task)))
        for task, answer in answers:
            made = answer.result()
            self.conversions |= made.conversions
            self.genes |= made.genes
            self.resources += made.resources
            for item, fetched in task.published:
                # The peptides are read with the genes of every chromosome.
                if item.role != "peptides":
                    self.progress.converted(fetched.num_bytes)
                    self._tell(item, fetched)
        for left in folder.glob(f"{_OWN}*"):
            # Of a worker that was lost.
            shutil.rmtree(left)

    def _groups(self) -> list[set[Wanted]]:
        """Return the files that one worker converts: those that need one another, and what they read."""
        groups: list[set[Wanted]] = []
        for item in self.plan.wanted:
            if item.role == "peptides":
                continue
            group = {item} | {other for other in self._needs(item) if other.role != "peptides"}
            joined = [other for other in groups if other & group]
            groups = [other for other in groups if other not in joined]
            groups.append(group.union(*joined))
        return [group.union(*map(self._needs, group)) for group in groups]

    def _needs(self, item: Wanted) -> set[Wanted]:
        """Return the files that are converted before this one, or read with it."""
        chromosome = item.file.chromosome
        return {
            other
            for other in self.plan.wanted
            if (other.role == "fasta" and ALL in (chromosome, other.file.chromosome))
            or (other.role == "fasta" and other.file.chromosome == chromosome)
            or (other.role == "peptides" and item.role == "gff3")
        }

    @property
    def origin(self) -> Origin:
        manifest = self.manifest
        return Origin(manifest.species, manifest.assembly, manifest.release)

    def _convert_sequence(
        self, folder: Path, item: Wanted, fetched: FetchedFile, sequences: _Sequences
    ) -> None:
        chromosome, name = item.file.chromosome, item.file.name
        written = convert_fasta(
            fetched.path,
            name,
            chromosome,
            folder,
            self.origin,
            sha256=fetched.sha256,
            progress=self.progress.converted,
        )
        sequences.add({contig: sequence.path for contig, sequence in written.items()})
        source = Source.of(item.file, fetched)
        for contig, sequence in written.items():
            entry = DataFile.of(sequence.path, contig, "sequence", sequence.num_bases, source)
            entry.num_other_letters = sequence.num_other
            self.resources.append(entry)
        self._tell(item, fetched)

    def _convert_variants(
        self,
        folder: Path,
        item: Wanted,
        fetched: FetchedFile,
        sequences: _Sequences,
        quarantine: Quarantine,
    ) -> None:
        chromosome, name = item.file.chromosome, item.file.name
        store = StoreWriter(folder, self.origin, name)
        try:
            if chromosome != "all":
                store.open(chromosome)
            with quarantine.of(name) as kept:
                conversion = convert_vcf(
                    fetched.path,
                    name,
                    chromosome,
                    store,
                    quarantine=kept.add,
                    sequence_of=sequences.load,
                    max_bad_percent=self.max_bad_percent,
                    sha256=fetched.sha256,
                    progress=self.progress.converted,
                )
        except BaseException:
            store.abandon()
            raise
        store.finish()
        self.conversions[name] = conversion
        source = Source.of(item.file, fetched)
        for contig, path, num_rows in store.files():
            entry = DataFile.of(path, contig, "alleles", num_rows, source)
            entry.add_frequencies(conversion)
            self.resources.append(entry)
        self._tell(item, fetched)

    def _convert_genes(
        self,
        folder: Path,
        item: Wanted,
        fetched: FetchedFile,
        sequences: _Sequences,
        there: Mapping[Wanted, FetchedFile],
        quarantine: Quarantine,
    ) -> None:
        chromosome, name = item.file.chromosome, item.file.name
        peptides: dict[str, Peptide] = {}
        sources = [Source.of(item.file, fetched)]
        for other, file in there.items():
            if other.role == "peptides":
                sources.append(Source.of(other.file, file))
                peptides = read_peptides(file.path, other.file.name, chromosome, sha256=file.sha256)
        found = self.genes[name] = GenesFound()
        with ExitStack() as stack, quarantine.of(name) as kept:
            for contig, transcripts in transcripts_of(
                fetched.path,
                name,
                chromosome,
                sequence_of=sequences.opener(stack),
                peptides=peptides,
                quarantine=kept.add,
                found=found,
                max_bad_percent=self.max_bad_percent,
                sha256=fetched.sha256,
                progress=self.progress.converted,
            ):
                identity = FileIdentity.of(self.origin, contig, "genes")
                path = write_genes(folder, identity, transcripts)
                entry = DataFile.of(path, contig, "genes", len(transcripts), *sources)
                self.resources.append(entry)
        self._tell(item, fetched)

    def _tell(self, item: Wanted, fetched: FetchedFile) -> None:
        """Say what was made of a published file."""
        name = item.file.name
        notes: Iterable[str] = ()
        if item.role == "vcf":
            conversion = self.conversions[name]
            what, notes = f"{conversion.num_records} records", conversion.notes()
        elif item.role == "gff3":
            genes = self.genes[name]
            what = f"{genes.num_transcripts} transcripts of {genes.num_genes} genes"
            notes = genes.notes()
        else:
            num = sum(entry.published_name == name for entry in self.resources)
            what = f"{num} sequence{'s' if num > 1 else ''}"
        size = format_bytes(fetched.num_bytes)
        _LOG.info(f"{fetched.path.name}: {fetched.status}, {size}, {what}")
        for text in notes:
            _LOG.info(f"  {text}")

    def _describe(self, folder: Path, quarantine: Quarantine) -> dict[str, Any]:
        names = [item.file.name for item in self.plan.wanted if item.role in ("vcf", "gff3")]
        quarantine.join(names, folder / QUARANTINE)
        # As published, not as it arrived.
        order = {item.file.name: place for place, item in enumerate(self.plan.wanted)}
        place: dict[str, int] = {}
        for entry in sorted(self.resources, key=lambda entry: order[entry.published_name]):
            if entry.role == "alleles" or not self.manifest.vcf:
                place.setdefault(entry.chromosome, len(place))
        resources = sorted(
            self.resources,
            key=lambda entry: (
                place.get(entry.chromosome, len(place)),
                entry.chromosome,
                list(ROLES).index(entry.role),
            ),
        )
        package = DataPackage.of(
            folder,
            self.manifest,
            self.source,
            resources,
            [self.conversions[name] for name in names if name in self.conversions],
            [self.genes[name] for name in names if name in self.genes],
        )
        content = package.write(folder)
        # Sizes and footers; the hashes were taken from these very files a moment ago.
        ReferenceStore(folder).check()
        return content


class _Group(NamedTuple):
    """Published files that are converted together, and the folder that gets what is made of them."""

    folder: Path
    plan: Plan
    fetched: list[FetchedFile]

    @property
    def published(self) -> list[tuple[Wanted, FetchedFile]]:
        return list(zip(self.plan.wanted, self.fetched, strict=True))

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.fetched)


class _Made(NamedTuple):
    """What the head has to know of what a worker made."""

    conversions: dict[str, Conversion]
    genes: dict[str, GenesFound]
    resources: list[DataFile]


def convert_group(task: _Group, source: str, max_bad_percent: float) -> _Made:
    """Convert files on another machine; each result appears in the folder whole."""
    job = _Job(task.plan.manifest, task.plan, source, max_bad_percent, Progress())
    # A worker that was given up may still write: not to the files of the one that does it again.
    with TemporaryDirectory(dir=task.folder, prefix=_OWN) as own:
        folder = Path(own)
        job._convert(folder, task.published, Quarantine(folder))
        for path in folder.iterdir():
            path.replace(task.folder / path.name)
    return _Made(job.conversions, job.genes, job.resources)


class _Sequences:
    """The sequences that were converted; the last one that was asked for stays in memory."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        self._lock = threading.Lock()
        self._loaded: tuple[str, Bases] | None = None

    def add(self, written: dict[str, Path]) -> None:
        """Add the sequences of a published file."""
        self._paths |= written

    def load(self, contig: str) -> Bases | None:
        """Return the sequence of a contig, None where there is none."""
        with self._lock:
            path = self._paths.get(contig)
            if path is None:
                return None
            if self._loaded is None or self._loaded[0] != contig:
                self._loaded = None
                self._loaded = (contig, load_sequence(path))
            return self._loaded[1]

    def opener(self, stack: ExitStack) -> SequenceOf:
        """Return what opens the sequence of a contig for a few look-ups, as long as `stack` lasts."""

        @cache
        def opened(contig: str) -> Sequence2Bit | None:
            path = self._paths.get(contig)
            return None if path is None else stack.enter_context(opened_sequence(path))

        return opened
