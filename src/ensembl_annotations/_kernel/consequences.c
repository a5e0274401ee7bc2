#include "consequences.h"

const char *const term_names[NUM_TERMS] = {
    "transcript_ablation", "splice_acceptor_variant", "splice_donor_variant", "stop_gained", "frameshift_variant", "stop_lost",
    "start_lost", "inframe_insertion", "inframe_deletion", "missense_variant", "protein_altering_variant",
    "splice_donor_5th_base_variant", "splice_region_variant", "splice_donor_region_variant", "splice_polypyrimidine_tract_variant",
    "incomplete_terminal_codon_variant", "start_retained_variant", "stop_retained_variant", "synonymous_variant",
    "coding_sequence_variant", "5_prime_UTR_variant", "3_prime_UTR_variant", "non_coding_transcript_exon_variant", "intron_variant",
    "NMD_transcript_variant", "non_coding_transcript_variant", "coding_transcript_variant", "upstream_gene_variant",
    "downstream_gene_variant", "intergenic_variant",
};
const char *const impact_names[NUM_IMPACTS] = {"HIGH", "MODERATE", "LOW", "MODIFIER"};

int impact_of(int term) { return term <= START_LOST ? HIGH : term <= PROTEIN_ALTERING ? MODERATE : term <= SYNONYMOUS ? LOW : MODIFIER; }

/* ---- bases ---- */

uint8_t letter_at(Bases *bases, int64_t place) {
    Window *window = bases->window + (place - 1) / (4 * (int64_t)sizeof window->bytes) % NUM_WINDOWS;
    if (place < 1) return 'N';
    int base = base_at(bases->sequence, window, place - 1, bases->problem);
    if (base < 0) bases->has_failed = 1;
    return base < 0 || base > 3 ? 'N' : (uint8_t)"ACGT"[base];
}

uint8_t complement_of(uint8_t letter) {
    int base = base_of[letter];
    return base < 4 ? (uint8_t)"TGCA"[base] : 'N';
}

Variant variant_of(int64_t pos, Text ref, Text alt) {
    int64_t k = 0;
    while (k < ref.n && k < alt.n && upper[ref.p[k]] == upper[alt.p[k]]) k++;
    ref.p += k, ref.n -= k, alt.p += k, alt.n -= k;
    while (ref.n && alt.n && upper[ref.p[ref.n - 1]] == upper[alt.p[alt.n - 1]]) ref.n--, alt.n--;
    return (Variant){pos + k, pos + k + ref.n - 1, ref, alt};
}

/* ---- the transcript's own sequence ---- */

/* The base at a place in the transcript, counted from 1. Mostly it is in the exon of the last one. */
static uint8_t cdna_letter(const Case *c, int64_t at) {
    const Transcript *t = c->t;
    if (at < 1 || at > t->length) return 0;
    int64_t before = t->strand > 0 ? at - 1 : t->length - at;
    const Exon *exon = c->caller->genes->exon + t->exon;
    int32_t low = 0, high = t->num_exons;
    while (high - low > 1) {
        int32_t middle = (low + high) / 2;
        if (exon[middle].before <= before) low = middle;
        else high = middle;
    }
    uint8_t letter = letter_at(c->caller->bases, exon[low].start + before - exon[low].before);
    return t->strand > 0 ? letter : complement_of(letter);
}

int64_t cds_length(const Transcript *t) { return t->padding + t->cdna_last - t->cdna_first + 1; }

uint8_t cds_letter(const Case *c, int64_t at) {
    if (at >= 0 && at < c->t->padding) return 'N';
    return cdna_letter(c, at < 0 ? c->t->cdna_first + at : c->t->cdna_first + at - c->t->padding);
}

/* Where in these letters a place of the transcript is. */
static int64_t offset_of(const Transcript *t, int64_t cdna) {
    int64_t at = cdna - t->cdna_first;
    return at < 0 ? at : at + t->padding;
}

/* Where ALT begins in these letters, and behind how many REF ends; both cDNA positions are defined. */
static int64_t edit_begin(const Case *c) { return offset_of(c->t, c->call->cdna_end + 1) - (c->call->cdna_end + 1 - c->call->cdna_start); }
static int64_t edit_end(const Case *c) { return offset_of(c->t, c->call->cdna_end + 1); }
/* How much longer the transcript gets: REF may have whole introns. */
static int64_t edit_grows(const Case *c) { return c->alt.n - (c->call->cdna_end - c->call->cdna_start + 1); }

