"""The console command `ensembl-annotations`: arguments in, one library call, exit code out."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import ensembl_annotations
from ensembl_annotations.common.atomic import remove_leftovers
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    ReferenceStoreError,
    UsageError,
    explain_os_error,
)
from ensembl_annotations.common.logs import (
    LIBRARIES,
    NORMAL,
    QUIET,
    QUIET_VARIABLE,
    printed_messages,
)
from ensembl_annotations.common.words import count_files, printable, printable_lines
from ensembl_annotations.project.leftovers import output_folders
from ensembl_annotations.project.paths import SCHEDULER_VARIABLE
from ensembl_annotations.variants.chromosomes import parse_chromosomes
from ensembl_annotations.variants.contigs import resolve_chromosomes

_LOG = logging.getLogger(__name__)

PATH = click.Path(path_type=Path, readable=False)
MATCH_MODES = ("allele", "position")
ID_MODES = ("append", "replace", "keep")
TRANSCRIPT_MODES = ("pick", "gene", "all")
INDEX_KINDS = ("tbi", "csi", "none")
PLANNED = (
    "out", "mirrors", "release", "species", "assembly", "chromosomes", "fasta", "genes", "force",
)  # fmt: skip
"""Options of `fetch` that its plan depends on."""

# What ends a program that does not say otherwise: 'kill', and a terminal that closes.
_FATAL = (signal.SIGTERM, signal.SIGHUP)
_WAKER = "signals"
_UNSEEN_SEC = 0.05
_TIDYING_SEC = 20.0
# No threading.Event: a signal that comes while one is set would wait for itself.
_SEEN: list[int] = []
CHROMOSOMES_HELP = "Names separated by commas, such as 21,22,X,MT, chr22 or NC_000022.11; or 'all'."

transcripts_option = click.option(
    "--transcripts",
    type=click.Choice(TRANSCRIPT_MODES),
    default="pick",
    help="Whose consequences are told, if the reference has genes: of one transcript for each ALT; of "
    "one of each gene; of all.",
)


def show(text: str, *, err: bool = False) -> None:
    """Print lines of the result; what names and values of others could do to a terminal is escaped."""
    click.echo(printable_lines(text), err=err)


def say(text: str) -> None:
    """Print a line for the user; results go to stdout, this goes to stderr."""
    show(text, err=True)


@contextmanager
def reported_errors(verbosity: int | None = None) -> Iterator[None]:
    """Print messages on stderr; turn our errors into one of them and their exit code."""
    if verbosity is None:
        verbosity = QUIET if os.environ.get(QUIET_VARIABLE) else NORMAL
    _catch_signals()
    _replace_closed_streams()
    remove_leftovers(output_folders(Path()))
    try:
        with printed_messages(verbosity):
            yield
    except BrokenPipeError:
        # Nobody reads the result any more, such as after 'head': no error of ours.
        raise
    except EnsemblAnnotationsError as error:
        say(f"Error: {error.message}")
        if error.hint:
            say(error.hint)
        sys.exit(error.exit_code)
    except OSError as error:
        say(f"Error: {explain_os_error(error, '', 'working').message}")
        sys.exit(1)
    except UnicodeEncodeError as error:
        part = error.object[max(error.start - 60, 0) : error.end + 60]
        say(f"Error: expected text that {error.encoding} has, found {part!r}.")
        say("Rename the file or folder, or run this where the language is of UTF-8 (LANG=C.UTF-8).")
        sys.exit(1)
    except KeyboardInterrupt:
        say("Interrupted. Nothing incomplete was left; run the same command to go on.")
        sys.exit(130)


def _replace_closed_streams() -> None:
    """Take the numbers of standard streams that are closed, so that no file gets them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest number that is free.
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def _catch_signals() -> None:
    """Have signals that end the program raise, so that whatever is incomplete is removed first."""
    signal.signal(signal.SIGINT, _stop_once)
    for number in _FATAL:
        # As 'nohup' has it: then it goes on without its terminal.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop_once)
    if not any(thread.name == _WAKER for thread in threading.enumerate()):
        told, teller = os.pipe()
        os.set_blocking(teller, False)
        signal.set_wakeup_fd(teller, warn_on_full_buffer=False)
        signal.signal(signal.SIGALRM, lambda *_: None)
        threading.Thread(target=_wake_main_thread, args=(told,), name=_WAKER, daemon=True).start()


def _wake_main_thread(told: int) -> None:
    """Interrupt what the main thread waits for until it has seen a signal, and have it end in time.

    Where signals come while other threads work, Python may see none of them before its next call of
    the system, such as a read from a pipe, returns.
    """
    while os.read(told, 1):
        time.sleep(_UNSEEN_SEC)
        if _SEEN:
            break
        # It is told of this signal, too.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
    # What is raised at an unlucky moment, such as during an import, can leave a lock taken for good.
    time.sleep(_TIDYING_SEC)
    os.write(2, b"It could not tidy up and was killed; the next command removes what is left.\n")
    os.kill(os.getpid(), signal.SIGKILL)


