"""Small VCFs, a small reference store, and what every run of the command must keep to."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.cli import main
from ensembl_annotations.variants.outcomes import REASONS, TAG_IDS
from ensembl_annotations.vcf.bgzf import compress_bgzf, has_eof_block
from tests.support.warm import programs

REPO = Path(__file__).resolve().parents[2]
MIRROR = REPO / "data" / "mini_ensembl"
SAMPLE = REPO / "data" / "vcf" / "sample.vcf.gz"
RELEASE = 116
CHROMOSOMES = ("1", "21", "22", "X", "Y", "MT")
LENGTHS = {
    "chr1": 248956422,
    "chr21": 46709983,
    "chr22": 50818468,
    "chrX": 156040895,
    "chrY": 57227415,
    "chrM": 16569,
}

Snapshot = dict[str, bytes]


# --- Stores and VCFs -----------------------------------------------------------------------------


def build_store(folder: Path, chromosomes: Sequence[str] = CHROMOSOMES, **options: Any) -> Path:
    """Make a reference store from the embedded mirror; the download cache lies beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder / "cache"))
        fetch_ensembl(
            folder / "store",
            mirrors=[str(MIRROR)],
            release=RELEASE,
            chromosomes=list(chromosomes),
            **options,
        )
    return folder / "store"


def published(chromosome: str, root: str = f"release-{RELEASE}") -> list[list[str]]:
    """Return the records of the embedded mirror."""
    name = f"homo_sapiens-chr{chromosome}.vcf.gz"
    text = gzip.decompress((MIRROR / root / "variation/vcf/homo_sapiens" / name).read_bytes())
    return [line.split("\t") for line in text.decode().splitlines() if not line.startswith("#")]


def header(
    *lines: str, contigs: bool = True, samples: Sequence[str] = (), length: int | None = None
) -> str:
    """Return a VCF header; `length` replaces that of chr22."""
    named = LENGTHS | ({} if length is None else {"chr22": length})
    declared = [f"##contig=<ID={name},length={bases}>" for name, bases in named.items()]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if samples:
        columns += ["FORMAT", *samples]
    all_lines = ["##fileformat=VCFv4.2", *lines, *(declared if contigs else ()), "\t".join(columns)]
    return "".join(f"{line}\n" for line in all_lines)


def record(
    chrom: str = "chr22",
    pos: int | str = 10000401,
    ref: str = "C",
    alt: str = "T",
    *,
    id_: str = ".",
    qual: str = "50",
    filter_: str = "PASS",
    info: str = "DP=7",
    calls: Sequence[str] = (),
    format_: str = "GT:AD:DP:GQ",
) -> str:
    """Return a record line; by default one that the reference knows (rs9000000201)."""
    columns = [chrom, str(pos), id_, ref, alt, qual, filter_, info]
    return "\t".join([*columns, *([format_, *calls] if calls else ())]) + "\n"


KNOWN = record()
SECOND = record(pos=10000421, ref="G", alt="T", info=".")
UNKNOWN = record(pos=20000001, ref="A", alt="G")
CALL = "0/1:3,4:7:50"


def plain_vcf(*records: str, lines: Sequence[str] = (), **options: Any) -> bytes:
    """Return the bytes of a VCF of these records, with `lines` in its header."""
    return (header(*lines, **options) + "".join(records or (KNOWN, SECOND, UNKNOWN))).encode()


@cache
def _bases_22() -> bytes:
    """Return chr22 as the embedded mirror publishes it."""
    folder = MIRROR / f"release-{RELEASE}/fasta/homo_sapiens/dna"
    (fasta,) = folder.glob("*.chromosome.22.fa.gz")
    return gzip.decompress(fasta.read_bytes()).partition(b"\n")[2].replace(b"\n", b"")


@cache
def many_snvs(count: int) -> bytes:
    """Return a VCF of SNVs on chr22, of one sample; REF is the reference's base where that is known."""
    lines = []
    for pos in range(10000401, 10000401 + 10 * count, 10):
        ref = chr(_bases_22()[pos - 1]).replace("N", "C")
        lines.append(record(pos=pos, ref=ref, alt="C" if ref == "T" else "T", calls=[CALL]))
    return plain_vcf(*lines, samples=("S1",))


def sample_text() -> bytes:
    """Return the demonstration sample, decompressed."""
    return gzip.decompress(SAMPLE.read_bytes())