uint8_t edited_letter(const Case *c, int64_t at) {
    int64_t begin = edit_begin(c);
    if (at < begin) return cds_letter(c, at);
    return at < begin + c->alt.n ? c->alt.p[at - begin] : cds_letter(c, at - edit_grows(c));
}

/* ---- the genetic code ---- */

/* Source: NCBI's tables 1 and 2, in the order of the bases ACGT. */
static const char code[] = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF";
static const char mt_code[] = "KNKNTTTT*S*SMIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSSWCWCLFLF";

uint8_t residue_of(const uint8_t *codon, int is_mt) {
    const char *table = is_mt ? mt_code : code;
    uint8_t found = 0;
    for (int i = 0; i < 64; i++) {
        int fits = 1;
        for (int k = 0; k < 3; k++) {
            int base = base_of[codon[k]];
            fits &= base > 3 || base == (i >> (4 - 2 * k) & 3);
        }
        if (!fits) continue;
        if (found && found != table[i]) return 'X';
        found = (uint8_t)table[i];
    }
    return found;
}

/* Of three known bases, which all but a few are. */
static uint8_t quick_residue(const uint8_t *codon, int is_mt) {
    int a = base_of[codon[0]], b = base_of[codon[1]], d = base_of[codon[2]];
    if (a > 3 || b > 3 || d > 3) return residue_of(codon, is_mt);
    return (uint8_t)(is_mt ? mt_code : code)[a * 16 + b * 4 + d];
}

/* A stop codon that is read as selenocysteine. */
static int is_special(const Case *c, int64_t number, const uint8_t *codon) {
    const int32_t *special = c->caller->genes->special + c->t->stop_free;
    for (int32_t i = 0; i < c->t->num_special; i++)
        if (special[i] == number) return !memcmp(codon, "TGA", 3);
    return 0;
}

static uint8_t residue_from(const Case *c, int64_t number, uint8_t (*letter)(const Case *, int64_t), int keeps_special) {
    uint8_t codon[3];
    for (int i = 0; i < 3; i++)
        if (!(codon[i] = letter(c, number * 3 - 3 + i))) return 0;
    return keeps_special && is_special(c, number, codon) ? 'U' : quick_residue(codon, c->caller->is_mt);
}

uint8_t residue_at(const Case *c, int64_t number) {
    return number * 3 > cds_length(c->t) ? 0 : residue_from(c, number, cds_letter, 1);
}

uint8_t edited_residue_at(const Case *c, int64_t number) { return residue_from(c, number, edited_letter, !edit_grows(c)); }

/* Whole codons; a remainder adds X, unless a stop is all there is. */
static Text translated(const Case *c, Text codons, int64_t first, int keeps_special) {
    uint8_t *out = take(c->caller->arena, (size_t)codons.n / 3 + 1);
    int64_t n = 0;
    for (int64_t i = 0; i + 3 <= codons.n; i += 3, n++)
        out[n] = keeps_special && is_special(c, first + n, codons.p + i) ? 'U' : quick_residue(codons.p + i, c->caller->is_mt);
    if (codons.n % 3 && !(n == 1 && *out == '*')) out[n++] = 'X';
    return (Text){out, n};
}

/* ---- a case ---- */

static Text oriented(const Caller *caller, Text alt, int strand, int *is_plain) {
    uint8_t *out = take(caller->arena, (size_t)alt.n);
    *is_plain = 1;
    for (int64_t i = 0; i < alt.n; i++) {
        uint8_t letter = upper[alt.p[i]];
        *is_plain &= base_of[letter] < 4;
        if (strand > 0) out[i] = letter;
        else out[alt.n - 1 - i] = complement_of(letter);
    }
    return (Text){out, alt.n};
}

Case case_of(const Caller *caller, const Variant *variant, int32_t transcript, Call *call) {
    const Transcript *t = caller->genes->transcript + transcript;
    *call = (Call){.transcript = transcript, .distance = -1};
    Case c = {.caller = caller, .variant = variant, .t = t, .call = call, .grows = variant->alt.n - variant->ref.n, .is_insertion = !variant->ref.n};
    c.low = least(variant->start, variant->end), c.high = most(variant->start, variant->end);
    return c;
}

