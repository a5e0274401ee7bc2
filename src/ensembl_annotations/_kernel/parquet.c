/* Source: the Apache Parquet format (thrift's compact protocol, pages, encodings), and LZ4's block format. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include "parquet.h"
#include "thrift.h"

#include <stdlib.h>

const char *const column_names[NUM_COLUMNS] = {
    "start", "code", "rs", "name", "pos", "ref", "alt", "num_alts", "tsa", "evidence", "clin", "clin_certain",
    "source", "ma", "maf", "mac", "maf_of", "aa", "roll_left", "roll_right",
};
static const uint8_t column_types[NUM_COLUMNS] = {
    TYPE_INT32, TYPE_INT32, TYPE_INT32, TYPE_BYTES, TYPE_INT32, TYPE_BYTES, TYPE_BYTES, TYPE_INT32,
    TYPE_BYTES, TYPE_BYTES, TYPE_BYTES, TYPE_BOOLEAN, TYPE_BYTES, TYPE_BYTES, TYPE_BYTES, TYPE_INT32,
    TYPE_INT32, TYPE_BYTES, TYPE_INT32, TYPE_INT32,
};
enum { MOST_GROUPS = 1 << 20, MOST_GROUP_BYTES = 1 << 30, MOST_PAGES = 1 << 14, MOST_ROWS = 1 << 24 };
enum { BLOCK = 4096, HEADER_BYTES = 256 };
enum { AT_ONCE = 16 * BLOCK, TOGETHER = 64 * BLOCK };      /* most bytes of a column, and of several, fetched in one go */

/* ---- footer ---- */

static void read_statistics(Cursor *c, Chunk *chunk) {
    for (int id = 0, type; (type = next_field(c, &id));) {
        if ((id != 5 && id != 6) || type != BINARY) {
            skip(c, type, 0);
            continue;
        }
        Text value = binary(c);
        if (value.n == 4) memcpy(id == 5 ? &chunk->high : &chunk->low, value.p, 4);
    }
}

static void read_column_metadata(Cursor *c, Chunk *chunk, int64_t file_bytes) {
    int64_t data = 0, dictionary = 0;
    for (int id = 0, type; (type = next_field(c, &id));) {
        switch (id) {
        case 4: chunk->codec = (int32_t)bounded(c, 100); break;
        case 5: chunk->rows = (int32_t)bounded(c, MOST_ROWS); break;
        case 7: chunk->size = bounded(c, MOST_GROUP_BYTES); break;
        case 9: data = bounded(c, file_bytes); break;
        case 11: dictionary = bounded(c, file_bytes); break;
        case 12: read_statistics(c, chunk); break;
        default: skip(c, type, 0);
        }
    }
    chunk->at = dictionary && dictionary < data ? dictionary : data;
    if (chunk->at > file_bytes - chunk->size) c->is_bad = 1;
}

static void read_chunk(Cursor *c, Chunk *chunk, int64_t file_bytes) {
    *chunk = (Chunk){.low = 0, .high = -1};
    for (int id = 0, type; (type = next_field(c, &id));)
        if (id == 3 && type == STRUCT) read_column_metadata(c, chunk, file_bytes);
        else skip(c, type, 0);
}

static void read_row_groups(Cursor *c, Table *table, int64_t file_bytes) {
    int kind;
    int64_t n = list_length(c, &kind);
    if (n > MOST_GROUPS || kind != STRUCT || !table->num_chunks || table->chunk) c->is_bad = 1;
    if (c->is_bad) return;
    table->num_groups = (int32_t)n;
    table->chunk = need_memory(NULL, (size_t)n * (size_t)table->num_chunks * sizeof(Chunk));
    memset(table->chunk, 0, (size_t)n * (size_t)table->num_chunks * sizeof(Chunk));
    for (int64_t g = 0; g < n && !c->is_bad; g++)
        for (int id = 0, type; (type = next_field(c, &id));) {
            if (id != 1 || type != LIST) {
                skip(c, type, 0);
                continue;
            }
            if (list_length(c, &kind) != table->num_chunks || kind != STRUCT) c->is_bad = 1;
            for (int i = 0; i < table->num_chunks && !c->is_bad; i++)
                read_chunk(c, table->chunk + g * table->num_chunks + i, file_bytes);
        }
}

