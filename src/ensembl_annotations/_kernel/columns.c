#include "columns.h"

#include <stddef.h>
#include <stdlib.h>

enum { NUM_CSQ_FIELDS = NUM_TABLE_COLUMNS - COL_CSQ_FIELD };
/* Fields of an entry of ENS_CSQ, from 0; PICK is the last one. */
enum { FIELD_CONSEQUENCE = 1, FIELD_IMPACT = 2, FIELD_SYMBOL = 3, FIELD_GENE = 4, FIELD_FEATURE = 6, FIELD_HGVSC = 10, FIELD_HGVSP = 11 };
enum { KNOWN, NOVEL, UNCOMPARED };
enum { NOT_A_SEQUENCE, AN_INSERTION, A_DELETION, AN_SNV, AN_MNV, AN_INDEL };
enum { NOT_PUBLISHED, UNDECIDED };
enum { HET, HOM, HEMI, ABSENT };
enum { WINDOW = 1000000 };

/* ---- values ---- */

static int64_t size_of(const Out *out) { return out->at - out->begin; }

static inline void put_bit(Out *bits, int64_t at, int bit) {
    if (at % 8 == 0) put_char(bits, 0);
    bits->at[-1] |= (uint8_t)(bit << at % 8);
}

static void put_ones(Out *bits, int64_t count) {
    size_t size = (size_t)(count + 7) / 8;
    reserve(bits, size + 1);
    memset(bits->at, 255, size);
    bits->at += size;
    if (count % 8) bits->at[-1] = (uint8_t)((1 << count % 8) - 1);
}

/* Whether a value is there: bits begin at the first one that is not, as Arrow needs none before. */
static inline void put_valid(Out *bits, int64_t at, int64_t *num_nulls, int is_valid) {
    if (is_valid && !*num_nulls) return;
    if (!*num_nulls) put_ones(bits, at);
    put_bit(bits, at, is_valid);
    *num_nulls += !is_valid;
}

static inline void put_offset(Out *offsets, int64_t at) {
    int32_t place = (int32_t)at;
    put(offsets, &place, sizeof place);
}

static inline void end_value(TableColumn *c, int is_valid) { put_valid(&c->value_valid, c->num_values++, &c->num_value_nulls, is_valid); }

static void put_int32(TableColumn *c, int32_t value, int is_valid) {
    put(&c->bytes, &value, sizeof value);
    end_value(c, is_valid);
}

static void put_int64(TableColumn *c, int64_t value) {
    put(&c->bytes, &value, sizeof value);
    end_value(c, 1);
}

/* A word by its number; none of a negative one. */
static void put_word(TableColumn *c, int number) {
    put_char(&c->bytes, (char)most(number, 0));
    end_value(c, number >= 0);
}

static void put_flag(TableColumn *c, int flag) {
    put_bit(&c->bytes, c->num_values, flag);
    end_value(c, 1);
}

static inline void put_bytes(TableColumn *c, Text text) {
    if (size_of(&c->bytes) + text.n > c->most) c->is_full = 1;
    else put(&c->bytes, text.p, (size_t)text.n);
}

static inline void end_text(TableColumn *c, int is_valid) {
    put_offset(&c->value_offset, size_of(&c->bytes));
    end_value(c, is_valid);
}

static inline void put_text(TableColumn *c, Text text) {
    put_bytes(c, text);
    end_text(c, text.p != NULL);
}

/* A number as a double; null where it is none. */
static void put_double(TableColumn *c, Text text) {
    double value = 0;
    int is_double = !c->are_texts && text.p && read_double(text, &value);
    int is_valid = is_double || (text.p && is_number(text));
    if (c->are_texts) {
        put_text(c, is_valid ? text : (Text){0});
        return;
    }
    c->are_texts |= is_valid && !is_double;
    put(&c->bytes, &value, sizeof value);
    end_value(c, is_valid);
}

static inline void end_list(TableColumn *c, int is_valid) {
    put_valid(&c->valid, c->num_rows++, &c->num_nulls, is_valid);
    c->is_full |= c->num_values > c->most;
    put_offset(&c->offset, c->num_values);
}

/* ---- of records: the same for each of their ALTs ---- */

typedef Text (*TextOf)(const Record *record, int argument);

