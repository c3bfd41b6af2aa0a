/* A small finished piece of work: a log of 25 records in one partition, what they became, and the
 * checkpoints that say so; in stores of memory, so that tests can damage each of its parts.
 *
 *   offsets   what                            where
 *   0 - 9     window 21:00                    file A, manifest 2
 *   10        a tombstone                     null
 *   11        no JSON                         file R, manifests 2 and 4
 *   12 - 19   window 21:30                    open file, acknowledged
 *   20        21:00 again, too late           file L, manifest 4
 *   21 - 24   window 21:30                    a gap
 *
 * Checkpoint 1 is the claim, 2 commits A and R, 4 commits R and L, 5 is the newest. */
#ifndef TIDEMARK_SUPPORT_VERIFY_WORLD_H
#define TIDEMARK_SUPPORT_VERIFY_WORLD_H

#include <stdint.h>

#include "base/compress.h"
#include "checkpoint/checkpoint.h"
#include "event/event.h"
#include "kafka/source.h"
#include "support/fake_clock.h"
#include "support/memory_store.h"

#define JOB "job/clicks/p00000/"
#define SETTINGS "00000000000000aa"
enum { RECORDS = 25, MINUTE = 60000 }; /* ms */
#define T0 INT64_C(1729630800000)      /* 2024-10-22T21:00:00Z */

struct world {
    struct fake_clock clock;
    struct memory_world *checkpoints_world, *output_world;
    struct store *checkpoints, *output;
    struct event_rules rules;
    enum compression compression;
    struct file_entry a, r, l, open;
    struct checkpoint k[6]; /* by number */
    const struct checkpoint *goes_on;
    struct store_ops ops; /* of the output, where the job goes on */
    void (*submit)(struct store *s, struct store_op *op);
    char values[RECORDS][80];
    /* What Kafka has: may differ from what the job has read. */
    int64_t log_start, log_end;
    struct source source;
    bool assigned;
    int64_t position;
};

extern struct world w;

/* Fills w. Clock: 21:00 by the store when all but manifest 4 is put, 22:00 after that. */
void world_begin(enum compression compression);
void world_end(void);

/* A file of these offsets, put into the output where it is visible. */
struct file_entry make_file(enum event_class class, const char *dir, int64_t first, int64_t last,
                            bool visible);
/* All below next is read; nothing is listed. */
struct checkpoint new_checkpoint(uint64_t number, int64_t next);
void commit(struct checkpoint *k, const struct file_entry *f);
void set_gap(struct checkpoint *k, struct gap gap);
void plant_checkpoint(const struct checkpoint *k);
void plant_manifest(const struct checkpoint *k);
/* The job goes on: just before the output's next listing it puts this checkpoint and its manifest. */
void world_goes_on(const struct checkpoint *k);

#endif
