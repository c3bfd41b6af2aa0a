/* One assigned partition from claim to end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "job/worker_internal.h"

enum {
    LOSSES_MAX = 5,      /* in a row fail the job (rule 1) */
    LOSS_DELAY_MS = 500, /* doubling, jittered */
    HELD_MS = 60000,     /* a claim that stood so long ends a row of losses */
    FETCH_MAX = 1000,
    FETCH_MIN = 4
};

struct task *task_new(struct worker *w, int32_t id) {
    const struct settings *s = w->cfg.settings;
    struct task *t = xcalloc(1, sizeof *t);
    t->worker = w;
    t->id = id;
    t->log_end = t->unsaved_since_ms = -1;
    t->count = ledger_partition(w->cfg.ledger, id);
    t->ingest.record_ts = TS_NONE;
    t->chain_prefix = xasprintf("%s/%s/p%05" PRId32 "/", s->name, s->kafka.topic, id);
    t->manifest_prefix = xasprintf("_manifests/%s", t->chain_prefix);
    t->identity = (struct identity){.cluster = xstrdup(w->cluster),
                                    .topic = xstrdup(s->kafka.topic),
                                    .partition = id,
                                    .output = xstrdup(s->output.path)};
    memcpy(t->identity.settings, w->settings_hash, sizeof t->identity.settings);
    return t;
}

void task_free(struct task *t) {
    if (t->partition) /* the job's next try counts on from here */
        report_add_stats(t->count, &t->partition->stats);
    partition_free(t->partition);
    identity_clear(&t->identity);
    free(t->chain_prefix);
    free(t->manifest_prefix);
    free(t);
}

void task_drop(struct task *t) {
    struct worker *w = t->worker;
    if (!t->partition)
        return;
    if (t->in_source)
        w->source->ops->leave(w->source, t->id);
    report_add_stats(t->count, &t->partition->stats);
    t->savepoint_wanted |= partition_savepoint_pending(t->partition);
    t->partition->status = PARTITION_LOST; /* answers that still come change nothing */
    t->partition->cfg.observer = (struct partition_observer){0}; /* it may outlive the task */
    if (partition_idle(t->partition)) {
        partition_free(t->partition);
    } else {
        array_reserve(&w->dying, &w->cap_dying, w->n_dying + 1, sizeof(struct partition *));
        w->dying[w->n_dying++] = t->partition;
    }
    t->partition = NULL;
}

static enum compression compression_of(enum output_compression c) {
    return c == OUTPUT_GZIP   ? COMPRESSION_GZIP
           : c == OUTPUT_ZSTD ? COMPRESSION_ZSTD
                              : COMPRESSION_NONE;
}

static void set_rules(const struct settings *s, struct partition_config *c) {
    c->rules = (struct window_rules){.size = s->window.size,
                                     .offset = s->window.offset,
                                     .out_of_orderness = s->window.out_of_orderness,
                                     .allowed_lateness = s->window.allowed_lateness};
    c->partition_by = s->output.partition_by;
    c->suffix = compression_suffix(compression_of(s->output.compression));
    c->idle_flush_ms = s->window.idle_flush;
    c->max_file_age_ms = s->output.max_file_age;
    c->max_file_size = s->output.max_file_size;
    c->part_size = s->output.part_size;
    c->emit_checkpoint = s->output.emit == EMIT_CHECKPOINT;
    c->interval_ms = s->checkpoint.interval;
    c->min_pause_ms = s->checkpoint.min_pause;
    c->timeout_ms = s->checkpoint.timeout;
    c->tolerable_failures = (int32_t)s->checkpoint.tolerable_failures;
}

static struct partition *make_partition(struct task *t) {
    struct worker *w = t->worker;
    struct partition_config c = {.id = t->id,
                                 .allow_data_loss = w->cfg.allow_data_loss,
                                 .output = w->cfg.output,
                                 .budget = &w->budget,
                                 .compressor = w->compressor,
                                 .clock = w->cfg.clock,
                                 .random = w->cfg.random,
                                 .manifest_prefix = t->manifest_prefix,
                                 .lost = w->cfg.lost,
                                 .may_begin = &w->may_begin,
                                 .observer = report_observer(t)};
    set_rules(w->cfg.settings, &c);
    uint64_t shared =
        (uint64_t)w->cfg.settings->checkpoint.max_replay / (w->n_tasks ? w->n_tasks : 1);
    c.max_replay = shared ? shared : 1;
    c.chain = (struct chain_config){.store = w->cfg.checkpoints,
                                    .prefix = t->chain_prefix,
                                    .identity = &t->identity,
                                    .host = w->cfg.host,
                                    .version = TIDEMARK_VERSION,
                                    .pid = w->cfg.pid,
                                    .accept_changes = w->cfg.accept_changes,
                                    .clock = w->cfg.clock,
                                    .random = w->cfg.random};
    return partition_new(&c);
}

/* A partition that came after the start of a bounded run has nothing that the run is to read. */
static bool is_beyond_bounds(const struct task *t) {
    return t->worker->cfg.bounded && t->id >= t->worker->cfg.bounds->n;
}