static const Exon *exons_of(const Case *c) { return c->caller->genes->exon + c->t->exon; }
static int has_cds(const Transcript *t) { return t->cds_start > 0; }
static void add_term(Case *c, int term) { c->call->terms |= 1u << term; }
static int has(const Case *c, int term) { return c->call->terms >> term & 1; }
static int touches(const Case *c, int64_t first, int64_t last) { return c->variant->end >= first && c->variant->start <= last; }

/* ---- which exons and introns ---- */

/* Numbers count in the direction of the transcript. */
static void note_number(const Case *c, int32_t index, int32_t count, int32_t *first, int32_t *last) {
    int32_t number = c->t->strand > 0 ? index + 1 : count - index;
    if (!*first || number < *first) *first = number;
    if (number > *last) *last = number;
}

static void find_numbers(Case *c) {
    const Exon *exon = exons_of(c);
    Call *call = c->call;
    for (int32_t i = (int32_t)most(exon_from(c->caller->genes, c->t, c->low) - 1, 0); i < c->t->num_exons; i++) {
        if (exon[i].start > c->high) return;
        if (touches(c, exon[i].start, exon[i].end)) note_number(c, i, c->t->num_exons, &call->exon_first, &call->exon_last);
        if (i + 1 < c->t->num_exons && touches(c, exon[i].end + 1, exon[i + 1].start - 1))
            note_number(c, i, c->t->num_exons - 1, &call->intron_first, &call->intron_last);
    }
}

/* A model with an intron too short to be one is exonic some bases around its exons. */
static int is_exonic(const Case *c) {
    int64_t around = c->t->flags & HAS_TINY ? MOST_TINY - 1 : 0;
    int32_t i = exon_from(c->caller->genes, c->t, c->low - around);
    return i < c->t->num_exons && exons_of(c)[i].start - around <= c->high;
}

static int touches_exon(const Case *c, int64_t first, int64_t last) {
    const Exon *exon = exons_of(c);
    for (int32_t i = exon_from(c->caller->genes, c->t, c->low); i < c->t->num_exons && exon[i].start <= c->high; i++) {
        int64_t from = most(exon[i].start, first), to = least(exon[i].end, last);
        if (from <= to && c->low <= to && c->high >= from) return 1;
    }
    return 0;
}

/* ---- splicing ---- */

/* What the rules ask of introns, of all regions of a variant together. */
typedef struct {
    int is_donor, is_acceptor, is_5th, is_donor_region, is_splice_region, is_tract, is_intronic, is_tiny;
} Introns;

typedef struct {
    int64_t start, end;
    int is_insertion;
} Region;

static int in_region(const Region *r, int64_t first, int64_t last) { return r->end >= first && r->start <= last; }

/* Splice sites are looked at where REF itself is near them. */
static int is_near(const Case *c, int64_t s, int64_t e) {
    enum { IN_EXON = 3, IN_INTRON = 7 };
    return (c->high >= s - IN_EXON && c->low <= s + IN_INTRON) || (c->high >= e - IN_INTRON && c->low <= e + IN_EXON);
}

static void look_at_sites(const Case *c, const Region *r, int64_t s, int64_t e, Introns *found) {
    int forward = c->t->strand > 0;
    if (in_region(r, s, s + 1)) *(forward ? &found->is_donor : &found->is_acceptor) = 1;
    if (in_region(r, e - 1, e)) *(forward ? &found->is_acceptor : &found->is_donor) = 1;
    /* Of several regions, and introns, the last one decides. */
    found->is_splice_region = in_region(r, s - 3, s - 1) || in_region(r, s + 2, s + 7) || in_region(r, e - 7, e - 2) || in_region(r, e + 1, e + 3)
        || (r->is_insertion && (r->start == s || r->end == e || r->start == s + 2 || r->end == e - 2));
    int64_t fifth = forward ? s + 4 : e - 4, first = forward ? s + 2 : e - 5;
    if (in_region(r, fifth, fifth)) found->is_5th = 1;
    if (in_region(r, first, first + 3)) found->is_donor_region = 1;
}