/* An element of the schema: which of our columns it is, and whether that is as it must be. */
static void read_element(Cursor *c, Table *table, int index) {
    int64_t type = -1, repetition = -1;
    Text name = {0};
    for (int id = 0, kind; (kind = next_field(c, &id));) {
        if (id == 1) type = bounded(c, 100);
        else if (id == 3) repetition = bounded(c, 100);
        else if (id == 4 && kind == BINARY) name = binary(c);
        else skip(c, kind, 0);
    }
    for (int i = 0; index >= 0 && i < NUM_COLUMNS; i++) {
        if (!same_text(name, (Text){(const uint8_t *)column_names[i], (int64_t)strlen(column_names[i])})) continue;
        if (table->place[i] >= 0 || type != column_types[i] || repetition < 0 || repetition > 1) c->is_bad = 1;
        table->place[i] = index;
        table->nullable[i] = repetition == 1;
    }
}

static void read_schema(Cursor *c, Table *table) {
    int kind;
    int64_t n = list_length(c, &kind);
    if (n < 2 || n > MOST_COLUMNS + 1 || kind != STRUCT || table->num_chunks) c->is_bad = 1;
    table->num_chunks = (int32_t)n - 1;
    for (int i = 0; i < n && !c->is_bad; i++) read_element(c, table, i - 1);
}

static int all_fits(const Table *table) {
    for (int i = 0; i < NUM_COLUMNS; i++)
        if (table->place[i] < 0) return 0;
    for (int g = 0; g < table->num_groups; g++) {
        const Chunk *start = chunk_of(table, g, COLUMN_START);
        for (int i = 0; i < table->num_chunks; i++)
            if (table->chunk[(int64_t)g * table->num_chunks + i].rows != start->rows) return 0;
        if (start->rows < 1 || start->low > start->high) return 0;
        if (g && chunk_of(table, g - 1, COLUMN_START)->high > start->low) return 0;
    }
    return 1;
}

static void note_reach(Table *table) {
    for (int g = 0; g < table->num_groups; g++) {
        const Chunk *start = chunk_of(table, g, COLUMN_START), *pos = chunk_of(table, g, COLUMN_POS);
        table->most_left = most(table->most_left, chunk_of(table, g, COLUMN_ROLL_LEFT)->high);
        table->most_right = most(table->most_right, chunk_of(table, g, COLUMN_ROLL_RIGHT)->high);
        table->most_offset = most(table->most_offset, (int64_t)start->high + 1 - pos->low);
    }
}

Table *open_table(int fd, int32_t file, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem) {
    Table *table = need_memory(NULL, sizeof *table);
    *table = (Table){.fd = fd, .file = file};
    memset(table->place, -1, sizeof table->place);
    Cursor c = {footer, footer + footer_bytes, 0};
    for (int id = 0, type; (type = next_field(&c, &id));) {
        if (id == 2 && type == LIST) read_schema(&c, table);
        else if (id == 4 && type == LIST) read_row_groups(&c, table, file_bytes);
        else skip(&c, type, 0);
    }
    if (!c.is_bad && all_fits(table)) {
        note_reach(table);
        return table;
    }
    fail_store(problem, file, "its footer does not describe a store's columns");
    close_table(table);
    return NULL;
}

void close_table(Table *table) {
    if (table) free(table->chunk);
    free(table);
}

/* ---- bytes of a row group ---- */

