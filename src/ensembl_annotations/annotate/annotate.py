"""Make the asset `annotated_vcf`: read, match, write."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ensembl_annotations._kernel import Result, contig_runs, numbers
from ensembl_annotations.annotate.compared import num_known
from ensembl_annotations.annotate.counts import Tally, tally_of
from ensembl_annotations.annotate.engine import Engine, MuchTold
from ensembl_annotations.annotate.guard import (
    ENOUGH_COMPARED,
    Compared,
    check_build,
    check_observed,
    report_exchanged,
)
from ensembl_annotations.annotate.lookup import (
    Contigs,
    annotated_chromosomes,
    par_of,
    report_unresolved,
)
from ensembl_annotations.annotate.memory import (
    DEFAULT_MEMORY_MB,
    MIN_MEMORY_MB,
    Plan,
    plan_pieces,
)
from ensembl_annotations.annotate.missing_contigs import missing_contigs
from ensembl_annotations.annotate.targets import Targets
from ensembl_annotations.annotate.text import (
    ALL_CHROMOSOMES,
    Additions,
    check_header_tags,
    header_bytes,
)
from ensembl_annotations.common.atomic import Outputs, path_of
from ensembl_annotations.common.errors import InputError, UsageError, explained_os_errors
from ensembl_annotations.common.metrics import recorded_run
from ensembl_annotations.common.pool import in_order
from ensembl_annotations.common.progress import Progress
from ensembl_annotations.store.describe import FILE_NAME, ReferenceStore
from ensembl_annotations.store.read import Reference, kept_reference, opened_reference
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes
from ensembl_annotations.variants.outcomes import (
    ID_MODES,
    LOOKED_UP,
    MATCH_MODES,
    REASONS,
)
from ensembl_annotations.variants.tags import (
    ALL_TAGS,
    check_transcripts,
    describe_tags,
    parse_columns,
    parse_tags,
)
from ensembl_annotations.vcf.bcf import check_bytes, check_contigs, contig_lines
from ensembl_annotations.vcf.order import Run, SortOrder
from ensembl_annotations.vcf.places import DEPTH, Places
from ensembl_annotations.vcf.read import Piece, VcfReader
from ensembl_annotations.versions import ENGINE_VERSION

if TYPE_CHECKING:
    # What only a table, a tally or a cluster needs is imported where it is asked for.
    import pyarrow as pa

    from ensembl_annotations.annotate.table import TableWriter
    from ensembl_annotations.annotate.tally import Findings, Part
    from ensembl_annotations.common.cluster import Cluster
    from ensembl_annotations.vcf.blocks import Blocks

_LOG = logging.getLogger(__name__)

Log = Callable[[str], object]

# In the header line; a species may have thousands of contigs.
_MOST_NAMED = 100
# Of fewer ALTs their share says nothing.
_MIN_COMPARED = 1000
# Of the memory of a task, what of its answer may collect.
_ANSWER_SHARE = 6


class _Annotated(NamedTuple):
    """An annotated piece."""

    text: bytes | memoryview
    table: pa.Table | None
    tally: Tally
    runs: list[Run]
    places: Places | None
    part: Part | None
    last_base: int
    bases: Compared

    def __reduce__(self) -> tuple[Any, ...]:
        from pickle import PickleBuffer

        # So the text is sent and received as it is, without a copy in a pickle and one from it.
        return _Annotated, (PickleBuffer(self.text), *self[1:])

    @property
    def num_bytes(self) -> int:
        return len(self.text) + (self.table.nbytes if self.table is not None else 0)

    def behind(self, num_records: int) -> _Annotated:
        """Return the same behind so many more records of the file."""
        if not num_records:
            return self
        tally = self.tally._replace(
            untyped={
                key: item._replace(line=item.line + num_records)
                for key, item in self.tally.untyped.items()
            },
        )
        table = self.table
        if table is not None:
            import pyarrow.compute as pc

            number = table.schema.get_field_index("record")
            moved = pc.add(table.column(number), num_records)
            table = table.set_column(number, table.schema.field(number), moved)
        return self._replace(tally=tally, table=table)


class _Request(NamedTuple):
    """What is asked of a run, as far as the result of a piece depends on it."""

    vcf: Path
    reference: Path
    chromosomes: tuple[str, ...] | None
    additions: Additions
    match: str
    with_index: bool
    summarise: bool

    def job(self, reader: VcfReader, reference: Reference, plan: Plan) -> _Job:
        """Return what works on the pieces of an opened VCF."""
        requested = frozenset(self.chromosomes) if self.chromosomes is not None else None
        contigs = Contigs(reference.store, reader.header.contigs(), requested)
        engine = Engine(
            reader,
            reference,
            contigs,
            self.additions,
            with_sites=self.match == "position",
            max_absent=plan.max_absent,
            most_told_bytes=plan.most_told_bytes,
            most_told_alone=plan.most_told_alone,
        )
        return _Job(engine, self, plan.workers)


class _Job:
    """What one run works with; with a cluster, others annotate the parts of the VCF."""

    def __init__(self, engine: Engine, request: _Request, workers: int = 1) -> None:
        self.engine, self.request, self.workers = engine, request, workers
        self.cluster: Cluster | None = None
        self.parts: list[Blocks] = []
        self.num_annotated = 0
        self.ends_without_newline = False

    @property
    def additions(self) -> Additions:
        return self.request.additions

    @property
    def summarise(self) -> bool:
        return self.request.summarise

    @property
    def reader(self) -> VcfReader:
        return self.engine.reader

    @property
    def num_read(self) -> int:
        """Bytes of the file that were read here or by others, as they are packed."""
        return self.num_annotated if self.parts else self.reader.num_read

    @property
    def contigs(self) -> Contigs:
        return self.engine.contigs

    def annotate(self, piece: Piece, schema: pa.Schema | None) -> _Annotated:
        """Annotate a piece, independently of all others; a table only for a schema."""
        columns = self._columns(schema)
        depth = DEPTH if self.request.with_index else 0
        calls = schema is not None and "calls" in schema.names
        with self.engine.annotated(
            piece, columns=columns, check_calls=calls, index_depth=depth
        ) as result:
            runs = _runs(result, piece)
            for run, found in zip(runs, result.run[: result.num_runs], strict=True):
                self.contigs.note_regions(
                    run.name, in_region=found.num_in_region > 0, elsewhere=found.num_elsewhere > 0
                )
            table, part = _rows(self, result, piece, runs, schema) if columns else (None, None)
            return _Annotated(
                result.text,
                table,
                tally_of(result, piece),
                runs,
                _places(result, runs) if depth else None,
                part,
                result.last_base,
                Compared(*result.compared.counts),
            )

    def annotated_parts(
        self, piece: Piece, schema: pa.Schema | None
    ) -> Iterator[tuple[Piece, _Annotated]]:
        """Yield the parts of a piece, and what they become: one in memory at a time."""
        parts = deque(self.reader.parts(piece))
        while parts:
            part = parts.popleft()
            try:
                annotated = self.annotate(part, schema)
            except MuchTold as much:
                parts.extendleft(reversed(part.cut(max(1, much.num_lines))))
            else:
                yield part, annotated

    def _tried(self, piece: Piece, schema: pa.Schema | None) -> _Annotated | Piece:
        """Annotate a piece; return it where this needs too much memory for all of it together."""
        try:
            return self.annotate(piece, schema)
        except MuchTold:
            return piece

    def _columns(self, schema: pa.Schema | None) -> list[str]:
        """Return which columns the kernel is to make, for the table and the tally."""
        names: dict[str, None] = {}
        if schema is not None:
            from ensembl_annotations.annotate.table import kernel_columns

            names |= dict.fromkeys(kernel_columns(schema))
        if self.summarise:
            from ensembl_annotations.annotate.tally import COLUMNS

            names |= dict.fromkeys(COLUMNS)
        return list(names)

    def annotated(self, schema: pa.Schema | None) -> Iterator[_Annotated]:
        """Yield the annotated pieces in the input's order, several being worked on at a time."""
        if self.cluster is not None and self.parts:
            yield from self._annotated_by_others(self.cluster, schema)
            return
        tried = partial(self._tried, schema=schema)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="annotate") as pool:
            for is_large, pieces in groupby(self.reader.pieces(), self.reader.is_large):
                for done in pieces if is_large else in_order(pool, tried, pieces, self.workers):
                    if isinstance(done, Piece):
                        yield from (made for _, made in self.annotated_parts(done, schema))
                    else:
                        yield done
        self.ends_without_newline = self.reader.ends_without_newline

    def _annotated_by_others(
        self, cluster: Cluster, schema: pa.Schema | None
    ) -> Iterator[_Annotated]:
        work = partial(
            annotate_part,
            request=self.request,
            schema=schema,
            memory_mb=cluster.memory_mb,
            most_bytes=cluster.memory_mb * 1_000_000 // _ANSWER_SHARE,
        )
        first_record = 0
        tasks = [_PartTask(self.request.vcf, part) for part in self.parts]
        for task, answer in zip(tasks, in_order(cluster, work, tasks, cluster.ahead), strict=True):
            while True:
                made = self._annotated_here(task.part, first_record, schema, answer)
                before = first_record
                for piece in made.pieces:
                    yield piece.behind(before)
                    first_record += piece.tally.num_records
                self.ends_without_newline |= made.ends_without_newline
                if made.rest is None:
                    break
                # A part that expands far more than was expected.
                task = _PartTask(self.request.vcf, made.rest)
                answer = cluster.submit(work, task).result()
            self.num_annotated += task.part.end - task.part.begin

    def _annotated_here(
        self, part: Blocks, first_record: int, schema: pa.Schema | None, answer: _PartAnswer
    ) -> _PartAnswer:
        """Return the answer of another; or of this process where the other had to refuse a line.

        Only here the numbers of lines are known, and how much memory a line may take.
        """
        if not answer.is_refused and len(self.contigs.unresolved) <= self.engine.max_absent:
            for name, reason in answer.unresolved.items():
                self.contigs.unresolved.setdefault(name, reason)
            for name, there in answer.par_alone.items():
                self.contigs.par_alone.setdefault(name, there)
            return answer
        self.reader.only(part, first_record)
        pieces = [
            made.behind(-first_record)
            for piece in self.reader.pieces()
            for _, made in self.annotated_parts(piece, schema)
        ]
        return _PartAnswer(pieces, ends_without_newline=self.reader.ends_without_newline)


