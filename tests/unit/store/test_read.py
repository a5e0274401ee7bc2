"""The files of a store, opened for look-ups, and what becomes of a store that changes meanwhile."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import psutil
import pyarrow.parquet as pq
import pytest

from ensembl_annotations import annotate_frame, annotate_vcf
from ensembl_annotations._kernel import (
    BadFile,
    Contig,
    Settings,
    Table,
    annotated,
    contig_runs,
)
from ensembl_annotations.annotate import annotate
from ensembl_annotations.annotate.text import Additions
from ensembl_annotations.common.errors import ReferenceStoreError
from ensembl_annotations.common.pool import limited_threads
from ensembl_annotations.compare.carried import carried_alleles
from ensembl_annotations.store import read, write
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.read import Reference
from ensembl_annotations.vcf.bgzf import compress_bgzf
from ensembl_annotations.vcf.read import VcfReader
from tests.support.store import snv, write_store

BASES = b"ACGTNACGTACGTRA"
ROWS = [snv(pos, "A>C", pos) for pos in range(1, 101)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with row groups of 25 rows, and pages of 5."""
    chromosomes = {"21": ROWS, "22": [snv(5, "A>C", 8)]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "ROW_GROUP_ROWS", 25)
        patch.setattr(write, "PAGE_ROWS", 5)
        return write_store(tmp_path_factory.mktemp("read") / "store", chromosomes, {"21": BASES})


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> ReferenceStore:
    """Return a copy that a test may alter."""
    return ReferenceStore(shutil.copytree(folder, tmp_path / "own"))


@pytest.fixture
def reference(own: ReferenceStore) -> Iterator[Reference]:
    with Reference(own) as opened:
        yield opened


def ids(table: Table, *positions: int) -> list[int]:
    """Return the rs at positions of an A>C; 0 where there is none."""
    text = "".join(f"21\t{pos}\t.\tA\tC\t.\t.\t.\n" for pos in positions).encode()
    contig = Contig(table.handle, None, None, None, -1, 0)
    with annotated(text, Settings(8, tags=1), [contig], [0] * len(contig_runs(text))) as result:
        lines = bytes(result.text).decode().splitlines()
    found = [line.split("\t")[7].removeprefix("ENS_ID=rs") for line in lines]
    return [0 if value == "." else int(value) for value in found]


def test_a_chromosome_has_its_own_files_each_opened_once(reference: Reference) -> None:
    table, other, sequence = (
        reference.table("21"),
        reference.table("22"),
        reference.sequence("21"),
    )
    assert table is not None and other is not None and sequence is not None
    assert (table.num_rows, other.num_rows, sequence.num_bases) == (100, 1, 15)
    assert ids(table, 1, 50, 100, 101) == [1, 50, 100, 0]
    assert ids(other, 5, 6) == [8, 0]
    assert reference.table("21") is table and reference.sequence("21") is sequence
    assert reference.table("X") is None and reference.sequence("22") is None
    assert (reference.has("22"), reference.has("X")) == (True, False)


def test_bases_are_those_of_the_sequence(reference: Reference) -> None:
    sequence = reference.sequence("21")
    assert sequence is not None
    assert sequence.bases(0, 15) == b"ACGTNACGTACGTNA"
    assert sequence.bases(-2, 4) == b"NNAC"
    assert sequence.bases(13, 5) == b"NANNN"
    assert sequence.bases(1000, 2) == b"NN"
    assert sequence.bases(3, 0) == b""


def test_only_pages_that_are_touched_are_read(own: ReferenceStore) -> None:
    """What is altered elsewhere is not even seen."""
    resource = own.resource("21")
    assert resource is not None
    about = pq.read_metadata(resource.path)
    assert about.num_row_groups == 4
    # All columns of the last row group.
    last = [about.row_group(3).column(number) for number in range(about.num_columns)]
    begin = min(item.dictionary_page_offset or item.data_page_offset for item in last)
    content = bytearray(resource.path.read_bytes())
    end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[begin:end] = bytes(end - begin)
    resource.path.write_bytes(content)
    with Reference(own) as reference:
        table = reference.table("21")
        assert table is not None
        assert ids(table, 1, 30, 75) == [1, 30, 75]
        with pytest.raises(BadFile):
            ids(table, 76)


