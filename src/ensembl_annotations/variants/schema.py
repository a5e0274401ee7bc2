"""Every column the project writes, declared once.

The parquet schemas, ``datapackage.json`` and the check of ``docs/output.md`` are made from these tables.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa

from ensembl_annotations.variants.outcomes import CSQ_FIELDS

ROW_GROUP_ROWS = 65_536
"""Rows of a row group, about."""


@dataclass(frozen=True)
class Column:
    """A parquet column: name, Arrow type, whether it can be null, and what it says.

    `codec`, `dictionary`, `encoding` and `statistics` are how the reference store keeps it: what is
    looked up row by row is not compressed.
    """

    name: str
    dtype: pa.DataType
    description: str
    nullable: bool = True
    unit: str | None = None
    source: str = "derived"
    codec: str = "none"
    dictionary: bool = False
    encoding: str = "PLAIN"
    statistics: bool = False

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.dtype, self.nullable)

    @property
    def path(self) -> str:
        """How parquet names the column's values."""
        return f"{self.name}.list.element" if pa.types.is_list(self.dtype) else self.name


def _text(
    name: str, description: str, source: str, *, nullable: bool = True, codec: str = "none"
) -> Column:
    return Column(
        name, pa.string(), description, nullable, None, source, codec=codec, dictionary=True
    )


def _place(name: str, description: str, source: str = "derived") -> Column:
    encoding = "DELTA_BINARY_PACKED"
    return Column(
        name, pa.int32(), description, False, "bp", source, encoding=encoding, statistics=True
    )


def _number(
    name: str, dtype: pa.DataType, description: str, source: str, nullable: bool = False
) -> Column:
    return Column(name, dtype, description, nullable, None, source, dictionary=True)


def _roll(name: str, description: str) -> Column:
    return Column(
        name, pa.int32(), description, True, "bp", "FASTA", dictionary=True, statistics=True
    )


ALLELES = (
    _text("chrom", "name of the chromosome or contig, as Ensembl has it", "CHROM", nullable=False),
    _place("pos", "POS as published, 1-based", "POS"),
    _text("ref", "REF as published", "REF", nullable=False, codec="lz4"),
    _text("alt", "this ALT as published", "ALT", nullable=False, codec="lz4"),
    Column("rs", pa.uint32(), "number of the rsID; 0 where the ID is not one", False, None, "ID"),
    _text("name", "the ID where it is not an rsID", "ID"),
    _text("tsa", "type of sequence alteration", "TSA"),
    _text("evidence", "evidence terms joined by |, in published order; unnamed_entry where the dump has an empty entry", "E_*", codec="lz4"),
    _text("clin", "clinical significance terms of the ID, joined by |, in published order", "CLIN_*"),
    Column("clin_certain", pa.bool_(), "the clinical terms are certain to be this ALT's: the record has one ALT, and REF can't be the minor allele", False, None, "MA"),
    _text("source", "databases of the variant joined by |; their versions are in datapackage.json", "source flags"),
    _text("ma", "minor allele as published", "MA"),
    _text("maf", "minor allele frequency, the text as published", "MAF", codec="lz4"),
    _number("mac", pa.int32(), "minor allele count", "MAC", nullable=True),
    _number("maf_of", pa.uint8(), "whose frequency MAF is, as MA (and the sequence, where there is one) tells: 0 not known, or none published; 1 this ALT's; 2 REF's, so that this ALT, the only one, has 1 - MAF; 3 another allele's", "MA, MAF"),
    _text("aa", "ancestral allele as published", "AA"),
    _number("num_alts", pa.int32(), "number of ALTs of the record", "ALT"),
    Column("alt_index", pa.int32(), "0-based place of this ALT in its record", False, None, "ALT", "zstd", True),
    _place("start", "start of the allele key, 0-based, between bases; the file is sorted by it"),
    _number("code", pa.uint8(), "what the allele key is: 4 * REF + ALT in the order ACGT of an SNV published with its two bases; else 0 an ALT that can't match, 5 a deletion, 10 an insertion, 15 any other", "REF, ALT"),
    _roll("roll_left", "how far an insertion or deletion can slide left in the sequence; null for other alleles and where the sequence was not fetched"),
    _roll("roll_right", "the same to the right"),
    _text("other", "INFO entries that are none of the above, joined by ;", "INFO", codec="zstd"),
)  # fmt: skip
"""A file per chromosome: one row per ALT of each published record, sorted by start, code and rs."""

