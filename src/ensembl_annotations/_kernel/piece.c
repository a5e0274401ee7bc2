#include "piece.h"

#include <stdlib.h>

const char *const tag_names[NUM_TAGS] = {
    "ENS_ID", "ENS_MATCH", "ENS_MULTI", "ENS_CLIN", "ENS_AF", "ENS_MA", "ENS_MAF", "ENS_MAC", "ENS_TSA", "ENS_AA",
    "ENS_EVIDENCE", "ENS_SOURCE", "ENS_RSCLIN", "ENS_PAR", "ENS_SITE_ID", "ENS_CSQ", "ENS_WORST",
};
enum { MOST_POS = 2147483647, MOST_DIGITS = 10 };
static const int64_t most_lookup_pos = 2147483648 - 256;

/* ---- lines ---- */

static int64_t count_bytes(uint8_t wanted, const uint8_t *p, const uint8_t *end) {
    int64_t count = 0;
    for (; p < end && (p = memchr(p, wanted, (size_t)(end - p))); p++) count++;
    return count;
}

/* The runs of CHROM in whole lines, without a look at the rest. */
int64_t find_runs(const uint8_t *text, int64_t size, ContigRun **runs) {
    int64_t count = 0, room = 0;
    ContigRun *run = NULL;
    for (const uint8_t *p = text, *end = text + size; p < end;) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        const uint8_t *tab = memchr(p, '\t', (size_t)(stop - p));
        int64_t length = (tab ? tab : stop) - p;
        if (!count || run[count - 1].length != length || memcmp(text + run[count - 1].begin, p, (size_t)length)) {
            run = grown(run, count, &room, sizeof(ContigRun));
            run[count++] = (ContigRun){.begin = p - text, .length = length, .is_ascending = 1};
        }
        run[count - 1].num_records++;
        p = stop + 1;
    }
    *runs = run;
    return count;
}

static int64_t work_of(const uint8_t *p, const uint8_t *end, const Work *work) {
    const uint8_t *tab[ALT + 1];
    for (int i = 0; i <= ALT; i++, p = tab[i - 1] + 1)
        if (!(tab[i] = memchr(p, '\t', (size_t)(end - p)))) return 0;
    const uint8_t *ref = tab[REF - 1] + 1, *alt = tab[ALT - 1] + 1;
    return (count_bytes(',', alt, tab[ALT]) + 1) * work->per_alt + (tab[ALT] - ref) * work->per_byte;
}

/* Part whole lines so that a part takes no more memory than it may, unless it is a single line. */
int64_t find_parts(const uint8_t *text, int64_t size, const Work *work, Part **parts) {
    int64_t count = 0, room = 0;
    Part *part = NULL;
    for (const uint8_t *p = text, *end = text + size; p < end;) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        int64_t more = work_of(p, stop, work);
        if (!count || part[count - 1].work + more > work->most) {
            part = grown(part, count, &room, sizeof(Part));
            part[count++] = (Part){0};
        }
        part[count - 1].work += more, part[count - 1].num_lines++;
        p = stop + 1;
        part[count - 1].end = least(p - text, size);
    }
    *parts = part;
    return count;
}

/* A whole number of 1 to 10 digits, up to the largest POS. */
static int read_pos(Text text, int64_t *pos) {
    *pos = 0;
    if (text.n < 1 || text.n > MOST_DIGITS) return -1;
    for (int64_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return -1;
        *pos = *pos * 10 + text.p[i] - '0';
    }
    return *pos > MOST_POS ? -1 : 0;
}

static int cut_line(Record *r, int num_columns) {
    const uint8_t *p = r->line;
    int most_tabs = num_columns < 9 ? num_columns - 1 : 9, count = 0;
    while (count < most_tabs && (p = memchr(p, '\t', (size_t)(r->end - p)))) r->tab[count++] = p++;
    int64_t behind = count == most_tabs ? count_bytes('\t', p, r->end) : 0;
    if (count + behind != num_columns - 1) return -1;
    /* A carriage return belongs to the line's end. */
    const uint8_t *end = r->end > r->line && r->end[-1] == '\r' ? r->end - 1 : r->end;
    while (count < 9) r->tab[count++] = end;
    return 0;
}

