/* Savepoints that a worker is asked for: a checkpoint of every partition, and the answer once all are
 * durable. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/worker_world.h"

enum { PARTITIONS_MAX = 4 };

struct asker {
    struct requests *requests;
    char id[REQUEST_ID_MAX];
    uint64_t before[PARTITIONS_MAX]; /* the newest checkpoints when it was asked */
    int32_t partitions;
    struct request answer;
    int answered_at; /* poll */
    bool at_once;    /* asked for before the worker begins */
};

/* No checkpoint comes by itself. */
#define RARE "checkpoint.interval=1h", "checkpoint.min_pause=1h"

static uint64_t newest(const struct process *p, int32_t partition) {
    struct checkpoint k = worker_world_newest(p->world, partition);
    uint64_t number = k.number;
    checkpoint_clear(&k);
    return number;
}

static void ask(const struct process *p, struct asker *a) {
    for (int32_t i = 0; i < a->partitions; i++)
        a->before[i] = newest(p, i);
    requests_add(a->requests, REQUEST_SAVEPOINT, a->id);
}

/* Once it is done, each partition has a checkpoint that is newer than when it was asked. */
static bool is_done(const struct process *p, struct asker *a, int n) {
    if (!a->id[0] || a->answered_at)
        return a->answered_at > 0;
    assert_true(requests_find(a->requests, a->id, &a->answer));
    if (a->answer.state == REQUEST_PENDING)
        return false;
    a->answered_at = n;
    for (int32_t i = 0; i < a->partitions; i++) {
        struct checkpoint k = worker_world_newest(p->world, i);
        assert_true(k.number > a->before[i]);
        assert_false(k.claim);
        checkpoint_clear(&k);
    }
    return true;
}

/* Runs until it is stopped; polls call fn. */
static void run_asker(struct worker_world *w, struct asker *a, const struct process_options *o,
                      void (*fn)(void *process, int n)) {
    struct process_options options = *o;
    _Atomic int command = JOB_RUN;
    options.requests = a->requests = requests_new(&command, JOB_STOP, JOB_DRAIN);
    struct process *p = process_new(w, &options);
    p->test = a;
    process_on_poll(p, fn);
    if (a->at_once)
        requests_add(a->requests, REQUEST_SAVEPOINT, a->id);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    requests_free(a->requests);
}

static void ask_at_100(void *ctx, int n) {
    struct process *p = ctx;
    struct asker *a = p->test;
    if (n == 100) {
        memory_store_hold(p->checkpoints, true);
        ask(p, a);
    } else if (n == 120) { /* one of the two is durable */
        assert_int_equal(memory_store_pending(p->checkpoints), 2);
        assert_true(memory_store_step(p->checkpoints, 0));
    } else if (n == 140) {
        assert_int_equal(newest(p, 0) + newest(p, 1), a->before[0] + a->before[1] + 1);
        assert_false(is_done(p, a, n));
        memory_store_hold(p->checkpoints, false);
    } else if (n > 140 && is_done(p, a, n)) {
        p->command = JOB_STOP;
    }
    assert_in_range(n, 1, 400);
}

static void test_savepoint_while_running(void **state) {
    (void)state;
    struct worker_world w;
    struct asker a = {.partitions = 2};
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 300, T0, 1000);
    run_asker(&w, &a, &(struct process_options){.sets = {RARE}}, ask_at_100);
    assert_int_equal(a.answer.state, REQUEST_DONE);
    assert_string_equal(a.answer.text,
                        "s3://checkpoints/clickstream-events/clickstream/clickstream/");
    worker_world_free(&w);
}

/* Asked twice; nothing has changed in between, but the second wants a checkpoint of its own. */
static void ask_twice(void *ctx, int n) {
    struct process *p = ctx;
    struct asker *a = p->test;
    if (n == 100) {
        ask(p, a);
    } else if (n == 150) {
        assert_true(is_done(p, a, n));
        a->answered_at = 0;
        ask(p, a);
    } else if (n == 200) {
        assert_true(is_done(p, a, n));
        p->command = JOB_STOP;
    }
}

static void test_savepoint_of_what_has_not_changed(void **state) {
    (void)state;
    struct worker_world w;
    struct asker a = {.partitions = 1};
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 300, T0, 1000);
    run_asker(&w, &a, &(struct process_options){.sets = {RARE}}, ask_twice);
    worker_world_free(&w);
}

