/* Thrift's compact protocol, as parquet files have it. Nothing is read behind the end: `is_bad` says so. */
#ifndef KERNEL_THRIFT_H
#define KERNEL_THRIFT_H
#include "common.h"

typedef struct {
    const uint8_t *p, *end;
    int is_bad;
} Cursor;
enum { STOP, TRUE_FIELD, FALSE_FIELD, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT };

static inline uint8_t next_byte(Cursor *c) {
    if (c->p >= c->end) {
        c->is_bad = 1;
        return 0;
    }
    return *c->p++;
}

static inline uint64_t varint(Cursor *c) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = next_byte(c);
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) return value;
    }
    c->is_bad = 1;
    return 0;
}

static inline int64_t zigzag(Cursor *c) {
    uint64_t value = varint(c);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* A number that must be from 0 to `limit`. */
static inline int64_t bounded(Cursor *c, int64_t limit) {
    int64_t value = zigzag(c);
    if (value < 0 || value > limit) c->is_bad = 1;
    return c->is_bad ? 0 : value;
}

static inline Text binary(Cursor *c) {
    uint64_t n = varint(c);
    if (c->is_bad || n > (uint64_t)(c->end - c->p)) {
        c->is_bad = 1;
        return (Text){c->p, 0};
    }
    Text text = {c->p, (int64_t)n};
    c->p += n;
    return text;
}

/* The type of the next field of a struct, and its number; STOP at its end. */
static inline int next_field(Cursor *c, int *number) {
    uint8_t byte = next_byte(c);
    int type = byte & 15;
    if (c->is_bad || type == STOP) return STOP;
    if (byte >> 4) *number += byte >> 4;
    else *number = (int)zigzag(c) & 0xFFFF;
    return c->is_bad ? STOP : type;
}

static inline int64_t list_length(Cursor *c, int *type) {
    uint8_t byte = next_byte(c);
    *type = byte & 15;
    int64_t n = byte >> 4 == 15 ? (int64_t)varint(c) : byte >> 4;
    if (n < 0 || n > c->end - c->p) c->is_bad = 1;      /* each takes at least a byte */
    return c->is_bad ? 0 : n;
}

static inline void skip(Cursor *c, int type, int depth) {
    int number = 0, inner;
    if (depth > 16) c->is_bad = 1;
    if (c->is_bad) return;
    switch (type) {
    case TRUE_FIELD: case FALSE_FIELD: return;
    case BYTE: next_byte(c); return;
    case I16: case I32: case I64: varint(c); return;
    case DOUBLE: for (int i = 0; i < 8; i++) next_byte(c); return;
    case BINARY: binary(c); return;
    case LIST: case SET:
        for (int64_t n = list_length(c, &inner); n > 0 && !c->is_bad; n--)
            if (inner <= FALSE_FIELD) next_byte(c);
            else skip(c, inner, depth + 1);
        return;
    case STRUCT: while ((inner = next_field(c, &number))) skip(c, inner, depth + 1); return;
    default: c->is_bad = 1;
    }
}

#endif
