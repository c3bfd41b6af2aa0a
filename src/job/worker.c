#include "job/worker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "job/worker_internal.h"

enum {
    TICK_MS = 20,            /* between two ticks of a partition */
    SPREAD_MS = 1000,        /* in which the checkpoints of all partitions begin, at most */
    PUBLISH_MS = 250,        /* between two looks at the log's ends and renewals of the metrics */
    IDLE_POLL_MS = 50,       /* longest wait while nothing happens */
    STOP_PATIENCE_MS = 8500, /* an orderly stop takes at most 10 s */
    REVOKE_PATIENCE_MS = 4000,
    LEAVE_MS = 1000, /* least time between two assignments for the sake of what has ended */
    REJECTED_LINE_MAX = 512 * 1024 * 1024
};

struct worker *worker_new(const struct worker_config *cfg) {
    struct worker *w = xcalloc(1, sizeof *w);
    const struct settings *s = cfg->settings;
    w->cfg = *cfg;
    w->savepoints = cfg->ledger->savepoints;
    buffer_init(&w->line, REJECTED_LINE_MAX);
    struct kafka_config kafka;
    settings_kafka_config(s, &kafka);
    budget_init(&w->budget, s->memory.limit - kafka.fetch_queue_bytes);
    if (s->output.compression != OUTPUT_NONE)
        w->compressor = compressor_new(s->output.compression == OUTPUT_GZIP ? COMPRESSION_GZIP
                                                                            : COMPRESSION_ZSTD);
    struct event_rules rules;
    settings_event_rules(s, &rules);
    w->parser = event_parser_new(&rules, &w->error);
    if (!w->parser)
        w->failed = true;
    return w;
}

void worker_free(struct worker *w) {
    if (!w)
        return;
    for (size_t i = 0; i < w->n_tasks; i++)
        task_free(w->tasks[i]);
    for (size_t i = 0; i < w->n_dying; i++)
        partition_free(w->dying[i]);
    outlook_free(&w->outlook);
    free(w->tasks);
    free(w->dying);
    free(w->metrics.partitions);
    free(w->metrics.files);
    start_offsets_free(&w->start);
    event_parser_free(w->parser);
    if (w->compressor)
        compressor_free(w->compressor);
    buffer_free(&w->line);
    free(w);
}

void worker_use_source(struct worker *w, struct source *source) {
    w->source = source;
}

void worker_fail(struct worker *w, const struct error *e) {
    if (w->failed)
        return;
    w->failed = true;
    w->error = *e;
    w->error.retriable |= e->code == ERR_KAFKA;
}

void worker_fail_for_good(struct worker *w, const struct error *e) {
    if (w->failed)
        return;
    worker_fail(w, e);
    w->error.retriable = false;
}

/* ---- The world around the partitions ---- */

/* How many answers there were. */
static size_t poll_stores(struct worker *w) {
    size_t answers = store_poll(w->cfg.output, 0);
    if (w->cfg.checkpoints != w->cfg.output)
        answers += store_poll(w->cfg.checkpoints, 0);
    return answers;
}

static void reap(struct worker *w) {
    size_t kept = 0;
    for (size_t i = 0; i < w->n_dying; i++) {
        if (partition_idle(w->dying[i]))
            partition_free(w->dying[i]);
        else
            w->dying[kept++] = w->dying[i];
    }
    w->n_dying = kept;
}

/* All partitions' checkpoints are due at about the same time, and each takes some 0.1 ms. How many may
 * begin while so many partitions are ticked. */
static size_t checkpoints_among(const struct worker *w, size_t ticks) {
    int64_t spread = w->cfg.settings->checkpoint.interval / 2;
    if (spread > SPREAD_MS)
        spread = SPREAD_MS;
    return 1 + ticks * TICK_MS / (size_t)spread;
}

/* Goes on with the round of ticks, up to the first `due` of the partitions. */
static void tick_up_to(struct worker *w, size_t due) {
    w->may_begin = checkpoints_among(w, due - w->ticked);
    for (; w->ticked < due && !w->failed; w->ticked++)
        task_tick(w->tasks[w->ticked]);
    if (w->ticked < w->n_tasks)
        return;
    w->ticked = 0;
    w->round_ms = w->now_ms;
    reap(w);
}

/* All of them. */
static void tick(struct worker *w) {
    w->now_ms = clock_monotonic(w->cfg.clock);
    w->tick_due = false;
    w->ticked = 0;
    tick_up_to(w, w->n_tasks);
}