static void look_at_intron(const Case *c, const Region *r, int64_t s, int64_t e, Introns *found) {
    if (e - s < MOST_TINY && in_region(r, s, e)) {
        found->is_tiny = 1;
        return;
    }
    if (is_near(c, s, e)) look_at_sites(c, r, s, e, found);
    if (in_region(r, s + 2, e - 2) || (r->is_insertion && (r->start == s + 2 || r->end == e - 2))) found->is_intronic = 1;
    int64_t tract = c->t->strand > 0 ? e - 16 : s + 2, low = least(r->start, r->end), high = most(r->start, r->end);
    if (high >= tract && low <= tract + 14) found->is_tract = 1;
}

static void look_around(const Case *c, const Region *r, Introns *found) {
    enum { REACH = 8 };
    const Exon *exon = exons_of(c);
    int32_t i = (int32_t)most(exon_from(c->caller->genes, c->t, c->low - REACH) - 1, 0);
    for (; i + 1 < c->t->num_exons && exon[i].end + 1 - REACH <= c->high; i++) {
        int64_t s = exon[i].end + 1, e = exon[i + 1].start - 1;
        if (is_near(c, s, e) || (c->high >= s && c->low <= e)) look_at_intron(c, r, s, e, found);
    }
}

/* Only bases that differ count, of introns that REF reaches; what an ALT has beyond REF counts as differing. */
static void find_introns(const Case *c, Introns *found) {
    const Variant *v = c->variant;
    if (v->ref.n < 2 || v->alt.n < 2) {
        Region whole = {v->start, v->end, c->is_insertion};
        look_around(c, &whole, found);
        return;
    }
    int64_t n = most(v->ref.n, v->alt.n), shared = least(v->ref.n, v->alt.n);
    for (int64_t i = 0; i < n; i++) {
        if (i < shared && upper[v->ref.p[i]] == upper[v->alt.p[i]]) continue;
        int64_t first = i;
        while (i + 1 < n && (i + 1 >= shared || upper[v->ref.p[i + 1]] != upper[v->alt.p[i + 1]])) i++;
        Region part = {v->start + first, v->start + i, 0};
        look_around(c, &part, found);
    }
}

static void call_splicing(Case *c, const Introns *found) {
    if (found->is_donor) add_term(c, SPLICE_DONOR);
    if (found->is_acceptor) add_term(c, SPLICE_ACCEPTOR);
    if (found->is_5th) add_term(c, SPLICE_5TH_BASE);
    if (found->is_donor_region && !found->is_5th) add_term(c, SPLICE_DONOR_REGION);
    if (found->is_splice_region && !found->is_donor && !found->is_acceptor && !found->is_donor_region && !found->is_5th) add_term(c, SPLICE_REGION);
    if (found->is_tract && !c->call->is_exonic) add_term(c, POLYPYRIMIDINE);
    if (found->is_intronic) add_term(c, INTRON);
}

/* ---- positions ---- */

/* The place in the transcript of a base; 0 where it is in no exon. */
static int64_t cdna_at(const Case *c, int64_t place) {
    int32_t i = exon_from(c->caller->genes, c->t, place);
    const Exon *e = exons_of(c) + i;
    return i < c->t->num_exons && place >= e->start ? cdna_of(c->t, e, place) : 0;
}

static void find_cdna(Case *c) {
    Call *call = c->call;
    int forward = c->t->strand > 0;
    int64_t left = cdna_at(c, c->low), right = cdna_at(c, c->high);
    if (!c->is_insertion) {
        call->cdna_start = forward ? left : right, call->cdna_end = forward ? right : left;
        return;
    }
    /* It is behind a base of the transcript: the left one on the forward strand, else the right one. */
    if (!left && !right) return;
    int64_t behind = forward ? (left ? left : right - 1) : right ? right : left - 1;
    call->cdna_start = behind + 1, call->cdna_end = behind;
}

