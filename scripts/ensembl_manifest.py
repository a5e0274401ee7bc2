"""Stage `ensembl_manifest`: note what the source has published, and check what is wanted of it.

Checked here, since DVC removes the reference before it runs the stage that makes it.
"""

import time

from ensembl_annotations.cli import reported_errors
from ensembl_annotations.common.logs import PACKAGE, logged_stage, now_utc
from ensembl_annotations.common.metrics import LOGS, RUN_LOG, log_run
from ensembl_annotations.fetch import Layout, ensure_manifest, manifest_path
from ensembl_annotations.fetch.manifest import describe_files
from ensembl_annotations.project.folders import refuse_links
from ensembl_annotations.project.materialize import check_published
from ensembl_annotations.project.paths import REFERENCE, STORE
from ensembl_annotations.project.project import Project

began = time.perf_counter()

project = Project.open()

with reported_errors():
    refuse_links(project)
    try:
        with logged_stage(LOGS / "ensembl_manifest.jsonl"):
            params = project.params
            wanted = params.ensembl
            layout = Layout(wanted.species, wanted.assembly, wanted.release)
            path = manifest_path(wanted.source, layout)
            manifest = ensure_manifest(params.mirrors, layout, path)
            check_published(project)
            PACKAGE.info(f"{path}: published: {describe_files(manifest)}")
    except BaseException:
        # Without it the reference is not made.
        seconds = round(time.perf_counter() - began, 3)
        failed = {"status": "failed", "finished_at": now_utc(), "duration_sec": seconds}
        log_run(RUN_LOG, REFERENCE, failed, None, STORE)
        raise
