/* Feed the kernel mutated pieces of a VCF, footers, pages and sequences, for a number of seconds.

   fuzz SECONDS SEED STORE.parquet STORE.2bit QUERY.txt CRASH STORE.genes.parquet

   Built with AddressSanitizer and UndefinedBehaviorSanitizer, and with -DFUZZING, which takes every checksum for right:
   else hardly a mutated page would be looked into. Before each call the inputs are written to the folder CRASH;
   what is there after a crash made it. */
#define _GNU_SOURCE
#include "kernel.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    uint8_t *p;
    int64_t n;
} Bytes;

static uint64_t state;

static uint64_t next_random(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

static Bytes read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) perror(path), exit(2);
    fseek(file, 0, SEEK_END);
    Bytes data = {NULL, ftell(file)};
    rewind(file);
    data.p = malloc((size_t)data.n + 4096);
    if (fread(data.p, 1, (size_t)data.n, file) != (size_t)data.n) exit(2);
    fclose(file);
    return data;
}

static Bytes copy(Bytes data) {
    Bytes other = {malloc((size_t)data.n + 4096), data.n};
    memcpy(other.p, data.p, (size_t)data.n);
    return other;
}

/* Flip, overwrite, repeat or cut some bytes between two places. */
static void mutate(Bytes *data, int64_t low, int64_t high, int can_resize) {
    static const uint8_t odd[] = {0, 1, 9, 10, 13, ',', ';', '.', 'N', 'A', 127, 128, 254, 255};
    for (int64_t count = 1 + (int64_t)(next_random() % 6); count && high > low; count--) {
        int64_t at = low + (int64_t)(next_random() % (uint64_t)(high - low));
        switch (next_random() % (can_resize ? 5 : 3)) {
        case 0: data->p[at] ^= (uint8_t)(1 << next_random() % 8); break;
        case 1: data->p[at] = odd[next_random() % sizeof odd]; break;
        case 2: data->p[at] = (uint8_t)next_random(); break;
        case 3:
            if (data->n > 3000000) break;
            data->p = realloc(data->p, (size_t)data->n * 2 + 8192);
            memmove(data->p + at + (data->n - at) / 2, data->p + at, (size_t)(data->n - at));
            data->n += (data->n - at) / 2, high = data->n;
            break;
        default: data->n = at + 1, high = data->n;
        }
    }
}

static void save(const char *folder, const char *name, Bytes data) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file) return;
    fwrite(data.p, 1, (size_t)data.n, file);
    fclose(file);
}

static int as_file(Bytes data) {
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data.p, (size_t)data.n) != data.n) exit(2);
    return fd;
}

static int64_t footer_of(Bytes file) {
    int64_t footer = file.n >= 8 ? load32(file.p + file.n - 8) : 0;
    return footer > file.n - 8 ? 0 : footer;
}