static void put_texts(TableColumn *c, const Rows *rows, TextOf text_of, int argument) {
    for (int64_t i = 0; i < rows->piece->num_records && !c->is_full; i++) {
        const Record *r = rows->piece->record + i;
        Text text = text_of(r, argument);
        for (int32_t k = 0; k < r->num_alleles; k++) put_text(c, text);
    }
}

static Text as_written(const Record *r, int column) { return field_of(r, column); }

static Text unless_dot(const Record *r, int column) {
    Text text = field_of(r, column);
    return is_dot(text) ? (Text){0} : text;
}

static void put_quals(TableColumn *c, const Rows *rows) {
    for (int64_t i = 0; i < rows->piece->num_records && !c->is_full; i++) {
        const Record *r = rows->piece->record + i;
        for (int32_t k = 0; k < r->num_alleles; k++) put_double(c, field_of(r, QUAL));
    }
}

static void put_numbers(TableColumn *c, const Rows *rows, int which) {
    const Piece *piece = rows->piece;
    for (int64_t i = 0; i < piece->num_records; i++) {
        const Record *r = piece->record + i;
        int64_t value = which == COL_POS ? r->pos : which == COL_LINE ? r->line - piece->text : rows->options->first_record + i;
        for (int32_t k = 0; k < r->num_alleles; k++) put_int64(c, value);
    }
}

/* ---- of the one sample ---- */

enum { KEY_GT, KEY_AD, KEY_DP, KEY_GQ, NUM_KEYS };
static const char *const key_names[NUM_KEYS] = {"GT", "AD", "DP", "GQ"};

/* Where the keys stand in FORMAT, which mostly is that of the record before. */
typedef struct {
    Text format;
    int64_t at[NUM_KEYS];
} Keys;

/* The values of the keys; null where one is . or there is none. */
static void read_call(const Record *r, Keys *keys, Text value[NUM_KEYS]) {
    Text format = field_of(r, FORMAT), left = call_of(r);
    if (!keys->format.p || !same_text(format, keys->format)) {
        keys->format = format;
        for (int k = 0; k < NUM_KEYS; k++) keys->at[k] = key_at(format, key_names[k]);
    }
    int64_t last = -1;
    for (int k = 0; k < NUM_KEYS; k++) value[k] = (Text){0}, last = most(last, keys->at[k]);
    for (int64_t at = 0; at <= last && left.p; at++) {
        Text item = next_item(&left, ':');
        for (int k = 0; k < NUM_KEYS; k++)
            if (keys->at[k] == at && !is_dot(item)) value[k] = item;
    }
}

static void put_int_items(TableColumn *c, Text list) {
    int is_valid = list.p != NULL;
    while (list.p) {
        int32_t value = 0;
        int is_int = read_int32(next_item(&list, ','), &value);
        put_int32(c, is_int ? value : 0, is_int);
    }
    end_list(c, is_valid);
}

/* The number of an allele in GT; -1 where it is missing, or no number. */
static int64_t allele_number(Text called) {
    int64_t number = 0;
    if (!called.n || called.n > 9) return -1;
    for (int64_t i = 0; i < called.n; i++) {
        if (called.p[i] < '0' || called.p[i] > '9') return -1;
        number = number * 10 + called.p[i] - '0';
    }
    return number;
}

static int count_alleles(Text genotype, int64_t allele, int *num_called, int *is_missing) {
    int copies = 0;
    /* A mark before the first allele says how that one is phased. */
    if (genotype.n && (*genotype.p == '/' || *genotype.p == '|')) genotype.p++, genotype.n--;
    for (int64_t i = 0, begin = 0; i <= genotype.n; i++) {
        if (i < genotype.n && genotype.p[i] != '/' && genotype.p[i] != '|') continue;
        int64_t number = allele_number((Text){genotype.p + begin, i - begin});
        ++*num_called, copies += number == allele, *is_missing |= number < 0;
        begin = i + 1;
    }
    return copies;
}