/* A round takes TICK_MS: with many partitions it would hold processing up if it were made in one turn. */
static void tick_due_ones(struct worker *w) {
    w->now_ms = clock_monotonic(w->cfg.clock);
    int64_t since = w->now_ms - w->round_ms;
    size_t due = since < TICK_MS ? w->n_tasks * (size_t)since / TICK_MS : w->n_tasks;
    if (due > w->ticked || due == w->n_tasks)
        tick_up_to(w, due);
}

static struct task *find_task(struct worker *w, int32_t id) {
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i]->id == id)
            return w->tasks[i];
    return NULL;
}

static void on_assigned(void *ctx, const int32_t *partitions, size_t n) {
    struct worker *w = ctx;
    for (size_t i = 0; i < n; i++) {
        struct task *t = find_task(w, partitions[i]);
        if (t)
            continue;
        array_reserve(&w->tasks, &w->cap_tasks, w->n_tasks + 1, sizeof(struct task *));
        w->tasks[w->n_tasks++] = task_new(w, partitions[i]);
    }
    log_info("partitions_assigned", "%zu partitions of topic %s are this process's%s", w->n_tasks,
             w->cfg.settings->kafka.topic,
             w->n_tasks ? "" : ": it stands by while others of its group have them all");
    w->assigned = true;
    w->assignment_due = true;
    w->tick_due = true;
    w->outlook.told = false;
}

bool worker_all_ended(const struct worker *w) {
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i]->state != TASK_ENDED)
            return false;
    return true;
}

static void end_all(struct worker *w, enum partition_stop how) {
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i]->state != TASK_ENDED)
            task_end(w->tasks[i], how);
}

/* Ends all partitions with a last checkpoint, as far as that is had in time. */
static void settle(struct worker *w, int64_t patience_ms) {
    int64_t until = clock_monotonic(w->cfg.clock) + patience_ms;
    end_all(w, STOP_KEEP);
    while (!worker_all_ended(w) && !w->failed && clock_monotonic(w->cfg.clock) < until) {
        tick(w);
        end_all(w, STOP_KEEP); /* also those that were lost just now and would claim again */
        if (store_poll(w->cfg.checkpoints, 5) == 0)
            (void)poll_stores(w);
    }
}

/* All partitions are taken away: put what can be put, let go. What is not durable by then is read
 * again by whoever comes next. */
static void on_revoked(void *ctx) {
    struct worker *w = ctx;
    log_info("partitions_revoked", "Kafka takes %zu partitions away from this process", w->n_tasks);
    settle(w, REVOKE_PATIENCE_MS);
    for (size_t i = 0; i < w->n_tasks; i++) {
        task_drop(w->tasks[i]);
        task_free(w->tasks[i]);
    }
    w->n_tasks = w->ticked = 0;
    w->assignment_due = false;
}

static void on_failed(void *ctx, const struct error *e) {
    worker_fail(ctx, e);
}

struct source_handler worker_handler(struct worker *w) {
    return (struct source_handler){
        .ctx = w, .assigned = on_assigned, .revoked = on_revoked, .failed = on_failed};
}

/* ---- Assignment: which partitions are read, from where ---- */

static bool takes_records(const struct task *t) {
    return t->state == TASK_CLAIMED || t->state == TASK_RUNNING;
}

static bool is_claiming(const struct task *t) {
    return t->state == TASK_CLAIMING ||
           (t->state == TASK_WAITING && t->worker->now_ms >= t->due_ms);
}

/* The source's assignment is replaced as a whole, so it is renewed once nobody is claiming. True
 * where records can be read now. */
static bool renew_assignment(struct worker *w) {
    for (size_t i = 0; i < w->n_tasks; i++)
        if (is_claiming(w->tasks[i]))
            return false;
    struct source_position *list = xcalloc(w->n_tasks, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < w->n_tasks; i++) {
        struct task *t = w->tasks[i];
        t->in_source = takes_records(t);
        if (t->in_source)
            list[n++] = (struct source_position){t->id, partition_position(t->partition)};
    }
    struct error e;
    w->assignment_due = false;
    w->assigned_ms = w->now_ms;
    if (w->source->ops->assign(w->source, list, n, &e) != 0)
        worker_fail(w, &e);
    free(list);
    for (size_t i = 0; i < w->n_tasks && !w->failed; i++) {
        struct task *t = w->tasks[i];
        if (t->state == TASK_CLAIMED) {
            t->state = TASK_RUNNING;
            partition_start(t->partition, w->now_ms);
        }
    }
    return n > 0 && !w->failed;
}

