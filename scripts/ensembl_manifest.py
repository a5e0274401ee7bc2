"""Stage `ensembl_manifest`: note what the source has published, where that is not noted yet."""

from pathlib import Path

from ensembl_annotations.cli import reported_errors, say
from ensembl_annotations.common.params import load_params
from ensembl_annotations.fetch import Layout, ensure_manifest

with reported_errors():
    params = load_params()
    wanted = params.ensembl
    name = f"{wanted.source}-{wanted.species}-{wanted.assembly}-{wanted.release}.json"
    layout = Layout(wanted.species, wanted.assembly, wanted.release)
    manifest = ensure_manifest(params.mirrors, layout, Path("data/manifests") / name)
    say(f"data/manifests/{name}: {len(manifest.vcf)} variation files published")
