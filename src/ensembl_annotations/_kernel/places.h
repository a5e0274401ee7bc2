/* Where the records of a piece are in its annotated text: what a CSI or TBI index is made from. */
#ifndef KERNEL_PLACES_H
#define KERNEL_PLACES_H
#include "piece.h"

/* Records that follow one another in one bin. */
typedef struct {
    int64_t run, bin, begin, end;
} Spot;

/* The last window that any record up to here reaches, and where the first that does so begins. */
typedef struct {
    int64_t run, window, begin;
} Rise;

typedef struct {
    Spot *spot;
    Rise *rise;
    int64_t num_spots, num_rises;
} Places;

enum { WINDOW_SHIFT = 14 };

/* For each record, the 0-based place behind it: the farthest that any program takes for its end. */
int64_t *record_ends(const Piece *piece, int num_columns, Arena *arena);
void add_place(Places *places, int64_t run, int64_t first, int64_t end, int64_t begin, int64_t stop, int depth);

#endif
