/* From hits to values: one item for each ALT and ID. */
#ifndef KERNEL_VALUES_H
#define KERNEL_VALUES_H
#include "piece.h"

typedef struct {
    int32_t allele;
    uint32_t rs;
    Text name;                   /* the ID where it is no rsID */
    uint8_t is_multi, is_shifted, has_frequency;
    int64_t mac;                 /* -1 for null */
    Text allele_clin, clin, evidence, source, tsa, ma, maf, aa;
} Item;

typedef struct {
    Item *item;
    int64_t num_items;
    Text *af;                    /* of each ALT: its frequency where all that is known agrees */
} Values;

/* Sorts the hits and sites; the values live in the arena. */
Values find_values(Match *match, int64_t num_alleles, Arena *arena);
void sort_sites(Match *match);

int id_order(uint32_t rs, Text name, uint32_t other_rs, Text other);

#endif
