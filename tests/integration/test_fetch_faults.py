"""What fetch does with a mirror, a cache or a folder that is not as it should be.

Every error is one clear message, exit code 1 or 2, and the store that was there stays as it was.
"""

from __future__ import annotations

import errno
import functools
import gzip
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ensembl_annotations.fetch import Layout, ensure_manifest
from ensembl_annotations.fetch.verify import bsd_sum
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_bgzf
from tests.support.fault_server import Step, fault_server
from tests.support.mirror import HEADER
from tests.support.nginx import free_port, nginx
from tests.support.vcf import (
    MIRROR,
    RELEASE,
    Outcome,
    build_store,
    invoke,
    run,
    small_disk,
    snapshot,
)

LAYOUT = Layout("homo_sapiens", "GRCh38", RELEASE)
CHR21, CHR22 = "homo_sapiens-chr21.vcf.gz", "homo_sapiens-chr22.vcf.gz"
CHRMT = "homo_sapiens-chrMT.vcf.gz"
FASTA_MT = LAYOUT.fasta_name("MT")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A download cache of one's own, no proxy, and no waiting between attempts."""
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("ensembl_annotations.fetch.mirrors.pause", lambda *_: None)
    return tmp_path / "cache"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A copy of a part of the embedded mirror, to be damaged."""
    base = tmp_path / "mirror"
    for folder, names in (
        (LAYOUT.vcf_folder, (CHR21, CHR22, CHRMT)),
        (LAYOUT.fasta_folder, (FASTA_MT,)),
    ):
        (base / folder).mkdir(parents=True)
        for name in names:
            shutil.copyfile(MIRROR / folder / name, base / folder / name)
        describe(base / folder)
    return base


def describe(folder: Path) -> None:
    """Write CHECKSUMS that fit the files of a folder."""
    lines = []
    for path in sorted(folder.glob("*.gz")):
        checksum, blocks = bsd_sum(path)
        lines.append(f"{checksum:05d} {blocks:5d} {path.name}\n")
    (folder / "CHECKSUMS").write_text("".join(lines))


def vcfs(mirror: Path) -> Path:
    return mirror / LAYOUT.vcf_folder


def fetch_arguments(mirror: object, out: Path, *options: object) -> list[object]:
    """Return arguments that fetch; a later option replaces an earlier one."""
    return [
        *("fetch", "--base-url", mirror, "--release", RELEASE, "--species", "homo_sapiens"),
        *("--assembly", "GRCh38", "--chromosomes", "21,22", "--out", out),
        *("--metrics", out.parent / "metrics.json", "--run-metrics", out.parent / "run.json"),
        *options,
    ]


def refused(
    mirror: object, folder: Path, *words: str, options: tuple[object, ...] = (), code: int = 1
) -> Outcome:
    """Assert that fetching fails as the contract says, over a store and where there is none."""
    for name in ("old", "new"):
        place = folder / "places" / name
        place.mkdir(parents=True)
        if name == "old":
            write_old_store(place / "store")
        before = snapshot(place)
        outcome = invoke(*fetch_arguments(mirror, place / "store", *options))
        outcome.failed(*words, code=code)
        after = snapshot(place)
        if code == 1:
            assert json.loads(after.pop("run.json"))["status"] == "failed"
        after.pop("run.json", None)
        assert after == before
    return outcome


@functools.cache
def old_store() -> dict[str, bytes]:
    """Return the files of a store that a fetch would replace."""
    with tempfile.TemporaryDirectory() as folder:
        return snapshot(build_store(Path(folder), ["MT"]))


def write_old_store(folder: Path) -> None:
    folder.mkdir()
    for name, content in old_store().items():
        (folder / name).write_bytes(content)


def fetched(mirror: object, out: Path, *options: object) -> dict[str, object]:
    """Assert that fetching succeeds and leaves only what it should; return figures of the run."""
    out.parent.mkdir(exist_ok=True)
    invoke(*fetch_arguments(mirror, out, *options)).succeeded()
    beside = {path.name for path in out.parent.iterdir()}
    assert {name for name in beside if name.startswith(".")} == set()
    invoke("verify", out).succeeded()
    figures: dict[str, object] = json.loads((out.parent / "run.json").read_bytes())
    return figures


# --- Mirrors -------------------------------------------------------------------------------------

Damage = Callable[[Path], object]


def checksums(text: str | bytes) -> Damage:
    content = text.encode() if isinstance(text, str) else text
    return lambda mirror: (vcfs(mirror) / "CHECKSUMS").write_bytes(content)


def wrong_checksum(mirror: Path) -> None:
    path = vcfs(mirror) / "CHECKSUMS"
    lines = path.read_text().splitlines()
    place = next(index for index, line in enumerate(lines) if CHR21 in line)
    number, rest = lines[place].split(maxsplit=1)
    lines[place] = f"{(int(number) + 1) % 65536:05d} {rest}"
    path.write_text("\n".join(lines) + "\n")


def wrong_size(by: int) -> Damage:
    def damage(mirror: Path) -> None:
        path = vcfs(mirror) / "CHECKSUMS"
        checksum, blocks = bsd_sum(vcfs(mirror) / CHR21)
        others = [line for line in path.read_text().splitlines() if CHR21 not in line]
        path.write_text("\n".join([f"{checksum:05d} {blocks + by} {CHR21}", *others, ""]))

    return damage


def published_as(content: Callable[[bytes], bytes], name: str = CHR21) -> Damage:
    """Replace a file and describe it, so that only its content is wrong."""

    def damage(mirror: Path) -> None:
        path = vcfs(mirror) / name
        path.write_bytes(content(path.read_bytes()))
        describe(vcfs(mirror))

    return damage


def with_rows(*rows: str) -> bytes:
    return compress_bgzf((HEADER + "".join(rows)).encode())


HTML = "<!DOCTYPE html>\n<html><title>404 Not Found</title></html>\n"
LONG_ROWS = [f"21\t{10 * pos}\trs{pos}\tA\tG\t.\t.\tdbSNP_156;TSA=SNV\n" for pos in range(1, 5001)]

DAMAGED: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "no folder": (shutil.rmtree, ("no such folder", "mirror")),
    "an empty folder": (
        lambda mirror: shutil.rmtree(mirror / f"release-{RELEASE}"),
        ("CHECKSUMS", "not found"),
    ),
    "CHECKSUMS is a page": (checksums(HTML), ("CHECKSUMS, line 1", "<!DOCTYPE html>", "page")),
    "CHECKSUMS is empty": (checksums(""), ("CHECKSUMS", "no variation file")),
    "CHECKSUMS is binary": (checksums(gzip.compress(b"x" * 99, mtime=0)), ("CHECKSUMS, line 1",)),
    "CHECKSUMS is of other files": (checksums("00001 1 README\n"), ("no variation file",)),
    "CHECKSUMS with a number of 5000 digits": (
        checksums(f"{'1' * 5000} 1 {CHR21}\n"),
        ("CHECKSUMS, line 1",),
    ),
    **{
        f"CHECKSUMS names {name}": (
            checksums(f"00001 1 README\n00001 1 {name}\n"),
            ("CHECKSUMS, line 2", "path", "refused"),
        )
        for name in (f"../{CHR21}", f"/tmp/{CHR21}", f"x/{CHR21}", "..", f"..\\{CHR21}")
    },
    "a file is missing": (
        lambda mirror: (vcfs(mirror) / CHR21).unlink(),
        (CHR21, "not found"),
    ),
    "wrong checksum": (wrong_checksum, (CHR21, "checksum differs", "fetch it again")),
    "smaller than said": (wrong_size(1), (CHR21, "size differs", "KiB")),
    "larger than said": (wrong_size(-1), (CHR21, "more than", "KiB")),
    "not gzip": (published_as(lambda _: HTML.encode()), (CHR21, "not a gzip file")),
    "empty": (published_as(lambda _: b""), (CHR21, "not a gzip file")),
    "gzip of a page": (published_as(lambda _: gzip.compress(HTML.encode())), (CHR21, "#CHROM")),
    "gzip of nothing": (published_as(lambda _: gzip.compress(b"")), (CHR21, "#CHROM")),
    "a header that stops": (
        published_as(lambda _: gzip.compress(HEADER.rpartition("#CHROM")[0].encode())),
        (CHR21, "#CHROM"),
    ),
    "gzip cut": (
        published_as(lambda data: gzip.compress(gzip.decompress(data))[:-300]),
        (CHR21, "cut or corrupt"),
    ),
    "gzip with a wrong CRC": (
        published_as(lambda data: gzip.compress(gzip.decompress(data))[:-8] + bytes(8)),
        (CHR21, "cut or corrupt"),
    ),
    "BGZF without its end": (
        published_as(lambda data: compress_bgzf(gzip.decompress(data))[: -len(EOF_BLOCK)]),
        (CHR21, "truncated", "end-of-file block"),
    ),
    "BGZF cut in a block, then ended": (
        published_as(lambda _: with_rows(*LONG_ROWS)[:5000] + EOF_BLOCK),
        (CHR21, "cut or corrupt"),
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_mirror(name: str, mirror: Path, tmp_path: Path) -> None:
    damage, words = DAMAGED[name]
    damage(mirror)
    refused(mirror, tmp_path, *words)


def test_without_variation_what_has_sequences_can_be_fetched(mirror: Path, tmp_path: Path) -> None:
    (vcfs(mirror) / "CHECKSUMS").unlink()
    refused(mirror, tmp_path / "first", "CHECKSUMS: not found", "has a folder of homo_sapiens")
    shutil.rmtree(vcfs(mirror))
    refused(mirror, tmp_path, "21", "MT", "No variation is published", code=2)
    out = tmp_path / "store"
    done = invoke(*fetch_arguments(mirror, out, "--chromosomes", "MT", "--quiet")).succeeded()
    assert "variation/vcf/homo_sapiens: not published; the reference has no variants" in done.stderr
    shutil.rmtree(mirror / LAYOUT.fasta_folder)
    refused(mirror, tmp_path / "none", "CHECKSUMS", "not found")


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--release", "999", "release-999"),
        ("--species", "mus_musculus", "mus_musculus"),
        ("--assembly", "GRCh37", "grch37"),
    ],
)
def test_what_the_mirror_does_not_have(
    option: str, value: str, word: str, mirror: Path, tmp_path: Path
) -> None:
    refused(mirror, tmp_path, word, "not found", "Check the release", options=(option, value))


@pytest.mark.parametrize("names", ["23", "chr211", "21,5", "21,all"])
def test_a_chromosome_that_is_not_published(names: str, mirror: Path, tmp_path: Path) -> None:
    last = names.rsplit(",", maxsplit=1)[-1]
    words = ("chromosomes", last, "21, 22, MT")
    refused(mirror, tmp_path, *words, options=("--chromosomes", names), code=2)


@pytest.mark.parametrize("names", ["", "21,,22", "21,21", "../21", "21 22"])
def test_chromosomes_that_are_no_names(names: str, mirror: Path, tmp_path: Path) -> None:
    refused(mirror, tmp_path, "chromosomes", options=("--chromosomes", names), code=2)


@pytest.mark.parametrize("source", ["", "a\nb", "../x", "-x", "a b", "a\x1b[2J", "é"])
def test_a_source_that_is_no_name(source: str, mirror: Path, tmp_path: Path) -> None:
    words = ("source: expected letters, digits", repr(source))
    refused(mirror, tmp_path, *words, options=("--source", source), code=2)


@pytest.mark.parametrize("url", ["http://[::1", "http://", "ftp://host/pub", "https://a b/"])
def test_an_address_that_is_none(url: str, tmp_path: Path) -> None:
    refused(url, tmp_path, url.removeprefix("ftp://")[:5])


def test_a_name_that_leaves_the_cache(mirror: Path, tmp_path: Path, cache: Path) -> None:
    outcome = invoke(*fetch_arguments(mirror, tmp_path / "s", "--species", "../../../x"))
    outcome.failed("'../../../x'", "is not a name", code=2)
    assert not (tmp_path / "s").exists()


# --- Rows ----------------------------------------------------------------------------------------

BAD_ROWS = {
    "a column too few": b"21\t5\trs5\tA\tG\t.\tdbSNP_156\n",
    "a column too many": b"21\t5\trs5\tA\tG\t.\t.\tdbSNP_156\tx\n",
    "an empty line": b"\n",
    "POS is a word": b"21\tx\trs5\tA\tG\t.\t.\tdbSNP_156\n",
    "POS is too large": b"21\t4294967296\trs5\tA\tG\t.\t.\tdbSNP_156\n",
    "another chromosome": b"22\t5\trs5\tA\tG\t.\t.\tdbSNP_156\n",
    "no ID": b"21\t5\t.\tA\tG\t.\t.\tdbSNP_156\n",
    "not UTF-8": b"21\t5\trs\xff\tA\tG\t.\t.\tdbSNP_156\n",
}


def mirror_with(mirror: Path, good: int, bad: list[bytes]) -> None:
    text = HEADER.encode() + "".join(LONG_ROWS[:good]).encode() + b"".join(bad)
    (vcfs(mirror) / CHR21).write_bytes(compress_bgzf(text))
    describe(vcfs(mirror))


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_set_aside(name: str, mirror: Path, tmp_path: Path) -> None:
    mirror_with(mirror, 3, [BAD_ROWS[name]])
    fetched(mirror, tmp_path / "store", "--chromosomes", "21")
    assert json.loads((tmp_path / "metrics.json").read_bytes())["num_quarantined"] == 1
    lines = gzip.decompress((tmp_path / "store" / "quarantine.tsv.gz").read_bytes()).splitlines()
    assert len(lines) == 2
    number = len(HEADER.splitlines()) + 4
    assert lines[1].startswith(f"{CHR21}\t{number}\t".encode())


@pytest.mark.parametrize(
    ("good", "bad", "works"), [(990, 10, True), (989, 11, False), (988, 11, True), (2, 500, True)]
)
def test_one_percent_of_a_thousand_rows_may_be_bad(
    good: int, bad: int, works: bool, mirror: Path, tmp_path: Path
) -> None:
    rows = list(BAD_ROWS.values())
    mirror_with(mirror, good, [rows[index % len(rows)] for index in range(bad)])
    if works:
        fetched(mirror, tmp_path / "store", "--chromosomes", "21")
        assert json.loads((tmp_path / "metrics.json").read_bytes())["num_quarantined"] == bad
    else:
        line = len(HEADER.splitlines()) + good + 1
        words = (CHR21, f"{bad} of {good + bad}", "1 %", f"line {line}")
        refused(mirror, tmp_path, *words, options=("--chromosomes", "21"))


@pytest.mark.parametrize(
    "maf", ["0_1", " 0.5", "\u0660.\u0665", "NaN", "1e-400", "+0.5", "-0", "0x1", ""]
)
def test_a_frequency_that_is_odd_ends_in_a_store_that_can_be_used(
    maf: str, mirror: Path, tmp_path: Path
) -> None:
    row = f"21\t5000401\trs5\tG\tA\t.\t.\tdbSNP_156;TSA=SNV;MA=A;MAF={maf};MAC=5\n"
    (vcfs(mirror) / CHR21).write_bytes(with_rows(row))
    describe(vcfs(mirror))
    fetched(mirror, tmp_path / "store", "--chromosomes", "21")
    vcf = tmp_path / "in.vcf"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    record = "21\t5000401\t.\tG\tA\t.\t.\t."
    contig = "##contig=<ID=21,length=46709983>"
    vcf.write_text(f"##fileformat=VCFv4.2\n{contig}\n{columns}\n{record}\n")
    invoke(
        *("annotate", "--vcf", vcf, "--reference", tmp_path / "store"),
        *("--out-vcf", tmp_path / "out.vcf.gz", "--out-parquet", tmp_path / "out.parquet"),
    ).succeeded()
    assert pq.read_table(tmp_path / "out.parquet")["ens_id"].to_pylist() == [["rs5"]]


# --- Sequences -----------------------------------------------------------------------------------

BAD_FASTA: dict[str, tuple[bytes, str]] = {
    "another sequence": (b">22 dna\nACGT\n", "MT"),
    "no header": (b"ACGT\n", "MT"),
    "empty": (b"", "MT"),
    "two sequences": (b">MT dna\nACGT\n>MT2 dna\nACGT\n", "more than one"),
    "a byte that is no letter": (b">MT dna\nAC\xffGT\n", "no letter"),
    "a byte that is no letter, far in": (b">MT dna\n" + b"A" * 70_000 + b"\xff\n", "no letter"),
    "a byte that is no letter, early": (b">MT dna\n\xff" + b"A" * 70_000 + b"\n", "no letter"),
}


@pytest.mark.parametrize("name", BAD_FASTA)
def test_a_bad_sequence(name: str, mirror: Path, tmp_path: Path) -> None:
    text, word = BAD_FASTA[name]
    (mirror / LAYOUT.fasta_folder / FASTA_MT).write_bytes(gzip.compress(text))
    describe(mirror / LAYOUT.fasta_folder)
    refused(mirror, tmp_path, FASTA_MT, word, options=("--chromosomes", "MT", "--fasta"))


def test_a_sequence_that_is_cut(mirror: Path, tmp_path: Path) -> None:
    path = mirror / LAYOUT.fasta_folder / FASTA_MT
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()))[:-9])
    describe(path.parent)
    options = ("--chromosomes", "MT", "--fasta")
    refused(mirror, tmp_path, FASTA_MT, "cut or corrupt", options=options)


def test_a_sequence_that_is_not_published_is_left_out_and_said(
    mirror: Path, tmp_path: Path
) -> None:
    done = invoke(*fetch_arguments(mirror, tmp_path / "store")).succeeded()
    assert "exact only on 21, 22: no sequence is published" in done.stderr
    assert "exact only on 21, 22," in done.stdout
    package = json.loads((tmp_path / "store" / "datapackage.json").read_bytes())
    assert package["exact_only_on"] == ["21", "22"]
    assert json.loads((tmp_path / "metrics.json").read_bytes())["exact_only_on"] == "21, 22"


def test_sequences_that_are_none_of_these_are_no_error(tmp_path: Path) -> None:
    """A species whose variation is one file has no sequence of that name; the manifest works."""
    layout = Layout("mus_musculus", "GRCm39", RELEASE)
    row = "1\t5\trs5\tA\tG\t.\t.\tdbSNP_156;TSA=SNV\n"
    for folder, name in (
        (layout.vcf_folder, "mus_musculus.vcf.gz"),
        (layout.fasta_folder, layout.fasta_name("1")),
    ):
        (tmp_path / "mouse" / folder).mkdir(parents=True)
        (tmp_path / "mouse" / folder / name).write_bytes(with_rows(row))
        describe(tmp_path / "mouse" / folder)
    manifest = ensure_manifest([str(tmp_path / "mouse")], layout, tmp_path / "manifest.json")
    assert [file.name for file in manifest.vcf] == ["mus_musculus.vcf.gz"]
    assert manifest.fasta == ()


# --- The folder of the store ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"notes.txt": b"mine"},
        {".hidden": b"mine"},
        {"sub/notes.txt": b"mine"},
        {"datapackage.json": b'{"name": "survey", "resources": []}', "survey.csv": b"mine"},
        {"datapackage.json": b"not even JSON", "survey.csv": b"mine"},
    ],
    ids=["a file", "a hidden file", "a folder", "another data package", "a broken package"],
)
def test_a_folder_of_something_else_is_not_replaced(
    content: dict[str, bytes], mirror: Path, tmp_path: Path
) -> None:
    """`datapackage.json` is the name of a general standard: others have files of that name."""
    out = tmp_path / "place" / "store"
    for name, data in content.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    before = snapshot(tmp_path / "place")
    outcome = invoke(*fetch_arguments(mirror, out))
    after = snapshot(tmp_path / "place")
    after.pop("run.json")
    assert after == before
    outcome.failed(str(out), "not a reference store", "--out")


def test_a_store_with_files_of_others_is_refused(mirror: Path, tmp_path: Path) -> None:
    out = tmp_path / "place" / "store"
    fetched(mirror, out)
    (out / "notes.txt").write_text("mine")
    before = snapshot(out)
    invoke(*fetch_arguments(mirror, out)).failed("has files of others (notes.txt)", "--out")
    assert snapshot(out) == before


def test_a_store_that_is_a_file(mirror: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    out.write_text("mine")
    invoke(*fetch_arguments(mirror, out)).failed(str(out), "not a reference store")
    assert out.read_text() == "mine"


def test_an_empty_folder_is_used(mirror: Path, tmp_path: Path) -> None:
    out = tmp_path / "place" / "store"
    out.mkdir(parents=True)
    fetched(mirror, out)


def test_folders_are_made(mirror: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "place" / "store"
    invoke(*fetch_arguments(mirror, out)).succeeded()
    invoke("verify", out).succeeded()


def test_a_folder_below_a_file(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "store"
    invoke("fetch", "--base-url", mirror, "--release", RELEASE, "--out", out).failed("file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("first", [True, False], ids=["empty", "a store"])
def test_the_current_folder(
    first: bool, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands in it would stand in a folder that is gone."""
    out = tmp_path / "place" / "store"
    if first:
        out.mkdir(parents=True)
    else:
        fetched(mirror, out)
    before = snapshot(out)
    monkeypatch.chdir(out)
    outcome = invoke("fetch", "--base-url", mirror, "--release", RELEASE, "--out", ".")
    outcome.failed("is the folder you are in", "--out")
    assert snapshot(out) == before


