"""The row groups of the annotated table."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembl_annotations import UsageError, annotate_frame, annotate_vcf
from ensembl_annotations.annotate import table as table_module
from ensembl_annotations.annotate.table import TableWriter, num_bytes
from ensembl_annotations.variants.alleles import IUPAC
from ensembl_annotations.variants.schema import result_schema
from tests.support.allele_keys import allele_key
from tests.support.store import snv, write_store
from tests.support.vcf import SAMPLE, build_store, invoke


def rows_of(writer: TableWriter, ids: list[str | None]) -> pa.Table:
    columns = {
        field.name: pa.nulls(len(ids), field.type)
        if field.nullable
        else pa.array([0] * len(ids)).cast(pa.string()).cast(field.type)
        if not pa.types.is_boolean(field.type)
        else pa.array([False] * len(ids))
        for field in writer.schema
    }
    return pa.table({**columns, "id": pa.array(ids, pa.string())}, schema=writer.schema)


def groups(path: Path, ids: list[str | None], step: int) -> list[int]:
    writer = TableWriter(path, {}, [], genotypes=False)
    whole = rows_of(writer, ids)
    for begin in range(0, len(ids), step):
        writer.add(whole.slice(begin, step))
    writer.finish()
    file = pq.ParquetFile(path)
    assert file.read()["id"].to_pylist() == ids
    return [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]


def test_long_texts_end_a_row_group_however_rows_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "ROW_GROUP_BYTES", 1000)
    monkeypatch.setattr(table_module, "ROW_GROUP_ROWS", 10)
    # 35 short rows, then 5 of 400 bytes, one longer than a row group, and 2 short ones.
    ids = [None, *["x"] * 34, *["y" * 400] * 5, "z" * 5000, "x", None]
    expected = [10, 10, 10, 8, 3, 2]
    assert sum(expected) == len(ids)
    for step in (1, 2, 3, 7, 11, 100):
        assert groups(tmp_path / f"{step}.parquet", ids, step) == expected, step
        # No empty one behind the last.
        assert groups(tmp_path / f"{step}.parquet", [None] * 20, step) == [10, 10], step


def test_the_bytes_do_not_depend_on_how_rows_are_added(tmp_path: Path) -> None:
    # More names than a dictionary has room for: the rest are plain, from the end of a batch on.
    def content(step: int) -> bytes:
        writer = TableWriter(tmp_path / "out.parquet", {}, [], genotypes=False)
        whole = rows_of(writer, [None] * 100_000)
        names = pa.array([[f"rs{number}"] for number in range(10**8, 10**8 + len(whole))])
        column = writer.schema.get_field_index("ens_id")
        whole = whole.set_column(column, writer.schema.field(column), names)
        for begin in range(0, len(whole), step):
            writer.add(whole.slice(begin, step))
        writer.finish()
        return (tmp_path / "out.parquet").read_bytes()

    assert content(15_001) == content(9_000) == content(100_000)


def test_each_column_is_written_as_it_takes_least(tmp_path: Path) -> None:
    annotate_vcf(SAMPLE, build_store(tmp_path), out_parquet=tmp_path / "a.parquet")
    group = pq.read_metadata(tmp_path / "a.parquet").row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    written = {column.path_in_schema: {*column.encodings} for column in columns}
    rising = {name for name, how in written.items() if "DELTA_BINARY_PACKED" in how}
    assert rising == {"record", "pos"}
    plain = {name for name, how in written.items() if "RLE_DICTIONARY" not in how}
    flags = {"ens_multi.list.element", "ens_par"}
    names = {"id", "ens_key", "ens_id.list.element", "ens_site_id.list.element"}
    names |= {"ens_hgvsc", "ens_csq.list.element.hgvsc"}
    assert plain - rising - flags == {"qual", *names}
    ranged = {column.path_in_schema for column in columns if column.statistics is not None}
    assert {"chrom", "pos", "ens_key", "ens_af"} <= ranged
    assert not {"filter", "zygosity", "ens_id.list.element", "ens_match.list.element"} & ranged


def test_words_are_texts_to_who_reads_them(tmp_path: Path) -> None:
    """They are written by their number in the kernel, which nobody else has."""
    annotate_vcf(SAMPLE, build_store(tmp_path), out_parquet=tmp_path / "a.parquet")
    kept, declared = (
        pq.read_schema(tmp_path / "a.parquet"),
        result_schema(with_genotype=True, with_genes=True),
    )
    types = [(item.name, str(item.type).replace("element", "item")) for item in kept]
    assert types == [(item.name, str(item.type)) for item in declared]
    assert kept.field("zygosity").metadata[b"description"].startswith(b"het; hom")
    table = pl.read_parquet(tmp_path / "a.parquet")
    for name in ("zygosity", "ens_af_why", "ens_reason"):
        assert table.schema[name] == pl.String, name
        assert len({*table[name]} - {None}) > 1, name
    assert table.schema["ens_match"] == pl.List(pl.String)


def test_texts_and_lists_count_as_they_are_and_slices_as_what_they_show() -> None:
    table = pa.table(
        {
            "pos": pa.array([1, 2, 3]),
            "id": pa.array(["abc", None, "ü"]),
            "terms": pa.array([["ab", None], None, []], pa.list_(pa.string())),
            "ad": pa.array([None, [1, 2], [3]], pa.list_(pa.int32())),
        }
    )
    assert [num_bytes(table.slice(row, 1)) for row in range(3)] == [5, 8, 6]
    assert num_bytes(table.slice(1)) == num_bytes(table.slice(1).combine_chunks()) == 8 + 6
    assert num_bytes(pa.concat_tables([table, table.slice(2)])) == 5 + 8 + 6 + 6
    assert num_bytes(table.slice(3)) == 0


# --- Keys ----------------------------------------------------------------------------------------


def key_of(chrom: str, pos: int, ref: str, alt: str | None) -> str | None:
    """Return the key as text, from that of one allele at a time."""
    if alt is None or not set(f"{ref}{alt}".upper()) <= set(IUPAC):
        return None
    start, deleted, inserted = allele_key(pos, ref, alt)
    if not deleted + inserted or "N" in inserted:
        return None
    known = {**{name: name for name in [*map(str, range(1, 23)), "X", "Y", "MT"]}, "M": "MT"}
    contig = known.get(chrom.removeprefix("chr"), chrom)
    return f"{contig}-{start + 1}-{deleted}-{inserted}"


def test_each_alt_has_its_key_as_text(tmp_path: Path) -> None:
    annotate_vcf(SAMPLE, build_store(tmp_path), out_parquet=tmp_path / "a.parquet")
    table = pl.read_parquet(tmp_path / "a.parquet")
    expected = [
        None if reason == "contig_refused" else key_of(*row)
        for *row, reason in table.select("chrom", "pos", "ref", "alt", "ens_reason").iter_rows()
    ]
    assert table["ens_key"].to_list() == expected
    kinds = table.filter(pl.col("ens_key").is_not_null())["ens_key"].str.split("-").list
    assert {
        len(parts) for parts in kinds.eval(pl.element().filter(pl.element() == "")).to_list()
    } == {0, 1}


def test_all_spellings_of_an_allele_have_one_key(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {"21": [snv(300, "A>G", 4)]})
    spelt = [
        ("21", 300, "A", "G"), ("chr21", 300, "a", "g"), ("NC_000021.9", 299, "TAC", "TGC"), ("21", 299, "TA", "TG"),
        ("21", 95, "CGC", "C"), ("chr21", 94, "ACG", "A"), ("21", 100, "T", "TA"), ("21", 101, "C", "AC"),
        ("21", 5, "A", "<DEL>"), ("21", 5, "A", "A"), ("21", 5, "A", "*"), ("21", 5, "A", "N"), ("X", 5, "AC", "GT"),
    ]  # fmt: skip
    found = annotate_frame(pl.DataFrame(spelt, ["chrom", "pos", "ref", "alt"], orient="row"), store)
    assert found["ens_key"].to_list() == [
        *["21-300-A-G"] * 4, *["21-95-CG-"] * 2, *["21-101--A"] * 2, *[None] * 4, "X-5-AC-GT",
    ]  # fmt: skip


def test_a_contig_that_is_another_sequence_has_no_key(tmp_path: Path) -> None:
    """A key of hg19's chrM would be taken for one of MT."""
    store = write_store(tmp_path / "store", {"MT": [snv(300, "A>G", 4)]})
    for length, key in ((16569, "MT-300-A-G"), (16571, None)):
        lines = ["##fileformat=VCFv4.2", f"##contig=<ID=chrM,length={length}>"]
        lines += [
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
            "chrM\t300\t.\tA\tG\t.\t.\t.",
            "",
        ]
        (tmp_path / "m.vcf").write_text("\n".join(lines))
        annotate_vcf(
            tmp_path / "m.vcf", store, out_parquet=tmp_path / "m.parquet", assembly="GRCh38"
        )
        assert pl.read_parquet(tmp_path / "m.parquet")["ens_key"].to_list() == [key]


