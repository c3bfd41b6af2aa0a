/* Seeded histories of whole workers: up to three partitions, several processes one inside the other
 * (the outer one is frozen meanwhile), broken messages, faults of the store, control records, rebalances,
 * little memory. After a bounded run, each record stands in exactly one visible line. Also the rules
 * that show only here: which log it is, whose checkpoints these are, how often trouble may come. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "support/worker_world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* ten times as slow */
enum { SEEDS = 20 };
#else
enum { SEEDS = 2500 };
#endif

static const struct process_options bounded = {.bounded = true};

/* ---- Random histories --------------------------------------------------------------------------- */

struct game {
    uint64_t seed;
    struct fake_random dice;
    struct worker_world world;
    int32_t partitions;
    int depth, processes, breaks;
    struct process_options options;
};

static uint64_t roll(struct game *g, uint64_t n) {
    return random_below(&g->dice.random, n);
}

/* Some windows close, some events are late. */
static void grow(struct game *g, int32_t partition, uint64_t n) {
    while (n-- > 0) {
        int64_t end = fake_topic_end(g->world.topic, partition);
        int64_t t = T0 + end * 1000 - (roll(g, 20) == 0 ? 1500000 : (int64_t)roll(g, 300000));
        if (roll(g, 30) == 0)
            fake_topic_skip(g->world.topic, partition, 1);
        else
            (void)worker_world_add(&g->world, partition, t);
    }
}

static void script_fault(struct game *g, struct process *p) {
    static const enum store_kind kinds[] = {STORE_PUT_IF_ABSENT, STORE_UPLOAD_COMPLETE,
                                            STORE_GET,           STORE_LIST,
                                            STORE_UPLOAD_PART,   STORE_UPLOAD_CREATE};
    enum error_code code = roll(g, 2) ? ERR_UNKNOWN : ERR_UNAVAILABLE;
    memory_store_fail(roll(g, 2) ? p->output : p->checkpoints, kinds[roll(g, 6)],
                      1 + (int)roll(g, 3), code,
                      code == ERR_UNKNOWN && roll(g, 2) ? FAULT_AFTER : FAULT_BEFORE);
}

static void run_one(struct game *g, bool last);

static void happen(void *ctx, int n) {
    struct process *p = ctx;
    struct game *g = p->test;
    uint64_t event = roll(g, 300);
    if (n < 2)
        return;
    if (event < 6)
        grow(g, (int32_t)roll(g, (uint64_t)g->partitions), roll(g, 50));
    else if (event < 9)
        script_fault(g, p);
    else if (event < 11 && g->depth < 3 && g->processes < 8)
        run_one(g, false);
    else if (event < 13)
        fake_source_take(p->source);
    else if (event < 16)
        fake_source_give(p->source, g->partitions);
    else if (event < 18 || n > 400)
        p->command = roll(g, 2) && n < 400 ? JOB_DRAIN : JOB_STOP;
    else if (event < 20)
        fake_clock_advance(&g->world.fake, (int64_t)roll(g, 20000));
}

/* What a history explains: losing five times in a row, a message that stays broken. */
static void must_be_explained(struct game *g, const struct error *e) {
    if (e->code == ERR_FENCED || e->code == ERR_KAFKA || e->code == ERR_UNKNOWN ||
        e->code == ERR_UNAVAILABLE)
        return;
    fail_msg("SIM_SEED=%" PRIu64 ": %s", g->seed, e->text);
}

static void run_one(struct game *g, bool last) {
    struct process_options o = g->options;
    o.bounded = last || roll(g, 2);
    g->processes++;
    g->depth++;
    struct process *p = process_new(&g->world, &o);
    p->test = g;
    p->source->batch = 1 + roll(g, 60);
    if (!last)
        process_on_poll(p, happen);
    enum worker_end end = process_run(p);
    if (end == WORKER_FAILED)
        must_be_explained(g, &p->error);
    if (last && end != WORKER_DONE)
        fail_msg("SIM_SEED=%" PRIu64 ": the last process ends with %s", g->seed, p->error.text);
    if (p->last.memory_peak > p->last.memory_limit)
        fail_msg("SIM_SEED=%" PRIu64 ": %" PRIu64 " bytes of memory, %" PRIu64 " allowed", g->seed,
                 (uint64_t)p->last.memory_peak, (uint64_t)p->last.memory_limit);
    process_free(p);
    g->depth--;
}

static void break_messages(struct game *g) {
    for (int32_t i = 0; i < g->partitions; i++) {
        int64_t end = fake_topic_end(g->world.topic, i);
        if (roll(g, 3) == 0 && end > 0)
            fake_topic_break(g->world.topic, i, (int64_t)roll(g, (uint64_t)end), 1);
    }
}

/* Returns how many lines its files must have. */
static uint64_t check_partition(struct game *g, int32_t partition) {
    struct checkpoint k = worker_world_newest(&g->world, partition);
    uint64_t lines = k.read[CLASS_EVENT].events + k.read[CLASS_LATE].events;
    if (!checkpoint_is_clean(&k) || k.next != fake_topic_end(g->world.topic, partition))
        fail_msg("SIM_SEED=%" PRIu64 ": partition %" PRId32 " is not at its end", g->seed,
                 partition);
    for (int c = 0; c < CLASS_NULL; c++)
        if (k.read[c].events != k.listed[c].events || k.read[c].hash != k.listed[c].hash)
            fail_msg("SIM_SEED=%" PRIu64 ": not all that was read is listed", g->seed);
    if (worker_world_most(&g->world, partition) > 1)
        fail_msg("SIM_SEED=%" PRIu64 ": partition %" PRId32 " has a line twice", g->seed,
                 partition);
    checkpoint_clear(&k);
    return lines;
}