void find_positions(Case *c) {
    const Transcript *t = c->t;
    Call *call = c->call;
    find_cdna(c);
    if (!has_cds(t) || c->high < t->cds_start || c->low > t->cds_end) return;
    int64_t shift = t->padding + 1 - t->cdna_first;
    if (c->is_insertion) {
        if (call->cdna_end < t->cdna_first || call->cdna_start > t->cdna_last) return;
        call->cds_start = call->cdna_start + shift, call->cds_end = call->cdna_end + shift;
    } else {
        if (call->cdna_start >= t->cdna_first && call->cdna_start <= t->cdna_last) call->cds_start = call->cdna_start + shift;
        if (call->cdna_end >= t->cdna_first && call->cdna_end <= t->cdna_last) call->cds_end = call->cdna_end + shift;
    }
    if (call->cds_start) call->protein_start = (call->cds_start + 2) / 3;
    if (call->cds_end) call->protein_end = (call->cds_end + 2) / 3;
}

/* ---- codons and peptides ---- */

static Text letters(const Case *c, int64_t from, int64_t to, uint8_t (*letter)(const Case *, int64_t)) {
    uint8_t *out = take(c->caller->arena, (size_t)most(to - from, 0));
    int64_t n = 0;
    for (int64_t at = from; at < to && (out[n] = letter(c, at)); at++) n++;
    return (Text){out, n};
}

/* Whole codons of the reference, and the same stretch of the edited sequence, longer or shorter by the change. */
void find_codons(Case *c) {
    Call *call = c->call;
    if (!call->cds_start || !call->cds_end) return;
    if (!c->alt.p) c->alt = oriented(c->caller, c->variant->alt, c->t->strand, &c->is_plain);
    if (!c->is_plain) return;
    int64_t from = call->protein_start * 3 - 3, to = call->protein_end * 3, grows = edit_grows(c), length = cds_length(c->t);
    call->ref_codon = letters(c, from, least(to, length), cds_letter);
    int64_t most_letters = grows ? INT64_MAX : length;           /* the 3' UTR is there only where lengths differ */
    call->alt_codon = letters(c, from, least(to + grows, most_letters), edited_letter);
    if (c->t->length - c->t->cdna_first + 1 + c->t->padding + grows < 3) call->alt_codon.n = 0;
    call->first_changed = (int32_t)(call->cds_start - 1 - from), call->ref_changed = (int32_t)c->variant->ref.n;
    call->alt_changed = (int32_t)least(c->alt.n, call->alt_codon.n);
    call->has_codons = 1;
    if (c->t->flags & NO_PEPTIDE) return;
    call->has_peptides = 1;
    call->ref_peptide = translated(c, call->ref_codon, call->protein_start, 1);
    call->alt_peptide = translated(c, call->alt_codon, call->protein_start, !grows);
}

static int begins_with(Text whole, Text part) { return whole.n >= part.n && !memcmp(whole.p, part.p, (size_t)part.n); }
static int ends_with(Text whole, Text part) { return whole.n >= part.n && !memcmp(whole.p + whole.n - part.n, part.p, (size_t)part.n); }
static int64_t index_of(Text text, uint8_t letter) {
    const uint8_t *found = text.n ? memchr(text.p, letter, (size_t)text.n) : NULL;
    return found ? found - text.p : -1;
}

/* ---- rules of the start codon ---- */

static int touches_start_codon(const Case *c) {
    const Call *call = c->call;
    if (!call->cdna_start || !call->cdna_end || c->t->flags & NO_START) return 0;
    return call->cdna_end >= c->t->cdna_first && call->cdna_start <= c->t->cdna_first + 2;
}

static int is_atg_at(const Case *c, int64_t at) {
    return edited_letter(c, at) == 'A' && edited_letter(c, at + 1) == 'T' && edited_letter(c, at + 2) == 'G';
}

/* The 5' UTR is the same, and ATG follows it. */
static int keeps_start(const Case *c) {
    if (c->t->cdna_first == 1 || !is_atg_at(c, 0)) return 0;
    for (int64_t at = edit_begin(c); at < 0; at++)
        if (edited_letter(c, at) != cds_letter(c, at)) return 0;
    return 1;
}

/* The bases that end where the CDS did, as many as it had, are not those that it had. */
static int is_start_altered(const Case *c) {
    if (keeps_start(c)) return 0;
    int64_t grows = edit_grows(c), end = edit_end(c);
    if (grows < 1 - (int64_t)c->t->cdna_first) return 1;
    for (int64_t at = 0; at < end; at++)
        if (edited_letter(c, at + grows) != cds_letter(c, at)) return 1;
    return 0;
}