class _PartTask(NamedTuple):
    """A part of a VCF to annotate."""

    vcf: Path
    part: Blocks

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.vcf,)


class _PartAnswer(NamedTuple):
    """The annotated pieces of a part, numbered from its first record; `rest` is left to do.

    Where a line can't be used the part is refused, and has none.
    """

    pieces: list[_Annotated]
    unresolved: Mapping[str, str] = {}
    par_alone: Mapping[str, str] = {}
    rest: Blocks | None = None
    ends_without_newline: bool = False
    is_refused: bool = False


def annotate_part(
    task: _PartTask, request: _Request, schema: pa.Schema | None, memory_mb: int, most_bytes: int
) -> _PartAnswer:
    """Annotate a part of a VCF, on another machine: no more of it than the answer has room for."""
    reference = kept_reference(request.reference)
    table = schema is not None or request.summarise
    calls = schema is not None and "calls" in schema.names
    plan = _plan(memory_mb, reference.store, request.additions, table=table, calls=calls)
    with VcfReader(task.vcf, plan.max_batch_bytes, plan.limits) as reader:
        job = request.job(reader, reference, plan)
        reader.only(task.part)
        made: list[_Annotated] = []
        num_bytes, done, rest = 0, task.part.done, None
        try:
            for piece in reader.pieces():
                left = len(piece.data)
                # Not a loop over all parts: each is annotated when it is asked for.
                parts = job.annotated_parts(piece, schema)
                while left and num_bytes <= most_bytes:
                    part, annotated = next(parts)
                    made.append(annotated)
                    num_bytes += annotated.num_bytes
                    done, left = done + len(part.data), left - len(part.data)
                if left:
                    rest = task.part._replace(done=done)
                    break
        except InputError:
            made, is_refused = [], True
        else:
            is_refused = False
        reference.check_unchanged()
        return _PartAnswer(
            made,
            job.contigs.unresolved,
            job.contigs.par_alone,
            rest,
            reader.ends_without_newline,
            is_refused,
        )