/* ---- values ---- */

static int64_t digits_from(Text t, int64_t i) {
    int64_t begin = i;
    while (i < t.n && t.p[i] >= '0' && t.p[i] <= '9') i++;
    return i - begin;
}

static int is_word(Text t, int64_t i, const char *word) {
    int64_t n = (int64_t)strlen(word);
    if (t.n - i != n) return 0;
    for (int64_t k = 0; k < n; k++)
        if ((t.p[i + k] | 32) != word[k]) return 0;
    return 1;
}

int is_number(Text t) {
    int64_t i = t.n && (t.p[0] == '+' || t.p[0] == '-');
    if (is_word(t, i, "inf") || is_word(t, i, "infinity") || is_word(t, i, "nan")) return 1;
    int64_t before = digits_from(t, i), behind = 0;
    i += before;
    if (i < t.n && t.p[i] == '.') behind = digits_from(t, i + 1), i += 1 + behind;
    if (!before && !behind) return 0;
    if (i < t.n && (t.p[i] | 32) == 'e') {
        i += 1 + (i + 1 < t.n && (t.p[i + 1] == '+' || t.p[i + 1] == '-'));
        int64_t n = digits_from(t, i);
        if (!n) return 0;
        i += n;
    }
    return i == t.n;
}

int read_int32(Text t, int32_t *number) {
    int64_t i = t.n && (t.p[0] == '+' || t.p[0] == '-'), value = 0;
    if (i == t.n) return 0;
    for (; i < t.n; i++) {
        if (t.p[i] < '0' || t.p[i] > '9') return 0;
        value = least(value * 10 + t.p[i] - '0', INT64_C(1) << 40);
    }
    if (t.p[0] == '-') value = -value;
    *number = (int32_t)value;
    return value >= INT32_MIN && value <= INT32_MAX;
}

/* Source: Clinger, How to read floating point numbers accurately, 1990: both factors are doubles without rounding. */
int read_double(Text t, double *number) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int is_negative = t.n && *t.p == '-', has_digits = 0;
    int64_t i = is_negative, behind = 0, value = 0;
    for (int is_behind = 0; i < t.n; i++) {
        if (t.p[i] == '.' && !is_behind) {
            is_behind = 1;
            continue;
        }
        if (t.p[i] < '0' || t.p[i] > '9') break;
        if (value >= 100000000000000) return 0;
        value = value * 10 + t.p[i] - '0', behind += is_behind, has_digits = 1;
    }
    int32_t power = 0;
    if (i < t.n && ((t.p[i] | 32) != 'e' || !read_int32((Text){t.p + i + 1, t.n - i - 1}, &power))) return 0;
    int64_t e = power - behind;
    if (!has_digits || e < -22 || e > 22) return 0;
    *number = e < 0 ? (double)value / tens[-e] : (double)value * tens[e];
    if (is_negative) *number = -*number;
    return 1;
}

static int all_int32(Text list) {
    while (list.p) {
        Text item = next_item(&list, ',');
        int32_t number;
        if (!is_dot(item) && !read_int32(item, &number)) return 0;
    }
    return 1;
}

int64_t key_at(Text format, const char *key) {
    Text name = {(const uint8_t *)key, (int64_t)strlen(key)};
    for (int64_t at = 0; format.p; at++)
        if (same_text(next_item(&format, ':'), name)) return at;
    return -1;
}

Text item_at(Text list, int64_t at, char separator) {
    for (; list.p && at > 0; at--) next_item(&list, separator);
    return list.p ? next_item(&list, separator) : list;
}

Text call_of(const Record *r) {
    const uint8_t *end = r->end > r->line && r->end[-1] == '\r' ? r->end - 1 : r->end;
    return (Text){r->tab[FORMAT] + 1, end - r->tab[FORMAT] - 1};
}

