#include "alleles.h"

static int is_literal(Text allele) {
    for (int64_t i = 0; i < allele.n; i++)
        if (!is_iupac[allele.p[i]]) return 0;
    return allele.n > 0;
}

static int code_of(Text deleted, Text inserted) {
    if (!inserted.n) return DELETION;
    if (!deleted.n) return INSERTION;
    int one = base_of[*deleted.p], other = base_of[*inserted.p];
    return deleted.n == 1 && inserted.n == 1 && one < 4 && other < 4 ? 4 * one + other : OTHER;
}

Key key_of(Text ref, Text alt) {
    const Key none = {0, {ref.p, 0}, {alt.p, 0}, NOT_COMPARABLE};
    if (ref.n == 1 && alt.n == 1) {
        int one = base_of[*ref.p], other = base_of[*alt.p];
        if (one < 4 && other < 4) return one == other ? none : (Key){0, ref, alt, 4 * one + other};
    }
    if (!is_literal(ref) || !is_literal(alt)) return none;
    int64_t n = ref.n, m = alt.n, k = 0;
    while (n && m && upper[ref.p[n - 1]] == upper[alt.p[m - 1]]) n--, m--;
    while (k < n && k < m && upper[ref.p[k]] == upper[alt.p[k]]) k++;
    if (n == k && m == k) return none;
    Text deleted = {ref.p + k, n - k}, inserted = {alt.p + k, m - k};
    for (int64_t i = 0; i < inserted.n; i++)
        if (upper[inserted.p[i]] == 'N') return none;        /* a placeholder, no base */
    return (Key){k, deleted, inserted, code_of(deleted, inserted)};
}

int refs_agree(int64_t pos, Text ref, int64_t other_pos, Text other) {
    int64_t begin = most(pos, other_pos), end = least(pos + ref.n, other_pos + other.n);
    for (int64_t i = begin; i < end; i++) {
        int one = base_of[ref.p[i - pos]], two = base_of[other.p[i - other_pos]];
        if (one != two && one < 4 && two < 4) return 0;
    }
    return 1;
}

int is_rotated(Text unit, Text other, int64_t moved) {
    if (unit.n != other.n || !unit.n) return 0;
    int64_t turn = moved % unit.n;
    if (turn < 0) turn += unit.n;
    for (int64_t i = 0; i < unit.n; i++) {
        int64_t from = i + turn < unit.n ? i + turn : i + turn - unit.n;
        if (upper[unit.p[from]] != upper[other.p[i]]) return 0;
    }
    return 1;
}

/* ---- decimal numbers ---- */

typedef struct {
    uint8_t *digit;   /* 0 to 9, without zeros in front */
    int64_t n, scale; /* how many; digits behind the point, negative for zeros before it */
} Decimal;

/* Of a text that is_frequency of variants/alleles.py let through. */
static Decimal decimal_of(Text text, Arena *arena) {
    Decimal d = {take(arena, (size_t)text.n), 0, 0};
    int64_t i = 0, behind = 0, exponent = 0, sign = 1;
    for (; i < text.n && text.p[i] != 'e' && text.p[i] != 'E'; i++) {
        if (text.p[i] == '.') {
            behind = 1;
            continue;
        }
        d.scale += behind;
        if (d.n || text.p[i] != '0') d.digit[d.n++] = text.p[i] - '0';
    }
    for (i++; i < text.n; i++) {
        if (text.p[i] == '-') sign = -1;
        else if (text.p[i] >= '0' && text.p[i] <= '9' && exponent < 10000) exponent = exponent * 10 + text.p[i] - '0';
    }
    d.scale -= sign * exponent;
    return d;
}

Text one_minus(Text number, Arena *arena) {
    Decimal d = decimal_of(number, arena);
    int64_t scale = most(d.scale, 0);
    uint8_t *out = take(arena, (size_t)scale + 2);
    if (!scale) {                                            /* 0 or 1 */
        *out = d.n ? '0' : '1';
        return (Text){out, 1};
    }
    int borrow = 0;                                          /* 1.000… less the digits, from the right */
    for (int64_t i = 0; i < scale; i++) {
        int digit = -(i < d.n ? d.digit[d.n - 1 - i] : 0) - borrow;
        borrow = digit < 0;
        out[scale + 1 - i] = (uint8_t)('0' + digit + 10 * borrow);
    }
    out[0] = (uint8_t)('0' + 1 - borrow - (d.n > scale ? d.digit[0] : 0));
    out[1] = '.';
    return (Text){out, scale + 2};
}

int same_number(Text a, Text b) {
    if (same_text(a, b)) return 1;
    Arena arena = {0};
    Decimal one = decimal_of(a, &arena), other = decimal_of(b, &arena);
    while (one.n && !one.digit[one.n - 1]) one.n--, one.scale--;
    while (other.n && !other.digit[other.n - 1]) other.n--, other.scale--;
    int same = one.n == other.n && (!one.n || (one.scale == other.scale && !memcmp(one.digit, other.digit, (size_t)one.n)));
    clear(&arena);
    return same;
}
