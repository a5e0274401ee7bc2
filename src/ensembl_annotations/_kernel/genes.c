/* Source: the Apache Parquet format, as in parquet.c; here columns are read from their beginning to their end. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include "genes.h"
#include "thrift.h"

#include <stdlib.h>

enum {
    G_START, G_END, G_STRAND, G_ID, G_VERSION, G_GENE, G_SYMBOL, G_BIOTYPE, G_PROTEIN, G_PROTEIN_VERSION, G_EXON_STARTS, G_EXON_ENDS,
    G_CDS_START, G_CDS_END, G_PHASE, G_CANONICAL, G_MANE, G_CLINICAL, G_TSL, G_NO_START, G_NO_END, G_SPECIAL, G_PEPTIDE,
};
static const char *const names[NUM_GENE_COLUMNS] = {
    "start", "end", "strand", "transcript_id", "transcript_version", "gene_id", "symbol", "biotype", "protein_id", "protein_version",
    "exon_starts", "exon_ends", "cds_start", "cds_end", "cds_phase", "canonical", "mane_select", "mane_plus_clinical", "tsl",
    "cds_start_nf", "cds_end_nf", "selenocysteines", "peptide",
};
enum { IS_FLAG = 0, IS_NUMBER = 1, IS_TEXT = 6 };         /* physical types of parquet */
static const uint8_t types[NUM_GENE_COLUMNS] = {
    [G_ID] = IS_TEXT, [G_GENE] = IS_TEXT, [G_SYMBOL] = IS_TEXT, [G_BIOTYPE] = IS_TEXT, [G_PROTEIN] = IS_TEXT,
    [G_PEPTIDE] = IS_TEXT, [G_START] = IS_NUMBER, [G_END] = IS_NUMBER, [G_STRAND] = IS_NUMBER, [G_VERSION] = IS_NUMBER,
    [G_PROTEIN_VERSION] = IS_NUMBER, [G_EXON_STARTS] = IS_NUMBER, [G_EXON_ENDS] = IS_NUMBER, [G_CDS_START] = IS_NUMBER,
    [G_CDS_END] = IS_NUMBER, [G_PHASE] = IS_NUMBER, [G_TSL] = IS_NUMBER, [G_SPECIAL] = IS_NUMBER,
};
static int is_list(int column) { return column == G_EXON_STARTS || column == G_EXON_ENDS || column == G_SPECIAL; }

enum { PLAIN = 0, OLD_DICTIONARY = 2, DICTIONARY = 8 };
enum { MOST_LEAVES = 64, MOST_GROUPS = 1 << 16, MOST_GROUP_BYTES = 1 << 28, MOST_ROWS = 1 << 24, MOST_POOL = 1 << 30 };
enum { REQUIRED, OPTIONAL, REPEATED };

/* ---- footer ---- */

static void read_statistics(Cursor *c, Slice *slice) {
    for (int id = 0, type; (type = next_field(c, &id));) {
        if ((id != 5 && id != 6) || type != BINARY) {
            skip(c, type, 0);
            continue;
        }
        Text value = binary(c);
        if (value.n == 4) memcpy(id == 5 ? &slice->high : &slice->low, value.p, 4);
    }
}

static void read_metadata(Cursor *c, Slice *slice, int64_t file_bytes) {
    int64_t data = 0, dictionary = 0;
    for (int id = 0, type; (type = next_field(c, &id));) {
        switch (id) {
        case 4: slice->codec = (int32_t)bounded(c, 100); break;
        case 5: slice->num_values = (int32_t)bounded(c, MOST_ROWS); break;
        case 7: slice->size = bounded(c, MOST_GROUP_BYTES); break;
        case 9: data = bounded(c, file_bytes); break;
        case 11: dictionary = bounded(c, file_bytes); break;
        case 12: read_statistics(c, slice); break;
        default: skip(c, type, 0);
        }
    }
    slice->at = dictionary && dictionary < data ? dictionary : data;
    if (slice->at > file_bytes - slice->size) c->is_bad = 1;
}