def _plan(
    memory_mb: int, store: ReferenceStore, additions: Additions, *, table: bool, calls: bool
) -> Plan:
    has_genes = bool(store.chromosomes_with("genes"))
    return plan_pieces(
        memory_mb,
        table=table,
        transcripts=additions.transcripts if has_genes else None,
        calls=calls,
    )


def _runs(result: Result, piece: Piece) -> list[Run]:
    return [
        Run(
            piece.data[run.begin : run.begin + run.length].decode("utf-8"),
            run.num_records,
            run.first_pos,
            run.last_pos,
            bool(run.is_ascending),
        )
        for run in result.run[: result.num_runs]
    ]


def _places(result: Result, runs: list[Run]) -> Places:
    spots = numbers(result.spot, 4 * result.num_spots)
    rises = numbers(result.rise, 3 * result.num_rises)
    return Places(
        runs,
        list(zip(spots[::4], spots[1::4], spots[2::4], spots[3::4], strict=True)),
        list(zip(rises[::3], rises[1::3], rises[2::3], strict=True)),
    )


def _rows(
    job: _Job, result: Result, piece: Piece, runs: list[Run], schema: pa.Schema | None
) -> tuple[pa.Table | None, Part | None]:
    """Return the table's rows of a piece, and what it adds to the tally, where asked for."""
    from ensembl_annotations.annotate.table import rows_of

    table = (
        None
        if schema is None
        else rows_of(result.columns, schema, piece, job.reader.path, job.reader.header.samples)
    )
    if not job.summarise:
        return table, None
    from ensembl_annotations.annotate.tally import part_of

    return table, part_of(result.columns, piece, [run.name for run in runs])


