"""Stage `ensembl_manifest`: note what the source has published, where that is not noted yet."""

from ensembl_annotations.cli import reported_errors, say
from ensembl_annotations.common.params import load_params
from ensembl_annotations.fetch import Layout, ensure_manifest, manifest_path

with reported_errors():
    params = load_params()
    wanted = params.ensembl
    layout = Layout(wanted.species, wanted.assembly, wanted.release)
    path = manifest_path(wanted.source, layout)
    manifest = ensure_manifest(params.mirrors, layout, path)
    say(f"{path}: {len(manifest.vcf)} variation files published")
