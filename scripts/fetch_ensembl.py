"""Stage `fetch_ensembl`: make the asset `ensembl_annotations`."""

import os
from pathlib import Path

from ensembl_annotations.catalog.materialize import FORCE_VARIABLE, STORE
from ensembl_annotations.cli import print_fetched, reported_errors, say
from ensembl_annotations.common.params import load_params
from ensembl_annotations.fetch import fetch_ensembl

with reported_errors():
    params = load_params()
    wanted = params.ensembl
    result = fetch_ensembl(
        STORE,
        mirrors=params.mirrors,
        release=wanted.release,
        species=wanted.species,
        assembly=wanted.assembly,
        chromosomes=wanted.wanted,
        source=wanted.source,
        fasta=wanted.fasta,
        force=params.force_download or os.environ.get(FORCE_VARIABLE) == "1",
        manifest=Path("data/manifests")
        / f"{wanted.source}-{wanted.species}-{wanted.assembly}-{wanted.release}.json",
        metrics=Path("metrics/fetch_ensembl.json"),
        run_metrics=Path("metrics/run/fetch_ensembl.json"),
        progress=say,
    )
    print_fetched(result)
