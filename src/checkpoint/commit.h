/* From "listed in a durable checkpoint" to "visible and in a manifest" (rules 8 and 9). Entries enter
 * with commits_add, stand in every checkpoint until they are done, and become visible only after the
 * first checkpoint that lists them is durable. */
#ifndef TIDEMARK_CHECKPOINT_COMMIT_H
#define TIDEMARK_CHECKPOINT_COMMIT_H

#include "base/clock.h"
#include "base/random.h"
#include "checkpoint/checkpoint.h"
#include "store/store.h"

enum lost_policy { LOST_STOP, LOST_REBUILD, LOST_REMOVED }; /* --lost */

struct commits_config {
    struct store *store;         /* of output.path */
    const char *manifest_prefix; /* "_manifests/<name>/<topic>/p00002/" */
    int32_t partition;
    enum lost_policy lost;
    struct clock *clock;
    struct random *random;
    /* A file became visible. */
    void (*published)(void *ctx, const struct file_entry *f);
    /* Rule 9: this upload is gone and nobody can have published it. The owner puts a checkpoint with
     * a gap in its place and claims again. */
    void (*lost_upload)(void *ctx, const struct file_entry *f, const struct error *why);
    /* The job cannot go on. */
    void (*failed)(void *ctx, const struct error *e);
    void *ctx;
};

struct commits;

struct commits *commits_new(const struct commits_config *cfg);
/* Nothing may be under way, or the store must have been freed before. */
void commits_free(struct commits *c);

/* A claim is durable: takes over its commits. The first `inherited` of them were listed by an earlier
 * claim, so somebody may have sent a Complete for them already. */
void commits_restore(struct commits *c, const struct checkpoint *claim, size_t inherited);

/* Takes f's content. own: begun by this claim's process. fresh: no Complete has ever been sent for
 * it (this claim lists it for the first time). */
void commits_add(struct commits *c, struct file_entry *f, bool own, bool fresh);

/* Copies all entries into the checkpoint. */
void commits_snapshot(struct commits *c, struct checkpoint *k);
/* k, made by the last commits_snapshot, is durable: complete what it lists, then put its manifest. */
void commits_durable(struct commits *c, const struct checkpoint *k);

void commits_tick(struct commits *c, int64_t now_ms);

/* Entries that no durable checkpoint lists yet. */
size_t commits_unlisted(const struct commits *c);
/* Every listed entry is visible or lost. */
bool commits_settled(const struct commits *c);
/* Rule 9: puts a gap in the place of every lost entry of k and lowers its replay point. */
void commits_rebuild(const struct commits *c, struct checkpoint *k);
/* All entries: 0 once everything is visible and in a manifest. */
size_t commits_count(const struct commits *c);
/* Calls fn for each, the oldest first. */
void commits_each(const struct commits *c, void (*fn)(void *ctx, const struct file_entry *f),
                  void *ctx);
/* Requests under way. */
size_t commits_inflight(const struct commits *c);

#endif