static void call(Room *room, Columns *columns, Out *out, Bytes table, Bytes sequence, Bytes text, Bytes genes, int head) {
    Problem problem;
    int64_t footer = footer_of(table), end = footer_of(genes);
    int fd = as_file(table), other = as_file(sequence), third = as_file(genes);
    GeneFile *transcripts = kernel_open_genes(third, 2, genes.n, genes.p + genes.n - 8 - end, end, &problem);
    Table *opened = kernel_open_table(fd, 0, table.n, table.p + table.n - 8 - footer, footer, &problem);
    int64_t tail = sequence.n >= head ? ((sequence.n - head) / 4097 + 1) * 4 : 0;
    if (tail > sequence.n) tail = 0;
    Sequence *bases = kernel_open_sequence(other, 1, sequence.p, least(head, sequence.n), sequence.p + sequence.n - tail, tail, &problem);
    ContigRun *runs;
    Options options = {.num_columns = (int32_t)(next_random() % 4 ? 10 : 8 + next_random() % 5), .tags = (uint32_t)next_random() & 0x1FFFF, .id_mode = (int32_t)(next_random() % 3),
                       .overwrite = next_random() & 1, .check_records = next_random() & 1, .check_calls = next_random() & 1, .with_sites = next_random() & 1,
                       .index_depth = (int32_t)(next_random() % 3 ? 6 : 0), .num_regions = 1,
                       .num_contigs = 1, .most_allele_bytes = 1 << 20, .most_alts = 65534, .most_told_bytes = next_random() % 2 ? 1 << 24 : 5000,
                       .columns = next_random(), .most_column = (int64_t)(next_random() % 3 ? INT32_MAX : next_random() % 10000), .transcripts = (int32_t)(next_random() % 3), .region = {{100, 5000, (int64_t)(next_random() % 3) * 1000}}};
    options.num_runs = kernel_runs(text.p, text.n, &runs);
    int32_t *places = calloc((size_t)options.num_runs + 1, 4);
    Contig contig = {opened, opened, bases, bases, MATCHED, (int32_t)(next_random() & 1), transcripts, transcripts, (int32_t)(next_random() & 1), next_random() & 1 ? "MT" : NULL};
    options.contig = &contig, options.contig_of_run = places;
    Result result;
    kernel_annotate(room, text.p, text.n, &options, next_random() & 1 ? columns : NULL, out, &result, &problem);
    kernel_rest_columns(columns);
    kernel_rest_text(out);
    kernel_rest_room(room);
    Compared compared;
    kernel_compare(text.p, text.n, &options, 50, &compared, &problem);
    kernel_free_runs(runs);
    Part *parts;
    Work work = {1200, 30, (int64_t)(next_random() % 100000)};
    kernel_parts(text.p, text.n, &work, &parts);
    kernel_free_parts(parts);
    free(places);
    kernel_close_table(opened);
    kernel_close_sequence(bases);
    kernel_close_genes(transcripts);
    close(third);
    close(fd);
    close(other);
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    state = strtoull(argv[2], NULL, 10) * 0x9E3779B97F4A7C15ull + 1;
    Bytes table = read_all(argv[3]), sequence = read_all(argv[4]), text = read_all(argv[5]), genes = read_all(argv[7]);
    int head = 17 + sequence.p[16] + 4 + 8 + 8 * (int)load32(sequence.p + 17 + sequence.p[16] + 8) + 8;
    int64_t footer = table.n - 8 - load32(table.p + table.n - 8), models = genes.n - 8 - load32(genes.p + genes.n - 8);
    Room *room = kernel_new_room();
    Columns *columns = kernel_new_columns();
    Out *out = kernel_new_text();
    long calls = 0;
    for (time_t end = time(NULL) + atol(argv[1]); time(NULL) < end; calls++) {
        Bytes t = copy(table), s = copy(sequence), q = copy(text), g = copy(genes);
        switch (next_random() % 8) {
        case 0: mutate(&q, 0, q.n, 1); break;
        case 1: mutate(&t, 4, footer, 0); break;
        case 2: mutate(&t, footer, t.n - 8, 0); break;
        case 3: mutate(&s, 0, next_random() & 1 ? head : s.n, 0); break;
        case 4: case 5: mutate(&g, 4, models, 0); break;
        case 6: mutate(&g, models, g.n - 8, 0); break;
        default: mutate(&q, 0, q.n, 0), mutate(&t, 4, t.n, 0);
        }
        if (q.n && q.p[q.n - 1] != '\n') q.p[q.n++] = '\n';
        save(argv[6], "table.parquet", t), save(argv[6], "sequence.2bit", s), save(argv[6], "query.txt", q), save(argv[6], "genes.parquet", g);
        call(room, columns, out, t, s, q, g, head);
        free(t.p), free(s.p), free(q.p), free(g.p);
    }
    kernel_free_text(out);
    kernel_free_columns(columns);
    kernel_free_room(room);
    printf("%ld calls\n", calls);
    return 0;
}
