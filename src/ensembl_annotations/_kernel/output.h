/* The text of the annotated VCF: the input's bytes, with tags and IDs added. */
#ifndef KERNEL_OUTPUT_H
#define KERNEL_OUTPUT_H
#include "csq.h"
#include "values.h"

/* What one record gets. */
typedef struct {
    const Record *record;
    const Item *item;            /* of all its ALTs */
    int64_t num_items;
    const Site *site;            /* at its place, its own matches left out */
    int64_t num_sites;
    const Text *af;              /* by number of the ALT in the piece */
    int is_par;
    const Consequences *consequences;
} Change;

void put_record(Out *out, const Change *change, const Options *options);
/* The record's own IDs have an rsID that is none of the matches. */
int ids_conflict(const Change *change);

#endif
