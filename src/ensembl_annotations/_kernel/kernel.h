/* What the library offers to __init__.py, which has the same structures. A change of any of them, or of what
   a function does, raises ABI in both. */
#ifndef KERNEL_H
#define KERNEL_H
#include "columns.h"
#include "output.h"
#include "places.h"

enum { ABI = 6 };
#define PUBLIC __attribute__((visibility("default")))

/* How the REFs of records with an SNV compare with the reference's bases; of others, how their first base does. */
typedef struct {
    int64_t num, num_agree, num_swapped, num_asked, num_others, num_others_agree;
} Compared;

typedef struct Room Room;

/* Runs, spots and rises are in the room, until it rests; the text is where it was asked for. */
typedef struct {
    /* the annotated text */
    uint8_t *text;
    int64_t text_bytes;
    /* the runs of CHROM, and the places for an index */
    ContigRun *run;
    int64_t num_runs;
    Spot *spot;
    int64_t num_spots;
    Rise *rise;
    int64_t num_rises;
    int64_t last_base;
    /* counts */
    int64_t num_records, num_alleles, num_exact, num_shifted, num_par, num_conflicts;
    int64_t reason[NUM_REASONS];
    int64_t num_untyped[3], untyped_line[3], untyped_begin[3], untyped_length[3];
    Compared compared;
    /* consequences: ALTs by the most severe term */
    int64_t num_terms[NUM_TERMS];
    int64_t num_ref_differs;             /* not called: REF is not what the sequence has */
} Result;

PUBLIC int kernel_abi(void);
PUBLIC int64_t kernel_size(int which);            /* of Options, Result, Problem, Columns: __init__.py has the same */
PUBLIC uint32_t kernel_crc32(const uint8_t *p, int64_t n);
PUBLIC Table *kernel_open_table(int fd, int32_t file, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem);
PUBLIC void kernel_close_table(Table *table);
PUBLIC int64_t kernel_num_rows(const Table *table);
PUBLIC GeneFile *kernel_open_genes(int fd, int32_t file, int64_t file_bytes, const uint8_t *footer, int64_t footer_bytes, Problem *problem);
PUBLIC void kernel_close_genes(GeneFile *file);
PUBLIC int64_t kernel_num_transcripts(const GeneFile *file);
PUBLIC const char *kernel_term(int number);       /* by severity; NULL behind the last */
PUBLIC Sequence *kernel_open_sequence(int fd, int32_t file, const uint8_t *head, int64_t head_bytes, const uint8_t *tail, int64_t tail_bytes, Problem *problem);
PUBLIC void kernel_close_sequence(Sequence *sequence);
PUBLIC int64_t kernel_num_bases(const Sequence *sequence);
PUBLIC int kernel_bases(const Sequence *sequence, int64_t begin, int64_t count, uint8_t *bases, Problem *problem);
PUBLIC int64_t kernel_runs(const uint8_t *text, int64_t size, ContigRun **runs);
PUBLIC void kernel_free_runs(ContigRun *runs);
PUBLIC int64_t kernel_parts(const uint8_t *text, int64_t size, const Work *work, Part **parts);
PUBLIC void kernel_free_parts(Part *parts);
PUBLIC Room *kernel_new_room(void);
PUBLIC void kernel_free_room(Room *room);
PUBLIC void kernel_rest_room(Room *room);
PUBLIC Out *kernel_new_text(void);
PUBLIC void kernel_free_text(Out *out);
PUBLIC void kernel_rest_text(Out *out);
PUBLIC Columns *kernel_new_columns(void);
PUBLIC void kernel_free_columns(Columns *columns);
PUBLIC void kernel_rest_columns(Columns *columns);
/* Columns may be NULL: then none are made. */
PUBLIC int kernel_annotate(Room *room, const uint8_t *text, int64_t size, const Options *options, Columns *columns, Out *out, Result *result, Problem *problem);
PUBLIC int kernel_compare(const uint8_t *text, int64_t size, const Options *options, int64_t enough, Compared *compared, Problem *problem);

#endif
