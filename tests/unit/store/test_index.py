"""The index of a store: it finds what a store without one finds, or is refused."""

from __future__ import annotations

import json
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ensembl_annotations.store.index as index
import ensembl_annotations.store.scan as scan
from ensembl_annotations import ReferenceStoreError, UsageError, lookup, scan_reference, write_index
from ensembl_annotations.project.verification import verify_reference
from ensembl_annotations.store.describe import ReferenceStore, footer_sha256
from tests.support.store import snv, write_store
from tests.support.vcf import invoke

C = pl.col

# The key of this name is that of an rs number on another chromosome.
NAME = "COSV1"
SAME_KEY = zlib.crc32(NAME.encode())
HIGH = (1 << 32) - 1
CHROMOSOMES = {
    name: [
        snv(pos, "A>C" if pos % 2 else "G>T", (pos * 7919 + shift) % 601 if pos % 5 else 0, **more)
        for pos in range(1, 601)
        for more in ({"name": f"COSV{pos}"} if pos % 5 == 0 else {},)
    ]
    for name, shift in (("1", 0), ("2", 5))
}
CHROMOSOMES["1"] += [snv(900, "A>C", SAME_KEY), snv(901, "A>C", HIGH), snv(902, "A>C", 7)]
CHROMOSOMES["2"] += [
    snv(900, "A>C", 0, name=NAME),
    snv(901, "A>C", 0, name="rs0"),
    snv(902, "A>C", 7),
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ensembl_annotations.store.write.ROW_GROUP_ROWS", 50)
        patch.setattr("ensembl_annotations.store.write.PAGE_ROWS", 20)
        return write_store(tmp_path_factory.mktemp("plain") / "store", CHROMOSOMES)


@pytest.fixture(scope="module")
def indexed(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(plain, tmp_path_factory.mktemp("indexed") / "store")
    with pytest.MonkeyPatch.context() as patch:
        # Many parts, and many row groups with the same key in two of them.
        patch.setattr(index, "_PART_BITS", 8)
        patch.setattr(index, "_ROW_GROUP_ROWS", 5)
        write_index(folder)
    return folder


@pytest.fixture
def own(indexed: Path, tmp_path: Path) -> Path:
    """Return a store that a test may change, with its index."""
    shutil.copytree(f"{indexed}.index", tmp_path / "store.index")
    return shutil.copytree(indexed, tmp_path / "store")


CONDITIONS = [
    *(C("id") == f"rs{number}" for number in range(1, 601, 17)),
    *(C("rs") == number for number in (7, 8, 600, 601, SAME_KEY, HIGH)),
    C("id") == f"rs{SAME_KEY}",
    C("id") == NAME,
    C("id") == "rs0",
    C("id") == "none",
    C("id").is_in(["rs7", NAME, "rs9999", "COSV25", None]),
    C("rs").is_in([7, 8, 9, HIGH]),
    (C("id") == "rs7") & (C("pos") > 899) & (C("chrom") == "2"),
    (C("rs") == 7) & (C("rs") == 8),
    C("id").is_in([]),
    C("rs") == 0,
    C("rs") > 590,
]


@pytest.mark.parametrize("columns", [None, ["pos", "clin"]], ids=str)
def test_the_index_finds_what_is_found_without_one(
    plain: Path, indexed: Path, columns: list[str] | None
) -> None:
    with_index, whole = scan_reference(indexed), scan_reference(plain).collect()
    for condition in CONDITIONS:
        given, expected = with_index.filter(condition), whole.filter(condition)
        if columns is not None:
            given, expected = given.select(columns), expected.select(columns)
        assert given.collect().equals(expected), condition


def test_only_row_groups_with_the_id_are_read(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int]] = []
    real = scan.RowGroups.read

    def note(
        self: scan.RowGroups, groups: Iterable[int], *args: object, **more: object
    ) -> pa.Table:
        read.extend((Path(self.where).name, group) for group in groups)
        return real(self, groups, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(scan.RowGroups, "read", note)
    monkeypatch.setattr(scan, "_rows", None)
    found = scan_reference(indexed).filter(id=f"rs{HIGH}").collect()
    assert found["pos"].to_list() == [901]
    assert [name for name, _ in read] == ["ids.parquet", "homo_sapiens-chr1.parquet"]


@pytest.mark.parametrize(("count", "is_indexed"), [(40, True), (41, False), (2000, False)])
def test_ids_are_looked_up_in_the_index_unless_they_are_many_for_the_chromosomes(
    count: int, is_indexed: bool, indexed: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []
    real = index.Index.find
    monkeypatch.setattr(
        index.Index, "find", lambda self, keys: found.append(keys) or real(self, keys)
    )
    condition = C("id").is_in([f"rs{number}" for number in range(1, count + 1)])
    rows = scan_reference(indexed).filter(condition).collect()
    assert rows.equals(scan_reference(plain).filter(condition).collect())
    assert bool(found) == is_indexed


def test_of_what_the_index_finds_here_only_ids_are_read_by_row_groups(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To decode the other columns of 60 row groups would take seconds."""
    read: list[str] = []
    real = scan.RowGroups.read

    def note(
        self: scan.RowGroups, groups: Iterable[int], columns: Iterable[str], **more: object
    ) -> pa.Table:
        read.extend(columns)
        return real(self, groups, columns, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(scan.RowGroups, "read", note)
    names = [f"rs{number}" for number in range(1, 41)]
    assert len(scan_reference(indexed).filter(C("id").is_in(names)).collect()) > 40
    assert set(read) == {"key", "group", "rs", "name"}


def test_chromosomes_that_are_not_indexed_are_looked_through(own: Path) -> None:
    write_index(own, "2")
    assert not Path(f"{own}.index/homo_sapiens-chr1.parquet.footer.xz").exists()
    assert lookup("rs7", own)["chrom"].to_list() == ["1", "1", "2", "2"]
    with pytest.raises(UsageError, match="X: not among"):
        write_index(own, "X")


def test_a_store_of_which_a_file_is_missing_is_not_indexed(own: Path) -> None:
    (own / "homo_sapiens-chr2.parquet").unlink()
    before = Path(f"{own}.index/index.json").read_bytes()
    with pytest.raises(ReferenceStoreError, match=r"chr2\.parquet is missing"):
        write_index(own)
    assert Path(f"{own}.index/index.json").read_bytes() == before
    write_index(own, "1")
    assert len(lookup("rs7", own, chromosomes="1")) == 2


def test_the_index_of_another_store_is_refused(own: Path) -> None:
    package = json.loads((own / "datapackage.json").read_bytes())
    (own / "datapackage.json").write_text(json.dumps(package | {"source": "other"}))
    with pytest.raises(
        ReferenceStoreError, match=r"is the index of another reference.*ensembl-annotations index"
    ):
        scan_reference(own)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"reference_sha256": "x"}', '{"first_row_group": [], "ids": {}}']
)
def test_what_is_no_index_is_refused(own: Path, content: str) -> None:
    Path(f"{own}.index/index.json").write_text(content)
    with pytest.raises(ReferenceStoreError, match=r"index\.json: is no index"):
        scan_reference(own)


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _cut(path: Path, _: int) -> None:
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize(("damage", "at"), [(_flip, 40), (_flip, -30), (_cut, 0)])
def test_an_altered_index_is_an_error(
    own: Path, damage: Callable[[Path, int], None], at: int
) -> None:
    ids = Path(f"{own}.index/ids.parquet")
    damage(ids, at)
    Path(f"{ids}.footer.xz").unlink()
    with pytest.raises(ReferenceStoreError, match=r"ids\.parquet: "):
        scan_reference(own).filter(C("rs") < 5, id="rs1").collect()
    problems, _ = verify_reference(ReferenceStore(own))
    assert [str(item) for item in problems if "ids.parquet" in item.name]


def test_verify_finds_an_index_of_another_store(own: Path) -> None:
    assert verify_reference(ReferenceStore(own))[0] == []
    content = json.loads(Path(f"{own}.index/index.json").read_bytes())
    Path(f"{own}.index/index.json").write_text(json.dumps(content | {"reference_sha256": "0" * 64}))
    with pytest.raises(ReferenceStoreError, match="another reference"):
        verify_reference(ReferenceStore(own))


@pytest.mark.parametrize("packed", [b"", b"none", lzma.compress(b"other")])
def test_a_packed_footer_that_is_not_the_file_s_is_not_used(own: Path, packed: bytes) -> None:
    for path in Path(f"{own}.index").glob("*.footer.xz"):
        path.write_bytes(packed)
    assert len(lookup("rs7", own)) == 4


@pytest.mark.parametrize("moved", [0, 99])
def test_an_index_that_disagrees_with_the_store_is_an_error(own: Path, moved: int) -> None:
    """Whole in itself, of this store, and wrong: an ID in another row group than it says."""
    ids = Path(f"{own}.index/ids.parquet")
    table = pq.read_table(ids)
    groups = [
        moved if key == HIGH else group for key, group in zip(*map(pa.Array.to_pylist, map(pa.ChunkedArray.combine_chunks, table.columns)), strict=True)
    ]  # fmt: skip
    pq.write_table(
        pa.table([table.column(0), pa.array(groups, pa.uint32())], schema=table.schema), ids
    )
    content = json.loads(Path(f"{own}.index/index.json").read_bytes())
    content["ids"] |= {"bytes": ids.stat().st_size, "footer_sha256": footer_sha256(ids)}
    Path(f"{own}.index/index.json").write_text(json.dumps(content))
    assert len(lookup("rs7", own)) == 4
    with pytest.raises(ReferenceStoreError, match=rf"does not have the IDs \(such as {HIGH}\)"):
        lookup(f"rs{HIGH}", own)


def test_a_store_without_variants_can_be_indexed(tmp_path: Path) -> None:
    store = write_store(
        tmp_path / "store", {"1": [snv(1, "A>C", 5)], "2": []} | {"2": [snv(1, "A>C", 0)]}
    )
    write_index(store)
    assert lookup("rs5", store)["chrom"].to_list() == ["1"]
    assert lookup("rs6", store)["reason"].to_list() == ["id_unknown"]


def test_the_command_writes_an_index_again(own: Path) -> None:
    before = {path.name: path.read_bytes() for path in Path(f"{own}.index").iterdir()}
    done = invoke("index", own).succeeded()
    assert done.stdout.startswith(f"Wrote {own}.index: ")
    after = {path.name: path.read_bytes() for path in Path(f"{own}.index").iterdir()}
    assert after.keys() == before.keys()
    invoke("index", own).succeeded()
    assert {path.name: path.read_bytes() for path in Path(f"{own}.index").iterdir()} == after