def test_a_link_to_the_folder(mirror: Path, tmp_path: Path) -> None:
    """The store may lie on another disk: the link stays."""
    real = tmp_path / "disk" / "store"
    fetched(mirror, real)
    link = tmp_path / "place" / "store"
    link.parent.mkdir()
    link.symlink_to(real)
    invoke(*fetch_arguments(mirror, link, "--chromosomes", "21")).succeeded()
    assert link.is_symlink()
    assert real.is_dir()
    assert "1 file verified" in invoke("verify", link).succeeded().stdout
    assert [path.name for path in link.parent.rglob(".*")] == []


def test_a_swap_that_fails_puts_the_old_store_back(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "place" / "store"
    fetched(mirror, out)
    before = snapshot(out)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if Path(target) == out and (self / "homo_sapiens-chrMT.parquet").exists():
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    invoke(*fetch_arguments(mirror, out, "--chromosomes", "MT")).failed("Input/output error")
    assert snapshot(out) == before
    assert [path.name for path in out.parent.glob(".*")] == []


def test_no_room_for_the_store(mirror: Path, tmp_path: Path) -> None:
    codes = []
    for pages in (2, 3, 5, 7, 40):
        with small_disk(tmp_path / f"room{pages}", pages * 4096) as place:
            outcome = invoke(
                *("fetch", "--base-url", mirror, "--release", RELEASE, "--chromosomes", "21,22"),
                *("--out", place / "store"),
            )
            found = snapshot(place)
        codes.append(outcome.code)
        if outcome.code:
            outcome.failed(str(place), "the disk is full")
            assert found == {}
    assert codes[0] == 1
    assert codes[-1] == 0


def test_no_room_for_the_download(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "room", 4096) as place:
        monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(place))
        refused(mirror, tmp_path, "disk is full")


