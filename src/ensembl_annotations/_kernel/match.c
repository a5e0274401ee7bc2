#include "match.h"

#include <stdlib.h>

enum { MANY = 8 };      /* of so many queries in a row group, all of it is fetched at once */
static const uint8_t bases[] = "ACGT";

/* ---- queries ---- */

int is_in_region(const Contig *contig, const Allele *allele, const Region *region) {
    int64_t end = allele->start + most(allele->key.deleted.n, 1);
    return contig->is_y && allele->start >= region->first - 1 && end <= region->last;
}

static void add(Match *match, Query query) {
    match->query = grown(match->query, match->num_queries, &match->query_room, sizeof(Query));
    match->query[match->num_queries++] = query;
}

/* Look up an ALT on its own contig, and on X too where it lies in a pseudo-autosomal region of Y. */
void add_query(Match *match, Allele *alleles, int32_t number, const Contig *contig, int64_t pos, Text ref, const Region *regions, int num_regions) {
    Allele *allele = alleles + number;
    Query query = {.allele = allele, .table = contig->table, .sequence = contig->sequence, .ref = ref, .start = allele->start,
                   .pos = pos, .least = INT64_MIN, .most = INT64_MAX, .number = number};
    add(match, query);
    for (int i = 0; i < num_regions; i++) {
        const Region *region = regions + i;
        if (!is_in_region(contig, allele, region)) continue;
        /* Outside the region X is another sequence: padding there does not count. */
        if (pos < region->first || pos + ref.n - 1 > region->last) query.pos = allele->start + 1, query.ref = allele->key.deleted;
        query.table = contig->x_table, query.sequence = contig->x_sequence, query.on_x = 1;
        query.start += region->shift, query.pos += region->shift;
        query.least = region->first - 1 + region->shift, query.most = region->last + region->shift;
        add(match, query);
        return;
    }
}

static int by_table_and_start(const void *a, const void *b) {
    const Query *one = a, *other = b;
    if (one->table != other->table) return (uintptr_t)one->table < (uintptr_t)other->table ? -1 : 1;
    if (one->start != other->start) return one->start < other->start ? -1 : 1;
    return (one->number > other->number) - (one->number < other->number);
}

static void sort_queries(Match *match) {
    int is_sorted = 1;
    for (int64_t i = 1; i < match->num_queries && is_sorted; i++) is_sorted = by_table_and_start(match->query + i - 1, match->query + i) <= 0;
    if (!is_sorted) qsort(match->query, (size_t)match->num_queries, sizeof(Query), by_table_and_start);
}

/* ---- row groups ---- */

/* The number of the first query whose start is not before a place. */
static int64_t first_query(const Finder *finder, int64_t start) {
    int64_t low = 0, high = finder->num_queries;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (finder->query[middle].start < start) low = middle + 1;
        else high = middle;
    }
    return low;
}

static Group *group_of(Finder *finder, int number) {
    int oldest = 0;
    for (int i = 0; i < NUM_OPEN; i++) {
        if (finder->used[i] && finder->group[i].table == finder->table && finder->group[i].number == number) {
            finder->used[i] = ++finder->clock;
            return finder->group + i;
        }
        if (finder->used[i] < finder->used[oldest]) oldest = i;
    }
    const Chunk *start = chunk_of(finder->table, number, COLUMN_START);
    int64_t num_asked = first_query(finder, (int64_t)start->high + 1) - first_query(finder, start->low);
    finder->used[oldest] = 0;
    if (use_group(finder->group + oldest, finder->table, number, num_asked >= MANY, finder->problem)) return NULL;
    finder->used[oldest] = ++finder->clock;
    return finder->group + oldest;
}