MAF_UNKNOWN, MAF_OF_ALT, MAF_OF_REF, MAF_OF_OTHER = range(4)
"""What the column ``maf_of`` says."""

ALLELES_SCHEMA = pa.schema([column.field for column in ALLELES])

_PLACES = pa.list_(pa.field("element", pa.int32(), False))
_VERSION = "version as Ensembl has it"

GENES = (
    _text("chrom", "name of the chromosome or contig, as Ensembl has it", "seqid", nullable=False),
    Column("start", pa.int32(), "first base of the transcript, 1-based; the file is sorted by start, end and transcript_id", False, "bp", "exon", statistics=True),
    Column("end", pa.int32(), "last base of the transcript", False, "bp", "exon", statistics=True),
    Column("strand", pa.int8(), "1 or -1", False, None, "strand"),
    _text("transcript_id", "ID of the transcript, without version", "transcript_id", nullable=False),
    _number("transcript_version", pa.int32(), _VERSION, "version", nullable=True),
    _text("gene_id", "ID of the gene, without version", "gene_id", nullable=False),
    _number("gene_version", pa.int32(), _VERSION, "version", nullable=True),
    _text("symbol", "name of the gene", "Name"),
    _text("gene_biotype", "biotype of the gene", "biotype", nullable=False),
    _text("biotype", "biotype of the transcript", "biotype", nullable=False),
    _text("protein_id", "ID of the protein, without version; null where there is no CDS", "protein_id"),
    _number("protein_version", pa.int32(), _VERSION, "version, pep.all", nullable=True),
    Column("exon_starts", _PLACES, "first base of each exon, ascending", False, "bp", "exon"),
    Column("exon_ends", _PLACES, "last base of each exon, ascending", False, "bp", "exon"),
    _number("cds_start", pa.int32(), "lowest base of the CDS on the genome", "CDS", nullable=True),
    _number("cds_end", pa.int32(), "highest base of the CDS on the genome", "CDS", nullable=True),
    _number("cds_phase", pa.int8(), "bases before the first whole codon of the CDS", "phase", nullable=True),
    Column("canonical", pa.bool_(), "Ensembl's canonical transcript of the gene", False, None, "tag"),
    Column("mane_select", pa.bool_(), "MANE Select", False, None, "tag"),
    Column("mane_plus_clinical", pa.bool_(), "MANE Plus Clinical", False, None, "tag"),
    _number("tsl", pa.int8(), "transcript support level, 1 to 5", "transcript_support_level", nullable=True),
    _text("ccds", "ID of the consensus CDS", "ccdsid"),
    _text("tags", "all tags of the transcript, joined by commas", "tag"),
    Column("cds_start_nf", pa.bool_(), "the start of the CDS is not known", False, None, "phase, pep.all"),
    Column("cds_end_nf", pa.bool_(), "the end of the CDS is not known", False, None, "FASTA, pep.all"),
    Column("selenocysteines", _PLACES, "places of selenocysteine in the protein, 1-based", False, "residue", "FASTA, pep.all"),
    _text("peptide", "how the translated CDS compares with the published peptide: agrees; edited (it differs, so no amino-acid change can be told); none (no CDS); unchecked (no peptide is published)", "FASTA, pep.all", nullable=False),
)  # fmt: skip
"""A file per chromosome with a sequence: one row per transcript."""

GENES_SCHEMA = pa.schema([column.field for column in GENES])

DETAILS = (
    "ref", "alt", "name", "tsa", "evidence", "clin", "clin_certain", "source", "ma", "maf", "mac", "maf_of", "aa",
    "num_alts", "alt_index", "offset", "roll_left", "roll_right", "other",
)  # fmt: skip
"""What many alleles share, while they are converted or compared: `ref` and `alt` are null where the code
has them, and `offset` is how far the key starts behind POS - 1."""

PAGE_ROWS = 8192
"""Rows of a page: what is read to look up one."""


_TEXT_LIST = pa.list_(pa.string())
_WORD = pa.string()
_INTEGERS = pa.list_(pa.int32())