/* How often GT has an ALT, and its zygosity; null where a missing allele leaves it open. */
static void put_carried(TableColumn *dosage, TableColumn *zygosity, const Allele *allele, Text genotype) {
    int num_called = 0, is_missing = 0, is_given = genotype.p && !is_dot(allele->alt);
    int copies = is_given ? count_alleles(genotype, allele->index + 1, &num_called, &is_missing) : 0;
    put_int32(dosage, copies, is_given && (copies || !is_missing));
    if (!is_given || is_missing) put_word(zygosity, -1);
    else put_word(zygosity, !copies ? ABSENT : copies < num_called ? HET : copies > 1 ? HOM : HEMI);
}

/* All columns of the call, whichever are wanted; up to the record that one of them has no room for. */
static void put_calls(Columns *columns, const Rows *rows) {
    TableColumn *c = columns->column;
    Keys keys = {{0}, {0}};
    Text value[NUM_KEYS];
    int is_full = 0;
    for (int64_t i = 0; i < rows->piece->num_records && !is_full; i++) {
        const Record *r = rows->piece->record + i;
        read_call(r, &keys, value);
        int32_t depth = 0;
        int is_int = value[KEY_DP].p && read_int32(value[KEY_DP], &depth);
        for (int32_t k = 0; k < r->num_alleles; k++) {
            put_text(c + COL_GT, value[KEY_GT]);
            put_int32(c + COL_DP, is_int ? depth : 0, is_int);
            put_double(c + COL_GQ, value[KEY_GQ]);
            put_int_items(c + COL_AD, value[KEY_AD]);
            put_carried(c + COL_DOSAGE, c + COL_ZYGOSITY, rows->piece->allele + r->first_allele + k, value[KEY_GT]);
        }
        is_full = c[COL_GT].is_full | c[COL_GQ].is_full | c[COL_AD].is_full;
    }
}

/* ---- of all samples ---- */

static void put_genotypes(TableColumn *c, const Rows *rows) {
    Text format = {0};
    int64_t at = -1;
    for (int64_t i = 0; i < rows->piece->num_records && !c->is_full; i++) {
        const Record *r = rows->piece->record + i;
        int has_samples = rows->options->num_columns > SAMPLE;
        if (has_samples && !same_text(format, field_of(r, FORMAT))) format = field_of(r, FORMAT), at = key_at(format, "GT");
        for (int32_t k = 0; k < r->num_alleles && !c->is_full; k++) {
            Text calls = at < 0 ? (Text){0} : call_of(r);
            while (calls.p) {
                Text genotype = item_at(next_item(&calls, '\t'), at, ':');
                put_text(c, genotype.n && !is_dot(genotype) ? genotype : (Text){0});
            }
            end_list(c, at >= 0);
        }
    }
}

/* ---- of ALTs ---- */

/* The items of an ALT, of which `first` is the first one, or a later ALT's where there is none. */
static int64_t end_of_items(const Values *values, int64_t first, int64_t allele) {
    while (first < values->num_items && values->item[first].allele == allele) first++;
    return first;
}

static void put_upper(TableColumn *c, Text bases) {
    put_bytes(c, bases);
    if (c->is_full) return;
    for (uint8_t *p = c->bytes.at - bases.n; p < c->bytes.at; p++) *p = upper[*p];
}

/* The allele key as text, 1-11796321-G-A; null for what is no sequence, and where the contig is another one than Ensembl's. */
static void put_key(TableColumn *c, const Rows *rows, const Allele *allele) {
    const Text dash = {(const uint8_t *)"-", 1};
    const Record *r = rows->piece->record + allele->record;
    const Contig *contig = contig_of(rows->options, r);
    int is_valid = allele->key.code != NOT_COMPARABLE && contig->reason != CONTIG_REFUSED;
    if (is_valid) {
        uint8_t digits[20];
        const char *name = contig->name;
        put_bytes(c, name ? (Text){(const uint8_t *)name, (int64_t)strlen(name)} : field_of(r, CHROM));
        put_bytes(c, dash);
        put_bytes(c, decimal_text(digits, (uint64_t)allele->start + 1));
        put_bytes(c, dash);
        put_upper(c, allele->key.deleted);
        put_bytes(c, dash);
        put_upper(c, allele->key.inserted);
    }
    end_text(c, is_valid);
}

