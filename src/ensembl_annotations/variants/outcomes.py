"""The tags that annotation writes, the reasons for ALTs without a match, and what can be asked for.

Declared once: header lines, counts and the check of ``docs/output.md`` are made from these tables. The
kernel numbers tags and reasons in this order.
"""

from typing import NamedTuple

UNNAMED_ENTRY = "unnamed_entry"
"""Stands for an empty INFO entry: an evidence or clinical value that has no name in the dump."""


class Tag(NamedTuple):
    """An INFO tag: its header fields, and the group by which it can be chosen."""

    id: str
    number: str
    type: str
    description: str
    group: str


_ENCODED = "Percent-encoded: % , ; = & | : and white space."
_PER_ID = "in the order of ENS_ID, joined by &"

TERMS = {
    **dict.fromkeys(
        ("transcript_ablation", "splice_acceptor_variant", "splice_donor_variant", "stop_gained",
         "frameshift_variant", "stop_lost", "start_lost"), "HIGH"),
    **dict.fromkeys(
        ("inframe_insertion", "inframe_deletion", "missense_variant", "protein_altering_variant"), "MODERATE"),
    **dict.fromkeys(
        ("splice_donor_5th_base_variant", "splice_region_variant", "splice_donor_region_variant",
         "splice_polypyrimidine_tract_variant", "incomplete_terminal_codon_variant", "start_retained_variant",
         "stop_retained_variant", "synonymous_variant"), "LOW"),
    **dict.fromkeys(
        ("coding_sequence_variant", "5_prime_UTR_variant", "3_prime_UTR_variant",
         "non_coding_transcript_exon_variant", "intron_variant", "NMD_transcript_variant",
         "non_coding_transcript_variant", "coding_transcript_variant", "upstream_gene_variant",
         "downstream_gene_variant", "intergenic_variant"), "MODIFIER"),
}  # fmt: skip
"""Every term of a consequence, by severity, and its impact. The kernel numbers terms in this order."""

IMPACTS = ("HIGH", "MODERATE", "LOW", "MODIFIER")

CSQ_FIELDS = (
    "Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE", "EXON", "INTRON",
    "HGVSc", "HGVSp", "cDNA_position", "CDS_position", "Protein_position", "Amino_acids", "Codons", "DISTANCE",
    "STRAND", "FLAGS", "MANE_SELECT", "CANONICAL", "PICK",
)  # fmt: skip
"""Fields of an entry of ENS_CSQ."""

TRANSCRIPT_MODES = ("pick", "gene", "all")
"""Whose consequences are told of each ALT: one transcript's, one's of each gene, or all."""

TAGS = (
    Tag("ENS_ID", "A", "String", f"IDs of the Ensembl variants that are this ALT, joined by &: rs by number, then others. {_ENCODED}", "id"),
    Tag("ENS_MATCH", "A", "String", f"How each ID matches, {_PER_ID}: exact = same allele key, shifted = the same insertion or deletion written elsewhere in its repeat", "id"),
    Tag("ENS_MULTI", "A", "String", f"1 where the ID's record at Ensembl has several ALTs, else 0, {_PER_ID}", "id"),
    Tag("ENS_CLIN", "A", "String", f"Clinical significance terms that are certain to be this ALT's, joined by |, {_PER_ID}; . = none certain, see ENS_RSCLIN. {_ENCODED}", "clinical"),
    Tag("ENS_AF", "A", "Float", "Frequency of this ALT where MA and MAF decide it; . where undecided or where records disagree", "frequency"),
    Tag("ENS_MA", ".", "String", f"Minor allele of an ID: id|MA. {_ENCODED}", "frequency"),
    Tag("ENS_MAF", ".", "String", f"Minor allele frequency of an ID: id|MA|MAF. Not this ALT's frequency: see ENS_AF. {_ENCODED}", "frequency"),
    Tag("ENS_MAC", ".", "String", f"Minor allele count of an ID: id|MA|MAC. {_ENCODED}", "frequency"),
    Tag("ENS_TSA", ".", "String", f"Type of sequence alteration of an ID: id|type. {_ENCODED}", "details"),
    Tag("ENS_AA", ".", "String", f"Ancestral allele of an ID, as published: id|AA. {_ENCODED}", "details"),
    Tag("ENS_EVIDENCE", ".", "String", f"Evidence terms of an ID: id|term(|term)*; {UNNAMED_ENTRY} = Ensembl gives a value without a name, which may be clinical. {_ENCODED}", "evidence"),
    Tag("ENS_SOURCE", ".", "String", f"Databases an ID is from: id|name(|name)*. {_ENCODED}", "source"),
    Tag("ENS_RSCLIN", ".", "String", f"Clinical significance terms of an ID, which may be another allele's, REF's included: id|term(|term)*. {_ENCODED}", "clinical"),
    Tag("ENS_PAR", "0", "Flag", "The record lies in a pseudo-autosomal region of Y and was looked up on X and Y", "id"),
    Tag("ENS_SITE_ID", ".", "String", f"IDs of Ensembl variants at the same site that are none of the ALTs; only with match: position. {_ENCODED}", "id"),
    Tag("ENS_CSQ", ".", "String", f"Consequences of each ALT for transcripts, by the rules of Ensembl VEP. Format: {'|'.join(CSQ_FIELDS)}", "consequence"),
    Tag("ENS_WORST", "A", "String", "Most severe consequence of this ALT for any transcript: term&gene&transcript; the term alone if there is none", "consequence"),
)  # fmt: skip
TAG_IDS = tuple(tag.id for tag in TAGS)
TAG_GROUPS = ("id", "frequency", "clinical", "evidence", "source", "details", "consequence")
GENE_TAGS = tuple(tag.id for tag in TAGS if tag.group == "consequence")
"""Tags that only a reference with genes gives."""

"""Names by which several tags can be chosen at once."""

ID_MODES = ("append", "replace", "keep")
"""What becomes of the ID column: matched IDs are added, take the place of the input's, or neither."""


def tag_header_line(tag: Tag) -> str:
    """Return the VCF header line of a tag.

    Notes
    -----
    It ends with the description: scikit-allel finds no other, though a Source and Version may follow. Both are
    in our own line.
    """
    return (
        f'##INFO=<ID={tag.id},Number={tag.number},Type={tag.type},Description="{tag.description}">'
    )


REASONS = {
    "allele_differs": "Ensembl has a variant at this site, with another allele or with none given",
    "site_unknown": "Ensembl has no variant at this site",
    "ref_mismatch": "REF disagrees with the reference's bases",
    "contig_absent": "the reference store has no such contig (or was made without it: ensembl.chromosomes)",
    "contig_refused": "the contig has the name of one in the reference but is another sequence",
    "not_requested": "the contig is outside the chromosomes that annotate was asked for",
    "symbolic": "the ALT is not a sequence: symbolic, *, a breakend, <NON_REF>, not IUPAC, or N where REF has another base or none",
    "no_alt": "the ALT is missing (.)",
    "same_as_ref": "the ALT equals REF",
    "bad_position": "POS is 0 (a telomere) or beyond what can be looked up",
}
"""Every reason for an ALT without a match; each is counted."""

LOOKED_UP = ("allele_differs", "site_unknown", "ref_mismatch")
"""The reasons of ALTs that were looked up."""

TABLE_COLUMNS = ("info", "calls")
"""Columns of the annotated table that are written only where they are asked for."""

MATCH_MODES = ("allele", "position")
"""What can be asked for: `position` adds ENS_SITE_ID, what is at the site with another allele."""
