"""Random valid VCFs come out with every byte, plus ours."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembl_annotations import annotate_vcf, fetch_ensembl
from ensembl_annotations.annotate.text import check_header_tags
from ensembl_annotations.variants.outcomes import TAG_IDS, TAGS, tag_header_line
from ensembl_annotations.vcf.read import Header
from tests.support.mirror import Row, write_mirror

SITES: list[Row] = [(pos, f"rs{pos}", "A", "C,AT", "TSA=SNV") for pos in range(1, 40, 2)]
OURS = re.compile(rb"(?:^|;)(?:" + "|".join(TAG_IDS).encode() + rb")(?:=[^;]*)?")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("round_trip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        write_mirror(base / "mirror", {"21": SITES})
        fetch_ensembl(base / "store", mirrors=[str(base / "mirror")], release=116)
    return base / "store"


alleles = st.text("ACGTacgtN", min_size=1, max_size=4)
words = st.text("abcXYZ_09.%-", min_size=1, max_size=6)
raw = st.binary(min_size=1, max_size=8).filter(lambda value: not set(value) & set(b"\t\n\r;"))
entries = st.one_of(
    words.map(str.encode), st.tuples(words, raw).map(lambda item: item[0].encode() + b"=" + item[1])
)
infos = st.one_of(st.just(b"."), st.lists(entries, min_size=1, max_size=4).map(b";".join))
ids = st.one_of(
    st.just(b"."), st.lists(words, min_size=1, max_size=3).map(lambda x: ";".join(x).encode())
)


@st.composite
def records(draw: st.DrawFn, samples: int) -> list[bytes]:
    fields = [
        draw(st.sampled_from([b"21", b"chr21", b"chrUn", b"chrM"])),
        str(draw(st.integers(0, 45))).encode(),
        draw(ids),
        draw(alleles).encode(),
        b",".join(
            draw(
                st.lists(
                    st.one_of(
                        alleles.map(str.encode),
                        st.sampled_from([b"*", b"<DEL>", b"<NON_REF>", b"C", b"AT", b"]13:5]A"]),
                    ),
                    min_size=1,
                    max_size=4,
                )
            )
        ),
        draw(st.sampled_from([b".", b"30", b"3.14e2"])),
        draw(st.sampled_from([b".", b"PASS", b"q10;s50"])),
        draw(infos) + draw(st.sampled_from([b"", b";"])),
    ]
    if samples:
        fields += [b"GT:XX"] + [
            draw(st.sampled_from([b"0/1:", b"./.:", b"1:"])) + draw(raw) for _ in range(samples)
        ]
    return fields


@st.composite
def vcfs(draw: st.DrawFn) -> tuple[bytes, list[list[bytes]], bytes]:
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    samples = draw(st.integers(0, 3))
    rows = draw(st.lists(records(samples), max_size=12))
    head = [
        f"##fileformat=VCFv4.{draw(st.integers(1, 4))}".encode(),
        b"##contig=<ID=1,length=248956422>",
        b"##free=" + draw(raw),
    ]
    names = [b"FORMAT", *(f"S{number}".encode() for number in range(samples))] if samples else []
    columns = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO".split(b"\t") + names
    text = end.join([*head, b"\t".join(columns), *(b"\t".join(row) for row in rows)])
    return text + draw(st.sampled_from([end, b""])), rows, end


def stripped(text: bytes, end: bytes) -> bytes:
    """Take our header lines and tags away, and put the ID and empty INFO back as `.`."""
    lines = []
    for line in text.split(end):
        if line.startswith(b"##ensembl_annotations=") or b"##INFO=<ID=ENS_" in line:
            continue
        if line and not line.startswith(b"#"):
            fields = line.split(b"\t")
            fields[7] = OURS.sub(b"", fields[7])
            line = b"\t".join(fields)
        lines.append(line)
    return end.join(lines)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(vcfs())
def test_every_byte_comes_out(
    store: Path,
    tmp_path_factory: pytest.TempPathFactory,
    item: tuple[bytes, list[list[bytes]], bytes],
) -> None:
    text, rows, end = item
    folder = tmp_path_factory.mktemp("case")
    (folder / "in.vcf").write_bytes(text)
    result = annotate_vcf(folder / "in.vcf", store, out_vcf=folder / "out.vcf.gz")
    out = gzip.decompress((folder / "out.vcf.gz").read_bytes())
    assert result["num_records"] == len(rows)
    expected, found = text.split(end), stripped(out, end).split(end)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        if theirs.startswith(b"#") or not theirs:
            assert ours == theirs
            continue
        one, other = ours.split(b"\t"), theirs.split(b"\t")
        assert one[:2] + one[3:7] + one[8:] == other[:2] + other[3:7] + other[8:]
        assert one[2] == other[2] or one[2].startswith(
            b"rs" if other[2] == b"." else other[2] + b";rs"
        )
        assert (
            one[7] == other[7]
            or (other[7] in (b".", b".;") and one[7] in (b"", b"."))
            or one[7] + b";" == other[7]
        )


SCIKIT_ALLEL = r'##INFO=<ID=([^,]+),Number=([^,]+),Type=([^,]+),Description="([^"]*)">'
"""How scikit-allel 1.3.13 reads a header line: it takes a tag with another one for text."""


def test_header_lines_end_with_the_description() -> None:
    for tag in TAGS:
        match = re.fullmatch(SCIKIT_ALLEL, tag_header_line(tag))
        assert match is not None
        assert match.groups() == (tag.id, tag.number, tag.type, tag.description)


def test_a_header_is_searched_for_our_tags_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have 100,000 lines."""
    searches: list[Header] = []
    monkeypatch.setattr(Header, "info_ids", lambda self: searches.append(self) or {"DP"})
    header = Header([b"##fileformat=VCFv4.2\n", b"#CHROM\tPOS\n"])
    check_header_tags(header, Path("x.vcf"), TAG_IDS)
    assert len(searches) == 1
