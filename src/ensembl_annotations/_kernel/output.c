#include "output.h"

#include <stdlib.h>

/* ---- percent-encoding ---- */

/* Bytes of white space beyond ASCII that begin at p; 0 for none. */
static int wide_space(const uint8_t *p, int64_t n) {
    if (n >= 2 && p[0] == 0xC2 && (p[1] == 0x85 || p[1] == 0xA0)) return 2;
    if (n < 3) return 0;
    if (p[0] == 0xE1 && p[1] == 0x9A && p[2] == 0x80) return 3;
    if (p[0] == 0xE2 && p[1] == 0x80 && (p[2] <= 0x8A || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF)) return 3;
    if (p[0] == 0xE2 && p[1] == 0x81 && p[2] == 0x9F) return 3;
    return p[0] == 0xE3 && p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
}

/* Reserved in INFO, or by the layout of our tags: 1; what may begin wide space: 2. */
static const uint8_t special[256] = {
    ['%'] = 1, [','] = 1, [';'] = 1, ['='] = 1, ['&'] = 1, ['|'] = 1, [':'] = 1, [' '] = 1, ['\t'] = 1, ['\n'] = 1,
    ['\v'] = 1, ['\f'] = 1, ['\r'] = 1, [0x1C] = 1, [0x1D] = 1, [0x1E] = 1, [0x1F] = 1,
    [0xC2] = 2, [0xE1] = 2, [0xE2] = 2, [0xE3] = 2,
};

static void put_percent(Out *out, uint8_t c) {
    static const char digits[] = "0123456789ABCDEF";
    *out->at++ = '%';
    *out->at++ = (uint8_t)digits[c >> 4];
    *out->at++ = (uint8_t)digits[c & 15];
}

/* With `keep_bar` the text is a list of terms, joined by |. */
static void put_encoded(Out *out, Text text, int keep_bar) {
    reserve(out, (size_t)text.n * 3);
    for (int64_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        int wide = special[c] == 2 ? wide_space(text.p + i, text.n - i) : special[c];
        if (!wide || (c == '|' && keep_bar)) {
            *out->at++ = c;
            continue;
        }
        for (int k = 0; k < wide; k++) put_percent(out, text.p[i + k]);
        i += wide - 1;
    }
}

static void put_id(Out *out, uint32_t rs, Text name) {
    if (!rs) {
        put_encoded(out, name, 0);
        return;
    }
    put(out, "rs", 2);
    put_number(out, rs);
}

/* ---- tags ---- */

static void put_tag(Out *out, int tag, int *count) {
    if ((*count)++) put_char(out, ';');
    put_string(out, tag_names[tag]);
}

/* An item of a slot: what one ID of an ALT has. Returns 0 where that is nothing. */
static int put_slot_item(Out *out, int tag, const Item *item) {
    switch (tag) {
    case TAG_ID: put_id(out, item->rs, item->name); return 1;
    case TAG_MATCH: put_string(out, item->is_shifted ? "shifted" : "exact"); return 1;
    case TAG_MULTI: put_char(out, item->is_multi ? '1' : '0'); return 1;
    default:
        if (!item->allele_clin.p) {
            put_char(out, '.');
            return 0;
        }
        put_encoded(out, item->allele_clin, 1);
        return 1;
    }
}

static void put_slot(Out *out, int tag, const Change *change, int32_t allele, int64_t *at) {
    size_t begin = (size_t)(out->at - out->begin);
    int any = 0;
    for (int64_t first = *at; *at < change->num_items && change->item[*at].allele == allele; ++*at) {
        if (*at > first) put_char(out, '&');
        any |= put_slot_item(out, tag, change->item + *at);
    }
    if (any) return;
    out->at = out->begin + begin;
    put_char(out, '.');
}

/* Every tag with a value per ALT, of a record that has a match: norm -m+ keeps a tag only if the first of
   the records that it joins has it. */
