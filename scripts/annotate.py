"""Stage `annotate`: make the asset `annotated_vcf` of one sample."""

from pathlib import Path

from ensembl_annotations.annotate import annotate_vcf
from ensembl_annotations.cli import describe_annotated, reported_errors
from ensembl_annotations.common.logs import PACKAGE
from ensembl_annotations.common.metrics import logged_run
from ensembl_annotations.project.figures import fold_details
from ensembl_annotations.project.folders import refuse_links
from ensembl_annotations.project.paths import STORE, asset_of, paths_of, running_sample
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.turns import one_at_a_time
from ensembl_annotations.project.verification import refuse_other_reference

project = Project.open()

with reported_errors():
    sample = running_sample()
    paths = paths_of(asset_of(sample))
    out = paths.folder
    refuse_links(project, out)

with (
    reported_errors(),
    one_at_a_time(project.root, paths.asset),
    logged_run(paths.asset, paths.stage, out, paths.metrics, paths.run),
):
    project.dvc.refuse_shared_cache()
    refuse_other_reference(STORE, project)
    params = project.params
    result = annotate_vcf(
        Path(params.samples[sample].vcf),
        STORE,
        out_vcf=out / "annotated.vcf.gz",
        out_parquet=out / "annotated.parquet",
        tally=out / "tally.json",
        metrics=paths.metrics,
        run_metrics=paths.run,
        assembly=params.annotate.assembly,
        level=params.annotate.level,
        overwrite_tags=params.annotate.overwrite_tags,
        match=params.annotate.match,
        tags=params.annotate.tags,
        id_column=params.annotate.id,
        transcripts=params.annotate.transcripts,
        genotypes=params.annotate.genotypes,
        index=params.annotate.index,
        memory_mb=params.run.memory_mb,
    )
    fold_details(paths)
    PACKAGE.info(describe_annotated(result))