static void read_slices(Cursor *c, Slice *slice, int32_t num, int64_t file_bytes) {
    int kind;
    if (list_length(c, &kind) != num || kind != STRUCT) c->is_bad = 1;
    for (int i = 0; i < num && !c->is_bad; i++) {
        slice[i] = (Slice){.low = 0, .high = -1};
        for (int id = 0, type; (type = next_field(c, &id));)
            if (id == 3 && type == STRUCT) read_metadata(c, slice + i, file_bytes);
            else skip(c, type, 0);
    }
}

static void read_groups(Cursor *c, GeneFile *file, int64_t file_bytes) {
    int kind;
    int64_t n = list_length(c, &kind);
    if (n > MOST_GROUPS || (n && kind != STRUCT) || !file->num_leaves || file->slice) c->is_bad = 1;
    if (c->is_bad) return;
    file->num_groups = (int32_t)n;
    size_t size = (size_t)n * (size_t)file->num_leaves * sizeof(Slice);
    file->slice = memset(need_memory(NULL, size), 0, size);
    file->rows = memset(need_memory(NULL, (size_t)n * 4), 0, (size_t)n * 4);
    for (int64_t g = 0; g < n && !c->is_bad; g++)
        for (int id = 0, type; (type = next_field(c, &id));)
            if (id == 1 && type == LIST) read_slices(c, file->slice + g * file->num_leaves, file->num_leaves, file_bytes);
            else if (id == 3 && type == I64) file->rows[g] = (int32_t)bounded(c, MOST_ROWS);
            else skip(c, type, 0);
}

typedef struct {
    int64_t type, repetition, children;
    Text name;
} Element;

static Element next_element(Cursor *c) {
    Element e = {-1, REQUIRED, 0, {0}};
    for (int id = 0, kind; (kind = next_field(c, &id));) {
        if (id == 1 && kind == I32) e.type = bounded(c, 100);
        else if (id == 3 && kind == I32) e.repetition = bounded(c, REPEATED);
        else if (id == 4 && kind == BINARY) e.name = binary(c);
        else if (id == 5 && kind == I32) e.children = bounded(c, MOST_LEAVES);
        else skip(c, kind, 0);
    }
    return e;
}

/* A column, or a list of them: a group, that has a repeated group, that has the element. */
static void read_column(Cursor *c, GeneFile *file) {
    Element top = next_element(c), leaf = top;
    int level = top.repetition == OPTIONAL, depth = 0;
    for (; leaf.children == 1 && depth < 3 && !c->is_bad; depth++) {
        leaf = next_element(c);
        level += leaf.repetition != REQUIRED;
        if ((leaf.repetition == REPEATED) != (depth == 0)) c->is_bad = 1;
    }
    if (leaf.children || (depth != 0 && depth != 2) || (depth && !level) || file->num_leaves == MOST_LEAVES) c->is_bad = 1;
    for (int i = 0; i < NUM_GENE_COLUMNS && !c->is_bad; i++) {
        if (!same_text(top.name, (Text){(const uint8_t *)names[i], (int64_t)strlen(names[i])})) continue;
        if (file->place[i] >= 0 || leaf.type != types[i] || (depth == 2) != is_list(i)) c->is_bad = 1;
        file->place[i] = file->num_leaves, file->most_level[i] = (uint8_t)level, file->is_list[i] = depth == 2;
    }
    file->num_leaves++;
}

static void read_schema(Cursor *c, GeneFile *file) {
    int kind;
    int64_t n = list_length(c, &kind);
    if (n < 1 || kind != STRUCT || file->num_leaves) c->is_bad = 1;
    if (c->is_bad) return;
    for (int64_t left = next_element(c).children; left > 0 && !c->is_bad; left--) read_column(c, file);
}

static const Slice *slice_of(const GeneFile *file, int group, int column) {
    return file->slice + (int64_t)group * file->num_leaves + file->place[column];
}

static int all_fits(const GeneFile *file) {
    for (int i = 0; i < NUM_GENE_COLUMNS; i++)
        if (file->place[i] < 0) return 0;
    for (int g = 0; g < file->num_groups; g++) {
        const Slice *start = slice_of(file, g, G_START), *end = slice_of(file, g, G_END);
        if (file->rows[g] < 1 || start->low > start->high || end->low > end->high) return 0;
        if (g && slice_of(file, g - 1, G_START)->high > start->low) return 0;
        for (int i = 0; i < NUM_GENE_COLUMNS; i++) {
            const Slice *slice = slice_of(file, g, i);
            if (slice->codec || slice->num_values < file->rows[g] || (!is_list(i) && slice->num_values != file->rows[g])) return 0;
        }
    }
    return 1;
}

