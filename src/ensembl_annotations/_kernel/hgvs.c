#include "hgvs.h"

/* ---- the last possible place ---- */

/* An insertion or deletion, slid in the direction of the transcript, within it: ALT's letters turn with it. */
typedef struct {
    Variant variant;
    Text unit;                   /* what is inserted or deleted, in the direction of the transcript */
} Slid;

static Text unit_of(const Case *c) {
    Text unit = c->is_insertion ? c->variant->alt : c->variant->ref;
    uint8_t *out = take(c->caller->arena, (size_t)unit.n);
    for (int64_t i = 0; i < unit.n; i++) {
        if (c->t->strand > 0) out[i] = upper[unit.p[i]];
        else out[unit.n - 1 - i] = complement_of(unit.p[i]);
    }
    return (Text){out, unit.n};
}

/* The letter of the genome at a place, as the transcript has it. */
static uint8_t letter_of(const Case *c, int64_t place) {
    uint8_t letter = letter_at(c->caller->bases, place);
    return c->t->strand > 0 ? letter : complement_of(letter);
}

/* `short_of` bases before the end of the transcript it goes no further. */
static Slid slid(const Case *c, int64_t short_of) {
    Slid s = {*c->variant, unit_of(c)};
    int64_t step = c->t->strand > 0 ? 1 : -1, n = 0, end = c->t->strand > 0 ? c->t->end - short_of : c->t->start + short_of;
    for (int64_t next = step > 0 ? c->variant->end + 1 : c->variant->start - 1; (end - next) * step >= 0; next += step, n++) {
        uint8_t letter = letter_of(c, next);
        if (letter == 'N' || letter != s.unit.p[n % s.unit.n]) break;
    }
    if (!n) return s;
    s.variant.start += n * step, s.variant.end += n * step;
    uint8_t *turned = take(c->caller->arena, (size_t)s.unit.n), *genomic = take(c->caller->arena, (size_t)s.unit.n);
    for (int64_t i = 0; i < s.unit.n; i++) turned[i] = s.unit.p[(i + n) % s.unit.n];
    for (int64_t i = 0; i < s.unit.n; i++) genomic[i] = step > 0 ? turned[i] : complement_of(turned[s.unit.n - 1 - i]);
    s.unit.p = turned;
    *(c->is_insertion ? &s.variant.alt : &s.variant.ref) = (Text){genomic, s.unit.n};
    return s;
}

static int is_repeatable(const Case *c) { return !c->variant->ref.n || !c->variant->alt.n; }

/* ---- places in a transcript ---- */

/* In a CDS that begins within a codon, VEP counts the N before it for a single base that is replaced, and else not. */
static void put_place_of(Out *out, const Case *c, int64_t cdna) {
    const Transcript *t = c->t;
    int64_t first = t->cdna_first - 1 - (c->variant->ref.n == 1 && c->variant->alt.n == 1 && c->call->exon_first ? t->padding : 0);
    if (!t->cdna_first) put_number(out, (uint64_t)cdna);
    else if (cdna < t->cdna_first) put_char(out, '-'), put_number(out, (uint64_t)(t->cdna_first - cdna));
    else if (cdna > t->cdna_last) put_char(out, '*'), put_number(out, (uint64_t)(cdna - t->cdna_last));
    else put_number(out, (uint64_t)(cdna - first));
}

/* In an intron, from the nearer exon; from the one in front where both are as near. */
static void put_place(Out *out, const Case *c, int64_t place) {
    const Transcript *t = c->t;
    const Exon *e = c->caller->genes->exon + t->exon + exon_from(c->caller->genes, t, place);
    if (place >= e->start) {
        put_place_of(out, c, cdna_of(t, e, place));
        return;
    }
    int64_t before = place - e[-1].end, behind = e->start - place;
    int is_left = before < behind || (before == behind && t->strand > 0);
    put_place_of(out, c, is_left ? cdna_of(t, e - 1, e[-1].end) : cdna_of(t, e, e->start));
    put_char(out, is_left == (t->strand > 0) ? '+' : '-');
    put_number(out, (uint64_t)(is_left ? before : behind));
}

/* Both ends of a span of the genome, in the direction of the transcript. */
static void put_span(Out *out, const Case *c, int64_t low, int64_t high) {
    put_place(out, c, c->t->strand > 0 ? low : high);
    if (low == high) return;
    put_char(out, '_');
    put_place(out, c, c->t->strand > 0 ? high : low);
}

/* ---- c. and n. ---- */