/* The first row group that ends at a place or behind it. */
static int first_group(const Table *table, int64_t start) {
    int low = 0, high = table->num_groups;
    while (low < high) {
        int middle = (low + high) / 2;
        if (chunk_of(table, middle, COLUMN_START)->high < start) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* A row, and what was read of it so far. */
typedef struct {
    Group *group;
    int32_t row;
    int64_t start;
    int code;
    int is_spelled;                     /* the following are known */
    int64_t pos;
    Text ref, alt;
    Key key;
} Row;

static int read_code(Row *row) {
    int64_t code;
    if (number_at(row->group, COLUMN_CODE, row->row, &code)) return -1;
    row->code = (int)code & 15, row->is_spelled = 0;
    return 0;
}

/* Read REF and ALT. Of an SNV, the code says that they are its two bases. */
static int spell(Row *row) {
    if (row->is_spelled) return 0;
    row->is_spelled = 1;
    if (is_snv(row->code)) {
        row->ref = (Text){bases + row->code / 4, 1}, row->alt = (Text){bases + row->code % 4, 1};
        row->key = (Key){0, row->ref, row->alt, row->code};
    } else {
        if (text_at(row->group, COLUMN_REF, row->row, &row->ref) || text_at(row->group, COLUMN_ALT, row->row, &row->alt)) return -1;
        row->key = key_of(row->ref, row->alt);
    }
    row->pos = row->start + 1 - row->key.offset;
    return 0;
}

typedef int (*Visit)(Match *match, Query *query, Row *row);

/* Visit all rows of a row group from `begin` to `end`, both included, by start. */
static int visit_group(Match *match, Query *query, int number, int64_t begin, int64_t end, Visit visit) {
    Group *group = group_of(&match->finder, number);
    if (!group) return -1;
    int64_t first = first_row_from(group, begin);
    if (first < 0) return -1;
    Column *column = column_of(group, COLUMN_START);
    for (Row row = {.group = group, .row = (int32_t)first}; row.row < group->rows;) {
        const Page *page = page_of(column, row.row);
        const int32_t *starts = numbers_of(group, COLUMN_START, (int)(page - column->page));
        if (!starts) return -1;
        for (int32_t i = row.row - page->first; i < page->rows; i++, row.row++) {
            row.start = starts[i];
            if (row.start > end) return 0;
            if (read_code(&row) || visit(match, query, &row)) return -1;
        }
    }
    return 0;
}

static int visit_rows(Match *match, Query *query, int64_t begin, int64_t end, Visit visit) {
    const Table *table = match->finder.table;
    for (int g = first_group(table, begin); g < table->num_groups && chunk_of(table, g, COLUMN_START)->low <= end; g++)
        if (visit_group(match, query, g, begin, end, visit)) return -1;
    return 0;
}

/* ---- what a row says ---- */

static int kept_text(Match *match, Row *row, int column, Text *text) {
    if (text_at(row->group, column, row->row, text)) return -1;
    *text = keep(match->arena, *text);
    return 0;
}

/* Whose frequency MAF is, as the conversion found: this ALT's, or REF's, so that the ALT has the rest. */
enum { IS_ALT = 1, IS_REF = 2 };

static int read_published(Match *match, Row *row, Published *p) {
    int64_t rs, num_alts, whose;
    Group *g = row->group;
    int32_t r = row->row;
    if (!g->column[COLUMN_AA].is_open && fetch_columns(g, COLUMN_NUM_ALTS, COLUMN_AA)) return -1;
    if (number_at(g, COLUMN_RS, r, &rs) || number_at(g, COLUMN_NUM_ALTS, r, &num_alts) || number_at(g, COLUMN_MAC, r, &p->mac)
        || number_at(g, COLUMN_MAF_OF, r, &whose) || flag_at(g, COLUMN_CLIN_CERTAIN, r, &p->is_certain)) return -1;
    p->rs = (uint32_t)rs, p->num_alts = (int32_t)num_alts;
    if ((!rs && kept_text(match, row, COLUMN_NAME, &p->name)) || kept_text(match, row, COLUMN_TSA, &p->tsa)
        || kept_text(match, row, COLUMN_EVIDENCE, &p->evidence) || kept_text(match, row, COLUMN_CLIN, &p->clin)
        || kept_text(match, row, COLUMN_SOURCE, &p->source) || kept_text(match, row, COLUMN_MA, &p->ma)
        || kept_text(match, row, COLUMN_MAF, &p->maf) || kept_text(match, row, COLUMN_AA, &p->aa)) return -1;
    if (p->maf.p && whose == IS_ALT) p->af = p->maf;
    if (p->maf.p && whose == IS_REF) p->af = one_minus(p->maf, match->arena);
    return 0;
}

static int add_hit(Match *match, Query *query, Row *row, int is_shifted) {
    match->hit = grown(match->hit, match->num_hits, &match->hit_room, sizeof(Hit));
    Hit *hit = match->hit + match->num_hits++;
    /* Row groups have fewer rows than 2^24. */
    *hit = (Hit){.allele = query->number, .on_x = query->on_x, .is_shifted = (uint8_t)is_shifted, .row = ((int64_t)row->group->number << 24) + row->row};
    query->has_hit = 1;
    return read_published(match, row, &hit->published);
}

/* ---- the match classes ---- */

/* exact: the keys are equal, and REFs agree. */
static int match_exact(Match *match, Query *query, Row *row) {
    const Key *key = &query->allele->key;
    /* That of an SNV published with its two bases proves it; all others are spelled out. */
    if (row->code == key->code && is_snv(key->code)) return add_hit(match, query, row, 0);
    if (row->code != (is_snv(key->code) ? OTHER : key->code)) return 0;
    if (spell(row)) return -1;
    if (!same_alleles(row->key.deleted, key->deleted) || !same_alleles(row->key.inserted, key->inserted)) return 0;
    if (!refs_agree(query->pos, query->ref, row->pos, row->ref)) return 0;
    return add_hit(match, query, row, 0);
}

/* shifted: the query is the published insertion or deletion, slid by at least one base in its repeat. */
static int match_shifted(Match *match, Query *query, Row *row) {
    const Key *key = &query->allele->key;
    int64_t left, right, moved = query->start - row->start;
    if (row->code != key->code || !moved) return 0;
    if (number_at(row->group, COLUMN_ROLL_LEFT, row->row, &left) || number_at(row->group, COLUMN_ROLL_RIGHT, row->row, &right)) return -1;
    if (moved < -left || moved > right) return 0;
    if (spell(row)) return -1;
    Text unit = key->code == DELETION ? row->key.deleted : row->key.inserted;
    if (!is_rotated(unit, key->code == DELETION ? key->deleted : key->inserted, moved)) return 0;
    if (row->start < query->least || row->start + most(row->key.deleted.n, 1) > query->most) return 0;
    if (!refs_agree(query->pos, query->ref, row->pos, row->ref)) return 0;
    return add_hit(match, query, row, 1);
}

/* Every row group whose indels can slide to the query; how far at most, its statistics say. */
static int find_shifted(Match *match, Query *query) {
    const Table *table = match->finder.table;
    int g = first_group(table, query->start - table->most_right);
    for (; g < table->num_groups && chunk_of(table, g, COLUMN_START)->low <= query->start + table->most_left; g++) {
        const Chunk *start = chunk_of(table, g, COLUMN_START);
        int64_t left = most(chunk_of(table, g, COLUMN_ROLL_LEFT)->high, 0), right = most(chunk_of(table, g, COLUMN_ROLL_RIGHT)->high, 0);
        if ((!left && !right) || query->start < start->low - left || query->start > start->high + right) continue;
        if (visit_group(match, query, g, query->start - right, query->start + left, match_shifted)) return -1;
    }
    return 0;
}

/* ---- why not ---- */

/* A record at the same place: its key starts there, or its POS is the query's. */
static int is_near(Query *query, Row *row) { return row->start == query->start || row->pos == query->pos; }

static int note_near(Match *match, Query *query, Row *row) {
    (void)match;
    if (spell(row)) return -1;
    if (!is_near(query, row)) return 0;
    if (refs_agree(query->pos, query->ref, row->pos, row->ref)) query->is_known = 1;
    else query->differs = 1;
    return 0;
}

static int explain(Match *match, Query *query) {
    int64_t end = most(query->pos, query->start);
    if (query->start <= query->pos) return visit_rows(match, query, query->pos - 1, end, note_near);
    /* A key far behind POS: what lies between was not asked for. */
    return visit_rows(match, query, query->pos - 1, query->pos, note_near) || visit_rows(match, query, query->start, query->start, note_near) ? -1 : 0;
}

/* ---- sites ---- */

static int add_site(Match *match, Query *query, Row *row) {
    int64_t rs;
    Site site = {.record = query->allele->record};
    if (number_at(row->group, COLUMN_RS, row->row, &rs)) return -1;
    if (!rs && kept_text(match, row, COLUMN_NAME, &site.name)) return -1;
    site.rs = (uint32_t)rs;
    match->site = grown(match->site, match->num_sites, &match->site_room, sizeof(Site));
    match->site[match->num_sites++] = site;
    return 0;
}

static int note_site(Match *match, Query *query, Row *row) {
    if (spell(row)) return -1;
    if (!is_near(query, row) || !refs_agree(query->pos, query->ref, row->pos, row->ref)) return 0;
    return add_site(match, query, row);
}

/* Rows whose POS is the query's, and whose key starts behind it. */
static int find_far_sites(Match *match, Query *query) {
    const Table *table = match->finder.table;
    int g = first_group(table, query->pos + 1);
    for (; g < table->num_groups && chunk_of(table, g, COLUMN_START)->low <= query->pos + table->most_offset; g++) {
        const Chunk *pos = chunk_of(table, g, COLUMN_POS);
        if (query->pos < pos->low || query->pos > pos->high) continue;
        Group *group = group_of(&match->finder, g);
        if (!group || ready_far(group)) return -1;
        int32_t low = 0, high = group->num_far;
        while (low < high) {
            int32_t middle = (low + high) / 2;
            if (group->far[middle].pos < query->pos) low = middle + 1;
            else high = middle;
        }
        for (; low < group->num_far && group->far[low].pos == query->pos; low++) {
            Row row = {.group = group, .row = group->far[low].row};
            if (start_at(group, row.row, &row.start) || read_code(&row)) return -1;
            if (row.start != query->start && note_site(match, query, &row)) return -1;
        }
    }
    return 0;
}

static int find_sites(Match *match, Query *query) {
    if (visit_rows(match, query, query->pos - 1, query->pos, note_site)) return -1;
    if (query->start > query->pos && visit_rows(match, query, query->start, query->start, note_site)) return -1;
    return find_far_sites(match, query);
}

/* ---- all queries ---- */

static void reach_hit(Allele *alleles, const Match *match, int64_t from) {
    for (int64_t i = from; i < match->num_hits; i++) {
        Allele *allele = alleles + match->hit[i].allele;
        if (match->hit[i].is_shifted) allele->is_shifted = 1;
        else allele->is_exact = 1;
    }
}

/* The first of these that applies is told, of both contigs where it is looked up on two. */
static const int8_t order_of_reasons[] = {ALLELE_DIFFERS, REF_MISMATCH, CONTIG_ABSENT, SITE_UNKNOWN};

static int rank_of(int8_t reason) {
    for (int i = 0; i < 4; i++)
        if (order_of_reasons[i] == reason) return i;
    return 4;
}

static void tell(Allele *alleles, const Query *query, int8_t reason) {
    Allele *allele = alleles + query->number;
    if (allele->key.code == NOT_COMPARABLE) return;           /* only its site was asked for */
    if (allele->reason == MATCHED || rank_of(reason) < rank_of(allele->reason)) allele->reason = reason;
}

static int match_one(Match *match, Allele *alleles, Query *query) {
    const Key *key = &query->allele->key;
    if (!query->table) {
        tell(alleles, query, CONTIG_ABSENT);
        return 0;
    }
    if (query->sequence) {
        int agrees = bases_agree(query->sequence, &match->window, query->pos - 1, query->ref, match->problem);
        if (agrees < 0) return -1;
        if (!agrees) {
            tell(alleles, query, REF_MISMATCH);
            return 0;
        }
    }
    int64_t before = match->num_hits;
    if (key->code != NOT_COMPARABLE) {
        if (visit_rows(match, query, query->start, query->start, match_exact)) return -1;
        if (is_indel(key->code) && find_shifted(match, query)) return -1;
        reach_hit(alleles, match, before);
        if (!query->has_hit && explain(match, query)) return -1;
        if (!query->has_hit) tell(alleles, query, query->differs ? REF_MISMATCH : query->is_known ? ALLELE_DIFFERS : SITE_UNKNOWN);
    }
    return match->with_sites ? find_sites(match, query) : 0;
}

static void use_table(Match *match, int64_t first) {
    int64_t last = first;
    const Table *table = match->query[first].table;
    while (last < match->num_queries && match->query[last].table == table) last++;
    match->finder.table = table, match->finder.problem = match->problem;
    match->finder.query = match->query + first, match->finder.num_queries = last - first;
}

/* Find the hits of all queries, and the reason of every allele that has none. */
int find_matches(Match *match, Allele *alleles) {
    sort_queries(match);
    for (int64_t i = 0; i < match->num_queries; i++) {
        if (!i || match->query[i].table != match->query[i - 1].table) use_table(match, i);
        if (match_one(match, alleles, match->query + i)) return -1;
    }
    for (int64_t i = 0; i < match->num_hits; i++) alleles[match->hit[i].allele].reason = MATCHED;
    return 0;
}

/* Begin another one, in the memory of the last. */
void begin_match(Match *match, int with_sites, Arena *arena, Problem *problem) {
    Finder *finder = &match->finder;
    memset(finder->used, 0, sizeof finder->used);
    finder->table = NULL, finder->query = NULL, finder->num_queries = 0, finder->problem = problem;
    match->num_queries = match->num_hits = match->num_sites = 0;
    match->with_sites = with_sites, match->arena = arena, match->problem = problem, match->window = (Window){0};
}

void drop_match(Match *match) {
    for (int i = 0; i < NUM_OPEN; i++) drop_group(match->finder.group + i);
    free(match->query);
    free(match->hit);
    free(match->site);
}

/* ---- bases ---- */

/* Of the rows published there with one base as REF, which one. */
static int note_base(Match *match, Query *query, Row *row) {
    (void)match;
    if (spell(row)) return -1;
    if (row->pos - 1 == query->start && row->start == query->start && row->ref.n == 1 && base_of[*row->ref.p] < 4)
        query->is_known |= (uint8_t)(1 << base_of[*row->ref.p]);
    return 0;
}

int known_bases(Match *match, const Table *table, const Sequence *sequence, int64_t place) {
    if (sequence) {
        int base = base_at(sequence, &match->window, place, match->problem);
        if (base < 0 || base < 4) return base < 0 ? -1 : 1 << base;
    }
    if (!table) return 0;
    Query query = {.start = place};
    if (match->finder.table != table) match->finder.table = table, match->finder.num_queries = 0;
    match->finder.problem = match->problem;
    return visit_rows(match, &query, place, place, note_base) ? -1 : query.is_known;
}
