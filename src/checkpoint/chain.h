/* The checkpoint chain of one partition: lock, fence and commit record (rules 1, 2 and 3). It is a
 * state machine on top of the store's vtable: chain_claim or chain_put starts something, the result
 * arrives by the callback, from store_poll() or chain_tick(). One thing is under way at a time. */
#ifndef TIDEMARK_CHECKPOINT_CHAIN_H
#define TIDEMARK_CHECKPOINT_CHAIN_H

#include "base/clock.h"
#include "base/random.h"
#include "checkpoint/checkpoint.h"
#include "store/store.h"

enum chain_result {
    CHAIN_DURABLE, /* the claim or checkpoint stands; chain_newest() is it */
    CHAIN_LOST,    /* another process took this number or a higher one: drop the partition */
    CHAIN_FAILED   /* *error says why; not a matter of who owns the partition */
};

struct chain_config {
    struct store *store;  /* of checkpoint.path */
    const char *prefix;   /* "<name>/<topic>/p00002/" */
    struct store *output; /* of output.path, may be the same; for the manifests there (rule 2) */
    const char *manifest_prefix; /* "_manifests/<name>/<topic>/p00002/" */
    const struct identity *identity;
    const char *host, *version;
    int64_t pid;
    bool accept_changes;
    struct clock *clock; /* wall clock for the writer's time, for people */
    struct random *random;
    void (*done)(void *ctx, enum chain_result result, const struct error *error);
    void *ctx;
};

struct chain;

/* Strings and identity are copied. */
struct chain *chain_new(const struct chain_config *cfg);
/* No request may be under way (chain_inflight), or the stores must have been freed before. */
void chain_free(struct chain *c);
/* A claim or put has no result yet. */
bool chain_busy(const struct chain *c);
bool chain_inflight(const struct chain *c);

/* Rule 2: find the newest checkpoint, see that no manifest is newer, read it, put a claim on the next
 * number, LIST. start_offset counts only where no checkpoint exists. */
void chain_claim(struct chain *c, int64_t start_offset);

/* Puts *next_state as the next checkpoint: takes its content (and zeroes it); fills in number, claim
 * id, writer and identity. Only after a durable claim. */
void chain_put(struct chain *c, struct checkpoint *next_state, int64_t now_ms);

/* Repeats what is due (a put whose answer was lost, rule 1). */
void chain_tick(struct chain *c, int64_t now_ms);

/* The newest checkpoint of ours that is known to be durable; NULL before the first claim. */
const struct checkpoint *chain_newest(const struct chain *c);
/* How many of the claim's first commits its predecessor had listed already (rule 9). */
size_t chain_inherited_commits(const struct chain *c);
/* Its size as stored, bytes. */
size_t chain_newest_bytes(const struct chain *c);
/* How long the put under way has been under way, ms; 0 where none is. */
int64_t chain_pending_ms(const struct chain *c, int64_t now_ms);

/* Names, shared with inspect and verify. */
/* Writes "chk-<20 digits>.json". */
void chain_name(uint64_t number, char dst[32]);
/* The number, or 0 where the text is no such name. */
uint64_t chain_parse_name(const char *name);

#endif