GeneFile *open_gene_file(int fd, int32_t number, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem) {
    static _Atomic uint64_t num_opened;
    GeneFile *file = need_memory(NULL, sizeof *file);
    *file = (GeneFile){.serial = ++num_opened, .fd = fd, .file = number};
    memset(file->place, -1, sizeof file->place);
    Cursor c = {footer, footer + footer_bytes, 0};
    for (int id = 0, type; (type = next_field(&c, &id));) {
        if (id == 2 && type == LIST) read_schema(&c, file);
        else if (id == 4 && type == LIST) read_groups(&c, file, file_bytes);
        else skip(&c, type, 0);
    }
    if (!c.is_bad && file->slice && all_fits(file)) return file;
    fail_store(problem, number, "its footer does not describe transcripts");
    close_gene_file(file);
    return NULL;
}

void close_gene_file(GeneFile *file) {
    if (!file) return;
    free(file->rows);
    free(file->slice);
    free(file);
}

/* ---- a column, page by page ---- */

/* Unpack RLE and bit-packing: levels, and places in a dictionary. -1 where there are not as many values. */
static int unpack(Cursor *c, int width, int64_t n, uint32_t *out) {
    while (n > 0) {
        uint64_t head = varint(c);
        int64_t count = (int64_t)(head >> 1) * (head & 1 ? 8 : 1), size = head & 1 ? (count >> 3) * width : (width + 7) / 8;
        if (c->is_bad || count < 1 || count > INT32_MAX || size > c->end - c->p) return -1;
        int64_t used = least(count, n);
        if (head & 1) {
            uint64_t mask = width ? ~0ull >> (64 - width) : 0;
            for (int64_t i = 0, bit = 0; i < used; i++, bit += width) out[i] = (uint32_t)(load64(c->p + (bit >> 3)) >> (bit & 7) & mask);
        } else {
            uint32_t value = 0;
            for (int i = 0; i < size; i++) value |= (uint32_t)c->p[i] << 8 * i;
            for (int64_t i = 0; i < used; i++) out[i] = value;
        }
        c->p += size, out += used, n -= used;
    }
    return 0;
}

/* Values are numbers, places of texts in the pool, or flags. */
typedef struct {
    Genes *genes;
    const GeneFile *file;
    const uint8_t *at, *end;         /* what is left of the column */
    int column, level;
    int64_t num_levels, num_values;  /* of the page: a null, and a list without any, have a level but no value */
    uint32_t *repetition, *definition, *value;
    const uint8_t *numbers;          /* of the dictionary */
    uint32_t *texts, num_entries;
} Reader;

static int bad_page(const Reader *r) {
    return fail_store(r->genes->problem, r->file->file, "a page of its transcripts is altered");
}

/* Letters that part fields, lists and tags of ENS_CSQ are replaced, as VEP does; those of 0 stay. */
static const uint8_t replaced[256] = {
    '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_', '_',
    '_', '_', '_', '_', '_', '_', '_', [127] = '_', [','] = '&', ['|'] = '&', ['='] = '%', [';'] = '%',
};

static void put_safe(Out *out, Text text) {
    uint8_t *to = out->at;
    for (int64_t i = 0; i < text.n; i++) {
        uint8_t letter = text.p[i], other = replaced[letter];
        if (other == '%') memcpy(to, letter == '=' ? "%3D" : "%3B", 3), to += 3;
        else *to++ = other ? other : letter;
    }
    out->at = to;
}

static uint32_t into_pool(Genes *genes, Text text) {
    Out *pool = &genes->pool;
    if (!text.p || pool->at - pool->begin > MOST_POOL) return 0;
    reserve(pool, (size_t)text.n * 3 + 4 + 8);
    int64_t place = pool->at - pool->begin;
    pool->at += 4;
    put_safe(pool, text);
    uint32_t n = (uint32_t)(pool->at - pool->begin - place - 4);
    memcpy(pool->begin + place, &n, 4);
    return (uint32_t)place;
}

