"""The commands that make a result again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress

from ensembl_annotations.annotate.label import Label
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.git import WORKSPACE
from ensembl_annotations.project.paths import REFERENCE
from ensembl_annotations.project.project import Project
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.vcf.forms import form_of


def stage_commands(commit: str, stage: str, needs: str = "") -> list[str]:
    """Return what runs a stage as it was in a commit, with the reference from whoever has it.

    Parameters
    ----------
    commit : str
        A commit, or ``workspace``.
    stage : str
        A stage of ``dvc.yaml``.
    needs : str
        What the user has to bring.
    """
    checkout = ["make env"] if commit == WORKSPACE else [f"git checkout {commit}", "make env"]
    return [
        *checkout,
        f".venv/bin/ensembl-annotations materialize {REFERENCE}  # pulled where it was published",
        f".venv/bin/dvc repro {stage}" + (f"  # needs {needs}" if needs else ""),
    ]


def fetch_command(says: Mapping[str, str], store: ReferenceStore | None, project: Project) -> str:
    """Return what makes a reference, in the folder ``reference``, without a commit of it.

    Parameters
    ----------
    says : mapping of str to str
        What a file was made from, as in `Provenance.made_from`.
    store : ReferenceStore or None
        The reference, where it is there.
    project : Project
        Its parameters say where the source is.
    """
    base = "BASE_OF_THE_SOURCE"
    # Only a guess where the source is: else the user fills it in.
    with suppress(UsageError):
        base = next(iter(project.params.run.sources.get(says.get("source", ""), {}).values()), base)
    roles = {"sequence"} if "shifted" in says.get("match", "") else set()
    if store is not None:
        roles = {item.role for item in store.resources}
    options = {"--base-url": base} | {
        f"--{name}": says.get(name, name.upper())
        for name in ("release", "species", "assembly", "source")
    }
    options["--chromosomes"] = says.get("chromosomes", "all").replace("|", ",")
    words = [word for option in options.items() for word in option]
    words += [f"--{'' if 'genes' in roles else 'no-'}genes"]
    words += [f"--{'' if 'sequence' in roles else 'no-'}fasta", "--out", "reference"]
    return shlex.join(["ensembl-annotations", "fetch", *words])


def annotate_command(label: Label, store: ReferenceStore | None, reference: str) -> str:
    """Return what makes an annotated file, of a VCF that the user has, with a reference."""
    says = label.fields
    name = "annotated.bcf" if label.kind == "BCF" else "annotated.vcf.gz"
    fits = label.kind == "parquet" or form_of(label.path) is not None
    name = label.path.name if label.path.is_file() and fits else name
    words = ["--vcf", "INPUT.vcf.gz", "--reference", reference]
    words += ["--out-parquet" if label.kind == "parquet" else "--out-vcf", name]
    words += ["--match", "position"] if says.get("SiteIDs") == "yes" else []
    chromosomes = says.get("Chromosomes", "all")
    if chromosomes != "all" and (store is None or chromosomes != "|".join(store.chromosomes)):
        words += ["--chromosomes", chromosomes.replace("|", ",")]
    words += ["--overwrite-tags"] if says.get("OverwriteTags") == "yes" else []
    tags, ids = says.get("Tags", "all"), says.get("IDColumn", "append")
    words += ["--tags", tags.replace("|", ",")] if tags != "all" else []
    words += ["--id", ids] if ids != "append" else []
    transcripts = says.get("Transcripts", "pick")
    words += ["--transcripts", transcripts] if transcripts != "pick" else []
    words += ["--genotypes"] if label.with_genotypes else []
    words += ["--columns", ",".join(label.columns)] if label.columns else []
    return shlex.join(["ensembl-annotations", "annotate", *words])
