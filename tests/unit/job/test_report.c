/* What a worker tells of itself. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/worker_world.h"

#define MIN INT64_C(60000)

/* No checkpoint comes by itself. */
#define RARE "checkpoint.interval=1h", "checkpoint.min_pause=1h"

enum { PARTITIONS_MAX = 4, FIELDS = sizeof(struct partition_counters) / sizeof(uint64_t) };

static const struct process_options unbounded = {0};

static const struct partition_metrics *metrics_of(const struct process *p, int32_t partition) {
    for (size_t i = 0; i < p->last.n_partitions; i++)
        if (p->last.partitions[i].partition == partition)
            return &p->last.partitions[i];
    return NULL;
}

/* ---- Counters never fall -------------------------------------------------------------------------- */

/* The most that was ever told of each counter. */
struct seen {
    uint64_t counts[PARTITIONS_MAX][FIELDS];
    struct delay_histogram visibility;
    struct turn_histogram turns;
    struct time_spent worker;
};

static void no_less(uint64_t now, uint64_t *seen) {
    if (now < *seen)
        fail_msg("a counter fell from %" PRIu64 " to %" PRIu64, *seen, now);
    *seen = now;
}

static void check_counters(const struct process *p, struct seen *s) {
    for (size_t i = 0; i < p->last.n_partitions; i++) {
        uint64_t now[FIELDS];
        memcpy(now, &p->last.partitions[i].count, sizeof now);
        for (size_t f = 0; f < FIELDS; f++)
            no_less(now[f], &s->counts[p->last.partitions[i].partition][f]);
    }
    if (p->last.memory_limit == 0)
        return; /* nothing is told of this try yet */
    for (int b = 0; b <= DELAY_BUCKETS; b++)
        no_less(p->last.visibility.counts[b], &s->visibility.counts[b]);
    for (int b = 0; b <= TURN_BUCKETS; b++)
        no_less(p->last.turns.counts[b], &s->turns.counts[b]);
    no_less(p->last.worker.busy_ms, &s->worker.busy_ms);
    no_less(p->last.worker.idle_ms, &s->worker.idle_ms);
}

/* Everything is counted by then: the next life has to go on from here. */
static void has_counted(const struct process *p, int32_t partition, uint64_t events) {
    const struct partition_counters *c = &metrics_of(p, partition)->count;
    assert_int_equal(c->events[CLASS_EVENT], events);
    assert_true(c->checkpoints > 0);
    assert_true(c->files_published > 0 && c->bytes_published > 0);
    assert_in_range(c->events_published, c->files_published,
                    2 * events); /* found again by a restart */
    assert_true(c->bytes_in > 0 && c->bytes_out > c->bytes_in);
}

static double fastest; /* records a second, of all that were told */

static void take_and_give(void *ctx, int n) {
    struct process *p = ctx;
    check_counters(p, p->test);
    if (n == 400) {
        has_counted(p, 0, 3000);
        has_counted(p, 1, 3000);
        fake_source_take(p->source);
    } else if (n == 500) {
        assert_int_equal(p->last.n_partitions, 0);
        assert_true(p->last.visibility.sum_ms > 0); /* of partitions that have left, too */
        worker_world_add_many(p->world, 1, 100, T0 + 3000000, 1000);
        fake_source_give_list(p->source, &(int32_t){1}, 1);
        fastest = 0;
    } else if (n == 700) {
        has_counted(p, 1, 3100);
        assert_int_equal(metrics_of(p, 1)->begin, 0);
        p->command = JOB_STOP;
    }
    if (p->last.records_rate > fastest)
        fastest = p->last.records_rate;
}

static void test_counters_of_a_partition_that_goes_and_comes_back(void **state) {
    (void)state;
    struct worker_world w;
    struct seen seen = {0};
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 3000, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    p->test = &seen;
    process_on_poll(p, take_and_give);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    check_counters(p, &seen);
    assert_true(fastest > 0 && fastest <= 100.0 * 1000 / 250); /* a hundred came back, not 3,100 */
    process_free(p);
    worker_world_free(&w);
}

static void fail_at_400(void *ctx, int n) {
    struct process *p = ctx;
    check_counters(p, p->test);
    if (n == 400) {
        has_counted(p, 0, 3000);
        p->source->fails[FAKE_POLL] = ERR_KAFKA;
    }
}

static void stop_at_200(void *ctx, int n) {
    struct process *p = ctx;
    check_counters(p, p->test);
    if (n == 200) {
        has_counted(p, 0, 3100);
        assert_int_equal(p->last.restarts, 1);
        p->command = JOB_STOP;
    }
}

