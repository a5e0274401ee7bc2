"""Stage `fetch_ensembl`: make the asset `ensembl_annotations`."""

import os
from pathlib import Path

from ensembl_annotations.catalog.materialize import FORCE_VARIABLE, STORE, fetch_options
from ensembl_annotations.cli import print_fetched, reported_errors
from ensembl_annotations.common.metrics import logged_run
from ensembl_annotations.common.params import load_params
from ensembl_annotations.common.progress import Progress
from ensembl_annotations.fetch import fetch_ensembl

METRICS, RUN = Path("metrics/fetch_ensembl.json"), Path("metrics/run/fetch_ensembl.json")

with reported_errors(), logged_run("ensembl_annotations", STORE, METRICS, RUN):
    params = load_params()
    result = fetch_ensembl(
        **fetch_options(params),
        force=params.force_download or os.environ.get(FORCE_VARIABLE) == "1",
        source=params.ensembl.source,
        max_bad_percent=params.ensembl.max_bad_percent,
        metrics=METRICS,
        run_metrics=RUN,
        progress=Progress(),
    )
    print_fetched(result)
