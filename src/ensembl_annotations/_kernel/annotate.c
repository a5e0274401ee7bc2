/* A piece of a VCF: lines in, lines out. Nothing but the memory of a room is kept between calls, so pieces may be
   worked on in parallel, each in a room of its own. */
#include "kernel.h"

#include <stdlib.h>

/* ---- what is looked up ---- */

static void add_queries(Match *match, Piece *piece, const Options *options) {
    for (int64_t i = 0; i < piece->num_records; i++) {
        const Record *r = piece->record + i;
        const Contig *contig = contig_of(options, r);
        int32_t without_key = -1, asked = 0;
        for (int32_t k = 0; k < r->num_alleles; k++) {
            Allele *allele = piece->allele + r->first_allele + k;
            if (allele->reason == MATCHED) {
                asked = 1;
                add_query(match, piece->allele, r->first_allele + k, contig, r->pos, field_of(r, REF), options->region, options->num_regions);
            } else if (without_key < 0 && allele->key.code == NOT_COMPARABLE) without_key = r->first_allele + k;
        }
        /* A record without an ALT that can be looked up has a site all the same. */
        if (options->with_sites && !asked && without_key >= 0 && has_place(r, contig))
            add_query(match, piece->allele, without_key, contig, r->pos, field_of(r, REF), options->region, options->num_regions);
    }
}

/* ---- REFs against the reference's bases ---- */

static int is_plain_snv(const Allele *allele, const Record *record) { return is_snv(allele->key.code) && field_of(record, REF).n == 1; }

static int has_plain_snv(const Piece *piece, const Record *r) {
    for (int32_t k = 0; k < r->num_alleles; k++)
        if (is_plain_snv(piece->allele + r->first_allele + k, r)) return 1;
    return 0;
}

/* Where a base is compared: on X rather than on Y, where the sequence is masked in older releases. */
static int bases_of(Match *match, const Allele *allele, const Contig *contig, const Options *options) {
    const Table *table = contig->table;
    const Sequence *sequence = contig->sequence;
    int64_t place = allele->start;
    for (int i = 0; i < options->num_regions; i++)
        if (contig->x_table && is_in_region(contig, allele, options->region + i))
            table = contig->x_table, sequence = contig->x_sequence, place = allele->start + options->region[i].shift;
    return known_bases(match, table, sequence, place);
}

/* Compare the first base of a record without an SNV. */
static int compare_first(Match *match, const Record *r, const Options *options, Compared *compared) {
    const Contig *contig = contig_of(options, r);
    Text first = {field_of(r, REF).p, 1};
    int base = field_of(r, REF).n ? base_of[*first.p] : 4;
    if (!has_place(r, contig) || base > 3) return 0;
    int found = bases_of(match, &(Allele){.start = r->pos - 1, .key.deleted = first}, contig, options);
    if (found < 0) return -1;
    compared->num_asked++;
    compared->num_others += found != 0, compared->num_others_agree += found >> base & 1;
    return 0;
}

/* Compare a record's SNVs, those with a reason or, for MATCHED, those to be looked up. */
static int compare_snvs(Match *match, const Piece *piece, const Record *r, const Options *options, int reason, Compared *compared) {
    const Contig *contig = contig_of(options, r);
    int is_known = 0, agrees = 0, is_swapped = 0;
    for (int32_t k = 0; k < r->num_alleles; k++) {
        const Allele *allele = piece->allele + r->first_allele + k;
        if (allele->reason != reason || !is_plain_snv(allele, r)) continue;
        int found = bases_of(match, allele, contig, options);
        if (found < 0) return -1;
        compared->num_asked++;
        is_known |= found != 0, agrees |= found >> allele->key.code / 4 & 1, is_swapped |= found >> allele->key.code % 4 & 1;
    }
    compared->num += is_known, compared->num_agree += agrees, compared->num_swapped += is_swapped && !agrees;
    return 0;
}

/* What gets nothing from the reference, such as a structural variant, may have any letter for REF. */
static int is_asked(const Piece *piece, const Record *r, const Options *options) {
    for (int32_t k = 0; k < r->num_alleles; k++)
        if (piece->allele[r->first_allele + k].reason == MATCHED) return 1;
    return options->with_sites;
}

static int compare_record(Match *match, const Piece *piece, const Record *r, const Options *options, Compared *compared) {
    if (has_plain_snv(piece, r)) return compare_snvs(match, piece, r, options, MATCHED, compared);
    return is_asked(piece, r, options) ? compare_first(match, r, options, compared) : 0;
}

