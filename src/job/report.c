/* What the outside is told of a worker (metrics, journal, open files), and the savepoints that it asks
 * for. Some times a second, never for an event. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "job/worker_internal.h"
#include "store/open.h"

/* ---- One partition ------------------------------------------------------------------------------ */

static const char *state_name(enum task_state s) {
    static const char *const names[] = {"waiting", "claiming", "claimed",
                                        "running", "ending",   "ended"};
    return names[s];
}

void report_add_stats(struct partition_counters *to, const struct partition_stats *s) {
    for (int c = 0; c < CLASS_COUNT; c++)
        to->events[c] += s->events[c];
    to->files_published += s->files_published;
    to->events_published += s->events_published;
    to->bytes_published += s->bytes_published;
    to->checkpoints += s->checkpoints;
    to->checkpoint_failures += s->checkpoint_failures;
}

static int64_t known_end(const struct task *t) {
    const struct worker *w = t->worker;
    if (w->cfg.bounded)
        return t->ingest.end_offset;
    int64_t heard = w->source ? w->source->ops->end(w->source, t->id) : -1;
    return heard > t->log_end ? heard : t->log_end;
}

static void live_metrics(const struct task *t, struct partition_metrics *m) {
    const struct partition *p = t->partition;
    const struct partition_stats *s = &p->stats;
    report_add_stats(&m->count, s);
    m->position = p->position;
    m->end = known_end(t);
    m->max_ts = p->max_ts;
    m->watermark = partition_watermark(p);
    m->replaying = partition_replaying(p);
    m->open_windows = p->n_windows;
    m->open_files = p->n_files;
    memcpy(m->read, p->read, sizeof m->read);
    memcpy(m->listed, p->listed, sizeof m->listed);
    const struct checkpoint *k = chain_newest(p->chain);
    if (!k)
        return;
    m->checkpoint_pending = p->status == PARTITION_RUNNING && (p->barrier || chain_busy(p->chain));
    m->checkpoint_number = k->number;
    m->checkpoint_bytes = (int64_t)chain_newest_bytes(p->chain);
    m->replay_from = k->replay_from;
    if (s->checkpoints > 0) {
        m->checkpoint_age_ms = t->worker->now_ms - s->checkpoint_at_ms;
        m->checkpoint_duration_ms = s->checkpoint_duration_ms;
    }
}

void task_metrics(const struct task *t, struct partition_metrics *m) {
    *m = (struct partition_metrics){.partition = t->id,
                                    .state = state_name(t->state),
                                    .count = *t->count,
                                    .begin = ledger_begun_at(t->worker->cfg.ledger, t->id),
                                    .position = -1,
                                    .end = t->log_end,
                                    .record_ts = t->ingest.record_ts,
                                    .max_ts = TS_NONE,
                                    .watermark = TS_NONE,
                                    .restored = t->restored,
                                    .restored_at_ms = t->restored_at_ms,
                                    .replay_from = -1,
                                    .checkpoint_bytes = -1,
                                    .checkpoint_age_ms = -1,
                                    .checkpoint_duration_ms = -1};
    if (t->unsaved_since_ms >= 0)
        m->unsaved_ms = t->worker->now_ms - t->unsaved_since_ms;
    if (t->partition)
        live_metrics(t, m);
}

/* Something that is in no durable checkpoint: counted from the look at which it was seen first, or
 * from the last checkpoint, which did not hold all that had come meanwhile. */
static void watch_unsaved(struct task *t) {
    const struct partition *p = t->partition;
    uint64_t durable = t->count->checkpoints + (p ? p->stats.checkpoints : 0);
    if (t->state == TASK_ENDED || (p && p->changes == p->put_changes && !chain_busy(p->chain)))
        t->unsaved_since_ms = -1;
    else if (t->unsaved_since_ms < 0 || durable != t->seen_checkpoints)
        t->unsaved_since_ms = t->worker->now_ms;
    t->seen_checkpoints = durable;
}

