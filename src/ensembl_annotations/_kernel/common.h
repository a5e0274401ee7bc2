/* What all parts of the kernel share: texts, memory, what went wrong, letters. */
#ifndef KERNEL_COMMON_H
#define KERNEL_COMMON_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of somebody else; `p` is NULL where there is no value. */
typedef struct {
    const uint8_t *p;
    int64_t n;
} Text;

/* Why a call failed. Of an input, Python makes the sentence from the line; of a store, `text` is it. */
enum { ALL_GOOD, BAD_INPUT, BAD_STORE };
enum { BAD_COLUMNS, BAD_POS, NOT_UTF8, BAD_QUAL, HAS_TAG, LONG_ALLELES, MANY_ALTS, MUCH_TOLD, LONG_COLUMN };
typedef struct {
    int32_t kind;
    int32_t what;    /* of an input, which check */
    int32_t detail;  /* the column, of the VCF or the table, or the tag */
    int32_t file;    /* of a store, the number that the file was opened with */
    int64_t line;    /* of an input, from 0 within the piece */
    char text[160];
} Problem;

int fail_store(Problem *problem, int32_t file, const char *text);
int fail_input(Problem *problem, int what, int64_t line, int detail);

/* Memory that is freed as a whole, or used again from its beginning. What is asked for is there, or the process ends. */
typedef struct {
    uint8_t *begin;
    size_t size;
} Block;

typedef struct {
    uint8_t *at, *end;
    Block *block;
    int64_t count, room, next;    /* blocks; the next one to be used */
    size_t total;                 /* bytes of all */
} Arena;

void *need_memory(void *old, size_t size);
void *take(Arena *arena, size_t size);
void *take_zeroed(Arena *arena, size_t size);
Text keep(Arena *arena, Text text);
void rewind_arena(Arena *arena);
void clear(Arena *arena);

/* Text that grows. */
typedef struct {
    uint8_t *begin, *at, *end;
} Out;

/* Most texts are so short that a call takes longer than the copy. */
static inline void copy_bytes(uint8_t *to, const void *from, size_t n) {
    const uint8_t *p = from;
    if (n > 16) memcpy(to, p, n);
    else if (n >= 8) memcpy(to, p, 8), memcpy(to + n - 8, p + n - 8, 8);
    else if (n >= 4) memcpy(to, p, 4), memcpy(to + n - 4, p + n - 4, 4);
    else if (n) to[0] = p[0], to[n / 2] = p[n / 2], to[n - 1] = p[n - 1];
}

void grow(Out *out, size_t more);
static inline void reserve(Out *out, size_t more) {
    if ((size_t)(out->end - out->at) < more) grow(out, more);
}
static inline void put(Out *out, const void *p, size_t n) {
    if (!n) return;
    reserve(out, n);
    copy_bytes(out->at, p, n);
    out->at += n;
}
static inline void put_char(Out *out, char c) {
    reserve(out, 1);
    *out->at++ = (uint8_t)c;
}
void put_string(Out *out, const char *text);
Text decimal_text(uint8_t digits[20], uint64_t number);
void put_number(Out *out, uint64_t number);

/* Lists that grow: room for one more of `size` bytes. */
void *grown(void *list, int64_t count, int64_t *room, size_t size);

/* Letters. `base_of` is 0 to 3 for ACGT in any case, else 255. */
extern const uint8_t base_of[256], upper[256], is_iupac[256];

static inline uint64_t load64(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}
static inline uint32_t load32(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, 4);
    return value;
}
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

int same_text(Text a, Text b);     /* byte for byte */
int same_alleles(Text a, Text b);  /* in any case of letters */
int text_order(Text a, Text b);
int is_utf8(const uint8_t *p, int64_t n);

/* Read exactly `size` bytes; -1 where the file has not as many, or can't be read. */
int read_fully(int fd, uint8_t *to, int64_t size, int64_t at);

uint32_t crc32_of(const uint8_t *p, size_t n);

/* A fuzzer has to get behind the checksums. */
static inline int is_intact(const uint8_t *p, size_t n, uint32_t crc) {
#ifdef FUZZING
    return (void)p, (void)n, (void)crc, 1;
#else
    return crc32_of(p, n) == crc;
#endif
}

#endif