static void put_frequency_state(TableColumn *c, const Rows *rows) {
    for (int64_t n = 0, i = 0; n < rows->piece->num_alleles; n++) {
        int64_t end = end_of_items(rows->values, i, n);
        int is_open = end > i && !rows->values->af[n].p, is_published = 0;
        for (; i < end; i++) is_published |= rows->values->item[i].has_frequency;
        put_word(c, !is_open ? -1 : is_published ? UNDECIDED : NOT_PUBLISHED);
    }
}

static void put_alleles(TableColumn *c, const Rows *rows, int which) {
    for (int64_t n = 0; n < rows->piece->num_alleles && !c->is_full; n++) {
        const Allele *allele = rows->piece->allele + n;
        switch (which) {
        case COL_ALT_INDEX: put_int32(c, allele->index, 1); break;
        case COL_ALT: put_text(c, is_dot(allele->alt) ? (Text){0} : allele->alt); break;
        case COL_KEY: put_key(c, rows, allele); break;
        case COL_AF: put_double(c, rows->values->af[n]); break;
        case COL_AF_TEXT: put_text(c, rows->values->af[n]); break;
        case COL_PAR: put_flag(c, allele->is_par); break;
        default: put_word(c, allele->reason);
        }
    }
}

/* ---- of the IDs of each ALT ---- */

static Text text_of_item(const Item *item, size_t at) { return *(const Text *)((const char *)item + at); }

static void put_id_text(TableColumn *c, uint32_t rs, Text name) {
    uint8_t digits[20];
    if (!rs) {
        put_text(c, name);
        return;
    }
    put_bytes(c, (Text){(const uint8_t *)"rs", 2});
    put_bytes(c, decimal_text(digits, rs));
    end_text(c, 1);
}

static void put_item(TableColumn *c, const Item *item, int which, size_t at) {
    switch (which) {
    case COL_ENS_ID: put_id_text(c, item->rs, item->name); break;
    case COL_MATCH: put_word(c, item->is_shifted); break;
    case COL_MULTI: put_flag(c, item->is_multi); break;
    case COL_MAC: put_int32(c, (int32_t)most(item->mac, 0), item->mac >= 0); break;
    case COL_MAF: put_double(c, item->maf); break;
    default: put_text(c, text_of_item(item, at));
    }
}

/* The end of each ALT's items, the same in all columns of them. */
static void put_ends(TableColumn *c, const Rows *rows, const TableColumn *ids) {
    if (ids->num_rows) {
        put(&c->valid, ids->valid.begin, (size_t)size_of(&ids->valid)), c->num_nulls = ids->num_nulls, c->num_rows = ids->num_rows;
        c->offset.at = c->offset.begin, put(&c->offset, ids->offset.begin, (size_t)size_of(&ids->offset));
        return;
    }
    for (int64_t n = 0, i = 0; n < rows->piece->num_alleles; n++) {
        int64_t first = i;
        i = end_of_items(rows->values, i, n);
        put_valid(&c->valid, n, &c->num_nulls, i > first);
        put_offset(&c->offset, i);
    }
    c->num_rows = rows->piece->num_alleles;
}

static void put_items(Columns *columns, const Rows *rows, int which, size_t at) {
    TableColumn *c = columns->column + which;
    const Item *item = rows->values->item, *end = item + rows->values->num_items;
    for (; item < end && !c->is_full; item++) {
        put_item(c, item, which, at);
        c->is_full |= c->num_values > c->most;
    }
    if (c->is_full) c->num_rows = item[-1].allele + 1;
    else put_ends(c, rows, columns->column + COL_ENS_ID);
}

static int is_listed(const TableColumn *c, int64_t first, Text term) {
    for (int64_t i = first; i < c->num_values; i++) {
        int64_t begin = load32(c->value_offset.begin + 4 * i), end = load32(c->value_offset.begin + 4 * (i + 1));
        if (same_text((Text){c->bytes.begin + begin, end - begin}, term)) return 1;
    }
    return 0;
}

/* The terms of all IDs of each ALT, each once. */
static void put_terms(TableColumn *c, const Rows *rows, size_t at) {
    const Values *values = rows->values;
    for (int64_t n = 0, i = 0; n < rows->piece->num_alleles && !c->is_full; n++) {
        int64_t begin = c->num_values, first = i, end = end_of_items(values, i, n);
        for (; i < end; i++) {
            Text left = text_of_item(values->item + i, at);
            while (left.p) {
                Text term = next_item(&left, '|');
                /* Those of one ID are told once already. */
                if (i == first || !is_listed(c, begin, term)) put_text(c, term);
            }
        }
        end_list(c, end > first);
    }
}

