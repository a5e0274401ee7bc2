#include "csq.h"

#include <stdlib.h>

/* Where an ALT is called: its own contig, or X for what is masked on Y. */
typedef struct {
    const GeneFile *file;
    const Sequence *sequence;
    int64_t shift;
    int is_mt;
    Genes *genes;
    Bases *bases;
} Ground;

typedef struct {
    const Piece *piece;
    const Options *options;
    Consequences *found;
    Problem *problem;
    CallRoom *room;
    Ground own, x;
    Caller caller;
    Variant variant;
    Call *call;                  /* of the room: of one ALT, a row per transcript */
    int drops_first;             /* of the record's ALTs */
    int64_t num_calls;
} Calls;

/* ---- which row is told ---- */

static const Transcript *transcript_of(const Genes *genes, const Call *call) { return genes->transcript + call->transcript; }

/* The order of VEP with a GFF3, which knows neither APPRIS nor CCDS. */
static int64_t pick_key(const Transcript *t, const Call *call, int which) {
    switch (which) {
    case 0: return !(t->flags & IS_MANE);
    case 1: return !(t->flags & IS_CLINICAL);
    case 2: return !(t->flags & IS_CANONICAL);
    case 3: return t->tsl ? t->tsl : 100;
    case 4: return !(t->flags & IS_CODING_TYPE);
    case 5: return call->worst;
    default: return -(t->cdna_first ? cds_length(t) : t->length);
    }
}

static int is_picked_before(const Genes *genes, const Call *one, const Call *other) {
    const Transcript *a = transcript_of(genes, one), *b = transcript_of(genes, other);
    for (int i = 0; i < 7; i++) {
        int64_t x = pick_key(a, one, i), y = pick_key(b, other, i);
        if (x != y) return x < y;
    }
    return 0;
}

/* ---- text ---- */

static void put_between(Out *out, int64_t first, int64_t last) {
    if (!first && !last) return;
    if (first > last && last) put_between(out, last, first);
    else {
        if (first) put_number(out, (uint64_t)first);
        else put_char(out, '?');
        if (first == last) return;
        put_char(out, '-');
        if (last) put_number(out, (uint64_t)last);
        else put_char(out, '?');
    }
}

static void put_numbers(Out *out, int32_t first, int32_t last, int32_t of) {
    if (!first) return;
    put_between(out, first, last);
    put_char(out, '/');
    put_number(out, (uint64_t)of);
}

static void put_terms(Out *out, uint32_t terms) {
    for (int any = 0; terms; terms &= terms - 1) {
        if (any++) put_char(out, '&');
        put_string(out, term_names[__builtin_ctz(terms)]);
    }
}

static void put_text(Out *out, Text text) { put(out, text.p, (size_t)text.n); }

static void put_version(Out *out, Text id, int32_t version) {
    put_text(out, id);
    if (version < 0) return;
    put_char(out, '.');
    put_number(out, (uint64_t)version);
}

/* Letters that change are in upper case. */
static void put_codon(Out *out, Text codon, int32_t first, int32_t changed) {
    if (!codon.n) put_char(out, '-');
    reserve(out, (size_t)codon.n);
    for (int64_t i = 0; i < codon.n; i++) *out->at++ = i >= first && i < first + changed ? codon.p[i] : codon.p[i] | 32;
}

static void put_residues(Out *out, Text residues) {
    if (residues.n) put(out, residues.p, (size_t)residues.n);
    else put_char(out, '-');
}

static void put_name(Out *out, const Case *c, Text id, int32_t version, void (*name)(Out *, const Case *)) {
    size_t begin = (size_t)(out->at - out->begin);
    put_version(out, id, version);
    put_char(out, ':');
    size_t bare = (size_t)(out->at - out->begin);
    name(out, c);
    if ((size_t)(out->at - out->begin) == bare) out->at = out->begin + begin;
    else if (out->at[-1] == '=') out->at--, put_string(out, "%3D");
}

static void put_positions(Out *out, const Call *call) {
    if (call->is_exonic) put_between(out, call->cdna_start, call->cdna_end);
    put_char(out, '|');
    if (call->is_coding) put_between(out, call->cds_start, call->cds_end);
    put_char(out, '|');
    if (call->is_coding) put_between(out, call->protein_start, call->protein_end);
    put_char(out, '|');
    if (call->has_peptides) put_residues(out, call->ref_peptide);
    if (call->has_peptides && !same_text(call->ref_peptide, call->alt_peptide)) put_char(out, '/'), put_residues(out, call->alt_peptide);
    put_char(out, '|');
    if (!call->has_codons) return;
    put_codon(out, call->ref_codon, call->first_changed, call->ref_changed);
    put_char(out, '/');
    put_codon(out, call->alt_codon, call->first_changed, call->alt_changed);
}