/* What matching found out about REFs already: only of those that differ the bases are looked up. */
static int observe_bases(Match *match, const Piece *piece, const Options *options, Compared *compared) {
    for (int64_t i = 0; i < piece->num_records; i++) {
        const Record *r = piece->record + i;
        const Contig *contig = contig_of(options, r);
        int agrees = 0, differs = 0, with_snv = has_plain_snv(piece, r);
        for (int32_t k = 0; k < r->num_alleles; k++) {
            const Allele *allele = piece->allele + r->first_allele + k;
            if (with_snv && !is_plain_snv(allele, r)) continue;
            differs |= allele->reason == REF_MISMATCH;
            agrees |= allele->reason == MATCHED || allele->reason == ALLELE_DIFFERS || (allele->reason == SITE_UNKNOWN && contig->sequence);
        }
        Compared asked = {0};
        if (differs && (with_snv ? compare_snvs(match, piece, r, options, REF_MISMATCH, &asked) : compare_first(match, r, options, &asked))) return -1;
        if (with_snv) compared->num += agrees || differs, compared->num_agree += (agrees && !differs) + asked.num_agree;
        else compared->num_others += agrees || differs, compared->num_others_agree += differs ? asked.num_others_agree : agrees;
        compared->num_swapped += asked.num_swapped;
    }
    return 0;
}

/* ---- output ---- */

/* Sites that are none of the record's own matches, each once. */
static int64_t own_sites(Match *match, int64_t first, int32_t record, const Item *item, int64_t num_items, int64_t *next) {
    int64_t kept = first;
    for (*next = first; *next < match->num_sites && match->site[*next].record == record; ++*next) {
        Site site = match->site[*next];
        int is_new = kept == first || id_order(match->site[kept - 1].rs, match->site[kept - 1].name, site.rs, site.name);
        for (int64_t i = 0; i < num_items && is_new; i++) is_new = id_order(item[i].rs, item[i].name, site.rs, site.name);
        if (is_new) match->site[kept++] = site;
    }
    return kept - first;
}

static int is_in_par(const Piece *piece, const Record *r) {
    for (int32_t k = 0; k < r->num_alleles; k++)
        if (piece->allele[r->first_allele + k].is_par) return 1;
    return 0;
}

static void write_text(const Piece *piece, const Options *options, Match *match, const Values *values, const Consequences *consequences, Out *out, Result *result) {
    out->at = out->begin;
    reserve(out, (size_t)piece->size + (size_t)values->num_items * 192 + (size_t)(consequences->text.at - consequences->text.begin) + 64);
    int64_t *ends = options->index_depth ? record_ends(piece, options->num_columns, match->arena) : NULL;
    Places places = {0};
    if (ends) {
        places.spot = take(match->arena, (size_t)piece->num_records * sizeof(Spot));
        places.rise = take(match->arena, (size_t)piece->num_records * sizeof(Rise));
    }
    const uint8_t *copied = piece->text;                     /* lines that get nothing go out together */
    int64_t ahead = 0, item = 0, site = 0, num_sites = 0;    /* ahead: of the output, behind `copied` */
    for (int64_t i = 0; i < piece->num_records; i++) {
        const Record *r = piece->record + i;
        int64_t begin = r->line - piece->text + ahead, first = item, next_site;
        while (item < values->num_items && values->item[item].allele < r->first_allele + r->num_alleles) item++;
        Change change = {.record = r, .item = values->item + first, .num_items = item - first, .af = values->af, .is_par = is_in_par(piece, r), .consequences = consequences};
        change.num_sites = own_sites(match, site, (int32_t)i, change.item, change.num_items, &next_site);
        change.site = match->site + site;
        if (change.num_sites) memmove(match->site + num_sites, change.site, (size_t)change.num_sites * sizeof(Site));
        change.site = match->site + num_sites;
        num_sites += change.num_sites, site = next_site;
        result->num_par += change.is_par, result->num_conflicts += ids_conflict(&change);
        if (change.num_items || change.num_sites || change.is_par || r->is_cut || has_consequences(consequences, r)) {
            put(out, copied, (size_t)(r->line - copied));
            put_record(out, &change, options);
            copied = r->end + 1;
            ahead = out->at - out->begin - (copied - piece->text);
        }
        if (ends) add_place(&places, r->run, most(r->pos - 1, 0), ends[i], begin, r->end + 1 - piece->text + ahead, options->index_depth);
    }
    put(out, copied, (size_t)(piece->text + piece->size - copied));
    match->num_sites = num_sites;
    result->text = out->begin, result->text_bytes = out->at - out->begin;
    result->spot = places.spot, result->num_spots = places.num_spots;
    result->rise = places.rise, result->num_rises = places.num_rises;
}