static void put_site_ids(TableColumn *c, const Rows *rows) {
    const Match *match = rows->match;
    for (int64_t i = 0, site = 0, next = 0; i < rows->piece->num_records && !c->is_full; i++, site = next) {
        while (next < match->num_sites && match->site[next].record == i) next++;
        for (int32_t k = 0; k < rows->piece->record[i].num_alleles; k++) {
            for (int64_t s = site; s < next; s++) put_id_text(c, match->site[s].rs, match->site[s].name);
            end_list(c, next > site);
        }
    }
}

/* ---- consequences ---- */

/* The entries of an ALT; null where it was not called. */
static Text entries_of(const Rows *rows, int64_t allele) {
    const Consequences *found = rows->consequences;
    const Told *told = found->told ? found->told + allele : NULL;
    return told && told->worst > told->csq ? (Text){found->text.begin + told->csq, told->worst - told->csq} : (Text){0};
}

static Text worst_of(const Rows *rows, int64_t allele) {
    if (!entries_of(rows, allele).p) return (Text){0};
    const Told *told = rows->consequences->told + allele;
    return (Text){rows->consequences->text.begin + told->worst, told->end - told->worst};
}

/* The entry of the picked transcript is the one whose last field is 1. */
static Text picked_entry(Text entries) {
    while (entries.p) {
        Text entry = next_item(&entries, ',');
        if (entry.n > 1 && entry.p[entry.n - 1] == '1' && entry.p[entry.n - 2] == '|') return entry;
    }
    return entries;
}

/* In the text of a tag, = is written %3D. */
static void put_field(TableColumn *c, Text text) {
    Text left = text;
    for (int64_t i = 0; i + 3 <= left.n;) {
        if (memcmp(left.p + i, "%3D", 3)) {
            i++;
            continue;
        }
        put_bytes(c, (Text){left.p, i});
        put_bytes(c, (Text){(const uint8_t *)"=", 1});
        left = (Text){left.p + i + 3, left.n - i - 3}, i = 0;
    }
    put_bytes(c, left);
    end_text(c, text.p != NULL);
}

static void put_field_list(TableColumn *c, Text list) {
    int is_valid = list.p != NULL;
    while (list.p) put_field(c, next_item(&list, '&'));
    end_list(c, is_valid);
}

/* A field of an entry; one that is empty is null. */
static void put_csq_value(TableColumn *c, Text value, int field) {
    if (!value.n) value.p = NULL;
    if (field == FIELD_CONSEQUENCE) put_field_list(c, value);
    else put_field(c, value);
}

static void put_picked(TableColumn *c, const Rows *rows, int field) {
    for (int64_t n = 0; n < rows->piece->num_alleles && !c->is_full; n++)
        put_csq_value(c, item_at(picked_entry(entries_of(rows, n)), field, '|'), field);
}

static void put_entries(Columns *columns, const Rows *rows) {
    TableColumn *list = columns->column + COL_CSQ, *field = columns->column + COL_CSQ_FIELD;
    for (int64_t n = 0; n < rows->piece->num_alleles && !list->is_full; n++) {
        Text left = entries_of(rows, n);
        int is_valid = left.p != NULL;
        for (; left.p; list->num_values++) {
            Text entry = next_item(&left, ',');
            for (int i = 0; i < NUM_CSQ_FIELDS; i++) put_csq_value(field + i, entry.p ? next_item(&entry, '|') : entry, i);
        }
        end_list(list, is_valid);
        for (int i = 0; i < NUM_CSQ_FIELDS; i++) list->is_full |= field[i].is_full;
    }
}

/* ---- counts ---- */

static int kind_of(const Key *key) {
    int64_t deleted = key->deleted.n, inserted = key->inserted.n;
    if (!deleted) return inserted ? AN_INSERTION : NOT_A_SEQUENCE;
    if (!inserted) return A_DELETION;
    if (deleted != inserted) return AN_INDEL;
    return deleted == 1 ? AN_SNV : AN_MNV;
}