/* What comes behind a bounded run's end must not be fetched, nor wake the loop, while others are still
 * read. A new assignment throws away what is fetched already, so not too often. */
static void leave_ended(struct worker *w) {
    if (!w->cfg.bounded || w->now_ms - w->assigned_ms < LEAVE_MS)
        return;
    for (size_t i = 0; i < w->n_tasks; i++) {
        const struct task *t = w->tasks[i];
        if (t->in_source && !takes_records(t) &&
            w->source->ops->end(w->source, t->id) > t->ingest.end_offset)
            w->assignment_due = true;
    }
}

/* ---- Memory: memory.limit covers the fetch queue and buffers ---- */

static uint64_t waiting_memory(const struct worker *w) {
    uint64_t sum = 0;
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i]->partition)
            for (size_t j = 0; j < w->tasks[i]->partition->n_files; j++)
                sum += file_waiting_memory(w->tasks[i]->partition->files[j]);
    return sum;
}

static bool anyone_reads(const struct worker *w) {
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i]->state == TASK_RUNNING)
            return true;
    return false;
}

static uint64_t largest_waiting(const struct worker *w) {
    uint64_t most = 0;
    for (size_t i = 0; i < w->n_tasks; i++) {
        const struct task *t = w->tasks[i];
        const struct file *f = t->state == TASK_RUNNING ? partition_largest(t->partition) : NULL;
        if (f && file_waiting_memory(f) > most)
            most = file_waiting_memory(f);
    }
    return most;
}

/* Seals or ships those that hold at least so much, until no more than `enough` waits; returns how much
 * does. */
static uint64_t relieve(struct worker *w, uint64_t at_least, uint64_t waiting, uint64_t enough) {
    for (size_t i = 0; i < w->n_tasks; i++) {
        struct task *t = w->tasks[i];
        size_t n = t->state == TASK_RUNNING ? t->partition->n_files : 0;
        for (size_t j = 0; j < n && waiting > enough; j++) {
            struct file *f = t->partition->files[j];
            uint64_t before = file_waiting_memory(f);
            if (f->sealed || before < at_least || file_waiting_bytes(f) == 0)
                continue;
            partition_relieve(t->partition, f);
            waiting -= before - file_waiting_memory(f);
        }
    }
    return waiting;
}

/* The largest first, all of about a size in one go: with thousands of windows open there are thousands
 * of files, and as many may have to be relieved. */
static void relieve_largest(struct worker *w, uint64_t enough) {
    uint64_t waiting = waiting_memory(w), largest;
    while (waiting > enough && (largest = largest_waiting(w)) > 0)
        waiting = relieve(w, largest / 2 + 1, waiting, enough);
}

/* Bytes under way only wait for the store: more than what keeps it busy is no gain, and where the
 * store is the slower side they would fill the whole budget. Requests are answered, so this ends. */
static bool too_much_under_way(const struct worker *w, size_t used) {
    if (used <= w->budget.limit / 4)
        return false;
    size_t requests = 0;
    for (size_t i = 0; i < w->n_tasks; i++)
        requests += w->tasks[i]->partition ? w->tasks[i]->partition->inflight : 0;
    return requests > 0 && used - waiting_memory(w) > w->budget.limit / 4;
}

static void suspend(struct worker *w, bool suspended) {
    if (suspended == w->suspended)
        return;
    w->suspended = suspended;
    w->source->ops->suspend(w->source, suspended);
}

/* At the limit the largest buffers are sealed. True where that does not help, and fetching has to stop
 * until the store has taken what is on its way to it. */
static bool is_full(struct worker *w) {
    size_t used = atomic_load_explicit(&w->budget.used, memory_order_relaxed);
    size_t limit = w->budget.limit;
    if (used <= limit / 4 * 3)
        return false;
    relieve_largest(w, limit / 2);
    return atomic_load_explicit(&w->budget.used, memory_order_relaxed) > limit / 8 * 7;
}

/* Once a turn, since it looks at every file. Fetching also stops where no partition takes records, so
 * that those that wait do not keep poll() from waiting. */
static void keep_within_budget(struct worker *w) {
    bool full = is_full(w);
    size_t used = atomic_load_explicit(&w->budget.used, memory_order_relaxed);
    suspend(w, full || too_much_under_way(w, used) || !anyone_reads(w));
}