static void test_counters_of_a_job_that_restarts(void **state) {
    (void)state;
    struct worker_world w;
    struct seen seen = {0};
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 3000, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    p->test = &seen;
    process_on_poll(p, fail_at_400);
    assert_int_equal(process_run(p), WORKER_FAILED);
    check_counters(p, &seen);
    assert_true(restart_allow(&p->restart, w.fake.monotonic));
    worker_world_add_many(&w, 0, 100, T0 + 3000000, 1000);
    process_restart(p);
    process_on_poll(p, stop_at_200);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    check_counters(p, &seen);
    process_free(p);
    worker_world_free(&w);
}

/* ---- A partition that is let go of while its file is about to become visible ---------------------- */

static void take_while_publishing(void *ctx, int n) {
    struct process *p = ctx;
    const struct store_op *op = memory_store_pending_op(p->output, 0);
    if (n == 1)
        memory_store_hold(p->output, true);
    if (n < 1000 && op && op->kind == STORE_UPLOAD_COMPLETE) {
        p->world->creep_ms = 1;
        fake_source_take(p->source);
        p->source->polls = 1000;
    } else if (n == 1002) {
        assert_int_equal(p->worker->n_tasks, 0);
        assert_int_equal(p->worker->n_dying, 1);
        assert_true(memory_store_step(p->output, 0)); /* it is visible: nobody is there to tell */
        p->command = JOB_STOP;
    } else if (n < 1000 && op) {
        (void)memory_store_step(p->output, 0);
    }
    assert_in_range(n, 1, 2000);
}

static void test_answers_after_the_partition_is_gone(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 3000, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, take_while_publishing);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    worker_world_free(&w);
}

/* ---- Open files ----------------------------------------------------------------------------------- */

static void watch_files(void *ctx, int n) {
    struct process *p = ctx;
    struct metrics *m = p->test;
    if (n <= 60) {
        assert_int_equal(p->last.n_files, 0);
    } else if (n == 70) {
        assert_int_equal(p->last.n_files, 2 * METRICS_OPEN_FILES_MAX);
        assert_true(p->last.files_cut);
        const struct open_file_metrics *f = &p->last.files[METRICS_OPEN_FILES_MAX - 1];
        assert_int_equal(f->partition, 0);
        assert_int_equal(f->class, CLASS_EVENT);
        assert_int_equal(f->window_start, T0 + (METRICS_OPEN_FILES_MAX - 1) * MIN);
        assert_int_equal(f->window_end, f->window_start + MIN);
        assert_int_equal(f->state, FILE_TAKES_EVENTS);
        assert_int_equal(f->events, 1);
        assert_true(f->bytes > 100 && f->age_ms > 0);
        assert_int_equal(f->acknowledged_events, 0);
        fake_clock_advance(&p->world->fake, METRICS_WATCHED_FOR_MS);
    } else if (n == 80) {
        assert_int_equal(p->last.n_files, 0); /* nobody looks any more */
        assert_false(p->last.files_cut);
        p->command = JOB_STOP;
    }
    if (n == 60)
        metrics_watch(m);
}

static void test_open_files_are_listed_while_somebody_looks(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, METRICS_OPEN_FILES_MAX + 1, T0, MIN);
    struct metrics *m = metrics_new(&w.clock);
    struct process *p = process_new(
        &w, &(struct process_options){
                .sets = {RARE, "window.size=1m", "window.out_of_orderness=24h"}, .metrics = m});
    p->test = m;
    process_on_poll(p, watch_files);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    metrics_free(m);
    worker_world_free(&w);
}

/* ---- Where the time goes --------------------------------------------------------------------------- */

struct times {
    int64_t start;
    uint64_t busy_at, idle_at, waited_at; /* at some poll */
};

static uint64_t sum(const struct time_spent *t) {
    return t->busy_ms + t->backpressured_ms + t->idle_ms;
}

/* Turns that took records and longer than this, as far as the bounds tell. */
static uint64_t turns_above(const struct process *p, double seconds) {
    uint64_t n = 0;
    for (int b = 0; b <= TURN_BUCKETS; b++)
        if (b == 0 ? seconds <= 0 : turn_bounds[b - 1] >= seconds)
            n += p->ledger.turns.counts[b];
    return n;
}

static void look_at_time(void *ctx, int n) {
    struct process *p = ctx;
    struct times *t = p->test;
    const struct time_spent *s = &p->ledger.worker;
    assert_int_equal(sum(s), p->world->fake.monotonic - t->start);
    if (n == 100) { /* all has been read by now */
        assert_true(s->busy_ms > 0);
        t->busy_at = s->busy_ms;
        t->idle_at = s->idle_ms;
    } else if (n == 150) {
        assert_int_equal(s->busy_ms, t->busy_at);
        assert_int_equal(s->idle_ms, t->idle_at + 50 * 50); /* polls of 50 ms */
        assert_int_equal(s->backpressured_ms, 0);
        assert_in_range(turns_above(p, 0), 1, 100); /* those that took a record, no idle one */
        assert_int_equal(turns_above(p, 0.05), 0);
        p->command = JOB_STOP;
    }
}