static Text next_text(Cursor *c) {
    if (c->end - c->p < 4 || (int64_t)load32(c->p) > c->end - c->p - 4) {
        c->is_bad = 1;
        return (Text){0};
    }
    Text text = {c->p + 4, load32(c->p)};
    c->p += 4 + text.n;
    return text;
}

typedef struct {
    int64_t type, unpacked, packed, crc, values, encoding;
    int has_crc;
} Head;

static Head read_head(Cursor *c) {
    Head h = {-1, -1, -1, 0, -1, -1, 0};
    for (int id = 0, type; (type = next_field(c, &id));) {
        if (id == 1 && type == I32) h.type = bounded(c, 3);
        else if (id == 2 && type == I32) h.unpacked = bounded(c, MOST_GROUP_BYTES);
        else if (id == 3 && type == I32) h.packed = bounded(c, MOST_GROUP_BYTES);
        else if (id == 4 && type == I32) h.crc = zigzag(c), h.has_crc = 1;
        else if ((id == 5 || id == 7) && type == STRUCT)
            for (int inner = 0, kind; (kind = next_field(c, &inner));) {
                if (inner == 1 && kind == I32) h.values = bounded(c, MOST_GROUP_BYTES);
                else if (inner == 2 && kind == I32) h.encoding = bounded(c, 100);
                else skip(c, kind, 0);
            }
        else skip(c, type, 0);
    }
    if (h.values < 0 || h.encoding < 0 || h.packed < 0 || h.packed != h.unpacked || !h.has_crc) c->is_bad = 1;
    return h;
}

static uint32_t *room_of(Reader *r, int64_t n) { return take(&r->genes->arena, (size_t)n * 4); }

static int read_dictionary(Reader *r, Cursor page, int64_t values) {
    if (r->texts || r->numbers || values > page.end - page.p) return bad_page(r);
    r->num_entries = (uint32_t)values;
    if (types[r->column] == IS_NUMBER) {
        r->numbers = page.p;
        return page.end - page.p == 4 * values ? 0 : bad_page(r);
    }
    if (types[r->column] != IS_TEXT) return bad_page(r);
    r->texts = room_of(r, values);
    for (int64_t i = 0; i < values; i++) r->texts[i] = into_pool(r->genes, next_text(&page));
    return page.is_bad || page.p != page.end ? bad_page(r) : 0;
}

static int read_levels(Reader *r, Cursor *c, int most_level, uint32_t **levels) {
    if (c->end - c->p < 4 || (int64_t)load32(c->p) > c->end - c->p - 4) return bad_page(r);
    Cursor inner = {c->p + 4, c->p + 4 + load32(c->p), 0};
    *levels = room_of(r, r->num_levels);
    c->p = inner.end;
    return unpack(&inner, most_level > 1 ? 2 : 1, r->num_levels, *levels) ? bad_page(r) : 0;
}

static int read_places(Reader *r, Cursor *c) {
    int width = next_byte(c);
    if ((!r->texts && !r->numbers) || c->is_bad || width > 24 || unpack(c, width, r->num_values, r->value)) return bad_page(r);
    for (int64_t i = 0; i < r->num_values; i++) {
        if (r->value[i] >= r->num_entries) return bad_page(r);
        r->value[i] = r->texts ? r->texts[r->value[i]] : load32(r->numbers + 4 * (int64_t)r->value[i]);
    }
    return 0;
}

static int read_plain(Reader *r, Cursor *c) {
    int64_t n = r->num_values, size = c->end - c->p;
    if (types[r->column] == IS_TEXT) {
        for (int64_t i = 0; i < n; i++) r->value[i] = into_pool(r->genes, next_text(c));
        return c->is_bad ? bad_page(r) : 0;
    }
    if (size != (types[r->column] == IS_NUMBER ? 4 * n : (n + 7) / 8)) return bad_page(r);
    if (types[r->column] == IS_NUMBER) memcpy(r->value, c->p, (size_t)n * 4);
    else for (int64_t i = 0; i < n; i++) r->value[i] = c->p[i >> 3] >> (i & 7) & 1;
    return 0;
}