static void count(const Piece *piece, Result *result) {
    result->num_records = piece->num_records;
    for (int64_t i = 0; i < piece->num_records; i++) {
        const Record *r = piece->record + i;
        result->last_base = most(result->last_base, r->pos + field_of(r, REF).n - 1);
    }
    for (int64_t i = 0; i < piece->num_alleles; i++) {
        const Allele *allele = piece->allele + i;
        result->num_alleles += allele->reason != NO_ALT;
        if (allele->reason != MATCHED) result->reason[allele->reason]++;
        else if (allele->is_exact) result->num_exact++;
        else result->num_shifted++;
    }
    for (int i = 0; i < 3; i++) {
        const Untyped *untyped = piece->untyped + i;
        result->num_untyped[i] = untyped->num_records, result->untyped_line[i] = untyped->line;
        if (untyped->num_records) result->untyped_begin[i] = untyped->value.p - piece->text, result->untyped_length[i] = untyped->value.n;
    }
}

static void count_consequences(const Consequences *consequences, Result *result) {
    memcpy(result->num_terms, consequences->num_terms, sizeof result->num_terms);
    result->num_ref_differs = consequences->num_ref_differs;
}

/* ---- the calls ---- */

/* Memory that a piece is annotated in, kept for the next one: to ask the system for it anew takes a fifth of the time. */
struct Room {
    Piece piece;
    Match match;
    CallRoom calls;
};
enum { MOST_KEPT = 64 << 20 };

Room *kernel_new_room(void) {
    Room *room = need_memory(NULL, sizeof *room);
    *room = (Room){0};
    return room;
}

static void empty_room(Room *room) {
    drop_match(&room->match);
    drop_piece(&room->piece);
    drop_call_room(&room->calls);
    *room = (Room){0};
}

void kernel_free_room(Room *room) {
    if (room) empty_room(room);
    free(room);
}

static int64_t room_bytes(const Room *room) {
    const Match *match = &room->match;
    int64_t total = (int64_t)room->piece.arena.total + room->piece.allele_room * (int64_t)sizeof(Allele);
    total += match->query_room * (int64_t)sizeof(Query) + match->hit_room * (int64_t)sizeof(Hit) + match->site_room * (int64_t)sizeof(Site);
    for (int i = 0; i < NUM_OPEN; i++) total += (int64_t)match->finder.group[i].arena.total + match->finder.group[i].room;
    return total + call_room_bytes(&room->calls);
}

/* What a piece left is not needed any more; of an unusually large one nothing is kept. */
void kernel_rest_room(Room *room) {
    if (room_bytes(room) > MOST_KEPT) empty_room(room);
}

int kernel_annotate(Room *room, const uint8_t *text, int64_t size, const Options *options, Columns *columns, Out *out, Result *result, Problem *problem) {
    Piece *piece = &room->piece;
    Match *match = &room->match;
    begin_piece(piece, text, size);
    begin_match(match, options->with_sites, &piece->arena, problem);
    *result = (Result){0};
    *problem = (Problem){0};
    if (cut_piece(piece, options, problem)) return -1;
    split_alleles(piece, options);
    add_queries(match, piece, options);
    if (find_matches(match, piece->allele) || observe_bases(match, piece, options, &result->compared)) return -1;
    Consequences consequences = {0};
    int failed = find_consequences(&room->calls, piece, options, &consequences, problem);
    if (!failed) {
        sort_sites(match);
        Values values = find_values(match, piece->num_alleles, &piece->arena);
        write_text(piece, options, match, &values, &consequences, out, result);
        count(piece, result);
        count_consequences(&consequences, result);
        result->run = piece->run, result->num_runs = piece->num_runs;
        const Rows rows = {piece, match, &values, &consequences, options};
        failed = columns && make_columns(columns, &rows, problem);
    }
    drop_consequences(&room->calls, &consequences);
    return failed ? -1 : 0;
}

Out *kernel_new_text(void) {
    Out *out = need_memory(NULL, sizeof *out);
    *out = (Out){0};
    return out;
}