READ = (
    Column("chrom", _WORD, "name of the chromosome or contig, as Ensembl has it", False, None, "CHROM"),
    Column("pos", pa.int64(), "POS as published, 1-based", False, "bp", "POS"),
    Column("id", _WORD, "the ID; null where none is published", source="ID"),
    Column("ref", _WORD, "REF as published", False, None, "REF"),
    Column("alt", _WORD, "this ALT as published", False, None, "ALT"),
    Column("multi", pa.bool_(), "whether the record has several ALTs", False, None, "ALT"),
    Column("tsa", _WORD, "type of sequence alteration", source="TSA"),
    Column("ma", _WORD, "minor allele", source="MA"),
    Column("maf", pa.float64(), "minor allele frequency", source="MAF"),
    Column("mac", pa.int32(), "minor allele count", source="MAC"),
    Column("aa", _WORD, "ancestral allele", source="AA"),
    Column("af", pa.float64(), "frequency of this ALT where it is decided; where it is null, a maf says that it is undecided, no maf that none is published", source="MA, MAF"),
    Column("clin", _TEXT_LIST, "clinical terms certain to be this ALT's; empty where none is", False, None, "CLIN_*"),
    Column("rsclin", _TEXT_LIST, "clinical terms of the ID, whichever allele they are of; empty where there is none", False, None, "CLIN_*"),
    Column("evidence", _TEXT_LIST, "evidence terms", False, None, "E_*"),
    Column("source", _TEXT_LIST, "databases", False, None, "source flags"),
    Column("other", _TEXT_LIST, "INFO entries that are none of the above", False, None, "INFO"),
    Column("rs", pa.uint32(), "number of the rsID; 0 where the ID is not one", False, None, "ID"),
    Column("num_alts", pa.int32(), "number of ALTs of the record", False, None, "ALT"),
    Column("alt_index", pa.int32(), "0-based place of this ALT in its record", False, None, "ALT"),
    Column("start", pa.int64(), "start of the allele key, as in the files", False, "bp"),
    Column("code", pa.uint8(), "what the allele key is, as in the files; 0 of an ALT that can't match", False),
    Column("roll_left", pa.int32(), "how far an insertion or deletion can slide left", True, "bp", "FASTA"),
    Column("roll_right", pa.int32(), "the same to the right", True, "bp", "FASTA"),
)  # fmt: skip
"""A reference store as `scan_reference` reads it: in the words and types of the annotated table."""

RESULT = (
    Column("record", pa.int64(), "0-based number of the record in the input VCF", False),
    Column("alt_index", pa.int32(), "0-based place of the ALT in its record", False),
    Column("chrom", _WORD, "CHROM as in the input", False, None, "input"),
    Column("pos", pa.int64(), "POS, 1-based", False, "bp", "input"),
    Column("id", pa.string(), "ID as in the input; null for .", source="input"),
    Column("ref", pa.string(), "REF as in the input", False, None, "input"),
    Column("alt", pa.string(), "the ALT as in the input; null for .", source="input"),
    Column("qual", pa.float64(), "QUAL; null for .", source="input"),
    Column("filter", _WORD, "FILTER as in the input; null for .", source="input"),
)
"""Columns of the annotated table before the genotype."""

GENOTYPE = (
    Column("gt", _WORD, "GT as in the input", source="input"),
    Column("dp", pa.int32(), "DP, read depth; null where it is no whole number", source="input"),
    Column(
        "gq",
        pa.float64(),
        "GQ, genotype quality; null where it is no number",
        unit="phred",
        source="input",
    ),
    Column("ad", pa.list_(pa.int32()), "AD, read depth of REF and each ALT", source="input"),
    Column(
        "dosage",
        pa.int32(),
        "how often GT has this ALT; null where there is no GT, or it has not this ALT, but a missing allele",
        source="GT",
    ),
    Column(
        "zygosity",
        _WORD,
        "het; hom, all of several alleles; hemi, the only allele; absent; null where GT or an allele of it is missing",
        source="GT",
    ),
)
"""Genotype columns, for a VCF with exactly one sample."""

GENOTYPES = (
    Column("gts", _TEXT_LIST, "GT of each sample as in the input, in the order of the metadata's `samples`, null for . ; null where FORMAT has no GT; only on request", source="input"),
)  # fmt: skip
"""The genotypes of all samples, where they were asked for."""

_CALL = pa.struct(
    [
        ("sample", pa.string()),
        ("gt", pa.string()),
        ("dosage", pa.int32()),
        ("dp", pa.int32()),
        ("gq", pa.float64()),
        ("ad", _INTEGERS),
    ]
)

REQUESTED = {
    "info": Column("info", pa.string(), "INFO as in the input; null for . ; only on request", source="input"),
    "calls": Column("calls", pa.list_(_CALL), "the call of each sample about this ALT: sample's name, GT, dosage as in the column of that name, DP, GQ, AD (null for an allele that is not local), with LGT, LAD and LAA resolved; only on request", source="input"),
}  # fmt: skip
"""What a run can be asked for in addition, by name."""