def _stop_once(number: int, _frame: object) -> None:
    _SEEN.append(number)
    # A second one must not end this while it tidies up: polars hands an interrupt on once more, and
    # of a terminal that closes both the system and the shell tell.
    for later in (signal.SIGINT, *_FATAL):
        signal.signal(later, lambda *_: None)
    sys.unraisablehook = partial(_stop_again, number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _stop_again(number: int, ignored: sys.UnraisableHookArgs) -> None:
    """Stop a little later where Python ignores what a signal raises: while an object is freed."""
    if not issubclass(ignored.exc_type, (SystemExit, KeyboardInterrupt)):
        sys.__unraisablehook__(ignored)
        return
    signal.signal(signal.SIGALRM, lambda *_: _stop_once(number, None))
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def complete_asset(_context: click.Context, _parameter: click.Parameter, text: str) -> list[str]:
    """Return the assets whose names begin so; those of samples are known in a repository only."""
    from ensembl_annotations.project.paths import ASSETS, asset_of
    from ensembl_annotations.project.project import Project

    names = list(ASSETS)
    with suppress(EnsemblAnnotationsError):
        names += map(asset_of, Project.open().params.samples)
    return [name for name in names if name.startswith(text)]


def parse_shard(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> tuple[int, int] | None:
    """Return which share of how many a text such as ``3/20`` names."""
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise click.BadParameter(f"expected I/N with I from 1 to N, found {text!r}.")
    return int(number), int(count)


metrics_option = click.option(
    "--metrics",
    type=PATH,
    help="Write the counts to this file (JSON); the same inputs give the same counts.",
)
run_metrics_option = click.option(
    "--run-metrics",
    type=PATH,
    help="Write seconds, processor and memory of this run to this file (JSON).",
)


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


class _Command(click.Command):
    """A command that reports its errors, with -v for more messages and, on request, --quiet for fewer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(
            click.Option(
                ["-v", "--verbose"],
                count=True,
                show_default=False,
                help="Print details of what happens, such as each request; -vv: those of libraries too.",
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            told = printable_lines(error.format_message().expandtabs(2))
            raise click.UsageError(told, error.ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        verbosity = min(ctx.params.pop("verbose"), LIBRARIES)
        is_quiet = ctx.params.pop("quiet", False)
        if is_quiet and verbosity:
            raise click.UsageError("--quiet and --verbose: expected one of them.", ctx)
        with reported_errors(QUIET if is_quiet else verbosity):
            return super().invoke(ctx)


class _Group(click.Group):
    command_class = _Command
    group_class = type


scheduler_option = click.option(
    "--scheduler",
    envvar=SCHEDULER_VARIABLE,
    metavar="tcp://HOST:PORT|FILE.json",
    help="Have the workers of this Dask scheduler do the work, on a file system that all share; the results are "
    f"the same. Default: ${SCHEDULER_VARIABLE}, else this machine.",
)
quiet_option = click.option(
    "--quiet",
    is_flag=True,
    help="Print no plan and no progress: only the result, warnings and errors.",
)


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(package_name="ensembl-annotations", prog_name="ensembl-annotations")
def main() -> None:
    """Annotate VCFs with a verified, versioned Ensembl reference.

    Exit codes: 0 done, 1 failed, 2 wrong arguments or parameters.
    """


@main.command()
@click.option(
    "--base-url",
    "mirrors",
    multiple=True,
    required=True,
    metavar="URL|DIR",
    help="Base of Ensembl's tree: https, http, or a folder. Repeat it for more mirrors.",
)
@click.option(
    "--release", type=click.IntRange(min=1), required=True, help="Ensembl release, such as 116."
)
@click.option("--species", default="homo_sapiens", help="As in Ensembl's paths.")
@click.option("--assembly", default="GRCh38", help="As Ensembl names it.")
@click.option("--chromosomes", default="all", help=CHROMOSOMES_HELP)
@click.option(
    "--out", type=PATH, required=True, help="Folder of the reference store; replaced whole."
)
@click.option(
    "--source",
    default="unnamed",
    help="A name for where the data are from, kept in the store.",
)
@click.option(
    "--genes/--no-genes",
    default=True,
    help="Fetch the genes too, where they and the sequence are published: annotate then tells what a variant "
    "does to them.",
)
@click.option(
    "--fasta/--no-fasta",
    default=True,
    help="Fetch the sequence too, where it is published: annotate then checks every REF, and finds indels "
    "anywhere in their repeat.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 16),
    default=4,
    help="Files downloaded at a time; be polite to the server.",
)
@click.option(
    "--max-bad-percent",
    type=click.FloatRange(0, 100),
    default=1.0,
    help="Fail if more of a file's rows can't be used, or more of its REFs differ from the sequence; decided "
    "from 1,000 rows or REFs on (with 20 to 999 REFs: fail over 10 %).",
)
@metrics_option
@run_metrics_option
@click.option("--force", is_flag=True, help="Download again, even what the download cache holds.")
@click.option(
    "--dry-run", is_flag=True, help="Only print what would be downloaded, and the disk it needs."
)
@scheduler_option
@quiet_option
def fetch(dry_run: bool, **options: Any) -> None:
    """Download a release's variants, sequences and genes, verify them, and build a reference store.

    Downloads are kept in $ENSEMBL_ANNOTATIONS_CACHE (default: the user's cache folder) and used
    again. Sizes are in MB (10^6 bytes) and GB (10^9 bytes), times in seconds.

    \b
    Example:
      ensembl-annotations fetch --base-url https://ftp.ensembl.org/pub --release 116 \\
          --assembly GRCh38 --chromosomes 21,22 --out reference
    """  # noqa: D301
    if dry_run:
        decided = {name: options[name] for name in PLANNED}
        for line in ensembl_annotations.plan_fetch(**decided):
            show(line)
        return
    result = ensembl_annotations.fetch_ensembl(**options)
    show(describe_fetched(result))


def describe_fetched(result: dict[str, Any]) -> str:
    """Return the line of result of a fetch."""
    genes = f"{result['num_transcripts']} transcripts, " if "num_genes" in result else ""
    exact = f"exact only on {result['exact_only_on']}, " if "exact_only_on" in result else ""
    return (
        f"{result['run']['status']}: {result['species']} {result['assembly']} release "
        f"{result['release']}, {result['num_files']} files, {result['num_variants']} variants, "
        f"{result['num_alleles']} alleles, {genes}{result['num_quarantined']} quarantined, {exact}"
        f"{result['total_size_gb']} GB, in {result['run']['cache_path']}"
    )


@main.command()
@click.option(
    "--vcf",
    type=PATH,
    required=True,
    help="The VCF (plain, gzip or bgzip) or BCF; - for standard input. It is read once.",
)
@click.option("--reference", type=PATH, required=True, help="Folder of the reference store.")
@click.option(
    "--out-vcf",
    type=PATH,
    metavar="FILE.vcf.gz|FILE.vcf|FILE.bcf|-",
    help="The annotated VCF: BGZF for .vcf.gz and .vcf.bgz, text without an index for .vcf, BCF for .bcf; - for BGZF on standard output.",
)
@click.option(
    "--index",
    type=click.Choice(INDEX_KINDS),
    default="tbi",
    help="The index beside the annotated VCF; a BCF, and a VCF with positions over 2^29, get a csi in place of a tbi.",
)
@click.option(
    "--out-parquet",
    type=PATH,
    metavar="FILE.parquet",
    help="The annotated table, a row per record and ALT.",
)
@click.option(
    "--out-tsv",
    type=PATH,
    metavar="FILE.tsv|FILE.tsv.gz",
    help="The annotated table as tab-separated text; lists are joined by commas, - is null.",
)
@click.option(
    "--out-xlsx",
    type=PATH,
    metavar="FILE.xlsx",
    help="The annotated table for a spreadsheet, up to 1,048,575 rows; text stays text.",
)
@click.option(
    "--genotypes",
    is_flag=True,
    help="Write the genotypes of all samples to the table, as a list.",
)
@click.option(
    "--columns",
    default="",
    metavar="NAME,...",
    help="More columns of the table: info, the VCF's INFO; calls, of each sample its name, genotype, "
    "dosage of the ALT, DP, GQ and AD.",
)
@click.option(
    "--summary", type=PATH, metavar="FILE.html", help="Write a page that shows the results."
)
@click.option(
    "--tally",
    type=PATH,
    metavar="FILE.json",
    help="Write all counts of the run, from which 'report' makes a page and more.",
)
@metrics_option
@run_metrics_option
@click.option(
    "--assembly",
    help="Assembly of the VCF, if its header names none or contradicts itself; REF bases are checked.",
)
@click.option(
    "--chromosomes",
    default="all",
    help=f"Look up only these. {CHROMOSOMES_HELP}",
)
@click.option(
    "--level",
    type=click.IntRange(1, 9),
    default=1,
    help="Compression of the VCF: 1 fast, 9 small.",
)
@click.option("--overwrite-tags", is_flag=True, help="Replace ENS_ tags that the VCF already has.")
@click.option(
    "--match",
    type=click.Choice(MATCH_MODES),
    default="allele",
    help="position: write the IDs of other alleles at the same site too, as ENS_SITE_ID, also for "
    "records without an ALT.",
)
@click.option(
    "--tags",
    default="all",
    metavar="NAME,...",
    help="Tags to write to the VCF: 'all', or tags and groups (id, frequency, clinical, evidence, "
    "source, details, consequence) separated by commas. The table has all.",
)
@transcripts_option
@click.option(
    "--id",
    "id_column",
    type=click.Choice(ID_MODES),
    default="append",
    help="The ID column: append matched IDs; replace its IDs by matched ones if there are any; keep it.",
)
@click.option(
    "--memory-mb",
    type=click.IntRange(min=400),
    default=1500,
    help="Memory to use, in 10^6 bytes: the pieces of the VCF are made to fit.",
)
@scheduler_option
@click.option(
    "--shard",
    metavar="I/N",
    callback=parse_shard,
    help="In the repository, for a --vcf that is a sheet or folder of params.yaml: annotate share I of N of its "
    "VCFs, with the options of params.yaml, and keep the results; 'make' puts them together.",
)
@quiet_option
def annotate(
    summary: Path | None,
    out_tsv: Path | None,
    out_xlsx: Path | None,
    shard: tuple[int, int] | None,
    **options: Any,
) -> None:
    """Annotate a VCF; at least one of --out-vcf, --out-parquet, --out-tsv and --out-xlsx is needed.

    Every record is written, in order, with every byte of its columns; ENS_ tags are added to
    INFO and matched IDs to ID. Positions are 1-based (VCF), times are in seconds.

    The last command of the example prints records with an ID that has the whole term pathogenic, not
    likely_pathogenic. ENS_CLIN has the terms that are certain to be the ALT's own.

    \b
    Example:
      ensembl-annotations annotate --vcf me.vcf.gz --reference data/ensembl_annotations \\
          --out-vcf me.annotated.vcf.gz --out-parquet me.annotated.parquet
      bcftools view me.bcf | ensembl-annotations annotate --vcf - --out-vcf - \\
          --reference data/ensembl_annotations | \\
          bcftools view -i 'ENS_RSCLIN~"[|]pathogenic$" || ENS_RSCLIN~"[|]pathogenic[|]"'
    """  # noqa: D301
    from ensembl_annotations.annotate.targets import Targets
    from ensembl_annotations.project.paths import STORE, find_root
    from ensembl_annotations.variants.tags import parse_columns

    # What is imported by now stays to the end. To look through it for garbage takes a tenth of a short run.
    gc.freeze()
    if shard is not None:
        annotate_shard(options["vcf"], options["reference"], *shard)
        return
    with ExitStack() as stack:
        # Outside a repository there is nothing to compare with, and no time to lose on importing it.
        # The reference may be that of a repository in which this is not run.
        here = find_root(Path.cwd()) or (Path.cwd() if STORE.exists() else None)
        for root in filter(None, {here, find_root(options["reference"].resolve())}):
            from ensembl_annotations.project.locked_reference import refuse_other_reference
            from ensembl_annotations.project.project import Project

            refuse_other_reference(options["reference"], Project.open(root))
        if out_xlsx is not None:
            from ensembl_annotations.annotate.export import check_xlsx

            check_xlsx()
        exported = (out_tsv, out_xlsx)
        if summary is not None or any(exported):
            from tempfile import TemporaryDirectory

            folder = Path(stack.enter_context(TemporaryDirectory(prefix="ensembl-annotations-")))
            if any(exported):
                options["out_parquet"] = options["out_parquet"] or folder / "table.parquet"
            # They are written when all else is: that nothing is overwritten by them is seen to before.
            others = (options[name] for name in ("metrics", "run_metrics", "tally"))
            targets = Targets(
                options["out_vcf"],
                options["out_parquet"],
                options["index"],
                options["level"],
                options["genotypes"],
                parse_columns(options["columns"]),
            )
            targets.check(options["vcf"], options["reference"], *others, summary, *exported)
        if summary is not None:
            options["tally"] = options["tally"] or folder / "tally.json"
        result = ensembl_annotations.annotate_vcf(**options)
        if out_tsv is not None:
            from ensembl_annotations.annotate.export import write_tsv

            write_tsv(options["out_parquet"], out_tsv)
        if out_xlsx is not None:
            from ensembl_annotations.annotate.export import write_xlsx

            write_xlsx(options["out_parquet"], out_xlsx)
        if summary is not None:
            from ensembl_annotations.report.report import write_page

            write_page(options["tally"], summary)
    # Not into the VCF.
    show(describe_annotated(result), err=options["out_vcf"] == Path("-"))


def annotate_shard(vcf: Path, reference: Path, number: int, count: int) -> None:
    """Annotate a share of an entry; no option but those of ``params.yaml`` decides what comes out."""
    from ensembl_annotations.project.locked_reference import refuse_other_reference
    from ensembl_annotations.project.make_entry import make_shard
    from ensembl_annotations.project.paths import STORE
    from ensembl_annotations.project.project import Project

    context = click.get_current_context()
    allowed = ("vcf", "reference", "shard", "quiet")
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name is not None
        and parameter.name not in allowed
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    project = Project.open()
    if given or reference.resolve() != (project.root / STORE).resolve():
        raise UsageError(
            f"--shard: expected --reference {STORE} and no option of a single VCF, found "
            f"{', '.join(given) or f'--reference {reference}'}.",
            hint="What comes out is decided by params.yaml, as for 'make'.",
        )
    refuse_other_reference(reference, project)
    vcf = vcf.absolute()
    with chdir(project.root):
        outcomes = make_shard(project, vcf, number, count)
    failed = sum(outcome.failure is not None for outcome in outcomes)
    show(f"share {number} of {count}: {len(outcomes) - failed} annotated, {failed} failed")


def describe_annotated(result: dict[str, Any]) -> str:
    """Return the line of result of an annotation."""
    from ensembl_annotations.annotate.compared import not_compared, num_known

    failed = f"{number} failed, " if (number := result.get("num_failed")) else ""
    samples = f"{result['num_samples']} samples, {failed}" if "num_samples" in result else ""
    return (
        f"annotated: {samples}{result['num_records']} records, {num_known(result)} of "
        f"{result['num_compared']} alleles that could be compared known to Ensembl release "
        f"{result['release']} ({result['annotated_percent']} %), "
        + (f"{rest}, " if (rest := not_compared(result)) else "")
        + f"in {result['run']['duration_sec']} s"
    )


@main.command("report")
@click.argument("tally", type=PATH, metavar="TALLY.json")
@click.option("--out", type=PATH, required=True, metavar="DIR", help="The folder to write to.")
@click.option("--name", required=True, help="The sample's name in MultiQC's report.")
def report(tally: Path, out: Path, name: str) -> None:
    """Write the report of an annotation from its tally: a page, MultiQC's section, two pictures.

    \b
    Example:
      ensembl-annotations report tally.json --out report --name p01
    """  # noqa: D301
    ensembl_annotations.write_report(tally, out, name)


@main.command("materialize")
@click.argument("assets", nargs=-1, metavar="[ASSET]...", shell_complete=complete_asset)
@click.option(
    "--force", is_flag=True, help="Download the reference again and rebuild the named assets."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only print what making the reference would download, and the disk it needs.",
)
@scheduler_option
def materialize_command(
    assets: tuple[str, ...], force: bool, dry_run: bool, scheduler: str | None
) -> None:
    """Bring assets, and what they need, up to date through DVC; all of them by default.

    ASSET is ensembl_annotations, annotated_vcf (all samples) or annotated_vcf@SAMPLE.

    Samples that dvc.lock has, but whose VCF is not on this machine, are left as they are, unless named.

    Also removes what samples left behind that are no longer in params.yaml, and renews catalog.html.

    Exit code 1 if a VCF can't be used, too: the others are annotated, and failures.tsv says why.

    \b
    Example:
      ensembl-annotations materialize ensembl_annotations
    """  # noqa: D301
    from ensembl_annotations.project.materialize import (
        describe_made,
        record_command,
        refuse_failed,
    )
    from ensembl_annotations.project.paths import CATALOG

    if dry_run:
        for line in ensembl_annotations.plan_materialize(force=force):
            show(line)
        return
    if scheduler:
        # For the stages, which DVC starts.
        os.environ[SCHEDULER_VARIABLE] = scheduler
    results = ensembl_annotations.materialize(list(assets) or None, force=force)
    for line in describe_made(results):
        show(line)
    if CATALOG.exists():
        show(f"\nall assets, and the samples side by side: {CATALOG}")
    if command := record_command():
        show(f"\nTo keep in git how this was made:\n  {command}")
    refuse_failed(results)


@main.command("lookup")
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--reference",
    metavar="PATH|URL",
    default="data/ensembl_annotations",
    help="Folder of the reference store; for IDs and regions also its address, https://… or s3://….",
)
@click.option(
    "--chromosomes", default="all", help=f"Look for IDs on these only. {CHROMOSOMES_HELP}"
)
@transcripts_option
@click.option("--json", "form", flag_value="json", help="Print JSON, with all values.")
@click.option("--tsv", "form", flag_value="tsv", help="Print tab-separated text, with all values.")
def lookup_command(query: tuple[str, ...], form: str | None, **options: Any) -> None:
    """Print what the reference has of each QUERY: an ID, an allele or a region.

    An ID is rs1801133 or another database's; an allele 1:11796321:G:A, or 1-11796321-G-A, or what the annotated
    table has as ens_key, such as 1-100-CG- (deletion) and 1-100--A (insertion before 100); a region
    1:11796000-11797000, or one position. Positions are 1-based: SPDI, which counts from 0, is refused. An allele is matched as 'annotate' does
    it, and told with its consequence, known to Ensembl or not, if the reference has genes. For what is
    not found, it says why; --json and --tsv have it as the reason.

    Exit code 0, whether something is found or not; 2 for a query that can't be understood, 1 for a
    reference that can't be read.

    \b
    Example:
      ensembl-annotations lookup rs1801133 1:11796321:G:A
    """  # noqa: D301
    from ensembl_annotations.annotate.query import describe_lookup

    found = ensembl_annotations.lookup(query, **options)
    for line in describe_lookup(found, form or "table"):
        # Each field on its own: tabs are no letters of theirs.
        click.echo("\t".join(map(printable, line.split("\t"))))


@main.command("sql")
@click.argument("folder", type=PATH, default=Path("data/ensembl_annotations"))
def sql_command(folder: Path) -> None:
    """Print SQL that makes a view of a reference store in DuckDB, named ensembl.

    FOLDER is the store. The view has a row per ALT of each published record, with typed values: see
    docs/analysis.md.

    \b
    Example:
      ensembl-annotations sql data/ensembl_annotations > ensembl.sql
      duckdb -init ensembl.sql -c "SELECT * FROM ensembl WHERE rs = 1801133"
    """  # noqa: D301
    from ensembl_annotations.store.sql import view_sql

    show(view_sql(folder))


@main.command("index")
@click.argument("folder", type=PATH, default=Path("data/ensembl_annotations"))
@click.option("--chromosomes", default="all", help=f"Only these. {CHROMOSOMES_HELP}")
def index_command(folder: Path, chromosomes: str) -> None:
    """Write the index of a reference store, by which an ID is looked up at once.

    FOLDER is the store. The index is a folder beside it, FOLDER.index, for a store on a web server or in
    S3, too: copy both there. It belongs to this store alone: after the reference was made anew, write it
    again.

    \b
    Example:
      ensembl-annotations index data/ensembl_annotations
    """  # noqa: D301
    from ensembl_annotations.common.progress import format_bytes

    done = ensembl_annotations.write_index(folder, chromosomes)
    show(f"Wrote {folder}.index: {done['num_ids']:,} IDs, {format_bytes(done['num_bytes'])}.")


@main.command("merge")
def merge_command() -> None:
    """Merge what git left in conflict: params.yaml by key, dvc.lock by stage, figures of metrics/.

    Run it in the repository's folder, during a git merge or rebase; it stages what it resolves. A
    parameter that both sides changed stays a conflict. A result that both sides made is kept if it is the
    only one made with the merged parameters; else it is left out, so that 'make' makes it again.

    \b
    Example:
      git merge origin/main
      ensembl-annotations merge
    """  # noqa: D301
    from ensembl_annotations.project.merge import merge_conflicts

    with reported_errors():
        lines = merge_conflicts()
    for line in lines:
        show(line)


@main.command("check-upstream")
@click.option(
    "--update", is_flag=True, help="Write what is published now to the manifest; see 'git diff'."
)
def check_upstream(update: bool) -> None:
    """Ask the source in params.yaml for changes since its manifest, and for newer releases.

    Run it in the repository's folder. Without --update nothing is written.

    \b
    Example:
      ensembl-annotations check-upstream
    """  # noqa: D301
    from ensembl_annotations.project import upstream
    from ensembl_annotations.project.project import Project

    report = upstream.check_upstream(Project.open(), update=update)
    for line in upstream.describe_upstream(report):
        show(line)


@main.command()
@click.argument("folder", type=PATH)
@click.option(
    "--chromosomes",
    default="all",
    help=f"Verify only the files of these, if you pulled no others. {CHROMOSOMES_HELP}",
)
def verify(folder: Path, chromosomes: str) -> None:
    """Hash every file of a reference store against its datapackage.json and dvc.lock, offline.

    \b
    Example:
      ensembl-annotations verify data/ensembl_annotations
    """  # noqa: D301
    from ensembl_annotations.project.verification import describe_problems, verify_reference
    from ensembl_annotations.store.describe import ReferenceStore

    store = ReferenceStore(folder)
    wanted = parse_chromosomes(chromosomes)
    if wanted is not None:
        wanted = resolve_chromosomes(wanted, store.chromosomes, store.species, store.assembly)
    num_files = len(store.resources_of(wanted))
    problems, compared = verify_reference(store, wanted)
    if problems:
        lines, hint = describe_problems(problems)
        are = "is" if len(problems) == 1 else "are"
        told = "\n".join(f"  {line}" for line in lines)
        raise ReferenceStoreError(
            f"{folder}: {count_files(len(problems))} {are} wrong:\n{told}", hint=hint
        )
    show(f"{folder}: {count_files(num_files)} verified, release {store.release}; as in {compared}.")


@main.command()
@click.option(
    "--in-place",
    metavar="PATH|s3://…",
    help="Also copy it, by the names of its files and with its index by ID, to be read where it is.",
)
def publish(in_place: str | None) -> None:
    """Push the reference to the DVC remote refcache, and make sure that all of it has arrived.

    Every file is verified first. No sample is pushed, and no record of runs: those name samples.
    With exit code 1 it names each file that is altered, not as described, or missing there.

    The remote has files by their digests, which only DVC puts together. With --in-place they are copied by their
    names too, to a folder (of a web server) or a bucket, with an index beside it: 'lookup' and scan_reference
    read them there. A folder with another reference is refused.

    \b
    Example:
      ensembl-annotations publish
      ensembl-annotations publish --in-place /srv/www/ensembl-116
    """  # noqa: D301
    from ensembl_annotations.common.progress import format_bytes
    from ensembl_annotations.project import sharing
    from ensembl_annotations.project.project import Project

    done = sharing.publish(Project.open(), in_place)
    show(
        f"published: {done['num_files']} files, {format_bytes(done['total_bytes'])}, "
        f"{done['num_pushed']} pushed, to {done['remote']} ({done['url']})"
    )
    if copied := done.get("in_place"):
        show(
            f"to be read in place: {in_place} and its index, {copied['num_files']} files, "
            f"{format_bytes(copied['num_bytes'])}"
        )


@main.command()
@click.option(
    "--chromosomes",
    default="all",
    help=f"Pull only the files of these. {CHROMOSOMES_HELP}",
)
def pull(chromosomes: str) -> None:
    """Take the reference that dvc.lock names from the DVC remote refcache; downloads nothing from Ensembl.

    The list of files is checked first. 'dvc pull' does not check it, and would write outside the
    reference's folder if somebody forged the list. Exit code 1 means that nothing was written.

    \b
    Example:
      ensembl-annotations pull --chromosomes 21,22
    """  # noqa: D301
    from ensembl_annotations.project import sharing
    from ensembl_annotations.project.project import Project

    done = sharing.pull(Project.open(), parse_chromosomes(chromosomes))
    show(f"here: {done['num_files']} files, from {done['remote']} ({done['url']})")


@main.command()
@click.option(
    "--content",
    is_flag=True,
    help="Read every file in the remote; by default only sizes are compared.",
)
def repair(content: bool) -> None:
    """Find damaged files of the reference, in DVC's cache and in the remote, and mend them.

    \b
    Example:
      ensembl-annotations repair
    """  # noqa: D301
    from ensembl_annotations.common.words import listed
    from ensembl_annotations.project import sharing
    from ensembl_annotations.project.project import Project

    done = sharing.repair(Project.open(), content=content)
    mended = [*done["local"], *(f"{name} (in the remote)" for name in done["in_remote"])]
    show(f"{count_files(done['num_files'])} verified; mended: {listed(mended, 8) or 'none'}.")
    if done["restored"]:
        show(
            f"Put back in the workspace, as dvc.lock has them: {count_files(len(done['restored']))}."
        )
    if not done["published"]:
        say(
            f"Remote {done['remote']!r} ({done['url']}) has none of these files: they were not "
            "published, or its address is not the right one."
        )


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@main.command("history")
@click.argument("asset", required=False, shell_complete=complete_asset)
@json_option
@click.option("--limit", type=click.IntRange(min=1), help="Print only this many, the newest.")
@click.option(
    "--all",
    "with_all",
    is_flag=True,
    help="Print also those of the demonstration (source mini) that others made and committed.",
)
def history_command(asset: str | None, as_json: bool, limit: int | None, with_all: bool) -> None:
    """Print the materializations of an asset in git, newest first; of all assets by default.

    ASSET is ensembl_annotations, annotated_vcf (all samples) or annotated_vcf@SAMPLE. Dates are of
    commits, in UTC; "workspace" means not committed yet. Status and seconds are of runs on this machine;
    "-" means not known. The table has 12 digits of each digest, --json has all.

    \b
    Example:
      ensembl-annotations history annotated_vcf@sample --limit 5
    """  # noqa: D301
    from ensembl_annotations.project.history import describe_history

    history = ensembl_annotations.read_history(asset, limit=limit, demonstration=with_all)
    if as_json:
        show(json.dumps(history.as_json(), indent=2, ensure_ascii=False))
        return
    for line in describe_history(history):
        show(line)
    for note in history.notes:
        say(f"Note: {note}")


@main.command("review")
@click.argument("base", default="main")
@click.option(
    "--branch",
    default="HEAD",
    metavar="REV",
    help="Branch to review; it need not be checked out, and nothing of it is run. Default: what is checked out.",
)
@click.option(
    "--whole", type=PATH, metavar="FILE", help="Write the whole review to this file, too."
)
def review_command(base: str, branch: str, whole: Path | None) -> None:
    """Print what a branch changes since it left BASE (default main), as Markdown that fits into a comment.

    What runs, parameters, figures, data, lineage, reference; whether dvc.lock is current. No data are
    needed, no remote is asked. Ends with 1 where something has to be mended.

    \b
    Example:
      ensembl-annotations review main --branch origin/their-branch
    """  # noqa: D301
    from ensembl_annotations.project.review import review_branch, shorten_review, write_review

    review = review_branch(base, branch)
    if whole:
        write_review(review, whole)
    show(shorten_review(review.text).rstrip("\n"))
    if not review.is_good:
        sys.exit(1)


@main.command("catalog")
@click.option("--out", type=PATH, default="catalog.html", help="The page to write.")
def catalog_command(out: Path) -> None:
    """Write a page with all samples side by side, and every asset: state, history, lineage, parameters.

    The page is one file, for a browser, offline. States are those of the data on this machine; a clone
    without data has the same history, less the demonstration of others. 'make' writes it to catalog.html.

    \b
    Example:
      ensembl-annotations catalog --out catalog.html
    """  # noqa: D301
    ensembl_annotations.write_catalog(out)
    show(f"Wrote {out}.")


@main.command("provenance")
@click.argument("file", type=PATH)
@click.option(
    "--verify",
    is_flag=True,
    help="Check the file, the reference and dvc.lock, as far as each can be checked.",
)
@json_option
def provenance_command(file: Path, verify: bool, as_json: bool) -> None:
    """Print what FILE was made from, in which commit it is, and how to make it again.

    FILE is an annotated VCF (.vcf, .vcf.gz, .bcf, - for standard input) or parquet, or a reference
    store. Run it in the repository's folder. With --verify exit code 1 means that something differs.

    \b
    Example:
      ensembl-annotations provenance data/annotated/sample/annotated.vcf.gz --verify
    """  # noqa: D301
    from ensembl_annotations.project.provenance import describe_provenance

    found = ensembl_annotations.trace_provenance(file, verify=verify)
    if as_json:
        show(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        for line in describe_provenance(found):
            show(line)
    sys.exit(1 if found.differs else 0)


@main.group()
def cache() -> None:
    """Look at the download cache, and tidy it.

    It is $ENSEMBL_ANNOTATIONS_CACHE, or a folder in the user's cache. Sizes are in MB (10^6 bytes)
    and GB (10^9 bytes).
    """


@cache.command("list")
def list_cache_command() -> None:
    """Print what the download cache holds: state, size, path below the cache.

    verified: passed verification when it was downloaded (it is hashed again when it is used); partial:
    an interrupted download, which the next run resumes; quarantined: not what was published;
    manifest: a server's list of what it publishes.

    \b
    Example:
      ensembl-annotations cache list
    """  # noqa: D301
    from ensembl_annotations.fetch.cache import describe_entries, download_cache, list_cache

    entries = list_cache()
    for line in describe_entries(entries):
        show(line)
    show(f"in {download_cache()}")


@cache.command("prune")
@click.option(
    "--release",
    "releases",
    type=click.IntRange(min=1),
    multiple=True,
    help="Remove the verified files of this release too; may be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="Remove all that the cache holds.")
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
def prune_cache_command(releases: tuple[int, ...], everything: bool, dry_run: bool) -> None:
    """Remove partial downloads and quarantined files from the download cache.

    What another process is downloading is kept.

    \b
    Example:
      ensembl-annotations cache prune --release 115 --dry-run
    """  # noqa: D301
    from ensembl_annotations.fetch.cache import describe_entries, prune_cache

    pruned = prune_cache(releases=releases, everything=everything, dry_run=dry_run)
    show("Would be removed:" if dry_run else "Removed:")
    for line in describe_entries(pruned.removed):
        show(line)
    for entry in pruned.in_use:
        show(f"Kept, in use by another process: {entry.path}")


@main.command("compare")
@click.argument("before", metavar="REV_OR_DIR")
@click.argument("after", metavar="REV_OR_DIR")
@click.option(
    "--sample",
    metavar="NAME|FILE",
    help="Only alleles that this sample carries: a sample of params.yaml, or its table, VCF or BCF.",
)
@click.option(
    "--out-parquet",
    type=PATH,
    metavar="FILE.parquet",
    help="Write every change to this file, a row each.",
)
@json_option
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="Changes to print, clinical terms first; default 20, or all with --json and --sample.",
)
def compare_command(
    before: str,
    after: str,
    sample: str | None,
    as_json: bool,
    markdown: bool,
    limit: int | None,
    **options: Any,
) -> None:
    """Say what changed between two reference stores: IDs, clinical terms, frequencies.

    Each is a folder with a store, or a git revision of the repository in this folder: its data come
    from DVC's cache, or else the remote, and nothing is checked out. Alleles are compared by allele
    key: an indel that is written elsewhere in its repeat is another allele. Positions are 1-based.

    \b
    Example:
      ensembl-annotations compare main HEAD --sample p01
    """  # noqa: D301
    from ensembl_annotations.compare.compare import describe_comparison

    if limit is None and not (as_json and sample is not None):
        limit = 20
    if as_json and markdown:
        raise UsageError("--json and --markdown: expected one of them.", hint="Leave one out.")
    result = ensembl_annotations.compare_stores(
        before, after, sample=sample, limit=limit, **options
    )
    form = "json" if as_json else "markdown" if markdown else "table"
    for line in describe_comparison(result, form):
        show(line)


if __name__ == "__main__":
    main()