def test_a_read_only_place(mirror: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as place:
        write_old_store(place / "store")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        before = snapshot(place)
        outcome = invoke(
            *("fetch", "--base-url", mirror, "--release", RELEASE, "--chromosomes", "21"),
            *("--out", place / "store"),
        )
        assert snapshot(place) == before
    outcome.failed("permission denied")


@pytest.mark.parametrize("option", ["--metrics", "--run-metrics"])
def test_figures_that_can_not_be_written(option: str, mirror: Path, tmp_path: Path) -> None:
    """Known before the work begins, so that no store appears in a run that fails."""
    place = tmp_path / "place"
    place.mkdir()
    outcome = invoke(
        *("fetch", "--base-url", mirror, "--release", RELEASE, "--chromosomes", "21"),
        *("--out", place / "store", option, tmp_path),
    )
    outcome.failed(str(tmp_path), "is a folder", "Give a file name")
    assert snapshot(place) == {}


# --- The download cache --------------------------------------------------------------------------


def cached_files(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.vcf.gz"))


def test_cached_then_forced(mirror: Path, tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "place" / "store"
    first = fetched(mirror, out)
    assert (first["status"], first["num_downloaded"]) == ("downloaded", 2)
    size = sum((vcfs(mirror) / name).stat().st_size for name in (CHR21, CHR22))
    assert first["downloaded_bytes"] == size
    before = snapshot(out)
    second = fetched(mirror, out)
    assert (second["status"], second["downloaded_bytes"]) == ("cached", 0)
    assert snapshot(out) == before
    forced = fetched(mirror, out, "--force")
    assert (forced["status"], forced["downloaded_bytes"]) == ("downloaded", size)
    assert snapshot(out) == before
    more = fetched(mirror, out, "--chromosomes", "21,22,MT")
    assert (more["status"], more["num_downloaded"]) == ("downloaded", 2)


def test_what_is_cached_needs_no_file_of_the_mirror(mirror: Path, tmp_path: Path) -> None:
    fetched(mirror, tmp_path / "a" / "store")
    (vcfs(mirror) / CHR21).unlink()
    assert fetched(mirror, tmp_path / "b" / "store")["status"] == "cached"
    assert snapshot(tmp_path / "a" / "store") == snapshot(tmp_path / "b" / "store")


RUIN: dict[str, Callable[[Path], object]] = {
    "a byte changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "empty": lambda path: path.write_bytes(b""),
    "removed": lambda path: path.unlink(),
    "no receipt": lambda path: path.with_name(f"{path.name}.json").unlink(),
    "a receipt that is no JSON": lambda path: path.with_name(f"{path.name}.json").write_bytes(b"{"),
    "a receipt that is a list": lambda path: path.with_name(f"{path.name}.json").write_text("[]"),
    "a receipt that is null": lambda path: path.with_name(f"{path.name}.json").write_text("null"),
    "a receipt without a size": lambda path: path.with_name(f"{path.name}.json").write_text(
        '{"sha256": "x", "bytes": null}'
    ),
    "an old part": lambda path: (
        path.with_name(f"{path.name}.part").write_bytes(b"x"),
        path.unlink(),
    ),
}


@pytest.mark.parametrize("name", RUIN)
def test_a_ruined_cache_entry_is_fetched_again(
    name: str, mirror: Path, tmp_path: Path, cache: Path
) -> None:
    out = tmp_path / "place" / "store"
    fetched(mirror, out)
    before = snapshot(out)
    [path] = [path for path in cached_files(cache) if path.name == CHR21]
    RUIN[name](path)
    again = fetched(mirror, out)
    assert (again["status"], again["num_downloaded"]) == ("downloaded", 1)
    assert snapshot(out) == before
    assert path.read_bytes() == (vcfs(mirror) / CHR21).read_bytes()


def test_a_cache_that_is_a_file(mirror: Path, tmp_path: Path, cache: Path) -> None:
    cache.write_text("mine")
    refused(mirror, tmp_path, "cache")
    assert cache.read_text() == "mine"


def test_what_failed_is_not_cached(mirror: Path, tmp_path: Path, cache: Path) -> None:
    good = (vcfs(mirror) / CHR21).read_bytes()
    (vcfs(mirror) / CHR21).write_bytes(good[:-1] + b"x")
    refused(mirror, tmp_path, "checksum differs")
    (vcfs(mirror) / CHR21).write_bytes(good)
    fetched(mirror, tmp_path / "place" / "store")


# --- Several mirrors -----------------------------------------------------------------------------


def a_missing_mirror(folder: Path) -> str:
    return str(folder / "nowhere")


def an_empty_mirror(folder: Path) -> str:
    (folder / "empty").mkdir()
    return str(folder / "empty")


def a_refused_connection(folder: Path) -> str:
    return f"http://127.0.0.1:{free_port()}"


def another_mirror(damage: Damage) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        copy = Path(shutil.copytree(folder / "mirror", folder / "second"))
        damage(copy)
        return str(copy)

    return make


def spoilt(mirror: Path) -> None:
    path = vcfs(mirror) / CHR21
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def without_sequences(mirror: Path) -> None:
    shutil.rmtree(mirror / LAYOUT.fasta_folder)


BROKEN: dict[str, Callable[[Path], str]] = {
    "missing": a_missing_mirror,
    "empty": an_empty_mirror,
    "refused": a_refused_connection,
    "a file spoilt": another_mirror(spoilt),
    "a file missing": another_mirror(lambda mirror: (vcfs(mirror) / CHR21).unlink()),
    "CHECKSUMS is a page": another_mirror(checksums(HTML)),
    "CHECKSUMS is empty": another_mirror(checksums("")),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("sequences", [True, False], ids=["sequences", "no-sequences"])
@pytest.mark.parametrize("place", [0, 1], ids=["first", "second"])
def test_one_of_two_mirrors_is_broken(
    name: str, sequences: bool, place: int, mirror: Path, tmp_path: Path
) -> None:
    broken = BROKEN[name](tmp_path)
    if not sequences:
        without_sequences(mirror)
    mirrors = [str(mirror)]
    mirrors.insert(place, broken)
    out = tmp_path / "place" / "store"
    fetched(mirrors[0], out, "--base-url", mirrors[1])


def test_both_mirrors_are_broken(mirror: Path, tmp_path: Path) -> None:
    broken = BROKEN["a file spoilt"](tmp_path)
    spoilt(mirror)
    refused(mirror, tmp_path, CHR21, "checksum differs", options=("--base-url", broken))


# --- Over HTTP -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real web server with the embedded mirror; its address."""
    locations = f"""
    location /good/ {{ alias {MIRROR}/; }}
    location /error/ {{ return 500; }}
    location /page/ {{ default_type text/html; return 200 "<!DOCTYPE html><p>Sign in first"; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /good/$1 redirect; }}
    location /forbidden/ {{ deny all; }}
    """
    base = tmp_path_factory.mktemp("web")
    (base / "root").mkdir()
    with nginx(base / "server", base / "root", locations) as server:
        yield server.url


WITH_SEQUENCE = ("--chromosomes", "22,MT", "--fasta")


@pytest.fixture(scope="module")
def from_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path]:
    """What is fetched from the mirror's folder: figures of the run, and where it is."""
    base = tmp_path_factory.mktemp("from-folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(base / "cache"))
        return fetched(MIRROR, base / "b" / "store", *WITH_SEQUENCE), base / "b"


@pytest.mark.parametrize("path", ["good", "good/", "moved"])
def test_http_gives_the_same_bytes_as_the_folder(
    path: str, web: str, tmp_path: Path, from_folder: tuple[dict[str, object], Path]
) -> None:
    over_http = fetched(f"{web}/{path}", tmp_path / "a" / "store", *WITH_SEQUENCE)
    expected, folder = from_folder
    assert over_http["status"] == expected["status"] == "downloaded"
    assert over_http["downloaded_bytes"] == expected["downloaded_bytes"]
    assert snapshot(tmp_path / "a" / "store") == snapshot(folder / "store")
    metrics = [json.loads((at / "metrics.json").read_bytes()) for at in (tmp_path / "a", folder)]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", ("404", "CHECKSUMS")),
        ("good/x", ("404", "CHECKSUMS")),
        ("error", ("500", "CHECKSUMS")),
        ("forbidden", ("403", "CHECKSUMS")),
        ("page", ("CHECKSUMS, line 1", "<!DOCTYPE html>", "page")),
    ],
)
def test_http_that_does_not_work(
    path: str, words: tuple[str, ...], web: str, tmp_path: Path
) -> None:
    refused(f"{web}/{path}", tmp_path, *words)


def test_http_as_the_second_mirror(web: str, tmp_path: Path) -> None:
    fetched(f"{web}/error", tmp_path / "place" / "store", "--base-url", f"{web}/good")


def test_a_refused_connection_in_a_process_of_its_own(tmp_path: Path) -> None:
    """With the real pauses between attempts."""
    (tmp_path / "place").mkdir()
    url = f"http://127.0.0.1:{free_port()}"
    outcome = run(*fetch_arguments(url, tmp_path / "place" / "store"))
    outcome.failed(url, "connection")
    assert list(snapshot(tmp_path / "place")) == ["run.json"]


BREAKING: dict[str, tuple[str, Step, tuple[str, ...]]] = {
    # name: (what of the mirror, what the server does to it, words)
    "cut": (CHR21, Step(stop_after=500, ranges=False), (CHR21, "ended early")),
    "no length, cut": (
        CHR21,
        Step(has_length=False, stop_after=500, ranges=False),
        (CHR21, "size differs"),
    ),
    "endless": (CHR21, Step(has_length=False, endless=True), (CHR21, "more than", "KiB")),
    "list cut": ("CHECKSUMS", Step(stop_after=40), ("CHECKSUMS", "ended early")),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_connection_that_breaks(name: str, tmp_path: Path) -> None:
    file, step, words = BREAKING[name]
    files = {
        f"/{path.relative_to(MIRROR).as_posix()}": path.read_bytes()
        for path in (MIRROR / LAYOUT.vcf_folder).iterdir()
    }
    with fault_server(files) as server:
        server.always = {f"/{LAYOUT.vcf_folder}/{file}": step}
        refused(server.url, tmp_path, *words)
        server.always = {}
        fetched(server.url, tmp_path / "place" / "store")