static void test_idle_time(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 1000, T0, 100);
    struct process *p = process_new(&w, &(struct process_options){.sets = {RARE}});
    struct times t = {.start = w.fake.monotonic};
    p->test = &t;
    process_on_poll(p, look_at_time);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_int_equal(sum(&p->last.worker), p->last.worker.busy_ms + p->last.worker.idle_ms);
    process_free(p);
    worker_world_free(&w);
}

/* The store takes nothing for a while: the worker waits for it, although records are there. */
static void hold_output(void *ctx, int n) {
    struct process *p = ctx;
    struct times *t = p->test;
    assert_int_equal(sum(&p->ledger.worker), p->world->fake.monotonic - t->start);
    if (n == 30) {
        assert_int_equal(p->worker->tasks[0]->state, TASK_RUNNING);
        memory_store_hold(p->output, true);
    } else if (n == 400) {
        assert_true(p->source->suspended);
        t->waited_at = p->ledger.worker.backpressured_ms;
    } else if (n == 450) {
        assert_int_equal(p->ledger.worker.backpressured_ms, t->waited_at + 50 * 50);
        assert_int_equal(p->last.worker_rate.backpressured_ms, 1000);
        assert_int_equal(turns_above(p, 1), 0);
        memory_store_hold(p->output, false);
    } else if (n == 500) {
        assert_int_equal(turns_above(p, 1), 1); /* the wait ended with it */
        p->command = JOB_STOP;
    }
}

static void test_backpressured_time(void **state) {
    (void)state;
    enum { EVENTS = 20000, LENGTH = 4000 };
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    char *padding = xcalloc(LENGTH + 1, 1);
    memset(padding, 'x', LENGTH);
    for (int i = 0; i < EVENTS; i++) {
        char *value = xasprintf("{\"user_id\":\"u\",\"timestamp\":%" PRId64 ",\"x\":\"%s\"}",
                                T0 + i, padding);
        (void)fake_topic_add(w.topic, 0, T0, "u", value);
        free(value);
    }
    free(padding);
    struct process *p = process_new(&w, &(struct process_options){.sets = {"memory.limit=64MiB"}});
    struct times t = {.start = w.fake.monotonic};
    p->test = &t;
    p->source->batch = 100;
    process_on_poll(p, hold_output);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    worker_world_free(&w);
}

/* ---- Samples --------------------------------------------------------------------------------------- */

static void stop_at_1400(void *ctx, int n) {
    if (n == 1400)
        ((struct process *)ctx)->command = JOB_STOP;
}

/* Samples of one kind and partition lie a quarter of a second apart at least. */
static void are_rate_limited(struct journal *j, bool late) {
    struct journal_sample *s = xcalloc(JOURNAL_SAMPLES, sizeof *s);
    int64_t after[2] = {INT64_MAX, INT64_MAX};
    uint64_t ever;
    size_t n = journal_samples(j, late, s, JOURNAL_SAMPLES, &ever);
    assert_in_range(ever, 4, JOURNAL_SAMPLES); /* some of each partition, and none was pushed out */
    for (size_t i = 0; i < n; i++) {           /* the newest first */
        assert_true(s[i].at_ms <= after[s[i].partition] - 250);
        after[s[i].partition] = s[i].at_ms;
        assert_true((s[i].reason == NULL) == late);
    }
    assert_true(after[0] != INT64_MAX && after[1] != INT64_MAX);
    free(s);
}

static void test_samples_are_rate_limited(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++) {
        (void)worker_world_add(&w, i, T0 + 60 * MIN);
        for (int k = 0; k < 5000; k++) {
            (void)worker_world_add(&w, i, T0);
            (void)fake_topic_add(w.topic, i, T0, "u", "{\"user_id\":\"u\"}");
        }
    }
    struct journal *journal = journal_new(&w.clock);
    struct process *p = process_new(&w, &(struct process_options){.journal = journal});
    p->source->batch = 10;
    process_on_poll(p, stop_at_1400);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_int_equal(p->source->delivered, 2 * 10001);
    are_rate_limited(journal, true);
    are_rate_limited(journal, false);
    process_free(p);
    journal_free(journal);
    worker_world_free(&w);
}

/* A single record that is no event, read before the metrics are renewed for the first time. */
static void test_the_first_record_is_sampled(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    (void)fake_topic_add(w.topic, 0, T0, "u", "{\"user_id\":\"u\"}");
    struct journal *journal = journal_new(&w.clock);
    struct process *p = process_new(&w, &(struct process_options){.journal = journal});
    process_on_poll(p, stop_at_1400);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    struct journal_sample s[JOURNAL_SAMPLES];
    uint64_t ever;
    assert_int_equal(journal_samples(journal, false, s, JOURNAL_SAMPLES, &ever), 1);
    assert_int_equal(s[0].offset, 0);
    process_free(p);
    journal_free(journal);
    worker_world_free(&w);
}

