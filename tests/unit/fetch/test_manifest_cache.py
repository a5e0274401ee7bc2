"""An answer of mirrors is kept for the same question, and for no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.fetch import manifest_cache
from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.manifest import Manifest, PublishedFile
from ensembl_annotations.fetch.manifest_cache import cached_manifest

MOUSE = Layout("mus_musculus", "GRCm39", 116)
BASE = "https://me:secret@example.org/pub"
VCF = (PublishedFile("mus_musculus.vcf.gz", "all", 7, 9),)
FASTA = (PublishedFile("Mus_musculus.GRCm39.dna.toplevel.fa.gz", "all", 8, 9),)

Asked = list[tuple[str, ...]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Return the mirrors that were asked, each time."""
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    found: Asked = []
    answer_with(monkeypatch, found, lambda layout: (VCF, ()))
    return found


def answer_with(
    monkeypatch: pytest.MonkeyPatch, asked: Asked, answer: Callable[[Layout], Any]
) -> None:
    def read(
        mirrors: Sequence[str], layout: Layout, *, with_fasta: bool, with_genes: bool
    ) -> Manifest:
        asked.append(tuple(mirrors))
        return Manifest(layout.species, layout.assembly, layout.release, *answer(layout))

    monkeypatch.setattr(manifest_cache, "read_manifest", read)


def kept_files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_server_is_asked_once(asked: Asked, tmp_path: Path) -> None:
    first, again = (cached_manifest([BASE], MOUSE) for _ in range(2))
    assert first == again == Manifest("mus_musculus", "GRCm39", 116, VCF, ())
    # A slash at the end makes no other mirror.
    cached_manifest([BASE + "/"], MOUSE)
    assert asked == [(BASE,)]
    (kept,) = kept_files(tmp_path)
    assert "secret" not in kept.read_text() + kept.name


def test_another_question_is_asked(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "https://example.com"
    cached_manifest([BASE, other], MOUSE)
    questions: list[Callable[[], Manifest]] = [
        lambda: cached_manifest([other, BASE], MOUSE),
        lambda: cached_manifest([BASE], MOUSE),
        lambda: cached_manifest([BASE, other], replace(MOUSE, release=115)),
        lambda: cached_manifest([BASE, other], replace(MOUSE, assembly="GRCm38")),
        lambda: cached_manifest([BASE, other], MOUSE, with_fasta=True),
        lambda: cached_manifest([BASE, other], MOUSE, with_genes=True),
        lambda: cached_manifest([BASE, other], MOUSE, force=True),
    ]
    answer_with(monkeypatch, asked, lambda layout: (VCF, FASTA, FASTA, ()))
    for number, question in enumerate(questions, 2):
        question()
        assert len(asked) == number
    cached_manifest([BASE, other], MOUSE)
    assert len(asked) == len(questions) + 1


def test_a_forced_answer_is_the_one_that_is_kept(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_manifest([BASE], MOUSE)
    newer = (replace(VCF[0], checksum=1),)
    answer_with(monkeypatch, asked, lambda _: (newer, ()))
    cached_manifest([BASE], MOUSE, force=True)
    assert cached_manifest([BASE], MOUSE).vcf == newer
    assert len(asked) == 2


@pytest.mark.parametrize("mirrors", [[], ["data/mirror"], [BASE, "file:///mirror"]])
def test_a_folder_is_read_each_time(mirrors: list[str], asked: Asked, tmp_path: Path) -> None:
    for _ in range(2):
        cached_manifest(mirrors, MOUSE)
    assert asked == [tuple(mirrors)] * 2
    assert kept_files(tmp_path) == []


def test_an_answer_without_the_sequences_is_not_kept(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        cached_manifest([BASE], MOUSE, with_fasta=True)
    answer_with(monkeypatch, asked, lambda _: (VCF, FASTA))
    for _ in range(2):
        assert cached_manifest([BASE], MOUSE, with_fasta=True).fasta == FASTA
    assert len(asked) == 3
    answer_with(monkeypatch, asked, lambda _: (VCF, FASTA, (), ()))
    for _ in range(2):
        cached_manifest([BASE, "https://example.com"], MOUSE, with_genes=True)
    assert len(asked) == 5
    for _ in range(2):
        cached_manifest([BASE], MOUSE, with_genes=True)
    assert len(asked) == 6


def test_a_list_that_may_be_cut_is_not_kept(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    some = (PublishedFile("homo_sapiens-chr21.vcf.gz", "21", 7, 9),)
    answer_with(monkeypatch, asked, lambda _: (some, ()))
    for _ in range(2):
        cached_manifest([BASE], Layout("homo_sapiens", "GRCh38", 116))
    assert len(asked) == 2


def cut(text: str) -> str:
    return text[:-9]


def of_another_release(text: str) -> str:
    content = json.loads(text)
    content["manifest"]["release"] = 115
    return json.dumps(content)


def of_another_question(text: str) -> str:
    return json.dumps(json.loads(text) | {"key": "0" * 64})


@pytest.mark.parametrize("alter", [cut, of_another_release, of_another_question])
def test_what_is_altered_is_asked_for_again(
    alter: Callable[[str], str], asked: Asked, tmp_path: Path
) -> None:
    good = cached_manifest([BASE], MOUSE)
    (kept,) = kept_files(tmp_path)
    kept.write_text(alter(kept.read_text()))
    assert cached_manifest([BASE], MOUSE) == good
    assert len(asked) == 2
    cached_manifest([BASE], MOUSE)
    assert len(asked) == 2


def test_a_cache_that_cannot_be_written_to_is_no_error(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    for _ in range(2):
        assert cached_manifest([BASE], MOUSE).vcf == VCF
    assert len(asked) == 2


def test_a_question_that_makes_no_sense_is_not_asked(asked: Asked) -> None:
    with pytest.raises(UsageError):
        cached_manifest([BASE], Layout("homo_sapiens", "GRCh39", 116))
    assert asked == []
