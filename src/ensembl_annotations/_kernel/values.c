#include "values.h"

#include <stdlib.h>

/* ---- IDs: rs by ascending number, then others bytewise ---- */

/* The number of an ID such as rs12; 0 where it is not one. Numbers of rsIDs are in `rs` if they have 32 bits. */
static uint64_t number_of(uint32_t rs, Text name) {
    if (rs) return rs;
    if (name.n < 3 || name.p[0] != 'r' || name.p[1] != 's' || name.p[2] == '0') return 0;
    uint64_t number = 0;
    for (int64_t i = 2; i < name.n; i++) {
        uint64_t digit = (uint64_t)name.p[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) return 0;
        number = number * 10 + digit;
    }
    return number;
}

int id_order(uint32_t rs, Text name, uint32_t other_rs, Text other) {
    uint64_t one = number_of(rs, name), two = number_of(other_rs, other);
    if (!one != !two) return !one - !two;
    if (one != two) return one < two ? -1 : 1;
    return text_order(name, other);
}

static int by_id(const void *a, const void *b) {
    const Hit *one = a, *other = b;
    if (one->allele != other->allele) return one->allele < other->allele ? -1 : 1;
    int order = id_order(one->published.rs, one->published.name, other->published.rs, other->published.name);
    if (order) return order;
    if (one->on_x != other->on_x) return one->on_x - other->on_x;
    if (one->is_shifted != other->is_shifted) return one->is_shifted - other->is_shifted;
    return (one->row > other->row) - (one->row < other->row);
}

static int is_same_id(const Hit *one, const Hit *other) {
    return one->allele == other->allele && one->published.rs == other->published.rs && same_text(one->published.name, other->published.name);
}

/* ---- several records of one ID ---- */

typedef Text (*Pick)(const Published *);
static Text clin_of(const Published *p) { return p->clin; }
static Text evidence_of(const Published *p) { return p->evidence; }
static Text source_of(const Published *p) { return p->source; }
static Text tsa_of(const Published *p) { return p->tsa; }
static Text ma_of(const Published *p) { return p->ma; }
static Text maf_of(const Published *p) { return p->maf; }
static Text aa_of(const Published *p) { return p->aa; }

static int has_term(Text terms, Text term) {
    while (terms.p)
        if (same_text(next_item(&terms, '|'), term)) return 1;
    return 0;
}

/* All terms of all records, each once; null where none has any. */
static Text united(const Hit *hit, int64_t n, Pick pick, Arena *arena) {
    Out out = {0};
    int any = 0;
    reserve(&out, 1);
    for (int64_t i = 0; i < n; i++) {
        Text left = pick(&hit[i].published);
        while (left.p) {
            Text term = next_item(&left, '|');
            if (any && has_term((Text){out.begin, out.at - out.begin}, term)) continue;
            if (any++) put_char(&out, '|');
            put(&out, term.p, (size_t)term.n);
        }
    }
    Text whole = any ? keep(arena, (Text){out.begin, out.at - out.begin}) : (Text){0};
    free(out.begin);
    return whole;
}

/* What all records say that say anything; null where they disagree. */
static Text agreed(const Hit *hit, int64_t n, Pick pick) {
    Text found = {0};
    for (int64_t i = 0; i < n; i++) {
        Text value = pick(&hit[i].published);
        if (!value.p) continue;
        if (found.p && !same_text(found, value)) return (Text){0};
        found = value;
    }
    return found;
}

static int64_t agreed_mac(const Hit *hit, int64_t n) {
    int64_t found = -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t value = hit[i].published.mac;
        if (value >= 0 && found >= 0 && value != found) return -1;
        if (value >= 0) found = value;
    }
    return found;
}

static Item merged(const Hit *hit, int64_t n, Arena *arena) {
    Item item = {.allele = hit->allele, .rs = hit->published.rs, .name = hit->published.name, .is_shifted = 1};
    int is_certain = 1, same_minor = 1;
    for (int64_t i = 0; i < n; i++) {
        const Published *p = &hit[i].published;
        item.is_shifted &= hit[i].is_shifted, item.is_multi |= p->num_alts > 1, item.has_frequency |= p->maf.p != NULL;
        is_certain &= p->is_certain;
        same_minor &= !p->ma.p == !hit->published.ma.p && same_text(p->ma, hit->published.ma);
    }
    item.clin = united(hit, n, clin_of, arena);
    item.evidence = united(hit, n, evidence_of, arena), item.source = united(hit, n, source_of, arena);
    item.tsa = agreed(hit, n, tsa_of), item.ma = agreed(hit, n, ma_of), item.aa = agreed(hit, n, aa_of);
    if (is_certain) item.allele_clin = item.clin;
    /* A frequency means nothing without its minor allele. */
    item.maf = same_minor ? agreed(hit, n, maf_of) : (Text){0};
    item.mac = same_minor ? agreed_mac(hit, n) : -1;
    return item;
}

/* The terms of one record, each once. */
static Text terms_of(const Hit *hit, Pick pick, Arena *arena) {
    Text terms = pick(&hit->published), left = terms;
    while (left.p) {
        Text term = next_item(&left, '|');
        if (left.p && has_term(left, term)) return united(hit, 1, pick, arena);
    }
    return terms;
}

static Item item_of(const Hit *hit, Arena *arena) {
    const Published *p = &hit->published;
    Text clin = terms_of(hit, clin_of, arena), evidence = terms_of(hit, evidence_of, arena), source = terms_of(hit, source_of, arena);
    return (Item){hit->allele, p->rs, p->name, p->num_alts > 1, hit->is_shifted, p->maf.p != NULL, p->mac,
                  p->is_certain ? clin : (Text){0}, clin, evidence, source, p->tsa, p->ma, p->maf, p->aa};
}

/* The frequency of an ALT where all records that have one agree. */
static Text decided(const Hit *hit, int64_t n) {
    Text found = {0};
    for (int64_t i = 0; i < n; i++) {
        Text value = hit[i].published.af;
        if (!value.p) continue;
        if (found.p && !same_number(found, value)) return (Text){0};
        if (!found.p) found = value;
    }
    return found;
}

Values find_values(Match *match, int64_t num_alleles, Arena *arena) {
    Hit *hit = match->hit;
    int64_t n = match->num_hits;
    /* Rows are sorted by ID already: mostly there is nothing to do. */
    int is_sorted = 1;
    for (int64_t i = 1; i < n && is_sorted; i++) is_sorted = by_id(hit + i - 1, hit + i) <= 0;
    if (!is_sorted) qsort(hit, (size_t)n, sizeof(Hit), by_id);
    Values values = {take(arena, (size_t)n * sizeof(Item)), 0, take_zeroed(arena, (size_t)num_alleles * sizeof(Text))};
    for (int64_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && is_same_id(hit + i, hit + next);) next++;
        values.item[values.num_items++] = next == i + 1 ? item_of(hit + i, arena) : merged(hit + i, next - i, arena);
    }
    for (int64_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && hit[next].allele == hit[i].allele;) next++;
        values.af[hit[i].allele] = decided(hit + i, next - i);
    }
    return values;
}

static int by_record_and_id(const void *a, const void *b) {
    const Site *one = a, *other = b;
    if (one->record != other->record) return one->record < other->record ? -1 : 1;
    return id_order(one->rs, one->name, other->rs, other->name);
}

void sort_sites(Match *match) {
    if (match->num_sites) qsort(match->site, (size_t)match->num_sites, sizeof(Site), by_record_and_id);
}
