"""``params.yaml``: every parameter, its type, its limits, and errors that help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode

from ensembl_annotations.common.errors import UsageError, nearest
from ensembl_annotations.common.words import NAME, one_line, printable
from ensembl_annotations.project.paths import PARAMS_FILE, SAMPLE_NAME
from ensembl_annotations.variants.chromosomes import parse_chromosomes
from ensembl_annotations.variants.tags import parse_columns, parse_tags

_TEXT = "tag:yaml.org,2002:str"
_MOST_NESTED = 100

SampleName = Annotated[str, StringConstraints(pattern=f"^{SAMPLE_NAME.pattern}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EnsemblParams(_Strict):
    """Which reference: the inputs of the asset `ensembl_annotations`."""

    source: str = Field(
        pattern=f"^{NAME}$",
        examples=["ensembl"],
        description="Name of a source under `run.sources`",
    )
    release: int = Field(ge=1, examples=[116], description="Ensembl release, such as 116")
    species: str = Field(
        pattern=r"^[a-z0-9_]+$",
        examples=["homo_sapiens"],
        description="Species as in Ensembl's paths",
    )
    assembly: str = Field(
        pattern=f"^{NAME}$",
        examples=["GRCh38"],
        description="Assembly, as Ensembl names it: `GRCh38` or `GRCh37` for human",
    )
    chromosomes: str | int = Field(
        examples=["21,22"],
        description="`all`, or Ensembl's names separated by commas, such as `21,22,X,MT`",
    )
    fasta: bool = Field(
        examples=["true"],
        description="Fetch the sequence too, where it is published: to check every REF, and to find indels at any position of their repeat",
    )
    genes: bool = Field(
        examples=["true"],
        description="Fetch the genes too, where they and the sequence are published: to tell what a variant does to them",
    )
    max_bad_percent: float = Field(
        ge=0,
        le=100,
        examples=[1],
        description="Fail if more of a file's rows can't be used, or more of its REFs differ from the sequence (percent)",
    )

    @field_validator("chromosomes", mode="before")
    @classmethod
    def _known_form(cls, value: object) -> object:
        if not isinstance(value, str | int) or isinstance(value, bool):
            expected = "expected 'all', or names separated by commas"
            raise ValueError("is empty" if value is None else f"{expected}; found {value!r}")
        _parsed(parse_chromosomes, str(value))
        return value

    @field_validator("genes")
    @classmethod
    def _with_fasta(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("fasta") is False:
            raise ValueError("needs the sequence: expected fasta: true, or genes: false")
        return value

    @property
    def wanted(self) -> list[str] | None:
        """The chromosomes asked for; None for all."""
        return parse_chromosomes(str(self.chromosomes))


class AnnotateParams(_Strict):
    """How to annotate."""

    level: int = Field(
        ge=1, le=9, examples=[1], description="Compression level of the VCF, 1 fast to 9 small"
    )
    overwrite_tags: bool = Field(description="Replace ENS_ tags that the input already has")
    assembly: str | None = Field(
        examples=["GRCh38"], description="Assembly of the VCFs, if their headers name none"
    )
    match: Literal["allele", "position"] = Field(
        description="`allele`, or `position`: write the IDs of other alleles at the same site too, as ENS_SITE_ID"
    )
    tags: str = Field(
        examples=["all"],
        description="Tags to write to the VCF: `all`, or names of tags and groups (`id`, `frequency`, `clinical`, `evidence`, `source`, `details`, `consequence`) separated by commas; the table has all",
    )
    transcripts: Literal["pick", "gene", "all"] = Field(
        default="pick",
        description="Whose consequences are told, if the reference has genes: `pick`, those of one transcript for each ALT; `gene`, of one of each gene; `all`",
    )
    id: Literal["append", "replace", "keep"] = Field(
        description="What becomes of the VCF's ID column: `append` matched IDs; `replace` its IDs by matched ones if there are any; `keep` it as it is"
    )
    genotypes: bool = Field(
        description="Write the genotypes of all samples to the table, as a list (`gts`)"
    )
    columns: str = Field(
        default="",
        examples=["info,calls"],
        description="More columns of the table, separated by commas: `info`, the VCF's INFO; `calls`, of each sample its name, genotype, dosage of the ALT, DP, GQ and AD",
    )
    index: Literal["tbi", "csi"] = Field(
        default="tbi",
        description="The index beside the annotated VCF; where positions are over 2^29, a `csi` all the same",
    )

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: str) -> str:
        _parsed(parse_columns, value)
        return value

    @field_validator("tags")
    @classmethod
    def _known_tags(cls, value: str) -> str:
        _parsed(parse_tags, value)
        return value


class RunParams(_Strict):
    """How to run: no stage depends on it, since nothing here changes a byte of a result."""

    memory_mb: int = Field(
        ge=400,
        examples=[1500],
        description="Memory that `annotate` may use (10^6 bytes): the pieces of the VCF are made to fit",
    )
    force_download: bool = Field(description="Download again, even what the download cache holds")
    sources: dict[str, dict[str, str]] = Field(
        description="Mirrors of each source by name, best first: `NAME: {MIRROR: ADDRESS}`"
    )


class Sample(_Strict):
    """An entry: a VCF to annotate, or a folder or a sheet of many."""

    vcf: str = Field(min_length=1, examples=["data/vcf/p01.vcf.gz"])


class Params(_Strict):
    """The whole of ``params.yaml``."""

    ensembl: EnsemblParams
    annotate: AnnotateParams
    run: RunParams
    samples: dict[SampleName, Sample] = Field(
        description="The VCFs, by the name of the entry, a pseudonym: `NAME: {vcf: PATH}`; PATH is a VCF or BCF, a folder of them, or a sheet `.csv` with the columns `sample,vcf`"
    )

    @field_validator("samples")
    @classmethod
    def _different_names(cls, value: dict[str, Sample]) -> dict[str, Sample]:
        names: dict[str, str] = {}
        for name in value:
            if (first := names.setdefault(name.lower(), name)) != name:
                raise ValueError(
                    f"{first} and {name} differ in case only; on some disks their results would be one folder. "
                    "Give one of them another name"
                )
        return value

    @property
    def mirrors(self) -> list[str]:
        """The mirrors of the chosen source, best first."""
        return list(self.run.sources[self.ensembl.source].values())


def load_params(path: Path = Path(PARAMS_FILE)) -> Params:
    """Read and validate the parameters.

    Raises
    ------
    UsageError
        Naming line and parameter, what was expected and found, and what to write.
    """
    try:
        text = path.read_text("utf-8")
        refuse_aliases(text, path)
        # As DVC reads it, by YAML 1.2: PyYAML would take a sample that is called `no` for False.
        content = YAML(typ="safe").load(text)
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such file.", hint="Run this in the folder of the repository."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8: {error}.") from error
    except YAMLError as error:
        raise _not_yaml(path, text, error) from error
    if not isinstance(content, dict):
        raise UsageError(
            f"{path}: expected parameters by name, found {type(content).__name__}.",
            hint="Restore it with 'git checkout params.yaml'.",
        )
    where = _Places(path, text)
    if unread := where.names_that_are_no_text():
        raise UsageError("\n".join(unread))
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        raise UsageError("\n".join(_explain(where, item) for item in error.errors())) from error
    source, sources = params.ensembl.source, params.run.sources
    if not sources.get(source):
        known = ", ".join(sources) or "none"
        raise UsageError(
            f"{place_of(path, 'ensembl', 'source')}: {source!r} has no mirror under "
            f"`run.sources` (there: {known})." + nearest(source, list(sources))
        )
    return params


# --- What is wrong, in words of our own

_MOVED = {
    ("annotate", "memory_mb"): "run.memory_mb",
    ("force_download",): "run.force_download",
    ("sources",): "run.sources",
}
"""Where parameters of earlier versions are now."""

_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "only {allowed}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}


_ALLOWED = {
    NAME: "letters, digits, '.', '_' and '-', a letter or digit first",
    "[a-z0-9_]+": "small letters, digits and '_'",
}
"""What the patterns let through."""


def refuse_aliases(text: str, name: Path | str) -> None:
    """Refuse YAML with aliases, or with too many values inside one another, before anything is made of it.

    Raises
    ------
    UsageError
        Naming the line. A few lines of aliases to aliases can mean more values than any memory holds, and who
        merges or reviews a line sees only half of what it means. Values in many others end the process.
    YAMLError
        Where it is no YAML.
    """
    num_open = 0
    for event in YAML(typ="safe").parse(text):
        num_open += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if num_open > _MOST_NESTED:
            raise UsageError(
                f"{name}: line {event.start_mark.line + 1}: expected at most {_MOST_NESTED} lists and "
                "mappings inside one another, found more.",
                hint="Look at its brackets and indentation.",
            )
        if isinstance(event, AliasEvent):
            raise UsageError(
                f"{name}: line {event.start_mark.line + 1}: expected a value, found an alias, "
                f"'*{printable(event.anchor)}'.",
                hint=f"Write in its place what stands behind '&{printable(event.anchor)}'.",
            )


def _not_yaml(path: Path, text: str, error: YAMLError) -> UsageError:
    # The parser in C does not name the character that it can't read.
    try:
        YAML(typ="safe", pure=True).load(text)
    except YAMLError as worded:
        error = worded
    where, what = str(path), one_line(error)
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        where = f"{path}: line {error.problem_mark.line + 1}"
        # What follows is the content, which may be long.
        what = one_line(error.problem).partition(" with value ")[0]
    return UsageError(
        f"{where}: not valid YAML: {what}.",
        hint="Look at this line and the one before: each parameter is named once, as `name: value`, "
        "and indented with blanks like those beside it.",
    )


def place_of(path: Path, *place: str) -> str:
    """Return file, line and name of a parameter, for a message: ``params.yaml: line 8: ensembl.fasta``."""
    return _Places(path, path.read_text("utf-8")).of(*place)


class _Places:
    """Where in its file a parameter is.

    Parameters
    ----------
    path : Path
    text : str
        What is in the file, valid YAML.
    """

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._root = path, YAML(typ="safe").compose(text)

    def of(self, *place: Any) -> str:
        """Return file, line and name of a parameter, or the line of what it is missing in."""
        node, line, names = self._root, "", []
        for part in place:
            key, node = self._entry(node, part)
            # As it is written: 01, where 1 was read.
            names.append(key.value if key else str(part))
            line = f"line {key.start_mark.line + 1}: " if key else line
        return f"{self._path}: {line}{'.'.join(names)}"

    def _entry(self, node: Any, name: Any) -> tuple[Any, Any]:
        for key, value in node.value if isinstance(node, MappingNode) else ():
            if key.value == str(name):
                return key, value
        return None, None

    def names_that_are_no_text(self, node: Any = None, above: tuple[str, ...] = ()) -> list[str]:
        """Return what is wrong with names that YAML reads as a number, a date, nothing or a truth value."""
        found, node = [], node or self._root
        for key, value in node.value if isinstance(node, MappingNode) else ():
            name = (*above, str(key.value))
            if not isinstance(key, ScalarNode) or key.tag != _TEXT:
                found.append(
                    f"{self._path}: line {key.start_mark.line + 1}: {'.'.join(name)}: a name that YAML does "
                    f'not read as text. Write it in quotes: "{name[-1]}"'
                )
            elif isinstance(value, MappingNode):
                found += self.names_that_are_no_text(value, name)
        return found


def _explain(where: _Places, problem: Mapping[str, Any]) -> str:
    """Return file, line and parameter, what is wrong with it, and what to write."""
    kind, found = problem["type"], problem["input"]
    place = tuple(part for part in problem["loc"] if part != "[key]")
    at = where.of(*place)
    if place in _MOVED and kind == "extra_forbidden":
        return f"{at}: is called {_MOVED[place]} now. Move it there."
    if kind == "extra_forbidden":
        return f"{at}: no such parameter.{nearest(place[-1], list(_fields_of(*place[:-1])))}"
    if problem["loc"][-1] == "[key]":
        return f"{at}: expected a name of letters, digits, - and _, which begins with a letter or digit, 200 at most."
    is_mapping = kind in ("dict_type", "model_type")
    write = _below(place) if is_mapping else _example(place)
    if kind == "missing":
        return f"{at}: missing.{write or _below(place)}"
    if is_mapping:
        wrong = "is empty" if found is None else f"expected names and values, found {found!r:.60}"
    elif kind == "value_error":
        wrong = problem["msg"].removeprefix("Value error, ").removesuffix(".")
        wrong = wrong.removeprefix(f"{place[-1]}: ")
    else:
        limits = problem.get("ctx", {})
        allowed = _ALLOWED.get(str(limits.get("pattern", "")).strip("^$"))
        expected = _EXPECTED.get(kind, problem["msg"]).format(**limits, allowed=allowed)
        wrong = f"expected {expected}, found {'nothing' if found is None else f'{found!r:.60}'}"
    return f"{at}: {wrong}.{write}"


def _below(place: tuple[str, ...]) -> str:
    """Return what to write where a section or a sample has nothing, or no names, below it."""
    if place == ("samples",):
        return " Write `NAME: {vcf: PATH}` below it for each VCF, or `samples: {}` for none."
    if place[0] == "samples":
        return f" Write `{place[-1]}: {{vcf: PATH}}`."
    if fields := _fields_of(*place):
        return f" Write below it: {', '.join(fields)}."
    return " Write `NAME: {NAME: ADDRESS}`, a mirror or several for each source."


def _example(place: tuple[str, ...]) -> str:
    field = _fields_of(*place[:-1]).get(place[-1])
    examples = field.examples if field else None
    return f" Write, for example, `{place[-1]}: {examples[0]}`." if examples else ""


def _fields_of(*place: str) -> dict[str, FieldInfo]:
    """Return the parameters that a section has, or a sample; those at the top for no section."""
    model: Any = Params
    if place:
        field = None if place[1:] else Params.model_fields.get(place[0])
        model = Sample if place[:-1] == ("samples",) else field and field.annotation
    return dict(getattr(model, "model_fields", {}))


def _parsed(parse: Callable[[str], object], text: str) -> None:
    """Parse a text to check it; its error becomes one that pydantic collects with others."""
    try:
        parse(text)
    except UsageError as error:
        raise ValueError(error.message) from error
