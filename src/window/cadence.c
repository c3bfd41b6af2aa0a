/* When a checkpoint is put and what its outcome means (rules 8, 9 and 13), and how a partition comes
 * to its end. Everything is driven by partition_tick(). */
#include <inttypes.h>

#include "base/log.h"
#include "window/partition.h"

enum {
    READ_MUCH = 10,              /* this part of max_replay */
    REBUILD_PATIENCE_MS = 30000, /* for the other commits to be answered before a re-claim */
    KEEP_PATIENCE_MS = 3000      /* for files that the last checkpoint lists to become visible */
};

void partition_claim(struct partition *p, int64_t start_offset, int64_t now_ms) {
    p->now_ms = now_ms;
    p->status = PARTITION_CLAIMING;
    chain_claim(p->chain, start_offset);
}

void partition_start(struct partition *p, int64_t now_ms) {
    p->status = PARTITION_RUNNING;
    p->now_ms = now_ms;
    p->started_ms = p->durable_ms = p->due_ms = now_ms;
    p->last_record_ms = now_ms;
    p->put_position = p->position;
}

static void claim_durable(struct partition *p) {
    partition_restore(p, chain_newest(p->chain));
    p->failures = 0;
    p->status = PARTITION_CLAIMED;
}

static void checkpoint_durable(struct partition *p) {
    const struct checkpoint *k = chain_newest(p->chain);
    int64_t now = clock_monotonic(p->cfg.clock);
    p->stats.checkpoints++;
    p->stats.checkpoint_duration_ms = now - p->started_ms;
    p->stats.checkpoint_bytes = (int64_t)chain_newest_bytes(p->chain);
    p->stats.checkpoint_at_ms = now;
    p->durable_ms = now;
    p->failures = 0;
    if (p->cfg.observer.checkpoint)
        p->cfg.observer.checkpoint(p->cfg.observer.ctx, k, &p->stats, p->putting_savepoint);
    p->putting_savepoint = false;
    if (p->final_put && p->rebuild) {
        p->status = PARTITION_RECLAIM;
        return;
    }
    commits_durable(p->commits, k);
    log_debug("checkpoint_durable",
              "partition %d: checkpoint %" PRIu64 ": next %" PRId64 ", %zu gaps, %zu open files, "
              "%zu commits",
              p->cfg.id, k->number, k->next, k->n_gaps, k->n_files, k->n_commits);
}

void partition_on_chain(void *ctx, enum chain_result result, const struct error *error) {
    struct partition *p = ctx;
    if (result == CHAIN_LOST && p->status != PARTITION_FAILED) {
        p->error = *error;
        p->status = PARTITION_LOST;
    } else if (result == CHAIN_FAILED) {
        partition_fail(p, error);
    } else if (p->status == PARTITION_CLAIMING) {
        claim_durable(p);
    } else if (p->status == PARTITION_RUNNING) {
        checkpoint_durable(p);
    }
}

/* Rule 13: a put not durable after the time-out counts as one failure and goes on unchanged; more
 * than tolerable_failures in a row fail the partition (retriable: the restart strategy decides). */
static void count_failures(struct partition *p) {
    int64_t pending = chain_pending_ms(p->chain, p->now_ms);
    int32_t failures = (int32_t)(pending / p->cfg.timeout_ms);
    if (failures <= p->failures)
        return;
    p->failures = failures;
    p->stats.checkpoint_failures++;
    log_warn_of(p->cfg.id, "checkpoint_failed",
                "partition %d: the checkpoint is not durable after %" PRId64
                " s (failure %d in a row, %d are tolerated); is %s reachable?",
                p->cfg.id, pending / 1000, failures, p->cfg.tolerable_failures,
                p->cfg.chain.store->path);
    if (p->cfg.observer.checkpoint_failed)
        p->cfg.observer.checkpoint_failed(p->cfg.observer.ctx, pending);
    if (failures <= p->cfg.tolerable_failures)
        return;
    struct error e;
    (void)error_set(&e, ERR_UNAVAILABLE,
                    "partition %d: %d checkpoints in a row were not durable within %" PRId64
                    " s each: the store at %s does not answer",
                    p->cfg.id, failures, p->cfg.timeout_ms / 1000, p->cfg.chain.store->path);
    partition_fail(p, &e);
}

/* Before a snapshot, tails are made durable where the store has no smallest part, and everything is
 * sealed with emit: checkpoint at an interval's tick (rule 7). */
static void begin_barrier(struct partition *p, bool seal) {
    p->barrier = true;
    p->barrier_ms = p->now_ms;
    if (seal)
        partition_seal_all(p);
    for (size_t i = 0; i < p->n_files; i++)
        file_sync(p->files[i]);
}

