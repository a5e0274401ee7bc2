"""Forms of input and output: streams, BCF, indexes, cohorts; real bcftools and tabix are the oracle."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ensembl_annotations.annotate import annotate_vcf
from ensembl_annotations.annotate.memory import MAX_BATCH_BYTES, plan_pieces
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.text import scan_heads, scan_lines
from ensembl_annotations.variants.outcomes import TAG_IDS
from ensembl_annotations.vcf import read
from ensembl_annotations.vcf.bgzf import EOF_BLOCK
from ensembl_annotations.vcf.read import BATCH_BYTES, SAMPLE, VcfReader
from tests.support.vcf import (
    CALL,
    KNOWN,
    MIRROR,
    RELEASE,
    SECOND,
    UNKNOWN,
    Outcome,
    accepted,
    bgzf,
    check_lossless,
    command,
    decompressed,
    forked,
    header,
    invoke,
    plain_vcf,
    record,
    reference_snvs,
    run,
    sample_text,
    snapshot,
    split,
    written,
)

pytestmark = pytest.mark.skipif(
    not (shutil.which("bcftools") and shutil.which("tabix")), reason="needs bcftools and tabix"
)

DEMONSTRATION = MIRROR.parent / "vcf" / "sample.vcf.gz"
DECLARED = (
    '##FILTER=<ID=q10,Description="x">',
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">',
    '##INFO=<ID=END,Number=1,Type=Integer,Description="End">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">',
)
SAMPLES = ("S1", "S2", "S3")
RECORDS = (
    record(calls=[CALL, "./.", "1|1:0,7"]),
    record(pos=10000421, ref="G", alt="T,<DEL>", info=".", id_="mine", calls=[CALL] * 3),
    UNKNOWN.replace("\n", "\tGT\t0/1\t1\t.\n"),
)
COHORT = plain_vcf(*RECORDS, lines=DECLARED, samples=SAMPLES)


@pytest.fixture(scope="module")
def store(mini_store: Path) -> Path:
    return mini_store


def tool(*arguments: object, stdin: bytes | None = None) -> bytes:
    """Run a real tool and return what it writes."""
    done = subprocess.run(
        [str(item) for item in arguments], input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def annotate(vcf: object, store: Path, *options: object) -> Outcome:
    return invoke("annotate", "--vcf", vcf, "--reference", store, *options)


def piped(content: bytes, store: Path, *options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command on standard input."""
    return subprocess.run(
        forked("annotate", "--vcf", "-", "--reference", store, *options),
        input=content,
        capture_output=True,
        timeout=60,
        check=False,
    )


def bcf_of(folder: Path, content: bytes, name: str = "in.bcf") -> Path:
    path = folder / name
    tool("bcftools", "view", "--no-version", "-Ob", "-o", path, "-", stdin=content)
    return path


def same_records(original: Path, annotated: Path) -> None:
    """Assert that real bcftools sees the same records, our tags and the IDs aside."""
    tags = ",".join(f"INFO/{tag}" for tag in TAG_IDS)
    without = tool("bcftools", "annotate", "--no-version", "-x", f"{tags},ID", annotated)
    expected = tool("bcftools", "annotate", "--no-version", "-x", "ID", original)
    assert split(without)[1] == split(expected)[1]
    assert split(without)[1]


# --- Read once -----------------------------------------------------------------------------------