static int is_known(Text letters) {
    for (int64_t i = 0; i < letters.n; i++)
        if (base_of[letters.p[i]] > 3) return 0;
    return 1;
}

/* What stands in front of an insertion is the same, so that it is a copy. */
static int is_copy(const Case *c, const Variant *v, Text unit) {
    int64_t step = c->t->strand > 0 ? 1 : -1, place = step > 0 ? v->end : v->start, edge = step > 0 ? c->t->start : c->t->end;
    for (int64_t i = unit.n - 1; i >= 0; i--, place -= step)
        if ((place - edge) * step < 0 || letter_of(c, place) != unit.p[i]) return 0;
    return 1;
}

static void put_copy(Out *out, const Case *c, const Variant *v, int64_t n) {
    int64_t low = c->t->strand > 0 ? v->end - n + 1 : v->start;
    put_span(out, c, low, low + n - 1);
    put_string(out, "dup");
}

/* Both bases that it is between are of the transcript. */
static void put_insertion(Out *out, const Case *c, Slid s) {
    put_span(out, c, s.variant.end, s.variant.start);
    put_string(out, "ins");
    put(out, s.unit.p, (size_t)s.unit.n);
}

static int is_inversion(Text ref, Text alt) {
    if (ref.n != alt.n || ref.n < 2) return 0;
    for (int64_t i = 0; i < ref.n; i++)
        if (complement_of(ref.p[i]) != upper[alt.p[alt.n - 1 - i]]) return 0;
    return 1;
}

static void put_letters(Out *out, const Case *c, Text text) {
    int64_t n = text.n;
    reserve(out, (size_t)n);
    for (int64_t i = 0; i < n; i++) *out->at++ = c->t->strand > 0 ? upper[text.p[i]] : complement_of(text.p[n - 1 - i]);
}

static void put_replaced(Out *out, const Case *c) {
    const Variant *v = c->variant;
    put_span(out, c, v->start, v->end);
    if (v->ref.n == 1 && v->alt.n == 1) {
        put_letters(out, c, v->ref);
        put_char(out, '>');
    } else if (is_inversion(v->ref, v->alt)) {
        put_string(out, "inv");
        return;
    } else put_string(out, "delins");
    put_letters(out, c, v->alt);
}

static int is_within(const Case *c) { return c->low >= c->t->start && c->high <= c->t->end; }

void put_hgvs_transcript(Out *out, const Case *c) {
    if (!is_within(c) || !is_known(c->variant->ref) || !is_known(c->variant->alt)) return;
    put_string(out, c->t->cdna_first ? "c." : "n.");
    if (!is_repeatable(c)) {
        put_replaced(out, c);
        return;
    }
    Slid s = slid(c, 0);
    if (c->is_insertion) {
        if (is_copy(c, &s.variant, s.unit)) put_copy(out, c, &s.variant, s.unit.n);
        else put_insertion(out, c, slid(c, 1));
        return;
    }
    put_span(out, c, s.variant.start, s.variant.end);
    put_string(out, "del");
}

/* ---- p. ---- */

static const char *residue_name(uint8_t residue) {
    static const char *const names[26] = {
        "Ala", "Xaa", "Cys", "Asp", "Glu", "Phe", "Gly", "His", "Ile", "Xaa", "Lys", "Leu", "Met", "Asn", "Xaa", "Pro", "Gln", "Arg",
        "Ser", "Thr", "Sec", "Val", "Trp", "Xaa", "Tyr", "Xaa",
    };
    return residue == '*' ? "Ter" : residue >= 'A' && residue <= 'Z' ? names[residue - 'A'] : "Xaa";
}

static void put_residue(Out *out, uint8_t residue, int64_t number) {
    put_string(out, residue_name(residue));
    if (number) put_number(out, (uint64_t)number);
}

static void put_residues(Out *out, Text residues) {
    for (int64_t i = 0; i < residues.n; i++) put_residue(out, residues.p[i], 0);
}

static void put_residue_span(Out *out, const Case *c, int64_t first, int64_t last) {
    put_residue(out, residue_at(c, first), first);
    if (last <= first) return;
    put_char(out, '_');
    put_residue(out, residue_at(c, last), last);
}

/* How many residues there are from one on to the new stop, that one counted; ? where there is none. */
static void put_distance_to_stop(Out *out, const Case *c, int64_t from) {
    for (int64_t at = from;; at++) {
        uint8_t residue = edited_residue_at(c, at);
        if (residue == '*') {
            put_number(out, (uint64_t)(at - from + 1));
            return;
        }
        if (residue) continue;
        put_char(out, '?');
        return;
    }
}