/* Have `size` bytes from `at` of the group on. */
static int need(Group *group, int64_t at, int64_t size) {
    if (at < 0 || size < 0 || at > group->size - size) return fail_store(group->problem, group->table->file, "a page leaves its row group");
    int64_t block = at / BLOCK, last = (at + size + BLOCK - 1) / BLOCK;
    while (block < last) {
        if (group->have[block]) {
            block++;
            continue;
        }
        int64_t stop = block;
        while (stop < last && !group->have[stop]) group->have[stop++] = 1;
        int64_t begin = block * BLOCK, end = least(stop * BLOCK, group->size);
        if (read_fully(group->table->fd, group->bytes + begin, end - begin, group->begin + begin))
            return fail_store(group->problem, group->table->file, "can't be read any more: it was cut or replaced, or its disk fails");
        block = stop;
    }
    return 0;
}

int use_group(Group *group, const Table *table, int number, int whole, Problem *problem) {
    int64_t begin = INT64_MAX, end = 0;
    for (int i = 0; i < table->num_chunks; i++) {
        const Chunk *chunk = table->chunk + (int64_t)number * table->num_chunks + i;
        begin = least(begin, chunk->at), end = most(end, chunk->at + chunk->size);
    }
    rewind_arena(&group->arena);
    group->first_of_page = NULL, group->hint = 0, group->far = NULL;
    group->table = table, group->number = number, group->problem = problem;
    group->rows = chunk_of(table, number, COLUMN_START)->rows;
    group->begin = begin, group->size = end - begin;
    if (group->size > MOST_GROUP_BYTES) return fail_store(problem, table->file, "a row group is too large");
    int64_t blocks = group->size / BLOCK + 2;
    if (group->size + 16 > group->room) {
        free(group->bytes);
        group->bytes = need_memory(NULL, (size_t)(group->room = group->size + 16));
    }
    if (blocks > group->room_have) {
        free(group->have);
        group->have = need_memory(NULL, (size_t)(group->room_have = blocks));
    }
    memset(group->have, 0, (size_t)blocks);
    memset(group->bytes + group->size, 0, 16);
    memset(group->column, 0, sizeof group->column);
    return whole ? need(group, 0, group->size) : 0;
}

int fetch_columns(Group *group, int first, int last) {
    int64_t begin = INT64_MAX, end = 0;
    for (int i = first; i <= last; i++) {
        const Chunk *chunk = chunk_of(group->table, group->number, i);
        begin = least(begin, chunk->at), end = most(end, chunk->at + chunk->size);
    }
    return end - begin <= TOGETHER ? need(group, begin - group->begin, end - begin) : 0;
}

void drop_group(Group *group) {
    clear(&group->arena);
    free(group->bytes);
    free(group->have);
    memset(group, 0, sizeof *group);
}

/* ---- pages ---- */

typedef struct {
    int64_t type, unpacked, packed, crc, rows, encoding;
    int has_crc;
} PageHeader;

/* Anything that the store does not write makes it bad: a header has no checksum of its own. */
static void read_page_header(Cursor *c, PageHeader *h) {
    *h = (PageHeader){-1, -1, -1, 0, -1, -1, 0};
    for (int id = 0, type; (type = next_field(c, &id));) {
        if (id == 1 && type == I32) h->type = bounded(c, 3);
        else if (id == 2 && type == I32) h->unpacked = bounded(c, MOST_GROUP_BYTES);
        else if (id == 3 && type == I32) h->packed = bounded(c, MOST_GROUP_BYTES);
        else if (id == 4 && type == I32) h->crc = zigzag(c), h->has_crc = 1;
        else if ((id == 5 || id == 7) && type == STRUCT && h->rows < 0 && h->type == (id == 5 ? 0 : 2)) {
            for (int inner = 0, kind; (kind = next_field(c, &inner));) {
                if (inner == 1 && kind == I32) h->rows = bounded(c, MOST_ROWS);
                else if (inner == 2 && kind == I32) h->encoding = bounded(c, 100);
                else if (id == 5 && (inner == 3 || inner == 4) && kind == I32) { if (bounded(c, 100) != 3) c->is_bad = 1; }
                else if (id == 5 && inner == 5 && kind == STRUCT) skip(c, kind, 0);
                else if (!(id == 7 && inner == 3 && kind == FALSE_FIELD)) c->is_bad = 1;
            }
        } else c->is_bad = 1;
        if (c->is_bad) return;
    }
    if (h->rows < 0 || h->encoding < 0 || h->packed < 0 || h->unpacked < 0 || !h->has_crc) c->is_bad = 1;
}