static void put_flags(Out *out, int flags) {
    if (flags & NO_START) put_string(out, "cds_start_NF");
    if (flags & NO_START && flags & NO_END) put_char(out, '&');
    if (flags & NO_END) put_string(out, "cds_end_NF");
}

/* What follows the allele and its consequences, of a row with a transcript. */
static void put_transcript(Out *out, const Case *c, int is_pick) {
    const Genes *genes = c->caller->genes;
    const Transcript *t = c->t;
    const Call *call = c->call;
    Text id = text_in(genes, t->id);
    put_text(out, text_in(genes, t->symbol));
    put_char(out, '|'), put_text(out, text_in(genes, t->gene));
    put(out, "|Transcript|", 12), put_text(out, id);
    put_char(out, '|'), put_text(out, text_in(genes, t->biotype));
    if (call->distance >= 0) {
        put(out, "||||||||||", 10), put_number(out, (uint64_t)call->distance);
    } else {
        put_char(out, '|'), put_numbers(out, call->exon_first, call->exon_last, t->num_exons);
        put_char(out, '|'), put_numbers(out, call->intron_first, call->intron_last, t->num_exons - 1);
        put_char(out, '|'), put_name(out, c, id, t->version, put_hgvs_transcript);
        put_char(out, '|');
        if (t->protein) put_name(out, c, text_in(genes, t->protein), t->protein_version, put_hgvs_protein);
        put_char(out, '|'), put_positions(out, call);
        put_char(out, '|');
    }
    put_string(out, t->strand > 0 ? "|1|" : "|-1|");
    put_flags(out, t->flags);
    put_char(out, '|');
    if (t->flags & IS_MANE) put_version(out, id, t->version);
    put_string(out, t->flags & IS_CANONICAL ? "|YES|" : "||");
    if (is_pick) put_char(out, '1');
}

/* The texts of a call are found anew: of long alleles, and many transcripts, they are not kept. */
static void put_row(const Calls *w, const Call *call, Text allele, int is_pick) {
    Out *out = &w->found->text;
    if (allele.n) put(out, allele.p, (size_t)allele.n);
    else put_char(out, '-');
    put_char(out, '|'), put_terms(out, call->terms);
    put_char(out, '|'), put_string(out, impact_names[impact_of(call->worst)]), put_char(out, '|');
    if (call->transcript < 0) {
        put_string(out, "|||||||||||||||||||");
        if (is_pick) put_char(out, '1');
        return;
    }
    rewind_arena(w->caller.arena);
    Call told;
    Case c = case_of(&w->caller, &w->variant, call->transcript, &told);
    told = *call;
    if (told.has_codons) find_codons(&c);
    put_transcript(out, &c, is_pick);
}

/* ---- an ALT ---- */

static void add_call(void *context, int32_t transcript) {
    Calls *w = context;
    w->call = w->room->call = grown(w->call, w->num_calls, &w->room->call_room, sizeof(Call));
    rewind_arena(w->caller.arena);
    Case c = case_of(&w->caller, &w->variant, transcript, w->call + w->num_calls++);
    call_consequences(&c);
}

static int is_same_gene(const Genes *genes, const Call *one, const Call *other) {
    uint32_t a = transcript_of(genes, one)->gene, b = transcript_of(genes, other)->gene;
    return a == b || same_text(text_in(genes, a), text_in(genes, b));
}

static int is_chosen(const Calls *w, const Genes *genes, int64_t number, int64_t pick) {
    if (number == pick || w->options->transcripts == ALL_TRANSCRIPTS) return 1;
    if (w->options->transcripts == ONE_TRANSCRIPT) return 0;
    const Call *call = w->call + number;
    for (int64_t i = 0; i < w->num_calls; i++) {
        if (i == number || !is_same_gene(genes, call, w->call + i)) continue;
        if (is_picked_before(genes, w->call + i, call) || (i < number && !is_picked_before(genes, call, w->call + i))) return 0;
    }
    return 1;
}

static void put_worst(const Calls *w, const Genes *genes, const Call *call) {
    Out *out = &w->found->text;
    put_string(out, term_names[call->worst]);
    if (call->transcript < 0) return;
    put_char(out, '&'), put_text(out, text_in(genes, transcript_of(genes, call)->gene));
    put_char(out, '&'), put_text(out, text_in(genes, transcript_of(genes, call)->id));
}

