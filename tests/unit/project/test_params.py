from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from ensembl_annotations import cli
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.params import AnnotateParams, load_params
from ensembl_annotations.variants import outcomes

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "params.yaml").read_text("utf-8")


def test_the_committed_parameters_are_valid() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.ensembl.wanted is None
    assert params.mirrors == ["data/mini_ensembl"]
    official = ["https://ftp.ensembl.org/pub", "https://ftp.ebi.ac.uk/pub/ensembl"]
    assert list(params.run.sources["ensembl"].values()) == official


def test_aliases_are_refused_before_they_are_followed(tmp_path: Path) -> None:
    """Nine levels of ten aliases each: a thousand million values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(9)]
    path = tmp_path / "params.yaml"
    path.write_text("\n".join(lines) + "\n" + TEXT, "utf-8")
    with pytest.raises(
        UsageError, match=r"params.yaml: line 2: expected a value, found an alias, '\*a0'"
    ):
        load_params(path)


def test_what_is_nested_too_deep_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The parser in C would end the process."""
    path = tmp_path / "params.yaml"
    path.write_text("a: 1\nb: " + "[" * 100_000 + "]" * 100_000)
    with pytest.raises(
        UsageError, match=r"params.yaml: line 2: expected at most 100 lists and mappings inside"
    ):
        load_params(path)


SAMPLE = "sample: {vcf: data/vcf/sample.vcf.gz}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("release: 116", "relase: 116", "relase: no such parameter. Did you mean 'release'?"),
        ("release: 116 ", "# ", "line 3: ensembl.release: missing. Write, for example, `release: 116`."),
        ("level: 1", "levle: 1", "Did you mean 'level'?"),
        ("run: ", "ran: ", "run: missing. Write below it: memory_mb, force_download, sources."),
        ("force_download:", "force_downlod:", "Did you mean 'force_download'?"),
        ("{vcf: data", "{vfc: data", "Did you mean 'vcf'?"),
        ("level: 1", "level: 10", "line 14: annotate.level: expected at most 9, found 10."),
        ("match: allele", "match: site", "match: expected 'allele' or 'position', found 'site'."),
        ("fasta: true", "fasta: yes", "fasta: expected true or false, found 'yes'."),
        ("fasta: true", "fasta: false", "line 10: ensembl.genes: needs the sequence: expected fasta: true, or"),
        ("  genes: true ", "  # ", "ensembl.genes: missing. Write, for example, `genes: true`."),
        ("genes: true", "genes: 1", "genes: expected true or false, found 1."),
        ("homo_sapiens", "Homo sapiens", "species: expected only small letters, digits and '_', found 'Homo"),
        ("source: mini", "source: mimi", "line 4: ensembl.source: 'mimi' has no mirror under"),
        ("source: mini", "source: mimi", "Did you mean 'mini'?"),
        ("source: mini", "source: ../mini", "ensembl.source: "),
        ("source: mini", 'source: "mini\\nx"', r"ensembl.source: "),
        ("assembly: GRCh38", "assembly: ..", "ensembl.assembly: "),
        ("chromosomes: all", "chromosomes: 21,../x", "'../x' is not a chromosome name"),
        ("chromosomes: all", "chromosomes: 21,21", "names one twice"),
        ("tags: all", "tags: foo", "line 18: annotate.tags: 'foo' is no tag and no group. Known: all,"),
        # A text where a number is due.
        ("release: 116", "release: latest", "line 5: ensembl.release: expected a whole number, found"),
        ("release: 116", 'release: "116"', "found '116'. Write, for example, `release: 116`."),
        ("memory_mb: 1500", "memory_mb: lots", "run.memory_mb: expected a whole number, found 'lots'."),
        # Samples.
        (SAMPLE, "", "line 34: samples: is empty. Write `NAME: {vcf: PATH}` below it for each VCF, or"),
        (SAMPLE, "p01: data/p01.vcf", "line 36: samples.p01: expected names and values, found 'data/"),
        (SAMPLE, "p01:", "line 36: samples.p01: is empty. Write `p01: {vcf: PATH}`."),
        (SAMPLE, 'p01: {vcf: ""}', "line 36: samples.p01.vcf: expected a text that is not empty, found ''."),
        (SAMPLE, "a: {vcf: a.vcf}\n  A: {vcf: b.vcf}", "line 34: samples: a and A differ in case only;"),
        (SAMPLE, "p01: {vcf: }", "samples.p01.vcf: expected a text, found nothing. Write, for"),
        ("sample: {", "01: {", 'line 36: samples.01: a name that YAML does not read as text. Write it in quotes: "01"'),
        ("sample: {", "true: {", 'line 36: samples.true: a name that YAML does not read as text. Write'),
        ("sample: {", "2024-01-01: {", 'line 36: samples.2024-01-01: a name that YAML does not read as text. Write it in quotes: "2024-01-01"'),
        ("sample: {", "1e3: {", "line 36: samples.1e3: a name that YAML does not read as text."),
        ("chromosomes: all", "chromosomes:", "line 8: ensembl.chromosomes: is empty. Write, for example, `chromosomes: 21,22`."),
        ("source: mini", "source: ../x", "source: expected only letters, digits, '.', '_' and '-', a letter or digit first, found"),
        ("  sample:", "  a/b:", "line 36: samples.a/b: expected a name of letters, digits"),
        ("embedded: data/mini_ensembl", "", "run.sources.mini: is empty. Write `NAME: {NAME: ADDRESS}`"),
        # Where earlier versions had them.
        ("level: 1", "memory_mb: 5", "line 14: annotate.memory_mb: is called run.memory_mb now."),
        ("run: ", "force_download: true\nrun: ", "line 24: force_download: is called run.force_download"),
        ("run: ", "sources: {}\nrun: ", "line 24: sources: is called run.sources now. Move it there."),
        # No YAML.
        ("ensembl:  ", "ensembl: [", "not valid YAML"),
        ("  release", "\trelease", "line 5: not valid YAML: found character '\\t' that"),
        ("  fasta", "  release: 1\n  fasta", 'line 9: not valid YAML: found duplicate key "release".'),
        (TEXT, "", "expected"),
        (TEXT, "7", "expected"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_params(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_the_modes_are_the_same_everywhere() -> None:
    field = AnnotateParams.model_fields["match"]
    assert get_args(field.annotation) == cli.MATCH_MODES == outcomes.MATCH_MODES
    field = AnnotateParams.model_fields["id"]
    assert get_args(field.annotation) == cli.ID_MODES == outcomes.ID_MODES
    field = AnnotateParams.model_fields["transcripts"]
    assert get_args(field.annotation) == cli.TRANSCRIPT_MODES == outcomes.TRANSCRIPT_MODES


def test_no_parameters_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_params(tmp_path / "params.yaml")


def test_chromosomes_that_are_a_list_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("chromosomes: all", "chromosomes: [21, 22]"))
    with pytest.raises(UsageError) as caught:
        load_params(path)
    assert caught.value.message == (
        f"{path}: line 8: ensembl.chromosomes: expected 'all', or names separated by commas; "
        "found [21, 22]. Write, for example, `chromosomes: 21,22`."
    )


def test_chromosomes_can_be_one_number(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("chromosomes: all", "chromosomes: 21"))
    assert load_params(path).ensembl.wanted == ["21"]
