/* The copy of a job's numbers that others read, and what is computed of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/metrics.h"
#include "support/fake_clock.h"

static struct partition_metrics partition(int32_t id) {
    return (struct partition_metrics){.partition = id,
                                      .state = "running",
                                      .position = 1000 + id,
                                      .end = -1,
                                      .max_ts = TS_NONE,
                                      .watermark = TS_NONE,
                                      .count = {.events = {10, 2, 3, 4}, .rejected = {0, 2, 1}},
                                      .checkpoint_age_ms = -1,
                                      .checkpoint_duration_ms = -1,
                                      .checkpoint_bytes = -1,
                                      .replay_from = -1};
}

/* What is published is a copy, files included; no partitions are fine. */
static void test_published_is_a_copy(void **state) {
    (void)state;
    struct metrics *m = metrics_new(clock_system());
    struct partition_metrics p = partition(0);
    struct open_file_metrics f = {.partition = 0, .events = 17};
    struct job_metrics copy,
        now = {.running = true, .partitions = &p, .n_partitions = 1, .files = &f, .n_files = 1};
    metrics_publish(m, &now);
    p.position = 1;
    f.events = 1;
    metrics_copy(m, &copy);
    assert_int_equal(copy.partitions[0].position, 1000);
    assert_int_equal(copy.files[0].events, 17);
    assert_true(metrics_healthy(m));
    now = (struct job_metrics){.running = false};
    metrics_publish(m, &now);
    assert_false(metrics_healthy(m));
    assert_int_equal(copy.partitions[0].position, 1000); /* a copy of its own */
    job_metrics_free(&copy);
    metrics_copy(m, &copy);
    assert_int_equal(copy.n_partitions, 0);
    job_metrics_free(&copy);
    metrics_free(m);
}

/* Each state keeps when it was entered last; entering it again while in it is no entry. */
static void test_states_and_when_they_were_entered(void **state) {
    (void)state;
    struct fake_clock clock;
    int64_t at[JOB_STATE_COUNT];
    fake_clock_init(&clock);
    int64_t start = clock.wall;
    struct metrics *m = metrics_new(&clock.clock);
    fake_clock_advance(&clock, 100);
    metrics_set_state(m, JOB_RUNNING);
    fake_clock_advance(&clock, 100);
    metrics_set_state(m, JOB_RUNNING);
    metrics_set_state(m, JOB_RESTARTING);
    fake_clock_advance(&clock, 100);
    assert_int_equal(metrics_state(m, at), JOB_RESTARTING);
    assert_int_equal(at[JOB_CREATED], start);
    assert_int_equal(at[JOB_RUNNING], start + 100);
    assert_int_equal(at[JOB_RESTARTING], start + 200);
    assert_int_equal(at[JOB_FAILED], 0);
    metrics_set_state(m, JOB_RUNNING);
    (void)metrics_state(m, at);
    assert_int_equal(at[JOB_RUNNING], start + 300);
    assert_int_equal(metrics_started_ms(m), start);
    metrics_free(m);
}

static void test_watched_for_a_while(void **state) {
    (void)state;
    struct fake_clock clock;
    fake_clock_init(&clock);
    struct metrics *m = metrics_new(&clock.clock);
    assert_false(metrics_watched(m));
    metrics_watch(m);
    fake_clock_advance(&clock, METRICS_WATCHED_FOR_MS - 1);
    assert_true(metrics_watched(m));
    fake_clock_advance(&clock, 1);
    assert_false(metrics_watched(m));
    metrics_free(m);
}

/* Every field is added: one that is forgotten would stay at what it was. */
static void test_counters_add_up(void **state) {
    (void)state;
    struct partition_counters one, sum;
    _Static_assert(sizeof one % sizeof(uint64_t) == 0, "counters only");
    enum { FIELDS = sizeof one / sizeof(uint64_t) };
    uint64_t numbers[FIELDS];
    for (uint64_t i = 0; i < FIELDS; i++)
        numbers[i] = i + 1;
    memcpy(&one, numbers, sizeof one);
    sum = one;
    partition_counters_add(&sum, &one);
    memcpy(numbers, &sum, sizeof sum);
    for (uint64_t i = 0; i < FIELDS; i++)
        assert_int_equal(numbers[i], 2 * (i + 1));
}

static void test_sums(void **state) {
    (void)state;
    struct partition_metrics p[3] = {partition(0), partition(1), partition(2)};
    p[0].watermark = 500;
    p[1].watermark = -3;
    p[1].checkpoint_number = 9;
    p[2].open_windows = 4;
    struct job_metrics now = {.partitions = p, .n_partitions = 3};
    struct job_sums s;
    metrics_sum(&now, &s);
    assert_int_equal(s.records, 3 * 19);
    assert_int_equal(s.events, 30);
    assert_int_equal(s.late, 6);
    assert_int_equal(s.rejected, 9);
    assert_int_equal(s.open_windows, 4);
    assert_int_equal(s.checkpoint_number, 9);
    assert_int_equal(s.watermark, -3); /* the smallest that is known */
    metrics_sum(&(struct job_metrics){.n_partitions = 0}, &s);
    assert_true(s.watermark == TS_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_is_a_copy),
        cmocka_unit_test(test_states_and_when_they_were_entered),
        cmocka_unit_test(test_watched_for_a_while),
        cmocka_unit_test(test_counters_add_up),
        cmocka_unit_test(test_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