def reference_snvs(chromosomes: Sequence[str] = ("21", "22")) -> list[tuple[str, int, str, str]]:
    """Return the published SNVs with one-base alleles as (chrom, pos, ref, alt), sorted."""
    return sorted(
        {
            (f"chr{row[0]}", int(row[1]), row[3], row[4])
            for name in chromosomes
            for row in published(name)
            if row[1].isdigit()
            and re.fullmatch("[ACGT]", row[3])
            and re.fullmatch("[ACGT]", row[4])
        }
    )


# --- Files and folders ---------------------------------------------------------------------------


def snapshot(folder: Path) -> Snapshot:
    """Return every file below a folder, hidden ones included, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"(folder)"
        for path in sorted(folder.rglob("*"))
    }


def written(folder: Path, content: bytes, name: str = "in.vcf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a file system of `size` bytes; skip the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"can't mount a small file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# --- Running the command -------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a run of the command did."""

    code: int
    stdout: str
    stderr: str
    crash: BaseException | None = None

    def failed(self, *words: str, code: int = 1) -> None:
        """Assert one clear message that names all of `words`, no traceback, and the exit code."""
        assert self.crash is None, f"not an error of ours: {self.crash!r}"
        assert self.code == code, f"exit code {self.code}: {self.stdout}{self.stderr}"
        assert "Traceback" not in self.stderr
        assert self.stderr.count("Error: ") == 1, self.stderr
        message = self.stderr[self.stderr.index("Error: ") :]
        assert len(message) < 1500
        for word in words:
            assert word in message, f"{word!r} is not in {message!r}"

    def succeeded(self) -> Outcome:
        """Assert exit code 0."""
        assert self.crash is None, f"raised {self.crash!r}"
        assert self.code == 0, f"exit code {self.code}: {self.stdout}{self.stderr}"
        assert "Traceback" not in self.stderr
        return self


def invoke(*arguments: object) -> Outcome:
    """Run the command in this process."""
    result = CliRunner().invoke(main, [str(item) for item in arguments])
    crash = result.exception if not isinstance(result.exception, SystemExit) else None
    return Outcome(result.exit_code, result.stdout, result.stderr, crash)


def command(*arguments: object) -> list[str]:
    """Return the command line of the installed command."""
    return [str(Path(sys.executable).with_name("ensembl-annotations")), *map(str, arguments)]


def forked(*arguments: object) -> list[str]:
    """Return the command line of a command that starts at once: see `warm`."""
    return [str(programs() / "ensembl-annotations"), *map(str, arguments)]


