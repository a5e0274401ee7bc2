/* The consequences of a piece's ALTs: which transcript is told, and the text of ENS_CSQ and ENS_WORST. */
#ifndef KERNEL_CSQ_H
#define KERNEL_CSQ_H
#include "hgvs.h"
#include "piece.h"

/* The text of an ALT, in `text` of the consequences; nothing where it was not called. */
typedef struct {
    int64_t csq, worst, end;
} Told;

typedef struct {
    Told *told;                  /* of each ALT of the piece; NULL where consequences are not asked for */
    Out text;
    int64_t num_terms[NUM_TERMS];/* ALTs by the most severe term of all transcripts */
    int64_t num_ref_differs;     /* ALTs that are not called because REF is not what the sequence has */
} Consequences;

/* What one piece leaves for the next: transcripts that were read, of the contig itself and of X, and memory. */
typedef struct {
    Genes own, x;
    Arena arena;                 /* for one ALT */
    Call *call;                  /* of one ALT: a row per transcript */
    int64_t call_room;
    Out text;
} CallRoom;

int find_consequences(CallRoom *room, const Piece *piece, const Options *options, Consequences *found, Problem *problem);
void drop_consequences(CallRoom *room, Consequences *found);
int64_t call_room_bytes(const CallRoom *room);
void drop_call_room(CallRoom *room);
void put_consequences(Out *out, const Record *record, const Consequences *found, uint32_t tags, int *count);
static inline int has_consequences(const Consequences *found, const Record *record) {
    for (int32_t i = 0; found->told && i < record->num_alleles; i++)
        if (found->told[record->first_allele + i].end > found->told[record->first_allele + i].csq) return 1;
    return 0;
}

#endif
