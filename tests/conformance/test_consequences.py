"""Consequences are what Ensembl VEP says, row by row; and what must hold whatever the model and the variant are."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations import _kernel
from ensembl_annotations.variants.outcomes import TERMS, TRANSCRIPT_MODES
from tests.support.consequences import (
    TRUTH,
    Alt,
    Genome,
    opened_files,
    read_truth,
    scored,
    transcript,
)
from tests.support.genes import reverse_complement
from tests.support.names import describes, edit_of, proteins_of, read_spliced, spliced_of


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Genome]:
    names = ("genes.gff3.gz", "peptides.fa.gz")
    files = [TRUTH / name for name in names]
    with opened_files(
        tmp_path_factory.mktemp("genome"), [TRUTH / "sequences.fa.gz"], *files
    ) as genome:
        yield genome


def test_terms_are_numbered_alike() -> None:
    assert _kernel.terms() == [*TERMS]
    assert _kernel.TRANSCRIPTS == TRANSCRIPT_MODES


def test_every_row_is_what_vep_says(synthetic: Genome) -> None:
    """Terms, numbers, positions, codons, peptides, distance, pick, and HGVS where it is right."""
    truth = read_truth()
    told = {term for rows in truth.values() for row in rows for term in terms(row)}
    assert told == {*TERMS} - {"coding_transcript_variant"}
    differ = []
    for (alt, rows), entries in zip(truth.items(), synthetic.calls([*truth]), strict=True):
        calls = {(call := scored(alt, entry))["transcript"]: call for entry in entries}
        assert {row["transcript"] for row in rows} == {*calls}, alt
        for row in rows:
            call = calls[row["transcript"]]
            wrong = [name for name in row if row[name] not in ("?", call[name])]
            differ += [(alt, row["transcript"], name, row[name], call[name]) for name in wrong]
    assert not differ, differ[:5]


def terms(row: dict[str, str]) -> list[str]:
    return row["consequence"].split("&")


def test_one_a_gene_and_the_pick_are_of_all_rows(synthetic: Genome) -> None:
    alts = [*read_truth()]
    found = [synthetic.calls(alts, mode) for mode in TRANSCRIPT_MODES]
    worst = [info["ENS_WORST"] for info in synthetic.annotated(alts)]
    order = [*TERMS]
    for alt, pick, genes, rows, most in zip(alts, *found, worst, strict=True):
        assert pick == [row for row in rows if row["pick"] == "1"] and len(pick) == 1, alt
        assert all(row in rows for row in genes) and pick[0] in genes
        assert sorted(row["gene"] for row in genes) == sorted({row["gene"] for row in rows})
        severest = min((order.index(terms(row)[0]), 0) for row in rows)[0]
        term, *where = most.split("&")
        assert term == order[severest]
        named = {tuple(where)} if where else set()
        assert named <= {(row["gene"], row["feature"]) for row in rows if terms(row)[0] == term}, (
            alt
        )


def read_fasta(name: str) -> dict[str, str]:
    """Return sequences by the headers' words: the name, and the transcript."""
    found = {}
    with gzip.open(TRUTH / name, "rt") as text:
        for record in text.read().split(">")[1:]:
            header, _, lines = record.partition("\n")
            for word in header.split():
                found[word.removeprefix("transcript:").partition(".")[0]] = lines.replace("\n", "")
    return found


def replaced(sequence: str, edit: tuple[int, int, str], low: int, high: int) -> str:
    begin, end, new = edit
    return sequence[low - 1 : begin - 1] + new + sequence[end:high]


