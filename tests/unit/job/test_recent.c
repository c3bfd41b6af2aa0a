/* What has come about within the last minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "job/recent.h"

enum { TICK = 250 };

struct fixture {
    struct recent_memory recent;
    struct partition_metrics partitions[2];
    struct job_metrics m;
    int64_t now;
};

static int set_up(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    f->m.partitions = f->partitions;
    f->m.n_partitions = 1;
    f->partitions[0].end = f->partitions[1].end = -1;
    f->now = 1000000;
    recent_update(&f->recent, &f->m, f->now);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

/* So many seconds with so much in each. */
struct second {
    uint64_t records, late, rejected, errors, busy_ms, backpressured_ms;
    int64_t produced;
};

static void pass(struct fixture *f, int seconds, struct second each) {
    for (int i = 0; i < seconds * 1000 / TICK; i++) {
        struct partition_metrics *p = &f->partitions[0];
        bool whole = i % (1000 / TICK) == 1000 / TICK - 1;
        f->now += TICK;
        f->m.worker.busy_ms += each.busy_ms * TICK / 1000;
        f->m.worker.backpressured_ms += each.backpressured_ms * TICK / 1000;
        if (whole) {
            f->m.events[CLASS_EVENT] += each.records - each.late - each.rejected;
            f->m.events[CLASS_LATE] += each.late;
            f->m.events[CLASS_REJECTED] += each.rejected;
            p->position += (int64_t)each.records;
            if (p->end >= 0)
                p->end += each.produced;
            f->m.output.outcomes[STORE_UPLOAD_PART][ERR_UNAVAILABLE] += each.errors;
            f->m.output.outcomes[STORE_PUT_IF_ABSENT][ERR_EXISTS] += 1; /* no trouble */
            f->m.checkpoints.retries[STORE_LIST] += each.errors;
        }
        recent_update(&f->recent, &f->m, f->now);
    }
}

static void test_nothing_is_known_at_first(void **state) {
    struct fixture *f = *state;
    assert_int_equal(f->m.recent.ms, 0);
}

static void test_the_last_minute(void **state) {
    struct fixture *f = *state;
    struct second each = {.records = 100,
                          .late = 7,
                          .rejected = 3,
                          .errors = 2,
                          .busy_ms = 400,
                          .backpressured_ms = 200};
    pass(f, 20, each);
    const struct recent *r = &f->m.recent;
    assert_int_equal(r->ms, 20000);
    assert_int_equal(r->records, 2000);
    assert_int_equal(r->late, 140);
    assert_int_equal(r->rejected, 60);
    assert_int_equal(r->output_errors, 40);
    assert_int_equal(r->output_retries, 0);
    assert_int_equal(r->checkpoint_errors, 0);
    assert_int_equal(r->checkpoint_retries, 40);
    assert_int_equal(r->worker.busy_ms, 400);
    assert_int_equal(r->worker.backpressured_ms, 200);
    pass(f, 600, each);
    assert_true(r->ms > 55000 && r->ms <= 65000);
    assert_true(r->records > 5500 && r->records <= 6500);
    pass(f, 66, (struct second){.records = 1});
    assert_int_equal(r->late, 0); /* forgotten */
    assert_int_equal(r->output_errors, 0);
}

static void test_lag_grows_and_shrinks(void **state) {
    struct fixture *f = *state;
    pass(f, 10, (struct second){.records = 10});
    assert_true(f->m.recent.lag_growth == 0); /* not known */
    f->partitions[0].end = f->partitions[0].position;
    pass(f, 70, (struct second){.records = 10, .produced = 30});
    assert_true(f->m.recent.lag_growth > 15 && f->m.recent.lag_growth < 25);
    pass(f, 70, (struct second){.records = 30, .produced = 10});
    assert_true(f->m.recent.lag_growth > -25 && f->m.recent.lag_growth < -15);
}

/* Its records were not read: they belonged to another process. */
static void test_a_partition_that_comes_is_no_growth(void **state) {
    struct fixture *f = *state;
    f->partitions[0].end = 0;
    pass(f, 20, (struct second){.records = 0});
    f->partitions[1].end = 1000000;
    f->m.n_partitions = 2;
    pass(f, 20, (struct second){.records = 0});
    assert_true(f->m.recent.lag_growth == 0);
}

/* Those of a store that is opened anew begin again. */
static void test_counts_that_fall_are_no_trouble(void **state) {
    struct fixture *f = *state;
    pass(f, 20, (struct second){.errors = 10, .busy_ms = 900});
    f->m.output = (struct store_counters){0};
    f->m.worker = (struct time_spent){0};
    pass(f, 1, (struct second){.records = 0});
    assert_int_equal(f->m.recent.output_errors, 0);
    assert_int_equal(f->m.recent.worker.busy_ms, 0);
}

#define recent_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        recent_test(test_nothing_is_known_at_first),
        recent_test(test_the_last_minute),
        recent_test(test_lag_grows_and_shrinks),
        recent_test(test_a_partition_that_comes_is_no_growth),
        recent_test(test_counts_that_fall_are_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