/* It was published up to its end before it came to us (again). */
static bool is_done(const struct task *t) {
    return t->worker->cfg.bounded && t->worker->cfg.bounds->done[t->id] && t->read_on == 0;
}

static int64_t end_of_reading(const struct task *t) {
    const struct bounds *b = t->worker->cfg.bounds;
    if (!t->worker->cfg.bounded)
        return INT64_MAX;
    return t->read_on > b->end[t->id] ? t->read_on : b->end[t->id];
}

static void claim(struct task *t) {
    struct worker *w = t->worker;
    struct error e;
    if (is_beyond_bounds(t)) {
        log_info_of(t->id, "partition_left",
                    "partition %" PRId32 " is newer than this bounded run, which leaves it alone",
                    t->id);
        t->state = TASK_ENDED;
        return;
    }
    if (is_done(t)) {
        t->state = TASK_ENDED;
        return;
    }
    int64_t start = worker_start_offset(w, t->id, &e);
    if (start < 0) {
        worker_fail(w, &e);
        return;
    }
    t->partition = make_partition(t);
    t->state = TASK_CLAIMING;
    t->committed_number = 0;
    t->ingest = (struct ingest){.partition = t->partition,
                                .parser = w->parser,
                                .line = &w->line,
                                .topic = w->cfg.settings->kafka.topic,
                                .end_offset = end_of_reading(t),
                                .record_ts = t->ingest.record_ts,
                                .count = t->count,
                                .sampler = {.journal = w->cfg.journal,
                                            .now_ms = &w->now_ms,
                                            .late_due_ms = t->ingest.sampler.late_due_ms,
                                            .rejected_due_ms = t->ingest.sampler.rejected_due_ms}};
    partition_claim(t->partition, start, w->now_ms);
}

static void wait_before_claim(struct task *t, int64_t delay_ms) {
    task_drop(t);
    t->state = TASK_WAITING;
    t->due_ms = t->worker->now_ms + delay_ms;
    t->worker->assignment_due = true; /* its records are not wanted */
}

/* Rule 1: who lost drops the partition; if Kafka still assigns it, it claims again after a jittered
 * delay; five losses in a row fail the job. */
static void on_lost(struct task *t) {
    struct worker *w = t->worker;
    if (t->claimed_ms && w->now_ms - t->claimed_ms >= HELD_MS)
        t->losses = 0;
    t->claimed_ms = 0; /* the next loss may come before a claim stands */
    t->losses++;
    if (t->losses >= LOSSES_MAX) {
        struct error e = t->partition->error;
        (void)error_wrap(&e,
                         "lost %d times in a row, so two processes are told to take the same "
                         "partition (kafka.assignment, or another kafka.group_id); end one of them",
                         LOSSES_MAX);
        worker_fail(w, &e);
        return;
    }
    int64_t delay = (int64_t)LOSS_DELAY_MS << t->losses;
    delay += (int64_t)random_below(w->cfg.random, (uint64_t)delay);
    log_warn_of(t->id, "partition_lost",
                "%s (loss %d in a row, %d fail the job); letting go, and claiming again in %" PRId64
                " ms if Kafka still assigns it to this process",
                t->partition->error.text, t->losses, LOSSES_MAX, delay);
    task_note(t, "partition_lost", t->partition->error.text);
    wait_before_claim(t, delay);
}

/* Rules 9 and 12: a re-claim uses up a restart attempt, and the same cause twice fails the job. */
static void reclaim(struct task *t, int64_t offset, const struct error *why) {
    struct worker *w = t->worker;
    struct error e = *why;
    if (!restart_new_cause(w->cfg.restart, t->id, offset)) {
        (void)error_wrap(&e, "the same trouble twice at offset %" PRId64 " of partition %" PRId32,
                         offset, t->id);
        worker_fail_for_good(w, &e);
    } else if (!restart_allow(w->cfg.restart, w->now_ms)) {
        (void)error_wrap(&e, "no restart attempts left (restart.attempts within an hour)");
        worker_fail_for_good(w, &e);
    } else {
        log_warn_of(t->id, "partition_reclaim",
                    "partition %" PRId32 ": %s; claiming it again and reading again", t->id,
                    why->text);
        task_note(t, "partition_reclaim", why->text);
        wait_before_claim(t, 0);
    }
}

/* A claim is the checkpoint after the one whose state it took. */
static void note_restored(struct task *t, const struct checkpoint *claim) {
    t->restored = claim->number - 1;
    t->restored_at_ms = t->restored ? clock_wall(t->worker->cfg.clock) : 0;
    t->count->restores += t->restored > 0;
}