/* Before any partition has its claim: not the claim counts, but a checkpoint behind it. */
static void ask_while_claiming(void *ctx, int n) {
    struct process *p = ctx;
    struct asker *a = p->test;
    if (n == 1) {
        memory_store_hold(p->checkpoints, true);
    } else if (n == 20) {
        assert_string_equal(p->last.partitions[0].state, "claiming");
        requests_add(a->requests, REQUEST_SAVEPOINT, a->id);
    } else if (n == 60) {
        assert_false(is_done(p, a, n));
        memory_store_hold(p->checkpoints, false);
    } else if (n > 60 && is_done(p, a, n)) {
        p->command = JOB_STOP;
    }
    assert_in_range(n, 1, 400);
}

static void test_savepoint_while_claiming(void **state) {
    (void)state;
    struct worker_world w;
    struct asker a = {.partitions = 2, .before = {1, 1}}; /* the claims */
    worker_world_init(&w, &memory_like_s3, 2);
    worker_world_add_many(&w, 0, 300, T0, 1000);
    run_asker(&w, &a, &(struct process_options){.sets = {RARE}}, ask_while_claiming);
    assert_int_equal(a.answer.state, REQUEST_DONE);
    worker_world_free(&w);
}

/* Another process takes partition 0 away while its savepoint is on the way. This one claims it again,
 * and has to put one then. */
static void lose_while_asked(void *ctx, int n) {
    struct process *p = ctx;
    struct asker *a = p->test;
    if (n == 100) {
        struct process_options o = {
            .bounded = true, .partitions = 1, .sets = {"kafka.assignment=0"}};
        process_must_end(p->world, &o, WORKER_DONE);
        ask(p, a);
    } else if (n > 100 && is_done(p, a, n)) {
        p->command = JOB_STOP;
    }
    assert_in_range(n, 1, 2000);
}

static void test_savepoint_after_a_loss(void **state) {
    (void)state;
    struct worker_world w;
    struct asker a = {.partitions = 2};
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 300, T0, 1000);
    struct journal *journal = journal_new(&w.clock);
    run_asker(&w, &a, &(struct process_options){.sets = {RARE}, .journal = journal},
              lose_while_asked);
    assert_int_equal(a.answer.state, REQUEST_DONE);
    struct journal_error e;
    struct journal_checkpoint k[10];
    assert_int_equal(journal_errors(journal, &e, 1, NULL), 1);
    assert_string_equal(e.kind, "partition_lost");
    int savepoints = 0;
    for (size_t i = journal_checkpoints(journal, k, 10, NULL); i-- > 0;)
        savepoints += k[i].savepoint;
    assert_int_equal(savepoints, 2);
    journal_free(journal);
    worker_world_free(&w);
}

/* Nothing is this process's, so there is nothing to save. */
static void ask_without_partitions(void *ctx, int n) {
    struct process *p = ctx;
    struct asker *a = p->test;
    if (n == 60) {
        fake_source_take(p->source);
    } else if (n == 70) {
        requests_add(a->requests, REQUEST_SAVEPOINT, a->id);
    } else if (n == 75) {
        assert_true(is_done(p, a, n));
        p->command = JOB_STOP;
    }
}

static void test_savepoint_of_nothing_fails(void **state) {
    (void)state;
    struct worker_world w;
    struct asker a = {.partitions = 0};
    worker_world_init(&w, &memory_like_s3, 1);
    run_asker(&w, &a, &(struct process_options){0}, ask_without_partitions);
    assert_int_equal(a.answer.state, REQUEST_FAILED);
    assert_non_null(strstr(a.answer.text, "no partition"));
    worker_world_free(&w);
}

/* Before Kafka has said which partitions are ours it is not known who has to put one. */
static void stop_once_done(void *ctx, int n) {
    struct process *p = ctx;
    if (is_done(p, p->test, n))
        p->command = JOB_STOP;
}

static void test_savepoint_before_the_assignment(void **state) {
    (void)state;
    struct worker_world w;
    struct asker a = {.partitions = 2, .at_once = true};
    worker_world_init(&w, &memory_like_s3, 2);
    worker_world_add_many(&w, 0, 20, T0, 1000);
    run_asker(&w, &a, &(struct process_options){.sets = {RARE}}, stop_once_done);
    assert_int_equal(a.answer.state, REQUEST_DONE);
    worker_world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_savepoint_while_running),
        cmocka_unit_test(test_savepoint_of_what_has_not_changed),
        cmocka_unit_test(test_savepoint_while_claiming),
        cmocka_unit_test(test_savepoint_after_a_loss),
        cmocka_unit_test(test_savepoint_of_nothing_fails),
        cmocka_unit_test(test_savepoint_before_the_assignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
