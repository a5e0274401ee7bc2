#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int fail_store(Problem *problem, int32_t file, const char *text) {
    problem->kind = BAD_STORE;
    problem->file = file;
    snprintf(problem->text, sizeof problem->text, "%s", text);
    return -1;
}

int fail_input(Problem *problem, int what, int64_t line, int detail) {
    problem->kind = BAD_INPUT, problem->what = what, problem->line = line, problem->detail = detail;
    return -1;
}

int read_fully(int fd, uint8_t *to, int64_t size, int64_t at) {
    while (size > 0) {
        ssize_t n = pread(fd, to, (size_t)size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        to += n, at += n, size -= n;
    }
    return 0;
}

/* ---- memory ---- */

void *need_memory(void *old, size_t size) {
    void *found = realloc(old, size ? size : 1);
    if (!found) {
        fprintf(stderr, "ensembl-annotations: out of memory (%zu bytes)\n", size);
        abort();
    }
    return found;
}

void *grown(void *list, int64_t count, int64_t *room, size_t size) {
    if (count < *room) return list;
    *room = *room * 2 + 64;
    return need_memory(list, (size_t)*room * size);
}

/* Go on in the next block; where that is too small, in a new one before it. */
static void use_next_block(Arena *arena, size_t size) {
    enum { STEP = 1 << 18 };
    if (arena->next == arena->count || arena->block[arena->next].size < size) {
        /* An eighth more: the next time it will be about as much, not exactly. */
        size_t more = (size + size / 8 + STEP - 1) / STEP * STEP;
        arena->block = grown(arena->block, arena->count, &arena->room, sizeof(Block));
        arena->block[arena->count++] = arena->block[arena->next];
        arena->block[arena->next] = (Block){need_memory(NULL, more), more};
        arena->total += more;
    }
    const Block *block = arena->block + arena->next++;
    arena->at = block->begin, arena->end = block->begin + block->size;
}

void *take(Arena *arena, size_t size) {
    /* Loads of 8 bytes may begin at the last one. */
    size = (size + 8 + 15) & ~(size_t)15;
    if ((size_t)(arena->end - arena->at) < size) use_next_block(arena, size);
    void *found = arena->at;
    arena->at += size;
    return found;
}

void *take_zeroed(Arena *arena, size_t size) { return memset(take(arena, size), 0, size); }

Text keep(Arena *arena, Text text) {
    if (!text.p) return text;
    uint8_t *copy = take(arena, (size_t)text.n);
    memcpy(copy, text.p, (size_t)text.n);
    return (Text){copy, text.n};
}

void rewind_arena(Arena *arena) {
    arena->at = arena->end = NULL;
    arena->next = 0;
}

void clear(Arena *arena) {
    while (arena->count) free(arena->block[--arena->count].begin);
    free(arena->block);
    memset(arena, 0, sizeof *arena);
}

/* ---- growing text ---- */

void grow(Out *out, size_t more) {
    size_t used = (size_t)(out->at - out->begin), room = (size_t)(out->end - out->begin) * 2 + more + 64;
    out->begin = need_memory(out->begin, room);
    out->at = out->begin + used;
    out->end = out->begin + room;
}

void put_string(Out *out, const char *text) { put(out, text, strlen(text)); }

/* Two digits at a time. */
Text decimal_text(uint8_t digits[20], uint64_t number) {
    uint8_t *p = digits + 20;
    for (; number > 9; number /= 100) *--p = (uint8_t)('0' + number % 10), *--p = (uint8_t)('0' + number / 10 % 10);
    if (number || p == digits + 20) *--p = (uint8_t)('0' + number);
    return (Text){p, digits + 20 - p};
}

void put_number(Out *out, uint64_t number) {
    uint8_t digits[20];
    Text text = decimal_text(digits, number);
    put(out, text.p, (size_t)text.n);
}

/* ---- letters ---- */

#define X 255
const uint8_t base_of[256] = {
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, 0, X, 1, X, X, X, 2, X, X, X, X, X, X, X, X, X, X, X, X, 3, X, X, X, X, X, X, X, X, X, X, X,
    X, 0, X, 1, X, X, X, 2, X, X, X, X, X, X, X, X, X, X, X, X, 3, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
#undef X

/* A B C D G H K M N R S T U V W Y, in any case. */
const uint8_t is_iupac[256] = {
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['G'] = 1, ['H'] = 1, ['K'] = 1, ['M'] = 1,
    ['N'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['Y'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['g'] = 1, ['h'] = 1, ['k'] = 1, ['m'] = 1,
    ['n'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['y'] = 1,
};

#define ROW(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define ROWS(n) ROW(n), ROW(n + 8), ROW(n + 16), ROW(n + 24)
const uint8_t upper[256] = {
    ROWS(0), ROWS(32), ROWS(64),
    96, 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R',
    'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 123, 124, 125, 126, 127,
    ROWS(128), ROWS(160), ROWS(192), ROWS(224),
};

int same_text(Text a, Text b) {
    return a.n == b.n && (a.p == b.p || (a.p && b.p && !memcmp(a.p, b.p, (size_t)a.n)));
}

int same_alleles(Text a, Text b) {
    if (a.n != b.n) return 0;
    for (int64_t i = 0; i < a.n; i++)
        if (upper[a.p[i]] != upper[b.p[i]]) return 0;
    return 1;
}

int text_order(Text a, Text b) {
    int64_t n = least(a.n, b.n);
    int order = n ? memcmp(a.p, b.p, (size_t)n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Source: RFC 3629, section 4; what Python decodes, byte for byte. */
static int utf8_length(const uint8_t *p, int64_t room) {
    uint8_t c = p[0];
    if (c < 0x80) return 1;
    int n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || room < n) return 0;
    uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    uint8_t high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) return 0;
    for (int i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return n;
}

int is_utf8(const uint8_t *p, int64_t n) {
    while (n > 0) {
        while (n >= 8 && !(load64(p) & 0x8080808080808080ull)) p += 8, n -= 8;
        if (!n) return 1;
        int length = utf8_length(p, n);
        if (!length) return 0;
        p += length, n -= length;
    }
    return 1;
}