def test_names_describe_the_change(synthetic: Genome) -> None:
    """The genome that a c. or n. name describes is the ALT's; the protein of a p. name is that genome's."""
    models = read_spliced(gzip.decompress((TRUTH / "genes.gff3.gz").read_bytes()).decode())
    sequences = {name: text.upper() for name, text in read_fasta("sequences.fa.gz").items()}
    peptides = read_fasta("peptides.fa.gz")
    told = Counter[str]()
    alts = [*read_truth()]
    for (chrom, pos, ref, new), entries in zip(alts, synthetic.calls(alts), strict=True):
        whole, end = sequences[chrom], pos + len(ref) - 1
        for entry in entries:
            change, protein = (
                entry[name].partition(":")[2].replace("%3D", "=") for name in ("hgvsc", "hgvsp")
            )
            if not change:
                assert not protein
                continue
            one = models[entry["feature"]]
            edit = edit_of(one, change, whole)
            low, high = max(1, min(pos, edit[0]) - 1), max(end, edit[1]) + 1
            made = replaced(whole, edit, low, high)
            assert made == replaced(whole, (pos, end, new.upper()), low, high), (pos, change)
            told["changes"] += 1
            specials = [
                at
                for at, letter in enumerate(peptides.get(entry["feature"], ""), 1)
                if letter == "U"
            ]
            pair = proteins_of(one, edit, whole, specials) if protein else None
            if pair:
                assert describes(protein, *pair), (pos, change, protein)
                told["proteins"] += 1
    assert told["changes"] > 2500 and told["proteins"] > 700, told


# ---- whatever the model and the variant are ----

SIZE = 1200
FLANKED = 6000


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    """A transcript on a contig of `SIZE` bases between flanks, coding or not."""
    edges = draw(
        st.lists(st.integers(1, SIZE), min_size=2, max_size=10, unique=True).filter(
            lambda items: len(items) % 2 == 0
        )
    )
    edges = [edge + FLANKED for edge in sorted(edges)]
    starts, ends = edges[::2], edges[1::2]
    inside = [
        place for start, end in zip(starts, ends, strict=True) for place in range(start, end + 1)
    ]
    cds = sorted(draw(st.lists(st.sampled_from(inside), min_size=2, max_size=2)))
    more: dict[str, Any] = {"strand": draw(st.sampled_from((1, -1)))}
    if draw(st.booleans()):
        more |= {"cds_start": cds[0], "cds_end": cds[1], "cds_phase": draw(st.integers(0, 2))}
        more |= {"cds_start_nf": draw(st.booleans()), "cds_end_nf": draw(st.booleans())}
    return transcript("1", list(zip(starts, ends, strict=True)), **more)


BASES = st.text("ACGT", min_size=SIZE, max_size=SIZE)


@st.composite
def trimmed(draw: st.DrawFn, bases: str) -> Alt:
    """An ALT in its only spelling: a base is replaced, or it is an insertion or deletion behind one base."""
    place = draw(st.integers(2, len(bases) - 60))
    before, after = bases[place - 2], bases[place - 1]
    kind = draw(st.sampled_from(("replaced", "inserted", "deleted")))
    if kind == "replaced":
        return "1", place, after, draw(st.sampled_from([base for base in "ACGT" if base != after]))
    if kind == "inserted":
        return "1", place - 1, before, before + draw(st.text("ACGT", min_size=1, max_size=12))
    length = draw(st.integers(1, 50))
    return "1", place - 1, bases[place - 2 : place - 1 + length], before


def mirrored_model(row: dict[str, Any], length: int) -> dict[str, Any]:
    turned = {
        "start": length + 1 - row["end"],
        "end": length + 1 - row["start"],
        "strand": -row["strand"],
        "exon_starts": [length + 1 - place for place in reversed(row["exon_ends"])],
        "exon_ends": [length + 1 - place for place in reversed(row["exon_starts"])],
    }
    if row["cds_start"]:
        turned |= {
            "cds_start": length + 1 - row["cds_end"],
            "cds_end": length + 1 - row["cds_start"],
        }
    return row | turned


def mirrored_alt(alt: Alt, bases: str) -> Alt:
    """Return the same change on the other strand, behind the base in front of it there."""
    chrom, pos, ref, new = alt
    if len(ref) == len(new) == 1:
        place = len(bases) + 1 - pos
        return chrom, place, reverse_complement(ref), reverse_complement(new)
    behind = bases[pos - 1 + len(ref)]
    pair = [reverse_complement(item[1:] + behind) for item in (ref, new)]
    return chrom, len(bases) - pos - len(ref) + 1, *pair