/* -1: it is more than may be told of a piece. */
static int tell(Calls *w, const Ground *ground, Text allele, Told *told) {
    const Genes *genes = ground->genes;
    int64_t pick = 0, worst = 0, any = 0;
    for (int64_t i = 1; i < w->num_calls; i++)
        if (is_picked_before(genes, w->call + i, w->call + pick)) pick = i;
    for (int64_t i = 1; i < w->num_calls; i++) {
        int is_worse = w->call[i].worst < w->call[worst].worst, is_equal = w->call[i].worst == w->call[worst].worst;
        if (is_worse || (is_equal && is_picked_before(genes, w->call + i, w->call + worst))) worst = i;
    }
    Out *out = &w->found->text;
    told->csq = out->at - out->begin;
    for (int64_t i = 0; i < w->num_calls; i++) {
        if (!is_chosen(w, genes, i, pick)) continue;
        if (any++) put_char(out, ',');
        put_row(w, w->call + i, allele, i == pick);
        if (out->at - out->begin > w->options->most_told_bytes) return -1;
    }
    told->worst = out->at - out->begin;
    put_worst(w, genes, w->call + worst);
    told->end = out->at - out->begin;
    w->found->num_terms[w->call[worst].worst]++;
    return 0;
}

/* Whether the first base of all ALTs of a record is left out, as VEP does: it is REF's, and one is an indel. */
static int drops_first(const Piece *piece, const Record *r) {
    Text ref = field_of(r, REF);
    int is_indel = 0, is_shared = 1;
    for (int32_t i = 0; i < r->num_alleles; i++) {
        Text alt = piece->allele[r->first_allele + i].alt;
        if (alt.n == 1 && *alt.p == '*') continue;
        is_indel |= alt.n != ref.n, is_shared &= upper[*alt.p] == upper[*ref.p];
    }
    return is_indel && is_shared;
}

/* The ALT as VEP writes it: of a single one, what it has in common with REF is left out. */
static Text shown_allele(const Calls *w, const Record *r, const Allele *allele) {
    Text ref = field_of(r, REF);
    if (r->num_alleles == 1) return allele->alt.n == ref.n ? allele->alt : variant_of(r->pos, ref, allele->alt).alt;
    return w->drops_first ? (Text){allele->alt.p + 1, allele->alt.n - 1} : allele->alt;
}

static void count_transcript(void *context, int32_t transcript) {
    (void)transcript;
    ++*(int64_t *)context;
}

/* Every row has the allele: of a very long one this is too much, and it is not called for thousands of transcripts to find out. */
static int is_too_long(const Calls *w, const Genes *genes, Text allele) {
    enum { LONG = 10000 };
    int64_t num = 0;
    if (w->options->transcripts != ALL_TRANSCRIPTS || allele.n < LONG) return 0;
    find_transcripts(genes, w->variant.start - FLANK, w->variant.end + FLANK, count_transcript, &num);
    return num > w->options->most_told_bytes / allele.n;
}

static int call_allele(Calls *w, Ground *ground, const Record *r, const Allele *allele, Told *told) {
    Text ref = field_of(r, REF);
    int agrees = bases_agree(ground->sequence, ground->bases->window, r->pos - 1 + ground->shift, ref, w->problem);
    if (agrees < 0) return -1;
    if (!agrees) {
        w->found->num_ref_differs++;
        return 0;
    }
    w->num_calls = 0;
    w->variant = variant_of(r->pos + ground->shift, ref, allele->alt);
    w->caller = (Caller){ground->genes, ground->bases, &w->room->arena, ground->is_mt};
    Text shown = shown_allele(w, r, allele);
    if (is_too_long(w, ground->genes, shown)) return fail_input(w->problem, MUCH_TOLD, r - w->piece->record, ALT);
    find_transcripts(ground->genes, w->variant.start - FLANK, w->variant.end + FLANK, add_call, w);
    if (!w->num_calls) {
        w->call = w->room->call = grown(w->call, 0, &w->room->call_room, sizeof(Call));
        w->call[w->num_calls++] = intergenic_call();
    }
    int is_much = tell(w, ground, shown, told);
    if (ground->bases->has_failed) return -1;
    return is_much ? fail_input(w->problem, MUCH_TOLD, r - w->piece->record, ALT) : 0;
}

/* ---- a piece ---- */

static int open_ground(Calls *w, Ground *ground, const GeneFile *file, const Sequence *sequence, int64_t shift, int64_t first, int64_t last) {
    ground->file = file, ground->sequence = sequence, ground->shift = shift;
    if (!file || !sequence) return 0;
    if (!ground->bases) {
        ground->bases = need_memory(NULL, sizeof(Bases));
        memset(ground->bases, 0, sizeof(Bases));
    }
    ground->bases->sequence = sequence, ground->bases->problem = w->problem;
    return use_genes(ground->genes, file, first - FLANK + shift, last + FLANK + shift, w->problem);
}