/* The transcript ends before a codon is whole again: what is left of the protein is gone, its stop as well. */
static void put_cut_end(Out *out, const Case *c, int64_t first) {
    int64_t last = cds_length(c->t) / 3;
    if (first > last || residue_at(c, last) != '*') return;
    put_residue_span(out, c, first, last);
    put_string(out, "delextTer?");
}

/* All residues from the first that differs on are others. */
static void put_frameshift(Out *out, const Case *c) {
    int64_t at = c->call->protein_start < c->call->protein_end ? c->call->protein_start : c->call->protein_end;
    uint8_t old = residue_at(c, at), new = edited_residue_at(c, at);
    while (old && old == new && old != '*') at++, old = residue_at(c, at), new = edited_residue_at(c, at);
    if (!new) put_cut_end(out, c, at);
    if (!old || !new) return;
    if (old == new) {
        put_residue(out, old, at);
        put_char(out, '=');
        return;
    }
    put_residue(out, old, at);
    put_residue(out, new, 0);
    if (new == '*') return;
    put_string(out, old == '*' ? "extTer" : "fsTer");
    put_distance_to_stop(out, c, old == '*' ? at + 1 : at);
}

/* The stop codon becomes another one's: the protein goes on. */
static void put_extension(Out *out, const Case *c, int64_t at) {
    put_residue(out, '*', at);
    put_residue(out, edited_residue_at(c, at), 0);
    put_string(out, "extTer");
    put_distance_to_stop(out, c, at + 1);
}

/* Residues that are inserted, behind one, or a copy of what stands in front; as far behind as can be. */
static void put_inserted(Out *out, const Case *c, int64_t behind, Text new) {
    uint8_t *turned = take(c->caller->arena, (size_t)new.n);
    int64_t n = 0;
    int has_stop = new.p[new.n - 1] == '*';
    /* What goes behind the stop in turn is not made any more. */
    while (has_stop && new.n > 1 && residue_at(c, behind + 1) == *new.p) behind++, new.p++, new.n--;
    uint8_t next = residue_at(c, behind + 1);
    if (*new.p == '*' && next) {
        put_residue(out, next, behind + 1);
        put_string(out, next == '*' ? "=" : "Ter");
        return;
    }
    if (has_stop && next == '*') {
        put_extension(out, c, behind + 1);
        return;
    }
    while (!has_stop && residue_at(c, behind + 1) == new.p[n % new.n]) behind++, n++;
    for (int64_t i = 0; i < new.n; i++) turned[i] = new.p[(i + n) % new.n];
    int is_same = behind >= new.n && !has_stop;
    for (int64_t i = 0; i < new.n && is_same; i++) is_same = residue_at(c, behind - new.n + 1 + i) == turned[i];
    if (is_same) {
        put_residue_span(out, c, behind - new.n + 1, behind);
        put_string(out, "dup");
        return;
    }
    if (behind < 1 || !residue_at(c, behind + 1)) return;       /* nobody knows what is before or behind a CDS that is cut */
    put_residue_span(out, c, behind, behind + 1);
    put_string(out, "ins");
    put_residues(out, (Text){turned, new.n});
}

static void put_deleted(Out *out, const Case *c, int64_t first, int64_t last) {
    while (residue_at(c, last + 1) && residue_at(c, last + 1) != '*' && residue_at(c, last + 1) == residue_at(c, first)) first++, last++;
    put_residue_span(out, c, first, last);
    put_string(out, "del");
}

static int has_unknown(Text residues) { return residues.n && memchr(residues.p, 'X', (size_t)residues.n) != NULL; }

/* What is behind a new stop is not made any more. */
static Text up_to_stop(Text residues) {
    const uint8_t *stop = residues.n ? memchr(residues.p, '*', (size_t)residues.n) : NULL;
    return stop ? (Text){residues.p, stop + 1 - residues.p} : residues;
}

static void put_equal(Out *out, const Case *c, Text residues) {
    put_residue_span(out, c, c->call->protein_start, c->call->protein_start + residues.n - 1);
    put_char(out, '=');
}

/* The stop is deleted with what is in front of it. Where the next one comes before its place, the protein gets no longer. */
static void put_deleted_stop(Out *out, const Case *c, int64_t first, int64_t last) {
    for (int64_t at = first; at <= last; at++) {
        if (edited_residue_at(c, at) != '*') continue;
        put_frameshift(out, c);
        return;
    }
    put_residue_span(out, c, first, last);
    put_string(out, "delextTer");
    put_distance_to_stop(out, c, last + 1);
}