/* ---- How soon a file is visible -------------------------------------------------------------------- */

static void drain_at_600(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 600) {
        const struct partition_metrics *m = metrics_of(p, 0);
        assert_true(m->count.files_published > 3);
        p->command = JOB_DRAIN;
    }
}

/* Files whose window the watermark has closed are observed; those of a drain are not. */
static void test_visibility_delay(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 3000, T0, 1000);
    struct journal *journal = journal_new(&w.clock);
    struct process *p = process_new(&w, &(struct process_options){.journal = journal});
    process_on_poll(p, drain_at_600);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    struct journal_file files[JOURNAL_FILES];
    uint64_t ever, observed = 0, sum_ms = 0, closed = 0, in_buckets = 0;
    size_t n = journal_files(journal, files, JOURNAL_FILES, &ever);
    assert_int_equal(n, ever);
    for (size_t i = 0; i < n; i++) {
        bool by_watermark = files[i].window_start + 5 * MIN <= T0 + 2999 * 1000 - 10 * MIN - 1;
        closed += by_watermark;
        if (files[i].visibility_ms < 0)
            continue;
        assert_true(by_watermark);
        observed++;
        sum_ms += (uint64_t)files[i].visibility_ms;
        /* Closed while the backlog was read; visible with a checkpoint, min_pause (5 s) later. */
        assert_in_range(files[i].visibility_ms, 1, 30000);
    }
    const struct delay_histogram *h = &p->last.visibility;
    for (int b = 0; b <= DELAY_BUCKETS; b++)
        in_buckets += h->counts[b];
    assert_true(observed > 3 && observed < n);
    assert_int_equal(observed, closed);
    assert_int_equal(in_buckets, observed);
    assert_int_equal(h->sum_ms, sum_ms);
    process_free(p);
    journal_free(journal);
    worker_world_free(&w);
}

/* ---- What is in no checkpoint ---------------------------------------------------------------------- */

static void hold_checkpoints(void *ctx, int n) {
    struct process *p = ctx;
    const struct partition_metrics *m = n > 30 ? metrics_of(p, 0) : NULL;
    if (n == 2000) { /* all is saved, and nothing new comes */
        assert_true(m->count.checkpoints > 0);
        assert_int_equal(m->unsaved_ms, 0);
        memory_store_hold(p->checkpoints, true);
        worker_world_add_many(p->world, 0, 10, T0 + 3000000, 1000);
    } else if (n == 2800) { /* 40 s later, ten of them a put that is not answered */
        assert_in_range(m->unsaved_ms, 39000, 41000);
        assert_true(m->checkpoint_age_ms >= m->unsaved_ms);
        memory_store_hold(p->checkpoints, false);
        (void)memory_store_drain(p->checkpoints);
    } else if (n == 3000) {
        assert_in_range(m->unsaved_ms, 0, 10000);
    } else if (n == 4000) {
        assert_int_equal(m->unsaved_ms, 0);
        assert_true(m->checkpoint_age_ms > 0); /* grows without harm */
        p->command = JOB_STOP;
    }
}

static void test_unsaved(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 3000, T0, 1000);
    struct process *p =
        process_new(&w, &(struct process_options){.sets = {"window.idle_flush=24h"}});
    process_on_poll(p, hold_checkpoints);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    worker_world_free(&w);
}

/* /readyz: not before the first claims stand; then also without a partition, which is how a group's
 * spare member lives. */
static void look_whether_it_runs(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 1)
        assert_false(p->last.running);
    if (n == 100) {
        assert_true(p->last.running);
        p->command = JOB_STOP;
    }
}

static void test_running_begins_with_reading(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    for (int members = 0; members < 2; members++) {
        struct process *p = process_new(&w, &(struct process_options){0});
        if (members == 1)
            fake_source_give_list(p->source, NULL, 0);
        process_on_poll(p, look_whether_it_runs);
        assert_int_equal(process_run(p), WORKER_STOPPED);
        process_free(p);
    }
    worker_world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_of_a_partition_that_goes_and_comes_back),
        cmocka_unit_test(test_counters_of_a_job_that_restarts),
        cmocka_unit_test(test_answers_after_the_partition_is_gone),
        cmocka_unit_test(test_open_files_are_listed_while_somebody_looks),
        cmocka_unit_test(test_idle_time),
        cmocka_unit_test(test_backpressured_time),
        cmocka_unit_test(test_samples_are_rate_limited),
        cmocka_unit_test(test_the_first_record_is_sampled),
        cmocka_unit_test(test_visibility_delay),
        cmocka_unit_test(test_unsaved),
        cmocka_unit_test(test_running_begins_with_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
