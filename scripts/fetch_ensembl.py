"""Stage `fetch_ensembl`: make the asset `ensembl_annotations`."""

import os
from pathlib import Path

from ensembl_annotations.catalog.materialize import FORCE_VARIABLE, fetch_options
from ensembl_annotations.cli import print_fetched, reported_errors
from ensembl_annotations.common.params import load_params
from ensembl_annotations.common.progress import Progress
from ensembl_annotations.fetch import fetch_ensembl

with reported_errors():
    params = load_params()
    result = fetch_ensembl(
        **fetch_options(params),
        force=params.force_download or os.environ.get(FORCE_VARIABLE) == "1",
        source=params.ensembl.source,
        max_bad_percent=params.ensembl.max_bad_percent,
        metrics=Path("metrics/fetch_ensembl.json"),
        run_metrics=Path("metrics/run/fetch_ensembl.json"),
        progress=Progress(),
    )
    print_fetched(result)