# --- Columns that are asked for --------------------------------------------------------------------

COHORT = """##fileformat=VCFv4.5
##contig=<ID=21>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB
21\t300\t.\tA\tG,C\t.\t.\tAC=1,2;DB\tGT:AD:DP\t0|1:3,4,0:7\t./.
21\t301\t.\tA\t.\t.\t.\t.\tGT\t0/0\t0/0
"""


def test_info_and_calls_are_there_on_request(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {"21": [snv(300, "A>G", 4)]})
    (tmp_path / "c.vcf").write_text(COHORT)
    out = tmp_path / "c.parquet"
    annotate_vcf(tmp_path / "c.vcf", store, out_parquet=out, assembly="GRCh38")
    assert not {"info", "calls"} & set(pq.read_schema(out).names)
    assert b"samples" not in pq.read_metadata(out).metadata
    done = invoke(
        "annotate", "--vcf", tmp_path / "c.vcf", "--reference", store, "--out-parquet", out,
        "--out-tsv", tmp_path / "c.tsv", "--columns", "calls, info", "--assembly", "GRCh38",
    )  # fmt: skip
    done.succeeded()
    table = pl.read_parquet(out)
    assert table["info"].to_list() == ["AC=1,2;DB", "AC=1,2;DB", None]
    called = {"sample": "A", "gt": "0|1", "dp": 7, "gq": None, "ad": [3, 4, 0]}
    open_ = {"sample": "B", "gt": "./.", "dosage": None, "dp": None, "gq": None, "ad": None}
    assert table["calls"].to_list()[:2] == [
        [called | {"dosage": 1}, open_], [called | {"dosage": 0}, open_],
    ]  # fmt: skip
    assert json.loads(pq.read_metadata(out).metadata[b"samples"]) == ["A", "B"]
    head, first, *_ = (tmp_path / "c.tsv").read_text().splitlines()
    row = dict(zip(head.split("\t"), first.split("\t"), strict=True))
    assert row["calls"] == "A|0%7C1|1|7||3&4&0,B|./.||||"
    carried = table.filter(pl.col("calls").list.eval(pl.element().struct["dosage"] > 0).list.any())
    assert carried["ens_key"].to_list() == ["21-300-A-G"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("inof", "'inof' is no column.*Did you mean 'info'"),
        (["x"], "'x' is no column.*Known: info, calls"),
    ],
)
def test_a_column_that_is_none_is_told(columns: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        annotate_vcf(SAMPLE, tmp_path, out_parquet=tmp_path / "o.parquet", columns=columns)
    with pytest.raises(UsageError, match="columns: expected out_parquet too"):
        annotate_vcf(SAMPLE, tmp_path, out_vcf=tmp_path / "o.vcf", columns="info")


def test_texts_of_structs_count_with_their_places() -> None:
    entries = pa.array([[{"a": "xyz", "b": "q"}, {"a": "", "b": None}], []])
    assert num_bytes(pa.table({"entries": entries})) == 4 + 2 * 2 * 8
