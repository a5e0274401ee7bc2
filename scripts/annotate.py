"""Stage `annotate`: make the asset `annotated_vcf` of one sample."""

import sys
from pathlib import Path

from ensembl_annotations.annotate import annotate_vcf
from ensembl_annotations.catalog.materialize import STORE
from ensembl_annotations.cli import print_annotated, reported_errors, say
from ensembl_annotations.common.params import load_params

with reported_errors():
    sample = sys.argv[1]
    params = load_params()
    out = Path("data/annotated") / sample
    result = annotate_vcf(
        Path(params.samples[sample].vcf),
        STORE,
        out_vcf=out / "annotated.vcf.gz",
        out_parquet=out / "annotated.parquet",
        metrics=Path(f"metrics/annotate/{sample}.json"),
        run_metrics=Path(f"metrics/run/annotate/{sample}.json"),
        assembly=params.annotate.assembly,
        level=params.annotate.level,
        overwrite_tags=params.annotate.overwrite_tags,
        match=params.annotate.match,
        genotypes=params.annotate.genotypes,
        memory_mb=params.annotate.memory_mb,
        log=say,
    )
    print_annotated(result)
