/* Look up rows in the store's own parquet files.

   A *table* is a file whose footer was read; a *group* is one of its row groups, of which only what is
   needed is fetched; a *chunk* is a column in a row group, cut into *pages*. Pages are checked against
   their CRC-32 before anything in them is believed, and what the format allows but the store does not
   write is an error. */
#ifndef KERNEL_PARQUET_H
#define KERNEL_PARQUET_H
#include "common.h"

enum { TYPE_BOOLEAN = 0, TYPE_INT32 = 1, TYPE_BYTES = 6 };
enum { PLAIN = 0, DELTA = 5, DICTIONARY = 8 };
enum { UNPACKED = 0, LZ4 = 7 };
enum { MOST_COLUMNS = 32 };

/* The store's columns, in the order of `column_names`. */
enum {
    COLUMN_START, COLUMN_CODE, COLUMN_RS, COLUMN_NAME, COLUMN_POS, COLUMN_REF, COLUMN_ALT, COLUMN_NUM_ALTS,
    COLUMN_TSA, COLUMN_EVIDENCE, COLUMN_CLIN, COLUMN_CLIN_CERTAIN, COLUMN_SOURCE, COLUMN_MA, COLUMN_MAF,
    COLUMN_MAC, COLUMN_MAF_OF, COLUMN_AA, COLUMN_ROLL_LEFT, COLUMN_ROLL_RIGHT, NUM_COLUMNS
};

typedef struct {
    int64_t at, size;        /* in the file */
    int32_t codec, rows;
    int32_t low, high;       /* of what has statistics; low > high where all is null, or nothing said */
} Chunk;

typedef struct {
    int32_t fd, file;
    int32_t num_groups, num_chunks;      /* row groups, and columns of each */
    int32_t place[NUM_COLUMNS];          /* of our columns among the file's */
    uint8_t nullable[NUM_COLUMNS];
    int64_t most_left, most_right;       /* that any indel can slide */
    int64_t most_offset;                 /* that a key can start behind its POS, at most */
    Chunk *chunk;
} Table;

typedef struct {
    int32_t first, rows, encoding, is_ready;   /* ready: checked, and unpacked where it was packed */
    int64_t at, size, packed;                  /* of its data in the group; size is that once unpacked */
    uint32_t crc;
    int32_t width;                             /* bits of a place in the dictionary */
    const uint8_t *data;
    int32_t num_levels, num_runs;
    int32_t last_level, last_run;              /* looked up last: the next is mostly near */
    int32_t counted_run, counted, ones;        /* in which run of levels, and up to which row, ones were counted last */
    struct Run *level, *run;
    int32_t *numbers;                          /* of a DELTA page */
} Page;

/* A run of RLE and bit-packing: `count` times one value, or values of `width` bits. */
typedef struct Run {
    int32_t first, known;
    uint32_t value;
    const uint8_t *bits;
} Run;

typedef struct {
    const Chunk *chunk;
    Page *page, dictionary;
    int32_t num_pages, type;
    uint8_t nullable, is_open;
    int32_t last;                              /* the page that was looked up last */
    Text *text;                                /* of the dictionary, once it was read */
} Column;

typedef struct Far {
    int32_t pos, row;
} Far;

typedef struct {
    const Table *table;
    int32_t number, rows;
    int64_t begin, size;                       /* in the file */
    uint8_t *bytes, *have;                     /* what was fetched, block by block */
    int64_t room, room_have;
    Column column[NUM_COLUMNS];
    int32_t *first_of_page, hint;              /* of `start`; the row that was looked for last */
    struct Far *far;                           /* rows whose key starts behind their POS, by POS */
    int32_t num_far;
    Arena arena;                               /* for as long as the group is in use */
    Problem *problem;
} Group;

extern const char *const column_names[NUM_COLUMNS];

Table *open_table(int fd, int32_t file, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem);
void close_table(Table *table);
static inline const Chunk *chunk_of(const Table *table, int group, int column) {
    return table->chunk + (int64_t)group * table->num_chunks + table->place[column];
}

/* A group is used again for the next one; `whole` fetches all of it at once. All return -1 where the
   file is not what it must be, and say so in the problem that the group was opened with. */
int use_group(Group *group, const Table *table, int number, int whole, Problem *problem);
int fetch_columns(Group *group, int first, int last);     /* these and what is between them, if it is little, in one go */
void drop_group(Group *group);
Column *open_column(Group *group, int number);
static inline Column *column_of(Group *group, int number) {
    Column *column = group->column + number;
    return column->is_open ? column : open_column(group, number);
}
int text_at(Group *group, int column, int32_t row, Text *text);         /* p is NULL for null */
int number_at(Group *group, int column, int32_t row, int64_t *number);  /* -1 for null */
int flag_at(Group *group, int column, int32_t row, int *flag);
const int32_t *numbers_of(Group *group, int column, int page);          /* of a DELTA page; NULL: failed */
Page *find_page(Column *column, int32_t row);
static inline Page *page_of(Column *column, int32_t row) {
    Page *page = column->page + column->last;
    return page->first <= row && row - page->first < page->rows ? page : find_page(column, row);
}
int64_t first_row_from(Group *group, int64_t start);                    /* the first row with this start or a later one */
int ready_far(Group *group);                                            /* `far` and `num_far` are known */
int start_at(Group *group, int32_t row, int64_t *start);

#endif
