/* Which published rows each ALT is, and why not where it is none. docs/matching.md has the rules. */
#ifndef KERNEL_MATCH_H
#define KERNEL_MATCH_H
#include "alleles.h"
#include "genes.h"
#include "parquet.h"
#include "sequence.h"

/* The reasons of variants/schema.py, in its order; MATCHED stands for none. */
enum {
    MATCHED = -1, ALLELE_DIFFERS, SITE_UNKNOWN, REF_MISMATCH, CONTIG_ABSENT, CONTIG_REFUSED, NOT_REQUESTED,
    SYMBOLIC, NO_ALT, SAME_AS_REF, BAD_POSITION, NUM_REASONS
};

/* A region that lies on Y and on X; 1-based, both ends included. */
typedef struct {
    int64_t first, last, shift;
} Region;

/* What a CHROM of the input is in the reference. */
typedef struct {
    const Table *table, *x_table;           /* NULL where the store has none */
    const Sequence *sequence, *x_sequence;
    int32_t reason;                         /* why nothing on it is looked up; else MATCHED */
    int32_t is_y;                           /* the regions are to be looked up on X too */
    const GeneFile *genes, *x_genes;        /* the transcripts there */
    int32_t is_mt;                          /* it has the genetic code of vertebrate mitochondria */
    const char *name;                       /* what Ensembl calls it; NULL where that is CHROM itself */
} Contig;

typedef struct {
    int32_t record, index;                  /* index: place of the ALT in its record */
    Text alt;
    Key key;
    int64_t start;                          /* of the key, 0-based, between bases */
    int8_t reason;
    uint8_t is_par, is_exact, is_shifted;   /* hits that it has */
} Allele;

/* An ALT on a contig where it is looked up; for sites also a record without one (its key has no code). */
typedef struct {
    const Allele *allele;
    const Table *table;
    const Sequence *sequence;
    Text ref;
    int64_t start, pos;                     /* on that contig */
    int64_t least, most;                    /* what an indel must not leave */
    int32_t number;                         /* of the allele */
    uint8_t on_x, has_hit, is_known, differs;
} Query;

/* What is published of a row. */
typedef struct {
    uint32_t rs;
    int32_t num_alts;
    int64_t mac;                            /* -1 for null */
    int is_certain;
    Text name, tsa, evidence, clin, source, ma, maf, aa, af;
} Published;

typedef struct {
    int32_t allele;
    uint8_t on_x, is_shifted;
    int64_t row;                            /* in its file */
    Published published;
} Hit;

typedef struct {
    int32_t record;
    uint32_t rs;
    Text name;
} Site;

/* Row groups in use: those that were asked for last. */
enum { NUM_OPEN = 2 };
typedef struct {
    Group group[NUM_OPEN];
    int64_t used[NUM_OPEN], clock;
    const Table *table;
    const Query *query;                     /* all that will be asked for of this table, ascending */
    int64_t num_queries;
    Problem *problem;
} Finder;

typedef struct {
    Query *query;
    int64_t num_queries, query_room;
    Hit *hit;
    int64_t num_hits, hit_room;
    Site *site;
    int64_t num_sites, site_room;
    int with_sites;
    Arena *arena;                           /* for texts of the rows */
    Finder finder;
    Window window;
    Problem *problem;
} Match;

void add_query(Match *match, Allele *alleles, int32_t number, const Contig *contig, int64_t pos, Text ref, const Region *regions, int num_regions);
int find_matches(Match *match, Allele *alleles);
void begin_match(Match *match, int with_sites, Arena *arena, Problem *problem);
void drop_match(Match *match);
int is_in_region(const Contig *contig, const Allele *allele, const Region *region);

/* Of an SNV, which bases the reference has at its place: bits 0 to 3; -1: failed. */
int known_bases(Match *match, const Table *table, const Sequence *sequence, int64_t place);

#endif