static int bad_page(Group *group) { return fail_store(group->problem, group->table->file, "a page is altered"); }

/* Find where the pages of a column are, by their headers. */
static int find_pages(Group *group, Column *column) {
    const Chunk *chunk = column->chunk;
    int64_t at = chunk->at - group->begin, end = at + chunk->size, room = 16;
    int32_t first = 0;
    column->page = take_zeroed(&group->arena, (size_t)room * sizeof(Page));
    /* Headers of small pages are in most of the blocks. */
    if (chunk->size <= AT_ONCE && need(group, at, chunk->size)) return -1;
    while (first < chunk->rows || !column->num_pages) {
        int64_t ahead = least(HEADER_BYTES, end - at);
        if (ahead <= 0) return bad_page(group);
        if (need(group, at, ahead)) return -1;
        Cursor c = {group->bytes + at, group->bytes + at + ahead, 0};
        PageHeader h;
        read_page_header(&c, &h);
        at += c.p - (group->bytes + at);
        if (c.is_bad || h.packed > end - at || (chunk->codec == UNPACKED && h.packed != h.unpacked)) return bad_page(group);
        Page page = {.first = first, .rows = (int32_t)h.rows, .encoding = (int32_t)h.encoding, .at = at, .packed = h.packed,
                     .size = h.unpacked, .crc = (uint32_t)h.crc};
        at += h.packed;
        if (h.type == 2) {
            if (column->num_pages || column->dictionary.packed || h.encoding != PLAIN) return bad_page(group);
            column->dictionary = page;
            continue;
        }
        if (h.type || h.rows < 1 || h.rows > chunk->rows - first || column->num_pages == MOST_PAGES) return bad_page(group);
        if (column->num_pages == room) {
            Page *more = take_zeroed(&group->arena, (size_t)room * 2 * sizeof(Page));
            memcpy(more, column->page, (size_t)room * sizeof(Page));
            column->page = more, room *= 2;
        }
        column->page[column->num_pages++] = page;
        first += page.rows;
    }
    return at == end ? 0 : bad_page(group);
}

Column *open_column(Group *group, int number) {
    Column *column = group->column + number;
    column->chunk = chunk_of(group->table, group->number, number);
    column->type = column_types[number];
    column->nullable = group->table->nullable[number];
    if (column->chunk->codec != UNPACKED && column->chunk->codec != LZ4) {
        fail_store(group->problem, group->table->file, "a column is compressed in an unknown way");
        return NULL;
    }
    if (find_pages(group, column)) return NULL;
    column->is_open = 1;
    return column;
}

Page *find_page(Column *column, int32_t row) {
    int low = 0, high = column->num_pages;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (column->page[middle].first <= row) low = middle;
        else high = middle;
    }
    column->last = low;
    return column->page + low;
}

/* ---- LZ4 ---- */

enum { SLACK = 32 };       /* bytes behind what is unpacked that may be overwritten */

/* The rest of a length that does not fit into a token; NULL where it is cut, or longer than any page. */
static const uint8_t *add_length(const uint8_t *p, const uint8_t *end, int64_t *n) {
    for (uint8_t byte = 255; byte == 255;) {
        if (p == end || *n > MOST_GROUP_BYTES) return NULL;
        *n += byte = *p++;
    }
    return p;
}

/* Copy what was unpacked `back` bytes before, which may overlap. */
static uint8_t *repeat(uint8_t *to, int64_t back, int64_t n) {
    uint8_t *end = to + n;
    /* What is repeated after fewer than 16 bytes is repeated after twice as many, too. */
    for (; back < 16 && to < end; back *= 2)
        for (int64_t i = least(back, end - to); i > 0; i--, to++) *to = to[-back];
    for (; to < end; to += 16) memcpy(to, to - back, 16);
    return end;
}

