"""Consequences in the outputs: who is told, what is counted, and what is not called."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from ensembl_annotations import _kernel, annotate_vcf
from ensembl_annotations._kernel import MATCHED, BadFile, BadLine, Contig, Region, Room, Settings
from ensembl_annotations.annotate import memory
from ensembl_annotations.common.errors import InputError, ReferenceStoreError, UsageError
from ensembl_annotations.vcf.read import Piece
from tests.support.consequences import (
    Genome,
    random_transcripts,
    transcript,
    transcript_table,
)
from tests.support.genes import reverse_complement
from tests.support.store import snv, write_store

# A CDS of ATG GCC AAA TGG TAA between UTRs: bases 101 to 115 of 21.
CODING = "ATGGCCAAATGGTAA"
BASES = "C" * 100 + CODING + "C" * 9885
MODEL = transcript("21", [(91, 130)], cds_start=101, cds_end=115, canonical=True)
FAR = transcript(
    "21", [(3000, 3100)], transcript_id="ENST90000000002", gene_id="ENSG90000000002",
    symbol="DEMO|2,=;x", mane_select=True, canonical=True,
)  # fmt: skip
PROGRAM = Path(sys.executable).with_name("ensembl-annotations")
HEAD = "##fileformat=VCFv4.2\n##contig=<ID=21,length=10000>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consequences") / "store"
    genes = {"21": transcript_table([MODEL, FAR])}
    return write_store(folder, {"21": [snv(5, "C>A", 7)]}, {"21": BASES.encode()}, genes=genes)


def annotated(
    store: Path, folder: Path, lines: str, **options: Any
) -> tuple[dict[str, Any], list[str], pl.DataFrame]:
    vcf, out, table = folder / "in.vcf", folder / "out.vcf", folder / "out.parquet"
    vcf.write_text(HEAD + lines)
    figures = annotate_vcf(
        vcf,
        store,
        out_vcf=out,
        out_parquet=table,
        assembly="GRCh38",
        tally=folder / "t.json",
        **options,
    )
    infos = [line.split("\t")[7] for line in out.read_text().splitlines() if line[0] != "#"]
    return figures, infos, pl.read_parquet(table)


def test_a_plain_transcript_that_is_hit_is_told_beside_the_pick(
    store: Path, tmp_path: Path
) -> None:
    figures, (info,), table = annotated(store, tmp_path, "21\t110\t.\tT\tA\t.\t.\t.\n")
    assert info == (
        "ENS_CSQ=A|upstream_gene_variant|MODIFIER|DEMO&2&%3D%3Bx|ENSG90000000002|Transcript|ENST90000000002|lncRNA"
        "||||||||||2890|1||ENST90000000002.1|YES|1;"
        "ENS_WORST=missense_variant&ENSG90000000001&ENST90000000001"
    )
    row = table.row(0, named=True)
    assert row["ens_worst"] == "missense_variant&ENSG90000000001&ENST90000000001"
    assert (row["ens_gene"], row["ens_symbol"]) == ("ENSG90000000002", "DEMO&2&=%3Bx")
    assert row["ens_consequence"] == ["upstream_gene_variant"] and row["ens_impact"] == "MODIFIER"
    impacts = {name: figures[name] for name in figures if name.endswith("_impact")}
    assert impacts == {
        "num_high_impact": 0, "num_moderate_impact": 1, "num_low_impact": 0, "num_modifier_impact": 0,
    }  # fmt: skip


def test_all_transcripts_are_told_on_request(store: Path, tmp_path: Path) -> None:
    _, (info,), table = annotated(
        store, tmp_path, "21\t110\t.\tT\tA\t.\t.\tX=1\n", transcripts="all"
    )
    hit = (
        "A|missense_variant|MODERATE|DEMO1|ENSG90000000001|Transcript|ENST90000000001|protein_coding|1/1||"
        "ENST90000000001.1:c.10T>A|ENSP90000000001.1:p.Trp4Arg|20|10|4|W/R|Tgg/Agg||1|||YES|"
    )
    assert info.startswith(f"X=1;ENS_CSQ={hit},A|upstream")
    entries = table["ens_csq"][0].to_list()
    assert [entry["pick"] for entry in entries] == [None, "1"]
    fields = [value if isinstance(value, list) else value or "" for value in entries[0].values()]
    assert fields == [
        ["missense_variant"] if name == "missense_variant" else name for name in hit.split("|")
    ]


def test_each_alt_has_its_own_entries(store: Path, tmp_path: Path) -> None:
    lines = "21\t104\t.\tG\tA,GTT,<DEL>,*\t.\t.\t.\n"
    _, (info,), table = annotated(store, tmp_path, lines, transcripts="all")
    csq, worst = info.split(";")
    entries = [entry.split("|")[:2] for entry in csq.removeprefix("ENS_CSQ=").split(",")]
    assert entries == [
        ["A", "missense_variant"], ["A", "upstream_gene_variant"],
        ["GTT", "frameshift_variant"], ["GTT", "upstream_gene_variant"],
    ]  # fmt: skip
    where = "ENSG90000000001&ENST90000000001"
    assert worst == f"ENS_WORST=missense_variant&{where},frameshift_variant&{where},.,."
    assert table["ens_csq"].is_null().to_list() == [False, False, True, True]


def test_what_is_not_called_is_counted(store: Path, tmp_path: Path) -> None:
    lines = (
        "21\t102\t.\tGG\tG\t.\t.\t.\n21\t103\t.\tG\t<DEL>\t.\t.\t.\n21\t9990\t.\tC\tA\t.\t.\t.\n"
    )
    figures, infos, _ = annotated(store, tmp_path, lines)
    assert infos[:2] == [".", "."]
    assert (
        infos[2]
        == "ENS_CSQ=A|intergenic_variant|MODIFIER||||||||||||||||||||1;ENS_WORST=intergenic_variant"
    )
    assert figures["num_uncalled_ref"] == 1 and figures["num_symbolic"] == 1
    tally = json.loads((tmp_path / "t.json").read_text())
    assert tally["consequences"]["terms"] == {"intergenic_variant": 1}


def test_the_tally_names_genes_and_what_the_pick_hides(tmp_path: Path) -> None:
    """The picked transcript is only near; and 22 has no genes."""
    known = snv(110, "T>A", 7, clin="pathogenic", clin_certain=True)
    genes = {"21": transcript_table([MODEL, FAR])}
    store = write_store(
        tmp_path / "store",
        {"21": [known], "22": [snv(5, "C>A", 8)]},
        {"21": BASES.encode()},
        genes=genes,
    )
    lines = "21\t104\t.\tG\tGT\t.\t.\t.\n21\t110\t.\tT\tA\t.\t.\t.\n22\t5\t.\tC\tA\t.\t.\t.\n"
    annotated(store, tmp_path, lines)
    tally = json.loads((tmp_path / "t.json").read_text())
    assert tally["consequences"] == {
        "terms": {"frameshift_variant": 1, "missense_variant": 1},
        "genes": [{"gene": "ENSG90000000001", "symbol": "DEMO1", "high": 1, "moderate": 1}],
        "num_genes": 1,
        "unknown_on": ["22"],
    }
    (item,) = tally["certain"]["listed"]
    assert (item["gene"], item["hgvs"]) == (
        "DEMO|2,=;x".replace("|", "&").replace(",", "&").replace(";", "%3B"),
        "",
    )
    assert item["impact"] == "MODIFIER (MODERATE in ENST90000000001)"
    other = write_store(
        tmp_path / "other",
        {"21": [known]},
        {"21": BASES.encode()},
        genes={"21": transcript_table([MODEL])},
    )
    annotated(other, tmp_path, lines, chromosomes="21")
    tally = json.loads((tmp_path / "t.json").read_text())
    (item,) = tally["certain"]["listed"]
    assert (item["gene"], item["hgvs"], item["impact"]) == (
        "DEMO1", "ENSP90000000001.1:p.Trp4Arg", "MODERATE",
    )  # fmt: skip
    assert tally["consequences"]["unknown_on"] == []


def test_tags_and_their_lines_can_be_left_out(store: Path, tmp_path: Path) -> None:
    lines = "21\t110\t.\tT\tA\t.\t.\t.\n"
    _, (info,), table = annotated(store, tmp_path, lines, tags="id")
    assert info == "." and table["ens_worst"][0]
    assert "ENS_CSQ" not in (tmp_path / "out.vcf").read_text()
    _, (info,), _ = annotated(store, tmp_path, lines, tags="ENS_WORST")
    assert info.startswith("ENS_WORST=missense_variant")
    text = (tmp_path / "out.vcf").read_text()
    assert "Transcripts=pick" in text and "ID=ENS_CSQ" not in text


def test_a_reference_without_genes_gives_what_it_gave(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {"21": [snv(5, "C>A", 7)]}, {"21": BASES.encode()})
    figures, (info,), table = annotated(store, tmp_path, "21\t110\t.\tT\tA\t.\t.\t.\n")
    assert info == "." and not {"ens_csq", "ens_worst"} & {*table.columns}
    assert not [name for name in figures if name.endswith("_impact")]
    text = (tmp_path / "out.vcf").read_text()
    assert "ENS_CSQ" not in text and "Transcripts" not in text and "Tags=all" in text
    with pytest.raises(UsageError, match="expected a reference with genes for ENS_CSQ, ENS_WORST"):
        annotated(store, tmp_path, "21\t110\t.\tT\tA\t.\t.\t.\n", tags="consequence")


def test_genes_without_published_alleles_are_enough(tmp_path: Path) -> None:
    genes = {"21": transcript_table([MODEL])}
    store = write_store(tmp_path / "store", {}, {"21": BASES.encode()}, genes=genes)
    figures, (info,), _ = annotated(
        store, tmp_path, "21\t110\t.\tT\tA\t.\t.\t.\n", chromosomes="21"
    )
    assert "missense_variant" in info and figures["num_contig_absent"] == 1


@pytest.mark.parametrize("part", ["pages", "footer"])
def test_altered_genes_are_refused(part: str, store: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for path in store.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    path = own / "homo_sapiens-chr21.genes.parquet"
    data = bytearray(path.read_bytes())
    footer = int.from_bytes(data[-8:-4], "little")
    # The first byte of a text in the first page, or of the footer's statistics.
    place = data.index(b"ENST9") if part == "pages" else len(data) - 8 - footer // 2
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReferenceStoreError, match=r"chr21.genes.parquet"):
        annotated(own, tmp_path, "21\t110\t.\tT\tA\t.\t.\t.\n")


# ---- much to tell ----


def test_what_takes_too_much_memory_is_annotated_in_parts(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same is written, whatever the parts are; a line that is too much alone is refused."""
    lines = "".join(f"21\t{at}\t.\t{BASES[at - 1]}\tG,T\t.\t.\t.\n" for at in range(85, 100))
    names = ("out.vcf", "out.parquet", "t.json")
    annotated(store, tmp_path, lines, transcripts="all")
    whole = [(tmp_path / name).read_bytes() for name in names]
    room = _plan_bytes(monkeypatch, 3_000)
    annotated(store, tmp_path, lines, transcripts="all")
    assert [(tmp_path / name).read_bytes() for name in names] == whole
    head, rest = Piece(lines.encode(), 5, 9).cut(4)
    assert (head.data + rest.data, head.data.count(b"\n")) == (lines.encode(), 4)
    assert (head[1:3], rest[1:3], rest.is_line) == ((5, 9), (9, 13), False)
    room(500)
    message = r"line 4: bytes of consequences: expected at most \d+, found more"
    with pytest.raises(InputError, match=message) as caught:
        annotated(store, tmp_path, lines, transcripts="all")
    assert "--transcripts gene or pick" in (caught.value.hint or "")