@pytest.mark.skipif(sys.platform != "linux", reason="the system counts no reads there")
def test_what_is_published_of_a_row_takes_few_reads(tmp_path: Path) -> None:
    """Not one for each page of each column; and not all of the row group either."""
    at_random = Random(1)
    rows = [
        snv(
            pos,
            "A>C",
            at_random.randrange(1, 1 << 31),
            mac=at_random.randrange(500),
            aa=at_random.choice("ACGT"),
            ma=at_random.choice("ACGT"),
            tsa=at_random.choice(("SNV", "indel")),
        )
        for pos in range(1, 50_001)
    ]
    with Reference(ReferenceStore(write_store(tmp_path / "store", {"21": rows}))) as reference:
        table = reference.table("21")
        assert table is not None
        before = psutil.Process().io_counters()
        assert ids(table, 30_000) == [rows[29_999]["rs"]]
        after = psutil.Process().io_counters()
    # Two of them are those that ask for the counters; rs has seven pages, each in blocks of its own.
    assert after.read_count - before.read_count <= 20
    assert after.read_chars - before.read_chars < 200_000


def test_a_file_that_was_replaced_is_refused(own: ReferenceStore) -> None:
    resource, other = own.resource("21"), own.resource("22")
    assert resource is not None and other is not None
    resource.path.write_bytes(other.path.read_bytes())
    with (
        Reference(own) as reference,
        pytest.raises(ReferenceStoreError, match="was replaced while the store was in use"),
    ):
        reference.table("21")


def test_a_store_that_is_replaced_later_is_not_mixed_with_the_new_one(
    own: ReferenceStore, reference: Reference
) -> None:
    table, resource = reference.table("21"), own.resource("21")
    assert table is not None and resource is not None
    resource.path.unlink()
    resource.path.write_bytes(b"another store's")
    assert ids(table, 7) == [7]


def test_what_was_checked_is_what_is_looked_up(own: ReferenceStore, reference: Reference) -> None:
    """Each file is opened once, and stays the one that was checked."""
    reference.check()
    for item in own.resources:
        item.path.unlink()
    reference.check()
    table, sequence = reference.table("21"), reference.sequence("21")
    assert table is not None and sequence is not None
    assert (ids(table, 7), sequence.bases(0, 4)) == ([7], b"ACGT")


def test_a_file_that_is_written_to_after_its_check_is_refused(
    own: ReferenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another store whose pages have the same places, as ``cp`` writes it: their checksums are right."""
    other = write_store(tmp_path / "other", {"22": [snv(5, "A>C", 9)]})
    item = own.resource("22")
    assert item is not None
    os.utime(item.path, (1, 1))
    vcf, out = tmp_path / "a.vcf", tmp_path / "b.vcf"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    vcf.write_text(f"##fileformat=VCFv4.2\n{columns}\n22\t5\t.\tA\tC\t.\t.\t.\n")
    check = Reference.check

    def checked(self: Reference, *names: Any) -> None:
        check(self, *names)
        shutil.copyfile(other / item.path.name, item.path)

    monkeypatch.setattr(Reference, "check", checked)
    message = r"chr22\.parquet: was replaced while the store was in use: it was written to"
    with pytest.raises(ReferenceStoreError, match=message):
        annotate_vcf(vcf, own.folder, out_vcf=out, assembly="GRCh38")
    assert not out.exists()
    os.utime(item.path, (1, 1))
    frame = pl.DataFrame({"chrom": ["22"], "pos": [5], "ref": ["A"], "alt": ["C"]})
    with pytest.raises(ReferenceStoreError, match=message):
        annotate_frame(frame, own.folder)
    monkeypatch.undo()
    with Reference(ReferenceStore(own.folder)) as reference:
        reference.check()
        assert reference.is_current()
        os.utime(item.path, (2, 2))
        assert not reference.is_current()
        with pytest.raises(ReferenceStoreError, match=message):
            reference.check_current()


def test_whoever_looks_up_asks_whether_the_store_was_written_to(
    own: ReferenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcf, table = tmp_path / "a.vcf.gz", Reference.table
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    text = f"##fileformat=VCFv4.2\n{columns}\n22\t5\t.\tA\tC\t.\t.\t.\n"
    vcf.write_bytes(compress_bgzf(text.encode()))

    def written_to(self: Reference, chromosome: str) -> Table | None:
        found, item = table(self, chromosome), own.resource("22")
        assert item is not None
        os.utime(item.path, (1, next(times)))
        return found

    times = itertools.count(1)
    monkeypatch.setattr(read, "_IDLE_SEC", 0.1)
    monkeypatch.setattr(read, "_KEPT", read._Kept())
    monkeypatch.setattr(Reference, "table", written_to)
    message = "was replaced while the store was in use: it was written to"
    with pytest.raises(ReferenceStoreError, match=message):
        carried_alleles(vcf, own)
    with VcfReader(vcf) as reader:
        (part,) = reader.parts_of(1 << 20)
    request = annotate._Request(vcf, own.folder, None, Additions(), "allele", False, False)
    with pytest.raises(ReferenceStoreError, match=message):
        annotate.annotate_part(annotate._PartTask(vcf, part), request, None, 1500, 1 << 20)
    # The next task opens the files again.
    monkeypatch.setattr(Reference, "table", table)
    answer = annotate.annotate_part(annotate._PartTask(vcf, part), request, None, 1500, 1 << 20)
    assert b"ENS_ID=rs8;" in bytes(answer.pieces[0].text)


def test_of_many_files_few_stay_open(own: ReferenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_MOST_KEPT", 1)
    before = psutil.Process().num_fds()
    with Reference(own) as reference:
        reference.check()
        assert psutil.Process().num_fds() == before + 1
        assert reference.table("22") is not None
    missing = own.resource("22")
    assert missing is not None
    missing.path.unlink()
    with (
        Reference(own) as reference,
        pytest.raises(ReferenceStoreError, match=r"not complete: .*chr22\.parquet is missing"),
    ):
        reference.check()


@pytest.fixture
def few_files() -> Iterator[None]:
    """Let this process open no more than six files."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, most[1]))
    with suppress(OSError):
        while True:
            taken.append(os.dup(0))
    for number in taken[-6:]:
        os.close(number)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, most)
    for number in taken[:-6]:
        os.close(number)


