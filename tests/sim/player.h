/* A process that works on one partition, driven as the worker drives it. The history decides when its
 * requests reach the store, when the answers come back, when it gets records, and when it dies. */
#ifndef TIDEMARK_SIM_PLAYER_H
#define TIDEMARK_SIM_PLAYER_H

#include "window/partition.h"
#include "world.h"

/* What all processes of a history have in common. */
struct rules {
    struct partition_config config;
    size_t reserve; /* asked of file_reserve: CHUNK_MAX makes each line a chunk of its own */
    bool endless;   /* no drained stop at the log's end */
};

/* Small windows, parts, files and intervals: sim_config(). */
struct rules player_rules(void);

struct player {
    struct world *world;
    struct rules rules;
    int name;
    struct handle *handle;
    struct store *store; /* with retries on top */
    struct fake_random random;
    struct budget budget;
    struct identity identity;
    struct partition *p;
    int64_t at; /* offset to be read next */
    bool stopping;
    int reclaims;
};

/* Begins with a claim. */
struct player *player_new(struct world *w, const struct rules *rules, int name);
/* Dies at once: what reached the store stays, the rest never happens. */
void player_kill(struct player *pr);
/* Lets go of the partition and claims again (after LOST or RECLAIM). */
void player_claim_again(struct player *pr);

/* Does what the worker would do now: checks the claim, feeds up to `records`, ticks; at the log's
 * last end asks for a drained stop. */
void player_run(struct player *pr, int64_t records);
/* Sends repeats that are due. */
void player_poll(struct player *pr);
bool player_at_work(const struct player *pr);
const char *player_status(const struct player *pr);

/* Works without faults to its end: its requests the oldest first, or the newest. False where the
 * world has failed meanwhile. */
bool player_finish(struct player *pr, int64_t batch, bool newest_first);

#endif
