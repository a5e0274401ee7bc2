#include "places.h"

#include <stdlib.h>

enum { MOST_DIGITS = 18 };

static int is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* The largest of the numbers in a value such as -5,+12; each is cut at 18 digits. -1 where there is none. */
static int64_t largest_number(Text value) {
    int64_t largest = -1;
    for (int64_t i = 0; i < value.n;) {
        if (!is_digit(value.p[i])) {
            if (!strchr("-+.,", value.p[i]) || !value.p[i]) return largest;
            i++;
            continue;
        }
        int64_t number = 0, begin = i;
        for (; i < value.n && is_digit(value.p[i]); i++)
            if (i - begin < MOST_DIGITS) number = number * 10 + value.p[i] - '0';
        largest = most(largest, number);
    }
    return largest;
}

static int begins_with(Text text, const char *word) {
    int64_t n = (int64_t)strlen(word);
    return text.n >= n && !memcmp(text.p, word, (size_t)n);
}

static int64_t end_in_info(Text info, int64_t first, int64_t end) {
    while (info.n > 0) {
        const uint8_t *stop = memchr(info.p, ';', (size_t)info.n);
        Text entry = {info.p, stop ? stop - info.p : info.n};
        int is_end = begins_with(entry, "END="), skip = is_end ? 4 : begins_with(entry, "SVLEN=") ? 6 : 0;
        int64_t number = skip ? largest_number((Text){entry.p + skip, entry.n - skip}) : -1;
        if (number >= 0) end = most(end, is_end ? number : first + number + 1);
        info = (Text){entry.p + entry.n + 1, info.n - entry.n - 1};
    }
    return end;
}

/* LEN of the samples (VCF 4.5): how far a <*> reaches. */
static int64_t end_in_samples(const Record *r, int64_t first, int64_t end) {
    Text format = field_of(r, FORMAT);
    int64_t place = 0, at = 0;
    const uint8_t *p = format.p, *stop = format.p + format.n, *next;
    for (;; p = next + 1, place++) {
        next = memchr(p, ':', (size_t)(stop - p));
        if (!next) next = stop;
        if (next - p == 3 && !memcmp(p, "LEN", 3)) break;
        if (next == stop) return end;
    }
    const uint8_t *last = r->end > r->line && r->end[-1] == '\r' ? r->end - 1 : r->end;
    for (p = r->tab[FORMAT] + 1; p <= last; p++) {           /* at: which value of the sample begins at p */
        const uint8_t *begin = p;
        while (p < last && *p != ':' && *p != '\t') p++;
        int64_t number = 0, n = 0;
        for (; begin + n < p && is_digit(begin[n]); n++)
            if (n < MOST_DIGITS) number = number * 10 + begin[n] - '0';
        if (at == place && n && begin + n == p) end = most(end, first + number);
        at = p < last && *p == ':' ? at + 1 : 0;
    }
    return end;
}

int64_t *record_ends(const Piece *piece, int num_columns, Arena *arena) {
    int64_t *ends = take(arena, (size_t)piece->num_records * sizeof(int64_t));
    /* Most files have none of them. */
    int in_info = piece->words & (HAS_END | HAS_SVLEN), in_samples = num_columns > SAMPLE && piece->words & HAS_LEN;
    for (int64_t i = 0; i < piece->num_records; i++) {
        const Record *r = piece->record + i;
        int64_t first = most(r->pos - 1, 0);
        ends[i] = first + most(field_of(r, REF).n, 1);
        if (in_info) ends[i] = end_in_info(r->info, first, ends[i]);
        if (in_samples) ends[i] = end_in_samples(r, first, ends[i]);
    }
    return ends;
}

/* The smallest bin that holds both, 0-based. Source: the SAM specification, section 5.3, and CSIv1. */
static int64_t bin_of(int64_t first, int64_t last, int depth) {
    for (int level = depth; level > 0; level--) {
        int shift = WINDOW_SHIFT + 3 * (depth - level);
        if (first >> shift == last >> shift) return (((int64_t)1 << 3 * level) - 1) / 7 + (first >> shift);
    }
    return 0;
}

void add_place(Places *places, int64_t run, int64_t first, int64_t end, int64_t begin, int64_t stop, int depth) {
    int64_t last = least(end, (int64_t)1 << (WINDOW_SHIFT + 3 * depth)) - 1;
    int64_t bin = bin_of(first, last, depth), window = last >> WINDOW_SHIFT;
    Spot *spot = places->spot + places->num_spots;
    if (!places->num_spots || spot[-1].run != run || spot[-1].bin != bin) {
        *spot = (Spot){run, bin, begin, stop};
        places->num_spots++;
    } else spot[-1].end = stop;
    Rise *rise = places->rise + places->num_rises;
    if (!places->num_rises || rise[-1].run != run || rise[-1].window < window) {
        *rise = (Rise){run, window, begin};
        places->num_rises++;
    }
}