/* Note records in which a sample has values that are not of their column's type. */
static void check_calls(Piece *piece, const Record *r, int64_t line, int with_local) {
    static const char *const keys[] = {"DP", "GQ", "AD"};
    Text format = field_of(r, FORMAT), calls = call_of(r);
    int64_t at[] = {key_at(format, keys[0]), key_at(format, keys[1]), key_at(format, keys[2])};
    if (at[2] < 0 && with_local) at[2] = key_at(format, "LAD");
    for (int told = 0; calls.p && told < 7;) {
        Text call = next_item(&calls, '\t');
        for (int i = 0; i < 3; i++) {
            Text value = at[i] < 0 || told >> i & 1 ? (Text){0} : item_at(call, at[i], ':');
            if (!value.p || is_dot(value)) continue;
            int32_t number;
            if (i == 0 ? read_int32(value, &number) : i == 1 ? is_number(value) : all_int32(value)) continue;
            if (!piece->untyped[i].num_records++) piece->untyped[i].line = line, piece->untyped[i].value = value;
            told |= 1 << i;
        }
    }
}

/* ---- text ---- */

static int has_high_bit(const uint8_t *p, int64_t n) {
    uint64_t any = 0;
    for (; n >= 8; p += 8, n -= 8) any |= load64(p);
    for (; n; p++, n--) any |= (uint64_t)*p << 56;
    return (any & 0x8080808080808080ull) != 0;
}

/* GT of every sample is text. */
static int genotypes_are_text(const Record *r) {
    int64_t at = key_at(field_of(r, FORMAT), "GT");
    Text calls = {r->tab[FORMAT] + 1, r->end - r->tab[FORMAT] - 1};
    while (at >= 0 && calls.p) {
        Text genotype = item_at(next_item(&calls, '\t'), at, ':');
        if (genotype.p && !is_utf8(genotype.p, genotype.n)) return 0;
    }
    return 1;
}

static int check_text(const Record *r, int64_t line, int num_columns, Problem *problem) {
    static const int columns[] = {CHROM, ID, REF, ALT, QUAL, FILTER, FORMAT};
    for (int i = 0; i < (num_columns > 8 ? 7 : 6); i++) {
        Text value = field_of(r, columns[i]);
        if (!is_utf8(value.p, value.n)) return fail_input(problem, NOT_UTF8, line, columns[i]);
    }
    return num_columns < 9 || genotypes_are_text(r) ? 0 : fail_input(problem, NOT_UTF8, line, SAMPLE);
}

/* ---- our tags in the input ---- */

static int tag_of(Text entry, uint32_t tags) {
    Text key = next_item(&entry, '=');
    for (int i = 0; i < NUM_TAGS; i++)
        if (tags >> i & 1 && same_text(key, (Text){(const uint8_t *)tag_names[i], (int64_t)strlen(tag_names[i])})) return i;
    return -1;
}

/* The next EN: all words that are looked for have it, and one pass finds them. */
static const uint8_t *next_en(const uint8_t *p, const uint8_t *end) {
    const uint64_t ones = 0x0101010101010101ull;
    for (; end - p > 8; p += 8) {
        uint64_t differs = (load64(p) ^ ones * 'E') | (load64(p + 1) ^ ones * 'N');
        uint64_t same = (differs - ones) & ~differs & ones << 7;
        if (same) return p + __builtin_ctzll(same) / 8;
    }
    for (; end - p > 1; p++)
        if (p[0] == 'E' && p[1] == 'N') return p;
    return NULL;
}

static int has_at(Text text, const uint8_t *p, const char *word) {
    int64_t n = (int64_t)strlen(word);
    return p >= text.p && text.p + text.n - p >= n && !memcmp(p, word, (size_t)n);
}