def run(*arguments: object, timeout: float = 60, **options: Any) -> Outcome:
    """Run the command as a process of its own; the installed one where it has limits."""
    done = subprocess.run(
        command(*arguments) if "preexec_fn" in options else forked(*arguments),
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def annotate_arguments(vcf: Path, store: Path, out: Path, *options: object) -> list[object]:
    """Return arguments that annotate to both outputs in `out`, figures beside `out`."""
    return [
        *("annotate", "--vcf", vcf, "--reference", store),
        *("--out-vcf", out / "out.vcf.gz", "--out-parquet", out / "out.parquet"),
        *("--metrics", out.parent / "metrics.json", "--run-metrics", out.parent / "run.json"),
        *options,
    ]


OLD_OUTPUTS = {"out.vcf.gz": b"old vcf", "out.vcf.gz.tbi": b"old index", "out.parquet": b"old"}


def refused(
    folder: Path, vcf: Path, store: Path, *words: str, options: Sequence[object] = (), code: int = 1
) -> Outcome:
    """Assert that annotating fails as the contract says: one message, and nothing changed."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    for name, content in OLD_OUTPUTS.items():
        (out / name).write_bytes(content)
    before = snapshot(out)
    outcome = invoke(*annotate_arguments(vcf, store, out, *options))
    outcome.failed(*words, code=code)
    assert snapshot(out) == before
    assert not (folder / "metrics.json").exists()
    if code == 1:
        assert json.loads((folder / "run.json").read_bytes())["status"] == "failed"
    left = [path.name for path in folder.rglob(".*") if path.is_file()]
    assert left == []
    return outcome


@dataclass
class Annotated:
    """A run that succeeded: what it said and what it wrote."""

    outcome: Outcome
    text: bytes
    metrics: dict[str, Any]
    out: Path

    @property
    def records(self) -> list[bytes]:
        return split(self.text)[1]


def accepted(
    folder: Path,
    vcf: Path,
    store: Path,
    *,
    options: Sequence[object] = (),
    in_order: bool = True,
    original: bytes | None = None,
) -> Annotated:
    """Assert that annotating succeeds, loses nothing, and leaves exactly the files it should."""
    out = folder / "out"
    outcome = invoke(*annotate_arguments(vcf, store, out, *options)).succeeded()
    kind = "csi" if "its index is a .csi" in outcome.stderr else "tbi"
    expected = {"out.vcf.gz", "out.parquet"} | ({f"out.vcf.gz.{kind}"} if in_order else set())
    assert set(snapshot(out)) == expected
    content = original if original is not None else decompressed(vcf.read_bytes())
    metrics = json.loads((folder / "metrics.json").read_bytes())
    text = check_outputs(content, out / "out.vcf.gz", out / "out.parquet", metrics)
    assert json.loads((folder / "run.json").read_bytes())["status"] == "annotated"
    return Annotated(outcome, text, metrics, out)


# --- Checking outputs ----------------------------------------------------------------------------


def decompressed(data: bytes) -> bytes:
    """Return the text of a plain, gzip or BGZF file."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def split(text: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return header lines and record lines, each with its line end."""
    *whole, last = text.split(b"\n")
    lines = [line + b"\n" for line in whole] + ([last] if last else [])
    place = next(index for index, line in enumerate(lines) if line.startswith(b"#CHROM"))
    return lines[: place + 1], lines[place + 1 :]


def check_lossless(original: bytes, annotated: bytes) -> None:
    """Assert that an annotated VCF is its original, with nothing but our additions."""
    old_header, old_records = split(original)
    new_header, new_records = split(annotated)
    ours = len(new_header) - len(old_header)
    assert ours == len(TAG_IDS) + 1
    assert new_header[: len(old_header) - 1] == old_header[:-1]
    assert new_header[-1] == old_header[-1]
    assert all(
        line.startswith((b"##INFO=<ID=ENS_", b"##ensembl_")) for line in new_header[-ours - 1 : -1]
    )
    assert len(new_records) == len(old_records)
    for old, new in zip(old_records, new_records, strict=True):
        if old != new:
            _check_record(old, new)


def _check_record(old: bytes, new: bytes) -> None:
    old_columns, new_columns = old.split(b"\t"), new.split(b"\t")
    assert len(old_columns) == len(new_columns)
    for index, (before, after) in enumerate(zip(old_columns, new_columns, strict=True)):
        if index == 2 and before != after:
            added = after if before in (b".", b"") else _added(before, after, b";")
            assert re.match(rb"[^;\s]+", added), (before, after)
        elif index == 7 and before != after:
            last = index + 1 == len(old_columns)
            end = re.search(rb"\r?\n?$" if last else rb"$", before)
            assert end is not None and after.endswith(end[0])
            value = before[: end.start()]
            changed = after[: len(after) - len(end[0])]
            bare = value in (b".", b"") or value.endswith(b";")
            added = changed if value == b"." else _added(value, changed, b"" if bare else b";")
            keys = {entry.partition(b"=")[0].decode() for entry in added.split(b";")}
            assert keys <= set(TAG_IDS), (before, after)
        else:
            assert before == after


def _added(before: bytes, after: bytes, joint: bytes) -> bytes:
    assert after.startswith(before + joint), (before, after)
    return after[len(before + joint) :]


def check_metrics(metrics: dict[str, Any]) -> None:
    """Assert that the counts of an annotation fit each other."""
    unmatched = sum(metrics[f"num_{reason}"] for reason in REASONS)
    matched = metrics["num_exact"] + metrics["num_shifted"]
    assert matched + unmatched == metrics["num_alleles"] + metrics["num_no_alt"]
    # Sequences on contigs that were looked up, whose bases are Ensembl's or not.
    not_there = ("allele_differs", "site_unknown", "ref_mismatch")
    compared = matched + sum(metrics[f"num_{reason}"] for reason in not_there)
    assert metrics["num_compared"] == compared
    share = 100 * matched / compared if compared else 0
    assert metrics["annotated_percent"] == pytest.approx(share, abs=0.001)


def check_outputs(
    original: bytes, vcf: Path, parquet: Path | None, metrics: dict[str, Any]
) -> bytes:
    """Assert that the outputs are whole and hold every record; return the annotated text."""
    assert has_eof_block(vcf)
    text = gzip.decompress(vcf.read_bytes())
    check_lossless(original, text)
    check_metrics(metrics)
    records = split(original)[1]
    assert metrics["num_records"] == len(records)
    if parquet is not None:
        table = pq.read_table(parquet)
        alts = [line.split(b"\t")[4].split(b",") for line in records]
        assert table["record"].to_pylist() == [
            number for number, found in enumerate(alts) for _ in found
        ]
        known = sum(item is not None for item in table["ens_id"].to_pylist())
        assert known == metrics["num_exact"] + metrics["num_shifted"]
    return text


def bgzf(data: bytes) -> bytes:
    """Return `data` as BGZF."""
    return compress_bgzf(data)