static int read_page(Reader *r, Cursor c, const Head *h) {
    r->num_levels = r->num_values = h->values, r->repetition = r->definition = NULL;
    if (r->file->is_list[r->column] && read_levels(r, &c, 1, &r->repetition)) return -1;
    if (r->level && read_levels(r, &c, r->level, &r->definition)) return -1;
    for (int64_t i = 0; r->level && i < r->num_levels; i++) r->num_values -= r->definition[i] != (uint32_t)r->level;
    r->value = room_of(r, r->num_values);
    if (!r->num_values) return 0;
    if (h->encoding == PLAIN) return read_plain(r, &c);
    return h->encoding == DICTIONARY || h->encoding == OLD_DICTIONARY ? read_places(r, &c) : bad_page(r);
}

static Reader open_column(Genes *genes, const GeneFile *file, int group, int column, const uint8_t *begin) {
    rewind_arena(&genes->arena);
    return (Reader){.genes = genes, .file = file, .column = column, .level = file->most_level[column], .at = begin,
                    .end = begin + slice_of(file, group, column)->size};
}

/* Go to the next page: 1; 0 behind the last one, -1 where it is not what it must be. */
static int next_page(Reader *r) {
    while (r->at < r->end) {
        Cursor c = {r->at, r->end, 0};
        Head h = read_head(&c);
        if (c.is_bad || h.packed > c.end - c.p || !is_intact(c.p, (size_t)h.packed, (uint32_t)h.crc)) return bad_page(r);
        c.end = r->at = c.p + h.packed;
        if (h.type == 2) {
            if (read_dictionary(r, c, h.values)) return -1;
            continue;
        }
        if (h.type || h.values < 1 || h.values > MOST_ROWS) return bad_page(r);
        return read_page(r, c, &h) ? -1 : 1;
    }
    return 0;
}

/* ---- transcripts ---- */

static int is_text(const Genes *genes, uint32_t place, const char *text) {
    return same_text(text_in(genes, place), (Text){(const uint8_t *)text, (int64_t)strlen(text)});
}

/* Where the values of a column go as they are; NULL where something follows from them. */
static void *place_of(Transcript *t, int column) {
    switch (column) {
    case G_START: return &t->start;
    case G_END: return &t->end;
    case G_VERSION: return &t->version;
    case G_PROTEIN_VERSION: return &t->protein_version;
    case G_CDS_START: return &t->cds_start;
    case G_CDS_END: return &t->cds_end;
    case G_ID: return &t->id;
    case G_GENE: return &t->gene;
    case G_SYMBOL: return &t->symbol;
    case G_PROTEIN: return &t->protein;
    default: return NULL;
    }
}

static void set_value(const Genes *genes, Transcript *t, int column, uint32_t value) {
    static const uint8_t flags[NUM_GENE_COLUMNS] = {
        [G_CANONICAL] = IS_CANONICAL, [G_MANE] = IS_MANE, [G_CLINICAL] = IS_CLINICAL, [G_NO_START] = NO_START, [G_NO_END] = NO_END,
    };
    switch (column) {
    case G_STRAND: t->strand = (int32_t)value < 0 ? -1 : 1; break;
    case G_PHASE: t->padding = (int8_t)(value == 1 ? 2 : value == 2); break;
    case G_TSL: t->tsl = (uint8_t)(value < 6 ? value : 0); break;
    case G_BIOTYPE:
        t->biotype = value;
        if (is_text(genes, value, "nonsense_mediated_decay")) t->flags |= IS_NMD;
        if (is_text(genes, value, "protein_coding")) t->flags |= IS_CODING_TYPE;
        break;
    case G_PEPTIDE: t->flags |= is_text(genes, value, "edited") ? NO_PEPTIDE : 0; break;
    default: t->flags |= value ? flags[column] : 0;
    }
}

/* As the values were counted: a level that is neither 0 nor the highest stands for none. */
static int is_there(const Reader *r, int64_t i) { return !r->definition || r->definition[i] == (uint32_t)r->level; }

static void set_page(const Reader *r, Transcript *t) {
    const uint32_t *value = r->value;
    for (int64_t i = 0; i < r->num_levels; i++, t++)
        if (is_there(r, i)) set_value(r->genes, t, r->column, *value++);
}

