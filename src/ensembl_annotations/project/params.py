"""``params.yaml``: every parameter, its type, its limits, and errors that help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ensembl_annotations.common.errors import UsageError, nearest
from ensembl_annotations.common.words import NAME, one_line
from ensembl_annotations.project.paths import PARAMS_FILE, SAMPLE_NAME
from ensembl_annotations.variants.chromosomes import parse_chromosomes
from ensembl_annotations.variants.tags import parse_tags

SampleName = Annotated[str, StringConstraints(pattern=f"^{SAMPLE_NAME.pattern}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EnsemblParams(_Strict):
    """Which reference: the inputs of the asset `ensembl_annotations`."""

    source: str = Field(pattern=f"^{NAME}$", description="Name of a source under `sources`")
    release: int = Field(ge=1, description="Ensembl release, such as 116")
    species: str = Field(pattern=r"^[a-z0-9_]+$", description="Species as in Ensembl's paths")
    assembly: str = Field(
        pattern=f"^{NAME}$",
        description="Assembly, as Ensembl names it: `GRCh38` or `GRCh37` for human",
    )
    chromosomes: str | int = Field(
        description="`all`, or Ensembl's names separated by commas, such as `21,22,X,MT`"
    )
    fasta: bool = Field(
        description="Fetch the sequence too: to check every REF, and to find indels at any position of their repeat"
    )
    max_bad_percent: float = Field(
        ge=0,
        le=100,
        description="Fail if more of a file's rows can't be used, or more of its REFs differ from the sequence (percent)",
    )

    @field_validator("chromosomes", mode="before")
    @classmethod
    def _known_form(cls, value: object) -> object:
        if not isinstance(value, str | int):
            raise ValueError("expected 'all', or names separated by commas, such as 21,22,X")
        parse_chromosomes(str(value))
        return value

    @property
    def wanted(self) -> list[str] | None:
        """The chromosomes asked for; None for all."""
        return parse_chromosomes(str(self.chromosomes))


class AnnotateParams(_Strict):
    """How to annotate."""

    level: int = Field(ge=1, le=9, description="Compression level of the VCF, 1 fast to 9 small")
    overwrite_tags: bool = Field(description="Replace ENS_ tags that the input already has")
    assembly: str | None = Field(description="Assembly of the VCFs, if their headers name none")
    match: Literal["allele", "position"] = Field(
        description="`allele`, or `position`: write the IDs of other alleles at the same site too, as ENS_SITE_ID"
    )
    tags: str = Field(
        description="Tags to write to the VCF: `all`, or names of tags and groups (`id`, `frequency`, `clinical`, `evidence`, `source`, `details`) separated by commas; the table has all"
    )
    id: Literal["append", "replace", "keep"] = Field(
        description="What becomes of the VCF's ID column: `append` matched IDs; `replace` its IDs by matched ones if there are any; `keep` it as it is"
    )
    genotypes: bool = Field(
        description="Write the genotypes of all samples to the table, as a list (`gts`)"
    )
    memory_mb: int = Field(
        ge=400,
        description="Memory to use (10^6 bytes): the pieces of the VCF are made to fit; changes no result",
    )

    @field_validator("tags")
    @classmethod
    def _known_tags(cls, value: str) -> str:
        try:
            parse_tags(value)
        except UsageError as error:
            raise ValueError(error.message) from error
        return value


class Sample(_Strict):
    """One VCF to annotate."""

    vcf: str


class Params(_Strict):
    """The whole of ``params.yaml``."""

    ensembl: EnsemblParams
    force_download: bool = Field(
        description="Download again, even what the download cache holds; changes no result"
    )
    sources: dict[str, dict[str, str]] = Field(
        description="Mirrors of each source, best first; changes no result"
    )
    annotate: AnnotateParams
    samples: dict[SampleName, Sample] = Field(
        description="The VCFs, by sample name, a pseudonym: `NAME: {vcf: PATH}`"
    )

    @property
    def mirrors(self) -> list[str]:
        """The mirrors of the chosen source, best first."""
        return list(self.sources[self.ensembl.source].values())


def load_params(path: Path = Path(PARAMS_FILE)) -> Params:
    """Read and validate the parameters.

    Raises
    ------
    UsageError
        Naming the parameter, what was expected and what was found.
    """
    try:
        # As DVC reads it, by YAML 1.2: PyYAML would take a sample that is called `no` for False.
        content = YAML(typ="safe").load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such file.", hint="Run this in the folder of the repository."
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid YAML: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise UsageError(
            f"{path}: expected parameters by name, found {type(content).__name__}.",
            hint="Restore it with 'git checkout params.yaml'.",
        )
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        raise UsageError(_explain(path, content, error)) from error
    source = params.ensembl.source
    if not params.sources.get(source):
        known = ", ".join(params.sources) or "none"
        raise UsageError(
            f"{path}: ensembl.source: {source!r} has no mirror under `sources` (there: {known})."
            + nearest(source, list(params.sources))
        )
    return params


def _explain(path: Path, content: Any, error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"][:-1])
            lines.append(
                f"{path}: {place}: no such parameter." + nearest(str(problem["loc"][-1]), known)
            )
        elif problem["type"] == "missing":
            lines.append(f"{path}: {place}: missing; expected a value.")
        elif problem["loc"][-1] == "[key]" and problem["loc"][0] == "samples":
            lines.append(
                f"{path}: {place}: expected a name of letters, digits, - and _, which begins with a "
                "letter or digit."
            )
        else:
            reason = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{path}: {place}: {reason} (found {problem['input']!r}).")
    return "\n".join(lines)


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    model: Any = Params
    for part in place:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = field.annotation if field else Sample
    return list(model.model_fields) if hasattr(model, "model_fields") else []