@given(row=models(), bases=BASES, data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_other_strand_gives_the_same_calls(
    row: dict[str, Any], bases: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bases = "AC" * (FLANKED // 2) + bases + "GT" * (FLANKED // 2)
    alts = data.draw(st.lists(trimmed(bases), min_size=5, max_size=30))
    with Genome(tmp_path_factory.mktemp("forward")) as one:
        one.add("1", bases, [row])
        forward = one.calls(alts)
    with Genome(tmp_path_factory.mktemp("backward")) as other:
        other.add("1", reverse_complement(bases), [mirrored_model(row, len(bases))])
        backward = other.calls([mirrored_alt(alt, bases) for alt in alts])
    for alt, ours, theirs in zip(alts, forward, backward, strict=True):
        for mine, its in zip(ours, theirs, strict=True):
            named = [name for name in mine if name not in ("allele", "strand")]
            assert {name: mine[name] for name in named} == {name: its[name] for name in named}, alt


@given(row=models(), bases=BASES, data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_place_is_told_once_and_within_its_transcript(
    row: dict[str, Any], bases: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An oracle that shares nothing: transcripts written out base by base."""
    bases = "AC" * (FLANKED // 2) + bases + "GT" * (FLANKED // 2)
    places = data.draw(
        st.lists(st.integers(FLANKED - 10, FLANKED + SIZE + 10), min_size=1, max_size=60)
    )
    alts = [
        ("1", place, bases[place - 1], "ACGT"["ACGT".index(bases[place - 1]) - 1])
        for place in places
    ]
    with Genome(tmp_path_factory.mktemp("genome")) as genome:
        genome.add("1", bases, [row])
        found = genome.calls(alts)
    exons = list(zip(row["exon_starts"], row["exon_ends"], strict=True))
    written = [place for start, end in exons for place in range(start, end + 1)][:: row["strand"]]
    for (_, place, *_), (call,) in zip(alts, found, strict=True):
        if place in written:
            assert call["cdna_position"] == str(written.index(place) + 1)
            numbers = [
                n
                for n, (start, end) in enumerate(exons[:: row["strand"]], 1)
                if start <= place <= end
            ]
            assert call["exon"] == f"{numbers[0]}/{len(exons)}" and not call["intron"]
        elif row["start"] <= place <= row["end"]:
            assert call["intron"].endswith(f"/{len(exons) - 1}") and not call["exon"]
        else:
            side = (place < row["start"]) == (row["strand"] > 0)
            assert call["consequence"] == f"{'up' if side else 'down'}stream_gene_variant"
            assert call["distance"] == str(min(abs(place - row["start"]), abs(place - row["end"])))


@given(row=models(), unit=st.text("ACGT", min_size=1, max_size=40), data=st.data())
@settings(max_examples=40, deadline=None)
def test_names_describe_any_change(
    row: dict[str, Any], unit: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In repeats, where insertions and deletions slide, over the edges of exons too."""
    bases = "AC" * (FLANKED // 2) + (unit * SIZE)[:SIZE] + "GT" * (FLANKED // 2)
    edges = [*row["exon_starts"], *row["exon_ends"]]
    alts = []
    for _ in range(20):
        pos = data.draw(st.sampled_from(edges)) + data.draw(st.integers(-9, 9))
        old = bases[pos - 1 : pos + data.draw(st.integers(0, 9))]
        others = [new for new in (old[0], old[0] + unit, old + old) if new != old]
        alts.append(("1", pos, old, data.draw(st.sampled_from(others))))
    with Genome(tmp_path_factory.mktemp("genome")) as genome:
        genome.add("1", bases, [row])
        found = genome.calls(alts)
    for (_, pos, old, new), (call,) in zip(alts, found, strict=True):
        if name := call["hgvsc"].partition(":")[2]:
            edit = edit_of(spliced_of(row), name, bases)
            change = pos, pos + len(old) - 1, new
            assert replaced(bases, edit, 1, len(bases)) == replaced(bases, change, 1, len(bases))