void kernel_free_text(Out *out) {
    free(out->begin);
    free(out);
}

void kernel_rest_text(Out *out) {
    if (out->end - out->begin <= MOST_KEPT) return;
    free(out->begin);
    *out = (Out){0};
}

Columns *kernel_new_columns(void) {
    Columns *columns = need_memory(NULL, sizeof *columns);
    *columns = (Columns){0};
    return columns;
}

void kernel_free_columns(Columns *columns) {
    if (columns) empty_columns(columns);
    free(columns);
}

void kernel_rest_columns(Columns *columns) {
    if (columns_bytes(columns) > MOST_KEPT) empty_columns(columns);
}

/* Compare the REFs of a piece with the reference, until enough could be. */
int kernel_compare(const uint8_t *text, int64_t size, const Options *options, int64_t enough, Compared *compared, Problem *problem) {
    Piece piece = {.text = text, .size = size};
    Match match = {0};
    begin_match(&match, 0, &piece.arena, problem);
    *compared = (Compared){0};
    *problem = (Problem){0};
    int failed = cut_piece(&piece, options, problem);
    if (!failed) split_alleles(&piece, options);
    for (int64_t i = 0; i < piece.num_records && !failed && compared->num + compared->num_others < enough; i++)
        failed = compare_record(&match, &piece, piece.record + i, options, compared);
    drop_match(&match);
    drop_piece(&piece);
    return failed ? -1 : 0;
}

int kernel_abi(void) { return ABI; }
/* Looked for in the library's file, without loading it: see build.py. */
#ifdef SOURCES
PUBLIC const char kernel_sources[] = SOURCES;
#endif

int64_t kernel_size(int which) {
    static const size_t sizes[] = {sizeof(Options), sizeof(Result), sizeof(Problem), sizeof(Columns)};
    return which >= 0 && which < 4 ? (int64_t)sizes[which] : -1;
}

uint32_t kernel_crc32(const uint8_t *p, int64_t n) { return crc32_of(p, (size_t)n); }
int64_t kernel_runs(const uint8_t *text, int64_t size, ContigRun **runs) { return find_runs(text, size, runs); }
void kernel_free_runs(ContigRun *runs) { free(runs); }
int64_t kernel_parts(const uint8_t *text, int64_t size, const Work *work, Part **parts) { return find_parts(text, size, work, parts); }
void kernel_free_parts(Part *parts) { free(parts); }

Table *kernel_open_table(int fd, int32_t file, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem) {
    *problem = (Problem){0};
    return open_table(fd, file, file_bytes, footer, footer_bytes, problem);
}

void kernel_close_table(Table *table) { close_table(table); }

int64_t kernel_num_rows(const Table *table) {
    int64_t rows = 0;
    for (int g = 0; g < table->num_groups; g++) rows += chunk_of(table, g, COLUMN_START)->rows;
    return rows;
}

GeneFile *kernel_open_genes(int fd, int32_t file, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem) {
    *problem = (Problem){0};
    return open_gene_file(fd, file, file_bytes, footer, footer_bytes, problem);
}

void kernel_close_genes(GeneFile *file) { close_gene_file(file); }

int64_t kernel_num_transcripts(const GeneFile *file) {
    int64_t rows = 0;
    for (int g = 0; g < file->num_groups; g++) rows += file->rows[g];
    return rows;
}

const char *kernel_term(int number) { return number >= 0 && number < NUM_TERMS ? term_names[number] : NULL; }

int64_t kernel_num_bases(const Sequence *sequence) { return sequence->length; }

Sequence *kernel_open_sequence(int fd, int32_t file, const uint8_t *head, int64_t head_bytes, const uint8_t *tail, int64_t tail_bytes, Problem *problem) {
    *problem = (Problem){0};
    return open_sequence(fd, file, head, head_bytes, tail, tail_bytes, problem);
}

void kernel_close_sequence(Sequence *sequence) { close_sequence(sequence); }

/* Bases from a place on, as letters; N for what is none and outside. */
int kernel_bases(const Sequence *sequence, int64_t begin, int64_t count, uint8_t *bases, Problem *problem) {
    Window window = {0};
    *problem = (Problem){0};
    for (int64_t i = 0; i < count; i++) {
        int base = base_at(sequence, &window, begin + i, problem);
        if (base < 0) return -1;
        bases[i] = base < 4 ? (uint8_t)"ACGT"[base] : 'N';
    }
    return 0;
}