def _plan_bytes(monkeypatch: pytest.MonkeyPatch, most: int) -> Callable[[int], None]:
    """Have a piece tell at most so much; return what sets another limit."""
    plan = memory.plan_pieces
    limit = [most]

    def planned(*args: Any, **options: Any) -> memory.Plan:
        return plan(*args, **options)._replace(most_told_bytes=limit[0], most_told_alone=limit[0])

    monkeypatch.setattr("ensembl_annotations.annotate.annotate.plan_pieces", planned)
    return lambda other: limit.__setitem__(0, other)


def test_thousands_of_transcripts_keep_the_budget(tmp_path: Path) -> None:
    """2,000 over one another: told of many records, of one with 3,000 ALTs, and of an allele of a million bases."""
    draw = random.Random(2)
    bases = "".join(draw.choices("ACGT", k=30_000))
    models = [
        transcript("21", [(5_000 + at, 9_000), (20_000, 25_000)], transcript_id=f"ENST{at:011}")
        for at in range(2_000)
    ]
    store = write_store(tmp_path / "store", {}, {"21": bases.encode()}, genes={"21": transcript_table(models)})  # fmt: skip
    vcf, metrics = tmp_path / "in.vcf", tmp_path / "run.json"

    def run(lines: str, transcripts: str) -> subprocess.CompletedProcess[str]:
        vcf.write_text(HEAD.replace("10000", "30000") + lines)
        options = ["--memory-mb", "400", "--run-metrics", metrics, "--transcripts", transcripts]
        command = [PROGRAM, "annotate", "--vcf", vcf, "--reference", store, "--out-vcf", tmp_path / "out.vcf.gz"]  # fmt: skip
        return subprocess.run(
            [*command, "--assembly", "GRCh38", *options],
            capture_output=True,
            text=True,
            check=False,
        )

    def line(at: int, *alts: str) -> str:
        return f"21\t{at}\t.\t{bases[at - 1]}\t{','.join(alts)}\t.\t.\t.\n"

    def inserted(at: int, length: int) -> str:
        return bases[at - 1] + "".join(draw.choices("ACGT", k=length))

    many = "".join(line(at, bases[at - 1] + "T") for at in range(8_000, 8_300))
    alts = line(8_000, *{inserted(8_000, 6) for _ in range(3_000)})
    long = line(10_000, inserted(10_000, 1_000_000))
    for lines, transcripts in ((many, "all"), (long, "pick"), (alts, "pick")):
        done = run(lines, transcripts)
        assert done.returncode == 0, done.stderr
        assert json.loads(metrics.read_bytes())["peak_memory_mb"] < 400
    for lines in (alts, long):
        done = run(lines, "all")
        assert done.returncode == 1
        assert "line 4: bytes of consequences: expected at most" in done.stderr


