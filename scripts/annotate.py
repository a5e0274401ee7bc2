"""Stage `annotate`: make the asset `annotated_vcf` of one sample."""

import sys
from pathlib import Path

import click

from ensembl_annotations.annotate import annotate_vcf
from ensembl_annotations.cli import describe_annotated, reported_errors
from ensembl_annotations.common.metrics import logged_run
from ensembl_annotations.common.progress import Progress
from ensembl_annotations.project.folders import refuse_other_reference
from ensembl_annotations.project.materialize import STORE, refuse_shared_cache
from ensembl_annotations.project.params import load_params

sample = sys.argv[1]
out = Path("data/annotated") / sample
metrics = Path(f"metrics/annotate/{sample}.json")
run_metrics = Path(f"metrics/run/annotate/{sample}.json")


progress = Progress()


def note(text: str) -> None:
    """Print what the user should know of the sample, and log it."""
    log.warning(text)
    progress.say(text)


with (
    reported_errors(),
    logged_run(f"annotated_vcf@{sample}", f"annotate@{sample}", out, metrics, run_metrics) as log,
):
    refuse_shared_cache()
    refuse_other_reference(STORE)
    params = load_params()
    result = annotate_vcf(
        Path(params.samples[sample].vcf),
        STORE,
        out_vcf=out / "annotated.vcf.gz",
        out_parquet=out / "annotated.parquet",
        tally=out / "tally.json",
        metrics=metrics,
        run_metrics=run_metrics,
        assembly=params.annotate.assembly,
        level=params.annotate.level,
        overwrite_tags=params.annotate.overwrite_tags,
        match=params.annotate.match,
        tags=params.annotate.tags,
        id_column=params.annotate.id,
        genotypes=params.annotate.genotypes,
        memory_mb=params.annotate.memory_mb,
        log=note,
        progress=progress,
    )
    log.info(describe_annotated(result))
    click.echo(describe_annotated(result))