def annotate_vcf(
    vcf: Path | str,
    reference: Path | str | Reference,
    *,
    out_vcf: Path | str | None = None,
    out_parquet: Path | str | None = None,
    metrics: Path | str | None = None,
    run_metrics: Path | str | None = None,
    assembly: str | None = None,
    chromosomes: Sequence[str] | str | None = None,
    level: int = 1,
    overwrite_tags: bool = False,
    match: str = "allele",
    tags: str | Sequence[str] = ALL_TAGS,
    id_column: str = "append",
    transcripts: str = "pick",
    index: str = "tbi",
    genotypes: bool = False,
    columns: str | Sequence[str] = (),
    memory_mb: int = DEFAULT_MEMORY_MB,
    tally: Path | str | None = None,
    scheduler: str | None = None,
) -> dict[str, Any]:
    """Annotate a VCF with a reference store.

    Parameters
    ----------
    vcf : Path or str
        A VCF (plain, gzip or BGZF) or BCF; ``-`` is standard input. It is read once.
    reference : Path or str or Reference
        Folder of the store; or a store that is open, for many VCFs.
    out_vcf : Path or str, optional
        The annotated VCF. The end of its name, in any case of letters, says what it is:
        ``.vcf.gz`` or ``.vcf.bgz`` BGZF, ``.bcf`` BCF, ``.vcf`` plain text. An index is written
        beside BGZF and BCF where they are sorted. ``-`` is BGZF on standard output.
    out_parquet : Path or str, optional
        The annotated table, one row per (record, ALT).
    metrics, run_metrics : Path or str, optional
        JSON files for the counts, and for the figures of this run.
    assembly : str, optional
        Assembly of the VCF where its header does not say, or contradicts itself.
    chromosomes : sequence of str, or str, optional
        Look up only these: a list of names, or a text such as ``21,22``; ``chr22`` and accessions
        are understood.
    level : int
        Compression level of the VCF, 1 to 9.
    overwrite_tags : bool
        Replace the chosen tags where the input has them.
    match : str
        ``allele``, or ``position`` to tell also, in a tag of its own, what is published at the
        same site with another allele, for records without an ALT too.
    tags : str or sequence of str
        Which tags to write to the VCF: ``all``, or names of tags and of the groups ``id``,
        ``frequency``, ``clinical``, ``evidence``, ``source``, ``details``, ``consequence`` (in a
        string, separated by commas). The table, the summary and the counts have all.
    id_column : str
        ``append`` matched IDs to the VCF's ID column; ``replace`` it by them, where there are any;
        or ``keep`` it as it is.
    transcripts : str
        Whose consequences are told, if the reference has genes: ``pick``, those of one transcript for
        each ALT; ``gene``, of one of each gene; ``all``.
    index : str
        ``tbi``, ``csi`` or ``none``. A BCF, and a VCF with positions over 2^29, get a ``csi`` where a
        ``tbi`` is asked for.
    genotypes : bool
        Have the genotypes of all samples in the table, as a list.
    columns : str or sequence of str
        More columns of the table (in a string, separated by commas): ``info``, the input's INFO;
        ``calls``, of each sample a struct with its name, GT, dosage of the ALT, DP, GQ and AD.
    memory_mb : int
        How much memory to use, in 10^6 bytes: pieces of the VCF are made to fit, at least 400.
    tally : Path or str, optional
        A JSON file with all that a report of the run needs; `write_report` makes one of it.
    scheduler : str, optional
        Dask's scheduler, ``tcp://HOST:PORT`` or its file, whose workers annotate the parts of a BGZF
        file; the results are the same.

    Returns
    -------
    dict
        The counts, and the figures of the run under ``run``.

    Raises
    ------
    EnsemblAnnotationsError
        With nothing written under a final name.

    Examples
    --------
    >>> figures = annotate_vcf(
    ...     "data/vcf/sample.vcf.gz",
    ...     "data/ensembl_annotations",
    ...     out_vcf="me.vcf.gz",
    ...     chromosomes="21,22",
    ... )
    >>> figures["release"], figures["num_exact"] > 0, figures["run"]["status"]
    (116, True, 'annotated')
    """
    vcf = Path(vcf)
    source = reference if isinstance(reference, Reference) else Path(reference)
    folder = source.store.folder if isinstance(source, Reference) else source
    metrics, run_metrics = path_of(metrics), path_of(run_metrics)
    chromosomes = listed_chromosomes(chromosomes)
    targets = Targets(
        path_of(out_vcf), path_of(out_parquet), index, level, genotypes, parse_columns(columns)
    )
    tally_path = path_of(tally)
    if match not in MATCH_MODES:
        raise UsageError(f"--match: expected {' or '.join(MATCH_MODES)}, found {match!r}.")
    if id_column not in ID_MODES:
        raise UsageError(f"--id: expected {', '.join(ID_MODES)}; found {id_column!r}.")
    check_transcripts(transcripts)
    chosen = Additions(parse_tags(tags), id_column, overwrite_tags, transcripts)
    if memory_mb < MIN_MEMORY_MB:
        raise UsageError(f"--memory-mb: expected at least {MIN_MEMORY_MB}, found {memory_mb}.")
    with explained_os_errors("annotating"):
        targets.check(vcf, folder, metrics, run_metrics, tally_path)
        notes: list[str] = []

        def noted(text: str) -> None:
            notes.append(text)
            _LOG.warning(text)

        with (
            recorded_run(run_metrics, {"cache_path": str(folder.resolve())}) as run,
            opened_reference(source) as looked_up,
        ):
            store = looked_up.store
            has_genes = bool(store.chromosomes_with("genes"))
            additions = chosen if has_genes else chosen.without_genes()
            table = targets.parquet is not None or tally_path is not None
            plan = _plan(memory_mb, store, additions, table=table, calls="calls" in targets.columns)
            _LOG.debug(
                "pieces of at most %s bytes, %s at a time", plan.max_batch_bytes, plan.workers
            )
            if chromosomes is not None:
                chromosomes = resolve_chromosomes(
                    chromosomes, annotated_chromosomes(store), store.species, store.assembly
                )
            looked_up.check(_needed(store, chromosomes))
            with (
                VcfReader(vcf, plan.max_batch_bytes, plan.limits) as reader,
                _opened_cluster(scheduler, store) as cluster,
            ):
                for warning in reader.header.warnings():
                    noted(f"{reader.path}: {warning}")
                if not additions.overwrite:
                    check_header_tags(reader.header, reader.path, additions.tags)
                request = _Request(
                    vcf.absolute(),
                    folder.absolute(),
                    tuple(chromosomes) if chromosomes is not None else None,
                    additions,
                    match,
                    targets.makes_index,
                    tally_path is not None,
                )
                job = request.job(reader, looked_up, plan)
                check_build(job.engine, assembly, noted)
                if cluster is not None:
                    job.cluster, job.parts = cluster, reader.parts_of(cluster.part_bytes)
                provenance = _provenance(store, chromosomes, chosen, match)
                progress = Progress()
                num_bytes = vcf.stat().st_size if vcf.is_file() else 0
                with Outputs() as outputs:
                    with progress.running(annotate_bytes=num_bytes):
                        counts, findings = _write(
                            job, outputs, targets, provenance, noted, progress
                        )
                    content = counts.as_metrics(store)
                    report_unresolved(job.contigs, noted)
                    for key, untyped in sorted(counts.untyped.items()):
                        noted(f"{reader.path}: {untyped.describe(key)}")
                    _report_nothing(content, reader.path, noted)
                    _report_share(content, noted)
                    if metrics is not None:
                        outputs.write_json(metrics, content)
                    if tally_path is not None and findings is not None:
                        from ensembl_annotations.annotate.tally import tally_text

                        name = Path(reader.path).name
                        outputs.write_text(
                            tally_path,
                            tally_text(
                                name,
                                reader.header,
                                content,
                                store.release_date,
                                provenance,
                                notes,
                                findings,
                                _consequences(job.engine, counts, findings) if has_genes else None,
                            ),
                        )
                    # As late as can be: DVC takes the file's digest after the run.
                    reader.check_unchanged()
                    looked_up.check_unchanged()
            run["status"] = "annotated"
    return {**content, "run": run}