static bool barrier_reached(const struct partition *p) {
    if (p->now_ms - p->barrier_ms >= p->cfg.timeout_ms)
        return true;
    for (size_t i = 0; i < p->n_files; i++) {
        const struct file *f = p->files[i];
        if (f->want_sync || f->syncing)
            return false;
        bool wanted = p->cfg.emit_checkpoint || p->stop == STOP_DRAIN;
        if (wanted && f->sealed && !file_acknowledged(f))
            return false;
    }
    return true;
}

static void put_checkpoint(struct partition *p) {
    struct checkpoint k;
    partition_snapshot(p, &k);
    if (p->rebuild) {
        commits_rebuild(p->commits, &k);
        p->final_put = true;
    }
    p->putting_savepoint = p->savepoint;
    p->barrier = p->savepoint = false;
    p->put_changes = p->changes;
    p->put_position = p->position;
    p->started_ms = p->now_ms;
    chain_put(p->chain, &k, p->now_ms);
}

static bool unchanged(const struct partition *p) {
    return p->changes == p->put_changes;
}

/* Rule 9: once every other commit is answered, the checkpoint with gaps in the lost ones' places. */
static void tick_rebuild(struct partition *p) {
    if (p->rebuild_ms == 0)
        p->rebuild_ms = p->now_ms;
    bool patient = p->now_ms - p->rebuild_ms < REBUILD_PATIENCE_MS;
    if (p->final_put || chain_busy(p->chain) || (patient && !commits_settled(p->commits)))
        return;
    put_checkpoint(p);
}

/* Drained: a file whose last part is still on its way is not published yet. Else the last checkpoint
 * stands already; what it lists the next run publishes, if this one cannot soon. */
static bool at_end(const struct partition *p) {
    if (p->stop == STOP_DRAIN)
        return p->n_files == 0 && commits_count(p->commits) == 0;
    return commits_count(p->commits) == 0 || p->now_ms - p->stop_ms >= KEEP_PATIENCE_MS;
}

static void tick_stop(struct partition *p) {
    if (!p->barrier)
        begin_barrier(p, p->stop == STOP_DRAIN);
    if (!barrier_reached(p))
        return;
    partition_collect(p);
    if (!unchanged(p) || p->savepoint) {
        put_checkpoint(p);
        return;
    }
    if (at_end(p))
        p->status = PARTITION_STOPPED;
}

/* False where it has to wait for one of the next ticks, since others were first. */
static bool may_begin(const struct partition *p) {
    size_t *left = p->cfg.may_begin;
    if (!left)
        return true;
    if (*left == 0)
        return false;
    --*left;
    return true;
}

/* Much that was read would be read again, and shipped again, without another checkpoint. */
static bool read_much(const struct partition *p) {
    return (uint64_t)(p->position - p->put_position) >= p->cfg.max_replay / READ_MUCH;
}

static bool brought_forward(const struct partition *p) {
    return (commits_unlisted(p->commits) > 0 || read_much(p)) &&
           p->now_ms - p->durable_ms >= p->cfg.min_pause_ms;
}

static void tick_run(struct partition *p) {
    bool due = p->now_ms - p->due_ms >= p->cfg.interval_ms || p->savepoint;
    bool early = brought_forward(p);
    if (!p->barrier && !due && !early)
        return;
    if (!p->barrier && unchanged(p) && !p->savepoint) { /* unchanged state is not put */
        p->due_ms = p->now_ms;
        return;
    }
    if (!p->barrier) {
        if (!may_begin(p))
            return;
        begin_barrier(p, due && p->cfg.emit_checkpoint);
        if (due || !p->cfg.emit_checkpoint)
            p->due_ms = p->now_ms;
    }
    if (!barrier_reached(p))
        return;
    partition_collect(p);
    put_checkpoint(p);
}

void partition_tick(struct partition *p, int64_t now_ms) {
    p->now_ms = now_ms;
    chain_tick(p->chain, now_ms);
    if (p->status == PARTITION_CLAIMING)
        count_failures(p);
    if (p->status != PARTITION_RUNNING)
        return;
    commits_tick(p->commits, now_ms);
    if (commits_count(p->commits) != p->seen_commits) /* some are in a manifest now */
        p->changes++;
    partition_roll(p);
    partition_collect(p);
    count_failures(p);
    if (p->status != PARTITION_RUNNING)
        return;
    if (p->rebuild)
        tick_rebuild(p);
    else if (chain_busy(p->chain))
        return;
    else if (p->stop != STOP_NOT)
        tick_stop(p);
    else
        tick_run(p);
}

void partition_stop(struct partition *p, enum partition_stop how) {
    if (p->stop == STOP_NOT) {
        p->barrier = false;
        p->stop_ms = p->now_ms;
    }
    p->stop = how;
}

void partition_savepoint(struct partition *p) {
    p->savepoint = true;
}

bool partition_savepoint_pending(const struct partition *p) {
    return p->savepoint || p->putting_savepoint;
}
