"""Stage `fetch_ensembl`: make the asset `ensembl_annotations`."""

import os
from pathlib import Path

import click

from ensembl_annotations.cli import describe_fetched, reported_errors
from ensembl_annotations.common.metrics import logged_run
from ensembl_annotations.common.progress import Progress
from ensembl_annotations.fetch import fetch_ensembl
from ensembl_annotations.project.materialize import FORCE_VARIABLE, STORE, fetch_options
from ensembl_annotations.project.params import load_params

METRICS, RUN = Path("metrics/fetch_ensembl.json"), Path("metrics/run/fetch_ensembl.json")

with (
    reported_errors(),
    logged_run("ensembl_annotations", "fetch_ensembl", STORE, METRICS, RUN) as log,
):
    params = load_params()
    result = fetch_ensembl(
        **fetch_options(params),
        force=params.force_download or os.environ.get(FORCE_VARIABLE) == "1",
        source=params.ensembl.source,
        max_bad_percent=params.ensembl.max_bad_percent,
        metrics=METRICS,
        run_metrics=RUN,
        progress=Progress(log=log.info),
    )
    log.info(describe_fetched(result))
    click.echo(describe_fetched(result))