static int words_of(Text text) {
    int words = 0;
    for (const uint8_t *p = text.p; (p = next_en(p, text.p + text.n)); p++) {
        if (has_at(text, p, "ENS_")) words |= HAS_ENS;
        if (has_at(text, p, "END=")) words |= HAS_END;
        if (has_at(text, p - 3, "SVLEN=")) words |= HAS_SVLEN;
        if (has_at(text, p - 2, "\tLEN") || has_at(text, p - 2, ":LEN")) words |= HAS_LEN;
    }
    return words;
}

static int has_mark(Text info) {
    if (info.n < 4) return 0;
    for (const uint8_t *p = info.p, *end = info.p + info.n - 3; p < end && (p = memchr(p, 'E', (size_t)(end - p))); p++)
        if (!memcmp(p, "ENS_", 4)) return 1;
    return 0;
}

/* Take the chosen tags out of INFO; -1 where that is not asked for, and one is there. */
static int clean_info(Piece *piece, Record *r, int64_t line, const Options *options, Problem *problem) {
    Text left = r->info;
    uint8_t *out = NULL;
    int64_t n = 0, num_kept = 0;
    while (left.p) {
        Text entry = next_item(&left, ';');
        int tag = tag_of(entry, options->tags);
        if (tag >= 0 && !options->overwrite) return fail_input(problem, HAS_TAG, line, tag);
        if (tag >= 0) {
            r->is_cut = 1;
            continue;
        }
        if (!out) out = take(&piece->arena, (size_t)r->info.n + 1);
        if (num_kept++) out[n++] = ';';
        memcpy(out + n, entry.p, (size_t)entry.n);
        n += entry.n;
    }
    if (!r->is_cut) return 0;
    r->info = n ? (Text){out, n} : (Text){(const uint8_t *)".", 1};
    return 0;
}

/* ---- a piece ---- */

static int check_record(Piece *piece, Record *r, int64_t line, const Options *options, int is_ascii, Problem *problem) {
    if (!is_ascii && check_text(r, line, options->num_columns, problem)) return -1;
    if (!options->check_records) return 0;
    if (piece->words & HAS_ENS && has_mark(r->info) && clean_info(piece, r, line, options, problem)) return -1;
    Text qual = field_of(r, QUAL);
    if (!is_dot(qual) && !is_number(qual)) return fail_input(problem, BAD_QUAL, line, QUAL);
    if (options->num_columns == SAMPLE + 1 || (options->check_calls && options->num_columns > SAMPLE)) check_calls(piece, r, line, options->check_calls);
    return 0;
}

/* htslib counts ALTs in 16 bits; and no file is to take all memory. */
static int check_alleles(const Record *r, int64_t line, const Options *options, Problem *problem) {
    const uint8_t *alt = r->tab[REF] + 1;
    int64_t size = r->tab[ALT] - r->tab[ID] - 1;
    if (size > options->most_allele_bytes) return fail_input(problem, LONG_ALLELES, line, REF);
    if (size <= options->most_alts) return 0;
    return count_bytes(',', alt, r->tab[ALT]) < options->most_alts ? 0 : fail_input(problem, MANY_ALTS, line, ALT);
}

/* The same runs as `find_runs` has, with what is known of their records. */
static int place_runs(Piece *piece, const Options *options, Problem *problem) {
    int64_t room = 0;
    ContigRun *run = NULL;
    for (int64_t i = 0; i < piece->num_records; i++) {
        Record *r = piece->record + i;
        Text name = field_of(r, CHROM);
        if (!run || !same_text(name, (Text){piece->text + run->begin, run->length})) {
            piece->run = grown(piece->run, piece->num_runs, &room, sizeof(ContigRun));
            run = piece->run + piece->num_runs++;
            *run = (ContigRun){.begin = name.p - piece->text, .length = name.n, .first_pos = r->pos, .last_pos = r->pos, .is_ascending = 1};
        }
        if (r->pos < run->last_pos) run->is_ascending = 0;
        r->run = (int32_t)piece->num_runs - 1;
        run->num_records++, run->last_pos = r->pos;
    }
    return piece->num_runs == options->num_runs ? 0 : fail_input(problem, BAD_COLUMNS, 0, 0);
}