static void copy_page(const Reader *r, uint8_t *to) {
    const uint32_t *value = r->value;
    for (int64_t i = 0; i < r->num_levels; i++, to += sizeof(Transcript))
        if (is_there(r, i)) memcpy(to, value++, 4);
}

static int read_flat(Reader *r, Transcript *t, int32_t rows) {
    int64_t row = 0;
    int more;
    while ((more = next_page(r)) > 0) {
        if (r->num_levels > rows - row) return bad_page(r);
        void *to = place_of(t + row, r->column);
        if (to) copy_page(r, to);
        else set_page(r, t + row);
        row += r->num_levels;
    }
    return more || row == rows ? more : bad_page(r);
}

/* Values of all rows follow one another in `values`; `count` gets how many each row has. */
static int read_list(Reader *r, int64_t num_levels, int32_t rows, int32_t *values, int32_t *count) {
    int32_t row = -1;
    int more;
    while ((more = next_page(r)) > 0) {
        if (r->num_levels > num_levels) return bad_page(r);
        num_levels -= r->num_levels;
        memcpy(values, r->value, (size_t)r->num_values * 4);
        values += r->num_values;
        for (int64_t i = 0; i < r->num_levels; i++) {
            if (!r->repetition[i] && ++row < rows) count[row] = 0;
            if (row < 0 || row >= rows) return bad_page(r);
            count[row] += is_there(r, i);
        }
    }
    return more || (row == rows - 1 && !num_levels) ? more : bad_page(r);
}

static int contradicts(const Genes *genes, const GeneFile *file) { return fail_store(genes->problem, file->file, "a transcript of it contradicts itself"); }

static int add_exons(Genes *genes, Transcript *t, int32_t rows, int64_t num, const int32_t *starts, const int32_t *ends, const int32_t *count) {
    while (genes->num_exons + num > genes->exon_room) genes->exon = grown(genes->exon, genes->exon_room, &genes->exon_room, sizeof(Exon));
    for (int32_t i = 0; i < rows; i++, t++) {
        t->exon = (int32_t)genes->num_exons, t->num_exons = count[i];
        for (int32_t k = 0; k < count[i]; k++, starts++, ends++) {
            if (*starts < t->start || *ends < *starts || *ends > t->end || (k && *starts <= ends[-1])) return -1;
            genes->exon[genes->num_exons++] = (Exon){*starts, *ends, t->length};
            t->length += *ends - *starts + 1;
        }
    }
    return 0;
}

static int read_exons(Genes *genes, const GeneFile *file, int group, const uint8_t *bytes, int64_t begin, Transcript *t) {
    int32_t rows = file->rows[group];
    const Slice *one = slice_of(file, group, G_EXON_STARTS), *other = slice_of(file, group, G_EXON_ENDS);
    int32_t *starts = need_memory(NULL, (size_t)one->num_values * 4), *ends = need_memory(NULL, (size_t)other->num_values * 4);
    int32_t *count = need_memory(NULL, (size_t)rows * 4), *same = need_memory(NULL, (size_t)rows * 4);
    Reader r = open_column(genes, file, group, G_EXON_STARTS, bytes + (one->at - begin));
    int failed = read_list(&r, one->num_values, rows, starts, count);
    r = open_column(genes, file, group, G_EXON_ENDS, bytes + (other->at - begin));
    failed = failed || read_list(&r, other->num_values, rows, ends, same);
    if (!failed && (memcmp(count, same, (size_t)rows * 4) || add_exons(genes, t, rows, one->num_values, starts, ends, count))) failed = contradicts(genes, file);
    free(starts), free(ends), free(count), free(same);
    return failed;
}

static int read_special(Genes *genes, const GeneFile *file, int group, const uint8_t *bytes, int64_t begin, Transcript *t) {
    int32_t rows = file->rows[group];
    const Slice *slice = slice_of(file, group, G_SPECIAL);
    int32_t *values = need_memory(NULL, (size_t)slice->num_values * 4), *count = need_memory(NULL, (size_t)rows * 4), *next = values;
    Reader r = open_column(genes, file, group, G_SPECIAL, bytes + (slice->at - begin));
    int failed = read_list(&r, slice->num_values, rows, values, count);
    for (int32_t i = 0; i < rows && !failed; i++, t++) {
        t->stop_free = (int32_t)genes->num_special, t->num_special = count[i];
        for (int32_t k = 0; k < count[i]; k++) {
            genes->special = grown(genes->special, genes->num_special, &genes->special_room, 4);
            genes->special[genes->num_special++] = *next++;
        }
    }
    free(values), free(count);
    return failed;
}