static void put_per_alt(Out *out, const Change *change, uint32_t tags, int *count) {
    const Record *r = change->record;
    for (int tag = TAG_ID; tag <= TAG_AF && change->num_items; tag++) {
        if (!(tags >> tag & 1)) continue;
        put_tag(out, tag, count);
        int64_t at = 0;
        for (int32_t i = 0; i < r->num_alleles; i++) {
            int32_t allele = r->first_allele + i;
            put_char(out, i ? ',' : '=');
            if (tag != TAG_AF) put_slot(out, tag, change, allele, &at);
            else if (change->af[allele].p) put_encoded(out, change->af[allele], 0);
            else put_char(out, '.');
        }
    }
}

static Text value_of(const Item *item, int tag) {
    switch (tag) {
    case TAG_MA: return item->ma;
    case TAG_MAF: return item->maf;
    case TAG_TSA: return item->tsa;
    case TAG_AA: return item->aa;
    case TAG_EVIDENCE: return item->evidence;
    case TAG_SOURCE: return item->source;
    default: return item->clin;
    }
}

/* id|value, or id|MA|value of a frequency. Returns 0 where the ID has none. */
static int put_entry(Out *out, int tag, const Item *item) {
    Text value = tag == TAG_MAC ? (Text){0} : value_of(item, tag);
    if (tag == TAG_MAC ? item->mac < 0 : !value.p) return 0;
    put_id(out, item->rs, item->name);
    put_char(out, '|');
    if (tag == TAG_MAF || tag == TAG_MAC) {
        if (item->ma.p) put_encoded(out, item->ma, 0);
        else put_char(out, '.');
        put_char(out, '|');
    }
    if (tag == TAG_MAC) put_number(out, (uint64_t)item->mac);
    else put_encoded(out, value, tag >= TAG_EVIDENCE);
    return 1;
}

/* Whether an entry that was put last stands before in the list that begins at `list`. */
static int is_repeated(const Out *out, size_t list, size_t entry) {
    Text last = {out->begin + entry, out->at - out->begin - (int64_t)entry};
    for (const uint8_t *p = out->begin + list, *end = out->begin + entry; p < end;) {
        const uint8_t *stop = memchr(p, ',', (size_t)(end - p));
        if (same_text((Text){p, stop - p}, last)) return 1;
        p = stop + 1;
    }
    return 0;
}

static void put_per_id(Out *out, const Change *change, uint32_t tags, int *count) {
    for (int tag = TAG_MA; tag <= TAG_RSCLIN; tag++) {
        if (!(tags >> tag & 1)) continue;
        size_t list = 0;
        for (int64_t i = 0; i < change->num_items; i++) {
            size_t before = (size_t)(out->at - out->begin);
            int before_count = *count;
            if (list) put_char(out, ',');
            else put_tag(out, tag, count), put_char(out, '=');
            size_t entry = (size_t)(out->at - out->begin);
            if (put_entry(out, tag, change->item + i) && !(list && is_repeated(out, list, entry))) list = list ? list : entry;
            else out->at = out->begin + before, *count = before_count;
        }
    }
}

static void put_sites(Out *out, const Change *change, int *count) {
    for (int64_t i = 0; i < change->num_sites; i++) {
        if (i) put_char(out, ',');
        else put_tag(out, TAG_SITE_ID, count), put_char(out, '=');
        put_id(out, change->site[i].rs, change->site[i].name);
    }
}

static void put_info(Out *out, const Change *change, const Options *options) {
    Text info = change->record->info;
    int is_dot = info.n == 1 && *info.p == '.', count = 0;
    size_t begin = (size_t)(out->at - out->begin);
    if (!is_dot) put(out, info.p, (size_t)info.n);
    if (!is_dot && info.n && info.p[info.n - 1] != ';') put_char(out, ';');
    put_per_alt(out, change, options->tags, &count);
    put_per_id(out, change, options->tags, &count);
    if (change->is_par && options->tags >> TAG_PAR & 1) put_tag(out, TAG_PAR, &count);
    if (options->tags >> TAG_SITE_ID & 1) put_sites(out, change, &count);
    put_consequences(out, change->record, change->consequences, options->tags, &count);
    if (count) return;
    out->at = out->begin + begin;
    put(out, info.p, (size_t)info.n);
}