/* ---- What happens to it ------------------------------------------------------------------------- */

static void cut_key(const char *key, char dst[JOURNAL_KEY_MAX]) {
    if (snprintf(dst, JOURNAL_KEY_MAX, "%s", key) >= JOURNAL_KEY_MAX)
        memcpy(dst + JOURNAL_KEY_MAX - 4, "...", 4);
}

static void on_published(void *ctx, const struct file_entry *f, int64_t visibility_ms) {
    struct task *t = ctx;
    struct journal_file file = {.partition = t->id,
                                .class = f->class,
                                .window_start = f->window,
                                .visibility_ms = visibility_ms,
                                .events = f->count.events,
                                .bytes = f->bytes};
    cut_key(f->key, file.key);
    journal_add_file(t->worker->cfg.journal, &file);
    if (visibility_ms >= 0)
        delay_observe(&t->count->visibility, visibility_ms);
}

static void on_checkpoint(void *ctx, const struct checkpoint *k, const struct partition_stats *s,
                          bool savepoint) {
    const struct task *t = ctx;
    struct journal_checkpoint c = {.number = k->number,
                                   .partition = t->id,
                                   .savepoint = savepoint,
                                   .duration_ms = s->checkpoint_duration_ms,
                                   .bytes = (uint64_t)s->checkpoint_bytes,
                                   .next = k->next,
                                   .gaps = (uint32_t)k->n_gaps,
                                   .open_files = (uint32_t)k->n_files,
                                   .commits = (uint32_t)k->n_commits};
    journal_add_checkpoint(t->worker->cfg.journal, &c);
}

static void on_checkpoint_failed(void *ctx, int64_t pending_ms) {
    const struct task *t = ctx;
    struct journal_checkpoint c = {
        .partition = t->id, .failed = true, .duration_ms = pending_ms, .next = -1};
    (void)snprintf(c.why, sizeof c.why, "not durable after %" PRId64 " s; is %s reachable?",
                   pending_ms / 1000, t->worker->cfg.checkpoints->path);
    journal_add_checkpoint(t->worker->cfg.journal, &c);
}

struct partition_observer report_observer(struct task *t) {
    return (struct partition_observer){.ctx = t,
                                       .published = on_published,
                                       .checkpoint = on_checkpoint,
                                       .checkpoint_failed = on_checkpoint_failed};
}

/* ---- Open files, while somebody looks ------------------------------------------------------------ */

struct listing {
    struct worker *worker;
    const struct task *task;
    size_t of_partition;
};

static void list_file(struct listing *l, const struct file_entry *f, enum file_state state,
                      int64_t age_ms, uint64_t events, uint64_t bytes) {
    struct job_metrics *m = &l->worker->metrics;
    if (l->of_partition == METRICS_OPEN_FILES_MAX) {
        m->files_cut = true;
        return;
    }
    l->of_partition++;
    bool window = f->window != TS_NONE;
    array_reserve(&m->files, &l->worker->cap_files, m->n_files + 1, sizeof *m->files);
    m->files[m->n_files++] = (struct open_file_metrics){
        .partition = l->task->id,
        .class = f->class,
        .window_start = f->window,
        .window_end = window ? f->window + l->worker->cfg.settings->window.size : TS_NONE,
        .age_ms = age_ms,
        .events = events,
        .bytes = bytes,
        .acknowledged_events = f->count.events,
        .state = state};
}

static void list_commit(void *ctx, const struct file_entry *f) {
    list_file(ctx, f, FILE_LISTED, -1, f->count.events, f->bytes);
}