int cut_piece(Piece *piece, const Options *options, Problem *problem) {
    const uint8_t *p = piece->text, *stop = piece->text + piece->size;
    if (!piece->size || stop[-1] != '\n') return fail_input(problem, BAD_COLUMNS, 0, 0);
    int is_ascii = !has_high_bit(p, piece->size);
    piece->num_records = count_bytes('\n', p, stop);
    piece->record = take(&piece->arena, (size_t)piece->num_records * sizeof(Record));
    for (int64_t i = 0; p < stop; i++) {
        Record *r = piece->record + i;
        *r = (Record){.line = p, .end = memchr(p, '\n', (size_t)(stop - p))};
        if (cut_line(r, options->num_columns)) return fail_input(problem, BAD_COLUMNS, i, 0);
        if (check_alleles(r, i, options, problem)) return -1;
        if (read_pos(field_of(r, POS), &r->pos)) return fail_input(problem, BAD_POS, i, POS);
        r->info = field_of(r, INFO);
        piece->words |= words_of((Text){r->tab[FILTER], r->tab[FORMAT] - r->tab[FILTER]});
        if (check_record(piece, r, i, options, is_ascii, problem)) return -1;
        p = r->end + 1;
    }
    return place_runs(piece, options, problem);
}

/* Begin another one, in the memory of the last. */
void begin_piece(Piece *piece, const uint8_t *text, int64_t size) {
    free(piece->run);
    rewind_arena(&piece->arena);
    *piece = (Piece){.text = text, .size = size, .allele = piece->allele, .allele_room = piece->allele_room, .arena = piece->arena};
}

void drop_piece(Piece *piece) {
    free(piece->run);
    free(piece->allele);
    clear(&piece->arena);
}

/* ---- alleles ---- */

/* The reason that is known before anything is looked up; MATCHED where the ALT is to be. */
static int8_t early_reason(const Allele *allele, Text ref, int64_t pos, const Contig *contig) {
    if (is_dot(allele->alt)) return NO_ALT;
    if (same_alleles(allele->alt, ref)) return SAME_AS_REF;
    if (allele->key.code == NOT_COMPARABLE) return SYMBOLIC;
    if (contig->reason != MATCHED) return (int8_t)contig->reason;
    if (pos < 1 || allele->start > most_lookup_pos) return BAD_POSITION;
    return MATCHED;
}

void split_alleles(Piece *piece, const Options *options) {
    for (int64_t i = 0; i < piece->num_records; i++) {
        Record *r = piece->record + i;
        const Contig *contig = contig_of(options, r);
        Text ref = field_of(r, REF), alts = field_of(r, ALT);
        r->first_allele = (int32_t)piece->num_alleles;
        while (alts.p) {
            Text alt = next_item(&alts, ',');
            piece->allele = grown(piece->allele, piece->num_alleles, &piece->allele_room, sizeof(Allele));
            Allele *allele = piece->allele + piece->num_alleles++;
            *allele = (Allele){.record = (int32_t)i, .index = r->num_alleles++, .alt = alt, .key = key_of(ref, alt)};
            allele->start = r->pos - 1 + allele->key.offset;
            allele->reason = early_reason(allele, ref, r->pos, contig);
            for (int k = 0; k < options->num_regions && allele->reason == MATCHED; k++)
                allele->is_par |= (uint8_t)is_in_region(contig, allele, options->region + k);
            ContigRun *run = piece->run + r->run;
            run->num_in_region += allele->is_par, run->num_elsewhere += allele->reason == MATCHED && !allele->is_par;
        }
    }
}

/* POS has a place in the reference, whatever the ALTs are. */
int has_place(const Record *r, const Contig *contig) { return contig->reason == MATCHED && r->pos >= 1 && r->pos <= most_lookup_pos; }
