"""Sequences that are not what they should be, though their checksums are right: nothing is made of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import deflate
import pytest

from ensembl_annotations.common.errors import SourceError
from ensembl_annotations.fetch import Layout
from ensembl_annotations.fetch.convert.fasta import _Title
from ensembl_annotations.store.describe import Origin
from ensembl_annotations.variants.contigs import LENGTHS
from tests.support.mirror import Row, with_refs, write_folder, write_mirror, write_one_file
from tests.support.vcf import Outcome, invoke, snapshot

LENGTH = 16569
HUMAN = "chromosome:GRCh38:MT:1:16569:1 REF"
MOUSE = Layout("mus_musculus", "GRCm39", 116)


def bases(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def rows(sequence: str, count: int) -> list[Row]:
    """Records whose REFs are the sequence's."""
    step = len(sequence) // (count + 1)
    places = range(step, step * (count + 1), step)
    return [
        (
            place + 1,
            f"rs{place}",
            sequence[place],
            "A" if sequence[place] != "A" else "C",
            "TSA=SNV",
        )
        for place in places
    ]


RIGHT = bases(LENGTH, 1)
RANDOM = bases(LENGTH, 2)
HALF = RIGHT[: LENGTH // 2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))


def write_fasta(base: Path, layout: Layout, file: str, sequences: Mapping[str, str]) -> None:
    """Write a FASTA file of header lines and sequences."""
    text = "".join(f">{title}\n{sequence}\n" for title, sequence in sequences.items())
    content = bytes(deflate.gzip_compress(text.encode(), 1))
    write_folder(base / layout.fasta_folder, {file: content})


def fetch_human(
    folder: Path, sequence: str, location: str, count: int = 200, *options: object
) -> Outcome:
    base = write_mirror(folder / "pub", {"MT": rows(RIGHT, count)})
    layout = Layout("homo_sapiens", "GRCh38", 116)
    title = f"MT dna:chromosome {location}"
    write_fasta(base, layout, layout.fasta_name("MT"), {title: sequence})
    where = ("--base-url", base, "--release", 116, "--chromosomes", "MT", "--out", folder / "out")
    return invoke("fetch", *where, "--fasta", *options)


LIES = {
    "random": (RANDOM, HUMAN, ("200 REFs are not what the sequence of MT has", "10 %")),
    "moved by one": (RIGHT[1:] + "A", HUMAN, ("REFs are not what",)),
    "half": (HALF, HUMAN, ("MT has 8,284 bases", "expected 16,569")),
    "half, and says so": (
        HALF,
        "chromosome:GRCh38:MT:1:8284:1 REF",
        ("MT has 8,284 bases", "expected 16,569"),
    ),
    "too long": (RIGHT + "A", HUMAN, ("MT has 16,570 bases", "expected 16,569")),
    "half, and says nothing": (HALF, "", ("REFs are not what",)),
    "hg19": (
        RIGHT + "AC",
        "chromosome:GRCh37:MT:1:16571:1 REF",
        ("the header of MT", "GRCh37; expected GRCh38"),
    ),
    "masked": ("N" * LENGTH, HUMAN, ("200 of 200 REFs lie where the sequence has no base",)),
    "half of it masked": (
        HALF + "N" * (LENGTH - len(HALF)),
        HUMAN,
        ("99 of 200 REFs lie where the sequence has no base", "10 %"),
    ),
    "two thirds of its bases masked": (
        "".join("N" if place % 3 else base for place, base in enumerate(RIGHT)),
        HUMAN,
        ("of 200 REFs lie where the sequence has no base",),
    ),
    "empty": ("", HUMAN, ("MT has 0 bases",)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_sequence_that_lies(name: str, tmp_path: Path) -> None:
    sequence, location, words = LIES[name]
    out = tmp_path / "out"
    fetch_human(tmp_path, RIGHT, HUMAN).succeeded()
    before = snapshot(out)
    outcome = fetch_human(tmp_path, sequence, location)
    outcome.failed(*words, "MT")
    assert "another mirror" in outcome.stderr
    assert snapshot(out) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


HONEST = {
    "as Ensembl writes it": (RIGHT, HUMAN),
    "a patch's": (RIGHT, HUMAN.replace("GRCh38", "GRCh38.p14")),
    "lower case": (RIGHT.lower(), HUMAN),
    "without a location": (RIGHT, ""),
    "a gap": (RIGHT[:1000] + "N" * 1600 + RIGHT[2600:], HUMAN),
    "one in a hundred differs": (with_refs(RIGHT, [(rows(RIGHT, 200)[7][0], "", "N", "", "")]), HUMAN),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_a_sequence_that_is_right(name: str, tmp_path: Path) -> None:
    outcome = fetch_human(tmp_path, *HONEST[name]).succeeded()
    assert "too few REFs" not in outcome.stdout + outcome.stderr


def test_too_few_refs_decide_nothing_and_that_is_said(tmp_path: Path) -> None:
    for sequence, count in ((RANDOM, 19), ("N" * LENGTH, 19)):
        outcome = fetch_human(tmp_path, sequence, HUMAN, count).succeeded()
        said = "sequences with too few REFs to tell whether they are right (under 20): MT"
        assert said in outcome.stderr
    fetch_human(tmp_path, RANDOM, HUMAN, 20).failed("of 20 REFs")


@pytest.mark.parametrize(("percent", "fits"), [(1, False), (2, False), (3, True)])
def test_max_bad_percent_is_the_limit(percent: int, fits: bool, tmp_path: Path) -> None:
    published = rows(RIGHT, 2000)
    wrong = [(pos, "", "ACGTA"["ACGT".index(ref) + 1], "", "") for pos, _, ref, _, _ in published]
    sequence = with_refs(RIGHT, wrong[:50])
    outcome = fetch_human(tmp_path, sequence, HUMAN, 2000, "--max-bad-percent", percent)
    if fits:
        outcome.succeeded()
    else:
        outcome.failed("50 of 2,000 REFs", f"more than {percent} %")


def fetch_mouse(folder: Path, sequences: Mapping[str, str]) -> Outcome:
    """Fetch a species in one file; records fit contigs named 1 to 3 made from their names."""
    records = {name: rows(bases(9000, int(name)), 400 if name == "1" else 40) for name in "123"}
    base = write_one_file(folder / "pub", MOUSE, records)
    write_fasta(base, MOUSE, "Mus_musculus.GRCm39.dna.primary_assembly.fa.gz", sequences)
    where = ("--base-url", base, "--release", 116, "--out", folder / "out")
    return invoke("fetch", *where, "--species", "mus_musculus", "--assembly", "GRCm39", "--fasta")


def mouse(name: str, length: int = 9000, assembly: str = "GRCm39") -> str:
    kind = "primary_assembly"
    return f"{name} dna:{kind} {kind}:{assembly}:{name}:1:{length}:1 REF"


def test_another_species_is_told_by_its_header_and_its_records(tmp_path: Path) -> None:
    right = {name: bases(9000, int(name)) for name in "123"}
    fetch_mouse(tmp_path, {mouse(name): right[name] for name in "123"}).succeeded()
    before = snapshot(tmp_path / "out")
    lies: list[tuple[dict[str, str], str]] = [
        ({mouse("3"): right["3"][:4500]}, "the sequence 3 has 4,500 bases; expected 9,000"),
        ({mouse("2"): right["2"] + "ACGT"}, "the sequence 2 has 9,004 bases; expected 9,000"),
        # Few of all records, but all of this contig.
        ({mouse("3"): bases(9000, 9)}, "of 40 REFs are not what the sequence of 3 has"),
        ({mouse("2", assembly="GRCm38"): right["2"]}, "header of 2 says that it is of GRCm38"),
    ]
    for lie, words in lies:
        (title,) = lie
        sequences = {mouse(name): right[name] for name in "123" if name != title[0]} | lie
        fetch_mouse(tmp_path, sequences).failed(words)
        assert snapshot(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("location", "length", "fits"),
    [
        ("chromosome:GRCh38:Y:2781480:56887902:1", LENGTHS["GRCh38"]["Y"], True),
        ("chromosome:GRCh38:Y:1:57227415:1", LENGTHS["GRCh38"]["Y"], True),
        ("chromosome:GRCh38:Y:2781480:56887902:1", 54106423, False),
        ("chromosome:GRCh38:Y:1:57227415:1", 57227414, False),
    ],
)
def test_y_is_whole_whatever_part_its_header_names(location: str, length: int, fits: bool) -> None:
    title = _Title.parse(f"Y dna:chromosome {location} REF".encode())
    if fits:
        title.check_length(length, Origin("homo_sapiens", "GRCh38", 116), "y.fa.gz")
    else:
        with pytest.raises(SourceError, match="expected 57,227,415, as it has on GRCh38"):
            title.check_length(length, Origin("homo_sapiens", "GRCh38", 116), "y.fa.gz")