def _opened_cluster(
    scheduler: str | None, store: ReferenceStore
) -> AbstractContextManager[Cluster | None]:
    if not scheduler:
        return nullcontext()
    from ensembl_annotations.common.cluster import opened_cluster

    return opened_cluster(scheduler, store.folder / FILE_NAME)


def _consequences(engine: Engine, counts: Tally, findings: Findings) -> dict[str, Any]:
    """Return what the tally says of consequences."""
    from ensembl_annotations.annotate.tally import gene_list

    genes = gene_list(findings.genes)
    symbols = engine.reference.symbols if genes else {}
    return {
        "terms": counts.by_severity(),
        "genes": [{**row, "symbol": symbols.get(row["gene"], "")} for row in genes],
        "num_genes": len({gene for gene, _ in findings.genes}),
        "unknown_on": engine.contigs.without_calls(),
    }


def _report_nothing(content: dict[str, Any], vcf: Path, log: Log) -> None:
    """Warn where not one ALT could be looked up, and say why."""
    told = {
        reason: content[f"num_{reason}"]
        for reason in REASONS
        if content[f"num_{reason}"] and reason not in LOOKED_UP
    }
    if (
        content["num_alleles"]
        and sum(told.values()) == content["num_alleles"] + content["num_no_alt"]
    ):
        why = "; ".join(f"{count:,}: {REASONS[reason]}" for reason, count in told.items())
        log(f"Warning: {vcf}: nothing could be looked up in the reference. {why}.")