# ---- the kernel alone ----


def test_an_allele_that_is_too_long_to_tell_is_refused_before_it_is_called(tmp_path: Path) -> None:
    """100,000 bases in the CDS of 300 transcripts: 30 MB by the allele alone, where 20 may be told."""
    bases = "".join(random.Random(4).choices("ACGT", k=9_000))
    models = [
        transcript("1", [(100 + at, 8_000)], cds_start=1_000, cds_end=7_999, transcript_id=f"T{at}")
        for at in range(300)
    ]
    ref = bases[4_999]
    text = f"1\t5000\t.\t{ref}\t{ref}{'ACGTTGCA' * 12_500}\t.\t.\t.\n".encode()
    spent = {}
    with Genome(tmp_path) as genome:
        genome.add("1", bases, models)
        for mode in ("pick", "all"):
            settings = Settings(8, tags=3 << 15, transcripts=mode, most_told_bytes=20_000_000)
            began = time.process_time()
            try:
                with _kernel.annotated(text, settings, [genome.contig("1")], [0]):
                    assert mode == "pick"
            except BadLine as error:
                assert (mode, error.what) == ("all", _kernel.MUCH_TOLD)
            spent[mode] = time.process_time() - began
    assert spent["all"] < spent["pick"] / 4


def test_what_a_piece_leaves_is_as_good_as_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row groups of 8 transcripts: those of the last piece are kept, dropped, or read again, in any order of pieces."""
    monkeypatch.setattr("ensembl_annotations.store.genes.ROW_GROUP_ROWS", 8)
    draw = random.Random(5)
    bases = {name: "".join(draw.choices("ACGT", k=300_000)) for name in "12"}
    with Genome(tmp_path) as genome:
        for name, text in bases.items():
            genome.add(name, text, random_transcripts(name, len(text), 150 + int(name)))
        ahead = [(name, place) for name in "12" for place in range(1, 300_000, 7_000)]
        pieces = [*ahead, *draw.choices(ahead, k=200)]
        room = Room()
        for name, place in pieces:
            places = [place, place + draw.choice((1, 9_000, 60_000))]
            alts = [
                (name, at, bases[name][at - 1], "ACGT"["ACGT".index(bases[name][at - 1]) - 1])
                for at in places
                if at <= len(bases[name])
            ]
            found = [genome.annotated(alts, mode, room) for mode in ("all", "pick")]
            assert found == [genome.annotated(alts, mode) for mode in ("all", "pick")]


def calls(
    folder: Path, contig: str, bases: str, model: dict[str, Any], *alts: tuple[int, str, str]
) -> list[dict[str, str]]:
    with Genome(folder) as genome:
        genome.add(contig, bases, [model])
        found = genome.calls([(contig, *alt) for alt in alts])
    return [entries[0] for entries in found]


def test_a_mitochondrion_has_its_own_code(tmp_path: Path) -> None:
    """TGA is tryptophan there, and AGA a stop."""
    bases = "ATGTGGAAATAA" + "C" * 100
    model = transcript("MT", [(1, 12)], cds_start=1, cds_end=12)
    changes = ((6, "G", "A"), (7, "AA", "AG"))
    mt = calls(tmp_path, "MT", bases, model, *changes)
    (tmp_path / "other").mkdir()
    other = calls(tmp_path / "other", "1", bases, model | {"chrom": "1"}, *changes)
    assert [call["amino_acids"] for call in mt] == ["W", "K/*"]
    assert [call["consequence"] for call in mt] == ["synonymous_variant", "stop_gained"]
    assert [call["amino_acids"] for call in other] == ["W/*", "K/R"]


def test_a_codon_with_n_has_the_amino_acid_that_all_completions_have(tmp_path: Path) -> None:
    bases = "ATGCTNGCNNAATAA" + "C" * 50
    model = transcript("1", [(1, 15)], cds_start=1, cds_end=15)
    found = calls(tmp_path, "1", bases, model, (4, "C", "A"), (7, "G", "A"), (12, "A", "C"))
    assert [call["amino_acids"] for call in found] == ["L/X", "A/T", "X"]
    assert [call["codons"] for call in found] == ["Ctn/Atn", "Gcn/Acn", "naA/naC"]


def test_ends_of_a_contig_end_nothing(tmp_path: Path) -> None:
    bases = "ATGGCCTAA"
    model = transcript("1", [(1, 9)], cds_start=1, cds_end=9)
    found = calls(
        tmp_path, "1", bases, model, (1, "A", "AA"), (8, "AA", "A"), (1, bases, "A"), (9, "A", "ACC"), (9, "A", "C")
    )  # fmt: skip
    assert found[1]["hgvsc"].endswith("c.9del") and found[1]["hgvsp"].endswith("p.Ter3delextTer?")
    assert found[4]["hgvsp"].endswith("p.Ter3TyrextTer?")
    assert found[3]["consequence"] == "downstream_gene_variant" and found[3]["distance"] == "0"


def test_edited_peptides_are_not_claimed_to_change(tmp_path: Path) -> None:
    model = MODEL | {"peptide": "edited"}
    changes = ((110, "T", "A"), (101, "A", "C"), (104, "G", "GA"))
    found = calls(tmp_path, "21", BASES, model, *changes)
    assert [call["consequence"] for call in found] == [
        "coding_sequence_variant", "coding_sequence_variant", "frameshift_variant",
    ]  # fmt: skip
    assert not any(call["amino_acids"] or call["hgvsp"] for call in found)


@pytest.mark.parametrize(
    "model",
    [
        transcript("1", [(1, 20), (15, 30)]),
        transcript("1", [(1, 20)]) | {"end": 25},
        transcript("1", [(1, 20), (40, 60)], cds_start=25, cds_end=50),
        transcript("1", [(1, 20)], cds_start=10, cds_end=5),
    ],
)
def test_a_model_that_contradicts_itself_is_not_used(model: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="a transcript of it contradicts itself"):
        calls(tmp_path, "1", "C" * 100, model, (10, "C", "A"))


def varint_of(crc: int) -> bytes:
    """Return a CRC as a page header has it: a signed number, zigzag, seven bits a byte."""
    number = (crc << 1 & 0xFFFFFFFF) ^ (0xFFFFFFFF if crc >> 31 else 0)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_a_level_that_there_is_not_stands_for_no_value(tmp_path: Path) -> None:
    """In a file with right checksums: values were counted by one rule and copied by another."""
    model = transcript("1", [(1, 9)], symbol="ABC")
    with Genome(tmp_path) as genome:
        genome.add("1", "C" * 100, [model | {"transcript_id": f"T{i}"} for i in range(50)])
        (path,) = tmp_path.glob("*.genes.parquet")
        group = pq.read_metadata(path).row_group(0)
        (chunk,) = (
            column
            for column in map(group.column, range(group.num_columns))
            if column.path_in_schema == "symbol"
        )
        raw, begin = bytearray(path.read_bytes()), chunk.data_page_offset
        end = (chunk.dictionary_page_offset or begin) + chunk.total_compressed_size
        ((at, place, size),) = (
            (at, raw.index(crc, begin, at), len(crc))
            for at in range(begin + 10, end - 5)
            if (crc := varint_of(zlib.crc32(raw[at:end]))) in raw[begin:at]
        )
        # Behind their length and that of their run.
        assert raw[at + 5] == 1
        found = {}
        for level in range(1, 256):
            raw[at + 5] = level
            crc = varint_of(zlib.crc32(raw[at:end]))
            if len(crc) == size:
                raw[place : place + size] = crc
                path.write_bytes(raw)
                genome.forget()
                calls = genome.calls([("1", 5, "C", "A")])[0]
                found[level] = {call["symbol"] for call in calls}
        assert len(found) > 200
        assert found.pop(1) == {"ABC"}
        assert all(symbols == {""} for symbols in found.values())


def test_masked_regions_of_y_are_called_on_x(tmp_path: Path) -> None:
    """The region 1 to 200 of Y lies 500 bases further on X."""
    masked, bases = "N" * 200 + "C" * 1000, "G" * 500 + BASES
    on_x = transcript("X", [(591, 630)], cds_start=601, cds_end=615)
    on_y = transcript("Y", [(900, 950)], transcript_id="ENST90000000009")
    with Genome(tmp_path) as genome:
        genome.add("X", bases, [on_x])
        genome.add("Y", masked, [on_y])
        x, y = genome.contig("X"), genome.contig("Y")
        contig = Contig(None, None, y.sequence, x.sequence, MATCHED, True, y.genes, x.genes, False)
        settings = Settings(8, tags=3 << 15, transcripts="all", regions=[Region(1, 200, 500)])
        text = b"Y\t110\t.\tT\tA\t.\t.\t.\nY\t920\t.\tC\tA\t.\t.\t.\n"
        with _kernel.annotated(text, settings, [contig], [0]) as result:
            infos = [line.split("\t")[7] for line in bytes(result.text).decode().splitlines()]
    assert "missense_variant" in infos[0] and "ENST90000000001" in infos[0]
    assert "ENST90000000009" in infos[1] and "non_coding_transcript_exon_variant" in infos[1]


def test_an_insertion_is_named_at_its_last_place(tmp_path: Path) -> None:
    """A copy at the very end of the transcript, too."""
    bases = "C" * 50 + "ACTTT" + "G" * 50
    forward = transcript("1", [(51, 55)])
    assert calls(tmp_path, "1", bases, forward, (52, "C", "CT"))[0]["hgvsc"].endswith("n.5dup")
    (tmp_path / "back").mkdir()
    backward = transcript("1", [(51, 55)], strand=-1)
    found = calls(
        tmp_path / "back",
        "1",
        reverse_complement(bases),
        backward,
        (53, "A", "AA"),
        (50, "CAAA", "C"),
    )
    assert [call["hgvsc"].partition(":")[2] for call in found] == ["n.5dup", "n.3_5del"]


def protein_name(folder: Path, bases: str, model: dict[str, Any], alt: tuple[int, str, str]) -> str:
    return calls(folder, "1", bases, model, alt)[0]["hgvsp"].partition(":")[2]


def test_a_deletion_over_an_exons_edge_is_named_where_it_is_in_the_cds(tmp_path: Path) -> None:
    """Its last place: ATG GCC AA G GTT TGG TAA loses GG behind the intron, which keeps its AG."""
    bases = "CCATGGCCAA" + "GTAAGTTTTTTTTTTTTCAG" + "GGTTTGGTAACCCC"
    model = transcript("1", [(1, 10), (31, 44)], cds_start=3, cds_end=40)
    (call,) = calls(tmp_path, "1", bases, model, (29, "AGG", "A"))
    assert call["consequence"].startswith("splice_acceptor_variant&coding_sequence_variant")
    assert call["hgvsc"].endswith(":c.9_10del") and call["hgvsp"].endswith(":p.Lys3AsnfsTer?")


def test_what_comes_so_to_the_start_codon_has_no_name(tmp_path: Path) -> None:
    """AT | ATG GCC loses TA, which is AT at its last place; A | TG GCC is left."""
    bases = "C" * 10 + "GTAAGTTTTTTTTTTTTCAT" + "ATGGCCTAACCCC"
    model = transcript("1", [(1, 10), (31, 43)], cds_start=31, cds_end=39)
    (call,) = calls(tmp_path, "1", bases, model, (29, "ATA", "A"))
    assert call["hgvsc"].endswith(":c.1_2del") and call["hgvsp"] == ""


def test_a_start_codon_is_named_as_the_published_peptide_begins(tmp_path: Path) -> None:
    model = transcript("1", [(1, 18)], cds_start=3, cds_end=14)
    assert protein_name(tmp_path, "CCCTGGCCAAATAACCCC", model, (5, "G", "C")) == "p.Met1?"


def test_what_is_inserted_behind_a_new_spelling_of_the_stop_changes_nothing(tmp_path: Path) -> None:
    """TAG becomes TAA TTT TAG."""
    model = transcript("1", [(1, 18)], cds_start=3, cds_end=14)
    alt = (12, "T", "TAATTTT")
    assert protein_name(tmp_path, "CCATGGCCAAATAGCCCC", model, alt) == "p.Ter4%3D"


def test_a_start_codon_that_is_there_still_is_not_named_as_lost(tmp_path: Path) -> None:
    """AT | GGAA: a G behind the T is one behind ATG. VEP has start_lost where there is no 5' UTR."""
    model = transcript("1", [(3, 18)], cds_start=3, cds_end=14)
    (call,) = calls(tmp_path, "1", "CCATGGAAAAATAACCCC", model, (4, "T", "TG"))
    assert call["consequence"] == "frameshift_variant&start_lost"
    assert call["hgvsc"].endswith(":c.4dup") and call["hgvsp"].endswith(":p.Glu2GlyfsTer?")