static int is_start_retained(const Case *c) {
    if (!touches_start_codon(c)) return 0;
    return c->grows ? !is_start_altered(c) : is_atg_at(c, edit_grows(c));
}

/* ---- rules of the stop codon ---- */

static int touches_stop_codon(const Case *c) {
    const Call *call = c->call;
    if (!call->cdna_start || !call->cdna_end || c->t->flags & (NO_END | NO_PEPTIDE)) return 0;
    return call->cdna_end >= c->t->cdna_last - 2 && call->cdna_start <= c->t->cdna_last;
}

/* VEP compares nothing where a variant begins before the CDS. */
static int is_stop_altered(const Case *c) {
    if (c->call->cdna_start < c->t->cdna_first) return 0;
    int64_t length = cds_length(c->t), behind = c->t->length - c->t->cdna_last;
    if (behind + edit_grows(c) < 0) return 1;
    uint8_t codon[3];
    for (int i = 0; i < 3; i++)
        if (!(codon[i] = edited_letter(c, length - 3 + i))) return 1;
    return quick_residue(codon, c->caller->is_mt) != '*';
}

static int is_codon_incomplete(const Case *c) {
    int64_t left = cds_length(c->t) - (c->call->protein_start * 3 - 3);
    return c->call->cds_start && left > 0 && left < 3;
}

static int is_stop_lost(const Case *c) {
    const Call *call = c->call;
    if (call->has_peptides) return index_of(call->ref_peptide, '*') >= 0 && index_of(call->alt_peptide, '*') < 0;
    return c->grows && touches_stop_codon(c) && is_stop_altered(c);
}

/* Residues of the published peptide: without the stop at its end. */
static int64_t peptide_length(const Case *c) {
    int64_t n = cds_length(c->t) / 3;
    return n && residue_at(c, n) == '*' ? n - 1 : n;
}

uint8_t peptide_at(const Case *c, int64_t number) {
    static const char *const starts[] = {"ATG", "CTG", "TTG", "ATA", "ATT", "ATC", "GTG"};
    uint8_t codon[3] = {0};
    for (int i = 0; i < 3 && number == 1; i++) codon[i] = cds_letter(c, i);
    for (int i = 0; i < (c->caller->is_mt ? 7 : 3) && number == 1; i++)
        if (!memcmp(codon, starts[i], 3)) return 'M';
    return residue_at(c, number);
}

/* Put into the peptide, ALT's residues leave all of it in front, with one or two behind. */
static int extends_peptide(const Case *c) {
    const Call *call = c->call;
    int64_t length = peptide_length(c), from = call->protein_start;
    int64_t more = call->alt_peptide.n - most(least(call->protein_end, length) - from + 1, 0);
    if (more != 1 && more != 2) return 0;
    for (int64_t at = from; at <= length; at++) {
        int64_t within = at - from;
        uint8_t letter = within < call->alt_peptide.n ? call->alt_peptide.p[within] : peptide_at(c, at - more);
        if (letter != peptide_at(c, at)) return 0;
    }
    return 1;
}

static int is_stop_retained(const Case *c) {
    const Call *call = c->call;
    if (is_stop_lost(c) || is_codon_incomplete(c)) return 0;
    if (!call->has_peptides || !call->alt_peptide.n) return c->grows && touches_stop_codon(c) && !is_stop_altered(c);
    Text ref = call->ref_peptide, alt = call->alt_peptide;
    int64_t stop = index_of(alt, '*');
    if (call->protein_start > peptide_length(c) && stop == 0) return 1;
    if (ref.n == 1 && *ref.p == *alt.p && stop >= 0) return 1;
    if (stop >= 0 && index_of(ref, '*') == stop) return 1;
    return extends_peptide(c);
}

/* ---- rules of all other codons ---- */

static int is_frameshift(const Case *c) {
    const Call *call = c->call;
    if (!c->grows || !call->cds_start || !call->cds_end || has(c, STOP_RETAINED) || is_codon_incomplete(c)) return 0;
    return (c->variant->alt.n - (call->cds_end - call->cds_start + 1)) % 3 != 0;
}