def test_files_that_were_only_checked_make_room(tmp_path: Path, few_files: None) -> None:
    names = [str(number) for number in range(1, 17)]
    store = ReferenceStore(
        write_store(
            tmp_path / "store", {name: [snv(5, "A>C", rs)] for rs, name in enumerate(names, 1)}
        )
    )
    with limited_threads(2), Reference(store) as reference:
        reference.check()
        for name in ("16", "1", "12", "5"):
            table = reference.table(name)
            assert table is not None
            assert ids(table, 5) == [int(name)]
        with pytest.raises(OSError, match="Too many open files"):
            [reference.table(name) for name in names]


def test_a_store_is_not_told_to_be_incomplete_where_too_many_files_are_open(
    own: ReferenceStore, few_files: None
) -> None:
    with ExitStack() as stack, Reference(own) as reference:
        for _ in range(6):
            stack.enter_context(own.resources[0].path.open("rb"))
        with pytest.raises(OSError, match="Too many open files"):
            reference.check()
        with pytest.raises(OSError, match="Too many open files"):
            own.check()


def test_a_file_that_the_system_does_not_give_is_told_with_why(own: ReferenceStore) -> None:
    item = own.resources[0]
    item.path.unlink()
    item.path.mkdir()
    expected = r"not complete: homo_sapiens-chr21\.parquet can't be used: Is a directory"
    for check in (own.check, Reference(own).check):
        with pytest.raises(ReferenceStoreError, match=expected):
            check()


def test_files_of_a_genome_are_checked_several_at_a_time_and_told_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(number) for number in range(1, 9)]
    store = ReferenceStore(
        write_store(tmp_path / "store", {name: [snv(5, "A>C", 8)] for name in names})
    )
    both, opened = threading.Barrier(2), read.open_resource

    def together(*arguments: Any) -> Any:
        both.wait(10)
        return opened(*arguments)

    monkeypatch.setattr(read, "open_resource", together)
    with limited_threads(2), Reference(store) as reference:
        reference.check()
    monkeypatch.undo()
    for name in ("7", "2"):
        item = store.resource(name)
        assert item is not None
        item.path.write_bytes(b"cut")
    with (
        Reference(store) as reference,
        pytest.raises(ReferenceStoreError, match=r"chr2\.parquet has 3 .*chr7\.parquet has 3 "),
    ):
        reference.check()


def test_what_is_altered_is_told_with_what_to_do(reference: Reference) -> None:
    with (
        pytest.raises(
            ReferenceStoreError, match=r"chr22\.parquet: can't be read \(why\)"
        ) as caught,
        reference.explained(),
    ):
        raise BadFile(1, "why")
    assert "ensembl-annotations verify" in str(caught.value.hint)


def test_tasks_share_a_reference_that_is_renewed_and_closed(
    own: ReferenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "_IDLE_SEC", 0.2)
    kept = read.kept_reference(own.folder)
    assert read.kept_reference(own.folder) is kept
    table = kept.table("21")
    assert table is not None
    # Another store in its place: a task that has the former one goes on with it.
    write_store(tmp_path / "other", {"21": [snv(7, "A>C", 70)]})
    own.folder.rename(tmp_path / "former")
    (tmp_path / "other").rename(own.folder)
    renewed = read.kept_reference(own.folder)
    second = renewed.table("21")
    assert second is not None
    assert (ids(table, 7), ids(second, 7)) == ([7], [70])
    # When no task has come for a while, nothing of it is open.
    former, now = weakref.ref(kept), weakref.ref(renewed)
    del kept, renewed
    limit = time.monotonic() + 10
    while former() or now():
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert not [item for item in psutil.Process().open_files() if str(tmp_path) in item.path]