int32_t exon_from(const Genes *genes, const Transcript *t, int64_t place) {
    const Exon *exon = genes->exon + t->exon;
    int32_t low = 0, high = t->num_exons;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (exon[middle].end < place) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* What look-ups rely on; on the way, what follows from the exons. */
static int is_sound(const Genes *genes, Transcript *t) {
    if (t->start < 1 || t->end < t->start || t->num_exons < 1 || !t->id || !t->gene || !t->biotype) return 0;
    const Exon *exon = genes->exon + t->exon;
    if (exon->start != t->start || exon[t->num_exons - 1].end != t->end) return 0;
    for (int32_t i = 1; i < t->num_exons; i++)
        if (exon[i].start - exon[i - 1].end - 1 <= MOST_TINY) t->flags |= HAS_TINY;
    if (!t->cds_start && !t->cds_end) return 1;
    if (t->cds_start < t->start || t->cds_end > t->end || t->cds_end < t->cds_start) return 0;
    const Exon *low = exon + exon_from(genes, t, t->cds_start), *high = exon + exon_from(genes, t, t->cds_end);
    if (t->cds_start < low->start || t->cds_end < high->start) return 0;
    int64_t one = cdna_of(t, low, t->cds_start), other = cdna_of(t, high, t->cds_end);
    t->cdna_first = (int32_t)least(one, other), t->cdna_last = (int32_t)most(one, other);
    return 1;
}

static int read_group(Genes *genes, const GeneFile *file, int group) {
    int64_t begin = INT64_MAX, end = 0;
    for (int i = 0; i < NUM_GENE_COLUMNS; i++) {
        const Slice *slice = slice_of(file, group, i);
        begin = least(begin, slice->at), end = most(end, slice->at + slice->size);
    }
    if (end - begin > MOST_GROUP_BYTES) return fail_store(genes->problem, file->file, "a row group is too large");
    if (end - begin + 16 > genes->bytes_room) {
        free(genes->bytes);
        genes->bytes = need_memory(NULL, (size_t)(genes->bytes_room = end - begin + 16));
    }
    if (read_fully(file->fd, genes->bytes, end - begin, begin))
        return fail_store(genes->problem, file->file, "can't be read any more: it was cut or replaced, or its disk fails");
    memset(genes->bytes + (end - begin), 0, 16);
    int64_t first = genes->num;
    int32_t rows = file->rows[group];
    while (genes->num + rows > genes->room) genes->transcript = grown(genes->transcript, genes->room, &genes->room, sizeof(Transcript));
    Transcript *t = genes->transcript + first;
    for (int32_t i = 0; i < rows; i++) t[i] = (Transcript){.version = -1, .protein_version = -1, .strand = 1};
    for (int i = 0; i < NUM_GENE_COLUMNS; i++) {
        if (is_list(i)) continue;
        Reader r = open_column(genes, file, group, i, genes->bytes + (slice_of(file, group, i)->at - begin));
        if (read_flat(&r, t, rows)) return -1;
    }
    if (read_exons(genes, file, group, genes->bytes, begin, t) || read_special(genes, file, group, genes->bytes, begin, t)) return -1;
    for (int32_t i = 0; i < rows; i++)
        if (!is_sound(genes, t + i) || (first + i && t[i - 1].start > t[i].start)) return contradicts(genes, file);
    genes->num += rows;
    return 0;
}

/* ---- look-up ---- */

static int32_t note_reach(Genes *genes, int64_t low, int64_t high) {
    if (low >= high) return 0;
    int64_t middle = (low + high) / 2;
    int64_t reach = most(note_reach(genes, low, middle), note_reach(genes, middle + 1, high));
    return genes->reach[middle] = (int32_t)most(reach, genes->transcript[middle].end);
}

/* Sorted by start, the middle of each half is the root of a tree that knows how far its transcripts reach. */
static void find_between(const Genes *genes, int64_t low, int64_t high, int64_t from, int64_t to, Found found, void *context) {
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (genes->reach[middle] < from) return;
        find_between(genes, low, middle, from, to, found, context);
        if (genes->transcript[middle].start > to) return;
        if (genes->transcript[middle].end >= from) found(context, (int32_t)middle);
        low = middle + 1;
    }
}