static int is_inframe_insertion(const Case *c, int is_retained) {
    const Call *call = c->call;
    if (!call->has_peptides || has(c, FRAMESHIFT) || call->alt_codon.n <= call->ref_codon.n) return 0;
    if (is_retained && ends_with(call->alt_peptide, call->ref_peptide)) return 0;
    Text alt = call->alt_peptide;
    int64_t stop = index_of(alt, '*');
    if (stop >= 0) alt.n = stop + 1;
    return begins_with(alt, call->ref_peptide) || ends_with(alt, call->ref_peptide);
}

static int is_inframe_deletion(const Case *c) {
    Text ref = c->call->ref_codon, alt = c->call->alt_codon;
    if (!c->call->has_codons || has(c, FRAMESHIFT) || is_codon_incomplete(c) || alt.n >= ref.n) return 0;
    if (begins_with(ref, alt) || ends_with(ref, alt)) return 1;
    int64_t k = 0;
    while (k < alt.n && ref.p[k] == alt.p[k]) k++;
    ref.p += k, ref.n -= k, alt.p += k, alt.n -= k;
    while (alt.n && ref.p[ref.n - 1] == alt.p[alt.n - 1]) ref.n--, alt.n--;
    return !alt.n && ref.n % 3 == 0;
}

static int is_start_lost(const Case *c, int is_retained) {
    const Call *call = c->call;
    if (!touches_start_codon(c) || c->t->flags & NO_PEPTIDE) return 0;
    if (c->t->cdna_first > 1 && !is_atg_at(c, 0)) return 1;
    if (c->grows && !is_inframe_insertion(c, is_retained) && !is_inframe_deletion(c) && is_start_altered(c)) return 1;
    return call->has_peptides && call->protein_start == 1 && call->ref_peptide.n && call->alt_codon.n >= 3 && !begins_with(call->alt_peptide, call->ref_peptide)
        && !ends_with(call->alt_peptide, call->ref_peptide);
}

static int is_missense(const Case *c) {
    const Call *call = c->call;
    if (!call->has_peptides || c->grows || has(c, START_LOST) || has(c, STOP_LOST) || has(c, STOP_GAINED) || has(c, STOP_RETAINED)) return 0;
    return !is_codon_incomplete(c) && call->ref_peptide.n == call->alt_peptide.n && !same_text(call->ref_peptide, call->alt_peptide);
}

static int is_protein_altering(const Case *c) {
    Text ref = c->call->ref_peptide, alt = c->call->alt_peptide;
    if (!c->call->has_peptides || ref.n == alt.n || has(c, INFRAME_DELETION) || has(c, START_LOST) || has(c, FRAMESHIFT)) return 0;
    return index_of(ref, '*') != 0 && index_of(alt, '*') != 0 && !begins_with(alt, ref) && !ends_with(alt, ref);
}

static int is_synonymous(const Case *c) {
    const Call *call = c->call;
    if (!call->has_peptides || has(c, STOP_RETAINED) || has(c, START_RETAINED) || index_of(call->ref_peptide, 'X') >= 0) return 0;
    return same_text(call->ref_peptide, call->alt_peptide);
}

/* A part of it is in the CDS, but what becomes of the protein can't be said. */
static int is_coding_unknown(const Case *c, const Introns *found) {
    const Call *call = c->call;
    const uint32_t known = 1u << FRAMESHIFT | 1u << INFRAME_DELETION | 1u << PROTEIN_ALTERING | 1u << START_RETAINED | 1u << START_LOST
                         | 1u << STOP_RETAINED | 1u << STOP_LOST;
    if (call->terms & known) return 0;
    int is_within = call->cds_start || call->cds_end || touches_exon(c, c->t->cds_start, c->t->cds_end)
                 || (found->is_tiny && touches(c, c->t->cds_start, c->t->cds_end));
    if (c->is_insertion && !found->is_tiny) is_within = call->cds_start != 0;
    return is_within && (!call->has_peptides || index_of(call->ref_peptide, 'X') >= 0 || index_of(call->alt_peptide, 'X') >= 0);
}

