/* The records of a piece of a VCF: its lines, cut into fields, checked and counted. */
#ifndef KERNEL_PIECE_H
#define KERNEL_PIECE_H
#include "match.h"

/* Columns of a VCF. */
enum { CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO, FORMAT, SAMPLE };

/* The tags of variants/schema.py, in its order. */
enum {
    TAG_ID, TAG_MATCH, TAG_MULTI, TAG_CLIN, TAG_AF, TAG_MA, TAG_MAF, TAG_MAC, TAG_TSA, TAG_AA, TAG_EVIDENCE,
    TAG_SOURCE, TAG_RSCLIN, TAG_PAR, TAG_SITE_ID, TAG_CSQ, TAG_WORST, NUM_TAGS
};
extern const char *const tag_names[NUM_TAGS];
enum { APPEND_IDS, REPLACE_IDS, KEEP_IDS };
enum { ONE_TRANSCRIPT, ONE_OF_EACH_GENE, ALL_TRANSCRIPTS };

/* What the Python side asks for; see __init__.py. */
typedef struct {
    int32_t num_columns;
    uint32_t tags;                   /* chosen ones: a bit each */
    int32_t id_mode;
    int32_t overwrite;               /* take the chosen tags out of the input */
    int32_t check_records;           /* refuse what has the chosen tags, and what has values that can't be typed */
    int32_t check_calls;             /* the latter in all samples, of which there are several */
    int32_t with_sites;
    int32_t index_depth;             /* of the index to make, 0 for none */
    int32_t num_regions;
    int32_t num_contigs;
    int32_t transcripts;             /* whose consequences are told */
    Region region[2];
    const Contig *contig;
    const int32_t *contig_of_run;
    int64_t num_runs;
    int64_t most_allele_bytes;       /* of REF and ALT of a record, with the tab between them */
    int64_t most_alts;
    int64_t most_told_bytes;         /* of the consequences of a piece */
    uint64_t columns;                /* a bit for each column of columns.h that is asked for */
    int64_t first_record;            /* the number of the piece's first one */
    int64_t most_column;             /* bytes of text, and items, of a column; Arrow has room for 2^31 - 1 */
} Options;

/* How much memory the ALTs of records take while they are matched, and how much of that may be in work at a time. */
typedef struct {
    int64_t per_alt, per_byte, most;
} Work;

/* Lines that follow one another: where they end in the text, how many they are, and the memory they take. */
typedef struct {
    int64_t end, num_lines, work;
} Part;

/* Records that follow one another on a contig. */
typedef struct {
    int64_t begin, length;           /* of CHROM, in the text */
    int64_t num_records, first_pos, last_pos, is_ascending;
    int64_t num_in_region, num_elsewhere;   /* ALTs to be looked up, by whether they lie in a region of Y */
} ContigRun;

typedef struct {
    const uint8_t *line, *end;       /* the end: at the newline */
    const uint8_t *tab[9];           /* behind each of the first columns; what a line has not is its end */
    Text info;                       /* without the tags that are taken out */
    int64_t pos;
    int32_t run, first_allele, num_alleles;
    uint8_t is_cut;                  /* something was taken out of INFO */
} Record;

static inline Text field_of(const Record *record, int column) {
    const uint8_t *begin = column ? record->tab[column - 1] + 1 : record->line;
    const uint8_t *end = record->tab[column];
    return (Text){begin, end - begin};
}

static inline const Contig *contig_of(const Options *options, const Record *record) {
    return options->contig + options->contig_of_run[record->run];
}

/* Values of a FORMAT key that are not of its type: how many records have one, and the first. */
typedef struct {
    int64_t num_records, line;
    Text value;
} Untyped;

/* Words in INFO and FORMAT of a piece; where it has one, records are looked at more closely. */
enum { HAS_ENS = 1, HAS_END = 2, HAS_SVLEN = 4, HAS_LEN = 8 };

typedef struct {
    const uint8_t *text;
    int64_t size;
    int words;
    Record *record;
    int64_t num_records;
    ContigRun *run;
    int64_t num_runs;
    Allele *allele;
    int64_t num_alleles, allele_room;
    Untyped untyped[3];              /* DP, GQ, AD */
    Arena arena;
} Piece;

int64_t find_runs(const uint8_t *text, int64_t size, ContigRun **runs);
int64_t find_parts(const uint8_t *text, int64_t size, const Work *work, Part **parts);
int cut_piece(Piece *piece, const Options *options, Problem *problem);
void split_alleles(Piece *piece, const Options *options);
void begin_piece(Piece *piece, const uint8_t *text, int64_t size);
void drop_piece(Piece *piece);
int has_place(const Record *record, const Contig *contig);

/* What stands behind FORMAT: the call of the one sample, or those of all. */
Text call_of(const Record *record);

/* The next item of a list; `t` is what is left, with a NULL after the last one. */
static inline Text next_item(Text *t, char separator) {
    const uint8_t *stop = t->n ? memchr(t->p, separator, (size_t)t->n) : NULL;
    Text item = {t->p, stop ? stop - t->p : t->n};
    *t = stop ? (Text){stop + 1, t->n - item.n - 1} : (Text){0};
    return item;
}
Text item_at(Text list, int64_t at, char separator);
/* Where a FORMAT key stands, from 0; -1 where it does not. */
int64_t key_at(Text format, const char *key);
/* A number as programs write them: 5, -5.5, .5, 1e-3, inf, nan. */
int is_number(Text t);
/* Whether it is a whole number of 32 bits, and which. */
int read_int32(Text t, int32_t *number);
/* Whether it is a number of so few digits that one rounding gives the nearest double, and which. */
int read_double(Text t, double *number);
static inline int is_dot(Text t) { return t.n == 1 && *t.p == '.'; }

#endif