static void put_in_frame(Out *out, const Case *c) {
    Text old = c->call->ref_peptide, new = c->call->alt_peptide;
    int64_t first = c->call->protein_start;
    if (same_text(old, new)) {
        if (!has_unknown(old)) put_equal(out, c, old);
        return;
    }
    while (old.n && new.n && *old.p == *new.p) {
        if (*old.p == '*') {                                    /* what differs is behind the stop */
            put_residue(out, '*', first);
            put_char(out, '=');
            return;
        }
        old.p++, old.n--, new.p++, new.n--, first++;
    }
    if (old.n && new.n && *new.p == '*') {
        put_residue(out, *old.p, first);
        put_string(out, "Ter");
        return;
    }
    while (old.n && new.n && old.p[old.n - 1] == new.p[new.n - 1]) old.n--, new.n--;
    int64_t last = first + old.n - 1;
    new = up_to_stop(new);
    if (has_unknown(old) || has_unknown(new) || (last && !residue_at(c, last))) return;
    if (old.n == 1 && *old.p == '*' && new.n) put_extension(out, c, first);
    else if (!old.n && new.n) put_inserted(out, c, last, new);
    else if (!new.n && old.n && old.p[old.n - 1] == '*') put_deleted_stop(out, c, first, last);
    else if (!new.n && old.n) put_deleted(out, c, first, last);
    else if (old.n) {
        put_residue_span(out, c, first, last);
        if (old.n == 1 && new.n == 1) put_residue(out, *new.p, 0);
        else put_string(out, "delins"), put_residues(out, new);
    }
}

static int64_t cds_bases(const Call *call) { return call->cds_end - call->cds_start + 1; }

/* A stop within what is inserted ends the protein in the old frame, whatever the length; not so where VEP calls a frameshift. */
static void put_change(Out *out, const Case *c) {
    const Call *call = c->call;
    if (!call->has_peptides) return;
    int is_shifted = (c->alt.n - cds_bases(call)) % 3 != 0;
    int is_ended = !(call->terms >> FRAMESHIFT & 1) && up_to_stop(call->alt_peptide).n < call->alt_peptide.n;
    if (is_shifted && !is_ended) put_frameshift(out, c);
    else put_in_frame(out, c);
}

/* A codon of the same residue is another start, too, unless the code has both. */
static int changes_start(const Case *c) {
    int is_lost = c->call->terms >> START_LOST & 1;
    if (c->t->flags & NO_START || c->call->cdna_start > c->t->cdna_first + 2) return 0;
    int is_same = 1;
    for (int i = 0; i < 3; i++) is_same &= edited_letter(c, i) == cds_letter(c, i);
    return !is_same && (is_lost || edited_residue_at(c, 1) != residue_at(c, 1));
}

/* The same change at its last place. What has an intron in it stays: slid, it would take other bases out of the CDS. So does
   what would go over the end of the CDS, where there are no codons. */
static Case moved_case(const Case *c, const Variant *slid_variant, Call *call) {
    Case moved = case_of(c->caller, slid_variant, c->call->transcript, call);
    find_positions(&moved);
    find_codons(&moved);
    call->terms = c->call->terms;
    int is_over_end = call->cds_start && call->cdna_end > c->t->cdna_last;
    if (!is_over_end && (!call->has_peptides || cds_bases(call) == slid_variant->ref.n)) return moved;
    *call = *c->call;
    return *c;
}

void put_hgvs_protein(Out *out, const Case *c) {
    if (!(c->call->cds_start || c->call->cds_end) || !is_within(c) || !is_known(c->variant->ref)) return;
    Slid s = is_repeatable(c) ? slid(c, c->is_insertion) : (Slid){*c->variant, {0}};
    Call call;
    Case moved = moved_case(c, &s.variant, &call);
    /* The last possible place of a deletion over the edge of an exon can be in the CDS; in the start codon it may leave one in front. */
    if (!call.has_peptides || (!c->call->has_peptides && call.cds_start <= 3)) return;
    size_t begin = (size_t)(out->at - out->begin);
    put_string(out, "p.");
    /* Whether the protein is made, and from where, nobody knows. */
    if (changes_start(&moved)) put_residue(out, peptide_at(c, 1), 1), put_char(out, '?');
    else put_change(out, &moved);
    if (out->at - out->begin == (int64_t)begin + 2) out->at = out->begin + begin;
}
