"""Stage `annotate`: make the asset `annotated_vcf` of one entry, a VCF or many."""

from ensembl_annotations.cli import describe_annotated, reported_errors
from ensembl_annotations.common.logs import PACKAGE
from ensembl_annotations.common.metrics import logged_run
from ensembl_annotations.project.folders import refuse_links
from ensembl_annotations.project.locked_reference import refuse_other_reference
from ensembl_annotations.project.make_entry import make_entry
from ensembl_annotations.project.paths import STORE, asset_of, paths_of, running_sample
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.turns import one_at_a_time

project = Project.open()

with reported_errors():
    paths = paths_of(asset_of(running_sample()))
    refuse_links(project, paths.folder)

with (
    reported_errors(),
    one_at_a_time(project.root, paths.asset),
    logged_run(paths.asset, paths.stage, paths.folder, paths.metrics, paths.run),
):
    project.dvc.refuse_shared_cache()
    refuse_other_reference(STORE, project)
    PACKAGE.info(describe_annotated(make_entry(project, paths)))