def test_a_lost_stop_codon_is_named_though_it_slides_behind_the_cds(tmp_path: Path) -> None:
    """ATG GCC TAA | TGC TAG loses TAA: the same as AAT, that reaches into the UTR."""
    model = transcript("1", [(1, 20)], cds_start=3, cds_end=11)
    (call,) = calls(tmp_path, "1", "CCATGGCCTAATGCTAGCCC", model, (8, "CTAA", "C"))
    assert call["hgvsc"].endswith(":c.8_*1del") and call["hgvsp"].endswith(":p.Ter3delextTer1")


def test_a_stop_that_is_deleted_before_another_one_lengthens_nothing(tmp_path: Path) -> None:
    """ATG GCC AAA AAA TAA | TGA loses AAA TAA: TGA ends the protein where a residue was."""
    model = transcript("1", [(1, 23)], cds_start=3, cds_end=17)
    alt = (11, "AAAATAA", "A")
    assert protein_name(tmp_path, "CCATGGCCAAAAAATAATGACCC", model, alt) == "p.Lys4Ter"


def test_what_is_inserted_before_the_first_residue_that_is_known_has_no_name(
    tmp_path: Path,
) -> None:
    """A | TAA | GT is Ile and the Ser that was there."""
    model = transcript("1", [(3, 20)], cds_start=3, cds_end=11, cds_start_nf=True)
    (call,) = calls(tmp_path, "1", "CCAGTAAATAACCCCCCCCCCC", model, (3, "A", "ATAA"))
    assert call["amino_acids"] == "S/IS" and call["hgvsp"] == ""
    assert call["hgvsc"].endswith(":c.1_2insTAA")