static void check_claimed(struct task *t) {
    struct error e;
    t->state = TASK_CLAIMED;
    t->claimed_ms = t->worker->now_ms;
    if (worker_check_log(t->worker, t, &e) != 0) {
        worker_fail(t->worker, &e);
        return;
    }
    /* In a group, another member may have read past the end that we saw. */
    if (t->ingest.end_offset < t->partition->base_next)
        t->ingest.end_offset = t->partition->base_next;
    const struct checkpoint *k = chain_newest(t->partition->chain);
    note_restored(t, k);
    log_info_of(t->id, "partition_claimed",
                "partition %" PRId32 ": claim %" PRIu64 "; reading from offset %" PRId64
                " (next %" PRId64 ", %zu gaps, %zu commits to finish)",
                t->id, k->number, partition_position(t->partition), k->next, k->n_gaps,
                k->n_commits);
    ledger_begin(t->worker->cfg.ledger, t->id, partition_position(t->partition));
    t->worker->assignment_due = true;
}

void task_note(const struct task *t, const char *kind, const char *text) {
    journal_add_error(t->worker->cfg.journal, t->id, kind, text);
}

void task_savepoint(struct task *t) {
    t->savepoint_wanted = true;
}

/* A claim of its own begins anew: what is asked for is asked of the partition object that is there. */
static void pass_savepoint_on(struct task *t) {
    if (!t->savepoint_wanted || t->partition->status != PARTITION_RUNNING)
        return;
    t->savepoint_wanted = false;
    partition_savepoint(t->partition);
}

void task_end(struct task *t, enum partition_stop how) {
    if (t->state == TASK_RUNNING) {
        if (how == STOP_DRAIN && partition_replaying(t->partition))
            return; /* gaps first: asked again at the next tick */
        partition_stop(t->partition, how);
        t->worker->source->ops->leave(t->worker->source, t->id);
        t->state = TASK_ENDING;
    } else if (t->state == TASK_ENDING) {
        if (how == STOP_KEEP) /* not to be waited for any longer */
            partition_stop(t->partition, how);
    } else {
        if (how == STOP_DRAIN && t->state != TASK_ENDED)
            log_warn_of(
                t->id, "partition_not_drained",
                "partition %" PRId32 " was not claimed yet when the drain was asked for: what "
                "an earlier run left open stays open; run again with --bounded to publish it",
                t->id);
        task_drop(t);
        t->state = TASK_ENDED;
    }
}

/* Kafka's lag tools see how far the durable checkpoint is (rule 12: never read back). */
static void commit_group_offset(struct task *t) {
    const struct checkpoint *k = chain_newest(t->partition->chain);
    if (!k || k->number == t->committed_number)
        return;
    t->committed_number = k->number;
    t->worker->source->ops->commit(t->worker->source, t->id, k->next);
}

static void follow_partition(struct task *t) {
    struct partition *p = t->partition;
    switch (p->status) {
    case PARTITION_CLAIMING:
        break;
    case PARTITION_CLAIMED:
        if (t->state == TASK_CLAIMING)
            check_claimed(t);
        break;
    case PARTITION_RUNNING:
        commit_group_offset(t);
        break;
    case PARTITION_STOPPED:
        commit_group_offset(t);
        bounded_task_ended(t);
        task_drop(t);
        t->state = TASK_ENDED;
        break;
    case PARTITION_LOST:
        on_lost(t);
        break;
    case PARTITION_RECLAIM:
        reclaim(t, p->reclaim_offset, &p->error);
        break;
    case PARTITION_FAILED:
        worker_fail(t->worker, &p->error);
        break;
    }
}

void task_tick(struct task *t) {
    struct worker *w = t->worker;
    if (t->state == TASK_WAITING && w->now_ms >= t->due_ms && w->command == JOB_RUN)
        claim(t);
    if (!t->partition)
        return;
    pass_savepoint_on(t);
    partition_tick(t->partition, w->now_ms);
    follow_partition(t);
}

/* The limit is looked at between batches, and each record may need a chunk for a window of its own. */
static size_t batch_for(const struct budget *b) {
    size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
    size_t room = used < b->limit ? (b->limit - used) / CHUNK_MAX : 0;
    return room < FETCH_MIN ? FETCH_MIN : room < FETCH_MAX ? room : FETCH_MAX;
}

/* How long a start takes ends here. */
static void tell_first_records(struct task *t, uint64_t records) {
    t->worker->told = true;
    log_info_of(t->id, "first_records",
                "partition %" PRId32 ": the first records are processed, %" PRIu64
                " of them; the next is offset %" PRId64,
                t->id, records, partition_position(t->partition));
}

/* Takes a batch of records. */
void task_run(struct task *t) {
    struct worker *w = t->worker;
    struct source_sink sink = ingest_sink(&t->ingest);
    uint64_t before = t->count->records;
    w->fetched += w->source->ops->fetch(w->source, t->id, batch_for(&w->budget), &sink);
    if (!w->told && t->count->records > before)
        tell_first_records(t, t->count->records - before);
    switch (t->ingest.state) {
    case INGEST_GOING_ON:
        break;
    case INGEST_END_REACHED:
        task_end(t, STOP_DRAIN);
        break;
    case INGEST_MESSAGE_ERROR:
        reclaim(t, t->ingest.error_offset, &t->ingest.error);
        break;
    case INGEST_FAILED:
        worker_fail(w, &t->ingest.error);
        break;
    }
}