static Cell cell_of(const Record *r, const Allele *allele) {
    static const uint8_t is_transition[16] = {[2] = 1, [7] = 1, [8] = 1, [13] = 1};
    int reason = allele->reason, is_absent = reason == ALLELE_DIFFERS || reason == SITE_UNKNOWN || reason == REF_MISMATCH;
    return (Cell){
        .window = most(r->pos - 1, 0) / WINDOW, .count = 1, .run = r->run,
        .status = reason == MATCHED ? KNOWN : is_absent ? NOVEL : UNCOMPARED,
        .kind = (int8_t)kind_of(&allele->key),
        .transition = is_snv(allele->key.code) ? (int8_t)is_transition[allele->key.code] : -1,
    };
}

static int is_alike(const Cell *a, const Cell *b) { return a->status == b->status && a->kind == b->kind && a->transition == b->transition; }

/* Count ALTs by window, status and kind; a window that comes again has cells again. */
static void count_cells(Columns *columns, const Rows *rows) {
    int64_t first = 0;
    for (int64_t n = 0; n < rows->piece->num_alleles; n++) {
        const Allele *allele = rows->piece->allele + n;
        if (allele->reason == NO_ALT) continue;
        Cell cell = cell_of(rows->piece->record + allele->record, allele), *cells = (Cell *)columns->cell.begin;
        if (columns->num_cells && (cells[first].window != cell.window || cells[first].run != cell.run)) first = columns->num_cells;
        int64_t i = first;
        while (i < columns->num_cells && !is_alike(cells + i, &cell)) i++;
        if (i < columns->num_cells) cells[i].count++;
        else put(&columns->cell, &cell, sizeof cell), columns->num_cells++;
    }
}

/* ---- all of them ---- */

static void fill(Columns *columns, const Rows *rows, int which) {
    TableColumn *c = columns->column + which;
    switch (which) {
    case COL_CSQ: put_entries(columns, rows); break;
    case COL_GT: put_calls(columns, rows); break;
    case COL_DP: case COL_GQ: case COL_AD: case COL_DOSAGE: case COL_ZYGOSITY: break; /* with GT */
    case COL_RECORD: case COL_POS: case COL_LINE: put_numbers(c, rows, which); break;
    case COL_CHROM: put_texts(c, rows, as_written, CHROM); break;
    case COL_ID: put_texts(c, rows, unless_dot, ID); break;
    case COL_REF: put_texts(c, rows, as_written, REF); break;
    case COL_QUAL: put_quals(c, rows); break;
    case COL_FILTER: put_texts(c, rows, unless_dot, FILTER); break;
    case COL_ENS_ID: case COL_MATCH: case COL_MULTI: case COL_MAF: case COL_MAC: put_items(columns, rows, which, 0); break;
    case COL_TSA: put_items(columns, rows, which, offsetof(Item, tsa)); break;
    case COL_MA: put_items(columns, rows, which, offsetof(Item, ma)); break;
    case COL_AA: put_items(columns, rows, which, offsetof(Item, aa)); break;
    case COL_ID_ALLELE_CLIN: put_items(columns, rows, which, offsetof(Item, allele_clin)); break;
    case COL_ID_CLIN: put_items(columns, rows, which, offsetof(Item, clin)); break;
    case COL_ID_EVIDENCE: put_items(columns, rows, which, offsetof(Item, evidence)); break;
    case COL_ID_SOURCE: put_items(columns, rows, which, offsetof(Item, source)); break;
    case COL_AF_WHY: put_frequency_state(c, rows); break;
    case COL_CLIN: put_terms(c, rows, offsetof(Item, allele_clin)); break;
    case COL_RSCLIN: put_terms(c, rows, offsetof(Item, clin)); break;
    case COL_EVIDENCE: put_terms(c, rows, offsetof(Item, evidence)); break;
    case COL_SOURCE: put_terms(c, rows, offsetof(Item, source)); break;
    case COL_SITE_ID: put_site_ids(c, rows); break;
    case COL_GTS: put_genotypes(c, rows); break;
    case COL_GENE: put_picked(c, rows, FIELD_GENE); break;
    case COL_SYMBOL: put_picked(c, rows, FIELD_SYMBOL); break;
    case COL_TRANSCRIPT: put_picked(c, rows, FIELD_FEATURE); break;
    case COL_CONSEQUENCE: put_picked(c, rows, FIELD_CONSEQUENCE); break;
    case COL_IMPACT: put_picked(c, rows, FIELD_IMPACT); break;
    case COL_HGVSC: put_picked(c, rows, FIELD_HGVSC); break;
    case COL_HGVSP: put_picked(c, rows, FIELD_HGVSP); break;
    case COL_WORST:
        for (int64_t n = 0; n < rows->piece->num_alleles && !c->is_full; n++) put_text(c, worst_of(rows, n));
        break;
    default: put_alleles(c, rows, which);
    }
}