/* ---- IDs ---- */

static int is_between(uint8_t c) { return c == ';' || c == ',' || c == ' ' || (c >= '\t' && c <= '\r'); }

/* The next ID of an ID column: VCF joins them by ; but some callers and databases write commas. */
static Text next_id(Text *left) {
    int64_t n = 0;
    while (n < left->n && !is_between(left->p[n])) n++;
    Text id = {left->p, n};
    *left = n < left->n ? (Text){left->p + n + 1, left->n - n - 1} : (Text){0};
    return id;
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

static int is_same_id(Text one, Text other) {
    if (one.n != other.n) return 0;
    for (int64_t i = 0; i < one.n; i++)
        if (lower(one.p[i]) != lower(other.p[i])) return 0;
    return 1;
}

static int is_among(Text ids, Text id) {
    while (ids.p)
        if (is_same_id(next_id(&ids), id)) return 1;
    return 0;
}

static Text own_ids(const Change *change) {
    Text own = field_of(change->record, ID);
    return own.n == 0 || (own.n == 1 && *own.p == '.') ? (Text){0} : own;
}

/* The IDs of a record's items, each once, ALT by ALT. */
static void put_ids(Out *out, const Change *change, Text own, int count) {
    for (int64_t i = 0; i < change->num_items; i++) {
        const Item *item = change->item + i;
        int is_new = 1;
        for (int64_t k = 0; k < i && is_new; k++) is_new = change->item[k].rs != item->rs || !same_text(change->item[k].name, item->name);
        if (!is_new) continue;
        size_t before = (size_t)(out->at - out->begin);
        if (count) put_char(out, ';');
        size_t begin = (size_t)(out->at - out->begin);
        put_id(out, item->rs, item->name);
        Text id = {out->begin + begin, out->at - out->begin - (int64_t)begin};
        if (own.p && (!id.n || is_among(own, id))) out->at = out->begin + before;
        else count++;
    }
}

static void put_id_column(Out *out, const Change *change, int mode) {
    Text column = field_of(change->record, ID), own = own_ids(change);
    if (mode == KEEP_IDS || !change->num_items) put(out, column.p, (size_t)column.n);
    else if (mode == REPLACE_IDS || !own.p) put_ids(out, change, (Text){0}, 0);
    else put(out, own.p, (size_t)own.n), put_ids(out, change, own, 1);
}

static int is_rsid(Text id) {
    if (id.n < 3 || lower(id.p[0]) != 'r' || lower(id.p[1]) != 's') return 0;
    for (int64_t i = 2; i < id.n; i++)
        if (id.p[i] < '0' || id.p[i] > '9') return 0;
    return 1;
}

int ids_conflict(const Change *change) {
    Text left = own_ids(change);
    if (!change->num_items || !left.p) return 0;
    Out found = {0};
    put_ids(&found, change, (Text){0}, 0);
    int conflict = 0;
    while (left.p && !conflict) {
        Text id = next_id(&left);
        conflict = is_rsid(id) && !is_among((Text){found.begin, found.at - found.begin}, id);
    }
    free(found.begin);
    return conflict;
}

/* ---- records ---- */

void put_record(Out *out, const Change *change, const Options *options) {
    const Record *r = change->record;
    put(out, r->line, (size_t)(r->tab[POS] + 1 - r->line));
    put_id_column(out, change, options->id_mode);
    put(out, r->tab[ID], (size_t)(r->tab[FILTER] + 1 - r->tab[ID]));
    put_info(out, change, options);
    put(out, r->tab[INFO], (size_t)(r->end + 1 - r->tab[INFO]));
}
