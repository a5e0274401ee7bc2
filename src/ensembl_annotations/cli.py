"""The console command `ensembl-annotations`: arguments in, one library call, exit code out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

import ensembl_annotations
from ensembl_annotations.common.chromosomes import parse_chromosomes
from ensembl_annotations.common.errors import (
    EnsemblAnnotationsError,
    ReferenceStoreError,
    explain_os_error,
)

PATH = click.Path(path_type=Path, readable=False)
ASSETS = ("ensembl_annotations", "annotated_vcf")
CHROMOSOMES_HELP = "Ensembl's names separated by commas, such as 21,22,X,MT; or 'all'."


def say(text: str) -> None:
    """Print a line for the user; results go to stdout, this goes to stderr."""
    click.echo(text, err=True)


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn our errors into one message on stderr and their exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    except EnsemblAnnotationsError as error:
        say(f"Error: {error.message}")
        if error.hint:
            say(error.hint)
        sys.exit(error.exit_code)
    except OSError as error:
        say(f"Error: {explain_os_error(error, '', 'working').message}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("Interrupted; nothing was left under a final name.")
        sys.exit(130)


def _version() -> str:
    try:
        return version("ensembl-annotations")
    except PackageNotFoundError:
        return "unknown"


metrics_option = click.option(
    "--metrics", type=PATH, help="Write the counts here (JSON); functions of the inputs only."
)
run_metrics_option = click.option(
    "--run-metrics", type=PATH, help="Write seconds, processor and memory of this run here (JSON)."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), prog_name="ensembl-annotations")
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
@click.option("--species", default="homo_sapiens", show_default=True, help="As in Ensembl's paths.")
@click.option("--assembly", default="GRCh38", show_default=True, help="As Ensembl names it.")
@click.option("--chromosomes", default="all", show_default=True, help=CHROMOSOMES_HELP)
@click.option(
    "--out", type=PATH, required=True, help="Folder of the reference store; replaced whole."
)
@click.option(
    "--source",
    default="unnamed",
    show_default=True,
    help="A name for where the data are from, kept in the store.",
)
@click.option(
    "--fasta",
    is_flag=True,
    help="Fetch the sequence too, so that annotate checks every REF against it.",
)
@metrics_option
@run_metrics_option
@click.option("--force", is_flag=True, help="Download again what the download cache holds.")
def fetch(mirrors: tuple[str, ...], chromosomes: str, **options: Any) -> None:
    """Download a release's variation files, verify them, and build a reference store.

    Downloads are kept in $ENSEMBL_ANNOTATIONS_CACHE (default: the user's cache folder) and used
    again. Sizes are in MB (10^6 bytes) and GB (10^9 bytes), times in seconds.

    \b
    Example:
      ensembl-annotations fetch --base-url https://ftp.ensembl.org/pub --release 116 \\
          --assembly GRCh38 --chromosomes 21,22 --out reference
    """  # noqa: D301
    with reported_errors():
        result = ensembl_annotations.fetch_ensembl(
            mirrors=mirrors, chromosomes=parse_chromosomes(chromosomes), progress=say, **options
        )
    print_fetched(result)


def print_fetched(result: dict[str, Any]) -> None:
    """Print the line of result of a fetch."""
    click.echo(
        f"{result['run']['status']}: {result['species']} {result['assembly']} release "
        f"{result['release']}, {result['num_files']} files, {result['num_variants']} variants, "
        f"{result['num_alleles']} alleles, {result['num_quarantined']} quarantined, "
        f"{result['total_size_gb']} GB, in {result['run']['cache_path']}"
    )


@main.command()
@click.option("--vcf", type=PATH, required=True, help="The VCF: plain, gzip or bgzip.")
@click.option("--reference", type=PATH, required=True, help="Folder of the reference store.")
@click.option(
    "--out-vcf",
    type=PATH,
    metavar="FILE.vcf.gz",
    help="The annotated VCF (BGZF, with a .csi index).",
)
@click.option(
    "--out-parquet",
    type=PATH,
    metavar="FILE.parquet",
    help="The annotated table, a row per record and ALT.",
)
@metrics_option
@run_metrics_option
@click.option("--assembly", help="Assembly of the VCF, where its header does not say (checked).")
@click.option(
    "--chromosomes",
    default="all",
    show_default=True,
    help=f"Look up only these. {CHROMOSOMES_HELP}",
)
@click.option(
    "--level",
    type=click.IntRange(1, 9),
    default=1,
    show_default=True,
    help="Compression of the VCF: 1 fast, 9 small.",
)
@click.option("--overwrite-tags", is_flag=True, help="Replace ENS_ tags that the VCF already has.")
def annotate(chromosomes: str, **options: Any) -> None:
    """Annotate a VCF; at least one of --out-vcf and --out-parquet is needed.

    Every record, in order, with every byte of its columns, comes out; ENS_ tags are added to
    INFO and matched IDs to ID. Positions are 1-based (VCF), times are in seconds.

    \b
    Example:
      ensembl-annotations annotate --vcf me.vcf.gz --reference data/ensembl_annotations \\
          --out-vcf me.annotated.vcf.gz --out-parquet me.annotated.parquet
    """  # noqa: D301
    with reported_errors():
        result = ensembl_annotations.annotate_vcf(
            chromosomes=parse_chromosomes(chromosomes), log=say, **options
        )
    print_annotated(result)


def print_annotated(result: dict[str, Any]) -> None:
    """Print the line of result of an annotation."""
    click.echo(
        f"annotated: {result['num_records']} records, {result['num_exact']} of "
        f"{result['num_alleles']} alleles known to Ensembl release {result['release']} "
        f"({result['annotated_percent']} %), in {result['run']['duration_sec']} s"
    )


@main.command("materialize")
@click.argument("assets", nargs=-1, type=click.Choice(ASSETS))
@click.option(
    "--force", is_flag=True, help="Download the reference again and rebuild the named assets."
)
def materialize_command(assets: tuple[str, ...], force: bool) -> None:
    """Bring assets, and what they need, up to date through DVC; all of them by default.

    Also removes what samples left behind that are no longer in params.yaml.

    \b
    Example:
      ensembl-annotations materialize ensembl_annotations
    """  # noqa: D301
    with reported_errors():
        results = ensembl_annotations.materialize(list(assets) or None, force=force, log=say)
    for name, result in results.items():
        click.echo(f"\n{name}: {result['status']}")
        for key, value in result.items():
            if key != "status":
                click.echo(f"  {key}: {value}")


@main.command()
@click.argument("folder", type=PATH)
def verify(folder: Path) -> None:
    """Hash every file of a reference store against its datapackage.json, offline.

    \b
    Example:
      ensembl-annotations verify data/ensembl_annotations
    """  # noqa: D301
    from ensembl_annotations.common.datapackage import ReferenceStore

    with reported_errors():
        store = ReferenceStore(folder)
        problems = store.verify()
        if problems:
            raise ReferenceStoreError(
                f"{folder}: {len(problems)} of {len(store.resources)} files are wrong:\n"
                + "\n".join(f"  {problem}" for problem in problems),
                hint="Run 'dvc repro -f -s fetch_ensembl' to make the store again.",
            )
    click.echo(f"{folder}: {len(store.resources)} files verified, release {store.release}.")


if __name__ == "__main__":
    main()