void find_transcripts(const Genes *genes, int64_t from, int64_t to, Found found, void *context) {
    find_between(genes, 0, genes->num, from, to, found, context);
}

static int reaches(const GeneFile *file, int32_t group, int64_t from, int64_t to) {
    return slice_of(file, group, G_START)->low <= to && slice_of(file, group, G_END)->high >= from;
}

static void empty_genes(Genes *genes, const GeneFile *file) {
    genes->num = genes->num_exons = genes->num_special = 0;
    genes->pool.at = genes->pool.begin;
    put(&genes->pool, "\0\0\0", 4);
    if (file->num_groups > genes->has_room) genes->has = need_memory(genes->has, (size_t)(genes->has_room = file->num_groups));
    memset(genes->has, 0, (size_t)file->num_groups);
}

/* Drop the first transcripts; their texts stay. */
static void drop_first(Genes *genes, int64_t rows) {
    if (!rows) return;
    int32_t exon = genes->transcript[rows].exon, special = genes->transcript[rows].stop_free;
    genes->num -= rows, genes->num_exons -= exon, genes->num_special -= special;
    memmove(genes->transcript, genes->transcript + rows, (size_t)genes->num * sizeof(Transcript));
    memmove(genes->exon, genes->exon + exon, (size_t)genes->num_exons * sizeof(Exon));
    memmove(genes->special, genes->special + special, (size_t)genes->num_special * 4);
    for (int64_t i = 0; i < genes->num; i++) genes->transcript[i].exon -= exon, genes->transcript[i].stop_free -= special;
}

/* Pieces follow one another: of the row groups that are there, keep those from one on. Return the first that is not there;
   where it is that one, or others behind it are there, nothing is kept. */
static int32_t keep_groups(Genes *genes, const GeneFile *file, int32_t first) {
    enum { MOST_TEXTS = 16 << 20 };
    int is_same = genes->serial == file->serial && genes->pool.at - genes->pool.begin < MOST_TEXTS;
    int32_t next = first, last = file->num_groups;
    while (is_same && next < file->num_groups && genes->has[next]) next++;
    while (is_same && last > next && !genes->has[last - 1]) last--;
    if (next == first || last > next) {
        empty_genes(genes, file);
        return first;
    }
    int64_t rows = 0;
    for (int32_t g = 0; g < first; g++) rows += genes->has[g] ? file->rows[g] : 0, genes->has[g] = 0;
    drop_first(genes, rows);
    return next;
}

int use_genes(Genes *genes, const GeneFile *file, int64_t from, int64_t to, Problem *problem) {
    int32_t first = 0, last = file->num_groups;
    while (first < last && !reaches(file, first, from, to)) first++;
    while (last > first && !reaches(file, last - 1, from, to)) last--;
    int32_t next = keep_groups(genes, file, first);
    genes->serial = 0, genes->problem = problem;
    for (int32_t g = next; g < last; g++) {
        if (read_group(genes, file, g)) return -1;
        genes->has[g] = 1;
    }
    if (genes->num > genes->reach_room) genes->reach = need_memory(genes->reach, (size_t)(genes->reach_room = genes->num) * 4);
    note_reach(genes, 0, genes->num);
    genes->serial = file->serial;
    return 0;
}

int64_t genes_bytes(const Genes *genes) {
    int64_t total = genes->room * (int64_t)sizeof(Transcript) + genes->reach_room * 4 + genes->exon_room * (int64_t)sizeof(Exon) + genes->special_room * 4;
    return total + (genes->pool.end - genes->pool.begin) + genes->bytes_room + (int64_t)genes->arena.total;
}

void drop_genes(Genes *genes) {
    clear(&genes->arena);
    void *all[] = {genes->has, genes->transcript, genes->reach, genes->exon, genes->special, genes->pool.begin, genes->bytes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *genes = (Genes){0};
}