def test_a_stop_within_an_insertion_ends_the_protein_in_its_frame(tmp_path: Path) -> None:
    """ATG GC | ATTTTAG | C AAA: seven bases, but the frame is the old one up to their stop."""
    model = transcript("1", [(1, 18)], cds_start=3, cds_end=14)
    (call,) = calls(tmp_path, "1", "CCATGGCCAAATAACCCC", model, (7, "C", "CATTTTAG"))
    assert call["consequence"] == "inframe_insertion&stop_retained_variant"
    assert call["hgvsp"].endswith(":p.Ala2_Lys3insPheTer")


def test_residues_with_a_stop_before_the_stop_lengthen_the_protein(tmp_path: Path) -> None:
    """ATG GCC | AAA TAA | TAG: by the nomenclature an extension, not an insertion."""
    model = transcript("1", [(1, 15)], cds_start=3, cds_end=11)
    assert protein_name(tmp_path, "CCATGGCCTAGCCCC", model, (8, "C", "CAAATAA")) == "p.Ter3LysextTer1"  # fmt: skip


def test_a_copy_of_the_last_residue_that_is_known_has_a_name(tmp_path: Path) -> None:
    """ATG GCC AGT A: what comes behind is not known, and need not be."""
    model = transcript("1", [(3, 12)], cds_start=3, cds_end=12, cds_end_nf=True)
    assert protein_name(tmp_path, "CCATGGCCAGTACCC", model, (11, "T", "TAGT")) == "p.Ser3dup"


def test_an_inserted_stop_is_named_where_the_protein_first_differs(tmp_path: Path) -> None:
    """ATG GCC | CTG TAG | TTA TGG: Leu is there as before, and Trp is not."""
    model = transcript("1", [(1, 21)], cds_start=3, cds_end=17)
    alt = (8, "C", "CCTGTAG")
    assert protein_name(tmp_path, "CCATGGCCTTATGGTAACCCC", model, alt) == "p.Trp4Ter"