def _report_share(content: dict[str, Any], log: Log) -> None:
    """Say where strikingly few ALTs are in Ensembl, of those that could be compared."""
    num_compared = content["num_compared"]
    if num_compared >= _MIN_COMPARED and content["annotated_percent"] < 50:
        log(
            f"Only {num_known(content):,} of {num_compared:,} ALTs that could be compared are in Ensembl; of a "
            "person's variants most are. Is the assembly right, and are false calls filtered out?"
        )


def _needed(store: ReferenceStore, chromosomes: Sequence[str] | None) -> list[str] | None:
    """Return the chromosomes whose files are read: the PARs of Y are looked up on X too."""
    if chromosomes is None:
        return None
    with_x = "Y" in chromosomes and "X" not in chromosomes and bool(par_of(store))
    return [*chromosomes, "X"] if with_x else [*chromosomes]


def _provenance(
    store: ReferenceStore, chromosomes: Sequence[str] | None, additions: Additions, match: str
) -> dict[str, str]:
    whole = annotated_chromosomes(store)
    named = _needed(store, chromosomes) or whole
    looked_up = whole if chromosomes is None else chromosomes
    exact = [name for name in named if store.resource(name, "sequence") is None]
    can_shift = len(exact) < len(named)
    return {
        "ID": "ensembl_annotations",
        "Engine": str(ENGINE_VERSION),
        "Source": store.source,
        "Release": store.release,
        "Species": store.species,
        "Assembly": store.assembly,
        "ReferenceSHA256": store.digest,
        "Match": "exact,shifted" if can_shift else "exact",
        **({"ExactOnly": "|".join(exact[:_MOST_NAMED])} if can_shift and exact else {}),
        "SiteIDs": "yes" if match == "position" else "no",
        "Chromosomes": "|".join(looked_up) if len(looked_up) <= _MOST_NAMED else ALL_CHROMOSOMES,
        "OverwriteTags": "yes" if additions.overwrite else "no",
        "Tags": describe_tags(additions.tags),
        "IDColumn": additions.id_mode,
        **({"Transcripts": additions.transcripts} if store.chromosomes_with("genes") else {}),
        "Databases": "|".join(f"{name} {of}" for name, of in store.source_versions.items()),
    }


