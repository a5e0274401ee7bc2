/* The transcripts of a chromosome, from the store's own parquet file.

   Only row groups that reach a span of the chromosome are read, as a whole, and each page is checked against
   its CRC-32 before anything in it is believed. What the format allows but the store does not write is an
   error. A text is a place in `pool`: its length in 4 bytes, then the bytes, as ENS_CSQ can have
   them; place 0 is null. */
#ifndef KERNEL_GENES_H
#define KERNEL_GENES_H
#include "common.h"

enum { NUM_GENE_COLUMNS = 23 };

/* A column of a row group, in the file. */
typedef struct {
    int64_t at, size;
    int32_t codec, num_values;       /* values: of lists those in all rows, an empty list counts as one */
    int32_t low, high;               /* low > high where nothing is said */
} Slice;

typedef struct {
    uint64_t serial;                 /* no two files that were opened have the same */
    int32_t fd, file, num_groups, num_leaves;
    int32_t place[NUM_GENE_COLUMNS];
    uint8_t most_level[NUM_GENE_COLUMNS], is_list[NUM_GENE_COLUMNS];
    int32_t *rows;                   /* of each row group */
    Slice *slice;
} GeneFile;

enum { IS_CANONICAL = 1, IS_MANE = 2, IS_CLINICAL = 4, NO_START = 8, NO_END = 16, NO_PEPTIDE = 32, IS_NMD = 64, HAS_TINY = 128, IS_CODING_TYPE = 256 };
enum { MOST_TINY = 13 };             /* bases of an intron that stands for a frameshift in the models */

typedef struct {
    int32_t start, end;              /* 1-based, both included, as all places here */
    int32_t exon, num_exons;         /* ascending on the genome */
    int32_t length;                  /* bases of all exons */
    int32_t cds_start, cds_end;      /* lowest and highest base; 0 for none */
    int32_t cdna_first, cdna_last;   /* of the CDS, counted in the transcript from 1 */
    int32_t stop_free, num_special;  /* selenocysteines: the first one's number, and how many */
    uint32_t id, gene, symbol, biotype, protein;
    int32_t version, protein_version;/* -1 for null */
    int8_t strand, padding;          /* padding: N to put before a CDS that begins within a codon */
    uint8_t tsl;                     /* 0 for none */
    uint16_t flags;
} Transcript;

typedef struct {
    int32_t start, end, before;      /* before: bases of the exons that come first on the genome */
} Exon;

typedef struct {
    uint64_t serial;                 /* of the file that they are from; 0 for none */
    uint8_t *has;                    /* of each row group, whether it was read */
    int64_t has_room;
    Transcript *transcript;
    int32_t *reach;                  /* the highest end in the subtree of each; see find_transcripts */
    int64_t num, room, reach_room;
    Exon *exon;
    int64_t num_exons, exon_room;
    int32_t *special;
    int64_t num_special, special_room;
    Out pool;
    uint8_t *bytes;                  /* of the row group that is read */
    int64_t bytes_room;
    Arena arena;                     /* for a column */
    Problem *problem;
} Genes;

GeneFile *open_gene_file(int fd, int32_t file, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem);
void close_gene_file(GeneFile *file);

/* Have all transcripts that touch a span; nothing is read where they are there from the last one. -1: failed. */
int use_genes(Genes *genes, const GeneFile *file, int64_t from, int64_t to, Problem *problem);
int64_t genes_bytes(const Genes *genes);
void drop_genes(Genes *genes);

/* Call `visit` for the number of each transcript that touches the span, ascending. */
typedef void (*Found)(void *context, int32_t number);
void find_transcripts(const Genes *genes, int64_t from, int64_t to, Found found, void *context);

/* The number of the first exon of a transcript that ends at a place or behind it; that of all where none does. */
int32_t exon_from(const Genes *genes, const Transcript *t, int64_t place);
/* Where a base of an exon is in the transcript, counted from 1. */
static inline int64_t cdna_of(const Transcript *t, const Exon *e, int64_t place) {
    int64_t before = e->before + place - e->start;
    return t->strand > 0 ? before + 1 : t->length - before;
}

static inline Text text_in(const Genes *genes, uint32_t place) {
    return place ? (Text){genes->pool.begin + place + 4, load32(genes->pool.begin + place)} : (Text){0};
}

#endif