static void call_coding(Case *c, const Introns *found) {
    find_codons(c);
    if (!c->alt.p) c->alt = oriented(c->caller, c->variant->alt, c->t->strand, &c->is_plain);
    if (is_codon_incomplete(c)) add_term(c, INCOMPLETE_CODON);
    if (is_stop_lost(c)) add_term(c, STOP_LOST);
    if (is_stop_retained(c)) add_term(c, STOP_RETAINED);
    if (c->call->has_peptides && index_of(c->call->alt_peptide, '*') >= 0 && index_of(c->call->ref_peptide, '*') < 0 && !has(c, STOP_RETAINED))
        add_term(c, STOP_GAINED);
    if (is_frameshift(c)) add_term(c, FRAMESHIFT);
    int is_retained = is_start_retained(c);
    if (is_start_lost(c, is_retained)) add_term(c, START_LOST);
    if (is_retained) add_term(c, START_RETAINED);
    if (c->grows > 0 && !has(c, START_LOST) && is_inframe_insertion(c, is_retained)) add_term(c, INFRAME_INSERTION);
    if (c->grows < 0 && is_inframe_deletion(c)) add_term(c, INFRAME_DELETION);
    if (is_missense(c)) add_term(c, MISSENSE);
    if (c->grows && is_protein_altering(c)) add_term(c, PROTEIN_ALTERING);
    if (!c->grows && is_synonymous(c)) add_term(c, SYNONYMOUS);
    if (is_coding_unknown(c, found)) add_term(c, CODING_SEQUENCE);
}

/* ---- untranslated ends, and transcripts without a CDS ---- */

static void call_utr(Case *c, const Introns *found) {
    const Transcript *t = c->t;
    const Variant *v = c->variant;
    if (!touches_exon(c, t->start, t->end) && !found->is_tiny) return;
    int is_before = v->end >= t->start && v->start <= t->cds_start - 1 + c->is_insertion;
    int is_behind = v->start <= t->end && v->end >= t->cds_end + 1 - c->is_insertion;
    if (t->strand > 0 ? is_before : is_behind) add_term(c, FIVE_PRIME_UTR);
    if (t->strand > 0 ? is_behind : is_before) add_term(c, THREE_PRIME_UTR);
}

static void call_non_coding(Case *c, int is_whole) {
    add_term(c, c->call->exon_first && !is_whole ? NON_CODING_EXON : NON_CODING_TRANSCRIPT);
}

/* ---- a transcript ---- */

static void call_flank(Case *c) {
    const Variant *v = c->variant;
    int is_before = v->end < c->t->start;
    int64_t edge = is_before ? c->t->start : c->t->end, one = v->start - edge, other = v->end - edge;
    c->call->distance = (int32_t)least(one < 0 ? -one : one, other < 0 ? -other : other);
    add_term(c, is_before == (c->t->strand > 0) ? UPSTREAM : DOWNSTREAM);
}

static void call_touching(Case *c) {
    const Transcript *t = c->t;
    const Variant *v = c->variant;
    int is_whole = v->start <= t->start && v->end >= t->end;
    find_numbers(c);
    c->call->is_exonic = (uint8_t)is_exonic(c);
    c->call->is_coding = (uint8_t)(has_cds(t) && c->high >= t->cds_start && c->low <= t->cds_end);
    if (c->call->is_exonic) find_positions(c);
    if (is_whole && c->grows < 0) {
        if (c->call->is_coding) find_codons(c);
        add_term(c, TRANSCRIPT_ABLATION);
        return;
    }
    Introns found = {0};
    if (t->num_exons > 1) find_introns(c, &found);
    call_splicing(c, &found);
    if (!has_cds(t)) call_non_coding(c, is_whole);
    else if (c->call->is_exonic) {
        call_utr(c, &found);
        if (c->call->is_coding) call_coding(c, &found);
    }
    if (is_whole && t->flags & IS_CODING_TYPE) add_term(c, CODING_TRANSCRIPT);
    if (t->flags & IS_NMD) add_term(c, NMD_TRANSCRIPT);
    if (!c->call->terms) add_term(c, INTERGENIC);
}

void call_consequences(Case *c) {
    const Variant *v = c->variant;
    if (v->end >= c->t->start && v->start <= c->t->end) call_touching(c);
    else call_flank(c);
    c->call->worst = __builtin_ctz(c->call->terms);
}

Call intergenic_call(void) { return (Call){.transcript = -1, .distance = -1, .terms = 1u << INTERGENIC, .worst = INTERGENIC}; }