/* In older releases the pseudo-autosomal regions of Y are masked, and have no genes: X has them. */
static Ground *ground_of(Calls *w, const Contig *contig, const Allele *allele) {
    for (int i = 0; i < w->options->num_regions; i++) {
        const Region *region = w->options->region + i;
        if (!contig->x_genes || !contig->x_sequence || !is_in_region(contig, allele, region)) continue;
        if (contig->sequence && contig->genes && letter_at(w->own.bases, allele->start + 1) != 'N') return &w->own;
        if (open_ground(w, &w->x, contig->x_genes, contig->x_sequence, region->shift, region->first, region->last)) return NULL;
        return &w->x;
    }
    return &w->own;
}

static int call_run(Calls *w, const ContigRun *run, int64_t first) {
    const Contig *contig = w->options->contig + w->options->contig_of_run[run - w->piece->run];
    if (!contig->genes && !contig->x_genes) return 0;
    int64_t low = INT64_MAX, high = 0;
    for (int64_t i = first; i < first + run->num_records; i++) {
        const Record *r = w->piece->record + i;
        low = least(low, r->pos), high = most(high, r->pos + field_of(r, REF).n);
    }
    if (open_ground(w, &w->own, contig->genes, contig->sequence, 0, low, high)) return -1;
    w->own.is_mt = contig->is_mt;
    for (int64_t i = first; i < first + run->num_records; i++) {
        const Record *r = w->piece->record + i;
        w->drops_first = drops_first(w->piece, r);
        for (int32_t k = 0; k < r->num_alleles && has_place(r, contig); k++) {
            const Allele *allele = w->piece->allele + r->first_allele + k;
            if (allele->key.code == NOT_COMPARABLE) continue;
            Ground *ground = ground_of(w, contig, allele);
            if (!ground) return -1;
            if (!ground->file || !ground->sequence) continue;
            if (call_allele(w, ground, r, allele, w->found->told + r->first_allele + k)) return -1;
        }
    }
    return 0;
}

int find_consequences(CallRoom *room, const Piece *piece, const Options *options, Consequences *found, Problem *problem) {
    int is_asked = 0, failed = 0;
    for (int i = 0; i < options->num_contigs; i++) is_asked |= options->contig[i].genes || options->contig[i].x_genes;
    if (!is_asked) return 0;
    found->text = room->text, found->text.at = found->text.begin, room->text = (Out){0};
    found->told = need_memory(NULL, (size_t)piece->num_alleles * sizeof(Told));
    memset(found->told, 0, (size_t)piece->num_alleles * sizeof(Told));
    Calls w = {.piece = piece, .options = options, .found = found, .problem = problem, .room = room, .call = room->call};
    w.own.genes = &room->own, w.x.genes = &room->x;
    int64_t first = 0;
    for (int64_t i = 0; i < piece->num_runs && !failed; first += piece->run[i++].num_records) failed = call_run(&w, piece->run + i, first);
    free(w.own.bases), free(w.x.bases);
    return failed;
}

void drop_consequences(CallRoom *room, Consequences *found) {
    free(found->told);
    if (found->text.begin) room->text = found->text;
}

int64_t call_room_bytes(const CallRoom *room) {
    int64_t total = genes_bytes(&room->own) + genes_bytes(&room->x) + (int64_t)room->arena.total;
    return total + room->call_room * (int64_t)sizeof(Call) + (room->text.end - room->text.begin);
}

void drop_call_room(CallRoom *room) {
    drop_genes(&room->own), drop_genes(&room->x);
    clear(&room->arena);
    free(room->call);
    free(room->text.begin);
    *room = (CallRoom){0};
}

/* ---- tags ---- */

static void put_list(Out *out, const Record *r, const Consequences *found, int is_worst) {
    int any = 0;
    for (int32_t i = 0; i < r->num_alleles; i++) {
        const Told *told = found->told + r->first_allele + i;
        int64_t begin = is_worst ? told->worst : told->csq, end = is_worst ? told->end : told->worst;
        if (!is_worst && begin == end) continue;
        if (any++) put_char(out, ',');
        if (begin == end) put_char(out, '.');
        else put(out, found->text.begin + begin, (size_t)(end - begin));
    }
}

void put_consequences(Out *out, const Record *r, const Consequences *found, uint32_t tags, int *count) {
    if (!has_consequences(found, r)) return;
    for (int tag = TAG_CSQ; tag <= TAG_WORST; tag++) {
        if (!(tags >> tag & 1)) continue;
        if ((*count)++) put_char(out, ';');
        put_string(out, tag_names[tag]);
        put_char(out, '=');
        put_list(out, r, found, tag == TAG_WORST);
    }
}
