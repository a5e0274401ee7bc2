/* The allele key: what makes two spellings the same variant. variants/alleles.py explains the rules. */
#ifndef KERNEL_ALLELES_H
#define KERNEL_ALLELES_H
#include "common.h"

/* Codes: 4 * REF + ALT for SNVs in the order ACGT; where REF would be ALT, the kinds of all others. */
enum { NOT_COMPARABLE = 0, DELETION = 5, INSERTION = 10, OTHER = 15 };

typedef struct {
    int64_t offset;          /* how far the key starts behind POS - 1 */
    Text deleted, inserted;  /* as written, in any case of letters */
    int code;
} Key;

static inline int is_snv(int code) { return code % 5 != 0; }
static inline int is_indel(int code) { return code == DELETION || code == INSERTION; }

Key key_of(Text ref, Text alt);
/* Whether two REFs agree where their spans overlap, wherever both have ACGT. */
int refs_agree(int64_t pos, Text ref, int64_t other_pos, Text other);
/* Whether a unit, moved by a number of bases, is another: rotated by that number. */
int is_rotated(Text unit, Text other, int64_t moved);

/* Decimal numbers as text, from 0 to 1. */
Text one_minus(Text number, Arena *arena);
int same_number(Text a, Text b);

#endif
