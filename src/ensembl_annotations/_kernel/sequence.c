#include "sequence.h"

#include <stdlib.h>

enum { BLOCK = 4096, PER_BLOCK = 4 * BLOCK };
/* In the file T, C, A, G are 0 to 3; with us A, C, G, T. */
static const uint8_t from_2bit[4] = {3, 1, 0, 2};

static uint32_t *copied(const uint8_t *p, int64_t count) {
    uint32_t *out = need_memory(NULL, (size_t)count * 4);
    if (count) memcpy(out, p, (size_t)count * 4);
    return out;
}

static int gaps_fit(const Sequence *s) {
    int64_t last = 0;
    for (int64_t i = 0; i < s->num_gaps; i++) {
        int64_t end = (int64_t)s->gap_begin[i] + s->gap_length[i];
        if (s->gap_begin[i] < last || !s->gap_length[i] || end > s->length) return 0;
        last = end;
    }
    return 1;
}

/* `head` is the file up to the packed bases, `tail` the table behind them: what the checksums leave bare. */
Sequence *open_sequence(int fd, int32_t file, const uint8_t *head, int64_t head_bytes, const uint8_t *tail, int64_t tail_bytes, Problem *problem) {
    Sequence *s = need_memory(NULL, sizeof *s);
    *s = (Sequence){.fd = fd, .file = file};
    int64_t at = 17 + (head_bytes > 16 ? head[16] : 0);      /* behind the name, whose length comes first */
    int good = head_bytes >= at + 4 && load32(head) == 0x1A412743 && !load32(head + 4) && load32(head + 8) == 1;
    good = good && load32(head + at) == at + 4 && head_bytes >= at + 12;
    if (good) {
        s->length = load32(head + at + 4), s->num_gaps = load32(head + at + 8);
        s->packed_at = at + 12 + 8 * s->num_gaps + 8;
        s->num_packed = (s->length + 3) / 4;
        good = s->packed_at == head_bytes && !load32(head + s->packed_at - 8) && tail_bytes == (s->num_packed + BLOCK - 1) / BLOCK * 4;
    }
    if (good) {
        s->gap_begin = copied(head + at + 12, s->num_gaps);
        s->gap_length = copied(head + at + 12 + 4 * s->num_gaps, s->num_gaps);
        s->crc = copied(tail, tail_bytes / 4);
        good = gaps_fit(s);
    }
    if (good) return s;
    fail_store(problem, file, "is not one sequence in .2bit form");
    close_sequence(s);
    return NULL;
}

void close_sequence(Sequence *s) {
    if (!s) return;
    free(s->gap_begin);
    free(s->gap_length);
    free(s->crc);
    free(s);
}

static int fetch(const Sequence *s, Window *window, int64_t block, Problem *problem) {
    int64_t begin = block * BLOCK, size = least(BLOCK, s->num_packed - begin);
    window->sequence = NULL;
    if (read_fully(s->fd, window->bytes, size, s->packed_at + begin))
        return fail_store(problem, s->file, "can't be read any more: it was cut or replaced, or its disk fails");
    if (!is_intact(window->bytes, (size_t)size, s->crc[block])) return fail_store(problem, s->file, "its bases are altered");
    window->sequence = s, window->block = block, window->gap = 0;
    return 0;
}

static int is_gap(const Sequence *s, Window *window, int64_t place) {
    int64_t gap = window->gap;
    if (gap >= s->num_gaps || place < s->gap_begin[gap] || (gap + 1 < s->num_gaps && place >= s->gap_begin[gap + 1])) {
        int64_t low = -1, high = s->num_gaps;                /* the last one that begins there or before */
        while (high - low > 1) {
            int64_t middle = (low + high) / 2;
            if (s->gap_begin[middle] <= place) low = middle;
            else high = middle;
        }
        if (low < 0) return 0;
        window->gap = gap = low;
    }
    return place < (int64_t)s->gap_begin[gap] + s->gap_length[gap];
}

int base_at(const Sequence *s, Window *window, int64_t place, Problem *problem) {
    if (place < 0 || place >= s->length) return 255;
    int64_t block = place / PER_BLOCK;
    if ((window->sequence != s || window->block != block) && fetch(s, window, block, problem)) return -1;
    if (s->num_gaps && is_gap(s, window, place)) return 255;
    int64_t within = place - block * PER_BLOCK;
    return from_2bit[window->bytes[within / 4] >> (6 - 2 * (within % 4)) & 3];
}

int bases_agree(const Sequence *s, Window *window, int64_t begin, Text bases, Problem *problem) {
    if (!bases.n) return 1;
    if (begin < 0 || begin > s->length - bases.n) return 0;
    for (int64_t i = 0; i < bases.n; i++) {
        int one = base_at(s, window, begin + i, problem), other = base_of[bases.p[i]];
        if (one < 0) return -1;
        if (one != other && one < 4 && other < 4) return 0;
    }
    return 1;
}