/* Unpack a block that has exactly `size` bytes. */
static int unpack_lz4(const uint8_t *p, int64_t num_packed, uint8_t *out, int64_t size) {
    const uint8_t *end = p + num_packed;
    uint8_t *to = out, *stop = out + size;
    while (p < end) {
        uint8_t token = *p++;
        int64_t n = token >> 4;
        if (n == 15 && !(p = add_length(p, end, &n))) return -1;
        if (n > end - p || n > stop - to) return -1;
        if (n <= 16 && end - p >= 16) memcpy(to, p, 16);
        else memcpy(to, p, (size_t)n);
        to += n, p += n;
        if (p == end) return to == stop ? 0 : -1;
        if (end - p < 2) return -1;
        int64_t back = p[0] | p[1] << 8;
        p += 2, n = token & 15;
        if (n == 15 && !(p = add_length(p, end, &n))) return -1;
        n += 4;
        if (back < 1 || back > to - out || n > stop - to) return -1;
        to = repeat(to, back, n);
    }
    return -1;
}

/* ---- encodings ---- */

/* Read runs for `rows` values; -1 where they don't have as many. */
static int read_runs(Cursor *c, int width, int32_t rows, Run **runs, int32_t *count, Arena *arena) {
    int32_t first = 0, room = 64;
    Run *run = take(arena, (size_t)room * sizeof(Run));
    *count = 0;
    while (first < rows) {
        uint64_t head = c->p < c->end && *c->p < 128 ? *c->p++ : varint(c);
        int64_t n = (int64_t)(head >> 1) * (head & 1 ? 8 : 1);
        if (c->is_bad || n < 1 || n > INT32_MAX) return -1;
        if (*count == room) {
            Run *more = take(arena, (size_t)room * 2 * sizeof(Run));
            memcpy(more, run, (size_t)room * sizeof(Run));
            run = more, room *= 2;
        }
        Run *next = run + (*count)++;
        *next = (Run){.first = first};
        int64_t size = head & 1 ? n / 8 * width : (width + 7) / 8;
        if (size > c->end - c->p) return -1;
        if (head & 1) next->bits = c->p;
        else for (int i = 0; i < size; i++) next->value |= (uint32_t)c->p[i] << 8 * i;
        c->p += size;
        first += (int32_t)least(n, rows - first);
    }
    *runs = run;
    return 0;
}

static inline const Run *run_at(const Run *run, int32_t count, int32_t *last, int32_t row) {
    /* Mostly it is soon behind the last one. */
    int32_t low = run[*last].first <= row ? *last : 0, high = low + 1;
    for (int32_t step = 1; high < count && run[high].first <= row; step *= 2) low = high, high += step;
    if (high > count) high = count;
    while (high - low > 1) {
        int32_t middle = (low + high) / 2;
        if (run[middle].first <= row) low = middle;
        else high = middle;
    }
    *last = low;
    return run + low;
}

static inline uint32_t value_at(const Run *run, int width, int32_t row) {
    if (!run->bits) return run->value;
    if (!width) return 0;
    int64_t bit = (int64_t)(row - run->first) * width;
    return (uint32_t)(load64(run->bits + (bit >> 3)) >> (bit & 7) & ~0ull >> (64 - width));
}