static void list_files(struct worker *w, const struct task *t) {
    const struct partition *p = t->partition;
    struct listing l = {.worker = w, .task = t};
    for (size_t i = 0; i < p->n_files; i++) {
        const struct file *f = p->files[i];
        list_file(&l, &f->entry, f->sealed ? FILE_SEALED : FILE_TAKES_EVENTS,
                  w->now_ms - f->opened_ms, f->entry.count.events + f->unacknowledged,
                  file_size(f));
    }
    commits_each(p->commits, list_commit, &l);
}

/* ---- The job ------------------------------------------------------------------------------------ */

static const char *reasons[REJECT_COUNT];

static void name_reasons(void) {
    for (int r = 0; r < REJECT_COUNT; r++)
        reasons[r] = reject_reason_name((enum reject_reason)r);
}

/* The HTTP thread reads them too, so they are written once. */
static const char *const *reason_names(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, name_reasons);
    return reasons;
}

static void warn_of_mismatches(struct worker *w) {
    for (size_t i = 0; i < w->n_tasks && !w->warned; i++) {
        const struct partition_metrics *m = &w->metrics.partitions[i];
        if (m->count.key_mismatches == 0)
            continue;
        w->warned = true;
        log_warn_of(m->partition, "key_mismatch",
                    "partition %" PRId32 " of topic %s holds records whose key differs from the "
                    "event's %s: the topic is not keyed by it, so events of one key may stand in "
                    "several partitions' files (said once; tidemark_key_mismatches_total counts)",
                    m->partition, w->cfg.settings->kafka.topic, w->cfg.settings->event.key_field);
    }
}

static void publish_partitions(struct worker *w) {
    struct job_metrics *m = &w->metrics;
    bool watched = w->cfg.metrics && metrics_watched(w->cfg.metrics);
    uint64_t consumed = 0;
    array_reserve(&m->partitions, &w->cap_metrics, w->n_tasks, sizeof *m->partitions);
    m->n_partitions = w->n_tasks;
    m->n_files = 0;
    m->files_cut = false;
    for (size_t i = 0; i < w->n_tasks; i++) {
        struct task *t = w->tasks[i];
        watch_unsaved(t);
        task_metrics(t, &m->partitions[i]);
        if (watched && t->partition)
            list_files(w, t);
        if (m->partitions[i].position > 0)
            consumed += (uint64_t)m->partitions[i].position;
        if (t->id >= m->topic_partitions)
            m->topic_partitions = t->id + 1;
    }
    if (w->start.n > m->topic_partitions)
        m->topic_partitions = w->start.n;
    if (w->cfg.consumed)
        atomic_store_explicit(w->cfg.consumed, consumed, memory_order_relaxed);
}

/* The ledger has the counts of the past, the partition objects what these have added. */
static void publish_sums(struct worker *w) {
    struct job_metrics *m = &w->metrics;
    struct partition_counters sum = {0};
    for (size_t i = 0; i < w->cfg.ledger->n; i++)
        if (w->cfg.ledger->partitions[i])
            partition_counters_add(&sum, w->cfg.ledger->partitions[i]);
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i]->partition)
            report_add_stats(&sum, &w->tasks[i]->partition->stats);
    memcpy(m->events, sum.events, sizeof m->events);
    m->records = sum.records;
    m->bytes_in = sum.bytes_in;
    m->bytes_out = sum.bytes_out;
    m->visibility = sum.visibility;
}

static void publish_stores(struct worker *w) {
    struct job_metrics *m = &w->metrics;
    store_counters_read(w->cfg.output, &m->output);
    store_counters_add(&m->output, &w->cfg.ledger->output);
    store_counters_read(w->cfg.checkpoints, &m->checkpoints);
    store_counters_add(&m->checkpoints, &w->cfg.ledger->checkpoints);
}

static const char *directory_of(const char *path) {
    return store_path_is_s3(path) ? NULL : path;
}

