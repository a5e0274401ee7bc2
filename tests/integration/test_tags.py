"""The choice of tags and of what becomes of the ID column; odd headers are warned of."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ensembl_annotations import annotate_vcf
from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.params import load_params
from ensembl_annotations.variants.outcomes import TAG_GROUPS, TAG_IDS
from ensembl_annotations.variants.tags import parse_tags
from tests.support.vcf import (
    CALL,
    REPO,
    SAMPLE,
    invoke,
    plain_vcf,
    record,
    sample_text,
    split,
    written,
)

PARAMS = (REPO / "params.yaml").read_text("utf-8")


@pytest.fixture(scope="module")
def store(mini_store: Path) -> Path:
    return mini_store


def annotated(
    folder: Path, vcf: Path, store: Path, *options: object, name: str = "out.vcf.gz"
) -> bytes:
    """Annotate with the command and return the text."""
    out = folder / name
    invoke("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out, *options).succeeded()
    return gzip.decompress(out.read_bytes())


def tags_of(line: bytes) -> list[str]:
    """Return the keys of our tags in a record."""
    entries = line.rstrip(b"\n").split(b"\t")[7].split(b";")
    keys = [entry.partition(b"=")[0].decode() for entry in entries]
    return [key for key in keys if key in TAG_IDS]


def without(text: bytes, unwanted: Sequence[str]) -> list[bytes]:
    """Return header lines and records of an output of all tags, less those of some."""
    gone = re.compile(rb"(?:^|;)(?:" + "|".join(unwanted).encode() + rb")(?:=[^;]*)?(?=;|$)")
    header, records = split(text)
    lines = [line for line in header if not _declares(line, unwanted)]
    for line in records:
        columns = line.rstrip(b"\n").split(b"\t")
        columns[7] = gone.sub(b"", columns[7]).removeprefix(b";") or b"."
        lines.append(b"\t".join(columns) + b"\n")
    return [line for line in lines if not line.startswith(b"##ensembl_annotations=")]


def _declares(line: bytes, tags: Sequence[str]) -> bool:
    match = re.match(rb"##INFO=<ID=(\w+)", line)
    return match is not None and match[1].decode() in tags


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("all", TAG_IDS),
        ("clinical", ("ENS_CLIN", "ENS_RSCLIN")),
        ("source", ("ENS_SOURCE",)),
        ("evidence", ("ENS_EVIDENCE",)),
        ("details", ("ENS_TSA", "ENS_AA")),
        ("frequency,ENS_ID", ("ENS_ID", "ENS_AF", "ENS_MA", "ENS_MAF", "ENS_MAC")),
        ("id", ("ENS_ID", "ENS_MATCH", "ENS_MULTI", "ENS_PAR", "ENS_SITE_ID")),
        ("ENS_SITE_ID", ("ENS_SITE_ID",)),
        ("ENS_AF, ENS_AF,clinical", ("ENS_CLIN", "ENS_AF", "ENS_RSCLIN")),
    ],
)
def test_only_the_chosen_tags_are_written(
    choice: str, expected: tuple[str, ...], tmp_path: Path, store: Path
) -> None:
    options = ("--match", "position")
    everything = annotated(tmp_path, SAMPLE, store, *options)
    chosen = annotated(tmp_path, SAMPLE, store, *options, "--tags", choice)
    header, records = split(chosen)
    declared = re.findall(rb"##INFO=<ID=(ENS_\w+)", b"".join(header))
    assert tuple(name.decode() for name in declared) == expected
    assert {tag for line in records for tag in tags_of(line)} == {*expected}
    others = [tag for tag in TAG_IDS if tag not in expected]
    want = without(everything, others or ["none"])
    # What the input itself had in INFO, a lone dot among it, is as it was.
    got = [line for line in header + records if not line.startswith(b"##ensembl_annotations=")]
    assert got == want
    (line,) = (line for line in header if line.startswith(b"##ensembl_annotations="))
    says = "all" if choice == "all" else "|".join(expected)
    assert f"Tags={says}".encode() in line.replace(b'"', b"")


def test_every_tag_is_in_a_group() -> None:
    assert {tag for group in TAG_GROUPS for tag in parse_tags(group)} == {*TAG_IDS}
    assert sum(len(parse_tags(group)) for group in TAG_GROUPS) == len(TAG_IDS)
    assert parse_tags(["ENS_ID", "source"]) == parse_tags("source,ENS_ID")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("frequncy", ["'frequncy'", "Did you mean 'frequency'?"]),
        ("id,ENS_CLN", ["'ENS_CLN'", "Did you mean 'ENS_CLIN'?"]),
        ("ens_af", ["'ens_af'", "Did you mean 'ENS_AF'?"]),
        ("zzzzzz", ["'zzzzzz'", "Known: all, id,", "ENS_RSCLIN"]),
        ("", ["found none"]),
        (" , ", ["found none"]),
    ],
)
def test_an_unknown_tag_gets_the_nearest(
    given: str, words: list[str], tmp_path: Path, store: Path
) -> None:
    out = tmp_path / "out.vcf.gz"
    command = ("annotate", "--vcf", SAMPLE, "--reference", store, "--out-vcf", out)
    invoke(*command, "--tags", given).failed("tags", *words, code=2)
    assert not out.exists()
    path = written(
        tmp_path, PARAMS.replace("tags: all", f"tags: '{given}'").encode(), "params.yaml"
    )
    with pytest.raises(UsageError) as caught:
        load_params(path)
    assert all(word in str(caught.value) for word in [str(path), "annotate.tags", *words])


def test_only_chosen_tags_clash_and_are_replaced(tmp_path: Path, store: Path) -> None:
    first = tmp_path / "out.vcf.gz"
    once = annotated(tmp_path, SAMPLE, store, "--tags", "id,clinical")
    command = ("annotate", "--reference", store, "--out-vcf", tmp_path / "x.vcf.gz", "--vcf", first)
    message = invoke(*command).stderr
    assert "already defines ENS_ID, ENS_MATCH, ENS_MULTI, ENS_CLIN" in message
    assert "ENS_AF" not in message
    invoke(*command, "--tags", "source,clinical").failed("already defines ENS_CLIN, ENS_RSCLIN.")
    # Other tags are added to what is there; both runs are told.
    both = annotated(tmp_path, first, store, "--tags", "source", name="both.vcf.gz")
    made = [line for line in split(both)[0] if line.startswith(b"##ensembl_annotations=")]
    assert [b"ENS_SOURCE" in line for line in made] == [False, True]
    assert without(both, ["ENS_SOURCE"]) == without(once, ["none"])
    outcome = invoke("provenance", tmp_path / "both.vcf.gz", "--json").succeeded()
    assert "ENS_SOURCE" in outcome.stdout
    # In a BCF too, though htslib keeps one line of an ID only.
    bcf = tmp_path / "both.bcf"
    options = ("--reference", store, "--tags", "source", "--out-vcf", bcf)
    invoke("annotate", "--vcf", first, *options).succeeded()
    assert "ENS_SOURCE" in invoke("provenance", bcf, "--json").succeeded().stdout
    # Replacing some leaves the others, and the line that tells of them.
    old = both.replace(b"ENS_SOURCE=", b"ENS_SOURCE=old")
    vcf = written(tmp_path, old, "old.vcf")
    again = annotated(
        tmp_path, vcf, store, "--tags", "source", "--overwrite-tags", name="again.vcf.gz"
    )
    assert without(again, ["none"])[:-1] == without(both, ["none"])[:-1]
    assert b"=old" not in again
    whole = annotated(tmp_path, vcf, store, "--overwrite-tags", name="whole.vcf.gz")
    assert whole.count(b"##ensembl_annotations=") == 1


def test_the_table_has_everything_whatever_is_chosen(tmp_path: Path, store: Path) -> None:
    tables, counts = [], []
    for number, options in enumerate(({}, {"tags": ["source"], "id_column": "keep"})):
        table = tmp_path / f"{number}.parquet"
        made = annotate_vcf(
            SAMPLE, store, out_vcf=tmp_path / "o.vcf.gz", out_parquet=table, **options
        )
        tables.append(pq.read_table(table).replace_schema_metadata())
        counts.append({**made, "run": None})
    assert tables[0].equals(tables[1])
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("mode", "known", "unknown", "dot"),
    [
        ("append", "mine;rs9;rs9000000201", "mine;rs9", "rs9000000201"),
        ("replace", "rs9000000201", "mine;rs9", "rs9000000201"),
        ("keep", "mine;rs9", "mine;rs9", "."),
    ],
)
def test_what_becomes_of_the_id_column(
    mode: str, known: str, unknown: str, dot: str, tmp_path: Path, store: Path
) -> None:
    records = [
        record(id_="mine;rs9"),
        record(pos=20000001, id_="mine;rs9"),
        record(),
        record(alt="A"),
    ]
    vcf = written(tmp_path, plain_vcf(*records))
    options = ("--match", "position", "--id", mode)
    text = annotated(tmp_path, vcf, store, *options)
    # The last matches nothing, but has something at its site.
    ids = [line.split(b"\t")[2].decode() for line in split(text)[1]]
    assert ids == [known, unknown, dot, "."]
    assert f",IDColumn={mode}".encode() in text
    # Nothing else depends on it.
    usual = annotated(tmp_path, vcf, store, "--match", "position")
    assert [line.split(b"\t")[3:] for line in split(text)[1]] == [
        line.split(b"\t")[3:] for line in split(usual)[1]
    ]


def test_a_record_that_gets_nothing_keeps_every_byte(tmp_path: Path, store: Path) -> None:
    infos = [".", "DP=3", "DP=3;", ""]
    vcf = written(tmp_path, plain_vcf(*(record(info=info) for info in infos)))
    text = annotated(tmp_path, vcf, store, "--tags", "ENS_AA", "--id", "keep")
    assert split(text)[1] == [record(info=info).encode() for info in infos]


def test_an_unknown_way_with_ids_is_refused(tmp_path: Path, store: Path) -> None:
    with pytest.raises(UsageError, match="id_column: expected append, replace, keep; found 'drop'"):
        annotate_vcf(SAMPLE, store, out_vcf=tmp_path / "o.vcf.gz", id_column="drop")
    path = written(tmp_path, PARAMS.replace("id: append", "id: drop").encode(), "params.yaml")
    with pytest.raises(UsageError, match=r"annotate\.id: expected 'append', 'replace' or 'keep'"):
        load_params(path)


def test_the_command_that_makes_it_again_has_the_choice(tmp_path: Path, store: Path) -> None:
    annotated(tmp_path, SAMPLE, store, "--tags", "clinical", "--id", "replace")
    outcome = invoke("provenance", tmp_path / "out.vcf.gz").succeeded()
    assert "--tags ENS_CLIN,ENS_RSCLIN --id replace" in " ".join(outcome.stdout.split())


# --- Odd headers ---------------------------------------------------------------------------------


def test_samples_of_one_name_are_warned_of(tmp_path: Path, store: Path) -> None:
    lines = ['##FORMAT=<ID=GT,Number=1,Type=String,Description="x">']
    samples = ["A", "B", "A"]
    content = plain_vcf(record(calls=[CALL] * 3), lines=lines, samples=samples)
    vcf = written(tmp_path, content)
    out = tmp_path / "out.vcf.gz"
    outcome = invoke("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out).succeeded()
    number = content[: content.index(b"#CHROM")].count(b"\n") + 1
    assert f"{vcf}: line {number}: 2 samples have the name 'A' (columns 10, 12)." in outcome.stderr
    assert b"\tA\tB\tA\n" in gzip.decompress(out.read_bytes())


def test_a_header_line_with_one_hash_is_warned_of(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(lines=["##source=x", "#a comment", "##x=y"]))
    out = tmp_path / "out.vcf.gz"
    outcome = invoke("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", out).succeeded()
    assert f"{vcf}: line 3: begins with one '#', expected two: '#a comment'." in outcome.stderr
    assert outcome.stderr.count("begins with one") == 1
    assert b"\n#a comment\n" in gzip.decompress(out.read_bytes())


def test_a_usual_header_is_not_warned_of(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, sample_text())
    outcome = invoke(
        "annotate", "--vcf", vcf, "--reference", store, "--out-vcf", tmp_path / "o.vcf.gz"
    )
    assert "line " not in outcome.succeeded().stderr
