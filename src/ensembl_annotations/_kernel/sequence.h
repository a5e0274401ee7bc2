/* A chromosome's sequence in UCSC's .2bit form, with a table of checksums behind it.

   Source: https://genome.ucsc.edu/FAQ/FAQformat.html#format7. The table has the CRC-32 of each 4,096 bytes
   from the packed bases on; other readers do not look behind the bases. */
#ifndef KERNEL_SEQUENCE_H
#define KERNEL_SEQUENCE_H
#include "common.h"

typedef struct {
    int32_t fd, file;
    int64_t length;                    /* bases */
    int64_t packed_at, num_packed;     /* bytes in the file */
    int64_t num_gaps;                  /* runs of N, ascending */
    uint32_t *gap_begin, *gap_length;
    uint32_t *crc;                     /* of each block */
} Sequence;

/* The block that was read last: look-ups mostly ascend. */
typedef struct {
    const Sequence *sequence;
    int64_t block, gap;
    uint8_t bytes[4096];
} Window;

Sequence *open_sequence(int fd, int32_t file, const uint8_t *head, int64_t head_bytes, const uint8_t *tail, int64_t tail_bytes, Problem *problem);
void close_sequence(Sequence *sequence);

/* The base at a place (0 to 3 for ACGT); 255 for N and outside; -1 where the file can't be read. */
int base_at(const Sequence *sequence, Window *window, int64_t place, Problem *problem);
/* Whether bases agree with the sequence wherever both have ACGT; what leaves it does not. -1: failed. */
int bases_agree(const Sequence *sequence, Window *window, int64_t begin, Text bases, Problem *problem);

#endif