void worker_publish(struct worker *w) {
    struct job_metrics *m = &w->metrics;
    w->published_ms = w->now_ms;
    publish_partitions(w);
    publish_sums(w);
    publish_stores(w);
    warn_of_mismatches(w);
    m->running = w->reading && !w->failed;
    m->bounded = w->cfg.bounded;
    m->kafka_silent = w->source && !w->source->ops->answers(w->source);
    m->restarts = w->cfg.restart->count;
    m->memory_used = atomic_load_explicit(&w->budget.used, memory_order_relaxed);
    m->memory_peak = atomic_load_explicit(&w->budget.peak, memory_order_relaxed);
    m->memory_budget = w->budget.limit;
    m->memory_limit = w->cfg.settings->memory.limit;
    m->worker = w->cfg.ledger->worker;
    m->turns = w->cfg.ledger->turns;
    m->output_directory = directory_of(w->cfg.settings->output.path);
    m->checkpoint_directory = directory_of(w->cfg.settings->checkpoint.path);
    m->reasons = reason_names();
    m->n_reasons = REJECT_COUNT;
    rates_update(&w->rates, m, w->spent_ms); /* the shares of a second make a second */
    recent_update(&w->recent, m, w->now_ms);
    if (w->cfg.metrics)
        metrics_publish(w->cfg.metrics, m);
    log_flush(false);
    if (w->cfg.progress)
        w->cfg.progress(w->cfg.progress_ctx, m);
}

void worker_spent(struct worker *w, enum spent how) {
    int64_t now = clock_monotonic(w->cfg.clock);
    uint64_t ms = now > w->spent_ms ? (uint64_t)(now - w->spent_ms) : 0;
    struct time_spent *t = &w->cfg.ledger->worker;
    w->spent_ms = now;
    if (how == SPENT_BUSY)
        t->busy_ms += ms;
    else if (how == SPENT_BACKPRESSURED)
        t->backpressured_ms += ms;
    else
        t->idle_ms += ms;
}

void worker_turned(struct worker *w, enum spent how, bool took_records) {
    int64_t now = clock_monotonic_us(w->cfg.clock);
    if (took_records)
        turn_observe(&w->cfg.ledger->turns, now - w->turned_us);
    if (took_records || how == SPENT_IDLE)
        w->turned_us = now;
}

/* ---- Savepoints ---------------------------------------------------------------------------------- */

static bool is_pending(const struct task *t) {
    if (t->state == TASK_ENDED)
        return false; /* its last checkpoint stands */
    return t->savepoint_wanted || (t->partition && partition_savepoint_pending(t->partition));
}

static void answer_savepoints(struct worker *w) {
    const struct settings *s = w->cfg.settings;
    char text[REQUEST_TEXT_MAX];
    bool any = w->n_tasks > 0;
    if (any)
        (void)snprintf(text, sizeof text, "%s%s/%s/", s->checkpoint.path, s->name, s->kafka.topic);
    else
        (void)snprintf(text, sizeof text,
                       "Kafka assigns no partition to this process: ask the group's others");
    w->cfg.ledger->savepoints = w->savepoints;
    log_info("savepoint", "%s%s", any ? "every partition has a new checkpoint below " : "", text);
    worker_publish(w); /* whoever is told looks at the new numbers next */
    requests_savepoints_done(w->cfg.requests, w->savepoints, any, text);
}

/* A checkpoint of every partition that is this process's now. One that is lost and claimed again has
 * to put another; one that goes to another process has put its last. */
void worker_savepoints(struct worker *w) {
    uint64_t asked = requests_savepoints(w->cfg.requests);
    if (!w->assigned)
        return; /* nobody knows yet which partitions have to put one */
    if (asked > w->savepoints) {
        w->savepoints = asked;
        for (size_t i = 0; i < w->n_tasks; i++)
            task_savepoint(w->tasks[i]);
    }
    if (w->cfg.ledger->savepoints == w->savepoints)
        return;
    for (size_t i = 0; i < w->n_tasks; i++)
        if (is_pending(w->tasks[i]))
            return;
    answer_savepoints(w);
}