ANNOTATION = (
    Column("ens_key", _WORD, "the allele key, which all spellings of an allele with the same place share: contig as Ensembl has it, position of the first base that differs, deleted and inserted bases, as 1-11796321-G-A, 1-100-CG- (deletion), 1-100--A (insertion before 100); null where the ALT is no sequence, or the contig another one than Ensembl's", source="CHROM, POS, REF, ALT"),
    Column("ens_id", _TEXT_LIST, "matched IDs: rs by number, then others; null where nothing matches", source="ID"),
    Column("ens_match", _TEXT_LIST, "match class of each ID: exact or shifted", source="derived"),
    Column("ens_multi", pa.list_(pa.bool_()), "whether each ID's record has several ALTs", source="ALT"),
    Column("ens_tsa", _TEXT_LIST, "type of sequence alteration of each ID", source="TSA"),
    Column("ens_ma", _TEXT_LIST, "minor allele of each ID", source="MA"),
    Column("ens_maf", pa.list_(pa.float64()), "minor allele frequency of each ID", source="MAF"),
    Column("ens_mac", pa.list_(pa.int32()), "minor allele count of each ID", source="MAC"),
    Column("ens_aa", _TEXT_LIST, "ancestral allele of each ID", source="AA"),
    Column("ens_af", pa.float64(), "frequency of this ALT where it is decided", source="MA, MAF"),
    Column("ens_af_why", _WORD, "why ens_af is null: not_published, no matched ID has a frequency; undecided, it is not certain whose it is, or records disagree; null where ens_af is not, and where nothing matches", source="MA, MAF"),
    Column("ens_clin", _TEXT_LIST, "clinical terms certain to be this ALT's, of all matched IDs", source="CLIN_*"),
    Column("ens_rsclin", _TEXT_LIST, "clinical terms of all matched IDs, whichever allele they are of", source="CLIN_*"),
    Column("ens_evidence", _TEXT_LIST, "evidence terms of all matched IDs", source="E_*"),
    Column("ens_source", _TEXT_LIST, "databases of all matched IDs", source="source flags"),
    Column("ens_par", pa.bool_(), "looked up on X and Y because it lies in a pseudo-autosomal region of Y", False),
    Column("ens_reason", _WORD, "why nothing matches; null where something does"),
    Column("ens_site_id", _TEXT_LIST, "IDs at the record's site that are none of its ALTs, the same for each of them; null where there is none, and without match: position", source="ID"),
)  # fmt: skip
"""What annotation adds to the table."""

_TERMS = ("consequence",)
_CSQ = pa.struct(
    [(name.lower(), _TEXT_LIST if name.lower() in _TERMS else pa.string()) for name in CSQ_FIELDS]
)

CONSEQUENCE = (
    Column("ens_gene", _WORD, "gene of the picked transcript", source="gene_id"),
    Column("ens_symbol", _WORD, "its symbol", source="Name"),
    Column("ens_transcript", _WORD, "the picked transcript, without version", source="transcript_id"),
    Column("ens_consequence", _TEXT_LIST, "consequences for it, by severity; null where the ALT was not called"),
    Column("ens_impact", _WORD, "impact of the most severe of them: HIGH, MODERATE, LOW or MODIFIER"),
    Column("ens_hgvsc", pa.string(), "the change of the transcript by HGVS"),
    Column("ens_hgvsp", pa.string(), "the change of the protein by HGVS, where it can be told"),
    Column("ens_worst", _WORD, "most severe consequence for any transcript: term&gene&transcript"),
    Column("ens_csq", pa.list_(_CSQ), "what ENS_CSQ has of the ALT: an entry per transcript that was asked for"),
)  # fmt: skip
"""What annotation adds to the table where the reference has genes."""


def result_schema(
    *,
    with_genotype: bool,
    with_genotypes: bool = False,
    with_genes: bool = False,
    requested: Collection[str] = (),
) -> pa.Schema:
    """Return the schema of the annotated table."""
    columns = RESULT + (GENOTYPE if with_genotype else ())
    columns += GENOTYPES if with_genotypes else ()
    columns += tuple(column for name, column in REQUESTED.items() if name in requested)
    columns += ANNOTATION
    columns += CONSEQUENCE if with_genes else ()
    return pa.schema(
        column.field.with_metadata({"description": column.description}) for column in columns
    )