/* ---- The loop ---- */

static void set_state(const struct worker *w, enum job_state state) {
    if (w->cfg.metrics)
        metrics_set_state(w->cfg.metrics, state);
}

static void obey(struct worker *w) {
    enum job_command command = (enum job_command)atomic_load(w->cfg.command);
    if (command > w->command) { /* a stop also cuts a drain short */
        w->command = command;
        w->stop_since_ms = w->now_ms;
        w->tick_due = true;
        set_state(w, JOB_CANCELLING);
        log_info("stopping", "%s",
                 command == JOB_DRAIN ? "publishing all open files, then a last checkpoint"
                                      : "a last checkpoint; open files stay open");
    }
    if (w->command != JOB_RUN)
        end_all(w, w->command == JOB_DRAIN ? STOP_DRAIN : STOP_KEEP);
}

static bool finished(const struct worker *w) {
    if (w->command == JOB_STOP && w->now_ms - w->stop_since_ms >= STOP_PATIENCE_MS) {
        log_warn("stop_without_checkpoint",
                 "the last checkpoint was not durable within %d s; the next run reads again from "
                 "the one before",
                 STOP_PATIENCE_MS / 1000);
        return true;
    }
    return worker_all_ended(w) && (w->command != JOB_RUN || (w->cfg.bounded && bounded_met(w)));
}

static void fetch_all(struct worker *w) {
    for (size_t i = 0; i < w->n_tasks && !w->failed; i++) {
        struct task *t = w->tasks[i];
        if (t->state != TASK_RUNNING || w->suspended)
            continue;
        task_run(t);
        if (is_full(w))
            suspend(w, true);
    }
}

/* Nobody is claiming any more. A member of a group that got no partition is as well as one that did. */
static void begin_reading(struct worker *w, bool *ran) {
    *ran |= renew_assignment(w);
    if (w->assignment_due || w->failed)
        return;
    w->reading = true;
    keep_within_budget(w); /* it had suspended fetching, since nobody took records */
    if (w->command == JOB_RUN)
        set_state(w, JOB_RUNNING);
}

/* An answer of the store has brought a claim or an end to where only a tick takes it further. */
static bool anyone_waits_for_tick(const struct worker *w) {
    for (size_t i = 0; i < w->n_tasks; i++) {
        const struct task *t = w->tasks[i];
        if ((t->state == TASK_CLAIMING && t->partition->status != PARTITION_CLAIMING) ||
            (t->state == TASK_ENDING && partition_idle(t->partition)))
            return true;
    }
    return false;
}

static void loop(struct worker *w, bool *ran) {
    struct error e;
    while (!w->failed) {
        size_t answers = poll_stores(w);
        if (w->tick_due || (answers > 0 && anyone_waits_for_tick(w)))
            tick(w);
        else
            tick_due_ones(w);
        obey(w);
        worker_savepoints(w);
        if (w->now_ms - w->published_ms >= PUBLISH_MS) {
            leave_ended(w);
            worker_publish(w);
        }
        if (finished(w))
            break;
        bounded_look(w);
        if (w->assignment_due && !w->failed)
            begin_reading(w, ran);
        uint64_t before = w->fetched;
        bool held = w->suspended && anyone_reads(w); /* by the store */
        fetch_all(w);
        keep_within_budget(w);
        int wait = w->fetched == before && !w->tick_due ? IDLE_POLL_MS : 0;
        worker_spent(w, SPENT_BUSY);
        if (!w->failed && w->source->ops->poll(w->source, wait, &e) != 0)
            worker_fail(w, &e);
        enum spent how = wait == 0 ? SPENT_BUSY : held ? SPENT_BACKPRESSURED : SPENT_IDLE;
        worker_spent(w, how);
        worker_turned(w, how, w->fetched > before);
    }
}

enum worker_end worker_run(struct worker *w, bool *ran, struct error *e) {
    w->now_ms = w->spent_ms = clock_monotonic(w->cfg.clock);
    w->turned_us = clock_monotonic_us(w->cfg.clock);
    struct error first;
    if (!w->failed && (worker_identify(w, &first) != 0 || worker_find_start(w, &first) != 0 ||
                       worker_find_bounds(w, &first) != 0))
        worker_fail(w, &first);
    loop(w, ran);
    worker_publish(w);
    if (w->failed) {
        *e = w->error;
        return WORKER_FAILED;
    }
    return w->command == JOB_RUN ? WORKER_DONE : WORKER_STOPPED;
}