static void check_lines(struct game *g) {
    uint64_t want = 0, have = 0;
    for (int32_t i = 0; i < g->partitions; i++)
        want += check_partition(g, i);
    have += (uint64_t)worker_world_lines(&g->world, "dt=");
    have += (uint64_t)worker_world_lines(&g->world, "_late/");
    if (want != have)
        fail_msg("SIM_SEED=%" PRIu64 ": %" PRIu64 " lines, must be %" PRIu64, g->seed, have, want);
}

static void play_seed(uint64_t seed) {
    static const struct memory_traits *const traits[] = {&memory_like_s3, &memory_like_directory};
    struct game *g = xcalloc(1, sizeof *g);
    g->seed = seed;
    fake_random_init(&g->dice, seed * 104729);
    g->partitions = 1 + (int32_t)roll(g, 3);
    worker_world_init(&g->world, traits[roll(g, 2)], g->partitions);
    g->world.seed = seed;
    g->world.creep_ms = 1; /* a settling worker waits for the clock, not for a poll */
    g->options.sets[0] = "checkpoint.interval=2s";
    g->options.sets[1] = roll(g, 2) ? "output.emit=checkpoint" : "output.max_file_size=10KB";
    g->options.sets[2] = "checkpoint.min_pause=100ms";
    for (int32_t i = 0; i < g->partitions; i++)
        grow(g, i, roll(g, 400));
    break_messages(g);
    while (g->processes < 3)
        run_one(g, false);
    for (int32_t i = 0; i < g->partitions; i++) /* what is still broken is repaired */
        for (int64_t o = 0; o < fake_topic_end(g->world.topic, i); o++)
            fake_topic_break(g->world.topic, i, o, 0);
    run_one(g, true);
    check_lines(g);
    worker_world_free(&g->world);
    free(g);
}

static void test_random_workers(void **state) {
    (void)state;
    const char *one = getenv("SIM_SEED");
    if (one) {
        play_seed(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play_seed(seed);
}

/* ---- Rules that show only here ------------------------------------------------------------------ */

static void test_rule_2_other_settings_are_refused(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    struct process_options other = {.bounded = true, .sets = {"window.size=1m"}};
    process_must_fail(&w, &other, ERR_MISMATCH, "settings", NULL);
    worker_world_free(&w);
}

static void stop_soon(void *ctx, int n) {
    if (n == 50)
        ((struct process *)ctx)->command = JOB_STOP;
}

static void test_rule_2_changes_are_accepted_only_when_nothing_is_open(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &(struct process_options){0});
    process_on_poll(p, stop_soon);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    struct process_options other = {
        .bounded = true, .accept_changes = true, .sets = {"window.size=1m"}};
    process_must_fail(&w, &other, ERR_MISMATCH, "open files", NULL);
    process_must_end(&w, &bounded, WORKER_DONE);
    process_must_end(&w, &other, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rule_12_a_recreated_topic_stops_the_job(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    fake_topic_empty(w.topic, 0);
    worker_world_add_many(&w, 0, 200, T0 + 5000000, 1000);
    process_must_fail(&w, &bounded, ERR_MISMATCH, "recreated", NULL);
    worker_world_free(&w);
}

static void test_rule_12_a_broken_message_is_read_again(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    fake_topic_break(w.topic, 0, 40, 1);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rule_12_the_same_broken_message_twice_fails_the_job(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    fake_topic_break(w.topic, 0, 40, 2);
    process_must_fail(&w, &bounded, ERR_KAFKA, "twice", NULL);
    worker_world_free(&w);
}

/* The store answers one request a poll. */
static void answer_one(void *ctx, int n) {
    struct process *p = ctx;
    memory_store_hold(p->output, true);
    if (n % 3 == 0)
        (void)memory_store_step(p->output, 0);
}

/* More windows are open than memory holds chunks for, and the store answers slowly. */
static void test_rule_7_memory_stays_below_its_limit(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    for (int i = 0; i < 1000; i++) {
        int64_t t = T0 + (i * 7919 % 1000) * 300000;
        char *value = xasprintf("{\"user_id\":\"u\",\"timestamp\":%" PRId64
                                ",\"p\":0,\"o\":%d,\"long\":\"%0100000d\"}",
                                t, i, 0);
        (void)fake_topic_add(w.topic, 0, t, "u", value);
        free(value);
    }
    struct process_options o = {.bounded = true,
                                .sets = {"memory.limit=64MiB", "window.out_of_orderness=366d"}};
    struct process *p = process_new(&w, &o);
    process_on_poll(p, answer_one);
    assert_int_equal(process_run(p), WORKER_DONE);
    assert_in_range(p->last.memory_peak, 1, 64 << 20);
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_2_other_settings_are_refused),
        cmocka_unit_test(test_rule_2_changes_are_accepted_only_when_nothing_is_open),
        cmocka_unit_test(test_rule_12_a_recreated_topic_stops_the_job),
        cmocka_unit_test(test_rule_12_a_broken_message_is_read_again),
        cmocka_unit_test(test_rule_12_the_same_broken_message_twice_fails_the_job),
        cmocka_unit_test(test_rule_7_memory_stays_below_its_limit),
        cmocka_unit_test(test_random_workers),
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!getenv("SIM_SEED"))
        log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