def _write(
    job: _Job,
    outputs: Outputs,
    targets: Targets,
    provenance: dict[str, str],
    log: Log,
    progress: Progress,
) -> tuple[Tally, Findings | None]:
    tally, order, findings = Tally(), SortOrder(), _findings(job)
    header, vcf, num_read = job.reader.header, job.reader.path, 0
    with ExitStack() as stack:
        writer = temporary = None
        added = _added_contigs(job) if targets.is_bcf else {}
        if targets.vcf is not None:
            writer, temporary = targets.open(outputs, stack)
            writer.write(
                header_bytes(
                    header,
                    provenance,
                    job.additions,
                    contig_lines=contig_lines(added, header.line_end),
                )
            )
        table = _table(job, targets, outputs, provenance, stack)
        declared = {*job.contigs.lengths, *added} if targets.is_bcf else set()
        bases, assembly, last_base = Compared(), job.contigs.store.assembly, 0
        for done in job.annotated(table.schema if table is not None else None):
            if targets.is_bcf:
                first_line = len(header.lines) + 1 + tally.num_records
                check_bytes(bytes(done.text), first_line, vcf)
            progress.annotated(job.num_read - num_read)
            num_read = job.num_read
            tally = tally.plus(done.tally)
            bases = bases.plus(done.bases)
            if bases.num >= ENOUGH_COMPARED:
                check_observed(bases, assembly, vcf)
            order.add(done.runs)
            if not order.is_sorted:
                # There will be no index: what it takes is not collected any more.
                job.request = job.request._replace(with_index=False)
            if findings is not None and done.part is not None:
                findings.add(done.part)
            if targets.is_bcf:
                check_contigs((run.name for run in done.runs), declared, vcf)
            last_base = max(last_base, done.last_base)
            if table is not None and done.table is not None:
                table.add(done.table)
            if writer is not None:
                writer.write(done.text, done.places if order.is_sorted else None)
        check_observed(bases, assembly, vcf)
        report_exchanged(bases, vcf, log)
        if table is not None:
            table.finish()
        if writer is not None:
            writer.finish(without_last_byte=job.ends_without_newline)
    if writer is not None and temporary is not None:
        targets.write_index(
            vcf, writer, outputs, log, is_sorted=order.is_sorted, last_base=last_base
        )
    return tally, findings


def _findings(job: _Job) -> Findings | None:
    if not job.summarise:
        return None
    from ensembl_annotations.annotate.tally import Findings

    return Findings()


def _table(
    job: _Job,
    targets: Targets,
    outputs: Outputs,
    provenance: dict[str, str],
    stack: ExitStack,
) -> TableWriter | None:
    if targets.parquet is None:
        return None
    from ensembl_annotations.annotate.table import TableWriter

    path = outputs.temporary(targets.parquet)
    genes = bool(job.contigs.store.chromosomes_with("genes"))
    samples = job.reader.header.samples
    table = TableWriter(
        path,
        provenance,
        samples,
        genotypes=targets.genotypes,
        genes=genes,
        requested=targets.columns,
    )
    stack.callback(table.abandon)
    return table


def _added_contigs(job: _Job) -> dict[str, int | None]:
    """Return the contigs that a BCF's header needs beside its own."""
    first = next(job.reader.look_ahead(), None)
    met = (
        []
        if first is None
        else [name.decode("utf-8", "replace") for name, _ in contig_runs(first.data)]
    )
    return missing_contigs(job.reader.header, dict.fromkeys(met), job.contigs.store)