FORMS = {
    "plain": COHORT,
    "gzip": gzip.compress(COHORT, mtime=0),
    "BGZF": bgzf(COHORT),
    "no line end": COHORT[:-1],
    "without contigs": plain_vcf(
        *(record(chrom, pos, ref, alt) for chrom, pos, ref, alt in reference_snvs()[:30]),
        contigs=False,
    ),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("way", ["-", "/dev/stdin", "a named pipe", "process substitution"])
def test_a_stream_gives_what_a_file_gives(name: str, way: str, tmp_path: Path, store: Path) -> None:
    content = FORMS[name]
    vcf = written(tmp_path, content)
    expected = tmp_path / "expected"
    expected.mkdir()
    annotate(vcf, store, "--out-vcf", expected / "out.vcf.gz").succeeded()
    out = tmp_path / "out"
    arguments = ["--reference", store, "--out-vcf", out / "out.vcf.gz"]
    if way == "a named pipe":
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(["sh", "-c", f"cat '{vcf}' > '{pipe}'"]) as feeder:
            done = subprocess.run(
                forked("annotate", "--vcf", pipe, *arguments), timeout=60, check=False
            )
            feeder.kill()
    elif way == "process substitution":
        words = " ".join(f"'{word}'" for word in command("annotate", *arguments))
        done = subprocess.run(
            ["bash", "-c", f"{words} --vcf <(cat '{vcf}')"], timeout=60, check=False
        )
    else:
        done = subprocess.run(
            forked("annotate", "--vcf", way, *arguments), input=content, timeout=60, check=False
        )
    assert done.returncode == 0
    assert snapshot(out) == snapshot(expected)
    check_lossless(decompressed(content), gzip.decompress((out / "out.vcf.gz").read_bytes()))


CUT = {
    "without its last block": bgzf(COHORT)[: -len(EOF_BLOCK)],
    "in a block": bgzf(COHORT)[:-60],
    "gzip": gzip.compress(COHORT)[:-5],
    "nothing": b"",
}


@pytest.mark.parametrize("name", CUT)
def test_a_stream_that_is_cut(name: str, tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    done = piped(
        CUT[name], store, "--out-vcf", out / "out.vcf.gz", "--out-parquet", out / "out.parquet"
    )
    assert done.returncode == 1
    assert b"standard input" in done.stderr
    assert (b"cut" in done.stderr) or name == "nothing"
    assert b"Traceback" not in done.stderr
    assert snapshot(out) == {}


def test_what_was_looked_at_is_given_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [record(pos=10000401 + step) for step in range(1000)]
    vcf = written(tmp_path, plain_vcf(*lines))
    monkeypatch.setattr(VcfReader, "batch_bytes", 4000)
    monkeypatch.setattr(read, "AHEAD_BYTES", 20_000)
    with VcfReader(vcf) as reader:
        seen = list(reader.look_ahead())
        assert 20_000 <= sum(len(piece.data) for piece in seen) < 25_000
        assert list(reader.look_ahead()) == seen
        pieces = list(reader.pieces())
    assert pieces[: len(seen)] == seen
    assert b"".join(piece.data for piece in pieces) == "".join(lines).encode()
    assert [piece.first_record for piece in pieces] == [
        sum(other.data.count(b"\n") for other in pieces[:number]) for number in range(len(pieces))
    ]


# --- Piece size and memory -----------------------------------------------------------------------


def test_the_budget_limits_pieces() -> None:
    sizes = [plan_pieces(memory, table=True).max_batch_bytes for memory in (400, 700, 1500, 90_000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < BATCH_BYTES <= sizes[1]
    assert sizes[-1] == MAX_BATCH_BYTES
    assert plan_pieces(400, table=True).workers == 1
    assert plan_pieces(90_000).max_batch_bytes == BATCH_BYTES


@pytest.mark.parametrize(
    ("width", "count", "least", "most"), [(30, 20_000, 1900, 2100), (5000, 8000, 900, 1100)]
)
def test_pieces_fit_the_length_of_lines(
    width: int, count: int, least: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short lines, as many as memory allows; long lines, as many as a piece's cost is worth.

    The first ones are smaller: none is much of what was read before.
    """
    monkeypatch.setattr(VcfReader, "batch_bytes", 200_000)
    monkeypatch.setattr(read, "BATCH_RECORDS", 1000)
    monkeypatch.setattr(read, "MAX_BATCH_RECORDS", 2000)
    lines = [record(pos=10000401 + step, info="A" * width) for step in range(count)]
    with VcfReader(written(tmp_path, plain_vcf(*lines)), 40 * BATCH_BYTES) as reader:
        counts = [piece.data.count(b"\n") for piece in reader.pieces()]
    first = next(number for number, lines in enumerate(counts) if lines >= least)
    assert counts[1:first] == sorted(counts[1:first])
    assert all(least <= lines <= most for lines in counts[first:-1])
    assert sum(counts[first:]) > count / 3
    assert sum(counts) == count


def test_the_memory_changes_no_byte(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VcfReader, "batch_bytes", 8000)
    samples = [f"S{number}" for number in range(600)]
    lines = [record(pos=10000401 + step, calls=[CALL] * 600) for step in range(60)]
    vcf = written(tmp_path, plain_vcf(*lines, samples=samples))
    outs = []
    for memory in (400, 4000):
        out = tmp_path / str(memory)
        annotate_vcf(
            vcf,
            store,
            out_vcf=out / "out.vcf.gz",
            out_parquet=out / "out.parquet",
            genotypes=True,
            memory_mb=memory,
        )
        outs.append(snapshot(out))
    assert outs[0] == outs[1]
    check_lossless(vcf.read_bytes(), gzip.decompress(outs[0]["out.vcf.gz"]))


@pytest.mark.parametrize("memory", ["399", "x", "-1"])
def test_too_little_memory(memory: str, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    outcome = annotate(vcf, store, "--out-vcf", tmp_path / "o.vcf.gz", "--memory-mb", memory)
    assert outcome.code == 2
    assert "--memory-mb" in outcome.stderr


def test_long_lines_have_the_same_fields() -> None:
    lines = [b"a\tb\n", b"\n", b"\t" * 12 + b"\n", b"x" * 3000 + b"\t1\t2\n", b"\t\n"]
    lines += [b"\t".join([b"c"] * number) + b"\r\n" for number in range(1, 30)]
    for first in (b"\t" * 3000 + b"\n", b"y" * 3000 + b"\n"):
        data = b"".join([first, *lines])
        heads, whole = scan_heads(data, SAMPLE), scan_lines(data)
        assert heads.num_fields.tolist() == whole.num_fields.tolist()
        assert heads.begin.tolist() == whole.begin.tolist()
        assert heads.end.tolist() == whole.end.tolist()
        for column in range(SAMPLE):
            rows = (whole.num_fields > column + 1).nonzero()[0]
            for ours, theirs in zip(
                heads.bounds(column, rows), whole.bounds(column, rows), strict=True
            ):
                assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize(("change", "found"), [("\t0/1", 3003), (None, 3001)])
def test_a_long_line_with_another_number_of_columns(
    change: str | None, found: int, tmp_path: Path, store: Path
) -> None:
    calls = ["0/1"] * 2993
    good = record(calls=calls, format_="GT")
    bad = good.replace("\n", f"{change}\n") if change else good.replace("\t0/1\n", "\n")
    names = [f"S{number}" for number in range(2993)]
    vcf = written(tmp_path, plain_vcf(good, bad, samples=names))
    outcome = annotate(vcf, store, "--out-vcf", tmp_path / "out.vcf.gz")
    outcome.failed(
        "expected 3002 columns", f"found {found}", f"line {len(header().splitlines()) + 2}"
    )


# --- Standard output -----------------------------------------------------------------------------


def test_standard_output_has_the_file_and_nothing_else(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, sample_text())
    annotate(vcf, store, "--out-vcf", tmp_path / "out.vcf.gz").succeeded()
    done = piped(sample_text(), store, "--out-vcf", "-", "--out-parquet", tmp_path / "o.parquet")
    assert done.returncode == 0
    assert done.stdout == (tmp_path / "out.vcf.gz").read_bytes()
    assert b"annotated: 171 records" in done.stderr
    assert not Path("-").exists()
    assert pq.read_metadata(tmp_path / "o.parquet").num_rows == 200
    assert len(split(tool("bcftools", "view", "-", stdin=done.stdout))[1]) == 171


def test_a_stream_that_fails_has_no_end(tmp_path: Path, store: Path) -> None:
    done = piped(plain_vcf(KNOWN, "broken\n"), store, "--out-vcf", "-")
    assert done.returncode == 1
    assert not done.stdout.endswith(EOF_BLOCK)
    assert b"expected 8 columns" in done.stderr


def test_a_reader_that_goes_away(tmp_path: Path, store: Path) -> None:
    lines = [record(pos=10000401 + step, info=f"DP={step * 7919}") for step in range(100_000)]
    vcf = written(tmp_path, plain_vcf(*lines))
    process = subprocess.Popen(
        command("annotate", "--vcf", vcf, "--reference", store, "--out-vcf", "-"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert b"standard output: Broken pipe" in said
    assert b"Traceback" not in said and b"Exception ignored" not in said


@pytest.mark.parametrize("option", ["--out-parquet", "--metrics", "--run-metrics"])
def test_only_the_vcf_goes_to_standard_output(option: str, tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf())
    outcome = annotate(vcf, store, "--out-vcf", tmp_path / "o.vcf.gz", option, "-")
    outcome.failed("standard output", code=2)


# --- Indexes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csi", "tbi", "none"])
def test_the_index_that_was_asked_for_and_no_old_one(
    kind: str, tmp_path: Path, store: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for old in ("csi", "tbi"):
        (out / f"out.vcf.gz.{old}").write_bytes(b"old")
    vcf = written(tmp_path, sample_text())
    annotate(vcf, store, "--out-vcf", out / "out.vcf.gz", "--index", kind).succeeded()
    made = [] if kind == "none" else [f"out.vcf.gz.{kind}"]
    assert sorted(snapshot(out)) == ["out.vcf.gz", *made]
    if made:
        records = split(gzip.decompress((out / "out.vcf.gz").read_bytes()))[1]
        names = tool("tabix", "-l", out / "out.vcf.gz").decode().split()
        assert tool("tabix", out / "out.vcf.gz", *names) == b"".join(records)


def test_far_positions_get_a_csi(tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    far = record("chrBig", 2**29 + 5, "A", "G")
    vcf = written(tmp_path, plain_vcf(KNOWN, far, lines=DECLARED))
    outcome = annotate(vcf, store, "--out-vcf", out / "o.vcf.gz", "--index", "tbi").succeeded()
    assert outcome.stderr.count(f"its index is a .csi: a record reaches position {2**29 + 5}") == 1
    assert sorted(snapshot(out)) == ["o.vcf.gz", "o.vcf.gz.csi"]
    assert tool("bcftools", "view", "-H", out / "o.vcf.gz", "chrBig:536870917") == far.encode()
    edge = written(tmp_path, plain_vcf(KNOWN, record("chrBig", 2**29, "A", "G")), "edge.vcf")
    annotate(edge, store, "--out-vcf", out / "o.vcf.gz", "--index", "tbi").succeeded()
    assert b"\t536870912\t" in tool("tabix", out / "o.vcf.gz", "chrBig:536870912")
    # No index of the other kind stays: htslib would take it.
    assert sorted(snapshot(out)) == ["o.vcf.gz", "o.vcf.gz.tbi"]


# --- The name of the output ----------------------------------------------------------------------

BGZF_MAGIC = b"\x1f\x8b\x08\x04"


@pytest.mark.parametrize("name", ["o.vcf.gz", "o.vcf.bgz", "o.VCF.GZ", "o.Vcf.bGz", ".vcf.gz"])
def test_bgzf_by_name(name: str, tmp_path: Path, store: Path) -> None:
    vcf, out = written(tmp_path, COHORT), tmp_path / "out"
    annotate(vcf, store, "--out-vcf", out / name).succeeded()
    assert sorted(snapshot(out)) == [name, f"{name}.tbi"]
    content = (out / name).read_bytes()
    assert content.startswith(BGZF_MAGIC) and content.endswith(EOF_BLOCK)
    assert tool("bcftools", "view", "-H", out / name, "chr22:10000401").count(b"\n") == 1


@pytest.mark.parametrize("name", ["o.bcf", "o.BCF", "o.Bcf"])
def test_bcf_by_name(name: str, tmp_path: Path, store: Path) -> None:
    vcf, out = written(tmp_path, COHORT), tmp_path / "out"
    annotate(vcf, store, "--out-vcf", out / name).succeeded()
    assert sorted(snapshot(out)) == [name, f"{name}.csi"]
    assert gzip.decompress((out / name).read_bytes()).startswith(b"BCF")


TEXTS = {
    "sorted": COHORT,
    "not sorted": plain_vcf(UNKNOWN, record()),
    "no line end": plain_vcf()[:-1],
    "CRLF": plain_vcf().replace(b"\n", b"\r\n"),
    "no record": header().encode(),
    "beyond a .tbi": plain_vcf(record("chrBig", 2**29 + 5, "A", "C")),
}


@pytest.mark.parametrize("kind", ["csi", "tbi", "none"])
@pytest.mark.parametrize("name", ["o.vcf", "o.VCF"])
@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_plain_text_by_name(
    content: bytes, name: str, kind: str, tmp_path: Path, store: Path
) -> None:
    """It is the text that BGZF holds; no index is written, and none of an older file stays."""
    vcf, out = written(tmp_path, content), tmp_path / "out"
    annotate(vcf, store, "--out-vcf", tmp_path / "packed.vcf.gz").succeeded()
    out.mkdir()
    for old in ("csi", "tbi"):
        (out / f"{name}.{old}").write_text("old")
    done = annotate(vcf, store, "--out-vcf", out / name, "--index", kind).succeeded()
    assert "index" not in done.stderr
    assert sorted(snapshot(out)) == [name]
    text = (out / name).read_bytes()
    assert text == gzip.decompress((tmp_path / "packed.vcf.gz").read_bytes())
    assert (b"ENS_ID=" in text) is (b"chr22\t10000401" in content)
    tool("bcftools", "view", out / name)


def test_text_that_fails_leaves_nothing(tmp_path: Path, store: Path) -> None:
    vcf, out = written(tmp_path, plain_vcf(KNOWN, "broken\n")), tmp_path / "out"
    out.mkdir()
    (out / "o.vcf").write_text("old")
    (out / "o.vcf.csi").write_text("old index")
    annotate(vcf, store, "--out-vcf", out / "o.vcf").failed("columns")
    assert snapshot(out) == {"o.vcf": b"old", "o.vcf.csi": b"old index"}


@pytest.mark.parametrize(
    "name",
    [
        "o",
        "o.gz",
        "o.txt",
        "o.bgz",
        "vcf",
        "o.vcf.zip",
        "o.vcf.",
        "o.vcf.gz.csi",
        "o.bcf.gz",
        "ovcf",
    ],
)
def test_another_name_is_refused_before_the_work(name: str, tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out" / name
    done = annotate(tmp_path / "nowhere.vcf", store, "--out-vcf", out)
    done.failed(str(out), ".vcf, ", ".vcf.gz", ".vcf.bgz", ".bcf", code=2)
    assert not out.parent.exists()


# --- BCF -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [sample_text(), COHORT], ids=["one sample", "three samples"])
@pytest.mark.parametrize("packed", ["-Ob", "-Ou"])
def test_a_bcf_is_what_bcftools_shows_of_it(
    content: bytes, packed: str, tmp_path: Path, store: Path
) -> None:
    bcf = tmp_path / "named.vcf.gz"
    tool("bcftools", "view", "--no-version", packed, "-o", bcf, "-", stdin=content)
    text = tool("bcftools", "view", "--no-version", bcf)
    done = accepted(tmp_path, bcf, store, original=text)
    assert any(b"ENS_ID=" in line for line in done.records)
    streamed = piped(bcf.read_bytes(), store, "--out-vcf", "-")
    assert streamed.returncode == 0
    assert streamed.stdout == (done.out / "out.vcf.gz").read_bytes()


def test_a_bcf_that_is_cut(tmp_path: Path, store: Path) -> None:
    lines = [record(pos=10000401 + step, info=f"DP={step * 7919}") for step in range(30_000)]
    bcf = bcf_of(tmp_path, plain_vcf(*lines, lines=DECLARED))
    whole = bcf.read_bytes()
    raw = gzip.decompress(whole)
    out = tmp_path / "out"
    out.mkdir()
    cuts = (whole[:-28], whole[: len(whole) // 2], raw[: len(raw) // 2], raw[:-3], raw[:50])
    for cut in cuts:
        for done in (
            annotate(written(tmp_path, cut, "cut.bcf"), store, "--out-vcf", out / "o.vcf.gz"),
            piped(cut, store, "--out-vcf", out / "o.vcf.gz"),
        ):
            code, said = (
                (done.code, done.stderr)
                if isinstance(done, Outcome)
                else (done.returncode, done.stderr.decode())
            )
            assert code == 1
            assert said.count("Error: ") == 1 and "Traceback" not in said
            assert "cut" in said or "can't be read" in said
            assert snapshot(out) == {}


@pytest.mark.parametrize("form", ["vcf", "bcf"])
@pytest.mark.parametrize("content", [sample_text(), COHORT], ids=["one sample", "three samples"])
def test_bcf_output_has_the_same_records(
    content: bytes, form: str, tmp_path: Path, store: Path
) -> None:
    vcf = written(tmp_path, content)
    source = vcf if form == "vcf" else bcf_of(tmp_path, content)
    out = tmp_path / "out"
    done = annotate(source, store, "--out-vcf", out / "o.bcf", "--out-parquet", out / "o.parquet")
    assert "no index" not in done.succeeded().stderr
    assert sorted(snapshot(out)) == ["o.bcf", "o.bcf.csi", "o.parquet"]
    same_records(vcf, out / "o.bcf")
    annotate(vcf, store, "--out-vcf", out / "o.vcf.gz").succeeded()
    assert tool("bcftools", "view", "-H", out / "o.bcf") == tool(
        "bcftools", "view", "-H", out / "o.vcf.gz"
    )
    query = ["bcftools", "view", "-H", "-r", "chr22:10000401"]
    assert tool(*query, out / "o.bcf") == tool(*query, out / "o.vcf.gz")


def test_bcf_output_of_crlf_and_no_record(tmp_path: Path, store: Path) -> None:
    crlf = written(tmp_path, COHORT.replace(b"\n", b"\r\n")[:-1])
    annotate(crlf, store, "--out-vcf", tmp_path / "o.bcf").succeeded()
    same_records(written(tmp_path, COHORT, "plain.vcf"), tmp_path / "o.bcf")
    empty = written(tmp_path, header().encode())
    annotate(empty, store, "--out-vcf", tmp_path / "e.bcf").succeeded()
    assert tool("bcftools", "view", "-H", tmp_path / "e.bcf") == b""


@pytest.mark.parametrize("prefix", ["chr", ""])
def test_contigs_that_a_bcf_needs_are_added(prefix: str, tmp_path: Path, store: Path) -> None:
    """Those of the reference, spelled as the records do, though the first piece has only one."""
    lines = [
        record(prefix + name.removeprefix("chr"), pos, ref, alt)
        for name, pos, ref, alt in reference_snvs()
    ]
    lines.append(record(f"{prefix}X", 5000, "A", "G"))
    vcf = written(tmp_path, plain_vcf(*lines, lines=DECLARED, contigs=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VcfReader, "batch_bytes", 400)
        annotate(vcf, store, "--out-vcf", tmp_path / "o.bcf").succeeded()
    contigs = [
        line
        for line in tool("bcftools", "head", tmp_path / "o.bcf").decode().splitlines()
        if line.startswith("##contig")
    ]
    assert f"##contig=<ID={prefix}22,length=50818468>" in contigs
    assert len(contigs) == 6
    shown = tool("bcftools", "view", "-H", tmp_path / "o.bcf").decode().splitlines()
    assert [line.split("\t")[:2] for line in shown] == [line.split("\t")[:2] for line in lines]


def test_a_contig_that_nobody_knows_is_named(tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "o.bcf").write_bytes(b"old")
    vcf = written(tmp_path, plain_vcf(KNOWN, record("chrUn_x", 5), lines=DECLARED))
    annotate(vcf, store, "--out-vcf", out / "o.bcf").failed(
        "'chrUn_x'", "##contig=<ID=chrUn_x>", ".vcf.gz"
    )
    assert snapshot(out) == {"o.bcf": b"old"}


def test_a_nul_byte_cuts_no_record(tmp_path: Path, store: Path) -> None:
    content = plain_vcf(KNOWN, KNOWN, lines=DECLARED)
    line = content.count(b"\n")
    vcf = written(tmp_path, content.removesuffix(b"\n") + b"\0\n")
    annotate(vcf, store, "--out-vcf", tmp_path / "o.vcf.gz")
    out = tmp_path / "out"
    annotate(vcf, store, "--out-vcf", out / "o.bcf").failed(f"line {line}", "NUL byte")
    assert snapshot(out) == {}


def test_what_bcftools_refuses_is_our_error(tmp_path: Path, store: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    vcf = written(tmp_path, plain_vcf(KNOWN, record(info="NOT_DECLARED=5"), lines=DECLARED))
    outcome = annotate(vcf, store, "--out-vcf", out / "o.bcf")
    outcome.failed("o.bcf", "NOT_DECLARED", "bcftools", "header")
    assert snapshot(out) == {}


def test_a_bcf_has_no_tbi(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(lines=DECLARED))
    out = tmp_path / "out"
    outcome = annotate(vcf, store, "--out-vcf", out / "o.bcf", "--index", "tbi").succeeded()
    assert outcome.stderr.count("o.bcf: its index is a .csi: a BCF has no .tbi.") == 1
    assert sorted(snapshot(out)) == ["o.bcf", "o.bcf.csi"]


def test_an_unsorted_bcf_gets_no_index(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(UNKNOWN, KNOWN, lines=DECLARED))
    out = tmp_path / "out"
    out.mkdir()
    (out / "o.bcf.csi").write_bytes(b"old")
    outcome = annotate(vcf, store, "--out-vcf", out / "o.bcf").succeeded()
    assert "not sorted" in outcome.stderr
    assert sorted(snapshot(out)) == ["o.bcf"]
    same_records(vcf, out / "o.bcf")


# --- Genotypes of a cohort -----------------------------------------------------------------------

Lists = list[list[str | None] | None]


def genotypes(folder: Path, content: bytes, store: Path) -> Lists:
    vcf = written(folder, content)
    out = folder / "g.parquet"
    annotate(vcf, store, "--out-parquet", out, "--genotypes").succeeded()
    table = pq.read_table(out)
    assert json.loads(table.schema.metadata[b"samples"]) == VcfReader(vcf).header.samples
    assert str(table.schema.field("gts").type).startswith("list<")
    found: Lists = table["gts"].to_pylist()
    return found


def expected(calls: Sequence[str]) -> list[str | None]:
    return [None if call.split(":")[0] == "." else call.split(":")[0] for call in calls]


@pytest.mark.parametrize("count", [2, 700])
def test_genotypes_are_what_bcftools_queries(count: int, tmp_path: Path, store: Path) -> None:
    forms = ["0/1:3,4", "1|1", "./.", "0", "1:9,9:5", "0|2:1,1", ".", "10/11", "./1:0,0"]
    lines = [
        record(pos=10000401 + row, alt="T,G", calls=[forms[(row + k) % 9] for k in range(count)])
        for row in range(50)
    ]
    content = plain_vcf(*lines, lines=DECLARED, samples=[f"S{k}" for k in range(count)])
    found = genotypes(tmp_path, content, store)
    queried = tool("bcftools", "query", "-f", "[%GT\t]\n", tmp_path / "in.vcf").decode()
    wanted = [expected(line.rstrip("\t").split("\t")) for line in queried.splitlines()]
    assert found == [row for row in wanted for _ in range(2)]


ODD_CALLS = {
    "polyploid": ("GT:DP", ["0/0/0/1/1/1:5", "0/1"]),
    "no GT": ("DP:AD", ["5:1", "."]),
    "GT later": ("DP:GT", ["5:0/1", "7"]),
    "eight bytes": ("GT", ["100|1000", "1000/999"]),
    "eight bytes and more": ("GT:DP", ["100|1000:5", "100/10:5"]),
    "like a colon": ("GT:DP", [";/;:1", "9:1"]),
    "empty": ("GT:DP", [":5", "0/1:"]),
    "NUL": ("GT", ["0\0", "0/1"]),
}


@pytest.mark.parametrize("name", ODD_CALLS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_odd_genotypes(name: str, end: str, tmp_path: Path, store: Path) -> None:
    form, calls = ODD_CALLS[name]
    lines = [record(calls=["0/1", "1"]), record(calls=calls, format_=form)]
    content = plain_vcf(*lines, samples=("A", "B")).replace(b"\n", end.encode())
    wanted: list[str | None] | None = [call.split(":")[0] or None for call in calls]
    if name == "no GT":
        wanted = None
    elif name == "GT later":
        wanted = ["0/1", None]
    assert genotypes(tmp_path, content, store) == [["0/1", "1"], wanted]


def test_no_sample_has_no_genotypes(tmp_path: Path, store: Path) -> None:
    assert genotypes(tmp_path, plain_vcf(), store) == [None, None, None]


def test_genotypes_that_are_no_text(tmp_path: Path, store: Path) -> None:
    content = COHORT.replace(b"./.", b"\xff/.")
    vcf = written(tmp_path, content)
    outcome = annotate(vcf, store, "--out-parquet", tmp_path / "g.parquet", "--genotypes")
    outcome.failed("GT is not UTF-8", f"line {len(header(*DECLARED).splitlines()) + 1}")


def test_genotypes_only_on_request(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, COHORT)
    out = tmp_path / "o.parquet"
    annotate(vcf, store, "--out-parquet", out).succeeded()
    schema = pq.read_schema(out)
    assert "gts" not in schema.names and b"samples" not in schema.metadata
    annotate(vcf, store, "--out-vcf", tmp_path / "o.vcf.gz", "--genotypes").failed(
        "--out-parquet", code=2
    )


def test_row_groups_do_not_grow_with_samples(tmp_path: Path, store: Path) -> None:
    names = [f"S{k}" for k in range(20_000)]
    lines = [record(pos=10000401 + row, calls=["0/1"] * 20_000, format_="GT") for row in range(900)]
    vcf = written(tmp_path, plain_vcf(*lines, samples=names))
    annotate(vcf, store, "--out-parquet", tmp_path / "g.parquet", "--genotypes").succeeded()
    found = pq.read_metadata(tmp_path / "g.parquet")
    assert [found.row_group(k).num_rows for k in range(found.num_row_groups)] == [400, 400, 100]


# --- GVCF, and extreme records -------------------------------------------------------------------


def gvcf(count: int) -> bytes:
    lines = []
    for row in range(count):
        pos = 10000001 + 100 * row
        if pos == 10000401:
            lines.append(record(alt="T,<NON_REF>", calls=[CALL]))
            lines.append(record(pos=10000402, alt="<*>", info="END=10000403", calls=[CALL]))
            continue
        block = record(pos=pos, ref="C", alt="<NON_REF>", info=f"END={pos + 98}", qual=".")
        lines.append(block.replace("\n", "\tGT:DP:GQ:MIN_DP:PL\t0/0:30:87:28:0,84,1260\n"))
    return plain_vcf(*lines, samples=["S1"])


def test_a_gvcf_passes(tmp_path: Path, store: Path) -> None:
    content = gvcf(20_000)
    done = accepted(tmp_path, written(tmp_path, content), store)
    assert done.metrics["num_symbolic"] == 20_001
    assert done.metrics["num_exact"] == 1
    blocks = [line for line in done.records if b"\t<NON_REF>\t" in line]
    assert blocks == [line for line in split(content)[1] if b"\t<NON_REF>\t" in line]
    assert json.loads((tmp_path / "run.json").read_bytes())["duration_sec"] < 20
    region = tool("tabix", done.out / "out.vcf.gz", "chr22:10000550-10000551")
    assert region.startswith(b"chr22\t10000501\t")


def test_an_info_of_10_mb(tmp_path: Path, store: Path) -> None:
    content = plain_vcf(KNOWN, record(info="X=" + "A" * 10_000_000), record(info="Y"), SECOND)
    done = accepted(tmp_path, written(tmp_path, content), store)
    assert [b"ENS_ID=" in line for line in done.records] == [True] * 4


def test_both_builds_of_polars_give_the_same(tmp_path: Path) -> None:
    """The one for old processors numbers rows with 64 bits; MultiQC and others bring it along."""
    pytest.importorskip("_polars_runtime_compat")
    digests = set()
    for build in ("32", "compat"):
        environment = os.environ | {
            "POLARS_FORCE_PKG": build,
            "ENSEMBL_ANNOTATIONS_CACHE": str(tmp_path / "cache"),
        }
        folder = tmp_path / build
        run(
            "fetch", "--base-url", MIRROR, "--release", RELEASE, "--chromosomes", "22,MT",
            "--fasta", "--out", folder / "store", env=environment,
        ).succeeded()  # fmt: skip
        run(
            "annotate", "--vcf", DEMONSTRATION, "--reference", folder / "store", "--match", "position",
            "--out-vcf", folder / "o.vcf.gz", "--out-parquet", folder / "o.parquet",
            "--summary", folder / "o.html", env=environment,
        ).succeeded()  # fmt: skip
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.add(tuple(sha256_of(path) for path in files))
    assert len(digests) == 1