/* Without the processor's own instruction, which not every one has. */
static inline int32_t ones_of(uint64_t bits) {
    bits -= bits >> 1 & 0x5555555555555555ull;
    bits = (bits & 0x3333333333333333ull) + (bits >> 2 & 0x3333333333333333ull);
    return (int32_t)(((bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0Full) * 0x0101010101010101ull >> 56);
}

static int32_t count_ones(const uint8_t *bits, int32_t n) {
    int32_t count = 0;
    for (; n >= 64; n -= 64, bits += 8) count += ones_of(load64(bits));
    return n ? count + ones_of(load64(bits) & ~0ull >> (64 - n)) : count;
}

/* Ones before a row of a run of levels, counted on from the row that was asked for last. */
static inline int32_t ones_before(Page *page, const Run *level, int32_t within) {
    int32_t number = (int32_t)(level - page->level);
    if (page->counted_run != number || page->counted > within) page->counted_run = number, page->counted = page->ones = 0;
    int32_t whole = page->counted & ~63;        /* a word that was counted in part is counted again */
    page->ones += count_ones(level->bits + whole / 8, within - whole) - count_ones(level->bits + whole / 8, page->counted - whole);
    page->counted = within;
    return page->ones;
}

/* The levels say which rows are not null; `known` counts those before a run. Returns how many there are. */
static int32_t read_levels(Page *page, Cursor *c, Arena *arena) {
    if (c->end - c->p < 4) return -1;
    int64_t size = load32(c->p);
    if (size > c->end - c->p - 4) return -1;
    Cursor inner = {c->p + 4, c->p + 4 + size, 0};
    if (read_runs(&inner, 1, page->rows, &page->level, &page->num_levels, arena)) return -1;
    c->p += 4 + size;
    int32_t known = 0;
    for (int k = 0; k < page->num_levels; k++) {
        Run *level = page->level + k;
        int32_t stop = k + 1 < page->num_levels ? level[1].first : page->rows, n = stop - level->first;
        level->known = known;
        known += level->bits ? count_ones(level->bits, n) : level->value ? n : 0;
    }
    return known;
}

static int check_page(Group *group, Page *page, int codec) {
    if (need(group, page->at, page->packed)) return -1;
    page->data = group->bytes + page->at;
    if (!is_intact(page->data, (size_t)page->packed, page->crc)) return bad_page(group);
    if (codec == LZ4 && page->size) {
        uint8_t *out = take(&group->arena, (size_t)page->size + SLACK);
        if (unpack_lz4(page->data, page->packed, out, page->size)) return bad_page(group);
        page->data = out;
    }
    return 0;
}

/* Check a page, and find the runs of one that refers to a dictionary. */
static int ready_page(Group *group, Column *column, Page *page) {
    if (page->is_ready) return 0;
    if (check_page(group, page, column->chunk->codec)) return -1;
    page->is_ready = 1;
    Cursor c = {page->data, page->data + page->size, 0};
    int32_t known = page->rows;
    if (column->nullable && (known = read_levels(page, &c, &group->arena)) < 0) return bad_page(group);
    if (page->encoding == PLAIN && !column->nullable) {
        int64_t size = column->type == TYPE_BOOLEAN ? (page->rows + 7) / 8 : column->type == TYPE_INT32 ? 4 * (int64_t)page->rows : -1;
        return size == page->size ? 0 : bad_page(group);
    }
    if (page->encoding == DELTA && !column->nullable && column->type == TYPE_INT32) return 0;
    if (page->encoding != DICTIONARY || column->type == TYPE_BOOLEAN) return bad_page(group);
    if (!known) return 0;
    int width = next_byte(&c);
    if (c.is_bad || width > 24) return bad_page(group);
    page->numbers = NULL;
    if (read_runs(&c, width, known, &page->run, &page->num_runs, &group->arena)) return bad_page(group);
    page->width = width;
    return 0;
}

/* The place of a row's value in the dictionary: -1 for null, -2 where it failed. */
static int64_t place_at(Group *group, Column *column, int32_t row) {
    Page *page = page_of(column, row);
    if (!page->is_ready && ready_page(group, column, page)) return -2;
    if (page->encoding != DICTIONARY) return bad_page(group) - 1;
    int32_t at = row - page->first;
    if (column->nullable) {
        const Run *level = run_at(page->level, page->num_levels, &page->last_level, at);
        int32_t within = at - level->first;
        if (level->bits ? !(level->bits[within >> 3] >> (within & 7) & 1) : !level->value) return -1;
        at = level->known + (level->bits ? ones_before(page, level, within) : within);
    }
    uint32_t place = value_at(run_at(page->run, page->num_runs, &page->last_run, at), page->width, at);
    if (place >= (uint32_t)column->dictionary.rows) return bad_page(group) - 1;
    return place;
}

/* Read the texts of a dictionary, or check that its numbers are all there. */
static int ready_dictionary(Group *group, Column *column) {
    Page *page = &column->dictionary;
    if (page->is_ready) return 0;
    if (check_page(group, page, column->chunk->codec)) return -1;
    page->is_ready = 1;
    if (column->type == TYPE_INT32) return page->size == 4 * (int64_t)page->rows ? 0 : bad_page(group);
    column->text = take(&group->arena, (size_t)page->rows * sizeof(Text));
    const uint8_t *p = page->data, *end = p + page->size;
    for (int32_t i = 0; i < page->rows; i++) {
        if (end - p < 4 || (int64_t)load32(p) > end - p - 4) return bad_page(group);
        column->text[i] = (Text){p + 4, (int64_t)load32(p)};
        p += 4 + column->text[i].n;
    }
    return p == end ? 0 : bad_page(group);
}

int text_at(Group *group, int number, int32_t row, Text *text) {
    Column *column = column_of(group, number);
    *text = (Text){0};
    if (!column) return -1;
    int64_t place = place_at(group, column, row);
    if (place < 0) return place == -1 ? 0 : -1;
    if (ready_dictionary(group, column)) return -1;
    *text = column->text[place];
    return 0;
}

int number_at(Group *group, int number, int32_t row, int64_t *value) {
    Column *column = column_of(group, number);
    *value = -1;
    if (!column) return -1;
    Page *page = page_of(column, row);
    if (page->encoding == DELTA) {
        const int32_t *numbers = page->numbers ? page->numbers : numbers_of(group, number, (int)(page - column->page));
        if (!numbers) return -1;
        *value = numbers[row - page->first];
        return 0;
    }
    if (page->encoding == PLAIN) {
        if (column->type != TYPE_INT32) return bad_page(group);
        if (ready_page(group, column, page)) return -1;
        *value = load32(page->data + 4 * (int64_t)(row - page->first));
        return 0;
    }
    int64_t place = place_at(group, column, row);
    if (place < 0) return place == -1 ? 0 : -1;
    if (ready_dictionary(group, column)) return -1;
    *value = (int32_t)load32(column->dictionary.data + 4 * place);
    return 0;
}

int flag_at(Group *group, int number, int32_t row, int *flag) {
    Column *column = column_of(group, number);
    if (!column) return -1;
    Page *page = page_of(column, row);
    if (column->type != TYPE_BOOLEAN) return bad_page(group);
    if (ready_page(group, column, page)) return -1;
    int32_t bit = row - page->first;
    *flag = page->data[bit >> 3] >> (bit & 7) & 1;
    return 0;
}

/* Unpack DELTA_BINARY_PACKED; -1 where the page has not as many numbers as rows. */
static int unpack_delta(const Page *page, int32_t *out) {
    Cursor c = {page->data, page->data + page->size, 0};
    uint64_t per_block = varint(&c), minis = varint(&c), total = varint(&c);
    if (c.is_bad || !minis || minis > 1024 || per_block % minis || per_block / minis % 8 || per_block > 1 << 20 || total != (uint64_t)page->rows) return -1;
    int64_t per_mini = (int64_t)(per_block / minis), done = 0, n = page->rows;
    uint32_t value = (uint32_t)zigzag(&c);
    out[done++] = (int32_t)value;
    while (done < n) {
        uint32_t smallest = (uint32_t)zigzag(&c);
        const uint8_t *widths = c.p;
        if (c.is_bad || !per_mini || (int64_t)minis > c.end - c.p) return -1;
        c.p += minis;
        for (uint64_t m = 0; m < minis && done < n; m++) {
            int width = widths[m];
            int64_t size = per_mini * width / 8, count = least(per_mini, n - done);
            if (width > 32 || size > c.end - c.p) return -1;
            uint64_t mask = width ? ~0ull >> (64 - width) : 0;
            for (int64_t i = 0, bit = 0; i < count; i++, bit += width) {
                value += smallest + (uint32_t)(load64(c.p + (bit >> 3)) >> (bit & 7) & mask);
                out[done++] = (int32_t)value;
            }
            c.p += size;
        }
    }
    return c.is_bad ? -1 : 0;
}

const int32_t *numbers_of(Group *group, int number, int index) {
    Column *column = column_of(group, number);
    if (!column) return NULL;
    Page *page = column->page + index;
    if (page->numbers) return page->numbers;
    if (page->encoding != DELTA) bad_page(group);
    if (page->encoding != DELTA || ready_page(group, column, page)) return NULL;
    int32_t *out = take(&group->arena, (size_t)page->rows * 4);
    if (unpack_delta(page, out)) {
        bad_page(group);
        return NULL;
    }
    return page->numbers = out;
}

/* ---- places by start ---- */

/* The first number of a DELTA page, which was checked. */
static int32_t first_number(const Page *page) {
    Cursor c = {page->data, page->data + page->size, 0};
    varint(&c), varint(&c), varint(&c);
    return (int32_t)zigzag(&c);
}

/* All pages of `start` are checked before one is chosen by what they begin with. */
static int ready_starts(Group *group) {
    Column *column = column_of(group, COLUMN_START);
    if (!column) return -1;
    int32_t *first = take(&group->arena, (size_t)column->num_pages * 4);
    for (int i = 0; i < column->num_pages; i++) {
        Page *page = column->page + i;
        if (page->encoding != DELTA) return bad_page(group);
        if (ready_page(group, column, page)) return -1;
        first[i] = first_number(page);
        if (i && first[i] < first[i - 1]) return bad_page(group);
    }
    group->first_of_page = first;
    return 0;
}

int64_t first_row_from(Group *group, int64_t start) {
    if (!group->first_of_page && ready_starts(group)) return -1;
    const Column *column = group->column + COLUMN_START;
    int low = 0, high = column->num_pages;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (group->first_of_page[middle] < start) low = middle;
        else high = middle;
    }
    const Page *page = column->page + low;
    const int32_t *starts = numbers_of(group, COLUMN_START, low);
    if (!starts) return -1;
    int32_t at = 0, end = page->rows, step = 1, hint = group->hint - page->first;
    if (hint >= 0 && hint < end && starts[hint] < start) at = hint;      /* mostly it is soon behind the last one */
    while (at + step < end && starts[at + step] < start) at += step, step *= 2;
    if (at + step < end) end = at + step;
    while (at < end) {
        int32_t middle = (at + end) / 2;
        if (starts[middle] < start) at = middle + 1;
        else end = middle;
    }
    group->hint = page->first + at;
    return group->hint;
}

static int by_pos(const void *a, const void *b) {
    const Far *one = a, *other = b;
    if (one->pos != other->pos) return one->pos < other->pos ? -1 : 1;
    return (one->row > other->row) - (one->row < other->row);
}

int ready_far(Group *group) {
    if (group->far) return 0;
    Column *column = column_of(group, COLUMN_POS);
    Far *far = take(&group->arena, (size_t)group->rows * sizeof(Far));
    group->num_far = 0;
    for (int32_t row = 0; column && row < group->rows; row++) {
        int64_t pos, start;
        if (number_at(group, COLUMN_POS, row, &pos) || start_at(group, row, &start)) return -1;
        if (start > pos) far[group->num_far++] = (Far){(int32_t)pos, row};
    }
    if (!column) return -1;
    qsort(far, (size_t)group->num_far, sizeof(Far), by_pos);
    group->far = far;
    return 0;
}

int start_at(Group *group, int32_t row, int64_t *start) { return number_at(group, COLUMN_START, row, start); }
