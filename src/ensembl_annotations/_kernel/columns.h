/* The ALTs of a piece and what they match, as columns of the annotated table: with the memory of Arrow's arrays. */
#ifndef KERNEL_COLUMNS_H
#define KERNEL_COLUMNS_H
#include "csq.h"
#include "values.h"

/* The columns, in the order of COLUMNS in __init__.py. Behind those of the table: what else is asked for. */
enum {
    COL_RECORD, COL_ALT_INDEX, COL_CHROM, COL_POS, COL_ID, COL_REF, COL_ALT, COL_QUAL, COL_FILTER,
    COL_GT, COL_DP, COL_GQ, COL_AD, COL_DOSAGE, COL_ZYGOSITY,
    COL_KEY, COL_ENS_ID, COL_MATCH, COL_MULTI, COL_TSA, COL_MA, COL_MAF, COL_MAC, COL_AA, COL_AF, COL_AF_WHY,
    COL_CLIN, COL_RSCLIN, COL_EVIDENCE, COL_SOURCE, COL_PAR, COL_REASON, COL_SITE_ID,
    COL_GENE, COL_SYMBOL, COL_TRANSCRIPT, COL_CONSEQUENCE, COL_IMPACT, COL_HGVSC, COL_HGVSP, COL_WORST,
    /* of each ID, its terms joined by |; where the record's line begins in the piece; the frequency as it is published;
       GT of all samples */
    COL_ID_ALLELE_CLIN, COL_ID_CLIN, COL_ID_EVIDENCE, COL_ID_SOURCE, COL_LINE, COL_AF_TEXT, COL_GTS,
    /* the entries of each ALT, and the fields of all entries */
    COL_CSQ, COL_CSQ_FIELD, NUM_TABLE_COLUMNS = COL_CSQ_FIELD + 23
};

/* A row for each ALT. Of a list, `value` is what its items are; else that of the row itself. Numbers and flags are in
   `bytes`, words that Python knows as their number. */
typedef struct {
    Out valid, offset;                       /* of lists */
    Out value_valid, value_offset, bytes;    /* offsets: of texts */
    int64_t num_rows, num_nulls, num_values, num_value_nulls;
    int64_t most;                            /* bytes of text, and items, that there is room for */
    int32_t is_full;                         /* something was left out */
    int32_t are_texts;                       /* doubles are given as text: one rounding does not give all of them */
} TableColumn;

/* How many ALTs of a window along a contig are of a kind. */
typedef struct {
    int64_t window, count;
    int32_t run;                             /* of the piece's runs of CHROM */
    int8_t status, kind, transition;         /* transition: -1 for no SNV */
} Cell;

typedef struct {
    TableColumn column[NUM_TABLE_COLUMNS];
    Out cell;                                /* in the order in which they are met */
    int64_t num_cells;
} Columns;

/* What columns are made from. */
typedef struct {
    const Piece *piece;
    const Match *match;
    const Values *values;
    const Consequences *consequences;
    const Options *options;
} Rows;

/* Make the columns that the options ask for, in the memory of those that were there; -1 where one has no room for a record. */
int make_columns(Columns *columns, const Rows *rows, Problem *problem);
int64_t columns_bytes(const Columns *columns);
void empty_columns(Columns *columns);

#endif
