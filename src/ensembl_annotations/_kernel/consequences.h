/* What an ALT does to a transcript: sequence ontology terms as Ensembl VEP gives them. docs/genes.md has the rules.

   Places on the genome are 1-based. An insertion between two bases has the right one as start and the left one
   as end. A *case* is an ALT on a transcript; what the rules ask of it is found out once. */
#ifndef KERNEL_CONSEQUENCES_H
#define KERNEL_CONSEQUENCES_H
#include "genes.h"
#include "sequence.h"

/* By severity; terms of a row are written in this order. */
enum {
    TRANSCRIPT_ABLATION, SPLICE_ACCEPTOR, SPLICE_DONOR, STOP_GAINED, FRAMESHIFT, STOP_LOST, START_LOST, INFRAME_INSERTION,
    INFRAME_DELETION, MISSENSE, PROTEIN_ALTERING, SPLICE_5TH_BASE, SPLICE_REGION, SPLICE_DONOR_REGION, POLYPYRIMIDINE,
    INCOMPLETE_CODON, START_RETAINED, STOP_RETAINED, SYNONYMOUS, CODING_SEQUENCE, FIVE_PRIME_UTR, THREE_PRIME_UTR, NON_CODING_EXON,
    INTRON, NMD_TRANSCRIPT, NON_CODING_TRANSCRIPT, CODING_TRANSCRIPT, UPSTREAM, DOWNSTREAM, INTERGENIC, NUM_TERMS
};
enum { HIGH, MODERATE, LOW, MODIFIER, NUM_IMPACTS };
extern const char *const term_names[NUM_TERMS], *const impact_names[NUM_IMPACTS];
int impact_of(int term);

enum { FLANK = 5000 };           /* so far from a transcript a variant is still up- or downstream of it */

/* Bases of a chromosome. The blocks that were read last are kept: exons are far from one another. */
enum { NUM_WINDOWS = 8 };
typedef struct {
    const Sequence *sequence;
    Window window[NUM_WINDOWS];
    Problem *problem;
    int has_failed;
} Bases;

/* The letter at a place: ACGT, or N where none is known. */
uint8_t letter_at(Bases *bases, int64_t place);
uint8_t complement_of(uint8_t letter);

/* An ALT alone, without what it has in common with REF: first in front, then behind. */
typedef struct {
    int64_t start, end;
    Text ref, alt;
} Variant;
Variant variant_of(int64_t pos, Text ref, Text alt);

typedef struct {
    const Genes *genes;
    Bases *bases;
    Arena *arena;                /* for texts of a call */
    int is_mt;                   /* the genetic code of vertebrate mitochondria */
} Caller;

/* What is told of an ALT and a transcript. Of positions 0 is undefined; an insertion has start = end + 1. */
typedef struct {
    int32_t transcript;          /* -1 where there is none */
    uint32_t terms;              /* a bit each */
    int32_t worst;               /* the first of them */
    int32_t distance;            /* to the transcript; -1 where it touches it */
    int32_t exon_first, exon_last, intron_first, intron_last;
    int64_t cdna_start, cdna_end, cds_start, cds_end, protein_start, protein_end;
    uint8_t is_exonic, is_coding, has_codons, has_peptides;
    Text ref_codon, alt_codon, ref_peptide, alt_peptide;   /* empty for -; of all letters in upper case */
    int32_t ref_changed, alt_changed, first_changed;       /* of the codons: letters that change, and where they begin */
} Call;

typedef struct {
    const Caller *caller;
    const Variant *variant;
    const Transcript *t;
    Call *call;
    int64_t low, high;           /* the first and last base; of an insertion both that it is between */
    Text alt;                    /* in the direction of the transcript, in upper case */
    int64_t grows;               /* bases that ALT has more than REF */
    int is_insertion, is_plain;  /* plain: ALT has no letters but ACGT */
} Case;

Case case_of(const Caller *caller, const Variant *variant, int32_t transcript, Call *call);
void call_consequences(Case *c);
/* Find positions, codons and peptides; of a variant that was moved as well. */
void find_positions(Case *c);
void find_codons(Case *c);
Call intergenic_call(void);

/* A base of the CDS, counted from 0, padding included; before it the 5' UTR, behind it the 3' UTR; 0 where there is none. */
uint8_t cds_letter(const Case *c, int64_t at);
int64_t cds_length(const Transcript *t);
/* The same of the sequence with the ALT in it. */
uint8_t edited_letter(const Case *c, int64_t at);
/* The amino acid of three letters; X where they don't decide it. */
uint8_t residue_of(const uint8_t *codon, int is_mt);
uint8_t residue_at(const Case *c, int64_t number);          /* of the protein, from 1; 0 behind its end */
uint8_t peptide_at(const Case *c, int64_t number);          /* the same as published: a start codon's is M */
uint8_t edited_residue_at(const Case *c, int64_t number);

#endif
