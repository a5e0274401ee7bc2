"""Gene models come out of GFF3 whole, or are refused; the peptides are written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import deflate
import pytest

from ensembl_annotations.common.errors import SourceError, WrongAssemblyError
from ensembl_annotations.fetch.convert.convert import BadRow
from ensembl_annotations.fetch.convert.gff3 import GenesFound, transcripts_of
from ensembl_annotations.fetch.convert.peptides import read_peptides, translate
from ensembl_annotations.store.describe import FileIdentity
from ensembl_annotations.store.sequence import SequenceWriter, opened_sequence
from tests.support.genes import Model, gff3, peptide_fasta, reverse_complement

ONE = "ENST90000000001"
# Two exons, 11 to 20 and 31 to 44: ATG AAA TGG GAC TAA and what follows.
SEQUENCE = "C" * 10 + "GGATGAAATG" + "GTAAGTTTAG" + "GGACTAACCCCCCC" + "C" * 56
SPLICED = Model(ONE, [(11, 20), (31, 44)], [(13, 20), (31, 37)], ["0", "1"])
GOOD = Model("ENST90000000002", [(50, 60)], gene="ENSG90000000002", biotype="lncRNA")


def read(
    tmp_path: Path,
    text: str,
    sequences: Mapping[str, str],
    peptides: Mapping[str, str] | None = None,
    chromosome: str = "all",
) -> tuple[dict[str, dict[str, Any]], GenesFound, list[BadRow]]:
    """Return rows by transcript, what was found, and the quarantined transcripts."""
    path = tmp_path / "genes.gff3.gz"
    path.write_bytes(bytes(deflate.gzip_compress(text.encode(), 1)))
    pep = tmp_path / "pep.fa.gz"
    pep.write_bytes(bytes(deflate.gzip_compress(peptide_fasta(peptides or {}).encode(), 1)))
    found, bad = GenesFound(), list[BadRow]()
    with ExitStack() as stack:
        opened = {}
        for name, bases in sequences.items():
            identity = FileIdentity("demo", "DEMO", 1, name, "sequence")
            writer = SequenceWriter(tmp_path, identity)
            writer.add(bases.encode())
            writer.finish()
            opened[name] = stack.enter_context(opened_sequence(tmp_path / identity.file_name))
        tables = [
            table
            for _, table in transcripts_of(
                path,
                path.name,
                chromosome,
                sequence_of=opened.get,
                peptides=read_peptides(pep, pep.name, "all") if peptides is not None else {},
                quarantine=bad.append,
                found=found,
            )
        ]
    rows = [row for table in tables for row in table.to_pylist()]
    return {row["transcript_id"]: row for row in rows}, found, bad


def one(
    tmp_path: Path, model: Model = SPLICED, peptide: str | None = "MKWD", bases: str = SEQUENCE
) -> dict[str, Any]:
    peptides = {} if peptide is None else {ONE: peptide}
    rows, _, bad = read(
        tmp_path,
        gff3([model], {model.contig: len(bases)}),
        {model.contig: bases},
        peptides,
    )
    assert not bad
    return rows[ONE]


def test_a_transcript_has_all_its_columns(tmp_path: Path) -> None:
    more = (
        ";tag=gencode_basic,Ensembl_canonical,MANE_Select;ccdsid=CCDS5.2"
        ";transcript_support_level=2 (assigned to previous version 6)"
    )
    assert one(tmp_path, replace(SPLICED, more=more)) == {
        "chrom": "1",
        "start": 11,
        "end": 44,
        "strand": 1,
        "transcript_id": ONE,
        "transcript_version": 1,
        "gene_id": "ENSG90000000001",
        "gene_version": 3,
        "symbol": "DEMO1",
        "gene_biotype": "protein_coding",
        "biotype": "protein_coding",
        "protein_id": "ENSP90000000001",
        "protein_version": 5,
        "exon_starts": [11, 31],
        "exon_ends": [20, 44],
        "cds_start": 13,
        "cds_end": 37,
        "cds_phase": 0,
        "canonical": True,
        "mane_select": True,
        "mane_plus_clinical": False,
        "tsl": 2,
        "ccds": "CCDS5.2",
        "tags": "gencode_basic,Ensembl_canonical,MANE_Select",
        "cds_start_nf": False,
        "cds_end_nf": False,
        "selenocysteines": [],
        "peptide": "agrees",
    }


def test_the_other_strand_is_read_backwards(tmp_path: Path) -> None:
    model = Model(ONE, [(57, 70), (81, 90)], [(64, 70), (81, 88)], ["1", "0"], "-")
    row = one(tmp_path, model, bases=reverse_complement(SEQUENCE))
    assert (row["strand"], row["cds_start"], row["cds_end"]) == (-1, 64, 88)
    assert (row["cds_phase"], row["peptide"]) == (0, "agrees")


def test_without_a_cds_there_is_no_peptide(tmp_path: Path) -> None:
    row = one(tmp_path, replace(SPLICED, cds=(), phases=(), biotype="lncRNA", kind="lnc_RNA"))
    assert (row["peptide"], row["cds_start"], row["cds_phase"]) == ("none", None, None)
    assert (row["protein_id"], row["biotype"]) == (None, "lncRNA")


def test_no_published_peptide_is_unchecked(tmp_path: Path) -> None:
    row = one(tmp_path, peptide=None)
    assert (row["peptide"], row["protein_version"]) == ("unchecked", None)


def test_the_peptide_of_another_version_is_none_of_it(tmp_path: Path) -> None:
    text = gff3([SPLICED], {}).replace("version=1", "version=2")
    rows, found, _ = read(tmp_path, text, {"1": SEQUENCE}, {ONE: "MKWD"})
    assert (rows[ONE]["peptide"], found.peptides) == ("unchecked", {"unchecked": 1})


@pytest.mark.parametrize("peptide", ["MRWD", "MKW", "MKWDE"])
def test_a_peptide_that_differs_is_edited(peptide: str, tmp_path: Path) -> None:
    row = one(tmp_path, peptide=peptide)
    assert (row["peptide"], row["selenocysteines"]) == ("edited", [])


def test_selenocysteine_is_read_from_the_peptide(tmp_path: Path) -> None:
    bases = SEQUENCE.replace("GGATGAAATG", "GGATGTGATG")
    row = one(tmp_path, peptide="MUWD", bases=bases)
    assert (row["peptide"], row["selenocysteines"]) == ("agrees", [2])
    assert one(tmp_path, peptide="M*WD", bases=bases)["selenocysteines"] == []


def test_n_agrees_with_every_residue(tmp_path: Path) -> None:
    bases = SEQUENCE.replace("GGATGAAATG", "GGATGANATG")
    assert one(tmp_path, peptide="MXWD", bases=bases)["peptide"] == "agrees"
    assert one(tmp_path, peptide="MKWD", bases=bases)["peptide"] == "agrees"
    assert one(tmp_path, peptide="MXWD")["peptide"] == "edited"


@pytest.mark.parametrize(
    ("cds", "phase", "peptide", "is_open"),
    [
        ((11, 37), "2", "XMKWD", True),  # GG ATG …: the first codon is cut
        ((12, 37), "1", "XMKWD", True),
        ((13, 37), "0", "MKWD", False),  # bases lie before it
        ((16, 37), "0", "KWD", False),
    ],
)
def test_a_start_is_open_where_its_codon_is_cut(
    cds: tuple[int, int], phase: str, peptide: str, is_open: bool, tmp_path: Path
) -> None:
    model = replace(SPLICED, cds=[(cds[0], 20), (31, cds[1])], phases=[phase, "1"])
    row = one(tmp_path, model, peptide)
    assert (row["cds_start_nf"], row["peptide"]) == (is_open, "agrees")


@pytest.mark.parametrize(("start", "peptide", "is_open"), [(13, "MKWD", False), (16, "KWD", True)])
def test_a_start_is_open_where_the_transcript_begins_without_m(
    start: int, peptide: str, is_open: bool, tmp_path: Path
) -> None:
    model = replace(SPLICED, exons=[(start, 20), (31, 44)], cds=[(start, 20), (31, 37)])
    row = one(tmp_path, model, peptide)
    assert (row["cds_start_nf"], row["peptide"]) == (is_open, "agrees")


CANONICAL = ";tag=gencode_basic,Ensembl_canonical"


@pytest.mark.parametrize(
    ("codon", "peptide", "more", "biotype", "is_open"),
    [
        ("GTG", "MKWD", "", "protein_coding", False),  # its M is no translation: it starts here
        ("CTG", "MKWD", "", "protein_coding", True),  # any CDS that begins with CTG has M there
        ("TTG", "MKWD", "", "protein_coding", True),
        ("ACG", "TKWD", "", "protein_coding", True),
        ("ACG", "TKWD", CANONICAL, "protein_coding", False),
        ("CTG", "MKWD", ";tag=MANE_Select", "protein_coding", False),
        ("ACG", "TKWD", CANONICAL, "IG_C_gene", True),  # a segment: rearrangement gives it a start
        ("GCC", "AKWD", CANONICAL, "protein_coding", True),  # nothing like ATG
    ],
)
def test_a_start_that_is_not_atg(
    codon: str, peptide: str, more: str, biotype: str, is_open: bool, tmp_path: Path
) -> None:
    bases = SEQUENCE.replace("GGATGAAATG", f"GG{codon}AAATG")
    exons, cds = [(13, 20), (31, 44)], [(13, 20), (31, 37)]
    model = replace(SPLICED, exons=exons, cds=cds, biotype=biotype, more=more)
    row = one(tmp_path, model, peptide, bases)
    assert (row["cds_start_nf"], row["peptide"]) == (is_open, "agrees")


@pytest.mark.parametrize(
    ("exons", "phase", "gene", "is_open"),
    [
        ([(11, 20), (31, 44)], "0", "ENSG90000000001", False),  # bases lie before it there
        ([(13, 20), (31, 44)], "0", "ENSG90000000001", True),
        ([(11, 20), (31, 44)], "1", "ENSG90000000001", True),
        ([(11, 20), (31, 44)], "0", "ENSG90000000002", True),
    ],
)
def test_a_start_is_known_where_the_genes_other_transcripts_have_it(
    exons: list[tuple[int, int]], phase: str, gene: str, is_open: bool, tmp_path: Path
) -> None:
    bases = SEQUENCE.replace("GGATGAAATG", "GGACGAAATG")
    bare = replace(SPLICED, exons=[(13, 20), (31, 44)])
    other = replace(SPLICED, transcript="T2", gene=gene, exons=exons, phases=[phase, "1"])
    peptides = {ONE: "TKWD", "T2": {"0": "TKWD", "1": "XRNGT"}[phase]}
    rows, _, bad = read(tmp_path, gff3([bare, other], {}), {"1": bases}, peptides)
    assert (rows[ONE]["cds_start_nf"], bad) == (is_open, [])


@pytest.mark.parametrize(
    ("end", "last_exon", "is_open"),
    [(37, 37, False), (37, 44, False), (34, 34, True), (36, 36, True), (34, 44, False)],
)
def test_an_end_is_open_where_the_transcript_ends_without_stop(
    end: int, last_exon: int, is_open: bool, tmp_path: Path
) -> None:
    model = replace(SPLICED, exons=[(11, 20), (31, last_exon)], cds=[(13, 20), (31, end)])
    row = one(tmp_path, model)
    assert (row["cds_end_nf"], row["peptide"]) == (is_open, "agrees")


@pytest.mark.parametrize(
    ("bases", "peptide", "is_open"),
    [
        ("ATATGAGACTAA", "MWD", False),  # ATA starts, TGA is W
        ("ATTTGAGACTAA", "IWD", False),  # ATT starts, though I is published
        ("ATATGAGACAGG", "MWD", False),  # AGG is a stop
        ("ATATGAGACTA", "MWD", False),  # the tail of the RNA makes it TAA
        ("ATATGAGACT", "MWD", False),
        ("ATATGAGACC", "MWD", True),
    ],
)
def test_mitochondria_have_their_own_code(
    bases: str, peptide: str, is_open: bool, tmp_path: Path
) -> None:
    places = [(3, 2 + len(bases))]
    row = one(
        tmp_path, Model(ONE, places, places, contig="MT"), peptide, f"CC{bases}".ljust(40, "C")
    )
    assert (row["peptide"], row["cds_start_nf"]) == ("agrees", False)
    assert row["cds_end_nf"] is is_open


def test_the_codes_are_those_of_ncbi() -> None:
    assert translate("TGAATAAGAAGG", 0, is_mitochondrial=False) == "*IRR"
    assert translate("TGAATAAGAAGG", 0, is_mitochondrial=True) == "WM**"
    assert translate("CTNATNC", 0, is_mitochondrial=False) == "LX"


def test_order_in_the_file_does_not_matter(tmp_path: Path) -> None:
    lines = gff3([SPLICED], {"1": 100}).splitlines()
    shuffled = "\n".join([*lines[:2], *reversed(lines[2:])]) + "\n"
    rows, _, _ = read(tmp_path, shuffled, {"1": SEQUENCE}, {ONE: "MKWD"})
    assert rows[ONE] == one(tmp_path)


def test_rows_are_sorted_by_place_and_id(tmp_path: Path) -> None:
    names = ["ENST90000000009", "ENST90000000003", "ENST90000000005"]
    places = [[(11, 20)], [(11, 20)], [(11, 15)]]
    models = [Model(name, exons) for name, exons in zip(names, places, strict=True)]
    rows, _, _ = read(tmp_path, gff3(models, {}), {"1": SEQUENCE})
    assert list(rows) == ["ENST90000000005", "ENST90000000003", "ENST90000000009"]


def test_unknown_types_and_attributes_are_kept_and_counted(tmp_path: Path) -> None:
    model = replace(SPLICED, kind="novel_RNA", more=";mood=good;tag=basic")
    text = gff3([model], {}) + (
        "1\tdemo\tbiological_region\t1\t9\t0.9\t.\t.\texternal_name=oe %3D 1\n"
        "1\tdemo\tregulator\t1\t9\t.\t+\t.\tID=regulator:7;Parent=gene:ENSG90000000001\n"
    )
    rows, found, bad = read(tmp_path, text, {"1": SEQUENCE}, {ONE: "MKWD"})
    assert (rows[ONE]["tags"], bad) == ("basic", [])
    assert found.other_types == {"biological_region": 1, "regulator": 1}
    assert found.unknown_attributes == {"mood": 1}


def test_an_older_dialect_is_read(tmp_path: Path) -> None:
    """As up to release 80: no version or ID apart, types such as aberrant_processed_transcript."""
    gene = "1\thavana\tprotein_coding_gene\t11\t44\t.\t+\t.\tID=gene:G1;Name=DEMO1\n"
    about = "ID=transcript:T1;Parent=gene:G1;biotype=retained_intron;tag=basic"
    text = (
        "##gff-version   3\n" + gene + "1\thavana\taberrant_processed_transcript\t11\t44\t.\t+\t.\t"
        f"{about}\n1\thavana\texon\t11\t44\t.\t+\t.\tParent=transcript:T1\n"
    )
    rows, _, bad = read(tmp_path, text, {"1": SEQUENCE})
    row = rows["T1"]
    assert (row["gene_id"], row["transcript_version"], row["tsl"], bad) == ("G1", None, None, [])
    assert (row["gene_biotype"], row["biotype"]) == ("protein_coding_gene", "retained_intron")


# Of a gene, a transcript, an exon and a CDS what releases and species write differently.
DIALECTS = {
    "release 116": (
        "gene\tID=gene:G1;Name=DEMO1;biotype=protein_coding;description=a demo [Source:HGNC Symbol%3BAcc:HGNC:1];"
        "gene_id=G1;logic_name=ensembl_havana_homo_sapiens;version=3",
        "mRNA\tID=transcript:T1;Parent=gene:G1;Name=DEMO1-201;biotype=protein_coding;tag=gencode_basic,gencode_primary,"
        "Ensembl_canonical,MANE_Select;transcript_id=T1;transcript_support_level=1 (assigned to previous version 1);version=2",
        "Parent=transcript:T1;Name=E1;constitutive=1;ensembl_end_phase=-1;ensembl_phase=-1;exon_id=E1;rank=1;version=1",
        "ID=CDS:P1;Parent=transcript:T1;protein_id=P1;version=2",
    ),
    "release 87": (
        "gene\tID=gene:G1;Name=DEMO1;biotype=protein_coding;gene_id=G1;havana_gene=OTTHUMG00000000001;havana_version=2;"
        "logic_name=ensembl_havana_gene;version=3",
        "mRNA\tID=transcript:T1;Parent=gene:G1;Name=DEMO1-001;biotype=protein_coding;ccdsid=CCDS1.1;havana_transcript="
        "OTTHUMT00000000001;havana_version=1;tag=basic;transcript_id=T1;transcript_support_level=NA;version=2",
        "Parent=transcript:T1;Name=E1;constitutive=1;ensembl_end_phase=-1;ensembl_phase=-1;exon_id=E1;rank=1;version=1",
        "ID=CDS:P1;Parent=transcript:T1;protein_id=P1",
    ),
    "release 78: other order, no ID apart, an external_name": (
        "protein_coding_gene\tID=gene:G1;biotype=protein_coding;external_name=DEMO1;logic_name=ensembl_havana_gene",
        "transcript\tID=transcript:T1;Name=DEMO1-001;Parent=gene:G1;biotype=protein_coding;logic_name=havana",
        "Name=E1;Parent=transcript:T1;constitutive=1;ensembl_end_phase=-1;ensembl_phase=-1;rank=1",
        "ID=CDS:P1;Parent=transcript:T1",
    ),
    "no prefixes, no biotype": (
        "gene\tID=G1;Name=DEMO1",
        "mRNA\tID=T1;Parent=G1",
        "ID=T1.exon1;Parent=T1",
        "ID=P1;Parent=T1",
    ),
    "a plant: a point in every ID": (
        "gene\tID=gene:AT1G01010;Name=DEMO1;biotype=protein_coding;gene_id=AT1G01010;logic_name=araport11",
        "mRNA\tID=transcript:AT1G01010.1;Parent=gene:AT1G01010;biotype=protein_coding;tag=Ensembl_canonical;"
        "transcript_id=AT1G01010.1",
        "Parent=transcript:AT1G01010.1;Name=AT1G01010.1.exon1;constitutive=1;exon_id=AT1G01010.1.exon1;rank=1",
        "ID=CDS:AT1G01010.1;Parent=transcript:AT1G01010.1;protein_id=AT1G01010.1",
    ),
    "escapes in IDs, written in two ways": (
        "gene\tID=gene%3AG%201;Name=DEMO1;gene_id=G%201",
        "mRNA\tID=transcript:T%201;Parent=gene:G 1;biotype=protein_coding",
        "Parent=transcript:T 1",
        "ID=CDS:P%201;Parent=transcript%3AT%201",
    ),
    "blanks and empty attributes": (
        "gene\tID=gene:G1; Name=DEMO1;;Note=;",
        "mRNA\tID=transcript:T1;Parent=gene:G1; biotype=protein_coding;",
        "Parent=transcript:T1;",
        "Parent=transcript:T1;;ID=CDS:P1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_model(dialect: str, tmp_path: Path) -> None:
    gene, transcript, exon, cds = DIALECTS[dialect]
    lines = [
        *("##gff-version   3", "##sequence-region   1 1 100", "#!genome-build  DEMO", "#", ""),
        "1\tDEMO\tchromosome\t1\t100\t.\t.\t.\tID=chromosome:1;Alias=CM000663.2,chr1;Is_circular=true",
        "###",
        "1\tcpg\tbiological_region\t5\t60\t1.2e+03\t.\t.\texternal_name=oe %3D 0.79;logic_name=cpg",
        "KI270728.1\tDEMO\tsupercontig\t1\t999\t.\t.\t.\tID=supercontig:KI270728.1",
    ]
    lines.insert(-1, "1\tdemo\t{}\t11\t44\t.\t+\t.\t{}".format(*gene.split("\t")))
    lines.insert(-1, "1\tdemo\t{}\t11\t44\t.\t+\t.\t{}".format(*transcript.split("\t")))
    lines.insert(-1, f"1\tdemo\texon\t11\t20\t.\t+\t.\t{exon}")
    lines.insert(-1, "# in between")
    lines.insert(-1, f"1\tdemo\tCDS\t31\t37\t.\t+\t1\t{cds}")
    lines.insert(-1, f"1\tdemo\tfive_prime_UTR\t11\t12\t.\t+\t.\t{exon}")
    lines.insert(-1, f"1\tdemo\texon\t31\t44\t.\t+\t.\t{exon}")
    lines.insert(-1, f"1\tdemo\tCDS\t13\t20\t.\t+\t0\t{cds}")
    rows, found, bad = read(tmp_path, "\n".join(lines) + "\n", {"1": SEQUENCE})
    (row,) = rows.values()
    assert (row["exon_starts"], row["cds_start"], row["cds_end"]) == ([11, 31], 13, 37)
    assert (row["symbol"], row["biotype"], bad) == ("DEMO1", "protein_coding", [])
    assert "%" not in row["transcript_id"] + row["gene_id"] + row["protein_id"]
    assert not any(":" in row[name] for name in ("transcript_id", "gene_id", "protein_id"))
    types = {"chromosome": 1, "biological_region": 1, "five_prime_UTR": 1}
    assert found.other_types == types


def test_a_gene_of_mitochondrial_rna_is_a_gene(tmp_path: Path) -> None:
    model = Model(ONE, [(11, 20)], contig="MT", kind="rRNA", biotype="Mt_rRNA")
    text = gff3([model], {}).replace("\tgene\t", "\tncRNA_gene\t")
    for kind in ("ncRNA_gene", "rRNA_gene", "mt_gene"):
        rows, _, bad = read(tmp_path, text.replace("ncRNA_gene", kind), {"MT": SEQUENCE})
        assert (rows[ONE]["biotype"], bad) == ("Mt_rRNA", [])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Parent=gene:ENSG90000000001", "Parent=gene:G1,gene:G2", "it has several genes"),
        # A tRNA of older dialects: its exon is the gene's own.
        (f"Parent=transcript:{ONE}", "Parent=gene:ENSG90000000001", "its gene is missing"),
    ],
)
def test_what_no_transcript_is_named_for_is_quarantined(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    text = gff3([replace(SPLICED, cds=(), phases=()), GOOD], {}).replace(old, new)
    rows, _, bad = read(tmp_path, text, {"1": SEQUENCE})
    assert (list(rows), {why for _, why, _ in bad} >= {reason}) == ([GOOD.transcript], True)


def test_an_exon_can_be_of_two_transcripts(tmp_path: Path) -> None:
    models = [Model(name, [(11, 20)], biotype="lncRNA") for name in ("T1", "T2")]
    text = gff3(models, {})
    exons = [line for line in text.splitlines() if "\texon\t" in line]
    text = text.replace(exons[1] + "\n", "").replace(
        exons[0], exons[0].replace("=transcript:T1", "=transcript:T1,transcript:T2")
    )
    rows, _, bad = read(tmp_path, text, {"1": SEQUENCE})
    assert (sorted(rows), bad) == (["T1", "T2"], [])


@pytest.mark.parametrize(
    ("model", "old", "new", "reason"),
    [
        (replace(SPLICED, exons=[(11, 20), (20, 44)]), "", "", "its exons overlap"),
        (replace(SPLICED, exons=[(11, 20), (31, 101)]), "", "", "ends behind the end of its contig"),
        (replace(SPLICED, phases=[".", "."]), "", "", "its CDS has no phase"),
        (replace(SPLICED, cds=[(13, 22), (31, 37)]), "", "", "its CDS is not what its exons have"),
        (replace(SPLICED, strand="."), "", "", "it has no strand"),
        (SPLICED, "exon\t11\t20\t.\t+", "exon\t11\t20\t.\t-", "its parts are on another strand"),
        (SPLICED, "mRNA\t11\t44", "mRNA\t11\t45", "do not begin and end where it does"),
        (SPLICED, "ID=gene:ENSG90000000001", "ID=gene:ENSG90000000009", "its gene is missing"),
        (SPLICED, f"ID=transcript:{ONE}", "ID=transcript:else", "its parent is missing"),
        (SPLICED, f"Parent=transcript:{ONE}", "Parent=transcript:else", "it has no exons"),
        (SPLICED, "###", f"1\td\tmRNA\t1\t9\t.\t+\t.\tID=transcript:{ONE}\n###", "stands there twice"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_quarantined_whole(
    model: Model, old: str, new: str, reason: str, tmp_path: Path
) -> None:
    text = gff3([model, GOOD], {})
    text = text.replace(old, new) if old else text
    rows, found, bad = read(tmp_path, text, {"1": SEQUENCE}, {ONE: "MKWD"})
    assert (list(rows), found.num_transcripts) == ([GOOD.transcript], 1)
    assert any(reason in why for _, why, _ in bad)
    assert all(text.splitlines()[number - 1] == line for number, _, line in bad)
    assert found.reasons.total() == len(bad)


def test_one_id_in_two_genes_is_an_error(tmp_path: Path) -> None:
    models = [SPLICED, replace(SPLICED, gene="ENSG90000000002")]
    with pytest.raises(SourceError, match=f"the transcript {ONE} stands there twice, in two genes"):
        read(tmp_path, gff3(models, {}), {"1": SEQUENCE})


def test_no_usable_transcript_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"1 of 1 transcripts can't be used.*line 3: its exons"):
        read(tmp_path, gff3([replace(SPLICED, exons=[(1, 9), (9, 44)])], {}), {"1": SEQUENCE})


def test_many_unusable_transcripts_are_an_error(tmp_path: Path) -> None:
    models = [Model(f"T{number}", [(11, 20)]) for number in range(1200)]
    models[:13] = [replace(model, strand=".") for model in models[:13]]
    with pytest.raises(SourceError, match="13 of 1200 transcripts can't be used, more than 1 %"):
        read(tmp_path, gff3(models, {}), {"1": SEQUENCE})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no features|line 1: expected ##gff-version 3, found ''"),
        ("##fileformat=VCFv4.2\n", "line 1: expected ##gff-version 3, found '##fileformat"),
        ("##gff-version 2\n", "line 1: expected ##gff-version 3"),
        ("##gff-version 3\n", "has no features"),
        ("##gff-version 3\n1\tdemo\tgene\t1\n", "line 2: expected 9 fields"),
        ("##gff-version 3\n1\td\tgene\tx\t9\t.\t+\t.\tID=a\n", "line 2: expected start and end"),
        ("##gff-version 3\n1\td\tgene\t9\t1\t.\t+\t.\tID=a\n", "line 2: expected start and end"),
        ("##gff-version 3\n1\td\tgene\t0\t1\t.\t+\t.\tID=a\n", "line 2: expected start and end"),
        ("##gff-version 3\n1\td\texon\t1\t9\t.\t+\t.\tID=a\n", "line 2: expected exon with a Pare"),
    ],
)
def test_what_is_no_gff3_is_an_error_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        read(tmp_path, text, {"1": SEQUENCE})


def test_genes_of_another_chromosome_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="line 2: expected a feature of 2, found '1'"):
        read(tmp_path, gff3([SPLICED], {}), {"1": SEQUENCE}, chromosome="2")


@pytest.mark.parametrize(
    ("region", "is_refused"), [("1 100", False), ("1 101", True), ("1 99", True), ("9 99", False)]
)
def test_another_length_is_another_assembly(region: str, is_refused: bool, tmp_path: Path) -> None:
    text = gff3([SPLICED], {}).replace("\n", f"\n##sequence-region   1 {region}\n", 1)
    if not is_refused:
        assert read(tmp_path, text, {"1": SEQUENCE})[0]
        return
    with pytest.raises(WrongAssemblyError, match=r"line 2: 1 has \d+ bases; expected 100"):
        read(tmp_path, text, {"1": SEQUENCE})


def test_contigs_without_a_sequence_are_counted(tmp_path: Path) -> None:
    models = [SPLICED, replace(GOOD, contig="KI270302.1")]
    rows, found, bad = read(tmp_path, gff3(models, {"1": 100}), {"1": SEQUENCE}, {ONE: "MKWD"})
    assert (list(rows), found.num_without_sequence, bad) == ([ONE], 1, [])


def test_a_contig_in_two_places_is_an_error(tmp_path: Path) -> None:
    models = [SPLICED, replace(GOOD, contig="2"), replace(GOOD, gene="G3", transcript="T3")]
    with pytest.raises(SourceError, match="line 13: features of 1 stand in several places"):
        read(tmp_path, gff3(models, {}), {"1": SEQUENCE, "2": SEQUENCE})


@pytest.mark.parametrize("text", ["MKWD\n", ">ENSP1 pep transcript:T1\nMK1D\n"])
def test_what_is_no_fasta_of_peptides_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "pep.fa.gz"
    path.write_bytes(bytes(deflate.gzip_compress(text.encode(), 1)))
    with pytest.raises(SourceError, match=r"line [12]: expected a FASTA record of a peptide"):
        read_peptides(path, path.name, "all")


def test_only_the_peptides_of_a_chromosome_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "pep.fa.gz"
    path.write_bytes(bytes(deflate.gzip_compress(peptide_fasta({ONE: "MK"}).encode(), 1)))
    names: Sequence[str] = sorted(read_peptides(path, path.name, "1"))
    assert names == [ONE, f"{ONE}.1"]
    assert not read_peptides(path, path.name, "2")
