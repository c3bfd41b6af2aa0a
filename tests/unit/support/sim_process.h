/* A process that works on one partition, driven as the worker drives it, in a world of simulated
 * time, log and store. A test decides when requests reach the store, when their answers arrive, when
 * the process gets records and time, and when it dies. */
#ifndef TIDEMARK_SUPPORT_SIM_PROCESS_H
#define TIDEMARK_SUPPORT_SIM_PROCESS_H

#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"
#include "support/sim_log.h"
#include "window/partition.h"

struct sim {
    struct fake_clock clock;
    struct memory_world *world;
    struct sim_log log;
    int64_t log_end; /* what Kafka shows so far; log.n at last */
    struct partition_config config;
    struct identity identity;
    struct sim_paths paths;
    size_t reserve;  /* what file_reserve is asked for: CHUNK_MAX makes each line a chunk */
    bool endless;    /* processes do not ask for a drained stop at the log's end */
    uint64_t random; /* seed of the next process */
    int n_processes;
};

extern const struct window_rules sim_rules; /* 1 s windows, 2 s out of orderness */

/* Small windows, parts and intervals. */
struct partition_config sim_config(const char *manifest_prefix);
/* Gives the partition the record at *at, as a worker does, and moves *at on. */
int sim_feed_one(struct partition *p, const struct sim_log *log, int64_t *at, size_t reserve,
                 struct error *e);

/* Small windows, parts, intervals and time-outs. traits.min_part stays as given. */
void sim_init(struct sim *s, const struct memory_traits *traits, uint64_t seed);
void sim_free(struct sim *s);

struct sim_process {
    struct sim *sim;
    int name;
    struct store *inner; /* memory store, held */
    struct store *store; /* with retries on top */
    struct fake_random random;
    struct budget budget;
    struct partition_config config;
    struct partition *p;
    int64_t at; /* offset to be read next */
    bool stopping;
};

/* Begins with a claim. */
struct sim_process *sim_process_new(struct sim *s);
/* Dies at once: what reached the store stays, the rest never happens. */
void sim_process_kill(struct sim_process *pr);
/* Lets go of the partition and claims again (after LOST or RECLAIM). */
void sim_process_claim_again(struct sim_process *pr);

/* Does what the worker would do now: checks the claim, feeds up to `records`, ticks; at the log's
 * last end asks for a drained stop. 0, or -1 with *e when the partition refuses a record. */
int sim_process_run(struct sim_process *pr, int64_t records, struct error *e);
/* One request's next effect: it is carried out (first call) or answered (second). False where none
 * is under way. */
bool sim_process_effect(struct sim_process *pr, size_t index);
/* Sends repeats that are due. */
void sim_process_poll(struct sim_process *pr);

/* Runs without faults until STOPPED, LOST, RECLAIM or FAILED (RECLAIM is followed by another claim
 * where go_on is set), moving the clock. */
enum partition_status sim_process_finish(struct sim_process *pr, bool go_on);

#endif
