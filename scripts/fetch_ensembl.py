"""Stage `fetch_ensembl`: make the asset `ensembl_annotations`."""

import os

from ensembl_annotations.cli import describe_fetched, reported_errors
from ensembl_annotations.common.logs import PACKAGE
from ensembl_annotations.common.metrics import logged_run
from ensembl_annotations.fetch import fetch_ensembl
from ensembl_annotations.project.figures import fold_details
from ensembl_annotations.project.folders import refuse_links
from ensembl_annotations.project.materialize import FORCE_VARIABLE, fetch_options
from ensembl_annotations.project.paths import REFERENCE, named_scheduler, paths_of
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.turns import one_at_a_time

project, paths = Project.open(), paths_of(REFERENCE)

with reported_errors():
    refuse_links(project)

with (
    reported_errors(),
    one_at_a_time(project.root, paths.asset),
    logged_run(paths.asset, paths.stage, paths.folder, paths.metrics, paths.run),
):
    params = project.params
    result = fetch_ensembl(
        **fetch_options(project),
        force=params.run.force_download or os.environ.get(FORCE_VARIABLE) == "1",
        source=params.ensembl.source,
        max_bad_percent=params.ensembl.max_bad_percent,
        metrics=paths.metrics,
        run_metrics=paths.run,
        scheduler=named_scheduler(),
    )
    fold_details(paths)
    PACKAGE.info(describe_fetched(result))