/* Rows that have a value, or a list. */
static int64_t rows_of(const TableColumn *c) { return c->num_rows ? c->num_rows : c->num_values; }

static int refuse(const Columns *columns, const Rows *rows, int which, Problem *problem) {
    int64_t row = most(rows_of(columns->column + which) - 1, 0);
    problem->kind = BAD_INPUT, problem->what = LONG_COLUMN, problem->detail = which;
    problem->line = rows->piece->allele[row].record;
    return -1;
}

/* The columns of the call are made together. */
static int is_wanted(const Options *options, int which) {
    uint64_t calls = (UINT64_C(2) << COL_ZYGOSITY) - (UINT64_C(1) << COL_GT);
    if (which < COL_GT || which > COL_ZYGOSITY) return options->columns >> which & 1;
    return options->num_columns == SAMPLE + 1 && (options->columns & calls);
}

/* Begin another one, in the memory of the last. */
static void begin_column(TableColumn *c, const Options *options, int are_texts) {
    Out *all[] = {&c->valid, &c->offset, &c->value_valid, &c->value_offset, &c->bytes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) all[i]->at = all[i]->begin;
    *c = (TableColumn){c->valid, c->offset, c->value_valid, c->value_offset, c->bytes, .most = least(options->most_column, INT32_MAX), .are_texts = are_texts};
    put_offset(&c->offset, 0), put_offset(&c->value_offset, 0);
    reserve(&c->bytes, 1);
}

/* Make a column, and those that are made with it; again where doubles have to be given as text. */
static void make(Columns *columns, const Rows *rows, int which) {
    TableColumn *c = columns->column + which, *doubles = which == COL_GT ? columns->column + COL_GQ : c;
    TableColumn *end = which == COL_GT ? columns->column + COL_ZYGOSITY + 1 : c + 1;
    fill(columns, rows, which);
    if (!doubles->are_texts || which == COL_GQ) return;
    for (; c < end; c++) begin_column(c, rows->options, c == doubles);
    fill(columns, rows, which);
}

static int fill_all(Columns *columns, const Rows *rows, Problem *problem) {
    for (int i = 0; i <= COL_CSQ; i++) {
        if (!is_wanted(rows->options, i)) continue;
        make(columns, rows, i);
        if (columns->column[i].is_full) return refuse(columns, rows, i, problem);
    }
    return 0;
}

int make_columns(Columns *columns, const Rows *rows, Problem *problem) {
    for (int i = 0; i < NUM_TABLE_COLUMNS; i++) begin_column(columns->column + i, rows->options, 0);
    columns->cell.at = columns->cell.begin, columns->num_cells = 0;
    count_cells(columns, rows);
    return fill_all(columns, rows, problem);
}

static int64_t room_of(const Out *out) { return out->end - out->begin; }

int64_t columns_bytes(const Columns *columns) {
    int64_t total = room_of(&columns->cell);
    for (int i = 0; i < NUM_TABLE_COLUMNS; i++) {
        const TableColumn *c = columns->column + i;
        total += room_of(&c->valid) + room_of(&c->offset) + room_of(&c->value_valid) + room_of(&c->value_offset) + room_of(&c->bytes);
    }
    return total;
}

void empty_columns(Columns *columns) {
    for (int i = 0; i < NUM_TABLE_COLUMNS; i++) {
        TableColumn *c = columns->column + i;
        void *all[] = {c->valid.begin, c->offset.begin, c->value_valid.begin, c->value_offset.begin, c->bytes.begin};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    }
    free(columns->cell.begin);
    *columns = (Columns){0};
}
